"""Guest code on the portable engine: against the bare emulator, qemu-user and the CPU, and what its system calls cost."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from bench.row import Row
from jacinth import Body, Kernel, ProcessOptions, Signals, VmarFlags, Vmo
from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.machine import EngineName
from jacinth.machine.exit import Exit, Preempted
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.portable.engine import PortableEngine
from jacinth.tools.cc import NO_VECTORS, compile_program, find_compiler
from jacinth.userboot.elf import load_elf
from jacinth.userboot.launch import launch

C = Path(__file__).parent / "c"
_STACK = 0x7000_0000
_ROUNDS = {"integer": 30_000_000, "sha256": 200_000}
REPEAT = 3
# Code of the emulator's takes up to twice as long in some places of the host's memory as in others: that is nobody's doing.
_PLACES = 10
_FOREVER = 3600 * 10**9


def rows(directory: Path) -> Iterator[Row]:
    """Needs a C compiler."""
    program = directory / "guest"
    compile_program([C / "guest.c"], program)
    image = program.read_bytes()

    nanoseconds = best(image, "null", 300_000)
    yield Row(
        "guest null syscalls",
        1e9 / nanoseconds,
        "/s",
        500_000,
        at_least=True,
        note=f"{nanoseconds / 1e3:.2f} us",
    )
    nanoseconds = best(image, "duplicate", 100_000)
    yield Row("guest handle_duplicate+handle_close", 1e9 / nanoseconds, "/s", 150_000, at_least=True)
    yield Row("guest page touched for the first time", best(image, "touch", 20_000) / 1e3, "us", 10)
    # A fault, a packet, two switches, two calls of the pager's and the fault again.
    yield Row("pager fault round trip", best(image, "pager", 10_000) / 1e3, "us")
    # Each yield lets the other process's thread run once: two switches.
    yield Row("switch between two threads of two processes", best(image, "switch", 50_000) / 2e3, "us", 5)
    yield from _restricted(directory)

    compiler = find_compiler().command
    bare, on_linux = directory / "bare", directory / "linux"
    flags = [
        "-O2",
        "-ffreestanding",
        "-fno-stack-protector",
        "-nostdlib",
        "-static",
        "-fno-pie",
        "-no-pie",
        "-fcf-protection=none",
        NO_VECTORS,
    ]
    subprocess.run([*compiler, *flags, str(C / "bare.c"), "-o", str(bare)], check=True)
    subprocess.run(
        [*compiler, "-O2", NO_VECTORS, "-static", str(C / "linux.c"), "-o", str(on_linux)], check=True
    )
    qemu = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
    for number, (what, rounds) in enumerate(_ROUNDS.items()):
        guest = best(image, what, rounds, repeat=_PLACES)
        alone = min(_bare(bare.read_bytes(), number, rounds) for _ in range(_PLACES)) / rounds
        cpu = min(linux([str(on_linux)], number, rounds) for _ in range(REPEAT)) / rounds
        note = f"{guest:.1f} ns against {alone:.1f} ns; the CPU itself {cpu:.1f} ns"
        yield Row(f"guest {what} / bare Unicorn with paging", guest / alone, "x", 1.1, note=note)
        if qemu is None:
            yield Row(f"guest {what} / qemu-user", float("nan"), "x", note="no qemu-user on this machine")
        else:
            emulated = min(linux([qemu, str(on_linux)], number, rounds) for _ in range(_PLACES)) / rounds
            target = 1.0 if what == "sha256" else None
            yield Row(
                f"guest {what} / qemu-user",
                guest / emulated,
                "x",
                target,
                note=f"qemu-user {emulated:.1f} ns",
            )


def restricted(directory: Path, engine: EngineName) -> tuple[int, int, int]:
    """ns of a null syscall, of a way into restricted mode and back, and of an exception there, in the best of several runs."""
    program = directory / "restricted"
    compile_program([C / "restricted.c"], program)
    image = program.read_bytes()
    runs = [[int(word) for word in run(image, ["50000"], engine).split()[-3:]] for _ in range(REPEAT)]
    null, trip, exception = min(runs, key=lambda run: run[1])
    return null, trip, exception


def _restricted(directory: Path) -> Iterator[Row]:
    """Into restricted mode and out again: machine code that enters by system calls, and a Python body."""
    null, trip, exception = restricted(directory, "portable")
    note = f"{trip / 1e3:.2f} us against {null / 1e3:.2f} us in the same run"
    yield Row("restricted mode, there and back / null syscall", trip / null, "x", 2.0, note=note)
    yield Row("exception in restricted mode, there and back", exception / 1e3, "us")
    yield Row("restricted mode of a Python body, there and back", _restricted_body(20_000) * 1e6, "us")


def _restricted_body(rounds: int) -> float:
    """Seconds a round, in the best of several runs."""
    times = []

    async def body(zx: Body) -> None:
        code = await Vmo.create(PAGE_SIZE, caller=zx).replace_as_executable()
        await code.write(bytes.fromhex("0f05 ebfc"))  # again: syscall; jmp again
        state = await zx.thread.restricted_bind_state()
        flags = VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE
        state.ip = await zx.restricted_vmar.map(0, code, 0, PAGE_SIZE, flags)
        for _ in range(REPEAT):
            start = time.perf_counter()
            for _ in range(rounds):
                await zx.thread.restricted_enter(state)
            times.append((time.perf_counter() - start) / rounds)

    with Kernel(memory=64 << 20, engine="portable") as kernel:
        prototype, _ = kernel.root_job.create_child_process("prototype", ProcessOptions.SHARED)
        process, _ = prototype.create_shared("body")
        process.start_body(body)
        process.wait(Signals.PROCESS_TERMINATED)
    return min(times)


def best(
    image: bytes, what: str, rounds: int, engine: EngineName = "portable", repeat: int = REPEAT
) -> float:
    """Nanoseconds a round of what the program guest.c can do, in the best of several runs."""
    return min(int(run(image, [what, str(rounds)], engine).split()[-1]) for _ in range(repeat)) / rounds


def run(image: bytes, arguments: list[str], engine: EngineName, cpus: int | None = None) -> str:
    """What the program prints."""
    printed = bytearray()
    with Kernel(memory=256 << 20, engine=engine, cpus=cpus) as kernel:
        kernel.console = printed.extend
        zx = kernel.host.sys
        _, job = zx.zx_job_create(kernel.host.root_job, 0)
        args = [b"guest", *(argument.encode() for argument in arguments)]
        program = launch(kernel.host, kernel.vdso, image, job=job, name=b"guest", args=args)
        zx.zx_object_wait_one(program.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    return printed.decode()


def _bare(data: bytes, kind: int, rounds: int) -> int:
    """Nanoseconds on the emulator with page tables, and nothing else: no kernel and no budget."""
    image = load_elf(data)
    memory = PhysicalMemory(16 << 20)
    engine = PortableEngine(memory, slice_ns=_FOREVER)
    space = engine.aspace()
    for segment in image.segments:
        access = READ | (EXECUTE if segment.execute else 0) | (WRITE if segment.write else 0)
        content = (
            bytes(segment.vaddr - segment.start) + data[segment.offset : segment.offset + segment.filesz]
        )
        for address in range(segment.start, segment.end, PAGE_SIZE):
            frame = memory.allocate()
            memory.write(frame, 0, content[address - segment.start :][:PAGE_SIZE])
            space.map(address, [frame], access)
    space.map(_STACK - PAGE_SIZE, [memory.allocate()], READ | WRITE)
    context = engine.context(space)
    context.start(image.entry, _STACK, kind, rounds, 0, 0)

    def trap(_: int, exit_: Exit) -> None:
        assert not isinstance(exit_, Preempted)

    engine.start(0, context)
    start = time.perf_counter_ns()
    engine.wait(trap)
    elapsed = time.perf_counter_ns() - start
    context.close()
    space.close()
    engine.close()
    memory.close()
    return elapsed


def linux(command: list[str], kind: int, rounds: int) -> int:
    done = subprocess.run([*command, str(kind), str(rounds)], capture_output=True, check=True)
    return int(done.stdout)
