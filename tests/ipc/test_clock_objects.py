"""Clock objects. Source: docs/reference/syscalls/clock_{create,read,update,get_details}.md, utest/core/clock."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_OPT_AUTO_START,
    ZX_CLOCK_OPT_CONTINUOUS,
    ZX_CLOCK_OPT_MONOTONIC,
    ZX_CLOCK_STARTED,
    ZX_CLOCK_UNKNOWN_ERROR,
    ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID,
    ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID,
    ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID,
    ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_OK,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    zx_clock_create_args_v1_t,
    zx_clock_details_v1_t,
    zx_clock_update_args_v1_t,
    zx_clock_update_args_v2_t,
)
from jacinth.api.kernel import Kernel
from jacinth.syscalls.door import HostSys

V1, V2 = 1 << ZX_CLOCK_ARGS_VERSION_SHIFT, 2 << ZX_CLOCK_ARGS_VERSION_SHIFT
SET = ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID
TURN = ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID
BOUND = ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID
AT = ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID


def create(zx: HostSys, options: int = 0, backstop: int | None = None) -> int:
    args = None if backstop is None else zx_clock_create_args_v1_t(backstop_time=backstop)
    status, clock = zx.zx_clock_create(options | (V1 if args else 0), args)
    assert status == ZX_OK
    return int(clock)


def update(zx: HostSys, clock: int, options: int, **values: Any) -> int:
    return int(zx.zx_clock_update(clock, V2 | options, zx_clock_update_args_v2_t(**values)))


def read(zx: HostSys, clock: int) -> int:
    status, now = zx.zx_clock_read(clock)
    assert status == ZX_OK
    return int(now)


def details(zx: HostSys, clock: int) -> zx_clock_details_v1_t:
    status, data = zx.zx_clock_get_details(clock, V1)
    assert status == ZX_OK
    return zx_clock_details_v1_t.unpack(data)


def test_a_clock_stands_at_its_backstop_until_it_is_set(k: Kernel, zx: HostSys) -> None:
    clock = create(zx, backstop=123)
    k.nanosleep(k.deadline_after(1000))
    assert read(zx, clock) == 123
    assert not zx.zx_object_wait_one(clock, ZX_CLOCK_STARTED, 0)[1] & ZX_CLOCK_STARTED


def test_a_clock_that_is_set_goes_on_with_the_kernels(k: Kernel, zx: HostSys) -> None:
    clock = create(zx)
    assert update(zx, clock, SET, synthetic_value=5_000) == ZX_OK
    start = k.now
    assert read(zx, clock) == 5_000
    assert zx.zx_object_wait_one(clock, ZX_CLOCK_STARTED, 0)[0] == ZX_OK
    k.nanosleep(k.deadline_after(1_000_000))
    assert read(zx, clock) == 5_000 + k.now - start


def test_an_auto_started_clock_shows_monotonic_time(k: Kernel, zx: HostSys) -> None:
    clock = create(zx, ZX_CLOCK_OPT_AUTO_START)
    assert read(zx, clock) == k.now
    assert zx.zx_object_wait_one(clock, ZX_CLOCK_STARTED, 0)[0] == ZX_OK


def test_a_rate_is_in_parts_per_million(k: Kernel, zx: HostSys) -> None:
    clock = create(zx, ZX_CLOCK_OPT_AUTO_START)
    before = k.now
    assert update(zx, clock, TURN, rate_adjust=1000) == ZX_OK
    k.nanosleep(before + 1_000_000_000)
    passed = k.now - before
    assert read(zx, clock) == before + passed * 1_001_000 // 1_000_000


def test_a_set_may_be_dated(k: Kernel, zx: HostSys) -> None:
    clock = create(zx)
    assert update(zx, clock, SET | AT, synthetic_value=1000, reference_value=k.now - 50) == ZX_OK
    assert read(zx, clock) == 1050


def test_details_show_everything(k: Kernel, zx: HostSys) -> None:
    clock = create(zx, ZX_CLOCK_OPT_MONOTONIC, backstop=7)
    fresh = details(zx, clock)
    assert (fresh.options, fresh.backstop_time, fresh.error_bound) == (
        ZX_CLOCK_OPT_MONOTONIC,
        7,
        ZX_CLOCK_UNKNOWN_ERROR,
    )
    assert fresh.generation_counter == 0
    assert update(zx, clock, SET | BOUND, synthetic_value=100, error_bound=9) == ZX_OK
    changed = details(zx, clock)
    assert (changed.error_bound, changed.generation_counter) == (9, 1)
    assert (
        changed.last_value_update_reference_ticks == changed.last_error_bounds_update_reference_ticks == k.now
    )
    rate = changed.reference_to_synthetic.rate
    assert (changed.reference_to_synthetic.synthetic_offset, rate.synthetic_ticks, rate.reference_ticks) == (
        100,
        1,
        1,
    )


def test_bad_state_the_first_update_must_set_the_clock(zx: HostSys) -> None:
    clock = create(zx)
    assert update(zx, clock, TURN, rate_adjust=1) == ZX_ERR_BAD_STATE
    assert update(zx, clock, BOUND, error_bound=1) == ZX_ERR_BAD_STATE


def test_a_monotonic_clock_never_moves_back(k: Kernel, zx: HostSys) -> None:
    clock = create(zx, ZX_CLOCK_OPT_MONOTONIC)
    assert update(zx, clock, SET, synthetic_value=1000) == ZX_OK
    assert update(zx, clock, SET | AT, synthetic_value=999, reference_value=k.now) == ZX_ERR_INVALID_ARGS
    assert update(zx, clock, SET, synthetic_value=2000) == ZX_ERR_INVALID_ARGS  # not dated
    assert update(zx, clock, SET | AT, synthetic_value=2000, reference_value=k.now) == ZX_OK
    assert read(zx, clock) == 2000


def test_a_continuous_clock_is_set_once(zx: HostSys) -> None:
    clock = create(zx, ZX_CLOCK_OPT_MONOTONIC | ZX_CLOCK_OPT_CONTINUOUS)
    assert update(zx, clock, SET, synthetic_value=1000) == ZX_OK
    arguments = zx_clock_update_args_v1_t(value=2000)
    assert zx.zx_clock_update(clock, V1 | SET, arguments) == ZX_ERR_INVALID_ARGS


def test_no_clock_shows_a_time_before_its_backstop(zx: HostSys) -> None:
    clock = create(zx, backstop=1000)
    assert update(zx, clock, SET, synthetic_value=999) == ZX_ERR_INVALID_ARGS
    assert update(zx, clock, SET, synthetic_value=1000) == ZX_OK


@pytest.mark.parametrize(
    ("options", "args"),
    [
        (1 << 20, None),
        (ZX_CLOCK_OPT_CONTINUOUS, None),
        (V1, None),
        (0, zx_clock_create_args_v1_t()),
        (3 << ZX_CLOCK_ARGS_VERSION_SHIFT, zx_clock_create_args_v1_t()),
        (V1, zx_clock_create_args_v1_t(backstop_time=-1)),
        (V1 | ZX_CLOCK_OPT_AUTO_START, zx_clock_create_args_v1_t(backstop_time=1 << 60)),
    ],
)
def test_invalid_args_of_create(zx: HostSys, options: int, args: object) -> None:
    assert zx.zx_clock_create(options, args) == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.parametrize("options", [V2, V2 | 1 << 10, SET, V1 | SET | AT, V2 | AT, V2 | SET | TURN])
def test_invalid_args_of_update(zx: HostSys, options: int) -> None:
    clock = create(zx, ZX_CLOCK_OPT_AUTO_START)
    values = zx_clock_update_args_v2_t(rate_adjust=1001)
    before = details(zx, clock).generation_counter
    assert zx.zx_clock_update(clock, options, values) == ZX_ERR_INVALID_ARGS
    assert details(zx, clock).generation_counter == before


@pytest.mark.shows("zx_clock_read", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_clock_update", "ZX_ERR_ACCESS_DENIED")
def test_handles(zx: HostSys) -> None:
    clock = create(zx)
    _, event = zx.zx_event_create(0)
    _, reader = zx.zx_handle_duplicate(clock, ZX_RIGHT_READ)
    _, writer = zx.zx_handle_duplicate(clock, ZX_RIGHT_WRITE)
    for handle, status in ((0, ZX_ERR_BAD_HANDLE), (event, ZX_ERR_WRONG_TYPE)):
        assert zx.zx_clock_read(handle)[0] == status
        assert zx.zx_clock_get_details(handle, V1)[0] == status
        assert update(zx, handle, SET) == status
    assert zx.zx_clock_read(writer)[0] == ZX_ERR_ACCESS_DENIED
    assert update(zx, reader, SET) == ZX_ERR_ACCESS_DENIED
    assert zx.zx_clock_get_details(clock, 0)[0] == ZX_ERR_INVALID_ARGS
