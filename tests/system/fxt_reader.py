"""A reader of FXT traces that takes nothing but what the format's page allows."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

MAGIC = 0x0016_5478_4604_0010


@dataclass(frozen=True)
class KernelObject:
    koid: int
    type: int
    name: bytes
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Event:
    """*kind* is the event type's number; *content* what complete durations and flows have behind their arguments."""

    kind: int
    category: str
    name: str
    timestamp: int
    process: int
    thread: int
    arguments: dict[str, Any]
    content: int | None = None


@dataclass(frozen=True)
class ContextSwitch:
    cpu: int
    timestamp: int
    state: int
    outgoing: int
    incoming: int
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Wakeup:
    cpu: int
    timestamp: int
    thread: int
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Backtrace:
    timestamp: int
    process: int
    thread: int
    addresses: tuple[int, ...]


Record = KernelObject | Event | ContextSwitch | Wakeup | Backtrace

INSTANT, COUNTER, BEGIN, END, COMPLETE, FLOW_BEGIN, FLOW_STEP, FLOW_END = 0, 1, 2, 3, 4, 8, 9, 10
_WITH_CONTENT = (COUNTER, COMPLETE, FLOW_BEGIN, FLOW_STEP, FLOW_END)
_SMALL = {1: "<i", 2: "<I"}  # types of arguments with their value in the header
_LARGE = {3: "<q", 4: "<Q", 5: "<d", 7: "<Q", 8: "<Q"}


@dataclass
class Trace:
    ticks_per_second: int = 0
    strings: dict[int, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    sessions: int = 0  # how often a trace began

    def of(self, cls: type[Any]) -> list[Any]:
        return [record for record in self.records if isinstance(record, cls)]

    def events(self, category: str, name: str | None = None) -> list[Event]:
        found = [event for event in self.of(Event) if event.category == category]
        return [event for event in found if name is None or event.name == name]

    def names(self) -> dict[int, bytes]:
        """Of kernel objects, by koid: the last one of each."""
        return {record.koid: record.name for record in self.of(KernelObject)}


def read(data: bytes, after: Trace | None = None) -> Trace:
    """All records of *data*, a whole trace or what was read *after* another part of it. Fails where anything is wrong."""
    assert len(data) % 8 == 0
    trace = Trace()
    if after is None:
        assert int.from_bytes(data[:8], "little") == MAGIC
    else:
        trace.strings = after.strings
    at = 0
    while at < len(data):
        header = int.from_bytes(data[at : at + 8], "little")
        size = (header >> 4 & 0xFFF) * 8
        assert 0 < size <= len(data) - at, (at, header)
        _Record(trace, header, data[at + 8 : at + size]).read()
        at += size
    return trace


class _Record:
    """One record: *rest* is what follows its header, and is used up to the last byte."""

    def __init__(self, trace: Trace, header: int, rest: bytes) -> None:
        self.trace = trace
        self.header = header
        self.rest = rest

    def bits(self, first: int, last: int) -> int:
        return self.header >> first & (1 << last - first + 1) - 1

    def reserved(self, first: int, last: int) -> None:
        assert self.bits(first, last) == 0, hex(self.header)

    def word(self) -> int:
        word, self.rest = self.rest[:8], self.rest[8:]
        assert len(word) == 8
        return int.from_bytes(word, "little")

    def stream(self, size: int) -> bytes:
        padded = size + -size % 8
        data, self.rest = self.rest[:padded], self.rest[padded:]
        assert len(data) == padded and not any(data[size:])
        return data[:size]

    def text(self, reference: int) -> bytes:
        if reference >> 15:
            return self.stream(reference & 0x7FFF)
        return self.trace.strings[reference].encode() if reference else b""

    def arguments(self, count: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(count):
            before = len(self.rest)
            header = self.word()
            kind, size = header & 0xF, (header >> 4 & 0xFFF) * 8
            name = self.text(header >> 16 & 0xFFFF).decode()
            assert name and name not in found
            if kind in _SMALL:
                (found[name],) = struct.unpack(_SMALL[kind], (header >> 32).to_bytes(4, "little"))
            else:
                assert header >> 32 == 0
                (found[name],) = struct.unpack(_LARGE[kind], self.word().to_bytes(8, "little"))
            assert before - len(self.rest) == size
        return found

    def read(self) -> None:
        match self.bits(0, 3):
            case 0:
                assert self.header == MAGIC
                self.trace.sessions += 1
            case 1:
                self.reserved(16, 63)
                self.trace.ticks_per_second = self.word()
            case 2:
                self.reserved(31, 31)
                self.reserved(47, 63)
                index = self.bits(16, 30)
                assert index
                self.trace.strings[index] = self.stream(self.bits(32, 46)).decode()
            case 4:
                self.event()
            case 7:
                self.reserved(44, 63)
                koid = self.word()
                name = self.text(self.bits(24, 39))
                arguments = self.arguments(self.bits(40, 43))
                self.trace.records.append(KernelObject(koid, self.bits(16, 23), name, arguments))
            case 8:
                self.scheduling()
            case 10:
                assert self.bits(16, 19) == 2  # a backtrace
                self.reserved(20, 27)  # the thread follows
                self.reserved(36, 63)
                timestamp, process, thread = self.word(), self.word(), self.word()
                addresses = tuple(self.word() for _ in range(self.bits(28, 35)))
                self.trace.records.append(Backtrace(timestamp, process, thread, addresses))
            case other:
                raise AssertionError(f"a record of type {other}")
        assert not self.rest

    def event(self) -> None:
        kind = self.bits(16, 19)
        assert kind in (INSTANT, BEGIN, END, *_WITH_CONTENT)
        self.reserved(24, 31)  # the thread follows
        timestamp, process, thread = self.word(), self.word(), self.word()
        category, name = self.text(self.bits(32, 47)).decode(), self.text(self.bits(48, 63)).decode()
        assert category and name
        arguments = self.arguments(self.bits(20, 23))
        content = self.word() if kind in _WITH_CONTENT else None
        self.trace.records.append(Event(kind, category, name, timestamp, process, thread, arguments, content))

    def scheduling(self) -> None:
        cpu, count = self.bits(20, 35), self.bits(16, 19)
        if self.bits(60, 63) == 1:
            self.reserved(40, 59)
            timestamp, outgoing, incoming = self.word(), self.word(), self.word()
            state = self.bits(36, 39)
            assert state in (0, 2, 3, 4, 5)  # of all that there are, not the running one
            record: Record = ContextSwitch(cpu, timestamp, state, outgoing, incoming, self.arguments(count))
        else:
            assert self.bits(60, 63) == 2
            self.reserved(36, 59)
            timestamp, thread = self.word(), self.word()
            record = Wakeup(cpu, timestamp, thread, self.arguments(count))
        self.trace.records.append(record)


def check_durations(trace: Trace) -> None:
    """Durations are closed by the thread that began them, the inner ones first; flows are within one."""
    open_: dict[int, list[Event]] = {}
    for event in trace.of(Event):
        stack = open_.setdefault(event.thread, [])
        if event.kind == BEGIN:
            stack.append(event)
        elif event.kind == END:
            begun = stack.pop()
            assert (begun.category, begun.name) == (event.category, event.name)
            assert begun.timestamp <= event.timestamp
        elif event.kind in (FLOW_BEGIN, FLOW_STEP, FLOW_END):
            assert stack
