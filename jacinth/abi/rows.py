"""The shape of one row of the syscall table: a call, its parameters, and what follows from them.

A row is written once, in `table.py`, in the order of the C declaration. From it come the vDSO, the C headers,
argument decoding, the host's raw calls, the tracer's words and the coverage table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    """How a parameter crosses the boundary."""

    SCALAR = auto()  # a number, in a register
    HANDLE = auto()  # a handle value, in a register
    IN = auto()  # a pointer the call reads
    OUT = auto()  # a pointer the call writes
    INOUT = auto()  # a pointer the call reads and writes


@dataclass(frozen=True, slots=True)
class Param:
    """One C parameter.

    *type* is the C type of a scalar, or of the element a pointer points at: a key of `SCALARS`, or the name of a struct in
    `structs.py` ("zx_port_packet_t"). *count* names the parameter that holds the number of elements (bytes, where the
    element is "void" or "char"); a pointer without *count* points at one element. *unit* names the parameter that
    holds the size of an element in bytes, where the caller decides it.
    """

    name: str
    kind: Kind
    type: str
    count: str | None = None
    unit: str | None = None
    optional: bool = False  # a null pointer, or ZX_HANDLE_INVALID, is a documented value
    objects: tuple[int, ...] = ()  # HANDLE: the accepted ZX_OBJ_TYPE_*; empty: any
    rights: int = 0  # HANDLE: the rights that the reference page asks for
    consumed: bool = False  # handle values that the call closes or moves whatever it answers
    flags: str | None = None  # which family of named constants decodes the number: "ZX_VM_", "ZX_VMO_", ...


# C type -> (size in bytes, signed). Everything is passed in a 64-bit register.
SCALARS: dict[str, tuple[int, bool]] = {
    "uint8_t": (1, False),
    "bool": (1, False),
    "uint16_t": (2, False),
    "uint32_t": (4, False),
    "int32_t": (4, True),
    "uint64_t": (8, False),
    "int64_t": (8, True),
    "size_t": (8, False),
    "uintptr_t": (8, False),
    "zx_handle_t": (4, False),
    "zx_status_t": (4, True),
    "zx_rights_t": (4, False),
    "zx_signals_t": (4, False),
    "zx_koid_t": (8, False),
    "zx_vaddr_t": (8, False),
    "zx_paddr_t": (8, False),
    "zx_off_t": (8, False),
    "zx_time_t": (8, True),
    "zx_instant_mono_t": (8, True),
    "zx_instant_boot_t": (8, True),
    "zx_duration_t": (8, True),
    "zx_duration_mono_t": (8, True),
    "zx_ticks_t": (8, True),
    "zx_instant_mono_ticks_t": (8, True),
    "zx_instant_boot_ticks_t": (8, True),
    "zx_futex_t": (4, True),
    "zx_clock_t": (4, False),
    "zx_vm_option_t": (4, False),
    "zx_obj_type_t": (4, False),
    "zx_rsrc_kind_t": (4, False),
    "zx_excp_type_t": (4, False),
    "zx_gpaddr_t": (8, False),
    "zx_iob_allocate_id_options_t": (4, False),
    "zx_iob_write_options_t": (8, False),
    "zx_stream_seek_origin_t": (4, False),
    "zx_system_suspend_option_t": (8, False),
    # Of members of structs, and of constants
    "zx_cpu_perf_limit_type_t": (4, False),
    "zx_guest_trap_t": (4, False),
    "zx_handle_op_t": (4, False),
    "zx_info_maps_type_t": (4, False),
    "zx_info_process_flags_t": (4, False),
    "zx_iob_access_t": (4, False),
    "zx_iob_discipline_type_t": (8, False),
    "zx_iob_region_type_t": (4, False),
    "zx_object_info_topic_t": (4, False),
    "zx_packet_type_t": (4, False),
    "zx_pci_bar_types_t": (4, False),
    "zx_pci_irq_mode_t": (4, False),
    "zx_processor_power_control_t": (8, False),
    "zx_processor_power_level_options_t": (8, False),
    "zx_restricted_reason_t": (8, False),
    "zx_rsrc_flags_t": (4, False),
    "zx_rsrc_system_base_t": (8, False),
    "zx_system_event_type_t": (4, False),
    "zx_system_memory_stall_type_t": (4, False),
    "zx_system_wake_report_entry_flag_t": (4, False),
    "zx_thread_state_single_step_t": (4, False),
    "zx_thread_state_t": (4, False),
    "zx_thread_state_topic_t": (4, False),
    "zx_txid_t": (4, False),
    "zx_vcpu_state_topic_t": (4, False),
}


class Vdso(Enum):
    """Who answers a call."""

    KERNEL = auto()  # the vDSO only enters the kernel
    VDSO = auto()  # the vDSO answers by itself, without entering the kernel


@dataclass(frozen=True, slots=True)
class SyscallRow:
    """One system call: name, parameters in C order, and its attributes."""

    name: str
    params: tuple[Param, ...]
    returns: str = "zx_status_t"  # "void" or a key of SCALARS
    family: str = ""  # the module of syscalls/ that holds it, and the page of docs/
    blocking: bool = False
    noreturn: bool = False
    vdso: Vdso = Vdso.KERNEL
    next_only: bool = False  # not in the stable vDSO interface yet
    number: int = field(default=-1, compare=False)  # its place in the table


def row(
    name: str,
    *params: Param,
    returns: str = "zx_status_t",
    family: str = "",
    blocking: bool = False,
    noreturn: bool = False,
    vdso: Vdso = Vdso.KERNEL,
    next_only: bool = False,
    number: int = -1,
) -> SyscallRow:
    """A row; parameters follow in C order, attributes by keyword. The table gives the number."""
    return SyscallRow(name, params, returns, family, blocking, noreturn, vdso, next_only, number)


def scalar(name: str, ctype: str, flags: str | None = None) -> Param:
    return Param(name, Kind.SCALAR, ctype, flags=flags)


def handle(
    name: str,
    objects: int | tuple[int, ...] = (),
    rights: int = 0,
    *,
    optional: bool = False,
    consumed: bool = False,
) -> Param:
    types = (objects,) if isinstance(objects, int) else objects
    return Param(
        name,
        Kind.HANDLE,
        "zx_handle_t",
        optional=optional,
        objects=types,
        rights=rights,
        consumed=consumed,
    )


def in_(
    name: str,
    ctype: str,
    count: str | None = None,
    *,
    unit: str | None = None,
    optional: bool = False,
    consumed: bool = False,
) -> Param:
    return Param(name, Kind.IN, ctype, count, unit, optional, consumed=consumed)


def out(
    name: str, ctype: str, count: str | None = None, *, unit: str | None = None, optional: bool = False
) -> Param:
    return Param(name, Kind.OUT, ctype, count, unit, optional)


def inout(
    name: str, ctype: str, count: str | None = None, *, optional: bool = False, consumed: bool = False
) -> Param:
    return Param(name, Kind.INOUT, ctype, count, None, optional, consumed=consumed)


def handle_out(name: str, *, optional: bool = False) -> Param:
    return out(name, "zx_handle_t", optional=optional)
