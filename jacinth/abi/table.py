"""The table of all system calls: the one place that says what a call takes.

Source: zircon/vdso/*.fidl and docs/reference/syscalls/*.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from jacinth.abi.constants import *  # noqa: F403
from jacinth.abi.rows import SyscallRow, Vdso, handle, handle_out, in_, inout, out, row, scalar


def u32(name: str, flags: str | None = None):
    return scalar(name, "uint32_t", flags)


def u64(name: str):
    return scalar(name, "uint64_t")


def size(name: str):
    return scalar(name, "size_t")


def options(flags: str | None = None):
    return scalar("options", "uint32_t", flags)


_ROWS = (
    row("zx_handle_close", handle("handle", consumed=True), family="handle"),
    row("zx_handle_close_many", in_("handles", "zx_handle_t", "num_handles", consumed=True), size("num_handles"), family="handle"),
    row("zx_handle_duplicate", handle("handle", (), ZX_RIGHT_DUPLICATE), scalar("rights", "zx_rights_t"), handle_out("out"), family="handle"),
    row("zx_handle_replace", handle("handle", consumed=True), scalar("rights", "zx_rights_t"), handle_out("out"), family="handle"),
    row("zx_object_wait_one", handle("handle", (), ZX_RIGHT_WAIT), scalar("signals", "zx_signals_t"), scalar("deadline", "zx_instant_mono_t"), out("observed", "zx_signals_t", optional=True), family="object", blocking=True),
    row("zx_object_wait_many", inout("items", "zx_wait_item_t", "num_items"), size("num_items"), scalar("deadline", "zx_instant_mono_t"), family="object", blocking=True),
    row("zx_object_wait_async", handle("handle", (), ZX_RIGHT_WAIT), handle("port", ZX_OBJ_TYPE_PORT, ZX_RIGHT_WRITE), u64("key"), scalar("signals", "zx_signals_t"), options("ZX_WAIT_ASYNC_"), family="object"),
    row("zx_object_signal", handle("handle", (), ZX_RIGHT_SIGNAL), u32("clear_mask"), u32("set_mask"), family="object"),
    row("zx_object_signal_peer", handle("handle", (), ZX_RIGHT_SIGNAL_PEER), u32("clear_mask"), u32("set_mask"), family="object"),
    row("zx_object_get_property", handle("handle", (), ZX_RIGHT_GET_PROPERTY), u32("property", "ZX_PROP_"), out("value", "void", "value_size"), size("value_size"), family="object"),
    row("zx_object_set_property", handle("handle", (), ZX_RIGHT_SET_PROPERTY), u32("property", "ZX_PROP_"), in_("value", "void", "value_size"), size("value_size"), family="object"),
    row("zx_object_get_info", handle("handle"), u32("topic", "ZX_INFO_"), out("buffer", "void", "buffer_size"), size("buffer_size"), out("actual", "size_t", optional=True), out("avail", "size_t", optional=True), family="object"),
    row("zx_object_get_child", handle("handle", (), ZX_RIGHT_ENUMERATE), u64("koid"), scalar("rights", "zx_rights_t"), handle_out("out"), family="object"),
    row("zx_channel_create", options(), handle_out("out0"), handle_out("out1"), family="channel"),
    row("zx_channel_read", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_READ), options("ZX_CHANNEL_READ_"), out("bytes", "void", "num_bytes"), out("handles", "zx_handle_t", "num_handles"), u32("num_bytes"), u32("num_handles"), out("actual_bytes", "uint32_t", optional=True), out("actual_handles", "uint32_t", optional=True), family="channel"),
    row("zx_channel_read_etc", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_READ), options("ZX_CHANNEL_READ_"), out("bytes", "void", "num_bytes"), out("handles", "zx_handle_info_t", "num_handles"), u32("num_bytes"), u32("num_handles"), out("actual_bytes", "uint32_t", optional=True), out("actual_handles", "uint32_t", optional=True), family="channel"),
    row("zx_channel_write", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_WRITE), options("ZX_CHANNEL_WRITE_"), in_("bytes", "void", "num_bytes"), u32("num_bytes"), in_("handles", "zx_handle_t", "num_handles", consumed=True), u32("num_handles"), family="channel"),
    row("zx_channel_write_etc", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_WRITE), options("ZX_CHANNEL_WRITE_"), in_("bytes", "void", "num_bytes"), u32("num_bytes"), inout("handles", "zx_handle_disposition_t", "num_handles", consumed=True), u32("num_handles"), family="channel"),
    row("zx_channel_call", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_READ | ZX_RIGHT_WRITE), options("ZX_CHANNEL_WRITE_"), scalar("deadline", "zx_instant_mono_t"), in_("args", "zx_channel_call_args_t"), out("actual_bytes", "uint32_t"), out("actual_handles", "uint32_t"), family="channel", blocking=True),
    row("zx_channel_call_etc", handle("handle", ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_READ | ZX_RIGHT_WRITE), options("ZX_CHANNEL_WRITE_"), scalar("deadline", "zx_instant_mono_t"), inout("args", "zx_channel_call_etc_args_t"), out("actual_bytes", "uint32_t"), out("actual_handles", "uint32_t"), family="channel", blocking=True),
    row("zx_clock_get_monotonic", returns="zx_instant_mono_t", family="clock", vdso=Vdso.VDSO),
    row("zx_clock_get_boot", returns="zx_instant_boot_t", family="clock", vdso=Vdso.VDSO),
    row("zx_ticks_get", returns="zx_instant_mono_ticks_t", family="clock", vdso=Vdso.VDSO),
    row("zx_ticks_get_boot", returns="zx_instant_boot_ticks_t", family="clock", vdso=Vdso.VDSO),
    row("zx_ticks_per_second", returns="zx_ticks_t", family="clock", vdso=Vdso.VDSO),
    row("zx_deadline_after", scalar("nanoseconds", "zx_duration_mono_t"), returns="zx_instant_mono_t", family="clock", vdso=Vdso.VDSO),
    row("zx_nanosleep", scalar("deadline", "zx_instant_mono_t"), family="clock", blocking=True),
    row("zx_cprng_draw", out("buffer", "void", "buffer_size"), size("buffer_size"), family="cprng"),
    row("zx_cprng_add_entropy", in_("buffer", "void", "buffer_size"), size("buffer_size"), family="cprng"),
    row("zx_debug_write", in_("buffer", "char", "buffer_size"), size("buffer_size"), family="debug"),
    row("zx_debug_read", handle("handle"), out("buffer", "char", "buffer_size"), size("buffer_size"), out("actual", "size_t"), family="debug", blocking=True),
    row("zx_debug_send_command", handle("resource"), in_("buffer", "char", "buffer_size"), size("buffer_size"), family="debug"),
    row("zx_debuglog_create", handle("resource", optional=True), options(), handle_out("out"), family="debug"),
    row("zx_debuglog_write", handle("handle"), options(), in_("buffer", "void", "buffer_size"), size("buffer_size"), family="debug"),
    row("zx_debuglog_read", handle("handle"), options(), out("buffer", "void", "buffer_size"), size("buffer_size"), family="debug"),
    row("zx_event_create", options(), handle_out("out"), family="event"),
    row("zx_eventpair_create", options(), handle_out("out0"), handle_out("out1"), family="event"),
    row("zx_fifo_create", size("elem_count"), size("elem_size"), options(), handle_out("out0"), handle_out("out1"), family="fifo"),
    row("zx_fifo_write", handle("handle"), size("elem_size"), in_("data", "void"), size("count"), out("actual_count", "size_t", optional=True), family="fifo"),
    row("zx_fifo_read", handle("handle"), size("elem_size"), out("data", "void", "count"), size("count"), out("actual_count", "size_t", optional=True), family="fifo"),
    row("zx_futex_wait", in_("value_ptr", "zx_futex_t"), scalar("current_value", "zx_futex_t"), handle("new_futex_owner", optional=True), scalar("deadline", "zx_instant_mono_t"), family="futex", blocking=True),
    row("zx_futex_wake", in_("value_ptr", "zx_futex_t"), u32("wake_count"), family="futex"),
    row("zx_futex_wake_single_owner", in_("value_ptr", "zx_futex_t"), family="futex"),
    row("zx_futex_requeue", in_("value_ptr", "zx_futex_t"), u32("wake_count"), scalar("current_value", "zx_futex_t"), in_("requeue_ptr", "zx_futex_t"), u32("requeue_count"), handle("new_requeue_owner", optional=True), family="futex"),
    row("zx_futex_requeue_single_owner", in_("value_ptr", "zx_futex_t"), scalar("current_value", "zx_futex_t"), in_("requeue_ptr", "zx_futex_t"), u32("requeue_count"), handle("new_requeue_owner", optional=True), family="futex"),
    row("zx_futex_get_owner", in_("value_ptr", "zx_futex_t"), out("koid", "zx_koid_t"), family="futex"),
    row("zx_futex_wake_handle_close_thread_exit", in_("value_ptr", "zx_futex_t"), u32("wake_count"), scalar("new_value", "int32_t"), handle("close_handle", optional=True), returns="void", family="futex", noreturn=True),
    row("zx_job_create", handle("parent_job", ZX_OBJ_TYPE_JOB, ZX_RIGHT_MANAGE_JOB), options(), handle_out("out"), family="job"),
    row("zx_job_set_policy", handle("handle", ZX_OBJ_TYPE_JOB, ZX_RIGHT_SET_POLICY), options(), u32("topic"), in_("policy", "void", "policy_size"), u32("policy_size"), family="job"),
    row("zx_job_set_critical", handle("job", ZX_OBJ_TYPE_JOB, ZX_RIGHT_DESTROY), options(), handle("process", ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_WAIT), family="job"),
    row("zx_port_create", options(), handle_out("out"), family="port"),
    row("zx_port_queue", handle("handle"), in_("packet", "zx_port_packet_t"), family="port"),
    row("zx_port_wait", handle("handle"), scalar("deadline", "zx_instant_mono_t"), out("packet", "zx_port_packet_t", optional=True), family="port", blocking=True),
    row("zx_port_cancel", handle("handle"), handle("source"), u64("key"), family="port"),
    row("zx_port_cancel_key", handle("handle"), options(), u64("key"), family="port"),
    row("zx_process_create", handle("job", ZX_OBJ_TYPE_JOB, ZX_RIGHT_MANAGE_PROCESS), in_("name", "char", "name_size"), size("name_size"), options(), handle_out("proc_handle"), handle_out("vmar_handle"), family="process"),
    row("zx_process_create_shared", handle("shared_proc", ZX_OBJ_TYPE_PROCESS, ZX_RIGHT_MANAGE_PROCESS), options(), in_("name", "char", "name_size"), size("name_size"), handle_out("proc_handle"), handle_out("restricted_vmar_handle"), family="process"),
    row("zx_process_start", handle("handle"), handle("thread"), scalar("entry", "zx_vaddr_t"), scalar("stack", "zx_vaddr_t"), handle("arg1", optional=True, consumed=True), scalar("arg2", "uintptr_t"), family="process"),
    row("zx_process_exit", scalar("retcode", "int64_t"), returns="void", family="process", noreturn=True),
    row("zx_process_read_memory", handle("handle"), scalar("vaddr", "zx_vaddr_t"), out("buffer", "void", "buffer_size"), size("buffer_size"), out("actual", "size_t"), family="process"),
    row("zx_process_write_memory", handle("handle"), scalar("vaddr", "zx_vaddr_t"), in_("buffer", "void", "buffer_size"), size("buffer_size"), out("actual", "size_t"), family="process"),
    row("zx_socket_create", options(), handle_out("out0"), handle_out("out1"), family="socket"),
    row("zx_socket_write", handle("handle"), options(), in_("buffer", "void", "buffer_size"), size("buffer_size"), out("actual", "size_t", optional=True), family="socket"),
    row("zx_socket_read", handle("handle"), options(), out("buffer", "void", "buffer_size"), size("buffer_size"), out("actual", "size_t", optional=True), family="socket"),
    row("zx_socket_set_disposition", handle("handle"), u32("disposition"), u32("disposition_peer"), family="socket"),
    row("zx_task_kill", handle("handle", (), ZX_RIGHT_DESTROY), family="task"),
    row("zx_task_suspend", handle("handle", (), ZX_RIGHT_WRITE), handle_out("token"), family="task"),
    row("zx_task_suspend_token", handle("handle", (), ZX_RIGHT_WRITE), handle_out("token"), family="task"),
    row("zx_thread_create", handle("process"), in_("name", "char", "name_size"), size("name_size"), options(), handle_out("out"), family="thread"),
    row("zx_thread_start", handle("handle"), scalar("thread_entry", "zx_vaddr_t"), scalar("stack", "zx_vaddr_t"), scalar("arg1", "uintptr_t"), scalar("arg2", "uintptr_t"), family="thread"),
    row("zx_thread_start_regs", handle("handle"), scalar("thread_entry", "zx_vaddr_t"), scalar("stack", "zx_vaddr_t"), scalar("arg1", "uintptr_t"), scalar("arg2", "uintptr_t"), u64("tp"), u64("abi_reg"), family="thread"),
    row("zx_thread_exit", returns="void", family="thread", noreturn=True),
    row("zx_thread_legacy_yield", options(), family="thread"),
    row("zx_thread_read_state", handle("handle"), u32("kind"), out("buffer", "void", "buffer_size"), size("buffer_size"), family="thread"),
    row("zx_thread_write_state", handle("handle"), u32("kind"), in_("buffer", "void", "buffer_size"), size("buffer_size"), family="thread"),
    row("zx_timer_create", options(), scalar("clock_id", "zx_clock_t"), handle_out("out"), family="timer"),
    row("zx_timer_set", handle("handle"), scalar("deadline", "zx_time_t"), scalar("slack", "zx_duration_t"), family="timer"),
    row("zx_timer_cancel", handle("handle"), family="timer"),
    row("zx_vmar_allocate", handle("parent_vmar"), scalar("options", "zx_vm_option_t", "ZX_VM_"), u64("offset"), u64("size"), handle_out("child_vmar"), out("child_addr", "zx_vaddr_t"), family="vmar"),
    row("zx_vmar_destroy", handle("handle"), family="vmar"),
    row("zx_vmar_map", handle("handle"), scalar("options", "zx_vm_option_t", "ZX_VM_"), u64("vmar_offset"), handle("vmo"), u64("vmo_offset"), u64("len"), out("mapped_addr", "zx_vaddr_t"), family="vmar"),
    row("zx_vmar_unmap", handle("handle"), scalar("addr", "zx_vaddr_t"), u64("len"), family="vmar"),
    row("zx_vmar_unmap_handle_close_thread_exit", handle("vmar_handle"), scalar("addr", "zx_vaddr_t"), size("size"), handle("close_handle", consumed=True), family="vmar"),
    row("zx_vmar_protect", handle("handle"), scalar("options", "zx_vm_option_t", "ZX_VM_"), scalar("addr", "zx_vaddr_t"), u64("len"), family="vmar"),
    row("zx_vmar_op_range", handle("handle"), u32("op"), scalar("address", "zx_vaddr_t"), size("size"), inout("buffer", "void", "buffer_size"), size("buffer_size"), family="vmar"),
    row("zx_vmo_create", u64("size"), options("ZX_VMO_"), handle_out("out"), family="vmo"),
    row("zx_vmo_read", handle("handle"), out("buffer", "void", "buffer_size"), u64("offset"), size("buffer_size"), family="vmo"),
    row("zx_vmo_write", handle("handle"), in_("buffer", "void", "buffer_size"), u64("offset"), size("buffer_size"), family="vmo"),
    row("zx_vmo_transfer_data", handle("dst_vmo"), options(), u64("offset"), u64("length"), handle("src_vmo"), u64("src_offset"), family="vmo"),
    row("zx_vmo_get_size", handle("handle"), out("size", "uint64_t"), family="vmo"),
    row("zx_vmo_set_size", handle("handle"), u64("size"), family="vmo"),
    row("zx_vmo_get_stream_size", handle("handle"), out("size", "uint64_t"), family="vmo"),
    row("zx_vmo_set_stream_size", handle("handle"), u64("size"), family="vmo"),
    row("zx_vmo_op_range", handle("handle"), u32("op"), u64("offset"), u64("size"), inout("buffer", "void", "buffer_size"), size("buffer_size"), family="vmo"),
    row("zx_vmo_set_cache_policy", handle("handle"), u32("cache_policy"), family="vmo"),
    row("zx_vmo_create_child", handle("handle"), options("ZX_VMO_CHILD_"), u64("offset"), u64("size"), handle_out("out"), family="vmo"),
    row("zx_vmo_replace_as_executable", handle("handle", consumed=True), handle("vmex", optional=True), handle_out("out"), family="vmo"),
    row("zx_status_get_string", scalar("status", "zx_status_t"), returns="uintptr_t", family="system", vdso=Vdso.VDSO),
    row("zx_system_get_page_size", returns="uint32_t", family="system", vdso=Vdso.VDSO),
    row("zx_system_get_num_cpus", returns="uint32_t", family="system", vdso=Vdso.VDSO),
)

SYSCALLS: Final[tuple[SyscallRow, ...]] = tuple(replace(r, number=n) for n, r in enumerate(_ROWS))
BY_NAME: Final[dict[str, SyscallRow]] = {r.name: r for r in SYSCALLS}
