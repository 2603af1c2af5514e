"""`zx_object_signal` and `zx_object_signal_peer`; what waiting is told besides tests/ipc/test_object_wait.py.

Source: docs/reference/syscalls/object_signal.md, object_signal_peer.md, object_wait_*.md; the core tests of signals.
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import abi
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_CANCELED,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_PEER_CLOSED,
    ZX_ERR_TIMED_OUT,
    ZX_ERR_WRONG_TYPE,
    ZX_EVENT_SIGNALED,
    ZX_EVENTPAIR_PEER_CLOSED,
    ZX_OK,
    ZX_RIGHT_SIGNAL,
    ZX_RIGHT_SIGNAL_PEER,
    ZX_RIGHT_WAIT,
    ZX_TIME_INFINITE,
    ZX_USER_SIGNAL_0,
    ZX_USER_SIGNAL_1,
    ZX_USER_SIGNAL_7,
    ZX_USER_SIGNAL_ALL,
    zx_wait_item_t,
)
from jacinth.kernel.handle import Handle
from tests.tasks.conftest import Calls, Program, World

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10
HALVES = ["channel", "eventpair", "fifo", "socket"]
ALONE = ["event", "job", "port", "process", "thread", "timer", "vmo"]


def make(calls: Calls, kind: str) -> tuple[int, int]:
    """An object, and its peer or 0. The first handle has the rights to signal both, if the type has them or not."""
    zx, ok = calls.zx, calls.ok
    match kind:
        case "channel":
            one, other = ok(zx.zx_channel_create(0))
        case "eventpair":
            one, other = ok(zx.zx_eventpair_create(0))
        case "fifo":
            one, other = ok(zx.zx_fifo_create(8, 8, 0))
        case "socket":
            one, other = ok(zx.zx_socket_create(0))
        case "event":
            one, other = calls.event(), 0
        case "job":
            one, other = calls.job(), 0
        case "port":
            one, other = ok(zx.zx_port_create(0)), 0
        case "process":
            one, other = calls.process(), 0
        case "thread":
            one, other = calls.thread(calls.process()), 0
        case "timer":
            one, other = ok(zx.zx_timer_create(0, abi.ZX_CLOCK_MONOTONIC)), 0
        case "vmo":
            one, other = ok(zx.zx_vmo_create(4096, 0)), 0
        case _:
            raise AssertionError(kind)
    host = calls.k.host
    able: Any = host.dispatcher.handles.get(one)
    return int(
        host.add(able.object, able.rights | ZX_RIGHT_SIGNAL | ZX_RIGHT_SIGNAL_PEER | ZX_RIGHT_WAIT)
    ), other


def user(calls: Calls, handle: int) -> int:
    """The user signals asserted now."""
    return calls.signals(handle) & ZX_USER_SIGNAL_ALL


# zx_object_signal


def test_signals_are_cleared_first_and_then_set(calls: Calls) -> None:
    event, _ = make(calls, "event")
    signal = calls.zx.zx_object_signal
    assert signal(event, 0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_7) == ZX_OK
    assert user(calls, event) == ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_7
    assert signal(event, ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_1) == ZX_OK
    assert user(calls, event) == ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_7
    # In both masks: it is set.
    assert signal(event, ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0) == ZX_OK
    assert user(calls, event) == ZX_USER_SIGNAL_0
    assert signal(event, 0, 0) == ZX_OK
    assert user(calls, event) == ZX_USER_SIGNAL_0


@pytest.mark.parametrize("kind", [kind for kind in HALVES + ALONE if kind != "port"])
def test_every_type_has_the_eight_user_signals(calls: Calls, kind: str) -> None:
    handle, _ = make(calls, kind)
    for bit in range(24, 32):
        assert calls.zx.zx_object_signal(handle, 0, 1 << bit) == ZX_OK
    assert user(calls, handle) == ZX_USER_SIGNAL_ALL
    assert calls.zx.zx_object_signal(handle, ZX_USER_SIGNAL_ALL, 0) == ZX_OK
    assert user(calls, handle) == 0


@pytest.mark.shows("zx_object_signal", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("kind", [kind for kind in HALVES + ALONE if kind != "port"])
def test_signals_of_the_kernel_are_not_the_users(calls: Calls, kind: str) -> None:
    """Setting and clearing alike. Events and event pairs have one more that users may change."""
    handle, _ = make(calls, kind)
    before = calls.signals(handle)
    allowed = ZX_EVENT_SIGNALED if kind in ("event", "eventpair") else 0
    for bit in range(24):
        expected = ZX_OK if 1 << bit == allowed else ZX_ERR_INVALID_ARGS
        assert calls.zx.zx_object_signal(handle, 0, 1 << bit) == expected
        assert calls.zx.zx_object_signal(handle, 1 << bit, 0) == expected
        assert calls.zx.zx_object_signal(handle, ZX_USER_SIGNAL_ALL, ZX_USER_SIGNAL_0 | 1 << bit) == expected
        calls.zx.zx_object_signal(handle, ZX_USER_SIGNAL_ALL | allowed, 0)
    assert calls.signals(handle) == before


@pytest.mark.shows("zx_object_signal", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_signal", "ZX_ERR_ACCESS_DENIED")
def test_signal_checks_the_handle_then_the_right_then_the_masks(calls: Calls) -> None:
    event = calls.event()
    signal = calls.zx.zx_object_signal
    for value in (0, NEVER_A_HANDLE):
        assert signal(value, 0, 1) == ZX_ERR_BAD_HANDLE
    assert signal(calls.without(event, ZX_RIGHT_SIGNAL), 0, 1) == ZX_ERR_ACCESS_DENIED
    assert signal(calls.duplicate(event, ZX_RIGHT_SIGNAL), 0, ZX_USER_SIGNAL_0) == ZX_OK
    assert user(calls, event) == ZX_USER_SIGNAL_0


def test_all_handles_of_an_object_see_its_signals(calls: Calls, program: Program) -> None:
    event = calls.event()
    other = calls.duplicate(event, ZX_RIGHT_WAIT)
    theirs = program.give(other)
    calls.ok(calls.zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_1))

    async def body(zx: Any) -> Any:
        return await zx.zx_object_wait_one(theirs, ZX_USER_SIGNAL_1, 0)

    program.start(body)
    program.settle()
    assert program.results == [(ZX_OK, ZX_USER_SIGNAL_1)]
    assert user(calls, other) == ZX_USER_SIGNAL_1


# zx_object_signal_peer


@pytest.mark.parametrize("kind", HALVES)
def test_a_peer_is_signalled_and_not_oneself(calls: Calls, kind: str) -> None:
    one, other = make(calls, kind)
    assert calls.zx.zx_object_signal_peer(one, 0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1) == ZX_OK
    assert (user(calls, one), user(calls, other)) == (0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1)
    assert calls.zx.zx_object_signal_peer(one, ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_7) == ZX_OK
    assert user(calls, other) == ZX_USER_SIGNAL_1 | ZX_USER_SIGNAL_7


@pytest.mark.shows("zx_object_signal_peer", "ZX_ERR_PEER_CLOSED")
@pytest.mark.shows("zx_object_signal_peer", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("kind", HALVES)
def test_a_peer_that_is_gone_is_not_signalled(calls: Calls, kind: str) -> None:
    one, other = make(calls, kind)
    calls.close(other)
    assert calls.zx.zx_object_signal_peer(one, 0, ZX_USER_SIGNAL_0) == ZX_ERR_PEER_CLOSED
    # The masks come first.
    assert calls.zx.zx_object_signal_peer(one, 0, 1) == ZX_ERR_INVALID_ARGS
    assert calls.zx.zx_object_signal_peer(one, 1, 0) == ZX_ERR_INVALID_ARGS
    assert user(calls, one) == 0


@pytest.mark.shows("zx_object_signal_peer", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.parametrize("kind", ALONE)
def test_what_has_no_peer_signals_none(calls: Calls, kind: str) -> None:
    alone, _ = make(calls, kind)
    assert calls.zx.zx_object_signal_peer(alone, 0, ZX_USER_SIGNAL_0) == ZX_ERR_NOT_SUPPORTED
    assert calls.zx.zx_object_signal_peer(alone, 0, 1) == ZX_ERR_NOT_SUPPORTED


@pytest.mark.shows("zx_object_signal_peer", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_signal_peer", "ZX_ERR_ACCESS_DENIED")
def test_signal_peer_checks_the_handle_then_the_right(calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_eventpair_create(0))
    signal = calls.zx.zx_object_signal_peer
    for value in (0, NEVER_A_HANDLE):
        assert signal(value, 0, 1) == ZX_ERR_BAD_HANDLE
    assert signal(calls.without(one, ZX_RIGHT_SIGNAL_PEER), 0, 1) == ZX_ERR_ACCESS_DENIED
    assert signal(calls.event(), 0, 1) == ZX_ERR_ACCESS_DENIED  # events have no SIGNAL_PEER
    assert signal(calls.duplicate(one, ZX_RIGHT_SIGNAL_PEER), 0, ZX_USER_SIGNAL_0) == ZX_OK
    assert user(calls, other) == ZX_USER_SIGNAL_0


def test_a_peer_that_goes_is_told_by_the_kernel(calls: Calls) -> None:
    one, other = calls.ok(calls.zx.zx_eventpair_create(0))
    assert not calls.signals(one) & ZX_EVENTPAIR_PEER_CLOSED
    calls.close(other)
    assert calls.signals(one) & ZX_EVENTPAIR_PEER_CLOSED


# zx_object_wait_*: pointers, and each error in one place


def item(handle: int, waitfor: int) -> Any:
    return zx_wait_item_t(handle=handle, waitfor=waitfor, pending=0)


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_TIMED_OUT")
@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_NOT_SUPPORTED")
def test_errors_of_waiting_for_one(calls: Calls) -> None:
    wait = calls.zx.zx_object_wait_one
    port, _ = make(calls, "port")
    assert wait(NEVER_A_HANDLE, 1, ZX_TIME_INFINITE) == (ZX_ERR_BAD_HANDLE, 0)
    assert wait(calls.without(calls.event(), ZX_RIGHT_WAIT), 1, ZX_TIME_INFINITE) == (ZX_ERR_ACCESS_DENIED, 0)
    assert wait(port, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE)[0] == ZX_ERR_NOT_SUPPORTED
    assert wait(calls.event(), ZX_USER_SIGNAL_0, 0) == (ZX_ERR_TIMED_OUT, 0)


def by_machine_code(world: World, name: str, *arguments: int) -> int:
    """What the call answers to a thread of the world's process."""
    code = b"".join(
        world.set(register, value) for register, value in zip(("rdi", "rsi", "rdx"), arguments, strict=False)
    )
    if len(arguments) > 3:
        code += b"\x48\xb9" + arguments[3].to_bytes(8, "little")  # mov rcx, argument
    thread = world.run(code + world.call(name) + world.store_rax(64) + world.exit)
    assert world.ended(thread)
    return (world.word(64) + (1 << 31)) % (1 << 32) - (1 << 31)


def give(calls: Calls, world: World, handle: int) -> int:
    owned: Any = calls.k.host.dispatcher.handles.get(handle)
    process: Any = calls.k.host.dispatcher.handles.get(world.process)
    return int(process.object.handles.add(Handle(owned.object, owned.rights)))


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("observed", [BAD_ADDRESS, 1 << 47, 1 << 63])
def test_where_the_signals_cannot_be_written(calls: Calls, world: World, observed: int) -> None:
    event = give(calls, world, calls.event())
    answer = by_machine_code(world, "zx_object_wait_one", event, ZX_USER_SIGNAL_0, 0, observed)
    assert answer == ZX_ERR_INVALID_ARGS


def test_who_does_not_ask_for_the_signals_waits_all_the_same(calls: Calls, world: World) -> None:
    event = give(calls, world, calls.event())
    world.listen(world.process)  # so that the process outlives the thread that ends
    assert by_machine_code(world, "zx_object_wait_one", event, ZX_USER_SIGNAL_0, 0, 0) == ZX_ERR_TIMED_OUT


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("items", [0, BAD_ADDRESS, 1 << 63])
def test_items_that_cannot_be_read(world: World, items: int) -> None:
    assert by_machine_code(world, "zx_object_wait_many", items, 1, 0) == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_OUT_OF_RANGE")
def test_the_number_of_items_comes_before_their_pointer(world: World) -> None:
    for count in (abi.ZX_WAIT_MANY_MAX_ITEMS + 1, 1 << 60):
        world = World(world.k)
        assert by_machine_code(world, "zx_object_wait_many", BAD_ADDRESS, count, 0) == ZX_ERR_OUT_OF_RANGE


@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_TIMED_OUT")
def test_errors_of_waiting_for_many(calls: Calls) -> None:
    wait = calls.zx.zx_object_wait_many
    event = calls.event()
    deaf = calls.without(event, ZX_RIGHT_WAIT)
    port, _ = make(calls, "port")
    for wrong, expected in (
        (NEVER_A_HANDLE, ZX_ERR_BAD_HANDLE),
        (deaf, ZX_ERR_ACCESS_DENIED),
        (port, ZX_ERR_NOT_SUPPORTED),
    ):
        items = [item(event, ZX_USER_SIGNAL_0), item(wrong, ZX_USER_SIGNAL_0)]
        assert wait(items, ZX_TIME_INFINITE)[0] == expected
    assert wait([item(event, ZX_USER_SIGNAL_0)], 0)[0] == ZX_ERR_TIMED_OUT


@pytest.mark.shows("zx_object_wait_one", "ZX_ERR_CANCELED")
@pytest.mark.shows("zx_object_wait_many", "ZX_ERR_CANCELED")
def test_a_handle_that_goes_to_another_process_ends_its_waits_when_it_arrives(
    calls: Calls, program: Program
) -> None:
    value = program.give(calls.event())
    one, other = calls.ok(calls.zx.zx_channel_create(0))
    channel = program.give(one)

    async def waits_for_one(zx: Any) -> Any:
        return (await zx.zx_object_wait_one(value, ZX_USER_SIGNAL_0, ZX_TIME_INFINITE))[0]

    async def waits_for_many(zx: Any) -> Any:
        return (await zx.zx_object_wait_many([item(value, ZX_USER_SIGNAL_0)], ZX_TIME_INFINITE))[0]

    async def sends(zx: Any) -> Any:
        return await zx.zx_channel_write(channel, 0, b"", [value])

    program.start(waits_for_one)
    program.start(waits_for_many)
    program.settle()
    program.start(sends)
    program.settle()
    assert program.results == [ZX_OK]
    calls.ok(calls.zx.zx_channel_read(other, 0, 0, 1))
    program.settle()
    assert program.results == [ZX_OK, ZX_ERR_CANCELED, ZX_ERR_CANCELED]


@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_NOT_SUPPORTED")
@pytest.mark.shows("zx_object_wait_async", "ZX_ERR_WRONG_TYPE")
def test_a_port_cannot_be_waited_for_by_a_port(calls: Calls) -> None:
    port, _ = make(calls, "port")
    assert calls.zx.zx_object_wait_async(port, port, 0, ZX_USER_SIGNAL_0, 0) == ZX_ERR_NOT_SUPPORTED
    assert calls.zx.zx_object_wait_async(port, calls.event(), 0, ZX_USER_SIGNAL_0, 0) == ZX_ERR_WRONG_TYPE
