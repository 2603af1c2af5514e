"""Profiles: how threads are to be scheduled, where, and how much the memory of an address region matters.

Priorities and deadlines decide about turns (`turns.py`). A CPU mask is kept and shown: there is one CPU. Memory of a region with
a high priority is not taken back when there is too little of it (`vm/reclaim.py`).

Source: zircon/kernel/object/profile_dispatcher.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_PROFILE_RIGHTS,
    ZX_OBJ_TYPE_PROFILE,
    ZX_PRIORITY_DEFAULT,
    ZX_PRIORITY_HIGH,
    ZX_PRIORITY_HIGHEST,
    ZX_PRIORITY_LOWEST,
    ZX_PROFILE_INFO_FLAG_CPU_MASK,
    ZX_PROFILE_INFO_FLAG_CRITICAL,
    ZX_PROFILE_INFO_FLAG_DEADLINE,
    ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY,
    ZX_PROFILE_INFO_FLAG_NO_INHERIT,
    ZX_PROFILE_INFO_FLAG_PRIORITY,
    Status,
    ZxError,
    zx_profile_info_t,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.turns import WEIGHTS, Reservation

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher

_DISCIPLINES: Final = ZX_PROFILE_INFO_FLAG_PRIORITY | ZX_PROFILE_INFO_FLAG_DEADLINE
_OF_THREADS: Final = _DISCIPLINES | ZX_PROFILE_INFO_FLAG_CPU_MASK
_ALL: Final = (
    _OF_THREADS
    | ZX_PROFILE_INFO_FLAG_NO_INHERIT
    | ZX_PROFILE_INFO_FLAG_CRITICAL
    | ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY
)
_WITH_DISCIPLINE: Final = _OF_THREADS | ZX_PROFILE_INFO_FLAG_NO_INHERIT | ZX_PROFILE_INFO_FLAG_CRITICAL


class ProfileDispatcher(SoloDispatcher):
    """A profile, for threads or for address regions."""

    TYPE = ZX_OBJ_TYPE_PROFILE
    DEFAULT_RIGHTS = ZX_DEFAULT_PROFILE_RIGHTS

    __slots__ = ("info",)

    def __init__(self, kernel: Kernel, info: zx_profile_info_t) -> None:
        super().__init__(kernel)
        self.info = info

    @classmethod
    def create(cls, kernel: Kernel, info: zx_profile_info_t) -> ProfileDispatcher:
        """INVALID_ARGS for flags that ask for nothing, or do not go together, and for values out of range."""
        flags = info.flags
        if flags & ~_ALL or not flags & (_OF_THREADS | ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY):
            raise ZxError(Status.INVALID_ARGS)
        if flags & ZX_PROFILE_INFO_FLAG_CRITICAL and not flags & ZX_PROFILE_INFO_FLAG_DEADLINE:
            raise ZxError(Status.INVALID_ARGS)
        if flags & ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY:
            if flags & _OF_THREADS or info.priority not in (ZX_PRIORITY_DEFAULT, ZX_PRIORITY_HIGH):
                raise ZxError(Status.INVALID_ARGS)
        elif flags & _DISCIPLINES and not _is_discipline(info):
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel, info)

    def apply_to_thread(self, thread: ThreadDispatcher) -> None:
        """BAD_STATE a dead thread, where the profile has something to say about threads."""
        if self.info.flags & _OF_THREADS and thread.state is ThreadState.DEAD:
            raise ZxError(Status.BAD_STATE)
        if self.info.flags & ZX_PROFILE_INFO_FLAG_PRIORITY:
            thread.weight, thread.reservation = WEIGHTS[self.info.priority], None
            if self.info.priority != ZX_PRIORITY_DEFAULT:
                self.kernel.weigh()
        elif self.info.flags & ZX_PROFILE_INFO_FLAG_DEADLINE:
            params = self.info.deadline_params
            thread.weight = WEIGHTS[ZX_PRIORITY_DEFAULT]
            thread.reservation = Reservation(params.capacity, params.relative_deadline, params.period)
            self.kernel.weigh()
        if self.info.flags & ZX_PROFILE_INFO_FLAG_CPU_MASK:
            thread.affinity = self.info.cpu_affinity_mask.mask[0]

    def apply_to_vmar(self, region: VmAddressRegionDispatcher) -> None:
        """BAD_STATE a destroyed region, where the profile has something to say about regions."""
        if self.info.flags & ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY:
            if not region.region.alive:
                raise ZxError(Status.BAD_STATE)
            region.region.keep(self.info.priority == ZX_PRIORITY_HIGH)


def _is_discipline(info: zx_profile_info_t) -> bool:
    flags = info.flags
    if flags & ~_WITH_DISCIPLINE or flags & _DISCIPLINES == _DISCIPLINES:
        return False
    if flags & ZX_PROFILE_INFO_FLAG_PRIORITY:
        in_range: bool = ZX_PRIORITY_LOWEST <= info.priority <= ZX_PRIORITY_HIGHEST
        return in_range
    if flags & ZX_PROFILE_INFO_FLAG_NO_INHERIT:
        return False
    params = info.deadline_params
    admissible: bool = 0 < params.capacity <= params.relative_deadline <= params.period
    return admissible
