"""`zx_object_signal`, `zx_object_signal_peer`, `zx_object_get_child`.

Source: docs/reference/syscalls/object_*.md; order from zircon/kernel/lib/syscalls/object.cc.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_SIGNAL,
    ZX_RIGHT_SIGNAL_PEER,
    Status,
    ZxError,
)
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall


@syscall
def zx_object_signal(call: Call, handle: int, clear_mask: int, set_mask: int) -> None:
    """Clear, then set user signals of an object.

    Rights: SIGNAL on handle.
    Errors, in order: BAD_HANDLE; ACCESS_DENIED; INVALID_ARGS a signal that users may not change.
    """
    call.dispatcher(handle, Dispatcher, ZX_RIGHT_SIGNAL).user_signal(clear_mask, set_mask)


@syscall
def zx_object_signal_peer(call: Call, handle: int, clear_mask: int, set_mask: int) -> None:
    """Clear, then set user signals of an object's peer.

    Rights: SIGNAL_PEER on handle.
    Errors, in order: BAD_HANDLE; ACCESS_DENIED; NOT_SUPPORTED an object without peers; INVALID_ARGS a signal that users
    may not change; PEER_CLOSED.
    """
    call.dispatcher(handle, Dispatcher, ZX_RIGHT_SIGNAL_PEER).user_signal_peer(clear_mask, set_mask)


@syscall
def zx_object_get_child(call: Call, handle: int, koid: int, rights: int, out: HandleOut) -> None:
    """A handle to a job's child job or process, or a process's thread, by koid.

    Rights: ENUMERATE on handle; the new handle has *rights*, at most those of handle, or with ZX_RIGHT_SAME_RIGHTS the same.
    Errors, in order: BAD_HANDLE; ACCESS_DENIED without ENUMERATE, or for rights that handle has not; WRONG_TYPE; NOT_FOUND.
    """
    parent = call.dispatcher(handle, Dispatcher, ZX_RIGHT_ENUMERATE)
    held = call.handle(handle).rights
    if rights == ZX_RIGHT_SAME_RIGHTS:
        rights = held
    elif held & rights != rights:
        raise ZxError(Status.ACCESS_DENIED)
    match parent:
        case ProcessDispatcher():
            out.make(parent.thread(koid), rights)
        case JobDispatcher():
            out.make(parent.child(koid), rights)
        case _:
            raise ZxError(Status.WRONG_TYPE)
