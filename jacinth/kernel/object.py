"""Dispatchers: what every kernel object is, and how its signals are observed.

How to add an object: a class here in `kernel/` with TYPE and DEFAULT_RIGHTS, a module in `syscalls/` with its calls, a class in
`api/`. The object raises `ZxError`; it never sees a user address or a handle value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from jacinth.abi import (
    ZX_OBJ_TYPE_NONE,
    ZX_RIGHT_WAIT,
    ZX_SIGNAL_HANDLE_CLOSED,
    ZX_USER_SIGNAL_ALL,
    Status,
    ZxError,
)

if TYPE_CHECKING:
    from jacinth.kernel.handle import Handle
    from jacinth.kernel.kernel import Kernel


class SignalObserver:
    """Somebody waits, through one handle, until one of the *trigger* signals rises on an object.

    It is told once: by `on_match` with the signals as they were at that moment, so that no pulse is missed, or by `on_cancel`
    when the handle goes. It is no longer registered when it is told.
    """

    __slots__ = ("handle", "trigger")

    def __init__(self, trigger: int, handle: Handle) -> None:
        self.trigger = trigger
        self.handle = handle

    def on_match(self, signals: int) -> None:
        raise NotImplementedError

    def on_cancel(self, signals: int) -> None:
        """The handle is being closed or transferred; *signals* are the object's at that moment."""
        raise NotImplementedError


class Dispatcher:
    """A kernel object behind handles.

    *koid* is its number for life, never used again. *signals* are those asserted now. *handle_count* counts handles in tables
    and in messages alike; `on_zero_handles` is called when it falls to zero.
    """

    TYPE: ClassVar[int] = ZX_OBJ_TYPE_NONE
    DEFAULT_RIGHTS: ClassVar[int] = 0
    # What zx_object_signal may set and clear on this type.
    USER_SIGNALS: ClassVar[int] = ZX_USER_SIGNAL_ALL

    __slots__ = ("__weakref__", "_observers", "handle_count", "kernel", "koid", "signals")

    def __init__(self, kernel: Kernel, signals: int = 0) -> None:
        self.kernel = kernel
        self.koid = kernel.new_koid()
        self.signals = signals
        self.handle_count = 0
        self._observers: dict[SignalObserver, None] | None = None

    @property
    def related_koid(self) -> int:
        """The koid of the parent job, the process, the peer, ...; 0 where the type has none."""
        return 0

    @property
    def name(self) -> bytes:
        """At most ZX_MAX_NAME_LEN - 1 bytes; empty for types that carry no name."""
        return b""

    @property
    def has_name(self) -> bool:
        """Whether the type carries a name, be it empty."""
        return type(self).name is not Dispatcher.name

    @property
    def waitable(self) -> bool:
        return bool(self.DEFAULT_RIGHTS & ZX_RIGHT_WAIT)

    def on_zero_handles(self) -> None:
        """The last handle is gone."""

    # Signals

    def update_signals(self, clear: int, set_: int) -> None:
        """Clear, then set, then tell the observers that one of their signals has risen, the newest first."""
        old = self.signals
        new = (old & ~clear) | set_
        if new == old:
            return
        self.signals = new
        risen = new & ~old
        if risen and self._observers:
            matched = [observer for observer in reversed(self._observers) if observer.trigger & risen]
            for observer in matched:
                del self._observers[observer]
            for observer in matched:
                observer.on_match(new)

    def user_signal(self, clear: int, set_: int) -> None:
        """Change signals as `zx_object_signal` may: INVALID_ARGS beyond the type's user signals."""
        if (clear | set_) & ~self.USER_SIGNALS:
            raise ZxError(Status.INVALID_ARGS)
        self.update_signals(clear, set_)

    def user_signal_peer(self, clear: int, set_: int) -> None:
        """Change the peer's signals as `zx_object_signal_peer` may: NOT_SUPPORTED without peers."""
        raise ZxError(Status.NOT_SUPPORTED)

    # Observers

    def add_observer(self, observer: SignalObserver, *, edge: bool = False) -> None:
        """Register, or tell the observer at once where one of its signals is asserted (unless *edge*)."""
        if not edge and self.signals & observer.trigger:
            observer.on_match(self.signals)
            return
        if self._observers is None:
            self._observers = {}
        self._observers[observer] = None

    def remove_observer(self, observer: SignalObserver) -> bool:
        """Unregister silently. Answers whether it was registered."""
        if self._observers and observer in self._observers:
            del self._observers[observer]
            return True
        return False

    def observers(self) -> Iterator[SignalObserver]:
        return iter(tuple(self._observers or ()))

    def cancel(self, handle: Handle) -> None:
        """The *handle* is going away: tell its observers, the newest first."""
        for observer in tuple(reversed(self._observers or {})):
            if observer.handle is handle and self.remove_observer(observer):
                observer.on_cancel(self.signals | ZX_SIGNAL_HANDLE_CLOSED)

    def on_moved(self, handle: Handle) -> None:
        """*handle* has changed hands: who still waits through it, from before, is told so."""
        if self._observers:
            self.cancel(handle)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} koid={self.koid}>"


class SoloDispatcher(Dispatcher):
    """An object without a peer."""

    __slots__ = ()


class PeeredDispatcher(Dispatcher):
    """One of two objects made together. *peer* is None once the other end is gone."""

    PEER_CLOSED_SIGNAL: ClassVar[int] = 0

    __slots__ = ("_peer_koid", "peer")

    def __init__(self, kernel: Kernel, signals: int = 0) -> None:
        super().__init__(kernel, signals)
        self.peer: PeeredDispatcher | None = None
        self._peer_koid = 0

    def join(self, peer: PeeredDispatcher) -> None:
        """Make these two each other's peers, for life."""
        self.peer, self._peer_koid = peer, peer.koid
        peer.peer, peer._peer_koid = self, self.koid

    @property
    def related_koid(self) -> int:
        return self._peer_koid

    def live_peer(self) -> PeeredDispatcher:
        """The peer, or PEER_CLOSED."""
        if self.peer is None:
            raise ZxError(Status.PEER_CLOSED)
        return self.peer

    def user_signal_peer(self, clear: int, set_: int) -> None:
        if (clear | set_) & ~self.USER_SIGNALS:
            raise ZxError(Status.INVALID_ARGS)
        self.live_peer().update_signals(clear, set_)

    def on_zero_handles(self) -> None:
        peer, self.peer = self.peer, None
        self.on_closed()
        if peer is not None:
            peer.peer = None
            peer.on_peer_closed()

    def on_closed(self) -> None:
        """This end's last handle is gone: drop what it holds."""

    def on_peer_closed(self) -> None:
        """The other end is gone: assert the signal that says so."""
        self.update_signals(0, self.PEER_CLOSED_SIGNAL)
