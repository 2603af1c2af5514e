"""Events and event pairs: objects that are there to be signalled."""

from __future__ import annotations

from jacinth.api.caller import C, resolve
from jacinth.api.flags import ObjType
from jacinth.api.handle import Handle, Peered, check


class Event(Handle[C]):
    """Something to signal and to wait for."""

    OBJ_TYPE = ObjType.EVENT

    __slots__ = ()

    @classmethod
    def create(cls, *, caller: C | None = None) -> Event[C]:
        """An event."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_event_create(0)
        check(status)
        return Event(owner, raw)


class EventPair(Peered[C]):
    """One of two events, each of which can signal the other."""

    OBJ_TYPE = ObjType.EVENTPAIR

    __slots__ = ()

    @classmethod
    def create(cls, *, caller: C | None = None) -> tuple[EventPair[C], EventPair[C]]:
        """Two events."""
        owner = resolve(caller)
        status, one, other = owner.sys.zx_eventpair_create(0)
        check(status)
        return EventPair(owner, one), EventPair(owner, other)
