"""VMARs and mappings: the tree that says what lies where in an aspace.

    VmAspace -- root_vmar: VmAddressRegion --+-- VmMapping -- vmo: VmObjectDispatcher
                                             +-- VmAddressRegion --+-- ...

Sizes, offsets and addresses are bytes. Options are ZX_VM_* as they come from the call; PERM_READ, _WRITE and
_EXECUTE are also the machine's READ, WRITE and EXECUTE.

Source: zircon/kernel/vm/{vm_address_region,vm_mapping}.cc,
zircon/kernel/object/vm_address_region_dispatcher.cc.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from jacinth.abi import (
    ZX_DEFAULT_VMAR_RIGHTS,
    ZX_INFO_MAPS_TYPE_MAPPING,
    ZX_INFO_MAPS_TYPE_VMAR,
    ZX_OBJ_TYPE_VMAR,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_VM_ALIGN_BASE,
    ZX_VM_ALLOW_FAULTS,
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_COMPACT,
    ZX_VM_FAULT_BEYOND_STREAM_SIZE,
    ZX_VM_OFFSET_IS_UPPER_LIMIT,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED,
    ZX_VM_PERM_WRITE,
    ZX_VM_REQUIRE_NON_RESIZABLE,
    ZX_VM_SPECIFIC,
    ZX_VM_SPECIFIC_OVERWRITE,
    ZX_VMAR_OP_ALWAYS_NEED,
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_DECOMMIT,
    ZX_VMAR_OP_DONT_NEED,
    ZX_VMAR_OP_MAP_RANGE,
    ZX_VMAR_OP_PREFETCH,
    ZX_VMAR_OP_ZERO,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    Status,
    ZxError,
    zx_info_maps_mapping_t,
    zx_info_maps_t,
    zx_info_vmar_t,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, UINT64_MAX, VmObjectDispatcher, round_up
from jacinth.machine.interface import WRITE

if TYPE_CHECKING:
    from jacinth.kernel.vm.aspace import VmAspace

_PERMISSIONS: Final = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE
_CAN_RWX: Final = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE
_ANY_OPTION: Final = (
    ZX_VM_COMPACT
    | ZX_VM_SPECIFIC
    | ZX_VM_SPECIFIC_OVERWRITE
    | ZX_VM_CAN_MAP_SPECIFIC
    | _CAN_RWX
    | ZX_VM_REQUIRE_NON_RESIZABLE
    | ZX_VM_ALLOW_FAULTS
    | ZX_VM_OFFSET_IS_UPPER_LIMIT
    | ZX_VM_FAULT_BEYOND_STREAM_SIZE
)
_ALLOCATE_OPTIONS: Final = (
    ZX_VM_COMPACT | ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_SPECIFIC | _CAN_RWX | ZX_VM_OFFSET_IS_UPPER_LIMIT
)
_MAP_OPTIONS: Final = (
    ZX_VM_SPECIFIC
    | ZX_VM_SPECIFIC_OVERWRITE
    | _CAN_RWX
    | ZX_VM_OFFSET_IS_UPPER_LIMIT
    | ZX_VM_FAULT_BEYOND_STREAM_SIZE
)
_LOW_BITS: Final = (1 << ZX_VM_ALIGN_BASE) - 1
_SPECIFIC: Final = ZX_VM_SPECIFIC | ZX_VM_SPECIFIC_OVERWRITE

# What today's kernel calls every region and mapping that user code makes.
_USER_REGION_NAME: Final = b"useralloc"


def is_valid_protection(options: int) -> bool:
    """There is no way to say that memory can be written or executed but not read."""
    return bool(options & ZX_VM_PERM_READ) or not options & (ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE)


def split_options(options: int) -> tuple[int, int, int]:
    """(permissions, the other options, alignment as a power of two or 0): INVALID_ARGS for unknown bits."""
    permissions = options & _PERMISSIONS
    others = options & _LOW_BITS & ~(_PERMISSIONS | ZX_VM_PERM_READ_IF_XOM_UNSUPPORTED)
    alignment = options >> ZX_VM_ALIGN_BASE
    if others & ~_ANY_OPTION or (alignment and not 10 <= alignment <= 32):
        raise ZxError(Status.INVALID_ARGS)
    return permissions, others, alignment


def _permitted(options: int) -> int:
    """ZX_VM_PERM_* that ZX_VM_CAN_MAP_* *options* allow."""
    permissions = ZX_VM_PERM_READ if options & ZX_VM_CAN_MAP_READ else 0
    if options & ZX_VM_CAN_MAP_WRITE:
        permissions |= ZX_VM_PERM_WRITE
    if options & ZX_VM_CAN_MAP_EXECUTE:
        permissions |= ZX_VM_PERM_EXECUTE
    return permissions


class VmMapping:
    """A piece of a VMO at an address.

    *maximum* are the ZX_VM_PERM_* that it can be given; what it has now may differ from page to page:
    `protections`. *delta* added to a page number of the aspace makes that of the VMO's page list. A mapping
    lives while it has a *parent*.
    """

    __slots__ = (
        "_access",
        "_starts",
        "aspace",
        "base",
        "beyond_stream",
        "delta",
        "maximum",
        "mergeable",
        "parent",
        "private",
        "size",
        "vmo",
        "vmo_offset",
    )

    def __init__(
        self,
        parent: VmAddressRegion,
        base: int,
        size: int,
        vmo: VmObjectDispatcher,
        vmo_offset: int,
        maximum: int,
        beyond_stream: bool,
        starts: list[int],
        access: list[int],
    ) -> None:
        self.aspace = parent.aspace
        self.parent: VmAddressRegion | None = parent
        self.base = base
        self.size = size
        self.vmo = vmo
        self.vmo_offset = vmo_offset
        self.delta = ((vmo.start + vmo_offset) >> PAGE_SHIFT) - (base >> PAGE_SHIFT)
        self.maximum = maximum
        self.beyond_stream = beyond_stream
        self.mergeable = False
        self.private = False  # it shows a copy that `force_writable` has made for it alone
        # Where each protection begins, in order, the first one at *base*; and the protection there.
        self._starts = starts
        self._access = access

    def access_at(self, address: int) -> tuple[int, int]:
        """What is permitted at *address*, and up to where that holds."""
        starts = self._starts
        if len(starts) == 1:
            return self._access[0], self.base + self.size
        index = bisect_right(starts, address)
        return self._access[index - 1], starts[index] if index < len(starts) else self.base + self.size

    def protections(self) -> Iterator[tuple[int, int, int]]:
        """(start, end, permissions), lowest first; neighbours differ."""
        ends = [*self._starts[1:], self.base + self.size]
        return iter([*zip(self._starts, ends, self._access, strict=True)])

    def maps(self, depth: int) -> list[zx_info_maps_t]:
        """One entry of ZX_INFO_VMAR_MAPS for each protection."""
        entries = []
        for start, end, access in self.protections():
            offset = self.vmo_offset + start - self.base
            memory = self.vmo.attribution(offset, end - start)
            mapping = zx_info_maps_mapping_t(
                mmu_flags=access,
                vmo_koid=self.vmo.koid,
                vmo_offset=offset,
                committed_bytes=memory.committed,
                populated_bytes=memory.committed,
                committed_private_bytes=memory.private,
                populated_private_bytes=memory.private,
                committed_scaled_bytes=memory.scaled_bytes,
                populated_scaled_bytes=memory.scaled_bytes,
                committed_fractional_scaled_bytes=memory.scaled_fraction,
                populated_fractional_scaled_bytes=memory.scaled_fraction,
            )
            entry = zx_info_maps_t(
                name=self.vmo.name,
                base=start,
                size=end - start,
                depth=depth,
                type=ZX_INFO_MAPS_TYPE_MAPPING,
                mapping=mapping,
            )
            entries.append(entry)
        return entries

    def fault_end(self) -> int:
        """The address from which on nothing can be touched: the end of the mapping, or of the VMO if that
        comes earlier.
        """
        limit = self.vmo.fault_limit(self.beyond_stream) - self.vmo_offset
        if limit >= self.size:
            return self.base + self.size
        return self.base + max(0, limit)

    # The VMO's calls: page numbers are those of its page list

    def forget(self, first: int, end: int) -> None:
        """What the VMO shows in a range is about to change."""
        low, high = self._window(first, end)
        if low < high:
            self.aspace.forget(low << PAGE_SHIFT, high - low)

    def write_protect(self, first: int, end: int) -> None:
        """The VMO's pages in a range may no longer be written without asking."""
        low, high = self._window(first, end)
        if low >= high or not self.maximum & ZX_VM_PERM_WRITE:
            return
        low <<= PAGE_SHIFT
        high <<= PAGE_SHIFT
        for start, stop, access in self.protections():
            start, stop = max(start, low), min(stop, high)
            if start < stop and access & WRITE:
                self.aspace.forget_writable(start, (stop - start) >> PAGE_SHIFT, access)

    def _window(self, first: int, end: int) -> tuple[int, int]:
        base = self.base >> PAGE_SHIFT
        return max(base, first - self.delta), min(base + (self.size >> PAGE_SHIFT), end - self.delta)

    # The VMAR's calls

    def protect(self, base: int, end: int, access: int) -> None:
        """Give [*base*, *end*), which lies inside, other permissions. Nothing gains WRITE in the page table
        by this.
        """
        parts = []
        for start, stop, old in self.protections():
            if start < base:
                parts.append((start, old))
            if stop > base and start < end:
                low, high = max(start, base), min(stop, end)
                parts.append((low, access))
                if old != access:
                    self.aspace.forget_protection(low, (high - low) >> PAGE_SHIFT, access)
            if stop > end:
                parts.append((max(start, end), old))
        self._set_protections(parts)

    def _set_protections(self, parts: list[tuple[int, int]]) -> None:
        """Take (start, permissions) in order of the start; equal neighbours become one."""
        starts: list[int] = []
        accesses: list[int] = []
        for start, access in parts:
            if not accesses or accesses[-1] != access:
                starts.append(start)
                accesses.append(access)
        self._starts, self._access = starts, accesses

    def _cut(self, base: int, end: int) -> list[tuple[int, int]]:
        """The protections within [*base*, *end*)."""
        return [
            (max(start, base), access)
            for start, stop, access in self.protections()
            if stop > base and start < end
        ]

    def activate(self) -> None:
        """Become visible, at a free place of the parent."""
        assert self.parent is not None
        self.parent.insert(self)
        self.vmo.add_mapping(self)

    def force_writable(self) -> bool:
        """A debugger is about to write. What the program itself can never write may be anybody's: let the mapping show a snapshot
        of its own then. Answers whether it has a new one.

        Errors: those of `VmObjectDispatcher.create_child` for a snapshot.
        """
        if self.private or self.maximum & ZX_VM_PERM_WRITE:
            return False
        old = self.vmo
        copy = old.create_child(
            ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, self.vmo_offset, self.size, copy_name=True
        )
        self.aspace.forget(self.base, self.size >> PAGE_SHIFT)
        copy.add_mapping(self)
        old.remove_mapping(self)
        self.vmo = copy
        self.vmo_offset = 0
        self.delta = -(self.base >> PAGE_SHIFT)
        self.private = True
        return True

    def destroy(self) -> None:
        """Unmap it whole."""
        parent, self.parent = self.parent, None
        assert parent is not None
        self.aspace.forget(self.base, self.size >> PAGE_SHIFT)
        self.aspace.forget_mapping(self)
        parent.remove(self)
        self.vmo.remove_mapping(self)

    def drop(self) -> None:
        """Unmap it whole, if it is still there."""
        if self.parent is not None:
            self.destroy()

    def unmap(self, base: int, end: int) -> None:
        """Unmap [*base*, *end*), a part of it. What is left of it on both sides is one mapping each."""
        parent = self.parent
        assert parent is not None
        self.aspace.forget(base, (end - base) >> PAGE_SHIFT)
        old_base, old_end = self.base, self.base + self.size
        right = self._cut(end, old_end)
        left = self._cut(old_base, base)
        self.mergeable = True
        if left:
            self.size = base - old_base
            self._set_protections(left)
            parent.freed(base)
            if right:
                self._piece(end, old_end, right).activate()
        else:
            parent.remove(self)
            self.vmo_offset += end - old_base
            self.base, self.size = end, old_end - end
            self._set_protections(right)
            parent.insert(self)

    def _piece(self, base: int, end: int, protections: list[tuple[int, int]]) -> VmMapping:
        assert self.parent is not None
        piece = VmMapping(
            self.parent,
            base,
            end - base,
            self.vmo,
            self.vmo_offset + base - self.base,
            self.maximum,
            self.beyond_stream,
            [start for start, _ in protections],
            [access for _, access in protections],
        )
        piece.mergeable = True
        piece.private = self.private
        return piece

    def merge(self) -> None:
        """From now on this mapping is known by its address only: make it one with neighbours that continue
        it.
        """
        self.mergeable = True
        parent = self.parent
        assert parent is not None
        right = parent.find(self.base + self.size)
        if isinstance(right, VmMapping):
            self._join(right)
        left = parent.find(self.base - 1)
        if isinstance(left, VmMapping):
            left._join(self)

    def _join(self, right: VmMapping) -> None:
        """Take *right* in, if it continues this mapping in address and VMO and differs in nothing but its
        protections.
        """
        vdso_code = self.aspace.vdso_code
        if (
            not (self.mergeable and right.mergeable)
            or right.vmo is not self.vmo
            or right.vmo_offset != self.vmo_offset + self.size
            or right.maximum != self.maximum
            or right.beyond_stream != self.beyond_stream
            or vdso_code is self
            or vdso_code is right
        ):
            return
        parts = [(start, access) for mapping in (self, right) for start, _, access in mapping.protections()]
        parent = self.parent
        assert parent is not None
        self.aspace.forget_mapping(right)
        right.parent = None
        parent.remove(right)
        self.size += right.size
        self._set_protections(parts)
        self.vmo.remove_mapping(right)

    def map_present(self, base: int, end: int) -> None:
        """Put the committed pages of a range into the page table, without committing more."""
        pages = self.vmo.pages
        end = min(end, self.fault_end())
        for start, stop, access in self.protections():
            low, high = max(start, base) >> PAGE_SHIFT, min(stop, end) >> PAGE_SHIFT
            if low < high and access:
                for page in pages.present(low + self.delta, high + self.delta):
                    frame, writable = pages.frame_for_read(page)
                    assert frame is not None  # it is present
                    address = (page - self.delta) << PAGE_SHIFT
                    self.aspace.map_page(address, frame, access if writable else access & ~WRITE)


Region: TypeAlias = "VmAddressRegion | VmMapping"


class VmAddressRegion:
    """A region of an aspace, in which mappings and further regions lie.

    *options* are the ZX_VM_CAN_MAP_* that it was made with. It lives, with or without handles, until it is
    destroyed.
    """

    __slots__ = (
        "_bases",
        "_hint",
        "_regions",
        "alive",
        "aspace",
        "base",
        "keeps",
        "name",
        "options",
        "parent",
        "size",
    )

    def __init__(
        self,
        aspace: VmAspace,
        parent: VmAddressRegion | None,
        base: int,
        size: int,
        options: int,
        name: bytes,
    ) -> None:
        self.aspace = aspace
        self.parent = parent
        self.base = base
        self.size = size
        self.options = options
        self.name = name
        self.alive = True
        # Whether the kernel takes nothing back of what is mapped in it.
        self.keeps: bool = parent is not None and parent.keeps
        self._bases: list[int] = []  # of the children, in order
        self._regions: dict[int, Region] = {}  # the children, by base
        self._hint = base  # no gap begins below it

    @classmethod
    def create_root(cls, aspace: VmAspace) -> VmAddressRegion:
        return cls(aspace, None, aspace.base, aspace.size, ZX_VM_CAN_MAP_SPECIFIC | _CAN_RWX, b"root")

    def keep(self, keeps: bool) -> None:
        """Whether the kernel takes back what is mapped here, and further down; for regions that are made here later too."""
        regions = [self]
        while regions:
            region = regions.pop()
            region.keeps = keeps
            regions += [child for child in region._regions.values() if isinstance(child, VmAddressRegion)]

    # The children

    def insert(self, region: Region) -> None:
        insort(self._bases, region.base)
        self._regions[region.base] = region

    def remove(self, region: Region) -> None:
        del self._bases[bisect_left(self._bases, region.base)]
        del self._regions[region.base]
        self.freed(region.base)

    def freed(self, base: int) -> None:
        """There is a gap from *base* on."""
        self._hint = min(self._hint, base)

    def find(self, address: int) -> Region | None:
        """The child that *address* lies in."""
        index = bisect_right(self._bases, address)
        if not index:
            return None
        region = self._regions[self._bases[index - 1]]
        return region if address < region.base + region.size else None

    def overlapping(self, base: int, end: int) -> list[Region]:
        """The children that share bytes with [*base*, *end*), lowest first."""
        bases = self._bases
        first = bisect_right(bases, base)
        if first:
            before = self._regions[bases[first - 1]]
            if before.base + before.size > base:
                first -= 1
        return [self._regions[base_] for base_ in bases[first : bisect_left(bases, end)]]

    def find_mapping(self, address: int) -> VmMapping | None:
        """The mapping that *address* lies in, here or further down."""
        region: Region | None = self
        while isinstance(region, VmAddressRegion):
            region = region.find(address)
        return region

    def walk(self) -> Iterator[tuple[int, Region]]:
        """This region, at depth 1, and everything below it: parents first, lowest address first."""
        yield 1, self
        stack = [iter(self.overlapping(self.base, self.base + self.size))]
        while stack:
            region = next(stack[-1], None)
            if region is None:
                stack.pop()
                continue
            yield len(stack) + 1, region
            if isinstance(region, VmAddressRegion):
                stack.append(iter(region.overlapping(region.base, region.base + region.size)))

    def mappings(self, base: int, end: int) -> Iterator[VmMapping]:
        """The mappings, here and further down, that share bytes with the range; lowest address first."""
        stack = [iter(self.overlapping(base, end))]
        while stack:
            region = next(stack[-1], None)
            if region is None:
                stack.pop()
            elif isinstance(region, VmAddressRegion):
                stack.append(iter(region.overlapping(base, end)))
            else:
                yield region

    def maps(self, depth: int) -> list[zx_info_maps_t]:
        """This region, at *depth*, and everything below it, as ZX_INFO_VMAR_MAPS shows it."""
        entries = []
        for below, region in self.walk():
            depth_ = depth + below - 1
            if isinstance(region, VmAddressRegion):
                entry = zx_info_maps_t(
                    name=region.name,
                    base=region.base,
                    size=region.size,
                    depth=depth_,
                    type=ZX_INFO_MAPS_TYPE_VMAR,
                )
                entries.append(entry)
            else:
                entries += region.maps(depth_)
        return entries

    def contains(self, base: int, size: int) -> bool:
        return self.base <= base and base + size <= self.base + self.size

    def _touches_vdso_code(self, base: int, end: int) -> bool:
        code = self.aspace.vdso_code
        return code is not None and base < code.base + code.size and code.base < end

    # Making regions and mappings

    def allocate(self, offset: int, size: int, options: int) -> VmAddressRegion:
        """Make a region inside.

        Errors, in order: INVALID_ARGS options or size; BAD_STATE; then those of `_place`.
        """
        permissions, others, alignment = split_options(options)
        if permissions or size & PAGE_MASK or others & ~_ALLOCATE_OPTIONS:
            raise ZxError(Status.INVALID_ARGS)
        base = self._place(offset, size, others, alignment)
        child = VmAddressRegion(
            self.aspace, self, base, size, others & (ZX_VM_CAN_MAP_SPECIFIC | _CAN_RWX), _USER_REGION_NAME
        )
        self.insert(child)
        return child

    def map(
        self, offset: int, vmo: VmObjectDispatcher, vmo_offset: int, size: int, options: int
    ) -> VmMapping:
        """Map *size* bytes of *vmo* from *vmo_offset* on. ZX_VM_CAN_MAP_* in *options* say what it may be
        protected to later.

        Errors, in order: INVALID_ARGS options; NOT_SUPPORTED resizable where that is excluded, discardable
        without ALLOW_FAULTS; INVALID_ARGS vmo_offset; OUT_OF_RANGE size or vmo_offset beyond 64 bits;
        BAD_STATE; those of `_place`; ACCESS_DENIED the vDSO's code, where it is to be mapped executable a
        second time or not as a whole, or to be overwritten.

        The kernel of today maps from offset 0 where OFFSET_IS_UPPER_LIMIT is given; zx_vmar_map's page knows
        nothing of that, and neither do we.
        """
        if not is_valid_protection(options):
            raise ZxError(Status.INVALID_ARGS)
        access, others, alignment = split_options(options)
        if others & ZX_VM_REQUIRE_NON_RESIZABLE and vmo.resizable:
            raise ZxError(Status.NOT_SUPPORTED)
        if vmo.discardable and not others & ZX_VM_ALLOW_FAULTS:
            raise ZxError(Status.NOT_SUPPORTED)
        others &= ~(ZX_VM_REQUIRE_NON_RESIZABLE | ZX_VM_ALLOW_FAULTS)
        if others & ~_MAP_OPTIONS or vmo_offset & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        size = round_up(size)
        if size > UINT64_MAX or vmo_offset + size > UINT64_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        maximum = access | _permitted(others)
        base = self._place(offset, size, others | _can_map(maximum), alignment)
        is_vdso_code = vmo.vdso_code is not None and bool(access & ZX_VM_PERM_EXECUTE)
        if is_vdso_code and (self.aspace.vdso_code is not None or vmo.vdso_code != (vmo_offset, size)):
            raise ZxError(Status.ACCESS_DENIED)
        if others & ZX_VM_SPECIFIC_OVERWRITE:
            self._unmap(base, base + size, can_destroy_regions=False)
        mapping = VmMapping(
            self,
            base,
            size,
            vmo,
            vmo_offset,
            maximum,
            bool(others & ZX_VM_FAULT_BEYOND_STREAM_SIZE),
            [base],
            [access],
        )
        mapping.activate()
        if is_vdso_code:
            self.aspace.vdso_code = mapping
        return mapping

    def _place(self, offset: int, size: int, options: int, alignment: int) -> int:
        """Where a child of *size* bytes goes.

        Errors, in order: BAD_STATE; INVALID_ARGS no size; ACCESS_DENIED more CAN_MAP than this region has;
        INVALID_ARGS offset; ACCESS_DENIED no CAN_MAP_SPECIFIC; INVALID_ARGS outside; INVALID_ARGS alignment,
        ALREADY_EXISTS, or NO_RESOURCES.
        """
        if not self.alive:
            raise ZxError(Status.BAD_STATE)
        if not size:
            raise ZxError(Status.INVALID_ARGS)
        if options & _CAN_RWX & ~self.options:
            raise ZxError(Status.ACCESS_DENIED)
        specific = bool(options & _SPECIFIC)
        upper_limit = bool(options & ZX_VM_OFFSET_IS_UPPER_LIMIT)
        if (specific and upper_limit) or (not specific and not upper_limit and offset) or offset & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        if (specific or upper_limit) and not self.options & ZX_VM_CAN_MAP_SPECIFIC:
            raise ZxError(Status.ACCESS_DENIED)
        if (offset > self.size or size > offset) if upper_limit else offset + size > self.size:
            raise ZxError(Status.INVALID_ARGS)
        align = 1 << max(alignment, PAGE_SHIFT)
        if not specific:
            return self._find_gap(size, align, self.base + (offset if upper_limit else self.size))
        base = self.base + offset
        if base & (align - 1):
            raise ZxError(Status.INVALID_ARGS)
        if not options & ZX_VM_SPECIFIC_OVERWRITE and self.overlapping(base, base + size):
            raise ZxError(Status.ALREADY_EXISTS)
        return base

    def _find_gap(self, size: int, align: int, limit: int) -> int:
        """The lowest free place for *size* bytes below *limit*: NO_RESOURCES."""
        # Sizes are whole pages, so every gap is worth a look; the hint skips what is known to be packed.
        bases, regions = self._bases, self._regions
        index = bisect_right(bases, self._hint)
        low = self._hint
        if index:
            before = regions[bases[index - 1]]
            low = max(low, before.base + before.size)
        packed = True
        while True:
            high = bases[index] if index < len(bases) else self.base + self.size
            if packed and low < high:
                self._hint, packed = low, False
            start = (low + align - 1) & -align
            if start + size > limit:
                raise ZxError(Status.NO_RESOURCES)
            if start + size <= high:
                return start
            if index == len(bases):
                raise ZxError(Status.NO_RESOURCES)
            region = regions[bases[index]]
            low = region.base + region.size
            index += 1

    # Changing them

    def unmap(self, base: int, size: int, *, can_destroy_regions: bool) -> None:
        """Unmap a range: mappings may be cut, regions go whole or not at all. Gaps are no error.

        Errors, in order: INVALID_ARGS base or size; BAD_STATE; INVALID_ARGS outside; ACCESS_DENIED the vDSO's
        code; INVALID_ARGS a region that is not wholly in it, or may not be destroyed.
        """
        size = round_up(size) & UINT64_MAX
        if not size or base & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        if not self.alive:
            raise ZxError(Status.BAD_STATE)
        if not self.contains(base, size):
            raise ZxError(Status.INVALID_ARGS)
        self._unmap(base, base + size, can_destroy_regions=can_destroy_regions)

    def _unmap(self, base: int, end: int, *, can_destroy_regions: bool) -> None:
        if self._touches_vdso_code(base, end):
            raise ZxError(Status.ACCESS_DENIED)
        regions = self.overlapping(base, end)
        for region in regions:
            if isinstance(region, VmAddressRegion) and (
                not can_destroy_regions or region.base < base or region.base + region.size > end
            ):
                raise ZxError(Status.INVALID_ARGS)
        for region in regions:
            if isinstance(region, VmAddressRegion):
                region.destroy_tree()
                continue
            low, high = max(region.base, base), min(region.base + region.size, end)
            if high - low == region.size:
                region.destroy()
            else:
                region.unmap(low, high)

    def protect(self, base: int, size: int, options: int, *, op_children: bool) -> None:
        """Change the permissions of a range that is mapped whole.

        Errors, in order: INVALID_ARGS base, options or size; BAD_STATE; INVALID_ARGS outside; then, mapping
        by mapping: NOT_FOUND a gap; ACCESS_DENIED more than the mapping was made with, or the vDSO's code;
        and of mappings in regions further down INVALID_ARGS without *op_children*, ACCESS_DENIED more than
        they have now. Then nothing has changed.
        """
        if base & PAGE_MASK or not is_valid_protection(options):
            raise ZxError(Status.INVALID_ARGS)
        access, others, alignment = split_options(options)
        if others or alignment:
            raise ZxError(Status.INVALID_ARGS)
        size = round_up(size) & UINT64_MAX
        if not size:
            raise ZxError(Status.INVALID_ARGS)
        if not self.alive:
            raise ZxError(Status.BAD_STATE)
        if not self.contains(base, size):
            raise ZxError(Status.INVALID_ARGS)
        end = base + size
        mappings = []
        expected = base
        for mapping in self.mappings(base, end):
            if mapping.base > expected:
                raise ZxError(Status.NOT_FOUND)
            if access & ~mapping.maximum or mapping is self.aspace.vdso_code:
                raise ZxError(Status.ACCESS_DENIED)
            if mapping.parent is not self:
                if not op_children:
                    raise ZxError(Status.INVALID_ARGS)
                for start, stop, old in mapping.protections():
                    if start < end and stop > expected and access & ~old:
                        raise ZxError(Status.ACCESS_DENIED)
            mappings.append(mapping)
            expected = mapping.base + mapping.size
        if expected < end:
            raise ZxError(Status.NOT_FOUND)
        for mapping in mappings:
            mapping.protect(max(mapping.base, base), min(mapping.base + mapping.size, end), access)

    def destroy(self) -> None:
        """Unmap everything inside, and end: NOT_SUPPORTED the root; BAD_STATE; ACCESS_DENIED with the vDSO's
        code in it.
        """
        if self.aspace.root_vmar is self:
            raise ZxError(Status.NOT_SUPPORTED)
        if not self.alive:
            raise ZxError(Status.BAD_STATE)
        # Today's kernel finds the vDSO only after it has unmapped what lies before it; here nothing happens
        # then.
        if self._touches_vdso_code(self.base, self.base + self.size):
            raise ZxError(Status.ACCESS_DENIED)
        self.destroy_tree()

    def destroy_tree(self) -> None:
        """End this region and everything below it, whatever it is. A guest nests regions as deeply as it
        likes: no recursion.
        """
        region = self
        while True:
            if region._bases:
                child = region._regions[region._bases[-1]]
                if isinstance(child, VmMapping):
                    child.destroy()
                else:
                    region = child
                continue
            parent = region.parent
            region.alive = False
            region.parent = None
            if parent is not None:
                parent.remove(region)
            if region is self:
                return
            assert parent is not None
            region = parent

    def range_op(self, op: int, base: int, size: int, *, op_children: bool) -> None:
        """Do ZX_VMAR_OP_* *op* to every mapping of a range that is mapped whole, up to the first error.

        Errors, in order: INVALID_ARGS base or size; OUT_OF_RANGE outside; BAD_STATE; ACCESS_DENIED the vDSO's
        code; then, mapping by mapping: BAD_STATE a gap; INVALID_ARGS a mapping further down, for COMMIT,
        DECOMMIT and PREFETCH or without *op_children*; OUT_OF_RANGE beyond the content, where the mapping
        asks for that; ACCESS_DENIED a mapping that can never be written (COMMIT, DECOMMIT, ZERO) or read
        (PREFETCH); what the VMO says.
        """
        if op not in _RANGE_OPS:
            raise ZxError(Status.INVALID_ARGS)
        size = round_up(size) & UINT64_MAX
        if not size or base & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        if not self.contains(base, size):
            raise ZxError(Status.OUT_OF_RANGE)
        if not self.alive:
            raise ZxError(Status.BAD_STATE)
        end = base + size
        if self._touches_vdso_code(base, end):
            raise ZxError(Status.ACCESS_DENIED)
        expected = base
        for mapping in self.mappings(base, end):
            if mapping.base > expected:
                raise ZxError(Status.BAD_STATE)
            if mapping.parent is not self and (not op_children or op in _DIRECT_OPS):
                raise ZxError(Status.INVALID_ARGS)
            stop = min(mapping.base + mapping.size, end)
            _range_op(op, mapping, expected, stop)
            expected = stop
        if expected < end:
            raise ZxError(Status.BAD_STATE)


_RANGE_OPS: Final = (
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_DECOMMIT,
    ZX_VMAR_OP_MAP_RANGE,
    ZX_VMAR_OP_ZERO,
    ZX_VMAR_OP_DONT_NEED,
    ZX_VMAR_OP_ALWAYS_NEED,
    ZX_VMAR_OP_PREFETCH,
)
# Those that act with the mapping's greatest permissions, as a protect would; and such a one may not go
# through a parent.
_DIRECT_OPS: Final = (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_PREFETCH)
_WRITING_OPS: Final = (ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_DECOMMIT, ZX_VMAR_OP_ZERO)


def _range_op(op: int, mapping: VmMapping, base: int, end: int) -> None:
    vmo = mapping.vmo
    offset, size = mapping.vmo_offset + base - mapping.base, end - base
    if mapping.beyond_stream and offset + size > vmo.fault_limit(True):
        raise ZxError(Status.OUT_OF_RANGE)
    if op in _WRITING_OPS and not mapping.maximum & ZX_VM_PERM_WRITE:
        raise ZxError(Status.ACCESS_DENIED)
    if op == ZX_VMAR_OP_PREFETCH and not mapping.maximum & ZX_VM_PERM_READ:
        raise ZxError(Status.ACCESS_DENIED)
    if op == ZX_VMAR_OP_COMMIT:
        vmo.commit(offset, size)
    elif op == ZX_VMAR_OP_DECOMMIT:
        vmo.decommit(offset, size)
        return
    elif op == ZX_VMAR_OP_ZERO:
        vmo.zero(offset, size)
        return
    elif op == ZX_VMAR_OP_PREFETCH:
        vmo.prefetch(offset, size)
    elif op == ZX_VMAR_OP_ALWAYS_NEED:
        vmo.hint(offset, size, needed=True)
    elif op == ZX_VMAR_OP_DONT_NEED:
        vmo.hint(offset, size, needed=False)
        return
    mapping.map_present(base, end)


def _can_map(permissions: int) -> int:
    """ZX_VM_CAN_MAP_* that ZX_VM_PERM_* *permissions* need."""
    options = ZX_VM_CAN_MAP_READ if permissions & ZX_VM_PERM_READ else 0
    if permissions & ZX_VM_PERM_WRITE:
        options |= ZX_VM_CAN_MAP_WRITE
    if permissions & ZX_VM_PERM_EXECUTE:
        options |= ZX_VM_CAN_MAP_EXECUTE
    return options


class VmAddressRegionDispatcher(SoloDispatcher):
    """What a handle to a VMAR refers to. The region lives on without it."""

    TYPE = ZX_OBJ_TYPE_VMAR
    # Those of a root VMAR, which can map everything.
    DEFAULT_RIGHTS = ZX_DEFAULT_VMAR_RIGHTS | ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE

    __slots__ = ("region",)

    def __init__(self, region: VmAddressRegion) -> None:
        super().__init__(region.aspace.kernel)
        self.region = region

    @classmethod
    def root(cls, aspace: VmAspace) -> VmAddressRegionDispatcher:
        return cls(aspace.root_vmar)

    @property
    def initial_rights(self) -> int:
        """The rights of the first handle: to map only what the region can map."""
        rights = ZX_DEFAULT_VMAR_RIGHTS
        if self.region.options & ZX_VM_CAN_MAP_READ:
            rights |= ZX_RIGHT_READ
        if self.region.options & ZX_VM_CAN_MAP_WRITE:
            rights |= ZX_RIGHT_WRITE
        if self.region.options & ZX_VM_CAN_MAP_EXECUTE:
            rights |= ZX_RIGHT_EXECUTE
        return rights

    def info(self) -> zx_info_vmar_t:
        return zx_info_vmar_t(base=self.region.base, len=self.region.size)

    def maps(self) -> list[zx_info_maps_t]:
        """The region and everything in it: BAD_STATE once it is destroyed."""
        if not self.region.alive:
            raise ZxError(Status.BAD_STATE)
        return self.region.maps(0)
