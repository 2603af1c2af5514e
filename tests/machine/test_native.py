"""What the native engine alone has: the real CPU's exceptions, processes, and mappings that follow the page tables."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator

import pytest
from bare_machine import CODE, DATA, STACK_TOP, Machine

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE, Context
from jacinth.machine.memory import OutOfMemory
from jacinth.machine.native.selftest import why_not
from jacinth.machine.x86_64 import GeneralRegs, Rflags, Vector, VectorRegs

if reason := why_not():
    pytest.skip(f"the native engine does not work here: {reason}", allow_module_level=True)

from jacinth.machine.native import _native


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine(native=True)
    yield made
    made.close()


def steadily(context: Context, trap: Callable[[Exit], Context | None]) -> Callable[[Exit], Context | None]:
    """Without the ends of slices, which a busy host brings."""
    return lambda exit_: context if exit_ is PREEMPTED else trap(exit_)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f1", CpuException(Vector.DB, 0)),  # int1
        ("0f284701", CpuException(Vector.GP, 0)),  # movaps xmm0, [rdi+1]
        ("9c 810c2400000400 9d 8b4701", CpuException(Vector.AC, 0)),  # set AC; mov eax, [rdi+1]
        ("c70700000000 0fae17 f30f5ec0", CpuException(Vector.XM, 0)),  # unmask all; divss xmm0, xmm0
        ("8b042500000000", PageFault(0, READ, False, 4)),  # mov eax, [0]
        ("48a10000000000f0ffff", PageFault(0xFFFF_F000_0000_0000, READ, False, 4)),  # of the kernel's half
        ("48b800000000000080ff ffe0", CpuException(Vector.GP, 0)),  # jmp to a non-canonical address
        ("48b800000000000080ff f3480faed0", CpuException(Vector.GP, 0)),  # wrfsbase of one
    ],
)
def test_exceptions_are_those_of_the_cpu(machine: Machine, text: str, expected: Exit) -> None:
    assert machine.run(machine.context(machine.space(text + "0f0b"))) == [expected]


@pytest.mark.parametrize(
    "change", [{"rip": 1 << 47}, {"rip": 0x8000_0000_0000_0000}, {"fs_base": 1 << 60}, {"gs_base": 1 << 47}]
)
def test_registers_that_no_thread_may_have_are_an_exception_of_its_own(
    machine: Machine, change: dict[str, int]
) -> None:
    """And stay what they are."""
    context = machine.context(machine.space("0f05"))
    regs = context.general()
    for name, value in change.items():
        setattr(regs, name, value)
    regs.rbx, regs.rsp = 7, STACK_TOP
    context.set_general(regs)
    for _ in range(3):
        assert machine.run(context) in (
            [CpuException(Vector.GP, 0)],
            [PageFault(regs.rip, EXECUTE, False, 0x14)],
        )
        assert context.general() == regs
    context.set_general(GeneralRegs(rip=CODE, rsp=STACK_TOP))
    assert machine.run(context) == [SYSCALL]


@pytest.mark.parametrize("flag", [Rflags.NT, Rflags.AC, Rflags.DF, Rflags.TF, Rflags.ID, Rflags.USER])
def test_any_flags_may_be_set_when_a_guest_calls(machine: Machine, flag: int) -> None:
    """By way of the vDSO and by a raw instruction."""
    call = machine.engine.syscall_code.hex()
    # push; popfq; the call; xor eax, eax; syscall
    text = f"68 {(flag | 0x202).to_bytes(4, 'little').hex()} 9d {call} 0f05 0f0b"
    context = machine.context(machine.space(text))
    exits: list[Exit] = []

    def trap(exit_: Exit) -> Context | None:
        if exit_ is SYSCALL:
            context.single_step = False
            exits.append(exit_)
        return None if len(exits) == 2 else context

    machine.run(context, trap)
    assert (
        context.general().rflags & flag & ~Rflags.TF & ~Rflags.ARITHMETIC
        == flag & ~Rflags.TF & ~Rflags.ARITHMETIC
    )
    assert context.sp == STACK_TOP


def test_the_upper_halves_of_vector_registers_stay_with_their_context(machine: Machine) -> None:
    space = machine.space(
        """
        c4e27d1807      ; vbroadcastss ymm0, [rdi]
        c4627d183f      ; vbroadcastss ymm15, [rdi]
        0f05            ; again: syscall
        c5fd1107        ; vmovupd [rdi], ymm0
        c57d117f20      ; vmovupd [rdi + 32], ymm15
        0f05            ; syscall
        """
    )
    frame = machine.frame_at(space, DATA)
    contexts = [machine.context(space) for _ in range(3)]
    for i, context in enumerate(contexts):
        machine.memory.write(frame, 0, struct.pack("<I", 0x0101_0101 * (i + 1)))
        assert machine.run(context, steadily(context, lambda _: None))[-1] is SYSCALL
    for i, context in enumerate(contexts):
        machine.run(context, steadily(context, lambda _: None))
        assert machine.memory.read(frame, 0, 64) == bytes([i + 1]) * 64


def test_all_of_the_vector_registers_is_read_and_written(machine: Machine) -> None:
    if not _native.XSAVE_MORE_ZMM:
        pytest.skip("the CPU has no AVX-512")
    # vmovdqu64 zmm1, [rdi]; kmovq k1, [rdi]; vmovdqu64 zmm17, zmm1; syscall
    # vmovdqu64 [rdi], zmm31; kmovq [rdi + 64], k2; syscall
    context = machine.context(
        machine.space("62f1fe486f0f c4e1f8900f 62e1fe486fc9 0f05 6261fe487f3f c4e1f8915740 0f05")
    )
    frame = machine.frame_at(context.aspace, DATA)
    content = bytes(range(64))
    machine.memory.write(frame, 0, content)
    assert context.vector() == VectorRegs()
    machine.run(context)
    expected = VectorRegs()
    expected.zmm[1] = expected.zmm[17] = content
    expected.opmask[1] = int.from_bytes(content[:8], "little")
    assert context.vector() == expected
    for i in range(32):
        expected.zmm[i] = bytes([i]) * 64
    expected.opmask = [i << 56 | 1 for i in range(8)]
    expected.mxcsr = 0x9FC0
    context.set_vector(expected)
    assert context.vector() == expected
    machine.run(context)
    assert machine.memory.read(frame, 0, 72) == expected.zmm[31] + expected.opmask[2].to_bytes(8, "little")
    assert context.vector() == expected


def test_protecting_pages_with_holes_between_them(machine: Machine) -> None:
    """Linux protects up to the first hole alone."""
    space = machine.space(
        "c60701 c6060 1 0f05 ebf6".replace(" ", "")
    )  # mov byte [rdi], 1; mov byte [rsi], 1; syscall; again
    space.map(DATA + 2 * PAGE_SIZE, [machine.frame()], READ | WRITE)
    context = machine.context(space, arg1=DATA, arg2=DATA + 2 * PAGE_SIZE)
    machine.run(context, steadily(context, lambda _: None))
    for first in (0, 1):
        space.protect(DATA - PAGE_SIZE + first * PAGE_SIZE, 8, READ)
        exits = machine.run(context, steadily(context, lambda _: None))
        assert exits[-1] == PageFault(DATA, WRITE, True, 7)
        context.pc = CODE + 3
        exits = machine.run(context, steadily(context, lambda _: None))
        assert exits[-1] == PageFault(DATA + 2 * PAGE_SIZE, WRITE, True, 7)
        space.protect(DATA, 8, READ | WRITE)
        context.pc = CODE
        machine.run(context, steadily(context, lambda _: None))


def test_ranges_that_reach_beyond_user_space_are_taken_away_within_it(machine: Machine) -> None:
    space = machine.space("8a07 0f05 ebfa")  # again: mov al, [rdi]; syscall; jmp again
    context = machine.context(space)
    machine.run(context, steadily(context, lambda _: None))
    space.unmap(DATA, (1 << 48) // PAGE_SIZE)
    assert machine.run(context, steadily(context, lambda _: None))[-1] == PageFault(DATA, READ, False, 4)
    space.map(DATA, [machine.frame()], READ)
    machine.run(context, steadily(context, lambda _: None))
    space.unmap(0, DATA // PAGE_SIZE + 1)  # and the stub is still there
    assert machine.run(context, steadily(context, lambda _: None))[-1] == PageFault(
        CODE + 4, EXECUTE, False, 0x14
    )


def test_more_mappings_than_linux_allows(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jacinth.machine.native.aspace._MAPPINGS", 40)
    monkeypatch.setattr("jacinth.machine.native.aspace._FAULT_AROUND", 1)
    space = machine.space(
        "8a07 4881c700200000 ffce 75f3 0f05"
    )  # again: mov al, [rdi]; add rdi, 0x2000; dec esi; jnz; syscall
    for i in range(100):
        space.map(DATA + 0x10000 + i * 2 * PAGE_SIZE, [machine.frame()], READ)
    context = machine.context(space, arg1=DATA + 0x10000, arg2=100)
    assert machine.run(context, steadily(context, lambda _: None))[-1] is SYSCALL


def test_where_linux_refuses_an_order_all_is_forgotten(machine: Machine) -> None:
    space = machine.space("8a07 0f05 ebfa")
    context = machine.context(space)
    machine.run(context, steadily(context, lambda _: None))
    view = space.view  # type: ignore[attr-defined]
    orders = []
    real = view._order

    def refuse(script: list[bytes]) -> bool:
        orders.append(script)
        return len(orders) > 1 and real(script)

    view._order = refuse
    space.unmap(DATA, 1)
    assert not view.present and len(orders) == 2
    view._order = real
    assert machine.run(context, steadily(context, lambda _: None))[-1] == PageFault(DATA, READ, False, 4)


def test_a_stub_process_that_somebody_kills_is_an_exception(machine: Machine) -> None:
    context = machine.context(machine.space("0f05 ebfe"))
    machine.run(context)
    os.kill(context.space.view.stub.pid, 9)  # type: ignore[attr-defined]
    assert machine.run(context, steadily(context, lambda _: None))[-1] == CpuException(Vector.GP, 0)
    context.pc = CODE
    assert machine.run(context, steadily(context, lambda _: None))[-1] is SYSCALL  # in another one


@pytest.mark.parametrize("error", [(11, "Resource temporarily unavailable"), ("step 9",)])
def test_no_process_left_is_no_memory(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, error: tuple[object, ...]
) -> None:
    context = machine.context(machine.space("0f05"))

    class Refused:
        def __new__(cls, *_: object) -> Refused:
            raise OSError(*error)

    monkeypatch.setattr("jacinth.machine.native._native.Stub", Refused)
    with pytest.raises(OutOfMemory):
        machine.engine.context(machine.space())
    context.aspace = machine.space("0f05")
    assert machine.run(context) == [CpuException(Vector.GP, 0)]


def test_a_forked_copy_lets_go_of_the_processes(machine: Machine) -> None:
    context = machine.context(machine.space("0f05 ebfc"))
    machine.run(context)
    child = os.fork()
    if child == 0:
        stub = context.space.view.stub  # type: ignore[attr-defined]
        os._exit(0 if stub is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert machine.run(context) == [SYSCALL]
