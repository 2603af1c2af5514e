"""The portable engine: guest code runs in the Unicorn CPU emulator, on any host that Python and its wheel
run on.

One guest CPU in Unicorn's normal mode: long mode, paging on, the guest at privilege level 3. Unicorn walks
page tables that Python writes into the guest's physical memory. `wait` enters Unicorn; a syscall, a fault
or an exception comes back inside a hook, where the trap is called, and where it can switch to another
context without leaving Unicorn. Only an idle CPU and a used up budget leave.

The budget is a slice of the host's time, or, where a run must repeat exactly, a number of blocks of code.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Final, cast

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault
from jacinth.machine.interface import UNIFIED_SPLIT, AddressSpace, Context, Trap, WayOut
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.portable import cpu as layout
from jacinth.machine.portable import unicorn_abi as abi
from jacinth.machine.portable.context import PortableContext
from jacinth.machine.portable.cpu import Cpu, MachineError
from jacinth.machine.portable.paging import (
    EXECUTE,
    FRAME,
    READ,
    WRITE,
    FrameUses,
    PageTable,
    Space,
    UnifiedView,
)
from jacinth.machine.portable.ticker import Ticker
from jacinth.machine.x86_64 import Dr6, Dr7, PageFaultCode, RegisterBlock, Rflags, Vector

try:
    from jacinth.machine.portable import _portable
except ImportError:  # it was built where there is no compiler
    _portable = None  # type: ignore[assignment]

QUANTUM: Final = 400_000  # blocks: a few milliseconds
SLICE: Final = 5_000_000  # ns
_PREFIXES: Final = frozenset([0x66, 0x67, 0xF2, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, *range(0x40, 0x50)])
_FINISH: Final = 0x4A  # our vector for "the syscall instruction is complete, now switch"
_RIP: Final = layout.RIP // 8
_EFLAGS: Final = layout.EFLAGS // 8
_CR2: Final = layout.CR2 // 8
_CR3: Final = layout.CR3 // 8
_HFLAGS: Final = layout.HFLAGS // 8
_OTHER_VIEW: Final = layout.OTHER_VIEW
_TF: Final = Rflags.TF
_FLAGS_APART: Final = ~(Rflags.ARITHMETIC | Rflags.DF)
_Trap = Callable[[int, Exit], "PortableContext | None"]
_GENERAL_PROTECTION: Final = CpuException(Vector.GP, 0)


class PortableEngine:
    """See interface.Engine.

    A context is preempted when a slice of *slice_ns* is over; slices follow each other while guest code runs, and
    one that is switched to shares the slice of the one before it.

    *deterministic* makes preemption repeat from run to run: the budget is *quantum* translated blocks (straight runs of
    code) instead, counted exactly, and whole for each context that is switched to. Code runs up to a third slower. It hides
    the host's time as well: rdtsc and rdtscp answer *tsc()*, or the number of blocks run so far. A *tsc* without
    *deterministic* is answered alone.
    """

    cpus = 1
    syscall_code = b"\x0f\x05"

    def __new__(cls, *_: object, **__: object) -> PortableEngine:
        """With the parts that are C, where they are there."""
        if cls is PortableEngine and _portable is not None and not os.environ.get("JACINTH_PURE_PYTHON"):
            return super().__new__(CompiledEngine)
        return super().__new__(cls)

    def __init__(
        self,
        memory: PhysicalMemory,
        *,
        deterministic: bool = False,
        quantum: int = QUANTUM,
        slice_ns: int = SLICE,
        tsc: Callable[[], int] | None = None,
    ) -> None:
        if quantum < 1:
            raise ValueError(f"a quantum of {quantum} blocks")
        if slice_ns < 1:
            raise ValueError(f"a slice of {slice_ns} ns")
        self.memory = memory
        self.takes_ways_out = True
        self.quantum = quantum
        self.uses = FrameUses(memory)
        self.cpu = cpu = Cpu(memory)
        self._hides_tsc = deterministic or tsc is not None
        if self._hides_tsc:
            cpu.forbid_tsc()
        self.env = cpu.env
        self.env[_RIP] = 0
        self.state = cpu.state  # what a context takes along when it leaves the CPU
        self.pristine = bytes(cpu.state)
        # Pieces of the registers that move together: rdi, rsi, rbp; rbx, rdx, rcx, rax; r8 to r15; all but floating point.
        self.env_first, self.env_second = cpu.env[7:4:-1], cpu.env[3::-1]
        self.env_numbered = cpu.env[8:16]
        self.env_general = cpu.window[: layout.GENERAL_END]
        # Those of a thread that begins: all 0, but for the flags, in both of Unicorn's forms.
        fresh = bytearray(self.pristine[: layout.GENERAL_END])
        struct.pack_into("<Q", fresh, layout.EFLAGS, Rflags.ALWAYS | Rflags.IF)
        struct.pack_into("<Q", fresh, layout.CC_SRC, 0)
        struct.pack_into("<Ii", fresh, layout.CC_OP, layout.CC_OP_EFLAGS, 1)
        self.fresh_general = bytes(fresh)
        self._ticker: Ticker | None = None  # measures slices; None where blocks are counted
        # Blocks run in the present `uc_emu_start`, and how many may run.
        self._budget = memoryview(bytearray(16)).cast("Q")
        if deterministic:
            self._budget = cpu.count_blocks()
        else:
            self._ticker = cpu.ticker(slice_ns)
        self._blocks = 0  # run before the present `uc_emu_start`
        self._error_code = cpu.error_code // 8
        self._old_exception = cpu.old_exception // 8
        self._structure = cpu.structure
        self._words = cpu.words
        self._exit_request = cpu.exit_request
        self._exception_index = cpu.exception_index // 4

        self._live: PortableContext | None = None  # whose registers are in the CPU
        self._armed = False  # with breakpoints
        self._dr6 = cpu.dr // 8 + 6
        self._space: Space | None = None  # whose page table is loaded
        # Two processes that talk go back and forth between two address spaces, and so does restricted mode. What the CPU knows
        # of the one is kept while the other is loaded.
        self._other: Space | None = None
        self._view = 0  # OTHER_VIEW where an odd number of swaps has been made
        self.loaded: tuple[PageTable, ...] = ()  # the page tables that the two are made of
        self._started: PortableContext | None = None
        self._trap: _Trap = _no_trap
        self._tsc = tsc if tsc is not None else self.blocks
        self._unraisable = sys.unraisablehook  # whose turn it is after ours
        self._kicked = False
        # Within a trap: what it did to the context it was called for.
        self._attention = False  # the address space or the pc changed: going on takes more than returning
        self._in_syscall = 0  # within one: its length where that was asked for, 1 where not
        self._pc_written = False
        # Between a hook and its consequence.
        self._special = False  # one of the following is set
        self._finishing = False
        self._following: PortableContext | None = None
        self._pc = 0
        self._idle = False
        self._error: BaseException | None = None
        self._port: tuple[bytes, _Trap] | None = None  # state before an `in` or `out`, and the trap held back
        self._last_flip = (0, 0)

        # First among the hooks of instructions: Unicorn leaves out those behind one that is not meant when it is to stop.
        self._hook_syscalls()
        cpu.hook(abi.HOOK_INTR, abi.HookInterrupt(self._on_interrupt))
        cpu.hook(abi.HOOK_INSN_INVALID, abi.HookInvalid(self._on_invalid))
        cpu.hook(abi.HOOK_INSN, abi.HookPort(self._on_port), abi.INS_IN)
        cpu.hook(abi.HOOK_INSN, abi.HookPort(self._on_port), abi.INS_OUT)
        memory.drop_code = self._drop_code

    # The interface.

    def aspace(self) -> PageTable:
        return PageTable(self)

    def unified(self, lower: AddressSpace, upper: AddressSpace) -> UnifiedView:
        assert isinstance(lower, PageTable) and isinstance(upper, PageTable)
        return UnifiedView(self, lower, upper)

    def context(self, aspace: AddressSpace) -> PortableContext:
        assert isinstance(aspace, PageTable | UnifiedView)
        return PortableContext(self, aspace)

    def way_out(
        self,
        block: RegisterBlock,
        frame: int,
        cleared: Sequence[int],
        arg2: int,
        aspace: AddressSpace,
    ) -> WayOut:
        return WayOut()  # the trap comes first

    def start(self, cpu: int, context: Context) -> None:
        if cpu != 0:
            raise ValueError(f"there is no CPU {cpu}")
        if self._started is not None:
            raise ValueError("the CPU is not idle")
        assert isinstance(context, PortableContext)
        self._started = context

    def wait(self, trap: Trap, timeout: int | None = None) -> None:
        following = self._started
        self._started = None
        self._trap = cast(_Trap, trap)  # every context is one of ours
        cpu, budget, ticker = self.cpu, self._budget, self._ticker
        self._unraisable = sys.unraisablehook
        sys.unraisablehook = self._on_unraisable
        try:
            while following is not None and self._enter(following):
                error = 0
                if not self._kicked:
                    if ticker is not None:
                        ticker.arm()
                        error = cpu.lib.uc_emu_start(cpu.uc, self.env[_RIP], 0, 0, 0)
                    else:
                        error = cpu.lib.uc_emu_start(cpu.uc, self.env[_RIP], 0, 0, self.quantum)
                        self._blocks += budget[0]
                        budget[0] = 0
                if self._special:
                    self._settle()
                    if self._error is not None:
                        raise self._error
                    if self._idle:
                        return
                if error:
                    raise MachineError(f"Unicorn: {cpu.lib.uc_strerror(error).decode()} ({error})")
                self._kicked = False
                following = self._trap(0, PREEMPTED)
        finally:
            if ticker is not None:
                ticker.disarm()
            self._special = self._idle = self._finishing = False
            self._error = None
            self._trap = _no_trap
            sys.unraisablehook = self._unraisable

    def stop(self, cpu: int) -> None:
        raise ValueError("there is one CPU, and it is in a trap")

    def recall(self) -> None:
        """Nothing runs outside of `wait`."""

    def kick(self) -> None:
        self._kicked = True
        self._hurry()

    def _hurry(self) -> None:
        """Stop at the next block, for a kick. Guest code is not running: one of our hooks is, or nothing."""
        self._budget[1] = 0
        if self._ticker is not None and self.cpu.uc:
            self.cpu.lib.uc_emu_stop(self.cpu.uc)

    def blocks(self) -> int:
        """How many blocks of guest code have run. 0 where nothing has to repeat: they are not counted then."""
        return self._blocks + self._budget[0]

    def close(self) -> None:
        """Contexts and address spaces are of no use any more."""
        if not self.cpu.uc:
            return
        if self._live is not None:
            self.forget(self._live)
        self.unload(self._space)
        self.memory.drop_code = None
        self.memory.free_table(self.cpu.null_cr3 >> 12)
        self.cpu.close()

    # For contexts and address spaces.

    def attend(self, context: PortableContext, pc: bool = False) -> None:
        """The kernel changes the context's address space, or its *pc*."""
        if context is self._live:
            self._attention = True
            if pc and self._in_syscall and not self._pc_written:
                self._measure()
                self._pc_written = True

    def pc_in_syscall(self, context: PortableContext) -> int:
        """The pc after the syscall instruction that *context* is in; 0 if it is in none."""
        if not self._in_syscall or context is not self._live or self._pc_written:
            return 0
        return int(self.env[_RIP]) + self._measure()

    def _measure(self) -> int:
        """The length of the syscall instruction at the pc, which prefixes may precede."""
        if self._in_syscall > 1:
            return self._in_syscall
        pc = self.env[_RIP]
        assert self._space is not None
        part = self._space.parts[-1 if pc >= UNIFIED_SPLIT else 0]
        leaf = part.leaves.get(pc >> 21)
        if leaf is not None and pc & 0xFFF != 0xFFF:
            place = leaf[pc >> 12 & 511] & FRAME | pc & 0xFFF
            view = self.memory.view
            if view[place] == 0x0F and view[place + 1] == 0x05:
                self._in_syscall = 2
                return 2
        for length in range(3, 16):
            if self._code(pc + length - 2) == 0x0F and self._code(pc + length - 1) == 0x05:
                break
        else:
            length = 2
        self._in_syscall = length
        return length

    def _code(self, address: int) -> int:
        frame = self._space.translate(address) if self._space is not None else None
        return self.memory.view[frame << 12 | address & 0xFFF] if frame is not None else -1

    def set_fp_control(self, context: PortableContext, fcw: int, mxcsr: int) -> None:
        """Unicorn derives its rounding modes from these; let it do so, with the context's registers in the
        CPU for a moment."""
        saved = None
        if context is not self._live:
            saved = bytes(self.state)
            context.load()
        self.cpu.write(abi.REG_FPCW, fcw)
        self.cpu.write(abi.REG_MXCSR, mxcsr)
        if saved is not None:
            context.park()
            self.state[:] = saved

    def forget(self, context: PortableContext) -> None:
        """The context is closed."""
        if context is self._live:
            self._disarm()
            context.park()
            self._live = None

    def unload(self, space: Space | None) -> None:
        """The address space is about to go; where it is loaded put the empty one in its place."""
        if space is None or self._space is None:
            return
        if space is self._space or space in self._space.parts:
            self._space = self._other = None
            self._view = 0
            self.loaded = ()
            self.cpu.load_cr3(self.cpu.null_cr3)
        elif space is self._other or space in self.loaded:
            self._other = None
            self.loaded = self._space.parts
            self.cpu.flush()

    def flush_page(self, address: int) -> None:
        """Forget the translation of the page at *address*."""
        self.cpu.lib.tlb_flush_page_x86_64(self.cpu.cpu, address)

    def _drop_code(self, frame: int) -> None:
        start = frame << 12
        self.cpu.lib.tb_invalidate_phys_range_x86_64(self.cpu.uc, start, start + 4096)

    # Switching.

    def _load(self, context: PortableContext) -> None:
        """Put the context's registers and address space into the CPU."""
        if self._armed:
            self._disarm()  # while its address space is still there: code with a breakpoint in it is dropped by address
        live = self._live
        if context is not live:
            if live is not None:
                live.park()
            context.load()
            self._live = context
        space = context._aspace
        if space is not self._space:
            self._load_space(space)
        else:
            self.env[_CR3] = space.cr3  # the context's copy may be of another space
        env = self.env
        if env[_HFLAGS] & _OTHER_VIEW != self._view:
            env[_HFLAGS] ^= _OTHER_VIEW
        if context.armed:
            self._arm(context)
        self._attention = False

    def _load_space(self, space: Space) -> None:
        """Put the address space into the CPU; hflags are for the caller to set."""
        if not space.cr3:
            raise ValueError("the context's address space is closed")
        last = self._space
        if last is None:
            self.loaded = space.parts
            self.cpu.load_cr3(space.cr3)
        else:
            self._swap()
            if space is not self._other:
                self.cpu.clear_tlb()
                self.loaded = (*last.parts, *space.parts)
            self._other = last
            self.env[_CR3] = space.cr3
        self._space = space

    def _swap(self) -> None:
        """What the CPU knows of the page table that is loaded, and of the other one, change places."""
        self.cpu.swap_tlbs()
        self._view ^= _OTHER_VIEW

    def _arm(self, context: PortableContext) -> None:
        debug = context.debug()
        set_dr, env = self.cpu.lib.helper_set_dr_x86_64, self.cpu.env_address
        for index in range(4):
            set_dr(env, index, debug.dr[index])
        set_dr(env, 7, Dr7.executions(debug.dr7))
        self._armed = True

    def _disarm(self) -> None:
        if self._armed:
            self._armed = False
            self.cpu.lib.helper_set_dr_x86_64(self.cpu.env_address, 7, Dr7.ALWAYS)

    def _debug_exception(self, context: PortableContext) -> CpuException:
        hits = self.env[self._dr6] & Dr6.HITS
        self.env[self._dr6] = Dr6.ALWAYS
        context.note_debug(hits)
        return CpuException(Vector.DB, 0)

    def _enter(self, following: PortableContext | None) -> bool:
        """Load the context that the trap chose. False: the CPU goes idle."""
        while following is not None:
            self._load(following)
            if not following.step_pending:
                return True
            following.step_pending = False
            following = self._trap(0, self._debug_exception(following))
        return False

    def _continue(self, following: PortableContext | None) -> None:
        """Go on with what the trap chose, from within the interrupt hook."""
        if following is not None:
            another = following is not self._live
            self._load(following)
            if not following.step_pending or self._enter(following):
                if self._kicked:
                    self._hurry()
                elif not another:
                    pass
                elif self._ticker is None:
                    self._budget[1] = self._budget[0] + self.quantum
                elif monotonic_ns() >= self._ticker.due:
                    # The slice has ended within the trap, and with it the turn of the one that was here.
                    self._ticker.arm()
                return
        self._stop()

    def _stop(self) -> None:
        self._idle = self._special = True
        self.cpu.lib.uc_emu_stop(self.cpu.uc)

    def _fail(self, error: BaseException) -> None:
        """Keep an exception until `wait` can raise it."""
        self._error = error
        self._special = True
        self.cpu.lib.uc_emu_stop(self.cpu.uc)

    def _on_unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        """An exception that a signal handler raised at the entry of one of our hooks, before its `try`:
        ctypes has no one to give it to. Ctrl-C mostly arrives there, since a signal that comes while guest
        code runs is handled at the next line of Python."""
        error = lost.exc_value
        if error is None or "ctypes callback" not in (lost.err_msg or ""):
            self._unraisable(lost)
            return
        # Nothing was done yet: the instruction, a syscall mostly, is to be executed again.
        self._fail_in_syscall(error, again=True)

    def _settle(self) -> None:
        """After the syscall instruction: put the pc right that the trap wrote during it."""
        if self._pc_written:
            self._pc_written = False
            self.env[_RIP] = self._pc

    # Hooks. Each is called by Unicorn, and lets no exception out.

    def _hook_syscalls(self) -> None:
        self.cpu.hook(abi.HOOK_INSN, abi.HookSyscall(self._on_syscall), abi.INS_SYSCALL)

    def _on_syscall(self) -> None:
        try:
            self._in_syscall = 1
            following = self._trap(0, SYSCALL)
            # A context that the trap closed is live no more, so None may be both.
            if (
                following is not None
                and following is self._live
                and (not self._attention or self._go_on_elsewhere(following))
            ):
                self._in_syscall = 0
                return
            self._after_syscall(following)
        except BaseException as error:
            self._fail_in_syscall(error, again=False)

    def _after_syscall(self, following: PortableContext | None) -> None:
        """Go on with what the trap chose, which takes more than returning."""
        self._in_syscall = 0
        self._pc = self.env[_RIP]
        self._special = True
        if following is None:
            self._stop()
            return
        # Unicorn is about to add the instruction's length to the pc of whatever is loaded. Have it call
        # us once more after that.
        self._following = following
        self._finishing = True
        self._structure[self._exit_request] = 1  # _interrupt_after_block, for speed
        self._words[self._exception_index] = _FINISH

    def _fail_in_syscall(self, error: BaseException, again: bool) -> None:
        """Nothing has been done yet where the instruction is to be executed *again*."""
        self._in_syscall = 0
        if not (again and self._special):
            self._pc = self.env[_RIP]
            self._pc_written = self._pc_written or again
        self._fail(error)

    def _go_on_elsewhere(self, context: PortableContext) -> bool:
        """The trap has given the context that is in a syscall another pc or address space, other registers too: restricted mode.
        Let it go on there at once, and answer False where that takes more.
        """
        env = self.env
        flags = env[_EFLAGS]
        if flags & _TF or self._armed or context.armed or context.step_pending or self._kicked:
            return False
        env[_EFLAGS] = flags & _FLAGS_APART  # as they are while guest code runs
        if self._pc_written:
            self._pc_written = False
            env[_RIP] = env[_RIP] - self._in_syscall & 0xFFFF_FFFF_FFFF_FFFF  # Unicorn is about to add it
        space = context._aspace
        if space is not self._space:
            self._load_space(space)
        if env[_HFLAGS] & _OTHER_VIEW != self._view:
            env[_HFLAGS] ^= _OTHER_VIEW
        self._attention = False
        return True

    def _interrupt_after_block(self) -> None:
        """Let the interrupt hook be called with our vector as soon as the block that runs is done."""
        self._structure[self._exit_request] = 1
        self._words[self._exception_index] = _FINISH

    def _on_interrupt(self, _: int, vector: int) -> None:
        try:
            env = self.env
            if vector == _FINISH and self._finishing:
                self._finishing = self._special = False
                if self._pc_written:
                    self._settle()
                self._continue(self._following)
                return
            # The error code; above it, whether an instruction asked for the exception.
            status = env[self._error_code]
            # Unicorn never clears it, and would make the next exception a double fault.
            env[self._old_exception] = 0xFFFFFFFF
            if self._special:
                exit_ = self._after_special(vector)
                if exit_ is None:
                    return
            elif status >> 32:
                exit_ = self._software_interrupt(vector)
            elif vector == Vector.PF:
                code = status & 0xFFFFFFFF
                access = (
                    EXECUTE if code & PageFaultCode.FETCH else WRITE if code & PageFaultCode.WRITE else READ
                )
                address = env[_CR2]
                if code & PageFaultCode.PRESENT and access != READ and self._flip(address, access):
                    return
                exit_ = PageFault(address, access, bool(code & PageFaultCode.PRESENT), code)
            elif vector == Vector.GP and self._hides_tsc and self._read_tsc():
                if not env[_EFLAGS] & Rflags.TF:
                    return
                assert self._live is not None
                exit_ = self._debug_exception(self._live)
            elif vector == Vector.DB:
                assert self._live is not None
                exit_ = self._debug_exception(self._live)
            else:
                exit_ = CpuException(vector, status & 0xFFFFFFFF)
            following = self._trap(0, exit_)
            if following is None or following is not self._live or self._attention:
                self._continue(following)
        except BaseException as error:
            self._fail(error)

    def _software_interrupt(self, vector: int) -> CpuException:
        """An instruction has asked for the exception: `int n`, `int3`."""
        env = self.env
        env[self._error_code] = 0
        if vector == Vector.BP:
            return CpuException(Vector.BP, 0)
        # It needs a gate that the kernel opens to level 3, and there is no other one.
        if vector != Vector.UD:  # where rip is still that of the instruction
            env[_RIP] -= 2
        return CpuException(Vector.GP, vector << 3 | 2)

    def _after_special(self, vector: int) -> Exit | None:
        """An interrupt while a hook has unfinished business. What is left for the trap afterwards, if
        anything."""
        if self._port is not None:
            return self._end_port()
        stepped = self._live
        if vector != Vector.DB or stepped is None or not stepped.single_step:
            stepped = None  # or the trap has ended the stepping, or the context
        if self._finishing:
            self._finishing = self._special = False
            self._settle()
            self._continue(self._following)
            if stepped is not None and stepped is self._live and not self._idle:
                return self._debug_exception(stepped)
        if stepped is not None:
            stepped.step_pending = True
        return None

    def _flip(self, address: int, access: int) -> bool:
        """A fault on a page that is there: one of those with WRITE and EXECUTE, used for the other of the
        two?"""
        assert self._space is not None
        if access == EXECUTE:
            return self._space.flip(address, EXECUTE, both=False)
        # An instruction that writes to the page it lies in would flip for ever: the second time, it gets
        # both.
        here = (self.env[_RIP], address >> 12)
        both = here == self._last_flip
        self._last_flip = here
        return self._space.flip(address, WRITE, both)

    def _on_invalid(self) -> int:
        try:
            self.env[self._old_exception] = 0xFFFFFFFF
            exit_: Exit = CpuException(Vector.UD, 0)
            if self.env[self._error_code] >> 32:  # `int 6`
                exit_ = self._software_interrupt(Vector.UD)
            if self._special:
                if self._port is None:
                    return 1
                exit_ = self._end_port()
            following = self._trap(0, exit_)
            if following is None or following is not self._live or self._attention:
                self._continue(following)
        except BaseException as error:
            self._fail(error)
        return 1

    def _on_port(self) -> int:
        """`in` and `out`: Unicorn allows them at level 3. It cannot be stopped before the end of the block
        either, so the rest of the block runs with the trap held back, and then the registers are put back
        to what they were."""
        if self._port is None and not self._special:
            self._port = bytes(self.state), self._trap
            self._trap = self._ignore
            self._special = True
            self._interrupt_after_block()
        return 0

    def _ignore(self, _: int, __: Exit) -> PortableContext | None:
        return self._live

    def _end_port(self) -> CpuException:
        assert self._port is not None
        self.state[:], self._trap = self._port
        self._port = None
        self._special = False
        return _GENERAL_PROTECTION

    def _read_tsc(self) -> bool:
        """After a general protection fault: carry out rdtsc or rdtscp, which level 3 may not use. False if it was neither."""
        env = self.env
        pc = env[_RIP]
        code = self._code(pc)
        while code in _PREFIXES and pc - env[_RIP] < 13:
            pc += 1
            code = self._code(pc)
        if code != 0x0F:
            return False
        pc += 2
        code = self._code(pc - 1)
        if code != 0x31:  # rdtsc
            if code != 0x01 or self._code(pc) != 0xF9:  # rdtscp
                return False
            pc += 1
            env[1] = 0  # ecx: the processor's number
        value = self._tsc()
        env[0] = value & 0xFFFFFFFF
        env[2] = value >> 32 & 0xFFFFFFFF
        env[_RIP] = pc
        return True


if _portable is not None:

    class CompiledContext(_portable.Context, PortableContext):
        """System calls and restricted mode in C."""

    class CompiledEngine(_portable.Engine, PortableEngine):
        """The hook of system calls in C, which calls the trap and little else of Python; ways out are taken there alone."""

        def context(self, aspace: AddressSpace) -> PortableContext:
            assert isinstance(aspace, PageTable | UnifiedView)
            return CompiledContext(self, aspace)

        def way_out(
            self,
            block: RegisterBlock,
            frame: int,
            cleared: Sequence[int],
            arg2: int,
            aspace: AddressSpace,
        ) -> WayOut:
            return _portable.WayOut(block, self.memory.code_frames, frame, cleared, arg2, aspace)

        def close(self) -> None:
            super().close()
            self._close()

        def _hook_syscalls(self) -> None:
            cpu = self.cpu
            read_eflags = ctypes.cast(cpu.lib.helper_read_eflags_x86_64, ctypes.c_void_p).value
            assert read_eflags is not None
            hook, data = self._open(
                env=cpu.env_address,
                memory=self.memory.address,
                memory_size=self.memory.size,
                tlb=cpu.cpu + cpu.tlb,
                tlb_size=layout.TLB_DESCRIPTION,
                tlb_mask=cpu.cpu + cpu.tlb_mask,
                tlb_dirty=cpu.cpu + cpu.tlb_dirty,
                read_eflags=read_eflags,
                state_size=cpu.fp_end,
                budget=_address(self._budget) if self._ticker is None else 0,
                due=0 if self._ticker is None else self._ticker.due_address,
                rip=layout.RIP,
                eflags=layout.EFLAGS,
                cc_src=layout.CC_SRC,
                cc_op=layout.CC_OP,
                hflags=layout.HFLAGS,
                fs_base=layout.FS_BASE,
                gs_base=layout.GS_BASE,
                cr3=layout.CR3,
                general_end=layout.GENERAL_END,
                other_view=layout.OTHER_VIEW,
                cc_op_eflags=layout.CC_OP_EFLAGS,
                syscall_exit=SYSCALL,
            )
            cpu.hook(abi.HOOK_INSN, hook, abi.INS_SYSCALL, data)


def _address(window: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(window))


def _no_trap(_: int, exit_: Exit) -> PortableContext | None:
    raise MachineError(f"{exit_} outside of wait()")
