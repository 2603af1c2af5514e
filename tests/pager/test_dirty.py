"""Dirty tracking: what is to be written back, who must allow it, and what writing back makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, PagerCommand, PagerOp, Status, Vmo, VmoOp, VmoOptions
from jacinth.abi import ZX_VMO_DIRTY_RANGE_IS_ZERO

from .conftest import PAGE, PagerWorld

READ, DIRTY = PagerCommand.READ, PagerCommand.DIRTY
BEGIN, END = PagerOp.WRITEBACK_BEGIN, PagerOp.WRITEBACK_END
TRAP = VmoOptions.TRAP_DIRTY

both = pytest.mark.parametrize("options", [VmoOptions.NONE, TRAP], ids=["plain", "trap"])


def dirtied(pw: PagerWorld, vmo: Vmo, page: int, data: bytes = b"new") -> None:
    """Write a page that is there, which the pager allows."""
    writer = pw.write(vmo, page, data)
    while not writer.done:
        request = pw.request()
        assert request is not None
        command, first, count = request
        assert command == DIRTY
        pw.op(PagerOp.DIRTY, vmo, first, count)
        pw.k.run_until_idle()
    assert writer.answer == Status.OK


# The DIRTY request


def test_a_write_to_a_clean_page_waits_until_it_is_allowed(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, TRAP)
    pw.supply(vmo, 0, b"old", b"old")
    writer = pw.write(vmo, 1, b"new")
    assert pw.request() == (DIRTY, 1, 1)
    assert not writer.done and vmo.read(PAGE, 3) == b"old"
    pw.op(PagerOp.DIRTY, vmo, 1, 1)
    pw.k.run_until_idle()
    assert writer.answer == Status.OK and vmo.read(PAGE, 3) == b"new"


def test_a_dirty_page_is_written_without_asking(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, TRAP)
    pw.supply(vmo, 0, b"old")
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    assert pw.write(vmo, 0, b"new").answer == Status.OK
    assert pw.request() is None


def test_without_trap_nobody_is_asked(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"old")
    assert pw.write(vmo, 0, b"new").answer == Status.OK
    assert pw.request() is None
    assert pw.dirty(vmo) == [(0, 1, False)]


def test_an_absent_page_is_read_before_it_is_dirtied(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, TRAP)
    writer = pw.write(vmo, 0, bytes(range(256)) * 16)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"old")
    assert pw.request() == (DIRTY, 0, 1)
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    pw.k.run_until_idle()
    assert writer.answer == Status.OK


def test_clean_pages_are_asked_for_together(pw: PagerWorld) -> None:
    vmo = pw.vmo(6, TRAP)
    pw.supply(vmo, 0, b"0", b"1", b"", b"3", b"4", b"5")
    pw.op(PagerOp.DIRTY, vmo, 4, 1)
    writer = pw.write(vmo, 0, bytes(6 * PAGE))
    assert pw.request() == (DIRTY, 0, 4)
    pw.op(PagerOp.DIRTY, vmo, 0, 4)
    assert pw.request() == (DIRTY, 5, 1)
    pw.op(PagerOp.DIRTY, vmo, 5, 1)
    pw.k.run_until_idle()
    assert writer.answer == Status.OK
    assert pw.dirty(vmo) == [(0, 6, False)]


def test_a_refused_write_fails_and_changes_nothing(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, TRAP)
    pw.supply(vmo, 0, b"old")
    writer = pw.write(vmo, 0, b"new")
    pw.fail(vmo, 0, 1, Status.NO_SPACE)
    pw.k.run_until_idle()
    assert writer.answer == Status.NO_SPACE
    assert vmo.read(0, 3) == b"old" and pw.dirty(vmo) == []


def test_detaching_ends_a_wait_to_write(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, TRAP)
    pw.supply(vmo, 0, b"old")
    writer = pw.write(vmo, 0, b"new")
    pw.pager.detach_vmo(vmo)
    pw.k.run_until_idle()
    assert writer.answer == Status.BAD_STATE


def test_dirtying_too_much_lets_the_writer_ask_again(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, TRAP)
    pw.supply(vmo, 0, b"old")
    writer = pw.write(vmo, 0, b"new")
    assert pw.request() == (DIRTY, 0, 1)
    with pytest.raises(Exception, match="NOT_FOUND"):
        pw.op(PagerOp.DIRTY, vmo, 0, 2)
    assert pw.request() == (DIRTY, 0, 1)
    assert not writer.done and pw.dirty(vmo) == []


# What is dirty


@both
def test_supplied_pages_are_clean(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(3, options)
    pw.supply(vmo, 0, b"a", b"", b"c")
    assert pw.dirty(vmo) == []


@both
def test_dirty_pages_in_a_row_are_one_range(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(6, options)
    pw.supply(vmo, 0, b"0", b"1", b"2", b"3", b"4", b"5")
    for page in (1, 2, 5):
        dirtied(pw, vmo, page)
    assert pw.dirty(vmo) == [(1, 2, False), (5, 1, False)]


def test_a_query_in_steps_finds_all(pw: PagerWorld) -> None:
    vmo = pw.vmo(200)
    for page in range(0, 200, 2):
        pw.supply(vmo, page, b"x")
        vmo.write(b"y", page * PAGE)
    assert pw.dirty(vmo) == [(page, 1, False) for page in range(0, 200, 2)]


def test_writing_a_zero_page_commits_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"")
    assert pw.write(vmo, 0, b"x").answer == Status.OK
    assert pw.dirty(vmo) == [(0, 1, False)] and vmo.info.committed_bytes == PAGE


# Zeroes


@both
def test_zeroed_pages_are_dirty_zeroes_and_need_no_supply(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(4, options)
    pw.supply(vmo, 1, b"x")
    reader = pw.read(vmo, 2)
    vmo.op_range(VmoOp.ZERO, 0, 3 * PAGE)
    pw.k.run_until_idle()
    assert reader.answer == (Status.OK, bytes(PAGE))
    assert pw.dirty(vmo) == [(0, 3, True)]
    assert vmo.info.committed_bytes == 0
    assert pw.request() is None


def test_zeroing_supplied_zeroes_leaves_them_clean(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"")
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    assert pw.dirty(vmo) == []


def test_zeroing_part_of_a_page_is_a_write_to_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, TRAP)

    async def zero(zx: Body, mine: Vmo[Body]) -> Any:
        return (await zx.vmo_op_range(mine.raw, VmoOp.ZERO, 1, 2, None))[0]

    zeroer = pw.start(vmo, zero)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"abcd")
    assert pw.request() == (DIRTY, 0, 1)
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    pw.k.run_until_idle()
    assert zeroer.answer == Status.OK and vmo.read(0, 4) == b"a\0\0d"


def test_writing_a_dirty_zero_page_asks_before_it_is_committed(pw: PagerWorld) -> None:
    vmo = pw.vmo(3, TRAP)
    vmo.op_range(VmoOp.ZERO, 0, 3 * PAGE)
    writer = pw.write(vmo, 1, b"x")
    assert pw.request() == (DIRTY, 1, 1)
    pw.op(PagerOp.DIRTY, vmo, 1, 1)
    pw.k.run_until_idle()
    assert writer.answer == Status.OK
    assert pw.dirty(vmo) == [(0, 1, True), (1, 1, False), (2, 1, True)]


@both
def test_a_vmo_grows_by_dirty_zeroes(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(1, options | VmoOptions.RESIZABLE)
    vmo.set_size(4 * PAGE)
    assert pw.read(vmo, 1, 3).answer == (Status.OK, bytes(3 * PAGE))
    assert pw.dirty(vmo) == [(1, 3, True)]
    vmo.set_size(2 * PAGE)
    assert pw.dirty(vmo) == [(1, 1, True)]


@both
def test_what_is_cut_off_is_neither_dirty_nor_waited_for(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(3, options | VmoOptions.RESIZABLE)
    pw.supply(vmo, 1, b"x")
    dirtied(pw, vmo, 1)
    reader = pw.read(vmo, 2)
    vmo.set_size(PAGE)
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.OUT_OF_RANGE
    assert pw.dirty(vmo) == []
    vmo.set_size(3 * PAGE)
    assert vmo.read(PAGE, 1) == b"\0"


def test_a_write_that_waits_beyond_the_new_end_fails(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, TRAP | VmoOptions.RESIZABLE)
    pw.supply(vmo, 1, b"x")
    writer = pw.write(vmo, 1, b"y")
    vmo.set_size(PAGE)
    pw.k.run_until_idle()
    assert writer.answer == Status.OUT_OF_RANGE


# Writeback


@both
def test_writeback_makes_dirty_pages_clean(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(3, options)
    pw.supply(vmo, 0, b"0", b"1", b"2")
    for page in (0, 1):
        dirtied(pw, vmo, page)
    pw.op(BEGIN, vmo, 0, 3)
    assert pw.dirty(vmo) == [(0, 2, False)]  # still: it is not over
    pw.op(END, vmo, 0, 3)
    assert pw.dirty(vmo) == []
    assert vmo.read(0, 3) == b"new"


@both
def test_what_is_written_meanwhile_stays_dirty(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(2, options)
    pw.supply(vmo, 0, b"0", b"1")
    dirtied(pw, vmo, 0)
    dirtied(pw, vmo, 1)
    pw.op(BEGIN, vmo, 0, 2)
    dirtied(pw, vmo, 1, b"again")  # which asks again, where it is trapped
    pw.op(END, vmo, 0, 2)
    assert pw.dirty(vmo) == [(1, 1, False)]


def test_an_end_without_a_begin_cleans_nothing(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"0")
    dirtied(pw, vmo, 0)
    pw.op(END, vmo, 0, 1)
    assert pw.dirty(vmo) == [(0, 1, False)]


@both
def test_zeroes_that_were_written_back_are_to_be_supplied_again(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(2, options)
    vmo.op_range(VmoOp.ZERO, 0, 2 * PAGE)
    pw.op(BEGIN, vmo, 0, 1, ZX_VMO_DIRTY_RANGE_IS_ZERO)
    pw.op(END, vmo, 0, 1)
    assert pw.dirty(vmo) == [(1, 1, True)]
    pw.read(vmo, 0)
    assert pw.request() == (READ, 0, 1)


def test_writing_back_zeroes_leaves_what_became_a_page_dirty(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    vmo.op_range(VmoOp.ZERO, 0, 3 * PAGE)
    dirtied(pw, vmo, 1, b"x")
    pw.op(BEGIN, vmo, 0, 3, ZX_VMO_DIRTY_RANGE_IS_ZERO)
    pw.op(END, vmo, 0, 3)
    assert pw.dirty(vmo) == [(1, 1, False)]


@both
def test_a_page_that_is_zeroed_during_writeback_is_dirty_again(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(1, options)
    pw.supply(vmo, 0, b"0")
    dirtied(pw, vmo, 0)
    pw.op(BEGIN, vmo, 0, 1)
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    pw.op(END, vmo, 0, 1)
    assert pw.dirty(vmo) == [(0, 1, True)]


@both
def test_detaching_keeps_what_is_dirty_and_forgets_the_rest(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(3, options)
    pw.supply(vmo, 0, b"0", b"1", b"")
    dirtied(pw, vmo, 1)
    pw.pager.detach_vmo(vmo)
    assert pw.dirty(vmo) == [(1, 1, False)]
    assert pw.read(vmo, 1).answer[0] == Status.OK
    assert pw.read(vmo, 0).answer[0] == Status.BAD_STATE
    assert pw.read(vmo, 2).answer[0] == Status.BAD_STATE
    pw.op(BEGIN, vmo, 0, 3)
    pw.op(END, vmo, 0, 3)
    assert pw.dirty(vmo) == []


# Statistics


@pytest.mark.parametrize("what", ["write", "zero", "grow", "shrink"])
def test_a_modification_shows_until_it_is_reset(pw: PagerWorld, what: str) -> None:
    vmo = pw.vmo(2, VmoOptions.RESIZABLE)
    pw.supply(vmo, 0, b"0", b"1")
    assert not pw.pager.query_vmo_stats(vmo)
    for _ in range(2):
        if what == "write":
            vmo.write(b"x")
        elif what == "zero":
            vmo.op_range(VmoOp.ZERO, 0, PAGE)
        elif what == "grow":
            vmo.set_size(vmo.size + PAGE)
        else:
            vmo.set_size(vmo.size - PAGE)
        assert pw.pager.query_vmo_stats(vmo)
        assert pw.pager.query_vmo_stats(vmo, reset=True)
        assert not pw.pager.query_vmo_stats(vmo)


def test_reading_and_supplying_are_no_modifications(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"0")
    vmo.read(0, 1)
    assert not pw.pager.query_vmo_stats(vmo)


def test_a_stream_that_grows_makes_dirty_zeroes(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, VmoOptions.UNBOUNDED)
    vmo.set_stream_size(3 * PAGE)
    assert pw.dirty(vmo) == [(1, 2, True)]
    vmo.set_stream_size(2 * PAGE)
    assert pw.dirty(vmo) == [(1, 1, True)]
