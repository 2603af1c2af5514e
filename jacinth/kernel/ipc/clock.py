"""Clock objects: a time of one's own, as a straight line over the kernel's.

    synthetic = synthetic offset + (reference - reference offset) * rate

The reference is monotonic or boot time, which in Jacinth are the same, and ticks, which are nanoseconds.

Source: docs/reference/kernel_objects/clock.md, zircon/kernel/object/clock_dispatcher.cc.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_CLOCK_OPT_AUTO_START,
    ZX_CLOCK_OPT_CONTINUOUS,
    ZX_CLOCK_OPT_MAPPABLE,
    ZX_CLOCK_OPT_MONOTONIC,
    ZX_CLOCK_OPTS_ALL,
    ZX_CLOCK_STARTED,
    ZX_CLOCK_UNKNOWN_ERROR,
    ZX_CLOCK_UPDATED,
    ZX_DEFAULT_CLOCK_RIGHTS,
    ZX_OBJ_TYPE_CLOCK,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

PARTS_PER_MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Transformation:
    """The line through (*reference*, *synthetic*), both in ns, that rises by *numerator* for every *denominator*."""

    reference: int
    synthetic: int
    numerator: int
    denominator: int

    def apply(self, reference: int) -> int:
        return self.synthetic + (reference - self.reference) * self.numerator // self.denominator


@dataclass(frozen=True, slots=True)
class ClockUpdate:
    """What an update changes; None: it stays. *rate* in parts per million, the others in ns."""

    synthetic: int | None = None
    reference: int | None = None
    rate: int | None = None
    error_bound: int | None = None
    version: int = 2  # of the arguments: with the first one a monotonic clock may be set to "now"


class ClockDispatcher(SoloDispatcher):
    """A clock. It stands at its backstop time until it is set for the first time, or starts as a copy of the reference."""

    TYPE = ZX_OBJ_TYPE_CLOCK
    DEFAULT_RIGHTS = ZX_DEFAULT_CLOCK_RIGHTS

    __slots__ = (
        "backstop",
        "error_bound",
        "error_bound_updated",
        "generation",
        "options",
        "rate",
        "rate_updated",
        "transformation",
        "value_updated",
    )

    def __init__(self, kernel: Kernel, options: int, backstop: int) -> None:
        """Errors: INVALID_ARGS unknown options, continuous without monotonic, a backstop that is negative or, for a
        clock that starts by itself, ahead; NOT_SUPPORTED a mappable clock.
        """
        if options & ~ZX_CLOCK_OPTS_ALL:
            raise ZxError(Status.INVALID_ARGS)
        if options & ZX_CLOCK_OPT_CONTINUOUS and not options & ZX_CLOCK_OPT_MONOTONIC:
            raise ZxError(Status.INVALID_ARGS)
        now = kernel.clock.now()
        starts = bool(options & ZX_CLOCK_OPT_AUTO_START)
        if backstop < 0 or (starts and backstop > now):
            raise ZxError(Status.INVALID_ARGS)
        if options & ZX_CLOCK_OPT_MAPPABLE:
            raise ZxError(Status.NOT_SUPPORTED)
        super().__init__(kernel, ZX_CLOCK_STARTED if starts else 0)
        self.options = options
        self.backstop = backstop
        self.transformation = Transformation(0, 0, 1, 1) if starts else Transformation(0, backstop, 0, 1)
        self.rate = 0  # parts per million away from the reference's
        self.error_bound = ZX_CLOCK_UNKNOWN_ERROR
        # When each was changed last, in ticks.
        self.value_updated = self.rate_updated = now if starts else 0
        self.error_bound_updated = 0
        self.generation = 0

    @property
    def started(self) -> bool:
        return bool(self.signals & ZX_CLOCK_STARTED)

    def now(self) -> int:
        """What the clock shows, in ns."""
        return self.transformation.apply(self.kernel.clock.now())

    def update(self, update: ClockUpdate) -> None:
        """Set the clock, change its rate or its error bound, or several at once.

        Errors, in order: INVALID_ARGS a reference without anything to apply it to; BAD_STATE a first update that does not set it;
        INVALID_ARGS setting a continuous clock again, or what would move a monotonic one back, or any below its backstop.
        """
        sets, turns, dated = (
            update.synthetic is not None,
            update.rate is not None,
            update.reference is not None,
        )
        if dated and not sets and not turns:
            raise ZxError(Status.INVALID_ARGS)
        if not sets and not self.started:
            raise ZxError(Status.BAD_STATE)
        monotonic = bool(self.options & ZX_CLOCK_OPT_MONOTONIC)
        if self.started:
            if sets and self.options & ZX_CLOCK_OPT_CONTINUOUS:
                raise ZxError(Status.INVALID_ARGS)
            # A monotonic clock is set against an explicit reference, and turned without one, each by itself.
            if monotonic and update.version > 1 and ((sets and not dated) or (turns and (sets or dated))):
                raise ZxError(Status.INVALID_ARGS)
        now = self.kernel.clock.now()
        if sets or (turns and (dated or update.rate != self.rate)):
            self.transformation = self._following(update, now, monotonic)
        if sets:
            self.value_updated = now
        if turns or not self.started:
            self.rate_updated = now
            self.rate = update.rate or 0
        if update.error_bound is not None:
            self.error_bound = update.error_bound
            self.error_bound_updated = now
        self.generation = (self.generation + 1) & 0xFFFF_FFFF
        self.update_signals(ZX_CLOCK_UPDATED, 0)
        self.update_signals(0, ZX_CLOCK_STARTED | ZX_CLOCK_UPDATED)

    def _following(self, update: ClockUpdate, now: int, monotonic: bool) -> Transformation:
        old = self.transformation
        reference = now if update.reference is None else update.reference
        synthetic = old.apply(reference) if update.synthetic is None else update.synthetic
        new = replace(old, reference=reference, synthetic=synthetic)
        if update.rate is not None:
            new = replace(new, numerator=PARTS_PER_MILLION + update.rate, denominator=PARTS_PER_MILLION)
        elif not self.started:
            new = replace(new, numerator=1, denominator=1)
        shown = new.apply(now)
        if shown < self.backstop or (monotonic and shown < old.apply(now)):
            raise ZxError(Status.INVALID_ARGS)
        return new
