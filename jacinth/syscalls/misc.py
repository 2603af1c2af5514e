"""Barriers between CPUs. Source: zircon/vdso/{misc,system}.fidl.

There is one CPU here on which everything happens in one order, and instructions that were changed are seen at once: a barrier has
nothing to wait for.
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
    """Order memory among all threads of the process."""


@syscall
def zx_membarrier_sync_process_insn(call: Call) -> None:
    """Let all threads of the process see instructions that were changed."""


@syscall
def zx_system_barrier(call: Call, options: int) -> None:
    """Order memory, or instructions, among all CPUs. Errors: INVALID_ARGS options."""
    if options not in (ZX_SYSTEM_BARRIER_DATA_MEMORY, ZX_SYSTEM_BARRIER_INSTRUCTION_STREAM):
        raise ZxError(Status.INVALID_ARGS)
