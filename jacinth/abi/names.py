"""From numbers back to the names of the headers, for people: the tracer, messages, the inspector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from jacinth.abi import constants
from jacinth.abi.status import Status

_UINT32: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Family:
    """The constants whose names begin with a prefix, without those that begin with one of *others*."""

    bits: bool  # values are or-ed together; otherwise a value is one of them
    others: tuple[str, ...] = ()


def _of(bits: bool, others: str = "") -> _Family:
    return _Family(bits, tuple(others.split()))


# What `Param.flags` may say. Any other prefix is taken as a family of single values.
FAMILIES: Final[dict[str, _Family]] = {
    "ZX_BTI_": _of(True),
    "ZX_CACHE_FLUSH_": _of(True),
    "ZX_CACHE_POLICY_": _of(False, "ZX_CACHE_POLICY_MASK"),
    "ZX_CHANNEL_READ_": _of(True),
    "ZX_CHANNEL_WRITE_": _of(True),
    "ZX_CLOCK_": _of(False, "ZX_CLOCK_ARGS_ ZX_CLOCK_OPT ZX_CLOCK_STARTED ZX_CLOCK_U"),
    "ZX_CLOCK_OPT_": _of(True),
    "ZX_CLOCK_UPDATE_OPTION_": _of(True, "ZX_CLOCK_UPDATE_OPTION_BOTH_"),
    "ZX_CPU_": _of(False, "ZX_CPU_PERF_LIMIT_TYPE_ ZX_CPU_SET_"),
    "ZX_EXCEPTION_CHANNEL_": _of(True, "ZX_EXCEPTION_CHANNEL_TYPE_ ZX_EXCEPTION_CHANNEL_JOB_"),
    "ZX_EXCEPTION_TARGET_": _of(True),
    "ZX_EXCP_": _of(False, "ZX_EXCP_SYNTH ZX_EXCP_POLICY_CODE_ ZX_EXCP_USER_CODE_"),
    "ZX_FEATURE_KIND_": _of(False),
    "ZX_GUEST_TRAP_": _of(False),
    "ZX_INFO_": _of(
        False,
        "ZX_INFO_PROCESS_FLAG_ ZX_INFO_MAPS_TYPE_ ZX_INFO_VMO_TYPE_ ZX_INFO_VMO_RESIZABLE ZX_INFO_VMO_IS_ "
        "ZX_INFO_VMO_VIA_ ZX_INFO_VMO_PAGER_ ZX_INFO_VMO_CONTIGUOUS ZX_INFO_VMO_DISCARDABLE "
        "ZX_INFO_VMO_IMMUTABLE ZX_INFO_CPU_STATS_FLAG_ ZX_INFO_VCPU_FLAG_ ZX_INFO_INVALID_CPU",
    ),
    "ZX_INTERRUPT_": _of(
        True,
        "ZX_INTERRUPT_MODE_ ZX_INTERRUPT_BIND ZX_INTERRUPT_UNBIND ZX_INTERRUPT_SLOT_ ZX_INTERRUPT_MAX_",
    ),
    "ZX_IOB_ACCESS_": _of(True),
    "ZX_IOMMU_TYPE_": _of(False),
    "ZX_JOB_CRITICAL_": _of(True),
    "ZX_JOB_POL_": _of(False, "ZX_JOB_POL_RELATIVE ZX_JOB_POL_ABSOLUTE"),
    "ZX_LOG_FLAG_": _of(True),
    "ZX_MSI_MODE_": _of(True),
    "ZX_PAGER_OP_": _of(False),
    "ZX_PAGER_RESET_": _of(True),
    "ZX_PCIE_IRQ_MODE_": _of(False),
    "ZX_PORT_BIND_": _of(True),
    "ZX_PROCESS_": _of(True, "ZX_PROCESS_TERMINATED"),
    "ZX_PROP_": _of(False),
    "ZX_SOCKET_": _of(
        True,
        "ZX_SOCKET_READABLE ZX_SOCKET_WRITABLE ZX_SOCKET_PEER_ ZX_SOCKET_WRITE_ ZX_SOCKET_READ_ "
        "ZX_SOCKET_DISPOSITION_ ZX_SOCKET_CREATE_MASK ZX_SOCKET_PEEK",
    ),
    "ZX_SOCKET_DISPOSITION_": _of(True),
    "ZX_SOCKET_PEEK": _of(True),
    "ZX_STREAM_APPEND": _of(True),
    "ZX_STREAM_MODE_": _of(True),
    "ZX_STREAM_SEEK_ORIGIN_": _of(False),
    "ZX_SYSTEM_BARRIER_": _of(False),
    "ZX_SYSTEM_EVENT_": _of(False),
    "ZX_SYSTEM_MEMORY_STALL_": _of(False),
    "ZX_SYSTEM_POWERCTL_": _of(False),
    "ZX_SYSTEM_SUSPEND_OPTION_": _of(True),
    "ZX_THREAD_STATE_": _of(
        False,
        "ZX_THREAD_STATE_NEW ZX_THREAD_STATE_RUNNING ZX_THREAD_STATE_SUSPENDED ZX_THREAD_STATE_BLOCKED "
        "ZX_THREAD_STATE_DYING ZX_THREAD_STATE_DEAD",
    ),
    "ZX_TIMER_SLACK_": _of(False),
    "ZX_VCPU_": _of(False),
    "ZX_VM_": _of(True, "ZX_VM_ALIGN_ ZX_VM_FLAG_ ZX_VM_FEATURE_"),
    "ZX_VMAR_OP_": _of(False),
    "ZX_VMO_": _of(True, "ZX_VMO_OP_ ZX_VMO_CHILD_ ZX_VMO_ZERO_CHILDREN ZX_VMO_DIRTY_"),
    "ZX_VMO_CHILD_": _of(True),
    "ZX_VMO_OP_": _of(False),
    "ZX_WAIT_ASYNC_": _of(True),
}

# Families of bits some of which are a number with names of its own: their mask, and the names' prefix.
_FIELDS: Final = {
    "ZX_INTERRUPT_": (constants.ZX_INTERRUPT_MODE_MASK, "ZX_INTERRUPT_MODE_"),
    "ZX_VM_": (0xFF << constants.ZX_VM_ALIGN_BASE, "ZX_VM_ALIGN_"),
}


@cache
def _names(family: str) -> dict[int, str]:
    """Value -> name; of two names for one number the first one in the constants' order."""
    kind = FAMILIES.get(family, _Family(False))
    names: dict[int, str] = {}
    for name, value in vars(constants).items():
        if name.startswith(family) and isinstance(value, int) and not name.startswith(kind.others or ("-",)):
            names.setdefault(value, name)
    return names


def _bits(names: dict[int, str], value: int) -> str:
    """Names of single bits joined with |, the bits without a name as one hexadecimal number at the end."""
    words = []
    left = value
    for bit, name in names.items():
        if bit.bit_count() == 1 and left & bit:
            words.append(name)
            left &= ~bit
    if left:
        words.append(f"{left:#x}")
    return " | ".join(words) or names.get(0, "0")


def flag_names(family: str, value: int) -> str:
    """The words for *value* in a family of constants, given by prefix as in `Param.flags` ("ZX_VM_").

    Or-ed bits are joined with ` | `; what has no name is hexadecimal.
    """
    names = _names(family)
    if not FAMILIES.get(family, _Family(False)).bits:
        return names.get(value, f"{value:#x}" if value else "0")
    mask, prefix = _FIELDS.get(family, (0, ""))
    field = value & mask
    if not field:
        return _bits(names, value)
    name = _names(prefix).get(field, f"{field:#x}")
    return name if field == value else f"{_bits(names, value & ~mask)} | {name}"


def status_name(status: int) -> str:
    """The status's name, "ZX_ERR_BAD_HANDLE"; the number itself where it is no status.

    A negative status may also be given as the register holds it, unsigned.
    """
    if status & _UINT32 >= 1 << 31:
        status = (status & _UINT32) - (1 << 32)
    try:
        known = Status(status)
    except ValueError:
        return str(status)
    return "ZX_OK" if known is Status.OK else f"ZX_ERR_{known.name}"


def object_type_name(object_type: int) -> str:
    """The type's name, "CHANNEL" for ZX_OBJ_TYPE_CHANNEL; the number where there is no such type."""
    return _names("ZX_OBJ_TYPE_").get(object_type, str(object_type)).removeprefix("ZX_OBJ_TYPE_")


def return_code_name(code: int) -> str:
    """How a process has ended: the ZX_TASK_RETCODE_* of one that was killed, the number that another has returned."""
    return _names("ZX_TASK_RETCODE_").get(code, str(code))


def rights_names(rights: int) -> str:
    """The names of the rights, "ZX_RIGHT_READ | ZX_RIGHT_WRITE"; no right is ZX_RIGHT_NONE."""
    return _bits(_names("ZX_RIGHT_"), rights)


# Signals of an object begin with its type's name, with these exceptions.
_SIGNAL_PREFIXES: Final = {"DEBUGLOG": "LOG", "INTERRUPT": "VIRTUAL_INTERRUPT"}


@cache
def _signals(object_type: int) -> dict[int, str]:
    name = object_type_name(object_type)
    prefix = f"ZX_{_SIGNAL_PREFIXES.get(name, name)}_"
    names: dict[int, str] = {}
    for own in constants.SIGNALS:
        if own.startswith(prefix):
            names.setdefault(getattr(constants, own), own)
    for n in range(8):
        names[constants.ZX_USER_SIGNAL_0 << n] = f"ZX_USER_SIGNAL_{n}"
    names.setdefault(constants.ZX_SIGNAL_HANDLE_CLOSED, "ZX_SIGNAL_HANDLE_CLOSED")
    names[0] = "ZX_SIGNAL_NONE"
    return names


def signal_names(object_type: int, signals: int) -> str:
    """The names of the signals as the object's type calls them; none is ZX_SIGNAL_NONE."""
    return _bits(_signals(object_type), signals)


def printable(name: bytes) -> str:
    """A name as a terminal may show it: programs choose their names, and must not command the terminal with them."""
    text = name.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
