"""The tree of VMARs against a list of pages, with an engine that forgets mappings whenever it likes."""

from __future__ import annotations

from dataclasses import dataclass, field

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jacinth.abi import (
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    ZX_VM_SPECIFIC_OVERWRITE,
    ZX_VMAR_OP_COMMIT,
    ZX_VMAR_OP_MAP_RANGE,
    ZX_VMAR_OP_ZERO,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_RESIZABLE,
    Status,
    ZxError,
)
from jacinth.kernel.vm.vmar import VmAddressRegion
from jacinth.kernel.vm.vmo import PAGE_SHIFT, PAGE_SIZE, VmObjectDispatcher
from jacinth.machine.interface import EXECUTE, READ, WRITE

from .vm_world import PageTable, World

BASE = 0x20_0000
SPACE = 24  # pages
PAGE = st.integers(0, SPACE - 1)
COUNT = st.integers(1, 9)
ACCESS = st.sampled_from(
    (
        0,
        ZX_VM_PERM_READ,
        ZX_VM_PERM_READ | ZX_VM_PERM_WRITE,
        ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE,
        ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_PERM_EXECUTE,
    )
)
CAN_ALL = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE
ALL = READ | WRITE | EXECUTE


@dataclass(eq=False)
class ModelRegion:
    """A VMAR of the model: the pages [*first*, *end*)."""

    region: VmAddressRegion
    first: int
    end: int
    parent: ModelRegion | None
    children: list[ModelRegion] = field(default_factory=list)

    def family(self) -> list[ModelRegion]:
        return [self, *(member for child in self.children for member in child.family())]


@dataclass(frozen=True)
class ModelPage:
    """One mapped page: which page of which VMO, what it permits, what it could, and in which VMAR it lies."""

    vmo: VmObjectDispatcher
    number: int
    access: int
    maximum: int
    owner: ModelRegion


class VmarMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.aspace = self.world.aspace(BASE, SPACE * PAGE_SIZE)
        root = ModelRegion(self.aspace.root_vmar, 0, SPACE, None)
        self.root = root
        self.pages: dict[int, ModelPage] = {}
        self.vmos = [self.world.vmo(8), self.world.vmo(8, ZX_VMO_RESIZABLE)]
        self.clones: list[VmObjectDispatcher] = []
        # Something to begin with: most of what can go wrong needs a mapping that can be written.
        self.map(0, 2, 5, False, 0, 1, READ | WRITE, ALL, True)
        self.map(0, 10, 7, False, 1, 0, READ | WRITE, ALL, True)

    def teardown(self) -> None:
        self.aspace.destroy()
        assert all(not vmo.mappings and not vmo.aspaces for vmo in self.vmos + self.clones)
        for vmo in self.vmos + self.clones:
            vmo.release()
        assert self.world.committed == 0
        self.world.close()

    def _region(self, number: int) -> ModelRegion:
        family = self.root.family()
        return family[number % len(family)]

    def _sub(self, region: ModelRegion, first: int, end: int) -> list[ModelRegion]:
        """The child regions that a range touches."""
        return [child for child in region.children if child.first < end and first < child.end]

    def _own(self, region: ModelRegion, first: int, end: int) -> bool:
        """Whether anything lies in the range of *region* itself."""
        return bool(self._sub(region, first, end)) or any(
            first <= page < end and mapped.owner is region for page, mapped in self.pages.items()
        )

    def _forget(self, first: int, end: int) -> None:
        for page in [page for page in self.pages if first <= page < end]:
            del self.pages[page]

    REGION = st.integers(0, 9)

    def _near(self, page: int) -> int:
        """*page* if something is mapped there, else the next page above it, going round, where something is;
        for odd pages.
        """
        if page % 2:
            for step in range(SPACE):
                if (page + step) % SPACE in self.pages:
                    return (page + step) % SPACE
        return page

    @rule(
        region=REGION,
        first=PAGE,
        count=COUNT,
        overwrite=st.booleans(),
        vmo=st.integers(0, 1),
        number=COUNT,
        access=ACCESS,
        extra=ACCESS,
        merge=st.booleans(),
    )
    def map(
        self,
        region: int,
        first: int,
        count: int,
        overwrite: bool,
        vmo: int,
        number: int,
        access: int,
        extra: int,
        merge: bool,
    ) -> None:
        owner, memory = self._region(region), self.vmos[vmo]
        maximum = access | extra
        options = access | (ZX_VM_SPECIFIC_OVERWRITE if overwrite else ZX_VM_SPECIFIC)
        options |= sum(
            can
            for bit, can in zip(
                (1, 2, 4), (ZX_VM_CAN_MAP_READ, ZX_VM_CAN_MAP_WRITE, ZX_VM_CAN_MAP_EXECUTE), strict=True
            )
            if maximum & bit
        )
        last = first + count
        inside = owner.first <= first and last <= owner.end
        try:
            mapping = owner.region.map(
                (first - owner.first) * PAGE_SIZE if inside else owner.region.size,
                memory,
                number * PAGE_SIZE,
                count * PAGE_SIZE,
                options,
            )
        except ZxError as error:
            if not inside:
                assert error.status is Status.INVALID_ARGS
            elif overwrite:
                assert error.status is Status.INVALID_ARGS and self._sub(owner, first, last)
            else:
                assert error.status is Status.ALREADY_EXISTS and self._own(owner, first, last)
            return
        assert inside and (overwrite or not self._own(owner, first, last))
        if merge:
            mapping.merge()
        self._forget(first, last)
        for page in range(first, last):
            self.pages[page] = ModelPage(memory, number + page - first, access, maximum, owner)

    @rule(region=REGION, count=COUNT, vmo=st.integers(0, 1))
    def map_anywhere(self, region: int, count: int, vmo: int) -> None:
        owner = self._region(region)
        free = [page for page in range(owner.first, owner.end) if not self._own(owner, page, page + 1)]
        fits = [page for page in free if all(page + more in free for more in range(count))]
        try:
            mapping = owner.region.map(0, self.vmos[vmo], 0, count * PAGE_SIZE, ZX_VM_PERM_READ)
        except ZxError as error:
            too_large = count > owner.end - owner.first
            assert error.status is (Status.INVALID_ARGS if too_large else Status.NO_RESOURCES) and not fits
            return
        first = (mapping.base - BASE) // PAGE_SIZE
        assert first == fits[0]
        mapping.merge()
        for page in range(first, first + count):
            self.pages[page] = ModelPage(
                self.vmos[vmo], page - first, ZX_VM_PERM_READ, ZX_VM_PERM_READ, owner
            )

    @rule(region=REGION, first=PAGE, count=COUNT)
    def allocate(self, region: int, first: int, count: int) -> None:
        owner = self._region(region)
        last = first + count
        inside = owner.first <= first and last <= owner.end
        try:
            made = owner.region.allocate(
                (first - owner.first) * PAGE_SIZE if inside else owner.region.size,
                count * PAGE_SIZE,
                ZX_VM_SPECIFIC | ZX_VM_CAN_MAP_SPECIFIC | CAN_ALL,
            )
        except ZxError as error:
            assert error.status is (Status.ALREADY_EXISTS if inside else Status.INVALID_ARGS)
            assert not inside or self._own(owner, first, last)
            return
        assert inside and not self._own(owner, first, last)
        owner.children.append(ModelRegion(made, first, last, owner))

    @rule(region=REGION, first=PAGE, count=COUNT, can_destroy=st.booleans())
    def unmap(self, region: int, first: int, count: int, can_destroy: bool) -> None:
        owner = self._region(region)
        last = first + count
        inside = owner.first <= first and last <= owner.end
        children = self._sub(owner, first, last)
        allowed = inside and all(
            can_destroy and first <= child.first and child.end <= last for child in children
        )
        try:
            owner.region.unmap(BASE + first * PAGE_SIZE, count * PAGE_SIZE, can_destroy_regions=can_destroy)
        except ZxError as error:
            assert error.status is Status.INVALID_ARGS and not allowed
            return
        assert allowed
        self._forget(first, last)
        for child in children:
            self._died(child)

    def _died(self, region: ModelRegion) -> None:
        assert region.parent is not None
        region.parent.children.remove(region)
        self._forget(region.first, region.end)
        assert all(not member.region.alive for member in region.family())

    @rule(region=REGION)
    def destroy(self, region: int) -> None:
        owner = self._region(region)
        try:
            owner.region.destroy()
        except ZxError as error:
            assert owner is self.root and error.status is Status.NOT_SUPPORTED
        else:
            self._died(owner)

    @rule(region=REGION, first=PAGE, count=COUNT, access=ACCESS, op_children=st.booleans())
    def protect(self, region: int, first: int, count: int, access: int, op_children: bool) -> None:
        owner = self._region(region)
        last = first + count
        range_ = range(first, last)
        inside = owner.first <= first and last <= owner.end
        try:
            owner.region.protect(BASE + first * PAGE_SIZE, count * PAGE_SIZE, access, op_children=op_children)
        except ZxError as error:
            if not inside:
                assert error.status is Status.INVALID_ARGS
                return
            mapped = [self.pages[page] for page in range_ if page in self.pages]
            deeper = [page for page in mapped if page.owner is not owner]
            reasons = {
                Status.NOT_FOUND: len(mapped) < count,
                Status.ACCESS_DENIED: any(access & ~page.maximum for page in mapped)
                or any(access & ~page.access for page in deeper),
                Status.INVALID_ARGS: bool(deeper) and not op_children,
            }
            assert reasons[error.status]
            return
        assert inside
        for page in range_:
            old = self.pages[page]
            assert not access & ~(old.maximum if old.owner is owner else old.access)
            self.pages[page] = ModelPage(old.vmo, old.number, access, old.maximum, old.owner)

    @rule(page=PAGE, access=st.sampled_from((READ, WRITE, EXECUTE)))
    def fault(self, page: int, access: int) -> None:
        page = self._near(page)
        address = BASE + page * PAGE_SIZE + 8
        mapped = self.pages.get(page)
        try:
            self.aspace.page_fault(address, access)
        except ZxError as error:
            if mapped is None:
                assert error.status is Status.NOT_FOUND
            elif access & ~mapped.access:
                assert error.status is Status.ACCESS_DENIED
            else:
                assert error.status is Status.OUT_OF_RANGE and mapped.number * PAGE_SIZE >= mapped.vmo.size
            return
        assert mapped is not None and not access & ~mapped.access
        table = self.aspace.machine
        assert isinstance(table, PageTable)
        frame, given = table.pages[address >> PAGE_SHIFT]
        assert not access & ~given
        assert self.world.memory.read(frame, 0, PAGE_SIZE) == mapped.vmo.read(
            mapped.number * PAGE_SIZE, PAGE_SIZE
        )

    @rule(
        page=PAGE,
        at=st.integers(0, PAGE_SIZE - 1),
        size=st.integers(1, 2 * PAGE_SIZE),
        fill=st.integers(1, 255),
    )
    def write_user(self, page: int, at: int, size: int, fill: int) -> None:
        page = self._near(page)
        writable = all(
            self._can(number, WRITE) for number in range(page, page + (at + size - 1) // PAGE_SIZE + 1)
        )
        before = [(vmo, vmo.read(0, vmo.size)) for vmo in self.vmos]
        try:
            self.aspace.write_user(BASE + page * PAGE_SIZE + at, bytes([fill]) * size)
        except ZxError as error:
            assert error.status is Status.INVALID_ARGS and not writable
            assert all(vmo.read(0, vmo.size) == data for vmo, data in before)
        else:
            assert writable
            if (
                len(
                    {
                        (self.pages[n].vmo, self.pages[n].number)
                        for n in range(page, page + 2)
                        if n in self.pages
                    }
                )
                == 2
            ):
                assert self.aspace.read_user(BASE + page * PAGE_SIZE + at, size) == bytes([fill]) * size

    def _can(self, page: int, access: int) -> bool:
        mapped = self.pages.get(page)
        return (
            mapped is not None
            and bool(mapped.access & access)
            and mapped.number * PAGE_SIZE < mapped.vmo.size
        )

    @rule(page=PAGE)
    def read_user(self, page: int) -> None:
        page = self._near(page)
        address = BASE + page * PAGE_SIZE
        try:
            data = self.aspace.read_user(address, PAGE_SIZE)
            word = self.aspace.read_u64(address + 16)
        except ZxError as error:
            assert error.status is Status.INVALID_ARGS and not self._can(page, READ)
            return
        mapped = self.pages[page]
        assert self._can(page, READ) and data == mapped.vmo.read(mapped.number * PAGE_SIZE, PAGE_SIZE)
        assert word == int.from_bytes(data[16:24], "little")

    @rule(vmo=st.integers(0, 1), at=st.integers(0, 8 * PAGE_SIZE - 4))
    def write_vmo(self, vmo: int, at: int) -> None:
        if at + 4 <= self.vmos[vmo].size:
            self.vmos[vmo].write(at, b"vmo!")

    @rule(vmo=st.integers(0, 1))
    def snapshot(self, vmo: int) -> None:
        clone = self.vmos[vmo].create_child(ZX_VMO_CHILD_SNAPSHOT, 0, 8 * PAGE_SIZE, copy_name=False)
        clone.acquire()
        self.clones.append(clone)

    @precondition(lambda self: self.clones)
    @rule()
    def drop_clone(self) -> None:
        self.clones.pop(0).release()

    @rule(pages=st.integers(0, 9))
    def resize(self, pages: int) -> None:
        self.vmos[1].set_size(pages * PAGE_SIZE)

    @rule(vmo=st.integers(0, 1), at=st.integers(0, 4), count=COUNT)
    def zero(self, vmo: int, at: int, count: int) -> None:
        memory = self.vmos[vmo]
        if (at + count) * PAGE_SIZE <= memory.size:
            memory.zero(at * PAGE_SIZE, count * PAGE_SIZE)

    @rule(
        first=PAGE,
        count=COUNT,
        op=st.sampled_from((ZX_VMAR_OP_COMMIT, ZX_VMAR_OP_MAP_RANGE, ZX_VMAR_OP_ZERO)),
    )
    def range_op(self, first: int, count: int, op: int) -> None:
        try:
            self.root.region.range_op(op, BASE + first * PAGE_SIZE, count * PAGE_SIZE, op_children=True)
        except ZxError as error:
            assert error.status in (
                Status.OUT_OF_RANGE,
                Status.BAD_STATE,
                Status.INVALID_ARGS,
                Status.ACCESS_DENIED,
            )
        else:
            assert all(page in self.pages for page in range(first, first + count))

    @rule(data=st.data())
    def engine_forgets(self, data: st.DataObject) -> None:
        """Derived state may go at any time: nothing that can be observed changes."""
        table = self.aspace.machine
        assert isinstance(table, PageTable)
        for page in list(table.pages):
            if data.draw(st.booleans()):
                del table.pages[page]

    @invariant()
    def tree_is_right(self) -> None:
        for page in range(SPACE):
            mapping = self.aspace.find(BASE + page * PAGE_SIZE)
            mapped = self.pages.get(page)
            if mapped is None:
                assert mapping is None
                continue
            assert mapping is not None and mapping.vmo is mapped.vmo
            assert mapping.vmo_offset + BASE + page * PAGE_SIZE - mapping.base == mapped.number * PAGE_SIZE
            assert mapping.access_at(BASE + page * PAGE_SIZE)[0] == mapped.access
            assert mapping.maximum == mapped.maximum and mapping.parent is mapped.owner.region

    @invariant()
    def derived_state_is_right(self) -> None:
        self.world.check_aspace(self.aspace)
        self.world.check_vmos(self.vmos + self.clones)


TestVmars = VmarMachine.TestCase
TestVmars.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
