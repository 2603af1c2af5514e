"""A program's standard input, output and error: sockets, whose other ends are descriptors of the host.

Output goes to its descriptor in the very call that writes it, so it is complete and in order however the program ends. Input is
taken from its descriptor only while a thread waits for it or has asked for it in vain: a program that never reads leaves it to
whoever comes next.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Final

from jacinth.abi import PA_FD, PA_HND, ZX_SOCKET_READABLE, ZxError
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.kernel.object import SignalObserver

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.syscalls.host import Host

_CHUNK: Final = 65536


class OutputLost(BaseException):
    """A descriptor takes no more output; *error* says why. Ends the host's wait as Ctrl-C does, whatever the program does."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


def write_all(fd: int, data: bytes) -> None:
    """Write all of *data* to a descriptor of the host, however long that takes. Raises OutputLost."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])
        except OSError as error:
            raise OutputLost(error) from None


class _Output(SignalObserver):
    """Carries what arrives in a socket to a descriptor of the host."""

    __slots__ = ("_fd", "_socket")

    def __init__(self, ours: Handle, socket: SocketDispatcher, fd: int) -> None:
        super().__init__(ZX_SOCKET_READABLE, ours)
        self._socket = socket
        self._fd = fd
        socket.add_observer(self)

    def on_match(self, signals: int) -> None:
        socket = self._socket
        while socket.signals & ZX_SOCKET_READABLE:
            data = socket.peek(_CHUNK)
            socket.consume(len(data))
            write_all(self._fd, data)
        socket.add_observer(self)

    def on_cancel(self, signals: int) -> None:
        pass  # the console is being closed


class _Stdin(SocketDispatcher):
    """The program's end of its standard input."""

    __slots__ = ("input",)

    input: _Input | None

    def peek(self, size: int) -> bytes:
        # A program may ask again and again instead of waiting.
        if self.input is not None and not self.signals & ZX_SOCKET_READABLE:
            self.input.look()
        return super().peek(size)


class _Input:
    """Carries what a descriptor of the host has into a socket."""

    def __init__(self, kernel: Kernel, fd: int) -> None:
        self._kernel = kernel
        self._fd = fd
        self._socket = SocketDispatcher(kernel, 0)
        self.theirs = _Stdin(kernel, 0)
        self.theirs.input = self
        self._socket.join(self.theirs)
        self._ours = Handle(self._socket, SocketDispatcher.DEFAULT_RIGHTS)
        kernel.inputs[fd] = self

    def wanted(self) -> bool:
        return any(observer.trigger & ZX_SOCKET_READABLE for observer in self.theirs.observers())

    def look(self) -> None:
        """Take what is there, without waiting for it."""
        if select.select([self._fd], [], [], 0)[0]:
            self.ready()

    def ready(self) -> None:
        try:
            room = self._socket.writable_size(_CHUNK)
        except ZxError:  # the program has not read what it got before, or has closed its end
            return
        try:
            data = os.read(self._fd, room)
        except BlockingIOError:
            return
        except OSError:  # a directory, a terminal that is gone: nothing will ever come
            data = b""
        if data:
            self._socket.write(data)
        else:  # the end: the program finds its peer closed
            self.close()

    def close(self) -> None:
        self.theirs.input = None
        if self._kernel.inputs.pop(self._fd, None) is not None:
            self._ours.close()


class Console:
    """Standard input, output and error of one program; *fds* are the host's descriptors for them.

    They must be open: a number that is not may become any other file of the host's. What goes to the kernel's console
    (`zx_debug_write`, the debuglog) comes out at standard error.
    """

    def __init__(self, kernel: Kernel, host: Host, fds: tuple[int, int, int] = (0, 1, 2)) -> None:
        # (PA_HND word, the host's handle value), for the bootstrap message.
        self.handles: list[tuple[int, int]] = []
        self._ours: list[Handle] = []
        self._input = _Input(kernel, fds[0])
        self._give(host, 0, self._input.theirs)
        for number in (1, 2):
            ours, theirs = SocketDispatcher.create_pair(kernel, 0)
            handle = Handle(ours, SocketDispatcher.DEFAULT_RIGHTS)
            self._give(host, number, theirs)
            _Output(handle, ours, fds[number])
            self._ours.append(handle)
        kernel.console = lambda data: write_all(fds[2], data)

    def _give(self, host: Host, number: int, socket: SocketDispatcher) -> None:
        self.handles.append((PA_HND(PA_FD, number), host.add(socket)))

    def close(self) -> None:
        """Let go of the host's ends."""
        self._input.close()
        ours, self._ours = self._ours, []
        for handle in ours:
            handle.close()
