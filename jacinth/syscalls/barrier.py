"""`zx_membarrier_*` and `zx_system_barrier`. Source: zircon/kernel/lib/syscalls/membarrier.rs, system.cc.

Programs run one after the other on one machine: each has seen all that was written before it goes on, code too. So every
barrier has been passed by all others when it is asked for.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_SYSTEM_BARRIER_DATA_MEMORY,
    ZX_SYSTEM_BARRIER_INSTRUCTION_STREAM,
    Status,
    ZxError,
)
from jacinth.syscalls.door import Call, syscall


@syscall
def zx_membarrier_sync_process_data(call: Call) -> None:
    """Let every thread of the process see what was written before."""


@syscall
def zx_membarrier_sync_process_insn(call: Call) -> None:
    """Let every thread of the process run code as it was written before."""


@syscall
def zx_system_barrier(call: Call, options: int) -> None:
    """Let every thread of the system see what was written before, or run it: ZX_SYSTEM_BARRIER_*.

    Errors: INVALID_ARGS options.
    """
    if options not in (ZX_SYSTEM_BARRIER_DATA_MEMORY, ZX_SYSTEM_BARRIER_INSTRUCTION_STREAM):
        raise ZxError(Status.INVALID_ARGS)
