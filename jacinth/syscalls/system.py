"""`zx_system_*` that the kernel answers. Source: docs/reference/syscalls/system_*.md; order from lib/syscalls/system.{rs,cc}."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_CPU_DEFAULT_PERF_SCALE,
    ZX_CPU_PERF_LIMIT,
    ZX_CPU_PERF_LIMIT_TYPE_RATE,
    ZX_CPU_PERF_SCALE,
    ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS,
    ZX_DEFAULT_SYSTEM_MEMORY_STALL_EVENT_RIGHTS,
    ZX_HANDLE_INVALID,
    ZX_MAX_POWER_LEVEL_TRANSFORMATIONS,
    ZX_MAX_POWER_LEVELS,
    ZX_POL_NEW_EVENT,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_CPU_BASE,
    ZX_RSRC_SYSTEM_POWER_BASE,
    ZX_RSRC_SYSTEM_STALL_BASE,
    ZX_SYSTEM_EVENT_OUT_OF_MEMORY,
    ZX_SYSTEM_MEMORY_STALL_FULL,
    ZX_SYSTEM_MEMORY_STALL_SOME,
    ZX_SYSTEM_POWERCTL_ACK_KERNEL_INITIATED_REBOOT,
    ZX_SYSTEM_POWERCTL_ACPI_TRANSITION_S_STATE,
    ZX_SYSTEM_POWERCTL_DISABLE_ALL_CPUS_BUT_PRIMARY,
    ZX_SYSTEM_POWERCTL_ENABLE_ALL_CPUS,
    ZX_SYSTEM_POWERCTL_REBOOT,
    ZX_SYSTEM_POWERCTL_REBOOT_BOOTLOADER,
    ZX_SYSTEM_POWERCTL_REBOOT_RECOVERY,
    ZX_SYSTEM_POWERCTL_SHUTDOWN,
    ZX_SYSTEM_POWERCTL_X86_SET_PKG_PL1,
    ZX_SYSTEM_SUSPEND_OPTION_DISCARD,
    ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY,
    ZX_TIME_INFINITE,
    Status,
    Struct,
    ZxError,
    zx_cpu_perf_limit_t,
    zx_cpu_performance_info_t,
    zx_cpu_performance_scale_t,
    zx_processor_power_domain_t,
    zx_processor_power_level_t,
    zx_processor_power_level_transition_t,
    zx_processor_power_state_t,
    zx_system_powerctl_arg_t,
    zx_wake_source_report_header_t,
)
from jacinth.kernel.ipc.event import EventDispatcher
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

_LONGEST_WINDOW: Final = 10 * 10**9  # ns over which a stall is watched
_NO_LIMIT: Final = 1000  # of how fast a CPU may be
_NOT_SUPPORTED: Final = (
    ZX_SYSTEM_POWERCTL_ACPI_TRANSITION_S_STATE,
    ZX_SYSTEM_POWERCTL_X86_SET_PKG_PL1,
    ZX_SYSTEM_POWERCTL_REBOOT,
    ZX_SYSTEM_POWERCTL_REBOOT_BOOTLOADER,
    ZX_SYSTEM_POWERCTL_REBOOT_RECOVERY,
    ZX_SYSTEM_POWERCTL_SHUTDOWN,
)


def _require(call: Call, resource: int, base: int) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be the system's at *base*."""
    call.dispatcher(resource, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SYSTEM, base)


@syscall
def zx_system_get_event(call: Call, root_job: int, kind: int, event: HandleOut) -> None:
    """The event that is signaled while memory is at the level of a ZX_SYSTEM_EVENT_*: one of them always is.

    Its handle can be waited for, duplicated and transferred, and no more.
    Rights: for ZX_SYSTEM_EVENT_OUT_OF_MEMORY MANAGE_PROCESS on root_job.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED root_job; ACCESS_DENIED another job; INVALID_ARGS kind.
    """
    rights = ZX_RIGHT_MANAGE_PROCESS if kind == ZX_SYSTEM_EVENT_OUT_OF_MEMORY else 0
    if call.dispatcher(root_job, JobDispatcher, rights) is not call.kernel.root_job_dispatcher:
        raise ZxError(Status.ACCESS_DENIED)
    event.make(call.kernel.memory_pressure.event(kind), ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS)


@syscall
def zx_system_watch_memory_stall(
    call: Call, resource: int, kind: int, threshold: int, window: int, event: HandleOut
) -> None:
    """An event that is signaled while threads have waited for memory for *threshold* ns of the last *window* ns.

    Here nobody ever waits for memory: a page is there at once or not at all. So it never is.
    Errors, in order: ACCESS_DENIED policy; INVALID_ARGS a threshold that is not positive or longer than the window, a window of
    more than ten seconds; BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_STALL_BASE; INVALID_ARGS
    kind.
    """
    call.check_policy(ZX_POL_NEW_EVENT)
    if not 0 < threshold <= window <= _LONGEST_WINDOW:
        raise ZxError(Status.INVALID_ARGS)
    _require(call, resource, ZX_RSRC_SYSTEM_STALL_BASE)
    if kind not in (ZX_SYSTEM_MEMORY_STALL_SOME, ZX_SYSTEM_MEMORY_STALL_FULL):
        raise ZxError(Status.INVALID_ARGS)
    event.make(EventDispatcher(call.kernel), ZX_DEFAULT_SYSTEM_MEMORY_STALL_EVENT_RIGHTS)


@syscall
def zx_system_get_performance_info(
    call: Call, resource: int, topic: int, count: int, info: UserOut, output_count: UserOut
) -> None:
    """How fast each CPU is said to be, or may be: as it was set last, or at the beginning. *count* is the number of CPUs.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; OUT_OF_RANGE count;
    INVALID_ARGS output_count null, topic, info, output_count.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    kernel = call.kernel
    if count != kernel.engine.cpus:
        raise ZxError(Status.OUT_OF_RANGE)
    output_count.check()
    if topic not in (ZX_CPU_PERF_SCALE, ZX_CPU_DEFAULT_PERF_SCALE, ZX_CPU_PERF_LIMIT):
        raise ZxError(Status.INVALID_ARGS)
    info.write(b"".join(_performance(kernel, topic, cpu).pack() for cpu in range(count)))
    output_count.set(count)


def _performance(kernel: Kernel, topic: int, cpu: int) -> Struct:
    if topic == ZX_CPU_PERF_LIMIT:
        least, most = kernel.performance_limits.get(cpu, (0, _NO_LIMIT))
        return zx_cpu_perf_limit_t(
            logical_cpu_number=cpu, limit_type=ZX_CPU_PERF_LIMIT_TYPE_RATE, min=least, max=most
        )
    integral, fractional = (1, 0)
    if topic == ZX_CPU_PERF_SCALE:
        integral, fractional = kernel.performance_scales.get(cpu, (1, 0))
    scale = zx_cpu_performance_scale_t(integral_part=integral, fractional_part=fractional)
    return zx_cpu_performance_info_t(logical_cpu_number=cpu, performance_scale=scale)


@syscall
def zx_system_set_performance_info(call: Call, resource: int, topic: int, info: UserIn, count: int) -> None:
    """Say how fast some CPUs are, or may be, in the order of their numbers. It changes nothing but what is answered.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; OUT_OF_RANGE count;
    INVALID_ARGS topic, info; of each record INVALID_ARGS not in order, OUT_OF_RANGE a CPU that is not there, or of no speed,
    NOT_SUPPORTED a limit that is no rate.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    cpus = call.kernel.engine.cpus
    if not 0 < count <= cpus:
        raise ZxError(Status.OUT_OF_RANGE)
    last = -1
    if topic == ZX_CPU_PERF_SCALE:
        scales: dict[int, tuple[int, int]] = {}
        for record in info.read_structs(zx_cpu_performance_info_t, count):
            last = _check_cpu(record.logical_cpu_number, last, cpus)
            scale = record.performance_scale
            if not (scale.integral_part or scale.fractional_part):
                raise ZxError(Status.OUT_OF_RANGE)
            scales[last] = scale.integral_part, scale.fractional_part
        call.kernel.performance_scales.update(scales)
    elif topic == ZX_CPU_PERF_LIMIT:
        limits: dict[int, tuple[int, int]] = {}
        for limit in info.read_structs(zx_cpu_perf_limit_t, count):
            last = _check_cpu(limit.logical_cpu_number, last, cpus)
            if limit.limit_type != ZX_CPU_PERF_LIMIT_TYPE_RATE:
                raise ZxError(Status.NOT_SUPPORTED)
            limits[last] = limit.min, limit.max
        call.kernel.performance_limits.update(limits)
    else:
        raise ZxError(Status.INVALID_ARGS)


def _check_cpu(cpu: int, last: int, cpus: int) -> int:
    """Answers *cpu*, which comes after *last*: INVALID_ARGS; OUT_OF_RANGE."""
    if cpu <= last:
        raise ZxError(Status.INVALID_ARGS)
    if cpu >= cpus:
        raise ZxError(Status.OUT_OF_RANGE)
    return cpu


@syscall
def zx_system_powerctl(call: Call, resource: int, cmd: int, arg: UserIn) -> None:
    """Turn CPUs on and off, or the machine: all CPUs are on already, and the machine belongs to the person who started it.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_POWER_BASE; INVALID_ARGS cmd,
    arg; NOT_SUPPORTED to restart, to stop, or what needs hardware; BAD_STATE nothing is to be acknowledged.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_POWER_BASE)
    if cmd in (ZX_SYSTEM_POWERCTL_ENABLE_ALL_CPUS, ZX_SYSTEM_POWERCTL_DISABLE_ALL_CPUS_BUT_PRIMARY):
        return
    if cmd == ZX_SYSTEM_POWERCTL_X86_SET_PKG_PL1:
        arg.read(zx_system_powerctl_arg_t.SIZE)
    if cmd in _NOT_SUPPORTED:
        raise ZxError(Status.NOT_SUPPORTED)
    if cmd == ZX_SYSTEM_POWERCTL_ACK_KERNEL_INITIATED_REBOOT:
        raise ZxError(Status.BAD_STATE)
    raise ZxError(Status.INVALID_ARGS)


@syscall
def zx_system_mexec(call: Call, resource: int, kernel_vmo: int, bootimage_vmo: int) -> None:
    """Start another kernel: NOT_SUPPORTED, as in every kernel that was not started for debugging."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_system_mexec_payload_get(call: Call, resource: int, buffer: UserOut, buffer_size: int) -> None:
    """What another kernel would be told: NOT_SUPPORTED, as in every kernel that was not started for debugging."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_system_set_processor_power_domain(
    call: Call,
    resource: int,
    options: int,
    domain: UserIn,
    port: int,
    power_levels: UserIn,
    num_power_levels: int,
    transitions: UserIn,
    num_transitions: int,
) -> None:
    """Let a program control how fast CPUs run: NOT_SUPPORTED, their speed is the host's.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; OUT_OF_RANGE counts;
    INVALID_ARGS domain; NOT_FOUND to end a domain, of which there are none; INVALID_ARGS no level, or a CPU that is not there;
    BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED port, which needs READ and WRITE; INVALID_ARGS transitions, power_levels;
    NOT_SUPPORTED.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    if num_power_levels > ZX_MAX_POWER_LEVELS or num_transitions > ZX_MAX_POWER_LEVEL_TRANSFORMATIONS:
        raise ZxError(Status.OUT_OF_RANGE)
    first, *others = domain.read_struct(zx_processor_power_domain_t).cpus.mask
    if not (first or any(others)):
        raise ZxError(Status.NOT_FOUND)
    if num_power_levels == 0 or first >> call.kernel.engine.cpus or any(others):
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(port, PortDispatcher, ZX_RIGHT_READ | ZX_RIGHT_WRITE)
    transitions.read(zx_processor_power_level_transition_t.SIZE * num_transitions)
    power_levels.read(zx_processor_power_level_t.SIZE * num_power_levels)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_system_set_processor_power_state(call: Call, port: int, power_state: UserIn) -> None:
    """Say that a power level is reached: no port controls any domain.

    Rights: READ on port.
    Errors, in order: BAD_HANDLE port 0; INVALID_ARGS power_state; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED port; NOT_FOUND domain.
    """
    if port == ZX_HANDLE_INVALID:
        raise ZxError(Status.BAD_HANDLE)
    power_state.read(zx_processor_power_state_t.SIZE)
    call.dispatcher(port, PortDispatcher, ZX_RIGHT_READ)
    raise ZxError(Status.NOT_FOUND)


@syscall
async def zx_system_suspend_enter(
    call: Call,
    resource: int,
    resume_deadline: int,
    options: int,
    header: UserOut,
    entries: UserOut,
    num_entries: int,
    actual_entries: UserOut,
) -> None:
    """Let the machine sleep: NOT_SUPPORTED, there is nothing to wake it up again. Reports say that: no source, no entry.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; INVALID_ARGS options,
    some of entries, num_entries and actual_entries without the others, those without a header, REPORT_ONLY without a header;
    NOT_SUPPORTED without REPORT_ONLY; INVALID_ARGS header, actual_entries.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    report_only = options & ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY
    if options & ~(ZX_SYSTEM_SUSPEND_OPTION_DISCARD | ZX_SYSTEM_SUSPEND_OPTION_REPORT_ONLY):
        raise ZxError(Status.INVALID_ARGS)
    wants_entries = not entries.is_null
    if wants_entries is not (num_entries > 0) or wants_entries is actual_entries.is_null:
        raise ZxError(Status.INVALID_ARGS)
    if (wants_entries or report_only) and header.is_null:
        raise ZxError(Status.INVALID_ARGS)
    if not report_only:
        raise ZxError(Status.NOT_SUPPORTED)
    now = call.kernel.clock.now()
    header.write_struct(zx_wake_source_report_header_t(report_time=now, suspend_start_time=ZX_TIME_INFINITE))
    actual_entries.set(0)
