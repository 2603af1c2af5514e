"""The C headers of the interface, by the names that programs written against Zircon include.

Calls, constants and structs come from `abi/`; what is code or plain C (`sdk/include/`) is written by hand
and copied.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jacinth.abi import constants, processargs
from jacinth.abi.rows import SCALARS, Kind, Param, SyscallRow
from jacinth.abi.structs import STRUCTS, Field, Struct, View
from jacinth.abi.table import SYSCALLS

INCLUDE: Final = Path(__file__).parent / "include"


@dataclass(frozen=True, slots=True)
class _Header:
    """A generated header: what goes into it, by the beginnings of names."""

    path: str
    about: str
    constants: tuple[str, ...]
    structs: tuple[str, ...]


def _of(path: str, about: str, constants: str, structs: str = "") -> _Header:
    return _Header(f"zircon/{path}", about, tuple(constants.split()), tuple(structs.split()))


# The longest beginning that fits decides; types.h takes the rest.
_TYPES: Final = _Header(
    "zircon/types.h", "Handles, signals, options, structs of several calls.", ("",), ("",)
)
_HEADERS: Final = (
    _of("errors.h", "Statuses.", "ZX_ERR_ ZX_OK"),
    _of("rights.h", "Rights of handles.", "ZX_RIGHT ZX_DEFAULT_"),
    _TYPES,
    _of("features.h", "What zx_system_get_features answers.", "ZX_FEATURE_ ZX_HAS_ ZX_VM_FEATURE_"),
    _of("processargs.h", "The bootstrap message.", "ZX_PROCARGS_", "zx_proc_args"),
    _of("syscalls/clock.h", "Clocks.", "ZX_CLOCK_ARGS_ ZX_CLOCK_OPT ZX_CLOCK_UPDATE_OPTION_", "zx_clock_"),
    _of("syscalls/debug.h", "Registers.", "ZX_THREAD_STATE_ ZX_X86_", "zx_thread_state_ zx_x86_"),
    _of("syscalls/exception.h", "Exceptions.", "ZX_EXCP_ ZX_EXCEPTION_", "zx_exception_ zx_x86_64_exc_"),
    _of("syscalls/hypervisor.h", "Guests and their CPUs.", "ZX_GUEST_ ZX_VCPU_", "zx_guest_ zx_vcpu_"),
    _of("syscalls/iob.h", "I/O buffers.", "ZX_IOB_", "zx_iob_"),
    _of("syscalls/iommu.h", "I/O memory units.", "ZX_IOMMU_", "zx_iommu_"),
    _of("syscalls/log.h", "The debuglog.", "ZX_LOG_", "zx_log_"),
    _of("syscalls/object.h", "Topics and properties.", "ZX_INFO_ ZX_PROP_ ZX_TASK_RETCODE_", "zx_info_"),
    _of("syscalls/pci.h", "PCI.", "ZX_PCI_ ZX_PCIE_", "zx_pci_ zx_pcie_"),
    _of("syscalls/policy.h", "Policies of jobs.", "ZX_POL_ ZX_JOB_POL_", "zx_policy_"),
    _of("syscalls/port.h", "Ports and packets.", "ZX_PKT_ ZX_PORT_ ZX_WAIT_ASYNC_", "zx_port_ zx_packet_"),
    _of("syscalls/profile.h", "Profiles.", "ZX_PROFILE_ ZX_PRIORITY_", "zx_profile_ zx_sched_"),
    _of("syscalls/resource.h", "Resources.", "ZX_RSRC_", "zx_rsrc_"),
    _of("syscalls/restricted.h", "Restricted mode.", "ZX_RESTRICTED_", "zx_restricted_"),
    _of("syscalls/rseq.h", "Restartable sequences.", "ZX_RSEQ_", "zx_rseq_"),
    _of("syscalls/sampling.h", "Sampling.", "ZX_SAMPLER_", "zx_sampler_"),
    _of("syscalls/smc.h", "Secure monitor calls.", "ZX_SMC_", "zx_smc_"),
    _of("syscalls/system.h", "The system.", "ZX_SYSTEM_ ZX_PROCESSOR_ ZX_CPU_PERF ZX_CPU_DEFAULT_ ZX_MAX_POWER_",
        "zx_system_ zx_powerctl_ zx_cpu_perf zx_processor_ zx_power_ zx_wake_"),
)  # fmt: skip

# The integer type of a constant, by the beginning of its name; the longest that fits decides.
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

# Names that programs use for integers which are no parameter of a call.
_MORE_TYPES: Final = {
    "zx_futex_storage_t": "int",
    "zx_handle_op_t": "uint32_t",
    "zx_object_info_topic_t": "uint32_t",
    "zx_stream_seek_origin_t": "uint32_t",
    "zx_system_event_type_t": "uint32_t",
    "zx_thread_state_topic_t": "uint32_t",
    "zx_txid_t": "uint32_t",
}

# In C11 a futex is an atomic, as in Zircon's own header; C++ has no name for that which C shares.
_FUTEX: Final = """#ifdef __cplusplus
typedef int zx_futex_t;
#else
#include <stdatomic.h>
typedef atomic_int zx_futex_t;
#endif
"""

# Members whose C declaration says more than the table's: pointers to constants, unions of one, unnamed types.
_MEMBERS: Final = {
    ("zx_channel_call_args_t", "wr_bytes"): "const void* wr_bytes",
    ("zx_channel_call_args_t", "wr_handles"): "const zx_handle_t* wr_handles",
    ("zx_channel_call_args_t", "rd_handles"): "zx_handle_t* rd_handles",
    ("zx_channel_call_etc_args_t", "wr_bytes"): "const void* wr_bytes",
    ("zx_channel_call_etc_args_t", "wr_handles"): "struct zx_handle_disposition* wr_handles",
    ("zx_channel_call_etc_args_t", "rd_handles"): "struct zx_handle_info* rd_handles",
    ("zx_channel_iovec_t", "buffer"): "const void* buffer",
    ("zx_exception_context_t", "arch"): "struct { union { zx_x86_64_exc_data_t x86_64; } u; } arch",
    ("zx_exception_context_v1_t", "arch"): "struct { union { zx_x86_64_exc_data_t x86_64; } u; } arch",
    ("zx_info_maps_v1_t", "mapping"): "union { zx_info_maps_mapping_v1_t mapping; } u",
    ("zx_info_maps_v2_t", "mapping"): "union { zx_info_maps_mapping_v2_t mapping; } u",
    ("zx_info_maps_t", "mapping"): "union { zx_info_maps_mapping_t mapping; } u",
    ("zx_packet_user_t", "c8"): (
        "union { uint64_t u64[4]; uint32_t u32[8]; uint16_t u16[16]; uint8_t c8[32]; }"
    ),
    ("zx_port_packet_t", "user"): "zx_packet_user_t user",
}  # fmt: skip

# Answers that are no number; to the kernel, which does not see these calls, they are.
_RETURNS: Final = {
    "zx_status_get_string": "const char*",
    "zx_system_get_version_string": "zx_string_view_t",
}

_PROCESSARGS: Final = """#define ZX_PROCARGS_PROTOCOL ((uint32_t)0x4150585du)
#define ZX_PROCARGS_VERSION ((uint32_t)0x1000u)

// What a handle of the bootstrap message is for: a PA_ type, and 16 bits whose meaning depends on it.
#define PA_HND(type, arg) (((type) & 0xFF) | (((arg) & 0xFFFF) << 16))
#define PA_HND_TYPE(info) ((info) & 0xFF)
#define PA_HND_ARG(info) (((info) >> 16) & 0xFFFF)
"""

# Macros that take arguments, by the header that they are in.
_MACROS: Final = {
    "zircon/syscalls/clock.h": """#define ZX_CLOCK_ARGS_VERSION(version) \\
  (((uint64_t)(version) << ZX_CLOCK_ARGS_VERSION_SHIFT) & ZX_CLOCK_ARGS_VERSION_MASK)
""",
    "zircon/syscalls/exception.h": """// Whether an exception is the CPU's, not the kernel's own.
#define ZX_EXCP_IS_ARCH(type) (((type) & ZX_EXCP_SYNTH) == 0)
""",
    "zircon/syscalls/object.h": """// ZX_INFO_VMO_TYPE_PAGED or ZX_INFO_VMO_TYPE_PHYSICAL
#define ZX_INFO_VMO_TYPE(flags) ((flags) & ZX_INFO_VMO_TYPE_PAGED)
""",
    "zircon/syscalls/port.h": "".join(
        f"#define ZX_PKT_IS_{name.removeprefix('ZX_PKT_TYPE_')}(type) ((type) == {name})\n"
        for name in vars(constants)
        if name.startswith("ZX_PKT_TYPE_") and name != "ZX_PKT_TYPE_MASK"
    ),
    "zircon/syscalls/resource.h": """// The two halves of the options of zx_resource_create.
#define ZX_RSRC_EXTRACT_KIND(options) ((options) & 0x0000FFFFu)
#define ZX_RSRC_EXTRACT_FLAGS(options) ((options) & 0xFFFF0000u)
""",
}

_CONST_CALLS: Final = {
    "zx_status_get_string",
    "zx_system_get_dcache_line_size",
    "zx_system_get_num_cpus",
    "zx_system_get_page_size",
    "zx_system_get_version_string",
    "zx_ticks_per_second",
}


def write_headers(directory: Path) -> None:
    """Fill *directory*, which must not exist, with all headers."""
    shutil.copytree(INCLUDE, directory)
    for name, text in generated_headers().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def generated_headers() -> dict[str, str]:
    """The generated headers: path below the include directory -> text."""
    by_hand = _defined_by_hand()
    headers = {header.path: _header(header, by_hand) for header in _HEADERS}
    headers["zircon/syscalls/types.h"] = _guarded(
        "zircon/syscalls/types.h",
        "All types of the system calls.",
        [f"#include <{header.path}>" for header in _HEADERS],
    )
    declarations = [line for row in SYSCALLS for line in (*prototype(row), "")]
    headers["zircon/syscalls.h"] = _guarded(
        "zircon/syscalls.h",
        "The system calls, in the order of their table.",
        [
            "#include <zircon/compiler.h>",
            "#include <zircon/string_view.h>",
            "#include <zircon/syscalls/types.h>",
            "",
            "__BEGIN_CDECLS",
            "",
            *declarations,
            "__END_CDECLS",
        ],
    )
    headers["lib/zircon-internal/ktrace.h"] = _guarded(
        "lib/zircon-internal/ktrace.h",
        "Actions and categories of the kernel's trace.",
        [f"#define {name} {value:#x}u" for name, value in _numbers(constants, "KTRACE_").items()],
    )
    return headers


def prototype(row: SyscallRow) -> list[str]:
    """The two C declarations of a call."""
    parameters = ", ".join(map(_parameter, row.params)) or "void"
    attributes = ""
    if row.noreturn:
        attributes = " __NO_RETURN"
    elif row.name in _CONST_CALLS:
        attributes = " __CONST"
    returns = _RETURNS.get(row.name, row.returns)
    return [f"extern {returns} {prefix}{row.name}({parameters}){attributes};" for prefix in ("", "_")]


def _parameter(param: Param) -> str:
    match param.kind:
        case Kind.SCALAR | Kind.HANDLE:
            return f"{param.type} {param.name}"
        case Kind.IN:
            return f"const {param.type}* {param.name}"
        case Kind.OUT | Kind.INOUT:
            return f"{param.type}* {param.name}"


def _guarded(path: str, about: str, lines: Iterable[str]) -> str:
    guard = re.sub(r"\W", "_", path).upper() + "_"
    top = [
        "// Generated from the interface's tables.",
        f"// {about}",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
    ]
    return "\n".join([*top, *lines, "", f"#endif  // {guard}", ""])


def _header(header: _Header, by_hand: frozenset[str]) -> str:
    structs = {name: cls for name, cls in STRUCTS.items() if _home(name, "structs") is header}
    lines = [f"#include <{path}>" for path in _includes(header, structs.values())]
    lines += ["", "__BEGIN_CDECLS", ""]
    if header.path == "zircon/rights.h":
        lines += ["typedef uint32_t zx_rights_t;", ""]
    if header is _TYPES:
        lines += [*_typedefs(by_hand), _FUTEX]
    if header.path == "zircon/processargs.h":
        lines += [_PROCESSARGS]
        lines += [f"#define {name} {value:#04x}u" for name, value in _numbers(processargs, "PA_").items()]
        lines += [""]
    numbers = _numbers(constants, "ZX_")
    defines = [
        f"#define {name} {_literal(name, value)}"
        for name, value in numbers.items()
        if name not in by_hand and _home(name, "constants") is header
    ]
    lines += [*defines, ""] if defines else []
    if header.path in _MACROS:
        lines += [_MACROS[header.path]]
    for name, cls in structs.items():
        lines += _struct(name, cls)
    return _guarded(header.path, header.about, [*lines, "__END_CDECLS"])


def _home(name: str, kind: str) -> _Header:
    """The header that a constant or a struct belongs into."""
    fitting = [
        (len(beginning), header)
        for header in _HEADERS
        for beginning in (header.constants if kind == "constants" else header.structs)
        if name.startswith(beginning)
    ]
    return max(fitting, key=lambda pair: pair[0])[1]


def _includes(header: _Header, structs: Iterable[type[Struct]]) -> list[str]:
    if header.path in ("zircon/errors.h", "zircon/rights.h"):
        return ["stdint.h", "zircon/compiler.h"]
    if header is _TYPES:
        own = ("compiler.h", "errors.h", "limits.h", "rights.h", "time.h")
        return ["stdbool.h", "stddef.h", "stdint.h", *(f"zircon/{name}" for name in own)]
    needed = {_home(name, "structs").path for cls in structs for name in _types_in(cls) if name in STRUCTS}
    return sorted({"zircon/types.h", *needed} - {header.path})


def _types_in(cls: type[Struct]) -> list[str]:
    return [field.ctype for field in cls.fields] + [view.ctype for _, view in _views(cls)]


def _views(cls: type[Struct]) -> list[tuple[str, View]]:
    return [(name, member) for name, member in vars(cls).items() if isinstance(member, View)]


def _numbers(module: object, prefix: str) -> dict[str, int]:
    return {
        name: int(value)
        for name, value in vars(module).items()
        if name.startswith(prefix) and isinstance(value, int)
    }


def _defined_by_hand() -> frozenset[str]:
    """Macros and integer types of the copied headers, which the generated ones leave alone."""
    text = "".join(path.read_text() for path in sorted(INCLUDE.rglob("*.h")))
    return frozenset(re.findall(r"^#define (\w+)", text, re.M)) | frozenset(
        re.findall(r"^typedef int64_t (\w+);", text, re.M)
    )


def _typedefs(by_hand: frozenset[str]) -> list[str]:
    types = dict(_MORE_TYPES)
    for name, (size, signed) in SCALARS.items():
        if name.startswith("zx_"):
            types[name] = f"{'' if signed else 'u'}int{8 * size}_t"
    types |= dict.fromkeys(("zx_vaddr_t", "zx_paddr_t", "zx_gpaddr_t"), "uintptr_t")
    skipped = {"zx_futex_t", "zx_rights_t", *by_hand}
    return [f"typedef {ctype} {name};" for name, ctype in sorted(types.items()) if name not in skipped] + [""]


def _literal(name: str, value: int) -> str:
    if name == "ZX_OK" or name.startswith("ZX_ERR_"):
        return f"({value})"
    ctype = _constant_type(name, value)
    if value < 0:
        return f"(({ctype})({value}{'' if value >= -(2**31) else 'll'}))"
    digits = (
        f"{value:#x}"
        if value > 9 and ctype in ("zx_rights_t", "zx_signals_t", "zx_vm_option_t")
        else str(value)
    )
    suffix = "u" if value < 2**32 else "ull"
    return f"(({ctype}){digits}{suffix})"


def _constant_type(name: str, value: int) -> str:
    fitting = [beginning for beginning in _CONSTANT_TYPES if name.startswith(beginning)]
    if fitting:
        return _CONSTANT_TYPES[max(fitting, key=len)]
    if _SIGNAL.match(name):
        return "zx_signals_t"
    if value < 0:
        return "int32_t" if value >= -(2**31) else "int64_t"
    return "uint32_t" if value < 2**32 else "uint64_t"


def _struct(name: str, cls: type[Struct]) -> list[str]:
    if name != cls.__name__:  # the newest of several versions goes by the plain name
        return [f"typedef {cls.__name__} {name};", ""]
    lines = [f"typedef struct {name.removesuffix('_t')} {{"]
    for field in cls.fields:
        lines += [f"  {line}" for line in _member(name, cls, field)]
    aligned = f" __ALIGNED({cls.ALIGN})" if cls.ALIGNAS > 1 else ""
    return [*lines, f"}}{aligned} {name};", ""]


def _member(struct: str, cls: type[Struct], field: Field) -> list[str]:
    name, ctype, _, count = field
    declared = _MEMBERS.get((struct, name))
    if declared is None:
        declared = f"{ctype} {name}" if count is None else f"{ctype} {name}[{count}]"
    views = [f"  {view.ctype} {member};" for member, view in _views(cls) if view.raw == name]
    if not views:
        return [f"{declared};"]
    return ["union {", f"  {declared};", *views, "};"]
