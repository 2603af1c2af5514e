"""What a job's policy forbids. Source: docs/reference/syscalls/job_set_policy.md, lib/syscalls/*.rs."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_CLOCK_MONOTONIC,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_JOB_POL_ABSOLUTE,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_BAD_HANDLE,
    ZX_POL_NEW_ANY,
    ZX_POL_NEW_CHANNEL,
    ZX_POL_NEW_EVENT,
    ZX_POL_NEW_EVENTPAIR,
    ZX_POL_NEW_FIFO,
    ZX_POL_NEW_PORT,
    ZX_POL_NEW_SOCKET,
    ZX_POL_NEW_TIMER,
    ZX_POL_OVERRIDE_DENY,
)
from jacinth.kernel.ipc import port as port_module
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.process import ProcessDispatcher

from .conftest import Program
from .test_port import raw

NEW = [
    ("zx_channel_create", (0,), ZX_POL_NEW_CHANNEL),
    ("zx_event_create", (0,), ZX_POL_NEW_EVENT),
    ("zx_eventpair_create", (0,), ZX_POL_NEW_EVENTPAIR),
    ("zx_fifo_create", (4, 4, 0), ZX_POL_NEW_FIFO),
    ("zx_port_create", (0,), ZX_POL_NEW_PORT),
    ("zx_socket_create", (0,), ZX_POL_NEW_SOCKET),
    ("zx_timer_create", (0, ZX_CLOCK_MONOTONIC), ZX_POL_NEW_TIMER),
]


def program_that_may_not(k: Any, condition: int) -> Program:
    job = JobDispatcher.create(k.root_job_dispatcher)
    denial = (condition, ZX_POL_ACTION_DENY, ZX_POL_OVERRIDE_DENY)
    job.set_policy(job.policy.with_basic(ZX_JOB_POL_ABSOLUTE, [denial]))
    program = Program(k)
    program.process = ProcessDispatcher.create(job, b"forbidden", shareable=False)
    return program


def call(program: Program, name: str, *arguments: Any) -> Any:
    async def body(zx: Any) -> Any:
        answer = await getattr(zx, name)(*arguments)
        return answer[0] if isinstance(answer, tuple) else answer

    program.start(body)
    program.settle()
    return program.results[-1]


@pytest.mark.parametrize(("name", "arguments", "condition"), NEW)
def test_policy_forbids_one_kind_of_object(
    k: Any, name: str, arguments: tuple[int, ...], condition: int
) -> None:
    assert call(program_that_may_not(k, condition), name, *arguments) == ZX_ERR_ACCESS_DENIED
    assert call(program_that_may_not(k, ZX_POL_NEW_ANY), name, *arguments) == ZX_ERR_ACCESS_DENIED
    others = [other for *_, other in NEW if other != condition]
    assert call(program_that_may_not(k, others[0]), name, *arguments) == ZX_OK


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("zx_channel_create", (1,), ZX_ERR_INVALID_ARGS),
        ("zx_event_create", (1,), ZX_ERR_INVALID_ARGS),
        ("zx_eventpair_create", (1,), ZX_ERR_NOT_SUPPORTED),
        ("zx_fifo_create", (0, 0, 1), ZX_ERR_ACCESS_DENIED),
        ("zx_port_create", (7,), ZX_ERR_ACCESS_DENIED),
        ("zx_socket_create", (7,), ZX_ERR_ACCESS_DENIED),
        ("zx_timer_create", (7, 7), ZX_ERR_INVALID_ARGS),
        ("zx_timer_create", (7, ZX_CLOCK_MONOTONIC), ZX_ERR_ACCESS_DENIED),
    ],
)
def test_policy_has_its_place_among_the_checks(
    k: Any, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    assert call(program_that_may_not(k, ZX_POL_NEW_ANY), name, *arguments) == expected


def test_denied_bad_handles_are_bad_handles(k: Any) -> None:
    program = program_that_may_not(k, ZX_POL_BAD_HANDLE)
    assert call(program, "zx_channel_write", 0x7FFF_FFF3, 0, b"", []) == ZX_ERR_BAD_HANDLE
    program = program_that_may_not(k, ZX_POL_BAD_HANDLE)
    assert call(program, "zx_port_queue", 0x7FFF_FFF3, raw(0)) == ZX_ERR_BAD_HANDLE


def test_sizes_are_checked_where_policy_allows(k: Any) -> None:
    assert call(program_that_may_not(k, ZX_POL_NEW_PORT), "zx_fifo_create", 0, 0, 0) == ZX_ERR_OUT_OF_RANGE


def test_too_many_observers_raise_an_exception(
    zx: Any, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_module, "MAX_OBSERVERS", 3)
    port, event = program.give(zx.zx_port_create(0)[1]), program.give(zx.zx_event_create(0)[1])

    async def flood(body: Any) -> None:
        for key in range(4):
            program.results.append(await body.zx_object_wait_async(event, port, key, 1, 0))

    thread = program.start(flood)
    program.settle()
    assert program.results[:3] == [ZX_OK] * 3
    assert thread.exception is not None
