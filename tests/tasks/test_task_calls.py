"""zx_task_kill, zx_task_suspend(_token) and exception channels of any task.

Source: docs/reference/syscalls/task_*.md; zircon/kernel/lib/syscalls/task.rs. Kills of job trees are in test_jobs.py, suspension
beside exceptions and waits in tests/exceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_WRONG_TYPE,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_FLAG_EXITED,
    ZX_INFO_PROCESS_FLAG_STARTED,
    ZX_OBJ_TYPE_SUSPEND_TOKEN,
    ZX_RIGHT_DESTROY,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WRITE,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_TASK_TERMINATED,
    ZX_THREAD_RUNNING,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_THREAD_SUSPENDED,
    zx_info_process_t,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.process import ProcessDispatcher
from tests.tasks.conftest import Calls, Program, World

SPIN = b"\xeb\xfe"  # jmp to itself
DEBUGGER = ZX_EXCEPTION_CHANNEL_DEBUGGER
KILL = ZX_TASK_RETCODE_SYSCALL_KILL
EXITED = ZX_INFO_PROCESS_FLAG_STARTED | ZX_INFO_PROCESS_FLAG_EXITED


def process_info(calls: Calls, process: int) -> zx_info_process_t:
    found: zx_info_process_t = calls.info(process, ZX_INFO_PROCESS, zx_info_process_t)
    return found


# zx_task_kill


def test_killing_a_process_ends_all_its_threads(calls: Calls, world: World) -> None:
    threads = [world.run(SPIN) for _ in range(3)]
    unstarted = world.thread()
    world.settle()
    world.ok(calls.zx.zx_task_kill(world.process))
    for thread in threads:
        assert world.ended(thread)
        assert world.state(thread) == ZX_THREAD_STATE_DEAD
    assert world.ended(world.process)
    info = process_info(calls, world.process)
    assert (info.return_code, info.flags) == (KILL, EXITED)
    # One that never started stays new, and can never start.
    assert world.state(unstarted) == ZX_THREAD_STATE_NEW
    assert calls.zx.zx_thread_start(unstarted, 0x1000, 0, 0, 0) == ZX_ERR_BAD_STATE


def test_a_process_that_never_started_is_killed_too(calls: Calls) -> None:
    process = calls.process()
    calls.ok(calls.zx.zx_task_kill(process))
    assert calls.signals(process) & ZX_TASK_TERMINATED
    info = process_info(calls, process)
    assert (info.return_code, info.flags, info.start_time) == (KILL, EXITED, 0)


def test_the_first_code_stays_when_a_dead_process_is_killed(calls: Calls, world: World) -> None:
    code = world.set("rdi", 7) + world.call("zx_process_exit")
    thread = world.run(code)
    assert world.ended(thread) and world.ended(world.process)
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert process_info(calls, world.process).return_code == 7


def test_a_process_kills_itself(calls: Calls, program: Program) -> None:
    """Nothing comes after its call."""
    went_on: list[int] = []

    async def body(zx: Any, process: int) -> int:
        await zx.zx_task_kill(process)
        went_on.append(1)
        return 0

    host = calls.k.host
    process = host.add(program.process)
    program.start(body, program.give(calls.duplicate(process, ZX_RIGHT_DESTROY)))
    program.settle()
    assert (went_on, program.results) == ([], [])
    assert process_info(calls, process).return_code == KILL


def test_machine_code_kills_its_own_process(calls: Calls, world: World) -> None:
    thread = world.thread()
    table: Any = calls.k.host.dispatcher.handles
    own: ProcessDispatcher = table.get(world.process).object
    value = own.handles.add(table.remove(calls.duplicate(world.process, ZX_RIGHT_DESTROY)))
    world.start(thread, world.call("zx_task_kill") + world.store_rax(0) + SPIN, value)
    assert world.ended(thread) and world.ended(world.process)
    assert process_info(calls, world.process).return_code == KILL
    assert world.ok(world.zx.zx_vmo_read(world.data_vmo, 0, 8)) == bytes(8)


def test_a_kill_closes_the_handles_of_the_process(calls: Calls, world: World) -> None:
    thread = world.thread()
    one, other = calls.ok(calls.zx.zx_eventpair_create(0))
    world.ok(calls.zx.zx_process_start(world.process, thread, world.write(SPIN), world.stack, one, 0))
    peer_closed = 1 << 2
    assert not calls.signals(other) & peer_closed
    world.ok(calls.zx.zx_task_kill(world.process))
    assert calls.signals(other) & peer_closed


@pytest.mark.shows("zx_task_kill", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_task_kill", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_task_kill", "ZX_ERR_ACCESS_DENIED")
def test_what_cannot_be_killed(calls: Calls) -> None:
    for value in (0, 3):
        assert calls.zx.zx_task_kill(value) == ZX_ERR_BAD_HANDLE
    # No other object's handles have DESTROY; were there one, its type would be wrong.
    for handle in (calls.event(), calls.k.host.root_vmar):
        assert calls.zx.zx_task_kill(handle) == ZX_ERR_ACCESS_DENIED
    table = calls.k.host.dispatcher.handles
    event: Any = table.get(calls.event())
    assert calls.zx.zx_task_kill(table.add(Handle(event.object, ZX_RIGHT_DESTROY))) == ZX_ERR_WRONG_TYPE
    process = calls.process()
    for task in (process, calls.job()):
        assert calls.zx.zx_task_kill(calls.without(task, ZX_RIGHT_DESTROY)) == ZX_ERR_ACCESS_DENIED
        assert not calls.signals(task) & ZX_TASK_TERMINATED
        calls.ok(calls.zx.zx_task_kill(calls.duplicate(task, ZX_RIGHT_DESTROY)))
        assert calls.signals(task) & ZX_TASK_TERMINATED


# zx_task_suspend, zx_task_suspend_token


def suspends(*statuses: str) -> pytest.MarkDecorator:
    """For each of the two calls, which shows these errors."""
    calls = ("zx_task_suspend", "zx_task_suspend_token")
    marks = {call: [pytest.mark.shows(call, f"ZX_ERR_{status}") for status in statuses] for call in calls}
    return pytest.mark.parametrize("call", [pytest.param(call, marks=marks[call]) for call in calls])


TASKS = pytest.mark.parametrize("task", ["thread", "process"])


def task_of(world: World, thread: int, task: str) -> int:
    return thread if task == "thread" else world.process


@suspends()
@TASKS
def test_a_token_suspends_until_it_is_closed(calls: Calls, world: World, call: str, task: str) -> None:
    thread = world.run(SPIN)
    token = calls.ok(getattr(calls.zx, call)(task_of(world, thread, task)))
    basic = calls.basic(token)
    assert (basic.type, basic.rights) == (ZX_OBJ_TYPE_SUSPEND_TOKEN, ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS)
    assert world.wait(thread, ZX_THREAD_SUSPENDED)
    assert world.state(thread) == ZX_THREAD_STATE_SUSPENDED
    calls.close(token)
    assert world.wait(thread, ZX_THREAD_RUNNING)


@suspends()
@TASKS
def test_a_suspended_task_is_killed(calls: Calls, world: World, call: str, task: str) -> None:
    thread = world.run(SPIN)
    token = calls.ok(getattr(calls.zx, call)(task_of(world, thread, task)))
    calls.ok(calls.zx.zx_task_kill(world.process))
    assert world.ended(thread) and world.ended(world.process)
    calls.close(token)  # the token of a dead task is closed like any other


@suspends("BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
def test_threads_and_processes_with_write_are_suspended(calls: Calls, world: World, call: str) -> None:
    suspend = getattr(calls.zx, call)
    thread = world.run(SPIN)
    for value in (0, 3):
        assert suspend(value) == (ZX_ERR_BAD_HANDLE, 0)
    for other in (world.job, world.data_vmo):
        assert suspend(other) == (ZX_ERR_WRONG_TYPE, 0)
    assert suspend(calls.event()) == (
        ZX_ERR_ACCESS_DENIED,
        0,
    )  # the right comes first, and events have no WRITE
    for task in (thread, world.process):
        assert suspend(calls.without(task, ZX_RIGHT_WRITE)) == (ZX_ERR_ACCESS_DENIED, 0)
        calls.close(calls.ok(suspend(calls.duplicate(task, ZX_RIGHT_WRITE))))


@suspends("BAD_STATE")
@pytest.mark.parametrize("how", ["exit", "kill", "kill unstarted"])
def test_the_dead_are_not_suspended(calls: Calls, world: World, call: str, how: str) -> None:
    suspend = getattr(calls.zx, call)
    thread = world.thread()
    if how != "kill unstarted":
        world.start(thread, world.exit if how == "exit" else SPIN)
    if how != "exit":
        calls.ok(calls.zx.zx_task_kill(world.process))
    assert world.ended(world.process)
    assert suspend(world.process) == (ZX_ERR_BAD_STATE, 0)
    if how != "kill unstarted":
        assert suspend(thread) == (ZX_ERR_BAD_STATE, 0)


@suspends("INVALID_ARGS")
@pytest.mark.parametrize("pointer", [0, 0x10, 1 << 63])
def test_a_token_without_a_place_suspends_nothing(
    calls: Calls, world: World, call: str, pointer: int, trap: Callable[..., int]
) -> None:
    thread = world.run(SPIN)
    handles = len(calls.k.host.dispatcher.handles)
    assert trap(call, thread, pointer) == ZX_ERR_INVALID_ARGS
    world.settle()
    assert world.wait(thread, ZX_THREAD_RUNNING)
    assert len(calls.k.host.dispatcher.handles) == handles


@suspends("NOT_SUPPORTED")
@pytest.mark.parametrize("task", ["thread", "process"])
def test_a_body_suspends_neither_itself_nor_its_process(
    calls: Calls, program: Program, call: str, task: str
) -> None:
    async def body(zx: Any, own: int) -> Any:
        return await getattr(zx, call)(own)

    async def suspends_itself(zx: Any) -> Any:
        handle = calls.k.host.add(thread if task == "thread" else program.process)
        return await body(zx, program.give(handle))

    thread = program.start(suspends_itself)
    program.settle()
    assert program.results == [(ZX_ERR_NOT_SUPPORTED, 0)]


# zx_task_create_exception_channel; more in tests/exceptions/test_handlers.py

LISTENERS = pytest.mark.parametrize(
    ("task", "options"),
    [("thread", 0), ("process", 0), ("process", DEBUGGER), ("job", 0), ("job", DEBUGGER)],
)


def handle_of(world: World, task: str) -> int:
    """A thread that has not started, the process or its job."""
    return world.thread() if task == "thread" else int(getattr(world, task))


@LISTENERS
def test_just_the_needed_rights_will_do(calls: Calls, world: World, task: str, options: int) -> None:
    needed = ZX_RIGHT_INSPECT | ZX_RIGHT_DUPLICATE | ZX_RIGHT_TRANSFER | ZX_RIGHT_MANAGE_THREAD
    if task != "thread":
        needed |= ZX_RIGHT_ENUMERATE
    handle = calls.duplicate(handle_of(world, task), needed)
    channel = calls.ok(calls.zx.zx_task_create_exception_channel(handle, options))
    assert calls.zx.zx_channel_write(channel, 0, b"x", []) == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_WRONG_TYPE")
def test_only_tasks_have_exceptions(calls: Calls) -> None:
    create = calls.zx.zx_task_create_exception_channel
    for value in (0, 3):
        assert create(value, 0) == (ZX_ERR_BAD_HANDLE, 0)
    # Only handles to tasks have MANAGE_THREAD; were there another, its type would be wrong.
    for other in (calls.event(), calls.k.host.root_vmar):
        assert create(other, 0) == (ZX_ERR_ACCESS_DENIED, 0)
    table = calls.k.host.dispatcher.handles
    event: Any = table.get(calls.event())
    every = (1 << 22) - 1
    assert create(table.add(Handle(event.object, every)), 0) == (ZX_ERR_WRONG_TYPE, 0)


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_INVALID_ARGS")
@LISTENERS
@pytest.mark.parametrize("pointer", [0, 0x10, 1 << 63])
def test_a_channel_without_a_place_binds_nothing(
    calls: Calls, world: World, task: str, options: int, pointer: int, trap: Callable[..., int]
) -> None:
    handle = handle_of(world, task)
    handles = len(calls.k.host.dispatcher.handles)
    call = "zx_task_create_exception_channel"
    assert trap(call, handle, options, pointer) == ZX_ERR_INVALID_ARGS
    assert len(calls.k.host.dispatcher.handles) == handles
    world.listen(handle, options)  # the place is free


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [2, DEBUGGER | 2, 1 << 31])
@pytest.mark.parametrize("task", ["thread", "process", "job"])
def test_unknown_options_of_a_channel(calls: Calls, world: World, task: str, options: int) -> None:
    answer = calls.zx.zx_task_create_exception_channel(handle_of(world, task), options)
    assert answer == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_BAD_STATE")
@pytest.mark.parametrize("options", [0, DEBUGGER])
def test_a_process_killed_before_its_start_has_no_exceptions(calls: Calls, options: int) -> None:
    process = calls.process()
    calls.ok(calls.zx.zx_task_kill(process))
    assert calls.zx.zx_task_create_exception_channel(process, options) == (ZX_ERR_BAD_STATE, 0)


@LISTENERS
def test_the_death_of_a_task_closes_its_channels(calls: Calls, world: World, task: str, options: int) -> None:
    thread = world.run(SPIN)
    handle = thread if task == "thread" else handle_of(world, task)
    channel = world.listen(handle, options)
    calls.ok(calls.zx.zx_task_kill(world.job))
    assert world.ended(handle)
    assert world.wait(channel, ZX_CHANNEL_PEER_CLOSED)
