"""Channels. Source: docs/reference/syscalls/channel_*.md, zircon/system/utest/core/channel/."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth.abi import (
    ZX_CHANNEL_MAX_MSG_BYTES,
    ZX_CHANNEL_MAX_MSG_HANDLES,
    ZX_CHANNEL_MAX_MSG_IOVECS,
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READ_MAY_DISCARD,
    ZX_CHANNEL_READABLE,
    ZX_CHANNEL_WRITABLE,
    ZX_CHANNEL_WRITE_USE_IOVEC,
    ZX_DEFAULT_CHANNEL_RIGHTS,
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_CANCELED,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_SHOULD_WAIT,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_HANDLE_OP_DUPLICATE,
    ZX_HANDLE_OP_MOVE,
    ZX_OBJ_TYPE_CHANNEL,
    ZX_OBJ_TYPE_EVENT,
    ZX_OBJ_TYPE_NONE,
    ZX_OK,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_SIGNAL,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_SIGNAL_HANDLE_CLOSED,
    ZX_TIME_INFINITE,
    ZX_USER_SIGNAL_0,
    ZxError,
    zx_channel_call_args_t,
    zx_channel_call_etc_args_t,
    zx_handle_disposition_t,
    zx_handle_info_t,
)
from jacinth.kernel.ipc.channel import MAX_PENDING_MESSAGES

from .conftest import BAD_ADDRESS, MS, Memory, Program

Pair = tuple[int, int]


@pytest.fixture
def pair(zx: Any) -> Pair:
    status, one, other = zx.zx_channel_create(0)
    assert status == ZX_OK
    return one, other


def event(zx: Any) -> int:
    status, value = zx.zx_event_create(0)
    assert status == ZX_OK
    return value


def signals(k: Any, value: int) -> int:
    return k.host.dispatcher.handles.get(value).object.signals


def is_open(k: Any, value: int) -> bool:
    return k.host.dispatcher.handles.get(value) is not None


def read(zx: Any, channel: int) -> tuple[Any, bytes, list[int]]:
    status, data, handles, _, _ = zx.zx_channel_read(channel, 0, ZX_CHANNEL_MAX_MSG_BYTES, 64)
    return status, data, handles


def without(zx: Any, value: int, right: int) -> int:
    """A second handle to the object of *value* that lacks *right*."""
    status, reduced = zx.zx_handle_duplicate(value, zx.call.handles.get(value).rights & ~right)
    assert status == ZX_OK
    return reduced


def weak_channel(zx: Any, k: Any, right: int) -> int:
    """One end of a channel, by a handle that lacks *right*."""
    _, one, _other = zx.zx_channel_create(0)
    status, reduced = zx.zx_handle_replace(one, ZX_DEFAULT_CHANNEL_RIGHTS & ~right)
    assert status == ZX_OK
    return reduced


# Creation


def test_a_new_channel_is_writable_and_has_two_different_ends_with_default_rights(
    k: Any, zx: Any, pair: Pair
) -> None:
    for value in pair:
        handle = k.host.dispatcher.handles.get(value)
        assert handle.rights == ZX_DEFAULT_CHANNEL_RIGHTS
        assert handle.object.signals == ZX_CHANNEL_WRITABLE
        assert handle.object.TYPE == ZX_OBJ_TYPE_CHANNEL
    one, other = (k.host.dispatcher.handles.get(value).object for value in pair)
    assert one.related_koid == other.koid and other.related_koid == one.koid


def test_creation_takes_no_options(zx: Any) -> None:
    assert zx.zx_channel_create(1) == (ZX_ERR_INVALID_ARGS, 0, 0)


def test_channels_cannot_be_duplicated(zx: Any, pair: Pair) -> None:
    assert zx.zx_handle_duplicate(pair[0], ZX_RIGHT_SAME_RIGHTS)[0] == ZX_ERR_ACCESS_DENIED


# Messages


@pytest.mark.shows("zx_channel_read", "ZX_ERR_SHOULD_WAIT")
def test_a_message_arrives_at_the_other_end_only(zx: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_channel_write(one, 0, b"hello", []) == ZX_OK
    assert read(zx, one)[0] == ZX_ERR_SHOULD_WAIT
    assert zx.zx_channel_read(other, 0, 16, 0) == (ZX_OK, b"hello", [], 5, 0)
    assert read(zx, other)[0] == ZX_ERR_SHOULD_WAIT


def test_messages_arrive_in_order_and_are_not_joined(zx: Any, pair: Pair) -> None:
    for number in range(5):
        assert zx.zx_channel_write(pair[0], 0, bytes([number]), []) == ZX_OK
    assert [read(zx, pair[1])[1] for _ in range(5)] == [bytes([number]) for number in range(5)]


def test_an_empty_message_is_a_message(zx: Any, pair: Pair) -> None:
    assert zx.zx_channel_write(pair[0], 0, b"", []) == ZX_OK
    assert read(zx, pair[1]) == (ZX_OK, b"", [])


def test_readable_is_asserted_while_messages_are_queued(k: Any, zx: Any, pair: Pair) -> None:
    one, other = pair
    zx.zx_channel_write(one, 0, b"a", [])
    zx.zx_channel_write(one, 0, b"b", [])
    assert signals(k, other) == ZX_CHANNEL_READABLE | ZX_CHANNEL_WRITABLE
    assert signals(k, one) == ZX_CHANNEL_WRITABLE
    read(zx, other)
    assert signals(k, other) & ZX_CHANNEL_READABLE
    read(zx, other)
    assert not signals(k, other) & ZX_CHANNEL_READABLE


@pytest.mark.shows("zx_channel_write", "ZX_ERR_OUT_OF_RANGE")
def test_the_largest_message_fits_and_a_larger_one_is_out_of_range(zx: Any, pair: Pair) -> None:
    largest = bytes(range(256)) * (ZX_CHANNEL_MAX_MSG_BYTES // 256)
    assert zx.zx_channel_write(pair[0], 0, largest, []) == ZX_OK
    assert read(zx, pair[1])[1] == largest
    assert zx.zx_channel_write(pair[0], 0, largest + b"x", []) == ZX_ERR_OUT_OF_RANGE


def test_the_most_handles_fit_and_one_more_is_out_of_range(k: Any, zx: Any, pair: Pair) -> None:
    sent = [event(zx) for _ in range(ZX_CHANNEL_MAX_MSG_HANDLES)]
    assert zx.zx_channel_write(pair[0], 0, b"", sent) == ZX_OK
    status, _, received = read(zx, pair[1])
    assert status == ZX_OK and len(received) == ZX_CHANNEL_MAX_MSG_HANDLES
    received.append(event(zx))
    assert zx.zx_channel_write(pair[0], 0, b"", received) == ZX_ERR_OUT_OF_RANGE
    assert not any(is_open(k, value) for value in received)


def test_a_handle_in_a_message_leaves_the_sender_and_keeps_its_object(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    koid = k.host.dispatcher.handles.get(sent).object.koid
    assert zx.zx_channel_write(pair[0], 0, b"", [sent]) == ZX_OK
    assert not is_open(k, sent)
    _, _, (received,) = read(zx, pair[1])
    assert received != sent
    handle = k.host.dispatcher.handles.get(received)
    assert handle.object.koid == koid and handle.rights == ZX_DEFAULT_EVENT_RIGHTS


# Reading


@pytest.mark.shows("zx_channel_read", "ZX_ERR_BUFFER_TOO_SMALL")
def test_a_message_that_does_not_fit_stays_and_its_sizes_are_told(zx: Any, pair: Pair) -> None:
    zx.zx_channel_write(pair[0], 0, b"four", [event(zx)])
    assert zx.zx_channel_read(pair[1], 0, 3, 1) == (ZX_ERR_BUFFER_TOO_SMALL, b"", [], 4, 1)
    assert zx.zx_channel_read(pair[1], 0, 4, 0) == (ZX_ERR_BUFFER_TOO_SMALL, b"", [], 4, 1)
    assert zx.zx_channel_read(pair[1], 0, 4, 1)[0] == ZX_OK


@pytest.mark.shows("zx_channel_read", "ZX_ERR_BUFFER_TOO_SMALL")
def test_a_message_that_may_be_discarded_is_lost_with_its_handles(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    zx.zx_channel_write(pair[0], 0, b"four", [sent])
    answer = zx.zx_channel_read(pair[1], ZX_CHANNEL_READ_MAY_DISCARD, 3, 1)
    assert answer == (ZX_ERR_BUFFER_TOO_SMALL, b"", [], 4, 1)
    assert read(zx, pair[1])[0] == ZX_ERR_SHOULD_WAIT
    assert dispatcher.handle_count == 0


@pytest.mark.shows("zx_channel_read", "ZX_ERR_ACCESS_DENIED")
def test_reading_looks_at_the_handle_before_the_options(zx: Any, k: Any, pair: Pair) -> None:
    assert zx.zx_channel_read(ZX_HANDLE_INVALID, 2, 0, 0)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_channel_read(event(zx), 2, 0, 0)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_channel_read(weak_channel(zx, k, ZX_RIGHT_READ), 2, 0, 0)[0] == ZX_ERR_ACCESS_DENIED
    assert zx.zx_channel_read(pair[0], 2, 0, 0)[0] == ZX_ERR_NOT_SUPPORTED


def test_read_etc_tells_type_and_rights_of_each_handle(zx: Any, pair: Pair) -> None:
    sent = without(zx, event(zx), ZX_RIGHT_SIGNAL)
    zx.zx_channel_write(pair[0], 0, b"x", [sent])
    status, data, (info,), size, count = zx.zx_channel_read_etc(pair[1], 0, 1, 1)
    assert (status, data, size, count) == (ZX_OK, b"x", 1, 1)
    assert info.type == ZX_OBJ_TYPE_EVENT and info.rights == ZX_DEFAULT_EVENT_RIGHTS & ~ZX_RIGHT_SIGNAL
    assert zx.zx_handle_close(info.handle) == ZX_OK


def test_a_bad_pointer_for_the_bytes_loses_the_message_and_closes_its_handles(
    k: Any, zx: Any, pair: Pair, trap: Any, memory: Memory
) -> None:
    for call in ("zx_channel_read", "zx_channel_read_etc"):
        sent = event(zx)
        dispatcher = k.host.dispatcher.handles.get(sent).object
        before = len(k.host.dispatcher.handles)
        zx.zx_channel_write(pair[0], 0, b"x", [sent])
        answer = trap(call, pair[1], 0, BAD_ADDRESS, memory.address, 16, 16, 0, 0)
        assert answer == ZX_ERR_INVALID_ARGS
        assert dispatcher.handle_count == 0 and len(k.host.dispatcher.handles) == before - 1
        assert read(zx, pair[1])[0] == ZX_ERR_SHOULD_WAIT


def test_a_bad_pointer_for_the_handles_leaves_no_handle_behind(
    k: Any, zx: Any, pair: Pair, trap: Any, memory: Memory
) -> None:
    for call in ("zx_channel_read", "zx_channel_read_etc"):
        sent = [event(zx), event(zx)]
        dispatchers = [k.host.dispatcher.handles.get(value).object for value in sent]
        zx.zx_channel_write(pair[0], 0, b"x", sent)
        before = len(k.host.dispatcher.handles)
        assert trap(call, pair[1], 0, memory.address, BAD_ADDRESS, 16, 16, 0, 0) == ZX_ERR_INVALID_ARGS
        assert all(dispatcher.handle_count == 0 for dispatcher in dispatchers)
        assert len(k.host.dispatcher.handles) == before


def test_the_sizes_may_be_null(zx: Any, pair: Pair, trap: Any, memory: Memory) -> None:
    zx.zx_channel_write(pair[0], 0, b"abc", [])
    assert trap("zx_channel_read", pair[1], 0, memory.address, 0, 8, 0, 0, 0) == ZX_OK
    assert memory.get(0, 3) == b"abc"


# Writing: what happens to the handles


@pytest.mark.parametrize("reason", ["options", "bad handle", "wrong type", "access", "size", "closed"])
def test_a_failed_write_closes_its_handles(k: Any, zx: Any, pair: Pair, reason: str) -> None:
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    channel, options, data, expected = pair[0], 0, b"", ZX_OK
    if reason == "options":
        options, expected = 4, ZX_ERR_INVALID_ARGS
    elif reason == "bad handle":
        channel, expected = ZX_HANDLE_INVALID, ZX_ERR_BAD_HANDLE
    elif reason == "wrong type":
        channel, expected = event(zx), ZX_ERR_WRONG_TYPE
    elif reason == "access":
        channel, expected = weak_channel(zx, k, ZX_RIGHT_WRITE), ZX_ERR_ACCESS_DENIED
    elif reason == "size":
        data, expected = bytes(ZX_CHANNEL_MAX_MSG_BYTES + 1), ZX_ERR_OUT_OF_RANGE
    else:
        zx.zx_handle_close(pair[1])
        expected = ZX_ERR_PEER_CLOSED
    assert zx.zx_channel_write(channel, options, data, [sent]) == expected
    assert not is_open(k, sent) and dispatcher.handle_count == 0


def test_one_bad_handle_fails_the_write_and_closes_the_good_ones(k: Any, zx: Any, pair: Pair) -> None:
    first, last = event(zx), event(zx)
    assert zx.zx_channel_write(pair[0], 0, b"", [first, 0x7FFF_FFF3, last]) == ZX_ERR_BAD_HANDLE
    assert not is_open(k, first) and not is_open(k, last)
    assert read(zx, pair[1])[0] == ZX_ERR_SHOULD_WAIT


def test_the_same_handle_twice_is_a_bad_handle(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    assert zx.zx_channel_write(pair[0], 0, b"", [sent, sent]) == ZX_ERR_BAD_HANDLE
    assert not is_open(k, sent)


@pytest.mark.shows("zx_channel_write", "ZX_ERR_ACCESS_DENIED")
def test_a_handle_without_the_right_to_be_transferred_stays_with_nobody(k: Any, zx: Any, pair: Pair) -> None:
    sent = without(zx, event(zx), ZX_RIGHT_TRANSFER)
    assert zx.zx_channel_write(pair[0], 0, b"", [sent]) == ZX_ERR_ACCESS_DENIED
    assert not is_open(k, sent)


def test_the_first_error_among_the_handles_is_the_answer(zx: Any, pair: Pair) -> None:
    sent = without(zx, event(zx), ZX_RIGHT_TRANSFER)
    assert zx.zx_channel_write(pair[0], 0, b"", [sent, 0x7FFF_FFF3]) == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_channel_write", "ZX_ERR_NOT_SUPPORTED")
def test_an_end_cannot_be_written_into_itself(k: Any, zx: Any, pair: Pair) -> None:
    assert zx.zx_channel_write(pair[0], 0, b"", [pair[0]]) == ZX_ERR_NOT_SUPPORTED
    assert not is_open(k, pair[0])
    assert signals(k, pair[1]) == ZX_CHANNEL_PEER_CLOSED


def test_the_other_end_can_be_written_to_itself(k: Any, zx: Any, pair: Pair) -> None:
    assert zx.zx_channel_write(pair[0], 0, b"", [pair[1]]) == ZX_OK
    assert not is_open(k, pair[1])
    assert not signals(k, pair[0]) & ZX_CHANNEL_PEER_CLOSED


def test_bytes_that_cannot_be_read_fail_the_write(
    k: Any, zx: Any, pair: Pair, trap: Any, memory: Memory
) -> None:
    sent = event(zx)
    address = memory.put(0, struct.pack("<I", sent))
    assert trap("zx_channel_write", pair[0], 0, BAD_ADDRESS, 1, address, 1) == ZX_ERR_INVALID_ARGS
    assert not is_open(k, sent)
    assert trap("zx_channel_write", pair[0], 0, 0, 1, 0, 0) == ZX_ERR_INVALID_ARGS
    assert trap("zx_channel_write", pair[0], 0, 0, 0, BAD_ADDRESS, 1) == ZX_ERR_INVALID_ARGS
    assert read(zx, pair[1])[0] == ZX_ERR_SHOULD_WAIT


def test_too_many_messages_raise_an_exception_in_the_writer(zx: Any, pair: Pair, program: Program) -> None:
    channel = program.give(pair[0])

    async def flood(body: Any) -> None:
        for _ in range(MAX_PENDING_MESSAGES + 1):
            program.results.append(await body.zx_channel_write(channel, 0, b"", []))

    thread = program.start(flood)
    program.settle()
    assert program.results[:MAX_PENDING_MESSAGES] == [ZX_OK] * MAX_PENDING_MESSAGES
    assert thread.exception is not None


# Iovecs


def iovecs(memory: Memory, *parts: bytes, reserved: int = 0) -> tuple[int, int]:
    """An array of iovecs that point at *parts*; answers its address and length."""
    offset, array = 0x8000, b""
    for part in parts:
        array += struct.pack("<QII", memory.put(offset, part), len(part), reserved)
        offset += len(part) + 3
    return memory.put(0, array), len(parts)


def test_iovecs_are_gathered_in_order(zx: Any, pair: Pair, trap: Any, memory: Memory) -> None:
    address, count = iovecs(memory, b"one ", b"", b"two ", b"three")
    assert trap("zx_channel_write", pair[0], ZX_CHANNEL_WRITE_USE_IOVEC, address, count, 0, 0) == ZX_OK
    assert read(zx, pair[1])[1] == b"one two three"


@pytest.mark.shows("zx_channel_write", "ZX_ERR_OUT_OF_RANGE")
def test_iovecs_have_limits(zx: Any, pair: Pair, trap: Any, memory: Memory) -> None:
    use = ZX_CHANNEL_WRITE_USE_IOVEC

    def write(address: int, count: int) -> Any:
        return trap("zx_channel_write", pair[0], use, address, count, 0, 0)

    assert write(memory.address, ZX_CHANNEL_MAX_MSG_IOVECS + 1) == ZX_ERR_OUT_OF_RANGE
    big = bytes(ZX_CHANNEL_MAX_MSG_BYTES // 2)
    assert write(*iovecs(memory, big, big)) == ZX_OK
    assert write(*iovecs(memory, big, big, b"x")) == ZX_ERR_OUT_OF_RANGE
    assert write(*iovecs(memory, b"x", reserved=1)) == ZX_ERR_INVALID_ARGS
    assert write(memory.put(0, struct.pack("<QII", BAD_ADDRESS, 1, 0)), 1) == ZX_ERR_INVALID_ARGS
    assert write(memory.put(0, struct.pack("<QII", 0, 0, 0)), 1) == ZX_OK  # nothing is read through it
    assert write(BAD_ADDRESS, 1) == ZX_ERR_INVALID_ARGS


# Dispositions


def disposition(
    value: int,
    operation: int = ZX_HANDLE_OP_MOVE,
    type_: int = ZX_OBJ_TYPE_NONE,
    rights: int = ZX_RIGHT_SAME_RIGHTS,
) -> Any:
    return zx_handle_disposition_t(operation=operation, handle=value, type=type_, rights=rights, result=ZX_OK)


def test_a_moved_handle_may_lose_rights_on_its_way(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    status, _ = zx.zx_channel_write_etc(pair[0], 0, b"", [disposition(sent, rights=ZX_RIGHT_WAIT)])
    assert status == ZX_OK and not is_open(k, sent)
    _, _, (info,), _, _ = zx.zx_channel_read_etc(pair[1], 0, 0, 1)
    assert info.rights == ZX_RIGHT_WAIT


def test_a_duplicated_handle_stays_with_the_sender(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    wish = disposition(sent, ZX_HANDLE_OP_DUPLICATE, ZX_OBJ_TYPE_EVENT)
    assert zx.zx_channel_write_etc(pair[0], 0, b"", [wish, wish])[0] == ZX_OK
    assert is_open(k, sent)
    _, _, received = read(zx, pair[1])
    assert len(received) == 2
    assert k.host.dispatcher.handles.get(sent).object.handle_count == 3


def test_each_disposition_gets_its_own_result_and_the_first_error_is_the_answer(
    k: Any, zx: Any, pair: Pair
) -> None:
    good, kept, stuck, mistyped, unable = (event(zx) for _ in range(5))
    stuck = without(zx, stuck, ZX_RIGHT_TRANSFER)
    unable = without(zx, unable, ZX_RIGHT_DUPLICATE)
    moved_badly = event(zx)
    status, answers = zx.zx_channel_write_etc(
        pair[0],
        0,
        b"",
        [
            disposition(good),
            disposition(kept, ZX_HANDLE_OP_DUPLICATE, rights=ZX_DEFAULT_EVENT_RIGHTS | ZX_RIGHT_WRITE),
            disposition(stuck),
            disposition(mistyped, type_=ZX_OBJ_TYPE_CHANNEL),
            disposition(unable, ZX_HANDLE_OP_DUPLICATE),
            disposition(moved_badly, operation=7),
            disposition(0x7FFF_FFF3),
        ],
    )
    results = [answer.result for answer in answers]
    assert status == ZX_ERR_INVALID_ARGS
    assert results == [
        ZX_OK,
        ZX_ERR_INVALID_ARGS,
        ZX_ERR_ACCESS_DENIED,
        ZX_ERR_WRONG_TYPE,
        ZX_ERR_ACCESS_DENIED,
        ZX_ERR_INVALID_ARGS,
        ZX_ERR_BAD_HANDLE,
    ]
    assert is_open(k, kept) and is_open(k, unable)
    assert not any(is_open(k, value) for value in (good, stuck, mistyped, moved_badly))
    assert read(zx, pair[1])[0] == ZX_ERR_SHOULD_WAIT


@pytest.mark.shows("zx_channel_write_etc", "ZX_ERR_NOT_SUPPORTED")
def test_an_end_cannot_be_written_into_itself_by_disposition(zx: Any, pair: Pair) -> None:
    status, (answer,) = zx.zx_channel_write_etc(pair[0], 0, b"", [disposition(pair[0])])
    assert status == ZX_ERR_NOT_SUPPORTED and answer.result == ZX_ERR_NOT_SUPPORTED


def test_a_failed_write_etc_closes_what_was_to_move_and_keeps_what_was_to_be_duplicated(
    k: Any, zx: Any, pair: Pair
) -> None:
    moved, kept = event(zx), event(zx)
    wishes = [disposition(moved), disposition(kept, ZX_HANDLE_OP_DUPLICATE)]
    assert zx.zx_channel_write_etc(ZX_HANDLE_INVALID, 0, b"", wishes)[0] == ZX_ERR_BAD_HANDLE
    assert not is_open(k, moved) and is_open(k, kept)


# Closing


@pytest.mark.shows("zx_channel_read", "ZX_ERR_PEER_CLOSED")
@pytest.mark.shows("zx_channel_write", "ZX_ERR_PEER_CLOSED")
def test_the_last_handle_of_one_end_closes_the_other_to_writing(k: Any, zx: Any, pair: Pair) -> None:
    zx.zx_channel_write(pair[0], 0, b"left", [])
    zx.zx_handle_close(pair[0])
    assert signals(k, pair[1]) == ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED
    assert zx.zx_channel_write(pair[1], 0, b"", []) == ZX_ERR_PEER_CLOSED
    assert read(zx, pair[1])[:2] == (ZX_OK, b"left")  # what was on its way can still be read
    assert read(zx, pair[1])[0] == ZX_ERR_PEER_CLOSED


def test_messages_that_nobody_can_read_close_their_handles(k: Any, zx: Any, pair: Pair) -> None:
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    zx.zx_channel_write(pair[0], 0, b"", [sent])
    zx.zx_handle_close(pair[1])
    assert dispatcher.handle_count == 0


def test_a_long_chain_of_channels_in_channels_closes_without_end_of_stack(k: Any, zx: Any) -> None:
    _, reader, writer = zx.zx_channel_create(0)
    first, innermost = reader, event(zx)
    dispatcher = k.host.dispatcher.handles.get(innermost).object
    zx.zx_channel_write(writer, 0, b"", [innermost])
    for _ in range(5000):
        _, outer_reader, outer_writer = zx.zx_channel_create(0)
        assert zx.zx_channel_write(outer_writer, 0, b"", [first]) == ZX_OK
        zx.zx_handle_close(outer_writer)
        first = outer_reader
    assert zx.zx_handle_close(first) == ZX_OK
    assert dispatcher.handle_count == 0
    assert signals(k, writer) == ZX_CHANNEL_PEER_CLOSED


def test_who_waits_through_a_sent_handle_is_canceled_when_it_is_received(
    k: Any, zx: Any, pair: Pair, program: Program
) -> None:
    """Source: utest/core/handle-transfer/handle-transfer.cc."""
    one, other = (program.give(value) for value in pair)
    sent = program.give(event(zx))

    async def wait(body: Any) -> Any:
        return await body.zx_object_wait_one(sent, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE)

    async def move(body: Any) -> Any:
        assert await body.zx_channel_write(one, 0, b"", [sent]) == ZX_OK
        await body.zx_nanosleep(await body.zx_deadline_after(MS // 10))
        status, *_ = await body.zx_channel_read(other, 0, 0, 1)
        return status

    program.start(wait)
    program.settle()
    program.start(move)
    program.settle()
    assert program.results[0] == ZX_OK
    status, observed = program.results[1]
    assert status == ZX_ERR_CANCELED and observed & ZX_SIGNAL_HANDLE_CLOSED


# Calls


def call_args(
    memory: Memory,
    data: bytes,
    handles: tuple[int, ...] = (),
    *,
    room: int = 64,
    handle_room: int = 4,
) -> Any:
    """Arguments of zx_channel_call: message at 0, its handles at 0x1000; reply to 0x2000, to 0x3000."""
    return zx_channel_call_args_t(
        wr_bytes=memory.put(0, data) if data else 0,
        wr_handles=memory.put(0x1000, struct.pack(f"<{len(handles)}I", *handles)) if handles else 0,
        rd_bytes=memory.address + 0x2000,
        rd_handles=memory.address + 0x3000,
        wr_num_bytes=len(data),
        wr_num_handles=len(handles),
        rd_num_bytes=room,
        rd_num_handles=handle_room,
    )


async def echo(body: Any, channel: int, count: int = 1) -> list[int]:
    """Answer *count* messages with their own transaction ids. Returns the ids."""
    txids = []
    for _ in range(count):
        await body.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE)
        _, data, handles, _, _ = await body.zx_channel_read(channel, 0, 1024, 16)
        txids.append(int.from_bytes(data[:4], "little"))
        await body.zx_channel_write(channel, 0, data[:4] + b"re:" + data[4:], handles)
    return txids


def test_a_call_gets_the_reply_with_its_transaction_id(
    k: Any, zx: Any, pair: Pair, memory: Memory, program: Program
) -> None:
    program.start(echo, program.give(pair[1]), 2)
    sent = event(zx)
    koid = k.host.dispatcher.handles.get(sent).object.koid
    answer = zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, call_args(memory, b"\0\0\0\0ask", (sent,)))
    assert answer == (ZX_OK, 10, 1)
    reply = memory.get(0x2000, 10)
    assert reply[4:] == b"re:ask"
    (received,) = struct.unpack("<I", memory.get(0x3000, 4))
    assert k.host.dispatcher.handles.get(received).object.koid == koid
    assert zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, call_args(memory, bytes(4)))[0] == ZX_OK
    program.settle()
    first, second = program.results[0]
    assert first & 0x8000_0000 and second & 0x8000_0000 and first != second
    assert not signals(k, pair[0]) & ZX_CHANNEL_READABLE


def test_a_message_with_another_transaction_id_is_no_reply(
    zx: Any, pair: Pair, memory: Memory, program: Program
) -> None:
    other = program.give(pair[1])

    async def confuse(body: Any) -> None:
        await body.zx_object_wait_one(other, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE)
        _, data, *_ = await body.zx_channel_read(other, 0, 64, 0)
        await body.zx_channel_write(other, 0, b"\1\0\0\0event", [])
        await body.zx_channel_write(other, 0, b"", [])
        await body.zx_channel_write(other, 0, data, [])

    program.start(confuse)
    assert zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, call_args(memory, bytes(4)))[0] == ZX_OK
    assert read(zx, pair[0])[1] == b"\1\0\0\0event"
    assert read(zx, pair[0])[1] == b""
    assert read(zx, pair[0])[0] == ZX_ERR_SHOULD_WAIT


def test_calls_at_the_same_time_get_their_own_replies(k: Any, zx: Any, pair: Pair, program: Program) -> None:
    """Python bodies have no memory of their own to point into, so these call the object."""
    channel = k.host.dispatcher.handles.get(pair[0]).object
    other = program.give(pair[1])

    async def caller(body: Any, text: bytes) -> bytes:
        data, _ = await channel.call(bytes(4) + text, (), ZX_TIME_INFINITE)
        return bytes(data[4:])

    async def serve_backwards(body: Any) -> None:
        await body.zx_nanosleep(await body.zx_deadline_after(MS // 10))
        requests = [(await body.zx_channel_read(other, 0, 64, 0))[1] for _ in range(3)]
        for request in reversed(requests):
            await body.zx_channel_write(other, 0, request + b"!", [])

    for text in (b"a", b"b", b"c"):
        program.start(caller, text)
    program.start(serve_backwards)
    program.settle()
    assert sorted(result for result in program.results if result) == [b"a!", b"b!", b"c!"]


@pytest.mark.shows("zx_channel_call", "ZX_ERR_TIMED_OUT")
def test_a_call_times_out_and_its_late_reply_is_an_ordinary_message(
    zx: Any, pair: Pair, memory: Memory
) -> None:
    deadline = zx.zx_deadline_after(MS)
    answer = zx.zx_channel_call(pair[0], 0, deadline, call_args(memory, bytes(4)))
    assert answer == (ZX_ERR_TIMED_OUT, 0, 0)
    assert zx.zx_clock_get_monotonic() >= deadline
    _, request, _ = read(zx, pair[1])
    zx.zx_channel_write(pair[1], 0, request, [])
    assert read(zx, pair[0])[1] == request


@pytest.mark.shows("zx_channel_call", "ZX_ERR_PEER_CLOSED")
def test_a_call_ends_when_the_peer_closes(zx: Any, pair: Pair, memory: Memory, program: Program) -> None:
    other = program.give(pair[1])
    zx.zx_handle_close(pair[1])

    async def close(body: Any) -> None:
        await body.zx_nanosleep(await body.zx_deadline_after(MS // 10))
        await body.zx_handle_close(other)

    program.start(close)
    answer = zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, call_args(memory, bytes(4)))
    assert answer[0] == ZX_ERR_PEER_CLOSED
    sent = event(zx)
    assert zx.zx_channel_call(pair[0], 0, 0, call_args(memory, bytes(4), (sent,)))[0] == ZX_ERR_PEER_CLOSED
    assert zx.zx_handle_close(sent) == ZX_ERR_BAD_HANDLE


def test_a_call_is_canceled_when_its_own_end_closes(k: Any, zx: Any, pair: Pair, program: Program) -> None:
    channel = k.host.dispatcher.handles.get(pair[0]).object

    async def caller(body: Any) -> None:
        await channel.call(bytes(4), (), ZX_TIME_INFINITE)

    program.start(_status_of, caller)
    program.settle()
    zx.zx_handle_close(pair[0])
    program.settle()
    assert program.results == [ZX_ERR_CANCELED]


def test_a_call_is_canceled_when_its_own_end_arrives_elsewhere(
    k: Any, zx: Any, pair: Pair, program: Program
) -> None:
    """Source: utest/core/channel/channel-internal.cc."""
    channel = k.host.dispatcher.handles.get(pair[0]).object
    _, one, other = zx.zx_channel_create(0)

    async def caller(body: Any) -> None:
        await channel.call(bytes(4), (), ZX_TIME_INFINITE)

    program.start(_status_of, caller)
    program.settle()
    assert zx.zx_channel_write(one, 0, b"", [pair[0]]) == ZX_OK
    program.settle()
    assert program.results == []
    _, _, (arrived,), *_ = read(zx, other)
    program.settle()
    assert program.results == [ZX_ERR_CANCELED]
    _, request, *_ = read(zx, pair[1])
    assert zx.zx_channel_write(pair[1], 0, request, []) == ZX_OK
    assert read(zx, arrived)[1] == request  # the reply is a message as any other


async def _status_of(body: Any, inner: Any) -> Any:
    try:
        await inner(body)
    except ZxError as error:
        return error.status
    return ZX_OK


def test_the_reply_to_a_killed_caller_is_dropped_with_its_handles(
    k: Any, zx: Any, pair: Pair, program: Program
) -> None:
    channel = k.host.dispatcher.handles.get(pair[0]).object

    async def caller(body: Any) -> None:
        await channel.call(bytes(4), (), ZX_TIME_INFINITE)

    thread = program.start(caller)
    program.settle()
    _, request, _ = read(zx, pair[1])
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    zx.zx_channel_write(pair[1], 0, request, [sent])
    thread.kill()
    assert dispatcher.handle_count == 0
    assert read(zx, pair[0])[0] == ZX_ERR_SHOULD_WAIT


@pytest.mark.shows("zx_channel_call", "ZX_ERR_BUFFER_TOO_SMALL")
def test_a_reply_that_does_not_fit_is_lost(
    k: Any, zx: Any, pair: Pair, memory: Memory, program: Program
) -> None:
    program.start(echo, program.give(pair[1]), 2)
    small = call_args(memory, bytes(8), room=8)
    assert zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, small) == (ZX_ERR_BUFFER_TOO_SMALL, 0, 0)
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    narrow = call_args(memory, bytes(4), (sent,), handle_room=0)
    assert zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, narrow)[0] == ZX_ERR_BUFFER_TOO_SMALL
    assert dispatcher.handle_count == 0


@pytest.mark.shows("zx_channel_call", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_channel_call", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize("reason", ["options", "bad handle", "wrong type", "read", "write", "short", "size"])
def test_a_call_that_fails_early_closes_its_handles(
    k: Any, zx: Any, pair: Pair, memory: Memory, reason: str
) -> None:
    sent = event(zx)
    channel, options, data, expected = pair[0], 0, bytes(4), ZX_ERR_ACCESS_DENIED
    if reason == "options":
        options, expected = 4, ZX_ERR_INVALID_ARGS
    elif reason == "bad handle":
        channel, expected = ZX_HANDLE_INVALID, ZX_ERR_BAD_HANDLE
    elif reason == "wrong type":
        channel, expected = event(zx), ZX_ERR_WRONG_TYPE
    elif reason == "read":
        channel = weak_channel(zx, k, ZX_RIGHT_READ)
    elif reason == "write":
        channel = weak_channel(zx, k, ZX_RIGHT_WRITE)
    elif reason == "short":
        data, expected = bytes(3), ZX_ERR_INVALID_ARGS
    else:
        data, expected = bytes(ZX_CHANNEL_MAX_MSG_BYTES + 1), ZX_ERR_OUT_OF_RANGE
    args = call_args(memory, b"")
    args.wr_bytes, args.wr_num_bytes = memory.put(0x10000, data), len(data)
    args.wr_handles, args.wr_num_handles = memory.put(0x1000, struct.pack("<I", sent)), 1
    assert zx.zx_channel_call(channel, options, 0, args)[0] == expected
    assert not is_open(k, sent)


def test_arguments_of_a_call_that_cannot_be_read_close_nothing(zx: Any, pair: Pair) -> None:
    assert zx.zx_channel_call(pair[0], 0, 0, BAD_ADDRESS)[0] == ZX_ERR_INVALID_ARGS


# What the calls with "etc" do not answer otherwise than those without


@pytest.mark.shows("zx_channel_read_etc", "ZX_ERR_SHOULD_WAIT")
@pytest.mark.shows("zx_channel_read_etc", "ZX_ERR_BUFFER_TOO_SMALL")
@pytest.mark.shows("zx_channel_read_etc", "ZX_ERR_PEER_CLOSED")
def test_read_etc_fails_as_read_does(zx: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_channel_read_etc(one, 0, 8, 8)[0] == ZX_ERR_SHOULD_WAIT
    assert zx.zx_channel_write(other, 0, b"message", [event(zx)]) == ZX_OK
    for room in ((6, 1), (7, 0)):
        assert zx.zx_channel_read_etc(one, 0, *room) == (ZX_ERR_BUFFER_TOO_SMALL, b"", [], 7, 1)
    assert zx.zx_handle_close(other) == ZX_OK
    assert zx.zx_channel_read_etc(one, 0, 7, 1)[0] == ZX_OK
    assert zx.zx_channel_read_etc(one, 0, 7, 1)[0] == ZX_ERR_PEER_CLOSED


@pytest.mark.shows("zx_channel_write_etc", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_channel_write_etc", "ZX_ERR_PEER_CLOSED")
def test_write_etc_fails_as_write_does(k: Any, zx: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_channel_write_etc(one, 0, bytes(ZX_CHANNEL_MAX_MSG_BYTES + 1), [])[0] == ZX_ERR_OUT_OF_RANGE
    sent = event(zx)
    wishes = [disposition(sent, ZX_HANDLE_OP_DUPLICATE)] * 65
    assert zx.zx_channel_write_etc(one, 0, b"", wishes)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_handle_close(other) == ZX_OK
    assert zx.zx_channel_write_etc(one, 0, b"", [disposition(sent)])[0] == ZX_ERR_PEER_CLOSED
    assert not is_open(k, sent)


def call_etc_args(memory: Memory, wish: Any = None, room: int = 64) -> zx_channel_call_etc_args_t:
    """A message of an id, with one handle at most, and so much room for the bytes of the reply."""
    return zx_channel_call_etc_args_t(
        wr_bytes=memory.put(0, bytes(4)),
        wr_handles=memory.put(0x1000, wish.pack()) if wish else 0,
        rd_bytes=memory.address + 0x2000,
        rd_handles=memory.address + 0x3000,
        wr_num_bytes=4,
        wr_num_handles=1 if wish else 0,
        rd_num_bytes=room,
        rd_num_handles=4,
    )


@pytest.mark.shows("zx_channel_call_etc", "ZX_ERR_BUFFER_TOO_SMALL")
def test_a_reply_to_call_etc_that_does_not_fit_is_lost(
    zx: Any, pair: Pair, memory: Memory, program: Program
) -> None:
    program.start(echo, program.give(pair[1]))
    args = call_etc_args(memory, room=6)
    assert zx.zx_channel_call_etc(pair[0], 0, ZX_TIME_INFINITE, args)[0] == ZX_ERR_BUFFER_TOO_SMALL
    assert read(zx, pair[0])[0] == ZX_ERR_SHOULD_WAIT


@pytest.mark.shows("zx_channel_call", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_channel_call_etc", "ZX_ERR_NOT_SUPPORTED")
def test_a_call_cannot_send_its_own_end(zx: Any, pair: Pair, memory: Memory) -> None:
    one = pair[0]
    assert zx.zx_channel_call(one, 0, 0, call_args(memory, bytes(4), (one,)))[0] == ZX_ERR_NOT_SUPPORTED
    _, one, _other = zx.zx_channel_create(0)
    args = call_etc_args(memory, disposition(one))
    assert zx.zx_channel_call_etc(one, 0, 0, args)[0] == ZX_ERR_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        pytest.param(name, arguments, marks=pytest.mark.shows(name, "ZX_ERR_CANCELED"))
        for name, arguments in (
            ("zx_channel_call", lambda memory: call_args(memory, bytes(4))),
            ("zx_channel_call_etc", call_etc_args),
        )
    ],
)
def test_a_call_is_canceled_when_its_handle_closes(
    k: Any, zx: Any, pair: Pair, memory: Memory, program: Program, call: str, arguments: Any
) -> None:
    async def close(body: Any) -> None:
        await body.zx_nanosleep(await body.zx_deadline_after(MS))
        k.host.dispatcher.handles.close(pair[0])  # as another thread of the host would

    program.start(close)
    assert getattr(zx, call)(pair[0], 0, ZX_TIME_INFINITE, arguments(memory))[0] == ZX_ERR_CANCELED


def test_call_etc_disposes_of_handles_and_tells_of_those_that_come(
    k: Any, zx: Any, pair: Pair, memory: Memory, program: Program
) -> None:
    program.start(echo, program.give(pair[1]))
    sent = event(zx)
    wish = disposition(sent, ZX_HANDLE_OP_DUPLICATE, ZX_OBJ_TYPE_EVENT, ZX_RIGHT_WAIT | ZX_RIGHT_TRANSFER)
    args = zx_channel_call_etc_args_t(
        wr_bytes=memory.put(0, bytes(4)),
        wr_handles=memory.put(0x1000, wish.pack()),
        rd_bytes=memory.address + 0x2000,
        rd_handles=memory.address + 0x3000,
        wr_num_bytes=4,
        wr_num_handles=1,
        rd_num_bytes=64,
        rd_num_handles=4,
    )
    status, *rest = zx.zx_channel_call_etc(pair[0], 0, ZX_TIME_INFINITE, args)
    assert status == ZX_OK and rest[-2:] == [7, 1]
    info = zx_handle_info_t.unpack(memory.get(0x3000, zx_handle_info_t.SIZE))
    assert (info.type, info.rights) == (ZX_OBJ_TYPE_EVENT, ZX_RIGHT_WAIT | ZX_RIGHT_TRANSFER)
    assert is_open(k, sent) and is_open(k, info.handle)


@pytest.mark.parametrize("call", ["zx_channel_write", "zx_channel_write_etc"])
def test_a_failed_write_with_unreadable_handles_closes_none(
    k: Any, zx: Any, trap: Any, memory: Memory, call: str
) -> None:
    before = len(k.host.dispatcher.handles)
    assert trap(call, ZX_HANDLE_INVALID, 0, 0, 0, BAD_ADDRESS, 1 << 31) == ZX_ERR_BAD_HANDLE
    assert len(k.host.dispatcher.handles) == before


def test_a_failed_write_closes_all_its_handles_be_they_ever_so_many(
    k: Any, zx: Any, pair: Pair, trap: Any, memory: Memory
) -> None:
    sent = [event(zx) for _ in range(200)]
    address = memory.put(0, struct.pack("<201I", *sent, 0x7FFF_FFF3))
    assert trap("zx_channel_write", pair[0], 0, 0, 0, address, 201) == ZX_ERR_OUT_OF_RANGE
    assert not any(is_open(k, value) for value in sent)


def test_a_call_etc_that_fails_early_closes_what_was_to_move(
    k: Any, zx: Any, pair: Pair, memory: Memory
) -> None:
    moved, kept = event(zx), event(zx)
    wishes = disposition(moved).pack() + disposition(kept, ZX_HANDLE_OP_DUPLICATE).pack()
    args = zx_channel_call_etc_args_t(wr_handles=memory.put(0, wishes), wr_num_handles=2)
    assert zx.zx_channel_call_etc(pair[0], 0, 0, args)[0] == ZX_ERR_INVALID_ARGS  # no room for an id
    assert not is_open(k, moved) and is_open(k, kept)


@pytest.mark.parametrize("bad", ["rd_bytes", "rd_handles"])
def test_a_reply_that_cannot_be_written_closes_its_handles(
    k: Any, zx: Any, pair: Pair, memory: Memory, program: Program, bad: str
) -> None:
    program.start(echo, program.give(pair[1]))
    sent = event(zx)
    dispatcher = k.host.dispatcher.handles.get(sent).object
    args = call_args(memory, bytes(4), (sent,))
    setattr(args, bad, BAD_ADDRESS)
    before = len(k.host.dispatcher.handles)
    assert zx.zx_channel_call(pair[0], 0, ZX_TIME_INFINITE, args)[0] == ZX_ERR_INVALID_ARGS
    assert dispatcher.handle_count == 0 and len(k.host.dispatcher.handles) == before - 1
