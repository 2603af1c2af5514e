"""What the kernel asks of a machine. Engines implement this; nothing here knows of jobs, handles or VMOs.

What an engine holds of an address space is derived state: the kernel's VMARs and VMOs are the truth, and
any mapping may be dropped at any moment, since the next access comes back as a `PageFault`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from jacinth.machine.exit import Exit
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.x86_64 import DebugRegs, FpRegs, GeneralRegs, RegisterBlock, VectorRegs

PAGE_SIZE: Final = 4096

READ: Final = 1
WRITE: Final = 2
EXECUTE: Final = 4

UNIFIED_SPLIT: Final = 1 << 46  # where the two parts of a unified address space meet


class AddressSpace(Protocol):
    """A page table. Addresses are page-aligned bytes; frames are page numbers of the PhysicalMemory."""

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        """Map consecutive pages from *address* to *frames*, replacing what was there. Never WRITE and
        EXECUTE at once for one frame as far as the engine is concerned: the kernel may ask for it, the
        engine makes it so that stale code never runs."""

    def protect(self, address: int, pages: int, access: int) -> None:
        """Change the access of those of the *pages* that are mapped."""

    def unmap(self, address: int, pages: int) -> None:
        """Forget those of the *pages* that are mapped."""

    def shown(self) -> Iterator[tuple[int, int, int]]:
        """Page number, frame and access of each page that is mapped: for those who look whether it is right."""

    def close(self) -> None:
        """Give everything back. The aspace is on no CPU and in no unified aspace any more."""


class WayOut:
    """A way back from what `Context.restore` has put a context into. Made by `Engine.way_out`, and read by its caller."""

    __slots__ = ("abi_reg", "arg1", "open", "pc", "tp")

    def __init__(self) -> None:
        self.open = (
            False  # from `restore` on, until it has been taken, or the context is restored again or jumps
        )
        self.pc = self.arg1 = 0  # as `restore` was given them
        self.tp = self.abi_reg = 0  # the bases of before


def left_open(way_out: WayOut | None, instead: WayOut | None) -> WayOut | None:
    """For an engine that takes none: of a context's ways out *way_out* is open from now on, *instead* of another."""
    if instead is not None:
        instead.open = False
    if way_out is not None:
        way_out.open = True
    return way_out


class Context(Protocol):
    """The registers of one guest thread. Readable and writable whenever it is not on a CPU, and inside the
    trap it caused.

    Register files are plain objects of the machine's architecture module (`x86_64.py`).
    """

    aspace: AddressSpace  # which address space it runs in; may be changed whenever registers may
    single_step: bool

    def syscall(self) -> tuple[int, int, int, int, int, int, int, int, int, int]:
        """Syscall number, eight arguments and the address of the syscall instruction, as unsigned 64-bit
        numbers."""

    def set_result(self, value: int) -> None:
        """Put the answer (taken modulo 2**64) where the guest finds it after its syscall instruction."""

    @property
    def pc(self) -> int: ...

    @pc.setter
    def pc(self, value: int) -> None: ...

    @property
    def sp(self) -> int: ...

    @sp.setter
    def sp(self, value: int) -> None: ...

    def start(self, pc: int, sp: int, arg1: int, arg2: int, tp: int, abi_reg: int) -> None:
        """Make the registers those of a fresh thread."""

    def general(self) -> GeneralRegs: ...

    def set_general(self, regs: GeneralRegs) -> None:
        """Of the flags only those are taken that user code may change."""

    def words(self) -> tuple[int, ...]:
        """The general registers in the order of `GeneralRegs`, without making one."""

    def set_words(self, words: Sequence[int]) -> None:
        """As `set_general`, of 20 unsigned 64-bit numbers in its order."""

    def save(self, block: RegisterBlock) -> None:
        """Store the general registers; of the flags those that user code may change."""

    def restore(
        self,
        block: RegisterBlock,
        aspace: AddressSpace,
        way_out: WayOut | None = None,
        pc: int = 0,
        arg1: int = 0,
    ) -> int:
        """Load the general registers and go on in *aspace*. Answers what is now where `set_result` puts an answer.

        With *way_out* the next syscall instruction may be no trap: the context comes out at *pc*, as `Engine.way_out` says, with
        *arg1* and with the FS and GS bases of now. Raises ValueError for registers that no thread may have.
        """

    def jump(self, pc: int, arg1: int, arg2: int, tp: int, abi_reg: int, aspace: AddressSpace) -> None:
        """Go on at *pc* in *aspace*, as a fresh thread without a stack, but with the floating point registers as they are."""

    def fp(self) -> FpRegs: ...

    def set_fp(self, regs: FpRegs) -> None: ...

    def vector(self) -> VectorRegs: ...

    def set_vector(self, regs: VectorRegs) -> None:
        """What the processor does not have is ignored."""

    def debug(self) -> DebugRegs: ...

    def set_debug(self, regs: DebugRegs) -> None: ...

    def close(self) -> None: ...


# Called at every exit, inside wait(): handles it and answers which context that CPU goes on with (the same
# one, mostly), or None to leave the CPU idle and come back from wait().
Trap = Callable[[int, Exit], "Context | None"]


class Engine(Protocol):
    """CPUs over one PhysicalMemory."""

    memory: PhysicalMemory
    cpus: int
    # By which code the vDSO calls the kernel: with the number in rax it comes back behind itself, rcx and r11 lost.
    syscall_code: bytes
    takes_ways_out: bool  # False: it leaves them open, for somebody wants to see every trap

    def aspace(self) -> AddressSpace:
        """A new, empty page table for all of user space."""

    def unified(self, lower: AddressSpace, upper: AddressSpace) -> AddressSpace:
        """A view of two page tables at once, always current: *lower* answers below 2**46, *upper* at and
        above."""

    def context(self, aspace: AddressSpace) -> Context:
        """A new context with zeroed registers and the power-on floating point state."""

    def way_out(
        self, block: RegisterBlock, frame: int, cleared: Sequence[int], arg2: int, aspace: AddressSpace
    ) -> WayOut:
        """A way out for `Context.restore`, one context at a time. To take it is to `save` the registers to *block*, which lies
        in *frame*, with those of *cleared* as 0, and to `jump` to its pc, with its arg1, *arg2* and its bases, in *aspace*.

        An engine may take it while nobody steps, watches or kicks the context, or leave it open: then the trap comes.
        """

    def start(self, cpu: int, context: Context) -> None:
        """Hand a context to an idle CPU with a fresh budget. It runs within wait()."""

    def wait(self, trap: Trap, timeout: int | None = None) -> None:
        """Run until the trap answers None for some CPU, or, with several of them, *timeout* ns. The others run on.

        The trap may start contexts on idle CPUs.
        """

    def stop(self, cpu: int) -> None:
        """Take the context off another CPU than the one that the trap is for, at a boundary as after Preempted."""

    def recall(self) -> None:
        """Take the contexts off all CPUs, at a boundary as after Preempted."""

    def kick(self) -> None:
        """Make wait() deliver Preempted soon. May be called from a signal handler."""

    def close(self) -> None: ...
