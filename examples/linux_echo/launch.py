"""Start Linux programs in shared processes, and talk with them over what they take for pipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from jacinth import (
    ElfError,
    Kernel,
    Process,
    Signals,
    Socket,
    WaitItem,
    ZxPeerClosed,
    ZxShouldWait,
    load_elf,
    object_wait_many,
)
from jacinth.abi import ZX_INFO_PROCESS_FLAG_EXITED

from .body import body

BUSYBOX: Final = Path("/bin/busybox")
ENVIRON: Final = MappingProxyType({"PATH": "/bin", "HOME": "/"})
NO_FILES: Final[Mapping[str, bytes]] = MappingProxyType({})


@dataclass
class LinuxProcess:
    """A Linux program that runs, and the other ends of its standard files."""

    process: Process[Kernel]
    stdin: Socket[Kernel]
    stdout: Socket[Kernel]
    stderr: Socket[Kernel]

    def communicate(self, data: bytes = b"") -> tuple[int, bytes, bytes]:
        """Let it read *data* and no more, and run to its end. Answers exit status, and what it wrote to stdout and stderr."""
        written = {self.stdout: b"", self.stderr: b""}
        while not self.exited:
            data = data[self.send(data) :]
            if not data:
                self.stdin.half_close()
            self.wait(writable=bool(data))
            for socket in written:
                written[socket] += self.receive(socket)
        return self.status, written[self.stdout], written[self.stderr]

    @property
    def exited(self) -> bool:
        return bool(self.process.info.flags & ZX_INFO_PROCESS_FLAG_EXITED)

    @property
    def status(self) -> int:
        """Its exit status, when it has ended: 128 and the signal where one has ended it."""
        return int(self.process.info.return_code)

    def wait(self, *, writable: bool = False) -> None:
        """Until it has written something, or ended, or has room in stdin, if *writable*."""
        items = [WaitItem(socket, Signals.SOCKET_READABLE) for socket in (self.stdout, self.stderr)]
        items.append(WaitItem(self.process, Signals.PROCESS_TERMINATED))
        if writable:
            items.append(WaitItem(self.stdin, Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED))
        object_wait_many(items)

    def send(self, data: bytes) -> int:
        """Put *data* where stdin reads it. Answers how much there was room for; all of it, where nobody reads any more."""
        try:
            return self.stdin.write(data) if data else 0
        except ZxShouldWait:
            return 0
        except ZxPeerClosed:
            return len(data)

    def receive(self, socket: Socket[Kernel]) -> bytes:
        """What has been written to stdout or stderr since the last time."""
        data = b""
        try:
            while True:
                data += socket.read()
        except (ZxShouldWait, ZxPeerClosed):
            return data

    def close(self) -> None:
        """Close the handles. The program goes on, with its pipes broken."""
        for handle in (self.process, self.stdin, self.stdout, self.stderr):
            handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    prototype: Process[Kernel],
    argv: Sequence[str],
    *,
    program: bytes | None = None,
    path: str = str(BUSYBOX),
    environ: Mapping[str, str] = ENVIRON,
    files: Mapping[str, bytes] = NO_FILES,
) -> LinuxProcess:
    """Start a static x86-64 program, *program* or the file at *path*, in a process that shares what *prototype* holds.

    *files* are those that it finds, by their paths. Raises ElfError for what is no such program.
    """
    image = load_elf(Path(path).read_bytes() if program is None else program)
    if image.interp is not None:
        raise ElfError(f"not static: it needs {image.interp}")
    process, restricted_vmar = prototype.create_shared(argv[0])
    restricted_vmar.close()  # the body gets at its own
    ours, theirs = zip(*(Socket.create() for _ in range(3)), strict=True)
    process.start_body(body, *theirs, image, path, argv, environ, files)
    return LinuxProcess(process, *ours)
