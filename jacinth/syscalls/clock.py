"""Time: `zx_clock_get_*`, `zx_ticks_*`, `zx_deadline_after`, `zx_nanosleep`.

A guest gets the time from the vDSO without a call; these answer the host and Python bodies. Source:
docs/reference/syscalls/{clock_get_monotonic,deadline_after,nanosleep,ticks_get}.md;
lib/syscalls/{nanosleep,ticks}.rs.
"""

from __future__ import annotations

from jacinth.abi import ZX_THREAD_STATE_BLOCKED_SLEEPING, ZX_TIME_INFINITE, ZX_TIME_INFINITE_PAST
from jacinth.kernel.wait import Waiter
from jacinth.syscalls.door import Call, syscall

# A tick is a nanosecond. Boot time is monotonic time, since the machine never sleeps.
TICKS_PER_SECOND = 1_000_000_000


@syscall
def zx_clock_get_monotonic(call: Call) -> int:
    """Nanoseconds since the machine started."""
    return call.kernel.clock.now()


@syscall
def zx_clock_get_boot(call: Call) -> int:
    """Nanoseconds since the machine started, sleep included."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_get(call: Call) -> int:
    """Ticks since the machine started."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_get_boot(call: Call) -> int:
    """Ticks since the machine started, sleep included."""
    return call.kernel.clock.now()


@syscall
def zx_ticks_per_second(call: Call) -> int:
    return TICKS_PER_SECOND


@syscall
def zx_deadline_after(call: Call, nanoseconds: int) -> int:
    """The time in so many nanoseconds, as near as it can be expressed."""
    return min(max(call.kernel.clock.now() + nanoseconds, ZX_TIME_INFINITE_PAST), ZX_TIME_INFINITE)


@syscall
async def zx_nanosleep(call: Call, deadline: int) -> None:
    """Wait until *deadline* ns. A deadline of zero or less has always passed."""
    if deadline > 0:
        await Waiter(deadline, ZX_THREAD_STATE_BLOCKED_SLEEPING)
