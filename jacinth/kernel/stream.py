"""Streams: a place in the contents of a VMO, for reading and writing as one does with a file.

    StreamDispatcher --vmo--> VmObjectDispatcher --stream--> StreamSize (how many of its bytes are content)

A read or write is done in steps, each of which is done whole or not at all: a `Transfer` says how far it has come, so that it can
go on after it has waited for a pager's page. Offsets and sizes are bytes.

Source: zircon/kernel/object/stream_dispatcher.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_STREAM_RIGHTS,
    ZX_OBJ_TYPE_STREAM,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_STREAM_MODE_APPEND,
    ZX_STREAM_MODE_READ,
    ZX_STREAM_MODE_WRITE,
    ZX_STREAM_SEEK_ORIGIN_CURRENT,
    ZX_STREAM_SEEK_ORIGIN_END,
    ZX_STREAM_SEEK_ORIGIN_START,
    Status,
    ZxError,
    zx_info_stream_t,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.vm.vmo import UINT64_MAX

if TYPE_CHECKING:
    from jacinth.kernel.vm.vmo import VmObjectDispatcher


class Transfer:
    """One read or write of *capacity* bytes from *offset* on, of which *done* have been moved."""

    __slots__ = ("appends", "capacity", "done", "offset", "seeks", "stream")

    def __init__(
        self, stream: StreamDispatcher, offset: int, capacity: int, *, seeks: bool, appends: bool = False
    ) -> None:
        self.stream = stream
        self.offset = offset
        self.capacity = capacity
        self.seeks = seeks  # whether the stream's own place moves with it
        self.appends = appends
        self.done = 0

    @property
    def place(self) -> int:
        """Where the next step begins."""
        return self.offset + self.done

    def go_on(self) -> None:
        """It has waited: what others have appended meanwhile is not to be overwritten by what is appended."""
        if self.appends:
            self.offset = max(self.offset, self.stream.info().content_size - self.done)

    def moved(self, count: int) -> None:
        self.done += count
        if self.seeks:
            self.stream.seek_offset = self.place


class StreamDispatcher(SoloDispatcher):
    """A stream over *vmo*, with ZX_STREAM_MODE_* *mode*. It reads and writes from *seek* on.

    It keeps the VMO as long as it has handles itself. The VMO stays as large as it is.
    """

    TYPE = ZX_OBJ_TYPE_STREAM
    DEFAULT_RIGHTS = ZX_DEFAULT_STREAM_RIGHTS

    __slots__ = ("_content", "mode", "seek_offset", "vmo")

    def __init__(self, vmo: VmObjectDispatcher, mode: int, seek: int) -> None:
        super().__init__(vmo.kernel)
        vmo.acquire()
        self.vmo = vmo
        self._content = vmo.keep_stream()
        self.mode = mode
        self.seek_offset = seek

    def on_zero_handles(self) -> None:
        self.vmo.release()

    @property
    def initial_rights(self) -> int:
        rights = self.DEFAULT_RIGHTS
        if self.mode & ZX_STREAM_MODE_READ:
            rights |= ZX_RIGHT_READ
        if self.mode & ZX_STREAM_MODE_WRITE:
            rights |= ZX_RIGHT_WRITE
        return rights

    @property
    def append_mode(self) -> bool:
        return bool(self.mode & ZX_STREAM_MODE_APPEND)

    @append_mode.setter
    def append_mode(self, value: bool) -> None:
        self.mode = self.mode & ~ZX_STREAM_MODE_APPEND | (ZX_STREAM_MODE_APPEND if value else 0)

    def info(self) -> zx_info_stream_t:
        return zx_info_stream_t(options=self.mode, seek=self.seek_offset, content_size=self._content.size)

    def seek(self, whence: int, offset: int) -> int:
        """Go to *offset* from the start, the current place or the end of the content, also behind that. Answers the place:
        INVALID_ARGS *whence*, or a place that 64 bits cannot say.
        """
        if whence == ZX_STREAM_SEEK_ORIGIN_START:
            origin = 0
        elif whence == ZX_STREAM_SEEK_ORIGIN_CURRENT:
            origin = self.seek_offset
        elif whence == ZX_STREAM_SEEK_ORIGIN_END:
            origin = self._content.size
        else:
            raise ZxError(Status.INVALID_ARGS)
        if not 0 <= origin + offset <= UINT64_MAX:
            raise ZxError(Status.INVALID_ARGS)
        self.seek_offset = origin + offset
        return self.seek_offset

    # Transfers

    def begin(self, capacity: int, at: int | None) -> Transfer:
        """A transfer *at* an offset, or at the stream's own place, which then moves along."""
        return Transfer(self, self.seek_offset if at is None else at, capacity, seeks=at is None)

    def begin_append(self, capacity: int) -> Transfer:
        """A write behind all content: OUT_OF_RANGE where 64 bits cannot say where it would end."""
        if self._content.size + capacity > UINT64_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        return Transfer(self, self._content.size, capacity, seeks=True, appends=True)

    def readable(self, transfer: Transfer) -> int:
        """How many bytes are left to read: no further than the content."""
        return max(0, min(self._content.size, transfer.offset + transfer.capacity) - transfer.place)

    def read(self, transfer: Transfer, size: int) -> bytes:
        """The next *size* bytes, at most as many as are `readable`. `Transfer.moved` says that they have arrived.

        Errors: those of VmObjectDispatcher.read, PageNeeded among them.
        """
        return self.vmo.read(transfer.place, size)

    def writable(self, transfer: Transfer) -> int:
        """How many bytes are left for which the VMO has room.

        Errors, in order: FILE_BIG an end that 64 bits cannot say; OUT_OF_RANGE no room.
        """
        end = transfer.offset + transfer.capacity
        if end > UINT64_MAX:
            raise ZxError(Status.FILE_BIG)
        if self.vmo.size <= transfer.place:
            raise ZxError(Status.OUT_OF_RANGE)
        return min(self.vmo.size, end) - transfer.place

    def write(self, transfer: Transfer, data: bytes) -> None:
        """Write the next bytes, at most as many as are `writable`. What lies between them and the content becomes zero.

        Errors: those of VmObjectDispatcher.write, PageNeeded among them; then none of *data* counts as written.
        """
        place = transfer.place
        content = self._content.size
        if content < place:
            self.vmo.check_access(place, len(data))  # nothing becomes zero for a write that is refused
            self.vmo.zero(content, place - content)
        self.vmo.write(place, data)
        self._content.size = max(content, place + len(data))
        transfer.moved(len(data))
