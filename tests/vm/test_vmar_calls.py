"""zx_vmar_*, call by call. Source: docs/reference/syscalls/vmar_*.md, zircon/system/utest/core/vmar/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_VMAR_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_ALREADY_EXISTS,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NO_RESOURCES,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_INFO_MAPS_TYPE_ASPACE,
    ZX_INFO_MAPS_TYPE_MAPPING,
    ZX_INFO_MAPS_TYPE_VMAR,
    ZX_INFO_PROCESS_MAPS,
    ZX_INFO_TASK_STATS,
    ZX_INFO_VMAR,
    ZX_INFO_VMO,
    ZX_OK,
    ZX_POL_VMAR_WX,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_MAP,
    ZX_RIGHT_OP_CHILDREN,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_VM_ALIGN_BASE,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_COMPACT,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_MAP_RANGE,
    ZX_VM_OFFSET_IS_UPPER_LIMIT,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED,
    ZX_VM_PERM_WRITE,
    ZX_VM_REQUIRE_NON_RESIZABLE,
    ZX_VM_SPECIFIC,
    ZX_VM_SPECIFIC_OVERWRITE,
    ZX_VMAR_OP_ALWAYS_NEED,
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_DECOMMIT,
    ZX_VMAR_OP_DONT_NEED,
    ZX_VMAR_OP_MAP_RANGE,
    ZX_VMAR_OP_PREFETCH,
    ZX_VMAR_OP_ZERO,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_DISCARDABLE,
    ZX_VMO_RESIZABLE,
    ZxError,
    zx_info_maps_t,
    zx_info_task_stats_t,
    zx_info_vmar_t,
    zx_info_vmo_t,
)
from jacinth.kernel.vm.aspace import PRIVATE_ASPACE_BASE, PRIVATE_ASPACE_SIZE, VmAspace
from jacinth.machine.interface import EXECUTE, READ, WRITE

from .conftest import BAD_ADDRESS
from .vm_world import World

PAGE = 4096
U64 = (1 << 64) - 1
ALL = 0x7FFF_FFFF
RW = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
RX = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE
CAN_RWX = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE
CAN_ALL = CAN_RWX | ZX_VM_CAN_MAP_SPECIFIC

Create = Callable[..., int]
Rights = Callable[[int, int], int]
Trap = Callable[..., int | None]


@pytest.fixture
def vmar(zx: Any, root: int) -> tuple[int, int]:
    """A VMAR of 64 pages that can do everything, and its address."""
    status, handle, base = zx.zx_vmar_allocate(root, CAN_ALL, 0, 64 * PAGE)
    assert status == ZX_OK
    return int(handle), int(base)


def map_(zx: Any, vmar: int, options: int, offset: int, vmo: int, vmo_offset: int, size: int) -> int:
    status, address = zx.zx_vmar_map(vmar, options, offset, vmo, vmo_offset, size)
    assert status == ZX_OK
    return int(address)


def refused(zx: Any, vmar: int, options: int, offset: int, vmo: int, vmo_offset: int, size: int) -> int:
    status, address = zx.zx_vmar_map(vmar, options, offset, vmo, vmo_offset, size)
    assert address == 0
    return int(status)


def op(zx: Any, vmar: int, operation: int, address: int, size: int) -> int:
    return int(zx.zx_vmar_op_range(vmar, operation, address, size, None)[0])


def aspace(zx: Any) -> VmAspace:
    memory: VmAspace = zx.call.process.aspace
    return memory


def can(zx: Any, address: int, access: int) -> bool:
    """Whether user code could access the byte."""
    try:
        aspace(zx).page_fault(address, access)
    except ZxError:
        return False
    return True


def committed(zx: Any, vmo: int) -> int:
    status, data, _, _ = zx.zx_object_get_info(vmo, ZX_INFO_VMO, zx_info_vmo_t.SIZE)
    assert status == ZX_OK
    return int(zx_info_vmo_t.unpack(data).committed_bytes)


def executable(zx: Any, vmo: int) -> int:
    status, handle = zx.zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID)
    assert status == ZX_OK
    return int(handle)


# ---- Handles and rights
# ----------------------------------------------------------------------------------------------------


@pytest.mark.shows("zx_vmar_unmap_handle_close_thread_exit", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_vmar_unmap_handle_close_thread_exit", "ZX_ERR_WRONG_TYPE")
def test_bad_handles_and_types(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = new_vmo(PAGE)
    handle, base = vmar
    for bad, status in (
        (ZX_HANDLE_INVALID, ZX_ERR_BAD_HANDLE),
        (vmo + 4000, ZX_ERR_BAD_HANDLE),
        (vmo, ZX_ERR_WRONG_TYPE),
    ):
        assert zx.zx_vmar_allocate(bad, 0, 0, PAGE) == (status, 0, 0)
        assert zx.zx_vmar_destroy(bad) == status
        assert zx.zx_vmar_map(bad, RW, 0, vmo, 0, PAGE) == (status, 0)
        assert zx.zx_vmar_unmap(bad, base, PAGE) == status
        assert zx.zx_vmar_protect(bad, RW, base, PAGE) == status
        assert op(zx, bad, ZX_VMAR_OP_COMMIT, base, PAGE) == status
        assert zx.zx_vmar_unmap_handle_close_thread_exit(bad, base, PAGE, 0) == status
    assert zx.zx_vmar_map(handle, RW, 0, ZX_HANDLE_INVALID, 0, PAGE) == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_vmar_map(handle, RW, 0, handle, 0, PAGE) == (ZX_ERR_WRONG_TYPE, 0)


@pytest.mark.parametrize(
    ("permissions", "right"),
    [(ZX_VM_PERM_READ, ZX_RIGHT_READ), (RW, ZX_RIGHT_WRITE), (RX, ZX_RIGHT_EXECUTE)],
)
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_ACCESS_DENIED")
def test_permissions_need_the_right_on_both_handles(
    zx: Any, new_vmo: Create, vmar: tuple[int, int], with_rights: Rights, permissions: int, right: int
) -> None:
    handle, _base = vmar
    vmo = executable(zx, new_vmo(PAGE))
    assert (
        refused(zx, with_rights(handle, ALL & ~right), permissions, 0, vmo, 0, PAGE) == ZX_ERR_ACCESS_DENIED
    )
    assert (
        refused(zx, handle, permissions, 0, with_rights(vmo, ALL & ~right), 0, PAGE) == ZX_ERR_ACCESS_DENIED
    )
    assert (
        refused(zx, handle, permissions, 0, with_rights(vmo, ALL & ~ZX_RIGHT_MAP), 0, PAGE)
        == ZX_ERR_ACCESS_DENIED
    )
    # What one of them lacked when it was mapped stays out of reach.
    for one, other in ((with_rights(handle, ALL & ~right), vmo), (handle, with_rights(vmo, ALL & ~right))):
        address = map_(zx, one, 0, 0, other, 0, PAGE)
        assert zx.zx_vmar_protect(handle, permissions, address, PAGE) == ZX_ERR_ACCESS_DENIED
    address = map_(zx, handle, 0, 0, vmo, 0, PAGE)
    assert (
        zx.zx_vmar_protect(with_rights(handle, ALL & ~right), permissions, address, PAGE)
        == ZX_ERR_ACCESS_DENIED
    )
    assert zx.zx_vmar_protect(handle, permissions, address, PAGE) == ZX_OK
    can_right = {
        ZX_RIGHT_READ: ZX_VM_CAN_MAP_READ,
        ZX_RIGHT_WRITE: ZX_VM_CAN_MAP_WRITE,
        ZX_RIGHT_EXECUTE: ZX_VM_CAN_MAP_EXECUTE,
    }
    status, _, _ = zx.zx_vmar_allocate(with_rights(handle, ALL & ~right), can_right[right], 0, PAGE)
    assert status == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_vmar_destroy", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_unmap", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_INVALID_ARGS")
def test_op_children(zx: Any, new_vmo: Create, vmar: tuple[int, int], with_rights: Rights) -> None:
    handle, _base = vmar
    alone = with_rights(handle, ALL & ~ZX_RIGHT_OP_CHILDREN)
    vmo = new_vmo(PAGE)
    status, inner, inner_base = zx.zx_vmar_allocate(handle, CAN_ALL, 0, 2 * PAGE)
    assert status == ZX_OK
    address = map_(zx, inner, RW, 0, vmo, 0, PAGE)
    assert zx.zx_vmar_destroy(alone) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmar_unmap(alone, inner_base, 2 * PAGE) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_protect(alone, ZX_VM_PERM_READ, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert op(zx, alone, ZX_VMAR_OP_ZERO, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert op(zx, handle, ZX_VMAR_OP_ZERO, address, PAGE) == ZX_OK
    # These act like a protect to the most that is possible, so never from above.
    for operation in (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_PREFETCH):
        assert op(zx, handle, operation, address, PAGE) == ZX_ERR_INVALID_ARGS
        assert op(zx, inner, operation, address, PAGE) == ZX_OK
    assert zx.zx_vmar_protect(handle, ZX_VM_PERM_READ, address, PAGE) == ZX_OK
    assert zx.zx_vmar_protect(handle, RW, address, PAGE) == ZX_ERR_ACCESS_DENIED  # no more than it has
    assert zx.zx_vmar_protect(inner, RW, address, PAGE) == ZX_OK
    assert zx.zx_vmar_unmap(handle, inner_base, 2 * PAGE) == ZX_OK
    assert zx.zx_vmar_map(inner, RW, 0, vmo, 0, PAGE)[0] == ZX_ERR_BAD_STATE


# ---- zx_vmar_allocate
# ------------------------------------------------------------------------------------------------------


@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_ACCESS_DENIED")
def test_a_vmar_lies_in_its_parent(zx: Any, root: int, with_rights: Rights) -> None:
    status, handle, base = zx.zx_vmar_allocate(root, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC, 0, 4 * PAGE)
    assert status == ZX_OK and PRIVATE_ASPACE_BASE <= base < PRIVATE_ASPACE_BASE + PRIVATE_ASPACE_SIZE
    status, data, _, _ = zx.zx_object_get_info(handle, ZX_INFO_VMAR, zx_info_vmar_t.SIZE)
    seen = zx_info_vmar_t.unpack(data)
    assert (seen.base, seen.len) == (base, 4 * PAGE)
    assert zx.call.handles.handles[handle].rights == ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ
    status, inner, inner_base = zx.zx_vmar_allocate(handle, ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_READ, PAGE, PAGE)
    assert status == ZX_OK and inner_base == base + PAGE
    # It may not be given more than its parent has, whatever the handle's rights.
    assert (
        zx.zx_vmar_allocate(with_rights(handle, ALL), ZX_VM_CAN_MAP_WRITE, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED
    )
    assert zx.zx_vmar_allocate(inner, ZX_VM_SPECIFIC, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmar_allocate(inner, ZX_VM_OFFSET_IS_UPPER_LIMIT, PAGE, PAGE)[0] == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_NO_RESOURCES")
@pytest.mark.parametrize(
    ("options", "offset", "size", "status"),
    [
        (ZX_VM_PERM_READ, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC_OVERWRITE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_MAP_RANGE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_REQUIRE_NON_RESIZABLE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_ALLOW_FAULTS, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_FAULT_BEYOND_STREAM_SIZE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (1 << 20, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (9 << ZX_VM_ALIGN_BASE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (33 << ZX_VM_ALIGN_BASE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (0, 0, 0, ZX_ERR_INVALID_ARGS),
        (0, 0, PAGE + 1, ZX_ERR_INVALID_ARGS),
        (0, PAGE, PAGE, ZX_ERR_INVALID_ARGS),
        (0, 0, 65 * PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC, 1, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC, 64 * PAGE, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC, 63 * PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC, U64 - PAGE + 1, 2 * PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC | ZX_VM_OFFSET_IS_UPPER_LIMIT, PAGE, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_OFFSET_IS_UPPER_LIMIT, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_OFFSET_IS_UPPER_LIMIT, 65 * PAGE, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_OFFSET_IS_UPPER_LIMIT, PAGE + 1, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC | 32 << ZX_VM_ALIGN_BASE, PAGE, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VM_SPECIFIC, 0, 2 * PAGE, ZX_ERR_ALREADY_EXISTS),
        (32 << ZX_VM_ALIGN_BASE, 0, PAGE, ZX_ERR_NO_RESOURCES),
        (ZX_VM_OFFSET_IS_UPPER_LIMIT, 2 * PAGE, PAGE, ZX_ERR_NO_RESOURCES),
        (0, 0, 63 * PAGE, ZX_ERR_NO_RESOURCES),
    ],
)
@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_NO_RESOURCES")
def test_allocate_refuses(
    zx: Any, vmar: tuple[int, int], options: int, offset: int, size: int, status: int
) -> None:
    assert zx.zx_vmar_allocate(vmar[0], ZX_VM_SPECIFIC, 0, 2 * PAGE)[0] == ZX_OK
    assert zx.zx_vmar_allocate(vmar[0], options, offset, size) == (status, 0, 0)


def test_a_vmar_whose_address_cannot_be_told_does_not_exist(
    zx: Any, vmar: tuple[int, int], trap: Trap, new_vmo: Create
) -> None:
    place = map_(zx, vmar[0], RW, 0, new_vmo(PAGE), 0, PAGE)
    whole = zx.zx_vmar_allocate(vmar[0], 0, 0, 63 * PAGE)
    assert whole[0] == ZX_OK and zx.zx_vmar_destroy(whole[1]) == ZX_OK
    assert trap("zx_vmar_allocate", vmar[0], 0, 0, PAGE, place, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_allocate(vmar[0], 0, 0, 63 * PAGE)[0] == ZX_OK


# ---- zx_vmar_map
# -----------------------------------------------------------------------------------------------------------


def test_a_mapping_shows_its_vmo(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = new_vmo(4 * PAGE)
    address = map_(zx, vmar[0], RW, 0, vmo, PAGE, 2 * PAGE + 1)
    assert zx.zx_vmo_write(vmo, b"hello", 2 * PAGE) == ZX_OK
    assert aspace(zx).read_user(address + PAGE, 5) == b"hello"
    aspace(zx).write_user(address + 3 * PAGE - 3, b"end")  # rounded up to three pages
    assert zx.zx_vmo_read(vmo, 4 * PAGE - 3, 3) == (ZX_OK, b"end")
    assert not can(zx, address + 3 * PAGE, READ) and not can(zx, address - 1, READ)


def test_pages_are_committed_by_writing_not_by_reading(
    zx: Any, new_vmo: Create, vmar: tuple[int, int]
) -> None:
    vmo = new_vmo(4 * PAGE)
    address = map_(zx, vmar[0], RW, 0, vmo, 0, 4 * PAGE)
    assert can(zx, address, READ) and aspace(zx).read_user(address, 4 * PAGE) == bytes(4 * PAGE)
    assert committed(zx, vmo) == 0
    assert can(zx, address + PAGE, WRITE)
    assert committed(zx, vmo) == PAGE


def test_no_access_at_all_is_a_permission_too(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    address = map_(zx, vmar[0], 0, 0, new_vmo(PAGE), 0, PAGE)
    assert not any(can(zx, address, access) for access in (READ, WRITE, EXECUTE))
    assert zx.zx_vmar_protect(vmar[0], RW, address, PAGE) == ZX_OK
    assert can(zx, address, READ) and can(zx, address, WRITE) and not can(zx, address, EXECUTE)


def test_x86_cannot_execute_what_it_cannot_read(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = executable(zx, new_vmo(PAGE))
    assert refused(zx, vmar[0], ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE) == ZX_ERR_INVALID_ARGS
    options = ZX_VM_PERM_EXECUTE | ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED
    address = map_(zx, vmar[0], options, 0, vmo, 0, PAGE)
    assert can(zx, address, READ) and can(zx, address, EXECUTE)
    assert zx.zx_vmar_protect(vmar[0], ZX_VM_PERM_EXECUTE, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_protect(vmar[0], options, address, PAGE) == ZX_OK


@pytest.mark.parametrize(
    ("options", "offset", "vmo_offset", "size", "status"),
    [
        (ZX_VM_PERM_WRITE, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_CAN_MAP_READ, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_COMPACT, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_CAN_MAP_SPECIFIC, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_MAP_RANGE | ZX_VM_SPECIFIC_OVERWRITE, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_FAULT_BEYOND_STREAM_SIZE, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | 1 << 20, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | 33 << ZX_VM_ALIGN_BASE, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW, 0, 1, PAGE, ZX_ERR_INVALID_ARGS),
        (RW, 0, 0, 0, ZX_ERR_INVALID_ARGS),
        (RW, PAGE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW, 0, 0, 65 * PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_SPECIFIC, 1, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_SPECIFIC, 64 * PAGE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_SPECIFIC | ZX_VM_OFFSET_IS_UPPER_LIMIT, PAGE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_OFFSET_IS_UPPER_LIMIT, 0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW | ZX_VM_SPECIFIC | 32 << ZX_VM_ALIGN_BASE, PAGE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (RW, 0, 0, U64, ZX_ERR_OUT_OF_RANGE),
        (RW, 0, U64 - PAGE + 1, 2 * PAGE, ZX_ERR_OUT_OF_RANGE),
        (RW | ZX_VM_SPECIFIC, 0, 0, PAGE, ZX_ERR_ALREADY_EXISTS),
        (RW | 32 << ZX_VM_ALIGN_BASE, 0, 0, PAGE, ZX_ERR_NO_RESOURCES),
        (RW, 0, 0, 64 * PAGE, ZX_ERR_NO_RESOURCES),
    ],
)
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_ALREADY_EXISTS")
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_NO_RESOURCES")
@pytest.mark.shows("zx_vmar_map", "ZX_ERR_OUT_OF_RANGE")
def test_map_refuses(
    zx: Any,
    new_vmo: Create,
    vmar: tuple[int, int],
    options: int,
    offset: int,
    vmo_offset: int,
    size: int,
    status: int,
) -> None:
    vmo = new_vmo(PAGE)
    map_(zx, vmar[0], RW | ZX_VM_SPECIFIC, 0, vmo, 0, PAGE)
    assert refused(zx, vmar[0], options, offset, vmo, vmo_offset, size) == status


def test_a_mapping_whose_address_cannot_be_told_does_not_exist(
    zx: Any, new_vmo: Create, vmar: tuple[int, int], trap: Trap
) -> None:
    vmo = new_vmo(PAGE)
    assert trap("zx_vmar_map", vmar[0], RW, 0, vmo, 0, PAGE, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    assert not can(zx, vmar[1], READ)


@pytest.mark.shows("zx_vmar_map", "ZX_ERR_NOT_SUPPORTED")
def test_kinds_of_vmos_that_must_be_asked_for(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    resizable, discardable = new_vmo(PAGE, ZX_VMO_RESIZABLE), new_vmo(PAGE, ZX_VMO_DISCARDABLE)
    assert (
        refused(zx, vmar[0], RW | ZX_VM_REQUIRE_NON_RESIZABLE, 0, resizable, 0, PAGE) == ZX_ERR_NOT_SUPPORTED
    )
    assert refused(zx, vmar[0], RW, 0, discardable, 0, PAGE) == ZX_ERR_NOT_SUPPORTED
    map_(zx, vmar[0], RW | ZX_VM_REQUIRE_NON_RESIZABLE, 0, new_vmo(PAGE), 0, PAGE)
    map_(zx, vmar[0], RW | ZX_VM_ALLOW_FAULTS, 0, discardable, 0, PAGE)


def test_the_end_of_the_vmo_ends_the_mapping_too(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = new_vmo(2 * PAGE, ZX_VMO_RESIZABLE)
    address = map_(zx, vmar[0], RW, 0, vmo, 0, 4 * PAGE)
    assert can(zx, address + PAGE, WRITE) and not can(zx, address + 2 * PAGE, READ)
    aspace(zx).write_user(address + PAGE, b"x")
    assert zx.zx_vmo_set_size(vmo, PAGE) == ZX_OK
    assert not can(zx, address + PAGE, READ)
    with pytest.raises(ZxError):
        aspace(zx).read_user(address + PAGE, 1)
    assert zx.zx_vmo_set_size(vmo, 3 * PAGE) == ZX_OK
    assert aspace(zx).read_user(address + PAGE, 1) == b"\0"


@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_OUT_OF_RANGE")
def test_faults_beyond_the_stream_size(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = new_vmo(3 * PAGE)
    options = RW | ZX_VM_ALLOW_FAULTS | ZX_VM_FAULT_BEYOND_STREAM_SIZE
    address = map_(zx, vmar[0], options, 0, vmo, 0, 3 * PAGE)
    assert can(zx, address + 2 * PAGE, WRITE)
    assert zx.zx_vmo_set_stream_size(vmo, PAGE + 1) == ZX_OK
    assert can(zx, address + 2 * PAGE - 1, READ) and not can(zx, address + 2 * PAGE, READ)
    assert op(zx, vmar[0], ZX_VMAR_OP_COMMIT, address, 3 * PAGE) == ZX_ERR_OUT_OF_RANGE
    assert op(zx, vmar[0], ZX_VMAR_OP_COMMIT, address, 2 * PAGE) == ZX_OK


def test_places(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    vmo = new_vmo(PAGE)
    assert map_(zx, handle, RW | ZX_VM_SPECIFIC, 5 * PAGE, vmo, 0, PAGE) == base + 5 * PAGE
    aligned = map_(zx, handle, RW | 14 << ZX_VM_ALIGN_BASE, 0, vmo, 0, PAGE)
    assert aligned % (1 << 14) == 0
    for _ in range(3):
        address = map_(zx, handle, RW | ZX_VM_OFFSET_IS_UPPER_LIMIT, 10 * PAGE, vmo, 0, PAGE)
        assert address + PAGE <= base + 10 * PAGE


def test_the_vmo_offset_counts_below_an_upper_limit_too(
    zx: Any, new_vmo: Create, vmar: tuple[int, int]
) -> None:
    """Source: vmar_map.md; today's kernel takes 0 there."""
    vmo = new_vmo(2 * PAGE)
    assert zx.zx_vmo_write(vmo, b"second", PAGE) == ZX_OK
    address = map_(zx, vmar[0], RW | ZX_VM_OFFSET_IS_UPPER_LIMIT, 10 * PAGE, vmo, PAGE, PAGE)
    assert aspace(zx).read_user(address, 6) == b"second"


def test_overwriting_cuts_what_is_there(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    old, new = new_vmo(4 * PAGE), new_vmo(PAGE)
    assert zx.zx_vmo_write(old, b"old" * 4096, 0) == ZX_OK and zx.zx_vmo_write(new, b"new", 0) == ZX_OK
    address = map_(zx, handle, RW | ZX_VM_SPECIFIC, 0, old, 0, 4 * PAGE)
    map_(zx, handle, RW | ZX_VM_SPECIFIC_OVERWRITE, PAGE, new, 0, PAGE)
    status, data = zx.zx_vmo_read(old, 0, 4 * PAGE)
    assert aspace(zx).read_user(address + PAGE, 3) == b"new"
    assert aspace(zx).read_user(address + 2 * PAGE, 9) == data[2 * PAGE : 2 * PAGE + 9]
    status, _inner, _ = zx.zx_vmar_allocate(handle, ZX_VM_SPECIFIC, 8 * PAGE, PAGE)
    assert status == ZX_OK
    assert (
        refused(zx, handle, RW | ZX_VM_SPECIFIC_OVERWRITE, 7 * PAGE, new, 0, 2 * PAGE) == ZX_ERR_INVALID_ARGS
    )
    assert not can(zx, base + 7 * PAGE, READ)


def test_policy_against_memory_that_is_written_and_executed(
    zx: Any, new_vmo: Create, vmar: tuple[int, int], deny: Callable[[int], None]
) -> None:
    vmo = executable(zx, new_vmo(PAGE))
    address = map_(zx, vmar[0], RW | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE)
    deny(ZX_POL_VMAR_WX)
    assert refused(zx, vmar[0], RW | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmar_protect(vmar[0], RW | ZX_VM_PERM_EXECUTE, address, PAGE) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmar_protect(vmar[0], RX, address, PAGE) == ZX_OK
    map_(zx, vmar[0], RX, 0, vmo, 0, PAGE)


def test_map_range_maps_what_is_there_and_commits_nothing(
    zx: Any, new_vmo: Create, vmar: tuple[int, int]
) -> None:
    vmo = new_vmo(4 * PAGE)
    assert zx.zx_vmo_write(vmo, b"x", PAGE) == ZX_OK
    map_(zx, vmar[0], RW | ZX_VM_MAP_RANGE, 0, vmo, 0, 8 * PAGE)
    assert committed(zx, vmo) == PAGE


def test_mappings_that_continue_one_another_are_one(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    vmo = new_vmo(4 * PAGE)

    def mappings() -> int:
        return len(zx.call.handles.handles[vmo].object.mappings)

    for page in (0, 2, 1, 3):
        map_(zx, handle, RW | ZX_VM_SPECIFIC, page * PAGE, vmo, page * PAGE, PAGE)
    assert mappings() == 1
    assert zx.zx_vmar_protect(handle, ZX_VM_PERM_READ, base + PAGE, PAGE) == ZX_OK
    assert mappings() == 1
    assert zx.zx_vmar_unmap(handle, base + PAGE, PAGE) == ZX_OK
    assert mappings() == 2
    map_(zx, handle, RW | ZX_VM_SPECIFIC, PAGE, vmo, 0, PAGE)  # another page of the VMO
    assert mappings() == 3
    map_(zx, handle, ZX_VM_PERM_READ | ZX_VM_SPECIFIC_OVERWRITE, PAGE, vmo, PAGE, PAGE)
    assert mappings() == 1  # what differs is only what is permitted now
    assert can(zx, base, WRITE) and not can(zx, base + PAGE, WRITE) and can(zx, base + 2 * PAGE, WRITE)


# ---- zx_vmar_unmap, zx_vmar_destroy
# ----------------------------------------------------------------------------------------


def test_unmapping_cuts_mappings_and_passes_over_gaps(
    zx: Any, new_vmo: Create, vmar: tuple[int, int]
) -> None:
    handle, base = vmar
    vmo = new_vmo(4 * PAGE)
    address = map_(zx, handle, RW | ZX_VM_SPECIFIC, 4 * PAGE, vmo, 0, 4 * PAGE)
    assert zx.zx_vmar_unmap(handle, base, PAGE) == ZX_OK
    assert zx.zx_vmar_unmap(handle, address + PAGE, 1) == ZX_OK  # rounded up
    assert [can(zx, address + page * PAGE, READ) for page in range(4)] == [True, False, True, True]
    assert zx.zx_vmar_unmap(handle, base, 64 * PAGE) == ZX_OK
    assert not any(can(zx, address + page * PAGE, READ) for page in range(4))


@pytest.mark.shows("zx_vmar_unmap", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    ("offset", "size"), [(1, PAGE), (0, 0), (0, 65 * PAGE), (64 * PAGE, PAGE), (-PAGE, 2 * PAGE), (0, U64)]
)
@pytest.mark.shows("zx_vmar_unmap", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_INVALID_ARGS")
def test_unmap_and_protect_refuse_ranges(zx: Any, vmar: tuple[int, int], offset: int, size: int) -> None:
    assert zx.zx_vmar_unmap(vmar[0], vmar[1] + offset, size) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_protect(vmar[0], RW, vmar[1] + offset, size) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_vmar_unmap", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_unmap", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_destroy", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_BAD_STATE")
def test_vmars_are_unmapped_whole(zx: Any, vmar: tuple[int, int], new_vmo: Create) -> None:
    handle, base = vmar
    status, inner, inner_base = zx.zx_vmar_allocate(handle, CAN_ALL | ZX_VM_SPECIFIC, 4 * PAGE, 4 * PAGE)
    address = map_(zx, inner, RW, 0, new_vmo(PAGE), 0, PAGE)
    for first, last in ((4, 7), (5, 8), (0, 7)):
        assert zx.zx_vmar_unmap(handle, base + first * PAGE, (last - first) * PAGE) == ZX_ERR_INVALID_ARGS
    assert can(zx, address, READ)
    assert zx.zx_vmar_unmap(handle, base, 9 * PAGE) == ZX_OK
    assert not can(zx, address, READ)
    for status in (
        zx.zx_vmar_destroy(inner),
        zx.zx_vmar_unmap(inner, inner_base, PAGE),
        zx.zx_vmar_protect(inner, RW, inner_base, PAGE),
        op(zx, inner, ZX_VMAR_OP_COMMIT, inner_base, PAGE),
        zx.zx_vmar_allocate(inner, 0, 0, PAGE)[0],
    ):
        assert status == ZX_ERR_BAD_STATE


@pytest.mark.shows("zx_vmar_destroy", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_destroy", "ZX_ERR_NOT_SUPPORTED")
def test_a_destroyed_vmar_takes_everything_with_it(
    zx: Any, vmar: tuple[int, int], new_vmo: Create, root: int
) -> None:
    handle, _base = vmar
    vmo = new_vmo(PAGE)
    _, inner, _ = zx.zx_vmar_allocate(handle, CAN_ALL, 0, 4 * PAGE)
    address = map_(zx, inner, RW, 0, vmo, 0, PAGE)
    assert zx.zx_vmar_destroy(handle) == ZX_OK
    assert not can(zx, address, READ) and not zx.call.handles.handles[vmo].object.mappings
    assert zx.zx_vmar_destroy(handle) == ZX_ERR_BAD_STATE
    assert zx.zx_vmar_destroy(inner) == ZX_ERR_BAD_STATE
    assert zx.zx_vmar_destroy(root) == ZX_ERR_NOT_SUPPORTED


@pytest.mark.shows("zx_vmar_unmap_handle_close_thread_exit", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_unmap_handle_close_thread_exit", "ZX_ERR_BAD_STATE")
def test_a_thread_that_cannot_unmap_goes_on_and_keeps_its_handle(zx: Any, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    _, event = zx.zx_event_create(0)
    for address, size in ((base + 1, PAGE), (base, 0), (base, 65 * PAGE)):
        answer = zx.zx_vmar_unmap_handle_close_thread_exit(handle, address, size, event)
        assert answer == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_destroy(handle) == ZX_OK
    assert zx.zx_vmar_unmap_handle_close_thread_exit(handle, base, PAGE, event) == ZX_ERR_BAD_STATE
    assert zx.zx_handle_close(event) == ZX_OK


def test_a_closed_handle_leaves_the_vmar_mapped(zx: Any, vmar: tuple[int, int], new_vmo: Create) -> None:
    address = map_(zx, vmar[0], RW, 0, new_vmo(PAGE), 0, PAGE)
    assert zx.zx_handle_close(vmar[0]) == ZX_OK
    assert can(zx, address, WRITE)


@pytest.mark.shows("zx_vmar_allocate", "ZX_ERR_BAD_STATE")
def test_vmars_nested_very_deep(zx: Any, vmar: tuple[int, int]) -> None:
    handle = vmar[0]
    for _ in range(3000):
        status, handle, _ = zx.zx_vmar_allocate(handle, CAN_ALL, 0, 64 * PAGE)
        assert status == ZX_OK
    assert len(list(aspace(zx).maps())) > 3000
    assert zx.zx_vmar_destroy(vmar[0]) == ZX_OK
    assert zx.zx_vmar_allocate(handle, 0, 0, PAGE)[0] == ZX_ERR_BAD_STATE


# ---- zx_vmar_protect
# -------------------------------------------------------------------------------------------------------


def test_protect_changes_part_of_a_mapping(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, _base = vmar
    vmo = new_vmo(4 * PAGE)
    address = map_(zx, handle, RW, 0, vmo, 0, 4 * PAGE)
    aspace(zx).write_user(address, b"x" * 4 * PAGE)
    assert zx.zx_vmar_protect(handle, ZX_VM_PERM_READ, address + PAGE, PAGE + 1) == ZX_OK
    assert [can(zx, address + page * PAGE, WRITE) for page in range(4)] == [True, False, False, True]
    with pytest.raises(ZxError):
        aspace(zx).write_user(address + PAGE - 1, b"ab")
    assert aspace(zx).read_user(address + PAGE - 1, 2) == b"xx"  # nothing was written
    assert zx.zx_vmar_protect(handle, 0, address, 4 * PAGE) == ZX_OK
    assert not can(zx, address, READ)


@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_protect", "ZX_ERR_NOT_FOUND")
def test_protect_refuses(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    vmo = new_vmo(2 * PAGE)
    address = map_(zx, handle, ZX_VM_PERM_READ | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, 2 * PAGE)
    for options in (ZX_VM_PERM_WRITE, RW | ZX_VM_SPECIFIC, RW | 12 << ZX_VM_ALIGN_BASE, RW | 1 << 20):
        assert zx.zx_vmar_protect(handle, options, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert (
        zx.zx_vmar_protect(handle, RX, address, PAGE) == ZX_ERR_ACCESS_DENIED
    )  # the VMO's handle had no EXECUTE
    for offset, size in ((PAGE, PAGE), (PAGE, 2 * PAGE), (3 * PAGE, 2 * PAGE)):
        assert zx.zx_vmar_protect(handle, RW, base + offset, size) == ZX_ERR_NOT_FOUND
    assert not can(zx, address, WRITE)


def test_a_clone_does_not_see_what_is_written_through_an_old_mapping(
    zx: Any, new_vmo: Create, vmar: tuple[int, int]
) -> None:
    vmo = new_vmo(PAGE)
    address = map_(zx, vmar[0], RW, 0, vmo, 0, PAGE)
    aspace(zx).write_user(address, b"old")
    assert can(zx, address, WRITE)
    _, clone = zx.zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    seen = map_(zx, vmar[0], RW, 0, clone, 0, PAGE)
    aspace(zx).write_user(address, b"new")
    assert aspace(zx).read_user(seen, 3) == b"old" and aspace(zx).read_user(address, 3) == b"new"
    assert zx.zx_vmo_read(clone, 0, 3) == (ZX_OK, b"old")


# ---- zx_vmar_op_range
# ------------------------------------------------------------------------------------------------------


def test_operations_reach_the_vmos(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    first, second = new_vmo(2 * PAGE), new_vmo(2 * PAGE)
    map_(zx, handle, RW | ZX_VM_SPECIFIC, 0, first, 0, 2 * PAGE)
    map_(zx, handle, RW | ZX_VM_SPECIFIC, 2 * PAGE, second, 0, 2 * PAGE)
    assert op(zx, handle, ZX_VMAR_OP_COMMIT, base + PAGE, 2 * PAGE) == ZX_OK
    assert (committed(zx, first), committed(zx, second)) == (PAGE, PAGE)
    for operation in (
        ZX_VMAR_OP_MAP_RANGE,
        ZX_VMAR_OP_ALWAYS_NEED,
        ZX_VMAR_OP_DONT_NEED,
        ZX_VMAR_OP_PREFETCH,
    ):
        assert op(zx, handle, operation, base, 4 * PAGE) == ZX_OK
    assert (committed(zx, first), committed(zx, second)) == (PAGE, PAGE)
    assert op(zx, handle, ZX_VMAR_OP_ZERO, base, 2 * PAGE) == ZX_OK
    assert op(zx, handle, ZX_VMAR_OP_DECOMMIT, base + 2 * PAGE, 2 * PAGE) == ZX_OK
    assert (committed(zx, first), committed(zx, second)) == (0, 0)


@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_OUT_OF_RANGE")
def test_op_range_refuses(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    handle, base = vmar
    vmo = new_vmo(2 * PAGE)
    address = map_(zx, handle, RW | ZX_VM_SPECIFIC, 2 * PAGE, vmo, 0, 2 * PAGE)
    assert op(zx, handle, 0, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert op(zx, handle, 99, address, PAGE) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmar_op_range(handle, ZX_VMAR_OP_COMMIT, address, PAGE, b"x")[0] == ZX_ERR_INVALID_ARGS
    for operation in (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_MAP_RANGE, ZX_VMAR_OP_DONT_NEED):
        assert op(zx, handle, operation, address + 1, PAGE) == ZX_ERR_INVALID_ARGS
        assert op(zx, handle, operation, address, 0) == ZX_ERR_INVALID_ARGS
        assert op(zx, handle, operation, base - PAGE, PAGE) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, handle, operation, base, 65 * PAGE) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, handle, operation, base + PAGE, 2 * PAGE) == ZX_ERR_BAD_STATE
        assert op(zx, handle, operation, address, 3 * PAGE) == ZX_ERR_BAD_STATE
    readonly = map_(zx, handle, ZX_VM_PERM_READ, 0, new_vmo_readonly(zx, vmo), 0, PAGE)
    for operation in (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_ZERO):
        assert op(zx, handle, operation, readonly, PAGE) == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_vmar_op_range", "ZX_ERR_ACCESS_DENIED")
def test_operations_need_rights_on_the_vmar(
    zx: Any, new_vmo: Create, vmar: tuple[int, int], with_rights: Rights
) -> None:
    handle, _ = vmar
    address = map_(zx, handle, RW, 0, new_vmo(PAGE), 0, PAGE)
    no_write, no_read = with_rights(handle, ALL & ~ZX_RIGHT_WRITE), with_rights(handle, ALL & ~ZX_RIGHT_READ)
    for operation in (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_ZERO):
        assert op(zx, no_write, operation, address, PAGE) == ZX_ERR_ACCESS_DENIED
        assert op(zx, no_read, operation, address, PAGE) == ZX_OK
    assert op(zx, no_read, ZX_VMAR_OP_PREFETCH, address, PAGE) == ZX_ERR_ACCESS_DENIED
    assert op(zx, no_write, ZX_VMAR_OP_PREFETCH, address, PAGE) == ZX_OK
    for operation in (ZX_VMAR_OP_MAP_RANGE, ZX_VMAR_OP_ALWAYS_NEED, ZX_VMAR_OP_DONT_NEED):
        assert op(zx, with_rights(handle, 0), operation, address, PAGE) == ZX_OK


def new_vmo_readonly(zx: Any, vmo: int) -> int:
    status, handle = zx.zx_handle_duplicate(vmo, ZX_RIGHT_READ | ZX_RIGHT_MAP)
    assert status == ZX_OK
    return int(handle)


def test_operations_may_reach_what_could_be_written(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    vmo = new_vmo(PAGE)
    address = map_(zx, vmar[0], ZX_VM_PERM_READ, 0, vmo, 0, PAGE)
    assert op(zx, vmar[0], ZX_VMAR_OP_COMMIT, address, PAGE) == ZX_OK
    assert committed(zx, vmo) == PAGE


# ---- What is shown
# ---------------------------------------------------------------------------------------------------------


def test_process_maps(zx: Any, new_vmo: Create, vmar: tuple[int, int], k: Any) -> None:
    handle, base = vmar
    vmo = new_vmo(3 * PAGE)
    address = map_(zx, handle, RW, 0, vmo, 0, 3 * PAGE)
    assert zx.zx_vmar_protect(handle, ZX_VM_PERM_READ, address + 2 * PAGE, PAGE) == ZX_OK
    aspace(zx).write_user(address + PAGE, b"x")
    status, data, actual, _ = zx.zx_object_get_info(k.host.process, ZX_INFO_PROCESS_MAPS, 1 << 16)
    assert status == ZX_OK
    size = zx_info_maps_t.SIZE
    maps = [zx_info_maps_t.unpack(data, at * size) for at in range(actual)]
    assert [(entry.type, entry.depth) for entry in maps[:2]] == [
        (ZX_INFO_MAPS_TYPE_ASPACE, 0),
        (ZX_INFO_MAPS_TYPE_VMAR, 1),
    ]
    here = next(index for index, entry in enumerate(maps) if entry.base == base and entry.depth == 2)
    first, second = maps[here + 1 : here + 3]
    assert (first.type, first.depth, first.base, first.size) == (
        ZX_INFO_MAPS_TYPE_MAPPING,
        3,
        address,
        2 * PAGE,
    )
    assert (first.mapping.mmu_flags, first.mapping.vmo_offset) == (RW, 0)
    assert (first.mapping.committed_bytes, first.mapping.committed_private_bytes) == (PAGE, PAGE)
    assert (second.mapping.mmu_flags, second.mapping.vmo_offset) == (ZX_VM_PERM_READ, 2 * PAGE)
    assert second.mapping.committed_bytes == 0


def test_memory_of_tasks_is_shared_out_exactly(zx: Any, new_vmo: Create, root: int, k: Any) -> None:
    """The example of RFC-0254: a parent mapped in one process, its clone in that and another."""
    status, process, vmar = zx.zx_process_create(k.host.root_job, b"other", 0)
    assert status == ZX_OK

    def stats(handle: int) -> tuple[int, ...]:
        status, data, _, _ = zx.zx_object_get_info(handle, ZX_INFO_TASK_STATS, zx_info_task_stats_t.SIZE)
        assert status == ZX_OK
        seen = zx_info_task_stats_t.unpack(data)
        return (
            seen.mem_mapped_bytes,
            seen.mem_private_bytes,
            seen.mem_shared_bytes,
            seen.mem_scaled_shared_bytes,
        )

    before = stats(k.host.process)
    parent = new_vmo(PAGE)
    assert zx.zx_vmo_write(parent, b"x", 0) == ZX_OK
    status, clone = zx.zx_vmo_create_child(parent, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    for vmo in (parent, clone):
        map_(zx, root, RW, 0, vmo, 0, PAGE)
    map_(zx, vmar, RW, 0, clone, 0, PAGE)
    assert stats(process) == (PAGE, 0, PAGE, PAGE // 4)
    grown = tuple(now - then for now, then in zip(stats(k.host.process), before, strict=True))
    assert grown == (2 * PAGE, 0, 2 * PAGE, 3 * PAGE // 4)


# ---- The vDSO
# --------------------------------------------------------------------------------------------------------------


def test_the_vdso_code_is_mapped_once_and_stays(world: World) -> None:
    """Source: utest/core/process-vdso… (vdso tests): mapped whole, once, never to be changed."""
    aspace_ = world.aspace()
    root = aspace_.root_vmar
    vdso = world.vmo(4)
    vdso.vdso_code = (2 * PAGE, 2 * PAGE)
    can_all = CAN_RWX
    region = root.allocate(0, 8 * PAGE, can_all | ZX_VM_CAN_MAP_SPECIFIC)

    def denied(action: Callable[[], object]) -> None:
        with pytest.raises(ZxError) as caught:
            action()
        assert caught.value.status == ZX_ERR_ACCESS_DENIED

    denied(lambda: region.map(0, vdso, PAGE, 2 * PAGE, RX))
    denied(lambda: region.map(0, vdso, 2 * PAGE, PAGE, RX))
    region.map(0, vdso, 0, 2 * PAGE, ZX_VM_PERM_READ)
    code = region.map(0, vdso, 2 * PAGE, 2 * PAGE, RX)
    assert aspace_.vdso_code is code
    end = code.base + code.size
    denied(lambda: root.map(0, vdso, 2 * PAGE, 2 * PAGE, RX))
    denied(lambda: region.unmap(code.base, PAGE, can_destroy_regions=True))
    denied(lambda: root.unmap(region.base, region.size, can_destroy_regions=True))
    denied(lambda: region.protect(code.base, PAGE, ZX_VM_PERM_READ, op_children=True))
    denied(lambda: region.range_op(ZX_VMAR_OP_DECOMMIT, code.base, PAGE, op_children=True))
    denied(lambda: region.destroy())
    offset = end - PAGE - region.base
    denied(lambda: region.map(offset, world.vmo(1), 0, PAGE, RW | ZX_VM_SPECIFIC_OVERWRITE))
    denied(lambda: aspace_.write_memory(code.base, 4, lambda size: bytes(size)))
    root.map(0, vdso, 2 * PAGE, 2 * PAGE, ZX_VM_PERM_READ)  # to read it is always allowed
    assert aspace_.find(code.base) is code and code.access_at(code.base) == (RX, end)
    aspace_.destroy()
    assert not vdso.mappings


# ---- Reading and writing user memory
# ---------------------------------------------------------------------------------------


def test_user_memory_is_copied_whole_or_not_at_all(zx: Any, new_vmo: Create, vmar: tuple[int, int]) -> None:
    memory = aspace(zx)
    vmo = new_vmo(2 * PAGE)
    address = map_(zx, vmar[0], RW | ZX_VM_SPECIFIC, 0, vmo, 0, 2 * PAGE)
    end = address + 2 * PAGE
    for bad, size in (
        (0, 1),
        (end, 1),
        (end - 1, 2),
        (end - 8, 4 * PAGE),
        (U64, 8),
        (-1, 8),
        (1 << 63, 8),
        (address - 1, 2),
    ):
        for copy in (
            lambda bad=bad, size=size: memory.read_user(bad, size),
            lambda bad=bad, size=size: memory.write_user(bad, b"x" * size),
        ):
            with pytest.raises(ZxError) as caught:
                copy()
            assert caught.value.status == ZX_ERR_INVALID_ARGS
    assert committed(zx, vmo) in (0, PAGE, 2 * PAGE)
    assert memory.read_user(address, 2 * PAGE) == bytes(2 * PAGE)
    memory.write_u64(address + PAGE - 4, 0x1122334455667788)
    assert memory.read_u64(address + PAGE - 4) == 0x1122334455667788
    memory.write_u32(address + PAGE - 2, 0xAABBCCDD)
    assert memory.read_u32(address + PAGE - 2) == 0xAABBCCDD
    assert memory.read_user(BAD_ADDRESS, 0) == b""


def test_a_guest_cannot_make_the_kernel_copy_a_terabyte(zx: Any, new_vmo: Create, root: int) -> None:
    vmo = new_vmo(1 << 40)
    address = map_(zx, root, RW, 0, vmo, 0, 1 << 40)
    with pytest.raises(ZxError):
        aspace(zx).read_user(address, 1 << 40)


def test_a_debugger_reads_and_writes_whatever_is_permitted(world: World) -> None:
    aspace_ = world.aspace()
    vmo = world.vmo(2)
    mapping = aspace_.root_vmar.map(0, vmo, 0, 4 * PAGE, 0)
    assert len(aspace_.read_memory(mapping.base + PAGE, 2 * PAGE)) == PAGE
    for address, size, status in (
        (0, 1, ZX_ERR_NOT_FOUND),
        (mapping.base + 2 * PAGE, 1, ZX_ERR_OUT_OF_RANGE),
    ):
        with pytest.raises(ZxError) as caught:
            aspace_.read_memory(address, size)
        assert caught.value.status == status
    assert aspace_.write_memory(mapping.base + PAGE - 2, 4, lambda size: b"code"[:size]) == 4
    assert aspace_.read_memory(mapping.base + PAGE - 2, 4) == b"code"
    aspace_.destroy()
