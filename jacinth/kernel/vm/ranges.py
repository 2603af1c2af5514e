"""A map from ranges of numbers to values, for what is the same over many pages at a time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class RangeMap(Generic[V]):
    """Values for numbers from zero on, kept as ranges. Neighbours with equal values are one range.

    Where nothing was set the value is None. Each operation costs a search, and the ranges it touches.
    """

    __slots__ = ("_starts", "_values")

    def __init__(self) -> None:
        # Where each range begins; it reaches to the next one's start, and has the value at the same index.
        self._starts: list[int] = [0]
        self._values: list[V | None] = [None]

    def get(self, number: int) -> V | None:
        return self._values[bisect_right(self._starts, number) - 1]

    def set(self, start: int, end: int, value: V | None) -> None:
        """Let [*start*, *end*) have *value*; None takes away what was there."""
        if start >= end:
            return
        starts, values = self._starts, self._values
        low = bisect_left(starts, start)
        high = bisect_right(starts, end)
        after = values[high - 1]
        new_starts: list[int] = []
        new_values: list[V | None] = []
        if low == 0 or values[low - 1] != value:
            new_starts.append(start)
            new_values.append(value)
        if after != value:
            new_starts.append(end)
            new_values.append(after)
        starts[low:high] = new_starts
        values[low:high] = new_values

    def runs(self, start: int, end: int) -> Iterator[tuple[int, int, V | None]]:
        """(start, end, value) of each range within [*start*, *end*), in order, those without a value too.

        The map may be changed while the runs are walked: they are as it was.
        """
        if start >= end:
            return iter(())
        starts, values = self._starts, self._values
        low = bisect_right(starts, start) - 1
        high = bisect_left(starts, end)
        bounds = [start, *starts[low + 1 : high], end]
        return iter(list(zip(bounds, bounds[1:], values[low:high], strict=False)))

    def run_end(self, number: int, limit: int) -> int:
        """Up to where, but not beyond *limit*, the value at *number* holds."""
        index = bisect_right(self._starts, number)
        return min(limit, self._starts[index]) if index < len(self._starts) else limit
