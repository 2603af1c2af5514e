"""Timers. Source: docs/reference/syscalls/timer_*.md, zircon/system/utest/core/timer/timer.cc."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CLOCK_BOOT,
    ZX_CLOCK_MONOTONIC,
    ZX_DEFAULT_TIMER_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RIGHT_WRITE,
    ZX_TIME_INFINITE,
    ZX_TIMER_SIGNALED,
    ZX_TIMER_SLACK_CENTER,
    ZX_TIMER_SLACK_EARLY,
    ZX_TIMER_SLACK_LATE,
)

from .conftest import MS


@pytest.fixture
def timer(zx: Any) -> int:
    status, value = zx.zx_timer_create(ZX_TIMER_SLACK_LATE, ZX_CLOCK_MONOTONIC)
    assert status == ZX_OK
    return value


def wait(zx: Any, timer: int, deadline: int) -> tuple[Any, int]:
    return zx.zx_object_wait_one(timer, ZX_TIMER_SIGNALED, deadline)


@pytest.mark.parametrize("clock", [ZX_CLOCK_MONOTONIC, ZX_CLOCK_BOOT])
@pytest.mark.parametrize("mode", [ZX_TIMER_SLACK_CENTER, ZX_TIMER_SLACK_EARLY, ZX_TIMER_SLACK_LATE])
def test_every_slack_mode_and_clock_makes_a_timer(k: Any, zx: Any, clock: int, mode: int) -> None:
    status, value = zx.zx_timer_create(mode, clock)
    handle = k.host.dispatcher.handles.get(value)
    assert status == ZX_OK and handle.rights == ZX_DEFAULT_TIMER_RIGHTS and handle.object.signals == 0


def test_other_clocks_and_modes_are_refused(zx: Any) -> None:
    assert zx.zx_timer_create(0, 5) == (ZX_ERR_INVALID_ARGS, 0)
    assert zx.zx_timer_create(3, ZX_CLOCK_MONOTONIC) == (ZX_ERR_INVALID_ARGS, 0)


def test_a_timer_fires_at_its_deadline(zx: Any, timer: int) -> None:
    deadline = zx.zx_deadline_after(5 * MS)
    assert zx.zx_timer_set(timer, deadline, 0) == ZX_OK
    assert wait(zx, timer, deadline - MS) == (ZX_ERR_TIMED_OUT, 0)
    assert wait(zx, timer, ZX_TIME_INFINITE) == (ZX_OK, ZX_TIMER_SIGNALED)
    assert deadline <= zx.zx_clock_get_monotonic() < deadline + MS


@pytest.mark.parametrize("deadline", [0, -1, 1, -(1 << 63)])
def test_a_deadline_that_has_passed_fires_at_once(k: Any, zx: Any, timer: int, deadline: int) -> None:
    assert zx.zx_timer_set(timer, deadline, 0) == ZX_OK
    assert k.host.dispatcher.handles.get(timer).object.signals == ZX_TIMER_SIGNALED


def test_setting_again_takes_the_signal_back_and_replaces_the_deadline(zx: Any, timer: int) -> None:
    zx.zx_timer_set(timer, 0, 0)
    early = zx.zx_deadline_after(MS)
    zx.zx_timer_set(timer, early, 0)
    zx.zx_timer_set(timer, early + 9 * MS, 0)
    assert wait(zx, timer, early + 5 * MS) == (ZX_ERR_TIMED_OUT, 0)
    assert wait(zx, timer, early + 10 * MS)[0] == ZX_OK


def test_a_canceled_timer_does_not_fire(zx: Any, timer: int) -> None:
    deadline = zx.zx_deadline_after(MS)
    zx.zx_timer_set(timer, deadline, 0)
    assert zx.zx_timer_cancel(timer) == ZX_OK
    assert wait(zx, timer, deadline + MS) == (ZX_ERR_TIMED_OUT, 0)


def test_canceling_takes_the_signal_back_and_needs_no_timer_to_be_set(zx: Any, timer: int) -> None:
    assert zx.zx_timer_cancel(timer) == ZX_OK
    zx.zx_timer_set(timer, 0, 0)
    assert zx.zx_timer_cancel(timer) == ZX_OK
    assert wait(zx, timer, zx.zx_deadline_after(MS)) == (ZX_ERR_TIMED_OUT, 0)


def test_a_timer_set_to_infinity_never_fires(k: Any, zx: Any, timer: int) -> None:
    assert zx.zx_timer_set(timer, ZX_TIME_INFINITE, 0) == ZX_OK
    assert wait(zx, timer, zx.zx_deadline_after(3600 * 1000 * MS))[0] == ZX_ERR_TIMED_OUT
    assert k.host.dispatcher.handles.get(timer).object.deadline == ZX_TIME_INFINITE


def test_a_closed_timer_leaves_nothing_to_wait_for(k: Any, zx: Any, timer: int) -> None:
    zx.zx_timer_set(timer, zx.zx_deadline_after(MS), 0)
    zx.zx_handle_close(timer)
    assert k.timers.next_deadline() is None


@pytest.mark.shows("zx_timer_cancel", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_timer_set", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_timer_set", "ZX_ERR_OUT_OF_RANGE")
def test_setting_checks_slack_before_the_handle(zx: Any, timer: int) -> None:
    _, event = zx.zx_event_create(0)
    _, weak = zx.zx_handle_duplicate(timer, ZX_DEFAULT_TIMER_RIGHTS & ~ZX_RIGHT_WRITE)
    assert zx.zx_timer_set(ZX_HANDLE_INVALID, 0, -1) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_timer_set(ZX_HANDLE_INVALID, 0, 0) == ZX_ERR_BAD_HANDLE
    assert zx.zx_timer_set(event, 0, 0) == ZX_ERR_WRONG_TYPE
    assert zx.zx_timer_set(weak, 0, 0) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_timer_cancel(ZX_HANDLE_INVALID) == ZX_ERR_BAD_HANDLE
    assert zx.zx_timer_cancel(event) == ZX_ERR_WRONG_TYPE
    assert zx.zx_timer_cancel(weak) == ZX_ERR_ACCESS_DENIED


def test_a_timer_keeps_what_it_was_set_to_until_it_fires(k: Any, zx: Any, timer: int) -> None:
    dispatcher = k.host.dispatcher.handles.get(timer).object
    deadline = zx.zx_deadline_after(MS)
    zx.zx_timer_set(timer, deadline, 77)
    assert (dispatcher.deadline, dispatcher.slack, dispatcher.options) == (deadline, 77, ZX_TIMER_SLACK_LATE)
    wait(zx, timer, ZX_TIME_INFINITE)
    assert (dispatcher.deadline, dispatcher.slack) == (0, 0)


def test_closing_a_timer_cancels_who_waits_for_it(k: Any, zx: Any, timer: int) -> None:
    _, port = zx.zx_port_create(0)
    zx.zx_timer_set(timer, zx.zx_deadline_after(MS), 0)
    zx.zx_object_wait_async(timer, port, 1, ZX_TIMER_SIGNALED, 0)
    assert zx.zx_handle_close(timer) == ZX_OK
    assert zx.zx_port_wait(port, zx.zx_deadline_after(2 * MS))[0] == ZX_ERR_TIMED_OUT
