"""The Linux system calls of a program that reads, computes and writes, served by a Python body.

The program lies in the restricted part of the process, and runs in restricted mode: it reaches nothing else. Each of its system
calls brings its thread back here, with the registers in `RestrictedState`, and this decides what it means. Its files are the
two kinds that `Linux.fds` can hold: sockets, which stand for pipes, and contents that can only be read.

Linux numbers are written out: those of the machine that this runs on may be other ones.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from jacinth import (
    Body,
    ElfImage,
    ElfType,
    ExceptionType,
    RestrictedReason,
    RestrictedState,
    Signals,
    Socket,
    VmarFlags,
    Vmo,
    ZxAccessDenied,
    ZxBadState,
    ZxInvalidArgs,
    ZxNoMemory,
    ZxNotFound,
    ZxPeerClosed,
    ZxShouldWait,
    ZxStatus,
)

PAGE: Final = 4096
STACK_SIZE: Final = 8 << 20  # Linux's usual limit; pages are committed as they are touched
PIE_BASE: Final = 0x5555_5555_4000  # where Linux puts position-independent programs
PIECE: Final = 64 << 10  # bytes that are moved at once
TOP: Final = 1 << 47
PLATFORM: Final = b"x86_64"
RELEASE: Final = b"6.1.0"  # C libraries refuse kernels that are too old for them
USER: Final = 1000
HWCAP: Final = 0x0780_8111  # fpu, tsc, cx8, cmov, mmx, fxsr, sse, sse2: what each x86-64 has

SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE = 4, 5, 7, 8, 11, 13
DIVIDE_ERROR: Final = 0  # the processor's number of that exception
NO_ACTION: Final = (
    19,
    18,
    23,
    17,
    28,
)  # signals that end nobody: SIGSTOP, which nobody serves here, SIGCONT, SIGURG, ...


class Errno(IntEnum):
    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    EBADF = 9
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    ENODEV = 19
    EINVAL = 22
    ENOTTY = 25
    ESPIPE = 29
    EROFS = 30
    EPIPE = 32
    ERANGE = 34
    ENOSYS = 38


ERRNO_OF: Final = {ZxNoMemory: Errno.ENOMEM, ZxNotFound: Errno.ENOMEM, ZxAccessDenied: Errno.EACCES}


class LinuxError(Exception):
    """The call answers -errno."""

    def __init__(self, errno: Errno) -> None:
        self.errno = errno


class Exit(Exception):
    """The program has ended, with a status such as a shell shows: 128 and the signal where one has ended it."""

    def __init__(self, status: int) -> None:
        self.status = status


@dataclass(slots=True)
class File:
    """An open file that can only be read."""

    content: bytes
    position: int = 0


def access(prot: int) -> VmarFlags:
    """What PROT_READ, PROT_WRITE and PROT_EXEC allow; on x86-64 whatever is allowed includes reading."""
    flags = VmarFlags.PERM_READ if prot & 7 else VmarFlags.NONE
    if prot & 2:
        flags |= VmarFlags.PERM_WRITE
    if prot & 4:
        flags |= VmarFlags.PERM_EXECUTE
    return flags


def pages(size: int) -> int:
    """*size* in whole pages, in bytes."""
    return (size + PAGE - 1) & -PAGE


class Linux:
    """A Linux process: what its system calls act on. Those are the methods in `CALLS`; arguments are unsigned 64-bit numbers."""

    def __init__(
        self, zx: Body, path: str, stdio: Sequence[Socket[Body]], files: Mapping[str, bytes]
    ) -> None:
        self.zx = zx
        self.vmar = zx.restricted_vmar
        info = self.vmar.info
        self.base = info.base
        self.top = info.base + info.len
        self.path = path
        self.fds: dict[int, Socket[Body] | File] = dict(enumerate(stdio))
        self.files = files
        self.actions: dict[int, bytes] = {}  # struct sigaction of each signal that has one
        self.heap = self.heap_end = 0  # where the heap begins, and ends
        self.state: RestrictedState

    # From a file to a running program

    async def run(self, image: ElfImage, argv: Sequence[str], environ: Mapping[str, str]) -> int:
        """Run the program to its end. Answers its exit status."""
        thread = self.zx.thread
        state = self.state = await thread.restricted_bind_state()
        await state.vmo.close()  # it stays bound; nobody else is to look into it
        try:
            state.ip, state.rsp = await self.load(image, argv, environ)
            while True:
                reason = await thread.restricted_enter(state)
                if reason == RestrictedReason.SYSCALL:
                    state.rax = await self.call(state)
                elif reason == RestrictedReason.EXCEPTION:
                    raise Exit(128 + self.signal_of_exception())
        except Exit as end:
            return end.status

    async def load(self, image: ElfImage, argv: Sequence[str], environ: Mapping[str, str]) -> tuple[int, int]:
        """Map the program and a stack as the System V ABI wants them at a process's start. Answers ip and rsp."""
        bias = PIE_BASE if image.type is ElfType.DYN else 0
        for segment in image.segments:
            size = segment.end - segment.start
            content = image.data[segment.offset : segment.offset + segment.filesz]
            prot = segment.read | segment.write << 1 | segment.execute << 2
            await self.map(bias + segment.start, size, prot, content, segment.vaddr - segment.start)
        self.heap = self.heap_end = bias + image.segments[-1].end

        top = await self.map(0, STACK_SIZE, prot=3) + STACK_SIZE

        def push(data: bytes) -> int:
            nonlocal top
            top -= len(data)
            self.zx.store(top, data)
            return top

        name = push(self.path.encode() + b"\0")
        platform = push(PLATFORM + b"\0")
        entropy = push(await self.entropy(16))
        variables = [push(f"{key}={value}".encode() + b"\0") for key, value in environ.items()]
        arguments = [push(word.encode() + b"\0") for word in argv]
        auxv = {
            3: bias + (image.phdr_vaddr or 0),  # AT_PHDR
            4: 56,  # AT_PHENT
            5: image.phdr_count,  # AT_PHNUM
            6: PAGE,  # AT_PAGESZ
            7: 0,  # AT_BASE: there is no dynamic linker
            9: bias + image.entry,  # AT_ENTRY
            11: USER,  # AT_UID, AT_EUID, AT_GID, AT_EGID
            12: USER,
            13: USER,
            14: USER,
            15: platform,  # AT_PLATFORM
            16: HWCAP,  # AT_HWCAP
            17: 100,  # AT_CLKTCK
            23: 0,  # AT_SECURE
            25: entropy,  # AT_RANDOM
            31: name,  # AT_EXECFN
            0: 0,  # AT_NULL
        }
        words = [len(arguments), *arguments, 0, *variables, 0]
        for pair in auxv.items():
            words += pair
        top -= (top - 8 * len(words)) % 16
        return bias + image.entry, push(struct.pack(f"<{len(words)}Q", *words))

    def signal_of_exception(self) -> int:
        """The signal with which Linux would answer what the program has done."""
        report = self.state.exception
        assert report is not None
        if report.header.type == ExceptionType.GENERAL:
            return SIGFPE if report.context.arch.vector == DIVIDE_ERROR else SIGSEGV
        return {
            ExceptionType.UNDEFINED_INSTRUCTION: SIGILL,
            ExceptionType.SW_BREAKPOINT: SIGTRAP,
            ExceptionType.HW_BREAKPOINT: SIGTRAP,
            ExceptionType.UNALIGNED_ACCESS: SIGBUS,
        }.get(report.header.type, SIGSEGV)

    async def call(self, state: RestrictedState) -> int:
        """Serve the system call that the registers ask for. Answers what comes into rax."""
        row = CALLS.get(state.rax)
        if row is None:
            return -Errno.ENOSYS
        function, count = row
        arguments = (state.rdi, state.rsi, state.rdx, state.r10, state.r8, state.r9)
        try:
            return await function(self, *arguments[:count])
        except LinuxError as error:
            return -error.errno
        except ZxStatus as error:
            return -ERRNO_OF.get(type(error), Errno.EINVAL)

    # Memory

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the program: EFAULT."""
        try:
            return self.zx.load(address, self.restricted(address, size))
        except ZxInvalidArgs:
            raise LinuxError(Errno.EFAULT) from None

    def write_memory(self, address: int, data: bytes) -> None:
        """Give the program bytes: EFAULT."""
        try:
            self.zx.store(address, data[: self.restricted(address, len(data))])
        except ZxInvalidArgs:
            raise LinuxError(Errno.EFAULT) from None

    def restricted(self, address: int, size: int) -> int:
        """*size*, where the range is in the restricted part. The body reaches the other one too, its program must not: EFAULT."""
        if address < self.base or address + size > self.top:
            raise LinuxError(Errno.EFAULT)
        return size

    def read_string(self, address: int) -> str:
        """A path: EFAULT, where it does not end within a page too."""
        data = b""
        while b"\0" not in data and len(data) <= PAGE:
            place = address + len(data)
            data += self.read_memory(place, -place % PAGE or PAGE)
        return data.partition(b"\0")[0].decode(errors="surrogateescape")

    async def map(
        self,
        address: int,
        size: int,
        prot: int,
        content: bytes = b"",
        offset: int = 0,
        fixed: VmarFlags = VmarFlags.SPECIFIC,
    ) -> int:
        """New memory of *size* bytes with *content* from *offset* on, at *address* unless that is 0. Answers where it is."""
        flags = access(prot) | fixed if address else access(prot)
        if address and address < self.base:
            raise LinuxError(Errno.EPERM)
        with await Vmo.create(size, caller=self.zx).replace_as_executable() as vmo:
            await vmo.write(content, offset)
            return await self.vmar.map(address and address - self.base, vmo, 0, size, flags)

    async def mmap(self, address: int, size: int, prot: int, flags: int, fd: int, offset: int) -> int:
        if not flags & 0x20:  # MAP_ANONYMOUS
            raise LinuxError(Errno.ENODEV)
        fixed = flags & 0x10  # MAP_FIXED; any other address is a wish
        if not size or (fixed and address % PAGE):
            raise LinuxError(Errno.EINVAL)
        size = pages(size)
        return await self.map(address if fixed else 0, size, prot, fixed=VmarFlags.SPECIFIC_OVERWRITE)

    async def munmap(self, address: int, size: int) -> int:
        await self.vmar.unmap(address, pages(size))
        return 0

    async def mprotect(self, address: int, size: int, prot: int) -> int:
        if size:
            await self.vmar.protect(address, pages(size), access(prot))
        return 0

    async def brk(self, end: int) -> int:
        """Whole pages come and go; a wish that cannot be fulfilled changes nothing, and the answer says so."""
        old, new = pages(self.heap_end), pages(end)
        if end < self.heap:
            return self.heap_end
        try:
            if new > old:
                await self.map(old, new - old, prot=3)
            elif new < old:
                await self.vmar.unmap(new, old - new)
        except ZxStatus:
            return self.heap_end
        self.heap_end = end
        return end

    # Files

    def file(self, fd: int) -> Socket[Body] | File:
        """What is open under a number: EBADF."""
        try:
            return self.fds[fd & 0xFFFF_FFFF]
        except KeyError:
            raise LinuxError(Errno.EBADF) from None

    async def read(self, fd: int, buffer: int, size: int) -> int:
        file = self.file(fd)
        size = min(size, PIECE)
        if isinstance(file, File):
            data = file.content[file.position : file.position + size]
            file.position += len(data)
        else:
            data = await self.receive(file, size) if size else b""
        self.write_memory(buffer, data)
        return len(data)

    async def receive(self, socket: Socket[Body], size: int) -> bytes:
        """What the pipe has, at most *size* bytes, as soon as it has any; none at its end."""
        while True:
            try:
                return await socket.read(size)
            except ZxShouldWait:
                await socket.wait(
                    Signals.SOCKET_READABLE | Signals.SOCKET_PEER_CLOSED | Signals.SOCKET_PEER_WRITE_DISABLED
                )
            except (ZxPeerClosed, ZxBadState):
                return b""

    async def write(self, fd: int, buffer: int, size: int) -> int:
        """Waits until all is written, as a pipe does."""
        file = self.file(fd)
        if isinstance(file, File):
            raise LinuxError(Errno.EBADF)
        done = 0
        while done < size:
            data = self.read_memory(buffer + done, min(size - done, PIECE))
            try:
                done += await file.write(data)
            except ZxShouldWait:
                await file.wait(Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED)
            except (ZxPeerClosed, ZxBadState):
                self.raise_signal(SIGPIPE)
                raise LinuxError(Errno.EPIPE) from None
        return done

    def vectors(self, address: int, count: int) -> list[tuple[int, int]]:
        """The struct iovecs there."""
        if count > 1024:
            raise LinuxError(Errno.EINVAL)
        return list(struct.iter_unpack("<QQ", self.read_memory(address, 16 * count)))

    async def readv(self, fd: int, address: int, count: int) -> int:
        for base, size in self.vectors(address, count):
            if size:  # less than the first has room for is as good an answer as all
                return await self.read(fd, base, size)
        return 0

    async def writev(self, fd: int, address: int, count: int) -> int:
        return sum([await self.write(fd, base, size) for base, size in self.vectors(address, count)])

    async def openat(self, directory: int, path: int, flags: int) -> int:
        """The files that the process was given, to be read."""
        content = self.files.get(self.read_string(path))
        if content is None:
            raise LinuxError(Errno.EROFS if flags & 0x40 else Errno.ENOENT)  # O_CREAT
        if flags & 3:  # O_WRONLY, O_RDWR
            raise LinuxError(Errno.EROFS)
        fd = next(number for number in range(len(self.fds) + 1) if number not in self.fds)
        self.fds[fd] = File(content)
        return fd

    async def close(self, fd: int) -> int:
        file = self.file(fd)
        del self.fds[fd & 0xFFFF_FFFF]
        if not isinstance(file, File):
            await file.close()
        return 0

    async def lseek(self, fd: int, offset: int, whence: int) -> int:
        file = self.file(fd)
        if not isinstance(file, File):
            raise LinuxError(Errno.ESPIPE)
        starts = (0, file.position, len(file.content))  # SEEK_SET, SEEK_CUR, SEEK_END
        if offset >= TOP:
            offset -= 1 << 64
        if whence >= len(starts) or starts[whence] + offset < 0:
            raise LinuxError(Errno.EINVAL)
        file.position = starts[whence] + offset
        return file.position

    async def fstat(self, fd: int, buffer: int) -> int:
        file = self.file(fd)
        if isinstance(file, File):
            self.write_stat(buffer, 0o100444, len(file.content))
        else:
            self.write_stat(buffer, 0o010600, 0)
        return 0

    async def newfstatat(self, directory: int, path: int, buffer: int, flags: int) -> int:
        name = self.read_string(path)
        if not name and flags & 0x1000:  # AT_EMPTY_PATH
            return await self.fstat(directory, buffer)
        if name not in self.files:
            raise LinuxError(Errno.ENOENT)
        self.write_stat(buffer, 0o100444, len(self.files[name]))
        return 0

    def write_stat(self, buffer: int, mode: int, size: int) -> None:
        """A struct stat."""
        blocks = -(-size // 512)
        fields = (0, 1, 1, mode, USER, USER, 0, 0, size, PAGE, blocks)
        self.write_memory(buffer, struct.pack("<3Q4I4Q72x", *fields))

    async def ioctl(self, fd: int) -> int:
        """Nothing here is a terminal."""
        self.file(fd)
        raise LinuxError(Errno.ENOTTY)

    async def readlink(self, path: int, buffer: int, size: int) -> int:
        if self.read_string(path) != "/proc/self/exe":
            raise LinuxError(Errno.ENOENT)
        target = self.path.encode()[:size]
        self.write_memory(buffer, target)
        return len(target)

    # The process

    def raise_signal(self, number: int) -> None:
        """End the program with a signal that it does not ignore. Handlers are not called: it ends with these too."""
        handler = int.from_bytes(self.actions.get(number, b"")[:8], "little")
        if handler != 1 and number not in NO_ACTION:  # SIG_IGN
            raise Exit(128 + number)

    async def exit(self, status: int) -> int:
        raise Exit(status & 0xFF)

    async def kill(self, pid: int, number: int) -> int:
        if pid & 0xFFFF_FFFF != await self.getpid():
            raise LinuxError(Errno.ESRCH)
        if number > 64:
            raise LinuxError(Errno.EINVAL)
        if number:
            self.raise_signal(number)
        return 0

    async def tgkill(self, pid: int, thread: int, number: int) -> int:
        return await self.kill(pid, number)

    async def rt_sigaction(self, number: int, action: int, old: int) -> int:
        """Signals have actions, which are kept and answered."""
        if not 1 <= number <= 64:
            raise LinuxError(Errno.EINVAL)
        if old:
            self.write_memory(old, self.actions.get(number, bytes(32)))
        if action:
            self.actions[number] = self.read_memory(action, 32)
        return 0

    async def rt_sigprocmask(self, how: int, new: int, old: int) -> int:
        """No signal comes from outside, so there is nothing to hold back."""
        if old:
            self.write_memory(old, bytes(8))
        return 0

    async def getpid(self) -> int:
        return self.zx.process.koid

    async def getuid(self) -> int:
        return USER

    async def set_tid_address(self, address: int) -> int:
        """The address is that of a word to clear when the thread ends; nobody looks at it after the last one."""
        return await self.getpid()

    async def set_robust_list(self, head: int, size: int) -> int:
        """The list is of locks to hand on when the thread ends; there is no other that waits for them."""
        return 0

    async def arch_prctl(self, code: int, address: int) -> int:
        if code not in (0x1001, 0x1002):  # ARCH_SET_GS, ARCH_SET_FS
            raise LinuxError(Errno.EINVAL)
        if address >= TOP:
            raise LinuxError(Errno.EPERM)
        setattr(self.state, "gs_base" if code == 0x1001 else "fs_base", address)
        return 0

    async def prlimit64(self, pid: int, resource: int, new: int, old: int) -> int:
        """Only the stack has a limit."""
        if new:
            raise LinuxError(Errno.EPERM)
        endless = (1 << 64) - 1
        if old:
            self.write_memory(old, struct.pack("<QQ", STACK_SIZE if resource == 3 else endless, endless))
        return 0

    async def uname(self, buffer: int) -> int:
        fields = (b"Linux", b"jacinth", RELEASE, b"#1", PLATFORM, b"(none)")
        self.write_memory(buffer, struct.pack("65s65s65s65s65s65s", *fields))
        return 0

    async def entropy(self, size: int) -> bytes:
        """Random bytes."""
        _, data = await self.zx.cprng_draw(size)
        return bytes(data)

    async def getrandom(self, buffer: int, size: int) -> int:
        size = min(size, PIECE)
        self.write_memory(buffer, await self.entropy(size))
        return size

    async def clock_gettime(self, clock: int, buffer: int) -> int:
        """The time since the machine started: CLOCK_MONOTONIC and CLOCK_BOOTTIME. Nobody has told it the date."""
        if clock not in (1, 7):
            raise LinuxError(Errno.EINVAL)
        self.write_memory(buffer, struct.pack("<QQ", *divmod(await self.zx.clock_get_monotonic(), 10**9)))
        return 0

    async def clock_nanosleep(self, clock: int, flags: int, request: int) -> int:
        seconds, nanoseconds = struct.unpack("<qq", self.read_memory(request, 16))
        if flags or seconds < 0 or not 0 <= nanoseconds < 10**9:  # TIMER_ABSTIME
            raise LinuxError(Errno.EINVAL)
        duration = min(seconds * 10**9 + nanoseconds, (1 << 63) - 1)
        await self.zx.nanosleep(await self.zx.deadline_after(duration))
        return 0


# The number of each call, the method, and how many arguments that has. What is not here answers ENOSYS, and programs do without:
# rseq, prctl, sendfile and the rest.
CALLS: Final[dict[int, tuple[Callable[..., Awaitable[int]], int]]] = {
    0: (Linux.read, 3),
    1: (Linux.write, 3),
    3: (Linux.close, 1),
    5: (Linux.fstat, 2),
    8: (Linux.lseek, 3),
    9: (Linux.mmap, 6),
    10: (Linux.mprotect, 3),
    11: (Linux.munmap, 2),
    12: (Linux.brk, 1),
    13: (Linux.rt_sigaction, 3),
    14: (Linux.rt_sigprocmask, 3),
    16: (Linux.ioctl, 1),
    19: (Linux.readv, 3),
    20: (Linux.writev, 3),
    39: (Linux.getpid, 0),
    60: (Linux.exit, 1),
    62: (Linux.kill, 2),
    63: (Linux.uname, 1),
    89: (Linux.readlink, 3),
    102: (Linux.getuid, 0),
    104: (Linux.getuid, 0),  # getgid
    107: (Linux.getuid, 0),  # geteuid
    108: (Linux.getuid, 0),  # getegid
    110: (Linux.getpid, 0),  # getppid
    158: (Linux.arch_prctl, 2),
    186: (Linux.getpid, 0),  # gettid
    218: (Linux.set_tid_address, 1),
    228: (Linux.clock_gettime, 2),
    230: (Linux.clock_nanosleep, 3),
    231: (Linux.exit, 1),  # exit_group
    234: (Linux.tgkill, 3),
    257: (Linux.openat, 3),
    262: (Linux.newfstatat, 4),
    273: (Linux.set_robust_list, 2),
    302: (Linux.prlimit64, 4),
    318: (Linux.getrandom, 2),
}


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
    linux = Linux(zx, path, (stdin, stdout, stderr), files)
    try:
        return await linux.run(image, argv, environ)
    finally:
        for file in (
            linux.fds.values()
        ):  # the handles are those of all who share the prototype: they do not go by themselves
            if not isinstance(file, File):
                await file.close()
