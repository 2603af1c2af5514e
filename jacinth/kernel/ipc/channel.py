"""Channels: two ends, each with a queue of messages of bytes and handles.

A message is a plain pair, since the two hottest calls of the whole interface make and take one. Its handles
belong to it: they count as handles of their objects, and are closed when the message is dropped.

Source: zircon/kernel/object/channel_dispatcher.cc, message_packet.cc.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READABLE,
    ZX_CHANNEL_WRITABLE,
    ZX_DEFAULT_CHANNEL_RIGHTS,
    ZX_EXCP_POLICY_CODE_CHANNEL_FULL_WRITE,
    ZX_OBJ_TYPE_CHANNEL,
    ZX_THREAD_STATE_BLOCKED_CHANNEL,
    Status,
    ZxError,
)
from jacinth.kernel.object import PeeredDispatcher
from jacinth.kernel.probe import MessageStep
from jacinth.kernel.wait import Waiter

if TYPE_CHECKING:
    from jacinth.kernel.handle import Handle
    from jacinth.kernel.kernel import Kernel

Message = tuple[bytes, "Sequence[Handle]"]

MAX_PENDING_MESSAGES: Final = (
    3500  # in one queue; the message beyond still arrives, but its writer gets an exception
)
TXID_SIZE: Final = 4  # bytes of a transaction id, little-endian, at the start of a message
_KERNEL_TXID: Final = 0x8000_0000  # set in the ids that the kernel makes


class _Caller(Waiter):
    """A thread that waits in `call`, and the reply once it is there."""

    __slots__ = ("reply",)

    def __init__(self, deadline: int) -> None:
        super().__init__(deadline, ZX_THREAD_STATE_BLOCKED_CHANNEL)
        self.reply: Message | None = None


class ChannelDispatcher(PeeredDispatcher):
    """One end of a channel."""

    TYPE = ZX_OBJ_TYPE_CHANNEL
    DEFAULT_RIGHTS = ZX_DEFAULT_CHANNEL_RIGHTS

    __slots__ = ("_callers", "_txid", "messages")

    peer: ChannelDispatcher | None

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel, ZX_CHANNEL_WRITABLE)
        self.messages: deque[Message] = deque()  # written by the peer, not read yet
        self._callers: dict[int, _Caller] = {}  # by transaction id
        self._txid = 0

    @classmethod
    def create_pair(cls, kernel: Kernel) -> tuple[ChannelDispatcher, ChannelDispatcher]:
        one, other = cls(kernel), cls(kernel)
        one.join(other)
        return one, other

    def read(self, max_bytes: int, max_handles: int) -> Message:
        """Take the oldest message, if it fits.

        Errors, in order: PEER_CLOSED or SHOULD_WAIT where there is none, BUFFER_TOO_SMALL (the message stays;
        `sizes` has what it needs).
        """
        messages = self.messages
        if not messages:
            raise ZxError(Status.SHOULD_WAIT if self.peer is not None else Status.PEER_CLOSED)
        data, handles = message = messages[0]
        if len(data) > max_bytes or len(handles) > max_handles:
            raise ZxError(Status.BUFFER_TOO_SMALL)
        self._pop()
        if self.kernel.probes:
            self._tell(message, MessageStep.READ)
        return message

    def sizes(self) -> tuple[int, int]:
        """Bytes and handles of the oldest message, of which there is one."""
        data, handles = self.messages[0]
        return len(data), len(handles)

    def discard(self) -> None:
        """Drop the oldest message."""
        _data, handles = self._pop()
        close_handles(handles)

    def _pop(self) -> Message:
        message = self.messages.popleft()
        if not self.messages:
            self.signals &= ~ZX_CHANNEL_READABLE  # a falling signal wakes nobody
        return message

    def write(self, data: bytes, handles: Sequence[Handle]) -> None:
        """Queue a message at the peer, or hand it to the call that it replies to.

        The handles are gone whatever happens. Errors: PEER_CLOSED.
        """
        peer = self.peer
        if peer is None:
            close_handles(handles)
            raise ZxError(Status.PEER_CLOSED)
        message = data, handles
        if self.kernel.probes:
            self._tell(message, MessageStep.WRITE)
        if peer._callers:
            caller = peer._callers.get(int.from_bytes(data[:TXID_SIZE], "little"))
            if caller is not None and caller.complete():
                caller.reply = message
                return
        peer._receive(message)

    def _tell(self, message: Message, step: MessageStep) -> None:
        for probe in self.kernel.probes:
            probe.on_message(self, message, step)

    def _receive(self, message: Message) -> None:
        self.messages.append(message)
        if len(self.messages) == 1:
            self.update_signals(0, ZX_CHANNEL_READABLE)
        elif len(self.messages) > MAX_PENDING_MESSAGES:
            self.kernel.policy_exception(ZX_EXCP_POLICY_CODE_CHANNEL_FULL_WRITE)

    async def call(self, data: bytes, handles: Sequence[Handle], deadline: int) -> Message:
        """Write a message under a transaction id of the kernel's making and wait for the reply under it.

        *data* has at least TXID_SIZE bytes, which the id replaces. The handles are gone whatever happens.
        Errors: PEER_CLOSED, before or while it waits; CANCELED where this end's last handle goes, or arrives
        elsewhere; TIMED_OUT.
        """
        peer = self.peer
        if peer is None:
            close_handles(handles)
            raise ZxError(Status.PEER_CLOSED)
        while True:
            self._txid = (self._txid + 1) % _KERNEL_TXID
            txid = self._txid | _KERNEL_TXID
            if txid not in self._callers:
                break
        caller = self._callers[txid] = _Caller(deadline)
        try:
            request = txid.to_bytes(TXID_SIZE, "little") + data[TXID_SIZE:], handles
            if self.kernel.probes:
                self._tell(request, MessageStep.CALL)
            peer._receive(request)
            status = await caller
        except BaseException:
            if caller.reply is not None:  # it came, but the thread was killed before it could take it
                close_handles(caller.reply[1])
            raise
        finally:
            self._callers.pop(txid, None)
        if caller.reply is None:
            raise ZxError(status)
        if self.kernel.probes:
            self._tell(caller.reply, MessageStep.REPLY)
        return caller.reply

    def _end_calls(self, status: Status) -> None:
        for caller in tuple(self._callers.values()):
            caller.complete(status)

    def on_moved(self, handle: Handle) -> None:
        super().on_moved(handle)
        self._end_calls(Status.CANCELED)

    def on_closed(self) -> None:
        self._end_calls(Status.CANCELED)
        close_handles(self._drop_messages())

    def on_peer_closed(self) -> None:
        self.update_signals(ZX_CHANNEL_WRITABLE, ZX_CHANNEL_PEER_CLOSED)
        self._end_calls(Status.PEER_CLOSED)

    def _drop_messages(self) -> list[Handle]:
        """Forget all messages. Answers their handles, for the caller to close."""
        orphans = [handle for _data, handles in self.messages for handle in handles]
        self.messages.clear()
        return orphans


def close_handles(handles: Iterable[Handle]) -> None:
    """Close the handles of a message that nobody will read.

    They may be channels with messages of their own, to any depth, so what a dying channel holds is closed
    here and not from inside its end.
    """
    pending = deque(handles)
    while pending:
        handle = pending.popleft()
        dispatcher = handle.object
        if dispatcher.handle_count == 1 and isinstance(dispatcher, ChannelDispatcher):
            pending.extend(dispatcher._drop_messages())
        handle.close()
