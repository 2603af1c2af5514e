"""The C headers of the interface, by the names that programs written against Zircon include.

Calls, constants and structs come from `abi/`; what is code or plain C (`sdk/include/`) is written by hand and copied.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jacinth.abi import STRUCTS, SYSCALLS, Struct, constants
from jacinth.abi.rows import SCALARS, Kind, Param, SyscallRow

INCLUDE: Final = Path(__file__).parent / "include"


@dataclass(frozen=True, slots=True)
class _Header:
    """A generated header: what goes into it, by the beginnings of names."""

    path: str
    about: str
    constants: tuple[str, ...] = ()
    structs: tuple[str, ...] = ()


# The longest beginning that fits decides; types.h takes the rest.
_TYPES: Final = _Header("zircon/types.h", "Handles, signals, options and the structs that calls share.", ("",), ("",))
_HEADERS: Final = (
    _Header("zircon/errors.h", "Statuses.", ("ZX_ERR_", "ZX_OK")),
    _Header("zircon/rights.h", "Rights of handles.", ("ZX_RIGHT", "ZX_DEFAULT_")),
    _TYPES,
    _Header("zircon/features.h", "What zx_system_get_features answers.", ("ZX_FEATURE_", "ZX_HAS_", "ZX_VM_FEATURE_", "ZX_ARM64_FEATURE_", "ZX_X86_64_FEATURE_", "ZX_RISCV64_FEATURE_")),
    _Header("zircon/processargs.h", "The bootstrap message.", ("PA_", "ZX_PROCARGS_"), ("zx_proc_args",)),
    _Header("zircon/syscalls/clock.h", "Clocks.", ("ZX_CLOCK_ARGS_", "ZX_CLOCK_OPT", "ZX_CLOCK_UPDATE_", "ZX_CLOCK_UNKNOWN_"), ("zx_clock_",)),
    _Header("zircon/syscalls/debug.h", "Registers of threads.", ("ZX_THREAD_STATE_", "ZX_X86_", "ZX_ARM64_", "ZX_RISCV64_", "ZX_DEBUG_"), ("zx_thread_state_", "zx_x86_", "zx_arm64_", "zx_riscv64_")),
    _Header("zircon/syscalls/exception.h", "Exceptions.", ("ZX_EXCP_", "ZX_EXCEPTION_"), ("zx_exception_",)),
    _Header("zircon/syscalls/hypervisor.h", "Guests and virtual CPUs.", ("ZX_GUEST_", "ZX_VCPU_"), ("zx_guest_", "zx_vcpu_")),
    _Header("zircon/syscalls/iob.h", "I/O buffers.", ("ZX_IOB_",), ("zx_iob_", "zx_iobuffer_")),
    _Header("zircon/syscalls/iommu.h", "I/O memory units.", ("ZX_IOMMU_",), ("zx_iommu_",)),
    _Header("zircon/syscalls/log.h", "The debuglog.", ("ZX_LOG_",), ("zx_log_",)),
    _Header("zircon/syscalls/object.h", "Topics and properties of objects.", ("ZX_INFO_", "ZX_PROP_", "ZX_TASK_RETCODE_"), ("zx_info_", "zx_task_", "zx_sampler_x")),
    _Header("zircon/syscalls/pci.h", "PCI.", ("ZX_PCI_", "ZX_PCIE_"), ("zx_pci_", "zx_pcie_")),
    _Header("zircon/syscalls/policy.h", "Policies of jobs.", ("ZX_POL_", "ZX_JOB_POL_"), ("zx_policy_",)),
    _Header("zircon/syscalls/port.h", "Ports and packets.", ("ZX_PKT_", "ZX_PORT_", "ZX_WAIT_ASYNC_"), ("zx_port_", "zx_packet_")),
    _Header("zircon/syscalls/profile.h", "Scheduling profiles.", ("ZX_PROFILE_", "ZX_PRIORITY_"), ("zx_profile_",)),
    _Header("zircon/syscalls/resource.h", "Resources.", ("ZX_RSRC_",), ("zx_rsrc_",)),
    _Header("zircon/syscalls/restricted.h", "Restricted mode.", ("ZX_RESTRICTED_",), ("zx_restricted_",)),
    _Header("zircon/syscalls/rseq.h", "Restartable sequences.", ("ZX_RSEQ_",), ("zx_rseq_",)),
    _Header("zircon/syscalls/sampling.h", "Sampling.", ("ZX_SAMPLER_",), ("zx_sampler_",)),
    _Header("zircon/syscalls/smc.h", "Secure monitor calls.", ("ZX_SMC_",), ("zx_smc_",)),
    _Header("zircon/syscalls/system.h", "The system as a whole.", ("ZX_SYSTEM_", "ZX_PROCESSOR_"), ("zx_system_", "zx_processor_", "zx_wake_source_")),
)  # fmt: skip

# Which of the named integer types a constant has, by the beginning of its name; the longest that fits decides.
_CONSTANT_TYPES: Final = {
    "ZX_CLOCK_MONOTONIC": "zx_clock_t",
    "ZX_CLOCK_BOOT": "zx_clock_t",
    "ZX_DEFAULT_": "zx_rights_t",
    "ZX_EXCP_": "zx_excp_type_t",
    "ZX_EXCP_POLICY_CODE_": "uint32_t",
    "ZX_HANDLE_FIXED_BITS_MASK": "zx_handle_t",
    "ZX_HANDLE_INVALID": "zx_handle_t",
    "ZX_KOID_": "uint64_t",
    "ZX_OBJ_TYPE_": "zx_obj_type_t",
    "ZX_RIGHT": "zx_rights_t",
    "ZX_RSRC_KIND_": "zx_rsrc_kind_t",
    "ZX_TASK_RETCODE_": "int64_t",
    "ZX_VM_": "zx_vm_option_t",
    "ZX_VM_ALIGN_BASE": "int",
    "ZX_VM_FEATURE_": "uint32_t",
    "ZX_VM_FLAG_": "uint32_t",
    "ZX_WAIT_MANY_MAX_ITEMS": "size_t",
    "ZX_MAX_NAME_LEN": "size_t",
    "ZX_CPRNG_": "size_t",
}
_SIGNAL: Final = re.compile(
    r"(__)?ZX_(OBJECT_|USER_SIGNAL_|SIGNAL_|\w+_(SIGNALED|READABLE|WRITABLE|PEER_CLOSED|TERMINATED|RUNNING|SUSPENDED"
    r"|STARTED|UPDATED|PEER_WRITE_DISABLED|NO_JOBS|NO_PROCESSES|ZERO_CHILDREN|SIGNAL_MASK|POSITIVE|UNTRIGGERED"
    r"|READ_THRESHOLD|WRITE_THRESHOLD)$|SOCKET_WRITE_DISABLED$)"
)

# Integer types that are no parameter of a call and so not in SCALARS.
_CONST_CALLS: Final = {
    "zx_status_get_string",
    "zx_system_get_dcache_line_size",
    "zx_system_get_num_cpus",
    "zx_system_get_page_size",
    "zx_system_get_physmem",
    "zx_system_get_version_string",
    "zx_ticks_per_second",
}
