"""`zx_object_get_property` and `zx_object_set_property`, each property.

Source: docs/reference/syscalls/object_get_property.md, object_set_property.md; order from object_property.rs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_JOB,
    ZX_INFO_SOCKET,
    ZX_MAX_NAME_LEN,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_PROP_EXCEPTION_STATE,
    ZX_PROP_EXCEPTION_STRATEGY,
    ZX_PROP_JOB_KILL_ON_OOM,
    ZX_PROP_NAME,
    ZX_PROP_PROCESS_BREAK_ON_LOAD,
    ZX_PROP_PROCESS_DEBUG_ADDR,
    ZX_PROP_PROCESS_HW_TRACE_CONTEXT_ID,
    ZX_PROP_PROCESS_VDSO_BASE_ADDRESS,
    ZX_PROP_REGISTER_FS,
    ZX_PROP_REGISTER_GS,
    ZX_PROP_SOCKET_RX_THRESHOLD,
    ZX_PROP_SOCKET_TX_THRESHOLD,
    ZX_PROP_VMO_CONTENT_SIZE,
    ZX_RIGHT_GET_PROPERTY,
    ZX_RIGHT_SET_PROPERTY,
    ZX_RIGHT_WRITE,
    ZX_SOCKET_READ_THRESHOLD,
    ZX_SOCKET_WRITE_THRESHOLD,
)
from tests.tasks.conftest import PAGE, Calls, Memory, Program, World

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10


class Property(NamedTuple):
    """A property of *size* bytes, of the types that `make` makes."""

    number: int
    kind: str
    size: int
    get: bool = True
    set: bool = True
    value: int = 0  # one that it can have


PROPERTIES = {
    "PROCESS_DEBUG_ADDR": Property(ZX_PROP_PROCESS_DEBUG_ADDR, "process", 8, value=0x1234_5678_9ABC),
    "PROCESS_BREAK_ON_LOAD": Property(ZX_PROP_PROCESS_BREAK_ON_LOAD, "process", 8, value=7),
    "PROCESS_VDSO_BASE_ADDRESS": Property(ZX_PROP_PROCESS_VDSO_BASE_ADDRESS, "process", 8, set=False),
    "SOCKET_RX_THRESHOLD": Property(ZX_PROP_SOCKET_RX_THRESHOLD, "socket", 8, value=9),
    "SOCKET_TX_THRESHOLD": Property(ZX_PROP_SOCKET_TX_THRESHOLD, "socket", 8, value=10),
    "JOB_KILL_ON_OOM": Property(ZX_PROP_JOB_KILL_ON_OOM, "job", 8, get=False, value=1),
    "VMO_CONTENT_SIZE": Property(ZX_PROP_VMO_CONTENT_SIZE, "vmo", 8, value=11),
    "EXCEPTION_STATE": Property(ZX_PROP_EXCEPTION_STATE, "exception", 4, value=1),
    "EXCEPTION_STRATEGY": Property(ZX_PROP_EXCEPTION_STRATEGY, "exception", 4, value=1),
}
REGISTERS = [ZX_PROP_REGISTER_FS, ZX_PROP_REGISTER_GS]


def each(*, get: bool = False, set_: bool = False) -> Any:
    chosen = {name: one for name, one in PROPERTIES.items() if (one.get or not get) and (one.set or not set_)}
    return pytest.mark.parametrize("one", chosen.values(), ids=chosen)


def get_shows(status: str) -> Any:
    return pytest.mark.shows("zx_object_get_property", status)


def set_shows(status: str) -> Any:
    return pytest.mark.shows("zx_object_set_property", status)


class Zoo:
    def __init__(self, calls: Calls, world: World) -> None:
        self.calls = calls
        self.world = world

    def make(self, kind: str) -> int:
        zx, ok = self.calls.zx, self.calls.ok
        match kind:
            case "process":
                return self.world.process
            case "thread":
                return self.world.thread()
            case "job":
                return self.calls.job()
            case "socket":
                return int(ok(zx.zx_socket_create(0))[0])
            case "vmo":
                return int(ok(zx.zx_vmo_create(PAGE, 0)))
            case "exception":
                channel = self.world.listen(self.world.process, abi.ZX_EXCEPTION_CHANNEL_DEBUGGER)
                self.world.crash()
                return self.world.receive(channel).handle
            case "event":
                return self.calls.event()
        raise AssertionError(kind)

    def held(self, handle: int, rights: int) -> int:
        """The same object through another handle, whatever the first one's rights."""
        host = self.calls.k.host
        owned: Any = host.dispatcher.handles.get(handle)
        return int(host.add(owned.object, rights))

    def get(self, handle: int, property_: int, size: int = 8) -> Any:
        status, data = self.calls.zx.zx_object_get_property(handle, property_, size)
        return int.from_bytes(data, "little") if status == ZX_OK else status

    def set(self, handle: int, property_: int, value: int, size: int = 8) -> int:
        status: int = self.calls.zx.zx_object_set_property(handle, property_, value.to_bytes(size, "little"))
        return status


@pytest.fixture
def zoo(calls: Calls, world: World) -> Zoo:
    return Zoo(calls, world)


# What all have in common


@each(get=True, set_=True)
def test_what_is_set_is_got(zoo: Zoo, one: Property) -> None:
    handle = zoo.make(one.kind)
    assert zoo.set(handle, one.number, one.value, one.size) == ZX_OK
    assert zoo.get(handle, one.number, one.size) == one.value
    assert zoo.set(handle, one.number, 0, one.size) == ZX_OK
    assert zoo.get(handle, one.number, one.size) == 0


@get_shows("ZX_ERR_BAD_HANDLE")
@set_shows("ZX_ERR_BAD_HANDLE")
@each()
def test_what_is_no_handle_has_no_property(zoo: Zoo, one: Property) -> None:
    for handle in (0, NEVER_A_HANDLE):
        assert zoo.get(handle, one.number) == zoo.set(handle, one.number, 0) == ZX_ERR_BAD_HANDLE


@get_shows("ZX_ERR_ACCESS_DENIED")
@each(get=True)
def test_getting_needs_its_right_and_no_other(zoo: Zoo, one: Property) -> None:
    handle = zoo.make(one.kind)
    assert zoo.get(zoo.held(handle, ZX_RIGHT_SET_PROPERTY), one.number) == ZX_ERR_ACCESS_DENIED
    assert zoo.get(zoo.held(handle, ZX_RIGHT_GET_PROPERTY), one.number) >= 0


@set_shows("ZX_ERR_ACCESS_DENIED")
@each(set_=True)
def test_setting_needs_its_right_and_no_other(zoo: Zoo, one: Property) -> None:
    """But a VMO's content is changed with it, which needs WRITE."""
    handle = zoo.make(one.kind)
    poor = zoo.held(handle, ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_WRITE)
    assert zoo.set(poor, one.number, one.value, one.size) == ZX_ERR_ACCESS_DENIED
    rights = ZX_RIGHT_SET_PROPERTY | (ZX_RIGHT_WRITE if one.kind == "vmo" else 0)
    assert zoo.set(zoo.held(handle, rights), one.number, one.value, one.size) == ZX_OK


@set_shows("ZX_ERR_ACCESS_DENIED")
def test_setting_the_size_of_content_needs_write(zoo: Zoo, calls: Calls) -> None:
    vmo = calls.without(zoo.make("vmo"), ZX_RIGHT_WRITE)
    assert zoo.set(vmo, ZX_PROP_VMO_CONTENT_SIZE, 1) == ZX_ERR_ACCESS_DENIED


@get_shows("ZX_ERR_WRONG_TYPE")
@each(get=True)
def test_getting_is_for_one_type(zoo: Zoo, one: Property) -> None:
    other = "job" if one.kind != "job" else "process"
    assert zoo.get(zoo.make(other), one.number, one.size) == ZX_ERR_WRONG_TYPE


@set_shows("ZX_ERR_WRONG_TYPE")
@each(set_=True)
def test_setting_is_for_one_type(zoo: Zoo, one: Property) -> None:
    other = "thread"
    # Of VMOs, WRITE is asked for first.
    handle = zoo.held(zoo.make(other), ZX_RIGHT_SET_PROPERTY | ZX_RIGHT_WRITE)
    assert zoo.set(handle, one.number, one.value, one.size) == ZX_ERR_WRONG_TYPE


@get_shows("ZX_ERR_BUFFER_TOO_SMALL")
@each(get=True)
def test_a_value_is_got_whole(zoo: Zoo, one: Property) -> None:
    handle = zoo.make(one.kind)
    for size in (1, one.size - 1):
        assert zoo.get(handle, one.number, size) == ZX_ERR_BUFFER_TOO_SMALL
    status, data = zoo.calls.zx.zx_object_get_property(handle, one.number, one.size + 8)
    assert status == ZX_OK and bytes(data[one.size :]).rstrip(b"\0") == b""


@set_shows("ZX_ERR_BUFFER_TOO_SMALL")
@each(set_=True)
def test_a_value_is_set_whole(zoo: Zoo, one: Property) -> None:
    handle = zoo.make(one.kind)
    for size in (1, one.size - 1):
        assert zoo.set(handle, one.number, 0, size) == ZX_ERR_BUFFER_TOO_SMALL
    assert zoo.set(handle, one.number, one.value, one.size + 8) == ZX_OK


@get_shows("ZX_ERR_INVALID_ARGS")
@set_shows("ZX_ERR_INVALID_ARGS")
@each()
def test_pointers(zoo: Zoo, memory: Memory, trap: Callable[..., int], one: Property) -> None:
    """A null pointer is noticed before the handle is looked at, a bad one when it is used."""
    handle = zoo.make(one.kind)
    for call in ("zx_object_get_property", "zx_object_set_property"):
        assert trap(call, NEVER_A_HANDLE, one.number, 0, one.size) == ZX_ERR_INVALID_ARGS
        assert trap(call, NEVER_A_HANDLE, one.number, BAD_ADDRESS, one.size) == ZX_ERR_BAD_HANDLE
    for bad in (BAD_ADDRESS, memory.address + memory.SIZE - 2, 1 << 63):
        if one.get:
            assert trap("zx_object_get_property", handle, one.number, bad, one.size) == ZX_ERR_INVALID_ARGS
        if one.set:
            assert trap("zx_object_set_property", handle, one.number, bad, one.size) == ZX_ERR_INVALID_ARGS


@get_shows("ZX_ERR_NOT_SUPPORTED")
@set_shows("ZX_ERR_NOT_SUPPORTED")
@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 13 + 64, 0xFFFF_FFFF])
def test_a_property_that_does_not_exist(zoo: Zoo, number: int) -> None:
    event = zoo.make("process")
    assert zoo.get(event, number) == zoo.set(event, number, 0) == ZX_ERR_NOT_SUPPORTED
    assert zoo.get(NEVER_A_HANDLE, number) == ZX_ERR_BAD_HANDLE


@get_shows("ZX_ERR_NOT_SUPPORTED")
def test_what_can_only_be_set_cannot_be_got(zoo: Zoo) -> None:
    assert zoo.get(zoo.make("job"), ZX_PROP_JOB_KILL_ON_OOM) == ZX_ERR_NOT_SUPPORTED


@set_shows("ZX_ERR_NOT_SUPPORTED")
@pytest.mark.parametrize("number", [ZX_PROP_PROCESS_VDSO_BASE_ADDRESS, ZX_PROP_PROCESS_HW_TRACE_CONTEXT_ID])
def test_what_can_only_be_got_cannot_be_set(zoo: Zoo, number: int) -> None:
    assert zoo.set(zoo.make("process"), number, 0) == ZX_ERR_NOT_SUPPORTED


# ZX_PROP_NAME


@pytest.mark.parametrize("kind", ["process", "thread", "job", "vmo"])
def test_a_name_ends_at_a_nul_or_at_31_bytes(zoo: Zoo, calls: Calls, kind: str) -> None:
    handle, zx = zoo.make(kind), calls.zx
    for given, name in {
        b"short": b"short",
        b"with\0rest": b"with",
        b"": b"",
        b"\0": b"",
        b"\xff\xfe": b"\xff\xfe",
        b"x" * 31: b"x" * 31,
        b"y" * 32: b"y" * 31,
        b"z" * 4096: b"z" * 31,
    }.items():
        assert zx.zx_object_set_property(handle, ZX_PROP_NAME, given) == ZX_OK
        answer = zx.zx_object_get_property(handle, ZX_PROP_NAME, ZX_MAX_NAME_LEN)
        assert answer == (ZX_OK, name.ljust(ZX_MAX_NAME_LEN, b"\0"))


@get_shows("ZX_ERR_BUFFER_TOO_SMALL")
def test_a_name_needs_room_for_the_longest_one(zoo: Zoo, calls: Calls) -> None:
    get = calls.zx.zx_object_get_property
    assert get(zoo.make("job"), ZX_PROP_NAME, ZX_MAX_NAME_LEN - 1)[0] == ZX_ERR_BUFFER_TOO_SMALL


@get_shows("ZX_ERR_WRONG_TYPE")
@set_shows("ZX_ERR_WRONG_TYPE")
@pytest.mark.parametrize("kind", ["event", "socket"])
def test_a_type_without_names_neither_shows_nor_takes_one(zoo: Zoo, calls: Calls, kind: str) -> None:
    """Source: utest/core/property/property.cc."""
    handle = zoo.held(zoo.make(kind), ZX_RIGHT_GET_PROPERTY | ZX_RIGHT_SET_PROPERTY)
    assert calls.zx.zx_object_get_property(handle, ZX_PROP_NAME, 32)[0] == ZX_ERR_WRONG_TYPE
    assert calls.zx.zx_object_set_property(handle, ZX_PROP_NAME, b"n") == ZX_ERR_WRONG_TYPE


@get_shows("ZX_ERR_ACCESS_DENIED")
@set_shows("ZX_ERR_ACCESS_DENIED")
@get_shows("ZX_ERR_BAD_HANDLE")
@set_shows("ZX_ERR_BAD_HANDLE")
def test_names_need_rights(zoo: Zoo, calls: Calls) -> None:
    get, put = calls.zx.zx_object_get_property, calls.zx.zx_object_set_property
    job = zoo.make("job")
    assert get(calls.without(job, ZX_RIGHT_GET_PROPERTY), ZX_PROP_NAME, 32)[0] == ZX_ERR_ACCESS_DENIED
    assert put(calls.without(job, ZX_RIGHT_SET_PROPERTY), ZX_PROP_NAME, b"n") == ZX_ERR_ACCESS_DENIED
    assert (get(NEVER_A_HANDLE, ZX_PROP_NAME, 32)[0], put(0, ZX_PROP_NAME, b"")) == (ZX_ERR_BAD_HANDLE,) * 2


@get_shows("ZX_ERR_BAD_STATE")
@set_shows("ZX_ERR_BAD_STATE")
def test_a_dead_thread_has_no_name_a_dead_process_has(calls: Calls, world: World) -> None:
    thread = world.run(b"\xeb\xfe")
    calls.ok(calls.zx.zx_task_kill(world.process))
    get, put = calls.zx.zx_object_get_property, calls.zx.zx_object_set_property
    assert get(thread, ZX_PROP_NAME, 32)[0] == put(thread, ZX_PROP_NAME, b"n") == ZX_ERR_BAD_STATE
    assert get(world.process, ZX_PROP_NAME, 32) == (ZX_OK, b"guest".ljust(32, b"\0"))
    assert put(world.process, ZX_PROP_NAME, b"ghost") == ZX_OK


# Processes


def test_the_base_of_the_vdso_or_zero(zoo: Zoo, calls: Calls, world: World) -> None:
    assert zoo.get(calls.process(), ZX_PROP_PROCESS_VDSO_BASE_ADDRESS) == 0
    assert zoo.get(world.process, ZX_PROP_PROCESS_VDSO_BASE_ADDRESS) == world.vdso


def test_a_process_that_shares_begins_with_what_a_debugger_has_set_in_its_prototype(
    zoo: Zoo, calls: Calls
) -> None:
    """And each has its own from then on. Source: core tests of shared processes (PropertiesCopied)."""
    prototype = calls.process(options=ZX_PROCESS_SHARED)
    properties = {ZX_PROP_PROCESS_BREAK_ON_LOAD: 0x10AD, ZX_PROP_PROCESS_DEBUG_ADDR: 0xFACE}
    for number, value in properties.items():
        assert zoo.set(prototype, number, value) == ZX_OK
    process, _ = calls.ok(calls.zx.zx_process_create_shared(prototype, 0, b"second"))
    for number, value in properties.items():
        assert zoo.get(process, number) == value
        assert zoo.set(process, number, 0) == ZX_OK
        assert (zoo.get(prototype, number), zoo.get(process, number)) == (value, 0)


@get_shows("ZX_ERR_NOT_SUPPORTED")
def test_hardware_tracing_is_for_kernels_with_calls_for_debugging(zoo: Zoo, calls: Calls) -> None:
    for handle in (calls.process(), calls.job()):
        assert zoo.get(handle, ZX_PROP_PROCESS_HW_TRACE_CONTEXT_ID) == ZX_ERR_NOT_SUPPORTED


# Jobs


@set_shows("ZX_ERR_INVALID_ARGS")
def test_kill_on_oom_is_one_or_zero(zoo: Zoo, calls: Calls) -> None:
    job = calls.job()

    def flag() -> bool:
        return bool(calls.info(job, ZX_INFO_JOB, abi.zx_info_job_t).kill_on_oom)

    assert not flag()
    assert zoo.set(job, ZX_PROP_JOB_KILL_ON_OOM, 1) == ZX_OK and flag()
    for value in (2, 1 << 32, (1 << 64) - 1):
        assert zoo.set(job, ZX_PROP_JOB_KILL_ON_OOM, value) == ZX_ERR_INVALID_ARGS
    assert flag()
    assert zoo.set(job, ZX_PROP_JOB_KILL_ON_OOM, 0) == ZX_OK and not flag()


# Sockets


@set_shows("ZX_ERR_INVALID_ARGS")
def test_a_read_threshold_asserts_its_signal(zoo: Zoo, calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_socket_create(0))
    calls.ok(calls.zx.zx_socket_write(other, 0, b"12345"))
    for threshold, reached in ((5, True), (6, False), (1, True), (0, False)):
        assert zoo.set(one, ZX_PROP_SOCKET_RX_THRESHOLD, threshold) == ZX_OK
        assert bool(calls.signals(one) & ZX_SOCKET_READ_THRESHOLD) == reached
    room = calls.info(one, ZX_INFO_SOCKET, abi.zx_info_socket_t).rx_buf_max
    assert zoo.set(one, ZX_PROP_SOCKET_RX_THRESHOLD, room) == ZX_OK
    assert zoo.set(one, ZX_PROP_SOCKET_RX_THRESHOLD, room + 1) == ZX_ERR_INVALID_ARGS
    assert zoo.get(one, ZX_PROP_SOCKET_RX_THRESHOLD) == room


@set_shows("ZX_ERR_INVALID_ARGS")
@set_shows("ZX_ERR_PEER_CLOSED")
def test_a_write_threshold_asserts_its_signal_while_there_is_a_peer(zoo: Zoo, calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_socket_create(0))
    room = calls.info(one, ZX_INFO_SOCKET, abi.zx_info_socket_t).tx_buf_max
    calls.ok(calls.zx.zx_socket_write(one, 0, b"12345"))
    for threshold, reached in ((room - 5, True), (room - 4, False), (1, True), (0, False)):
        assert zoo.set(one, ZX_PROP_SOCKET_TX_THRESHOLD, threshold) == ZX_OK
        assert bool(calls.signals(one) & ZX_SOCKET_WRITE_THRESHOLD) == reached
    assert zoo.set(one, ZX_PROP_SOCKET_TX_THRESHOLD, room + 1) == ZX_ERR_INVALID_ARGS
    calls.close(other)
    assert zoo.set(one, ZX_PROP_SOCKET_TX_THRESHOLD, 1) == ZX_ERR_PEER_CLOSED


# Exceptions


@set_shows("ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("number", [ZX_PROP_EXCEPTION_STATE, ZX_PROP_EXCEPTION_STRATEGY])
def test_an_exception_takes_no_other_values(zoo: Zoo, number: int) -> None:
    handle = zoo.make("exception")
    for value in (3, 0xFFFF_FFFF):
        assert zoo.set(handle, number, value, 4) == ZX_ERR_INVALID_ARGS


@set_shows("ZX_ERR_BAD_STATE")
def test_only_a_debugger_gets_a_second_chance(zoo: Zoo, world: World) -> None:
    channel = world.listen(world.process)
    world.crash()
    exception = world.receive(channel).handle
    assert zoo.get(exception, ZX_PROP_EXCEPTION_STRATEGY, 4) == abi.ZX_EXCEPTION_STRATEGY_FIRST_CHANCE
    assert zoo.set(exception, ZX_PROP_EXCEPTION_STRATEGY, 1, 4) == ZX_ERR_BAD_STATE


# Registers


@get_shows("ZX_ERR_ACCESS_DENIED")
@set_shows("ZX_ERR_ACCESS_DENIED")
@pytest.mark.parametrize("number", REGISTERS)
def test_registers_of_another_thread(zoo: Zoo, world: World, number: int) -> None:
    thread = world.run(b"\xeb\xfe")
    assert zoo.get(thread, number) == zoo.set(thread, number, 0) == ZX_ERR_ACCESS_DENIED


@get_shows("ZX_ERR_WRONG_TYPE")
@set_shows("ZX_ERR_WRONG_TYPE")
@pytest.mark.parametrize("number", REGISTERS)
def test_registers_are_of_threads(zoo: Zoo, number: int) -> None:
    assert (
        zoo.get(zoo.make("process"), number) == zoo.set(zoo.make("process"), number, 0) == ZX_ERR_WRONG_TYPE
    )


@pytest.mark.parametrize("number", REGISTERS)
def test_a_python_body_has_no_registers(calls: Calls, program: Program, number: int) -> None:
    handles: list[int] = []

    async def body(zx: Any) -> Any:
        got = await zx.zx_object_get_property(handles[0], number, 8)
        return got[0], await zx.zx_object_set_property(handles[0], number, bytes(8))

    thread = program.start(body)
    handles.append(program.give(calls.k.host.add(thread)))
    program.settle()
    assert program.results == [(ZX_ERR_NOT_SUPPORTED, ZX_ERR_NOT_SUPPORTED)]


BASE = 0x12_3456_7000
CANONICAL_END = 1 << 47


@pytest.mark.parametrize(
    ("number", "register"), [(ZX_PROP_REGISTER_FS, "fs_base"), (ZX_PROP_REGISTER_GS, "gs_base")]
)
@pytest.mark.parametrize(
    ("value", "size", "set_status", "get_status"),
    [
        (BASE, 8, ZX_OK, ZX_OK),
        (CANONICAL_END - 1, 8, ZX_OK, ZX_OK),
        pytest.param(CANONICAL_END, 8, ZX_ERR_INVALID_ARGS, ZX_OK, marks=set_shows("ZX_ERR_INVALID_ARGS")),
        pytest.param(
            BASE,
            7,
            ZX_ERR_BUFFER_TOO_SMALL,
            ZX_ERR_BUFFER_TOO_SMALL,
            marks=[set_shows("ZX_ERR_BUFFER_TOO_SMALL"), get_shows("ZX_ERR_BUFFER_TOO_SMALL")],
        ),
    ],
)
def test_a_thread_sets_and_gets_its_own_base(
    calls: Calls,
    world: World,
    number: int,
    register: str,
    value: int,
    size: int,
    set_status: int,
    get_status: int,
) -> None:
    """By machine code, on the thread that a handle in its own process is about."""
    thread = world.thread()
    objects = calls.k.host.dispatcher.handles
    handle: Any = objects.get(thread)
    process: Any = objects.get(world.process).object
    mine = process.handles.add(type(handle)(handle.object, handle.rights))
    calls.ok(calls.zx.zx_vmo_write(world.data_vmo, value.to_bytes(8, "little"), 0))
    code = b""
    for call, where, result in (("set", 0, 16), ("get", 8, 24)):
        code += world.set("rdi", mine) + world.set("rsi", number) + world.set("rdx", world.data + where)
        code += b"\x48\xb9" + size.to_bytes(8, "little")  # mov rcx, size
        code += world.call(f"zx_object_{call}_property") + world.store_rax(result)
    world.start(thread, code + b"\xeb\xfe")
    world.settle()
    token = calls.ok(calls.zx.zx_task_suspend_token(thread))
    world.settle()

    def status(offset: int) -> int:
        return (world.word(offset) + (1 << 31)) % (1 << 32) - (1 << 31)

    assert (status(16), status(24)) == (set_status, get_status)
    expected = value if set_status == ZX_OK else 0
    assert getattr(world.registers(thread), register) == world.word(8) == expected
    calls.close(token)
