"""The debuglog and the console. Source: docs/reference/syscalls/{debuglog,debug}_*.md."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_SHOULD_WAIT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_LOG_FLAG_READABLE,
    ZX_LOG_READABLE,
    ZX_LOG_RECORD_DATA_MAX,
    ZX_OK,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_ROOT,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_DEBUGLOG_BASE,
    ZX_RSRC_SYSTEM_VMEX_BASE,
)
from jacinth.kernel.resource import ResourceDispatcher

from .conftest import BAD_ADDRESS, MS

HEADER = 40


@pytest.fixture
def console(k: Any) -> list[bytes]:
    lines: list[bytes] = []
    k.console = lines.append
    return lines


@pytest.fixture
def resource(k: Any) -> int:
    dispatcher = ResourceDispatcher(k, ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_DEBUGLOG_BASE, 1)
    return k.host.add(dispatcher)


@pytest.fixture
def reader(zx: Any, console: list[bytes], resource: int) -> int:
    status, value = zx.zx_debuglog_create(resource, ZX_LOG_FLAG_READABLE)
    assert status == ZX_OK
    return value


@pytest.fixture
def writer(zx: Any, console: list[bytes]) -> int:
    status, value = zx.zx_debuglog_create(ZX_HANDLE_INVALID, 0)
    assert status == ZX_OK
    return value


def record(data: bytes) -> tuple[Any, ...]:
    """Sequence, severity, flags, timestamp, process, thread and text of a zx_log_record_t."""
    sequence, length, severity, flags, time, process, thread = struct.unpack_from("<Q4xHBBqQQ", data)
    assert len(data) == HEADER + length
    return sequence, severity, flags, time, process, thread, data[HEADER:]


def test_who_may_make_a_log(k: Any, zx: Any, resource: int) -> None:
    root = k.host.add(ResourceDispatcher(k, ZX_RSRC_KIND_ROOT, 0, 0))
    power = k.host.add(ResourceDispatcher(k, ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_VMEX_BASE, 1))
    _, event = zx.zx_event_create(0)
    assert zx.zx_debuglog_create(ZX_HANDLE_INVALID, 0)[0] == ZX_OK
    assert zx.zx_debuglog_create(root, ZX_LOG_FLAG_READABLE)[0] == ZX_OK
    assert zx.zx_debuglog_create(ZX_HANDLE_INVALID, ZX_LOG_FLAG_READABLE)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_debuglog_create(0x7FFF_FFF3, 0)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_debuglog_create(event, 0)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_debuglog_create(power, 1)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_debuglog_create(resource, 1)[0] == ZX_ERR_INVALID_ARGS


def test_a_record_tells_who_wrote_what_and_when(k: Any, zx: Any, reader: int, writer: int) -> None:
    now = zx.zx_clock_get_monotonic()
    assert zx.zx_debuglog_write(writer, 0, b"hello") == ZX_OK
    status, data = zx.zx_debuglog_read(reader, 0, 256)
    assert status == HEADER + 5
    _, severity, flags, time, process, thread, text = record(data)
    assert (severity, flags, text) == (0x30, 0, b"hello") and now <= time < now + MS
    assert (process, thread) == (k.host.dispatcher.koid, k.host.thread.koid)


@pytest.mark.shows("zx_debuglog_read", "ZX_ERR_SHOULD_WAIT")
def test_records_come_in_order_and_every_reader_gets_all(
    zx: Any, resource: int, reader: int, writer: int
) -> None:
    for text in (b"one", b"two"):
        zx.zx_debuglog_write(writer, 0, text)
    _, late = zx.zx_debuglog_create(resource, ZX_LOG_FLAG_READABLE)
    for log in (reader, late):
        first, second = (record(zx.zx_debuglog_read(log, 0, 256)[1]) for _ in range(2))
        assert (first[-1], second[-1]) == (b"one", b"two") and second[0] == first[0] + 1
        assert zx.zx_debuglog_read(log, 0, 256)[0] == ZX_ERR_SHOULD_WAIT


@pytest.mark.shows("zx_debuglog_read", "ZX_ERR_SHOULD_WAIT")
def test_readable_is_asserted_until_a_read_finds_nothing(k: Any, zx: Any, reader: int, writer: int) -> None:
    log = k.host.dispatcher.handles.get(reader).object
    assert not log.signals & ZX_LOG_READABLE
    zx.zx_debuglog_write(writer, 0, b"x")
    assert log.signals & ZX_LOG_READABLE
    zx.zx_debuglog_read(reader, 0, 256)
    assert log.signals & ZX_LOG_READABLE
    zx.zx_debuglog_read(reader, 0, 256)
    assert not log.signals & ZX_LOG_READABLE


def test_a_record_is_cut_to_the_buffer(zx: Any, reader: int, writer: int) -> None:
    zx.zx_debuglog_write(writer, 0, b"hello")
    status, data = zx.zx_debuglog_read(reader, 0, HEADER + 2)
    assert status == HEADER + 2 and data[HEADER:] == b"he"
    zx.zx_debuglog_write(writer, 0, b"hello")
    status, data = zx.zx_debuglog_read(reader, 0, 8)
    assert status == 8 and len(data) == 8


def test_a_long_text_is_cut_to_a_record(zx: Any, reader: int, writer: int) -> None:
    assert zx.zx_debuglog_write(writer, 0, b"x" * 1000) == ZX_OK
    assert record(zx.zx_debuglog_read(reader, 0, 1000)[1])[-1] == b"x" * ZX_LOG_RECORD_DATA_MAX


def test_the_oldest_records_are_lost_when_the_buffer_is_full(zx: Any, reader: int, writer: int) -> None:
    for number in range(1000):
        zx.zx_debuglog_write(writer, 0, f"{number:4d}".encode() + b"x" * 200)
    first = record(zx.zx_debuglog_read(reader, 0, 256)[1])
    assert first[0] > 0 and int(first[-1][:4]) == first[0]
    count = 1
    while zx.zx_debuglog_read(reader, 0, 256)[0] > 0:
        count += 1
    assert first[0] + count == 1000


@pytest.mark.shows("zx_debuglog_read", "ZX_ERR_ACCESS_DENIED")
def test_a_writer_cannot_read(zx: Any, writer: int) -> None:
    assert zx.zx_debuglog_read(writer, 0, 256)[0] == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_debuglog_write", "ZX_ERR_ACCESS_DENIED")
def test_options_come_before_the_handle(k: Any, zx: Any, reader: int) -> None:
    rights = k.host.dispatcher.handles.get(reader).rights
    assert rights & ZX_RIGHT_READ
    _, mute = zx.zx_handle_duplicate(reader, rights & ~ZX_RIGHT_WRITE)
    assert zx.zx_debuglog_write(ZX_HANDLE_INVALID, 1, b"") == ZX_ERR_INVALID_ARGS
    assert zx.zx_debuglog_write(ZX_HANDLE_INVALID, 0, b"") == ZX_ERR_BAD_HANDLE
    assert zx.zx_debuglog_write(mute, 0, b"") == ZX_ERR_ACCESS_DENIED
    assert zx.zx_debuglog_read(ZX_HANDLE_INVALID, 1, 0)[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_debuglog_read(ZX_HANDLE_INVALID, 0, 0)[0] == ZX_ERR_BAD_HANDLE


def test_bad_pointers(trap: Any, zx: Any, reader: int, writer: int) -> None:
    assert trap("zx_debuglog_write", writer, 0, BAD_ADDRESS, 4) == ZX_ERR_INVALID_ARGS
    zx.zx_debuglog_write(writer, 0, b"x")
    assert trap("zx_debuglog_read", reader, 0, BAD_ADDRESS, 256) == ZX_ERR_INVALID_ARGS
    assert zx.zx_debuglog_read(reader, 0, 256)[0] == ZX_ERR_SHOULD_WAIT


def test_the_log_appears_on_the_console(k: Any, zx: Any, console: list[bytes], writer: int) -> None:
    zx.zx_debuglog_write(writer, 0, b"hello\n")
    zx.zx_debuglog_write(writer, 0, b"world")
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in console)
    assert console[0].endswith(b"> hello\n") and console[1].startswith(b"[00001.")


def test_debug_write_goes_to_the_console_as_it_is(zx: Any, trap: Any, console: list[bytes]) -> None:
    assert zx.zx_debug_write(b"raw") == ZX_OK
    assert zx.zx_debug_write(b"x" * 300) == ZX_OK
    assert console == [b"raw", b"x" * 256]
    assert trap("zx_debug_write", BAD_ADDRESS, 1) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_debug_read", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_debug_send_command", "ZX_ERR_NOT_SUPPORTED")
def test_a_kernel_that_is_not_debugged_neither_reads_nor_obeys_the_console(zx: Any) -> None:
    assert zx.zx_debug_read(ZX_HANDLE_INVALID, 16)[0] == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_debug_send_command(ZX_HANDLE_INVALID, b"help") == ZX_ERR_NOT_SUPPORTED
