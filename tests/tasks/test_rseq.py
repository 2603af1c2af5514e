"""Restartable sequences and barriers. Source: zircon/kernel/lib/syscalls/thread.rs, zircon/vdso/misc.fidl; core tests of rseq."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WRITE,
    ZX_SYSTEM_BARRIER_DATA_MEMORY,
    ZX_SYSTEM_BARRIER_INSTRUCTION_STREAM,
    ZX_VMO_OP_DECOMMIT,
    zx_rseq_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import Handle
from tests.tasks.conftest import PAGE, Calls, World

shows = pytest.mark.shows
SIZE = zx_rseq_t.SIZE
SPIN = b"\xeb\xfe"  # jmp to itself
USER_TOP = 1 << 47


def _give(world: World, k: Kernel, handle: int) -> int:
    """The process's own handle to something of the host's."""
    found = k.host.dispatcher.handles.get(handle)
    process = k.host.dispatcher.handles.get(world.process)
    assert found is not None and process is not None
    value: int = process.object.handles.add(Handle(found.object, found.rights))  # type: ignore[attr-defined]
    return value


def _register(world: World, k: Kernel, vmo: int, code: bytes) -> bytes:
    """Code: zx_thread_set_rseq(vmo, 0, 32), store the answer, then *code*."""
    call = world.set("rdi", _give(world, k, vmo)) + world.set("rsi", 0) + world.set("rdx", SIZE)
    return call + world.call("zx_thread_set_rseq") + world.store_rax(0) + code


def _mark(world: World, offset: int) -> bytes:
    """Code: store 1 in the data page."""
    return b"\x48\xb8" + (1).to_bytes(8, "little") + world.store_rax(offset)


def _record(start: int, length: int, abort: int) -> bytes:
    return bytes(zx_rseq_t(cpu_id=77, start_ip=start, post_commit_offset=length, abort_ip=abort).pack())


def test_a_preempted_sequence_is_aborted(world: World, k: Kernel) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    head = _register(world, k, vmo, b"")
    code = head + SPIN + _mark(world, 8) + world.exit
    entry = world.write(code)
    start = entry + len(head)
    world.ok(world.zx.zx_vmo_write(vmo, _record(start, len(SPIN), start + len(SPIN)), 0))
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    assert world.ended(thread)
    assert (world.word(0), world.word(8)) == (ZX_OK, 1)
    # The kernel says on which CPU the thread runs.
    assert world.ok(world.zx.zx_vmo_read(vmo, 0, 4)) == bytes(4)


@pytest.mark.parametrize(("shift", "length"), [(2, 2), (-2, 2), (0, 0)])
def test_outside_of_a_sequence_preemption_changes_nothing(
    world: World, k: Kernel, shift: int, length: int
) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    head = _register(world, k, vmo, b"")
    entry = world.write(head + SPIN + _mark(world, 8) + world.exit)
    start = entry + len(head)
    world.ok(world.zx.zx_vmo_write(vmo, _record(start + shift, length, start + len(SPIN)), 0))
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    assert not world.ended(thread)
    assert world.word(8) == 0


def test_a_suspension_aborts_a_sequence(world: World, k: Kernel) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    head = _register(world, k, vmo, b"")
    entry = world.write(head + SPIN + _mark(world, 8) + SPIN)
    start = entry + len(head)
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    world.settle()
    token = world.ok(world.zx.zx_task_suspend(thread))
    world.ok(world.zx.zx_vmo_write(vmo, _record(start, len(SPIN), start + len(SPIN)), 0))
    assert world.word(8) == 0
    world.close(token)
    world.settle()
    assert world.word(8) == 1


@pytest.mark.parametrize("abort", [USER_TOP, 1 << 51, 0xFFFF_FFFF_FFFF_0000, (1 << 64) - 1])
def test_an_abort_address_outside_user_space_changes_nothing(world: World, k: Kernel, abort: int) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    head = _register(world, k, vmo, b"")
    entry = world.write(head + SPIN)
    world.ok(world.zx.zx_vmo_write(vmo, _record(entry, PAGE, abort), 0))
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    assert not world.ended(thread)
    token = world.ok(world.zx.zx_task_suspend(thread))
    assert world.registers(thread).rip == entry + len(head)
    world.close(token)


def test_the_record_says_on_which_cpu_whenever_the_thread_gets_one(world: World, k: Kernel) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    world.run(_register(world, k, vmo, SPIN))
    world.settle()
    for _ in range(2):
        world.ok(world.zx.zx_vmo_write(vmo, b"\xff" * 4, 0))
        world.settle()
        assert world.ok(world.zx.zx_vmo_read(vmo, 0, 4)) == bytes(4)


def test_a_sequence_that_was_taken_back_is_not_aborted(world: World, k: Kernel) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    undo = world.set("rdi", 0) + world.set("rsi", 0) + world.set("rdx", 0) + world.call("zx_thread_set_rseq")
    head = _register(world, k, vmo, undo)
    entry = world.write(head + SPIN + _mark(world, 8) + world.exit)
    start = entry + len(head)
    world.ok(world.zx.zx_vmo_write(vmo, _record(start, 2, start + 2), 0))
    thread = world.thread()
    world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
    assert not world.ended(thread)


def test_the_record_stays_where_it_is_while_the_thread_lives(world: World, k: Kernel) -> None:
    vmo = world.ok(world.zx.zx_vmo_create(PAGE, 0))
    thread = world.run(_register(world, k, vmo, SPIN))
    world.settle()
    assert world.zx.zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, None)[0] == ZX_ERR_BAD_STATE
    world.ok(world.zx.zx_task_kill(world.process))
    assert world.ended(thread)
    assert world.zx.zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, None)[0] == ZX_OK


@shows("zx_thread_set_rseq", "ZX_ERR_INVALID_ARGS")
@shows("zx_thread_set_rseq", "ZX_ERR_BAD_HANDLE")
@shows("zx_thread_set_rseq", "ZX_ERR_WRONG_TYPE")
@shows("zx_thread_set_rseq", "ZX_ERR_ACCESS_DENIED")
@shows("zx_thread_set_rseq", "ZX_ERR_OUT_OF_RANGE")
def test_the_record_s_place_is_checked(calls: Calls) -> None:
    zx: Any = calls.zx
    vmo = int(calls.ok(zx.zx_vmo_create(PAGE, 0)))
    set_ = zx.zx_thread_set_rseq
    assert set_(ZX_HANDLE_INVALID, 32, 0) == ZX_ERR_INVALID_ARGS
    assert set_(ZX_HANDLE_INVALID, 0, SIZE) == ZX_ERR_INVALID_ARGS
    for offset, size in ((0, SIZE - 1), (0, SIZE + 1), (0, 0), (8, SIZE), (16, SIZE)):
        assert set_(vmo, offset, size) == ZX_ERR_INVALID_ARGS
    assert set_(0x7FFF_FFF3, 0, SIZE) == ZX_ERR_BAD_HANDLE
    event = calls.event()
    assert set_(event, 0, SIZE) == ZX_ERR_WRONG_TYPE
    for right in (ZX_RIGHT_READ, ZX_RIGHT_WRITE, ZX_RIGHT_DUPLICATE):
        assert set_(calls.without(vmo, right), 0, SIZE) == ZX_ERR_ACCESS_DENIED
    pager, port = int(calls.ok(zx.zx_pager_create(0))), int(calls.ok(zx.zx_port_create(0)))
    paged = int(calls.ok(zx.zx_pager_create_vmo(pager, 0, port, 0, PAGE)))
    assert set_(paged, 0, SIZE) == set_(paged, PAGE, SIZE) == ZX_ERR_INVALID_ARGS
    for offset in (PAGE, 1 << 63, (1 << 64) - 32):
        assert set_(vmo, offset, SIZE) == ZX_ERR_OUT_OF_RANGE
    assert set_(vmo, PAGE - SIZE, SIZE) == ZX_OK
    assert set_(vmo, 0, SIZE) == ZX_OK
    assert set_(ZX_HANDLE_INVALID, 0, 0) == ZX_OK
    assert calls.ok(zx.zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS))


@shows("zx_system_barrier", "ZX_ERR_INVALID_ARGS")
def test_barriers_are_passed_at_once(calls: Calls) -> None:
    assert calls.zx.zx_membarrier_sync_process_data() == ZX_OK
    assert calls.zx.zx_membarrier_sync_process_insn() == ZX_OK
    assert calls.zx.zx_system_barrier(ZX_SYSTEM_BARRIER_DATA_MEMORY) == ZX_OK
    assert calls.zx.zx_system_barrier(ZX_SYSTEM_BARRIER_INSTRUCTION_STREAM) == ZX_OK
    for options in (2, 1 << 31):
        assert calls.zx.zx_system_barrier(options) == ZX_ERR_INVALID_ARGS
