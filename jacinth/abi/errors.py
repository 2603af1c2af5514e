"""The errors that the reference documents, for every call of the table.

Source: the section "Errors" of each call in zircon/vdso/*.fidl, from which docs/reference/syscalls/*.md is made. Where a
page has none, the statuses that zircon/kernel/lib/syscalls answers with, marked so. Slips of the pages are put right:
ZX_ERR_BAD_TYPE and ZX_ERR_PERMISSION_DENIED do not exist and mean WRONG_TYPE and ACCESS_DENIED.
"""

from __future__ import annotations

from typing import Final

# Without "ZX_ERR_", in the order of the page.
_NAMES: Final[dict[str, str]] = {
    # bti, pmt, iommu
    "zx_iommu_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_SUPPORTED INVALID_ARGS NO_MEMORY",
    "zx_bti_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_bti_pin": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE UNAVAILABLE NO_MEMORY",
    "zx_bti_release_quarantine": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED",
    # channel
    "zx_channel_create": "INVALID_ARGS NO_MEMORY",
    "zx_channel_read": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED SHOULD_WAIT PEER_CLOSED NO_MEMORY BUFFER_TOO_SMALL",
    "zx_channel_read_etc": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED SHOULD_WAIT PEER_CLOSED NO_MEMORY"
    " BUFFER_TOO_SMALL",
    "zx_channel_write": "BAD_HANDLE WRONG_TYPE INVALID_ARGS NOT_SUPPORTED ACCESS_DENIED PEER_CLOSED NO_MEMORY OUT_OF_RANGE",
    "zx_channel_write_etc": "BAD_HANDLE WRONG_TYPE INVALID_ARGS NOT_SUPPORTED ACCESS_DENIED PEER_CLOSED NO_MEMORY"
    " OUT_OF_RANGE",
    "zx_channel_call": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED PEER_CLOSED CANCELED NO_MEMORY OUT_OF_RANGE"
    " BUFFER_TOO_SMALL NOT_SUPPORTED TIMED_OUT",
    "zx_channel_call_etc": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED PEER_CLOSED CANCELED NO_MEMORY OUT_OF_RANGE"
    " BUFFER_TOO_SMALL NOT_SUPPORTED",
    # counter
    "zx_counter_create": "INVALID_ARGS NO_MEMORY",
    "zx_counter_add": "WRONG_TYPE ACCESS_DENIED OUT_OF_RANGE",
    "zx_counter_read": "WRONG_TYPE ACCESS_DENIED INVALID_ARGS",
    "zx_counter_write": "WRONG_TYPE ACCESS_DENIED INVALID_ARGS",
    # event
    "zx_event_create": "INVALID_ARGS NO_MEMORY",
    "zx_eventpair_create": "INVALID_ARGS NOT_SUPPORTED NO_MEMORY",
    # exception
    "zx_exception_get_process": "ACCESS_DENIED BAD_HANDLE NO_MEMORY WRONG_TYPE",
    "zx_exception_get_thread": "BAD_HANDLE NO_MEMORY WRONG_TYPE",
    # fifo
    "zx_fifo_create": "INVALID_ARGS OUT_OF_RANGE NO_MEMORY",
    "zx_fifo_read": "BAD_HANDLE WRONG_TYPE INVALID_ARGS OUT_OF_RANGE ACCESS_DENIED PEER_CLOSED SHOULD_WAIT",
    "zx_fifo_write": "BAD_HANDLE WRONG_TYPE INVALID_ARGS OUT_OF_RANGE ACCESS_DENIED PEER_CLOSED SHOULD_WAIT",
    # handle
    "zx_handle_check_valid": "INVALID_ARGS OUT_OF_RANGE NOT_FOUND",
    "zx_handle_close": "BAD_HANDLE",
    "zx_handle_close_many": "BAD_HANDLE",
    "zx_handle_duplicate": "BAD_HANDLE INVALID_ARGS ACCESS_DENIED NO_MEMORY",
    "zx_handle_replace": "BAD_HANDLE INVALID_ARGS NO_MEMORY",
    # interrupt
    "zx_interrupt_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_interrupt_bind": "BAD_HANDLE WRONG_TYPE CANCELED BAD_STATE ACCESS_DENIED ALREADY_BOUND INVALID_ARGS NOT_FOUND",
    "zx_interrupt_wait": "BAD_HANDLE WRONG_TYPE BAD_STATE ACCESS_DENIED CANCELED INVALID_ARGS",
    "zx_interrupt_destroy": "BAD_HANDLE WRONG_TYPE NOT_FOUND ACCESS_DENIED",
    "zx_interrupt_ack": "BAD_HANDLE WRONG_TYPE BAD_STATE CANCELED ACCESS_DENIED",
    "zx_interrupt_trigger": "BAD_HANDLE WRONG_TYPE BAD_STATE CANCELED ACCESS_DENIED INVALID_ARGS",
    "zx_msi_allocate": "INVALID_ARGS ACCESS_DENIED NOT_SUPPORTED",
    "zx_msi_create": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ALREADY_BOUND",
    # iob
    "zx_iob_create": "INVALID_ARGS NO_MEMORY OUT_OF_RANGE",
    "zx_iob_allocate_id": "OUT_OF_RANGE WRONG_TYPE INVALID_ARGS ACCESS_DENIED NO_MEMORY IO_DATA_INTEGRITY",
    "zx_iob_writev": "ACCESS_DENIED BAD_HANDLE INVALID_ARGS IO_DATA_INTEGRITY NOT_FOUND NO_SPACE OUT_OF_RANGE WRONG_TYPE",
    "zx_iob_create_shared_region": "ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE NO_MEMORY",
    # object
    "zx_object_wait_one": "INVALID_ARGS BAD_HANDLE ACCESS_DENIED CANCELED TIMED_OUT NOT_SUPPORTED",
    "zx_object_wait_many": "INVALID_ARGS OUT_OF_RANGE BAD_HANDLE ACCESS_DENIED CANCELED TIMED_OUT NOT_SUPPORTED NO_MEMORY",
    "zx_object_wait_async": "INVALID_ARGS BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_SUPPORTED NO_MEMORY",
    # profile
    "zx_profile_create": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_sampler_create": "NOT_SUPPORTED ACCESS_DENIED INVALID_ARGS",
    "zx_sampler_start": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE",
    "zx_sampler_stop": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE",
    "zx_sampler_read": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE",
    # resource
    "zx_resource_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND NO_MEMORY",
    # restricted
    "zx_restricted_enter": "INVALID_ARGS BAD_STATE",
    "zx_restricted_bind_state": "INVALID_ARGS NO_MEMORY",
    "zx_restricted_unbind_state": "INVALID_ARGS",
    "zx_restricted_kick": "INVALID_ARGS WRONG_TYPE ACCESS_DENIED BAD_STATE",
    # task
    "zx_task_kill": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED",
    "zx_task_suspend": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE NO_MEMORY NOT_SUPPORTED",
    "zx_task_suspend_token": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE",
    "zx_task_create_exception_channel": "ACCESS_DENIED ALREADY_BOUND BAD_HANDLE BAD_STATE INVALID_ARGS NO_MEMORY WRONG_TYPE",
    # timer
    "zx_timer_create": "INVALID_ARGS NO_MEMORY",
    "zx_timer_set": "BAD_HANDLE ACCESS_DENIED OUT_OF_RANGE",
    "zx_timer_cancel": "BAD_HANDLE ACCESS_DENIED",
    # vmo
    "zx_vmo_create": "INVALID_ARGS NO_MEMORY OUT_OF_RANGE",
    "zx_vmo_read": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_FOUND OUT_OF_RANGE BAD_STATE IO IO_DATA_INTEGRITY",
    "zx_vmo_write": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_FOUND NO_MEMORY OUT_OF_RANGE BAD_STATE",
    "zx_vmo_get_size": "BAD_HANDLE WRONG_TYPE INVALID_ARGS",
    "zx_vmo_get_stream_size": "BAD_HANDLE WRONG_TYPE INVALID_ARGS",
    "zx_vmo_set_size": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED UNAVAILABLE OUT_OF_RANGE NO_MEMORY BAD_STATE",
    "zx_vmo_set_stream_size": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED OUT_OF_RANGE NO_MEMORY NOT_SUPPORTED",
    "zx_vmo_op_range": "BAD_HANDLE OUT_OF_RANGE NO_MEMORY WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_SUPPORTED UNAVAILABLE"
    " BAD_STATE IO IO_DATA_INTEGRITY",
    "zx_vmo_create_child": "WRONG_TYPE ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE NO_MEMORY BAD_STATE NOT_SUPPORTED",
    "zx_vmo_set_cache_policy": "ACCESS_DENIED BAD_HANDLE INVALID_ARGS NOT_SUPPORTED BAD_STATE",
    "zx_vmo_replace_as_executable": "BAD_HANDLE NO_MEMORY",
    "zx_vmo_create_physical": "WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY OUT_OF_RANGE",
    "zx_vmo_transfer_data": "BAD_HANDLE INVALID_ARGS ACCESS_DENIED BAD_STATE NOT_SUPPORTED OUT_OF_RANGE NO_MEMORY",
}

DOCUMENTED_ERRORS: Final[dict[str, tuple[str, ...]]] = {
    call: tuple(f"ZX_ERR_{name}" for name in names.split()) for call, names in _NAMES.items()
}
