"""One line of the benchmark, and how a short piece of work is timed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """*value* in *unit*; *target* is what it should be at most, or with *at_least* at least. None: no target."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool:
        if self.target is None:
            return True
        return self.value >= self.target if self.at_least else self.value <= self.target


def best(work: Callable[[], object], count: int, repeat: int = 5) -> float:
    """Seconds that one of *count* pieces of *work* takes, in the best of several runs."""
    fastest = float("inf")
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / count
