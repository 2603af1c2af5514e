"""Injected faults: calls that fail, memory that runs out, peers that close."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Channel, Event, Kernel, Process, Status, Vmo, ZxNoMemory, ZxPeerClosed
from jacinth.abi import ZX_ERR_NO_MEMORY, ZX_ERR_PEER_CLOSED, ZX_OK, ZX_TIME_INFINITE
from jacinth.testing import sweep
from tests.pager.conftest import PagerWorld


def _body(k: Kernel, function: Any) -> Process[Kernel]:
    process, vmar = k.root_job.create_child_process("body")
    vmar.close()
    process.start_body(function).close()
    return process


def _statuses(k: Kernel, calls: int) -> list[int]:
    """What so many calls of zx_event_create answer to a body."""
    seen: list[int] = []

    async def body(zx: Any) -> int:
        for _ in range(calls):
            status, _handle = await zx.zx_event_create(0)
            seen.append(status)
        return 0

    process = _body(k, body)
    k.run()
    process.close()
    return seen


def test_the_nth_call_of_a_name_fails_and_the_following(k: Kernel) -> None:
    fault = k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=2, times=2)
    assert _statuses(k, 5) == [ZX_OK, ZX_ERR_NO_MEMORY, ZX_ERR_NO_MEMORY, ZX_OK, ZX_OK]
    assert (fault.seen, fault.fired) == (3, 2)


def test_other_calls_do_not_count(k: Kernel) -> None:
    k.faults.fail("zx_port_create", ZX_ERR_NO_MEMORY)
    assert _statuses(k, 2) == [ZX_OK, ZX_OK]


def test_other_kernels_do_not_count(k: Kernel) -> None:
    fault = k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY)
    with Kernel(seed=0, virtual_time=True, strict=True) as other:
        assert _statuses(other, 1) == [ZX_OK]
    assert fault.seen == 0


def test_the_host_neither_counts_nor_fails(k: Kernel) -> None:
    fault = k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY)
    Event.create(caller=k).close()
    assert fault.seen == 0


def test_only_one_process_is_meant(k: Kernel) -> None:
    process, _ = k.root_job.create_child_process("other")
    k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, by=process.koid)
    assert _statuses(k, 1) == [ZX_OK]


def test_a_cancelled_fault_happens_no_more(k: Kernel) -> None:
    k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY).cancel()
    assert _statuses(k, 1) == [ZX_OK]


def test_cleared_faults_happen_no_more(k: Kernel) -> None:
    k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY)
    k.faults.clear()
    assert _statuses(k, 1) == [ZX_OK]


def test_a_call_that_waits_fails_too(k: Kernel) -> None:
    k.faults.fail("zx_nanosleep", Status.CANCELED)
    seen: list[int] = []

    async def body(zx: Any) -> int:
        seen.append(await zx.zx_nanosleep(ZX_TIME_INFINITE))
        return 0

    _body(k, body)
    k.run()
    assert seen == [Status.CANCELED]


@pytest.mark.parametrize("call", ["zx_channel_write", "zx_channel_call_etc"])
def test_handles_that_are_consumed_whatever_happens_are_closed(k: Kernel, call: str) -> None:
    k.faults.fail(call, ZX_ERR_NO_MEMORY)
    answers: list[int] = []

    async def body(zx: Any) -> int:
        _, one, _other = await zx.zx_channel_create(0)
        _, event = await zx.zx_event_create(0)
        if call == "zx_channel_write":
            answers.append(await zx.zx_channel_write(one, 0, b"data", [event]))
        else:
            made = Channel(zx, one)
            try:
                await made.call(b"....data", handles=[Event(zx, event)])
            except ZxNoMemory as error:
                answers.append(error.status)
        answers.append(await zx.zx_handle_close(event))
        return 0

    _body(k, body)
    k.run()
    assert answers == [ZX_ERR_NO_MEMORY, Status.BAD_HANDLE]


@pytest.mark.parametrize("name", ["zx_no_such_call", "zx_clock_get_monotonic_via", "zx_ticks_get"])
def test_only_calls_that_the_kernel_answers_can_fail(k: Kernel, name: str) -> None:
    with pytest.raises(ValueError, match="no call"):
        k.faults.fail(name, ZX_ERR_NO_MEMORY)


def test_success_is_no_fault(k: Kernel) -> None:
    with pytest.raises(ValueError, match="error"):
        k.faults.fail("zx_event_create", ZX_OK)


@pytest.mark.parametrize(("nth", "times"), [(0, 1), (1, 0), (-1, 1)])
def test_places_are_counted_from_one(k: Kernel, nth: int, times: int) -> None:
    with pytest.raises(ValueError, match="number 1"):
        k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=nth, times=times)


def test_memory_runs_out_at_the_nth_page(k: Kernel) -> None:
    with k:
        vmo = Vmo.create(4 << 12)
        k.faults.no_memory(nth=3)
        vmo.write(b"1", 0)
        vmo.write(b"2", 1 << 12)
        with pytest.raises(ZxNoMemory):
            vmo.write(b"3", 2 << 12)
        k.faults.clear()
        vmo.write(b"3", 2 << 12)


def test_the_peer_closes_before_the_nth_call(k: Kernel) -> None:
    answers: list[int] = []
    ours, theirs = Channel.create(caller=k)

    async def body(zx: Any) -> int:
        channel = zx.call.handles.add(_handle_of(k, ours))
        for _ in range(3):
            answers.append(await zx.zx_channel_write(channel, 0, b"data", []))
        return 0

    k.faults.close_peer(ours.koid, before="zx_channel_write", nth=2)
    _body(k, body)
    k.run()
    assert answers == [ZX_OK, ZX_ERR_PEER_CLOSED, ZX_ERR_PEER_CLOSED]
    with pytest.raises(ZxPeerClosed):
        ours.write(b"")
    # The handle is gone, as though its holder had closed it.
    assert k.sys.zx_handle_close(theirs.take()) == Status.BAD_HANDLE


def _handle_of(k: Kernel, handle: Channel[Kernel]) -> Any:
    from jacinth.kernel.handle import Handle

    found = k.host.dispatcher.handles.get(handle.raw)
    assert found is not None
    return Handle(found.object, found.rights)


def test_a_sweep_visits_every_place_once() -> None:
    runs: list[list[int]] = []

    def scenario(kernel: Kernel) -> None:
        runs.append(_statuses(kernel, 3))

    places = sweep(
        scenario, lambda kernel, nth: kernel.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=nth)
    )
    assert places == 3
    assert [run.count(ZX_ERR_NO_MEMORY) for run in runs] == [1, 1, 1, 0]
    assert [run.index(ZX_ERR_NO_MEMORY) for run in runs[:3]] == [0, 1, 2]


def test_a_sweep_names_the_fault_with_which_a_scenario_fails() -> None:
    def scenario(kernel: Kernel) -> None:
        assert _statuses(kernel, 3)[1] == ZX_OK

    with pytest.raises(AssertionError) as caught:
        sweep(scenario, lambda kernel, nth: kernel.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=nth))
    assert "nth=2" in caught.value.__notes__[0]


def test_a_sweep_that_never_ends_is_ended() -> None:
    def scenario(kernel: Kernel) -> None:
        _statuses(kernel, 5)

    with pytest.raises(ValueError, match="more than 3"):
        sweep(scenario, lambda k, nth: k.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=nth), limit=3)


@pytest.mark.parametrize("failing", [False, True])
def test_a_call_that_waits_for_a_pager_counts_once(k: Kernel, failing: bool) -> None:
    """It is made again when the page has come, or is known not to."""
    world = PagerWorld(k)
    vmo = world.vmo(1)
    fault = k.faults.fail("zx_vmo_read", ZX_ERR_NO_MEMORY, nth=2)

    async def read(zx: Any, mine: Any) -> list[int]:
        return [(await zx.vmo_read(mine.raw, 0, 1))[0] for _ in range(2)]

    toucher = world.start(vmo, read)
    assert (fault.seen, toucher.done) == (1, False)
    if failing:
        world.fail(vmo, 0, 1, Status.IO)
    else:
        world.supply(vmo, 0, b"x")
    k.run_until_idle()
    assert toucher.answer == [Status.IO if failing else ZX_OK, ZX_ERR_NO_MEMORY]
    assert (fault.seen, fault.fired) == (2, 1)
