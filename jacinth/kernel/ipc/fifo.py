"""FIFOs: two ends, each with a bounded queue of elements of one fixed size.

Source: zircon/kernel/object/fifo_dispatcher.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_FIFO_RIGHTS,
    ZX_FIFO_MAX_SIZE_BYTES,
    ZX_FIFO_PEER_CLOSED,
    ZX_FIFO_READABLE,
    ZX_FIFO_WRITABLE,
    ZX_OBJ_TYPE_FIFO,
    Status,
    ZxError,
)
from jacinth.kernel.object import PeeredDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel


class FifoDispatcher(PeeredDispatcher):
    """One end of a FIFO. Its queue holds *element_count* elements of *element_size* bytes from the peer."""

    TYPE = ZX_OBJ_TYPE_FIFO
    DEFAULT_RIGHTS = ZX_DEFAULT_FIFO_RIGHTS

    __slots__ = ("_queue", "element_count", "element_size")

    peer: FifoDispatcher | None

    def __init__(self, kernel: Kernel, element_count: int, element_size: int) -> None:
        super().__init__(kernel, ZX_FIFO_WRITABLE)
        self.element_count = element_count
        self.element_size = element_size
        self._queue = bytearray()

    @classmethod
    def create_pair(
        cls, kernel: Kernel, element_count: int, element_size: int, options: int
    ) -> tuple[FifoDispatcher, FifoDispatcher]:
        """Errors, in order: OUT_OF_RANGE where one of the numbers is zero or a queue would exceed
        ZX_FIFO_MAX_SIZE_BYTES; INVALID_ARGS for any options.
        """
        if element_count == 0 or element_size == 0 or element_count * element_size > ZX_FIFO_MAX_SIZE_BYTES:
            raise ZxError(Status.OUT_OF_RANGE)
        if options != 0:
            raise ZxError(Status.INVALID_ARGS)
        one, other = cls(kernel, element_count, element_size), cls(kernel, element_count, element_size)
        one.join(other)
        return one, other

    def writable_size(self, element_size: int, count: int) -> int:
        """How many bytes a write of *count* elements takes.

        Errors, in order: PEER_CLOSED; OUT_OF_RANGE for another element size or no elements; SHOULD_WAIT where
        the queue is full.
        """
        peer = self.peer
        if peer is None:
            raise ZxError(Status.PEER_CLOSED)
        if element_size != self.element_size or count == 0:
            raise ZxError(Status.OUT_OF_RANGE)
        room = self.element_count * element_size - len(peer._queue)
        if room == 0:
            raise ZxError(Status.SHOULD_WAIT)
        return min(count * element_size, room)

    def write(self, data: bytes) -> int:
        """Queue whole elements, no more than `writable_size` has just allowed. Answers how many they are."""
        peer = self.peer
        assert peer is not None
        peer._queue += data
        peer.update_signals(0, ZX_FIFO_READABLE)
        if len(peer._queue) == self.element_count * self.element_size:
            self.update_signals(ZX_FIFO_WRITABLE, 0)
        return len(data) // self.element_size

    def peek(self, element_size: int, count: int) -> bytes:
        """The oldest elements, *count* or as many as there are.

        Errors, in order: OUT_OF_RANGE for another element size or no elements; PEER_CLOSED or SHOULD_WAIT
        where there is none.
        """
        if element_size != self.element_size or count == 0:
            raise ZxError(Status.OUT_OF_RANGE)
        if not self._queue:
            raise ZxError(Status.SHOULD_WAIT if self.peer is not None else Status.PEER_CLOSED)
        return bytes(self._queue[: count * element_size])

    def consume(self, size: int) -> int:
        """Drop the oldest *size* bytes, whole elements that are there. Answers how many elements they are."""
        was_full = len(self._queue) == self.element_count * self.element_size
        del self._queue[:size]
        if was_full and self.peer is not None:
            self.peer.update_signals(0, ZX_FIFO_WRITABLE)
        if not self._queue:
            self.update_signals(ZX_FIFO_READABLE, 0)
        return size // self.element_size

    def on_closed(self) -> None:
        self._queue.clear()

    def on_peer_closed(self) -> None:
        self.update_signals(ZX_FIFO_WRITABLE, ZX_FIFO_PEER_CLOSED)
