"""Tasks: jobs, processes and threads, and what keeps them suspended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from jacinth.abi import (
    ZX_EXCEPTION_TARGET_JOB_DEBUGGER,
    ZX_EXCP_USER,
    ZX_HANDLE_INVALID,
    ZX_INFO_HANDLE_TABLE,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_HANDLE_STATS,
    ZX_INFO_PROCESS_MAPS,
    ZX_INFO_PROCESS_THREADS,
    ZX_INFO_PROCESS_VMOS,
    ZX_INFO_TASK_RUNTIME,
    ZX_INFO_TASK_STATS,
    ZX_INFO_THREAD,
    ZX_INFO_THREAD_EXCEPTION_REPORT,
    ZX_INFO_THREAD_STATS,
    ZX_JOB_POL_BASIC_V2,
    ZX_JOB_POL_TIMER_SLACK,
    Struct,
    zx_exception_context_t,
    zx_exception_report_t,
    zx_info_handle_extended_t,
    zx_info_job_t,
    zx_info_maps_t,
    zx_info_process_handle_stats_t,
    zx_info_process_t,
    zx_info_task_runtime_t,
    zx_info_task_stats_t,
    zx_info_thread_stats_t,
    zx_info_thread_t,
    zx_info_vmo_t,
    zx_policy_basic_v2_t,
    zx_policy_timer_slack_t,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
)
from jacinth.api.body import BodyFunction, start_body
from jacinth.api.caller import C, blocking, member
from jacinth.api.channel import Channel
from jacinth.api.flags import (
    ExceptionChannelOptions,
    JobActionOverride,
    JobCriticalOptions,
    JobPolicyOption,
    ObjType,
    ProcessOptions,
    RestrictedReason,
    Rights,
    ThreadStateTopic,
)
from jacinth.api.handle import Handle, check, values, wrap
from jacinth.api.memory import Vmar
from jacinth.api.profile import Profile
from jacinth.api.restricted import RestrictedState, bind_state, enter
from jacinth.api.status import ZxNotFound

_STATES: dict[int, type[Struct]] = {
    ThreadStateTopic.GENERAL_REGS: zx_thread_state_general_regs_t,
    ThreadStateTopic.FP_REGS: zx_thread_state_fp_regs_t,
    ThreadStateTopic.VECTOR_REGS: zx_thread_state_vector_regs_t,
    ThreadStateTopic.DEBUG_REGS: zx_thread_state_debug_regs_t,
}


def encode_name(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


class SuspendToken(Handle[C]):
    """A task is suspended until this is closed."""

    OBJ_TYPE = ObjType.SUSPEND_TOKEN

    __slots__ = ()


class Task(Handle[C]):
    """A job, a process or a thread."""

    __slots__ = ()

    @member
    def kill(self) -> None:
        """End a process, or a job and all below it, with return code ZX_TASK_RETCODE_SYSCALL_KILL.

        Rights: DESTROY. Raises ZxNotSupported for a thread.
        """
        check(self._caller.sys.zx_task_kill(self.raw))

    @member
    def suspend(self) -> SuspendToken[C]:
        """Stop a process or a thread until the token is closed.

        Rights: WRITE. Raises ZxBadState for a task that is dying or dead.
        """
        status, token = self._caller.sys.zx_task_suspend_token(self.raw)
        check(status)
        return SuspendToken(self._caller, token)

    @member
    def create_exception_channel(self, options: int = ExceptionChannelOptions.NONE) -> Channel[C]:
        """A channel from which to read the exceptions of a thread, or of the threads of a process or a job.

        Each message is a zx_exception_info_t and an `Exception_`. Rights: INSPECT, DUPLICATE, TRANSFER and
        MANAGE_THREAD; ENUMERATE on a process or a job. Raises ZxInvalidArgs for the debugger of a thread,
        ZxAlreadyBound where somebody listens, ZxBadState for a dead task.
        """
        status, raw = self._caller.sys.zx_task_create_exception_channel(self.raw, options)
        check(status)
        return Channel(self._caller, raw)

    @property
    def runtime_info(self) -> zx_info_task_runtime_t:
        """CPU time in ns. Rights: INSPECT."""
        return self._info(ZX_INFO_TASK_RUNTIME, zx_info_task_runtime_t)


class Job(Task[C]):
    """A node of the tree that bounds and kills processes."""

    OBJ_TYPE = ObjType.JOB

    __slots__ = ()

    @member
    def create_child_job(self) -> Job[C]:
        """A job under this one.

        Rights: MANAGE_JOB or WRITE. Raises ZxOutOfRange 32 levels below the root job, ZxBadState in a dead
        job.
        """
        status, raw = self._caller.sys.zx_job_create(self.raw, 0)
        check(status)
        return Job(self._caller, raw)

    @member
    def create_child_process(
        self, name: str | bytes, options: int = ProcessOptions.NONE
    ) -> tuple[Process[C], Vmar[C]]:
        """A process of this job, and the root of its address space. With ProcessOptions.SHARED others can
        share its state.

        Rights: MANAGE_PROCESS. Raises ZxInvalidArgs for the options, ZxBadState in a dead job.
        """
        caller = self._caller
        status, process, vmar = caller.sys.zx_process_create(self.raw, encode_name(name), options)
        check(status)
        return Process(caller, process), Vmar(caller, vmar)

    @member
    def set_policy(
        self,
        policies: Iterable[tuple[int, int] | tuple[int, int, int]],
        option: int = JobPolicyOption.RELATIVE,
    ) -> None:
        """Restrict what processes of this job and those below may do, before it has any.

        Each policy is (JobCondition, JobAction), and a JobActionOverride where jobs below may decide
        otherwise. Rights: SET_POLICY. Raises ZxInvalidArgs, ZxBadState with children, ZxAlreadyExists what a
        parent has fixed (with ABSOLUTE).
        """
        items = []
        for condition, action, *override in policies:
            flags = override[0] if override else JobActionOverride.DENY
            items.append(zx_policy_basic_v2_t(condition=condition, action=action, flags=flags).pack())
        policy = b"".join(items)
        check(self._caller.sys.zx_job_set_policy(self.raw, option, ZX_JOB_POL_BASIC_V2, policy, len(items)))

    @member
    def set_timer_slack_policy(self, min_slack: int, default_mode: int) -> None:
        """Let timers below be at least *min_slack* ns inexact, in the direction *default_mode*, a Slack.

        Rights: SET_POLICY. Raises ZxInvalidArgs, ZxBadState with children.
        """
        policy = zx_policy_timer_slack_t(min_slack=min_slack, default_mode=default_mode)
        option = JobPolicyOption.RELATIVE
        check(self._caller.sys.zx_job_set_policy(self.raw, option, ZX_JOB_POL_TIMER_SLACK, policy, 1))

    @member
    def set_critical(self, process: Process[C], options: int = JobCriticalOptions.NONE) -> None:
        """Let this job die when *process* ends.

        Rights: DESTROY; on the process WAIT. Raises ZxInvalidArgs for a process of another tree,
        ZxAlreadyBound the second time.
        """
        [raw] = values(self._caller, [process])
        check(self._caller.sys.zx_job_set_critical(self.raw, options, raw))

    @property
    def info(self) -> zx_info_job_t:
        """Return code and flags. Rights: INSPECT."""
        return self._info(ZX_INFO_JOB, zx_info_job_t)

    @property
    def processes(self) -> list[int]:
        """Koids of the processes of this job, oldest first. Rights: ENUMERATE."""
        return self._koids(ZX_INFO_JOB_PROCESSES)

    @property
    def children(self) -> list[int]:
        """Koids of the jobs directly below, oldest first. Rights: ENUMERATE."""
        return self._koids(ZX_INFO_JOB_CHILDREN)

    @member
    def get_child(self, koid: int, rights: int = Rights.SAME_RIGHTS) -> Job[C] | Process[C]:
        """The job or process of that koid, directly below. Rights: ENUMERATE. Raises ZxNotFound."""
        return self._get_child(koid, rights)

    def _get_child(self, koid: int, rights: int = Rights.SAME_RIGHTS) -> Job[C] | Process[C]:
        status, raw = self._caller.sys.zx_object_get_child(self.raw, koid, rights)
        check(status)
        return cast("Job[C] | Process[C]", wrap(self._caller, raw))

    @member
    def walk(self) -> Iterator[Job[C] | Process[C]]:
        """Every job and process below, parents before children, processes before jobs.

        A handle is closed when the walk goes on: duplicate what is to be kept. Rights: ENUMERATE.
        """
        return self._walk()

    def _walk(self) -> Iterator[Job[C] | Process[C]]:
        for koid in [*self.processes, *self.children]:
            try:
                child = self._get_child(koid)
            except ZxNotFound:
                continue  # it has ended since
            with child:
                yield child
                if isinstance(child, Job) and not child.is_invalid:
                    yield from child._walk()


class Process(Task[C]):
    """A process: an address space, handles and threads."""

    OBJ_TYPE = ObjType.PROCESS

    __slots__ = ()

    @member
    def create_shared(self, name: str | bytes, options: int = 0) -> tuple[Process[C], Vmar[C]]:
        """A process that shares its state with this one, and the root of the restricted part of its address
        space.

        Rights: MANAGE_PROCESS. Raises ZxInvalidArgs where this process was not made to be shared, ZxBadState
        when all that share the state are dead.
        """
        caller = self._caller
        status, process, vmar = caller.sys.zx_process_create_shared(self.raw, options, encode_name(name))
        check(status)
        return Process(caller, process), Vmar(caller, vmar)

    @member
    def start(
        self, thread: Thread[C], entry: int, stack: int, arg1: Handle[C] | None = None, arg2: int = 0
    ) -> None:
        """Start the first thread at *entry*. The handle *arg1* moves into the process, whatever happens.

        Rights: WRITE, also on the thread. Raises ZxAccessDenied for a thread of another process,
        ZxInvalidArgs for the entry, ZxBadState in a process that has started.
        """
        raws = values(self._caller, [thread] if arg1 is None else [thread, arg1])
        raw = self.raw
        argument = ZX_HANDLE_INVALID if arg1 is None else arg1.take()
        check(self._caller.sys.zx_process_start(raw, raws[0], entry, stack, argument, arg2))

    @member
    def create_thread(self, name: str | bytes) -> Thread[C]:
        """A thread of this process, not started yet. Rights: MANAGE_THREAD."""
        return self._create_thread(name)

    def _create_thread(self, name: str | bytes) -> Thread[C]:
        status, raw = self._caller.sys.zx_thread_create(self.raw, encode_name(name), 0)
        check(status)
        return Thread(self._caller, raw)

    @member
    def start_body(self, function: BodyFunction, *args: Any) -> Thread[C]:
        """Start the process with the Python coroutine `function(zx, *args)` as its first thread, *zx* being
        its `Body`.

        Handles among *args* move into the process, whatever happens. What the coroutine returns is the
        process's return code; None ends its thread alone. Rights: MANAGE_THREAD and WRITE; TRANSFER on the
        handles. Raises ZxBadState in a process that has started.
        """
        thread = self._create_thread(function.__name__)
        try:
            start_body(self._caller, thread, function, args, self)
        except BaseException:
            thread._close()
            raise
        return thread

    @member
    def read_memory(self, address: int, size: int) -> bytes:
        """At most *size* bytes of its memory, up to the end of the mapping.

        Rights: READ and WRITE. Raises ZxInvalidArgs for more than 64 MiB, ZxNotFound where nothing is mapped,
        ZxBadState when dead.
        """
        status, data, _ = self._caller.sys.zx_process_read_memory(self.raw, address, size)
        check(status)
        return bytes(data)

    @member
    def write_memory(self, address: int, data: bytes) -> int:
        """Write to its memory whatever the mapping permits. Answers how many bytes there was room for.

        Rights: WRITE. Raises as `read_memory`, and ZxAccessDenied for the vDSO.
        """
        status, actual = self._caller.sys.zx_process_write_memory(self.raw, address, data)
        check(status)
        return int(actual)

    @property
    def info(self) -> zx_info_process_t:
        """Return code, start time and ZX_INFO_PROCESS_FLAG_*. Rights: INSPECT."""
        return self._info(ZX_INFO_PROCESS, zx_info_process_t)

    @property
    def threads(self) -> list[int]:
        """Koids of the threads that have started and are not dead, oldest first. Rights: ENUMERATE."""
        return self._koids(ZX_INFO_PROCESS_THREADS)

    @property
    def task_stats(self) -> zx_info_task_stats_t:
        """What memory it uses, in bytes. Rights: INSPECT. Raises ZxBadState when dead."""
        return self._info(ZX_INFO_TASK_STATS, zx_info_task_stats_t)

    @property
    def info_maps(self) -> list[zx_info_maps_t]:
        """Its address space, region by region, by address. Rights: INSPECT. Raises ZxBadState when dead."""
        return self._infos(ZX_INFO_PROCESS_MAPS, zx_info_maps_t)

    @property
    def info_vmos(self) -> list[zx_info_vmo_t]:
        """The VMOs that it has handles to or has mapped.

        Rights: INSPECT. Raises ZxBadState unless it runs.
        """
        return self._infos(ZX_INFO_PROCESS_VMOS, zx_info_vmo_t)

    @property
    def handle_stats(self) -> zx_info_process_handle_stats_t:
        """How many handles it has to objects of each type. Rights: INSPECT."""
        return self._info(ZX_INFO_PROCESS_HANDLE_STATS, zx_info_process_handle_stats_t)

    @property
    def handle_table(self) -> list[zx_info_handle_extended_t]:
        """Its handles. Rights: INSPECT, MANAGE_PROCESS, MANAGE_THREAD."""
        return self._infos(ZX_INFO_HANDLE_TABLE, zx_info_handle_extended_t)

    @member
    def get_child(self, koid: int, rights: int = Rights.SAME_RIGHTS) -> Thread[C]:
        """The thread of that koid. Rights: ENUMERATE. Raises ZxNotFound."""
        status, raw = self._caller.sys.zx_object_get_child(self.raw, koid, rights)
        check(status)
        return Thread(self._caller, raw)


class Thread(Task[C]):
    """A thread of a process: machine code, or a Python body."""

    OBJ_TYPE = ObjType.THREAD

    __slots__ = ()

    @member
    def start(self, entry: int, stack: int, arg1: int = 0, arg2: int = 0) -> None:
        """Run machine code at *entry*. The first thread that starts starts the process.

        Rights: MANAGE_THREAD. Raises ZxBadState for a thread or process that cannot start, ZxInvalidArgs for
        the entry.
        """
        check(self._caller.sys.zx_thread_start(self.raw, entry, stack, arg1, arg2))

    @member
    def start_body(self, function: BodyFunction, *args: Any) -> None:
        """Run the Python coroutine `function(zx, *args)`. The first thread that starts starts the process.

        As `Process.start_body`. Rights: MANAGE_THREAD; TRANSFER on the handles among *args*.
        """
        start_body(self._caller, self, function, args, None)

    @member
    def read_state(self, kind: int = ThreadStateTopic.GENERAL_REGS) -> Any:
        """A register file, while the thread is suspended or in an exception: a zx_thread_state_*_regs_t; an
        int for SINGLE_STEP.

        Rights: READ. Raises ZxInvalidArgs for the kind, ZxBadState while it runs, ZxNotSupported for a Python
        body.
        """
        cls = _STATES.get(kind)
        status, data = self._caller.sys.zx_thread_read_state(self.raw, kind, 4 if cls is None else cls.SIZE)
        check(status)
        return int.from_bytes(data, "little") if cls is None else cls.unpack(data)

    @member
    def write_state(self, kind: int, state: Struct | int) -> None:
        """Change a register file, while the thread is suspended or in an exception.

        Rights: WRITE. Raises ZxInvalidArgs for the kind or values that no thread may have, ZxBadState while
        it runs, ZxNotSupported for a Python body.
        """
        data = state.to_bytes(4, "little") if isinstance(state, int) else state.pack()
        check(self._caller.sys.zx_thread_write_state(self.raw, kind, data))

    @property
    def exception_report(self) -> zx_exception_report_t:
        """The exception that it is in. Rights: INSPECT. Raises ZxBadState where it is in none."""
        return self._info(ZX_INFO_THREAD_EXCEPTION_REPORT, zx_exception_report_t)

    @blocking
    async def raise_user_exception(self, synth_code: int, synth_data: int = 0) -> None:
        """Tell the debuggers of its job and of the jobs above. It is the calling thread that does so."""
        context = zx_exception_context_t(synth_code=synth_code, synth_data=synth_data)
        raise_ = self._caller.waits.zx_thread_raise_exception
        check(await raise_(ZX_EXCEPTION_TARGET_JOB_DEBUGGER, ZX_EXCP_USER, context))

    @member
    def set_profile(self, profile: Profile[C]) -> None:
        """Apply a profile. Rights: MANAGE_THREAD; on the profile APPLY_PROFILE. Raises ZxBadState once it is dead."""
        [raw] = values(self._caller, [profile])
        check(self._caller.sys.zx_object_set_profile(self.raw, raw, 0))

    # Restricted mode. But for the kick, these are about the calling thread, a body; from outside they raise ZxNotSupported.

    @member
    def restricted_bind_state(self) -> RestrictedState:
        """The registers for restricted mode, and the VMO that is bound to the thread, in place of any other.

        Raises ZxAccessDenied where policy forbids new VMOs.
        """
        return bind_state(self._caller)

    @member
    def restricted_unbind_state(self) -> None:
        """Let nothing be bound any more; closing the VMO is another matter."""
        check(self._caller.sys.zx_restricted_unbind_state(0))

    @blocking
    async def restricted_enter(self, state: RestrictedState) -> RestrictedReason:
        """Run machine code with the registers of *state* until it makes a system call or an exception, or is kicked. Answers why
        it has ended; *state* has the registers then, and what exception it was.

        The code reaches the restricted part of the process and nothing else. Raises ZxBadState where *state* is not what is
        bound, and for registers that no thread may have: `ip` outside of user space, `flags` that are not the user's own, bases
        that are not canonical.
        """
        return await enter(self._caller, state)

    @member
    def restricted_kick(self) -> None:
        """Let the thread come out of restricted mode, or not go into it the next time.

        Rights: MANAGE_THREAD. Raises ZxBadState for a thread that is ending.
        """
        check(self._caller.sys.zx_restricted_kick(self.raw, 0))

    @property
    def info(self) -> zx_info_thread_t:
        """ZX_THREAD_STATE_* and CPUs. Rights: INSPECT."""
        return self._info(ZX_INFO_THREAD, zx_info_thread_t)

    @property
    def stats(self) -> zx_info_thread_stats_t:
        """CPU time in ns. Rights: INSPECT. Raises ZxBadState when dead."""
        return self._info(ZX_INFO_THREAD_STATS, zx_info_thread_stats_t)
