"""The debuglog: the kernel's one log, which programs write to and, with the right resource, read.

Source: zircon/kernel/lib/debuglog/debuglog.cc, zircon/kernel/object/log_dispatcher.rs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_LOG_RIGHTS,
    ZX_LOG_FLAG_READABLE,
    ZX_LOG_READABLE,
    ZX_LOG_RECORD_DATA_MAX,
    ZX_OBJ_TYPE_DEBUGLOG,
    ZX_RIGHT_READ,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

SEVERITY_INFO: Final = 0x30

_HEADER_SIZE: Final = 40  # what a record takes in the buffer besides its text
_BUFFER_SIZE: Final = 128 * 1024  # beyond it the oldest records go


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line of the log. *timestamp* is in ns, *process* and *thread* are koids, of the kernel itself 0."""

    sequence: int
    severity: int
    flags: int
    timestamp: int
    process: int
    thread: int
    text: bytes

    @property
    def buffer_size(self) -> int:
        return _HEADER_SIZE + (len(self.text) + 3) // 4 * 4

    def line(self) -> bytes:
        """As it appears on the console."""
        seconds, ns = divmod(self.timestamp, 1_000_000_000)
        head = f"[{seconds:05d}.{ns // 1_000_000:03d}] {self.process:05d}:{self.thread:05d}> "
        return head.encode() + self.text.rstrip(b"\n") + b"\n"


class DebugLog:
    """The records that the buffer still holds, oldest first, and who reads them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._records: deque[LogRecord] = deque()
        self._size = 0
        self._sequence = 0
        self._readers: dict[LogDispatcher, None] = {}

    def write(self, text: bytes, flags: int = 0, process: int = 0, thread: int = 0) -> None:
        """Append a record, and show it on the console: OUT_OF_RANGE beyond ZX_LOG_RECORD_DATA_MAX bytes."""
        if len(text) > ZX_LOG_RECORD_DATA_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        now = self._kernel.clock.now()
        record = LogRecord(self._sequence, SEVERITY_INFO, flags & 0xFF, now, process, thread, text)
        self._sequence += 1
        self._records.append(record)
        self._size += record.buffer_size
        while self._size > _BUFFER_SIZE:
            self._size -= self._records.popleft().buffer_size
        self._kernel.console(record.line())
        for reader in tuple(self._readers):
            reader.update_signals(0, ZX_LOG_READABLE)

    def read(self, sequence: int) -> LogRecord | None:
        """The oldest record that is there with *sequence* or a later one."""
        if sequence >= self._sequence:
            return None
        oldest = self._records[0].sequence
        return self._records[max(0, sequence - oldest)]

    def add_reader(self, reader: LogDispatcher) -> None:
        self._readers[reader] = None
        if self._records:
            reader.update_signals(0, ZX_LOG_READABLE)

    def remove_reader(self, reader: LogDispatcher) -> None:
        self._readers.pop(reader, None)


class LogDispatcher(SoloDispatcher):
    """A way to the log: to write to it and, where it was made so, to read it from its oldest record on."""

    TYPE = ZX_OBJ_TYPE_DEBUGLOG
    DEFAULT_RIGHTS = ZX_DEFAULT_LOG_RIGHTS

    __slots__ = ("_next", "flags")

    def __init__(self, kernel: Kernel, flags: int) -> None:
        super().__init__(kernel)
        self.flags = flags
        self._next = 0  # sequence number of the record to read
        if flags & ZX_LOG_FLAG_READABLE:
            kernel.debuglog.add_reader(self)

    @property
    def rights(self) -> int:
        """Of the handle that its creator gets."""
        if self.flags & ZX_LOG_FLAG_READABLE:
            return self.DEFAULT_RIGHTS | ZX_RIGHT_READ
        return self.DEFAULT_RIGHTS

    def write(self, text: bytes, flags: int, process: int, thread: int) -> None:
        """Append a record in the name of a thread, by koids: OUT_OF_RANGE."""
        self.kernel.debuglog.write(text, self.flags | flags, process, thread)

    def read(self) -> LogRecord:
        """The next record: BAD_STATE where it is not for reading, SHOULD_WAIT where all are read.

        The signal stays asserted until a read finds nothing, as the reference has it.
        """
        if not self.flags & ZX_LOG_FLAG_READABLE:
            raise ZxError(Status.BAD_STATE)
        record = self.kernel.debuglog.read(self._next)
        if record is None:
            self.update_signals(ZX_LOG_READABLE, 0)
            raise ZxError(Status.SHOULD_WAIT)
        self._next = record.sequence + 1
        return record

    def on_zero_handles(self) -> None:
        self.kernel.debuglog.remove_reader(self)
