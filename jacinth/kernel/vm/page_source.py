"""Page sources: who is asked for a page that is not there, and the threads that wait for it.

    access --PageNeeded--> whoever drives the thread --arrive()--> PageRequest --packet--> pager's port
                                    ^                                                          |
                                    +------------- supplied, dirtied, failed, detached <-------+

An access never waits by itself. It raises `PageNeeded`, which unwinds to where the thread can wait: the kernel
for a fault of machine code, the door for a system call. When the pager has answered, the access is made again.

Source: zircon/kernel/vm/page_source.cc, zircon/kernel/object/pager_proxy.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    ZX_PAGER_VMO_COMPLETE,
    ZX_PAGER_VMO_DIRTY,
    ZX_PAGER_VMO_READ,
    ZX_THREAD_STATE_BLOCKED_PAGER,
    ZX_TIME_INFINITE,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.port import PortDispatcher, PortPacket
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.pager import PagerDispatcher

_PAGE_SHIFT: Final = 12

# How long a pager may take, in ns, where `Kernel(pager_timeout=...)` says nothing else; whoever waits gets TIMED_OUT then. The
# default of the real kernel's boot option kernel.userpager.overtime_timeout_seconds.
OVERTIME: Final = 300 * 10**9


class PageNeeded(Exception):
    """An access cannot go on before *source* has answered for the pages [*first*, *end*).

    *command* is ZX_PAGER_VMO_READ for absent pages, ZX_PAGER_VMO_DIRTY for clean ones that are to be written.
    *failure* is what the access answers where the pager fails; None for the pager's own status. *progress* is
    where the call is to go on: see `Call.resume`. It is made again where the page has come, and *anyway* also where it has not.

    With *early* it is made again as soon as some of the pages are there, the first ones. The pager goes on with the others: they
    stay *asked* for.
    """

    def __init__(self, source: PageSource, command: int, first: int, end: int) -> None:
        super().__init__(f"pages {first}..{end} of a pager's VMO")
        self.source = source
        self.command = command
        self.first = first
        self.end = end
        self.failure: Status | None = None
        self.progress: Any = 0
        self.anyway = False
        self.early = False
        self.asked: Asked | None = None

    def is_as(self, other: PageNeeded) -> bool:
        """Whether it is a part of the same need, met again."""
        same = self.source is other.source and self.command == other.command
        return same and other.first <= self.first < other.end

    async def arrive(self) -> Status | None:
        """Ask for the pages and wait until they have been answered for.

        None means that the access is worth another attempt. Otherwise, what it answers.
        """
        status: Status | None = None
        try:
            waiter = self.source.ask(self.command, self.first, self.end, self.early)
        except ZxError as error:
            status = error.status
        else:
            asked = self.asked or Asked()
            asked.become(self.source, waiter)
            try:
                status = await waiter
            finally:
                if status != Status.OK or not self.early:
                    asked.let_go()
        if status == Status.OK:
            return None
        return status if self.failure is None else self.failure


class Asked:
    """What a call that is made again has asked a pager for: the same stays asked for while it goes on with a part of it."""

    __slots__ = ("_source", "_waiter")

    def __init__(self) -> None:
        self._source: PageSource | None = None
        self._waiter: PageWaiter | None = None

    def become(self, source: PageSource, waiter: PageWaiter) -> None:
        """It waits for something else now, perhaps a part of the same."""
        before = self._source, self._waiter
        self._source, self._waiter = source, waiter
        _leave(*before)

    def let_go(self) -> None:
        """What nobody else waits for is asked for no longer."""
        before = self._source, self._waiter
        self._source = self._waiter = None
        _leave(*before)


def _leave(source: PageSource | None, waiter: PageWaiter | None) -> None:
    if source is not None and waiter is not None:
        source.leave(waiter)


class PageRequestPacket(PortPacket):
    """ZX_PKT_TYPE_PAGE_REQUEST: *offset* and *length* are bytes of the pager's VMO."""

    __slots__ = ("command", "length", "offset")

    def __init__(self, key: int, command: int, offset: int = 0, length: int = 0) -> None:
        super().__init__(key, counted=False)
        self.command = command
        self.offset = offset
        self.length = length


class PageWaiter(Waiter):
    """A thread that waits for pages [*first*, *end*), all of which are part of one *request*; if *early*, for the first one."""

    __slots__ = ("early", "end", "first", "left", "request")

    def __init__(self, request: PageRequest, first: int, end: int, early: bool, deadline: int) -> None:
        super().__init__(deadline, ZX_THREAD_STATE_BLOCKED_PAGER)
        self.request = request
        self.first = first
        self.end = end
        self.early = early
        self.left = end - first

    def answered(self, first: int, end: int, status: Status) -> None:
        """The pager has answered for a range. It ends the wait where that was the last of it, or the first page has failed, or
        has come and is what is waited for; failures further on are met when the access gets there.
        """
        low, high = max(first, self.first), min(end, self.end)
        if low >= high:
            return
        self.left -= high - low
        if low == self.first and (self.early or status != Status.OK):
            self.complete(status)
        elif self.left <= 0:
            self.complete()


class PageRequest:
    """Pages [*first*, *end*) that a pager was asked for, and who waits for some of them."""

    __slots__ = ("command", "end", "first", "left", "packet", "waiters")

    def __init__(self, command: int, first: int, end: int, packet: PageRequestPacket) -> None:
        self.command = command
        self.first = first
        self.end = end
        self.left = end - first
        self.packet = packet
        self.waiters: dict[PageWaiter, None] = {}


class PageSource:
    """What a pager's VMO asks for pages, through the packets of a port.

    Once it is *detached* it answers BAD_STATE; *closed* says that nothing is left that could ask it.
    """

    __slots__ = ("_complete", "_requests", "closed", "detached", "key", "pager", "port", "trap_dirty")

    def __init__(self, pager: PagerDispatcher, port: PortDispatcher, key: int, trap_dirty: bool) -> None:
        self.pager = pager
        self.port = port
        self.key = key
        self.trap_dirty = trap_dirty  # writes to clean pages wait until the pager allows them
        self.detached = False
        self.closed = False
        self._requests: dict[PageRequest, None] = {}  # oldest first; those of one command do not overlap
        self._complete: PageRequestPacket | None = None

    # Asking

    def ask(self, command: int, first: int, end: int, early: bool = False) -> PageWaiter:
        """Wait for pages, or if *early* for the first ones; of those that were asked for before only for these: BAD_STATE."""
        if self.detached:
            raise ZxError(Status.BAD_STATE)
        kernel = self.port.kernel
        deadline = min(kernel.clock.now() + kernel.pager_timeout, ZX_TIME_INFINITE)
        for request in self._requests:
            if request.command != command or request.end <= first or end <= request.first:
                continue
            if request.first <= first:
                waiter = PageWaiter(request, first, min(end, request.end), early, deadline)
                request.waiters[waiter] = None
                return waiter
            end = request.first
        size = (end - first) << _PAGE_SHIFT
        packet = PageRequestPacket(self.key, command, first << _PAGE_SHIFT, size)
        request = PageRequest(command, first, end, packet)
        self._requests[request] = None
        waiter = PageWaiter(request, first, end, early, deadline)
        request.waiters[waiter] = None
        self.port.queue(packet)
        return waiter

    def leave(self, waiter: PageWaiter) -> None:
        """Its thread waits no longer. What nobody waits for is asked for no longer."""
        request = waiter.request
        request.waiters.pop(waiter, None)
        if not request.waiters:
            self._drop(request)

    def _drop(self, request: PageRequest) -> None:
        if request in self._requests:
            del self._requests[request]
            self.port.cancel_packet(request.packet)

    # Answers

    def supplied(self, first: int, end: int) -> None:
        """Pages are there now, or no longer needed."""
        self._answer(ZX_PAGER_VMO_READ, first, end, Status.OK)

    def dirtied(self, first: int, end: int) -> None:
        """Pages may be written now, or are no longer to be."""
        self._answer(ZX_PAGER_VMO_DIRTY, first, end, Status.OK)

    def failed(self, first: int, end: int, status: Status) -> None:
        self._answer(ZX_PAGER_VMO_READ, first, end, status)
        self._answer(ZX_PAGER_VMO_DIRTY, first, end, status)

    def _answer(self, command: int, first: int, end: int, status: Status) -> None:
        if not self._requests:
            return
        for request in tuple(self._requests):
            low, high = max(first, request.first), min(end, request.end)
            if request.command != command or low >= high:
                continue
            request.left -= high - low
            waiters = tuple(request.waiters)
            for waiter in waiters:
                waiter.answered(low, high, status)
            if request.left <= 0:
                self._drop(request)
                for waiter in waiters:
                    waiter.complete()

    # The end

    def detach(self) -> None:
        """Ask for nothing more. Who waits finds out by asking again; the pager is told that it is over."""
        if self.detached:
            return
        self.detached = True
        for request in tuple(self._requests):
            waiters = tuple(request.waiters)
            self._drop(request)
            for waiter in waiters:
                waiter.complete()
        self._complete = PageRequestPacket(self.key, ZX_PAGER_VMO_COMPLETE)
        self.port.queue(self._complete)

    def close(self) -> None:
        """The VMO's pages are gone."""
        self.detach()
        self.closed = True
        self.pager.forget(self)

    def abandon(self) -> None:
        """The pager itself is gone: as detached, but nobody is told."""
        self.detach()
        assert self._complete is not None
        self.port.cancel_packet(self._complete)
