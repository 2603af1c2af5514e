"""Every sentence of the specification of zx_job_create, through the host's calls. Tests are named after the sentences."""

from __future__ import annotations

import pytest

from jacinth.abi import (
    ZX_DEFAULT_JOB_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_JOB_NO_CHILDREN,
    ZX_JOB_NO_JOBS,
    ZX_JOB_NO_PROCESSES,
    ZX_JOB_TERMINATED,
    ZX_OBJ_TYPE_JOB,
    ZX_OK,
    ZX_RIGHT_MANAGE_JOB,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_WRITE,
    Status,
    zx_info_handle_basic_t,
    zx_info_job_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.kernel import Kernel as KernelCore
from jacinth.syscalls.door import HostSys

MAX_HEIGHT = 32


@pytest.fixture
def root(k: Kernel) -> int:
    return k.host.root_job


def make_job(zx: HostSys, parent: int) -> int:
    status, job = zx.zx_job_create(parent, 0)
    assert status == ZX_OK
    return int(job)


def basic(zx: HostSys, handle: int) -> zx_info_handle_basic_t:
    status, data, actual, avail = zx.zx_object_get_info(
        handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t.SIZE
    )
    assert (status, actual, avail) == (ZX_OK, 1, 1)
    return zx_info_handle_basic_t.unpack(data)


def children(zx: HostSys, job: int) -> list[int]:
    status, data, _, _ = zx.zx_object_get_info(job, ZX_INFO_JOB_CHILDREN, 8 * 64)
    assert status == ZX_OK
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def with_rights(zx: HostSys, handle: int, rights: int) -> int:
    status, copy = zx.zx_handle_duplicate(handle, rights)
    assert status == ZX_OK
    return int(copy)


def chain(zx: HostSys, root: int, length: int) -> list[int]:
    """A job below the root, one below that, and so on."""
    jobs = [root]
    for _ in range(length):
        jobs.append(make_job(zx, jobs[-1]))
    return jobs[1:]


# Description


def test_creates_a_new_child_job_object_given_a_parent_job(zx: HostSys, root: int) -> None:
    job = make_job(zx, root)
    assert basic(zx, job).type == ZX_OBJ_TYPE_JOB
    assert children(zx, root) == [basic(zx, job).koid]
    assert basic(zx, job).related_koid == basic(zx, root).koid


def test_upon_success_a_handle_for_the_new_job_is_returned(zx: HostSys, root: int) -> None:
    status, job = zx.zx_job_create(root, 0)
    assert status == ZX_OK
    assert job != ZX_HANDLE_INVALID
    assert basic(zx, job).rights == ZX_DEFAULT_JOB_RIGHTS


def test_the_kernel_keeps_track_of_the_height_of_a_job_its_distance_from_the_root_job(
    k: Kernel, zx: HostSys, root: int
) -> None:
    jobs = chain(zx, root, 3)
    heights = [k.host.dispatcher.handles.get(job).object.max_height for job in jobs]  # type: ignore[union-attr]
    assert heights == [MAX_HEIGHT - 1, MAX_HEIGHT - 2, MAX_HEIGHT - 3]


def test_it_is_illegal_to_create_a_job_under_a_parent_whose_height_exceeds_the_max_height(
    zx: HostSys, root: int
) -> None:
    lowest = chain(zx, root, MAX_HEIGHT)[-1]
    assert zx.zx_job_create(lowest, 0) == (ZX_ERR_OUT_OF_RANGE, ZX_HANDLE_INVALID)
    assert children(zx, lowest) == []


def test_it_is_however_legal_to_create_a_process_under_such_a_job(zx: HostSys, root: int) -> None:
    lowest = chain(zx, root, MAX_HEIGHT)[-1]
    status, process, vmar = zx.zx_process_create(lowest, b"deep", 0)
    assert status == ZX_OK
    assert basic(zx, process).related_koid == basic(zx, lowest).koid
    assert vmar != ZX_HANDLE_INVALID


def test_job_handles_may_be_waited_on(zx: HostSys, root: int) -> None:
    job = make_job(zx, root)
    nothing_inside = ZX_JOB_NO_CHILDREN | ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES
    assert zx.zx_object_wait_one(job, ZX_JOB_NO_CHILDREN, 0) == (ZX_OK, nothing_inside)
    child = make_job(zx, job)
    assert zx.zx_object_wait_one(job, ZX_JOB_NO_CHILDREN, 0) == (ZX_ERR_TIMED_OUT, ZX_JOB_NO_PROCESSES)
    assert zx.zx_task_kill(child) == ZX_OK
    assert zx.zx_object_wait_one(job, ZX_JOB_NO_JOBS, 0) == (ZX_OK, nothing_inside)
    assert zx.zx_task_kill(job) == ZX_OK
    status, signals = zx.zx_object_wait_one(job, ZX_JOB_TERMINATED, 0)
    assert status == ZX_OK and signals & ZX_JOB_TERMINATED


# Rights


def test_parent_job_must_be_of_type_job_and_have_manage_job(zx: HostSys, root: int) -> None:
    enough = with_rights(zx, root, ZX_RIGHT_MANAGE_JOB)
    status, _ = zx.zx_job_create(enough, 0)
    assert status == ZX_OK
    _, event = zx.zx_event_create(0)
    assert zx.zx_job_create(event, 0)[0] == ZX_ERR_WRONG_TYPE


# Return value


def test_returns_ok_and_a_handle_to_the_new_job_via_out_on_success(zx: HostSys, root: int) -> None:
    status, job = zx.zx_job_create(root, 0)
    assert status == ZX_OK
    assert zx.zx_handle_close(job) == ZX_OK


def test_in_the_event_of_failure_a_negative_error_value_is_returned(zx: HostSys, root: int) -> None:
    status, job = zx.zx_job_create(root, 1)
    assert status < 0
    assert job == ZX_HANDLE_INVALID


# Errors


@pytest.mark.shows("zx_job_create", "ZX_ERR_BAD_HANDLE")
@pytest.mark.parametrize("value", [ZX_HANDLE_INVALID, 3, 0x7FFFFFFF, 0xFFFFFFFF])
def test_bad_handle_parent_job_is_not_a_valid_handle(zx: HostSys, value: int) -> None:
    assert zx.zx_job_create(value, 0) == (ZX_ERR_BAD_HANDLE, ZX_HANDLE_INVALID)


@pytest.mark.shows("zx_job_create", "ZX_ERR_WRONG_TYPE")
def test_wrong_type_parent_job_is_not_a_job_handle(zx: HostSys, k: Kernel) -> None:
    assert zx.zx_job_create(k.host.process, 0) == (ZX_ERR_WRONG_TYPE, ZX_HANDLE_INVALID)


def test_wrong_type_comes_before_access_denied(zx: HostSys) -> None:
    _, event = zx.zx_event_create(0)
    powerless = with_rights(zx, event, 0)
    assert zx.zx_job_create(powerless, 0)[0] == ZX_ERR_WRONG_TYPE


@pytest.mark.shows("zx_job_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 2, 0x80000000, 0xFFFFFFFF])
def test_invalid_args_options_is_nonzero(zx: HostSys, root: int, options: int) -> None:
    before = children(zx, root)
    assert zx.zx_job_create(root, options) == (ZX_ERR_INVALID_ARGS, ZX_HANDLE_INVALID)
    assert children(zx, root) == before


def test_invalid_args_options_is_looked_at_before_the_handle(zx: HostSys) -> None:
    assert zx.zx_job_create(ZX_HANDLE_INVALID, 1)[0] == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_job_create", "ZX_ERR_ACCESS_DENIED")
def test_access_denied_parent_job_does_not_have_the_write_or_manage_job_right(zx: HostSys, root: int) -> None:
    neither = ZX_DEFAULT_JOB_RIGHTS & ~(ZX_RIGHT_WRITE | ZX_RIGHT_MANAGE_JOB)
    assert zx.zx_job_create(with_rights(zx, root, neither), 0) == (ZX_ERR_ACCESS_DENIED, ZX_HANDLE_INVALID)
    for either in (ZX_RIGHT_WRITE, ZX_RIGHT_MANAGE_JOB):
        assert zx.zx_job_create(with_rights(zx, root, either), 0)[0] == ZX_OK
    assert zx.zx_job_create(with_rights(zx, root, ZX_RIGHT_MANAGE_PROCESS), 0)[0] == ZX_ERR_ACCESS_DENIED


@pytest.mark.shows("zx_job_create", "ZX_ERR_OUT_OF_RANGE")
def test_out_of_range_the_height_of_parent_job_is_too_large_to_create_a_child_job(
    zx: HostSys, root: int
) -> None:
    jobs = chain(zx, root, MAX_HEIGHT)
    assert zx.zx_job_create(jobs[-1], 0)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_job_create(jobs[-2], 0)[0] == ZX_OK


@pytest.mark.shows("zx_job_create", "ZX_ERR_NO_MEMORY")
def test_no_memory_failure_due_to_lack_of_memory(
    zx: HostSys, root: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: JobDispatcher, *arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(JobDispatcher, "__init__", fail)
    before = children(zx, root)
    assert zx.zx_job_create(root, 0) == (ZX_ERR_NO_MEMORY, ZX_HANDLE_INVALID)
    assert children(zx, root) == before


@pytest.mark.shows("zx_job_create", "ZX_ERR_BAD_STATE")
def test_bad_state_the_parent_job_object_is_in_the_dead_state(zx: HostSys, root: int) -> None:
    job = make_job(zx, root)
    assert zx.zx_task_kill(job) == ZX_OK
    _, data, _, _ = zx.zx_object_get_info(job, ZX_INFO_JOB, zx_info_job_t.SIZE)
    assert zx_info_job_t.unpack(data).exited
    assert zx.zx_job_create(job, 0) == (ZX_ERR_BAD_STATE, ZX_HANDLE_INVALID)


def test_a_failed_call_uses_up_neither_handle_nor_job(k: Kernel, zx: HostSys, root: int) -> None:
    handles = len(k.host.dispatcher.handles)
    powerless = with_rights(zx, root, 0)
    for parent, options in ((ZX_HANDLE_INVALID, 0), (root, 1), (k.host.process, 0), (powerless, 0)):
        assert zx.zx_job_create(parent, options)[0] != Status.OK
    assert len(k.host.dispatcher.handles) == handles + 1
    assert children(zx, root) == []
    assert isinstance(k, KernelCore)
