"""Futexes: where threads wait until another thread says that a number in their memory has changed.

A futex exists only while threads wait on it. It is known by a key, which is its address within the shared
state of the processes that can reach it; reading the number there is the caller's business, in the same call
and so atomic with everything here.

Source: zircon/kernel/object/futex_context.cc, docs/reference/kernel_objects/futex.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import ZX_THREAD_STATE_BLOCKED_FUTEX, Status, ZxError
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.thread import ThreadDispatcher


class _FutexWaiter(Waiter):
    """A thread that waits on a futex; requeueing changes which."""

    __slots__ = ("key", "who")

    def __init__(self, key: int, who: ThreadDispatcher, deadline: int) -> None:
        super().__init__(deadline, ZX_THREAD_STATE_BLOCKED_FUTEX)
        self.key = key
        self.who = who


class _Futex:
    """A futex that somebody waits on. *owner* is the thread that they wait for, as far as they have said."""

    __slots__ = ("owner", "waiters")

    def __init__(self) -> None:
        self.waiters: dict[_FutexWaiter, None] = {}  # who waits longest is woken first
        self.owner: ThreadDispatcher | None = None


class FutexContext:
    """The futexes of one process, or of all processes of one shared state."""

    __slots__ = ("_futexes",)

    def __init__(self) -> None:
        self._futexes: dict[int, _Futex] = {}

    async def wait(
        self, key: int, who: ThreadDispatcher, owner: ThreadDispatcher | None, deadline: int
    ) -> None:
        """Wait on the futex, which *owner* owns from now on (nobody, where None).

        Errors: INVALID_ARGS where the owner is the waiting thread or waits on this futex itself; TIMED_OUT.
        """
        if owner is not None and (owner is who or self._waits_on(owner, key)):
            raise ZxError(Status.INVALID_ARGS)
        futex = self._futexes.get(key)
        if futex is None:
            futex = self._futexes[key] = _Futex()
        futex.owner = owner
        waiter = _FutexWaiter(key, who, deadline)
        futex.waiters[waiter] = None
        try:
            status = await waiter
        finally:
            self._leave(waiter)
        if status is not Status.OK:
            raise ZxError(status)

    def wake(self, key: int, count: int) -> None:
        """Wake at most *count* threads. The futex is nobody's afterwards, even where no thread was woken."""
        futex = self._futexes.get(key)
        if futex is not None:
            self._wake(key, futex, count)
            futex.owner = None

    def wake_single_owner(self, key: int) -> None:
        """Wake one thread, which owns the futex from now on if others still wait."""
        futex = self._futexes.get(key)
        if futex is not None:
            futex.owner = self._wake(key, futex, 1)

    def requeue(
        self,
        key: int,
        wake_count: int,
        target: int,
        requeue_count: int,
        new_owner: ThreadDispatcher | None,
        *,
        single_owner: bool,
    ) -> None:
        """Wake at most *wake_count* threads, then let *requeue_count* of the others wait on *target* instead.

        The target is *new_owner*'s from now on; the first futex is nobody's, or with *single_owner* the woken
        thread's.
        Errors: INVALID_ARGS where the new owner waits on one of the two.
        """
        if new_owner is not None and (self._waits_on(new_owner, key) or self._waits_on(new_owner, target)):
            raise ZxError(Status.INVALID_ARGS)
        futex = self._futexes.get(key)
        if futex is not None:
            woken = self._wake(key, futex, wake_count)
            futex.owner = woken if single_owner else None
            self._move(key, futex, target, requeue_count)
        if target in self._futexes:
            self._futexes[target].owner = new_owner

    def owner(self, key: int) -> ThreadDispatcher | None:
        """The thread that owns the futex, if it is known and alive."""
        futex = self._futexes.get(key)
        if futex is None or futex.owner is None or not futex.owner.alive:
            return None
        return futex.owner

    def _wake(self, key: int, futex: _Futex, count: int) -> ThreadDispatcher | None:
        """Wake at most *count* threads. Answers the last one, None where there was none."""
        last: ThreadDispatcher | None = None
        waiters = futex.waiters
        while count and waiters:
            waiter = next(iter(waiters))
            del waiters[waiter]
            if waiter.complete():  # not where its deadline has just passed
                last = waiter.who
                count -= 1
        if not waiters:
            del self._futexes[key]
        return last

    def _move(self, key: int, futex: _Futex, target: int, count: int) -> None:
        """Let at most *count* threads wait on *target* instead."""
        moving = list(futex.waiters)[:count]
        if not moving:
            return
        other = self._futexes.get(target)
        if other is None:
            other = self._futexes[target] = _Futex()
        for waiter in moving:
            del futex.waiters[waiter]
            other.waiters[waiter] = None
            waiter.key = target
        if not futex.waiters:
            del self._futexes[key]

    def _waits_on(self, thread: ThreadDispatcher, key: int) -> bool:
        waiter = thread.waiter
        return isinstance(waiter, _FutexWaiter) and waiter.key == key and waiter in self._waiters(key)

    def _waiters(self, key: int) -> dict[_FutexWaiter, None]:
        futex = self._futexes.get(key)
        return {} if futex is None else futex.waiters

    def _leave(self, waiter: _FutexWaiter) -> None:
        """The thread waits no longer, for whatever reason."""
        futex = self._futexes.get(waiter.key)
        if futex is not None and waiter in futex.waiters:
            del futex.waiters[waiter]
            if not futex.waiters:
                del self._futexes[waiter.key]
