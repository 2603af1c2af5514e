"""What zx_vmar_map_iob and zx_vmar_map_clock answer as zx_vmar_map does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth import Clock, ClockOpts, Iob, IobAccess, IobRegion, VmoOptions
from jacinth.abi import (
    ZX_ERR_ALREADY_EXISTS,
    ZX_ERR_BAD_STATE,
    ZX_ERR_NO_RESOURCES,
    ZX_ERR_NOT_SUPPORTED,
    ZX_OK,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_PERM_READ,
    ZX_VM_REQUIRE_NON_RESIZABLE,
    ZX_VM_SPECIFIC,
)
from jacinth.api.kernel import Kernel

PAGE = 4096
Map = Callable[..., int]


def iob(k: Kernel) -> Map:
    access = IobAccess.EP0_CAN_MAP_READ | IobAccess.EP0_CAN_MAP_WRITE
    one, _ = Iob.create([IobRegion(access, PAGE, options=VmoOptions.RESIZABLE)], caller=k)

    def map_(vmar: int, options: int = 0, offset: int = 0) -> int:
        answer = k.sys.zx_vmar_map_iob(vmar, ZX_VM_PERM_READ | options, offset, one.raw, 0, 0, PAGE)
        return int(answer[0])

    return map_


def clock(k: Kernel) -> Map:
    made = Clock.create(ClockOpts.MAPPABLE, caller=k)

    def map_(vmar: int, options: int = 0, offset: int = 0) -> int:
        return int(k.sys.zx_vmar_map_clock(vmar, ZX_VM_PERM_READ | options, offset, made.raw, PAGE)[0])

    return map_


def region(k: Kernel, pages: int) -> int:
    status, vmar, _ = k.sys.zx_vmar_allocate(
        k.host.root_vmar, ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_SPECIFIC, 0, pages * PAGE
    )
    assert status == ZX_OK
    return int(vmar)


def each(error: str) -> Any:
    return pytest.mark.parametrize(
        "make",
        [
            pytest.param(iob, marks=pytest.mark.shows("zx_vmar_map_iob", error)),
            pytest.param(clock, marks=pytest.mark.shows("zx_vmar_map_clock", error)),
        ],
    )


@each("ZX_ERR_BAD_STATE")
def test_bad_state_in_a_destroyed_region(k: Kernel, make: Callable[[Kernel], Map]) -> None:
    vmar = region(k, 2)
    assert k.sys.zx_vmar_destroy(vmar) == ZX_OK
    assert make(k)(vmar) == ZX_ERR_BAD_STATE


@each("ZX_ERR_ALREADY_EXISTS")
def test_already_exists_where_something_is_mapped(k: Kernel, make: Callable[[Kernel], Map]) -> None:
    vmar, map_ = region(k, 2), make(k)
    assert map_(vmar, ZX_VM_SPECIFIC, PAGE) == ZX_OK
    assert map_(vmar, ZX_VM_SPECIFIC, PAGE) == ZX_ERR_ALREADY_EXISTS


@each("ZX_ERR_NO_RESOURCES")
def test_no_resources_where_nothing_is_free(k: Kernel, make: Callable[[Kernel], Map]) -> None:
    vmar, map_ = region(k, 1), make(k)
    assert map_(vmar) == ZX_OK
    assert map_(vmar) == ZX_ERR_NO_RESOURCES


@pytest.mark.shows("zx_vmar_map_iob", "ZX_ERR_NOT_SUPPORTED")
def test_not_supported_a_region_that_can_change_its_size(k: Kernel) -> None:
    assert iob(k)(k.host.root_vmar, ZX_VM_REQUIRE_NON_RESIZABLE) == ZX_ERR_NOT_SUPPORTED
