"""Handles and the task tree against small models, in any order of calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jacinth.abi import (
    ZX_DEFAULT_EVENT_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_HANDLE_FIXED_BITS_MASK,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_HANDLE_COUNT,
    ZX_INFO_JOB,
    ZX_INFO_JOB_CHILDREN,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_PROCESS,
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
    zx_info_handle_basic_t,
    zx_info_handle_count_t,
    zx_info_job_t,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel

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


@dataclass
class _Group:
    """Processes of one shared state, those that live."""

    living: set[int] = field(default_factory=set)


@dataclass
class _Job:
    handle: int
    parent: _Job | None
    dead: bool = False
    jobs: list[_Job] = field(default_factory=list)
    processes: list[_Process] = field(default_factory=list)


@dataclass(eq=False)
class _Process:
    handle: int
    koid: int
    job: _Job
    group: _Group | None
    retcode: int | None = None


class TaskTree(_Machine):
    """Jobs, processes and shared processes, made and killed in any order. None has a thread; every handle is kept."""

    def __init__(self) -> None:
        super().__init__()
        _, top = self.zx.zx_job_create(self.k.host.root_job, 0)
        self.jobs = [_Job(top, None)]
        self.processes: list[_Process] = []

    def koid(self, handle: int) -> int:
        return int(self.info(handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t).koid)

    def kill_process(self, process: _Process) -> None:
        if process.retcode is None:
            process.retcode = ZX_TASK_RETCODE_SYSCALL_KILL
            process.job.processes.remove(process)
            if process.group is not None:
                process.group.living.discard(process.koid)

    def kill_job(self, job: _Job) -> None:
        for child in list(job.jobs):
            self.kill_job(child)
        for process in list(job.processes):
            self.kill_process(process)
        if not job.dead:
            job.dead = True
            if job.parent is not None:
                job.parent.jobs.remove(job)

    @rule(pick=_PICK)
    def create_job(self, pick: int) -> None:
        parent = self.jobs[pick % len(self.jobs)]
        status, handle = self.zx.zx_job_create(parent.handle, 0)
        assert status == (ZX_ERR_BAD_STATE if parent.dead else ZX_OK)
        if status == ZX_OK:
            job = _Job(handle, parent)
            parent.jobs.append(job)
            self.jobs.append(job)

    @rule(pick=_PICK, shared=st.booleans())
    def create_process(self, pick: int, shared: bool) -> None:
        job = self.jobs[pick % len(self.jobs)]
        options = ZX_PROCESS_SHARED if shared else 0
        status, handle, vmar = self.zx.zx_process_create(job.handle, b"p", options)
        assert status == (ZX_ERR_BAD_STATE if job.dead else ZX_OK)
        if status == ZX_OK:
            self.add(handle, job, _Group() if shared else None)
            assert self.zx.zx_handle_close(vmar) == ZX_OK

    @precondition(lambda self: self.processes)
    @rule(pick=_PICK)
    def create_shared(self, pick: int) -> None:
        prototype = self.processes[pick % len(self.processes)]
        status, handle, vmar = self.zx.zx_process_create_shared(prototype.handle, 0, b"s")
        if prototype.group is None:
            assert status == ZX_ERR_INVALID_ARGS
        elif not prototype.group.living or prototype.job.dead:
            assert status == ZX_ERR_BAD_STATE
        else:
            assert status == ZX_OK
            self.add(handle, prototype.job, prototype.group)
            assert self.zx.zx_handle_close(vmar) == ZX_OK

    def add(self, handle: int, job: _Job, group: _Group | None) -> None:
        process = _Process(handle, self.koid(handle), job, group)
        job.processes.append(process)
        self.processes.append(process)
        if group is not None:
            group.living.add(process.koid)

    @precondition(lambda self: self.processes)
    @rule(pick=_PICK)
    def kill_a_process(self, pick: int) -> None:
        process = self.processes[pick % len(self.processes)]
        assert self.zx.zx_task_kill(process.handle) == ZX_OK
        self.kill_process(process)

    @rule(pick=_PICK)
    def kill_a_job(self, pick: int) -> None:
        job = self.jobs[pick % len(self.jobs)]
        assert self.zx.zx_task_kill(job.handle) == ZX_OK
        self.kill_job(job)

    @invariant()
    def the_tree_is_what_the_model_says(self) -> None:
        for job in self.jobs:
            self.check_job(job)
        for process in self.processes:
            info = self.info(process.handle, ZX_INFO_PROCESS, zx_info_process_t)
            assert info.return_code == (process.retcode or 0)
            signals = self.k.host.dispatcher.handles.get(process.handle).object.signals  # type: ignore[union-attr]
            assert bool(signals & ZX_PROCESS_TERMINATED) == (process.retcode is not None)

    def check_job(self, job: _Job) -> None:
        for topic, children in ((ZX_INFO_JOB_CHILDREN, job.jobs), (ZX_INFO_JOB_PROCESSES, job.processes)):
            status, data, _, _ = self.zx.zx_object_get_info(job.handle, topic, 8 * 256)
            assert status == ZX_OK
            shown = [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]
            assert shown == [self.koid(child.handle) for child in children]  # type: ignore[attr-defined]
        assert bool(self.info(job.handle, ZX_INFO_JOB, zx_info_job_t).exited) == job.dead
        expected = 0 if job.jobs else ZX_JOB_NO_JOBS
        expected |= 0 if job.processes else ZX_JOB_NO_PROCESSES
        expected |= 0 if job.jobs or job.processes else ZX_JOB_NO_CHILDREN
        expected |= ZX_JOB_TERMINATED if job.dead else 0
        assert self.k.host.dispatcher.handles.get(job.handle).object.signals == expected  # type: ignore[union-attr]


TestHandleTables = HandleTables.TestCase
TestHandleTables.settings = _SETTINGS
TestTaskTree = TaskTree.TestCase
TestTaskTree.settings = _SETTINGS
