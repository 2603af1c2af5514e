"""Handles and properties, waiting, channels and their like, ports, futexes, clocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS, ZX_TIME_INFINITE
from jacinth.abi.names import FAMILIES
from jacinth.fuzz.arguments.parameters import (
    Need,
    Rule,
    dispositions,
    handle_values,
    iovecs,
    key,
    signals,
    small,
    user_signals,
)
from jacinth.fuzz.world import Actor, Expression
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator


def _channel_call(struct_name: str) -> Rule:
    struct = STRUCTS[struct_name]
    etc = struct_name == "zx_channel_call_etc_args_t"

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        handles = g.handles(actor)
        block = dispositions(g, actor, handles) if etc else handle_values(handles)
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
            values["wr_bytes"] = iovecs(g, 2, "zx_channel_iovec_t", PAGE_SIZE)
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
        block = dispositions(g, actor, handles) if etc else handle_values(handles)
        options, data = 0, ("b", 0, contents, ())
        if object_ is not None and is_called(object_) and g.random() < 0.9:
            size += 4
            contents = g.rng.choice(list(object_.peer._callers)).to_bytes(4, "little") + contents
            data = ("b", 0, contents, ())
        elif g.random() < 0.15:
            options, size = abi.ZX_CHANNEL_WRITE_USE_IOVEC, g.rng.randrange(5)
            data = iovecs(g, size, "zx_channel_iovec_t", 0)
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
        count = (small(g, actor),) if counts else ()
        return (("f", word * 4), *count, 0, ("f", other * 4), small(g, actor), owner)

    return arguments


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
    return (port, g.handle(actor), key(g, actor))


def _wait_many(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    count = g.rng.choice((0, 1, 1, 2, 3, 5))
    patches: list[tuple[int, int, Expression]] = []
    for i in range(count):
        patches += [(12 * i, 4, g.handle(actor, (), abi.ZX_RIGHT_WAIT)), (12 * i + 4, 4, signals(g, actor))]
    return (("b", 0, bytes(12 * count), tuple(patches)), count, g.time())


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


def _port_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.rng.choice((0, 0, abi.ZX_PORT_BIND_TO_INTERRUPT)), ("a", 0))


def _cancel_key(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    port, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_PORT, lambda port: port._observing, abi.ZX_RIGHT_WRITE)
    keys = [] if object_ is None else [observer.key for observer in object_._observing]
    return (port, 0, g.rng.choice(keys) if keys else key(g, actor))


def _wait_one(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """For what is asserted already, or may be, until some time."""
    handle = g.handle(actor, (), abi.ZX_RIGHT_WAIT)
    wanted = 0xFFFF if g.random() < 0.3 else signals(g, actor)
    return (handle, wanted, g.time(), g.rng.choice((0, ("a", 0))))


_PEERED: Final = tuple(
    getattr(abi, "ZX_OBJ_TYPE_" + name) for name in ("CHANNEL", "SOCKET", "FIFO", "EVENTPAIR", "IOB")
)


def _signal_peer(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    known = [type_ for type_ in _PEERED if g.has(actor, type_)]
    type_ = g.rng.choice(known or _PEERED)
    handle, _ = g.chosen(actor, type_, lambda o: o.peer is not None, abi.ZX_RIGHT_SIGNAL_PEER)
    return (handle, user_signals(g, actor), user_signals(g, actor))


NEEDS: Final[dict[str, Need]] = {
    "zx_channel_read": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.messages, "zx_channel_write"),
    "zx_channel_write": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_channel_call": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_channel_call_etc": (abi.ZX_OBJ_TYPE_CHANNEL, lambda channel: channel.peer, "zx_channel_create"),
    "zx_socket_read": (abi.ZX_OBJ_TYPE_SOCKET, lambda socket: socket._size, "zx_socket_write"),
    "zx_socket_write": (abi.ZX_OBJ_TYPE_SOCKET, lambda socket: socket.peer, "zx_socket_create"),
    "zx_fifo_read": (abi.ZX_OBJ_TYPE_FIFO, lambda fifo: fifo._queue, "zx_fifo_write"),
    "zx_fifo_write": (abi.ZX_OBJ_TYPE_FIFO, lambda fifo: fifo.peer, "zx_fifo_create"),
}


ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_clock_get_details": _clock_details,
    "zx_clock_read_mapped": _read_mapped,
    "zx_clock_get_details_mapped": _details_mapped,
    "zx_port_create": _port_create,
    "zx_port_cancel_key": _cancel_key,
    "zx_object_wait_one": _wait_one,
    "zx_object_signal_peer": _signal_peer,
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
    "zx_object_get_info": _get_info,
    "zx_object_get_property": _property(sets=False),
    "zx_object_set_property": _property(sets=True),
    "zx_object_wait_many": _wait_many,
    "zx_port_cancel": _cancel,
    "zx_clock_create": _clock_create,
    "zx_clock_update": _clock_update,
    "zx_channel_call": _channel_call("zx_channel_call_args_t"),
    "zx_channel_call_etc": _channel_call("zx_channel_call_etc_args_t"),
}
