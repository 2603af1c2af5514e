"""Physical memory: one large sparse memfd, handed out in 4 KiB frames."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Sequence
from typing import Final

PAGE_SIZE: Final = 4096
_ZERO: Final = bytes(PAGE_SIZE)
_NOTHING: Final = memoryview(b"")
_TOGETHER: Final = 16  # frames
_MADV_POPULATE_WRITE: Final = 23


class OutOfMemory(Exception):
    """The limit of the physical memory is reached."""


class PhysicalMemory:
    """*limit* bytes of guest memory, and behind it the frames that hold page tables.

    A frame number times PAGE_SIZE is the frame's place in the memfd. Frames below `limit // PAGE_SIZE` are
    guest memory, counted in `allocated`; those above are page tables, counted in `overhead`, and no part of
    the limit. The memfd is sparse: what was never handed out costs the host nothing, but for a
    few frames that come next.
    """

    def __init__(self, limit: int) -> None:
        """Raises ValueError unless *limit* is a positive multiple of PAGE_SIZE."""
        if limit <= 0 or limit % PAGE_SIZE:
            raise ValueError(f"memory limit {limit} is not a positive multiple of {PAGE_SIZE}")
        self.limit = limit
        self.frames = limit // PAGE_SIZE
        # A full page table of the whole limit, and as much again for sparse address spaces, takes far less
        # than this.
        tables = max(64 << 20, limit // 4 // PAGE_SIZE * PAGE_SIZE)
        self.size = limit + tables
        self.fd = os.memfd_create("jacinth-memory", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, self.size)
        self._map = mmap.mmap(self.fd, self.size)
        # The whole of it, writable. Guest code must be written with `write`, which drops stale translations.
        self.view = memoryview(self._map)
        self.allocated = 0  # guest frames handed out
        self.overhead = 0  # page table frames handed out
        # 1 for every frame that an engine may have translated code from; engines set it.
        self.code_frames = bytearray(self.frames)
        self.drop_code: Callable[[int], None] | None = None  # an engine's: forget all translations of a frame
        self.reclaimer: Callable[[int], None] | None = None  # frees so many frames, if it can
        self.reclaims = 0  # how often it was asked: frames may have changed hands
        self.before_allocate: Callable[[], None] | None = None  # may raise OutOfMemory: injected faults
        # Whom to tell when so many frames or more are in use, or so many or fewer.
        self._above = self.frames + 1
        self._below = -1
        self._crossed: Callable[[], None] | None = None
        self._populates = True
        self._next = 0  # every frame from here on was never handed out, and is zero
        self._free: list[int] = []
        self._next_table = self.frames
        self._free_tables: list[int] = []

    @property
    def address(self) -> int:
        """Where the memory is mapped in this host process."""
        return ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def allocate(self) -> int:
        """A frame of zeroes. Raises OutOfMemory."""
        if self.before_allocate is not None:
            self.before_allocate()
        if self._free:
            frame = self._free.pop()
            start = frame << 12
            # 0.1 us; a hole punched instead costs 1.5 us, and 0.5 us more at the next touch.
            self.view[start : start + PAGE_SIZE] = _ZERO
        else:
            frame = self._next
            if frame == self.frames:
                if not self.make_room(1):
                    raise OutOfMemory(f"all {self.frames} frames are in use")
                frame = self._free.pop()
                self.allocated += 1
                self.view[frame << 12 : (frame + 1) << 12] = _ZERO
                return frame
            self._next = frame + 1
            if frame % _TOGETHER == 0:
                self._populate(frame)
        self.allocated += 1
        if self.allocated >= self._above:
            self._tell()
        return frame

    def make_room(self, frames: int) -> bool:
        """Whether so many frames can be had; if need be, after others have given theirs back."""
        short = frames - (self.frames - self.allocated)
        if short > 0 and self.reclaimer is not None:
            self.reclaims += 1
            self.reclaimer(short)
        return frames <= self.frames - self.allocated

    def watch(self, above: int | None, below: int | None, crossed: Callable[[], None]) -> None:
        """Call *crossed* when *above* frames or more are in use, or *below* or fewer; None: never. It watches again itself."""
        self._above = self.frames + 1 if above is None else above
        self._below = -1 if below is None else below
        self._crossed = crossed

    def _tell(self) -> None:
        assert self._crossed is not None
        self._crossed()

    def allocate_run(self, count: int, alignment: int) -> int:
        """*count* frames of zeroes, one after the other, the first one a multiple of *alignment* frames. Answers that one.

        Raises OutOfMemory, also where there is room, but not together.
        """
        if self.before_allocate is not None:
            self.before_allocate()
        first = (self._next + alignment - 1) // alignment * alignment
        if first + count <= self.frames:
            self._free.extend(range(self._next, first))
            self._next = first + count
        else:
            first = self._find_run(count, alignment)
            taken = range(first, first + count)
            self._free = [frame for frame in self._free if frame not in taken]
            self._next = max(self._next, first + count)
            self.view[first << 12 : (first + count) << 12] = bytes(count << 12)
        self.allocated += count
        if self.allocated >= self._above:
            self._tell()
        return first

    def _find_run(self, count: int, alignment: int) -> int:
        """Where free frames, and those that were never handed out, have a run."""
        free = sorted(self._free)
        free.extend(range(self._next, self.frames))
        start = 0
        for index, frame in enumerate(free):
            if index and frame != free[index - 1] + 1:
                start = index
            first = (free[start] + alignment - 1) // alignment * alignment
            if frame - first + 1 >= count:
                return first
        raise OutOfMemory(f"no {count} free frames lie together")

    def _populate(self, frame: int) -> None:
        """Have the host find memory for some frames at once: 0.5 us each instead of 2.5 us when it is touched."""
        if self._populates:
            try:
                self._map.madvise(
                    _MADV_POPULATE_WRITE, frame << 12, min(_TOGETHER, self.frames - frame) << 12
                )
            except OSError:  # Linux before 5.14, or memory is short: then as each is touched
                self._populates = False

    def free(self, frame: int) -> None:
        """Take a frame back. It is in no page table any more."""
        if self.code_frames[frame]:
            self._drop(frame)
            self.code_frames[frame] = 0
        self._free.append(frame)
        self.allocated -= 1
        if self.allocated <= self._below:
            self._tell()

    def read(self, frame: int, offset: int, size: int) -> bytes:
        """*size* bytes from *offset* within the frame."""
        start = (frame << 12) + offset
        return bytes(self.view[start : start + size])

    def write(self, frame: int, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Put *data* at *offset* within the frame. Guest code that was there never runs again."""
        if self.code_frames[frame]:
            self._drop(frame)
        start = (frame << 12) + offset
        self.view[start : start + len(data)] = data

    def window(self, frames: Sequence[int]) -> mmap.mmap:
        """The frames once more in this host process, one behind the other, for reading. What is written to them shows there.

        Raises OSError where the host has no room for it.
        """
        region = mmap.mmap(-1, len(frames) << 12)
        start = ctypes.addressof(ctypes.c_char.from_buffer(region))
        first = 0
        for end in range(1, len(frames) + 1):
            if end < len(frames) and frames[end] == frames[end - 1] + 1:
                continue
            place = start + (first << 12)
            flags = mmap.MAP_SHARED | _MAP_FIXED
            mapped = _mmap(place, (end - first) << 12, mmap.PROT_READ, flags, self.fd, frames[first] << 12)
            if mapped != place:
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
            first = end
        return region

    def allocate_table(self) -> int:
        """A frame of zeroes for a page table. Raises OutOfMemory."""
        if self._free_tables:
            frame = self._free_tables.pop()
            start = frame << 12
            self.view[start : start + PAGE_SIZE] = _ZERO
        else:
            frame = self._next_table
            if (frame + 1) << 12 > self.size:
                raise OutOfMemory("no frames left for page tables")
            self._next_table = frame + 1
        self.overhead += 1
        return frame

    def free_table(self, frame: int) -> None:
        self._free_tables.append(frame)
        self.overhead -= 1

    def trim(self) -> None:
        """Give the contents of free frames back to the host."""
        for frame in self._free + self._free_tables:
            _fallocate(self.fd, _PUNCH_HOLE, frame << 12, PAGE_SIZE)
        ahead = min(-self._next % _TOGETHER, self.frames - self._next)  # populated, and not handed out
        if ahead:
            _fallocate(self.fd, _PUNCH_HOLE, self._next << 12, ahead << 12)

    def close(self) -> None:
        """Give everything back to the host. No engine uses the memory any more."""
        if self.fd < 0:
            return
        os.close(self.fd)
        self.fd = -1
        self.view.release()
        self.view = _NOTHING
        try:
            self._map.close()
        except BufferError:  # someone still looks at a piece of it; the mapping goes with the last view
            pass

    def _drop(self, frame: int) -> None:
        if self.drop_code is not None:
            self.drop_code(frame)


_MAP_FIXED: Final = 0x10
_mmap = ctypes.CDLL(None, use_errno=True).mmap
_mmap.restype = ctypes.c_void_p
_mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]

_PUNCH_HOLE: Final = 0x02 | 0x01  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
_fallocate.restype = ctypes.c_int
