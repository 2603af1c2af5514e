"""zx_vmo_*, call by call. Source: docs/reference/syscalls/vmo_*.md, zircon/system/utest/core/vmo/."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_CACHE_POLICY_UNCACHED,
    ZX_DEFAULT_VMO_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_UNAVAILABLE,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_INFO_VMO,
    ZX_INFO_VMO_DISCARDABLE,
    ZX_INFO_VMO_IMMUTABLE,
    ZX_INFO_VMO_IS_COW_CLONE,
    ZX_INFO_VMO_RESIZABLE,
    ZX_OK,
    ZX_POL_AMBIENT_MARK_VMO_EXEC,
    ZX_POL_NEW_VMO,
    ZX_PROP_NAME,
    ZX_PROP_VMO_CONTENT_SIZE,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_GET_PROPERTY,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_RESIZE,
    ZX_RIGHT_SET_PROPERTY,
    ZX_RIGHT_WRITE,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_CHILD_NO_WRITE,
    ZX_VMO_CHILD_REFERENCE,
    ZX_VMO_CHILD_RESIZABLE,
    ZX_VMO_CHILD_SLICE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
    ZX_VMO_DISCARDABLE,
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
    ZX_VMO_RESIZABLE,
    ZX_VMO_UNBOUNDED,
    ZX_VMO_ZERO_CHILDREN,
    zx_info_vmo_t,
)
from jacinth.kernel.vm.vmo import MAX_SIZE

from .conftest import BAD_ADDRESS

PAGE = 4096
U64 = (1 << 64) - 1
ALL = 0x7FFF_FFFF
SNAPSHOTS = (
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
)

Create = Callable[..., int]
Rights = Callable[[int, int], int]
Trap = Callable[..., int | None]


def info(zx: Any, vmo: int) -> zx_info_vmo_t:
    status, data, _, _ = zx.zx_object_get_info(vmo, ZX_INFO_VMO, zx_info_vmo_t.SIZE)
    assert status == ZX_OK
    return zx_info_vmo_t.unpack(data)


def child(zx: Any, vmo: int, options: int, offset: int, size: int) -> int:
    status, made = zx.zx_vmo_create_child(vmo, options, offset, size)
    assert status == ZX_OK
    return int(made)


def read(zx: Any, vmo: int, offset: int, size: int) -> bytes:
    status, data = zx.zx_vmo_read(vmo, offset, size)
    assert status == ZX_OK
    return bytes(data)


def op(zx: Any, vmo: int, operation: int, offset: int, size: int, buffer: bytes | None = None) -> int:
    return int(zx.zx_vmo_op_range(vmo, operation, offset, size, buffer)[0])


def rights_of(zx: Any, vmo: int) -> int:
    return int(zx.call.handles.handles[vmo].rights)


# ---- Handles and rights
# ----------------------------------------------------------------------------------------------------

CALLS: list[tuple[str, tuple[Any, ...], tuple[int, ...]]] = [
    # name, arguments behind the handle, rights of which each is needed
    ("zx_vmo_read", (0, 1), (ZX_RIGHT_READ,)),
    ("zx_vmo_write", (b"x", 0), (ZX_RIGHT_WRITE,)),
    ("zx_vmo_get_size", (), ()),
    ("zx_vmo_set_size", (0,), (ZX_RIGHT_WRITE, ZX_RIGHT_RESIZE)),
    ("zx_vmo_get_stream_size", (), ()),
    ("zx_vmo_set_stream_size", (0,), (ZX_RIGHT_WRITE,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_COMMIT, 0, PAGE, None), (ZX_RIGHT_WRITE,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_DECOMMIT, 0, PAGE, None), (ZX_RIGHT_WRITE,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_ZERO, 0, PAGE, None), (ZX_RIGHT_WRITE,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_PREFETCH, 0, PAGE, None), (ZX_RIGHT_READ,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_CACHE_SYNC, 0, PAGE, None), (ZX_RIGHT_READ,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_CACHE_CLEAN, 0, PAGE, None), (ZX_RIGHT_READ,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_CACHE_CLEAN_INVALIDATE, 0, PAGE, None), (ZX_RIGHT_READ,)),
    ("zx_vmo_op_range", (ZX_VMO_OP_ALWAYS_NEED, 0, PAGE, None), ()),
    ("zx_vmo_op_range", (ZX_VMO_OP_DONT_NEED, 0, PAGE, None), ()),
    ("zx_vmo_set_cache_policy", (ZX_CACHE_POLICY_UNCACHED,), (ZX_RIGHT_MAP,)),
    ("zx_vmo_create_child", (ZX_VMO_CHILD_SNAPSHOT, 0, PAGE), (ZX_RIGHT_DUPLICATE, ZX_RIGHT_READ)),
]


def status_of(answer: Any) -> int:
    return int(answer[0] if isinstance(answer, tuple) else answer)


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.parametrize(("name", "arguments", "needed"), CALLS)
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmo_set_size", "ZX_ERR_ACCESS_DENIED")
def test_each_call_wants_its_handle_type_and_rights(
    zx: Any,
    new_vmo: Create,
    with_rights: Rights,
    name: str,
    arguments: tuple[Any, ...],
    needed: tuple[int, ...],
) -> None:
    vmo = new_vmo(PAGE, ZX_VMO_RESIZABLE)
    function = getattr(zx, name)
    assert status_of(function(ZX_HANDLE_INVALID, *arguments)) == ZX_ERR_BAD_HANDLE
    assert status_of(function(vmo + 4 * 1000, *arguments)) == ZX_ERR_BAD_HANDLE
    _, event = zx.zx_event_create(0)
    assert status_of(function(with_rights(event, 0), *arguments)) == ZX_ERR_WRONG_TYPE
    for right in needed:
        assert status_of(function(with_rights(vmo, ALL & ~right), *arguments)) == ZX_ERR_ACCESS_DENIED
    before = read(zx, vmo, 0, PAGE)
    assert before == bytes(PAGE)
    assert status_of(function(with_rights(vmo, sum(needed)), *arguments)) == ZX_OK


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_ACCESS_DENIED")
def test_lock_needs_read_or_write(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    vmo = new_vmo(PAGE, ZX_VMO_DISCARDABLE)
    for operation in (ZX_VMO_OP_LOCK, ZX_VMO_OP_TRY_LOCK, ZX_VMO_OP_UNLOCK):
        handle = with_rights(vmo, ALL & ~ZX_RIGHT_READ & ~ZX_RIGHT_WRITE)
        assert op(zx, handle, operation, 0, PAGE, bytes(32)) == ZX_ERR_ACCESS_DENIED
        for right in (ZX_RIGHT_READ, ZX_RIGHT_WRITE):
            assert op(zx, with_rights(vmo, right), ZX_VMO_OP_TRY_LOCK, 0, PAGE) == ZX_OK


# ---- zx_vmo_create
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "rounded"), [(0, 0), (1, PAGE), (PAGE, PAGE), (PAGE + 1, 2 * PAGE), (MAX_SIZE, MAX_SIZE)]
)
def test_a_new_vmo_has_whole_pages_of_zeroes_and_commits_none(
    zx: Any, new_vmo: Create, size: int, rounded: int
) -> None:
    vmo = new_vmo(size)
    assert zx.zx_vmo_get_size(vmo) == (ZX_OK, rounded)
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, size)
    assert info(zx, vmo).committed_bytes == 0
    assert read(zx, vmo, 0, min(rounded, PAGE)) == bytes(min(rounded, PAGE))
    assert info(zx, vmo).committed_bytes == 0
    assert rights_of(zx, vmo) == ZX_DEFAULT_VMO_RIGHTS


def test_an_unbounded_vmo_is_as_large_as_can_be(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(5, ZX_VMO_UNBOUNDED)
    assert zx.zx_vmo_get_size(vmo) == (ZX_OK, MAX_SIZE)
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, 5)
    assert zx.zx_vmo_write(vmo, b"far", 1 << 60) == ZX_OK
    assert info(zx, vmo).committed_bytes == PAGE


def test_a_resizable_vmo_has_the_right_to_be_resized(zx: Any, new_vmo: Create) -> None:
    assert rights_of(zx, new_vmo(PAGE, ZX_VMO_RESIZABLE)) == ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_RESIZE
    assert info(zx, new_vmo(PAGE, ZX_VMO_RESIZABLE)).flags & ZX_INFO_VMO_RESIZABLE
    assert info(zx, new_vmo(PAGE, ZX_VMO_DISCARDABLE)).flags & ZX_INFO_VMO_DISCARDABLE


@pytest.mark.shows("zx_vmo_create", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize(
    ("size", "options", "status"),
    [
        (0, ZX_VMO_RESIZABLE | ZX_VMO_UNBOUNDED, ZX_ERR_INVALID_ARGS),
        (MAX_SIZE + 1, 0, ZX_ERR_OUT_OF_RANGE),
        (U64, 0, ZX_ERR_OUT_OF_RANGE),
        (U64, ZX_VMO_UNBOUNDED, ZX_ERR_OUT_OF_RANGE),
        (U64, 1 << 31, ZX_ERR_OUT_OF_RANGE),  # the size comes first
        (0, 1 << 31, ZX_ERR_INVALID_ARGS),
        (0, 1, ZX_ERR_INVALID_ARGS),
    ],
)
@pytest.mark.shows("zx_vmo_create", "ZX_ERR_OUT_OF_RANGE")
def test_vmo_create_refuses(zx: Any, size: int, options: int, status: int) -> None:
    assert zx.zx_vmo_create(size, options) == (status, 0)


def test_policy_can_forbid_new_vmos(zx: Any, deny: Callable[[int], None]) -> None:
    deny(ZX_POL_NEW_VMO)
    assert zx.zx_vmo_create(0, 1 << 31)[0] == ZX_ERR_ACCESS_DENIED


# ---- Contents
# --------------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_across_pages(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(4 * PAGE)
    data = bytes(range(256)) * 20
    assert zx.zx_vmo_write(vmo, data, PAGE - 7) == ZX_OK
    assert read(zx, vmo, PAGE - 7, len(data)) == data
    assert read(zx, vmo, 0, 4 * PAGE) == bytes(PAGE - 7) + data + bytes(3 * PAGE + 7 - len(data))
    assert info(zx, vmo).committed_bytes == 3 * PAGE


@pytest.mark.shows("zx_vmo_write", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize(
    ("offset", "size"), [(PAGE, 1), (0, PAGE + 1), (PAGE + 1, 0), (U64, 1), (U64, 2), (PAGE - 1, 2)]
)
@pytest.mark.shows("zx_vmo_read", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_OUT_OF_RANGE")
def test_nothing_is_read_or_written_outside(zx: Any, new_vmo: Create, offset: int, size: int) -> None:
    vmo = new_vmo(PAGE)
    assert zx.zx_vmo_read(vmo, offset, size)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_vmo_write(vmo, bytes(size), offset) == ZX_ERR_OUT_OF_RANGE
    assert info(zx, vmo).committed_bytes == 0


def test_reading_nothing_at_the_end_is_fine(zx: Any, new_vmo: Create) -> None:
    assert zx.zx_vmo_read(new_vmo(PAGE), PAGE, 0) == (ZX_OK, b"")


def test_bad_buffers(zx: Any, new_vmo: Create, trap: Trap) -> None:
    vmo = new_vmo(PAGE)
    for address in (0, BAD_ADDRESS, U64 - 2, 1 << 63):
        assert trap("zx_vmo_get_size", vmo, address) == ZX_ERR_INVALID_ARGS
        assert trap("zx_vmo_get_stream_size", vmo, address) == ZX_ERR_INVALID_ARGS
        assert trap("zx_vmo_create", PAGE, 0, address) == ZX_ERR_INVALID_ARGS


def mapped(zx: Any, root: int, vmo: int, size: int, flags: int) -> int:
    """The address of a mapping."""
    status, address = zx.zx_vmar_map(root, flags, 0, vmo, 0, size)
    assert status == ZX_OK
    return int(address)


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_NOT_FOUND")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_NOT_FOUND")
def test_a_buffer_that_is_not_mapped_is_not_found(zx: Any, new_vmo: Create, root: int, trap: Trap) -> None:
    vmo, buffer = new_vmo(2 * PAGE), new_vmo(PAGE)
    end = mapped(zx, root, buffer, PAGE, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE) + PAGE
    for address in (0, BAD_ADDRESS, U64 - 2, U64 - PAGE + 1, 1 << 63, 1 << 47, end, end - 4):
        assert trap("zx_vmo_read", vmo, address, 0, 8) == ZX_ERR_NOT_FOUND
        assert trap("zx_vmo_write", vmo, address, 0, 8) == ZX_ERR_NOT_FOUND
    assert trap("zx_vmo_read", vmo, BAD_ADDRESS, 0, 0) == ZX_OK
    assert trap("zx_vmo_write", vmo, BAD_ADDRESS, 0, 0) == ZX_OK
    assert info(zx, vmo).committed_bytes == 0


def test_a_buffer_answers_as_a_fault_in_it(zx: Any, new_vmo: Create, root: int, trap: Trap) -> None:
    vmo, buffer = new_vmo(2 * PAGE), new_vmo(2 * PAGE, ZX_VMO_RESIZABLE)
    read_only, unreadable, cut_off = (
        mapped(zx, root, buffer, 2 * PAGE, flags | ZX_VM_ALLOW_FAULTS)
        for flags in (ZX_VM_PERM_READ, 0, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
    )
    assert trap("zx_vmo_read", vmo, read_only, 0, 8) == ZX_ERR_ACCESS_DENIED
    assert trap("zx_vmo_write", vmo, read_only, 0, 8) == ZX_OK
    assert trap("zx_vmo_read", vmo, unreadable, 0, 8) == ZX_ERR_ACCESS_DENIED
    assert trap("zx_vmo_write", vmo, unreadable, 0, 8) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmo_set_size(buffer, PAGE) == ZX_OK
    assert trap("zx_vmo_read", vmo, cut_off + PAGE - 4, 0, 8) == ZX_ERR_OUT_OF_RANGE
    assert trap("zx_vmo_write", vmo, cut_off + PAGE - 4, 0, 8) == ZX_ERR_OUT_OF_RANGE


def test_a_huge_copy_ends_at_the_first_bad_page(zx: Any, new_vmo: Create, root: int, trap: Trap) -> None:
    source, target = new_vmo(1 << 40), new_vmo(3 << 20)
    assert zx.zx_vmo_write(source, b"first", 0) == ZX_OK
    status, address = zx.zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, target, 0, 3 << 20)
    assert status == ZX_OK
    assert trap("zx_vmo_read", source, address, 0, 1 << 40) == ZX_ERR_NOT_FOUND
    assert read(zx, target, 0, 5) == b"first"


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_NO_MEMORY")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_NO_MEMORY")
def test_memory_can_run_out_and_be_given_back(zx: Any, new_vmo: Create, k: Any) -> None:
    allocated = zx.call.kernel.memory.allocated
    vmo = new_vmo(1 << 40)
    assert op(zx, vmo, ZX_VMO_OP_COMMIT, 0, 1 << 40) == ZX_ERR_NO_MEMORY
    assert info(zx, vmo).committed_bytes == 0
    room = (zx.call.kernel.memory.frames - allocated) * PAGE
    assert op(zx, vmo, ZX_VMO_OP_COMMIT, 0, room) == ZX_OK
    assert zx.zx_vmo_write(vmo, b"x", room) == ZX_ERR_NO_MEMORY
    assert zx.zx_handle_close(vmo) == ZX_OK
    assert zx.call.kernel.memory.allocated == allocated


# ---- Sizes
# -----------------------------------------------------------------------------------------------------------------


def test_set_size_cuts_off_and_grows_with_zeroes(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(3 * PAGE, ZX_VMO_RESIZABLE)
    assert zx.zx_vmo_write(vmo, b"x" * 3 * PAGE, 0) == ZX_OK
    assert zx.zx_vmo_set_size(vmo, PAGE + 100) == ZX_OK
    assert zx.zx_vmo_get_size(vmo) == (ZX_OK, 2 * PAGE)
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, PAGE + 100)
    assert info(zx, vmo).committed_bytes == 2 * PAGE
    assert zx.zx_vmo_set_size(vmo, 3 * PAGE) == ZX_OK
    assert read(zx, vmo, 0, 3 * PAGE) == b"x" * (PAGE + 100) + bytes(2 * PAGE - 100)
    assert zx.zx_vmo_set_size(vmo, MAX_SIZE) == ZX_OK
    assert zx.zx_vmo_set_size(vmo, 0) == ZX_OK
    assert info(zx, vmo).committed_bytes == 0


@pytest.mark.shows("zx_vmo_set_size", "ZX_ERR_UNAVAILABLE")
@pytest.mark.shows("zx_vmo_set_size", "ZX_ERR_OUT_OF_RANGE")
def test_set_size_refuses(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    fixed, vmo = new_vmo(PAGE), new_vmo(PAGE, ZX_VMO_RESIZABLE)
    assert zx.zx_vmo_set_size(fixed, PAGE) == ZX_ERR_UNAVAILABLE
    # Without the right the answer for one that is not resizable is the same: programs rely on it.
    assert zx.zx_vmo_set_size(with_rights(fixed, ZX_RIGHT_WRITE), PAGE) == ZX_ERR_UNAVAILABLE
    assert zx.zx_vmo_set_size(fixed, U64) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_vmo_set_size(vmo, U64) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_vmo_set_size(vmo, MAX_SIZE + 1) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_vmo_get_size(vmo) == (ZX_OK, PAGE)


@pytest.mark.shows("zx_vmo_set_stream_size", "ZX_ERR_OUT_OF_RANGE")
def test_stream_size(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(2 * PAGE)
    assert zx.zx_vmo_write(vmo, b"x" * 2 * PAGE, 0) == ZX_OK
    assert zx.zx_vmo_set_stream_size(vmo, 2 * PAGE + 1) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_vmo_set_stream_size(vmo, 10) == ZX_OK
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, 10)
    assert read(zx, vmo, 0, 2 * PAGE) == b"x" * 10 + bytes(2 * PAGE - 10)
    assert info(zx, vmo).committed_bytes == PAGE
    # What is written behind the content becomes zero when the content grows over it.
    assert zx.zx_vmo_write(vmo, b"y", 20) == ZX_OK
    assert zx.zx_vmo_set_stream_size(vmo, 30) == ZX_OK
    assert read(zx, vmo, 20, 1) == b"\0"
    assert zx.zx_object_set_property(vmo, ZX_PROP_VMO_CONTENT_SIZE, struct.pack("<Q", 5)) == ZX_OK
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, 5)


# ---- Range operations
# ------------------------------------------------------------------------------------------------------


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_INVALID_ARGS")
def test_commit_and_decommit(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(4 * PAGE)
    assert op(zx, vmo, ZX_VMO_OP_COMMIT, PAGE + 1, PAGE) == ZX_OK  # touches two pages
    assert info(zx, vmo).committed_bytes == 2 * PAGE
    assert op(zx, vmo, ZX_VMO_OP_DECOMMIT, PAGE + 1, PAGE) == ZX_ERR_INVALID_ARGS
    assert op(zx, vmo, ZX_VMO_OP_DECOMMIT, PAGE, PAGE) == ZX_OK
    assert info(zx, vmo).committed_bytes == PAGE
    for operation in (ZX_VMO_OP_COMMIT, ZX_VMO_OP_DECOMMIT, ZX_VMO_OP_ZERO, ZX_VMO_OP_PREFETCH):
        assert op(zx, vmo, operation, PAGE, 4 * PAGE) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, vmo, operation, U64 - PAGE + 1, PAGE) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, vmo, operation, 4 * PAGE, 0) == ZX_OK
        assert op(zx, vmo, operation, 5 * PAGE, 0) == ZX_ERR_OUT_OF_RANGE


def test_a_vmo_with_a_snapshot_cannot_be_decommitted(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE)
    clone = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    for handle in (vmo, clone):
        assert op(zx, handle, ZX_VMO_OP_DECOMMIT, 0, 2 * PAGE) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, handle, ZX_VMO_OP_DECOMMIT, 1, 1) == ZX_ERR_NOT_SUPPORTED
        assert op(zx, handle, ZX_VMO_OP_DECOMMIT, 0, 0) == ZX_OK
    assert zx.zx_handle_close(vmo) == ZX_OK
    assert op(zx, clone, ZX_VMO_OP_DECOMMIT, 0, PAGE) == ZX_OK


def test_zero_frees_whole_pages_and_wipes_parts(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(4 * PAGE)
    assert zx.zx_vmo_write(vmo, b"x" * 4 * PAGE, 0) == ZX_OK
    assert op(zx, vmo, ZX_VMO_OP_ZERO, 100, 3 * PAGE) == ZX_OK
    assert read(zx, vmo, 0, 4 * PAGE) == b"x" * 100 + bytes(3 * PAGE) + b"x" * (PAGE - 100)
    assert info(zx, vmo).committed_bytes == 2 * PAGE
    assert op(zx, vmo, ZX_VMO_OP_ZERO, 10, 20) == ZX_OK
    assert read(zx, vmo, 0, 100) == b"x" * 10 + bytes(20) + b"x" * 70


def test_cache_operations(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE)
    for operation in (ZX_VMO_OP_CACHE_SYNC, ZX_VMO_OP_CACHE_CLEAN, ZX_VMO_OP_CACHE_CLEAN_INVALIDATE):
        assert op(zx, vmo, operation, 1, 5) == ZX_OK
        assert op(zx, vmo, operation, 0, 0) == ZX_ERR_INVALID_ARGS
        assert op(zx, vmo, operation, 0, PAGE + 1) == ZX_ERR_OUT_OF_RANGE
    assert op(zx, vmo, ZX_VMO_OP_CACHE_INVALIDATE, 0, PAGE) == ZX_ERR_NOT_SUPPORTED
    assert op(zx, vmo, 999, 0, PAGE) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_INVALID_ARGS")
def test_locks_of_a_discardable_vmo(zx: Any, new_vmo: Create, trap: Trap) -> None:
    vmo = new_vmo(2 * PAGE, ZX_VMO_DISCARDABLE)
    assert op(zx, vmo, ZX_VMO_OP_UNLOCK, 0, 2 * PAGE) == ZX_ERR_BAD_STATE
    status, state = zx.zx_vmo_op_range(vmo, ZX_VMO_OP_LOCK, 0, 2 * PAGE, bytes(32))
    assert status == ZX_OK and struct.unpack("<4Q", state) == (0, 2 * PAGE, 0, 0)
    assert op(zx, vmo, ZX_VMO_OP_TRY_LOCK, 0, 2 * PAGE) == ZX_OK
    assert op(zx, vmo, ZX_VMO_OP_UNLOCK, 0, 2 * PAGE) == ZX_OK
    assert op(zx, vmo, ZX_VMO_OP_UNLOCK, 0, 2 * PAGE) == ZX_OK
    # A lock whose state cannot be told is none.
    assert op(zx, vmo, ZX_VMO_OP_LOCK, 0, 2 * PAGE, bytes(31)) == ZX_ERR_INVALID_ARGS
    assert trap("zx_vmo_op_range", vmo, ZX_VMO_OP_LOCK, 0, 2 * PAGE, BAD_ADDRESS, 32) == ZX_ERR_INVALID_ARGS
    assert op(zx, vmo, ZX_VMO_OP_UNLOCK, 0, 2 * PAGE) == ZX_ERR_BAD_STATE
    for operation in (ZX_VMO_OP_LOCK, ZX_VMO_OP_TRY_LOCK, ZX_VMO_OP_UNLOCK):
        assert op(zx, vmo, operation, 0, PAGE, bytes(32)) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, vmo, operation, PAGE, PAGE, bytes(32)) == ZX_ERR_OUT_OF_RANGE
        assert op(zx, new_vmo(PAGE), operation, 0, PAGE, bytes(32)) == ZX_ERR_NOT_SUPPORTED


def test_a_discardable_vmo_has_no_children(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE, ZX_VMO_DISCARDABLE)
    for options in (*SNAPSHOTS, ZX_VMO_CHILD_SLICE, ZX_VMO_CHILD_REFERENCE):
        assert zx.zx_vmo_create_child(vmo, options, 0, PAGE)[0] == ZX_ERR_NOT_SUPPORTED


# ---- What the kernel keeps about it
# --------------------------------------------------------------------------------------------


def test_metadata_comes_with_pages_sixteen_at_a_time(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(64 * PAGE)
    assert info(zx, vmo).metadata_bytes == 0
    assert op(zx, vmo, ZX_VMO_OP_COMMIT, 0, PAGE) == ZX_OK
    one = info(zx, vmo).metadata_bytes
    assert one > 16 * 8
    for first, pages, nodes in ((0, 16, 1), (16, 1, 2), (63, 1, 3)):
        assert op(zx, vmo, ZX_VMO_OP_COMMIT, first * PAGE, pages * PAGE) == ZX_OK
        assert info(zx, vmo).metadata_bytes == nodes * one
    assert info(zx, child(zx, vmo, ZX_VMO_CHILD_SLICE, 0, PAGE)).metadata_bytes == 3 * one
    assert op(zx, vmo, ZX_VMO_OP_DECOMMIT, 0, 64 * PAGE) == ZX_OK
    assert info(zx, vmo).metadata_bytes == 0


# ---- Cache policy
# ----------------------------------------------------------------------------------------------------------


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmo_set_cache_policy", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_BAD_STATE")
def test_memory_that_is_not_cached_cannot_be_read_or_cloned(zx: Any, new_vmo: Create, root: int) -> None:
    vmo = new_vmo(PAGE)
    assert zx.zx_vmo_set_cache_policy(vmo, 1 << 10) == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_OK
    assert zx.zx_vmo_read(vmo, 0, 1)[0] == ZX_ERR_BAD_STATE
    assert zx.zx_vmo_write(vmo, b"x", 0) == ZX_ERR_BAD_STATE
    assert zx.zx_vmo_read(vmo, 2 * PAGE, 1)[0] == ZX_ERR_BAD_STATE
    for options, size in [
        *((snapshot, PAGE) for snapshot in SNAPSHOTS),
        (ZX_VMO_CHILD_SLICE, PAGE),
        (ZX_VMO_CHILD_REFERENCE, 0),
    ]:
        assert zx.zx_vmo_create_child(vmo, options, 0, size)[0] == ZX_ERR_BAD_STATE
    assert info(zx, vmo).cache_policy == ZX_CACHE_POLICY_UNCACHED


def test_the_cache_policy_changes_although_pages_are_committed(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE)
    assert zx.zx_vmo_write(vmo, b"kept", 0) == ZX_OK
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_OK
    assert zx.zx_vmo_set_cache_policy(vmo, 0) == ZX_OK
    assert read(zx, vmo, 0, 4) == b"kept"


@pytest.mark.shows("zx_vmo_set_cache_policy", "ZX_ERR_BAD_STATE")
def test_memory_that_the_kernel_may_take_back_is_cached(zx: Any, new_vmo: Create) -> None:
    (_, pager), (_, port) = zx.zx_pager_create(0), zx.zx_port_create(0)
    for vmo in (new_vmo(PAGE, ZX_VMO_DISCARDABLE), zx.zx_pager_create_vmo(pager, 0, port, 0, PAGE)[1]):
        assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_ERR_BAD_STATE
        assert zx.zx_vmo_set_cache_policy(vmo, 0) == ZX_OK


@pytest.mark.shows("zx_vmo_set_cache_policy", "ZX_ERR_BAD_STATE")
def test_the_cache_policy_stays_while_the_vmo_is_in_use(zx: Any, new_vmo: Create, root: int) -> None:
    vmo = new_vmo(PAGE)
    clone = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_ERR_BAD_STATE
    assert zx.zx_vmo_set_cache_policy(clone, ZX_CACHE_POLICY_UNCACHED) == ZX_ERR_BAD_STATE
    assert zx.zx_handle_close(clone) == ZX_OK
    status, address = zx.zx_vmar_map(root, ZX_VM_PERM_READ, 0, vmo, 0, PAGE)
    assert status == ZX_OK
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_ERR_BAD_STATE
    assert zx.zx_vmar_unmap(root, address, PAGE) == ZX_OK
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_UNCACHED) == ZX_OK


# ---- Children
# --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_a_snapshot_and_its_parent_go_their_own_ways(zx: Any, new_vmo: Create, kind: int) -> None:
    vmo = new_vmo(2 * PAGE)
    assert zx.zx_vmo_write(vmo, b"old", 0) == ZX_OK
    clone = child(zx, vmo, kind, 0, 3 * PAGE)
    assert zx.zx_vmo_get_size(clone) == (ZX_OK, 3 * PAGE)
    assert zx.zx_vmo_write(vmo, b"new", 0) == ZX_OK
    assert zx.zx_vmo_write(clone, b"own", PAGE) == ZX_OK
    assert read(zx, clone, 0, 3) == b"old" and read(zx, vmo, PAGE, 3) == bytes(3)
    seen = info(zx, clone)
    assert seen.flags & ZX_INFO_VMO_IS_COW_CLONE and seen.parent_koid == info(zx, vmo).koid
    assert info(zx, vmo).num_children == 1


def test_memory_of_clones_is_shared_out_exactly(zx: Any, new_vmo: Create) -> None:
    """Source: RFC-0254."""
    vmo = new_vmo(2 * PAGE)
    assert op(zx, vmo, ZX_VMO_OP_COMMIT, 0, 2 * PAGE) == ZX_OK
    clones = [child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE) for _ in range(2)]
    for handle in (vmo, *clones):
        seen = info(zx, handle)
        assert (seen.committed_bytes, seen.committed_private_bytes) == (2 * PAGE, 0)
        assert seen.committed_scaled_bytes == 2 * PAGE // 3
        assert abs(seen.committed_fractional_scaled_bytes / (1 << 63) - 2 * PAGE % 3 / 3) < 1e-9
    assert zx.zx_vmo_write(vmo, b"x", 0) == ZX_OK
    seen = info(zx, vmo)
    assert (seen.committed_private_bytes, seen.committed_scaled_bytes) == (PAGE, PAGE + PAGE // 3)
    assert info(zx, clones[0]).committed_scaled_bytes == PAGE // 2 + PAGE // 3
    assert zx.zx_handle_close(clones[1]) == ZX_OK
    assert info(zx, clones[0]).committed_private_bytes == PAGE
    assert info(zx, clones[0]).committed_scaled_bytes == PAGE + PAGE // 2


def test_a_snapshot_survives_its_parent_shrinking_and_closing(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(2 * PAGE, ZX_VMO_RESIZABLE)
    assert zx.zx_vmo_write(vmo, b"x" * 2 * PAGE, 0) == ZX_OK
    clone = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, 2 * PAGE)
    grandchild = child(zx, clone, ZX_VMO_CHILD_SNAPSHOT, PAGE, PAGE)
    assert zx.zx_vmo_set_size(vmo, 0) == ZX_OK
    assert read(zx, clone, 0, 2 * PAGE) == b"x" * 2 * PAGE
    koid = info(zx, vmo).koid
    assert info(zx, clone).parent_koid == koid
    assert zx.zx_handle_close(clone) == ZX_OK
    assert info(zx, grandchild).parent_koid == koid
    assert zx.zx_handle_close(vmo) == ZX_OK
    assert info(zx, grandchild).parent_koid == 0
    assert read(zx, grandchild, 0, PAGE) == b"x" * PAGE
    assert info(zx, grandchild).committed_private_bytes == PAGE


def test_zero_children(zx: Any, new_vmo: Create) -> None:
    """Source: utest/core/vmo/vmo.cc (ZeroChildren…): grandchildren move up, so the signal waits for them too."""

    def signals(vmo: int) -> int:
        return int(zx.call.handles.handles[vmo].object.signals) & ZX_VMO_ZERO_CHILDREN

    vmo = new_vmo(PAGE)
    assert signals(vmo)
    clone = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    grandchild = child(zx, clone, ZX_VMO_CHILD_REFERENCE, 0, 0)
    assert not signals(vmo) and not signals(clone) and signals(grandchild)
    assert zx.zx_handle_close(clone) == ZX_OK
    assert not signals(vmo)
    assert zx.zx_handle_close(grandchild) == ZX_OK
    assert signals(vmo) and info(zx, vmo).num_children == 0


def test_a_mapping_keeps_a_child_alive(zx: Any, new_vmo: Create, root: int) -> None:
    vmo = new_vmo(PAGE)
    clone = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    status, address = zx.zx_vmar_map(root, ZX_VM_PERM_READ, 0, clone, 0, PAGE)
    assert status == ZX_OK and zx.zx_handle_close(clone) == ZX_OK
    assert info(zx, vmo).num_children == 1
    assert zx.zx_vmar_unmap(root, address, PAGE) == ZX_OK
    assert info(zx, vmo).num_children == 0


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_vmo_set_size", "ZX_ERR_UNAVAILABLE")
def test_a_slice_is_a_window(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(4 * PAGE)
    window = child(zx, vmo, ZX_VMO_CHILD_SLICE, PAGE, 2 * PAGE)
    assert zx.zx_vmo_write(window, b"through", PAGE - 3) == ZX_OK
    assert read(zx, vmo, 2 * PAGE - 3, 7) == b"through"
    assert zx.zx_vmo_read(window, 2 * PAGE, 1)[0] == ZX_ERR_OUT_OF_RANGE
    assert info(zx, window).committed_bytes == 0 and info(zx, vmo).committed_bytes == 2 * PAGE
    inner = child(zx, window, ZX_VMO_CHILD_SLICE, PAGE, PAGE)
    assert read(zx, inner, 0, 4) == b"ough"
    assert zx.zx_vmo_set_size(window, PAGE) == ZX_ERR_UNAVAILABLE
    assert op(zx, inner, ZX_VMO_OP_DECOMMIT, 0, PAGE) == ZX_OK
    assert info(zx, vmo).committed_bytes == PAGE
    assert zx.zx_handle_close(vmo) == ZX_OK and zx.zx_handle_close(window) == ZX_OK
    assert zx.zx_vmo_write(inner, b"still", 0) == ZX_OK and read(zx, inner, 0, 5) == b"still"


@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_a_slice_cannot_be_snapshot(zx: Any, new_vmo: Create, kind: int) -> None:
    window = child(zx, new_vmo(2 * PAGE), ZX_VMO_CHILD_SLICE, 0, PAGE)
    assert zx.zx_vmo_create_child(window, kind, 0, PAGE)[0] == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_vmo_create_child(window, kind, 0, 2 * PAGE)[0] == ZX_ERR_OUT_OF_RANGE


@pytest.mark.shows("zx_vmo_set_size", "ZX_ERR_ACCESS_DENIED")
def test_a_reference_is_the_same_memory(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE, ZX_VMO_RESIZABLE)
    reference = child(zx, vmo, ZX_VMO_CHILD_REFERENCE | ZX_VMO_CHILD_RESIZABLE, 0, 0)
    assert zx.zx_vmo_set_size(reference, 2 * PAGE) == ZX_OK
    assert zx.zx_vmo_get_size(vmo) == (ZX_OK, 2 * PAGE)
    assert zx.zx_vmo_write(reference, b"x", PAGE) == ZX_OK and read(zx, vmo, PAGE, 1) == b"x"
    assert zx.zx_vmo_set_stream_size(vmo, 7) == ZX_OK
    assert zx.zx_vmo_get_stream_size(reference) == (ZX_OK, 7)
    fixed = child(zx, vmo, ZX_VMO_CHILD_REFERENCE, 0, 0)
    assert zx.zx_vmo_set_size(fixed, 0) == ZX_ERR_ACCESS_DENIED
    clone = child(zx, fixed, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    assert zx.zx_vmo_write(vmo, b"new", 0) == ZX_OK and read(zx, clone, 0, 3) == bytes(3)


@pytest.mark.parametrize(
    ("options", "offset", "size", "status"),
    [
        (0, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SNAPSHOT_MODIFIED, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SNAPSHOT | 1 << 20, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (1 << 20, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SNAPSHOT, 0, U64, ZX_ERR_OUT_OF_RANGE),
        (ZX_VMO_CHILD_NO_WRITE | ZX_VMO_CHILD_RESIZABLE, 0, U64, ZX_ERR_OUT_OF_RANGE),  # the size comes first
        (
            ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_NO_WRITE | ZX_VMO_CHILD_RESIZABLE,
            0,
            PAGE,
            ZX_ERR_INVALID_ARGS,
        ),
        (ZX_VMO_CHILD_SNAPSHOT, 1, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SNAPSHOT, U64 - PAGE + 1, PAGE, ZX_ERR_OUT_OF_RANGE),
        (ZX_VMO_CHILD_SLICE | ZX_VMO_CHILD_RESIZABLE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SLICE, 1, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SLICE, PAGE, 2 * PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_SLICE, 0, 3 * PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_REFERENCE | ZX_VMO_CHILD_SNAPSHOT, 0, 0, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_REFERENCE, 0, PAGE, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_REFERENCE, PAGE, 0, ZX_ERR_INVALID_ARGS),
        (ZX_VMO_CHILD_REFERENCE | ZX_VMO_CHILD_RESIZABLE, 0, 0, ZX_ERR_ACCESS_DENIED),
    ],
)
@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_INVALID_ARGS")
def test_create_child_refuses(
    zx: Any, new_vmo: Create, options: int, offset: int, size: int, status: int
) -> None:
    vmo = new_vmo(2 * PAGE)
    assert zx.zx_vmo_create_child(vmo, options, offset, size) == (status, 0)
    assert info(zx, vmo).num_children == 0


@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_NOT_SUPPORTED")
def test_resizable_vmos_have_no_slices_and_slices_no_references(zx: Any, new_vmo: Create) -> None:
    resizable = new_vmo(PAGE, ZX_VMO_RESIZABLE)
    assert zx.zx_vmo_create_child(resizable, ZX_VMO_CHILD_SLICE, 0, PAGE)[0] == ZX_ERR_NOT_SUPPORTED
    window = child(zx, new_vmo(PAGE), ZX_VMO_CHILD_SLICE, 0, PAGE)
    assert zx.zx_vmo_create_child(window, ZX_VMO_CHILD_REFERENCE, 0, 0)[0] == ZX_ERR_NOT_SUPPORTED


@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_ACCESS_DENIED")
def test_a_resizable_reference_is_for_who_may_resize(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    resizable, fixed = new_vmo(PAGE, ZX_VMO_RESIZABLE), new_vmo(PAGE)
    options = ZX_VMO_CHILD_REFERENCE | ZX_VMO_CHILD_RESIZABLE
    for vmo in (resizable, fixed):
        without = with_rights(vmo, ALL & ~ZX_RIGHT_RESIZE)
        assert zx.zx_vmo_create_child(without, options, 0, 0)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_vmo_create_child(with_rights(fixed, ALL), options, 0, 0)[0] == ZX_ERR_NOT_SUPPORTED
    assert child(zx, resizable, options, 0, 0)


@pytest.mark.parametrize("kind", SNAPSHOTS)
def test_a_snapshot_reaches_no_further_than_64_bits_from_its_oldest_ancestor(
    zx: Any, new_vmo: Create, kind: int
) -> None:
    half = 1 << 63
    first = child(zx, new_vmo(PAGE), kind | ZX_VMO_CHILD_RESIZABLE, half // 2, PAGE)
    second = child(zx, first, kind | ZX_VMO_CHILD_RESIZABLE, half // 2, PAGE)
    last = child(zx, second, kind, half - 2 * PAGE, PAGE)
    assert zx.zx_vmo_create_child(second, kind, half - PAGE, PAGE)[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmo_create_child(last, kind, PAGE, PAGE)[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmo_set_size(second, half - PAGE) == ZX_OK
    assert zx.zx_vmo_set_size(second, half - PAGE + 1) == ZX_ERR_INVALID_ARGS


def test_the_rights_of_children(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    vmo = new_vmo(PAGE)
    least = ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ
    always = least | ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY
    poor, rich = (
        with_rights(vmo, least),
        with_rights(vmo, least | ZX_RIGHT_EXECUTE | ZX_RIGHT_WRITE | ZX_RIGHT_RESIZE),
    )
    for kind in SNAPSHOTS:
        assert rights_of(zx, child(zx, poor, kind, 0, PAGE)) == always | ZX_RIGHT_WRITE
        assert rights_of(zx, child(zx, rich, kind, 0, PAGE)) == always | ZX_RIGHT_WRITE
        assert (
            rights_of(zx, child(zx, rich, kind | ZX_VMO_CHILD_NO_WRITE, 0, PAGE)) == always | ZX_RIGHT_EXECUTE
        )
        resizable = rights_of(zx, child(zx, poor, kind | ZX_VMO_CHILD_RESIZABLE, 0, PAGE))
        assert resizable == always | ZX_RIGHT_WRITE | ZX_RIGHT_RESIZE
    assert rights_of(zx, child(zx, poor, ZX_VMO_CHILD_SLICE, 0, PAGE)) == always
    assert (
        rights_of(zx, child(zx, rich, ZX_VMO_CHILD_SLICE, 0, PAGE))
        == always | ZX_RIGHT_EXECUTE | ZX_RIGHT_WRITE
    )


def test_a_child_takes_the_name_where_it_may_be_known(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    vmo = new_vmo(PAGE)
    assert zx.zx_object_set_property(vmo, ZX_PROP_NAME, b"parent") == ZX_OK
    named = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    assert bytes(info(zx, named).name).rstrip(b"\0") == b"parent"
    blind = with_rights(vmo, ZX_RIGHT_DUPLICATE | ZX_RIGHT_READ)
    assert bytes(info(zx, child(zx, blind, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)).name).rstrip(b"\0") == b""


def test_a_snapshot_without_write_is_immutable(zx: Any, new_vmo: Create) -> None:
    vmo = new_vmo(PAGE)
    frozen = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_NO_WRITE, 0, PAGE)
    assert info(zx, frozen).flags & ZX_INFO_VMO_IMMUTABLE
    modified = child(zx, vmo, ZX_VMO_CHILD_SNAPSHOT_MODIFIED | ZX_VMO_CHILD_NO_WRITE, 0, PAGE)
    assert not info(zx, modified).flags & ZX_INFO_VMO_IMMUTABLE


def test_a_child_of_odd_size_has_it_as_its_stream_size(zx: Any, new_vmo: Create) -> None:
    clone = child(zx, new_vmo(PAGE), ZX_VMO_CHILD_SNAPSHOT, 0, 100)
    assert zx.zx_vmo_get_size(clone) == (ZX_OK, PAGE)
    assert zx.zx_vmo_get_stream_size(clone) == (ZX_OK, 100)


# ---- zx_vmo_transfer_data
# --------------------------------------------------------------------------------------------------


def test_transferred_pages_change_their_owner(zx: Any, new_vmo: Create) -> None:
    source, target = new_vmo(3 * PAGE), new_vmo(3 * PAGE)
    assert zx.zx_vmo_write(source, b"a" * PAGE + b"b" * PAGE, 0) == ZX_OK
    assert zx.zx_vmo_write(target, b"z" * 3 * PAGE, 0) == ZX_OK
    allocated = zx.call.kernel.memory.allocated
    assert zx.zx_vmo_transfer_data(target, 0, PAGE, 2 * PAGE, source, PAGE) == ZX_OK
    assert read(zx, target, 0, 3 * PAGE) == b"z" * PAGE + b"b" * PAGE + bytes(PAGE)
    assert read(zx, source, 0, 3 * PAGE) == b"a" * PAGE + bytes(2 * PAGE)
    assert zx.call.kernel.memory.allocated == allocated - 2


@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_OUT_OF_RANGE")
def test_transfer_data_refuses(zx: Any, new_vmo: Create, with_rights: Rights) -> None:
    source, target = new_vmo(2 * PAGE), new_vmo(2 * PAGE)
    transfer = zx.zx_vmo_transfer_data
    assert transfer(target, 1, 0, PAGE, source, 0) == ZX_ERR_INVALID_ARGS
    for offset, size, at in ((1, PAGE, 0), (0, 1, 0), (0, PAGE, 1)):
        assert transfer(ZX_HANDLE_INVALID, 0, offset, size, source, at) == ZX_ERR_INVALID_ARGS
    assert transfer(ZX_HANDLE_INVALID, 0, 0, PAGE, source, 0) == ZX_ERR_BAD_HANDLE
    assert transfer(target, 0, 0, PAGE, ZX_HANDLE_INVALID, 0) == ZX_ERR_BAD_HANDLE
    _, event = zx.zx_event_create(0)
    assert transfer(event, 0, 0, PAGE, source, 0) == ZX_ERR_WRONG_TYPE
    assert transfer(target, 0, 0, PAGE, event, 0) == ZX_ERR_WRONG_TYPE
    assert transfer(with_rights(target, ALL & ~ZX_RIGHT_WRITE), 0, 0, PAGE, source, 0) == ZX_ERR_ACCESS_DENIED
    for right in (ZX_RIGHT_READ, ZX_RIGHT_WRITE):
        assert transfer(target, 0, 0, PAGE, with_rights(source, ALL & ~right), 0) == ZX_ERR_ACCESS_DENIED
    assert transfer(target, 0, PAGE, 2 * PAGE, source, 0) == ZX_ERR_OUT_OF_RANGE
    assert transfer(target, 0, 0, 2 * PAGE, source, PAGE) == ZX_ERR_OUT_OF_RANGE
    assert transfer(target, 0, 0, PAGE, target, 0) == ZX_OK


@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_NO_MEMORY")
@pytest.mark.shows("zx_pager_supply_pages", "ZX_ERR_NO_MEMORY")
def test_shared_pages_are_copied_before_they_move_if_there_is_memory(zx: Any, new_vmo: Create) -> None:
    """A snapshot shares them with its parent, which keeps its own."""
    memory = zx.call.kernel.memory
    parent, target = new_vmo(PAGE), new_vmo(PAGE)
    assert zx.zx_vmo_write(parent, b"shared", 0) == ZX_OK
    clone = child(zx, parent, ZX_VMO_CHILD_SNAPSHOT, 0, PAGE)
    (_, pager), (_, port) = zx.zx_pager_create(0), zx.zx_port_create(0)
    _, paged = zx.zx_pager_create_vmo(pager, 0, port, 0, PAGE)
    full = new_vmo(1 << 40)
    assert op(zx, full, ZX_VMO_OP_COMMIT, 0, (memory.frames - memory.allocated) * PAGE) == ZX_OK
    assert zx.zx_vmo_transfer_data(target, 0, 0, PAGE, clone, 0) == ZX_ERR_NO_MEMORY
    assert zx.zx_pager_supply_pages(pager, paged, 0, PAGE, clone, 0) == ZX_ERR_NO_MEMORY
    assert read(zx, clone, 0, 6) == b"shared"
    assert zx.zx_handle_close(full) == ZX_OK
    assert zx.zx_vmo_transfer_data(target, 0, 0, PAGE, clone, 0) == ZX_OK
    assert read(zx, target, 0, 6) == read(zx, parent, 0, 6) == b"shared"


# ---- zx_vmo_replace_as_executable
# ------------------------------------------------------------------------------------------


def test_a_handle_becomes_executable(zx: Any, new_vmo: Create, root_resource: int) -> None:
    vmo = new_vmo(PAGE)
    status, executable = zx.zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID)
    assert status == ZX_OK and rights_of(zx, executable) == ZX_DEFAULT_VMO_RIGHTS | ZX_RIGHT_EXECUTE
    assert zx.zx_vmo_get_size(vmo)[0] == ZX_ERR_BAD_HANDLE
    status, _ = zx.zx_vmo_replace_as_executable(new_vmo(PAGE), root_resource)
    assert status == ZX_OK


def test_replace_as_executable_refuses_and_consumes(
    zx: Any, new_vmo: Create, deny: Callable[[int], None], root_resource: int
) -> None:
    vmo = new_vmo(PAGE)
    _, event = zx.zx_event_create(0)
    replace = zx.zx_vmo_replace_as_executable
    assert replace(ZX_HANDLE_INVALID, ZX_HANDLE_INVALID)[0] == ZX_ERR_BAD_HANDLE
    assert replace(event, ZX_HANDLE_INVALID)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    _, event = zx.zx_event_create(0)
    assert replace(vmo, event)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_handle_close(vmo) == ZX_ERR_BAD_HANDLE
    assert replace(new_vmo(PAGE), event + 4000)[0] == ZX_ERR_BAD_HANDLE
    deny(ZX_POL_AMBIENT_MARK_VMO_EXEC)
    vmo = new_vmo(PAGE)
    assert replace(vmo, ZX_HANDLE_INVALID)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_handle_close(vmo) == ZX_ERR_BAD_HANDLE
    assert replace(new_vmo(PAGE), root_resource)[0] == ZX_OK


def test_every_page_comes_back(zx: Any, new_vmo: Create, root: int) -> None:
    kernel = zx.call.kernel
    before = (kernel.memory.allocated, len(zx.call.handles))
    vmo = new_vmo(8 * PAGE)
    handles = [vmo]
    for kind in (*SNAPSHOTS, ZX_VMO_CHILD_SLICE):
        assert zx.zx_vmo_write(vmo, b"x" * 8 * PAGE, 0) == ZX_OK
        handles.append(child(zx, vmo, kind, 0, 4 * PAGE))
    status, address = zx.zx_vmar_map(root, ZX_VM_PERM_READ, 0, handles[1], 0, 4 * PAGE)
    assert status == ZX_OK
    for handle in handles:
        assert zx.zx_handle_close(handle) == ZX_OK
    assert zx.zx_vmar_unmap(root, address, 4 * PAGE) == ZX_OK
    assert (kernel.memory.allocated, len(zx.call.handles)) == before
