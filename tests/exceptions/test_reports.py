"""What a handler learns of an exception, and what it can do with the thread. Source: object_get_info.md, arch/x86/faults.cc."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_DEFAULT_THREAD_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_GENERAL,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_POLICY_CODE_BAD_SYSCALL,
    ZX_EXCP_POLICY_ERROR,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_THREAD_STARTING,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_INFO_THREAD_EXCEPTION_REPORT,
    ZX_INFO_THREAD_EXCEPTION_REPORT_V1,
    ZX_RIGHT_INSPECT,
    ZX_THREAD_STATE_DEBUG_REGS,
    ZX_THREAD_STATE_FP_REGS,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_SINGLE_STEP,
    ZX_THREAD_STATE_VECTOR_REGS,
    zx_exception_report_t,
    zx_exception_report_v1_t,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
)
from jacinth.kernel.exception import ExceptionReport
from jacinth.kernel.kernel import KernelObserver
from tests.exceptions.conftest import UNMAPPED, World

NOT_FOUND, ACCESS_DENIED = ZX_ERR_NOT_FOUND & 0xFFFF_FFFF, ZX_ERR_ACCESS_DENIED & 0xFFFF_FFFF
VDSO = -1  # stands for an address in the vDSO


@pytest.mark.parametrize(
    ("code", "address", "expected"),
    [
        # mov [rdi], rsi: write, from level 3, nothing there
        (b"\x48\x89\x37", UNMAPPED, (ZX_EXCP_FATAL_PAGE_FAULT, 14, 6, UNMAPPED, NOT_FOUND)),
        # mov rsi, [rdi]: read
        (b"\x48\x8b\x37", UNMAPPED, (ZX_EXCP_FATAL_PAGE_FAULT, 14, 4, UNMAPPED, NOT_FOUND)),
        # jmp rdi: fetch
        (b"\xff\xe7", UNMAPPED, (ZX_EXCP_FATAL_PAGE_FAULT, 14, 0x14, UNMAPPED, NOT_FOUND)),
        # ud2, int3, hlt, div ecx by 0
        (b"\x0f\x0b", 0, (ZX_EXCP_UNDEFINED_INSTRUCTION, 6, 0, 0, 0)),
        (b"\xcc", 0, (ZX_EXCP_SW_BREAKPOINT, 3, 0, 0, 0)),
        (b"\xf4", 0, (ZX_EXCP_GENERAL, 13, 0, 0, 0)),
        (b"\x31\xc9\xf7\xf1", 0, (ZX_EXCP_GENERAL, 0, 0, 0, 0)),
        # int 0x80: the selector's error code
        (b"\xcd\x80", 0, (ZX_EXCP_GENERAL, 13, 0x80 << 3 | 2, 0, 0)),
    ],
    ids=["write", "read", "execute", "ud2", "int3", "hlt", "div", "int"],
)
def test_a_report_says_what_happened(
    world: World, code: bytes, address: int, expected: tuple[int, ...]
) -> None:
    channel = world.listen(world.process)
    thread = world.run(code, address)
    assert world.receive(channel).type == expected[0]
    report = world.report(thread)
    arch = report.context.arch
    assert report.header.size == zx_exception_report_t.SIZE
    seen = (report.header.type, arch.vector, arch.err_code, arch.cr2, report.context.synth_code)
    assert seen == expected
    assert report.context.synth_data == 0


def test_a_write_to_what_may_only_be_read(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.thread()
    world.start(thread, b"\x48\x8b\x07\x48\x89\x37", world.vdso, 1)  # mov rax, [rdi]; mov [rdi], rsi
    world.receive(channel)
    report = world.report(thread)
    assert (report.context.synth_code, report.context.arch.cr2) == (ACCESS_DENIED, world.vdso)
    assert report.context.arch.err_code & 2


def test_a_system_call_from_elsewhere_is_a_policy_error(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.run(b"\xb8\x34\x12\0\0\x0f\x05" + world.exit)  # mov eax, 0x1234; syscall
    assert world.receive(channel).type == ZX_EXCP_POLICY_ERROR
    report = world.report(thread)
    assert report.context.synth_code == ZX_EXCP_POLICY_CODE_BAD_SYSCALL
    assert report.context.synth_data == 0x1234
    assert report.context.arch.vector == report.context.arch.cr2 == 0


def test_reports_are_of_threads_in_exceptions_only(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.crash()
    get = world.zx.zx_object_get_info
    size = zx_exception_report_t.SIZE
    assert get(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, size)[0] == ZX_ERR_BAD_STATE
    message = world.receive(channel)
    blind = world.duplicate(thread, ZX_DEFAULT_THREAD_RIGHTS & ~ZX_RIGHT_INSPECT)
    assert get(blind, ZX_INFO_THREAD_EXCEPTION_REPORT, size)[0] == ZX_ERR_ACCESS_DENIED
    # The older record is a prefix.
    [old, *_] = world.ok(get(thread, ZX_INFO_THREAD_EXCEPTION_REPORT_V1, zx_exception_report_v1_t.SIZE))
    assert zx_exception_report_v1_t.unpack(old).context.arch.cr2 == UNMAPPED
    world.set_registers(thread, rdi=world.data)
    world.resume(message.handle)
    assert world.ended(thread)
    assert get(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, size)[0] == ZX_ERR_BAD_STATE


def test_after_a_breakpoint_the_pc_is_behind_it(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.thread()
    entry = world.start(thread, b"\xcc" + world.exit)
    message = world.receive(channel)
    assert world.registers(thread).rip == entry + 1
    world.resume(message.handle)
    assert world.ended(thread)


def test_a_fault_may_be_skipped(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.thread()
    entry = world.start(thread, b"\x0f\x0b\x48\x89\x37" + world.exit, world.data, 3)
    message = world.receive(channel)
    assert world.registers(thread).rip == entry
    world.set_registers(thread, rip=entry + 2, rsi=77)
    world.resume(message.handle)
    assert world.ended(thread)
    assert world.word(0) == 77


def test_every_register_file_can_be_read_and_written(world: World) -> None:
    channel = world.listen(world.process)
    # movq [rdi], xmm3; fstp qword [rdi + 8]
    thread = world.thread()
    world.start(thread, b"\x0f\x0b\x66\x0f\xd6\x1f\xdd\x5f\x08" + world.exit, world.data)
    message = world.receive(channel)
    zx = world.zx

    def read(kind: int, cls: Any) -> Any:
        return cls.unpack(world.ok(zx.zx_thread_read_state(thread, kind, cls.SIZE)))

    def write(kind: int, state: Any) -> None:
        world.ok(zx.zx_thread_write_state(thread, kind, state.pack()))

    vectors = read(ZX_THREAD_STATE_VECTOR_REGS, zx_thread_state_vector_regs_t)
    vectors.zmm[3].v[0] = 0x1122334455667788
    write(ZX_THREAD_STATE_VECTOR_REGS, vectors)
    assert read(ZX_THREAD_STATE_VECTOR_REGS, zx_thread_state_vector_regs_t).zmm[3].v[0] == 0x1122334455667788
    fp = read(ZX_THREAD_STATE_FP_REGS, zx_thread_state_fp_regs_t)
    assert (fp.fcw, fp.ftw) == (0x37F, 0)
    fp.st[0].low, fp.st[0].high = 1 << 63, 0x3FFF  # 1.0
    fp.ftw, fp.fsw = 0x80, 7 << 11  # one register in use, the seventh
    write(ZX_THREAD_STATE_FP_REGS, fp)
    back = read(ZX_THREAD_STATE_FP_REGS, zx_thread_state_fp_regs_t)
    assert (back.st[0].low, back.st[0].high, back.ftw) == (1 << 63, 0x3FFF, 0x80)
    debug = read(ZX_THREAD_STATE_DEBUG_REGS, zx_thread_state_debug_regs_t)
    write(ZX_THREAD_STATE_DEBUG_REGS, debug)
    world.set_registers(thread, rip=world.registers(thread).rip + 2)
    world.resume(message.handle)
    assert world.ended(thread)
    assert world.word(0) == 0x1122334455667788
    assert world.word(8) == 0x3FF0000000000000


@pytest.mark.shows("zx_thread_read_state", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_thread_write_state", "ZX_ERR_INVALID_ARGS")
def test_registers_that_no_thread_may_have(world: World) -> None:
    channel = world.listen(world.process)
    thread = world.crash()
    zx = world.zx
    size = zx_thread_state_general_regs_t.SIZE
    assert zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, size)[0] == ZX_ERR_BAD_STATE
    world.receive(channel)
    for name, value in [("rip", 1 << 47), ("fs_base", 1 << 47), ("gs_base", 1 << 63)]:
        regs = world.registers(thread)
        setattr(regs, name, value)
        status = zx.zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, regs.pack())
        assert status == ZX_ERR_INVALID_ARGS
    assert world.registers(thread).rdi == UNMAPPED


def step(world: World, thread: int, on: bool) -> None:
    world.ok(world.zx.zx_thread_write_state(thread, ZX_THREAD_STATE_SINGLE_STEP, on.to_bytes(4, "little")))


def test_a_debugger_steps_from_the_first_instruction_on(world: World) -> None:
    channel = world.listen(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    thread = world.thread()
    # inc eax; inc eax; nop; inc eax
    entry = world.start(thread, b"\x31\xc0\xff\xc0\xff\xc0\x90\xff\xc0" + world.exit)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_THREAD_STARTING
    step(world, thread, True)
    world.resume(message.handle)
    for pc, rax in [(2, 0), (4, 1), (6, 2), (7, 2)]:
        message = world.receive(channel)
        assert message.type == ZX_EXCP_HW_BREAKPOINT
        regs = world.registers(thread)
        assert (regs.rip - entry, regs.rax) == (pc, rax)
        assert world.report(thread).context.arch.vector == 1
        if pc == 7:
            step(world, thread, False)
        world.resume(message.handle)
    world.close(world.receive(channel).handle)  # the exit
    assert world.ended(thread)


@pytest.mark.parametrize("call", ["zx_thread_exit", "zx_process_exit"])
def test_a_thread_that_steps_by_itself_exits(world: World, call: str) -> None:
    channel = world.listen(world.process)
    # pushf; or dword [rsp], 0x100; popf; and the call, of which two instructions come before the vDSO's
    thread = world.run(b"\x9c\x81\x0c\x24\0\1\0\0\x9d" + world.call(call))
    while world.wait(channel, ZX_CHANNEL_READABLE):
        message = world.receive(channel)
        assert message.type == ZX_EXCP_HW_BREAKPOINT
        world.resume(message.handle)
    assert world.ended(thread)


class Watcher(KernelObserver):
    def __init__(self) -> None:
        self.seen: list[tuple[ExceptionReport, int]] = []

    def on_exception(self, thread: Any, report: ExceptionReport) -> None:
        self.seen.append((report, thread.context.general().rip))


def test_observers_are_told_of_what_nobody_handles(k: Any, world: World) -> None:
    watcher = Watcher()
    k.observers.append(watcher)
    channel = world.listen(world.process)
    thread = world.thread()
    entry = world.start(thread, b"\x0f\x0b" * 2)
    message = world.receive(channel)
    world.set_registers(thread, rip=entry + 2)
    world.resume(message.handle)
    message = world.receive(channel)
    assert watcher.seen == []
    world.close(message.handle)
    assert world.ended(thread)
    assert watcher.seen == [(ExceptionReport(ZX_EXCP_UNDEFINED_INSTRUCTION, 6), entry + 2)]
