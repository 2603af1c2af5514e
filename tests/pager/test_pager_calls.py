"""zx_pager_*: the documented errors, rights and information, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth import Rights, Status, VmoChildOptions, VmoOptions
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_VMO_PAGER_BACKED,
    ZX_OK,
    ZX_PAGER_OP_DIRTY,
    ZX_PAGER_OP_FAIL,
    ZX_PAGER_OP_WRITEBACK_BEGIN,
    ZX_PAGER_OP_WRITEBACK_END,
    ZX_POL_NEW_PAGER,
    ZX_POL_NEW_VMO,
    ZX_RIGHT_ATTACH_VMO,
    ZX_RIGHT_MANAGE_VMO,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WRITE,
    ZX_VMO_DISCARDABLE,
    ZX_VMO_RESIZABLE,
    ZX_VMO_TRAP_DIRTY,
    ZX_VMO_UNBOUNDED,
)
from jacinth.syscalls.door import HostSys
from tests.vm.conftest import BAD_ADDRESS, deny, trap, with_rights  # noqa: F401

from .conftest import PAGE, PagerWorld

shows = pytest.mark.shows
ALL = ZX_RIGHT_ATTACH_VMO | ZX_RIGHT_MANAGE_VMO


@pytest.fixture
def pager(pw: PagerWorld) -> int:
    return pw.pager.raw


@pytest.fixture
def vmo(pw: PagerWorld) -> int:
    return pw.vmo(4).raw


@pytest.fixture
def aux(zx: HostSys) -> int:
    return int(zx.zx_vmo_create(4 * PAGE, 0)[1])


# zx_pager_create


def test_a_new_pager_has_these_rights(pw: PagerWorld) -> None:
    assert pw.pager.rights == Rights.TRANSFER | Rights.INSPECT | Rights.ATTACH_VMO | Rights.MANAGE_VMO


@shows("zx_pager_create", "ZX_ERR_INVALID_ARGS")
def test_a_pager_has_no_options(zx: HostSys, trap: Callable[..., int | None]) -> None:  # noqa: F811
    assert zx.zx_pager_create(1)[0] == ZX_ERR_INVALID_ARGS
    assert trap("zx_pager_create", 0, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    assert trap("zx_pager_create", 0, 0) == ZX_ERR_INVALID_ARGS


def test_policy_may_deny_pagers(zx: HostSys, deny: Callable[[int], None]) -> None:  # noqa: F811
    deny(ZX_POL_NEW_PAGER)
    assert zx.zx_pager_create(0)[0] == ZX_ERR_ACCESS_DENIED


# zx_pager_create_vmo


def test_a_pagers_vmo_has_the_rights_of_any(pw: PagerWorld, zx: HostSys) -> None:
    ordinary = zx.zx_vmo_create(PAGE, 0)[1]
    rights = zx.call.handles.handles[ordinary].rights
    assert pw.vmo(1).rights == rights
    assert pw.vmo(1, VmoOptions.RESIZABLE).rights == rights | Rights.RESIZE


def test_the_size_is_rounded_up_and_the_rest_is_stream_size(pw: PagerWorld) -> None:
    vmo = pw.pager.create_vmo(pw.port, 1, PAGE + 1)
    assert (vmo.size, vmo.stream_size) == (2 * PAGE, PAGE + 1)


def test_an_unbounded_vmo_is_zero_behind_its_content(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, VmoOptions.UNBOUNDED)
    assert vmo.stream_size == 2 * PAGE
    assert vmo.size > 1 << 60
    assert pw.read(vmo, 2, 3).answer == (Status.OK, bytes(3 * PAGE))
    assert pw.request() is None
    assert not pw.pager.query_vmo_stats(vmo)
    pw.read(vmo, 1)
    assert pw.request() is not None


@shows("zx_pager_create_vmo", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [ZX_VMO_DISCARDABLE, 1 << 9, ZX_VMO_RESIZABLE | ZX_VMO_UNBOUNDED])
def test_other_options_are_refused(pw: PagerWorld, zx: HostSys, pager: int, options: int) -> None:
    assert zx.zx_pager_create_vmo(pager, options, pw.port.raw, 0, PAGE)[0] == ZX_ERR_INVALID_ARGS


@shows("zx_pager_create_vmo", "ZX_ERR_INVALID_ARGS")
def test_a_bad_out_pointer_makes_no_vmo(
    pw: PagerWorld,
    pager: int,
    trap: Callable[..., int | None],  # noqa: F811
) -> None:
    assert trap("zx_pager_create_vmo", pager, 0, pw.port.raw, 0, PAGE, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    assert pw.next_packet() is not None  # COMPLETE: it was there for a moment


@shows("zx_pager_create_vmo", "ZX_ERR_BAD_HANDLE")
@shows("zx_pager_create_vmo", "ZX_ERR_WRONG_TYPE")
def test_create_vmo_takes_a_pager_and_a_port(pw: PagerWorld, zx: HostSys, pager: int, aux: int) -> None:
    port = pw.port.raw
    assert zx.zx_pager_create_vmo(0, 0, port, 0, PAGE)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_pager_create_vmo(pager, 0, 0, 0, PAGE)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_pager_create_vmo(port, 0, port, 0, PAGE)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_pager_create_vmo(pager, 0, aux, 0, PAGE)[0] == ZX_ERR_WRONG_TYPE


@shows("zx_pager_create_vmo", "ZX_ERR_ACCESS_DENIED")
def test_create_vmo_needs_rights(
    pw: PagerWorld,
    zx: HostSys,
    pager: int,
    with_rights: Callable[[int, int], int],  # noqa: F811
) -> None:
    weak_pager = with_rights(pager, ZX_RIGHT_MANAGE_VMO)
    weak_port = with_rights(pw.port.raw, ZX_RIGHT_READ)
    assert zx.zx_pager_create_vmo(weak_pager, 0, pw.port.raw, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_pager_create_vmo(pager, 0, weak_port, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED


def test_policy_may_deny_pagers_vmos(
    pw: PagerWorld,
    zx: HostSys,
    pager: int,
    deny: Callable[[int], None],  # noqa: F811
) -> None:
    deny(ZX_POL_NEW_VMO)
    assert zx.zx_pager_create_vmo(pager, 0, pw.port.raw, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED


@shows("zx_pager_create_vmo", "ZX_ERR_OUT_OF_RANGE")
def test_a_vmo_may_be_too_large(pw: PagerWorld, zx: HostSys, pager: int) -> None:
    assert zx.zx_pager_create_vmo(pager, 0, pw.port.raw, 0, (1 << 64) - 1)[0] == ZX_ERR_OUT_OF_RANGE


def test_its_information_says_that_a_pager_is_behind_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    assert vmo.info.flags & ZX_INFO_VMO_PAGER_BACKED
    clone = vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, 0, PAGE)
    assert clone.info.flags & ZX_INFO_VMO_PAGER_BACKED
    assert not pw.aux(b"").info.flags & ZX_INFO_VMO_PAGER_BACKED


# Another pager's VMO, another object, fewer rights: the same for all the other calls


def _calls(zx: HostSys, aux: int) -> dict[str, tuple[Callable[[int, int], Any], int, int]]:
    """name -> the call with a pager and a VMO, the rights that it needs on each."""
    return {
        "zx_pager_detach_vmo": (zx.zx_pager_detach_vmo, ALL, ZX_RIGHT_WRITE),
        "zx_pager_supply_pages": (
            lambda p, v: zx.zx_pager_supply_pages(p, v, 0, PAGE, aux, 0),
            ZX_RIGHT_MANAGE_VMO,
            ZX_RIGHT_WRITE,
        ),
        "zx_pager_op_range": (
            lambda p, v: zx.zx_pager_op_range(p, ZX_PAGER_OP_WRITEBACK_END, v, 0, PAGE, 0),
            ZX_RIGHT_MANAGE_VMO,
            ZX_RIGHT_WRITE,
        ),
        "zx_pager_query_dirty_ranges": (
            lambda p, v: zx.zx_pager_query_dirty_ranges(p, v, 0, PAGE, 24)[0],
            ZX_RIGHT_MANAGE_VMO,
            ZX_RIGHT_READ,
        ),
        "zx_pager_query_vmo_stats": (
            lambda p, v: zx.zx_pager_query_vmo_stats(p, v, 0, 4)[0],
            ZX_RIGHT_MANAGE_VMO,
            ZX_RIGHT_READ,
        ),
    }


NAMES = [
    "zx_pager_detach_vmo",
    "zx_pager_supply_pages",
    "zx_pager_op_range",
    "zx_pager_query_dirty_ranges",
    "zx_pager_query_vmo_stats",
]


def _each(status: str) -> list[Any]:
    return [pytest.param(name, marks=shows(name, status)) for name in NAMES]


@pytest.mark.parametrize("name", _each("ZX_ERR_BAD_HANDLE"))
def test_a_bad_handle(zx: HostSys, pager: int, vmo: int, aux: int, name: str) -> None:
    call = _calls(zx, aux)[name][0]
    assert call(0, vmo) == ZX_ERR_BAD_HANDLE
    assert call(pager, 0) == ZX_ERR_BAD_HANDLE


@pytest.mark.parametrize("name", _each("ZX_ERR_WRONG_TYPE"))
def test_a_handle_to_something_else(zx: HostSys, pager: int, vmo: int, aux: int, name: str) -> None:
    call = _calls(zx, aux)[name][0]
    assert call(vmo, vmo) == ZX_ERR_WRONG_TYPE
    assert call(pager, pager) == ZX_ERR_WRONG_TYPE


@pytest.mark.parametrize("name", _each("ZX_ERR_ACCESS_DENIED"))
def test_a_handle_without_a_right(
    zx: HostSys,
    pager: int,
    vmo: int,
    aux: int,
    name: str,
    with_rights: Callable[[int, int], int],  # noqa: F811
) -> None:
    call, of_pager, of_vmo = _calls(zx, aux)[name]
    assert call(with_rights(pager, of_pager), with_rights(vmo, of_vmo)) == ZX_OK
    for right in (ZX_RIGHT_ATTACH_VMO, ZX_RIGHT_MANAGE_VMO):
        if of_pager & right:
            assert call(with_rights(pager, of_pager & ~right), vmo) == ZX_ERR_ACCESS_DENIED
    assert call(pager, with_rights(vmo, ALL)) == ZX_ERR_ACCESS_DENIED


@pytest.mark.parametrize("name", _each("ZX_ERR_INVALID_ARGS"))
def test_another_pagers_vmo(pw: PagerWorld, zx: HostSys, pager: int, vmo: int, aux: int, name: str) -> None:
    call = _calls(zx, aux)[name][0]
    other = zx.zx_pager_create(0)[1]
    assert call(other, vmo) == ZX_ERR_INVALID_ARGS
    assert call(pager, aux) == ZX_ERR_INVALID_ARGS
    for options in (VmoChildOptions.SLICE, VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE):
        child = pw.vmo(1).create_child(options, 0, PAGE)
        assert call(pager, child.raw) == ZX_ERR_INVALID_ARGS


# zx_pager_supply_pages


@shows("zx_pager_supply_pages", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("place", [(1, PAGE, 0), (0, 1, 0), (0, PAGE, 1)])
def test_supply_takes_whole_pages(
    zx: HostSys, pager: int, vmo: int, aux: int, place: tuple[int, int, int]
) -> None:
    offset, length, aux_offset = place
    assert zx.zx_pager_supply_pages(pager, vmo, offset, length, aux, aux_offset) == ZX_ERR_INVALID_ARGS


@shows("zx_pager_supply_pages", "ZX_ERR_OUT_OF_RANGE")
def test_supply_stays_within_both(zx: HostSys, pager: int, vmo: int, aux: int) -> None:
    assert zx.zx_pager_supply_pages(pager, vmo, PAGE, 4 * PAGE, aux, 0) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_pager_supply_pages(pager, vmo, 0, 4 * PAGE, aux, PAGE) == ZX_ERR_OUT_OF_RANGE
    huge = (1 << 64) - PAGE
    assert zx.zx_pager_supply_pages(pager, vmo, huge, 2 * PAGE, aux, 0) == ZX_ERR_OUT_OF_RANGE


@shows("zx_pager_supply_pages", "ZX_ERR_BAD_HANDLE")
@shows("zx_pager_supply_pages", "ZX_ERR_WRONG_TYPE")
@shows("zx_pager_supply_pages", "ZX_ERR_ACCESS_DENIED")
def test_what_supplies_must_be_a_vmo_that_can_be_read_and_written(
    zx: HostSys,
    pager: int,
    vmo: int,
    aux: int,
    with_rights: Callable[[int, int], int],  # noqa: F811
) -> None:
    def supply(source: int) -> int:
        return int(zx.zx_pager_supply_pages(pager, vmo, 0, PAGE, source, 0))

    assert supply(0) == ZX_ERR_BAD_HANDLE
    assert supply(pager) == ZX_ERR_WRONG_TYPE
    assert supply(with_rights(aux, ZX_RIGHT_READ)) == ZX_ERR_ACCESS_DENIED
    assert supply(with_rights(aux, ZX_RIGHT_WRITE)) == ZX_ERR_ACCESS_DENIED


@shows("zx_pager_supply_pages", "ZX_ERR_BAD_STATE")
def test_a_detached_vmo_takes_no_pages(zx: HostSys, pager: int, vmo: int, aux: int) -> None:
    zx.zx_vmo_write(aux, b"x", 0)
    zx.zx_pager_detach_vmo(pager, vmo)
    before = zx.call.kernel.memory.allocated
    assert zx.zx_pager_supply_pages(pager, vmo, 0, PAGE, aux, 0) == ZX_ERR_BAD_STATE
    assert zx.call.kernel.memory.allocated == before - 1  # the source's page is gone all the same


@shows("zx_pager_supply_pages", "ZX_ERR_NOT_SUPPORTED")
def test_a_pagers_vmo_cannot_supply_another(pw: PagerWorld, zx: HostSys, pager: int, vmo: int) -> None:
    other = pw.vmo(1)
    assert zx.zx_pager_supply_pages(pager, vmo, 0, PAGE, other.raw, 0) == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_pager_supply_pages(pager, vmo, 0, PAGE, vmo, 0) == ZX_ERR_NOT_SUPPORTED


def test_what_supplies_may_have_clones_which_keep_their_pages(pw: PagerWorld) -> None:
    vmo, aux = pw.vmo(1), pw.aux(b"mine")
    clone = aux.create_child(VmoChildOptions.SNAPSHOT, 0, PAGE)
    pw.pager.supply_pages(vmo, 0, PAGE, aux)
    assert (vmo.read(0, 4), clone.read(0, 4), aux.read(0, 4)) == (b"mine", b"mine", bytes(4))


# zx_pager_op_range


@shows("zx_pager_op_range", "ZX_ERR_INVALID_ARGS")
def test_operations_take_whole_pages(zx: HostSys, pager: int, vmo: int) -> None:
    for offset, length in ((1, PAGE), (0, 1)):
        for op in (
            ZX_PAGER_OP_FAIL,
            ZX_PAGER_OP_DIRTY,
            ZX_PAGER_OP_WRITEBACK_BEGIN,
            ZX_PAGER_OP_WRITEBACK_END,
        ):
            assert zx.zx_pager_op_range(pager, op, vmo, offset, length, 0) == ZX_ERR_INVALID_ARGS


@shows("zx_pager_op_range", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    "data", [0, int(Status.NO_MEMORY), int(Status.NOT_FOUND), 1 << 40, int(Status.IO) & 0xFFFF_FFFF]
)
def test_a_pager_fails_with_few_statuses(zx: HostSys, pager: int, vmo: int, data: int) -> None:
    assert zx.zx_pager_op_range(pager, ZX_PAGER_OP_FAIL, vmo, 0, PAGE, data) == ZX_ERR_INVALID_ARGS


@shows("zx_pager_op_range", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    "op, data", [(ZX_PAGER_OP_DIRTY, 1), (ZX_PAGER_OP_WRITEBACK_BEGIN, 2), (ZX_PAGER_OP_WRITEBACK_END, 1)]
)
def test_other_operations_take_no_data(zx: HostSys, pager: int, vmo: int, op: int, data: int) -> None:
    assert zx.zx_pager_op_range(pager, op, vmo, 0, PAGE, data) == ZX_ERR_INVALID_ARGS


@shows("zx_pager_op_range", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize(
    "op, data",
    [
        (ZX_PAGER_OP_FAIL, int(Status.IO)),
        (ZX_PAGER_OP_DIRTY, 0),
        (ZX_PAGER_OP_WRITEBACK_BEGIN, 0),
        (ZX_PAGER_OP_WRITEBACK_END, 0),
    ],
)
def test_operations_stay_within_the_vmo(pw: PagerWorld, zx: HostSys, pager: int, op: int, data: int) -> None:
    vmo = pw.vmo(2, VmoOptions.TRAP_DIRTY)
    for offset, length in ((PAGE, 2 * PAGE), (3 * PAGE, 0), ((1 << 64) - PAGE, 2 * PAGE)):
        assert zx.zx_pager_op_range(pager, op, vmo.raw, offset, length, data) == ZX_ERR_OUT_OF_RANGE


@shows("zx_pager_op_range", "ZX_ERR_NOT_SUPPORTED")
def test_unknown_operations_and_dirty_where_it_is_not_trapped(zx: HostSys, pager: int, vmo: int) -> None:
    assert zx.zx_pager_op_range(pager, 99, vmo, 0, PAGE, 0) == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_pager_op_range(pager, ZX_PAGER_OP_DIRTY, vmo, 0, PAGE, 0) == ZX_ERR_NOT_SUPPORTED


@shows("zx_pager_op_range", "ZX_ERR_NOT_FOUND")
def test_what_was_not_supplied_cannot_be_dirtied(pw: PagerWorld, zx: HostSys, pager: int) -> None:
    vmo = pw.vmo(2, VmoOptions.TRAP_DIRTY)
    pw.supply(vmo, 0, b"x")
    assert zx.zx_pager_op_range(pager, ZX_PAGER_OP_DIRTY, vmo.raw, 0, 2 * PAGE, 0) == ZX_ERR_NOT_FOUND
    assert zx.zx_pager_op_range(pager, ZX_PAGER_OP_DIRTY, vmo.raw, 0, PAGE, 0) == ZX_OK


@shows("zx_pager_op_range", "ZX_ERR_BAD_STATE")
def test_of_a_detached_vmo_only_writeback_goes_on(pw: PagerWorld, zx: HostSys, pager: int) -> None:
    vmo = pw.vmo(1, VmoOptions.TRAP_DIRTY)
    pw.supply(vmo, 0, b"x")
    pw.op(ZX_PAGER_OP_DIRTY, vmo, 0, 1)
    pw.pager.detach_vmo(vmo)

    def op(op: int, data: int = 0) -> int:
        return int(zx.zx_pager_op_range(pager, op, vmo.raw, 0, PAGE, data))

    assert op(ZX_PAGER_OP_DIRTY) == ZX_ERR_BAD_STATE
    assert op(ZX_PAGER_OP_FAIL, int(Status.IO)) == ZX_ERR_BAD_STATE
    assert pw.dirty(vmo) == [(0, 1, False)]
    assert pw.pager.query_vmo_stats(vmo) is False
    assert op(ZX_PAGER_OP_WRITEBACK_BEGIN) == ZX_OK
    assert op(ZX_PAGER_OP_WRITEBACK_END) == ZX_OK
    assert pw.dirty(vmo) == []


# zx_pager_query_dirty_ranges, zx_pager_query_vmo_stats


@shows("zx_pager_query_dirty_ranges", "ZX_ERR_OUT_OF_RANGE")
def test_a_query_stays_within_the_vmo(zx: HostSys, pager: int, vmo: int) -> None:
    assert zx.zx_pager_query_dirty_ranges(pager, vmo, 0, 4 * PAGE + 1, 24)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_pager_query_dirty_ranges(pager, vmo, (1 << 64) - 1, 2, 24)[0] == ZX_ERR_OUT_OF_RANGE


@shows("zx_pager_query_dirty_ranges", "ZX_ERR_INVALID_ARGS")
def test_a_query_needs_a_buffer_for_what_it_finds(
    pw: PagerWorld,
    pager: int,
    trap: Callable[..., int | None],  # noqa: F811
) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"x")
    name = "zx_pager_query_dirty_ranges"
    assert trap(name, pager, vmo.raw, 0, PAGE, BAD_ADDRESS, 24, 0, 0) == ZX_OK
    vmo.write(b"y")
    assert trap(name, pager, vmo.raw, 0, PAGE, BAD_ADDRESS, 24, 0, 0) == ZX_ERR_INVALID_ARGS
    assert trap(name, pager, vmo.raw, 0, PAGE, 0, 0, 0, 0) == ZX_OK
    assert trap(name, pager, vmo.raw, 0, PAGE, 0, 0, BAD_ADDRESS, 0) == ZX_ERR_INVALID_ARGS


def test_a_query_tells_how_many_it_copied_and_how_many_there_are(
    pw: PagerWorld, zx: HostSys, pager: int
) -> None:
    vmo = pw.vmo(6)
    for page in (0, 2, 4):
        pw.supply(vmo, page, b"x")
        vmo.write(b"y", page * PAGE)
    status, data, actual, avail = zx.zx_pager_query_dirty_ranges(pager, vmo.raw, 0, 6 * PAGE, 2 * 24 + 23)
    assert (status, actual, avail, len(data)) == (ZX_OK, 2, 3, 48)


def test_the_range_of_a_query_is_rounded_to_pages(pw: PagerWorld, zx: HostSys, pager: int) -> None:
    vmo = pw.vmo(4)
    pw.supply(vmo, 0, b"0", b"1", b"2", b"3")
    vmo.write(bytes(4 * PAGE))
    _, data, actual, _ = zx.zx_pager_query_dirty_ranges(pager, vmo.raw, PAGE + 5, PAGE, 24)
    assert actual == 1
    assert (int.from_bytes(data[:8], "little"), int.from_bytes(data[8:16], "little")) == (PAGE, 2 * PAGE)


@shows("zx_pager_query_vmo_stats", "ZX_ERR_BUFFER_TOO_SMALL")
@shows("zx_pager_query_vmo_stats", "ZX_ERR_INVALID_ARGS")
def test_stats_need_room_and_known_options(
    zx: HostSys,
    pager: int,
    vmo: int,
    trap: Callable[..., int | None],  # noqa: F811
) -> None:
    assert zx.zx_pager_query_vmo_stats(pager, vmo, 0, 3)[0] == ZX_ERR_BUFFER_TOO_SMALL
    assert zx.zx_pager_query_vmo_stats(pager, vmo, 2, 4)[0] == ZX_ERR_INVALID_ARGS
    assert trap("zx_pager_query_vmo_stats", pager, vmo, 0, BAD_ADDRESS, 4) == ZX_ERR_INVALID_ARGS


def test_a_duplicate_of_a_pager_cannot_be_made(zx: HostSys, pager: int) -> None:
    assert zx.zx_handle_duplicate(pager, ZX_RIGHT_SAME_RIGHTS)[0] == ZX_ERR_ACCESS_DENIED


def test_a_vmo_with_trap_dirty_is_a_pagers_alone(zx: HostSys) -> None:
    assert zx.zx_vmo_create(PAGE, ZX_VMO_TRAP_DIRTY)[0] == ZX_ERR_INVALID_ARGS
