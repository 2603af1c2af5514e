"""Fixtures: a kernel that repeats exactly, and the host's raw calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jacinth.api.kernel import Kernel
from jacinth.syscalls.door import HostSys


@pytest.fixture
def k() -> Iterator[Kernel]:
    """A kernel with virtual time and seed 0."""
    with Kernel(seed=0, virtual_time=True, memory=64 << 20, strict=True) as kernel:
        yield kernel


@pytest.fixture
def zx(k: Kernel) -> HostSys:
    return k.host.sys
