"""x86-64 page tables in the physical memory, written by Python and walked by Unicorn.

Four levels: PML4, page directory pointers (PDPT), page directory (PD), page table (PT, "leaf"). Only the
lower 256 entries of a PML4 are user space. Tables are allocated when something is mapped below them and
freed when nothing is any more.

Unicorn notices that code changes only where the page is writable and executable at one address, and it keeps
every store to such a page slow. So a frame is either written or run, not both at once:

* A page asked for with WRITE and EXECUTE is mapped so that it has one of the two, and flips inside the engine
when it is used for the other; what Unicorn translated from it is dropped then. * A frame that is writable at
one address and executable at another is made writable and executable at the first. Stores are slow there, and
noticed. It can be run there as well, though nobody asked for that.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from jacinth.machine.interface import UNIFIED_SPLIT
from jacinth.machine.memory import PAGE_SIZE, PhysicalMemory

if TYPE_CHECKING:
    from jacinth.machine.portable.engine import PortableEngine

READ: Final = 1
WRITE: Final = 2
EXECUTE: Final = 4

ADDRESS_LIMIT: Final = 1 << 47

PRESENT: Final = 1
WRITABLE: Final = 2
_USER: Final = 4
_TOUCHED: Final = 0x60  # accessed and dirty: set from the start, so that Unicorn has nothing to write back
_MAPPED: Final = 1 << 9  # ours: a frame is mapped, though perhaps not accessible
_ASKED_WRITE: Final = 1 << 10  # ours: counted as a writer of its frame
_ASKED_EXECUTE: Final = 1 << 11  # ours: counted as an executor of its frame
_ASKED_BOTH: Final = _ASKED_WRITE | _ASKED_EXECUTE
NX: Final = 1 << 63
_PAGE: Final = PRESENT | _USER | _TOUCHED | _MAPPED
_TABLE: Final = PRESENT | WRITABLE | _USER | 0x20
FRAME: Final = 0x000F_FFFF_FFFF_F000

# Access -> the bits of a page table entry. The processor knows no page that can be written or executed, but
# not read.
_BITS: Final = (
    _MAPPED,
    _PAGE | NX,
    _PAGE | NX | WRITABLE | _ASKED_WRITE,
    _PAGE | NX | WRITABLE | _ASKED_WRITE,
    _PAGE | _ASKED_EXECUTE,
    _PAGE | _ASKED_EXECUTE,
    _PAGE | _ASKED_BOTH,
    _PAGE | _ASKED_BOTH,
)

_CHANGES: Final = WRITE | EXECUTE
_FLUSH_ALL: Final = 24  # from so many pages on, forgetting all translations is cheaper than forgetting each
_ZERO: Final = bytes(PAGE_SIZE)


class _Table:
    """One page table page of an inner level."""

    __slots__ = ("children", "entries", "frame")

    def __init__(self, memory: PhysicalMemory) -> None:
        self.frame = memory.allocate_table()
        self.entries = _entries(memory, self.frame)
        self.children: dict[int, _Table] = {}


def _entries(memory: PhysicalMemory, frame: int) -> memoryview:
    return memory.view[frame << 12 : (frame + 1) << 12].cast("Q")


class FrameUses:
    """How many page table entries let each frame be written, and run."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self._tables: dict[PageTable, None] = {}
        # Anonymous mappings of the host cost nothing where no frame is used.
        self.writers = memoryview(mmap.mmap(-1, memory.frames * 4)).cast("I")
        self.executors = memoryview(mmap.mmap(-1, memory.frames * 4)).cast("I")

    def add(self, frame: int, access: int) -> int:
        """One more entry that gives *access* to the frame, with WRITE or EXECUTE. Its bits."""
        bits = _BITS[access]
        both = False
        if access & EXECUTE:
            if self.writers[frame]:
                self._notice_stores(frame)
                both = bool(access & WRITE)
            if not self.executors[frame]:
                if self._memory.code_frames[frame] and self._memory.drop_code is not None:
                    self._memory.drop_code(frame)  # it may have been written since
                self._memory.code_frames[frame] = 1
        if access & WRITE:
            both = both or self.executors[frame] != 0
            self.writers[frame] += 1
        if access & EXECUTE:
            self.executors[frame] += 1
        return (bits | WRITABLE) & ~NX if both else bits

    def add_all(self, frames: Sequence[int], access: int) -> list[int]:
        """A new entry for each of the frames."""
        bits, writers, executors = _BITS[access], self.writers, self.executors
        if access & EXECUTE:
            return [frame << 12 | self.add(frame, access) for frame in frames]
        if access & WRITE:
            entries = []
            for frame in frames:
                if executors[frame]:
                    entries.append(frame << 12 | self.add(frame, access))
                else:
                    writers[frame] += 1
                    entries.append(frame << 12 | bits)
            return entries
        return [frame << 12 | bits for frame in frames]

    def remove(self, entry: int) -> None:
        """The entry is about to go."""
        frame = (entry & FRAME) >> 12
        if entry & _ASKED_WRITE:
            self.writers[frame] -= 1
        if entry & _ASKED_EXECUTE:
            self.executors[frame] -= 1

    def opened(self, table: PageTable) -> None:
        self._tables[table] = None

    def closed(self, table: PageTable) -> None:
        self._tables.pop(table, None)

    def _notice_stores(self, frame: int) -> None:
        """Have Unicorn notice stores to the frame wherever it is writable."""
        for table in self._tables:
            table.notice_stores(frame)


class PageTable:
    """An address space with mappings of its own. Made by `PortableEngine.aspace`."""

    def __init__(self, engine: PortableEngine) -> None:
        self.engine = engine
        self._memory = engine.memory
        self._frames = engine.memory.frames
        self._uses = engine.uses
        self._writers, self._executors = engine.uses.writers, engine.uses.executors
        self._uses.opened(self)
        self._top = _Table(engine.memory)
        self.cr3 = self._top.frame << 12
        self.leaves: dict[int, memoryview] = {}  # address >> 21 -> the page table's entries
        self._views: list[UnifiedView] = []
        # What it is made of. While these are `engine.loaded`, translations of theirs may be in the CPU.
        self.parts = (self,)

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        """See interface.AddressSpace. Raises ValueError for a frame or an address that does not exist,
        OutOfMemory for tables."""
        if len(frames) == 1:  # the fault path
            frame = frames[0]
            if not 0 <= frame < self._frames:
                raise ValueError(f"frame {frame} is beyond the physical memory")
            leaf = self.leaves.get(address >> 21) or self._add_leaf(address >> 21)
            index = address >> 12 & 511
            old = leaf[index]
            if old & _ASKED_BOTH:
                self._uses.remove(old)
            bits = _BITS[access]
            if access & EXECUTE or (access & WRITE and self._executors[frame]):
                bits = self._uses.add(frame, access)
            elif access & WRITE:  # FrameUses.add, for speed
                self._writers[frame] += 1
            leaf[index] = frame << 12 | bits
            if old & PRESENT and self in self.engine.loaded:
                self.engine.flush_page(address)
            return
        if not frames:
            return
        if not 0 <= min(frames) <= max(frames) < self._frames:
            raise ValueError("a frame is beyond the physical memory")
        done = 0
        replaced = False
        while done < len(frames):
            here = address + done * PAGE_SIZE
            index = here >> 12 & 511
            count = min(512 - index, len(frames) - done)
            leaf = self.leaves.get(here >> 21) or self._add_leaf(here >> 21)
            part = leaf[index : index + count]
            replaced = self._release(part) or replaced
            entries = self._uses.add_all(frames[done : done + count], access)
            part[:] = memoryview(array("Q", entries))
            done += count
        if replaced and self in self.engine.loaded:
            self._flush(address, len(frames))

    def protect(self, address: int, pages: int, access: int) -> None:
        """See interface.AddressSpace."""
        uses, bits = self._uses, _BITS[access]
        touched = False
        for key, start, stop in self._ranges(address, pages):
            leaf = self.leaves[key]
            for index in range(start, stop):
                old = leaf[index]
                if old:
                    touched = True
                    if old & _ASKED_BOTH:
                        uses.remove(old)
                    if access & _CHANGES:
                        bits = uses.add((old & FRAME) >> 12, access)
                    leaf[index] = old & FRAME | bits
        if touched and self in self.engine.loaded:
            self._flush(address, pages)

    def unmap(self, address: int, pages: int) -> None:
        """See interface.AddressSpace."""
        touched = False
        for key, start, stop in self._ranges(address, pages):
            leaf = self.leaves[key]
            part = leaf[start:stop]
            if self._release(part):
                touched = True
                part.cast("B")[:] = _ZERO[: (stop - start) * 8]
                if leaf.tobytes() == _ZERO:
                    part.release()
                    self._drop_leaf(key)
        if touched and self in self.engine.loaded:
            self._flush(address, pages)

    def _release(self, entries: memoryview) -> bool:
        """The entries are about to be replaced. Whether there were any."""
        used = False
        for entry in entries.tolist():
            if entry:
                used = True
                if entry & _ASKED_BOTH:
                    self._uses.remove(entry)
        return used

    def close(self) -> None:
        """See interface.AddressSpace."""
        if self._views:
            raise ValueError("the address space is part of a unified view")
        self.engine.unload(self)
        for key, leaf in list(self.leaves.items()):
            self._release(leaf)
            self._drop_leaf(key)
        self._uses.closed(self)
        if self.cr3:
            self._top.entries.release()
            self._memory.free_table(self._top.frame)
            self.cr3 = 0

    def shown(self) -> Iterator[tuple[int, int, int]]:
        """See interface.AddressSpace; the access is the one that was asked for."""
        for key, leaf in self.leaves.items():
            for index, entry in enumerate(leaf.tolist()):
                if entry:
                    access = READ if entry & PRESENT else 0
                    access |= WRITE if entry & _ASKED_WRITE else 0
                    access |= EXECUTE if entry & _ASKED_EXECUTE else 0
                    yield key << 9 | index, (entry & FRAME) >> 12, access

    def translate(self, address: int) -> int | None:
        """The frame that is mapped at *address*, if any."""
        leaf = self.leaves.get(address >> 21)
        entry = leaf[address >> 12 & 511] if leaf else 0
        return (entry & FRAME) >> 12 if entry else None

    def flip(self, address: int, access: int, both: bool) -> bool:
        """After a fault of *access* on a page asked for with WRITE and EXECUTE: give it the access, and
        take the other away unless *both*. False if it is no such page, so that the fault is the
        kernel's."""
        leaf = self.leaves.get(address >> 21)
        entry = leaf[address >> 12 & 511] if leaf else 0
        if leaf is None or entry & _ASKED_BOTH != _ASKED_BOTH:
            return False
        if both:
            entry = (entry | WRITABLE) & ~NX
        elif access == WRITE:
            entry |= WRITABLE | NX
        else:
            entry &= ~(WRITABLE | NX)
        if access == EXECUTE and self._memory.drop_code is not None:
            self._memory.drop_code((entry & FRAME) >> 12)
        leaf[address >> 12 & 511] = entry
        self.engine.flush_page(address)
        return True

    def notice_stores(self, frame: int) -> None:
        """Where the frame is writable let it be executable too, so that Unicorn notices when its code
        changes."""
        for key, leaf in self.leaves.items():
            for index, entry in enumerate(leaf.tolist()):
                if (entry & FRAME) >> 12 == frame and entry & _ASKED_WRITE:
                    leaf[index] = (entry | WRITABLE) & ~NX
                    if self in self.engine.loaded:
                        self.engine.flush_page(key << 21 | index << 12)

    # Tables.

    def _add_leaf(self, key: int) -> memoryview:
        """The page table for the 2 MiB at key << 21, which has none."""
        if not 0 <= key < ADDRESS_LIMIT >> 21:
            raise ValueError(f"address {key << 21:#x} is not in user space")
        table = self._top
        for shift in (18, 9):
            index = key >> shift & 511
            child = table.children.get(index)
            if child is None:
                child = _Table(self._memory)
                table.children[index] = child
                self._set(table, index, child.frame << 12 | _TABLE)
            table = child
        frame = self._memory.allocate_table()
        leaf = _entries(self._memory, frame)
        self.leaves[key] = leaf
        table.entries[key & 511] = frame << 12 | _TABLE
        return leaf

    def _drop_leaf(self, key: int) -> None:
        """Free the page table at key << 21, and the tables above it that are empty then."""
        upper = self._top.children[key >> 18]
        directory = upper.children[key >> 9 & 511]
        self.leaves.pop(key).release()
        self._memory.free_table((directory.entries[key & 511] & FRAME) >> 12)
        directory.entries[key & 511] = 0
        if directory.entries.tobytes() != _ZERO:
            return
        self._free(upper, key >> 9 & 511)
        if not upper.children:
            self._free(self._top, key >> 18)

    def _free(self, parent: _Table, index: int) -> None:
        child = parent.children.pop(index)
        self._set(parent, index, 0)
        child.entries.release()
        self._memory.free_table(child.frame)

    def _set(self, table: _Table, index: int, entry: int) -> None:
        table.entries[index] = entry
        if table is self._top:
            for view in self._views:
                view.set(self, index, entry)

    def _ranges(self, address: int, pages: int) -> list[tuple[int, int, int]]:
        """The page tables in a range: (key, first index, index after the last), by address."""
        first, last = address >> 12, (address >> 12) + pages - 1
        if pages <= 0:
            return []
        keys: Sequence[int] = range(first >> 9, (last >> 9) + 1)
        if len(keys) > len(self.leaves):
            keys = sorted(key for key in self.leaves if first >> 9 <= key <= last >> 9)
        return [
            (key, first & 511 if key == first >> 9 else 0, (last & 511) + 1 if key == last >> 9 else 512)
            for key in keys
            if key in self.leaves
        ]

    def _flush(self, address: int, pages: int) -> None:
        if pages >= _FLUSH_ALL:
            self.engine.cpu.flush()
        else:
            for page in range(pages):
                self.engine.flush_page(address + page * PAGE_SIZE)

    # Views.

    def attach(self, view: UnifiedView) -> None:
        self._views.append(view)
        for index, child in self._top.children.items():
            view.set(self, index, child.frame << 12 | _TABLE)

    def detach(self, view: UnifiedView) -> None:
        self._views.remove(view)


class UnifiedView:
    """Two page tables at once: a PML4 of its own, whose halves of user space follow those of *lower* and
    *upper*."""

    def __init__(self, engine: PortableEngine, lower: PageTable, upper: PageTable) -> None:
        self.engine = engine
        self.parts = (lower, upper)
        self._lower, self._upper = lower, upper
        self._frame = engine.memory.allocate_table()
        self._entries = _entries(engine.memory, self._frame)
        self.cr3 = self._frame << 12
        lower.attach(self)
        if upper is not lower:
            upper.attach(self)

    def set(self, part: PageTable, index: int, entry: int) -> None:
        """The PML4 of *part* changed."""
        if part is (self._lower if index < UNIFIED_SPLIT >> 39 else self._upper):
            self._entries[index] = entry

    def _part(self, address: int) -> PageTable:
        return self._lower if address < UNIFIED_SPLIT else self._upper

    def _split(self, address: int, pages: int) -> list[tuple[PageTable, int, int]]:
        below = min(pages, max(0, (UNIFIED_SPLIT - address) // PAGE_SIZE))
        return [
            (part, start, count)
            for part, start, count in (
                (self._lower, address, below),
                (self._upper, address + below * PAGE_SIZE, pages - below),
            )
            if count
        ]

    def shown(self) -> Iterator[tuple[int, int, int]]:
        raise TypeError("a view of two address spaces has nothing of its own")

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        """See interface.AddressSpace; the mapping is made in the part that the address belongs to."""
        done = 0
        for part, start, count in self._split(address, len(frames)):
            part.map(start, frames[done : done + count], access)
            done += count

    def protect(self, address: int, pages: int, access: int) -> None:
        """See interface.AddressSpace."""
        for part, start, count in self._split(address, pages):
            part.protect(start, count, access)

    def unmap(self, address: int, pages: int) -> None:
        """See interface.AddressSpace."""
        for part, start, count in self._split(address, pages):
            part.unmap(start, count)

    def translate(self, address: int) -> int | None:
        """The frame that is mapped at *address*, if any."""
        return self._part(address).translate(address)

    def flip(self, address: int, access: int, both: bool) -> bool:
        """See PageTable.flip."""
        return self._part(address).flip(address, access, both)

    def close(self) -> None:
        """See interface.AddressSpace."""
        if not self.cr3:
            return
        self.engine.unload(self)
        self._lower.detach(self)
        if self._upper is not self._lower:
            self._upper.detach(self)
        self._entries.release()
        self.engine.memory.free_table(self._frame)
        self.cr3 = 0


Space = PageTable | UnifiedView
