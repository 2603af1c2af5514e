"""Streams over a pager's VMO: they wait for its pages, and keep what they have moved when a page does not come.

Source: utest/core/stream (ContentSizeUpdatedOnPartialWrite, PartialVmoDirty, AppendSuppliesZeroes, ReadShrinkRace).
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, PagerCommand, PagerOp, Status, Stream, StreamOptions, Vmo, VmoOptions
from jacinth.abi import ZX_ERR_NO_SPACE, ZX_OK, ZX_VMO_TRAP_DIRTY, ZX_VMO_UNBOUNDED
from tests.pager.conftest import PAGE, PagerWorld, Toucher, pw

__all__ = ["pw"]

READ_WRITE = StreamOptions.MODE_READ | StreamOptions.MODE_WRITE


def unbounded(pw: PagerWorld) -> Vmo:
    return pw.vmo(0, ZX_VMO_UNBOUNDED | ZX_VMO_TRAP_DIRTY)


def write(pw: PagerWorld, vmo: Vmo, offset: int | None, data: bytes) -> Toucher:
    """A thread that writes at *offset*, or appends. Its answer: (status, how much)."""

    async def body(zx: Body, mine: Vmo[Body]) -> Any:
        options = READ_WRITE if offset is not None else READ_WRITE | StreamOptions.MODE_APPEND
        stream = Stream.create(options, mine)
        if offset is None:
            return await zx.stream_writev(stream.raw, 0, [data])
        return await zx.stream_writev_at(stream.raw, 0, offset, [data])

    return pw.start(vmo, body)


def test_a_read_waits_for_its_pages(pw: PagerWorld) -> None:
    vmo = pw.vmo(40)

    async def body(zx: Body, mine: Vmo[Body]) -> Any:
        return await Stream.create(StreamOptions.MODE_READ, mine).read(20 * PAGE)

    reader = pw.start(vmo, body)
    assert pw.request() == (PagerCommand.READ, 0, 16)
    pw.supply(vmo, 0, *[b"%02d" % page for page in range(16)])
    pw.k.run_until_idle()
    assert not reader.done
    assert pw.request() == (PagerCommand.READ, 16, 4)
    pw.supply(vmo, 16, *[b"%02d" % page for page in range(16, 20)])
    pw.k.run_until_idle()
    assert reader.done and len(reader.answer) == 20 * PAGE
    assert [reader.answer[page * PAGE :][:2] for page in range(20)] == [b"%02d" % page for page in range(20)]


def test_a_read_answers_what_came_before_a_page_that_failed(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)

    async def body(zx: Body, mine: Vmo[Body]) -> Any:
        return await Stream.create(StreamOptions.MODE_READ, mine).read(4 * PAGE)

    pw.supply(vmo, 0, b"first")
    reader = pw.start(vmo, body)
    assert pw.request() == (PagerCommand.READ, 1, 3)
    pw.fail(vmo, 1, 3, Status.IO)
    pw.k.run_until_idle()
    assert reader.answer == b"first".ljust(PAGE, b"\0")


def test_a_read_of_which_nothing_came_fails_as_its_page_did(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)

    async def body(zx: Body, mine: Vmo[Body]) -> Any:
        stream = Stream.create(StreamOptions.MODE_READ, mine)
        return await zx.stream_readv(stream.raw, 0, [bytearray(5)])

    reader = pw.start(vmo, body)
    pw.fail(vmo, 0, 1, Status.IO)
    pw.k.run_until_idle()
    assert reader.answer == (Status.IO, 0)


def test_a_read_whose_content_goes_meanwhile_reads_nothing(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, VmoOptions.RESIZABLE)

    async def body(zx: Body, mine: Vmo[Body]) -> Any:
        return await Stream.create(StreamOptions.MODE_READ, mine).read(16)

    reader = pw.start(vmo, body)
    assert not reader.done
    vmo.set_size(0)
    pw.k.run_until_idle()
    assert reader.answer == b""


def test_the_content_grows_while_a_long_write_goes_on(pw: PagerWorld) -> None:
    vmo = unbounded(pw)
    writer = write(pw, vmo, 0, b"a" * 48 * PAGE)
    for page in range(0, 48, 16):
        assert pw.request() == (PagerCommand.DIRTY, page, 16)
        assert vmo.stream_size == page * PAGE
        pw.op(PagerOp.DIRTY, vmo, page, 16)
    pw.k.run_until_idle()
    assert writer.answer == (ZX_OK, 48 * PAGE)
    assert vmo.stream_size == 48 * PAGE


@pytest.mark.parametrize("offset", [0, PAGE])
def test_a_write_answers_what_came_before_a_page_that_failed(pw: PagerWorld, offset: int) -> None:
    vmo = unbounded(pw)
    first = offset // PAGE
    writer = write(pw, vmo, offset, b"a" * 2 * PAGE)
    assert pw.request() == (PagerCommand.DIRTY, first, 2)
    pw.op(PagerOp.DIRTY, vmo, first, 1)
    pw.fail(vmo, first + 1, 1, Status.NO_SPACE)
    assert pw.request() == (PagerCommand.DIRTY, first + 1, 1)
    pw.fail(vmo, first + 1, 1, Status.NO_SPACE)
    pw.k.run_until_idle()
    assert writer.answer == (ZX_OK, PAGE)
    assert vmo.stream_size == offset + PAGE


@pytest.mark.shows("zx_stream_writev_at", "ZX_ERR_NO_SPACE")
def test_a_write_of_which_nothing_was_taken_leaves_the_content(pw: PagerWorld) -> None:
    vmo = unbounded(pw)
    writer = write(pw, vmo, 0, b"a" * 2 * PAGE)
    pw.fail(vmo, 0, 2, Status.NO_SPACE)
    pw.k.run_until_idle()
    assert writer.answer == (ZX_ERR_NO_SPACE, 0)
    assert vmo.stream_size == 0


@pytest.mark.shows("zx_stream_writev", "ZX_ERR_NO_SPACE")
def test_an_append_of_which_nothing_was_taken_leaves_the_content(pw: PagerWorld) -> None:
    vmo = unbounded(pw)
    writer = write(pw, vmo, None, b"a" * 2 * PAGE)
    pw.fail(vmo, 0, 2, Status.NO_SPACE)
    pw.k.run_until_idle()
    assert writer.answer == (ZX_ERR_NO_SPACE, 0)
    assert vmo.stream_size == 0


def test_what_is_appended_is_never_read_before(pw: PagerWorld) -> None:
    vmo = unbounded(pw)
    requests = []
    size = 0
    for count in (PAGE // 2, PAGE, 2 * PAGE, PAGE // 2, 2 * PAGE, PAGE // 4, PAGE // 4, PAGE // 4, PAGE):
        writer = write(pw, vmo, None, b"a" * count)
        while not writer.done:
            request = pw.request()
            assert request is not None
            requests.append(request)
            pw.op(PagerOp.DIRTY, vmo, *request[1:])
            pw.k.run_until_idle()
        assert writer.answer == (ZX_OK, count)
        size += count
    assert vmo.stream_size == size
    assert [command for command, _, _ in requests] == [PagerCommand.DIRTY] * len(requests)
    assert [request[1:] for request in requests] == [(0, 1), (1, 1), (2, 2), (4, 2), (6, 1), (7, 1)]


def test_what_two_append_at_once_is_all_there(pw: PagerWorld) -> None:
    vmo = unbounded(pw)
    one, other = write(pw, vmo, None, b"1" * 17 * PAGE), write(pw, vmo, None, b"2" * 17 * PAGE)
    while not (one.done and other.done):
        request = pw.request()
        assert request is not None
        pw.op(PagerOp.DIRTY, vmo, *request[1:])
        pw.k.run_until_idle()
    assert one.answer == other.answer == (ZX_OK, 17 * PAGE)
    content = vmo.read(0, vmo.stream_size)
    assert content.count(b"1") == content.count(b"2") == 17 * PAGE


def test_a_host_waits_as_well(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)

    async def supply(zx: Body, mine: Vmo[Body]) -> Any:
        await zx.nanosleep(1000)
        pw.supply(vmo, 0, b"page")

    pw.start(vmo, supply)
    assert Stream.create(StreamOptions.MODE_READ, vmo).read(6) == b"page\0\0"
