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
    "zx_pmt_unpin": "BAD_HANDLE WRONG_TYPE",
    # clock
    "zx_clock_get_monotonic": "",
    "zx_clock_get_boot": "",
    "zx_ticks_get": "",
    "zx_ticks_get_boot": "",
    "zx_ticks_per_second": "",
    "zx_deadline_after": "",
    "zx_nanosleep": "",
    "zx_clock_create": "INVALID_ARGS NO_MEMORY",
    "zx_clock_read": "BAD_HANDLE ACCESS_DENIED",
    "zx_clock_get_details": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS",
    "zx_clock_update": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS",
    "zx_clock_read_mapped": "INVALID_ARGS",  # no page for these two; the vDSO itself
    "zx_clock_get_details_mapped": "INVALID_ARGS",
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
    # cprng
    "zx_cprng_draw": "",
    "zx_cprng_add_entropy": "INVALID_ARGS",
    # debug
    "zx_debug_read": "NOT_SUPPORTED INVALID_ARGS",
    "zx_debug_write": "NOT_SUPPORTED INVALID_ARGS",
    "zx_debug_send_command": "NOT_SUPPORTED",
    "zx_debuglog_create": "INVALID_ARGS WRONG_TYPE NO_MEMORY",
    "zx_debuglog_write": "ACCESS_DENIED BAD_HANDLE INVALID_ARGS WRONG_TYPE",
    "zx_debuglog_read": "ACCESS_DENIED BAD_HANDLE INVALID_ARGS SHOULD_WAIT WRONG_TYPE",
    # Of these two and the samplers the pages have less; lib/syscalls/{debug,sampler}.rs.
    "zx_ktrace_read": "NOT_SUPPORTED BAD_HANDLE WRONG_TYPE OUT_OF_RANGE INVALID_ARGS",
    "zx_ktrace_control": "NOT_SUPPORTED BAD_HANDLE WRONG_TYPE OUT_OF_RANGE INVALID_ARGS",
    "zx_mtrace_control": "NOT_SUPPORTED",
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
    # futex
    "zx_futex_wait": "INVALID_ARGS BAD_HANDLE WRONG_TYPE BAD_STATE TIMED_OUT",
    "zx_futex_wake": "INVALID_ARGS",
    "zx_futex_wake_single_owner": "INVALID_ARGS",
    "zx_futex_requeue": "INVALID_ARGS BAD_HANDLE WRONG_TYPE BAD_STATE",
    "zx_futex_requeue_single_owner": "INVALID_ARGS BAD_HANDLE WRONG_TYPE BAD_STATE",
    "zx_futex_get_owner": "INVALID_ARGS",
    "zx_futex_wake_handle_close_thread_exit": "",
    # guest
    "zx_guest_create": "NOT_SUPPORTED ACCESS_DENIED INVALID_ARGS NO_MEMORY WRONG_TYPE",
    "zx_guest_set_trap": "ACCESS_DENIED ALREADY_EXISTS BAD_HANDLE INVALID_ARGS NO_MEMORY OUT_OF_RANGE WRONG_TYPE",
    "zx_vcpu_create": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS NO_MEMORY WRONG_TYPE",
    "zx_vcpu_enter": "ACCESS_DENIED BAD_HANDLE BAD_STATE CANCELED INTERNAL INVALID_ARGS NOT_SUPPORTED WRONG_TYPE",
    "zx_vcpu_kick": "ACCESS_DENIED BAD_HANDLE WRONG_TYPE",
    "zx_vcpu_interrupt": "ACCESS_DENIED BAD_HANDLE OUT_OF_RANGE WRONG_TYPE",
    "zx_vcpu_read_state": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS WRONG_TYPE",
    "zx_vcpu_write_state": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS WRONG_TYPE",
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
    # job
    "zx_job_create": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED OUT_OF_RANGE NO_MEMORY BAD_STATE",
    "zx_job_set_policy": "INVALID_ARGS BAD_HANDLE WRONG_TYPE ACCESS_DENIED BAD_STATE OUT_OF_RANGE ALREADY_EXISTS"
    " NOT_SUPPORTED NO_MEMORY",
    "zx_job_set_critical": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ALREADY_BOUND ACCESS_DENIED",
    # misc
    "zx_cache_flush": "INVALID_ARGS",
    "zx_membarrier_sync_process_data": "",
    "zx_membarrier_sync_process_insn": "",
    "zx_system_barrier": "INVALID_ARGS",
    # object
    "zx_object_wait_one": "INVALID_ARGS BAD_HANDLE ACCESS_DENIED CANCELED TIMED_OUT NOT_SUPPORTED",
    "zx_object_wait_many": "INVALID_ARGS OUT_OF_RANGE BAD_HANDLE ACCESS_DENIED CANCELED TIMED_OUT NOT_SUPPORTED NO_MEMORY",
    "zx_object_wait_async": "INVALID_ARGS BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_SUPPORTED NO_MEMORY",
    "zx_object_signal": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS",
    "zx_object_signal_peer": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS NOT_SUPPORTED PEER_CLOSED",
    "zx_object_get_info": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY BUFFER_TOO_SMALL NOT_SUPPORTED"
    " BAD_STATE",
    "zx_object_get_child": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_FOUND NO_MEMORY INVALID_ARGS",
    # Those of single properties are among them: a thread that is gone, a closed peer.
    "zx_object_get_property": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY BUFFER_TOO_SMALL NOT_SUPPORTED"
    " BAD_STATE",
    "zx_object_set_property": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS BUFFER_TOO_SMALL NOT_SUPPORTED BAD_STATE"
    " PEER_CLOSED",
    "zx_object_set_profile": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED BAD_STATE",
    # pager
    "zx_pager_create": "INVALID_ARGS NO_MEMORY",
    "zx_pager_create_vmo": "INVALID_ARGS BAD_HANDLE ACCESS_DENIED WRONG_TYPE OUT_OF_RANGE NO_MEMORY",
    "zx_pager_detach_vmo": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS",
    "zx_pager_supply_pages": "BAD_HANDLE WRONG_TYPE INVALID_ARGS ACCESS_DENIED BAD_STATE NOT_SUPPORTED OUT_OF_RANGE NO_MEMORY",
    "zx_pager_op_range": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE NOT_SUPPORTED NOT_FOUND BAD_STATE",
    "zx_pager_query_dirty_ranges": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE",
    "zx_pager_query_vmo_stats": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS BUFFER_TOO_SMALL",
    # pci: no errors are documented; lib/syscalls/ddk_pci.cc, as far as a kernel without a driver for the bus goes
    "zx_pci_init": "BAD_HANDLE WRONG_TYPE NOT_SUPPORTED",
    "zx_pci_add_subtract_io_range": "BAD_HANDLE WRONG_TYPE NOT_SUPPORTED",
    "zx_pci_cfg_pio_rw": "BAD_HANDLE WRONG_TYPE NOT_SUPPORTED",
    "zx_pci_get_nth_device": "BAD_HANDLE WRONG_TYPE NOT_SUPPORTED",
    "zx_pci_config_read": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_config_write": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_enable_bus_master": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_get_bar": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_map_interrupt": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_query_irq_mode": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_set_irq_mode": "BAD_HANDLE WRONG_TYPE",
    "zx_pci_reset_device": "BAD_HANDLE WRONG_TYPE",
    # port
    "zx_port_create": "INVALID_ARGS NO_MEMORY",
    "zx_port_queue": "BAD_HANDLE INVALID_ARGS WRONG_TYPE ACCESS_DENIED",
    "zx_port_wait": "BAD_HANDLE INVALID_ARGS ACCESS_DENIED TIMED_OUT",
    "zx_port_cancel": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_SUPPORTED NOT_FOUND",
    "zx_port_cancel_key": "INVALID_ARGS BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_FOUND",  # no page; lib/syscalls/port.cc
    # process
    "zx_process_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY BAD_STATE",
    "zx_process_create_shared": "INVALID_ARGS BAD_HANDLE WRONG_TYPE BAD_STATE ACCESS_DENIED NO_MEMORY",
    "zx_process_start": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED BAD_STATE INVALID_ARGS",
    "zx_process_read_memory": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS NOT_FOUND OUT_OF_RANGE WRONG_TYPE",
    "zx_process_write_memory": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS NOT_FOUND OUT_OF_RANGE NOT_SUPPORTED"
    " WRONG_TYPE",
    "zx_process_exit": "",
    # profile
    "zx_profile_create": "BAD_HANDLE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_sampler_create": "NOT_SUPPORTED ACCESS_DENIED INVALID_ARGS BAD_HANDLE WRONG_TYPE OUT_OF_RANGE ALREADY_EXISTS",
    "zx_sampler_start": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE BAD_HANDLE WRONG_TYPE",
    "zx_sampler_stop": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE BAD_HANDLE WRONG_TYPE",
    "zx_sampler_read": "NOT_SUPPORTED ACCESS_DENIED BAD_STATE BAD_HANDLE WRONG_TYPE INVALID_ARGS",
    # resource
    "zx_resource_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND NO_MEMORY",
    # No errors are documented; lib/syscalls/ddk.cc.
    "zx_ioports_request": "BAD_HANDLE WRONG_TYPE OUT_OF_RANGE",
    "zx_ioports_release": "BAD_HANDLE WRONG_TYPE OUT_OF_RANGE",
    "zx_smc_call": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED NOT_SUPPORTED INVALID_ARGS",
    # restricted
    "zx_restricted_enter": "INVALID_ARGS BAD_STATE",
    "zx_restricted_bind_state": "INVALID_ARGS NO_MEMORY",
    "zx_restricted_unbind_state": "INVALID_ARGS",
    "zx_restricted_kick": "INVALID_ARGS WRONG_TYPE ACCESS_DENIED BAD_STATE",
    # socket
    "zx_socket_create": "INVALID_ARGS NO_MEMORY",
    "zx_socket_write": "BAD_HANDLE BAD_STATE WRONG_TYPE INVALID_ARGS ACCESS_DENIED SHOULD_WAIT OUT_OF_RANGE PEER_CLOSED"
    " NO_MEMORY",
    "zx_socket_read": "BAD_HANDLE BAD_STATE WRONG_TYPE INVALID_ARGS ACCESS_DENIED SHOULD_WAIT PEER_CLOSED",
    "zx_socket_set_disposition": "BAD_HANDLE BAD_STATE WRONG_TYPE ACCESS_DENIED INVALID_ARGS",
    # stream
    "zx_stream_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_stream_writev": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND BAD_STATE FILE_BIG NO_SPACE OUT_OF_RANGE",
    "zx_stream_writev_at": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND BAD_STATE FILE_BIG NO_SPACE"
    " OUT_OF_RANGE",
    "zx_stream_readv": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND BAD_STATE",
    "zx_stream_readv_at": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NOT_FOUND BAD_STATE",
    "zx_stream_seek": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS",
    # system
    "zx_status_get_string": "",
    "zx_system_get_dcache_line_size": "",
    "zx_system_get_num_cpus": "",
    "zx_system_get_version_string": "",
    "zx_system_get_page_size": "",
    "zx_system_get_physmem": "",
    "zx_system_get_features": "NOT_SUPPORTED",
    "zx_system_get_event": "ACCESS_DENIED INVALID_ARGS",
    "zx_system_watch_memory_stall": "BAD_HANDLE WRONG_TYPE OUT_OF_RANGE INVALID_ARGS NO_MEMORY",
    "zx_system_set_performance_info": "BAD_HANDLE WRONG_TYPE OUT_OF_RANGE INVALID_ARGS NO_MEMORY",
    "zx_system_get_performance_info": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS OUT_OF_RANGE NO_MEMORY",
    "zx_system_mexec": "NOT_SUPPORTED",
    "zx_system_mexec_payload_get": "NOT_SUPPORTED BUFFER_TOO_SMALL",
    "zx_system_powerctl": "NOT_SUPPORTED BAD_STATE INVALID_ARGS",
    "zx_system_set_processor_power_domain": "ACCESS_DENIED WRONG_TYPE OUT_OF_RANGE",
    "zx_system_set_processor_power_state": "ACCESS_DENIED WRONG_TYPE INVALID_ARGS",
    "zx_system_suspend_enter": "BAD_HANDLE WRONG_TYPE OUT_OF_RANGE",
    # task
    "zx_task_kill": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED",
    "zx_task_suspend": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE NO_MEMORY NOT_SUPPORTED",
    "zx_task_suspend_token": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE",
    "zx_task_create_exception_channel": "ACCESS_DENIED ALREADY_BOUND BAD_HANDLE BAD_STATE INVALID_ARGS NO_MEMORY WRONG_TYPE",
    # thread
    "zx_thread_exit": "",
    "zx_thread_create": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY",
    "zx_thread_start": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED BAD_STATE INVALID_ARGS",
    "zx_thread_start_regs": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED BAD_STATE INVALID_ARGS",
    "zx_thread_read_state": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY BUFFER_TOO_SMALL BAD_STATE"
    " NOT_SUPPORTED",
    "zx_thread_write_state": "BAD_HANDLE WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY BAD_STATE NOT_SUPPORTED",
    "zx_thread_raise_exception": "INVALID_ARGS NO_MEMORY",
    "zx_thread_set_rseq": "INVALID_ARGS ALREADY_EXISTS BAD_HANDLE WRONG_TYPE ACCESS_DENIED",
    "zx_thread_legacy_yield": "INVALID_ARGS",
    # timer
    "zx_timer_create": "INVALID_ARGS NO_MEMORY",
    "zx_timer_set": "BAD_HANDLE ACCESS_DENIED OUT_OF_RANGE",
    "zx_timer_cancel": "BAD_HANDLE ACCESS_DENIED",
    # vmar
    "zx_vmar_allocate": "BAD_HANDLE WRONG_TYPE BAD_STATE INVALID_ARGS NO_MEMORY NO_RESOURCES ACCESS_DENIED",
    "zx_vmar_destroy": "ACCESS_DENIED BAD_HANDLE WRONG_TYPE BAD_STATE NOT_SUPPORTED",
    "zx_vmar_map": "BAD_HANDLE WRONG_TYPE BAD_STATE INVALID_ARGS ALREADY_EXISTS NO_RESOURCES ACCESS_DENIED NOT_SUPPORTED"
    " BUFFER_TOO_SMALL NO_MEMORY OUT_OF_RANGE",
    "zx_vmar_unmap": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE NOT_FOUND",
    "zx_vmar_unmap_handle_close_thread_exit": "BAD_HANDLE WRONG_TYPE INVALID_ARGS BAD_STATE NOT_FOUND",
    "zx_vmar_protect": "BAD_HANDLE WRONG_TYPE INVALID_ARGS NOT_FOUND ACCESS_DENIED NO_MEMORY",
    "zx_vmar_op_range": "ACCESS_DENIED BAD_HANDLE BAD_STATE INVALID_ARGS NOT_SUPPORTED OUT_OF_RANGE WRONG_TYPE",
    "zx_vmar_map_iob": "BAD_HANDLE WRONG_TYPE BAD_STATE INVALID_ARGS ALREADY_EXISTS NO_RESOURCES ACCESS_DENIED NOT_SUPPORTED"
    " BUFFER_TOO_SMALL NO_MEMORY OUT_OF_RANGE",
    "zx_vmar_map_clock": "BAD_HANDLE WRONG_TYPE BAD_STATE INVALID_ARGS ALREADY_EXISTS NO_RESOURCES ACCESS_DENIED",
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
    # No errors are documented; lib/syscalls/ddk.cc.
    "zx_vmo_create_contiguous": "INVALID_ARGS BAD_HANDLE WRONG_TYPE ACCESS_DENIED NO_MEMORY",
    "zx_vmo_create_physical": "WRONG_TYPE ACCESS_DENIED INVALID_ARGS NO_MEMORY OUT_OF_RANGE",
    "zx_vmo_transfer_data": "BAD_HANDLE INVALID_ARGS ACCESS_DENIED BAD_STATE NOT_SUPPORTED OUT_OF_RANGE NO_MEMORY",
}

DOCUMENTED_ERRORS: Final[dict[str, tuple[str, ...]]] = {
    call: tuple(f"ZX_ERR_{name}" for name in names.split()) for call, names in _NAMES.items()
}
