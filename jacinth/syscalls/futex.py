"""`zx_futex_*`. Source: docs/reference/syscalls/futex_*.md; order from object/futex_context.cc."""

from __future__ import annotations

from collections.abc import Callable

from jacinth.abi import ZX_HANDLE_INVALID, ZX_KOID_INVALID, Status, ZxError
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.syscalls.door import Call, UserIn, UserOut, syscall

_SIZE = 4  # bytes of a zx_futex_t, and its alignment


@syscall
async def zx_futex_wait(
    call: Call, value_ptr: UserIn, current_value: int, new_futex_owner: int, deadline: int
) -> None:
    """Wait on a futex that has *current_value*, at most until *deadline* ns.

    *new_futex_owner*, or nobody, owns it from now on.
    Errors, in order: INVALID_ARGS pointer; BAD_STATE another value; BAD_HANDLE, WRONG_TYPE owner;
    INVALID_ARGS an owner that has not started, has other futexes, is the caller, or waits on this futex;
    TIMED_OUT.
    """
    key = _key(value_ptr)
    if value_ptr.read_ints(1)[0] != current_value:
        raise ZxError(Status.BAD_STATE)
    owner = _owner(call, new_futex_owner)
    await call.process.shared.futexes.wait(key, call.thread, owner, deadline)


@syscall
def zx_futex_wake(call: Call, value_ptr: UserIn, wake_count: int) -> None:
    """Wake at most *wake_count* threads that wait on a futex, which nobody owns afterwards.

    Errors: INVALID_ARGS pointer.
    """
    call.process.shared.futexes.wake(_key(value_ptr), wake_count)


@syscall
def zx_futex_wake_single_owner(call: Call, value_ptr: UserIn) -> None:
    """Wake one thread that waits on a futex, which it owns from now on where others still wait.

    Errors: INVALID_ARGS pointer.
    """
    call.process.shared.futexes.wake_single_owner(_key(value_ptr))


@syscall
def zx_futex_requeue(
    call: Call,
    value_ptr: UserIn,
    wake_count: int,
    current_value: int,
    requeue_ptr: UserIn,
    requeue_count: int,
    new_requeue_owner: int,
) -> None:
    """Wake at most *wake_count* waiters of a futex, and let *requeue_count* others wait on another one.

    Errors, in order: INVALID_ARGS pointers, or the same one twice; BAD_STATE another value; BAD_HANDLE,
    WRONG_TYPE owner; INVALID_ARGS an owner that has not started, has other futexes, or waits on one of these
    two.
    """
    _requeue(call, value_ptr, wake_count, current_value, requeue_ptr, requeue_count, new_requeue_owner, False)


@syscall
def zx_futex_requeue_single_owner(
    call: Call,
    value_ptr: UserIn,
    current_value: int,
    requeue_ptr: UserIn,
    requeue_count: int,
    new_requeue_owner: int,
) -> None:
    """As `zx_futex_requeue`, but one thread is woken and owns the first futex where others still wait."""
    _requeue(call, value_ptr, 1, current_value, requeue_ptr, requeue_count, new_requeue_owner, True)


@syscall
def zx_futex_get_owner(call: Call, value_ptr: UserIn, koid: UserOut) -> None:
    """The koid of the thread that owns a futex; ZX_KOID_INVALID where there is none.

    Errors, in order: INVALID_ARGS pointers.
    """
    owner = call.process.shared.futexes.owner(_key(value_ptr))
    koid.set(ZX_KOID_INVALID if owner is None else owner.koid)


@syscall
def zx_futex_wake_handle_close_thread_exit(
    call: Call, value_ptr: UserIn, wake_count: int, new_value: int, close_handle: int
) -> None:
    """Store *new_value* in a futex, wake its waiters, close a handle and end the calling thread.

    All without the thread's stack, which may be freed by whoever sees the new value. Does not return, so
    there is nobody to tell of errors: each step is done as far as it can be.
    """
    address = value_ptr.address
    _attempt(lambda: call.memory.write_user(address, new_value.to_bytes(_SIZE, "little", signed=True)))
    _attempt(lambda: call.process.shared.futexes.wake(_key(value_ptr), wake_count))
    _attempt(lambda: _close(call, close_handle))
    call.thread.exit()


def _attempt(step: Callable[[], None]) -> None:
    try:
        step()
    except ZxError:
        pass


def _close(call: Call, value: int) -> None:
    if value != ZX_HANDLE_INVALID:
        call.handle(value)  # BAD_HANDLE, and the job's policy on it
        call.handles.close(value)


def _key(pointer: UserIn) -> int:
    """What the kernel knows the futex by: its address. INVALID_ARGS where it is null or misaligned."""
    address = pointer.address
    if address == 0 or address % _SIZE:
        raise ZxError(Status.INVALID_ARGS)
    return address


def _owner(call: Call, value: int) -> ThreadDispatcher | None:
    """The thread that is to own a futex: BAD_HANDLE, WRONG_TYPE, INVALID_ARGS. A dying one owns nothing."""
    if value == ZX_HANDLE_INVALID:
        return None
    thread = call.dispatcher(value, ThreadDispatcher, 0)
    if thread.process.shared is not call.process.shared or thread.state is ThreadState.INITIAL:
        raise ZxError(Status.INVALID_ARGS)
    return thread if thread.alive else None


def _requeue(
    call: Call,
    value_ptr: UserIn,
    wake_count: int,
    current_value: int,
    requeue_ptr: UserIn,
    requeue_count: int,
    new_requeue_owner: int,
    single_owner: bool,
) -> None:
    key, target = _key(value_ptr), _key(requeue_ptr)
    if key == target:
        raise ZxError(Status.INVALID_ARGS)
    if value_ptr.read_ints(1)[0] != current_value:
        raise ZxError(Status.BAD_STATE)
    owner = _owner(call, new_requeue_owner)
    call.process.shared.futexes.requeue(
        key, wake_count, target, requeue_count, owner, single_owner=single_owner
    )
