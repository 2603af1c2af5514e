"""Events of the system, its performance and power. Source: docs/reference/syscalls/system_*.md."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from jacinth import Kernel, Resource, ResourceKind, Vmo
from jacinth.abi import (
    BY_NAME,
    ZX_CPU_DEFAULT_PERF_SCALE,
    ZX_CPU_PERF_LIMIT,
    ZX_CPU_PERF_LIMIT_TYPE_POWER,
    ZX_CPU_PERF_LIMIT_TYPE_RATE,
    ZX_CPU_PERF_SCALE,
    ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_EVENT_SIGNALED,
    ZX_OK,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_RSRC_SYSTEM_CPU_BASE,
    ZX_RSRC_SYSTEM_POWER_BASE,
    ZX_RSRC_SYSTEM_STALL_BASE,
    ZX_SYSTEM_EVENT_IMMINENT_OUT_OF_MEMORY,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_CRITICAL,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING,
    ZX_SYSTEM_EVENT_OUT_OF_MEMORY,
    ZX_SYSTEM_MEMORY_STALL_FULL,
    ZX_SYSTEM_MEMORY_STALL_SOME,
    ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY,
    ZX_TIME_INFINITE,
    zx_cpu_perf_limit_t,
    zx_cpu_performance_info_t,
    zx_cpu_performance_scale_t,
    zx_cpu_set_t,
    zx_processor_power_domain_t,
    zx_processor_power_level_t,
)
from jacinth.syscalls.door import TRAPS
from tests.tasks.conftest import Calls

shows = pytest.mark.shows
PAGE = 4096
LEVELS = (
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_CRITICAL,
    ZX_SYSTEM_EVENT_IMMINENT_OUT_OF_MEMORY,
    ZX_SYSTEM_EVENT_OUT_OF_MEMORY,
)


@pytest.fixture
def root(k: Kernel) -> Resource[Kernel]:
    return Resource(k, k.host.root_resource)


@pytest.fixture
def events(k: Kernel, zx: Any) -> dict[int, int]:
    return {kind: Calls(k).ok(zx.zx_system_get_event(k.host.root_job, kind)) for kind in LEVELS}


def signaled(zx: Any, events: dict[int, int]) -> list[int]:
    """The levels that memory is at."""
    return [
        kind
        for kind, event in events.items()
        if zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, 0)[0] == ZX_OK
    ]


# Memory pressure


def test_one_level_is_always_signaled(k: Kernel, zx: Any, events: dict[int, int]) -> None:
    """From nothing in use to everything, and back: each level comes once, in order."""
    vmo = Vmo.create(k.memory.limit, caller=k)
    seen: list[int] = []

    def look() -> None:
        [level] = signaled(zx, events)
        if not seen or seen[-1] != level:
            seen.append(level)

    look()
    step = 32 * PAGE
    end = 0
    while zx.zx_vmo_op_range(vmo.raw, 1, end, step, None)[0] == ZX_OK:
        end += step
        look()
    assert seen == list(LEVELS)
    seen.clear()
    look()
    while end:
        end -= step
        vmo.op_range(2, end, step)
        look()
    assert seen == list(reversed(LEVELS))


def test_pressure_that_hardly_falls_is_not_believed(k: Kernel, zx: Any, events: dict[int, int]) -> None:
    vmo = Vmo.create(k.memory.limit, caller=k)
    page = 0
    while signaled(zx, events) == [ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL]:
        vmo.write(b"x", page * PAGE)
        page += 1
    vmo.op_range(2, (page - 1) * PAGE, PAGE)
    assert signaled(zx, events) == [ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING]
    vmo.op_range(2, 0, 1 << 20)
    assert signaled(zx, events) == [ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL]


def test_a_thread_can_wait_for_a_level(k: Kernel, zx: Any, events: dict[int, int]) -> None:
    found: list[int] = []
    warning = events[ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING]
    process, _ = k.root_job.create_child_process("watcher")
    copy = k.host.dispatcher.handles.get(warning)
    assert copy is not None

    async def body(me: Any) -> int:
        from jacinth.kernel.handle import Handle

        mine = me.call.handles.add(Handle(copy.object, copy.rights))
        status, _ = await me.zx_object_wait_one(mine, ZX_EVENT_SIGNALED, (1 << 63) - 1)
        found.append(status)
        return 0

    process.start_body(body)
    k.run_until_idle()
    assert not found
    vmo = Vmo.create(k.memory.limit, caller=k)
    vmo.op_range(1, 0, k.memory.limit // 100 * 80 // PAGE * PAGE)
    k.run_until_idle()
    assert found == [ZX_OK]


def test_the_event_can_be_waited_for_and_given_away(k: Kernel, zx: Any, events: dict[int, int]) -> None:
    event = events[ZX_SYSTEM_EVENT_OUT_OF_MEMORY]
    assert Calls(k).basic(event).rights == ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS
    assert zx.zx_object_signal(event, 0, ZX_EVENT_SIGNALED) == ZX_ERR_ACCESS_DENIED


@shows("zx_system_get_event", "ZX_ERR_BAD_HANDLE")
@shows("zx_system_get_event", "ZX_ERR_WRONG_TYPE")
@shows("zx_system_get_event", "ZX_ERR_ACCESS_DENIED")
@shows("zx_system_get_event", "ZX_ERR_INVALID_ARGS")
def test_only_the_root_job_gives_events(k: Kernel, zx: Any) -> None:
    get = zx.zx_system_get_event
    assert get(0, ZX_SYSTEM_EVENT_OUT_OF_MEMORY) == (ZX_ERR_BAD_HANDLE, 0)
    assert get(k.host.process, ZX_SYSTEM_EVENT_OUT_OF_MEMORY) == (ZX_ERR_WRONG_TYPE, 0)
    child = k.root_job.create_child_job()
    assert get(child.raw, ZX_SYSTEM_EVENT_OUT_OF_MEMORY) == (ZX_ERR_ACCESS_DENIED, 0)
    less = Calls(k).without(k.host.root_job, ZX_RIGHT_MANAGE_PROCESS)
    assert get(less, ZX_SYSTEM_EVENT_OUT_OF_MEMORY) == (ZX_ERR_ACCESS_DENIED, 0)
    assert get(less, ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING)[0] == ZX_OK
    for kind in (0, 6, 1 << 31):
        assert get(k.host.root_job, kind) == (ZX_ERR_INVALID_ARGS, 0)


# Memory stalls


@shows("zx_system_watch_memory_stall", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    ("kind", "threshold", "window"),
    [(2, 1, 1), (ZX_SYSTEM_MEMORY_STALL_SOME, 0, 1), (0, -1, 1), (0, 2, 1), (0, 1, 10**10 + 1), (0, 1, -1)],
)
def test_arguments_of_a_stall_watch_are_checked(
    k: Kernel, zx: Any, kind: int, threshold: int, window: int
) -> None:
    answer = zx.zx_system_watch_memory_stall(k.host.root_resource, kind, threshold, window)
    assert answer == (ZX_ERR_INVALID_ARGS, 0)


@shows("zx_system_watch_memory_stall", "ZX_ERR_INVALID_ARGS")
@shows("zx_system_watch_memory_stall", "ZX_ERR_BAD_HANDLE")
@shows("zx_system_watch_memory_stall", "ZX_ERR_WRONG_TYPE")
def test_the_times_of_a_stall_watch_come_before_its_resource_and_that_before_its_kind(
    k: Kernel, zx: Any
) -> None:
    watch = zx.zx_system_watch_memory_stall
    assert watch(0, 9, 2, 1) == (ZX_ERR_INVALID_ARGS, 0)
    assert watch(0, 9, 1, 1) == (ZX_ERR_BAD_HANDLE, 0)
    assert watch(k.host.process, 9, 1, 1) == (ZX_ERR_WRONG_TYPE, 0)


@shows("zx_system_watch_memory_stall", "ZX_ERR_OUT_OF_RANGE")
def test_memory_never_stalls(k: Kernel, zx: Any, root: Resource[Kernel]) -> None:
    right = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_STALL_BASE, 1)
    wrong = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1)
    watch = zx.zx_system_watch_memory_stall
    assert watch(wrong.raw, ZX_SYSTEM_MEMORY_STALL_FULL, 1, 1)[0] == ZX_ERR_OUT_OF_RANGE
    status, event = watch(right.raw, ZX_SYSTEM_MEMORY_STALL_FULL, 1, 10**10)
    assert status == ZX_OK
    assert zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, 0)[0] != ZX_OK


# Performance


def scale(cpu: int, integral: int, fractional: int = 0) -> zx_cpu_performance_info_t:
    inner = zx_cpu_performance_scale_t(integral_part=integral, fractional_part=fractional)
    return zx_cpu_performance_info_t(logical_cpu_number=cpu, performance_scale=inner)


def read_scale(k: Kernel, topic: int) -> tuple[int, int]:
    status, data, count = k.sys.zx_system_get_performance_info(k.host.root_resource, topic, 1)
    assert (status, count) == (ZX_OK, 1)
    found = zx_cpu_performance_info_t.unpack(data).performance_scale
    return found.integral_part, found.fractional_part


@shows("zx_system_set_performance_info", "ZX_ERR_INVALID_ARGS")
@shows("zx_system_set_performance_info", "ZX_ERR_OUT_OF_RANGE")
@shows("zx_system_set_performance_info", "ZX_ERR_WRONG_TYPE")
def test_what_may_be_said_of_a_cpu(k: Kernel, zx: Any, root: Resource[Kernel]) -> None:
    right = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1).raw

    def set_(topic: int, *records: zx_cpu_performance_info_t, count: int | None = None) -> int:
        memory = Vmo.create(PAGE, caller=k)
        memory.write(b"".join(record.pack() for record in records))
        address = k.root_vmar.map(0, memory, 0, PAGE, 3)
        return int(
            zx.zx_system_set_performance_info(right, topic, address, len(records) if count is None else count)
        )

    assert set_(ZX_CPU_DEFAULT_PERF_SCALE, scale(0, 1)) == ZX_ERR_INVALID_ARGS
    assert set_(ZX_CPU_DEFAULT_PERF_SCALE) == ZX_ERR_OUT_OF_RANGE  # the count comes first
    assert set_(ZX_CPU_PERF_SCALE) == ZX_ERR_OUT_OF_RANGE
    assert set_(ZX_CPU_PERF_SCALE, scale(0, 1), scale(1, 1)) == ZX_ERR_OUT_OF_RANGE
    assert set_(ZX_CPU_PERF_SCALE, scale(1, 1)) == ZX_ERR_OUT_OF_RANGE
    assert set_(ZX_CPU_PERF_SCALE, scale(0, 0)) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_system_set_performance_info(k.host.process, 1, None, 1) == ZX_ERR_WRONG_TYPE
    assert set_(ZX_CPU_PERF_SCALE, scale(0, 0, 1 << 31)) == ZX_OK
    assert read_scale(k, ZX_CPU_PERF_SCALE) == (0, 1 << 31)
    assert read_scale(k, ZX_CPU_DEFAULT_PERF_SCALE) == (1, 0)


@shows("zx_system_get_performance_info", "ZX_ERR_OUT_OF_RANGE")
@shows("zx_system_get_performance_info", "ZX_ERR_INVALID_ARGS")
def test_all_cpus_are_asked_for_at_once(k: Kernel, zx: Any) -> None:
    get = zx.zx_system_get_performance_info
    for count in (0, 2):
        assert get(k.host.root_resource, ZX_CPU_PERF_SCALE, count)[0] == ZX_ERR_OUT_OF_RANGE
    assert get(k.host.root_resource, 77, 1)[0] == ZX_ERR_INVALID_ARGS


@shows("zx_system_set_performance_info", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_system_set_performance_info", "ZX_ERR_OUT_OF_RANGE")
def test_a_cpu_may_be_limited_in_its_rate(k: Kernel, zx: Any) -> None:
    root = k.host.root_resource

    def limits() -> tuple[int, int]:
        status, data, _ = zx.zx_system_get_performance_info(root, ZX_CPU_PERF_LIMIT, 1)
        assert status == ZX_OK
        found = zx_cpu_perf_limit_t.unpack(data)
        return found.min, found.max

    def limit(cpu: int, type_: int) -> int:
        record = zx_cpu_perf_limit_t(logical_cpu_number=cpu, limit_type=type_, min=5, max=70)
        memory = Vmo.create(PAGE, caller=k)
        memory.write(record.pack())
        return int(
            zx.zx_system_set_performance_info(
                root, ZX_CPU_PERF_LIMIT, k.root_vmar.map(0, memory, 0, PAGE, 3), 1
            )
        )

    assert limits() == (0, 1000)
    assert limit(0, ZX_CPU_PERF_LIMIT_TYPE_POWER) == ZX_ERR_NOT_SUPPORTED
    assert limit(1, ZX_CPU_PERF_LIMIT_TYPE_RATE) == ZX_ERR_OUT_OF_RANGE
    assert limits() == (0, 1000)
    assert limit(0, ZX_CPU_PERF_LIMIT_TYPE_RATE) == ZX_OK
    assert limits() == (5, 70)


# Power


@shows("zx_system_powerctl", "ZX_ERR_INVALID_ARGS")
@shows("zx_system_powerctl", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_system_powerctl", "ZX_ERR_BAD_STATE")
@shows("zx_system_powerctl", "ZX_ERR_OUT_OF_RANGE")
@shows("zx_system_powerctl", "ZX_ERR_BAD_HANDLE")
def test_power(k: Kernel, zx: Any, root: Resource[Kernel]) -> None:
    right = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_POWER_BASE, 1).raw
    wrong = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1).raw
    control = zx.zx_system_powerctl
    assert control(0, 1, None) == ZX_ERR_BAD_HANDLE
    assert control(wrong, 1, None) == ZX_ERR_OUT_OF_RANGE
    assert [control(right, command, None) for command in (1, 2)] == [ZX_OK, ZX_OK]
    assert [control(right, command, bytes(64)) for command in (3, 4)] == [ZX_ERR_NOT_SUPPORTED] * 2
    assert [control(right, command, None) for command in (3, 4)] == [
        ZX_ERR_NOT_SUPPORTED,
        ZX_ERR_INVALID_ARGS,
    ]
    assert [control(right, command, None) for command in (5, 6, 7, 8)] == [ZX_ERR_NOT_SUPPORTED] * 4
    assert control(right, 9, None) == ZX_ERR_BAD_STATE
    assert [control(right, command, None) for command in (0, 10)] == [ZX_ERR_INVALID_ARGS] * 2


@shows("zx_system_mexec", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_system_mexec_payload_get", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_mtrace_control", "ZX_ERR_NOT_SUPPORTED")
def test_what_only_kernels_for_debugging_do(k: Kernel, zx: Any) -> None:
    root = k.host.root_resource
    assert zx.zx_system_mexec(root, 0, 0) == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_system_mexec_payload_get(root, 64)[0] == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_mtrace_control(root, 0, 0, 0, b"")[0] == ZX_ERR_NOT_SUPPORTED


@shows("zx_system_set_processor_power_state", "ZX_ERR_WRONG_TYPE")
def test_a_process_is_no_power_domain(k: Kernel, zx: Any) -> None:
    assert zx.zx_system_set_processor_power_state(k.host.process, bytes(64)) == ZX_ERR_WRONG_TYPE


@shows("zx_system_suspend_enter", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_system_suspend_enter", "ZX_ERR_BAD_HANDLE")
@shows("zx_system_suspend_enter", "ZX_ERR_OUT_OF_RANGE")
def test_the_machine_does_not_sleep(zx: Any, root: Resource[Kernel]) -> None:
    enter = zx.zx_system_suspend_enter
    power = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_POWER_BASE, 1)
    assert enter(0, 0, 0, 1)[0] == ZX_ERR_BAD_HANDLE
    assert enter(power.raw, 0, 0, 1)[0] == ZX_ERR_OUT_OF_RANGE
    assert enter(root.raw, 0, 0, 1)[0] == ZX_ERR_NOT_SUPPORTED


@shows("zx_system_suspend_enter", "ZX_ERR_INVALID_ARGS")
def test_a_report_of_what_could_wake_the_machine_is_empty(k: Kernel, zx: Any) -> None:
    root = k.host.root_resource
    only = ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY
    k.nanosleep(k.deadline_after(1000))
    status, header, entries, actual = zx.zx_system_suspend_enter(root, 0, only, 1)
    assert (status, actual, len(entries)) == (ZX_OK, 0, 0)
    assert 0 < header.report_time <= k.now
    assert header.suspend_start_time == ZX_TIME_INFINITE
    assert (header.total_wake_sources, header.unreported_wake_report_entries) == (0, 0)
    assert zx.zx_system_suspend_enter(root, 0, 4, 1)[0] == ZX_ERR_INVALID_ARGS


@shows("zx_system_suspend_enter", "ZX_ERR_INVALID_ARGS")
def test_entries_are_asked_for_with_all_that_they_need(k: Kernel, zx: Any) -> None:
    address = k.root_vmar.map(0, Vmo.create(PAGE, caller=k), 0, PAGE, 3)
    row = BY_NAME["zx_system_suspend_enter"]
    thread = k.host.thread

    def enter(options: int, header: int, entries: int, count: int, actual: int) -> int:
        pointers = (address * header, address * entries, count, address * actual)
        registers = (row.number, k.host.root_resource, 0, options, *pointers, 0, 0, 0)
        assert TRAPS[row.number](zx.call, registers) is None
        coroutine, thread.coroutine = thread.coroutine, None
        assert coroutine is not None
        with pytest.raises(StopIteration) as end:
            coroutine.send(None)
        return int(end.value.value)

    for header, entries, count, actual in product((0, 1), repeat=4):
        wanted = (header, entries, count, actual)
        consistent = entries == count == actual and (header or not entries)
        assert enter(0, *wanted) == (ZX_ERR_NOT_SUPPORTED if consistent else ZX_ERR_INVALID_ARGS)
        status = enter(ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY, *wanted)
        assert status == (ZX_OK if consistent and header else ZX_ERR_INVALID_ARGS)


# Power domains

domain = "zx_system_set_processor_power_domain"


def power_domain(*mask: int) -> zx_processor_power_domain_t:
    return zx_processor_power_domain_t(cpus=zx_cpu_set_t(mask=[*mask, *[0] * (8 - len(mask))]), domain_id=1)


@shows(domain, "ZX_ERR_BAD_HANDLE")
@shows(domain, "ZX_ERR_OUT_OF_RANGE")
@shows(domain, "ZX_ERR_NOT_FOUND")
@shows(domain, "ZX_ERR_INVALID_ARGS")
@shows(domain, "ZX_ERR_WRONG_TYPE")
@shows(domain, "ZX_ERR_ACCESS_DENIED")
@shows(domain, "ZX_ERR_NOT_SUPPORTED")
def test_nobody_controls_the_speed_of_cpus(k: Kernel, zx: Any, calls: Calls) -> None:
    root, port = k.host.root_resource, zx.zx_port_create(0)[1]
    level = [zx_processor_power_level_t()]

    def set_(resource: int, mask: tuple[int, ...], port: int, levels: list[Any]) -> int:
        return int(
            zx.zx_system_set_processor_power_domain(resource, 0, power_domain(*mask), port, levels, [])
        )

    assert set_(0, (1,), port, level * 257) == ZX_ERR_BAD_HANDLE
    assert set_(root, (1,), port, level * 257) == ZX_ERR_OUT_OF_RANGE
    assert set_(root, (), 0, []) == ZX_ERR_NOT_FOUND
    assert set_(root, (1,), 0, []) == ZX_ERR_INVALID_ARGS
    assert set_(root, (2,), 0, level) == ZX_ERR_INVALID_ARGS
    assert set_(root, (1, 1), 0, level) == ZX_ERR_INVALID_ARGS
    assert set_(root, (1,), 0, level) == ZX_ERR_BAD_HANDLE
    assert set_(root, (1,), root, level) == ZX_ERR_WRONG_TYPE
    assert set_(root, (1,), calls.without(port, ZX_RIGHT_WRITE), level) == ZX_ERR_ACCESS_DENIED
    assert set_(root, (1,), port, level) == ZX_ERR_NOT_SUPPORTED


@shows("zx_system_set_processor_power_state", "ZX_ERR_BAD_HANDLE")
@shows("zx_system_set_processor_power_state", "ZX_ERR_WRONG_TYPE")
@shows("zx_system_set_processor_power_state", "ZX_ERR_ACCESS_DENIED")
@shows("zx_system_set_processor_power_state", "ZX_ERR_INVALID_ARGS")
@shows("zx_system_set_processor_power_state", "ZX_ERR_NOT_FOUND")
def test_no_port_controls_a_domain(k: Kernel, zx: Any, calls: Calls) -> None:
    port, state = zx.zx_port_create(0)[1], bytes(64)
    set_ = zx.zx_system_set_processor_power_state
    assert set_(0, state) == ZX_ERR_BAD_HANDLE
    assert set_(k.host.process, state) == ZX_ERR_WRONG_TYPE
    assert set_(port, None) == ZX_ERR_INVALID_ARGS
    assert set_(calls.without(port, ZX_RIGHT_READ), state) == ZX_ERR_ACCESS_DENIED
    assert set_(port, state) == ZX_ERR_NOT_FOUND
