"""Clones, slices and references of pagers' VMOs."""

from __future__ import annotations

import pytest

from jacinth import (
    Body,
    PagerCommand,
    Status,
    Vmo,
    VmoChildOptions,
    VmoOp,
    VmoOptions,
    ZxNotSupported,
    ZxOutOfRange,
)

from .conftest import PAGE, PagerWorld

READ = PagerCommand.READ
ON_WRITE = VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE
MODIFIED = VmoChildOptions.SNAPSHOT_MODIFIED

kinds = pytest.mark.parametrize("kind", [ON_WRITE, MODIFIED], ids=["on_write", "modified"])


def clone(vmo: Vmo, kind: int = ON_WRITE, first: int = 0, pages: int | None = None) -> Vmo:
    return vmo.create_child(kind, first * PAGE, vmo.size if pages is None else pages * PAGE)


@pytest.mark.shows("zx_vmo_create_child", "ZX_ERR_NOT_SUPPORTED")
def test_a_full_snapshot_is_not_supported(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    child = clone(vmo)
    for parent in (vmo, child):
        with pytest.raises(ZxNotSupported):
            clone(parent, VmoChildOptions.SNAPSHOT)


@kinds
def test_a_clone_asks_for_its_parents_pages(pw: PagerWorld, kind: int) -> None:
    vmo = pw.vmo(4)
    child = clone(vmo, kind, 1, 2)
    reader = pw.read(child, 0, 2)
    assert pw.request() == (READ, 1, 2)
    pw.supply(vmo, 1, b"1", b"2")
    pw.k.run_until_idle()
    status, data = reader.answer
    assert (status, data[:1], data[PAGE : PAGE + 1]) == (Status.OK, b"1", b"2")
    assert child.info.committed_bytes == 0


@kinds
def test_a_write_to_a_clone_stays_there(pw: PagerWorld, kind: int) -> None:
    vmo = pw.vmo(1, VmoOptions.TRAP_DIRTY)
    child = clone(vmo, kind)
    writer = pw.write(child, 0, b"ab")
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"12345")
    pw.k.run_until_idle()
    assert writer.answer == Status.OK
    assert pw.request() is None  # the pager's page is not written to
    assert (vmo.read(0, 5), child.read(0, 5)) == (b"12345", b"ab345")
    assert pw.dirty(vmo) == [] and child.info.committed_bytes == PAGE
    assert not pw.pager.query_vmo_stats(vmo)


@kinds
def test_a_clone_sees_its_parents_writes_until_it_has_a_page_of_its_own(pw: PagerWorld, kind: int) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"old")
    child = clone(vmo, kind)
    vmo.write(b"new")
    assert child.read(0, 3) == b"new"
    child.write(b"m")
    vmo.write(b"OLD")
    assert child.read(0, 3) == b"mew"


@kinds
def test_a_zeroed_clone_does_not_ask(pw: PagerWorld, kind: int) -> None:
    vmo = pw.vmo(2)
    child = clone(vmo, kind)
    child.op_range(VmoOp.ZERO, 0, PAGE)
    assert child.read(0, PAGE) == bytes(PAGE)
    pw.read(child, 0, 2)
    assert pw.request() == (READ, 1, 1)
    assert pw.dirty(vmo) == []


def test_what_lies_behind_the_parent_is_zero(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    child = clone(vmo, ON_WRITE, 0, 3)
    assert child.read(PAGE, 2 * PAGE) == bytes(2 * PAGE)
    child.write(b"x", 2 * PAGE)
    assert child.read(2 * PAGE, 1) == b"x"


def test_what_the_parent_has_cut_off_is_zero_for_good(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, VmoOptions.RESIZABLE)
    pw.supply(vmo, 0, b"0", b"1")
    child = clone(vmo)
    vmo.set_size(PAGE)
    assert child.read(PAGE, 1) == b"\0"
    vmo.set_size(2 * PAGE)
    vmo.write(b"new", PAGE)
    assert (child.read(0, 1), child.read(PAGE, 3)) == (b"0", bytes(3))


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_NOT_SUPPORTED")
def test_neither_a_pagers_vmo_nor_its_clone_can_be_decommitted(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    for each in (vmo, clone(vmo)):
        with pytest.raises(ZxNotSupported):
            each.op_range(VmoOp.DECOMMIT, 0, PAGE)


def test_a_snapshot_of_what_was_modified_keeps_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"0", b"1")
    child = clone(vmo, MODIFIED)
    child.write(b"mine")
    grandchild = clone(child, MODIFIED)
    child.write(b"MINE")
    vmo.write(b"new", PAGE)
    assert grandchild.read(0, 4) == b"mine"  # a snapshot
    assert grandchild.read(PAGE, 3) == b"new"  # which nobody below the pager has modified
    grandchild.write(b"g")
    assert (child.read(0, 4), grandchild.read(0, 4)) == (b"MINE", b"gine")


def test_a_modified_snapshot_needs_a_clone_that_stands_alone(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"0")
    child = clone(vmo, ON_WRITE)
    child.write(b"c")
    grandchild = clone(child, ON_WRITE)
    for each in (child, grandchild):
        with pytest.raises(ZxNotSupported):
            clone(each, MODIFIED)
    grandchild.close()
    assert clone(child, MODIFIED).read(0, 1) == b"c"


def test_a_clone_at_least_on_write_of_a_snapshot_is_one_too(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"0")
    child = clone(vmo, MODIFIED)
    child.write(b"c")
    clone(child, MODIFIED)
    last = clone(child, ON_WRITE)
    child.write(b"C")
    assert last.read(0, 1) == b"c"
    assert clone(last, MODIFIED).read(0, 1) == b"c"


def test_the_parents_pages_outlive_its_handle(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"x")
    child = clone(vmo)
    vmo.close()
    assert child.read(0, 1) == b"x"
    assert pw.request() is None
    child.close()
    assert pw.request() == (PagerCommand.COMPLETE, 0, 0)


def test_all_memory_comes_back(pw: PagerWorld) -> None:
    before = pw.k.memory.allocated
    vmo = pw.vmo(4)
    pw.supply(vmo, 0, b"0", b"1", b"2", b"3")
    child = clone(vmo, MODIFIED)
    child.write(b"x")
    last = clone(child, MODIFIED)
    last.write(b"y", PAGE)
    for each in (child, vmo, last):
        each.close()
    assert pw.k.memory.allocated == before


def test_a_slice_is_a_view_of_the_same_pages(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    child = vmo.create_child(VmoChildOptions.SLICE, PAGE, 2 * PAGE)
    pw.read(child, 1)
    assert pw.request() == (READ, 2, 1)
    pw.supply(vmo, 2, b"x")
    child.write(b"y", PAGE)
    assert vmo.read(2 * PAGE, 1) == b"y" and pw.dirty(vmo) == [(2, 1, False)]


@kinds
def test_a_clone_of_a_slice_is_one_of_the_vmo(pw: PagerWorld, kind: int) -> None:
    vmo = pw.vmo(4)
    piece = vmo.create_child(VmoChildOptions.SLICE, PAGE, 2 * PAGE)
    child = clone(piece, kind, 1, 1)
    reader = pw.read(child, 0)
    assert pw.request() == (READ, 2, 1)
    pw.supply(vmo, 2, b"x")
    pw.k.run_until_idle()
    assert reader.answer[1][:1] == b"x"
    child.write(b"y")
    assert (vmo.read(2 * PAGE, 1), piece.read(PAGE, 1), child.read(0, 1)) == (b"x", b"x", b"y")
    grandchild = clone(child, kind)
    assert grandchild.read(0, 1) == b"y"
    with pytest.raises(ZxOutOfRange):
        clone(piece, kind, 1, 2)


def test_a_slice_is_the_parent_of_its_clones(pw: PagerWorld) -> None:
    piece = pw.vmo(2).create_child(VmoChildOptions.SLICE, 0, PAGE)
    child = clone(piece)
    assert child.info.parent_koid == piece.koid and piece.info.num_children == 1
    with pytest.raises(ZxNotSupported):
        clone(piece, VmoChildOptions.SNAPSHOT)


def test_a_slice_of_a_clone_has_no_clones_that_change_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    pw.supply(vmo, 1, b"x")
    child = clone(vmo)
    piece = child.create_child(VmoChildOptions.SLICE, PAGE, 2 * PAGE)
    child.write(b"mine", PAGE)
    assert clone(piece).read(0, 4) == b"mine"
    with pytest.raises(ZxNotSupported):
        clone(piece, MODIFIED)


def test_a_slice_of_clones_that_change_one_another_has_none(pw: PagerWorld) -> None:
    child = clone(pw.vmo(4))
    piece = child.create_child(VmoChildOptions.SLICE, PAGE, 2 * PAGE)
    clone(child, MODIFIED)
    with pytest.raises(ZxNotSupported):
        clone(piece)


def test_a_reference_is_the_whole_of_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    child = vmo.create_child(VmoChildOptions.REFERENCE, 0, 0)
    pw.read(child, 1)
    assert pw.request() == (READ, 1, 1)
    vmo.close()
    assert pw.request() is None  # no COMPLETE: it is referred to
    child.close()


def test_detaching_the_parent_fails_its_clones(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"0", b"1")
    child = clone(vmo)
    child.write(b"mine")
    pw.pager.detach_vmo(vmo)
    assert pw.read(child, 1).answer[0] == Status.BAD_STATE
    assert child.read(0, 4) == b"mine"


# zx_vmo_transfer_data


@pytest.mark.shows("zx_vmo_transfer_data", "ZX_ERR_NOT_SUPPORTED")
def test_a_pagers_pages_are_not_transferred(pw: PagerWorld) -> None:
    vmo, other = pw.vmo(1), pw.aux(b"x")
    with pytest.raises(ZxNotSupported):
        other.transfer_data(0, PAGE, vmo, 0)
    with pytest.raises(ZxNotSupported):
        vmo.transfer_data(0, PAGE, other, 0)
    assert other.read(0, 1) == b"x"


def test_a_clones_pages_are(pw: PagerWorld) -> None:
    vmo, other = pw.vmo(2), pw.aux(b"a", b"b")
    pw.supply(vmo, 0, b"0", b"1")
    child = clone(vmo)
    child.transfer_data(0, PAGE, other, 0)
    assert child.read(0, 1) == b"a" and other.read(0, 1) == b"\0"
    other.transfer_data(0, PAGE, child, PAGE)
    assert other.read(0, 1) == b"1" and child.read(PAGE, 1) == b"\0"
    assert vmo.read(PAGE, 1) == b"1"


# Operations


def test_commit_and_prefetch_have_pages_supplied(pw: PagerWorld) -> None:
    for op in (VmoOp.COMMIT, VmoOp.PREFETCH, VmoOp.ALWAYS_NEED):
        vmo = pw.vmo(3)

        async def ask(zx, mine, op=op):  # type: ignore[no-untyped-def]
            return (await zx.vmo_op_range(mine.raw, op, PAGE, 2 * PAGE, None))[0]

        asker = pw.start(vmo, ask)
        assert pw.request() == (READ, 1, 2)
        pw.supply(vmo, 1, b"1", b"2")
        pw.k.run_until_idle()
        assert asker.answer == Status.OK
        assert pw.dirty(vmo) == []


def test_a_hint_never_fails_because_of_the_pager(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)

    async def ask(zx, mine):  # type: ignore[no-untyped-def]
        return (await zx.vmo_op_range(mine.raw, VmoOp.ALWAYS_NEED, 0, PAGE, None))[0]

    asker = pw.start(vmo, ask)
    pw.fail(vmo, 0, 1, Status.IO)
    pw.k.run_until_idle()
    assert asker.answer == Status.OK


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize("op", [VmoOp.ALWAYS_NEED, VmoOp.DONT_NEED])
def test_a_hint_stays_within_a_pagers_vmo(pw: PagerWorld, op: VmoOp) -> None:
    vmo, ordinary = pw.vmo(1), pw.aux(b"")
    ordinary.op_range(op, 0, 100 * PAGE)
    with pytest.raises(Exception, match="OUT_OF_RANGE"):
        vmo.op_range(op, 0, 2 * PAGE)
    vmo.op_range(VmoOp.DONT_NEED, 0, PAGE)
    assert pw.request() is None


def test_a_hint_by_a_clone_asks_for_pages_together(pw: PagerWorld) -> None:
    vmo = pw.vmo(8)
    child = clone(vmo, ON_WRITE, 1, 7)
    pw.supply(vmo, 4, b"x")
    child.write(b"mine", 3 * PAGE)

    async def hint(zx: Body, mine: Vmo[Body]) -> int:
        return int((await zx.vmo_op_range(mine.raw, VmoOp.ALWAYS_NEED, PAGE, 5 * PAGE, None))[0])

    toucher = pw.start(child, hint)
    assert pw.request() == (READ, 2, 2)
    pw.supply(vmo, 2, b"x", b"x")
    assert pw.request() == (READ, 5, 2)
    pw.supply(vmo, 5, b"x", b"x")
    assert pw.request() is None and toucher.answer == Status.OK
