"""The making, start, states and end of threads. Source: docs/reference/syscalls/thread_*.md; thread_dispatcher.cc.

Register files are in test_thread_state.py, exceptions and suspension in tests/exceptions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_THREAD_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_WRONG_TYPE,
    ZX_EVENT_SIGNALED,
    ZX_EXCEPTION_CHANNEL_TYPE_NONE,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_INFO_PROCESS_THREADS,
    ZX_INFO_THREAD,
    ZX_MAX_NAME_LEN,
    ZX_OBJ_TYPE_THREAD,
    ZX_OK,
    ZX_PROP_NAME,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_THREAD_RUNNING,
    ZX_THREAD_STATE_BLOCKED_CHANNEL,
    ZX_THREAD_STATE_BLOCKED_FUTEX,
    ZX_THREAD_STATE_BLOCKED_PORT,
    ZX_THREAD_STATE_BLOCKED_SLEEPING,
    ZX_THREAD_STATE_BLOCKED_WAIT_MANY,
    ZX_THREAD_STATE_BLOCKED_WAIT_ONE,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_RUNNING,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_THREAD_SUSPENDED,
    ZX_THREAD_TERMINATED,
    ZX_TIME_INFINITE,
    zx_channel_call_args_t,
    zx_info_thread_t,
    zx_wait_item_t,
)
from tests.tasks.conftest import Calls, Memory, Program, World

SPIN = b"\xeb\xfe"  # jmp to itself
STORE = b"\x48\x89\x37"  # mov [rdi], rsi
TOP = 1 << 47  # where user space ends


# zx_thread_create


def test_a_new_thread(calls: Calls, world: World) -> None:
    thread = world.thread()
    basic = calls.basic(thread)
    assert (basic.type, basic.rights) == (ZX_OBJ_TYPE_THREAD, ZX_DEFAULT_THREAD_RIGHTS)
    assert basic.related_koid == calls.koid(world.process)
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert calls.signals(thread) == 0
    # Only threads that have started are shown.
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == []
    assert calls.zx.zx_object_get_child(world.process, basic.koid, ZX_RIGHT_SAME_RIGHTS) == (
        ZX_ERR_NOT_FOUND,
        0,
    )


@pytest.mark.parametrize(
    "given", [b"", b"t", b"x" * (ZX_MAX_NAME_LEN - 1), b"x" * ZX_MAX_NAME_LEN, b"y" * 200, b"ab\0cd"]
)
def test_the_name_is_cut_silently(calls: Calls, given: bytes) -> None:
    thread = calls.ok(calls.zx.zx_thread_create(calls.process(), given, 0))
    kept = given[: ZX_MAX_NAME_LEN - 1].partition(b"\0")[0]
    name = calls.ok(calls.zx.zx_object_get_property(thread, ZX_PROP_NAME, ZX_MAX_NAME_LEN))
    assert name == kept.ljust(ZX_MAX_NAME_LEN, b"\0")


@pytest.mark.shows("zx_thread_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 2, 1 << 31])
def test_there_are_no_options(calls: Calls, options: int) -> None:
    assert calls.zx.zx_thread_create(calls.process(), b"t", options) == (ZX_ERR_INVALID_ARGS, 0)
    assert calls.zx.zx_thread_create(3, b"t", options) == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.shows("zx_thread_create", "ZX_ERR_INVALID_ARGS")
def test_bad_pointers_make_no_thread(calls: Calls, memory: Memory, trap: Callable[..., int]) -> None:
    process, at = calls.process(), memory.address
    handles = len(calls.k.host.dispatcher.handles)
    for name, out in ((0, at), (0x10, at), (at, 0), (at, 0x10), (at, 1 << 63)):
        assert trap("zx_thread_create", process, name, 1, 0, out) == ZX_ERR_INVALID_ARGS
    assert len(calls.k.host.dispatcher.handles) == handles
    # The name is read before the handle is looked at.
    assert trap("zx_thread_create", 3, 0x10, 1, 0, at) == ZX_ERR_INVALID_ARGS
    assert trap("zx_thread_create", 3, at, 1, 0, 0x10) == ZX_ERR_BAD_HANDLE


@pytest.mark.shows("zx_thread_create", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_thread_create", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_thread_create", "ZX_ERR_ACCESS_DENIED")
def test_the_process_of_a_thread_is_one_with_manage_thread(calls: Calls) -> None:
    process = calls.process()
    for value in (0, 3):
        assert calls.zx.zx_thread_create(value, b"t", 0) == (ZX_ERR_BAD_HANDLE, 0)
    for other in (calls.job(), calls.thread(process), calls.event()):
        assert calls.zx.zx_thread_create(other, b"t", 0) == (ZX_ERR_WRONG_TYPE, 0)
    weak = calls.without(process, ZX_RIGHT_MANAGE_THREAD)
    assert calls.zx.zx_thread_create(weak, b"t", 0) == (ZX_ERR_ACCESS_DENIED, 0)
    assert calls.zx.zx_thread_create(calls.duplicate(process, ZX_RIGHT_MANAGE_THREAD), b"t", 0)[0] == ZX_OK


@pytest.mark.shows("zx_thread_start", "ZX_ERR_BAD_STATE")
def test_a_dead_process_takes_threads_that_can_never_start(calls: Calls) -> None:
    process = calls.process()
    calls.ok(calls.zx.zx_task_kill(process))
    status, thread = calls.zx.zx_thread_create(process, b"t", 0)
    assert status == ZX_OK
    assert calls.zx.zx_thread_start(thread, 0x1000, 0, 0, 0) == ZX_ERR_BAD_STATE


# zx_thread_start, zx_thread_start_regs


def starts(*statuses: str) -> pytest.MarkDecorator:
    """For each of the two calls, which shows these errors."""
    calls = ("zx_thread_start", "zx_thread_start_regs")
    marks = {call: [pytest.mark.shows(call, f"ZX_ERR_{status}") for status in statuses] for call in calls}
    return pytest.mark.parametrize("call", [pytest.param(call, marks=marks[call]) for call in calls])


def begin(world: World, call: str, thread: int, pc: int, *arguments: int, tp: int = 0, abi: int = 0) -> int:
    """Start a thread with either call."""
    more = (tp, abi) if call == "zx_thread_start_regs" else ()
    return int(getattr(world.zx, call)(thread, pc, world.stack, *(arguments or (0, 0)), *more))


@starts()
def test_a_thread_starts_with_its_arguments_and_nothing_else(calls: Calls, world: World, call: str) -> None:
    thread = world.thread()
    token = world.ok(world.zx.zx_task_suspend_token(thread))
    entry, big = world.write(SPIN), (1 << 64) - 5
    assert begin(world, call, thread, entry, big, 7) == ZX_OK
    regs = world.registers(thread)
    assert (regs.rip, regs.rsp, regs.rdi, regs.rsi) == (entry, world.stack, big, 7)
    others = [name for name, *_ in regs.FIELDS if name not in {"rip", "rsp", "rdi", "rsi", "rflags"}]
    assert len(others) == 15
    assert {getattr(regs, name) for name in others} == {0}
    calls.close(token)


def test_the_thread_pointer_is_the_fs_base(world: World) -> None:
    thread = world.thread()
    # mov rax, fs:[8]
    code = b"\x64\x48\x8b\x04\x25\x08\x00\x00\x00" + world.store_rax(0) + world.exit
    world.ok(world.zx.zx_vmo_write(world.data_vmo, (4711).to_bytes(8, "little"), 24))
    assert begin(world, "zx_thread_start_regs", thread, world.write(code), tp=world.data + 16) == ZX_OK
    assert world.ended(thread)
    assert world.word(0) == 4711


@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("tp", [TOP, 1 << 63, (1 << 64) - TOP - 1])
def test_the_thread_pointer_is_canonical(world: World, tp: int) -> None:
    thread, entry = world.thread(), world.write(SPIN)
    assert begin(world, "zx_thread_start_regs", thread, entry, tp=tp) == ZX_ERR_INVALID_ARGS
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert begin(world, "zx_thread_start_regs", thread, entry, tp=TOP - 1) == ZX_OK


@starts("INVALID_ARGS")
@pytest.mark.parametrize("entry", [TOP, 1 << 63, (1 << 64) - 4096])
def test_the_entry_is_an_address_of_user_space(world: World, call: str, entry: int) -> None:
    thread = world.thread()
    assert begin(world, call, thread, entry) == ZX_ERR_INVALID_ARGS
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert begin(world, call, thread, world.write(SPIN)) == ZX_OK


@starts("BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
def test_a_thread_with_manage_thread_is_started(calls: Calls, world: World, call: str) -> None:
    thread = world.thread()
    # The handle comes before a bad entry and a bad thread pointer.
    for value, status in (
        (0, ZX_ERR_BAD_HANDLE),
        (3, ZX_ERR_BAD_HANDLE),
        (world.process, ZX_ERR_WRONG_TYPE),
        (calls.without(thread, ZX_RIGHT_MANAGE_THREAD), ZX_ERR_ACCESS_DENIED),
    ):
        assert begin(world, call, value, TOP, tp=TOP) == status
    enough = calls.duplicate(thread, ZX_RIGHT_MANAGE_THREAD)
    assert begin(world, call, enough, world.write(SPIN)) == ZX_OK


@starts("BAD_STATE")
def test_a_thread_starts_once(world: World, call: str) -> None:
    world.run(SPIN)  # so that the process lives
    thread, entry = world.thread(), world.write(world.exit)
    assert begin(world, call, thread, entry) == ZX_OK
    assert begin(world, call, thread, entry) == ZX_ERR_BAD_STATE
    assert world.ended(thread)
    assert begin(world, call, thread, entry) == ZX_ERR_BAD_STATE


@starts("BAD_STATE")
@pytest.mark.parametrize("how", ["exited", "killed"])
def test_no_thread_starts_in_a_dead_process(calls: Calls, world: World, call: str, how: str) -> None:
    late = world.thread()
    world.run(world.exit if how == "exited" else SPIN)
    if how == "killed":
        calls.ok(calls.zx.zx_task_kill(world.process))
    assert world.ended(world.process)
    assert begin(world, call, late, 0x1000) == ZX_ERR_BAD_STATE
    # Before the entry is looked at.
    assert begin(world, call, late, TOP) == ZX_ERR_BAD_STATE


# The life of a thread


def test_states_and_signals_from_the_making_to_the_end(calls: Calls, world: World) -> None:
    world.run(SPIN)
    gate = world.thread()
    seen = [(world.state(gate), calls.signals(gate))]
    # cmp byte [rdi], 0; je back to it: until somebody writes there
    world.start(gate, b"\x80\x3f\x00\x74\xfb" + world.exit, world.data)
    seen.append((world.state(gate), calls.signals(gate)))
    token = calls.ok(calls.zx.zx_task_suspend_token(gate))
    world.wait(gate, ZX_THREAD_SUSPENDED)
    seen.append((world.state(gate), calls.signals(gate)))
    calls.close(token)
    world.wait(gate, ZX_THREAD_RUNNING)
    seen.append((world.state(gate), calls.signals(gate)))
    calls.ok(calls.zx.zx_vmo_write(world.data_vmo, b"\1", 0))
    assert world.ended(gate)
    seen.append((world.state(gate), calls.signals(gate)))
    assert seen == [
        (ZX_THREAD_STATE_NEW, 0),
        (ZX_THREAD_STATE_RUNNING, ZX_THREAD_RUNNING),
        (ZX_THREAD_STATE_SUSPENDED, ZX_THREAD_SUSPENDED),
        (ZX_THREAD_STATE_RUNNING, ZX_THREAD_RUNNING),
        (ZX_THREAD_STATE_DEAD, ZX_THREAD_TERMINATED),
    ]


async def sleeps(zx: Any, *_: int) -> None:
    await zx.zx_nanosleep(1 << 62)


async def waits_one(zx: Any, event: int, channel: int, port: int) -> None:
    await zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE)


async def waits_many(zx: Any, event: int, channel: int, port: int) -> None:
    await zx.zx_object_wait_many([zx_wait_item_t(handle=event, waitfor=ZX_EVENT_SIGNALED)], ZX_TIME_INFINITE)


async def waits_port(zx: Any, event: int, channel: int, port: int) -> None:
    await zx.zx_port_wait(port, ZX_TIME_INFINITE)


@pytest.mark.parametrize(
    ("body", "state"),
    [
        (sleeps, ZX_THREAD_STATE_BLOCKED_SLEEPING),
        (waits_one, ZX_THREAD_STATE_BLOCKED_WAIT_ONE),
        (waits_many, ZX_THREAD_STATE_BLOCKED_WAIT_MANY),
        (waits_port, ZX_THREAD_STATE_BLOCKED_PORT),
    ],
)
def test_the_state_says_what_a_thread_waits_for(
    calls: Calls, program: Program, body: Any, state: int
) -> None:
    event, port = calls.event(), calls.ok(calls.zx.zx_port_create(0))
    channel, _ = calls.ok(calls.zx.zx_channel_create(0))
    thread = calls.k.host.add(program.start(body, *map(program.give, (event, channel, port))))
    program.settle()
    info = calls.info(thread, ZX_INFO_THREAD, zx_info_thread_t)
    assert (info.state, info.wait_exception_channel_type) == (state, ZX_EXCEPTION_CHANNEL_TYPE_NONE)
    # It is running, to those who wait for signals.
    assert calls.signals(thread) == ZX_THREAD_RUNNING
    program.process.kill(0)
    assert calls.info(thread, ZX_INFO_THREAD, zx_info_thread_t).state == ZX_THREAD_STATE_DEAD
    assert calls.signals(thread) == ZX_THREAD_TERMINATED


@pytest.mark.parametrize("call", ["zx_futex_wait", "zx_channel_call"])
def test_the_states_of_machine_code_that_waits(calls: Calls, world: World, call: str) -> None:
    if call == "zx_futex_wait":
        # futex_wait(data, 0, ZX_HANDLE_INVALID, ZX_TIME_INFINITE)
        code = b"\x48\xb9" + ((1 << 63) - 1).to_bytes(8, "little") + world.call(call)
        thread = world.run(code, world.data, 0)
        expected = ZX_THREAD_STATE_BLOCKED_FUTEX
    else:
        one, other = calls.ok(calls.zx.zx_channel_create(0))
        thread = world.thread()
        handles = calls.k.host.dispatcher.handles
        process: Any = handles.get(world.process)
        value = process.object.handles.add(handles.remove(one))
        request, answer, args = world.data + 128, world.data + 256, world.data
        record = zx_channel_call_args_t(wr_bytes=request, rd_bytes=answer, wr_num_bytes=4, rd_num_bytes=64)
        calls.ok(calls.zx.zx_vmo_write(world.data_vmo, record.pack(), 0))
        # channel_call(value, 0, ZX_TIME_INFINITE, args, actual bytes, actual handles)
        code = (
            world.set("rdx", (1 << 63) - 1)
            + b"\x48\xb9" + args.to_bytes(8, "little")  # mov rcx
            + b"\x49\xb8" + (args + 512).to_bytes(8, "little")  # mov r8
            + b"\x49\xb9" + (args + 516).to_bytes(8, "little")  # mov r9
        )  # fmt: skip
        world.start(thread, code + world.call(call) + SPIN, value, 0)
        expected = ZX_THREAD_STATE_BLOCKED_CHANNEL
    world.settle()
    assert world.state(thread) == expected
    if call == "zx_channel_call":
        calls.close(other)
        world.settle()
        assert world.state(thread) == ZX_THREAD_STATE_RUNNING


def test_a_started_thread_is_a_child_until_it_ends(calls: Calls, world: World) -> None:
    first, second = world.run(SPIN), world.run(world.exit)
    koid = calls.koid(first)
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS)[0] == koid
    assert world.ended(second)
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == [koid]
    found = calls.ok(calls.zx.zx_object_get_child(world.process, koid, ZX_RIGHT_SAME_RIGHTS))
    assert calls.koid(found) == koid
    assert calls.zx.zx_object_get_child(world.process, calls.koid(second), ZX_RIGHT_SAME_RIGHTS)[0] == (
        ZX_ERR_NOT_FOUND
    )


def test_a_thread_without_handles_runs_on(calls: Calls, world: World) -> None:
    code = world.set("rdi", 10**9) + world.call("zx_nanosleep") + world.set("rdi", world.data)
    calls.close(world.run(code + world.set("rsi", 9) + STORE + SPIN))
    calls.ok(calls.zx.zx_nanosleep(2 * 10**9))
    assert world.word(0) == 9


def test_an_unstarted_thread_does_not_keep_its_process_going(calls: Calls, world: World) -> None:
    waiting = world.thread()
    assert world.ended(world.run(world.exit))
    assert world.ended(world.process)
    assert world.state(waiting) == ZX_THREAD_STATE_NEW


@pytest.mark.parametrize("last", [False, True])
def test_nothing_comes_after_an_exit(world: World, last: bool) -> None:
    if not last:
        world.run(SPIN)
    # Had it come back, it would store 1.
    thread = world.run(world.exit + world.set("rdi", world.data) + world.set("rsi", 1) + STORE + SPIN)
    assert world.ended(thread)
    assert world.word(0) == 0
    assert bool(world.ended(world.process)) == last
    info = world.process_info()
    assert info.return_code == 0


def test_a_thread_that_runs_off_its_code_gets_an_exception(world: World) -> None:
    """It has nowhere to return to: not calling an exit is an error of the machine."""
    channel = world.listen(world.process)
    thread = world.run(b"\xc3")  # ret, to the zero on the stack
    message = world.receive(channel)
    assert message.type == ZX_EXCP_FATAL_PAGE_FAULT
    assert world.registers(thread).rip == 0
    world.ok(world.zx.zx_task_kill(world.process))
    world.close(message.handle)


# zx_thread_legacy_yield


def test_machine_code_yields(world: World) -> None:
    world.ok(world.zx.zx_vmo_write(world.data_vmo, b"\xff" * 8, 0))
    code = world.set("rdi", 0) + world.call("zx_thread_legacy_yield") + world.store_rax(0)
    assert world.ended(world.run(code + world.exit))
    assert world.word(0) == ZX_OK


@pytest.mark.shows("zx_thread_legacy_yield", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 2, 1 << 31])
def test_yielding_has_no_options(calls: Calls, options: int) -> None:
    assert calls.zx.zx_thread_legacy_yield(options) == ZX_ERR_INVALID_ARGS
    assert calls.zx.zx_thread_legacy_yield(0) == ZX_OK


def test_who_yields_lets_others_run(program: Program) -> None:
    """Without it the first would wait for ever: bodies are not preempted."""
    done: list[str] = []

    async def waits(zx: Any, own: str, other: str) -> None:
        done.append(own)
        while other not in done:
            assert await zx.zx_thread_legacy_yield(0) == ZX_OK

    program.start(waits, "a", "b")
    program.start(waits, "b", "a")
    program.settle()
    assert len(program.results) == 2
