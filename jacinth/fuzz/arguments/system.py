"""Resources, interrupts, profiles, logs and traces, and what the machine has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS
from jacinth.fuzz.arguments.parameters import Need, Rule, family, is_root, key
from jacinth.fuzz.world import Actor, Expression
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator


def _interrupt(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    virtual = abi.ZX_INTERRUPT_VIRTUAL | g.rng.choice((0, 0, abi.ZX_INTERRUPT_TIMESTAMP_MONO, 0x20))
    return (0, 0, virtual, ("a", 0))


def _debuglog_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    return (resource, g.rng.choice((0, abi.ZX_LOG_FLAG_READABLE)), ("a", 0))


def _stall(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    threshold, window = g.rng.choice(((1, 1000), (1000, 1000), (1000, 10**10), (0, 1000), (1000, 10)))
    return (resource, g.rng.choice((0, 1, 1, 0, 2)), threshold, window, ("a", 0))


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
    parent, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root, abi.ZX_RIGHT_WRITE)
    return (parent, kind | flags, base, size, ("b", 0, b"mine", ()), 4, ("a", PAGE_SIZE))


def _iommu_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.handle(actor, (abi.ZX_OBJ_TYPE_RESOURCE,)), 0, ("b", 0, b"\0", ()), 1, ("a", PAGE_SIZE))


def _profile(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """Of a priority, a deadline, CPUs or the priority of memory."""
    rng = g.rng
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
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
    return (interrupt, port, key(g, actor), abi.ZX_INTERRUPT_UNBIND if unbinds else abi.ZX_INTERRUPT_BIND)


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


def _debuglog_read(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    log, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_DEBUGLOG, lambda log: True, abi.ZX_RIGHT_READ)
    return (log, 0, ("a", 0), g.rng.choice((0, 8, 64, 256)))


def _performance(sets: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
        topic = g.rng.choice(family("ZX_CPU_")[0])
        count = g.rng.choice((1, 1, 1, 1, 0, 2))
        words = (0, g.rng.choice((0, 0, 0, 1)), g.rng.choice((0, 1, 500)), g.rng.choice((0, 1)), 7, 0)
        data = b"".join(word.to_bytes(4, "little") for word in words)
        if sets:
            return (resource, topic, ("b", 0, data, ()), count)
        return (resource, topic, count, ("a", 0), ("a", PAGE_SIZE))

    return arguments


def _powerctl(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    return (resource, g.rng.randrange(11), g.rng.choice((0, ("b", 0, bytes(12), ()))))


def _suspend_enter(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    entries = g.random() < 0.5
    report = (("a", PAGE_SIZE), 4, ("a", 2 * PAGE_SIZE)) if entries else (0, 0, 0)
    options = (
        abi.ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY if g.random() < 0.8 else g.flags("ZX_SYSTEM_SUSPEND_OPTION_")
    )
    return (resource, g.time(), options, ("a", 0), *report)


def _trace(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    groups = g.rng.choice((0, abi.KTRACE_GRP_META, 1 << g.rng.randrange(12)))
    return (resource, g.rng.randrange(6), groups, 0)


def _trace_read(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    size = g.rng.choice((0, 8, 64, PAGE_SIZE, 3 * PAGE_SIZE))
    return (
        resource,
        g.rng.choice((0, ("a", 0), ("a", 0))),
        g.rng.choice((0, 8, 64, 4096)),
        size,
        ("a", 4 * PAGE_SIZE),
    )


def _sampler_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    resource, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_RESOURCE, is_root)
    period, size = g.rng.choice(((10_000, 4096), (1_000_000, 1 << 16), (9_999, 4096), (10_000, 4095)))
    config = abi.zx_sampler_config_t(period=period, buffer_size=size).pack()
    return (resource, 0, ("b", 0, config, ()), ("a", PAGE_SIZE))


NEEDS: Final[dict[str, Need]] = {
    "zx_interrupt_ack": (abi.ZX_OBJ_TYPE_INTERRUPT, _is_handled, "zx_interrupt_trigger"),
    "zx_interrupt_trigger": (abi.ZX_OBJ_TYPE_INTERRUPT, lambda i: i._port is not None, "zx_interrupt_bind"),
    "zx_interrupt_bind": (abi.ZX_OBJ_TYPE_PORT, lambda port: port.options, "zx_port_create"),
    "zx_interrupt_wait": (abi.ZX_OBJ_TYPE_INTERRUPT, _is_free, "zx_interrupt_create"),
    "zx_debuglog_read": (
        abi.ZX_OBJ_TYPE_DEBUGLOG,
        lambda log: log.rights & abi.ZX_RIGHT_READ,
        "zx_debuglog_create",
    ),
}


ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_profile_create": _profile,
    "zx_interrupt_bind": _interrupt_bind,
    "zx_interrupt_ack": _interrupt_ack,
    "zx_interrupt_trigger": _interrupt_trigger,
    "zx_interrupt_wait": _interrupt_wait,
    "zx_debuglog_read": _debuglog_read,
    "zx_system_get_performance_info": _performance(sets=False),
    "zx_system_set_performance_info": _performance(sets=True),
    "zx_system_powerctl": _powerctl,
    "zx_system_suspend_enter": _suspend_enter,
    "zx_system_watch_memory_stall": _stall,
    "zx_ktrace_control": _trace,
    "zx_ktrace_read": _trace_read,
    "zx_sampler_create": _sampler_create,
    "zx_interrupt_create": _interrupt,
    "zx_resource_create": _resource_create,
    "zx_iommu_create": _iommu_create,
    "zx_debuglog_create": _debuglog_create,
}
