"""`zx_vmo_*`. Source: docs/reference/syscalls/vmo_*.md; order from zircon/kernel/lib/syscalls/vmo.cc."""

from __future__ import annotations

import struct

from jacinth.abi import (
    ZX_CACHE_POLICY_MASK,
    ZX_HANDLE_INVALID,
    ZX_POL_AMBIENT_MARK_VMO_EXEC,
    ZX_POL_NEW_VMO,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_GET_PROPERTY,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_RESIZE,
    ZX_RIGHT_SET_PROPERTY,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_MMIO,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_VMEX_BASE,
    ZX_VMO_CHILD_NO_WRITE,
    ZX_VMO_CHILD_REFERENCE,
    ZX_VMO_CHILD_RESIZABLE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
    ZX_VMO_OP_ALWAYS_NEED,
    ZX_VMO_OP_CACHE_CLEAN,
    ZX_VMO_OP_CACHE_CLEAN_INVALIDATE,
    ZX_VMO_OP_CACHE_INVALIDATE,
    ZX_VMO_OP_CACHE_SYNC,
    ZX_VMO_OP_COMMIT,
    ZX_VMO_OP_DECOMMIT,
    ZX_VMO_OP_DONT_NEED,
    ZX_VMO_OP_LOCK,
    ZX_VMO_OP_PREFETCH,
    ZX_VMO_OP_TRY_LOCK,
    ZX_VMO_OP_UNLOCK,
    ZX_VMO_OP_ZERO,
    Status,
    ZxError,
)
from jacinth.kernel.bti import BusTransactionInitiatorDispatcher
from jacinth.kernel.handle import Handle
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.vm.page_source import Asked, PageNeeded
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, VmObjectDispatcher, round_size
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserInOut, UserOut, syscall

# A large copy goes through the kernel in pieces.
_PIECE = 1 << 20

# zx_vmo_lock_state_t: offset and size of what is locked, then of what was discarded.
_LOCK_STATE = struct.Struct("<4Q")

_COPY_ON_WRITE = (
    ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | ZX_VMO_CHILD_SNAPSHOT_MODIFIED
)


@syscall
def zx_vmo_create(call: Call, size: int, options: int, out: HandleOut) -> None:
    """Make a VMO of *size* bytes, rounded up to whole pages. Options: ZX_VMO_RESIZABLE, _DISCARDABLE,
    _UNBOUNDED.

    Errors, in order: ACCESS_DENIED policy; those of VmObjectDispatcher.create.
    """
    call.check_policy(ZX_POL_NEW_VMO)
    vmo = VmObjectDispatcher.create(call.kernel, size, options)
    out.make(vmo, vmo.initial_rights)


@syscall
def zx_vmo_create_contiguous(call: Call, bti: int, size: int, alignment_log2: int, out: HandleOut) -> None:
    """Make a VMO of whole pages that are committed, lie one after the other in physical memory, and stay so.

    The first one lies at a multiple of 2 to the *alignment_log2* bytes, where that is not 0.
    Rights: MAP on bti.
    Errors, in order: INVALID_ARGS no size, a part of a page, an alignment of less than a page or more than 63; ACCESS_DENIED
    policy; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED bti; OUT_OF_RANGE size; NO_MEMORY, also where free memory does not lie together.
    """
    alignment_log2 = alignment_log2 or PAGE_SHIFT
    if not size or size & PAGE_MASK or not PAGE_SHIFT <= alignment_log2 < 64:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_VMO)
    call.dispatcher(bti, BusTransactionInitiatorDispatcher, ZX_RIGHT_MAP)
    vmo = VmObjectDispatcher.create_contiguous(call.kernel, size, 1 << alignment_log2)
    out.make(vmo, vmo.initial_rights)


@syscall
def zx_vmo_create_physical(call: Call, resource: int, paddr: int, size: int, out: HandleOut) -> None:
    """Make a VMO of a device's registers: NOT_SUPPORTED, there are no devices.

    Errors, in order: INVALID_ARGS no size, or a part of a page; ACCESS_DENIED policy; BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE
    resource, or of a root ACCESS_DENIED memory; INVALID_ARGS not at a page; NOT_SUPPORTED.
    """
    if not size or size & PAGE_MASK:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_VMO)
    call.dispatcher(resource, ResourceDispatcher, 0).require(ZX_RSRC_KIND_MMIO, paddr, size)
    if paddr & PAGE_MASK:
        raise ZxError(Status.INVALID_ARGS)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_vmo_read(call: Call, handle: int, buffer: UserOut, offset: int, buffer_size: int) -> None:
    """Copy bytes out of a VMO. Those that a pager has supplied are there before it has supplied the rest.

    Rights: READ on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of check_access, and of the pager; NOT_FOUND,
    ACCESS_DENIED, OUT_OF_RANGE buffer, as a fault, which may have been written up to there.
    """
    done, asked, kept = call.resume() or (0, None, None)
    buffer.go_on(kept)
    try:
        vmo = call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_READ)
        vmo.check_access(offset, buffer_size)
        while done < buffer_size:
            there, missing = buffer_size - done, None
            if vmo.pages.special:
                there, missing = vmo.readable(offset + done, there)
            if missing is not None and not there:
                missing.early = True
                raise missing
            size = min(_PIECE, there)
            buffer.write_as_fault(vmo.read(offset + done, size), done)
            done += size
    except PageNeeded as need:
        need.asked, asked = asked or Asked(), None
        need.progress = done, need.asked, buffer.keep()
        raise
    finally:
        if asked is not None:
            asked.let_go()


@syscall
def zx_vmo_write(call: Call, handle: int, buffer: UserIn, offset: int, buffer_size: int) -> None:
    """Copy bytes into a VMO.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of check_access, and of the pager; NOT_FOUND,
    ACCESS_DENIED, OUT_OF_RANGE buffer, as a fault, NO_MEMORY: the VMO may have been written up to there.
    """
    vmo = call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_WRITE)
    vmo.check_access(offset, buffer_size)
    done = call.resume()
    try:
        while done < buffer_size:
            at = offset + done
            size, missing = min(_PIECE - (at & PAGE_MASK), buffer_size - done), None
            if vmo.pages.special:
                size, missing = vmo.writable(at, size)
            if missing is not None and not size:
                raise missing
            vmo.write(at, buffer.read_as_fault(size, done))
            done += size
    except PageNeeded as need:
        need.progress = done
        raise


@syscall
def zx_vmo_transfer_data(
    call: Call, dst_vmo: int, options: int, offset: int, length: int, src_vmo: int, src_offset: int
) -> None:
    """Move whole pages from one VMO to another; where they were is zero then.

    Rights: WRITE on dst_vmo; READ and WRITE on src_vmo.
    Errors, in order: INVALID_ARGS options, not whole pages; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED dst_vmo,
    then src_vmo; OUT_OF_RANGE; NO_MEMORY.
    """
    if options or (offset | length | src_offset) & PAGE_MASK:
        raise ZxError(Status.INVALID_ARGS)
    target = call.dispatcher(dst_vmo, VmObjectDispatcher, ZX_RIGHT_WRITE)
    source = call.dispatcher(src_vmo, VmObjectDispatcher, ZX_RIGHT_READ | ZX_RIGHT_WRITE)
    if source is target and offset == src_offset:
        return
    target.transfer(offset, source, src_offset, length)


@syscall
def zx_vmo_get_size(call: Call, handle: int, size: UserOut) -> None:
    """The size, in whole pages. Errors, in order: BAD_HANDLE, WRONG_TYPE handle; INVALID_ARGS size."""
    size.set(call.dispatcher(handle, VmObjectDispatcher, 0).size)


@syscall
def zx_vmo_set_size(call: Call, handle: int, size: int) -> None:
    """Grow or shrink a VMO; its stream size is *size* then.

    Rights: WRITE on handle, and RESIZE if the VMO is resizable.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of VmObjectDispatcher.set_size.
    """
    vmo = call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_WRITE)
    if vmo.resizable and not call.handle(handle).rights & ZX_RIGHT_RESIZE:
        raise ZxError(Status.ACCESS_DENIED)
    vmo.set_size(size)


@syscall
def zx_vmo_get_stream_size(call: Call, handle: int, size: UserOut) -> None:
    """How many bytes are content. Errors, in order: BAD_HANDLE, WRONG_TYPE handle; INVALID_ARGS size."""
    size.set(call.dispatcher(handle, VmObjectDispatcher, 0).stream_size)


@syscall
def zx_vmo_set_stream_size(call: Call, handle: int, size: int) -> None:
    """Say how many bytes are content; those behind become zero.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; NOT_SUPPORTED contiguous; OUT_OF_RANGE beyond the VMO.
    """
    call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_WRITE).set_stream_size(size)


@syscall
def zx_vmo_op_range(
    call: Call, handle: int, op: int, offset: int, size: int, buffer: UserInOut, buffer_size: int
) -> None:
    """Do ZX_VMO_OP_* *op* to a range.

    Rights on handle: WRITE to COMMIT, DECOMMIT, ZERO; READ to PREFETCH and for the CACHE_ operations; either
    to LOCK, TRY_LOCK, UNLOCK.
    Errors, in order: BAD_HANDLE, WRONG_TYPE handle; INVALID_ARGS op; NOT_SUPPORTED CACHE_INVALIDATE, as in a
    kernel without debugging syscalls; ACCESS_DENIED handle; those of the operation; INVALID_ARGS buffer,
    which only LOCK writes.
    """
    rights = call.handle(handle).rights
    vmo = call.dispatcher(handle, VmObjectDispatcher, 0)
    if op in (ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_ZERO):
        if not rights & ZX_RIGHT_WRITE:
            raise ZxError(Status.ACCESS_DENIED)
        if op == ZX_VMO_OP_COMMIT:
            vmo.commit(offset, size)
        elif op == ZX_VMO_OP_DECOMMIT:
            vmo.decommit(offset, size)
        else:
            vmo.zero(offset, size)
    elif op in (ZX_VMO_OP_LOCK, ZX_VMO_OP_TRY_LOCK, ZX_VMO_OP_UNLOCK):
        if not rights & (ZX_RIGHT_READ | ZX_RIGHT_WRITE):
            raise ZxError(Status.ACCESS_DENIED)
        if op == ZX_VMO_OP_LOCK:
            _lock(vmo, offset, size, buffer, buffer_size)
        elif op == ZX_VMO_OP_TRY_LOCK:
            vmo.try_lock(offset, size)
        else:
            vmo.unlock(offset, size)
    elif op in (ZX_VMO_OP_ALWAYS_NEED, ZX_VMO_OP_DONT_NEED):
        if call.resume():  # nobody needs what was cut off meanwhile
            size = min(size, vmo.size - offset)
            if size <= 0:
                return
        try:
            vmo.hint(offset, size, needed=op == ZX_VMO_OP_ALWAYS_NEED)
        except PageNeeded as need:
            need.progress = True
            raise
    elif op == ZX_VMO_OP_CACHE_INVALIDATE:
        raise ZxError(Status.NOT_SUPPORTED)
    elif op in (
        ZX_VMO_OP_CACHE_SYNC,
        ZX_VMO_OP_CACHE_CLEAN,
        ZX_VMO_OP_CACHE_CLEAN_INVALIDATE,
        ZX_VMO_OP_PREFETCH,
    ):
        if not rights & ZX_RIGHT_READ:
            raise ZxError(Status.ACCESS_DENIED)
        if op == ZX_VMO_OP_PREFETCH:
            vmo.prefetch(offset, size)
        else:
            vmo.cache_op(offset, size)
    else:
        raise ZxError(Status.INVALID_ARGS)


def _lock(vmo: VmObjectDispatcher, offset: int, size: int, buffer: UserInOut, buffer_size: int) -> None:
    discarded = vmo.lock(offset, size)
    try:
        if buffer_size < _LOCK_STATE.size or buffer.is_null:
            raise ZxError(Status.INVALID_ARGS)
        buffer.write(_LOCK_STATE.pack(offset, size, 0, size if discarded else 0))
    except ZxError:
        vmo.unlock(offset, size)
        raise


@syscall
def zx_vmo_set_cache_policy(call: Call, handle: int, cache_policy: int) -> None:
    """Say how mappings of a VMO are cached. One that is not cached cannot be read, written or cloned.

    Rights: MAP on handle.
    Errors, in order: INVALID_ARGS cache_policy; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE.
    """
    if cache_policy & ~ZX_CACHE_POLICY_MASK:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_MAP).set_cache_policy(cache_policy)


@syscall
def zx_vmo_create_child(
    call: Call, handle: int, options: int, offset: int, size: int, out: HandleOut
) -> None:
    """Make a child of a VMO: a snapshot, a slice or a reference.

    Rights: DUPLICATE and READ on handle, RESIZE for a resizable reference; with GET_PROPERTY the child gets the name as well.
    The child's handle has those of *handle*, GET_PROPERTY and SET_PROPERTY, RESIZE as options say; a snapshot's has WRITE
    and not EXECUTE, unless options say NO_WRITE.
    Errors, in order: OUT_OF_RANGE size; INVALID_ARGS NO_WRITE and RESIZABLE; BAD_HANDLE, WRONG_TYPE,
    ACCESS_DENIED handle; those of VmObjectDispatcher.create_child.
    """
    round_size(size)
    if options & ZX_VMO_CHILD_NO_WRITE and options & ZX_VMO_CHILD_RESIZABLE:
        raise ZxError(Status.INVALID_ARGS)
    no_write = bool(options & ZX_VMO_CHILD_NO_WRITE)
    options &= ~ZX_VMO_CHILD_NO_WRITE
    vmo = call.dispatcher(handle, VmObjectDispatcher, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ)
    rights = call.handle(handle).rights
    if options & ZX_VMO_CHILD_REFERENCE and options & ZX_VMO_CHILD_RESIZABLE and not rights & ZX_RIGHT_RESIZE:
        raise ZxError(Status.ACCESS_DENIED)
    child = vmo.create_child(options, offset, size, copy_name=bool(rights & ZX_RIGHT_GET_PROPERTY))
    child.immutable = no_write and bool(options & ZX_VMO_CHILD_SNAPSHOT)
    rights = (rights & ~ZX_RIGHT_RESIZE) | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY
    if options & ZX_VMO_CHILD_RESIZABLE:
        rights |= ZX_RIGHT_RESIZE
    if no_write:
        rights &= ~ZX_RIGHT_WRITE
    elif options & _COPY_ON_WRITE:
        rights = (rights & ~ZX_RIGHT_EXECUTE) | ZX_RIGHT_WRITE
    out.make(child, rights)


@syscall
def zx_vmo_replace_as_executable(call: Call, handle: int, vmex: int, out: HandleOut) -> None:
    """Replace a handle to a VMO by one that has EXECUTE as well. *handle* is consumed whatever the answer.

    Needs *vmex*, a resource of kind SYSTEM at ZX_RSRC_SYSTEM_VMEX_BASE, or ZX_HANDLE_INVALID and the policy
    ZX_POL_AMBIENT_MARK_VMO_EXEC.
    Errors, in order: BAD_HANDLE handle, also for a wrong type; those of the resource, or ACCESS_DENIED
    policy.
    """
    refused: ZxError | None = None
    try:
        if vmex == ZX_HANDLE_INVALID:
            call.check_policy(ZX_POL_AMBIENT_MARK_VMO_EXEC)
        else:
            resource = call.dispatcher(vmex, ResourceDispatcher, 0)
            resource.require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_VMEX_BASE)
    except ZxError as error:
        refused = error
    old = call.handles.transfer(handle)
    try:
        if not isinstance(old.object, VmObjectDispatcher):
            raise ZxError(Status.BAD_HANDLE)
        if refused is not None:
            raise refused
        out.give(Handle(old.object, old.rights | ZX_RIGHT_EXECUTE))
    finally:
        old.close()
