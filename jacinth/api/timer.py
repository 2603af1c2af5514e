"""Timers: a signal at a time."""

from __future__ import annotations

from jacinth.abi import ZX_INFO_TIMER, zx_info_timer_t
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ClockId, ObjType, Slack
from jacinth.api.handle import Handle, check


class Timer(Handle[C]):
    """Asserts TIMER_SIGNALED at its deadline."""

    OBJ_TYPE = ObjType.TIMER

    __slots__ = ()

    @classmethod
    def create(
        cls, clock_id: int = ClockId.MONOTONIC, options: int = Slack.CENTER, *, caller: C | None = None
    ) -> Timer[C]:
        """A timer, inexact in the direction that *options*, a Slack, says. Raises ZxInvalidArgs."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_timer_create(options, clock_id)
        check(status)
        return Timer(owner, raw)

    @member
    def set(self, deadline: int, slack: int = 0) -> None:
        """Fire at *deadline* ns, give or take *slack* ns, and not at an earlier setting.

        Rights: WRITE. Raises ZxOutOfRange.
        """
        check(self._caller.sys.zx_timer_set(self.raw, deadline, slack))

    @member
    def cancel(self) -> None:
        """Fire no more, and take back the signal. Rights: WRITE."""
        check(self._caller.sys.zx_timer_cancel(self.raw))

    @property
    def info(self) -> zx_info_timer_t:
        """Options, clock, deadline and slack. Rights: INSPECT."""
        return self._info(ZX_INFO_TIMER, zx_info_timer_t)
