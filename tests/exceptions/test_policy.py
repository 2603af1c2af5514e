"""What a job's policy makes of a call. Source: job_set_policy.md; zircon/kernel/object/job_policy.cc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_CLOCK_MONOTONIC,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_ALREADY_EXISTS,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_EXCP_POLICY_CODE_BAD_HANDLE,
    ZX_EXCP_POLICY_CODE_NEW_CHANNEL,
    ZX_EXCP_POLICY_CODE_NEW_EVENT,
    ZX_EXCP_POLICY_CODE_NEW_IOB,
    ZX_EXCP_POLICY_CODE_WRONG_OBJECT,
    ZX_EXCP_POLICY_ERROR,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V2,
    ZX_JOB_POL_RELATIVE,
    ZX_JOB_POL_TIMER_SLACK,
    ZX_OK,
    ZX_POL_ACTION_ALLOW,
    ZX_POL_ACTION_ALLOW_EXCEPTION,
    ZX_POL_ACTION_DENY,
    ZX_POL_ACTION_DENY_EXCEPTION,
    ZX_POL_ACTION_KILL,
    ZX_POL_AMBIENT_MARK_VMO_EXEC,
    ZX_POL_BAD_HANDLE,
    ZX_POL_MAX,
    ZX_POL_NEW_ANY,
    ZX_POL_NEW_CHANNEL,
    ZX_POL_NEW_EVENT,
    ZX_POL_NEW_IOB,
    ZX_POL_NEW_PROCESS,
    ZX_POL_NEW_TIMER,
    ZX_POL_NEW_VMO,
    ZX_POL_OVERRIDE_ALLOW,
    ZX_POL_OVERRIDE_DENY,
    ZX_POL_VMAR_WX,
    ZX_POL_WRONG_OBJECT,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_TASK_RETCODE_POLICY_KILL,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_TIMER_SLACK_EARLY,
    ZX_TIMER_SLACK_LATE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    zx_policy_basic_v2_t,
    zx_policy_timer_slack_t,
)
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from tests.exceptions.conftest import World
from tests.ipc.conftest import Program

MASK = (1 << 64) - 1
Item = tuple[int, int, int]


def set_policy(world: World, job: int, *items: Item, mode: int = ZX_JOB_POL_ABSOLUTE) -> int:
    data = b"".join(zx_policy_basic_v2_t(condition=c, action=a, flags=f).pack() for c, a, f in items)
    return int(world.zx.zx_job_set_policy(job, mode, ZX_JOB_POL_BASIC_V2, data, len(items)))


def governed(world: World, condition: int, action: int) -> World:
    """A world whose processes are under the policy."""
    parent = world.ok(world.zx.zx_job_create(world.k.host.root_job, 0))
    assert set_policy(world, parent, (condition, action, ZX_POL_OVERRIDE_DENY)) == ZX_OK
    return World(world.k, parent)


def create_event(world: World) -> bytes:
    """Code: make an event, and store status and handle at 0 and 8 of the data page."""
    return b"\x31\xff" + world.set("rsi", world.data + 8) + world.call("zx_event_create") + world.store_rax(0)


# Exceptions


@pytest.mark.parametrize(
    ("action", "status"),
    [(ZX_POL_ACTION_ALLOW_EXCEPTION, ZX_OK), (ZX_POL_ACTION_DENY_EXCEPTION, ZX_ERR_ACCESS_DENIED)],
)
def test_the_exception_comes_when_the_call_is_over(world: World, action: int, status: int) -> None:
    world = governed(world, ZX_POL_NEW_EVENT, action)
    channel = world.listen(world.job)
    thread = world.run(create_event(world) + world.exit)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_POLICY_ERROR
    context = world.report(thread).context
    assert (context.synth_code, context.synth_data) == (ZX_EXCP_POLICY_CODE_NEW_EVENT, 0)
    assert (context.arch.vector, context.arch.err_code, context.arch.cr2) == (0, 0, 0)
    # The thread has its answer, and is behind the syscall instruction of the vDSO.
    regs = world.registers(thread)
    assert regs.rax == status & MASK
    assert world.vdso <= regs.rip
    assert bool(world.word(8)) == (status == ZX_OK)
    world.resume(message.handle)
    assert world.ended(thread)
    assert world.word(0) == status & MASK
    assert world.process_info().return_code == 0


def test_a_handler_may_change_the_answer(world: World) -> None:
    world = governed(world, ZX_POL_NEW_EVENT, ZX_POL_ACTION_DENY_EXCEPTION)
    channel = world.listen(world.job)
    thread = world.run(create_event(world) + world.exit)
    message = world.receive(channel)
    world.set_registers(thread, rax=99)
    world.resume(message.handle)
    assert world.ended(thread)
    assert world.word(0) == 99


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (ZX_POL_ACTION_ALLOW_EXCEPTION, ZX_TASK_RETCODE_EXCEPTION_KILL),
        (ZX_POL_ACTION_DENY_EXCEPTION, ZX_TASK_RETCODE_EXCEPTION_KILL),
        (ZX_POL_ACTION_KILL, ZX_TASK_RETCODE_POLICY_KILL),
    ],
)
def test_without_a_handler_the_process_is_killed(world: World, action: int, code: int) -> None:
    world = governed(world, ZX_POL_NEW_EVENT, action)
    world.run(create_event(world) + world.exit)
    assert world.ended(world.process)
    assert world.process_info().return_code == code


def test_a_killing_policy_raises_no_exception(world: World) -> None:
    world = governed(world, ZX_POL_NEW_EVENT, ZX_POL_ACTION_KILL)
    channel = world.listen(world.job)
    world.run(create_event(world) + world.exit)
    assert world.ended(world.process)
    assert world.silent(channel)


def test_an_exception_in_a_call_that_could_have_waited(world: World) -> None:
    world = governed(world, ZX_POL_BAD_HANDLE, ZX_POL_ACTION_ALLOW_EXCEPTION)
    channel = world.listen(world.process)
    wait = b"\xbf\xf3\xff\xff\x7f\xbe\x01\0\0\0" + world.set("rdx", MASK >> 1) + b"\x31\xc9"
    thread = world.run(wait + world.call("zx_object_wait_one") + world.store_rax(0) + world.exit)
    message = world.receive(channel)
    assert world.report(thread).context.synth_code == ZX_EXCP_POLICY_CODE_BAD_HANDLE
    assert world.registers(thread).rax == ZX_ERR_BAD_HANDLE & MASK
    world.resume(message.handle)
    assert world.ended(thread)
    assert world.word(0) == ZX_ERR_BAD_HANDLE & MASK


def run_body(world: World, name: str, *arguments: Any) -> tuple[Program, Any]:
    """A Python body in the world's job makes a call. Answers the program and its thread."""
    program = Program(world.k)
    job = world.k.host.dispatcher.handles.get(world.job).object
    program.process = ProcessDispatcher.create(job, b"body", shareable=False)

    async def body(zx: Any) -> Any:
        answer = await getattr(zx, name)(*arguments)
        return answer[0] if isinstance(answer, tuple) else answer

    return program, program.start(body)


@pytest.mark.parametrize("name", ["zx_channel_create", "zx_object_wait_one"])
def test_bodies_get_policy_exceptions_too(world: World, name: str) -> None:
    if name == "zx_channel_create":
        world = governed(world, ZX_POL_NEW_CHANNEL, ZX_POL_ACTION_DENY_EXCEPTION)
        expected, code = ZX_ERR_ACCESS_DENIED, ZX_EXCP_POLICY_CODE_NEW_CHANNEL
        arguments = (0,)
    else:
        world = governed(world, ZX_POL_BAD_HANDLE, ZX_POL_ACTION_DENY_EXCEPTION)
        expected, code = ZX_ERR_BAD_HANDLE, ZX_EXCP_POLICY_CODE_BAD_HANDLE
        arguments = (0x7FFF_FFF3, 1, 0)  # type: ignore[assignment]
    channel = world.listen(world.job)
    program, thread = run_body(world, name, *arguments)
    message = world.receive(channel)
    assert thread.in_exception.report.synth_code == code
    assert thread.info_state == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    world.settle()
    assert program.results == []
    world.resume(message.handle)
    world.settle()
    assert program.results == [expected]


# Conditions


_WX = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE


@pytest.mark.parametrize(
    ("condition", "name", "arguments", "status"),
    [
        (ZX_POL_BAD_HANDLE, "zx_object_signal", (0x7FFF_FFF3, 0, 0), ZX_ERR_BAD_HANDLE),
        (ZX_POL_BAD_HANDLE, "zx_handle_close", (0x7FFF_FFF3,), ZX_ERR_BAD_HANDLE),
        (ZX_POL_NEW_VMO, "zx_vmo_create", (4096, 0), ZX_ERR_ACCESS_DENIED),
        (ZX_POL_NEW_PROCESS, "zx_process_create", (0, b"p", 0), ZX_ERR_ACCESS_DENIED),
        (ZX_POL_NEW_PROCESS, "zx_process_create_shared", (0, 0, b"p"), ZX_ERR_ACCESS_DENIED),
        (ZX_POL_NEW_CHANNEL, "zx_task_create_exception_channel", (0, 0), ZX_ERR_ACCESS_DENIED),
        (ZX_POL_NEW_TIMER, "zx_timer_create", (0, ZX_CLOCK_MONOTONIC), ZX_ERR_ACCESS_DENIED),
    ],
)
def test_every_condition_is_an_exception_of_its_call(
    world: World, condition: int, name: str, arguments: tuple[Any, ...], status: int
) -> None:
    world = governed(world, condition, ZX_POL_ACTION_DENY_EXCEPTION)
    channel = world.listen(world.job)
    program, thread = run_body(world, name, *arguments)
    message = world.receive(channel)
    assert thread.in_exception.report.synth_code == condition
    world.resume(message.handle)
    world.settle()
    assert program.results == [status]


def test_wrong_objects(world: World) -> None:
    world = governed(world, ZX_POL_WRONG_OBJECT, ZX_POL_ACTION_ALLOW_EXCEPTION)
    channel = world.listen(world.job)
    program = Program(world.k)
    job = world.k.host.dispatcher.handles.get(world.job).object
    program.process = ProcessDispatcher.create(job, b"body", shareable=False)
    event = program.give(world.ok(world.zx.zx_event_create(0)))

    async def body(zx: Any) -> list[int]:
        return [(await zx.zx_vmo_get_size(event))[0], await zx.zx_task_kill(0)]

    thread = program.start(body)
    message = world.receive(channel)
    assert thread.in_exception is not None
    assert thread.in_exception.report.synth_code == ZX_EXCP_POLICY_CODE_WRONG_OBJECT
    world.resume(message.handle)
    world.settle()
    assert program.results == [[ZX_ERR_WRONG_TYPE, ZX_ERR_BAD_HANDLE]]


def test_conditions_that_came_late_have_codes_of_their_own(world: World) -> None:
    assert ZX_EXCP_POLICY_CODE_NEW_IOB != ZX_POL_NEW_IOB
    world = governed(world, ZX_POL_NEW_IOB, ZX_POL_ACTION_ALLOW_EXCEPTION)
    process = world.k.host.dispatcher.handles.get(world.process).object
    seen: list[int] = []
    world.k.policy_exception = seen.append  # type: ignore[method-assign, assignment]
    process.check_policy(ZX_POL_NEW_IOB)
    assert seen == [ZX_EXCP_POLICY_CODE_NEW_IOB]


@pytest.mark.shows("zx_vmar_map", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.parametrize("condition", [ZX_POL_VMAR_WX, ZX_POL_AMBIENT_MARK_VMO_EXEC])
def test_memory_that_is_code(world: World, condition: int) -> None:
    world = governed(world, condition, ZX_POL_ACTION_DENY_EXCEPTION)
    channel = world.listen(world.job)
    program = Program(world.k)
    job = world.k.host.dispatcher.handles.get(world.job).object
    program.process = ProcessDispatcher.create(job, b"body", shareable=False)

    root = program.give(world.k.host.add(VmAddressRegionDispatcher.root(program.process.shared.aspace)))
    code = world.ok(world.zx.zx_vmo_replace_as_executable(world.ok(world.zx.zx_vmo_create(4096, 0)), 0))
    code = program.give(code)

    async def body(zx: Any) -> int:
        if condition == ZX_POL_VMAR_WX:
            return int((await zx.zx_vmar_map(root, _WX, 0, code, 0, 4096))[0])
        _, vmo = await zx.zx_vmo_create(4096, 0)
        return int((await zx.zx_vmo_replace_as_executable(vmo, 0))[0])

    thread = program.start(body)
    message = world.receive(channel)
    assert thread.in_exception is not None
    assert thread.in_exception.report.synth_code == condition
    world.resume(message.handle)
    world.settle()
    assert program.results == [ZX_ERR_ACCESS_DENIED]


# Setting and inheriting


def settings(world: World, job: int) -> tuple[int, ...]:
    actions: tuple[int, ...] = world.k.host.dispatcher.handles.get(job).object.policy.actions
    return actions


def new_job(world: World, parent: int | None = None) -> int:
    return int(world.ok(world.zx.zx_job_create(world.parent if parent is None else parent, 0)))


ALLOW, DENY = ZX_POL_OVERRIDE_ALLOW, ZX_POL_OVERRIDE_DENY


@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_BAD_STATE")
def test_a_policy_is_for_an_empty_job(world: World) -> None:
    item = (ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, ALLOW)
    assert set_policy(world, world.parent, item) == ZX_ERR_BAD_STATE  # it has a job
    assert set_policy(world, world.job, item) == ZX_ERR_BAD_STATE  # it has a process
    job = new_job(world)
    child = new_job(world, job)
    assert set_policy(world, job, item) == ZX_ERR_BAD_STATE
    world.close(child)
    assert set_policy(world, job, item) == ZX_OK
    world.ok(world.zx.zx_task_kill(job))
    assert set_policy(world, job, item) == ZX_OK  # nobody is left whom it could be changed for


def item_error(items: Sequence[Item], status: str) -> Any:
    """Items that zx_job_set_policy refuses with that error."""
    name = f"ZX_ERR_{status}"
    return pytest.param(items, getattr(abi, name), marks=pytest.mark.shows("zx_job_set_policy", name))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        item_error([(ZX_POL_MAX, ZX_POL_ACTION_DENY, ALLOW)], "INVALID_ARGS"),
        item_error([(ZX_POL_NEW_VMO, 5, ALLOW)], "NOT_SUPPORTED"),
        item_error([(ZX_POL_MAX, 5, 2)], "NOT_SUPPORTED"),
        item_error([(ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, 2)], "INVALID_ARGS"),
        item_error([(ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, ALLOW)] * (ZX_POL_MAX + 1), "OUT_OF_RANGE"),
        item_error([(ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, DENY), (ZX_POL_NEW_VMO, 0, DENY)], "ALREADY_EXISTS"),
    ],
)
def test_items_are_checked_and_none_is_taken(world: World, items: Sequence[Item], expected: int) -> None:
    job = new_job(world)
    assert set_policy(world, job, (ZX_POL_NEW_EVENT, ZX_POL_ACTION_KILL, ALLOW), *items[:ZX_POL_MAX]) == (
        expected
    )
    assert set_policy(world, job, *items) == expected
    assert settings(world, job) == (ZX_POL_ACTION_ALLOW,) * ZX_POL_MAX


@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_ALREADY_EXISTS")
def test_what_a_parent_has_fixed(world: World) -> None:
    job = new_job(world)
    assert set_policy(world, job, (ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, DENY)) == ZX_OK
    child = new_job(world, job)
    other = (ZX_POL_NEW_EVENT, ZX_POL_ACTION_KILL, ALLOW)
    assert (
        set_policy(world, child, other, (ZX_POL_NEW_VMO, ZX_POL_ACTION_ALLOW, ALLOW)) == ZX_ERR_ALREADY_EXISTS
    )
    assert set_policy(world, child, (ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, ALLOW)) == ZX_ERR_ALREADY_EXISTS
    assert set_policy(world, child, (ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, DENY)) == ZX_OK
    relative = (ZX_POL_NEW_VMO, ZX_POL_ACTION_ALLOW, ALLOW)
    assert set_policy(world, child, relative, other, mode=ZX_JOB_POL_RELATIVE) == ZX_OK
    assert settings(world, child)[ZX_POL_NEW_VMO] == ZX_POL_ACTION_DENY
    assert settings(world, child)[ZX_POL_NEW_EVENT] == ZX_POL_ACTION_KILL
    assert settings(world, job)[ZX_POL_NEW_EVENT] == ZX_POL_ACTION_ALLOW


def test_new_any_and_one_exception_from_it(world: World) -> None:
    job = new_job(world)
    any_ = (ZX_POL_NEW_ANY, ZX_POL_ACTION_DENY, DENY)
    assert set_policy(world, job, any_, (ZX_POL_NEW_EVENT, ZX_POL_ACTION_ALLOW, ALLOW)) == ZX_OK
    now = settings(world, job)
    assert now[ZX_POL_NEW_EVENT] == ZX_POL_ACTION_ALLOW
    assert now[ZX_POL_NEW_VMO] == now[ZX_POL_NEW_IOB] == ZX_POL_ACTION_DENY
    assert now[ZX_POL_BAD_HANDLE] == now[ZX_POL_VMAR_WX] == ZX_POL_ACTION_ALLOW
    # Its flag is that of all, and nothing below can free them.
    child = new_job(world, job)
    assert set_policy(world, child, (ZX_POL_NEW_EVENT, ZX_POL_ACTION_DENY, ALLOW)) == ZX_ERR_ALREADY_EXISTS
    free = (ZX_POL_NEW_ANY, ZX_POL_ACTION_ALLOW, ALLOW)
    assert set_policy(world, child, free, mode=ZX_JOB_POL_RELATIVE) == ZX_OK
    assert settings(world, child) == now
    assert set_policy(world, child, (ZX_POL_NEW_VMO, ZX_POL_ACTION_ALLOW, ALLOW)) == ZX_ERR_ALREADY_EXISTS


def test_a_process_keeps_the_policy_of_its_making(world: World) -> None:
    job = new_job(world)
    process, vmar = world.ok(world.zx.zx_process_create(job, b"p", 0))
    dispatcher = world.k.host.dispatcher.handles.get(process).object
    world.ok(world.zx.zx_task_kill(process))
    assert set_policy(world, job, (ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, DENY)) == ZX_OK
    assert dispatcher.policy.action(ZX_POL_NEW_VMO) == ZX_POL_ACTION_ALLOW
    process, _ = world.ok(world.zx.zx_process_create(job, b"p", 0))
    dispatcher = world.k.host.dispatcher.handles.get(process).object
    assert dispatcher.policy.action(ZX_POL_NEW_VMO) == ZX_POL_ACTION_DENY
    assert vmar


def test_timer_slack_only_grows(world: World) -> None:
    def set_slack(job: int, amount: int, mode: int, options: int = ZX_JOB_POL_RELATIVE) -> int:
        data = zx_policy_timer_slack_t(min_slack=amount, default_mode=mode).pack()
        return int(world.zx.zx_job_set_policy(job, options, ZX_JOB_POL_TIMER_SLACK, data, 1))

    def slack(job: int) -> tuple[int, int]:
        now = world.k.host.dispatcher.handles.get(job).object.policy.timer_slack
        return now.amount, now.mode

    job = new_job(world)
    assert set_slack(job, 100, ZX_TIMER_SLACK_LATE, ZX_JOB_POL_ABSOLUTE) == ZX_ERR_INVALID_ARGS
    assert set_slack(job, -1, ZX_TIMER_SLACK_LATE) == ZX_ERR_INVALID_ARGS
    assert set_slack(job, 1, ZX_TIMER_SLACK_LATE + 1) == ZX_ERR_INVALID_ARGS
    assert set_slack(job, 100, ZX_TIMER_SLACK_LATE) == ZX_OK
    assert slack(job) == (100, ZX_TIMER_SLACK_LATE)
    child = new_job(world, job)
    assert slack(child) == (100, ZX_TIMER_SLACK_LATE)
    assert set_slack(child, 50, ZX_TIMER_SLACK_EARLY) == ZX_OK
    assert slack(child) == (100, ZX_TIMER_SLACK_EARLY)
    assert set_slack(child, 200, ZX_TIMER_SLACK_EARLY) == ZX_OK
    assert slack(child) == (200, ZX_TIMER_SLACK_EARLY)
    assert set_slack(job, 200, ZX_TIMER_SLACK_LATE) == ZX_ERR_BAD_STATE
