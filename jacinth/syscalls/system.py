"""`zx_system_*` that the kernel answers. Source: docs/reference/syscalls/system_*.md; order from lib/syscalls/system.cc."""

from __future__ import annotations

from typing import Final

from jacinth.abi import (
    ZX_CPU_DEFAULT_PERF_SCALE,
    ZX_CPU_PERF_SCALE,
    ZX_DEFAULT_SYSTEM_EVENT_LOW_MEMORY_RIGHTS,
    ZX_DEFAULT_SYSTEM_MEMORY_STALL_EVENT_RIGHTS,
    ZX_RIGHT_MANAGE_PROCESS,
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
    Status,
    ZxError,
    zx_cpu_performance_info_t,
    zx_cpu_performance_scale_t,
    zx_system_powerctl_arg_t,
)
from jacinth.kernel.ipc.event import EventDispatcher
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

_LONGEST_WINDOW: Final = 10 * 10**9  # ns over which a stall is watched
_RESTARTS: Final = (
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
    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_STALL_BASE; INVALID_ARGS kind,
    or a threshold that is not positive or longer than the window, or a window of more than ten seconds.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_STALL_BASE)
    if kind not in (ZX_SYSTEM_MEMORY_STALL_SOME, ZX_SYSTEM_MEMORY_STALL_FULL):
        raise ZxError(Status.INVALID_ARGS)
    if not 0 < threshold <= window <= _LONGEST_WINDOW:
        raise ZxError(Status.INVALID_ARGS)
    event.make(EventDispatcher(call.kernel), ZX_DEFAULT_SYSTEM_MEMORY_STALL_EVENT_RIGHTS)


@syscall
def zx_system_get_performance_info(
    call: Call, resource: int, topic: int, count: int, info: UserOut, output_count: UserOut
) -> None:
    """How fast each CPU is said to be: as it was set last, or at the beginning. *count* is the number of CPUs.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; OUT_OF_RANGE count;
    INVALID_ARGS topic, info, output_count.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    kernel = call.kernel
    if count != kernel.engine.cpus:
        raise ZxError(Status.OUT_OF_RANGE)
    if topic not in (ZX_CPU_PERF_SCALE, ZX_CPU_DEFAULT_PERF_SCALE):
        raise ZxError(Status.INVALID_ARGS)
    for cpu in range(count):
        integral, fractional = (1, 0)
        if topic == ZX_CPU_PERF_SCALE:
            integral, fractional = kernel.performance_scales.get(cpu, (1, 0))
        scale = zx_cpu_performance_scale_t(integral_part=integral, fractional_part=fractional)
        record = zx_cpu_performance_info_t(logical_cpu_number=cpu, performance_scale=scale)
        info.write_struct(record, cpu * zx_cpu_performance_info_t.SIZE)
    output_count.set(count)


@syscall
def zx_system_set_performance_info(call: Call, resource: int, topic: int, info: UserIn, count: int) -> None:
    """Say how fast some CPUs are, in the order of their numbers. It changes nothing but what is answered.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; INVALID_ARGS topic;
    OUT_OF_RANGE count; INVALID_ARGS info, or not in order; OUT_OF_RANGE a CPU that is not there, or of no speed.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    if topic != ZX_CPU_PERF_SCALE:
        raise ZxError(Status.INVALID_ARGS)
    cpus = call.kernel.engine.cpus
    if not 0 < count <= cpus:
        raise ZxError(Status.OUT_OF_RANGE)
    scales: dict[int, tuple[int, int]] = {}
    last = -1
    for record in info.read_structs(zx_cpu_performance_info_t, count):
        if record.logical_cpu_number <= last:
            raise ZxError(Status.INVALID_ARGS)
        last = record.logical_cpu_number
        scale = record.performance_scale
        if last >= cpus or not (scale.integral_part or scale.fractional_part):
            raise ZxError(Status.OUT_OF_RANGE)
        scales[last] = scale.integral_part, scale.fractional_part
    call.kernel.performance_scales.update(scales)


@syscall
def zx_system_powerctl(call: Call, resource: int, cmd: int, arg: UserIn) -> None:
    """Turn CPUs on and off, or the machine: all CPUs are on already, and the machine belongs to the person who started it.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_POWER_BASE; INVALID_ARGS cmd,
    arg; NOT_SUPPORTED to restart, to stop, or what needs hardware; BAD_STATE nothing is to be acknowledged.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_POWER_BASE)
    if cmd in (ZX_SYSTEM_POWERCTL_ENABLE_ALL_CPUS, ZX_SYSTEM_POWERCTL_DISABLE_ALL_CPUS_BUT_PRIMARY):
        return
    if cmd in (ZX_SYSTEM_POWERCTL_ACPI_TRANSITION_S_STATE, ZX_SYSTEM_POWERCTL_X86_SET_PKG_PL1):
        arg.read(zx_system_powerctl_arg_t.SIZE)
        raise ZxError(Status.NOT_SUPPORTED)
    if cmd in _RESTARTS:
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

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; INVALID_ARGS options;
    NOT_SUPPORTED.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_system_set_processor_power_state(call: Call, port: int, power_state: UserIn) -> None:
    """Say that a power level is reached: no port controls any domain.

    Errors, in order: BAD_HANDLE, WRONG_TYPE port; NOT_SUPPORTED.
    """
    call.dispatcher(port, PortDispatcher, 0)
    raise ZxError(Status.NOT_SUPPORTED)


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
    """Let the machine sleep: NOT_SUPPORTED, there is nothing to wake it up again.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be ZX_RSRC_SYSTEM_CPU_BASE; NOT_SUPPORTED.
    """
    _require(call, resource, ZX_RSRC_SYSTEM_CPU_BASE)
    raise ZxError(Status.NOT_SUPPORTED)
