from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacinth.abi import PA_FD, PA_HND, PA_HND_ARG, PA_HND_TYPE, PA_PROC_SELF, PA_VMAR_ROOT
from jacinth.userboot.processargs import ProcessArgs, ProcessArgsError, pack_processargs, unpack_processargs

STRINGS = st.lists(st.binary().map(lambda data: data.replace(b"\0", b"")), max_size=6)


def test_the_message_has_the_layout_of_the_header() -> None:
    message = pack_processargs(
        [b"prog", b"x"], [b"A=b"], [b"/svc"], [PA_HND(PA_PROC_SELF, 0), PA_HND(PA_FD, 2)]
    )
    words = struct.unpack_from("<9I", message)
    assert words == (0x4150585D, 0x1000, 36, 44, 2, 51, 1, 55, 1)
    assert message[36:44] == struct.pack("<II", 0x01, 0x0002_0030)
    assert message[44:] == b"prog\0x\0A=b\0/svc\0"


def test_a_handle_info_holds_a_type_and_an_argument() -> None:
    info = PA_HND(PA_FD, 0x8001)
    assert (PA_HND_TYPE(info), PA_HND_ARG(info)) == (PA_FD, 0x8001)
    assert PA_HND(PA_VMAR_ROOT, 0) == PA_VMAR_ROOT


@given(STRINGS, STRINGS, STRINGS, st.lists(st.integers(0, 2**32 - 1), max_size=8))
def test_what_is_packed_comes_back(
    args: list[bytes], environ: list[bytes], names: list[bytes], infos: list[int]
) -> None:
    message = pack_processargs(args, environ, names, infos)
    unpacked = unpack_processargs(message, len(infos))
    assert unpacked == ProcessArgs(tuple(args), tuple(environ), tuple(names), tuple(infos))


def test_a_string_with_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        pack_processargs([b"a\0b"])


@pytest.mark.parametrize(
    ("message", "handles", "fault"),
    [
        (b"", 0, "too short"),
        (struct.pack("<9I", 1, 0x1000, 36, 36, 0, 36, 0, 36, 0), 0, "not a bootstrap message: protocol 0x1"),
        (struct.pack("<9I", 0x4150585D, 2, 36, 36, 0, 36, 0, 36, 0), 0, "unknown version"),
        (struct.pack("<9I", 0x4150585D, 0x1000, 36, 36, 0, 36, 0, 36, 0), 1, "handle table"),
        (struct.pack("<9I", 0x4150585D, 0x1000, 36, 36, 1, 36, 0, 36, 0), 0, "a string lies behind"),
        (struct.pack("<9I", 0x4150585D, 0x1000, 36, 2**32 - 1, 1, 36, 0, 36, 0), 0, "a string lies behind"),
        (struct.pack("<9I", 0x4150585D, 0x1000, 36, 36, 2**32 - 1, 36, 0, 36, 0), 0, "too many"),
    ],
)
def test_a_damaged_message_is_named(message: bytes, handles: int, fault: str) -> None:
    with pytest.raises(ProcessArgsError, match=fault):
        unpack_processargs(message, handles)


@given(st.binary(max_size=80), st.integers(0, 70))
def test_no_bytes_raise_anything_else(tail: bytes, handles: int) -> None:
    try:
        unpack_processargs(struct.pack("<II", 0x4150585D, 0x1000) + tail, handles)
    except ProcessArgsError:
        pass
