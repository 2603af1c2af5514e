"""The tree of jobs. Source: docs/reference/syscalls/job_*.md, task_kill.md, object_get_child.md; job_dispatcher.cc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_ALREADY_BOUND,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_THREADS,
    ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO,
    ZX_JOB_NO_CHILDREN,
    ZX_JOB_NO_JOBS,
    ZX_JOB_NO_PROCESSES,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V1,
    ZX_JOB_POL_BASIC_V2,
    ZX_JOB_POL_RELATIVE,
    ZX_JOB_POL_TIMER_SLACK,
    ZX_JOB_TERMINATED,
    ZX_OBJ_TYPE_THREAD,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_EVENT,
    ZX_RIGHT_DESTROY,
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_SET_POLICY,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_TASK_TERMINATED,
    zx_info_job_t,
    zx_info_process_t,
    zx_policy_basic_v1_t,
)
from jacinth.kernel.kernel import KernelObserver
from jacinth.kernel.process import ProcessDispatcher
from tests.tasks.conftest import Calls, Memory, Program, World

NONE = ZX_JOB_NO_JOBS | ZX_JOB_NO_PROCESSES | ZX_JOB_NO_CHILDREN
KILL = ZX_TASK_RETCODE_SYSCALL_KILL


def job_info(calls: Calls, job: int) -> zx_info_job_t:
    found: zx_info_job_t = calls.info(job, ZX_INFO_JOB, zx_info_job_t)
    return found


def return_code(calls: Calls, process: int) -> int:
    return int(calls.info(process, ZX_INFO_PROCESS, zx_info_process_t).return_code)


def children(calls: Calls, job: int) -> list[int]:
    return calls.koids(job, ZX_INFO_JOB_CHILDREN)


def processes(calls: Calls, job: int) -> list[int]:
    return calls.koids(job, ZX_INFO_JOB_PROCESSES)


# Signals


def test_signals_say_what_a_job_has(calls: Calls) -> None:
    job = calls.job()
    assert calls.signals(job) == NONE
    child = calls.job(job)
    assert calls.signals(job) == ZX_JOB_NO_PROCESSES
    process = calls.process(job)
    assert calls.signals(job) == 0
    calls.close(child)
    assert calls.signals(job) == ZX_JOB_NO_JOBS
    calls.close(process)
    assert calls.signals(job) == NONE


def test_a_waiter_hears_of_the_last_process(calls: Calls, program: Program) -> None:
    job = calls.job()
    process = calls.process(job)

    async def waits(zx: Any, handle: int) -> Any:
        return await zx.zx_object_wait_one(handle, ZX_JOB_NO_PROCESSES, calls.zx.zx_deadline_after(1 << 60))

    program.start(waits, program.give(job))
    program.settle()
    assert program.results == []
    calls.ok(calls.zx.zx_task_kill(process))
    program.settle()
    assert program.results[0] == (ZX_OK, NONE)


# Height


@pytest.mark.shows("zx_job_create", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_job_create", "ZX_ERR_BAD_STATE")
def test_a_tree_is_32_jobs_high_below_the_root(calls: Calls) -> None:
    jobs = [calls.k.host.root_job]
    while True:
        status, job = calls.zx.zx_job_create(jobs[-1], 0)
        if status != ZX_OK:
            break
        jobs.append(job)
    assert (status, len(jobs) - 1) == (ZX_ERR_OUT_OF_RANGE, 32)
    calls.process(jobs[-1])
    calls.ok(calls.zx.zx_task_kill(jobs[1]))
    # The height is asked about before the state.
    assert calls.zx.zx_job_create(jobs[-1], 0)[0] == ZX_ERR_OUT_OF_RANGE
    assert calls.zx.zx_job_create(jobs[-2], 0)[0] == ZX_ERR_BAD_STATE


# Death


@pytest.mark.shows("zx_job_create", "ZX_ERR_BAD_STATE")
@pytest.mark.shows("zx_process_create", "ZX_ERR_BAD_STATE")
def test_a_killed_job_is_dead_and_takes_no_children(calls: Calls) -> None:
    job = calls.job()
    assert not job_info(calls, job).exited
    calls.ok(calls.zx.zx_task_kill(job))
    info = job_info(calls, job)
    assert (info.exited, info.return_code) == (1, KILL)
    assert calls.signals(job) == NONE | ZX_JOB_TERMINATED
    assert calls.zx.zx_job_create(job, 0) == (ZX_ERR_BAD_STATE, 0)
    assert calls.zx.zx_process_create(job, b"p", 0) == (ZX_ERR_BAD_STATE, 0, 0)


def test_a_kill_of_a_job_reaches_the_whole_tree_and_nothing_else(calls: Calls) -> None:
    top = calls.job()
    jobs = [calls.job(top), calls.job(top)]
    jobs += [calls.job(jobs[0]), calls.job(jobs[1])]
    inside = [calls.process(job) for job in (top, *jobs)]
    beside = calls.process()
    calls.ok(calls.zx.zx_task_kill(top))
    for job in (top, *jobs):
        assert calls.signals(job) == NONE | ZX_JOB_TERMINATED
        assert (job_info(calls, job).exited, job_info(calls, job).return_code) == (1, KILL)
    for process in inside:
        assert calls.signals(process) == ZX_TASK_TERMINATED
        assert return_code(calls, process) == KILL
    assert calls.signals(beside) == 0


def test_a_kill_is_seen_in_one_step(calls: Calls) -> None:
    """Whoever is told of the first death finds every job closed: nothing escapes by being made meanwhile."""
    top = calls.job()
    low = calls.job(calls.job(top))
    doomed = {calls.koid(calls.process(job)) for job in (top, low, low)}
    seen: list[int] = []

    class Maker(KernelObserver):
        def on_process_exit(self, process: ProcessDispatcher) -> None:
            if process.koid not in doomed:
                return  # one of those that could not be made
            seen.append(calls.zx.zx_process_create(low, b"late", 0)[0])
            seen.append(calls.zx.zx_job_create(top, 0)[0])

    calls.k.observers.append(Maker())
    calls.ok(calls.zx.zx_task_kill(top))
    assert seen == [ZX_ERR_BAD_STATE] * 6


def test_killing_twice_changes_nothing(calls: Calls) -> None:
    job = calls.job()
    process = calls.process(job)
    calls.ok(calls.zx.zx_task_kill(process))
    calls.ok(calls.zx.zx_task_kill(process))
    calls.ok(calls.zx.zx_task_kill(job))
    calls.ok(calls.zx.zx_task_kill(job))
    assert (return_code(calls, process), job_info(calls, job).return_code) == (KILL, KILL)


def test_a_killed_job_waits_for_its_threads_to_leave(world: World, calls: Calls) -> None:
    thread = world.run(b"\xeb\xfe")  # jmp to itself
    world.settle()
    calls.ok(calls.zx.zx_task_kill(world.parent))
    assert world.ended(thread) and world.ended(world.process)
    for job in (world.job, world.parent):
        assert calls.signals(job) & ZX_JOB_TERMINATED


def test_a_process_that_kills_its_own_job_dies_with_it(calls: Calls, program: Program) -> None:
    async def body(zx: Any, job: int) -> int:
        await zx.zx_task_kill(job)
        return 0

    host = calls.k.host
    outer = calls.job()
    inner = calls.job(outer)
    parent: Any = host.dispatcher.handles.get(inner)
    program.process = ProcessDispatcher.create(parent.object, b"suicidal", shareable=False)
    process = host.add(program.process)
    program.start(body, program.give(outer))
    program.settle()
    assert program.results == []
    assert return_code(calls, process) == KILL
    assert calls.signals(outer) == NONE | ZX_JOB_TERMINATED


@pytest.mark.shows("zx_task_kill", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_task_kill", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_task_kill", "ZX_ERR_NOT_SUPPORTED")
def test_kill_is_for_jobs_and_processes(calls: Calls) -> None:
    process = calls.process()
    thread = calls.thread(process)
    assert calls.zx.zx_task_kill(3) == ZX_ERR_BAD_HANDLE
    assert calls.zx.zx_task_kill(calls.without(process, ZX_RIGHT_DESTROY)) == ZX_ERR_ACCESS_DENIED
    assert calls.zx.zx_task_kill(thread) == ZX_ERR_NOT_SUPPORTED
    # The right comes before the type, which can be one of several.
    assert calls.zx.zx_task_kill(calls.without(thread, ZX_RIGHT_DESTROY)) == ZX_ERR_ACCESS_DENIED
    vmo = calls.ok(calls.zx.zx_vmo_create(4096, 0))
    assert calls.zx.zx_task_kill(vmo) == ZX_ERR_ACCESS_DENIED  # VMOs have no DESTROY


# Who keeps a job


@pytest.mark.shows("zx_object_get_child", "ZX_ERR_NOT_FOUND")
def test_an_empty_job_goes_with_its_last_handle(calls: Calls) -> None:
    top = calls.job()
    job = calls.job(top)
    koid = calls.koid(job)
    second = calls.duplicate(job, ZX_RIGHT_SAME_RIGHTS)
    calls.close(job)
    assert children(calls, top) == [koid]
    calls.close(second)
    assert children(calls, top) == []
    assert calls.zx.zx_object_get_child(top, koid, ZX_RIGHT_SAME_RIGHTS) == (ZX_ERR_NOT_FOUND, 0)


def test_a_job_without_handles_is_kept_by_its_children(calls: Calls) -> None:
    top = calls.job()
    middle = calls.job(top)
    process = calls.process(calls.job(middle))
    koid = calls.koid(middle)
    calls.close(middle)
    assert children(calls, top) == [koid]
    middle = calls.ok(calls.zx.zx_object_get_child(top, koid, ZX_RIGHT_SAME_RIGHTS))
    low = calls.ok(calls.zx.zx_object_get_child(middle, children(calls, middle)[0], ZX_RIGHT_SAME_RIGHTS))
    assert processes(calls, low) == [calls.koid(process)]
    calls.close(low, middle)


def test_a_chain_of_jobs_without_handles_goes_with_its_last_process(calls: Calls, world: World) -> None:
    jobs = len(children(calls, calls.k.host.root_job))
    world.run(b"\xeb\xfe")
    process = calls.duplicate(world.process, ZX_RIGHT_SAME_RIGHTS)
    calls.close(world.parent, world.job, world.process)
    assert len(children(calls, calls.k.host.root_job)) == jobs
    calls.ok(calls.zx.zx_task_kill(process))
    # It has left the list of its job, and keeps it nevertheless.
    assert len(children(calls, calls.k.host.root_job)) == jobs
    for thread in [
        value for value, _ in calls.k.host.dispatcher.handles if calls.basic(value).type == ZX_OBJ_TYPE_THREAD
    ]:
        calls.close(thread)
    calls.close(process)
    assert len(children(calls, calls.k.host.root_job)) == jobs - 1


def test_a_job_is_kept_by_a_handle_to_a_process_that_is_dead(calls: Calls) -> None:
    top = calls.job()
    job = calls.job(top)
    koid, process = calls.koid(job), calls.process(job)
    calls.close(job)
    calls.ok(calls.zx.zx_task_kill(process))
    assert children(calls, top) == [koid] and not calls.signals(top) & ZX_JOB_NO_JOBS
    found = calls.ok(calls.zx.zx_object_get_child(top, koid, ZX_RIGHT_SAME_RIGHTS))
    assert calls.signals(found) == NONE and not job_info(calls, found).exited
    calls.close(found)
    assert children(calls, top) == [koid]
    calls.close(process)
    assert children(calls, top) == [] and calls.signals(top) == NONE


def test_a_job_is_kept_by_a_handle_to_a_thread_of_a_process_that_is_dead(calls: Calls) -> None:
    top = calls.job()
    job = calls.job(top)
    process = calls.process(job)
    thread = calls.thread(process)
    calls.close(job, process)  # it has not started: it is dead now
    assert len(children(calls, top)) == 1
    calls.close(thread)
    assert children(calls, top) == []


def test_a_job_is_kept_by_a_handle_to_a_job_below_it_that_is_dead(calls: Calls) -> None:
    top = calls.job()
    middle = calls.job(top)
    low = calls.job(middle)
    calls.ok(calls.zx.zx_task_kill(low))
    calls.close(middle)
    assert len(children(calls, top)) == 1
    calls.close(low)
    assert children(calls, top) == []


def test_a_job_is_kept_by_tokens_and_exceptions_of_its_threads(calls: Calls, world: World) -> None:
    root = calls.k.host.root_job
    jobs = len(children(calls, root))
    channel = world.listen(world.process)
    thread = world.crash()
    exception = world.receive(channel).handle
    token = calls.ok(calls.zx.zx_task_suspend_token(thread))
    calls.ok(calls.zx.zx_task_kill(world.process))
    calls.close(world.process, world.job, world.parent, thread, token)
    assert len(children(calls, root)) == jobs
    calls.close(exception)
    assert len(children(calls, root)) == jobs - 1
    calls.close(channel)


def test_children_are_listed_oldest_first(calls: Calls) -> None:
    top = calls.job()
    jobs = [calls.job(top) for _ in range(5)]
    procs = [calls.process(top) for _ in range(5)]
    calls.close(jobs[1])
    calls.ok(calls.zx.zx_task_kill(procs[3]))
    assert children(calls, top) == [calls.koid(job) for job in jobs[:1] + jobs[2:]]
    assert processes(calls, top) == [calls.koid(process) for process in procs[:3] + procs[4:]]


# zx_object_get_child


@pytest.mark.shows("zx_object_get_child", "ZX_ERR_ACCESS_DENIED")
def test_get_child_has_the_rights_of_the_handle_at_most(calls: Calls) -> None:
    job = calls.job()
    process = calls.process(job)
    koid = calls.koid(process)
    poor = calls.duplicate(job, ZX_RIGHT_ENUMERATE | ZX_RIGHT_INSPECT)
    same = calls.ok(calls.zx.zx_object_get_child(poor, koid, ZX_RIGHT_SAME_RIGHTS))
    assert calls.basic(same).rights == ZX_RIGHT_ENUMERATE | ZX_RIGHT_INSPECT
    assert calls.koid(same) == koid
    fewer = calls.ok(calls.zx.zx_object_get_child(poor, koid, ZX_RIGHT_INSPECT))
    assert calls.basic(fewer).rights == ZX_RIGHT_INSPECT
    assert calls.zx.zx_object_get_child(poor, koid, ZX_RIGHT_DESTROY) == (ZX_ERR_ACCESS_DENIED, 0)


@pytest.mark.shows("zx_object_get_child", "ZX_ERR_NOT_FOUND")
def test_get_child_finds_direct_children_only(calls: Calls, world: World) -> None:
    root = calls.k.host.root_job
    for task in (calls.koid(world.job), calls.koid(world.process), calls.koid(root), 0, 1 << 60):
        assert calls.zx.zx_object_get_child(root, task, ZX_RIGHT_SAME_RIGHTS) == (ZX_ERR_NOT_FOUND, 0)
    thread = world.thread()
    koid = calls.koid(thread)
    # A thread is its process's child when it has started.
    assert calls.zx.zx_object_get_child(world.process, koid, ZX_RIGHT_SAME_RIGHTS)[0] == ZX_ERR_NOT_FOUND
    world.start(thread, b"\xeb\xfe")
    found = calls.ok(calls.zx.zx_object_get_child(world.process, koid, ZX_RIGHT_SAME_RIGHTS))
    assert calls.koid(found) == koid
    assert calls.koids(world.process, ZX_INFO_PROCESS_THREADS) == [koid]


@pytest.mark.shows("zx_object_get_child", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_get_child", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_object_get_child", "ZX_ERR_WRONG_TYPE")
def test_get_child_checks_rights_before_the_type(calls: Calls) -> None:
    job = calls.job()
    event = calls.event()
    assert calls.zx.zx_object_get_child(3, 0, 0) == (ZX_ERR_BAD_HANDLE, 0)
    assert calls.zx.zx_object_get_child(event, 0, 0) == (ZX_ERR_ACCESS_DENIED, 0)
    blind = calls.without(job, ZX_RIGHT_ENUMERATE)
    assert calls.zx.zx_object_get_child(blind, 0, 0) == (ZX_ERR_ACCESS_DENIED, 0)
    # Every type that has ENUMERATE by default is one with children; a handle is made that has it nevertheless.
    object_ = calls.k.host.dispatcher.handles.get(event).object
    odd = calls.k.host.add(object_, ZX_RIGHT_ENUMERATE)
    assert calls.zx.zx_object_get_child(odd, 0, 0) == (ZX_ERR_WRONG_TYPE, 0)


# zx_job_set_critical


def test_a_job_dies_with_its_critical_process(calls: Calls) -> None:
    top = calls.job()
    job = calls.job(top)
    process = calls.process(job)
    sibling = calls.process(top)
    calls.ok(calls.zx.zx_job_set_critical(top, 0, process))
    calls.ok(calls.zx.zx_task_kill(process))
    assert job_info(calls, top).return_code == ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL
    assert return_code(calls, sibling) == ZX_TASK_RETCODE_CRITICAL_PROCESS_KILL
    assert return_code(calls, process) == KILL
    assert job_info(calls, job).exited


@pytest.mark.parametrize(("code", "dies"), [(0, False), (1, True), (-1, True)])
def test_critical_only_when_it_fails(calls: Calls, program: Program, code: int, dies: bool) -> None:
    job = calls.job()
    host = calls.k.host
    parent: Any = host.dispatcher.handles.get(job)
    program.process = ProcessDispatcher.create(parent.object, b"critical", shareable=False)

    async def body(zx: Any) -> None:
        await zx.zx_process_exit(code)

    process = host.add(program.process)
    calls.ok(calls.zx.zx_job_set_critical(job, ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO, process))
    program.start(body)
    program.settle()
    assert return_code(calls, process) == code
    assert bool(job_info(calls, job).exited) == dies


def test_a_critical_process_that_never_starts_dies_with_its_last_handle(calls: Calls) -> None:
    job = calls.job()
    process = calls.process(job)
    calls.ok(calls.zx.zx_job_set_critical(job, 0, process))
    calls.close(process)
    assert job_info(calls, job).exited


@pytest.mark.shows("zx_job_set_critical", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_job_set_critical", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_job_set_critical", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_job_set_critical", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_job_set_critical", "ZX_ERR_ALREADY_BOUND")
def test_set_critical_is_checked_in_order(calls: Calls) -> None:
    job, other = calls.job(), calls.job()
    process = calls.process(job)
    event = calls.event()
    set_critical = calls.zx.zx_job_set_critical
    assert set_critical(3, 2, 3) == ZX_ERR_INVALID_ARGS
    assert set_critical(3, 0, 3) == ZX_ERR_BAD_HANDLE
    assert set_critical(event, 0, 3) == ZX_ERR_WRONG_TYPE
    assert set_critical(calls.without(job, ZX_RIGHT_DESTROY), 0, 3) == ZX_ERR_ACCESS_DENIED
    assert set_critical(job, 0, 3) == ZX_ERR_BAD_HANDLE
    assert set_critical(job, 0, event) == ZX_ERR_WRONG_TYPE
    assert set_critical(job, 0, calls.without(process, ZX_RIGHT_WAIT)) == ZX_ERR_ACCESS_DENIED
    assert set_critical(other, 0, process) == ZX_ERR_INVALID_ARGS
    assert set_critical(job, 0, process) == ZX_OK
    assert set_critical(job, 0, process) == ZX_ERR_ALREADY_BOUND
    assert set_critical(other, 0, process) == ZX_ERR_ALREADY_BOUND


# zx_job_set_policy: what it is given. What policies do is in tests/exceptions/test_policy.py.


@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("topic", [ZX_JOB_POL_BASIC_V1, ZX_JOB_POL_BASIC_V2, ZX_JOB_POL_TIMER_SLACK])
def test_the_size_of_a_policy_is_its_number_of_entries(calls: Calls, topic: int) -> None:
    job = calls.job()
    set_policy = calls.zx.zx_job_set_policy
    nothing = bytes(33 * 16)  # conditions that are allowed, no slack
    sizes = {0: ZX_ERR_INVALID_ARGS, 1: ZX_OK, 33: ZX_ERR_INVALID_ARGS, 1 << 32 - 1: ZX_ERR_INVALID_ARGS}
    for count, expected in sizes.items():
        assert set_policy(job, ZX_JOB_POL_RELATIVE, topic, nothing, count) == expected, count
    expected = ZX_ERR_INVALID_ARGS if topic == ZX_JOB_POL_TIMER_SLACK else ZX_OK
    assert set_policy(job, ZX_JOB_POL_RELATIVE, topic, nothing, 2) == expected
    assert set_policy(job, ZX_JOB_POL_RELATIVE, topic, None, 1) == ZX_ERR_INVALID_ARGS
    assert set_policy(job, 2, topic, nothing, 1) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_job_set_policy", "ZX_ERR_BAD_STATE")
def test_set_policy_is_checked_in_order(calls: Calls, memory: Memory, trap: Callable[..., int]) -> None:
    job = calls.job()
    item = zx_policy_basic_v1_t(condition=ZX_POL_NEW_EVENT, policy=ZX_POL_ACTION_DENY)
    address = memory.put(0, item.pack())

    def set_policy(handle: int, options: int, topic: int, policy: int, size: int) -> int:
        return trap("zx_job_set_policy", handle, options, topic, policy, size)

    assert set_policy(3, ZX_JOB_POL_RELATIVE, 99, address, 1) == ZX_ERR_INVALID_ARGS
    assert set_policy(3, 7, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_ERR_INVALID_ARGS
    assert set_policy(3, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V1, 0x10, 1) == ZX_ERR_INVALID_ARGS
    assert set_policy(3, ZX_JOB_POL_RELATIVE, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_ERR_BAD_HANDLE
    assert set_policy(calls.event(), 0, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_ERR_WRONG_TYPE
    poor = calls.without(job, ZX_RIGHT_SET_POLICY)
    assert set_policy(poor, 0, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_ERR_ACCESS_DENIED
    child = calls.job(job)
    assert set_policy(job, 0, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_ERR_BAD_STATE
    calls.close(child)
    assert set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, address, 1) == ZX_OK
    policy = calls.k.host.dispatcher.handles.get(job).object.policy
    assert policy.action(ZX_POL_NEW_EVENT) == ZX_POL_ACTION_DENY


def test_a_policy_is_inherited_and_stays_with_a_process(calls: Calls) -> None:
    job = calls.job()
    item = zx_policy_basic_v1_t(condition=ZX_POL_NEW_EVENT, policy=ZX_POL_ACTION_DENY).pack()
    calls.ok(calls.zx.zx_job_set_policy(job, 0, ZX_JOB_POL_BASIC_V1, item, 1))
    objects = calls.k.host.dispatcher.handles
    made = [calls.process(job), calls.job(job)]
    for handle in made:
        policy = objects.get(handle).object.policy
        assert policy.action(ZX_POL_NEW_EVENT) == ZX_POL_ACTION_DENY


def test_handles_to_a_dead_tree_stay_good(calls: Calls) -> None:
    job = calls.job()
    child = calls.job(job)
    process = calls.process(child)
    koids = [calls.koid(handle) for handle in (job, child, process)]
    calls.ok(calls.zx.zx_task_kill(job))
    assert [calls.koid(handle) for handle in (job, child, process)] == koids
    assert calls.basic(process).related_koid == koids[1]
    assert children(calls, job) == processes(calls, child) == []
    one, other = calls.ok(calls.zx.zx_channel_create(0))
    assert calls.zx.zx_channel_write(one, 0, b"", [process]) == ZX_OK
    _, _, (moved,), *_ = calls.zx.zx_channel_read(other, 0, 0, 1)
    assert calls.basic(moved).rights & ZX_RIGHT_TRANSFER and calls.koid(moved) == koids[2]
