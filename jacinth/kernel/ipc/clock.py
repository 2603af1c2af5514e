"""Clock objects: a time of one's own, as a straight line over the kernel's.

    synthetic = synthetic offset + (reference - reference offset) * rate

The reference is monotonic or boot time, which in Jacinth are the same, and ticks, which are nanoseconds.

Source: docs/reference/kernel_objects/clock.md, zircon/kernel/object/clock_dispatcher.cc.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

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
    ZX_RIGHT_MAP,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.vm.vmo import PAGE_SIZE, VmObjectDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

PARTS_PER_MILLION: Final = 1_000_000

# How much of a mappable clock is mapped. ZX_INFO_CLOCK_MAPPED_SIZE.
MAPPED_SIZE: Final = PAGE_SIZE
_INT64_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Transformation:
    """The line through (*reference*, *synthetic*), both in ns, that rises by *numerator* for every *denominator*."""

    reference: int
    synthetic: int
    numerator: int
    denominator: int

    def apply(self, reference: int) -> int:
        """What the line is at *reference*: the nearest that 64 bits can say, at each step, as in zircon/system/ulib/affine."""
        passed = _saturate(reference - self.reference)
        return _saturate(self.synthetic + _saturate(passed * self.numerator // self.denominator))

    def pack(self) -> bytes:
        return _LINE.pack(self.reference, self.synthetic, self.numerator, self.denominator)


def _saturate(value: int) -> int:
    if -_INT64_MAX <= value <= _INT64_MAX:
        return value
    return _INT64_MAX if value > 0 else -_INT64_MAX - 1


_LINE: Final = struct.Struct("<qqII")


@dataclass(frozen=True, slots=True)
class ClockState:
    """All about a clock but the time, as it is at the start of its page.

    Options and backstop; a sequence number, even but while the rest is being changed; the line from ticks; the line from
    reference time; error bound; when value, rate and error bound were updated; the rate. What a program sees with two equal
    even sequence numbers around it belongs together. Source: zircon/kernel/lib/fasttime (clock.h).
    """

    options: int
    backstop: int
    generation: int
    transformation: Transformation
    error_bound: int
    value_updated: int
    rate_updated: int
    error_bound_updated: int
    rate: int

    SIZE: ClassVar[int] = 112

    def pack(self) -> bytes:
        line = self.transformation.pack()
        return (
            struct.pack("<QqII", self.options, self.backstop, self.generation << 1 & 0xFFFF_FFFF, 0)
            + line
            + line  # a tick is a nanosecond
            + struct.pack(
                "<Qqqq", self.error_bound, self.value_updated, self.rate_updated, self.error_bound_updated
            )
            + struct.pack("<ii", self.rate, 0)
        )

    @classmethod
    def unpack(cls, data: bytes) -> ClockState:
        options, backstop, sequence, _ = struct.unpack_from("<QqII", data)
        line = Transformation(*_LINE.unpack_from(data, 24))
        bound, value, rate, bound_updated, parts = struct.unpack_from("<Qqqqi", data, 72)
        return cls(options, backstop, sequence >> 1, line, bound, value, rate, bound_updated, parts)

    def read(self, now: int) -> int:
        """What the clock shows when the reference is *now*."""
        if not self.transformation.denominator:
            raise ZxError(Status.INVALID_ARGS)  # this is no clock's page
        return self.transformation.apply(now)


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
        "vmo",
    )

    def __init__(self, kernel: Kernel, options: int, backstop: int) -> None:
        """Errors: INVALID_ARGS unknown options, continuous without monotonic, a backstop that is negative or, for a
        clock that starts by itself, ahead; NO_MEMORY a mappable clock.
        """
        if options & ~ZX_CLOCK_OPTS_ALL:
            raise ZxError(Status.INVALID_ARGS)
        if options & ZX_CLOCK_OPT_CONTINUOUS and not options & ZX_CLOCK_OPT_MONOTONIC:
            raise ZxError(Status.INVALID_ARGS)
        now = kernel.clock.now()
        starts = bool(options & ZX_CLOCK_OPT_AUTO_START)
        if backstop < 0 or (starts and backstop > now):
            raise ZxError(Status.INVALID_ARGS)
        vmo = _page(kernel) if options & ZX_CLOCK_OPT_MAPPABLE else None
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
        self.vmo = vmo  # of a mappable clock: its page. Mappings keep it, also when the clock is gone
        if vmo is not None:
            vmo.koid = self.koid
            self._publish()

    def on_zero_handles(self) -> None:
        if self.vmo is not None:
            self.vmo.unpin(0, MAPPED_SIZE)

    @property
    def initial_rights(self) -> int:
        return self.DEFAULT_RIGHTS | (ZX_RIGHT_MAP if self.vmo is not None else 0)

    def state(self) -> ClockState:
        return ClockState(
            self.options,
            self.backstop,
            self.generation,
            self.transformation,
            self.error_bound,
            self.value_updated,
            self.rate_updated,
            self.error_bound_updated,
            self.rate,
        )

    def _publish(self) -> None:
        """Write the page. No program runs meanwhile, so the sequence number is never seen odd."""
        assert self.vmo is not None
        self.vmo.write(0, self.state().pack())

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
        self.generation = (self.generation + 1) & 0x7FFF_FFFF
        if self.vmo is not None:
            self._publish()
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


def _page(kernel: Kernel) -> VmObjectDispatcher:
    """The page of a mappable clock, which stays where it is: NO_MEMORY."""
    vmo = VmObjectDispatcher.create(kernel, MAPPED_SIZE, name=b"kernel-clock")
    vmo.pin(0, MAPPED_SIZE)
    return vmo
