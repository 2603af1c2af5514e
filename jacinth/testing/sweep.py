"""Sweeps: a scenario once for every place at which one thing could go wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jacinth.api.kernel import Kernel

if TYPE_CHECKING:
    from jacinth.syscalls.faults import Fault


def sweep(
    scenario: Callable[[Kernel], object],
    arrange: Callable[[Kernel, int], Fault],
    *,
    seed: int = 0,
    memory: int = 64 << 20,
    limit: int = 10_000,
) -> int:
    """Run *scenario* on a fresh kernel again and again, with the fault that *arrange* makes at the first place, the second,
    and so on until it no longer happens. Answers how many places there were.

        sweep(scenario, lambda kernel, nth: kernel.faults.fail("zx_vmo_create", ZX_ERR_NO_MEMORY, nth=nth))

    What the scenario raises is raised, with the fault in a note. Raises ValueError after *limit* places.
    """
    for nth in range(1, limit + 1):
        with Kernel(seed=seed, virtual_time=True, memory=memory, strict=True) as kernel:
            fault = arrange(kernel, nth)
            try:
                scenario(kernel)
            except BaseException as error:
                error.add_note(f"with {fault}")
                raise
            fired = fault.fired
            kernel.faults.clear()
        if not fired:
            return nth - 1
    raise ValueError(f"more than {limit} places")
