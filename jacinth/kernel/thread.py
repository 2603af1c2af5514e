"""Threads: the states of one, and what moves it between them.

    INITIAL --start--> RUNNING <--suspend, resume--> SUSPENDED
                          |                              |
                          +--------- kill, exit ---------+--> DYING --> DEAD

A thread in an exception is RUNNING (DYING where it exits): it waits for its handler, and is suspended only after that.

A thread's body is machine code in a context of the engine, or a Python coroutine. To the kernel the two are the same: both make
system calls with numbers for handles, both block by awaiting a `Waiter`, both can be killed at any await. A system call of
machine code that blocks is a coroutine too, kept in `coroutine` until it has its answer.

Source: zircon/kernel/object/thread_dispatcher.cc.
"""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jacinth.abi import (
    ZX_DEFAULT_THREAD_RIGHTS,
    ZX_EXCEPTION_CHANNEL_TYPE_NONE,
    ZX_EXCEPTION_CHANNEL_TYPE_THREAD,
    ZX_OBJ_TYPE_THREAD,
    ZX_PRIORITY_DEFAULT,
    ZX_THREAD_RUNNING,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_DYING,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_RUNNING,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_THREAD_SUSPENDED,
    ZX_THREAD_TERMINATED,
    ZX_TIME_INFINITE,
    Status,
    ZxError,
)
from jacinth.kernel import exception
from jacinth.kernel.exception import Exceptionate, ExceptionDispatcher, ExceptionReport
from jacinth.kernel.task import TaskDispatcher
from jacinth.kernel.turns import WEIGHTS
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.restricted import RestrictedState
    from jacinth.kernel.rseq import RestartableSequence
    from jacinth.kernel.turns import Reservation
    from jacinth.kernel.vm.aspace import VmAspace
    from jacinth.kernel.vm.unified import UnifiedAspace
    from jacinth.machine.interface import Context


class ThreadState(Enum):
    INITIAL = auto()
    RUNNING = auto()
    SUSPENDED = auto()
    DYING = auto()
    DEAD = auto()


_NEXT: Final = {
    ThreadState.INITIAL: {ThreadState.RUNNING},
    ThreadState.RUNNING: {ThreadState.SUSPENDED, ThreadState.DYING},
    ThreadState.SUSPENDED: {ThreadState.RUNNING, ThreadState.DYING},
    ThreadState.DYING: {ThreadState.DEAD},
    ThreadState.DEAD: set[ThreadState](),
}


class Checkpoint:
    """What a coroutine yields to let the kernel look at it (kill, suspend) and at the other threads, without waiting."""

    __slots__ = ()

    def __await__(self) -> Generator[Checkpoint, None, None]:
        yield self


CHECKPOINT: Final = Checkpoint()

Body = Coroutine[Any, Any, Any]


class TaskTimes(NamedTuple):
    """How long a task's threads have been on a CPU, and how long they have waited for one, in ns."""

    cpu: int
    queued: int

    def plus(self, other: TaskTimes) -> TaskTimes:
        return TaskTimes(self.cpu + other.cpu, self.queued + other.queued)


NO_TIMES: Final = TaskTimes(0, 0)

# No program counter of user code is here or above.
_USER_TOP: Final = 1 << 47


class ThreadDispatcher(TaskDispatcher):
    """A thread of a process."""

    TYPE = ZX_OBJ_TYPE_THREAD
    DEFAULT_RIGHTS = ZX_DEFAULT_THREAD_RIGHTS

    __slots__ = (
        "_name",
        "affinity",
        "attention",
        "call",
        "context",
        "coroutine",
        "exception",
        "exception_channel_type",
        "exceptionate",
        "exit_announced",
        "exiting",
        "faulting",
        "handling",
        "in_exception",
        "interrupted",
        "is_body",
        "kicked",
        "last_cpu",
        "late_writes",
        "pending",
        "picked_at",
        "process",
        "queue_time",
        "queued",
        "queued_at",
        "reservation",
        "restricted",
        "rseq",
        "runtime",
        "state",
        "suspend_count",
        "turn_ends",
        "waiter",
        "weight",
    )

    def __init__(self, process: ProcessDispatcher, name: bytes = b"") -> None:
        super().__init__(process.kernel)
        self.process = process
        self.state = ThreadState.INITIAL
        self.suspend_count = 0
        self.context: Context | None = None  # of machine code, while the thread lives
        # A Python body, or a system call of machine code that has not returned yet.
        self.coroutine: Body | None = None
        self.is_body = False
        self.faulting: Body | None = None  # what machine code has waited with for a page, the last time
        self.waiter: Waiter | None = None  # what it is blocked on
        # Restricted mode: the state that is bound, and whether the thread has been kicked and has not noticed yet.
        self.restricted: RestrictedState | None = None
        self.kicked = False
        # What its profile says: CPUs to run on, its share of them, and how much of them it has for itself.
        self.affinity: int | None = None
        self.weight = WEIGHTS[ZX_PRIORITY_DEFAULT]
        self.reservation: Reservation | None = None
        self.turn_ends = 0  # kept by `Turns` while it is queued
        self.rseq: RestartableSequence | None = None
        # Exceptions. Where one is being handled, that is what `coroutine` does, and what it did before is kept in `interrupted`.
        self.exception: ExceptionReport | None = None  # the last one
        self.exceptionate = Exceptionate(ZX_EXCEPTION_CHANNEL_TYPE_THREAD)
        self.handling = False
        self.interrupted: Body | None = None
        self.in_exception: ExceptionDispatcher | None = None  # the one that a handler has
        self.exception_channel_type = ZX_EXCEPTION_CHANNEL_TYPE_NONE  # and through what kind of channel
        # Raised in a system call, to be handled when the call is over.
        self.pending: ExceptionReport | None = None
        self.exiting = False  # by itself, not killed
        self.exit_announced = False
        # Something besides running on has to be done with this thread at the next boundary: kill, suspend, yield.
        self.attention = False
        self.queued = False  # it is in the kernel's queue of threads that can run
        self.queued_at = 0  # since when
        self.queue_time = 0  # ns in the queue, before this time
        self.runtime = 0  # ns on a CPU, before this time
        self.picked_at = 0  # since when it has its turn
        self.last_cpu: int | None = None  # where it has, or had, its turn
        # Of the present system call, to memory that its pager has not supplied yet.
        self.late_writes: list[Any] = []
        self.call: Any = None  # the door keeps here what it needs for this thread's calls
        self._name = name
        process.keep()

    @classmethod
    def create(cls, process: ProcessDispatcher, name: bytes) -> ThreadDispatcher:
        """A new thread that belongs to *process*, not started yet."""
        return cls(process, name)

    @property
    def related_koid(self) -> int:
        return self.process.koid

    @property
    def name(self) -> bytes:
        """BAD_STATE once the thread is dead."""
        if self.state is ThreadState.DEAD:
            raise ZxError(Status.BAD_STATE)
        return self._name

    @name.setter
    def name(self, value: bytes) -> None:
        if self.state is ThreadState.DEAD:
            raise ZxError(Status.BAD_STATE)
        self._name = value

    @property
    def alive(self) -> bool:
        return self.state is ThreadState.RUNNING or self.state is ThreadState.SUSPENDED

    @property
    def info_state(self) -> int:
        """The ZX_THREAD_STATE_* that `zx_object_get_info` shows."""
        match self.state:
            case ThreadState.INITIAL:
                return ZX_THREAD_STATE_NEW
            case ThreadState.RUNNING:
                if self.handling or self.in_exception is not None:
                    return ZX_THREAD_STATE_BLOCKED_EXCEPTION
                return self.waiter.reason if self.waiter is not None else ZX_THREAD_STATE_RUNNING
            case ThreadState.SUSPENDED:
                return ZX_THREAD_STATE_SUSPENDED
            case ThreadState.DYING:
                return ZX_THREAD_STATE_DYING
            case ThreadState.DEAD:
                return ZX_THREAD_STATE_DEAD

    def times(self) -> TaskTimes:
        """Up to now."""
        kernel = self.kernel
        cpu = self.runtime + kernel.turn_so_far(self)
        return TaskTimes(cpu, self.queue_time + (kernel.clock.now() - self.queued_at if self.queued else 0))

    def _set_state(self, state: ThreadState) -> None:
        assert state in _NEXT[self.state], (self.state, state)
        self.state = state
        if state is ThreadState.RUNNING:
            self.update_signals(ZX_THREAD_SUSPENDED, ZX_THREAD_RUNNING)
        elif state is ThreadState.SUSPENDED:
            self.update_signals(ZX_THREAD_RUNNING, ZX_THREAD_SUSPENDED)
        elif state is ThreadState.DEAD:
            self.update_signals(ZX_THREAD_RUNNING | ZX_THREAD_SUSPENDED, ZX_THREAD_TERMINATED)

    # Start and end

    def make_runnable(self, context: Context | None, body: Body | None, suspended: bool, first: bool) -> None:
        """The process has taken the thread in, as its *first* or any: run. BAD_STATE where it was started before."""
        if self.state is not ThreadState.INITIAL:
            raise ZxError(Status.BAD_STATE)
        self.context = context
        self.coroutine = body
        self.is_body = body is not None
        if suspended:
            self.suspend_count += 1
        self._set_state(ThreadState.RUNNING)
        self.kernel.on_thread_start(self)
        if exception.is_start_watched(self.process, first=first):
            self.interrupt(exception.announce_start(self, first=first))
            self.kernel.make_ready(self)
        elif self.suspend_count:
            self._set_state(ThreadState.SUSPENDED)
        else:
            self.kernel.make_ready(self)

    def start_at(
        self, pc: int, sp: int, arg1: int, arg2: int, tp: int = 0, abi_reg: int = 0, *, first: bool = False
    ) -> None:
        """Run machine code at *pc*, as the process's *first* thread or any.

        Errors, in order: BAD_STATE where the process cannot take it; INVALID_ARGS a *pc* outside user space; BAD_STATE
        started before.
        """
        self.process.check_can_add(first=first)
        if pc >= _USER_TOP:
            raise ZxError(Status.INVALID_ARGS)
        if self.state is not ThreadState.INITIAL:
            raise ZxError(Status.BAD_STATE)
        context = self.kernel.engine.context(self.process.aspace.machine)
        context.start(pc, sp, arg1, arg2, tp, abi_reg)
        self.process.add_thread(self, context, None, first=first)

    def start_body(self, body: Body, *, first: bool = False) -> None:
        """Run a Python coroutine as the thread: BAD_STATE as for machine code."""
        self.process.add_thread(self, None, body, first=first)

    def check_stopped(self) -> None:
        """Whether the thread is suspended or in an exception: BAD_STATE."""
        if self.state is not ThreadState.SUSPENDED and self.in_exception is None:
            raise ZxError(Status.BAD_STATE)

    def stopped_context(self, *, general: bool = True) -> Context:
        """The registers, the *general* ones among them, while the thread is suspended or in an exception.

        Errors, in order: BAD_STATE a thread that runs; NOT_SUPPORTED where it has none to show: a Python body, and in exceptions
        that have no general registers.
        """
        self.check_stopped()
        if self.state is not ThreadState.SUSPENDED and general:
            assert self.in_exception is not None
            if not self.in_exception.report.has_registers:
                raise ZxError(Status.NOT_SUPPORTED)
        if self.context is None:
            raise ZxError(Status.NOT_SUPPORTED)
        return self.context

    @property
    def in_call(self) -> bool:
        """Whether the stopped thread, machine code, is in the middle of a system call."""
        return self.coroutine is not None and self.coroutine is not self.faulting and not self.handling

    def abandon_wait(self) -> None:
        """Somebody makes the stopped thread go on otherwise: a system call that it is in the middle of is over."""
        wait = self.coroutine
        if wait is not None and not self.handling:
            self.coroutine = None
            self._forget_waiter()
            wait.close()

    def _forget_waiter(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None:
            waiter.thread = None
            if waiter.timer is not None:
                waiter.timer.cancel()

    def exit(self) -> None:
        """The current thread ends by itself, when it leaves the kernel."""
        if self.alive:
            self._set_state(ThreadState.DYING)
            self.exiting = True
            self.attention = True

    def kill(self) -> None:
        """End the thread. Another thread is dead at once; the current one when it leaves the kernel."""
        self.kernel.halt(self)
        if self.alive:
            self._set_state(ThreadState.DYING)
        elif self.state is not ThreadState.DYING or not self.exiting:
            return
        self.exiting = False
        if self is self.kernel.current:
            self.attention = True
        else:
            self.finish()

    def finish(self) -> None:
        """DYING to DEAD: undo what it waits for, give the registers back, leave the process."""
        self._forget_waiter()
        if not self.exit_announced:
            exception.announce_kill(self)
        failure: Exception | None = None
        outside = None if self.restricted is None else self.restricted.body
        for coroutine in (self.coroutine, self.interrupted, outside):
            if coroutine is not None:
                try:
                    coroutine.close()
                except (
                    Exception
                ) as error:  # a body that waits or fails while it is being closed: it goes all the same
                    failure = error
        self.coroutine = self.interrupted = None
        self.handling = False
        self.kernel.on_thread_exit(self)
        if self.context is not None:
            self.context.close()
            self.context = None
        self.bind_restricted(None)
        self.set_rseq(None)
        self._set_state(ThreadState.DEAD)
        self.exceptionate.close()
        self.process.remove_thread(self)
        self.check_gone()
        if failure is not None:
            self.kernel.report(f"body of thread {self.koid} failed while it was killed", failure)

    def on_zero_handles(self) -> None:
        if self.state is ThreadState.INITIAL:  # nobody can start it any more
            self.exceptionate.close()
        self.check_gone()

    @property
    def kept_by_itself(self) -> bool:
        return self.alive or self.state is ThreadState.DYING

    def on_gone(self) -> None:
        self.process.let_go()

    # Exceptions

    def interrupt(self, coroutine: Body) -> None:
        """The thread is at a boundary: before it goes on, let it do this."""
        self.interrupted, self.coroutine = self.coroutine, coroutine
        self.handling = True

    def end_interruption(self) -> None:
        """What `interrupt` asked for is done."""
        self.coroutine, self.interrupted = self.interrupted, None
        self.handling = False
        # A suspension has waited for this, an exit or a kill goes on.
        kicked = self.kicked and self.in_restricted
        self.attention = self.suspend_count > 0 or kicked or self.state is not ThreadState.RUNNING

    def enter_exception(self, exception: ExceptionDispatcher, channel_type: int) -> None:
        """A handler that listens on a channel of that ZX_EXCEPTION_CHANNEL_TYPE_* has got *exception*."""
        self.in_exception = exception
        self.exception_channel_type = channel_type

    def leave_exception(self) -> None:
        self.in_exception = None
        self.exception_channel_type = ZX_EXCEPTION_CHANNEL_TYPE_NONE
        if self.suspend_count:
            self.attention = True

    def policy_exception(self, report: ExceptionReport) -> None:
        """The current thread has done what is forbidden: an exception, when its system call is over. The last one counts."""
        self.pending = report
        self.attention = True

    def take_pending(self) -> bool:
        """The thread is about to leave the kernel: handle the exception that a system call has raised.

        Answers whether there was one.
        """
        report, self.pending = self.pending, None
        if report is None:
            return False
        self.interrupt(exception.handle(self, report))
        return True

    # Restricted mode

    @property
    def in_restricted(self) -> bool:
        """Whether the thread is in restricted mode now."""
        return self.restricted is not None and self.restricted.entered

    @property
    def aspace(self) -> VmAspace | UnifiedAspace:
        """What user code of the thread reaches now."""
        restricted = self.restricted
        return restricted.aspace if restricted is not None and restricted.entered else self.process.aspace

    def bind_restricted(self, state: RestrictedState | None) -> None:
        """Let *state* be what the current thread enters restricted mode with, from now on: None for nothing."""
        old, self.restricted = self.restricted, state
        if old is not None:
            old.close()

    def set_rseq(self, sequence: RestartableSequence | None) -> None:
        """Let the current thread have a restartable sequence from now on; None for none."""
        old, self.rseq = self.rseq, sequence
        if old is not None:
            old.close()

    def kick(self) -> None:
        """Out of restricted mode, or not into it the next time. Kicks that have not been noticed are one: BAD_STATE a dying
        thread.
        """
        if self.state in (ThreadState.DYING, ThreadState.DEAD):
            raise ZxError(Status.BAD_STATE)
        self.kicked = True
        self.kernel.halt(self)
        if self.in_restricted:
            self.attention = True

    # Suspension

    def suspend(self) -> None:
        """One more suspend token: BAD_STATE for a dying thread. A thread that is not on a CPU stops at once."""
        if self.state in (ThreadState.DYING, ThreadState.DEAD):
            raise ZxError(Status.BAD_STATE)
        self.suspend_count += 1
        if self.state is ThreadState.RUNNING:
            self.kernel.halt(self)
            if self is self.kernel.current or self.handling or self.in_exception is not None:
                self.attention = True
            else:
                self.park()

    def park(self) -> None:
        """The thread is at a boundary and has suspend tokens: stop it. What it waits for may end meanwhile."""
        self._set_state(ThreadState.SUSPENDED)
        if self.kicked and self.in_restricted:
            self.attention = True  # when it goes on

    def resume(self) -> None:
        """One suspend token less."""
        self.suspend_count -= 1
        if self.suspend_count == 0 and self.state is ThreadState.SUSPENDED:
            self._set_state(ThreadState.RUNNING)
            if self.waiter is None:
                self.kernel.make_ready(self)

    # Blocking

    def wake(self, waiter: Waiter) -> None:
        """*waiter* is complete."""
        if self.waiter is waiter:
            self.waiter = None
            waiter.thread = None
            if self.state is ThreadState.RUNNING or self.handling:
                self.kernel.make_ready(self)

    def block_on(self, waiter: Waiter) -> bool:
        """Stop running until *waiter* is complete. Answers False where it is complete already."""
        if waiter.status is not None:
            return False
        self.waiter = waiter
        waiter.thread = self
        if waiter.deadline != ZX_TIME_INFINITE:
            waiter.timer = self.kernel.timers.set(waiter.deadline, waiter.expire)
        return True
