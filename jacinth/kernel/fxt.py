"""Records of the Fuchsia trace format (FXT), as the kernel's trace and its sampler write them.

A record is a sequence of 64-bit words, the first of which has its type and its size in words. Strings are numbers of a table that
string records fill; names of objects stand in their records. Threads are always given by the koids of process and thread.

Source: docs/reference/tracing/trace-format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\x10\x00\x04FxT\x16\x00"

_U64: Final = (1 << 64) - 1


class RecordType(IntEnum):
    METADATA = 0
    INITIALIZATION = 1
    STRING = 2
    EVENT = 4
    KERNEL_OBJECT = 7
    SCHEDULING = 8
    PROFILER = 10


class EventType(IntEnum):
    DURATION_BEGIN = 2
    DURATION_END = 3
    DURATION_COMPLETE = 4
    FLOW_BEGIN = 8
    FLOW_STEP = 9
    FLOW_END = 10


class ArgumentType(IntEnum):
    INT32 = 1
    UINT32 = 2
    INT64 = 3
    UINT64 = 4
    POINTER = 7
    KOID = 8


_CONTEXT_SWITCH: Final = 1
_THREAD_WAKEUP: Final = 2
_BACKTRACE: Final = 2


def _record(header: int, *words: int, tail: bytes = b"") -> bytes:
    """A record whose size goes into its *header*; *tail* is padded already."""
    size = 1 + len(words) + len(tail) // 8
    return struct.pack(f"<{1 + len(words)}Q", header | size << 4, *words) + tail


def _stream(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)


def _inline(data: bytes) -> int:
    """The reference to a string that stands in the record itself."""
    return 0x8000 | len(data) if data else 0


def initialization(ticks_per_second: int) -> bytes:
    """What a tick is."""
    return _record(RecordType.INITIALIZATION, ticks_per_second)


def string(index: int, text: bytes) -> bytes:
    """From now on *index* stands for *text*."""
    return _record(RecordType.STRING | index << 16 | len(text) << 32, tail=_stream(text))


def argument(type_: ArgumentType, name: int, value: int) -> bytes:
    """A named value, where *name* is the index of a string."""
    if type_ in (ArgumentType.INT32, ArgumentType.UINT32):
        return struct.pack("<Q", type_ | 1 << 4 | name << 16 | (value & 0xFFFF_FFFF) << 32)
    return struct.pack("<QQ", type_ | 2 << 4 | name << 16, value & _U64)


def kernel_object(koid: int, type_: int, name: bytes, *arguments: bytes) -> bytes:
    """What the object with that *koid* is: its ZX_OBJ_TYPE_* and its name."""
    header = RecordType.KERNEL_OBJECT | type_ << 16 | _inline(name) << 24 | len(arguments) << 40
    return _record(header, koid, tail=_stream(name) + b"".join(arguments))


def event(
    type_: EventType,
    category: int,
    name: int,
    timestamp: int,
    process: int,
    thread: int,
    *arguments: bytes,
    content: int | None = None,
) -> bytes:
    """Something that a thread did: *content* is the end of a complete duration, or the number of a flow."""
    header = RecordType.EVENT | type_ << 16 | len(arguments) << 20 | category << 32 | name << 48
    tail = b"".join(arguments)
    if content is not None:
        tail += content.to_bytes(8, "little")
    return _record(header, timestamp, process, thread, tail=tail)


def context_switch(
    cpu: int, timestamp: int, state: int, outgoing: int, incoming: int, *arguments: bytes
) -> bytes:
    """The thread *incoming* has the CPU from now on; *outgoing* is in that ZX_THREAD_STATE_*. Both by koid."""
    header = RecordType.SCHEDULING | len(arguments) << 16 | cpu << 20 | state << 36 | _CONTEXT_SWITCH << 60
    return _record(header, timestamp, outgoing, incoming, tail=b"".join(arguments))


def thread_wakeup(cpu: int, timestamp: int, thread: int, *arguments: bytes) -> bytes:
    """The thread with that koid can run."""
    header = RecordType.SCHEDULING | len(arguments) << 16 | cpu << 20 | _THREAD_WAKEUP << 60
    return _record(header, timestamp, thread, tail=b"".join(arguments))


def backtrace(timestamp: int, process: int, thread: int, addresses: Sequence[int]) -> bytes:
    """Where a thread was, innermost first; at most 255 *addresses*."""
    header = RecordType.PROFILER | _BACKTRACE << 16 | len(addresses) << 28
    return _record(header, timestamp, process, thread, *addresses)
