"""What code in restricted mode reaches and what it keeps, and what its exceptions do."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, RestrictedReason
from jacinth.abi import (
    SYSCALLS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
    ZX_EXCEPTION_STATE_TRY_NEXT,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_GENERAL,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_PROP_EXCEPTION_STATE,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_TIME_INFINITE,
    zx_info_thread_t,
    zx_thread_state_general_regs_t,
)
from jacinth.abi import ZX_INFO_THREAD as INFO_THREAD
from jacinth.api.kernel import Kernel
from jacinth.kernel.vm.aspace import SHARED_ASPACE_BASE
from tests.restricted.conftest import CODE, DATA, PAGE, SECOND, SYSCALL, UD2, Bodies

pytestmark = pytest.mark.usefixtures("hot_paths")

LOAD = bytes.fromhex("488b07") + SYSCALL  # mov rax, [rdi]
STORE = bytes.fromhex("48 8907") + SYSCALL  # mov [rdi], rax
JUMP = bytes.fromhex("ffe7")  # jmp rdi
EXCEPTION, CALL = RestrictedReason.EXCEPTION, RestrictedReason.SYSCALL


def enter(bodies: Bodies, **registers: int) -> tuple[Any, Any]:
    """Enter once, with these registers. Answers reason and state."""

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        for name, value in registers.items():
            setattr(state, name, value)
        return await zx.thread.restricted_enter(state), state

    (result,) = bodies.run(main)
    return result


def page_fault(state: Any) -> tuple[int, int, int]:
    """Type, address and status of the fault."""
    context = state.exception.context
    status = context.synth_code
    return state.exception.header.type, context.arch.cr2, status - (1 << 32) if status >> 31 else status


# ---- What is reached


def test_restricted_code_reaches_its_own_part(k: Kernel) -> None:
    bodies = Bodies(k, LOAD)
    assert bodies.zx.zx_vmo_write(bodies.data_vmo, (77).to_bytes(8, "little"), 16) == ZX_OK
    reason, state = enter(bodies, rdi=DATA + 16)
    assert (reason, state.rax) == (CALL, 77)


@pytest.mark.parametrize("code", [LOAD, STORE, JUMP])
def test_restricted_code_does_not_reach_the_shared_part(k: Kernel, code: bytes) -> None:
    bodies = Bodies(k, code)
    assert bodies.shared >= SHARED_ASPACE_BASE
    bodies.zx.zx_vmo_write(bodies.shared_vmo, b"\x11" * 8, 0)
    reason, state = enter(bodies, rdi=bodies.shared, rax=0x22)
    assert reason is EXCEPTION
    assert page_fault(state) == (ZX_EXCP_FATAL_PAGE_FAULT, bodies.shared, ZX_ERR_NOT_FOUND)
    assert state.rax == 0x22
    assert bodies.zx.zx_vmo_read(bodies.shared_vmo, 0, 8) == (ZX_OK, b"\x11" * 8)


def test_nor_the_code_of_the_vdso(k: Kernel) -> None:
    bodies = Bodies(k, JUMP)
    reason, state = enter(bodies, rdi=bodies.vdso + PAGE)
    assert reason is EXCEPTION
    assert page_fault(state)[:2] == (ZX_EXCP_FATAL_PAGE_FAULT, bodies.vdso + PAGE)
    assert state.ip == bodies.vdso + PAGE


def test_normal_mode_reaches_both_parts(k: Kernel) -> None:
    bodies = Bodies(k, LOAD)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        for _ in range(2):
            zx.store(bodies.shared, b"shared")
            zx.store(DATA, b"private!")
            state.ip, state.rdi = CODE, DATA
            assert await zx.thread.restricted_enter(state) is CALL
        return zx.load(bodies.shared, 6), zx.load(DATA, 8), state.rax.to_bytes(8, "little")

    assert bodies.run(main) == [(b"shared", b"private!", b"private!")]


def test_pointers_of_normal_mode_reach_both_parts(bodies: Bodies) -> None:
    async def main(zx: Any) -> Any:
        zx.store(DATA, b"\x01")
        zx.store(bodies.shared, b"\x01")
        places = (DATA, bodies.shared, DATA + PAGE)
        return [await zx.zx_futex_wait(place, 5, ZX_HANDLE_INVALID, ZX_TIME_INFINITE) for place in places]

    # The first two are read, and hold another value than 5.
    assert bodies.run(main) == [[ZX_ERR_BAD_STATE, ZX_ERR_BAD_STATE, ZX_ERR_INVALID_ARGS]]


def test_no_system_call_is_made_for_restricted_code(bodies: Bodies) -> None:
    """Whatever is in rax: its syscall instruction is for whoever entered."""

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        for row in SYSCALLS:
            state.ip, state.rax, state.rdi = CODE, row.number, 1
            assert await zx.thread.restricted_enter(state) is CALL
            assert state.rax == row.number
        return "alive"

    assert bodies.run(main) == ["alive"]


# ---- Faults


def test_faults_in_restricted_mode_page_in(k: Kernel) -> None:
    bodies = Bodies(k, STORE)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        before = k.memory.allocated
        for page in range(2):
            state.ip, state.rdi, state.rax = CODE, SECOND + page * PAGE, 5 + page
            assert await zx.thread.restricted_enter(state) is CALL
        return k.memory.allocated - before, zx.load(SECOND, 1) + zx.load(SECOND + PAGE, 1)

    ((pages, seen),) = bodies.run(main)
    assert pages >= 2
    assert seen == b"\x05\x06"


def test_a_write_to_what_may_only_be_read(k: Kernel) -> None:
    bodies = Bodies(k, STORE)
    reason, state = enter(bodies, rdi=CODE)
    assert reason is EXCEPTION
    assert page_fault(state) == (ZX_EXCP_FATAL_PAGE_FAULT, CODE, ZX_ERR_ACCESS_DENIED)
    assert state.ip == CODE


@pytest.mark.parametrize(
    ("code", "type_", "vector", "length"),
    [
        (UD2, ZX_EXCP_UNDEFINED_INSTRUCTION, 6, 0),
        (b"\xcc", ZX_EXCP_SW_BREAKPOINT, 3, 1),
        (b"\xf4", ZX_EXCP_GENERAL, 13, 0),  # hlt
        (bytes.fromhex("31c9 f7f1"), ZX_EXCP_GENERAL, 0, 2),  # xor ecx, ecx; div ecx
    ],
)
def test_exceptions_are_reported_to_who_entered(
    k: Kernel, code: bytes, type_: int, vector: int, length: int
) -> None:
    reason, state = enter(Bodies(k, code))
    assert reason is EXCEPTION
    assert state.exception.header.type == type_
    assert state.exception.context.arch.vector == vector
    assert state.ip == CODE + length


def test_a_single_step_is_an_exception_of_restricted_code(k: Kernel) -> None:
    """With the trap flag every instruction is one."""
    bodies = Bodies(k, b"\x90" * 3 + SYSCALL)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.flags = CODE, 0x100
        return [
            (await zx.thread.restricted_enter(state), state.ip, state.exception.header.type)  # type: ignore[union-attr]
            for _ in range(3)
        ]

    steps = [(EXCEPTION, CODE + i, ZX_EXCP_HW_BREAKPOINT) for i in (1, 2, 3)]
    assert bodies.run(main) == [steps]


def test_the_next_entry_goes_on_where_the_exception_was(k: Kernel) -> None:
    bodies = Bodies(k, UD2 + LOAD)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rdi = CODE, DATA
        first = await zx.thread.restricted_enter(state)
        state.ip += 2
        return first, await zx.thread.restricted_enter(state), state.ip

    assert bodies.run(main) == [(EXCEPTION, CALL, CODE + 2 + len(LOAD))]


# ---- Handlers


def start_with_handler(bodies: Bodies, options: int, on_process: bool) -> tuple[list[Any], int]:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        return await zx.thread.restricted_enter(state), state

    task = bodies.process if on_process else bodies.job
    channel = bodies.ok(bodies.zx.zx_task_create_exception_channel(task, options))
    return bodies.start(main), channel


@pytest.mark.parametrize("on_process", [True, False])
def test_only_the_process_debugger_is_asked_before_normal_mode(k: Kernel, on_process: bool) -> None:
    """Handlers of the thread, the process and its jobs never see an exception of restricted code."""
    bodies = Bodies(k, UD2)
    results, channel = start_with_handler(bodies, 0, on_process)
    bodies.settle()
    assert results[0][0] is EXCEPTION
    assert bodies.zx.zx_channel_read(channel, 0, 64, 1)[0] != ZX_OK


@pytest.mark.parametrize("state", [ZX_EXCEPTION_STATE_TRY_NEXT, ZX_EXCEPTION_STATE_HANDLED])
def test_the_process_debugger_may_handle_it_or_pass_it_on(k: Kernel, state: int) -> None:
    zx: Any = k.host.sys
    bodies = Bodies(k, UD2 + SYSCALL)
    results, channel = start_with_handler(bodies, ZX_EXCEPTION_CHANNEL_DEBUGGER, True)
    bodies.ok(zx.zx_handle_close(bodies.receive(channel)))  # the thread starts
    exception = bodies.receive(channel)
    thread = bodies.ok(zx.zx_exception_get_thread(exception))
    info = bodies.ok(zx.zx_object_get_info(thread, INFO_THREAD, zx_info_thread_t.SIZE))
    assert zx_info_thread_t.unpack(info[0]).state == ZX_THREAD_STATE_BLOCKED_EXCEPTION
    kind = ZX_THREAD_STATE_GENERAL_REGS
    data = bodies.ok(zx.zx_thread_read_state(thread, kind, zx_thread_state_general_regs_t.SIZE))
    registers = zx_thread_state_general_regs_t.unpack(data if isinstance(data, bytes) else data[0])
    assert registers.rip == CODE  # those of restricted mode
    registers.rip += 2
    if state == ZX_EXCEPTION_STATE_HANDLED:
        bodies.ok(zx.zx_thread_write_state(thread, kind, registers.pack()))
    bodies.ok(zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, state.to_bytes(4, "little")))
    bodies.ok(zx.zx_handle_close(exception))
    bodies.settle()
    reason, registers = results[0]
    if state == ZX_EXCEPTION_STATE_HANDLED:
        assert (reason, registers.ip) == (CALL, CODE + 4)
    else:
        assert (reason, registers.ip) == (EXCEPTION, CODE)


def test_the_process_debugger_may_end_the_thread(k: Kernel) -> None:
    bodies = Bodies(k, UD2)
    results, channel = start_with_handler(bodies, ZX_EXCEPTION_CHANNEL_DEBUGGER, True)
    bodies.ok(bodies.zx.zx_handle_close(bodies.receive(channel)))
    exception = bodies.receive(channel)
    value = ZX_EXCEPTION_STATE_THREAD_EXIT.to_bytes(4, "little")
    bodies.ok(bodies.zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, value))
    bodies.ok(bodies.zx.zx_handle_close(exception))
    bodies.wait(bodies.process)
    assert not results


# ---- What is kept


def test_floating_point_registers_of_a_body_are_kept(k: Kernel) -> None:
    """movq xmm7, rax; syscall; movq rax, xmm7; fld1; syscall; fistp qword [rdi]; syscall; stmxcsr [rdi]; syscall"""
    bodies = Bodies(
        k,
        bytes.fromhex("66 48 0f 6e f8 0f05  66 48 0f 7e f8 d9e8 0f05  df3f 0f05  0fae1f 0f05"),
    )

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rax, state.rdi = CODE, 0x1122_3344_5566_7788, DATA
        await zx.thread.restricted_enter(state)
        state.rax = 0
        await zx.thread.restricted_enter(state)
        seen = state.rax
        await zx.thread.restricted_enter(state)
        one = zx.load(DATA, 8)
        await zx.thread.restricted_enter(state)
        return seen, one, zx.load(DATA, 4)

    ((seen, one, mxcsr),) = bodies.run(main)
    assert seen == 0x1122_3344_5566_7788
    assert one == (1).to_bytes(8, "little")
    assert mxcsr == (0x1F80).to_bytes(4, "little")


def test_two_bodies_in_restricted_mode_do_not_disturb_each_other(k: Kernel) -> None:
    # again: mov [rdi], rax; inc rax; cmp rax, rcx; jb again; syscall
    bodies = Bodies(k, bytes.fromhex("488907 48ffc0 4839c8 72f5") + SYSCALL)

    async def main(zx: Body, slot: int) -> Any:
        state = await zx.thread.restricted_bind_state()
        for start in range(0, 30_000, 10_000):
            state.ip, state.rax, state.rcx, state.rdi = CODE, start, start + 10_000, DATA + 8 * slot
            assert await zx.thread.restricted_enter(state) is CALL
        return state.rax

    results = [bodies.start(main, slot) for slot in range(3)]
    bodies.wait(bodies.process)
    assert results == [[30_000]] * 3
    assert [bodies.word(8 * slot) for slot in range(3)] == [29_999] * 3


def test_the_part_of_another_process_is_not_reached(k: Kernel) -> None:
    """Two processes of one prototype: the same addresses, each its own memory."""
    bodies = Bodies(k, LOAD)
    other = bodies.sibling(LOAD)
    for one, value in ((bodies, 1), (other, 2)):
        bodies.ok(bodies.zx.zx_vmo_write(one.data_vmo, value.to_bytes(8, "little"), 0))
    assert enter(bodies, rdi=DATA)[1].rax == 1
    assert enter(other, rdi=DATA)[1].rax == 2


def test_a_process_without_parts_keeps_all_of_its_memory(k: Kernel) -> None:
    """As today's kernel: where there is no restricted aspace the active one stays."""
    zx: Any = k.host.sys
    bodies = Bodies(k, LOAD)
    process, vmar = bodies.ok(zx.zx_process_create(bodies.job, b"plain", 0))
    bodies.process, bodies.restricted_vmar = process, vmar
    bodies.put_code(LOAD)
    _, address = bodies.map(vmar, (99).to_bytes(8, "little"), 3)
    reason, state = enter(bodies, rdi=address)
    assert (reason, state.rax) == (CALL, 99)
