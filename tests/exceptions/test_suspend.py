"""Suspension, beside starts, waits, exceptions and kills. Source: core tests of threads, exceptions.md, thread_dispatcher.cc."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_BAD_STATE,
    ZX_ERR_CANCELED,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_WRONG_TYPE,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_THREAD_STARTING,
    ZX_OK,
    ZX_THREAD_RUNNING,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_BLOCKED_SLEEPING,
    ZX_THREAD_STATE_BLOCKED_WAIT_ONE,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_RUNNING,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_THREAD_SUSPENDED,
    ZX_USER_SIGNAL_0,
    ZX_VM_PERM_READ,
    zx_thread_state_general_regs_t,
)
from tests.exceptions.conftest import PAGE, World
from tests.ipc.conftest import Program

FOREVER = (1 << 63) - 1
# inc qword [rdi]; jmp to it: how often it has run shows whether it runs
COUNT = b"\x48\xff\x07\xeb\xfb"


def suspend(world: World, task: int) -> int:
    return int(world.ok(world.zx.zx_task_suspend_token(task)))


def runs(world: World) -> bool:
    """Whether the counting thread makes progress."""
    before = world.word(0)
    world.settle()
    return world.word(0) != before


@pytest.fixture
def counting(world: World) -> int:
    thread = world.run(COUNT, world.data)
    world.settle()
    assert runs(world)
    return thread


@pytest.mark.parametrize("task", ["thread", "process"])
def test_a_suspended_thread_stands_still(world: World, counting: int, task: str) -> None:
    token = suspend(world, counting if task == "thread" else world.process)
    assert world.wait(counting, ZX_THREAD_SUSPENDED)
    assert not world.wait(counting, ZX_THREAD_RUNNING)
    assert world.state(counting) == ZX_THREAD_STATE_SUSPENDED
    assert not runs(world)
    world.close(token)
    assert world.wait(counting, ZX_THREAD_RUNNING)
    assert runs(world)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_tokens_are_closed_in_any_order(world: World, counting: int, order: tuple[int, ...]) -> None:
    tokens = [suspend(world, counting), suspend(world, world.process), suspend(world, counting)]
    for count, index in enumerate(order):
        assert not runs(world)
        world.close(tokens[index])
        assert world.state(counting) == (ZX_THREAD_STATE_SUSPENDED if count < 2 else ZX_THREAD_STATE_RUNNING)
    assert runs(world)


@pytest.mark.shows("zx_task_suspend_token", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_task_suspend_token", "ZX_ERR_BAD_STATE")
def test_tasks_that_cannot_be_suspended(world: World) -> None:
    assert world.zx.zx_task_suspend_token(world.job) == (ZX_ERR_WRONG_TYPE, 0)
    thread = world.run(world.exit)
    assert world.ended(thread)
    assert world.zx.zx_task_suspend_token(thread) == (ZX_ERR_BAD_STATE, 0)
    assert world.zx.zx_task_suspend_token(world.process) == (ZX_ERR_BAD_STATE, 0)


@pytest.mark.parametrize("task", ["thread", "process"])
def test_a_thread_may_be_suspended_before_it_starts(world: World, task: str) -> None:
    thread = world.thread()
    token = suspend(world, thread if task == "thread" else world.process)
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    world.start(thread, COUNT, world.data)
    assert world.wait(thread, ZX_THREAD_SUSPENDED)
    assert world.word(0) == 0
    world.set_registers(thread, rdi=world.data + 8)
    world.close(token)
    world.settle()
    assert world.word(0) == 0 and world.word(8) > 0


def test_a_thread_suspended_and_resumed_before_its_start_just_starts(world: World) -> None:
    thread = world.thread()
    world.close(suspend(world, thread))
    world.start(thread, COUNT, world.data)
    assert runs(world)


def test_a_debugger_sees_the_start_before_the_suspension(world: World) -> None:
    channel = world.listen(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    thread = world.thread()
    token = suspend(world, thread)
    world.start(thread, COUNT, world.data)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_THREAD_STARTING
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    world.close(message.handle)
    assert world.wait(thread, ZX_THREAD_SUSPENDED)
    assert not runs(world)
    world.close(token)
    assert runs(world)


@pytest.mark.parametrize("exception_first", [True, False])
def test_exception_and_suspension_both_have_to_be_over(world: World, exception_first: bool) -> None:
    channel = world.listen(world.process)
    thread = world.run(b"\xcc" + COUNT, world.data)
    message = world.receive(channel)
    token = suspend(world, thread)
    world.settle()
    # It waits for its handler still, and is no more suspended than a thread that runs.
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    assert not world.wait(thread, ZX_THREAD_SUSPENDED)
    assert world.registers(thread).rdi == world.data
    if exception_first:
        world.resume(message.handle)
        assert world.wait(thread, ZX_THREAD_SUSPENDED)
        assert world.state(thread) == ZX_THREAD_STATE_SUSPENDED
        assert not runs(world)
        world.set_registers(thread, rdi=world.data)
        world.close(token)
    else:
        world.close(token)
        assert not runs(world)
        assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
        world.resume(message.handle)
    assert runs(world)


def test_the_next_handler_is_asked_while_the_thread_is_to_be_suspended(world: World) -> None:
    of_process, of_job = world.listen(world.process), world.listen(world.job)
    thread = world.run(b"\xcc" + COUNT, world.data)
    message = world.receive(of_process)
    token = suspend(world, thread)
    world.close(message.handle)
    message = world.receive(of_job)
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    world.resume(message.handle)
    assert world.wait(thread, ZX_THREAD_SUSPENDED)
    world.close(token)
    assert runs(world)


@pytest.mark.parametrize("where", ["running", "suspended", "exception", "both"])
def test_a_kill_ends_every_stop(world: World, where: str) -> None:
    channel = world.listen(world.process)
    thread = world.run(b"\xcc" if where in ("exception", "both") else COUNT, world.data)
    held = [world.receive(channel).handle] if where in ("exception", "both") else []
    if where in ("suspended", "both"):
        held += [suspend(world, thread), suspend(world, world.process)]
        world.settle()
    world.ok(world.zx.zx_task_kill(world.process))
    assert world.ended(thread) and world.ended(world.process)
    for handle in held:
        world.close(handle)
    assert world.state(thread) == ZX_THREAD_STATE_DEAD


def sleeper(world: World) -> bytes:
    """Code: sleep for ever, then store the status and end."""
    return world.set("rdi", FOREVER) + world.call("zx_nanosleep") + world.store_rax(0) + world.exit


def test_a_wait_goes_on_over_a_suspension(world: World) -> None:
    thread = world.run(
        sleeper(world).replace(FOREVER.to_bytes(8, "little"), (10**9 * 2).to_bytes(8, "little"))
    )
    world.ok(world.zx.zx_vmo_write(world.data_vmo, b"\xff" * 8, 0))
    world.settle()
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_SLEEPING
    token = suspend(world, thread)
    assert world.state(thread) == ZX_THREAD_STATE_SUSPENDED
    world.ok(world.zx.zx_nanosleep(10**9 * 3))  # its deadline passes
    assert world.state(thread) == ZX_THREAD_STATE_SUSPENDED
    assert world.word(0) == (1 << 64) - 1
    world.close(token)
    assert world.ended(thread)
    assert world.word(0) == ZX_OK


def test_a_debugger_takes_a_thread_out_of_its_wait(world: World) -> None:
    thread = world.run(sleeper(world))
    world.settle()
    token = suspend(world, thread)
    pc = world.registers(thread).rip
    assert world.vdso <= pc
    world.set_registers(thread, rbx=5)  # it stays in its wait
    assert world.registers(thread).rbx == 5
    world.close(token)
    world.settle()
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_SLEEPING
    token = suspend(world, thread)
    world.set_registers(thread, rip=world.write(COUNT), rdi=world.data)
    world.close(token)
    assert runs(world)


IN_CALL = -6 & (1 << 64) - 1  # ZX_ERR_INTERNAL_INTR_RETRY


def waiter(world: World) -> tuple[bytes, int]:
    """Code: wait for a signal of an event, then store the status and end. And the host's handle to the event."""
    event = int(world.ok(world.zx.zx_event_create(0)))
    handles = world.k.host.dispatcher.handles
    own = handles.get(world.process).object.handles.add(handles.remove(world.duplicate(event)))
    arguments = world.set("rdi", own) + world.set("rsi", ZX_USER_SIGNAL_0) + world.set("rdx", FOREVER)
    observed = b"\x48\xb9" + (world.data + 16).to_bytes(8, "little")  # mov rcx, address
    return arguments + observed + world.call("zx_object_wait_one") + world.store_rax(0) + world.exit, event


def test_registers_in_the_middle_of_a_call(world: World) -> None:
    """Source: core tests of threads (SyscallSuspendedRegisterState)."""
    code, event = waiter(world)
    thread = world.run(code)
    world.settle()
    token = suspend(world, thread)
    regs = world.registers(thread)
    assert (regs.rsi, regs.rdx, regs.r10) == (ZX_USER_SIGNAL_0, FOREVER, world.data + 16)
    assert regs.rax == IN_CALL
    world.set_registers(thread, rbx=3)  # with the same rax: it goes on waiting
    world.close(token)
    world.settle()
    assert world.state(thread) == ZX_THREAD_STATE_BLOCKED_WAIT_ONE
    world.ok(world.zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0))
    assert world.ended(thread)
    assert (world.word(0), world.word(16)) == (ZX_OK, ZX_USER_SIGNAL_0)


def test_a_debugger_answers_a_call(world: World) -> None:
    """Source: core tests of threads (SyscallDebuggerModifyResult)."""
    code, event = waiter(world)
    thread = world.run(code)
    world.settle()
    token = suspend(world, thread)
    world.set_registers(thread, rax=ZX_ERR_CANCELED & (1 << 64) - 1)
    assert world.registers(thread).rax == ZX_ERR_CANCELED & (1 << 64) - 1
    world.close(token)
    world.ok(world.zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0))
    assert world.ended(thread)
    assert world.word(0) & 0xFFFF_FFFF == ZX_ERR_CANCELED & 0xFFFF_FFFF
    assert world.word(16) == 0


def test_a_thread_that_waits_for_a_page_is_in_no_call(world: World) -> None:
    zx = world.zx
    pager, port = world.ok(zx.zx_pager_create(0)), world.ok(zx.zx_port_create(0))
    paged = world.ok(zx.zx_pager_create_vmo(pager, 0, port, 0, PAGE))
    address = world.ok(zx.zx_vmar_map(world.vmar, ZX_VM_PERM_READ, 0, paged, 0, PAGE))
    # mov eax, 9; mov rsi, [rdi]
    code = b"\xb8\x09\0\0\0" + b"\x48\x8b\x37" + world.store_rax(0) + world.exit
    thread = world.run(code, address)
    world.settle()
    token = suspend(world, thread)
    assert world.registers(thread).rax == 9
    world.set_registers(thread, rax=10)
    world.close(token)
    world.settle()
    assert world.word(0) == 0
    page = world.ok(zx.zx_vmo_create(PAGE, 0))
    world.ok(zx.zx_pager_supply_pages(pager, paged, 0, PAGE, page, 0))
    assert world.ended(thread)
    assert world.word(0) == 10


@pytest.mark.shows("zx_thread_read_state", "ZX_ERR_NOT_SUPPORTED")
def test_a_suspended_body_has_no_registers(k: Any, world: World, program: Program) -> None:
    async def body(zx: Any) -> int:
        await zx.zx_nanosleep(10**9 * 2)
        return 4

    thread = program.start(body)
    program.settle()
    handle = k.host.add(thread)
    token = suspend(world, handle)
    status, _ = world.zx.zx_thread_read_state(
        handle, ZX_THREAD_STATE_GENERAL_REGS, zx_thread_state_general_regs_t.SIZE
    )
    assert status == ZX_ERR_NOT_SUPPORTED
    world.ok(world.zx.zx_nanosleep(10**9 * 3))
    assert program.results == []
    world.close(token)
    world.settle()
    assert program.results == [4]


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(call, marks=pytest.mark.shows(call, "ZX_ERR_NOT_SUPPORTED"))
        for call in ("zx_task_suspend", "zx_task_suspend_token")
    ],
)
@pytest.mark.parametrize("task", ["thread", "process"])
def test_a_thread_can_suspend_neither_itself_nor_its_process(world: World, task: str, call: str) -> None:
    thread = world.thread()
    handles = world.k.host.dispatcher.handles
    own = handles.get(thread).object.process.handles
    given = own.add(handles.remove(world.duplicate(thread if task == "thread" else world.process)))
    code = b"\xbf" + given.to_bytes(4, "little") + world.set("rsi", world.data + 8)
    world.start(thread, code + world.call(call) + world.store_rax(0) + world.exit)
    assert world.ended(thread)
    assert world.word(0) & 0xFFFF_FFFF == ZX_ERR_NOT_SUPPORTED & 0xFFFF_FFFF and world.word(8) == 0


def test_threads_that_start_in_a_suspended_process_wait_for_it(world: World, counting: int) -> None:
    token = suspend(world, world.process)
    other = world.run(COUNT, world.data + 8)
    assert world.wait(other, ZX_THREAD_SUSPENDED)
    own = suspend(world, other)
    world.close(token)
    world.settle()
    assert world.state(counting) == ZX_THREAD_STATE_RUNNING
    assert world.state(other) == ZX_THREAD_STATE_SUSPENDED
    world.close(own)
    world.settle()
    assert world.word(8) > 0
