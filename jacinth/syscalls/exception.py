"""`zx_exception_*`. Source: docs/reference/syscalls/exception_*.md; order from zircon/kernel/lib/syscalls/exceptions.cc."""

from __future__ import annotations

from jacinth.kernel.exception import ExceptionDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall


@syscall
def zx_exception_get_thread(call: Call, handle: int, out: HandleOut) -> None:
    """A handle to the thread that is in the exception, with the rights of the task that is listened to.

    Errors, in order: BAD_HANDLE, WRONG_TYPE handle.
    """
    out.give(call.dispatcher(handle, ExceptionDispatcher, 0).thread_handle())


@syscall
def zx_exception_get_process(call: Call, handle: int, out: HandleOut) -> None:
    """A handle to the process of the thread that is in the exception, with the rights of the task that is listened to.

    Errors, in order: BAD_HANDLE, WRONG_TYPE handle; ACCESS_DENIED an exception that came through a thread's channel.
    """
    out.give(call.dispatcher(handle, ExceptionDispatcher, 0).process_handle())
