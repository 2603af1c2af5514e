"""The pages of a pager's VMO, and of its clones.

    PagerPages <--parent-- ClonePages        a clone shows its parent's page until it has one of its own
         |                     |
    PageSource             CloneFamily       clones of clones share what was written before they were made

Of each page of a pager's VMO the kernel knows one of the `Content`s. What it knows nothing of was never
supplied, or is no longer there: whoever touches it waits for the pager. A page is written in place only while
it is DIRTY; every other one is mapped read-only, so that the first write is noticed.

Source: zircon/kernel/vm/vm_cow_pages.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from jacinth.abi import (
    ZX_PAGER_VMO_DIRTY,
    ZX_PAGER_VMO_READ,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.vm.page_source import PageNeeded, PageSource
from jacinth.kernel.vm.ranges import RangeMap
from jacinth.kernel.vm.reclaim import CleanPages, Reclaimer
from jacinth.kernel.vm.vmo import PAGE_SHIFT, PAGE_SIZE, CloneFamily, PageList

if TYPE_CHECKING:
    from jacinth.kernel.vm.vmar import VmMapping
    from jacinth.machine.memory import PhysicalMemory

# What is known of a page: Content.
CLEAN: Final = 1  # it has a frame, with what the pager has
DIRTY: Final = 2  # it has a frame, which was written to
AWAITING: Final = 3  # it has a frame, which the pager is writing back
ZERO_CLEAN: Final = 4  # the pager has supplied zeroes
ZERO_DIRTY: Final = 5  # it was made zero here
ZERO_AWAITING: Final = 6  # the same, and the pager is writing that back
ZERO_UNTRACKED: Final = 7  # behind the content: zeroes that nobody needs to write back

_WITH_FRAME: Final = (CLEAN, DIRTY, AWAITING)
# What zeroes are when they have got a frame.
_COMMITTED: Final = {ZERO_CLEAN: CLEAN, ZERO_DIRTY: DIRTY, ZERO_AWAITING: AWAITING, ZERO_UNTRACKED: DIRTY}
_DIRTY_ZERO: Final = (ZERO_DIRTY, ZERO_AWAITING)


class DirtyRange(NamedTuple):
    """Pages [*first*, *end*) that differ from what the pager has; *zero* where they are not committed."""

    first: int
    end: int
    zero: bool


class PagerPages(PageList):
    """The pages of a VMO that *source* supplies."""

    PAGER_BACKED = True

    __slots__ = ("_always_needed", "_reclaimer", "_unneeded", "clones", "content", "modified", "source")

    def __init__(self, reclaimer: Reclaimer, memory: PhysicalMemory, size: int, source: PageSource) -> None:
        super().__init__(memory, size, CloneFamily())
        reclaimer.paged[self] = None
        self._reclaimer = reclaimer
        self.special = True
        self.source = source
        self.content: RangeMap[int] = RangeMap()
        self.clones: dict[ClonePages, None] = {}
        self.modified = False  # since the pager has asked last
        self._always_needed: RangeMap[bool] = RangeMap()
        # Clean pages that somebody has said are not needed, and that nobody has touched since. None of them is mapped.
        self._unneeded: set[int] = set()

    @property
    def has_relatives(self) -> bool:
        return True  # an absent page is not a zero one

    def check_movable(self) -> None:
        raise ZxError(Status.NOT_SUPPORTED)

    # Access

    def frame_for_read(self, page: int) -> tuple[int | None, bool]:
        """Errors: PageNeeded."""
        frame = self.pages.get(page)
        if frame is None:
            if self.content.get(page) is None:
                raise PageNeeded(self.source, ZX_PAGER_VMO_READ, page, page + 1)
            return None, False
        if self._unneeded:
            self._unneeded.discard(page)
        return frame, self.content.get(page) == DIRTY

    def frame_for_write(self, page: int, faulting: VmMapping | None = None) -> int:
        """Errors: PageNeeded, NO_MEMORY."""
        content = self.content.get(page)
        if content != DIRTY:
            self.prepare_write(page, page + 1)
            if content not in _WITH_FRAME:
                frame = self.allocate()
                self.changed(page, page + 1, faulting)
                self.pages[page] = frame
            self.content.set(page, page + 1, DIRTY)
            self._unneeded.discard(page)
        self.modified = True
        return self.pages[page]

    def prepare_read(self, first: int, end: int) -> None:
        """Whether all pages of the range are there: PageNeeded for the first ones that are not."""
        for start, stop, content in self.content.runs(first, end):
            if content is None:
                raise PageNeeded(self.source, ZX_PAGER_VMO_READ, start, stop)

    def prepare_write(self, first: int, end: int) -> None:
        """Whether all pages of the range may be written: PageNeeded for the first ones that may not."""
        refused: int | None = None
        for start, stop, content in self.content.runs(first, end):
            if content is None:
                if refused is not None:
                    raise PageNeeded(self.source, ZX_PAGER_VMO_DIRTY, refused, start)
                raise PageNeeded(self.source, ZX_PAGER_VMO_READ, start, stop)
            if content == DIRTY:
                if refused is not None:
                    raise PageNeeded(self.source, ZX_PAGER_VMO_DIRTY, refused, start)
            elif refused is None and self.source.trap_dirty:
                refused = start
        if refused is not None:
            raise PageNeeded(self.source, ZX_PAGER_VMO_DIRTY, refused, end)

    def page_of(self, need: PageNeeded) -> int:
        return need.first

    def commit(self, first: int, end: int) -> None:
        """Have the whole range supplied, and give zeroes frames. Those that the pager is to write back become dirty by
        that, as by a write. Errors: PageNeeded; NO_MEMORY, and then nothing is committed.
        """
        self.prepare_read(first, end)
        zeroes = self._zeroes(first, end)
        dirty = [(low, high) for low, high in zeroes if self.content.get(low) != ZERO_CLEAN]
        for low, high in dirty:
            self.prepare_write(low, high)
        self.check_memory(sum(high - low for low, high in zeroes))
        for low, high in zeroes:
            for page in range(low, high):
                self._commit_as_it_is(page)
        for low, high in dirty:
            self.content.set(low, high, DIRTY)

    # Changes from this side

    def _forget_pages(self, first: int, end: int) -> None:
        self._drop([page for page in self.present(first, end) if page not in self.pinned])

    def remove(self, first: int, end: int) -> None:
        """Make the range zeroes. The pager is to write them back, and need not supply them any more.

        Errors: PageNeeded where a page is pinned, so that it has to be written to.
        """
        for page in sorted(page for page in self.pinned if first <= page < end):
            self.prepare_write(page, page + 1)
        self._zero(first, end, ZERO_DIRTY)

    def remove_untracked(self, first: int, end: int) -> None:
        """The same behind the content: nobody needs to write that back."""
        self._zero(first, end, ZERO_UNTRACKED)

    def _zero(self, first: int, end: int, kind: int) -> None:
        if first >= end:
            return
        self.modified = True
        self.changed(first, end)
        for start, stop, content in self.content.runs(first, end):
            if kind == ZERO_DIRTY and content in (ZERO_CLEAN, ZERO_DIRTY, ZERO_AWAITING):
                continue
            self._forget_pages(start, stop)
            self.content.set(start, stop, kind)
            for page in self.pinned:  # what is left of the range: its frames keep their places
                if start <= page < stop:
                    self.memory.write(self.pages[page], 0, bytes(PAGE_SIZE))
                    self.content.set(page, page + 1, DIRTY)
            if content is None:
                self.source.supplied(start, stop)

    def resize(self, size: int) -> None:
        """Change the size. What is new is zero and dirty; who waits for what is cut off finds it gone."""
        old, new = self.size >> PAGE_SHIFT, size >> PAGE_SHIFT
        super().resize(size)
        self.modified = True
        if new > old:
            self.content.set(old, new, ZERO_DIRTY)
            return
        self.content.set(new, old, None)
        for clone in self.clones:
            clone.limit = min(clone.limit, max(0, new - clone.offset))
        self.source.supplied(new, old)
        self.source.dirtied(new, old)

    # The pager's side

    def supply_pages(self, first: int, end: int, frames: dict[int, int]) -> None:
        """Put *frames*, as `take` has answered them, where nothing is yet; the others are freed.

        Errors, in order: OUT_OF_RANGE; BAD_STATE detached.
        """
        try:
            self._check_range(first, end)
            self._check_attached()
        except ZxError:
            for frame in frames.values():
                self.memory.free(frame)
            raise
        missing = [(low, high) for low, high, content in self.content.runs(first, end) if content is None]
        for low, high in missing:
            self.changed(low, high)
            self.content.set(low, high, ZERO_CLEAN)
            if self._unneeded:
                self._unneeded.difference_update(range(low, high))
        for page, frame in frames.items():
            page += first
            if self.content.get(page) == ZERO_CLEAN and page not in self.pages and _within(page, missing):
                self.pages[page] = frame
                self.content.set(page, page + 1, CLEAN)
            else:
                self.memory.free(frame)
        for low, high in missing:
            self.source.supplied(low, high)

    def fail(self, first: int, end: int, status: Status) -> None:
        """Let who waits for pages of the range fail with *status*: OUT_OF_RANGE; BAD_STATE detached."""
        self._check_range(first, end)
        self._check_attached()
        self.source.failed(first, end, status)

    def dirty(self, first: int, end: int) -> None:
        """Let the range be written.

        Errors, in order: NOT_SUPPORTED writes are not trapped; OUT_OF_RANGE; BAD_STATE detached; NOT_FOUND
        not all supplied; NO_MEMORY. Whoever waits to write to the range tries again, whatever the answer.
        """
        if not self.source.trap_dirty:
            raise ZxError(Status.NOT_SUPPORTED)
        if first > self.size >> PAGE_SHIFT:
            raise ZxError(Status.OUT_OF_RANGE)
        try:
            self._check_range(first, end)
            self._check_attached()
            # First make room: that may cost pages of this very range.
            self.check_memory(sum(high - low for low, high in self._zeroes(first, end)))
            if any(content is None for _, _, content in self.content.runs(first, end)):
                raise ZxError(Status.NOT_FOUND)
            for low, high in self._zeroes(first, end):
                self.changed(low, high)
                for page in range(low, high):
                    self.pages[page] = self.allocate()
            self.content.set(first, end, DIRTY)
        finally:
            self.source.dirtied(first, end)

    def _zeroes(self, first: int, end: int) -> list[tuple[int, int]]:
        """The parts of a range that are there, but have no frames."""
        runs = self.content.runs(first, end)
        return [(low, high) for low, high, content in runs if content not in (None, *_WITH_FRAME)]

    def dirty_ranges(self, first: int, end: int) -> Iterator[DirtyRange]:
        """What the pager has yet to write back, or is writing back, in order: OUT_OF_RANGE."""
        self._check_range(first, end)
        last: DirtyRange | None = None
        for low, high, content in self.content.runs(first, end):
            if content in (DIRTY, AWAITING):
                zero = False
            elif content in _DIRTY_ZERO:
                zero = True
            else:
                continue
            if last is not None and last.end == low and last.zero == zero:
                last = DirtyRange(last.first, high, zero)
                continue
            if last is not None:
                yield last
            last = DirtyRange(low, high, zero)
        if last is not None:
            yield last

    def writeback_begin(self, first: int, end: int, *, zero: bool) -> None:
        """The pager is about to write the range back, or with *zero* those parts that are not committed:
        OUT_OF_RANGE.
        """
        self._check_range(first, end)
        for low, high, content in self.content.runs(first, end):
            if content == DIRTY and not zero:
                for start, stop in self._unpinned(low, high):
                    self.content.set(start, stop, AWAITING)
            elif content == ZERO_DIRTY:
                self.content.set(low, high, ZERO_AWAITING)
        self.write_protect(first, end)

    def writeback_end(self, first: int, end: int) -> None:
        """The pager has what was there when it began, and was not written to since: OUT_OF_RANGE."""
        self._check_range(first, end)
        for low, high, content in self.content.runs(first, end):
            if content == AWAITING:
                self.content.set(low, high, CLEAN)
            elif content == ZERO_AWAITING:
                self.changed(low, high)
                self.content.set(low, high, None)

    def detach(self) -> None:
        """Ask for nothing more, and forget what the pager has. The rest can still be written back."""
        self.source.detach()
        self.evict(0, self.size >> PAGE_SHIFT)

    def evict(self, first: int, end: int, *, zeroes: bool = True) -> None:
        """Forget the clean pages of the range, of *zeroes* too, which have no frames."""
        for start, stop, content in self.content.runs(first, end):
            if content == CLEAN or (zeroes and content == ZERO_CLEAN):
                for low, high in self._unpinned(start, stop):
                    self.changed(low, high)
                    self._forget_pages(low, high)
                    self.content.set(low, high, None)

    def _unpinned(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of a range that are not pinned, in order. What is pinned may be written to at any time."""
        for page in sorted(page for page in self.pinned if first <= page < end):
            if first < page:
                yield first, page
            first = page + 1
        if first < end:
            yield first, end

    def pin(self, first: int, end: int) -> list[int]:
        """Errors: PageNeeded, NO_MEMORY."""
        self.prepare_write(first, end)
        for page in range(first, end):
            self.frame_for_write(page)
        return super().pin(first, end)

    def pin_to_look(self, first: int, end: int) -> list[int]:
        """Nothing becomes dirty; zeroes get frames. Errors: PageNeeded, NO_MEMORY."""
        self.prepare_read(first, end)
        frames: list[int] = []
        try:
            for page in range(first, end):
                self._commit_as_it_is(page)
                # Each at once: memory for the next one must not be taken from it.
                frames += super().pin(page, page + 1)
        except (PageNeeded, ZxError):
            self.unpin(first, first + len(frames))
            raise
        return frames

    def _commit_as_it_is(self, page: int) -> None:
        if page in self.pages:
            return
        content = self.content.get(page)
        if content is None:
            raise PageNeeded(self.source, ZX_PAGER_VMO_READ, page, page + 1)
        frame = self.allocate()
        self.changed(page, page + 1)
        self.pages[page] = frame
        self.content.set(page, page + 1, _COMMITTED[content])

    def reclaim_unneeded(self) -> None:
        """Memory is short: forget the pages of which somebody has said that they are not needed."""
        if self.kept:
            return
        unneeded, self._unneeded = sorted(self._unneeded), set()
        for page in unneeded:
            self._reclaim(page, page + 1)

    def reclaim(self, *, needed: bool) -> None:
        """Memory is short: forget clean pages, those that are always needed or the others."""
        if self.kept:
            return
        for low, high, always in self._always_needed.runs(0, self.size >> PAGE_SHIFT):
            if bool(always) == needed:
                self._reclaim(low, high)

    def _reclaim(self, first: int, end: int) -> None:
        before = len(self.pages)
        self.evict(first, end, zeroes=False)
        self.reclaims += before - len(self.pages)

    def count_clean(self) -> CleanPages:
        """The pages that `evict` would forget, were they not pinned, as far as they have frames."""
        kept = others = 0
        keeps = self.kept
        for low, high, content in self.content.runs(0, self.size >> PAGE_SHIFT):
            if content == CLEAN:
                for start, stop, always in self._always_needed.runs(low, high):
                    if keeps or always:
                        kept += stop - start
                    else:
                        others += stop - start
        unneeded = 0 if keeps else sum(self.content.get(page) == CLEAN for page in self._unneeded)
        return CleanPages(unneeded, kept, others - unneeded)

    def hint(self, first: int, end: int, *, needed: bool) -> None:
        """Errors: PageNeeded, which is no error where the pager fails. What was once needed always stays so."""
        if needed:
            self._always_needed.set(first, end, True)
            self._unneeded.difference_update(range(first, end))
            with best_effort():
                self.prepare_read(first, end)
            return
        for low, high, content in self.content.runs(first, end):
            if content == CLEAN:
                self.changed(low, high)  # whoever touches one of them again is to be noticed
                self._unneeded.update(
                    page
                    for start, stop, always in self._always_needed.runs(low, high)
                    if not always
                    for page in range(start, stop)
                )

    def snapshot(self, kind: int, first: int, end: int, *, one_way: bool = False) -> PageList:
        """Errors, in order: NOT_SUPPORTED a full one, as what was not supplied yet cannot be kept; those of `check_reach`."""
        if kind == ZX_VMO_CHILD_SNAPSHOT:
            raise ZxError(Status.NOT_SUPPORTED)
        self.check_reach(end)
        return self.clone(first, end)

    def reset_modified(self) -> None:
        """From now on a new modification is to be noticed."""
        self.modified = False
        self.write_protect(0, self.size >> PAGE_SHIFT)

    def _check_range(self, first: int, end: int) -> None:
        if first > end or end > self.size >> PAGE_SHIFT:
            raise ZxError(Status.OUT_OF_RANGE)

    def _check_attached(self) -> None:
        if self.source.detached:
            raise ZxError(Status.BAD_STATE)

    # Mappings, clones, the end

    @property
    def kept(self) -> bool:
        return super().kept or any(clone.kept for clone in self.clones)

    def changed(self, first: int, end: int, faulting: VmMapping | None = None) -> None:
        super().changed(first, end, faulting)
        for clone in self.clones:
            clone.parent_changed(first, end)

    def clone(self, first: int, end: int) -> PageList:
        """Pages that show this list's, until they are written to."""
        limit = max(0, min(end, self.size >> PAGE_SHIFT) - first)
        return ClonePages(self.memory, (end - first) << PAGE_SHIFT, CloneFamily(), self, first, limit)

    def destroy(self) -> None:
        if not self.clones:
            super().destroy()
            del self._reclaimer.paged[self]
            self.source.close()


@contextmanager
def best_effort() -> Iterator[None]:
    """Whoever waits for these pages can do without them."""
    try:
        yield
    except PageNeeded as need:
        need.failure = Status.OK
        raise


def _within(page: int, ranges: list[tuple[int, int]]) -> bool:
    return any(low <= page < high for low, high in ranges)


class ClonePages(PageList):
    """The pages of a clone. Its page 0 is *parent*'s page *offset*, and it shows no more than *limit* of them;
    what is behind that is zero.
    """

    PAGER_BACKED = True

    __slots__ = ("_chained_to", "_links", "_two_way", "limit", "parent", "zeroes")

    def __init__(
        self,
        memory: PhysicalMemory,
        size: int,
        family: CloneFamily,
        parent: PagerPages,
        offset: int,
        limit: int,
    ) -> None:
        super().__init__(memory, size, family)
        self.special = True
        self.parent = parent
        self.offset = offset
        self.limit = limit
        self.zeroes: RangeMap[bool] = RangeMap()  # pages that were made zero, whatever the parent has
        # What today's kernel would not clone further, and neither do we.
        self._chained_to: ClonePages | None = None  # a clone at least on write of a clone that had pages
        self._links = 0  # how many of these are chained to this one
        self._two_way = False  # it is, or has, a snapshot of what was modified
        parent.clones[self] = None

    @property
    def has_relatives(self) -> bool:
        return True

    def _below(self, page: int) -> int | None:
        """The parent's page that *page*, which is not in the list, shows; None for zeroes."""
        return page + self.offset if page < self.limit and not self.zeroes.get(page) else None

    def _shown(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """The parent's pages that a range shows, in order."""
        for low, high, zero in self.zeroes.runs(first, min(end, self.limit)):
            if zero:
                continue
            for page in [*sorted(self.present(low, high)), high]:
                if low < page:
                    yield low + self.offset, page + self.offset
                low = page + 1

    def frame_for_read(self, page: int) -> tuple[int | None, bool]:
        """Errors: PageNeeded."""
        frame = self.pages.get(page)
        if frame is not None:
            return frame, frame not in self.family.owners
        below = self._below(page)
        return (None if below is None else self.parent.frame_for_read(below)[0]), False

    def frame_for_write(self, page: int, faulting: VmMapping | None = None) -> int:
        """Errors: PageNeeded, NO_MEMORY."""
        if page in self.pages:
            return super().frame_for_write(page, faulting)
        self.prepare_read(page, page + 1)
        frame = self.allocate()  # before the other one is looked at: it may go to make room
        try:
            source = self.frame_for_read(page)[0]
        except PageNeeded:
            self.memory.free(frame)
            raise
        if source is not None:
            view = self.memory.view
            view[frame << PAGE_SHIFT : (frame + 1) << PAGE_SHIFT] = view[
                source << PAGE_SHIFT : (source + 1) << PAGE_SHIFT
            ]
        self.changed(page, page + 1, faulting)
        self.zeroes.set(page, page + 1, None)
        self.pages[page] = frame
        return frame

    def prepare_read(self, first: int, end: int) -> None:
        """Errors: PageNeeded for the first pages that the parent has not got."""
        for low, high in self._shown(first, end):
            self.parent.prepare_read(low, high)

    def prepare_write(self, first: int, end: int) -> None:
        self.prepare_read(first, end)

    def page_of(self, need: PageNeeded) -> int:
        return need.first - self.offset

    def commit(self, first: int, end: int) -> None:
        """Errors: PageNeeded; NO_MEMORY, and then nothing is committed."""
        self.prepare_read(first, end)
        super().commit(first, end)

    def remove(self, first: int, end: int) -> None:
        self.changed(first, end)
        super().remove(first, end)
        self.zeroes.set(first, min(end, self.limit), True)  # where nothing is left

    def resize(self, size: int) -> None:
        super().resize(size)
        self.limit = min(self.limit, size >> PAGE_SHIFT)
        self.zeroes.set(self.limit, 1 << 64, None)

    def take(self, first: int, end: int) -> dict[int, int]:
        """Errors: PageNeeded, NO_MEMORY, and then nothing is taken."""
        self.commit(first, min(end, self.limit))
        taken = super().take(first, end)
        self.zeroes.set(first, min(end, self.limit), True)
        return taken

    def supply(self, first: int, end: int, frames: dict[int, int]) -> None:
        super().supply(first, end, frames)
        self.zeroes.set(first, min(end, self.limit), True)

    def hint(self, first: int, end: int, *, needed: bool) -> None:
        """Of the parent's pages that it shows. Errors: PageNeeded, which is no error where the pager fails."""
        for low, high in self._shown(first, end):
            self.parent.hint(low, high, needed=needed)

    def snapshot(self, kind: int, first: int, end: int, *, one_way: bool = False) -> PageList:
        """Errors, in order: NOT_SUPPORTED a full snapshot; those of `check_reach`; of a snapshot of what was modified,
        NOT_SUPPORTED *one_way*, BAD_STATE pinned and NOT_SUPPORTED where there are clones at least on write before or behind
        this one.
        """
        if kind == ZX_VMO_CHILD_SNAPSHOT:
            raise ZxError(Status.NOT_SUPPORTED)
        self.check_reach(end)
        if kind == ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE and not self._two_way:
            child = self.clone(first, end)
            if child.pages or any(zero for _, _, zero in child.zeroes.runs(0, child.limit)):
                child._chained_to = self
                self._links += 1
            return child
        if one_way:
            raise ZxError(Status.NOT_SUPPORTED)
        self.check_unpinned()
        if self._chained_to is not None or self._links:
            raise ZxError(Status.NOT_SUPPORTED)
        child = self.clone(first, end)
        child._two_way = self._two_way = True
        return child

    def clone(self, first: int, end: int) -> ClonePages:
        """A snapshot of what was written here; the rest is shown of the parent."""
        limit = max(0, min(end, self.limit) - first)
        child = ClonePages(
            self.memory, (end - first) << PAGE_SHIFT, self.family, self.parent, self.offset + first, limit
        )
        for low, high, zero in self.zeroes.runs(first, first + limit):
            if zero:
                child.zeroes.set(low - first, high - first, True)
        self._share(child, first, end)
        return child

    def parent_changed(self, first: int, end: int) -> None:
        """Pages of the parent are about to change."""
        low, high = max(0, first - self.offset), min(end - self.offset, self.limit)
        if low < high:
            self.changed(low, high)

    def destroy(self) -> None:
        super().destroy()
        if self._chained_to is not None:
            self._chained_to._links -= 1
        parent = self.parent
        del parent.clones[self]
        if not parent.views:
            parent.destroy()
