"""Clocks: times of one's own, as straight lines over the kernel's."""

from __future__ import annotations

from jacinth.abi import (
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID,
    ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID,
    ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID,
    ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID,
    ZX_INFO_CLOCK_MAPPED_SIZE,
    zx_clock_create_args_v1_t,
    zx_clock_details_v1_t,
    zx_clock_update_args_v2_t,
)
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ClockOpts, ObjType
from jacinth.api.handle import Handle, check

_V1 = 1 << ZX_CLOCK_ARGS_VERSION_SHIFT
_V2 = 2 << ZX_CLOCK_ARGS_VERSION_SHIFT


class Clock(Handle[C]):
    """A clock. Times are in ns. It stands at its backstop time until it is set; Signals.CLOCK_STARTED says when."""

    OBJ_TYPE = ObjType.CLOCK

    __slots__ = ()

    @classmethod
    def create(cls, options: int = ClockOpts.NONE, backstop: int = 0, *, caller: C | None = None) -> Clock[C]:
        """A clock that never shows less than *backstop*, by ClockOpts. Raises ZxInvalidArgs, ZxNoMemory."""
        owner = resolve(caller)
        args = zx_clock_create_args_v1_t(backstop_time=backstop)
        status, raw = owner.sys.zx_clock_create(_V1 | options, args)
        check(status)
        return Clock(owner, raw)

    @member
    def read(self) -> int:
        """What it shows. Rights: READ."""
        status, now = self._caller.sys.zx_clock_read(self.raw)
        check(status)
        return int(now)

    @property
    def details(self) -> zx_clock_details_v1_t:
        """All about it. Rights: READ."""
        status, data = self._caller.sys.zx_clock_get_details(self.raw, _V1)
        check(status)
        return zx_clock_details_v1_t.unpack(data)

    @member
    def update(
        self,
        value: int | None = None,
        *,
        reference: int | None = None,
        rate: int | None = None,
        error_bound: int | None = None,
    ) -> None:
        """Set it to *value*, change its *rate* (parts per million) or its error bound, as of *reference*.

        Rights: WRITE. Raises ZxInvalidArgs for what the kind of clock does not allow, ZxBadState where the first update does not
        set it.
        """
        options, args = _V2, zx_clock_update_args_v2_t()
        if value is not None:
            options |= ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID
            args.synthetic_value = value
        if reference is not None:
            options |= ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID
            args.reference_value = reference
        if rate is not None:
            options |= ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID
            args.rate_adjust = rate
        if error_bound is not None:
            options |= ZX_CLOCK_UPDATE_OPTION_ERROR_BOUND_VALID
            args.error_bound = error_bound
        check(self._caller.sys.zx_clock_update(self.raw, options, args))

    @property
    def mapped_size(self) -> int:
        """How much of it `Vmar.map_clock` maps. Rights: INSPECT. Raises ZxInvalidArgs where it is not mappable."""
        status, data, _, _ = self._caller.sys.zx_object_get_info(self.raw, ZX_INFO_CLOCK_MAPPED_SIZE, 8)
        check(status)
        return int.from_bytes(data, "little")
