"""The registers of a thread, read and written from outside, and that the machine has them and code uses them.

Source: docs/reference/syscalls/thread_read_state.md, thread_write_state.md; order from thread_dispatcher.cc; values that no
thread may have from zircon/kernel/arch/x86/{debugger,registers}.cc; core tests of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_WRONG_TYPE,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_THREAD_EXITING,
    ZX_OK,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_THREAD_STATE_DEBUG_REGS,
    ZX_THREAD_STATE_FP_REGS,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_SINGLE_STEP,
    ZX_THREAD_STATE_VECTOR_REGS,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
)
from tests.tasks.conftest import PAGE, Calls, Memory, World

NEVER_A_HANDLE = 3
BAD_ADDRESS = 0x10
USER_TOP = 1 << 47
TOO_LOW = 0xFFFF_7FFF_FFFF_FFFF  # the last address that is not canonical
SPIN = b"\xeb\xfe"  # jmp to itself


class Kind(NamedTuple):
    number: int
    size: int


KINDS = {
    "general": Kind(ZX_THREAD_STATE_GENERAL_REGS, zx_thread_state_general_regs_t.SIZE),
    "fp": Kind(ZX_THREAD_STATE_FP_REGS, zx_thread_state_fp_regs_t.SIZE),
    "vector": Kind(ZX_THREAD_STATE_VECTOR_REGS, zx_thread_state_vector_regs_t.SIZE),
    "debug": Kind(ZX_THREAD_STATE_DEBUG_REGS, zx_thread_state_debug_regs_t.SIZE),
    "single step": Kind(ZX_THREAD_STATE_SINGLE_STEP, 4),
}

each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


def read_shows(*statuses: str) -> Callable[[Any], Any]:
    return _shows("zx_thread_read_state", statuses)


def write_shows(*statuses: str) -> Callable[[Any], Any]:
    return _shows("zx_thread_write_state", statuses)


def _shows(call: str, statuses: tuple[str, ...]) -> Callable[[Any], Any]:
    def mark(test: Any) -> Any:
        for status in statuses:
            test = pytest.mark.shows(call, f"ZX_ERR_{status}")(test)
        return test

    return mark


class Stopped:
    """A thread that *code* runs on, from the moment on at which it is suspended for the first time."""

    def __init__(self, world: World, code: bytes = SPIN) -> None:
        self.world = world
        self.thread = world.thread()
        self.entry = world.write(code)
        self.token = 0
        self.suspend()
        world.ok(world.zx.zx_thread_start(self.thread, self.entry, world.stack, 0, 0))
        world.settle()

    def suspend(self) -> None:
        self.token = int(self.world.ok(self.world.zx.zx_task_suspend_token(self.thread)))
        self.world.settle()

    def resume(self) -> None:
        """Let it run for a while."""
        self.world.close(self.token)
        self.world.settle()

    def run(self) -> None:
        """Let it run for a while, and suspend it again."""
        self.resume()
        self.suspend()

    def read(self, kind: int, cls: type[Any]) -> Any:
        return cls.unpack(self.world.ok(self.world.zx.zx_thread_read_state(self.thread, kind, cls.SIZE)))

    def write(self, kind: int, state: Any) -> int:
        return int(self.world.zx.zx_thread_write_state(self.thread, kind, state.pack()))

    @property
    def general(self) -> zx_thread_state_general_regs_t:
        found: zx_thread_state_general_regs_t = self.read(
            ZX_THREAD_STATE_GENERAL_REGS, zx_thread_state_general_regs_t
        )
        return found

    def set_general(self, **values: int) -> int:
        regs = self.general
        for name, value in values.items():
            setattr(regs, name, value)
        return self.write(ZX_THREAD_STATE_GENERAL_REGS, regs)

    @property
    def fp(self) -> zx_thread_state_fp_regs_t:
        found: zx_thread_state_fp_regs_t = self.read(ZX_THREAD_STATE_FP_REGS, zx_thread_state_fp_regs_t)
        return found

    @property
    def vector(self) -> zx_thread_state_vector_regs_t:
        found: zx_thread_state_vector_regs_t = self.read(
            ZX_THREAD_STATE_VECTOR_REGS, zx_thread_state_vector_regs_t
        )
        return found

    @property
    def debug(self) -> zx_thread_state_debug_regs_t:
        found: zx_thread_state_debug_regs_t = self.read(
            ZX_THREAD_STATE_DEBUG_REGS, zx_thread_state_debug_regs_t
        )
        return found


@pytest.fixture
def stopped(world: World) -> Stopped:
    return Stopped(world)


# Sizes and buffers


@read_shows("BUFFER_TOO_SMALL")
@write_shows("BUFFER_TOO_SMALL")
@each_kind
def test_a_buffer_must_have_room_for_the_struct(
    stopped: Stopped, memory: Memory, trap: Callable[..., int], kind: Kind
) -> None:
    for size in (0, 1, kind.size - 1):
        for call in ("zx_thread_read_state", "zx_thread_write_state"):
            status = trap(call, stopped.thread, kind.number, memory.address, size)
            assert status == ZX_ERR_BUFFER_TOO_SMALL
    assert memory.get(0, kind.size) == bytes(kind.size)


@each_kind
def test_a_larger_buffer_is_not_touched_behind_the_struct(
    stopped: Stopped, memory: Memory, trap: Callable[..., int], kind: Kind
) -> None:
    at = memory.put(0, b"\xee" * (kind.size + 64))
    for size in (kind.size, kind.size + 1, 1 << 40):
        assert trap("zx_thread_read_state", stopped.thread, kind.number, at, size) == ZX_OK
        assert memory.get(kind.size, 64) == b"\xee" * 64
        assert trap("zx_thread_write_state", stopped.thread, kind.number, at, size) == ZX_OK


@read_shows("INVALID_ARGS")
@write_shows("INVALID_ARGS")
@each_kind
def test_bad_buffers(stopped: Stopped, memory: Memory, trap: Callable[..., int], kind: Kind) -> None:
    for address in (0, BAD_ADDRESS, USER_TOP, memory.address + memory.SIZE - kind.size + 1):
        for call in ("zx_thread_read_state", "zx_thread_write_state"):
            assert trap(call, stopped.thread, kind.number, address, kind.size) == ZX_ERR_INVALID_ARGS


@read_shows("INVALID_ARGS")
@write_shows("INVALID_ARGS")
@pytest.mark.parametrize("kind", [3, 6, 7, 8, 0x777, (1 << 32) - 1])
def test_kinds_that_do_not_exist(
    stopped: Stopped, memory: Memory, trap: Callable[..., int], kind: int
) -> None:
    for call in ("zx_thread_read_state", "zx_thread_write_state"):
        assert trap(call, stopped.thread, kind, memory.address, PAGE) == ZX_ERR_INVALID_ARGS


# Handles


@read_shows("BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
@write_shows("BAD_HANDLE", "WRONG_TYPE", "ACCESS_DENIED")
@each_kind
def test_the_handle_comes_first(calls: Calls, stopped: Stopped, kind: Kind) -> None:
    read, write = calls.zx.zx_thread_read_state, calls.zx.zx_thread_write_state
    for handle, status in [
        (0, ZX_ERR_BAD_HANDLE),
        (NEVER_A_HANDLE, ZX_ERR_BAD_HANDLE),
        (stopped.world.process, ZX_ERR_WRONG_TYPE),
        (calls.without(stopped.thread, ZX_RIGHT_READ | ZX_RIGHT_WRITE), ZX_ERR_ACCESS_DENIED),
    ]:
        for number, size in ((kind.number, kind.size), (kind.number, 0), (0x777, PAGE)):
            assert read(handle, number, size) == (status, b"")
            assert write(handle, number, bytes(size)) == status


@each_kind
def test_reading_needs_read_and_writing_write(calls: Calls, stopped: Stopped, kind: Kind) -> None:
    read, write = calls.zx.zx_thread_read_state, calls.zx.zx_thread_write_state
    readable = calls.duplicate(stopped.thread, ZX_RIGHT_READ)
    writable = calls.duplicate(stopped.thread, ZX_RIGHT_WRITE)
    data = calls.ok(read(readable, kind.number, kind.size))
    assert write(writable, kind.number, data) == ZX_OK
    assert read(writable, kind.number, kind.size)[0] == ZX_ERR_ACCESS_DENIED
    assert write(readable, kind.number, data) == ZX_ERR_ACCESS_DENIED


# States


class States:
    """Threads in each state that a thread can be in."""

    def __init__(self, world: World) -> None:
        self.world = world

    def new(self) -> int:
        return self.world.thread()

    def running(self) -> int:
        thread = self.world.run(SPIN)
        self.world.settle()
        return thread

    def sleeping(self) -> int:
        world = self.world
        thread = world.run(world.set("rdi", (1 << 63) - 1) + world.call("zx_nanosleep"))
        world.settle()
        return thread

    def resumed(self) -> int:
        stopped = Stopped(self.world)
        stopped.resume()
        return stopped.thread

    def dead(self) -> int:
        self.world.run(SPIN)
        thread = self.world.run(self.world.exit)
        assert self.world.ended(thread)
        return thread

    def killed(self) -> int:
        stopped = Stopped(self.world)
        self.world.ok(self.world.zx.zx_task_kill(self.world.process))
        return stopped.thread

    def suspended(self) -> int:
        return Stopped(self.world).thread

    def suspended_asleep(self) -> int:
        thread = self.sleeping()
        self.world.ok(self.world.zx.zx_task_suspend_token(thread))
        return thread

    def in_exception(self) -> int:
        channel = self.world.listen(self.world.process)
        thread = self.world.crash()
        self.world.receive(channel)
        return thread

    def starting(self) -> int:
        channel = self.world.listen(self.world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
        thread = self.world.run(SPIN)
        self.world.receive(channel)
        return thread

    def exiting(self) -> int:
        """The thread has no general registers any more."""
        channel = self.world.listen(self.world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
        thread = self.world.run(self.world.exit)
        self.world.close(self.world.receive(channel).handle)
        assert self.world.receive(channel).type == ZX_EXCP_THREAD_EXITING
        return thread


@read_shows("BAD_STATE")
@write_shows("BAD_STATE")
@each_kind
@pytest.mark.parametrize("state", ["new", "running", "sleeping", "resumed", "dead", "killed"])
def test_a_thread_that_is_not_stopped_has_no_state(world: World, state: str, kind: Kind) -> None:
    thread = getattr(States(world), state)()
    read, write = world.zx.zx_thread_read_state, world.zx.zx_thread_write_state
    assert read(thread, kind.number, kind.size) == (ZX_ERR_BAD_STATE, b"")
    assert write(thread, kind.number, bytes(kind.size)) == ZX_ERR_BAD_STATE
    # Kind and size are looked at before, values after.
    assert read(thread, kind.number, kind.size - 1) == (ZX_ERR_BUFFER_TOO_SMALL, b"")
    assert write(thread, kind.number, bytes(kind.size - 1)) == ZX_ERR_BUFFER_TOO_SMALL
    assert write(thread, kind.number, b"\xff" * kind.size) == ZX_ERR_BAD_STATE
    assert read(thread, 0x777, PAGE) == (ZX_ERR_INVALID_ARGS, b"")


@each_kind
@pytest.mark.parametrize("state", ["suspended", "suspended_asleep", "in_exception", "starting"])
def test_a_stopped_thread_has_every_state(world: World, state: str, kind: Kind) -> None:
    thread = getattr(States(world), state)()
    data = world.ok(world.zx.zx_thread_read_state(thread, kind.number, kind.size))
    assert len(data) == kind.size
    assert world.zx.zx_thread_write_state(thread, kind.number, data) == ZX_OK
    assert world.ok(world.zx.zx_thread_read_state(thread, kind.number, kind.size)) == data


@read_shows("NOT_SUPPORTED")
@write_shows("NOT_SUPPORTED")
@pytest.mark.parametrize("name", ["general", "single step"])
def test_a_thread_that_exits_has_no_general_registers(world: World, name: str) -> None:
    thread, kind = States(world).exiting(), KINDS[name]
    assert world.zx.zx_thread_read_state(thread, kind.number, kind.size) == (ZX_ERR_NOT_SUPPORTED, b"")
    assert world.zx.zx_thread_write_state(thread, kind.number, bytes(kind.size)) == ZX_ERR_NOT_SUPPORTED


@pytest.mark.parametrize("name", ["fp", "vector", "debug"])
def test_a_thread_that_exits_has_its_other_registers(world: World, name: str) -> None:
    thread, kind = States(world).exiting(), KINDS[name]
    data = world.ok(world.zx.zx_thread_read_state(thread, kind.number, kind.size))
    assert world.zx.zx_thread_write_state(thread, kind.number, data) == ZX_OK


@read_shows("BAD_STATE")
def test_a_thread_does_not_see_its_own_registers(calls: Calls) -> None:
    own = calls.k.host.add(calls.k.host.thread)
    size = zx_thread_state_general_regs_t.SIZE
    assert calls.zx.zx_thread_read_state(own, ZX_THREAD_STATE_GENERAL_REGS, size)[0] == ZX_ERR_BAD_STATE


# General registers

GENERAL = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", *(f"r{number}" for number in range(8, 16))]
# push each of them, and the flags
PUSH_ALL = (
    b"\x50\x53\x51\x52\x56\x57\x55" + b"".join(bytes([0x41, 0x50 + number]) for number in range(8)) + b"\x9c"
)
# mov r64, imm64, for each of them
MOVE = {
    name: bytes([0x48, 0xB8 + number])
    for name, number in {"rax": 0, "rcx": 1, "rdx": 2, "rbx": 3, "rbp": 5, "rsi": 6, "rdi": 7}.items()
} | {f"r{8 + number}": bytes([0x49, 0xB8 + number]) for number in range(8)}


def pattern(name: str) -> int:
    """A number with all its bytes different from those of other registers."""
    return int.from_bytes(bytes((GENERAL.index(name) * 16 + byte + 1) & 0xFF for byte in range(8)), "little")


def test_code_has_the_general_registers_that_were_written(world: World) -> None:
    stopped = Stopped(world, PUSH_ALL + SPIN)
    top = world.data + 0x800
    values = {name: pattern(name) for name in GENERAL}
    assert stopped.set_general(**values, rsp=top, rflags=0xCD7) == ZX_OK
    stopped.run()
    pushed = [world.word(0x800 - 8 * (index + 1)) for index in range(len(GENERAL) + 1)]
    assert dict(zip(GENERAL, pushed, strict=False)) == values
    # CF PF AF ZF SF DF OF, with what is always set: bit 1 and IF.
    assert pushed[-1] == 0xCD7 | 0x200
    regs = stopped.general
    assert {name: getattr(regs, name) for name in GENERAL} == values
    assert regs.rsp == top - 8 * len(pushed)


def test_the_general_registers_that_code_has_are_read(world: World) -> None:
    values = {name: pattern(name) for name in GENERAL}
    code = b"".join(MOVE[name] + value.to_bytes(8, "little") for name, value in values.items())
    stopped = Stopped(world, code + b"\xf9" + SPIN)  # stc
    stopped.run()
    regs = stopped.general
    assert {name: getattr(regs, name) for name in GENERAL} == values
    assert regs.rip == stopped.entry + len(code) + 1
    assert regs.rsp == world.stack
    assert regs.rflags & 1


def test_the_thread_goes_on_where_it_is_told(world: World) -> None:
    # The first instruction spins; behind it rax is stored.
    stopped = Stopped(world, SPIN + world.store_rax(0) + SPIN)
    stopped.run()
    assert world.word(0) == 0
    assert stopped.set_general(rip=stopped.entry + len(SPIN), rax=99) == ZX_OK
    stopped.run()
    assert world.word(0) == 99


def test_only_the_flags_of_user_code_are_written(stopped: Stopped) -> None:
    user = 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800 | 0x4000 | 0x4_0000 | 0x20_0000
    assert stopped.set_general(rflags=0xFFFF_FFFF_FFFF_FEFF) == ZX_OK  # not TF: that is a single step
    assert stopped.general.rflags == user | 0x202
    assert stopped.set_general(rflags=0) == ZX_OK
    assert stopped.general.rflags == 0x202


@pytest.mark.parametrize("base", ["fs_base", "gs_base"])
def test_code_reads_through_the_bases_that_were_written(world: World, base: str) -> None:
    segment = b"\x64" if base == "fs_base" else b"\x65"
    # mov rax, fs:[8]; store it
    code = segment + b"\x48\x8b\x04\x25\x08\0\0\0" + world.store_rax(0) + SPIN
    stopped = Stopped(world, code)
    world.ok(world.zx.zx_vmo_write(world.data_vmo, (4711).to_bytes(8, "little"), 0x108))
    assert stopped.set_general(**{base: world.data + 0x100}) == ZX_OK
    stopped.run()
    assert world.word(0) == 4711
    assert getattr(stopped.general, base) == world.data + 0x100


@write_shows("INVALID_ARGS")
@pytest.mark.parametrize("name", ["fs_base", "gs_base"])
def test_bases_are_canonical(stopped: Stopped, name: str) -> None:
    before = stopped.general
    for value in (USER_TOP, 1 << 62, TOO_LOW):
        assert stopped.set_general(**{name: value, "rax": 5}) == ZX_ERR_INVALID_ARGS
    assert stopped.general == before
    for value in (0, USER_TOP - 1, TOO_LOW + 1, (1 << 64) - 1):
        assert stopped.set_general(**{name: value}) == ZX_OK
        assert getattr(stopped.general, name) == value


@write_shows("INVALID_ARGS")
def test_the_pc_is_an_address_of_user_space(stopped: Stopped) -> None:
    before = stopped.general
    for value in (USER_TOP, TOO_LOW, TOO_LOW + 1, (1 << 64) - 1):
        assert stopped.set_general(rip=value, rax=5) == ZX_ERR_INVALID_ARGS
    assert stopped.general == before
    assert stopped.set_general(rip=USER_TOP - 1) == ZX_OK


def test_any_stack_pointer_will_do(stopped: Stopped) -> None:
    for value in (0, 1, USER_TOP, (1 << 64) - 1):
        assert stopped.set_general(rsp=value) == ZX_OK
        assert stopped.general.rsp == value


# x87

ONE = (1 << 63, 0x3FFF)
PI = (0xC90F_DAA2_2168_C235, 0x4000)


def st(state: zx_thread_state_fp_regs_t, index: int) -> tuple[int, int]:
    return state.st[index].low, state.st[index].high


def test_the_x87_registers_of_a_new_thread(stopped: Stopped) -> None:
    fp = stopped.fp
    assert (fp.fcw, fp.fsw, fp.ftw, fp.fop, fp.fip, fp.fdp) == (0x37F, 0, 0, 0, 0, 0)
    assert [st(fp, index) for index in range(8)] == [(0, 0)] * 8


def test_the_x87_registers_that_code_has_are_read(world: World) -> None:
    stopped = Stopped(world, b"\xd9\xe8\xd9\xeb" + SPIN)  # fld1; fldpi
    stopped.run()
    fp = stopped.fp
    assert (st(fp, 0), st(fp, 1)) == (PI, ONE)
    assert (fp.fsw >> 11 & 7, fp.ftw) == (6, 0b1100_0000)


def test_code_has_the_x87_registers_that_were_written(world: World) -> None:
    """All eight of them: the sum of the first two, then the others, are stored; the control word rounds upwards."""
    # faddp; then fstp qword [rdi + 8 * i] seven times; fnstcw [rdi + 64]
    code = b"\xde\xc1" + b"".join(b"\xdd\x5f" + bytes([8 * index]) for index in range(7)) + b"\xd9\x7f\x40"
    stopped = Stopped(world, code + SPIN)
    fp = stopped.fp
    for index in range(8):  # 1.0, 2.0, 4.0, ...
        fp.st[index].low, fp.st[index].high = 1 << 63, 0x3FFF + index
    fp.ftw, fp.fsw, fp.fcw = 0xFF, 3 << 11, 0xB7F
    assert stopped.write(ZX_THREAD_STATE_FP_REGS, fp) == ZX_OK
    back = stopped.fp
    assert (back.ftw, back.fsw, back.fcw) == (0xFF, 3 << 11, 0xB7F)
    assert [st(back, index) for index in range(8)] == [(1 << 63, 0x3FFF + index) for index in range(8)]
    assert stopped.set_general(rdi=world.data) == ZX_OK
    stopped.run()
    # 1.0 + 2.0, then 4.0, 8.0, ... as doubles
    assert [world.word(8 * index) for index in range(7)] == [
        0x4008 << 48,
        *(0x3FF + power << 52 for power in range(2, 8)),
    ]
    assert world.word(64) & 0xFFFF == 0xB7F


# SSE


def test_the_vector_registers_of_a_new_thread(stopped: Stopped) -> None:
    vector = stopped.vector
    assert vector.mxcsr == 0x1F80
    assert all(register.v == [0] * 8 for register in vector.zmm)
    assert vector.opmask == [0] * 8


def movups(store: bool) -> bytes:
    """Load or store all sixteen registers, at rdi."""
    code = b""
    for index in range(16):
        rex = b"\x44" if index >= 8 else b""
        modrm = 0x87 | (index & 7) << 3  # [rdi + disp32]
        code += rex + bytes([0x0F, 0x11 if store else 0x10, modrm]) + (16 * index).to_bytes(4, "little")
    return code


def test_code_has_the_vector_registers_that_were_written(world: World) -> None:
    # stmxcsr [rdi + 0x200]
    stopped = Stopped(world, movups(store=True) + b"\x0f\xae\x9f\x00\x02\x00\x00" + SPIN)
    vector = stopped.vector
    for index in range(16):
        vector.zmm[index].v[:2] = [index << 32 | 1, index << 48 | 2]
    vector.mxcsr = 0x5F80  # rounds upwards
    assert stopped.write(ZX_THREAD_STATE_VECTOR_REGS, vector) == ZX_OK
    assert stopped.vector == vector
    assert stopped.set_general(rdi=world.data) == ZX_OK
    stopped.run()
    for index in range(16):
        assert (world.word(16 * index), world.word(16 * index + 8)) == (index << 32 | 1, index << 48 | 2)
    assert world.word(0x200) & 0xFFFF_FFFF == 0x5F80
    assert stopped.vector == vector


def test_the_vector_registers_that_code_has_are_read(world: World) -> None:
    data = bytes(range(256))
    world.ok(world.zx.zx_vmo_write(world.data_vmo, data, 0))
    stopped = Stopped(world, movups(store=False) + SPIN)
    assert stopped.set_general(rdi=world.data) == ZX_OK
    stopped.run()
    read = b"".join(
        word.to_bytes(8, "little") for register in stopped.vector.zmm[:16] for word in register.v[:2]
    )
    assert read == data


@pytest.mark.portable("guests have the host's processor")
def test_there_is_no_avx(stopped: Stopped) -> None:
    """What the processor does not have is shown as zero, whatever was written."""
    vector = stopped.vector
    for register in vector.zmm:
        register.v = [7] * 8
    vector.opmask = [7] * 8
    assert stopped.write(ZX_THREAD_STATE_VECTOR_REGS, vector) == ZX_OK
    back = stopped.vector
    assert [register.v for register in back.zmm[:16]] == [[7, 7] + [0] * 6] * 16
    assert [register.v for register in back.zmm[16:]] == [[0] * 8] * 16
    assert back.opmask == [0] * 8


@write_shows("INVALID_ARGS")
@pytest.mark.parametrize("mxcsr", [1 << 16, 1 << 31, 0xFFFF_FFFF])
def test_reserved_bits_of_mxcsr(stopped: Stopped, mxcsr: int) -> None:
    vector = stopped.vector
    before = stopped.vector
    vector.mxcsr = mxcsr
    vector.zmm[0].v[0] = 1
    assert stopped.write(ZX_THREAD_STATE_VECTOR_REGS, vector) == ZX_ERR_INVALID_ARGS
    assert stopped.vector == before


def test_x87_and_sse_are_kept_apart(stopped: Stopped) -> None:
    vector, fp = stopped.vector, stopped.fp
    vector.zmm[5].v[0] = 55
    fp.st[0].low, fp.st[0].high, fp.ftw = *ONE, 1
    assert stopped.write(ZX_THREAD_STATE_VECTOR_REGS, vector) == ZX_OK
    assert stopped.write(ZX_THREAD_STATE_FP_REGS, fp) == ZX_OK
    assert (stopped.vector, stopped.fp) == (vector, fp)


@pytest.mark.parametrize("same_process", [True, False])
def test_every_thread_keeps_its_registers_over_switches(world: World, same_process: bool) -> None:
    """Threads that only spin, in turns, suspended and resumed meanwhile."""
    worlds = [world, world if same_process else World(world.k)]
    threads = [Stopped(one) for one in worlds]
    expected = []
    for number, thread in enumerate(threads, 1):
        values = {name: pattern(name) ^ number for name in GENERAL}
        bases = {"fs_base": number << 32, "gs_base": number << 33}
        assert thread.set_general(**values, **bases) == ZX_OK
        fp, vector = thread.fp, thread.vector
        fp.st[0].low, fp.st[0].high, fp.ftw, fp.fcw = ONE[0] + number, ONE[1], 1, 0x37F - number
        fp.fcw |= 0x40
        for index in range(16):
            vector.zmm[index].v[:2] = [number, index]
        vector.mxcsr = 0x1F80 | number << 13
        assert thread.write(ZX_THREAD_STATE_FP_REGS, fp) == ZX_OK
        assert thread.write(ZX_THREAD_STATE_VECTOR_REGS, vector) == ZX_OK
        expected.append((thread.general, thread.fp, thread.vector))
    for _ in range(3):
        for thread in threads:
            thread.world.close(thread.token)
        world.settle()
        for thread in threads:
            thread.suspend()
        assert [(thread.general, thread.fp, thread.vector) for thread in threads] == expected


# Debug registers


def test_the_debug_registers_of_a_new_thread(stopped: Stopped) -> None:
    debug = stopped.debug
    assert (debug.dr, debug.dr6, debug.dr7) == ([0] * 4, 0xFFFF0FF0, 0x700)


def test_reserved_bits_of_debug_registers_stay_as_they_are(stopped: Stopped) -> None:
    debug = stopped.debug
    debug.dr = [1, 2, 3, USER_TOP - 1]
    for dr6, dr7 in [(0, 0), ((1 << 64) - 1, (1 << 64) - 1), (0, 0x33)]:
        debug.dr6, debug.dr7 = dr6, dr7
        assert stopped.write(ZX_THREAD_STATE_DEBUG_REGS, debug) == ZX_OK
        back = stopped.debug
        assert back.dr == [1, 2, 3, USER_TOP - 1]
        assert back.dr6 == (dr6 & 0xE00F) | 0xFFFF0FF0
        # Of dr7 one may neither guard the registers (bit 13) nor ask for inexact breakpoints (bits 8 and 9).
        assert back.dr7 == (dr7 & 0xFFFF00FF) | 0x700


@write_shows("INVALID_ARGS")
@pytest.mark.parametrize("index", range(4))
def test_debug_registers_have_addresses_of_user_space(stopped: Stopped, index: int) -> None:
    before = stopped.debug
    for address in (USER_TOP, TOO_LOW, TOO_LOW + 1, (1 << 64) - 1):
        debug = stopped.debug
        debug.dr[index], debug.dr7 = address, 0x455
        assert stopped.write(ZX_THREAD_STATE_DEBUG_REGS, debug) == ZX_ERR_INVALID_ARGS
    assert stopped.debug == before


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("how", ["local", "global"])
def test_each_of_the_four_stops_the_thread(world: World, index: int, how: str) -> None:
    stopped = Stopped(world, b"\x90" * 4 + SPIN)
    channel = world.listen(world.process)
    debug = stopped.debug
    debug.dr[index] = stopped.entry + 3
    debug.dr7 = (1 if how == "local" else 2) << 2 * index
    assert stopped.write(ZX_THREAD_STATE_DEBUG_REGS, debug) == ZX_OK
    stopped.resume()
    message = world.receive(channel)
    assert message.type == ZX_EXCP_HW_BREAKPOINT
    assert stopped.general.rip == stopped.entry + 3
    assert stopped.debug.dr6 == 0xFFFF0FF0 | 1 << index
    # The registers are kept over the stop, and dr6 stays until somebody clears it.
    assert (stopped.debug.dr, stopped.debug.dr7) == (debug.dr, debug.dr7 | 0x700)
    debug = stopped.debug
    debug.dr6 = debug.dr7 = 0
    assert stopped.write(ZX_THREAD_STATE_DEBUG_REGS, debug) == ZX_OK
    assert stopped.debug.dr6 == 0xFFFF0FF0
    world.resume(message.handle)
    assert world.silent(channel)


def test_an_address_that_is_not_enabled_stops_nobody(world: World) -> None:
    stopped = Stopped(world)
    channel = world.listen(world.process)
    debug = stopped.debug
    debug.dr = [stopped.entry] * 4
    assert stopped.write(ZX_THREAD_STATE_DEBUG_REGS, debug) == ZX_OK
    stopped.resume()
    assert world.silent(channel)


# Single step


@write_shows("INVALID_ARGS")
@pytest.mark.parametrize("value", [2, 1 << 31, (1 << 32) - 1])
def test_a_single_step_is_on_or_off(world: World, stopped: Stopped, value: int) -> None:
    write = world.zx.zx_thread_write_state
    data = value.to_bytes(4, "little")
    assert write(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, data) == ZX_ERR_INVALID_ARGS
    assert world.zx.zx_thread_read_state(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, 4) == (ZX_OK, bytes(4))


def test_the_single_step_is_the_trap_flag(world: World, stopped: Stopped) -> None:
    zx, one = world.zx, b"\1\0\0\0"
    assert zx.zx_thread_write_state(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, one) == ZX_OK
    assert stopped.general.rflags & 0x100
    assert stopped.set_general(rflags=0) == ZX_OK
    assert zx.zx_thread_read_state(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, 4) == (ZX_OK, bytes(4))
    assert stopped.set_general(rflags=0x100) == ZX_OK
    assert zx.zx_thread_read_state(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, 4) == (ZX_OK, one)


def test_a_suspended_thread_steps_when_it_goes_on(world: World) -> None:
    stopped = Stopped(world, b"\x90" * 3 + SPIN)
    channel = world.listen(world.process)
    status = world.zx.zx_thread_write_state(stopped.thread, ZX_THREAD_STATE_SINGLE_STEP, b"\1\0\0\0")
    assert status == ZX_OK
    stopped.resume()
    for place in (1, 2):
        message = world.receive(channel)
        assert message.type == ZX_EXCP_HW_BREAKPOINT
        assert stopped.general.rip == stopped.entry + place
        world.resume(message.handle)
