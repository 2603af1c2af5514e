"""`zx_port_*`. Source: docs/reference/syscalls/port_*.md; order from lib/syscalls/port.cc."""

from __future__ import annotations

import struct
from typing import Final

from jacinth.abi import (
    ZX_OK,
    ZX_PKT_TYPE_INTERRUPT,
    ZX_PKT_TYPE_PAGE_REQUEST,
    ZX_PKT_TYPE_SIGNAL_ONE,
    ZX_PKT_TYPE_USER,
    ZX_POL_NEW_PORT,
    ZX_RIGHT_READ,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.port import InterruptPacket, PortDispatcher, PortPacket, SignalPacket, UserPacket
from jacinth.kernel.vm.page_source import PageRequestPacket
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

_PACKET: Final = struct.Struct("<QIi32s")  # key, type, status, and 32 bytes that depend on the type
_REQUEST: Final = struct.Struct("<H6xQQQ")  # command, offset, length, reserved
_SIGNAL: Final = struct.Struct("<IIQQQ")  # trigger, observed, count, timestamp, reserved
_INTERRUPT: Final = struct.Struct("<q24x")  # timestamp, reserved


def encode_packet(packet: PortPacket) -> bytes:
    """The zx_port_packet_t of a packet."""
    if isinstance(packet, SignalPacket):
        # The count is a relic; it has always been one for a long time now.
        signal = _SIGNAL.pack(packet.trigger, packet.observed, 1, packet.timestamp, 0)
        return _PACKET.pack(packet.key, ZX_PKT_TYPE_SIGNAL_ONE, ZX_OK, signal)
    if isinstance(packet, InterruptPacket):
        return _PACKET.pack(packet.key, ZX_PKT_TYPE_INTERRUPT, ZX_OK, _INTERRUPT.pack(packet.timestamp))
    if isinstance(packet, PageRequestPacket):
        request = _REQUEST.pack(packet.command, packet.offset, packet.length, 0)
        return _PACKET.pack(packet.key, ZX_PKT_TYPE_PAGE_REQUEST, ZX_OK, request)
    assert isinstance(packet, UserPacket)
    return _PACKET.pack(packet.key, ZX_PKT_TYPE_USER, packet.status, packet.payload)


@syscall
def zx_port_create(call: Call, options: int, out: HandleOut) -> None:
    """Make a port; *options* may be ZX_PORT_BIND_TO_INTERRUPT.

    Errors, in order: ACCESS_DENIED policy; INVALID_ARGS options.
    """
    call.check_policy(ZX_POL_NEW_PORT)
    out.make(PortDispatcher.create(call.kernel, options))


@syscall
def zx_port_queue(call: Call, handle: int, packet: UserIn) -> None:
    """Queue a packet of the caller's; its type becomes ZX_PKT_TYPE_USER.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS packet; SHOULD_WAIT, with an
    exception, where too many are queued.
    """
    port = call.dispatcher(handle, PortDispatcher, ZX_RIGHT_WRITE)
    key, _type, status, payload = _PACKET.unpack(packet.read(_PACKET.size))
    port.queue_user(UserPacket(key, status, payload))


@syscall
async def zx_port_wait(call: Call, handle: int, deadline: int, packet: UserOut) -> None:
    """Take the oldest packet, waiting for one until *deadline* ns.

    Rights: READ on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; TIMED_OUT; INVALID_ARGS packet (what came
    is lost).
    """
    port = call.dispatcher(handle, PortDispatcher, ZX_RIGHT_READ)
    packet.write(encode_packet(await port.wait(deadline)))


@syscall
def zx_port_cancel(call: Call, handle: int, source: int, key: int) -> None:
    """End the waits with *key* that `zx_object_wait_async` began through *source*, and drop their packets.

    Rights: WRITE on handle, WAIT on source.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_HANDLE, ACCESS_DENIED source;
    NOT_SUPPORTED a source that cannot be waited for; NOT_FOUND.
    """
    port = call.dispatcher(handle, PortDispatcher, ZX_RIGHT_WRITE)
    watched = call.handle(source)
    if not watched.rights & ZX_RIGHT_WAIT:
        raise ZxError(Status.ACCESS_DENIED)
    if not watched.object.waitable:
        raise ZxError(Status.NOT_SUPPORTED)
    port.cancel_key(key, watched)


@syscall
def zx_port_cancel_key(call: Call, handle: int, options: int, key: int) -> None:
    """End all waits with *key*, and drop all packets with it, the caller's own among them.

    Rights: WRITE on handle.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; NOT_FOUND.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(handle, PortDispatcher, ZX_RIGHT_WRITE).cancel_key(key)
