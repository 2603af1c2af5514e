"""Jobs: the tree that bounds and kills processes.

        READY --kill--> KILLING --the last child is gone--> DEAD

Source: zircon/kernel/object/job_dispatcher.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_JOB_RIGHTS,
    ZX_EXCEPTION_CHANNEL_JOB_DEBUGGER_MAX_COUNT,
    ZX_EXCEPTION_CHANNEL_TYPE_JOB,
    ZX_EXCEPTION_CHANNEL_TYPE_JOB_DEBUGGER,
    ZX_JOB_NO_CHILDREN,
    ZX_JOB_NO_JOBS,
    ZX_JOB_NO_PROCESSES,
    ZX_JOB_TERMINATED,
    ZX_OBJ_TYPE_JOB,
    ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL,
    Status,
    ZxError,
)
from jacinth.kernel.exception import Exceptionate
from jacinth.kernel.policy import ROOT_POLICY, JobPolicy
from jacinth.kernel.task import TaskDispatcher
from jacinth.kernel.thread import NO_TIMES, TaskTimes

if TYPE_CHECKING:
    from jacinth.kernel.ipc.channel import ChannelDispatcher
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.process import ProcessDispatcher

ROOT_JOB_MAX_HEIGHT: Final = 32


class JobState(Enum):
    READY = auto()
    KILLING = auto()
    DEAD = auto()


_NO_CHILDREN: Final = ZX_JOB_NO_PROCESSES | ZX_JOB_NO_JOBS | ZX_JOB_NO_CHILDREN


class JobDispatcher(TaskDispatcher):
    """A node of the tree.

    A job is kept by its handles and by the jobs and processes made in it, the dead ones too while there is a handle to them;
    without either it leaves its parent's list. *max_height* is how many levels of jobs may still be made below it.
    """

    TYPE = ZX_OBJ_TYPE_JOB
    DEFAULT_RIGHTS = ZX_DEFAULT_JOB_RIGHTS

    __slots__ = (
        "_debug_exceptionates",
        "_jobs",
        "_name",
        "_processes",
        "exceptionate",
        "exited_times",
        "kill_on_oom",
        "max_height",
        "parent",
        "policy",
        "return_code",
        "state",
    )

    def __init__(self, kernel: Kernel, parent: JobDispatcher | None, policy: JobPolicy) -> None:
        super().__init__(kernel, _NO_CHILDREN)
        self.parent = parent
        self.max_height: int = ROOT_JOB_MAX_HEIGHT if parent is None else parent.max_height - 1
        self.policy = policy
        self.state = JobState.READY
        self.return_code = 0
        self.kill_on_oom = False
        self.exited_times = NO_TIMES  # of processes that are gone
        self._name = b""
        # Children by koid, oldest first; None until there are any, since most jobs of a large tree are leaves.
        self._jobs: dict[int, JobDispatcher] | None = None
        self._processes: dict[int, ProcessDispatcher] | None = None
        # The same for its exception handlers; of debuggers it may have several, oldest first.
        self.exceptionate: Exceptionate | None = None
        self._debug_exceptionates: list[Exceptionate] | None = None
        if parent is not None:
            parent.keep()

    @classmethod
    def create_root(cls, kernel: Kernel) -> JobDispatcher:
        job = cls(kernel, None, ROOT_POLICY)
        job._name = b"root"
        return job

    @classmethod
    def create(cls, parent: JobDispatcher) -> JobDispatcher:
        """A new job under *parent*: OUT_OF_RANGE at the height limit, BAD_STATE where the parent is not ready."""
        if parent.max_height == 0:
            raise ZxError(Status.OUT_OF_RANGE)
        if parent.state is not JobState.READY:
            raise ZxError(Status.BAD_STATE)
        job = cls(parent.kernel, parent, parent.policy)
        if parent._jobs is None:
            parent._jobs = {}
        parent._jobs[job.koid] = job
        parent._update_child_signals()
        return job

    @property
    def related_koid(self) -> int:
        return 0 if self.parent is None else self.parent.koid

    @property
    def name(self) -> bytes:
        return self._name

    @name.setter
    def name(self, value: bytes) -> None:
        self._name = value

    # The tree

    def add_process(self, process: ProcessDispatcher) -> None:
        """The last step of making a process: BAD_STATE where the job is not ready."""
        if self.state is not JobState.READY:
            raise ZxError(Status.BAD_STATE)
        if self._processes is None:
            self._processes = {}
        self._processes[process.koid] = process
        self._update_child_signals()

    def remove_process(self, process: ProcessDispatcher) -> None:
        """A process is dead."""
        if self._processes and self._processes.pop(process.koid, None) is not None:
            self.exited_times = self.exited_times.plus(process.times())
            self._child_left()

    def _remove_job(self, job: JobDispatcher) -> None:
        if self._jobs and self._jobs.pop(job.koid, None) is not None:
            self._child_left()

    def _child_left(self) -> None:
        self._update_child_signals()
        if self.state is JobState.KILLING and not self.has_children:
            self._finish_dead()

    @property
    def kept_by_itself(self) -> bool:
        return self.parent is None

    def on_gone(self) -> None:
        self._leave_tree()
        assert self.parent is not None
        self.parent.let_go()

    def _leave_tree(self) -> None:
        """Nobody refers to this job any more, or it is dead."""
        for exceptionate in (self.exceptionate, *self.debug_exceptionates()):
            if exceptionate is not None:
                exceptionate.close()
        if self.parent is not None:
            self.parent._remove_job(self)

    def jobs(self) -> Iterator[JobDispatcher]:
        """Child jobs, oldest first, as they are now."""
        return iter(tuple(self._jobs.values()) if self._jobs else ())

    def processes(self) -> Iterator[ProcessDispatcher]:
        """Child processes, oldest first, as they are now."""
        return iter(tuple(self._processes.values()) if self._processes else ())

    @property
    def has_children(self) -> bool:
        return bool(self._jobs or self._processes)

    def child(self, koid: int) -> JobDispatcher | ProcessDispatcher:
        """The direct child with that koid: NOT_FOUND."""
        job = self._jobs.get(koid) if self._jobs else None
        if job is not None:
            return job
        process = self._processes.get(koid) if self._processes else None
        if process is None:
            raise ZxError(Status.NOT_FOUND)
        return process

    def walk(self) -> Iterator[JobDispatcher]:
        """This job and every job below it, parents before children."""
        pending = [self]
        while pending:
            job = pending.pop()
            yield job
            pending.extend(reversed(tuple(job.jobs())))

    def is_ancestor_of(self, process: ProcessDispatcher) -> bool:
        job: JobDispatcher | None = process.job
        while job is not None and job is not self:
            job = job.parent
        return job is self

    def times(self) -> TaskTimes:
        """Those of all its processes, also of those that are gone, but of no job below."""
        times = self.exited_times
        for process in self.processes():
            times = times.plus(process.times())
        return times

    def all_times(self) -> TaskTimes:
        """Those of this job and all jobs below it."""
        times = NO_TIMES
        for job in self.walk():
            times = times.plus(job.times())
        return times

    def _update_child_signals(self) -> None:
        signals = 0
        if not self._processes:
            signals |= ZX_JOB_NO_PROCESSES
        if not self._jobs:
            signals |= ZX_JOB_NO_JOBS
        if not (self._processes or self._jobs):
            signals |= ZX_JOB_NO_CHILDREN
        self.update_signals(_NO_CHILDREN & ~signals, signals)

    # Death

    def kill(self, return_code: int) -> bool:
        """Kill every job and process of the tree below, and this job. Answers False where it was killed before.

        No process sees another half of the tree alive: all jobs stop accepting children before the first process dies.
        """
        if self.state is not JobState.READY:
            return False
        doomed: list[ProcessDispatcher] = []
        leaves: list[JobDispatcher] = []
        for job in list(self.walk()):
            if job.state is not JobState.READY:
                continue
            job.state = JobState.KILLING
            job.return_code = return_code
            doomed.extend(job.processes())
            if not job.has_children:
                leaves.append(job)
        for process in reversed(doomed):
            process.kill(return_code)
        for job in reversed(leaves):
            if job.state is JobState.KILLING:
                job._finish_dead()
        return True

    def _finish_dead(self) -> None:
        self.state = JobState.DEAD
        self.update_signals(0, ZX_JOB_TERMINATED)
        self._leave_tree()

    def kill_for_critical_process(self) -> None:
        """A process that is critical to this job has ended."""
        self.kill(ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL)

    # Exceptions

    def bind_exceptions(
        self, channel: ChannelDispatcher, thread_rights: int, process_rights: int, *, debugger: bool
    ) -> None:
        """Send exceptions below this job to *channel*, or to one *debugger* more the starts of processes.

        Errors, in order: BAD_STATE a dead job; ALREADY_BOUND.
        """
        if self.state is JobState.DEAD:
            raise ZxError(Status.BAD_STATE)
        if not debugger:
            if self.exceptionate is None:
                self.exceptionate = Exceptionate(ZX_EXCEPTION_CHANNEL_TYPE_JOB)
            self.exceptionate.bind(channel, thread_rights, process_rights)
            return
        debuggers = []
        for exceptionate in self.debug_exceptionates():
            if exceptionate.bound:
                debuggers.append(exceptionate)
            else:
                exceptionate.close()  # the debugger is gone: let go of the channel too
        self._debug_exceptionates = debuggers
        if len(debuggers) >= ZX_EXCEPTION_CHANNEL_JOB_DEBUGGER_MAX_COUNT:
            raise ZxError(Status.ALREADY_BOUND)
        exceptionate = Exceptionate(ZX_EXCEPTION_CHANNEL_TYPE_JOB_DEBUGGER)
        exceptionate.bind(channel, thread_rights, process_rights)
        self._debug_exceptionates = [*debuggers, exceptionate]

    def debug_exceptionates(self) -> Iterator[Exceptionate]:
        """Where its debuggers listen, oldest first, as they are now."""
        return iter(tuple(self._debug_exceptionates or ()))

    @property
    def debugger_attached(self) -> bool:
        return any(exceptionate.bound for exceptionate in self.debug_exceptionates())

    # Policy

    def set_policy(self, policy: JobPolicy) -> None:
        """Replace the policy, made from the present one: BAD_STATE where the job has children."""
        if self.has_children:
            raise ZxError(Status.BAD_STATE)
        self.policy = policy
