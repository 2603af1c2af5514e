"""The native engine: guest code on the real CPU, for Linux on x86-64.

Every address space that something runs in is a Linux process that holds nothing but our stub; a process has a thread for each
CPU of the machine, and contexts take turns on it. A guest thread comes back by posting in a page that it shares with us: at a
call of the vDSO without any trap, at everything else (a fault, an exception, a raw `syscall`, a kick) from the stub's signal
handler. See docs/native.md.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from time import monotonic_ns
from typing import Final, cast

from jacinth.machine.exit import PREEMPTED, SYSCALL, CpuException, Exit, PageFault
from jacinth.machine.interface import EXECUTE, READ, WRITE, AddressSpace, Context, Trap, WayOut
from jacinth.machine.memory import OutOfMemory, PhysicalMemory
from jacinth.machine.native import _native
from jacinth.machine.native.aspace import PageTable, UnifiedView, View
from jacinth.machine.native.context import CR2, EFLAGS, ERR, RIP, TRAPNO, NativeContext, Slot
from jacinth.machine.x86_64 import PageFaultCode, RegisterBlock, Rflags, Vector

SLICE: Final = 5_000_000  # ns
# How often one side looks for the other before it sleeps, if there are CPUs enough: a guest thread for some microseconds, in
# which most calls are over; the kernel somewhat longer.
_GUEST_SPINS: Final = 1000
_KERNEL_SPINS: Final = 1000

_KIND_CALL: Final = _native.KIND_CALL
_GO_RETURN: Final = _native.GO_RETURN
_GO_LOAD: Final = _native.GO_LOAD
_SIGNAL: Final = _native.SIGNAL // 4
_CODE: Final = _SIGNAL + 1
_ARCH: Final = _SIGNAL + 2  # the same word is the upper half of si_perf_data
_SIGILL: Final = 4
_SIGTRAP: Final = 5
_SIGSYS: Final = 31
_TRAP_PERF: Final = 6
_BY_LINUX: Final = 0x80  # SI_KERNEL: the signal is for no fault of an address
_I386: Final = 0x4000_0003  # AUDIT_ARCH_I386
_TF: Final = Rflags.TF
_MASK: Final = (1 << 64) - 1


_SYSCALL_SIZE: Final = 2


_engines: Final[weakref.WeakSet[NativeEngine]] = weakref.WeakSet()


def _forked() -> None:
    """In a forked copy of this process: its stub processes belong to the original."""
    for engine in list(_engines):
        for view in list(engine.views):
            view.end()


os.register_at_fork(after_in_child=_forked)


class MachineError(RuntimeError):
    """The machine does something that it should not."""


_Trap = Callable[[int, Exit], "NativeContext | None"]


class NativeEngine:
    """See interface.Engine.

    *slice_ns* is how long a context runs before it is preempted: all CPUs at once. While the kernel runs Python, guests that wait
    for it spin for a moment as long as the host has a CPU for each and one for the kernel.
    """

    def __init__(self, memory: PhysicalMemory, *, cpus: int = 1, slice_ns: int = SLICE) -> None:
        if not 1 <= cpus <= _native.MAX_CPUS:
            raise ValueError(f"the native engine has 1 to {_native.MAX_CPUS} CPUs")
        if slice_ns < 1:
            raise ValueError(f"a slice of {slice_ns} ns")
        self.memory = memory
        self.cpus = cpus
        self.takes_ways_out = False
        self.syscall_code = _syscall_code()
        self.views: dict[View, None] = {}  # that have a process
        self._slice = slice_ns
        # A place is a thread of every process, on one of the host's CPUs; our CPUs change between them. The kernel keeps away
        # from the first one, while guests run: both would spin, and wait for each other. Machines side by side begin elsewhere.
        host_cpus = sorted(os.sched_getaffinity(0))
        first = os.getpid() % len(host_cpus)
        order = host_cpus[first:] + host_cpus[:first]
        self._not_for_kernel = order[0]
        self._spare = len(order) - 1
        self._affinity = tuple(1 << order[place % len(order)] for place in range(cpus))
        self._memory_read = os.open(f"/proc/self/fd/{memory.fd}", os.O_RDONLY | os.O_CLOEXEC)
        self._image = _native.make_image()
        self._cpus = _native.Cpus(cpus)
        self._on: list[NativeContext | None] = [None] * cpus  # who runs, by place
        self._cpu_at = [-1] * cpus  # and on which of our CPUs
        self._started: list[tuple[int, NativeContext]] = []
        self._due = 0  # when the slice ends
        self._kicked = False
        self._trap: _Trap = _no_trap
        _engines.add(self)

    # The interface.

    def aspace(self) -> PageTable:
        return PageTable(self)

    def unified(self, lower: AddressSpace, upper: AddressSpace) -> UnifiedView:
        assert isinstance(lower, PageTable) and isinstance(upper, PageTable)
        return UnifiedView(self, lower, upper)

    def context(self, aspace: AddressSpace) -> NativeContext:
        """OutOfMemory where Linux has no process left for the address space."""
        assert isinstance(aspace, PageTable | UnifiedView)
        if aspace.view.stub is None:
            aspace.view.start()
        return NativeContext(self, aspace)

    def way_out(
        self, block: RegisterBlock, frame: int, cleared: Sequence[int], arg2: int, aspace: AddressSpace
    ) -> WayOut:
        return WayOut()  # always left open

    def start(self, cpu: int, context: Context) -> None:
        if not 0 <= cpu < self.cpus:
            raise ValueError(f"there is no CPU {cpu}")
        assert isinstance(context, NativeContext)
        if cpu in self._cpu_at or any(cpu == other for other, _ in self._started):
            raise ValueError("the CPU is not idle")
        self._started.append((cpu, context))

    def wait(self, trap: Trap, timeout: int | None = None) -> None:
        self._trap = cast(_Trap, trap)  # every context is one of ours
        host_cpus = os.sched_getaffinity(0)
        if len(host_cpus) > 1:
            os.sched_setaffinity(0, host_cpus - {self._not_for_kernel})
        now = monotonic_ns()
        end = None if timeout is None else now + timeout
        if not self._running():
            self._due = now + self._slice
        try:
            self._run(end)
        except BaseException:
            self.recall()
            raise
        finally:
            self._trap = _no_trap
            if len(host_cpus) > 1:
                os.sched_setaffinity(0, host_cpus)

    def recall(self) -> None:
        self._started.clear()
        for place, context in enumerate(self._on):
            if context is not None and self._on[place] is context:
                self._stop(place)
        self._started.clear()  # whose process is no more
        self._kicked = False

    def stop(self, cpu: int) -> None:
        if cpu in self._cpu_at:
            self._stop(self._cpu_at.index(cpu))
        else:  # it has not begun
            self._started = [(other, context) for other, context in self._started if other != cpu]

    def _stop(self, place: int) -> None:
        context = self._on[place]
        assert context is not None and context.slot is not None
        stub = context.slot.stub
        while (kind := self._cpus.back(place)) is None:
            stub.kick(place)  # until it helps: in the end the process is killed
            if stub.ended:
                self._broken(context.space.view)
                self._started = [start for start in self._started if start[1] is not context]
                return
            os.sched_yield()
        self._off(place)
        exit_ = self._exit(context, kind)
        if isinstance(exit_, CpuException) and exit_.vector in (Vector.DB, Vector.BP):
            context.pending = exit_  # a trap: the instruction is over. After a fault it is made again.
        elif exit_ is SYSCALL:
            context.undo_syscall(len(self.syscall_code) if kind == _KIND_CALL else _SYSCALL_SIZE)

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
        if context in self._on:
            self._stop(self._on.index(context))
        context.park()

    def spawn(self, view: View) -> None:
        """Give *view* a process: OutOfMemory."""
        try:
            stub = _native.Stub(self.memory.fd, self._memory_read, self._image, self._affinity)
        except OSError as error:
            # There was one when the engine was chosen: now the host has no more.
            raise OutOfMemory(f"no process for an address space: {error}") from None
        slots = [Slot(view.space, stub, place) for place in range(self.cpus)]
        self.views[view] = None
        view.slots, view.stub = slots, stub  # at last: a signal handler may raise before

    # Going and coming back.

    def _run(self, end: int | None) -> None:
        """Until a CPU goes idle, or *end* ns."""
        cpus, on, cpu_at = self._cpus, self._on, self._cpu_at
        trap, resume = self._trap, cpus.resume
        due = self._due if end is None else min(self._due, end)
        while True:
            while self._started:
                cpu, starting = self._started.pop(0)
                if not self._go(cpu, starting):
                    return
            running = self._running()
            if not running:
                return
            spare = running <= self._spare
            spins, guest_spins = (_KERNEL_SPINS, _GUEST_SPINS) if spare else (0, 0)
            code = cpus.wait(spins, due)
            # Calls of the vDSO are what has to be fast: as long as nothing else happens the loop stays here.
            while code >> 8 == _KIND_CALL:
                place = code & 0xFF
                context, cpu = on[place], cpu_at[place]
                assert context is not None
                slot = context.slot
                assert slot is not None
                slot.returns = True
                on[place] = None
                cpu_at[place] = -1
                following = trap(cpu, SYSCALL)
                if (
                    following is not context
                    or not slot.returns
                    or slot.owner is not context
                    or slot.space is not context.space
                    or context.step_pending
                    or self._started
                    or self._kicked
                    or (place and on[0] is None)  # a better place is free
                ):
                    break
                on[place] = context
                cpu_at[place] = cpu
                code = resume(slot.stub, place, _GO_RETURN, guest_spins, spins, due)
                if code == -3:
                    on[place] = None
                    cpu_at[place] = -1
                    following = context
                    break
            else:
                if code >= 0:
                    cpu = cpu_at[code & 0xFF]
                    following = self._returned(code & 0xFF, code >> 8)
                elif code == -2:
                    self._bury()
                    continue
                else:
                    now = monotonic_ns()
                    if end is not None and now >= end:
                        return
                    if self._kicked or now >= self._due:
                        self._kick_all()
                        self._due = now + self._slice
                        due = self._due if end is None else min(self._due, end)
                    continue
            if following is None:
                return
            late = monotonic_ns() >= self._due
            if late:
                self._kick_all()  # the others' slices have ended with it
            if not self._go(cpu, following, preempted=late):
                return
            if late:
                self._due = monotonic_ns() + self._slice
                due = self._due if end is None else min(self._due, end)

    def _go(self, cpu: int, context: NativeContext, *, preempted: bool = False) -> bool:
        """Let the context run on the CPU, or whichever the trap chooses after what happens at once. False: the CPU goes idle."""
        while True:
            if context.step_pending:
                context.step_pending = False
                context.note_debug(0)
                exit_: Exit = CpuException(Vector.DB, 0)
            elif context.pending is not None:
                exit_, context.pending = context.pending, None
            elif preempted or self._kicked:
                preempted = self._kicked = False
                exit_ = PREEMPTED
            elif context.space.view.stub is None:
                try:
                    context.space.view.start()
                    continue
                except OutOfMemory:
                    exit_ = CpuException(Vector.GP, 0)  # it cannot run
            else:
                break
            following = self._trap(cpu, exit_)
            if following is None:
                return False
            context = following
        space = context.space
        view = space.view
        place = self._on.index(None)  # the first ones are on CPUs that the kernel has no need of
        slot = view.slots[place]
        command = _GO_LOAD
        if slot.owner is not context:
            context.load(slot)
        elif slot.returns:
            command = _GO_RETURN
        slot.returns = False
        if slot.watches is not context.watches:
            slot.watch(context.watches)
        if context.fault is not None:
            if view.prepare(place, *context.fault):
                command = _native.GO_SERVE
            context.fault = None
        spins = _GUEST_SPINS if self._running() < self._spare else 0
        self._cpu_at[place] = cpu
        self._on[place] = context  # a signal handler that raises does so before this line or behind the next
        self._cpus.go(slot.stub, place, command, spins)
        return True

    def _returned(self, place: int, kind: int) -> NativeContext | None:
        """The context there has come back: what the trap says to that."""
        cpu = self._cpu_at[place]
        context = self._off(place)
        exit_ = self._exit(context, kind)
        if exit_ is None:  # a fault on a page that is there now
            return context
        return self._trap(cpu, exit_)

    def _off(self, place: int) -> NativeContext:
        context = self._on[place]
        assert context is not None
        self._on[place] = None
        self._cpu_at[place] = -1
        return context

    def _running(self) -> int:
        """How many CPUs do."""
        return self.cpus - self._on.count(None)

    def _exit(self, context: NativeContext, kind: int) -> Exit | None:
        """Why the context has come back; None where it may go on at once."""
        slot = context.slot
        assert slot is not None
        slot.returns = kind == _KIND_CALL
        if slot.returns:
            return SYSCALL
        if kind == _native.KIND_STEPPED_CALL:
            context.single_step = context.step_pending = True
            return SYSCALL
        if kind == _native.KIND_KICK:
            return PREEMPTED
        head, words = slot.head, slot.words
        signal = head[_SIGNAL]
        if signal == _native.KICK_SIGNAL:
            return PREEMPTED
        if signal == _SIGSYS:
            if head[_ARCH] == _I386:  # int 0x80: there is no such gate
                words[RIP] = words[RIP] - 2 & _MASK
                return CpuException(Vector.GP, 0x80 << 3 | 2)
            if words[EFLAGS] & _TF:
                context.step_pending = True
            return SYSCALL
        if signal == _SIGILL:
            return CpuException(Vector.UD, 0)
        trapno, code = words[TRAPNO], words[ERR] & 0xFFFFFFFF
        if signal == _SIGTRAP:
            if head[_CODE] == _TRAP_PERF:
                context.note_debug(context.hits(head[_ARCH]))
                return CpuException(Vector.DB, 0)
            if trapno == Vector.BP:
                return CpuException(Vector.BP, 0)
            context.note_debug(0)
            return CpuException(Vector.DB, 0)
        if trapno == Vector.PF and head[_CODE] != _BY_LINUX:  # else it is the last one's
            address = words[CR2]
            access = EXECUTE if code & PageFaultCode.FETCH else WRITE if code & PageFaultCode.WRITE else READ
            context.fault = (address, access)
            if context.space.view.has(address, access):
                return None
            # Linux has mapped no more than was asked for: what the table says counts.
            present = bool(context.space.view.entry(address >> 12) & READ)
            return PageFault(address, access, present, code & ~PageFaultCode.PRESENT | present)
        # Whatever a guest writes there itself, it is an exception.
        return CpuException(trapno if trapno <= Vector.XM and trapno != Vector.PF else Vector.GP, code)

    def _broken(self, view: View) -> None:
        """The view's process is of no use any more: whoever runs in it has an exception, when its CPU goes on."""
        for place, context in enumerate(self._on):
            if context is not None and context.space.view is view:
                self._started.append((self._cpu_at[place], context))
                self._cpus.idle(place)
                self._off(place)
                context.pending = CpuException(Vector.GP, 0)
        view.end()

    def _bury(self) -> None:
        """A process has ended, which only its guest can have done, or somebody on the host."""
        for context in self._on:
            if context is not None and context.space.view.stub is not None and context.space.view.stub.ended:
                self._broken(context.space.view)

    def _kick_all(self) -> None:
        for place, context in enumerate(self._on):
            if context is not None and context.slot is not None:
                context.slot.stub.kick(place)


def _no_trap(_: int, exit_: Exit) -> NativeContext | None:
    raise MachineError(f"{exit_} outside of wait()")


def _syscall_code() -> bytes:
    """How the vDSO calls the kernel: the number in rax; rcx and r11 are destroyed."""
    entry = _native.ENTRY.to_bytes(4, "little")
    # mov r11d, entry; lea rcx, [rip + 3], which is behind the jump; jmp r11
    return b"\x41\xbb" + entry + b"\x48\x8d\x0d\x03\x00\x00\x00\x41\xff\xe3"
