"""The kernel: what all objects have in common, and the one loop.

    pick a runnable thread -> run it until its Exit -> handle the Exit -> again

Everything that happens in the system enters through `_trap`. Coroutines (Python bodies, system calls that had to wait) are driven
by the same loop as machine code. The host is a thread too: when its turn comes the loop hands control back to it.
"""

from __future__ import annotations

import functools
import os
import random
import select
import sys
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from jacinth.abi import (
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_GENERAL,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_POLICY_CODE_HANDLE_LEAK,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_UNALIGNED_ACCESS,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_RESTRICTED_REASON_KICK,
    ZX_RESTRICTED_REASON_SYSCALL,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_THREAD_STATE_SUSPENDED,
    ZxError,
)
from jacinth.kernel.exception import ExceptionReport, announce_exit, handle, has_handler, policy_error
from jacinth.kernel.ipc.debuglog import DebugLog
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.ktrace import KTrace
from jacinth.kernel.memory_pressure import MemoryPressure
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.turns import Turns, has_precedence
from jacinth.kernel.vm.page_source import OVERTIME, PageNeeded
from jacinth.kernel.vm.reclaim import Reclaimer
from jacinth.kernel.wait import LONGEST_WAIT, Clock, TimerHeap, Waiter
from jacinth.machine.exit import CpuException, PageFault, Preempted, Syscall
from jacinth.machine.interface import Context, Engine

if TYPE_CHECKING:
    from jacinth.kernel.probe import KernelProbe
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.resource import ResourceDispatcher
    from jacinth.kernel.sampler import SamplerDispatcher
    from jacinth.machine.exit import Exit
    from jacinth.machine.memory import PhysicalMemory

FIRST_KOID: Final = 1024

# What one piece of work costs on a clock that stands still by itself, in ns.
_PICK_NS: Final = 1_000
_QUANTUM_NS: Final = 1_000_000
# How often the host's descriptors are looked at while threads are busy, in ns.
_POLL_NS: Final = 10_000_000

# x86-64 exception vectors that have a type of their own; every other one is ZX_EXCP_GENERAL.
_EXCEPTION_TYPES: Final = {
    1: ZX_EXCP_HW_BREAKPOINT,
    3: ZX_EXCP_SW_BREAKPOINT,
    6: ZX_EXCP_UNDEFINED_INSTRUCTION,
    17: ZX_EXCP_UNALIGNED_ACCESS,
}
_PAGE_FAULT_VECTOR: Final = 14


class KernelDeadlock(RuntimeError):
    """The host waits for something, and nothing in the system can ever run again. It says what each thread waits for."""

    def __init__(self, root: JobDispatcher) -> None:
        super().__init__()
        # What it says is said later, often when the system is no more.
        self._waiting = [
            (thread.koid, thread.name, thread.info_state, process.koid, process.name)
            for job in root.walk()
            for process in job.processes()
            for thread in process.threads()
            if thread.state is not ThreadState.INITIAL
        ]

    def __str__(self) -> str:
        from jacinth.abi.names import flag_names, printable  # programs that run well start without them

        lines = ["every thread waits, and nothing is left that could wake one"]
        for koid, name, state, process, program in self._waiting:
            if state == ZX_THREAD_STATE_SUSPENDED:
                what = "ZX_THREAD_STATE_SUSPENDED"
            else:
                what = flag_names("ZX_THREAD_STATE_BLOCKED_", state)
            lines.append(f'  [{process}.{koid}] "{printable(program)}", "{printable(name)}": {what}')
        return "\n".join(lines)


class HostInput(Protocol):
    """A host descriptor that something in the system may wait for."""

    def wanted(self) -> bool:
        """Whether anybody waits for it now: nothing is taken from it before."""

    def ready(self) -> None:
        """It can be read."""


class KernelObserver:
    """Who looks on from outside: tracers, debuggers, counters. Nothing here may change what the kernel does."""

    def on_thread_exit(self, thread: ThreadDispatcher) -> None:
        """*thread* is about to be dead; its registers can still be read."""

    def on_process_exit(self, process: ProcessDispatcher) -> None:
        """*process* is dead; it is still in its job."""

    def on_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        """Nobody handles the exception: the process is about to be killed."""


class Kernel:
    """A booted kernel without a door: `syscalls.door` makes it answer system calls."""

    def __init__(
        self,
        memory: PhysicalMemory,
        engine: Engine,
        clock: Clock,
        seed: int | None = None,
        strict: bool = False,
    ) -> None:
        self.memory = memory
        self.zero_frame = memory.allocate()  # what a read of a page that is not committed sees; never written
        self.engine = engine
        self.reclaimer = Reclaimer(memory)
        self.clock = clock
        self.seed = seed
        self.pager_timeout = OVERTIME  # how long pagers may take, in ns
        self.strict = strict  # an internal error in a call is raised, not reported
        # Every choice that the interface leaves open is made with this.
        self.random = random.Random(os.urandom(16) if seed is None else seed)
        self.timers = TimerHeap()
        self.ready: deque[ThreadDispatcher] = deque()
        self.turns: Turns | None = None  # where profiles make threads unequal
        # Whose exit is being handled, or who is brought forward; and who runs machine code meanwhile, by CPU.
        self.current: ThreadDispatcher | None = None
        self._running: list[ThreadDispatcher | None] = [None] * engine.cpus
        self._several = engine.cpus > 1
        self._between: ThreadDispatcher | None = None  # who will go on when others have been given CPUs
        self.observers: list[KernelObserver] = []
        # Told all the time, of everything: there are none unless somebody traces.
        self.probes: list[KernelProbe] = []
        self.sampler: SamplerDispatcher | None = None  # there is at most one
        self.console: Callable[[bytes], None] = _write_stderr
        self.debuglog = DebugLog(self)
        # Of CPUs, as somebody has set them: how fast they are, and between which rates they may be.
        self.performance_scales: dict[int, tuple[int, int]] = {}
        self.performance_limits: dict[int, tuple[int, int]] = {}
        # All there are, for those that are to be exclusive.
        self.resources: dict[ResourceDispatcher, None] = {}
        self.inputs: dict[int, HostInput] = {}  # by host descriptor: the one door for what comes from outside
        # Installed by the door: carries out the system call that the thread's context asks for and answers its result, or
        # None where it has left a coroutine in the thread.
        self.syscall: Callable[[ThreadDispatcher], int | None] = _no_door
        # By the number of a call, where its one permitted syscall instruction is in the vDSO: bytes from its base.
        self.syscall_sites: Mapping[int, int] = {}
        # Installed by the door: from now on probes are told of every call.
        self.watch_calls: Callable[[], None] = _nothing
        # Told of every call that is watched, before it is carried out; a `ZxError` from here is its answer: injected faults.
        self.before_call: Callable[[str, Any], None] | None = None
        # Told of every change of a virtual clock: the vDSO's time page.
        self.on_tick: Callable[[int], None] | None = None
        self._koid = FIRST_KOID - 1
        self.host_thread: ThreadDispatcher | None = None  # of the process outside, where there is one
        self._host: ThreadDispatcher | None = None  # the thread whose turn ends the loop, while that runs
        self.root_job_dispatcher = JobDispatcher.create_root(self)
        # A root job is kept by the kernel itself.
        self.root_job_dispatcher.handle_count += 1

    @functools.cached_property
    def memory_pressure(self) -> MemoryPressure:
        """Watches how much memory is left, from when somebody first asks."""
        return MemoryPressure(self)

    @functools.cached_property
    def ktrace(self) -> KTrace:
        """The kernel's trace, from when somebody first asks."""
        return KTrace(self)

    def new_koid(self) -> int:
        self._koid = koid = self._koid + 1
        return koid

    def entropy(self, size: int) -> bytes:
        """Random bytes: the host's, or with a seed those that follow from it."""
        return os.urandom(size) if self.seed is None else self.random.randbytes(size)

    # Scheduling

    def make_ready(self, thread: ThreadDispatcher) -> None:
        """Let *thread* run when its turn comes. It may be in the queue already, from before it was suspended."""
        if not thread.queued:
            thread.queued = True
            thread.queued_at = self.clock.now()
            self.ready.append(thread)
            if self.turns is not None:
                self.turns.queued(thread, thread.queued_at)
                if has_precedence(thread) and thread is not self.current:
                    self.preempt()
            if self.probes and thread is not self.current:
                for probe in self.probes:
                    probe.on_wake(thread)

    def weigh(self) -> None:
        """Some thread is about to differ from the others: order turns by their profiles from now on."""
        if self.turns is None:
            self.turns = Turns(None if self.seed is None else self.random)

    def _pick(self, cpu: int, now: int) -> ThreadDispatcher | None:
        """The next thread to run on the CPU. It is *now*.

        Time passes while there is none, unless another CPU runs: None then, and where it is the host's turn.
        """
        ready, timers, clock = self.ready, self.timers, self.clock
        while True:
            if clock.virtual:
                self._tick(_PICK_NS)
                now = clock.now()
            deadline = timers.next_deadline()
            if deadline is not None and deadline <= now:
                timers.fire(now)
            if self.inputs and now >= self._next_poll:
                self._poll_inputs(now)
            while ready:
                if self.turns is not None:
                    thread = self.turns.take(ready)
                elif self.seed is None or len(ready) == 1:
                    thread = ready.popleft()
                else:
                    index = self.random.randrange(len(ready))
                    thread = ready[index]
                    del ready[index]
                thread.queued = False
                thread.queue_time += now - thread.queued_at
                if thread is self._host:
                    self._host_turn = True
                    return None
                # It may have been killed or suspended since it was queued; one that exits may be handling that.
                if thread.state is ThreadState.RUNNING or thread.handling:
                    thread.picked_at = now
                    thread.last_cpu = cpu
                    return thread
            if self._several and self._anybody_runs():
                return None
            for probe in self.probes:
                probe.on_switch(cpu, None, now, None)
            deadline = timers.next_deadline()
            wanted = self._wanted_inputs()
            # Virtual time passes only where no input is there, and waits for none where a deadline comes first.
            at_once = clock.virtual and deadline is not None
            there = bool(wanted) and self._wait_for_input(wanted, clock.now() if at_once else deadline)
            if not there and deadline is not None:
                clock.wait_until(deadline)
            elif not there and not wanted:
                raise KernelDeadlock(self.root_job_dispatcher)
            now = clock.now()

    def _wanted_inputs(self) -> list[int]:
        return [fd for fd, input_ in self.inputs.items() if input_.wanted()]

    def _wait_for_input(self, wanted: list[int], deadline: int | None) -> bool:
        """Answers whether there was any."""
        delay = None
        if deadline is not None:
            delay = min(max(0, deadline - self.clock.now()) / 1e9, LONGEST_WAIT)
        ready = select.select(wanted, [], [], delay)[0]
        for fd in ready:
            self.inputs[fd].ready()
        return bool(ready)

    def _poll_inputs(self, now: int) -> None:
        """Some threads wait for input while others are busy: look now and then."""
        self._next_poll = now + _POLL_NS
        wanted = self._wanted_inputs()
        if wanted:
            self._wait_for_input(wanted, now)

    def _tick(self, ns: int) -> None:
        if self.clock.virtual:
            self.clock.tick(ns)
            if self.on_tick is not None:
                self.on_tick(self.clock.now())

    def _next(self, cpu: int) -> Context | None:
        """Bring threads forward until one needs the CPU; None when none does, or it is the host's turn."""
        thread = self.current
        self._cpu = cpu
        while True:
            if thread is not None:
                context = self._advance(thread)
                if context is not None:
                    self._running[cpu] = thread
                    if thread.rseq is not None:
                        thread.rseq.going_on(context, cpu, restricted=thread.in_restricted)
                    return context
                now = self.clock.now()
                thread.runtime += now - thread.picked_at
            else:
                now = self.clock.now()
            self.current = self._running[cpu] = None  # what timers and inputs do now is nobody's doing
            left, left_at = thread, now
            thread = self.current = self._pick(cpu, now)
            if self.probes:
                self._tell_switch(cpu, left, left_at, thread)
            if thread is None:
                return None

    def _tell_switch(
        self, cpu: int, left: ThreadDispatcher | None, left_at: int, thread: ThreadDispatcher | None
    ) -> None:
        """The CPU goes from *left* to *thread*; where that is None it is idle, but for the host's turn on the first one."""
        if thread is None and self._host_turn and cpu == 0:
            thread = self._host
        for probe in self.probes:
            probe.on_switch(cpu, left, left_at, thread)

    @property
    def cpu(self) -> int:
        """The CPU for which kernel code runs now."""
        current = self.current
        if current is self.host_thread:
            return 0
        return self._running.index(current) if current is not None and current in self._running else self._cpu

    def on_cpu(self, cpu: int) -> ThreadDispatcher | None:
        """Who has a CPU now."""
        return self.current if cpu == self.cpu else self._running[cpu]

    def _anybody_runs(self) -> bool:
        return self._between is not None or any(thread is not None for thread in self._running)

    def _fill(self, but: int = -1) -> None:
        """Give every idle CPU (*but* one) a thread, as long as there are any."""
        for cpu, thread in enumerate(self._running):
            if thread is None and cpu != but and not self._host_turn:
                self.current = None
                context = self._next(cpu)
                if context is None:
                    break
                self.engine.start(cpu, context)
        self.current = None

    def _put_back(self, thread: ThreadDispatcher) -> None:
        """*thread* goes on before all others, if it can."""
        if thread.state is ThreadState.RUNNING and thread.waiter is None and not thread.queued:
            thread.queued = True
            thread.queued_at = self.clock.now()
            self.ready.appendleft(thread)

    def _end_turn(self, cpu: int, thread: ThreadDispatcher) -> None:
        """*thread* has the CPU no more."""
        self._running[cpu] = None
        thread.runtime += self.clock.now() - thread.picked_at

    def halt(self, thread: ThreadDispatcher) -> None:
        """Take *thread* off another CPU, if it runs there: it is as after a preemption then."""
        if self._several and thread is not self.current and thread in self._running:
            cpu = self._running.index(thread)
            self.engine.stop(cpu)
            self._end_turn(cpu, thread)
            self._tell_switch(cpu, thread, self.clock.now(), None)
            self.make_ready(thread)

    def turn_so_far(self, thread: ThreadDispatcher) -> int:
        """How long *thread* has had a CPU, in ns; 0 where it has none."""
        if thread is self.current or thread in self._running:
            return self.clock.now() - thread.picked_at
        return 0

    def _wait_limit(self) -> int | None:
        """How long the CPUs may run before somebody looks at timers and inputs for those that are idle, in ns."""
        if not self._several or None not in self._running:
            return None
        deadline = self.timers.next_deadline()
        limit = None if deadline is None else max(0, deadline - self.clock.now())
        if self.inputs and self._wanted_inputs():
            return _POLL_NS if limit is None else min(limit, _POLL_NS)
        return limit

    _cpu: int = 0  # for which a thread was brought forward last
    _host_turn: bool = False
    _next_poll: int = 0

    def _advance(self, thread: ThreadDispatcher) -> Context | None:
        """Bring *thread* to where it runs machine code; None where it cannot, or has had its turn."""
        while True:
            if thread.attention:
                thread.attention = False
                if not self._attend(thread):
                    return None
            elif thread.coroutine is None:
                return thread.context
            elif not self._step(thread):
                return None

    def _attend(self, thread: ThreadDispatcher) -> bool:
        """Something besides running on has to be done with *thread*. Answers whether it goes on at once.

        In this order: a kill; an exception that a handler has; an exception to be raised; a suspension; a kick out of
        restricted mode; the others' turn.
        """
        if thread.state is ThreadState.DYING and not thread.exiting:
            thread.finish()
            return False
        if thread.handling or thread.in_exception is not None:
            return thread.waiter is None
        if thread.state is ThreadState.DYING:
            if thread.exit_announced or not thread.process.debug_exceptionate.bound:
                thread.finish()
                return False
            thread.exit_announced = True
            thread.interrupt(announce_exit(thread))
            return True
        if thread.pending is not None and thread.coroutine is None:
            return thread.take_pending()
        if thread.suspend_count:
            thread.park()
            return False
        if thread.kicked and thread.in_restricted and thread.coroutine is None:
            thread.kicked = False
            assert thread.restricted is not None
            thread.restricted.leave(ZX_RESTRICTED_REASON_KICK)
            return True
        if thread.waiter is None:
            self.make_ready(thread)
        return False

    def _step(self, thread: ThreadDispatcher) -> bool:
        """Drive the thread's coroutine to its next stop. Answers whether the thread can go on at once."""
        coroutine = thread.coroutine
        assert coroutine is not None
        try:
            stop = coroutine.send(None)
        except StopIteration as end:
            if thread.handling:
                thread.end_interruption()
                return True
            thread.coroutine = None
            if thread.is_body and not thread.in_restricted:
                self._body_returned(thread, end.value)
            elif end.value is not None and thread.context is not None:
                thread.context.set_result(end.value)
            if thread.pending is not None or (thread.kicked and thread.in_restricted):
                thread.attention = True
            return True
        except Exception as error:
            thread.coroutine = None
            if not thread.is_body or thread.handling:
                raise
            self._body_failed(thread, error)
            return True
        if isinstance(stop, Waiter):
            if thread.attention:
                # It was killed or suspended by the very call that now blocks: first block, then attend to that.
                thread.block_on(stop)
                return True
            return not thread.block_on(stop)
        if thread.in_restricted:
            return True  # the body goes on when restricted mode has been left
        # A checkpoint: a system call of a body is over.
        thread.attention = True
        if thread.state is ThreadState.RUNNING:
            thread.take_pending()
        return True

    def _body_returned(self, thread: ThreadDispatcher, value: Any) -> None:
        """A body that returns a number exits its process with it; one that returns nothing exits its thread."""
        if isinstance(value, int):
            thread.process.kill(value)
        thread.exit()

    def _body_failed(self, thread: ThreadDispatcher, error: Exception) -> None:
        self.report(f"body of thread {thread.koid} failed", error)
        thread.process.kill(ZX_TASK_RETCODE_EXCEPTION_KILL)

    def preempt(self) -> None:
        """Let the current thread go to the back of the queue at its next boundary."""
        if self.current is not None:
            self.current.attention = True

    # The one door

    def _trap(self, cpu: int, exit_: Exit) -> Context | None:
        """Handle one Exit. Answers the context that the CPU goes on with, None to come back to the host."""
        thread = self.current = self._running[cpu]
        assert thread is not None and thread.context is not None
        if isinstance(exit_, Syscall):
            restricted = thread.restricted
            # RestrictedState.entered, for speed.
            if restricted is not None and (restricted.way_out.open or restricted.body is not None):
                restricted.leave(ZX_RESTRICTED_REASON_SYSCALL)
                if thread.coroutine is None and not thread.attention:
                    return thread.context
                return self._next(cpu)
            result = self.syscall(thread)
            if result is not None:
                context = thread.context
                if context is not None:
                    context.set_result(result)
                if not thread.attention:
                    return context
        elif isinstance(exit_, PageFault):
            if self.probes:
                for probe in self.probes:
                    probe.on_page_fault(thread, exit_.address, exit_.access)
            try:
                thread.aspace.page_fault(exit_.address, exit_.access)
            except ZxError as error:
                self.raise_exception(thread, _fatal_page_fault(exit_, error.status))
            except PageNeeded as need:
                thread.coroutine = thread.faulting = _wait_for_page(thread, exit_, need)
                return self._next(cpu)
            if not (thread.attention or thread.handling):
                return thread.context
        elif isinstance(exit_, Preempted):
            self._tick(_QUANTUM_NS)
            thread.attention = True
        elif isinstance(exit_, CpuException):
            type_ = _EXCEPTION_TYPES.get(exit_.vector, ZX_EXCP_GENERAL)
            self.raise_exception(thread, ExceptionReport(type_, exit_.vector, exit_.code))
        return self._next(cpu)

    def _trap_and_spread(self, cpu: int, exit_: Exit) -> Context | None:
        """The same with several CPUs: whoever has become ready runs on those that are idle."""
        context = self._trap(cpu, exit_)
        thread = self._running[cpu]
        if context is None or thread is None or not self.ready or None not in self._running:
            return context
        # The others may be Python, which suspends this thread or kills it: let it be between two turns meanwhile.
        self._running[cpu], self._between = None, thread
        try:
            self._fill(but=cpu)
        finally:
            self._between = None
        # Or they have stopped it and let it go on: then it waits for its turn, or has had it already, on another CPU.
        stays = thread.state is ThreadState.RUNNING and not thread.queued and thread not in self._running
        if self._host_turn:
            if stays:
                self._end_turn(cpu, thread)
                self._put_back(thread)
                self._tell_switch(cpu, thread, self.clock.now(), None)
            return None
        self.current = thread if stays else None
        return self._next(cpu)

    def run_host(self, host: ThreadDispatcher, waiter: Waiter) -> None:
        """Run the system until *waiter*, on which the host thread blocks, is complete and it is the host's turn."""
        if self._host is not None:
            raise RuntimeError("a blocking host call was made from inside the kernel's loop")
        if not host.block_on(waiter):
            return
        self._host = host
        self._host_turn = False
        host.runtime += self.turn_so_far(host)
        self.current = None
        trap = self._trap_and_spread if self._several else self._trap
        try:
            while True:
                self._fill()
                if self._host_turn:
                    break
                self.engine.wait(trap, self._wait_limit())
        finally:
            self._host = None
            self.engine.recall()
            # Those that were taken off their CPUs, and whoever was in the middle of a turn that an exception (Ctrl-C, a deadlock)
            # has ended.
            interrupted = self.current
            for cpu, thread in enumerate(self._running):
                if thread is not None and thread is not interrupted:
                    self._end_turn(cpu, thread)
                    self._put_back(thread)
                self._running[cpu] = None
                for probe in self.probes:
                    probe.on_switch(cpu, thread, self.clock.now(), None if cpu else host)
            if interrupted is not None:
                self._put_back(interrupted)
            self.current = host
            host.picked_at = self.clock.now()
            if host.waiter is not None:
                if host.waiter.timer is not None:
                    host.waiter.timer.cancel()
                host.waiter = None

    # Exceptions

    def raise_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        """*thread*, which is the current one and at a boundary, has run into an exception."""
        thread.interrupt(handle(thread, report))

    def policy_exception(self, code: int, data: int = 0) -> None:
        """The current thread, if any, has done what is forbidden (ZX_EXCP_POLICY_CODE_*): raised when its call is over."""
        if self.current is not None:
            self.current.policy_exception(policy_error(code, data))

    def handle_leak(self) -> None:
        """The current thread cannot be told the value of a handle that a call has made for it.

        An exception as in the real kernel, but only where somebody handles exceptions: a bad pointer ends no program that looks
        at the answer of its call.
        """
        if self.current is not None and has_handler(self.current):
            self.policy_exception(ZX_EXCP_POLICY_CODE_HANDLE_LEAK)

    def unhandled_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        """No handler has resumed *thread*: its process is killed."""
        for observer in self.observers:
            observer.on_exception(thread, report)
        thread.process.kill(ZX_TASK_RETCODE_EXCEPTION_KILL)

    def add_probe(self, probe: KernelProbe) -> None:
        self.probes.append(probe)
        self.engine.takes_ways_out = False  # they are told of every return from restricted mode

    def remove_probe(self, probe: KernelProbe) -> None:
        self.probes.remove(probe)
        self.engine.takes_ways_out = not self.probes

    def on_process_create(self, process: ProcessDispatcher) -> None:
        for probe in self.probes:
            probe.on_process_create(process)

    def on_thread_start(self, thread: ThreadDispatcher) -> None:
        for probe in self.probes:
            probe.on_thread_start(thread)

    def on_thread_exit(self, thread: ThreadDispatcher) -> None:
        for observer in self.observers:
            observer.on_thread_exit(thread)

    def on_process_exit(self, process: ProcessDispatcher) -> None:
        for observer in self.observers:
            observer.on_process_exit(process)

    def report(self, what: str, error: BaseException) -> None:
        """An error of ours, or of a Python body, which no guest may turn into the end of the kernel."""
        if self.strict:
            raise error
        sys.excepthook(type(error), error, error.__traceback__)
        print(f"jacinth: {what}: {error!r}", file=sys.stderr)


def _fatal_page_fault(fault: PageFault, status: int) -> ExceptionReport:
    return ExceptionReport(
        ZX_EXCP_FATAL_PAGE_FAULT,
        _PAGE_FAULT_VECTOR,
        fault.code,
        fault.address,
        synth_code=status & 0xFFFF_FFFF,
    )


async def _wait_for_page(thread: ThreadDispatcher, fault: PageFault, need: PageNeeded) -> None:
    """What *thread* does until the pager has answered. Then it faults again, or gets an exception."""
    status = await need.arrive()
    if status is not None:
        thread.pending = _fatal_page_fault(fault, status)


def _write_stderr(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def _nothing() -> None:
    pass


def _no_door(thread: ThreadDispatcher) -> int | None:
    raise RuntimeError("no door is installed")
