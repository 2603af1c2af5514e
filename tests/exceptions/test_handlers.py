"""Who is told of an exception, in which order, and what a handler can do. Source: utest/exception/exception.cc, exceptions.md."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READABLE,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_ALREADY_BOUND,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_JOB_DEBUGGER_MAX_COUNT,
    ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_JOB,
    ZX_EXCEPTION_CHANNEL_TYPE_NONE,
    ZX_EXCEPTION_CHANNEL_TYPE_PROCESS,
    ZX_EXCEPTION_CHANNEL_TYPE_THREAD,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
    ZX_EXCEPTION_STATE_TRY_NEXT,
    ZX_EXCEPTION_STRATEGY_FIRST_CHANCE,
    ZX_EXCEPTION_STRATEGY_SECOND_CHANCE,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_THREAD_EXITING,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_JOB,
    ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V2,
    ZX_OBJ_TYPE_CHANNEL,
    ZX_OBJ_TYPE_EXCEPTION,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_CHANNEL,
    ZX_PROP_EXCEPTION_STATE,
    ZX_PROP_EXCEPTION_STRATEGY,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_DEAD,
    zx_info_handle_basic_t,
    zx_info_job_t,
    zx_policy_basic_v2_t,
)
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.process import ProcessDispatcher
from tests.exceptions.conftest import World
from tests.ipc.conftest import Program

DEBUGGER = ZX_EXCEPTION_CHANNEL_DEBUGGER


def basic(world: World, handle: int) -> zx_info_handle_basic_t:
    size = zx_info_handle_basic_t.SIZE
    return zx_info_handle_basic_t.unpack(
        world.ok(world.zx.zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, size))[0]
    )


def koid(world: World, handle: int) -> int:
    return int(basic(world, handle).koid)


def task_of(world: World, name: str) -> int:
    """A thread that has not started, the process, or a job."""
    return world.thread() if name == "thread" else int(getattr(world, name))


# Making channels


@pytest.mark.parametrize("task", ["thread", "process", "job", "parent"])
def test_the_channel_can_only_be_read(world: World, task: str) -> None:
    info = basic(world, world.listen(task_of(world, task)))
    assert info.type == ZX_OBJ_TYPE_CHANNEL
    assert info.rights == ZX_RIGHT_TRANSFER | ZX_RIGHT_WAIT | ZX_RIGHT_READ


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_ACCESS_DENIED")
def test_options_and_handles_are_checked(world: World) -> None:
    create = world.zx.zx_task_create_exception_channel
    assert create(world.process, 2) == (ZX_ERR_INVALID_ARGS, 0)
    assert create(0x7FFF_FFF3, 2) == (ZX_ERR_INVALID_ARGS, 0)
    assert create(0x7FFF_FFF3, 0) == (ZX_ERR_BAD_HANDLE, 0)
    assert create(world.thread(), DEBUGGER) == (ZX_ERR_INVALID_ARGS, 0)
    _, event = world.zx.zx_event_create(0)
    assert create(event, 0) == (ZX_ERR_ACCESS_DENIED, 0)  # an event has no MANAGE_THREAD
    assert create(world.data_vmo, 0) == (ZX_ERR_ACCESS_DENIED, 0)


@pytest.mark.parametrize("task", ["thread", "process", "job"])
@pytest.mark.parametrize(
    "right",
    [ZX_RIGHT_INSPECT, ZX_RIGHT_DUPLICATE, ZX_RIGHT_TRANSFER, ZX_RIGHT_MANAGE_THREAD, ZX_RIGHT_ENUMERATE],
)
def test_every_right_is_needed(world: World, task: str, right: int) -> None:
    handle = task_of(world, task)
    reduced = world.duplicate(handle, basic(world, handle).rights & ~right)
    expected = ZX_OK if (task, right) == ("thread", ZX_RIGHT_ENUMERATE) else ZX_ERR_ACCESS_DENIED
    assert world.zx.zx_task_create_exception_channel(reduced, 0)[0] == expected


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_ALREADY_BOUND")
@pytest.mark.parametrize(
    ("task", "options"), [("thread", 0), ("process", 0), ("process", DEBUGGER), ("job", 0), ("parent", 0)]
)
def test_one_handler_a_place(world: World, task: str, options: int) -> None:
    handle = task_of(world, task)
    channel = world.listen(handle, options)
    assert world.zx.zx_task_create_exception_channel(handle, options) == (ZX_ERR_ALREADY_BOUND, 0)
    # Where the handler has closed its end there is room again.
    world.close(channel)
    world.listen(handle, options)


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_ALREADY_BOUND")
def test_a_job_has_room_for_several_debuggers(world: World) -> None:
    channels = [world.listen(world.job, DEBUGGER) for _ in range(ZX_EXCEPTION_CHANNEL_JOB_DEBUGGER_MAX_COUNT)]
    assert world.zx.zx_task_create_exception_channel(world.job, DEBUGGER) == (ZX_ERR_ALREADY_BOUND, 0)
    world.close(channels[7])
    world.listen(world.job, DEBUGGER)
    assert world.zx.zx_task_create_exception_channel(world.job, DEBUGGER) == (ZX_ERR_ALREADY_BOUND, 0)
    world.listen(world.job)  # the handler of its exceptions is none of them


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_BAD_STATE")
def test_a_dead_task_has_no_exceptions(world: World) -> None:
    thread = world.run(world.exit)
    world.run(b"\xeb\xfe")
    world.settle()
    create = world.zx.zx_task_create_exception_channel
    assert create(thread, 0) == (ZX_ERR_BAD_STATE, 0)
    world.ok(world.zx.zx_task_kill(world.job))
    assert world.ended(world.job)
    for task, options in [
        (world.process, 0),
        (world.process, DEBUGGER),
        (world.job, 0),
        (world.job, DEBUGGER),
    ]:
        assert create(task, options) == (ZX_ERR_BAD_STATE, 0)


@pytest.mark.shows("zx_task_create_exception_channel", "ZX_ERR_ACCESS_DENIED")
def test_policy_may_forbid_it(k: Any, world: World) -> None:
    job = JobDispatcher.create(k.root_job_dispatcher)
    item = zx_policy_basic_v2_t(condition=ZX_POL_NEW_CHANNEL, action=ZX_POL_ACTION_DENY, flags=1)
    handle = k.host.add(job)
    world.ok(world.zx.zx_job_set_policy(handle, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V2, item.pack(), 1))
    program = Program(k)
    program.process = ProcessDispatcher.create(job, b"forbidden", shareable=False)

    async def body(zx: Any) -> Any:
        first, _ = await zx.zx_task_create_exception_channel(0, 8)
        second, _ = await zx.zx_task_create_exception_channel(0, 0)
        return first, second

    program.start(body)
    program.settle()
    assert program.results == [(ZX_ERR_INVALID_ARGS, ZX_ERR_ACCESS_DENIED)]


def test_an_attached_debugger_shows(world: World) -> None:
    def attached() -> tuple[bool, bool]:
        data, *_ = world.ok(world.zx.zx_object_get_info(world.job, ZX_INFO_JOB, zx_info_job_t.SIZE))
        flag = world.process_info().flags & ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED
        return bool(flag), bool(zx_info_job_t.unpack(data).debugger_attached)

    world.listen(world.process)
    world.listen(world.job)
    assert attached() == (False, False)
    of_process = world.listen(world.process, DEBUGGER)
    assert attached() == (True, False)
    of_job = world.listen(world.job, DEBUGGER)
    assert attached() == (True, True)
    world.close(of_process)
    world.close(of_job)
    assert attached() == (False, False)


# Receiving


@pytest.mark.parametrize(
    ("task", "options", "channel_type"),
    [
        pytest.param(
            "thread",
            0,
            ZX_EXCEPTION_CHANNEL_TYPE_THREAD,
            marks=pytest.mark.shows("zx_exception_get_process", "ZX_ERR_ACCESS_DENIED"),
        ),
        ("process", 0, ZX_EXCEPTION_CHANNEL_TYPE_PROCESS),
        ("process", DEBUGGER, ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER),
        ("job", 0, ZX_EXCEPTION_CHANNEL_TYPE_JOB),
        ("parent", 0, ZX_EXCEPTION_CHANNEL_TYPE_JOB),
    ],
)
def test_a_handler_gets_the_exception(world: World, task: str, options: int, channel_type: int) -> None:
    thread = world.thread()
    handle = thread if task == "thread" else getattr(world, task)
    code = (
        world.call("zx_thread_legacy_yield")
        + b"\x48\xbf"
        + (0).to_bytes(8, "little")
        + b"\x48\x89\x37"
        + world.exit
    )
    world.start(thread, b"\x31\xff" + code)
    channel = world.listen(handle, options)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_FATAL_PAGE_FAULT
    assert (message.info.pid, message.info.tid) == (koid(world, world.process), koid(world, thread))
    info = basic(world, message.handle)
    assert info.type == ZX_OBJ_TYPE_EXCEPTION
    assert world.zx.zx_handle_duplicate(message.handle, ZX_RIGHT_SAME_RIGHTS)[0] == ZX_ERR_ACCESS_DENIED
    # Its tasks come with the rights of the one that is listened to.
    got = world.ok(world.zx.zx_exception_get_thread(message.handle))
    assert koid(world, got) == koid(world, thread)
    assert basic(world, got).rights == basic(world, handle).rights
    if task == "thread":
        assert world.zx.zx_exception_get_process(message.handle) == (ZX_ERR_ACCESS_DENIED, 0)
    else:
        got = world.ok(world.zx.zx_exception_get_process(message.handle))
        assert koid(world, got) == koid(world, world.process)
        assert basic(world, got).rights == basic(world, handle).rights
    # The thread waits for it.
    state = world.thread_info(thread)
    assert (state.state, state.wait_exception_channel_type) == (
        ZX_THREAD_STATE_BLOCKED_EXCEPTION,
        channel_type,
    )
    world.close(message.handle)
    assert world.ended(thread)
    state = world.thread_info(thread)
    assert (state.state, state.wait_exception_channel_type) == (
        ZX_THREAD_STATE_DEAD,
        ZX_EXCEPTION_CHANNEL_TYPE_NONE,
    )


@pytest.mark.shows("zx_exception_get_thread", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_exception_get_thread", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_exception_get_process", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_exception_get_process", "ZX_ERR_WRONG_TYPE")
def test_exception_calls_check_their_handle(world: World) -> None:
    for name in ("zx_exception_get_thread", "zx_exception_get_process"):
        assert getattr(world.zx, name)(0x7FFF_FFF3) == (ZX_ERR_BAD_HANDLE, 0)
        assert getattr(world.zx, name)(world.process) == (ZX_ERR_WRONG_TYPE, 0)


def test_nobody_handles_it_and_the_process_is_killed(world: World) -> None:
    channel = world.listen(world.job)
    thread = world.crash()
    other = world.run(b"\xeb\xfe")
    world.close(world.receive(channel).handle)
    assert world.ended(thread) and world.ended(other) and world.ended(world.process)
    assert world.process_info().return_code == ZX_TASK_RETCODE_EXCEPTION_KILL


def test_a_resumed_thread_runs_the_instruction_again(world: World) -> None:
    thread = world.thread()
    channel = world.listen(thread)
    world.start(thread, b"\x48\x89\x37" + world.exit, 0x10, 42)
    first = world.receive(channel)
    world.resume(first.handle)
    second = world.receive(channel)  # it faults again, and the chain begins anew
    assert koid(world, second.handle) > 0
    world.set_registers(thread, rdi=world.data)
    world.resume(second.handle)
    assert world.ended(thread)
    assert world.word(0) == 42
    assert world.process_info().return_code == 0


def test_a_thread_may_be_made_to_exit(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.crash()
    other = world.run(b"\xeb\xfe")
    message = world.receive(channel)
    world.set_state(message.handle, ZX_EXCEPTION_STATE_THREAD_EXIT)
    world.close(message.handle)
    assert world.ended(thread)
    assert not world.ended(other)


def test_state_and_strategy_are_properties(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    thread = world.thread()
    world.start(thread, b"\x0f\x0b")
    world.close(world.receive(channel).handle)  # the start
    exception = world.receive(channel).handle
    assert world.property(exception, ZX_PROP_EXCEPTION_STATE) == ZX_EXCEPTION_STATE_TRY_NEXT
    assert world.property(exception, ZX_PROP_EXCEPTION_STRATEGY) == ZX_EXCEPTION_STRATEGY_FIRST_CHANCE
    world.set_strategy(exception, ZX_EXCEPTION_STRATEGY_SECOND_CHANCE)
    for state in (ZX_EXCEPTION_STATE_HANDLED, ZX_EXCEPTION_STATE_THREAD_EXIT, ZX_EXCEPTION_STATE_TRY_NEXT):
        world.set_state(exception, state)
        assert world.property(exception, ZX_PROP_EXCEPTION_STATE) == state
        assert world.property(exception, ZX_PROP_EXCEPTION_STRATEGY) == ZX_EXCEPTION_STRATEGY_SECOND_CHANCE
    world.set_strategy(exception, ZX_EXCEPTION_STRATEGY_FIRST_CHANCE)
    assert world.property(exception, ZX_PROP_EXCEPTION_STRATEGY) == ZX_EXCEPTION_STRATEGY_FIRST_CHANCE


def test_properties_are_checked(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.crash()
    exception = world.receive(channel).handle
    get, set_ = world.zx.zx_object_get_property, world.zx.zx_object_set_property
    for property_ in (ZX_PROP_EXCEPTION_STATE, ZX_PROP_EXCEPTION_STRATEGY):
        assert get(exception, property_, 3)[0] == ZX_ERR_BUFFER_TOO_SMALL
        assert set_(exception, property_, b"\1\0\0") == ZX_ERR_BUFFER_TOO_SMALL
        assert get(thread, property_, 3)[0] == ZX_ERR_BUFFER_TOO_SMALL  # the size comes before the type
        assert get(thread, property_, 4)[0] == ZX_ERR_WRONG_TYPE
        assert set_(thread, property_, bytes(4)) == ZX_ERR_WRONG_TYPE
    assert set_(exception, ZX_PROP_EXCEPTION_STATE, b"\3\0\0\0") == ZX_ERR_INVALID_ARGS
    # Only a process debugger has a second chance.
    assert set_(exception, ZX_PROP_EXCEPTION_STRATEGY, b"\1\0\0\0") == ZX_ERR_BAD_STATE


# The order


def all_channels(world: World, thread: int) -> list[int]:
    return [
        world.listen(world.process, DEBUGGER),
        world.listen(thread),
        world.listen(world.process),
        world.listen(world.job),
        world.listen(world.parent),
    ]


@pytest.fixture
def crashing(world: World) -> int:
    """A thread that is about to crash: it has started before any debugger came."""
    thread = world.thread()
    world.start(thread, world.call("zx_thread_legacy_yield") + b"\x31\xff" + b"\x48\x89\x37" + world.exit)
    return thread


def test_handlers_are_asked_from_the_debugger_to_the_farthest_job(world: World, crashing: int) -> None:
    channels = all_channels(world, crashing)
    for index, channel in enumerate(channels):
        assert all(world.silent(other) for other in channels[index + 1 :])
        message = world.receive(channel)
        assert message.type == ZX_EXCP_FATAL_PAGE_FAULT
        world.close(message.handle)
    assert world.ended(world.process)


def test_a_debugger_may_ask_for_a_second_chance(world: World, crashing: int) -> None:
    channels = all_channels(world, crashing)
    message = world.receive(channels[0])
    world.set_strategy(message.handle, ZX_EXCEPTION_STRATEGY_SECOND_CHANCE)
    world.close(message.handle)
    for index in (1, 2, 0, 3, 4):
        world.close(world.receive(channels[index]).handle)
    assert world.ended(world.process)


def test_a_debugger_that_has_gone_has_no_second_chance(world: World, crashing: int) -> None:
    channels = all_channels(world, crashing)
    message = world.receive(channels[0])
    world.set_strategy(message.handle, ZX_EXCEPTION_STRATEGY_SECOND_CHANCE)
    world.close(message.handle)
    world.close(channels[0])
    for index in (1, 2, 3, 4):
        world.close(world.receive(channels[index]).handle)
    assert world.ended(world.process)


def test_a_handler_that_resumes_hides_the_exception_from_the_others(world: World, crashing: int) -> None:
    channels = all_channels(world, crashing)
    world.close(world.receive(channels[0]).handle)
    message = world.receive(channels[1])
    world.set_registers(crashing, rdi=world.data)
    world.resume(message.handle)
    exiting = world.receive(channels[0])
    assert exiting.type == ZX_EXCP_THREAD_EXITING
    world.close(exiting.handle)
    assert world.ended(crashing)
    assert all(world.silent(channel) for channel in channels[2:])


# Handlers and tasks that go


def test_a_channel_closed_with_the_exception_in_it_asks_the_next(world: World) -> None:
    of_process, of_job = world.listen(world.process), world.listen(world.job)
    world.crash()
    assert world.wait(of_process, ZX_CHANNEL_READABLE)
    world.close(of_process)
    world.close(world.receive(of_job).handle)
    assert world.ended(world.process)


def test_a_channel_closed_after_reading_changes_nothing(world: World) -> None:
    of_process, of_job = world.listen(world.process), world.listen(world.job)
    thread = world.crash()
    message = world.receive(of_process)
    world.close(of_process)
    assert world.silent(of_job)
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    world.close(message.handle)
    world.close(world.receive(of_job).handle)


def test_a_closed_channel_is_passed_over(world: World) -> None:
    of_job, of_process = world.listen(world.job), world.listen(world.process)
    thread = world.thread()
    world.close(world.listen(thread))
    world.start(thread, b"\x0f\x0b")
    message = world.receive(of_process)
    assert world.silent(of_job)
    world.close(message.handle)
    world.close(world.receive(of_job).handle)


def test_a_handler_whose_process_dies_hands_on_what_it_holds(k: Any, world: World, program: Program) -> None:
    """One exception is read, one still in the channel."""
    mine, of_parent = program.give(world.listen(world.job)), world.listen(world.parent)

    async def body(zx: Any) -> None:
        await zx.zx_object_wait_one(mine, ZX_CHANNEL_READABLE, 1 << 62)
        await zx.zx_channel_read(mine, 0, 64, 1)
        await zx.zx_nanosleep(1 << 62)

    program.start(body)
    k.host.dispatcher.handles.close(world_handle(k, program, mine))
    world.crash()
    world.crash()
    assert world.silent(of_parent)
    program.process.kill(1)
    world.resume(world.receive(of_parent).handle)
    world.close(world.receive(of_parent).handle)


def world_handle(k: Any, program: Program, value: int) -> int:
    """The host's own handle to what the program has by that value."""
    wanted = program.process.handles.get(value)
    [found] = [number for number, handle in k.host.dispatcher.handles if handle.object is wanted.object]
    return int(found)


@pytest.mark.parametrize(
    ("task", "options"), [("thread", 0), ("process", 0), ("process", DEBUGGER), ("job", 0), ("job", DEBUGGER)]
)
def test_the_death_of_the_task_closes_its_channel(world: World, task: str, options: int) -> None:
    thread = world.run(b"\xeb\xfe")
    channel = world.listen(thread if task == "thread" else getattr(world, task), options)
    assert not world.wait(channel, ZX_CHANNEL_PEER_CLOSED)
    world.ok(world.zx.zx_task_kill(world.job if task == "job" else world.process))
    assert world.wait(channel, ZX_CHANNEL_PEER_CLOSED)


@pytest.mark.parametrize("options", [0, DEBUGGER])
def test_tasks_that_nobody_can_start_or_fill_any_more_close_their_channels(
    world: World, options: int
) -> None:
    job = world.ok(world.zx.zx_job_create(world.parent, 0))
    process, vmar = world.ok(world.zx.zx_process_create(job, b"p", 0))
    of_process, of_job = world.listen(process, options), world.listen(job, options)
    world.close(vmar)
    world.close(process)
    assert world.wait(of_process, ZX_CHANNEL_PEER_CLOSED)
    assert not world.wait(of_job, ZX_CHANNEL_PEER_CLOSED)
    world.close(job)
    assert world.wait(of_job, ZX_CHANNEL_PEER_CLOSED)
    thread = world.thread()
    of_thread = world.listen(thread)
    world.close(thread)
    assert world.wait(of_thread, ZX_CHANNEL_PEER_CLOSED)


def test_a_kill_leaves_the_exception_in_the_channel(world: World) -> None:
    thread = world.thread()
    channel, of_job = world.listen(thread), world.listen(world.job)
    world.start(thread, b"\x0f\x0b")
    assert world.wait(channel, ZX_CHANNEL_READABLE)
    world.ok(world.zx.zx_task_kill(world.process))
    both = ZX_CHANNEL_PEER_CLOSED | ZX_CHANNEL_READABLE
    assert world.wait(channel, both) == both
    assert world.ended(thread)
    check_outlived(world, thread, world.receive(channel).handle)
    assert world.silent(of_job)


def test_a_kill_takes_the_thread_from_its_handler(world: World) -> None:
    channel, of_job = world.listen(world.process), world.listen(world.job)
    thread = world.crash()
    message = world.receive(channel)
    world.ok(world.zx.zx_task_kill(world.process))
    assert world.ended(thread)
    assert world.wait(channel, ZX_CHANNEL_PEER_CLOSED | ZX_CHANNEL_READABLE) == ZX_CHANNEL_PEER_CLOSED
    world.close(world.ok(world.zx.zx_exception_get_process(message.handle)))
    check_outlived(world, thread, message.handle)
    assert world.silent(of_job)
    assert world.process_info().return_code != ZX_TASK_RETCODE_EXCEPTION_KILL


def check_outlived(world: World, thread: int, exception: int) -> None:
    """An exception whose thread is dead answers as before, and has no effect."""
    got = world.ok(world.zx.zx_exception_get_thread(exception))
    assert koid(world, got) == koid(world, thread)
    world.set_state(exception, ZX_EXCEPTION_STATE_HANDLED)
    assert world.property(exception, ZX_PROP_EXCEPTION_STATE) == ZX_EXCEPTION_STATE_HANDLED
    world.close(exception)
    assert world.state(thread) == ZX_THREAD_STATE_DEAD


def test_a_process_may_hold_the_channel_of_its_own_exceptions(k: Any, world: World, program: Program) -> None:
    """Nobody reads it: the thread waits until it is killed. Then the channel goes with the process."""

    async def body(zx: Any) -> None:
        own = program.give(k.host.add(program.process))
        program.results.append((await zx.zx_task_create_exception_channel(own, 0))[0])
        await zx.zx_nanosleep(1 << 62)

    thread = program.start(body)
    program.settle()
    assert program.results == [ZX_OK]
    program.process.kill(0)
    assert thread.info_state == ZX_THREAD_STATE_DEAD
