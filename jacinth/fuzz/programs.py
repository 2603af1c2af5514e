"""Programs that nobody has written: mutated and made-up ELF files for the loader, and machine code for the engine.

Every program runs for a few virtual milliseconds in a job of its own, which is killed then: whatever it is, it is refused in one
line or it runs, and afterwards nothing is left of it.
"""

from __future__ import annotations

import random
import re
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from jacinth.abi import (
    BY_NAME,
    SYSCALLS,
    ZX_PROCESS_SHARED,
    ZX_RESTRICTED_REASON_SYSCALL,
    ZX_TASK_TERMINATED,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    ZxError,
)
from jacinth.api.machine import EngineName
from jacinth.api.status import ZxBadState
from jacinth.fuzz.episode import Failure, Outcome, describe, limit
from jacinth.fuzz.generate import INTERESTING
from jacinth.fuzz.invariants import assert_invariants
from jacinth.fuzz.unchanged import Before
from jacinth.fuzz.world import FuzzError, boot
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.machine.portable.engine import PortableEngine
from jacinth.syscalls.door import Call
from jacinth.userboot.elf import ElfError, load_elf
from jacinth.userboot.launch import launch

PER_EPISODE: Final = 50
_MS: Final = 1_000_000
_MASK: Final = (1 << 64) - 1
_PAGE: Final = 4096

# Where code is put: addresses of an ELF file that says where it wants to be.
CODE: Final = 0x40_0000
_DATA: Final = 0x50_0000
_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True)
class Program:
    """*kind* is "elf", "code" or "restricted"; *data* the file, or the code."""

    kind: str
    data: bytes


# ---- Running one ------------------------------------------------------------------------------------------------------------


class Ground:
    """A kernel in which programs are run, one after the other."""

    def __init__(self, seed: int, engine: EngineName = "auto") -> None:
        self.kernel = k = boot(seed, engine, 64 << 20, 5_000)
        # How long a program may run. The native engine's slices are not counted in instructions.
        self.patience = 2 * _MS if isinstance(k.engine, PortableEngine) else 50 * _MS
        k.syscall = _watched(k.syscall)
        assert k.vdso.handle
        self.handles = len(k.host.dispatcher.handles)
        self.pages = k.memory.allocated

    def close(self) -> None:
        self.kernel.close()

    def run(self, program: Program) -> str:
        """Run it. Answers how it ended. Raises FuzzError where something is wrong, and any error of the kernel's own."""
        zx, k = self.kernel.host.sys, self.kernel
        status, job = zx.zx_job_create(k.host.root_job, 0)
        if status:
            raise FuzzError(f"zx_job_create = {status}")
        with limit(20.0):
            if program.kind == "restricted":
                ended = self._restricted(job, program.data)
            else:
                ended = self._file(job, file_of(program.data) if program.kind == "code" else program.data)
            zx.zx_task_kill(job)
            zx.zx_handle_close(job)
            k.run_until_idle()
        if k.root_job_dispatcher.has_children:
            raise FuzzError("a task is left over")
        if len(k.host.dispatcher.handles) != self.handles:
            raise FuzzError(
                f"{len(k.host.dispatcher.handles) - self.handles} handles of the host are left over"
            )
        if k.memory.allocated != self.pages:
            raise FuzzError(f"{k.memory.allocated - self.pages} pages are left over")
        return ended

    def _file(self, job: int, data: bytes) -> str:
        zx, k = self.kernel.host.sys, self.kernel
        try:
            program = launch(k.host, k.vdso, data, job=job, name=b"fuzz", args=[b"fuzz", b"argument"])
        except ElfError as error:
            text = str(error)
            if not text or "\n" in text or len(text) > 300:
                raise FuzzError(f"refused with {text!r}") from error
            return "refused: " + re.sub(r"0x[0-9a-f]+|\d+", "#", text.split(":")[0])
        except ZxError as error:
            return f"refused: {error.status.name}"
        list(program.image.symbols)
        status, _ = zx.zx_object_wait_one(
            program.process, ZX_TASK_TERMINATED, zx.zx_deadline_after(self.patience)
        )
        handle = k.host.dispatcher.handles.get(program.process)
        assert handle is not None
        code = handle.object.return_code  # type: ignore[attr-defined]
        for value in (program.process, program.thread, program.vmar):
            zx.zx_handle_close(value)
        return "runs on" if status else "returned" if code >= 0 else f"ended with {code}"

    def _restricted(self, job: int, code: bytes) -> str:
        """The code as restricted code of a Python body, which goes on after everything that it comes out with."""
        k, zx = self.kernel, self.kernel.host.sys
        status, prototype, vmar = zx.zx_process_create(job, b"prototype", ZX_PROCESS_SHARED)
        status, process, restricted = zx.zx_process_create_shared(prototype, 0, b"restricted")
        _, vmo = zx.zx_vmo_create(len(code) + _PAGE, 0)
        zx.zx_vmo_write(vmo, code, 0)
        _, vmo = zx.zx_vmo_replace_as_executable(vmo, 0)
        options = ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE
        status, _ = zx.zx_vmar_map(restricted, options, CODE - 0x20_0000, vmo, 0, len(code) + _PAGE)
        assert not status
        reasons: Counter[int] = Counter()

        async def body(thread_zx: Any) -> None:
            state = await thread_zx.thread.restricted_bind_state()
            state.ip, state.rsp = CODE, CODE + len(code) - 64
            for _ in range(30):
                try:
                    reason = await thread_zx.thread.restricted_enter(state)
                except ZxBadState:  # the emulator lets WRFSBASE set what no thread may have
                    return
                reasons[int(reason)] += 1
                state.rax = 0
                if reason != ZX_RESTRICTED_REASON_SYSCALL:
                    state.ip = (state.ip + 1) & ((1 << 47) - 1)
                    state.rsp = CODE + len(code) - 64

        from jacinth.api.task import Process

        thread = Process(k, process).start_body(body)
        zx.zx_object_wait_one(process, ZX_TASK_TERMINATED, zx.zx_deadline_after(self.patience))
        thread.close()
        for value in (prototype, vmar, process, restricted, vmo):
            zx.zx_handle_close(value)
        return f"left restricted mode with {sorted(reasons)}"


def _watched(enter: Callable[[ThreadDispatcher], int | None]) -> Callable[[ThreadDispatcher], int | None]:
    """The same door, but what a failed call has changed is found."""

    def watched(thread: ThreadDispatcher) -> int | None:
        assert thread.context is not None
        registers = thread.context.syscall()
        if registers[0] >= len(SYSCALLS):
            return enter(thread)
        row = SYSCALLS[registers[0]]
        before = Before(thread.call or Call(thread), row, registers)
        result = enter(thread)
        changed = None if result is None else before.changed(result)
        if changed is not None:
            raise FuzzError(f"{row.name} = {result}, and {changed}")
        return result

    return watched


def file_of(code: bytes) -> bytes:
    """An ELF file that begins with *code*, in memory that it may also write, with a page of data behind it."""
    header = _EHDR.size + 2 * _PHDR.size
    start = header + -header % _PAGE
    size = len(code) + -len(code) % _PAGE
    segments = [
        (1, 7, start, CODE, CODE, len(code), size, _PAGE),
        (1, 6, 0, _DATA, _DATA, 64, 4 * _PAGE, _PAGE),
    ]
    return _header(CODE, 2, 2) + b"".join(_PHDR.pack(*s) for s in segments) + bytes(start - header) + code


def _header(entry: int, kind: int, count: int) -> bytes:
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    return _EHDR.pack(ident, kind, 62, 1, entry, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, count, 0, 0, 0)


# ---- Making them ------------------------------------------------------------------------------------------------------------


def integer(rng: random.Random) -> int:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.getrandbits(64)
    return rng.randrange(64) if kind == 1 else rng.choice(INTERESTING)


def elf(rng: random.Random, image: bytes) -> Program:
    """A file that is damaged, or made up. *image* is one that is neither."""
    if rng.random() < 0.4:
        return Program("elf", mutated(rng, image))
    made = _made_up(rng)
    return Program("elf", mutated(rng, made) if rng.random() < 0.5 else made)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """*data* with a few changes, most of them in its headers."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        where = rng.randrange(64 + 56 * 8) if rng.random() < 0.9 else rng.randrange(len(changed))
        where = min(where, len(changed) - 1)
        kind = rng.randrange(4)
        if kind == 0:
            changed[where] = rng.randrange(256)
        elif kind == 1:
            changed[where] ^= 1 << rng.randrange(8)
        elif kind == 2:
            place = where & ~7
            changed[place : place + 8] = integer(rng).to_bytes(8, "little")
        else:
            place = where & ~3
            changed[place : place + 4] = (integer(rng) & 0xFFFF_FFFF).to_bytes(4, "little")
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


_SEGMENT_TYPES: Final = (1, 1, 1, 1, 2, 3, 4, 6, 7, 0x6474E551, 0x6474E550, 0x6474E552, 0x12345678)


def _made_up(rng: random.Random) -> bytes:
    """Segments of all kinds, most of which fit together."""
    count = rng.randrange(1, 8)
    contents = rng.randbytes(64) * (3 * _PAGE // 64)
    address = rng.choice((0, 0, CODE, 0x20_0000, 1 << 30, 0x7FFF_0000_0000))
    headers = []
    for _ in range(count):
        kind = rng.choice(_SEGMENT_TYPES)
        offset = rng.choice((0, 0, _PAGE, 64, rng.randrange(3 * _PAGE)))
        filesz = rng.choice((0, 64, _PAGE, rng.randrange(2 * _PAGE)))
        memsz = filesz + rng.choice((0, 0, 1, _PAGE, 1 << 20, 1 << 33))
        vaddr = address + offset % _PAGE
        fields = [
            kind,
            rng.randrange(8),
            offset,
            vaddr,
            vaddr,
            filesz,
            memsz,
            rng.choice((0, 1, 8, _PAGE, _PAGE, 1 << 21)),
        ]
        if rng.random() < 0.1:
            fields[rng.randrange(2, 8)] = integer(rng)
        headers.append(
            _PHDR.pack(fields[0], fields[1] & 0xFFFF_FFFF, *[field & _MASK for field in fields[2:]])
        )
        if kind == 1:
            address += memsz + -memsz % _PAGE + rng.choice((_PAGE, _PAGE, 0, 1 << 24))
            address &= _MASK
    entry = rng.choice((0, CODE, 64, address, integer(rng)))
    data = _header(entry, rng.choice((2, 3, 3, 3, 1)), count) + b"".join(headers)
    return data + contents[len(data) :]


# Instructions, of which some parts are left to chance: "*" is any byte.
_CODES: Final = """
    48:8b:** 48:89:** 48:01:** 48:29:** 48:31:** 48:39:** 48:f7:** 48:c1:**:** 48:81:**:**:**:**:** 48:83:**:**
    0f:b6:** 0f:b7:** 48:63:** 48:8d:** 86:** 87:** f0:48:0f:b1:** f0:48:0f:c1:** 0f:c7:** 48:0f:bc:** 48:0f:af:**
    50 51 54 55 58 5c 5d 9c 9d c3 c9 e8:**:ff:ff:ff eb:** e9:**:00:00:00 74:** 75:** 7c:** e2:** ff:** fe:** c2:**:00
    cc cd:03 cd:80 cd:** ce f1 f4 fa fb 0f:0b 0f:05 0f:34 0f:01:** 0f:00:** 0f:20:** 0f:22:** 0f:23:** 0f:30 0f:32 0f:31
    0f:a2 0f:08 0f:09 e4:** ec ef 6c 6e f3:a4 f3:48:a5 f3:aa f2:ae f3:a6 66:a5 48:ab d7 98 99 48:99 27 37 06 62:**:**
    0f:28:** 0f:29:** 0f:58:** 0f:5e:** 66:0f:6f:** 66:0f:7f:** 66:0f:ef:** f2:0f:10:** f3:0f:11:** 66:0f:38:**:**
    66:0f:3a:**:**:** d8:** d9:** da:** db:** dd:** de:** df:** 9b 0f:ae:** 0f:77 c5:**:**:** c4:**:**:**:** 48:0f:ae:**
    8e:** 8c:** 0f:b2:** 0f:b4:** c8:**:**:** 0f:02:** 0f:03:** 63:** f3:48:0f:ae:** f3:0f:1e:fa f3:90 0f:18:** 0f:0d:**
    48:b8:**:**:**:**:**:**:**:** 48:c7:c0:**:**:**:** 64:48:8b:** 65:48:8b:** 67:** 66:90 40 4f:** 2e:** 48:0f:05
    c7:04:25:00:00:40:00:**:**:**:** 48:c7:44:24:f8:**:**:**:** 48:a1:00:00:50:00:00:00:00:00 ff:64:24:** 48:cf ca:** cb
"""
_INSTRUCTIONS: Final = tuple(_CODES.split())


def soup(rng: random.Random, count: int) -> bytes:
    """Instructions in any order."""
    code = bytearray()
    for _ in range(count):
        for part in rng.choice(_INSTRUCTIONS).split(":"):
            code.append(rng.randrange(256) if "*" in part else int(part, 16))
    return bytes(code)


def calling(rng: random.Random, sites: Sequence[tuple[int, int]]) -> bytes:
    """Code that makes system calls through the vDSO. *sites*: number, and where its instruction is from the vDSO's base."""
    # mov rbp, rsi: the vDSO's base; mov rbx, rdi: the bootstrap channel
    code = bytearray(bytes.fromhex("4889f54889fb"))
    registers = ("48bf", "48be", "48ba", "49ba", "49b8", "49b9", "49bc", "49bd")
    for _ in range(rng.randrange(1, 40)):
        number, site = rng.choice(sites)
        for index, opcode in enumerate(registers):
            chance = rng.random()
            if chance < 0.5:
                value = rng.choice((CODE, _DATA, _DATA + 8, _DATA + _PAGE, _DATA + 4 * _PAGE - 4, 0x20_0000))
            else:
                value = rng.randrange(16) if chance < 0.75 else integer(rng)
            code += bytes.fromhex(opcode) + value.to_bytes(8, "little")
            if (
                index == 0 and rng.random() < 0.8
            ):  # rdi: the channel, or a handle that some call has left in the data
                code += (
                    b"\x48\x89\xdf" if rng.random() < 0.4 else b"\x8b\x3c\x25" + _DATA.to_bytes(4, "little")
                )
        code += _trap(number, site)
        if rng.random() < 0.1:
            code += soup(rng, 2)
    return bytes(code) + b"\x0f\x0b"


def _trap(number: int, site: int) -> bytes:
    """A system call through the vDSO, whose base is in rbp."""
    pops = max(0, len(SYSCALLS[number].params) - 6)
    # lea r11, [rip + behind]; push r11, also for every register that the routine restores; lea r11, [rbp + site]; jmp r11
    tail = b"\x41\x53" * pops + b"\x4c\x8d\x9d" + site.to_bytes(4, "little") + b"\x41\xff\xe3"
    lea = b"\x4c\x8d\x1d" + (2 + len(tail)).to_bytes(4, "little") + b"\x41\x53"
    return b"\xb8" + number.to_bytes(4, "little") + lea + tail


_REGISTERS: Final = {"rdi": "48bf", "rsi": "48be", "rdx": "48ba", "r10": "49ba", "rsp": "48bc", "rax": "48b8"}


def _set(register: str, value: int) -> bytes:
    return bytes.fromhex(_REGISTERS[register]) + (value & _MASK).to_bytes(8, "little")


def serving(rng: random.Random, sites: Mapping[int, int]) -> bytes:
    """Code that binds a state, enters restricted mode, and goes on whatever it comes out with, some thirty times."""
    bind, write, kick, enter = (
        (row.number, sites[row.number])
        for row in map(
            BY_NAME.__getitem__,
            ("zx_restricted_bind_state", "zx_vmo_write", "zx_restricted_kick", "zx_restricted_enter"),
        )
    )
    inside = CODE + 0x800  # the code of restricted mode
    state, counter, stack = _DATA + 0x800, _DATA + 0x700, _DATA + 4 * _PAGE - 64
    report = rng.choice((0, _DATA + 0xA00, _DATA + 0xFF0, 0x1000, CODE, integer(rng)))
    kept = (_DATA + 0x708).to_bytes(4, "little")
    # mov rbp, rsi: the vDSO's base, which is kept: mov [address], rbp
    code = bytearray(bytes.fromhex("4889f5"))
    code += b"\x48\x89\x2c\x25" + kept
    code += _set("rdi", 0) + _set("rsi", _DATA) + _set("rdx", report) + _trap(*bind)
    words = {7: stack - _PAGE, 16: inside}
    for _ in range(rng.choice((0, 0, 1, 3))):
        words[rng.randrange(20)] = rng.choice((inside, _DATA, integer(rng)))
    words[counter - state >> 3] = 30
    for index, value in words.items():
        # mov [address], rax
        code += _set("rax", value) + b"\x48\xa3" + (state + 8 * index).to_bytes(8, "little")
    again = len(code)
    code += b"\x8b\x3c\x25" + _DATA.to_bytes(4, "little")  # mov edi, [the state's handle]
    code += _set("rsi", state) + _set("rdx", 0) + _set("r10", 160) + _trap(*write)
    enters = len(code)
    if rng.random() < 0.2:
        code += _set("rdi", rng.randrange(4)) + _set("rsi", 0) + _trap(*kick)
    code += _set("rdi", 0)
    vector = len(code)
    code += _set("rsi", 0) + _set("rdx", integer(rng)) + _trap(*enter)
    # Here it comes out, and here it goes on where the call has failed.
    entry = CODE + len(code)
    code[vector : vector + 10] = _set("rsi", entry if rng.random() < 0.95 else integer(rng))
    code += _set("rsp", stack) + b"\x48\x8b\x2c\x25" + kept  # mov rbp, [address]
    code += b"\x48\xff\x0c\x25" + counter.to_bytes(4, "little")  # dec qword [counter]
    code += b"\x0f\x84\0\0\0\0"  # jz: to the next instruction, behind the jump
    target = again if rng.random() < 0.6 else enters  # from the beginning, or where it was
    code[-4:] = (5).to_bytes(4, "little")
    code += b"\xe9" + (target - len(code) - 5 & 0xFFFF_FFFF).to_bytes(4, "little") + b"\x0f\x0b"
    kind = rng.randrange(4)
    if kind == 0:
        body = rng.randbytes(200)
    elif kind == 1:
        body = b"\x48\xff\xc0\x0f\x05\xeb\xf9"  # system calls for ever
    else:
        body = soup(rng, 40)
    return bytes(code.ljust(0x800, b"\xcc")) + body


def code(rng: random.Random, image: bytes, sites: Sequence[tuple[int, int]]) -> Program:
    """Machine code: any bytes, instructions, system calls, damaged code that was once good; in restricted mode too."""
    kind = rng.random()
    if kind < 0.2:
        made = rng.randbytes(rng.randrange(1, 300))
    elif kind < 0.5:
        made = soup(rng, rng.randrange(1, 100))
    elif kind < 0.7:
        made = calling(rng, sites)
    elif kind < 0.85:
        return Program("code", serving(rng, dict(sites)))
    else:
        start = rng.randrange(len(image) - 600)
        made = image[start : start + rng.randrange(1, 600)]
    if rng.random() < 0.3:
        made = mutated(rng, made.ljust(8, b"\x90")) or b"\x90"
    if rng.random() < 0.3:
        return Program("restricted", made.ljust(_PAGE, b"\xcc"))
    return Program("code", made)


# ---- Episodes ---------------------------------------------------------------------------------------------------------------


def run(kind: str, seed: int, count: int = PER_EPISODE, engine: EngineName = "auto") -> Outcome:
    """An episode: *count* programs of a kind, "elf" or "code", in one kernel."""
    rng = random.Random(seed)
    ground = Ground(seed, engine)
    image = ground.kernel.vdso.image.image
    sites = [
        (number, site) for number, site in ground.kernel.vdso.entries.items() if not SYSCALLS[number].noreturn
    ]
    seen: Counter[tuple[str, int | str]] = Counter()
    programs: list[Program] = []
    failure = None
    for number in range(count):
        program = elf(rng, image) if kind == "elf" else code(rng, image, sites)
        programs.append(program)
        try:
            seen[program.kind, ground.run(program)] += 1
            if number % 10 == 9 or number == count - 1:
                assert_invariants(ground.kernel)
        except Exception as error:
            failure = Failure(seed, tuple((p.kind, p.data) for p in programs), describe(error), engine)
            break
    else:
        with suppress(ElfError):
            load_elf(image)
        ground.close()
    return Outcome(seed, len(programs), seen, failure)


def attempt(
    seed: int,
    programs: Sequence[tuple[str, bytes]],
    log: Callable[[str], None] | None = None,
    engine: EngineName = "auto",
) -> str | None:
    """Run the programs in a new kernel. Answers what goes wrong."""
    try:
        ground = Ground(seed, engine)
        for kind, data in programs:
            ended = ground.run(Program(kind, data))
            if log is not None:
                log(f"{kind}, {len(data)} bytes: {ended}")
        assert_invariants(ground.kernel)
        ground.close()
    except Exception as error:
        return describe(error)
    return None


def reduce(failure: Failure) -> Failure:
    """Fewer programs, and a shorter last one, that fail in the same way."""

    def fails(programs: Sequence[tuple[str, bytes]]) -> Failure | None:
        text = attempt(failure.seed, programs, engine=failure.engine)
        found = None if text is None else Failure(failure.seed, tuple(programs), text, failure.engine)
        return found if found is not None and found.signature == failure.signature else None

    last = failure
    for start in range(len(failure.steps) - 1, -1, -1):  # the last one alone, the last two, ...
        found = fails(failure.steps[start:])
        if found is not None:
            last = found
            break
    else:
        return failure
    kind, data = last.steps[-1]
    size = len(data) // 2
    while size and kind != "elf":
        start = 0
        while start < len(data):
            shorter = data[:start] + data[start + size :]
            found = fails((*last.steps[:-1], (kind, shorter))) if shorter else None
            if found is not None:
                last, data = found, shorter
            else:
                start += size
        size //= 2
    return last
