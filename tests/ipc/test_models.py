"""Channels, sockets and ports against small models of what their pages say."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READ_MAY_DISCARD,
    ZX_CHANNEL_READABLE,
    ZX_CHANNEL_WRITABLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_SHOULD_WAIT,
    ZX_ERR_TIMED_OUT,
    ZX_OK,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_SOCKET_DATAGRAM,
    ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
    ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
    ZX_SOCKET_PEEK,
    ZX_SOCKET_PEER_CLOSED,
    ZX_SOCKET_PEER_WRITE_DISABLED,
    ZX_SOCKET_READABLE,
    ZX_SOCKET_WRITABLE,
    ZX_SOCKET_WRITE_DISABLED,
    ZX_USER_SIGNAL_0,
    ZX_USER_SIGNAL_1,
    ZX_WAIT_ASYNC_EDGE,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants
from jacinth.kernel.ipc.socket import BUFFER_SIZE

from .test_port import raw, signal_of

FEW = settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True)
END = st.sampled_from((0, 1))


class Machine(RuleBasedStateMachine):
    """A kernel for each run; at its end the host's table is what it was at the start."""

    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=1 << 20, strict=True)
        self.zx: Any = self.k.host.sys

    def object(self, value: int) -> Any:
        return self.k.host.dispatcher.handles.handles[value].object

    def teardown(self) -> None:
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)


class ChannelModel(Machine):
    def __init__(self) -> None:
        super().__init__()
        _, *self.ends = self.zx.zx_channel_create(0)
        self.open = [True, True]
        self.queues: list[list[tuple[bytes, list[Any]]]] = [[], []]  # messages that each end can read
        self.events: list[Any] = []  # every event that was ever sent
        self.received: list[int] = []

    @rule(end=END, data=st.binary(max_size=8), count=st.integers(0, 3))
    def write(self, end: int, data: bytes, count: int) -> None:
        if not self.open[end]:
            return
        values = [self.zx.zx_event_create(0)[1] for _ in range(count)]
        events = [self.object(value) for value in values]
        self.events += events
        status = self.zx.zx_channel_write(self.ends[end], 0, data, values)
        if self.open[1 - end]:
            assert status == ZX_OK
            self.queues[1 - end].append((data, events))
        else:
            assert status == ZX_ERR_PEER_CLOSED
        assert not any(value in self.k.host.dispatcher.handles.handles for value in values)

    @rule(end=END, size=st.integers(0, 8), count=st.integers(0, 3), discard=st.booleans())
    def read(self, end: int, size: int, count: int, discard: bool) -> None:
        if not self.open[end]:
            return
        options = ZX_CHANNEL_READ_MAY_DISCARD if discard else 0
        status, data, values, bytes_, handles = self.zx.zx_channel_read(self.ends[end], options, size, count)
        queue = self.queues[end]
        if not queue:
            assert status == (ZX_ERR_SHOULD_WAIT if self.open[1 - end] else ZX_ERR_PEER_CLOSED)
            return
        expected, events = queue[0]
        assert (bytes_, handles) == (len(expected), len(events))
        if len(expected) > size or len(events) > count:
            assert (status, data, values) == (ZX_ERR_BUFFER_TOO_SMALL, b"", [])
            if discard:
                del queue[0]
            return
        assert (status, data) == (ZX_OK, expected)
        assert [self.object(value) for value in values] == events
        self.received += values
        del queue[0]

    @rule(end=END)
    def close(self, end: int) -> None:
        if self.open[end]:
            assert self.zx.zx_handle_close(self.ends[end]) == ZX_OK
            self.open[end] = False
            self.queues[end].clear()

    @invariant()
    def signals_say_what_can_be_done(self) -> None:
        for end in (0, 1):
            if self.open[end]:
                expected = ZX_CHANNEL_WRITABLE if self.open[1 - end] else ZX_CHANNEL_PEER_CLOSED
                if self.queues[end]:
                    expected |= ZX_CHANNEL_READABLE
                assert self.object(self.ends[end]).signals == expected

    @invariant()
    def an_event_lives_in_a_queue_or_with_the_host(self) -> None:
        queued = [event for queue in self.queues for _, events in queue for event in events]
        alive = [self.object(value) for value in self.received] + queued
        for event in self.events:
            assert event.handle_count == (1 if event in alive else 0)


class SocketModel(Machine):
    OPTIONS = 0

    def __init__(self) -> None:
        super().__init__()
        _, *self.ends = self.zx.zx_socket_create(self.OPTIONS)
        self.open = [True, True]
        self.buffers: list[list[bytes]] = [[], []]  # what each end can read: bytes one by one, or datagrams
        self.disabled = [False, False]  # whether each end's writing is

    def size(self, end: int) -> int:
        return sum(map(len, self.buffers[end]))

    @rule(end=END, size=st.sampled_from((1, 2, 7, 200_000)))
    def write(self, end: int, size: int) -> None:
        if not self.open[end]:
            return
        data = bytes(range(size % 251)) + bytes(size - size % 251)
        answer = self.zx.zx_socket_write(self.ends[end], 0, data)
        room = BUFFER_SIZE - self.size(1 - end)
        if not self.open[1 - end]:
            assert answer == (ZX_ERR_PEER_CLOSED, 0)
        elif self.disabled[end]:
            assert answer == (ZX_ERR_BAD_STATE, 0)
        elif self.OPTIONS == ZX_SOCKET_DATAGRAM:
            if size > room:
                assert answer == (ZX_ERR_SHOULD_WAIT, 0)
            else:
                assert answer == (ZX_OK, size)
                self.buffers[1 - end].append(data)
        elif room == 0:
            assert answer == (ZX_ERR_SHOULD_WAIT, 0)
        else:
            assert answer == (ZX_OK, min(size, room))
            self.buffers[1 - end] = [b"".join(self.buffers[1 - end]) + data[:room]]

    @rule(end=END, size=st.sampled_from((1, 3, 100_000, 400_000)), peek=st.booleans())
    def read(self, end: int, size: int, peek: bool) -> None:
        if not self.open[end]:
            return
        answer = self.zx.zx_socket_read(self.ends[end], ZX_SOCKET_PEEK if peek else 0, size)
        buffer = self.buffers[end]
        if not self.size(end):
            if not self.open[1 - end]:
                expected = ZX_ERR_PEER_CLOSED
            else:
                expected = ZX_ERR_BAD_STATE if self.disabled[1 - end] else ZX_ERR_SHOULD_WAIT
            assert answer == (expected, b"", 0)
            return
        data = buffer[0][:size]
        assert answer == (ZX_OK, data, len(data))
        if not peek:
            rest = b"" if self.OPTIONS == ZX_SOCKET_DATAGRAM else buffer[0][size:]
            buffer[:1] = [rest] if rest else []

    @rule(end=END, own=st.sampled_from((None, False, True)), peers=st.sampled_from((None, False, True)))
    def set_disposition(self, end: int, own: bool | None, peers: bool | None) -> None:
        if not self.open[0] or not self.open[1]:
            return
        values = {
            None: 0,
            False: ZX_SOCKET_DISPOSITION_WRITE_DISABLED,
            True: ZX_SOCKET_DISPOSITION_WRITE_ENABLED,
        }
        status = self.zx.zx_socket_set_disposition(self.ends[end], values[own], values[peers])
        wishes = {end: own, 1 - end: peers}
        for writer, wish in wishes.items():
            if wish and self.disabled[writer] and self.size(1 - writer):
                assert status == ZX_ERR_BAD_STATE
                return
        assert status == ZX_OK
        for writer, wish in wishes.items():
            if wish is not None:
                self.disabled[writer] = not wish

    @precondition(lambda self: all(self.open))
    @rule(end=END, sometimes=st.integers(0, 9))
    def close(self, end: int, sometimes: int) -> None:
        if sometimes == 0:
            assert self.zx.zx_handle_close(self.ends[end]) == ZX_OK
            self.open[end] = False
            self.buffers[end].clear()

    @invariant()
    def signals_and_sizes_say_what_can_be_done(self) -> None:
        for end in (0, 1):
            if not self.open[end]:
                continue
            socket = self.object(self.ends[end])
            assert socket.info().rx_buf_size == self.size(end)
            assert bool(socket.signals & ZX_SOCKET_READABLE) == (self.size(end) > 0)
            assert bool(socket.signals & ZX_SOCKET_WRITE_DISABLED) == self.disabled[end]
            assert bool(socket.signals & ZX_SOCKET_PEER_WRITE_DISABLED) == self.disabled[1 - end]
            assert bool(socket.signals & ZX_SOCKET_PEER_CLOSED) == (not self.open[1 - end])
            if self.open[1 - end] and not self.disabled[end] and self.size(1 - end) < BUFFER_SIZE:
                assert socket.signals & ZX_SOCKET_WRITABLE


class DatagramModel(SocketModel):
    OPTIONS = ZX_SOCKET_DATAGRAM


KEY = st.integers(0, 3)
SOURCE = st.integers(0, 2)
SIGNALS = st.sampled_from((ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1))


class PortModel(Machine):
    def __init__(self) -> None:
        super().__init__()
        _, self.port = self.zx.zx_port_create(0)
        _, event = self.zx.zx_event_create(0)
        # Two events, the first through two handles.
        self.sources = [
            event,
            self.zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS)[1],
            self.zx.zx_event_create(0)[1],
        ]
        self.event_of = (0, 0, 1)
        self.signals = [0, 0]
        self.queue: list[tuple[int | None, int, int, int]] = []  # source, key, trigger, observed
        self.waits: list[tuple[int, int, int]] = []  # source, key, trigger; oldest first

    @rule(key=KEY)
    def queue_user(self, key: int) -> None:
        assert self.zx.zx_port_queue(self.port, raw(key)) == ZX_OK
        self.queue.append((None, key, 0, 0))

    @rule(source=SOURCE, key=KEY, trigger=SIGNALS, edge=st.booleans())
    def wait_async(self, source: int, key: int, trigger: int, edge: bool) -> None:
        options = ZX_WAIT_ASYNC_EDGE if edge else 0
        handle = self.sources[source]
        assert self.zx.zx_object_wait_async(handle, self.port, key, trigger, options) == ZX_OK
        now = self.signals[self.event_of[source]]
        if now & trigger and not edge:
            self.queue.append((source, key, trigger, now))
        else:
            self.waits.append((source, key, trigger))

    @rule(source=SOURCE, clear=SIGNALS, set_=SIGNALS)
    def signal(self, source: int, clear: int, set_: int) -> None:
        assert self.zx.zx_object_signal(self.sources[source], clear, set_) == ZX_OK
        event = self.event_of[source]
        old = self.signals[event]
        self.signals[event] = new = (old & ~clear) | set_
        kept = []
        for wait in self.waits:
            if self.event_of[wait[0]] == event and wait[2] & new & ~old:
                self.queue.append((*wait, new))
            else:
                kept.append(wait)
        self.waits = kept

    @rule(source=SOURCE, clear=SIGNALS)
    def clear(self, source: int, clear: int) -> None:
        assert self.zx.zx_object_signal(self.sources[source], clear, 0) == ZX_OK
        self.signals[self.event_of[source]] &= ~clear

    @rule()
    def wait(self) -> None:
        status, packet = self.zx.zx_port_wait(self.port, 0)
        if not self.queue:
            assert status == ZX_ERR_TIMED_OUT
            return
        source, key, trigger, observed = self.queue.pop(0)
        assert status == ZX_OK and packet.key == key
        if source is not None:
            assert signal_of(packet)[:2] == (trigger, observed)

    @rule(source=SOURCE, key=KEY)
    def cancel(self, source: int, key: int) -> None:
        before = len(self.waits) + len(self.queue)
        self.waits = [wait for wait in self.waits if wait[:2] != (source, key)]
        self.queue = [packet for packet in self.queue if packet[:2] != (source, key)]
        found = len(self.waits) + len(self.queue) < before
        status = self.zx.zx_port_cancel(self.port, self.sources[source], key)
        assert status == (ZX_OK if found else ZX_ERR_NOT_FOUND)

    @rule(key=KEY)
    def cancel_key(self, key: int) -> None:
        before = len(self.waits) + len(self.queue)
        self.waits = [wait for wait in self.waits if wait[1] != key]
        self.queue = [packet for packet in self.queue if packet[1] != key]
        found = len(self.waits) + len(self.queue) < before
        status = self.zx.zx_port_cancel_key(self.port, 0, key)
        assert status == (ZX_OK if found else ZX_ERR_NOT_FOUND)

    @rule(source=SOURCE)
    def replace_the_handle(self, source: int) -> None:
        status, self.sources[source] = self.zx.zx_handle_replace(self.sources[source], ZX_RIGHT_SAME_RIGHTS)
        assert status == ZX_OK
        self.waits = [wait for wait in self.waits if wait[0] != source]
        # Packets of the old handle are still there, but no handle names them any more.
        self.queue = [(-1 if packet[0] == source else packet[0], *packet[1:]) for packet in self.queue]

    @invariant()
    def every_wait_has_its_observer(self) -> None:
        for event in (0, 2):
            observers = list(self.object(self.sources[event]).observers())
            waits = [wait for wait in self.waits if self.event_of[wait[0]] == self.event_of[event]]
            assert len(observers) == len(waits)


TestChannelModel = ChannelModel.TestCase
TestSocketModel = SocketModel.TestCase
TestDatagramModel = DatagramModel.TestCase
TestPortModel = PortModel.TestCase
for case in (TestChannelModel, TestSocketModel, TestDatagramModel, TestPortModel):
    case.settings = FEW
del case
