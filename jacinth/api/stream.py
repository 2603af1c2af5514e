"""Streams: a place in the contents of a VMO, to read and write from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_INFO_STREAM, ZX_PROP_STREAM_MODE_APPEND, zx_info_stream_t
from jacinth.api.caller import C, blocking, member
from jacinth.api.flags import ObjType, SeekOrigin, StreamOptions, StreamWriteOptions
from jacinth.api.handle import Handle, check

if TYPE_CHECKING:
    from jacinth.api.memory import Vmo

_DEFAULT_READ: Final = 65536

Buffer = bytes | bytearray | memoryview


class Stream(Handle[C]):
    """A stream over a VMO. Offsets and sizes are in bytes."""

    OBJ_TYPE = ObjType.STREAM

    __slots__ = ()

    @classmethod
    def create(cls, options: StreamOptions | int, vmo: Vmo[C], seek: int = 0) -> Stream[C]:
        """A stream over *vmo* with its place at *seek*, by StreamOptions.

        Rights: on the VMO READ for MODE_READ, WRITE for MODE_WRITE and MODE_APPEND. Raises ZxInvalidArgs for the options,
        ZxWrongType for a contiguous VMO.
        """
        caller = vmo._caller
        status, raw = caller.sys.zx_stream_create(options, vmo.raw, seek)
        check(status)
        return Stream(caller, raw)

    @blocking
    async def read(self, max_bytes: int = _DEFAULT_READ) -> bytes:
        """The next bytes; fewer, or none, where the content ends. The place moves along.

        Rights: READ. Raises ZxBadState where the VMO is not cached.
        """
        buffer = bytearray(max_bytes)
        status, actual = await self._caller.waits.zx_stream_readv(self.raw, 0, [buffer])
        check(status)
        return bytes(buffer[:actual])

    @blocking
    async def read_at(self, offset: int, max_bytes: int = _DEFAULT_READ) -> bytes:
        """The same from *offset* on. The place stays."""
        buffer = bytearray(max_bytes)
        status, actual = await self._caller.waits.zx_stream_readv_at(self.raw, 0, offset, [buffer])
        check(status)
        return bytes(buffer[:actual])

    @blocking
    async def readv(self, buffers: Sequence[bytearray | memoryview]) -> int:
        """Fill *buffers*, one after the other, with the next bytes. Answers how many there were. As `read`."""
        status, actual = await self._caller.waits.zx_stream_readv(self.raw, 0, buffers)
        check(status)
        return int(actual)

    @blocking
    async def readv_at(self, offset: int, buffers: Sequence[bytearray | memoryview]) -> int:
        """The same from *offset* on. The place stays."""
        status, actual = await self._caller.waits.zx_stream_readv_at(self.raw, 0, offset, buffers)
        check(status)
        return int(actual)

    @blocking
    async def write(self, data: Buffer, options: int = StreamWriteOptions.NONE) -> int:
        """Write at the place, or with APPEND or in append mode behind the content. Answers how much there was room for.

        Rights: WRITE. Raises ZxOutOfRange where there is none, ZxFileBig, ZxBadState where the VMO is not cached.
        """
        status, actual = await self._caller.waits.zx_stream_writev(self.raw, options, [data])
        check(status)
        return int(actual)

    @blocking
    async def write_at(self, offset: int, data: Buffer) -> int:
        """Write at *offset*, whatever the mode. The place stays. As `write`."""
        status, actual = await self._caller.waits.zx_stream_writev_at(self.raw, 0, offset, [data])
        check(status)
        return int(actual)

    @blocking
    async def writev(self, buffers: Sequence[Buffer], options: int = StreamWriteOptions.NONE) -> int:
        """Write several buffers, one after the other. As `write`."""
        status, actual = await self._caller.waits.zx_stream_writev(self.raw, options, buffers)
        check(status)
        return int(actual)

    @blocking
    async def writev_at(self, offset: int, buffers: Sequence[Buffer]) -> int:
        """The same at *offset*, whatever the mode. The place stays."""
        status, actual = await self._caller.waits.zx_stream_writev_at(self.raw, 0, offset, buffers)
        check(status)
        return int(actual)

    @member
    def seek(self, offset: int, whence: int = SeekOrigin.START) -> int:
        """Move the place to *offset* from a SeekOrigin. Answers where that is.

        Rights: READ or WRITE. Raises ZxInvalidArgs before the start.
        """
        status, place = self._caller.sys.zx_stream_seek(self.raw, whence, offset)
        check(status)
        return int(place)

    @property
    def append_mode(self) -> bool:
        """Whether `write` writes behind the content. Rights: GET_PROPERTY, SET_PROPERTY."""
        return self._get_property(ZX_PROP_STREAM_MODE_APPEND, 1) != b"\0"

    @append_mode.setter
    def append_mode(self, value: bool) -> None:
        self._set_property(ZX_PROP_STREAM_MODE_APPEND, bytes([value]))

    @property
    def info(self) -> zx_info_stream_t:
        """Mode, place, and how many bytes are content. Rights: INSPECT."""
        return self._info(ZX_INFO_STREAM, zx_info_stream_t)
