"""zx_iob_* and zx_vmar_map_iob, call by call. Source: zircon/vdso/iob.fidl, utest/core/iob."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from jacinth import (
    Iob,
    IobAccess,
    IobDiscipline,
    IobRegion,
    IobSharedRegion,
    Signals,
    Vmo,
    ZxPeerClosed,
)
from jacinth.abi import (
    ZX_DEFAULT_IOB_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_IO_DATA_INTEGRITY,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NO_SPACE,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_IOB_REGIONS,
    ZX_INFO_PROCESS_VMOS,
    ZX_INFO_VMO_VIA_IOB_HANDLE,
    ZX_OK,
    ZX_POL_NEW_IOB,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMAR_OP_DECOMMIT,
    zx_info_vmo_t,
    zx_iob_discipline_t,
    zx_iob_region_info_t,
    zx_iob_region_shared_t,
    zx_iob_region_t,
    zx_iovec_t,
)
from jacinth.api.kernel import Kernel
from tests.vm.conftest import deny

__all__ = ["deny"]

PAGE = 4096
MAX = (1 << 64) - 1
EP0_RW = IobAccess.EP0_CAN_MAP_READ | IobAccess.EP0_CAN_MAP_WRITE
EP1_RW = IobAccess.EP1_CAN_MAP_READ | IobAccess.EP1_CAN_MAP_WRITE
RW = EP0_RW | EP1_RW
IDS = IobDiscipline.ID_ALLOCATOR
RING = IobDiscipline.MEDIATED_WRITE_RING_BUFFER


def config(
    access: int = RW, size: int = PAGE, discipline: int = 0, type_: int = 0, **more: Any
) -> zx_iob_region_t:
    return zx_iob_region_t(
        type=type_, access=access, size=size, discipline=zx_iob_discipline_t(type=discipline), **more
    )


def create(k: Kernel, *regions: IobRegion) -> tuple[Iob, Iob]:
    return Iob.create(regions, caller=k)


def plain(k: Kernel, access: int = RW, size: int = PAGE) -> tuple[Iob, Iob]:
    return create(k, IobRegion(access, size))


def with_ids(k: Kernel) -> tuple[Iob, Iob]:
    """Endpoint 0 maps the region, endpoint 1 allocates."""
    return create(k, IobRegion(EP0_RW | IobAccess.EP1_CAN_MEDIATED_WRITE, PAGE, IDS))


def ring(k: Kernel, pages: int = 2, tag: int = 7) -> tuple[IobSharedRegion, Iob, Iob]:
    """Endpoint 0 writes, endpoint 1 maps."""
    shared = IobSharedRegion.create(pages * PAGE, caller=k)
    access = IobAccess.EP0_CAN_MEDIATED_WRITE | EP1_RW
    return shared, *create(k, IobRegion(access, discipline=RING, shared=shared, tag=tag))


class Mapped:
    """A region mapped into the host's memory."""

    def __init__(self, k: Kernel, iob: Iob, size: int = PAGE, region: int = 0) -> None:
        self.k = k
        self.size = size
        self.address = k.root_vmar.map_iob(0, iob, region, 0, size)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.k.host.sys.call.memory.read_user(self.address + offset, size))

    def write(self, offset: int, data: bytes) -> None:
        self.k.host.sys.call.memory.write_user(self.address + offset, data)

    def unmap(self) -> None:
        self.k.root_vmar.unmap(self.address, self.size)


def closed(iob: Iob) -> bool:
    _, signals = iob._caller.sys.zx_object_wait_one(iob.raw, Signals.IOB_PEER_CLOSED, 0)
    return bool(signals & Signals.IOB_PEER_CLOSED)


# ---- zx_iob_create


def test_both_endpoints_get_the_default_rights(k: Kernel) -> None:
    one, other = plain(k)
    assert one.rights == other.rights == ZX_DEFAULT_IOB_RIGHTS
    assert one.related_koid == other.koid


@pytest.mark.shows("zx_iob_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    "bad",
    [
        config(access=0),
        config(access=IobAccess.EP0_CAN_MAP_READ | IobAccess.EP1_CAN_MAP_READ),
        config(type_=2),
        config(discipline=3),
        config(access=RW | IobAccess.EP0_CAN_MEDIATED_WRITE),
        config(access=RW | IobAccess.EP0_CAN_MEDIATED_READ, discipline=IDS),
        config(access=RW | IobAccess.EP1_CAN_MEDIATED_READ, discipline=IDS),
        config(size=0, discipline=IDS),
        config(discipline=RING),
        config(max_extension=b"\xff\x0f".ljust(32, b"\0")),
    ],
    ids=[
        "no access",
        "nobody writes",
        "type",
        "discipline",
        "mediated without a discipline",
        "ids that endpoint 0 only reads",
        "ids that endpoint 1 only reads",
        "ids without memory",
        "a ring of its own",
        "options of the VMO",
    ],
)
def test_invalid_args_for_a_region_that_cannot_be(k: Kernel, bad: zx_iob_region_t) -> None:
    zx = k.host.sys
    before, pages = len(zx.call.handles), k.memory.allocated
    assert zx.zx_iob_create(0, [config(), config(RW, PAGE, IDS), bad]) == (ZX_ERR_INVALID_ARGS, 0, 0)
    assert len(zx.call.handles) == before and k.memory.allocated == pages


@pytest.mark.shows("zx_iob_create", "ZX_ERR_OUT_OF_RANGE")
def test_sizes_and_counts_out_of_range(k: Kernel) -> None:
    zx = k.host.sys
    assert zx.zx_iob_create(0, [config()] * 64)[0] == ZX_OK
    assert zx.zx_iob_create(0, [config()] * 65)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_iob_create(0, [config(size=MAX)])[0] == ZX_ERR_OUT_OF_RANGE


def test_invalid_args_for_options_and_without_regions(k: Kernel) -> None:
    zx = k.host.sys
    assert zx.zx_iob_create(1, [config()])[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_iob_create(0, [])[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_iob_create(0, None)[0] == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_iob_create", "ZX_ERR_NO_MEMORY")
def test_no_memory_for_a_region_that_is_pinned(k: Kernel) -> None:
    zx = k.host.sys
    pages = k.memory.allocated
    assert zx.zx_iob_create(0, [config(RW, PAGE, IDS), config(RW, 1 << 40, IDS)])[0] == ZX_ERR_NO_MEMORY
    assert k.memory.allocated == pages


@pytest.mark.shows("zx_iob_create_shared_region", "ZX_ERR_ACCESS_DENIED")
def test_policy(k: Kernel, deny: Any) -> None:
    zx = k.host.sys
    deny(ZX_POL_NEW_IOB)
    assert zx.zx_iob_create(0, [config()])[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_iob_create_shared_region(0, PAGE)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_iob_create(1, [config()])[0] == ZX_ERR_INVALID_ARGS


# ---- Mapping


def test_both_endpoints_see_the_same_memory(k: Kernel) -> None:
    one, other = plain(k, size=2 * PAGE)
    here, there = Mapped(k, one, 2 * PAGE), Mapped(k, other, 2 * PAGE)
    here.write(4090, b"over the edge")
    assert there.read(4090, 13) == b"over the edge"


def map_status(k: Kernel, iob: Iob, options: int, region: int = 0, size: int = PAGE) -> int:
    return int(k.host.sys.zx_vmar_map_iob(k.host.root_vmar, options, 0, iob.raw, region, 0, size)[0])


@pytest.mark.parametrize(
    "rights", [ZX_RIGHT_MAP | ZX_RIGHT_READ | ZX_RIGHT_WRITE, ZX_RIGHT_MAP | ZX_RIGHT_READ, 0]
)
@pytest.mark.parametrize("access", [RW, EP0_RW, EP1_RW, EP0_RW | IobAccess.EP1_CAN_MAP_READ])
@pytest.mark.parametrize("number", [0, 1])
def test_a_mapping_has_what_the_access_and_both_handles_allow(
    k: Kernel, access: int, rights: int, number: int
) -> None:
    endpoint = plain(k, access)[number].duplicate(rights)
    mine = int(access) >> (4 * number)
    can_map = bool(rights & ZX_RIGHT_MAP) and bool(mine & 3)
    can_read = can_map and bool(mine & 1)
    can_write = can_read and bool(mine & 2) and bool(rights & ZX_RIGHT_WRITE)
    assert map_status(k, endpoint, ZX_VM_PERM_READ) == (ZX_OK if can_read else ZX_ERR_ACCESS_DENIED)
    both = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    assert map_status(k, endpoint, both) == (ZX_OK if can_write else ZX_ERR_ACCESS_DENIED)
    assert map_status(k, endpoint, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE) == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_vmar_map_iob", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_vmar_map_iob", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_vmar_map_iob", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_vmar_map_iob", "ZX_ERR_INVALID_ARGS")
def test_errors_of_mapping(k: Kernel) -> None:
    zx, vmar = k.host.sys, k.host.root_vmar
    one, _ = plain(k)
    _, event = zx.zx_event_create(0)
    assert map_status(k, one, ZX_VM_PERM_READ, region=1) == ZX_ERR_OUT_OF_RANGE
    assert map_status(k, one, ZX_VM_PERM_READ, size=0) == ZX_ERR_INVALID_ARGS
    assert map_status(k, one, ZX_VM_PERM_WRITE) == ZX_ERR_INVALID_ARGS
    faults = ZX_VM_PERM_READ | ZX_VM_ALLOW_FAULTS | ZX_VM_FAULT_BEYOND_STREAM_SIZE
    assert map_status(k, one, faults) == ZX_ERR_INVALID_ARGS
    for bad, status in ((0, ZX_ERR_BAD_HANDLE), (event, ZX_ERR_WRONG_TYPE)):
        assert zx.zx_vmar_map_iob(bad, ZX_VM_PERM_READ, 0, one.raw, 0, 0, PAGE)[0] == status
        assert zx.zx_vmar_map_iob(vmar, ZX_VM_PERM_READ, 0, bad, 0, 0, PAGE)[0] == status
    assert zx.zx_vmar_map_iob(vmar, ZX_VM_PERM_READ, 0, one.raw, 0, 5, PAGE)[0] == ZX_ERR_INVALID_ARGS


def test_an_endpoint_maps_although_the_other_is_gone(k: Kernel) -> None:
    one, other = plain(k)
    other.close()
    Mapped(k, one).write(0, b"still there")


# ---- The end of an endpoint


@pytest.mark.parametrize("number", [0, 1])
def test_an_endpoint_without_handles_is_closed_to_the_other(k: Kernel, number: int) -> None:
    pair = plain(k)
    assert not closed(pair[0]) and not closed(pair[1])
    pair[number].close()
    assert closed(pair[1 - number])
    with pytest.raises(ZxPeerClosed):
        pair[1 - number].signal_peer(0, Signals.USER_0)


def test_an_endpoint_with_mappings_is_not_closed(k: Kernel) -> None:
    one, other = create(k, IobRegion(RW, PAGE), IobRegion(RW, PAGE))
    first, second, third = Mapped(k, one), Mapped(k, one), Mapped(k, one, region=1)
    one.close()
    for mapped in (first, second, third):
        assert not closed(other)
        mapped.unmap()
    assert closed(other)


def test_mappings_that_go_first_close_nothing(k: Kernel) -> None:
    one, other = plain(k)
    Mapped(k, one).unmap()
    assert not closed(other)
    one.close()
    assert closed(other)


def test_a_part_of_a_mapping_keeps_an_endpoint(k: Kernel) -> None:
    one, other = plain(k, size=3 * PAGE)
    mapped = Mapped(k, one, 3 * PAGE)
    one.close()
    k.root_vmar.unmap(mapped.address + PAGE, PAGE)
    k.root_vmar.unmap(mapped.address, PAGE)
    assert not closed(other)
    k.root_vmar.unmap(mapped.address + 2 * PAGE, PAGE)
    assert closed(other)


def test_an_address_space_that_goes_closes_its_endpoint(k: Kernel) -> None:
    one, other = plain(k)
    process, vmar = k.root_job.create_child_process("p")
    zx = k.host.sys
    assert zx.zx_vmar_map_iob(vmar.raw, ZX_VM_PERM_READ, 0, one.raw, 0, 0, PAGE)[0] == ZX_OK
    one.close()
    assert not closed(other)
    process.kill()
    assert closed(other)


@pytest.mark.parametrize("mapped_longest", [False, True])
def test_nothing_is_left_behind(k: Kernel, mapped_longest: bool) -> None:
    k.root_vmar.map(0, Vmo.create(PAGE, caller=k), 0, PAGE)  # page tables that stay
    before = k.memory.allocated
    shared, one, other = ring(k)
    ids, allocator = with_ids(k)
    allocator.allocate_id(0, b"blob")
    mapped = [Mapped(k, other, 2 * PAGE), Mapped(k, ids)]
    mapped[0].write(0, b"\0")
    if not mapped_longest:
        for mapping in mapped:
            mapping.unmap()
    for handle in (one, shared, other, ids, allocator):
        handle.close()
    if mapped_longest:
        for mapping in mapped:
            mapping.unmap()
    assert k.memory.allocated == before


# ---- Information


def test_each_endpoint_is_number_0_in_its_own_eyes(k: Kernel) -> None:
    access = EP0_RW | IobAccess.EP1_CAN_MEDIATED_WRITE
    one, other = create(k, IobRegion(access, 5000, IDS), IobRegion(RW, PAGE))
    assert one.info.region_count == other.info.region_count == 2
    here, there = one.regions[0], other.regions[0]
    assert here.koid == there.koid != one.regions[1].koid
    assert here.region.size == there.region.size == 2 * PAGE
    assert here.region.access == access
    assert there.region.access == EP1_RW | IobAccess.EP0_CAN_MEDIATED_WRITE
    assert here.region.discipline.type == IDS


def test_as_many_regions_as_fit(k: Kernel) -> None:
    one, _ = create(k, *[IobRegion(RW, PAGE)] * 3)
    size = zx_iob_region_info_t.SIZE
    status, data, actual, available = k.host.sys.zx_object_get_info(one.raw, ZX_INFO_IOB_REGIONS, 2 * size)
    assert (status, len(data), actual, available) == (ZX_OK, 2 * size, 2, 3)


def test_the_memory_of_a_process_shows_its_regions(k: Kernel) -> None:
    one, _ = create(k, IobRegion(EP0_RW | IobAccess.EP1_CAN_MAP_READ, PAGE))
    mapped = Mapped(k, one)
    koid = one.regions[0].koid
    [mapping] = [entry for entry in k.root_vmar.maps() if entry.base == mapped.address and entry.type == 3]
    assert mapping.mapping.vmo_koid == koid
    status, data, *_ = k.host.sys.zx_object_get_info(k.host.process, ZX_INFO_PROCESS_VMOS, 1 << 16)
    assert status == ZX_OK
    size = zx_info_vmo_t.SIZE
    infos = [zx_info_vmo_t.unpack(data, at) for at in range(0, len(data), size)]
    rights = [
        info.handle_rights for info in infos if info.koid == koid and info.flags & ZX_INFO_VMO_VIA_IOB_HANDLE
    ]
    assert rights == [ZX_RIGHT_MAP | ZX_RIGHT_READ | ZX_RIGHT_WRITE, ZX_RIGHT_MAP | ZX_RIGHT_READ]


def test_a_name_is_that_of_the_private_regions(k: Kernel) -> None:
    shared, _, _ = ring(k)
    access = IobAccess.EP0_CAN_MEDIATED_WRITE
    one, other = create(k, IobRegion(RW, PAGE), IobRegion(access, discipline=RING, shared=shared))
    one.name = "a buffer"
    assert one.name == other.name == "a buffer"
    assert [region.views[1].name for region in k.host.sys.call.handle(one.raw).object.regions] == [
        b"a buffer",
        b"",
    ]  # type: ignore[attr-defined]


# ---- ID allocators


def header(mapped: Mapped) -> tuple[int, int]:
    """The next number, and where the last blob begins."""
    found: tuple[int, int] = struct.unpack("<II", mapped.read(0, 8))
    return found


def blob(mapped: Mapped, number: int) -> bytes:
    size, place = struct.unpack("<II", mapped.read(8 + 8 * number, 8))
    return mapped.read(place, size)


def test_blobs_are_numbered_and_can_be_found(k: Kernel) -> None:
    ids, allocator = with_ids(k)
    mapped = Mapped(k, ids)
    assert header(mapped) == (0, PAGE)
    blobs = [b"first", b"", b"the third", b"x" * 100]
    assert [allocator.allocate_id(0, data) for data in blobs] == [0, 1, 2, 3]
    assert [blob(mapped, number) for number in range(4)] == blobs
    assert header(mapped) == (4, PAGE - 114)


def test_user_code_allocates_in_the_same_way(k: Kernel) -> None:
    ids, allocator = with_ids(k)
    mapped = Mapped(k, ids)
    assert allocator.allocate_id(0, b"kernel") == 0
    mapped.write(0, struct.pack("<II", 2, PAGE - 10))
    mapped.write(PAGE - 10, b"user")
    mapped.write(16, struct.pack("<II", 4, PAGE - 10))
    assert allocator.allocate_id(0, b"kernel again") == 2
    assert [blob(mapped, number) for number in range(3)] == [b"kernel", b"user", b"kernel again"]


def allocate(iob: Iob, region: int = 0, data: bytes | None = b"blob", options: int = 0) -> int:
    return int(iob._caller.sys.zx_iob_allocate_id(iob.raw, options, region, data)[0])


@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_NO_MEMORY")
def test_no_memory_when_the_region_is_full(k: Kernel) -> None:
    ids, allocator = with_ids(k)
    mapped = Mapped(k, ids)
    assert allocate(allocator, data=bytes(PAGE - 15)) == ZX_ERR_NO_MEMORY
    assert allocate(allocator, data=bytes(PAGE - 16 - 9)) == ZX_OK
    assert allocate(allocator, data=b"12") == ZX_ERR_NO_MEMORY
    assert allocate(allocator, data=b"1") == ZX_OK
    assert allocate(allocator, data=b"") == ZX_ERR_NO_MEMORY
    assert header(mapped) == (2, 24)


@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_IO_DATA_INTEGRITY")
@pytest.mark.parametrize(
    ("at", "damage"),
    [
        (0, struct.pack("<II", MAX & 0xFFFF_FFFF, PAGE)),
        (0, struct.pack("<II", 0, PAGE + 1)),
        (0, struct.pack("<II", 0, 7)),
        (0, struct.pack("<II", 10, 87)),
        (8, b"\1"),
    ],
)
def test_io_data_integrity_where_the_region_is_damaged(k: Kernel, at: int, damage: bytes) -> None:
    ids, allocator = with_ids(k)
    Mapped(k, ids).write(at, damage)
    assert allocate(allocator) == ZX_ERR_IO_DATA_INTEGRITY


@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_iob_allocate_id", "ZX_ERR_BAD_HANDLE")
def test_errors_of_allocating(k: Kernel) -> None:
    access = EP0_RW | IobAccess.EP1_CAN_MEDIATED_WRITE
    ids, allocator = create(k, IobRegion(access, PAGE, IDS), IobRegion(RW, PAGE))
    zx = k.host.sys
    assert allocate(allocator, options=1) == ZX_ERR_INVALID_ARGS
    assert zx.zx_iob_allocate_id(0, 0, 0, b"")[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_iob_allocate_id(zx.zx_event_create(0)[1], 0, 0, b"")[0] == ZX_ERR_WRONG_TYPE
    assert allocate(allocator.duplicate(allocator.rights & ~ZX_RIGHT_WRITE)) == ZX_ERR_ACCESS_DENIED
    assert allocate(allocator, region=2) == ZX_ERR_OUT_OF_RANGE
    assert allocate(allocator, region=1) == ZX_ERR_WRONG_TYPE
    assert allocate(ids) == ZX_ERR_ACCESS_DENIED
    status, _ = zx.zx_iob_allocate_id(allocator.raw, 0, 0, b"blob")
    assert status == ZX_OK


def test_memory_of_ids_stays_where_it_is(k: Kernel) -> None:
    ids, allocator = with_ids(k)
    mapped = Mapped(k, ids)
    zx = k.host.sys
    decommit = zx.zx_vmar_op_range(k.host.root_vmar, ZX_VMAR_OP_DECOMMIT, mapped.address, PAGE, None)
    assert status_of(decommit) == ZX_ERR_BAD_STATE
    assert allocator.allocate_id(0, b"blob") == 0


def status_of(answer: Any) -> int:
    return int(answer[0] if isinstance(answer, tuple) else answer)


# ---- Shared regions and ring buffers


@pytest.mark.shows("zx_iob_create_shared_region", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(("options", "size"), [(1, PAGE), (0, 0), (0, PAGE + 3), (0, 1)])
def test_invalid_args_for_a_shared_region(k: Kernel, options: int, size: int) -> None:
    assert k.host.sys.zx_iob_create_shared_region(options, size)[0] == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_iob_create_shared_region", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_iob_create_shared_region", "ZX_ERR_NO_MEMORY")
def test_sizes_of_shared_regions(k: Kernel) -> None:
    zx = k.host.sys
    before = k.memory.allocated
    assert zx.zx_iob_create_shared_region(0, MAX - PAGE + 1)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_iob_create_shared_region(0, 1 << 40)[0] == ZX_ERR_NO_MEMORY
    status, region = zx.zx_iob_create_shared_region(0, 3 * PAGE)
    assert status == ZX_OK and k.memory.allocated == before + 3
    zx.zx_handle_close(region)
    assert k.memory.allocated == before


@pytest.mark.shows("zx_iob_create", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_iob_create", "ZX_ERR_WRONG_TYPE")
def test_a_shared_region_must_be_one_and_have_room(k: Kernel) -> None:
    zx = k.host.sys
    small = IobSharedRegion.create(PAGE, caller=k)
    good = IobSharedRegion.create(2 * PAGE, caller=k)
    _, event = zx.zx_event_create(0)

    def status(handle: int, discipline: int = RING, size: int = 0, options: int = 0) -> int:
        extension = zx_iob_region_shared_t(options=options, shared_region=handle)
        return int(zx.zx_iob_create(0, [config(RW, size, discipline, 1, shared_region=extension)])[0])

    assert status(good.raw) == ZX_OK
    assert status(good.raw, size=2 * PAGE) == ZX_ERR_INVALID_ARGS
    assert status(good.raw, options=1) == ZX_ERR_INVALID_ARGS
    assert status(good.raw, discipline=0) == status(good.raw, discipline=IDS) == ZX_ERR_INVALID_ARGS
    assert status(small.raw) == ZX_ERR_INVALID_ARGS
    assert status(0) == ZX_ERR_BAD_HANDLE
    assert status(event) == ZX_ERR_WRONG_TYPE


def messages(mapped: Mapped) -> list[tuple[int, bytes]]:
    """What is in the ring: (tag, bytes). It is read."""
    room = mapped.size - PAGE
    head, tail = struct.unpack("<QQ", mapped.read(0, 16))
    data = mapped.read(PAGE, room) * 2
    found = []
    while tail < head:
        at = tail % room
        tag, size = struct.unpack_from("<QQ", data, at)
        found.append((tag, data[at + 16 : at + 16 + size]))
        tail += (16 + size + 7) & ~7
    assert tail == head
    mapped.write(8, struct.pack("<Q", tail))
    return found


def test_messages_come_with_their_tag_in_order(k: Kernel) -> None:
    shared, one, other = ring(k, tag=7)
    access = IobAccess.EP0_CAN_MEDIATED_WRITE
    third, _ = create(k, IobRegion(access, discipline=RING, shared=shared, tag=8))
    mapped = Mapped(k, other, 2 * PAGE)
    one.write(0, b"one")
    third.writev(0, [b"", b"thi", b"rd"])
    one.write(0, b"")
    assert messages(mapped) == [(7, b"one"), (8, b"third"), (7, b"")]
    assert struct.unpack("<QQ", mapped.read(0, 16)) == (64, 64)
    assert other.regions[0].koid == shared.koid == third.regions[0].koid


def test_messages_go_round(k: Kernel) -> None:
    _, one, other = ring(k)
    mapped = Mapped(k, other, 2 * PAGE)
    for number in range(50):
        sent = [bytes([number]) * (number * 13 % 900), bytes([number]) * 200]
        for data in sent:
            one.write(0, data)
        assert messages(mapped) == [(7, data) for data in sent]


def write(iob: Iob, data: Sequence[Any] | None = (b"message",), region: int = 0, options: int = 0) -> int:
    return int(iob._caller.sys.zx_iob_writev(iob.raw, options, region, data))


@pytest.mark.shows("zx_iob_writev", "ZX_ERR_NO_SPACE")
def test_no_space_in_the_ring(k: Kernel) -> None:
    _, one, other = ring(k)
    mapped = Mapped(k, other, 2 * PAGE)
    assert write(one, [bytes(PAGE - 15)]) == ZX_ERR_NO_SPACE
    assert write(one, [bytes(PAGE - 24 - 16)]) == ZX_OK
    assert write(one, [bytes(9)]) == ZX_ERR_NO_SPACE
    assert write(one, [bytes(8)]) == ZX_OK
    assert write(one, []) == ZX_ERR_NO_SPACE
    assert len(messages(mapped)) == 2
    assert write(one, [bytes(PAGE - 16)]) == ZX_OK


@pytest.mark.shows("zx_iob_writev", "ZX_ERR_IO_DATA_INTEGRITY")
@pytest.mark.parametrize(("head", "tail"), [(8, 16), (MAX - 7, MAX - 7), (4, 0)])
def test_io_data_integrity_where_the_numbers_cannot_be(k: Kernel, head: int, tail: int) -> None:
    _, one, other = ring(k)
    Mapped(k, other, 2 * PAGE).write(0, struct.pack("<QQ", head, tail))
    assert write(one) == ZX_ERR_IO_DATA_INTEGRITY


@pytest.mark.shows("zx_iob_writev", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_iob_writev", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_iob_writev", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_iob_writev", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_iob_writev", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_iob_writev", "ZX_ERR_NOT_FOUND")
def test_errors_of_writing(k: Kernel) -> None:
    zx = k.host.sys
    shared = IobSharedRegion.create(64 * PAGE, caller=k)
    access = IobAccess.EP0_CAN_MEDIATED_WRITE
    one, other = create(k, IobRegion(access, discipline=RING, shared=shared), IobRegion(RW, PAGE))
    assert write(one, options=1) == ZX_ERR_INVALID_ARGS
    assert zx.zx_iob_writev(0, 0, 0, [b""]) == ZX_ERR_BAD_HANDLE
    assert zx.zx_iob_writev(shared.raw, 0, 0, [b""]) == ZX_ERR_WRONG_TYPE
    assert write(one.duplicate(one.rights & ~ZX_RIGHT_WRITE)) == ZX_ERR_ACCESS_DENIED
    assert write(one, region=2) == ZX_ERR_OUT_OF_RANGE
    assert write(one, region=1) == ZX_ERR_WRONG_TYPE
    assert write(other) == ZX_ERR_ACCESS_DENIED
    assert write(one, [b"x"] * 9) == ZX_ERR_INVALID_ARGS
    assert write(one, [b"x"] * 8) == ZX_OK
    assert write(one, [bytes(65520)]) == ZX_ERR_INVALID_ARGS
    assert write(one, [bytes(65519)]) == ZX_OK
    assert write(one, [zx_iovec_t(buffer=PAGE, capacity=MAX)] * 2) == ZX_ERR_INVALID_ARGS
    assert write(one, [zx_iovec_t(buffer=PAGE, capacity=5)]) == ZX_ERR_NOT_FOUND


def test_who_waits_for_a_shared_region_is_told_of_each_message(k: Kernel) -> None:
    shared, one, _ = ring(k)
    port = k.host.sys.zx_port_create(0)[1]
    zx = k.host.sys
    for key in (1, 2):
        assert zx.zx_object_wait_async(shared.raw, port, key, Signals.IOB_SHARED_REGION_UPDATED, 0) == ZX_OK
        assert zx.zx_port_wait(port, 0)[0] != ZX_OK
        one.write(0, b"message")
        status, packet = zx.zx_port_wait(port, 0)
        assert status == ZX_OK and packet.key == key
    status, signals = zx.zx_object_wait_one(shared.raw, Signals.IOB_SHARED_REGION_UPDATED, 0)
    assert not signals & Signals.IOB_SHARED_REGION_UPDATED


def test_a_ring_outlives_the_handle_to_its_memory(k: Kernel) -> None:
    before = k.memory.allocated
    shared, one, other = ring(k)
    shared.close()
    mapped = Mapped(k, other, 2 * PAGE)
    one.write(0, b"message")
    assert messages(mapped) == [(7, b"message")]
    mapped.unmap()
    one.close()
    other.close()
    assert k.memory.allocated <= before + 3  # page tables
