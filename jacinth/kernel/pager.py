"""Pagers: programs that supply the pages of VMOs when they are touched, and write back what was changed.

    PagerDispatcher --sources--> PageSource <--source-- PagerPages <--pages-- VmObjectDispatcher

Source: docs/reference/syscalls/pager_*.md (today zircon/vdso/pager.fidl), zircon/kernel/object/pager_dispatcher.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_PAGER_RIGHTS,
    ZX_OBJ_TYPE_PAGER,
    ZX_PAGER_OP_DIRTY,
    ZX_PAGER_OP_FAIL,
    ZX_PAGER_OP_WRITEBACK_BEGIN,
    ZX_PAGER_OP_WRITEBACK_END,
    ZX_VMO_DIRTY_RANGE_IS_ZERO,
    ZX_VMO_RESIZABLE,
    ZX_VMO_TRAP_DIRTY,
    ZX_VMO_UNBOUNDED,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.vm.page_source import PageSource
from jacinth.kernel.vm.pager_pages import DirtyRange, PagerPages
from jacinth.kernel.vm.vmo import MAX_SIZE, PAGE_MASK, PAGE_SHIFT, VmObjectDispatcher, round_size, round_up

if TYPE_CHECKING:
    from jacinth.kernel.ipc.port import PortDispatcher
    from jacinth.kernel.kernel import Kernel

# What a pager may say when it cannot do what it was asked for.
_FAILURES: Final = (
    Status.IO,
    Status.IO_DATA_INTEGRITY,
    Status.BAD_STATE,
    Status.NO_SPACE,
    Status.BUFFER_TOO_SMALL,
)


class PagerDispatcher(SoloDispatcher):
    """A pager. Without a handle its VMOs are as detached ones."""

    TYPE = ZX_OBJ_TYPE_PAGER
    DEFAULT_RIGHTS = ZX_DEFAULT_PAGER_RIGHTS

    __slots__ = ("_sources",)

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self._sources: dict[PageSource, None] = {}

    @classmethod
    def create(cls, kernel: Kernel, options: int) -> PagerDispatcher:
        """INVALID_ARGS for any options."""
        if options:
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel)

    def on_zero_handles(self) -> None:
        sources, self._sources = self._sources, {}
        for source in sources:
            source.abandon()

    def forget(self, source: PageSource) -> None:
        """The VMO of *source* is gone."""
        self._sources.pop(source, None)

    # VMOs. Offsets and lengths are bytes, and whole pages unless said otherwise.

    def create_vmo(self, port: PortDispatcher, key: int, size: int, options: int) -> VmObjectDispatcher:
        """A VMO of *size* bytes, of which *port* is asked for each page. Options: ZX_VMO_RESIZABLE, _UNBOUNDED,
        _TRAP_DIRTY.

        Errors, in order: INVALID_ARGS resizable and unbounded; OUT_OF_RANGE size; INVALID_ARGS other options;
        OUT_OF_RANGE content larger than an unbounded VMO.
        """
        if options & ZX_VMO_RESIZABLE and options & ZX_VMO_UNBOUNDED:
            raise ZxError(Status.INVALID_ARGS)
        rounded = MAX_SIZE if options & ZX_VMO_UNBOUNDED else round_size(size)
        if options & ~(ZX_VMO_RESIZABLE | ZX_VMO_UNBOUNDED | ZX_VMO_TRAP_DIRTY):
            raise ZxError(Status.INVALID_ARGS)
        if size > rounded:
            raise ZxError(Status.OUT_OF_RANGE)
        source = PageSource(self, port, key, bool(options & ZX_VMO_TRAP_DIRTY))
        self._sources[source] = None
        pages = PagerPages(self.kernel.reclaimer, self.kernel.memory, rounded, source)
        vmo = VmObjectDispatcher(self.kernel, pages)
        vmo.resizable = bool(options & ZX_VMO_RESIZABLE)
        vmo.start_stream(size)
        # What lies behind the content is zero without anybody's help.
        pages.remove_untracked(round_up(size) >> PAGE_SHIFT, rounded >> PAGE_SHIFT)
        pages.modified = False
        return vmo

    def pages_of(self, vmo: VmObjectDispatcher) -> PagerPages:
        """The pages of a VMO that this pager has made: INVALID_ARGS for another, also for children of one."""
        pages = vmo.pages
        if not isinstance(pages, PagerPages) or pages.source.pager is not self or vmo.reference:
            raise ZxError(Status.INVALID_ARGS)
        return pages

    def supply(
        self, vmo: VmObjectDispatcher, offset: int, length: int, aux: VmObjectDispatcher, aux_offset: int
    ) -> None:
        """Move pages of *aux* to where *vmo* has none yet. The range of *aux* is zero then.

        Errors, in order: INVALID_ARGS vmo; those of VmObjectDispatcher.take; OUT_OF_RANGE; BAD_STATE detached.
        """
        pages = self.pages_of(vmo)
        pages.supply_pages(*_pages(offset, length), aux.take(aux_offset, length))

    def op_range(self, vmo: VmObjectDispatcher, op: int, offset: int, length: int, data: int) -> None:
        """Do ZX_PAGER_OP_* *op*.

        Errors, in order: INVALID_ARGS vmo, data; those of PagerPages; NOT_SUPPORTED another *op*.
        """
        pages = self.pages_of(vmo)
        first, end = _pages(offset, length)
        if op == ZX_PAGER_OP_FAIL:
            pages.fail(first, end, _failure(data))
        elif op == ZX_PAGER_OP_DIRTY:
            _require_none(data)
            pages.dirty(first, end)
        elif op == ZX_PAGER_OP_WRITEBACK_BEGIN:
            if data not in (0, ZX_VMO_DIRTY_RANGE_IS_ZERO):
                raise ZxError(Status.INVALID_ARGS)
            pages.writeback_begin(first, end, zero=bool(data))
        elif op == ZX_PAGER_OP_WRITEBACK_END:
            _require_none(data)
            pages.writeback_end(first, end)
        else:
            raise ZxError(Status.NOT_SUPPORTED)

    def dirty_ranges(self, vmo: VmObjectDispatcher, offset: int, length: int) -> list[DirtyRange]:
        """What is to be written back, in order. *offset* and *length* need not be whole pages.

        Errors, in order: INVALID_ARGS vmo; OUT_OF_RANGE.
        """
        pages = self.pages_of(vmo)
        if offset + length > pages.size:
            raise ZxError(Status.OUT_OF_RANGE)
        return list(pages.dirty_ranges(offset >> PAGE_SHIFT, round_up(offset + length) >> PAGE_SHIFT))


def _pages(offset: int, length: int) -> tuple[int, int]:
    assert not (offset | length) & PAGE_MASK
    return offset >> PAGE_SHIFT, (offset + length) >> PAGE_SHIFT


def _failure(data: int) -> Status:
    """The status in a 64-bit argument: INVALID_ARGS for one that a pager may not say."""
    signed = data - (1 << 64) if data >> 63 else data
    for status in _FAILURES:
        if signed == status:
            return status
    raise ZxError(Status.INVALID_ARGS)


def _require_none(data: int) -> None:
    if data:
        raise ZxError(Status.INVALID_ARGS)
