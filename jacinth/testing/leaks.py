"""Leaks: what a test has made and not given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from jacinth.abi.names import object_type_name

if TYPE_CHECKING:
    from types import TracebackType

    from jacinth.api.kernel import Kernel


class LeakError(AssertionError):
    """Something is left: a line for each kind, and for each handle what it refers to."""


@dataclass(frozen=True)
class _Counts:
    handles: Mapping[int, str]  # the host's, by value: type, koid, name
    tasks: Mapping[int, str]  # jobs and processes below the root job, by koid
    kept: int  # jobs and processes right below the root job, the dead ones too that somebody still refers to
    pages: int  # committed

    @classmethod
    def of(cls, kernel: Kernel) -> Self:
        tasks: dict[int, str] = {}
        root = kernel.root_job_dispatcher
        for job in root.walk():
            if job is not root:
                tasks[job.koid] = f"job {_describe(job.koid, job.name)}"
            for process in job.processes():
                tasks[process.koid] = f"process {_describe(process.koid, process.name)}"
        handles = {
            value: f"{object_type_name(handle.object.TYPE).lower()} {_describe(handle.object.koid, handle.object.name)}"
            for value, handle in kernel.host.dispatcher.handles
        }
        return cls(handles, tasks, root.keepers, kernel.memory.allocated)


def _describe(koid: int, name: bytes) -> str:
    return f"{koid} {name.decode(errors='backslashreplace')!r}" if name else str(koid)


class Census:
    """Counts a kernel's host handles, jobs, processes and committed pages, now and again at the end.

    As a context manager it raises LeakError at the end of a block that has not failed otherwise:

        with Census(kernel):
            ...
    """

    def __init__(self, kernel: Kernel) -> None:
        # The vDSO is made when it is first needed, and stays: it is no leak of whoever came first.
        _ = kernel.vdso
        self._kernel = kernel
        self._before = _Counts.of(kernel)

    def leaks(self) -> list[str]:
        """A line for everything that is there now and was not there at the beginning."""
        before, now = self._before, _Counts.of(self._kernel)
        lines = [
            f"handle {value:#x} to {what}"
            for value, what in now.handles.items()
            if value not in before.handles
        ]
        lines += [what for koid, what in now.tasks.items() if koid not in before.tasks]
        if now.kept > before.kept and now.tasks.keys() <= before.tasks.keys():
            lines.append(f"{now.kept - before.kept} dead jobs or processes that are still referred to")
        if now.pages > before.pages:
            lines.append(f"{now.pages - before.pages} committed pages")
        return lines

    def check(self) -> None:
        """Raise LeakError where something is left."""
        leaks = self.leaks()
        if leaks:
            raise LeakError("left over:\n" + "\n".join(f"  {line}" for line in leaks))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check()
