from __future__ import annotations

import pytest

from jacinth import abi
from jacinth.abi import Status, constants
from jacinth.userboot.vdso import TimePage

# Written by hand from the headers: a family, and for each of its names the number.
VALUES = {
    "ZX_OBJ_TYPE_": "NONE 0 PROCESS 1 THREAD 2 VMO 3 CHANNEL 4 EVENT 5 PORT 6 INTERRUPT 9 PCI_DEVICE 11 LOG 12 "
    "DEBUGLOG 12 SOCKET 14 RESOURCE 15 EVENTPAIR 16 JOB 17 VMAR 18 FIFO 19 GUEST 20 VCPU 21 TIMER 22 IOMMU 23 "
    "BTI 24 PROFILE 25 PMT 26 SUSPEND_TOKEN 27 PAGER 28 EXCEPTION 29 CLOCK 30 STREAM 31 MSI 32 IOB 33 COUNTER 34 "
    "IOB_SHARED_REGION 35 SAMPLER 36 UPPER_BOUND 64",
    "ZX_DEFAULT_": "BTI_RIGHTS 0x80ef CHANNEL_RIGHTS 0xf00e CLOCK_RIGHTS 0xd0cf COUNTER_RIGHTS 0xd00f "
    "EVENT_RIGHTS 0xd003 EVENTPAIR_RIGHTS 0xf003 EXCEPTION_RIGHTS 0x80c2 FIFO_RIGHTS 0xf00f GUEST_RIGHTS 0x4800b "
    "INTERRUPT_RIGHTS 0xd00f IOB_RIGHTS 0xf0ef IOB_SHARED_REGION_RIGHTS 0xd0c3 IOMMU_RIGHTS 0x8003 "
    "JOB_RIGHTS 0x7dfcf LOG_RIGHTS 0xd00b MSI_RIGHTS 0xc003 PAGER_RIGHTS 0x1808002 PCI_DEVICE_RIGHTS 0xc00f "
    "PCI_INTERRUPT_RIGHTS 0xd00f PMT_RIGHTS 0x8000 PORT_RIGHTS 0x800f PROCESS_RIGHTS 0x6d3cf "
    "PROFILE_RIGHTS 0x88003 RESOURCE_RIGHTS 0x800b SAMPLER_RIGHTS 0x8003 SOCKET_RIGHTS 0x10f0cf STREAM_RIGHTS 0xd0c3 "
    "SUSPEND_TOKEN_RIGHTS 0x8002 SYSTEM_EVENT_LOW_MEMORY_RIGHTS 0x4003 SYSTEM_MEMORY_STALL_EVENT_RIGHTS 0x4003 "
    "THREAD_RIGHTS 0x4d2cf TIMER_RIGHTS 0xd00b VCPU_RIGHTS 0xd01f VMAR_RIGHTS 0x208003 VMO_RIGHTS 0xd0ef",
    "ZX_PROP_": "REGISTER_GS 2 NAME 3 REGISTER_FS 4 PROCESS_DEBUG_ADDR 5 PROCESS_VDSO_BASE_ADDRESS 6 "
    "PROCESS_BREAK_ON_LOAD 7 PROCESS_HW_TRACE_CONTEXT_ID 8 SOCKET_RX_THRESHOLD 12 SOCKET_TX_THRESHOLD 13 "
    "JOB_KILL_ON_OOM 15 EXCEPTION_STATE 16 VMO_CONTENT_SIZE 17 EXCEPTION_STRATEGY 18 STREAM_MODE_APPEND 19",
    "ZX_RSRC_": "KIND_MMIO 0 KIND_IRQ 1 KIND_IOPORT 2 KIND_ROOT 3 KIND_SMC 4 KIND_SYSTEM 5 KIND_COUNT 6 "
    "FLAG_EXCLUSIVE 0x10000 FLAGS_MASK 0x10000 SYSTEM_HYPERVISOR_BASE 0 SYSTEM_VMEX_BASE 1 SYSTEM_DEBUG_BASE 2 "
    "SYSTEM_INFO_BASE 3 SYSTEM_CPU_BASE 4 SYSTEM_POWER_BASE 5 SYSTEM_MEXEC_BASE 6 SYSTEM_ENERGY_INFO_BASE 7 "
    "SYSTEM_IOMMU_BASE 8 SYSTEM_PROFILE_BASE 10 SYSTEM_MSI_BASE 11 SYSTEM_DEBUGLOG_BASE 12 SYSTEM_STALL_BASE 13 "
    "SYSTEM_TRACING_BASE 14 SYSTEM_SAMPLING_BASE 15 SYSTEM_COUNT 16",
    "ZX_POL_": "BAD_HANDLE 0 WRONG_OBJECT 1 VMAR_WX 2 NEW_ANY 3 NEW_VMO 4 NEW_CHANNEL 5 NEW_EVENT 6 "
    "NEW_EVENTPAIR 7 NEW_PORT 8 NEW_SOCKET 9 NEW_FIFO 10 NEW_TIMER 11 NEW_PROCESS 12 NEW_PROFILE 13 NEW_PAGER 14 "
    "AMBIENT_MARK_VMO_EXEC 15 NEW_IOB 16 NEW_SAMPLER 17 MAX 18 ACTION_ALLOW 0 ACTION_DENY 1 "
    "ACTION_ALLOW_EXCEPTION 2 ACTION_DENY_EXCEPTION 3 ACTION_KILL 4 ACTION_MAX 5 OVERRIDE_ALLOW 0 OVERRIDE_DENY 1",
    "ZX_JOB_POL_": "RELATIVE 0 ABSOLUTE 1 BASIC 0 BASIC_V1 0 BASIC_V2 0x1000000 TIMER_SLACK 1",
    "ZX_PKT_TYPE_": "USER 0 SIGNAL_ONE 1 GUEST_BELL 3 GUEST_MEM 4 GUEST_IO 5 GUEST_VCPU 6 INTERRUPT 7 "
    "PAGE_REQUEST 9 PROCESSOR_POWER_LEVEL_TRANSITION_REQUEST 10",
    "ZX_VMO_OP_": "COMMIT 1 DECOMMIT 2 LOCK 3 UNLOCK 4 CACHE_SYNC 6 CACHE_INVALIDATE 7 CACHE_CLEAN 8 "
    "CACHE_CLEAN_INVALIDATE 9 ZERO 10 TRY_LOCK 11 DONT_NEED 12 ALWAYS_NEED 13 PREFETCH 14",
    "ZX_VMO_CHILD_": "SNAPSHOT 1 RESIZABLE 4 SLICE 8 SNAPSHOT_AT_LEAST_ON_WRITE 16 NO_WRITE 32 REFERENCE 64 "
    "SNAPSHOT_MODIFIED 128",
    "ZX_EXCEPTION_": "CHANNEL_DEBUGGER 1 TARGET_JOB_DEBUGGER 1 CHANNEL_TYPE_NONE 0 CHANNEL_TYPE_DEBUGGER 1 "
    "CHANNEL_TYPE_THREAD 2 CHANNEL_TYPE_PROCESS 3 CHANNEL_TYPE_JOB 4 CHANNEL_TYPE_JOB_DEBUGGER 5 "
    "CHANNEL_JOB_DEBUGGER_MAX_COUNT 32 STATE_TRY_NEXT 0 STATE_HANDLED 1 STATE_THREAD_EXIT 2 "
    "STRATEGY_FIRST_CHANCE 0 STRATEGY_SECOND_CHANCE 1",
    "ZX_VM_FLAG_": "PERM_READ 1 PERM_WRITE 2 PERM_EXECUTE 4 COMPACT 8 SPECIFIC 16 SPECIFIC_OVERWRITE 32 "
    "CAN_MAP_SPECIFIC 64 CAN_MAP_READ 128 CAN_MAP_WRITE 256 CAN_MAP_EXECUTE 512 MAP_RANGE 1024 "
    "REQUIRE_NON_RESIZABLE 2048",
    "ZX_IOMMU_": "MAX_DESC_LEN 4096 TYPE_STUB 0 TYPE_INTEL 1 TYPE_ARM_SMMU 2 TYPE_DUMMY 0 "
    "INTEL_SCOPE_ENDPOINT 0 INTEL_SCOPE_BRIDGE 1",
    "ZX_RESTRICTED_REASON_": "SYSCALL 0 EXCEPTION 1 KICK 2 EXCEPTION_LOST 3",
    "ZX_TASK_RETCODE_": "SYSCALL_KILL -1024 OOM_KILL -1025 POLICY_KILL -1026 VDSO_KILL -1027 "
    "EXCEPTION_KILL -1028 CRITICAL_PROCESS_KILL -1029",
}


def family(prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): value
        for name, value in vars(constants).items()
        if name.startswith(prefix) and isinstance(value, int)
    }


@pytest.mark.parametrize("prefix", VALUES)
def test_a_family_has_the_numbers_of_the_header(prefix: str) -> None:
    words = VALUES[prefix].split()
    numbers = (int(word, 0) for word in words[1::2])
    assert family(prefix) == dict(zip(words[::2], numbers, strict=True))


def test_statuses_are_the_constants() -> None:
    numbers = {f"ZX_ERR_{status.name}": int(status) for status in Status if status is not Status.OK}
    assert numbers == {f"ZX_ERR_{name}": value for name, value in family("ZX_ERR_").items()}
    assert Status.OK == constants.ZX_OK == 0


def test_rights_are_single_bits() -> None:
    rights = family("ZX_RIGHT_")
    assert rights.pop("NONE") == 0
    assert rights.pop("SAME_RIGHTS") == 1 << 31
    assert list(rights.values()) == [1 << n for n in range(25)]


def test_topics_carry_their_version() -> None:
    for name, value in family("ZX_INFO_").items():
        if "_V1" in name:
            assert value >> 28 == 0, name
        elif "_V2" in name:
            assert value >> 28 == 1, name
    assert constants.ZX_INFO_PROCESS == 0x10000003
    assert constants.ZX_INFO_VMO == 0x30000017
    assert constants.ZX_INFO_CLOCK_MAPPED_SIZE == 40


def test_signals_of_objects_stay_off_the_users() -> None:
    assert len(set(constants.SIGNALS)) == len(constants.SIGNALS)
    for name in constants.SIGNALS:
        assert not getattr(constants, name) & constants.ZX_USER_SIGNAL_ALL
    assert constants.ZX_EVENTPAIR_SIGNAL_MASK == 0xFF00000C


def test_policy_codes_are_the_conditions_until_one_is_not() -> None:
    codes = family("ZX_EXCP_POLICY_CODE_")
    for name, value in family("ZX_POL_").items():
        if name in codes and name not in ("NEW_IOB", "NEW_SAMPLER"):
            assert codes[name] == value
    assert (codes["BAD_SYSCALL"], codes["NEW_IOB"], codes["NEW_SAMPLER"]) == (18, 21, 22)


def test_alignments_are_the_logarithm_in_the_highest_byte() -> None:
    assert constants.ZX_VM_ALIGN_1KB >> constants.ZX_VM_ALIGN_BASE == 10
    assert constants.ZX_VM_ALIGN_2MB >> constants.ZX_VM_ALIGN_BASE == 21
    assert constants.ZX_VM_ALIGN_4GB >> constants.ZX_VM_ALIGN_BASE == 32


def test_durations_are_nanoseconds() -> None:
    assert abi.ZX_SEC(2) == abi.ZX_MSEC(2000) == abi.ZX_USEC(2_000_000) == abi.ZX_NSEC(2_000_000_000)
    assert abi.ZX_HOUR(1) == abi.ZX_MIN(60) == abi.ZX_SEC(3600)


def test_the_time_page_has_a_word_for_each_kind_of_feature() -> None:
    assert sorted(family("ZX_FEATURE_KIND_").values()) == list(range(TimePage.FEATURE_KINDS))


# processargs.h, by hand, without the prefix PA_.
HANDLE_TYPES = """PROC_SELF 0x01 THREAD_SELF 0x02 JOB_DEFAULT 0x03 VMAR_ROOT 0x04 VMAR_LOADED 0x05 LDSVC_LOADER 0x10
VMO_VDSO 0x11 VMO_STACK 0x13 VMO_EXECUTABLE 0x14 VMO_BOOTDATA 0x1a VMO_BOOTFS 0x1b VMO_KERNEL_FILE 0x1c
VMO_COMPONENT_CONFIG 0x1d NS_DIR 0x20 FD 0x30 LIFECYCLE 0x3a DIRECTORY_REQUEST 0x3b ESCROWED_DICTIONARY 0x3c
LOG_SINK 0x3d RESOURCE 0x3f CLOCK_UTC 0x40 MMIO_RESOURCE 0x50 IRQ_RESOURCE 0x51 IOPORT_RESOURCE 0x52 SMC_RESOURCE 0x53
SYSTEM_RESOURCE 0x54 USER0 0xf0 USER1 0xf1 USER2 0xf2"""


def test_what_handles_are_for_has_the_numbers_of_the_header() -> None:
    words = HANDLE_TYPES.split()
    expected = {f"PA_{name}": int(number, 16) for name, number in zip(words[::2], words[1::2], strict=True)}
    found = {name: n for name, n in vars(abi).items() if name.startswith("PA_") and isinstance(n, int)}
    assert found == expected


def test_a_handles_word_holds_its_type_and_sixteen_bits() -> None:
    assert abi.PA_HND(abi.PA_FD, 0x12345) == 0x2345_0030
    assert (abi.PA_HND_TYPE(0x2345_0030), abi.PA_HND_ARG(0x2345_0030)) == (0x30, 0x2345)
    assert (abi.ZX_PROCARGS_PROTOCOL, abi.ZX_PROCARGS_VERSION) == (0x4150_585D, 0x1000)
