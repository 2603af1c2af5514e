"""What holds on every engine, by small pieces of hand-assembled code."""

from __future__ import annotations

import os
import random
import signal
import struct
import threading
import time
from collections.abc import Callable, Sequence

import pytest
from bare_machine import CODE, DATA, STACK_TOP, Machine, assemble, stop

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault, Preempted, Syscall
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE, Context
from jacinth.machine.x86_64 import FpRegs, GeneralRegs, RegisterBlock, Rflags, Vector

RWX = READ | WRITE | EXECUTE
HIGH = 1 << 46

SYSCALLS = """
    0f05            ; again: syscall
    ebfc            ; jmp again
"""
SPIN = "ebfe        ; again: jmp again"


def in_turn(machine: Machine, contexts: Sequence[Context]) -> None:
    """Run each until it does something."""
    left = iter(contexts)
    context = next(left)

    def trap(exit_: Exit) -> Context | None:
        nonlocal context
        if exit_ is not PREEMPTED:  # a busy host
            context = next(left, None)
        return context

    machine.run(context, trap)


# Syscalls.


def test_a_syscall_carries_number_and_eight_arguments_and_returns_a_result(machine: Machine) -> None:
    context = machine.context(machine.space(SYSCALLS))
    regs = GeneralRegs(
        rax=100,
        rdi=1,
        rsi=2,
        rdx=3,
        r10=4,
        r8=5,
        r9=6,
        r12=7,
        r13=2**64 - 8,
        rip=CODE,
        rbx=9,
        rbp=10,
        r14=11,
        r15=12,
    )
    context.set_general(regs)
    seen = []

    def trap(exit_: Exit) -> Context | None:
        assert exit_ is SYSCALL
        seen.append(context.syscall())
        context.set_result(-3)
        return context if len(seen) < 2 else None

    machine.run(context, trap)
    arguments = (1, 2, 3, 4, 5, 6, 7, 2**64 - 8)
    assert seen == [(100, *arguments, CODE), (2**64 - 3, *arguments, CODE)]
    after = context.general()
    assert (after.rax, after.rip, after.rbx, after.rbp, after.r14, after.r15) == (
        2**64 - 3,
        CODE + 2,
        9,
        10,
        11,
        12,
    )


@pytest.mark.parametrize("text", ["0f05", "480f05", "66480f05"])
def test_the_pc_in_a_syscall_is_that_of_the_next_instruction(machine: Machine, text: str) -> None:
    context = machine.context(machine.space(text + "0f0b"))
    inside = []

    def trap(exit_: Exit) -> Context | None:
        inside.append(context.pc)
        return context if len(inside) < 2 else None

    assert machine.run(context, trap) == [SYSCALL, CpuException(Vector.UD, 0)]
    assert inside == [CODE + len(text) // 2] * 2


@pytest.mark.parametrize("idle", [False, True])
def test_the_pc_can_be_changed_in_a_syscall(machine: Machine, idle: bool) -> None:
    context = machine.context(machine.space("0f05 0f0b 90 cc"))
    seen = []

    def trap(exit_: Exit) -> Context | None:
        seen.append(exit_)
        if exit_ is SYSCALL:
            context.pc = CODE + 5
            assert context.pc == CODE + 5
            return None if idle else context
        return None

    machine.run(context, trap)
    if idle:
        machine.run(context, trap)
    assert seen == [SYSCALL, CpuException(Vector.BP, 0)]
    assert context.pc == CODE + 6


def test_all_registers_can_be_changed_in_a_syscall(machine: Machine) -> None:
    context = machine.context(machine.space("0f05 0f0b cc"))
    fresh = GeneralRegs(*range(1, 17), rip=CODE + 4, rflags=0xCD7, fs_base=0x1234, gs_base=0x5678)

    def trap(exit_: Exit) -> Context | None:
        if exit_ is SYSCALL:
            context.set_general(fresh)
            return context
        return None

    assert machine.run(context, trap) == [SYSCALL, CpuException(Vector.BP, 0)]
    fresh.rip += 1
    fresh.rflags = 0xED7 & ~Rflags.TF  # level 3 always runs with interrupts allowed
    assert context.general() == fresh


# Starting, switching.


def test_a_fresh_thread_has_its_registers_and_nothing_else(machine: Machine) -> None:
    context = machine.engine.context(machine.space("0f0b"))
    context.set_general(GeneralRegs(*[7] * 16))
    context.set_fp(FpRegs(fcw=0x27F, mxcsr=0x9FC0, xmm=[b"x" * 16] * 16))
    context.start(CODE, STACK_TOP, 1, 2, 3, 4)
    machine.run(context)
    assert context.general() == GeneralRegs(
        rip=CODE, rsp=STACK_TOP, rdi=1, rsi=2, fs_base=3, gs_base=4, rflags=0x202
    )
    assert context.fp() == FpRegs()
    assert (context.pc, context.sp) == (CODE, STACK_TOP)


ALL_FLAGS = Rflags.ARITHMETIC | Rflags.DF | Rflags.AC | Rflags.ID


@pytest.mark.parametrize("flags", [0, ALL_FLAGS, Rflags.CF, Rflags.DF, Rflags.OF | Rflags.ZF])
def test_the_flags_of_a_context_that_starts_are_those_that_were_set(machine: Machine, flags: int) -> None:
    context = machine.context(machine.space("9c 58 0f05"))  # pushfq; pop rax; syscall
    context.set_general(GeneralRegs(rip=CODE, rsp=STACK_TOP, rflags=flags))
    machine.run(context)
    assert context.general().rax == flags | 0x202
    assert context.general().rflags == flags | 0x202


def test_flags_are_kept_where_a_context_goes_idle_at_a_fault(machine: Machine) -> None:
    context = machine.context(
        machine.space("fd f9 0f0b 9c 58 0f05")
    )  # std; stc; ud2; pushfq; pop rax; syscall
    machine.run(context)
    context.pc += 2
    assert machine.run(context) == [SYSCALL]
    assert context.general().rax & (Rflags.DF | Rflags.CF) == Rflags.DF | Rflags.CF


def test_no_flags_are_left_of_those_before_a_preemption(machine: Machine) -> None:
    """They are cleared within the CPU after the context was preempted with them, and another came in between."""
    preempted = machine.context(
        machine.space("f9 fd ebfe 31c0 fc 9c 58 0f05")
    )  # stc; std; jmp $; xor; cld; pushfq...
    machine.engine.kick()
    machine.run(preempted, stop)
    machine.run(preempted, lambda exit_: None if exit_ is PREEMPTED else preempted)
    assert preempted.pc == CODE + 2
    preempted.pc = CODE + 4
    other = machine.context(machine.space("0f05"))
    assert machine.run(other, lambda _: preempted if preempted.pc == CODE + 4 else None) == [SYSCALL, SYSCALL]
    assert preempted.general().rax == 0x202 | Rflags.ZF | Rflags.PF


@pytest.mark.parametrize("idle", [False, True])
def test_flags_are_kept_over_a_syscall_with_others_in_between(machine: Machine, idle: bool) -> None:
    # std; stc; syscall; pushfq; pop rax; syscall
    one, two = (machine.context(machine.space("fd f9 0f05 9c 58 0f05")) for _ in range(2))
    following = {one: two, two: one}
    seen = []

    def trap(exit_: Exit, context: Context) -> Context | None:
        seen.append(context)
        context.set_result(0)
        return None if idle or len(seen) == 4 else following[context]

    if idle:
        for context in (one, two, one, two):
            machine.run(context, lambda exit_, context=context: trap(exit_, context))
    else:
        order = iter((one, two, one, two))
        machine.run(one, lambda exit_: trap(exit_, next(order)))
    for context in (one, two):
        assert context.pc == CODE + 8
        assert context.general().rflags == 0x202 | Rflags.DF | Rflags.CF


COUNTER = """
    48ffc3          ; again: inc rbx
    0f05            ; syscall
    ebf9            ; jmp again
"""


@pytest.mark.parametrize("shared", [True, False])
def test_many_contexts_keep_their_own_registers(machine: Machine, shared: bool) -> None:
    space = machine.space(COUNTER)
    contexts = [machine.context(space if shared else machine.space(COUNTER), arg2=i) for i in range(20)]
    for i, context in enumerate(contexts):
        general = context.general()
        general.rbx = i * 1000
        general.fs_base = i
        context.set_general(general)
    order = [contexts[i * 7 % 20] for i in range(200)]
    in_turn(machine, order)
    for i, context in enumerate(contexts):
        general = context.general()
        assert (general.rbx, general.rsi, general.fs_base, general.rip) == (i * 1000 + 10, i, i, CODE + 5)


def test_a_switch_within_a_fault_goes_on_at_the_other_context(machine: Machine) -> None:
    space = machine.space("8a07 0f0b")  # mov al, [rdi]; ud2
    one = machine.context(space, arg1=0x405000)
    two = machine.context(space, arg1=0x406000)
    exits = machine.run(one, lambda exit_: {0x405000: two}.get(getattr(exit_, "address", 0)))
    assert exits == [PageFault(0x405000, READ, False, 4), PageFault(0x406000, READ, False, 4)]
    assert (one.pc, two.pc) == (CODE, CODE)


def test_the_address_space_of_a_context_can_be_changed_in_a_syscall(machine: Machine) -> None:
    first, second = machine.space("0f05 0f0b"), machine.space("90 90 cc")
    context = machine.context(first)

    def trap(exit_: Exit) -> Context | None:
        context.aspace = second
        return context if exit_ is SYSCALL else None

    assert machine.run(context, trap) == [SYSCALL, CpuException(Vector.BP, 0)]
    assert context.aspace is second


def test_floating_point_state_stays_with_its_context(machine: Machine) -> None:
    space = machine.space(
        """
        d9e8            ; again: fld1
        d807            ; fadd dword [rdi]
        f30f5807        ; addss xmm0, [rdi]
        660f6f c8       ; movdqa xmm1, xmm0
        0f05            ; syscall
        ddd8            ; fstp st0
        ebee            ; jmp again
        """
    )
    machine.memory.write(machine.frame_at(space, DATA), 0, struct.pack("<f", 0.5))
    contexts = [machine.context(space) for _ in range(3)]
    in_turn(machine, [*contexts * 3])
    for context in contexts:
        fp = context.fp()
        assert struct.unpack("<f", fp.xmm[0][:4]) == struct.unpack("<f", fp.xmm[1][:4]) == (1.5,)
        assert fp.st[0][:10] == bytes.fromhex("000000000000 00c0 ff3f")  # 1.5
        assert fp.ftw == 0x3FFF and fp.fsw >> 11 & 7 == 7


def test_rounding_modes_stay_with_their_context(machine: Machine) -> None:
    space = machine.space(
        """
        f3480f2dc0      ; cvtss2si rax, xmm0
        d9e8            ; fld1
        d807            ; fadd dword [rdi]
        db5f08          ; fistp dword [rdi+8]
        0f05            ; syscall
        """
    )
    frame = machine.frame_at(space, DATA)
    machine.memory.write(frame, 0, struct.pack("<f", 0.5))
    down, up = machine.context(space), machine.context(space)
    value = struct.pack("<f", 1.5) + bytes(12)
    down.set_fp(FpRegs(fcw=0x77F, mxcsr=0x3F80, xmm=[value] * 16))
    up.set_fp(FpRegs(fcw=0xB7F, mxcsr=0x5F80, xmm=[value] * 16))
    answers = []
    for context in (down, up, down, up):
        context.pc = CODE
        machine.run(context)
        answers.append((context.general().rax, struct.unpack("<I", machine.memory.read(frame, 8, 4))[0]))
    assert answers == [(1, 1), (2, 2)] * 2
    # Unicorn keeps no exception flags in mxcsr.
    assert [(context.fp().fcw, context.fp().mxcsr & ~0x3F) for context in (down, up)] == [
        (0x77F, 0x3F80),
        (0xB7F, 0x5F80),
    ]


def test_floating_point_registers_read_back_as_written(machine: Machine) -> None:
    context = machine.context(machine.space("0f0b"))
    fp = FpRegs(
        fcw=0x27F,
        fsw=2 << 11 | 0x41,
        ftw=0x5555,
        fop=0x123,
        fip=0x1122334455667788,
        fdp=0x99,
        st=[bytes([0] * 16) for i in range(8)],
        mxcsr=0x1F80,
        xmm=[bytes([i] * 16) for i in range(16)],
    )
    context.set_fp(fp)
    assert context.fp() == fp
    machine.run(context)
    if machine.native:  # these the processor keeps with an exception alone
        fp.fop, fp.fip, fp.fdp = context.fp().fop, context.fp().fip, context.fp().fdp
    assert context.fp() == fp


def test_guests_set_fs_and_gs_bases_themselves(machine: Machine) -> None:
    space = machine.space("f3480faed7 f3480faede 0f05 64488b042500000000 0f05")
    # wrfsbase rdi; wrgsbase rsi; syscall; mov rax, fs:[0]; syscall
    context = machine.context(space, arg2=0x77)
    other = machine.context(space)
    seen = 0

    def trap(_: Exit) -> Context | None:
        nonlocal seen
        seen += 1
        return {1: other, 2: context}.get(seen)

    machine.memory.write(machine.frame_at(space, DATA), 0, struct.pack("<Q", 42))
    machine.run(context, trap)
    general = context.general()
    assert (general.fs_base, general.gs_base, general.rax) == (DATA, 0x77, 42)


# Faults and exceptions.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8a042500504000", PageFault(0x405000, READ, False, 4)),  # mov al, [0x405000]
        ("c6042500504000 01", PageFault(0x405000, WRITE, False, 6)),  # mov byte [0x405000], 1
        ("c6042500004100 01", PageFault(CODE, WRITE, True, 7)),  # mov byte [CODE], 1
        ("0f0b", CpuException(Vector.UD, 0)),
        ("31c9 f7f1", CpuException(Vector.DE, 0)),  # xor ecx, ecx; div ecx
        ("f4", CpuException(Vector.GP, 0)),  # hlt
        ("fa", CpuException(Vector.GP, 0)),  # cli
        ("0f22d8", CpuException(Vector.GP, 0)),  # mov cr3, rax
        ("0f30", CpuException(Vector.GP, 0)),  # wrmsr
        ("a10000000000000080", CpuException(Vector.GP, 0)),  # mov eax, [non-canonical]
        ("cd80", CpuException(Vector.GP, 0x80 << 3 | 2)),  # int 0x80
        ("cd0d", CpuException(Vector.GP, 13 << 3 | 2)),  # int 13
        ("cd0e", CpuException(Vector.GP, 14 << 3 | 2)),  # int 14, which is no page fault
        ("cd06", CpuException(Vector.GP, 6 << 3 | 2)),  # int 6, which is no undefined instruction
    ],
)
def test_an_exception_reports_kind_and_instruction(machine: Machine, text: str, expected: Exit) -> None:
    context = machine.context(machine.space("90" + text))
    assert machine.run(context) == [expected]
    assert context.pc == CODE + 1 + (2 if "f7f1" in text else 0)


def test_a_jump_to_nowhere_faults_there(machine: Machine) -> None:
    context = machine.context(machine.space("ffe0"))  # jmp rax, to 0
    assert machine.run(context) == [PageFault(0, EXECUTE, False, 0x14)]
    assert context.pc == 0


def test_data_is_not_executed(machine: Machine) -> None:
    context = machine.context(machine.space(), pc=DATA)
    assert machine.run(context) == [PageFault(DATA, EXECUTE, True, 0x15)]


def test_int3_reports_the_pc_after_it(machine: Machine) -> None:
    context = machine.context(machine.space("cc"))
    assert machine.run(context) == [CpuException(Vector.BP, 0)]
    assert context.pc == CODE + 1


def test_an_x87_exception_is_delivered_when_unmasked(machine: Machine) -> None:
    context = machine.context(machine.space("d9e8 d9ee def9 9b"))  # fld1; fldz; fdivp; fwait
    context.set_fp(FpRegs(fcw=0x37B))  # zero divide unmasked
    assert machine.run(context) == [CpuException(Vector.MF, 0)]


def test_a_fault_is_retried_after_it_was_handled(machine: Machine) -> None:
    space = machine.space("8807 8a07 0f0b")  # mov [rdi], al; mov al, [rdi]; ud2
    context = machine.context(space, arg1=0x405800)
    general = context.general()
    general.rax = 0x41
    context.set_general(general)
    frame = machine.frame()

    def trap(exit_: Exit) -> Context | None:
        if not isinstance(exit_, PageFault):
            return None
        space.map(exit_.address & -PAGE_SIZE, [frame], READ | WRITE)
        return context

    assert machine.run(context, trap) == [PageFault(0x405800, WRITE, False, 6), CpuException(Vector.UD, 0)]
    assert machine.memory.read(frame, 0x800, 1) == b"A"


def test_exceptions_do_not_add_up(machine: Machine) -> None:
    """Unicorn never clears the exception in flight: left alone, the second one becomes a double fault."""
    context = machine.context(machine.space("8a042500504000"))
    count = 0

    def trap(_: Exit) -> Context | None:
        nonlocal count
        count += 1
        return context if count < 10 else None

    assert machine.run(context, trap) == [PageFault(0x405000, READ, False, 4)] * 10
    context = machine.context(machine.space("f4"))
    exits = [machine.run(context)[0] for _ in range(3)]
    assert exits == [CpuException(Vector.GP, 0)] * 3


@pytest.mark.parametrize("text", ["ec", "ee", "e410", "66ed", "6e"])
def test_port_instructions_fault_before_anything_else_happened(machine: Machine, text: str) -> None:
    """Unicorn lets level 3 use ports, and cannot be stopped before the end of the block."""
    space = machine.space(text + "48ffc3 8a042500504000 0f05")  # ...; inc rbx; mov al, [0x405000]; syscall
    context = machine.context(space)
    general = context.general()
    general.rax, general.rsi = 0x1234, DATA
    context.set_general(general)
    before = context.general()
    assert machine.run(context) == [CpuException(Vector.GP, 0)]
    assert context.general() == before
    assert machine.run(context) == [CpuException(Vector.GP, 0)]


@pytest.mark.parametrize("tail", ["0f05", "0f0b", "cc", "f4", "0f31 0f05"])
def test_port_instructions_fault_whatever_follows_them(machine: Machine, tail: str) -> None:
    context = machine.context(machine.space("ec" + tail))
    assert machine.run(context) == [CpuException(Vector.GP, 0)]
    assert context.pc == CODE
    context.pc = CODE + 1
    assert machine.run(context) != [CpuException(Vector.GP, 0)] or tail == "f4"


# Address spaces.


def test_protect_and_unmap_take_effect_at_once(machine: Machine) -> None:
    space = machine.space(
        """
        8a07            ; again: mov al, [rdi]
        8807            ; mov [rdi], al
        0f05            ; syscall
        ebf8            ; jmp again
        """
    )
    context = machine.context(space)
    steps = [
        lambda: space.protect(DATA, 1, READ),
        lambda: space.protect(DATA, 1, READ | WRITE),
        lambda: space.protect(DATA, 1, 0),
        lambda: space.protect(DATA, 1, READ | WRITE),
        lambda: space.unmap(DATA, 1),
    ]

    def trap(_: Exit) -> Context | None:
        if not steps:
            return None
        steps.pop(0)()
        return context

    assert machine.run(context, trap) == [
        SYSCALL,
        PageFault(DATA, WRITE, True, 7),
        SYSCALL,
        PageFault(DATA, READ, False, 4),
        SYSCALL,
        PageFault(DATA, READ, False, 4),
    ]


def test_a_replaced_page_is_seen_at_once(machine: Machine) -> None:
    space = machine.space("8a07 0f05 ebfa")  # again: mov al, [rdi]; syscall; jmp again
    context = machine.context(space)
    frames = [machine.frame(bytes([i])) for i in range(1, 6)]
    seen = []

    def trap(_: Exit) -> Context | None:
        seen.append(context.general().rax & 0xFF)
        if not frames:
            return None
        space.map(DATA, [frames.pop(0)], READ)
        return context

    machine.run(context, trap)
    assert seen == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [-1, 1 << 40, (64 << 20) // PAGE_SIZE])
def test_a_frame_beyond_the_memory_is_never_mapped(machine: Machine, bad: int) -> None:
    """Unicorn takes no page fault there, it fails."""
    space = machine.space()
    with pytest.raises(ValueError, match="beyond"):
        space.map(0x405000, [bad], READ)
    with pytest.raises(ValueError, match="beyond"):
        space.map(0x405000, [0, bad], READ)


@pytest.mark.parametrize("address", [1 << 47, -PAGE_SIZE, 1 << 63])
def test_nothing_is_mapped_outside_of_user_space(machine: Machine, address: int) -> None:
    space = machine.space()
    with pytest.raises(ValueError, match="user space"):
        space.map(address, [0], READ)


def test_many_address_spaces_see_their_own_memory(machine: Machine) -> None:
    text = "8a07 0f05 ebfa"  # again: mov al, [rdi]; syscall; jmp again
    contexts = []
    for i in range(50):
        space = machine.space(text)
        machine.memory.write(machine.frame_at(space, DATA), 0, bytes([i]))
        contexts.append(machine.context(space))
    in_turn(machine, (contexts * 3))
    assert [context.general().rax & 0xFF for context in contexts] == list(range(50))


@pytest.mark.parametrize("seed", range(6))
def test_address_spaces_change_in_any_order_while_others_are_loaded(machine: Machine, seed: int) -> None:
    """Whoever runs next sees the code and the data of its own space as they are then, and its own registers."""
    choose = random.Random(seed)
    contexts: list[Context] = []
    model: dict[
        Context, list[int]
    ] = {}  # what its code puts into bl, what its data is (-1: nothing there), rounds in rsi

    def text(number: int) -> bytes:
        return bytes([0xB3, number]) + assemble(
            "8a07 48ffc6 0f05 ebf5"
        )  # again: mov bl, n; mov al, [rdi]; inc rsi; ...

    def begin() -> None:
        number = choose.randrange(256)
        space = machine.space(text(number))
        context = machine.context(space)
        machine.memory.write(machine.frame_at(space, DATA), 0, bytes([number ^ 1]))
        contexts.append(context)
        model[context] = [number, number ^ 1, 0]

    def change(context: Context) -> None:
        number = choose.randrange(256)
        match choose.randrange(5):
            case 0:
                context.aspace.map(DATA, [machine.frame(bytes([number]))], READ)
                model[context][1] = number
            case 1:
                context.aspace.unmap(DATA, 1)
                model[context][1] = -1
            case 2:
                context.aspace.map(CODE, [machine.frame(text(number))], READ | EXECUTE)
                model[context][0] = number
            case 3:
                context.aspace.unmap(DATA - 512 * PAGE_SIZE, 1024)  # enough to forget everything
                model[context] = [0, -1, 0]
                contexts.remove(context)
            case 4:
                context.close()
                context.aspace.close()
                machine.spaces.remove(context.aspace)
                contexts.remove(context)

    for _ in range(3):
        begin()
    running = contexts[0]
    turns = 0

    def trap(exit_: Exit) -> Context | None:
        nonlocal running, turns
        if exit_ is PREEMPTED:
            return running
        turns += 1
        number, data, rounds = model[running]
        general = running.general()
        if data < 0:
            assert exit_ == PageFault(DATA, READ, False, 4)
            running.pc = CODE
        else:
            assert exit_ is SYSCALL
            assert (general.rbx & 0xFF, general.rax & 0xFF) == (number, data)
            model[running][2] = rounds = rounds + 1
        assert general.rsi == rounds
        if choose.random() < 0.2:
            change(choose.choice(contexts))
        while len(contexts) < 3:
            begin()
        running = choose.choice(contexts[:2] if choose.random() < 0.7 else contexts)
        return running if turns < 300 else None

    machine.run(running, trap)


def test_an_address_space_that_is_loaded_can_be_closed(machine: Machine) -> None:
    one, two = machine.space("0f05"), machine.space("cc")
    context = machine.context(one)
    machine.run(context)
    one.close()
    machine.spaces.remove(one)
    assert machine.run(machine.context(two)) == [CpuException(Vector.BP, 0)]
    with pytest.raises(ValueError, match="closed"):
        machine.run(context)


# Unified views.


def _unified(machine: Machine) -> tuple[Machine, Context]:
    lower = machine.space("8a06 8807 0f05 ebf8")  # again: mov al, [rsi]; mov [rdi], al; syscall; jmp again
    upper = machine.engine.aspace()
    view = machine.engine.unified(lower, upper)
    machine.spaces += [upper, view]
    return machine, machine.context(view, arg1=DATA, arg2=HIGH)


def test_a_unified_view_shows_both_and_what_is_mapped_later(machine: Machine) -> None:
    _, context = _unified(machine)
    _, upper, _ = machine.spaces
    frame = machine.frame(b"A")

    def trap(exit_: Exit) -> Context | None:
        if isinstance(exit_, PageFault):
            upper.map(HIGH, [frame], READ)
            return context
        return None

    assert machine.run(context, trap) == [PageFault(HIGH, READ, False, 4), SYSCALL]
    assert machine.memory.read(machine.frame_at(machine.spaces[0], DATA), 0, 1) == b"A"


def test_unmapping_in_a_part_takes_effect_in_the_view_that_runs(machine: Machine) -> None:
    _, context = _unified(machine)
    lower, upper, _ = machine.spaces
    upper.map(HIGH, [machine.frame(b"A")], READ)
    steps = [lambda: lower.protect(DATA, 1, READ), lambda: upper.unmap(HIGH, 1)]

    def trap(exit_: Exit) -> Context | None:
        if not steps:
            return None
        if isinstance(exit_, PageFault):
            lower.protect(DATA, 1, READ | WRITE)
        steps.pop(0)()
        return context

    assert machine.run(context, trap)[:2] == [SYSCALL, PageFault(DATA, WRITE, True, 7)]


def test_each_half_answers_from_its_own_part_only(machine: Machine) -> None:
    _, context = _unified(machine)
    lower, upper, view = machine.spaces
    lower.map(HIGH, [machine.frame()], READ)
    upper.map(0x405000, [machine.frame()], READ)
    assert machine.run(context) == [PageFault(HIGH, READ, False, 4)]
    assert machine.frame_at(view, HIGH) == machine.frame_at(view, 0x405000) == 0


def test_one_shared_upper_part_under_several_lower_parts(machine: Machine) -> None:
    upper = machine.engine.aspace()
    machine.spaces.append(upper)
    shared = machine.frame(b"S")
    contexts = []
    for i in range(3):
        lower = machine.space("8a06 0207 0f05")  # mov al, [rsi]; add al, [rdi]; syscall
        machine.memory.write(machine.frame_at(lower, DATA), 0, bytes([i]))
        view = machine.engine.unified(lower, upper)
        machine.spaces.append(view)
        contexts.append(machine.context(view, arg2=HIGH))
    upper.map(HIGH, [shared], READ)
    in_turn(machine, contexts)
    assert [context.general().rax for context in contexts] == [ord("S"), ord("S") + 1, ord("S") + 2]


def test_a_part_cannot_be_closed_under_its_view(machine: Machine) -> None:
    _unified(machine)
    with pytest.raises(ValueError, match="unified"):
        machine.spaces[0].close()


# Code that changes.

PATCH = """
    b8 01000000     ; patched: mov eax, 1
    0f05            ; syscall
    ebf7            ; jmp patched
"""


def test_code_written_by_the_kernel_runs_at_once(machine: Machine) -> None:
    """Unicorn keeps translations of code that the host changes."""
    space = machine.space(PATCH)
    context = machine.context(space)
    seen = []

    def trap(_: Exit) -> Context | None:
        seen.append(context.syscall()[0])
        machine.memory.write(machine.frame_at(space, CODE), 1, bytes([len(seen) + 1]))
        return context if len(seen) < 5 else None

    machine.run(context, trap)
    assert seen == [1, 2, 3, 4, 5]


def test_a_frame_that_held_code_can_hold_other_code(machine: Machine) -> None:
    space = machine.space()
    for i in range(1, 5):
        frame = machine.memory.allocate()
        machine.memory.write(frame, 0, assemble(PATCH).replace(b"\x01", bytes([i]), 1))
        space.map(CODE, [frame], READ | EXECUTE)
        context = machine.context(space)
        machine.run(context)
        assert context.syscall()[0] == i
        space.unmap(CODE, 1)
        machine.memory.free(frame)


def test_self_modifying_code_in_its_own_page(machine: Machine) -> None:
    space = machine.space(
        """
        b8 00000000     ; again: mov eax, 0
        fe05 f6ffffff   ; inc byte [again + 1]
        83f8 10         ; cmp eax, 16
        75f0            ; jne again
        0f05            ; syscall
        """,
        RWX,
    )
    context = machine.context(space)
    assert machine.run(context) == [SYSCALL]
    assert context.syscall()[0] == 16


def test_an_instruction_across_two_pages_may_write_to_both(machine: Machine) -> None:
    """An instruction and what it writes lie in the same page, asked for with WRITE and EXECUTE."""
    # mov byte [rip+5], 'A'; syscall
    text = bytes(PAGE_SIZE - 3) + assemble("c6050500000041 0f05 90 90 90 00")
    space = machine.space(text, RWX)
    context = machine.context(space, pc=CODE + PAGE_SIZE - 3)
    assert machine.run(context) == [SYSCALL]
    assert machine.memory.read(machine.frame_at(space, CODE + PAGE_SIZE), 9, 1) == b"A"


def test_a_just_in_time_compiler_writes_and_calls_in_turn(machine: Machine) -> None:
    """A page asked for with WRITE and EXECUTE is written and run in turn; the kernel sees no fault."""
    space = machine.space(
        """
        c607 b8         ; mov byte [rdi], 0xb8 (mov eax, ...)
        897701          ; again: mov [rdi + 1], esi
        c64705 c3       ; mov byte [rdi + 5], 0xc3 (ret)
        ffd7            ; call rdi
        01c3            ; add ebx, eax
        ffce            ; dec esi
        75f1            ; jnz again
        0f05            ; syscall
        """
    )
    space.map(DATA, [machine.frame()], RWX)
    context = machine.context(space, arg2=20)
    assert machine.run(context) == [SYSCALL]
    assert context.general().rbx == 20 * 21 // 2


@pytest.mark.parametrize("writable_first", [True, False])
@pytest.mark.parametrize("access", [READ | EXECUTE, RWX])
def test_one_frame_written_here_and_run_there(machine: Machine, writable_first: bool, access: int) -> None:
    """Unicorn alone would go on running what it translated first."""
    space = machine.space(
        """
        897701          ; again: mov [rdi + 1], esi
        41ffd0          ; call r8
        01c3            ; add ebx, eax
        ffce            ; dec esi
        75f4            ; jnz again
        0f05            ; syscall
        """
    )
    frame = machine.frame(assemble("b800000000 c3"))  # mov eax, 0; ret
    if writable_first:
        space.map(DATA, [frame], READ | WRITE)
    space.map(0x450000, [frame], access)
    if not writable_first:
        space.map(DATA, [frame], READ | WRITE)
    context = machine.context(space, arg2=20)
    general = context.general()
    general.r8 = 0x450000
    context.set_general(general)
    assert machine.run(context) == [SYSCALL]
    assert context.general().rbx == 20 * 21 // 2


def test_code_written_through_another_address_space_runs_at_once(machine: Machine) -> None:
    runner, writer = (
        machine.space(PATCH),
        machine.space("c6 47 01 07 0f05 ebf8"),
    )  # mov byte [rdi+1], 7; syscall
    run = machine.context(runner)
    machine.run(run)
    assert run.syscall()[0] == 1
    writer.map(0x450000, [machine.frame_at(runner, CODE)], READ | WRITE)
    machine.run(machine.context(writer, arg1=0x450000))
    machine.run(run)
    assert run.syscall()[0] == 7


def test_a_page_turned_from_data_to_code_and_back(machine: Machine) -> None:
    """A compiler that asks for protections in turn. Unicorn notices the first store to a page only."""
    space = machine.space(
        """
        c607b8          ; mov byte [rdi], 0xb8
        897701          ; mov [rdi+1], esi
        c64705c3        ; mov byte [rdi+5], 0xc3
        c64740b8        ; mov byte [rdi+64], 0xb8
        897741          ; mov [rdi+65], esi
        c64745c3        ; mov byte [rdi+69], 0xc3
        0f05            ; syscall: make it code
        488d4f40        ; lea rcx, [rdi+64]
        ffd7            ; call rdi
        01c3            ; add ebx, eax
        ffd1            ; call rcx
        01c3            ; add ebx, eax
        0f05            ; syscall: make it data
        ffce            ; dec esi
        75d7            ; jnz to the beginning
        0f0b
        """
    )
    context = machine.context(space, arg2=10)
    kinds = iter([READ | EXECUTE, READ | WRITE] * 10)

    def trap(exit_: Exit) -> Context | None:
        if exit_ is not SYSCALL:
            return None
        space.protect(DATA, 1, next(kinds))
        return context

    assert machine.run(context, trap) == [SYSCALL] * 20 + [CpuException(Vector.UD, 0)]
    assert context.general().rbx == 2 * 10 * 11 // 2
    context.pc = DATA
    assert machine.run(context) == [PageFault(DATA, EXECUTE, True, 0x15)]  # data again, and no more than that


def test_kick_delivers_preempted_soon(machine: Machine) -> None:
    machine.engine.quantum = 1 << 40  # type: ignore[attr-defined]
    context = machine.context(machine.space(SYSCALLS))

    def trap(exit_: Exit) -> Context | None:
        if exit_ is SYSCALL:
            machine.engine.kick()
            return context
        return None

    assert machine.run(context, trap) == [SYSCALL, PREEMPTED]
    machine.engine.kick()
    assert machine.run(context, stop) == [PREEMPTED]
    assert machine.run(context) == [SYSCALL]


def test_kick_from_a_signal_handler_and_from_a_thread(machine: Machine) -> None:
    machine.engine.quantum = 50_000  # type: ignore[attr-defined]  # where blocks are counted
    context = machine.context(machine.space(SYSCALLS))
    go_on = lambda exit_: context if exit_ is SYSCALL else None  # noqa: E731
    before = signal.signal(signal.SIGUSR1, lambda *_: machine.engine.kick())
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        assert machine.run(context, go_on)[-1] is PREEMPTED
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    timer = threading.Timer(0.02, machine.engine.kick)
    timer.start()
    assert machine.run(context, go_on)[-1] is PREEMPTED
    timer.join()


def test_kick_of_a_context_that_is_switched_to(machine: Machine) -> None:
    machine.engine.quantum = 1 << 40  # type: ignore[attr-defined]
    space = machine.space("0f05 ebfe")  # syscall; spin
    one, two = machine.context(space), machine.context(space, pc=CODE + 2)

    def trap(exit_: Exit) -> Context | None:
        if exit_ is SYSCALL:
            machine.engine.kick()
            return two
        return None

    assert machine.run(one, trap) == [SYSCALL, PREEMPTED]
    assert two.pc == CODE + 2


def test_a_slice_that_ends_within_a_trap(make: Callable[..., Machine]) -> None:
    timed = make(slice_ns=60_000_000)
    space = timed.space("0f05 ebfe")
    contexts = [timed.context(space) for _ in range(4)]
    steps = iter([contexts[0], contexts[1], contexts[1], contexts[2], None])

    def trap(_: Exit) -> Context | None:
        time.sleep(0.08)
        return next(steps)

    exits = timed.run(contexts[0], trap)
    # Who stays is preempted at once; who comes in the middle of a trap has a slice of its own.
    assert exits[:3] == [SYSCALL, PREEMPTED, SYSCALL] and len(exits) == 5


def test_guests_that_never_come_back_leave_turns_to_signal_handlers(timed: Machine) -> None:
    class Alarm(BaseException):
        pass

    def ring(*_: object) -> None:
        raise Alarm

    context = timed.context(timed.space(SPIN))
    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(10):
            with pytest.raises(Alarm):
                signal.setitimer(signal.ITIMER_REAL, 0.005)
                timed.run(context, lambda _: context)
            assert context.pc == CODE
    finally:
        signal.signal(signal.SIGALRM, before)


def test_no_tick_comes_while_the_engine_is_idle(make: Callable[..., Machine]) -> None:
    timed = make(slice_ns=50_000_000)
    spin, call = timed.context(timed.space(SPIN)), timed.context(timed.space(SYSCALLS))
    for _ in range(8):
        assert timed.run(spin, stop) == [PREEMPTED]
        time.sleep(0.06)
        assert timed.run(call) == [SYSCALL]


def test_a_late_tick_finds_an_engine_that_is_closed(native: bool) -> None:
    for i in range(20):
        machine = Machine(native, slice_ns=20_000)
        context = machine.context(machine.space(SPIN))
        count = 0

        def trap(_: Exit, context: Context = context, most: int = 1 + i % 5) -> Context | None:
            nonlocal count
            count += 1
            return context if count < most else None

        machine.run(context, trap)
        machine.close()
        machine.engine.kick()  # of no use, but does no harm


# Single step.


def test_single_step_reports_every_instruction(machine: Machine) -> None:
    context = machine.context(machine.space("90 48ffc3 0f05 90 90"))
    context.single_step = True
    assert context.single_step
    places: list[tuple[type, int]] = []

    def trap(exit_: Exit) -> Context | None:
        places.append((type(exit_), context.pc - CODE))
        if len(places) == 5:
            context.single_step = False
            return None
        return context

    machine.run(context, trap)
    step = CpuException
    assert places == [(step, 1), (step, 4), (Syscall, 6), (step, 6), (step, 7)]


def test_a_step_over_a_syscall_is_reported_when_its_context_runs_again(machine: Machine) -> None:
    space = machine.space("0f05 90 90")
    stepped, other = machine.context(space), machine.context(space)
    stepped.single_step = True
    seen: list[tuple[str, type]] = []
    script = iter([other, stepped, None])

    def trap(exit_: Exit) -> Context | None:
        seen.append(("stepped" if len(seen) != 1 else "other", type(exit_)))
        return next(script)

    machine.run(stepped, trap)
    assert seen == [("stepped", Syscall), ("other", Syscall), ("stepped", CpuException)]
    assert (stepped.pc, other.pc) == (CODE + 2, CODE + 2)


def test_a_step_over_a_syscall_that_goes_idle_is_not_lost(machine: Machine) -> None:
    context = machine.context(machine.space("0f05 90 90"))
    context.single_step = True
    assert machine.run(context) == [SYSCALL]
    assert machine.run(context) == [CpuException(Vector.DB, 0)]
    assert context.pc == CODE + 2
    assert machine.run(context) == [CpuException(Vector.DB, 0)]
    assert context.pc == CODE + 3


@pytest.mark.parametrize("another", [True, False])
def test_a_step_over_a_syscall_that_ends_its_context_is_nobodys(machine: Machine, another: bool) -> None:
    space = machine.space("0f05 90 90")
    stepped, other = machine.context(space), machine.context(space)
    stepped.single_step = True
    seen: list[Exit] = []

    def trap(exit_: Exit) -> Context | None:
        seen.append(exit_)
        if len(seen) > 1:
            return None
        stepped.close()
        return other if another else None

    machine.run(stepped, trap)
    if not another:
        machine.run(other, trap)
    assert seen == [SYSCALL, SYSCALL]
    assert other.pc == CODE + 2


# Errors of the kernel.


@pytest.mark.parametrize("text", ["0f05 ebfc", "0f0b", "8a042500504000", "ebfe", "cc", "ec"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_in_the_trap_leaves_wait(
    machine: Machine, text: str, error: type[BaseException]
) -> None:
    context = machine.context(machine.space(text))

    def trap(_: Exit) -> Context | None:
        raise error

    for _ in range(3):
        context.pc = CODE
        with pytest.raises(error):
            machine.run(context, trap)
    context.pc = CODE
    assert len(machine.run(context, stop)) == 1  # the machine is fit for use


def test_an_interrupt_from_the_keyboard_ends_an_endless_loop(make: Callable[..., Machine]) -> None:
    machine = make()
    context = machine.context(machine.space(SPIN))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()  # in here, since a busy host may be late with everything that follows
        machine.run(context, lambda _: context)
    timer.join()


def test_no_syscall_is_lost_to_an_interrupt(make: Callable[..., Machine]) -> None:
    """A signal that arrives while guest code runs is handled at the entry of a hook, outside of any `try`."""
    machine = make()
    context = machine.context(machine.space(COUNTER))
    traps = 0

    def trap(exit_: Exit) -> Context | None:
        nonlocal traps
        traps += exit_ is SYSCALL
        return context

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        for i in range(20):
            timer = threading.Timer(0.001 + i * 0.0003, os.kill, (os.getpid(), signal.SIGUSR1))
            with pytest.raises(KeyboardInterrupt):
                timer.start()
                machine.run(context, trap)
            timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    begun = context.general().rbx
    assert begun - traps in range(21)  # an interrupt within the trap may come before it counts
    machine.run(context)
    assert context.pc == CODE + 5


def test_the_cpu_takes_one_context_at_a_time(machine: Machine) -> None:
    space = machine.space(SPIN)
    machine.engine.start(0, machine.context(space))
    with pytest.raises(ValueError, match="not idle"):
        machine.engine.start(0, machine.context(space))
    with pytest.raises(ValueError, match="no CPU"):
        machine.engine.start(1, machine.context(space))


def test_wait_without_a_context_returns(machine: Machine) -> None:
    machine.engine.wait(lambda _, __: None)


def test_a_context_closed_while_its_registers_are_in_the_cpu(machine: Machine) -> None:
    space = machine.space("0f05")
    context = machine.context(space)
    machine.run(context)
    context.close()
    machine.run(machine.context(space))
    assert context.pc == CODE + 2


def test_engines_stand_side_by_side(make: Callable[..., Machine]) -> None:
    machines = [make() for _ in range(3)]
    contexts = [machine.context(machine.space(COUNTER)) for machine in machines]
    for _ in range(4):
        for machine, context in zip(machines, contexts, strict=True):
            machine.run(context)
    assert [context.general().rbx for context in contexts] == [4] * 3


def test_any_bytes_as_code_with_any_registers(native: bool) -> None:
    """No crash, no hang, no escape: the CPU comes back, and no memory but the guest's own changes."""
    chance = random.Random(20)
    machine = Machine(native, slice_ns=500_000) if native else Machine(quantum=200, deterministic=True)
    canary = machine.frame(b"c" * PAGE_SIZE)
    space = machine.space(bytes(PAGE_SIZE))
    context = machine.context(space)
    code = machine.frame_at(space, CODE)
    machine.memory.write(code, 0, b"\xcc" * PAGE_SIZE)
    exits: set[type] = set()
    for _ in range(1500):
        pieces = [
            chance.randbytes(chance.choice([1, 3, 8, 40])),
            *map(bytes.fromhex, ("0f05", "ebfe", "ec", "9d")),
        ]
        machine.memory.write(code, 0, b"".join(chance.choices(pieces, [8, 1, 1, 1, 1], k=5)) + b"\xcc")
        interesting = [0, 1, 2**63, 2**64 - 1, CODE, DATA, STACK_TOP - 64, chance.getrandbits(64)]
        context.start(CODE, STACK_TOP - 64, 0, 0, 0, 0)
        context.set_general(
            GeneralRegs(
                *(chance.choice(interesting) for _ in range(16)),
                rip=CODE,
                rflags=chance.getrandbits(22),
                fs_base=chance.choice(interesting),
                gs_base=chance.choice(interesting),
            )
        )
        left = 3

        def trap(exit_: Exit) -> Context | None:
            nonlocal left
            left -= 1
            exits.add(type(exit_))
            context.general()
            return context if left else None

        machine.run(context, trap)
    assert exits == {Syscall, PageFault, CpuException, Preempted}
    assert machine.memory.read(canary, 0, PAGE_SIZE) == b"c" * PAGE_SIZE
    # And the CPU is as good as new.
    machine.memory.write(code, 0, assemble("f30f58c1 0f05"))
    context.start(CODE, STACK_TOP, 0, 0, 0, 0)
    assert machine.run(context) == [SYSCALL]
    after = context.general()
    assert after == GeneralRegs(rip=CODE + 6, rsp=STACK_TOP, rflags=0x202, rcx=after.rcx, r11=after.r11)
    machine.close()


# Two views of one page table, which a context changes between in its syscalls.

UPPER = 1 << 46


class Views:
    """A context whose address space is the lower part of a unified view, or all of it. What it is to do next is in its registers:
    `again: syscall; call rdi; jmp again`, and at UPPER + 0x2000 and CODE + 0x100 `mov rax, [rsi]; ret`.
    """

    LOAD = "488b06 c3"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.lower = machine.space(
            bytes.fromhex("0f05 ffd7 ebfa").ljust(0x100, b"\xcc") + bytes.fromhex(self.LOAD)
        )
        self.upper = machine.engine.aspace()
        machine.spaces.append(self.upper)
        self.upper.map(UPPER + 0x2000, [machine.frame(bytes.fromhex(self.LOAD))], READ | EXECUTE)
        self.both = machine.engine.unified(self.lower, self.upper)
        machine.spaces.append(self.both)  # type: ignore[arg-type]
        self.context = machine.context(self.both)  # type: ignore[arg-type]

    def run(self, steps: Sequence[tuple[str, int, int] | Callable[[], object]]) -> list[int | str]:
        """Each step: a view, a function to call, where that loads from; or something else to be done in the trap. Answers what
        each call got, or "fault".
        """
        left = iter(steps)
        results: list[int | str] = []
        context = self.context
        began = False

        def trap(exit_: Exit) -> Context | None:
            nonlocal began
            if isinstance(exit_, Preempted):
                return context
            if isinstance(exit_, PageFault):
                results.append("fault")
            elif began:
                results.append(context.general().rax)
            began = True
            for step in left:
                if callable(step):
                    step()
                    continue
                view, function, place = step
                registers = GeneralRegs(rip=CODE + 2, rdi=function, rsi=place, rsp=STACK_TOP - 64)
                context.set_general(registers)
                context.aspace = self.both if view == "both" else self.lower
                return context
            return None

        context.pc = CODE
        self.machine.run(context, trap)
        return results


NEAR, FAR = CODE + 0x100, UPPER + 0x2000


def test_the_upper_part_is_reached_in_one_view_alone(machine: Machine) -> None:
    """Code and data: also where they have just been used, in the view that has them."""
    code = int.from_bytes(bytes.fromhex(Views.LOAD).ljust(8, b"\0"), "little")
    start = int.from_bytes(bytes.fromhex("0f05ffd7ebfacccc"), "little")
    calls = {
        ("both", FAR, FAR): code,
        ("lower", NEAR, FAR): "fault",
        ("both", NEAR, FAR): code,
        ("lower", FAR, CODE): "fault",
        ("lower", NEAR, CODE): start,
    }
    assert Views(machine).run(list(calls) * 20) == list(calls.values()) * 20


def test_changes_of_a_page_table_are_seen_in_the_view_that_was_not_loaded(machine: Machine) -> None:
    views = Views(machine)
    frames = [machine.frame(bytes([i]) * 8) for i in range(1, 4)]
    one, two, three = (int.from_bytes(bytes([i]) * 8, "little") for i in range(1, 4))
    place = UPPER + 0x5000
    look, away = ("both", FAR, place), ("lower", NEAR, DATA)
    near = ("both", FAR, DATA + 0x5000)
    results = views.run(
        [
            lambda: views.upper.map(place, [frames[0]], READ),
            lambda: views.lower.map(DATA + 0x5000, [frames[0]], READ),
            *(look, near, away),
            lambda: views.upper.map(place, [frames[1]], READ),
            lambda: views.lower.map(DATA + 0x5000, [frames[2]], READ),
            *(look, near, away),
            lambda: views.upper.unmap(place, 1),
            lambda: views.lower.unmap(DATA + 0x5000, 1),
            *(look, away, near, away),
            lambda: views.upper.unmap(UPPER, 1000),  # enough to forget everything
            *(look, away, ("lower", FAR, DATA)),
        ]
    )
    assert results == [one, one, 0, two, three, 0, "fault", 0, "fault", 0, "fault", 0, "fault"]


def test_two_contexts_in_views_of_different_page_tables(machine: Machine) -> None:
    """What is kept of one pair of views is of no use to another, and none outlives its page table."""
    first, second = Views(machine), Views(machine)
    for views, frame in ((first, b"1" * 8), (second, b"2" * 8)):
        views.upper.map(UPPER + 0x5000, [machine.frame(frame)], READ)
    steps = [("both", FAR, UPPER + 0x5000), ("lower", NEAR, DATA), ("lower", NEAR, UPPER + 0x5000)] * 3
    for _ in range(3):
        for views, digit in ((first, b"1"), (second, b"2")):
            assert views.run(steps) == [int.from_bytes(digit * 8, "little"), 0, "fault"] * 3
    first.both.close()
    assert second.run(steps)[1:3] == [0, "fault"]


def test_a_prefixed_syscall_goes_on_where_the_trap_says(machine: Machine) -> None:
    # 66 40 syscall; ud2; nop; int3
    context = machine.context(machine.space("66 40 0f05 0f0b 90 cc"))

    def trap(exit_: Exit) -> Context | None:
        if exit_ is SYSCALL:
            assert context.pc == CODE + 4
            context.pc = CODE + 7
            return context
        return None

    assert machine.run(context, trap) == [SYSCALL, CpuException(Vector.BP, 0)]
    assert context.pc == CODE + 8


def test_registers_go_to_memory_and_come_from_there(machine: Machine) -> None:
    """In the CPU and out of it; `jump` keeps the floating point registers alone."""
    block = RegisterBlock(memoryview(bytearray(RegisterBlock.SIZE)))
    other = RegisterBlock(memoryview(bytearray(RegisterBlock.SIZE)))
    space = machine.space("0f05 9c 58 0f05")
    context = machine.context(space)
    for i in range(16):
        block.words[i] = 0x0101_0101_0101_0101 * (i + 1)
    block.words[RegisterBlock.RSP] = STACK_TOP
    block.words[RegisterBlock.IP] = CODE + 2
    block.words[RegisterBlock.FLAGS] = Rflags.CF | Rflags.DF | Rflags.AC
    block.words[RegisterBlock.FS_BASE], block.words[RegisterBlock.GS_BASE] = 0x1000, (1 << 64) - 8
    names = [
        "rdi",
        "rsi",
        "rbp",
        "rbx",
        "rdx",
        "rcx",
        "rax",
        "rsp",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
        "rip",
        "rflags",
        "fs_base",
        "gs_base",
    ]
    seen = []

    def trap(exit_: Exit) -> Context | None:
        seen.append(exit_)
        if len(seen) == 1:
            context.restore(block, space)
            context.save(other)
            assert other.words == block.words
            return context
        context.save(other)
        return None

    machine.run(context, trap)
    assert seen == [SYSCALL, SYSCALL]
    general = context.general()
    assert {name: other.words[i] for i, name in enumerate(names) if name != "rflags"} == {
        name: getattr(general, name) for name in names if name != "rflags"
    }
    assert other.words[RegisterBlock.RAX] == block.words[RegisterBlock.FLAGS] | 0x202  # what pushfq saw
    assert other.words[RegisterBlock.FLAGS] == block.words[RegisterBlock.FLAGS]
    parked = machine.engine.context(space)
    parked.restore(block, space)
    parked.save(other)
    assert other.words == block.words
    parked.set_fp(FpRegs(mxcsr=0x9FC0))
    parked.jump(CODE + 2, 1, 2, 3, 4, space)
    assert parked.general() == GeneralRegs(rip=CODE + 2, rdi=1, rsi=2, fs_base=3, gs_base=4, rflags=0x202)
    assert parked.fp().mxcsr == 0x9FC0
