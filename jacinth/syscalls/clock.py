"""Time: `zx_clock_*`, `zx_ticks_*`, `zx_deadline_after`, `zx_nanosleep`.

A guest gets the kernel's time from the vDSO without a call; those that are there answer the host and Python bodies. Source:
docs/reference/syscalls/{clock_*,deadline_after,nanosleep,ticks_get}.md; lib/syscalls/{nanosleep,ticks}.rs.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_CLOCK_ARGS_VERSION_MASK,
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_UPDATE_MAX_RATE_ADJUST,
    ZX_CLOCK_UPDATE_MIN_RATE_ADJUST,
    ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID,
    ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID,
    ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID,
    ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID,
    ZX_CLOCK_UPDATE_OPTIONS_ALL,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_THREAD_STATE_BLOCKED_SLEEPING,
    ZX_TIME_INFINITE,
    ZX_TIME_INFINITE_PAST,
    Status,
    ZxError,
    zx_clock_create_args_v1_t,
    zx_clock_details_v1_t,
    zx_clock_rate_t,
    zx_clock_transformation_t,
    zx_clock_update_args_v1_t,
    zx_clock_update_args_v2_t,
)
from jacinth.kernel.ipc.clock import ClockDispatcher, ClockState, ClockUpdate
from jacinth.kernel.wait import Waiter
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

# A tick is a nanosecond. Boot time is monotonic time, since the machine never sleeps.
TICKS_PER_SECOND = 1_000_000_000


@syscall
def zx_clock_get_monotonic(call: Call) -> int:
    """Nanoseconds since the machine started."""
    return call.kernel.clock.now()


@syscall
def zx_clock_get_boot(call: Call) -> int:
    """Nanoseconds since the machine started, sleep included."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_get(call: Call) -> int:
    """Ticks since the machine started."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_get_boot(call: Call) -> int:
    """Ticks since the machine started, sleep included."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_per_second(call: Call) -> int:
    return TICKS_PER_SECOND


@syscall
def zx_deadline_after(call: Call, nanoseconds: int) -> int:
    """The time in so many nanoseconds, as near as it can be expressed."""
    return min(max(call.kernel.clock.now() + nanoseconds, ZX_TIME_INFINITE_PAST), ZX_TIME_INFINITE)


@syscall
async def zx_nanosleep(call: Call, deadline: int) -> None:
    """Wait until *deadline* ns. A deadline of zero or less has always passed."""
    if deadline > 0:
        await Waiter(deadline, ZX_THREAD_STATE_BLOCKED_SLEEPING)


def _version(options: int) -> int:
    return (options & ZX_CLOCK_ARGS_VERSION_MASK) >> ZX_CLOCK_ARGS_VERSION_SHIFT


@syscall
def zx_clock_create(call: Call, options: int, args: UserIn, out: HandleOut) -> None:
    """Make a clock object. The version of *args* is in the upper bits of *options*: 0, none, or 1, with a backstop time.

    Errors, in order: INVALID_ARGS version or args; then those of `ClockDispatcher`.
    """
    match _version(options):
        case 0 if args.is_null:
            backstop = 0
        case 1:
            backstop = args.read_struct(zx_clock_create_args_v1_t).backstop_time
        case _:
            raise ZxError(Status.INVALID_ARGS)
    clock = ClockDispatcher(call.kernel, options & ~ZX_CLOCK_ARGS_VERSION_MASK, backstop)
    out.make(clock, clock.initial_rights)


@syscall
def zx_clock_read(call: Call, handle: int, now: UserOut) -> None:
    """What a clock shows, in ns.

    Rights: READ on handle.
    Errors: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle.
    """
    now.set(call.dispatcher(handle, ClockDispatcher, ZX_RIGHT_READ).now())


@syscall
def zx_clock_get_details(call: Call, handle: int, options: int, details: UserOut) -> None:
    """All about a clock; the version of *details*, 1, is in the upper bits of *options*.

    Rights: READ on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS options, details.
    """
    clock = call.dispatcher(handle, ClockDispatcher, ZX_RIGHT_READ)
    if _version(options) != 1 or options & ~ZX_CLOCK_ARGS_VERSION_MASK:
        raise ZxError(Status.INVALID_ARGS)
    details.write_struct(_details(clock.state(), call.kernel.clock.now()))


def _details(state: ClockState, now: int) -> zx_clock_details_v1_t:
    line = state.transformation
    shown = zx_clock_transformation_t(
        reference_offset=line.reference,
        synthetic_offset=line.synthetic,
        rate=zx_clock_rate_t(synthetic_ticks=line.numerator, reference_ticks=line.denominator),
    )
    return zx_clock_details_v1_t(
        options=state.options,
        backstop_time=state.backstop,
        reference_ticks_to_synthetic=shown,
        reference_to_synthetic=shown,
        error_bound=state.error_bound,
        query_reference_ticks=now,
        last_value_update_reference_ticks=state.value_updated,
        last_rate_adjust_update_reference_ticks=state.rate_updated,
        last_error_bounds_update_reference_ticks=state.error_bound_updated,
        generation_counter=state.generation,
    )


@syscall
def zx_clock_read_mapped(call: Call, clock_addr: UserIn, now: UserOut) -> None:
    """What a clock shows whose page is mapped at *clock_addr*, in ns.

    Errors: INVALID_ARGS clock_addr, now.
    """
    state = ClockState.unpack(clock_addr.read(ClockState.SIZE))
    now.set(state.read(call.kernel.clock.now()))


@syscall
def zx_clock_get_details_mapped(call: Call, clock_addr: UserIn, options: int, details: UserOut) -> None:
    """All about a clock whose page is mapped at *clock_addr*; the version of *details*, 1, is in the upper bits of *options*.

    Errors, in order: INVALID_ARGS version; clock_addr; details.
    """
    if _version(options) != 1:
        raise ZxError(Status.INVALID_ARGS)
    details.check()
    state = ClockState.unpack(clock_addr.read(ClockState.SIZE))
    details.write_struct(_details(state, call.kernel.clock.now()))


@syscall
def zx_clock_update(call: Call, handle: int, options: int, args: UserIn) -> None:
    """Set a clock, its rate (parts per million, at most 1000 either way) or its error bound, as *options* say.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS version, args, options or rate; then those of
    `ClockDispatcher.update`.
    """
    clock = call.dispatcher(handle, ClockDispatcher, ZX_RIGHT_WRITE)
    version = _version(options)
    options &= ~ZX_CLOCK_ARGS_VERSION_MASK
    values: zx_clock_update_args_v1_t | zx_clock_update_args_v2_t
    if version == 1:
        values = args.read_struct(zx_clock_update_args_v1_t)
        synthetic, reference = values.value, 0
    elif version == 2:
        values = args.read_struct(zx_clock_update_args_v2_t)
        synthetic, reference = values.synthetic_value, values.reference_value
    else:
        raise ZxError(Status.INVALID_ARGS)
    if options == 0 or options & ~ZX_CLOCK_UPDATE_OPTIONS_ALL:
        raise ZxError(Status.INVALID_ARGS)
    if version == 1 and options & ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID:
        raise ZxError(Status.INVALID_ARGS)
    turns = bool(options & ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID)
    if turns and not ZX_CLOCK_UPDATE_MIN_RATE_ADJUST <= values.rate_adjust <= ZX_CLOCK_UPDATE_MAX_RATE_ADJUST:
        raise ZxError(Status.INVALID_ARGS)
    clock.update(
        ClockUpdate(
            synthetic if options & ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID else None,
            reference if options & ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID else None,
            values.rate_adjust if turns else None,
            values.error_bound if options & ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID else None,
            version,
        )
    )
