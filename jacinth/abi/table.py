"""The table of all system calls: the one place that says what a call takes.

Source: zircon/vdso/*.fidl for the parameters, docs/reference/syscalls/*.md for rights. A right that a call asks for
only with some options is not in its row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from jacinth.abi import constants as c
from jacinth.abi.rows import Param, SyscallRow, Vdso, handle, handle_out, in_, inout, out, row, scalar

# Object types
BTI: Final = c.ZX_OBJ_TYPE_BTI
CHANNEL: Final = c.ZX_OBJ_TYPE_CHANNEL
CLOCK: Final = c.ZX_OBJ_TYPE_CLOCK
COUNTER: Final = c.ZX_OBJ_TYPE_COUNTER
DEBUGLOG: Final = c.ZX_OBJ_TYPE_DEBUGLOG
EXCEPTION: Final = c.ZX_OBJ_TYPE_EXCEPTION
FIFO: Final = c.ZX_OBJ_TYPE_FIFO
GUEST: Final = c.ZX_OBJ_TYPE_GUEST
INTERRUPT: Final = c.ZX_OBJ_TYPE_INTERRUPT
IOB: Final = c.ZX_OBJ_TYPE_IOB
IOMMU: Final = c.ZX_OBJ_TYPE_IOMMU
JOB: Final = c.ZX_OBJ_TYPE_JOB
MSI: Final = c.ZX_OBJ_TYPE_MSI
PAGER: Final = c.ZX_OBJ_TYPE_PAGER
PCI_DEVICE: Final = c.ZX_OBJ_TYPE_PCI_DEVICE
PMT: Final = c.ZX_OBJ_TYPE_PMT
PORT: Final = c.ZX_OBJ_TYPE_PORT
PROCESS: Final = c.ZX_OBJ_TYPE_PROCESS
PROFILE: Final = c.ZX_OBJ_TYPE_PROFILE
RESOURCE: Final = c.ZX_OBJ_TYPE_RESOURCE
SAMPLER: Final = c.ZX_OBJ_TYPE_SAMPLER
SOCKET: Final = c.ZX_OBJ_TYPE_SOCKET
STREAM: Final = c.ZX_OBJ_TYPE_STREAM
THREAD: Final = c.ZX_OBJ_TYPE_THREAD
TIMER: Final = c.ZX_OBJ_TYPE_TIMER
VCPU: Final = c.ZX_OBJ_TYPE_VCPU
VMAR: Final = c.ZX_OBJ_TYPE_VMAR
VMO: Final = c.ZX_OBJ_TYPE_VMO

# Rights
APPLY_PROFILE: Final = c.ZX_RIGHT_APPLY_PROFILE
ATTACH_VMO: Final = c.ZX_RIGHT_ATTACH_VMO
DESTROY: Final = c.ZX_RIGHT_DESTROY
DUPLICATE: Final = c.ZX_RIGHT_DUPLICATE
ENUMERATE: Final = c.ZX_RIGHT_ENUMERATE
EXECUTE: Final = c.ZX_RIGHT_EXECUTE
GET_PROPERTY: Final = c.ZX_RIGHT_GET_PROPERTY
INSPECT: Final = c.ZX_RIGHT_INSPECT
MANAGE_JOB: Final = c.ZX_RIGHT_MANAGE_JOB
MANAGE_PROCESS: Final = c.ZX_RIGHT_MANAGE_PROCESS
MANAGE_SOCKET: Final = c.ZX_RIGHT_MANAGE_SOCKET
MANAGE_THREAD: Final = c.ZX_RIGHT_MANAGE_THREAD
MANAGE_VMO: Final = c.ZX_RIGHT_MANAGE_VMO
MAP: Final = c.ZX_RIGHT_MAP
OP_CHILDREN: Final = c.ZX_RIGHT_OP_CHILDREN
READ: Final = c.ZX_RIGHT_READ
SET_POLICY: Final = c.ZX_RIGHT_SET_POLICY
SET_PROPERTY: Final = c.ZX_RIGHT_SET_PROPERTY
SIGNAL: Final = c.ZX_RIGHT_SIGNAL
SIGNAL_PEER: Final = c.ZX_RIGHT_SIGNAL_PEER
WAIT: Final = c.ZX_RIGHT_WAIT
WRITE: Final = c.ZX_RIGHT_WRITE


# Parameters that come again and again


def u32(name: str, flags: str | None = None) -> Param:
    return scalar(name, "uint32_t", flags)


def u64(name: str, flags: str | None = None) -> Param:
    return scalar(name, "uint64_t", flags)


def i64(name: str) -> Param:
    return scalar(name, "int64_t")


def size(name: str) -> Param:
    return scalar(name, "size_t")


def rights(name: str = "rights") -> Param:
    return scalar(name, "zx_rights_t")


def vaddr(name: str) -> Param:
    return scalar(name, "zx_vaddr_t")


def deadline(name: str = "deadline") -> Param:
    return scalar(name, "zx_instant_mono_t")


def options(flags: str | None = None) -> Param:
    return u32("options", flags)


def vm_options() -> Param:
    return scalar("options", "zx_vm_option_t", "ZX_VM_")


def buffer_in(name: str, ctype: str = "void") -> tuple[Param, Param]:
    """A buffer that the call reads, and its size in bytes."""
    return in_(name, ctype, f"{name}_size"), size(f"{name}_size")


def buffer_out(name: str, ctype: str = "void") -> tuple[Param, Param]:
    """A buffer that the call fills, and its size in bytes."""
    return out(name, ctype, f"{name}_size"), size(f"{name}_size")


def count_out(name: str, *, optional: bool = True) -> Param:
    """How many bytes or elements there were: most calls do not mind a null pointer here."""
    return out(name, "size_t", optional=optional)


def calls(family: str, *rows: SyscallRow) -> tuple[SyscallRow, ...]:
    return tuple(replace(row, family=family) for row in rows)


def in_vdso(name: str, *params: Param, returns: str = "zx_status_t") -> SyscallRow:
    """A call that the vDSO answers by itself, by a routine in `userboot/vdso.py`."""
    return row(name, *params, returns=returns, vdso=Vdso.VDSO)


_HANDLE: Final = calls(
    "handle",
    row("zx_handle_check_valid", handle("handle")),
    row("zx_handle_close", handle("handle", consumed=True)),
    row(
        "zx_handle_close_many",
        in_("handles", "zx_handle_t", "num_handles", consumed=True),
        size("num_handles"),
    ),
    row("zx_handle_duplicate", handle("handle", (), DUPLICATE), rights(), handle_out("out")),
    row("zx_handle_replace", handle("handle", consumed=True), rights(), handle_out("out")),
)

_OBJECT: Final = calls(
    "object",
    row(
        "zx_object_wait_one",
        handle("handle", (), WAIT),
        scalar("signals", "zx_signals_t"),
        deadline(),
        out("observed", "zx_signals_t", optional=True),
        blocking=True,
    ),
    row(
        "zx_object_wait_many",
        inout("items", "zx_wait_item_t", "num_items"),
        size("num_items"),
        deadline(),
        blocking=True,
    ),
    row(
        "zx_object_wait_async",
        handle("handle", (), WAIT),
        handle("port", PORT, WRITE),
        u64("key"),
        scalar("signals", "zx_signals_t"),
        options("ZX_WAIT_ASYNC_"),
    ),
    row("zx_object_signal", handle("handle", (), SIGNAL), u32("clear_mask"), u32("set_mask")),
    row("zx_object_signal_peer", handle("handle", (), SIGNAL_PEER), u32("clear_mask"), u32("set_mask")),
    row(
        "zx_object_get_property",
        handle("handle", (), GET_PROPERTY),
        u32("property", "ZX_PROP_"),
        *buffer_out("value"),
    ),
    row(
        "zx_object_set_property",
        handle("handle", (), SET_PROPERTY),
        u32("property", "ZX_PROP_"),
        *buffer_in("value"),
    ),
    row(
        "zx_object_get_info",
        handle("handle"),
        u32("topic", "ZX_INFO_"),
        *buffer_out("buffer"),
        count_out("actual"),
        count_out("avail"),
    ),
    row("zx_object_get_child", handle("handle", (), ENUMERATE), u64("koid"), rights(), handle_out("out")),
    row(
        "zx_object_set_profile",
        handle("handle", (THREAD, VMAR)),
        handle("profile", PROFILE, APPLY_PROFILE),
        options(),
    ),
)

_JOB: Final = calls(
    "job",
    row("zx_job_create", handle("parent_job", JOB, MANAGE_JOB), options(), handle_out("out")),
    row(
        "zx_job_set_policy",
        handle("handle", JOB, SET_POLICY),
        options(),
        u32("topic", "ZX_JOB_POL_"),
        in_("policy", "void"),
        u32("policy_size"),  # in entries, whose size depends on the topic
    ),
    row(
        "zx_job_set_critical",
        handle("job", JOB, DESTROY),
        options("ZX_JOB_CRITICAL_"),
        handle("process", PROCESS, WAIT),
    ),
)

_PROCESS: Final = calls(
    "process",
    row(
        "zx_process_create",
        handle("job", JOB, MANAGE_PROCESS),
        *buffer_in("name", "char"),
        options("ZX_PROCESS_"),
        handle_out("proc_handle"),
        handle_out("vmar_handle"),
    ),
    row(
        "zx_process_create_shared",
        handle("shared_proc", PROCESS, MANAGE_PROCESS),
        options(),
        *buffer_in("name", "char"),
        handle_out("proc_handle"),
        handle_out("restricted_vmar_handle"),
        next_only=True,
    ),
    row(
        "zx_process_start",
        handle("handle", PROCESS, WRITE),
        handle("thread", THREAD, WRITE),
        vaddr("entry"),
        vaddr("stack"),
        handle("arg1", optional=True, consumed=True),
        scalar("arg2", "uintptr_t"),
    ),
    row("zx_process_exit", i64("retcode"), returns="void", noreturn=True),
    row(
        "zx_process_read_memory",
        handle("handle", PROCESS, READ | WRITE),
        vaddr("vaddr"),
        *buffer_out("buffer"),
        count_out("actual", optional=False),
    ),
    row(
        "zx_process_write_memory",
        handle("handle", PROCESS, WRITE),
        vaddr("vaddr"),
        *buffer_in("buffer"),
        count_out("actual", optional=False),
    ),
)

_THREAD: Final = calls(
    "thread",
    row(
        "zx_thread_create",
        handle("process", PROCESS, MANAGE_THREAD),
        *buffer_in("name", "char"),
        options(),
        handle_out("out"),
    ),
    row(
        "zx_thread_start",
        handle("handle", THREAD, MANAGE_THREAD),
        vaddr("thread_entry"),
        vaddr("stack"),
        scalar("arg1", "uintptr_t"),
        scalar("arg2", "uintptr_t"),
    ),
    row(
        "zx_thread_start_regs",
        handle("handle", THREAD, MANAGE_THREAD),
        u64("pc"),
        u64("sp"),
        u64("arg1"),
        u64("arg2"),
        u64("tp"),
        u64("abi_reg"),
    ),
    row("zx_thread_exit", returns="void", noreturn=True),
    row("zx_thread_legacy_yield", options()),
    row(
        "zx_thread_read_state",
        handle("handle", THREAD, READ),
        u32("kind", "ZX_THREAD_STATE_"),
        *buffer_out("buffer"),
    ),
    row(
        "zx_thread_write_state",
        handle("handle", THREAD, WRITE),
        u32("kind", "ZX_THREAD_STATE_"),
        *buffer_in("buffer"),
    ),
    row(
        "zx_thread_raise_exception",
        options("ZX_EXCEPTION_TARGET_"),
        u32("type", "ZX_EXCP_"),
        in_("context", "zx_exception_context_t"),
        blocking=True,
    ),
    row(
        "zx_thread_set_rseq",
        handle("vmo", VMO, READ | WRITE | DUPLICATE, optional=True),
        u64("offset"),
        u64("size"),
        next_only=True,
    ),
)

_TASK: Final = calls(
    "task",
    row("zx_task_kill", handle("handle", (JOB, PROCESS, THREAD), DESTROY)),
    row("zx_task_suspend", handle("handle", (PROCESS, THREAD), WRITE), handle_out("token")),
    row("zx_task_suspend_token", handle("handle", (PROCESS, THREAD), WRITE), handle_out("token")),
    row(
        "zx_task_create_exception_channel",
        handle("handle", (JOB, PROCESS, THREAD), INSPECT),
        options("ZX_EXCEPTION_CHANNEL_"),
        handle_out("out"),
    ),
)

_EXCEPTION: Final = calls(
    "exception",
    row("zx_exception_get_process", handle("handle", EXCEPTION), handle_out("out")),
    row("zx_exception_get_thread", handle("handle", EXCEPTION), handle_out("out")),
)

_RESTRICTED: Final = calls(
    "restricted",
    row(
        "zx_restricted_enter",
        options(),
        scalar("vector_table_ptr", "uintptr_t"),
        scalar("context", "uintptr_t"),
        next_only=True,
    ),
    # The kernel keeps the second pointer, and writes through it when restricted mode ends with an exception.
    row(
        "zx_restricted_bind_state",
        options(),
        handle_out("out"),
        out("out_exception", "zx_exception_report_t", optional=True),
        next_only=True,
    ),
    row("zx_restricted_unbind_state", options(), next_only=True),
    row("zx_restricted_kick", handle("thread", THREAD, MANAGE_THREAD), options(), next_only=True),
)

_VMO: Final = calls(
    "vmo",
    row("zx_vmo_create", u64("size"), options("ZX_VMO_"), handle_out("out")),
    row(
        "zx_vmo_read",
        handle("handle", VMO, READ),
        out("buffer", "void", "buffer_size"),
        u64("offset"),
        size("buffer_size"),
    ),
    row(
        "zx_vmo_write",
        handle("handle", VMO, WRITE),
        in_("buffer", "void", "buffer_size"),
        u64("offset"),
        size("buffer_size"),
    ),
    row(
        "zx_vmo_transfer_data",
        handle("dst_vmo", VMO, WRITE),
        options(),
        u64("offset"),
        u64("length"),
        handle("src_vmo", VMO, READ | WRITE),
        u64("src_offset"),
    ),
    row("zx_vmo_get_size", handle("handle", VMO), out("size", "uint64_t")),
    row("zx_vmo_set_size", handle("handle", VMO, WRITE), u64("size")),
    row("zx_vmo_get_stream_size", handle("handle", VMO), out("size", "uint64_t")),
    row("zx_vmo_set_stream_size", handle("handle", VMO, WRITE), u64("size")),
    row(
        "zx_vmo_op_range",
        handle("handle", VMO),
        u32("op", "ZX_VMO_OP_"),
        u64("offset"),
        u64("size"),
        inout("buffer", "void", "buffer_size"),
        size("buffer_size"),
    ),
    row("zx_vmo_set_cache_policy", handle("handle", VMO, MAP), u32("cache_policy", "ZX_CACHE_POLICY_")),
    row(
        "zx_vmo_create_child",
        handle("handle", VMO, DUPLICATE | READ),
        options("ZX_VMO_CHILD_"),
        u64("offset"),
        u64("size"),
        handle_out("out"),
    ),
    row(
        "zx_vmo_create_contiguous",
        handle("bti", BTI, MAP),
        size("size"),
        u32("alignment_log2"),
        handle_out("out"),
    ),
    row(
        "zx_vmo_create_physical",
        handle("resource", RESOURCE),
        scalar("paddr", "zx_paddr_t"),
        size("size"),
        handle_out("out"),
    ),
    row(
        "zx_vmo_replace_as_executable",
        handle("handle", VMO, consumed=True),
        handle("vmex", RESOURCE, optional=True),
        handle_out("out"),
    ),
)

_VMAR: Final = calls(
    "vmar",
    row(
        "zx_vmar_allocate",
        handle("parent_vmar", VMAR),
        vm_options(),
        size("offset"),
        size("size"),
        handle_out("child_vmar"),
        out("child_addr", "zx_vaddr_t"),
    ),
    row("zx_vmar_destroy", handle("handle", VMAR, OP_CHILDREN)),
    row(
        "zx_vmar_map",
        handle("handle", VMAR),
        vm_options(),
        size("vmar_offset"),
        handle("vmo", VMO),
        u64("vmo_offset"),
        size("len"),
        out("mapped_addr", "zx_vaddr_t"),
    ),
    row(
        "zx_vmar_map_iob",
        handle("handle", VMAR),
        vm_options(),
        size("vmar_offset"),
        handle("ep", IOB, MAP),
        u32("region_index"),
        u64("region_offset"),
        size("region_length"),
        out("mapped_addr", "zx_vaddr_t"),
    ),
    row(
        "zx_vmar_map_clock",
        handle("handle", VMAR),
        vm_options(),
        size("vmar_offset"),
        handle("clock", CLOCK, MAP | READ),
        size("len"),
        out("mapped_addr", "zx_vaddr_t"),
    ),
    row("zx_vmar_unmap", handle("handle", VMAR), vaddr("addr"), size("len")),
    row(
        "zx_vmar_unmap_handle_close_thread_exit",
        handle("vmar_handle", VMAR),
        vaddr("addr"),
        size("size"),
        handle("close_handle", optional=True, consumed=True),
    ),
    row("zx_vmar_protect", handle("handle", VMAR), vm_options(), vaddr("addr"), size("len")),
    row(
        "zx_vmar_op_range",
        handle("handle", VMAR),
        u32("op", "ZX_VMAR_OP_"),
        vaddr("address"),
        size("size"),
        inout("buffer", "void", "buffer_size"),
        size("buffer_size"),
    ),
)

_CHANNEL: Final = calls(
    "channel",
    row("zx_channel_create", options(), handle_out("out0"), handle_out("out1")),
    row(
        "zx_channel_read",
        handle("handle", CHANNEL, READ),
        options("ZX_CHANNEL_READ_"),
        out("bytes", "void", "num_bytes"),
        out("handles", "zx_handle_t", "num_handles"),
        u32("num_bytes"),
        u32("num_handles"),
        out("actual_bytes", "uint32_t", optional=True),
        out("actual_handles", "uint32_t", optional=True),
    ),
    row(
        "zx_channel_read_etc",
        handle("handle", CHANNEL, READ),
        options("ZX_CHANNEL_READ_"),
        out("bytes", "void", "num_bytes"),
        out("handles", "zx_handle_info_t", "num_handles"),
        u32("num_bytes"),
        u32("num_handles"),
        out("actual_bytes", "uint32_t", optional=True),
        out("actual_handles", "uint32_t", optional=True),
    ),
    row(
        "zx_channel_write",
        handle("handle", CHANNEL, WRITE),
        options("ZX_CHANNEL_WRITE_"),
        in_("bytes", "void", "num_bytes"),
        u32("num_bytes"),
        in_("handles", "zx_handle_t", "num_handles", consumed=True),
        u32("num_handles"),
    ),
    row(
        "zx_channel_write_etc",
        handle("handle", CHANNEL, WRITE),
        options("ZX_CHANNEL_WRITE_"),
        in_("bytes", "void", "num_bytes"),
        u32("num_bytes"),
        inout("handles", "zx_handle_disposition_t", "num_handles", consumed=True),
        u32("num_handles"),
    ),
    row(
        "zx_channel_call",
        handle("handle", CHANNEL, READ | WRITE),
        options("ZX_CHANNEL_WRITE_"),
        deadline(),
        in_("args", "zx_channel_call_args_t"),
        out("actual_bytes", "uint32_t"),
        out("actual_handles", "uint32_t"),
        blocking=True,
    ),
    row(
        "zx_channel_call_etc",
        handle("handle", CHANNEL, READ | WRITE),
        options("ZX_CHANNEL_WRITE_"),
        deadline(),
        inout("args", "zx_channel_call_etc_args_t"),
        out("actual_bytes", "uint32_t"),
        out("actual_handles", "uint32_t"),
        blocking=True,
    ),
)

_EVENT: Final = calls(
    "event",
    row("zx_event_create", options(), handle_out("out")),
    row("zx_eventpair_create", options(), handle_out("out0"), handle_out("out1")),
)

_SOCKET: Final = calls(
    "socket",
    row("zx_socket_create", options("ZX_SOCKET_"), handle_out("out0"), handle_out("out1")),
    row(
        "zx_socket_write",
        handle("handle", SOCKET, WRITE),
        options(),
        *buffer_in("buffer"),
        count_out("actual"),
    ),
    row(
        "zx_socket_read",
        handle("handle", SOCKET, READ),
        options("ZX_SOCKET_PEEK"),
        *buffer_out("buffer"),
        count_out("actual"),
    ),
    row(
        "zx_socket_set_disposition",
        handle("handle", SOCKET, MANAGE_SOCKET),
        u32("disposition", "ZX_SOCKET_DISPOSITION_"),
        u32("disposition_peer", "ZX_SOCKET_DISPOSITION_"),
    ),
)

_FIFO: Final = calls(
    "fifo",
    row(
        "zx_fifo_create",
        size("elem_count"),
        size("elem_size"),
        options(),
        handle_out("out0"),
        handle_out("out1"),
    ),
    row(
        "zx_fifo_write",
        handle("handle", FIFO, WRITE),
        size("elem_size"),
        in_("data", "void", "count", unit="elem_size"),
        size("count"),
        count_out("actual_count"),
    ),
    row(
        "zx_fifo_read",
        handle("handle", FIFO, READ),
        size("elem_size"),
        out("data", "void", "count", unit="elem_size"),
        size("count"),
        count_out("actual_count"),
    ),
)

_STREAM: Final = calls(
    "stream",
    row(
        "zx_stream_create",
        options("ZX_STREAM_MODE_"),
        handle("vmo", VMO),
        scalar("seek", "zx_off_t"),
        handle_out("out_stream"),
    ),
    row(
        "zx_stream_writev",
        handle("handle", STREAM, WRITE),
        options("ZX_STREAM_APPEND"),
        in_("vectors", "zx_iovec_t", "num_vectors"),
        size("num_vectors"),
        count_out("actual"),
    ),
    row(
        "zx_stream_writev_at",
        handle("handle", STREAM, WRITE),
        options(),
        scalar("offset", "zx_off_t"),
        in_("vectors", "zx_iovec_t", "num_vectors"),
        size("num_vectors"),
        count_out("actual"),
    ),
    row(
        "zx_stream_readv",
        handle("handle", STREAM, READ),
        options(),
        inout("vectors", "zx_iovec_t", "num_vectors"),
        size("num_vectors"),
        count_out("actual"),
    ),
    row(
        "zx_stream_readv_at",
        handle("handle", STREAM, READ),
        options(),
        scalar("offset", "zx_off_t"),
        inout("vectors", "zx_iovec_t", "num_vectors"),
        size("num_vectors"),
        count_out("actual"),
    ),
    row(
        "zx_stream_seek",
        handle("handle", STREAM),
        scalar("whence", "zx_stream_seek_origin_t", "ZX_STREAM_SEEK_ORIGIN_"),
        i64("offset"),
        out("out_seek", "zx_off_t", optional=True),
    ),
)

_PORT: Final = calls(
    "port",
    row("zx_port_create", options("ZX_PORT_BIND_"), handle_out("out")),
    row("zx_port_queue", handle("handle", PORT, WRITE), in_("packet", "zx_port_packet_t")),
    row(
        "zx_port_wait",
        handle("handle", PORT, READ),
        deadline(),
        out("packet", "zx_port_packet_t", optional=True),
        blocking=True,
    ),
    row("zx_port_cancel", handle("handle", PORT, WRITE), handle("source"), u64("key")),
    row("zx_port_cancel_key", handle("handle", PORT, WRITE), options(), u64("key")),
)

_FUTEX: Final = calls(
    "futex",
    row(
        "zx_futex_wait",
        in_("value_ptr", "zx_futex_t"),
        scalar("current_value", "int32_t"),
        handle("new_futex_owner", THREAD, optional=True),
        deadline(),
        blocking=True,
    ),
    row("zx_futex_wake", in_("value_ptr", "zx_futex_t"), u32("wake_count")),
    row("zx_futex_wake_single_owner", in_("value_ptr", "zx_futex_t")),
    row(
        "zx_futex_requeue",
        in_("value_ptr", "zx_futex_t"),
        u32("wake_count"),
        scalar("current_value", "int32_t"),
        in_("requeue_ptr", "zx_futex_t"),
        u32("requeue_count"),
        handle("new_requeue_owner", THREAD, optional=True),
    ),
    row(
        "zx_futex_requeue_single_owner",
        in_("value_ptr", "zx_futex_t"),
        scalar("current_value", "int32_t"),
        in_("requeue_ptr", "zx_futex_t"),
        u32("requeue_count"),
        handle("new_requeue_owner", THREAD, optional=True),
    ),
    row("zx_futex_get_owner", in_("value_ptr", "zx_futex_t"), out("koid", "zx_koid_t")),
    row(
        "zx_futex_wake_handle_close_thread_exit",
        in_("value_ptr", "zx_futex_t"),
        u32("wake_count"),
        scalar("new_value", "int32_t"),
        handle("close_handle", optional=True, consumed=True),
        returns="void",
        noreturn=True,
    ),
)

_TIMER: Final = calls(
    "timer",
    row(
        "zx_timer_create",
        options("ZX_TIMER_SLACK_"),
        scalar("clock_id", "zx_clock_t", "ZX_CLOCK_"),
        handle_out("out"),
    ),
    row(
        "zx_timer_set",
        handle("handle", TIMER, WRITE),
        scalar("deadline", "zx_time_t"),
        scalar("slack", "zx_duration_t"),
    ),
    row("zx_timer_cancel", handle("handle", TIMER, WRITE)),
)

_CLOCK: Final = calls(
    "clock",
    in_vdso("zx_clock_get_monotonic", returns="zx_instant_mono_t"),
    in_vdso("zx_clock_get_boot", returns="zx_instant_boot_t"),
    in_vdso("zx_ticks_get", returns="zx_instant_mono_ticks_t"),
    in_vdso("zx_ticks_get_boot", returns="zx_instant_boot_ticks_t"),
    in_vdso("zx_ticks_per_second", returns="zx_ticks_t"),
    in_vdso("zx_deadline_after", scalar("nanoseconds", "zx_duration_mono_t"), returns="zx_instant_mono_t"),
    row("zx_nanosleep", deadline(), blocking=True),
    row(
        "zx_clock_create",
        u64("options", "ZX_CLOCK_OPT_"),
        in_("args", "void", optional=True),
        handle_out("out"),
    ),
    row("zx_clock_read", handle("handle", CLOCK, READ), out("now", "zx_time_t")),
    row("zx_clock_get_details", handle("handle", CLOCK, READ), u64("options"), out("details", "void")),
    row(
        "zx_clock_update",
        handle("handle", CLOCK, WRITE),
        u64("options", "ZX_CLOCK_UPDATE_OPTION_"),
        in_("args", "void"),
    ),
    in_vdso("zx_clock_read_mapped", in_("clock_addr", "void"), out("now", "zx_time_t")),
    in_vdso("zx_clock_get_details_mapped", in_("clock_addr", "void"), u64("options"), out("details", "void")),
)

_COUNTER: Final = calls(
    "counter",
    row("zx_counter_create", options(), handle_out("out")),
    row("zx_counter_add", handle("handle", COUNTER, READ | WRITE), i64("value")),
    row("zx_counter_read", handle("handle", COUNTER, READ), out("value", "int64_t")),
    row("zx_counter_write", handle("handle", COUNTER, WRITE), i64("value")),
)

_CPRNG: Final = calls(
    "cprng",
    row("zx_cprng_draw", *buffer_out("buffer"), returns="void"),
    row("zx_cprng_add_entropy", *buffer_in("buffer")),
)

_DEBUG: Final = calls(
    "debug",
    row("zx_debug_write", *buffer_in("buffer", "char")),
    row(
        "zx_debug_read",
        handle("handle", RESOURCE),
        *buffer_out("buffer", "char"),
        count_out("actual", optional=False),
        blocking=True,
    ),
    row("zx_debug_send_command", handle("resource", RESOURCE), *buffer_in("buffer", "char")),
    row(
        "zx_debuglog_create",
        handle("resource", RESOURCE, optional=True),
        options("ZX_LOG_FLAG_"),
        handle_out("out"),
    ),
    row("zx_debuglog_write", handle("handle", DEBUGLOG, WRITE), options(), *buffer_in("buffer")),
    row("zx_debuglog_read", handle("handle", DEBUGLOG, READ), options(), *buffer_out("buffer")),
    row(
        "zx_ktrace_read",
        handle("handle", RESOURCE),
        out("data", "void", "data_size", optional=True),
        u32("offset"),
        size("data_size"),
        count_out("actual", optional=False),
    ),
    row(
        "zx_ktrace_control",
        handle("handle", RESOURCE),
        u32("action"),
        options(),
        inout("ptr", "void", optional=True),
    ),
    row(
        "zx_mtrace_control",
        handle("handle", RESOURCE),
        u32("kind"),
        u32("action"),
        options(),
        inout("ptr", "void", "ptr_size"),
        size("ptr_size"),
    ),
)

_PAGER: Final = calls(
    "pager",
    row("zx_pager_create", options(), handle_out("out")),
    row(
        "zx_pager_create_vmo",
        handle("pager", PAGER, ATTACH_VMO),
        options("ZX_VMO_"),
        handle("port", PORT, WRITE),
        u64("key"),
        u64("size"),
        handle_out("out"),
    ),
    row("zx_pager_detach_vmo", handle("pager", PAGER, ATTACH_VMO | MANAGE_VMO), handle("vmo", VMO, WRITE)),
    row(
        "zx_pager_supply_pages",
        handle("pager", PAGER, MANAGE_VMO),
        handle("pager_vmo", VMO, WRITE),
        u64("offset"),
        u64("length"),
        handle("aux_vmo", VMO, READ | WRITE),
        u64("aux_offset"),
    ),
    row(
        "zx_pager_op_range",
        handle("pager", PAGER, MANAGE_VMO),
        u32("op", "ZX_PAGER_OP_"),
        handle("pager_vmo", VMO, WRITE),
        u64("offset"),
        u64("length"),
        u64("data"),
    ),
    row(
        "zx_pager_query_dirty_ranges",
        handle("pager", PAGER, MANAGE_VMO),
        handle("pager_vmo", VMO, READ),
        u64("offset"),
        u64("length"),
        *buffer_out("buffer"),
        count_out("actual"),
        count_out("avail"),
        next_only=True,
    ),
    row(
        "zx_pager_query_vmo_stats",
        handle("pager", PAGER, MANAGE_VMO),
        handle("pager_vmo", VMO, READ),
        options("ZX_PAGER_RESET_"),
        *buffer_out("buffer"),
    ),
)

_IOB: Final = calls(
    "iob",
    row(
        "zx_iob_create",
        u64("options"),
        in_("regions", "zx_iob_region_t", "num_regions"),
        size("num_regions"),
        handle_out("ep0_out"),
        handle_out("ep1_out"),
    ),
    row(
        "zx_iob_allocate_id",
        handle("handle", IOB, WRITE),
        scalar("options", "zx_iob_allocate_id_options_t"),
        u32("region_index"),
        *buffer_in("blob"),
        out("id", "uint32_t"),
        next_only=True,
    ),
    row(
        "zx_iob_writev",
        handle("handle", IOB, WRITE),
        scalar("options", "zx_iob_write_options_t"),
        u32("region_index"),
        in_("vectors", "zx_iovec_t", "num_vectors"),
        size("num_vectors"),
    ),
    row("zx_iob_create_shared_region", u64("options"), u64("size"), handle_out("out"), next_only=True),
)

_RESOURCE: Final = calls(
    "resource",
    row(
        "zx_resource_create",
        handle("parent_rsrc", RESOURCE, WRITE),
        options(),
        u64("base"),
        size("size"),
        *buffer_in("name", "char"),
        handle_out("resource_out"),
    ),
    row("zx_ioports_request", handle("resource", RESOURCE), scalar("io_addr", "uint16_t"), u32("len")),
    row("zx_ioports_release", handle("resource", RESOURCE), scalar("io_addr", "uint16_t"), u32("len")),
    row(
        "zx_smc_call",
        handle("handle", RESOURCE),
        in_("parameters", "zx_smc_parameters_t"),
        out("out_smc_result", "zx_smc_result_t"),
    ),
)

_PROFILE: Final = calls(
    "profile",
    row(
        "zx_profile_create",
        handle("profile_rsrc", RESOURCE),
        options(),
        in_("profile", "zx_profile_info_t"),
        handle_out("out"),
    ),
    row(
        "zx_sampler_create",
        handle("rsrc", RESOURCE),
        u64("options"),
        in_("config", "zx_sampler_config_t"),
        handle_out("per_cpu_buffers"),
        next_only=True,
    ),
    row("zx_sampler_start", handle("iobuffer", SAMPLER), next_only=True),
    row("zx_sampler_stop", handle("iobuffer", SAMPLER), next_only=True),
    row(
        "zx_sampler_read",
        handle("iobuffer", SAMPLER),
        out("data", "void", "data_size", optional=True),
        size("data_size"),
        count_out("actual", optional=False),
        next_only=True,
    ),
)

_INTERRUPT: Final = calls(
    "interrupt",
    row(
        "zx_interrupt_create",
        handle("src_obj", RESOURCE, optional=True),
        u32("src_num"),
        options("ZX_INTERRUPT_"),
        handle_out("out_handle"),
    ),
    row(
        "zx_interrupt_bind",
        handle("handle", INTERRUPT, READ),
        handle("port_handle", PORT, WRITE),
        u64("key"),
        options(),
    ),
    row(
        "zx_interrupt_wait",
        handle("handle", INTERRUPT, WAIT),
        out("out_timestamp", "zx_time_t", optional=True),
        blocking=True,
    ),
    row("zx_interrupt_destroy", handle("handle", INTERRUPT)),
    row("zx_interrupt_ack", handle("handle", INTERRUPT, WRITE)),
    row(
        "zx_interrupt_trigger",
        handle("handle", INTERRUPT, SIGNAL),
        options(),
        scalar("timestamp", "zx_time_t"),
    ),
    row("zx_msi_allocate", handle("handle", RESOURCE), u32("count"), handle_out("out_allocation")),
    row(
        "zx_msi_create",
        handle("handle", MSI),
        options("ZX_MSI_MODE_"),
        u32("msi_id"),
        handle("vmo", VMO, MAP),
        size("vmo_offset"),
        handle_out("out_interrupt"),
    ),
)

_BTI: Final = calls(
    "bti",
    row(
        "zx_iommu_create",
        handle("resource", RESOURCE),
        u32("type", "ZX_IOMMU_TYPE_"),
        *buffer_in("desc"),
        handle_out("out"),
    ),
    row("zx_bti_create", handle("iommu", IOMMU), options(), u64("bti_id"), handle_out("out")),
    row(
        "zx_bti_pin",
        handle("handle", BTI, MAP),
        options("ZX_BTI_"),
        handle("vmo", VMO, MAP),
        u64("offset"),
        u64("size"),
        out("addrs", "zx_paddr_t", "num_addrs"),
        size("num_addrs"),
        handle_out("pmt"),
    ),
    row("zx_bti_release_quarantine", handle("handle", BTI, WRITE)),
    row("zx_pmt_unpin", handle("handle", PMT, consumed=True)),
)

_PCI: Final = calls(
    "pci",
    row("zx_pci_init", handle("handle", RESOURCE), in_("init_buf", "zx_pci_init_arg_t"), u32("len")),
    row(
        "zx_pci_add_subtract_io_range",
        handle("handle", RESOURCE),
        u32("mmio"),
        u64("base"),
        u64("len"),
        u32("add"),
    ),
    row(
        "zx_pci_cfg_pio_rw",
        handle("handle", RESOURCE),
        scalar("bus", "uint8_t"),
        scalar("dev", "uint8_t"),
        scalar("func", "uint8_t"),
        scalar("offset", "uint8_t"),
        inout("val", "uint32_t"),
        size("width"),
        u32("write"),
    ),
    row(
        "zx_pci_get_nth_device",
        handle("handle", RESOURCE),
        u32("index"),
        out("out_info", "zx_pcie_device_info_t"),
        handle_out("out_handle"),
    ),
    row(
        "zx_pci_config_read",
        handle("handle", PCI_DEVICE, READ),
        scalar("offset", "uint16_t"),
        size("width"),
        out("out_val", "uint32_t"),
    ),
    row(
        "zx_pci_config_write",
        handle("handle", PCI_DEVICE, WRITE),
        scalar("offset", "uint16_t"),
        size("width"),
        u32("val"),
    ),
    row("zx_pci_enable_bus_master", handle("handle", PCI_DEVICE, WRITE), u32("enable")),
    row(
        "zx_pci_get_bar",
        handle("handle", PCI_DEVICE, READ | WRITE),
        u32("bar_num"),
        out("out_bar", "zx_pci_bar_t"),
        handle_out("out_handle", optional=True),
    ),
    row(
        "zx_pci_map_interrupt",
        handle("handle", PCI_DEVICE, READ),
        scalar("which_irq", "int32_t"),
        handle_out("out_handle"),
    ),
    row(
        "zx_pci_query_irq_mode",
        handle("handle", PCI_DEVICE, READ),
        u32("mode", "ZX_PCIE_IRQ_MODE_"),
        out("out_max_irqs", "uint32_t"),
    ),
    row(
        "zx_pci_set_irq_mode",
        handle("handle", PCI_DEVICE, WRITE),
        u32("mode", "ZX_PCIE_IRQ_MODE_"),
        u32("requested_irq_count"),
    ),
    row("zx_pci_reset_device", handle("handle", PCI_DEVICE, WRITE)),
)

_GUEST: Final = calls(
    "guest",
    row(
        "zx_guest_create",
        handle("resource", RESOURCE),
        options(),
        handle_out("guest_handle"),
        handle_out("vmar_handle"),
    ),
    row(
        "zx_guest_set_trap",
        handle("handle", GUEST, WRITE),
        u32("kind", "ZX_GUEST_TRAP_"),
        vaddr("addr"),
        size("size"),
        handle("port_handle", PORT, WRITE, optional=True),
        u64("key"),
    ),
    row(
        "zx_vcpu_create", handle("guest", GUEST, MANAGE_PROCESS), options(), vaddr("entry"), handle_out("out")
    ),
    row(
        "zx_vcpu_enter",
        handle("handle", VCPU, EXECUTE),
        out("packet", "zx_port_packet_t"),
        blocking=True,
    ),
    row("zx_vcpu_kick", handle("handle", VCPU, EXECUTE)),
    row("zx_vcpu_interrupt", handle("handle", VCPU, SIGNAL), u32("vector")),
    row(
        "zx_vcpu_read_state",
        handle("handle", VCPU, READ),
        u32("kind", "ZX_VCPU_"),
        *buffer_out("buffer"),
    ),
    row(
        "zx_vcpu_write_state",
        handle("handle", VCPU, WRITE),
        u32("kind", "ZX_VCPU_"),
        *buffer_in("buffer"),
    ),
)

_SYSTEM: Final = calls(
    "system",
    in_vdso("zx_status_get_string", scalar("status", "zx_status_t"), returns="uintptr_t"),
    in_vdso("zx_system_get_page_size", returns="uint32_t"),
    in_vdso("zx_system_get_num_cpus", returns="uint32_t"),
    in_vdso("zx_system_get_physmem", returns="uint64_t"),
    in_vdso("zx_system_get_dcache_line_size", returns="uint32_t"),
    in_vdso("zx_system_get_version_string", returns="uintptr_t"),
    in_vdso("zx_system_get_features", u32("kind", "ZX_FEATURE_KIND_"), out("features", "uint32_t")),
    row(
        "zx_system_get_event",
        handle("root_job", JOB, MANAGE_PROCESS),
        u32("kind", "ZX_SYSTEM_EVENT_"),
        handle_out("event"),
    ),
    row(
        "zx_system_watch_memory_stall",
        handle("resource", RESOURCE),
        u32("kind", "ZX_SYSTEM_MEMORY_STALL_"),
        scalar("threshold", "zx_duration_t"),
        scalar("window", "zx_duration_t"),
        handle_out("event"),
    ),
    row(
        "zx_system_mexec",
        handle("resource", RESOURCE),
        handle("kernel_vmo", VMO),
        handle("bootimage_vmo", VMO),
    ),
    row("zx_system_mexec_payload_get", handle("resource", RESOURCE), *buffer_out("buffer")),
    row(
        "zx_system_powerctl",
        handle("resource", RESOURCE),
        u32("cmd", "ZX_SYSTEM_POWERCTL_"),
        in_("arg", "zx_system_powerctl_arg_t", optional=True),
    ),
    # What *info* points at, and how large an element of it is, depends on the topic.
    row(
        "zx_system_get_performance_info",
        handle("resource", RESOURCE),
        u32("topic", "ZX_CPU_"),
        size("count"),
        out("info", "void"),
        count_out("output_count", optional=False),
    ),
    row(
        "zx_system_set_performance_info",
        handle("resource", RESOURCE),
        u32("topic", "ZX_CPU_"),
        in_("info", "void"),
        size("count"),
    ),
    row(
        "zx_system_set_processor_power_domain",
        handle("resource", RESOURCE),
        u64("options"),
        in_("domain", "zx_processor_power_domain_t"),
        handle("port", PORT, optional=True),
        in_("power_levels", "zx_processor_power_level_t", "num_power_levels"),
        size("num_power_levels"),
        in_("transitions", "zx_processor_power_level_transition_t", "num_transitions"),
        size("num_transitions"),
        next_only=True,
    ),
    row(
        "zx_system_set_processor_power_state",
        handle("port", PORT),
        in_("power_state", "zx_processor_power_state_t"),
        next_only=True,
    ),
    row(
        "zx_system_suspend_enter",
        handle("resource", RESOURCE),
        scalar("resume_deadline", "zx_instant_boot_t"),
        scalar("options", "zx_system_suspend_option_t", "ZX_SYSTEM_SUSPEND_OPTION_"),
        out("header", "zx_wake_source_report_header_t", optional=True),
        out("entries", "zx_wake_source_report_entry_t", "num_entries", optional=True),
        u32("num_entries"),
        out("actual_entries", "uint32_t", optional=True),
        blocking=True,
        next_only=True,
    ),
)

_MISC: Final = calls(
    "misc",
    in_vdso("zx_cache_flush", in_("addr", "void"), size("size"), options("ZX_CACHE_FLUSH_")),
    row("zx_membarrier_sync_process_data", returns="void"),
    row("zx_membarrier_sync_process_insn", returns="void"),
    row("zx_system_barrier", options("ZX_SYSTEM_BARRIER_"), next_only=True),
)

# The number of a call is its place here.
SYSCALLS: Final[tuple[SyscallRow, ...]] = tuple(
    replace(call, number=number)
    for number, call in enumerate(
        _HANDLE + _OBJECT + _JOB + _PROCESS + _THREAD + _TASK + _EXCEPTION + _RESTRICTED
        + _VMO + _VMAR + _CHANNEL + _EVENT + _SOCKET + _FIFO + _STREAM + _PORT + _FUTEX
        + _TIMER + _CLOCK + _COUNTER + _CPRNG + _DEBUG + _PAGER + _IOB + _RESOURCE + _PROFILE
        + _INTERRUPT + _BTI + _PCI + _GUEST + _SYSTEM + _MISC
    )
)  # fmt: skip
BY_NAME: Final[dict[str, SyscallRow]] = {call.name: call for call in SYSCALLS}
