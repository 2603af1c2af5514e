"""Pagers against a model: whatever is written, zeroed, resized, cloned, written back, evicted, nothing is ever lost.

The model of a VMO is its bytes. The pager has a disk: it supplies from there, and what it writes back is all that survives
an eviction. So a page that is clean when it should not be, or supplied when it should not be asked for, reads wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jacinth import Kernel, Pager, PagerOp, Port, Vmo, VmoChildOptions, VmoOp, VmoOptions
from jacinth.abi import ZX_PAGER_VMO_DIRTY, ZX_PAGER_VMO_READ, ZX_VMO_DIRTY_RANGE_IS_ZERO
from jacinth.fuzz.invariants import assert_invariants
from jacinth.kernel.vm.pager_pages import PagerPages
from jacinth.syscalls.door import HostSys

PAGE = 4096
PAGES = 2

page = st.integers(0, PAGES - 1)
count = st.integers(1, PAGES)
byte = st.integers(1, 255)


ZEROES = bytes(PAGE)


def full(value: int) -> bytes:
    return bytes([value]) * PAGE


class Clone:
    """A clone, and per page what it has of its own; None where it shows its parent's."""

    def __init__(self, vmo: Vmo, own: list[bytes | None]) -> None:
        self.vmo = vmo
        self.own = own


class Pages(RuleBasedStateMachine):
    """Pages are written with one number each; where a new size cuts through one, the rest of it is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=8 << 20, strict=True)
        self.pager, self.port = Pager.create(caller=self.k), Port.create(caller=self.k)
        self.options = VmoOptions.TRAP_DIRTY | VmoOptions.RESIZABLE
        self.vmo = self.pager.create_vmo(self.port, 0, PAGES * PAGE, self.options)
        self.disk = [full(number + 100) for number in range(PAGES)]
        self.pages: list[bytes] = list(self.disk)
        self.clones: list[Clone] = []
        self.writing_back: list[tuple[int, int, bytes]] = []

    def teardown(self) -> None:
        for clone in self.clones:
            self.check(clone.vmo, self.seen(clone))
            clone.vmo.close()
        self.check(self.vmo, self.pages)
        self.vmo.close()
        self.port.close()
        self.pager.close()
        assert self.k.memory.allocated == 1  # the page of zeroes
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)

    # The pager

    @contextmanager
    def served(self) -> Iterator[None]:
        """Within it the host is its own pager: what would wait is answered at once."""
        block = HostSys.block

        def serve(sys: HostSys, coroutine: Any) -> Any:
            try:
                coroutine.send(None)
            except StopIteration as end:
                return end.value
            self.answer()
            with pytest.raises(StopIteration) as stop:
                coroutine.send(None)
            return stop.value.value

        HostSys.block = serve  # type: ignore[method-assign]
        try:
            yield
        finally:
            HostSys.block = block  # type: ignore[method-assign]

    def answer(self) -> None:
        source = self._list().source
        [request] = source._requests
        if request.command == ZX_PAGER_VMO_READ:
            self.supply(request.first, request.end - request.first)
        else:
            assert request.command == ZX_PAGER_VMO_DIRTY
            self.op(PagerOp.DIRTY, request.first, request.end - request.first)

    def _list(self) -> PagerPages:
        dispatcher: Any = self.k.host.dispatcher.handles.get(self.vmo.raw).object  # type: ignore[union-attr]
        pages: PagerPages = dispatcher.pages
        return pages

    def op(self, op: PagerOp, first: int, pages: int, data: int = 0) -> None:
        self.pager.op_range(op, self.vmo, first * PAGE, pages * PAGE, data)

    def supply(self, first: int, pages: int) -> None:
        aux = Vmo.create(pages * PAGE, caller=self.k)
        for number in range(pages):
            if self.disk[first + number] != ZEROES:
                aux.write(self.disk[first + number], number * PAGE)
        self.pager.supply_pages(self.vmo, first * PAGE, pages * PAGE, aux)
        aux.close()

    @rule(first=page, pages=count)
    def supplies_ahead(self, first: int, pages: int) -> None:
        pages = min(pages, len(self.pages) - first)
        # What is being written back, and what never was, must not be supplied from an old disk.
        missing = [c is None for _, _, c in self._list().content.runs(first, first + pages)]
        if pages > 0 and all(missing):
            self.supply(first, pages)

    @rule(first=page, pages=count)
    def begins_writeback(self, first: int, pages: int) -> None:
        if self.writing_back:
            return
        end = min(first + pages, len(self.pages))
        for found in self.pager.query_dirty_ranges(self.vmo, 0, self.vmo.size):
            low, high = max(first, found.offset // PAGE), min(end, (found.offset + found.length) // PAGE)
            if low >= high:
                continue
            self.op(PagerOp.WRITEBACK_BEGIN, low, high - low, ZX_VMO_DIRTY_RANGE_IS_ZERO if found.zero else 0)
            for number in range(low, high):
                assert not found.zero or self.pages[number] == ZEROES
                self.writing_back.append((number, number + 1, self.pages[number]))

    @precondition(lambda self: self.writing_back)
    @rule()
    def ends_writeback(self) -> None:
        for low, high, value in self.writing_back:
            if high <= len(self.pages):
                self.disk[low] = value
                self.op(PagerOp.WRITEBACK_END, low, high - low)
        self.writing_back.clear()

    @rule(first=page, pages=count)
    def is_evicted(self, first: int, pages: int) -> None:
        self._list().evict(first, min(first + pages, len(self.pages)))

    # Programs

    @rule(at=page, value=byte)
    def writes(self, at: int, value: int) -> None:
        if at < len(self.pages):
            with self.served():
                self.vmo.write(full(value), at * PAGE)
            self.pages[at] = full(value)

    @rule(first=page, pages=count)
    def zeroes(self, first: int, pages: int) -> None:
        pages = min(pages, len(self.pages) - first)
        if pages > 0:
            self.vmo.op_range(VmoOp.ZERO, first * PAGE, pages * PAGE)
            self.pages[first : first + pages] = [ZEROES] * pages

    @rule(size=st.sampled_from((0, 1, PAGE - 1, PAGE, PAGE + 100, 2 * PAGE - 1, 2 * PAGE)))
    def resizes(self, size: int) -> None:
        pages = -(-size // PAGE)
        for clone in self.clones:  # what was cut off is zero in clones for ever
            for number in range(pages, len(self.pages)):
                if clone.own[number] is None:
                    clone.own[number] = ZEROES
        for low, high, _ in list(self.writing_back):
            if high > pages:
                self.writing_back = [each for each in self.writing_back if each[0] != low]
        with self.served():
            self.vmo.set_size(size)
        self.pages[pages:] = [ZEROES] * max(0, pages - len(self.pages))
        rest = size % PAGE
        if rest:
            self.pages[-1] = self.pages[-1][:rest].ljust(PAGE, b"\0")
        assert (self.vmo.size, self.vmo.stream_size) == (pages * PAGE, size)

    @rule(at=page)
    def reads(self, at: int) -> None:
        if at < len(self.pages):
            self.check(self.vmo, self.pages, at)

    def check(self, vmo: Vmo, expected: list[bytes], *numbers: int) -> None:
        with self.served():
            for number in numbers or range(len(expected)):
                assert vmo.read(number * PAGE, PAGE) == expected[number]

    # Clones

    def seen(self, clone: Clone) -> list[bytes]:
        shown = [*self.pages, *[ZEROES] * PAGES][:PAGES]
        return [shown[number] if own is None else own for number, own in enumerate(clone.own)]

    @precondition(lambda self: len(self.clones) < 3)
    @rule(which=st.integers(0, 2), modified=st.booleans())
    def is_cloned(self, which: int, modified: bool) -> None:
        kind = VmoChildOptions.SNAPSHOT_MODIFIED if modified else VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE
        if which < len(self.clones):
            if modified:
                try:
                    child = self.clones[which].vmo.create_child(kind, 0, PAGES * PAGE)
                except Exception as error:
                    assert "NOT_SUPPORTED" in str(error)
                    return
            else:
                child = self.clones[which].vmo.create_child(kind, 0, PAGES * PAGE)
            self.clones.append(Clone(child, list(self.clones[which].own)))
            return
        child = self.vmo.create_child(kind, 0, PAGES * PAGE)
        self.clones.append(Clone(child, [None if n < len(self.pages) else ZEROES for n in range(PAGES)]))

    @precondition(lambda self: self.clones)
    @rule(which=st.integers(0, 2), at=page, value=byte)
    def clone_writes(self, which: int, at: int, value: int) -> None:
        clone = self.clones[which % len(self.clones)]
        with self.served():
            clone.vmo.write(full(value), at * PAGE)
        clone.own[at] = full(value)

    @precondition(lambda self: self.clones)
    @rule(which=st.integers(0, 2), first=page, pages=count)
    def clone_zeroes(self, which: int, first: int, pages: int) -> None:
        clone = self.clones[which % len(self.clones)]
        pages = min(pages, PAGES - first)
        clone.vmo.op_range(VmoOp.ZERO, first * PAGE, pages * PAGE)
        clone.own[first : first + pages] = [ZEROES] * pages

    @precondition(lambda self: self.clones)
    @rule(which=st.integers(0, 2), at=page)
    def clone_reads(self, which: int, at: int) -> None:
        clone = self.clones[which % len(self.clones)]
        self.check(clone.vmo, self.seen(clone), at)

    @precondition(lambda self: self.clones)
    @rule(which=st.integers(0, 2))
    def clone_goes(self, which: int) -> None:
        clone = self.clones.pop(which % len(self.clones))
        self.check(clone.vmo, self.seen(clone))
        clone.vmo.close()


TestPages = Pages.TestCase
TestPages.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
