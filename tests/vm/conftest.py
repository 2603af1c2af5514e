"""Fixtures: a bare world of VMOs and aspaces; and for calls, ways to make them with other rights, policies
and pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jacinth.abi import (
    BY_NAME,
    ZX_JOB_POL_ABSOLUTE,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_OVERRIDE_DENY,
    ZX_RSRC_KIND_ROOT,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import TRAPS, HostSys

from .vm_world import World

BAD_ADDRESS = 0x10  # nothing is ever mapped there


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def trap(zx: HostSys) -> Callable[..., int | None]:
    """Make a call as a guest does, by registers; pointers are into the host's memory."""

    def enter(name: str, *registers: int) -> int | None:
        number = BY_NAME[name].number
        padded = (number, *registers) + (0,) * (8 - len(registers))
        return TRAPS[number](zx.call, tuple(value & 0xFFFF_FFFF_FFFF_FFFF for value in padded))

    return enter


@pytest.fixture
def with_rights(zx: HostSys) -> Callable[[int, int], int]:
    """Another handle to the same object, with these rights only."""

    def duplicate(handle: int, rights: int) -> int:
        value = zx.call.handles.handles[handle]
        return zx.call.handles.add(type(value)(value.object, rights))

    return duplicate


@pytest.fixture
def deny(zx: HostSys) -> Callable[[int], None]:
    """From now on the host's policy denies a condition."""

    def forbid(condition: int) -> None:
        process: Any = zx.call.process
        denial = (condition, ZX_POL_ACTION_DENY, ZX_POL_OVERRIDE_DENY)
        process.policy = process.policy.with_basic(ZX_JOB_POL_ABSOLUTE, [denial])

    return forbid


@pytest.fixture
def root(k: Any) -> int:
    return int(k.host.root_vmar)


@pytest.fixture
def new_vmo(zx: HostSys) -> Callable[..., int]:
    """A handle to a VMO of that many bytes."""

    def create(size: int, options: int = 0) -> int:
        status, vmo = zx.zx_vmo_create(size, options)
        assert status == ZX_OK
        return int(vmo)

    return create


@pytest.fixture
def root_resource(zx: HostSys) -> int:
    """A handle to the root resource."""
    return zx.call.install(Handle(ResourceDispatcher(zx.call.kernel, ZX_RSRC_KIND_ROOT, 0, 0), 0))
