"""What the arguments of calls are: of one parameter, and of all of them where they have to go together.

A rule takes the generator and the thread that is to make the call. Most of what it makes means something: a range within the
object, a handle to an object in the right state, a struct that is well formed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS, ZX_RIGHT_SAME_RIGHTS, ZX_TIME_INFINITE
from jacinth.abi.names import FAMILIES
from jacinth.fuzz.world import CODES, SCRATCH_PAGES, Actor, Expression
from jacinth.kernel.iob import IdAllocator, RingBufferWriter
from jacinth.kernel.ipc.clock import MAPPED_SIZE
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator

MASK: Final = (1 << 64) - 1


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


def code(g: Generator, actor: Actor) -> Expression:
    return ("c", g.rng.randrange(CODES) * 16) if g.random() < 0.8 else g.address(actor)


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


Rule = Callable[["Generator", Actor], Any]

BY_TYPE: Final[dict[str, Rule]] = {
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
BY_PARAMETER: Final[dict[str, Rule]] = {
    "clear_mask": _user_signals,
    "set_mask": _user_signals,
    "koid": _koid,
    "key": _key,
    "entry": code,
    "thread_entry": code,
    "pc": code,
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


# ---- Calls whose arguments have to go together ------------------------------------------------------------------------------


def _vmar(g: Generator, actor: Actor, rights: int = 0) -> Expression:
    return g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, lambda vmar: vmar.region.alive, rights)[0]


def _place(g: Generator, options: int) -> int:
    """An offset in a region, where *options* ask for one."""
    wanted = abi.ZX_VM_SPECIFIC | abi.ZX_VM_SPECIFIC_OVERWRITE | abi.ZX_VM_OFFSET_IS_UPPER_LIMIT
    return g.pages() if options & wanted else 0


def _map_options(g: Generator) -> int:
    """Mostly what nothing refuses."""
    if g.random() < 0.3:
        return g.vm_options()
    options: int = g.rng.choice((1, 3, 3, 3, 0))
    return options | g.rng.choice((0, 0, 0, abi.ZX_VM_MAP_RANGE, abi.ZX_VM_SPECIFIC, abi.ZX_VM_ALLOW_FAULTS))


def _map(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Into a region, in most cases to be read and written."""
    options = _map_options(g)
    rights = abi.ZX_RIGHT_MAP | (options & 1) * abi.ZX_RIGHT_READ | (options >> 1 & 1) * abi.ZX_RIGHT_WRITE
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size, rights)
    offset, length = _part(g, 0 if object_ is None else min(object_.size, 1 << 24))
    return (_vmar(g, actor), options, _place(g, options), vmo, offset, length, ("a", 0))


def _map_clock(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    clock, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_CLOCK, _is_mappable)
    options = g.rng.choice((1, 1, 1, 0, 3, 1 | abi.ZX_VM_SPECIFIC, 1 | abi.ZX_VM_MAP_RANGE))
    return (
        _vmar(g, actor),
        options,
        _place(g, options),
        clock,
        g.rng.choice((MAPPED_SIZE,) * 9 + (8,)),
        ("a", 0),
    )


def _map_iob(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = _map_options(g)
    endpoint, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_IOB, lambda iob: True)
    regions = [] if object_ is None else object_.regions
    index, size = 0, PAGE_SIZE
    if regions:
        good = [i for i, region in enumerate(regions) if region.map_rights(object_.number)]
        index = g.rng.choice(good or [0])
        size = min(regions[index].memory.size, 1 << 24)
    offset, length = _part(g, size)
    return (_vmar(g, actor), options, _place(g, options), endpoint, index, offset, length, ("a", 0))


def _allocate(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    options = g.rng.choice((0x380, 0x3C0, 0x180, 0x80, 0)) | g.rng.choice((0, 0, *VM_OPTIONS))
    size = g.rng.choice((1, 1, 2, 8, 64)) * PAGE_SIZE if g.random() < 0.8 else g.pages()
    return (_vmar(g, actor), options, _place(g, options), size, ("a", 0), ("a", PAGE_SIZE))


def _destroy(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, _is_inner)[0],)


def _is_inner(vmar: Any) -> bool:
    return bool(vmar.region.alive and vmar.region.parent is not None)


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
        handles = g.handles(actor)
        block = _dispositions(g, actor, handles) if etc else _handle_values(handles)
        values = {
            "wr_bytes": ("b", PAGE_SIZE, g.rng.randbytes(16), ()),
            "wr_handles": ("b", 2 * PAGE_SIZE, *block),
            "rd_bytes": ("a", 3 * PAGE_SIZE),
            "rd_handles": ("a", 4 * PAGE_SIZE),
            "wr_num_bytes": g.rng.choice((4, 4, 8, 16, 16, 2)),
            "wr_num_handles": len(handles),
            "rd_num_bytes": g.rng.choice((4, 16, 64, 64, 0)),
            "rd_num_handles": g.rng.choice((2, 8, 8, 0)),
        }
        options = 0
        if g.random() < 0.15:
            options, values["wr_num_bytes"] = abi.ZX_CHANNEL_WRITE_USE_IOVEC, 2
            values["wr_bytes"] = _iovecs(g, 2, "zx_channel_iovec_t", PAGE_SIZE)
        patches = tuple(
            (field.offset, 8 if field.ctype.endswith("*") else 4, values[field.name])
            for field in struct.fields
        )
        args = ("b", 0, bytes(struct.SIZE), patches)
        rights = abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE
        channel, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_CHANNEL, lambda c: c.peer is not None, rights)
        deadline = ZX_TIME_INFINITE if g.random() < 0.3 else g.time()
        return (channel, options, deadline, args, ("a", 5 * PAGE_SIZE), ("a", 6 * PAGE_SIZE))

    return arguments


def _handle_values(handles: list[Expression]) -> tuple[bytes, tuple[tuple[int, int, Expression], ...]]:
    """An array of handles: bytes, and what is to be put into them."""
    return bytes(4 * len(handles)), tuple((4 * i, 4, handle) for i, handle in enumerate(handles))


def _dispositions(
    g: Generator, actor: Actor, handles: list[Expression]
) -> tuple[bytes, tuple[tuple[int, int, Expression], ...]]:
    """The same of zx_handle_disposition_t."""
    patches: list[tuple[int, int, Expression]] = []
    for i, handle in enumerate(handles):
        operation = g.rng.choice((0, 0, 1))
        patches += [(20 * i, 4, operation), (20 * i + 4, 4, handle), (20 * i + 12, 4, _rights(g, actor))]
    return bytes(20 * len(handles)), tuple(patches)


def _iovecs(g: Generator, count: int, struct: str, place: int) -> Expression:
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


def _policy(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rng = g.rng
    topic = rng.choice((abi.ZX_JOB_POL_BASIC_V1, *[abi.ZX_JOB_POL_BASIC_V2] * 3, abi.ZX_JOB_POL_TIMER_SLACK))
    job, _ = g.chosen(
        actor,
        abi.ZX_OBJ_TYPE_JOB,
        lambda job: not job.has_children and job.state.name == "READY",
        abi.ZX_RIGHT_SET_POLICY,
    )
    if topic == abi.ZX_JOB_POL_TIMER_SLACK:
        data = rng.randrange(1 << 20).to_bytes(8, "little") + rng.randrange(3).to_bytes(8, "little")
        return (job, abi.ZX_JOB_POL_RELATIVE, topic, ("b", 0, data, ()), 1)
    count = rng.randrange(1, 4)
    data = b""
    for _ in range(count):
        data += rng.randrange(abi.ZX_POL_MAX).to_bytes(4, "little") + rng.randrange(5).to_bytes(4, "little")
        if topic == abi.ZX_JOB_POL_BASIC_V2:
            data += rng.randrange(2).to_bytes(4, "little")
    return (job, rng.randrange(2), topic, ("b", 0, data, ()), count)


_WORDS: Final = (0, 1, 2, 100, PAGE_SIZE, 5 * PAGE_SIZE, 1 << 40)
# Property: types of objects, size, values.
_PROPERTIES: Final[dict[int, tuple[tuple[int, ...], int, tuple[int, ...]]]] = {
    abi.ZX_PROP_NAME: ((abi.ZX_OBJ_TYPE_VMO, abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_OBJ_TYPE_JOB), 32, _WORDS),
    abi.ZX_PROP_PROCESS_DEBUG_ADDR: ((abi.ZX_OBJ_TYPE_PROCESS,), 8, _WORDS),
    abi.ZX_PROP_PROCESS_BREAK_ON_LOAD: ((abi.ZX_OBJ_TYPE_PROCESS,), 8, _WORDS),
    abi.ZX_PROP_PROCESS_VDSO_BASE_ADDRESS: ((abi.ZX_OBJ_TYPE_PROCESS,), 8, _WORDS),
    abi.ZX_PROP_SOCKET_RX_THRESHOLD: ((abi.ZX_OBJ_TYPE_SOCKET,), 8, _WORDS),
    abi.ZX_PROP_SOCKET_TX_THRESHOLD: ((abi.ZX_OBJ_TYPE_SOCKET,), 8, _WORDS),
    abi.ZX_PROP_JOB_KILL_ON_OOM: ((abi.ZX_OBJ_TYPE_JOB,), 8, (0, 1, 1, 2)),
    abi.ZX_PROP_VMO_CONTENT_SIZE: ((abi.ZX_OBJ_TYPE_VMO,), 8, _WORDS),
    abi.ZX_PROP_EXCEPTION_STATE: ((abi.ZX_OBJ_TYPE_EXCEPTION,), 4, (0, 1, 2, 3)),
    abi.ZX_PROP_EXCEPTION_STRATEGY: ((abi.ZX_OBJ_TYPE_EXCEPTION,), 4, (0, 1, 2)),
    abi.ZX_PROP_STREAM_MODE_APPEND: ((abi.ZX_OBJ_TYPE_STREAM,), 1, (0, 1)),
    abi.ZX_PROP_REGISTER_FS: ((abi.ZX_OBJ_TYPE_THREAD,), 8, _WORDS),
    abi.ZX_PROP_REGISTER_GS: ((abi.ZX_OBJ_TYPE_THREAD,), 8, _WORDS),
}


def _property(sets: bool) -> Rule:
    right = abi.ZX_RIGHT_SET_PROPERTY if sets else abi.ZX_RIGHT_GET_PROPERTY

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        known = [
            (property_, rule)
            for property_, rule in _PROPERTIES.items()
            if any(g.has(actor, type_) for type_ in rule[0])
        ]
        property_, (types, size, values) = g.rng.choice(known or list(_PROPERTIES.items()))
        handle = g.handle(actor, types, right)
        if g.random() < 0.1:
            size = g.rng.choice((0, 1, 4, 31))
        value = g.rng.choice(values).to_bytes(8, "little").ljust(32, b"\0")
        return (handle, property_, ("b", 0, value, ()) if sets else ("a", 0), size)

    return arguments


def is_called(channel: Any) -> bool:
    """Somebody at the other end waits for an answer."""
    return channel.peer is not None and bool(channel.peer._callers)


def _write(etc: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        replies = g.is_called(actor)
        open_ = is_called if replies and g.random() < 0.7 else lambda c: c.peer is not None
        channel, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_CHANNEL, open_, abi.ZX_RIGHT_WRITE)
        size = g.rng.choice((0, 1, 4, 16, 64))
        contents = g.rng.randbytes(size)
        handles = g.handles(actor)
        block = _dispositions(g, actor, handles) if etc else _handle_values(handles)
        options, data = 0, ("b", 0, contents, ())
        if object_ is not None and is_called(object_) and g.random() < 0.9:
            size += 4
            contents = g.rng.choice(list(object_.peer._callers)).to_bytes(4, "little") + contents
            data = ("b", 0, contents, ())
        elif g.random() < 0.15:
            options, size = abi.ZX_CHANNEL_WRITE_USE_IOVEC, g.rng.randrange(5)
            data = _iovecs(g, size, "zx_channel_iovec_t", 0)
        return (channel, options, data, size, ("b", PAGE_SIZE, *block), len(handles))

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
        return (fifo, size, data, g.rng.choice((1, 1, 1, 2, 2, 4, 0)), ("a", PAGE_SIZE * 4))

    return arguments


def _fifo_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.rng.choice((1, 2, 8, 16)), g.rng.choice((1, 4, 8, 24)), 0, ("a", 0), ("a", 4))


def _futex(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Others are known to wait on the first three; of an owner not much is asked."""
    owner: Expression = 0
    if g.random() < 0.3:
        fit = lambda t: t.state.name == "RUNNING" and t is not actor.thread  # noqa: E731
        owner, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, fit)
    deadline = ZX_TIME_INFINITE if g.random() < 0.3 else g.time()
    return (("f", g.rng.randrange(3) * 4), 0 if g.random() < 0.95 else 1, owner, deadline)


def _requeue(counts: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        owner = 0 if g.random() < 0.7 else g.handle(actor, (abi.ZX_OBJ_TYPE_THREAD,))
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
        return (thread, code(g, actor), _stack(g, actor), g.integer(), 0, *((0, 0) if regs else ()))

    return arguments


def _process_start(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rights = abi.ZX_RIGHT_WRITE
    thread, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_new, rights)
    mine = lambda process: object_ is None or process is object_.process  # noqa: E731
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, mine, rights)
    argument = 0 if g.random() < 0.4 else g.handle(actor, (), abi.ZX_RIGHT_TRANSFER, consumed=True)
    return (process, thread, code(g, actor), _stack(g, actor), argument, g.integer())


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
    options = (
        0,
        0,
        0,
        abi.ZX_VMO_RESIZABLE,
        abi.ZX_VMO_RESIZABLE,
        abi.ZX_VMO_DISCARDABLE,
        abi.ZX_VMO_UNBOUNDED,
        4,
    )
    size = g.rng.choice((1, 2, 4, 16)) * PAGE_SIZE if g.random() < 0.6 else g.pages()
    return (size, g.rng.choice(options), ("a", 0))


def _rseq(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rights = abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE | abi.ZX_RIGHT_DUPLICATE
    size = STRUCTS["zx_rseq_t"].SIZE
    if g.random() < 0.2:
        return (0, 0, 0)
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size, rights)
    end = 0 if object_ is None else min(object_.size, 1 << 24)
    return (
        vmo,
        g.rng.choice((0, 0, 64, end - 64, end - 32, 4, end)) & MASK,
        g.rng.choice((size,) * 9 + (8,)),
    )


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


def _mapped(g: Generator, actor: Actor) -> tuple[Expression, Expression, int]:
    """A VMAR, the address of a child of it, where one has any, and a size within it, mostly."""
    vmar, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMAR, lambda vmar: vmar.region._bases)
    if object_ is None or not object_.region._bases:
        return vmar, ("v", vmar, g.pages()), g.pages()
    base = g.rng.choice(object_.region._bases)
    if actor.group.scratch <= base < actor.group.scratch + 64 * PAGE_SIZE and g.random() < 0.9:
        base = object_.region._bases[-1]  # not its own arguments, mostly
    child = object_.region._regions[base]
    offset, length = _part(g, min(child.size, 1 << 24)) if g.random() < 0.85 else (g.pages(), g.pages())
    return vmar, ("v", vmar, base - object_.region.base + offset), length


def _in_memory(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """To read or write another process's memory, in most cases one's own."""
    mine = lambda process: process.shared is actor.group.shared and process.state.name == "RUNNING"  # noqa: E731
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, mine, abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE)
    address = (
        ("m", g.rng.randrange(64), g.rng.randrange(4) * PAGE_SIZE) if g.random() < 0.9 else g.address(actor)
    )
    size = g.rng.choice((1, 8, 100, PAGE_SIZE, 3 * PAGE_SIZE, 0))
    return (process, address, ("b", 0, g.rng.randbytes(16), ()), size, ("a", 5 * PAGE_SIZE))


def _unmap(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return _mapped(g, actor)


def _protect(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address, size = _mapped(g, actor)
    return (vmar, g.rng.choice((1, 3, 3, 0, 1, 5, 7)), address, size)


def _vmar_range(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    vmar, address, size = _mapped(g, actor)
    ops = family("ZX_VMAR_OP_")[0]
    return (vmar, g.rng.choice(ops) if g.random() < 0.95 else g.integer(), address, size, 0, 0)


def _get_info(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Many topics are of one type."""
    rng = g.rng
    topic = rng.choice(_ALL_TOPICS) if g.random() < 0.95 else g.flags("ZX_INFO_")
    types = [type_ for type_ in _TOPICS.get(topic & 0xFFFF, ()) if g.has(actor, type_)]
    right = abi.ZX_RIGHT_INSPECT
    if types and g.random() < 0.5:
        alive = lambda o: getattr(getattr(o, "state", None), "name", "") not in ("DEAD", "DYING")  # noqa: E731
        handle, _ = g.chosen(actor, rng.choice(types), alive, right)
    else:
        handle = g.handle(actor, tuple(types), right)
    size = rng.choice((8, 64, 256, 1024, 4096, 4096))
    return (handle, topic, ("a", 0), size, ("a", 2 * PAGE_SIZE), ("a", 3 * PAGE_SIZE))


_ALL_TOPICS: Final = tuple(
    value
    for name, value in vars(abi).items()
    if name.startswith("ZX_INFO_")
    and isinstance(value, int)
    and not name.startswith(FAMILIES["ZX_INFO_"].others)
)
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
        "IOB IOB_REGIONS": (abi.ZX_OBJ_TYPE_IOB,),
        "BTI": (abi.ZX_OBJ_TYPE_BTI,),
        "INTERRUPT": (abi.ZX_OBJ_TYPE_INTERRUPT,),
        "CLOCK_MAPPED_SIZE": (abi.ZX_OBJ_TYPE_CLOCK,),
        "KMEM_STATS CPU_STATS": (abi.ZX_OBJ_TYPE_RESOURCE,),
        "RESOURCE": (abi.ZX_OBJ_TYPE_RESOURCE,),
        "TASK_RUNTIME": (*_JOB, *_PROCESS, *_THREAD),
    }.items()
    for name in names.split()
}


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
    virtual = abi.ZX_INTERRUPT_VIRTUAL | g.rng.choice((0, 0, abi.ZX_INTERRUPT_TIMESTAMP_MONO, 0x20))
    return (0, 0, virtual, ("a", 0))


_CLOCK_ARGS: Final = abi.ZX_CLOCK_ARGS_VERSION_SHIFT


def _clock_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    auto, monotonic, mappable = (
        abi.ZX_CLOCK_OPT_AUTO_START,
        abi.ZX_CLOCK_OPT_MONOTONIC,
        abi.ZX_CLOCK_OPT_MAPPABLE,
    )
    options = g.rng.choice((0, auto, monotonic, monotonic | abi.ZX_CLOCK_OPT_CONTINUOUS, 7))
    options |= g.rng.choice((0, mappable))
    if g.random() < 0.5:
        return (options, 0, ("a", 0))
    backstop = g.rng.choice((0, 1000, 1 << 40, 1 << 63)).to_bytes(8, "little")
    return (options | 1 << _CLOCK_ARGS, ("b", PAGE_SIZE, backstop, ()), ("a", 0))


def _clock_details(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    clock = g.handle(actor, (abi.ZX_OBJ_TYPE_CLOCK,), abi.ZX_RIGHT_READ)
    return (clock, g.rng.choice((1, 1, 1, 1, 1, 1, 2)) << _CLOCK_ARGS, ("a", 0))


def _clock_page(g: Generator, actor: Actor) -> Expression:
    """The address of a mapped clock, where one is mapped."""
    mappings = list(actor.group.aspace.mappings())
    clocks = [g.object(actor, value).vmo for value in g.of_type(actor, abi.ZX_OBJ_TYPE_CLOCK)]
    pages = [vmo.pages for vmo in clocks if vmo is not None]
    found = [i for i, mapping in enumerate(mappings) if mapping.vmo.pages in pages]
    return ("m", g.rng.choice(found), 0) if found and g.random() < 0.9 else g.address(actor)


def _read_mapped(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (_clock_page(g, actor), ("a", 0))


def _details_mapped(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (_clock_page(g, actor), g.rng.choice((1, 1, 1, 1, 1, 1, 2)) << _CLOCK_ARGS, ("a", 0))


def _clock_update(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """rate_adjust, padding, synthetic or plain value, then what the versions differ in."""
    rng = g.rng
    version = rng.choice((1, 2, 2, 2))
    options = rng.choice((1, 2, 4, 8, 3, 9, 15, rng.randrange(16)))
    if version == 1:
        options &= ~abi.ZX_CLOCK_UPDATE_OPTION_REFERENCE_VALUE_VALID
    rate = rng.choice((0, 1, -1000, 1000, 999, 2000)) & 0xFFFF_FFFF
    values = [rng.choice((0, 1000, 1 << 20, 1 << 40, (1 << 63) - 1, 1 << 63)) for _ in range(4)]
    data = rate.to_bytes(4, "little") + bytes(4) + b"".join(value.to_bytes(8, "little") for value in values)
    clock = g.handle(actor, (abi.ZX_OBJ_TYPE_CLOCK,), abi.ZX_RIGHT_WRITE)
    return (clock, options | version << _CLOCK_ARGS, ("b", 0, data, ()))


def _debuglog_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    return (resource, g.rng.choice((0, abi.ZX_LOG_FLAG_READABLE)), ("a", 0))


def _stall(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    threshold, window = g.rng.choice(((1, 1000), (1000, 1000), (1000, 10**10), (0, 1000), (1000, 10)))
    return (resource, g.rng.choice((0, 1, 1, 0, 2)), threshold, window, ("a", 0))


def _pager_vmo(
    g: Generator, actor: Actor, wanted: Callable[[Any], Any] = bool
) -> tuple[Expression, Expression, Any]:
    """A pager, a VMO of its whose source is *wanted*, if possible, and that VMO's object; None where there is none."""
    known = [g.object(actor, value) for value in g.of_type(actor, abi.ZX_OBJ_TYPE_PAGER)]

    def mine(vmo: Any) -> bool:
        return _has_pager(vmo) and vmo.pages.source.pager in known

    def best(vmo: Any) -> bool:
        return mine(vmo) and bool(wanted(vmo.pages.source))

    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, best)
    if object_ is None or not mine(object_):
        vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, mine)
    source = None if object_ is None else getattr(object_.pages, "source", None)
    pager, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PAGER, lambda pager: source is None or source.pager is pager)
    return pager, vmo, object_


def _waits(source: Any) -> bool:
    return bool(source._requests)


def _pager_part(g: Generator, vmo: Any) -> tuple[int, int]:
    """A range of pages: in most cases one that is waited for, where there is any."""
    requests = [] if vmo is None or not _has_pager(vmo) else list(vmo.pages.source._requests)
    if requests and g.random() < 0.7:
        request = g.rng.choice(requests)
        return request.first * PAGE_SIZE, (request.end - request.first) * PAGE_SIZE
    return _part(g, 0 if vmo is None else min(vmo.size, 1 << 24))


def _part(g: Generator, size: int) -> tuple[int, int]:
    """An offset and a length of whole pages, in most cases within *size*."""
    offset = g.rng.choice((0, 0, 0, PAGE_SIZE, size // 2 & -PAGE_SIZE))
    return offset, g.rng.choice((size - offset, size - offset, PAGE_SIZE, size, g.pages())) & MASK


def _supply(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, object_ = _pager_vmo(g, actor, _waits)
    offset, length = _pager_part(g, object_)
    if g.random() < 0.8:
        length = min(length, g.rng.choice((PAGE_SIZE, 4 * PAGE_SIZE)))

    def plain(vmo: Any) -> bool:
        return not vmo.pages.special and vmo.size >= max(length, PAGE_SIZE) and not vmo.mappings

    auxiliary, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, plain, abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE)
    return (pager, vmo, offset, length, auxiliary, 0)


def _pager_create_vmo(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager = g.handle(actor, (abi.ZX_OBJ_TYPE_PAGER,))
    port = g.handle(actor, (abi.ZX_OBJ_TYPE_PORT,))
    options = g.rng.choice((0, 0, abi.ZX_VMO_RESIZABLE, abi.ZX_VMO_TRAP_DIRTY, 3, 0x10))
    return (pager, options, port, _key(g, actor), g.rng.choice((1, 2, 4, 16)) * PAGE_SIZE, ("a", 0))


def _pager_op(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    op = (
        g.rng.choice((*family("ZX_PAGER_OP_")[0], abi.ZX_PAGER_OP_DIRTY))
        if g.random() < 0.95
        else g.rng.randrange(8)
    )
    fails = op == abi.ZX_PAGER_OP_FAIL
    pager, vmo, object_ = _pager_vmo(g, actor, _waits if fails else lambda source: source.trap_dirty)
    data = 0
    if fails:
        data = (
            g.rng.choice((abi.ZX_ERR_IO, abi.ZX_ERR_IO, abi.ZX_ERR_BAD_STATE, abi.ZX_ERR_NO_SPACE, 0, 1))
            & MASK
        )
    elif op == abi.ZX_PAGER_OP_WRITEBACK_BEGIN:
        data = g.rng.choice((0, 0, abi.ZX_VMO_DIRTY_RANGE_IS_ZERO))
    return (pager, op, vmo, *_pager_part(g, object_), data)


def _pager_query(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, object_ = _pager_vmo(g, actor, lambda source: source.trap_dirty)
    place, sizes = _pager_part(g, object_), (0, 24, 240, 2400)
    return (
        pager,
        vmo,
        *place,
        ("a", 0),
        g.rng.choice(sizes),
        ("a", PAGE_SIZE),
        g.rng.choice((0, ("a", 2 * PAGE_SIZE))),
    )


def _pager_stats(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    pager, vmo, _ = _pager_vmo(g, actor)
    return (pager, vmo, g.rng.randrange(2), ("a", 0), g.rng.choice((4, 8, 64)))


def _pager_detach(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return _pager_vmo(g, actor)[:2]


def _resource_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    kind, base, size = g.rng.choice(
        (
            (abi.ZX_RSRC_KIND_MMIO, 1 << 40, PAGE_SIZE),
            (abi.ZX_RSRC_KIND_IRQ, 16, 16),
            (abi.ZX_RSRC_KIND_IOPORT, 8, 8),
            (abi.ZX_RSRC_KIND_SMC, 0, 1),
            (abi.ZX_RSRC_KIND_SYSTEM, g.rng.randrange(abi.ZX_RSRC_SYSTEM_COUNT), 1),
            (abi.ZX_RSRC_KIND_SYSTEM, 0, 4),
            (g.rng.randrange(7), g.rng.randrange(16), g.rng.randrange(3)),
        )
    )
    flags = g.rng.choice((0, 0, 0, abi.ZX_RSRC_FLAG_EXCLUSIVE))
    parent, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root, abi.ZX_RIGHT_WRITE)
    return (parent, kind | flags, base, size, ("b", 0, b"mine", ()), 4, ("a", PAGE_SIZE))


def _is_root(resource: Any) -> bool:
    return bool(resource.kind == abi.ZX_RSRC_KIND_ROOT)


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


def _stream_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    read, write, append = abi.ZX_STREAM_MODE_READ, abi.ZX_STREAM_MODE_WRITE, abi.ZX_STREAM_MODE_APPEND
    options = g.rng.choice((read, write, *[read | write] * 4, read | write | append, append, 0))
    rights = abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE
    vmo, object_ = g.chosen(
        actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size and not vmo.pages.contiguous, rights
    )
    size = 0 if object_ is None else object_.stream_size
    return (options, vmo, g.rng.choice((0, 0, 0, size, size // 2, g.pages())), ("a", 0))


def _stream(writes: bool, at: bool) -> Rule:
    """Where there is content, mostly: at its beginning, in the middle and at its end."""
    right = abi.ZX_RIGHT_WRITE if writes else abi.ZX_RIGHT_READ

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        wanted = (lambda s: s.vmo.size) if writes else (lambda s: s.vmo.stream_size)
        stream, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_STREAM, wanted, right)
        size = 0 if object_ is None else min(object_.vmo.stream_size, 1 << 24)
        place = (
            (g.rng.choice((0, 0, size // 2, size, max(size, 1) - 1, size + PAGE_SIZE, g.pages())),)
            if at
            else ()
        )
        count = g.rng.choice((1, 1, 2, 3, 0))
        options = g.rng.choice((0, 0, abi.ZX_STREAM_APPEND)) if writes and not at else 0
        vectors = _iovecs(g, count, "zx_iovec_t", 5 * PAGE_SIZE)
        return (stream, options, *place, vectors, count, g.rng.choice((0, ("a", 6 * PAGE_SIZE))))

    return arguments


def _seek(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    readable = g.rng.choice((abi.ZX_RIGHT_READ, abi.ZX_RIGHT_WRITE))
    stream, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_STREAM, lambda s: True, readable)
    offset = g.rng.choice(
        (0, 0, 1, PAGE_SIZE, 5 * PAGE_SIZE, -1 & MASK, -PAGE_SIZE & MASK, (1 << 63) - 1, 1 << 63)
    )
    return (stream, g.rng.choice((0, 1, 2, 2, 3)), offset, ("a", 0))


def _iob_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """A region for each discipline, in an order of its own."""
    rng = g.rng
    fields = {field.name: field.offset for field in STRUCTS["zx_iob_region_t"].fields}
    size = STRUCTS["zx_iob_region_t"].SIZE
    count = rng.choice((1, 1, 2, 3))
    patches: list[tuple[int, int, Expression]] = []
    for i in range(count):
        kind = rng.randrange(3)
        access = rng.choice((0x33, 0x13, 0x31, 0x32, 0x22, 3, 0xFF))
        if kind and g.random() < 0.95:
            access |= abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE | rng.choice(
                (0, abi.ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE, abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_READ)
            )
        shared = kind == 2 and g.has(actor, abi.ZX_OBJ_TYPE_IOB_SHARED_REGION)
        discipline = kind if kind != 2 or shared else 0
        if not discipline and g.random() < 0.95:
            access &= 0x33
        pages = 0 if shared else rng.choice((1, 1, 2, 16)) * PAGE_SIZE
        base = size * i
        words = (
            (4, "type", int(shared)),
            (4, "access", access),
            (8, "size", pages),
            (8, "discipline", discipline),
        )
        patches += [(base + fields[name], width, value) for width, name, value in words]
        if shared:
            region = g.handle(actor, (abi.ZX_OBJ_TYPE_IOB_SHARED_REGION,))
            patches += [
                (base + fields["max_extension"] + 4, 4, region),
                (base + fields["discipline"] + 8, 8, i),
            ]
        elif g.random() < 0.1:
            patches.append(
                (base + fields["max_extension"], 4, rng.choice((abi.ZX_VMO_RESIZABLE, 8, g.integer())))
            )
    return (
        0,
        ("b", 0, bytes(size * count), tuple(patches)),
        count,
        ("a", 5 * PAGE_SIZE),
        ("a", 6 * PAGE_SIZE),
    )


def _iob_region(g: Generator, actor: Actor, discipline: type) -> tuple[Expression, int]:
    """An endpoint, and the number of a region of its that it may write to through a *discipline*."""

    def good(iob: Any) -> list[int]:
        may = abi.ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE
        return [
            i
            for i, region in enumerate(iob.regions)
            if isinstance(region.discipline, discipline) and region.access_of(iob.number) & may
        ]

    endpoint, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_IOB, good, abi.ZX_RIGHT_WRITE)
    regions = [] if object_ is None else good(object_)
    return endpoint, g.rng.choice(regions) if regions else g.rng.randrange(2)


def _allocate_id(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    size = g.rng.choice((0, 1, 8, 100, 1000, PAGE_SIZE, 5 * PAGE_SIZE))
    endpoint, region = _iob_region(g, actor, IdAllocator)
    return (endpoint, 0, region, ("b", 0, g.rng.randbytes(16), ()), size, ("a", 7 * PAGE_SIZE))


def _iob_writev(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    count = g.rng.choice((0, 1, 1, 2, 8, 9))
    endpoint, region = _iob_region(g, actor, RingBufferWriter)
    return (endpoint, 0, region, _iovecs(g, count, "zx_iovec_t", 5 * PAGE_SIZE), count)


def _profile(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Of a priority, a deadline, CPUs or the priority of memory."""
    rng = g.rng
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    cpus = 0 if rng.random() < 0.5 else abi.ZX_PROFILE_INFO_FLAG_CPU_MASK
    kind = rng.randrange(4)
    raw = bytes(24)
    if kind == 0:
        flags = (
            abi.ZX_PROFILE_INFO_FLAG_PRIORITY | cpus | rng.choice((0, 0, abi.ZX_PROFILE_INFO_FLAG_NO_INHERIT))
        )
        raw = rng.choice((0, 1, 16, 24, 31, 32)).to_bytes(4, "little").ljust(24, b"\0")
    elif kind == 1:
        flags = (
            abi.ZX_PROFILE_INFO_FLAG_DEADLINE | cpus | rng.choice((0, 0, abi.ZX_PROFILE_INFO_FLAG_CRITICAL))
        )
        times = (1_000_000, rng.choice((2_000_000, 500_000)), 4_000_000)
        raw = b"".join(time.to_bytes(8, "little") for time in times)
    elif kind == 2:
        flags = abi.ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY
        raw = rng.choice((16, 24, 1)).to_bytes(4, "little").ljust(24, b"\0")
    else:
        flags = abi.ZX_PROFILE_INFO_FLAG_CPU_MASK | (0 if rng.random() < 0.9 else rng.getrandbits(8))
    info = flags.to_bytes(4, "little") + bytes(4) + raw + rng.choice((1, 3, 0)).to_bytes(8, "little")
    return (resource, 0, ("b", 0, info.ljust(STRUCTS["zx_profile_info_t"].SIZE, b"\0"), ()), ("a", PAGE_SIZE))


def _port_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.rng.choice((0, 0, abi.ZX_PORT_BIND_TO_INTERRUPT)), ("a", 0))


def _interrupt_bind(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    unbinds = g.random() < 0.25
    interrupt, object_ = g.chosen(
        actor,
        abi.ZX_OBJ_TYPE_INTERRUPT,
        lambda i: i.state.name != "DESTROYED" and (i._port is not None) == unbinds,
        abi.ZX_RIGHT_READ,
    )
    for_interrupts = lambda port: port.options and (not unbinds or object_ is None or object_._port is port)  # noqa: E731
    port, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PORT, for_interrupts, abi.ZX_RIGHT_WRITE)
    return (interrupt, port, _key(g, actor), abi.ZX_INTERRUPT_UNBIND if unbinds else abi.ZX_INTERRUPT_BIND)


def _interrupt_ack(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_INTERRUPT, _is_handled, abi.ZX_RIGHT_WRITE)[0],)


def _is_handled(interrupt: Any) -> bool:
    return interrupt._port is not None and interrupt.state.name == "NEEDACK"


def _is_free(interrupt: Any) -> bool:
    return interrupt._port is None and interrupt.state.name in ("IDLE", "TRIGGERED")


def _interrupt_trigger(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    alive = lambda i: i.state.name != "DESTROYED"  # noqa: E731
    interrupt, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_INTERRUPT, alive, abi.ZX_RIGHT_SIGNAL)
    return (interrupt, 0, g.rng.randrange(1 << 40))


def _interrupt_wait(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    interrupt, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_INTERRUPT, _is_free, abi.ZX_RIGHT_WAIT)
    return (interrupt, g.rng.choice((0, ("a", 0))))


def _cancel_key(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    port, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_PORT, lambda port: port._observing, abi.ZX_RIGHT_WRITE)
    keys = [] if object_ is None else [observer.key for observer in object_._observing]
    return (port, 0, g.rng.choice(keys) if keys else _key(g, actor))


def _wait_one(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """For what is asserted already, or may be, until some time."""
    handle = g.handle(actor, (), abi.ZX_RIGHT_WAIT)
    signals = 0xFFFF if g.random() < 0.3 else _signals(g, actor)
    return (handle, signals, g.time(), g.rng.choice((0, ("a", 0))))


_PEERED: Final = tuple(
    getattr(abi, "ZX_OBJ_TYPE_" + name) for name in ("CHANNEL", "SOCKET", "FIFO", "EVENTPAIR", "IOB")
)


def _signal_peer(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    known = [type_ for type_ in _PEERED if g.has(actor, type_)]
    type_ = g.rng.choice(known or _PEERED)
    handle, _ = g.chosen(actor, type_, lambda o: o.peer is not None, abi.ZX_RIGHT_SIGNAL_PEER)
    return (handle, _user_signals(g, actor), _user_signals(g, actor))


def _debuglog_read(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    log, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_DEBUGLOG, lambda log: True, abi.ZX_RIGHT_READ)
    return (log, 0, ("a", 0), g.rng.choice((0, 8, 64, 256)))


def _performance(sets: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
        topic = g.rng.choice(family("ZX_CPU_")[0])
        count = g.rng.choice((1, 1, 1, 1, 0, 2))
        words = (0, g.rng.choice((0, 0, 0, 1)), g.rng.choice((0, 1, 500)), g.rng.choice((0, 1)), 7, 0)
        data = b"".join(word.to_bytes(4, "little") for word in words)
        if sets:
            return (resource, topic, ("b", 0, data, ()), count)
        return (resource, topic, count, ("a", 0), ("a", PAGE_SIZE))

    return arguments


def _powerctl(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    return (resource, g.rng.randrange(11), g.rng.choice((0, ("b", 0, bytes(12), ()))))


def _suspend_enter(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    entries = g.random() < 0.5
    report = (("a", PAGE_SIZE), 4, ("a", 2 * PAGE_SIZE)) if entries else (0, 0, 0)
    options = (
        abi.ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY if g.random() < 0.8 else g.flags("ZX_SYSTEM_SUSPEND_OPTION_")
    )
    return (resource, g.time(), options, ("a", 0), *report)


def _task(wanted: Callable[[Any], Any], *types: int) -> Rule:
    """A task of one of the *types* that is *wanted*, with options 0 where there are any; and a place for what comes out."""

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        task, _ = g.chosen(actor, g.rng.choice(types), wanted)
        return (task, ("a", 0))

    return arguments


def _listen(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    type_ = g.rng.choice((abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_OBJ_TYPE_JOB))
    task, _ = g.chosen(actor, type_, _is_alive)
    debugger = type_ != abi.ZX_OBJ_TYPE_THREAD and g.random() < 0.4
    return (task, abi.ZX_EXCEPTION_CHANNEL_DEBUGGER if debugger else 0, ("a", 0))


def _exception(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_EXCEPTION, lambda e: True)[0], ("a", 0))


def _kick(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    thread, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_inside, abi.ZX_RIGHT_MANAGE_THREAD)
    if object_ is None or not _is_inside(object_):
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_alive, abi.ZX_RIGHT_MANAGE_THREAD)
    return (thread, 0)


def _is_inside(thread: Any) -> bool:
    """In restricted mode, as a body."""
    return thread.restricted is not None and thread.restricted.body is not None


def _trace(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    groups = g.rng.choice((0, abi.KTRACE_GRP_META, 1 << g.rng.randrange(12)))
    return (resource, g.rng.randrange(6), groups, 0)


def _trace_read(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    size = g.rng.choice((0, 8, 64, PAGE_SIZE, 3 * PAGE_SIZE))
    return (
        resource,
        g.rng.choice((0, ("a", 0), ("a", 0))),
        g.rng.choice((0, 8, 64, 4096)),
        size,
        ("a", 4 * PAGE_SIZE),
    )


def _sampler_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, _is_root)
    period, size = g.rng.choice(((10_000, 4096), (1_000_000, 1 << 16), (9_999, 4096), (10_000, 4095)))
    config = abi.zx_sampler_config_t(period=period, buffer_size=size).pack()
    return (resource, 0, ("b", 0, config, ()), ("a", PAGE_SIZE))


def _has(discipline: type) -> Callable[[Any], bool]:
    return lambda iob: any(isinstance(region.discipline, discipline) for region in iob.regions)


def _of_mode(mode: int) -> Callable[[Any], bool]:
    return lambda stream: bool(stream.mode & mode)


def _is_ring(shared: Any) -> bool:
    """Large enough for messages."""
    return bool(shared.memory.size >= 2 * PAGE_SIZE)


def _shared_region(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (0, g.rng.choice((2, 2, 3, 8, 1)) * PAGE_SIZE if g.random() < 0.9 else g.pages(), ("a", 0))


def _is_mappable(clock: Any) -> bool:
    return clock.vmo is not None


def _is_alive(task: Any) -> bool:
    return task.state.name not in ("DEAD", "DYING", "KILLING")


def _is_new(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "INITIAL")


def _is_startable(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "RUNNING")


def _has_pager(vmo: Any) -> bool:
    return hasattr(vmo.pages, "source") and not vmo.pages.source.detached


def _is_stopped(thread: Any) -> bool:
    stopped = thread.state.name == "SUSPENDED" or thread.in_exception is not None
    return bool(thread.context is not None and stopped)


# Calls that need an object in a certain state, and which call brings it about.
NEEDS: Final[dict[str, tuple[int, Callable[[Any], Any], str]]] = {
    **dict.fromkeys(
        [
            "zx_pager_supply_pages",
            "zx_pager_op_range",
            "zx_pager_query_dirty_ranges",
            "zx_pager_query_vmo_stats",
        ],
        (abi.ZX_OBJ_TYPE_VMO, _has_pager, "zx_pager_create_vmo"),
    ),
    "zx_iob_writev": (abi.ZX_OBJ_TYPE_IOB, _has(RingBufferWriter), "zx_iob_create"),
    "zx_iob_allocate_id": (abi.ZX_OBJ_TYPE_IOB, _has(IdAllocator), "zx_iob_create"),
    "zx_iob_create": (abi.ZX_OBJ_TYPE_IOB_SHARED_REGION, _is_ring, "zx_iob_create_shared_region"),
    "zx_interrupt_ack": (abi.ZX_OBJ_TYPE_INTERRUPT, _is_handled, "zx_interrupt_trigger"),
    "zx_interrupt_trigger": (abi.ZX_OBJ_TYPE_INTERRUPT, lambda i: i._port is not None, "zx_interrupt_bind"),
    "zx_interrupt_bind": (abi.ZX_OBJ_TYPE_PORT, lambda port: port.options, "zx_port_create"),
    "zx_interrupt_wait": (abi.ZX_OBJ_TYPE_INTERRUPT, _is_free, "zx_interrupt_create"),
    "zx_stream_writev": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_WRITE), "zx_stream_create"),
    "zx_stream_writev_at": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_WRITE), "zx_stream_create"),
    "zx_stream_readv": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_READ), "zx_stream_create"),
    "zx_stream_readv_at": (abi.ZX_OBJ_TYPE_STREAM, _of_mode(abi.ZX_STREAM_MODE_READ), "zx_stream_create"),
    "zx_debuglog_read": (
        abi.ZX_OBJ_TYPE_DEBUGLOG,
        lambda log: log.rights & abi.ZX_RIGHT_READ,
        "zx_debuglog_create",
    ),
    "zx_vmar_map_clock": (abi.ZX_OBJ_TYPE_CLOCK, _is_mappable, "zx_clock_create"),
    "zx_vmar_destroy": (abi.ZX_OBJ_TYPE_VMAR, _is_inner, "zx_vmar_allocate"),
    "zx_job_set_policy": (abi.ZX_OBJ_TYPE_JOB, lambda job: not job.has_children, "zx_job_create"),
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


ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_vmar_map": _map,
    "zx_vmar_map_clock": _map_clock,
    "zx_vmar_map_iob": _map_iob,
    "zx_vmar_destroy": _destroy,
    "zx_process_read_memory": _in_memory,
    "zx_process_write_memory": _in_memory,
    "zx_thread_set_rseq": _rseq,
    "zx_clock_get_details": _clock_details,
    "zx_clock_read_mapped": _read_mapped,
    "zx_clock_get_details_mapped": _details_mapped,
    "zx_stream_create": _stream_create,
    "zx_stream_readv": _stream(writes=False, at=False),
    "zx_stream_readv_at": _stream(writes=False, at=True),
    "zx_stream_writev": _stream(writes=True, at=False),
    "zx_stream_writev_at": _stream(writes=True, at=True),
    "zx_stream_seek": _seek,
    "zx_iob_create": _iob_create,
    "zx_iob_allocate_id": _allocate_id,
    "zx_iob_create_shared_region": _shared_region,
    "zx_iob_writev": _iob_writev,
    "zx_profile_create": _profile,
    "zx_port_create": _port_create,
    "zx_port_cancel_key": _cancel_key,
    "zx_interrupt_bind": _interrupt_bind,
    "zx_interrupt_ack": _interrupt_ack,
    "zx_interrupt_trigger": _interrupt_trigger,
    "zx_interrupt_wait": _interrupt_wait,
    "zx_object_wait_one": _wait_one,
    "zx_object_signal_peer": _signal_peer,
    "zx_debuglog_read": _debuglog_read,
    "zx_system_get_performance_info": _performance(sets=False),
    "zx_system_set_performance_info": _performance(sets=True),
    "zx_system_powerctl": _powerctl,
    "zx_system_suspend_enter": _suspend_enter,
    "zx_system_watch_memory_stall": _stall,
    "zx_task_suspend": _task(_is_alive, abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS),
    "zx_task_suspend_token": _task(_is_alive, abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS),
    "zx_task_create_exception_channel": _listen,
    "zx_exception_get_thread": _exception,
    "zx_exception_get_process": _exception,
    "zx_restricted_kick": _kick,
    "zx_ktrace_control": _trace,
    "zx_ktrace_read": _trace_read,
    "zx_sampler_create": _sampler_create,
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
    "zx_object_get_property": _property(sets=False),
    "zx_object_set_property": _property(sets=True),
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
    "zx_bti_pin": _pin,
    "zx_vmo_create_contiguous": _contiguous,
    "zx_debuglog_create": _debuglog_create,
    "zx_vmar_unmap_handle_close_thread_exit": _in_vmar("addr", "size", "close"),
    "zx_channel_call": _channel_call("zx_channel_call_args_t"),
    "zx_channel_call_etc": _channel_call("zx_channel_call_etc_args_t"),
    "zx_job_set_policy": _policy,
}
