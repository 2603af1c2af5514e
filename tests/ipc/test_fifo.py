"""FIFOs. Source: docs/reference/syscalls/fifo_*.md, zircon/system/utest/core/fifo/fifo.cc."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_FIFO_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_SHOULD_WAIT,
    ZX_ERR_WRONG_TYPE,
    ZX_FIFO_MAX_SIZE_BYTES,
    ZX_FIFO_PEER_CLOSED,
    ZX_FIFO_READABLE,
    ZX_FIFO_WRITABLE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
)

from .conftest import BAD_ADDRESS, Memory

SIZE = 8
COUNT = 4


class Fifo:
    """A FIFO of four numbers of 64 bits in each direction, by registers."""

    def __init__(self, k: Any, trap: Any, memory: Memory) -> None:
        self.k, self.trap, self.memory = k, trap, memory
        status, self.one, self.other = k.host.sys.zx_fifo_create(COUNT, SIZE, 0)
        assert status == ZX_OK

    def write(self, end: int, *numbers: int) -> tuple[Any, int]:
        self.memory.put(0, bytes(8))
        address = self.memory.put(0x100, struct.pack(f"<{len(numbers)}Q", *numbers))
        status = self.trap("zx_fifo_write", end, SIZE, address, len(numbers), self.memory.address)
        return status, int.from_bytes(self.memory.get(0, 8), "little")

    def read(self, end: int, count: int) -> tuple[Any, tuple[int, ...]]:
        self.memory.put(0, bytes(8))
        address = self.memory.address
        status = self.trap("zx_fifo_read", end, SIZE, address + 0x100, count, address)
        actual = int.from_bytes(self.memory.get(0, 8), "little")
        return status, struct.unpack(f"<{actual}Q", self.memory.get(0x100, actual * 8))

    def signals(self, end: int) -> int:
        return self.k.host.dispatcher.handles.get(end).object.signals


@pytest.fixture
def fifo(k: Any, trap: Any, memory: Memory) -> Fifo:
    return Fifo(k, trap, memory)


def test_creation_checks_sizes_before_options(zx: Any) -> None:
    """Source: utest/core/fifo/fifo.cc."""
    assert zx.zx_fifo_create(0, 0, 1) == (ZX_ERR_OUT_OF_RANGE, 0, 0)
    assert zx.zx_fifo_create(8, 8, 1) == (ZX_ERR_INVALID_ARGS, 0, 0)


@pytest.mark.shows("zx_fifo_create", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [
        (0, 8, ZX_ERR_OUT_OF_RANGE),
        (8, 0, ZX_ERR_OUT_OF_RANGE),
        (1, ZX_FIFO_MAX_SIZE_BYTES, ZX_OK),
        (ZX_FIFO_MAX_SIZE_BYTES, 1, ZX_OK),
        (1, ZX_FIFO_MAX_SIZE_BYTES + 1, ZX_ERR_OUT_OF_RANGE),
        (ZX_FIFO_MAX_SIZE_BYTES // 2 + 1, 2, ZX_ERR_OUT_OF_RANGE),
        (3, 5, ZX_OK),  # no powers of two
        (1 << 63, 1 << 63, ZX_ERR_OUT_OF_RANGE),
    ],
)
@pytest.mark.shows("zx_fifo_create", "ZX_ERR_OUT_OF_RANGE")
def test_a_queue_has_elements_and_at_most_a_page(zx: Any, count: int, size: int, expected: int) -> None:
    assert zx.zx_fifo_create(count, size, 0)[0] == expected


def test_a_new_fifo_is_writable_and_has_default_rights(k: Any, fifo: Fifo) -> None:
    for end in (fifo.one, fifo.other):
        assert fifo.signals(end) == ZX_FIFO_WRITABLE
        assert k.host.dispatcher.handles.get(end).rights == ZX_DEFAULT_FIFO_RIGHTS


def test_elements_arrive_in_order_at_the_other_end(fifo: Fifo) -> None:
    assert fifo.write(fifo.one, 1, 2, 3) == (ZX_OK, 3)
    assert fifo.signals(fifo.other) == ZX_FIFO_READABLE | ZX_FIFO_WRITABLE
    assert fifo.read(fifo.other, 2) == (ZX_OK, (1, 2))
    assert fifo.write(fifo.one, 4, 5) == (ZX_OK, 2)
    assert fifo.read(fifo.other, 9) == (ZX_OK, (3, 4, 5))
    assert fifo.signals(fifo.other) == ZX_FIFO_WRITABLE


@pytest.mark.shows("zx_fifo_write", "ZX_ERR_SHOULD_WAIT")
def test_a_write_takes_what_fits(fifo: Fifo) -> None:
    assert fifo.write(fifo.one, 1, 2, 3, 4, 5, 6) == (ZX_OK, 4)
    assert not fifo.signals(fifo.one) & ZX_FIFO_WRITABLE
    assert fifo.write(fifo.one, 7)[0] == ZX_ERR_SHOULD_WAIT
    assert fifo.read(fifo.other, 1) == (ZX_OK, (1,))
    assert fifo.signals(fifo.one) & ZX_FIFO_WRITABLE


@pytest.mark.shows("zx_fifo_read", "ZX_ERR_PEER_CLOSED")
@pytest.mark.shows("zx_fifo_read", "ZX_ERR_SHOULD_WAIT")
def test_an_empty_queue_should_wait_until_the_peer_closes(zx: Any, fifo: Fifo) -> None:
    assert fifo.read(fifo.one, 1)[0] == ZX_ERR_SHOULD_WAIT
    fifo.write(fifo.other, 9)
    zx.zx_handle_close(fifo.other)
    assert fifo.signals(fifo.one) == ZX_FIFO_READABLE | ZX_FIFO_PEER_CLOSED
    assert fifo.write(fifo.one, 1)[0] == ZX_ERR_PEER_CLOSED
    assert fifo.read(fifo.one, 1) == (ZX_OK, (9,))
    assert fifo.read(fifo.one, 1)[0] == ZX_ERR_PEER_CLOSED


@pytest.mark.shows("zx_fifo_write", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_fifo_read", "ZX_ERR_OUT_OF_RANGE")
def test_another_element_size_or_no_elements_are_out_of_range(trap: Any, memory: Memory, fifo: Fifo) -> None:
    for call in ("zx_fifo_write", "zx_fifo_read"):
        assert trap(call, fifo.one, SIZE + 1, memory.address, 1, 0) == ZX_ERR_OUT_OF_RANGE
        assert trap(call, fifo.one, SIZE, memory.address, 0, 0) == ZX_ERR_OUT_OF_RANGE


@pytest.mark.shows("zx_fifo_read", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_fifo_write", "ZX_ERR_PEER_CLOSED")
def test_a_write_to_nobody_is_told_so_before_its_size_is_looked_at(
    zx: Any, trap: Any, memory: Memory, fifo: Fifo
) -> None:
    zx.zx_handle_close(fifo.other)
    assert trap("zx_fifo_write", fifo.one, 1, memory.address, 1, 0) == ZX_ERR_PEER_CLOSED
    assert trap("zx_fifo_read", fifo.one, 1, memory.address, 1, 0) == ZX_ERR_OUT_OF_RANGE


def test_bad_pointers_change_nothing(trap: Any, fifo: Fifo) -> None:
    fifo.write(fifo.one, 5)
    assert trap("zx_fifo_write", fifo.one, SIZE, BAD_ADDRESS, 1, 0) == ZX_ERR_INVALID_ARGS
    assert trap("zx_fifo_read", fifo.other, SIZE, BAD_ADDRESS, 1, 0) == ZX_ERR_INVALID_ARGS
    assert fifo.read(fifo.other, 4) == (ZX_OK, (5,))


@pytest.mark.shows("zx_fifo_read", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_fifo_write", "ZX_ERR_ACCESS_DENIED")
def test_rights_and_type_are_checked(zx: Any, trap: Any, memory: Memory, fifo: Fifo) -> None:
    _, event = zx.zx_event_create(0)
    for call, right in (("zx_fifo_write", ZX_RIGHT_WRITE), ("zx_fifo_read", ZX_RIGHT_READ)):
        _, weak = zx.zx_handle_duplicate(fifo.one, ZX_DEFAULT_FIFO_RIGHTS & ~right)
        assert trap(call, ZX_HANDLE_INVALID, SIZE, memory.address, 1, 0) == ZX_ERR_BAD_HANDLE
        assert trap(call, event, SIZE, memory.address, 1, 0) == ZX_ERR_WRONG_TYPE
        assert trap(call, weak, SIZE, memory.address, 1, 0) == ZX_ERR_ACCESS_DENIED
