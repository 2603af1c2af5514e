"""What a reproducer does: the steps of a failed episode, each with what it answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jacinth.fuzz.episode import replay
from jacinth.fuzz.world import Step


def reproduce(seed: int, steps: Sequence[Step]) -> None:
    """Print the steps as they happen, and what goes wrong. Exit status 1 where something does."""

    def log(text: str) -> None:
        print(text, flush=True)

    fault = replay(seed, steps, 1, log)
    if fault is None:
        print("nothing goes wrong")
        return
    print(fault, file=sys.stderr)
    sys.exit(1)
