"""Handlers written with the classes of the Python API: outside, and as bodies beside the program that crashes."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import (
    Body,
    Channel,
    Exception_,
    ExceptionChannelOptions,
    ExceptionState,
    ExceptionStrategy,
    ExceptionType,
    Kernel,
    Process,
    Signals,
    Thread,
    ThreadStateTopic,
    VmarFlags,
    Vmo,
    ZxAccessDenied,
    ZxAlreadyBound,
    ZxBadState,
)
from jacinth.abi import ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED, zx_exception_info_t

CRASH = b"\x48\x89\x37\xcc\x0f\x0b"  # mov [rdi], rsi; int3; ud2


def crashing(k: Kernel) -> tuple[Process, Thread, int]:
    """A process, a thread of it that has not started, and where its code is."""
    process, vmar = k.root_job.create_child_process("crashing")
    vmo = Vmo.create(4096)
    vmo.write(CRASH)
    code = vmar.map(0, vmo.replace_as_executable(), 0, 4096, VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE)
    return process, process.create_thread("crasher"), code


def read(channel: Channel) -> tuple[zx_exception_info_t, Exception_]:
    channel.wait(Signals.CHANNEL_READABLE)
    data, [exception] = channel.read()
    assert isinstance(exception, Exception_)
    return zx_exception_info_t.unpack(data), exception


def test_a_handler_outside(k: Kernel) -> None:
    process, thread, code = crashing(k)
    channel = process.create_exception_channel()
    with pytest.raises(ZxAlreadyBound):
        process.create_exception_channel()
    with pytest.raises(ZxBadState):
        _ = thread.exception_report
    thread.start(code, 0, 0x10, 3)
    info, exception = read(channel)
    assert (info.type, info.tid) == (ExceptionType.FATAL_PAGE_FAULT, thread.koid)
    with exception, exception.get_thread() as got, exception.get_process() as owner:
        assert (got.koid, owner.koid) == (thread.koid, process.koid)
        assert got.exception_report.context.arch.cr2 == 0x10
        regs = got.read_state()
        regs.rip = code + 3
        got.write_state(ThreadStateTopic.GENERAL_REGS, regs)
        assert exception.state == ExceptionState.TRY_NEXT
        exception.state = ExceptionState.HANDLED
        assert exception.strategy == ExceptionStrategy.FIRST_CHANCE
        with pytest.raises(ZxBadState):
            exception.strategy = ExceptionStrategy.SECOND_CHANCE
    info, exception = read(channel)
    assert info.type == ExceptionType.SW_BREAKPOINT
    exception.state = ExceptionState.THREAD_EXIT
    exception.close()
    thread.wait(Signals.THREAD_TERMINATED)
    channel.wait(Signals.CHANNEL_PEER_CLOSED)


def test_a_debugger_outside(k: Kernel) -> None:
    process, thread, code = crashing(k)
    channel = process.create_exception_channel(ExceptionChannelOptions.DEBUGGER)
    assert process.info.flags & ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED
    thread.start(code + 3, 0)
    info, exception = read(channel)
    assert info.type == ExceptionType.THREAD_STARTING
    exception.close()
    info, exception = read(channel)
    exception.strategy = ExceptionStrategy.SECOND_CHANCE
    exception.close()
    info, exception = read(channel)  # no handler between
    assert info.type == ExceptionType.SW_BREAKPOINT
    exception.state = ExceptionState.HANDLED
    exception.close()


def test_a_thread_channel_gives_no_process(k: Kernel) -> None:
    _, thread, code = crashing(k)
    channel = thread.create_exception_channel()
    thread.start(code + 3, 0)
    _, exception = read(channel)
    with pytest.raises(ZxAccessDenied):
        exception.get_process()


def test_a_body_handles_the_exceptions_of_a_program(k: Kernel) -> None:
    seen: list[Any] = []

    async def handler(zx: Body, channel: Channel[Body]) -> int:
        while True:
            signals = await channel.wait(Signals.CHANNEL_READABLE | Signals.CHANNEL_PEER_CLOSED)
            if not signals & Signals.CHANNEL_READABLE:
                return len(seen)
            data, [exception] = await channel.read()
            assert isinstance(exception, Exception_)
            info = zx_exception_info_t.unpack(data)
            thread = await exception.get_thread()
            regs = await thread.read_state()
            seen.append((ExceptionType(info.type), regs.rip - code))
            if info.type == ExceptionType.FATAL_PAGE_FAULT:
                regs.rip += 3
                await thread.write_state(ThreadStateTopic.GENERAL_REGS, regs)
            if info.type == ExceptionType.UNDEFINED_INSTRUCTION:
                exception.state = ExceptionState.THREAD_EXIT
            else:
                exception.state = ExceptionState.HANDLED
            await exception.close()
            await thread.close()

    process, thread, code = crashing(k)
    debugger, _ = k.root_job.create_child_process("debugger")
    debugger.start_body(handler, process.create_exception_channel())
    thread.start(code, 0, 0x10)
    process.wait(Signals.PROCESS_TERMINATED)
    debugger.wait(Signals.PROCESS_TERMINATED)
    assert seen == [
        (ExceptionType.FATAL_PAGE_FAULT, 0),
        (ExceptionType.SW_BREAKPOINT, 4),
        (ExceptionType.UNDEFINED_INSTRUCTION, 4),
    ]
    assert (process.info.return_code, debugger.info.return_code) == (0, 3)


def test_a_body_tells_the_job_debuggers_something(k: Kernel) -> None:
    job = k.root_job.create_child_job()
    channel = job.create_exception_channel(ExceptionChannelOptions.DEBUGGER)

    async def main(zx: Body) -> int:
        await zx.thread.raise_user_exception(0xF000, 5)
        return 8

    process, _ = job.create_child_process("p")
    process.start_body(main)
    info, exception = read(channel)
    assert info.type == ExceptionType.PROCESS_STARTING
    exception.close()
    info, exception = read(channel)
    assert info.type == ExceptionType.USER
    with exception.get_thread() as thread:
        context = thread.exception_report.context
        assert (context.synth_code, context.synth_data) == (0xF000, 5)
    exception.close()
    process.wait(Signals.PROCESS_TERMINATED)
    assert process.info.return_code == 8


def test_the_host_raises_one_with_nobody_there(k: Kernel) -> None:
    k.host.sys.zx_thread_legacy_yield(0)  # what that leaves behind must not be in the way
    thread: Thread = Thread(k, k.host.add(k.host.thread))
    thread.raise_user_exception(1)
