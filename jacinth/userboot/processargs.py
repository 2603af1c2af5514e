"""The bootstrap message: what a new process finds in the channel that it is started with.

A header, one word for each handle that says what it is for (`PA_HND` in `jacinth.abi`), and three lists of strings. Source:
zircon/system/public/zircon/processargs.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jacinth.abi import ZX_PROCARGS_PROTOCOL, ZX_PROCARGS_VERSION

# protocol, version, handle_info_off, args_off, args_num, environ_off, environ_num, names_off, names_num
_HEADER: Final = struct.Struct("<9I")
_MAX_STRINGS: Final = 65536  # a channel message has no more bytes

FD_FOR_STDIO: Final = 0x8000  # in the argument of a PA_FD: for standard input, output and error alike


class ProcessArgsError(ValueError):
    """A message is no bootstrap message; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class ProcessArgs:
    """The bytes of a bootstrap message, unpacked. Strings have no NUL in them."""

    args: tuple[bytes, ...] = ()
    environ: tuple[bytes, ...] = ()
    names: tuple[bytes, ...] = ()  # what PA_NS_* handles refer to by number
    handle_infos: tuple[int, ...] = ()  # one for each handle of the message, in order


def pack_processargs(
    args: Sequence[bytes] = (),
    environ: Sequence[bytes] = (),
    names: Sequence[bytes] = (),
    handle_infos: Sequence[int] = (),
) -> bytes:
    """The bytes of a bootstrap message. Raises ValueError for a string with a NUL in it."""
    position = _HEADER.size
    parts = [struct.pack(f"<{len(handle_infos)}I", *handle_infos)]
    places: list[int] = []
    position += len(parts[0])
    for strings in (args, environ, names):
        if any(b"\0" in string for string in strings):
            raise ValueError("a string of a bootstrap message cannot have a NUL in it")
        part = b"".join(string + b"\0" for string in strings)
        places += [position, len(strings)]
        position += len(part)
        parts.append(part)
    return _HEADER.pack(ZX_PROCARGS_PROTOCOL, ZX_PROCARGS_VERSION, _HEADER.size, *places) + b"".join(parts)


def unpack_processargs(message: bytes, handle_count: int) -> ProcessArgs:
    """Unpack a message that came with *handle_count* handles. Raises ProcessArgsError."""
    if len(message) < _HEADER.size:
        raise ProcessArgsError(f"too short for a bootstrap message: {len(message)} bytes")
    protocol, version, infos_at, *lists = _HEADER.unpack_from(message)
    if protocol != ZX_PROCARGS_PROTOCOL:
        raise ProcessArgsError(f"not a bootstrap message: protocol {protocol:#x}")
    if version != ZX_PROCARGS_VERSION:
        raise ProcessArgsError(f"unknown version of the bootstrap message: {version:#x}")
    if infos_at + 4 * handle_count > len(message):
        raise ProcessArgsError("the handle table lies behind the end of the message")
    return ProcessArgs(
        args=_strings(message, lists[0], lists[1]),
        environ=_strings(message, lists[2], lists[3]),
        names=_strings(message, lists[4], lists[5]),
        handle_infos=struct.unpack_from(f"<{handle_count}I", message, infos_at),
    )


def _strings(message: bytes, offset: int, count: int) -> tuple[bytes, ...]:
    if count == 0:
        return ()
    if count > _MAX_STRINGS:
        raise ProcessArgsError(f"too many strings: {count}")
    strings = []
    for _ in range(count):
        end = message.find(b"\0", offset)
        if end < 0:
            raise ProcessArgsError("a string lies behind the end of the message")
        strings.append(message[offset:end])
        offset = end + 1
    return tuple(strings)
