"""What the kernel takes back when memory runs out: it has no other use for it, and somebody else has said so.

    1. clean pages of pagers, which can be asked for again, that somebody has said are not needed
       (ZX_VMO_OP_DONT_NEED), unless they were touched since
    2. the contents of discardable VMOs that are unlocked, the longest unlocked first
    3. the other clean pages of pagers, VMO by VMO as these were made; first those that nobody has said are always needed

What is mapped in a region whose memory has a high priority stays. The memory is what `Kernel` was given. Nothing is
taken back before a page would otherwise be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jacinth.kernel.vm.pager_pages import PagerPages
    from jacinth.kernel.vm.vmo import VmObjectDispatcher
    from jacinth.machine.memory import PhysicalMemory


class CleanPages(NamedTuple):
    """How many clean pages of pagers there are, by what somebody has said of them: *kept* are those that are always needed, or
    mapped where memory has a high priority.
    """

    unneeded: int
    kept: int
    others: int


class Reclaimer:
    """Who has memory to give: unlocked discardable VMOs, and VMOs of pagers."""

    __slots__ = ("_memory", "locked", "paged", "unlocked")

    def __init__(self, memory: PhysicalMemory) -> None:
        self._memory = memory
        self.locked: dict[VmObjectDispatcher, None] = {}  # discardable VMOs whose contents are kept
        self.unlocked: dict[VmObjectDispatcher, None] = {}  # in the order of their unlocking
        self.paged: dict[PagerPages, None] = {}
        memory.reclaimer = self.reclaim

    def reclaim(self, frames: int) -> None:
        """Free at least so many frames, as far as there are any to be freed."""
        wanted = self._memory.allocated - frames
        for pages in tuple(self.paged):
            if self._memory.allocated <= wanted:
                return
            pages.reclaim_unneeded()
        for vmo in tuple(self.unlocked):
            if self._memory.allocated <= wanted:
                return
            vmo.discard()
        for needed in (False, True):
            for pages in tuple(self.paged):
                if self._memory.allocated <= wanted:
                    return
                pages.reclaim(needed=needed)

    def clean_pages(self) -> CleanPages:
        """Those of all pagers."""
        counts = [pages.count_clean() for pages in self.paged]
        return CleanPages(*map(sum, zip(*counts, strict=True))) if counts else CleanPages(0, 0, 0)
