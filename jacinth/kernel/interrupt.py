"""Virtual interrupts: what a driver's interrupt is to the program that handles it, triggered by another program.

    IDLE --trigger--> TRIGGERED --wait, or a packet--> NEEDACK --wait again, or ack--> IDLE or WAITING

While one is being handled, the next one is remembered by its time.

Source: zircon/kernel/object/interrupt_dispatcher.cc, virtual_interrupt_dispatcher.cc.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_INTERRUPT_RIGHTS,
    ZX_INTERRUPT_TIMESTAMP_MONO,
    ZX_INTERRUPT_VIRTUAL,
    ZX_INTERRUPT_WAKE_VECTOR,
    ZX_OBJ_TYPE_INTERRUPT,
    ZX_THREAD_STATE_BLOCKED_INTERRUPT,
    ZX_VIRTUAL_INTERRUPT_UNTRIGGERED,
    Status,
    ZxError,
)
from jacinth.kernel.ipc.port import InterruptPacket, PortDispatcher
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel


class InterruptState(Enum):
    IDLE = auto()
    WAITING = auto()  # a thread waits for it
    TRIGGERED = auto()  # nobody has been told
    NEEDACK = auto()  # somebody handles it
    DESTROYED = auto()


class InterruptDispatcher(SoloDispatcher):
    """A virtual interrupt. *options* are ZX_INTERRUPT_*; `timestamp` is the time of the one that nobody was told of, or 0."""

    TYPE = ZX_OBJ_TYPE_INTERRUPT
    DEFAULT_RIGHTS = ZX_DEFAULT_INTERRUPT_RIGHTS

    __slots__ = ("_key", "_port", "_waiter", "options", "state", "timestamp")

    def __init__(self, kernel: Kernel, options: int) -> None:
        super().__init__(kernel, ZX_VIRTUAL_INTERRUPT_UNTRIGGERED)
        self.options = options
        self.state = InterruptState.IDLE
        self.timestamp = 0
        self._port: PortDispatcher | None = None
        self._key = 0
        self._waiter: Waiter | None = None

    @classmethod
    def create(cls, kernel: Kernel, options: int) -> InterruptDispatcher:
        """INVALID_ARGS for options beside ZX_INTERRUPT_VIRTUAL other than ZX_INTERRUPT_TIMESTAMP_MONO and _WAKE_VECTOR."""
        if options & ~(ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_TIMESTAMP_MONO | ZX_INTERRUPT_WAKE_VECTOR):
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel, options)

    def trigger(self, timestamp: int) -> None:
        """It happens, at *timestamp* ns: CANCELED a destroyed one.

        Of several that happen while one is being handled only the first one's time is kept.
        """
        if self.state is InterruptState.DESTROYED:
            raise ZxError(Status.CANCELED)
        if not self.timestamp:
            self.timestamp = timestamp
        if self.state is not InterruptState.NEEDACK:
            if self._port is not None:
                self._send(self._port, timestamp)
                self.state = InterruptState.NEEDACK
            else:
                self.state = InterruptState.TRIGGERED
        self._wake()
        self.update_signals(ZX_VIRTUAL_INTERRUPT_UNTRIGGERED, 0)

    async def wait(self) -> int:
        """Wait until it happens, and answer when that was, in ns; to wait again says that the last one is handled.

        Errors: BAD_STATE bound to a port, or another thread waits; CANCELED destroyed.
        """
        while True:
            if self._port is not None or self.state is InterruptState.WAITING:
                raise ZxError(Status.BAD_STATE)
            if self.state is InterruptState.DESTROYED:
                raise ZxError(Status.CANCELED)
            if self.state is InterruptState.TRIGGERED or (
                self.state is InterruptState.NEEDACK and self.timestamp
            ):
                self.state = InterruptState.NEEDACK
                timestamp, self.timestamp = self.timestamp, 0
                return timestamp
            self.state = InterruptState.WAITING
            self.update_signals(0, ZX_VIRTUAL_INTERRUPT_UNTRIGGERED)
            self._waiter = Waiter(reason=ZX_THREAD_STATE_BLOCKED_INTERRUPT)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if self.state is InterruptState.WAITING:  # the thread was killed
                    self.state = InterruptState.IDLE

    def ack(self) -> None:
        """The packet is handled, and the next one may come.

        Errors, in order: BAD_STATE not bound to a port; CANCELED destroyed; BAD_STATE it has happened again, and the packet
        of the last one was not even read.
        """
        port = self._port
        if port is None:
            raise ZxError(Status.BAD_STATE)
        if self.state is InterruptState.DESTROYED:
            raise ZxError(Status.CANCELED)
        again = False
        if self.state is InterruptState.NEEDACK:
            if self.timestamp:
                if not self._send(port, self.timestamp):
                    raise ZxError(Status.BAD_STATE)
                again = True
            else:
                self.state = InterruptState.IDLE
        self.update_signals(0, ZX_VIRTUAL_INTERRUPT_UNTRIGGERED)
        if again:
            self.update_signals(ZX_VIRTUAL_INTERRUPT_UNTRIGGERED, 0)

    def bind(self, port: PortDispatcher, key: int) -> None:
        """From now on it happens as a packet with *key*; so does one that nobody was told of yet.

        Errors, in order: CANCELED destroyed; BAD_STATE a thread waits; ALREADY_BOUND.
        """
        if self.state is InterruptState.DESTROYED:
            raise ZxError(Status.CANCELED)
        if self.state is InterruptState.WAITING:
            raise ZxError(Status.BAD_STATE)
        if self._port is not None:
            raise ZxError(Status.ALREADY_BOUND)
        self._port, self._key = port, key
        if self.state is InterruptState.TRIGGERED:
            self._send(port, self.timestamp)
            self.state = InterruptState.NEEDACK

    def unbind(self, port: PortDispatcher) -> None:
        """Leave the port, and take back the packet. Errors, in order: NOT_FOUND another port; CANCELED destroyed."""
        if self._port is not port:
            raise ZxError(Status.NOT_FOUND)
        if self.state is InterruptState.DESTROYED:
            raise ZxError(Status.CANCELED)
        port.cancel_interrupt(self.koid)
        self._port = None

    def destroy(self) -> None:
        """It happens no more, and who waits is told so: NOT_FOUND where a packet was read and not acknowledged."""
        unread = self._port is not None and self._port.cancel_interrupt(self.koid)
        handled = self._port is not None and self.state is InterruptState.NEEDACK and not unread
        self.state = InterruptState.DESTROYED
        self._wake()
        self.update_signals(0, ZX_VIRTUAL_INTERRUPT_UNTRIGGERED)
        if handled:
            raise ZxError(Status.NOT_FOUND)

    def on_zero_handles(self) -> None:
        try:
            self.destroy()
        except ZxError:
            pass  # whoever reads the packet has no handle to acknowledge it through

    def _send(self, port: PortDispatcher, timestamp: int) -> bool:
        """Answers False where the last packet is still in the queue."""
        self.timestamp = 0
        return port.queue_interrupt(InterruptPacket(self._key, self.koid, timestamp))

    def _wake(self) -> None:
        if self._waiter is not None:
            self._waiter.complete()
