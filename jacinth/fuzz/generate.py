"""What happens next: random steps, most of whose calls mean something.

Generators follow from the table: each parameter's kind, C type, object types, flags and, where these say too little, its name.
A call that is added to the table is fuzzed without a word here; what helps it to succeed more often is at the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from jacinth import abi
from jacinth.abi import BY_NAME, SCALARS, STRUCTS, ZX_RIGHT_SAME_RIGHTS, ZX_TIME_INFINITE, Struct
from jacinth.abi.names import FAMILIES
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.fuzz.world import SCRATCH_PAGES, Actor, Expression, Group, Step, World
from jacinth.kernel.vm.vmo import PAGE_SIZE
from jacinth.syscalls import table as _all_calls  # noqa: F401
from jacinth.syscalls.door import IMPLEMENTED

MS: Final = 1_000_000
MASK: Final = (1 << 64) - 1

INTERESTING: Final = (
    *(0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 63, 64, 65, 511, 4095, 4096, 4097, 8192, 65536, 65537),
    *(1 << bit for bit in range(20, 64)),
    *(MASK - value for value in (0, 1, 7, 8, 4095)),
    *((1 << bit) - 1 for bit in (31, 32, 46, 47, 63)),
    *((1 << bit) - PAGE_SIZE for bit in (32, 46, 47, 63, 64)),
)

# How often a call is made, where that is not once.
_WEIGHTS: Final = {
    "zx_process_exit": 0.03,
    "zx_thread_exit": 0.1,
    "zx_futex_wake_handle_close_thread_exit": 0.1,
    "zx_vmar_unmap_handle_close_thread_exit": 0.1,
    "zx_vmar_destroy": 0.2,
    "zx_vmar_unmap": 0.5,
    "zx_task_kill": 0.3,
    "zx_job_set_critical": 0.2,
    "zx_handle_close_many": 0.3,
    "zx_clock_get_monotonic": 0.1,
    "zx_clock_get_boot": 0.1,
    "zx_ticks_get": 0.1,
    "zx_ticks_get_boot": 0.1,
    "zx_ticks_per_second": 0.1,
    "zx_debug_write": 0.2,
    "zx_debug_read": 0.1,
    "zx_cprng_add_entropy": 0.2,
    "zx_thread_legacy_yield": 0.3,
    "zx_nanosleep": 0.5,
    "zx_channel_write": 3,
    "zx_channel_read": 2,
    "zx_object_wait_async": 2,
    "zx_object_wait_one": 2,
    "zx_vmar_map": 3,
    "zx_vmo_create_child": 2,
    "zx_port_wait": 2,
    "zx_process_start": 2,
}

# There is no such hardware: one call in a hundred shows it.
_RARE_FAMILIES: Final = ("pci", "guest")

_TABLE_LIMIT: Final = 120  # handles; beyond it more are closed than made


class Generator:
    """Makes steps for a *world*, all of which follow from *rng* and what is in the world."""

    def __init__(self, world: World, rng: random.Random, excluded: frozenset[str] = frozenset()) -> None:
        self.world = world
        self.rng = rng
        self.random = rng.random
        self.number = 0
        self.group_number = 0
        names = [name for name in BY_NAME if name in IMPLEMENTED and name not in excluded]
        self.calls = names
        total = 0.0
        self.cumulative = []
        for name in names:
            total += _WEIGHTS.get(name, 0.1 if BY_NAME[name].family in _RARE_FAMILIES else 1)
            self.cumulative.append(total)
        self._by_type: dict[str, tuple[tuple[int, int], dict[int, list[int]], list[int]]] = {}

    # Steps

    def next(self) -> Step:
        self.number += 1
        n = self.number
        world, random_ = self.world, self.random
        groups = world.groups
        chance = random_()
        if len(groups) < 4 and not world.over:
            self.group_number += 1
            shared = random_() < 0.5
            return ("spawn", n, f"g{self.group_number}", shared, 1 + self.rng.randrange(3) if shared else 1)
        if chance < 0.03:
            return ("run", n, self.rng.choice((1, 1000, MS, 50 * MS)))
        if chance < 0.037:
            return ("furnish", n, self.rng.choice(list(groups)))
        if chance < 0.039:
            return ("kill", n, self.rng.choice(list(groups)), self.rng.randrange(3))
        actors = [actor for actor in world.actors.values() if actor.idle]
        actor = actors[0] if random_() < 0.2 else self.rng.choice(actors)
        if chance < 0.045 and not actor.host:
            return ("restricted", n, actor.name, _code(self, actor), random_() < 0.8)
        return self.call(n, actor)

    def call(self, n: int, actor: Actor) -> Step:
        rng = self.rng
        group = actor.group
        handles = group.table.handles
        name = rng.choices(self.calls, cum_weights=self.cumulative)[0]
        if len(handles) > _TABLE_LIMIT and rng.random() < 0.4:
            name = "zx_handle_close"
        row = BY_NAME[name]
        if rng.random() < 0.9:
            by_type, _ = self._tables(group)
            for param in row.params:
                if _GIVEN.intersection(param.objects) and not any(
                    type_ in by_type for type_ in param.objects
                ):
                    return ("furnish", n, group.name)
            row = self._prepared(group, row)
        return ("call", n, actor.name, row.name, self.arguments(actor, row), rng.random() < 0.8)

    def _prepared(self, group: Group, row: SyscallRow) -> SyscallRow:
        """*row*, or where an object is missing that it needs, a call that makes one, or brings one into the right state."""
        by_type, _ = self._tables(group)
        need = _NEEDS.get(row.name)
        if need is not None and self.random() < 0.7:
            type_, wanted, maker = need
            handles = group.table.handles
            if maker in self.calls and not any(
                wanted(handles[value].object) for value in by_type.get(type_, ())
            ):
                return self._prepared(group, BY_NAME[maker])
        for param in row.params:
            if param.objects and not param.optional and not any(type_ in by_type for type_ in param.objects):
                makers = [
                    name for type_ in param.objects for name in _MAKERS.get(type_, ()) if name in self.calls
                ]
                if makers:
                    return self._prepared(group, BY_NAME[self.rng.choice(makers)])
        return row

    def arguments(self, actor: Actor, row: SyscallRow) -> tuple[Expression, ...]:
        special = _ARGUMENTS.get(row.name)
        if special is not None and self.random() < 0.85:
            arguments: tuple[Expression, ...] = special(self, actor)
            return arguments
        counts: dict[str, int] = {}
        return tuple(
            [self.argument(actor, row, param, index, counts) for index, param in enumerate(row.params)]
        )

    def argument(
        self, actor: Actor, row: SyscallRow, param: Param, index: int, counts: dict[str, int]
    ) -> Expression:
        if param.kind is Kind.HANDLE:
            if param.optional and self.random() < 0.5:
                return 0
            return self.handle(actor, param.objects, param.rights, consumed=param.consumed)
        if param.kind is Kind.SCALAR:
            if param.name in counts:
                return counts[param.name]
            if any(other.count == param.name or other.unit == param.name for other in row.params):
                counts[param.name] = value = self.count()
                return value
            return self.scalar(actor, param.name, param.type, param.flags)
        # A pointer
        elements = 1
        if param.count is not None:
            if param.count not in counts:
                counts[param.count] = self.count()
            elements = counts[param.count]
            if param.unit is not None:
                elements *= counts.setdefault(param.unit, self.count())
        chance = self.random()
        if param.optional and chance < 0.25:
            return 0
        if chance < 0.9:
            if param.kind is Kind.OUT:
                return ("a", index * PAGE_SIZE % (SCRATCH_PAGES * PAGE_SIZE))
            if param.type == "zx_futex_t":
                return ("f", self.rng.randrange(4) * 4)
            return self.buffer(actor, param.type, elements, index * PAGE_SIZE)
        return self.address(actor)

    # Numbers

    def integer(self) -> int:
        rng = self.rng
        kind = rng.randrange(4)
        if kind == 0:
            return rng.getrandbits(64)
        if kind == 1:
            return rng.randrange(64)
        return rng.choice(INTERESTING)

    def count(self) -> int:
        rng = self.rng
        chance = rng.random()
        if chance < 0.7:
            return rng.choice((0, 1, 1, 2, 3, 4, 8, 8, 16, 24, 32))
        if chance < 0.93:
            return rng.choice((33, 64, 65, 100, 152, 256, 512, 1024, 4096))
        return self.integer()

    def pages(self) -> int:
        """An offset or a size in memory."""
        rng = self.rng
        chance = rng.random()
        if chance < 0.75:
            return rng.choice((0, 0, 1, 1, 1, 2, 3, 4, 5, 8, 16, 33)) * PAGE_SIZE
        if chance < 0.9:
            return rng.randrange(20 * PAGE_SIZE)
        return self.integer()

    def time(self) -> Expression:
        rng = self.rng
        chance = rng.random()
        if chance < 0.5:
            return ("t", rng.choice((0, 1000, 500_000, MS, 5 * MS, 100 * MS)))
        if chance < 0.7:
            return ZX_TIME_INFINITE
        return 0 if chance < 0.9 else self.integer()

    def flags(self, family: str) -> int:
        rng = self.rng
        chance = rng.random()
        values, bits = _family(family)
        if chance < 0.3 or not values:
            return 0
        if chance < 0.75:
            return rng.choice(values)
        if chance < 0.93 and bits:
            return rng.choice(values) | rng.choice(values)
        return rng.choice(values) if chance < 0.97 else self.integer()

    def scalar(self, actor: Actor, name: str, type_: str, flags: str | None = None) -> Expression:
        rng = self.rng
        if flags == "ZX_VM_":
            return self.vm_options()
        if flags is not None:
            return 0 if name == "options" and rng.random() < 0.4 else self.flags(flags)
        rule = _BY_TYPE.get(type_) or _BY_NAME.get(name)
        if rule is not None:
            return rule(self, actor)
        if name == "options":
            return 0 if rng.random() < 0.8 else self.integer()
        return rng.randrange(8) if rng.random() < 0.6 else self.integer()

    def vm_options(self) -> int:
        rng = self.rng
        options = rng.choice((1, 3, 3, 3, 3, 7, 5, 0))
        chance = rng.random()
        if chance < 0.4:
            return options
        if chance < 0.9:
            return options | rng.choice(_VM_OPTIONS) | rng.choice(_VM_OPTIONS)
        return rng.getrandbits(32)

    # Handles

    def _tables(self, group: Group) -> tuple[dict[int, list[int]], list[int]]:
        """The handles of a group by type, and all of them."""
        handles = group.table.handles
        version = group.table._index, len(handles)
        cached = self._by_type.get(group.name)
        if cached is not None and cached[0] == version:
            return cached[1], cached[2]
        by_type: dict[int, list[int]] = {}
        for value, handle in handles.items():
            by_type.setdefault(handle.object.TYPE, []).append(value)
        everything = list(handles)
        self._by_type[group.name] = version, by_type, everything
        return by_type, everything

    def handle(
        self, actor: Actor, objects: tuple[int, ...] = (), rights: int = 0, consumed: bool = False
    ) -> Expression:
        """A handle, most often a valid one of the right type with the *rights*; to be *consumed* less often the last one of
        what no call makes.
        """
        rng = self.rng
        group = actor.group
        chance = rng.random()
        if chance < 0.97:
            by_type, everything = self._tables(group)
            found: list[int] | None = None
            if objects and chance < 0.92:
                found = by_type.get(objects[0] if len(objects) == 1 else rng.choice(objects))
            elif not objects and chance < 0.7:  # not always what there is most of
                found = by_type[rng.choice(list(by_type))] if by_type else None
            if not found:
                found = everything
            if found:
                handles = group.table.handles
                for _ in range(6):
                    # The newest ones are the most likely to be of some use.
                    value = (
                        found[-1 - rng.randrange(min(4, len(found)))] if chance < 0.4 else rng.choice(found)
                    )
                    if consumed and handles[value].object.TYPE in _GIVEN:
                        continue
                    if handles[value].rights & rights == rights:
                        break
                    if not objects:
                        found = everything
                return self.reference(group, value)
        if chance < 0.985:
            return self.integer() | 3
        return rng.choice((0, 0xFFFF_FFFF, 1, 3))

    def reference(self, group: Group, value: int) -> Expression:
        name = group.names.get(value)
        return value if name is None else ("h", group.name, *name)

    def chosen(self, actor: Actor, type_: int, wanted: Callable[[Any], bool]) -> tuple[Expression, Any]:
        """A handle of a type, if possible to an object that is *wanted*, and the object; None where there is none."""
        group = actor.group
        found = self._tables(group)[0].get(type_)
        if not found:
            return self.handle(actor, (type_,)), None
        handles = group.table.handles
        good = [value for value in found if wanted(handles[value].object)] if self.random() < 0.9 else found
        value = self.rng.choice(good or found)
        return self.reference(group, value), handles[value].object

    def handles(self, actor: Actor) -> list[Expression]:
        """A few handles to be sent away, each once, mostly."""
        count = self.rng.choice((0, 0, 0, 1, 1, 2, 3))
        found = [self.handle(actor, (), abi.ZX_RIGHT_TRANSFER, consumed=True) for _ in range(count)]
        return list(dict.fromkeys(found)) if self.random() < 0.95 else found

    # Memory

    def address(self, actor: Actor) -> Expression:
        rng = self.rng
        chance = rng.random()
        if chance < 0.5:
            return ("m", rng.randrange(64), rng.choice((0, 0, PAGE_SIZE, 8, rng.randrange(8 * PAGE_SIZE))))
        if chance < 0.6:
            return ("a", rng.randrange(SCRATCH_PAGES * PAGE_SIZE))
        if chance < 0.7:
            return ("f", PAGE_SIZE - rng.choice((1, 2, 4, 8)))
        if chance < 0.85:
            by_type, _ = self._tables(actor.group)
            vmars = by_type.get(abi.ZX_OBJ_TYPE_VMAR)
            if vmars:
                return ("v", self.reference(actor.group, rng.choice(vmars)), self.pages())
        return self.integer()

    def buffer(self, actor: Actor, type_: str, elements: int, place: int) -> Expression:
        """An address at which there are as many elements."""
        place %= SCRATCH_PAGES * PAGE_SIZE
        if type_ in STRUCTS:
            struct = STRUCTS[type_]
            data = b""
            patches: list[tuple[int, int, Expression]] = []
            for _ in range(min(elements, 6)):
                patches += self.struct(actor, struct, len(data))
                data += bytes(struct.SIZE)
            return ("b", place, data, tuple(patches))
        if type_ == "zx_handle_t":
            count = min(elements, 12)
            handles = tuple((4 * i, 4, self.handle(actor)) for i in range(count))
            return ("b", place, bytes(4 * count), handles)
        size = SCALARS[type_][0] if type_ in SCALARS else 1
        return ("b", place, self.rng.randbytes(min(elements * size, 64)), ())

    def struct(self, actor: Actor, struct: type[Struct], at: int) -> list[tuple[int, int, Expression]]:
        """The members of a struct, as patches of a buffer in which it begins *at*."""
        patches: list[tuple[int, int, Expression]] = []
        for field in struct.fields:
            if field.ctype in STRUCTS:
                for i in range(field.count or 1):
                    inner = STRUCTS[field.ctype]
                    patches += self.struct(actor, inner, at + field.offset + i * inner.SIZE)
                continue
            if field.count is not None:
                continue
            place = at + field.offset
            if field.ctype.endswith("*"):
                value: Expression = ("a", self.rng.randrange(SCRATCH_PAGES) * PAGE_SIZE)
                if self.random() < 0.1:
                    value = self.address(actor)
                patches.append((place, 8, value))
            elif field.ctype == "zx_handle_t":
                patches.append((place, 4, self.handle(actor)))
            elif field.ctype in SCALARS:
                value = self.scalar(actor, field.name, field.ctype, _FIELD_FLAGS.get(field.name))
                patches.append((place, SCALARS[field.ctype][0], value))
        return patches


def _rights(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.85:
        return ZX_RIGHT_SAME_RIGHTS
    return g.rng.getrandbits(32) & 0xFF_FFFF if chance < 0.9 else g.integer()


def _signals(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.35:
        return 1 << g.rng.randrange(24, 32)
    if chance < 0.8:
        return 1 << g.rng.randrange(0, 12)
    return g.rng.getrandbits(32)


def _user_signals(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.8:
        return g.rng.getrandbits(8) << 24
    return 0 if chance < 0.9 else g.rng.getrandbits(32)


def _koid(g: Generator, actor: Actor) -> Expression:
    return ("k", g.handle(actor)) if g.random() < 0.8 else g.rng.randrange(1000, 4000)


def _code(g: Generator, actor: Actor) -> Expression:
    return ("c", g.rng.randrange(6) * 16) if g.random() < 0.8 else g.address(actor)


def _stack(g: Generator, actor: Actor) -> Expression:
    return ("a", g.rng.randrange(SCRATCH_PAGES * PAGE_SIZE) & ~15)


def _key(g: Generator, actor: Actor) -> int:
    return g.rng.randrange(4)


def _size(g: Generator, actor: Actor) -> int:
    return g.pages()


def _time(g: Generator, actor: Actor) -> Expression:
    return g.time()


def _address(g: Generator, actor: Actor) -> Expression:
    return g.address(actor)


def _small(g: Generator, actor: Actor) -> int:
    return g.rng.choice((0, 0, 0, 1, 1, 2, 5, 0xFFFF_FFFF))


Rule = Callable[[Generator, Actor], Any]

_BY_TYPE: Final[dict[str, Rule]] = {
    "zx_rights_t": _rights,
    "zx_signals_t": _signals,
    "zx_koid_t": _koid,
    "zx_time_t": _time,
    "zx_instant_mono_t": _time,
    "zx_instant_boot_t": _time,
    "zx_off_t": _size,
    "zx_vaddr_t": _address,
    "zx_paddr_t": _size,
}
_BY_NAME: Final[dict[str, Rule]] = {
    "clear_mask": _user_signals,
    "set_mask": _user_signals,
    "koid": _koid,
    "key": _key,
    "entry": _code,
    "thread_entry": _code,
    "pc": _code,
    "sp": _stack,
    "stack": _stack,
    "current_value": _small,
    "new_value": _small,
    "wake_count": _small,
    "requeue_count": _small,
    **dict.fromkeys(
        [
            "size",
            "len",
            "length",
            "offset",
            "vmo_offset",
            "vmar_offset",
            "src_offset",
            "aux_offset",
            "region_offset",
            "region_length",
            "seek",
        ],
        _size,
    ),
    **dict.fromkeys(["addr", "address", "vaddr", "vector_table_ptr", "context"], _address),
}
# Members of structs whose values have names.
_FIELD_FLAGS: Final = {"waitfor": None, "discipline": None, "access": "ZX_IOB_ACCESS_"}

_VM_OPTIONS: Final = (
    *(0, 0, 0, 0),
    *(abi.ZX_VM_SPECIFIC, abi.ZX_VM_SPECIFIC_OVERWRITE, abi.ZX_VM_COMPACT, 0),
    *(abi.ZX_VM_CAN_MAP_READ, abi.ZX_VM_CAN_MAP_WRITE, abi.ZX_VM_CAN_MAP_EXECUTE, abi.ZX_VM_CAN_MAP_SPECIFIC),
    *(abi.ZX_VM_ALLOW_FAULTS, abi.ZX_VM_REQUIRE_NON_RESIZABLE, abi.ZX_VM_OFFSET_IS_UPPER_LIMIT),
    *(abi.ZX_VM_FAULT_BEYOND_STREAM_SIZE, 12 << abi.ZX_VM_ALIGN_BASE, 20 << abi.ZX_VM_ALIGN_BASE),
)

# What `World` gives to every group.
_GIVEN: Final = frozenset(
    (abi.ZX_OBJ_TYPE_JOB, abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_OBJ_TYPE_RESOURCE, abi.ZX_OBJ_TYPE_VMAR)
)
_MAKERS: Final[dict[int, tuple[str, ...]]] = {
    abi.ZX_OBJ_TYPE_BTI: ("zx_bti_create",),
    abi.ZX_OBJ_TYPE_CHANNEL: ("zx_channel_create", "zx_task_create_exception_channel"),
    abi.ZX_OBJ_TYPE_CLOCK: ("zx_clock_create",),
    abi.ZX_OBJ_TYPE_COUNTER: ("zx_counter_create",),
    abi.ZX_OBJ_TYPE_DEBUGLOG: ("zx_debuglog_create",),
    abi.ZX_OBJ_TYPE_EVENT: ("zx_event_create",),
    abi.ZX_OBJ_TYPE_EXCEPTION: ("zx_channel_read", "zx_thread_raise_exception"),
    abi.ZX_OBJ_TYPE_FIFO: ("zx_fifo_create",),
    abi.ZX_OBJ_TYPE_INTERRUPT: ("zx_interrupt_create",),
    abi.ZX_OBJ_TYPE_IOB: ("zx_iob_create",),
    abi.ZX_OBJ_TYPE_IOMMU: ("zx_iommu_create",),
    abi.ZX_OBJ_TYPE_MSI: ("zx_msi_allocate",),
    abi.ZX_OBJ_TYPE_PAGER: ("zx_pager_create",),
    abi.ZX_OBJ_TYPE_PMT: ("zx_bti_pin",),
    abi.ZX_OBJ_TYPE_PORT: ("zx_port_create",),
    abi.ZX_OBJ_TYPE_PROFILE: ("zx_profile_create",),
    abi.ZX_OBJ_TYPE_SAMPLER: ("zx_sampler_create",),
    abi.ZX_OBJ_TYPE_SOCKET: ("zx_socket_create",),
    abi.ZX_OBJ_TYPE_STREAM: ("zx_stream_create",),
    abi.ZX_OBJ_TYPE_THREAD: ("zx_thread_create",),
    abi.ZX_OBJ_TYPE_TIMER: ("zx_timer_create",),
    abi.ZX_OBJ_TYPE_VMO: ("zx_vmo_create",),
}

_FAMILIES: dict[str, tuple[list[int], bool]] = {}


def _family(prefix: str) -> tuple[list[int], bool]:
    """The values of the constants of a family, and whether they are bits to be or-ed."""
    known = _FAMILIES.get(prefix)
    if known is None:
        others = FAMILIES[prefix].others if prefix in FAMILIES else ()
        values = [
            value
            for name, value in vars(abi).items()
            if name.startswith(prefix) and isinstance(value, int) and not name.startswith(others or "-")
        ]
        known = _FAMILIES[prefix] = values, prefix in FAMILIES and FAMILIES[prefix].bits
    return known


# ---- Calls whose arguments have to go together ------------------------------------------------------------------------------


def _map(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Into a region, in most cases to be read and written."""
    options = g.vm_options()
    specific = options & (abi.ZX_VM_SPECIFIC | abi.ZX_VM_SPECIFIC_OVERWRITE | abi.ZX_VM_OFFSET_IS_UPPER_LIMIT)
    vmar, vmo = g.handle(actor, (abi.ZX_OBJ_TYPE_VMAR,)), g.handle(actor, (abi.ZX_OBJ_TYPE_VMO,))
    return (vmar, options, g.pages() if specific else 0, vmo, g.pages(), g.pages(), ("a", 0))


def _allocate(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = g.rng.choice(_VM_OPTIONS) | g.rng.choice((0x380, 0x3C0, 0x380, 0))
    vmar = g.handle(actor, (abi.ZX_OBJ_TYPE_VMAR,))
    offset = g.pages() if options & (abi.ZX_VM_SPECIFIC | abi.ZX_VM_OFFSET_IS_UPPER_LIMIT) else 0
    return (vmar, options, offset, g.pages(), ("a", 0), ("a", PAGE_SIZE))


def _in_vmar(*more: str) -> Rule:
    """handle, then *more*: where "addr" is an address in the region."""

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        vmar = g.handle(actor, (abi.ZX_OBJ_TYPE_VMAR,))
        known: dict[str, Callable[[], Expression]] = {
            "addr": lambda: ("v", vmar, g.pages()) if g.random() < 0.6 else g.address(actor),
            "size": g.pages,
            "options": g.vm_options,
            "op": lambda: g.flags("ZX_VMAR_OP_"),
            "null": lambda: 0,
            "close": lambda: 0 if g.random() < 0.5 else g.handle(actor),
        }
        return (vmar, *[known[name]() for name in more])

    return arguments


def _channel_call(struct_name: str) -> Rule:
    struct = STRUCTS[struct_name]
    etc = struct_name == "zx_channel_call_etc_args_t"

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        handles = g.rng.choice((0, 0, 0, 1, 2))
        kind = "zx_handle_disposition_t" if etc else "zx_handle_t"
        values = {
            "wr_bytes": ("b", PAGE_SIZE, g.rng.randbytes(16), ()),
            "wr_handles": g.buffer(actor, kind, handles, 2 * PAGE_SIZE),
            "rd_bytes": ("a", 3 * PAGE_SIZE),
            "rd_handles": ("a", 4 * PAGE_SIZE),
            "wr_num_bytes": g.rng.choice((4, 4, 8, 16, 16, 2)),
            "wr_num_handles": handles,
            "rd_num_bytes": g.rng.choice((0, 4, 16, 64)),
            "rd_num_handles": g.rng.choice((0, 2, 8)),
        }
        patches = tuple(
            (field.offset, 8 if field.ctype.endswith("*") else 4, values[field.name])
            for field in struct.fields
        )
        args = ("b", 0, bytes(struct.SIZE), patches)
        channel, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_CHANNEL, lambda c: c.peer is not None)
        return (channel, 0, g.time(), args, ("a", 5 * PAGE_SIZE), ("a", 6 * PAGE_SIZE))

    return arguments


def _policy(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rng = g.rng
    count = rng.randrange(1, 4)
    v2 = rng.random() < 0.7
    data = b""
    for _ in range(count):
        data += rng.randrange(16).to_bytes(4, "little") + rng.randrange(5).to_bytes(4, "little")
        if v2:
            data += rng.randrange(2).to_bytes(4, "little")
    topic = abi.ZX_JOB_POL_BASIC_V2 if v2 else abi.ZX_JOB_POL_BASIC_V1
    job = g.handle(actor, (abi.ZX_OBJ_TYPE_JOB,))
    return (job, rng.randrange(2), topic, ("b", 0, data, ()), count)


def _property(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    size = g.rng.choice((1, 4, 8, 8, 32))
    value = ("b", 0, g.rng.choice((bytes(size), g.rng.randrange(200000).to_bytes(size + 3, "little"))), ())
    return (g.handle(actor), g.flags("ZX_PROP_"), value, size)


def _write(etc: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        replies = g.random() < 0.3
        channel, object_ = g.chosen(
            actor, abi.ZX_OBJ_TYPE_CHANNEL, lambda c: c.peer is not None and (c.peer._callers or not replies)
        )
        size = g.rng.choice((0, 1, 4, 16, 64))
        contents = g.rng.randbytes(size)
        if replies and object_ is not None and object_.peer is not None and object_.peer._callers:
            size += 4
            contents = g.rng.choice(list(object_.peer._callers)).to_bytes(4, "little") + contents
        data = ("b", 0, contents, ())
        handles = g.handles(actor)
        patches: list[tuple[int, int, Expression]] = []
        for i, handle in enumerate(handles):
            if etc:
                operation = g.rng.choice((0, 0, 1))
                patches += [
                    (20 * i, 4, operation),
                    (20 * i + 4, 4, handle),
                    (20 * i + 12, 4, _rights(g, actor)),
                ]
            else:
                patches.append((4 * i, 4, handle))
        block = ("b", PAGE_SIZE, bytes(len(handles) * (20 if etc else 4)), tuple(patches))
        return (channel, 0, data, size, block, len(handles))

    return arguments


def _read(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    channel, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_CHANNEL, lambda c: c.messages)
    sizes = g.rng.choice((64, 64, 64, 4, 0)), g.rng.choice((8, 8, 8, 1, 0))
    options = g.rng.choice((0, 0, 0, 1))
    return (channel, options, ("a", 0), ("a", PAGE_SIZE), *sizes, ("a", 2 * PAGE_SIZE), ("a", 3 * PAGE_SIZE))


def _fifo(writes: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        fifo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_FIFO, lambda f: f.peer if writes else f._queue)
        size = 8 if object_ is None else object_.element_size
        data = ("b", 0, g.rng.randbytes(min(size * 2, 4096)), ()) if writes else ("a", 0)
        return (fifo, size, data, g.rng.choice((1, 1, 2, 4, 0)), ("a", PAGE_SIZE * 4))

    return arguments


def _fifo_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.rng.choice((1, 2, 8, 16)), g.rng.choice((1, 4, 8, 24)), 0, ("a", 0), ("a", 4))


def _futex(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    owner = 0 if g.random() < 0.5 else g.handle(actor, (abi.ZX_OBJ_TYPE_THREAD,))
    return (("f", g.rng.randrange(3) * 4), 0, owner, g.time())


def _requeue(counts: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        owner = 0 if g.random() < 0.5 else g.handle(actor, (abi.ZX_OBJ_TYPE_THREAD,))
        word, other = g.rng.sample(range(3), 2)
        count = (_small(g, actor),) if counts else ()
        return (("f", word * 4), *count, 0, ("f", other * 4), _small(g, actor), owner)

    return arguments


def _state(writes: bool) -> Rule:
    sizes = {
        abi.ZX_THREAD_STATE_GENERAL_REGS: STRUCTS["zx_thread_state_general_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_FP_REGS: STRUCTS["zx_thread_state_fp_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_VECTOR_REGS: STRUCTS["zx_thread_state_vector_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_DEBUG_REGS: STRUCTS["zx_thread_state_debug_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_SINGLE_STEP: 4,
    }

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_stopped)
        kind = g.rng.choice(list(sizes))
        size = sizes[kind]
        return (thread, kind, ("b", 0, g.rng.randbytes(size) if g.random() < 0.3 else bytes(size), ()), size)

    return arguments


def _thread_start(regs: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_startable)
        return (thread, _code(g, actor), _stack(g, actor), g.integer(), 0, *((0, 0) if regs else ()))

    return arguments


def _process_start(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    thread, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_new)
    mine = lambda process: object_ is None or process is object_.process  # noqa: E731
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, mine)
    argument = 0 if g.random() < 0.4 else g.handle(actor, (), abi.ZX_RIGHT_TRANSFER, consumed=True)
    return (process, thread, _code(g, actor), _stack(g, actor), argument, g.integer())


def _thread_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda p: p.state.name in ("INITIAL", "RUNNING"))
    return (process, ("b", 0, b"thread", ()), 6, 0, ("a", PAGE_SIZE))


def _create_shared(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda p: p.shareable and p.shared.count)
    return (process, 0, ("b", 0, b"shared", ()), 6, ("a", PAGE_SIZE), ("a", 2 * PAGE_SIZE))


def _child(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """A thread of a process, or a process or a job of a job."""
    rng = g.rng
    if rng.random() < 0.5:
        parent, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda process: process._threads)
        children = [] if object_ is None else list(object_._threads)
    else:
        parent, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_JOB, lambda job: job.has_children)
        children = [] if object_ is None else [*(object_._jobs or ()), *(object_._processes or ())]
    return (parent, rng.choice(children) if children else 1, _rights(g, actor), ("a", 0))


def _vmo_child(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    kind = g.rng.choice(
        (abi.ZX_VMO_CHILD_SNAPSHOT, abi.ZX_VMO_CHILD_SLICE, abi.ZX_VMO_CHILD_REFERENCE, 0x10, 0x40)
    )
    options = kind | g.rng.choice((0, 0, abi.ZX_VMO_CHILD_RESIZABLE, abi.ZX_VMO_CHILD_NO_WRITE))
    if kind == abi.ZX_VMO_CHILD_REFERENCE and g.random() < 0.8:
        return (vmo, options, 0, 0, ("a", 0))
    size = PAGE_SIZE if object_ is None else object_.size
    offset = g.rng.choice((0, 0, size // 2 & -PAGE_SIZE, PAGE_SIZE))
    return (vmo, options, offset, g.rng.choice((size, size - offset, PAGE_SIZE, g.pages())) & MASK, ("a", 0))


def _vmo_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.pages(), g.rng.choice((0, 0, 0, abi.ZX_VMO_RESIZABLE, abi.ZX_VMO_RESIZABLE, 4, 8)), ("a", 0))


def _vmo_range(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    size = PAGE_SIZE if object_ is None else min(object_.size, 1 << 24)
    offset = g.rng.choice((0, 0, size // 2 & -PAGE_SIZE, PAGE_SIZE))
    return (vmo, g.flags("ZX_VMO_OP_"), offset, g.rng.choice((size, size - offset, PAGE_SIZE)) & MASK, 0, 0)


def _vmo_resize(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.resizable)[0], g.pages())


def _vmo_access(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Of the contents: within them, mostly."""
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size)
    size = 0 if object_ is None else min(object_.size, 1 << 24)
    offset = g.rng.choice((0, 0, size // 2, g.rng.randrange(size + 1), size - 1, g.pages())) & MASK
    length = g.rng.choice((0, 1, 8, 100, PAGE_SIZE, min(max(0, size - offset), 5 * PAGE_SIZE)))
    data = ("b", 0, g.rng.randbytes(16), ()) if g.random() < 0.9 else g.address(actor)
    return (vmo, data, offset, length)


def _transfer(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    large = lambda vmo: vmo.size >= PAGE_SIZE  # noqa: E731
    (target, one), (source, other) = (g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, large) for _ in range(2))
    offset, length = _part(g, 0 if one is None else min(one.size, 1 << 20))
    from_, _ = _part(g, 0 if other is None else min(other.size, 1 << 20))
    return (target, 0, offset, g.rng.choice((length, PAGE_SIZE, PAGE_SIZE)), source, from_)


def _mapped(g: Generator, actor: Actor) -> tuple[Expression, Expression]:
    """A VMAR and the address of a child of it, where one has any."""
    vmar, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, lambda vmar: vmar.region._bases)
    if object_ is None or not object_.region._bases:
        return vmar, ("v", vmar, g.pages())
    base = g.rng.choice(object_.region._bases)
    if actor.group.scratch <= base < actor.group.scratch + 64 * PAGE_SIZE and g.random() < 0.9:
        base = object_.region._bases[-1]  # not its own arguments, mostly
    return vmar, ("v", vmar, base - object_.region.base + g.rng.choice((0, 0, 0, 1, 2)) * PAGE_SIZE)


def _unmap(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (*_mapped(g, actor), g.pages())


def _protect(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address = _mapped(g, actor)
    return (vmar, g.rng.choice((1, 3, 3, 0, 5, 7)), address, g.pages())


def _vmar_range(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address = _mapped(g, actor)
    return (vmar, g.flags("ZX_VMAR_OP_"), address, g.pages(), 0, 0)


def _get_info(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Many topics are of one type."""
    topic = g.flags("ZX_INFO_")
    types = _TOPICS.get(topic & 0xFFFF)
    size = g.rng.choice((8, 64, 256, 1024, 4096))
    return (g.handle(actor, types or ()), topic, ("a", 0), size, ("a", 2 * PAGE_SIZE), ("a", 3 * PAGE_SIZE))


_JOB, _PROCESS, _THREAD, _VMO = (
    (abi.ZX_OBJ_TYPE_JOB,),
    (abi.ZX_OBJ_TYPE_PROCESS,),
    (abi.ZX_OBJ_TYPE_THREAD,),
    (abi.ZX_OBJ_TYPE_VMO,),
)
_TOPICS: Final[dict[int, tuple[int, ...]]] = {
    getattr(abi, "ZX_INFO_" + name) & 0xFFFF: types
    for names, types in {
        "PROCESS PROCESS_THREADS PROCESS_MAPS PROCESS_VMOS PROCESS_HANDLE_STATS TASK_STATS HANDLE_TABLE": _PROCESS,
        "JOB JOB_CHILDREN JOB_PROCESSES": _JOB,
        "THREAD THREAD_EXCEPTION_REPORT THREAD_STATS": _THREAD,
        "VMO": _VMO,
        "VMAR VMAR_MAPS": (abi.ZX_OBJ_TYPE_VMAR,),
        "SOCKET": (abi.ZX_OBJ_TYPE_SOCKET,),
        "TIMER": (abi.ZX_OBJ_TYPE_TIMER,),
        "STREAM": (abi.ZX_OBJ_TYPE_STREAM,),
        "RESOURCE": (abi.ZX_OBJ_TYPE_RESOURCE,),
        "TASK_RUNTIME": (*_JOB, *_PROCESS, *_THREAD),
    }.items()
    for name in names.split()
}


def _get_property(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (
        g.handle(actor, (), abi.ZX_RIGHT_GET_PROPERTY),
        g.flags("ZX_PROP_"),
        ("a", 0),
        g.rng.choice((32, 32, 8, 4)),
    )


def _cancel(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """A wait that is there, mostly."""
    port, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_PORT, lambda port: port._observing)
    handles = actor.group.table.handles
    for observer in () if object_ is None else object_._observing:
        for value, handle in handles.items():
            if handle is observer.handle:
                return (port, g.reference(actor.group, value), observer.key)
    return (port, g.handle(actor), _key(g, actor))


def _wait_many(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    count = g.rng.choice((0, 1, 1, 2, 3, 5))
    patches: list[tuple[int, int, Expression]] = []
    for i in range(count):
        patches += [(12 * i, 4, g.handle(actor, (), abi.ZX_RIGHT_WAIT)), (12 * i + 4, 4, _signals(g, actor))]
    return (("b", 0, bytes(12 * count), tuple(patches)), count, g.time())


def _raise(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (abi.ZX_EXCEPTION_TARGET_JOB_DEBUGGER, abi.ZX_EXCP_USER, ("b", 0, bytes(96), ()))


def _interrupt(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    virtual = g.rng.choice((abi.ZX_INTERRUPT_VIRTUAL, abi.ZX_INTERRUPT_VIRTUAL | 0x20))
    return (0, 0, virtual, ("a", 0))


def _clock_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = g.rng.choice((0, abi.ZX_CLOCK_OPT_AUTO_START, abi.ZX_CLOCK_OPT_MONOTONIC, 7))
    return (options, 0, ("a", 0))


def _clock_update(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = g.rng.randrange(1, 16) | 2 << 58
    data = b"".join(g.rng.randrange(1 << 31).to_bytes(8, "little") for _ in range(5))
    return (g.handle(actor, (abi.ZX_OBJ_TYPE_CLOCK,), abi.ZX_RIGHT_WRITE), options, ("b", 0, data, ()))


def _debuglog_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource = g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,))
    return (resource, g.rng.choice((0, abi.ZX_LOG_FLAG_READABLE)), ("a", 0))


def _pager_vmo(g: Generator, actor: Actor) -> tuple[Expression, Expression, int]:
    """A pager, a VMO of its, and how large that is."""
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, _has_pager)
    source = None if object_ is None else getattr(object_.pages, "source", None)
    pager, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PAGER, lambda pager: source is None or source.pager is pager)
    return pager, vmo, 0 if object_ is None else min(object_.size, 1 << 24)


def _part(g: Generator, size: int) -> tuple[int, int]:
    """An offset and a length of whole pages, in most cases within *size*."""
    offset = g.rng.choice((0, 0, 0, PAGE_SIZE, size // 2 & -PAGE_SIZE))
    return offset, g.rng.choice((size - offset, size - offset, PAGE_SIZE, size, g.pages())) & MASK


def _supply(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, size = _pager_vmo(g, actor)
    plain = lambda vmo: not vmo.pages.special and vmo.size >= PAGE_SIZE and not vmo.mappings  # noqa: E731
    auxiliary, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, plain)
    offset, length = _part(g, size)
    return (pager, vmo, offset, min(length, g.rng.choice((PAGE_SIZE, 4 * PAGE_SIZE))), auxiliary, 0)


def _pager_create_vmo(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager = g.handle(actor, (abi.ZX_OBJ_TYPE_PAGER,))
    port = g.handle(actor, (abi.ZX_OBJ_TYPE_PORT,))
    options = g.rng.choice((0, 0, abi.ZX_VMO_RESIZABLE, abi.ZX_VMO_TRAP_DIRTY, 3, 0x10))
    return (pager, options, port, _key(g, actor), g.rng.choice((1, 2, 4, 16)) * PAGE_SIZE, ("a", 0))


def _pager_op(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, size = _pager_vmo(g, actor)
    op = g.flags("ZX_PAGER_OP_")
    data = g.rng.choice((abi.ZX_ERR_IO & MASK, abi.ZX_ERR_BAD_STATE & MASK, 0, 1))
    return (
        pager,
        op,
        vmo,
        *_part(g, size),
        data if op == abi.ZX_PAGER_OP_FAIL else g.rng.choice((0, 0, data)),
    )


def _pager_query(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, size = _pager_vmo(g, actor)
    return (pager, vmo, *_part(g, size), ("a", 0), g.rng.choice((0, 24, 240, 2400)), ("a", PAGE_SIZE), 0)


def _pager_stats(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, _ = _pager_vmo(g, actor)
    return (pager, vmo, g.rng.randrange(2), ("a", 0), g.rng.choice((4, 8, 64)))


def _pager_detach(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return _pager_vmo(g, actor)[:2]


def _resource_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    kind = g.rng.randrange(6) | g.rng.choice((0, 0, abi.ZX_RSRC_FLAG_EXCLUSIVE))
    base, size = g.rng.choice(((0, 0), (0, 1), (8, 1), (1 << 40, PAGE_SIZE), (16, 16)))
    return (
        g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,)),
        kind,
        base,
        size,
        ("b", 0, b"mine", ()),
        4,
        ("a", PAGE_SIZE),
    )


def _iommu_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,)), 0, ("b", 0, b"\0", ()), 1, ("a", PAGE_SIZE))


def _pin(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: PAGE_SIZE <= vmo.size < 1 << 24)
    options = g.rng.choice((1, 3, 3, 7, 3 | abi.ZX_BTI_COMPRESS, 3 | abi.ZX_BTI_CONTIGUOUS))
    offset, size = _part(g, 0 if object_ is None else min(object_.size, 1 << 20))
    bti = g.handle(actor, (abi.ZX_OBJ_TYPE_BTI,))
    return (bti, options, vmo, offset, size, ("a", 0), max(1, size // PAGE_SIZE) & MASK, ("a", 5 * PAGE_SIZE))


def _contiguous(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    bti = g.handle(actor, (abi.ZX_OBJ_TYPE_BTI,))
    return (bti, g.rng.choice((1, 2, 5, 16)) * PAGE_SIZE, g.rng.choice((0, 12, 14, 20)), ("a", 0))


def _ktrace_control(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    groups = g.rng.choice((0, abi.KTRACE_GRP_META, 1 << g.rng.randrange(12)))
    return (g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,)), g.rng.randrange(6), groups, 0)


def _sampler_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    period, size = g.rng.choice(((10_000, 4096), (1_000_000, 1 << 16), (9_999, 4096), (10_000, 4095)))
    config = abi.zx_sampler_config_t(period=period, buffer_size=size).pack()
    return (g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,)), 0, ("b", 0, config, ()), ("a", PAGE_SIZE))


def _is_new(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "INITIAL")


def _is_startable(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "RUNNING")


def _has_pager(vmo: Any) -> bool:
    return hasattr(vmo.pages, "source") and not vmo.pages.source.detached


def _is_stopped(thread: Any) -> bool:
    return bool(thread.context is not None and thread.state.name == "SUSPENDED")


# Calls that need an object in a certain state, and which call brings it about.
_NEEDS: Final[dict[str, tuple[int, Callable[[Any], Any], str]]] = {
    **dict.fromkeys(
        [
            "zx_pager_supply_pages",
            "zx_pager_op_range",
            "zx_pager_query_dirty_ranges",
            "zx_pager_query_vmo_stats",
        ],
        (abi.ZX_OBJ_TYPE_VMO, _has_pager, "zx_pager_create_vmo"),
    ),
    "zx_process_start": (abi.ZX_OBJ_TYPE_THREAD, _is_new, "zx_thread_create"),
    "zx_thread_create": (
        abi.ZX_OBJ_TYPE_PROCESS,
        lambda process: process.state.name == "INITIAL",
        "zx_process_create",
    ),
    "zx_thread_start": (abi.ZX_OBJ_TYPE_THREAD, _is_startable, "zx_thread_create"),
    "zx_thread_start_regs": (abi.ZX_OBJ_TYPE_THREAD, _is_startable, "zx_thread_create"),
    "zx_thread_read_state": (abi.ZX_OBJ_TYPE_THREAD, _is_stopped, "zx_task_suspend"),
    "zx_thread_write_state": (abi.ZX_OBJ_TYPE_THREAD, _is_stopped, "zx_task_suspend"),
    "zx_task_suspend": (
        abi.ZX_OBJ_TYPE_THREAD,
        lambda thread: thread.context is not None,
        "zx_process_start",
    ),
    "zx_channel_read": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.messages, "zx_channel_write"),
    "zx_channel_write": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_channel_call": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_channel_call_etc": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_socket_read": (abi.ZX_OBJ_TYPE_SOCKET, lambda socket: socket._size, "zx_socket_write"),
    "zx_socket_write": (abi.ZX_OBJ_TYPE_SOCKET, lambda socket: socket.peer, "zx_socket_create"),
    "zx_fifo_read": (abi.ZX_OBJ_TYPE_FIFO, lambda fifo: fifo._queue, "zx_fifo_write"),
    "zx_fifo_write": (abi.ZX_OBJ_TYPE_FIFO, lambda fifo: fifo.peer, "zx_fifo_create"),
    "zx_vmo_set_size": (abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.resizable, "zx_vmo_create"),
}


_ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_vmar_map": _map,
    "zx_vmar_allocate": _allocate,
    "zx_vmar_unmap": _unmap,
    "zx_vmar_protect": _protect,
    "zx_vmar_op_range": _vmar_range,
    "zx_channel_write": _write(False),
    "zx_channel_write_etc": _write(True),
    "zx_channel_read": _read,
    "zx_channel_read_etc": _read,
    "zx_fifo_create": _fifo_create,
    "zx_fifo_write": _fifo(True),
    "zx_fifo_read": _fifo(False),
    "zx_futex_wait": _futex,
    "zx_futex_requeue": _requeue(True),
    "zx_futex_requeue_single_owner": _requeue(False),
    "zx_thread_read_state": _state(False),
    "zx_thread_write_state": _state(True),
    "zx_thread_create": _thread_create,
    "zx_thread_start": _thread_start(False),
    "zx_thread_start_regs": _thread_start(True),
    "zx_thread_raise_exception": _raise,
    "zx_process_start": _process_start,
    "zx_process_create_shared": _create_shared,
    "zx_object_get_child": _child,
    "zx_object_get_info": _get_info,
    "zx_object_get_property": _get_property,
    "zx_object_wait_many": _wait_many,
    "zx_port_cancel": _cancel,
    "zx_vmo_create": _vmo_create,
    "zx_vmo_create_child": _vmo_child,
    "zx_vmo_op_range": _vmo_range,
    "zx_vmo_set_size": _vmo_resize,
    "zx_vmo_read": _vmo_access,
    "zx_vmo_write": _vmo_access,
    "zx_vmo_transfer_data": _transfer,
    "zx_interrupt_create": _interrupt,
    "zx_clock_create": _clock_create,
    "zx_clock_update": _clock_update,
    "zx_pager_create_vmo": _pager_create_vmo,
    "zx_pager_detach_vmo": _pager_detach,
    "zx_pager_supply_pages": _supply,
    "zx_pager_op_range": _pager_op,
    "zx_pager_query_dirty_ranges": _pager_query,
    "zx_pager_query_vmo_stats": _pager_stats,
    "zx_resource_create": _resource_create,
    "zx_iommu_create": _iommu_create,
    "zx_ktrace_control": _ktrace_control,
    "zx_sampler_create": _sampler_create,
    "zx_bti_pin": _pin,
    "zx_vmo_create_contiguous": _contiguous,
    "zx_debuglog_create": _debuglog_create,
    "zx_vmar_unmap_handle_close_thread_exit": _in_vmar("addr", "size", "close"),
    "zx_channel_call": _channel_call("zx_channel_call_args_t"),
    "zx_channel_call_etc": _channel_call("zx_channel_call_etc_args_t"),
    "zx_job_set_policy": _policy,
    "zx_object_set_property": _property,
}
