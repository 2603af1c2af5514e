"""What one parameter is, by its type, its flags or its name; and shapes that several families have."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS, ZX_RIGHT_SAME_RIGHTS
from jacinth.abi.names import FAMILIES
from jacinth.fuzz.world import CODES, SCRATCH_PAGES, Actor, Expression
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator

MASK: Final = (1 << 64) - 1


def rights(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.85:
        return ZX_RIGHT_SAME_RIGHTS
    return g.rng.getrandbits(32) & 0xFF_FFFF if chance < 0.9 else g.integer()


def signals(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.35:
        return 1 << g.rng.randrange(24, 32)
    if chance < 0.8:
        return 1 << g.rng.randrange(0, 12)
    return g.rng.getrandbits(32)


def user_signals(g: Generator, actor: Actor) -> int:
    chance = g.random()
    if chance < 0.8:
        return g.rng.getrandbits(8) << 24
    return 0 if chance < 0.9 else g.rng.getrandbits(32)


def _koid(g: Generator, actor: Actor) -> Expression:
    return ("k", g.handle(actor)) if g.random() < 0.8 else g.rng.randrange(1000, 4000)


def code(g: Generator, actor: Actor) -> Expression:
    return ("c", g.rng.randrange(CODES) * 16) if g.random() < 0.8 else g.address(actor)


def stack(g: Generator, actor: Actor) -> Expression:
    return ("a", g.rng.randrange(SCRATCH_PAGES * PAGE_SIZE) & ~15)


def key(g: Generator, actor: Actor) -> int:
    return g.rng.randrange(4)


def _size(g: Generator, actor: Actor) -> int:
    return g.pages()


def _time(g: Generator, actor: Actor) -> Expression:
    return g.time()


def _address(g: Generator, actor: Actor) -> Expression:
    return g.address(actor)


def small(g: Generator, actor: Actor) -> int:
    return g.rng.choice((0, 0, 0, 1, 1, 2, 5, 0xFFFF_FFFF))


Rule = Callable[["Generator", Actor], Any]
# What a call needs: an object of a type, in which state, and which call brings it about.
Need = tuple[int, Callable[[Any], Any], str]


BY_TYPE: Final[dict[str, Rule]] = {
    "zx_rights_t": rights,
    "zx_signals_t": signals,
    "zx_koid_t": _koid,
    "zx_time_t": _time,
    "zx_instant_mono_t": _time,
    "zx_instant_boot_t": _time,
    "zx_off_t": _size,
    "zx_vaddr_t": _address,
    "zx_paddr_t": _size,
}


BY_PARAMETER: Final[dict[str, Rule]] = {
    "clear_mask": user_signals,
    "set_mask": user_signals,
    "koid": _koid,
    "key": key,
    "entry": code,
    "thread_entry": code,
    "pc": code,
    "sp": stack,
    "stack": stack,
    "current_value": small,
    "new_value": small,
    "wake_count": small,
    "requeue_count": small,
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
FIELD_FLAGS: Final = {"waitfor": None, "discipline": None, "access": "ZX_IOB_ACCESS_"}


VM_OPTIONS: Final = (
    *(0, 0, 0, 0),
    *(abi.ZX_VM_SPECIFIC, abi.ZX_VM_SPECIFIC_OVERWRITE, abi.ZX_VM_COMPACT, 0),
    *(abi.ZX_VM_CAN_MAP_READ, abi.ZX_VM_CAN_MAP_WRITE, abi.ZX_VM_CAN_MAP_EXECUTE, abi.ZX_VM_CAN_MAP_SPECIFIC),
    *(abi.ZX_VM_ALLOW_FAULTS, abi.ZX_VM_REQUIRE_NON_RESIZABLE, abi.ZX_VM_OFFSET_IS_UPPER_LIMIT),
    *(abi.ZX_VM_FAULT_BEYOND_STREAM_SIZE, 12 << abi.ZX_VM_ALIGN_BASE, 20 << abi.ZX_VM_ALIGN_BASE),
)


# What `World` gives to every group.
GIVEN: Final = frozenset(
    (abi.ZX_OBJ_TYPE_JOB, abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_OBJ_TYPE_RESOURCE, abi.ZX_OBJ_TYPE_VMAR)
)


MAKERS: Final[dict[int, tuple[str, ...]]] = {
    abi.ZX_OBJ_TYPE_BTI: ("zx_bti_create",),
    abi.ZX_OBJ_TYPE_CHANNEL: ("zx_channel_create", "zx_task_create_exception_channel"),
    abi.ZX_OBJ_TYPE_CLOCK: ("zx_clock_create",),
    abi.ZX_OBJ_TYPE_COUNTER: ("zx_counter_create",),
    abi.ZX_OBJ_TYPE_DEBUGLOG: ("zx_debuglog_create",),
    abi.ZX_OBJ_TYPE_EVENT: ("zx_event_create",),
    abi.ZX_OBJ_TYPE_FIFO: ("zx_fifo_create",),
    abi.ZX_OBJ_TYPE_INTERRUPT: ("zx_interrupt_create",),
    abi.ZX_OBJ_TYPE_IOB: ("zx_iob_create",),
    abi.ZX_OBJ_TYPE_IOB_SHARED_REGION: ("zx_iob_create_shared_region",),
    abi.ZX_OBJ_TYPE_IOMMU: ("zx_iommu_create",),
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


def family(prefix: str) -> tuple[list[int], bool]:
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


def handle_values(handles: list[Expression]) -> tuple[bytes, tuple[tuple[int, int, Expression], ...]]:
    """An array of handles: bytes, and what is to be put into them."""
    return bytes(4 * len(handles)), tuple((4 * i, 4, handle) for i, handle in enumerate(handles))


def dispositions(
    g: Generator, actor: Actor, handles: list[Expression]
) -> tuple[bytes, tuple[tuple[int, int, Expression], ...]]:
    """The same of zx_handle_disposition_t."""
    patches: list[tuple[int, int, Expression]] = []
    for i, handle in enumerate(handles):
        operation = g.rng.choice((0, 0, 1))
        patches += [(20 * i, 4, operation), (20 * i + 4, 4, handle), (20 * i + 12, 4, rights(g, actor))]
    return bytes(20 * len(handles)), tuple(patches)


def iovecs(g: Generator, count: int, struct: str, place: int) -> Expression:
    """Buffers in the scratch pages, some of them empty, and seldom a bad one. Their addresses begin behind *place*."""
    size = STRUCTS[struct].SIZE
    patches: list[tuple[int, int, Expression]] = []
    for i in range(count):
        length = g.rng.choice((0, 1, 8, 16, 100, PAGE_SIZE, 3 * PAGE_SIZE))
        if g.random() < 0.03:
            length = g.integer()
        buffer: Expression = ("a", g.rng.randrange(4) * PAGE_SIZE + g.rng.choice((0, 0, 100, PAGE_SIZE - 4)))
        if g.random() < 0.02:
            buffer = g.integer()
        patches += [(size * i, 8, buffer), (size * i + 8, 4, length)]
    return ("b", place, bytes(size * count), tuple(patches))


def part(g: Generator, size: int) -> tuple[int, int]:
    """An offset and a length of whole pages, in most cases within *size*."""
    offset = g.rng.choice((0, 0, 0, PAGE_SIZE, size // 2 & -PAGE_SIZE))
    return offset, g.rng.choice((size - offset, size - offset, PAGE_SIZE, size, g.pages())) & MASK


def is_root(resource: Any) -> bool:
    return bool(resource.kind == abi.ZX_RSRC_KIND_ROOT)


def is_alive(task: Any) -> bool:
    return task.state.name not in ("DEAD", "DYING", "KILLING")
