"""Processes: their making, start, states and end. Source: docs/reference/syscalls/process_*.md; process_dispatcher.cc."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth.abi import (
    ZX_DEFAULT_PROCESS_RIGHTS,
    ZX_DEFAULT_VMAR_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_PROCESS,
    ZX_MAX_NAME_LEN,
    ZX_OBJ_TYPE_PROCESS,
    ZX_OBJ_TYPE_VMAR,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_PROP_NAME,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_TASK_TERMINATED,
    zx_info_process_t,
)
from tests.tasks.conftest import Calls, Memory

OVER = (ZX_ERR_INVALID_ARGS, 0, 0)


def info(calls: Calls, process: int) -> zx_info_process_t:
    found: zx_info_process_t = calls.info(process, ZX_INFO_PROCESS, zx_info_process_t)
    return found


def name(calls: Calls, handle: int) -> bytes:
    return bytes(calls.ok(calls.zx.zx_object_get_property(handle, ZX_PROP_NAME, ZX_MAX_NAME_LEN)))


# zx_process_create


def test_creation_answers_a_process_and_the_root_of_its_address_space(calls: Calls) -> None:
    job = calls.job()
    process, vmar = calls.ok(calls.zx.zx_process_create(job, b"p", 0))
    of_process, of_vmar = calls.basic(process), calls.basic(vmar)
    assert (of_process.type, of_process.rights) == (ZX_OBJ_TYPE_PROCESS, ZX_DEFAULT_PROCESS_RIGHTS)
    assert of_process.related_koid == calls.koid(job)
    assert of_vmar.type == ZX_OBJ_TYPE_VMAR
    assert of_vmar.rights & ZX_DEFAULT_VMAR_RIGHTS == ZX_DEFAULT_VMAR_RIGHTS
    assert calls.koids(job, ZX_INFO_JOB_PROCESSES) == [of_process.koid]


@pytest.mark.parametrize(
    "given", [b"", b"p", b"x" * (ZX_MAX_NAME_LEN - 1), b"x" * ZX_MAX_NAME_LEN, b"y" * 200, b"ab\0cd"]
)
@pytest.mark.parametrize("shared", [False, True])
def test_the_name_is_cut_silently(calls: Calls, given: bytes, shared: bool) -> None:
    if shared:
        prototype = calls.process(options=ZX_PROCESS_SHARED)
        process, _ = calls.ok(calls.zx.zx_process_create_shared(prototype, 0, given))
    else:
        process, _ = calls.ok(calls.zx.zx_process_create(calls.job(), given, 0))
    kept = given[: ZX_MAX_NAME_LEN - 1].partition(b"\0")[0]
    assert name(calls, process) == kept.ljust(ZX_MAX_NAME_LEN, b"\0")


def test_a_process_that_never_started_goes_with_its_last_handle(calls: Calls) -> None:
    job = calls.job()
    calls.close(calls.process(job))
    assert calls.koids(job, ZX_INFO_JOB_PROCESSES) == []


def test_the_address_space_outlives_the_handle_to_its_root(calls: Calls) -> None:
    process, vmar = calls.ok(calls.zx.zx_process_create(calls.job(), b"p", 0))
    vmo = calls.ok(calls.zx.zx_vmo_create(4096, 0))
    address = calls.ok(calls.zx.zx_vmar_map(vmar, 3, 0, vmo, 0, 4096))
    calls.close(vmar)
    assert calls.zx.zx_process_read_memory(process, address, 4) == (ZX_OK, bytes(4), 4)


@pytest.mark.shows("zx_process_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [ZX_PROCESS_SHARED << 1, ZX_PROCESS_SHARED | 2, 1 << 31])
def test_unknown_options_of_a_process(calls: Calls, options: int) -> None:
    assert calls.zx.zx_process_create(calls.job(), b"p", options) == OVER


@pytest.mark.shows("zx_process_create", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_process_create", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_process_create", "ZX_ERR_ACCESS_DENIED")
def test_the_job_of_a_process_is_a_job_with_manage_process(calls: Calls) -> None:
    job = calls.job()
    for value in (ZX_HANDLE_INVALID, 3):
        assert calls.zx.zx_process_create(value, b"p", 0) == (ZX_ERR_BAD_HANDLE, 0, 0)
    assert calls.zx.zx_process_create(calls.event(), b"p", 0) == (ZX_ERR_WRONG_TYPE, 0, 0)
    weak = calls.without(job, ZX_RIGHT_MANAGE_PROCESS)
    assert calls.zx.zx_process_create(weak, b"p", 0) == (ZX_ERR_ACCESS_DENIED, 0, 0)
    enough = calls.duplicate(job, ZX_RIGHT_MANAGE_PROCESS)
    assert calls.zx.zx_process_create(enough, b"p", 0)[0] == ZX_OK


@pytest.mark.shows("zx_process_create", "ZX_ERR_INVALID_ARGS")
def test_bad_pointers_at_the_making_of_a_process(calls: Calls, memory: Memory, trap: Any) -> None:
    job, bad, at = calls.job(), 0x10, memory.address
    for text, process, vmar in ((0, at, at + 4), (bad, at, at + 4), (at, bad, at), (at, at, bad)):
        assert trap("zx_process_create", job, text, 1, 0, process, vmar) == ZX_ERR_INVALID_ARGS
    assert calls.koids(job, ZX_INFO_JOB_PROCESSES) == []
    assert trap("zx_process_create", job, at, 1, 0, at, at + 4) == ZX_OK


def test_a_new_process_has_nothing_to_show(calls: Calls) -> None:
    process = calls.process()
    found = info(calls, process)
    assert (found.return_code, found.start_time, found.flags) == (0, 0, 0)
    assert not calls.signals(process) & ZX_TASK_TERMINATED
