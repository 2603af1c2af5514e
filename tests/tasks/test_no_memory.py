"""Making tasks, tokens and exception channels when the host has no memory for the object: NO_MEMORY, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_BAD_STATE,
    ZX_ERR_NO_MEMORY,
    ZX_INFO_JOB_PROCESSES,
    ZX_PROCESS_SHARED,
    ZX_THREAD_RUNNING,
)
from jacinth.kernel.ipc.channel import ChannelDispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.suspend_token import SuspendTokenDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from tests.tasks.conftest import Calls, World

SPIN = b"\xeb\xfe"  # jmp to itself


def no_memory(call: str, broken: type, *arguments: Any) -> Any:
    """A call that makes an object of the class *broken*. Where an argument is a function, it makes one of the world's."""
    mark = pytest.mark.shows(call, "ZX_ERR_NO_MEMORY")
    return pytest.param(call, broken, arguments, marks=mark, id=call)


@pytest.mark.parametrize(
    ("call", "broken", "arguments"),
    [
        no_memory("zx_process_create", ProcessDispatcher, lambda w: w.job, b"p", 0),
        no_memory("zx_process_create_shared", ProcessDispatcher, lambda w: w.prototype, 0, b"p"),
        no_memory("zx_thread_create", ThreadDispatcher, lambda w: w.process, b"t", 0),
        no_memory("zx_task_suspend", SuspendTokenDispatcher, lambda w: w.running),
        no_memory("zx_task_suspend_token", SuspendTokenDispatcher, lambda w: w.running),
        no_memory("zx_task_create_exception_channel", ChannelDispatcher, lambda w: w.process, 0),
    ],
)
def test_without_memory_nothing_is_made(
    calls: Calls,
    world: Any,
    call: str,
    broken: type,
    arguments: tuple[Any, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isinstance(world, World)
    world.running = world.run(SPIN)
    world.prototype, vmar = calls.ok(calls.zx.zx_process_create(world.job, b"p", ZX_PROCESS_SHARED))
    calls.close(vmar)
    given = [argument(world) if isinstance(argument, Callable) else argument for argument in arguments]
    handles = len(calls.k.host.dispatcher.handles)
    processes = calls.koids(world.job, ZX_INFO_JOB_PROCESSES)

    def fail(self: Any, *_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broke:
        broke.setattr(broken, "__init__", fail)
        answer = getattr(calls.zx, call)(*given)
    assert answer == (ZX_ERR_NO_MEMORY, *[0] * (len(answer) - 1))
    assert len(calls.k.host.dispatcher.handles) == handles
    assert calls.koids(world.job, ZX_INFO_JOB_PROCESSES) == processes
    assert calls.signals(world.running) == ZX_THREAD_RUNNING
    # The next time, with memory, it works.
    answer = calls.ok(getattr(calls.zx, call)(*given))
    calls.close(*(answer if isinstance(answer, tuple) else (answer,)))


def test_a_process_that_could_not_join_does_not_keep_the_shared_state(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    prototype = calls.process(options=ZX_PROCESS_SHARED)

    def fail(self: Any, *_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broke:
        broke.setattr(ProcessDispatcher, "__init__", fail)
        assert calls.zx.zx_process_create_shared(prototype, 0, b"p")[0] == ZX_ERR_NO_MEMORY
    calls.ok(calls.zx.zx_task_kill(prototype))
    assert calls.zx.zx_process_create_shared(prototype, 0, b"p")[0] == ZX_ERR_BAD_STATE
