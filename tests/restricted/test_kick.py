"""`zx_restricted_kick` by the sentence and the error. Every moment at which it may come is walked in test_walk.py."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Body, RestrictedReason
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_EVENT_SIGNALED,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_THREAD_EXITING,
    ZX_EXCP_THREAD_STARTING,
    ZX_HANDLE_INVALID,
    ZX_OK,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_TIME_INFINITE,
    zx_exception_info_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import Handle
from tests.restricted.conftest import CODE, SPIN, SYSCALL, UD2, Bodies

pytestmark = pytest.mark.usefixtures("hot_paths")

KICK, CALL, EXCEPTION = RestrictedReason.KICK, RestrictedReason.SYSCALL, RestrictedReason.EXCEPTION


async def enter(zx: Body, times: int = 1) -> Any:
    """Enter so often; answers the reasons and the ip afterwards."""
    state = await zx.thread.restricted_bind_state()
    state.ip = CODE
    return [await zx.thread.restricted_enter(state) for _ in range(times)], state.ip


def thread_handle(bodies: Bodies, rights: int = ZX_RIGHT_MANAGE_THREAD) -> int:
    return int(bodies.k.host.dispatcher.handles.add(Handle(bodies.thread, rights)))


@pytest.fixture
def spinning(k: Kernel) -> Bodies:
    bodies = Bodies(k, SPIN)
    bodies.results = bodies.start(enter)
    bodies.settle()
    return bodies


@pytest.mark.parametrize("options", [1, 0xFFFF_FFFF])
@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_INVALID_ARGS")
def test_kick_takes_no_options(spinning: Bodies, options: int) -> None:
    assert spinning.zx.zx_restricted_kick(thread_handle(spinning), options) == ZX_ERR_INVALID_ARGS
    assert spinning.zx.zx_restricted_kick(ZX_HANDLE_INVALID, options) == ZX_ERR_INVALID_ARGS  # first of all
    spinning.settle()
    assert not spinning.results


@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_BAD_HANDLE")
def test_kick_needs_a_handle(k: Kernel) -> None:
    zx: Any = k.host.sys
    assert zx.zx_restricted_kick(ZX_HANDLE_INVALID, 0) == ZX_ERR_BAD_HANDLE


@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_WRONG_TYPE")
def test_kick_needs_a_thread(k: Kernel) -> None:
    zx: Any = k.host.sys
    assert zx.zx_restricted_kick(k.host.process, 0) == ZX_ERR_WRONG_TYPE


@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_ACCESS_DENIED")
def test_kick_needs_the_right_to_manage_the_thread(spinning: Bodies) -> None:
    rights = spinning.thread.DEFAULT_RIGHTS & ~ZX_RIGHT_MANAGE_THREAD
    assert spinning.zx.zx_restricted_kick(thread_handle(spinning, rights), 0) == ZX_ERR_ACCESS_DENIED
    spinning.settle()
    assert not spinning.results


@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_BAD_STATE")
def test_a_dead_thread_cannot_be_kicked(spinning: Bodies) -> None:
    handle = thread_handle(spinning)
    assert spinning.zx.zx_task_kill(spinning.process) == ZX_OK
    assert spinning.zx.zx_restricted_kick(handle, 0) == ZX_ERR_BAD_STATE


def test_a_thread_may_be_kicked_before_its_first_instruction_and_not_after_its_last(k: Kernel) -> None:
    """Source: KickWhileStartingAndExiting."""
    bodies = Bodies(k, SYSCALL)
    zx = bodies.zx
    channel = bodies.ok(zx.zx_task_create_exception_channel(bodies.process, ZX_EXCEPTION_CHANNEL_DEBUGGER))
    results = bodies.start(enter)

    def receive() -> tuple[int, int, int]:
        bodies.settle()
        data, handles, *_ = bodies.ok(zx.zx_channel_read(channel, 0, 64, 1))
        thread = bodies.ok(zx.zx_exception_get_thread(handles[0]))
        return zx_exception_info_t.unpack(data).type, handles[0], thread

    type_, exception, thread = receive()
    assert type_ == ZX_EXCP_THREAD_STARTING
    assert zx.zx_restricted_kick(thread, 0) == ZX_OK
    bodies.ok(zx.zx_handle_close(exception))
    type_, exception, thread = receive()
    assert type_ == ZX_EXCP_THREAD_EXITING
    assert results == [([KICK], CODE)]
    assert zx.zx_restricted_kick(thread, 0) == ZX_ERR_BAD_STATE
    bodies.ok(zx.zx_handle_close(exception))


def test_a_thread_that_has_not_started_may_be_kicked(k: Kernel) -> None:
    bodies = Bodies(k, SYSCALL)
    thread = bodies.ok(bodies.zx.zx_thread_create(bodies.process, b"new", 0))
    assert bodies.zx.zx_restricted_kick(thread, 0) == ZX_OK


def test_a_kick_brings_a_running_thread_out(spinning: Bodies) -> None:
    assert not spinning.results
    assert spinning.zx.zx_restricted_kick(thread_handle(spinning), 0) == ZX_OK
    spinning.settle()
    assert spinning.results == [([KICK], CODE)]


def test_a_kick_is_kept_for_the_next_entry_and_that_alone(k: Kernel) -> None:
    """Nothing runs then: the registers are as they were."""
    bodies = Bodies(k, SYSCALL)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rax, state.rcx = CODE, 5, 6
        await zx.thread.restricted_kick()
        first = await zx.thread.restricted_enter(state)
        unchanged = state.ip, state.rax, state.rcx
        return first, unchanged, await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [(KICK, (CODE, 5, 6), CALL)]


def test_kicks_that_nobody_has_noticed_are_one(k: Kernel) -> None:
    bodies = Bodies(k, SYSCALL)

    async def main(zx: Body) -> Any:
        for _ in range(5):
            await zx.thread.restricted_kick()
        return await enter(zx, 2)

    assert bodies.run(main) == [([KICK, CALL], CODE + 2)]


def test_a_kick_does_not_end_a_wait_in_normal_mode(k: Kernel) -> None:
    bodies = Bodies(k, SYSCALL)

    async def main(zx: Any) -> Any:
        _, event = await zx.zx_event_create(0)
        waited.append(event)
        await zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE)
        waited.append("over")
        return await enter(zx, 2)

    waited: list[Any] = []
    results = bodies.start(main)
    bodies.settle()
    assert bodies.zx.zx_restricted_kick(thread_handle(bodies), 0) == ZX_OK
    bodies.settle()
    assert len(waited) == 1
    bodies.object(bodies.process).handles.get(waited[0]).object.update_signals(0, ZX_EVENT_SIGNALED)
    bodies.settle()
    assert results == [([KICK, CALL], CODE + 2)]


def test_bad_registers_do_not_use_a_kick_up(k: Kernel) -> None:
    bodies = Bodies(k, SYSCALL)

    async def main(zx: Any) -> Any:
        state = await zx.thread.restricted_bind_state()
        await zx.thread.restricted_kick()
        state.ip = 1 << 47
        with pytest.raises(Exception, match="BAD_STATE"):
            await zx.thread.restricted_enter(state)
        state.ip = CODE
        return await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [KICK]


def test_a_kick_survives_unbinding_and_binding(k: Kernel) -> None:
    bodies = Bodies(k, UD2)

    async def main(zx: Body) -> Any:
        await zx.thread.restricted_bind_state()
        await zx.thread.restricted_kick()
        await zx.thread.restricted_unbind_state()
        return await enter(zx, 2)

    assert bodies.run(main) == [([KICK, EXCEPTION], CODE)]
