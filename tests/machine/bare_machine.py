"""A small machine for the tests of the engines: code as bytes, mapped at CODE, with a stack below
STACK_TOP."""

from __future__ import annotations

from collections.abc import Callable

from jacinth.machine.exit import PREEMPTED, Exit
from jacinth.machine.interface import EXECUTE, PAGE_SIZE, READ, WRITE, AddressSpace, Context, Engine
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.portable.engine import PortableEngine

# Above the 2 MiB that the native engine keeps for itself.
CODE = 0x410000
STACK_TOP = 0x420000
DATA = 0x430000
QUANTUM = 5_000
# ns: longer than what runs here by far, so that only endless loops are preempted; ten times that where they have to share CPUs
# with whatever else the host does
LONG = 100_000_000

Answer = Callable[[Exit], "Context | None"]


def assemble(text: str) -> bytes:
    """Hexadecimal machine code, a line an instruction, what follows a semicolon is for the reader."""
    return bytes.fromhex("".join(line.split(";")[0] for line in text.splitlines()))


def stop(_: Exit) -> None:
    """The trap of those that expect to be preempted: `Machine.run` goes on then by itself."""


class Machine:
    """With the portable engine, or the *native* one. *options* are the engine's."""

    def __init__(self, native: bool = False, **options: object) -> None:
        self.memory = PhysicalMemory(64 << 20)
        self.native = native
        self.engine: Engine
        if native:
            from jacinth.machine.native.engine import NativeEngine

            self.engine = NativeEngine(self.memory, **{"slice_ns": 10 * LONG, **options})  # type: ignore[arg-type]
        else:
            self.engine = PortableEngine(self.memory, **{"quantum": QUANTUM, "slice_ns": LONG, **options})  # type: ignore[arg-type]
        self.spaces: list[AddressSpace] = []
        self.frames: list[int] = []

    def frame(self, content: bytes = b"") -> int:
        frame = self.memory.allocate()
        self.frames.append(frame)
        self.memory.write(frame, 0, content)
        return frame

    def frame_at(self, space: AddressSpace, address: int) -> int:
        """The frame that is mapped there; 0 for none."""
        if self.native:
            return space.view.entry(address >> 12) >> 3  # type: ignore[attr-defined]
        return space.translate(address) or 0  # type: ignore[attr-defined]

    def space(self, text: str | bytes = b"", access: int = READ | EXECUTE) -> AddressSpace:
        """A new address space with the code, a page of stack and a page of data."""
        space = self.engine.aspace()
        self.spaces.append(space)
        code = assemble(text) if isinstance(text, str) else text
        for i in range(0, max(len(code), 1), PAGE_SIZE):
            space.map(CODE + i, [self.frame(code[i : i + PAGE_SIZE])], access)
        space.map(STACK_TOP - PAGE_SIZE, [self.frame()], READ | WRITE)
        space.map(DATA, [self.frame()], READ | WRITE)
        return space

    def context(self, space: AddressSpace, pc: int = CODE, arg1: int = DATA, arg2: int = 0) -> Context:
        context = self.engine.context(space)
        context.start(pc, STACK_TOP, arg1, arg2, 0, 0)
        return context

    def run(self, context: Context, trap: Answer | None = None) -> list[Exit]:
        """Run until *trap* answers None, without one until the first exit that is no Preempted. The exits."""
        exits: list[Exit] = []

        def on_exit(_: int, exit_: Exit) -> Context | None:
            if trap is None and exit_ is PREEMPTED:  # a busy host
                return context
            exits.append(exit_)
            return trap(exit_) if trap is not None else None

        self.engine.start(0, context)
        self.engine.wait(on_exit)
        return exits

    def close(self) -> None:
        """Everything was given back."""
        for space in reversed(self.spaces):
            space.close()
        self.engine.close()
        for frame in self.frames:
            self.memory.free(frame)
        assert (self.memory.allocated, self.memory.overhead) == (0, 0)
        self.memory.close()
