"""Handles: values, rights, counts, koids. Source: docs/reference/syscalls/handle_*.md; core tests of handles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_CANCELED,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_OUT_OF_RANGE,
    ZX_EVENT_SIGNALED,
    ZX_HANDLE_FIXED_BITS_MASK,
    ZX_HANDLE_INVALID,
    ZX_INFO_HANDLE_COUNT,
    ZX_INFO_HANDLE_VALID,
    ZX_OK,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_SIGNAL,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_TIME_INFINITE,
    zx_info_handle_count_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import MAX_HANDLES
from tests.tasks.conftest import Calls, Memory, Program

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10


def count(calls: Calls, handle: int) -> int:
    return int(calls.info(handle, ZX_INFO_HANDLE_COUNT, zx_info_handle_count_t).handle_count)


def test_values_have_their_low_bits_set_and_are_not_used_again(calls: Calls) -> None:
    seen = set()
    for _ in range(1000):
        event = calls.event()
        assert event & ZX_HANDLE_FIXED_BITS_MASK == ZX_HANDLE_FIXED_BITS_MASK
        assert 0 < event < 1 << 31 and event not in seen
        seen.add(event)
        calls.close(event)


def test_koids_grow_and_are_not_used_again(calls: Calls) -> None:
    koids = []
    for _ in range(50):
        event = calls.event()
        koids.append(calls.koid(event))
        calls.close(event)
    assert koids == sorted(set(koids))


def test_a_value_means_nothing_in_another_process(calls: Calls, program: Program) -> None:
    event = calls.event()

    async def body(zx: Any) -> Any:
        return await zx.zx_handle_close(event)

    program.start(body)
    program.settle()
    assert program.results == [ZX_ERR_BAD_HANDLE]
    calls.close(event)


# zx_handle_close


def test_closing_no_handle_is_no_error(calls: Calls) -> None:
    assert calls.zx.zx_handle_close(ZX_HANDLE_INVALID) == ZX_OK


@pytest.mark.shows("zx_handle_close", "ZX_ERR_BAD_HANDLE")
@pytest.mark.parametrize("value", [NEVER_A_HANDLE, 0x7FFF_FFFF, 0xFFFF_FFFF])
def test_closing_what_is_no_handle(calls: Calls, value: int) -> None:
    assert calls.zx.zx_handle_close(value) == ZX_ERR_BAD_HANDLE


def test_a_handle_is_closed_once(calls: Calls) -> None:
    event = calls.event()
    assert calls.zx.zx_handle_close(event) == ZX_OK
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE


def test_a_value_with_other_low_bits_is_another_value(calls: Calls) -> None:
    event = calls.event()
    for value in (event ^ 1, event ^ 2, event ^ 3, event | 1 << 31):
        assert calls.zx.zx_handle_close(value) == ZX_ERR_BAD_HANDLE
    calls.close(event)


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_CANCELED")
def test_closing_a_handle_ends_the_waits_through_it(program: Program) -> None:
    async def waits(zx: Any, event: int) -> Any:
        return await zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE)

    async def closes(zx: Any, event: int) -> None:
        assert await zx.zx_handle_close(event) == ZX_OK

    zx = program.k.host.sys
    _, event = zx.zx_event_create(0)
    value = program.give(event)
    program.start(waits, value)
    program.settle()
    program.start(closes, value)
    program.settle()
    assert program.results[1][0] == ZX_ERR_CANCELED


def test_closing_one_of_two_handles_ends_no_wait_through_the_other(program: Program) -> None:
    async def waits(zx: Any, event: int) -> Any:
        return await zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE)

    zx = program.k.host.sys
    _, event = zx.zx_event_create(0)
    _, other = zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS)
    program.start(waits, program.give(event))
    program.settle()
    assert zx.zx_handle_close(event) == ZX_OK
    program.settle()
    assert program.results == []
    assert zx.zx_object_signal(other, 0, ZX_EVENT_SIGNALED) == ZX_OK
    program.settle()
    assert program.results[0][0] == ZX_OK


# zx_handle_check_valid


@pytest.mark.shows("zx_handle_check_valid", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_handle_check_valid", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_handle_check_valid", "ZX_ERR_NOT_FOUND")
def test_a_handle_is_valid_until_it_is_closed(calls: Calls) -> None:
    check = calls.zx.zx_handle_check_valid
    event = calls.event()
    assert check(event) == ZX_OK
    assert check(calls.duplicate(event, 0)) == ZX_OK
    assert check(ZX_HANDLE_INVALID) == ZX_ERR_INVALID_ARGS
    for value in (event ^ 1, event ^ 2, event ^ 3, 1, 2, 4):
        assert check(value) == ZX_ERR_OUT_OF_RANGE
    assert check(NEVER_A_HANDLE) == check(0xFFFF_FFFF) == ZX_ERR_NOT_FOUND
    calls.close(event)
    assert check(event) == ZX_ERR_NOT_FOUND


def test_a_handle_of_another_process_is_not_found(calls: Calls, program: Program) -> None:
    event = calls.event()

    async def body(zx: Any) -> Any:
        return await zx.zx_handle_check_valid(event)

    program.start(body)
    program.settle()
    assert program.results == [ZX_ERR_NOT_FOUND]


# zx_handle_close_many


@pytest.mark.shows("zx_handle_close_many", "ZX_ERR_BAD_HANDLE")
def test_close_many_closes_all_it_can(calls: Calls) -> None:
    events = [calls.event() for _ in range(4)]
    values = [events[0], ZX_HANDLE_INVALID, NEVER_A_HANDLE, events[1], events[0], events[2]]
    assert calls.zx.zx_handle_close_many(values) == ZX_ERR_BAD_HANDLE
    valid = [calls.zx.zx_object_get_info(event, ZX_INFO_HANDLE_VALID, 0)[0] for event in events]
    assert valid == [ZX_ERR_BAD_HANDLE] * 3 + [ZX_OK]


@pytest.mark.shows("zx_handle_close_many", "ZX_ERR_INVALID_ARGS")
def test_close_many_of_nothing_and_of_no_handles(calls: Calls, trap: Callable[..., int]) -> None:
    assert calls.zx.zx_handle_close_many([]) == ZX_OK
    assert calls.zx.zx_handle_close_many([ZX_HANDLE_INVALID] * 3) == ZX_OK
    assert trap("zx_handle_close_many", 0, 0) == ZX_OK
    assert trap("zx_handle_close_many", 0, 1) == ZX_ERR_INVALID_ARGS
    assert trap("zx_handle_close_many", BAD_ADDRESS, 1) == ZX_ERR_INVALID_ARGS


def test_close_many_takes_any_number(calls: Calls) -> None:
    events = [calls.event() for _ in range(3000)]
    before = len(calls.k.host.dispatcher.handles)
    assert calls.zx.zx_handle_close_many(events) == ZX_OK
    assert len(calls.k.host.dispatcher.handles) == before - len(events)


def test_close_many_stops_where_no_array_can_go_on(
    calls: Calls, memory: Memory, trap: Callable[..., int]
) -> None:
    """The array leaves the memory: the handles before that are closed."""
    event = calls.event()
    address = memory.put(memory.SIZE - 4096, event.to_bytes(4, "little") * 1024)
    assert trap("zx_handle_close_many", address, MAX_HANDLES * 4) == ZX_ERR_INVALID_ARGS
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE


# zx_handle_duplicate


def test_a_duplicate_refers_to_the_same_object(calls: Calls) -> None:
    event = calls.event()
    other = calls.duplicate(event, ZX_RIGHT_SAME_RIGHTS)
    assert other != event
    one, two = calls.basic(event), calls.basic(other)
    assert (one.koid, one.rights, one.type) == (two.koid, two.rights, two.type)
    assert count(calls, event) == 2
    calls.close(event)
    assert count(calls, other) == 1
    assert calls.zx.zx_object_signal(other, 0, ZX_EVENT_SIGNALED) == ZX_OK


@pytest.mark.shows("zx_handle_duplicate", "ZX_ERR_INVALID_ARGS")
def test_rights_can_only_be_given_up(calls: Calls) -> None:
    event = calls.event()
    fewer = calls.duplicate(event, ZX_RIGHT_DUPLICATE | ZX_RIGHT_WAIT)
    assert calls.basic(fewer).rights == ZX_RIGHT_DUPLICATE | ZX_RIGHT_WAIT
    assert calls.zx.zx_handle_duplicate(fewer, ZX_RIGHT_WAIT | ZX_RIGHT_SIGNAL) == (ZX_ERR_INVALID_ARGS, 0)
    assert calls.basic(calls.duplicate(fewer, ZX_RIGHT_SAME_RIGHTS)).rights == calls.basic(fewer).rights
    assert calls.basic(calls.duplicate(fewer, 0)).rights == 0
    assert calls.basic(event).rights == ZX_DEFAULT_EVENT_RIGHTS


@pytest.mark.shows("zx_handle_duplicate", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_handle_duplicate", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_handle_duplicate", "ZX_ERR_INVALID_ARGS")
def test_duplicate_checks_the_handle_then_its_right_then_the_rights(calls: Calls) -> None:
    beyond = 1 << 30
    assert calls.zx.zx_handle_duplicate(NEVER_A_HANDLE, beyond) == (ZX_ERR_BAD_HANDLE, 0)
    assert calls.zx.zx_handle_duplicate(ZX_HANDLE_INVALID, 0) == (ZX_ERR_BAD_HANDLE, 0)
    unique = calls.without(calls.event(), ZX_RIGHT_DUPLICATE)
    assert calls.zx.zx_handle_duplicate(unique, beyond) == (ZX_ERR_ACCESS_DENIED, 0)
    assert calls.zx.zx_handle_duplicate(unique, ZX_RIGHT_SAME_RIGHTS) == (ZX_ERR_ACCESS_DENIED, 0)
    assert calls.zx.zx_handle_duplicate(calls.event(), beyond) == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.shows("zx_handle_duplicate", "ZX_ERR_INVALID_ARGS")
def test_duplicate_with_a_bad_pointer_makes_no_handle(calls: Calls, trap: Callable[..., int]) -> None:
    event = calls.event()
    for address in (0, BAD_ADDRESS):
        assert trap("zx_handle_duplicate", event, ZX_RIGHT_SAME_RIGHTS, address) == ZX_ERR_INVALID_ARGS
    assert count(calls, event) == 1


# zx_handle_replace


def test_replace_closes_the_old_handle(calls: Calls) -> None:
    event = calls.event()
    koid = calls.koid(event)
    fewer = calls.ok(calls.zx.zx_handle_replace(event, ZX_RIGHT_INSPECT))
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    basic = calls.basic(fewer)
    assert (basic.koid, basic.rights, count(calls, fewer)) == (koid, ZX_RIGHT_INSPECT, 1)


def test_replace_needs_no_right(calls: Calls) -> None:
    event = calls.ok(calls.zx.zx_handle_replace(calls.event(), ZX_RIGHT_TRANSFER))
    same = calls.ok(calls.zx.zx_handle_replace(event, ZX_RIGHT_SAME_RIGHTS))
    assert calls.basic(same).rights == ZX_RIGHT_TRANSFER
    none = calls.ok(calls.zx.zx_handle_replace(same, 0))
    assert calls.basic(none).rights == 0


@pytest.mark.shows("zx_handle_replace", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_handle_replace", "ZX_ERR_INVALID_ARGS")
def test_replace_closes_the_handle_when_it_fails_too(calls: Calls) -> None:
    event = calls.event()
    assert calls.zx.zx_handle_replace(event, 1 << 30) == (ZX_ERR_INVALID_ARGS, 0)
    assert calls.zx.zx_handle_close(event) == ZX_ERR_BAD_HANDLE
    assert calls.zx.zx_handle_replace(event, ZX_RIGHT_SAME_RIGHTS) == (ZX_ERR_BAD_HANDLE, 0)


def test_a_replaced_handle_is_never_the_last_one_of_its_object(calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_eventpair_create(0))
    calls.ok(calls.zx.zx_handle_replace(one, ZX_RIGHT_SAME_RIGHTS))
    assert calls.zx.zx_object_signal_peer(other, 0, 1 << 24) == ZX_OK


# ZX_INFO_HANDLE_*


def test_handles_in_messages_count(calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_channel_create(0))
    event = calls.event()
    assert calls.zx.zx_channel_write(one, 0, b"", [calls.duplicate(event, ZX_RIGHT_SAME_RIGHTS)]) == ZX_OK
    assert count(calls, event) == 2
    calls.close(one, other)
    assert count(calls, event) == 1


def test_related_koids(calls: Calls) -> None:
    job = calls.job()
    process = calls.process(job)
    thread = calls.thread(process)
    one, other = calls.ok(calls.zx.zx_channel_create(0))
    related = [calls.basic(handle).related_koid for handle in (job, process, thread, one, other)]
    expected = [calls.koid(handle) for handle in (calls.k.host.root_job, job, process, other, one)]
    assert related == expected
    assert calls.basic(calls.k.host.root_job).related_koid == 0
    assert calls.basic(calls.event()).related_koid == 0
    # It does not change when the other object goes.
    calls.close(one)
    assert calls.basic(other).related_koid == expected[4]


@pytest.mark.shows("zx_object_get_info", "ZX_ERR_BAD_HANDLE")
def test_handle_valid_is_asked_without_rights_and_without_policy(k: Kernel, calls: Calls) -> None:
    powerless = calls.duplicate(calls.event(), 0)
    assert calls.zx.zx_object_get_info(powerless, ZX_INFO_HANDLE_VALID, 0)[0] == ZX_OK
    for value in (ZX_HANDLE_INVALID, NEVER_A_HANDLE):
        assert calls.zx.zx_object_get_info(value, ZX_INFO_HANDLE_VALID, 0)[0] == ZX_ERR_BAD_HANDLE
