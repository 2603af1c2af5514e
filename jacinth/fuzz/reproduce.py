"""What a reproducer does: the steps of a failed episode, each with what it answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jacinth.api.machine import EngineName
from jacinth.fuzz import programs
from jacinth.fuzz.episode import replay
from jacinth.fuzz.world import Step


def reproduce(seed: int, steps: Sequence[Step], engine: EngineName = "auto") -> None:
    """Print the steps as they happen, and what goes wrong. Exit status 1 where something does."""
    _show(replay(seed, steps, 1, _log, engine))


def reproduce_programs(seed: int, steps: Sequence[tuple[str, bytes]], engine: EngineName = "auto") -> None:
    """The same for ELF files and machine code: print how each of them ends."""
    _show(programs.attempt(seed, steps, _log, engine))


def _log(text: str) -> None:
    print(text, flush=True)


def _show(fault: str | None) -> None:
    if fault is None:
        print("nothing goes wrong")
        return
    print(fault, file=sys.stderr)
    sys.exit(1)
