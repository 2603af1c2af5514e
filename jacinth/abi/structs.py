"""The structs of the public system call interface, with the C layout of x86-64.

A struct lists its members in C order as (name, C type) or (name, C type, count). Offsets, size and alignment follow from
the C rules, and one precompiled `struct.Struct` moves the whole of it. `char` arrays are bytes that end at the first NUL;
`uint8_t` arrays (padding, raw views of unions) are bytes of exactly their length; every other array is a list.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from jacinth.abi.rows import SCALARS

_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
_OTHERS = {
    "char": (1, "c"),
    "bool": (1, "?"),
    "int8_t": (1, "b"),
    "int16_t": (2, "h"),
    "float": (4, "f"),
    "double": (8, "d"),
}

STRUCTS: dict[str, type[Struct]] = {}


class Field(NamedTuple):
    """One member: *count* is None for a single value, else the length of the array."""

    name: str
    ctype: str
    offset: int
    count: int | None  # type: ignore[assignment]  # tuple.count is not used


def _code(ctype: str) -> tuple[int, str]:
    """Size and `struct` code of a scalar type."""
    if ctype.endswith("*"):
        ctype = "uintptr_t"
    if ctype in _OTHERS:
        return _OTHERS[ctype]
    size, signed = SCALARS[ctype]
    return size, (_SIGNED if signed else _UNSIGNED)[size]


class Struct:
    """Base of all structs; a subclass gives FIELDS, and ALIGNAS where a union or an attribute raises the alignment."""

    FIELDS: ClassVar[tuple[tuple[Any, ...], ...]] = ()
    ALIGNAS: ClassVar[int] = 1
    SIZE: ClassVar[int] = 0
    ALIGN: ClassVar[int] = 1
    fields: ClassVar[tuple[Field, ...]] = ()
    _format: ClassVar[str] = ""
    _codec: ClassVar[struct.Struct] = struct.Struct("<")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        offset, align, codes = 0, cls.ALIGNAS, ""
        fields = []
        for name, ctype, *rest in cls.FIELDS:
            count: int | None = rest[0] if rest else None
            n = 1 if count is None else count
            if ctype in STRUCTS:
                inner = STRUCTS[ctype]
                size, own, code = inner.SIZE, inner.ALIGN, inner._format * n
            else:
                size, one = _code(ctype)
                own = size
                code = f"{n}s" if ctype in ("char", "uint8_t") and count is not None else f"{n}{one}"
            gap = -offset % own
            codes += ("x" * gap) + code
            offset += gap
            fields.append(Field(name, ctype, offset, count))
            offset += size * n
            align = max(align, own)
        tail = -offset % align
        cls.fields = tuple(fields)
        cls.SIZE, cls.ALIGN, cls._format = offset + tail, align, codes + "x" * tail
        cls._codec = struct.Struct("<" + cls._format)
        assert cls._codec.size == cls.SIZE, cls.__name__
        STRUCTS[cls.__name__] = cls

    def __init__(self, **values: Any) -> None:
        for field in self.fields:
            if field.name in values:
                setattr(self, field.name, values.pop(field.name))
            else:
                setattr(self, field.name, _default(field))
        for name, value in values.items():
            if not isinstance(getattr(type(self), name, None), (property, View)):
                raise TypeError(f"{type(self).__name__} has no member {name!r}")
            setattr(self, name, value)

    if TYPE_CHECKING:  # members are ordinary attributes; a checker cannot know their names

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no member {name!r}")

    def _flatten(self, into: list[Any]) -> None:
        for name, ctype, _, count in self.fields:
            value = getattr(self, name)
            if count is None:
                if ctype in STRUCTS:
                    _check(self, name, ctype, value)
                    value._flatten(into)
                else:
                    into.append(value)
                continue
            if len(value) > count or (len(value) < count and ctype not in ("char", "uint8_t")):
                raise ValueError(f"{type(self).__name__}.{name}: {len(value)} elements for {count}")
            if ctype in ("char", "uint8_t"):
                into.append(bytes(value))
            elif ctype in STRUCTS:
                for item in value:
                    _check(self, name, ctype, item)
                    item._flatten(into)
            else:
                into.extend(value)

    @classmethod
    def _build(cls, leaves: Iterator[Any]) -> Self:
        self = cls.__new__(cls)
        members = self.__dict__
        for name, ctype, _, count in cls.fields:
            inner = STRUCTS.get(ctype)
            if count is None:
                members[name] = next(leaves) if inner is None else inner._build(leaves)
            elif ctype == "char":
                members[name] = next(leaves).split(b"\0", 1)[0]
            elif ctype == "uint8_t":
                members[name] = next(leaves)
            elif inner is None:
                members[name] = [next(leaves) for _ in range(count)]
            else:
                members[name] = [inner._build(leaves) for _ in range(count)]
        return self

    def pack(self) -> bytes:
        leaves: list[Any] = []
        self._flatten(leaves)
        return self._codec.pack(*leaves)

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Self:
        return cls._build(iter(cls._codec.unpack_from(data, offset)))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.pack() == other.pack()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in self.fields)})"
        )


def _check(owner: Struct, name: str, ctype: str, value: object) -> None:
    if not isinstance(value, STRUCTS[ctype]):
        raise TypeError(f"{type(owner).__name__}.{name}: not a {ctype}: {value!r}")


def _default(field: Field) -> Any:
    inner = STRUCTS.get(field.ctype)
    if field.count is None:
        if inner is not None:
            return inner()
        return {"char": b"\0", "bool": False, "float": 0.0, "double": 0.0}.get(field.ctype, 0)
    if field.ctype == "char":
        return b""
    if field.ctype == "uint8_t":
        return bytes(field.count)
    return [0 if inner is None else inner() for _ in range(field.count)]


class View:
    """A member of a union whose bytes are the `uint8_t` array *raw*.

    Reading gives a copy: change the copy and assign it. Assigning clears the bytes past the view's own.
    """

    def __init__(self, raw: str, ctype: str) -> None:
        self.raw, self.ctype = raw, ctype

    def __get__(self, instance: Struct | None, owner: type[Struct]) -> Any:
        if instance is None:
            return self
        data = bytes(getattr(instance, self.raw))
        data += bytes(next(f.count or 0 for f in owner.fields if f.name == self.raw) - len(data))
        if self.ctype in STRUCTS:
            return STRUCTS[self.ctype].unpack(data)
        return struct.unpack_from("<" + _code(self.ctype)[1], data)[0]

    def __set__(self, instance: Struct, value: Any) -> None:
        if self.ctype in STRUCTS:
            _check(instance, self.raw, self.ctype, value)
            data = value.pack()
        else:
            data = struct.pack("<" + _code(self.ctype)[1], value)
        count = next(f.count or 0 for f in instance.fields if f.name == self.raw)
        setattr(instance, self.raw, data.ljust(count, b"\0"))


def _all(ctype: str, names: str) -> tuple[tuple[Any, ...], ...]:
    """Members of one type."""
    return tuple((name, ctype) for name in names.split())


NAME_LEN = 32  # ZX_MAX_NAME_LEN
_PAD4 = (("padding1", "uint8_t", 4),)


# zx_object_get_info


class zx_info_handle_basic_t(Struct):
    FIELDS = (
        ("koid", "zx_koid_t"),
        ("rights", "zx_rights_t"),
        ("type", "zx_obj_type_t"),
        ("related_koid", "zx_koid_t"),
        ("reserved", "uint32_t"),
        *_PAD4,
    )


class zx_info_handle_count_t(Struct):
    FIELDS = (("handle_count", "uint32_t"),)


class zx_info_handle_extended_t(Struct):
    FIELDS = (
        ("type", "zx_obj_type_t"),
        ("handle_value", "zx_handle_t"),
        ("rights", "zx_rights_t"),
        ("reserved", "uint32_t"),
        ("koid", "zx_koid_t"),
        ("related_koid", "zx_koid_t"),
        ("peer_owner_koid", "zx_koid_t"),
    )


class zx_info_process_handle_stats_t(Struct):
    FIELDS = (("handle_count", "uint32_t", 64),)


class zx_info_process_t(Struct):
    FIELDS = (
        ("return_code", "int64_t"),
        ("start_time", "zx_instant_mono_t"),
        ("flags", "zx_info_process_flags_t"),
        *_PAD4,
    )


class zx_info_job_t(Struct):
    FIELDS = (
        ("return_code", "int64_t"),
        ("exited", "bool"),
        ("kill_on_oom", "bool"),
        ("debugger_attached", "bool"),
        ("padding1", "uint8_t", 5),
    )


class zx_info_timer_t(Struct):
    FIELDS = (
        ("options", "uint32_t"),
        ("clock_id", "zx_clock_t"),
        ("deadline", "zx_time_t"),
        ("slack", "zx_duration_t"),
    )


class zx_info_stream_t(Struct):
    FIELDS = (("options", "uint32_t"), *_PAD4, ("seek", "zx_off_t"), ("content_size", "uint64_t"))


class zx_cpu_set_t(Struct):
    FIELDS = (("mask", "uint64_t", 8),)


class zx_info_thread_t(Struct):
    FIELDS = (
        ("state", "zx_thread_state_t"),
        ("wait_exception_channel_type", "uint32_t"),
        ("cpu_affinity_mask", "zx_cpu_set_t"),
    )


class zx_info_thread_stats_t(Struct):
    FIELDS = (("total_runtime", "zx_duration_mono_t"), ("last_scheduled_cpu", "uint32_t"), *_PAD4)


class zx_info_task_stats_v1_t(Struct):
    FIELDS = _all("size_t", "mem_mapped_bytes mem_private_bytes mem_shared_bytes mem_scaled_shared_bytes")


class zx_info_task_stats_t(Struct):
    FIELDS = (*zx_info_task_stats_v1_t.FIELDS, ("mem_fractional_scaled_shared_bytes", "uint64_t"))


class zx_info_task_runtime_v1_t(Struct):
    FIELDS = _all("zx_duration_mono_t", "cpu_time queue_time")


class zx_info_task_runtime_t(Struct):
    FIELDS = _all("zx_duration_mono_t", "cpu_time queue_time page_fault_time lock_contention_time")


class zx_info_vmar_t(Struct):
    FIELDS = (("base", "uintptr_t"), ("len", "size_t"))


class zx_info_bti_t(Struct):
    FIELDS = _all("uint64_t", "minimum_contiguity aspace_size pmo_count quarantine_count")


class zx_info_socket_t(Struct):
    FIELDS = (
        ("options", "uint32_t"),
        *_PAD4,
        *_all("size_t", "rx_buf_max rx_buf_size rx_buf_available tx_buf_max tx_buf_size"),
    )


_MAPPING = (("mmu_flags", "zx_vm_option_t"), *_PAD4, ("vmo_koid", "zx_koid_t"), ("vmo_offset", "uint64_t"))


class zx_info_maps_mapping_v1_t(Struct):
    FIELDS = (*_MAPPING, ("committed_pages", "size_t"))


class zx_info_maps_mapping_v2_t(Struct):
    FIELDS = (*_MAPPING, ("committed_pages", "size_t"), ("populated_pages", "size_t"))


class zx_info_maps_mapping_t(Struct):
    FIELDS = (
        *_MAPPING,
        *_all(
            "size_t",
            "committed_bytes populated_bytes committed_private_bytes "
            "populated_private_bytes committed_scaled_bytes populated_scaled_bytes",
        ),
        *_all("uint64_t", "committed_fractional_scaled_bytes populated_fractional_scaled_bytes"),
    )


_MAPS = (
    ("name", "char", NAME_LEN),
    ("base", "zx_vaddr_t"),
    ("size", "size_t"),
    ("depth", "size_t"),
    ("type", "zx_info_maps_type_t"),
    *_PAD4,
)


class zx_info_maps_v1_t(Struct):
    FIELDS = (*_MAPS, ("mapping", "zx_info_maps_mapping_v1_t"))

    @property
    def u(self) -> Self:
        """The union, of which `mapping` is the only member."""
        return self


class zx_info_maps_v2_t(Struct):
    FIELDS = (*_MAPS, ("mapping", "zx_info_maps_mapping_v2_t"))

    @property
    def u(self) -> Self:
        """The union, of which `mapping` is the only member."""
        return self


class zx_info_maps_t(Struct):
    FIELDS = (*_MAPS, ("mapping", "zx_info_maps_mapping_t"))

    @property
    def u(self) -> Self:
        """The union, of which `mapping` is the only member."""
        return self


class zx_info_vmo_v1_t(Struct):
    FIELDS = (
        ("koid", "zx_koid_t"),
        ("name", "char", NAME_LEN),
        ("size_bytes", "uint64_t"),
        ("parent_koid", "zx_koid_t"),
        ("num_children", "size_t"),
        ("num_mappings", "size_t"),
        ("share_count", "size_t"),
        ("flags", "uint32_t"),
        *_PAD4,
        ("committed_bytes", "uint64_t"),
        ("handle_rights", "zx_rights_t"),
        ("cache_policy", "uint32_t"),
    )


class zx_info_vmo_v2_t(Struct):
    FIELDS = (
        *zx_info_vmo_v1_t.FIELDS,
        ("metadata_bytes", "uint64_t"),
        ("committed_change_events", "uint64_t"),
    )


class zx_info_vmo_v3_t(Struct):
    FIELDS = (*zx_info_vmo_v2_t.FIELDS, ("populated_bytes", "uint64_t"))


class zx_info_vmo_t(Struct):
    FIELDS = (
        *zx_info_vmo_v3_t.FIELDS,
        *_all(
            "uint64_t",
            "committed_private_bytes populated_private_bytes committed_scaled_bytes "
            "populated_scaled_bytes committed_fractional_scaled_bytes "
            "populated_fractional_scaled_bytes",
        ),
    )


class zx_info_guest_stats_t(Struct):
    FIELDS = (
        ("cpu_number", "uint32_t"),
        ("flags", "uint32_t"),
        *_all(
            "uint64_t",
            "vm_entries vm_exits interrupts interrupt_windows cpuid_instructions hlt_instructions "
            "control_register_accesses io_instructions rdmsr_instructions wrmsr_instructions "
            "ept_violations xsetbv_instructions pause_instructions vmcall_instructions",
        ),
    )


class zx_info_cpu_stats_t(Struct):
    FIELDS = (
        ("cpu_number", "uint32_t"),
        ("flags", "uint32_t"),
        ("idle_time", "zx_duration_mono_t"),
        ("normalized_busy_time", "zx_duration_mono_t"),
        *_all(
            "uint64_t",
            "reschedules context_switches irq_preempts preempts yields ints timer_ints timers "
            "page_faults exceptions syscalls reschedule_ipis generic_ipis "
            "active_energy_consumption_nj idle_energy_consumption_nj",
        ),
    )


class zx_info_kmem_stats_t(Struct):
    FIELDS = _all(
        "uint64_t",
        "total_bytes free_bytes free_loaned_bytes wired_bytes total_heap_bytes free_heap_bytes "
        "vmo_bytes mmu_overhead_bytes ipc_bytes cache_bytes slab_bytes zram_bytes other_bytes "
        "vmo_reclaim_total_bytes vmo_reclaim_newest_bytes vmo_reclaim_oldest_bytes "
        "vmo_reclaim_disabled_bytes vmo_discardable_locked_bytes vmo_discardable_unlocked_bytes",
    )


class zx_info_kmem_stats_v1_t(Struct):
    FIELDS = _all(
        "uint64_t",
        "total_bytes free_bytes wired_bytes total_heap_bytes free_heap_bytes vmo_bytes "
        "mmu_overhead_bytes ipc_bytes other_bytes",
    )


class zx_info_kmem_stats_extended_t(Struct):
    FIELDS = _all(
        "uint64_t",
        "total_bytes free_bytes wired_bytes total_heap_bytes free_heap_bytes vmo_bytes "
        "vmo_pager_total_bytes vmo_pager_newest_bytes vmo_pager_oldest_bytes "
        "vmo_discardable_locked_bytes vmo_discardable_unlocked_bytes mmu_overhead_bytes ipc_bytes "
        "other_bytes vmo_reclaim_disabled_bytes",
    )


class zx_info_kmem_stats_compression_t(Struct):
    FIELDS = (
        *_all(
            "uint64_t", "uncompressed_storage_bytes compressed_storage_bytes compressed_fragmentation_bytes"
        ),
        *_all("zx_duration_mono_t", "compression_time decompression_time"),
        *_all(
            "uint64_t",
            "total_page_compression_attempts failed_page_compression_attempts "
            "total_page_decompressions compressed_page_evictions eager_page_compressions "
            "memory_pressure_page_compressions critical_memory_page_compressions "
            "pages_decompressed_unit_ns",
        ),
        ("pages_decompressed_within_log_time", "uint64_t", 8),
    )


class zx_info_resource_t(Struct):
    FIELDS = (
        ("kind", "uint32_t"),
        ("flags", "uint32_t"),
        ("base", "uint64_t"),
        ("size", "size_t"),
        ("name", "char", NAME_LEN),
    )


class zx_info_msi_t(Struct):
    FIELDS = (
        ("target_addr", "uint64_t"),
        *_all("uint32_t", "target_data base_irq_id num_irq interrupt_count"),
    )


class zx_info_vcpu_t(Struct):
    FIELDS = (("flags", "uint32_t"),)


class zx_info_iob_t(Struct):
    FIELDS = (("options", "uint64_t"), ("region_count", "uint32_t"), *_PAD4)


class zx_info_memory_stall_t(Struct):
    FIELDS = _all("zx_duration_mono_t", "stall_time_some stall_time_full")


class zx_info_interrupt_t(Struct):
    FIELDS = (("options", "uint32_t"),)


# Ports and waiting


class zx_wait_item_t(Struct):
    FIELDS = (("handle", "zx_handle_t"), ("waitfor", "zx_signals_t"), ("pending", "zx_signals_t"))


class zx_packet_user_t(Struct):
    FIELDS = (("c8", "uint8_t", 32),)
    ALIGNAS = 8

    def _get(self, code: str) -> list[int]:
        return list(struct.unpack("<" + code, bytes(self.c8).ljust(32, b"\0")))

    @property
    def u64(self) -> list[int]:
        return self._get("4Q")

    @u64.setter
    def u64(self, value: list[int]) -> None:
        self.c8 = struct.pack("<4Q", *value)

    @property
    def u32(self) -> list[int]:
        return self._get("8I")

    @u32.setter
    def u32(self, value: list[int]) -> None:
        self.c8 = struct.pack("<8I", *value)

    @property
    def u16(self) -> list[int]:
        return self._get("16H")

    @u16.setter
    def u16(self, value: list[int]) -> None:
        self.c8 = struct.pack("<16H", *value)


class zx_packet_signal_t(Struct):
    FIELDS = (
        ("trigger", "zx_signals_t"),
        ("observed", "zx_signals_t"),
        ("count", "uint64_t"),
        ("timestamp", "zx_time_t"),
        ("reserved1", "uint64_t"),
    )


class zx_packet_guest_bell_t(Struct):
    FIELDS = (("addr", "zx_gpaddr_t"), *_all("uint64_t", "reserved0 reserved1 reserved2"))


class zx_packet_guest_mem_t(Struct):
    FIELDS = (
        ("addr", "zx_gpaddr_t"),
        ("cr3", "zx_gpaddr_t"),
        ("rip", "zx_vaddr_t"),
        ("instruction_size", "uint8_t"),
        ("default_operand_size", "uint8_t"),
        ("reserved", "uint8_t", 6),
    )


class zx_packet_guest_io_t(Struct):
    FIELDS = (
        ("port", "uint16_t"),
        ("access_size", "uint8_t"),
        ("input", "bool"),
        ("data", "uint8_t", 4),
        *_all("uint64_t", "reserved0 reserved1 reserved2"),
    )
    u8 = View("data", "uint8_t")
    u16 = View("data", "uint16_t")
    u32 = View("data", "uint32_t")


class zx_packet_guest_vcpu_interrupt_t(Struct):
    FIELDS = (("mask", "uint64_t"), ("vector", "uint8_t"), ("padding1", "uint8_t", 7))


class zx_packet_guest_vcpu_startup_t(Struct):
    FIELDS = (("id", "uint64_t"), ("entry", "zx_gpaddr_t"))


class zx_packet_guest_vcpu_t(Struct):
    FIELDS = (("type", "uint32_t"), *_PAD4, ("raw", "uint8_t", 16), ("reserved", "uint64_t"))
    interrupt = View("raw", "zx_packet_guest_vcpu_interrupt_t")
    startup = View("raw", "zx_packet_guest_vcpu_startup_t")


class zx_packet_interrupt_t(Struct):
    FIELDS = (("timestamp", "zx_instant_boot_t"), *_all("uint64_t", "reserved0 reserved1 reserved2"))


class zx_packet_page_request_t(Struct):
    FIELDS = (
        ("command", "uint16_t"),
        ("flags", "uint16_t"),
        ("reserved0", "uint32_t"),
        *_all("uint64_t", "offset length reserved1"),
    )


class zx_packet_processor_power_level_transition_request_t(Struct):
    FIELDS = (
        ("domain_id", "uint32_t"),
        ("options", "uint32_t"),
        *_all("uint64_t", "control_interface control_argument reserved"),
    )


class zx_port_packet_t(Struct):
    FIELDS = (
        ("key", "uint64_t"),
        ("type", "zx_packet_type_t"),
        ("status", "zx_status_t"),
        ("user", "uint8_t", 32),
    )
    signal = View("user", "zx_packet_signal_t")
    guest_bell = View("user", "zx_packet_guest_bell_t")
    guest_mem = View("user", "zx_packet_guest_mem_t")
    guest_io = View("user", "zx_packet_guest_io_t")
    guest_vcpu = View("user", "zx_packet_guest_vcpu_t")
    interrupt = View("user", "zx_packet_interrupt_t")
    page_request = View("user", "zx_packet_page_request_t")
    processor_power_level_transition = View("user", "zx_packet_processor_power_level_transition_request_t")


# Channels and handles


class zx_channel_call_args_t(Struct):
    FIELDS = (
        *_all("void*", "wr_bytes wr_handles rd_bytes rd_handles"),
        *_all("uint32_t", "wr_num_bytes wr_num_handles rd_num_bytes rd_num_handles"),
    )


class zx_channel_call_etc_args_t(Struct):
    FIELDS = zx_channel_call_args_t.FIELDS


class zx_handle_info_t(Struct):
    FIELDS = (
        ("handle", "zx_handle_t"),
        ("type", "zx_obj_type_t"),
        ("rights", "zx_rights_t"),
        ("unused", "uint32_t"),
    )


class zx_handle_disposition_t(Struct):
    FIELDS = (
        ("operation", "zx_handle_op_t"),
        ("handle", "zx_handle_t"),
        ("type", "zx_obj_type_t"),
        ("rights", "zx_rights_t"),
        ("result", "zx_status_t"),
    )


class zx_channel_iovec_t(Struct):
    FIELDS = (("buffer", "void*"), ("capacity", "uint32_t"), ("reserved", "uint32_t"))


class zx_iovec_t(Struct):
    FIELDS = (("buffer", "void*"), ("capacity", "size_t"))


# Policies


class zx_policy_basic_v1_t(Struct):
    FIELDS = _all("uint32_t", "condition policy")


class zx_policy_basic_v2_t(Struct):
    FIELDS = _all("uint32_t", "condition action flags")


zx_policy_basic_t = zx_policy_basic_v1_t  # the plain name stayed with the first version
STRUCTS["zx_policy_basic_t"] = zx_policy_basic_v1_t
STRUCTS["zx_policy_basic"] = zx_policy_basic_v1_t


class zx_policy_timer_slack_t(Struct):
    FIELDS = (("min_slack", "zx_duration_t"), ("default_mode", "uint32_t"), *_PAD4)


# Exceptions and thread state (x86-64)


class zx_exception_header_t(Struct):
    FIELDS = (("size", "uint32_t"), ("type", "zx_excp_type_t"))


class zx_x86_64_exc_data_t(Struct):
    FIELDS = _all("uint64_t", "vector err_code cr2")


class zx_exception_context_v1_t(Struct):
    """`arch` is `arch.u.x86_64` of the C struct, which is also the size of the union."""

    FIELDS = (("arch", "zx_x86_64_exc_data_t"),)


class zx_exception_report_v1_t(Struct):
    FIELDS = (("header", "zx_exception_header_t"), ("context", "zx_exception_context_v1_t"))


class zx_exception_context_t(Struct):
    """`arch` is `arch.u.x86_64` of the C struct, which is also the size of the union."""

    FIELDS = (("arch", "zx_x86_64_exc_data_t"), ("synth_code", "uint32_t"), ("synth_data", "uint32_t"))


class zx_exception_report_t(Struct):
    FIELDS = (("header", "zx_exception_header_t"), ("context", "zx_exception_context_t"))


class zx_exception_info_t(Struct):
    FIELDS = (("pid", "zx_koid_t"), ("tid", "zx_koid_t"), ("type", "zx_excp_type_t"), *_PAD4)


class zx_thread_state_general_regs_t(Struct):
    FIELDS = _all(
        "uint64_t", "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags fs_base gs_base"
    )


class zx_x86_64_st_t(Struct):
    """An element of `zx_thread_state_fp_regs_t.st`, unnamed in the header."""

    FIELDS = (("low", "uint64_t"), ("high", "uint64_t"))
    ALIGNAS = 16


class zx_thread_state_fp_regs_t(Struct):
    FIELDS = (
        ("fcw", "uint16_t"),
        ("fsw", "uint16_t"),
        ("ftw", "uint8_t"),
        ("reserved", "uint8_t"),
        ("fop", "uint16_t"),
        ("fip", "uint64_t"),
        ("fdp", "uint64_t"),
        ("padding1", "uint8_t", 8),
        ("st", "zx_x86_64_st_t", 8),
    )


class zx_x86_64_zmm_t(Struct):
    """An element of `zx_thread_state_vector_regs_t.zmm`, unnamed in the header."""

    FIELDS = (("v", "uint64_t", 8),)


class zx_thread_state_vector_regs_t(Struct):
    FIELDS = (("zmm", "zx_x86_64_zmm_t", 32), ("opmask", "uint64_t", 8), ("mxcsr", "uint32_t"), *_PAD4)


class zx_thread_state_debug_regs_t(Struct):
    FIELDS = (("dr", "uint64_t", 4), ("dr6", "uint64_t"), ("dr7", "uint64_t"))


class zx_restricted_state_t(Struct):
    FIELDS = _all(
        "uint64_t", "rdi rsi rbp rbx rdx rcx rax rsp r8 r9 r10 r11 r12 r13 r14 r15 ip flags fs_base gs_base"
    )


class zx_restricted_syscall_t(Struct):
    FIELDS = (("state", "zx_restricted_state_t"),)


class zx_restricted_exception_t(Struct):
    FIELDS = (("state", "zx_restricted_state_t"), ("exception", "zx_exception_report_t"))


# Clocks


class zx_clock_rate_t(Struct):
    FIELDS = _all("uint32_t", "synthetic_ticks reference_ticks")


class zx_clock_transformation_t(Struct):
    FIELDS = (("reference_offset", "int64_t"), ("synthetic_offset", "int64_t"), ("rate", "zx_clock_rate_t"))


class zx_clock_details_v1_t(Struct):
    FIELDS = (
        ("options", "uint64_t"),
        ("backstop_time", "zx_time_t"),
        ("reference_ticks_to_synthetic", "zx_clock_transformation_t"),
        ("reference_to_synthetic", "zx_clock_transformation_t"),
        ("error_bound", "uint64_t"),
        *_all(
            "zx_ticks_t",
            "query_reference_ticks last_value_update_reference_ticks "
            "last_rate_adjust_update_reference_ticks last_error_bounds_update_reference_ticks",
        ),
        ("generation_counter", "uint32_t"),
        *_PAD4,
    )


class zx_clock_create_args_v1_t(Struct):
    FIELDS = (("backstop_time", "zx_time_t"),)


class zx_clock_update_args_v1_t(Struct):
    FIELDS = (("rate_adjust", "int32_t"), *_PAD4, ("value", "int64_t"), ("error_bound", "uint64_t"))


class zx_clock_update_args_v2_t(Struct):
    FIELDS = (
        ("rate_adjust", "int32_t"),
        *_PAD4,
        ("synthetic_value", "int64_t"),
        ("reference_value", "int64_t"),
        ("error_bound", "uint64_t"),
    )


# Logs, pagers, memory


class zx_log_record_t(Struct):
    """`data` is not text alone: it holds `datalen` bytes, so that it is raw here."""

    FIELDS = (
        ("sequence", "uint64_t"),
        *_PAD4,
        ("datalen", "uint16_t"),
        ("severity", "uint8_t"),
        ("flags", "uint8_t"),
        ("timestamp", "zx_instant_boot_t"),
        ("pid", "uint64_t"),
        ("tid", "uint64_t"),
        ("data", "uint8_t", 216),
    )


class zx_pager_vmo_stats_t(Struct):
    FIELDS = (("modified", "uint32_t"),)


class zx_vmo_dirty_range_t(Struct):
    FIELDS = _all("uint64_t", "offset length options")


class zx_vmo_lock_state_t(Struct):
    FIELDS = _all("uint64_t", "offset size discarded_offset discarded_size")


# Profiles


class zx_sched_deadline_params_t(Struct):
    FIELDS = _all("zx_duration_mono_t", "capacity relative_deadline period")


class zx_profile_info_t(Struct):
    FIELDS = (("flags", "uint32_t"), *_PAD4, ("raw", "uint8_t", 24), ("cpu_affinity_mask", "zx_cpu_set_t"))
    priority = View("raw", "int32_t")
    deadline_params = View("raw", "zx_sched_deadline_params_t")


# IO buffers


class zx_iob_discipline_t(Struct):
    FIELDS = (("type", "uint64_t"), ("reserved", "uint64_t", 8))


class zx_iob_discipline_mediated_write_ring_buffer_t(Struct):
    """What follows the type in `zx_iob_discipline_t`, for ZX_IOB_DISCIPLINE_TYPE_MEDIATED_WRITE_RING_BUFFER."""

    FIELDS = (("tag", "uint64_t"), ("reserved", "uint64_t", 7))


class zx_iob_region_private_t(Struct):
    FIELDS = (("options", "uint32_t"), ("padding1", "uint32_t"), ("padding2", "uint64_t", 3))


class zx_iob_region_shared_t(Struct):
    FIELDS = (("options", "uint32_t"), ("shared_region", "zx_handle_t"), ("padding", "uint64_t", 3))


class zx_iob_region_t(Struct):
    FIELDS = (
        ("type", "zx_iob_region_type_t"),
        ("access", "zx_iob_access_t"),
        ("size", "uint64_t"),
        ("discipline", "zx_iob_discipline_t"),
        ("max_extension", "uint8_t", 32),
    )
    private_region = View("max_extension", "zx_iob_region_private_t")
    shared_region = View("max_extension", "zx_iob_region_shared_t")


class zx_iob_region_info_t(Struct):
    FIELDS = (("region", "zx_iob_region_t"), ("koid", "zx_koid_t"))


# System, SMC, PCI


class zx_powerctl_acpi_transition_s_state_t(Struct):
    """A member of the union of `zx_system_powerctl_arg_t`, unnamed in the header."""

    FIELDS = (*_all("uint8_t", "target_s_state sleep_type_a sleep_type_b"), ("padding1", "uint8_t", 9))


class zx_powerctl_x86_power_limit_t(Struct):
    """A member of the union of `zx_system_powerctl_arg_t`, unnamed in the header."""

    FIELDS = (
        ("power_limit", "uint32_t"),
        ("time_window", "uint32_t"),
        ("clamp", "uint8_t"),
        ("enable", "uint8_t"),
        ("padding2", "uint8_t", 2),
    )


class zx_system_powerctl_arg_t(Struct):
    FIELDS = (("raw", "uint8_t", 12),)
    ALIGNAS = 4
    acpi_transition_s_state = View("raw", "zx_powerctl_acpi_transition_s_state_t")
    x86_power_limit = View("raw", "zx_powerctl_x86_power_limit_t")


class zx_cpu_performance_scale_t(Struct):
    FIELDS = (("integral_part", "uint32_t"), ("fractional_part", "uint32_t"))


class zx_cpu_performance_info_t(Struct):
    FIELDS = (("logical_cpu_number", "uint32_t"), ("performance_scale", "zx_cpu_performance_scale_t"))


class zx_cpu_perf_limit_t(Struct):
    FIELDS = (
        ("logical_cpu_number", "uint32_t"),
        ("limit_type", "zx_cpu_perf_limit_type_t"),
        ("min", "uint64_t"),
        ("max", "uint64_t"),
    )


class zx_processor_power_level_t(Struct):
    FIELDS = (
        ("options", "zx_processor_power_level_options_t"),
        *_all("uint64_t", "processing_rate power_coefficient_nw"),
        ("control_interface", "zx_processor_power_control_t"),
        ("control_argument", "uint64_t"),
        ("diagnostic_name", "char", NAME_LEN),
        ("reserved", "uint8_t", 32),
    )


class zx_processor_power_level_transition_t(Struct):
    """`from` is a Python keyword: use getattr and setattr for it."""

    FIELDS = (
        ("latency", "zx_duration_mono_t"),
        ("energy_nj", "uint64_t"),
        ("from", "uint8_t"),
        ("to", "uint8_t"),
        ("reserved", "uint8_t", 6),
    )


class zx_processor_power_state_t(Struct):
    FIELDS = (
        ("domain_id", "uint32_t"),
        ("options", "uint32_t"),
        ("control_interface", "zx_processor_power_control_t"),
        ("control_argument", "uint64_t"),
    )


class zx_processor_power_domain_t(Struct):
    FIELDS = (("cpus", "zx_cpu_set_t"), ("domain_id", "uint32_t"), *_PAD4)


class zx_power_domain_info_t(Struct):
    FIELDS = (
        ("cpus", "zx_cpu_set_t"),
        ("domain_id", "uint32_t"),
        ("idle_power_levels", "uint8_t"),
        ("active_power_levels", "uint8_t"),
        ("padding1", "uint8_t", 2),
    )


class zx_wake_source_report_header_t(Struct):
    FIELDS = (
        ("report_time", "zx_instant_boot_t"),
        ("suspend_start_time", "zx_instant_boot_t"),
        ("total_wake_sources", "uint32_t"),
        ("unreported_wake_report_entries", "uint32_t"),
    )


class zx_wake_source_report_entry_t(Struct):
    FIELDS = (
        ("koid", "zx_koid_t"),
        ("name", "char", NAME_LEN),
        *_all("zx_instant_boot_t", "initial_signal_time last_signal_time last_ack_time"),
        ("signal_count", "uint32_t"),
        ("flags", "zx_system_wake_report_entry_flag_t"),
    )


class zx_smc_parameters_t(Struct):
    FIELDS = (
        ("func_id", "uint32_t"),
        *_PAD4,
        *_all("uint64_t", "arg1 arg2 arg3 arg4 arg5 arg6"),
        ("client_id", "uint16_t"),
        ("secure_os_id", "uint16_t"),
        ("padding2", "uint8_t", 4),
    )


class zx_smc_result_t(Struct):
    FIELDS = _all("uint64_t", "arg0 arg1 arg2 arg3 arg6")


class zx_pci_bar_t(Struct):
    FIELDS = (("id", "uint32_t"), ("type", "uint32_t"), ("size", "size_t"), ("raw", "uint8_t", 8))
    addr = View("raw", "uintptr_t")
    handle = View("raw", "zx_handle_t")


class zx_pcie_device_info_t(Struct):
    FIELDS = (
        ("vendor_id", "uint16_t"),
        ("device_id", "uint16_t"),
        *_all("uint8_t", "base_class sub_class program_interface revision_id bus_id dev_id func_id padding1"),
    )


class zx_pci_init_irq_t(Struct):
    """An element of `zx_pci_init_arg_t.irqs`, unnamed in the header."""

    FIELDS = (
        ("global_irq", "uint32_t"),
        ("level_triggered", "bool"),
        ("active_high", "bool"),
        ("padding1", "uint8_t", 2),
    )


class zx_pci_init_addr_window_t(Struct):
    """An element of the array `addr_windows` that follows `zx_pci_init_arg_t`, unnamed in the header."""

    FIELDS = (
        ("base", "uint64_t"),
        ("size", "size_t"),
        ("bus_start", "uint8_t"),
        ("bus_end", "uint8_t"),
        ("cfg_space_type", "uint8_t"),
        ("has_ecam", "bool"),
        *_PAD4,
    )


class zx_pci_init_arg_t(Struct):
    """Without the flexible array: `addr_window_count` times zx_pci_init_addr_window_t follow."""

    FIELDS = (
        ("dev_pin_to_global_irq", "uint32_t", 32 * 8 * 4),
        ("num_irqs", "uint32_t"),
        ("irqs", "zx_pci_init_irq_t", 224),
        ("addr_window_count", "uint32_t"),
    )
    ALIGNAS = 8


# Virtual machines, sampling, process start


class zx_vcpu_state_t(Struct):
    FIELDS = _all("uint64_t", "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rflags")


class zx_vcpu_io_t(Struct):
    FIELDS = (("access_size", "uint8_t"), ("padding1", "uint8_t", 3), ("data", "uint8_t", 4))
    ALIGNAS = 4
    u8 = View("data", "uint8_t")
    u16 = View("data", "uint16_t")
    u32 = View("data", "uint32_t")


class zx_sampler_config_t(Struct):
    FIELDS = (("period", "zx_duration_mono_t"), ("buffer_size", "size_t"))


class zx_proc_args_t(Struct):
    FIELDS = _all(
        "uint32_t",
        "protocol version handle_info_off args_off args_num environ_off environ_num names_off names_num",
    )


class zx_rseq_t(Struct):
    """Bounds of a restartable sequence, which a thread shares with the kernel."""

    FIELDS = (
        ("cpu_id", "uint32_t"),
        ("reserved", "uint32_t"),
        ("start_ip", "zx_vaddr_t"),
        ("post_commit_offset", "size_t"),
        ("abort_ip", "zx_vaddr_t"),
    )
    ALIGNAS = 32


# I/O memory units


class zx_iommu_desc_stub_t(Struct):
    FIELDS = (("reserved", "uint8_t"),)


STRUCTS["zx_iommu_desc_dummy_t"] = zx_iommu_desc_stub_t  # its old name


class zx_iommu_desc_intel_scope_t(Struct):
    FIELDS = (*_all("uint8_t", "type start_bus num_hops"), ("dev_func", "uint8_t", 5))


class zx_iommu_desc_intel_reserved_memory_t(Struct):
    """Scopes follow, `scope_bytes` long."""

    FIELDS = (
        ("base_addr", "uint64_t"),
        ("len", "uint64_t"),
        ("scope_bytes", "uint8_t"),
        ("_reserved", "uint8_t", 7),
    )


class zx_iommu_desc_intel_t(Struct):
    """Scopes follow, `scope_bytes` long, and then the descriptions of reserved memory."""

    FIELDS = (
        ("register_base", "uint64_t"),
        ("pci_segment", "uint16_t"),
        ("whole_segment", "bool"),
        ("scope_bytes", "uint8_t"),
        ("reserved_memory_bytes", "uint16_t"),
        ("_reserved", "uint8_t", 2),
    )


class zx_iommu_desc_arm_smmu_t(Struct):
    FIELDS = (("register_base", "uint64_t"),)


# The names that tell the architecture
STRUCTS["zx_x86_64_thread_state_general_regs_t"] = zx_thread_state_general_regs_t
STRUCTS["zx_x86_64_thread_state_fp_regs_t"] = zx_thread_state_fp_regs_t
STRUCTS["zx_x86_64_thread_state_vector_regs_t"] = zx_thread_state_vector_regs_t
STRUCTS["zx_x86_64_thread_state_debug_regs_t"] = zx_thread_state_debug_regs_t
