"""`zx_restricted_*`. Source: zircon/vdso/restricted.fidl; order from zircon/kernel/lib/syscalls/restricted.{rs,cc} and
zircon/kernel/kernel/restricted.rs.
"""

from __future__ import annotations

from jacinth.abi import ZX_POL_NEW_VMO, ZX_RIGHT_MANAGE_THREAD, Status, ZxError
from jacinth.kernel.restricted import RestrictedState
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserOut, syscall
from jacinth.syscalls.user import HostOut

_USER_TOP = 1 << 47


@syscall
def zx_restricted_bind_state(call: Call, options: int, out: HandleOut, out_exception: UserOut) -> None:
    """Make a VMO of one page for the registers of restricted mode, and bind it to the calling thread in place of any other.

    *out_exception* is kept: reports of exceptions are written there, or into the VMO behind the registers where it is null, or
    where the caller is Python.
    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy; NO_MEMORY. The VMO stays bound where its handle cannot be
    given out.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_VMO)
    state = RestrictedState(call.thread, 0 if isinstance(out_exception, HostOut) else out_exception.address)
    try:
        out.make(state.vmo)
    except MemoryError:
        state.close()
        raise
    call.thread.bind_restricted(state)


@syscall
def zx_restricted_unbind_state(call: Call, options: int) -> None:
    """Let nothing be bound to the calling thread any more.

    Errors: INVALID_ARGS options.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.thread.bind_restricted(None)


@syscall
def zx_restricted_enter(call: Call, options: int, vector_table_ptr: int, context: int) -> int:
    """Go on in restricted mode; come back at *vector_table_ptr*. Answers the rax of restricted mode, where an answer goes.

    Errors, in order: INVALID_ARGS options; INVALID_ARGS a vector that is no user address; BAD_STATE nothing is bound; BAD_STATE
    registers that no thread may have. NOT_SUPPORTED, before those two, for Python, which has no vectors: see
    `Thread.restricted_enter`.
    """
    if options != 0 or vector_table_ptr >= _USER_TOP:
        raise ZxError(Status.INVALID_ARGS)
    thread = call.thread
    if thread.context is None:
        raise ZxError(Status.NOT_SUPPORTED)
    if thread.restricted is None:
        raise ZxError(Status.BAD_STATE)
    return thread.restricted.enter(vector_table_ptr, context)


@syscall
def zx_restricted_kick(call: Call, thread: int, options: int) -> None:
    """Let a thread come out of restricted mode, or not go into it the next time.

    Rights: MANAGE_THREAD on thread.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED thread; BAD_STATE a thread that is ending.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(thread, ThreadDispatcher, ZX_RIGHT_MANAGE_THREAD).kick()
