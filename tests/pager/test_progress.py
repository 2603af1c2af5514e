"""Calls that move many pages: they go on with what has come, and what is asked for together."""

from __future__ import annotations

import pytest

from jacinth import Body, PagerCommand, PagerOp, Status, VmarFlags, Vmo, VmoChildOptions, VmoOp, VmoOptions
from jacinth.abi import ZX_ERR_IO, ZX_ERR_OUT_OF_RANGE, ZX_OK

from .conftest import PAGE, PagerWorld
from .test_pointers import trap

READ, DIRTY = PagerCommand.READ, PagerCommand.DIRTY
RW = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE


class Copier:
    """A thread that makes zx_vmo_read or zx_vmo_write, from or to *buffer*, which others can see."""

    def __init__(self, pw: PagerWorld, name: str, vmo: Vmo, first: int, count: int) -> None:
        self.pw = pw
        self.buffer = Vmo.create(count * PAGE, caller=pw.k)
        self.answer: int | None = None

        async def body(zx: Body, mine: Vmo[Body], buffer: Vmo[Body]) -> None:
            address = await zx.root_vmar.map(0, buffer, 0, count * PAGE, RW)
            self.answer = await trap(zx, name, mine.raw, address, first * PAGE, count * PAGE)

        self.process, _ = pw.job.create_child_process("copier")
        self.process.start_body(body, vmo.duplicate(), self.buffer.duplicate())
        pw.k.run_until_idle()

    def arrived(self) -> list[int]:
        """Which pages of the buffer show something, after everybody has done what can be done."""
        self.pw.k.run_until_idle()
        pages = self.buffer.size // PAGE
        return [page for page in range(pages) if self.buffer.read(page * PAGE, 1) != b"\0"]


def _supply(pw: PagerWorld, vmo: Vmo, first: int, count: int) -> None:
    pw.supply(vmo, first, *[b"x"] * count)


def test_a_read_shows_the_pages_that_have_come(pw: PagerWorld) -> None:
    vmo = pw.vmo(10)
    reader = Copier(pw, "zx_vmo_read", vmo, 2, 8)
    assert pw.request() == (READ, 2, 8)
    for first in (2, 4, 6):
        _supply(pw, vmo, first, 2)
        assert reader.arrived() == list(range(first))
        assert reader.answer is None
    _supply(pw, vmo, 8, 2)
    assert reader.arrived() == list(range(8)) and reader.answer == ZX_OK
    assert pw.request() is None


def test_pages_further_on_are_shown_with_those_before_them(pw: PagerWorld) -> None:
    vmo = pw.vmo(8)
    reader = Copier(pw, "zx_vmo_read", vmo, 0, 8)
    assert pw.request() == (READ, 0, 8)
    _supply(pw, vmo, 1, 1)
    _supply(pw, vmo, 4, 1)
    assert reader.arrived() == []
    _supply(pw, vmo, 0, 1)
    assert reader.arrived() == [0, 1]
    _supply(pw, vmo, 2, 2)
    assert reader.arrived() == [0, 1, 2, 3, 4]
    _supply(pw, vmo, 5, 3)
    assert reader.arrived() == list(range(8)) and reader.answer == ZX_OK
    assert pw.request() is None


def test_readers_of_overlapping_ranges_go_on_with_one_request(pw: PagerWorld) -> None:
    vmo = pw.vmo(12)
    readers = {
        (first, end): Copier(pw, "zx_vmo_read", vmo, first, end - first)
        for first, end in ((0, 9), (2, 4), (0, 3), (5, 6), (8, 12))
    }
    assert pw.request() == (READ, 0, 9)
    assert pw.request() is None
    for page in range(9):
        _supply(pw, vmo, page, 1)
        for (first, end), reader in readers.items():
            assert reader.arrived() == list(range(max(0, min(page + 1, end) - first)))
            assert (reader.answer == ZX_OK) == (page + 1 >= end)
    assert pw.request() == (READ, 9, 3)
    _supply(pw, vmo, 9, 3)
    assert readers[8, 12].arrived() == [0, 1, 2, 3] and readers[8, 12].answer == ZX_OK
    assert pw.request() is None


def test_a_read_of_what_is_cut_off_meanwhile_is_out_of_range(pw: PagerWorld) -> None:
    vmo = pw.vmo(8, VmoOptions.RESIZABLE)
    reader = Copier(pw, "zx_vmo_read", vmo, 0, 8)
    assert pw.request() == (READ, 0, 8)
    _supply(pw, vmo, 0, 1)
    assert reader.arrived() == [0]
    vmo.set_size(4 * PAGE)
    _supply(pw, vmo, 1, 3)
    reader.arrived()
    assert reader.answer == ZX_ERR_OUT_OF_RANGE
    assert pw.request() is None


def test_a_read_does_not_wait_for_what_a_clone_has_got_meanwhile(pw: PagerWorld) -> None:
    vmo = pw.vmo(9)
    clone = vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 9 * PAGE)
    _supply(pw, vmo, 4, 1)
    reader = Copier(pw, "zx_vmo_read", clone, 0, 9)
    assert pw.request() == (READ, 0, 4)
    clone.op_range(VmoOp.ZERO, 3 * PAGE, 3 * PAGE)
    for page in (3, 4, 5):
        clone.write(b"c", page * PAGE)
    _supply(pw, vmo, 0, 3)
    assert reader.arrived() == [0, 1, 2, 3, 4, 5]
    assert pw.request() == (READ, 6, 3)
    _supply(pw, vmo, 6, 3)
    assert reader.arrived() == list(range(9)) and reader.answer == ZX_OK
    assert reader.buffer.read(4 * PAGE, 1) == b"c"


def test_what_is_left_is_asked_for_no_longer_when_the_reader_is_killed(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    reader = Copier(pw, "zx_vmo_read", vmo, 0, 4)
    _supply(pw, vmo, 0, 1)
    assert reader.arrived() == [0]
    reader.process.kill()
    pw.k.run_until_idle()
    assert pw.request() is None
    Copier(pw, "zx_vmo_read", vmo, 0, 4)
    assert pw.request() == (READ, 1, 3)


def test_the_host_gets_all_of_what_it_reads(pw: PagerWorld) -> None:
    vmo = pw.vmo(600)
    process, _ = pw.job.create_child_process("pager")

    async def serve(zx: Body, pager: object, port: object, mine: Vmo[Body]) -> None:
        aux = Vmo.create(PAGE, caller=zx)
        async for packet in port:  # type: ignore[attr-defined]
            request = packet.contents
            for at in range(request.offset, request.offset + request.length, PAGE):
                await aux.write(b"%d" % (at // PAGE), 0)
                await pager.supply_pages(mine, at, PAGE, aux, 0)  # type: ignore[attr-defined]
                await zx.thread_legacy_yield(0)

    process.start_body(serve, pw.pager, pw.port, vmo.duplicate())
    data = vmo.read(0, 600 * PAGE)
    assert [int(data[at : at + 4].rstrip(b"\0")) for at in range(0, len(data), PAGE)] == list(range(600))


def test_a_write_asks_for_a_mebibyte_at_once(pw: PagerWorld) -> None:
    vmo = pw.vmo(600, VmoOptions.TRAP_DIRTY)
    writer = Copier(pw, "zx_vmo_write", vmo, 2, 598)
    for first, count in ((2, 256), (258, 256), (514, 86)):
        assert pw.request() == (READ, first, count)
        _supply(pw, vmo, first, 8)
        assert pw.request() is None
        _supply(pw, vmo, first + 8, count - 8)
        assert pw.request() == (DIRTY, first, count)
        pw.op(PagerOp.DIRTY, vmo, first, 8)
        assert pw.request() is None
        pw.op(PagerOp.DIRTY, vmo, first + 8, count - 8)
    pw.k.run_until_idle()
    assert writer.answer == ZX_OK


def test_a_write_that_fails_has_written_the_pages_before(pw: PagerWorld) -> None:
    vmo = pw.vmo(3, VmoOptions.TRAP_DIRTY)
    _supply(pw, vmo, 0, 3)
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    assert not pw.pager.query_vmo_stats(vmo)
    writer = pw.write(vmo, 0, b"y" * (3 * PAGE))
    assert pw.request() == (DIRTY, 1, 2)
    pw.fail(vmo, 1, 1, Status.IO)
    pw.k.run_until_idle()
    assert writer.answer == ZX_ERR_IO
    assert [vmo.read(page * PAGE, 1) for page in range(3)] == [b"y", b"x", b"x"]
    assert pw.pager.query_vmo_stats(vmo)
    assert pw.dirty(vmo) == [(0, 1, False)]


@pytest.mark.parametrize("trapped", [VmoOptions.NONE, VmoOptions.TRAP_DIRTY])
def test_a_commit_gives_zeroes_frames(pw: PagerWorld, trapped: VmoOptions) -> None:
    vmo = pw.vmo(2, trapped)
    pw.supply(vmo, 0, b"x", b"")
    assert vmo.info.committed_bytes == PAGE
    vmo.op_range(VmoOp.COMMIT, 0, 2 * PAGE)
    assert vmo.info.committed_bytes == 2 * PAGE
    assert pw.dirty(vmo) == [] and not pw.pager.query_vmo_stats(vmo)
    assert pw.request() is None


@pytest.mark.parametrize("trapped", [VmoOptions.NONE, VmoOptions.TRAP_DIRTY])
def test_a_commit_makes_new_zeroes_dirty_pages(pw: PagerWorld, trapped: VmoOptions) -> None:
    vmo = pw.vmo(1, VmoOptions.RESIZABLE | trapped)
    vmo.set_size(2 * PAGE)
    assert pw.dirty(vmo) == [(1, 1, True)]

    async def commit(zx: Body, mine: Vmo[Body]) -> int:
        return int((await zx.vmo_op_range(mine.raw, VmoOp.COMMIT, 0, 2 * PAGE, None))[0])

    committer = pw.start(vmo, commit)
    assert pw.request() == (READ, 0, 1)
    _supply(pw, vmo, 0, 1)
    if trapped:
        assert pw.request() == (DIRTY, 1, 1)
        assert pw.dirty(vmo) == [(1, 1, True)]
        pw.op(PagerOp.DIRTY, vmo, 1, 1)
    pw.k.run_until_idle()
    assert committer.answer == ZX_OK
    assert pw.dirty(vmo) == [(1, 1, False)]
    assert pw.request() is None
