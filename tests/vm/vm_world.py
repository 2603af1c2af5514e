"""A kernel that consists of nothing but memory, and a machine whose page tables can be looked into.

`World.check` compares everything that is derived (page tables, software TLBs, owners of frames) with the
truth (VMARs, VMOs).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jacinth.kernel.vm.aspace import VmAspace
from jacinth.kernel.vm.reclaim import Reclaimer
from jacinth.kernel.vm.vmo import PAGE_SHIFT, PAGE_SIZE, PageList, VmObjectDispatcher
from jacinth.machine.interface import READ, WRITE
from jacinth.machine.memory import PhysicalMemory


class PageTable:
    """A machine's aspace as a dict: page number -> (frame, access)."""

    def __init__(self) -> None:
        self.pages: dict[int, tuple[int, int]] = {}
        self.closed = False

    def map(self, address: int, frames: Sequence[int], access: int) -> None:
        assert not address % PAGE_SIZE and frames
        for page, frame in enumerate(frames, start=address >> PAGE_SHIFT):
            self.pages[page] = (frame, access)

    def _inside(self, address: int, pages: int) -> list[int]:
        assert not address % PAGE_SIZE and pages > 0
        first = address >> PAGE_SHIFT
        return [page for page in self.pages if first <= page < first + pages]

    def protect(self, address: int, pages: int, access: int) -> None:
        assert access & READ
        for page in self._inside(address, pages):
            self.pages[page] = (self.pages[page][0], access)

    def unmap(self, address: int, pages: int) -> None:
        for page in self._inside(address, pages):
            del self.pages[page]

    def close(self) -> None:
        self.pages.clear()
        self.closed = True


class Engine:
    cpus = 1

    def __init__(self, memory: PhysicalMemory) -> None:
        self.memory = memory

    def aspace(self) -> PageTable:
        return PageTable()


class World:
    """What VMOs and aspaces ask of a kernel."""

    def __init__(self, limit: int = 16 << 20) -> None:
        self.memory = PhysicalMemory(limit)
        self.reclaimer = Reclaimer(self.memory)
        self.engine = Engine(self.memory)
        self.zero_frame = self.memory.allocate()
        self._koid = 1000

    def new_koid(self) -> int:
        self._koid += 1
        return self._koid

    @property
    def kernel(self) -> Any:
        return self

    @property
    def committed(self) -> int:
        """Frames that VMOs have."""
        return self.memory.allocated - 1

    def vmo(self, pages: int, options: int = 0) -> VmObjectDispatcher:
        """A VMO that the test holds."""
        vmo = VmObjectDispatcher.create(self.kernel, pages * PAGE_SIZE, options)
        vmo.acquire()
        return vmo

    def aspace(self, base: int = 0x20_0000, size: int = 1 << 30) -> VmAspace:
        return VmAspace(self.kernel, base, size)

    def close(self) -> None:
        self.memory.close()

    def check_vmos(self, vmos: Sequence[VmObjectDispatcher]) -> None:
        """Every frame is owned by as many of the page lists as its family says, and by nobody else."""
        lists: list[PageList] = []
        for vmo in vmos:
            if vmo.pages not in lists:
                lists.append(vmo.pages)
        owners: dict[int, int] = {}
        for pages in lists:
            for frame in pages.pages.values():
                owners[frame] = owners.get(frame, 0) + 1
        assert len(owners) == self.committed
        for pages in lists:
            assert all(pages.family.owners.get(frame, 1) == owners[frame] for frame in pages.pages.values())
            assert all(count > 1 and owners[frame] == count for frame, count in pages.family.owners.items())
            assert pages.family.members == sum(1 for other in lists if other.family is pages.family)

    def check_aspace(self, aspace: VmAspace) -> None:
        """Nothing derived says more than the truth permits."""
        table = aspace.machine
        assert isinstance(table, PageTable)
        for page, (frame, access) in table.pages.items():
            self._check_page(aspace, page, frame, access)
        for page, place in aspace._read_tlb.items():
            self._check_page(aspace, page, place >> PAGE_SHIFT, READ)
        for page, place in aspace._write_tlb.items():
            self._check_page(aspace, page, place >> PAGE_SHIFT, WRITE)
        for mapping in aspace.mappings():
            assert mapping.parent is not None and mapping.parent.find(mapping.base) is mapping
            assert mapping in mapping.vmo.mappings

    def _check_page(self, aspace: VmAspace, page: int, frame: int, access: int) -> None:
        address = page << PAGE_SHIFT
        mapping = aspace.root_vmar.find_mapping(address)
        assert mapping is not None
        assert not access & ~mapping.access_at(address)[0]
        assert address < mapping.fault_end()
        pages = mapping.vmo.pages
        truth = pages.pages.get(page + mapping.delta)
        assert frame == (self.zero_frame if truth is None else truth)
        if access & WRITE:
            assert truth is not None and truth not in pages.family.owners
