"""Which engine a kernel runs on, and the clock that goes with it."""

from __future__ import annotations

import os
from typing import Final, Literal, get_args

from jacinth.kernel.wait import Clock, HostClock, TscClock, VirtualClock
from jacinth.machine.interface import Engine
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.native.selftest import why_not

EngineName = Literal["auto", "native", "portable"]

# The native engine has as many CPUs as the host but for one, on which the kernel is; no more than this unless it is asked for
# them: every address space has a thread of the host for each.
_MOST_CPUS: Final = 8
# With virtual time, how long a turn is on the native engine, in ns of the host. A virtual millisecond passes with each: they are
# longer than usual, so that a busy host makes none pass where a program hardly runs.
_VIRTUAL_SLICE: Final = 20_000_000


class NoEngine(ValueError):
    """The engine that was asked for cannot be had here."""


def why_not_native(name: EngineName, *, virtual_time: bool) -> str | None:
    """Why a kernel for which *name* and *virtual_time* are asked runs on the portable engine; None where it is on the native one.

    "auto" is the native one where a self-test says that it works, but for virtual time, with which runs shall repeat: there the
    native one preempts by the host's time all the same. The environment's JACINTH_ENGINE may say what "auto" is. Raises NoEngine
    where either is no engine's name.
    """
    if name not in get_args(EngineName):
        raise NoEngine(f"no engine is called {name!r}: there are {', '.join(get_args(EngineName))}")
    if name == "auto":
        default = os.environ.get("JACINTH_ENGINE") or "auto"
        if default not in get_args(EngineName):
            raise NoEngine(f"JACINTH_ENGINE is {default!r}: it may be {', '.join(get_args(EngineName))}")
        if default == "portable" or (virtual_time and default != "native"):
            name = "portable"
    return "the portable one was asked for" if name == "portable" else why_not()


def make_machine(
    name: EngineName, memory: PhysicalMemory, *, cpus: int | None, seed: int | None, virtual_time: bool
) -> tuple[Engine, Clock]:
    """An engine over *memory*, and a clock: NoEngine."""
    fault = why_not_native(name, virtual_time=virtual_time)
    if fault is None:
        from jacinth.machine.native import _native
        from jacinth.machine.native.engine import NativeEngine

        if cpus is None:  # the order in which several run is the host's to decide
            cpus = (
                1
                if seed is not None or virtual_time
                else max(1, min(len(os.sched_getaffinity(0)) - 1, _MOST_CPUS))
            )
        if not 1 <= cpus <= _native.MAX_CPUS:
            raise NoEngine(f"{cpus} CPUs: the native engine has 1 to {_native.MAX_CPUS}")
        if virtual_time:
            return NativeEngine(memory, cpus=cpus, slice_ns=_VIRTUAL_SLICE), VirtualClock()
        return NativeEngine(memory, cpus=cpus), TscClock(_native.tsc, _native.tsc_mult())
    if name == "native":
        raise NoEngine(f"no native engine: {fault}")
    if cpus not in (None, 1):
        raise NoEngine(f"{cpus} CPUs: the portable engine has one, and there is no native one: {fault}")
    from jacinth.machine.portable.engine import PortableEngine  # the emulator takes long to load

    clock: Clock = VirtualClock() if virtual_time else HostClock()
    return PortableEngine(memory, deterministic=virtual_time, tsc=clock.now), clock
