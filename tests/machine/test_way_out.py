"""Ways out, and the C parts of the engine against those in Python.

A traveller goes from a view of two page tables into the lower one of them, and comes out at VECTOR: without a trap where the
engine has that in C, and by the trap for the syscall instruction where it has not. What it finds there must be the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from bare_machine import CODE, DATA, STACK_TOP, Machine, assemble

from jacinth.machine.exit import SYSCALL, CpuException, Exit, PageFault, Preempted
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE
from jacinth.machine.portable import engine as portable
from jacinth.machine.portable.context import PortableContext
from jacinth.machine.portable.engine import PortableEngine
from jacinth.machine.x86_64 import DebugRegs, GeneralRegs, RegisterBlock, Rflags, Vector

VECTOR = 1 << 46
ARGUMENT, REASON = 0x1234_5678_9ABC, 7
CLEARED = (RegisterBlock.RCX, RegisterBlock.R11)
RDI, RAX, IP, FLAGS = RegisterBlock.RDI, RegisterBlock.RAX, RegisterBlock.IP, RegisterBlock.FLAGS

needs_c = pytest.mark.skipif(portable._portable is None, reason="the C module is not built")


@pytest.fixture(params=["timed", "counted"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    made = Machine(deterministic=request.param == "counted")
    yield made
    made.close()


@dataclass
class Traveller:
    """Goes in as often as it is told, with the words of `entries` in its block."""

    machine: Machine
    entries: list[list[int]]
    code: str = "0f05"
    parts: bool = True
    inside: list[Exit] = field(default_factory=list)  # exits before it came out
    found: list[tuple[GeneralRegs, list[int]]] = field(default_factory=list)  # at VECTOR: registers, block

    def __post_init__(self) -> None:
        machine = self.machine
        self.lower = machine.space(self.code)
        upper = machine.engine.aspace() if self.parts else self.lower
        upper.map(VECTOR, [machine.frame(assemble("0f05"))], READ | EXECUTE)
        self.outside = self.lower
        if self.parts:
            self.outside = machine.engine.unified(self.lower, upper)  # type: ignore[assignment]
            machine.spaces += [upper, self.outside]
        self.frame = machine.frame()
        self.block = RegisterBlock(machine.memory.view[self.frame << 12 :][: RegisterBlock.SIZE])
        self.way = machine.engine.way_out(self.block, self.frame, CLEARED, REASON, self.outside)
        self.context = machine.context(self.outside, pc=VECTOR)

    def run(self) -> Traveller:
        entries = iter(self.entries)

        def trap(exit_: Exit) -> PortableContext | None:
            context, way = self.context, self.way
            if way.open:
                self.inside.append(exit_)
                return self.on_exit_inside(exit_)
            if isinstance(exit_, Preempted):
                return context
            assert exit_ is SYSCALL
            assert context.pc == VECTOR + 2
            self.found.append((context.general(), self.block.words.tolist()))
            entry = next(entries, None)
            if entry is None:
                return None
            for i, word in enumerate(entry):
                self.block.words[i] = word
            self.go_in()
            return context

        self.machine.run(self.context, trap)
        del self.found[0]  # before it went in for the first time
        return self

    def go_in(self) -> None:
        rax = self.context.restore(self.block, self.lower, self.way, VECTOR, ARGUMENT)
        assert rax == self.block.words[RAX]
        assert self.way.open

    def on_exit_inside(self, exit_: Exit) -> PortableContext | None:
        if exit_ is SYSCALL:
            self.leave()
        elif not isinstance(exit_, PageFault | Preempted):
            return None
        return self.context

    def leave(self) -> None:
        """As the way out."""
        context, way = self.context, self.way
        context.save(self.block)
        for word in CLEARED:
            self.block.words[word] = 0
        context.jump(way.pc, way.arg1, REASON, way.tp, way.abi_reg, self.outside)
        assert not way.open


def entry(**words: int) -> list[int]:
    """The words of a block that begins at CODE."""
    result = [0x0101_0101_0101_0101 * (i + 1) for i in range(16)] + [CODE, 0, 0x1000, (1 << 64) - 8]
    for name, word in words.items():
        result[getattr(RegisterBlock, name)] = word
    return result


def in_python(monkeypatch: pytest.MonkeyPatch, **options: object) -> Machine:
    with monkeypatch.context() as patch:
        patch.setenv("JACINTH_PURE_PYTHON", "1")
        return Machine(**options)


# ---- Both engines


@pytest.mark.usefixtures("hot_paths")
@pytest.mark.parametrize("parts", [True, False])
def test_it_comes_out_at_the_vector(machine: Machine, parts: bool) -> None:
    """In a view of two page tables, and where there is but one."""
    traveller = Traveller(machine, [entry(), entry(RAX=5)], parts=parts)
    regs = traveller.context.general()
    regs.fs_base, regs.gs_base = 0x5000, 0x6000
    traveller.context.set_general(regs)
    traveller.run()
    came_out = GeneralRegs(
        rip=VECTOR + 2, rdi=ARGUMENT, rsi=REASON, fs_base=0x5000, gs_base=0x6000, rflags=0x202
    )
    left = entry()
    left[RegisterBlock.RCX] = left[RegisterBlock.R11] = 0
    left[IP] = CODE + 2
    assert traveller.found[0] == (came_out, left)
    left[RAX] = 5
    assert traveller.found[1] == (came_out, left)


@pytest.mark.usefixtures("hot_paths")
@pytest.mark.parametrize(("start", "code"), [(0, "66 40 0f05"), (PAGE_SIZE - 2, "66 40 0f05"), (0, "0f05")])
def test_it_stands_behind_an_instruction_with_prefixes(machine: Machine, start: int, code: str) -> None:
    """Also where they lie in another page."""
    traveller = Traveller(machine, [entry(IP=CODE + start)], code="90" * start + code).run()
    assert traveller.found[0][1][IP] == CODE + start + len(assemble(code))


@pytest.mark.usefixtures("hot_paths")
def test_what_is_in_the_way_of_a_block_does_not_close_it(counted: Machine) -> None:
    """Faults that the trap serves, and the end of a budget."""
    counted.engine.quantum = 3
    frame = counted.frame()
    # mov ecx, 20; again: dec ecx; jnz again; mov rax, [DATA + 0x1000]; syscall
    traveller = Traveller(counted, [entry(), entry()], code="b914000000 ffc9 75fc 488b042500104300 0f05")
    traveller.lower.map(DATA + PAGE_SIZE, [frame], 0)
    step = traveller.on_exit_inside

    def on_exit_inside(exit_: Exit) -> PortableContext | None:
        if isinstance(exit_, PageFault):
            traveller.lower.map(exit_.address, [frame], READ)
        return step(exit_)

    traveller.on_exit_inside = on_exit_inside  # type: ignore[method-assign]
    traveller.run()
    assert len(traveller.found) == 2
    kinds = [type(exit_) for exit_ in traveller.inside if exit_ is not SYSCALL]
    assert kinds.count(PageFault) == 1 and kinds.count(Preempted) >= 4


@pytest.mark.usefixtures("hot_paths")
def test_registers_that_no_thread_may_have(machine: Machine) -> None:
    """ValueError, and nothing changes, the way out that is open neither."""
    space = machine.space("0f05")
    context = machine.context(space)
    frame = machine.frame()
    block = RegisterBlock(machine.memory.view[frame << 12 :][: RegisterBlock.SIZE])
    way = machine.engine.way_out(block, frame, CLEARED, REASON, space)
    bad = [
        entry(IP=1 << 47),
        entry(IP=2**64 - 1),
        entry(FLAGS=Rflags.IF),
        entry(FLAGS=1 << 63),
        entry(FS_BASE=1 << 47),
        entry(GS_BASE=2**64 - 2**47 - 1),
    ]
    before = context.general()
    for opened in (False, True):
        for words in bad:
            block.words[:] = memoryview(bytearray(160)).cast("Q")
            for i, word in enumerate(words):
                block.words[i] = word
            with pytest.raises(ValueError, match="no thread may have"):
                context.restore(block, space, way, VECTOR, ARGUMENT)
            assert context.general() == before
            assert way.open is opened
        for i, word in enumerate(entry(FS_BASE=2**47 - 1, GS_BASE=2**64 - 2**47, FLAGS=Rflags.USER)):
            block.words[i] = word
        assert context.restore(block, space, way, CODE, 3) == block.words[RAX]
        before = context.general()


@pytest.mark.usefixtures("hot_paths")
def test_one_way_out_is_open_at_a_time(machine: Machine) -> None:
    space = machine.space("0f05")
    context = machine.context(space)
    frame = machine.frame()
    block = RegisterBlock(machine.memory.view[frame << 12 :][: RegisterBlock.SIZE])
    one, other = (machine.engine.way_out(block, frame, (), 0, space) for _ in range(2))
    seen = []
    for way in (one, other, None, one):
        context.restore(block, space, way, CODE, 1)
        seen.append((one.open, other.open))
    context.jump(CODE, 0, 0, 0, 0, space)
    seen.append((one.open, other.open))
    assert seen == [(True, False), (False, True), (False, False), (True, False), (False, False)]
    assert (one.pc, one.arg1) == (CODE, 1)


@pytest.mark.usefixtures("hot_paths")
def test_a_closed_engine_leaves_contexts_their_own_registers() -> None:
    machine = Machine()
    space = machine.space("0f05")
    context = machine.context(space)
    context.set_result(77)
    machine.run(context)  # its registers are in the CPU
    before = context.syscall()
    machine.close()
    assert context.syscall() == before
    context.set_result(5)
    block = RegisterBlock(memoryview(bytearray(RegisterBlock.SIZE)))
    context.save(block)
    assert before[0] == 77 and context.syscall()[0] == block.words[RAX] == 5


# ---- The same in C and in Python


@needs_c
def test_which_engine_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {}
    for machine in (Machine(), in_python(monkeypatch)):
        kinds[type(machine.engine)] = type(machine.engine.context(machine.space()))
        machine.close()
    assert kinds == {
        portable.CompiledEngine: portable.CompiledContext,
        PortableEngine: PortableContext,
    }


@needs_c
@pytest.mark.parametrize(
    "code",
    [
        "0f05",
        "01d8 0f05",  # add eax, ebx: flags are not worked out yet
        "4829d8 4811ca 0f05",  # sub rax, rbx; adc rdx, rcx
        "fd ab 0f05",  # std; stosd
        "9c 58 0f05",  # pushfq; pop rax
        "6690 0f05",
        "f3 4d 0f05",
        "e8 00000000 48ffc0 0f05",  # call; inc rax
    ],
)
def test_any_registers_are_the_same_afterwards(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    chance = random.Random(code)
    users = Rflags.USER & ~Rflags.TF
    entries = [
        entry(
            **{name: chance.getrandbits(64) for name in ("RAX", "RBX", "RCX", "RDX", "RBP", "R11")},
            RSP=STACK_TOP - 64,
            RDI=DATA + 64,
            FLAGS=chance.getrandbits(22) & users,
            FS_BASE=chance.choice([0, 1, 0x7FFF_FFFF_FFFF, 2**64 - 2**47]),
        )
        for _ in range(100)
    ]
    results = []
    for machine in (Machine(), in_python(monkeypatch)):
        traveller = Traveller(machine, entries, code=code).run()
        results.append((traveller.found, traveller.inside))
        del traveller
        machine.close()
    (in_c, _), (by_trap, trapped) = results
    assert len(in_c) == 100 and in_c == by_trap
    assert trapped == [SYSCALL] * 100


@needs_c
def test_a_run_that_counts_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preempted at the same moments."""
    moments = []
    for machine in (
        Machine(deterministic=True, quantum=7),
        in_python(monkeypatch, deterministic=True, quantum=7),
    ):
        # mov ecx, 20; again: dec ecx; jnz again; syscall
        traveller = Traveller(machine, [entry()] * 10, code="b914000000 ffc9 75fc 0f05")
        seen: list[tuple[int, int]] = []

        def note(
            exit_: Exit, traveller: Traveller = traveller, seen: list[tuple[int, int]] = seen
        ) -> PortableContext | None:
            if exit_ is not SYSCALL:
                seen.append((traveller.machine.engine.blocks(), traveller.context.words()[2]))
            return Traveller.on_exit_inside(traveller, exit_)

        traveller.on_exit_inside = note  # type: ignore[method-assign]
        traveller.run()
        moments.append(seen)
        del traveller
        machine.close()
    assert moments[0] == moments[1] and len(moments[0]) > 20


# ---- When it is taken


@pytest.fixture
def compiled() -> Iterator[Machine]:
    if portable._portable is None:
        pytest.skip("the C module is not built")
    made = Machine()
    yield made
    made.close()


def test_it_is_taken_without_a_trap(compiled: Machine) -> None:
    traveller = Traveller(compiled, [entry()] * 10).run()
    assert len(traveller.found) == 10 and not traveller.inside


def test_the_trap_comes_where_the_other_view_is_not_at_hand(compiled: Machine) -> None:
    """Since another context ran in between, or its page table has changed too much."""
    traveller = Traveller(compiled, [entry()] * 3)
    go_in = traveller.go_in

    def unload() -> None:
        go_in()
        compiled.engine.unload(traveller.outside)

    traveller.go_in = unload  # type: ignore[method-assign]
    traveller.run()
    assert len(traveller.found) == 3 and traveller.inside == [SYSCALL] * 3


def test_the_trap_comes_where_somebody_wants_to_see_them_all(compiled: Machine) -> None:
    compiled.engine.takes_ways_out = False
    traveller = Traveller(compiled, [entry()] * 2).run()
    assert len(traveller.found) == 2 and traveller.inside == [SYSCALL] * 2


def test_the_trap_comes_where_the_block_lies_in_code(compiled: Machine) -> None:
    """Whoever writes there has to have translations dropped."""
    traveller = Traveller(compiled, [entry(), entry(), entry()])
    traveller.lower.map(DATA + PAGE_SIZE, [traveller.frame], READ | EXECUTE)
    traveller.run()
    assert len(traveller.found) == 3 and traveller.inside == [SYSCALL] * 3


def test_the_trap_comes_to_one_that_is_stepped(compiled: Machine) -> None:
    traveller = Traveller(compiled, [entry(FLAGS=Rflags.TF)], code="90 0f05")

    def step(exit_: Exit) -> PortableContext | None:
        if exit_ is SYSCALL:
            traveller.leave()
        return traveller.context

    traveller.on_exit_inside = step  # type: ignore[method-assign]
    traveller.run()
    assert traveller.inside[0] == CpuException(Vector.DB, 0) and traveller.inside[-1] is SYSCALL
    assert traveller.found[0][1][FLAGS] & Rflags.TF


def test_the_trap_comes_to_one_with_breakpoints(compiled: Machine) -> None:
    traveller = Traveller(compiled, [entry()])
    traveller.context.set_debug(DebugRegs(dr=[CODE + 0x500, 0, 0, 0], dr7=1))
    traveller.run()
    assert len(traveller.found) == 1 and traveller.inside == [SYSCALL]


def test_the_trap_comes_after_a_kick(compiled: Machine) -> None:
    traveller = Traveller(compiled, [entry()] * 2)
    go_in = traveller.go_in

    def kicked() -> None:
        go_in()
        compiled.engine.kick()

    traveller.go_in = kicked  # type: ignore[method-assign]
    traveller.run()
    assert len(traveller.found) == 2
    assert any(isinstance(exit_, Preempted) for exit_ in traveller.inside)


def test_an_input_before_it_is_an_exception(compiled: Machine) -> None:
    """Unicorn goes on to the end of the block; the syscall instruction there never was."""
    traveller = Traveller(compiled, [entry()], code="ec 0f05")
    traveller.run()
    assert traveller.inside == [CpuException(Vector.GP, 0)]
    assert traveller.way.open and traveller.context.pc == CODE
    assert traveller.block.words.tolist() == entry()


def test_a_write_to_the_block_is_seen_by_the_guest(compiled: Machine) -> None:
    """It lies in a page that both views have."""
    traveller = Traveller(compiled, [entry(RAX=1), entry(RAX=2)], code="488b0c2530104300 48ffc0 0f05")
    traveller.lower.map(DATA + PAGE_SIZE, [traveller.frame], READ | WRITE)
    traveller.run()
    assert [block[RAX] for _, block in traveller.found] == [2, 3]
    assert not traveller.inside


@needs_c
def test_nothing_of_another_engine_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, other = Machine(), in_python(monkeypatch)
    context = other.context(other.space("0f05"))
    with pytest.raises(TypeError):
        machine.engine._live = context
    frame = other.frame()
    block = RegisterBlock(other.memory.view[frame << 12 :][: RegisterBlock.SIZE])
    way = other.engine.way_out(block, frame, (), 0, other.spaces[0])
    with pytest.raises(TypeError):
        machine.context(machine.space("0f05")).restore(block, machine.spaces[0], way, 0, 0)
    for bad in ((), (memoryview(bytearray(8)),)):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            machine.context(machine.spaces[0]).save(*bad)
    del block, way
    machine.close()
    other.close()
