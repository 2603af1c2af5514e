"""`Kernel()`: a machine with a booted kernel, and the host's place in it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final, Self

from jacinth.abi import ZX_TIME_INFINITE
from jacinth.api.caller import enter, leave
from jacinth.api.debuglog import Resource
from jacinth.api.handle import check
from jacinth.api.machine import EngineName, make_machine
from jacinth.api.memory import Vmar
from jacinth.api.task import Job, Process
from jacinth.kernel import kernel as core
from jacinth.kernel.kernel import KernelDeadlock
from jacinth.kernel.vm.page_source import OVERTIME
from jacinth.machine.memory import PhysicalMemory
from jacinth.syscalls.door import BodySys, Door
from jacinth.syscalls.faults import Faults
from jacinth.syscalls.host import Host
from jacinth.userboot.vdso_vmo import VdsoVmo
from jacinth.version import __version__

if TYPE_CHECKING:
    from types import TracebackType

    from jacinth.api.channel import CallBuffer

DEFAULT_MEMORY = 1 << 30


class Kernel(core.Kernel):
    """A booted kernel: a root job, and a process for the host, whose handles all objects made from outside
    are.

    `root_job`, `process`, `root_vmar` and `root_resource` are the host's own handles; `host.sys` makes raw calls.

    *engine* is "native", "portable", or "auto": the native one where it works (`jacinth.api.machine`). *cpus* is how many the
    native one has: those of the host but for one, 1 with a *seed*. NoEngine, a ValueError, where that cannot be had.

    *seed* and *virtual_time* together make every run repeat exactly: the scheduler's choices follow from the
    seed, and time moves only when the system does. *memory* is the size of physical memory in bytes. Who waits for
    a pager longer than *pager_timeout* ns gets ZX_ERR_TIMED_OUT; ZX_TIME_INFINITE for any time. *strict*
    raises what would otherwise be reported: internal errors and exceptions of Python bodies.

    In its `with` block the kernel is the default for `Channel.create()` and its like.
    """

    is_body: Final = False

    def __init__(
        self,
        *,
        engine: EngineName = "auto",
        cpus: int | None = None,
        seed: int | None = None,
        virtual_time: bool = False,
        memory: int = DEFAULT_MEMORY,
        pager_timeout: int = OVERTIME,
        strict: bool = False,
    ) -> None:
        if pager_timeout <= 0:
            raise ValueError(f"a pager has {pager_timeout} ns to supply a page")
        physical = PhysicalMemory(memory)
        machine, clock = make_machine(engine, physical, cpus=cpus, seed=seed, virtual_time=virtual_time)
        super().__init__(physical, machine, clock, seed, strict)
        self.pager_timeout = pager_timeout
        self.door = Door(self)
        self.host = Host(self)
        self.sys = self.host.sys
        # The same calls as coroutines, for what can wait.
        self.waits = BodySys(self.host.thread)
        self.call_buffer: CallBuffer | None = None
        self.root_job: Job[Kernel] = Job(self, self.host.root_job)
        self.process: Process[Kernel] = Process(self, self.host.process)
        self.root_vmar: Vmar[Kernel] = Vmar(self, self.host.root_vmar)
        self.root_resource: Resource[Kernel] = Resource(self, self.host.root_resource)

    @functools.cached_property
    def vdso(self) -> VdsoVmo:
        """The vDSO that programs of this kernel get."""
        return VdsoVmo(self, self.host, f"jacinth {__version__}".encode())

    @functools.cached_property
    def faults(self) -> Faults:
        """What is to go wrong: calls that fail, memory that runs out, peers that close."""
        return Faults(self, self.host.dispatcher)

    # Time

    @property
    def now(self) -> int:
        """Nanoseconds since the machine started."""
        return self.clock.now()

    def deadline_after(self, nanoseconds: int) -> int:
        """The time in so many nanoseconds, for calls that take a deadline."""
        return int(self.sys.zx_deadline_after(nanoseconds))

    def nanosleep(self, deadline: int) -> None:
        """Let the system run until *deadline* ns."""
        check(self.sys.zx_nanosleep(deadline))

    def run(self, deadline: int = ZX_TIME_INFINITE) -> None:
        """Let the system run until *deadline* ns, at most until nothing is left that could ever run."""
        try:
            self.nanosleep(deadline)
        except KernelDeadlock:
            pass  # every thread waits for something that only the host can do

    def run_until_idle(self) -> None:
        """Let the system run until every thread waits, without letting time pass for those that wait for a
        deadline.
        """
        self.nanosleep(1)
        while self.ready:
            self.nanosleep(1)

    def close(self) -> None:
        """Kill everything, close the host's handles and give the machine back."""
        self.root_job_dispatcher.kill(0)
        self.host.close()
        if "vdso" in self.__dict__:
            self.vdso.close()
        self.engine.close()
        self.memory.close()

    def __enter__(self) -> Self:
        enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leave(self)
        self.close()
