"""Blocking: the one way in which a thread waits in the kernel, and the clock and timers that end a wait.

A system call that can block is a coroutine. It makes a `Waiter`, leaves it where somebody will find it, and awaits it:

    waiter = Waiter(deadline)
    self._readers[waiter] = None
    try:
        status = await waiter              # OK or what complete() was given, or TIMED_OUT
    finally:
        self._readers.pop(waiter, None)    # however the wait ends, a kill included

A kill closes the coroutine, so its `finally` and `with` blocks are what undoes the wait. Deadlines are absolute, in nanoseconds
of the monotonic clock.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_SIGNAL_HANDLE_CLOSED, ZX_TIME_INFINITE, Status
from jacinth.kernel.object import SignalObserver

if TYPE_CHECKING:
    from jacinth.kernel.handle import Handle
    from jacinth.kernel.thread import ThreadDispatcher


class Waiter:
    """One thread's wait. `complete` ends it, once; awaiting it answers the status it was completed with.

    *reason* is the ZX_THREAD_STATE_BLOCKED_* that the thread shows meanwhile. The deadline is kept by whoever drives the thread.
    """

    __slots__ = ("deadline", "reason", "status", "thread", "timer")

    def __init__(self, deadline: int = ZX_TIME_INFINITE, reason: int = 0) -> None:
        self.deadline = deadline
        self.reason = reason
        self.status: Status | None = None
        self.thread: ThreadDispatcher | None = None  # set while the thread is blocked on it
        self.timer: Timer | None = None

    def complete(self, status: Status = Status.OK) -> bool:
        """End the wait. Answers False where it has ended before."""
        if self.status is not None:
            return False
        self.status = status
        if self.timer is not None:
            self.timer.cancel()
        if self.thread is not None:
            self.thread.wake(self)
        return True

    def expire(self) -> None:
        """The deadline has come."""
        self.complete(Status.TIMED_OUT)

    def __await__(self) -> Generator[Waiter, None, Status]:
        if self.status is None:
            yield self
        assert self.status is not None  # the driver resumes a thread only when its wait has ended
        return self.status


class SignalWaiter(SignalObserver):
    """Completes a waiter when a signal rises (OK) or the handle goes (CANCELED), and keeps the signals it saw."""

    __slots__ = ("signals", "waiter")

    def __init__(self, waiter: Waiter, trigger: int, handle: Handle) -> None:
        super().__init__(trigger, handle)
        self.waiter = waiter
        self.signals = 0  # of the last time it was told; the object's own while it was not

    def on_match(self, signals: int) -> None:
        self.signals = signals
        self.waiter.complete(Status.OK)

    def on_cancel(self, signals: int) -> None:
        self.signals = signals | ZX_SIGNAL_HANDLE_CLOSED
        self.waiter.complete(Status.CANCELED)


class Timer:
    """A callback at a deadline. `cancel` may be called at any time, and again."""

    __slots__ = ("_heap", "callback", "deadline")

    def __init__(self, heap: TimerHeap, deadline: int, callback: Callable[[], None]) -> None:
        self._heap = heap
        self.deadline = deadline
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._heap.forget_one()


class TimerHeap:
    """Callbacks in the order of their deadlines; equal deadlines in the order in which they were set."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._sequence = 0
        self._canceled = 0

    def set(self, deadline: int, callback: Callable[[], None]) -> Timer:
        timer = Timer(self, deadline, callback)
        self._sequence += 1
        heapq.heappush(self._heap, (deadline, self._sequence, timer))
        return timer

    def forget_one(self) -> None:
        """A timer in the heap was cancelled. When most are, sweep: a loop of timed waits must not grow the heap."""
        self._canceled += 1
        if self._canceled > 64 and self._canceled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].callback is not None]
            heapq.heapify(self._heap)
            self._canceled = 0

    def next_deadline(self) -> int | None:
        """The earliest deadline, or None where nothing is set."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            heapq.heappop(heap)
            self._canceled -= 1
        return heap[0][0] if heap else None

    def fire(self, now: int) -> None:
        """Call back everything due at *now*."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            timer = heapq.heappop(self._heap)[2]
            callback, timer.callback = timer.callback, None
            assert callback is not None  # next_deadline has dropped the cancelled ones
            callback()


class Clock:
    """Time since boot, in nanoseconds. Monotonic and boot time are one: a Jacinth machine never sleeps."""

    virtual: bool = False
    # What guests read from the time stamp counter, in terms of this clock: its ns are (counter - tsc_base) * tsc_mult / 2**32.
    tsc_base: int = 0
    tsc_mult: int = 1 << 32

    def now(self) -> int:
        raise NotImplementedError

    def wait_until(self, deadline: int) -> None:
        """Nothing can run before *deadline*: let time pass, perhaps not all of it."""
        raise NotImplementedError

    def tick(self, ns: int) -> None:
        """The machine has worked for about this long."""


# In seconds; the host refuses to wait for centuries.
LONGEST_WAIT: Final = 3600.0


class HostClock(Clock):
    """The host's monotonic clock, counted from the kernel's boot."""

    def __init__(self) -> None:
        self._boot = time.monotonic_ns()

    def now(self) -> int:
        return time.monotonic_ns() - self._boot

    def wait_until(self, deadline: int) -> None:
        delay = deadline - self.now()
        if delay > 0:
            time.sleep(min(delay / 1e9, LONGEST_WAIT))


class TscClock(HostClock):
    """The host's time, by the time stamp counter that guests read too. *read* answers it, *mult* is its `Clock.tsc_mult`."""

    def __init__(self, read: Callable[[], int], mult: int) -> None:
        super().__init__()
        self._read = read
        self.tsc_base = read()
        self.tsc_mult = mult

    def now(self) -> int:
        return (self._read() - self.tsc_base) * self.tsc_mult >> 32


_SECOND: Final = 1_000_000_000


class VirtualClock(Clock):
    """A clock that stands still while nothing happens and jumps to the next deadline when nothing can run.

    It starts at one second, so that programs which take zero for "unset" are not misled, and moves by a fixed amount with each
    piece of work, so that a program which polls the time sees it pass.
    """

    virtual = True

    def __init__(self) -> None:
        self._now = _SECOND

    def now(self) -> int:
        return self._now

    def wait_until(self, deadline: int) -> None:
        self._now = max(self._now, deadline)

    def tick(self, ns: int) -> None:
        self._now += ns
