"""Whose turn it is, where profiles make threads unequal.

Fair threads share the CPU by weight, which follows from their priority. A thread that is queued gets a time on a virtual timeline
at which a turn of its would be over: the sooner the more weight it has, the later the later it came. The earliest is next. With
a seed chance decides instead, in proportion to the weights. No thread starves, whatever the others weigh.

A thread with a deadline is next before all fair ones, the earliest deadline first, until it has run for its capacity; when its
period is over it may do so again. For the rest of the period it is a fair thread of default weight. Threads with deadlines leave
others at least one turn in nine.

Source: docs/concepts/kernel/fair_scheduler.md; the weights from zircon/kernel/include/kernel/scheduler_state.h.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jacinth.kernel.thread import ThreadDispatcher

# By priority, from ZX_PRIORITY_LOWEST to ZX_PRIORITY_HIGHEST.
WEIGHTS: Final = (
    *(53, 58, 64, 71, 78, 85, 94, 103, 114, 125, 138, 152, 167, 184, 202, 222),
    *(245, 269, 296, 326, 358, 394, 434, 477, 525, 578, 635, 699, 769, 846, 930, 1024),
)
_TURN: Final = 1 << 20  # on the virtual timeline, for a weight of 1
_MOST_IN_A_ROW: Final = 8  # turns of threads with deadlines


@dataclass(slots=True)
class Reservation:
    """Of every *period* the thread may run for *capacity*, before *relative_deadline* is over. In ns."""

    capacity: int
    relative_deadline: int
    period: int
    begins: int = 0  # the present period
    deadline: int = 0  # in it
    spent_before: int = 0  # of the thread's running time, before it began

    def renew(self, now: int, runtime: int) -> None:
        """The thread can run: where its period is over a new one begins."""
        if not self.deadline or now >= self.begins + self.period:
            self.begins = now
            self.deadline = now + self.relative_deadline
            self.spent_before = runtime

    def holds(self, runtime: int) -> bool:
        """Whether a thread that has run for so long has capacity left."""
        return runtime - self.spent_before < self.capacity


class Turns:
    """What orders the queue of threads that can run. *random* is the kernel's where it has a seed."""

    def __init__(self, random: Random | None) -> None:
        self._random = random
        self._now = 0  # on the virtual timeline
        self._in_a_row = 0

    def queued(self, thread: ThreadDispatcher, now: int) -> None:
        """*thread* can run, and is at the end of the queue."""
        thread.turn_ends = self._now + _TURN // thread.weight
        if thread.reservation is not None:
            thread.reservation.renew(now, thread.runtime)

    def take(self, ready: deque[ThreadDispatcher]) -> ThreadDispatcher:
        """Take the next one out of the queue, which is not empty."""
        index = self._earliest_deadline(ready)
        if index is None:
            index = self._fair(ready)
            self._in_a_row = 0
        else:
            self._in_a_row += 1
        thread = ready[index]
        del ready[index]
        return thread

    def _earliest_deadline(self, ready: deque[ThreadDispatcher]) -> int | None:
        if self._in_a_row == _MOST_IN_A_ROW and not all(map(has_precedence, ready)):
            return None
        urgent = [index for index, thread in enumerate(ready) if has_precedence(thread)]
        return min(urgent, key=lambda index: ready[index].reservation.deadline, default=None)  # type: ignore[union-attr]

    def _fair(self, ready: deque[ThreadDispatcher]) -> int:
        fair = [index for index, thread in enumerate(ready) if not has_precedence(thread)]
        if self._random is not None:
            return self._random.choices(fair, [ready[index].weight for index in fair])[0]
        index = min(fair, key=lambda index: ready[index].turn_ends)
        self._now = max(self._now, ready[index].turn_ends)
        return index


def has_precedence(thread: ThreadDispatcher) -> bool:
    """Whether it goes before all fair threads."""
    return thread.reservation is not None and thread.reservation.holds(thread.runtime)
