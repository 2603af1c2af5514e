"""A kick may come at any moment of a call's way to the kernel and back: nothing of the guest's is lost."""

from __future__ import annotations

import struct

import pytest

from jacinth.machine.exit import CpuException, Exit, Preempted, Syscall
from jacinth.machine.interface import EXECUTE, READ, Context
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.native.selftest import why_not
from jacinth.machine.x86_64 import GeneralRegs, Vector

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"no native engine: {why_not()}")

CODE = 0x40_0000
CALLS = 30_000


def test_a_call_keeps_its_registers_whenever_it_is_preempted() -> None:
    from jacinth.machine.native.engine import NativeEngine

    memory = PhysicalMemory(1 << 20)
    engine = NativeEngine(memory, slice_ns=5_000)
    frame = memory.allocate()
    # again: mov eax, 7; (a call); cmp rax, r9 (the answer); jne bad; dec r8; jnz again; int3; bad: ud2
    call = b"\xb8\x07\0\0\0" + engine.syscall_code + b"\x4c\x39\xc8\x75"
    loop = call + b"\x06\x49\xff\xc8\x75"
    code = loop + struct.pack("<b", -len(loop) - 1) + b"\xcc\x0f\x0b"
    memory.write(frame, 0, code)
    space = engine.aspace()
    space.map(CODE, (frame,), READ | EXECUTE)
    context = engine.context(space)
    context.start(CODE, 0, 0, 0, 0, 0)
    kept = {name: 0x11_1111_1111 * number for number, name in enumerate(_KEPT, 1)}
    context.set_general(GeneralRegs(**kept, r8=CALLS, r9=42, rip=CODE))
    fp = context.fp()
    fp.xmm = [bytes([number] * 16) for number in range(16)]
    fp.mxcsr, fp.fcw = 0x3F80, 0x27F
    context.set_fp(fp)
    calls = preempted = 0
    last: Exit | None = None

    def trap(_: int, exit_: Exit) -> Context | None:
        nonlocal calls, preempted, last
        match exit_:
            case Syscall():
                calls += 1
                context.set_result(42)
            case Preempted():
                preempted += 1
            case _:
                last = exit_
                return None
        return context

    try:
        engine.start(0, context)
        engine.wait(trap)
        assert (last, calls) == (CpuException(Vector.BP, 0), CALLS)
        assert preempted > 100
        regs = context.general()
        assert {name: getattr(regs, name) for name in _KEPT} == kept
        after = context.fp()
        assert (after.xmm, after.mxcsr, after.fcw) == (fp.xmm, fp.mxcsr, fp.fcw)
    finally:
        context.close()
        space.close()
        engine.close()
        memory.free(frame)
        memory.close()


_KEPT = ("rbx", "rdx", "rsi", "rdi", "rbp", "rsp", "r10", "r12", "r13", "r14", "r15", "fs_base", "gs_base")
