"""Fixtures for the objects that programs talk through: user memory of the host, and programs beside it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from jacinth.abi import BY_NAME, ZX_OK, ZX_VM_PERM_READ, ZX_VM_PERM_WRITE
from jacinth.kernel.handle import Handle
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import TRAPS, BodySys

MS = 1_000_000
BAD_ADDRESS = 0x10  # nothing is ever mapped there


class Memory:
    """Memory of the host's process: *address* is where it is mapped."""

    SIZE = 1 << 20

    def __init__(self, k: Any) -> None:
        self.zx = k.host.sys
        status, self.vmo = self.zx.zx_vmo_create(self.SIZE, 0)
        assert status == ZX_OK
        options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
        status, self.address = self.zx.zx_vmar_map(k.host.root_vmar, options, 0, self.vmo, 0, self.SIZE)
        assert status == ZX_OK

    def put(self, offset: int, data: bytes) -> int:
        """Store *data*; answers its address."""
        assert self.zx.zx_vmo_write(self.vmo, data, offset) == ZX_OK
        return self.address + offset

    def get(self, offset: int, size: int) -> bytes:
        status, data = self.zx.zx_vmo_read(self.vmo, offset, size)
        assert status == ZX_OK
        return bytes(data)


class Program:
    """A process whose threads are Python bodies."""

    def __init__(self, k: Any, job: Any = None) -> None:
        """In the root job, or in *job*."""
        self.k = k
        self.process = ProcessDispatcher.create(job or k.root_job_dispatcher, b"program", shareable=False)
        self.results: list[Any] = []

    def give(self, value: int) -> int:
        """Let the program have a handle of the host's too. Answers its value there."""
        handle = self.k.host.dispatcher.handles.get(value)
        return self.process.handles.add(Handle(handle.object, handle.rights))

    def start(self, body: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any) -> ThreadDispatcher:
        """Run `body(zx, *arguments)` on a thread; what it returns is appended to *results*."""
        thread = ThreadDispatcher.create(self.process, b"body")
        first = not list(self.process.threads())

        async def run() -> None:
            self.results.append(await body(BodySys(thread), *arguments))

        self.process.add_thread(thread, None, run(), first=first)
        return thread

    def settle(self) -> None:
        """Run everything that can run without more than a virtual millisecond passing."""
        zx = self.k.host.sys
        assert zx.zx_nanosleep(zx.zx_deadline_after(MS)) == ZX_OK


@pytest.fixture
def memory(k: Any) -> Memory:
    return Memory(k)


@pytest.fixture
def program(k: Any) -> Program:
    return Program(k)


@pytest.fixture
def trap(k: Any) -> Callable[..., int | None]:
    """Make a call that cannot block as a guest does, by registers; pointers are into the host's memory."""

    def enter(name: str, *registers: int) -> int | None:
        number = BY_NAME[name].number
        padded = (number, *registers) + (0,) * (8 - len(registers))
        return TRAPS[number](k.host.sys.call, tuple(value & 0xFFFF_FFFF_FFFF_FFFF for value in padded))

    return enter
