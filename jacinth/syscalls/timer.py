"""`zx_timer_*`. Source: docs/reference/syscalls/timer_*.md; order from lib/syscalls/timer.rs."""

from __future__ import annotations

from jacinth.abi import (
    ZX_CLOCK_BOOT,
    ZX_CLOCK_MONOTONIC,
    ZX_POL_NEW_TIMER,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.timer import TimerDispatcher
from jacinth.syscalls.door import Call, HandleOut, syscall


@syscall
def zx_timer_create(call: Call, options: int, clock_id: int, out: HandleOut) -> None:
    """Make a timer on ZX_CLOCK_MONOTONIC or ZX_CLOCK_BOOT; *options* is its ZX_TIMER_SLACK_* mode.

    Errors, in order: INVALID_ARGS clock; ACCESS_DENIED policy; INVALID_ARGS options.
    """
    if clock_id not in (ZX_CLOCK_MONOTONIC, ZX_CLOCK_BOOT):
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_TIMER)
    out.make(TimerDispatcher.create(call.kernel, options, clock_id))


@syscall
def zx_timer_set(call: Call, handle: int, deadline: int, slack: int) -> None:
    """Let a timer fire at *deadline* ns, give or take *slack* ns, and not at any earlier setting.

    Rights: WRITE on handle.
    Errors, in order: OUT_OF_RANGE negative slack; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle.
    """
    if slack < 0:
        raise ZxError(Status.OUT_OF_RANGE)
    timer = call.dispatcher(handle, TimerDispatcher, ZX_RIGHT_WRITE)
    timer.set(deadline, max(slack, call.process.policy.timer_slack.amount))


@syscall
def zx_timer_cancel(call: Call, handle: int) -> None:
    """Let a timer fire no more, and take back its signal.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle.
    """
    call.dispatcher(handle, TimerDispatcher, ZX_RIGHT_WRITE).stop()
