"""Exceptions: what happened to a thread, who is told of it, and in which order.

    fault --> 1 process debugger --> 2 thread --> 3 process --> 4 process debugger again --> 5 job --> its parent --> ... --> root
                      |                                       (only if it asked for that)                              |
                      +--> in restricted mode: back to normal mode                           nobody: the process is killed

A task's handlers listen on channels. Each exception is an object of its own; the thread waits until the last handle to it is
closed, and what the handler has set by then decides: the thread goes on, the next handler is asked, or the thread exits.

Source: docs/concepts/kernel/exceptions.md; zircon/kernel/object/{exception,exceptionate,exception_dispatcher}.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_EXCEPTION_RIGHTS,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
    ZX_EXCEPTION_STATE_TRY_NEXT,
    ZX_EXCP_POLICY_ERROR,
    ZX_EXCP_PROCESS_STARTING,
    ZX_EXCP_THREAD_EXITING,
    ZX_EXCP_THREAD_STARTING,
    ZX_EXCP_USER,
    ZX_OBJ_TYPE_EXCEPTION,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
    Status,
    ZxError,
    zx_exception_context_t,
    zx_exception_header_t,
    zx_exception_info_t,
    zx_exception_report_t,
    zx_x86_64_exc_data_t,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.channel import ChannelDispatcher
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.job import JobDispatcher
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.thread import ThreadDispatcher

_STATES: Final = (
    ZX_EXCEPTION_STATE_TRY_NEXT,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
)


@dataclass(frozen=True, slots=True)
class ExceptionReport:
    """One exception of a thread.

    *type* is a ZX_EXCP_*. *vector*, *code* and *address* are the CPU's own vector, error code and fault address; *synth_code* and
    *synth_data* qualify policy errors and page faults, as `zx_exception_context_t` has them.
    """

    type: int
    vector: int = 0
    code: int = 0
    address: int = 0
    synth_code: int = 0
    synth_data: int = 0

    @property
    def has_registers(self) -> bool:
        """Whether a handler sees general registers: not of a thread that exits, or that raised the exception itself."""
        return self.type not in (ZX_EXCP_THREAD_EXITING, ZX_EXCP_USER)

    def record(self) -> zx_exception_report_t:
        """The form in which programs get it."""
        arch = zx_x86_64_exc_data_t(vector=self.vector, err_code=self.code, cr2=self.address)
        return zx_exception_report_t(
            header=zx_exception_header_t(size=zx_exception_report_t.SIZE, type=self.type),
            context=zx_exception_context_t(arch=arch, synth_code=self.synth_code, synth_data=self.synth_data),
        )


def policy_error(code: int, data: int = 0) -> ExceptionReport:
    """The thread has done what its job's policy, or the kernel itself, forbids: a ZX_EXCP_POLICY_CODE_*."""
    return ExceptionReport(ZX_EXCP_POLICY_ERROR, synth_code=code, synth_data=data)


class ExceptionDispatcher(SoloDispatcher):
    """One exception on its way through the handlers. Its handle is in one place at a time: it cannot be duplicated."""

    TYPE = ZX_OBJ_TYPE_EXCEPTION
    DEFAULT_RIGHTS = ZX_DEFAULT_EXCEPTION_RIGHTS

    __slots__ = ("_process_rights", "_thread_rights", "_waiter", "report", "second_chance", "state", "thread")

    def __init__(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        super().__init__(thread.kernel)
        self.thread = thread
        self.report = report
        self.state = ZX_EXCEPTION_STATE_TRY_NEXT  # what the present handler wants to happen
        self.second_chance = False  # the process debugger is asked again before the jobs are
        self._thread_rights = 0
        self._process_rights = 0
        self._waiter = Waiter(reason=ZX_THREAD_STATE_BLOCKED_EXCEPTION)

    def set_state(self, state: int) -> None:
        """What is to happen when the handle is closed, a ZX_EXCEPTION_STATE_*: INVALID_ARGS."""
        if state not in _STATES:
            raise ZxError(Status.INVALID_ARGS)
        self.state = state

    def go_to(self, thread_rights: int, process_rights: int) -> Waiter:
        """It is about to be sent to a handler who gets tasks with these rights. Answers what ends when its handle is closed."""
        self.state = ZX_EXCEPTION_STATE_TRY_NEXT
        self._thread_rights = thread_rights
        self._process_rights = process_rights
        self._waiter = Waiter(reason=ZX_THREAD_STATE_BLOCKED_EXCEPTION)
        self.thread.keep()
        return self._waiter

    def on_zero_handles(self) -> None:
        self._waiter.complete()
        self.thread.let_go()

    def thread_handle(self) -> Handle:
        """A new handle to the thread, with the rights its handler has to the task: ACCESS_DENIED where these are none."""
        if not self._thread_rights:
            raise ZxError(Status.ACCESS_DENIED)
        return Handle(self.thread, self._thread_rights)

    def process_handle(self) -> Handle:
        """A new handle to the process: ACCESS_DENIED where the handler listens to the thread alone."""
        if not self._process_rights:
            raise ZxError(Status.ACCESS_DENIED)
        return Handle(self.thread.process, self._process_rights)


class Exceptionate:
    """A place where one handler of a task's exceptions may listen. *type* is its ZX_EXCEPTION_CHANNEL_TYPE_*.

    It holds the kernel's end of the channel, and lets go of it when the task is dead or the handler has closed its own.
    """

    __slots__ = ("_channel", "_closed", "_process_rights", "_thread_rights", "type")

    def __init__(self, type_: int) -> None:
        self.type = type_
        self._channel: Handle | None = None
        self._closed = False  # the task is dead
        self._thread_rights = 0
        self._process_rights = 0

    @property
    def bound(self) -> bool:
        """Whether somebody listens."""
        channel = self._channel
        return (
            channel is not None
            and isinstance(channel.object, ChannelDispatcher)
            and channel.object.peer is not None
        )

    def bind(self, channel: ChannelDispatcher, thread_rights: int, process_rights: int) -> None:
        """Send exceptions into *channel*, and give its reader tasks with these rights, 0 for none.

        Errors, in order: BAD_STATE a dead task; ALREADY_BOUND.
        """
        if self._closed:
            raise ZxError(Status.BAD_STATE)
        if self.bound:
            raise ZxError(Status.ALREADY_BOUND)
        self._drop()
        self._channel = Handle(channel, 0)
        self._thread_rights = thread_rights
        self._process_rights = process_rights

    def send(self, exception: ExceptionDispatcher) -> Waiter | None:
        """Give *exception* to who listens. Answers what ends when they close it; None where nobody listens."""
        if not self.bound:
            self._drop()
            return None
        assert self._channel is not None and isinstance(self._channel.object, ChannelDispatcher)
        waiter = exception.go_to(self._thread_rights, self._process_rights)
        thread = exception.thread
        info = zx_exception_info_t(pid=thread.process.koid, tid=thread.koid, type=exception.report.type)
        self._channel.object.write(info.pack(), [Handle(exception, ExceptionDispatcher.DEFAULT_RIGHTS)])
        return waiter

    def close(self) -> None:
        """The task is dead: whoever listens is told so, and nobody can any more."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


# ---- What a thread does about an exception: coroutines that the kernel drives in its place ------------------------------------


async def offer(exceptionate: Exceptionate, exception: ExceptionDispatcher) -> int | None:
    """Let one handler have the exception, and wait until it lets go.

    Answers the ZX_EXCEPTION_STATE_* that it chose, None where there is no handler.
    """
    waiter = exceptionate.send(exception)
    if waiter is None:
        return None
    thread = exception.thread
    thread.enter_exception(exception, exceptionate.type)
    try:
        await waiter
    finally:
        thread.leave_exception()
    return exception.state


async def handle(thread: ThreadDispatcher, report: ExceptionReport) -> None:
    """Ask one handler after the other. Nobody handles it: the process is killed."""
    thread.exception = report
    exception = ExceptionDispatcher(thread, report)
    for exceptionate in _handlers(thread, exception):
        state = await offer(exceptionate, exception)
        if state == ZX_EXCEPTION_STATE_HANDLED:
            return
        if state == ZX_EXCEPTION_STATE_THREAD_EXIT:
            thread.kill()
            return
        if thread.in_restricted:
            # The process debugger has had its chance. Who put the thread into restricted mode is its handler.
            assert thread.restricted is not None
            await thread.restricted.leave_with_exception(report)
            return
    thread.kernel.unhandled_exception(thread, report)


def has_handler(thread: ThreadDispatcher) -> bool:
    """Whether anybody would be asked about an exception of *thread*."""
    return any(exceptionate.bound for exceptionate in _handlers(thread))


def _handlers(
    thread: ThreadDispatcher, exception: ExceptionDispatcher | None = None
) -> Iterator[Exceptionate]:
    """Those to be asked, in order. The process debugger again, where it has wished so on the *exception*."""
    process = thread.process
    yield process.debug_exceptionate
    yield thread.exceptionate
    yield process.exceptionate
    if exception is not None and exception.second_chance:
        yield process.debug_exceptionate
    for job in _jobs(process):
        if job.exceptionate is not None:
            yield job.exceptionate


def _jobs(process: ProcessDispatcher) -> Iterator[JobDispatcher]:
    """The process's job and its ancestors."""
    job: JobDispatcher | None = process.job
    while job is not None:
        yield job
        job = job.parent


def is_start_watched(process: ProcessDispatcher, *, first: bool) -> bool:
    """Whether a debugger wants to know that a thread starts, the *first* one of its process or any."""
    if process.debug_exceptionate.bound:
        return True
    return first and any(job.debugger_attached for job in _jobs(process))


async def announce_start(thread: ThreadDispatcher, *, first: bool) -> None:
    """The thread is at its first instruction: tell the job debuggers of a new process, then the process debugger."""
    if first:
        await announce_to_job_debuggers(thread, ExceptionReport(ZX_EXCP_PROCESS_STARTING))
    exception = ExceptionDispatcher(thread, ExceptionReport(ZX_EXCP_THREAD_STARTING))
    await offer(thread.process.debug_exceptionate, exception)


async def announce_to_job_debuggers(thread: ThreadDispatcher, report: ExceptionReport) -> None:
    """Tell every debugger of the job and its ancestors, one after the other, whatever each of them answers."""
    for job in _jobs(thread.process):
        for exceptionate in job.debug_exceptionates():
            await offer(exceptionate, ExceptionDispatcher(thread, report))


async def announce_exit(thread: ThreadDispatcher) -> None:
    """The thread has exited by itself: the process debugger may look at it before it is gone."""
    exception = ExceptionDispatcher(thread, ExceptionReport(ZX_EXCP_THREAD_EXITING))
    await offer(thread.process.debug_exceptionate, exception)


def announce_kill(thread: ThreadDispatcher) -> None:
    """The thread is being killed: the process debugger is told, and not waited for."""
    exceptionate = thread.process.debug_exceptionate
    if exceptionate.bound:
        exceptionate.send(ExceptionDispatcher(thread, ExceptionReport(ZX_EXCP_THREAD_EXITING)))
