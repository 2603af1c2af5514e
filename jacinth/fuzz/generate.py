"""What happens next: random steps, most of whose calls mean something.

Generators follow from the table: each parameter's kind, C type, object types, flags and, where these say too little, its name.
A call that is added to the table is fuzzed without a word here; what helps it to succeed more often is in `arguments`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from jacinth import abi
from jacinth.abi import BY_NAME, SCALARS, STRUCTS, ZX_TIME_INFINITE, Struct
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.fuzz.arguments import ARGUMENTS, NEEDS
from jacinth.fuzz.arguments.ipc import is_called
from jacinth.fuzz.arguments.parameters import (
    BY_PARAMETER,
    BY_TYPE,
    FIELD_FLAGS,
    GIVEN,
    MAKERS,
    VM_OPTIONS,
    family,
)
from jacinth.fuzz.world import CODES, SCRATCH_PAGES, Actor, Expression, Group, Step, World
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
_WEIGHTS: Final[dict[str, float]] = {
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
    "zx_channel_call": 2,
    "zx_channel_call_etc": 2,
    "zx_futex_wait": 3,
    "zx_futex_wake": 2,
    "zx_object_wait_async": 2,
    "zx_object_wait_one": 2,
    "zx_vmar_map": 3,
    "zx_vmo_create_child": 2,
    "zx_port_wait": 2,
    "zx_process_start": 2,
}

# These are never there, whatever is asked for.
_WEIGHTS.update(
    dict.fromkeys(
        [
            "zx_debug_send_command",
            "zx_mtrace_control",
            "zx_msi_allocate",
            "zx_msi_create",
            "zx_smc_call",
            "zx_ioports_request",
            "zx_ioports_release",
            "zx_system_mexec",
            "zx_system_mexec_payload_get",
            "zx_system_get_event",  # but for who has the root job
            "zx_system_set_processor_power_domain",
            "zx_system_set_processor_power_state",
        ],
        0.2,
    )
)

# There is no such hardware: one call in a hundred shows it.
_RARE_FAMILIES: Final = ("pci", "guest")

_OF_STOPPED: Final = ("zx_thread_read_state", "zx_thread_write_state")

# Which of the world's pieces of code a scene runs.
_SCENES: Final[dict[str, Callable[[random.Random], int]]] = {
    "faults": lambda rng: rng.choice((0, 1, 2, 3, 3, 4, 5)),
    "stands": lambda rng: rng.randrange(CODES),
    "pages": lambda rng: 6,
}

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
        # Where there is no memory for another one those that are there go on.
        if len(groups) < 4 and not world.over and random_() < 0.8:
            self.group_number += 1
            shared = random_() < 0.5
            return ("spawn", n, f"g{self.group_number}", shared, 1 + self.rng.randrange(3) if shared else 1)
        if chance < 0.03:
            return ("run", n, self.rng.choice((1, 1000, MS, 50 * MS)))
        if chance < 0.037:
            return ("furnish", n, self.rng.choice(list(groups)))
        if chance < 0.039:
            return ("kill", n, self.rng.choice(list(groups)), self.rng.randrange(3))
        if chance < 0.06:
            stuck = [group for group in groups.values() if not any(actor.idle for actor in group.actors)]
            if stuck:  # they wait for what will not come: others shall have their place
                group = self.rng.choice(stuck)
                alive = [i for i, process in enumerate(group.processes) if process.state.name != "DEAD"]
                return ("kill", n, group.name, self.rng.choice(alive) if alive else 0)
        actors = [actor for actor in world.actors.values() if actor.idle]
        actor = actors[0] if random_() < 0.1 else self.rng.choice(actors)
        if 0.06 <= chance < 0.067:
            kind = self.rng.choice(("faults", "faults", "stands", "pages"))
            return self.scene(n, actor.group, kind)
        if 0.067 <= chance < 0.078 and not actor.host:
            return ("restricted", n, actor.name, self.registers(actor), random_() < 0.8)
        if 0.078 <= chance < 0.1 and self.is_called(actor):
            row = BY_NAME["zx_channel_write"]
            return ("call", n, actor.name, row.name, self.arguments(actor, row), True)
        return self.call(n, actor)

    def is_called(self, actor: Actor) -> bool:
        """Somebody waits for an answer through a channel whose other end the actor's group has."""
        return any(
            is_called(self.object(actor, value)) for value in self.of_type(actor, abi.ZX_OBJ_TYPE_CHANNEL)
        )

    def scene(self, n: int, group: Group, kind: str) -> Step:
        return ("scene", n, group.name, kind, _SCENES[kind](self.rng) * 16, self.rng.randrange(4))

    def registers(self, actor: Actor) -> tuple[tuple[int, Expression], ...]:
        """Words of a zx_restricted_state_t: those at which code is, mostly, and now and then some that no thread may have."""
        rng = self.rng
        rsp, ip, flags, fs_base = 7, 16, 17, 18
        entry: Expression = ("r", rng.randrange(CODES) * 16) if rng.random() < 0.9 else self.address(actor)
        words: list[tuple[int, Expression]] = [(rsp, ("r", 2 * PAGE_SIZE)), (ip, entry)]
        if rng.random() < 0.2:
            words.append((rng.randrange(fs_base + 2), self.address(actor)))
        if rng.random() < 0.1:
            words.append((flags, rng.getrandbits(22)))
        return tuple(words)

    def call(self, n: int, actor: Actor) -> Step:
        rng = self.rng
        name = rng.choices(self.calls, cum_weights=self.cumulative)[0]
        if actor.host and BY_NAME[name].blocking and rng.random() < 0.7:  # which leaves every wait at once
            others = [other for other in self.world.actors.values() if other.idle and not other.host]
            actor = rng.choice(others) if others else actor
        group = actor.group
        handles = group.table.handles
        if len(handles) > _TABLE_LIMIT and rng.random() < 0.4:
            name = "zx_handle_close"
        row = BY_NAME[name]
        if row.family == "exception" or (name == "zx_channel_read" and rng.random() < 0.3):
            return self.exception(n, actor, row)
        if row.name in _OF_STOPPED and rng.random() < 0.3:
            return self.scene(n, group, "stands")
        if rng.random() < 0.9:
            by_type, _ = self._tables(group)
            for param in row.params:
                if GIVEN.intersection(param.objects) and not any(type_ in by_type for type_ in param.objects):
                    return ("furnish", n, group.name)
            row = self._prepared(group, row)
        return ("call", n, actor.name, row.name, self.arguments(actor, row), rng.random() < 0.8)

    def exception(self, n: int, actor: Actor, row: SyscallRow) -> Step:
        """A call about an exception; where there is none, one that gets it, or what leads to one."""
        group = actor.group
        if row.name != "zx_channel_read" and self.has(actor, abi.ZX_OBJ_TYPE_EXCEPTION):
            return ("call", n, actor.name, row.name, self.arguments(actor, row), self.random() < 0.8)
        for value in self.of_type(actor, abi.ZX_OBJ_TYPE_CHANNEL):
            messages = self.object(actor, value).messages
            if messages and messages[0][1] and messages[0][1][0].object.TYPE == abi.ZX_OBJ_TYPE_EXCEPTION:
                places = [("a", page * PAGE_SIZE) for page in range(4)]
                arguments = (self.reference(group, value), 0, *places[:2], 64, 4, *places[2:])
                return ("call", n, actor.name, "zx_channel_read", arguments, self.random() < 0.8)
        return self.scene(n, group, "faults")

    def _prepared(self, group: Group, row: SyscallRow) -> SyscallRow:
        """*row*, or where an object is missing that it needs, a call that makes one, or brings one into the right state."""
        by_type, _ = self._tables(group)
        need = NEEDS.get(row.name)
        if need is not None and self.random() < 0.9:
            type_, wanted, maker = need
            handles = group.table.handles
            rights = next((param.rights for param in row.params if type_ in param.objects), 0)
            found = (handles[value] for value in by_type.get(type_, ()))
            if maker in self.calls and not any(
                h.rights & rights == rights and wanted(h.object) for h in found
            ):
                return self._prepared(group, BY_NAME[maker])
        for param in row.params:
            if param.objects and not param.optional and not any(type_ in by_type for type_ in param.objects):
                makers = [
                    name for type_ in param.objects for name in MAKERS.get(type_, ()) if name in self.calls
                ]
                if makers:
                    return self._prepared(group, BY_NAME[self.rng.choice(makers)])
        return row

    def arguments(self, actor: Actor, row: SyscallRow) -> tuple[Expression, ...]:
        special = ARGUMENTS.get(row.name)
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
        if chance < 0.96:
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

    def flags(self, prefix: str) -> int:
        rng = self.rng
        chance = rng.random()
        values, bits = family(prefix)
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
            return 0 if name == "options" and rng.random() < 0.6 else self.flags(flags)
        rule = BY_TYPE.get(type_) or BY_PARAMETER.get(name)
        if rule is not None:
            return rule(self, actor)
        if name == "options":
            return 0 if rng.random() < 0.92 else self.integer()
        return rng.randrange(8) if rng.random() < 0.6 else self.integer()

    def vm_options(self) -> int:
        rng = self.rng
        options = rng.choice((1, 3, 3, 3, 3, 7, 5, 0))
        chance = rng.random()
        if chance < 0.4:
            return options
        if chance < 0.9:
            return options | rng.choice(VM_OPTIONS) | rng.choice(VM_OPTIONS)
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
        if chance < 0.98:
            by_type, everything = self._tables(group)
            found: list[int] | None = None
            if objects and chance < 0.96:
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
                    if consumed and handles[value].object.TYPE in GIVEN:
                        continue
                    if handles[value].rights & rights == rights:
                        break
                    if not objects:
                        found = everything
                else:
                    fit = [
                        value
                        for value in everything
                        if handles[value].rights & rights == rights
                        and not (consumed and handles[value].object.TYPE in GIVEN)
                    ]
                    if fit and not objects:
                        value = rng.choice(fit)
                return self.reference(group, value)
        if chance < 0.99:
            return self.integer() | 3
        return rng.choice((0, 0xFFFF_FFFF, 1, 3))

    def reference(self, group: Group, value: int) -> Expression:
        name = group.names.get(value)
        return value if name is None else ("h", group.name, *name)

    def chosen(
        self, actor: Actor, type_: int, wanted: Callable[[Any], Any], rights: int = 0
    ) -> tuple[Expression, Any]:
        """A handle of a type, if possible with *rights* to an object that is *wanted*; and the object, or None."""
        group = actor.group
        found = self._tables(group)[0].get(type_)
        if not found:
            return self.handle(actor, (type_,)), None
        handles = group.table.handles
        good = found
        if self.random() < 0.93:
            good = [
                value
                for value in found
                if handles[value].rights & rights == rights and wanted(handles[value].object)
            ]
        value = self.rng.choice(good or found)
        return self.reference(group, value), handles[value].object

    def of_type(self, actor: Actor, type_: int) -> list[int]:
        return self._tables(actor.group)[0].get(type_, [])

    def has(self, actor: Actor, type_: int) -> bool:
        return bool(self.of_type(actor, type_))

    def object(self, actor: Actor, value: int) -> Any:
        return actor.group.table.handles[value].object

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
                value = self.scalar(actor, field.name, field.ctype, FIELD_FLAGS.get(field.name))
                patches.append((place, SCALARS[field.ctype][0], value))
        return patches
