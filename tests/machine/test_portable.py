"""What the portable engine alone has: page tables, a count of blocks, translations, and what Unicorn gets wrong."""

from __future__ import annotations

import struct

import pytest
from bare_machine import CODE, DATA, QUANTUM, STACK_TOP, Machine, assemble

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE
from jacinth.machine.portable.context import PortableContext
from jacinth.machine.x86_64 import GeneralRegs, Vector

pytestmark = pytest.mark.usefixtures("hot_paths")

SPIN = "ebfe        ; again: jmp again"


@pytest.mark.parametrize(
    ("text", "hardware"),
    [
        ("f1", CpuException(Vector.DB, 0)),  # int1
        ("0f284701", CpuException(Vector.GP, 0)),  # movaps xmm0, [rdi+1]
        ("9c 810c2400000400 9d 8b4701", CpuException(Vector.AC, 0)),  # set AC; mov eax, [rdi+1]
        ("c70700000000 0fae17 f30f5ec0", CpuException(Vector.XM, 0)),  # unmask all; divss xmm0, xmm0
    ],
)
def test_what_unicorn_gets_wrong_without_a_remedy(portable: Machine, text: str, hardware: Exit) -> None:
    """When this fails Unicorn has got better: say so in docs/machine.md, and turn the case round."""
    assert portable.run(portable.context(portable.space(text + "0f0b"))) != [hardware]


def test_runs_of_pages_across_table_borders(portable: Machine) -> None:
    space = portable.engine.aspace()
    portable.spaces.append(space)
    base = (1 << 30) - 3 * PAGE_SIZE
    frames = [portable.frame() for _ in range(1200)]
    space.map(base, frames, READ | WRITE)
    assert [space.translate(base + i * PAGE_SIZE) for i in range(1200)] == frames
    assert space.translate(base - PAGE_SIZE) is None
    assert space.translate(base + 1200 * PAGE_SIZE) is None
    space.unmap(base + PAGE_SIZE, 1198)
    assert [i for i in range(1200) if space.translate(base + i * PAGE_SIZE) is not None] == [0, 1199]
    space.protect(0, 1 << 35, READ)
    space.unmap(0, 1 << 35)
    # A directory of page tables is left at the top only.
    assert portable.memory.overhead == 2


def test_page_tables_go_with_their_last_page(portable: Machine) -> None:
    space = portable.engine.aspace()
    portable.spaces.append(space)
    frame = portable.frame()
    before = portable.memory.overhead
    for i in range(46):
        space.map(1 << i + 1 & -PAGE_SIZE, [frame], READ)
    for i in range(46):
        space.unmap(1 << i + 1 & -PAGE_SIZE, 1)
    assert portable.memory.overhead == before


def test_more_code_than_unicorn_keeps_translations_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jacinth.machine.portable.cpu.TRANSLATIONS", 1 << 20)
    machine = Machine(quantum=1 << 20, deterministic=True)
    blocks = 8_000
    context = machine.context(space := machine.engine.aspace())
    machine.spaces.append(space)
    code = assemble("48ffc0 eb00") * blocks + assemble("0f05")  # inc rax; jmp to the next; ...; syscall
    frames = [machine.frame(code[i : i + PAGE_SIZE]) for i in range(0, len(code), PAGE_SIZE)]
    space.map(CODE, frames, READ | EXECUTE)
    for i in range(1, 3):
        context.pc = CODE
        assert machine.run(context) == [SYSCALL]
        assert context.general().rax == i * blocks
    machine.close()


# Budget, kick, time.


def test_an_endless_loop_is_preempted_after_its_quantum(counted: Machine) -> None:
    machine = counted
    context = machine.context(machine.space(SPIN))
    count = 0

    def trap(_: Exit) -> PortableContext | None:
        nonlocal count
        count += 1
        return context if count < 3 else None

    before = machine.engine.blocks()
    assert machine.run(context, trap) == [PREEMPTED] * 3
    assert machine.engine.blocks() - before == 3 * (QUANTUM + 1)
    assert context.pc == CODE


def test_preemption_repeats_exactly() -> None:
    text = "48ffc3 4883fb07 7502 31c9 48ffc1 ebf0"  # a loop of blocks of different length
    runs = []
    for _ in range(2):
        machine = Machine(quantum=1237, deterministic=True)
        context = machine.context(machine.space(text))
        places: list[GeneralRegs] = []

        def trap(
            _: Exit, context: PortableContext = context, places: list[GeneralRegs] = places
        ) -> PortableContext | None:
            places.append(context.general())
            return context if len(places) < 20 else None

        machine.run(context, trap)
        machine.close()
        runs.append(places)
    assert runs[0] == runs[1]
    assert len({place.rbx for place in runs[0]}) == 20


def test_a_context_that_is_switched_to_has_a_fresh_budget(counted: Machine) -> None:
    machine = counted
    space = machine.space("ffce 75fc 0f05 ebfe")  # loop esi times; syscall; spin
    first = machine.context(space, arg2=QUANTUM - 100)
    second = machine.context(space, arg2=QUANTUM - 100)
    exits = machine.run(first, lambda exit_: second if exit_ is SYSCALL and first.pc else None)
    assert exits == [SYSCALL, SYSCALL, PREEMPTED]


def test_a_slice_of_time_ends_between_two_blocks() -> None:
    """Unicorn alone would leave an instruction after any access to memory, and execute it again."""
    timed = Machine(slice_ns=1_000_000)
    # again: inc qword [rdi]; xadd [rsi], rcx; push rbx; pop rbx; add [rdi + 8], rcx; inc rbx; jmp again
    text = "48ff07 480fc10e 53 5b 48014f08 48ffc3 ebee"
    space = timed.space(text)
    context = timed.context(space, arg2=DATA + 16)
    places = []

    def trap(exit_: Exit) -> PortableContext | None:
        assert exit_ is PREEMPTED
        general = context.general()
        counted = struct.unpack("<Q", timed.memory.read(timed.frame_at(space, DATA), 0, 8))[0]
        assert (general.rip, general.rsp, general.rbx) == (CODE, STACK_TOP, counted)
        places.append(counted)
        return context if len(places) < 100 else None

    timed.run(context, trap)
    assert len(set(places)) > 90
    timed.close()


def test_the_time_stamp_counter_is_hidden_when_a_slice_ends_as_well() -> None:
    """Unicorn alone would answer the host's counter then."""
    # again: rdtsc; mov rbx, rdx; rdtscp; or rbx, rdx; test ebx, ebx; jz again; syscall
    machine = Machine(slice_ns=50_000, tsc=lambda: 7)
    context = machine.context(machine.space("0f31 4889d3 0f01f9 4809d3 85db 74f1 0f05"))
    left = 500

    def trap(exit_: Exit) -> PortableContext | None:
        nonlocal left
        left -= 1
        return context if exit_ is PREEMPTED and left else None

    assert machine.run(context, trap)[-1] is PREEMPTED
    machine.close()


def test_deterministic_machines_hide_the_time_of_the_host() -> None:
    text = "0f31 48c1e220 4809d0 4889c3 0f01f9 0f05"  # rdtsc; rbx = all of it; rdtscp; syscall
    seen = []
    for _ in range(2):
        machine = Machine(deterministic=True)
        context = machine.context(machine.space(text))
        machine.run(context)
        general = context.general()
        seen.append((general.rbx, general.rax, general.rdx))
        machine.close()
    assert seen[0] == seen[1]
    machine = Machine(tsc=lambda: 0x123456789A)
    context = machine.context(machine.space(text))
    machine.run(context)
    assert (context.general().rbx, context.general().rdx) == (0x123456789A, 0x12)
    machine.close()


def test_an_exception_in_the_clock_comes_out_of_wait() -> None:
    def broken() -> int:
        raise LookupError("no clock")

    machine = Machine(tsc=broken)
    with pytest.raises(LookupError):
        machine.run(machine.context(machine.space("0f31 0f05")))
    machine.close()


# Address spaces.


@pytest.mark.parametrize(
    "text",
    [
        "0fc7f0",  # rdrand
        "0fc7f8",  # rdseed
        "c5fc28c1",  # vmovaps ymm0, ymm1: no AVX
    ],
)
def test_instructions_that_are_hidden(portable: Machine, text: str) -> None:
    assert portable.run(portable.context(portable.space(text))) == [CpuException(Vector.UD, 0)]


def test_mappings_may_be_made_through_a_unified_view(portable: Machine) -> None:
    frame = portable.frame(b"A")
    lower, upper = portable.space(), portable.engine.aspace()
    view = portable.engine.unified(lower, upper)
    portable.spaces += [upper, view]
    high = 1 << 46
    view.map(high - PAGE_SIZE, [frame, frame], READ)
    assert (portable.frame_at(lower, high - PAGE_SIZE), portable.frame_at(upper, high)) == (frame, frame)
    view.protect(high - PAGE_SIZE, 2, READ | WRITE)
    view.unmap(high - PAGE_SIZE, 2)
    assert (portable.frame_at(lower, high - PAGE_SIZE), portable.frame_at(upper, high)) == (0, 0)
