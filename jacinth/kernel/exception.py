"""Exceptions: what happened to a thread, by the names of the public interface."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExceptionReport:
    """One exception of a thread.

    *type* is a ZX_EXCP_*. *vector*, *code* and *address* are the CPU's own vector, error code and fault address; *synth_code* and
    *synth_data* qualify policy errors and page faults, as `zx_exception_context_t` has them.
    """

    type: int
    vector: int = 0
    code: int = 0
    address: int = 0
    synth_code: int = 0
    synth_data: int = 0
