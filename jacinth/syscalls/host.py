"""The host: a process outside the machine, with a real handle table, through which Python makes system calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import ZX_RSRC_KIND_ROOT, Status, ZxError
from jacinth.kernel.handle import Handle, HostTable
from jacinth.kernel.process import ProcessDispatcher, ProcessState, SharedState
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.vm.aspace import PRIVATE_ASPACE_BASE, PRIVATE_ASPACE_SIZE
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls import table  # noqa: F401
from jacinth.syscalls.door import HostSys

if TYPE_CHECKING:
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.object import Dispatcher


class HostProcess(ProcessDispatcher):
    """It belongs to the root job, whose policy it has, but is no child of it: killing everything leaves the host alive."""

    __slots__ = ()

    def __init__(self, kernel: Kernel) -> None:
        shared = SharedState(kernel, PRIVATE_ASPACE_BASE, PRIVATE_ASPACE_SIZE, HostTable)
        super().__init__(kernel.root_job_dispatcher, b"host", shared, False, None)
        self._set_state(ProcessState.RUNNING)

    @property
    def table(self) -> HostTable:
        """Its handles, as what they are."""
        assert isinstance(self.handles, HostTable)
        return self.handles

    def kill(self, return_code: int) -> None:
        """The host cannot be killed from inside."""

    def suspend(self) -> None:
        """Nor can it be stopped: NOT_SUPPORTED."""
        raise ZxError(Status.NOT_SUPPORTED)


class HostThread(ThreadDispatcher):
    __slots__ = ()

    def kill(self) -> None:
        """The host cannot be killed from inside."""

    def suspend(self) -> None:
        """Nor can it be stopped: NOT_SUPPORTED."""
        raise ZxError(Status.NOT_SUPPORTED)

    def exit(self) -> None:
        """It runs outside, and cannot end here."""

    def policy_exception(self, report: ExceptionReport) -> None:
        """It has no way back to a program on which an exception could be raised."""


class Host:
    """`k.host`: `sys` makes raw calls; `process`, `root_vmar`, `root_job` and `root_resource` are handle values."""

    def __init__(self, kernel: Kernel) -> None:
        self.dispatcher = HostProcess(kernel)
        self.thread = HostThread(self.dispatcher, b"host")
        # It runs outside, and blocks and wakes as every other thread.
        self.thread._set_state(ThreadState.RUNNING)
        self.sys = HostSys(self.thread)
        kernel.current = kernel.host_thread = self.thread
        self.thread.last_cpu = 0
        self.process = self.add(self.dispatcher)
        self.root_vmar = self.add(VmAddressRegionDispatcher.root(self.dispatcher.shared.aspace))
        self.root_job = self.add(kernel.root_job_dispatcher)
        self.root_resource = self.add(ResourceDispatcher(kernel, ZX_RSRC_KIND_ROOT, 0, 0, name=b"root"))

    def add(self, dispatcher: Dispatcher, rights: int | None = None) -> int:
        """A new handle of the host to *dispatcher*, with its type's default rights unless said otherwise. Answers its value."""
        return self.dispatcher.handles.add(
            Handle(dispatcher, dispatcher.DEFAULT_RIGHTS if rights is None else rights)
        )

    def close(self) -> None:
        """Close every handle."""
        self.thread.bind_restricted(None)
        self.thread.set_rseq(None)
        self.dispatcher.shared.leave()
