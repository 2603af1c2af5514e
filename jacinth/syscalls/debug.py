"""`zx_debug_*`, `zx_debuglog_*`, `zx_ktrace_*`.

Source: docs/reference/syscalls/{debug,debuglog}_*.md; order from
zircon/kernel/lib/syscalls/{debug,debuglog}.rs.
"""

from __future__ import annotations

import struct
from typing import Final

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_LOG_FLAG_READABLE,
    ZX_LOG_FLAGS_MASK,
    ZX_LOG_RECORD_DATA_MAX,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_DEBUGLOG_BASE,
    ZX_RSRC_SYSTEM_TRACING_BASE,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.debuglog import LogDispatcher, LogRecord
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserInOut, UserOut, syscall

# zx_log_record_t: sequence, padding, length of the text, severity, flags, timestamp, koids of process and
# thread.
_RECORD: Final = struct.Struct("<Q4xHBBqQQ")

_MAX_DEBUG_WRITE: Final = 256  # bytes of one zx_debug_write; the rest is dropped


@syscall
def zx_debug_write(call: Call, buffer: UserIn, buffer_size: int) -> None:
    """Write at most 256 bytes to the console.

    Errors: INVALID_ARGS buffer.
    """
    call.kernel.console(buffer.read(min(buffer_size, _MAX_DEBUG_WRITE)))


@syscall
async def zx_debug_read(call: Call, handle: int, buffer: UserOut, buffer_size: int, actual: UserOut) -> None:
    """Read from the console: NOT_SUPPORTED, as in every kernel that was not started for debugging."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_debug_send_command(call: Call, resource: int, buffer: UserIn, buffer_size: int) -> None:
    """Command the kernel's shell: NOT_SUPPORTED, as in every kernel that was not started for debugging."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_debuglog_create(call: Call, resource: int, options: int, out: HandleOut) -> None:
    """Make a way to write to the debuglog, and with ZX_LOG_FLAG_READABLE to read it, which needs a resource.

    Errors, in order: BAD_HANDLE, WRONG_TYPE a resource that is not for the debuglog; BAD_HANDLE
    options without a resource; INVALID_ARGS options.
    """
    if resource != ZX_HANDLE_INVALID:
        call.dispatcher(resource, ResourceDispatcher, 0).require_base(
            ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_DEBUGLOG_BASE
        )
    elif options != 0:
        raise ZxError(Status.BAD_HANDLE)
    if options & ~ZX_LOG_FLAG_READABLE:
        raise ZxError(Status.INVALID_ARGS)
    log = LogDispatcher(call.kernel, options)
    out.make(log, log.rights)


@syscall
def zx_debuglog_write(call: Call, handle: int, options: int, buffer: UserIn, buffer_size: int) -> None:
    """Append a record of at most ZX_LOG_RECORD_DATA_MAX bytes; the rest is dropped.

    Rights: WRITE on handle.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS buffer.
    """
    if options & ~ZX_LOG_FLAGS_MASK:
        raise ZxError(Status.INVALID_ARGS)
    log = call.dispatcher(handle, LogDispatcher, ZX_RIGHT_WRITE)
    text = buffer.read(min(buffer_size, ZX_LOG_RECORD_DATA_MAX))
    log.write(text, options, call.process.koid, call.thread.koid)


@syscall
def zx_debuglog_read(call: Call, handle: int, options: int, buffer: UserOut, buffer_size: int) -> int:
    """Read the next record, as much of it as fits, and answer how many bytes that is.

    Rights: READ on handle.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; SHOULD_WAIT where
    all records are read; INVALID_ARGS buffer (the record is lost).
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    log = call.dispatcher(handle, LogDispatcher, ZX_RIGHT_READ)
    data = _encode(log.read())[:buffer_size]
    buffer.write(data)
    return len(data)


def _encode(record: LogRecord) -> bytes:
    """A zx_log_record_t with its text."""
    head = _RECORD.pack(
        record.sequence,
        len(record.text),
        record.severity,
        record.flags,
        record.timestamp,
        record.process,
        record.thread,
    )
    return head + record.text


@syscall
def zx_ktrace_read(
    call: Call, handle: int, data: UserOut, offset: int, data_size: int, actual: UserOut
) -> None:
    """Take all that the kernel's trace has out of it, or with a null *data* tell how many bytes there may be.

    The *offset* means nothing, as in the newest kernel: what has been read is not there any more.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE handle, which must be ZX_RSRC_SYSTEM_TRACING_BASE; INVALID_ARGS room
    for less than the whole buffer, data; actual (the records are lost).
    Source: zircon/kernel/lib/syscalls/debug.rs, KTrace::ReadUser.
    """
    call.dispatcher(handle, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_TRACING_BASE)
    ktrace = call.kernel.ktrace
    if data.is_null:
        actual.set(ktrace.size)
        return
    if ktrace.started and data_size < ktrace.size:
        raise ZxError(Status.INVALID_ARGS)
    records = ktrace.records()
    data.write_now(records)
    ktrace.drain(len(records))
    actual.set(len(records))


@syscall
def zx_ktrace_control(call: Call, handle: int, action: int, options: int, ptr: UserInOut) -> None:
    """Start and stop the kernel's trace, or empty its buffer: a KTRACE_ACTION_*; *ptr* means nothing any more.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE handle, which must be ZX_RSRC_SYSTEM_TRACING_BASE; INVALID_ARGS action.
    Source: zircon/kernel/lib/syscalls/debug.rs, KTrace::Control.
    """
    call.dispatcher(handle, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_TRACING_BASE)
    call.kernel.ktrace.control(action, options)


@syscall
def zx_mtrace_control(
    call: Call, handle: int, kind: int, action: int, options: int, ptr: UserInOut, ptr_size: int
) -> None:
    """Trace instructions by the CPU's own means: NOT_SUPPORTED, as in every kernel that was not started for debugging."""
    raise ZxError(Status.NOT_SUPPORTED)
