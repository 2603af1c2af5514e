"""`zx_process_*`. Source: docs/reference/syscalls/process_*.md; order from zircon/kernel/lib/syscalls/process.rs."""

from __future__ import annotations

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_MAX_NAME_LEN,
    ZX_POL_NEW_PROCESS,
    ZX_PROCESS_SHARED,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_READ,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

# The most bytes that one call of zx_process_read_memory or _write_memory moves.
_MAX_MEMORY_BLOCK = 64 << 20


def read_name(name: UserIn, size: int) -> bytes:
    """A name from the caller, cut to ZX_MAX_NAME_LEN - 1 bytes and at its first zero: INVALID_ARGS for a bad pointer."""
    if name.is_null:
        raise ZxError(Status.INVALID_ARGS)
    return name.read(min(size, ZX_MAX_NAME_LEN))[: ZX_MAX_NAME_LEN - 1].partition(b"\0")[0]


@syscall
def zx_process_create(
    call: Call,
    job: int,
    name: UserIn,
    name_size: int,
    options: int,
    proc_handle: HandleOut,
    vmar_handle: HandleOut,
) -> None:
    """Make a process in *job*, and a handle to the root of its address space.

    Rights: MANAGE_PROCESS on job. Options: 0, or ZX_PROCESS_SHARED for a process whose state others can share.
    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy; INVALID_ARGS name; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED job;
    BAD_STATE dead job.
    """
    if options not in (0, ZX_PROCESS_SHARED):
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_PROCESS)
    name_bytes = read_name(name, name_size)
    parent = call.dispatcher(job, JobDispatcher, ZX_RIGHT_MANAGE_PROCESS)
    process = ProcessDispatcher.create(parent, name_bytes, shareable=options == ZX_PROCESS_SHARED)
    proc_handle.make(process)
    vmar_handle.make(VmAddressRegionDispatcher.root(process.root_vmar_aspace))


@syscall
def zx_process_create_shared(
    call: Call,
    shared_proc: int,
    options: int,
    name: UserIn,
    name_size: int,
    proc_handle: HandleOut,
    restricted_vmar_handle: HandleOut,
) -> None:
    """Make a process that shares its state with *shared_proc*, and a handle to the root of its restricted address space.

    Rights: MANAGE_PROCESS on shared_proc. It joins the job of shared_proc.
    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy; INVALID_ARGS name; BAD_HANDLE, WRONG_TYPE,
    ACCESS_DENIED shared_proc; INVALID_ARGS a process that cannot be shared; BAD_STATE dead shared state or job.
    Source: process_create_shared.md; today's process.rs also asks for GET_PROPERTY, the document does not.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_PROCESS)
    name_bytes = read_name(name, name_size)
    prototype = call.dispatcher(shared_proc, ProcessDispatcher, ZX_RIGHT_MANAGE_PROCESS)
    process = ProcessDispatcher.create_shared(prototype, name_bytes)
    proc_handle.make(process)
    restricted_vmar_handle.make(VmAddressRegionDispatcher.root(process.root_vmar_aspace))


@syscall
def zx_process_start(
    call: Call, handle: int, thread: int, entry: int, stack: int, arg1: int, arg2: int
) -> None:
    """Start the first thread of a process. The handle *arg1* moves into the process, its new value is the first argument.

    Rights: WRITE on handle and thread, TRANSFER on *arg1*, which is consumed whatever the answer.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle, then thread; BAD_HANDLE, ACCESS_DENIED arg1; ACCESS_DENIED
    a thread of another process; BAD_STATE a process that has started, or is dead; INVALID_ARGS entry; BAD_STATE a thread that
    has started.
    Source for a bad arg1: process_start.md; process.rs starts without it.
    """
    argument = call.handles.get(arg1)
    try:
        process = call.dispatcher(handle, ProcessDispatcher, ZX_RIGHT_WRITE)
        first = call.dispatcher(thread, ThreadDispatcher, ZX_RIGHT_WRITE)
    except ZxError:
        if argument is not None:
            call.handles.close(arg1)
        raise
    if arg1 != ZX_HANDLE_INVALID:
        argument = call.handles.transfer(arg1)
    try:
        _start_first(process, first, entry, stack, argument, arg2)
    except ZxError:
        if argument is not None:
            argument.close()
        raise


def _start_first(
    process: ProcessDispatcher,
    thread: ThreadDispatcher,
    entry: int,
    stack: int,
    argument: Handle | None,
    arg2: int,
) -> None:
    if argument is not None and not argument.rights & ZX_RIGHT_TRANSFER:
        raise ZxError(Status.ACCESS_DENIED)
    if thread.process is not process:
        raise ZxError(Status.ACCESS_DENIED)
    # The value must be known before the thread starts, and the handle must not stay where the start fails.
    value = ZX_HANDLE_INVALID if argument is None else process.handles.add(argument)
    try:
        thread.start_at(entry, stack, value, arg2, first=True)
    except ZxError:
        if argument is not None:
            process.handles.remove(value)
        raise


@syscall
def zx_process_exit(call: Call, retcode: int) -> None:
    """End the caller's process with *retcode*. Does not return."""
    call.process.kill(retcode)


@syscall
def zx_process_read_memory(
    call: Call, handle: int, vaddr: int, buffer: UserOut, buffer_size: int, actual: UserOut
) -> None:
    """Read up to *buffer_size* bytes, at most 64 MiB, of another process; no further than the end of one mapping.

    Rights: READ and WRITE on handle.
    Errors, in order: INVALID_ARGS buffer or size; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE dead process;
    NOT_FOUND nothing mapped; OUT_OF_RANGE behind the VMO's end.
    """
    if buffer.is_null or not 0 < buffer_size <= _MAX_MEMORY_BLOCK:
        raise ZxError(Status.INVALID_ARGS)
    process = call.dispatcher(handle, ProcessDispatcher, ZX_RIGHT_READ | ZX_RIGHT_WRITE)
    data = process.aspace_at(vaddr).read_memory(vaddr, buffer_size)
    buffer.write(data)
    actual.set(len(data))


@syscall
def zx_process_write_memory(
    call: Call, handle: int, vaddr: int, buffer: UserIn, buffer_size: int, actual: UserOut
) -> None:
    """Write up to *buffer_size* bytes, at most 64 MiB, to another process whatever its mapping permits; not to the vDSO.

    Rights: WRITE on handle.
    Errors, in order: INVALID_ARGS buffer or size; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE dead process;
    NOT_FOUND nothing mapped; ACCESS_DENIED the vDSO; OUT_OF_RANGE behind the VMO's end.
    """
    if buffer.is_null or not 0 < buffer_size <= _MAX_MEMORY_BLOCK:
        raise ZxError(Status.INVALID_ARGS)
    process = call.dispatcher(handle, ProcessDispatcher, ZX_RIGHT_WRITE)
    aspace = process.aspace_at(vaddr)
    actual.set(aspace.write_memory(vaddr, buffer_size, buffer.read))
