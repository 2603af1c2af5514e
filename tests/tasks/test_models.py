"""Handles and the task tree against small models, in any order of calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_HANDLE_FIXED_BITS_MASK,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_HANDLE_COUNT,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_PROCESS,
    ZX_INFO_PROCESS_FLAG_EXITED,
    ZX_INFO_PROCESS_FLAG_STARTED,
    ZX_INFO_PROCESS_THREADS,
    ZX_INFO_THREAD,
    ZX_JOB_NO_CHILDREN,
    ZX_JOB_NO_JOBS,
    ZX_JOB_NO_PROCESSES,
    ZX_JOB_TERMINATED,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_PROCESS_TERMINATED,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_THREAD_STATE_BLOCKED_WAIT_ONE,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_TERMINATED,
    ZxError,
    zx_info_handle_basic_t,
    zx_info_handle_count_t,
    zx_info_job_t,
    zx_info_process_t,
    zx_info_thread_t,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants
from jacinth.kernel.wait import Waiter

_SETTINGS = settings(max_examples=25, stateful_step_count=40, deadline=None)
_PICK = st.integers(0, 1 << 16)
_RIGHTS = st.integers(0, ZX_DEFAULT_EVENT_RIGHTS)


class _Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=16 << 20, strict=True)
        self.zx = self.k.host.sys

    def teardown(self) -> None:
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)

    def info(self, handle: int, topic: int, cls: Any) -> Any:
        status, data, _, _ = self.zx.zx_object_get_info(handle, topic, cls.SIZE)
        assert status == ZX_OK
        return cls.unpack(data)


class HandleTables(_Machine):
    """Values, rights and counts of handles to events."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: dict[int, tuple[int, int]] = {}  # value: koid, rights
        self.used: set[int] = set()
        self.koids: set[int] = set()

    def choose(self, pick: int) -> int:
        return list(self.handles)[pick % len(self.handles)]

    def added(self, value: int, koid: int, rights: int) -> None:
        assert value & ZX_HANDLE_FIXED_BITS_MASK == ZX_HANDLE_FIXED_BITS_MASK and 0 < value < 1 << 31
        assert value not in self.used, "a value was used again"
        self.used.add(value)
        self.handles[value] = koid, rights

    @rule()
    def create(self) -> None:
        status, value = self.zx.zx_event_create(0)
        assert status == ZX_OK
        koid = self.info(value, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t).koid
        assert koid not in self.koids, "a koid was used again"
        self.koids.add(koid)
        self.added(value, koid, ZX_DEFAULT_EVENT_RIGHTS)

    @precondition(lambda self: self.handles)
    @rule(pick=_PICK, rights=_RIGHTS | st.just(ZX_RIGHT_SAME_RIGHTS))
    def duplicate(self, pick: int, rights: int) -> None:
        source = self.choose(pick)
        koid, held = self.handles[source]
        status, value = self.zx.zx_handle_duplicate(source, rights)
        wanted = held if rights == ZX_RIGHT_SAME_RIGHTS else rights
        if not held & ZX_RIGHT_DUPLICATE:
            assert (status, value) == (ZX_ERR_ACCESS_DENIED, 0)
        elif wanted & ~held:
            assert (status, value) == (ZX_ERR_INVALID_ARGS, 0)
        else:
            assert status == ZX_OK
            self.added(value, koid, wanted)

    @precondition(lambda self: self.handles)
    @rule(pick=_PICK, rights=_RIGHTS | st.just(ZX_RIGHT_SAME_RIGHTS))
    def replace(self, pick: int, rights: int) -> None:
        source = self.choose(pick)
        koid, held = self.handles.pop(source)
        status, value = self.zx.zx_handle_replace(source, rights)
        wanted = held if rights == ZX_RIGHT_SAME_RIGHTS else rights
        if wanted & ~held:
            assert (status, value) == (ZX_ERR_INVALID_ARGS, 0)
        else:
            assert status == ZX_OK
            self.added(value, koid, wanted)

    @precondition(lambda self: self.handles)
    @rule(pick=_PICK)
    def close(self, pick: int) -> None:
        value = self.choose(pick)
        del self.handles[value]
        assert self.zx.zx_handle_close(value) == ZX_OK
        assert self.zx.zx_handle_close(value) == ZX_ERR_BAD_HANDLE

    @precondition(lambda self: self.handles)
    @rule(pick=_PICK, count=st.integers(1, 5))
    def close_many(self, pick: int, count: int) -> None:
        values = [self.choose(pick + i) for i in range(count)]
        status = self.zx.zx_handle_close_many(values)
        assert status == (ZX_OK if len(set(values)) == count else ZX_ERR_BAD_HANDLE)
        for value in set(values):
            del self.handles[value]

    @precondition(lambda self: self.handles)
    @rule(pick=_PICK)
    def send_and_receive(self, pick: int) -> None:
        """Through a channel a handle keeps object and rights, and gets another value."""
        value = self.choose(pick)
        koid, rights = self.handles[value]
        _, one, other = self.zx.zx_channel_create(0)
        status = self.zx.zx_channel_write(one, 0, b"", [value])
        del self.handles[value]  # consumed, whatever the answer
        if status == ZX_OK:
            _, _, received, _, _ = self.zx.zx_channel_read(other, 0, 0, 1)
            self.added(received[0], koid, rights)
        else:
            assert status == ZX_ERR_ACCESS_DENIED
        self.used |= {one, other}
        assert self.zx.zx_handle_close_many([one, other]) == ZX_OK

    @invariant()
    def every_handle_is_what_the_model_says(self) -> None:
        counts: dict[int, int] = {}
        for koid, _ in self.handles.values():
            counts[koid] = counts.get(koid, 0) + 1
        for value, (koid, rights) in self.handles.items():
            basic = self.info(value, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t)
            assert (basic.koid, basic.rights) == (koid, rights)
            if rights & ZX_RIGHT_INSPECT:
                assert (
                    self.info(value, ZX_INFO_HANDLE_COUNT, zx_info_handle_count_t).handle_count
                    == counts[koid]
                )


@dataclass(eq=False)
class _Job:
    handles: list[int]
    koid: int
    parent: _Job | None
    dead: bool = False
    jobs: list[_Job] = field(default_factory=list)  # all that were ever made in it
    processes: list[_Process] = field(default_factory=list)

    @property
    def exists(self) -> bool:
        """Somebody refers to it: a handle, or what was made in it."""
        return bool(self.handles) or any(one.exists for one in (*self.jobs, *self.processes))

    @property
    def listed(self) -> bool:
        return not self.dead and self.exists


@dataclass(eq=False)
class _Group:
    """Processes of one shared state."""

    processes: list[_Process] = field(default_factory=list)


@dataclass(eq=False)
class _Process:
    handles: list[int]
    koid: int
    job: _Job
    group: _Group | None
    started: bool = False
    retcode: int | None = None  # None while it is not dead
    threads: list[_Thread] = field(default_factory=list)  # all that were ever made in it

    @property
    def exists(self) -> bool:
        return bool(self.handles) or self.retcode is None or any(thread.exists for thread in self.threads)


@dataclass(eq=False)
class _Thread:
    handles: list[int]
    koid: int
    process: _Process
    state: int = ZX_THREAD_STATE_NEW
    goes_on: Waiter | None = None  # what its body waits for

    @property
    def exists(self) -> bool:
        return bool(self.handles) or self.running

    @property
    def running(self) -> bool:
        return self.state == ZX_THREAD_STATE_BLOCKED_WAIT_ONE


_Task = _Job | _Process | _Thread
_T = TypeVar("_T", bound=_Task)


class TaskTree(_Machine):
    """Jobs, processes, shared processes and threads, made, started, ended, killed and let go of in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.root = self.k.root_job_dispatcher
        self.keepers = self.root.keepers
        _, top = self.zx.zx_job_create(self.k.host.root_job, 0)
        self.top = _Job([top], self.koid(top), None)
        self.jobs = [self.top]
        self.processes: list[_Process] = []
        self.threads: list[_Thread] = []
        self.ends: list[Any] = []  # the kernel's, of channels of exceptions

    def teardown(self) -> None:
        """Without handles, and with every thread at its end, nothing is there any more."""
        try:
            for task in (*self.threads, *self.processes, *self.jobs):
                assert self.zx.zx_handle_close_many(task.handles) == ZX_OK
                task.handles.clear()
            for thread in self.threads:
                if thread.goes_on is not None:
                    thread.goes_on.complete()
            self.settle()
            assert self.root.keepers == self.keepers
            assert list(self.root.jobs()) == []
            assert not any(end.handle_count for end in self.ends)
        finally:
            super().teardown()

    def koid(self, handle: int) -> int:
        return int(self.info(handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t).koid)

    def object(self, task: _Task) -> Any:
        handle = self.k.host.dispatcher.handles.get(task.handles[0])
        assert handle is not None
        return handle.object

    def settle(self) -> None:
        assert self.zx.zx_nanosleep(self.zx.zx_deadline_after(1_000_000)) == ZX_OK

    @staticmethod
    def held(tasks: Sequence[_T], pick: int) -> _T | None:
        """One of those that there is a handle to."""
        reachable = [task for task in tasks if task.handles]
        return reachable[pick % len(reachable)] if reachable else None

    # What happens in the model

    def end_process(self, process: _Process, retcode: int) -> None:
        if process.retcode is None:
            process.retcode = retcode
            for thread in process.threads:
                if thread.running:
                    thread.state, thread.goes_on = ZX_THREAD_STATE_DEAD, None

    def kill_job(self, job: _Job) -> None:
        for child in job.jobs:
            self.kill_job(child)
        for process in job.processes:
            self.end_process(process, ZX_TASK_RETCODE_SYSCALL_KILL)
        # A job that nobody refers to is not there to be killed; no one can ask for it either.
        job.dead = True

    # What is done

    @rule(pick=_PICK)
    def create_job(self, pick: int) -> None:
        parent = self.held(self.jobs, pick)
        assert parent is not None
        status, handle = self.zx.zx_job_create(parent.handles[0], 0)
        assert status == (ZX_ERR_BAD_STATE if parent.dead else ZX_OK)
        if status == ZX_OK:
            job = _Job([handle], self.koid(handle), parent)
            parent.jobs.append(job)
            self.jobs.append(job)

    def add_process(self, handle: int, vmar: int, job: _Job, group: _Group | None) -> None:
        process = _Process([handle], self.koid(handle), job, group)
        job.processes.append(process)
        self.processes.append(process)
        if group is not None:
            group.processes.append(process)
        assert self.zx.zx_handle_close(vmar) == ZX_OK

    @rule(pick=_PICK, shared=st.booleans())
    def create_process(self, pick: int, shared: bool) -> None:
        job = self.held(self.jobs, pick)
        assert job is not None
        options = ZX_PROCESS_SHARED if shared else 0
        status, handle, vmar = self.zx.zx_process_create(job.handles[0], b"p", options)
        assert status == (ZX_ERR_BAD_STATE if job.dead else ZX_OK)
        if status == ZX_OK:
            self.add_process(handle, vmar, job, _Group() if shared else None)

    @rule(pick=_PICK)
    def create_shared(self, pick: int) -> None:
        prototype = self.held(self.processes, pick)
        if prototype is None:
            return
        status, handle, vmar = self.zx.zx_process_create_shared(prototype.handles[0], 0, b"s")
        group = prototype.group
        if group is None:
            assert status == ZX_ERR_INVALID_ARGS
        elif prototype.job.dead or all(process.retcode is not None for process in group.processes):
            assert status == ZX_ERR_BAD_STATE
        else:
            assert status == ZX_OK
            self.add_process(handle, vmar, prototype.job, group)

    @rule(pick=_PICK)
    def create_thread(self, pick: int) -> None:
        process = self.held(self.processes, pick)
        if process is None:
            return
        status, handle = self.zx.zx_thread_create(process.handles[0], b"t", 0)
        assert status == ZX_OK  # in a dead process too, where it can never start
        thread = _Thread([handle], self.koid(handle), process)
        process.threads.append(thread)
        self.threads.append(thread)

    @rule(pick=_PICK)
    def start_thread(self, pick: int) -> None:
        thread = self.held(self.threads, pick)
        if thread is None:
            return
        waiter = Waiter(reason=ZX_THREAD_STATE_BLOCKED_WAIT_ONE)

        async def body() -> None:
            await waiter

        coroutine = body()
        try:
            self.object(thread).start_body(coroutine)
        except ZxError as error:
            coroutine.close()
            assert error.status == ZX_ERR_BAD_STATE
            assert thread.process.retcode is not None or thread.state != ZX_THREAD_STATE_NEW
        else:
            assert thread.process.retcode is None and thread.state == ZX_THREAD_STATE_NEW
            thread.process.started = True
            thread.state, thread.goes_on = ZX_THREAD_STATE_BLOCKED_WAIT_ONE, waiter
            self.settle()

    @rule(pick=_PICK)
    def end_thread(self, pick: int) -> None:
        """By itself: the last one takes its process with it."""
        running = [thread for thread in self.threads if thread.running]
        if not running:
            return
        thread = running[pick % len(running)]
        assert thread.goes_on is not None
        thread.goes_on.complete()
        thread.state, thread.goes_on = ZX_THREAD_STATE_DEAD, None
        self.settle()
        if not any(other.running for other in thread.process.threads):
            self.end_process(thread.process, 0)

    @rule(pick=_PICK)
    def kill_a_process(self, pick: int) -> None:
        process = self.held(self.processes, pick)
        if process is not None:
            assert self.zx.zx_task_kill(process.handles[0]) == ZX_OK
            self.end_process(process, ZX_TASK_RETCODE_SYSCALL_KILL)

    @rule(pick=_PICK)
    def kill_a_job(self, pick: int) -> None:
        job = self.held(self.jobs[1:], pick)
        if job is not None:
            assert self.zx.zx_task_kill(job.handles[0]) == ZX_OK
            if not job.dead:
                self.kill_job(job)

    @rule(pick=_PICK, debugger=st.booleans())
    def a_handler_comes_and_goes(self, pick: int, debugger: bool) -> None:
        """It is gone before anything happens that it would be told of."""
        tasks: list[_Task] = (
            [*self.jobs, *self.processes] if debugger else [*self.jobs, *self.processes, *self.threads]
        )
        task = self.held(tasks, pick)
        assert task is not None
        options = ZX_EXCEPTION_CHANNEL_DEBUGGER if debugger else 0
        status, channel = self.zx.zx_task_create_exception_channel(task.handles[0], options)
        assert status in (ZX_OK, ZX_ERR_BAD_STATE)
        if status == ZX_OK:
            handle = self.k.host.dispatcher.handles.get(channel)
            assert handle is not None
            self.ends.append(handle.object.peer)  # type: ignore[attr-defined]
            assert self.zx.zx_handle_close(channel) == ZX_OK

    @rule(pick=_PICK)
    def duplicate(self, pick: int) -> None:
        task = self.held([*self.jobs, *self.processes, *self.threads], pick)
        assert task is not None
        status, handle = self.zx.zx_handle_duplicate(task.handles[0], ZX_RIGHT_SAME_RIGHTS)
        assert status == ZX_OK
        task.handles.append(handle)

    @rule(pick=_PICK)
    def close(self, pick: int) -> None:
        task = self.held([*self.jobs[1:], *self.processes, *self.threads], pick)
        if task is None:
            return
        assert self.zx.zx_handle_close(task.handles.pop()) == ZX_OK
        if isinstance(task, _Process) and not task.handles and not task.started:
            self.end_process(task, 0)

    # What must be true then

    @invariant()
    def the_tree_is_what_the_model_says(self) -> None:
        assert self.root.keepers == self.keepers + 1  # the top job
        for job in self.jobs:
            if job.handles:
                self.check_job(job)
        for process in self.processes:
            if process.handles:
                self.check_process(process)
        for thread in self.threads:
            if thread.handles:
                info = self.info(thread.handles[0], ZX_INFO_THREAD, zx_info_thread_t)
                assert info.state == thread.state
                terminated = self.object(thread).signals & ZX_THREAD_TERMINATED
                assert bool(terminated) == (thread.state == ZX_THREAD_STATE_DEAD)

    def koids(self, handle: int, topic: int) -> list[int]:
        status, data, actual, _ = self.zx.zx_object_get_info(handle, topic, 8 * 256)
        assert status == ZX_OK
        return [int.from_bytes(data[8 * i : 8 * i + 8], "little") for i in range(actual)]

    def check_job(self, job: _Job) -> None:
        jobs = [child.koid for child in job.jobs if child.listed]
        processes = [process.koid for process in job.processes if process.retcode is None]
        assert self.koids(job.handles[0], ZX_INFO_JOB_CHILDREN) == jobs
        assert self.koids(job.handles[0], ZX_INFO_JOB_PROCESSES) == processes
        assert bool(self.info(job.handles[0], ZX_INFO_JOB, zx_info_job_t).exited) == job.dead
        expected = 0 if jobs else ZX_JOB_NO_JOBS
        expected |= 0 if processes else ZX_JOB_NO_PROCESSES
        expected |= 0 if jobs or processes else ZX_JOB_NO_CHILDREN
        expected |= ZX_JOB_TERMINATED if job.dead else 0
        assert self.object(job).signals == expected

    def check_process(self, process: _Process) -> None:
        info = self.info(process.handles[0], ZX_INFO_PROCESS, zx_info_process_t)
        assert info.return_code == (process.retcode or 0)
        dead = process.retcode is not None
        assert bool(info.flags & ZX_INFO_PROCESS_FLAG_EXITED) == dead
        assert bool(info.flags & ZX_INFO_PROCESS_FLAG_STARTED) == (process.started or dead)
        assert bool(self.object(process).signals & ZX_PROCESS_TERMINATED) == dead
        threads = [thread.koid for thread in process.threads if thread.running]
        assert sorted(self.koids(process.handles[0], ZX_INFO_PROCESS_THREADS)) == threads


TestHandleTables = HandleTables.TestCase
TestHandleTables.settings = _SETTINGS
TestTaskTree = TaskTree.TestCase
TestTaskTree.settings = _SETTINGS
