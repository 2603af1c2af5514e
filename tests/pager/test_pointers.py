"""Pointers of system calls into memory that is a pager's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth import Body, PagerCommand, Status, VmarFlags, Vmo, VmoOptions, ZxInvalidArgs, ZxShouldWait
from jacinth.abi import BY_NAME, ZX_ERR_INVALID_ARGS, ZX_OK
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.syscalls.door import TRAPS, again

from .conftest import PAGE, PagerWorld

READ = PagerCommand.READ
RW = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE
Look = Callable[[Body, int], Any]


class Caller:
    """A body that makes calls by registers, as machine code does, with pointers into a mapping of *vmo*."""

    def __init__(
        self, pw: PagerWorld, vmo: Vmo, *calls: tuple[str, Callable[[Body, int], tuple[int, ...]]]
    ) -> None:
        async def run(zx: Body, mine: Vmo[Body]) -> list[int]:
            address = await zx.root_vmar.map(0, mine, 0, mine.size, RW)
            before = len(zx.call.handles.handles)
            answers = [await trap(zx, name, *registers(zx, address)) for name, registers in calls]
            self.new_handles = len(zx.call.handles.handles) - before
            return answers

        self.toucher = pw.start(vmo, run)

    @property
    def answer(self) -> Any:
        return self.toucher.answer


async def trap(zx: Body, name: str, *registers: int) -> int:
    """Make a call by registers, and wait with it."""
    number = BY_NAME[name].number
    padded = tuple(value & (1 << 64) - 1 for value in (number, *registers, *[0] * (9 - len(registers))))
    thread = zx.call.thread
    mine = thread.coroutine
    try:
        result = TRAPS[number](zx.call, padded)
    except PageNeeded as need:
        return await again(TRAPS[number], zx.call, padded, need)
    if result is None:
        rest, thread.coroutine = thread.coroutine, mine
        assert rest is not None
        return int(await rest)
    return int(result)


def test_an_argument_is_read_when_its_page_has_come(pw: PagerWorld) -> None:
    vmo = pw.vmo(3)
    caller = Caller(
        pw,
        vmo,
        ("zx_debug_write", lambda zx, at: (at + PAGE - 2, 4)),
        ("zx_debug_write", lambda zx, at: (at, 1)),
    )
    written: list[bytes] = []
    pw.k.console = written.append
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, bytes(PAGE - 2) + b"ab")
    assert pw.request() == (READ, 1, 1)
    pw.supply(vmo, 1, b"cd")
    pw.k.run_until_idle()
    assert caller.answer == [ZX_OK, ZX_OK] and written[0] == b"abcd"


def test_an_argument_that_does_not_come_is_a_bad_pointer(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    caller = Caller(
        pw, vmo, ("zx_debug_write", lambda zx, at: (at, 4)), ("zx_debug_write", lambda zx, at: (at, 4))
    )
    pw.fail(vmo, 0, 1, Status.IO)
    assert pw.request() == (READ, 0, 1)
    pw.pager.detach_vmo(vmo)
    pw.k.run_until_idle()
    assert caller.answer == [ZX_ERR_INVALID_ARGS, ZX_ERR_INVALID_ARGS]


def test_what_a_call_writes_waits_and_the_call_happens_once(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    caller = Caller(pw, vmo, ("zx_channel_create", lambda zx, at: (0, at, at + PAGE)))
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"")
    assert pw.request() == (READ, 1, 1)
    pw.supply(vmo, 1, b"")
    pw.k.run_until_idle()
    assert caller.answer == [ZX_OK]
    assert caller.new_handles == 2
    assert vmo.read(0, 4) != bytes(4) != vmo.read(PAGE, 4)


def test_handles_that_cannot_be_told_of_are_closed(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"")
    caller = Caller(pw, vmo, ("zx_channel_create", lambda zx, at: (0, at, at + PAGE)))
    pw.fail(vmo, 1, 1, Status.IO)
    pw.k.run_until_idle()
    assert caller.answer == [ZX_ERR_INVALID_ARGS]
    assert caller.new_handles == 0


def test_a_call_that_waits_waits_for_its_pointers_too(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)

    def wait_many(zx: Body, at: int) -> tuple[int, ...]:
        return at, 1, 0

    caller = Caller(pw, vmo, ("zx_object_wait_many", wait_many))
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"\xff\xff\xff\xff")
    pw.k.run_until_idle()
    assert caller.answer == [Status.BAD_HANDLE]


@pytest.mark.parametrize("trapped", [VmoOptions.NONE, VmoOptions.TRAP_DIRTY])
def test_a_long_copy_goes_on_where_it_has_left_off(pw: PagerWorld, trapped: VmoOptions) -> None:
    pages = 600  # more than goes through the kernel at once
    source = Vmo.create(pages * PAGE, caller=pw.k)
    for page in range(pages):
        source.write(page.to_bytes(4, "little"), page * PAGE)
    vmo = pw.vmo(pages, trapped)

    async def copy(zx: Body, mine: Vmo[Body], source: int) -> list[int]:
        address = await zx.root_vmar.map(0, mine, 0, mine.size, RW)
        return [
            await trap(zx, "zx_vmo_read", source, address, 0, pages * PAGE),
            await trap(zx, "zx_vmo_write", source, address, 0, pages * PAGE),
        ]

    process, _ = pw.job.create_child_process("copier")
    answers: list[int] = []

    async def body(zx: Body, mine: Vmo[Body], source: Vmo[Body]) -> None:
        answers.extend(await copy(zx, mine, source.raw))

    process.start_body(body, vmo.duplicate(), source.duplicate())
    while not answers:
        request = pw.request()
        if request is None:
            break
        command, first, count = request
        if command == READ:
            pw.supply(vmo, first, *[b""] * count)
        else:
            pw.op(2, vmo, first, count)  # type: ignore[arg-type]
        pw.k.run_until_idle()
    assert answers == [ZX_OK, ZX_OK]
    assert all(vmo.read(page * PAGE, 4) == page.to_bytes(4, "little") for page in range(pages))


def test_a_body_reads_its_memory_when_it_has_paged_it_in(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)

    async def look(zx: Body, mine: Vmo[Body]) -> Any:
        address = await zx.root_vmar.map(0, mine, 0, 2 * PAGE, RW)
        with pytest.raises(ZxShouldWait):
            zx.load(address, 3)
        with pytest.raises(ZxShouldWait):
            zx.store(address, b"x")
        await zx.page_in(address, 3)
        found = zx.load(address, 3)
        await zx.page_in(address, 1, write=True)
        zx.store(address, b"x")
        with pytest.raises(ZxInvalidArgs):
            await zx.page_in(address + PAGE, 1)
        return found

    looker = pw.start(vmo, look)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"abc")
    assert pw.request() == (READ, 1, 1)
    pw.fail(vmo, 1, 1, Status.IO)
    pw.k.run_until_idle()
    assert looker.answer == b"abc" and vmo.read(0, 3) == b"xbc"


def test_the_api_of_a_body_waits_as_well(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)

    async def read(zx: Body, mine: Vmo[Body]) -> bytes:
        return await mine.read(0, 3)

    reader = pw.start(vmo, read)
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"abc")
    pw.k.run_until_idle()
    assert reader.answer == b"abc"


def test_a_debugger_reads_and_writes_paged_memory(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    process, root_vmar = pw.job.create_child_process("debugged")
    address = root_vmar.map(0, vmo, 0, 2 * PAGE, RW)

    async def debug(zx: Body, debugged: Any) -> Any:
        await debugged.write_memory(address, b"x")
        return await debugged.read_memory(address, 3)

    helper, _ = pw.job.create_child_process("debugger")
    seen: list[bytes] = []

    async def body(zx: Body, debugged: Any) -> None:
        seen.append(await debug(zx, debugged))

    helper.start_body(body, process.duplicate())
    assert pw.request() == (READ, 0, 1)
    pw.supply(vmo, 0, b"abc")
    pw.k.run_until_idle()
    assert seen == [b"xbc"]
