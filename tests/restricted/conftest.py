"""Two worlds for restricted mode: machine code that enters it by system calls, and Python bodies that do."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Coroutine
from copy import copy
from pathlib import Path
from typing import Any, Self

import pytest
from elftools.elf.elffile import ELFFile

from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    zx_restricted_state_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.tools.cc import find_compiler

PAGE = 4096
CODE = 0x40_0000  # in the restricted part: machine code, and behind it
DATA = 0x50_0000  # a page of data
SECOND = 0x60_0000  # two pages of it that nobody has touched yet

SYSCALL = b"\x0f\x05"
UD2 = b"\x0f\x0b"
SPIN = b"\xeb\xfe"  # jmp $
REGISTERS = [field.name for field in zx_restricted_state_t.fields]


class Shared:
    """A prototype, and *process* with a restricted part: `CODE`, `DATA` and `SECOND` in it, *shared* memory in the other."""

    def __init__(self, k: Kernel, code: bytes = SYSCALL, job: int = ZX_HANDLE_INVALID) -> None:
        self.k = k
        self.zx: Any = k.host.sys
        self.job = job or self.ok(self.zx.zx_job_create(k.host.root_job, 0))
        self.prototype, self.shared_vmar = self.ok(
            self.zx.zx_process_create(self.job, b"prototype", ZX_PROCESS_SHARED)
        )
        self.vdso = k.vdso.map_into(self._call, self.shared_vmar)
        self.shared_vmo, self.shared = self.map(self.shared_vmar, b"", ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
        self.process, self.restricted_vmar = self.ok(
            self.zx.zx_process_create_shared(self.prototype, 0, b"second")
        )
        self._fill(code)

    def _fill(self, code: bytes) -> None:
        self.put_code(code)
        access = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
        self.data_vmo, _ = self.map(self.restricted_vmar, b"", access, DATA)
        self.map(self.restricted_vmar, b"", access, SECOND, 2 * PAGE)

    def sibling(self, code: bytes) -> Self:
        """Another process of the same prototype."""
        other = copy(self)
        other.process, other.restricted_vmar = self.ok(
            self.zx.zx_process_create_shared(self.prototype, 0, b"third")
        )
        other._fill(code)
        return other

    @staticmethod
    def ok(answer: Any) -> Any:
        """The outputs of a call that succeeded."""
        status, *outputs = answer if isinstance(answer, tuple) else (answer,)
        assert status == ZX_OK, status
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _call(self, name: str, *arguments: object) -> Any:
        return self.ok(getattr(self.zx, name)(*arguments))

    def map(
        self, vmar: int, content: bytes, options: int, address: int = 0, size: int = PAGE
    ) -> tuple[int, int]:
        """New memory; at *address* of the restricted part, where that is given. Answers VMO and address."""
        vmo = self.ok(self.zx.zx_vmo_create(size, 0))
        self.ok(self.zx.zx_vmo_write(vmo, content, 0))
        if options & ZX_VM_PERM_EXECUTE:
            vmo = self.ok(self.zx.zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID))
        if address:
            options |= ZX_VM_SPECIFIC
            address -= 0x20_0000
        return vmo, self.ok(self.zx.zx_vmar_map(vmar, options, address, vmo, 0, size))

    def put_code(self, code: bytes) -> None:
        """The machine code of the restricted part."""
        self.map(self.restricted_vmar, code, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, CODE)

    def word(self, offset: int = 0) -> int:
        """A number in the data page."""
        return int.from_bytes(self.ok(self.zx.zx_vmo_read(self.data_vmo, offset, 8)), "little")

    def settle(self, ns: int = 10_000_000) -> None:
        """Let run what can."""
        self.ok(self.zx.zx_nanosleep(self.zx.zx_deadline_after(ns)))

    def wait(self, task: int) -> None:
        self.ok(self.zx.zx_object_wait_one(task, ZX_TASK_TERMINATED, ZX_TIME_INFINITE))

    def object(self, handle: int) -> Any:
        """The kernel's object behind a handle of the host."""
        return self.k.host.dispatcher.handles.get(handle).object  # type: ignore[union-attr]

    def receive(self, channel: int) -> int:
        """The exception that comes next."""
        self.ok(self.zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE))
        _, handles, _, _ = self.ok(self.zx.zx_channel_read(channel, 0, 64, 1))
        return int(handles[0])


Main = Callable[..., Coroutine[Any, Any, Any]]


class Bodies(Shared):
    """Python bodies on threads of the process."""

    def run(self, main: Main, *args: Any) -> list[Any]:
        """Run `main(zx, *args)` to its end on a new thread. Answers what it returned."""
        results = self.start(main, *args)
        self.settle()
        return results

    def start(self, main: Main, *args: Any) -> list[Any]:
        from jacinth.api.body import Body

        process = self.object(self.process)
        assert isinstance(process, ProcessDispatcher)
        thread = self.thread = ThreadDispatcher.create(process, b"body")
        results: list[Any] = []

        async def body() -> None:
            zx = Body(thread)
            try:
                results.append(await main(zx, *args))
            finally:
                zx.close()

        thread.start_body(body(), first=not list(process.threads()))
        return results


def assemble(source: str, directory: Path) -> bytes:
    """Machine code that runs anywhere, of Intel syntax."""
    path = directory / "code.S"
    path.write_text(f".intel_syntax noprefix\n{source}\n")
    output = directory / "code.o"
    subprocess.run([*find_compiler().command, "-c", str(path), "-o", str(output)], check=True)
    section = ELFFile(io.BytesIO(output.read_bytes())).get_section_by_name(".text")
    return bytes(section.data())


class Machines(Shared):
    """Machine code in the shared part that enters restricted mode by system calls."""

    def start(self, code: bytes, handle: int, pointer: int) -> int:
        """Run *code*, copied to the shared part, on a first thread, with *handle* and *pointer*. Answers the thread."""
        options = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE
        _, entry = self.map(self.shared_vmar, code, options, size=-(-len(code) // PAGE) * PAGE)
        thread = self.ok(self.zx.zx_thread_create(self.process, b"machine", 0))
        stack = self.shared + PAGE - 8
        self.ok(self.zx.zx_process_start(self.process, thread, entry, stack, handle, pointer))
        return int(thread)

    def function(self, name: str) -> int:
        """The address of a call in the vDSO."""
        return self.vdso + self.k.vdso.image.symbols[name]


@pytest.fixture
def bodies(k: Kernel) -> Bodies:
    return Bodies(k)
