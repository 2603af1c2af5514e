"""A small world for exceptions: two jobs, a process of machine code, and what a handler does."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_ERR_TIMED_OUT,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_HANDLE_INVALID,
    ZX_INFO_PROCESS,
    ZX_INFO_THREAD,
    ZX_INFO_THREAD_EXCEPTION_REPORT,
    ZX_OK,
    ZX_PROP_EXCEPTION_STATE,
    ZX_PROP_EXCEPTION_STRATEGY,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_TASK_TERMINATED,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_TIME_INFINITE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    zx_exception_info_t,
    zx_exception_report_t,
    zx_info_process_t,
    zx_info_thread_t,
    zx_thread_state_general_regs_t,
)
from jacinth.api.kernel import Kernel
from tests.ipc.conftest import Program

PAGE = 4096
A_WHILE = 10_000_000  # ns: several turns of a thread that spins
UNMAPPED = 0x10  # nothing is ever mapped there
INFO = zx_exception_info_t.SIZE


class Message(NamedTuple):
    """One exception, read from a channel."""

    info: zx_exception_info_t
    handle: int

    @property
    def type(self) -> int:
        return int(self.info.type)


class World:
    """*process* of *job* of *parent*, with the vDSO, a page of *data* and a stack in it. All are handles of the host."""

    def __init__(self, k: Kernel, job: int | None = None) -> None:
        self.k = k
        self.zx: Any = k.host.sys
        self.parent = self.ok(self.zx.zx_job_create(k.host.root_job, 0)) if job is None else job
        self.job = self.ok(self.zx.zx_job_create(self.parent, 0))
        self.process, self.vmar = self.ok(self.zx.zx_process_create(self.job, b"guest", 0))
        self.vdso = k.vdso.map_into(self._call, self.vmar)
        self.data_vmo, self.data = self._map(b"", ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
        self.stack = self._map(b"", ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)[1] + PAGE - 8

    @staticmethod
    def ok(answer: Any) -> Any:
        """The outputs of a call that succeeded."""
        status, *outputs = answer if isinstance(answer, tuple) else (answer,)
        assert status == ZX_OK, status
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _call(self, name: str, *arguments: object) -> Any:
        return self.ok(getattr(self.zx, name)(*arguments))

    def _map(self, content: bytes, options: int) -> tuple[int, int]:
        vmo = self.ok(self.zx.zx_vmo_create(PAGE, 0))
        self.ok(self.zx.zx_vmo_write(vmo, content, 0))
        if options & ZX_VM_PERM_EXECUTE:
            vmo = self.ok(self.zx.zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID))
        return vmo, self.ok(self.zx.zx_vmar_map(self.vmar, options, 0, vmo, 0, PAGE))

    # Machine code

    def call(self, name: str) -> bytes:
        """Code: call a routine of the vDSO."""
        address = self.vdso + self.k.vdso.image.symbols[name]
        return b"\x48\xb8" + address.to_bytes(8, "little") + b"\xff\xd0"  # mov rax, address; call rax

    @property
    def exit(self) -> bytes:
        """Code: end the thread."""
        return self.call("zx_thread_exit")

    def set(self, register: str, value: int) -> bytes:
        """Code: put a number into rdi, rsi or rdx."""
        return {"rdi": b"\x48\xbf", "rsi": b"\x48\xbe", "rdx": b"\x48\xba"}[register] + value.to_bytes(
            8, "little"
        )

    def store_rax(self, offset: int) -> bytes:
        """Code: store rax in the data page."""
        return self.set("rdi", self.data + offset) + b"\x48\x89\x07"  # mov [rdi], rax

    def write(self, code: bytes) -> int:
        """Map *code*; answers its address."""
        return self._map(code, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE)[1]

    def word(self, offset: int) -> int:
        """A number in the data page."""
        return int.from_bytes(self.ok(self.zx.zx_vmo_read(self.data_vmo, offset, 8)), "little")

    # Threads

    def thread(self) -> int:
        return int(self.ok(self.zx.zx_thread_create(self.process, b"t", 0)))

    def start(self, thread: int, code: bytes, arg1: int = 0, arg2: int = 0) -> int:
        """Run *code* on the thread. Answers its address."""
        entry = self.write(code)
        self.ok(self.zx.zx_thread_start(thread, entry, self.stack, arg1, arg2))
        return entry

    def run(self, code: bytes, arg1: int = 0, arg2: int = 0) -> int:
        """A new thread that runs *code*."""
        thread = self.thread()
        self.start(thread, code, arg1, arg2)
        return thread

    def crash(self) -> int:
        """A new thread that writes where nothing is, and ends after that. rdi has the address, rsi the number 42."""
        return self.run(b"\x48\x89\x37" + self.exit, UNMAPPED, 42)  # mov [rdi], rsi

    def state(self, thread: int) -> int:
        return int(self.thread_info(thread).state)

    def thread_info(self, thread: int) -> zx_info_thread_t:
        data, *_ = self.ok(self.zx.zx_object_get_info(thread, ZX_INFO_THREAD, zx_info_thread_t.SIZE))
        return zx_info_thread_t.unpack(data)

    def process_info(self) -> zx_info_process_t:
        data, *_ = self.ok(self.zx.zx_object_get_info(self.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE))
        return zx_info_process_t.unpack(data)

    def report(self, thread: int) -> zx_exception_report_t:
        size = zx_exception_report_t.SIZE
        data, *_ = self.ok(self.zx.zx_object_get_info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, size))
        return zx_exception_report_t.unpack(data)

    def registers(self, thread: int) -> zx_thread_state_general_regs_t:
        size = zx_thread_state_general_regs_t.SIZE
        data = self.ok(self.zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, size))
        return zx_thread_state_general_regs_t.unpack(data)

    def set_registers(self, thread: int, **values: int) -> None:
        regs = self.registers(thread)
        for name, value in values.items():
            setattr(regs, name, value)
        self.ok(self.zx.zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, regs.pack()))

    def ended(self, task: int) -> bool:
        """Whether the task ends without anybody's doing."""
        return bool(self.wait(task, ZX_TASK_TERMINATED))

    def wait(self, handle: int, signals: int) -> int:
        """Which of the signals are there, or come in a while."""
        status, seen = self.zx.zx_object_wait_one(handle, signals, self.zx.zx_deadline_after(A_WHILE))
        assert status in (ZX_OK, ZX_ERR_TIMED_OUT)
        return int(seen) & signals

    def settle(self) -> None:
        """Let run what can."""
        self.ok(self.zx.zx_nanosleep(self.zx.zx_deadline_after(A_WHILE)))

    # Handlers

    def listen(self, task: int, options: int = 0) -> int:
        """A new exception channel."""
        return int(self.ok(self.zx.zx_task_create_exception_channel(task, options)))

    def silent(self, channel: int) -> bool:
        """No exception comes."""
        return not self.wait(channel, ZX_CHANNEL_READABLE)

    def receive(self, channel: int) -> Message:
        """The next exception."""
        self.ok(self.zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE))
        data, handles, _, _ = self.ok(self.zx.zx_channel_read(channel, 0, INFO, 1))
        return Message(zx_exception_info_t.unpack(data), handles[0])

    def set_state(self, exception: int, state: int) -> None:
        self.ok(
            self.zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, state.to_bytes(4, "little"))
        )

    def set_strategy(self, exception: int, strategy: int) -> None:
        data = strategy.to_bytes(4, "little")
        self.ok(self.zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STRATEGY, data))

    def property(self, exception: int, property_: int) -> int:
        return int.from_bytes(self.ok(self.zx.zx_object_get_property(exception, property_, 4)), "little")

    def resume(self, exception: int) -> None:
        """The thread goes on."""
        self.set_state(exception, ZX_EXCEPTION_STATE_HANDLED)
        self.close(exception)

    def close(self, handle: int) -> None:
        self.ok(self.zx.zx_handle_close(handle))

    def duplicate(self, handle: int, rights: int = ZX_RIGHT_SAME_RIGHTS) -> int:
        return int(self.ok(self.zx.zx_handle_duplicate(handle, rights)))


@pytest.fixture
def program(k: Kernel) -> Program:
    return Program(k)


@pytest.fixture
def world(k: Kernel) -> World:
    return World(k)
