"""Ports, and the packets that come through them."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    ZX_PKT_TYPE_INTERRUPT,
    ZX_PKT_TYPE_PAGE_REQUEST,
    ZX_PKT_TYPE_SIGNAL_ONE,
    ZX_PKT_TYPE_USER,
    zx_port_packet_t,
)
from jacinth.api.caller import C, blocking, member, resolve
from jacinth.api.flags import ObjType, PagerCommand, Signals
from jacinth.api.handle import INFINITE, Handle, check, values

if TYPE_CHECKING:
    from jacinth.api.body import Body

_USER: Final = struct.Struct("<QIi32s")
_REQUEST: Final = struct.Struct("<H6xQQ")
_SIGNAL: Final = struct.Struct("<IIQQ")


@dataclass(frozen=True, slots=True)
class SignalPacket:
    """Of the signals *trigger* that were waited for, one was among those *observed*; *timestamp* is in ns, or
    zero.
    """

    trigger: Signals
    observed: Signals
    count: int = 1
    timestamp: int = 0


@dataclass(frozen=True, slots=True)
class InterruptPacket:
    """An interrupt has happened, at *timestamp* ns."""

    timestamp: int


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a pager is asked for: *offset* and *length* are bytes, whole pages. COMPLETE has neither."""

    command: PagerCommand
    offset: int = 0
    length: int = 0

    @classmethod
    def unpack(cls, data: bytes) -> PageRequest:
        command, offset, length = _REQUEST.unpack_from(data)
        return cls(PagerCommand(command), offset, length)


@dataclass(frozen=True, slots=True)
class Packet:
    """What a port delivers: a program's own (*contents* are at most 32 bytes), that a signal was asserted or an interrupt has
    happened, or what a pager is asked for.
    """

    key: int
    status: int = 0
    contents: bytes | SignalPacket | InterruptPacket | PageRequest = bytes(32)

    @property
    def is_user(self) -> bool:
        return isinstance(self.contents, bytes)


def _decode(packet: zx_port_packet_t) -> Packet:
    data = bytes(packet.user)
    if packet.type == ZX_PKT_TYPE_INTERRUPT:
        return Packet(
            packet.key, packet.status, InterruptPacket(int.from_bytes(data[:8], "little", signed=True))
        )
    if packet.type == ZX_PKT_TYPE_PAGE_REQUEST:
        return Packet(packet.key, packet.status, PageRequest.unpack(data))
    if packet.type != ZX_PKT_TYPE_SIGNAL_ONE:
        return Packet(packet.key, packet.status, data)
    trigger, observed, count, timestamp = _SIGNAL.unpack_from(data)
    contents = SignalPacket(Signals(trigger), Signals(observed), count, timestamp)
    return Packet(packet.key, packet.status, contents)


class Port(Handle[C]):
    """A queue of packets. In a body, `async for packet in port` takes them until the object is closed."""

    OBJ_TYPE = ObjType.PORT

    __slots__ = ()

    @classmethod
    def create(cls, options: int = 0, *, caller: C | None = None) -> Port[C]:
        """A port. Raises ZxInvalidArgs for the options."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_port_create(options)
        check(status)
        return Port(owner, raw)

    @member
    def queue(self, packet: Packet) -> None:
        """Queue a packet of one's own.

        Rights: WRITE. Raises ZxShouldWait where too many are queued, ValueError for another kind.
        """
        contents = packet.contents
        if not isinstance(contents, bytes) or len(contents) > 32:
            raise ValueError("only packets of at most 32 bytes can be queued")
        data = _USER.pack(packet.key, ZX_PKT_TYPE_USER, packet.status, contents)
        check(self._caller.sys.zx_port_queue(self.raw, data))

    @blocking
    async def wait(self, deadline: int = INFINITE) -> Packet:  # type: ignore[override]
        """The oldest packet, at the latest at *deadline* ns. Rights: READ. Raises ZxTimedOut."""
        return await self._wait(deadline)

    async def _wait(self, deadline: int) -> Packet:
        status, packet = await self._caller.waits.zx_port_wait(self.raw, deadline)
        check(status)
        return _decode(packet)

    @member
    def cancel(self, source: Handle[C], key: int) -> None:
        """End the waits with *key* that began through *source*.

        Rights: WRITE; on the source WAIT. Raises ZxNotFound.
        """
        [raw] = values(self._caller, [source])
        check(self._caller.sys.zx_port_cancel(self.raw, raw, key))

    @member
    def cancel_key(self, key: int) -> None:
        """End all waits with *key* and drop its packets. Rights: WRITE. Raises ZxNotFound."""
        check(self._caller.sys.zx_port_cancel_key(self.raw, 0, key))

    def __aiter__(self: Port[Body]) -> AsyncIterator[Packet]:
        return self._packets()

    async def _packets(self: Port[Any]) -> AsyncIterator[Packet]:
        while not self.is_invalid:
            yield await self._wait(INFINITE)
