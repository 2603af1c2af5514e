"""`zx_pager_*`. Source: docs/reference/syscalls/pager_*.md (today zircon/vdso/pager.fidl); order from
zircon/kernel/lib/syscalls/pager.cc.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_PAGER_RESET_VMO_STATS,
    ZX_PAGER_VMO_STATS_MODIFIED,
    ZX_POL_NEW_PAGER,
    ZX_POL_NEW_VMO,
    ZX_RIGHT_ATTACH_VMO,
    ZX_RIGHT_MANAGE_VMO,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_VMO_DIRTY_RANGE_IS_ZERO,
    Status,
    ZxError,
    zx_pager_vmo_stats_t,
    zx_vmo_dirty_range_t,
)
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.pager import PagerDispatcher
from jacinth.kernel.vm.pager_pages import DirtyRange
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, VmObjectDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserOut, syscall


@syscall
def zx_pager_create(call: Call, options: int, out: HandleOut) -> None:
    """Make a pager.

    Errors, in order: ACCESS_DENIED policy; INVALID_ARGS options.
    """
    call.check_policy(ZX_POL_NEW_PAGER)
    out.make(PagerDispatcher.create(call.kernel, options))


@syscall
def zx_pager_create_vmo(
    call: Call, pager: int, options: int, port: int, key: int, size: int, out: HandleOut
) -> None:
    """Make a VMO whose pages *pager* supplies; it is asked for them by packets with *key* in *port*.

    Options: ZX_VMO_RESIZABLE, _UNBOUNDED, _TRAP_DIRTY.
    Rights: ATTACH_VMO on pager, WRITE on port.
    Errors, in order: ACCESS_DENIED policy; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then port; those of
    PagerDispatcher.create_vmo.
    """
    call.check_policy(ZX_POL_NEW_VMO)
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_ATTACH_VMO)
    target = call.dispatcher(port, PortDispatcher, ZX_RIGHT_WRITE)
    vmo = owner.create_vmo(target, key, size, options)
    out.make(vmo, vmo.initial_rights)


@syscall
def zx_pager_detach_vmo(call: Call, pager: int, vmo: int) -> None:
    """Let a VMO have no pager any more: what would have needed it fails. The pager gets one last packet.

    Rights: ATTACH_VMO and MANAGE_VMO on pager, WRITE on vmo.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then vmo; INVALID_ARGS another pager's VMO.
    """
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_ATTACH_VMO | ZX_RIGHT_MANAGE_VMO)
    owner.pages_of(call.dispatcher(vmo, VmObjectDispatcher, ZX_RIGHT_WRITE)).detach()


@syscall
def zx_pager_supply_pages(
    call: Call, pager: int, pager_vmo: int, offset: int, length: int, aux_vmo: int, aux_offset: int
) -> None:
    """Move pages of *aux_vmo* to where *pager_vmo* has none yet, and let who waits for them go on.

    Rights: MANAGE_VMO on pager, WRITE on pager_vmo, READ and WRITE on aux_vmo.
    Errors, in order: INVALID_ARGS not whole pages; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then pager_vmo;
    INVALID_ARGS another pager's VMO; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED aux_vmo; those of
    PagerDispatcher.supply.
    """
    _check_pages(offset | length | aux_offset)
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_MANAGE_VMO)
    vmo = call.dispatcher(pager_vmo, VmObjectDispatcher, ZX_RIGHT_WRITE)
    owner.pages_of(vmo)
    aux = call.dispatcher(aux_vmo, VmObjectDispatcher, ZX_RIGHT_READ | ZX_RIGHT_WRITE)
    owner.supply(vmo, offset, length, aux, aux_offset)


@syscall
def zx_pager_op_range(
    call: Call, pager: int, op: int, pager_vmo: int, offset: int, length: int, data: int
) -> None:
    """Answer page requests, or write back: ZX_PAGER_OP_FAIL, _DIRTY, _WRITEBACK_BEGIN, _WRITEBACK_END.

    Rights: MANAGE_VMO on pager, WRITE on pager_vmo.
    Errors, in order: INVALID_ARGS not whole pages; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then pager_vmo;
    those of PagerDispatcher.op_range.
    """
    _check_pages(offset | length)
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_MANAGE_VMO)
    vmo = call.dispatcher(pager_vmo, VmObjectDispatcher, ZX_RIGHT_WRITE)
    owner.op_range(vmo, op, offset, length, data)


@syscall
def zx_pager_query_dirty_ranges(
    call: Call,
    pager: int,
    pager_vmo: int,
    offset: int,
    length: int,
    buffer: UserOut,
    buffer_size: int,
    actual: UserOut,
    avail: UserOut,
) -> None:
    """Say which pages of a range are to be written back: as many zx_vmo_dirty_range_t as fit.

    Rights: MANAGE_VMO on pager, READ on pager_vmo.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then pager_vmo; INVALID_ARGS another pager's
    VMO; OUT_OF_RANGE; INVALID_ARGS buffer, actual, avail.
    """
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_MANAGE_VMO)
    vmo = call.dispatcher(pager_vmo, VmObjectDispatcher, ZX_RIGHT_READ)
    ranges = owner.dirty_ranges(vmo, offset, length)
    count = min(len(ranges), buffer_size // zx_vmo_dirty_range_t.SIZE)
    buffer.write(b"".join([_record(found).pack() for found in ranges[:count]]))
    actual.set(count)
    avail.set(len(ranges))


def _record(found: DirtyRange) -> zx_vmo_dirty_range_t:
    return zx_vmo_dirty_range_t(
        offset=found.first << PAGE_SHIFT,
        length=(found.end - found.first) << PAGE_SHIFT,
        options=ZX_VMO_DIRTY_RANGE_IS_ZERO if found.zero else 0,
    )


@syscall
def zx_pager_query_vmo_stats(
    call: Call, pager: int, pager_vmo: int, options: int, buffer: UserOut, buffer_size: int
) -> None:
    """Say whether a VMO was modified; with ZX_PAGER_RESET_VMO_STATS, forget it.

    Rights: MANAGE_VMO on pager, READ on pager_vmo.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED pager, then pager_vmo; INVALID_ARGS another pager's
    VMO; BUFFER_TOO_SMALL; INVALID_ARGS options, buffer.
    """
    owner = call.dispatcher(pager, PagerDispatcher, ZX_RIGHT_MANAGE_VMO)
    pages = owner.pages_of(call.dispatcher(pager_vmo, VmObjectDispatcher, ZX_RIGHT_READ))
    if buffer_size < zx_pager_vmo_stats_t.SIZE:
        raise ZxError(Status.BUFFER_TOO_SMALL)
    if options & ~ZX_PAGER_RESET_VMO_STATS:
        raise ZxError(Status.INVALID_ARGS)
    modified = pages.modified
    if options:
        pages.reset_modified()
    buffer.write_struct(zx_pager_vmo_stats_t(modified=ZX_PAGER_VMO_STATS_MODIFIED if modified else 0))


def _check_pages(bytes_: int) -> None:
    if bytes_ & PAGE_MASK:
        raise ZxError(Status.INVALID_ARGS)
