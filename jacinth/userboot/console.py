"""A program's standard input, output and error: sockets, whose other ends are descriptors of the host.

Output goes to its descriptor in the very call that writes it, so it is complete and in order however the program ends. Input is
taken from its descriptor only while a thread waits for it: a program that never reads leaves it to whoever comes next.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_SOCKET_READABLE
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.kernel.object import SignalObserver
from jacinth.userboot.processargs import PA_FD, pa_hnd

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.syscalls.host import Host

_CHUNK: Final = 65536


class _Output(SignalObserver):
    """Carries what arrives in a socket to a descriptor of the host."""

    __slots__ = ("_fd", "_socket")

    def __init__(self, handle: Handle, socket: SocketDispatcher, fd: int) -> None:
        super().__init__(ZX_SOCKET_READABLE, handle)
        self._socket = socket
        self._fd = fd
        socket.add_observer(self)

    def on_match(self, signals: int) -> None:
        while data := self._take():
            _write_all(self._fd, data)
        self._socket.add_observer(self)

    def _take(self) -> bytes:
        if not self._socket.signals & ZX_SOCKET_READABLE:
            return b""
        data = self._socket.peek(_CHUNK)
        self._socket.consume(len(data))
        return data

    def on_cancel(self, signals: int) -> None:
        pass  # the console is being closed


def _write_all(fd: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:  # nobody reads any more: as with a closed terminal, what the program says is lost
        pass


class _Input:
    """Carries what a descriptor of the host has into a socket."""

    def __init__(self, kernel: Kernel, ours: Handle, theirs: SocketDispatcher, fd: int) -> None:
        self._kernel = kernel
        self._ours = ours
        self._theirs = theirs
        self._fd = fd
        kernel.inputs[fd] = self

    def wanted(self) -> bool:
        return any(observer.trigger & ZX_SOCKET_READABLE for observer in self._theirs.observers())

    def ready(self) -> None:
        socket = self._ours.object
        assert isinstance(socket, SocketDispatcher)
        try:
            data = os.read(self._fd, _CHUNK)
        except OSError:
            data = b""
        if data:
            socket.write(data)
        else:  # the end: the program finds its peer closed
            self.close()

    def close(self) -> None:
        if self._kernel.inputs.pop(self._fd, None) is not None:
            self._ours.close()


class Console:
    """Standard input, output and error of one program; *fds* are the host's descriptors for them."""

    def __init__(self, kernel: Kernel, host: Host, fds: tuple[int, int, int] = (0, 1, 2)) -> None:
        self._outputs: list[Handle] = []
        # (PA_HND word, the host's handle value), for the bootstrap message.
        self.handles: list[tuple[int, int]] = []
        for number, fd in enumerate(fds):
            ours, theirs = SocketDispatcher.create_pair(kernel, 0)
            handle = Handle(ours, ours.DEFAULT_RIGHTS)
            if number == 0:
                self._input = _Input(kernel, handle, theirs, fd)
            else:
                _Output(handle, ours, fd)
                self._outputs.append(handle)
            self.handles.append((pa_hnd(PA_FD, number), host.add(theirs)))

    def close(self) -> None:
        """Let go of the host's ends."""
        self._input.close()
        for handle in self._outputs:
            handle.close()
