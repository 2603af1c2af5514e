"""`zx_status_t`: the answer of every system call, and the exception that carries one inside Jacinth.

Source: zircon/system/public/zircon/errors.h.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Every public status code, by the name of the header without `ZX_` and `ZX_ERR_`."""

    OK = 0
    INTERNAL = -1
    NOT_SUPPORTED = -2
    NO_RESOURCES = -3
    NO_MEMORY = -4
    INVALID_ARGS = -10
    BAD_HANDLE = -11
    WRONG_TYPE = -12
    BAD_SYSCALL = -13
    OUT_OF_RANGE = -14
    BUFFER_TOO_SMALL = -15
    BAD_STATE = -20
    TIMED_OUT = -21
    SHOULD_WAIT = -22
    CANCELED = -23
    PEER_CLOSED = -24
    NOT_FOUND = -25
    ALREADY_EXISTS = -26
    ALREADY_BOUND = -27
    UNAVAILABLE = -28
    ACCESS_DENIED = -30
    IO = -40
    IO_REFUSED = -41
    IO_DATA_INTEGRITY = -42
    IO_DATA_LOSS = -43
    IO_NOT_PRESENT = -44
    IO_OVERRUN = -45
    IO_MISSED_DEADLINE = -46
    IO_INVALID = -47
    BAD_PATH = -50
    NOT_DIR = -51
    NOT_FILE = -52
    FILE_BIG = -53
    NO_SPACE = -54
    NOT_EMPTY = -55
    STOP = -60
    NEXT = -61
    ASYNC = -62
    PROTOCOL_NOT_SUPPORTED = -70
    ADDRESS_UNREACHABLE = -71
    ADDRESS_IN_USE = -72
    NOT_CONNECTED = -73
    CONNECTION_REFUSED = -74
    CONNECTION_RESET = -75
    CONNECTION_ABORTED = -76


class ZxError(Exception):
    """A system call or kernel operation ended with a status other than OK.

    Raised in `kernel/` and `syscalls/`; made a number once, at the door.
    """

    status: Status

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"ZX_ERR_{self.status.name}"
