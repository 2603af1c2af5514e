"""Memory pressure: events that say how much memory is left, at one of five levels, one of which is always signaled.

The real kernel's thresholds are numbers of MiB for a machine of some GiB; here they are those, or for a small machine
fractions of its memory. Pressure that falls is believed only when it is clear of the threshold, as there; the ten seconds
that the real kernel waits on top of that are left out, since no time may pass between two system calls of a machine with
virtual time.

Source: zircon/kernel/object/memory_watchdog.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_EVENT_SIGNALED,
    ZX_SYSTEM_EVENT_IMMINENT_OUT_OF_MEMORY,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_CRITICAL,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL,
    ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING,
    ZX_SYSTEM_EVENT_OUT_OF_MEMORY,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.event import EventDispatcher
from jacinth.machine.memory import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

# Below so much free memory, in MiB or thousandths of what there is, whichever is less, the level is reached. From the worst on.
_LEVELS: Final = (
    (ZX_SYSTEM_EVENT_OUT_OF_MEMORY, 50, 50),
    (ZX_SYSTEM_EVENT_IMMINENT_OUT_OF_MEMORY, 60, 60),
    (ZX_SYSTEM_EVENT_MEMORY_PRESSURE_CRITICAL, 150, 150),
    (ZX_SYSTEM_EVENT_MEMORY_PRESSURE_WARNING, 300, 300),
)
_NORMAL: Final = len(_LEVELS)
_KINDS: Final = (*(kind for kind, _, _ in _LEVELS), ZX_SYSTEM_EVENT_MEMORY_PRESSURE_NORMAL)
_DEBOUNCE: Final = (1, 1)


class MemoryPressure:
    """`kernel.memory_pressure`: the events, and the level that memory is at, an index into the levels from the worst on.

    Memory is watched as soon as somebody has asked for an event.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._memory = kernel.memory
        frames = self._memory.frames
        self._thresholds = [_frames(frames, mib, share) for _, mib, share in _LEVELS]
        self._debounce = max(1, _frames(frames, *_DEBOUNCE))
        self._events = {kind: EventDispatcher(kernel) for kind in _KINDS}
        self.level = _NORMAL
        self._signal(True)
        self._watch()

    @property
    def kind(self) -> int:
        """The ZX_SYSTEM_EVENT_* that is signaled."""
        return _KINDS[self.level]

    def event(self, kind: int) -> EventDispatcher:
        """The event of a ZX_SYSTEM_EVENT_*: INVALID_ARGS."""
        event = self._events.get(kind)
        if event is None:
            raise ZxError(Status.INVALID_ARGS)
        return event

    def update(self) -> None:
        """Memory has crossed a threshold."""
        free = self._memory.frames - self._memory.allocated
        level = _level(free, self._thresholds)
        if level > self.level:  # less pressure: only where it is clear of the threshold
            level = max(self.level, _level(free - self._debounce, self._thresholds))
        if level != self.level:
            self._signal(False)
            self.level = level
            self._signal(True)
        self._watch()

    def _watch(self) -> None:
        """Say at which numbers of frames in use the level may change."""
        frames = self._memory.frames
        worse = self._thresholds[self.level - 1] if self.level else None
        better = self._thresholds[self.level] + self._debounce if self.level != _NORMAL else None
        above = None if worse is None else frames - worse + 1
        below = None if better is None else frames - better
        self._memory.watch(above, below, self.update)

    def _signal(self, on: bool) -> None:
        event = self.event(self.kind)
        if on:
            event.update_signals(0, ZX_EVENT_SIGNALED)
        else:
            event.update_signals(ZX_EVENT_SIGNALED, 0)


def _level(free: int, thresholds: list[int]) -> int:
    return next((index for index, threshold in enumerate(thresholds) if free < threshold), _NORMAL)


def _frames(frames: int, mib: int, thousandths: int) -> int:
    return min((mib << 20) // PAGE_SIZE, frames * thousandths // 1000)
