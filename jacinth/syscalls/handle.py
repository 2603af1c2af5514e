"""`zx_handle_*`. Source: docs/reference/syscalls/handle_*.md; order from zircon/kernel/lib/syscalls/handle_ops.cc."""

from __future__ import annotations

from jacinth.abi import (
    ZX_HANDLE_FIXED_BITS_MASK,
    ZX_HANDLE_INVALID,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_SAME_RIGHTS,
    Status,
    ZxError,
)
from jacinth.kernel.handle import MAX_HANDLES
from jacinth.syscalls.door import Call, HandleOut, UserIn, syscall

# How many handle values are read from the caller at once.
_CHUNK = 1024


@syscall
def zx_handle_check_valid(call: Call, handle: int) -> None:
    """Whether a value is a handle of the caller. Asking is no use of a bad handle: no policy.

    Errors, in order: INVALID_ARGS ZX_HANDLE_INVALID; OUT_OF_RANGE a value that no handle has; NOT_FOUND.
    Source: zircon/vdso's zx_handle_check_valid.cc.
    """
    if handle == ZX_HANDLE_INVALID:
        raise ZxError(Status.INVALID_ARGS)
    if handle & ZX_HANDLE_FIXED_BITS_MASK != ZX_HANDLE_FIXED_BITS_MASK:
        raise ZxError(Status.OUT_OF_RANGE)
    if call.handles.get(handle) is None:
        raise ZxError(Status.NOT_FOUND)


@syscall
def zx_handle_close(call: Call, handle: int) -> None:
    """Close a handle. ZX_HANDLE_INVALID is no error.

    Errors: BAD_HANDLE.
    """
    if handle == ZX_HANDLE_INVALID:
        return
    owned = call.handles.handles.pop(handle, None)
    if owned is None:
        call.bad_handle(handle)
        raise ZxError(Status.BAD_HANDLE)
    owned.close()


@syscall
def zx_handle_close_many(call: Call, handles: UserIn, num_handles: int) -> None:
    """Close several handles; the valid ones are closed whatever the others are.

    Errors: INVALID_ARGS handles, or more of them than there can be, of which the first ones are closed; BAD_HANDLE where
    one of them is none.
    """
    status = Status.OK
    # An array from who knows where, terabytes of zeroes perhaps: it must come to an end.
    for start in range(0, min(num_handles, MAX_HANDLES), _CHUNK):
        count = min(_CHUNK, num_handles - start)
        for value in handles.read_ints(count, start):
            try:
                zx_handle_close(call, value)
            except ZxError as error:
                status = error.status
    if num_handles > MAX_HANDLES:
        status = Status.INVALID_ARGS
    if status is not Status.OK:
        raise ZxError(status)


@syscall
def zx_handle_duplicate(call: Call, handle: int, rights: int, out: HandleOut) -> None:
    """A second handle to the same object with *rights*, or ZX_RIGHT_SAME_RIGHTS.

    Errors, in order: BAD_HANDLE; ACCESS_DENIED without DUPLICATE; INVALID_ARGS for rights that the source has not.
    """
    source = call.handle(handle)
    held = source.rights
    if not held & ZX_RIGHT_DUPLICATE:
        raise ZxError(Status.ACCESS_DENIED)
    if rights == ZX_RIGHT_SAME_RIGHTS:
        rights = held
    elif held & rights != rights:
        raise ZxError(Status.INVALID_ARGS)
    out.make(source.object, rights)


@syscall
def zx_handle_replace(call: Call, handle: int, rights: int, out: HandleOut) -> None:
    """A handle to the same object with *rights* in place of *handle*, which is closed whatever the answer.

    Errors, in order: BAD_HANDLE; INVALID_ARGS for rights that the source has not.
    """
    source = call.handle(handle)
    if rights == ZX_RIGHT_SAME_RIGHTS:
        rights = source.rights
    elif source.rights & rights != rights:
        call.handles.close(handle)
        raise ZxError(Status.INVALID_ARGS)
    try:
        out.make(source.object, rights)
    finally:
        call.handles.close(handle)
