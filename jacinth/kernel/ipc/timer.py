"""Timers: objects that assert a signal at a time.

Source: zircon/kernel/object/timer_dispatcher.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_TIMER_RIGHTS,
    ZX_OBJ_TYPE_TIMER,
    ZX_TIME_INFINITE,
    ZX_TIMER_SIGNALED,
    ZX_TIMER_SLACK_CENTER,
    ZX_TIMER_SLACK_EARLY,
    ZX_TIMER_SLACK_LATE,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.wait import Timer


class TimerDispatcher(SoloDispatcher):
    """A timer. *deadline* is in ns and 0 while it is not set.

    The slack says how far from its deadline a timer may fire; firing at the deadline itself satisfies every
    slack.
    """

    TYPE = ZX_OBJ_TYPE_TIMER
    DEFAULT_RIGHTS = ZX_DEFAULT_TIMER_RIGHTS

    __slots__ = ("_timer", "clock_id", "deadline", "options", "slack")

    def __init__(self, kernel: Kernel, options: int, clock_id: int) -> None:
        super().__init__(kernel)
        self.options = options
        self.clock_id = clock_id
        self.deadline = 0
        self.slack = 0
        self._timer: Timer | None = None

    @classmethod
    def create(cls, kernel: Kernel, options: int, clock_id: int) -> TimerDispatcher:
        """INVALID_ARGS for *options* that are no ZX_TIMER_SLACK_* mode. The clock is already checked."""
        if options not in (ZX_TIMER_SLACK_CENTER, ZX_TIMER_SLACK_EARLY, ZX_TIMER_SLACK_LATE):
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel, options, clock_id)

    def set(self, deadline: int, slack: int) -> None:
        """Fire at *deadline*, at once where it has passed, instead of whenever it was set to before."""
        self.stop()
        if deadline <= self.kernel.clock.now():
            self.update_signals(0, ZX_TIMER_SIGNALED)
            return
        self.deadline = deadline
        self.slack = slack
        if deadline != ZX_TIME_INFINITE:
            self._timer = self.kernel.timers.set(deadline, self._fire)

    def stop(self) -> None:
        """Do not fire any more, and take the signal back."""
        self.update_signals(ZX_TIMER_SIGNALED, 0)
        self.deadline = self.slack = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self.deadline = self.slack = 0
        self.update_signals(0, ZX_TIMER_SIGNALED)

    def on_zero_handles(self) -> None:
        self.stop()
