"""Counters: a number that several processes change, and signals that say on which side of zero it is.

Source: docs/reference/kernel_objects/counter.md, zircon/kernel/object/counter_dispatcher.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_COUNTER_NON_POSITIVE,
    ZX_COUNTER_POSITIVE,
    ZX_COUNTER_SIGNALED,
    ZX_DEFAULT_COUNTER_RIGHTS,
    ZX_OBJ_TYPE_COUNTER,
    ZX_USER_SIGNAL_ALL,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

_MAX: Final = (1 << 63) - 1
_MIN: Final = -(1 << 63)


class CounterDispatcher(SoloDispatcher):
    """A signed 64-bit number, zero at first."""

    TYPE = ZX_OBJ_TYPE_COUNTER
    DEFAULT_RIGHTS = ZX_DEFAULT_COUNTER_RIGHTS
    USER_SIGNALS = ZX_USER_SIGNAL_ALL | ZX_COUNTER_SIGNALED

    __slots__ = ("_value",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, ZX_COUNTER_NON_POSITIVE)
        self._value = 0

    @property
    def value(self) -> int:
        return self._value

    @value.setter
    def value(self, value: int) -> None:
        self._value = value
        if value > 0:
            self.update_signals(ZX_COUNTER_NON_POSITIVE, ZX_COUNTER_POSITIVE)
        else:
            self.update_signals(ZX_COUNTER_POSITIVE, ZX_COUNTER_NON_POSITIVE)

    def add(self, amount: int) -> None:
        """OUT_OF_RANGE where the sum does not fit 64 bits; nothing changes then."""
        if not _MIN <= self._value + amount <= _MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        self.value = self._value + amount
