"""Python bodies: threads that are coroutines, with the same classes, awaited."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from jacinth import (
    INFINITE,
    Body,
    Channel,
    Event,
    Handle,
    Kernel,
    KernelDeadlock,
    Packet,
    Port,
    Process,
    ProcessOptions,
    Rights,
    Signals,
    Status,
    Vmo,
    WaitItem,
    ZxAccessDenied,
    ZxBadState,
    ZxCanceled,
    ZxTimedOut,
    object_wait_many,
)

READABLE = Signals.CHANNEL_READABLE
TERMINATED = Signals.TASK_TERMINATED


@pytest.fixture
def process(k: Kernel) -> Process:
    return k.root_job.create_child_process("body")[0]


def test_a_body_serves_the_host(k: Kernel, process: Process) -> None:
    async def serve(zx: Body, channel: Channel[Body]) -> int:
        while True:
            seen = await channel.wait(READABLE | Signals.CHANNEL_PEER_CLOSED)
            if not seen & READABLE:
                return 7
            data, handles = await channel.read()
            await channel.write(data[:4] + data[4:].upper(), handles)

    one, other = Channel.create()
    process.start_body(serve, other)
    assert other.is_invalid
    event = Event.create()
    koid = event.koid
    data, [back] = one.call(b"\0\0\0\0hello", [event])
    assert data[4:] == b"HELLO" and back.koid == koid
    one.close()
    process.wait(TERMINATED)
    assert process.info.return_code == 7


def test_methods_are_awaited_properties_and_create_are_not(k: Kernel, process: Process) -> None:
    async def main(zx: Body) -> int:
        one, other = Channel.create(caller=zx)
        assert isinstance(one, Channel) and one.koid and one.rights & Rights.READ
        writing = one.write(b"x")
        assert inspect.iscoroutine(writing)
        await writing
        assert (await other.read())[0] == b"x"
        with one:
            duplicate = Event.create(caller=zx).duplicate()
            await (await duplicate).close()
        assert one.is_invalid
        items = [WaitItem(other, Signals.CHANNEL_PEER_CLOSED)]
        await object_wait_many(items)
        assert items[0].pending & Signals.CHANNEL_PEER_CLOSED
        status, event = await zx.event_create(0)
        assert (status, await zx.zx_handle_close(event)) == (Status.OK, Status.OK)
        return 1

    process.start_body(main)
    process.wait(TERMINATED)
    assert process.info.return_code == 1


def test_a_body_has_its_place_in_the_system(k: Kernel, process: Process) -> None:
    seen: dict[str, Any] = {}

    async def main(zx: Body) -> None:
        seen.update(process=zx.process.koid, thread=zx.thread.koid, job=zx.job.koid)
        address = await zx.root_vmar.map(0, Vmo.create(4096, caller=zx), 0, 4096)
        zx.store(address, b"mine")
        seen["memory"] = zx.load(address, 4)
        with pytest.raises(ZxBadState):
            zx.restricted_vmar  # noqa: B018
        child, _ = await zx.job.create_child_process("child")
        seen["child"] = child.koid
        await zx.nanosleep(INFINITE)

    thread = process.start_body(main)
    k.run_until_idle()
    assert seen["memory"] == b"mine"
    assert (seen["process"], seen["thread"], seen["job"]) == (process.koid, thread.koid, k.root_job.koid)
    assert seen["child"] in k.root_job.processes
    assert thread.name == "main"


def test_its_own_handles_go_when_a_body_ends(k: Kernel, process: Process) -> None:
    async def wait(zx: Body) -> None:
        await zx.nanosleep(INFINITE)

    async def use(zx: Body) -> None:
        assert zx.process.koid and zx.job.koid and zx.thread.koid and zx.root_vmar.koid
        one, _ = Channel.create(caller=zx)
        with pytest.raises(ZxTimedOut):
            await one.call(bytes(4), deadline=0)

    process.start_body(wait)
    maps = len(process.info_maps)
    thread = process.create_thread("second")
    thread.start_body(use)
    thread.wait(TERMINATED)
    assert len(process.handle_table) == 2  # the ends of the channel
    assert len(process.info_maps) == maps


def test_a_killed_body_is_closed_where_it_awaits(k: Kernel, process: Process) -> None:
    steps: list[str] = []

    async def main(zx: Body) -> None:
        try:
            await Event.create(caller=zx).wait(Signals.USER_0)
        finally:
            steps.append("closed")

    process.start_body(main)
    k.run_until_idle()
    assert not steps
    process.kill()
    assert steps == ["closed"] and process.info.return_code == -1024


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_body_that_will_not_be_closed_goes_all_the_same(
    k: Kernel, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    k.strict = False
    closed: list[bool] = []

    async def main(zx: Body) -> None:
        event = Event.create(caller=zx)
        try:
            await event.wait(Signals.USER_0)
        finally:
            await event.close()  # does not wait
            closed.append(event.is_invalid)
            await zx.nanosleep(INFINITE)

    process.start_body(main)
    k.run_until_idle()
    process.kill()
    assert closed == [True] and process.wait(TERMINATED, 0)
    assert "ignored GeneratorExit" in capsys.readouterr().err


def test_a_body_that_kills_itself_does_not_come_back(k: Kernel, process: Process) -> None:
    steps: list[str] = []

    async def main(zx: Body) -> None:
        steps.append("before")
        await zx.process.kill()
        steps.append("after")

    process.start_body(main)
    process.wait(TERMINATED)
    assert steps == ["before"]


def test_a_suspended_body_waits_for_its_token(k: Kernel, process: Process) -> None:
    count = 0

    async def main(zx: Body) -> None:
        nonlocal count
        while True:
            count += 1
            await zx.nanosleep(await zx.deadline_after(1000))

    thread = process.start_body(main)
    k.nanosleep(k.deadline_after(50_000))
    with thread.suspend():
        thread.wait(Signals.THREAD_SUSPENDED)
        before = count
        k.nanosleep(k.deadline_after(50_000))
        assert count == before > 1
    k.nanosleep(k.deadline_after(50_000))
    assert count > before


def test_a_wait_ends_when_the_handle_is_closed_and_its_number_is_not_used_again(
    k: Kernel, process: Process
) -> None:
    results: list[Any] = []

    async def waits(zx: Body, event: Event[Body]) -> None:
        raw = event.raw
        try:
            await event.wait(Signals.EVENT_SIGNALED)
        except ZxCanceled as error:
            results.append(error.signals)
        results.append(raw)

    async def main(zx: Body) -> None:
        event = Event.create(caller=zx)
        raw = event.raw
        second = await zx.process.create_thread("waits")
        await second.start_body(waits, event)
        assert event.is_invalid
        await zx.nanosleep(await zx.deadline_after(1_000_000))
        assert await zx.handle_close(raw) == Status.OK
        for _ in range(10):
            fresh = Event.create(caller=zx)
            assert fresh.raw != raw
            await fresh.signal(0, Signals.EVENT_SIGNALED)
        await second.wait(TERMINATED)

    process.start_body(main).wait(TERMINATED)
    assert results[0] & Signals.HANDLE_CLOSED and not results[0] & Signals.EVENT_SIGNALED
    assert len(results) == 2


def test_packets_are_iterated_until_the_port_is_closed(k: Kernel, process: Process) -> None:
    keys: list[int] = []

    async def main(zx: Body, port: Port[Body]) -> int:
        async for packet in port:
            keys.append(packet.key)
            if packet.key == 3:
                await port.close()
        return 0

    port = Port.create()
    mine = port.duplicate()
    process.start_body(main, port)
    for key in (1, 2, 3, 4):
        mine.queue(Packet(key))
    process.wait(TERMINATED)
    assert keys == [1, 2, 3]


def test_handles_that_may_not_be_transferred_are_closed(k: Kernel, process: Process) -> None:
    async def main(zx: Body, *handles: Handle[Body]) -> None: ...

    event = Event.create()
    watched, kept = event.duplicate(), event.duplicate(Rights.WAIT)
    with pytest.raises(ZxAccessDenied):
        process.start_body(main, event, kept)
    assert event.is_invalid and kept.is_invalid and watched.count == 1


def test_a_process_starts_once(k: Kernel, process: Process) -> None:
    async def main(zx: Body, *handles: Handle[Body]) -> None:
        await zx.nanosleep(INFINITE)

    first = process.create_thread("first")
    first.start_body(main)
    with pytest.raises(ZxBadState):
        first.start_body(main)
    event = Event.create()
    watched = event.duplicate()
    with pytest.raises(ZxBadState):
        process.start_body(main, event)
    assert watched.count == 1 and not process.handle_table


def test_processes_that_share_their_state_share_handles(k: Kernel) -> None:
    prototype, _ = k.root_job.create_child_process("prototype", ProcessOptions.SHARED)
    one, _ = prototype.create_shared("one")
    two, _ = prototype.create_shared("two")
    seen: list[Any] = []

    async def take(zx: Body, event: Event[Body]) -> int:
        await event.wait(Signals.USER_0)
        seen.append((zx.process.koid, event.koid))
        return 2

    async def give(zx: Body, other: Process[Body]) -> int:
        event = Event.create(caller=zx)
        raw, koid = event.raw, event.koid
        await other.start_body(take, event)
        await Event(zx, raw).signal(0, Signals.USER_0)
        seen.append((zx.process.koid, koid))
        return 1

    one.start_body(give, two.duplicate())
    for process, code in ((one, 1), (two, 2)):
        process.wait(TERMINATED)
        assert process.info.return_code == code
    assert {koid for koid, _ in seen} == {one.koid, two.koid}
    assert len({koid for _, koid in seen}) == 1


def test_a_failing_body_takes_its_process_along(process: Process, capsys: pytest.CaptureFixture[str]) -> None:
    k = process._caller
    k.strict = False

    async def main(zx: Body) -> None:
        raise LookupError("of my own")

    process.start_body(main)
    process.wait(TERMINATED)
    assert process.info.return_code == -1028
    assert "of my own" in capsys.readouterr().err


def test_objects_of_a_body_need_to_be_told_whose_they_are(k: Kernel, process: Process) -> None:
    caught: list[str] = []

    async def main(zx: Body) -> None:
        try:
            Event.create()
        except RuntimeError as error:
            caught.append(str(error))

    process.start_body(main)
    k.run()
    assert "caller=" in caught[0]


def test_running_ends_when_nothing_is_left_to_run(k: Kernel, process: Process) -> None:
    ticks: list[int] = []

    async def main(zx: Body) -> None:
        for _ in range(3):
            await zx.nanosleep(await zx.deadline_after(1_000_000))
            ticks.append(k.now)

    process.start_body(main)
    k.run_until_idle()
    assert not ticks
    k.run(k.deadline_after(1_500_000))
    assert len(ticks) == 1
    k.run()
    assert len(ticks) == 3
    with pytest.raises(KernelDeadlock, match=r"nothing is left that could wake one$"):
        Event.create().wait(Signals.USER_0)


def test_a_deadlock_says_what_every_thread_waits_for(k: Kernel) -> None:
    async def wait(zx: Body) -> None:
        await Event.create(caller=zx).wait(Signals.USER_0)

    processes = [k.root_job.create_child_process(name)[0] for name in ("waits", "is suspended")]
    for process in processes:
        process.start_body(wait)
    token = processes[1].suspend()
    with pytest.raises(KernelDeadlock) as caught:
        processes[0].wait(Signals.PROCESS_TERMINATED)
    k.root_job.kill()  # it says what was
    _, *lines = str(caught.value).splitlines()
    assert [line.partition('"')[2] for line in lines] == [
        'waits", "wait": ZX_THREAD_STATE_BLOCKED_WAIT_ONE',
        'is suspended", "wait": ZX_THREAD_STATE_SUSPENDED',
    ]
    token.close()


def test_what_is_no_integer_is_a_type_error_of_whoever_passes_it(
    k: Kernel, process: Process, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was an internal error of the kernel's, and ZX_ERR_INTERNAL: seconds as a float are a mistake that is easily made."""

    async def main(zx: Body) -> int:
        for call in (
            lambda: zx.nanosleep(0.5),
            lambda: zx.handle_close("event"),
            lambda: Event.create(caller=zx).wait(Signals.USER_0, 1e9),  # type: ignore[arg-type]
        ):
            with pytest.raises(TypeError, match=r"^an argument of zx_\w+ is no integer: .*'(float|str)'"):
                await call()
        return 5

    process.start_body(main)
    k.run()
    assert process.info.return_code == 5
    for call in (
        lambda: k.nanosleep(1.5),  # type: ignore[arg-type]
        lambda: Vmo.create("4096"),  # type: ignore[arg-type]
        lambda: Event.create().wait(Signals.USER_0, 1e9),  # type: ignore[arg-type]
    ):
        with pytest.raises(TypeError, match=r"^an argument of zx_\w+ is no integer: .*'(float|str)'"):
            call()
    assert capfd.readouterr().err == ""
