"""`zx_object_wait_*`. Source: docs/reference/syscalls/object_wait_*.md; lib/syscalls/object_wait.rs."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from types import TracebackType
from typing import Final

from jacinth.abi import (
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_SIGNAL_HANDLE_CLOSED,
    ZX_THREAD_STATE_BLOCKED_WAIT_MANY,
    ZX_THREAD_STATE_BLOCKED_WAIT_ONE,
    ZX_WAIT_ASYNC_BOOT_TIMESTAMP,
    ZX_WAIT_ASYNC_EDGE,
    ZX_WAIT_ASYNC_TIMESTAMP,
    ZX_WAIT_MANY_MAX_ITEMS,
    Status,
    ZxError,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.wait import SignalWaiter, Waiter
from jacinth.syscalls.door import Call, UserInOut, UserOut, syscall

_ITEM: Final = struct.Struct("<III")  # zx_wait_item_t: handle, waitfor, pending


@syscall
async def zx_object_wait_one(call: Call, handle: int, signals: int, deadline: int, observed: UserOut) -> None:
    """Wait until one of *signals* is asserted on an object, at most until *deadline* ns.

    Rights: WAIT on handle. *observed* gets the object's signals whenever there was a wait, so on TIMED_OUT
    too.
    Errors, in order: BAD_HANDLE, ACCESS_DENIED handle; NOT_SUPPORTED an object without signals; INVALID_ARGS
    observed; CANCELED where the handle is closed meanwhile; TIMED_OUT.
    """
    source = waitable(call, handle)
    waiter = Waiter(deadline, ZX_THREAD_STATE_BLOCKED_WAIT_ONE)
    with Observing(source, signals, waiter) as observing:
        status = await waiter
    observed.set(observing.signals)
    if observing.signals & ZX_SIGNAL_HANDLE_CLOSED:
        raise ZxError(Status.CANCELED)
    if status is not Status.OK:
        raise ZxError(status)


def waitable(call: Call, value: int) -> Handle:
    """A handle that its owner may wait through: BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED."""
    handle = call.handle(value)
    if not handle.rights & ZX_RIGHT_WAIT:
        raise ZxError(Status.ACCESS_DENIED)
    if not handle.object.waitable:
        raise ZxError(Status.NOT_SUPPORTED)
    return handle


class Observing:
    """While it is entered, a rise of one of the signals, or the end of the handle, completes the waiter.

    *signals* are those that completed it; where it ended otherwise, the object's when it was left.
    """

    __slots__ = ("_observer", "signals")

    def __init__(self, handle: Handle, trigger: int, waiter: Waiter) -> None:
        self._observer = SignalWaiter(waiter, trigger, handle)
        self.signals = 0

    def __enter__(self) -> Observing:
        self._observer.handle.object.add_observer(self._observer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        source = self._observer.handle.object
        self.signals = source.signals if source.remove_observer(self._observer) else self._observer.signals


@syscall
async def zx_object_wait_many(call: Call, items: UserInOut, num_items: int, deadline: int) -> None:
    """Wait until one of the items has one of its signals, at most until *deadline* ns.

    Rights: WAIT on each handle. Each item gets the pending signals of its object, on TIMED_OUT and CANCELED
    too. Without items it is a sleep.
    Errors, in order: OUT_OF_RANGE for more than ZX_WAIT_MANY_MAX_ITEMS; INVALID_ARGS items; of the items the
    first of BAD_HANDLE, ACCESS_DENIED, NOT_SUPPORTED; CANCELED where one of the handles is closed meanwhile;
    TIMED_OUT.
    """
    if num_items > ZX_WAIT_MANY_MAX_ITEMS:
        raise ZxError(Status.OUT_OF_RANGE)
    wanted = list(_ITEM.iter_unpack(items.read(num_items * _ITEM.size)))
    waiter = Waiter(deadline, ZX_THREAD_STATE_BLOCKED_WAIT_MANY)
    observings = [Observing(waitable(call, handle), waitfor, waiter) for handle, waitfor, _pending in wanted]
    with ExitStack() as stack:
        for observing in observings:
            stack.enter_context(observing)
        status = await waiter
    answers = [
        _ITEM.pack(handle, waitfor, observing.signals)
        for (handle, waitfor, _pending), observing in zip(wanted, observings, strict=True)
    ]
    items.write(b"".join(answers))
    if any(observing.signals & ZX_SIGNAL_HANDLE_CLOSED for observing in observings):
        raise ZxError(Status.CANCELED)
    if status is not Status.OK:
        raise ZxError(status)


_ASYNC_OPTIONS = ZX_WAIT_ASYNC_TIMESTAMP | ZX_WAIT_ASYNC_BOOT_TIMESTAMP | ZX_WAIT_ASYNC_EDGE


@syscall
def zx_object_wait_async(call: Call, handle: int, port: int, key: int, signals: int, options: int) -> None:
    """Let a packet with *key* come to *port* when one of *signals* is asserted.

    With ZX_WAIT_ASYNC_EDGE it is when one of them rises next.

    Rights: WAIT on handle, WRITE on port.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED port; BAD_HANDLE,
    ACCESS_DENIED, NOT_SUPPORTED handle.
    """
    timestamps = options & (ZX_WAIT_ASYNC_TIMESTAMP | ZX_WAIT_ASYNC_BOOT_TIMESTAMP)
    if options & ~_ASYNC_OPTIONS or timestamps == ZX_WAIT_ASYNC_TIMESTAMP | ZX_WAIT_ASYNC_BOOT_TIMESTAMP:
        raise ZxError(Status.INVALID_ARGS)
    target = call.dispatcher(port, PortDispatcher, ZX_RIGHT_WRITE)
    source = waitable(call, handle)
    edge = bool(options & ZX_WAIT_ASYNC_EDGE)
    target.observe(source, key, signals, edge=edge, timestamp=bool(timestamps))
