"""`zx_task_*`. Source: docs/reference/syscalls/task_*.md; order from zircon/kernel/lib/syscalls/task.rs."""

from __future__ import annotations

from jacinth.abi import ZX_RIGHT_DESTROY, ZX_RIGHT_WRITE, ZX_TASK_RETCODE_SYSCALL_KILL, Status, ZxError
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.suspend_token import SuspendTokenDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall


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
    Errors, in order: BAD_HANDLE; ACCESS_DENIED; WRONG_TYPE; BAD_STATE a dying or dead task.
    """
    match call.dispatcher(handle, Dispatcher, ZX_RIGHT_WRITE):
        case ThreadDispatcher() | ProcessDispatcher() as task:
            token.make(SuspendTokenDispatcher(task))
        case _:
            raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_task_suspend_token(call: Call, handle: int, token: HandleOut) -> None:
    """The same as `zx_task_suspend`, under its present name."""
    zx_task_suspend(call, handle, token)
