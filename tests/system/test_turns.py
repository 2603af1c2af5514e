"""What profiles do to the order of turns."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from jacinth import Kernel
from jacinth.abi import (
    ZX_OK,
    ZX_PRIORITY_DEFAULT,
    ZX_PRIORITY_HIGH,
    ZX_PRIORITY_HIGHEST,
    ZX_PRIORITY_LOWEST,
    ZX_PROFILE_INFO_FLAG_CPU_MASK,
    ZX_PROFILE_INFO_FLAG_DEADLINE,
    ZX_PROFILE_INFO_FLAG_PRIORITY,
    zx_profile_info_t,
)
from jacinth.kernel.probe import KernelProbe
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.turns import WEIGHTS
from tests.ipc.conftest import Program
from tests.system.test_profiles import info

MS = 1_000_000
PRIORITY, DEADLINE = ZX_PROFILE_INFO_FLAG_PRIORITY, ZX_PROFILE_INFO_FLAG_DEADLINE


class Turns(KernelProbe):
    """Who has had turns, in order, the host left out."""

    def __init__(self, k: Kernel) -> None:
        self.names: list[str] = []
        self._host = k.host.thread
        k.probes.append(self)

    def on_switch(
        self, cpu: int, left: ThreadDispatcher | None, left_at: int, thread: ThreadDispatcher | None
    ) -> None:
        if thread not in (None, self._host):
            self.names.append(thread.name.decode())


@pytest.fixture
def fifo() -> Iterator[Kernel]:
    """A kernel in which nothing is left to chance, without a seed."""
    with Kernel(virtual_time=True, memory=64 << 20, strict=True) as kernel:
        yield kernel


class Busy:
    """Threads that take one turn after the other, until they are told to stop."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.program = Program(k)
        self.turns = Turns(k)
        self.stopped = False

    def start(self, name: str, profile: zx_profile_info_t | None = None) -> ThreadDispatcher:
        async def main(zx: Any) -> None:
            while not self.stopped:
                await zx.thread_legacy_yield(0)

        thread = self.program.start(main)
        thread.name = name.encode()
        if profile is not None:
            self.apply(thread, profile)
        return thread

    def apply(self, thread: ThreadDispatcher, profile: zx_profile_info_t) -> None:
        zx = self.k.sys
        status, raw = zx.zx_profile_create(self.k.host.root_resource, 0, profile)
        assert status == ZX_OK
        handle = self.k.host.add(thread)
        assert zx.zx_object_set_profile(handle, raw, 0) == ZX_OK
        assert zx.zx_handle_close(handle) == zx.zx_handle_close(raw) == ZX_OK

    def run(self, turns: int) -> list[str]:
        """Let so many turns be taken. Answers by whom."""
        self.turns.names.clear()
        while len(self.turns.names) < turns:
            self.k.nanosleep(1)
        return self.turns.names[:turns]

    def stop(self) -> None:
        self.stopped = True
        self.k.run_until_idle()


def share(names: list[str], one: str, other: str) -> float:
    count = Counter(names)
    return count[one] / count[other]


def test_equal_threads_take_turns_in_the_order_in_which_they_came(fifo: Kernel) -> None:
    busy = Busy(fifo)
    for name in "abc":
        busy.start(name, info(PRIORITY, ZX_PRIORITY_DEFAULT) if name == "b" else None)
    assert "".join(busy.run(9)) == "abcabcabc"
    assert fifo.turns is None  # nobody has to be asked
    busy.stop()


@pytest.mark.parametrize(
    ("priority", "other"),
    [
        (ZX_PRIORITY_HIGHEST, ZX_PRIORITY_DEFAULT),
        (ZX_PRIORITY_HIGH, ZX_PRIORITY_DEFAULT),
        (ZX_PRIORITY_DEFAULT, ZX_PRIORITY_LOWEST),
        (ZX_PRIORITY_HIGHEST, ZX_PRIORITY_LOWEST),
        (20, 20),
    ],
)
@pytest.mark.parametrize("seed", [None, 7])
def test_threads_have_turns_in_proportion_to_their_weights(
    priority: int, other: int, seed: int | None
) -> None:
    with Kernel(virtual_time=True, seed=seed, memory=64 << 20, strict=True) as k:
        busy = Busy(k)
        busy.start("a", info(PRIORITY, priority))
        busy.start("b", info(PRIORITY, other))
        names = busy.run(4000)
        expected = WEIGHTS[priority] / WEIGHTS[other]
        assert share(names, "a", "b") == pytest.approx(expected, rel=0.02 if seed is None else 0.15)
        busy.stop()


def test_each_step_of_priority_weighs_a_tenth_more() -> None:
    assert len(WEIGHTS) == 32
    for lighter, heavier in itertools.pairwise(WEIGHTS):
        assert heavier / lighter == pytest.approx(1.1, rel=0.02)


def test_the_least_weight_among_many_heavy_ones_does_not_starve(fifo: Kernel) -> None:
    busy = Busy(fifo)
    for name in "abcd":
        busy.start(name, info(PRIORITY, ZX_PRIORITY_HIGHEST))
    busy.start("e", info(PRIORITY, ZX_PRIORITY_LOWEST))
    places = [place for place, name in enumerate(busy.run(1000)) if name == "e"]
    assert len(places) > 8
    assert max(other - one for one, other in itertools.pairwise(places)) <= 4 * 1024 // 53 + 8
    busy.stop()


def test_a_turn_with_a_seed_repeats(k: Kernel) -> None:
    def order() -> list[str]:
        with Kernel(seed=3, virtual_time=True, memory=64 << 20) as kernel:
            busy = Busy(kernel)
            busy.start("a", info(PRIORITY, ZX_PRIORITY_HIGH))
            busy.start("b")
            busy.start("c", info(DEADLINE, deadline=(MS, 2 * MS, 4 * MS)))
            names = busy.run(200)
            busy.stop()
            return names

    assert order() == order()


def test_a_thread_can_be_made_equal_again(fifo: Kernel) -> None:
    busy = Busy(fifo)
    one = busy.start("a", info(PRIORITY, ZX_PRIORITY_HIGHEST))
    busy.start("b")
    assert share(busy.run(1000), "a", "b") > 4
    busy.apply(one, info(PRIORITY, ZX_PRIORITY_DEFAULT))
    busy.run(20)
    assert share(busy.run(1000), "a", "b") == pytest.approx(1, rel=0.02)
    busy.stop()


def test_a_cpu_mask_alone_leaves_priority_and_turns_as_they_are(fifo: Kernel) -> None:
    busy = Busy(fifo)
    one = busy.start("a", info(PRIORITY, ZX_PRIORITY_HIGHEST))
    busy.apply(one, info(ZX_PROFILE_INFO_FLAG_CPU_MASK, mask=1))
    assert (one.weight, one.affinity) == (WEIGHTS[ZX_PRIORITY_HIGHEST], 1)
    busy.stop()


# Deadlines. With virtual time a turn of a body that does nothing lasts a microsecond at most.


def test_a_thread_with_a_deadline_goes_before_all_fair_ones(fifo: Kernel) -> None:
    woken: list[str] = []
    busy = Busy(fifo)

    def sleeper(name: str, profile: zx_profile_info_t) -> None:
        async def main(zx: Any) -> None:
            await zx.nanosleep(10 * MS + 1_000_000_000)
            woken.append(name)

        busy.apply(busy.program.start(main), profile)

    sleeper("heavy", info(PRIORITY, ZX_PRIORITY_HIGHEST))
    sleeper("late", info(DEADLINE, deadline=(MS, 9 * MS, 20 * MS)))
    sleeper("soon", info(DEADLINE, deadline=(MS, 2 * MS, 20 * MS)))
    fifo.nanosleep(fifo.now + 20 * MS)
    assert woken == ["soon", "late", "heavy"]


def test_a_capacity_that_is_spent_makes_it_a_fair_thread_until_its_next_period(fifo: Kernel) -> None:
    busy = Busy(fifo)
    thread = busy.start("a", info(DEADLINE, deadline=(MS, 5 * MS, 10 * MS)))
    busy.start("b")
    # One turn in nine is for others: in turn the host, and the other one.
    assert share(busy.run(90), "a", "b") == pytest.approx(17, rel=0.2)
    reservation = thread.reservation
    assert reservation is not None and reservation.holds(thread.runtime)
    thread.runtime += MS  # it has had its capacity
    assert not reservation.holds(thread.runtime)
    busy.run(20)
    assert share(busy.run(90), "a", "b") == pytest.approx(1, rel=0.1)
    fifo.clock.tick(10 * MS)
    busy.run(20)
    assert share(busy.run(90), "a", "b") == pytest.approx(17, rel=0.2)
    busy.stop()


def test_threads_with_deadlines_alone_need_leave_nobody_a_turn(fifo: Kernel) -> None:
    busy = Busy(fifo)
    busy.start("a", info(DEADLINE, deadline=(MS, MS, MS)))
    busy.start("b", info(DEADLINE, deadline=(MS, MS, MS)))
    assert set(busy.run(100)) <= {"a", "b"}
    busy.stop()


def test_a_thread_with_a_deadline_does_not_wait_for_the_end_of_a_turn(fifo: Kernel) -> None:
    busy = Busy(fifo)
    seen: list[str] = []
    status, event = fifo.sys.zx_event_create(0)
    assert status == ZX_OK

    async def urgent(zx: Any, handle: int) -> None:
        await zx.object_wait_one(handle, 8, 1 << 62)
        seen.append("urgent")

    async def fair(zx: Any, handle: int) -> None:
        await zx.object_signal(handle, 0, 8)
        seen.append("fair")

    program = busy.program
    busy.apply(program.start(urgent, program.give(event)), info(DEADLINE, deadline=(MS, MS, 2 * MS)))
    program.settle()
    program.start(fair, program.give(event))
    program.settle()
    assert seen == ["urgent", "fair"]
