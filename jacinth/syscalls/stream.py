"""`zx_stream_*`. Source: docs/reference/syscalls/stream_*.md; order from zircon/kernel/lib/syscalls/stream.rs."""

from __future__ import annotations

from collections.abc import Callable

from jacinth.abi import (
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_STREAM_APPEND,
    ZX_STREAM_CREATE_MASK,
    ZX_STREAM_MODE_APPEND,
    ZX_STREAM_MODE_READ,
    ZX_STREAM_MODE_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.stream import StreamDispatcher, Transfer
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SIZE, VmObjectDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserOut, UserVector, syscall

# As many pages are moved at once: a pager is asked for no more of them together.
_STEP = 16 * PAGE_SIZE


@syscall
def zx_stream_create(call: Call, options: int, vmo: int, seek: int, out_stream: HandleOut) -> None:
    """Make a stream over a VMO, with its place at *seek*. Options: ZX_STREAM_MODE_READ, _WRITE, _APPEND.

    Rights: on vmo READ for MODE_READ, WRITE for MODE_WRITE and MODE_APPEND. With MODE_READ the stream's handle has READ, with
    MODE_WRITE it has WRITE.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED vmo; WRONG_TYPE a contiguous VMO.
    """
    if options & ~ZX_STREAM_CREATE_MASK:
        raise ZxError(Status.INVALID_ARGS)
    rights = ZX_RIGHT_READ if options & ZX_STREAM_MODE_READ else 0
    if options & (ZX_STREAM_MODE_WRITE | ZX_STREAM_MODE_APPEND):
        rights |= ZX_RIGHT_WRITE
    memory = call.dispatcher(vmo, VmObjectDispatcher, rights)
    if memory.pages.contiguous:
        raise ZxError(Status.WRONG_TYPE)
    stream = StreamDispatcher(memory, options, seek)
    out_stream.make(stream, stream.initial_rights)


@syscall
def zx_stream_writev(
    call: Call, handle: int, options: int, vectors: UserVector, num_vectors: int, actual: UserOut
) -> None:
    """Write at the stream's place, or with ZX_STREAM_APPEND or in append mode behind the content; the place moves along.

    The content grows as far as needed, up to the size of the VMO. OK if anything was written.
    Rights: WRITE on handle.
    Errors, in order: INVALID_ARGS options, vectors null; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS vectors;
    OUT_OF_RANGE to append too much; those of StreamDispatcher.writable; of the first page those of UserVector.read,
    then those of VmObjectDispatcher.write; INVALID_ARGS actual.
    """
    if options & ~ZX_STREAM_APPEND:
        raise ZxError(Status.INVALID_ARGS)
    vectors.check()
    stream = call.dispatcher(handle, StreamDispatcher, ZX_RIGHT_WRITE)
    if options & ZX_STREAM_APPEND or stream.append_mode:
        _run(call, vectors, num_vectors, actual, stream.begin_append, _write)
    else:
        _run(call, vectors, num_vectors, actual, lambda capacity: stream.begin(capacity, None), _write)


@syscall
def zx_stream_writev_at(
    call: Call,
    handle: int,
    options: int,
    offset: int,
    vectors: UserVector,
    num_vectors: int,
    actual: UserOut,
) -> None:
    """Write at *offset*, whatever the mode; the stream's place stays where it is.

    Rights: WRITE on handle.
    Errors: those of zx_stream_writev; there are no options.
    """
    if options:
        raise ZxError(Status.INVALID_ARGS)
    vectors.check()
    stream = call.dispatcher(handle, StreamDispatcher, ZX_RIGHT_WRITE)
    _run(call, vectors, num_vectors, actual, lambda capacity: stream.begin(capacity, offset), _write)


@syscall
def zx_stream_readv(
    call: Call, handle: int, options: int, vectors: UserVector, num_vectors: int, actual: UserOut
) -> None:
    """Read from the stream's place on, no further than the content; the place moves along.

    OK if anything was read, or there is nothing to read.
    Rights: READ on handle.
    Errors, in order: INVALID_ARGS options, vectors null; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS vectors;
    of the first page those of VmObjectDispatcher.read, then those of UserVector.write; INVALID_ARGS actual.
    """
    if options:
        raise ZxError(Status.INVALID_ARGS)
    vectors.check()
    stream = call.dispatcher(handle, StreamDispatcher, ZX_RIGHT_READ)
    _run(call, vectors, num_vectors, actual, lambda capacity: stream.begin(capacity, None), _read)


@syscall
def zx_stream_readv_at(
    call: Call,
    handle: int,
    options: int,
    offset: int,
    vectors: UserVector,
    num_vectors: int,
    actual: UserOut,
) -> None:
    """Read from *offset* on; the stream's place stays where it is.

    Rights: READ on handle.
    Errors: those of zx_stream_readv.
    """
    if options:
        raise ZxError(Status.INVALID_ARGS)
    vectors.check()
    stream = call.dispatcher(handle, StreamDispatcher, ZX_RIGHT_READ)
    _run(call, vectors, num_vectors, actual, lambda capacity: stream.begin(capacity, offset), _read)


@syscall
def zx_stream_seek(call: Call, handle: int, whence: int, offset: int, out_seek: UserOut) -> None:
    """Move the stream's place. *out_seek* may be null.

    Rights: READ or WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS whence, offset; INVALID_ARGS out_seek.
    """
    stream = call.dispatcher(handle, StreamDispatcher, 0)
    if not call.handle(handle).rights & (ZX_RIGHT_READ | ZX_RIGHT_WRITE):
        raise ZxError(Status.ACCESS_DENIED)
    out_seek.set(stream.seek(whence, offset))


# Moving the bytes: (transfer, vectors, how many at most) -> how many are left. Nothing was moved where it raises.
Step = Callable[[Transfer, UserVector, int], int]


def _read(transfer: Transfer, vectors: UserVector, most: int) -> int:
    stream = transfer.stream
    left = stream.readable(transfer)
    size = min(left, most)
    if size:
        vectors.write(transfer.done, stream.read(transfer, size))
        transfer.moved(size)
    return left - size


def _write(transfer: Transfer, vectors: UserVector, most: int) -> int:
    stream = transfer.stream
    left = stream.writable(transfer)
    size = min(left, most)
    stream.write(transfer, vectors.read(transfer.done, size))
    return left - size


def _run(
    call: Call,
    vectors: UserVector,
    num_vectors: int,
    actual: UserOut,
    begin: Callable[[int], Transfer],
    step: Step,
) -> None:
    """Do all steps of a transfer. An error ends it; it is the call's answer only if nothing was moved at all."""
    vectors.load(num_vectors)
    transfer: Transfer | None = call.resume() or None
    failure, call.failure = call.failure, None
    if transfer is not None:
        transfer.go_on()
    elif vectors.capacity:
        transfer = begin(vectors.capacity)
    if transfer is not None:
        try:
            _steps(transfer, vectors, step, failure)
        except ZxError:
            if not transfer.done:
                raise
    actual.set(transfer.done if transfer is not None else 0)


def _steps(transfer: Transfer, vectors: UserVector, step: Step, failure: Status | None) -> None:
    """A few pages at once; page by page and buffer by buffer up to where one is bad, or the pager has answered *failure*."""
    # The array may have been changed while the call has waited.
    transfer.capacity = min(transfer.capacity, vectors.capacity)
    while transfer.done < transfer.capacity:
        page = PAGE_SIZE - (transfer.place & PAGE_MASK)
        small = min(page, vectors.buffer_left(transfer.done))
        try:
            if failure is not None:
                left = step(transfer, vectors, small)
            else:
                try:
                    left = step(transfer, vectors, page + _STEP - PAGE_SIZE)
                except ZxError:
                    left = step(transfer, vectors, small)
        except PageNeeded as need:
            if failure is not None:
                raise ZxError(failure) from None
            need.progress, need.anyway = transfer, True
            raise
        if not left:
            return
