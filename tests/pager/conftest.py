"""A pager's world: the host is the pager, threads of other processes touch its VMOs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jacinth import Body, Packet, Pager, PagerCommand, PageRequest, PagerOp, Port, Status, Vmo
from jacinth.abi import ZX_ERR_TIMED_OUT, ZX_OK
from jacinth.api.kernel import Kernel
from jacinth.api.port import _decode

PAGE = 4096
KEY = 77


class Toucher:
    """A thread that runs a function, and what that has answered once it is *done*."""

    def __init__(self) -> None:
        self.process: Any = None
        self.thread: Any = None
        self.answer: Any = None
        self.done = False


class PagerWorld:
    """A pager with its port, and helpers that act and look as a test's sentence says."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.zx = k.host.sys
        self.job = k.root_job
        self.pager = Pager.create(caller=k)
        self.port = Port.create(caller=k)

    def vmo(self, pages: int, options: int = 0, key: int = KEY) -> Vmo:
        return self.pager.create_vmo(self.port, key, pages * PAGE, options)

    # What the pager sees

    def next_packet(self) -> Packet | None:
        """The next packet, None where none comes however long one waits."""
        self.k.run_until_idle()
        status, packet = self.zx.zx_port_wait(self.port.raw, 0)
        if status == ZX_ERR_TIMED_OUT:
            return None
        assert status == ZX_OK
        return _decode(packet)

    def request(self) -> tuple[PagerCommand, int, int] | None:
        """What the pager is asked for next, in pages: (command, first, count)."""
        packet = self.next_packet()
        if packet is None:
            return None
        assert packet.key == KEY and packet.status == 0
        assert isinstance(packet.contents, PageRequest)
        request = packet.contents
        return request.command, request.offset // PAGE, request.length // PAGE

    def aux(self, *contents: bytes) -> Vmo:
        """A VMO of which each page begins with the bytes given."""
        aux = Vmo.create(max(1, len(contents)) * PAGE, caller=self.k)
        for index, content in enumerate(contents):
            if content:
                aux.write(content, index * PAGE)
        return aux

    def supply(self, vmo: Vmo, first: int, *contents: bytes) -> None:
        """Supply pages from *first* on; an empty one is not committed in the VMO it comes from."""
        self.pager.supply_pages(vmo, first * PAGE, len(contents) * PAGE, self.aux(*contents))

    def op(self, op: PagerOp, vmo: Vmo, first: int, count: int, data: int = 0) -> None:
        self.pager.op_range(op, vmo, first * PAGE, count * PAGE, data)

    def fail(self, vmo: Vmo, first: int, count: int, status: Status) -> None:
        self.pager.fail(vmo, first * PAGE, count * PAGE, status)

    def dirty(self, vmo: Vmo) -> list[tuple[int, int, bool]]:
        """The dirty ranges, in pages: (first, count, zero)."""
        return [
            (found.offset // PAGE, found.length // PAGE, found.zero)
            for found in self.pager.query_dirty_ranges(vmo, 0, vmo.size)
        ]

    # Who touches

    def start(self, vmo: Vmo, function: Callable[[Body, Vmo[Body]], Any]) -> Toucher:
        """Let a body run *function* with a handle to *vmo*. What is awaited in it may wait for the pager."""
        process, _ = self.job.create_child_process("toucher")
        toucher = Toucher()

        async def body(zx: Body, mine: Vmo[Body]) -> None:
            toucher.answer = await function(zx, mine)
            toucher.done = True

        toucher.process = process
        toucher.thread = process.start_body(body, vmo.duplicate())
        self.k.run_until_idle()
        return toucher

    def read(self, vmo: Vmo, first: int, count: int = 1) -> Toucher:
        """A thread that reads pages by zx_vmo_read. Its answer: (status, bytes)."""

        async def read(zx: Body, mine: Vmo[Body]) -> Any:
            return await zx.vmo_read(mine.raw, first * PAGE, count * PAGE)

        return self.start(vmo, read)

    def write(self, vmo: Vmo, first: int, data: bytes) -> Toucher:
        """A thread that writes by zx_vmo_write. Its answer: the status."""

        async def write(zx: Body, mine: Vmo[Body]) -> Any:
            return await zx.vmo_write(mine.raw, data, first * PAGE)

        return self.start(vmo, write)


@pytest.fixture
def pw(k: Kernel) -> PagerWorld:
    return PagerWorld(k)
