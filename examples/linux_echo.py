"""Linux programs in restricted mode: a Python body loads a static x86-64 program, and serves its system calls.

python -m examples.linux_echo                       two programs at once, killed as one
python -m examples.linux_echo [--trace] echo hello  an applet of /bin/busybox, with this command's standard files
python -m examples.linux_echo [--trace] ./program   a program of another kind
"""

from __future__ import annotations

import argparse
import errno
import os
import struct
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import jacinth
from jacinth import Body, ElfImage, ExceptionType, Kernel, Process, Signals, Socket, VmarFlags, WaitItem

BUSYBOX: Final = "/bin/busybox"
ENVIRON: Final = {"PATH": "/bin", "HOME": "/"}
PAGE, PIECE, MOST, LARGEST = 4096, 64 << 10, 16 << 20, 256 << 20  # bytes: page, one read, one write, program
STACK_SIZE, HEAP_SIZE = 8 << 20, 1 << 30  # pages are committed as they are touched
PIE_BASE: Final = 0x2000_0000_0000  # where position-independent programs begin
MAP_FIXED, MAP_ANONYMOUS, AT_EMPTY_PATH, ARCH_SET_FS, S_IFIFO, USER = 0x10, 0x20, 0x1000, 0x1002, 0x1000, 1000
SIGILL, SIGTRAP, SIGFPE, SIGKILL, SIGSEGV, SIGPIPE = 4, 5, 8, 9, 11, 13


def access(prot: int) -> VmarFlags:
    """PROT_READ, PROT_WRITE and PROT_EXEC have these flags' values; on x86-64 whatever is allowed includes reading."""
    return VmarFlags(prot & 7) | (VmarFlags.PERM_READ if prot & 7 else VmarFlags.NONE)


class Linux:
    """A Linux process. Its calls are methods of their names: they answer what comes into rax, or raise what ERRNOS has.

    SystemExit is the end, with the status that shells show: 128 and the signal where one has ended it.
    """

    def __init__(self, zx: Body, state: jacinth.RestrictedState, stdio: Sequence[Socket[Body]]) -> None:
        self.zx, self.state, self.vmar = zx, state, zx.restricted_vmar
        self.base: int = self.vmar.info.base
        self.top: int = self.base + self.vmar.info.len
        self.fds = dict(enumerate(stdio))  # sockets, which the program takes for pipes
        self.heap_end = self.heap_limit = 0

    async def load(self, image: ElfImage, argv: Sequence[str]) -> None:
        """Make memory and registers what the System V ABI wants them to be when a program starts."""
        bias = PIE_BASE if image.type is jacinth.ElfType.DYN else 0
        self.state.ip = await self.vmar.map_elf(image, bias)
        self.heap_end = bias + image.low + image.span
        self.heap_limit = HEAP_SIZE + await self.map(self.heap_end, HEAP_SIZE, access(3))
        top = STACK_SIZE + await self.map(self.top - STACK_SIZE, STACK_SIZE, access(3))

        def push(data: bytes) -> int:
            nonlocal top
            top -= len(data)
            self.zx.store(self.restricted(top, len(data)), data)
            return top

        arguments = [push(os.fsencode(word) + b"\0") for word in argv]
        environ = [push(f"{key}={value}\0".encode()) for key, value in ENVIRON.items()]
        _, random = await self.zx.cprng_draw(16)
        auxv = [3, bias + (image.phdr_vaddr or 0), 4, 56, 5, image.phdr_count]  # AT_PHDR, AT_PHENT, AT_PHNUM
        auxv += [6, PAGE, 9, self.state.ip, 23, 0]  # AT_PAGESZ, AT_ENTRY, AT_SECURE
        auxv += [25, push(random), 0, 0]  # AT_RANDOM, AT_NULL
        words = [len(argv), *arguments, 0, *environ, 0, *auxv]
        top -= (top - 8 * len(words)) % 16
        self.state.rsp = push(struct.pack(f"<{len(words)}Q", *words))

    async def map(self, address: int, size: int, flags: VmarFlags) -> int:
        """New memory at an address, or for 0 where there is room. mprotect may make it executable."""
        offset = address - self.base if address else 0
        flags |= VmarFlags.SPECIFIC if address else VmarFlags.NONE
        with await jacinth.Vmo.create(size, caller=self.zx).replace_as_executable() as vmo:
            return await self.vmar.map(offset, vmo, 0, vmo.size, flags)

    def restricted(self, address: int, size: int) -> int:
        """An address that a call points to: the body reaches the shared part too, which its program must not."""
        if not self.base <= address <= self.top - size:
            raise jacinth.ZxInvalidArgs
        return address

    def file(self, fd: int, *wanted: int) -> Socket[Body]:
        """One that is open, and of those that the call can have."""
        if fd not in self.fds or fd not in wanted:
            raise jacinth.ZxBadHandle
        return self.fds[fd]

    async def read(self, fd: int, buffer: int, size: int) -> int:
        """As much as there is, as soon as there is any; nothing at the end."""
        socket = self.file(fd, 0)
        data = await socket.recv(min(size, PIECE)) if size else b""
        self.zx.store(self.restricted(buffer, len(data)), data)
        return len(data)

    async def write(self, fd: int, buffer: int, size: int) -> int:
        """Waits until all is written."""
        socket, size = self.file(fd, 1, 2), min(size, MOST)
        data = self.zx.load(self.restricted(buffer, size), size)
        try:
            await socket.sendall(data)
        except jacinth.ZxPeerClosed:
            raise SystemExit(128 + SIGPIPE) from None
        return size

    async def close(self, fd: int) -> int:
        await self.file(fd, 0, 1, 2).close()
        del self.fds[fd]
        return 0

    async def newfstatat(self, fd: int, path: int, buffer: int, flags: int) -> int:
        """Of an open file; there are no others."""
        if not flags & AT_EMPTY_PATH or self.zx.load(self.restricted(path, 1), 1) != b"\0":
            return -errno.ENOENT
        self.file(fd, 0, 1, 2)
        stat = struct.pack("<3Q3I108x", 0, 1, 1, S_IFIFO | 0o600, USER, USER)
        self.zx.store(self.restricted(buffer, len(stat)), stat)
        return 0

    async def mmap(self, address: int, size: int, prot: int, flags: int) -> int:
        """Memory, but no files, and not at an address that the program wants."""
        if not flags & MAP_ANONYMOUS or flags & MAP_FIXED:
            return -errno.ENODEV
        if not 0 < size < self.top:
            return -errno.ENOMEM if size else -errno.EINVAL
        return await self.map(0, size, access(prot))

    async def mprotect(self, address: int, size: int, prot: int) -> int:
        if address % PAGE:
            return -errno.EINVAL
        if size:
            await self.vmar.protect(address, size, access(prot))
        return 0

    async def munmap(self, address: int, size: int) -> int:
        if address % PAGE or not size:
            return -errno.EINVAL
        await self.vmar.unmap(address, size)
        return 0

    async def brk(self, end: int) -> int:
        """The heap has been mapped from the beginning, and never shrinks."""
        if self.heap_end < end <= self.heap_limit:
            self.heap_end = end
        return self.heap_end

    async def arch_prctl(self, code: int, address: int) -> int:
        """Where thread-local storage is."""
        if code != ARCH_SET_FS or address > self.top:
            return -errno.EINVAL
        self.state.fs_base = address
        return 0

    async def getpid(self) -> int:
        return self.zx.process.koid

    async def exit(self, status: int) -> int:
        raise SystemExit(status & 0xFF)

    async def serve(self, trace: bool) -> int:
        """Do the call that the registers ask for."""
        state = self.state
        arguments = [state.rdi, state.rsi, state.rdx, state.r10, state.r8, state.r9]
        name, answer = ANSWERS.get(state.rax, (str(state.rax), -errno.ENOSYS))
        call = CALLS.get(state.rax)
        try:
            if call is not None:
                name, arguments = call.__name__, arguments[: call.__code__.co_argcount - 1]
                answer = await call(self, *arguments)
        except jacinth.ZxStatus as error:
            answer = -ERRNOS.get(type(error), errno.ENOMEM)
        if trace:
            shown = errno.errorcode.get(-answer, hex(answer))
            print(f"{name}({', '.join(map(hex, arguments))}) = {shown}", file=sys.stderr)
        return answer


# fmt: off
CALLS: Final[dict[int, Callable[..., Awaitable[int]]]] = {
    0: Linux.read, 1: Linux.write, 3: Linux.close, 262: Linux.newfstatat, 158: Linux.arch_prctl,
    9: Linux.mmap, 10: Linux.mprotect, 11: Linux.munmap, 12: Linux.brk,
    39: Linux.getpid, 218: Linux.getpid, 60: Linux.exit, 231: Linux.exit,  # set_tid_address, exit_group
}
ANSWERS: Final = {
    8: ("lseek", -errno.ESPIPE), 16: ("ioctl", -errno.ENOTTY), 257: ("openat", -errno.ENOENT),
    102: ("getuid", USER), 104: ("getgid", USER),
}
# fmt: on
ERRNOS: Final = {jacinth.ZxInvalidArgs: errno.EFAULT, jacinth.ZxBadHandle: errno.EBADF}  # others: ENOMEM
FAULTS: Final = {ExceptionType.UNDEFINED_INSTRUCTION: SIGILL, ExceptionType.SW_BREAKPOINT: SIGTRAP}


async def body(zx: Body, image: ElfImage, argv: Sequence[str], trace: bool, *stdio: Socket[Body]) -> int:
    """The first thread of a Linux process: runs the program, serves what it comes out with, answers its exit status."""
    # Handles are in the table of all processes of the prototype: they do not go with this one.
    with stdio[0], stdio[1], stdio[2]:
        state = await zx.thread.restricted_bind_state()
        await state.vmo.close()  # it stays bound; nobody else is to look into it
        linux = Linux(zx, state, stdio)
        try:
            await linux.load(image, argv)
            while True:
                reason = await zx.thread.restricted_enter(state)
                if reason == jacinth.RestrictedReason.SYSCALL:
                    state.rax = await linux.serve(trace)
                elif reason == jacinth.RestrictedReason.EXCEPTION and (report := state.exception):
                    divided = report.header.type == ExceptionType.GENERAL and not report.context.arch.vector
                    return 128 + (SIGFPE if divided else FAULTS.get(report.header.type, SIGSEGV))
        except SystemExit as end:
            return int(end.code or 0)
        except jacinth.ZxStatus:  # from load: no room for the program, or for its arguments
            return 128 + SIGKILL


Started = tuple[Process, Socket, Socket, Socket]  # and the other ends of its standard input, output and error


def start(prototype: Process, argv: Sequence[str], program: bytes, trace: bool = False) -> Started:
    """Start a static program in a process that shares what *prototype* holds. Raises ElfError."""
    image = jacinth.load_elf(program)
    if image.interp is not None:
        raise jacinth.ElfError(f"not static: it needs {image.interp}")
    process, restricted_vmar = prototype.create_shared(os.fsencode(argv[0]))
    restricted_vmar.close()  # the body gets at its own
    ours, theirs = zip(*(Socket.create() for _ in range(3)), strict=True)
    process.start_body(body, image, argv, trace, *theirs)
    return process, *ours


def write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def run(argv: Sequence[str], program: bytes, trace: bool) -> int:
    """Run a program to its end, with the standard files of this one. Answers its exit status."""
    with Kernel() as k:
        prototype, _ = k.root_job.create_child_process("linux", jacinth.ProcessOptions.SHARED)
        process, stdin, *outputs = start(prototype, argv, program, trace)
        ended = WaitItem(process, Signals.PROCESS_TERMINATED)
        items = [ended, *(WaitItem(socket, Signals.SOCKET_READABLE) for socket in outputs)]
        while not ended.pending & Signals.PROCESS_TERMINATED:
            try:
                jacinth.object_wait_many(items)
            except jacinth.KernelDeadlock:  # all that it can wait for is input
                data = os.read(0, PIECE)
                stdin.write(data) if data else stdin.half_close()
            for fd, socket in enumerate(outputs, 1):
                if size := socket.info.rx_buf_size:
                    write(fd, socket.read(size))
        return int(process.info.return_code)


def demonstrate(busybox: bytes) -> None:
    """Two programs, each in a restricted part of its own, read and write by turns; their job's end is theirs."""
    with Kernel(seed=0, virtual_time=True) as k:
        job = k.root_job.create_child_job()
        prototype, _ = job.create_child_process("linux", jacinth.ProcessOptions.SHARED)
        programs = [start(prototype, argv, busybox) for argv in (["cat"], ["tr", "a-z", "A-Z"])]
        for line in (b"one line\n", b"and another\n"):
            for process, stdin, stdout, _ in programs:
                stdin.write(line)
                write(1, f"{process.name}: {stdout.recv()!r}\n".encode())
        job.kill()
        for process, *_ in programs:
            process.wait(Signals.PROCESS_TERMINATED)
            write(1, f"{process.name}: ended with its job, return code {process.info.return_code}\n".encode())


def main() -> int:
    parser = argparse.ArgumentParser("linux_echo", description="Run a static Linux program.")
    parser.add_argument("--trace", action="store_true", help="show its system calls")
    parser.add_argument("argv", nargs="...", help="an applet of busybox or a path, and arguments")
    options = parser.parse_args()
    path = options.argv[0] if options.argv and "/" in options.argv[0] else BUSYBOX
    while (
        spare := os.open(os.devnull, os.O_RDWR)
    ) < 3:  # where a standard file is closed, no other takes its place
        pass
    os.close(spare)
    try:
        with open(path, "rb") as file:
            program = file.read(LARGEST)
        if options.argv:
            return run(options.argv, program, options.trace)
        demonstrate(program)
    except BrokenPipeError:
        return 128 + SIGPIPE
    except KeyboardInterrupt:
        return 130
    except (jacinth.ElfError, OSError) as error:
        place = getattr(error, "filename", path) or "input or output"
        print(f"linux_echo: {place}: {getattr(error, 'strerror', error)}", file=sys.stderr)
        return 126
    return 0


if __name__ == "__main__":
    sys.exit(main())
