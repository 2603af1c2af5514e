"""Futexes against a small model: queues of waiting threads, and an owner for each futex that somebody waits on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jacinth.abi import (
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_TIMED_OUT,
    ZX_HANDLE_INVALID,
    ZX_KOID_INVALID,
    ZX_OK,
    ZX_TIME_INFINITE,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants
from jacinth.kernel.thread import ThreadDispatcher

from .conftest import Program
from .test_futex import World

FUTEX = st.integers(0, 1)
COUNT = st.sampled_from((1, 2, 0, 0xFFFF_FFFF))
MOVE = st.sampled_from((2, 0xFFFF_FFFF, 0))
PICK = st.integers(0, 20)


@dataclass
class Futex:
    """Who waits, longest first, and whom they wait for."""

    waiters: list[str] = field(default_factory=list)
    owner: str | None = None


class FutexModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=8 << 20, strict=True)
        self.world = World(self.k, Program(self.k))
        self.addresses = [self.world.a + 64 * number for number in range(2)]
        self.futexes = [Futex() for _ in range(2)]
        self.idle: list[str] = []  # threads that were woken, by age
        self.expected: list[str] = []  # in the order in which they were woken
        self.woken: list[str] = []
        self.number = 0
        self.handles: dict[str, int] = {}

    def teardown(self) -> None:
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)

    # The world

    def waiting(self) -> list[str]:
        return [name for futex in self.futexes for name in futex.waiters]

    def threads(self) -> list[str]:
        return self.waiting() + self.idle

    def pick(self, pick: int) -> str | None:
        """A thread, or nobody."""
        names = self.threads()
        return names[pick % len(names)] if names and pick % 4 else None

    def handle(self, name: str | None) -> int:
        return ZX_HANDLE_INVALID if name is None else self.handles[name]

    def koid(self, name: str | None) -> int:
        return ZX_KOID_INVALID if name is None else self.thread(name).koid

    def thread(self, name: str) -> ThreadDispatcher:
        return self.world.threads[name]

    def wake(self, futex: Futex, count: int) -> list[str]:
        """In the model."""
        woken, futex.waiters = futex.waiters[:count], futex.waiters[count:]
        self.idle += woken
        self.expected += woken
        return woken

    # What threads do

    @precondition(lambda self: len(self.threads()) < 9)
    @rule(number=FUTEX, pick=PICK)
    def wait(self, number: int, pick: int) -> None:
        self._wait(number, pick)

    @precondition(lambda self: len(self.threads()) < 9)
    @rule(number=FUTEX, pick=PICK)
    def wait_again(self, number: int, pick: int) -> None:
        """As often as all else together."""
        self._wait(number, pick)

    @initialize(numbers=st.lists(FUTEX, min_size=3, max_size=6))
    def several_wait(self, numbers: list[int]) -> None:
        for number in numbers:
            self._wait(number, 0)

    def _wait(self, number: int, pick: int) -> None:
        owner = self.pick(pick)
        if owner in self.futexes[number].waiters:
            status = self.world.call("zx_futex_wait", self.addresses[number], 0, self.handle(owner), 0)
            assert status == ZX_ERR_INVALID_ARGS
            return
        self.number += 1
        name = f"t{self.number}"

        async def body(zx: Any) -> None:
            status = await zx.zx_futex_wait(self.addresses[number], 0, self.handle(owner), ZX_TIME_INFINITE)
            assert status == ZX_OK
            self.woken.append(name)
            await zx.zx_nanosleep(ZX_TIME_INFINITE)

        self.world.threads[name] = self.world.program.start(body)
        self.world.program.settle()
        self.handles[name] = self.world.handle(self.thread(name))
        self.futexes[number].waiters.append(name)
        self.futexes[number].owner = owner

    @rule(number=FUTEX, pick=PICK)
    def wait_for_no_time(self, number: int, pick: int) -> None:
        owner = self.pick(pick)
        status = self.world.call("zx_futex_wait", self.addresses[number], 0, self.handle(owner), 0)
        futex = self.futexes[number]
        if owner in futex.waiters:
            assert status == ZX_ERR_INVALID_ARGS
        else:
            assert status == ZX_ERR_TIMED_OUT
            futex.owner = owner

    @rule(number=FUTEX)
    def wait_for_another_value(self, number: int) -> None:
        assert self.world.call("zx_futex_wait", self.addresses[number], 1, 0, 0) == ZX_ERR_BAD_STATE

    @rule(number=FUTEX, count=COUNT)
    def wake_some(self, number: int, count: int) -> None:
        self.wake(self.futexes[number], count)
        self.futexes[number].owner = None
        assert self.world.call("zx_futex_wake", self.addresses[number], count) == ZX_OK

    @rule(number=FUTEX)
    def wake_single_owner(self, number: int) -> None:
        futex = self.futexes[number]
        woken = self.wake(futex, 1)
        futex.owner = woken[0] if woken and futex.waiters else None
        assert self.world.call("zx_futex_wake_single_owner", self.addresses[number]) == ZX_OK

    @rule(
        number=FUTEX,
        same=st.sampled_from((False,) * 9 + (True,)),
        wake=st.sampled_from((0, 0, 1)),
        move=MOVE,
        pick=PICK,
        single=st.booleans(),
    )
    def requeue(self, number: int, same: bool, wake: int, move: int, pick: int, single: bool) -> None:
        owner = self.pick(pick)
        to = number if same else 1 - number
        source, target = self.futexes[number], self.futexes[to]
        refused = number == to or owner in source.waiters or owner in target.waiters
        if not refused:
            woken = self.wake(source, 1 if single else wake)
            source.owner = woken[-1] if single and woken else None
            moved, source.waiters = source.waiters[:move], source.waiters[move:]
            target.waiters += moved
            target.owner = owner
        a, b, handle = self.addresses[number], self.addresses[to], self.handle(owner)
        if single:
            status = self.world.call("zx_futex_requeue_single_owner", a, 0, b, move, handle)
        else:
            status = self.world.call("zx_futex_requeue", a, wake, 0, b, move, handle)
        assert status == (ZX_ERR_INVALID_ARGS if refused else ZX_OK)

    @precondition(lambda self: self.threads())
    @rule(pick=st.integers(0, 100))
    def kill(self, pick: int) -> None:
        """A thread that is killed waits no longer, and owns nothing."""
        names = self.threads()
        name = names[pick % len(names)]
        if name in self.idle:
            self.idle.remove(name)
        for futex in self.futexes:
            if name in futex.waiters:
                futex.waiters.remove(name)
            if futex.owner == name:
                futex.owner = None
        self.thread(name).kill()
        self.world.program.settle()

    # What must be true

    @invariant()
    def owners_are_as_said(self) -> None:
        for futex, address in zip(self.futexes, self.addresses, strict=True):
            if not futex.waiters:
                futex.owner = None  # a futex that nobody waits on is nobody's
            assert self.world.owner(address) == self.koid(futex.owner)

    @invariant()
    def those_wait_who_were_not_woken(self) -> None:
        assert sorted(self.woken) == sorted(self.expected)
        for name in self.waiting():
            assert self.thread(name).waiter is not None

    @invariant()
    def a_futex_exists_while_somebody_waits_on_it(self) -> None:
        context = self.world.program.process.shared.futexes
        assert len(context._futexes) == sum(bool(futex.waiters) for futex in self.futexes)


FutexModel.TestCase.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, derandomize=True
)
TestFutexes = FutexModel.TestCase
