"""Reports of exceptions to memory that has a pager: the thread waits for the page, and a report without one is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jacinth import Kernel, Pager, Port, Vmo
from jacinth.abi import (
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RESTRICTED_REASON_EXCEPTION,
    ZX_RESTRICTED_REASON_EXCEPTION_LOST,
    ZX_RESTRICTED_REASON_KICK,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    zx_exception_report_t,
)
from jacinth.tools.cc import CompileError
from tests.restricted.conftest import CODE, PAGE, UD2, Machines, assemble

pytestmark = pytest.mark.usefixtures("hot_paths")

FUNCTIONS = 0x600
CALLED = ["zx_restricted_bind_state", "zx_vmo_write", "zx_restricted_enter", "zx_process_exit"]
BIND, WRITE, ENTER, EXIT = (f"call [rbx + {FUNCTIONS + 8 * i}]" for i in range(len(CALLED)))
# rsi: the shared page, which has the address for reports at its beginning; the state to enter with is at 0x300. Each reason it
# comes back for is stored from 0x100 on; the second one is the last.
MACHINE = f"""
    mov rbx, rsi
    xor edi, edi
    lea rsi, [rbx + 8]
    mov rdx, [rbx]
    {BIND}
    mov edi, [rbx + 8]
    lea rsi, [rbx + 0x300]
    xor edx, edx
    mov ecx, 160
    {WRITE}
enter:
    xor edi, edi
    lea rsi, [rip + vector]
    mov rdx, rbx
    {ENTER}
    ud2
vector:
    mov rbx, rdi
    lea rsp, [rbx + 0x1000]
    mov rcx, [rbx + 0x10]
    mov [rbx + 0x100 + rcx * 8], rsi
    inc rcx
    mov [rbx + 0x10], rcx
    cmp rcx, 2
    jne enter
    xor edi, edi
    {EXIT}
"""


class Waiting:
    """A thread whose restricted code has run into an exception, and which waits for the page of its report."""

    def __init__(self, k: Kernel, directory: Path) -> None:
        try:
            code = assemble(MACHINE, directory)
        except CompileError as error:
            pytest.skip(str(error))
        self.k = k
        self.world = world = Machines(k, UD2)
        self.port, self.pager = Port.create(caller=k), Pager.create(caller=k)
        self.vmo = self.pager.create_vmo(self.port, 7, PAGE)
        options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
        place = world.ok(world.zx.zx_vmar_map(world.shared_vmar, options, 0, self.vmo.raw, 0, PAGE))
        functions = b"".join(world.function(name).to_bytes(8, "little") for name in CALLED)
        for offset, data in ((0, place), (0x300 + 16 * 8, CODE)):
            world.ok(world.zx.zx_vmo_write(world.shared_vmo, data.to_bytes(8, "little"), offset))
        world.ok(world.zx.zx_vmo_write(world.shared_vmo, functions, FUNCTIONS))
        self.thread = world.start(code, ZX_HANDLE_INVALID, world.shared)
        world.settle()
        self.packet = self.port.wait(0)
        assert self.reasons() == []

    def reasons(self) -> list[int]:
        data = self.world.ok(self.world.zx.zx_vmo_read(self.world.shared_vmo, 0x10, 0x110))
        count = int.from_bytes(data[:8], "little")
        return [int.from_bytes(data[0xF0 + 8 * i :][:8], "little") for i in range(count)]

    def report(self) -> Any:
        return zx_exception_report_t.unpack(self.vmo.read(0, zx_exception_report_t.SIZE))

    def supply(self) -> None:
        self.pager.supply_pages(self.vmo, 0, PAGE, Vmo.create(PAGE, caller=self.k))
        self.world.settle()


@pytest.fixture
def waiting(k: Kernel, tmp_path: Path) -> Waiting:
    return Waiting(k, tmp_path)


def test_the_report_waits_for_its_page(waiting: Waiting) -> None:
    waiting.supply()
    assert waiting.reasons() == [ZX_RESTRICTED_REASON_EXCEPTION] * 2
    assert waiting.report().header.type == ZX_EXCP_UNDEFINED_INSTRUCTION


def test_a_report_is_lost_where_the_pager_has_gone(waiting: Waiting) -> None:
    waiting.pager.detach_vmo(waiting.vmo)
    waiting.world.settle()
    assert waiting.reasons() == [ZX_RESTRICTED_REASON_EXCEPTION_LOST] * 2


def test_a_kick_meanwhile_is_for_the_next_entry(waiting: Waiting) -> None:
    assert waiting.world.zx.zx_restricted_kick(waiting.thread, 0) == ZX_OK
    waiting.world.settle()
    assert waiting.reasons() == []
    waiting.supply()
    assert waiting.reasons() == [ZX_RESTRICTED_REASON_EXCEPTION, ZX_RESTRICTED_REASON_KICK]


def test_a_kill_meanwhile_ends_it(waiting: Waiting) -> None:
    assert waiting.world.zx.zx_task_kill(waiting.world.process) == ZX_OK
    waiting.world.wait(waiting.thread)
    waiting.supply()
    assert waiting.reasons() == []


def test_a_suspension_meanwhile_keeps_it_in_the_kernel(waiting: Waiting) -> None:
    token = waiting.world.ok(waiting.world.zx.zx_task_suspend_token(waiting.thread))
    waiting.supply()
    assert waiting.reasons() == []
    waiting.world.ok(waiting.world.zx.zx_handle_close(token))
    waiting.world.settle()
    assert waiting.reasons() == [ZX_RESTRICTED_REASON_EXCEPTION] * 2
