"""Address spaces: where a page fault and the kernel's own accesses to user memory find their page.

The tree of VMARs and the VMOs say what is mapped. The machine's page table and the two software TLBs only
remember what was looked up in them, and may forget any of it at any time.

Source: zircon/kernel/vm/vm_aspace.cc, vm_mapping.cc (PageFault), zircon/kernel/object/diagnostics.cc.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

from jacinth.abi import (
    ZX_INFO_MAPS_TYPE_ASPACE,
    ZX_INFO_VMO_VIA_MAPPING,
    Status,
    ZxError,
    zx_info_maps_t,
    zx_info_vmo_t,
)
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmar import VmAddressRegion, VmMapping
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, Attribution
from jacinth.machine.interface import EXECUTE, READ, WRITE, AddressSpace
from jacinth.machine.memory import OutOfMemory

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

# Where user space lies, in bytes. Source: zircon/kernel/arch/x86/include/arch/kernel_aspace.h and
# process_dispatcher.cc: an ordinary process has all of it; of a process that shares its state the restricted
# half ends at 2**46, and one page of nothing keeps reads from running over from there into the shared half.
_USER_BASE: Final = 0x20_0000
_USER_END: Final = 0x7FFF_FFFF_F000
_HALF: Final = 1 << 46

PRIVATE_ASPACE_BASE: Final = _USER_BASE
PRIVATE_ASPACE_SIZE: Final = _USER_END - _USER_BASE
RESTRICTED_ASPACE_BASE: Final = _USER_BASE
RESTRICTED_ASPACE_SIZE: Final = _HALF - _USER_BASE
SHARED_ASPACE_BASE: Final = _HALF + PAGE_SIZE
SHARED_ASPACE_SIZE: Final = _USER_END - SHARED_ASPACE_BASE

# A fault maps up to this many pages at once, where the following ones are there already.
_FAULT_AROUND: Final = 16

# The most that one copy from or to user memory moves. No call needs more at once; it keeps a guest from
# making the kernel copy out a sparse terabyte.
_MAX_COPY: Final = 256 << 20

_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")


class Usage(NamedTuple):
    """What ZX_INFO_TASK_STATS shows, in bytes.

    *private* is memory that this aspace alone can reach; of the rest, *shared* counts every page whole, and
    *scaled_shared* divides it by the clones that own it and by the aspaces that map its VMO.
    """

    mapped: int
    private: int
    shared: int
    scaled_shared: Attribution  # of which only `scaled_bytes` and `scaled_fraction` mean something


class VmAspace:
    """User memory from *base* for *size* bytes: a tree of VMARs under `root_vmar`, and a page table in the
    machine.
    """

    __slots__ = (
        "_code_frames",
        "_last",
        "_memory",
        "_read_tlb",
        "_view",
        "_write_tlb",
        "base",
        "destroyed",
        "kernel",
        "machine",
        "name",
        "root_vmar",
        "size",
        "vdso_code",
    )

    def __init__(self, kernel: Kernel, base: int, size: int) -> None:
        self.kernel = kernel
        self.base = base
        self.size = size
        self.machine: AddressSpace = kernel.engine.aspace()
        self.destroyed = False
        self.name = b""  # shown by ZX_INFO_PROCESS_MAPS
        # The one executable mapping of the vDSO. It can be neither moved, changed nor unmapped.
        self.vdso_code: VmMapping | None = None
        self.root_vmar = VmAddressRegion.create_root(self)
        self._memory = kernel.memory
        self._view = kernel.memory.view
        self._code_frames = kernel.memory.code_frames
        # Page number -> where the page begins in physical memory, for pages that user code may read, and
        # write.
        self._read_tlb: dict[int, int] = {}
        self._write_tlb: dict[int, int] = {}
        self._last: VmMapping | None = None  # the mapping that was found last

    def destroy(self) -> None:
        """Unmap everything and give the page table back. The aspace is on no CPU any more."""
        if self.destroyed:
            return
        self.destroyed = True
        self._read_tlb.clear()
        self._write_tlb.clear()
        self._last = None
        self.vdso_code = None
        self.machine.close()
        self.root_vmar.destroy_tree()

    def find(self, address: int) -> VmMapping | None:
        """The mapping that *address* lies in."""
        last = self._last
        if last is not None and last.base <= address < last.base + last.size:
            return last
        mapping = self.root_vmar.find_mapping(address)
        if mapping is not None:
            self._last = mapping
        return mapping

    # Page faults

    def page_fault(self, address: int, access: int) -> None:
        """User code wants *access* (READ, WRITE, EXECUTE) to *address*: map its page.

        Errors, in order: NOT_FOUND nothing mapped; ACCESS_DENIED; OUT_OF_RANGE behind the end of the VMO, or
        of its content where the mapping asks for that; PageNeeded; NO_MEMORY.
        """
        mapping = self.find(address)
        if mapping is None:
            raise ZxError(Status.NOT_FOUND)
        needed = (WRITE if access & WRITE else READ) | (access & EXECUTE)
        allowed, end = mapping.access_at(address)
        if needed & ~allowed:
            raise ZxError(Status.ACCESS_DENIED)
        page = address >> PAGE_SHIFT
        end = min(end, mapping.fault_end()) >> PAGE_SHIFT
        if page >= end:
            raise ZxError(Status.OUT_OF_RANGE)
        pages = mapping.vmo.pages
        index = page + mapping.delta
        if pages.special:
            self._special_fault(mapping, page, allowed, bool(needed & WRITE))
            return
        if needed & WRITE:
            frame: int | None = pages.frame_for_write(index, mapping)
            self._read_tlb.pop(page, None)  # it may have shown the old frame
        else:
            frame = pages.pages.get(index)
        try:
            if frame is None:
                pages.zero_mapped.add(index)
                self.machine.map(page << PAGE_SHIFT, (self.kernel.zero_frame,), allowed & ~WRITE)
                return
            owners = pages.family.owners
            shared = frame in owners
            frames: list[int] = [frame]
            present = pages.pages
            for following in range(index + 1, index + min(end - page, _FAULT_AROUND)):
                frame = present.get(following)
                if frame is None or (frame in owners) != shared:
                    break
                frames.append(frame)
            self.machine.map(page << PAGE_SHIFT, frames, allowed & ~WRITE if shared else allowed)
        except OutOfMemory:
            raise ZxError(Status.NO_MEMORY) from None

    def _special_fault(self, mapping: VmMapping, page: int, allowed: int, write: bool) -> None:
        """Map one page of a pager's VMO or its clone: PageNeeded, NO_MEMORY."""
        pages, index = mapping.vmo.pages, page + mapping.delta
        frame: int | None
        if write:
            frame, writable = pages.frame_for_write(index, mapping), True
            self._read_tlb.pop(page, None)
        else:
            frame, writable = pages.frame_for_read(index)
        if frame is None:
            pages.zero_mapped.add(index)
            frame = self.kernel.zero_frame
        self.map_page(page << PAGE_SHIFT, frame, allowed if writable else allowed & ~WRITE)

    def map_page(self, address: int, frame: int, access: int) -> None:
        """Put a page into the page table before anybody asks for it: NO_MEMORY."""
        try:
            self.machine.map(address, (frame,), access)
        except OutOfMemory:
            raise ZxError(Status.NO_MEMORY) from None

    # Forgetting. Mappings call these before what they show changes.

    def forget(self, address: int, pages: int) -> None:
        """Nothing is known of a range any more."""
        if self.destroyed:
            return
        self.machine.unmap(address, pages)
        page = address >> PAGE_SHIFT
        _purge(self._read_tlb, page, pages)
        _purge(self._write_tlb, page, pages)

    def forget_writable(self, address: int, pages: int, access: int) -> None:
        """The range may be accessed with *access* at most, and must be asked for before it is written to."""
        self.machine.protect(address, pages, access & ~WRITE)
        _purge(self._write_tlb, address >> PAGE_SHIFT, pages)

    def forget_protection(self, address: int, pages: int, access: int) -> None:
        """The range has *access* from now on; what may be written must be asked for first, since its page may
        be shared.
        """
        if access & ~WRITE:
            self.machine.protect(address, pages, access & ~WRITE)
        else:
            self.machine.unmap(address, pages)
        page = address >> PAGE_SHIFT
        _purge(self._read_tlb, page, pages)
        _purge(self._write_tlb, page, pages)

    def forget_mapping(self, mapping: VmMapping) -> None:
        """*mapping* is no longer in the tree."""
        if self._last is mapping:
            self._last = None

    # The kernel's own accesses, with the rights that user code has

    def _read_page(self, page: int) -> int:
        """Where a page begins that user code may read: INVALID_ARGS, PageNeeded."""
        place = self._read_tlb.get(page)
        if place is not None:
            return place
        address = page << PAGE_SHIFT
        mapping = self.find(address)
        if mapping is None or not mapping.access_at(address)[0] & READ or address >= mapping.fault_end():
            raise ZxError(Status.INVALID_ARGS)
        pages = mapping.vmo.pages
        if pages.special:
            with _as_pointer():
                frame, _ = pages.frame_for_read(page + mapping.delta)
        else:
            frame = pages.pages.get(page + mapping.delta)
        if frame is None:
            pages.zero_mapped.add(page + mapping.delta)
            frame = self.kernel.zero_frame
        self._read_tlb[page] = place = frame << PAGE_SHIFT
        return place

    def _write_page(self, page: int) -> int:
        """Where a page begins that user code may write: INVALID_ARGS, PageNeeded, NO_MEMORY."""
        place = self._write_tlb.get(page)
        if place is not None:
            return place
        address = page << PAGE_SHIFT
        mapping = self.find(address)
        if mapping is None or not mapping.access_at(address)[0] & WRITE or address >= mapping.fault_end():
            raise ZxError(Status.INVALID_ARGS)
        pages = mapping.vmo.pages
        if pages.special:
            with _as_pointer():
                place = pages.frame_for_write(page + mapping.delta) << PAGE_SHIFT
        else:
            place = pages.frame_for_write(page + mapping.delta) << PAGE_SHIFT
        self._read_tlb[page] = self._write_tlb[page] = place  # no write without read
        return place

    def read_user(self, address: int, size: int) -> bytes:
        """Copy *size* bytes in: INVALID_ARGS where not all can be read; NO_MEMORY more than 256 MiB; PageNeeded."""
        inside = address & PAGE_MASK
        if inside + size <= PAGE_SIZE:
            if not size:
                return b""
            place = self._read_tlb.get(address >> PAGE_SHIFT)
            if place is None:
                place = self._read_page(address >> PAGE_SHIFT)
            place += inside
            return bytes(self._view[place : place + size])
        if size > _MAX_COPY:
            raise ZxError(Status.NO_MEMORY)
        view = self._view
        return b"".join(
            [view[place : place + count] for place, count in self._runs(address, size, self._read_page)]
        )

    def write_user(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Copy *data* out: INVALID_ARGS where not all can be written, NO_MEMORY, PageNeeded; then nothing is."""
        size = len(data)
        inside = address & PAGE_MASK
        if inside + size <= PAGE_SIZE:
            if not size:
                return
            place = self._write_tlb.get(address >> PAGE_SHIFT)
            if place is None:
                place = self._write_page(address >> PAGE_SHIFT)
            if self._code_frames[place >> PAGE_SHIFT]:
                self._memory.write(place >> PAGE_SHIFT, inside, data)
                return
            place += inside
            self._view[place : place + size] = data
            return
        if size > _MAX_COPY:
            raise ZxError(Status.NO_MEMORY)
        # All of them, before anything is written. To make room for the last ones the first may have gone.
        reclaims = -1
        while reclaims != self._memory.reclaims:
            reclaims = self._memory.reclaims
            runs = self._runs(address, size, self._write_page)
        view, code_frames = self._view, self._code_frames
        done = 0
        for place, count in runs:
            if any(code_frames[place >> PAGE_SHIFT : (place + count + PAGE_MASK) >> PAGE_SHIFT]):
                self._write_code(place, data[done : done + count])
            else:
                view[place : place + count] = data[done : done + count]
            done += count

    def _write_code(self, place: int, data: bytes | bytearray | memoryview) -> None:
        """Write frames that guest code may have been run from."""
        done = 0
        while done < len(data):
            inside = (place + done) & PAGE_MASK
            count = min(PAGE_SIZE - inside, len(data) - done)
            self._memory.write((place + done) >> PAGE_SHIFT, inside, data[done : done + count])
            done += count

    def _runs(self, address: int, size: int, page_at: Callable[[int], int]) -> list[tuple[int, int]]:
        """A range as pieces of physical memory: (place, bytes)."""
        first, last = address >> PAGE_SHIFT, (address + size - 1) >> PAGE_SHIFT
        start = page_at(first) + (address & PAGE_MASK)
        end = (start | PAGE_MASK) + 1
        runs = []
        for page in range(first + 1, last + 1):
            place = page_at(page)
            if place != end:
                runs.append((start, end - start))
                start = place
            end = place + PAGE_SIZE
        runs.append((start, end - start - (-(address + size) & PAGE_MASK)))
        return runs

    def touch(self, address: int, size: int, *, write: bool) -> None:
        """Whether a range can be read, or written: INVALID_ARGS, PageNeeded, NO_MEMORY."""
        page_at = self._write_page if write else self._read_page
        for page in range(address >> PAGE_SHIFT, (address + size + PAGE_MASK) >> PAGE_SHIFT):
            page_at(page)

    def why_not(self, address: int, size: int, access: int) -> Status:
        """Why user code cannot have *access* (READ or WRITE) to all of a range, as a page fault there would say it.

        Of the first bad page: NOT_FOUND nothing mapped, or not user memory; ACCESS_DENIED; OUT_OF_RANGE behind the VMO;
        NOT_FOUND discarded; otherwise INVALID_ARGS, where a pager has not provided the page.
        """
        for page in range(address & ~PAGE_MASK, address + size, PAGE_SIZE):
            mapping = self.find(page)
            if mapping is None:
                return Status.NOT_FOUND
            if not mapping.access_at(page)[0] & access:
                return Status.ACCESS_DENIED
            if page >= mapping.fault_end():
                return Status.OUT_OF_RANGE
            if mapping.vmo.pages.discarded:
                return Status.NOT_FOUND
        return Status.INVALID_ARGS

    def read_u32(self, address: int) -> int:
        place = self._read_tlb.get(address >> PAGE_SHIFT)
        inside = address & PAGE_MASK
        if place is None or inside > PAGE_SIZE - 4:
            return int.from_bytes(self.read_user(address, 4), "little")
        value: int = _U32.unpack_from(self._view, place + inside)[0]
        return value

    def read_u64(self, address: int) -> int:
        place = self._read_tlb.get(address >> PAGE_SHIFT)
        inside = address & PAGE_MASK
        if place is None or inside > PAGE_SIZE - 8:
            return int.from_bytes(self.read_user(address, 8), "little")
        value: int = _U64.unpack_from(self._view, place + inside)[0]
        return value

    def write_u32(self, address: int, value: int) -> None:
        self.write_user(address, _U32.pack(value))

    def write_u64(self, address: int, value: int) -> None:
        self.write_user(address, _U64.pack(value))

    # A debugger's accesses, whatever the mapping permits

    def _memory_at(self, address: int, size: int) -> tuple[VmMapping, int, int]:
        """The mapping that an address lies in, the offset in its VMO, and how much of *size* is in both: NOT_FOUND; then what
        `VmObjectDispatcher.check_access` says of the first byte.
        """
        mapping = self.find(address)
        if mapping is None:
            raise ZxError(Status.NOT_FOUND)
        inside = address - mapping.base
        offset = mapping.vmo_offset + inside
        mapping.vmo.check_access(offset, 1)
        return mapping, offset, min(size, mapping.size - inside, mapping.vmo.size - offset)

    def read_memory(self, address: int, size: int) -> bytes:
        """Up to *size* bytes, no further than one mapping and its VMO.

        Errors, in order: NOT_FOUND; then what `VmObjectDispatcher.read` says.
        """
        mapping, offset, size = self._memory_at(address, size)
        return mapping.vmo.read(offset, size)

    def write_memory(self, address: int, size: int, read: Callable[[int], bytes]) -> int:
        """Write up to *size* bytes that *read* provides, no further than one mapping and its VMO. Answers how many.

        A mapping that can never be written gets a copy of its own first.
        Errors, in order: NOT_FOUND; ACCESS_DENIED the vDSO; then what `VmObjectDispatcher.write` says, and a snapshot.
        """
        found = self.find(address)
        if found is not None and found.vmo.vdso_code is not None:
            raise ZxError(Status.ACCESS_DENIED)
        mapping, offset, size = self._memory_at(address, size)
        data = read(size)
        if mapping.force_writable():
            mapping, offset, size = self._memory_at(address, size)
        mapping.vmo.write(offset, data)
        return size

    # What information topics show

    def maps(self) -> list[zx_info_maps_t]:
        """The aspace, its regions and its mappings: each before what is in it, lowest address first."""
        entry = zx_info_maps_t(
            name=self.name, base=self.base, size=self.size, depth=0, type=ZX_INFO_MAPS_TYPE_ASPACE
        )
        return [entry, *self.root_vmar.maps(1)]

    def mappings(self) -> Iterator[VmMapping]:
        """Lowest address first."""
        return self.root_vmar.mappings(self.base, self.base + self.size)

    def vmos(self) -> list[zx_info_vmo_t]:
        """The VMO of each mapping; one that is mapped twice is there twice."""
        return [mapping.vmo.info(found=ZX_INFO_VMO_VIA_MAPPING) for mapping in self.mappings()]

    def usage(self) -> Usage:
        """Source: RFC-0254, which says what "shared" means between clones."""
        mapped = private = committed = 0
        scaled = Fraction(0)
        for mapping in self.mappings():
            vmo = mapping.vmo
            sharing = vmo.share_count
            found = vmo.attribution(mapping.vmo_offset, mapping.size)
            alone = found.private if sharing == 1 else 0
            mapped += mapping.size
            private += alone
            committed += found.committed
            scaled += found.scaled / sharing - alone
        return Usage(mapped, private, committed - private, Attribution(0, 0, scaled))


@contextmanager
def _as_pointer() -> Iterator[None]:
    """What a pager fails to provide makes a pointer a bad one: INVALID_ARGS, now or after the wait."""
    try:
        yield
    except PageNeeded as need:
        need.failure = Status.INVALID_ARGS
        raise
    except ZxError as error:
        raise ZxError(error.status if error.status is Status.NO_MEMORY else Status.INVALID_ARGS) from None


def _purge(tlb: dict[int, int], page: int, pages: int) -> None:
    if pages <= len(tlb):
        for number in range(page, page + pages):
            tlb.pop(number, None)
    elif tlb:
        for number in [number for number in tlb if page <= number < page + pages]:
            del tlb[number]
