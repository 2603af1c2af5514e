"""`zx_socket_*`. Source: docs/reference/syscalls/socket_*.md; order from lib/syscalls/socket.rs."""

from __future__ import annotations

from jacinth.abi import (
    ZX_POL_NEW_SOCKET,
    ZX_RIGHT_MANAGE_SOCKET,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_SOCKET_DATAGRAM,
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
    ZX_SOCKET_PEEK,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall


@syscall
def zx_socket_create(call: Call, options: int, out0: HandleOut, out1: HandleOut) -> None:
    """Make a socket of a byte stream, or with ZX_SOCKET_DATAGRAM of datagrams; each end gets a handle.

    Errors, in order: ACCESS_DENIED policy; INVALID_ARGS options.
    """
    call.check_policy(ZX_POL_NEW_SOCKET)
    one, other = SocketDispatcher.create_pair(call.kernel, options)
    out0.make(one)
    out1.make(other)


@syscall
def zx_socket_write(
    call: Call, handle: int, options: int, buffer: UserIn, buffer_size: int, actual: UserOut
) -> None:
    """Send bytes: of a stream as many as fit, of a datagram all or none.

    Rights: WRITE on handle.
    Errors, in order: INVALID_ARGS null buffer, options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle;
    PEER_CLOSED; BAD_STATE where writing is disabled; INVALID_ARGS size; SHOULD_WAIT no room; OUT_OF_RANGE a
    datagram larger than any room; INVALID_ARGS pointers.
    """
    if (buffer_size and buffer.is_null) or options != 0:
        raise ZxError(Status.INVALID_ARGS)
    socket = call.dispatcher(handle, SocketDispatcher, ZX_RIGHT_WRITE)
    actual.set(socket.write(buffer.read(socket.writable_size(buffer_size))))


@syscall
def zx_socket_read(
    call: Call, handle: int, options: int, buffer: UserOut, buffer_size: int, actual: UserOut
) -> None:
    """Receive bytes: of a stream as many as there are, of datagrams one, the rest of which is lost.

    With ZX_SOCKET_PEEK nothing leaves the socket. Rights: READ on handle.
    Errors, in order: INVALID_ARGS null buffer, options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle;
    INVALID_ARGS size; where nothing is there, PEER_CLOSED, BAD_STATE (the peer cannot write), SHOULD_WAIT;
    INVALID_ARGS pointers (a datagram is lost).
    """
    if (buffer_size and buffer.is_null) or options & ~ZX_SOCKET_PEEK:
        raise ZxError(Status.INVALID_ARGS)
    socket = call.dispatcher(handle, SocketDispatcher, ZX_RIGHT_READ)
    data = socket.peek(buffer_size)
    taken = 0 if options & ZX_SOCKET_PEEK else len(data)
    try:
        buffer.write(data)
    except ZxError:
        if socket.options & ZX_SOCKET_DATAGRAM:
            socket.consume(taken)
        raise
    socket.consume(taken)
    actual.set(len(data))


_DISPOSITIONS = (0, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, ZX_SOCKET_DISPOSITION_WRITE_ENABLED)


@syscall
def zx_socket_set_disposition(call: Call, handle: int, disposition: int, disposition_peer: int) -> None:
    """Disable or enable writing at this end and at the other; 0 leaves an end as it is.

    Rights: MANAGE_SOCKET on handle.
    Errors, in order: INVALID_ARGS dispositions; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE where
    writing would be enabled before everything written earlier has been read.
    """
    if disposition not in _DISPOSITIONS or disposition_peer not in _DISPOSITIONS:
        raise ZxError(Status.INVALID_ARGS)
    socket = call.dispatcher(handle, SocketDispatcher, ZX_RIGHT_MANAGE_SOCKET)
    socket.set_disposition(disposition, disposition_peer)
