"""Hardware breakpoints: the debug registers of a thread. Source: core tests of threads, the processor manuals."""

from __future__ import annotations

import pytest

from jacinth.abi import (
    BY_NAME,
    ZX_ERR_INVALID_ARGS,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_THREAD_EXITING,
    ZX_THREAD_STATE_DEBUG_REGS,
    ZX_THREAD_STATE_SINGLE_STEP,
    zx_thread_state_debug_regs_t,
)
from tests.exceptions.conftest import Message, World

# xor eax, eax; inc eax; inc eax; nop; inc eax
COUNT = b"\x31\xc0\xff\xc0\xff\xc0\x90\xff\xc0"


def debug_registers(world: World, thread: int) -> zx_thread_state_debug_regs_t:
    size = zx_thread_state_debug_regs_t.SIZE
    data = world.ok(world.zx.zx_thread_read_state(thread, ZX_THREAD_STATE_DEBUG_REGS, size))
    return zx_thread_state_debug_regs_t.unpack(data)


def set_breakpoints(world: World, thread: int, *addresses: int) -> None:
    """At most four; none switches them all off."""
    state = debug_registers(world, thread)
    state.dr = [*addresses, 0, 0, 0, 0][:4]
    state.dr7 = 0x400 | sum(1 << 2 * index for index in range(len(addresses)))
    world.ok(world.zx.zx_thread_write_state(thread, ZX_THREAD_STATE_DEBUG_REGS, state.pack()))


class Debugged:
    """A thread at its first instruction, with a debugger."""

    def __init__(self, world: World, code: bytes) -> None:
        self.world = world
        self.channel = world.listen(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
        self.thread = world.thread()
        self.entry = world.start(self.thread, code, world.data, 5)
        self.message = world.receive(self.channel)

    def go(self) -> Message:
        """Let it run to its next exception."""
        self.world.resume(self.message.handle)
        self.message = self.world.receive(self.channel)
        return self.message

    @property
    def place(self) -> tuple[int, int]:
        regs = self.world.registers(self.thread)
        return regs.rip - self.entry, regs.rax


def test_a_thread_stops_before_the_instruction(world: World) -> None:
    debugged = Debugged(world, COUNT + world.exit)
    thread, entry = debugged.thread, debugged.entry
    set_breakpoints(world, thread, entry + 4, entry + 7)
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert debugged.place == (4, 1)
    assert debug_registers(world, thread).dr6 == 0xFFFF0FF1
    # As on the processor, it stops there again while the breakpoint is set.
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert debugged.place == (4, 1)
    set_breakpoints(world, thread, 0, entry + 7)
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert debugged.place == (7, 2)
    assert debug_registers(world, thread).dr6 == 0xFFFF0FF2
    set_breakpoints(world, thread)
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_a_single_step_shows_as_such(world: World) -> None:
    debugged = Debugged(world, COUNT + world.exit)
    world.ok(world.zx.zx_thread_write_state(debugged.thread, ZX_THREAD_STATE_SINGLE_STEP, b"\1\0\0\0"))
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    assert debug_registers(world, debugged.thread).dr6 == 0xFFFF4FF0


def test_a_loop_stops_every_time_around(world: World) -> None:
    # mov ecx, 3; inc eax; loop
    debugged = Debugged(world, b"\x31\xc0\xb9\x03\0\0\0\xff\xc0\xe2\xfc" + world.exit)
    for turn in range(3):
        set_breakpoints(world, debugged.thread, debugged.entry + 7)
        debugged.go()
        assert debugged.place == (7, turn)
        set_breakpoints(world, debugged.thread, debugged.entry + 9)
        debugged.go()
        assert debugged.place == (9, turn + 1)
    set_breakpoints(world, debugged.thread)
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


@pytest.mark.parametrize("where", ["after the call", "after the instruction"])
def test_a_breakpoint_behind_a_system_call(world: World, where: str) -> None:
    call = b"\x31\xff" + world.call("zx_thread_legacy_yield")
    debugged = Debugged(world, call + b"\x90" + world.exit)
    if where == "after the call":
        address = debugged.entry + len(call)
    else:
        sites = world.k.syscall_sites
        address = world.vdso + sites[BY_NAME["zx_thread_legacy_yield"].number] + 2
    set_breakpoints(world, debugged.thread, address)
    assert debugged.go().type == ZX_EXCP_HW_BREAKPOINT
    regs = world.registers(debugged.thread)
    assert (regs.rip, regs.rax) == (address, 0)
    set_breakpoints(world, debugged.thread)
    assert debugged.go().type == ZX_EXCP_THREAD_EXITING


def test_breakpoints_are_a_threads_own(world: World) -> None:
    """Two threads run the same code, in turns: only one of them stops."""
    code = (
        COUNT + b"\x31\xff" + world.call("zx_thread_legacy_yield") + COUNT + world.store_rax(0) + b"\xeb\xfe"
    )
    entry = world.write(code)
    channel = world.listen(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
    threads = [world.thread(), world.thread()]
    held = []
    for thread in threads:
        world.ok(world.zx.zx_thread_start(thread, entry, world.stack, 0, 0))
        held.append(world.receive(channel))
    set_breakpoints(world, threads[0], entry + 4)
    for message in held:
        world.resume(message.handle)
    for _ in range(3):
        message = world.receive(channel)
        assert message.type == ZX_EXCP_HW_BREAKPOINT
        got = world.ok(world.zx.zx_exception_get_thread(message.handle))
        assert world.thread_info(threads[0]).wait_exception_channel_type != 0
        assert world.registers(got).rip == entry + 4
        world.resume(message.handle)
    world.settle()
    assert world.word(0) == 3


@pytest.mark.shows("zx_thread_write_state", "ZX_ERR_INVALID_ARGS")
def test_addresses_are_of_user_space(world: World) -> None:
    debugged = Debugged(world, COUNT + world.exit)
    state = debug_registers(world, debugged.thread)
    assert (state.dr, state.dr6, state.dr7) == ([0, 0, 0, 0], 0xFFFF0FF0, 0x700)
    state.dr = [1 << 47, 0, 0, 0]
    status = world.zx.zx_thread_write_state(debugged.thread, ZX_THREAD_STATE_DEBUG_REGS, state.pack())
    assert status == ZX_ERR_INVALID_ARGS
