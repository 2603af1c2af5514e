"""`zx_object_get_info`: one function a topic.

Source: docs/reference/syscalls/object_get_info.md; order from zircon/kernel/lib/syscalls/object_info.cc: the handle, then the
record, then the buffer, then the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from jacinth import abi
from jacinth.abi import (
    ZX_RIGHT_ENUMERATE,
    ZX_RIGHT_INSPECT,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_RIGHT_MANAGE_THREAD,
    Status,
    Struct,
    ZxError,
)
from jacinth.kernel.bti import BusTransactionInitiatorDispatcher
from jacinth.kernel.interrupt import InterruptDispatcher
from jacinth.kernel.iob import IoBufferDispatcher
from jacinth.kernel.ipc.clock import MAPPED_SIZE, ClockDispatcher
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.kernel.ipc.timer import TimerDispatcher
from jacinth.kernel.job import JobDispatcher, JobState
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessDispatcher, ProcessState
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.stream import StreamDispatcher
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.kernel.vm.vmo import PAGE_SIZE, VmObjectDispatcher
from jacinth.syscalls.door import Call, UserOut, syscall

Record = Struct | int
Topic = Callable[[Call, int], Record | Sequence[Record]]

_TOPICS: Final[dict[int, Topic]] = {}


@syscall
def zx_object_get_info(
    call: Call, handle: int, topic: int, buffer: UserOut, buffer_size: int, actual: UserOut, avail: UserOut
) -> None:
    """Records about an object; *actual* counts those written, *avail* those there are.

    Rights: INSPECT on handle for most topics, ENUMERATE for lists of children, none for ZX_INFO_HANDLE_*.
    Errors, in order: NOT_SUPPORTED topic; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE; INVALID_ARGS buffer;
    BUFFER_TOO_SMALL where a topic has one record and it does not fit (the counts are written all the same).
    """
    if topic == abi.ZX_INFO_HANDLE_VALID:
        # Asking whether a handle is valid is no use of a bad one: no policy.
        if call.handles.get(handle) is None:
            raise ZxError(Status.BAD_HANDLE)
        return
    get = _TOPICS.get(topic)
    if get is None:
        raise ZxError(Status.NOT_SUPPORTED)
    records = get(call, handle)
    if topic == abi.ZX_INFO_HANDLE_TABLE and buffer.is_null and avail.is_null and not actual.is_null:
        # How large a buffer is needed is asked for in this way too.
        assert isinstance(records, Sequence)
        actual.set(len(records))
        return
    single = not isinstance(records, Sequence)
    packed = [_pack(record) for record in (records if isinstance(records, Sequence) else [records])]
    room = buffer_size // len(packed[0]) if packed else 0
    written = min(len(packed), room)
    buffer.write(b"".join(packed[:written]))
    actual.set(written)
    avail.set(len(packed))
    if single and not written:
        raise ZxError(Status.BUFFER_TOO_SMALL)


def _pack(record: Record) -> bytes:
    return record.to_bytes(8, "little") if isinstance(record, int) else record.pack()


def _topic(*numbers: int) -> Callable[[Topic], Topic]:
    def register(function: Topic) -> Topic:
        for number in numbers:
            _TOPICS[number] = function
        return function

    return register


# ---- Any object ------------------------------------------------------------------------------------------------------------


@_topic(abi.ZX_INFO_HANDLE_BASIC)
def _handle_basic(call: Call, value: int) -> Record:
    handle = call.handle(value)
    object_ = handle.object
    return abi.zx_info_handle_basic_t(
        koid=object_.koid, rights=handle.rights, type=object_.TYPE, related_koid=object_.related_koid
    )


@_topic(abi.ZX_INFO_HANDLE_COUNT)
def _handle_count(call: Call, value: int) -> Record:
    object_ = call.dispatcher(value, Dispatcher, ZX_RIGHT_INSPECT)
    return abi.zx_info_handle_count_t(handle_count=object_.handle_count)


# ---- Tasks -----------------------------------------------------------------------------------------------------------------


@_topic(abi.ZX_INFO_JOB)
def _job(call: Call, value: int) -> Record:
    job = call.dispatcher(value, JobDispatcher, ZX_RIGHT_INSPECT)
    return abi.zx_info_job_t(
        return_code=job.return_code,
        exited=job.state is not JobState.READY,
        kill_on_oom=job.kill_on_oom,
        debugger_attached=job.debugger_attached,
    )


@_topic(abi.ZX_INFO_JOB_CHILDREN)
def _job_children(call: Call, value: int) -> Sequence[Record]:
    job = call.dispatcher(value, JobDispatcher, ZX_RIGHT_ENUMERATE)
    return [child.koid for child in job.jobs()]


@_topic(abi.ZX_INFO_JOB_PROCESSES)
def _job_processes(call: Call, value: int) -> Sequence[Record]:
    job = call.dispatcher(value, JobDispatcher, ZX_RIGHT_ENUMERATE)
    return [process.koid for process in job.processes()]


@_topic(abi.ZX_INFO_PROCESS)
def _process(call: Call, value: int) -> Record:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_INSPECT)
    flags = 0
    if process.state is not ProcessState.INITIAL:
        flags |= abi.ZX_INFO_PROCESS_FLAG_STARTED
    if process.state in (ProcessState.DYING, ProcessState.DEAD):
        flags |= abi.ZX_INFO_PROCESS_FLAG_EXITED | abi.ZX_INFO_PROCESS_FLAG_STARTED
    if process.debug_exceptionate.bound:
        flags |= abi.ZX_INFO_PROCESS_FLAG_DEBUGGER_ATTACHED
    return abi.zx_info_process_t(return_code=process.return_code, start_time=process.start_time, flags=flags)


@_topic(abi.ZX_INFO_PROCESS_THREADS)
def _process_threads(call: Call, value: int) -> Sequence[Record]:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_ENUMERATE)
    return [thread.koid for thread in process.threads()]


@_topic(abi.ZX_INFO_PROCESS_HANDLE_STATS)
def _process_handle_stats(call: Call, value: int) -> Record:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_INSPECT)
    info = abi.zx_info_process_handle_stats_t()
    counts = [0] * len(info.handle_count)
    for _, handle in process.handles:
        counts[handle.object.TYPE] += 1
    return abi.zx_info_process_handle_stats_t(handle_count=counts)


@_topic(abi.ZX_INFO_HANDLE_TABLE)
def _handle_table(call: Call, value: int) -> Sequence[Record]:
    rights = ZX_RIGHT_INSPECT | ZX_RIGHT_MANAGE_PROCESS | ZX_RIGHT_MANAGE_THREAD
    process = call.dispatcher(value, ProcessDispatcher, rights)
    return [
        abi.zx_info_handle_extended_t(
            type=handle.object.TYPE,
            handle_value=number,
            rights=handle.rights,
            reserved=0,
            koid=handle.object.koid,
            related_koid=handle.object.related_koid,
            peer_owner_koid=0,
        )
        for number, handle in process.handles
    ]


@_topic(abi.ZX_INFO_THREAD)
def _thread(call: Call, value: int) -> Record:
    thread = call.dispatcher(value, ThreadDispatcher, ZX_RIGHT_INSPECT)
    # A dead thread runs nowhere.
    cpus = 0 if thread.state is ThreadState.DEAD else (1 << call.kernel.engine.cpus) - 1
    if thread.affinity is not None:
        cpus &= thread.affinity
    return abi.zx_info_thread_t(
        state=thread.info_state,
        wait_exception_channel_type=thread.exception_channel_type,
        cpu_affinity_mask=abi.zx_cpu_set_t(mask=[cpus, 0, 0, 0, 0, 0, 0, 0]),
    )


@_topic(abi.ZX_INFO_THREAD_EXCEPTION_REPORT)
def _thread_exception_report(call: Call, value: int) -> Record:
    thread = call.dispatcher(value, ThreadDispatcher, ZX_RIGHT_INSPECT)
    if thread.in_exception is None:
        raise ZxError(Status.BAD_STATE)
    return thread.in_exception.report.record()


@_topic(abi.ZX_INFO_THREAD_STATS)
def _thread_stats(call: Call, value: int) -> Record:
    thread = call.dispatcher(value, ThreadDispatcher, ZX_RIGHT_INSPECT)
    if thread.state is ThreadState.DEAD:
        raise ZxError(Status.BAD_STATE)
    cpu = abi.ZX_INFO_INVALID_CPU if thread.last_cpu is None else thread.last_cpu
    return abi.zx_info_thread_stats_t(total_runtime=thread.times().cpu, last_scheduled_cpu=cpu)


@_topic(abi.ZX_INFO_TASK_STATS)
def _task_stats(call: Call, value: int) -> Record:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_INSPECT)
    usage = process.memory_usage()
    return abi.zx_info_task_stats_t(
        mem_mapped_bytes=usage.mapped,
        mem_private_bytes=usage.private,
        mem_shared_bytes=usage.shared,
        mem_scaled_shared_bytes=usage.scaled_shared.scaled_bytes,
        mem_fractional_scaled_shared_bytes=usage.scaled_shared.scaled_fraction,
    )


@_topic(abi.ZX_INFO_TASK_RUNTIME)
def _task_runtime(call: Call, value: int) -> Record:
    match call.dispatcher(value, Dispatcher, ZX_RIGHT_INSPECT):
        case ThreadDispatcher() | ProcessDispatcher() | JobDispatcher() as task:
            times = task.times()
        case _:
            raise ZxError(Status.WRONG_TYPE)
    return abi.zx_info_task_runtime_t(cpu_time=times.cpu, queue_time=times.queued)


# ---- Memory ----------------------------------------------------------------------------------------------------------------


@_topic(abi.ZX_INFO_PROCESS_MAPS)
def _process_maps(call: Call, value: int) -> Sequence[Record]:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_INSPECT)
    aspaces = list(process.aspaces())
    # A dead process's own; what it shared lives on with the others of its group.
    if any(aspace.destroyed for aspace in aspaces):
        raise ZxError(Status.BAD_STATE)
    return [record for aspace in aspaces for record in aspace.maps()]


@_topic(abi.ZX_INFO_VMAR_MAPS)
def _vmar_maps(call: Call, value: int) -> Sequence[Record]:
    return call.dispatcher(value, VmAddressRegionDispatcher, ZX_RIGHT_INSPECT).maps()


@_topic(abi.ZX_INFO_PROCESS_VMOS)
def _process_vmos(call: Call, value: int) -> Sequence[Record]:
    process = call.dispatcher(value, ProcessDispatcher, ZX_RIGHT_INSPECT)
    if process.state is not ProcessState.RUNNING:
        raise ZxError(Status.BAD_STATE)
    # Those that every process of its group has, then its own.
    aspaces = reversed(list(process.aspaces()))
    return [*_handle_vmos(process), *(record for aspace in aspaces for record in aspace.vmos())]


def _handle_vmos(process: ProcessDispatcher) -> Iterable[Any]:
    for _, handle in process.handles:
        if isinstance(handle.object, VmObjectDispatcher):
            info = handle.object.info(handle.rights)
            info.flags |= abi.ZX_INFO_VMO_VIA_HANDLE
            yield info
        elif isinstance(handle.object, IoBufferDispatcher):
            iob = handle.object
            for index in range(len(iob.regions)):
                info = iob.view(index).info(handle.rights & iob.map_rights(index))
                info.flags |= abi.ZX_INFO_VMO_VIA_IOB_HANDLE
                yield info


@_topic(abi.ZX_INFO_VMO)
def _vmo(call: Call, value: int) -> Record:
    handle = call.handle(value)
    if not isinstance(handle.object, VmObjectDispatcher):
        raise ZxError(Status.WRONG_TYPE)
    info = handle.object.info(handle.rights)
    info.flags |= abi.ZX_INFO_VMO_VIA_HANDLE
    return info


@_topic(abi.ZX_INFO_VMAR)
def _vmar(call: Call, value: int) -> Record:
    return call.dispatcher(value, VmAddressRegionDispatcher, ZX_RIGHT_INSPECT).info()


def _prefix(cls: type[Struct], record: Record | Sequence[Record]) -> Struct:
    """An older version of a record: every one was extended at its end."""
    assert isinstance(record, Struct)
    return cls.unpack(record.pack()[: cls.SIZE])


def _older(topic: int, newest: int, convert: Callable[[Any], Struct]) -> None:
    """Register *topic*, which shows the records of *newest* in an older form."""
    get = _TOPICS[newest]

    def older(call: Call, value: int) -> Record | Sequence[Record]:
        records = get(call, value)
        if isinstance(records, Sequence):
            return [convert(record) for record in records]
        return convert(records)

    _TOPICS[topic] = older


def _extended(cls: type[Struct]) -> Callable[[Any], Struct]:
    return lambda record: _prefix(cls, record)


def _older_map(entry: type[Struct], mapping: type[Struct]) -> Callable[[Any], Struct]:
    """ZX_INFO_PROCESS_MAPS before it counted bytes: pages."""

    def convert(record: abi.zx_info_maps_t) -> Struct:
        new = record.mapping
        values = {"mmu_flags": new.mmu_flags, "vmo_koid": new.vmo_koid, "vmo_offset": new.vmo_offset}
        pages = {"committed_pages": new.committed_bytes, "populated_pages": new.populated_bytes}
        names = {name for name, *_ in mapping.FIELDS}
        values.update({name: size // PAGE_SIZE for name, size in pages.items() if name in names})
        return entry(
            name=record.name,
            base=record.base,
            size=record.size,
            depth=record.depth,
            type=record.type,
            mapping=mapping(**values),
        )

    return convert


_older(
    abi.ZX_INFO_THREAD_EXCEPTION_REPORT_V1,
    abi.ZX_INFO_THREAD_EXCEPTION_REPORT,
    _extended(abi.zx_exception_report_v1_t),
)
_older(abi.ZX_INFO_TASK_STATS_V1, abi.ZX_INFO_TASK_STATS, _extended(abi.zx_info_task_stats_v1_t))
_older(abi.ZX_INFO_TASK_RUNTIME_V1, abi.ZX_INFO_TASK_RUNTIME, _extended(abi.zx_info_task_runtime_v1_t))
_older(abi.ZX_INFO_VMO_V1, abi.ZX_INFO_VMO, _extended(abi.zx_info_vmo_v1_t))
_older(abi.ZX_INFO_VMO_V2, abi.ZX_INFO_VMO, _extended(abi.zx_info_vmo_v2_t))
_older(abi.ZX_INFO_VMO_V3, abi.ZX_INFO_VMO, _extended(abi.zx_info_vmo_v3_t))
_older(abi.ZX_INFO_PROCESS_VMOS_V1, abi.ZX_INFO_PROCESS_VMOS, _extended(abi.zx_info_vmo_v1_t))
_older(abi.ZX_INFO_PROCESS_VMOS_V2, abi.ZX_INFO_PROCESS_VMOS, _extended(abi.zx_info_vmo_v2_t))
_older(abi.ZX_INFO_PROCESS_VMOS_V3, abi.ZX_INFO_PROCESS_VMOS, _extended(abi.zx_info_vmo_v3_t))
_older(
    abi.ZX_INFO_PROCESS_MAPS_V1,
    abi.ZX_INFO_PROCESS_MAPS,
    _older_map(abi.zx_info_maps_v1_t, abi.zx_info_maps_mapping_v1_t),
)
_older(
    abi.ZX_INFO_PROCESS_MAPS_V2,
    abi.ZX_INFO_PROCESS_MAPS,
    _older_map(abi.zx_info_maps_v2_t, abi.zx_info_maps_mapping_v2_t),
)


# ---- IPC -------------------------------------------------------------------------------------------------------------------


@_topic(abi.ZX_INFO_STREAM)
def _stream(call: Call, value: int) -> Record:
    return call.dispatcher(value, StreamDispatcher, ZX_RIGHT_INSPECT).info()


@_topic(abi.ZX_INFO_IOB)
def _iob(call: Call, value: int) -> Record:
    return call.dispatcher(value, IoBufferDispatcher, ZX_RIGHT_INSPECT).info()


@_topic(abi.ZX_INFO_IOB_REGIONS)
def _iob_regions(call: Call, value: int) -> Sequence[Record]:
    return call.dispatcher(value, IoBufferDispatcher, ZX_RIGHT_INSPECT).region_infos()


@_topic(abi.ZX_INFO_CLOCK_MAPPED_SIZE)
def _clock_mapped_size(call: Call, value: int) -> Record:
    if call.dispatcher(value, ClockDispatcher, ZX_RIGHT_INSPECT).vmo is None:
        raise ZxError(Status.INVALID_ARGS)
    return MAPPED_SIZE


@_topic(abi.ZX_INFO_SOCKET)
def _socket(call: Call, value: int) -> Record:
    info = call.dispatcher(value, SocketDispatcher, ZX_RIGHT_INSPECT).info()
    return abi.zx_info_socket_t(
        options=info.options,
        rx_buf_max=info.rx_buf_max,
        rx_buf_size=info.rx_buf_size,
        rx_buf_available=info.rx_buf_available,
        tx_buf_max=info.tx_buf_max,
        tx_buf_size=info.tx_buf_size,
    )


@_topic(abi.ZX_INFO_TIMER)
def _timer(call: Call, value: int) -> Record:
    timer = call.dispatcher(value, TimerDispatcher, ZX_RIGHT_INSPECT)
    return abi.zx_info_timer_t(
        options=timer.options, clock_id=timer.clock_id, deadline=timer.deadline, slack=timer.slack
    )


# ---- The machine -----------------------------------------------------------------------------------------------------------


@_topic(abi.ZX_INFO_BTI)
def _bti(call: Call, value: int) -> Record:
    return call.dispatcher(value, BusTransactionInitiatorDispatcher, ZX_RIGHT_INSPECT).info()


@_topic(abi.ZX_INFO_INTERRUPT)
def _interrupt(call: Call, value: int) -> Record:
    interrupt = call.dispatcher(value, InterruptDispatcher, ZX_RIGHT_INSPECT)
    return abi.zx_info_interrupt_t(options=interrupt.options)


@_topic(abi.ZX_INFO_RESOURCE)
def _resource(call: Call, value: int) -> Record:
    resource = call.dispatcher(value, ResourceDispatcher, ZX_RIGHT_INSPECT)
    return abi.zx_info_resource_t(
        kind=resource.kind, flags=resource.flags, base=resource.base, size=resource.size, name=resource.name
    )


def _check_info_resource(call: Call, value: int) -> None:
    """Statistics of the machine are for who has the root resource or ZX_RSRC_SYSTEM_INFO_BASE: WRONG_TYPE, OUT_OF_RANGE."""
    resource = call.dispatcher(value, ResourceDispatcher, 0)
    resource.require(abi.ZX_RSRC_KIND_SYSTEM, abi.ZX_RSRC_SYSTEM_INFO_BASE)


@_topic(abi.ZX_INFO_KMEM_STATS)
def _kmem_stats(call: Call, value: int) -> Record:
    """What can be taken back is clean pages of pagers: those that nobody needs are the oldest, the others of no known age.

    Wired is the page of zeroes alone: what the kernel itself needs is the host's memory.
    """
    _check_info_resource(call, value)
    memory, reclaimer = call.kernel.memory, call.kernel.reclaimer
    used, tables = memory.allocated * PAGE_SIZE, memory.overhead * PAGE_SIZE
    clean = reclaimer.clean_pages()

    def committed(vmos: Iterable[VmObjectDispatcher]) -> int:
        return sum(len(vmo.pages.pages) for vmo in vmos) * PAGE_SIZE

    return abi.zx_info_kmem_stats_t(
        total_bytes=memory.limit + tables,
        free_bytes=memory.limit - used,
        wired_bytes=PAGE_SIZE,
        vmo_bytes=used - PAGE_SIZE,
        mmu_overhead_bytes=tables,
        vmo_reclaim_total_bytes=(clean.unneeded + clean.others) * PAGE_SIZE,
        vmo_reclaim_oldest_bytes=clean.unneeded * PAGE_SIZE,
        vmo_reclaim_disabled_bytes=clean.kept * PAGE_SIZE,
        vmo_discardable_locked_bytes=committed(reclaimer.locked),
        vmo_discardable_unlocked_bytes=committed(reclaimer.unlocked),
    )


def _older_kmem_stats(cls: type[Struct]) -> Callable[[Any], Struct]:
    """The same numbers; what can be taken back was a pager's."""
    names = [field.name for field in cls.fields]
    return lambda record: cls(**{name: getattr(record, name.replace("pager", "reclaim")) for name in names})


_older(abi.ZX_INFO_KMEM_STATS_V1, abi.ZX_INFO_KMEM_STATS, _older_kmem_stats(abi.zx_info_kmem_stats_v1_t))
_older(
    abi.ZX_INFO_KMEM_STATS_EXTENDED,
    abi.ZX_INFO_KMEM_STATS,
    _older_kmem_stats(abi.zx_info_kmem_stats_extended_t),
)


@_topic(abi.ZX_INFO_KMEM_STATS_COMPRESSION)
def _compression_stats(call: Call, value: int) -> Record:
    """Nothing is ever compressed."""
    _check_info_resource(call, value)
    return abi.zx_info_kmem_stats_compression_t()


@_topic(abi.ZX_INFO_CPU_STATS)
def _cpu_stats(call: Call, value: int) -> Sequence[Record]:
    """What is not counted is zero."""
    _check_info_resource(call, value)
    busy = call.kernel.root_job_dispatcher.all_times().cpu
    idle = max(0, call.kernel.clock.now() * call.kernel.engine.cpus - busy)
    cpus = call.kernel.engine.cpus
    return [
        abi.zx_info_cpu_stats_t(
            cpu_number=cpu,
            flags=abi.ZX_INFO_CPU_STATS_FLAG_ONLINE,
            idle_time=idle // cpus,
            normalized_busy_time=busy // cpus,
        )
        for cpu in range(cpus)
    ]


@_topic(abi.ZX_INFO_GUEST_STATS)
def _guest_stats(call: Call, value: int) -> Sequence[Record]:
    """No guest ever runs."""
    _check_info_resource(call, value)
    return [abi.zx_info_guest_stats_t(cpu_number=cpu) for cpu in range(call.kernel.engine.cpus)]


@_topic(abi.ZX_INFO_MEMORY_STALL)
def _memory_stall(call: Call, value: int) -> Record:
    """Nobody ever waits for memory."""
    resource = call.dispatcher(value, ResourceDispatcher, 0)
    resource.require(abi.ZX_RSRC_KIND_SYSTEM, abi.ZX_RSRC_SYSTEM_STALL_BASE)
    return abi.zx_info_memory_stall_t()


@_topic(abi.ZX_INFO_POWER_DOMAINS)
def _power_domains(call: Call, value: int) -> Sequence[Record]:
    """There are none."""
    _check_info_resource(call, value)
    return []
