"""The debuglog, and the resources that give access to what belongs to the machine itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_INFO_RESOURCE,
    ZX_LOG_FLAG_READABLE,
    ZX_LOG_RECORD_DATA_MAX,
    ZX_RSRC_FLAG_EXCLUSIVE,
    zx_info_resource_t,
)
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ObjType
from jacinth.api.handle import Handle, check, values

# zx_log_record_t up to its text.
_HEADER: Final = struct.Struct("<Q4xHBBqQQ")


class Resource(Handle[C]):
    """The right to something of the machine itself: `kernel.root_resource` is that to everything."""

    OBJ_TYPE = ObjType.RESOURCE

    __slots__ = ()

    def create_child(
        self, kind: int, base: int = 0, size: int = 0, name: str = "", *, exclusive: bool = False
    ) -> Resource[C]:
        """The right to *size* units from *base* on of what *kind*, a ResourceKind, counts.

        Rights: WRITE. Raises ZxAccessDenied for what this one has no right to, ZxNotFound where another one has it
        exclusively, or has it at all and *exclusive* is asked for, ZxInvalidArgs.
        """
        options = kind | (ZX_RSRC_FLAG_EXCLUSIVE if exclusive else 0)
        status, raw = self._caller.sys.zx_resource_create(self.raw, options, base, size, name.encode())
        check(status)
        return Resource(self._caller, raw)

    @property
    def info(self) -> zx_info_resource_t:
        """Kind, flags, range and name. Rights: INSPECT."""
        return self._info(ZX_INFO_RESOURCE, zx_info_resource_t)


@dataclass(frozen=True, slots=True)
class DebugLogRecord:
    """A line of the debuglog: *timestamp* is in ns, *pid* and *tid* are koids."""

    sequence: int
    severity: int
    flags: int
    timestamp: int
    pid: int
    tid: int
    data: bytes


class DebugLog(Handle[C]):
    """A way to the kernel's log."""

    OBJ_TYPE = ObjType.DEBUGLOG

    __slots__ = ()

    @classmethod
    def create(
        cls, resource: Resource[C] | None = None, *, readable: bool = False, caller: C | None = None
    ) -> DebugLog[C]:
        """A way to write to the log, or also to read it, which needs a *resource*.

        Raises ZxBadHandle where it is to be read without one, ZxWrongType and ZxOutOfRange for another
        resource.
        """
        owner = resolve(caller if resource is None or caller is not None else resource._caller)
        raw = ZX_HANDLE_INVALID if resource is None else values(owner, [resource])[0]
        options = ZX_LOG_FLAG_READABLE if readable else 0
        status, log = owner.sys.zx_debuglog_create(raw, options)
        check(status)
        return DebugLog(owner, log)

    @member
    def write(self, message: str | bytes, options: int = 0) -> None:
        """Append a record of at most 216 bytes; the rest is dropped. Rights: WRITE."""
        data = message.encode() if isinstance(message, str) else message
        check(self._caller.sys.zx_debuglog_write(self.raw, options, data))

    @member
    def read(self) -> DebugLogRecord:
        """The oldest record that this handle has not read.

        Rights: READ. Raises ZxShouldWait where all are read.
        """
        size = _HEADER.size + ZX_LOG_RECORD_DATA_MAX
        status, data = self._caller.sys.zx_debuglog_read(self.raw, 0, size)
        if status < 0:
            check(status)
        sequence, length, severity, flags, timestamp, pid, tid = _HEADER.unpack_from(data)
        text = bytes(data[_HEADER.size : _HEADER.size + length])
        return DebugLogRecord(sequence, severity, flags, timestamp, pid, tid, text)
