"""A guest as the door sees it: registers in, a status out, and what there is in the kernel before and after."""

from __future__ import annotations

import gc
import struct
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from jacinth.abi import (
    BY_NAME,
    KTRACE_ACTION_STOP,
    KTRACE_GRP_META,
    SCALARS,
    STRUCTS,
    ZX_BTI_PERM_READ,
    ZX_CHANNEL_READABLE,
    ZX_EXCEPTION_TARGET_JOB_DEBUGGER,
    ZX_EXCP_USER,
    ZX_HANDLE_OP_MOVE,
    ZX_INTERRUPT_VIRTUAL,
    ZX_IOMMU_TYPE_STUB,
    ZX_JOB_POL_BASIC_V2,
    ZX_LOG_FLAG_READABLE,
    ZX_OBJ_TYPE_BTI,
    ZX_OBJ_TYPE_CHANNEL,
    ZX_OBJ_TYPE_CLOCK,
    ZX_OBJ_TYPE_COUNTER,
    ZX_OBJ_TYPE_EVENT,
    ZX_OBJ_TYPE_EVENTPAIR,
    ZX_OBJ_TYPE_EXCEPTION,
    ZX_OBJ_TYPE_FIFO,
    ZX_OBJ_TYPE_GUEST,
    ZX_OBJ_TYPE_INTERRUPT,
    ZX_OBJ_TYPE_IOB,
    ZX_OBJ_TYPE_IOB_SHARED_REGION,
    ZX_OBJ_TYPE_IOMMU,
    ZX_OBJ_TYPE_JOB,
    ZX_OBJ_TYPE_MSI,
    ZX_OBJ_TYPE_PAGER,
    ZX_OBJ_TYPE_PCI_DEVICE,
    ZX_OBJ_TYPE_PMT,
    ZX_OBJ_TYPE_PORT,
    ZX_OBJ_TYPE_PROCESS,
    ZX_OBJ_TYPE_PROFILE,
    ZX_OBJ_TYPE_RESOURCE,
    ZX_OBJ_TYPE_SAMPLER,
    ZX_OBJ_TYPE_SOCKET,
    ZX_OBJ_TYPE_STREAM,
    ZX_OBJ_TYPE_THREAD,
    ZX_OBJ_TYPE_TIMER,
    ZX_OBJ_TYPE_VCPU,
    ZX_OBJ_TYPE_VMAR,
    ZX_OBJ_TYPE_VMO,
    ZX_OK,
    ZX_PAGER_OP_WRITEBACK_BEGIN,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_EVENT,
    ZX_PORT_BIND_TO_INTERRUPT,
    ZX_PROCESS_SHARED,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RSRC_KIND_IRQ,
    ZX_STREAM_MODE_READ,
    ZX_STREAM_MODE_WRITE,
    ZX_TIME_INFINITE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    ZX_VMO_OP_ZERO,
    zx_channel_call_args_t,
    zx_channel_call_etc_args_t,
    zx_cpu_performance_info_t,
    zx_cpu_performance_scale_t,
    zx_exception_context_t,
    zx_exception_info_t,
    zx_handle_disposition_t,
    zx_iob_discipline_t,
    zx_iob_region_shared_t,
    zx_iob_region_t,
    zx_iovec_t,
    zx_policy_basic_v2_t,
    zx_port_packet_t,
    zx_profile_info_t,
    zx_sampler_config_t,
    zx_wait_item_t,
)
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.api.kernel import Kernel
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.wait import Waiter
from jacinth.syscalls.door import TRAPS

PAGE = 4096
MASK = (1 << 64) - 1
BLOCKED = "blocked"  # what `World.trap` answers for a call that would wait

# What lies in the region of a `World`, in pages from its start; the rest of it is not mapped.
RW_PAGES = 32
RO_PAGE = 48
REGION_PAGES = 64


class Snapshot(NamedTuple):
    """What a failed call must not change."""

    handles: dict[int, tuple[int, int]]  # value -> koid, rights
    objects: dict[int, tuple[int, int]]  # koid -> signals, handle count
    pages: int


class World:
    """A kernel whose host process plays the guest: pointers are into its memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        alive: weakref.WeakValueDictionary[int, Dispatcher] = weakref.WeakValueDictionary()
        create = Dispatcher.__init__

        def watched(self: Dispatcher, *arguments: Any, **options: Any) -> None:
            create(self, *arguments, **options)
            alive[self.koid] = self

        monkeypatch.setattr(Dispatcher, "__init__", watched)
        self.alive = alive
        self.k = k = Kernel(seed=0, virtual_time=True, memory=64 << 20, strict=True)
        assert k.memory_pressure  # its events are nobody's leak
        k.console = lambda data: None
        self.zx = zx = k.host.sys
        self.table = k.host.dispatcher.handles
        self.vmar = k.host.root_vmar
        flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC
        _, region, self.base = zx.zx_vmar_allocate(k.host.root_vmar, flags, 0, REGION_PAGES * PAGE)
        _, self.memory = zx.zx_vmo_create(REGION_PAGES * PAGE, 0)
        zx.zx_vmo_write(self.memory, bytes(range(1, 256)) * (RW_PAGES * PAGE // 255 + 1), 0)
        rw = ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
        assert zx.zx_vmar_map(region, rw, 0, self.memory, 0, RW_PAGES * PAGE)[0] == ZX_OK
        ro = ZX_VM_SPECIFIC | ZX_VM_PERM_READ
        assert zx.zx_vmar_map(region, ro, RO_PAGE * PAGE, self.memory, 0, PAGE)[0] == ZX_OK
        self.edge = self.base + RW_PAGES * PAGE  # the first byte behind what can be written
        self.read_only = self.base + RO_PAGE * PAGE
        self.unmapped = self.base + (REGION_PAGES - 4) * PAGE

    def close(self) -> None:
        self.k.close()

    def snapshot(self) -> Snapshot:
        gc.collect()
        return Snapshot(
            {value: (handle.object.koid, handle.rights) for value, handle in self.table},
            {koid: (object_.signals, object_.handle_count) for koid, object_ in sorted(self.alive.items())},
            self.k.memory.allocated,
        )

    def trap(self, row: SyscallRow, registers: list[int]) -> int | str:
        """Make a call by registers. A call that waits is left at once, as if its thread were killed."""
        thread = self.k.host.thread
        padded = [row.number, *(value & MASK for value in registers), *[0] * (8 - len(registers))]
        result = TRAPS[row.number](self.zx.call, tuple(padded))
        thread.attention = False
        if result is not None:
            return result
        coroutine, thread.coroutine = thread.coroutine, None
        assert coroutine is not None
        try:
            stop = coroutine.send(None)
        except StopIteration as end:
            return int(end.value)
        assert isinstance(stop, Waiter)
        coroutine.close()
        return BLOCKED

    # Objects

    def put(self, page: int, data: bytes) -> int:
        """Store *data* at the start of one of the writable pages; answers its address."""
        assert self.zx.zx_vmo_write(self.memory, data, page * PAGE) == ZX_OK
        return self.base + page * PAGE

    def duplicate(self, value: int, rights: int = ZX_RIGHT_SAME_RIGHTS) -> int:
        status, copy = self.zx.zx_handle_duplicate(value, rights)
        assert status == ZX_OK
        return int(copy)

    def host_handle(self, object_: Dispatcher, rights: int) -> int:
        """A handle with any rights, which no call would give."""
        return self.k.host.add(object_, rights)

    def make(self, type_: int) -> int:
        """A handle to a new object of a ZX_OBJ_TYPE_*, with all that is needed to use it."""
        if type_ in _NEVER_MADE:
            return self.event()
        if type_ not in _MAKERS:
            pytest.skip(f"these tests make no object of type {type_}")
        return _MAKERS[type_](self)

    def pair(self, name: str, *arguments: int) -> tuple[int, int]:
        status, one, other = getattr(self.zx, name)(*arguments)
        assert status == ZX_OK
        return one, other

    def event(self) -> int:
        return int(self.zx.zx_event_create(0)[1])

    def process(self, options: int = 0) -> int:
        return int(self.zx.zx_process_create(self.k.host.root_job, b"p", options)[1])

    def thread(self, process: int = 0) -> int:
        status, thread = self.zx.zx_thread_create(process or self.process(), b"t", 0)
        assert status == ZX_OK
        return int(thread)

    def channel(self, data: bytes = b"", handles: int = 0) -> int:
        """An end with one message waiting at it, and the other end open."""
        one, other = self.pair("zx_channel_create", 0)
        assert self.zx.zx_channel_write(other, 0, data, [self.event() for _ in range(handles)]) == ZX_OK
        return one

    def interrupt_port(self) -> int:
        return int(self.zx.zx_port_create(ZX_PORT_BIND_TO_INTERRUPT)[1])

    def call_arguments(self, struct: type[Any]) -> dict[str, int]:
        """Arguments for zx_channel_call, and with the other *struct* for zx_channel_call_etc, that reach the wait."""

        one, _ = self.pair("zx_channel_create", 0)
        args = struct(wr_bytes=self.base, wr_num_bytes=8, rd_bytes=self.base, rd_num_bytes=8)
        return {"handle": one, "args": self.put(4, args.pack()), "deadline": ZX_TIME_INFINITE}


def _job(w: World) -> int:
    return int(w.zx.zx_job_create(w.k.host.root_job, 0)[1])


def _vmar(w: World) -> int:
    flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC
    return int(w.zx.zx_vmar_allocate(w.vmar, flags, 0, 16 * PAGE)[1])


def _exception(w: World) -> int:
    """That of a thread whose first instruction is nowhere, as the handler of its process gets it."""
    process = w.process()
    thread = w.thread(process)
    status, channel = w.zx.zx_task_create_exception_channel(process, 0)
    assert status == ZX_OK
    assert w.zx.zx_process_start(process, thread, 0x200000, 0, 0, 0) == ZX_OK
    assert w.zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE)[0] == ZX_OK
    status, _, handles, *_ = w.zx.zx_channel_read(channel, 0, zx_exception_info_t.SIZE, 1)
    assert status == ZX_OK
    return int(handles[0])


def _iommu(w: World) -> int:
    return int(w.zx.zx_iommu_create(w.k.host.root_resource, ZX_IOMMU_TYPE_STUB, b"\0")[1])


def _bti(w: World) -> int:
    return int(w.zx.zx_bti_create(_iommu(w), 0, 1)[1])


def _committed(w: World) -> int:
    vmo = w.make(ZX_OBJ_TYPE_VMO)
    assert w.zx.zx_vmo_write(vmo, b"here", 0) == ZX_OK
    return vmo


def _pmt(w: World) -> int:
    status, _, pmt = w.zx.zx_bti_pin(_bti(w), ZX_BTI_PERM_READ, w.make(ZX_OBJ_TYPE_VMO), 0, PAGE, 1)
    assert status == ZX_OK
    return int(pmt)


def _watched(w: World) -> int:
    """The root job, of a kernel that watches its memory already."""
    assert w.k.memory_pressure
    return w.duplicate(w.k.host.root_job)


_SAMPLER = zx_sampler_config_t(period=1_000_000, buffer_size=PAGE)


def _sampler(w: World) -> int:
    """The machine's, of which there is one."""
    if w.k.sampler is not None:
        return w.host_handle(w.k.sampler, w.k.sampler.DEFAULT_RIGHTS)
    return int(w.zx.zx_sampler_create(w.k.host.root_resource, 0, _SAMPLER)[1])


def _trace(w: World) -> dict[str, int]:
    """With records in it, and room for all that there may be."""
    w.k.ktrace.size = 8 * PAGE
    w.k.ktrace.rewind()
    w.k.ktrace.start(KTRACE_GRP_META)
    return {"data": w.base + 12 * PAGE, "data_size": w.k.ktrace.size}


def _samples(w: World) -> dict[str, int]:
    sampler = _sampler(w)
    assert w.k.sampler is not None
    w.k.sampler._buffer += bytes(8)
    return {"iobuffer": sampler, "data_size": PAGE}


def _running_sampler(w: World) -> dict[str, int]:
    sampler = _sampler(w)
    w.zx.zx_sampler_start(sampler)
    return {"iobuffer": sampler}


_PROFILE = zx_profile_info_t(flags=1)
_SCALE = zx_cpu_performance_info_t(performance_scale=zx_cpu_performance_scale_t(integral_part=1))


def _regions(w: World) -> list[zx_iob_region_t]:
    """Of each discipline one, for endpoint 0 to map and to write to."""
    ids, ring = zx_iob_discipline_t(type=1), zx_iob_discipline_t(type=2)
    shared = zx_iob_region_shared_t(shared_region=w.make(ZX_OBJ_TYPE_IOB_SHARED_REGION))
    return [
        zx_iob_region_t(access=0b11, size=PAGE),
        zx_iob_region_t(access=0b1011, size=PAGE, discipline=ids),
        zx_iob_region_t(type=1, access=0b1011, discipline=ring, shared_region=shared),
    ]


def _clock_page(w: World) -> int:
    """Memory as a mapped clock has it, of one that stands at 5."""
    return w.put(9, struct.pack("<QqQ4q", 0, 5, 0, 0, 5, 1 << 32, 0).ljust(112, b"\0"))


def _stream(w: World) -> int:
    """Over memory that is there already."""
    _, vmo = w.zx.zx_vmo_create(PAGE, 0)
    assert w.zx.zx_vmo_write(vmo, b"content", 0) == ZX_OK
    return int(w.zx.zx_stream_create(ZX_STREAM_MODE_READ | ZX_STREAM_MODE_WRITE, vmo, 0)[1])


_MAKERS: dict[int, Callable[[World], int]] = {
    ZX_OBJ_TYPE_PROFILE: lambda w: int(w.zx.zx_profile_create(w.k.host.root_resource, 0, _PROFILE)[1]),
    ZX_OBJ_TYPE_SAMPLER: _sampler,
    ZX_OBJ_TYPE_BTI: _bti,
    ZX_OBJ_TYPE_IOMMU: _iommu,
    ZX_OBJ_TYPE_PMT: _pmt,
    ZX_OBJ_TYPE_CHANNEL: lambda w: w.channel(b"12345678"),
    ZX_OBJ_TYPE_CLOCK: lambda w: int(w.zx.zx_clock_create(0, None)[1]),
    ZX_OBJ_TYPE_COUNTER: lambda w: int(w.zx.zx_counter_create(0)[1]),
    ZX_OBJ_TYPE_EVENT: World.event,
    ZX_OBJ_TYPE_EVENTPAIR: lambda w: w.pair("zx_eventpair_create", 0)[0],
    ZX_OBJ_TYPE_EXCEPTION: _exception,
    ZX_OBJ_TYPE_FIFO: lambda w: w.pair("zx_fifo_create", 8, 8, 0)[0],
    ZX_OBJ_TYPE_INTERRUPT: lambda w: int(w.zx.zx_interrupt_create(0, 0, ZX_INTERRUPT_VIRTUAL)[1]),
    ZX_OBJ_TYPE_IOB: lambda w: int(w.zx.zx_iob_create(0, _regions(w))[1]),
    ZX_OBJ_TYPE_IOB_SHARED_REGION: lambda w: int(w.zx.zx_iob_create_shared_region(0, 2 * PAGE)[1]),
    ZX_OBJ_TYPE_JOB: _job,
    ZX_OBJ_TYPE_PAGER: lambda w: int(w.zx.zx_pager_create(0)[1]),
    ZX_OBJ_TYPE_PORT: lambda w: int(w.zx.zx_port_create(0)[1]),
    ZX_OBJ_TYPE_PROCESS: lambda w: w.process(ZX_PROCESS_SHARED),
    ZX_OBJ_TYPE_RESOURCE: lambda w: w.duplicate(w.k.host.root_resource),
    ZX_OBJ_TYPE_SOCKET: lambda w: w.pair("zx_socket_create", 0)[0],
    ZX_OBJ_TYPE_STREAM: _stream,
    ZX_OBJ_TYPE_THREAD: World.thread,
    ZX_OBJ_TYPE_TIMER: lambda w: int(w.zx.zx_timer_create(0, 0)[1]),
    ZX_OBJ_TYPE_VMAR: _vmar,
    ZX_OBJ_TYPE_VMO: lambda w: int(w.zx.zx_vmo_create(4 * PAGE, 0)[1]),
}


def _pager_vmo(w: World, name: str = "pager_vmo") -> dict[str, int]:
    """A pager, and a VMO of its with zeroes that it has to write back."""
    pager, port = w.make(ZX_OBJ_TYPE_PAGER), w.make(ZX_OBJ_TYPE_PORT)
    status, vmo = w.zx.zx_pager_create_vmo(pager, 0, port, 1, PAGE)
    assert status == ZX_OK
    assert w.zx.zx_vmo_op_range(vmo, ZX_VMO_OP_ZERO, 0, PAGE, None)[0] == ZX_OK
    return {"pager": pager, name: int(vmo)}


# Hardware that is not there.
_NEVER_MADE = {ZX_OBJ_TYPE_GUEST, ZX_OBJ_TYPE_MSI, ZX_OBJ_TYPE_PCI_DEVICE, ZX_OBJ_TYPE_VCPU}


def _socket_with_data(w: World) -> int:
    one, other = w.pair("zx_socket_create", 0)
    assert w.zx.zx_socket_write(other, 0, b"12345678")[0] == ZX_OK
    return one


def _fifo_with_data(w: World) -> int:
    one, other = w.pair("zx_fifo_create", 8, 8, 0)
    assert w.zx.zx_fifo_write(other, 8, b"12345678")[0] == ZX_OK
    return one


def _port_with_packet(w: World) -> int:
    port = w.make(ZX_OBJ_TYPE_PORT)
    assert w.zx.zx_port_queue(port, zx_port_packet_t(key=1)) == ZX_OK
    return port


def _log(w: World) -> int:
    status, log = w.zx.zx_debuglog_create(w.k.host.root_resource, ZX_LOG_FLAG_READABLE)
    assert status == ZX_OK
    assert w.zx.zx_debuglog_write(log, 0, b"record") == ZX_OK
    return int(log)


def _triggered(w: World) -> int:
    interrupt = w.make(ZX_OBJ_TYPE_INTERRUPT)
    assert w.zx.zx_interrupt_trigger(interrupt, 0, 1) == ZX_OK
    return interrupt


def _bound_interrupt(w: World) -> dict[str, int]:
    interrupt = w.make(ZX_OBJ_TYPE_INTERRUPT)
    assert w.zx.zx_interrupt_bind(interrupt, w.interrupt_port(), 0, 0) == ZX_OK
    return {"handle": interrupt}


def _start(w: World) -> dict[str, int]:
    process = w.process()
    return {"handle": process, "thread": w.thread(process), "entry": 0x200000, "arg1": w.event()}


def _handles(w: World, count: int) -> dict[str, int]:
    values = [w.event() for _ in range(count)]
    return {"handles": w.put(5, b"".join(value.to_bytes(4, "little") for value in values))}


def _dispositions(w: World, count: int) -> dict[str, int]:
    items = [
        zx_handle_disposition_t(operation=ZX_HANDLE_OP_MOVE, handle=w.event(), rights=ZX_RIGHT_SAME_RIGHTS)
        for _ in range(count)
    ]
    return {"handles": w.put(5, b"".join(item.pack() for item in items))}


def _suspended(w: World) -> dict[str, int]:
    process = w.process()
    thread = w.thread(process)
    assert w.zx.zx_process_start(process, thread, 0x200000, 0, 0, 0) == ZX_OK
    assert w.zx.zx_task_suspend(thread)[0] == ZX_OK
    return {"handle": thread, "kind": 0, "buffer_size": 512}


def _basic_policy(w: World) -> dict[str, int]:
    item = zx_policy_basic_v2_t(condition=ZX_POL_NEW_EVENT, action=ZX_POL_ACTION_DENY, flags=0)
    return {"topic": ZX_JOB_POL_BASIC_V2, "policy": w.put(6, item.pack()), "policy_size": 1}


def _critical(w: World) -> dict[str, int]:
    job = _job(w)
    status, process, _ = w.zx.zx_process_create(job, b"p", 0)
    assert status == ZX_OK
    return {"job": job, "process": process}


def _child(w: World) -> dict[str, int]:
    parent = _job(w)
    w.zx.zx_job_create(parent, 0)
    koid = max(w.alive)
    return {"handle": parent, "koid": koid, "rights": ZX_RIGHT_SAME_RIGHTS}


def _mapped(w: World) -> dict[str, int]:
    """A VMAR with a page mapped in it."""
    flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC
    _, region, base = w.zx.zx_vmar_allocate(w.vmar, flags, 0, 16 * PAGE)
    rw = ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    assert w.zx.zx_vmar_map(region, rw, 0, w.make(ZX_OBJ_TYPE_VMO), 0, PAGE)[0] == ZX_OK
    return {"handle": region, "addr": base, "len": PAGE}


def _signaled(w: World) -> int:
    event = w.event()
    assert w.zx.zx_object_signal(event, 0, 1 << 24) == ZX_OK
    return event


def _wait_item(w: World) -> dict[str, int]:
    item = zx_wait_item_t(handle=_signaled(w), waitfor=1 << 24)
    return {"items": w.put(7, item.pack()), "num_items": 1}


def _other_memory(w: World) -> dict[str, int]:
    return {"handle": w.k.host.process, "vaddr": w.base + 20 * PAGE}


def _async(w: World) -> dict[str, int]:
    """A wait that `zx_port_cancel` can end."""
    event, port = w.event(), w.make(ZX_OBJ_TYPE_PORT)
    assert w.zx.zx_object_wait_async(event, port, 5, 1 << 24, 0) == ZX_OK
    return {"handle": port, "source": event, "key": 5}


def _vectors(w: World) -> dict[str, int]:
    buffers = b"".join(zx_iovec_t(buffer=w.base + page * PAGE, capacity=8).pack() for page in (20, 21))
    return {"vectors": w.put(9, buffers), "num_vectors": 2}


_SAME = {"rights": ZX_RIGHT_SAME_RIGHTS}
_T = {
    "channel": ZX_OBJ_TYPE_CHANNEL,
    "fifo": ZX_OBJ_TYPE_FIFO,
    "port": ZX_OBJ_TYPE_PORT,
    "process": ZX_OBJ_TYPE_PROCESS,
    "socket": ZX_OBJ_TYPE_SOCKET,
    "thread": ZX_OBJ_TYPE_THREAD,
    "timer": ZX_OBJ_TYPE_TIMER,
    "vmar": ZX_OBJ_TYPE_VMAR,
    "vmo": ZX_OBJ_TYPE_VMO,
}
_PARAM_TYPES = {
    "port": ZX_OBJ_TYPE_PORT,
    "process": ZX_OBJ_TYPE_PROCESS,
    "vmo": ZX_OBJ_TYPE_VMO,
    "dst_vmo": ZX_OBJ_TYPE_VMO,
    "src_vmo": ZX_OBJ_TYPE_VMO,
    "vmar_handle": ZX_OBJ_TYPE_VMAR,
    "parent_vmar": ZX_OBJ_TYPE_VMAR,
    "resource": ZX_OBJ_TYPE_RESOURCE,
}

# What makes a call succeed, where objects of the right types, addresses of pages and zeroes do not.
RECIPES: dict[str, Callable[[World], dict[str, int]]] = {
    "zx_bti_pin": lambda w: {"vmo": _committed(w), "options": ZX_BTI_PERM_READ, "size": PAGE, "num_addrs": 1},
    "zx_iommu_create": lambda w: {"desc_size": 1},
    "zx_vmo_create_contiguous": lambda w: {"size": PAGE},
    "zx_pager_create_vmo": lambda w: {"size": PAGE},
    "zx_pager_detach_vmo": lambda w: _pager_vmo(w, "vmo"),
    "zx_pager_supply_pages": lambda w: {**_pager_vmo(w), "length": PAGE},
    "zx_pager_op_range": lambda w: {**_pager_vmo(w), "op": ZX_PAGER_OP_WRITEBACK_BEGIN, "length": PAGE},
    "zx_pager_query_dirty_ranges": lambda w: {**_pager_vmo(w), "length": PAGE, "buffer_size": 48},
    "zx_pager_query_vmo_stats": lambda w: {**_pager_vmo(w), "buffer_size": 4},
    "zx_clock_create": lambda w: {"args": 0},
    "zx_clock_get_details": lambda w: {"options": 1 << 58},
    "zx_clock_read_mapped": lambda w: {"clock_addr": _clock_page(w)},
    "zx_clock_get_details_mapped": lambda w: {"clock_addr": _clock_page(w), "options": 1 << 58},
    "zx_clock_update": lambda w: {"options": 1 << 58 | 1, "args": w.put(9, bytes(64))},
    "zx_handle_close_many": lambda w: {**_handles(w, 3), "num_handles": 3},
    "zx_handle_duplicate": lambda w: _SAME,
    "zx_handle_replace": lambda w: _SAME,
    "zx_object_wait_one": lambda w: {"handle": _signaled(w), "signals": 1 << 24},
    "zx_object_wait_many": _wait_item,
    "zx_object_signal_peer": lambda w: {"handle": w.make(ZX_OBJ_TYPE_EVENTPAIR)},
    "zx_object_get_property": lambda w: {"handle": w.make(ZX_OBJ_TYPE_VMO), "property": 3, "value_size": 32},
    "zx_object_set_property": lambda w: {"handle": w.make(ZX_OBJ_TYPE_VMO), "property": 3, "value_size": 8},
    "zx_object_get_info": lambda w: {"topic": 2, "buffer_size": 64},
    "zx_object_get_child": _child,
    "zx_channel_read": lambda w: {"handle": w.channel(b"12345678", 2), "num_bytes": 8, "num_handles": 2},
    "zx_channel_read_etc": lambda w: {"handle": w.channel(b"12345678", 2), "num_bytes": 8, "num_handles": 2},
    "zx_channel_write": lambda w: {**_handles(w, 3), "num_handles": 3},
    "zx_channel_write_etc": lambda w: {**_dispositions(w, 3), "num_handles": 3},
    "zx_channel_call": lambda w: w.call_arguments(zx_channel_call_args_t),
    "zx_channel_call_etc": lambda w: w.call_arguments(zx_channel_call_etc_args_t),
    "zx_debuglog_create": lambda w: {"resource": w.make(ZX_OBJ_TYPE_RESOURCE)},
    "zx_debuglog_write": lambda w: {"handle": _log(w)},
    "zx_debuglog_read": lambda w: {"handle": _log(w), "buffer_size": 64},
    "zx_fifo_create": lambda w: {"elem_count": 4, "elem_size": 4},
    "zx_fifo_write": lambda w: {"elem_size": 8, "count": 1},
    "zx_fifo_read": lambda w: {"handle": _fifo_with_data(w), "elem_size": 8, "count": 1},
    "zx_futex_wait": lambda w: {
        "value_ptr": w.put(8, b"\1\0\0\0"),
        "current_value": 1,
        "deadline": ZX_TIME_INFINITE,
    },
    "zx_futex_requeue": lambda w: {"value_ptr": w.put(8, b"\1\0\0\0"), "current_value": 1, "wake_count": 1},
    "zx_futex_requeue_single_owner": lambda w: {"value_ptr": w.put(8, b"\1\0\0\0"), "current_value": 1},
    "zx_interrupt_create": lambda w: {"options": ZX_INTERRUPT_VIRTUAL},
    "zx_interrupt_bind": lambda w: {"port_handle": w.interrupt_port()},
    "zx_interrupt_wait": lambda w: {"handle": _triggered(w)},
    "zx_interrupt_ack": _bound_interrupt,
    "zx_iob_create": lambda w: {
        "regions": w.put(9, b"".join(region.pack() for region in _regions(w))),
        "num_regions": 3,
    },
    "zx_iob_allocate_id": lambda w: {"region_index": 1},
    "zx_iob_writev": lambda w: {**_vectors(w), "region_index": 2},
    "zx_iob_create_shared_region": lambda w: {"size": PAGE},
    "zx_job_set_policy": _basic_policy,
    "zx_job_set_critical": _critical,
    "zx_port_wait": lambda w: {"handle": _port_with_packet(w)},
    "zx_port_cancel": _async,
    "zx_port_cancel_key": lambda w: {name: value for name, value in _async(w).items() if name != "source"},
    "zx_process_start": _start,
    "zx_process_read_memory": _other_memory,
    "zx_process_write_memory": _other_memory,
    "zx_socket_read": lambda w: {"handle": _socket_with_data(w)},
    "zx_stream_create": lambda w: {"vmo": w.make(ZX_OBJ_TYPE_VMO)},
    **{f"zx_stream_{name}": lambda w: _vectors(w) for name in ("readv", "readv_at", "writev", "writev_at")},
    "zx_task_kill": lambda w: {"handle": w.process()},
    "zx_task_suspend": lambda w: {"handle": w.thread()},
    "zx_task_suspend_token": lambda w: {"handle": w.thread()},
    "zx_thread_raise_exception": lambda w: {
        "options": ZX_EXCEPTION_TARGET_JOB_DEBUGGER,
        "type": ZX_EXCP_USER,
        "context": w.put(6, bytes(zx_exception_context_t.SIZE)),
    },
    "zx_thread_start": lambda w: {"handle": _second_thread(w), "thread_entry": 0x200000},
    "zx_thread_start_regs": lambda w: {"handle": _second_thread(w), "thread_entry": 0x200000},
    "zx_thread_set_rseq": lambda w: {"vmo": w.make(ZX_OBJ_TYPE_VMO), "size": 32},
    "zx_thread_read_state": _suspended,
    "zx_thread_write_state": lambda w: {**_suspended(w), "buffer": w.put(9, bytes(512))},
    "zx_object_set_profile": lambda w: {"handle": w.thread(), "profile": w.make(ZX_OBJ_TYPE_PROFILE)},
    "zx_ktrace_control": lambda w: {"action": KTRACE_ACTION_STOP},
    "zx_ktrace_read": _trace,
    "zx_sampler_create": lambda w: {"config": w.put(9, _SAMPLER.pack())},
    "zx_sampler_read": _samples,
    "zx_sampler_stop": _running_sampler,
    "zx_profile_create": lambda w: {"profile": w.put(9, _PROFILE.pack())},
    "zx_system_get_event": lambda w: {"kind": 1, "root_job": _watched(w)},
    "zx_system_watch_memory_stall": lambda w: {"threshold": 1, "window": 1},
    "zx_system_get_performance_info": lambda w: {"topic": 1, "count": 1},
    "zx_system_set_performance_info": lambda w: {"topic": 1, "count": 1, "info": w.put(9, _SCALE.pack())},
    "zx_resource_create": lambda w: {"options": ZX_RSRC_KIND_IRQ, "base": 33, "size": 1, "name_size": 8},
    "zx_vmar_allocate": lambda w: {"options": ZX_VM_CAN_MAP_READ, "size": PAGE},
    "zx_vmar_map": lambda w: {"options": ZX_VM_PERM_READ, "len": PAGE},
    "zx_vmar_map_clock": lambda w: {
        "options": ZX_VM_PERM_READ,
        "clock": int(w.zx.zx_clock_create(1 << 4, None)[1]),
        "len": PAGE,
    },
    "zx_vmar_map_iob": lambda w: {"options": ZX_VM_PERM_READ, "region_length": PAGE},
    "zx_vmar_unmap": _mapped,
    "zx_vmar_unmap_handle_close_thread_exit": lambda w: _renamed(_mapped(w), w.event()),
    "zx_vmar_protect": lambda w: {**_mapped(w), "options": ZX_VM_PERM_READ},
    "zx_vmar_op_range": lambda w: {
        "handle": (m := _mapped(w))["handle"],
        "op": 1,
        "address": m["addr"],
        "size": PAGE,
        "buffer": 0,
        "buffer_size": 0,
    },
    "zx_vmo_create": lambda w: {"size": PAGE},
    "zx_vmo_set_size": lambda w: {"handle": int(w.zx.zx_vmo_create(PAGE, 2)[1]), "size": PAGE},
    "zx_vmo_op_range": lambda w: {"op": 1, "size": PAGE},
    "zx_vmo_set_cache_policy": lambda w: {"cache_policy": 0},
    "zx_vmo_create_child": lambda w: {"options": 1, "size": PAGE},
    "zx_vmo_replace_as_executable": lambda w: {"vmex": w.make(ZX_OBJ_TYPE_RESOURCE)},
}


def _second_thread(w: World) -> int:
    process = w.process()
    assert w.zx.zx_process_start(process, w.thread(process), 0x200000, 0, 0, 0) == ZX_OK
    return w.thread(process)


def _renamed(mapped: dict[str, int], close: int) -> dict[str, int]:
    names = {"vmar_handle": mapped["handle"], "addr": mapped["addr"], "size": mapped["len"]}
    return {**names, "close_handle": close}


def types(row: SyscallRow, param: Param) -> tuple[int, ...]:
    """The object types that a handle parameter takes; empty for any."""
    if param.objects:
        return param.objects
    if param.name in _PARAM_TYPES and row.family != "object":
        return (_PARAM_TYPES[param.name],)
    if param.name == "thread" or "owner" in param.name:
        return (ZX_OBJ_TYPE_THREAD,)
    if param.name == "vmex":
        return (ZX_OBJ_TYPE_RESOURCE,)
    return (_T[row.family],) if param.name == "handle" and row.family in _T else ()


def is_pointer(param: Param) -> bool:
    return param.kind in (Kind.IN, Kind.OUT, Kind.INOUT)


def element_size(param: Param) -> int:
    if param.type in SCALARS:
        return SCALARS[param.type][0]
    return STRUCTS[param.type].SIZE if param.type in STRUCTS else 1


def good_arguments(w: World, row: SyscallRow) -> dict[str, int]:
    """Arguments by name with which the call succeeds, or waits."""
    made = dict(RECIPES[row.name](w)) if row.name in RECIPES else {}
    counts = {param.count for param in row.params if param.count is not None}
    for index, param in enumerate(row.params):
        if param.name in made:
            continue
        if param.kind is Kind.HANDLE:
            wanted = types(row, param)
            made[param.name] = 0 if param.optional else w.make(wanted[0] if wanted else ZX_OBJ_TYPE_EVENT)
        elif is_pointer(param):
            made[param.name] = w.base + (10 + index) * PAGE
        else:
            made[param.name] = 8 if param.name in counts else 0
    return made


def registers(row: SyscallRow, arguments: dict[str, int]) -> list[int]:
    return [arguments[param.name] for param in row.params]


def row_of(name: str) -> SyscallRow:
    return BY_NAME[name]
