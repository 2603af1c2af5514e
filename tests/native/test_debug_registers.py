"""Breakpoints and watchpoints on the real CPU. What holds on both engines is in tests/exceptions/test_breakpoints.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jacinth import Kernel
from jacinth.abi import (
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_THREAD_EXITING,
    ZX_THREAD_STATE_DEBUG_REGS,
)
from jacinth.machine.native.selftest import why_no_debug_registers, why_not
from tests.exceptions.conftest import World
from tests.exceptions.test_breakpoints import Debugged, debug_registers

MISSING = why_not() or why_no_debug_registers()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

WRITES, ACCESSES = 1, 3
LENGTHS = {1: 0, 2: 1, 4: 3, 8: 2}
# Code, with rdi the data page: mov [rdi + n], al; mov al, [rdi + n]; what makes it 8 bytes long.
STORE, LOAD, NOPS = b"\x88\x47", b"\x8a\x47", b"\x90" * 5


@pytest.fixture
def world() -> Iterator[World]:
    with Kernel(engine="native", cpus=1, memory=16 << 20, strict=True) as k:
        yield World(k)


def watch(world: World, thread: int, *watches: tuple[int, int, int]) -> None:
    """Address, type and length of each, from the first debug register on."""
    state = debug_registers(world, thread)
    state.dr = [*(address for address, _, _ in watches), 0, 0, 0, 0][:4]
    state.dr6, state.dr7 = 0, 0
    for index, (_, type_, length) in enumerate(watches):
        state.dr7 |= 1 << 2 * index | (type_ | LENGTHS[length] << 2) << 16 + 4 * index
    world.ok(world.zx.zx_thread_write_state(thread, ZX_THREAD_STATE_DEBUG_REGS, state.pack()))


def code(*accesses: bytes) -> bytes:
    return b"".join(access + NOPS for access in accesses)


def test_a_write_stops_the_thread_behind_it(world: World) -> None:
    debugged = Debugged(world, code(LOAD + b"\x08", STORE + b"\x07", STORE + b"\x08") + world.exit)
    world.set_registers(debugged.thread, rdi=world.data)
    watch(world, debugged.thread, (0, 0, 1), (world.data + 8, WRITES, 1))
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert debugged.place[0] == 16 + 3
    assert debug_registers(world, debugged.thread).dr6 == 0xFFFF0FF2
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_an_access_is_a_read_too(world: World) -> None:
    debugged = Debugged(world, code(LOAD + b"\x08", STORE + b"\x08") + world.exit)
    world.set_registers(debugged.thread, rdi=world.data)
    watch(world, debugged.thread, (world.data + 8, ACCESSES, 1))
    for place in (3, 8 + 3):
        assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
        assert debugged.place[0] == place
        assert debug_registers(world, debugged.thread).dr6 == 0xFFFF0FF1
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


@pytest.mark.parametrize("length", [2, 4, 8])
def test_a_watchpoint_is_as_long_as_it_says(world: World, length: int) -> None:
    """It begins at a multiple of its length, as on the processor, whatever the lowest bits of its address."""
    places = [b"\x0f", b"\x10", bytes([0x10 + length - 1]), bytes([0x10 + length])]
    debugged = Debugged(world, code(*(STORE + place for place in places)) + world.exit)
    world.set_registers(debugged.thread, rdi=world.data)
    watch(world, debugged.thread, (world.data + 0x11, WRITES, length))
    for place in (8 + 3, 16 + 3):
        assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
        assert debugged.place[0] == place
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_all_four_at_once(world: World) -> None:
    stores = code(*(STORE + bytes([8 * index]) for index in range(3)))
    debugged = Debugged(world, stores + world.exit)
    world.set_registers(debugged.thread, rdi=world.data)
    watches = [(world.data + 8 * index, WRITES, 8) for index in range(3)]
    watch(world, debugged.thread, (debugged.entry + 16, 0, 1), *watches)
    seen = []
    for _ in range(3):
        assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
        seen.append((debugged.place[0], debug_registers(world, debugged.thread).dr6 & 0xF))
    assert seen == [(3, 2), (11, 4), (16, 1)]
    watch(world, debugged.thread, (0, 0, 1), *watches)
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert (debugged.place[0], debug_registers(world, debugged.thread).dr6 & 0xF) == (19, 8)
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_nothing_is_watched_in_the_pages_of_the_stub(world: World) -> None:
    """They are no part of the guest's memory, and the stub's own accesses must not stop it."""
    debugged = Debugged(world, world.set("rdi", 0) + world.call("zx_thread_legacy_yield") + world.exit)
    watch(world, debugged.thread, *((place, ACCESSES, 8) for place in (0x40000, 0x40040, 0x4FFF8)))
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_what_a_thread_watches_others_may_touch(world: World) -> None:
    """Also where they take turns on one CPU, in one address space."""
    channel = world.listen(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    # rsi: how often; mov [rdi], al; (a call, for turns); dec; jnz
    turn = STORE + b"\0" + b"\x57\x56\x31\xff" + world.call("zx_thread_legacy_yield") + b"\x5e\x5f\xff\xce"
    loop = turn + b"\x75" + bytes([256 - len(turn) - 2])
    threads = [world.thread(), world.thread()]
    for number, thread in enumerate(threads):
        world.ok(
            world.zx.zx_thread_start(
                thread, world.write(loop + world.exit), world.stack - 512 * number, world.data, 5
            )
        )
    held = [world.receive(channel), world.receive(channel)]
    watch(world, threads[0], (world.data, WRITES, 1))
    for message in held:
        world.resume(message.handle)
    hits = []
    while len(hits) < 7:
        message = world.receive(channel)
        hits.append((message.type, world.thread_info(threads[0]).wait_exception_channel_type != 0))
        if message.type == ZX_EXCP_HW_BREAKPOINT:
            assert hits[-1][1]
        world.resume(message.handle)
    assert sorted(type_ for type_, _ in hits) == sorted(
        [ZX_EXCP_HW_BREAKPOINT] * 5 + [ZX_EXCP_THREAD_EXITING] * 2
    )
