"""`zx_counter_*`. Source: docs/reference/syscalls/counter_*.md; order from zircon/kernel/lib/syscalls/counter.rs."""

from __future__ import annotations

from jacinth.abi import ZX_RIGHT_READ, ZX_RIGHT_WRITE, Status, ZxError
from jacinth.kernel.ipc.counter import CounterDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserOut, syscall


@syscall
def zx_counter_create(call: Call, options: int, out: HandleOut) -> None:
    """Make a counter; it is zero.

    Errors: INVALID_ARGS options.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    out.make(CounterDispatcher(call.kernel))


@syscall
def zx_counter_add(call: Call, handle: int, value: int) -> None:
    """Add *value*, which may be negative.

    Rights: READ and WRITE on handle, since the signals that follow tell of the sum.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; OUT_OF_RANGE a sum beyond 64 bits.
    """
    call.dispatcher(handle, CounterDispatcher, ZX_RIGHT_READ | ZX_RIGHT_WRITE).add(value)


@syscall
def zx_counter_read(call: Call, handle: int, value: UserOut) -> None:
    """Read the number.

    Rights: READ on handle.
    Errors, in order: INVALID_ARGS value; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle.
    """
    value.check()
    value.set(call.dispatcher(handle, CounterDispatcher, ZX_RIGHT_READ).value)


@syscall
def zx_counter_write(call: Call, handle: int, value: int) -> None:
    """Set the number.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle.
    """
    call.dispatcher(handle, CounterDispatcher, ZX_RIGHT_WRITE).value = value
