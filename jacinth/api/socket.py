"""Sockets: streams of bytes, or datagrams."""

from __future__ import annotations

from typing import Final

from jacinth.abi import (
    ZX_INFO_SOCKET,
    ZX_PROP_SOCKET_RX_THRESHOLD,
    ZX_PROP_SOCKET_TX_THRESHOLD,
    zx_info_socket_t,
)
from jacinth.api.caller import C, blocking, member, resolve
from jacinth.api.flags import ObjType, Signals, SocketOpts, SocketReadOpts, SocketWriteDisposition
from jacinth.api.handle import INFINITE, Peered, check
from jacinth.api.status import ZxBadState, ZxPeerClosed, ZxShouldWait

_DEFAULT_READ: Final = 65536
_READABLE: Final = Signals.SOCKET_READABLE | Signals.SOCKET_PEER_CLOSED | Signals.SOCKET_PEER_WRITE_DISABLED
_WRITABLE: Final = Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED | Signals.SOCKET_WRITE_DISABLED


class Socket(Peered[C]):
    """One end of a socket."""

    OBJ_TYPE = ObjType.SOCKET

    __slots__ = ()

    @classmethod
    def create(
        cls, options: int = SocketOpts.STREAM, *, caller: C | None = None
    ) -> tuple[Socket[C], Socket[C]]:
        """Both ends of a socket. Raises ZxInvalidArgs for the options."""
        owner = resolve(caller)
        status, one, other = owner.sys.zx_socket_create(options)
        check(status)
        return Socket(owner, one), Socket(owner, other)

    @member
    def read(self, max_bytes: int = _DEFAULT_READ, options: int = SocketReadOpts.NONE) -> bytes:
        """Of a stream what is there; of datagrams one, whose rest is lost. With PEEK it stays.

        Rights: READ. Raises ZxShouldWait where nothing is there, ZxPeerClosed, ZxBadState where the other end
        cannot write.
        """
        status, data, _ = self._caller.sys.zx_socket_read(self.raw, options, max_bytes)
        check(status)
        return bytes(data)

    @member
    def write(self, data: bytes) -> int:
        """Send as much of *data* as there is room for, of a datagram all or nothing. Answers how much.

        Rights: WRITE. Raises ZxShouldWait where there is no room, ZxPeerClosed, ZxBadState where this end
        cannot write, ZxOutOfRange for a datagram that never fits.
        """
        status, actual = self._caller.sys.zx_socket_write(self.raw, 0, data)
        check(status)
        return int(actual)

    @blocking
    async def recv(self, max_bytes: int = _DEFAULT_READ, deadline: int = INFINITE) -> bytes:
        """`read` that waits, at most until *deadline* ns, until something is there; nothing at the end of what is written.

        Rights: READ, WAIT. Raises ZxTimedOut, ZxCanceled where the handle is closed meanwhile.
        """
        while True:
            try:
                status, data, _ = await self._caller.waits.zx_socket_read(self.raw, 0, max_bytes)
                check(status)
                return bytes(data)
            except ZxShouldWait:
                await self._wait_one(_READABLE, deadline)
            except (ZxPeerClosed, ZxBadState):
                return b""

    @blocking
    async def sendall(self, data: bytes, deadline: int = INFINITE) -> None:
        """`write` that waits, at most until *deadline* ns, for room for all of *data*.

        Rights: WRITE, WAIT. Raises as `write`, ZxTimedOut, ZxCanceled where the handle is closed meanwhile; part of *data* may
        have been sent then.
        """
        rest = memoryview(data)
        while rest:
            try:
                status, actual = await self._caller.waits.zx_socket_write(self.raw, 0, rest)
                check(status)
                rest = rest[actual:]
            except ZxShouldWait:
                await self._wait_one(_WRITABLE, deadline)

    @member
    def set_disposition(self, disposition: int, disposition_peer: int) -> None:
        """Let this end and the other write or not: each a SocketWriteDisposition.

        Rights: MANAGE_SOCKET. Raises ZxInvalidArgs, ZxBadState where not all has been read that was written
        before.
        """
        check(self._caller.sys.zx_socket_set_disposition(self.raw, disposition, disposition_peer))

    @member
    def half_close(self) -> None:
        """This end writes no more. Rights: MANAGE_SOCKET."""
        disabled, unchanged = SocketWriteDisposition.DISABLED, SocketWriteDisposition.UNCHANGED
        check(self._caller.sys.zx_socket_set_disposition(self.raw, disabled, unchanged))

    @property
    def info(self) -> zx_info_socket_t:
        """Options, and what is in the buffers, in bytes. Rights: INSPECT."""
        return self._info(ZX_INFO_SOCKET, zx_info_socket_t)

    @property
    def rx_threshold(self) -> int:
        """From how many bytes on SOCKET_READ_THRESHOLD is asserted; 0 for never.

        Rights: GET_PROPERTY, SET_PROPERTY.
        """
        return self._get_word(ZX_PROP_SOCKET_RX_THRESHOLD)

    @rx_threshold.setter
    def rx_threshold(self, value: int) -> None:
        self._set_property(ZX_PROP_SOCKET_RX_THRESHOLD, value)

    @property
    def tx_threshold(self) -> int:
        """From how many bytes of room on SOCKET_WRITE_THRESHOLD is asserted; 0 for never.

        Rights: GET_PROPERTY, SET_PROPERTY.
        """
        return self._get_word(ZX_PROP_SOCKET_TX_THRESHOLD)

    @tx_threshold.setter
    def tx_threshold(self, value: int) -> None:
        self._set_property(ZX_PROP_SOCKET_TX_THRESHOLD, value)
