"""`zx_object_get_info`: every topic against sizes, counts, rights, types and pointers.

Source: docs/reference/syscalls/object_get_info.md; zircon/kernel/lib/syscalls/object_info.cc for what comes first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_WRONG_TYPE,
    ZX_OK,
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_MANAGE_THREAD,
    Struct,
)
from tests.tasks.conftest import PAGE, Calls, Memory, World

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10
SPIN = b"\xeb\xfe"  # jmp to itself


class Topic(NamedTuple):
    """*right* is asked for by the handle alone; a topic with *many* records is a list."""

    name: str
    kind: str  # what `Zoo.make` makes
    record: type[Struct] | None  # None: a koid
    right: int
    many: bool = False

    @property
    def number(self) -> int:
        return int(getattr(abi, self.name))

    @property
    def size(self) -> int:
        return 8 if self.record is None else self.record.SIZE


INSPECT, ENUMERATE = ZX_RIGHT_INSPECT, ZX_RIGHT_ENUMERATE
TABLE = INSPECT | ZX_RIGHT_MANAGE_PROCESS | ZX_RIGHT_MANAGE_THREAD

TOPICS = [
    Topic("ZX_INFO_HANDLE_BASIC", "event", abi.zx_info_handle_basic_t, 0),
    Topic("ZX_INFO_HANDLE_COUNT", "event", abi.zx_info_handle_count_t, INSPECT),
    Topic("ZX_INFO_HANDLE_TABLE", "process", abi.zx_info_handle_extended_t, TABLE, many=True),
    Topic("ZX_INFO_BTI", "bti", abi.zx_info_bti_t, INSPECT),
    Topic("ZX_INFO_INTERRUPT", "interrupt", abi.zx_info_interrupt_t, INSPECT),
    Topic("ZX_INFO_CLOCK_MAPPED_SIZE", "clock", None, INSPECT),
    Topic("ZX_INFO_IOB", "iob", abi.zx_info_iob_t, INSPECT),
    Topic("ZX_INFO_IOB_REGIONS", "iob", abi.zx_iob_region_info_t, INSPECT, many=True),
    Topic("ZX_INFO_JOB", "job", abi.zx_info_job_t, INSPECT),
    Topic("ZX_INFO_JOB_CHILDREN", "job", None, ENUMERATE, many=True),
    Topic("ZX_INFO_JOB_PROCESSES", "job", None, ENUMERATE, many=True),
    Topic("ZX_INFO_KMEM_STATS", "resource", abi.zx_info_kmem_stats_t, 0),
    Topic("ZX_INFO_KMEM_STATS_COMPRESSION", "resource", abi.zx_info_kmem_stats_compression_t, 0),
    Topic("ZX_INFO_MEMORY_STALL", "resource", abi.zx_info_memory_stall_t, 0),
    Topic("ZX_INFO_KMEM_STATS_EXTENDED", "resource", abi.zx_info_kmem_stats_extended_t, 0),
    Topic("ZX_INFO_KMEM_STATS_V1", "resource", abi.zx_info_kmem_stats_v1_t, 0),
    Topic("ZX_INFO_PROCESS", "process", abi.zx_info_process_t, INSPECT),
    Topic("ZX_INFO_PROCESS_HANDLE_STATS", "process", abi.zx_info_process_handle_stats_t, INSPECT),
    Topic("ZX_INFO_PROCESS_MAPS", "process", abi.zx_info_maps_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_MAPS_V1", "process", abi.zx_info_maps_v1_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_MAPS_V2", "process", abi.zx_info_maps_v2_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_THREADS", "process", None, ENUMERATE, many=True),
    Topic("ZX_INFO_PROCESS_VMOS", "process", abi.zx_info_vmo_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_VMOS_V1", "process", abi.zx_info_vmo_v1_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_VMOS_V2", "process", abi.zx_info_vmo_v2_t, INSPECT, many=True),
    Topic("ZX_INFO_PROCESS_VMOS_V3", "process", abi.zx_info_vmo_v3_t, INSPECT, many=True),
    Topic("ZX_INFO_RESOURCE", "resource", abi.zx_info_resource_t, INSPECT),
    Topic("ZX_INFO_SOCKET", "socket", abi.zx_info_socket_t, INSPECT),
    Topic("ZX_INFO_STREAM", "stream", abi.zx_info_stream_t, INSPECT),
    Topic("ZX_INFO_TASK_RUNTIME", "thread", abi.zx_info_task_runtime_t, INSPECT),
    Topic("ZX_INFO_TASK_RUNTIME_V1", "thread", abi.zx_info_task_runtime_v1_t, INSPECT),
    Topic("ZX_INFO_TASK_STATS", "process", abi.zx_info_task_stats_t, INSPECT),
    Topic("ZX_INFO_TASK_STATS_V1", "process", abi.zx_info_task_stats_v1_t, INSPECT),
    Topic("ZX_INFO_THREAD", "thread", abi.zx_info_thread_t, INSPECT),
    Topic("ZX_INFO_THREAD_EXCEPTION_REPORT", "crashed", abi.zx_exception_report_t, INSPECT),
    Topic("ZX_INFO_THREAD_EXCEPTION_REPORT_V1", "crashed", abi.zx_exception_report_v1_t, INSPECT),
    Topic("ZX_INFO_THREAD_STATS", "thread", abi.zx_info_thread_stats_t, INSPECT),
    Topic("ZX_INFO_TIMER", "timer", abi.zx_info_timer_t, INSPECT),
    Topic("ZX_INFO_VMAR", "vmar", abi.zx_info_vmar_t, INSPECT),
    Topic("ZX_INFO_VMAR_MAPS", "vmar", abi.zx_info_maps_t, INSPECT, many=True),
    Topic("ZX_INFO_VMO", "vmo", abi.zx_info_vmo_t, 0),
    Topic("ZX_INFO_VMO_V1", "vmo", abi.zx_info_vmo_v1_t, 0),
    Topic("ZX_INFO_VMO_V2", "vmo", abi.zx_info_vmo_v2_t, 0),
    Topic("ZX_INFO_VMO_V3", "vmo", abi.zx_info_vmo_v3_t, 0),
]
SINGLE = [topic for topic in TOPICS if not topic.many]
MANY = [topic for topic in TOPICS if topic.many]
WITH_RIGHT = [topic for topic in TOPICS if topic.right]
OF_ONE_TYPE = [topic for topic in TOPICS if topic.kind != "event"]


def each(topics: list[Topic]) -> Any:
    return pytest.mark.parametrize(
        "topic", topics, ids=[topic.name.removeprefix("ZX_INFO_") for topic in topics]
    )


def shows(status: str) -> Any:
    return pytest.mark.shows("zx_object_get_info", status)


class Zoo:
    """A handle of each kind that a topic is about, with enough below it that lists have two records at least."""

    def __init__(self, calls: Calls, world: World) -> None:
        self.calls = calls
        self.world = world

    def make(self, kind: str) -> int:
        calls, zx = self.calls, self.calls.zx
        match kind:
            case "event":
                return calls.event()
            case "job":
                job = calls.job()
                for _ in range(3):
                    calls.job(job)
                    calls.process(job)
                return job
            case "process":
                for _ in range(2):
                    self.world.run(SPIN)
                    # Of its own handle table the process gets two entries.
                    process: Any = calls.k.host.dispatcher.handles.get(self.world.process)
                    process.object.handles.add(type(process)(process.object, process.rights))
                return self.world.process
            case "thread":
                return self.world.run(SPIN)
            case "crashed":
                channel = self.world.listen(self.world.process)
                thread = self.world.crash()
                self.world.receive(channel)
                return thread
            case "vmar":
                return self.world.vmar
            case "vmo":
                return int(calls.ok(zx.zx_vmo_create(PAGE, 0)))
            case "socket":
                return int(calls.ok(zx.zx_socket_create(0))[0])
            case "timer":
                return int(calls.ok(zx.zx_timer_create(0, abi.ZX_CLOCK_MONOTONIC)))
            case "bti":
                root = calls.k.host.root_resource
                iommu = calls.ok(zx.zx_iommu_create(root, abi.ZX_IOMMU_TYPE_STUB, b"\0"))
                bti = calls.ok(zx.zx_bti_create(iommu, 0, 0))
                calls.close(iommu)
                return int(bti)
            case "clock":
                return int(calls.ok(zx.zx_clock_create(abi.ZX_CLOCK_OPT_MAPPABLE, None)))
            case "iob":
                two = [abi.zx_iob_region_t(access=0b11, size=PAGE)] * 2
                return int(calls.ok(zx.zx_iob_create(0, two))[0])
            case "stream":
                vmo = calls.ok(zx.zx_vmo_create(PAGE, 0))
                stream = calls.ok(zx.zx_stream_create(abi.ZX_STREAM_MODE_READ, vmo, 0))
                calls.close(vmo)
                return int(stream)
            case "interrupt":
                options = abi.ZX_INTERRUPT_VIRTUAL
                return int(calls.ok(zx.zx_interrupt_create(abi.ZX_HANDLE_INVALID, 0, options)))
            case "resource":
                return calls.duplicate(calls.k.host.root_resource, abi.ZX_RIGHT_SAME_RIGHTS)
        raise AssertionError(kind)

    def get(self, handle: int, topic: int, size: int) -> Any:
        return self.calls.zx.zx_object_get_info(handle, topic, size)


@pytest.fixture
def zoo(calls: Calls, world: World) -> Zoo:
    return Zoo(calls, world)


# What every topic has in common


def test_every_topic_that_works_is_here() -> None:
    from jacinth.syscalls.object_info import _TOPICS

    # Lists that have less than two records here; tests/system looks at them.
    short = {abi.ZX_INFO_CPU_STATS, abi.ZX_INFO_GUEST_STATS, abi.ZX_INFO_POWER_DOMAINS}
    missing = set(_TOPICS) - {topic.number for topic in TOPICS} - short
    assert not missing, "a new topic needs a line in TOPICS, and `Zoo.make` what it is about"


@each(SINGLE)
@shows("ZX_ERR_BUFFER_TOO_SMALL")
def test_one_record_fits_whole_or_not_at_all(zoo: Zoo, topic: Topic) -> None:
    handle = zoo.make(topic.kind)
    for size in (0, topic.size - 1):
        assert zoo.get(handle, topic.number, size) == (ZX_ERR_BUFFER_TOO_SMALL, b"", 0, 1)
    for size in (topic.size, topic.size + 1, 3 * topic.size):
        status, data, actual, avail = zoo.get(handle, topic.number, size)
        assert (status, actual, avail) == (ZX_OK, 1, 1)
        assert len(data) == topic.size


@each(MANY)
def test_a_list_shows_as_many_records_as_fit_and_how_many_there_are(zoo: Zoo, topic: Topic) -> None:
    handle = zoo.make(topic.kind)
    status, whole, actual, avail = zoo.get(handle, topic.number, topic.size * 64)
    assert status == ZX_OK and 2 <= actual == avail <= 64
    whole = whole[: actual * topic.size]
    for size in (0, topic.size - 1, topic.size, 2 * topic.size - 1, avail * topic.size):
        status, data, actual, now = zoo.get(handle, topic.number, size)
        assert (status, actual, now) == (ZX_OK, size // topic.size, avail)
        assert data[: actual * topic.size] == whole[: actual * topic.size]


@each(TOPICS)
@shows("ZX_ERR_BAD_HANDLE")
def test_what_is_no_handle_has_no_topic(zoo: Zoo, topic: Topic) -> None:
    for value in (0, NEVER_A_HANDLE):
        assert zoo.get(value, topic.number, topic.size) == (ZX_ERR_BAD_HANDLE, b"", 0, 0)


@each(OF_ONE_TYPE)
@shows("ZX_ERR_WRONG_TYPE")
def test_a_topic_is_about_one_type(zoo: Zoo, calls: Calls, topic: Topic) -> None:
    assert zoo.get(calls.event(), topic.number, topic.size) == (ZX_ERR_WRONG_TYPE, b"", 0, 0)


@each([topic for topic in OF_ONE_TYPE if not topic.name.startswith("ZX_INFO_TASK_RUNTIME")])
def test_the_type_comes_before_the_rights(zoo: Zoo, calls: Calls, topic: Topic) -> None:
    powerless = calls.duplicate(calls.event(), 0)
    assert zoo.get(powerless, topic.number, topic.size)[0] == ZX_ERR_WRONG_TYPE


def test_where_several_types_will_do_the_right_comes_first(zoo: Zoo, calls: Calls) -> None:
    powerless = calls.duplicate(calls.event(), 0)
    assert zoo.get(powerless, abi.ZX_INFO_TASK_RUNTIME, 64)[0] == ZX_ERR_ACCESS_DENIED


@each(WITH_RIGHT)
@shows("ZX_ERR_ACCESS_DENIED")
def test_a_topic_asks_for_a_right(zoo: Zoo, calls: Calls, topic: Topic) -> None:
    """Any one of them missing is too much, and no other one is asked for."""
    handle = zoo.make(topic.kind)
    for bit in range(32):
        if topic.right >> bit & 1:
            poor = calls.without(handle, 1 << bit)
            assert zoo.get(poor, topic.number, topic.size) == (ZX_ERR_ACCESS_DENIED, b"", 0, 0)
    assert zoo.get(calls.duplicate(handle, topic.right), topic.number, topic.size)[0] == ZX_OK


@each([topic for topic in TOPICS if not topic.right])
def test_some_topics_ask_for_no_right(zoo: Zoo, calls: Calls, topic: Topic) -> None:
    powerless = calls.duplicate(zoo.make(topic.kind), 0)
    assert zoo.get(powerless, topic.number, topic.size)[0] == ZX_OK


@each(TOPICS)
@shows("ZX_ERR_INVALID_ARGS")
def test_bad_pointers(zoo: Zoo, memory: Memory, trap: Callable[..., int], topic: Topic) -> None:
    handle, good = zoo.make(topic.kind), memory.address
    for bad in (0, BAD_ADDRESS, memory.address + memory.SIZE - 2, 1 << 63):
        assert (
            trap("zx_object_get_info", handle, topic.number, bad, topic.size, good, good)
            == ZX_ERR_INVALID_ARGS
        )
    room = good + 64
    for counts in ((BAD_ADDRESS, good), (good, BAD_ADDRESS), (BAD_ADDRESS, BAD_ADDRESS)):
        assert (
            trap("zx_object_get_info", handle, topic.number, room, topic.size, *counts) == ZX_ERR_INVALID_ARGS
        )


@each(TOPICS)
def test_the_counts_are_optional(zoo: Zoo, memory: Memory, trap: Callable[..., int], topic: Topic) -> None:
    handle, record = zoo.make(topic.kind), memory.address + 64
    assert trap("zx_object_get_info", handle, topic.number, record, topic.size, 0, 0) == ZX_OK
    assert trap("zx_object_get_info", handle, topic.number, record, topic.size, memory.address, 0) == ZX_OK
    assert memory.get(0, 16) == (1).to_bytes(16, "little")
    assert (
        trap("zx_object_get_info", handle, topic.number, record, topic.size, 0, memory.address + 8) == ZX_OK
    )
    assert int.from_bytes(memory.get(8, 8), "little") >= 1


@each(MANY)
def test_a_list_without_a_buffer_tells_its_length(
    zoo: Zoo, memory: Memory, trap: Callable[..., int], topic: Topic
) -> None:
    handle = zoo.make(topic.kind)
    assert trap("zx_object_get_info", handle, topic.number, 0, 0, memory.address, memory.address + 8) == ZX_OK
    actual, avail = (int.from_bytes(memory.get(offset, 8), "little") for offset in (0, 8))
    assert actual == 0 and avail >= 2


@each(SINGLE)
def test_the_counts_are_written_where_the_record_does_not_fit(
    zoo: Zoo, memory: Memory, trap: Callable[..., int], topic: Topic
) -> None:
    memory.put(0, b"\xff" * 16)
    counts = memory.address, memory.address + 8
    answer = trap("zx_object_get_info", zoo.make(topic.kind), topic.number, 0, topic.size - 1, *counts)
    assert answer == ZX_ERR_BUFFER_TOO_SMALL
    assert memory.get(0, 16) == bytes(8) + (1).to_bytes(8, "little")


@shows("ZX_ERR_NOT_SUPPORTED")
@pytest.mark.parametrize("topic", [0, 5, 6, 999, 2 | 1 << 28, 3, 0xFFFF_FFFF])
def test_a_topic_that_does_not_exist(zoo: Zoo, calls: Calls, topic: int) -> None:
    """3 is the topic of processes as it was at first."""
    for handle in (calls.event(), NEVER_A_HANDLE):
        assert zoo.get(handle, topic, 64) == (ZX_ERR_NOT_SUPPORTED, b"", 0, 0)


def test_a_failed_question_changes_nothing(zoo: Zoo, memory: Memory, trap: Callable[..., int]) -> None:
    memory.put(0, b"\xff" * 128)
    where = memory.address, 64, memory.address + 64, memory.address + 72
    for handle, topic in ((NEVER_A_HANDLE, abi.ZX_INFO_JOB), (zoo.make("event"), abi.ZX_INFO_JOB)):
        assert trap("zx_object_get_info", handle, topic, *where) != ZX_OK
    assert memory.get(0, 128) == b"\xff" * 128


# Older versions are the beginnings of newer ones


@pytest.mark.parametrize(
    "name", ["THREAD_EXCEPTION_REPORT", "TASK_STATS", "TASK_RUNTIME", "VMO", "PROCESS_VMOS"]
)
def test_an_older_record_is_the_beginning_of_the_newest(zoo: Zoo, name: str) -> None:
    newest = next(topic for topic in TOPICS if topic.name == "ZX_INFO_" + name)
    older = [topic for topic in TOPICS if topic.name.startswith(newest.name + "_V")]
    assert older
    handle = zoo.make(newest.kind)
    data = zoo.get(handle, newest.number, newest.size)[1]
    for topic in older:
        assert topic.size < newest.size
        assert zoo.get(handle, topic.number, topic.size)[1] == data[: topic.size]
