"""What only debuggers hear of: starts, exits, and what a thread raises itself.

Source: utest/exception/exception.cc, exceptions.md.
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READABLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_JOB_DEBUGGER,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
    ZX_EXCEPTION_TARGET_JOB_DEBUGGER,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_PROCESS_STARTING,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_THREAD_EXITING,
    ZX_EXCP_THREAD_STARTING,
    ZX_EXCP_USER,
    ZX_EXCP_USER_CODE_USER1,
    ZX_OK,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_DYING,
    ZX_THREAD_STATE_FP_REGS,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_RUNNING,
    zx_exception_context_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
)
from tests.exceptions.conftest import World
from tests.ipc.conftest import Program

DEBUGGER = ZX_EXCEPTION_CHANNEL_DEBUGGER
GENERAL = zx_thread_state_general_regs_t.SIZE
SPIN = b"\xeb\xfe"


def first_thread(world: World, code: bytes) -> int:
    """Start the process with a thread that runs *code*."""
    thread = world.thread()
    entry = world.write(code)
    world.ok(world.zx.zx_process_start(world.process, thread, entry, world.stack, 0, 7))
    return thread


def test_a_process_debugger_hears_of_every_thread(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    threads = []
    for _ in range(2):
        thread = world.thread()
        entry = world.start(thread, world.exit, 5, 6)
        threads.append(thread)
        message = world.receive(channel)
        assert message.type == ZX_EXCP_THREAD_STARTING
        # It looks as if it were at its first instruction, and can be sent elsewhere.
        regs = world.registers(thread)
        assert (regs.rip, regs.rsp, regs.rdi, regs.rsi) == (entry, world.stack, 5, 6)
        info = world.thread_info(thread)
        assert info.state == ZX_THREAD_STATE_BLOCKED_EXCEPTION
        assert info.wait_exception_channel_type == ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER
        world.set_registers(thread, rip=world.write(SPIN))
        world.close(message.handle)
        world.settle()
        assert world.state(thread) == ZX_THREAD_STATE_RUNNING
    assert world.silent(channel)


def test_a_thread_that_exits_waits_for_the_debugger(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    keeper = world.run(SPIN)
    world.close(world.receive(channel).handle)
    thread = world.run(world.exit)
    world.close(world.receive(channel).handle)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_THREAD_EXITING
    world.settle()
    assert world.state(thread) == ZX_THREAD_STATE_DYING
    assert world.thread_info(thread).wait_exception_channel_type == ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER
    # General registers are gone, others are still there.
    zx = world.zx
    assert zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, GENERAL)[0] == ZX_ERR_NOT_SUPPORTED
    regs = zx_thread_state_general_regs_t().pack()
    assert zx.zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, regs) == ZX_ERR_NOT_SUPPORTED
    size = zx_thread_state_fp_regs_t.SIZE
    assert zx.zx_thread_read_state(thread, ZX_THREAD_STATE_FP_REGS, size)[0] == ZX_OK
    assert zx.zx_task_suspend(thread)[0] == ZX_ERR_BAD_STATE
    world.set_state(message.handle, ZX_EXCEPTION_STATE_HANDLED)  # it makes no difference
    world.close(message.handle)
    assert world.ended(thread)
    assert not world.ended(keeper)


def test_the_exit_of_the_last_thread_is_the_end_of_the_process(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    world.run(world.exit)
    world.close(world.receive(channel).handle)
    message = world.receive(channel)
    assert not world.ended(world.process)
    world.close(message.handle)
    assert world.ended(world.process)
    assert world.wait(channel, ZX_CHANNEL_PEER_CLOSED | ZX_CHANNEL_READABLE) == ZX_CHANNEL_PEER_CLOSED


@pytest.mark.parametrize("how", ["task_kill", "process_exit", "thread_exit_state"])
def test_a_killed_thread_is_announced_and_does_not_wait(world: World, how: str) -> None:
    channel = world.listen(world.process, DEBUGGER)
    code = {"task_kill": SPIN, "process_exit": world.call("zx_process_exit"), "thread_exit_state": b"\xcc"}[
        how
    ]
    thread = world.run(code, 3)
    world.close(world.receive(channel).handle)
    if how == "task_kill":
        world.settle()
        world.ok(world.zx.zx_task_kill(world.process))
    if how == "thread_exit_state":
        message = world.receive(channel)
        assert message.type == ZX_EXCP_SW_BREAKPOINT
        world.set_state(message.handle, ZX_EXCEPTION_STATE_THREAD_EXIT)
        world.close(message.handle)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_THREAD_EXITING
    got = world.ok(world.zx.zx_exception_get_thread(message.handle))
    assert world.ended(thread)
    assert world.state(got) == ZX_THREAD_STATE_DEAD


def test_a_kill_ends_the_wait_of_a_thread_that_exits(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    thread = world.run(world.exit)
    world.close(world.receive(channel).handle)
    message = world.receive(channel)
    world.ok(world.zx.zx_task_kill(world.process))
    assert world.ended(thread)
    world.close(message.handle)
    assert world.silent(channel)  # it was announced once


def test_a_thread_killed_at_its_start_never_runs(world: World) -> None:
    channel = world.listen(world.process, DEBUGGER)
    thread = world.run(world.set("rdi", world.data) + b"\x48\xc7\x07\x01\0\0\0")
    message = world.receive(channel)
    world.ok(world.zx.zx_task_kill(world.process))
    world.close(message.handle)
    assert world.receive(channel).type == ZX_EXCP_THREAD_EXITING
    assert world.ended(thread)
    assert world.word(0) == 0


def test_job_debuggers_hear_of_new_processes_oldest_first_then_the_parents(world: World) -> None:
    channels = [
        world.listen(world.job, DEBUGGER),
        world.listen(world.job, DEBUGGER),
        world.listen(world.parent, DEBUGGER),
        world.listen(world.process, DEBUGGER),
    ]
    assert all(world.silent(channel) for channel in channels)  # the process exists, but has not started
    thread = first_thread(world, SPIN)
    for index, channel in enumerate(channels):
        assert all(world.silent(other) for other in channels[index + 1 :])
        message = world.receive(channel)
        assert message.type == (ZX_EXCP_THREAD_STARTING if index == 3 else ZX_EXCP_PROCESS_STARTING)
        assert world.registers(thread).rsi == 7
        if index < 3:
            kind = world.thread_info(thread).wait_exception_channel_type
            assert kind == ZX_EXCEPTION_CHANNEL_TYPE_JOB_DEBUGGER
        # Whatever they answer, the next is told.
        world.resume(message.handle)
    second = world.run(SPIN)
    world.close(world.receive(channels[3]).handle)
    world.settle()
    assert world.state(second) == ZX_THREAD_STATE_RUNNING
    assert all(world.silent(channel) for channel in channels)


def test_a_job_debugger_may_attach_to_the_process_that_starts(world: World) -> None:
    of_job = world.listen(world.job, DEBUGGER)
    first_thread(world, SPIN)
    message = world.receive(of_job)
    process = world.ok(world.zx.zx_exception_get_process(message.handle))
    of_process = world.listen(process, DEBUGGER)
    world.close(message.handle)
    assert world.receive(of_process).type == ZX_EXCP_THREAD_STARTING


def test_job_debuggers_hear_of_nothing_else(world: World) -> None:
    of_job = world.listen(world.job, DEBUGGER)
    first_thread(world, b"\x0f\x0b")
    world.close(world.receive(of_job).handle)
    assert world.ended(world.process)
    assert world.silent(of_job)


def test_ordinary_handlers_hear_of_no_starts_and_exits(world: World) -> None:
    thread = world.thread()
    channels = [world.listen(task) for task in (thread, world.process, world.job, world.parent)]
    world.start(thread, world.exit)
    assert world.ended(world.process)
    assert all(world.silent(channel) for channel in channels)


def test_a_python_body_is_announced_like_any_thread(k: Any, world: World, program: Program) -> None:
    channel = world.listen(k.host.add(program.process), DEBUGGER)

    async def body(zx: Any) -> int:
        return 5

    thread = program.start(body)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_THREAD_STARTING
    got = world.ok(world.zx.zx_exception_get_thread(message.handle))
    status, _ = world.zx.zx_thread_read_state(got, ZX_THREAD_STATE_GENERAL_REGS, GENERAL)
    assert status == ZX_ERR_NOT_SUPPORTED
    world.settle()
    assert program.results == []
    world.close(message.handle)
    message = world.receive(channel)
    assert (message.type, thread.info_state) == (ZX_EXCP_THREAD_EXITING, ZX_THREAD_STATE_DYING)
    assert program.results == [5]
    world.close(message.handle)
    world.settle()
    assert thread.info_state == ZX_THREAD_STATE_DEAD


# What a thread raises itself


def user(code: int = ZX_EXCP_USER_CODE_USER1, data: int = 9) -> bytes:
    return zx_exception_context_t(synth_code=code, synth_data=data).pack()


def test_user_exceptions_go_to_every_job_debugger(k: Any, world: World, program: Program) -> None:
    process = k.host.add(program.process)
    others = [world.listen(process, DEBUGGER), world.listen(process), world.listen(k.host.root_job)]
    debuggers = [world.listen(k.host.root_job, DEBUGGER), world.listen(k.host.root_job, DEBUGGER)]

    async def body(zx: Any) -> int:
        return int(await zx.zx_thread_raise_exception(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, user()))

    program.start(body)
    for channel in (*debuggers, others[0]):  # the starts
        world.close(world.receive(channel).handle)
    for channel in debuggers:
        message = world.receive(channel)
        assert message.type == ZX_EXCP_USER
        thread = world.ok(world.zx.zx_exception_get_thread(message.handle))
        report = world.report(thread)
        assert (report.header.type, report.context.synth_code, report.context.synth_data) == (
            ZX_EXCP_USER,
            ZX_EXCP_USER_CODE_USER1,
            9,
        )
        assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
        assert program.results == []
        world.close(message.handle)
    assert world.receive(others[0]).type == ZX_EXCP_THREAD_EXITING
    assert program.results == [ZX_OK]
    assert all(world.silent(channel) for channel in others)


def test_machine_code_raises_user_exceptions(world: World) -> None:
    channel = world.listen(world.parent, DEBUGGER)
    world.ok(world.zx.zx_vmo_write(world.data_vmo, user(), 64))
    code = (
        b"\xbf\x01\0\0\0\xbe" + ZX_EXCP_USER.to_bytes(4, "little") + world.set("rdx", world.data + 64)
        + world.call("zx_thread_raise_exception") + world.store_rax(0)
    )  # fmt: skip
    thread = world.run(b"\x48\xc7\xc3\x05\0\0\0" + code + world.exit)
    world.close(world.receive(channel).handle)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_USER
    status, _ = world.zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, GENERAL)
    assert status == ZX_ERR_NOT_SUPPORTED
    world.ok(world.zx.zx_vmo_write(world.data_vmo, b"\xff" * 8, 0))
    world.close(message.handle)
    assert world.ended(thread)
    assert world.word(0) == ZX_OK


@pytest.mark.shows("zx_thread_raise_exception", "ZX_ERR_INVALID_ARGS")
def test_user_exceptions_are_checked_and_need_no_debugger(k: Any, program: Program) -> None:
    async def body(zx: Any) -> list[int]:
        raise_ = zx.zx_thread_raise_exception
        return [
            await raise_(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, user()),
            await raise_(0, ZX_EXCP_USER, user()),
            await raise_(2, ZX_EXCP_USER, user()),
            await raise_(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_FATAL_PAGE_FAULT, user()),
            await raise_(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, None),
            await raise_(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, 0x10),
        ]

    program.start(body)
    program.settle()
    assert program.results == [[ZX_OK, *[ZX_ERR_INVALID_ARGS] * 5]]


def test_a_kill_ends_a_user_exception(k: Any, world: World, program: Program) -> None:
    channel = world.listen(k.host.root_job, DEBUGGER)

    async def body(zx: Any) -> None:
        await zx.zx_thread_raise_exception(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, user())
        program.results.append("not reached")

    thread = program.start(body)
    world.close(world.receive(channel).handle)
    message = world.receive(channel)
    program.process.kill(1)
    assert thread.info_state == ZX_THREAD_STATE_DEAD
    world.close(message.handle)
    world.settle()
    assert program.results == []
