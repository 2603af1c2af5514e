"""VMOs and their clones against byte arrays, whatever the order of operations."""

from __future__ import annotations

from fractions import Fraction

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from jacinth.abi import (
    ZX_VMO_CHILD_REFERENCE,
    ZX_VMO_CHILD_RESIZABLE,
    ZX_VMO_CHILD_SLICE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    ZX_VMO_CHILD_SNAPSHOT_MODIFIED,
    ZX_VMO_RESIZABLE,
    ZX_VMO_ZERO_CHILDREN,
    Status,
    ZxError,
)
from jacinth.kernel.vm.vmo import PAGE_SIZE, VmObjectDispatcher

from .vm_world import World

PAGES = st.integers(0, 5)
SNAPSHOTS = st.sampled_from(
    (ZX_VMO_CHILD_SNAPSHOT, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE, ZX_VMO_CHILD_SNAPSHOT_MODIFIED)
)


class Contents:
    """What a page list should hold: its bytes, and which of its pages are committed."""

    def __init__(self, pages: int) -> None:
        self.bytes = bytearray(pages * PAGE_SIZE)

    def resize(self, size: int) -> None:
        del self.bytes[size:]
        self.bytes.extend(bytes(size - len(self.bytes)))


class Model:
    """One VMO with what it should show: *size* bytes of *contents* from *start* on."""

    def __init__(
        self, vmo: VmObjectDispatcher, contents: Contents, start: int = 0, size: int | None = None
    ) -> None:
        self.vmo = vmo
        self.contents = contents
        self.start = start
        self.slice_size = size

    @property
    def size(self) -> int:
        return len(self.contents.bytes) if self.slice_size is None else self.slice_size

    @property
    def bytes(self) -> bytes:
        return bytes(self.contents.bytes[self.start : self.start + self.size])


class VmoMachine(RuleBasedStateMachine):
    models = Bundle("models")

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.open: list[Model] = []

    def teardown(self) -> None:
        for model in self.open:
            model.vmo.release()
        assert self.world.committed == 0
        self.world.close()

    def _adopt(self, model: Model) -> Model:
        self.open.append(model)
        return model

    @rule(target=models, pages=PAGES, resizable=st.booleans())
    def create(self, pages: int, resizable: bool) -> Model:
        vmo = self.world.vmo(pages, ZX_VMO_RESIZABLE if resizable else 0)
        return self._adopt(Model(vmo, Contents(pages)))

    @rule(
        model=models,
        at=st.integers(0, 6 * PAGE_SIZE),
        size=st.integers(0, 2 * PAGE_SIZE),
        fill=st.integers(1, 255),
    )
    def write(self, model: Model, at: int, size: int, fill: int) -> None:
        if model not in self.open:
            return
        data = bytes([fill]) * size
        try:
            model.vmo.write(at, data)
        except ZxError as error:
            assert error.status is Status.OUT_OF_RANGE and at + size > model.size
        else:
            model.contents.bytes[model.start + at : model.start + at + size] = data

    @rule(target=models, model=models, kind=SNAPSHOTS, first=PAGES, pages=PAGES, resizable=st.booleans())
    def snapshot(self, model: Model, kind: int, first: int, pages: int, resizable: bool) -> Model:
        if model not in self.open:
            return model
        offset, size = first * PAGE_SIZE, pages * PAGE_SIZE
        options = kind | (ZX_VMO_CHILD_RESIZABLE if resizable else 0)
        try:
            child = model.vmo.create_child(options, offset, size, copy_name=False)
        except ZxError as error:
            assert model.slice_size is not None
            assert error.status is (
                Status.OUT_OF_RANGE if offset + size > model.size else Status.NOT_SUPPORTED
            )
            return model
        child.acquire()
        contents = Contents(pages)
        seen = model.bytes[offset : offset + size]
        contents.bytes[: len(seen)] = seen
        return self._adopt(Model(child, contents))

    @rule(target=models, model=models, first=PAGES, pages=PAGES)
    def slice(self, model: Model, first: int, pages: int) -> Model:
        if model not in self.open:
            return model
        offset, size = first * PAGE_SIZE, pages * PAGE_SIZE
        try:
            child = model.vmo.create_child(ZX_VMO_CHILD_SLICE, offset, size, copy_name=False)
        except ZxError as error:
            outside = offset + size > model.size
            assert outside or model.vmo.resizable
            assert error.status is (Status.INVALID_ARGS if outside else Status.NOT_SUPPORTED)
            return model
        child.acquire()
        return self._adopt(Model(child, model.contents, model.start + offset, size))

    @rule(target=models, model=models, resizable=st.booleans())
    def reference(self, model: Model, resizable: bool) -> Model:
        if model not in self.open:
            return model
        options = ZX_VMO_CHILD_REFERENCE | (ZX_VMO_CHILD_RESIZABLE if resizable else 0)
        try:
            child = model.vmo.create_child(options, 0, 0, copy_name=False)
        except ZxError as error:
            assert error.status is Status.NOT_SUPPORTED
            assert model.slice_size is not None or (resizable and not model.vmo.resizable)
            return model
        child.acquire()
        return self._adopt(Model(child, model.contents))

    @rule(model=models, size=st.integers(0, 6 * PAGE_SIZE))
    def set_size(self, model: Model, size: int) -> None:
        if model not in self.open:
            return
        try:
            model.vmo.set_size(size)
        except ZxError as error:
            assert error.status is Status.UNAVAILABLE and not model.vmo.resizable
        else:
            model.contents.resize(size)
            model.contents.resize(-(-size // PAGE_SIZE) * PAGE_SIZE)
            assert model.vmo.stream_size == size

    @rule(model=models, size=st.integers(0, 6 * PAGE_SIZE))
    def set_stream_size(self, model: Model, size: int) -> None:
        if model not in self.open:
            return
        start = min(size, model.vmo.stream_size)
        if size == model.vmo.stream_size:
            start = model.size
        try:
            model.vmo.set_stream_size(size)
        except ZxError as error:
            assert error.status is Status.OUT_OF_RANGE and size > model.size
        else:
            end = model.start + model.size
            model.contents.bytes[model.start + start : end] = bytes(max(0, model.size - start))
            assert model.vmo.stream_size == size

    @rule(model=models, at=st.integers(0, 6 * PAGE_SIZE), size=st.integers(0, 3 * PAGE_SIZE))
    def zero(self, model: Model, at: int, size: int) -> None:
        if model not in self.open:
            return
        try:
            model.vmo.zero(at, size)
        except ZxError as error:
            assert error.status is Status.OUT_OF_RANGE and at + size > model.size
        else:
            model.contents.bytes[model.start + at : model.start + at + size] = bytes(size)

    @rule(model=models, first=PAGES, pages=PAGES)
    def decommit(self, model: Model, first: int, pages: int) -> None:
        if model not in self.open:
            return
        offset, size = first * PAGE_SIZE, pages * PAGE_SIZE
        lists = {
            id(other.vmo.pages) for other in self.open if other.vmo.pages.family is model.vmo.pages.family
        }
        try:
            model.vmo.decommit(offset, size)
        except ZxError as error:
            if offset + size > model.size:
                assert error.status is Status.OUT_OF_RANGE
            else:
                assert error.status is Status.NOT_SUPPORTED and len(lists) > 1
        else:
            model.contents.bytes[model.start + offset : model.start + offset + size] = bytes(size)

    @rule(model=models, at=st.integers(0, 6 * PAGE_SIZE), size=st.integers(0, 3 * PAGE_SIZE))
    def commit(self, model: Model, at: int, size: int) -> None:
        if model not in self.open:
            return
        try:
            model.vmo.commit(at, size)
        except ZxError as error:
            assert error.status is Status.OUT_OF_RANGE and at + size > model.size - PAGE_SIZE
            return
        first, end = model.vmo._page_range(at, size)
        pages = model.vmo.pages
        assert all(pages.pages[page] not in pages.family.owners for page in range(first, end))

    @rule(target=models, model=models, source=models, to=PAGES, at=PAGES, pages=PAGES)
    def transfer(self, model: Model, source: Model, to: int, at: int, pages: int) -> Model:
        if model not in self.open or source not in self.open:
            return model
        to, at, size = to * PAGE_SIZE, at * PAGE_SIZE, pages * PAGE_SIZE
        try:
            model.vmo.transfer(to, source.vmo, at, size)
        except ZxError as error:
            assert error.status is Status.OUT_OF_RANGE
            assert to + size > model.size or at + size > source.size
        else:
            data = source.bytes[at : at + size]
            source.contents.bytes[source.start + at : source.start + at + size] = bytes(size)
            model.contents.bytes[model.start + to : model.start + to + size] = data
        return model

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        model = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        model.vmo.release()

    @invariant()
    def contents_are_right(self) -> None:
        for model in self.open:
            assert model.vmo.size == model.size
            assert model.vmo.read(0, model.size) == model.bytes

    @invariant()
    def frames_are_accounted_for(self) -> None:
        self.world.check_vmos([model.vmo for model in self.open])
        # A page list that only references and slices look at is attributed to nobody.
        attributed = [model.vmo for model in self.open if not model.vmo.reference]
        if {id(vmo.pages) for vmo in attributed} == {id(model.vmo.pages) for model in self.open}:
            scaled = sum((vmo.attribution().scaled for vmo in attributed), Fraction(0))
            assert scaled == self.world.committed * PAGE_SIZE

    @invariant()
    def families_are_told(self) -> None:
        for model in self.open:
            vmo = model.vmo
            assert bool(vmo.signals & ZX_VMO_ZERO_CHILDREN) == (not vmo.children)
            assert all(child.parent is vmo for child in vmo.children)
            assert vmo.parent is None or vmo in vmo.parent.children


TestVmos = VmoMachine.TestCase
TestVmos.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
