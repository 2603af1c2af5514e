"""Fixtures of the tests of the machine's own calls."""

from __future__ import annotations

from tests.tasks.conftest import calls, memory, program, trap

__all__ = ["calls", "memory", "program", "trap"]
