"""What the tests of tasks share: a world with a process of machine code, and short forms of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jacinth.abi import (
    ZX_INFO_HANDLE_BASIC,
    ZX_OK,
    Struct,
    zx_info_handle_basic_t,
)
from jacinth.api.kernel import Kernel
from jacinth.testing import Census
from tests.exceptions.conftest import World
from tests.ipc.conftest import Memory, Program

__all__ = ["PAGE", "Calls", "Memory", "Program", "World"]

PAGE = 4096


class Calls:
    """The host's calls, answering outputs where they succeed."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.zx: Any = k.host.sys

    def ok(self, answer: Any) -> Any:
        return World.ok(answer)

    def info(self, handle: int, topic: int, cls: type[Any]) -> Any:
        data, actual, avail = self.ok(self.zx.zx_object_get_info(handle, topic, cls.SIZE))
        assert (actual, avail) == (1, 1)
        return cls.unpack(data)

    def records(self, handle: int, topic: int, cls: type[Any], room: int = 256) -> list[Any]:
        data, actual, avail = self.ok(self.zx.zx_object_get_info(handle, topic, cls.SIZE * room))
        assert actual == avail
        return [cls.unpack(data, offset) for offset in range(0, len(data), cls.SIZE)]

    def koids(self, handle: int, topic: int, room: int = 64) -> list[int]:
        data, *_ = self.ok(self.zx.zx_object_get_info(handle, topic, 8 * room))
        return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]

    def basic(self, handle: int) -> zx_info_handle_basic_t:
        found: zx_info_handle_basic_t = self.info(handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t)
        return found

    def koid(self, handle: int) -> int:
        return int(self.basic(handle).koid)

    def job(self, parent: int | None = None) -> int:
        return int(self.ok(self.zx.zx_job_create(self.k.host.root_job if parent is None else parent, 0)))

    def process(self, job: int | None = None, options: int = 0) -> int:
        """A process; the handle of its address space is closed."""
        parent = self.k.host.root_job if job is None else job
        process, vmar = self.ok(self.zx.zx_process_create(parent, b"process", options))
        self.close(vmar)
        return int(process)

    def thread(self, process: int) -> int:
        return int(self.ok(self.zx.zx_thread_create(process, b"thread", 0)))

    def event(self) -> int:
        return int(self.ok(self.zx.zx_event_create(0)))

    def close(self, *handles: int) -> None:
        for handle in handles:
            assert self.zx.zx_handle_close(handle) == ZX_OK

    def duplicate(self, handle: int, rights: int) -> int:
        return int(self.ok(self.zx.zx_handle_duplicate(handle, rights)))

    def without(self, handle: int, rights: int) -> int:
        """A duplicate that lacks *rights*."""
        return self.duplicate(handle, int(self.basic(handle).rights) & ~rights)

    def signals(self, handle: int) -> int:
        """Those asserted now."""
        _, seen = self.zx.zx_object_wait_one(handle, 0xFFFF_FFFF, 0)
        return int(seen)

    def pack(self, record: Struct) -> bytes:
        return bytes(record.pack())


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """When the tasks of a test are killed and its handles closed, all that it made is gone: tasks, memory, what they kept."""
    if "k" not in request.fixturenames:
        yield
        return
    k: Kernel = request.getfixturevalue("k")
    host, root = k.host, k.root_job_dispatcher
    census, before = Census(k), dict(host.dispatcher.handles)
    yield
    for process in root.processes():
        if process is not host.dispatcher:
            process.kill(0)
    for job in root.jobs():
        job.kill(0)
    for value in dict(host.dispatcher.handles).keys() - before.keys():
        assert host.sys.zx_handle_close(value) == ZX_OK
    census.check()


@pytest.fixture
def calls(k: Kernel) -> Calls:
    return Calls(k)


@pytest.fixture
def world(k: Kernel) -> World:
    return World(k)


@pytest.fixture
def program(k: Kernel) -> Program:
    return Program(k)


@pytest.fixture
def memory(k: Kernel) -> Iterator[Memory]:
    memory = Memory(k)
    yield memory
    assert memory.zx.zx_vmar_unmap(k.host.root_vmar, memory.address, memory.SIZE) == ZX_OK


@pytest.fixture
def trap(k: Kernel) -> Callable[..., int | None]:
    """Make a call that cannot block as a guest does, by registers; pointers are into the host's memory."""
    from jacinth.abi import BY_NAME
    from jacinth.syscalls.door import TRAPS

    def enter(name: str, *registers: int) -> int | None:
        number = BY_NAME[name].number
        padded = (number, *registers) + (0,) * (8 - len(registers))
        return TRAPS[number](k.host.sys.call, tuple(value & 0xFFFF_FFFF_FFFF_FFFF for value in padded))

    return enter
