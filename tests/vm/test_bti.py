"""Pinned and contiguous memory. Source: docs/reference/syscalls/{iommu_create,bti_*,pmt_unpin,vmo_create_contiguous}.md,
zircon/system/utest/core/bti/.
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import (
    Bti,
    BtiOptions,
    Iommu,
    Kernel,
    Resource,
    Vmo,
    VmoChildOptions,
    VmoOp,
    VmoOptions,
    ZxBadState,
    ZxInvalidArgs,
    ZxNoMemory,
    ZxNotSupported,
    ZxOutOfRange,
)
from jacinth.abi import (
    ZX_BTI_COMPRESS,
    ZX_BTI_CONTIGUOUS,
    ZX_BTI_PERM_EXECUTE,
    ZX_BTI_PERM_READ,
    ZX_BTI_PERM_WRITE,
    ZX_CACHE_POLICY_UNCACHED,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_UNAVAILABLE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_VMO_CONTIGUOUS,
    ZX_IOMMU_MAX_DESC_LEN,
    ZX_IOMMU_TYPE_INTEL,
    ZX_IOMMU_TYPE_STUB,
    ZX_OK,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WRITE,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_DECOMMIT,
    ZX_VMO_CHILD_REFERENCE,
    ZX_VMO_CHILD_SLICE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
)

shows = pytest.mark.shows
PAGE = 4096
RW = BtiOptions.PERM_READ | BtiOptions.PERM_WRITE


@pytest.fixture
def iommu(k: Kernel) -> Iommu[Kernel]:
    return Iommu.create(Resource(k, k.host.root_resource))


@pytest.fixture
def bti(iommu: Iommu[Kernel]) -> Bti[Kernel]:
    return iommu.create_bti(0xDEADBEEF)


@pytest.fixture
def vmo(k: Kernel) -> Vmo[Kernel]:
    return Vmo.create(4 * PAGE, caller=k)


# Making


@shows("zx_iommu_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_iommu_create", "ZX_ERR_WRONG_TYPE")
@shows("zx_iommu_create", "ZX_ERR_INVALID_ARGS")
@shows("zx_iommu_create", "ZX_ERR_NOT_SUPPORTED")
def test_an_iommu_is_checked(k: Kernel, zx: Any) -> None:
    root = k.host.root_resource
    assert zx.zx_iommu_create(0, ZX_IOMMU_TYPE_STUB, b"\0") == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_iommu_create(k.host.process, ZX_IOMMU_TYPE_STUB, b"\0") == (ZX_ERR_WRONG_TYPE, 0)
    assert (
        zx.zx_iommu_create(root, ZX_IOMMU_TYPE_STUB, bytes(ZX_IOMMU_MAX_DESC_LEN + 1))[0]
        == ZX_ERR_INVALID_ARGS
    )
    assert zx.zx_iommu_create(root, ZX_IOMMU_TYPE_INTEL, bytes(16)) == (ZX_ERR_NOT_SUPPORTED, 0)
    assert zx.zx_iommu_create(root, ZX_IOMMU_TYPE_STUB, b"") == (ZX_ERR_INVALID_ARGS, 0)
    assert zx.zx_iommu_create(root, ZX_IOMMU_TYPE_STUB, b"\0")[0] == ZX_OK


@shows("zx_bti_create", "ZX_ERR_INVALID_ARGS")
@shows("zx_bti_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_bti_create", "ZX_ERR_WRONG_TYPE")
def test_a_bti_is_checked(k: Kernel, zx: Any, iommu: Iommu[Kernel]) -> None:
    assert zx.zx_bti_create(0, 1, 5) == (ZX_ERR_INVALID_ARGS, 0)
    assert zx.zx_bti_create(0, 0, 5) == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_bti_create(k.host.process, 0, 5) == (ZX_ERR_WRONG_TYPE, 0)


def test_a_bti_has_a_name(bti: Bti[Kernel]) -> None:
    bti.name = "disk"
    assert bti.name == "disk"


# Pinning


def test_pinning_commits_and_says_where(k: Kernel, bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    addresses, pmt = bti.pin(vmo, PAGE, 2 * PAGE, RW)
    assert vmo.info.committed_bytes == 2 * PAGE
    assert len(set(addresses)) == 2
    vmo.write(b"here", 2 * PAGE)
    assert k.memory.view[addresses[1] : addresses[1] + 4] == b"here"
    assert bti.info.pmo_count == 1
    pmt.unpin()
    assert (bti.info.pmo_count, bti.info.quarantine_count) == (0, 0)


def test_compressed_addresses_are_one_for_each_contiguous_block(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    assert bti.info.minimum_contiguity == PAGE
    addresses, pmt = bti.pin(vmo, 0, 4 * PAGE, RW | BtiOptions.COMPRESS)
    assert len(addresses) == 4
    pmt.unpin()


@shows("zx_bti_pin", "ZX_ERR_INVALID_ARGS")
def test_no_more_addresses_are_told_than_fill_64_pages(zx: Any, bti: Bti[Kernel]) -> None:
    most = 64 * PAGE // 8
    assert zx.zx_bti_pin(bti.raw, 0, 0, 0, PAGE, most + 1)[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_bti_pin(bti.raw, 0, 0, 0, PAGE, most)[0] == ZX_ERR_BAD_HANDLE


@shows("zx_vmo_op_range", "ZX_ERR_BAD_STATE")
def test_pinned_pages_are_not_decommitted(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    addresses, pmt = bti.pin(vmo, 0, PAGE, RW)
    with pytest.raises(ZxBadState):
        vmo.op_range(VmoOp.DECOMMIT, 0, 2 * PAGE)
    vmo.op_range(VmoOp.DECOMMIT, PAGE, PAGE)  # beside it
    vmo.write(b"x", 0)
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    assert vmo.read(0, 1) == b"\0"
    pmt.unpin()
    again, pmt = bti.pin(vmo, 0, PAGE, RW)
    assert again == addresses  # zeroed where it was
    pmt.unpin()
    vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)
    assert vmo.info.committed_bytes == 0


@shows("zx_vmo_set_size", "ZX_ERR_BAD_STATE")
def test_a_size_that_would_discard_pinned_pages_is_refused(k: Kernel, bti: Bti[Kernel]) -> None:
    vmo = Vmo.create(4 * PAGE, VmoOptions.RESIZABLE, caller=k)
    _, pmt = bti.pin(vmo, PAGE, PAGE, RW)
    with pytest.raises(ZxBadState):
        vmo.set_size(PAGE)
    vmo.set_size(2 * PAGE)
    pmt.unpin()
    vmo.set_size(PAGE)


@shows("zx_vmo_create_child", "ZX_ERR_BAD_STATE")
def test_what_is_pinned_has_no_snapshot(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    with pytest.raises(ZxBadState):
        vmo.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE)
    pmt.unpin()


def test_a_page_is_pinned_as_often_as_it_is_unpinned(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    _, one = bti.pin(vmo, 0, 2 * PAGE, RW)
    _, two = bti.pin(vmo, PAGE, 2 * PAGE, RW)
    one.unpin()
    with pytest.raises(ZxBadState):
        vmo.op_range(VmoOp.DECOMMIT, PAGE, PAGE)
    vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)
    two.unpin()
    vmo.op_range(VmoOp.DECOMMIT, 0, 4 * PAGE)


def test_a_pin_keeps_the_vmo(k: Kernel, bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    before = k.memory.allocated
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    vmo.close()
    assert k.memory.allocated == before + 1
    pmt.unpin()
    assert k.memory.allocated == before


@shows("zx_bti_pin", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    ("options", "offset", "size", "count"),
    [
        (0, 0, PAGE, 1),
        (ZX_BTI_PERM_READ, 1, PAGE, 1),
        (ZX_BTI_PERM_READ, 0, PAGE + 1, 1),
        (ZX_BTI_PERM_READ, 0, 0, 0),
        (ZX_BTI_PERM_READ, 0, 2 * PAGE, 1),
        (ZX_BTI_PERM_READ, 0, 2 * PAGE, 3),
        (ZX_BTI_PERM_READ | 1 << 10, 0, PAGE, 1),
        (ZX_BTI_PERM_READ | ZX_BTI_CONTIGUOUS, 0, PAGE, 1),
        (ZX_BTI_PERM_READ | ZX_BTI_CONTIGUOUS | ZX_BTI_COMPRESS, 0, PAGE, 1),
    ],
)
def test_arguments_of_a_pin_are_checked(
    zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel], options: int, offset: int, size: int, count: int
) -> None:
    assert zx.zx_bti_pin(bti.raw, options, vmo.raw, offset, size, count)[0] == ZX_ERR_INVALID_ARGS
    assert (bti.info.pmo_count, bti.info.quarantine_count) == (0, 0)
    vmo.op_range(VmoOp.DECOMMIT, 0, 4 * PAGE)  # nothing stays pinned


@shows("zx_bti_pin", "ZX_ERR_OUT_OF_RANGE")
def test_a_pin_lies_in_the_vmo(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    for offset, size in ((4 * PAGE, PAGE), (0, 5 * PAGE), (1 << 60, PAGE)):
        with pytest.raises(ZxOutOfRange):
            bti.pin(vmo, offset, size, RW)


@shows("zx_bti_pin", "ZX_ERR_NO_MEMORY")
def test_a_pin_needs_memory(k: Kernel, bti: Bti[Kernel]) -> None:
    vmo = Vmo.create(128 << 20, caller=k)
    with pytest.raises(ZxNoMemory):
        bti.pin(vmo, 0, 128 << 20, RW)
    assert vmo.info.committed_bytes == 0


@shows("zx_bti_pin", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.parametrize(
    ("missing", "option"),
    [
        (ZX_RIGHT_MAP, ZX_BTI_PERM_READ),
        (ZX_RIGHT_READ, ZX_BTI_PERM_READ),
        (ZX_RIGHT_READ, ZX_BTI_PERM_EXECUTE),
        (ZX_RIGHT_WRITE, ZX_BTI_PERM_WRITE),
    ],
)
def test_a_permission_needs_its_right(
    zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel], missing: int, option: int
) -> None:
    less = vmo.duplicate(int(vmo.rights) & ~missing)
    assert zx.zx_bti_pin(bti.raw, option, less.raw, 0, PAGE, 1)[0] == ZX_ERR_ACCESS_DENIED


# Quarantine


@shows("zx_bti_pin", "ZX_ERR_BAD_STATE")
def test_a_forgotten_pin_is_quarantined_until_it_is_released(bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    pmt.close()
    assert (bti.info.pmo_count, bti.info.quarantine_count) == (1, 1)
    with pytest.raises(ZxBadState):
        vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)
    with pytest.raises(ZxBadState):
        bti.pin(vmo, 2 * PAGE, PAGE, RW)
    bti.release_quarantine()
    assert (bti.info.pmo_count, bti.info.quarantine_count) == (0, 0)
    vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)


@pytest.mark.parametrize("bti_first", [False, True])
def test_without_a_bti_nothing_stays_in_quarantine(
    k: Kernel, bti: Bti[Kernel], vmo: Vmo[Kernel], bti_first: bool
) -> None:
    before = k.memory.allocated
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    vmo.close()
    for handle in (bti, pmt) if bti_first else (pmt, bti):
        handle.close()
    assert k.memory.allocated == before


@shows("zx_pmt_unpin", "ZX_ERR_BAD_HANDLE")
@shows("zx_pmt_unpin", "ZX_ERR_WRONG_TYPE")
def test_unpinning_closes_the_handle_whatever_it_is(zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    raw = pmt.raw
    pmt.unpin()
    assert zx.zx_pmt_unpin(raw) == ZX_ERR_BAD_HANDLE
    _, other = zx.zx_handle_duplicate(vmo.raw, ZX_RIGHT_SAME_RIGHTS)
    assert zx.zx_pmt_unpin(other) == ZX_ERR_WRONG_TYPE
    assert zx.zx_handle_close(other) == ZX_ERR_BAD_HANDLE


@shows("zx_bti_release_quarantine", "ZX_ERR_ACCESS_DENIED")
def test_releasing_needs_write(zx: Any, bti: Bti[Kernel]) -> None:
    less = bti.duplicate(int(bti.rights) & ~ZX_RIGHT_WRITE)
    assert zx.zx_bti_release_quarantine(less.raw) == ZX_ERR_ACCESS_DENIED


# Contiguous memory


def test_contiguous_pages_lie_together(bti: Bti[Kernel]) -> None:
    vmo = bti.create_contiguous_vmo(5 * PAGE)
    info = vmo.info
    assert info.flags & ZX_INFO_VMO_CONTIGUOUS
    assert info.committed_bytes == 5 * PAGE
    assert vmo.read(0, 5 * PAGE) == bytes(5 * PAGE)
    each, pmt = bti.pin(vmo, 0, 5 * PAGE, RW)
    assert each == [each[0] + PAGE * page for page in range(5)]
    [start], whole = bti.pin(vmo, 0, 5 * PAGE, RW | BtiOptions.CONTIGUOUS)
    assert start == each[0]
    pmt.unpin()
    whole.unpin()


@pytest.mark.parametrize("log2", [12, 13, 16, 20])
def test_they_are_aligned(bti: Bti[Kernel], log2: int) -> None:
    vmo = bti.create_contiguous_vmo(2 * PAGE, log2)
    [address], pmt = bti.pin(vmo, 0, 2 * PAGE, RW | BtiOptions.CONTIGUOUS)
    assert address % (1 << log2) == 0
    pmt.unpin()


def test_free_frames_that_lie_together_are_found(bti: Bti[Kernel]) -> None:
    half = bti.create_contiguous_vmo(32 << 20)
    half.write(b"used", 31 << 20)
    with pytest.raises(ZxNoMemory):
        bti.create_contiguous_vmo(33 << 20)
    half.close()
    vmo = bti.create_contiguous_vmo(33 << 20)
    assert vmo.read(31 << 20, 4) == bytes(4)
    vmo.close()


@shows("zx_vmo_create_contiguous", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(("size", "log2"), [(0, 0), (PAGE - 1, 0), (PAGE, 11), (PAGE, 64), (PAGE, 1 << 31)])
def test_size_and_alignment_are_checked_first(zx: Any, size: int, log2: int) -> None:
    assert zx.zx_vmo_create_contiguous(0, size, log2) == (ZX_ERR_INVALID_ARGS, 0)


@shows("zx_vmo_create_contiguous", "ZX_ERR_BAD_HANDLE")
@shows("zx_vmo_create_contiguous", "ZX_ERR_WRONG_TYPE")
@shows("zx_vmo_create_contiguous", "ZX_ERR_ACCESS_DENIED")
@shows("zx_vmo_create_contiguous", "ZX_ERR_NO_MEMORY")
def test_a_contiguous_vmo_needs_a_bti_and_memory(zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    create = zx.zx_vmo_create_contiguous
    assert create(0, PAGE, 0)[0] == ZX_ERR_BAD_HANDLE
    assert create(vmo.raw, PAGE, 0)[0] == ZX_ERR_WRONG_TYPE
    less = bti.duplicate(int(bti.rights) & ~ZX_RIGHT_MAP)
    assert create(less.raw, PAGE, 0)[0] == ZX_ERR_ACCESS_DENIED
    with pytest.raises(ZxNoMemory):
        bti.create_contiguous_vmo(1 << 40)


def test_contiguous_pages_stay(bti: Bti[Kernel]) -> None:
    vmo = bti.create_contiguous_vmo(2 * PAGE)
    with pytest.raises(ZxNotSupported):
        vmo.op_range(VmoOp.DECOMMIT, 0, PAGE)
    with pytest.raises(ZxInvalidArgs):
        vmo.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE)
    vmo.write(b"x", 0)
    vmo.op_range(VmoOp.ZERO, 0, 2 * PAGE)
    assert vmo.read(0, 1) == b"\0"
    assert vmo.info.committed_bytes == 2 * PAGE
    part = vmo.create_child(VmoChildOptions.SLICE, PAGE, PAGE)
    part.write(b"y", 0)
    assert vmo.read(PAGE, 1) == b"y"


def test_closing_it_gives_the_memory_back(k: Kernel, bti: Bti[Kernel]) -> None:
    before = k.memory.allocated
    bti.create_contiguous_vmo(8 * PAGE).close()
    assert k.memory.allocated == before


def test_a_pin_that_fails_leaves_nothing_pinned(
    k: Kernel, zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel]
) -> None:
    k.faults.no_memory(nth=2)
    assert zx.zx_bti_pin(bti.raw, int(RW), vmo.raw, 0, 3 * PAGE, 3)[0] == ZX_ERR_NO_MEMORY
    k.faults.clear()
    assert (bti.info.pmo_count, bti.info.quarantine_count) == (0, 0)
    vmo.op_range(VmoOp.DECOMMIT, 0, 4 * PAGE)


# What calls of VMOs say to such memory


@shows("zx_vmo_set_stream_size", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_vmar_op_range", "ZX_ERR_NOT_SUPPORTED")
def test_contiguous_memory_has_no_content_size_and_is_not_decommitted(
    k: Kernel, zx: Any, bti: Bti[Kernel]
) -> None:
    status, vmo = zx.zx_vmo_create_contiguous(bti.raw, 2 * PAGE, 0)
    assert status == ZX_OK
    assert zx.zx_vmo_set_stream_size(vmo, PAGE) == ZX_ERR_NOT_SUPPORTED
    root = k.host.root_vmar
    status, address = zx.zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 2 * PAGE)
    assert status == ZX_OK
    assert zx.zx_vmar_op_range(root, ZX_VMAR_OP_DECOMMIT, address, PAGE, None)[0] == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_vmar_op_range(root, ZX_VMAR_OP_COMMIT, address, PAGE, None)[0] == ZX_OK


@shows("zx_vmo_create_child", "ZX_ERR_INVALID_ARGS")
@shows("zx_vmo_create_child", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_vmo_set_size", "ZX_ERR_UNAVAILABLE")
def test_contiguous_memory_has_slices_and_no_other_children(zx: Any, bti: Bti[Kernel]) -> None:
    vmo = bti.create_contiguous_vmo(2 * PAGE).raw
    status, window = zx.zx_vmo_create_child(vmo, ZX_VMO_CHILD_SLICE, PAGE, PAGE)
    assert status == ZX_OK
    for parent in (vmo, window):
        for kind in (
            ZX_VMO_CHILD_SNAPSHOT,
            ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
            ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
        ):
            assert zx.zx_vmo_create_child(parent, kind, 0, 4 * PAGE)[0] == ZX_ERR_INVALID_ARGS
        assert zx.zx_vmo_create_child(parent, ZX_VMO_CHILD_REFERENCE, 0, 0)[0] == ZX_ERR_NOT_SUPPORTED
    for size in (PAGE, (1 << 64) - 1):
        assert zx.zx_vmo_set_size(vmo, size) == ZX_ERR_UNAVAILABLE


def test_a_slice_of_contiguous_memory_is_cached_as_it_is(k: Kernel, bti: Bti[Kernel]) -> None:
    vmo = bti.create_contiguous_vmo(2 * PAGE)
    assert k.host.sys.zx_vmo_set_cache_policy(vmo.raw, ZX_CACHE_POLICY_UNCACHED) == ZX_OK
    window = vmo.create_child(VmoChildOptions.SLICE, PAGE, PAGE)
    assert window.info.cache_policy == ZX_CACHE_POLICY_UNCACHED
    with pytest.raises(ZxBadState):
        window.read(0, 1)


@shows("zx_vmar_map", "ZX_ERR_NOT_SUPPORTED")
def test_contiguous_memory_has_no_faults_beyond_its_stream_size(k: Kernel, zx: Any, bti: Bti[Kernel]) -> None:
    vmo = bti.create_contiguous_vmo(PAGE)
    less = vmo.duplicate(int(vmo.rights) & ~ZX_RIGHT_MAP)
    for handle in (vmo, less):
        answer = zx.zx_vmar_map(k.host.root_vmar, ZX_VM_FAULT_BEYOND_STREAM_SIZE, 0, handle.raw, 0, PAGE)
        assert answer[0] == ZX_ERR_NOT_SUPPORTED


@shows("zx_vmo_transfer_data", "ZX_ERR_BAD_STATE")
def test_pinned_pages_stay_where_they_are(k: Kernel, zx: Any, bti: Bti[Kernel], vmo: Vmo[Kernel]) -> None:
    other = Vmo.create(4 * PAGE, caller=k)
    vmo.write(b"pinned")
    _, pmt = bti.pin(vmo, 0, PAGE, RW)
    assert zx.zx_vmo_transfer_data(other.raw, 0, 0, 2 * PAGE, vmo.raw, 0) == ZX_ERR_BAD_STATE
    assert zx.zx_vmo_transfer_data(vmo.raw, 0, 0, 2 * PAGE, other.raw, 0) == ZX_ERR_BAD_STATE
    assert zx.zx_vmo_transfer_data(other.raw, 0, PAGE, PAGE, vmo.raw, PAGE) == ZX_OK
    assert vmo.read(0, 6) == b"pinned"
    pmt.unpin()
    assert zx.zx_vmo_transfer_data(other.raw, 0, 0, PAGE, vmo.raw, 0) == ZX_OK
    assert other.read(0, 6) == b"pinned"
