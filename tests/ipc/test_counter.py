"""Counters. Source: docs/reference/syscalls/counter_*.md, utest/core/counter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacinth.abi import (
    ZX_COUNTER_NON_POSITIVE,
    ZX_COUNTER_POSITIVE,
    ZX_COUNTER_SIGNALED,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_OK,
    ZX_RIGHT_READ,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
)
from jacinth.api.kernel import Kernel
from jacinth.syscalls.door import HostSys

MAX, MIN = (1 << 63) - 1, -(1 << 63)


@pytest.fixture
def counter(zx: HostSys) -> int:
    status, counter = zx.zx_counter_create(0)
    assert status == ZX_OK
    return int(counter)


def signals(zx: HostSys, counter: int) -> int:
    return int(zx.zx_object_wait_one(counter, 0xFFFFFFFF, 0)[1])


def test_a_new_counter_is_zero(zx: HostSys, counter: int) -> None:
    assert zx.zx_counter_read(counter) == (ZX_OK, 0)
    assert signals(zx, counter) == ZX_COUNTER_NON_POSITIVE


def test_invalid_args_options(zx: HostSys) -> None:
    assert zx.zx_counter_create(1) == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.parametrize("value", [1, MAX, 0, -1, MIN])
def test_what_is_written_is_read_and_shows_in_the_signals(zx: HostSys, counter: int, value: int) -> None:
    assert zx.zx_counter_write(counter, value) == ZX_OK
    assert zx.zx_counter_read(counter) == (ZX_OK, value)
    assert signals(zx, counter) == (ZX_COUNTER_POSITIVE if value > 0 else ZX_COUNTER_NON_POSITIVE)


@pytest.mark.shows("zx_counter_add", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.parametrize(("value", "amount"), [(MAX, 1), (1, MAX), (MIN, -1), (-1, MIN)])
def test_out_of_range_a_sum_beyond_64_bits_changes_nothing(
    zx: HostSys, counter: int, value: int, amount: int
) -> None:
    zx.zx_counter_write(counter, value)
    assert zx.zx_counter_add(counter, amount) == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_counter_read(counter) == (ZX_OK, value)


@given(st.lists(st.integers(MIN, MAX), max_size=20))
def test_sums_are_those_of_numbers(amounts: list[int]) -> None:
    total = 0
    with Kernel(memory=1 << 20, virtual_time=True, seed=0, strict=True) as k:
        zx = k.host.sys
        _, counter = zx.zx_counter_create(0)
        for amount in amounts:
            fits = MIN <= total + amount <= MAX
            assert zx.zx_counter_add(counter, amount) == (ZX_OK if fits else ZX_ERR_OUT_OF_RANGE)
            total += amount if fits else 0
            assert zx.zx_counter_read(counter) == (ZX_OK, total)


def test_a_signal_of_its_own_can_be_set(zx: HostSys, counter: int) -> None:
    assert zx.zx_object_signal(counter, 0, ZX_COUNTER_SIGNALED) == ZX_OK
    assert signals(zx, counter) & ZX_COUNTER_SIGNALED
    assert zx.zx_object_signal(counter, 0, ZX_COUNTER_POSITIVE) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_counter_add", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_counter_read", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_counter_write", "ZX_ERR_ACCESS_DENIED")
def test_rights(zx: HostSys, counter: int) -> None:
    _, reader = zx.zx_handle_duplicate(counter, ZX_RIGHT_READ | ZX_RIGHT_WAIT)
    _, writer = zx.zx_handle_duplicate(counter, ZX_RIGHT_WRITE)
    assert zx.zx_counter_read(writer) == (ZX_ERR_ACCESS_DENIED, 0)
    assert zx.zx_counter_write(reader, 1) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_counter_add(reader, 1) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_counter_add(writer, 1) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_counter_write(writer, 5) == ZX_OK
    assert zx.zx_counter_read(reader) == (ZX_OK, 5)


def test_bad_handle_and_wrong_type(zx: HostSys) -> None:
    _, event = zx.zx_event_create(0)
    for handle, status in ((0, ZX_ERR_BAD_HANDLE), (event, ZX_ERR_WRONG_TYPE)):
        assert zx.zx_counter_read(handle) == (status, 0)
        assert zx.zx_counter_write(handle, 1) == status
        assert zx.zx_counter_add(handle, 1) == status
