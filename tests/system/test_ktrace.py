"""The kernel's trace: what is in it, when, and for whom. A strict reader of the format reads all that is written."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jacinth import Body, Channel, Event, Kernel, Resource, ResourceKind, RestrictedReason, Signals
from jacinth.abi import (
    KTRACE_ACTION_REWIND,
    KTRACE_ACTION_START,
    KTRACE_ACTION_START_CIRCULAR,
    KTRACE_ACTION_STOP,
    KTRACE_GRP_ALL,
    KTRACE_GRP_IPC,
    KTRACE_GRP_META,
    KTRACE_GRP_RESTRICTED,
    KTRACE_GRP_SCHEDULER,
    KTRACE_GRP_SYSCALL,
    KTRACE_GRP_VM,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_OBJ_TYPE_PROCESS,
    ZX_OBJ_TYPE_THREAD,
    ZX_OK,
    ZX_RSRC_SYSTEM_CPU_BASE,
    ZX_RSRC_SYSTEM_TRACING_BASE,
    ZX_THREAD_STATE_BLOCKED,
)
from jacinth.fuzz.generate import Generator
from jacinth.fuzz.world import World
from jacinth.testing.programs import Program as Run
from tests.restricted.conftest import CODE, Bodies
from tests.sdk.conftest import build, cache, compiler  # noqa: F401
from tests.system import fxt_reader
from tests.system.fxt_reader import (
    BEGIN,
    COMPLETE,
    END,
    FLOW_BEGIN,
    FLOW_END,
    FLOW_STEP,
    ContextSwitch,
    KernelObject,
    Trace,
    Wakeup,
)
from tests.tasks.conftest import Memory, Program

shows = pytest.mark.shows
SOURCE = Path(__file__).parent / "ktrace.c"


@pytest.fixture
def root(k: Kernel) -> Resource[Kernel]:
    return k.root_resource


@pytest.fixture
def tracing(root: Resource[Kernel]) -> int:
    return int(root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_TRACING_BASE, 1).raw)


def taken(k: Kernel) -> Trace:
    """All of the trace, stopped and taken out."""
    k.ktrace.stop()
    trace = fxt_reader.read(k.ktrace.read())
    fxt_reader.check_durations(trace)
    return trace


# What a trace begins with


def test_a_trace_begins_with_what_a_reader_needs(k: Kernel, program: Program) -> None:
    async def main(zx: Any) -> None:
        await zx.nanosleep(1 << 62)

    thread = program.start(main)
    k.ktrace.start(KTRACE_GRP_META)
    trace = taken(k)
    assert (trace.sessions, trace.ticks_per_second) == (1, k.sys.zx_ticks_per_second()) == (1, 10**9)
    assert {"channel_write", "kernel:sched", "drop_stats"} <= set(trace.strings.values())
    assert {b"host", b"program", b"body", b"cpu-0", b"idle 0"} <= set(trace.names().values())
    host = k.host.thread
    for known, type_, arguments in (
        (host.process, ZX_OBJ_TYPE_PROCESS, {"job": k.root_job_dispatcher.koid}),
        (host, ZX_OBJ_TYPE_THREAD, {"process": host.process.koid}),
        (thread.process, ZX_OBJ_TYPE_PROCESS, {"job": k.root_job_dispatcher.koid}),
        (thread, ZX_OBJ_TYPE_THREAD, {"process": thread.process.koid}),
    ):
        assert KernelObject(known.koid, type_, known.name, arguments) in trace.records


def test_processes_and_threads_that_come_later_are_named(k: Kernel, program: Program) -> None:
    async def main(zx: Any) -> None:
        pass

    k.ktrace.start(KTRACE_GRP_META)
    before = fxt_reader.read(k.ktrace.read())
    process, _ = k.root_job.create_child_process("later")
    thread = program.start(main)
    later = fxt_reader.read(k.ktrace.read(), before)
    assert later.records == [
        KernelObject(process.koid, ZX_OBJ_TYPE_PROCESS, b"later", {"job": k.root_job_dispatcher.koid}),
        KernelObject(thread.koid, ZX_OBJ_TYPE_THREAD, b"body", {"process": thread.process.koid}),
    ]


@pytest.mark.parametrize(
    ("group", "seen"),
    [
        (KTRACE_GRP_SCHEDULER, {"switch", "wakeup"}),
        (KTRACE_GRP_SYSCALL, {"kernel:syscall"}),
        (KTRACE_GRP_IPC, {"kernel:ipc"}),
        (KTRACE_GRP_IPC | KTRACE_GRP_SYSCALL, {"kernel:ipc", "kernel:syscall"}),
        (KTRACE_GRP_ALL & ~(KTRACE_GRP_SCHEDULER | KTRACE_GRP_SYSCALL | KTRACE_GRP_IPC), set()),
    ],
)
def test_nothing_but_the_groups_that_were_asked_for_is_written(
    k: Kernel, program: Program, group: int, seen: set[str]
) -> None:
    k.ktrace.start(group)
    talk(k, program)
    trace = taken(k)
    found = {event.category for event in trace.of(fxt_reader.Event)}
    found |= {"switch"} if trace.of(ContextSwitch) else set()
    found |= {"wakeup"} if trace.of(Wakeup) else set()
    assert found == seen


def talk(k: Kernel, program: Program) -> None:
    """A body answers a message of the host."""
    ours, theirs = Channel.create(caller=k)

    async def main(zx: Any, channel: int) -> None:
        await zx.object_wait_one(channel, Signals.CHANNEL_READABLE, 1 << 62)
        await zx.channel_read(channel, 0, 64, 0)
        await zx.channel_write(channel, 0, b"answer", [])

    program.start(main, program.give(theirs.raw))
    theirs.close()
    program.settle()
    ours.write(b"question")
    program.settle()
    assert ours.read()[0] == b"answer"
    ours.close()


# Turns


def test_turns_follow_each_other_without_a_gap(k: Kernel, program: Program) -> None:
    k.ktrace.start(KTRACE_GRP_SCHEDULER)
    talk(k, program)
    switches = taken(k).of(ContextSwitch)
    assert len(switches) > 4 and switches[0].outgoing == k.host.thread.koid
    for one, other in itertools.pairwise(switches):
        assert one.incoming == other.outgoing != other.incoming
        assert one.timestamp <= other.timestamp
    assert switches[-1].incoming == k.host.thread.koid


def test_a_thread_that_is_woken_knows_by_whom(k: Kernel, program: Program) -> None:
    event = Event.create(caller=k)

    async def wait(zx: Any, handle: int) -> None:
        await zx.object_wait_one(handle, Signals.EVENT_SIGNALED, 1 << 62)

    async def signal(zx: Any, handle: int) -> None:
        await zx.object_signal(handle, 0, Signals.EVENT_SIGNALED)

    waiting = program.start(wait, program.give(event.raw))
    program.settle()
    k.ktrace.start(KTRACE_GRP_SCHEDULER)
    signaling = program.start(signal, program.give(event.raw))
    program.settle()
    trace = taken(k)
    woken = [wakeup for wakeup in trace.of(Wakeup) if wakeup.thread == waiting.koid]
    assert [wakeup.arguments for wakeup in woken] == [{"weight": 245, "waker": signaling.koid}]
    left = [switch for switch in trace.of(ContextSwitch) if switch.outgoing == k.host.thread.koid]
    assert {switch.state for switch in left} == {ZX_THREAD_STATE_BLOCKED}


def test_while_nobody_can_run_the_cpu_is_idle(k: Kernel) -> None:
    k.ktrace.start(KTRACE_GRP_SCHEDULER)
    start = k.now
    k.nanosleep(start + 5_000_000)
    trace = taken(k)
    names = trace.names()
    switches = trace.of(ContextSwitch)
    assert [(names[s.outgoing], names[s.incoming]) for s in switches] == [
        (b"host", b"idle 0"),
        (b"idle 0", b"host"),
    ]
    assert 5_000_000 <= switches[1].timestamp - start <= 5_002_000
    (woken,) = trace.of(Wakeup)  # by a timer, which is nobody
    assert (woken.thread, woken.arguments) == (k.host.thread.koid, {"weight": 245})
    assert switches[0].arguments == {"outgoing_weight": 245, "incoming_weight": -(1 << 31)}


# Calls, messages, faults


def test_a_call_is_a_duration_of_its_thread(k: Kernel, program: Program) -> None:
    async def main(zx: Any) -> None:
        await zx.nanosleep(zx.call.kernel.clock.now() + 2_000_000)
        await zx.handle_close(0)

    thread = program.start(main)
    k.ktrace.start(KTRACE_GRP_SYSCALL)
    k.nanosleep(k.now + 5_000_000)
    calls = taken(k).events("kernel:syscall")
    of_body = [(event.kind, event.name) for event in calls if event.thread == thread.koid]
    assert of_body == [
        (BEGIN, "nanosleep"),
        (END, "nanosleep"),
        (BEGIN, "handle_close"),
        (END, "handle_close"),
    ]
    slept = [event.timestamp for event in calls if event.thread == thread.koid][:2]
    assert 2_000_000 <= slept[1] - slept[0] < 3_000_000
    assert {event.process for event in calls if event.thread == thread.koid} == {thread.process.koid}
    assert [e.name for e in calls if e.thread == k.host.thread.koid] == ["nanosleep", "nanosleep"]


def test_a_call_whose_thread_is_killed_ends(k: Kernel, program: Program) -> None:
    async def main(zx: Any) -> None:
        await zx.nanosleep(1 << 62)

    k.ktrace.start(KTRACE_GRP_SYSCALL)
    thread = program.start(main)
    program.settle()
    thread.process.kill(0)
    calls = [event for event in taken(k).events("kernel:syscall") if event.thread == thread.koid]
    assert [(event.kind, event.name) for event in calls] == [(BEGIN, "nanosleep"), (END, "nanosleep")]


def test_an_arrow_leads_from_the_writer_of_a_message_to_its_reader(k: Kernel) -> None:
    one, other = Channel.create(caller=k)
    k.ktrace.start(KTRACE_GRP_IPC)
    ordinal = 0x1122_3344_5566_7788
    one.write(bytes(8) + ordinal.to_bytes(8, "little"))
    one.write(b"short")
    for _ in range(2):
        other.read()
    trace = taken(k)
    flows = trace.events("kernel:ipc", "ChannelFlow")
    first, second = flows[0].content, flows[1].content
    assert first != second
    assert [(flow.kind, flow.content) for flow in flows] == [
        (FLOW_BEGIN, first),
        (FLOW_BEGIN, second),
        (FLOW_END, first),
        (FLOW_END, second),
    ]
    begun = [e for e in trace.events("kernel:ipc", "ChannelMessage") if e.kind == BEGIN]
    assert [e.arguments for e in begun] == [{"ordinal": ordinal}, {"ordinal": 0}] * 2


def test_a_call_over_a_channel_is_one_arrow_there_and_back(k: Kernel, program: Program) -> None:
    ours, theirs = Channel.create(caller=k)

    async def serve(zx: Any, channel: int) -> None:
        await zx.object_wait_one(channel, Signals.CHANNEL_READABLE, 1 << 62)
        _, data, *_ = await zx.channel_read(channel, 0, 64, 0)
        await zx.channel_write(channel, 0, data, [])

    server = program.start(serve, program.give(theirs.raw))
    theirs.close()
    k.ktrace.start(KTRACE_GRP_IPC)
    ours.call(bytes(16))
    flows = taken(k).events("kernel:ipc", "ChannelFlow")
    host = k.host.thread.koid
    assert [(flow.kind, flow.thread) for flow in flows] == [
        (FLOW_BEGIN, host),
        (FLOW_STEP, server.koid),
        (FLOW_STEP, server.koid),
        (FLOW_END, host),
    ]
    assert len({flow.content for flow in flows}) == 1


def test_a_message_from_before_the_trace_is_read_without_an_error(k: Kernel) -> None:
    one, other = Channel.create(caller=k)
    one.write(b"early")
    k.ktrace.start(KTRACE_GRP_IPC)
    other.read()
    (flow,) = taken(k).events("kernel:ipc", "ChannelFlow")
    assert flow.kind == FLOW_END


@pytest.mark.usefixtures("compiler")
def test_page_faults_of_programs_are_seen(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build("volatile char big[1 << 14]; int main(void) { big[1 << 13] = 1; return big[0]; }\n")
    k.ktrace.start(KTRACE_GRP_VM)
    assert Run(k, program).finish().return_code == 0
    faults = taken(k).events("kernel:vm", "page_fault")
    assert len(faults) > 3 and {fault.kind for fault in faults} == {COMPLETE}
    assert {fault.arguments["access"] for fault in faults} == {1, 2, 4}
    assert len({fault.arguments["address"] for fault in faults}) == len(faults)


def test_restricted_mode_is_a_duration(k: Kernel, bodies: Bodies) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        return await zx.thread.restricted_enter(state)

    k.ktrace.start(KTRACE_GRP_RESTRICTED)
    assert bodies.run(main) == [RestrictedReason.SYSCALL]
    events = taken(k).events("kernel:restricted", "restricted mode")
    assert [(event.kind, event.arguments) for event in events] == [
        (BEGIN, {}),
        (END, {"reason": RestrictedReason.SYSCALL}),
    ]


@pytest.fixture
def bodies(k: Kernel) -> Bodies:
    return Bodies(k)


# The buffer


@pytest.mark.portable("every return from restricted mode is a trap on it")
def test_without_a_trace_nobody_is_told_of_anything(k: Kernel) -> None:
    assert k.probes == []
    assert k.engine.takes_ways_out  # so that it may come back from restricted mode without the kernel
    k.ktrace.start()
    assert k.probes == [k.ktrace]
    assert not k.engine.takes_ways_out
    k.ktrace.stop()
    assert k.probes == []
    assert k.engine.takes_ways_out


def test_starting_again_changes_the_groups_alone(k: Kernel) -> None:
    k.ktrace.start(KTRACE_GRP_META)
    size = len(k.ktrace.records())
    k.ktrace.start(KTRACE_GRP_IPC)
    assert len(k.ktrace.records()) == size
    assert k.ktrace.categories == KTRACE_GRP_IPC and k.probes == [k.ktrace]


def test_a_trace_that_was_stopped_begins_anew_behind_what_is_there(k: Kernel) -> None:
    k.ktrace.start(KTRACE_GRP_META)
    size = len(k.ktrace.records())
    k.ktrace.stop()
    k.ktrace.start(KTRACE_GRP_META)
    assert len(k.ktrace.records()) == 2 * size
    assert taken(k).sessions == 2


def test_rewinding_stops_and_empties(k: Kernel) -> None:
    k.ktrace.start()
    k.ktrace.rewind()
    assert k.ktrace.records() == b"" and k.probes == []
    k.ktrace.rewind()
    k.ktrace.stop()


def test_what_has_no_room_is_counted(k: Kernel) -> None:
    one, other = Channel.create(caller=k)
    k.ktrace.start(KTRACE_GRP_IPC)
    k.ktrace.size = len(k.ktrace.records()) + 1024
    one.write(b"message")
    before = fxt_reader.read(k.ktrace.records()).of(fxt_reader.Event)
    while len(k.ktrace.records()) + 40 <= k.ktrace.size:
        other.write(b"more")
    k.ktrace._dropped = k.ktrace._dropped_bytes = 0
    full = k.ktrace.records()
    k.nanosleep(k.now + 1_000)
    first = k.now
    one.write(b"lost")  # three records, of 48, 40 and 32 bytes
    k.nanosleep(k.now + 1_000)
    last = k.now
    one.write(b"lost")
    assert k.ktrace.records() == full
    read = fxt_reader.read(k.ktrace.read())
    assert read.of(fxt_reader.Event)[:3] == before and not read.events("kernel:meta")
    other.read()
    after = fxt_reader.read(k.ktrace.read(), read).of(fxt_reader.Event)
    assert [event.name for event in after] == [
        "drop_stats",
        "ChannelMessage",
        "ChannelFlow",
        "ChannelMessage",
    ]
    assert (after[0].kind, after[0].timestamp, after[0].content) == (COMPLETE, first, last)
    assert after[0].arguments == {"num_records": 6, "num_bytes": 2 * (48 + 40 + 32)}


def test_stopping_tells_what_was_dropped_where_there_is_room(k: Kernel) -> None:
    one, _other = Channel.create(caller=k)
    k.ktrace.start(KTRACE_GRP_IPC)
    begun = fxt_reader.read(k.ktrace.records())
    k.ktrace.size = len(k.ktrace.records())
    one.write(b"lost")
    k.ktrace.stop()
    assert not fxt_reader.read(k.ktrace.read()).of(fxt_reader.Event)
    k.ktrace.stop()
    (event,) = fxt_reader.read(k.ktrace.read(), begun).of(fxt_reader.Event)
    assert event.name == "drop_stats"
    k.ktrace.stop()
    assert k.ktrace.read() == b""


def test_a_trace_that_goes_on_elsewhere_loses_nothing(k: Kernel) -> None:
    one, other = Channel.create(caller=k)
    parts: list[bytes] = []
    k.ktrace.size, k.ktrace.on_full = 8 << 10, parts.append
    k.ktrace.start(KTRACE_GRP_IPC)
    for _ in range(500):
        one.write(b"message")
        other.read()
    k.ktrace.stop()
    trace = fxt_reader.read(b"".join(parts) + k.ktrace.read())
    assert len(parts) > 5
    assert len(trace.events("kernel:ipc", "ChannelFlow")) == 1000
    assert not trace.events("kernel:meta")


# The calls


@shows("zx_ktrace_read", "ZX_ERR_BAD_HANDLE")
@shows("zx_ktrace_read", "ZX_ERR_WRONG_TYPE")
@shows("zx_ktrace_read", "ZX_ERR_OUT_OF_RANGE")
@shows("zx_ktrace_control", "ZX_ERR_BAD_HANDLE")
@shows("zx_ktrace_control", "ZX_ERR_WRONG_TYPE")
@shows("zx_ktrace_control", "ZX_ERR_OUT_OF_RANGE")
def test_the_trace_needs_its_resource(k: Kernel, root: Resource[Kernel], tracing: int) -> None:
    wrong = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1).raw
    for handle, status in (
        (0, ZX_ERR_BAD_HANDLE),
        (k.host.process, ZX_ERR_WRONG_TYPE),
        (wrong, ZX_ERR_OUT_OF_RANGE),
        (tracing, ZX_OK),
        (root.raw, ZX_OK),
    ):
        assert k.sys.zx_ktrace_read(handle, 0, 64)[0] == status
        assert k.sys.zx_ktrace_control(handle, KTRACE_ACTION_REWIND, 0, None)[0] == status


@shows("zx_ktrace_control", "ZX_ERR_INVALID_ARGS")
def test_actions_are_those_that_there_are(k: Kernel, tracing: int) -> None:
    def control(action: int, options: int = 0) -> int:
        return int(k.sys.zx_ktrace_control(tracing, action, options, None)[0])

    assert control(KTRACE_ACTION_START) == ZX_OK
    assert k.ktrace.categories == KTRACE_GRP_ALL
    assert control(KTRACE_ACTION_START_CIRCULAR, KTRACE_GRP_VM) == ZX_OK
    assert k.ktrace.categories == KTRACE_GRP_VM
    assert [control(action) for action in (0, 4, 6, 1 << 31)] == [ZX_ERR_INVALID_ARGS] * 4
    assert control(KTRACE_ACTION_STOP) == control(KTRACE_ACTION_STOP) == ZX_OK
    assert k.ktrace.categories == 0 and k.ktrace.records()
    assert control(KTRACE_ACTION_REWIND) == ZX_OK
    assert k.ktrace.records() == b""


@shows("zx_ktrace_read", "ZX_ERR_INVALID_ARGS")
def test_reading_takes_all_and_needs_room_for_all_that_there_may_be(
    k: Kernel, tracing: int, memory: Memory, trap: Callable[..., int | None]
) -> None:
    k.ktrace.size = size = 32 << 10
    data, actual = memory.address, memory.address + size
    mark = bytes(range(8))

    def number() -> int:
        return int.from_bytes(memory.get(size, 8), "little")

    memory.put(size, mark)
    assert trap("zx_ktrace_read", tracing, 0, 0, 0, actual) == ZX_OK
    assert number() == size
    assert trap("zx_ktrace_read", tracing, data, 0, 0, actual) == ZX_OK  # nothing was ever traced
    assert number() == 0
    k.ktrace.start(KTRACE_GRP_META)
    records = k.ktrace.records()
    memory.put(size, mark)
    for arguments in ((data, 0, size - 1, actual), (8, 0, size, actual)):
        assert trap("zx_ktrace_read", tracing, *arguments) == ZX_ERR_INVALID_ARGS
        assert memory.get(size, 8) == mark and k.ktrace.records() == records
    assert trap("zx_ktrace_read", tracing, data, 77, size, actual) == ZX_OK
    assert (number(), memory.get(0, len(records))) == (len(records), records)
    assert trap("zx_ktrace_read", tracing, data, 0, size, actual) == ZX_OK
    assert number() == 0
    k.ktrace.stop()
    k.ktrace.start(KTRACE_GRP_META)
    assert trap("zx_ktrace_read", tracing, data, 0, size, 8) == ZX_ERR_INVALID_ARGS
    assert k.ktrace.records() == b""  # lost, as in the real kernel


# From end to end


@pytest.mark.usefixtures("compiler")
def test_a_program_traces_itself(k: Kernel, build: Any) -> None:  # noqa: F811
    k.ktrace.size = 64 << 10
    done = Run(k, build(SOURCE), handles=[k.root_resource.duplicate()]).finish()
    # Two calls, each with its begin and its end, a message of three events, and the begin of the call that ends the trace.
    assert (done.return_code, done.output.decode().splitlines()) == (
        0,
        [
            "not started: 0, 0 bytes",
            f"not allowed: {ZX_ERR_OUT_OF_RANGE}",
            f"no such action: {ZX_ERR_INVALID_ARGS}",
            f"too small: {ZX_ERR_INVALID_ARGS}",
            "magic 1, events 8",
            "again: 0, 0 bytes",
        ],
    )


@pytest.mark.usefixtures("compiler")
@pytest.mark.portable("a turn ends by the host's time on it, and shows in the trace")
def test_two_traces_of_the_same_run_are_equal(build: Any) -> None:  # noqa: F811
    program = build('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')

    def trace() -> bytes:
        with Kernel(seed=5, virtual_time=True, memory=64 << 20) as kernel:
            kernel.ktrace.start()
            Run(kernel, program).finish()
            kernel.ktrace.stop()
            return kernel.ktrace.read()

    first = trace()
    assert len(fxt_reader.read(first).records) > 50
    assert trace() == first


@pytest.mark.parametrize("seed", range(3, 6))
def test_the_trace_of_anything_is_well_formed(seed: int) -> None:
    """Names are any bytes, threads die in the middle of calls, messages are never read."""
    world = World(seed)
    trace = world.kernel.ktrace
    trace.size = 64 << 20
    trace.start()
    calls = frozenset(("zx_ktrace_control", "zx_ktrace_read"))
    generator = Generator(world, random.Random(seed), calls)
    while world.calls < 1500:
        world.do(generator.next())
    trace.stop()
    read = fxt_reader.read(trace.read())
    fxt_reader.check_durations(read)
    records = read.records
    assert {type(record) for record in records} >= {
        fxt_reader.KernelObject,
        fxt_reader.Event,
        fxt_reader.ContextSwitch,
    }
    world.end_bodies()
