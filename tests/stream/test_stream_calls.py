"""zx_stream_*, call by call. Source: docs/reference/syscalls/stream_*.md, utest/core/stream."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacinth.abi import (
    BY_NAME,
    ZX_DEFAULT_STREAM_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_BUFFER_TOO_SMALL,
    ZX_ERR_FILE_BIG,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_STREAM,
    ZX_OK,
    ZX_PROP_STREAM_MODE_APPEND,
    ZX_PROP_VMO_CONTENT_SIZE,
    ZX_RIGHT_READ,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_RIGHT_WRITE,
    ZX_STREAM_APPEND,
    ZX_STREAM_MODE_APPEND,
    ZX_STREAM_MODE_READ,
    ZX_STREAM_MODE_WRITE,
    ZX_STREAM_SEEK_ORIGIN_CURRENT,
    ZX_STREAM_SEEK_ORIGIN_END,
    ZX_STREAM_SEEK_ORIGIN_START,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_RESIZABLE,
    ZX_VMO_UNBOUNDED,
    zx_info_stream_t,
    zx_iovec_t,
)
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import Handle
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.syscalls.door import TRAPS
from jacinth.syscalls.user import MAX_IOVECS

PAGE = 4096
READ, WRITE, APPEND = ZX_STREAM_MODE_READ, ZX_STREAM_MODE_WRITE, ZX_STREAM_MODE_APPEND
START, CURRENT, END = ZX_STREAM_SEEK_ORIGIN_START, ZX_STREAM_SEEK_ORIGIN_CURRENT, ZX_STREAM_SEEK_ORIGIN_END
ALPHABET = b"abcdefghijklmnopqrstuvwxyz"
MAX = (1 << 64) - 1


class World:
    """A VMO with the alphabet as its content, and streams over it."""

    def __init__(self, k: Kernel, size: int = PAGE, options: int = 0) -> None:
        self.k = k
        self.zx: Any = k.host.sys
        self.vmo = int(self.zx.zx_vmo_create(size, options)[1])
        if size:
            assert self.zx.zx_vmo_write(self.vmo, ALPHABET, 0) == ZX_OK
            assert self.zx.zx_vmo_set_stream_size(self.vmo, len(ALPHABET)) == ZX_OK

    def stream(self, mode: int = READ | WRITE, seek: int = 0) -> int:
        status, stream = self.zx.zx_stream_create(mode, self.vmo, seek)
        assert status == ZX_OK
        return int(stream)

    def info(self, stream: int) -> zx_info_stream_t:
        status, data, *_ = self.zx.zx_object_get_info(stream, ZX_INFO_STREAM, zx_info_stream_t.SIZE)
        assert status == ZX_OK
        return zx_info_stream_t.unpack(data)

    def read(self, stream: int, size: int) -> bytes:
        buffer = bytearray(size)
        status, actual = self.zx.zx_stream_readv(stream, 0, [buffer])
        assert status == ZX_OK
        return bytes(buffer[:actual])

    @property
    def content(self) -> bytes:
        status, size = self.zx.zx_vmo_get_stream_size(self.vmo)
        assert status == ZX_OK
        return bytes(self.zx.zx_vmo_read(self.vmo, 0, size)[1])

    @property
    def size(self) -> int:
        return int(self.zx.zx_vmo_get_size(self.vmo)[1])

    def rights(self, handle: int) -> int:
        return int(self.zx.call.handles.handles[handle].rights)


@pytest.fixture
def w(k: Kernel) -> World:
    return World(k)


def status_of(answer: Any) -> int:
    return int(answer[0] if isinstance(answer, tuple) else answer)


# ---- zx_stream_create


@pytest.mark.parametrize("mode", range(8))
def test_the_handle_can_what_the_mode_says(w: World, mode: int) -> None:
    rights = ZX_DEFAULT_STREAM_RIGHTS
    rights |= ZX_RIGHT_READ if mode & READ else 0
    rights |= ZX_RIGHT_WRITE if mode & WRITE else 0
    assert w.rights(w.stream(mode)) == rights


@pytest.mark.shows("zx_stream_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [8, 1 << 31, 0xFFFF_FFD6])
def test_invalid_args_for_unknown_options(w: World, options: int) -> None:
    assert w.zx.zx_stream_create(options, w.vmo, 0)[0] == ZX_ERR_INVALID_ARGS


@pytest.mark.shows("zx_stream_create", "ZX_ERR_BAD_HANDLE")
def test_create_bad_handle(w: World) -> None:
    assert w.zx.zx_stream_create(0, 0, 0)[0] == ZX_ERR_BAD_HANDLE


@pytest.mark.shows("zx_stream_create", "ZX_ERR_WRONG_TYPE")
def test_create_wrong_type(w: World) -> None:
    _, event = w.zx.zx_event_create(0)
    assert w.zx.zx_stream_create(0, event, 0)[0] == ZX_ERR_WRONG_TYPE


@pytest.mark.parametrize("rights", [0, ZX_RIGHT_READ, ZX_RIGHT_WRITE, ZX_RIGHT_READ | ZX_RIGHT_WRITE])
@pytest.mark.parametrize("mode", range(8))
def test_create_needs_the_rights_of_its_mode_on_the_vmo(w: World, mode: int, rights: int) -> None:
    needed = (ZX_RIGHT_READ if mode & READ else 0) | (ZX_RIGHT_WRITE if mode & (WRITE | APPEND) else 0)
    _, vmo = w.zx.zx_handle_duplicate(w.vmo, rights)
    expected = ZX_OK if rights & needed == needed else ZX_ERR_ACCESS_DENIED
    assert w.zx.zx_stream_create(mode, vmo, 0)[0] == expected


@pytest.mark.shows("zx_stream_create", "ZX_ERR_ACCESS_DENIED")
@pytest.mark.parametrize("mode", [READ, WRITE, APPEND])
def test_create_access_denied(w: World, mode: int) -> None:
    _, vmo = w.zx.zx_handle_duplicate(w.vmo, 0)
    assert w.zx.zx_stream_create(mode, vmo, 0)[0] == ZX_ERR_ACCESS_DENIED


def contiguous(k: Kernel, size: int) -> int:
    vmo = VmObjectDispatcher.create_contiguous(k, size, PAGE)
    return k.host.sys.call.handles.add(Handle(vmo, vmo.initial_rights))


def test_no_stream_of_a_contiguous_vmo_which_has_no_content(k: Kernel) -> None:
    zx = k.host.sys
    vmo = contiguous(k, PAGE)
    assert zx.zx_stream_create(READ, vmo, 0)[0] == ZX_ERR_WRONG_TYPE
    assert zx.zx_vmo_get_stream_size(vmo) == (ZX_OK, 0)
    assert zx.zx_vmo_set_stream_size(vmo, 42) == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_object_set_property(vmo, ZX_PROP_VMO_CONTENT_SIZE, bytes(8)) == ZX_ERR_NOT_SUPPORTED


def test_a_stream_keeps_its_vmo(k: Kernel) -> None:
    before = k.memory.allocated
    w = World(k)
    stream = w.stream(READ)
    w.zx.zx_handle_close(w.vmo)
    assert w.read(stream, 3) == b"abc"
    w.zx.zx_handle_close(stream)
    assert k.memory.allocated == before


def test_the_place_at_first(w: World) -> None:
    assert w.info(w.stream(READ, 9)).seek == 9
    assert w.read(w.stream(READ, 9), 2) == b"jk"


# ---- What all calls have in common

CALLS: list[tuple[str, tuple[Any, ...], int]] = [
    ("zx_stream_readv", (0, [bytearray(1)]), ZX_RIGHT_READ),
    ("zx_stream_readv_at", (0, 0, [bytearray(1)]), ZX_RIGHT_READ),
    ("zx_stream_writev", (0, [b"x"]), ZX_RIGHT_WRITE),
    ("zx_stream_writev_at", (0, 0, [b"x"]), ZX_RIGHT_WRITE),
]


def each_call(*statuses: str) -> Any:
    """The test is about every call, and shows these errors of each."""
    return pytest.mark.parametrize(
        ("name", "arguments", "right"),
        [pytest.param(*call, marks=[pytest.mark.shows(call[0], s) for s in statuses]) for call in CALLS],
    )


@each_call("ZX_ERR_BAD_HANDLE", "ZX_ERR_WRONG_TYPE", "ZX_ERR_ACCESS_DENIED")
def test_each_call_wants_its_handle_type_and_right(
    w: World, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    call = getattr(w.zx, name)
    assert call(0, *arguments)[0] == ZX_ERR_BAD_HANDLE
    assert call(w.vmo, *arguments)[0] == ZX_ERR_WRONG_TYPE
    stream = w.stream()
    rights = w.rights(stream)
    _, without = w.zx.zx_handle_duplicate(stream, rights & ~right)
    assert call(without, *arguments)[0] == ZX_ERR_ACCESS_DENIED
    _, with_it = w.zx.zx_handle_duplicate(stream, right)
    assert call(with_it, *arguments) == (ZX_OK, 1)


@each_call("ZX_ERR_INVALID_ARGS")
def test_invalid_args_for_options(w: World, name: str, arguments: tuple[Any, ...], right: int) -> None:
    for options in (2, 24098, 1 << 31):
        assert getattr(w.zx, name)(w.stream(), options, *arguments[1:])[0] == ZX_ERR_INVALID_ARGS
    append = getattr(w.zx, name)(w.stream(), ZX_STREAM_APPEND, *arguments[1:])[0]
    assert append == (ZX_OK if name == "zx_stream_writev" else ZX_ERR_INVALID_ARGS)


@each_call()
def test_invalid_args_for_null_vectors_even_of_none(
    w: World, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    assert getattr(w.zx, name)(w.stream(), *arguments[:-1], None)[0] == ZX_ERR_INVALID_ARGS


@each_call()
def test_nothing_to_move_is_no_error(w: World, name: str, arguments: tuple[Any, ...], right: int) -> None:
    for nothing in ([], [bytearray()], [zx_iovec_t(buffer=0, capacity=0)] * 3):
        assert getattr(w.zx, name)(w.stream(), *arguments[:-1], nothing) == (ZX_OK, 0)
    assert w.content == ALPHABET


@each_call()
def test_invalid_args_for_capacities_beyond_64_bits(
    w: World, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    many = [zx_iovec_t(buffer=0x1000, capacity=(1 << 63) - 1)] * 7
    assert getattr(w.zx, name)(w.stream(), *arguments[:-1], many)[0] == ZX_ERR_INVALID_ARGS


@each_call("ZX_ERR_BAD_STATE")
def test_bad_state_where_the_vmo_is_not_cached(
    k: Kernel, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    zx: Any = k.host.sys
    _, vmo = zx.zx_vmo_create(PAGE, 0)
    _, stream = zx.zx_stream_create(READ | WRITE, vmo, 0)
    assert zx.zx_vmo_set_cache_policy(vmo, 1) == ZX_OK
    assert getattr(zx, name)(stream, *arguments)[0] == ZX_ERR_BAD_STATE


# ---- Guests' buffers


class Guest:
    """The calls as a guest makes them, with buffers in its memory: two pages that can be written, then one that cannot."""

    def __init__(self, w: World) -> None:
        self.w = w
        zx = w.zx
        _, self.memory = zx.zx_vmo_create(3 * PAGE, 0)
        vmar = w.k.host.root_vmar
        status, self.base = zx.zx_vmar_map(
            vmar, ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, self.memory, 0, 3 * PAGE
        )
        assert status == ZX_OK
        assert zx.zx_vmar_protect(vmar, ZX_VM_PERM_READ, self.base + 2 * PAGE, PAGE) == ZX_OK

    def put(self, offset: int, data: bytes) -> int:
        assert self.w.zx.zx_vmo_write(self.memory, data, offset) == ZX_OK
        return self.base + offset

    def get(self, offset: int, size: int) -> bytes:
        return bytes(self.w.zx.zx_vmo_read(self.memory, offset, size)[1])

    def vectors(self, *buffers: tuple[int, int]) -> int:
        packed = b"".join(zx_iovec_t(buffer=a, capacity=n).pack() for a, n in buffers)
        return self.put(PAGE + 1024, packed)

    def call(self, name: str, *registers: int) -> int:
        number = BY_NAME[name].number
        padded = (number, *(value & MAX for value in registers), *[0] * (8 - len(registers)))
        answer = TRAPS[number](self.w.zx.call, padded)
        assert answer is not None
        return answer

    def run(self, name: str, stream: int, *buffers: tuple[int, int]) -> tuple[int, int]:
        """A call with these buffers, of which *_at* is at 0: status and how much."""
        actual = self.put(PAGE + 512, bytes(8))
        at = (0,) if name.endswith("_at") else ()
        status = self.call(name, stream, 0, *at, self.vectors(*buffers), len(buffers), actual)
        return status, int.from_bytes(self.get(PAGE + 512, 8), "little")


@pytest.fixture
def guest(w: World) -> Guest:
    return Guest(w)


@each_call("ZX_ERR_NOT_FOUND")
def test_not_found_where_a_buffer_is_not_mapped(
    w: World, guest: Guest, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    assert guest.run(name, w.stream(), (0, 7)) == (ZX_ERR_NOT_FOUND, 0)
    assert guest.run(name, w.stream(), (guest.base + 3 * PAGE, 7)) == (ZX_ERR_NOT_FOUND, 0)
    assert guest.run(name, w.stream(), (1 << 63, 7)) == (ZX_ERR_NOT_FOUND, 0)
    assert w.content == ALPHABET


def test_access_denied_where_a_buffer_cannot_be_written(w: World, guest: Guest) -> None:
    read_only = guest.base + 2 * PAGE
    for name in ("zx_stream_readv", "zx_stream_readv_at"):
        assert guest.run(name, w.stream(), (read_only, 7)) == (ZX_ERR_ACCESS_DENIED, 0)
    assert guest.run("zx_stream_writev", w.stream(), (read_only, 7)) == (ZX_OK, 7)


@each_call()
def test_invalid_args_where_the_array_cannot_be_read_or_is_too_long(
    w: World, guest: Guest, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    at = arguments[:-1]
    assert guest.call(name, w.stream(), *at, 16, 1, 0) == ZX_ERR_INVALID_ARGS
    assert guest.call(name, w.stream(), *at, guest.base + 3 * PAGE - 16, 2, 0) == ZX_ERR_INVALID_ARGS
    assert guest.call(name, w.stream(), *at, guest.base, MAX_IOVECS + 1, 0) == ZX_ERR_INVALID_ARGS
    assert guest.call(name, w.stream(), *at, guest.base, MAX, 0) == ZX_ERR_INVALID_ARGS


@each_call()
def test_a_null_actual_is_ignored(
    w: World, guest: Guest, name: str, arguments: tuple[Any, ...], right: int
) -> None:
    vectors = guest.vectors((guest.base, 3))
    assert guest.call(name, w.stream(), *arguments[:-1], vectors, 1, 0) == ZX_OK
    assert guest.call(name, w.stream(), *arguments[:-1], vectors, 1, 8) == ZX_ERR_INVALID_ARGS


def test_what_lies_before_a_bad_buffer_is_moved(w: World, guest: Guest) -> None:
    stream = w.stream()
    assert guest.run("zx_stream_readv", stream, (guest.base, 3), (0, 7)) == (ZX_OK, 3)
    assert guest.get(0, 4) == b"abc\0"
    assert w.info(stream).seek == 3
    guest.put(0, b"XYZ")
    assert guest.run("zx_stream_writev", stream, (guest.base, 3), (0, 7)) == (ZX_OK, 3)
    assert w.content == b"abcXYZ" + ALPHABET[6:]
    assert w.info(stream).seek == 6


def test_an_append_of_which_nothing_could_be_read_leaves_the_content(w: World, guest: Guest) -> None:
    stream = w.stream(WRITE | APPEND)
    assert guest.run("zx_stream_writev", stream, (0, 42)) == (ZX_ERR_NOT_FOUND, 0)
    assert w.content == ALPHABET


def test_buffers_across_pages_and_over_the_array_itself(w: World, guest: Guest) -> None:
    assert guest.run("zx_stream_readv_at", w.stream(), (guest.base + PAGE - 5, 10)) == (ZX_OK, 10)
    assert guest.get(PAGE - 5, 10) == ALPHABET[:10]
    alias = guest.base + PAGE + 1024
    assert guest.run("zx_stream_readv", w.stream(), *[(alias, 112)] * 7) == (ZX_OK, 26)


# ---- Reading


def test_reading_goes_on_where_it_ended(w: World) -> None:
    stream = w.stream()
    assert w.read(stream, 7) == b"abcdefg"
    assert w.read(stream, 3) == b"hij"
    assert w.read(stream, 100) == ALPHABET[10:]
    assert w.info(stream).seek == 26


def test_reading_behind_the_content_reads_nothing(w: World) -> None:
    stream = w.stream(seek=26)
    assert w.read(stream, 3) == b""
    assert w.read(w.stream(seek=MAX), 3) == b""
    assert w.info(stream).seek == 26


def test_reading_fills_one_buffer_after_the_other(w: World) -> None:
    buffers = [bytearray(1), bytearray(), bytearray(4), bytearray(30)]
    assert w.zx.zx_stream_readv(w.stream(), 0, buffers) == (ZX_OK, 26)
    assert buffers == [b"a", b"", b"bcde", ALPHABET[5:] + bytes(9)]


def test_reading_stops_where_the_content_was_cut(w: World) -> None:
    stream = w.stream()
    assert w.zx.zx_vmo_set_stream_size(w.vmo, 6) == ZX_OK
    assert w.read(stream, 12) == b"abcdef"
    assert w.zx.zx_vmo_set_stream_size(w.vmo, 3) == ZX_OK
    assert w.read(stream, 12) == b""


def test_reading_at_an_offset_leaves_the_place(w: World) -> None:
    stream = w.stream()
    buffer = bytearray(7)
    assert w.zx.zx_stream_readv_at(stream, 0, 24, [buffer]) == (ZX_OK, 2)
    assert buffer[:2] == b"yz"
    for offset in (26, 36, 3645651, MAX):
        assert w.zx.zx_stream_readv_at(stream, 0, offset, [buffer]) == (ZX_OK, 0)
    assert w.info(stream).seek == 0


def test_a_buffer_may_be_larger_than_memory(w: World, guest: Guest) -> None:
    assert guest.run("zx_stream_readv", w.stream(), (guest.base, MAX)) == (ZX_OK, 26)
    assert guest.get(0, 27) == ALPHABET + b"\0"


# ---- Writing


def test_writing_goes_on_where_it_ended(w: World) -> None:
    stream = w.stream()
    assert w.zx.zx_stream_writev(stream, 0, [b"0123456"]) == (ZX_OK, 7)
    assert w.zx.zx_stream_writev(stream, 0, [b"x", b"", b"yz"]) == (ZX_OK, 3)
    assert w.content == b"0123456xyz" + ALPHABET[10:]
    assert w.info(stream).seek == 10


def test_writing_at_an_offset_leaves_the_place(w: World) -> None:
    stream = w.stream()
    assert w.zx.zx_stream_writev_at(stream, 0, 7, [b"012"]) == (ZX_OK, 3)
    assert w.content == b"abcdefg012" + ALPHABET[10:]
    assert w.info(stream).seek == 0


def test_writing_makes_the_content_longer(w: World) -> None:
    stream = w.stream(seek=24)
    assert w.zx.zx_stream_writev(stream, 0, [b"0123"]) == (ZX_OK, 4)
    assert w.content == ALPHABET[:24] + b"0123"


@pytest.mark.shows("zx_stream_writev", "ZX_ERR_OUT_OF_RANGE")
@pytest.mark.shows("zx_stream_writev_at", "ZX_ERR_OUT_OF_RANGE")
def test_writing_fills_what_room_there_is(w: World) -> None:
    stream = w.stream(seek=PAGE - 6)
    assert w.zx.zx_stream_writev(stream, 0, [b"0123456789"]) == (ZX_OK, 6)
    assert w.content[-6:] == b"012345" and len(w.content) == PAGE
    assert w.zx.zx_stream_writev(stream, 0, [b"0"]) == (ZX_ERR_OUT_OF_RANGE, 0)
    assert w.zx.zx_stream_writev_at(stream, 0, PAGE + 4, [b"0"]) == (ZX_ERR_OUT_OF_RANGE, 0)
    assert len(w.content) == PAGE and w.size == PAGE


def test_new_content_that_is_not_written_is_zero(k: Kernel) -> None:
    w = World(k, 6 * PAGE)
    assert w.zx.zx_vmo_write(w.vmo, b"x" * (6 * PAGE - 26), 26) == ZX_OK
    stream = w.stream(WRITE)
    assert w.zx.zx_stream_writev_at(stream, 0, 2 * PAGE - 2, [b"0123"]) == (ZX_OK, 4)
    assert w.content == ALPHABET + bytes(2 * PAGE - 28) + b"0123"
    assert w.zx.zx_vmo_read(w.vmo, 2 * PAGE + 2, 2)[1] == b"xx"
    assert w.zx.zx_stream_writev_at(stream, 0, 5 * PAGE - 2, [b"0123"]) == (ZX_OK, 4)
    assert w.content[2 * PAGE :] == b"23" + bytes(3 * PAGE - 4) + b"0123"


@pytest.mark.parametrize("options", [0, ZX_VMO_RESIZABLE])
def test_a_write_leaves_the_size_of_the_vmo(k: Kernel, options: int) -> None:
    w = World(k, PAGE, options)
    assert w.zx.zx_stream_writev_at(w.stream(), 0, 4090, [b"0123456789"]) == (ZX_OK, 6)
    assert w.size == PAGE and len(w.content) == PAGE


@pytest.mark.shows("zx_stream_writev", "ZX_ERR_FILE_BIG")
@pytest.mark.shows("zx_stream_writev_at", "ZX_ERR_FILE_BIG")
def test_file_big_an_end_beyond_64_bits(k: Kernel) -> None:
    w = World(k, PAGE, ZX_VMO_RESIZABLE)
    huge = [zx_iovec_t(buffer=0x1000, capacity=MAX)]
    assert w.zx.zx_stream_writev(w.stream(seek=1), 0, huge) == (ZX_ERR_FILE_BIG, 0)
    assert w.zx.zx_stream_writev_at(w.stream(), 0, 5414, huge) == (ZX_ERR_FILE_BIG, 0)
    assert w.content == ALPHABET and w.size == PAGE


def test_out_of_range_far_behind_the_vmo(k: Kernel) -> None:
    w = World(k, PAGE, ZX_VMO_RESIZABLE)
    for offset in (PAGE, MAX - 7, 1 << 63):
        assert w.zx.zx_stream_writev_at(w.stream(), 0, offset, [b"AAAA"]) == (ZX_ERR_OUT_OF_RANGE, 0)
    assert w.content == ALPHABET and w.size == PAGE
    assert w.zx.zx_vmo_set_size(w.vmo, 2 * PAGE) == ZX_OK


# ---- Appending


@pytest.mark.parametrize(("mode", "options"), [(WRITE, ZX_STREAM_APPEND), (WRITE | APPEND, 0)])
def test_appending_writes_behind_the_content(w: World, mode: int, options: int) -> None:
    stream = w.stream(mode)
    assert w.info(stream) == zx_info_stream_t(options=mode, seek=0, content_size=26)
    assert w.zx.zx_stream_writev(stream, options, [b"0123456"]) == (ZX_OK, 7)
    assert w.content == ALPHABET + b"0123456"
    assert w.info(stream) == zx_info_stream_t(options=mode, seek=33, content_size=33)
    assert w.zx.zx_stream_writev(stream, options, [bytes(PAGE - 34)]) == (ZX_OK, PAGE - 34)
    assert w.zx.zx_stream_writev(stream, options, [b"abc"]) == (ZX_OK, 1)
    assert w.zx.zx_stream_writev(stream, options, [b"abc"]) == (ZX_ERR_OUT_OF_RANGE, 0)
    huge = [zx_iovec_t(buffer=0x1000, capacity=MAX)]
    assert w.zx.zx_stream_writev(stream, options, huge) == (ZX_ERR_OUT_OF_RANGE, 0)


def test_a_write_at_an_offset_does_not_append(w: World) -> None:
    assert w.zx.zx_stream_writev_at(w.stream(WRITE | APPEND), 0, 1, [b"XY"]) == (ZX_OK, 2)
    assert w.content == b"aXY" + ALPHABET[3:]


def test_append_mode_is_a_property(w: World) -> None:
    stream = w.stream(WRITE)
    assert w.zx.zx_object_get_property(stream, ZX_PROP_STREAM_MODE_APPEND, 1) == (ZX_OK, b"\0")
    assert w.zx.zx_object_set_property(stream, ZX_PROP_STREAM_MODE_APPEND, b"\1") == ZX_OK
    assert w.zx.zx_object_get_property(stream, ZX_PROP_STREAM_MODE_APPEND, 1) == (ZX_OK, b"\1")
    assert w.info(stream).options == WRITE | APPEND
    assert w.zx.zx_stream_seek(stream, START, 10) == (ZX_OK, 10)
    assert w.zx.zx_stream_writev(stream, 0, [b"0123"]) == (ZX_OK, 4)
    assert w.content == ALPHABET + b"0123"
    assert w.zx.zx_object_set_property(stream, ZX_PROP_STREAM_MODE_APPEND, b"\0") == ZX_OK
    assert w.info(stream) == zx_info_stream_t(options=WRITE, seek=30, content_size=30)


def test_errors_of_the_property(w: World) -> None:
    stream = w.stream(WRITE)
    assert w.zx.zx_object_get_property(stream, ZX_PROP_STREAM_MODE_APPEND, 0)[0] == ZX_ERR_BUFFER_TOO_SMALL
    assert w.zx.zx_object_set_property(stream, ZX_PROP_STREAM_MODE_APPEND, b"") == ZX_ERR_BUFFER_TOO_SMALL
    assert w.zx.zx_object_get_property(w.vmo, ZX_PROP_STREAM_MODE_APPEND, 1)[0] == ZX_ERR_WRONG_TYPE
    assert w.zx.zx_object_set_property(w.vmo, ZX_PROP_STREAM_MODE_APPEND, b"\1") == ZX_ERR_WRONG_TYPE


# ---- Seeking


def test_places_of_the_three_origins(w: World) -> None:
    stream = w.stream(READ, 9)
    assert w.zx.zx_stream_seek(stream, CURRENT, 0) == (ZX_OK, 9)
    assert w.zx.zx_stream_seek(stream, START, 12) == (ZX_OK, 12)
    assert w.zx.zx_stream_seek(stream, CURRENT, -12) == (ZX_OK, 0)
    assert w.zx.zx_stream_seek(stream, CURRENT, (1 << 63) - 1) == (ZX_OK, (1 << 63) - 1)
    assert w.zx.zx_stream_seek(stream, CURRENT, 1038) == (ZX_OK, (1 << 63) + 1037)
    assert w.zx.zx_stream_seek(stream, END, 0) == (ZX_OK, 26)
    assert w.zx.zx_stream_seek(stream, END, -26) == (ZX_OK, 0)
    assert w.zx.zx_stream_seek(stream, END, 24) == (ZX_OK, 50)


@pytest.mark.shows("zx_stream_seek", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(
    ("whence", "offset"),
    [(3, 12), (34893, 0), (START, -1), (START, -(1 << 63)), (CURRENT, -10), (END, -27)],
)
def test_invalid_args_for_other_origins_and_before_the_start(w: World, whence: int, offset: int) -> None:
    stream = w.stream(READ, 9)
    assert w.zx.zx_stream_seek(stream, whence, offset)[0] == ZX_ERR_INVALID_ARGS
    assert w.info(stream).seek == 9


def test_invalid_args_beyond_64_bits(w: World) -> None:
    stream = w.stream(READ, MAX)
    assert w.zx.zx_stream_seek(stream, CURRENT, 1)[0] == ZX_ERR_INVALID_ARGS
    assert w.zx.zx_stream_seek(stream, CURRENT, 0) == (ZX_OK, MAX)


@pytest.mark.shows("zx_stream_seek", "ZX_ERR_BAD_HANDLE")
@pytest.mark.shows("zx_stream_seek", "ZX_ERR_WRONG_TYPE")
@pytest.mark.shows("zx_stream_seek", "ZX_ERR_ACCESS_DENIED")
def test_seeking_needs_read_or_write(w: World) -> None:
    assert w.zx.zx_stream_seek(0, START, 0)[0] == ZX_ERR_BAD_HANDLE
    assert w.zx.zx_stream_seek(w.vmo, START, 0)[0] == ZX_ERR_WRONG_TYPE
    assert w.zx.zx_stream_seek(w.stream(0), START, 0)[0] == ZX_ERR_ACCESS_DENIED
    assert w.zx.zx_stream_seek(w.stream(READ), START, 5) == (ZX_OK, 5)
    assert w.zx.zx_stream_seek(w.stream(WRITE), START, 5) == (ZX_OK, 5)


def test_a_null_place_is_ignored(w: World, guest: Guest) -> None:
    stream = w.stream()
    assert guest.call("zx_stream_seek", stream, START, 5, 0) == ZX_OK
    assert guest.call("zx_stream_seek", stream, START, 6, 16) == ZX_ERR_INVALID_ARGS


def test_handles_to_one_stream_share_its_place(w: World) -> None:
    stream = w.stream()
    _, other = w.zx.zx_handle_duplicate(stream, ZX_RIGHT_SAME_RIGHTS)
    assert w.read(stream, 3) == b"abc"
    assert w.read(other, 3) == b"def"
    assert w.read(w.stream(), 3) == b"abc"


# ---- Against a model


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["write", "write_at", "append", "read", "read_at", "seek", "cut"]),
            st.integers(0, 3 * PAGE),
            st.integers(0, 2 * PAGE),
        ),
        max_size=15,
    )
)
def test_a_stream_is_as_a_file(steps: list[tuple[str, int, int]]) -> None:
    with Kernel(seed=0, virtual_time=True, memory=4 << 20, strict=True) as k:
        w = World(k, 0, ZX_VMO_UNBOUNDED)
        stream, content, place = w.stream(), bytearray(), 0

        def write(at: int, data: bytes) -> None:
            if data:
                content.extend(bytes(max(0, at + len(data) - len(content))))
                content[at : at + len(data)] = data

        for number, (what, offset, size) in enumerate(steps):
            data = bytes([number + 1]) * size
            if what == "write":
                assert w.zx.zx_stream_writev(stream, 0, [data[: size // 3], data[size // 3 :]]) == (
                    ZX_OK,
                    size,
                )
                write(place, data)
                place += size
            elif what == "write_at":
                assert w.zx.zx_stream_writev_at(stream, 0, offset, [data]) == (ZX_OK, size)
                write(offset, data)
            elif what == "append":
                assert w.zx.zx_stream_writev(stream, ZX_STREAM_APPEND, [data]) == (ZX_OK, size)
                if size:
                    place = len(content) + size
                write(len(content), data)
            elif what == "read":
                assert w.read(stream, size) == content[place : place + size]
                place = max(place, min(place + size, len(content)))
            elif what == "read_at":
                buffer = bytearray(size)
                status, actual = w.zx.zx_stream_readv_at(stream, 0, offset, [buffer])
                assert (status, buffer[:actual]) == (ZX_OK, content[offset : offset + size])
            elif what == "seek":
                assert w.zx.zx_stream_seek(stream, START, offset) == (ZX_OK, offset)
                place = offset
            else:
                assert w.zx.zx_vmo_set_stream_size(w.vmo, offset) == ZX_OK
                del content[offset:]
                content.extend(bytes(offset - len(content)))
            assert w.content == content
            assert w.info(stream).seek == place
