"""Documented errors that no test can show, each with the reason."""

from __future__ import annotations

from typing import Final

# Calls that make objects of the kernel, and no pages.
_ON_THE_HEAP: Final = """
zx_bti_create zx_channel_call zx_channel_call_etc zx_channel_create zx_channel_read
zx_channel_read_etc zx_channel_write zx_channel_write_etc zx_clock_create zx_counter_create
zx_debuglog_create zx_event_create zx_eventpair_create zx_exception_get_process
zx_exception_get_thread zx_fifo_create zx_guest_create zx_handle_duplicate zx_handle_replace
zx_interrupt_create zx_iommu_create zx_job_set_policy zx_object_get_child zx_object_get_info
zx_object_get_property zx_object_wait_async zx_object_wait_many zx_pager_create zx_pager_create_vmo
zx_port_create zx_profile_create zx_resource_create
zx_socket_create zx_socket_write zx_stream_create zx_system_get_performance_info
zx_system_set_performance_info zx_system_watch_memory_stall 
zx_thread_raise_exception zx_thread_read_state
zx_thread_write_state zx_timer_create zx_vmar_allocate zx_vmar_map zx_vmar_protect zx_vmo_create
zx_vmo_create_child zx_vmo_create_physical zx_vmo_replace_as_executable zx_vmo_set_size
zx_vmo_set_stream_size
"""

# reason -> call -> its errors, without "ZX_ERR_"
_REASONS: Final[dict[str, dict[str, str]]] = {
    "objects of the kernel live in the memory of the host's process, not of the machine": dict.fromkeys(
        _ON_THE_HEAP.split(), "NO_MEMORY"
    ),
    "the hardware is not there, so that no handle of the right type can be": {
        "zx_guest_set_trap": "ACCESS_DENIED ALREADY_EXISTS INVALID_ARGS NO_MEMORY OUT_OF_RANGE",
        "zx_msi_create": "ALREADY_BOUND INVALID_ARGS",
        "zx_vcpu_create": "ACCESS_DENIED BAD_STATE NO_MEMORY",
        "zx_vcpu_enter": "ACCESS_DENIED BAD_STATE CANCELED INTERNAL INVALID_ARGS NOT_SUPPORTED",
        "zx_vcpu_interrupt": "ACCESS_DENIED OUT_OF_RANGE",
        "zx_vcpu_kick": "ACCESS_DENIED",
        "zx_vcpu_read_state": "ACCESS_DENIED BAD_STATE INVALID_ARGS",
        "zx_vcpu_write_state": "ACCESS_DENIED BAD_STATE INVALID_ARGS",
        "zx_guest_create": "INVALID_ARGS",
        "zx_msi_allocate": "INVALID_ARGS",
        "zx_interrupt_trigger": "BAD_STATE",
    },
    "today's kernel asks for no right there": {
        "zx_bti_create": "ACCESS_DENIED",
        "zx_guest_create": "ACCESS_DENIED",
        "zx_interrupt_create": "ACCESS_DENIED",
        "zx_interrupt_destroy": "ACCESS_DENIED",
        "zx_iommu_create": "ACCESS_DENIED",
        "zx_msi_allocate": "ACCESS_DENIED",
        "zx_smc_call": "ACCESS_DENIED",
        "zx_system_get_performance_info": "ACCESS_DENIED",
        "zx_system_set_processor_power_domain": "ACCESS_DENIED",
        "zx_system_set_processor_power_state": "ACCESS_DENIED",
    },
    "the call answers ZX_ERR_NOT_SUPPORTED before it looks at anything": {
        "zx_debug_read": "INVALID_ARGS",
        "zx_sampler_create": "ACCESS_DENIED INVALID_ARGS",
        "zx_sampler_read": "ACCESS_DENIED BAD_STATE",
        "zx_sampler_start": "ACCESS_DENIED BAD_STATE",
        "zx_sampler_stop": "ACCESS_DENIED BAD_STATE",
        "zx_system_mexec_payload_get": "BUFFER_TOO_SMALL",
        "zx_system_set_processor_power_state": "INVALID_ARGS",
    },
    "the page has it, today's kernel never answers it": {
        "zx_bti_pin": "UNAVAILABLE",
        "zx_debug_write": "NOT_SUPPORTED",
    },
}

IMPOSSIBLE: Final[dict[tuple[str, str], str]] = {
    (call, f"ZX_ERR_{name}"): reason
    for reason, calls in _REASONS.items()
    for call, names in calls.items()
    for name in names.split()
}
