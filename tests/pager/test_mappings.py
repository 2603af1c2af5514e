"""Machine code that touches a pager's memory, and what happens to its thread meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import (
    ExceptionState,
    ExceptionType,
    PagerCommand,
    PagerOp,
    Signals,
    Status,
    ThreadStateTopic,
    VmarFlags,
    Vmo,
    VmoOp,
    VmoOptions,
)
from jacinth.abi import (
    ZX_INFO_THREAD_EXCEPTION_REPORT,
    ZX_THREAD_STATE_BLOCKED_PAGER,
    zx_exception_info_t,
    zx_exception_report_t,
)

from .conftest import PAGE, PagerWorld

READ, DIRTY = PagerCommand.READ, PagerCommand.DIRTY
RW = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE
RX = VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE

LOAD = b"\x8a\x07\xcc"  # mov al, [rdi]; int3
STORE = b"\x40\x88\x37\xcc"  # mov [rdi], sil; int3


class Guest:
    """A process with machine code and a mapping of *vmo*. Each thread of it ends with a breakpoint."""

    def __init__(self, pw: PagerWorld, vmo: Vmo, flags: int = RW) -> None:
        self.pw = pw
        self.process, self.root_vmar = pw.job.create_child_process("guest")
        code = Vmo.create(PAGE, caller=pw.k)
        code.write(LOAD)
        code.write(STORE, 16)
        self.code = self.root_vmar.map(0, code.replace_as_executable(), 0, PAGE, RX)
        self.address = self.root_vmar.map(0, vmo, 0, vmo.size, flags)
        self.exceptions = self.process.create_exception_channel()

    def load(self, page: int) -> Any:
        return self._run(self.code, page * PAGE, 0)

    def store(self, page: int, value: int) -> Any:
        return self._run(self.code + 16, page * PAGE, value)

    def _run(self, entry: int, offset: int, value: int) -> Any:
        thread = self.process.create_thread("toucher")
        thread.start(entry, 0, self.address + offset, value)
        self.pw.k.run_until_idle()
        return thread

    def end(self) -> tuple[ExceptionType, int, int] | None:
        """How a thread has ended: (exception, al, status in the report); None while all wait."""
        self.pw.k.run_until_idle()
        if not self._readable():
            return None
        data, [exception] = self.exceptions.read()
        type_ = ExceptionType(zx_exception_info_t.unpack(data).type)
        with exception, exception.get_thread() as thread:
            rax = thread.read_state().rax
            _, record, *_ = self.pw.zx.zx_object_get_info(
                thread.raw, ZX_INFO_THREAD_EXCEPTION_REPORT, zx_exception_report_t.SIZE
            )
            code = zx_exception_report_t.unpack(record).context.synth_code
            exception.state = ExceptionState.THREAD_EXIT
        return type_, rax & 0xFF, code - (1 << 32) if code >> 31 else code

    def _readable(self) -> bool:
        seen = self.pw.zx.zx_object_wait_one(self.exceptions.raw, Signals.CHANNEL_READABLE, 0)
        return bool(seen[1] & Signals.CHANNEL_READABLE)


DONE = ExceptionType.SW_BREAKPOINT
FAULT = ExceptionType.FATAL_PAGE_FAULT


def test_a_load_waits_for_its_page(pw: PagerWorld) -> None:
    vmo = pw.vmo(4)
    guest = Guest(pw, vmo)
    thread = guest.load(2)
    assert thread.info.state == ZX_THREAD_STATE_BLOCKED_PAGER
    assert pw.request() == (READ, 2, 1)
    assert guest.end() is None
    pw.supply(vmo, 2, b"A")
    assert guest.end() == (DONE, ord("A"), 0)


def test_a_store_waits_for_its_page_and_makes_it_dirty(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.store(0, 7)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"ABC")
    assert guest.end() is not None
    assert pw.request() is None
    assert vmo.read(0, 3) == b"\7BC" and pw.dirty(vmo) == [(0, 1, False)]


def test_a_store_to_a_trapped_page_waits_to_be_allowed(pw: PagerWorld) -> None:
    vmo = pw.vmo(1, VmoOptions.TRAP_DIRTY)
    pw.supply(vmo, 0, b"ABC")
    guest = Guest(pw, vmo)
    guest.load(0)
    assert guest.end() == (DONE, ord("A"), 0)
    guest.store(0, 7)
    assert pw.request() == (DIRTY, 0, 1)
    assert guest.end() is None
    pw.op(PagerOp.DIRTY, vmo, 0, 1)
    assert guest.end() is not None
    assert vmo.read(0, 3) == b"\7BC"


def test_a_page_can_be_stored_to_again_only_after_writeback_has_noticed(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"ABC")
    guest = Guest(pw, vmo)
    guest.store(0, 1)
    assert guest.end() is not None
    pw.op(PagerOp.WRITEBACK_BEGIN, vmo, 0, 1)
    guest.store(0, 2)
    assert guest.end() is not None
    pw.op(PagerOp.WRITEBACK_END, vmo, 0, 1)
    assert pw.dirty(vmo) == [(0, 1, False)]


def test_a_store_after_a_reset_shows_as_a_modification(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"ABC")
    guest = Guest(pw, vmo)
    guest.store(0, 1)
    assert pw.pager.query_vmo_stats(vmo, reset=True)
    assert not pw.pager.query_vmo_stats(vmo)
    guest.store(0, 2)
    assert pw.pager.query_vmo_stats(vmo)


@pytest.mark.parametrize("status", [Status.IO, Status.IO_DATA_INTEGRITY, Status.BAD_STATE, Status.NO_SPACE])
def test_a_failed_page_is_a_page_fault_with_the_status(pw: PagerWorld, status: Status) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.load(0)
    pw.fail(vmo, 0, 1, status)
    end = guest.end()
    assert end is not None and (end[0], end[2]) == (FAULT, status)


def test_a_detached_page_is_a_page_fault_with_bad_state(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    guest = Guest(pw, vmo)
    guest.load(0)
    pw.pager.detach_vmo(vmo)
    end = guest.end()
    assert end is not None and (end[0], end[2]) == (FAULT, Status.BAD_STATE)
    guest.load(1)
    end = guest.end()
    assert end is not None and (end[0], end[2]) == (FAULT, Status.BAD_STATE)


def test_code_is_paged_too(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo.replace_as_executable(), RX)
    vmo = pw.vmo(1)
    program = vmo.duplicate().replace_as_executable()
    entry = guest.root_vmar.map(0, program, 0, PAGE, RX)
    guest.process.create_thread("code").start(entry, 0, guest.code, 0)
    pw.k.run_until_idle()
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, LOAD)
    assert guest.end() == (DONE, LOAD[0], 0)


def test_a_thread_that_waits_for_a_page_can_be_killed(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.load(0)
    guest.process.kill()
    guest.process.wait(Signals.PROCESS_TERMINATED)
    assert pw.request() is None


def test_a_suspended_thread_keeps_waiting(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    thread = guest.load(0)
    with thread.suspend():
        thread.wait(Signals.THREAD_SUSPENDED)
        assert pw.request() == (READ, 0, 1)
        pw.supply(vmo, 0, b"A")
        assert guest.end() is None
    assert guest.end() == (DONE, ord("A"), 0)


def test_a_debugger_may_send_a_waiting_thread_elsewhere(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    thread = guest.load(0)
    assert pw.request() == (READ, 0, 1)
    with thread.suspend():
        thread.wait(Signals.THREAD_SUSPENDED)
        registers = thread.read_state()
        registers.rip += 2  # behind the load
        registers.rax = 0x55
        thread.write_state(ThreadStateTopic.GENERAL_REGS, registers)
    assert guest.end() == (DONE, 0x55, 0)


def test_two_threads_wait_for_one_page(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.load(0)
    guest.load(0)
    assert pw.request() == (READ, 0, 1) and pw.request() is None
    pw.supply(vmo, 0, b"A")
    assert guest.end() == (DONE, ord("A"), 0)
    assert guest.end() == (DONE, ord("A"), 0)


def test_unmapping_what_is_waited_for_ends_in_a_fault(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.load(0)
    guest.root_vmar.unmap(guest.address, PAGE)
    pw.supply(vmo, 0, b"A")
    end = guest.end()
    assert end is not None and (end[0], end[2]) == (FAULT, Status.NOT_FOUND)


def test_zeroing_ends_the_wait(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    guest = Guest(pw, vmo)
    guest.load(0)
    vmo.op_range(VmoOp.ZERO, 0, PAGE)
    assert guest.end() == (DONE, 0, 0)
