"""`jacinth run`: one program from a file, in a job of its own, with the terminal as its console."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_INFO_PROCESS,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    Status,
    ZxError,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.kernel import KernelDeadlock
from jacinth.tools.crash import CrashReporter
from jacinth.userboot.console import Console
from jacinth.userboot.elf import ElfError
from jacinth.userboot.launch import launch

if TYPE_CHECKING:
    from jacinth.api.kernel import EngineName

# Exit statuses, as shells and timeout(1) have them.
NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
TIMED_OUT: Final = 124
INTERRUPTED: Final = 130
CRASHED: Final = 139
KILLED: Final = 137
DEADLOCK: Final = 125


@dataclass(frozen=True)
class Options:
    """What the command line says. *timeout* in seconds; *memory* in bytes."""

    engine: EngineName = "auto"
    seed: int | None = None
    virtual_time: bool = False
    timeout: float | None = None
    memory: int = 1 << 30
    trace_to: str | None = None  # a file's name, or "-" for standard error
    environ: Mapping[str, str] | None = None


def run(path: str, arguments: Sequence[str], options: Options) -> int:
    """Run the program to its end. Answers the exit status for the shell; what is wrong goes to standard error in one line."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return _fail(path, "no such file", NOT_FOUND)
    except OSError as error:
        return _fail(path, (error.strerror or str(error)).lower(), NOT_EXECUTABLE)
    with Kernel(
        engine=options.engine, seed=options.seed, virtual_time=options.virtual_time, memory=options.memory
    ) as kernel:
        try:
            return _run(kernel, path, data, arguments, options)
        except ElfError as error:
            return _fail(path, str(error), NOT_EXECUTABLE)
        except ZxError as error:
            if error.status is Status.NO_MEMORY:
                return _fail(path, f"does not fit into {options.memory >> 20} MiB of memory", NOT_EXECUTABLE)
            return _fail(path, f"cannot be started: {error}", NOT_EXECUTABLE)
        except KeyboardInterrupt:
            return INTERRUPTED


def _run(kernel: Kernel, path: str, data: bytes, arguments: Sequence[str], options: Options) -> int:
    zx = kernel.host.sys
    _, job = zx.zx_job_create(kernel.host.root_job, 0)
    console = Console(kernel, kernel.host)
    crash = CrashReporter(kernel, data)
    kernel.observers.append(crash)
    close_trace = _trace(kernel, options.trace_to)
    name = Path(path).name
    try:
        program = launch(
            kernel.host,
            kernel.vdso,
            data,
            job=job,
            name=name.encode()[:31],
            args=[path.encode(), *(argument.encode() for argument in arguments)],
            environ={key.encode(): value.encode() for key, value in (options.environ or {}).items()},
            handles=console.handles,
        )
        deadline = (
            ZX_TIME_INFINITE if options.timeout is None else kernel.deadline_after(int(options.timeout * 1e9))
        )
        try:
            status, _ = zx.zx_object_wait_one(program.process, ZX_TASK_TERMINATED, deadline)
        except KernelDeadlock:
            return _fail(path, "every thread waits, and nothing is left that could wake one", DEADLOCK)
        if status == Status.TIMED_OUT:
            return _fail(path, f"still running after {options.timeout:g} s: killed", TIMED_OUT)
        _, record, _, _ = zx.zx_object_get_info(program.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE)
        return exit_status(zx_info_process_t.unpack(record).return_code)
    finally:
        zx.zx_task_kill(job)
        console.close()
        close_trace()


def _trace(kernel: Kernel, to: str | None) -> Callable[[], None]:
    if to is None:
        return lambda: None
    from jacinth.tools.tracer import Tracer, attach

    if to == "-":
        attach(kernel.door, Tracer(lambda line: print(line, file=sys.stderr)))
        return sys.stderr.flush
    file = open(to, "w", encoding="utf-8")  # noqa: SIM115  # closed by what is returned
    attach(kernel.door, Tracer(lambda line: print(line, file=file)))
    return file.close


def exit_status(return_code: int) -> int:
    """What the shell sees of a 64-bit return code: its low byte, and for the kernel's own codes what a signal would give."""
    if return_code == ZX_TASK_RETCODE_EXCEPTION_KILL:
        return CRASHED
    if return_code <= -1024:  # killed: by a call, by policy, with its job
        return KILLED
    return return_code & 0xFF


def _fail(path: str, fault: str, status: int) -> int:
    print(f"jacinth: {path}: {fault}", file=sys.stderr)
    return status
