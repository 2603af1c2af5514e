"""A Linux process: what its system calls act on, and how its program comes into memory.

    upper part    shared by all that come from one prototype; its Linux program cannot reach it
    ------------------------------------------------------------------------------------
    lower part    the restricted part of this process: program, heap, stack, what mmap has mapped

Linux numbers are written out here and in `calls`: those of the machine that this runs on may be other ones.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from jacinth import (
    Body,
    ElfImage,
    ElfType,
    RestrictedState,
    Socket,
    VmarFlags,
    Vmo,
    ZxInvalidArgs,
)

PAGE: Final = 4096
STACK_SIZE: Final = 8 << 20  # Linux's usual limit; pages are committed as they are touched
PIE_BASE: Final = 0x2000_0000_0000  # where position-independent programs begin
PLATFORM: Final = b"x86_64"
USER: Final = 1000
HWCAP: Final = 0x0780_8111  # fpu, tsc, cx8, cmov, mmx, fxsr, sse, sse2: what each x86-64 has

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
RW: Final = PROT_READ | PROT_WRITE
SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH = 17, 18, 19, 20, 21, 22, 23, 28
SIG_IGN: Final = 1


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
    if not prot & (PROT_READ | PROT_WRITE | PROT_EXEC):
        return VmarFlags.NONE
    flags = VmarFlags.PERM_READ
    if prot & PROT_WRITE:
        flags |= VmarFlags.PERM_WRITE
    if prot & PROT_EXEC:
        flags |= VmarFlags.PERM_EXECUTE
    return flags


def pages(size: int) -> int:
    """*size* in whole pages, in bytes."""
    return (size + PAGE - 1) & -PAGE


class Linux:
    """A Linux process. Addresses are of its restricted part; errors are raised as LinuxError."""

    def __init__(
        self,
        zx: Body,
        state: RestrictedState,
        path: str,
        stdio: Sequence[Socket[Body]],
        files: Mapping[str, bytes],
    ) -> None:
        self.zx = zx
        self.state = state
        self.vmar = zx.restricted_vmar
        info = self.vmar.info
        self.base: int = info.base
        self.top: int = info.base + info.len
        self.path = path  # of the program
        self.fds: dict[int, Socket[Body] | File] = dict(enumerate(stdio))
        self.files = files  # what it can open, by path
        self.actions: dict[int, bytes] = {}  # struct sigaction of each signal that has one
        self.heap = self.heap_end = 0  # where the heap begins, and ends
        self.lowest: int = self.top  # what mmap has mapped is above: it goes downwards, towards the heap

    # From a file to a program that can start

    async def load(self, image: ElfImage, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Make memory and registers what the System V ABI wants them to be at a process's start."""
        bias = PIE_BASE if image.type is ElfType.DYN else 0
        for segment in image.segments:
            size = segment.end - segment.start
            content = image.data[segment.offset : segment.offset + segment.filesz]
            prot = segment.read * PROT_READ | segment.write * PROT_WRITE | segment.execute * PROT_EXEC
            content = bytes(segment.vaddr - segment.start) + content
            await self.map(bias + segment.start, size, prot, content=content)
        self.heap = self.heap_end = bias + image.segments[-1].end

        top = await self.map_anywhere(STACK_SIZE, RW) + STACK_SIZE
        self.lowest -= PAGE  # a stack that grows beyond its end hits nothing

        def push(data: bytes) -> int:
            nonlocal top
            top -= len(data)
            self.zx.store(top, data)
            return top

        path = push(self.path.encode(errors="surrogateescape") + b"\0")
        platform = push(PLATFORM + b"\0")
        _, entropy = await self.zx.cprng_draw(16)
        variables = [
            push(f"{key}={value}".encode(errors="surrogateescape") + b"\0") for key, value in environ.items()
        ]
        arguments = [push(word.encode(errors="surrogateescape") + b"\0") for word in argv]
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
            25: push(bytes(entropy)),  # AT_RANDOM
            31: path,  # AT_EXECFN
            0: 0,  # AT_NULL
        }
        words = [len(arguments), *arguments, 0, *variables, 0]
        for pair in auxv.items():
            words += pair
        top -= (top - 8 * len(words)) % 16
        self.state.rsp = push(struct.pack(f"<{len(words)}Q", *words))
        self.state.ip = bias + image.entry

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
        self, address: int, size: int, prot: int, flags: VmarFlags = VmarFlags.SPECIFIC, content: bytes = b""
    ) -> None:
        """New memory of whole pages, that begins with *content*."""
        if address < self.base:
            raise LinuxError(Errno.EPERM)
        if address + size > self.top:
            raise LinuxError(Errno.ENOMEM)
        # Executable, so that mprotect can make it so.
        with await Vmo.create(size, caller=self.zx).replace_as_executable() as vmo:
            await vmo.write(content)
            await self.vmar.map(address - self.base, vmo, 0, size, access(prot) | flags)

    async def map_anywhere(self, size: int, prot: int) -> int:
        """New memory of whole pages. Answers where it is."""
        if size > self.lowest - self.base:
            raise LinuxError(Errno.ENOMEM)
        self.lowest -= size
        await self.map(self.lowest, size, prot)
        return self.lowest

    # Files

    def file(self, fd: int) -> Socket[Body] | File:
        """What is open under a number: EBADF."""
        try:
            return self.fds[fd & 0xFFFF_FFFF]
        except KeyError:
            raise LinuxError(Errno.EBADF) from None

    # Signals

    def raise_signal(self, number: int) -> None:
        """Do what a signal does, but for handlers: they are not called, and the program ends. ENOSYS for those that stop it."""
        if self.actions.get(number, b"")[:8] == SIG_IGN.to_bytes(8, "little"):
            return
        if number in (SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU):
            raise LinuxError(Errno.ENOSYS)
        if number not in (SIGCHLD, SIGCONT, SIGURG, SIGWINCH):
            raise Exit(128 + number)
