"""Python's memory runs out when a call makes something: it answers NO_MEMORY and has done nothing.

Memory of the machine, in pages, is another matter: tests/vm and tests/testing.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from jacinth.abi import BY_NAME, ZX_ERR_NO_MEMORY
from jacinth.abi.errors import DOCUMENTED_ERRORS
from jacinth.syscalls.door import IMPLEMENTED

from .test_pointers import (
    LOSING,
    REFUSED,
    assert_no_new_handles,
    assert_nothing_new,
    assert_unchanged,
    consumed,
)
from .world import World, good_arguments, registers

ERROR = "ZX_ERR_NO_MEMORY"
# They make nothing but what Python keeps: messages, numbers. Or it is pages that they need, or room in a region.
NOTHING_MADE = {
    "zx_channel_write",
    "zx_channel_write_etc",
    "zx_iob_allocate_id",
    "zx_job_set_policy",
    "zx_object_get_property",
    "zx_pager_supply_pages",
    "zx_socket_write",
    "zx_system_set_performance_info",
    "zx_thread_raise_exception",
    "zx_thread_write_state",
    "zx_vmar_protect",
    "zx_vmo_op_range",
    "zx_vmo_transfer_data",
    "zx_vmo_write",
}
CALLS = [
    name for name in sorted(set(IMPLEMENTED) - REFUSED - NOTHING_MADE) if ERROR in DOCUMENTED_ERRORS[name]
]


@pytest.fixture
def w(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(monkeypatch)
    yield world
    world.close()


# What these leave where the last allocations of all fail is what their pages say: a token that is closed goes into quarantine,
# the task keeps the kernel's end of the channel until another one is made, the state stays bound.
KEEPING = {"zx_bti_pin", "zx_task_create_exception_channel", "zx_restricted_bind_state"}


class Shortage:
    """There is no memory for the *nth* object, record or handle that the kernel makes."""

    def __init__(self, nth: int) -> None:
        self._left = nth
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if self.where or event != "call" or code.co_name not in ("__init__", "add"):
            return
        if any(floor in code.co_filename for floor in ("/jacinth/kernel/", "/jacinth/abi/")):
            self._left -= 1
            if not self._left:
                self.where = code.co_qualname
                raise MemoryError


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.shows(name, ERROR)) for name in CALLS])
def test_no_memory_for_anything_that_a_call_makes(w: World, name: str) -> None:
    """Each of its allocations fails once. When there is none left that could, it succeeds."""
    row = BY_NAME[name]
    for nth in itertools.count(1):
        arguments = good_arguments(w, row)
        before = w.snapshot()
        shortage = Shortage(nth)
        sys.setprofile(shortage)
        try:
            result = w.trap(row, registers(row, arguments))
        finally:
            sys.setprofile(None)
        if not shortage.where:
            break
        what = f"{name}: allocation {nth}, {shortage.where}"
        assert result == ZX_ERR_NO_MEMORY, what
        if name in KEEPING and shortage.where in ("Handle.__init__", "HandleTable.add"):
            assert_no_new_handles(before, w.snapshot(), what)
            return
        if name in LOSING:
            assert_nothing_new(before, w.snapshot(), what)
        else:
            assert_unchanged(before, w.snapshot(), consumed(row, arguments), what)
    assert nth > 1
