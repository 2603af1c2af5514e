from __future__ import annotations

import pytest

from jacinth.abi import SYSCALLS, constants
from jacinth.abi.names import (
    FAMILIES,
    flag_names,
    object_type_name,
    rights_names,
    signal_names,
    status_name,
)


@pytest.mark.parametrize(
    ("family", "value", "words"),
    [
        ("ZX_VM_", 0, "0"),
        ("ZX_VM_", 0x13, "ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC"),
        ("ZX_VM_", 1 | 21 << 24, "ZX_VM_PERM_READ | ZX_VM_ALIGN_2MB"),
        ("ZX_VM_", 1 << 20 | 1, "ZX_VM_PERM_READ | 0x100000"),
        ("ZX_VM_", 99 << 24, "0x63000000"),
        ("ZX_VMO_", 2, "ZX_VMO_RESIZABLE"),
        ("ZX_VMO_CHILD_", 0x10, "ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE"),
        ("ZX_VMO_OP_", 10, "ZX_VMO_OP_ZERO"),
        ("ZX_PROP_", 3, "ZX_PROP_NAME"),
        ("ZX_PROP_", 99, "0x63"),
        ("ZX_INFO_", 23, "ZX_INFO_VMO_V1"),
        ("ZX_INFO_", 0x30000017, "ZX_INFO_VMO"),
        ("ZX_INFO_", 4, "ZX_INFO_PROCESS_THREADS"),
        ("ZX_THREAD_STATE_", 1, "ZX_THREAD_STATE_FP_REGS"),
        ("ZX_SOCKET_", 0, "ZX_SOCKET_STREAM"),
        ("ZX_SOCKET_PEEK", 8, "ZX_SOCKET_PEEK"),
        ("ZX_INTERRUPT_", 0x1A, "ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_MODE_EDGE_BOTH"),
        ("ZX_CLOCK_", 1, "ZX_CLOCK_BOOT"),
        ("ZX_EXCP_", 0x8208, "ZX_EXCP_POLICY_ERROR"),
        ("ZX_JOB_POL_", 0x1000000, "ZX_JOB_POL_BASIC_V2"),
    ],
)
def test_numbers_have_their_words(family: str, value: int, words: str) -> None:
    assert flag_names(family, value) == words


def test_every_number_has_some_words() -> None:
    for family in {param.flags for row in SYSCALLS for param in row.params if param.flags}:
        assert family in FAMILIES
        for value in (0, 1, 0xFFFF_FFFF, 1 << 63):
            assert flag_names(family, value)


def test_statuses() -> None:
    assert status_name(0) == "ZX_OK"
    assert status_name(-11) == status_name(0xFFFF_FFF5) == status_name((1 << 64) - 11) == "ZX_ERR_BAD_HANDLE"
    assert status_name(-5) == "-5"
    assert status_name(32) == "32"


def test_object_types() -> None:
    assert object_type_name(constants.ZX_OBJ_TYPE_CHANNEL) == "CHANNEL"
    assert object_type_name(constants.ZX_OBJ_TYPE_DEBUGLOG) == "DEBUGLOG"
    assert object_type_name(7) == "7"


def test_rights() -> None:
    assert rights_names(0) == "ZX_RIGHT_NONE"
    assert rights_names(0xC) == "ZX_RIGHT_READ | ZX_RIGHT_WRITE"
    assert rights_names(1 << 31) == "ZX_RIGHT_SAME_RIGHTS"
    assert rights_names(1 << 30 | 1) == "ZX_RIGHT_DUPLICATE | 0x40000000"


def test_signals_are_called_as_their_object_calls_them() -> None:
    assert signal_names(constants.ZX_OBJ_TYPE_CHANNEL, 5) == "ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED"
    assert signal_names(constants.ZX_OBJ_TYPE_JOB, 0x30) == "ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES"
    assert signal_names(constants.ZX_OBJ_TYPE_DEBUGLOG, 1) == "ZX_LOG_READABLE"
    assert signal_names(constants.ZX_OBJ_TYPE_PORT, 0) == "ZX_SIGNAL_NONE"
    assert signal_names(constants.ZX_OBJ_TYPE_EVENT, 1 << 31 | 1 << 23) == (
        "ZX_USER_SIGNAL_7 | ZX_SIGNAL_HANDLE_CLOSED"
    )
    assert signal_names(constants.ZX_OBJ_TYPE_EVENT, 1) == "0x1"
