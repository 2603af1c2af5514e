"""Machine code for tests that need a guest thread and no compiler."""

from __future__ import annotations

from typing import NamedTuple

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
)
from jacinth.api.kernel import Kernel
from jacinth.userboot.vdso_vmo import VdsoVmo

PAGE = 4096


class Code(NamedTuple):
    store_and_exit: int


class GuestThread(NamedTuple):
    """A first thread: it runs *entry* with two arguments."""

    process: int
    entry: int
    arg1: int
    arg2: int


def vdso_exit(k: Kernel) -> int:
    """The offset of zx_thread_exit in the vDSO."""
    return k.vdso.image.symbols["zx_thread_exit"]


def write_code(k: Kernel, vmar: int) -> Code:
    """Map the vDSO and a little code below *vmar*.

    store_and_exit(address, value): put *value* at *address* and end the thread.
    """
    zx = k.host.sys
    vdso: VdsoVmo = k.vdso

    def call(name: str, *arguments: object) -> object:
        answer = getattr(zx, name)(*arguments)
        if not isinstance(answer, tuple):
            assert answer == ZX_OK
            return None
        assert answer[0] == ZX_OK
        return answer[1] if len(answer) == 2 else answer[1:]

    base = vdso.map_into(call, vmar)
    code = (
        b"\x48\x89\x37"  # mov [rdi], rsi
        b"\x48\xb8" + (base + vdso_exit(k)).to_bytes(8, "little") +  # mov rax, zx_thread_exit
        b"\xff\xe0"  # jmp rax
    )  # fmt: skip
    _, vmo = zx.zx_vmo_create(PAGE, 0)
    assert zx.zx_vmo_write(vmo, code, 0) == ZX_OK
    status, vmo = zx.zx_vmo_replace_as_executable(vmo, ZX_HANDLE_INVALID)
    assert status == ZX_OK
    status, address = zx.zx_vmar_map(vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, PAGE)
    assert status == ZX_OK
    return Code(address)


def start_thread(k: Kernel, guest: GuestThread) -> None:
    """Run the thread to its end."""
    zx = k.host.sys
    status, thread = zx.zx_thread_create(guest.process, b"t", 0)
    assert status == ZX_OK
    assert zx.zx_thread_start(thread, guest.entry, 0, guest.arg1, guest.arg2) == ZX_OK
    status, _ = zx.zx_object_wait_one(thread, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    assert status == ZX_OK
