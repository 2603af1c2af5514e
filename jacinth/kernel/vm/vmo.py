"""VMOs: memory objects over physical pages that are committed on first touch.

    VmObjectDispatcher --pages--> PageList --frames--> PhysicalMemory
          ^                          ^
      mappings, children         family: which frames several page lists own together

A snapshot copies the page list, not the pages: each frame then counts its owners, and whoever writes first
gets a frame of its own. That yields what the kernel's hidden parents yield, with the same accounting.
References and slices are further views of one page list.

A VMO lives while it has handles, mappings or other references; its pages live while any view of their list
does. Nothing here waits for Python's garbage collector.

Source: zircon/kernel/vm/{vm_object_paged,vm_cow_pages}.cc, zircon/kernel/object/vm_object_dispatcher.cc.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from jacinth.abi import (
    ZX_CACHE_POLICY_CACHED,
    ZX_CACHE_POLICY_MASK,
    ZX_DEFAULT_VMO_RIGHTS,
    ZX_INFO_VMO_CONTIGUOUS,
    ZX_INFO_VMO_DISCARDABLE,
    ZX_INFO_VMO_IMMUTABLE,
    ZX_INFO_VMO_IS_COW_CLONE,
    ZX_INFO_VMO_PAGER_BACKED,
    ZX_INFO_VMO_RESIZABLE,
    ZX_INFO_VMO_TYPE_PAGED,
    ZX_OBJ_TYPE_VMO,
    ZX_RIGHT_RESIZE,
    ZX_VMO_CHILD_REFERENCE,
    ZX_VMO_CHILD_RESIZABLE,
    ZX_VMO_CHILD_SLICE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
    ZX_VMO_DISCARDABLE,
    ZX_VMO_RESIZABLE,
    ZX_VMO_UNBOUNDED,
    ZX_VMO_ZERO_CHILDREN,
    Status,
    ZxError,
    zx_info_vmo_t,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.machine.memory import OutOfMemory, PhysicalMemory

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.vm.aspace import VmAspace
    from jacinth.kernel.vm.vmar import VmMapping

PAGE_SHIFT: Final = 12
PAGE_SIZE: Final = 1 << PAGE_SHIFT
PAGE_MASK: Final = PAGE_SIZE - 1
UINT64_MAX: Final = (1 << 64) - 1

# The largest VMO, in bytes: today's page list counts its nodes of 16 pages in pairs.
MAX_SIZE: Final = UINT64_MAX // (2 * 16 * PAGE_SIZE) * (2 * 16 * PAGE_SIZE)

# Those nodes: 16 words and what links them. Source: vm_page_list.h.
_NODE_SHIFT: Final = 4
_NODE_BYTES: Final = 16 * 8 + 6 * 8

_SNAPSHOTS: Final = (
    ZX_VMO_CHILD_SNAPSHOT | ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | ZX_VMO_CHILD_SNAPSHOT_MODIFIED
)


def round_up(size: int) -> int:
    """*size* in whole pages, in bytes; may exceed 64 bits."""
    return (size + PAGE_MASK) & ~PAGE_MASK


def round_size(size: int) -> int:
    """The size of a VMO that was asked for with *size* bytes: OUT_OF_RANGE where it would be too large."""
    rounded = round_up(size)
    if rounded > MAX_SIZE:
        raise ZxError(Status.OUT_OF_RANGE)
    return rounded


class Attribution(NamedTuple):
    """How many bytes of physical memory a range of a VMO stands for.

    *committed* counts every page in it, *private* those that no clone shares, *scaled* each page divided by
    its owners.
    """

    committed: int
    private: int
    scaled: Fraction

    @property
    def scaled_bytes(self) -> int:
        """The whole bytes of *scaled*."""
        return int(self.scaled)

    @property
    def scaled_fraction(self) -> int:
        """What is left of *scaled*, as a fixed-point number: 1 << 63 would be a byte."""
        return int((self.scaled - int(self.scaled)) * (1 << 63))


NOTHING: Final = Attribution(0, 0, Fraction(0))


class CloneFamily:
    """Page lists that descend from one another by snapshots.

    *owners* has each frame that two or more of them own, with how many do.
    """

    __slots__ = ("members", "owners")

    def __init__(self) -> None:
        self.members = 0
        self.owners: dict[int, int] = {}


class PageList:
    """The committed pages of a VMO and of its references and slices: page number -> frame.

    Pages and ranges of pages (*first*, *end*) are page numbers here. A frame that is not in `family.owners`
    is this list's alone and may be written.
    """

    PAGER_BACKED: ClassVar[bool] = False  # its own pages, or those behind them, are a pager's

    __slots__ = (
        "contiguous",
        "discarded",
        "family",
        "memory",
        "offset",
        "pages",
        "pinned",
        "reclaims",
        "size",
        "special",
        "views",
        "zero_mapped",
    )

    def __init__(self, memory: PhysicalMemory, size: int, family: CloneFamily) -> None:
        self.memory = memory
        self.size = size  # bytes, whole pages
        self.offset = 0  # of its page 0 in its oldest ancestor, which may be gone
        self.family = family
        family.members += 1
        self.pages: dict[int, int] = {}
        self.views: dict[VmObjectDispatcher, None] = {}
        # Pages that some mapping may show as zeroes although they are not committed. Never iterated.
        self.zero_mapped: set[int] = set()
        # Page -> how often it was pinned: it keeps its frame, which a device or the kernel itself uses.
        self.pinned: dict[int, int] = {}
        self.contiguous = False  # every page keeps its frame for life
        # Whether an absent page need not be zero, nor a present one writable: `frame_for_read` knows.
        self.special = False
        # How often the kernel took something back: a page of a pager's, or the contents as a whole.
        self.reclaims = 0
        self.discarded = False  # what was in it is gone, and it cannot be used until it is locked again

    @property
    def has_relatives(self) -> bool:
        """Whether an absent page need not have been absent at the snapshot: today's kernel then refuses to
        decommit.
        """
        return self.family.members > 1

    def check_reach(self, end: int) -> None:
        """INVALID_ARGS where *end* is beyond 64 bits in the oldest ancestor."""
        if (self.offset + end) << PAGE_SHIFT > UINT64_MAX:
            raise ZxError(Status.INVALID_ARGS)

    def check_movable(self) -> None:
        """NOT_SUPPORTED where pages cannot be moved to or from other lists: contiguous ones, those of pagers."""
        if self.contiguous:
            raise ZxError(Status.NOT_SUPPORTED)

    # Access of special lists, which may have to wait

    def frame_for_read(self, page: int) -> tuple[int | None, bool]:
        """The frame that *page* shows, None for zeroes; and whether it may be written as it is.

        Errors: NOT_FOUND discarded; PageNeeded.
        """
        self.check_present()
        frame = self.pages.get(page)
        return frame, frame is not None and frame not in self.family.owners

    def prepare_read(self, first: int, end: int) -> None:
        """Whether the range can be read without waiting. Errors as of `frame_for_read`."""
        self.check_present()

    def prepare_write(self, first: int, end: int) -> None:
        """Whether the range can be written without waiting. Errors as of `frame_for_read`."""
        self.check_present()

    def page_of(self, need: PageNeeded) -> int:
        """The first page of this list that *need*, which `prepare_read` or `prepare_write` has raised, is about."""
        raise AssertionError("only pagers' lists wait")

    def check_present(self) -> None:
        """NOT_FOUND where the contents were discarded."""
        if self.discarded:
            raise ZxError(Status.NOT_FOUND)

    # Frames

    def check_memory(self, frames: int) -> None:
        """NO_MEMORY unless there are so many to be had, perhaps from others: their pages, and this list's, may go."""
        if not self.memory.make_room(frames):
            raise ZxError(Status.NO_MEMORY)

    def allocate(self) -> int:
        """A frame of zeroes: NO_MEMORY."""
        try:
            return self.memory.allocate()
        except OutOfMemory:
            raise ZxError(Status.NO_MEMORY) from None

    def frame_for_write(self, page: int, faulting: VmMapping | None = None) -> int:
        """The frame of *page*, committed and this list's alone: NO_MEMORY; NOT_FOUND discarded; PageNeeded.

        *faulting* will show it itself.
        """
        frame = self.pages.get(page)
        if frame is None:
            new = self.allocate()
            if self.discarded:  # before, or just now to make room
                self.memory.free(new)
                raise ZxError(Status.NOT_FOUND)
            if page in self.zero_mapped:
                self.zero_mapped.discard(page)
                self.changed(page, page + 1, faulting)
        elif frame in self.family.owners:
            new = self.allocate()
            view = self.memory.view
            view[new << PAGE_SHIFT : (new + 1) << PAGE_SHIFT] = view[
                frame << PAGE_SHIFT : (frame + 1) << PAGE_SHIFT
            ]
            self.changed(page, page + 1, faulting)
            self._release(frame)
        else:
            return frame
        self.pages[page] = new
        return new

    def _release(self, frame: int) -> None:
        """Own *frame* no longer."""
        owners = self.family.owners
        count = owners.get(frame)
        if count is None:
            self.memory.free(frame)
        elif count == 2:
            del owners[frame]
        else:
            owners[frame] = count - 1

    def present(self, first: int, end: int) -> list[int]:
        """The committed pages of a range, in the order of the shorter of both: the range or the list."""
        pages = self.pages
        if end - first < len(pages):
            return [page for page in range(first, end) if page in pages]
        return [page for page in pages if first <= page < end]

    def missing(self, first: int, end: int) -> int:
        """How many frames it takes to make all pages of a range writable."""
        present = self.present(first, end)
        owners = self.family.owners
        shared = sum(1 for page in present if self.pages[page] in owners) if owners else 0
        return end - first - len(present) + shared

    def commit(self, first: int, end: int) -> None:
        """Commit the range: NO_MEMORY, and then nothing is committed."""
        self.check_memory(self.missing(first, end))
        for page in range(first, end):
            self.frame_for_write(page)

    def remove(self, first: int, end: int) -> None:
        """Make the range zeroes that are not committed."""
        present = self.present(first, end)
        if self.pinned or self.contiguous:
            kept = [page for page in present if self.contiguous or page in self.pinned]
            for page in kept:
                self.memory.write(self.pages[page], 0, bytes(PAGE_SIZE))
            present = [page for page in present if not self.contiguous and page not in self.pinned]
        if present:
            self.changed(first, end)
            self._drop(present)

    def remove_untracked(self, first: int, end: int) -> None:
        """The same for what lies behind the content."""
        self.remove(first, end)

    def _drop(self, present: list[int]) -> None:
        for page in present:
            self._release(self.pages.pop(page))

    def resize(self, size: int) -> None:
        """Change the size to whole pages. What is cut off is gone, and no longer mapped."""
        old, self.size = self.size, size
        if size < old:
            # What is shown as zeroes there goes as well.
            self.changed(size >> PAGE_SHIFT, old >> PAGE_SHIFT)
            self._drop(self.present(size >> PAGE_SHIFT, old >> PAGE_SHIFT))

    def pin(self, first: int, end: int) -> list[int]:
        """Commit the range, and let it keep its frames until `unpin`. Answers them: NO_MEMORY."""
        self.commit(first, end)
        for page in range(first, end):
            self.pinned[page] = self.pinned.get(page, 0) + 1
        return [self.pages[page] for page in range(first, end)]

    def pin_to_look(self, first: int, end: int) -> list[int]:
        """As `pin`, for who writes nothing."""
        return self.pin(first, end)

    def unpin(self, first: int, end: int) -> None:
        for page in range(first, end):
            left = self.pinned.pop(page) - 1
            if left:
                self.pinned[page] = left

    def check_unpinned(self, first: int = 0, end: int | None = None) -> None:
        """BAD_STATE where a page of the range is pinned."""
        if self.pinned and any(first <= page and (end is None or page < end) for page in self.pinned):
            raise ZxError(Status.BAD_STATE)

    def take(self, first: int, end: int) -> dict[int, int]:
        """Take the range's pages out, each as a frame of its own: NO_MEMORY, and then nothing is taken.

        Answers the frames by page number relative to *first*; pages that are not committed are not in it.
        """
        owners = self.family.owners
        self.check_memory(sum(1 for page in self.present(first, end) if self.pages[page] in owners))
        self.changed(first, end)
        taken = {}
        for page in self.present(first, end):
            taken[page - first] = self.frame_for_write(page)
            del self.pages[page]
        return taken

    def supply(self, first: int, end: int, frames: dict[int, int]) -> None:
        """Replace the range by *frames*, as `take` has answered them."""
        self.changed(first, end)
        self._drop(self.present(first, end))
        for page, frame in frames.items():
            self.pages[first + page] = frame
            self.zero_mapped.discard(first + page)

    def snapshot(self, kind: int, first: int, end: int, *, one_way: bool = False) -> PageList:
        """A child that shows the range, of a ZX_VMO_CHILD_SNAPSHOT* *kind*; all are one here.

        Errors, in order: those of `check_reach`; NOT_SUPPORTED *one_way*, where nothing here may change by it; BAD_STATE pinned.
        """
        self.check_reach(end)
        if one_way:
            raise ZxError(Status.NOT_SUPPORTED)
        self.check_unpinned()
        return self.clone(first, end)

    def hint(self, first: int, end: int, *, needed: bool) -> None:
        """Of interest to pagers only."""

    def clone(self, first: int, end: int) -> PageList:
        """A snapshot of the range. Both lists own its frames from now on, and neither may write them."""
        child = PageList(self.memory, (end - first) << PAGE_SHIFT, self.family)
        child.offset = self.offset + first
        self._share(child, first, end)
        return child

    def _share(self, child: PageList, first: int, end: int) -> None:
        owners = self.family.owners
        for page in self.present(first, end):
            frame = self.pages[page]
            child.pages[page - first] = frame
            owners[frame] = owners.get(frame, 1) + 1
        if child.pages:
            self.write_protect(first, end)

    def destroy(self) -> None:
        """Own nothing any more. The last view is gone."""
        for frame in self.pages.values():
            self._release(frame)
        self.pages.clear()
        self.family.members -= 1

    # Mappings

    @property
    def kept(self) -> bool:
        """Whether nothing of it is to be taken back, since a region that says so shows it."""
        return any(
            mapping.parent is not None and mapping.parent.keeps
            for view in self.views
            for mapping in view.mappings
        )

    def write_protect(self, first: int, end: int) -> None:
        """Before the range is written through a mapping, it is to be asked for again."""
        for view in self.views:
            for mapping in view.mappings:
                mapping.write_protect(first, end)

    def changed(self, first: int, end: int, faulting: VmMapping | None = None) -> None:
        """The range's frames are about to change: no mapping but *faulting* may show the old ones on."""
        for view in self.views:
            for mapping in view.mappings:
                if mapping is not faulting:
                    mapping.forget(first, end)

    # Accounting

    @property
    def metadata_bytes(self) -> int:
        """What today's kernel would need to keep track of the pages."""
        return _NODE_BYTES * len({page >> _NODE_SHIFT for page in self.pages})

    def attribution(self, first: int, end: int) -> Attribution:
        pages, owners = self.pages, self.family.owners
        frames: Iterable[int]
        if first <= 0 and end >= self.size >> PAGE_SHIFT:
            frames, count = pages.values(), len(pages)
        else:
            frames = [pages[page] for page in self.present(first, end)]
            count = len(frames)
        committed = count << PAGE_SHIFT
        if not owners:
            return Attribution(committed, committed, Fraction(committed))
        by_owners: dict[int, int] = {}
        for frame in frames:
            sharing = owners.get(frame, 1)
            by_owners[sharing] = by_owners.get(sharing, 0) + 1
        scaled = sum(
            (Fraction(pages_ << PAGE_SHIFT, sharing) for sharing, pages_ in by_owners.items()), Fraction(0)
        )
        return Attribution(committed, by_owners.get(1, 0) << PAGE_SHIFT, scaled)


class StreamSize:
    """How many bytes of a VMO are content. A VMO and its references have one in common."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size


class VmObjectDispatcher(SoloDispatcher):
    """A VMO. Offsets and sizes are bytes.

    Whoever makes one gives it to a handle, or takes a reference with `acquire`; it ends when the last of both
    goes.
    """

    TYPE = ZX_OBJ_TYPE_VMO
    DEFAULT_RIGHTS = ZX_DEFAULT_VMO_RIGHTS

    __slots__ = (
        "_name",
        "aspaces",
        "cache_policy",
        "children",
        "discardable",
        "immutable",
        "limit",
        "lock_count",
        "mappings",
        "pages",
        "parent",
        "reference",
        "references",
        "resizable",
        "slice",
        "start",
        "stream",
        "vdso_code",
    )

    def __init__(self, kernel: Kernel, pages: PageList, name: bytes = b"") -> None:
        super().__init__(kernel, ZX_VMO_ZERO_CHILDREN)
        self._name = name
        self.pages = pages
        pages.views[self] = None
        self.start = 0  # where this view begins in the page list
        self.limit = UINT64_MAX  # how far it reaches from there; slices only
        self.resizable = False
        self.discardable = False
        self.slice = False
        self.reference = False  # slices included, as in the kernel
        self.immutable = False
        self.parent: VmObjectDispatcher | None = None
        self.children: dict[VmObjectDispatcher, None] = {}
        self.references = 0  # mappings and whoever called acquire()
        self.mappings: dict[VmMapping, None] = {}
        self.aspaces: dict[VmAspace, int] = {}  # aspaces that map it, with how often
        self.stream: StreamSize | None = None  # None while it is the size of the VMO
        self.cache_policy = ZX_CACHE_POLICY_CACHED
        self.lock_count = 0
        # (offset, size) of the code, where this is the vDSO's image: see VmAspace.vdso_code.
        self.vdso_code: tuple[int, int] | None = None

    @classmethod
    def create(cls, kernel: Kernel, size: int, options: int = 0, name: bytes = b"") -> VmObjectDispatcher:
        """A VMO of *size* bytes, all zero, nothing committed. *options* are ZX_VMO_*.

        Errors, in order: INVALID_ARGS resizable and unbounded; OUT_OF_RANGE size; INVALID_ARGS unknown
        options; OUT_OF_RANGE content larger than an unbounded VMO.
        """
        if options & ZX_VMO_RESIZABLE and options & ZX_VMO_UNBOUNDED:
            raise ZxError(Status.INVALID_ARGS)
        rounded = MAX_SIZE if options & ZX_VMO_UNBOUNDED else round_size(size)
        if options & ~(ZX_VMO_RESIZABLE | ZX_VMO_DISCARDABLE | ZX_VMO_UNBOUNDED):
            raise ZxError(Status.INVALID_ARGS)
        if size > rounded:
            raise ZxError(Status.OUT_OF_RANGE)
        vmo = cls(kernel, PageList(kernel.memory, rounded, CloneFamily()), name)
        vmo.resizable = bool(options & ZX_VMO_RESIZABLE)
        vmo.discardable = bool(options & ZX_VMO_DISCARDABLE)
        vmo.start_stream(size)
        return vmo

    @classmethod
    def create_contiguous(cls, kernel: Kernel, size: int, alignment: int) -> VmObjectDispatcher:
        """A VMO of *size* bytes, whole pages, which lie one after the other in physical memory, the first one at a multiple of
        *alignment*, a power of two. They are committed and stay so. Errors, in order: OUT_OF_RANGE size; NO_MEMORY.
        """
        rounded = round_size(size)
        count = rounded >> PAGE_SHIFT
        if not kernel.memory.make_room(count):
            raise ZxError(Status.NO_MEMORY)
        vmo = cls(kernel, PageList(kernel.memory, rounded, CloneFamily()))
        try:
            first = kernel.memory.allocate_run(count, alignment >> PAGE_SHIFT)
        except OutOfMemory:
            raise ZxError(Status.NO_MEMORY) from None
        vmo.pages.contiguous = True
        vmo.pages.pages = {page: first + page for page in range(count)}
        return vmo

    @property
    def name(self) -> bytes:
        return self._name

    @name.setter
    def name(self, value: bytes) -> None:
        self._name = value

    @property
    def initial_rights(self) -> int:
        """The rights of the first handle to a new VMO."""
        return self.DEFAULT_RIGHTS | (ZX_RIGHT_RESIZE if self.resizable else 0)

    # Lifetime

    def acquire(self) -> None:
        """Keep the VMO without a handle, until `release`."""
        self.references += 1

    def release(self) -> None:
        self.references -= 1
        if not self.references and not self.handle_count:
            self._destroy()

    def on_zero_handles(self) -> None:
        if not self.references:
            self._destroy()

    def _destroy(self) -> None:
        parent = self.parent
        for child in self.children:
            child.parent = parent
            if parent is not None:
                parent.children[child] = None
        self.children.clear()
        self.kernel.reclaimer.locked.pop(self, None)
        self.kernel.reclaimer.unlocked.pop(self, None)
        if parent is not None:
            self.parent = None
            parent._remove_child(self)
        del self.pages.views[self]
        if not self.pages.views:
            self.pages.destroy()

    def _add_child(self, child: VmObjectDispatcher) -> None:
        child.parent = self
        self.children[child] = None
        self.update_signals(ZX_VMO_ZERO_CHILDREN, 0)

    def _remove_child(self, child: VmObjectDispatcher) -> None:
        del self.children[child]
        if not self.children:
            self.update_signals(0, ZX_VMO_ZERO_CHILDREN)

    def add_mapping(self, mapping: VmMapping) -> None:
        self.references += 1
        self.mappings[mapping] = None
        self.aspaces[mapping.aspace] = self.aspaces.get(mapping.aspace, 0) + 1

    def remove_mapping(self, mapping: VmMapping) -> None:
        del self.mappings[mapping]
        left = self.aspaces[mapping.aspace] - 1
        if left:
            self.aspaces[mapping.aspace] = left
        else:
            del self.aspaces[mapping.aspace]
        if not any(view.mappings for view in self.pages.views):
            self.pages.zero_mapped.clear()
        self.release()

    # Size

    @property
    def size(self) -> int:
        return min(self.pages.size, self.limit)

    def start_stream(self, size: int) -> None:
        """Of a new VMO *size* bytes are content."""
        if size != self.size:
            self.stream = StreamSize(size)

    @property
    def stream_size(self) -> int:
        """How many bytes are content; ZX_PROP_VMO_CONTENT_SIZE."""
        if self.pages.contiguous:
            return 0
        return self.size if self.stream is None else self.stream.size

    def keep_stream(self) -> StreamSize:
        """The stream size as an object of its own, from now on independent of the VMO's size."""
        if self.stream is None:
            self.stream = StreamSize(self.size)
        return self.stream

    def fault_limit(self, beyond_stream: bool) -> int:
        """Up to which offset a mapping can be touched; with *beyond_stream*, to the end of the last page of
        content.
        """
        if beyond_stream and self.stream is not None:
            return min(self.size, round_up(self.stream.size))
        size = self.pages.size  # `self.size`, for speed: it is asked for at every fault
        return size if size < self.limit else self.limit

    def set_size(self, size: int) -> None:
        """Grow or shrink, and let all of it be content.

        Errors, in order: UNAVAILABLE contiguous; OUT_OF_RANGE beyond 64 bits; UNAVAILABLE not resizable; OUT_OF_RANGE too large;
        those of `PageList.check_reach`; BAD_STATE pinned pages that would go.
        """
        if self.pages.contiguous:
            raise ZxError(Status.UNAVAILABLE)
        rounded = round_up(size)
        if rounded > UINT64_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        if not self.resizable:
            raise ZxError(Status.UNAVAILABLE)
        if rounded > MAX_SIZE:
            raise ZxError(Status.OUT_OF_RANGE)
        self.pages.check_reach(rounded >> PAGE_SHIFT)
        self.pages.check_unpinned(rounded >> PAGE_SHIFT)
        stream = self.keep_stream()
        self.pages.resize(rounded)
        stream.size = min(stream.size, rounded)  # what follows may have to wait for a pager, perhaps in vain
        self._zero(size, rounded - size)
        stream.size = size

    def set_stream_size(self, size: int) -> None:
        """Say how many bytes are content; everything behind them, and all new ones, become zero.

        Errors, in order: NOT_SUPPORTED contiguous, which has no content to speak of; OUT_OF_RANGE beyond the VMO.
        """
        if self.pages.contiguous:
            raise ZxError(Status.NOT_SUPPORTED)
        stream = self.keep_stream()
        old = stream.size
        if size == old:
            return
        vmo_size = self.size
        if size > vmo_size:
            raise ZxError(Status.OUT_OF_RANGE)
        start = min(size, old)
        self._zero(start, round_up(size) - start)
        first = self.start + round_up(size)
        self.pages.remove_untracked(first >> PAGE_SHIFT, (self.start + vmo_size) >> PAGE_SHIFT)
        stream.size = size
        self.pages.changed((self.start + start) >> PAGE_SHIFT, (self.start + vmo_size) >> PAGE_SHIFT)

    # Contents

    def check_access(self, offset: int, size: int) -> None:
        """Whether `read` and `write` would take the range. In order: OUT_OF_RANGE overflow; BAD_STATE not
        cached; OUT_OF_RANGE.
        """
        if offset + size > UINT64_MAX:
            raise ZxError(Status.OUT_OF_RANGE)
        if self.cache_policy != ZX_CACHE_POLICY_CACHED:
            raise ZxError(Status.BAD_STATE)
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)

    def readable(self, offset: int, size: int) -> tuple[int, PageNeeded | None]:
        """How many bytes of a range can be read without waiting, and what the next ones wait for."""
        return self._ready(self.pages.prepare_read, offset, size)

    def writable(self, offset: int, size: int) -> tuple[int, PageNeeded | None]:
        """How many bytes of a range can be written without waiting, and what the next ones wait for."""
        return self._ready(self.pages.prepare_write, offset, size)

    def _ready(
        self, prepare: Callable[[int, int], None], offset: int, size: int
    ) -> tuple[int, PageNeeded | None]:
        at = self.start + offset
        try:
            prepare(at >> PAGE_SHIFT, round_up(at + size) >> PAGE_SHIFT)
        except PageNeeded as need:
            return max(0, (self.pages.page_of(need) << PAGE_SHIFT) - at), need
        return size, None

    def read(self, offset: int, size: int) -> bytes:
        """Errors: those of check_access; PageNeeded. Commits nothing."""
        self.check_access(offset, size)
        at = self.start + offset
        if self.pages.special:
            return self._read_special(at, size)
        pages, memory = self.pages.pages, self.pages.memory
        if (at & PAGE_MASK) + size <= PAGE_SIZE:
            frame = pages.get(at >> PAGE_SHIFT)
            return bytes(size) if frame is None else memory.read(frame, at & PAGE_MASK, size)
        data = bytearray(size)
        view = memory.view
        done = 0
        while done < size:
            inside = at & PAGE_MASK
            count = min(PAGE_SIZE - inside, size - done)
            frame = pages.get(at >> PAGE_SHIFT)
            if frame is not None:
                place = (frame << PAGE_SHIFT) + inside
                data[done : done + count] = view[place : place + count]
            done += count
            at += count
        return bytes(data)

    def _read_special(self, at: int, size: int) -> bytes:
        pages = self.pages
        view = pages.memory.view
        pages.prepare_read(at >> PAGE_SHIFT, round_up(at + size) >> PAGE_SHIFT)
        data = bytearray(size)
        done = 0
        while done < size:
            inside = at & PAGE_MASK
            count = min(PAGE_SIZE - inside, size - done)
            frame, _ = pages.frame_for_read(at >> PAGE_SHIFT)
            if frame is not None:
                place = (frame << PAGE_SHIFT) + inside
                data[done : done + count] = view[place : place + count]
            done += count
            at += count
        return bytes(data)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Errors: those of check_access; PageNeeded; NO_MEMORY, which leaves the pages before it written."""
        size = len(data)
        self.check_access(offset, size)
        at = self.start + offset
        pages = self.pages
        if pages.special:
            pages.prepare_write(at >> PAGE_SHIFT, round_up(at + size) >> PAGE_SHIFT)
        write = pages.memory.write
        done = 0
        while done < size:
            inside = at & PAGE_MASK
            count = min(PAGE_SIZE - inside, size - done)
            write(pages.frame_for_write(at >> PAGE_SHIFT), inside, data[done : done + count])
            done += count
            at += count

    def _page_range(self, offset: int, size: int) -> tuple[int, int]:
        """The pages that a range touches, in the page list."""
        return (self.start + offset) >> PAGE_SHIFT, (self.start + round_up(offset + size)) >> PAGE_SHIFT

    def _whole_pages(self, offset: int, size: int) -> tuple[int, int]:
        """The pages that a range touches, of a range that must lie in the VMO: OUT_OF_RANGE."""
        if round_up(offset + size) > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        return self._page_range(offset, size)

    def pin(self, offset: int, size: int, *, write: bool = True) -> list[int]:
        """Commit whole pages, and keep them and the VMO until `unpin` of the same range.

        To *write* makes a pager's pages dirty. Answers their frames. Errors, in order: OUT_OF_RANGE; PageNeeded, NO_MEMORY.
        """
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        pin = self.pages.pin if write else self.pages.pin_to_look
        frames = pin(*self._page_range(offset, size))
        self.acquire()
        return frames

    def unpin(self, offset: int, size: int) -> None:
        self.pages.unpin(*self._page_range(offset, size))
        self.release()

    def window(self) -> memoryview:
        """All its pages, for the host to look at. They keep their frames, and the VMO stays, until the view is gone.

        Pages of a pager's VMO and of its clones are supplied as for a read: PageNeeded. Errors, in order: BAD_STATE where a page
        of another VMO is not committed; NO_MEMORY for one that a snapshot shares. OSError as the memory's own.
        """
        size = self.size
        first, end = self._page_range(0, size)
        if not self.pages.PAGER_BACKED and len(self.pages.present(first, end)) < end - first:
            raise ZxError(Status.BAD_STATE)
        if not size:
            return memoryview(b"")
        frames = self.pages.pin_to_look(first, end)
        self.acquire()
        try:
            window = self.pages.memory.window(frames)
        except OSError:
            self.unpin(0, size)
            raise
        weakref.finalize(window, self.unpin, 0, size).atexit = False
        return memoryview(window).toreadonly()

    def commit(self, offset: int, size: int) -> None:
        """Give the pages of the range frames of their own: OUT_OF_RANGE, NO_MEMORY."""
        first, end = self._whole_pages(offset, size)
        self.pages.commit(first, end)

    def decommit(self, offset: int, size: int) -> None:
        """Make the pages of the range zero, and free them.

        Errors, in order: OUT_OF_RANGE; NOT_SUPPORTED a VMO that is, or has, a snapshot, or is contiguous; INVALID_ARGS not
        whole pages; BAD_STATE pinned.
        """
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        if not size:
            return
        if self.pages.has_relatives or self.pages.contiguous:
            raise ZxError(Status.NOT_SUPPORTED)
        if (offset | size) & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        first, end = self._page_range(offset, size)
        self.pages.check_unpinned(first, end)
        self.pages.remove(first, end)

    def zero(self, offset: int, size: int) -> None:
        """Make the range zero; whole pages of it are freed: OUT_OF_RANGE; BAD_STATE parts of pages, not
        cached; NOT_FOUND discarded; PageNeeded; NO_MEMORY.
        """
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        if (offset | size) & PAGE_MASK and self.cache_policy != ZX_CACHE_POLICY_CACHED:
            raise ZxError(Status.BAD_STATE)
        self.pages.check_present()
        self._zero(offset, size)

    def _zero(self, offset: int, size: int) -> None:
        at, end = self.start + offset, self.start + offset + size
        first_whole, end_whole = round_up(at) >> PAGE_SHIFT, end >> PAGE_SHIFT
        if first_whole > end_whole:  # inside one page
            self._zero_part(at, end - at)
            return
        self._zero_part(at, (first_whole << PAGE_SHIFT) - at)
        self._zero_part(end_whole << PAGE_SHIFT, end & PAGE_MASK)
        self.pages.remove(first_whole, end_whole)

    def _zero_part(self, at: int, size: int) -> None:
        if not size:
            return
        pages, page = self.pages, at >> PAGE_SHIFT
        if page in pages.pages or (pages.special and pages.frame_for_read(page)[0] is not None):
            self.pages.memory.write(self.pages.frame_for_write(at >> PAGE_SHIFT), at & PAGE_MASK, bytes(size))

    def prefetch(self, offset: int, size: int) -> None:
        """Have the range supplied, where there is a pager: OUT_OF_RANGE, PageNeeded."""
        self.pages.prepare_read(*self._whole_pages(offset, size))

    def hint(self, offset: int, size: int, *, needed: bool) -> None:
        """The range is always needed, and is to be supplied now; or it is not needed any more. Only pagers' VMOs
        and their clones care: OUT_OF_RANGE, PageNeeded; that a pager fails is no error.
        """
        if not self.pages.PAGER_BACKED:
            return
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        self.pages.hint(*self._page_range(offset, size), needed=needed)

    def cache_op(self, offset: int, size: int) -> None:
        """Caches are coherent here, so the range is merely checked: INVALID_ARGS empty, OUT_OF_RANGE."""
        if not size:
            raise ZxError(Status.INVALID_ARGS)
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)

    def transfer(self, offset: int, source: VmObjectDispatcher, source_offset: int, size: int) -> None:
        """Move whole pages from *source* to here; its range is zero then.

        Errors, in order: of *source*, then of this VMO those of `_check_movable`; PageNeeded a clone of a pager's
        VMO; NO_MEMORY.
        """
        source._check_movable(source_offset, size)
        self._check_movable(offset, size)
        self.pages.supply(*self._page_range(offset, size), source.take(source_offset, size))

    def take(self, offset: int, size: int) -> dict[int, int]:
        """Take whole pages out, as `PageList.take` does.

        Errors, in order: those of `_check_movable`; PageNeeded a clone of a pager's VMO; NO_MEMORY.
        """
        self._check_movable(offset, size)
        return self.pages.take(*self._page_range(offset, size))

    def _check_movable(self, offset: int, size: int) -> None:
        """Whether pages can be moved. In order: OUT_OF_RANGE; NOT_SUPPORTED a pager's VMO; BAD_STATE pinned."""
        if offset + size > self.size:
            raise ZxError(Status.OUT_OF_RANGE)
        self.pages.check_movable()
        self.pages.check_unpinned(*self._page_range(offset, size))

    # Locking of discardable VMOs. One that was never locked is safe as well.

    def lock(self, offset: int, size: int) -> bool:
        """Keep the contents until `unlock`. Answers whether they were gone; they are zeroes then.

        Errors, in order: NOT_SUPPORTED not discardable; OUT_OF_RANGE not the whole VMO.
        """
        self._check_lock(offset, size)
        self.lock_count += 1
        self.kernel.reclaimer.locked[self] = None
        self.kernel.reclaimer.unlocked.pop(self, None)
        discarded, self.pages.discarded = self.pages.discarded, False
        self.pages.special = False
        return discarded

    def try_lock(self, offset: int, size: int) -> None:
        """Errors, in order: those of lock; UNAVAILABLE the contents are gone."""
        self._check_lock(offset, size)
        if self.pages.discarded:
            raise ZxError(Status.UNAVAILABLE)
        self.lock(offset, size)

    def unlock(self, offset: int, size: int) -> None:
        """Errors, in order: those of lock; BAD_STATE not locked."""
        self._check_lock(offset, size)
        if not self.lock_count:
            raise ZxError(Status.BAD_STATE)
        self.lock_count -= 1
        if not self.lock_count:
            del self.kernel.reclaimer.locked[self]
            self.kernel.reclaimer.unlocked[self] = None

    def discard(self) -> None:
        """Give up the contents of a VMO that is not locked, unless that frees nothing or they are in use."""
        pages = self.pages
        if not pages.pages or pages.pinned or pages.kept:
            return
        pages.remove(0, pages.size >> PAGE_SHIFT)
        pages.discarded = pages.special = True
        pages.reclaims += 1
        del self.kernel.reclaimer.unlocked[self]

    def _check_lock(self, offset: int, size: int) -> None:
        if not self.discardable:
            raise ZxError(Status.NOT_SUPPORTED)
        if offset != 0 or size != self.size:
            raise ZxError(Status.OUT_OF_RANGE)

    def set_cache_policy(self, policy: int) -> None:
        """Errors, in order: INVALID_ARGS; BAD_STATE with mappings, children or a parent, a reference, pinned, or any other policy
        than CACHED for memory that may be taken back: discardable or a pager's.
        """
        if policy & ~ZX_CACHE_POLICY_MASK:
            raise ZxError(Status.INVALID_ARGS)
        if (
            self.mappings
            or self.children
            or self.parent is not None
            or self.reference
            or self.pages.pinned
            or (policy != ZX_CACHE_POLICY_CACHED and (self.discardable or self.pages.PAGER_BACKED))
        ):
            raise ZxError(Status.BAD_STATE)
        self.cache_policy = policy

    # Children

    def create_child(self, options: int, offset: int, size: int, *, copy_name: bool) -> VmObjectDispatcher:
        """A child as ZX_VMO_CHILD_* *options* say, of *size* bytes; without NO_WRITE, which concerns its
        handle alone.

        Errors, in order: OUT_OF_RANGE size; NOT_SUPPORTED discardable; INVALID_ARGS options; then by type.
        Slice: INVALID_ARGS offset or beyond this VMO; NOT_SUPPORTED resizable; BAD_STATE not cached, unless contiguous.
        Reference: INVALID_ARGS a range; NOT_SUPPORTED of a slice, contiguous, or resizable of one that is not; BAD_STATE
        not cached. Snapshots, all three kinds of which are full ones here unless a pager is behind them:
        INVALID_ARGS contiguous, offset; OUT_OF_RANGE; BAD_STATE not cached; those of `PageList.snapshot`, which is to change
        nothing in a slice.
        """
        rounded = round_size(size)
        if self.discardable:
            raise ZxError(Status.NOT_SUPPORTED)
        if options & ZX_VMO_CHILD_SLICE:
            if options != ZX_VMO_CHILD_SLICE:
                raise ZxError(Status.INVALID_ARGS)
            child = self._create_slice(offset, rounded)
        elif options & ZX_VMO_CHILD_REFERENCE:
            if options & ~(ZX_VMO_CHILD_REFERENCE | ZX_VMO_CHILD_RESIZABLE):
                raise ZxError(Status.INVALID_ARGS)
            child = self._create_reference(offset, rounded, bool(options & ZX_VMO_CHILD_RESIZABLE))
        else:
            kind = options & ~ZX_VMO_CHILD_RESIZABLE
            if kind & (kind - 1) or not kind & _SNAPSHOTS:
                raise ZxError(Status.INVALID_ARGS)
            child = self._create_snapshot(kind, offset, rounded)
            child.resizable = bool(options & ZX_VMO_CHILD_RESIZABLE)
        if child.reference and not child.slice:
            child.stream = self.keep_stream()
        else:
            child.start_stream(size)
        if copy_name:
            child._name = self._name
        self._add_child(child)
        return child

    def _create_slice(self, offset: int, size: int) -> VmObjectDispatcher:
        if offset & PAGE_MASK or offset + size > self.size:
            raise ZxError(Status.INVALID_ARGS)
        if self.resizable:
            raise ZxError(Status.NOT_SUPPORTED)
        if not self.pages.contiguous:
            self._check_cached()
        child = VmObjectDispatcher(self.kernel, self.pages)
        child.cache_policy = self.cache_policy
        child.start = self.start + offset
        child.limit = size
        child.slice = child.reference = True
        return child

    def _create_reference(self, offset: int, size: int, resizable: bool) -> VmObjectDispatcher:
        if offset or size:
            raise ZxError(Status.INVALID_ARGS)
        if self.slice or self.pages.contiguous or (resizable and not self.resizable):
            raise ZxError(Status.NOT_SUPPORTED)
        self._check_cached()
        child = VmObjectDispatcher(self.kernel, self.pages)
        child.reference = True
        # What shares its pages with a VMO that can change its size changes with it, whatever was asked for.
        child.resizable = self.resizable
        return child

    def _create_snapshot(self, kind: int, offset: int, size: int) -> VmObjectDispatcher:
        if self.pages.contiguous or offset & PAGE_MASK:
            raise ZxError(Status.INVALID_ARGS)
        if offset + size > (self.limit if self.slice else UINT64_MAX):
            raise ZxError(Status.OUT_OF_RANGE)
        self._check_cached()
        pages = self.pages.snapshot(kind, *self._page_range(offset, size), one_way=self.slice)
        return VmObjectDispatcher(self.kernel, pages)

    def _check_cached(self) -> None:
        if self.cache_policy != ZX_CACHE_POLICY_CACHED:
            raise ZxError(Status.BAD_STATE)

    # What information topics show

    @property
    def parent_koid(self) -> int:
        """0 without a parent."""
        return 0 if self.parent is None else self.parent.koid

    @property
    def share_count(self) -> int:
        """How many aspaces map it, at least 1."""
        return max(1, len(self.aspaces))

    @property
    def info_flags(self) -> int:
        """ZX_INFO_VMO_*, without those that say where the VMO was found."""
        flags = ZX_INFO_VMO_TYPE_PAGED
        if self.resizable:
            flags |= ZX_INFO_VMO_RESIZABLE
        if self.discardable:
            flags |= ZX_INFO_VMO_DISCARDABLE
        if self.pages.contiguous:
            flags |= ZX_INFO_VMO_CONTIGUOUS
        if self.immutable:
            flags |= ZX_INFO_VMO_IMMUTABLE
        if self.parent is not None and not self.reference:
            flags |= ZX_INFO_VMO_IS_COW_CLONE
        if self.pages.PAGER_BACKED:
            flags |= ZX_INFO_VMO_PAGER_BACKED
        return flags

    def attribution(self, offset: int = 0, size: int = UINT64_MAX) -> Attribution:
        """The memory behind a range. References and slices have none: it is their parent's."""
        if self.reference or offset >= self.size:
            return NOTHING
        first, end = self._page_range(offset, min(size, self.size - offset))
        return self.pages.attribution(first, end)

    def info(self, handle_rights: int = 0, found: int = 0) -> zx_info_vmo_t:
        """ZX_INFO_VMO. *found* is ZX_INFO_VMO_VIA_*: by what way the VMO was found."""
        memory = self.attribution()
        return zx_info_vmo_t(
            koid=self.koid,
            name=self._name,
            size_bytes=self.size,
            parent_koid=self.parent_koid,
            num_children=len(self.children),
            num_mappings=len(self.mappings),
            share_count=self.share_count,
            flags=self.info_flags | found,
            committed_bytes=memory.committed,
            handle_rights=handle_rights,
            cache_policy=self.cache_policy,
            populated_bytes=memory.committed,
            metadata_bytes=self.pages.metadata_bytes,
            committed_change_events=self.pages.reclaims,
            committed_private_bytes=memory.private,
            populated_private_bytes=memory.private,
            committed_scaled_bytes=memory.scaled_bytes,
            populated_scaled_bytes=memory.scaled_bytes,
            committed_fractional_scaled_bytes=memory.scaled_fraction,
            populated_fractional_scaled_bytes=memory.scaled_fraction,
        )
