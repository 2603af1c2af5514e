"""`zx_fifo_*`. Source: docs/reference/syscalls/fifo_*.md; order from lib/syscalls/fifo.rs."""

from __future__ import annotations

from jacinth.abi import ZX_POL_NEW_FIFO, ZX_RIGHT_READ, ZX_RIGHT_WRITE
from jacinth.kernel.ipc.fifo import FifoDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall


@syscall
def zx_fifo_create(
    call: Call, elem_count: int, elem_size: int, options: int, out0: HandleOut, out1: HandleOut
) -> None:
    """Make a FIFO of *elem_count* elements of *elem_size* bytes in each direction; each end gets a handle.

    Errors, in order: ACCESS_DENIED policy; OUT_OF_RANGE for zero or for more than ZX_FIFO_MAX_SIZE_BYTES;
    INVALID_ARGS options (that they come last is from utest/core/fifo/fifo.cc).
    """
    call.check_policy(ZX_POL_NEW_FIFO)
    one, other = FifoDispatcher.create_pair(call.kernel, elem_count, elem_size, options)
    out0.make(one)
    out1.make(other)


@syscall
def zx_fifo_write(
    call: Call, handle: int, elem_size: int, data: UserIn, count: int, actual_count: UserOut
) -> None:
    """Send *count* elements, or as many as fit.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; PEER_CLOSED; OUT_OF_RANGE another element
    size, no elements; SHOULD_WAIT no room; INVALID_ARGS pointers.
    """
    fifo = call.dispatcher(handle, FifoDispatcher, ZX_RIGHT_WRITE)
    actual_count.set(fifo.write(data.read(fifo.writable_size(elem_size, count))))


@syscall
def zx_fifo_read(
    call: Call, handle: int, elem_size: int, data: UserOut, count: int, actual_count: UserOut
) -> None:
    """Receive *count* elements, or as many as there are.

    Rights: READ on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; OUT_OF_RANGE another element size, no
    elements; where there are none, PEER_CLOSED or SHOULD_WAIT; INVALID_ARGS pointers.
    """
    fifo = call.dispatcher(handle, FifoDispatcher, ZX_RIGHT_READ)
    elements = fifo.peek(elem_size, count)
    data.write(elements)
    actual_count.set(fifo.consume(len(elements)))
