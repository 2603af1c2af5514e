"""Time and randomness. Source: docs/reference/syscalls/{nanosleep,deadline_after,ticks_get,cprng_draw}.md."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CPRNG_ADD_ENTROPY_MAX_LEN,
    ZX_CPRNG_DRAW_MAX_LEN,
    ZX_ERR_INVALID_ARGS,
    ZX_OK,
    ZX_THREAD_STATE_BLOCKED_SLEEPING,
    ZX_TIME_INFINITE,
    ZX_TIME_INFINITE_PAST,
)

from .conftest import MS, Program


def test_sleeping_ends_at_the_deadline(zx: Any) -> None:
    deadline = zx.zx_deadline_after(5 * MS)
    assert zx.zx_nanosleep(deadline) == ZX_OK
    assert deadline <= zx.zx_clock_get_monotonic() < deadline + MS


@pytest.mark.parametrize("deadline", [0, -1, 1, ZX_TIME_INFINITE_PAST])
def test_sleeping_until_a_time_that_has_passed_is_no_sleep(zx: Any, deadline: int) -> None:
    before = zx.zx_clock_get_monotonic()
    assert zx.zx_nanosleep(deadline) == ZX_OK
    assert zx.zx_clock_get_monotonic() < before + MS


def test_a_sleeping_thread_says_so(program: Program) -> None:
    async def sleep(body: Any) -> None:
        await body.zx_nanosleep(ZX_TIME_INFINITE)

    thread = program.start(sleep)
    program.settle()
    assert thread.info_state == ZX_THREAD_STATE_BLOCKED_SLEEPING


def test_sleepers_wake_in_the_order_of_their_deadlines(zx: Any, program: Program) -> None:
    async def sleep(body: Any, name: int, deadline: int) -> int:
        await body.zx_nanosleep(deadline)
        return name

    now = zx.zx_clock_get_monotonic()
    for name in (3, 1, 2):
        program.start(sleep, name, now + name * MS // 10)
    program.settle()
    assert program.results == [1, 2, 3]


def test_a_deadline_saturates(zx: Any) -> None:
    assert zx.zx_deadline_after(ZX_TIME_INFINITE) == ZX_TIME_INFINITE
    assert zx.zx_deadline_after(-(1 << 63)) == zx.zx_clock_get_monotonic() - (1 << 63)
    assert zx.zx_deadline_after(0) == zx.zx_clock_get_monotonic()


def test_ticks_are_nanoseconds_and_boot_time_is_monotonic_time(zx: Any) -> None:
    assert zx.zx_ticks_per_second() == 1_000_000_000
    now = zx.zx_clock_get_monotonic()
    assert now == zx.zx_ticks_get() == zx.zx_ticks_get_boot() == zx.zx_clock_get_boot() > 0


def test_random_bytes_follow_from_the_seed_and_do_not_repeat(zx: Any) -> None:
    draws = [zx.zx_cprng_draw(size)[-1] for size in (0, 1, 32, ZX_CPRNG_DRAW_MAX_LEN * 3 + 1)]
    assert [len(draw) for draw in draws] == [0, 1, 32, ZX_CPRNG_DRAW_MAX_LEN * 3 + 1]
    assert draws[2] != draws[3][:32]
    assert len({draws[3][i : i + 16] for i in range(0, 256, 16)}) == 16


def test_entropy_is_taken_up_to_a_limit(zx: Any, trap: Any) -> None:
    assert zx.zx_cprng_add_entropy(bytes(ZX_CPRNG_ADD_ENTROPY_MAX_LEN)) == ZX_OK
    assert zx.zx_cprng_add_entropy(bytes(ZX_CPRNG_ADD_ENTROPY_MAX_LEN + 1)) == ZX_ERR_INVALID_ARGS
    assert trap("zx_cprng_add_entropy", 0, 1) == ZX_ERR_INVALID_ARGS
