"""What the fuzzer has found, one test each."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth.abi import (
    BY_NAME,
    ZX_CACHE_POLICY_WRITE_COMBINING,
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_OPT_MAPPABLE,
    ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID,
    ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_OK,
    ZX_STREAM_MODE_WRITE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_RESIZABLE,
    zx_clock_update_args_v2_t,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants
from jacinth.kernel.handle import Handle
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.syscalls.door import TRAPS, HostSys
from jacinth.userboot.elf import ElfError, load_elf


def test_a_debugger_that_is_gone_leaves_nothing_in_the_job(k: Kernel, zx: HostSys) -> None:
    """Its channel's other end stayed open, without anybody who could close it, when the next debugger came."""
    status, job = zx.zx_job_create(k.host.root_job, 0)
    assert status == ZX_OK
    status, channel = zx.zx_task_create_exception_channel(job, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    assert status == ZX_OK
    end = k.host.dispatcher.handles.handles[channel].object.peer
    assert end.handle_count == 1
    assert zx.zx_handle_close(channel) == ZX_OK
    status, _ = zx.zx_task_create_exception_channel(job, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    assert status == ZX_OK
    assert end.handle_count == 0
    assert_invariants(k)


def test_the_host_cannot_be_suspended(k: Kernel) -> None:
    """Whoever has a handle to it could make it wait for ever."""
    seen: list[int] = []
    hosts = (k.host.thread, k.host.dispatcher)

    async def body(zx: Any) -> None:
        handles = zx.sys.call.handles
        for host in hosts:
            status, _ = zx.sys.zx_task_suspend(handles.add(Handle(host, host.DEFAULT_RIGHTS)))
            seen.append(status)

    process, _ = k.root_job.create_child_process("other")
    process.start_body(body)
    k.run()
    assert seen == [ZX_ERR_NOT_SUPPORTED] * 2


def test_content_is_cut_off_before_a_pager_is_waited_for(k: Kernel, zx: HostSys) -> None:
    """The rest of the last page is to be zeroed, and so needed; the call never gets it."""
    _, pager = zx.zx_pager_create(0)
    _, port = zx.zx_port_create(0)
    status, vmo = zx.zx_pager_create_vmo(pager, ZX_VMO_RESIZABLE, port, 1, 16 * 4096)
    assert status == ZX_OK
    assert zx.zx_vmo_set_size(vmo, 9 * 4096 + 100) != ZX_OK
    assert zx.zx_vmo_get_stream_size(vmo)[1] <= zx.zx_vmo_get_size(vmo)[1] == 10 * 4096
    assert_invariants(k)


def test_a_refused_file_is_refused_in_one_line() -> None:
    """It named a dynamic linker with a line break in it, which the message repeated."""
    path = b"/lib/\nld.so\0"
    interp = struct.pack("<IIQQQQQQ", 3, 4, 176, 0, 0, len(path), len(path), 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 256, 256, 4096)
    ident = b"\x7fELF\2\1\1".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 3, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    file = (header + interp + load + path).ljust(256, b"\0")
    with pytest.raises(ElfError, match="path is not printable"):
        load_elf(file)


@pytest.mark.parametrize("rate", [-1000, 0, 1000])
def test_a_clock_stops_at_the_last_time_that_there_is(k: Kernel, zx: HostSys, rate: int) -> None:
    """One that was set as late as possible went on, and what it showed no longer fitted the caller's 64 bits."""
    status, clock = zx.zx_clock_create(ZX_CLOCK_OPT_MAPPABLE, None)
    assert status == ZX_OK
    last = (1 << 63) - 1
    options = ZX_CLOCK_UPDATE_OPTION_SYNTHETIC_VALUE_VALID | ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID
    args = zx_clock_update_args_v2_t(synthetic_value=last, rate_adjust=rate).pack()
    assert zx.zx_clock_update(clock, options | 2 << ZX_CLOCK_ARGS_VERSION_SHIFT, args) == ZX_OK
    zx.zx_nanosleep(zx.zx_deadline_after(1_000_000_000))
    assert zx.zx_clock_read(clock) == (ZX_OK, last)
    # And what is published goes on from there.
    args = zx_clock_update_args_v2_t(rate_adjust=rate + 1 if rate < 0 else rate - 1).pack()
    options = ZX_CLOCK_UPDATE_OPTION_RATE_ADJUST_VALID
    assert zx.zx_clock_update(clock, options | 2 << ZX_CLOCK_ARGS_VERSION_SHIFT, args) == ZX_OK
    assert zx.zx_clock_read(clock) == (ZX_OK, last)


def detached_page(k: Kernel, zx: HostSys) -> int:
    """An address whose page no pager supplies any more."""
    _, pager = zx.zx_pager_create(0)
    _, port = zx.zx_port_create(0)
    _, vmo = zx.zx_pager_create_vmo(pager, 0, port, 1, 4096)
    assert zx.zx_pager_detach_vmo(pager, vmo) == ZX_OK
    access = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    status, address = zx.zx_vmar_map(k.host.root_vmar, access, 0, vmo, 0, 4096)
    assert status == ZX_OK
    return int(address)


def by_registers(k: Kernel, name: str, *registers: int) -> int:
    """The answer of a call made as a guest makes it, which may wait for a page that does not come."""
    padded = (BY_NAME[name].number, *registers) + (0,) * (8 - len(registers))
    result = TRAPS[padded[0]](k.host.sys.call, padded)
    if result is None:
        thread = k.host.thread
        coroutine, thread.coroutine = thread.coroutine, None
        assert coroutine is not None
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        result = stop.value.value
    assert isinstance(result, int)
    return result


def test_nobody_has_handles_that_no_page_comes_to_tell_of(k: Kernel, zx: HostSys) -> None:
    """They stayed in the table of who read a message, with nobody who knew their values."""
    address = detached_page(k, zx)
    _, one, other = zx.zx_channel_create(0)
    _, event = zx.zx_event_create(0)
    assert zx.zx_channel_write(one, 0, b"", [event]) == ZX_OK
    before = set(k.host.dispatcher.handles.handles)
    assert by_registers(k, "zx_channel_read_etc", other, 0, 0, address, 0, 1) == ZX_ERR_INVALID_ARGS
    assert set(k.host.dispatcher.handles.handles) == before
    assert_invariants(k)


def test_nothing_stays_mapped_where_no_page_comes_to_tell(k: Kernel, zx: HostSys) -> None:
    """The mapping stayed, at an address that nobody was told."""
    address = detached_page(k, zx)
    _, vmo = zx.zx_vmo_create(4096, 0)
    aspace = k.host.dispatcher.shared.aspace
    before = [(mapping.base, mapping.size) for mapping in aspace.mappings()]
    options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    result = by_registers(k, "zx_vmar_map", k.host.root_vmar, options, 0, vmo, 0, 4096, address)
    assert result == ZX_ERR_INVALID_ARGS
    assert [(mapping.base, mapping.size) for mapping in aspace.mappings()] == before
    assert_invariants(k)


def test_a_stream_that_refuses_a_write_has_zeroed_nothing_before_it(k: Kernel, zx: HostSys) -> None:
    """What lay between the content and the write was zero already when the VMO said that it is not cached."""
    _, vmo = zx.zx_vmo_create(4 * 4096, 0)
    assert zx.zx_vmo_set_stream_size(vmo, 0) == ZX_OK
    _, stream = zx.zx_stream_create(ZX_STREAM_MODE_WRITE, vmo, 2 * 4096)
    status, address = zx.zx_vmar_map(k.host.root_vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4096)
    assert status == ZX_OK
    memory = k.host.dispatcher.shared.aspace
    memory.write_user(address, b"mine")
    assert zx.zx_vmar_unmap(k.host.root_vmar, address, 4096) == ZX_OK
    assert zx.zx_vmo_set_cache_policy(vmo, ZX_CACHE_POLICY_WRITE_COMBINING) == ZX_OK
    assert zx.zx_stream_writev(stream, 0, [b"data"])[0] == ZX_ERR_BAD_STATE
    k.host.dispatcher.handles.handles[vmo].object.cache_policy = 0  # it is to be read
    assert zx.zx_vmo_read(vmo, 0, 4) == (ZX_OK, b"mine")


def test_where_a_call_left_off_is_forgotten_when_it_fails(k: Kernel, zx: HostSys) -> None:
    """A stream that waited for a page lost its handle meanwhile; the next call went on where that one had left off."""
    _, pager = zx.zx_pager_create(0)
    _, port = zx.zx_port_create(0)
    _, vmo = zx.zx_pager_create_vmo(pager, 0, port, 1, 4096)
    _, stream = zx.zx_stream_create(ZX_STREAM_MODE_WRITE, vmo, 0)
    _, memory = zx.zx_vmo_create(4096, 0)
    access = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    _, address = zx.zx_vmar_map(k.host.root_vmar, access, 0, memory, 0, 4096)
    k.host.dispatcher.shared.aspace.write_user(address, struct.pack("<QQ", address, 16))
    number = BY_NAME["zx_stream_writev"].number
    trap, registers = TRAPS[number], (number, stream, 0, address, 1, 0, 0, 0, 0)
    with pytest.raises(PageNeeded) as need:
        trap(zx.call, registers)
    assert zx.zx_handle_close(stream) == ZX_OK
    assert zx.call.made_again(need.value, None)
    assert trap(zx.call, registers) == ZX_ERR_BAD_HANDLE
    _, other = zx.zx_vmo_create(4096, 0)
    assert zx.zx_vmo_write(other, b"all of it", 0) == ZX_OK
    assert zx.zx_vmo_read(other, 0, 9) == (ZX_OK, b"all of it")
