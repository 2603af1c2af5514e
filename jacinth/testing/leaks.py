"""Leaks: what a test has made and not given back, and where."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from jacinth.abi.names import object_type_name
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.machine.interface import PAGE_SIZE

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from jacinth.api.kernel import Kernel
    from jacinth.kernel.handle import Handle, HostTable
    from jacinth.kernel.object import Dispatcher

_PACKAGE: Final = str(Path(__file__).parents[1]) + os.sep


class LeakError(AssertionError):
    """Something is left: a line for each handle, task, mapping and for pages, with what it is and where it comes from."""

    def __init__(self, leaks: Iterable[str]) -> None:
        super().__init__("left over:\n" + "\n".join(f"  {line}" for line in leaks))


class _Places:
    """Where handles of the host come from: the lines of the caller's own by which they were made, or received."""

    def __init__(self, table: HostTable) -> None:
        self.by_handle: dict[int, str] = {}
        self.by_koid: dict[int, str] = {}
        self._add = table.add
        table.add = self._remember  # type: ignore[method-assign]

    @classmethod
    def of(cls, table: HostTable) -> Self:
        """Those that are remembered from the first time on that a table is asked."""
        seen = getattr(table.add, "__self__", None)
        return seen if isinstance(seen, cls) else cls(table)

    def _remember(self, handle: Handle) -> int:
        value = self._add(handle)
        self.by_handle[value] = place = _place()
        self.by_koid.setdefault(handle.object.koid, place)
        return value


def is_ours(frame: FrameType) -> bool:
    """Whether it runs a function of this package, or one that was written for a call of the table."""
    return frame.f_code.co_filename.startswith((_PACKAGE, "<"))


def _place() -> str:
    """The innermost line that is no line of this package, as a clause."""
    frame = sys._getframe(1)
    while is_ours(frame):
        if frame.f_back is None:
            return ""
        frame = frame.f_back
    path = os.path.relpath(frame.f_code.co_filename)
    return f", from {path}:{frame.f_lineno}"


@dataclass(frozen=True)
class _Counts:
    handles: Mapping[int, str]  # the host's, by value: type, koid, name
    tasks: Mapping[int, str]  # jobs and processes below the root job, by koid
    mappings: Mapping[int, str]  # in the host's address space, by address
    kept: int  # jobs and processes right below the root job, the dead ones too that somebody still refers to
    pages: int  # committed

    @classmethod
    def of(cls, kernel: Kernel) -> Self:
        host = kernel.host.dispatcher
        tasks: dict[int, str] = {}
        root = kernel.root_job_dispatcher
        for job in root.walk():
            if job is not root:
                tasks[job.koid] = f"job {_describe(job.koid, job.name)}"
            for process in job.processes():
                tasks[process.koid] = f"process {_describe(process.koid, process.name)}"
        handles = {value: _object(handle.object) for value, handle in host.handles}
        mappings = {
            mapping.base: f"of {mapping.size:#x} bytes of {_object(mapping.vmo)}"
            for mapping in host.shared.aspace.mappings()
        }
        return cls(handles, tasks, mappings, root.keepers, kernel.memory.allocated)


def _object(dispatcher: Dispatcher) -> str:
    what = f"{object_type_name(dispatcher.TYPE).lower()} {_describe(dispatcher.koid, dispatcher.name)}"
    if isinstance(dispatcher, VmObjectDispatcher) and (size := dispatcher.attribution().committed):
        what += f" with {_count(size // PAGE_SIZE, 'committed page')}"
    return what


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


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
        self._places = _Places.of(kernel.host.dispatcher.table)
        self._before = _Counts.of(kernel)

    def leaks(self) -> list[str]:
        """A line for everything that is there now and was not there at the beginning."""
        before, now, places = self._before, _Counts.of(self._kernel), self._places
        lines = [
            f"handle {value:#x} to {what}{places.by_handle.get(value, '')}"
            for value, what in _new(now.handles, before.handles)
        ]
        lines += [what + places.by_koid.get(koid, "") for koid, what in _new(now.tasks, before.tasks)]
        lines += [f"mapping at {base:#x} {what}" for base, what in _new(now.mappings, before.mappings)]
        if now.kept > before.kept and now.tasks.keys() <= before.tasks.keys():
            lines.append(f"{now.kept - before.kept} dead jobs or processes that are still referred to")
        if now.pages > before.pages:
            lines.append(f"{_count(now.pages - before.pages, 'committed page')} in all")
        return lines

    def check(self) -> None:
        """Raise LeakError where something is left."""
        leaks = self.leaks()
        if leaks:
            raise LeakError(leaks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check()


def _new(now: Mapping[int, str], before: Mapping[int, str]) -> Iterable[tuple[int, str]]:
    return ((key, what) for key, what in now.items() if key not in before)
