"""Documented errors that no test can show, each with the reason."""

from __future__ import annotations

from typing import Final

# reason -> call -> its errors, without "ZX_ERR_"
_REASONS: Final[dict[str, dict[str, str]]] = {
    "what it keeps is numbers and bytes, and needs neither an object of the kernel nor a page": dict.fromkeys(
        (
            "zx_channel_write",
            "zx_channel_write_etc",
            "zx_job_set_policy",
            "zx_object_get_property",
            "zx_socket_write",
            "zx_system_set_performance_info",
            "zx_thread_raise_exception",
            "zx_thread_write_state",
            "zx_vmar_protect",
        ),
        "NO_MEMORY",
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
        "zx_guest_create": "INVALID_ARGS NO_MEMORY",
        "zx_msi_allocate": "INVALID_ARGS",
        "zx_interrupt_trigger": "BAD_STATE",
        "zx_vmo_create_physical": "NO_MEMORY",
    },
    "today's kernel asks for no right there": {
        "zx_bti_create": "ACCESS_DENIED",
        "zx_interrupt_destroy": "ACCESS_DENIED",
        "zx_sampler_read": "ACCESS_DENIED",
        "zx_sampler_start": "ACCESS_DENIED",
        "zx_sampler_stop": "ACCESS_DENIED",
    },
    "the trace and the sampler are there, as in a kernel that was built and started for debugging": dict.fromkeys(
        (
            "zx_ktrace_control",
            "zx_ktrace_read",
            "zx_sampler_create",
            "zx_sampler_read",
            "zx_sampler_start",
            "zx_sampler_stop",
        ),
        "NOT_SUPPORTED",
    ),
    "a resource for something else is ZX_ERR_WRONG_TYPE or ZX_ERR_OUT_OF_RANGE to today's kernel": {
        "zx_guest_create": "ACCESS_DENIED",
        "zx_interrupt_create": "ACCESS_DENIED",
        "zx_iommu_create": "ACCESS_DENIED",
        "zx_msi_allocate": "ACCESS_DENIED",
        "zx_smc_call": "ACCESS_DENIED",
        "zx_system_get_performance_info": "ACCESS_DENIED",
    },
    "the call answers ZX_ERR_NOT_SUPPORTED before it looks at anything": {
        "zx_debug_read": "INVALID_ARGS",
        "zx_system_mexec_payload_get": "BUFFER_TOO_SMALL",
    },
    "the page has it, today's kernel never answers it": {
        "zx_bti_pin": "UNAVAILABLE",
        "zx_counter_write": "INVALID_ARGS",
        "zx_debug_write": "NOT_SUPPORTED",
        "zx_sampler_read": "BAD_STATE",
        "zx_thread_set_rseq": "ALREADY_EXISTS",
        "zx_vmar_map": "BUFFER_TOO_SMALL",
        "zx_vmar_map_iob": "BUFFER_TOO_SMALL",
        "zx_vmar_unmap": "NOT_FOUND",
        "zx_vmar_unmap_handle_close_thread_exit": "NOT_FOUND",
        "zx_vmo_set_cache_policy": "NOT_SUPPORTED",
    },
    "memory of other processes may be written, as in a kernel that was started for debugging": {
        "zx_process_write_memory": "NOT_SUPPORTED",
    },
}

IMPOSSIBLE: Final[dict[tuple[str, str], str]] = {
    (call, f"ZX_ERR_{name}"): reason
    for reason, calls in _REASONS.items()
    for call, names in calls.items()
    for name in names.split()
}
