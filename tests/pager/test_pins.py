"""Pages that are pinned for devices: which of them become dirty, and when."""

from __future__ import annotations

import pytest

from jacinth import (
    Body,
    Bti,
    BtiOptions,
    Iommu,
    PagerCommand,
    PagerOp,
    Resource,
    Status,
    Vmo,
    VmoOp,
    VmoOptions,
)
from jacinth.abi import ZX_ERR_IO, ZX_ERR_OUT_OF_RANGE, ZX_OK, ZX_TIME_INFINITE

from .conftest import PAGE, PagerWorld

READ, DIRTY = PagerCommand.READ, PagerCommand.DIRTY
TRAP = VmoOptions.TRAP_DIRTY
LOOK = BtiOptions.PERM_READ
CHANGE = BtiOptions.PERM_READ | BtiOptions.PERM_WRITE

both = pytest.mark.parametrize("options", [VmoOptions.NONE, TRAP], ids=["plain", "trap"])


class Pinner:
    """A thread of its own that pins pages. Its *answer* is the status; then it sleeps, and the pages stay pinned."""

    def __init__(self, pw: PagerWorld, vmo: Vmo, first: int, count: int, permissions: BtiOptions) -> None:
        self.answer: int | None = None
        bti = Iommu.create(Resource(pw.k, pw.k.host.root_resource)).create_bti(1)

        async def body(zx: Body, mine: Vmo[Body], bti: Bti[Body]) -> None:
            self.answer, _, _ = await zx.bti_pin(
                bti.raw, int(permissions), mine.raw, first * PAGE, count * PAGE, count
            )
            await zx.nanosleep(ZX_TIME_INFINITE)

        self.process, _ = pw.job.create_child_process("pinner")
        self.process.start_body(body, vmo.duplicate(), bti)
        pw.k.run_until_idle()


@both
def test_a_device_that_only_reads_makes_nothing_dirty(pw: PagerWorld, options: VmoOptions) -> None:
    vmo = pw.vmo(2, options)
    pinner = Pinner(pw, vmo, 0, 2, LOOK)
    assert pw.request() == (READ, 0, 2)
    pw.supply(vmo, 0, b"x", b"")
    assert pw.request() is None and pinner.answer == ZX_OK
    assert pw.dirty(vmo) == [] and not pw.pager.query_vmo_stats(vmo)


def test_a_device_may_read_what_is_being_written_back(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"old")
    vmo.write(b"new")
    pw.op(PagerOp.WRITEBACK_BEGIN, vmo, 0, 1)
    assert Pinner(pw, vmo, 0, 1, LOOK).answer == ZX_OK
    pw.op(PagerOp.WRITEBACK_END, vmo, 0, 1)
    assert pw.dirty(vmo) == []


def test_a_device_that_writes_makes_its_pages_dirty(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"x", b"x")
    assert Pinner(pw, vmo, 1, 1, CHANGE).answer == ZX_OK
    assert pw.dirty(vmo) == [(1, 1, False)] and pw.pager.query_vmo_stats(vmo)


def test_a_device_that_writes_waits_for_pages_and_for_leave(pw: PagerWorld) -> None:
    vmo = pw.vmo(3, TRAP)
    for page in (0, 2):
        pw.supply(vmo, page, b"x")
    pinner = Pinner(pw, vmo, 0, 3, CHANGE)
    assert pw.request() == (DIRTY, 0, 1)
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    assert pw.request() == (READ, 1, 1)
    pw.supply(vmo, 1, b"x")
    assert pw.request() == (DIRTY, 1, 2)
    assert pinner.answer is None and not pw.pager.query_vmo_stats(vmo)
    pw.op(PagerOp.DIRTY, vmo, 1, 2)
    assert pw.request() is None and pinner.answer == ZX_OK
    assert pw.dirty(vmo) == [(0, 3, False)] and pw.pager.query_vmo_stats(vmo)


def test_leave_for_a_part_is_no_modification(pw: PagerWorld) -> None:
    vmo = pw.vmo(2, TRAP)
    pw.supply(vmo, 0, b"x", b"x")
    pinner = Pinner(pw, vmo, 0, 2, CHANGE)
    assert pw.request() == (DIRTY, 0, 2)
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    pw.fail(vmo, 1, 1, Status.IO)
    assert pw.request() == (DIRTY, 1, 1) and pinner.answer is None
    pw.fail(vmo, 1, 1, Status.IO)
    assert pw.request() is None and pinner.answer == ZX_ERR_IO
    assert pw.dirty(vmo) == [(0, 1, False)] and not pw.pager.query_vmo_stats(vmo)


def test_pages_that_are_cut_off_meanwhile_are_not_pinned(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, VmoOptions.RESIZABLE)
    pinner = Pinner(pw, vmo, 0, 1, LOOK)
    assert pw.request() == (READ, 0, 1)
    vmo.set_size(0)
    pw.k.run_until_idle()
    assert pinner.answer == ZX_ERR_OUT_OF_RANGE


def test_zeroing_a_page_that_is_pinned_is_a_write_to_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(4, TRAP)
    pw.supply(vmo, 0, *[b"x"] * 4)
    assert Pinner(pw, vmo, 1, 1, LOOK).answer == ZX_OK

    async def zero(zx: Body, mine: Vmo[Body]) -> None:
        await mine.op_range(VmoOp.ZERO, 0, 4 * PAGE)

    toucher = pw.start(vmo, zero)
    assert pw.request() == (DIRTY, 1, 1) and pw.dirty(vmo) == []
    pw.op(PagerOp.DIRTY, vmo, 1, 1)
    assert pw.request() is None and toucher.done
    assert pw.dirty(vmo) == [(0, 1, True), (1, 1, False), (2, 2, True)]
    assert vmo.read(PAGE, 1) == b"\0"
