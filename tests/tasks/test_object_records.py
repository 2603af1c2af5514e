"""What the records of `zx_object_get_info` say. Memory topics have their own tests beside those of memory.

Source: docs/reference/syscalls/object_get_info.md, object_set_property.md.
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_CLOCK_BOOT,
    ZX_CLOCK_MONOTONIC,
    ZX_ERR_BAD_STATE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_HANDLE_TABLE,
    ZX_INFO_INVALID_CPU,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_KMEM_STATS,
    ZX_INFO_KMEM_STATS_EXTENDED,
    ZX_INFO_KMEM_STATS_V1,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED,
    ZX_INFO_PROCESS_FLAG_EXITED,
    ZX_INFO_PROCESS_FLAG_STARTED,
    ZX_INFO_PROCESS_HANDLE_STATS,
    ZX_INFO_PROCESS_MAPS,
    ZX_INFO_PROCESS_THREADS,
    ZX_INFO_PROCESS_VMOS,
    ZX_INFO_RESOURCE,
    ZX_INFO_SOCKET,
    ZX_INFO_TASK_RUNTIME,
    ZX_INFO_TASK_STATS,
    ZX_INFO_THREAD,
    ZX_INFO_THREAD_EXCEPTION_REPORT,
    ZX_INFO_THREAD_STATS,
    ZX_INFO_TIMER,
    ZX_INFO_VMAR,
    ZX_INFO_VMO,
    ZX_INFO_VMO_VIA_HANDLE,
    ZX_INFO_VMO_VIA_MAPPING,
    ZX_OBJ_TYPE_EVENT,
    ZX_OBJ_TYPE_VMO,
    ZX_OK,
    ZX_PROP_NAME,
    ZX_RIGHTS_BASIC,
    ZX_RSRC_KIND_ROOT,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_INFO_BASE,
    ZX_SOCKET_DATAGRAM,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_BLOCKED_SLEEPING,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_RUNNING,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_TIME_INFINITE,
    ZX_TIMER_SLACK_LATE,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.resource import ResourceDispatcher
from tests.tasks.conftest import PAGE, Calls, Program, World

SPIN = b"\xeb\xfe"  # jmp to itself
DEBUGGER = abi.ZX_EXCEPTION_CHANNEL_DEBUGGER


def shows(status: str) -> Any:
    return pytest.mark.shows("zx_object_get_info", status)


def process_info(calls: Calls, process: int) -> abi.zx_info_process_t:
    found: abi.zx_info_process_t = calls.info(process, ZX_INFO_PROCESS, abi.zx_info_process_t)
    return found


def thread_info(calls: Calls, thread: int) -> abi.zx_info_thread_t:
    found: abi.zx_info_thread_t = calls.info(thread, ZX_INFO_THREAD, abi.zx_info_thread_t)
    return found


# Handles


def test_basic_says_koid_rights_and_type(calls: Calls) -> None:
    event = calls.event()
    poor = calls.duplicate(event, abi.ZX_RIGHT_WAIT)
    one, two = calls.basic(event), calls.basic(poor)
    assert (one.type, two.type) == (ZX_OBJ_TYPE_EVENT, ZX_OBJ_TYPE_EVENT)
    assert one.koid == two.koid
    assert (one.rights, two.rights) == (abi.ZX_DEFAULT_EVENT_RIGHTS, abi.ZX_RIGHT_WAIT)


def test_a_thread_asks_about_its_own_handles(calls: Calls, program: Program) -> None:
    mine = program.give(calls.event())

    async def body(zx: Any) -> Any:
        size = abi.zx_info_handle_basic_t.SIZE
        status, data, *_ = await zx.zx_object_get_info(mine, ZX_INFO_HANDLE_BASIC, size)
        return status, abi.zx_info_handle_basic_t.unpack(data).type

    program.start(body)
    program.settle()
    assert program.results == [(ZX_OK, ZX_OBJ_TYPE_EVENT)]


def test_handle_stats_count_by_type(calls: Calls, program: Program) -> None:
    host = calls.k.host
    process = host.add(program.process)
    for _ in range(3):
        program.give(calls.event())
    program.give(calls.ok(calls.zx.zx_vmo_create(PAGE, 0)))
    info = calls.info(process, ZX_INFO_PROCESS_HANDLE_STATS, abi.zx_info_process_handle_stats_t)
    counts = {type_: number for type_, number in enumerate(info.handle_count) if number}
    assert counts == {ZX_OBJ_TYPE_EVENT: 3, ZX_OBJ_TYPE_VMO: 1}


def test_a_handle_table_lists_every_handle_of_a_process(calls: Calls, program: Program) -> None:
    process = calls.k.host.add(program.process)
    assert calls.records(process, ZX_INFO_HANDLE_TABLE, abi.zx_info_handle_extended_t) == []
    one, other = calls.ok(calls.zx.zx_eventpair_create(0))
    values = [program.give(one), program.give(calls.duplicate(other, ZX_RIGHTS_BASIC))]
    listed = calls.records(process, ZX_INFO_HANDLE_TABLE, abi.zx_info_handle_extended_t)
    assert [record.handle_value for record in listed] == values
    assert [record.koid for record in listed] == [calls.koid(one), calls.koid(other)]
    assert [record.related_koid for record in listed] == [calls.koid(other), calls.koid(one)]
    assert [record.rights for record in listed] == [calls.basic(one).rights, ZX_RIGHTS_BASIC]
    assert {record.type for record in listed} == {abi.ZX_OBJ_TYPE_EVENTPAIR}
    assert {record.reserved for record in listed} == {0}


def test_the_processes_of_a_group_have_one_handle_table(calls: Calls) -> None:
    prototype, vmar = calls.ok(calls.zx.zx_process_create(calls.k.host.root_job, b"p", abi.ZX_PROCESS_SHARED))
    other, restricted = calls.ok(calls.zx.zx_process_create_shared(prototype, 0, b"q"))
    table: Any = calls.k.host.dispatcher.handles.get(prototype).object.handles
    event: Any = calls.k.host.dispatcher.handles.get(calls.event())
    table.add(Handle(event.object, event.rights))
    for process in (prototype, other):
        listed = calls.records(process, ZX_INFO_HANDLE_TABLE, abi.zx_info_handle_extended_t)
        assert [record.koid for record in listed] == [event.object.koid]
    calls.close(vmar, restricted)


# Jobs and processes


def test_a_job_that_is_killed_has_exited(calls: Calls) -> None:
    job = calls.job()
    alive = calls.info(job, ZX_INFO_JOB, abi.zx_info_job_t)
    assert (alive.exited, alive.return_code, alive.kill_on_oom, alive.debugger_attached) == (0, 0, 0, 0)
    calls.ok(calls.zx.zx_task_kill(job))
    dead = calls.info(job, ZX_INFO_JOB, abi.zx_info_job_t)
    assert (dead.exited, dead.return_code) == (1, ZX_TASK_RETCODE_SYSCALL_KILL)


def test_a_job_shows_its_debugger(calls: Calls) -> None:
    job = calls.job()
    channel = calls.ok(calls.zx.zx_task_create_exception_channel(job, DEBUGGER))
    assert calls.info(job, ZX_INFO_JOB, abi.zx_info_job_t).debugger_attached
    calls.close(channel)
    assert not calls.info(job, ZX_INFO_JOB, abi.zx_info_job_t).debugger_attached


def test_lists_of_a_job_have_its_direct_children_only(calls: Calls) -> None:
    job = calls.job()
    child = calls.job(job)
    grandchild = calls.job(child)
    process, below = calls.process(job), calls.process(grandchild)
    assert calls.koids(job, ZX_INFO_JOB_CHILDREN) == [calls.koid(child)]
    assert calls.koids(job, ZX_INFO_JOB_PROCESSES) == [calls.koid(process)]
    assert calls.koids(grandchild, ZX_INFO_JOB_PROCESSES) == [calls.koid(below)]
    assert calls.koids(grandchild, ZX_INFO_JOB_CHILDREN) == []


def test_flags_of_a_process_follow_its_life(calls: Calls, world: World) -> None:
    process = world.process
    assert process_info(calls, process).flags == 0
    before = calls.zx.zx_clock_get_monotonic()
    thread = world.run(SPIN)
    info = process_info(calls, process)
    assert info.flags == ZX_INFO_PROCESS_FLAG_STARTED
    assert before <= info.start_time <= calls.zx.zx_clock_get_monotonic()
    debugger = calls.ok(calls.zx.zx_task_create_exception_channel(process, DEBUGGER))
    attached = ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED
    assert process_info(calls, process).flags == attached
    calls.close(debugger)
    calls.ok(calls.zx.zx_task_kill(process))
    dead = process_info(calls, process)
    assert dead.flags == ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED
    assert (dead.return_code, dead.start_time) == (ZX_TASK_RETCODE_SYSCALL_KILL, info.start_time)
    calls.close(thread)


def test_a_process_that_is_killed_before_it_starts_counts_as_started(calls: Calls) -> None:
    process = calls.process()
    calls.ok(calls.zx.zx_task_kill(process))
    info = process_info(calls, process)
    assert info.flags == ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED
    assert info.start_time == 0


def test_threads_are_those_that_run(calls: Calls, world: World) -> None:
    first, second, never = world.run(SPIN), world.run(SPIN), world.thread()
    koids = [calls.koid(first), calls.koid(second)]
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == koids
    calls.close(first, never)
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == koids
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == []


@shows("ZX_ERR_BAD_STATE")
@pytest.mark.parametrize(
    ("topic", "record"),
    [
        (ZX_INFO_TASK_STATS, abi.zx_info_task_stats_t),
        (abi.ZX_INFO_TASK_STATS_V1, abi.zx_info_task_stats_v1_t),
        (ZX_INFO_PROCESS_MAPS, abi.zx_info_maps_t),
        (abi.ZX_INFO_PROCESS_MAPS_V1, abi.zx_info_maps_v1_t),
        (abi.ZX_INFO_PROCESS_MAPS_V2, abi.zx_info_maps_v2_t),
        (ZX_INFO_PROCESS_VMOS, abi.zx_info_vmo_t),
        (abi.ZX_INFO_PROCESS_VMOS_V1, abi.zx_info_vmo_v1_t),
        (abi.ZX_INFO_PROCESS_VMOS_V2, abi.zx_info_vmo_v2_t),
        (abi.ZX_INFO_PROCESS_VMOS_V3, abi.zx_info_vmo_v3_t),
    ],
)
def test_a_dead_process_has_no_memory(calls: Calls, world: World, topic: int, record: Any) -> None:
    world.run(SPIN)
    assert calls.zx.zx_object_get_info(world.process, topic, record.SIZE)[0] == ZX_OK
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert calls.zx.zx_object_get_info(world.process, topic, record.SIZE)[0] == ZX_ERR_BAD_STATE


def test_maps_of_a_dead_process_of_a_group(calls: Calls) -> None:
    """What it shared is still there; where it had a part of its own, that is missing."""
    root_job, get = calls.k.host.root_job, calls.zx.zx_object_get_info
    prototype, shared = calls.ok(calls.zx.zx_process_create(root_job, b"p", abi.ZX_PROCESS_SHARED))
    member, restricted = calls.ok(calls.zx.zx_process_create_shared(prototype, 0, b"q"))
    calls.ok(calls.zx.zx_process_create_shared(prototype, 0, b"r"))
    for process in (prototype, member):
        assert get(process, ZX_INFO_PROCESS_MAPS, 4096)[0] == ZX_OK
        calls.ok(calls.zx.zx_task_kill(process))
    assert get(prototype, ZX_INFO_PROCESS_MAPS, 4096)[0] == ZX_OK
    assert get(member, ZX_INFO_PROCESS_MAPS, 4096)[0] == ZX_ERR_BAD_STATE
    calls.close(shared, restricted)


def test_a_process_that_has_not_started_has_no_vmos_but_maps_and_stats(calls: Calls) -> None:
    process = calls.process()
    get = calls.zx.zx_object_get_info
    assert get(process, ZX_INFO_PROCESS_VMOS, 4096)[0] == ZX_ERR_BAD_STATE
    assert get(process, ZX_INFO_PROCESS_MAPS, 4096)[0] == ZX_OK
    assert get(process, ZX_INFO_TASK_STATS, 4096)[0] == ZX_OK


def test_vmos_of_a_process_are_those_of_its_handles_and_then_of_its_mappings(
    calls: Calls, world: World
) -> None:
    world.run(SPIN)
    vmo = calls.ok(calls.zx.zx_vmo_create(PAGE, 0))
    objects = calls.k.host.dispatcher.handles
    process: Any = objects.get(world.process).object
    handle: Any = objects.get(vmo)
    process.handles.add(Handle(handle.object, abi.ZX_RIGHT_READ))
    listed = calls.records(world.process, ZX_INFO_PROCESS_VMOS, abi.zx_info_vmo_t)
    assert listed[0].koid == calls.koid(vmo)
    assert listed[0].flags & ZX_INFO_VMO_VIA_HANDLE and listed[0].handle_rights == abi.ZX_RIGHT_READ
    mapped = {record.koid for record in listed[1:]}
    assert calls.koid(world.data_vmo) in mapped
    assert all(record.flags & ZX_INFO_VMO_VIA_MAPPING for record in listed[1:])
    assert all(record.handle_rights == 0 for record in listed[1:])


# Threads


def test_states_of_a_thread(calls: Calls, world: World, program: Program) -> None:
    thread = world.thread()
    assert thread_info(calls, thread).state == ZX_THREAD_STATE_NEW
    world.start(thread, SPIN)
    assert thread_info(calls, thread).state == ZX_THREAD_STATE_RUNNING
    token = calls.ok(calls.zx.zx_task_suspend_token(thread))
    assert thread_info(calls, thread).state == ZX_THREAD_STATE_SUSPENDED
    calls.close(token)
    calls.ok(calls.zx.zx_task_kill(world.process))
    info = thread_info(calls, thread)
    assert (info.state, info.cpu_affinity_mask.mask) == (ZX_THREAD_STATE_DEAD, [0] * 8)

    async def sleeps(zx: Any) -> None:
        await zx.zx_nanosleep(ZX_TIME_INFINITE)

    sleeper = calls.k.host.add(program.start(sleeps))
    program.settle()
    assert thread_info(calls, sleeper).state == ZX_THREAD_STATE_BLOCKED_SLEEPING
    assert thread_info(calls, sleeper).cpu_affinity_mask.mask[0] & 1


@pytest.mark.parametrize(
    ("task", "options", "expected"),
    [
        ("process", 0, abi.ZX_EXCEPTION_CHANNEL_TYPE_PROCESS),
        ("process", DEBUGGER, abi.ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER),
        ("job", 0, abi.ZX_EXCEPTION_CHANNEL_TYPE_JOB),
    ],
)
def test_a_thread_in_an_exception_says_who_has_it(
    calls: Calls, world: World, task: str, options: int, expected: int
) -> None:
    channel = world.listen(getattr(world, task), options)
    thread = world.crash()
    message = world.receive(channel)
    if options == DEBUGGER:  # the start of the thread comes first
        world.resume(message.handle)
        message = world.receive(channel)
    info = thread_info(calls, thread)
    assert (info.state, info.wait_exception_channel_type) == (ZX_THREAD_STATE_BLOCKED_EXCEPTION, expected)
    report = calls.info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, abi.zx_exception_report_t)
    assert report.header.type == message.type == abi.ZX_EXCP_FATAL_PAGE_FAULT
    world.resume(message.handle)
    world.close(channel)


@shows("ZX_ERR_BAD_STATE")
@pytest.mark.parametrize("version", ["", "_V1"])
def test_a_thread_without_an_exception_has_no_report(calls: Calls, world: World, version: str) -> None:
    topic = getattr(abi, "ZX_INFO_THREAD_EXCEPTION_REPORT" + version)
    thread = world.thread()
    assert calls.zx.zx_object_get_info(thread, topic, 4096)[0] == ZX_ERR_BAD_STATE
    world.start(thread, SPIN)
    assert calls.zx.zx_object_get_info(thread, topic, 4096)[0] == ZX_ERR_BAD_STATE
    # The state comes before the size.
    assert calls.zx.zx_object_get_info(thread, topic, 0)[0] == ZX_ERR_BAD_STATE


@shows("ZX_ERR_BAD_STATE")
def test_stats_of_a_thread_until_it_has_exited(calls: Calls, world: World) -> None:
    thread = world.thread()
    never = calls.info(thread, ZX_INFO_THREAD_STATS, abi.zx_info_thread_stats_t)
    assert (never.total_runtime, never.last_scheduled_cpu) == (0, ZX_INFO_INVALID_CPU)
    world.start(thread, SPIN)
    world.settle()
    ran = calls.info(thread, ZX_INFO_THREAD_STATS, abi.zx_info_thread_stats_t)
    assert ran.total_runtime > 0 and ran.last_scheduled_cpu == 0
    calls.ok(calls.zx.zx_task_kill(world.process))
    answer = calls.zx.zx_object_get_info(thread, ZX_INFO_THREAD_STATS, 4096)
    assert answer == (ZX_ERR_BAD_STATE, b"", 0, 0)


def test_the_runtime_of_the_dead_is_kept_by_those_above(calls: Calls, world: World) -> None:
    def cpu(task: int) -> int:
        return int(calls.info(task, ZX_INFO_TASK_RUNTIME, abi.zx_info_task_runtime_t).cpu_time)

    thread = world.run(SPIN)
    world.settle()
    assert 0 < cpu(thread) == cpu(world.process) == cpu(world.job)
    assert cpu(world.parent) == 0  # not of jobs below
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert 0 < cpu(thread) == cpu(world.process) == cpu(world.job)


# Others


def test_a_socket_tells_its_options_and_buffers(calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_socket_create(ZX_SOCKET_DATAGRAM))
    calls.ok(calls.zx.zx_socket_write(one, 0, b"12345"))
    calls.ok(calls.zx.zx_socket_write(one, 0, b"678"))
    here = calls.info(one, ZX_INFO_SOCKET, abi.zx_info_socket_t)
    there = calls.info(other, ZX_INFO_SOCKET, abi.zx_info_socket_t)
    assert here.options == there.options == ZX_SOCKET_DATAGRAM
    assert (here.rx_buf_size, here.rx_buf_available, here.tx_buf_size) == (0, 0, 8)
    # The bytes, and those of the first datagram, which a read would get.
    assert (there.rx_buf_size, there.rx_buf_available, there.tx_buf_size) == (8, 5, 0)
    assert here.rx_buf_max == there.tx_buf_max > 0
    calls.close(other)
    alone = calls.info(one, ZX_INFO_SOCKET, abi.zx_info_socket_t)
    assert (alone.tx_buf_max, alone.tx_buf_size) == (0, 0)


@pytest.mark.parametrize("clock", [ZX_CLOCK_MONOTONIC, ZX_CLOCK_BOOT])
def test_a_timer_tells_how_it_was_set(calls: Calls, clock: int) -> None:
    timer = calls.ok(calls.zx.zx_timer_create(ZX_TIMER_SLACK_LATE, clock))
    info = calls.info(timer, ZX_INFO_TIMER, abi.zx_info_timer_t)
    assert (info.options, info.clock_id, info.deadline, info.slack) == (ZX_TIMER_SLACK_LATE, clock, 0, 0)
    deadline = calls.zx.zx_deadline_after(1 << 40)
    calls.ok(calls.zx.zx_timer_set(timer, deadline, 1000))
    info = calls.info(timer, ZX_INFO_TIMER, abi.zx_info_timer_t)
    assert (info.deadline, info.slack) == (deadline, 1000)
    calls.ok(calls.zx.zx_timer_cancel(timer))
    info = calls.info(timer, ZX_INFO_TIMER, abi.zx_info_timer_t)
    assert (info.deadline, info.slack) == (0, 0)


def test_a_vmar_tells_its_range(calls: Calls, world: World) -> None:
    child, base = calls.ok(calls.zx.zx_vmar_allocate(world.vmar, 0, 0, 4 * PAGE))
    info = calls.info(child, ZX_INFO_VMAR, abi.zx_info_vmar_t)
    assert (info.base, info.len) == (base, 4 * PAGE)


def test_a_vmo_tells_its_name_and_the_rights_of_the_handle(calls: Calls) -> None:
    vmo = calls.ok(calls.zx.zx_vmo_create(PAGE + 1, 0))
    calls.ok(calls.zx.zx_object_set_property(vmo, ZX_PROP_NAME, b"picture"))
    poor = calls.duplicate(vmo, abi.ZX_RIGHT_READ)
    info = calls.info(poor, ZX_INFO_VMO, abi.zx_info_vmo_t)
    assert info.koid == calls.koid(vmo) and info.size_bytes == 2 * PAGE
    assert info.name == b"picture"
    assert info.handle_rights == abi.ZX_RIGHT_READ and info.flags & ZX_INFO_VMO_VIA_HANDLE
    assert (info.num_mappings, info.num_children, info.committed_bytes) == (0, 0, 0)


def test_a_resource_tells_what_it_stands_for(calls: Calls) -> None:
    root = calls.info(calls.k.host.root_resource, ZX_INFO_RESOURCE, abi.zx_info_resource_t)
    assert (root.kind, root.base, root.size) == (ZX_RSRC_KIND_ROOT, 0, 0)
    assert root.name == b"root"


@shows("ZX_ERR_WRONG_TYPE")
@pytest.mark.parametrize("topic", [ZX_INFO_KMEM_STATS, ZX_INFO_KMEM_STATS_EXTENDED, ZX_INFO_KMEM_STATS_V1])
def test_statistics_are_for_the_info_resource_and_the_root(calls: Calls, topic: int) -> None:
    def resource(kind: int, base: int) -> int:
        return int(calls.k.host.add(ResourceDispatcher(calls.k, kind, base, 1)))

    get = calls.zx.zx_object_get_info
    assert get(resource(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_INFO_BASE), topic, 4096)[0] == ZX_OK
    assert get(calls.k.host.root_resource, topic, 4096)[0] == ZX_OK
    assert get(resource(abi.ZX_RSRC_KIND_MMIO, ZX_RSRC_SYSTEM_INFO_BASE), topic, 4096)[0] == ZX_ERR_WRONG_TYPE


def test_memory_statistics_follow_what_is_committed(calls: Calls) -> None:
    root = calls.k.host.root_resource
    before = calls.info(root, ZX_INFO_KMEM_STATS, abi.zx_info_kmem_stats_t)
    vmo = calls.ok(calls.zx.zx_vmo_create(16 * PAGE, 0))
    calls.ok(calls.zx.zx_vmo_op_range(vmo, abi.ZX_VMO_OP_COMMIT, 0, 16 * PAGE, b""))
    after = calls.info(root, ZX_INFO_KMEM_STATS, abi.zx_info_kmem_stats_t)
    assert after.vmo_bytes - before.vmo_bytes == before.free_bytes - after.free_bytes == 16 * PAGE
    assert after.total_bytes == before.total_bytes
    for topic, record in (
        (ZX_INFO_KMEM_STATS_EXTENDED, abi.zx_info_kmem_stats_extended_t),
        (ZX_INFO_KMEM_STATS_V1, abi.zx_info_kmem_stats_v1_t),
    ):
        older = calls.info(root, topic, record)
        assert (older.total_bytes, older.vmo_bytes) == (after.total_bytes, after.vmo_bytes)
    calls.close(vmo)
    assert calls.info(root, ZX_INFO_KMEM_STATS, abi.zx_info_kmem_stats_t).vmo_bytes == before.vmo_bytes


def test_memory_statistics_tell_what_could_be_taken_back(calls: Calls) -> None:
    """Source: core tests of object information (KmemStats, KmemStatsExtended)."""
    root, zx, ok = calls.k.host.root_resource, calls.zx, calls.ok

    def statistics() -> Any:
        return calls.info(root, ZX_INFO_KMEM_STATS, abi.zx_info_kmem_stats_t)

    empty = statistics()
    assert empty.wired_bytes > 0
    assert (
        empty.total_bytes == empty.free_bytes + empty.wired_bytes + empty.vmo_bytes + empty.mmu_overhead_bytes
    )
    # A pager's: four clean pages, of which one is always needed and one is not needed any more, and a dirty one.
    pager, port = ok(zx.zx_pager_create(0)), ok(zx.zx_port_create(0))
    paged = ok(zx.zx_pager_create_vmo(pager, 0, port, 0, 5 * PAGE))
    source = ok(zx.zx_vmo_create(5 * PAGE, 0))
    ok(zx.zx_vmo_op_range(source, abi.ZX_VMO_OP_COMMIT, 0, 5 * PAGE, b""))
    ok(zx.zx_pager_supply_pages(pager, paged, 0, 5 * PAGE, source, 0))
    ok(zx.zx_vmo_write(paged, b"dirty", 0))
    ok(zx.zx_vmo_op_range(paged, abi.ZX_VMO_OP_ALWAYS_NEED, PAGE, PAGE, b""))
    ok(zx.zx_vmo_op_range(paged, abi.ZX_VMO_OP_DONT_NEED, 2 * PAGE, PAGE, b""))
    # Discardable ones: three pages locked, two not.
    for pages, locked in ((3, True), (2, False)):
        vmo = ok(zx.zx_vmo_create(pages * PAGE, abi.ZX_VMO_DISCARDABLE))
        ok(zx.zx_vmo_op_range(vmo, abi.ZX_VMO_OP_TRY_LOCK, 0, pages * PAGE, b""))
        ok(zx.zx_vmo_op_range(vmo, abi.ZX_VMO_OP_COMMIT, 0, pages * PAGE, b""))
        if not locked:
            ok(zx.zx_vmo_op_range(vmo, abi.ZX_VMO_OP_UNLOCK, 0, pages * PAGE, b""))
    seen = statistics()
    assert seen.vmo_bytes - empty.vmo_bytes == 10 * PAGE
    assert (seen.vmo_discardable_locked_bytes, seen.vmo_discardable_unlocked_bytes) == (3 * PAGE, 2 * PAGE)
    reclaim = (
        seen.vmo_reclaim_total_bytes,
        seen.vmo_reclaim_newest_bytes,
        seen.vmo_reclaim_oldest_bytes,
        seen.vmo_reclaim_disabled_bytes,
    )
    assert reclaim == (3 * PAGE, 0, PAGE, PAGE)
    older = calls.info(root, ZX_INFO_KMEM_STATS_EXTENDED, abi.zx_info_kmem_stats_extended_t)
    assert reclaim == (
        older.vmo_pager_total_bytes,
        older.vmo_pager_newest_bytes,
        older.vmo_pager_oldest_bytes,
        older.vmo_reclaim_disabled_bytes,
    )
    assert (older.vmo_discardable_locked_bytes, older.wired_bytes) == (3 * PAGE, seen.wired_bytes)
