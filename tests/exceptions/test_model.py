"""Exceptions against a small model: handlers in their order, each of which may come, go, and choose at any time."""

from __future__ import annotations

from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_ERR_ALREADY_BOUND,
    ZX_ERR_BAD_STATE,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    ZX_EXCEPTION_CHANNEL_TYPE_JOB,
    ZX_EXCEPTION_CHANNEL_TYPE_PROCESS,
    ZX_EXCEPTION_CHANNEL_TYPE_THREAD,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCEPTION_STATE_THREAD_EXIT,
    ZX_EXCEPTION_STATE_TRY_NEXT,
    ZX_EXCEPTION_STRATEGY_SECOND_CHANCE,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_THREAD_EXITING,
    ZX_EXCP_THREAD_STARTING,
    ZX_OK,
    ZX_PROP_EXCEPTION_STATE,
    ZX_PROP_EXCEPTION_STRATEGY,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_THREAD_STATE_BLOCKED_EXCEPTION,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants
from tests.exceptions.conftest import UNMAPPED, World

# Who is asked, in this order; the debugger comes again, where it has asked for that.
AGAIN: Final = "debugger again"
ORDER: Final = ("debugger", "thread", "process", AGAIN, "job", "parent")
PLACES: Final = ("debugger", "thread", "process", "job", "parent")
TYPES: Final = {
    "debugger": ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    "thread": ZX_EXCEPTION_CHANNEL_TYPE_THREAD,
    "process": ZX_EXCEPTION_CHANNEL_TYPE_PROCESS,
    AGAIN: ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    "job": ZX_EXCEPTION_CHANNEL_TYPE_JOB,
    "parent": ZX_EXCEPTION_CHANNEL_TYPE_JOB,
}
STATES: Final = (ZX_EXCEPTION_STATE_TRY_NEXT, ZX_EXCEPTION_STATE_HANDLED, ZX_EXCEPTION_STATE_THREAD_EXIT)
PLACE = st.sampled_from(PLACES)


def channel_of(place: str) -> str:
    return "debugger" if place == AGAIN else place


class ExceptionModel(RuleBasedStateMachine):
    """One thread at a time faults, again and again: its instruction never gets better."""

    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=16 << 20, strict=True)
        self.world = World(self.k)
        self.channels: dict[str, int] = {}
        self.at = ""  # who has the exception, or is about to read it
        self.exception = 0  # read
        self.starting = False  # it is no fault yet, but the start of the thread
        self.state = ZX_EXCEPTION_STATE_TRY_NEXT
        self.second_chance = False

    @initialize(absent=st.sets(PLACE, max_size=3))
    def begin(self, absent: set[str]) -> None:
        self.thread = self.world.thread()
        for place in PLACES:
            if place not in absent:
                self._bind(place)
        self._start()

    def teardown(self) -> None:
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)

    # The model

    def _start(self) -> None:
        """A thread faults at its first instruction, once a debugger has seen its start."""
        self.starting = "debugger" in self.channels
        if self.starting:
            self.at = "debugger"
            self._begin_turn()
        else:
            self._fault()
        self.world.start(self.thread, b"\x48\x89\x37", UNMAPPED, 42)  # mov [rdi], rsi
        self.world.settle()
        self._after()

    def _fault(self) -> None:
        self.starting = self.second_chance = False
        self._ask(ORDER)

    def _ask(self, places: tuple[str, ...]) -> None:
        """The first of them who listens has the exception now."""
        for place in places:
            if channel_of(place) in self.channels and (place != AGAIN or self.second_chance):
                self.at = place
                self._begin_turn()
                return
        self.at = "nobody"

    def _begin_turn(self) -> None:
        self.exception = 0
        self.state = ZX_EXCEPTION_STATE_TRY_NEXT

    def _let_go(self) -> None:
        """The handler has closed the exception."""
        if self.starting or self.state == ZX_EXCEPTION_STATE_HANDLED:
            self._fault()
        elif self.state == ZX_EXCEPTION_STATE_THREAD_EXIT:
            self.at = "exit"
        else:
            self._ask(ORDER[ORDER.index(self.at) + 1 :])

    def _after(self) -> None:
        """Where the thread or the whole process has ended, see that it did, and go on with another one."""
        if self.at not in ("exit", "nobody"):
            return
        self._see_the_exit()
        assert self.world.ended(self.thread)
        assert bool(self.world.ended(self.world.process))
        expected = ZX_TASK_RETCODE_EXCEPTION_KILL if self.at == "nobody" else 0
        assert self.world.process_info().return_code == expected
        for place in ("debugger", "thread", "process"):
            if place in self.channels:
                self.world.close(self.channels.pop(place))
        job = self.channels.pop("job", None)
        if job is not None:
            self.world.close(job)
        self.world = World(self.k, self.world.parent)
        self.thread = self.world.thread()
        for place in ("debugger", "process", "job"):
            self._bind(place)
        self._start()

    def _see_the_exit(self) -> None:
        """A debugger is told that a thread exits."""
        debugger = self.channels.get("debugger")
        if debugger is not None:
            assert not self.world.silent(debugger)
            message = self.world.receive(debugger)
            assert message.type == ZX_EXCP_THREAD_EXITING
            self.world.close(message.handle)

    # Handlers

    def _task(self, place: str) -> tuple[int, int]:
        if place == "thread":
            return self.thread, 0
        if place == "debugger":
            return self.world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER
        return int(getattr(self.world, place)), 0

    def _bind(self, place: str) -> None:
        task, options = self._task(place)
        status, channel = self.world.zx.zx_task_create_exception_channel(task, options)
        if place in self.channels:
            assert status == ZX_ERR_ALREADY_BOUND
        else:
            assert status == ZX_OK
            self.channels[place] = channel

    @rule(place=PLACE)
    def bind(self, place: str) -> None:
        self._bind(place)

    @precondition(lambda self: self.channels)
    @rule(pick=st.integers(0, 4))
    def unbind(self, pick: int) -> None:
        """An exception that was not read yet goes with its channel; one that was read stays where it is."""
        place = sorted(self.channels)[pick % len(self.channels)]
        self.world.close(self.channels.pop(place))
        if channel_of(self.at) == place and not self.exception:
            self._let_go()
        self.world.settle()
        self._after()

    @precondition(lambda self: not self.exception)
    @rule()
    def read(self) -> None:
        message = self.world.receive(self.channels[channel_of(self.at)])
        assert message.type == (ZX_EXCP_THREAD_STARTING if self.starting else ZX_EXCP_FATAL_PAGE_FAULT)
        self.exception = message.handle
        assert self.world.property(self.exception, ZX_PROP_EXCEPTION_STATE) == ZX_EXCEPTION_STATE_TRY_NEXT

    @precondition(lambda self: self.exception)
    @rule(state=st.sampled_from(STATES[:2]))
    def choose(self, state: int) -> None:
        self.world.set_state(self.exception, state)
        self.state = state

    @precondition(lambda self: self.exception)
    @rule()
    def choose_exit(self) -> None:
        self.world.set_state(self.exception, ZX_EXCEPTION_STATE_THREAD_EXIT)
        self.state = ZX_EXCEPTION_STATE_THREAD_EXIT

    @precondition(lambda self: self.exception)
    @rule(second=st.sampled_from((True, True, False)))
    def ask_for_a_second_chance(self, second: bool) -> None:
        strategy = ZX_EXCEPTION_STRATEGY_SECOND_CHANCE if second else 0
        status = self.world.zx.zx_object_set_property(
            self.exception, ZX_PROP_EXCEPTION_STRATEGY, strategy.to_bytes(4, "little")
        )
        if channel_of(self.at) == "debugger":
            assert status == ZX_OK
            self.second_chance = second
        else:
            assert status == ZX_ERR_BAD_STATE

    @rule(second=st.sampled_from((True, False)))
    def pass_on(self, second: bool) -> None:
        """What happens most often."""
        if not self.exception:
            self.read()
        self.choose(ZX_EXCEPTION_STATE_TRY_NEXT)
        if self.at == "debugger":
            self.ask_for_a_second_chance(second)
        self.close()

    @precondition(lambda self: self.exception)
    @rule()
    def close(self) -> None:
        handle, self.exception = self.exception, 0
        self._let_go()
        self.world.close(handle)
        self.world.settle()
        self._after()

    @rule()
    def kill(self) -> None:
        """Whoever has the exception keeps it, and it means nothing any more."""
        handle, unread_in = self.exception, None if self.exception else channel_of(self.at)
        self.world.ok(self.world.zx.zx_task_kill(self.world.process))
        self.world.settle()
        if unread_in is not None:
            self.world.close(self.world.receive(self.channels[unread_in]).handle)
        self._see_the_exit()
        if handle:
            self.world.set_state(handle, ZX_EXCEPTION_STATE_HANDLED)
            self.world.close(handle)
        self.world.settle()
        assert self.world.ended(self.world.process)
        for place in ("debugger", "thread", "process", "job"):
            if place in self.channels:
                self.world.close(self.channels.pop(place))
        self.world = World(self.k, self.world.parent)
        self.thread = self.world.thread()
        for place in ("debugger", "thread", "job"):
            self._bind(place)
        self._start()

    # What must be true

    @invariant()
    def the_thread_waits_for_who_has_its_exception(self) -> None:
        if not self.at:
            return
        info = self.world.thread_info(self.thread)
        assert info.state == ZX_THREAD_STATE_BLOCKED_EXCEPTION
        assert info.wait_exception_channel_type == TYPES[self.at]

    @invariant()
    def one_channel_at_most_has_something_to_read(self) -> None:
        for place, channel in self.channels.items():
            _, seen = self.world.zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, 0)
            unread = not self.exception and place == channel_of(self.at)
            assert bool(seen & ZX_CHANNEL_READABLE) == unread


ExceptionModel.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, derandomize=True
)
TestExceptions = ExceptionModel.TestCase
