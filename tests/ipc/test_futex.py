"""Futexes. Source: docs/reference/syscalls/futex_*.md, zircon/system/utest/core/futex/."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_KOID_INVALID,
    ZX_OK,
    ZX_THREAD_STATE_BLOCKED_FUTEX,
    ZX_TIME_INFINITE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls.door import BodySys

from .conftest import BAD_ADDRESS, MS, Memory, Program


class World:
    """A program with memory of its own, in which threads wait on futexes; all its numbers are zero."""

    def __init__(self, k: Any, program: Program) -> None:
        self.k, self.program = k, program
        self.a = self.b = 0
        self.woken: list[str] = []
        self.threads: dict[str, ThreadDispatcher] = {}
        program.process.add_thread(
            ThreadDispatcher.create(program.process, b"anchor"), None, self.anchor(), first=True
        )
        program.settle()

    async def anchor(self) -> None:
        """Make the memory, and keep the process alive."""
        thread = self.k.current
        zx = BodySys(thread)
        process = self.program.process
        region = VmAddressRegionDispatcher.root(process.shared.aspace)
        root = process.handles.add(Handle(region, region.DEFAULT_RIGHTS))
        _, vmo = await zx.zx_vmo_create(4096, 0)
        status, self.a = await zx.zx_vmar_map(root, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4096)
        assert status == ZX_OK
        self.b = self.a + 64
        await zx.zx_nanosleep(ZX_TIME_INFINITE)

    def handle(self, thread: ThreadDispatcher) -> int:
        return self.program.process.handles.add(Handle(thread, thread.DEFAULT_RIGHTS))

    def wait(
        self, name: str, futex: int, owner: int = ZX_HANDLE_INVALID, deadline: int = ZX_TIME_INFINITE
    ) -> None:
        """Let a new thread wait, and see it blocked."""

        async def body(zx: Any) -> Any:
            status = await zx.zx_futex_wait(futex, 0, owner, deadline)
            self.woken.append(name)
            return status

        self.threads[name] = self.program.start(body)
        self.program.settle()

    def call(self, name: str, *arguments: Any) -> Any:
        """Make a call in the program and let everything run. Answers what the call did."""
        answers: list[Any] = []

        async def body(zx: Any) -> None:
            answers.append(await getattr(zx, name)(*arguments))

        self.program.start(body)
        self.program.settle()
        return answers[0]

    def owner(self, futex: int) -> int:
        status, koid = self.call("zx_futex_get_owner", futex)
        assert status == ZX_OK
        return koid


@pytest.fixture
def world(k: Any, program: Program) -> World:
    return World(k, program)


@pytest.mark.shows("zx_futex_wait", "ZX_ERR_TIMED_OUT")
@pytest.mark.shows("zx_futex_wait", "ZX_ERR_BAD_STATE")
def test_a_wait_that_sees_another_value_is_a_bad_state(zx: Any, memory: Memory) -> None:
    memory.put(0, (7).to_bytes(4, "little"))
    assert zx.zx_futex_wait(memory.address, 8, ZX_HANDLE_INVALID, 0) == ZX_ERR_BAD_STATE
    assert zx.zx_futex_wait(memory.address, 7, ZX_HANDLE_INVALID, 0) == ZX_ERR_TIMED_OUT
    memory.put(0, b"\xff\xff\xff\xff")
    assert zx.zx_futex_wait(memory.address, -1, ZX_HANDLE_INVALID, 0) == ZX_ERR_TIMED_OUT


@pytest.mark.shows("zx_futex_wake", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_futex_wake_single_owner", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_futex_wait", "ZX_ERR_INVALID_ARGS")
def test_bad_pointers_are_invalid(zx: Any, memory: Memory) -> None:
    good = memory.address
    for bad in (0, good + 1, good + 2, BAD_ADDRESS):
        assert zx.zx_futex_wait(bad, 0, 0, 0) == ZX_ERR_INVALID_ARGS
        assert zx.zx_futex_requeue(bad, 1, 0, good, 1, 0) == ZX_ERR_INVALID_ARGS
        assert zx.zx_futex_requeue_single_owner(bad, 0, good, 1, 0) == ZX_ERR_INVALID_ARGS
    for bad in (0, good + 1):
        assert zx.zx_futex_wake(bad, 1) == ZX_ERR_INVALID_ARGS
        assert zx.zx_futex_wake_single_owner(bad) == ZX_ERR_INVALID_ARGS
        assert zx.zx_futex_get_owner(bad)[0] == ZX_ERR_INVALID_ARGS
        assert zx.zx_futex_requeue(good, 1, 0, bad, 1, 0) == ZX_ERR_INVALID_ARGS
    assert zx.zx_futex_requeue(good, 1, 0, good, 1, 0) == ZX_ERR_INVALID_ARGS


def test_waking_where_nobody_waits_is_no_error_even_without_memory(zx: Any, memory: Memory) -> None:
    assert zx.zx_futex_wake(memory.address, 5) == ZX_OK
    assert zx.zx_futex_wake(BAD_ADDRESS, 5) == ZX_OK
    assert zx.zx_futex_wake_single_owner(memory.address) == ZX_OK
    assert zx.zx_futex_get_owner(memory.address) == (ZX_OK, ZX_KOID_INVALID)


def test_threads_are_woken_in_the_order_in_which_they_waited(world: World) -> None:
    for name in ("one", "two", "three"):
        world.wait(name, world.a)
    assert world.threads["one"].info_state == ZX_THREAD_STATE_BLOCKED_FUTEX
    assert world.call("zx_futex_wake", world.a, 1) == ZX_OK
    assert world.woken == ["one"]
    world.call("zx_futex_wake", world.a, 9)
    assert sorted(world.woken[1:]) == ["three", "two"]


def test_waking_another_futex_wakes_nobody(world: World) -> None:
    world.wait("one", world.a)
    world.call("zx_futex_wake", world.b, 9)
    world.call("zx_futex_wake", world.a, 0)
    assert world.woken == []


@pytest.mark.shows("zx_futex_wait", "ZX_ERR_TIMED_OUT")
def test_a_wait_times_out_and_is_forgotten(zx: Any, world: World) -> None:
    world.wait("one", world.a, deadline=zx.zx_deadline_after(MS // 2))
    assert world.woken == ["one"] and world.program.results[-1] == ZX_ERR_TIMED_OUT
    world.wait("two", world.a)
    world.call("zx_futex_wake", world.a, 1)
    assert world.woken == ["one", "two"]


def test_a_killed_waiter_takes_no_wake_up(world: World) -> None:
    world.wait("one", world.a)
    world.wait("two", world.a)
    world.threads["one"].kill()
    world.call("zx_futex_wake", world.a, 1)
    assert world.woken == ["two"]


# Owners


def test_the_last_wait_says_who_owns_a_futex(world: World) -> None:
    world.wait("owner", world.b)
    owner = world.threads["owner"]
    world.wait("one", world.a, world.handle(owner))
    assert world.owner(world.a) == owner.koid
    world.wait("two", world.a)
    assert world.owner(world.a) == ZX_KOID_INVALID


def test_waking_makes_a_futex_nobodys_whatever_the_count(world: World) -> None:
    world.wait("owner", world.b)
    world.wait("one", world.a, world.handle(world.threads["owner"]))
    world.call("zx_futex_wake", world.a, 0)
    assert world.owner(world.a) == ZX_KOID_INVALID


def test_the_woken_thread_owns_the_futex_while_others_wait(world: World) -> None:
    world.wait("parked", world.b)
    program = world.program

    async def wait_then_park(zx: Any) -> None:
        await zx.zx_futex_wait(world.a, 0, 0, ZX_TIME_INFINITE)
        world.woken.append("one")
        await zx.zx_nanosleep(ZX_TIME_INFINITE)

    first = program.start(wait_then_park)
    program.settle()
    world.wait("two", world.a)
    world.call("zx_futex_wake_single_owner", world.a)
    assert world.woken == ["one"] and world.owner(world.a) == first.koid
    world.call("zx_futex_wake_single_owner", world.a)
    assert world.woken == ["one", "two"] and world.owner(world.a) == ZX_KOID_INVALID


def test_a_dead_owner_owns_nothing(world: World) -> None:
    world.wait("owner", world.b)
    owner = world.threads["owner"]
    handle = world.handle(owner)
    world.wait("one", world.a, handle)
    owner.kill()
    assert world.owner(world.a) == ZX_KOID_INVALID
    world.wait("two", world.a, handle)  # no error either
    assert world.owner(world.a) == ZX_KOID_INVALID and world.woken == []


def test_the_owner_goes_when_the_last_waiter_times_out(zx: Any, world: World) -> None:
    world.wait("owner", world.b)
    handle = world.handle(world.threads["owner"])
    world.wait("one", world.a, handle, zx.zx_deadline_after(3 * MS))
    assert world.owner(world.a) == world.threads["owner"].koid
    for _ in range(3):
        world.program.settle()
    assert world.owner(world.a) == ZX_KOID_INVALID


@pytest.mark.shows("zx_futex_requeue", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_futex_requeue_single_owner", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_futex_wait", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_futex_wait", "ZX_ERR_BAD_HANDLE")
def test_bad_owners_are_refused_after_the_value_is_looked_at(k: Any, zx: Any, world: World) -> None:
    event = world.call("zx_event_create", 0)[1]
    unstarted = world.handle(ThreadDispatcher.create(world.program.process, b"new"))
    foreign = world.handle(k.host.thread)
    world.wait("one", world.a)
    waiting = world.handle(world.threads["one"])
    for owner, expected in (
        (0x7FFF_FFF3, ZX_ERR_BAD_HANDLE),
        (event, ZX_ERR_WRONG_TYPE),
        (unstarted, ZX_ERR_INVALID_ARGS),
        (foreign, ZX_ERR_INVALID_ARGS),
        (waiting, ZX_ERR_INVALID_ARGS),
    ):
        assert world.call("zx_futex_wait", world.a, 1, owner, 0) == ZX_ERR_BAD_STATE
        assert world.call("zx_futex_wait", world.a, 0, owner, 0) == expected
        assert world.call("zx_futex_requeue", world.a, 0, 1, world.b, 0, owner) == ZX_ERR_BAD_STATE
        assert world.call("zx_futex_requeue", world.a, 0, 0, world.b, 0, owner) == expected
        single = ("zx_futex_requeue_single_owner", world.a)
        assert world.call(*single, 1, world.b, 0, owner) == ZX_ERR_BAD_STATE
        assert world.call(*single, 0, world.b, 0, owner) == expected
        assert world.call("zx_futex_requeue", world.b, 0, 0, world.a, 0, owner) == expected


def test_a_thread_cannot_wait_for_itself(world: World) -> None:
    answers = []

    async def body(zx: Any) -> None:
        me = world.handle(world.k.current)
        answers.append(await zx.zx_futex_wait(world.a, 0, me, ZX_TIME_INFINITE))

    world.program.start(body)
    world.program.settle()
    assert answers == [ZX_ERR_INVALID_ARGS]


# Requeueing


def test_requeueing_wakes_some_and_moves_others(world: World) -> None:
    for name in ("one", "two", "three", "four"):
        world.wait(name, world.a)
    assert world.call("zx_futex_requeue", world.a, 1, 0, world.b, 2, ZX_HANDLE_INVALID) == ZX_OK
    assert world.woken == ["one"]
    world.call("zx_futex_wake", world.b, 9)
    assert sorted(world.woken[1:]) == ["three", "two"]
    world.call("zx_futex_wake", world.a, 9)
    assert world.woken[3:] == ["four"]


def test_a_moved_waiter_can_still_time_out(zx: Any, world: World) -> None:
    world.wait("one", world.a, deadline=zx.zx_deadline_after(5 * MS))
    world.call("zx_futex_requeue", world.a, 0, 0, world.b, 1, ZX_HANDLE_INVALID)
    for _ in range(4):
        world.program.settle()
    assert world.woken == ["one"] and ZX_ERR_TIMED_OUT in world.program.results


def test_requeueing_says_who_owns_the_target(world: World) -> None:
    world.wait("one", world.a)
    world.wait("two", world.a)
    parked = next(world.program.process.threads())
    handle = world.handle(parked)
    assert world.call("zx_futex_requeue", world.a, 0, 0, world.b, 1, handle) == ZX_OK
    assert world.owner(world.b) == parked.koid and world.owner(world.a) == ZX_KOID_INVALID
    world.call("zx_futex_requeue", world.a, 1, 0, world.b, 0, ZX_HANDLE_INVALID)
    assert world.owner(world.b) == ZX_KOID_INVALID


def test_requeueing_with_a_single_owner_wakes_one_and_makes_it_the_owner(world: World) -> None:
    async def wait_then_park(zx: Any) -> None:
        await zx.zx_futex_wait(world.a, 0, 0, ZX_TIME_INFINITE)
        world.woken.append("first")
        await zx.zx_nanosleep(ZX_TIME_INFINITE)

    first = world.program.start(wait_then_park)
    world.program.settle()
    for name in ("two", "three"):
        world.wait(name, world.a)
    assert world.call("zx_futex_requeue_single_owner", world.a, 0, world.b, 1, 0) == ZX_OK
    assert world.woken == ["first"] and world.owner(world.a) == first.koid
    assert world.owner(world.b) == ZX_KOID_INVALID


# The last call of a thread


def test_the_last_call_stores_wakes_closes_and_exits(world: World) -> None:
    world.wait("joiner", world.a)
    event = world.call("zx_event_create", 0)[1]
    reached = []

    async def last(zx: Any) -> None:
        await zx.zx_futex_wake_handle_close_thread_exit(world.a, 1, 42, event)
        reached.append("after")

    thread = world.program.start(last)
    world.program.settle()
    assert thread.state is ThreadState.DEAD and not reached
    assert world.woken == ["joiner"]
    assert world.program.process.aspace.read_user(world.a, 4) == (42).to_bytes(4, "little")
    assert world.program.process.handles.get(event) is None


def test_the_last_call_exits_whatever_is_wrong(world: World) -> None:
    async def last(zx: Any) -> None:
        await zx.zx_futex_wake_handle_close_thread_exit(BAD_ADDRESS + 1, 1, 42, 0x7FFF_FFF3)

    thread = world.program.start(last)
    world.program.settle()
    assert thread.state is ThreadState.DEAD
