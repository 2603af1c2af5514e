"""`zx_task_*`. Source: docs/reference/syscalls/task_*.md; order from zircon/kernel/lib/syscalls/task.rs."""

from __future__ import annotations

from jacinth.abi import (
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_POL_NEW_CHANNEL,
    ZX_RIGHT_DESTROY,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_READ,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.channel import ChannelDispatcher
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.suspend_token import SuspendTokenDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall

# What a handler of exceptions must be allowed to do with the task: see it, pass on handles to it, keep its threads waiting.
_HANDLER_RIGHTS = ZX_RIGHT_INSPECT | ZX_RIGHT_DUPLICATE | ZX_RIGHT_TRANSFER | ZX_RIGHT_MANAGE_THREAD


@syscall
def zx_task_kill(call: Call, handle: int) -> None:
    """Kill a process, or a job with everything below it. The return code is ZX_TASK_RETCODE_SYSCALL_KILL.

    Rights: DESTROY on handle.
    Errors, in order: BAD_HANDLE; ACCESS_DENIED; NOT_SUPPORTED a thread; WRONG_TYPE.
    """
    match call.dispatcher(handle, Dispatcher, ZX_RIGHT_DESTROY):
        case JobDispatcher() | ProcessDispatcher() as task:
            task.kill(ZX_TASK_RETCODE_SYSCALL_KILL)
        case ThreadDispatcher():
            raise ZxError(Status.NOT_SUPPORTED)
        case _:
            raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_task_suspend(call: Call, handle: int, token: HandleOut) -> None:
    """Suspend a thread or process until *token* is closed.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE; ACCESS_DENIED; WRONG_TYPE; NOT_SUPPORTED the calling thread or its process; BAD_STATE a dying
    or dead task.
    Source for NOT_SUPPORTED: core tests of threads and processes (SuspendSelf).
    """
    match call.dispatcher(handle, Dispatcher, ZX_RIGHT_WRITE):
        case ThreadDispatcher() | ProcessDispatcher() as task:
            if task is call.thread or task is call.process:
                raise ZxError(Status.NOT_SUPPORTED)
            token.make(SuspendTokenDispatcher(task))
        case _:
            raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_task_suspend_token(call: Call, handle: int, token: HandleOut) -> None:
    """The same as `zx_task_suspend`, under its present name."""
    zx_task_suspend(call, handle, token)


@syscall
def zx_task_create_exception_channel(call: Call, handle: int, options: int, out: HandleOut) -> None:
    """Listen to the exceptions of a thread, or of all threads of a process or job; *out* gets a channel to read them from.

    Options: 0, or ZX_EXCEPTION_CHANNEL_DEBUGGER for a process or job. One handler a place; a job has room for
    ZX_EXCEPTION_CHANNEL_JOB_DEBUGGER_MAX_COUNT debuggers. Rights: INSPECT, DUPLICATE, TRANSFER and MANAGE_THREAD on handle, and
    ENUMERATE on a process or job.
    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy; BAD_HANDLE; ACCESS_DENIED; INVALID_ARGS a thread's debugger;
    WRONG_TYPE no task; ACCESS_DENIED ENUMERATE; BAD_STATE dead; ALREADY_BOUND.
    """
    if options & ~ZX_EXCEPTION_CHANNEL_DEBUGGER:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_CHANNEL)
    task = call.dispatcher(handle, Dispatcher, _HANDLER_RIGHTS)
    # A handler gets no more rights to the tasks in an exception than it has to the one that it listens to.
    rights = call.handle(handle).rights
    if isinstance(task, ThreadDispatcher):
        if options:
            raise ZxError(Status.INVALID_ARGS)
    elif not isinstance(task, JobDispatcher | ProcessDispatcher):
        raise ZxError(Status.WRONG_TYPE)
    elif not rights & ZX_RIGHT_ENUMERATE:
        raise ZxError(Status.ACCESS_DENIED)
    kernels, users = ChannelDispatcher.create_pair(call.kernel)
    match task:
        case ThreadDispatcher():
            task.exceptionate.bind(kernels, rights, 0)
        case ProcessDispatcher():
            (task.debug_exceptionate if options else task.exceptionate).bind(kernels, rights, rights)
        case JobDispatcher():
            task.bind_exceptions(kernels, rights, rights, debugger=bool(options))
    out.make(users, ZX_RIGHT_TRANSFER | ZX_RIGHT_WAIT | ZX_RIGHT_READ)
