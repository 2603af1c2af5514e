"""Sockets. Source: docs/reference/syscalls/socket_*.md, zircon/system/utest/core/socket/socket.cc."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_SOCKET_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_SHOULD_WAIT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RIGHT_MANAGE_SOCKET,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_SOCKET_DATAGRAM,
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
    ZX_SOCKET_PEEK,
    ZX_SOCKET_PEER_CLOSED,
    ZX_SOCKET_PEER_WRITE_DISABLED,
    ZX_SOCKET_READ_THRESHOLD,
    ZX_SOCKET_READABLE,
    ZX_SOCKET_WRITABLE,
    ZX_SOCKET_WRITE_DISABLED,
    ZX_SOCKET_WRITE_THRESHOLD,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.socket import BUFFER_SIZE, SocketDispatcher

from .conftest import BAD_ADDRESS, Memory

Pair = tuple[int, int]


@pytest.fixture
def pair(zx: Any) -> Pair:
    status, one, other = zx.zx_socket_create(0)
    assert status == ZX_OK
    return one, other


@pytest.fixture
def datagrams(zx: Any) -> Pair:
    status, one, other = zx.zx_socket_create(ZX_SOCKET_DATAGRAM)
    assert status == ZX_OK
    return one, other


def socket(k: Any, value: int) -> SocketDispatcher:
    dispatcher = k.host.dispatcher.handles.get(value).object
    assert isinstance(dispatcher, SocketDispatcher)
    return dispatcher


def test_a_new_socket_is_writable_and_has_default_rights(k: Any, pair: Pair) -> None:
    for value in pair:
        assert socket(k, value).signals == ZX_SOCKET_WRITABLE
        assert k.host.dispatcher.handles.get(value).rights == ZX_DEFAULT_SOCKET_RIGHTS


def test_unknown_options_are_refused(zx: Any) -> None:
    assert zx.zx_socket_create(1 << 5) == (ZX_ERR_INVALID_ARGS, 0, 0)


@pytest.mark.shows("zx_socket_read", "ZX_ERR_SHOULD_WAIT")
def test_a_stream_has_no_boundaries(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_socket_write(one, 0, b"hello ") == (ZX_OK, 6)
    assert zx.zx_socket_write(one, 0, b"world") == (ZX_OK, 5)
    assert socket(k, other).signals == ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE
    assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"hello wo", 8)
    assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"rld", 3)
    assert socket(k, other).signals == ZX_SOCKET_WRITABLE
    assert zx.zx_socket_read(other, 0, 8)[0] == ZX_ERR_SHOULD_WAIT


def test_peeking_takes_nothing(zx: Any, pair: Pair, datagrams: Pair) -> None:
    for one, other in (pair, datagrams):
        zx.zx_socket_write(one, 0, b"abc")
        assert zx.zx_socket_read(other, ZX_SOCKET_PEEK, 2) == (ZX_OK, b"ab", 2)
        assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"abc", 3)


@pytest.mark.shows("zx_socket_write", "ZX_ERR_SHOULD_WAIT")
def test_a_full_stream_takes_a_part_and_then_should_wait(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_socket_write(one, 0, bytes(BUFFER_SIZE - 1)) == (ZX_OK, BUFFER_SIZE - 1)
    assert socket(k, one).signals & ZX_SOCKET_WRITABLE
    assert zx.zx_socket_write(one, 0, b"ab") == (ZX_OK, 1)
    assert not socket(k, one).signals & ZX_SOCKET_WRITABLE
    assert zx.zx_socket_write(one, 0, b"b")[0] == ZX_ERR_SHOULD_WAIT
    assert zx.zx_socket_read(other, 0, 1)[0] == ZX_OK
    assert socket(k, one).signals & ZX_SOCKET_WRITABLE
    assert zx.zx_socket_write(one, 0, b"b") == (ZX_OK, 1)


def test_a_datagram_is_read_whole_or_cut(zx: Any, k: Any, datagrams: Pair) -> None:
    one, other = datagrams
    for text in (b"first", b"second", b"third"):
        assert zx.zx_socket_write(one, 0, text) == (ZX_OK, len(text))
    assert zx.zx_socket_read(other, 0, 3) == (ZX_OK, b"fir", 3)
    assert zx.zx_socket_read(other, 0, 100) == (ZX_OK, b"second", 6)
    assert socket(k, other).signals & ZX_SOCKET_READABLE
    assert zx.zx_socket_read(other, 0, 5) == (ZX_OK, b"third", 5)
    assert not socket(k, other).signals & ZX_SOCKET_READABLE


@pytest.mark.shows("zx_socket_write", "ZX_ERR_SHOULD_WAIT")
@pytest.mark.shows("zx_socket_write", "ZX_ERR_OUT_OF_RANGE")
def test_a_datagram_is_written_whole_or_not_at_all(zx: Any, k: Any, datagrams: Pair) -> None:
    one, _ = datagrams
    assert zx.zx_socket_write(one, 0, bytes(BUFFER_SIZE + 1))[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_socket_write(one, 0, bytes(BUFFER_SIZE - 2)) == (ZX_OK, BUFFER_SIZE - 2)
    assert zx.zx_socket_write(one, 0, b"abc")[0] == ZX_ERR_SHOULD_WAIT
    assert socket(k, one).signals & ZX_SOCKET_WRITABLE  # there is room, if not for that one
    assert zx.zx_socket_write(one, 0, b"ab") == (ZX_OK, 2)
    assert not socket(k, one).signals & ZX_SOCKET_WRITABLE


def test_reading_nothing_of_a_datagram_leaves_it(zx: Any, datagrams: Pair) -> None:
    zx.zx_socket_write(datagrams[0], 0, b"abc")
    assert zx.zx_socket_read(datagrams[1], 0, 0) == (ZX_OK, b"", 0)
    assert zx.zx_socket_read(datagrams[1], 0, 9) == (ZX_OK, b"abc", 3)


def test_writing_nothing_is_no_error(zx: Any, pair: Pair, datagrams: Pair) -> None:
    assert zx.zx_socket_write(pair[0], 0, b"") == (ZX_OK, 0)
    assert zx.zx_socket_write(datagrams[0], 0, b"") == (ZX_OK, 0)
    assert zx.zx_socket_read(datagrams[1], 0, 1)[0] == ZX_ERR_SHOULD_WAIT


@pytest.mark.shows("zx_socket_read", "ZX_ERR_PEER_CLOSED")
@pytest.mark.shows("zx_socket_write", "ZX_ERR_PEER_CLOSED")
def test_what_the_peer_wrote_can_be_read_after_it_closed(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    zx.zx_socket_write(one, 0, b"bye")
    zx.zx_handle_close(one)
    assert socket(k, other).signals == ZX_SOCKET_READABLE | ZX_SOCKET_PEER_CLOSED
    assert zx.zx_socket_write(other, 0, b"x")[0] == ZX_ERR_PEER_CLOSED
    assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"bye", 3)
    assert zx.zx_socket_read(other, 0, 8)[0] == ZX_ERR_PEER_CLOSED


@pytest.mark.shows("zx_socket_read", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_socket_write", "ZX_ERR_ACCESS_DENIED")
def test_checks_come_in_the_order_of_the_reference(zx: Any, trap: Any, memory: Memory, pair: Pair) -> None:
    _, event = zx.zx_event_create(0)
    for call, right in (("zx_socket_write", ZX_RIGHT_WRITE), ("zx_socket_read", ZX_RIGHT_READ)):
        _, weak = zx.zx_handle_duplicate(pair[0], ZX_DEFAULT_SOCKET_RIGHTS & ~right)
        assert trap(call, ZX_HANDLE_INVALID, 0, 0, 1, 0) == ZX_ERR_INVALID_ARGS
        assert trap(call, ZX_HANDLE_INVALID, 1 << 9, memory.address, 1, 0) == ZX_ERR_INVALID_ARGS
        assert trap(call, ZX_HANDLE_INVALID, 0, memory.address, 1, 0) == ZX_ERR_BAD_HANDLE
        assert trap(call, event, 0, memory.address, 1, 0) == ZX_ERR_WRONG_TYPE
        assert trap(call, weak, 0, memory.address, 1, 0) == ZX_ERR_ACCESS_DENIED
        assert trap(call, pair[0], 0, memory.address, 1 << 32, 0) == ZX_ERR_INVALID_ARGS
    assert trap("zx_socket_write", pair[0], ZX_SOCKET_PEEK, memory.address, 1, 0) == ZX_ERR_INVALID_ARGS


def test_bad_pointers_change_nothing(zx: Any, trap: Any, pair: Pair) -> None:
    assert trap("zx_socket_write", pair[0], 0, BAD_ADDRESS, 4, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_read(pair[1], 0, 4)[0] == ZX_ERR_SHOULD_WAIT
    zx.zx_socket_write(pair[0], 0, b"abcd")
    assert trap("zx_socket_read", pair[1], 0, BAD_ADDRESS, 4, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_read(pair[1], 0, 4) == (ZX_OK, b"abcd", 4)


def test_a_datagram_that_cannot_be_written_is_lost(zx: Any, k: Any, trap: Any, datagrams: Pair) -> None:
    """Source: utest/core/socket/socket.cc."""
    writer, reader = datagrams
    for data in (b"first", b"second"):
        zx.zx_socket_write(writer, 0, data)
    assert trap("zx_socket_read", reader, ZX_SOCKET_PEEK, BAD_ADDRESS, 5, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_read(reader, ZX_SOCKET_PEEK, 8)[1] == b"first"
    assert trap("zx_socket_read", reader, 0, BAD_ADDRESS, 5, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_read(reader, 0, 8)[1] == b"second"
    assert not socket(k, reader).signals & ZX_SOCKET_READABLE


def test_a_short_write_reads_no_more_memory_than_it_takes(
    zx: Any, trap: Any, memory: Memory, pair: Pair
) -> None:
    zx.zx_socket_write(pair[0], 0, bytes(BUFFER_SIZE - 16))
    address = memory.address + memory.SIZE - 16
    assert trap("zx_socket_write", pair[0], 0, address, 1 << 30, memory.address) == ZX_OK
    assert int.from_bytes(memory.get(0, 8), "little") == 16


# Disposition

DISABLED, ENABLED = ZX_SOCKET_DISPOSITION_WRITE_DISABLED, ZX_SOCKET_DISPOSITION_WRITE_ENABLED


@pytest.mark.shows("zx_socket_set_disposition", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_socket_set_disposition", "ZX_ERR_INVALID_ARGS")
def test_dispositions_are_checked_before_the_handle(zx: Any, pair: Pair) -> None:
    assert zx.zx_socket_set_disposition(ZX_HANDLE_INVALID, 3, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_set_disposition(ZX_HANDLE_INVALID, 0, 3) == ZX_ERR_INVALID_ARGS
    assert zx.zx_socket_set_disposition(ZX_HANDLE_INVALID, DISABLED, 0) == ZX_ERR_BAD_HANDLE
    _, weak = zx.zx_handle_duplicate(pair[0], ZX_DEFAULT_SOCKET_RIGHTS & ~ZX_RIGHT_MANAGE_SOCKET)
    assert zx.zx_socket_set_disposition(weak, DISABLED, 0) == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_socket_read", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_socket_write", "ZX_ERR_BAD_STATE")
def test_disabling_ones_own_writing_shuts_down_one_direction(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    zx.zx_socket_write(one, 0, b"last")
    assert zx.zx_socket_set_disposition(one, DISABLED, 0) == ZX_OK
    assert socket(k, one).signals == ZX_SOCKET_WRITE_DISABLED
    assert socket(k, other).signals == ZX_SOCKET_WRITABLE | ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED
    assert zx.zx_socket_write(one, 0, b"x")[0] == ZX_ERR_BAD_STATE
    assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"last", 4)
    assert zx.zx_socket_read(other, 0, 8)[0] == ZX_ERR_BAD_STATE  # nothing can come any more
    assert zx.zx_socket_write(other, 0, b"back") == (ZX_OK, 4)


def test_disabling_the_peers_writing_shuts_down_the_other_direction(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_socket_set_disposition(one, 0, DISABLED) == ZX_OK
    assert socket(k, one).signals == ZX_SOCKET_WRITABLE | ZX_SOCKET_PEER_WRITE_DISABLED
    assert socket(k, other).signals == ZX_SOCKET_WRITE_DISABLED
    assert zx.zx_socket_read(one, 0, 1)[0] == ZX_ERR_BAD_STATE
    assert zx.zx_socket_write(other, 0, b"x")[0] == ZX_ERR_BAD_STATE


def test_both_directions_at_once_and_back(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    assert zx.zx_socket_set_disposition(one, DISABLED, DISABLED) == ZX_OK
    both = ZX_SOCKET_WRITE_DISABLED | ZX_SOCKET_PEER_WRITE_DISABLED
    assert socket(k, one).signals == both and socket(k, other).signals == both
    assert zx.zx_socket_set_disposition(other, ENABLED, ENABLED) == ZX_OK
    assert socket(k, one).signals == socket(k, other).signals == ZX_SOCKET_WRITABLE
    assert zx.zx_socket_write(one, 0, b"again") == (ZX_OK, 5)
    assert zx.zx_socket_read(other, 0, 8) == (ZX_OK, b"again", 5)


@pytest.mark.shows("zx_socket_set_disposition", "ZX_ERR_BAD_STATE")
def test_writing_is_not_enabled_again_before_everything_is_read(zx: Any, pair: Pair) -> None:
    one, other = pair
    zx.zx_socket_write(one, 0, b"unread")
    zx.zx_socket_set_disposition(one, DISABLED, 0)
    assert zx.zx_socket_set_disposition(one, ENABLED, 0) == ZX_ERR_BAD_STATE
    assert zx.zx_socket_set_disposition(other, 0, ENABLED) == ZX_ERR_BAD_STATE
    zx.zx_socket_read(other, 0, 8)
    assert zx.zx_socket_set_disposition(one, ENABLED, 0) == ZX_OK


def test_no_disposition_changes_nothing(zx: Any, k: Any, pair: Pair) -> None:
    assert zx.zx_socket_set_disposition(pair[0], 0, 0) == ZX_OK
    assert socket(k, pair[0]).signals == ZX_SOCKET_WRITABLE


# Thresholds


def test_the_read_threshold_follows_what_can_be_read(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    reader = socket(k, other)
    reader.set_read_threshold(4)
    zx.zx_socket_write(one, 0, b"abc")
    assert not reader.signals & ZX_SOCKET_READ_THRESHOLD
    zx.zx_socket_write(one, 0, b"d")
    assert reader.signals & ZX_SOCKET_READ_THRESHOLD
    zx.zx_socket_read(other, 0, 1)
    assert not reader.signals & ZX_SOCKET_READ_THRESHOLD
    reader.set_read_threshold(3)
    assert reader.signals & ZX_SOCKET_READ_THRESHOLD
    reader.set_read_threshold(0)
    assert not reader.signals & ZX_SOCKET_READ_THRESHOLD
    with pytest.raises(ZxError) as failure:
        reader.set_read_threshold(BUFFER_SIZE + 1)
    assert failure.value.status is Status.INVALID_ARGS


def test_the_write_threshold_follows_the_room(zx: Any, k: Any, pair: Pair) -> None:
    one, other = pair
    writer = socket(k, one)
    writer.set_write_threshold(BUFFER_SIZE - 4)
    assert writer.signals & ZX_SOCKET_WRITE_THRESHOLD
    zx.zx_socket_write(one, 0, b"12345")
    assert not writer.signals & ZX_SOCKET_WRITE_THRESHOLD
    zx.zx_socket_read(other, 0, 1)
    assert writer.signals & ZX_SOCKET_WRITE_THRESHOLD
    writer.set_write_threshold(BUFFER_SIZE)
    assert not writer.signals & ZX_SOCKET_WRITE_THRESHOLD
    zx.zx_handle_close(other)
    with pytest.raises(ZxError) as failure:
        writer.set_write_threshold(BUFFER_SIZE + 1)
    assert failure.value.status is Status.INVALID_ARGS
    with pytest.raises(ZxError) as failure:
        writer.set_write_threshold(1)
    assert failure.value.status is Status.PEER_CLOSED


def test_information_tells_of_both_directions(zx: Any, k: Any, datagrams: Pair) -> None:
    one, other = datagrams
    zx.zx_socket_write(one, 0, b"abc")
    zx.zx_socket_write(one, 0, b"defg")
    received, sent = socket(k, other).info(), socket(k, one).info()
    assert (received.rx_buf_max, received.rx_buf_size, received.rx_buf_available) == (BUFFER_SIZE, 7, 3)
    assert (sent.tx_buf_max, sent.tx_buf_size, sent.options) == (BUFFER_SIZE, 7, ZX_SOCKET_DATAGRAM)
    zx.zx_handle_close(one)
    assert (socket(k, other).info().tx_buf_max, socket(k, other).info().tx_buf_size) == (0, 0)


def test_the_buffer_holds_whole_memory_buffers() -> None:
    assert BUFFER_SIZE == 65 * 4064
