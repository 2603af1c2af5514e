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


@shows("start", "BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED", "INVALID_ARGS")
@pytest.mark.parametrize(("what", "value", "status"), CHANGES.values(), ids=CHANGES)
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
