"""`zx_event*_create`. Source: docs/reference/syscalls/event*_create.md; order from lib/syscalls/event.rs."""

from __future__ import annotations

from jacinth.abi import ZX_POL_NEW_EVENT, ZX_POL_NEW_EVENTPAIR, Status, ZxError
from jacinth.kernel.ipc.event import EventDispatcher, EventPairDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall


@syscall
def zx_event_create(call: Call, options: int, out: HandleOut) -> None:
    """Make an event.

    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_EVENT)
    out.make(EventDispatcher(call.kernel))


@syscall
def zx_eventpair_create(call: Call, options: int, out0: HandleOut, out1: HandleOut) -> None:
    """Make two events that can signal each other.

    Errors, in order: NOT_SUPPORTED options; ACCESS_DENIED policy.
    """
    if options != 0:
        raise ZxError(Status.NOT_SUPPORTED)
    call.check_policy(ZX_POL_NEW_EVENTPAIR)
    one, other = EventPairDispatcher.create_pair(call.kernel)
    out0.make(one)
    out1.make(other)
