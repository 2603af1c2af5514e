"""Virtual interrupts. Source: docs/reference/syscalls/interrupt_*.md, zircon/system/utest/core/interrupt/."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import (
    Interrupt,
    InterruptPacket,
    Kernel,
    Packet,
    Port,
    ZxAlreadyBound,
    ZxBadState,
    ZxCanceled,
    ZxTimedOut,
)
from jacinth.abi import (
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_WRONG_TYPE,
    ZX_INTERRUPT_BIND,
    ZX_INTERRUPT_SLOT_USER,
    ZX_INTERRUPT_TIMESTAMP_MONO,
    ZX_INTERRUPT_UNBIND,
    ZX_INTERRUPT_VIRTUAL,
    ZX_INTERRUPT_WAKE_VECTOR,
    ZX_OK,
    ZX_PORT_BIND_TO_INTERRUPT,
    ZX_THREAD_STATE_BLOCKED_INTERRUPT,
    ZX_USER_SIGNAL_0,
    ZX_VIRTUAL_INTERRUPT_UNTRIGGERED,
)

from .conftest import Program

shows = pytest.mark.shows
KEY = 789


@pytest.fixture
def interrupt(k: Kernel) -> Interrupt[Kernel]:
    return Interrupt.create(caller=k)


@pytest.fixture
def port(k: Kernel) -> Port[Kernel]:
    return Port.create(ZX_PORT_BIND_TO_INTERRUPT, caller=k)


def packet(port: Port[Kernel]) -> int:
    """The timestamp of the next packet, which must be there."""
    found = port.wait(0)
    assert found.key == KEY and found.status == ZX_OK
    assert isinstance(found.contents, InterruptPacket)
    return found.contents.timestamp


def nothing(port: Port[Kernel]) -> bool:
    try:
        port.wait(0)
    except ZxTimedOut:
        return True
    return False


def untriggered(interrupt: Interrupt[Kernel]) -> bool:
    """By its signal."""
    _, seen = interrupt._caller.sys.zx_object_wait_one(interrupt.raw, ZX_VIRTUAL_INTERRUPT_UNTRIGGERED, 0)
    return bool(seen & ZX_VIRTUAL_INTERRUPT_UNTRIGGERED)


# Making


def test_a_virtual_interrupt_needs_no_resource(zx: Any) -> None:
    assert zx.zx_interrupt_create(0, 0, ZX_INTERRUPT_VIRTUAL)[0] == ZX_OK
    assert zx.zx_interrupt_create(0x123, 5, ZX_INTERRUPT_VIRTUAL)[0] == ZX_OK


@shows("zx_interrupt_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 2, 1 << 31])
def test_other_options_are_invalid(zx: Any, options: int) -> None:
    assert zx.zx_interrupt_create(0, 0, ZX_INTERRUPT_VIRTUAL | options) == (ZX_ERR_INVALID_ARGS, 0)


def test_one_that_would_wake_the_machine_needs_a_resource(k: Kernel, zx: Any) -> None:
    options = ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_WAKE_VECTOR
    assert zx.zx_interrupt_create(0, 0, options) == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_interrupt_create(k.host.process, 0, options) == (ZX_ERR_WRONG_TYPE, 0)
    status, interrupt = zx.zx_interrupt_create(k.host.root_resource, 0, options)
    assert status == ZX_OK
    assert zx.zx_interrupt_trigger(interrupt, 0, 5) == ZX_OK
    assert zx.zx_interrupt_wait(interrupt) == (ZX_OK, 5)


@shows("zx_interrupt_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_interrupt_create", "ZX_ERR_WRONG_TYPE")
@shows("zx_interrupt_create", "ZX_ERR_INVALID_ARGS")
def test_the_machine_has_no_interrupts_of_its_own(k: Kernel, zx: Any) -> None:
    assert zx.zx_interrupt_create(0, 1, 0) == (ZX_ERR_BAD_HANDLE, 0)
    assert zx.zx_interrupt_create(k.host.process, 1, 0) == (ZX_ERR_WRONG_TYPE, 0)
    assert zx.zx_interrupt_create(k.host.root_resource, 1, ZX_INTERRUPT_SLOT_USER & ~0x10)[0] != ZX_OK


def test_its_options_are_information(k: Kernel) -> None:
    made = Interrupt.create(ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_TIMESTAMP_MONO, caller=k)
    assert made.info.options == ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_TIMESTAMP_MONO


# Waiting


def test_a_triggered_interrupt_is_not_waited_for(interrupt: Interrupt[Kernel]) -> None:
    interrupt.trigger(12345)
    assert interrupt.wait() == 12345
    interrupt.trigger(67890)
    assert interrupt.wait() == 67890


def test_the_time_need_not_be_asked_for(zx: Any, interrupt: Interrupt[Kernel]) -> None:
    interrupt.trigger(1)
    assert zx.zx_interrupt_wait(interrupt.raw)[0] == ZX_OK


def test_of_several_the_first_one_s_time_is_kept(interrupt: Interrupt[Kernel]) -> None:
    interrupt.trigger(5)
    interrupt.trigger(6)
    assert interrupt.wait() == 5
    interrupt.trigger(7)
    interrupt.trigger(8)
    assert interrupt.wait() == 7


def _waiting(program: Program, interrupt: Interrupt[Kernel], results: list[Any]) -> Any:
    """A thread that waits for the interrupt, and has got so far."""
    handle = program.give(interrupt.raw)

    async def body(zx: Any) -> None:
        results.append(await zx.zx_interrupt_wait(handle))

    thread = program.start(body)
    program.settle()
    return thread


def test_a_thread_waits_until_it_happens(program: Program, interrupt: Interrupt[Kernel]) -> None:
    results: list[Any] = []
    thread = _waiting(program, interrupt, results)
    assert thread.info_state == ZX_THREAD_STATE_BLOCKED_INTERRUPT
    assert results == []
    interrupt.trigger(99)
    program.settle()
    assert results == [(ZX_OK, 99)]


@shows("zx_interrupt_wait", "ZX_ERR_BAD_STATE")
@shows("zx_interrupt_bind", "ZX_ERR_BAD_STATE")
def test_only_one_thread_waits(program: Program, interrupt: Interrupt[Kernel], port: Port[Kernel]) -> None:
    results: list[Any] = []
    _waiting(program, interrupt, results)
    with pytest.raises(ZxBadState):
        interrupt.wait()
    with pytest.raises(ZxBadState):
        interrupt.bind(port, KEY)
    assert results == []


def test_a_killed_thread_waits_no_longer(
    program: Program, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    results: list[Any] = []
    thread = _waiting(program, interrupt, results)
    thread.kill()
    program.settle()
    interrupt.bind(port, KEY)
    assert results == []


@shows("zx_interrupt_wait", "ZX_ERR_CANCELED")
@shows("zx_interrupt_trigger", "ZX_ERR_CANCELED")
@shows("zx_interrupt_bind", "ZX_ERR_CANCELED")
def test_a_destroyed_interrupt_is_canceled(
    program: Program, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    results: list[Any] = []
    _waiting(program, interrupt, results)
    interrupt.destroy()
    program.settle()
    assert results[0][0] == ZxCanceled().status
    for act in (
        interrupt.wait,
        lambda: interrupt.trigger(1),
        lambda: interrupt.bind(port, KEY),
    ):
        with pytest.raises(ZxCanceled):
            act()


# Ports


def test_what_was_triggered_before_is_sent_when_it_is_bound(
    interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.trigger(12345)
    interrupt.bind(port, KEY)
    assert packet(port) == 12345


def test_the_next_packet_comes_after_the_acknowledgement(
    interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    interrupt.trigger(2)
    interrupt.trigger(3)
    assert packet(port) == 1
    assert nothing(port)
    interrupt.ack()
    assert packet(port) == 2
    interrupt.ack()
    assert nothing(port)
    interrupt.trigger(4)
    assert packet(port) == 4


@shows("zx_interrupt_ack", "ZX_ERR_BAD_STATE")
def test_a_packet_that_was_not_read_cannot_be_followed(
    interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    interrupt.trigger(2)
    with pytest.raises(ZxBadState):
        interrupt.ack()
    assert packet(port) == 1


@shows("zx_interrupt_ack", "ZX_ERR_BAD_STATE")
def test_only_bound_interrupts_are_acknowledged(interrupt: Interrupt[Kernel]) -> None:
    with pytest.raises(ZxBadState):
        interrupt.ack()


@shows("zx_interrupt_wait", "ZX_ERR_BAD_STATE")
@shows("zx_interrupt_bind", "ZX_ERR_ALREADY_BOUND")
def test_a_bound_interrupt_is_neither_waited_for_nor_bound_again(
    interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.bind(port, KEY)
    with pytest.raises(ZxBadState):
        interrupt.wait()
    with pytest.raises(ZxAlreadyBound):
        interrupt.bind(port, KEY)


@shows("zx_interrupt_bind", "ZX_ERR_WRONG_TYPE")
def test_a_port_must_be_made_for_it(k: Kernel, zx: Any, interrupt: Interrupt[Kernel]) -> None:
    plain = Port.create(caller=k)
    for options in (ZX_INTERRUPT_BIND, ZX_INTERRUPT_UNBIND):
        assert zx.zx_interrupt_bind(interrupt.raw, plain.raw, KEY, options) == ZX_ERR_WRONG_TYPE


@shows("zx_interrupt_bind", "ZX_ERR_INVALID_ARGS")
def test_options_of_binding_are_checked_first(zx: Any) -> None:
    assert zx.zx_interrupt_bind(0, 0, KEY, 2) == ZX_ERR_INVALID_ARGS


@shows("zx_interrupt_bind", "ZX_ERR_NOT_FOUND")
def test_unbinding_takes_back_the_packet(
    k: Kernel, zx: Any, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    other = Port.create(ZX_PORT_BIND_TO_INTERRUPT, caller=k)
    assert zx.zx_interrupt_bind(interrupt.raw, port.raw, 0, ZX_INTERRUPT_UNBIND) == ZX_ERR_NOT_FOUND
    interrupt.bind(port, KEY)
    assert zx.zx_interrupt_bind(interrupt.raw, other.raw, 0, ZX_INTERRUPT_UNBIND) == ZX_ERR_NOT_FOUND
    interrupt.trigger(1)
    interrupt.unbind(port)
    assert nothing(port)
    interrupt.trigger(2)
    assert nothing(port)


@shows("zx_interrupt_destroy", "ZX_ERR_NOT_FOUND")
@shows("zx_interrupt_ack", "ZX_ERR_CANCELED")
@shows("zx_interrupt_bind", "ZX_ERR_CANCELED")
def test_destroying_what_is_being_handled_says_so(
    zx: Any, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    assert packet(port) == 1
    assert zx.zx_interrupt_destroy(interrupt.raw) == ZX_ERR_NOT_FOUND
    for act in (interrupt.ack, lambda: interrupt.trigger(1), lambda: interrupt.unbind(port)):
        with pytest.raises(ZxCanceled):
            act()


def test_destroying_takes_back_a_packet_that_was_not_read(
    interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    interrupt.destroy()
    assert nothing(port)


def test_closing_the_last_handle_destroys_it(interrupt: Interrupt[Kernel], port: Port[Kernel]) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    interrupt.close()
    assert nothing(port)


def test_interrupts_go_before_other_packets(
    k: Kernel, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    port.queue(Packet(1))
    interrupt.bind(port, KEY)
    interrupt.trigger(5)
    assert packet(port) == 5
    assert port.wait(0).key == 1


def test_a_thread_that_waits_at_the_port_gets_it(
    program: Program, interrupt: Interrupt[Kernel], port: Port[Kernel]
) -> None:
    handle = program.give(port.raw)
    results: list[Any] = []

    async def body(zx: Any) -> None:
        results.append(await zx.zx_port_wait(handle, 1 << 62))

    program.start(body)
    program.settle()
    interrupt.bind(port, KEY)
    interrupt.trigger(77)
    program.settle()
    status, seen = results[0]
    assert (status, seen.key, seen.interrupt.timestamp) == (ZX_OK, KEY, 77)


# Signals


def test_user_signals_work(k: Kernel, interrupt: Interrupt[Kernel]) -> None:
    interrupt.signal(0, ZX_USER_SIGNAL_0)
    assert interrupt._caller.sys.zx_object_wait_one(interrupt.raw, ZX_USER_SIGNAL_0, 0)[0] == ZX_OK


def test_the_signal_says_that_nothing_is_to_be_handled(
    program: Program, interrupt: Interrupt[Kernel]
) -> None:
    assert untriggered(interrupt)
    interrupt.trigger(1)
    assert not untriggered(interrupt)
    interrupt.wait()
    assert not untriggered(interrupt)
    results: list[Any] = []
    _waiting(program, interrupt, results)  # which acknowledges
    assert untriggered(interrupt)
    interrupt.trigger(2)
    program.settle()
    assert results == [(ZX_OK, 2)]
    assert not untriggered(interrupt)
    interrupt.destroy()
    assert untriggered(interrupt)


def test_an_acknowledgement_asserts_the_signal(interrupt: Interrupt[Kernel], port: Port[Kernel]) -> None:
    interrupt.bind(port, KEY)
    interrupt.trigger(1)
    assert packet(port) == 1
    assert not untriggered(interrupt)
    interrupt.ack()
    assert untriggered(interrupt)
    interrupt.trigger(2)
    interrupt.trigger(3)
    assert packet(port) == 2
    interrupt.ack()
    assert not untriggered(interrupt)  # it happened again at once
    assert packet(port) == 3


@shows("zx_interrupt_trigger", "ZX_ERR_INVALID_ARGS")
def test_options_of_triggering_are_checked_first(zx: Any) -> None:
    assert zx.zx_interrupt_trigger(0, 1, 0) == ZX_ERR_INVALID_ARGS
