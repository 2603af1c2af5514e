"""Address spaces of the native engine: page tables of ours, and the stub processes that show them.

A `PageTable` is a dictionary; a `View` is a process that shows one, or the two of a unified address space. What the process has
mapped follows from the tables: it is filled at faults, and whatever is taken away from a table is taken away from every process
that has it before the call returns, since no guest can be trusted to stand still meanwhile.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from jacinth.machine.interface import PAGE_SIZE, READ, UNIFIED_SPLIT, WRITE
from jacinth.machine.native import _native

if TYPE_CHECKING:
    from jacinth.machine.native.context import Slot
    from jacinth.machine.native.engine import NativeEngine

_SYS_MMAP: Final = 9
_SYS_MPROTECT: Final = 10
_SYS_MUNMAP: Final = 11
_SHARED_FIXED: Final = 0x11
_ORDER: Final = struct.Struct("<7q").pack
_SPLIT_PAGE: Final = UNIFIED_SPLIT // PAGE_SIZE
_BASE_PAGE: Final = _native.GUEST_BASE // PAGE_SIZE
_END_PAGE: Final = _native.GUEST_END // PAGE_SIZE

# A fault fills up to this many pages behind it, where the table has them.
_FAULT_AROUND: Final = 64
# Linux allows a process 65,530 mappings by default; at so many all are dropped, to be filled again.
_MAPPINGS: Final = 60_000
# How often to look for the answer to a script before sleeping.
_ORDER_SPINS: Final = 200


class View:
    """A stub process, once something runs in it, and what it has mapped: page -> entry of the table."""

    def __init__(self, engine: NativeEngine, space: Space, parts: tuple[PageTable, ...]) -> None:
        self.engine = engine
        self.space = space
        self.parts = parts
        self.stub: _native.Stub | None = None
        self.slots: list[Slot] = []
        self.present: dict[int, int] = {}
        self._mappings = 0  # at most so many
        self.closed = False

    def start(self) -> None:
        """Have a process: OutOfMemory."""
        if self.closed:
            raise ValueError("the context's address space is closed")
        self.engine.spawn(self)

    def end(self) -> None:
        """Have no process any more; registers that were in it go to their contexts."""
        for slot in self.slots:
            slot.leave()
        self.slots = []
        self.present.clear()
        self._mappings = 0
        stub, self.stub = self.stub, None
        if stub is not None:
            stub.kill()

    def table(self, page: int) -> PageTable:
        return self.parts[-1 if page >= _SPLIT_PAGE else 0]

    def stale(self) -> list[int]:
        """Pages that are mapped otherwise than the tables say: there must be none."""
        return [page for page, entry in self.present.items() if entry != self.entry(page)]

    def entry(self, page: int) -> int:
        """What the tables say of a page: frame and access; 0 for nothing."""
        return self.table(page).entries.get(page, 0)

    def has(self, address: int, access: int) -> bool:
        """Whether the tables allow *access* to an address: a fault there needs nothing but a mapping."""
        return not access & ~self.entry(address >> 12)

    def prepare(self, cpu: int, address: int, access: int) -> bool:
        """After a fault, when the CPU's thread is about to go on: have the page mapped, and those behind it that are there, if
        GO_SERVE is how it does. Answers whether that is needed.
        """
        page = address >> 12
        entry = self.entry(page)
        if access & ~entry or self.stub is None:
            return False
        entries, present = self.table(page).entries, self.present
        filled = {page: entry}
        for following in range(page + 1, page + _FAULT_AROUND):
            entry = entries.get(following, 0)
            if not entry & READ or following in present:
                break
            filled[following] = entry
        script = b"".join(self._enter(filled))
        if self.stub.prepare(cpu, script, _ORDER_SPINS) is False:
            self._start_over()
            return False
        return True

    def _enter(self, filled: dict[int, int]) -> list[bytes]:
        """Enter pages as mapped, in their order. The orders for that."""
        runs: list[list[int]] = []  # first page, its entry, pages
        for page, entry in filled.items():
            if runs:
                first, first_entry, count = runs[-1]
                if page == first + count and entry == first_entry + (count << 3):
                    runs[-1][2] += 1
                    continue
            runs.append([page, entry, 1])
        if self._mappings + len(runs) > _MAPPINGS:
            self._start_over()
        self._mappings += len(runs)
        self.present.update(filled)
        return [_show(page, entry, count) for page, entry, count in runs]

    def _start_over(self) -> None:
        """Have nothing mapped: too many mappings, or Linux has failed to change one."""
        self.present.clear()
        self._mappings = 0
        if not self._order([_unmap(_BASE_PAGE, _END_PAGE - _BASE_PAGE)]) and self.stub is not None:
            self.stub.kill()

    def show(self, pages: Iterable[int]) -> None:
        """The table has other entries for these, which the process shows: show the new ones."""
        if not self._order(self._enter({page: self.entry(page) for page in pages})):
            self._start_over()

    def forget(self, first: int, pages: int) -> None:
        """Have nothing mapped in a range of pages."""
        gone = _inside(self.present, first, pages)
        if gone:
            for page in gone:
                del self.present[page]
            if not self.present:
                self._mappings = 0
            else:
                self._mappings += 1  # it may have been cut out of the middle of one
            first = min(gone)
            if not self._order([_unmap(first, max(gone) + 1 - first)]):
                self._start_over()

    def restrict(self, first: int, pages: int, access: int) -> None:
        """What is mapped in a range of pages has *access*, without WRITE, from now on."""
        changed = _inside(self.present, first, pages)
        if changed:
            script = []
            for first, count in _runs(changed):
                for page in range(first, first + count):
                    self.present[page] = self.present[page] & ~7 | access
                self._mappings += 2
                script.append(_ORDER(_SYS_MPROTECT, first << 12, count << 12, access, 0, 0, 0))
            if not self._order(script):
                self._start_over()

    def _order(self, script: list[bytes]) -> bool:
        """Have system calls made. Answers whether all went well; also true where the process has ended."""
        stub = self.stub
        result = True
        if stub is not None:
            for start in range(0, len(script), _native.MAX_ORDERS):
                part = b"".join(script[start : start + _native.MAX_ORDERS])
                if stub.order(part, _ORDER_SPINS) is False:
                    result = False
        return result

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self.end()
        for table in self.parts:
            table.views.remove(self)
        self.engine.views.pop(self, None)


def _show(page: int, entry: int, pages: int) -> bytes:
    access = entry & 7
    fd = _native.FD_MEMORY if access & WRITE else _native.FD_MEMORY_READ
    # The processor knows no page that can be written or executed, but not read.
    return _ORDER(_SYS_MMAP, page << 12, pages << 12, access | READ, _SHARED_FIXED, fd, entry >> 3 << 12)


def _unmap(page: int, pages: int) -> bytes:
    return _ORDER(_SYS_MUNMAP, page << 12, pages << 12, 0, 0, 0, 0)


def _runs(pages: list[int]) -> list[tuple[int, int]]:
    """First page and length of each stretch of pages without a hole: Linux protects no further than to the first one."""
    result: list[tuple[int, int]] = []
    for page in sorted(pages):
        if result and page == sum(result[-1]):
            result[-1] = result[-1][0], result[-1][1] + 1
        else:
            result.append((page, 1))
    return result


def _inside(pages: dict[int, int], first: int, count: int) -> list[int]:
    """Which of the *pages* lie in a range."""
    if count <= len(pages):
        return [page for page in range(first, first + count) if page in pages]
    return [page for page in pages if first <= page < first + count]


class PageTable:
    """See interface.AddressSpace. An entry is a frame's number, shifted by three, and the access to it."""

    def __init__(self, engine: NativeEngine) -> None:
        self._engine = engine
        self.entries: dict[int, int] = {}
        self.views: list[View] = []
        self.view = View(engine, self, (self,))
        self.views.append(self.view)

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        page = address >> 12
        if address & 0xFFF or page < _BASE_PAGE or page + len(frames) > _END_PAGE:
            raise ValueError(f"pages at {address:#x} are not in user space")
        limit, entries = self._engine.memory.frames, self.entries
        readable = access | READ if access else 0
        for frame in frames:
            if not 0 <= frame < limit:
                raise ValueError(f"frame {frame} is beyond the memory")
            entries[page] = frame << 3 | readable
            page += 1
        first = address >> 12
        for view in self.views:
            present = view.present
            if present:
                stale = [
                    page for page in range(first, page) if present.get(page, entries[page]) != entries[page]
                ]
                if stale and access:
                    view.show(stale)
                elif stale:
                    view.forget(first, page - first)

    def protect(self, address: int, pages: int, access: int) -> None:
        first = address >> 12
        readable = access | READ if access else 0
        changed = _inside(self.entries, first, pages)
        for page in changed:
            self.entries[page] = self.entries[page] & ~7 | readable
        for view in self.views:
            if access and not access & WRITE:
                view.restrict(first, pages, readable)
            else:
                view.forget(first, pages)

    def unmap(self, address: int, pages: int) -> None:
        first = address >> 12
        for page in _inside(self.entries, first, pages):
            del self.entries[page]
        for view in self.views:
            if view.present:
                view.forget(first, pages)

    def shown(self) -> Iterator[tuple[int, int, int]]:
        return ((page, entry >> 3, entry & 7) for page, entry in self.entries.items())

    def close(self) -> None:
        if len(self.views) > 1:
            raise ValueError("the address space is part of a unified one")
        self.entries.clear()
        self.view.close()


class UnifiedView:
    """See interface.Engine.unified."""

    def __init__(self, engine: NativeEngine, lower: PageTable, upper: PageTable) -> None:
        self.view = View(engine, self, (lower, upper))
        lower.views.append(self.view)
        upper.views.append(self.view)

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        raise TypeError("a view of two address spaces has nothing of its own")

    def protect(self, address: int, pages: int, access: int) -> None:
        raise TypeError("a view of two address spaces has nothing of its own")

    def unmap(self, address: int, pages: int) -> None:
        raise TypeError("a view of two address spaces has nothing of its own")

    def shown(self) -> Iterator[tuple[int, int, int]]:
        raise TypeError("a view of two address spaces has nothing of its own")

    def close(self) -> None:
        self.view.close()


Space = PageTable | UnifiedView

assert PAGE_SIZE == mmap.PAGESIZE
