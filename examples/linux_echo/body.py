"""The Python body under a Linux program: it enters restricted mode, and serves what the program comes out with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from jacinth import (
    Body,
    ElfImage,
    ExceptionType,
    RestrictedReason,
    RestrictedState,
    Socket,
    ZxAccessDenied,
    ZxAlreadyExists,
    ZxNoMemory,
    ZxNoResources,
    ZxNotFound,
    ZxOutOfRange,
    ZxStatus,
)
from jacinth.abi import zx_exception_report_t

from .calls import CALLS
from .process import Errno, Exit, Linux, LinuxError

SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGKILL, SIGSEGV = 4, 5, 7, 8, 9, 11
DIVIDE_ERROR: Final = 0  # the processor's number of that exception
SIGNALS: Final = {
    ExceptionType.UNDEFINED_INSTRUCTION: SIGILL,
    ExceptionType.SW_BREAKPOINT: SIGTRAP,
    ExceptionType.HW_BREAKPOINT: SIGTRAP,
    ExceptionType.UNALIGNED_ACCESS: SIGBUS,
}
ERRNOS: Final = {
    ZxAccessDenied: Errno.EACCES,
    ZxAlreadyExists: Errno.ENOMEM,
    ZxNoMemory: Errno.ENOMEM,
    ZxNoResources: Errno.ENOMEM,
    ZxNotFound: Errno.ENOMEM,
    ZxOutOfRange: Errno.ENOMEM,
}  # what calls about memory answer


async def body(
    zx: Body,
    stdin: Socket[Body],
    stdout: Socket[Body],
    stderr: Socket[Body],
    image: ElfImage,
    path: str,
    argv: Sequence[str],
    environ: Mapping[str, str],
    files: Mapping[str, bytes],
) -> int:
    """The first thread of a Linux process. Its return code is the program's exit status."""
    with (
        stdin,
        stdout,
        stderr,
    ):  # handles are in the table of all who share the prototype: they do not go with the process
        state = await zx.thread.restricted_bind_state()
        await state.vmo.close()  # it stays bound; nobody else is to look into it
        linux = Linux(zx, state, path, (stdin, stdout, stderr), files)
        try:
            await linux.load(image, argv, environ)
            while True:
                reason = await zx.thread.restricted_enter(state)
                if reason == RestrictedReason.SYSCALL:
                    state.rax = await serve(linux, state)
                elif reason == RestrictedReason.EXCEPTION:
                    assert state.exception is not None
                    raise Exit(128 + signal_of(state.exception))
        except Exit as end:
            return end.status
        except (LinuxError, ZxStatus):  # from load: no room for the program, or for its arguments
            return 128 + SIGKILL


async def serve(linux: Linux, state: RestrictedState) -> int:
    """Do the system call that the registers ask for. Answers what comes into rax."""
    row = CALLS.get(state.rax)
    if row is None:
        return -Errno.ENOSYS
    function, count = row
    arguments = (state.rdi, state.rsi, state.rdx, state.r10, state.r8, state.r9)
    try:
        return await function(linux, *arguments[:count])
    except LinuxError as error:
        return -error.errno
    except ZxStatus as error:
        return -ERRNOS.get(type(error), Errno.EINVAL)


def signal_of(report: zx_exception_report_t) -> int:
    """The signal with which Linux answers what the program has done."""
    if report.header.type == ExceptionType.GENERAL:
        return SIGFPE if report.context.arch.vector == DIVIDE_ERROR else SIGSEGV
    return SIGNALS.get(report.header.type, SIGSEGV)
