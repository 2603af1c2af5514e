"""A program in C that serves its own pager from a second thread."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jacinth.api.kernel import Kernel
from tests.exceptions.test_programs import Running
from tests.sdk.conftest import build, cache, compiler  # noqa: F401

HERE = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("compiler")


def test_a_program_pages_its_own_memory(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build(HERE / "self.c", flags=("-Wall", "-Wextra", "-Werror", "-O1"))
    code, output = Running(k, program, k.host.root_job).finish()
    assert (code, output.decode().splitlines()) == (
        0,
        [
            "load: page 3",
            "store: stored, 2 reads, 1 dirties",
            "in: 0, 8 bytes, page 6",
            "out: 0, 8 bytes, message",
            "handle: 0, closes with 0",
            "wait: 0, writable",
            "futex: -20",
            "broken: write -10",
            "broken: read -42",
            "broken: out -10",
            "exception 0x108, status -42",
            "served: 0",
            "dirty: 4 for 1",
            "dirty: 7 for 4",
        ],
    )
