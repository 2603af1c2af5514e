from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jacinth.abi import STRUCTS, Struct, constants
from jacinth.abi import structs as s
from jacinth.sdk import headers
from jacinth.tools import cc

# Size, then where each member is; `a..b` stands for every eighth byte from a to b. From the headers, by hand.
LAYOUTS = """
zx_info_handle_basic_t 32: 0 8 12 16 24 28
zx_info_handle_count_t 4: 0
zx_info_handle_extended_t 40: 0 4 8 12 16 24 32
zx_info_process_handle_stats_t 256: 0
zx_info_process_t 24: 0 8 16 20
zx_info_job_t 16: 0 8 9 10 11
zx_info_timer_t 24: 0 4 8 16
zx_info_stream_t 24: 0 4 8 16
zx_cpu_set_t 64: 0
zx_info_thread_t 72: 0 4 8
zx_info_thread_stats_t 16: 0 8 12
zx_info_task_stats_v1_t 32: 0..24
zx_info_task_stats_t 40: 0..32
zx_info_task_runtime_v1_t 16: 0 8
zx_info_task_runtime_t 32: 0..24
zx_info_vmar_t 16: 0 8
zx_info_bti_t 32: 0..24
zx_info_socket_t 48: 0 4 8..40
zx_info_maps_mapping_v1_t 32: 0 4 8 16 24
zx_info_maps_mapping_v2_t 40: 0 4 8..32
zx_info_maps_mapping_t 88: 0 4 8..80
zx_info_maps_v1_t 96: 0 32 40 48 56 60 64
zx_info_maps_v2_t 104: 0 32 40 48 56 60 64
zx_info_maps_t 152: 0 32 40 48 56 60 64
zx_info_vmo_v1_t 104: 0 8 40..80 84 88 96 100
zx_info_vmo_v2_t 120: 0 8 40..80 84 88 96 100 104 112
zx_info_vmo_v3_t 128: 0 8 40..80 84 88 96 100 104 112 120
zx_info_vmo_t 176: 0 8 40..80 84 88 96 100 104..168
zx_info_guest_stats_t 120: 0 4 8..112
zx_info_cpu_stats_t 144: 0 4 8..136
zx_info_kmem_stats_t 152: 0..144
zx_info_kmem_stats_v1_t 72: 0..64
zx_info_kmem_stats_extended_t 120: 0..112
zx_info_kmem_stats_compression_t 168: 0..104
zx_info_resource_t 56: 0 4 8 16 24
zx_info_msi_t 24: 0 8 12 16 20
zx_info_vcpu_t 4: 0
zx_info_iob_t 16: 0 8 12
zx_info_memory_stall_t 16: 0 8
zx_info_interrupt_t 4: 0
zx_wait_item_t 12: 0 4 8
zx_packet_user_t 32: 0
zx_packet_signal_t 32: 0 4 8 16 24
zx_packet_guest_bell_t 32: 0..24
zx_packet_guest_mem_t 32: 0 8 16 24 25 26
zx_packet_guest_io_t 32: 0 2 3 4 8 16 24
zx_packet_guest_vcpu_interrupt_t 16: 0 8 9
zx_packet_guest_vcpu_startup_t 16: 0 8
zx_packet_guest_vcpu_t 32: 0 4 8 24
zx_packet_interrupt_t 32: 0..24
zx_packet_page_request_t 32: 0 2 4 8 16 24
zx_packet_processor_power_level_transition_request_t 32: 0 4 8 16 24
zx_port_packet_t 48: 0 8 12 16
zx_channel_call_args_t 48: 0..32 36 40 44
zx_channel_call_etc_args_t 48: 0..32 36 40 44
zx_handle_info_t 16: 0 4 8 12
zx_handle_disposition_t 20: 0 4 8 12 16
zx_channel_iovec_t 16: 0 8 12
zx_iovec_t 16: 0 8
zx_policy_basic_v1_t 8: 0 4
zx_policy_basic_v2_t 12: 0 4 8
zx_policy_basic_t 8: 0 4
zx_policy_basic 8: 0 4
zx_policy_timer_slack_t 16: 0 8 12
zx_exception_header_t 8: 0 4
zx_x86_64_exc_data_t 24: 0 8 16
zx_exception_context_v1_t 24: 0
zx_exception_report_v1_t 32: 0 8
zx_exception_context_t 32: 0 24 28
zx_exception_report_t 40: 0 8
zx_exception_info_t 24: 0 8 16 20
zx_thread_state_general_regs_t 160: 0..152
zx_x86_64_thread_state_general_regs_t 160: 0..152
zx_x86_64_st_t 16: 0 8
zx_thread_state_fp_regs_t 160: 0 2 4 5 6 8 16 24 32
zx_x86_64_thread_state_fp_regs_t 160: 0 2 4 5 6 8 16 24 32
zx_x86_64_zmm_t 64: 0
zx_thread_state_vector_regs_t 2120: 0 2048 2112 2116
zx_x86_64_thread_state_vector_regs_t 2120: 0 2048 2112 2116
zx_thread_state_debug_regs_t 48: 0 32 40
zx_x86_64_thread_state_debug_regs_t 48: 0 32 40
zx_restricted_state_t 160: 0..152
zx_restricted_syscall_t 160: 0
zx_restricted_exception_t 200: 0 160
zx_clock_rate_t 8: 0 4
zx_clock_transformation_t 24: 0 8 16
zx_clock_details_v1_t 112: 0 8 16 40 64..104 108
zx_clock_create_args_v1_t 8: 0
zx_clock_update_args_v1_t 24: 0 4 8 16
zx_clock_update_args_v2_t 32: 0 4 8 16 24
zx_log_record_t 256: 0 8 12 14 15 16 24 32 40
zx_pager_vmo_stats_t 4: 0
zx_vmo_dirty_range_t 24: 0 8 16
zx_vmo_lock_state_t 32: 0..24
zx_sched_deadline_params_t 24: 0 8 16
zx_profile_info_t 96: 0 4 8 32
zx_iob_discipline_t 72: 0 8
zx_iob_discipline_mediated_write_ring_buffer_t 64: 0 8
zx_iob_region_private_t 32: 0 4 8
zx_iob_region_shared_t 32: 0 4 8
zx_iob_region_t 120: 0 4 8 16 88
zx_iob_region_info_t 128: 0 120
zx_powerctl_acpi_transition_s_state_t 12: 0 1 2 3
zx_powerctl_x86_power_limit_t 12: 0 4 8 9 10
zx_system_powerctl_arg_t 12: 0
zx_cpu_performance_scale_t 8: 0 4
zx_cpu_performance_info_t 12: 0 4
zx_cpu_perf_limit_t 24: 0 4 8 16
zx_processor_power_level_t 104: 0..40 72
zx_processor_power_level_transition_t 24: 0 8 16 17 18
zx_processor_power_state_t 24: 0 4 8 16
zx_processor_power_domain_t 72: 0 64 68
zx_power_domain_info_t 72: 0 64 68 69 70
zx_wake_source_report_header_t 24: 0 8 16 20
zx_wake_source_report_entry_t 72: 0 8 40 48 56 64 68
zx_smc_parameters_t 64: 0 4 8..56 58 60
zx_smc_result_t 40: 0..32
zx_pci_bar_t 24: 0 4 8 16
zx_pcie_device_info_t 12: 0 2 4 5 6 7 8 9 10 11
zx_pci_init_irq_t 8: 0 4 5 6
zx_pci_init_addr_window_t 24: 0 8 16 17 18 19 20
zx_pci_init_arg_t 5896: 0 4096 4100 5892
zx_vcpu_state_t 136: 0..128
zx_vcpu_io_t 8: 0 1 4
zx_sampler_config_t 16: 0 8
zx_proc_args_t 36: 0 4 8 12 16 20 24 28 32
zx_rseq_t 32: 0 4 8 16 24
zx_iommu_desc_stub_t 1: 0
zx_iommu_desc_dummy_t 1: 0
zx_iommu_desc_intel_scope_t 8: 0 1 2 3
zx_iommu_desc_intel_reserved_memory_t 24: 0 8 16 17
zx_iommu_desc_intel_t 16: 0 8 10 11 12 14
zx_iommu_desc_arm_smmu_t 8: 0
"""
# Those that are not aligned as their largest member.
ALIGNMENTS = {"zx_x86_64_st_t": 16, "zx_thread_state_fp_regs_t": 16, "zx_rseq_t": 32}
ALIGNMENTS |= {"zx_system_powerctl_arg_t": 4, "zx_vcpu_io_t": 4, "zx_port_packet_t": 8, "zx_wait_item_t": 4}


def layouts() -> dict[str, tuple[int, list[int]]]:
    parsed = {}
    for line in LAYOUTS.strip().splitlines():
        head, members = line.split(":")
        name, size = head.split()
        offsets: list[int] = []
        for word in members.split():
            first, _, last = word.partition("..")
            offsets += range(int(first), int(last or first) + 1, 8)
        parsed[name] = (int(size), offsets)
    return parsed


@pytest.mark.parametrize("name", layouts())
def test_a_struct_has_the_layout_of_its_header(name: str) -> None:
    size, offsets = layouts()[name]
    cls = STRUCTS[name]
    assert [field.offset for field in cls.fields] == offsets
    assert (cls.SIZE, len(cls().pack())) == (size, size)


def test_every_struct_was_looked_at() -> None:
    assert sorted(STRUCTS) == sorted(layouts())
    for name, alignment in ALIGNMENTS.items():
        assert alignment == STRUCTS[name].ALIGN, name


@pytest.mark.parametrize("cls", sorted(set(STRUCTS.values()), key=lambda cls: cls.__name__))
def test_bytes_survive_a_round_trip(cls: type[Struct]) -> None:
    # Booleans are 0 or 1 in C, and a name ends at its first NUL.
    data = bytes(1 if n % 8 else 0 for n in range(cls.SIZE))
    packed = cls.unpack(data).pack()
    assert len(packed) == cls.SIZE
    assert cls.unpack(packed) == cls.unpack(data)


def test_members_have_values_and_wrong_ones_are_refused() -> None:
    report = s.zx_exception_report_t()
    report.context.arch.cr2 = 0xDEAD
    report.header = s.zx_exception_header_t(size=40, type=constants.ZX_EXCP_GENERAL)
    assert s.zx_exception_report_t.unpack(report.pack()).context.arch.cr2 == 0xDEAD
    assert s.zx_info_vmo_t.unpack(s.zx_info_vmo_t(name=b"stack").pack()).name == b"stack"
    with pytest.raises(TypeError):
        s.zx_info_job_t(exit_code=1)
    with pytest.raises(ValueError):
        s.zx_info_vmo_t(name=bytes(33)).pack()


def test_views_share_the_bytes_of_their_union() -> None:
    packet = s.zx_port_packet_t(key=7)
    packet.signal = s.zx_packet_signal_t(trigger=1, observed=3, count=1)
    assert packet.pack()[16:20] == b"\1\0\0\0"
    assert s.zx_packet_user_t(c8=packet.user).u32[:2] == [1, 3]
    packet.page_request = s.zx_packet_page_request_t(offset=4096)
    assert packet.signal.trigger == 0
    region = s.zx_iob_region_t(shared_region=s.zx_iob_region_shared_t(shared_region=5))
    assert region.pack()[92] == 5


def test_a_compiler_finds_the_same_sizes(tmp_path: Path) -> None:
    try:
        compiler = cc.find_compiler()
    except cc.CompileError as error:
        pytest.skip(str(error))
    headers.write_headers(tmp_path / "include")
    lines = [f"#include <{name}>" for name in headers.generated_headers()]
    lines += [f'_Static_assert(sizeof({name}) == {size}, "{name}");' for name, (size, _) in layouts().items()]
    lines += [f'_Static_assert(_Alignof({name}) == {n}, "{name}");' for name, n in ALIGNMENTS.items()]
    source = tmp_path / "sizes.c"
    source.write_text("\n".join(lines) + "\n")
    command = [*compiler.command, "-fsyntax-only", "-std=c11", f"-I{tmp_path / 'include'}", str(source)]
    subprocess.run(command, check=True)
