"""Programs under test: started from a file, in a job of their own, with their output kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import PA_FD, PA_HND, PA_USER0
from jacinth.abi.names import return_code_name
from jacinth.api.flags import Signals
from jacinth.api.handle import INFINITE, WaitItem, object_wait_many
from jacinth.api.socket import Socket
from jacinth.api.status import ZxPeerClosed, ZxShouldWait, ZxTimedOut
from jacinth.api.task import Process
from jacinth.tools.crash import CrashReporter
from jacinth.userboot.launch import launch

if TYPE_CHECKING:
    from jacinth.api.handle import Handle
    from jacinth.api.kernel import Kernel
    from jacinth.api.task import Job
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.job import JobDispatcher
    from jacinth.kernel.thread import ThreadDispatcher

_ROOM: Final = 1 << 16


@dataclass(frozen=True)
class Finished:
    """How a program has ended: its return code (ZX_TASK_RETCODE_* where it was killed) and what it has written."""

    return_code: int
    output: bytes

    def __repr__(self) -> str:
        return f"Finished(return_code={return_code_name(self.return_code)}, output={self.output!r})"


class _Crashes(CrashReporter):
    """Reports exceptions of what runs in a program's job on standard error, which pytest shows with a failure."""

    def __init__(self, kernel: Kernel, data: bytes, job: int) -> None:
        super().__init__(kernel, data)
        self._job = job

    def on_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        job: JobDispatcher | None = thread.process.job
        while job is not None and job.koid != self._job:
            job = job.parent
        if job is not None:
            self._out = sys.stderr  # what it is now
            super().on_exception(thread, report)


class Program:
    """A program that runs whenever the kernel does: `process` and `job` are the host's handles.

    What it writes to standard output and error is read by `output` and `finish`; *stdin* is what it can read. *handles*
    are given to it, as the startup handles PA_HND(PA_USER0, 0), (PA_USER0, 1) and so on, and are its own then. An exception
    that nobody handles is reported on `sys.stderr`, as `jacinth run` does.
    """

    def __init__(
        self,
        kernel: Kernel,
        program: str | Path | bytes,
        args: Sequence[str] = (),
        *,
        stdin: bytes = b"",
        environ: Mapping[str, str] | None = None,
        handles: Sequence[Handle[Any]] = (),
        job: Job[Kernel] | None = None,
    ) -> None:
        """*program* is the path of an ELF file, or its bytes. Raises ElfError, OSError, ZxStatus."""
        data = program if isinstance(program, bytes) else Path(program).read_bytes()
        name = "program" if isinstance(program, bytes) else Path(program).name
        self._kernel = kernel
        self._written = bytearray()
        self._unread = stdin
        self.job: Job[Kernel] = (job or kernel.root_job).create_child_job()
        self._crashes = _Crashes(kernel, data, self.job.koid)
        kernel.observers.append(self._crashes)
        self._console, theirs = Socket.create(caller=kernel)
        self._input, its_input = Socket.create(caller=kernel)
        self._feed()
        given: list[tuple[int, Handle[Any]]] = [
            (PA_HND(PA_FD, 0), its_input),
            (PA_HND(PA_FD, 1), theirs),
            (PA_HND(PA_FD, 2), theirs.duplicate()),
        ]
        given += [(PA_HND(PA_USER0, number), handle) for number, handle in enumerate(handles)]
        started = launch(
            kernel.host,
            kernel.vdso,
            data,
            job=self.job.raw,
            name=os.fsencode(name)[:31],
            args=[os.fsencode(name), *map(os.fsencode, args)],
            environ={os.fsencode(key): os.fsencode(value) for key, value in (environ or {}).items()},
            handles=[(word, handle.take()) for word, handle in given],
        )
        self.process: Process[Kernel] = Process(kernel, started.process)
        for raw in (started.thread, started.vmar):
            kernel.sys.zx_handle_close(raw)

    def output(self) -> bytes:
        """All that it has written so far. Lets no time pass."""
        while True:
            try:
                self._written += self._console.read(_ROOM)
            except (ZxShouldWait, ZxPeerClosed):
                return bytes(self._written)

    def finish(self, deadline: int = INFINITE) -> Finished:
        """Let the system run until the program has ended, by itself or at *deadline* ns by a kill of its job.

        All that it has made in its job ends with it, and the handles to it are closed. Raises KernelDeadlock where it waits
        for something that can never come.
        """
        ended = WaitItem(self.process, Signals.TASK_TERMINATED)
        while True:
            items = [ended, WaitItem(self._console, Signals.SOCKET_READABLE)]
            if not self._input.is_invalid:
                items.append(WaitItem(self._input, Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED))
            try:
                object_wait_many(items, deadline)
            except ZxTimedOut:
                break
            self.output()
            self._feed()
            if ended.pending & Signals.TASK_TERMINATED:
                break
        self.job.kill()
        finished = Finished(self.process.info.return_code, self.output())
        self.close()
        return finished

    def close(self) -> None:
        """Kill it where it still runs, and close the handles to it."""
        if not self.job.is_invalid:
            self.job.kill()
            self._kernel.observers.remove(self._crashes)
        for handle in (self.job, self.process, self._console, self._input):
            handle.close()

    def _feed(self) -> None:
        """Give it more of its input, as much as there is room for."""
        if self._input.is_invalid:
            return
        try:
            while self._unread:
                self._unread = self._unread[self._input.write(self._unread[:_ROOM]) :]
        except ZxShouldWait:
            return
        except ZxPeerClosed:
            self._unread = b""
        self._input.close()
