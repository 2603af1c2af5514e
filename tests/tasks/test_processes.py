"""Processes: their making, start and end, and their memory seen from outside.

Source: docs/reference/syscalls/process_*.md; order from zircon/kernel/lib/syscalls/process.rs; process_dispatcher.cc.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_THREADS,
    ZX_MAX_NAME_LEN,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_PROCESS_TERMINATED,
    ZX_PROP_NAME,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WRITE,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    Status,
    zx_info_process_t,
)
from tests.tasks.conftest import PAGE, Calls, Memory, Program, World

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10
USER_TOP = 1 << 47
RW = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
SPIN = b"\xeb\xfe"  # jmp to itself


def shows(call: str, *statuses: str) -> Callable[[Any], Any]:
    """Marks for errors of zx_process_*."""

    def mark(test: Any) -> Any:
        for status in statuses:
            test = pytest.mark.shows(f"zx_process_{call}", f"ZX_ERR_{status}")(test)
        return test

    return mark


def process_info(calls: Calls, process: int) -> zx_info_process_t:
    found: zx_info_process_t = calls.info(process, ZX_INFO_PROCESS, zx_info_process_t)
    return found


def flags(calls: Calls, process: int) -> int:
    return int(process_info(calls, process).flags)


def name_of(calls: Calls, handle: int) -> bytes:
    return bytes(calls.ok(calls.zx.zx_object_get_property(handle, ZX_PROP_NAME, ZX_MAX_NAME_LEN)))


# zx_process_create


@pytest.mark.parametrize("options", [0, ZX_PROCESS_SHARED])
def test_create_gives_the_process_and_the_root_of_its_address_space(calls: Calls, options: int) -> None:
    job = calls.job()
    process, vmar = calls.ok(calls.zx.zx_process_create(job, b"p", options))
    basic = calls.basic(process)
    assert (basic.type, basic.rights) == (abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_DEFAULT_PROCESS_RIGHTS)
    assert basic.related_koid == calls.koid(job)
    assert calls.basic(vmar).type == abi.ZX_OBJ_TYPE_VMAR
    vmo = calls.ok(calls.zx.zx_vmo_create(PAGE, 0))
    calls.ok(calls.zx.zx_vmar_map(vmar, RW, 0, vmo, 0, PAGE))


def test_a_new_process_has_not_started(calls: Calls) -> None:
    process = calls.process()
    info = process_info(calls, process)
    assert (info.flags, info.return_code, info.start_time) == (0, 0, 0)
    assert calls.signals(process) == 0
    assert calls.koids(process, ZX_INFO_PROCESS_THREADS) == []


def test_a_new_process_is_a_child_of_its_job(calls: Calls) -> None:
    job = calls.job()
    process = calls.process(job)
    assert calls.koids(job, abi.ZX_INFO_JOB_PROCESSES) == [calls.koid(process)]


@pytest.mark.parametrize("call", ["zx_process_create", "zx_process_create_shared", "zx_thread_create"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (b"", b""),
        (b"name", b"name"),
        (b"x" * (ZX_MAX_NAME_LEN - 1), b"x" * (ZX_MAX_NAME_LEN - 1)),
        (b"x" * ZX_MAX_NAME_LEN, b"x" * (ZX_MAX_NAME_LEN - 1)),
        (b"x" * 1000, b"x" * (ZX_MAX_NAME_LEN - 1)),
        (b"one\0two", b"one"),
        ("größer".encode(), "größer".encode()),
    ],
    ids=["none", "short", "longest", "one more", "much more", "zero", "not ascii"],
)
def test_a_name_is_cut_silently(calls: Calls, call: str, given: bytes, kept: bytes) -> None:
    if call == "zx_process_create":
        made, _ = calls.ok(calls.zx.zx_process_create(calls.job(), given, 0))
    elif call == "zx_process_create_shared":
        made, _ = calls.ok(
            calls.zx.zx_process_create_shared(calls.process(options=ZX_PROCESS_SHARED), 0, given)
        )
    else:
        made = calls.ok(calls.zx.zx_thread_create(calls.process(), given, 0))
    assert name_of(calls, made) == kept.ljust(ZX_MAX_NAME_LEN, b"\0")


@shows("create", "INVALID_ARGS")
@pytest.mark.parametrize("options", [2, 3, 1 << 31])
def test_create_knows_one_option(calls: Calls, options: int) -> None:
    # It is looked at before the handle.
    assert calls.zx.zx_process_create(NEVER_A_HANDLE, b"p", options) == (ZX_ERR_INVALID_ARGS, 0, 0)


@shows("create", "INVALID_ARGS")
def test_create_with_bad_pointers_makes_no_process(
    calls: Calls, memory: Memory, trap: Callable[..., int]
) -> None:
    job, name, out = calls.job(), memory.put(0, b"p"), memory.address + 64
    for name_at, proc, vmar in [
        (0, out, out + 4),
        (BAD_ADDRESS, out, out + 4),
        (name, 0, out),
        (name, BAD_ADDRESS, out),
        (name, out, 0),
        (name, out, BAD_ADDRESS),
        (name, out, USER_TOP),
    ]:
        assert trap("zx_process_create", job, name_at, 1, 0, proc, vmar) == ZX_ERR_INVALID_ARGS
    assert calls.koids(job, abi.ZX_INFO_JOB_PROCESSES) == []
    assert calls.signals(job) & abi.ZX_JOB_NO_PROCESSES


@shows("create", "BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
def test_create_checks_the_job(calls: Calls) -> None:
    create = calls.zx.zx_process_create
    assert create(0, b"p", 0) == (ZX_ERR_BAD_HANDLE, 0, 0)
    assert create(NEVER_A_HANDLE, b"p", 0) == (ZX_ERR_BAD_HANDLE, 0, 0)
    assert create(calls.process(), b"p", 0) == (ZX_ERR_WRONG_TYPE, 0, 0)
    poor = calls.without(calls.job(), ZX_RIGHT_MANAGE_PROCESS)
    assert create(poor, b"p", 0) == (ZX_ERR_ACCESS_DENIED, 0, 0)
    enough = calls.duplicate(calls.job(), ZX_RIGHT_MANAGE_PROCESS)
    assert create(enough, b"p", 0)[0] == ZX_OK


@shows("create", "BAD_STATE")
def test_create_in_a_dead_job(calls: Calls) -> None:
    job = calls.job()
    calls.ok(calls.zx.zx_task_kill(job))
    assert calls.zx.zx_process_create(job, b"p", 0) == (ZX_ERR_BAD_STATE, 0, 0)


def test_policy_is_asked_after_the_options_and_before_the_job(calls: Calls) -> None:
    job = calls.job()
    policy = abi.zx_policy_basic_v2_t(
        condition=abi.ZX_POL_NEW_PROCESS,
        action=abi.ZX_POL_ACTION_DENY,
        flags=abi.ZX_POL_OVERRIDE_DENY,
    )
    calls.ok(
        calls.zx.zx_job_set_policy(job, abi.ZX_JOB_POL_RELATIVE, abi.ZX_JOB_POL_BASIC_V2, policy.pack(), 1)
    )
    inside = Program(calls.k, calls.k.host.dispatcher.handles.get(job).object)

    async def body(zx: Any) -> Any:
        return [
            await zx.zx_process_create(NEVER_A_HANDLE, b"p", 0),
            await zx.zx_process_create(NEVER_A_HANDLE, b"p", 2),
            await zx.zx_process_create_shared(NEVER_A_HANDLE, 0, b"p"),
            await zx.zx_process_create_shared(NEVER_A_HANDLE, 1, b"p"),
        ]

    inside.start(body)
    inside.settle()
    statuses = [answer[0] for answer in inside.results[0]]
    assert statuses == [ZX_ERR_ACCESS_DENIED, ZX_ERR_INVALID_ARGS, ZX_ERR_ACCESS_DENIED, ZX_ERR_INVALID_ARGS]


def test_a_process_that_never_started_goes_with_its_last_handle(calls: Calls) -> None:
    job = calls.job()
    calls.close(calls.process(job))
    assert calls.koids(job, abi.ZX_INFO_JOB_PROCESSES) == []


def test_the_address_space_outlives_the_handle_to_its_root(calls: Calls) -> None:
    process, vmar = calls.ok(calls.zx.zx_process_create(calls.job(), b"p", 0))
    vmo = calls.ok(calls.zx.zx_vmo_create(PAGE, 0))
    address = calls.ok(calls.zx.zx_vmar_map(vmar, RW, 0, vmo, 0, PAGE))
    calls.close(vmar)
    assert calls.zx.zx_process_read_memory(process, address, 4) == (ZX_OK, bytes(4), 4)


# zx_process_start


class Startable:
    """A process with code that has not started: it stores its two arguments in the data page and spins."""

    def __init__(self, world: World) -> None:
        self.world = world
        # mov rax, address of the data; mov [rax], rdi; mov [rax + 8], rsi
        store = b"\x48\xb8" + world.data.to_bytes(8, "little") + b"\x48\x89\x38\x48\x89\x70\x08"
        self.entry = world.write(store + SPIN)
        self.thread = world.thread()

    def start(self, **changes: int) -> int:
        given = {
            "process": self.world.process,
            "thread": self.thread,
            "entry": self.entry,
            "stack": self.world.stack,
            "arg1": 0,
            "arg2": 7,
        } | changes
        return int(self.world.zx.zx_process_start(*given.values()))

    def started(self) -> bool:
        return bool(self.world.process_info().flags & abi.ZX_INFO_PROCESS_FLAG_STARTED)


@pytest.fixture
def startable(world: World) -> Startable:
    return Startable(world)


def test_the_first_argument_is_a_handle_that_moves(calls: Calls, world: World, startable: Startable) -> None:
    event = calls.event()
    koid = calls.koid(event)
    assert startable.start(arg1=event) == ZX_OK
    world.settle()
    value = world.word(0)
    assert value and world.word(8) == 7
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    process = calls.k.host.dispatcher.handles.get(world.process).object
    handle = process.handles.get(value)
    assert (handle.object.koid, handle.rights) == (koid, abi.ZX_DEFAULT_EVENT_RIGHTS)


def test_a_process_that_begins_at_the_entry_of_the_vdso_exits_with_its_argument(
    calls: Calls, world: World, startable: Startable
) -> None:
    """Source: core tests of processes (ProcessStartNoHandle)."""
    header = calls.ok(calls.zx.zx_process_read_memory(world.process, world.vdso, 64))[0]
    entry = world.vdso + int.from_bytes(header[24:32], "little")
    assert startable.start(entry=entry) == ZX_OK
    assert world.ended(world.process)
    assert calls.signals(world.process) == abi.ZX_TASK_TERMINATED
    assert world.process_info().return_code == abi.ZX_HANDLE_INVALID


def test_without_a_handle_the_process_has_none(calls: Calls, world: World, startable: Startable) -> None:
    assert startable.start() == ZX_OK
    world.settle()
    assert (world.word(0), world.word(8)) == (0, 7)
    stats = calls.info(world.process, abi.ZX_INFO_PROCESS_HANDLE_STATS, abi.zx_info_process_handle_stats_t)
    assert sum(stats.handle_count) == 0


def test_start_shows(calls: Calls, world: World, startable: Startable) -> None:
    calls.ok(calls.zx.zx_nanosleep(1_000_000))
    assert not startable.started()
    before = calls.zx.zx_clock_get_monotonic()
    assert startable.start() == ZX_OK
    info = world.process_info()
    assert info.flags == abi.ZX_INFO_PROCESS_FLAG_STARTED
    assert before <= info.start_time <= calls.zx.zx_clock_get_monotonic()
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == [calls.koid(startable.thread)]
    assert calls.signals(world.process) == 0
    assert calls.signals(startable.thread) == abi.ZX_THREAD_RUNNING


@pytest.mark.parametrize("stack", [0, 1, 0x1234_5677, USER_TOP, (1 << 64) - 1])
def test_the_stack_may_be_any_number(world: World, stack: int) -> None:
    """It is the program's own business; all other registers are zero."""
    thread = world.thread()
    held = int(world.ok(world.zx.zx_task_suspend_token(thread)))
    entry = world.write(SPIN)
    world.ok(world.zx.zx_process_start(world.process, thread, entry, stack, 0, 5))
    world.settle()
    regs = world.registers(thread)
    assert (regs.rip, regs.rsp, regs.rdi, regs.rsi) == (entry, stack, 0, 5)
    others = {name for name, *_ in regs.FIELDS} - {"rip", "rsp", "rsi", "rflags"}
    assert {name: getattr(regs, name) for name in others} == dict.fromkeys(others, 0)
    world.close(held)


CHANGES = {
    "bad process": ("process", lambda c, w, t: NEVER_A_HANDLE, ZX_ERR_BAD_HANDLE),
    "bad thread": ("thread", lambda c, w, t: NEVER_A_HANDLE, ZX_ERR_BAD_HANDLE),
    "no process": ("process", lambda c, w, t: t, ZX_ERR_WRONG_TYPE),
    "no thread": ("thread", lambda c, w, t: w.process, ZX_ERR_WRONG_TYPE),
    "poor process": ("process", lambda c, w, t: c.without(w.process, ZX_RIGHT_WRITE), ZX_ERR_ACCESS_DENIED),
    "poor thread": ("thread", lambda c, w, t: c.without(t, ZX_RIGHT_WRITE), ZX_ERR_ACCESS_DENIED),
    "thread of another": ("thread", lambda c, w, t: c.thread(c.process()), ZX_ERR_ACCESS_DENIED),
    "kernel entry": ("entry", lambda c, w, t: USER_TOP, ZX_ERR_INVALID_ARGS),
    "noncanonical entry": ("entry", lambda c, w, t: 1 << 62, ZX_ERR_INVALID_ARGS),
    "highest entry": ("entry", lambda c, w, t: (1 << 64) - 1, ZX_ERR_INVALID_ARGS),
}


@pytest.mark.parametrize(
    ("what", "value", "status"),
    [
        pytest.param(
            *change, id=name, marks=pytest.mark.shows("zx_process_start", f"ZX_ERR_{Status(change[2]).name}")
        )
        for name, change in CHANGES.items()
    ],
)
def test_a_failed_start_closes_the_handle_and_starts_nothing(
    calls: Calls, world: World, startable: Startable, what: str, value: Any, status: int
) -> None:
    event = calls.event()
    kept = calls.duplicate(event, abi.ZX_RIGHT_SAME_RIGHTS)
    change = {what: value(calls, world, startable.thread)}
    assert startable.start(arg1=event, **change) == status
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    # Nor is it in the process: of the object only the other handle is left.
    assert calls.info(kept, abi.ZX_INFO_HANDLE_COUNT, abi.zx_info_handle_count_t).handle_count == 1
    assert not startable.started()
    assert startable.start() == ZX_OK


@shows("start", "ACCESS_DENIED")
def test_a_handle_that_may_not_be_transferred_is_closed_too(calls: Calls, startable: Startable) -> None:
    event = calls.without(calls.event(), ZX_RIGHT_TRANSFER)
    assert startable.start(arg1=event) == ZX_ERR_ACCESS_DENIED
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    assert not startable.started()


@shows("start", "BAD_HANDLE")
def test_the_first_argument_must_be_a_handle(startable: Startable) -> None:
    assert startable.start(arg1=NEVER_A_HANDLE) == ZX_ERR_BAD_HANDLE
    assert not startable.started()


def test_an_entry_of_zero_is_allowed_and_faults(calls: Calls, world: World, startable: Startable) -> None:
    assert startable.start(entry=0) == ZX_OK
    assert world.ended(world.process)
    assert world.process_info().return_code == abi.ZX_TASK_RETCODE_EXCEPTION_KILL


@shows("start", "BAD_STATE")
def test_a_process_starts_once(calls: Calls, world: World, startable: Startable) -> None:
    assert startable.start() == ZX_OK
    event = calls.event()
    assert startable.start(arg1=event, thread=world.thread()) == ZX_ERR_BAD_STATE
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    # The state comes before the entry, the thread's process before the state.
    assert startable.start(thread=world.thread(), entry=USER_TOP) == ZX_ERR_BAD_STATE
    assert startable.start(thread=calls.thread(calls.process())) == ZX_ERR_ACCESS_DENIED


@shows("start", "BAD_STATE")
def test_a_dead_process_does_not_start(calls: Calls, world: World, startable: Startable) -> None:
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert startable.start() == ZX_ERR_BAD_STATE


def test_the_process_may_be_used_up_and_not_have_been_started_by_thread_start(
    world: World, startable: Startable
) -> None:
    """zx_thread_start starts a process too, and then there is no first thread to start any more."""
    world.ok(world.zx.zx_thread_start(world.thread(), startable.entry, world.stack, 0, 0))
    assert startable.started()
    assert startable.start() == ZX_ERR_BAD_STATE


# zx_process_exit


@pytest.mark.parametrize("code", [0, 1, -1, (1 << 63) - 1, -(1 << 63)])
def test_exit_ends_all_threads_with_the_code(calls: Calls, world: World, code: int) -> None:
    other = world.run(SPIN)
    first = world.run(world.set("rdi", code & (1 << 64) - 1) + world.call("zx_process_exit"))
    assert world.ended(world.process)
    assert world.ended(first) and world.ended(other)
    info = world.process_info()
    assert info.return_code == code
    assert info.flags == abi.ZX_INFO_PROCESS_FLAG_STARTED | abi.ZX_INFO_PROCESS_FLAG_EXITED
    assert calls.signals(world.process) == ZX_PROCESS_TERMINATED
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == []


def test_the_last_thread_ends_the_process_with_zero(world: World) -> None:
    threads = [world.run(SPIN), world.run(world.exit)]
    assert world.ended(threads[1]) and not world.ended(world.process)
    world.ok(world.zx.zx_task_kill(world.process))
    assert world.process_info().return_code == ZX_TASK_RETCODE_SYSCALL_KILL
    alone = World(world.k)
    thread = alone.run(alone.exit)
    assert alone.ended(alone.process) and alone.ended(thread)
    assert alone.process_info().return_code == 0


def test_the_first_return_code_stays(calls: Calls, world: World) -> None:
    world.run(world.set("rdi", 12) + world.call("zx_process_exit"))
    assert world.ended(world.process)
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert world.process_info().return_code == 12


# zx_process_read_memory, zx_process_write_memory


each_way_refused = pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, marks=pytest.mark.shows(call, "ZX_ERR_INVALID_ARGS"))
        for call in ("zx_process_read_memory", "zx_process_write_memory")
    ],
)


class Region:
    """Memory of another process: *pages* pages at *base*, of *vmo*; behind them nothing is mapped."""

    def __init__(self, world: World, pages: int = 2, options: int = RW, size: int | None = None) -> None:
        self.world = world
        zx = world.zx
        self.size = pages * PAGE
        self.vmo = world.ok(zx.zx_vmo_create(self.size if size is None else size, abi.ZX_VMO_RESIZABLE))
        room = abi.ZX_VM_CAN_MAP_READ | abi.ZX_VM_CAN_MAP_WRITE | abi.ZX_VM_CAN_MAP_SPECIFIC
        _, base = world.ok(zx.zx_vmar_allocate(world.vmar, room, 0, self.size + 2 * PAGE))
        self.vmar, self.start = _, base
        self.base = self.map(PAGE, options, 0, self.size)

    def map(self, at: int, options: int, offset: int, size: int, vmo: int | None = None) -> int:
        given = self.vmo if vmo is None else vmo
        specific = options | abi.ZX_VM_SPECIFIC
        if not options & abi.ZX_VM_ALLOW_FAULTS:
            specific |= abi.ZX_VM_ALLOW_FAULTS
        return int(self.world.ok(self.world.zx.zx_vmar_map(self.vmar, specific, at, given, offset, size)))

    def get(self, offset: int, size: int) -> bytes:
        return bytes(self.world.ok(self.world.zx.zx_vmo_read(self.vmo, offset, size)))

    def put(self, offset: int, data: bytes) -> None:
        self.world.ok(self.world.zx.zx_vmo_write(self.vmo, data, offset))

    def read(self, address: int, size: int, process: int | None = None) -> Any:
        return self.world.zx.zx_process_read_memory(
            self.world.process if process is None else process, address, size
        )

    def write(self, address: int, data: bytes, process: int | None = None) -> Any:
        return self.world.zx.zx_process_write_memory(
            self.world.process if process is None else process, address, data
        )


@pytest.fixture
def region(world: World) -> Region:
    return Region(world)


def test_memory_is_read_and_written_at_any_place(region: Region) -> None:
    data = bytes(range(256)) * 20
    assert region.write(region.base + 1000, data) == (ZX_OK, len(data))
    assert region.get(1000, len(data)) == data
    assert region.read(region.base + 1001, 4000) == (ZX_OK, data[1:4001], 4000)
    assert region.read(region.base, 1) == (ZX_OK, b"\0", 1)


def test_the_process_need_not_have_started_and_may_run(world: World, region: Region) -> None:
    assert region.write(region.base, b"before") == (ZX_OK, 6)
    world.run(SPIN)
    assert region.read(region.base, 6) == (ZX_OK, b"before", 6)
    assert region.write(world.data, (9).to_bytes(8, "little")) == (ZX_OK, 8)
    assert world.word(0) == 9


def test_less_is_moved_where_the_mapping_ends(region: Region) -> None:
    end = region.base + region.size
    assert region.read(end - 3, 100) == (ZX_OK, b"\0\0\0", 3)
    assert region.write(end - 3, b"abcdef") == (ZX_OK, 3)
    assert region.get(region.size - 3, 3) == b"abc"


def test_no_more_than_one_mapping_is_moved(world: World, region: Region) -> None:
    other = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    region.map(PAGE + region.size, RW, 0, PAGE, other)
    end = region.base + region.size
    assert region.write(end - 2, b"abcd") == (ZX_OK, 2)
    assert region.read(end - 2, 4) == (ZX_OK, b"ab", 2)
    assert region.read(end, 1) == (ZX_OK, b"\0", 1)


@pytest.mark.parametrize("size", [64 << 20, 1 << 19])
def test_as_much_as_64_mib_may_be_asked_for(memory: Memory, region: Region, size: int, trap: Any) -> None:
    """The buffer need not be that large where less is moved."""
    last = memory.address + memory.SIZE - 2
    for call in ("zx_process_read_memory", "zx_process_write_memory"):
        end = region.base + region.size
        assert trap(call, region.world.process, end - 2, last, size, memory.address) == ZX_OK
        assert memory.get(0, 8) == (2).to_bytes(8, "little")


@each_way_refused
@pytest.mark.parametrize("size", [0, (64 << 20) + 1, 1 << 63, (1 << 64) - 1])
def test_a_size_of_zero_or_over_64_mib(
    call: str, memory: Memory, region: Region, trap: Any, size: int
) -> None:
    # It is looked at before the handle.
    for handle in (region.world.process, NEVER_A_HANDLE):
        assert trap(call, handle, region.base, memory.address, size, memory.address) == ZX_ERR_INVALID_ARGS


@each_way_refused
def test_bad_buffers(call: str, memory: Memory, region: Region, trap: Any) -> None:
    process, actual = region.world.process, memory.address
    region.put(0, b"kept")
    for buffer in (0, BAD_ADDRESS, USER_TOP, memory.address + memory.SIZE - 1):
        assert trap(call, process, region.base, buffer, 4, actual) == ZX_ERR_INVALID_ARGS
    assert trap(call, process, region.base, memory.address, 4, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    # A null pointer is looked at before the handle, any other after it and the address.
    assert trap(call, NEVER_A_HANDLE, region.base, 0, 4, actual) == ZX_ERR_INVALID_ARGS
    assert trap(call, NEVER_A_HANDLE, region.base, BAD_ADDRESS, 4, actual) == ZX_ERR_BAD_HANDLE
    assert trap(call, process, region.start, BAD_ADDRESS, 4, actual) == abi.ZX_ERR_NOT_FOUND


@shows("read_memory", "BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
def test_read_checks_the_handle(calls: Calls, region: Region) -> None:
    process = region.world.process
    assert region.read(region.base, 1, NEVER_A_HANDLE)[0] == ZX_ERR_BAD_HANDLE
    assert region.read(region.base, 1, region.world.job)[0] == ZX_ERR_WRONG_TYPE
    for right in (abi.ZX_RIGHT_READ, ZX_RIGHT_WRITE):
        assert region.read(region.base, 1, calls.without(process, right))[0] == ZX_ERR_ACCESS_DENIED


@shows("write_memory", "BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
def test_write_checks_the_handle(calls: Calls, region: Region) -> None:
    process = region.world.process
    assert region.write(region.base, b"x", NEVER_A_HANDLE)[0] == ZX_ERR_BAD_HANDLE
    assert region.write(region.base, b"x", region.world.job)[0] == ZX_ERR_WRONG_TYPE
    assert region.write(region.base, b"x", calls.without(process, ZX_RIGHT_WRITE))[0] == ZX_ERR_ACCESS_DENIED
    assert region.write(region.base, b"x", calls.without(process, abi.ZX_RIGHT_READ))[0] == ZX_OK


@shows("read_memory", "NOT_FOUND")
@shows("write_memory", "NOT_FOUND")
def test_nothing_is_mapped_there(region: Region) -> None:
    """Today's answer is NOT_FOUND; it was NO_MEMORY before."""
    for address in (0, region.start, region.base + region.size, USER_TOP, (1 << 64) - 1):
        assert region.read(address, 1) == (abi.ZX_ERR_NOT_FOUND, b"", 0)
        assert region.write(address, b"x") == (abi.ZX_ERR_NOT_FOUND, 0)


@shows("read_memory", "OUT_OF_RANGE")
@shows("write_memory", "OUT_OF_RANGE")
@pytest.mark.shows("zx_process_read_memory", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_process_write_memory", "ZX_ERR_OUT_OF_RANGE")
def test_behind_the_end_of_the_vmo(region: Region) -> None:
    region.world.ok(region.world.zx.zx_vmo_set_size(region.vmo, PAGE))
    assert region.read(region.base + PAGE, 1) == (abi.ZX_ERR_OUT_OF_RANGE, b"", 0)
    assert region.write(region.base + PAGE, b"x") == (abi.ZX_ERR_OUT_OF_RANGE, 0)
    assert region.read(region.base + PAGE - 2, 4) == (ZX_OK, b"\0\0", 2)
    assert region.write(region.base + PAGE - 2, b"abcd") == (ZX_OK, 2)


@shows("read_memory", "BAD_STATE")
@shows("write_memory", "BAD_STATE")
def test_memory_of_a_dead_process(region: Region) -> None:
    region.world.ok(region.world.zx.zx_task_kill(region.world.process))
    assert region.read(region.base, 1) == (ZX_ERR_BAD_STATE, b"", 0)
    assert region.write(region.base, b"x") == (ZX_ERR_BAD_STATE, 0)


@shows("read_memory", "BAD_STATE")
@shows("write_memory", "BAD_STATE")
def test_memory_that_is_not_cached(world: World) -> None:
    region = Region(world, options=ZX_VM_PERM_READ)
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    world.ok(world.zx.zx_vmo_set_cache_policy(vmo, abi.ZX_CACHE_POLICY_UNCACHED))
    address = region.map(PAGE + region.size, RW, 0, PAGE, vmo)
    assert region.read(address, 1)[0] == ZX_ERR_BAD_STATE
    assert region.write(address, b"x")[0] == ZX_ERR_BAD_STATE


def test_a_page_that_may_not_be_accessed_now_is_read_and_written(world: World, region: Region) -> None:
    """What it may be protected to counts, not what it is protected to."""
    zx = world.zx
    region.put(0, b"secret")
    for protection in (0, ZX_VM_PERM_READ):
        world.ok(zx.zx_vmar_protect(region.vmar, protection, region.base, region.size))
        assert region.read(region.base, 6)[0] == ZX_OK
        assert region.write(region.base, bytes([protection])) == (ZX_OK, 1)
        assert region.get(0, 1) == bytes([protection])


def test_a_mapping_that_can_never_be_written_gets_a_copy_of_its_own(world: World) -> None:
    """A breakpoint in code of one process is none in others that map the same VMO."""
    region = Region(world, options=ZX_VM_PERM_READ)
    address = map_read_only(world, region)
    region.put(0, b"original")
    before = maps(world, address)
    assert region.read(address, 8) == (ZX_OK, b"original", 8)
    assert region.write(address, b"changed!") == (ZX_OK, 8)
    assert region.read(address, 8) == (ZX_OK, b"changed!", 8)
    assert region.get(0, 8) == b"original"
    after = maps(world, address)
    assert after.mapping.vmo_koid != before.mapping.vmo_koid
    assert (after.base, after.size, after.mapping.mmu_flags) == (
        before.base,
        before.size,
        before.mapping.mmu_flags,
    )
    # The second write goes to the same copy.
    assert region.write(address + 8, b"more") == (ZX_OK, 4)
    assert maps(world, address).mapping.vmo_koid == after.mapping.vmo_koid
    assert region.read(address, 12)[1] == b"changed!more"


def map_read_only(world: World, region: Region) -> int:
    """The region's VMO mapped once more, by a handle without WRITE."""
    readable = world.duplicate(region.vmo, abi.ZX_DEFAULT_VMO_RIGHTS & ~ZX_RIGHT_WRITE)
    options = ZX_VM_PERM_READ | abi.ZX_VM_ALLOW_FAULTS
    return int(world.ok(world.zx.zx_vmar_map(world.vmar, options, 0, readable, 0, region.size)))


def maps(world: World, address: int) -> abi.zx_info_maps_t:
    """The mapping at *address*."""
    size = abi.zx_info_maps_t.SIZE
    data, *_ = world.ok(world.zx.zx_object_get_info(world.process, abi.ZX_INFO_PROCESS_MAPS, size * 100))
    found = [abi.zx_info_maps_t.unpack(data, offset) for offset in range(0, len(data), size)]
    [one] = [m for m in found if m.type == abi.ZX_INFO_MAPS_TYPE_MAPPING and m.base == address]
    return one


def test_code_written_by_a_debugger_runs(world: World) -> None:
    entry = world.write(SPIN)
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    world.settle()
    assert not world.ended(thread)
    answer = world.zx.zx_process_write_memory(world.process, entry, world.exit)
    assert answer == (ZX_OK, len(world.exit))
    assert world.ended(thread)


@shows("write_memory", "ACCESS_DENIED")
def test_the_vdso_is_not_written(world: World, region: Region) -> None:
    assert region.read(world.vdso, 4) == (ZX_OK, b"\x7fELF", 4)
    code = world.vdso + world.k.vdso.image.symbols["zx_thread_exit"]
    for address in (world.vdso, code):
        assert region.write(address, b"\xcc") == (ZX_ERR_ACCESS_DENIED, 0)


# What the processes of a group use


def usage(calls: Calls, process: int) -> tuple[int, int, int]:
    """Private, shared and scaled shared memory, in pages."""
    stats = calls.info(process, abi.ZX_INFO_TASK_STATS, abi.zx_info_task_stats_t)
    sizes = (stats.mem_private_bytes, stats.mem_shared_bytes, stats.mem_scaled_shared_bytes)
    return sizes[0] // PAGE, sizes[1] // PAGE, sizes[2] // PAGE


def test_what_a_group_shares_is_nobodys_own_while_there_are_several(calls: Calls) -> None:
    zx = calls.zx

    def commit(vmar: int, pages: int) -> None:
        vmo = calls.ok(zx.zx_vmo_create(pages * PAGE, 0))
        calls.ok(zx.zx_vmo_op_range(vmo, abi.ZX_VMO_OP_COMMIT, 0, pages * PAGE, b""))
        calls.ok(zx.zx_vmar_map(vmar, RW, 0, vmo, 0, pages * PAGE))

    prototype, shared = calls.ok(zx.zx_process_create(calls.job(), b"p", ZX_PROCESS_SHARED))
    commit(shared, 6)
    assert usage(calls, prototype) == (6, 0, 0)
    one, of_one = calls.ok(zx.zx_process_create_shared(prototype, 0, b"one"))
    commit(of_one, 2)
    assert usage(calls, prototype) == (0, 6, 3)
    assert usage(calls, one) == (2, 6, 3)
    two, _ = calls.ok(zx.zx_process_create_shared(one, 0, b"two"))
    assert [usage(calls, process) for process in (prototype, one, two)] == [(0, 6, 2), (2, 6, 2), (0, 6, 2)]
    calls.ok(zx.zx_task_kill(prototype))
    calls.ok(zx.zx_task_kill(two))
    assert usage(calls, one) == (8, 0, 0)
    assert zx.zx_object_get_info(two, abi.ZX_INFO_TASK_STATS, 4096)[0] == ZX_ERR_BAD_STATE


def test_memory_of_a_group_is_that_of_each_and_of_all(calls: Calls) -> None:
    """Reads and writes find the part that an address belongs to."""
    zx = calls.zx
    prototype, shared = calls.ok(zx.zx_process_create(calls.job(), b"p", ZX_PROCESS_SHARED))
    one, of_one = calls.ok(zx.zx_process_create_shared(prototype, 0, b"one"))
    vmos = [calls.ok(zx.zx_vmo_create(PAGE, 0)) for _ in range(2)]
    common = calls.ok(zx.zx_vmar_map(shared, RW, 0, vmos[0], 0, PAGE))
    own = calls.ok(zx.zx_vmar_map(of_one, RW, 0, vmos[1], 0, PAGE))
    assert zx.zx_process_write_memory(one, common, b"common") == (ZX_OK, 6)
    assert zx.zx_process_write_memory(one, own, b"own") == (ZX_OK, 3)
    assert zx.zx_process_read_memory(prototype, common, 6) == (ZX_OK, b"common", 6)
    assert zx.zx_process_read_memory(prototype, own, 3)[0] == abi.ZX_ERR_NOT_FOUND
    # The shared part lives as long as any of the group; the restricted one goes with its process.
    calls.ok(zx.zx_task_kill(one))
    assert zx.zx_process_read_memory(one, common, 6) == (ZX_OK, b"common", 6)
    assert zx.zx_process_read_memory(one, own, 3)[0] == ZX_ERR_BAD_STATE
