"""Ports: queues of packets, from programs and from the signals of other objects.

Source: zircon/kernel/object/port_dispatcher.cc.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_PORT_RIGHTS,
    ZX_EXCP_POLICY_CODE_PORT_TOO_MANY_OBSERVERS,
    ZX_EXCP_POLICY_CODE_PORT_TOO_MANY_PACKETS,
    ZX_OBJ_TYPE_PORT,
    ZX_PORT_BIND_TO_INTERRUPT,
    ZX_THREAD_STATE_BLOCKED_PORT,
    Status,
    ZxError,
)
from jacinth.kernel.object import SignalObserver, SoloDispatcher
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.handle import Handle
    from jacinth.kernel.kernel import Kernel

MAX_USER_PACKETS: Final = 4096  # in one queue; one more is taken, the next raises an exception in its sender
MAX_OBSERVERS: Final = 50_000  # of one port; one more raises an exception in the waiting thread


class PortPacket:
    """What a port delivers. *source* is the handle that it is about, if any; *counted* says whether it takes
    one of the places that a port has for packets of programs.
    """

    __slots__ = ("counted", "key", "source")

    def __init__(self, key: int, source: Handle | None = None, *, counted: bool = False) -> None:
        self.key = key
        self.source = source
        self.counted = counted


class UserPacket(PortPacket):
    """A packet of a program's own making: *payload* is 32 bytes."""

    __slots__ = ("payload", "status")

    def __init__(self, key: int, status: int, payload: bytes) -> None:
        super().__init__(key, counted=True)
        self.status = status
        self.payload = payload


class SignalPacket(PortPacket):
    """Of the signals *trigger* at least one was among those *observed*, at *timestamp* ns."""

    __slots__ = ("observed", "timestamp", "trigger")

    def __init__(self, key: int, source: Handle, trigger: int, observed: int, timestamp: int) -> None:
        super().__init__(key, source)
        self.trigger = trigger
        self.observed = observed
        self.timestamp = timestamp


class InterruptPacket(PortPacket):
    """The interrupt with koid *interrupt* has happened, at *timestamp* ns."""

    __slots__ = ("interrupt", "timestamp")

    def __init__(self, key: int, interrupt: int, timestamp: int) -> None:
        super().__init__(key)
        self.interrupt = interrupt
        self.timestamp = timestamp


class PortObserver(SignalObserver):
    """Turns the rise of a signal into a packet."""

    __slots__ = ("key", "port", "timestamp")

    def __init__(self, port: PortDispatcher, key: int, trigger: int, handle: Handle, timestamp: bool) -> None:
        super().__init__(trigger, handle)
        self.port = port
        self.key = key
        self.timestamp = timestamp  # whether the packet is to carry the time

    def on_match(self, signals: int) -> None:
        self.port.forget(self)
        now = self.port.kernel.clock.now() if self.timestamp else 0
        self.port.queue(SignalPacket(self.key, self.handle, self.trigger, signals, now))

    def on_cancel(self, signals: int) -> None:
        self.port.forget(self)


class _Receiver(Waiter):
    """A thread that waits for a packet, and the packet once it is there."""

    __slots__ = ("packet",)

    def __init__(self, deadline: int) -> None:
        super().__init__(deadline, ZX_THREAD_STATE_BLOCKED_PORT)
        self.packet: PortPacket | None = None


class PortDispatcher(SoloDispatcher):
    """A port."""

    TYPE = ZX_OBJ_TYPE_PORT
    DEFAULT_RIGHTS = ZX_DEFAULT_PORT_RIGHTS

    __slots__ = ("_interrupts", "_observing", "_packets", "_receivers", "_user_packets", "options")

    def __init__(self, kernel: Kernel, options: int) -> None:
        super().__init__(kernel)
        self.options = options
        self._packets: deque[PortPacket] = deque()
        # Interrupts go before all others: at most one packet each, by koid.
        self._interrupts: dict[int, InterruptPacket] = {}
        self._user_packets = 0  # of those, the ones from programs
        self._receivers: dict[_Receiver, None] = {}  # who waits longest is served first
        self._observing: dict[PortObserver, None] = {}

    @classmethod
    def create(cls, kernel: Kernel, options: int) -> PortDispatcher:
        """INVALID_ARGS for options other than ZX_PORT_BIND_TO_INTERRUPT."""
        if options not in (0, ZX_PORT_BIND_TO_INTERRUPT):
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel, options)

    # Packets

    def queue(self, packet: PortPacket) -> None:
        """Deliver *packet* to the thread that has waited longest, or keep it for the next one that asks."""
        if self.handle_count == 0 or self._deliver(packet):
            return
        self._packets.append(packet)
        if packet.counted:
            self._user_packets += 1

    def _deliver(self, packet: PortPacket) -> bool:
        """Answers whether somebody has waited for it."""
        while self._receivers:
            receiver = next(iter(self._receivers))
            del self._receivers[receiver]
            if receiver.complete():  # not where its deadline has just passed
                receiver.packet = packet
                return True
        return False

    def queue_interrupt(self, packet: InterruptPacket) -> bool:
        """As `queue`. Answers False where a packet of this interrupt is there already."""
        if packet.interrupt in self._interrupts:
            return False
        if self.handle_count and not self._deliver(packet):
            self._interrupts[packet.interrupt] = packet
        return True

    def cancel_interrupt(self, koid: int) -> bool:
        """Drop the queued packet of an interrupt. Answers whether there was one."""
        return self._interrupts.pop(koid, None) is not None

    def queue_user(self, packet: UserPacket) -> None:
        """Queue a program's packet: SHOULD_WAIT, and a policy exception, where too many are there already."""
        if self._user_packets > MAX_USER_PACKETS:
            self._policy_exception(ZX_EXCP_POLICY_CODE_PORT_TOO_MANY_PACKETS)
            raise ZxError(Status.SHOULD_WAIT)
        self.queue(packet)

    async def wait(self, deadline: int) -> PortPacket:
        """The oldest packet, as soon as there is one: TIMED_OUT."""
        if self._interrupts:
            return self._interrupts.pop(next(iter(self._interrupts)))
        if self._packets:
            packet = self._packets.popleft()
            if packet.counted:
                self._user_packets -= 1
            return packet
        receiver = _Receiver(deadline)
        self._receivers[receiver] = None
        try:
            status = await receiver
        except BaseException:
            if receiver.packet is not None:  # it came, but the thread was killed before it could take it
                self._give_back(receiver.packet)
            raise
        finally:
            self._receivers.pop(receiver, None)
        if receiver.packet is None:
            raise ZxError(status)
        return receiver.packet

    def _give_back(self, packet: PortPacket) -> None:
        if isinstance(packet, InterruptPacket):
            self.queue_interrupt(packet)
        elif self._receivers:
            self.queue(packet)  # nothing is queued while somebody waits
        elif self.handle_count:
            self._packets.appendleft(packet)
            if packet.counted:
                self._user_packets += 1

    def cancel_queued(self, key: int, source: Handle | None = None) -> bool:
        """Drop the queued packets with *key*, of any source or of one. Answers whether there were any."""
        kept: deque[PortPacket] = deque()
        dropped = False
        for packet in self._packets:
            if packet.key == key and (source is None or packet.source is source):
                dropped = True
                if packet.counted:
                    self._user_packets -= 1
            else:
                kept.append(packet)
        self._packets = kept
        return dropped

    def cancel_packet(self, packet: PortPacket) -> None:
        """Take one packet back, if nobody has read it yet."""
        if packet in self._packets:
            self._packets.remove(packet)

    # Observers

    def observe(self, handle: Handle, key: int, trigger: int, *, edge: bool, timestamp: bool) -> None:
        """Queue a packet when one of the *trigger* signals rises, or unless *edge* is asserted now."""
        if len(self._observing) >= MAX_OBSERVERS:
            self._policy_exception(ZX_EXCP_POLICY_CODE_PORT_TOO_MANY_OBSERVERS)
        observer = PortObserver(self, key, trigger, handle, timestamp)
        self._observing[observer] = None
        handle.object.add_observer(observer, edge=edge)

    def forget(self, observer: PortObserver) -> None:
        """*observer* is registered no longer."""
        self._observing.pop(observer, None)

    def cancel_key(self, key: int, source: Handle | None = None) -> None:
        """End the waits with *key*, through any handle or one, and drop their packets: NOT_FOUND."""
        canceled = False
        for observer in tuple(self._observing):
            if observer.key == key and (source is None or observer.handle is source):
                observer.handle.object.remove_observer(observer)
                self.forget(observer)
                canceled = True
        if self.cancel_queued(key, source):
            canceled = True
        if not canceled:
            raise ZxError(Status.NOT_FOUND)

    def on_zero_handles(self) -> None:
        self._interrupts.clear()
        self._packets.clear()
        self._user_packets = 0
        for observer in self._observing:
            observer.handle.object.remove_observer(observer)
        self._observing.clear()

    def _policy_exception(self, code: int) -> None:
        self.kernel.policy_exception(code)
