"""`zx_channel_*`. Source: docs/reference/syscalls/channel_*.md; order from lib/syscalls/channel.cc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from jacinth.abi import (
    ZX_CHANNEL_MAX_MSG_BYTES,
    ZX_CHANNEL_MAX_MSG_HANDLES,
    ZX_CHANNEL_MAX_MSG_IOVECS,
    ZX_CHANNEL_READ_MAY_DISCARD,
    ZX_CHANNEL_WRITE_USE_IOVEC,
    ZX_HANDLE_OP_DUPLICATE,
    ZX_HANDLE_OP_MOVE,
    ZX_OBJ_TYPE_NONE,
    ZX_POL_NEW_CHANNEL,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
    zx_channel_call_args_t,
    zx_channel_call_etc_args_t,
    zx_channel_iovec_t,
    zx_handle_disposition_t,
    zx_handle_info_t,
)
from jacinth.kernel.handle import MAX_HANDLES, Handle
from jacinth.kernel.ipc.channel import TXID_SIZE, ChannelDispatcher, Message, close_handles
from jacinth.syscalls.door import Call, HandleOut, HandlesOut, UserIn, UserInOut, UserOut, syscall

# How many handle values are read at once where they are only there to be closed.
_CHUNK: Final = 64

_RESULT_OFFSET: Final = 16  # of the result in a zx_handle_disposition_t


@syscall
def zx_channel_create(call: Call, options: int, out0: HandleOut, out1: HandleOut) -> None:
    """Make a channel; each end gets a handle.

    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_CHANNEL)
    one, other = ChannelDispatcher.create_pair(call.kernel)
    out0.make(one)
    out1.make(other)


# Reading


@syscall
def zx_channel_read(
    call: Call,
    handle: int,
    options: int,
    bytes: UserOut,
    handles: HandlesOut,
    num_bytes: int,
    num_handles: int,
    actual_bytes: UserOut,
    actual_handles: UserOut,
) -> None:
    """Take the oldest message of a channel's end.

    Rights: READ on handle. The actual sizes are also written on BUFFER_TOO_SMALL; the message then stays, or
    goes with ZX_CHANNEL_READ_MAY_DISCARD.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; NOT_SUPPORTED options; SHOULD_WAIT or
    PEER_CLOSED where there is none; BUFFER_TOO_SMALL; INVALID_ARGS pointers (the message is lost).
    """
    channel = call.dispatcher(handle, ChannelDispatcher, ZX_RIGHT_READ)
    data, received = _take(channel, options, num_bytes, num_handles, actual_bytes, actual_handles)
    handles.give(received)
    actual_bytes.set(len(data))
    actual_handles.set(len(received))
    bytes.write(data)
    if received:
        _arrive(received)


@syscall
def zx_channel_read_etc(
    call: Call,
    handle: int,
    options: int,
    bytes: UserOut,
    handles: UserOut,
    num_bytes: int,
    num_handles: int,
    actual_bytes: UserOut,
    actual_handles: UserOut,
) -> None:
    """As `zx_channel_read`, with the type and the rights of each handle that came."""
    channel = call.dispatcher(handle, ChannelDispatcher, ZX_RIGHT_READ)
    data, received = _take(channel, options, num_bytes, num_handles, actual_bytes, actual_handles)
    try:
        actual_bytes.set(len(data))
        actual_handles.set(len(received))
        bytes.write(data)
    except ZxError:
        close_handles(received)
        raise
    _install_infos(call, received, handles)


def _take(
    channel: ChannelDispatcher,
    options: int,
    num_bytes: int,
    num_handles: int,
    actual_bytes: UserOut,
    actual_handles: UserOut,
) -> Message:
    """The oldest message. Where it does not fit, its sizes are written all the same."""
    if options & ~ZX_CHANNEL_READ_MAY_DISCARD:
        raise ZxError(Status.NOT_SUPPORTED)
    try:
        return channel.read(num_bytes, num_handles)
    except ZxError as error:
        if error.status is Status.BUFFER_TOO_SMALL:
            size, count = channel.sizes()
            if options & ZX_CHANNEL_READ_MAY_DISCARD:
                channel.discard()
            actual_bytes.set(size)
            actual_handles.set(count)
        raise


def _arrive(handles: Sequence[Handle]) -> None:
    for handle in handles:
        handle.object.on_moved(handle)


def _install_infos(call: Call, handles: Sequence[Handle], out: UserOut) -> None:
    """Give the caller *handles* and write their zx_handle_info_t; they are closed where that fails."""
    _arrive(handles)
    values = _install(call, handles)
    try:
        infos = [
            zx_handle_info_t(handle=value, type=handle.object.TYPE, rights=handle.rights)
            for value, handle in zip(values, handles, strict=True)
        ]
    except MemoryError:
        for value in values:
            call.handles.close(value)
        raise
    _write_or_close(call, values, out, b"".join([info.pack() for info in infos]))


def _install(call: Call, handles: Sequence[Handle]) -> list[int]:
    """Give the caller *handles*; they are closed where that fails."""
    try:
        return call.handles.add_all(handles)
    except MemoryError:
        close_handles(handles)
        raise


def _write_or_close(call: Call, values: Sequence[int], out: UserOut, data: bytes) -> None:
    """Tell the caller of its new handles *values*; where that fails it shall not have them."""
    try:
        out.write(data)
    except ZxError:
        for value in values:
            call.handles.close(value)
        raise
    late = call.thread.late_writes
    if late:  # it is not told yet
        late[-1].handles = values


# Writing


@syscall
def zx_channel_write(
    call: Call, handle: int, options: int, bytes: UserIn, num_bytes: int, handles: UserIn, num_handles: int
) -> None:
    """Send a message. The handles leave the caller, whatever the answer.

    Rights: WRITE on handle, TRANSFER on each of the handles. With ZX_CHANNEL_WRITE_USE_IOVEC *bytes* is an
    array of *num_bytes* zx_channel_iovec_t.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; OUT_OF_RANGE sizes;
    INVALID_ARGS bytes, handles; of the handles the first of BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED (the
    channel's end itself); PEER_CLOSED.
    """
    try:
        channel, data = _prepare(call, handle, ZX_RIGHT_WRITE, options, bytes, num_bytes, num_handles)
    except ZxError:
        _close_sent(call, handles, num_handles)
        raise
    channel.write(data, take_handles(call, channel, handles.read_ints(num_handles)) if num_handles else ())


@syscall
def zx_channel_write_etc(
    call: Call, handle: int, options: int, bytes: UserIn, num_bytes: int, handles: UserInOut, num_handles: int
) -> None:
    """As `zx_channel_write`, with an operation, a type and rights for each handle.

    Every disposition is attempted; where one fails, each gets its own result and the call's answer is the
    first error.
    Errors of a disposition, in order: BAD_HANDLE; INVALID_ARGS operation; ACCESS_DENIED without TRANSFER;
    NOT_SUPPORTED the channel's end itself; WRONG_TYPE; INVALID_ARGS rights that the handle has not;
    ACCESS_DENIED without DUPLICATE.
    """
    try:
        channel, data = _prepare(call, handle, ZX_RIGHT_WRITE, options, bytes, num_bytes, num_handles)
    except ZxError:
        _close_dispositions(call, handles, num_handles)
        raise
    channel.write(data, _take_dispositions(call, channel, handles, num_handles) if num_handles else ())


def _prepare(
    call: Call, handle: int, rights: int, options: int, source: UserIn, num_bytes: int, num_handles: int
) -> tuple[ChannelDispatcher, bytes]:
    """The channel to write to and the bytes of the message."""
    if options & ~ZX_CHANNEL_WRITE_USE_IOVEC:
        raise ZxError(Status.INVALID_ARGS)
    channel = call.dispatcher(handle, ChannelDispatcher, rights)
    if options:
        return channel, _gather(call, source, num_bytes, num_handles)
    if num_bytes > ZX_CHANNEL_MAX_MSG_BYTES or num_handles > ZX_CHANNEL_MAX_MSG_HANDLES:
        raise ZxError(Status.OUT_OF_RANGE)
    return channel, source.read(num_bytes)


def _gather(call: Call, source: UserIn, count: int, num_handles: int) -> bytes:
    """The bytes that *count* zx_channel_iovec_t point at."""
    if count > ZX_CHANNEL_MAX_MSG_IOVECS or num_handles > ZX_CHANNEL_MAX_MSG_HANDLES:
        raise ZxError(Status.OUT_OF_RANGE)
    iovecs = source.read_structs(zx_channel_iovec_t, count)
    if any(iovec.reserved for iovec in iovecs):
        raise ZxError(Status.INVALID_ARGS)
    if sum(iovec.capacity for iovec in iovecs) > ZX_CHANNEL_MAX_MSG_BYTES:
        raise ZxError(Status.OUT_OF_RANGE)
    read = call.memory.read_user
    return b"".join([read(iovec.buffer, iovec.capacity) for iovec in iovecs if iovec.capacity])


def take_handles(call: Call, channel: ChannelDispatcher, values: Sequence[int]) -> list[Handle]:
    """Take handles out of the caller's table for a message through *channel*.

    All of them go, whatever the answer. Errors: that of the first bad one: BAD_HANDLE; ACCESS_DENIED without
    TRANSFER; NOT_SUPPORTED the end itself.
    """
    table = call.handles.handles
    taken: list[Handle] = []
    status = Status.OK
    for value in values:
        handle = table.pop(value, None)
        if handle is None:
            call.bad_handle(value)
            status = status or Status.BAD_HANDLE
            continue
        taken.append(handle)
        if not handle.rights & ZX_RIGHT_TRANSFER:
            status = status or Status.ACCESS_DENIED
        elif handle.object is channel:
            status = status or Status.NOT_SUPPORTED
    if status:
        close_handles(taken)
        raise ZxError(status)
    return taken


def _take_dispositions(
    call: Call, channel: ChannelDispatcher, pointer: UserInOut, count: int
) -> list[Handle]:
    """Carry out the dispositions of a message through *channel*."""
    dispositions = pointer.read_structs(zx_handle_disposition_t, count)
    taken: list[Handle] = []
    results: dict[int, Status] = {}  # of those that failed
    status = Status.OK
    for index, disposition in enumerate(dispositions):
        try:
            taken.append(_dispose(call, channel, disposition))
        except ZxError as error:
            results[index] = error.status
            status = status or error.status
    if status:
        close_handles(taken)
        for index, result in results.items():
            offset = index * zx_handle_disposition_t.SIZE + _RESULT_OFFSET
            pointer.write(result.to_bytes(4, "little", signed=True), offset)
        raise ZxError(status)
    return taken


def _dispose(call: Call, channel: ChannelDispatcher, disposition: zx_handle_disposition_t) -> Handle:
    """The handle that a disposition puts into a message. Its source is gone, unless it is duplicated."""
    source = call.handle(disposition.handle)
    if disposition.operation == ZX_HANDLE_OP_DUPLICATE:
        rights = _sendable(source, channel, disposition)
        if not source.rights & ZX_RIGHT_DUPLICATE:
            raise ZxError(Status.ACCESS_DENIED)
        return Handle(source.object, rights)
    call.handles.remove(disposition.handle)
    try:
        if disposition.operation != ZX_HANDLE_OP_MOVE:
            raise ZxError(Status.INVALID_ARGS)
        rights = _sendable(source, channel, disposition)
    except ZxError:
        source.close()
        raise
    if rights == source.rights:
        return source
    reduced = Handle(source.object, rights)
    source.close()
    return reduced


def _sendable(source: Handle, channel: ChannelDispatcher, disposition: zx_handle_disposition_t) -> int:
    """The rights with which *source* may be sent."""
    if not source.rights & ZX_RIGHT_TRANSFER:
        raise ZxError(Status.ACCESS_DENIED)
    if source.object is channel:
        raise ZxError(Status.NOT_SUPPORTED)
    if disposition.type not in (ZX_OBJ_TYPE_NONE, source.object.TYPE):
        raise ZxError(Status.WRONG_TYPE)
    if disposition.rights == ZX_RIGHT_SAME_RIGHTS:
        return source.rights
    rights: int = disposition.rights
    if source.rights & rights != rights:
        raise ZxError(Status.INVALID_ARGS)
    return rights


def _close_sent(call: Call, handles: UserIn, count: int) -> None:
    """A write has failed before it came to its handles: they go all the same, as far as they can be read."""
    for start in range(0, min(count, MAX_HANDLES), _CHUNK):
        try:
            values = handles.read_ints(min(_CHUNK, count - start), start)
        except ZxError:
            return
        _close_values(call, values)


def _close_dispositions(call: Call, handles: UserIn, count: int) -> None:
    """The same for dispositions; what was to be duplicated stays."""
    size = zx_handle_disposition_t.SIZE
    for start in range(0, min(count, MAX_HANDLES), _CHUNK):
        try:
            data = handles.read(min(_CHUNK, count - start) * size, start * size)
        except ZxError:
            return
        dispositions = [zx_handle_disposition_t.unpack(data, offset) for offset in range(0, len(data), size)]
        _close_values(call, [d.handle for d in dispositions if d.operation != ZX_HANDLE_OP_DUPLICATE])


def _close_values(call: Call, values: Sequence[int]) -> None:
    for value in values:
        handle = call.handles.handles.pop(value, None)
        if handle is None:
            call.bad_handle(value)
        else:
            handle.close()


# Calling


@syscall
async def zx_channel_call(
    call: Call,
    handle: int,
    options: int,
    deadline: int,
    args: UserIn,
    actual_bytes: UserOut,
    actual_handles: UserOut,
) -> None:
    """Send a message under a transaction id of the kernel's making and wait for the reply under the same id.

    Rights: READ and WRITE on handle, TRANSFER on each of the handles. The handles leave the caller, whatever
    the answer (unless *args* cannot be read). *deadline* is in ns.
    Errors, in order: INVALID_ARGS args, options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; OUT_OF_RANGE
    sizes; INVALID_ARGS bytes, a message without room for the id, handles; those of the handles, as in
    `zx_channel_write`; PEER_CLOSED; CANCELED where the last handle to this end goes, or arrives elsewhere
    (utest/core/channel/channel-internal.cc); TIMED_OUT; BUFFER_TOO_SMALL for a reply that does not fit (it is
    lost); INVALID_ARGS pointers.
    """
    arguments = args.read_struct(zx_channel_call_args_t)
    handles = _pointer(call, UserIn, arguments.wr_handles, "I")
    count = arguments.wr_num_handles
    try:
        channel, data = _prepare_call(call, handle, options, arguments)
    except ZxError:
        _close_sent(call, handles, count)
        raise
    sent = take_handles(call, channel, handles.read_ints(count)) if count else ()
    reply = await channel.call(data, sent, deadline)
    received = _write_reply(call, reply, arguments, actual_bytes, actual_handles)
    _arrive(received)
    values = _install(call, received)
    out = _pointer(call, UserOut, arguments.rd_handles)
    _write_or_close(call, values, out, b"".join([value.to_bytes(4, "little") for value in values]))


@syscall
async def zx_channel_call_etc(
    call: Call,
    handle: int,
    options: int,
    deadline: int,
    args: UserInOut,
    actual_bytes: UserOut,
    actual_handles: UserOut,
) -> None:
    """As `zx_channel_call`, with dispositions of the handles that go and infos of those that come."""
    arguments = args.read_struct(zx_channel_call_etc_args_t)
    handles = _pointer(call, UserInOut, arguments.wr_handles)
    count = arguments.wr_num_handles
    try:
        channel, data = _prepare_call(call, handle, options, arguments)
    except ZxError:
        _close_dispositions(call, handles, count)
        raise
    sent = _take_dispositions(call, channel, handles, count) if count else ()
    reply = await channel.call(data, sent, deadline)
    received = _write_reply(call, reply, arguments, actual_bytes, actual_handles)
    _install_infos(call, received, _pointer(call, UserOut, arguments.rd_handles))


CallArgs = zx_channel_call_args_t | zx_channel_call_etc_args_t


def _prepare_call(call: Call, handle: int, options: int, args: CallArgs) -> tuple[ChannelDispatcher, bytes]:
    """The channel to call through and the bytes of the message."""
    source = _pointer(call, UserIn, args.wr_bytes)
    channel, data = _prepare(
        call, handle, ZX_RIGHT_READ | ZX_RIGHT_WRITE, options, source, args.wr_num_bytes, args.wr_num_handles
    )
    if len(data) < TXID_SIZE:
        raise ZxError(Status.INVALID_ARGS)
    return channel, data


def _write_reply(
    call: Call, reply: Message, args: CallArgs, actual_bytes: UserOut, actual_handles: UserOut
) -> Sequence[Handle]:
    """Write the bytes and sizes of a reply. Answers its handles, which are closed where that fails."""
    data, handles = reply
    try:
        if len(data) > args.rd_num_bytes or len(handles) > args.rd_num_handles:
            raise ZxError(Status.BUFFER_TOO_SMALL)
        actual_bytes.set(len(data))
        actual_handles.set(len(handles))
        _pointer(call, UserOut, args.rd_bytes).write(data)
    except ZxError:
        close_handles(handles)
        raise
    return handles


P = TypeVar("P", UserIn, UserOut, UserInOut)


def _pointer(call: Call, cls: type[P], address: int, code: str = "") -> P:
    """A pointer that came inside a struct."""
    pointer = cls(code)
    pointer.memory = call.memory
    pointer.address = address
    return pointer
