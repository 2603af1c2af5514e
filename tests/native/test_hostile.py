"""Guests of the native engine that want to get out of their process, or to hold up the kernel.

What they are able to do is to have any registers and to run any code, so most attacks are a set of registers: a guest that jumps
somewhere with them in place is no different. After each the kernel must be there, another process on the same kernel must compute
what it should, and nothing of Linux may have changed. See docs/native.md.
"""

from __future__ import annotations

import os
import random
import resource
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from bare_machine import CODE, DATA, STACK_TOP, Machine

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault, Syscall
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE, AddressSpace, Context
from jacinth.machine.native.selftest import why_not
from jacinth.machine.x86_64 import GeneralRegs, Vector

if reason := why_not():
    pytest.skip(f"the native engine does not work here: {reason}", allow_module_level=True)

from jacinth.machine.native import _native

# As layout.h has them.
CONTROL, SLOTS, SLOT_SIZE, GUEST_BASE = 0x20000, 0x40000, 0x10000, 0x200000
TURN, COMMAND, SPINS, KIND, REGS, XSAVE, STACK_BOTTOM = 0x00, 0x0C, 0x10, 0x14, 0x40, 0x1000, 0x5000
HEAD = 0x110  # bytes of a slot before the xsave area that mean something

FAKE = 0x600000  # a slot of the guest's own making
FAKE_PAGES = SLOT_SIZE // PAGE_SIZE
MASK = (1 << 64) - 1
SLICE = 1_000_000
NAMES = [field.name for field in fields(GeneralRegs)[:16]]


class Arena:
    """A machine with a guest that attacks, and a victim in another process."""

    def __init__(self, cpus: int = 1, code: str = "0f0b") -> None:
        self.machine = machine = Machine(native=True, cpus=cpus, slice_ns=SLICE)
        # again: inc rbx; mov [rdi], rbx; imul rax, rbx, 7; mov [rdi + 8], rax; xor eax, eax; syscall; jmp again
        self.victims_space = machine.space("48ffc3 48891f 486bc307 48894708 31c0 0f05 ebec")
        self.victims_frame = machine.frame_at(self.victims_space, DATA)
        self.victim = machine.context(self.victims_space)
        self.rounds = 0
        self.canary = machine.frame(b"c" * PAGE_SIZE)
        self.space = machine.space(code)
        self.fakes = [machine.frame() for _ in range(FAKE_PAGES)]
        self.space.map(FAKE, self.fakes, READ | WRITE)
        self.attacker = machine.context(self.space)
        self.check()

    def run(self, context: Context, trap: Callable[[Exit], Context | None]) -> None:
        self.machine.engine.start(0, context)
        self.machine.engine.wait(lambda _, exit_: trap(exit_))

    def check(self) -> None:
        """The victim goes on rightly, and nothing of it has changed."""
        machine, victim = self.machine, self.victim
        before = self.rounds
        left = 3

        def trap(exit_: Exit) -> Context | None:
            nonlocal left
            if exit_ is PREEMPTED:  # a busy host
                return victim
            assert exit_ is SYSCALL
            self.rounds += 1
            left -= 1
            assert struct.unpack("<QQ", machine.memory.read(self.victims_frame, 0, 16)) == (
                self.rounds,
                7 * self.rounds,
            )
            return victim if left else None

        self.run(victim, trap)
        assert self.rounds == before + 3
        assert machine.memory.read(self.canary, 0, PAGE_SIZE) == b"c" * PAGE_SIZE

    def attack(
        self, regs: GeneralRegs, *, exits: int = 3, slices: int = 100, fake: bytes = b""
    ) -> list[Exit]:
        """Let the attacker go with these registers: what came of it."""
        if fake:
            for i, frame in enumerate(self.fakes):
                self.machine.memory.write(frame, 0, fake[i * PAGE_SIZE :][:PAGE_SIZE])
        self.attacker.set_general(regs)
        self.attacker.step_pending = False  # type: ignore[attr-defined]
        seen: list[Exit] = []
        begin = time.monotonic()

        def trap(exit_: Exit) -> Context | None:
            seen.append(exit_)
            preempted = seen.count(PREEMPTED)
            return None if preempted >= slices or len(seen) - preempted >= exits else self.attacker

        self.run(self.attacker, trap)
        assert time.monotonic() - begin < 8, "the kernel was held up"
        return seen

    def close(self) -> None:
        self.check()
        self.machine.close()


def children() -> set[int]:
    """Processes that this one has made."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rsplit(")", 1)[1].split()[1]
        except OSError:
            continue  # it has just ended
        if int(parent) == os.getpid():
            found.add(int(stat.parent.name))
    return found


CHILDREN = children()  # of the test run itself


@pytest.fixture
def arena(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Arena]]:
    """In an empty folder, where nothing is made."""
    monkeypatch.chdir(tmp_path)
    files = len(os.listdir("/proc/self/fd"))
    made: list[Arena] = []

    def make(*arguments: object, **options: object) -> Arena:
        made.append(Arena(*arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for each in made:
        each.close()
    assert not children() - CHILDREN
    assert not list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) <= files


def take_away(space: AddressSpace, how: str, place: int, spare: int) -> None:
    """Another frame, less access or nothing at all at a page that can be written."""
    if how == "unmap":
        space.unmap(place, 1)
    elif how == "protect":
        space.protect(place, 1, READ)
    else:
        space.map(place, [spare], READ | WRITE)


def fill(value: int | Callable[[], int], **others: int) -> GeneralRegs:
    """All registers with one value, or what a function answers."""
    make = value if callable(value) else lambda: value
    regs = GeneralRegs(**{name: make() & MASK for name in NAMES}, rflags=0x202)
    for name, other in others.items():
        setattr(regs, name, other & MASK)
    return regs


# Calls of Linux.


NUMBERS = [
    *range(600),
    *(0x4000_0000 | n for n in (0, 1, 2, 57, 59, 102, 512, 520, 545)),
    *(MASK, MASK - 1, 1 << 63, 0xFFFF_FFFF, 0x8000_0000, 1 << 32, 1 << 32 | 202),
]


# Since Linux 6.14 and 6.18 no seccomp filter sees these two. For a process without probes they are an error, or a signal.
UPROBES = (335, 336)


def test_no_number_is_a_call_of_linux(arena: Callable[..., Arena]) -> None:
    """Nor with arguments that could do harm: a path, a signal to the parent, new mappings, another program."""
    hostile = arena(code="0f05 0f0b")
    path = b"hostile\0"
    parent = os.getpid()
    for i, number in enumerate(NUMBERS):
        regs = fill(FAKE, rax=number, rip=CODE, rsp=STACK_TOP - 64)
        if i % 2:
            regs.rdi, regs.rsi, regs.rdx = parent, 9, 0
        exits = [exit_ for exit_ in hostile.attack(regs, exits=2, fake=path * 8) if exit_ is not PREEMPTED]
        if number in UPROBES:
            assert isinstance(exits[0], CpuException) or exits[0] is SYSCALL
        else:
            assert exits == [SYSCALL, CpuException(Vector.UD, 0)], number
    regs = fill(7, rax=15, rip=CODE, rsp=FAKE)  # rt_sigreturn, from a frame of its own making
    assert SYSCALL in hostile.attack(regs, fake=b"\x33" * SLOT_SIZE)


def test_there_is_no_way_in_for_32_bits(arena: Callable[..., Arena]) -> None:
    hostile = arena(code="cd80 0f0b")
    for number in (*range(460), MASK, 0x4000_0000):
        exits = hostile.attack(fill(FAKE, rax=number, rip=CODE, rsp=STACK_TOP - 64), exits=1)
        assert exits[-1] == CpuException(Vector.GP, 0x80 << 3 | 2)


@pytest.mark.parametrize("entry", ["cd80", "0f05", "0f34", "ff1500000000", "0f0b", "ebfe", "cc"])
def test_code_of_32_bits_is_no_way_in_either(arena: Callable[..., Arena], entry: str) -> None:
    # push 0x23; push CODE + 16; retfq; int3 ...; mov eax, 1; the entry; int3
    hostile = arena(code=("6a23 68 10004100 48cb" + "cc" * 7).replace(" ", "") + "b801000000" + entry + "cc")
    for number in (1, 20, 37, 252):
        hostile.attack(fill(number, rip=CODE, rsp=STACK_TOP - 64), slices=3)
        hostile.check()


@pytest.mark.parametrize("address", [0xFFFF_FFFF_FF60_0000 + offset for offset in (0, 0x400, 0x800, 0xC00)])
def test_the_vsyscall_page_is_no_way_in(arena: Callable[..., Arena], address: int) -> None:
    hostile = arena(code="ffd0 0f0b")
    for _ in range(3):
        regs = fill(FAKE, rax=address, rip=CODE, rsp=STACK_TOP - 64)
        exits = [exit_ for exit_ in hostile.attack(regs, exits=1) if exit_ is not PREEMPTED]
        assert exits[0] is SYSCALL or isinstance(exits[0], PageFault | CpuException)
        assert hostile.machine.memory.read(hostile.fakes[0], 0, 64) == bytes(64)  # nothing was answered


# Instructions.


@pytest.mark.parametrize(
    "code",
    [
        *(
            "f4",
            "fa",
            "fb",
            "ec",
            "ed",
            "ee",
            "ef",
            "e410",
            "6c",
            "6e",
            "0f30",
            "0f32",
            "0f33",
            "0f20c0",
            "0f22c0",
            "0f23c0",
        ),
        *(
            "0f01f8",
            "0f01c1",
            "0f01d9",
            "0f01d1",
            "0f01c8",
            "0f01c9",
            "0f0108",
            "0f0110",
            "0f0118",
            "0f06",
            "0f08",
            "0f09",
        ),
        *(
            "0f00d8",
            "0f00d0",
            "0f01ef",
            "0f01ee",
            "0f34",
            "0f35",
            "0f07",
            "cf",
            "48cf",
            "cb",
            "48cb",
            "ca0800",
            "0fa2",
            "0f31",
        ),
        *(
            "0f01f9",
            "0f01d0",
            "cd00",
            "cd01",
            "cd03",
            "cd04",
            "cd0e",
            "cd20",
            "cd81",
            "cdff",
            "f1",
            "ce",
            "f3480faed0",
        ),
        *(
            "f3480faed8",
            "8ee0",
            "8ee8",
            "8ed8",
            "8ec0",
            "8ed0",
            "0fb207",
            "0fb407",
            "0fb507",
            "9d",
            "c5f877",
            "0fae07",
            "0fae0f",
        ),
        *(
            "480fae2f",
            "480fc71f",
            "0fc7f8",
            "f30fc7f8",
            "660fae30",
            "f30fae06",
            "f30f01e8",
            "f30f1eea",
            "f3480fae28",
        ),
    ],
)
def test_instructions_that_are_not_for_guests(arena: Callable[..., Arena], code: str) -> None:
    """They raise an exception, or do what is the guest's own affair."""
    hostile = arena(code=code + "90 0f05")
    values = [0, 3, 0x23, 0x2B, 0x33, 0x63, 0x7B, FAKE, MASK, 1 << 47, SLOTS, 0xFFFF_8000_0000_0000]
    for value in values:
        hostile.attack(
            fill(value, rip=CODE, rsp=STACK_TOP - 64, rflags=0x202),
            exits=2,
            fake=struct.pack("<5Q", CODE, 0x33, MASK, STACK_TOP, 0x2B) * 100,
        )
    hostile.check()
    # And nothing of it is left to others in the same process.
    other = hostile.machine.context(hostile.space)
    hostile.machine.memory.write(
        hostile.machine.frame_at(hostile.space, CODE), 0, b"\x64\x48\x8b\x04\x25\0\0\0\0\x0f\x05"
    )
    hostile.machine.memory.write(hostile.fakes[0], 0, struct.pack("<Q", 42))
    other.set_general(GeneralRegs(rip=CODE, fs_base=FAKE, rsp=STACK_TOP))
    hostile.run(other, lambda exit_: other if exit_ is PREEMPTED else None)
    assert other.general().rax == 42


# The stub.


def test_stub_and_control_pages_cannot_be_written(arena: Callable[..., Arena]) -> None:
    hostile = arena(code="488907 0f05")  # mov [rdi], rax
    for address in (
        _native.STUB,
        _native.STUB_END - 8,
        CONTROL,
        CONTROL + 0x800,
        CONTROL + 0x1000,
        CONTROL + 0x3FF8,
    ):
        exits = hostile.attack(fill(MASK, rdi=address, rip=CODE), exits=1)
        assert exits[-1] == PageFault(address, WRITE, False, 6)
    for address in (CONTROL, SLOTS, SLOTS + STACK_BOTTOM, STACK_TOP - 64, FAKE):
        exits = hostile.attack(fill(0, rip=address), exits=1)
        assert isinstance(exits[-1], PageFault) and exits[-1].access == EXECUTE


def fakes(chance: random.Random) -> bytes:
    """What a slot could look like, or a signal frame, or a script."""
    words = [0, 1, 2, 3, FAKE, SLOTS, CODE, MASK, _native.STUB, CONTROL, 1 << 63, 202, 0x202]
    return b"".join(struct.pack("<Q", chance.choice(words)) for _ in range(SLOT_SIZE // 8))


FILLINGS: list[Callable[[random.Random], GeneralRegs]] = [
    lambda chance: fill(0),
    lambda chance: fill(lambda: chance.getrandbits(64)),
    lambda chance: fill(SLOTS),
    lambda chance: fill(SLOTS, rsp=SLOTS + SLOT_SIZE),
    lambda chance: fill(FAKE),
    lambda chance: fill(FAKE, rsp=FAKE + SLOT_SIZE, rdi=10, rdx=FAKE, rsi=FAKE),
    lambda chance: fill(FAKE, rsp=SLOTS + SLOT_SIZE - 4096, r11=FAKE, r9=FAKE),
    lambda chance: fill(CONTROL),
    lambda chance: fill(
        lambda: chance.choice([0, 1, 9, 10, 31, 202, FAKE, SLOTS, CONTROL, CODE, MASK, os.getpid()]),
        rsp=chance.choice([FAKE + 512, SLOTS + 512, SLOTS + SLOT_SIZE, STACK_TOP]),
    ),
]


@pytest.mark.parametrize("filling", range(len(FILLINGS)))
def test_a_jump_to_any_byte_of_the_stub(arena: Callable[..., Arena], filling: int) -> None:
    hostile = arena(code="ebfe")
    chance = random.Random(filling)
    contents = [fakes(chance) for _ in range(5)]
    for offset in range(_native.STUB_END - _native.STUB + 8):
        regs = FILLINGS[filling](chance)
        regs.rip = _native.STUB + offset
        regs.rflags = chance.choice([0x202, 0x202, 0x302, 0x602, 0x40202])
        hostile.attack(regs, exits=2, slices=1, fake=chance.choice(contents))
        if offset % 16 == 0:
            hostile.check()


def test_the_futex_call_is_for_slots_alone(arena: Callable[..., Arena]) -> None:
    """From the stub's own instruction: other operations, and other places. None is made."""
    hostile = arena()
    image = Path("/proc/self/fd", str(hostile.machine.engine._image)).read_bytes()  # type: ignore[attr-defined]
    calls = [i for i in range(4096, len(image)) if image[i : i + 2] == b"\x0f\x05"]
    site = _native.STUB + calls[0] - 4096
    for operation in (0, 1, 2, 3, 4, 5, 6, 9, 11, 128, 129, 0x100):
        for address in (FAKE, CONTROL, CONTROL + 4, _native.STUB, 1 << 32 | SLOTS, GUEST_BASE, MASK, 0):
            if operation == 1 and address in (CONTROL, CONTROL + 4):
                continue  # to wake the servant, which looks for itself
            regs = fill(1, rax=202, rdi=address, rsi=operation, rdx=0, r10=0, rip=site, r9=CODE)
            exits = hostile.attack(regs, exits=1)
            assert exits[-1] is SYSCALL, (operation, hex(address))
    for call in calls:
        for number in (0, 1, 9, 10, 11, 13, 15, 56, 57, 59, 62, 157, 231, 317):
            regs = fill(3, rax=number, rip=_native.STUB + call - 4096, rsp=STACK_TOP - 64)
            assert hostile.attack(regs, exits=1)[-1] is SYSCALL


# Slots.


def test_a_guest_that_damages_its_slot_before_it_comes_back(arena: Callable[..., Arena]) -> None:
    """And in each way in which it may come back."""
    call = "41bb00000100 488d0d03000000 41ffe3"
    # mov rcx, rdx; rep stosb over a part of the slot; then one of: call, syscall, ud2, a fault, a loop
    for way in (call, "0f05", "0f0b", "a00000000000000000", "ebfe"):
        hostile = arena(code="4889d1 f3aa" + way + "0f0b")
        chance = random.Random(way)
        for _ in range(40):
            start = chance.choice(
                [chance.randrange(HEAD), XSAVE + chance.randrange(1024), STACK_BOTTOM, SLOT_SIZE - 4096]
            )
            regs = fill(0, rax=chance.choice([0, 1, 2, 3, 0x7F, 0x80, 0xFF]), rip=CODE, rsp=STACK_TOP - 64)
            regs.rdi, regs.rdx = SLOTS + start, chance.choice([1, 4, 8, 64, 512, 4096])
            hostile.attack(regs, exits=3, slices=2)
        hostile.check()


def test_a_slot_that_changes_while_the_kernel_looks_at_it(arena: Callable[..., Arena]) -> None:
    """A thread on a second CPU, in the same process, writes there all the time."""
    # again: imul eax, eax, 1103515245; add eax, 12345; mov ecx, eax; shr ecx, 8; and ecx, ebx; mov edx, eax; shr edx, 28;
    # mov [rdi + rcx * 4], edx; jmp again
    writer = "69c06d4ec641 0539300000 89c1 c1e908 21d9 89c2 c1ea1c 89148f ebe4"
    # again: (a call as the vDSO makes it); mov eax, [rdi]; jmp again
    caller = "41bb00000100 488d0d03000000 41ffe3 8b07 ebec"
    hostile = arena(2, writer)
    machine = hostile.machine
    caller_code = bytes.fromhex(caller.replace(" ", ""))
    machine.memory.write(machine.frame_at(hostile.space, CODE), 0x100, caller_code)
    for part in (0x7, 0x1F, 0x3F):
        sibling = machine.context(hostile.space)
        sibling.set_general(fill(1, rax=12345, rbx=part, rdi=SLOTS, rip=CODE, rsp=STACK_TOP - 64))
        hostile.attacker.set_general(fill(0, rip=CODE + 0x100, rsp=STACK_TOP - 64, rdi=DATA))
        end = time.monotonic() + 0.5

        def trap(
            cpu: int, exit_: Exit, sibling: Context = sibling, end: float = end, part: int = part
        ) -> Context | None:
            if time.monotonic() > end:
                return None
            context = sibling if cpu else hostile.attacker
            if not isinstance(exit_, Syscall) and exit_ is not PREEMPTED:
                context.set_general(
                    fill(
                        1, rax=time.monotonic_ns() & 0xFFFF, rbx=part, rdi=SLOTS, rip=CODE, rsp=STACK_TOP - 64
                    )
                    if cpu
                    else fill(0, rip=CODE + 0x100, rsp=STACK_TOP - 64, rdi=DATA)
                )
            return context

        machine.engine.start(0, hostile.attacker)
        machine.engine.start(1, sibling)
        machine.engine.wait(trap)
        machine.engine.recall()
        hostile.check()
        machine.engine.recall()


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 255])
def test_memory_is_taken_away_from_a_guest_that_pretends_to_wait(
    arena: Callable[..., Arena], kind: int
) -> None:
    """It posts by hand, and goes on writing to its memory, which has another owner by then."""
    # mov [r11 + KIND], eax; xor ecx, ecx; xchg [r11], ecx; again: inc rbx; mov [rdi], rbx; jmp again
    hostile = arena(code="41894314 31c9 41870b 48ffc3 48891f ebf8")
    machine = hostile.machine
    place = DATA + 0x2000
    for how in ("unmap", "protect", "map"):
        frame = machine.memory.allocate()
        hostile.space.map(place, [frame], READ | WRITE)
        hostile.attacker.set_general(fill(0, rip=CODE, rdi=place, r11=SLOTS, rax=kind))
        spare = machine.frame()
        looked = 0

        def trap(exit_: Exit, frame: int = frame, how: str = how, spare: int = spare) -> Context | None:
            nonlocal looked
            looked += 1
            if isinstance(exit_, PageFault) and looked < 5 and exit_.address >> 12 == place >> 12:
                return hostile.attacker  # where it forges nothing worth a look: its own first touch
            take_away(hostile.space, how, place, spare)
            machine.memory.write(frame, 0, b"n" * 64)  # now it is somebody else's
            time.sleep(0.02)
            assert machine.memory.read(frame, 0, 64) == b"n" * 64
            return None

        hostile.run(hostile.attacker, trap)
        hostile.check()
        assert machine.memory.read(frame, 0, 64) == b"n" * 64
        hostile.space.unmap(place, 1)
        machine.memory.free(frame)


@pytest.mark.parametrize("how", ["unmap", "protect", "map"])
def test_memory_is_taken_away_from_a_guest_that_runs_on_another_cpu(
    arena: Callable[..., Arena], how: str
) -> None:
    hostile = arena(2, "48ffc3 48891f ebf8")  # again: inc rbx; mov [rdi], rbx; jmp again
    machine, victim = hostile.machine, hostile.victim
    place = DATA + 0x2000
    frame, spare = machine.frame(), machine.frame()
    hostile.space.map(place, [frame], READ | WRITE)
    hostile.attacker.set_general(fill(0, rip=CODE, rdi=place))
    taken = False
    faults: list[Exit] = []

    def trap(cpu: int, exit_: Exit) -> Context | None:
        nonlocal taken
        if cpu == 1:
            if isinstance(exit_, PageFault) and taken:
                faults.append(exit_)
                return None
            return hostile.attacker
        if exit_ is not SYSCALL or not any(machine.memory.read(frame, 0, 8)):
            return victim
        if not taken:
            taken = True
            take_away(hostile.space, how, place, spare)
            machine.memory.write(frame, 0, b"n" * 64)
        time.sleep(0.01)
        assert machine.memory.read(frame, 0, 64) == b"n" * 64
        return None if how == "map" else victim

    machine.engine.start(0, victim)
    machine.engine.start(1, hostile.attacker)
    machine.engine.wait(trap)
    machine.engine.recall()
    assert taken and (how == "map" or faults)
    assert machine.memory.read(frame, 0, 64) == b"n" * 64
    # It has counted meanwhile; where its call was undone it makes it once more.
    hostile.rounds = hostile.victim.general().rbx - (CODE < hostile.victim.pc < CODE + 18)


@pytest.mark.parametrize(
    "rsp",
    [
        SLOTS + offset
        for offset in (
            0,
            8,
            HEAD,
            XSAVE,
            STACK_BOTTOM,
            STACK_BOTTOM + 8,
            STACK_BOTTOM + 4096,
            0x9000,
            SLOT_SIZE - 8,
            SLOT_SIZE,
        )
    ]
    + [0, 1, 8, MASK, 1 << 47, CONTROL + 64, _native.STUB + 64, GUEST_BASE, FAKE],
)
def test_a_stack_pointer_that_leaves_no_room_for_signals(arena: Callable[..., Arena], rsp: int) -> None:
    hostile = arena(code="ebfe")
    exits = hostile.attack(fill(0, rip=CODE, rsp=rsp), slices=3)
    assert exits[-1] is PREEMPTED or isinstance(exits[-1], CpuException)
    hostile.check()


def test_faults_without_end_take_no_more_than_a_slice(arena: Callable[..., Arena]) -> None:
    """Of pages that are there, or so the guest says."""
    error, trapno, cr2, rip = ((REGS + offset).to_bytes(4, "little").hex() for offset in (152, 160, 176, 128))
    text = f"""
        41c743{KIND:02x}02000000    ; again: mov dword [r11 + KIND], KIND_SIGNAL
        41c743180b000000            ; mov dword [r11 + SIGNAL], 11
        49c783{error}04000000       ; mov qword [r11 + ERR], 4
        49c783{trapno}0e000000      ; mov qword [r11 + TRAPNO], 14
        49c783{cr2}{DATA.to_bytes(4, "little").hex()}
        49c783{rip}{CODE.to_bytes(4, "little").hex()}
        31c0 418703                 ; xor eax, eax; xchg [r11 + TURN], eax
        41833b00 74fa               ; wait: cmp dword [r11 + TURN], 0; je wait
        ebb7                        ; jmp again
        """
    hostile = arena(code="".join(line.split(";")[0] for line in text.splitlines()))
    exits = hostile.attack(fill(SLOTS, rip=CODE, rsp=STACK_TOP - 64), slices=3)
    assert exits == [PREEMPTED] * 3
    hostile.check()


def test_registers_in_the_slot_that_no_thread_may_have(arena: Callable[..., Arena]) -> None:
    """Written there while the kernel has its turn, by somebody who is not the kernel."""
    hostile = arena(code="0f05 ebfc")
    slot = hostile.attacker
    for word in range(REGS // 8 - 2, (REGS + 184) // 8):
        for value in (0, MASK, 1 << 63, 1 << 47, 0x4000, 0x100, 0x20000, 0x10000, FAKE, SLOTS):
            hostile.attack(fill(0, rip=CODE, rsp=STACK_TOP - 64), exits=1)
            place = slot.slot  # type: ignore[attr-defined]
            place.words[word - 6] = value
            seen: list[Exit] = []

            def trap(exit_: Exit, seen: list[Exit] = seen) -> Context | None:
                seen.append(exit_)
                return hostile.attacker if len(seen) < 2 else None

            hostile.run(hostile.attacker, trap)
    for offset in (24, 27, 28, 512, 519, 520, 527, 528, 575):
        for value in (0, 1, 0x80, 0xFF):
            hostile.attack(fill(0, rip=CODE, rsp=STACK_TOP - 64), exits=1)
            hostile.attacker.slot.area[offset] = value  # type: ignore[attr-defined]
            hostile.attacker.single_step = False
            hostile.attack(hostile.attacker.general(), exits=2)
            hostile.attacker.set_fp(hostile.attacker.fp())
            hostile.attacker.fp()
            hostile.attacker.start(CODE, STACK_TOP, 0, 0, 0, 0)
    hostile.check()


# The process.


def test_what_a_stub_process_has(arena: Callable[..., Arena]) -> None:
    """No descriptors where guests run, no environment, no memory but the stub's and the guest's, and it leaves no core."""
    hostile = arena(code="8a07 0f05")
    hostile.attack(fill(DATA, rip=CODE), exits=1)
    stub = hostile.space.view.stub  # type: ignore[attr-defined]
    process = Path("/proc", str(stub.pid))
    try:
        maps = (process / "maps").read_text().splitlines()
    except PermissionError:
        pytest.skip("Linux shows nothing of it, which is right")
    for line in maps:
        start = int(line.split("-")[0], 16)
        assert start < GUEST_BASE or "jacinth" in line or "vsyscall" in line, line
    assert not any("[stack]" in line or "[vdso]" in line or "[heap]" in line for line in maps)
    assert (process / "environ").read_bytes() == b""
    tasks = sorted(int(task.name) for task in (process / "task").iterdir())
    assert tasks[0] == stub.pid and len(tasks) == 2
    servant, guest = (
        {int(fd.name) for fd in (process / "task" / str(task) / "fd").iterdir()} for task in tasks
    )
    assert guest == set()
    assert servant == {3, 4, 5, 6, 7}
    status = (process / "status").read_text()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    assert os.getpgid(stub.pid) == stub.pid  # the terminal's keys are not for it
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    os.kill(stub.pid, 6)
    ended = os.waitid(os.P_PID, stub.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None and ended.si_code == os.CLD_KILLED
