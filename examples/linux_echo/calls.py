"""The Linux system calls of programs that read, compute and write.

Each takes the process and its own arguments, unsigned 64-bit numbers, and answers what comes into rax; it raises LinuxError for
an errno, and Exit at the end of the program. Other calls answer ENOSYS, and programs do without: rseq, prctl, sendfile, ...
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from typing import Final

from jacinth import (
    INFINITE,
    Body,
    Signals,
    Socket,
    VmarFlags,
    WaitItem,
    ZxBadState,
    ZxPeerClosed,
    ZxShouldWait,
    ZxStatus,
    ZxTimedOut,
    object_wait_many,
)

from .process import PAGE, PLATFORM, RW, STACK_SIZE, USER, Errno, Exit, File, Linux, LinuxError, access, pages

RELEASE: Final = b"6.1.0"  # C libraries refuse kernels that are too old for them
PIECE: Final = 64 << 10  # bytes that are moved at once
ENDLESS: Final = (1 << 64) - 1
TOP: Final = 1 << 47
READABLE: Final = Signals.SOCKET_READABLE | Signals.SOCKET_PEER_CLOSED | Signals.SOCKET_PEER_WRITE_DISABLED
WRITABLE: Final = Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED
POLLIN, POLLOUT, POLLERR, POLLHUP, POLLNVAL = 1, 4, 8, 16, 32
MAP_FIXED, MAP_ANONYMOUS = 0x10, 0x20
O_ACCMODE, O_CREAT, AT_EMPTY_PATH = 3, 0x40, 0x1000
SIGKILL, SIGPIPE, SIGSTOP, SIGNALS = 9, 13, 19, 64
S_IFIFO, S_IFREG = 0o010000, 0o100000
F_GETFD, F_SETFD, F_GETFL = 1, 2, 3
ARCH_SET_GS, ARCH_SET_FS, RLIMIT_STACK = 0x1001, 0x1002, 3

Function = Callable[..., Awaitable[int]]
CALLS: Final[dict[int, tuple[Function, int]]] = {}  # by number: the function, and how many arguments it has


def linux_call(*numbers: int) -> Callable[[Function], Function]:
    """The function serves the calls of these numbers."""

    def register(function: Function) -> Function:
        for number in numbers:
            CALLS[number] = function, function.__code__.co_argcount - 1
        return function

    return register


def signed(value: int, bits: int = 64) -> int:
    """The low *bits* as a number with a sign."""
    value &= (1 << bits) - 1
    return value - (value >> (bits - 1) << bits)


# Memory


@linux_call(9)
async def mmap(linux: Linux, address: int, size: int, prot: int, flags: int) -> int:
    """Of memory, not of files. An address that is not MAP_FIXED is a wish, and not heard."""
    if not flags & MAP_ANONYMOUS:
        raise LinuxError(Errno.ENODEV)
    if not size or (flags & MAP_FIXED and address % PAGE):
        raise LinuxError(Errno.EINVAL)
    if not flags & MAP_FIXED:
        return await linux.map_anywhere(pages(size), prot)
    await linux.map(address, pages(size), prot, VmarFlags.SPECIFIC_OVERWRITE)
    return address


@linux_call(10)
async def mprotect(linux: Linux, address: int, size: int, prot: int) -> int:
    if size:
        await linux.vmar.protect(address, pages(size), access(prot))
    return 0


@linux_call(11)
async def munmap(linux: Linux, address: int, size: int) -> int:
    await linux.vmar.unmap(address, pages(size))
    return 0


@linux_call(12)
async def brk(linux: Linux, end: int) -> int:
    """Whole pages come and go; a wish that cannot be fulfilled changes nothing, and the answer says so."""
    if end < linux.heap:
        return linux.heap_end
    old, new = pages(linux.heap_end), pages(end)
    try:
        if new > old:
            await linux.map(old, new - old, RW)
        elif new < old:
            await linux.vmar.unmap(new, old - new)
    except (LinuxError, ZxStatus):
        return linux.heap_end
    linux.heap_end = end
    return end


# Files: what a pipe is made of is a socket


@linux_call(0)
async def read(linux: Linux, fd: int, buffer: int, size: int) -> int:
    file = linux.file(fd)
    size = min(size, PIECE)
    if isinstance(file, File):
        data = file.content[file.position : file.position + size]
        file.position += len(data)
    else:
        data = await receive(file, size) if size else b""
    linux.write_memory(buffer, data)
    return len(data)


async def receive(socket: Socket[Body], size: int) -> bytes:
    """What the pipe has, at most *size* bytes, as soon as it has any; none at its end."""
    while True:
        try:
            return await socket.read(size)
        except ZxShouldWait:
            await socket.wait(READABLE)
        except (ZxPeerClosed, ZxBadState):
            return b""


@linux_call(1)
async def write(linux: Linux, fd: int, buffer: int, size: int) -> int:
    """Waits until all is written, as a pipe does; at most PIECE bytes."""
    socket = linux.file(fd)
    if isinstance(socket, File):
        raise LinuxError(Errno.EBADF)
    data = linux.read_memory(buffer, min(size, PIECE))
    done = 0
    while done < len(data):
        try:
            done += await socket.write(data[done:])
        except ZxShouldWait:
            await socket.wait(WRITABLE)
        except (ZxPeerClosed, ZxBadState):
            linux.raise_signal(SIGPIPE)
            raise LinuxError(Errno.EPIPE) from None
    return done


def vectors(linux: Linux, address: int, count: int) -> list[tuple[int, int]]:
    """The struct iovecs there."""
    if count > 1024:
        raise LinuxError(Errno.EINVAL)
    return list(struct.iter_unpack("<QQ", linux.read_memory(address, 16 * count)))


@linux_call(19)
async def readv(linux: Linux, fd: int, address: int, count: int) -> int:
    """Into the first vector that has room: less than all have room for is a good answer too."""
    linux.file(fd)
    for base, size in vectors(linux, address, count):
        if size:
            return await read(linux, fd, base, size)
    return 0


@linux_call(20)
async def writev(linux: Linux, fd: int, address: int, count: int) -> int:
    linux.file(fd)
    total = 0
    for base, size in vectors(linux, address, count):
        if not size:
            continue
        done = await write(linux, fd, base, size)
        total += done
        if done < size:
            break
    return total


@linux_call(7)
async def poll(linux: Linux, fds: int, count: int, timeout: int) -> int:
    """*timeout* is in ms, endless where it is negative."""
    if count > 32:
        raise LinuxError(Errno.EINVAL)
    rows = list(struct.iter_unpack("<ihh", linux.read_memory(fds, 8 * count)))
    waiting: dict[int, WaitItem[Body]] = {}
    answers = [0] * count
    for number, (fd, events, _) in enumerate(rows):
        file = linux.fds.get(fd)
        if isinstance(file, Socket):
            wanted = (READABLE if events & POLLIN else 0) | (WRITABLE if events & POLLOUT else 0)
            waiting[number] = WaitItem(file, wanted | Signals.SOCKET_PEER_CLOSED)
        elif file is not None:
            answers[number] = events & (POLLIN | POLLOUT)
        elif fd >= 0:
            answers[number] = POLLNVAL
    milliseconds = 0 if any(answers) else signed(timeout, 32)
    deadline = INFINITE if milliseconds < 0 else await linux.zx.deadline_after(milliseconds * 1_000_000)
    if waiting:
        try:
            await object_wait_many(list(waiting.values()), deadline)
        except ZxTimedOut:
            pass
    else:
        await linux.zx.nanosleep(deadline)
    for number, item in waiting.items():
        events = rows[number][1]
        if item.pending & READABLE:
            answers[number] |= events & POLLIN
        if item.pending & Signals.SOCKET_WRITABLE:
            answers[number] |= events & POLLOUT
        if item.pending & Signals.SOCKET_PEER_CLOSED:
            answers[number] |= POLLERR if events & POLLOUT else POLLHUP
    words = [struct.pack("<ihh", *row[:2], answer) for row, answer in zip(rows, answers, strict=True)]
    linux.write_memory(fds, b"".join(words))
    return sum(map(bool, answers))


@linux_call(257)
async def openat(linux: Linux, directory: int, path: int, flags: int) -> int:
    """The files that the process was given, to be read."""
    content = linux.files.get(linux.read_string(path))
    if content is None and not flags & O_CREAT:
        raise LinuxError(Errno.ENOENT)
    if content is None or flags & O_ACCMODE:
        raise LinuxError(Errno.EROFS)
    fd = next(number for number in range(len(linux.fds) + 1) if number not in linux.fds)
    linux.fds[fd] = File(content)
    return fd


@linux_call(3)
async def close(linux: Linux, fd: int) -> int:
    file = linux.file(fd)
    del linux.fds[fd & 0xFFFF_FFFF]
    if not isinstance(file, File):
        await file.close()
    return 0


@linux_call(8)
async def lseek(linux: Linux, fd: int, offset: int, whence: int) -> int:
    file = linux.file(fd)
    if not isinstance(file, File):
        raise LinuxError(Errno.ESPIPE)
    starts = (0, file.position, len(file.content))  # SEEK_SET, SEEK_CUR, SEEK_END
    if whence >= len(starts) or not 0 <= starts[whence] + signed(offset) < TOP:
        raise LinuxError(Errno.EINVAL)
    file.position = starts[whence] + signed(offset)
    return file.position


@linux_call(5)
async def fstat(linux: Linux, fd: int, buffer: int) -> int:
    file = linux.file(fd)
    return write_stat(linux, buffer, None if isinstance(file, Socket) else file.content)


@linux_call(262)
async def newfstatat(linux: Linux, directory: int, path: int, buffer: int, flags: int) -> int:
    name = linux.read_string(path)
    if not name and flags & AT_EMPTY_PATH:
        return await fstat(linux, directory, buffer)
    if name not in linux.files:
        raise LinuxError(Errno.ENOENT)
    return write_stat(linux, buffer, linux.files[name])


def write_stat(linux: Linux, buffer: int, content: bytes | None) -> int:
    """The struct stat of a file with *content*, or without it of a pipe."""
    mode = S_IFIFO | 0o600 if content is None else S_IFREG | 0o444
    size = len(content or b"")
    fields = (0, 1, 1, mode, USER, USER, 0, 0, size, PAGE, -(-size // 512))
    linux.write_memory(buffer, struct.pack("<3Q4I4Q72x", *fields))
    return 0


@linux_call(16)
async def ioctl(linux: Linux, fd: int) -> int:
    """Nothing here is a terminal."""
    linux.file(fd)
    raise LinuxError(Errno.ENOTTY)


@linux_call(72)
async def fcntl(linux: Linux, fd: int, command: int) -> int:
    file = linux.file(fd)
    if command not in (F_GETFD, F_SETFD, F_GETFL):
        raise LinuxError(Errno.EINVAL)
    return int(command == F_GETFL and isinstance(file, Socket) and fd > 0)  # O_WRONLY: stdout and stderr


@linux_call(89)
async def readlink(linux: Linux, path: int, buffer: int, size: int) -> int:
    if linux.read_string(path) != "/proc/self/exe":
        raise LinuxError(Errno.ENOENT)
    target = linux.path.encode()[:size]
    linux.write_memory(buffer, target)
    return len(target)


# The process


@linux_call(60, 231)  # exit, exit_group
async def exit(linux: Linux, status: int) -> int:
    raise Exit(status & 0xFF)


@linux_call(39, 110, 186)  # getpid, getppid, gettid
async def getpid(linux: Linux) -> int:
    return linux.zx.process.koid


@linux_call(102, 104, 107, 108)  # getuid, getgid, geteuid, getegid
async def getuid(linux: Linux) -> int:
    return USER


@linux_call(62)
async def kill(linux: Linux, pid: int, number: int) -> int:
    """Itself: it knows of no other."""
    if signed(pid, 32) not in (0, linux.zx.process.koid):
        raise LinuxError(Errno.ESRCH)
    if number > SIGNALS:
        raise LinuxError(Errno.EINVAL)
    if number:
        linux.raise_signal(number)
    return 0


@linux_call(234)
async def tgkill(linux: Linux, pid: int, thread: int, number: int) -> int:
    return await kill(linux, pid, number)


@linux_call(13)
async def rt_sigaction(linux: Linux, number: int, action: int, old: int) -> int:
    """Actions are kept; see `Linux.raise_signal` for what comes of them."""
    if not 1 <= number <= SIGNALS or (action and number in (SIGKILL, SIGSTOP)):
        raise LinuxError(Errno.EINVAL)
    new = linux.read_memory(action, 32) if action else None
    if old:
        linux.write_memory(old, linux.actions.get(number, bytes(32)))
    if new is not None:
        linux.actions[number] = new
    return 0


@linux_call(14)
async def rt_sigprocmask(linux: Linux, how: int, new: int, old: int) -> int:
    """No signal comes from outside, so there is nothing to hold back."""
    if old:
        linux.write_memory(old, bytes(8))
    return 0


@linux_call(218)
async def set_tid_address(linux: Linux) -> int:
    """The address is of a word to clear when the thread ends; after the only one nobody looks at it."""
    return linux.zx.process.koid


@linux_call(273)
async def set_robust_list(linux: Linux) -> int:
    """The list is of locks to hand on when the thread ends; nobody else waits for them."""
    return 0


@linux_call(158)
async def arch_prctl(linux: Linux, code: int, address: int) -> int:
    if code not in (ARCH_SET_FS, ARCH_SET_GS):
        raise LinuxError(Errno.EINVAL)
    if address >= TOP:
        raise LinuxError(Errno.EPERM)
    if code == ARCH_SET_FS:
        linux.state.fs_base = address
    else:
        linux.state.gs_base = address
    return 0


@linux_call(302)
async def prlimit64(linux: Linux, pid: int, resource: int, new: int, old: int) -> int:
    """Only the stack has a limit."""
    if new:
        raise LinuxError(Errno.EPERM)
    if old:
        limit = STACK_SIZE if resource == RLIMIT_STACK else ENDLESS
        linux.write_memory(old, struct.pack("<QQ", limit, ENDLESS))
    return 0


@linux_call(63)
async def uname(linux: Linux, buffer: int) -> int:
    fields = (b"Linux", b"jacinth", RELEASE, b"#1", PLATFORM, b"(none)")
    linux.write_memory(buffer, struct.pack("65s65s65s65s65s65s", *fields))
    return 0


@linux_call(318)
async def getrandom(linux: Linux, buffer: int, size: int) -> int:
    _, data = await linux.zx.cprng_draw(min(size, PIECE))
    linux.write_memory(buffer, data)
    return len(data)


@linux_call(228)
async def clock_gettime(linux: Linux, clock: int, buffer: int) -> int:
    """CLOCK_MONOTONIC and CLOCK_BOOTTIME: the time since the machine started. Nobody has told it the date."""
    if clock not in (1, 7):
        raise LinuxError(Errno.EINVAL)
    linux.write_memory(buffer, struct.pack("<QQ", *divmod(await linux.zx.clock_get_monotonic(), 10**9)))
    return 0


@linux_call(230)
async def clock_nanosleep(linux: Linux, clock: int, flags: int, request: int) -> int:
    """For a time, not until one."""
    seconds, nanoseconds = struct.unpack("<qq", linux.read_memory(request, 16))
    if flags or seconds < 0 or not 0 <= nanoseconds < 10**9:
        raise LinuxError(Errno.EINVAL)
    duration = min(seconds * 10**9 + nanoseconds, INFINITE)
    await linux.zx.nanosleep(await linux.zx.deadline_after(duration))
    return 0
