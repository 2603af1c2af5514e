"""Views of a pager's memory: supplied as for a read, and seen as it is from then on."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, Kernel, PagerCommand, Status, Vmo, VmoChildOptions, VmoOptions, ZxBadState, ZxIo
from jacinth.abi import ZX_OK, ZX_PAGER_OP_FAIL

from .conftest import PAGE, PagerWorld


def serve(pw: PagerWorld, vmo: Vmo[Kernel], aux: Vmo[Kernel] | None) -> None:
    """Let a body answer the first request: with the pages of *aux*, or with a failure."""
    process, _ = pw.job.create_child_process("pager")
    source = aux if aux is not None else Vmo.create(PAGE, caller=pw.k)

    async def body(zx: Body, pager: Any, port: Any, target: Any, source: Any) -> None:
        status, _packet = await zx.port_wait(port.raw, 1 << 62)
        assert status == ZX_OK
        if aux is None:
            status = await zx.pager_op_range(
                pager.raw, ZX_PAGER_OP_FAIL, target.raw, 0, vmo.size, Status.IO & ((1 << 64) - 1)
            )
        else:
            status = await zx.pager_supply_pages(pager.raw, target.raw, 0, vmo.size, source.raw, 0)
        assert status == ZX_OK

    process.start_body(body, pw.pager, pw.port.duplicate(), vmo.duplicate(), source.duplicate())


def test_a_view_sees_what_is_written_later_and_makes_nothing_dirty(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    pw.supply(vmo, 0, b"first", b"second", b"")
    view = vmo.view()
    assert (view[:5], view[PAGE : PAGE + 6], view[2 * PAGE :]) == (b"first", b"second", bytes(PAGE))
    assert pw.dirty(vmo) == []
    vmo.write(b"written", PAGE)
    vmo.write(b"too", 2 * PAGE)
    assert (view[PAGE : PAGE + 7], view[2 * PAGE : 2 * PAGE + 3]) == (b"written", b"too")
    assert pw.dirty(vmo) == [(1, 2, False)]


def test_a_view_waits_for_the_pager(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    serve(pw, vmo, pw.aux(b"one", b"two"))
    view = vmo.view()
    assert (view[:3], view[PAGE : PAGE + 3]) == (b"one", b"two")


def test_a_view_that_the_pager_fails_is_none(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    serve(pw, vmo, None)
    with pytest.raises(ZxIo):
        vmo.view()
    assert vmo.info.committed_bytes == 0


def test_a_view_of_a_clone_is_of_pages_of_its_own(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    clone = vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, 0, 2 * PAGE)
    serve(pw, vmo, pw.aux(b"one", b"two"))
    view = clone.view()
    clone.write(b"ONE")
    assert (view[:3], view[PAGE : PAGE + 3], vmo.read(0, 3)) == (b"ONE", b"two", b"one")


def test_zeroes_of_every_kind_can_be_viewed(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, VmoOptions.RESIZABLE)
    pw.supply(vmo, 0, b"x")
    vmo.set_size(3 * PAGE)  # behind the content: zeroes that nobody has supplied
    dirty = pw.dirty(vmo)
    view = vmo.view()
    assert view[PAGE:] == bytes(2 * PAGE)
    assert [(first, count) for first, count, _ in pw.dirty(vmo)] == [
        (first, count) for first, count, _ in dirty
    ]
    vmo.write(b"y", 2 * PAGE)
    assert view[2 * PAGE] == ord("y")


def test_a_view_in_a_body_waits_as_well(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)

    async def look(zx: Body, mine: Any) -> bytes:
        return bytes((await mine.view())[:3])

    toucher = pw.start(vmo, look)
    assert not toucher.done and pw.request() == (PagerCommand.READ, 0, 1)
    pw.supply(vmo, 0, b"abc")
    pw.k.run_until_idle()
    assert toucher.answer == b"abc"


def test_the_buffer_of_a_body_cannot_wait(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)

    async def look(zx: Body, mine: Any) -> str:
        try:
            return bytes(mine.__buffer__(0)[:3]).decode()
        except ZxBadState:
            return "missing"

    assert pw.start(vmo, look).answer == "missing"
    pw.supply(vmo, 0, b"abc")
    assert pw.start(vmo, look).answer == "abc"


def test_viewed_pages_stay_when_memory_runs_out_and_go_when_the_view_does() -> None:
    with Kernel(seed=0, virtual_time=True, memory=256 * PAGE, strict=True) as k:
        pw = PagerWorld(k)
        vmo = pw.vmo(2)
        pw.supply(vmo, 0, b"a", b"b")
        view = vmo.view()
        rest = Vmo.create((k.memory.frames - k.memory.allocated) * PAGE, caller=k)
        rest.op_range(1, 0, rest.size)
        with pytest.raises(Exception, match="NO_MEMORY"):
            Vmo.create(PAGE, caller=k).op_range(1, 0, PAGE)
        assert (view[:1], view[PAGE : PAGE + 1]) == (b"a", b"b")
        del view
        Vmo.create(2 * PAGE, caller=k).op_range(1, 0, 2 * PAGE)
        assert vmo.info.committed_bytes == 0
