"""`Kernel()`: a machine with a booted kernel, and the host's place in it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Literal, Self

from jacinth.kernel import kernel as core
from jacinth.kernel.wait import Clock, HostClock, VirtualClock
from jacinth.machine.memory import PhysicalMemory
from jacinth.machine.portable.engine import PortableEngine
from jacinth.syscalls.door import Door
from jacinth.syscalls.host import Host
from jacinth.userboot.vdso_vmo import VdsoVmo
from jacinth.version import __version__

if TYPE_CHECKING:
    from types import TracebackType

EngineName = Literal["auto", "portable"]

DEFAULT_MEMORY = 1 << 30


class Kernel(core.Kernel):
    """A booted kernel: a root job, and a process for the host.

    *seed* and *virtual_time* together make every run repeat exactly: the scheduler's choices follow from the seed, and time moves
    only when the system does. *memory* is the size of physical memory in bytes. *strict* raises what would otherwise be reported:
    internal errors and exceptions of Python bodies.
    """

    def __init__(
        self,
        *,
        engine: EngineName = "auto",
        seed: int | None = None,
        virtual_time: bool = False,
        memory: int = DEFAULT_MEMORY,
        strict: bool = False,
    ) -> None:
        physical = PhysicalMemory(memory)
        clock: Clock = VirtualClock() if virtual_time else HostClock()
        machine = PortableEngine(physical, deterministic=virtual_time)
        super().__init__(physical, machine, clock, seed, strict)
        self.door = Door(self)
        self.host = Host(self)

    @functools.cached_property
    def vdso(self) -> VdsoVmo:
        """The vDSO that programs of this kernel get."""
        return VdsoVmo(self, self.host, f"jacinth {__version__}".encode())

    def close(self) -> None:
        """Kill everything, close the host's handles and give the machine back."""
        self.root_job.kill(0)
        self.host.close()
        if "vdso" in self.__dict__:
            self.vdso.close()
        self.engine.close()
        self.memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
