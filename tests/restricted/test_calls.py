"""The calls by the sentence and the error, made by Python bodies and by the host.

Source: zircon/vdso/restricted.fidl; zircon/system/utest/core/restricted-mode/restricted-mode.cc.
"""

from __future__ import annotations

import struct
from typing import Any

import pytest

from jacinth import Body, RestrictedReason, ZxAccessDenied, ZxBadState, ZxNotSupported
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_UNAVAILABLE,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_HANDLE_INVALID,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V2,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_VMO,
    ZX_POL_OVERRIDE_DENY,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_CHILD_SNAPSHOT,
    ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE,
    zx_exception_report_t,
    zx_restricted_state_t,
)
from jacinth.api.kernel import Kernel
from tests.exceptions.conftest import World
from tests.restricted.conftest import CODE, DATA, PAGE, REGISTERS, SYSCALL, UD2, Bodies

pytestmark = pytest.mark.usefixtures("hot_paths")

STATE = zx_restricted_state_t.SIZE
# Adds one to every register, and stores rcx at fs:0, r11 at gs:0.
ADD_ONE = b"".join(
    bytes([0x48 + (number >> 3), 0xFF, 0xC0 + (number & 7)]) for number in range(16)
)  # inc, rax to r15
BOUNCE = (
    ADD_ONE
    + bytes.fromhex(
        "64 48 89 0c 25 00 00 00 00  65 4c 89 1c 25 00 00 00 00"
    )  # mov fs:[0], rcx; mov gs:[0], r11
    + SYSCALL
)


# ---- zx_restricted_bind_state


@pytest.mark.parametrize("options", [1, 2, 0xFFFF_FFFF])
@pytest.mark.shows("zx_restricted_bind_state", "ZX_ERR_INVALID_ARGS")
def test_bind_state_takes_no_options(bodies: Bodies, options: int) -> None:
    async def main(zx: Any) -> Any:
        return await zx.zx_restricted_bind_state(options), await zx.zx_restricted_enter(0, CODE, 0)

    (((status, handle, _), _),) = bodies.run(main)
    assert (status, handle) == (ZX_ERR_INVALID_ARGS, ZX_HANDLE_INVALID)


@pytest.mark.shows("zx_restricted_bind_state", "ZX_ERR_ACCESS_DENIED")
def test_the_policy_for_new_vmos_governs_bind_state(k: Kernel) -> None:
    zx: Any = k.host.sys
    job = Bodies.ok(zx.zx_job_create(k.host.root_job, 0))
    deny = struct.pack("<III", ZX_POL_NEW_VMO, ZX_POL_ACTION_DENY, ZX_POL_OVERRIDE_DENY)
    assert zx.zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V2, deny, 1) == ZX_OK
    bodies = Bodies(k, job=job)

    async def main(zx: Body) -> Any:
        with pytest.raises(ZxAccessDenied):
            await zx.thread.restricted_bind_state()
        return await zx.zx_restricted_bind_state(0)  # type: ignore[misc]

    ((status, handle, _),) = bodies.run(main)
    assert (status, handle) == (ZX_ERR_ACCESS_DENIED, ZX_HANDLE_INVALID)


@pytest.mark.shows("zx_restricted_bind_state", "ZX_ERR_NO_MEMORY")
def test_bind_state_without_memory(bodies: Bodies) -> None:
    memory = bodies.k.memory

    async def main(zx: Any) -> Any:
        taken = [memory.allocate() for _ in range(memory.frames - memory.allocated)]
        answer = await zx.zx_restricted_bind_state(0)
        for frame in taken:
            memory.free(frame)
        return answer, await zx.zx_restricted_bind_state(0)

    (((status, handle, _), (again, *_)),) = bodies.run(main)
    assert (status, handle, again) == (ZX_ERR_NO_MEMORY, ZX_HANDLE_INVALID, ZX_OK)


def test_the_state_vmo_has_one_page_of_zeroes(bodies: Bodies) -> None:
    async def main(zx: Any) -> Any:
        _, vmo, _ = await zx.zx_restricted_bind_state(0)
        return await zx.zx_vmo_get_size(vmo), await zx.zx_vmo_read(vmo, 0, PAGE)

    ((size, content),) = bodies.run(main)
    assert (size, content) == ((ZX_OK, PAGE), (ZX_OK, bytes(PAGE)))


@pytest.mark.parametrize("options", [ZX_VMO_CHILD_SNAPSHOT, ZX_VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE])
def test_the_state_vmo_has_no_children_and_one_size(bodies: Bodies, options: int) -> None:
    async def main(zx: Any) -> Any:
        _, vmo, _ = await zx.zx_restricted_bind_state(0)
        return await zx.zx_vmo_create_child(vmo, options, 0, PAGE), await zx.zx_vmo_set_size(vmo, 2 * PAGE)

    (((child, _), resized),) = bodies.run(main)
    assert child != ZX_OK
    assert resized in (ZX_ERR_UNAVAILABLE, ZX_ERR_ACCESS_DENIED)


def test_a_mapping_of_the_state_vmo_follows_it(bodies: Bodies) -> None:
    async def main(zx: Any) -> None:
        _, vmo, _ = await zx.zx_restricted_bind_state(0)
        options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
        _, address = await zx.zx_vmar_map(zx.root_vmar.raw, options, 0, vmo, 0, PAGE)
        zx.store(address, b"\x99" * STATE)
        assert await zx.zx_vmo_read(vmo, 0, STATE) == (ZX_OK, b"\x99" * STATE)
        await zx.zx_vmo_write(vmo, b"\x55" * STATE, 0)
        assert zx.load(address, STATE) == b"\x55" * STATE
        assert await zx.zx_vmar_unmap(zx.root_vmar.raw, address, PAGE) == ZX_OK

    assert bodies.run(main) == [None]


def test_binding_again_replaces_the_state(bodies: Bodies) -> None:
    async def main(zx: Body) -> Any:
        first = await zx.thread.restricted_bind_state()
        second = await zx.thread.restricted_bind_state()
        second.ip = CODE
        with pytest.raises(ZxBadState):
            await zx.thread.restricted_enter(first)
        return await zx.thread.restricted_enter(second), second.ip

    assert bodies.run(main) == [(RestrictedReason.SYSCALL, CODE + 2)]


@pytest.mark.parametrize("end", ["replaced", "unbound", "thread over"])
def test_a_bound_vmo_is_destroyed_after_its_last_handle_and_its_binding(bodies: Bodies, end: str) -> None:
    memory = bodies.k.memory

    async def main(zx: Any) -> Any:
        before = memory.allocated
        _, vmo, _ = await zx.zx_restricted_bind_state(0)
        bound = memory.allocated
        await zx.zx_handle_close(vmo)
        closed = memory.allocated
        if end == "replaced":
            await zx.zx_restricted_bind_state(0)
        elif end == "unbound":
            await zx.zx_restricted_unbind_state(0)
        return before, bound, closed, memory.allocated

    ((before, bound, closed, after),) = bodies.run(main)
    assert bound == closed == before + 1
    if end == "thread over":
        after = memory.allocated
    assert after == before + (end == "replaced")


def test_a_state_vmo_outlives_its_binding_by_a_handle_or_a_mapping(bodies: Bodies) -> None:
    async def main(zx: Any) -> Any:
        state = await zx.thread.restricted_bind_state()
        with state.vmo as vmo:
            address = await zx.root_vmar.map(0, vmo, 0, PAGE, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE)
        await zx.thread.restricted_unbind_state()
        zx.store(address, b"still")
        return zx.load(address, 5)

    assert bodies.run(main) == [b"still"]


def test_closing_the_vmo_does_the_binding_no_harm(bodies: Bodies) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        await state.vmo.close()
        state.ip = CODE
        return await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [RestrictedReason.SYSCALL]


# ---- zx_restricted_unbind_state


@pytest.mark.parametrize("options", [1, 0xFFFF_FFFF])
@pytest.mark.shows("zx_restricted_unbind_state", "ZX_ERR_INVALID_ARGS")
def test_unbind_state_takes_no_options(bodies: Bodies, options: int) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        status = await zx.zx_restricted_unbind_state(options)  # type: ignore[misc]
        return status, await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [(ZX_ERR_INVALID_ARGS, RestrictedReason.SYSCALL)]


def test_unbinding_nothing_is_no_error(bodies: Bodies) -> None:
    async def main(zx: Any) -> Any:
        return [await zx.zx_restricted_unbind_state(0) for _ in range(3)]

    assert bodies.run(main) == [[ZX_OK] * 3]


def test_nothing_is_bound_after_unbind_state(bodies: Bodies) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        await zx.thread.restricted_unbind_state()
        with pytest.raises(ZxBadState):
            await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [None]


# ---- zx_restricted_enter


@pytest.mark.shows("zx_restricted_enter", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(("options", "vector"), [(1, CODE), (0xFFFF_FFFF, CODE), (0, -1), (0, 1 << 47)])
def test_enter_takes_no_options_and_a_user_address(bodies: Bodies, options: int, vector: int) -> None:
    async def main(zx: Any) -> Any:
        await zx.zx_restricted_bind_state(0)
        return await zx.zx_restricted_enter(options, vector, 0)

    assert bodies.run(main) == [ZX_ERR_INVALID_ARGS]


def test_the_raw_call_has_no_vector_for_python(bodies: Bodies) -> None:
    async def main(zx: Any) -> Any:
        return await zx.zx_restricted_enter(0, CODE, 0)

    assert bodies.run(main) == [ZX_ERR_NOT_SUPPORTED]


def test_the_host_cannot_enter(k: Kernel) -> None:
    process = k.root_job.create_child_process("any")[0]
    with pytest.raises(ZxNotSupported):
        process.create_thread("any").restricted_bind_state()


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("ip", 1 << 47),
        ("ip", -1),
        ("flags", 1 << 31),
        ("flags", 1 << 9),  # the interrupt flag
        ("flags", 3 << 12),  # the level of input and output
        ("flags", 1 << 1),  # always set, and nobody's
        ("flags", 1 << 63),
        ("fs_base", 1 << 63),
        ("fs_base", 1 << 47),
        ("gs_base", 1 << 63),
        ("gs_base", 0xFFFF_7FFF_FFFF_FFFF),
    ],
)
def test_registers_that_no_thread_may_have(bodies: Bodies, register: str, value: int) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        setattr(state, register, value)
        with pytest.raises(ZxBadState):
            await zx.thread.restricted_enter(state)
        setattr(state, register, CODE if register == "ip" else 0)
        return await zx.thread.restricted_enter(state)

    assert bodies.run(main) == [RestrictedReason.SYSCALL]


@pytest.mark.parametrize(
    ("register", "value"),
    [
        ("flags", 0x1 | 0x4 | 0x10 | 0x40 | 0x80 | 0x400 | 0x800 | 0x4_0000 | 0x20_0000),
        ("fs_base", (1 << 47) - 1),
        ("fs_base", 0xFFFF_8000_0000_0000),
        ("gs_base", -1),
    ],
)
def test_registers_that_a_thread_may_have(bodies: Bodies, register: str, value: int) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip = CODE
        setattr(state, register, value)
        reason = await zx.thread.restricted_enter(state)
        return reason, getattr(state, register)

    assert bodies.run(main) == [(RestrictedReason.SYSCALL, value % (1 << 64))]


def test_all_registers_go_in_and_come_out(k: Kernel) -> None:
    """All but rcx and r11, which the syscall instruction destroys."""
    bodies = Bodies(k, BOUNCE)
    given = {name: 0x0101_0101_0101_0101 * (i + 1) for i, name in enumerate(REGISTERS[:16])}

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        for name, value in given.items():
            setattr(state, name, value)
        state.ip, state.flags, state.fs_base, state.gs_base = CODE, 0, DATA, DATA + 8
        reason = await zx.thread.restricted_enter(state)
        return reason, {name: getattr(state, name) for name in REGISTERS}

    ((reason, after),) = bodies.run(main)
    assert reason is RestrictedReason.SYSCALL
    assert after["ip"] == CODE + len(BOUNCE)
    assert (after["fs_base"], after["gs_base"]) == (DATA, DATA + 8)
    for name in given:
        assert after[name] == (0 if name in ("rcx", "r11") else given[name] + 1), name
    assert bodies.word(0) == given["rcx"] + 1
    assert bodies.word(8) == given["r11"] + 1
    assert after["flags"] & ~0x24_4DD5 == 0  # no bit that `restricted_enter` would refuse


def test_flags_go_in_and_come_out(k: Kernel) -> None:
    bodies = Bodies(k, bytes.fromhex("9c 58 48 0d 00000000") + SYSCALL)  # pushfq; pop rax; or rax, 0

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rsp, state.flags = CODE, DATA + PAGE, 0x400 | 0x1 | 0x4_0000
        await zx.thread.restricted_enter(state)
        return state.rax, state.flags

    ((seen, after),) = bodies.run(main)
    assert seen & 0x4_0401 == 0x4_0401
    assert seen & 0x200  # interrupts are on, whatever the state says
    assert after & 0x4_0400 == 0x4_0400
    assert not after & 1  # `or` has cleared it


def test_the_state_is_loaded_from_and_saved_to_the_start_of_the_vmo(bodies: Bodies) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rbx = CODE, 0x1234
        await zx.thread.restricted_enter(state)
        return zx_restricted_state_t.unpack(await state.vmo.read(0, STATE))

    (saved,) = bodies.run(main)
    assert (saved.ip, saved.rbx) == (CODE + 2, 0x1234)


@pytest.mark.parametrize("value", [-1, 1 << 64, -(1 << 63), (1 << 70) + 5])
def test_registers_are_taken_modulo_2_to_the_64(bodies: Bodies, value: int) -> None:
    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rax = CODE, value
        await zx.thread.restricted_enter(state)
        return state.rax

    assert bodies.run(main) == [value % (1 << 64)]


def test_rdi_and_reason_of_an_exception(k: Kernel) -> None:
    bodies = Bodies(k, UD2)

    async def main(zx: Body) -> Any:
        state = await zx.thread.restricted_bind_state()
        state.ip, state.rcx, state.r11 = CODE, 3, 4
        reason = await zx.thread.restricted_enter(state)
        in_vmo = zx_exception_report_t.unpack(await state.vmo.read(STATE, zx_exception_report_t.SIZE))
        return reason, state, in_vmo

    ((reason, state, in_vmo),) = bodies.run(main)
    assert reason is RestrictedReason.EXCEPTION
    assert (state.ip, state.rcx, state.r11) == (CODE, 3, 4)
    assert in_vmo == state.exception
    assert in_vmo.header.type == ZX_EXCP_UNDEFINED_INSTRUCTION
    assert in_vmo.header.size == zx_exception_report_t.SIZE
    assert (in_vmo.context.synth_code, in_vmo.context.synth_data) == (0, 0)
    assert (in_vmo.context.arch.vector, in_vmo.context.arch.err_code, in_vmo.context.arch.cr2) == (6, 0, 0)


@pytest.mark.shows("zx_restricted_enter", "ZX_ERR_BAD_STATE")
def test_machine_code_cannot_enter_without_a_state(k: Kernel) -> None:
    world = World(k)
    enter = world.set("rdi", 0) + world.set("rsi", world.data) + world.set("rdx", 0)
    world.run(enter + world.call("zx_restricted_enter") + world.store_rax(0) + world.exit)
    world.settle()
    assert world.word(0) == ZX_ERR_BAD_STATE % (1 << 64)


# ---- zx_restricted_kick


@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_INVALID_ARGS")
@pytest.mark.shows("zx_restricted_kick", "ZX_ERR_BAD_STATE")
def test_a_kick_has_no_options_and_is_for_the_living(k: Kernel) -> None:
    world = World(k)
    thread = world.thread()
    for options in (1, 1 << 31):
        assert world.zx.zx_restricted_kick(thread, options) == ZX_ERR_INVALID_ARGS
    assert world.zx.zx_restricted_kick(thread, 0) == ZX_OK  # it need not have begun
    world.start(thread, world.exit)
    world.settle()
    assert world.zx.zx_restricted_kick(thread, 0) == ZX_ERR_BAD_STATE
