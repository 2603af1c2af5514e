"""Ports. Source: docs/reference/syscalls/port_*.md, zircon/system/utest/core/port/port.cc."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_PORT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_PKT_TYPE_USER,
    ZX_PORT_BIND_TO_INTERRUPT,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_RIGHTS_BASIC,
    ZX_THREAD_STATE_BLOCKED_PORT,
    ZX_TIME_INFINITE,
    ZX_USER_SIGNAL_0,
    ZX_USER_SIGNAL_1,
    zx_port_packet_t,
)
from jacinth.kernel.ipc.port import MAX_USER_PACKETS

from .conftest import BAD_ADDRESS, MS, Program

SIZE = 48


def raw(key: int, payload: bytes = b"", *, type_: int = 0, status: int = 0) -> bytes:
    """A zx_port_packet_t."""
    return struct.pack("<QIi32s", key, type_, status, payload)


def payload_of(packet: Any) -> bytes:
    return packet.pack()[16:]


def signal_of(packet: Any) -> tuple[int, ...]:
    """Trigger, observed, count and timestamp of a signal packet."""
    return struct.unpack("<IIQQ", payload_of(packet)[:24])


@pytest.fixture
def port(zx: Any) -> int:
    status, value = zx.zx_port_create(0)
    assert status == ZX_OK
    return value


def keys(zx: Any, port: int) -> list[int]:
    """Take all packets. Answers their keys."""
    found = []
    while True:
        status, packet = zx.zx_port_wait(port, 0)
        if status != ZX_OK:
            assert status == ZX_ERR_TIMED_OUT
            return found
        found.append(packet.key)


def test_a_port_has_default_rights_and_one_option(k: Any, zx: Any, port: int) -> None:
    assert k.host.dispatcher.handles.get(port).rights == ZX_DEFAULT_PORT_RIGHTS
    assert zx.zx_port_create(ZX_PORT_BIND_TO_INTERRUPT)[0] == ZX_OK
    assert zx.zx_port_create(2) == (ZX_ERR_INVALID_ARGS, 0)


def test_a_packet_comes_out_as_it_went_in_but_for_its_type(zx: Any, port: int) -> None:
    payload = bytes(range(32))
    sent = raw((1 << 64) - 1, payload, type_=9, status=-5)
    assert zx.zx_port_queue(port, zx_port_packet_t.unpack(sent)) == ZX_OK
    status, packet = zx.zx_port_wait(port, 0)
    assert status == ZX_OK and len(packet.pack()) == SIZE
    assert packet.pack() == raw((1 << 64) - 1, payload, type_=ZX_PKT_TYPE_USER, status=-5)


def test_packets_come_in_order(zx: Any, port: int) -> None:
    for key in (3, 1, 2):
        zx.zx_port_queue(port, raw(key))
    assert keys(zx, port) == [3, 1, 2]


def test_who_has_observed_a_signal_last_is_told_first(zx: Any, port: int) -> None:
    """Source: utest/core/port/ports.cc, which takes five of seven packets and adds up their keys."""
    _, event = zx.zx_event_create(0)
    for key in range(7):
        assert zx.zx_object_wait_async(event, port, key, ZX_USER_SIGNAL_0, 0) == ZX_OK
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    assert keys(zx, port) == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.shows("zx_port_wait", "ZX_ERR_TIMED_OUT")
def test_waiting_times_out(zx: Any, port: int) -> None:
    deadline = zx.zx_deadline_after(MS)
    assert zx.zx_port_wait(port, deadline)[0] == ZX_ERR_TIMED_OUT
    assert zx.zx_clock_get_monotonic() >= deadline


def test_who_waits_longest_is_served_first(zx: Any, port: int, program: Program) -> None:
    mine = program.give(port)

    async def wait(body: Any, name: str) -> Any:
        status, packet = await body.zx_port_wait(mine, ZX_TIME_INFINITE)
        return name, status, packet.key

    first = program.start(wait, "first")
    program.settle()
    assert first.info_state == ZX_THREAD_STATE_BLOCKED_PORT
    program.start(wait, "second")
    program.settle()
    zx.zx_port_queue(port, raw(1))
    zx.zx_port_queue(port, raw(2))
    zx.zx_port_queue(port, raw(3))
    program.settle()
    assert sorted(program.results) == [("first", ZX_OK, 1), ("second", ZX_OK, 2)]
    assert keys(zx, port) == [3]


def test_a_packet_for_a_waiter_that_is_killed_goes_to_the_next_one(
    zx: Any, port: int, program: Program
) -> None:
    mine = program.give(port)

    async def wait(body: Any) -> Any:
        return (await body.zx_port_wait(mine, ZX_TIME_INFINITE))[1].key

    doomed = program.start(wait)
    program.settle()
    program.start(wait)
    program.settle()
    zx.zx_port_queue(port, raw(7))
    doomed.kill()
    program.settle()
    assert program.results == [7]


def test_a_packet_for_the_only_waiter_that_is_killed_stays(zx: Any, port: int, program: Program) -> None:
    mine = program.give(port)

    async def wait(body: Any) -> Any:
        return await body.zx_port_wait(mine, ZX_TIME_INFINITE)

    doomed = program.start(wait)
    program.settle()
    zx.zx_port_queue(port, raw(7))
    zx.zx_port_queue(port, raw(8))
    doomed.kill()
    assert keys(zx, port) == [7, 8]


def test_a_bad_pointer_loses_the_packet(zx: Any, port: int) -> None:
    assert zx.zx_port_queue(port, BAD_ADDRESS) == ZX_ERR_INVALID_ARGS
    assert keys(zx, port) == []


@pytest.mark.shows("zx_port_cancel", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_port_cancel", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_port_cancel_key", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_port_cancel_key", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_port_queue", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_port_wait", "ZX_ERR_ACCESS_DENIED")
def test_rights_and_types_are_checked(k: Any, zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    _, mute = zx.zx_handle_duplicate(port, ZX_DEFAULT_PORT_RIGHTS & ~ZX_RIGHT_WRITE)
    _, deaf = zx.zx_handle_duplicate(port, ZX_DEFAULT_PORT_RIGHTS & ~ZX_RIGHT_READ)
    assert zx.zx_port_queue(ZX_HANDLE_INVALID, raw(1)) == ZX_ERR_BAD_HANDLE
    assert zx.zx_port_queue(event, raw(1)) == ZX_ERR_WRONG_TYPE
    assert zx.zx_port_queue(mute, raw(1)) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_port_wait(ZX_HANDLE_INVALID, 0)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_port_wait(event, 0)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_port_wait(deaf, 0)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_port_cancel(mute, event, 0) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_port_cancel(event, event, 0) == ZX_ERR_WRONG_TYPE
    assert zx.zx_port_cancel(port, ZX_HANDLE_INVALID, 0) == ZX_ERR_BAD_HANDLE
    unwaitable = zx.zx_handle_duplicate(event, k.host.dispatcher.handles.get(event).rights & ~ZX_RIGHT_WAIT)[
        1
    ]
    assert zx.zx_port_cancel(port, unwaitable, 0) == ZX_ERR_ACCESS_DENIED
    blind = k.host.add(k.host.dispatcher.handles.get(port).object, ZX_RIGHTS_BASIC)
    assert zx.zx_port_cancel(port, blind, 0) == ZX_ERR_NOT_SUPPORTED  # a port has no signals
    assert zx.zx_port_cancel_key(ZX_HANDLE_INVALID, 1, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_port_cancel_key(ZX_HANDLE_INVALID, 0, 0) == ZX_ERR_BAD_HANDLE
    assert zx.zx_port_cancel_key(mute, 0, 0) == ZX_ERR_ACCESS_DENIED


# Cancelling


@pytest.mark.shows("zx_port_cancel", "ZX_ERR_NOT_FOUND")
def test_cancel_ends_waits_of_one_source_and_key(zx: Any, port: int) -> None:
    events = [zx.zx_event_create(0)[1] for _ in range(2)]
    for event in events:
        for key in (1, 2):
            zx.zx_object_wait_async(event, port, key, ZX_USER_SIGNAL_0, 0)
    assert zx.zx_port_cancel(port, events[0], 1) == ZX_OK
    assert zx.zx_port_cancel(port, events[0], 1) == ZX_ERR_NOT_FOUND
    for event in events:
        zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    assert sorted(keys(zx, port)) == [1, 2, 2]


def test_cancel_drops_queued_packets_of_the_source_but_never_a_programs_own(zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    zx.zx_object_wait_async(event, port, 5, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    zx.zx_port_queue(port, raw(5))
    assert zx.zx_port_cancel(port, event, 5) == ZX_OK
    assert keys(zx, port) == [5]
    zx.zx_port_queue(port, raw(5))
    assert zx.zx_port_cancel(port, event, 5) == ZX_ERR_NOT_FOUND


@pytest.mark.shows("zx_port_cancel", "ZX_ERR_NOT_FOUND")
def test_cancel_looks_at_the_handle_not_the_object(zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    _, other = zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS)
    zx.zx_object_wait_async(event, port, 5, ZX_USER_SIGNAL_0, 0)
    assert zx.zx_port_cancel(port, other, 5) == ZX_ERR_NOT_FOUND
    assert zx.zx_port_cancel(port, event, 5) == ZX_OK


def test_cancel_leaves_waits_of_other_ports(zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    _, other = zx.zx_port_create(0)
    zx.zx_object_wait_async(event, port, 5, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_wait_async(event, other, 5, ZX_USER_SIGNAL_0, 0)
    assert zx.zx_port_cancel(port, event, 5) == ZX_OK
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
    assert keys(zx, port) == [] and keys(zx, other) == [5]


@pytest.mark.shows("zx_port_cancel_key", "ZX_ERR_NOT_FOUND")
def test_cancel_key_ends_everything_with_the_key(zx: Any, port: int) -> None:
    events = [zx.zx_event_create(0)[1] for _ in range(2)]
    zx.zx_object_wait_async(events[0], port, 5, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_wait_async(events[1], port, 5, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_wait_async(events[1], port, 6, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_signal(events[0], 0, ZX_USER_SIGNAL_0)
    zx.zx_port_queue(port, raw(5))
    assert zx.zx_port_cancel_key(port, 0, 5) == ZX_OK
    assert zx.zx_port_cancel_key(port, 0, 5) == ZX_ERR_NOT_FOUND
    zx.zx_object_signal(events[1], 0, ZX_USER_SIGNAL_0)
    assert keys(zx, port) == [6]


# Ends


def test_packets_outlive_the_objects_they_are_about(zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    zx.zx_object_wait_async(event, port, 5, ZX_USER_SIGNAL_0, 0)
    zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1)
    zx.zx_handle_close(event)
    status, packet = zx.zx_port_wait(port, 0)
    assert status == ZX_OK and signal_of(packet)[1] == ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1


def test_a_closed_port_watches_nothing(k: Any, zx: Any, port: int) -> None:
    _, event = zx.zx_event_create(0)
    zx.zx_object_wait_async(event, port, 5, ZX_USER_SIGNAL_0, 0)
    dispatcher = k.host.dispatcher.handles.get(event).object
    assert len(list(dispatcher.observers())) == 1
    zx.zx_handle_close(port)
    assert not list(dispatcher.observers())


def test_too_many_packets_raise_an_exception_in_the_sender(
    k: Any, zx: Any, port: int, program: Program
) -> None:
    mine = program.give(port)

    async def flood(body: Any) -> None:
        for key in range(MAX_USER_PACKETS + 2):
            program.results.append(await body.zx_port_queue(mine, raw(key)))

    thread = program.start(flood)
    program.settle()
    assert program.results[: MAX_USER_PACKETS + 1] == [ZX_OK] * (MAX_USER_PACKETS + 1)
    assert thread.exception is not None
    assert len(keys(zx, port)) == MAX_USER_PACKETS + 1
    assert zx.zx_port_queue(port, raw(1)) == ZX_OK  # there is room again
