"""Waiting for signals. Source: docs/reference/syscalls/object_wait_*.md, utest/core/handle-wait."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_CANCELED,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_EVENT_SIGNALED,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_PKT_TYPE_SIGNAL_ONE,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_RIGHTS_BASIC,
    ZX_SIGNAL_HANDLE_CLOSED,
    ZX_THREAD_STATE_BLOCKED_WAIT_MANY,
    ZX_THREAD_STATE_BLOCKED_WAIT_ONE,
    ZX_TIME_INFINITE,
    ZX_USER_SIGNAL_0,
    ZX_USER_SIGNAL_1,
    ZX_WAIT_ASYNC_BOOT_TIMESTAMP,
    ZX_WAIT_ASYNC_EDGE,
    ZX_WAIT_ASYNC_TIMESTAMP,
    ZX_WAIT_MANY_MAX_ITEMS,
    zx_wait_item_t,
)

from .conftest import MS, Program
from .test_port import signal_of


@pytest.fixture
def event(zx: Any) -> int:
    return zx.zx_event_create(0)[1]


def item(handle: int, waitfor: int) -> Any:
    return zx_wait_item_t(handle=handle, waitfor=waitfor, pending=0)


# One object


def test_a_signal_that_is_asserted_ends_the_wait_at_once(zx: Any, event: int) -> None:
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1)
    answer = zx.zx_object_wait_one(event, ZX_USER_SIGNAL_0, 0)
    assert answer == (ZX_OK, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1)


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_TIMED_OUT")
def test_a_wait_times_out_and_still_tells_the_signals(zx: Any, event: int) -> None:
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_1)
    deadline = zx.zx_deadline_after(MS)
    assert zx.zx_object_wait_one(event, ZX_USER_SIGNAL_0, deadline) == (ZX_ERR_TIMED_OUT, ZX_USER_SIGNAL_1)
    assert zx.zx_clock_get_monotonic() >= deadline
    assert zx.zx_object_wait_one(event, ZX_USER_SIGNAL_0, 0)[0] == ZX_ERR_TIMED_OUT
    assert zx.zx_object_wait_one(event, ZX_USER_SIGNAL_0, -(1 << 63))[0] == ZX_ERR_TIMED_OUT


def test_waiting_for_no_signal_lasts_until_the_deadline(zx: Any, event: int) -> None:
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    assert zx.zx_object_wait_one(event, 0, zx.zx_deadline_after(MS)) == (ZX_ERR_TIMED_OUT, ZX_USER_SIGNAL_0)


def test_a_wait_sees_a_pulse_that_is_over_before_it_runs(zx: Any, event: int, program: Program) -> None:
    mine = program.give(event)

    async def wait(body: Any) -> Any:
        return await body.zx_object_wait_one(mine, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE)

    thread = program.start(wait)
    program.settle()
    assert thread.info_state == ZX_THREAD_STATE_BLOCKED_WAIT_ONE
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    zx.zx_object_signal(event, ZX_USER_SIGNAL_0, 0)
    program.settle()
    assert program.results == [(ZX_OK, ZX_USER_SIGNAL_0)]


def test_every_waiter_of_a_signal_is_woken(zx: Any, event: int, program: Program) -> None:
    mine = program.give(event)

    async def wait(body: Any) -> Any:
        return (await body.zx_object_wait_one(mine, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE))[0]

    for _ in range(3):
        program.start(wait)
    program.settle()
    zx.zx_object_signal(event, 0, ZX_EVENT_SIGNALED)
    program.settle()
    assert program.results == [ZX_OK] * 3


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_CANCELED")
def test_closing_the_handle_cancels_the_waits_through_it_only(
    k: Any, zx: Any, event: int, program: Program
) -> None:
    doomed, other = program.give(event), program.give(event)

    async def wait(body: Any, handle: int) -> Any:
        return await body.zx_object_wait_one(handle, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE)

    async def close(body: Any) -> Any:
        return await body.zx_handle_close(doomed)

    program.start(wait, doomed)
    program.start(wait, other)
    program.settle()
    program.start(close)
    program.settle()
    assert program.results == [ZX_OK, (ZX_ERR_CANCELED, ZX_SIGNAL_HANDLE_CLOSED)]
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    program.settle()
    assert program.results[2] == (ZX_OK, ZX_USER_SIGNAL_0)


def test_replacing_the_handle_cancels_the_wait(zx: Any, event: int, program: Program) -> None:
    mine = program.give(event)

    async def wait(body: Any) -> Any:
        return (await body.zx_object_wait_one(mine, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE))[0]

    async def replace(body: Any) -> Any:
        return (await body.zx_handle_replace(mine, ZX_RIGHT_SAME_RIGHTS))[0]

    program.start(wait)
    program.settle()
    program.start(replace)
    program.settle()
    assert program.results == [ZX_OK, ZX_ERR_CANCELED]


def test_a_killed_waiter_leaves_no_observer(k: Any, zx: Any, event: int, program: Program) -> None:
    mine = program.give(event)

    async def wait(body: Any) -> Any:
        return await body.zx_object_wait_one(mine, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE)

    thread = program.start(wait)
    program.settle()
    dispatcher = k.host.dispatcher.handles.get(event).object
    assert len(list(dispatcher.observers())) == 1
    thread.kill()
    assert not list(dispatcher.observers())


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_ACCESS_DENIED")
def test_waiting_checks_handle_and_right(zx: Any, event: int) -> None:
    _, deaf = zx.zx_handle_duplicate(event, ZX_DEFAULT_EVENT_RIGHTS & ~ZX_RIGHT_WAIT)
    assert zx.zx_object_wait_one(ZX_HANDLE_INVALID, 1, 0) == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_object_wait_one(deaf, 1, 0) == (ZX_ERR_ACCESS_DENIED, 0)


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_NOT_SUPPORTED")
def test_what_has_no_signals_cannot_be_waited_for(k: Any, zx: Any) -> None:
    _, port = zx.zx_port_create(0)
    able = k.host.add(k.host.dispatcher.handles.get(port).object, ZX_RIGHTS_BASIC)
    assert zx.zx_object_wait_one(port, 1, 0)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_object_wait_one(able, 1, 0)[0] == ZX_ERR_NOT_SUPPORTED


# Many objects


def test_one_of_many_ends_the_wait_and_all_tell_their_signals(zx: Any) -> None:
    events = [zx.zx_event_create(0)[1] for _ in range(3)]
    zx.zx_object_signal(events[0], 0, ZX_USER_SIGNAL_1)
    zx.zx_object_signal(events[2], 0, ZX_USER_SIGNAL_0)
    status, items = zx.zx_object_wait_many([item(event, ZX_USER_SIGNAL_0) for event in events], 0)
    assert status == ZX_OK
    assert [one.pending for one in items] == [ZX_USER_SIGNAL_1, 0, ZX_USER_SIGNAL_0]


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_TIMED_OUT")
def test_many_time_out_with_their_signals(zx: Any, event: int) -> None:
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_1)
    deadline = zx.zx_deadline_after(MS)
    status, (one,) = zx.zx_object_wait_many([item(event, ZX_USER_SIGNAL_0)], deadline)
    assert status == ZX_ERR_TIMED_OUT and one.pending == ZX_USER_SIGNAL_1


def test_none_of_many_is_a_sleep(zx: Any) -> None:
    deadline = zx.zx_deadline_after(MS)
    assert zx.zx_object_wait_many([], deadline)[0] == ZX_ERR_TIMED_OUT
    assert zx.zx_clock_get_monotonic() >= deadline


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_OUT_OF_RANGE")
def test_many_have_a_limit(zx: Any, event: int) -> None:
    items = [item(event, 0)] * ZX_WAIT_MANY_MAX_ITEMS
    assert zx.zx_object_wait_many(items, 0)[0] == ZX_ERR_TIMED_OUT
    assert zx.zx_object_wait_many([*items, item(event, 0)], 0)[0] == ZX_ERR_OUT_OF_RANGE


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_BAD_HANDLE")
def test_the_first_bad_item_is_the_answer(k: Any, zx: Any, event: int) -> None:
    _, deaf = zx.zx_handle_duplicate(event, ZX_DEFAULT_EVENT_RIGHTS & ~ZX_RIGHT_WAIT)
    good = item(event, ZX_USER_SIGNAL_0)
    assert zx.zx_object_wait_many([good, item(deaf, 1), item(0, 1)], 0)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_object_wait_many([good, item(0, 1), item(deaf, 1)], 0)[0] == ZX_ERR_BAD_HANDLE
    assert not list(k.host.dispatcher.handles.get(event).object.observers())


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_CANCELED")
def test_a_closed_handle_cancels_the_wait_for_many(zx: Any, event: int, program: Program) -> None:
    doomed, other = program.give(event), program.give(zx.zx_event_create(0)[1])

    async def wait(body: Any) -> Any:
        status, items = await body.zx_object_wait_many(
            [item(other, ZX_USER_SIGNAL_0), item(doomed, ZX_USER_SIGNAL_0)], ZX_TIME_INFINITE
        )
        return status, [one.pending for one in items]

    async def close(body: Any) -> Any:
        return await body.zx_handle_close(doomed)

    thread = program.start(wait)
    program.settle()
    assert thread.info_state == ZX_THREAD_STATE_BLOCKED_WAIT_MANY
    program.start(close)
    program.settle()
    assert program.results == [ZX_OK, (ZX_ERR_CANCELED, [0, ZX_SIGNAL_HANDLE_CLOSED])]


def test_the_same_object_may_be_waited_for_twice(zx: Any, event: int) -> None:
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_1)
    items = [item(event, ZX_USER_SIGNAL_0), item(event, ZX_USER_SIGNAL_1)]
    status, answers = zx.zx_object_wait_many(items, 0)
    assert status == ZX_OK and [one.pending for one in answers] == [ZX_USER_SIGNAL_1] * 2


# By a port


def test_an_asserted_signal_comes_to_the_port_at_once(zx: Any, event: int) -> None:
    _, port = zx.zx_port_create(0)
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_1)
    trigger = ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1
    assert zx.zx_object_wait_async(event, port, 9, trigger, 0) == ZX_OK
    status, packet = zx.zx_port_wait(port, 0)
    assert (status, packet.key, packet.type, packet.status) == (ZX_OK, 9, ZX_PKT_TYPE_SIGNAL_ONE, ZX_OK)
    assert signal_of(packet) == (trigger, ZX_USER_SIGNAL_1, 1, 0)


def test_a_wait_by_port_gives_one_packet(zx: Any, event: int) -> None:
    _, port = zx.zx_port_create(0)
    zx.zx_object_wait_async(event, port, 9, ZX_USER_SIGNAL_0, 0)
    assert zx.zx_port_wait(port, 0)[0] == ZX_ERR_TIMED_OUT
    for _ in range(2):
        zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
        zx.zx_object_signal(event, ZX_USER_SIGNAL_0, 0)
    assert signal_of(zx.zx_port_wait(port, 0)[1])[1] == ZX_USER_SIGNAL_0  # though it has fallen again
    assert zx.zx_port_wait(port, 0)[0] == ZX_ERR_TIMED_OUT


def test_an_edge_is_only_a_rise(zx: Any, event: int) -> None:
    _, port = zx.zx_port_create(0)
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    zx.zx_object_wait_async(event, port, 9, ZX_USER_SIGNAL_0, ZX_WAIT_ASYNC_EDGE)
    assert zx.zx_port_wait(port, 0)[0] == ZX_ERR_TIMED_OUT
    zx.zx_object_signal(event, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    assert zx.zx_port_wait(port, 0)[0] == ZX_OK


@pytest.mark.parametrize("option", [ZX_WAIT_ASYNC_TIMESTAMP, ZX_WAIT_ASYNC_BOOT_TIMESTAMP])
def test_a_timestamp_says_when_the_signal_rose(zx: Any, event: int, option: int) -> None:
    _, port = zx.zx_port_create(0)
    zx.zx_object_wait_async(event, port, 9, ZX_USER_SIGNAL_0, option)
    zx.zx_nanosleep(zx.zx_deadline_after(MS))
    risen = zx.zx_clock_get_monotonic()
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    zx.zx_nanosleep(zx.zx_deadline_after(MS))
    assert signal_of(zx.zx_port_wait(port, 0)[1])[3] == risen


def test_a_closed_handle_ends_the_wait_by_port_without_a_packet(zx: Any, event: int) -> None:
    _, port = zx.zx_port_create(0)
    _, other = zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS)
    zx.zx_object_wait_async(event, port, 9, ZX_USER_SIGNAL_0, 0)
    zx.zx_handle_close(event)
    zx.zx_object_signal(other, 0, ZX_USER_SIGNAL_0)
    assert zx.zx_port_wait(port, 0)[0] == ZX_ERR_TIMED_OUT


@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_ACCESS_DENIED")
def test_waiting_by_port_checks_options_then_port_then_handle(k: Any, zx: Any, event: int) -> None:
    _, port = zx.zx_port_create(0)
    _, weak = zx.zx_handle_duplicate(port, ZX_RIGHT_SAME_RIGHTS)
    weak = zx.zx_handle_replace(weak, k.host.dispatcher.handles.get(weak).rights & ~ZX_RIGHT_WRITE)[1]
    _, deaf = zx.zx_handle_duplicate(event, ZX_DEFAULT_EVENT_RIGHTS & ~ZX_RIGHT_WAIT)
    both = ZX_WAIT_ASYNC_TIMESTAMP | ZX_WAIT_ASYNC_BOOT_TIMESTAMP
    assert zx.zx_object_wait_async(0, 0, 0, 1, both) == ZX_ERR_INVALID_ARGS
    assert zx.zx_object_wait_async(0, 0, 0, 1, 1 << 7) == ZX_ERR_INVALID_ARGS
    assert zx.zx_object_wait_async(0, 0, 0, 1, 0) == ZX_ERR_BAD_HANDLE
    assert zx.zx_object_wait_async(0, event, 0, 1, 0) == ZX_ERR_WRONG_TYPE
    assert zx.zx_object_wait_async(0, weak, 0, 1, 0) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_object_wait_async(0, port, 0, 1, 0) == ZX_ERR_BAD_HANDLE
    assert zx.zx_object_wait_async(deaf, port, 0, 1, 0) == ZX_ERR_ACCESS_DENIED
