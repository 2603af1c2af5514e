"""The native engine: guest code on the real CPU, for Linux on x86-64.

Every address space that something runs in is a Linux process that holds nothing but our stub; a process has a thread for each
CPU of the machine, and contexts take turns on it. A guest thread comes back by posting in a page that it shares with us: at a
call of the vDSO without any trap, at everything else (a fault, an exception, a raw `syscall`, a kick) from the stub's signal
handler. See docs/native.md.
"""

from __future__ import annotations

import errno
import os
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, cast

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault
from jacinth.machine.interface import EXECUTE, READ, WRITE, AddressSpace, Context, Trap
from jacinth.machine.memory import OutOfMemory, PhysicalMemory
from jacinth.machine.native import _native
from jacinth.machine.native.aspace import PageTable, UnifiedView, View
from jacinth.machine.native.context import CR2, EFLAGS, ERR, RIP, TRAPNO, NativeContext, Slot
from jacinth.machine.x86_64 import PageFaultCode, Rflags, Vector

if TYPE_CHECKING:
    pass

SLICE: Final = 5_000_000  # ns
# How often a CPU looks for the other side before it sleeps: a guest thread for some microseconds, in which most calls are over;
# the kernel somewhat longer.
_GUEST_SPINS: Final = 300
_KERNEL_SPINS: Final = 1000
# So long a guest thread may take to come back when it is kicked, in ns, on however busy a host. Then its process is broken.
_PATIENCE: Final = 10_000_000_000

_KIND: Final = _native.KIND // 4
_SIGNAL: Final = _native.SIGNAL // 4
_ARCH: Final = _SIGNAL + 2
_STEPPED: Final = _native.STEPPED // 4
_SIGSYS: Final = 31
_SIGTRAP: Final = 5
_I386: Final = 0x4000_0003  # AUDIT_ARCH_I386
_TF: Final = Rflags.TF


class MachineError(RuntimeError):
    """The machine does something that it should not."""


class NativeEngine:
    """See interface.Engine. *slice_ns* is how long a context runs before it is preempted."""

    def __init__(self, memory: PhysicalMemory, *, cpus: int = 1, slice_ns: int = SLICE) -> None:
        if not 1 <= cpus <= _native.MAX_CPUS:
            raise ValueError(f"the native engine has 1 to {_native.MAX_CPUS} CPUs")
        if slice_ns < 1:
            raise ValueError(f"a slice of {slice_ns} ns")
        self.memory = memory
        self.cpus = cpus
        self.syscall_code = _syscall_code()
        self.views: dict[View, None] = {}  # that have a process
        self._slice = slice_ns
        host_cpus = sorted(os.sched_getaffinity(0))
        alone = len(host_cpus) == 1  # nobody spins on a single CPU
        self._spins = 0 if alone else _KERNEL_SPINS
        self._guest_spins = 0 if alone or cpus > 1 else _GUEST_SPINS
        # Guest threads run on the last CPUs; the kernel on whichever is left.
        self._affinity = tuple(1 << host_cpus[-1 - cpu % len(host_cpus)] for cpu in range(cpus))
        self._memory_read = os.open(f"/proc/self/fd/{memory.fd}", os.O_RDONLY | os.O_CLOEXEC)
        self._image = _native.make_image()
        self._on: list[NativeContext | None] = [None] * cpus  # who runs, by CPU
        self._running: list[tuple[_native.Stub, int]] = []  # where, in the order of their CPUs
        self._started: list[tuple[int, NativeContext]] = []
        self._due = 0
        self._kicked = False

    # The interface.

    def aspace(self) -> PageTable:
        return PageTable(self)

    def unified(self, lower: AddressSpace, upper: AddressSpace) -> UnifiedView:
        assert isinstance(lower, PageTable) and isinstance(upper, PageTable)
        return UnifiedView(self, lower, upper)

    def context(self, aspace: AddressSpace) -> NativeContext:
        assert isinstance(aspace, PageTable | UnifiedView)
        return NativeContext(self, aspace)

    def start(self, cpu: int, context: Context) -> None:
        if not 0 <= cpu < self.cpus:
            raise ValueError(f"there is no CPU {cpu}")
        assert isinstance(context, NativeContext)
        if self._on[cpu] is not None or any(cpu == other for other, _ in self._started):
            raise ValueError("the CPU is not idle")
        self._started.append((cpu, context))

    def wait(self, trap: Trap) -> None:
        wait = _native.wait
        self._due = monotonic_ns() + self._slice
        try:
            while self._started:
                cpu, context = self._started.pop(0)
                if not self._go(cpu, context, trap):
                    return
            running = self._running
            while running:
                index = wait(running, self._spins, self._due)
                if index >= 0:
                    cpu = running[index][1]
                    following = self._returned(cpu, trap)
                    if following is None or not self._go(cpu, following, trap):
                        return
                elif index == -2:
                    if not self._bury(trap):
                        return
                elif self._kicked or monotonic_ns() >= self._due:
                    self._kick_all()
        finally:
            self._recall()
            self._kicked = False

    def kick(self) -> None:
        self._kicked = True
        self._kick_all()

    def close(self) -> None:
        """Contexts and address spaces are of no use any more."""
        for view in list(self.views):
            view.end()
        self.views.clear()
        if self._image >= 0:
            os.close(self._image)
            os.close(self._memory_read)
            self._image = self._memory_read = -1

    # For contexts and address spaces.

    def forget(self, context: NativeContext) -> None:
        """The context is closed."""
        if context.cpu >= 0:
            self._stop(context.cpu)
        context.park()

    def spawn(self, view: View) -> None:
        """Give *view* a process: OutOfMemory."""
        try:
            stub = _native.Stub(self.memory.fd, self._memory_read, self._image, self._affinity)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE):
                raise OutOfMemory(f"no process for an address space: {error}") from None
            raise MachineError(f"no process for an address space: {error}") from None
        view.stub = stub
        view.slots = [Slot(stub, cpu, self._guest_spins) for cpu in range(self.cpus)]
        self.views[view] = None

    # Going and coming back.

    def _go(self, cpu: int, context: NativeContext, trap: Trap) -> bool:
        """Let the context run on the CPU, or whichever the trap chooses after what happens at once. False: the CPU goes idle."""
        while True:
            exit_: Exit | None = None
            if context.step_pending:
                context.step_pending = False
                context.note_debug(0)
                exit_ = CpuException(Vector.DB, 0)
            elif context.pending is not None:
                exit_, context.pending = cast(Exit, context.pending), None
            elif self._kicked:
                self._kicked = False
                self._due = monotonic_ns() + self._slice
                exit_ = PREEMPTED
            if exit_ is None:
                break
            following = trap(cpu, exit_)
            if following is None:
                return False
            context = cast(NativeContext, following)
        view = context.space.view
        if view.stub is None:
            view.start()
        slot = view.slots[cpu]
        command = _native.GO_LOAD
        if slot.owner is not context:
            context.load(slot)
        elif slot.returns:
            command = _native.GO_RETURN
        slot.returns = False
        context.cpu = cpu
        self._on[cpu] = context
        self._running.append(slot.cpu)
        slot.cpu[0].go(cpu, command)
        return True

    def _returned(self, cpu: int, trap: Trap) -> NativeContext | None:
        """The context on the CPU has come back: what the trap says to that."""
        context = self._off(cpu)
        exit_ = self._exit(context)
        while exit_ is None:  # a fault on a page that is there now
            return context
        late = exit_ is not PREEMPTED and monotonic_ns() >= self._due
        if exit_ is PREEMPTED:
            self._due = monotonic_ns() + self._slice
        following = cast("NativeContext | None", trap(cpu, exit_))
        if isinstance(exit_, PageFault) and following is context:
            context.space.view.fill(exit_.address, exit_.access)
        elif late and following is context and not context.step_pending:
            # The slice has ended while it was on its way here.
            self._due = monotonic_ns() + self._slice
            following = cast("NativeContext | None", trap(cpu, PREEMPTED))
        return following

    def _off(self, cpu: int) -> NativeContext:
        context = self._on[cpu]
        assert context is not None and context.slot is not None
        self._on[cpu] = None
        context.cpu = -1
        self._running.remove(context.slot.cpu)
        return context

    def _exit(self, context: NativeContext) -> Exit | None:
        """Why the context has come back; None where it may go on at once."""
        slot = context.slot
        assert slot is not None
        head = slot.head
        kind = head[_KIND]
        if kind == _native.KIND_CALL:
            if head[_STEPPED]:
                head[_STEPPED] = 0
                context.single_step = context.step_pending = True
            else:
                slot.returns = True
            return SYSCALL
        if kind == _native.KIND_KICK:
            return PREEMPTED
        signal = head[_SIGNAL]
        words = slot.words
        if signal == _native.KICK_SIGNAL:
            return PREEMPTED
        if signal == _SIGSYS:
            if head[_ARCH] == _I386:  # int 0x80: there is no such gate
                words[RIP] = words[RIP] - 2 & (1 << 64) - 1
                return CpuException(Vector.GP, 0x80 << 3 | 2)
            if words[EFLAGS] & _TF:
                context.step_pending = True
            return SYSCALL
        trapno, code = words[TRAPNO], words[ERR] & 0xFFFFFFFF
        if signal == _SIGTRAP:
            if trapno == Vector.BP:
                return CpuException(Vector.BP, 0)
            context.note_debug(0)
            return CpuException(Vector.DB, 0)
        if trapno == Vector.PF:
            address = words[CR2]
            access = EXECUTE if code & PageFaultCode.FETCH else WRITE if code & PageFaultCode.WRITE else READ
            view = context.space.view
            if view.entry(address >> 12) & access and view.fill(address, access):
                return None
            return PageFault(address, access, bool(code & PageFaultCode.PRESENT), code)
        # Whatever a guest writes there itself, it is an exception.
        return CpuException(trapno if trapno <= Vector.XM else Vector.GP, code)

    def _bury(self, trap: Trap) -> bool:
        """A process has ended, which only its guest can have done: its threads have an exception. False: a CPU goes idle."""
        for stub, cpu in list(self._running):
            if stub.ended:
                context = self._off(cpu)
                context.space.view.end()
                following = trap(cpu, CpuException(Vector.GP, 0))
                if following is None or not self._go(cpu, cast(NativeContext, following), trap):
                    return False
        return True

    def _kick_all(self) -> None:
        for stub, cpu in tuple(self._running):
            stub.kick(cpu)

    def _stop(self, cpu: int) -> None:
        """Have the CPU's context come back; what it comes back for waits until it goes on."""
        context = self._on[cpu]
        assert context is not None and context.slot is not None
        stub = context.slot.cpu[0]
        stub.kick(cpu)
        patience = monotonic_ns() + _PATIENCE
        where = [(stub, cpu)]
        while (index := _native.wait(where, self._spins, monotonic_ns() + self._slice)) < 0:
            if index == -2 or monotonic_ns() > patience:
                self._off(cpu)
                context.space.view.end()
                context.pending = CpuException(Vector.GP, 0)
                return
        self._off(cpu)
        exit_ = self._exit(context)
        if exit_ is not None and exit_ is not PREEMPTED:
            context.pending = exit_

    def _recall(self) -> None:
        """No CPU runs any more."""
        self._started.clear()
        for cpu, context in enumerate(self._on):
            if context is not None:
                self._stop(cpu)


def _syscall_code() -> bytes:
    """How the vDSO calls the kernel: the number in rax; rcx and r11 are destroyed."""
    entry = _native.ENTRY.to_bytes(4, "little")
    # mov r11d, entry; lea rcx, [rip + 3], which is behind the jump; jmp r11
    return b"\x41\xbb" + entry + b"\x48\x8d\x0d\x03\x00\x00\x00\x41\xff\xe3"
