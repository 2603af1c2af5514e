"""The making, start, states and end of threads. Source: docs/reference/syscalls/thread_*.md; thread_dispatcher.cc.

Register files are in test_thread_state.py, exceptions and suspension in tests/exceptions.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jacinth.abi import (
    ZX_DEFAULT_THREAD_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_PROCESS_THREADS,
    ZX_MAX_NAME_LEN,
    ZX_OBJ_TYPE_THREAD,
    ZX_OK,
    ZX_PROP_NAME,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_THREAD_STATE_NEW,
)
from tests.tasks.conftest import Calls, Memory, World

SPIN = b"\xeb\xfe"  # jmp to itself
STORE = b"\x48\x89\x37"  # mov [rdi], rsi
TOP = 1 << 47  # where user space ends


# zx_thread_create


def test_a_new_thread(calls: Calls, world: World) -> None:
    thread = world.thread()
    basic = calls.basic(thread)
    assert (basic.type, basic.rights) == (ZX_OBJ_TYPE_THREAD, ZX_DEFAULT_THREAD_RIGHTS)
    assert basic.related_koid == calls.koid(world.process)
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert calls.signals(thread) == 0
    # Only threads that have started are shown.
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == []
    assert calls.zx.zx_object_get_child(world.process, basic.koid, ZX_RIGHT_SAME_RIGHTS) == (
        ZX_ERR_NOT_FOUND,
        0,
    )


@pytest.mark.parametrize(
    "given", [b"", b"t", b"x" * (ZX_MAX_NAME_LEN - 1), b"x" * ZX_MAX_NAME_LEN, b"y" * 200, b"ab\0cd"]
)
def test_the_name_is_cut_silently(calls: Calls, given: bytes) -> None:
    thread = calls.ok(calls.zx.zx_thread_create(calls.process(), given, 0))
    kept = given[: ZX_MAX_NAME_LEN - 1].partition(b"\0")[0]
    name = calls.ok(calls.zx.zx_object_get_property(thread, ZX_PROP_NAME, ZX_MAX_NAME_LEN))
    assert name == kept.ljust(ZX_MAX_NAME_LEN, b"\0")


@pytest.mark.shows("zx_thread_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 2, 1 << 31])
def test_there_are_no_options(calls: Calls, options: int) -> None:
    assert calls.zx.zx_thread_create(calls.process(), b"t", options) == (ZX_ERR_INVALID_ARGS, 0)
    assert calls.zx.zx_thread_create(3, b"t", options) == (ZX_ERR_INVALID_ARGS, 0)


@pytest.mark.shows("zx_thread_create", "ZX_ERR_INVALID_ARGS")
def test_bad_pointers_make_no_thread(calls: Calls, memory: Memory, trap: Callable[..., int]) -> None:
    process, at = calls.process(), memory.address
    handles = len(calls.k.host.dispatcher.handles)
    for name, out in ((0, at), (0x10, at), (at, 0), (at, 0x10), (at, 1 << 63)):
        assert trap("zx_thread_create", process, name, 1, 0, out) == ZX_ERR_INVALID_ARGS
    assert len(calls.k.host.dispatcher.handles) == handles
    # The name is read before the handle is looked at.
    assert trap("zx_thread_create", 3, 0x10, 1, 0, at) == ZX_ERR_INVALID_ARGS
    assert trap("zx_thread_create", 3, at, 1, 0, 0x10) == ZX_ERR_BAD_HANDLE


@pytest.mark.shows("zx_thread_create", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_thread_create", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_thread_create", "ZX_ERR_ACCESS_DENIED")
def test_the_process_of_a_thread_is_one_with_manage_thread(calls: Calls) -> None:
    process = calls.process()
    for value in (0, 3):
        assert calls.zx.zx_thread_create(value, b"t", 0) == (ZX_ERR_BAD_HANDLE, 0)
    for other in (calls.job(), calls.thread(process), calls.event()):
        assert calls.zx.zx_thread_create(other, b"t", 0) == (ZX_ERR_WRONG_TYPE, 0)
    weak = calls.without(process, ZX_RIGHT_MANAGE_THREAD)
    assert calls.zx.zx_thread_create(weak, b"t", 0) == (ZX_ERR_ACCESS_DENIED, 0)
    assert calls.zx.zx_thread_create(calls.duplicate(process, ZX_RIGHT_MANAGE_THREAD), b"t", 0)[0] == ZX_OK


@pytest.mark.shows("zx_thread_start", "ZX_ERR_BAD_STATE")
def test_a_dead_process_takes_threads_that_can_never_start(calls: Calls) -> None:
    process = calls.process()
    calls.ok(calls.zx.zx_task_kill(process))
    status, thread = calls.zx.zx_thread_create(process, b"t", 0)
    assert status == ZX_OK
    assert calls.zx.zx_thread_start(thread, 0x1000, 0, 0, 0) == ZX_ERR_BAD_STATE


# zx_thread_start, zx_thread_start_regs

STARTS = pytest.mark.parametrize("call", ["zx_thread_start", "zx_thread_start_regs"])


def begin(world: World, call: str, thread: int, pc: int, *arguments: int, tp: int = 0, abi: int = 0) -> int:
    """Start a thread with either call."""
    more = (tp, abi) if call == "zx_thread_start_regs" else ()
    return int(getattr(world.zx, call)(thread, pc, world.stack, *(arguments or (0, 0)), *more))


@STARTS
def test_a_thread_starts_with_its_arguments_and_nothing_else(calls: Calls, world: World, call: str) -> None:
    thread = world.thread()
    token = world.ok(world.zx.zx_task_suspend_token(thread))
    entry, big = world.write(SPIN), (1 << 64) - 5
    assert begin(world, call, thread, entry, big, 7) == ZX_OK
    regs = world.registers(thread)
    assert (regs.rip, regs.rsp, regs.rdi, regs.rsi) == (entry, world.stack, big, 7)
    others = [name for name, *_ in regs.FIELDS if name not in {"rip", "rsp", "rdi", "rsi", "rflags"}]
    assert len(others) == 15
    assert {getattr(regs, name) for name in others} == {0}
    calls.close(token)


def test_the_thread_pointer_is_the_fs_base(world: World) -> None:
    thread = world.thread()
    # mov rax, fs:[8]
    code = b"\x64\x48\x8b\x04\x25\x08\x00\x00\x00" + world.store_rax(0) + world.exit
    world.ok(world.zx.zx_vmo_write(world.data_vmo, (4711).to_bytes(8, "little"), 24))
    assert begin(world, "zx_thread_start_regs", thread, world.write(code), tp=world.data + 16) == ZX_OK
    assert world.ended(thread)
    assert world.word(0) == 4711


@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("tp", [TOP, 1 << 63, (1 << 64) - TOP - 1])
def test_the_thread_pointer_is_canonical(world: World, tp: int) -> None:
    thread, entry = world.thread(), world.write(SPIN)
    assert begin(world, "zx_thread_start_regs", thread, entry, tp=tp) == ZX_ERR_INVALID_ARGS
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert begin(world, "zx_thread_start_regs", thread, entry, tp=TOP - 1) == ZX_OK


@STARTS
@pytest.mark.shows("zx_thread_start", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("entry", [TOP, 1 << 63, (1 << 64) - 4096])
def test_the_entry_is_an_address_of_user_space(world: World, call: str, entry: int) -> None:
    thread = world.thread()
    assert begin(world, call, thread, entry) == ZX_ERR_INVALID_ARGS
    assert world.state(thread) == ZX_THREAD_STATE_NEW
    assert begin(world, call, thread, world.write(SPIN)) == ZX_OK


@STARTS
@pytest.mark.shows("zx_thread_start", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_thread_start", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_thread_start", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_ACCESS_DENIED")
def test_a_thread_with_manage_thread_is_started(calls: Calls, world: World, call: str) -> None:
    thread = world.thread()
    # The handle comes before a bad entry and a bad thread pointer.
    for value, status in (
        (0, ZX_ERR_BAD_HANDLE),
        (3, ZX_ERR_BAD_HANDLE),
        (world.process, ZX_ERR_WRONG_TYPE),
        (calls.without(thread, ZX_RIGHT_MANAGE_THREAD), ZX_ERR_ACCESS_DENIED),
    ):
        assert begin(world, call, value, TOP, tp=TOP) == status
    enough = calls.duplicate(thread, ZX_RIGHT_MANAGE_THREAD)
    assert begin(world, call, enough, world.write(SPIN)) == ZX_OK


@STARTS
@pytest.mark.shows("zx_thread_start", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_BAD_STATE")
def test_a_thread_starts_once(world: World, call: str) -> None:
    world.run(SPIN)  # so that the process lives
    thread, entry = world.thread(), world.write(world.exit)
    assert begin(world, call, thread, entry) == ZX_OK
    assert begin(world, call, thread, entry) == ZX_ERR_BAD_STATE
    assert world.ended(thread)
    assert begin(world, call, thread, entry) == ZX_ERR_BAD_STATE


@STARTS
@pytest.mark.shows("zx_thread_start", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_thread_start_regs", "ZX_ERR_BAD_STATE")
@pytest.mark.parametrize("how", ["exited", "killed"])
def test_no_thread_starts_in_a_dead_process(calls: Calls, world: World, call: str, how: str) -> None:
    late = world.thread()
    world.run(world.exit if how == "exited" else SPIN)
    if how == "killed":
        calls.ok(calls.zx.zx_task_kill(world.process))
    assert world.ended(world.process)
    assert begin(world, call, late, 0x1000) == ZX_ERR_BAD_STATE
    # Before the entry is looked at.
    assert begin(world, call, late, TOP) == ZX_ERR_BAD_STATE
