"""Processes, and the state that some of them share.

        INITIAL --the first thread starts--> RUNNING --exit, kill--> DYING --the last thread leaves--> DEAD

Source: zircon/kernel/object/process_dispatcher.cc, shareable_process_state.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, NamedTuple

from jacinth.abi import (
    ZX_DEFAULT_PROCESS_RIGHTS,
    ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_PROCESS,
    ZX_EXCP_POLICY_CODE_NEW_IOB,
    ZX_OBJ_TYPE_PROCESS,
    ZX_POL_ACTION_ALLOW,
    ZX_POL_ACTION_ALLOW_EXCEPTION,
    ZX_POL_ACTION_DENY,
    ZX_POL_ACTION_DENY_EXCEPTION,
    ZX_POL_ACTION_KILL,
    ZX_POL_NEW_IOB,
    ZX_PROCESS_TERMINATED,
    ZX_TASK_RETCODE_POLICY_KILL,
    Status,
    ZxError,
)
from jacinth.kernel.exception import Exceptionate
from jacinth.kernel.handle import Handle, HandleTable
from jacinth.kernel.ipc.futex import FutexContext
from jacinth.kernel.task import TaskDispatcher
from jacinth.kernel.thread import NO_TIMES, Body, TaskTimes, ThreadDispatcher
from jacinth.kernel.vm.aspace import (
    PRIVATE_ASPACE_BASE,
    PRIVATE_ASPACE_SIZE,
    RESTRICTED_ASPACE_BASE,
    RESTRICTED_ASPACE_SIZE,
    SHARED_ASPACE_BASE,
    SHARED_ASPACE_SIZE,
    VmAspace,
)
from jacinth.kernel.vm.unified import UnifiedAspace
from jacinth.kernel.vm.vmo import Attribution

if TYPE_CHECKING:
    from jacinth.kernel.job import JobDispatcher
    from jacinth.kernel.kernel import Kernel
    from jacinth.machine.interface import Context


class ProcessState(Enum):
    INITIAL = auto()
    RUNNING = auto()
    DYING = auto()
    DEAD = auto()


_NEXT: Final = {
    ProcessState.INITIAL: {ProcessState.RUNNING, ProcessState.DEAD},
    ProcessState.RUNNING: {ProcessState.DYING, ProcessState.DEAD},
    ProcessState.DYING: {ProcessState.DEAD},
    ProcessState.DEAD: set[ProcessState](),
}


class TaskMemory(NamedTuple):
    """What ZX_INFO_TASK_STATS shows of a process, in bytes."""

    mapped: int
    private: int
    shared: int
    scaled_shared: Attribution  # of which only `scaled_bytes` and `scaled_fraction` mean something


class SharedState:
    """What the processes of one group have in common: the aspace, the handle table and the futex contexts.

    It lives while any process of the group lives. An ordinary process is a group of one that nobody can join.
    """

    __slots__ = ("aspace", "count", "futexes", "handles")

    def __init__(self, kernel: Kernel, base: int, size: int, table: type[HandleTable] = HandleTable) -> None:
        self.aspace = VmAspace(kernel, base, size)
        self.handles = table(kernel.random.getrandbits(32))
        self.futexes = FutexContext()
        self.count = 1  # processes that are not dead yet

    def join(self) -> None:
        """One process more: BAD_STATE after the last one has terminated."""
        if self.count == 0:
            raise ZxError(Status.BAD_STATE)
        self.count += 1

    def leave(self) -> None:
        """One process less. The last one closes every handle and destroys the aspace."""
        self.count -= 1
        if self.count == 0:
            self.handles.clear()
            self.aspace.destroy()


class ProcessDispatcher(TaskDispatcher):
    """A process of a job.

    *shared* is its group's state; *restricted* the aspace that `zx_process_create_shared` gave to it alone; *aspace* what its
    threads see in normal mode, both parts at once where it has both.
    """

    TYPE = ZX_OBJ_TYPE_PROCESS
    DEFAULT_RIGHTS = ZX_DEFAULT_PROCESS_RIGHTS

    __slots__ = (
        "_name",
        "_threads",
        "aspace",
        "break_on_load",
        "critical_retcode_nonzero",
        "critical_to",
        "debug_addr",
        "debug_exceptionate",
        "exceptionate",
        "exited_times",
        "job",
        "policy",
        "restricted",
        "return_code",
        "shareable",
        "shared",
        "start_time",
        "state",
        "suspend_count",
    )

    def __init__(
        self,
        job: JobDispatcher,
        name: bytes,
        shared: SharedState,
        shareable: bool,
        restricted: VmAspace | None,
    ) -> None:
        super().__init__(job.kernel)
        self._name = name
        self.job = job
        self.policy = job.policy  # as it was when the process was made
        self.state = ProcessState.INITIAL
        self.shared = shared
        self.shareable = shareable  # made with ZX_PROCESS_SHARED, or from such a process
        self.restricted = restricted
        self._threads: dict[int, ThreadDispatcher] = {}  # the started ones, by koid, oldest first
        self.return_code = 0
        self.start_time = 0
        self.suspend_count = 0
        self.critical_to: JobDispatcher | None = None
        self.critical_retcode_nonzero = False
        self.exited_times = NO_TIMES  # of threads that are gone
        self.debug_addr = 0
        self.break_on_load = 0
        self.exceptionate = Exceptionate(ZX_EXCEPTION_CHANNEL_TYPE_PROCESS)
        self.debug_exceptionate = Exceptionate(ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER)
        # Last of what may fail for want of Python's memory: nobody would take it apart.
        self.aspace: VmAspace | UnifiedAspace = (
            shared.aspace if restricted is None else UnifiedAspace(restricted, shared.aspace)
        )
        job.keep()

    @classmethod
    def create(cls, job: JobDispatcher, name: bytes, *, shareable: bool) -> ProcessDispatcher:
        """A process of *job* with an aspace of its own, in the upper half where it is *shareable*: BAD_STATE in a dead job."""
        if shareable:
            shared = SharedState(job.kernel, SHARED_ASPACE_BASE, SHARED_ASPACE_SIZE)
        else:
            shared = SharedState(job.kernel, PRIVATE_ASPACE_BASE, PRIVATE_ASPACE_SIZE)
        return cls._join_job(cls(job, name, shared, shareable, None))

    @classmethod
    def create_shared(cls, prototype: ProcessDispatcher, name: bytes) -> ProcessDispatcher:
        """A process in the job of *prototype* that shares its state and has a restricted aspace of its own.

        INVALID_ARGS where the prototype is not shareable, BAD_STATE where the shared state or the job is dead.
        """
        if not prototype.shareable:
            raise ZxError(Status.INVALID_ARGS)
        prototype.shared.join()
        restricted: VmAspace | None = None
        try:
            restricted = VmAspace(prototype.kernel, RESTRICTED_ASPACE_BASE, RESTRICTED_ASPACE_SIZE)
            process = cls(prototype.job, name, prototype.shared, True, restricted)
        except MemoryError:  # of the host
            prototype.shared.leave()
            if restricted is not None:
                restricted.destroy()
            raise
        # What a debugger has set begins as it is there, and is the process's own from then on.
        process.debug_addr = prototype.debug_addr
        process.break_on_load = prototype.break_on_load
        return cls._join_job(process)

    @classmethod
    def _join_job(cls, process: ProcessDispatcher) -> ProcessDispatcher:
        # Only now, that the process is complete, may its job show it.
        try:
            process.job.add_process(process)
        except ZxError:
            process._set_state(ProcessState.DEAD)
            process._finish_dead()
            raise
        process.kernel.on_process_create(process)
        return process

    @property
    def related_koid(self) -> int:
        return self.job.koid

    @property
    def name(self) -> bytes:
        return self._name

    @name.setter
    def name(self, value: bytes) -> None:
        self._name = value

    @property
    def handles(self) -> HandleTable:
        return self.shared.handles

    @property
    def root_vmar_aspace(self) -> VmAspace:
        """The aspace whose root VMAR its creator gets: the restricted one where it has one."""
        return self.shared.aspace if self.restricted is None else self.restricted

    @property
    def vdso_base(self) -> int:
        """Where the vDSO's image begins; 0 while it is not mapped."""
        code = self.shared.aspace.vdso_code
        return 0 if code is None else code.base - code.vmo_offset

    def aspaces(self) -> Iterator[VmAspace]:
        """Its parts of user space, lowest first."""
        if self.restricted is not None:
            yield self.restricted
        yield self.shared.aspace

    def memory_usage(self) -> TaskMemory:
        """What the process uses, in bytes: BAD_STATE once it is dead.

        Memory that only the shared aspace reaches is private to the group, so with several processes in it, it is shared
        between them.
        """
        if self.state is ProcessState.DEAD:
            raise ZxError(Status.BAD_STATE)
        sharing = self.shared.count
        usage = self.shared.aspace.usage()
        private, shared, scaled = usage.private, usage.shared, usage.scaled_shared.scaled
        if sharing > 1:
            shared += private
            scaled = (scaled + private) / sharing
            private = 0
        mapped = usage.mapped
        if self.restricted is not None:
            usage = self.restricted.usage()
            mapped += usage.mapped
            private += usage.private
            shared += usage.shared
            scaled += usage.scaled_shared.scaled
        return TaskMemory(mapped, private, shared, Attribution(0, 0, scaled))

    def aspace_at(self, address: int) -> VmAspace:
        """The part of the address space that *address* belongs to: BAD_STATE once it is destroyed."""
        restricted = self.restricted
        if restricted is not None and restricted.base <= address < restricted.base + restricted.size:
            aspace = restricted
        else:
            aspace = self.shared.aspace
        if aspace.destroyed:
            raise ZxError(Status.BAD_STATE)
        return aspace

    # Threads

    def threads(self) -> Iterator[ThreadDispatcher]:
        """The threads that have started and are not dead, oldest first, as they are now."""
        return iter(tuple(self._threads.values()))

    def thread(self, koid: int) -> ThreadDispatcher:
        """The started thread with that koid: NOT_FOUND."""
        thread = self._threads.get(koid)
        if thread is None:
            raise ZxError(Status.NOT_FOUND)
        return thread

    def check_can_add(self, *, first: bool) -> None:
        """BAD_STATE where the process is not alive, or where *first* is asked for and a thread has started before."""
        if first and self._threads:
            raise ZxError(Status.BAD_STATE)
        if self.state is not (ProcessState.RUNNING if self._threads else ProcessState.INITIAL):
            raise ZxError(Status.BAD_STATE)

    def add_thread(
        self, thread: ThreadDispatcher, context: Context | None, body: Body | None, *, first: bool
    ) -> None:
        """Start *thread*, on a context or a body: BAD_STATE."""
        self.check_can_add(first=first)
        thread.make_runnable(context, body, self.suspend_count > 0, self.state is ProcessState.INITIAL)
        self._threads[thread.koid] = thread
        if self.state is ProcessState.INITIAL:
            self.start_time = self.kernel.clock.now()
            self._set_state(ProcessState.RUNNING)

    def remove_thread(self, thread: ThreadDispatcher) -> None:
        """*thread* is dead. The last one takes the process with it."""
        del self._threads[thread.koid]
        self.exited_times = self.exited_times.plus(thread.times())
        if not self._threads:
            self._set_state(ProcessState.DEAD)
            self._finish_dead()

    def times(self) -> TaskTimes:
        """Those of all its threads, also of those that are gone."""
        times = self.exited_times
        for thread in self._threads.values():
            times = times.plus(thread.times())
        return times

    # Death

    def _set_state(self, state: ProcessState) -> None:
        assert state in _NEXT[self.state], (self.state, state)
        self.state = state

    def kill(self, return_code: int) -> None:
        """End the process with *return_code*, unless it is ending already."""
        if self.state in (ProcessState.DEAD, ProcessState.DYING):
            return
        self.return_code = return_code
        if not self._threads:
            self._set_state(ProcessState.DEAD)
            self._finish_dead()
            return
        self._set_state(ProcessState.DYING)
        for thread in self.threads():
            thread.kill()

    def on_zero_handles(self) -> None:
        # A process that has started is kept by its threads; one that never will goes with its last handle.
        if self.state is ProcessState.INITIAL:
            self._set_state(ProcessState.DEAD)
            self._finish_dead()
        else:
            self.check_gone()

    @property
    def kept_by_itself(self) -> bool:
        return self.state is not ProcessState.DEAD

    def on_gone(self) -> None:
        self.job.let_go()

    def _finish_dead(self) -> None:
        if isinstance(self.aspace, UnifiedAspace):
            self.aspace.close()
        self.shared.leave()
        if self.restricted is not None:
            self.restricted.destroy()
        self.exceptionate.close()
        self.debug_exceptionate.close()
        self.update_signals(0, ZX_PROCESS_TERMINATED)
        self.kernel.on_process_exit(self)
        self.job.remove_process(self)
        critical_to = self.critical_to
        if critical_to is not None and (self.return_code or not self.critical_retcode_nonzero):
            critical_to.kill_for_critical_process()
        self.check_gone()

    def set_critical_to(self, job: JobDispatcher, *, retcode_nonzero: bool) -> None:
        """Let *job* die with this process: ALREADY_BOUND the second time, INVALID_ARGS for a job that is no ancestor."""
        if self.critical_to is not None:
            raise ZxError(Status.ALREADY_BOUND)
        if not job.is_ancestor_of(self):
            raise ZxError(Status.INVALID_ARGS)
        self.critical_to = job
        self.critical_retcode_nonzero = retcode_nonzero

    # Suspension

    def suspend(self) -> None:
        """Suspend every thread, and those that start later: BAD_STATE for a dying process."""
        if self.state in (ProcessState.DYING, ProcessState.DEAD):
            raise ZxError(Status.BAD_STATE)
        self.suspend_count += 1
        if self.suspend_count == 1:
            for thread in self.threads():
                if thread.alive:
                    thread.suspend()

    def resume(self) -> None:
        if self.state in (ProcessState.DYING, ProcessState.DEAD):
            return
        self.suspend_count -= 1
        if self.suspend_count == 0:
            for thread in self.threads():
                if thread.alive:
                    thread.resume()

    # Policy

    def check_policy(self, condition: int) -> None:
        """Ask the job's policy, as it was when the process was made, for ZX_POL_* *condition*: ACCESS_DENIED."""
        action = self.policy.actions[condition]
        if action == ZX_POL_ACTION_ALLOW:
            return
        if action in (ZX_POL_ACTION_ALLOW_EXCEPTION, ZX_POL_ACTION_DENY_EXCEPTION):
            # A condition is its own code, but for those that came after codes that are no condition.
            new = condition >= ZX_POL_NEW_IOB
            code = condition - ZX_POL_NEW_IOB + ZX_EXCP_POLICY_CODE_NEW_IOB if new else condition
            self.kernel.policy_exception(code)
        elif action == ZX_POL_ACTION_KILL:
            self.kill(ZX_TASK_RETCODE_POLICY_KILL)
        if action in (ZX_POL_ACTION_DENY, ZX_POL_ACTION_DENY_EXCEPTION, ZX_POL_ACTION_KILL):
            raise ZxError(Status.ACCESS_DENIED)

    def add_handle(self, handle: Handle) -> int:
        return self.shared.handles.add(handle)
