"""`zx_vmar_*`. Source: docs/reference/syscalls/vmar_*.md; order from zircon/kernel/lib/syscalls/vmar.cc."""

from __future__ import annotations

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_POL_VMAR_WX,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_MAP,
    ZX_RIGHT_OP_CHILDREN,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_MAP_RANGE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC_OVERWRITE,
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_DECOMMIT,
    ZX_VMAR_OP_PREFETCH,
    ZX_VMAR_OP_ZERO,
    Status,
    ZxError,
)
from jacinth.kernel.iob import IoBufferDispatcher
from jacinth.kernel.ipc.clock import MAPPED_SIZE, ClockDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegion, VmAddressRegionDispatcher, is_valid_protection
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserInOut, UserOut, syscall

_OP_RIGHTS = {
    ZX_VMAR_OP_COMMIT: ZX_RIGHT_WRITE,
    ZX_VMAR_OP_DECOMMIT: ZX_RIGHT_WRITE,
    ZX_VMAR_OP_ZERO: ZX_RIGHT_WRITE,
    ZX_VMAR_OP_PREFETCH: ZX_RIGHT_READ,
}
_WRITE_AND_EXECUTE = ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE


def _rights(options: int, read: int, write: int, execute: int) -> int:
    """The rights that those of the three bits stand for that are in *options*."""
    rights = ZX_RIGHT_READ if options & read else 0
    if options & write:
        rights |= ZX_RIGHT_WRITE
    if options & execute:
        rights |= ZX_RIGHT_EXECUTE
    return rights


def _with_read(options: int) -> int:
    """x86-64 cannot map memory that is executable and not readable."""
    return options | ZX_VM_PERM_READ if options & ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED else options


def _check_write_execute(call: Call, options: int) -> None:
    if options & _WRITE_AND_EXECUTE == _WRITE_AND_EXECUTE:
        call.check_policy(ZX_POL_VMAR_WX)


@syscall
def zx_vmar_allocate(
    call: Call,
    parent_vmar: int,
    options: int,
    offset: int,
    size: int,
    child_vmar: HandleOut,
    child_addr: UserOut,
) -> None:
    """Make a VMAR of *size* bytes in *parent_vmar*; *child_addr* gets its address.

    Rights: READ, WRITE, EXECUTE on parent_vmar for each ZX_VM_CAN_MAP_ of that name in options.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED parent_vmar; those of VmAddressRegion.allocate;
    INVALID_ARGS child_addr.
    """
    rights = _rights(options, ZX_VM_CAN_MAP_READ, ZX_VM_CAN_MAP_WRITE, ZX_VM_CAN_MAP_EXECUTE)
    parent = call.dispatcher(parent_vmar, VmAddressRegionDispatcher, rights).region
    region = parent.allocate(offset, size, options)
    try:
        child_addr.set(region.base)
    except ZxError:
        region.destroy()
        raise
    child = VmAddressRegionDispatcher(region)
    child_vmar.make(child, child.initial_rights)


@syscall
def zx_vmar_destroy(call: Call, handle: int) -> None:
    """Unmap everything in a VMAR and destroy it. Handles to it and to those inside remain, but are of no use.

    Rights: OP_CHILDREN on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of VmAddressRegion.destroy.
    """
    call.dispatcher(handle, VmAddressRegionDispatcher, ZX_RIGHT_OP_CHILDREN).region.destroy()


@syscall
def zx_vmar_map(
    call: Call,
    handle: int,
    options: int,
    vmar_offset: int,
    vmo: int,
    vmo_offset: int,
    len_: int,
    mapped_addr: UserOut,
) -> None:
    """Map a range of *vmo* into a VMAR; *mapped_addr* gets the address.

    Rights: MAP on vmo; READ, WRITE, EXECUTE on both for each ZX_VM_PERM_ of that name in options. What both
    handles allow now is what the mapping can be protected to later.
    Errors, in order: BAD_HANDLE, WRONG_TYPE handle, then vmo; NOT_SUPPORTED FAULT_BEYOND_STREAM_SIZE of contiguous memory,
    which has no stream size; ACCESS_DENIED no MAP; INVALID_ARGS permissions
    or options; ACCESS_DENIED permissions; INVALID_ARGS FAULT_BEYOND_STREAM_SIZE without ALLOW_FAULTS;
    ACCESS_DENIED policy against memory that can be written and executed; those of VmAddressRegion.map;
    INVALID_ARGS mapped_addr.

    The policy ZX_POL_VMAR_WX is as its page says; today's kernel has it but does not ask it.
    """
    vmar_handle = call.handle(handle)
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, 0)
    vmo_handle = call.handle(vmo)
    memory = call.dispatcher(vmo, VmObjectDispatcher, 0)
    if options & ZX_VM_FAULT_BEYOND_STREAM_SIZE:
        if memory.pages.contiguous:
            raise ZxError(Status.NOT_SUPPORTED)
        memory.keep_stream()
    _map(
        call,
        vmar.region,
        vmar_handle.rights,
        options,
        vmar_offset,
        memory,
        vmo_handle.rights,
        vmo_offset,
        len_,
        mapped_addr,
        has_stream=True,
    )


def _map(
    call: Call,
    vmar: VmAddressRegion,
    vmar_rights: int,
    options: int,
    vmar_offset: int,
    memory: VmObjectDispatcher,
    vmo_rights: int,
    vmo_offset: int,
    len_: int,
    mapped_addr: UserOut,
    *,
    has_stream: bool = False,
) -> None:
    """What zx_vmar_map does from ACCESS_DENIED no MAP on."""
    if not vmo_rights & ZX_RIGHT_MAP:
        raise ZxError(Status.ACCESS_DENIED)
    options = _with_read(options)
    if not is_valid_protection(options):
        raise ZxError(Status.INVALID_ARGS)
    map_range = bool(options & ZX_VM_MAP_RANGE)
    options &= ~ZX_VM_MAP_RANGE
    if map_range and options & ZX_VM_SPECIFIC_OVERWRITE:
        raise ZxError(Status.INVALID_ARGS)
    if options & (ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE):
        raise ZxError(Status.INVALID_ARGS)
    permitted = vmo_rights & vmar_rights
    if _rights(options, ZX_VM_PERM_READ, ZX_VM_PERM_WRITE, ZX_VM_PERM_EXECUTE) & ~permitted:
        raise ZxError(Status.ACCESS_DENIED)
    if permitted & ZX_RIGHT_READ:
        options |= ZX_VM_CAN_MAP_READ
    if permitted & ZX_RIGHT_WRITE:
        options |= ZX_VM_CAN_MAP_WRITE
    if permitted & ZX_RIGHT_EXECUTE:
        options |= ZX_VM_CAN_MAP_EXECUTE
    if options & ZX_VM_FAULT_BEYOND_STREAM_SIZE and not (has_stream and options & ZX_VM_ALLOW_FAULTS):
        raise ZxError(Status.INVALID_ARGS)
    _check_write_execute(call, options)
    mapping = vmar.map(vmar_offset, memory, vmo_offset, len_, options)
    base = mapping.base
    try:
        if map_range:
            mapping.map_present(base, base + mapping.size)
        mapped_addr.set(base)
    except ZxError:
        mapping.destroy()
        raise
    if call.thread.late_writes:
        call.thread.late_writes[-1].undo = mapping.drop  # by itself, so that it can be found again
    else:
        mapping.merge()


@syscall
def zx_vmar_map_iob(
    call: Call,
    handle: int,
    options: int,
    vmar_offset: int,
    ep: int,
    region_index: int,
    region_offset: int,
    region_length: int,
    mapped_addr: UserOut,
) -> None:
    """Map a range of a region of an I/O buffer into a VMAR; *mapped_addr* gets the address.

    Rights: as zx_vmar_map; those to the region are what *ep* has and the region's access allows its endpoint.
    Errors, in order: BAD_HANDLE, WRONG_TYPE handle, then ep; OUT_OF_RANGE region_index; then those of zx_vmar_map, and there
    INVALID_ARGS for FAULT_BEYOND_STREAM_SIZE: regions have no stream size.
    """
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, 0)
    iob = call.dispatcher(ep, IoBufferDispatcher, 0)
    view = iob.view(region_index)
    rights = call.handle(ep).rights & iob.map_rights(region_index)
    vmar_rights = call.handle(handle).rights
    _map(
        call,
        vmar.region,
        vmar_rights,
        options,
        vmar_offset,
        view,
        rights,
        region_offset,
        region_length,
        mapped_addr,
    )


@syscall
def zx_vmar_map_clock(
    call: Call,
    handle: int,
    options: int,
    vmar_offset: int,
    clock: int,
    len_: int,
    mapped_addr: UserOut,
) -> None:
    """Map the page of a mappable clock, to read; *mapped_addr* gets the address.

    Rights: READ and MAP on clock; READ on handle for ZX_VM_PERM_READ.
    Errors, in order: INVALID_ARGS options to write, to execute or READ_IF_XOM_UNSUPPORTED; INVALID_ARGS len other than
    ZX_INFO_CLOCK_MAPPED_SIZE says; BAD_HANDLE, WRONG_TYPE clock; INVALID_ARGS not mappable; BAD_HANDLE, WRONG_TYPE handle; then
    those of zx_vmar_map, as zx_vmar_map_iob.
    """
    if options & (ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE | ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED):
        raise ZxError(Status.INVALID_ARGS)
    if len_ != MAPPED_SIZE:
        raise ZxError(Status.INVALID_ARGS)
    memory = call.dispatcher(clock, ClockDispatcher, 0).vmo
    if memory is None:
        raise ZxError(Status.INVALID_ARGS)
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, 0).region
    rights = call.handle(clock).rights & (ZX_RIGHT_READ | ZX_RIGHT_MAP)
    vmar_rights = call.handle(handle).rights
    _map(call, vmar, vmar_rights, options, vmar_offset, memory, rights, 0, len_, mapped_addr)


@syscall
def zx_vmar_unmap(call: Call, handle: int, addr: int, len_: int) -> None:
    """Unmap a range of a VMAR, and destroy the VMARs that lie in it as a whole.

    Rights: OP_CHILDREN on handle, to destroy VMARs.
    Errors, in order: BAD_HANDLE, WRONG_TYPE handle; those of VmAddressRegion.unmap.
    """
    _unmap(call, handle, addr, len_)


@syscall
def zx_vmar_unmap_handle_close_thread_exit(
    call: Call, vmar_handle: int, addr: int, size: int, close_handle: int
) -> None:
    """Unmap a range, which may hold the calling thread's stack, close a handle and end the thread.

    Returns only where the range cannot be unmapped, and has then done nothing.
    Errors: those of zx_vmar_unmap.
    """
    _unmap(call, vmar_handle, addr, size)
    try:
        if close_handle != ZX_HANDLE_INVALID:
            call.handle(close_handle)  # BAD_HANDLE, and the job's policy on it
            call.handles.close(close_handle)
    except ZxError:
        pass
    call.thread.exit()


def _unmap(call: Call, handle: int, addr: int, size: int) -> None:
    rights = call.handle(handle).rights
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, 0)
    vmar.region.unmap(addr, size, can_destroy_regions=bool(rights & ZX_RIGHT_OP_CHILDREN))


@syscall
def zx_vmar_protect(call: Call, handle: int, options: int, addr: int, len_: int) -> None:
    """Change the permissions of a range that is mapped whole.

    Rights: READ, WRITE, EXECUTE on handle for each ZX_VM_PERM_ of that name in options; OP_CHILDREN for
    mappings in VMARs inside.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS permissions; ACCESS_DENIED
    policy, as in zx_vmar_map; those of VmAddressRegion.protect.
    """
    options = _with_read(options)
    needed = _rights(options, ZX_VM_PERM_READ, ZX_VM_PERM_WRITE, ZX_VM_PERM_EXECUTE)
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, needed)
    if not is_valid_protection(options):
        raise ZxError(Status.INVALID_ARGS)
    _check_write_execute(call, options)
    op_children = bool(call.handle(handle).rights & ZX_RIGHT_OP_CHILDREN)
    vmar.region.protect(addr, len_, options, op_children=op_children)


@syscall
def zx_vmar_op_range(
    call: Call, handle: int, op: int, address: int, size: int, buffer: UserInOut, buffer_size: int
) -> None:
    """Do ZX_VMAR_OP_* *op* to what is mapped in a range.

    Rights: WRITE on handle to COMMIT, DECOMMIT, ZERO; READ to PREFETCH; OP_CHILDREN for mappings in VMARs inside. The mappings'
    own permissions count as well.
    Errors, in order: BAD_HANDLE, WRONG_TYPE handle; INVALID_ARGS buffer; ACCESS_DENIED handle; those of
    VmAddressRegion.range_op.

    The rights READ and WRITE are as its page says; today's kernel does not ask for them.
    """
    rights = call.handle(handle).rights
    vmar = call.dispatcher(handle, VmAddressRegionDispatcher, 0)
    if not buffer.is_null or buffer_size:
        raise ZxError(Status.INVALID_ARGS)
    if _OP_RIGHTS.get(op, 0) & ~rights:
        raise ZxError(Status.ACCESS_DENIED)
    vmar.region.range_op(op, address, size, op_children=bool(rights & ZX_RIGHT_OP_CHILDREN))
