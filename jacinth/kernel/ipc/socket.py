"""Sockets: two ends, each with a bounded buffer of a byte stream or of datagrams.

Source: zircon/kernel/object/socket_dispatcher.rs, mbuf.rs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_SOCKET_RIGHTS,
    ZX_OBJ_TYPE_SOCKET,
    ZX_SOCKET_DATAGRAM,
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
    ZX_SOCKET_PEER_CLOSED,
    ZX_SOCKET_PEER_WRITE_DISABLED,
    ZX_SOCKET_READ_THRESHOLD,
    ZX_SOCKET_READABLE,
    ZX_SOCKET_WRITABLE,
    ZX_SOCKET_WRITE_DISABLED,
    ZX_SOCKET_WRITE_THRESHOLD,
    Status,
    ZxError,
)
from jacinth.kernel.object import PeeredDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

# A buffer is 256 KiB rounded up to whole memory buffers of a page less a header of 32 bytes; programs can see
# it.
_MBUF_PAYLOAD: Final = 4096 - 32
BUFFER_SIZE: Final = -(-256 * 1024 // _MBUF_PAYLOAD) * _MBUF_PAYLOAD

_MAX_LENGTH: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """What `zx_info_socket_t` says of one end, in bytes: what it can read, and what its peer can."""

    options: int
    rx_buf_max: int
    rx_buf_size: int
    rx_buf_available: int  # what one read can give: of datagrams, the first one
    tx_buf_max: int
    tx_buf_size: int


class SocketDispatcher(PeeredDispatcher):
    """One end of a socket. Its buffer holds what the peer has written."""

    TYPE = ZX_OBJ_TYPE_SOCKET
    DEFAULT_RIGHTS = ZX_DEFAULT_SOCKET_RIGHTS

    __slots__ = (
        "_datagrams",
        "_read_disabled",
        "_size",
        "_stream",
        "options",
        "read_threshold",
        "write_threshold",
    )

    peer: SocketDispatcher | None

    def __init__(self, kernel: Kernel, options: int) -> None:
        super().__init__(kernel, ZX_SOCKET_WRITABLE)
        self.options = options
        self._datagrams: deque[bytes] | None = deque() if options & ZX_SOCKET_DATAGRAM else None
        self._stream = bytearray()
        self._size = 0  # bytes in the buffer
        self._read_disabled = False
        self.read_threshold = 0  # bytes; 0 is none
        self.write_threshold = 0

    @classmethod
    def create_pair(cls, kernel: Kernel, options: int) -> tuple[SocketDispatcher, SocketDispatcher]:
        """INVALID_ARGS for options other than ZX_SOCKET_STREAM and ZX_SOCKET_DATAGRAM."""
        if options & ~ZX_SOCKET_DATAGRAM:
            raise ZxError(Status.INVALID_ARGS)
        one, other = cls(kernel, options), cls(kernel, options)
        one.join(other)
        return one, other

    # Writing

    def writable_size(self, size: int) -> int:
        """How many of *size* bytes a write takes.

        Errors, in order: PEER_CLOSED; BAD_STATE where writing is disabled; INVALID_ARGS for a size of 4 GiB
        or more; SHOULD_WAIT where the peer's buffer is full; OUT_OF_RANGE for a datagram that can never fit;
        SHOULD_WAIT for one that does not now.
        """
        peer = self.peer
        if peer is None:
            raise ZxError(Status.PEER_CLOSED)
        if self.signals & ZX_SOCKET_WRITE_DISABLED:
            raise ZxError(Status.BAD_STATE)
        if size == 0:
            return 0
        if size > _MAX_LENGTH:
            raise ZxError(Status.INVALID_ARGS)
        room = BUFFER_SIZE - peer._size
        if room == 0:
            raise ZxError(Status.SHOULD_WAIT)
        if self._datagrams is None:
            return min(size, room)
        if size > BUFFER_SIZE:
            raise ZxError(Status.OUT_OF_RANGE)
        if size > room:
            raise ZxError(Status.SHOULD_WAIT)
        return size

    def write(self, data: bytes) -> int:
        """Put *data*, no more than `writable_size` allows, into the peer's buffer. Answers its size."""
        if not data:
            return 0
        peer = self.peer
        assert peer is not None
        if peer._datagrams is None:
            peer._stream += data
        else:
            peer._datagrams.append(data)
        peer._size += len(data)
        set_ = ZX_SOCKET_READABLE
        if 0 < peer.read_threshold <= peer._size:
            set_ |= ZX_SOCKET_READ_THRESHOLD
        peer.update_signals(0, set_)
        clear = 0
        room = BUFFER_SIZE - peer._size
        if room < self.write_threshold:
            clear |= ZX_SOCKET_WRITE_THRESHOLD
        if room == 0:
            clear |= ZX_SOCKET_WRITABLE
        if clear:
            self.update_signals(clear, 0)
        return len(data)

    # Reading

    def peek(self, size: int) -> bytes:
        """The first bytes of the buffer, of the first datagram only, at most *size*.

        Errors, in order: INVALID_ARGS for a size of 4 GiB or more; where nothing is there, PEER_CLOSED,
        BAD_STATE where nothing can come either, SHOULD_WAIT.
        """
        if size > _MAX_LENGTH:
            raise ZxError(Status.INVALID_ARGS)
        if self._size == 0:
            if self.peer is None:
                raise ZxError(Status.PEER_CLOSED)
            raise ZxError(Status.BAD_STATE if self._read_disabled else Status.SHOULD_WAIT)
        if self._datagrams is None:
            return bytes(self._stream[:size])
        return self._datagrams[0][:size]

    def consume(self, size: int) -> None:
        """Drop the *size* bytes that were peeked at; of a datagram also the rest."""
        if size == 0:
            return
        was_full = self._size == BUFFER_SIZE
        if self._datagrams is None:
            del self._stream[:size]
            self._size -= size
        else:
            self._size -= len(self._datagrams.popleft())
        clear = 0
        if self._size < self.read_threshold:
            clear |= ZX_SOCKET_READ_THRESHOLD
        if self._size == 0:
            clear |= ZX_SOCKET_READABLE
        if clear:
            self.update_signals(clear, 0)
        peer = self.peer
        if peer is not None:
            set_ = 0
            if 0 < peer.write_threshold <= BUFFER_SIZE - self._size:
                set_ |= ZX_SOCKET_WRITE_THRESHOLD
            if was_full:
                set_ |= ZX_SOCKET_WRITABLE
            if set_:
                peer.update_signals(0, set_)

    # Disposition

    def set_disposition(self, disposition: int, disposition_peer: int) -> None:
        """Disable or enable writing at this end and at the peer: each 0 or a ZX_SOCKET_DISPOSITION_*.

        BAD_STATE where writing would be enabled at an end whose earlier bytes the other end has not read yet.
        """
        if disposition == 0 and disposition_peer == 0:
            return
        peer = self.peer
        if not self._may_be_written(disposition_peer):
            raise ZxError(Status.BAD_STATE)
        if peer is not None and not peer._may_be_written(disposition):
            raise ZxError(Status.BAD_STATE)
        clear, set_, peer_clear, peer_set = _DISPOSITION_SIGNALS[disposition]
        if peer is not None:
            theirs = _DISPOSITION_SIGNALS[disposition_peer]
            peer._set_read_disabled(disposition)
            peer.update_signals(peer_clear | theirs[0], peer_set | theirs[1])
            clear, set_ = clear | theirs[2], set_ | theirs[3]
        self._set_read_disabled(disposition_peer)
        self.update_signals(clear, set_)

    def _may_be_written(self, writer: int) -> bool:
        """Whether the other end may get the disposition *writer*."""
        return not (
            writer == ZX_SOCKET_DISPOSITION_WRITE_ENABLED
            and self._size
            and self.signals & ZX_SOCKET_PEER_WRITE_DISABLED
        )

    def _set_read_disabled(self, writer: int) -> None:
        if writer:
            self._read_disabled = writer == ZX_SOCKET_DISPOSITION_WRITE_DISABLED

    # Properties and information

    def set_read_threshold(self, value: int) -> None:
        """Assert ZX_SOCKET_READ_THRESHOLD while *value* bytes can be read; 0 is never.

        INVALID_ARGS beyond the buffer's size.
        """
        if value > BUFFER_SIZE:
            raise ZxError(Status.INVALID_ARGS)
        self.read_threshold = value
        reached = 0 < value <= self._size
        self._set_signal(ZX_SOCKET_READ_THRESHOLD, reached)

    def set_write_threshold(self, value: int) -> None:
        """Assert ZX_SOCKET_WRITE_THRESHOLD while *value* bytes can be written; 0 is never.

        Errors, in order: INVALID_ARGS beyond the buffer's size; PEER_CLOSED.
        """
        if value > BUFFER_SIZE:
            raise ZxError(Status.INVALID_ARGS)
        peer = self.peer
        if peer is None:
            raise ZxError(Status.PEER_CLOSED)
        self.write_threshold = value
        reached = 0 < value <= BUFFER_SIZE - peer._size
        self._set_signal(ZX_SOCKET_WRITE_THRESHOLD, reached)

    def _set_signal(self, signal: int, asserted: bool) -> None:
        if asserted:
            self.update_signals(0, signal)
        else:
            self.update_signals(signal, 0)

    def info(self) -> SocketInfo:
        peer = self.peer
        return SocketInfo(
            options=self.options,
            rx_buf_max=BUFFER_SIZE,
            rx_buf_size=self._size,
            rx_buf_available=len(self._datagrams[0]) if self._datagrams else self._size,
            tx_buf_max=BUFFER_SIZE if peer is not None else 0,
            tx_buf_size=peer._size if peer is not None else 0,
        )

    def on_closed(self) -> None:
        self._datagrams = None
        self._stream = bytearray()
        self._size = 0

    def on_peer_closed(self) -> None:
        self.update_signals(ZX_SOCKET_WRITABLE, ZX_SOCKET_PEER_CLOSED)


# Disposition of an end -> the signals it clears and sets at that end, and those it clears and sets at the
# other.
_DISPOSITION_SIGNALS: Final = {
    0: (0, 0, 0, 0),
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED: (
        ZX_SOCKET_WRITABLE,
        ZX_SOCKET_WRITE_DISABLED,
        0,
        ZX_SOCKET_PEER_WRITE_DISABLED,
    ),
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED: (
        ZX_SOCKET_WRITE_DISABLED,
        ZX_SOCKET_WRITABLE,
        ZX_SOCKET_PEER_WRITE_DISABLED,
        0,
    ),
}
