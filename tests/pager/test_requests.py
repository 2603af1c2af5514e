"""Page requests: who waits, what the pager is asked for, and how the wait ends."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, Kernel, PagerCommand, Status, Vmo, VmoOp, VmoOptions
from jacinth.abi import (
    ZX_THREAD_STATE_BLOCKED_PAGER,
    ZX_THREAD_TERMINATED,
    ZX_TIME_INFINITE,
)

from .conftest import PAGE, PagerWorld

READ, COMPLETE = PagerCommand.READ, PagerCommand.COMPLETE


def test_a_read_waits_until_the_page_is_supplied(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    reader = pw.read(vmo, 2)
    assert not reader.done
    assert reader.thread.info.state == ZX_THREAD_STATE_BLOCKED_PAGER
    assert pw.request() == (READ, 2, 1)
    pw.supply(vmo, 2, b"two")
    pw.k.run_until_idle()
    assert reader.answer == (Status.OK, b"two" + bytes(PAGE - 3))
    assert pw.request() is None


def test_a_supplied_page_is_not_asked_for(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"a", b"b")
    assert pw.read(vmo, 0, 2).answer == (Status.OK, b"a" + bytes(PAGE - 1) + b"b" + bytes(PAGE - 1))
    assert pw.request() is None


def test_an_uncommitted_page_of_the_source_supplies_zeroes(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"", b"")
    assert pw.read(vmo, 0, 2).answer == (Status.OK, bytes(2 * PAGE))
    assert vmo.info.committed_bytes == 0


def test_absent_pages_are_asked_for_together(pw: PagerWorld) -> None:
    vmo = pw.vmo(8)
    pw.supply(vmo, 3, b"three")
    reader = pw.read(vmo, 0, 8)
    assert pw.request() == (READ, 0, 3)
    pw.supply(vmo, 0, b"0", b"1", b"2")
    assert pw.request() == (READ, 4, 4)
    pw.supply(vmo, 4, b"4", b"5", b"6", b"7")
    pw.k.run_until_idle()
    status, data = reader.answer
    assert status == Status.OK
    assert [data[at : at + 1] for at in range(0, 8 * PAGE, PAGE)] == [
        b"0",
        b"1",
        b"2",
        b"t",
        b"4",
        b"5",
        b"6",
        b"7",
    ]


def test_pages_may_be_supplied_in_any_order(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    reader = pw.read(vmo, 0, 3)
    assert pw.request() == (READ, 0, 3)
    for page in (2, 0, 1):
        pw.supply(vmo, page, b"%d" % page)
        pw.k.run_until_idle()
        assert reader.done == (page == 1)
    assert reader.answer[0] == Status.OK
    assert pw.request() is None


def test_a_second_reader_of_the_same_pages_does_not_ask_again(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    first = pw.read(vmo, 0, 4)
    second = pw.read(vmo, 1)
    assert pw.request() == (READ, 0, 4)
    assert pw.request() is None
    pw.supply(vmo, 1, b"one")
    pw.k.run_until_idle()
    assert second.done and not first.done
    pw.supply(vmo, 0, b"", b"", b"", b"")
    pw.k.run_until_idle()
    assert first.answer[1][PAGE : PAGE + 3] == b"one"


def test_a_request_ends_where_an_older_one_begins(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    pw.read(vmo, 2)
    pw.read(vmo, 0, 4)
    assert pw.request() == (READ, 2, 1)
    assert pw.request() == (READ, 0, 2)


def test_the_packet_of_a_reader_that_is_killed_is_taken_back(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    reader = pw.read(vmo, 0)
    reader.process.kill()
    assert reader.thread.wait(ZX_THREAD_TERMINATED)
    assert pw.request() is None


def test_a_killed_reader_leaves_the_others_waiting(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    first, second = pw.read(vmo, 0), pw.read(vmo, 0)
    first.process.kill()
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"x")
    pw.k.run_until_idle()
    assert second.done and not first.done


def test_a_suspended_reader_goes_on_when_it_is_resumed(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    reader = pw.read(vmo, 0)
    token = reader.thread.suspend()
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"x")
    pw.k.run_until_idle()
    assert not reader.done
    token.close()
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.OK


def test_a_write_of_part_of_a_page_waits_for_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    writer = pw.write(vmo, 0, b"ab")
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"12345")
    pw.k.run_until_idle()
    assert writer.answer == Status.OK
    assert vmo.read(0, 5) == b"ab345"


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_IO_DATA_INTEGRITY")
@pytest.mark.parametrize(
    "status",
    [
        pytest.param(Status.IO, marks=pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_IO")),
        pytest.param(
            Status.IO_DATA_INTEGRITY, marks=pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_IO_DATA_INTEGRITY")
        ),
        pytest.param(Status.BAD_STATE, marks=pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_BAD_STATE")),
        Status.NO_SPACE,
        Status.BUFFER_TOO_SMALL,
    ],
)
@pytest.mark.shows("zx_vmo_read", "ZX_ERR_IO")
@pytest.mark.shows("zx_vmo_read", "ZX_ERR_IO_DATA_INTEGRITY")
@pytest.mark.shows("zx_vmo_read", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_BAD_STATE")
def test_a_failed_request_fails_the_call_with_its_status(pw: PagerWorld, status: Status) -> None:
    vmo = pw.vmo(2)
    reader, writer = pw.read(vmo, 0), pw.write(vmo, 1, b"x")

    async def commit(zx: Body, mine: Vmo[Body]) -> Any:
        return (await zx.vmo_op_range(mine.raw, VmoOp.COMMIT, 0, PAGE, None))[0]

    committer = pw.start(vmo, commit)
    pw.fail(vmo, 0, 2, status)
    pw.k.run_until_idle()
    assert (reader.answer[0], writer.answer, committer.answer) == (status, status, status)


def test_a_failure_is_not_kept(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    reader = pw.read(vmo, 0)
    pw.fail(vmo, 0, 1, Status.IO)
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.IO
    assert pw.request() is None
    again = pw.read(vmo, 0)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"x")
    pw.k.run_until_idle()
    assert again.answer[0] == Status.OK


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_IO")
def test_pages_before_a_failure_do_not_help(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    reader = pw.read(vmo, 0, 3)
    pw.supply(vmo, 0, b"0")
    pw.k.run_until_idle()
    pw.fail(vmo, 1, 1, Status.IO)
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.IO


def test_a_reader_that_was_woken_meanwhile_asks_again_for_what_has_failed(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    reader = pw.read(vmo, 0, 3)
    assert pw.request() == (READ, 0, 3)
    pw.supply(vmo, 0, b"0")
    pw.fail(vmo, 1, 2, Status.IO)
    assert pw.request() == (READ, 1, 2)
    pw.supply(vmo, 1, b"1", b"2")
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.OK


def _commit(pw: PagerWorld, vmo: Vmo, first: int, count: int) -> Any:
    """A thread that commits pages. Its answer: the status."""

    async def commit(zx: Body, mine: Vmo[Body]) -> Any:
        return (await zx.vmo_op_range(mine.raw, VmoOp.COMMIT, first * PAGE, count * PAGE, None))[0]

    return pw.start(vmo, commit)


def test_a_commit_that_fails_behind_its_first_page_asks_again(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    first, second = _commit(pw, vmo, 0, 2), _commit(pw, vmo, 2, 2)
    assert [pw.request(), pw.request()] == [(READ, 0, 2), (READ, 2, 2)]
    pw.supply(vmo, 0, b"0")
    pw.fail(vmo, 1, 2, Status.IO)
    pw.k.run_until_idle()
    assert not first.done and second.answer == Status.IO
    assert pw.request() == (READ, 1, 1)
    pw.fail(vmo, 1, 1, Status.IO)
    pw.k.run_until_idle()
    assert first.answer == Status.IO


def test_a_pager_that_takes_minutes_is_not_waited_for(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    reader = pw.read(vmo, 0)
    assert pw.request() == (READ, 0, 1)
    pw.k.nanosleep(pw.k.deadline_after(299 * 10**9))
    assert not reader.done
    pw.k.nanosleep(pw.k.deadline_after(2 * 10**9))
    assert reader.answer[0] == Status.TIMED_OUT


def test_detaching_ends_the_waits_with_bad_state_and_sends_complete(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    reader = pw.read(vmo, 0)
    pw.pager.detach_vmo(vmo)
    assert pw.request() == (COMPLETE, 0, 0)
    assert reader.answer[0] == Status.BAD_STATE
    assert pw.read(vmo, 1).answer[0] == Status.BAD_STATE
    assert pw.request() is None


def test_detaching_twice_sends_complete_once(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.pager.detach_vmo(vmo)
    pw.pager.detach_vmo(vmo)
    assert pw.request() == (COMPLETE, 0, 0)
    assert pw.request() is None


def test_complete_is_sent_when_nothing_refers_to_the_vmo_any_more(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    reader = pw.read(vmo, 0)
    vmo.close()
    assert pw.request() == (READ, 0, 1)
    reader.process.kill()
    pw.k.run_until_idle()
    assert pw.request() == (COMPLETE, 0, 0)


def test_without_the_pager_it_is_as_if_detached_but_nothing_is_sent(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"there")
    reader = pw.read(vmo, 1)
    pw.pager.close()
    pw.k.run_until_idle()
    assert reader.answer[0] == Status.BAD_STATE
    assert pw.next_packet() is None
    vmo.close()
    assert pw.next_packet() is None


def test_closing_the_pager_takes_an_unread_complete_back(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.pager.detach_vmo(vmo)
    pw.pager.close()
    assert pw.next_packet() is None


def test_supplied_pages_do_not_replace_those_that_are_there(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    pw.supply(vmo, 1, b"old")
    before = pw.k.memory.allocated
    aux = pw.aux(b"a", b"b", b"c")
    pw.pager.supply_pages(vmo, 0, 3 * PAGE, aux)
    assert [vmo.read(page * PAGE, 3) for page in range(3)] == [b"a\0\0", b"old", b"c\0\0"]
    assert aux.info.committed_bytes == 0 and aux.read(0, 3 * PAGE) == bytes(3 * PAGE)
    assert pw.k.memory.allocated == before + 2


def test_a_host_read_runs_the_kernel_until_a_pager_serves_it(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    process, _ = pw.job.create_child_process("pager")
    served = []

    async def serve(zx: Body, pager: Any, port: Any, mine: Vmo[Body], aux: Vmo[Body]) -> int:
        async for packet in port:
            request = packet.contents
            served.append((request.offset, request.length))
            if request.command == READ:
                await pager.supply_pages(mine, request.offset, request.length, aux, request.offset)
        return 0

    process.start_body(serve, pw.pager, pw.port, vmo.duplicate(), pw.aux(b"first", b"second"))
    assert vmo.read(PAGE, 6) == b"second"
    assert vmo.read(0, 5) == b"first"
    assert served == [(PAGE, PAGE), (0, PAGE)]


def test_how_long_a_pager_may_take_is_an_option_of_the_kernel() -> None:
    with Kernel(seed=0, virtual_time=True, memory=16 << 20, pager_timeout=2_000_000_000) as k:
        pw = PagerWorld(k)
        start = k.now
        reader = pw.read(pw.vmo(1), 0)
        k.nanosleep(start + 1_999_000_000)
        assert not reader.done
        k.nanosleep(start + 2_001_000_000)
        assert reader.answer[0] == Status.TIMED_OUT
    with Kernel(seed=0, virtual_time=True, memory=16 << 20, pager_timeout=ZX_TIME_INFINITE) as k:
        reader = (pw := PagerWorld(k)).read(pw.vmo(1), 0)
        k.nanosleep(k.now + (1 << 61))
        assert not reader.done
    with pytest.raises(ValueError, match="0 ns"):
        Kernel(pager_timeout=0)


@pytest.mark.parametrize("left", [12, 10, 3])
def test_a_hint_about_what_is_cut_off_meanwhile_is_over(pw: PagerWorld, left: int) -> None:
    vmo = pw.vmo(20, VmoOptions.RESIZABLE)

    async def hint(zx: Body, mine: Vmo[Body]) -> int:
        return int((await zx.vmo_op_range(mine.raw, VmoOp.ALWAYS_NEED, 10 * PAGE, 10 * PAGE, None))[0])

    toucher = pw.start(vmo, hint)
    assert pw.request() == (READ, 10, 10)
    pw.supply(vmo, 10, b"x", b"x")
    vmo.set_size(left * PAGE)
    assert pw.request() is None and toucher.answer == Status.OK
