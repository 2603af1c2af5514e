"""Events and event pairs: objects that are nothing but their signals.

Source: zircon/kernel/object/event_dispatcher.cc, event_pair_dispatcher.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_DEFAULT_EVENTPAIR_RIGHTS,
    ZX_EVENT_SIGNALED,
    ZX_EVENTPAIR_PEER_CLOSED,
    ZX_EVENTPAIR_SIGNALED,
    ZX_OBJ_TYPE_EVENT,
    ZX_OBJ_TYPE_EVENTPAIR,
    ZX_USER_SIGNAL_ALL,
)
from jacinth.kernel.object import PeeredDispatcher, SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel


class EventDispatcher(SoloDispatcher):
    """An event."""

    TYPE = ZX_OBJ_TYPE_EVENT
    DEFAULT_RIGHTS = ZX_DEFAULT_EVENT_RIGHTS
    USER_SIGNALS = ZX_USER_SIGNAL_ALL | ZX_EVENT_SIGNALED

    __slots__ = ()


class EventPairDispatcher(PeeredDispatcher):
    """One of two events that can signal each other."""

    TYPE = ZX_OBJ_TYPE_EVENTPAIR
    DEFAULT_RIGHTS = ZX_DEFAULT_EVENTPAIR_RIGHTS
    USER_SIGNALS = ZX_USER_SIGNAL_ALL | ZX_EVENTPAIR_SIGNALED
    PEER_CLOSED_SIGNAL = ZX_EVENTPAIR_PEER_CLOSED

    __slots__ = ()

    @classmethod
    def create_pair(cls, kernel: Kernel) -> tuple[EventPairDispatcher, EventPairDispatcher]:
        one, other = cls(kernel), cls(kernel)
        one.join(other)
        return one, other
