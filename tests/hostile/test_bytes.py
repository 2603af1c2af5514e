"""Whatever takes bytes or words from outside takes any: arrays of buffers, views of memory, the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jacinth.abi import (
    BY_NAME,
    STRUCTS,
    ZX_CHANNEL_MAX_MSG_BYTES,
    ZX_CHANNEL_WRITE_USE_IOVEC,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_SHOULD_WAIT,
    ZX_OK,
    ZX_STREAM_MODE_READ,
    ZX_STREAM_MODE_WRITE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    ZX_VMO_RESIZABLE,
    Status,
)
from jacinth.api.kernel import Kernel
from jacinth.api.memory import Vmo
from jacinth.api.status import ZxStatus
from jacinth.fuzz.generate import INTERESTING
from jacinth.fuzz.invariants import assert_invariants
from jacinth.syscalls.door import TRAPS, HostSys
from jacinth.tools import cli, fuzz, run, syscalls_table

PAGE = 4096
MASK = (1 << 64) - 1
RW = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
# Where a buffer begins, from the start of four mapped pages on; and how long it is.
PLACE = st.one_of(st.integers(0, 4 * PAGE), st.sampled_from(INTERESTING))
LENGTH = st.one_of(st.integers(0, 300), st.integers(0, 5 * PAGE), st.sampled_from(INTERESTING))
BUFFERS = st.lists(st.tuples(PLACE, LENGTH), max_size=8)


class Room:
    """Four pages of the host's that differ everywhere, with nothing before and behind them; and others for an array."""

    def __init__(self, k: Kernel) -> None:
        self.zx = zx = k.host.sys
        self.call = zx.call
        _, self.vmo = zx.zx_vmo_create(4 * PAGE, 0)
        self.data = bytes(i * 7 + (i >> 8) & 0xFF for i in range(4 * PAGE))
        _, region, _ = zx.zx_vmar_allocate(k.host.root_vmar, 0x3C0, 0, 6 * PAGE)
        status, self.base = zx.zx_vmar_map(region, RW | ZX_VM_SPECIFIC, PAGE, self.vmo, 0, 4 * PAGE)
        assert status == ZX_OK
        _, self.arrays = zx.zx_vmo_create(PAGE, 0)
        status, self.array = zx.zx_vmar_map(k.host.root_vmar, RW, 0, self.arrays, 0, PAGE)
        assert status == ZX_OK
        self.fill()

    def fill(self) -> None:
        self.zx.zx_vmo_write(self.vmo, self.data, 0)

    def put(self, struct: str, buffers: Sequence[tuple[int, int]]) -> None:
        """An array of *struct* with places and lengths."""
        cls: Any = STRUCTS[struct]
        for i, (place, length) in enumerate(buffers):
            item = cls(buffer=self.base + place & MASK, capacity=length)
            self.zx.zx_vmo_write(self.arrays, item.pack(), i * cls.SIZE)

    def trap(self, name: str, *arguments: int) -> int:
        """A call by registers, as a guest makes it."""
        number = BY_NAME[name].number
        status = TRAPS[number](self.call, (number, *arguments, *[0] * (8 - len(arguments))))
        assert status is not None
        return status


def is_whole(place: int, length: int) -> bool:
    return not length or place + length <= 4 * PAGE


@pytest.fixture
def room(k: Kernel) -> Room:
    return Room(k)


def test_a_message_is_all_of_its_buffers_or_nothing(k: Kernel, zx: HostSys, room: Room) -> None:
    _, one, other = zx.zx_channel_create(0)

    @settings(max_examples=300, deadline=None)
    @given(BUFFERS, st.booleans())
    def check(buffers: list[tuple[int, int]], spoiled: bool) -> None:
        buffers = [(place, length & 0xFFFF_FFFF) for place, length in buffers]
        room.put("zx_channel_iovec_t", buffers)
        if spoiled and buffers:
            zx.zx_vmo_write(room.arrays, b"\1", 12)  # what is reserved
        status = room.trap("zx_channel_write", one, ZX_CHANNEL_WRITE_USE_IOVEC, room.array, len(buffers))
        if spoiled and buffers:
            expected = ZX_ERR_INVALID_ARGS
        elif sum(length for _, length in buffers) > ZX_CHANNEL_MAX_MSG_BYTES:
            expected = ZX_ERR_OUT_OF_RANGE
        else:
            expected = ZX_OK if all(is_whole(*buffer) for buffer in buffers) else ZX_ERR_INVALID_ARGS
        assert status == expected
        status, data, *_ = zx.zx_channel_read(other, 0, ZX_CHANNEL_MAX_MSG_BYTES, 0)
        assert status == (ZX_ERR_SHOULD_WAIT if expected else ZX_OK)
        if not expected:
            assert data == b"".join(room.data[place : place + length] for place, length in buffers)

    check()
    assert_invariants(k)


@pytest.mark.parametrize("call", ["zx_stream_writev", "zx_stream_readv"])
def test_a_stream_moves_what_comes_before_the_first_bad_buffer(
    k: Kernel, zx: HostSys, room: Room, call: str
) -> None:
    """And says how much that was; where it is nothing, nothing has changed."""
    _, vmo = zx.zx_vmo_create(3 * PAGE, 0)
    _, stream = zx.zx_stream_create(ZX_STREAM_MODE_READ | ZX_STREAM_MODE_WRITE, vmo, 0)
    content = bytes(255 - byte for byte in room.data[: 3 * PAGE])
    writes = call == "zx_stream_writev"

    @settings(max_examples=300, deadline=None)
    @given(BUFFERS, st.integers(0, 3 * PAGE + 10))
    def check(buffers: list[tuple[int, int]], seek: int) -> None:
        room.fill()
        zx.zx_vmo_write(vmo, content, 0)
        zx.zx_stream_seek(stream, 0, seek)
        room.put("zx_iovec_t", buffers)
        actual = room.array + PAGE - 8
        status = room.trap(call, stream, 0, room.array, len(buffers), actual)
        assert status in Status.__members__.values()
        _, place = zx.zx_stream_seek(stream, 1, 0)
        done = place - seek if not status else 0
        good = b""
        for at, length in buffers:
            good += room.data[at : at + min(length, 4 * PAGE)]
            if not is_whole(at, length):
                break
        _, memory = zx.zx_vmo_read(room.vmo, 0, 4 * PAGE)
        _, now = zx.zx_vmo_read(vmo, 0, 3 * PAGE)
        if status:
            assert place == seek
        else:
            said = int.from_bytes(zx.zx_vmo_read(room.arrays, PAGE - 8, 8)[1], "little")
            assert said == done <= max(0, 3 * PAGE - seek)
        if writes:
            assert memory == room.data
            assert now == content[:seek] + good[:done] + content[seek + done :]
        else:
            assert now == content
            left = content[seek : seek + done]
            expected = bytearray(room.data)
            for at, length in buffers:
                part, left = left[:length], left[length:]
                expected[at : at + len(part)] = part
            assert memory == expected

    check()
    assert_invariants(k)


def test_a_view_shows_the_memory_whatever_is_tried_with_it_meanwhile(k: Kernel) -> None:
    operation = st.sampled_from(
        (
            "view",
            "view",
            "drop",
            "write",
            "write",
            "decommit",
            "zero",
            "grow",
            "shrink",
            "clone",
            "drop clone",
        )
    )

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(operation, st.integers(0, 7), st.integers(0, 255)), max_size=40))
    def check(steps: list[tuple[str, int, int]]) -> None:
        free = k.memory.allocated
        vmo = Vmo.create(4 * PAGE, ZX_VMO_RESIZABLE)
        vmo.write(bytes(range(256)) * 64)
        views: list[memoryview] = []
        clones: list[Vmo] = []
        for name, page, value in steps:
            try:
                if name == "view":
                    views.append(vmo.view())
                elif name == "drop" and views:
                    views.pop(page % len(views))
                elif name == "write":
                    vmo.write(bytes([value]) * 100, page * PAGE + value)
                elif name in ("decommit", "zero"):
                    vmo.op_range(2 if name == "decommit" else 10, page * PAGE, PAGE)
                elif name in ("grow", "shrink"):
                    vmo.set_size(page * PAGE)
                elif name == "clone":
                    clones.append(vmo.create_child(1, 0, vmo.size))
                elif clones:
                    clones.pop().close()
            except ZxStatus:
                pass
            contents = vmo.read(0, vmo.size)
            for view in views:
                assert view == contents[: len(view)]
                with pytest.raises(TypeError):
                    view[0:1] = b"!"
        last = [(view, bytes(view)) for view in views]
        vmo.close()
        for clone in clones:
            clone.close()
        assert all(view == before for view, before in last)  # as long as there is a view
        del last, views
        view = None  # type: ignore[assignment]
        assert k.memory.allocated == free

    check()
    assert_invariants(k)


# ---- Words -------------------------------------------------------------------------------------------------------------------

_OPTIONS = sorted(
    {
        name
        for command in cli.cli.commands.values()
        for param in command.params
        for name in param.opts
        if name[0] == "-"
    }
)
_WORD = st.one_of(
    st.sampled_from(_OPTIONS),
    st.sampled_from(sorted(cli.cli.commands)),
    st.sampled_from(
        ("", "-", "--", "---", "-1", "0", "1", "4096", "1M", "1T", "9" * 30, "nan", "inf", "=", "A=", "A=B=C")
    ),
    st.text(max_size=8),
    st.builds("{}={}".format, st.sampled_from(_OPTIONS), st.text(max_size=4)),
)


def test_any_words_are_a_command_or_refused_in_words(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands do is not done here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fuzz, "fuzz", lambda options: 0)
    monkeypatch.setattr(run, "run", lambda program, arguments, options: 0)
    monkeypatch.setattr(syscalls_table, "text", lambda only: "")
    runner = CliRunner()

    @settings(max_examples=500, deadline=None)
    @given(st.sampled_from(sorted(cli.cli.commands)), st.lists(_WORD, max_size=6))
    @example("run", ["--memory", ""])
    @example("run", ["--env", "\udcff"])
    def check(command: str, words: list[str]) -> None:
        if command in ("cc", "demo"):
            command = "run"
        ended = runner.invoke(cli.cli, [command, *words], standalone_mode=False)
        # As `cli.main` takes it.
        allowed = (click.ClickException, SystemExit, OSError)
        assert ended.exception is None or isinstance(ended.exception, allowed), (
            command,
            words,
            ended.exc_info,
        )

    check()
