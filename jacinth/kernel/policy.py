"""Job policy: what happens when a process does something that its job may forbid.

A policy is immutable and inherited by reference; setting one on a job makes a new one.

Source: zircon/kernel/object/job_policy.cc, docs/reference/syscalls/job_set_policy.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from jacinth.abi import (
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_RELATIVE,
    ZX_POL_ACTION_ALLOW,
    ZX_POL_ACTION_MAX,
    ZX_POL_MAX,
    ZX_POL_NEW_ANY,
    ZX_POL_NEW_CHANNEL,
    ZX_POL_NEW_EVENT,
    ZX_POL_NEW_EVENTPAIR,
    ZX_POL_NEW_FIFO,
    ZX_POL_NEW_IOB,
    ZX_POL_NEW_PAGER,
    ZX_POL_NEW_PORT,
    ZX_POL_NEW_PROCESS,
    ZX_POL_NEW_PROFILE,
    ZX_POL_NEW_SAMPLER,
    ZX_POL_NEW_SOCKET,
    ZX_POL_NEW_TIMER,
    ZX_POL_NEW_VMO,
    ZX_POL_OVERRIDE_ALLOW,
    ZX_POL_OVERRIDE_DENY,
    Status,
    ZxError,
)

# The conditions that ZX_POL_NEW_ANY stands for.
_NEW: Final = (
    ZX_POL_NEW_VMO,
    ZX_POL_NEW_CHANNEL,
    ZX_POL_NEW_EVENT,
    ZX_POL_NEW_EVENTPAIR,
    ZX_POL_NEW_PORT,
    ZX_POL_NEW_SOCKET,
    ZX_POL_NEW_FIFO,
    ZX_POL_NEW_TIMER,
    ZX_POL_NEW_PROCESS,
    ZX_POL_NEW_PROFILE,
    ZX_POL_NEW_PAGER,
    ZX_POL_NEW_IOB,
    ZX_POL_NEW_SAMPLER,
)


@dataclass(frozen=True, slots=True)
class TimerSlack:
    """The least slack, in ns, of timers and deadlines in a job, and its default mode (ZX_TIMER_SLACK_*)."""

    amount: int
    mode: int


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """Actions by condition (ZX_POL_*), and the conditions that child jobs cannot change any more."""

    actions: tuple[int, ...] = (ZX_POL_ACTION_ALLOW,) * ZX_POL_MAX
    fixed: frozenset[int] = frozenset()
    timer_slack: TimerSlack = TimerSlack(0, 0)

    def action(self, condition: int) -> int:
        return self.actions[condition]

    def with_basic(self, mode: int, items: Sequence[tuple[int, int, int]]) -> JobPolicy:
        """This policy with (condition, action, override flag) *items* on top, one after the other.

        A condition that is fixed stays as it is: with *mode* ZX_JOB_POL_ABSOLUTE that fails the whole, unless the item wants just
        that; with ZX_JOB_POL_RELATIVE it is passed over. ZX_POL_NEW_ANY stands for all conditions of that name; items beside it,
        in the same call, may say something else for one of them, and its flag counts for all.
        Errors, in order: INVALID_ARGS mode; OUT_OF_RANGE more items than conditions; of each item NOT_SUPPORTED action,
        INVALID_ARGS flag, condition, ALREADY_EXISTS.
        """
        if mode not in (ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_RELATIVE):
            raise ZxError(Status.INVALID_ARGS)
        if len(items) > ZX_POL_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        actions = list(self.actions)
        fixed = set(self.fixed)
        any_override: int | None = None
        for condition, action, override in items:
            if not 0 <= action < ZX_POL_ACTION_MAX:
                raise ZxError(Status.NOT_SUPPORTED)
            if override not in (ZX_POL_OVERRIDE_ALLOW, ZX_POL_OVERRIDE_DENY):
                raise ZxError(Status.INVALID_ARGS)
            if not 0 <= condition < ZX_POL_MAX:
                raise ZxError(Status.INVALID_ARGS)
            conditions: Sequence[int] = (condition,)
            if condition == ZX_POL_NEW_ANY:
                conditions, any_override, override = _NEW, override, ZX_POL_OVERRIDE_ALLOW
            for one in conditions:
                if one not in fixed:
                    actions[one] = action
                    if override == ZX_POL_OVERRIDE_DENY:
                        fixed.add(one)
                elif mode == ZX_JOB_POL_ABSOLUTE and (action, override) != (
                    actions[one],
                    ZX_POL_OVERRIDE_DENY,
                ):
                    raise ZxError(Status.ALREADY_EXISTS)
        # Today's kernel lets a child's NEW_ANY free what its parent has fixed; the document does not.
        if any_override == ZX_POL_OVERRIDE_DENY:
            fixed.update(_NEW)
        elif any_override == ZX_POL_OVERRIDE_ALLOW:
            fixed -= {one for one in _NEW if one not in self.fixed}
        return replace(self, actions=tuple(actions), fixed=frozenset(fixed))

    def with_timer_slack(self, amount: int, mode: int) -> JobPolicy:
        """This policy with at least *amount* ns of slack."""
        return replace(self, timer_slack=TimerSlack(max(amount, self.timer_slack.amount), mode))


ROOT_POLICY: Final = JobPolicy()
