"""Mapped clocks. Source: zircon/vdso/{clock,vmar}.fidl, RFC-0266, utest/core/clock (mapped clocks)."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Clock, ClockOpts, Signals, ZxInvalidArgs
from jacinth.abi import (
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_OPT_AUTO_START,
    ZX_CLOCK_OPT_MAPPABLE,
    ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID,
    ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID,
    ZX_DEFAULT_CLOCK_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_CLOCK_MAPPED_SIZE,
    ZX_INFO_HANDLE_BASIC,
    ZX_OK,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED,
    ZX_VM_PERM_WRITE,
    zx_clock_details_v1_t,
    zx_clock_update_args_v2_t,
    zx_info_handle_basic_t,
)
from jacinth.api.kernel import Kernel

PAGE = 4096
V1, V2 = 1 << ZX_CLOCK_ARGS_VERSION_SHIFT, 2 << ZX_CLOCK_ARGS_VERSION_SHIFT
SET = ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID
TURN = ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID


class Mapped:
    """A mappable clock, and where it is mapped."""

    def __init__(self, k: Kernel, options: int = 0) -> None:
        self.k = k
        self.zx: Any = k.host.sys
        status, self.clock = self.zx.zx_clock_create(ZX_CLOCK_OPT_MAPPABLE | options, None)
        assert status == ZX_OK
        status, self.address = self.map()
        assert status == ZX_OK

    def map(
        self, options: int = ZX_VM_PERM_READ, clock: int | None = None, size: int = PAGE
    ) -> tuple[int, int]:
        handle = self.clock if clock is None else clock
        answer: tuple[int, int] = self.zx.zx_vmar_map_clock(self.k.host.root_vmar, options, 0, handle, size)
        return answer

    def update(self, options: int, **values: Any) -> None:
        assert self.zx.zx_clock_update(self.clock, V2 | options, zx_clock_update_args_v2_t(**values)) == ZX_OK

    def both(self) -> tuple[int, int]:
        """What the clock shows, through its handle and through its page."""
        (one, by_handle), (other, by_page) = (
            self.zx.zx_clock_read(self.clock),
            self.zx.zx_clock_read_mapped(self.address),
        )
        assert one == other == ZX_OK
        return by_handle, by_page

    def details(self) -> tuple[zx_clock_details_v1_t, zx_clock_details_v1_t]:
        one = self.zx.zx_clock_get_details(self.clock, V1)
        other = self.zx.zx_clock_get_details_mapped(self.address, V1)
        assert one[0] == other[0] == ZX_OK
        return zx_clock_details_v1_t.unpack(one[1]), zx_clock_details_v1_t.unpack(other[1])


@pytest.fixture
def mapped(k: Kernel) -> Mapped:
    return Mapped(k)


def test_a_mappable_clock_has_the_right_to_map(mapped: Mapped) -> None:
    size = zx_info_handle_basic_t.SIZE
    _, data, *_ = mapped.zx.zx_object_get_info(mapped.clock, ZX_INFO_HANDLE_BASIC, size)
    assert zx_info_handle_basic_t.unpack(data).rights == ZX_DEFAULT_CLOCK_RIGHTS | ZX_RIGHT_MAP
    status, data, *_ = mapped.zx.zx_object_get_info(mapped.clock, ZX_INFO_CLOCK_MAPPED_SIZE, 8)
    assert (status, int.from_bytes(data, "little")) == (ZX_OK, PAGE)


def test_a_clock_that_cannot_be_mapped_has_no_size_to_map(mapped: Mapped) -> None:
    _, plain = mapped.zx.zx_clock_create(0, None)
    assert mapped.zx.zx_object_get_info(plain, ZX_INFO_CLOCK_MAPPED_SIZE, 8)[0] == ZX_ERR_INVALID_ARGS
    assert mapped.map(clock=plain)[0] == ZX_ERR_INVALID_ARGS


def test_the_page_shows_what_the_clock_shows(mapped: Mapped) -> None:
    assert mapped.both() == (0, 0)
    mapped.update(SET, synthetic_value=10**9)
    for step in range(5):
        by_handle, by_page = mapped.both()
        assert by_handle == by_page >= 10**9
        one, other = mapped.details()
        assert one == other and other.generation_counter == step + 1
        mapped.update(TURN, rate_adjust=step * 100)
        mapped.k.nanosleep(mapped.k.deadline_after(10**9))


def test_a_clock_that_starts_by_itself(k: Kernel) -> None:
    mapped = Mapped(k, ZX_CLOCK_OPT_AUTO_START)
    k.nanosleep(k.deadline_after(12345))
    assert mapped.both() == (k.now, k.now)


def test_the_page_goes_on_without_the_clock(mapped: Mapped) -> None:
    mapped.update(SET, synthetic_value=1000)
    start = mapped.k.now
    mapped.zx.zx_handle_close(mapped.clock)
    mapped.k.nanosleep(mapped.k.deadline_after(500))
    status, now = mapped.zx.zx_clock_read_mapped(mapped.address)
    assert (status, now) == (ZX_OK, 1000 + mapped.k.now - start)


def test_the_memory_goes_with_the_last_of_both(k: Kernel) -> None:
    zx: Any = k.host.sys
    before = k.memory.allocated
    _, clock = zx.zx_clock_create(ZX_CLOCK_OPT_MAPPABLE, None)
    assert k.memory.allocated == before + 1
    zx.zx_handle_close(clock)
    assert k.memory.allocated == before


@pytest.mark.shows("zx_vmar_map_clock", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    "options", [ZX_VM_PERM_WRITE, ZX_VM_PERM_EXECUTE, ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED]
)
def test_a_clock_is_mapped_to_read_only(mapped: Mapped, options: int) -> None:
    assert mapped.map(ZX_VM_PERM_READ | options)[0] == ZX_ERR_INVALID_ARGS
    protect = mapped.zx.zx_vmar_protect(mapped.k.host.root_vmar, ZX_VM_PERM_READ | 2, mapped.address, PAGE)
    assert protect == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_vmar_map_clock", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_vmar_map_clock", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_vmar_map_clock", "ZX_ERR_ACCESS_DENIED")
def test_errors_of_mapping(mapped: Mapped) -> None:
    zx = mapped.zx
    _, event = zx.zx_event_create(0)
    assert mapped.map(size=0)[0] == mapped.map(size=2 * PAGE)[0] == ZX_ERR_INVALID_ARGS
    faults = ZX_VM_PERM_READ | ZX_VM_ALLOW_FAULTS | ZX_VM_FAULT_BEYOND_STREAM_SIZE
    assert mapped.map(faults)[0] == ZX_ERR_INVALID_ARGS
    assert mapped.map(clock=0)[0] == ZX_ERR_BAD_HANDLE
    assert mapped.map(clock=event)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_vmar_map_clock(0, ZX_VM_PERM_READ, 0, mapped.clock, PAGE)[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_vmar_map_clock(event, ZX_VM_PERM_READ, 0, mapped.clock, PAGE)[0] == ZX_ERR_WRONG_TYPE
    for rights in (ZX_RIGHT_READ, ZX_RIGHT_MAP):
        _, poor = zx.zx_handle_duplicate(mapped.clock, rights)
        assert mapped.map(clock=poor)[0] == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_clock_read_mapped", "ZX_ERR_INVALID_ARGS")
def test_reading_what_is_not_mapped(mapped: Mapped) -> None:
    assert mapped.zx.zx_vmar_unmap(mapped.k.host.root_vmar, mapped.address, PAGE) == ZX_OK
    assert mapped.zx.zx_clock_read_mapped(mapped.address)[0] == ZX_ERR_INVALID_ARGS
    assert mapped.zx.zx_clock_read_mapped(bytes(112))[0] == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_clock_get_details_mapped", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [0, V2])
def test_details_of_other_versions(mapped: Mapped, options: int) -> None:
    assert mapped.zx.zx_clock_get_details_mapped(mapped.address, options)[0] == ZX_ERR_INVALID_ARGS


def test_clocks_in_the_python_api(k: Kernel) -> None:
    clock = Clock.create(ClockOpts.MAPPABLE, 50, caller=k)
    assert clock.read() == 50 and clock.details.backstop_time == 50
    clock.update(1000, error_bound=5)
    assert clock.wait(Signals.CLOCK_STARTED, 0) & Signals.CLOCK_STARTED
    address = k.root_vmar.map_clock(0, clock)
    assert k.sys.zx_clock_read_mapped(address)[1] == clock.read() >= 1000
    clock.update(rate=-100)
    assert clock.details.error_bound == 5 and clock.details.generation_counter == 2
    with pytest.raises(ZxInvalidArgs):
        _ = Clock.create(caller=k).mapped_size
