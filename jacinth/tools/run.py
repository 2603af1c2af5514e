"""`jacinth run`: one program from a file, in a job of its own, with the terminal as its console."""

from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_CHANNEL_MAX_MSG_BYTES,
    ZX_ERR_NO_MEMORY,
    ZX_INFO_PROCESS,
    ZX_MAX_NAME_LEN,
    ZX_PROP_NAME,
    ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    Status,
    ZxError,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel
from jacinth.api.machine import NoEngine, why_not_native
from jacinth.kernel.kernel import KernelDeadlock
from jacinth.tools.crash import CrashReporter
from jacinth.userboot.console import Console, OutputLost, write_all
from jacinth.userboot.elf import ElfError
from jacinth.userboot.launch import launch

if TYPE_CHECKING:
    from types import FrameType

    from jacinth.api.machine import EngineName

# Exit statuses, as shells and timeout(1) have them.
TIMED_OUT: Final = 124
CANNOT_GO_ON: Final = 125
NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
INTERRUPTED: Final = 130
KILLED: Final = 137
CRASHED: Final = 139
PIPE_BROKEN: Final = 141

# What the interpreter and the emulator need for themselves, in bytes.
_OWN_MEMORY: Final = 1 << 30
# Of the bootstrap message, for all but strings.
_BOOTSTRAP_RESERVE: Final = 512


@dataclass(frozen=True)
class Options:
    """What the command line says. *timeout* in seconds; *memory* in bytes."""

    engine: EngineName = "auto"
    cpus: int | None = None
    seed: int | None = None
    virtual_time: bool = False
    timeout: float | None = None
    memory: int = 1 << 30
    trace_to: str | None = None  # a file's name, or "-" for standard error
    ktrace: str | None = None  # a file's name
    environ: Mapping[str, str] = field(default_factory=dict)


class _CannotRun(Exception):
    """One line for the person who asked, and an exit status."""

    def __init__(self, fault: str, status: int) -> None:
        super().__init__(fault)
        self.status = status


class _TimeIsUp(BaseException):
    """Raised wherever the kernel happens to be, as Ctrl-C is."""


def run(path: str, arguments: Sequence[str], options: Options) -> int:
    """Run the program to its end. Answers the exit status for the shell; what is wrong goes to standard error in one line.

    A run that is broken off leaves the machine to the end of the process, which gives everything back sooner than taking
    down a million objects one by one.
    """
    try:
        with _time_limit(options.timeout), _host_memory_limit(options.memory):
            return _run(path, arguments, options)
    except _CannotRun as error:
        return _fail(path, str(error), error.status)
    except _TimeIsUp:
        return _fail(path, f"still running after {options.timeout:g} s: killed", TIMED_OUT)
    except KeyboardInterrupt:
        return INTERRUPTED
    except MemoryError:
        return _fail(path, "has used up the memory that the kernel keeps its objects in: killed", KILLED)
    except OutputLost as lost:
        if lost.error.errno == errno.EPIPE:  # as programs of the host end, without a word
            return PIPE_BROKEN
        return _fail(path, f"output is lost: {_strerror(lost.error)}", CANNOT_GO_ON)


def _run(path: str, arguments: Sequence[str], options: Options) -> int:
    words = [path, *arguments, *(f"{name}={value}" for name, value in options.environ.items())]
    if sum(len(os.fsencode(word)) + 1 for word in words) > ZX_CHANNEL_MAX_MSG_BYTES - _BOOTSTRAP_RESERVE:
        raise _CannotRun("arguments and environment are longer than 64 KiB", NOT_EXECUTABLE)
    data = _read(path, options.memory)
    if options.engine == "auto" and not options.virtual_time and not os.environ.get("JACINTH_ENGINE"):
        fault = why_not_native("auto", virtual_time=False)
        if fault is not None:
            _say(path, f"on the portable engine, since the native one cannot be used here: {fault}")
    try:
        kernel = Kernel(
            engine=options.engine,
            cpus=options.cpus,
            seed=options.seed,
            virtual_time=options.virtual_time,
            memory=options.memory,
        )
    except NoEngine as error:
        raise _CannotRun(str(error), CANNOT_GO_ON) from None
    except OSError as error:
        fault = f"cannot have {_size(options.memory)} of memory: {_strerror(error)}"
        raise _CannotRun(fault, CANNOT_GO_ON) from None
    with _trace(kernel, options.trace_to), _ktrace(kernel, options.ktrace):
        try:
            status = _run_on(kernel, path, data, arguments, options)
            kernel.close()
            return status
        except ElfError as error:
            raise _CannotRun(str(error), NOT_EXECUTABLE) from None
        except ZxError as error:
            if error.status is Status.NO_MEMORY:
                fault = f"does not fit into {_size(options.memory)} of memory"
            else:
                fault = f"cannot be started: {error}"
            raise _CannotRun(fault, NOT_EXECUTABLE) from None


@contextmanager
def _host_memory_limit(memory: int) -> Iterator[None]:
    """Objects and messages take memory of this process, not of the machine: making them without end must fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _OWN_MEMORY + memory
    for bound in (soft, hard):
        limit = limit if bound == resource.RLIM_INFINITY else min(limit, bound)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _read(path: str, limit: int) -> bytes:
    """The program's file, which is no larger than memory."""
    try:
        # Opening a pipe would wait for somebody to write to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise _CannotRun("is a directory", NOT_EXECUTABLE)
            if not stat.S_ISREG(status.st_mode):
                raise _CannotRun("not a regular file", NOT_EXECUTABLE)
            if status.st_size > limit:
                raise _CannotRun(f"does not fit into {_size(limit)} of memory", NOT_EXECUTABLE)
            return file.read()
    except FileNotFoundError:
        raise _CannotRun("no such file", NOT_FOUND) from None
    except OSError as error:
        raise _CannotRun(_strerror(error), NOT_EXECUTABLE) from None
    except ValueError:  # a NUL in the path
        raise _CannotRun("no such file", NOT_FOUND) from None


def _run_on(kernel: Kernel, path: str, data: bytes, arguments: Sequence[str], options: Options) -> int:
    zx = kernel.host.sys
    name = os.fsencode(os.path.basename(path))[: ZX_MAX_NAME_LEN - 1]
    _, job = zx.zx_job_create(kernel.host.root_job, 0)
    zx.zx_object_set_property(job, ZX_PROP_NAME, name)
    console = Console(kernel, kernel.host)
    crash = CrashReporter(kernel, data)
    kernel.observers.append(crash)
    program = launch(
        kernel.host,
        kernel.vdso,
        data,
        job=job,
        name=name,
        args=[os.fsencode(path), *map(os.fsencode, arguments)],
        environ={os.fsencode(key): os.fsencode(value) for key, value in options.environ.items()},
        handles=console.handles,
    )
    try:
        zx.zx_object_wait_one(program.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    except KernelDeadlock as error:
        raise _CannotRun(str(error), CANNOT_GO_ON) from None
    _, record, _, _ = zx.zx_object_get_info(program.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE)
    return_code = zx_info_process_t.unpack(record).return_code
    # Whatever else the program has started ends with it.
    zx.zx_task_kill(job)
    console.close()
    if return_code == ZX_TASK_RETCODE_EXCEPTION_KILL:
        if crash.last is not None and crash.last.synth_code == ZX_ERR_NO_MEMORY & 0xFFFF_FFFF:
            _say(path, f"all {_size(options.memory)} of memory are in use")
    elif _is_kill(return_code):
        from jacinth.abi.names import flag_names

        _say(path, f"killed ({flag_names('ZX_TASK_RETCODE_', return_code)})")
    return exit_status(return_code)


@contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raise _TimeIsUp in the body after so many *seconds* of the host's time, whatever it does."""
    if seconds is None:
        yield
        return

    def on_alarm(number: int, frame: FrameType | None) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _trace(kernel: Kernel, to: str | None) -> Iterator[None]:
    """Trace into the file *to*, or to standard error."""
    if to is None:
        yield
        return
    from jacinth.tools.tracer import Tracer, attach

    fd = 2
    if to != "-":
        try:
            fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _CannotRun(f"cannot write the trace to {to}: {_strerror(error)}", CANNOT_GO_ON) from None
    attach(kernel.door, Tracer(_line_writer(fd)))
    try:
        yield
    finally:
        if fd != 2:
            os.close(fd)


@contextmanager
def _ktrace(kernel: Kernel, to: str | None) -> Iterator[None]:
    """Let the kernel's trace go to the file *to*."""
    if to is None:
        yield
        return
    try:
        fd = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _CannotRun(f"cannot write the trace to {to}: {_strerror(error)}", CANNOT_GO_ON) from None
    ktrace = kernel.ktrace
    ktrace.on_full = lambda records: write_all(fd, records)
    ktrace.start()
    try:
        yield
    finally:
        ktrace.stop()
        write_all(fd, ktrace.read())
        os.close(fd)


def _line_writer(fd: int) -> Callable[[str], None]:
    # Past `sys.stderr`: in order with what the program and the debuglog write.
    return lambda line: write_all(fd, f"{line}\n".encode(errors="backslashreplace"))


def _is_kill(return_code: int) -> bool:
    """Whether it is one of the kernel's own: killed by a call, by policy, by an exception, with its job."""
    return ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL <= return_code <= ZX_TASK_RETCODE_SYSCALL_KILL


def exit_status(return_code: int) -> int:
    """What the shell sees of a 64-bit return code: its low byte, and for the kernel's own codes what a signal would give."""
    if return_code == ZX_TASK_RETCODE_EXCEPTION_KILL:
        return CRASHED
    if _is_kill(return_code):
        return KILLED
    return return_code & 0xFF


def _size(size: int) -> str:
    """As --memory takes it."""
    for unit in "TGMK":
        factor = 1 << 10 * (" KMGT".index(unit))
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return str(size)


def _strerror(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _say(path: str, what: str) -> None:
    try:
        write_all(2, f"jacinth: {path}: {what}\n".encode(errors="surrogateescape"))
    except OutputLost:
        pass  # nobody listens


def _fail(path: str, fault: str, status: int) -> int:
    _say(path, fault)
    return status
