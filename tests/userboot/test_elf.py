from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacinth.abi.rows import SyscallRow, handle
from jacinth.userboot.elf import USER_TOP, ElfError, ElfType, load_elf
from jacinth.userboot.vdso import build_vdso

R, W, X = 4, 2, 1
LOAD, DYNAMIC, INTERP, TLS, STACK = 1, 2, 3, 7, 0x6474E551


def phdr(kind: int, flags: int, offset: int, vaddr: int, filesz: int, memsz: int, align: int = 4096) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, vaddr, vaddr, filesz, memsz, align)


TEXT = phdr(LOAD, R | X, 0, 0, 0x1800, 0x1800)
DATA = phdr(LOAD, R | W, 0x1800, 0x2800, 0x100, 0x1000)


def elf(
    *headers: bytes,
    entry: int = 0x1000,
    size: int = 0x2000,
    body: dict[int, bytes] | None = None,
    **fields: int,
) -> bytes:
    """A file of *size* bytes with these program headers; *fields* replace what is in the ELF header."""
    ident = bytearray(b"\x7fELF\x02\x01\x01".ljust(16, b"\0"))
    ident[4] = fields.get("elf_class", 2)
    ident[5] = fields.get("order", 1)
    ident[6] = fields.get("ident_version", 1)
    image = bytearray(size)
    image[:64] = struct.pack(
        "<16sHHIQQQIHHHHHH",
        bytes(ident),
        fields.get("type", 3),
        fields.get("machine", 62),
        fields.get("version", 1),
        entry,
        fields.get("phoff", 64),
        0,
        0,
        64,
        fields.get("phentsize", 56),
        fields.get("phnum", len(headers)),
        0,
        0,
        0,
    )
    table = b"".join(headers)
    image[64 : 64 + len(table)] = table
    for offset, data in (body or {}).items():
        image[offset : offset + len(data)] = data
    return bytes(image[:size])


GOOD = elf(TEXT, DATA)


def test_a_position_independent_program() -> None:
    image = load_elf(GOOD)
    assert image.type is ElfType.DYN
    assert (image.entry, image.low, image.span) == (0x1000, 0, 0x4000)
    assert image.phdr_vaddr == 64 and image.phdr_count == 2
    text, data = image.segments
    assert (text.vaddr, text.memsz, text.filesz, text.offset) == (0, 0x1800, 0x1800, 0)
    assert (text.read, text.write, text.execute) == (True, False, True)
    assert (data.vaddr, data.memsz, data.filesz, data.offset) == (0x2800, 0x1000, 0x100, 0x1800)
    assert (data.start, data.end) == (0x2000, 0x4000)
    assert (data.read, data.write, data.execute) == (True, True, False)
    assert image.interp is None and image.needed == () and image.soname is None
    assert image.stack_size is None and not image.stack_execute and not image.has_tls
    assert image.symbols == ()


def test_a_program_at_fixed_addresses() -> None:
    text = phdr(LOAD, R | X, 0, 0x400000, 0x1800, 0x1800)
    image = load_elf(elf(text, type=2, entry=0x401000))
    assert image.type is ElfType.EXEC
    assert (image.low, image.span, image.phdr_vaddr) == (0x400000, 0x2000, 0x400040)


def test_what_stands_beside_the_segments() -> None:
    strings = b"\0libzircon.so\0libc.so\0me.so\0"
    dynamic = struct.pack("<8q", 1, 1, 1, 14, 14, 22, 5, 0x1600) + struct.pack("<4q", 10, len(strings), 0, 0)
    data = elf(
        TEXT,
        phdr(INTERP, R, 0x1400, 0x1400, 9, 9),
        phdr(DYNAMIC, R, 0x1500, 0x1500, len(dynamic), len(dynamic)),
        phdr(STACK, R | W, 0, 0, 0, 0x8000),
        phdr(TLS, R, 0x1700, 0x1700, 8, 8),
        body={0x1400: b"ld.so.1\0\0", 0x1500: dynamic, 0x1600: strings},
    )
    image = load_elf(data)
    assert image.interp == "ld.so.1"
    assert image.needed == ("libzircon.so", "libc.so")
    assert image.soname == "me.so"
    assert image.stack_size == 0x8000 and not image.stack_execute
    assert image.has_tls


def test_a_shared_object_needs_no_entry_point_and_has_symbols() -> None:
    vdso = build_vdso([SyscallRow("zx_handle_close", (handle("handle"),), number=0)])
    image = load_elf(vdso.image)
    assert (image.entry, image.soname) == (0, "libzircon.so")
    symbols = [(symbol.name, symbol.address) for symbol in image.symbols]
    assert symbols == [(name, vdso.symbols[name]) for name in ("_zx_handle_close", "zx_handle_close")]


FAULTS = {
    "not an ELF file": [b"", b"\x7fEL", b"#!/bin/sh\n", bytes(100)],
    "too short for an ELF file: 63 bytes": [GOOD[:63]],
    "a 32-bit program": [elf(TEXT, elf_class=1)],
    "unknown ELF class 9": [elf(TEXT, elf_class=9)],
    "a big-endian program": [elf(TEXT, order=2)],
    "unknown ELF byte order 0": [elf(TEXT, order=0)],
    "unknown ELF version 3": [elf(TEXT, version=3), elf(TEXT, ident_version=3)],
    "a program for AArch64, not for x86-64": [elf(TEXT, machine=183)],
    "a program for machine 9999, not for x86-64": [elf(TEXT, machine=9999)],
    "not a program: an object file, not linked": [elf(TEXT, type=1)],
    "not a program: a core dump": [elf(TEXT, type=4)],
    "not a program: ELF type 65024": [elf(TEXT, type=0xFE00)],
    "no program headers": [elf()],
    "too many program headers: 129": [elf(TEXT, phnum=129)],
    "program headers of 32 bytes instead of 56": [elf(TEXT, phentsize=32)],
    "truncated: the program headers lie behind the end of the file": [
        elf(TEXT, phoff=2**64 - 1),
        elf(TEXT, phoff=0x2000 - 55),
        GOOD[:100],
    ],
    "nothing to load": [elf(phdr(STACK, R, 0, 0, 0, 0)), elf(phdr(LOAD, R | X, 0, 0, 0, 0))],
    "segment 0 has 5 bytes in the file and none in memory": [elf(phdr(LOAD, R | X, 0, 0, 5, 0))],
    "segment 0 is larger in the file than in memory": [elf(phdr(LOAD, R | X, 0, 0, 0x1001, 0x1000))],
    "segment 0 reaches beyond user space: 0x7ffffffff000 + 0x1": [elf(phdr(LOAD, R | X, 0, USER_TOP, 0, 1))],
    "segment 0 reaches beyond user space: 0xfffffffffffff000 + 0x2000": [
        elf(phdr(LOAD, R | X, 0, 2**64 - 0x1000, 0, 0x2000))
    ],
    "segment 0 reaches beyond user space: 0x0 + 0xffffffffffffffff": [
        elf(phdr(LOAD, R | X, 0, 0, 0, 2**64 - 1))
    ],
    "segment 0 has an alignment that is no power of two: 0x3000": [
        elf(phdr(LOAD, R | X, 0, 0, 0x1800, 0x1800, 0x3000))
    ],
    "segment 0 is misaligned: address 0x10, file offset 0x0": [
        elf(phdr(LOAD, R | X, 0, 0x10, 0x1800, 0x1800))
    ],
    "truncated: segment 1 lies behind the end of the file": [
        elf(TEXT, phdr(LOAD, R, 0x1800, 0x2800, 0x801, 0x801)),
        elf(TEXT, phdr(LOAD, R, 2**64 - 0x800, 0x2800, 0x1000, 0x1000)),
    ],
    "segments overlap at 0x1000": [elf(TEXT, phdr(LOAD, R | W, 0, 0x1000, 0x10, 0x10))],
    "segments overlap at 0x0": [elf(TEXT, TEXT)],
    "two segments share the page at 0x1000": [elf(TEXT, phdr(LOAD, R | W, 0x1900, 0x1900, 0x10, 0x10))],
    "the entry point 0x1800 is outside every executable segment": [elf(TEXT, entry=0x1800)],
    "the entry point 0x2800 is outside every executable segment": [elf(TEXT, DATA, entry=0x2800)],
    "the entry point 0x0 is outside every executable segment": [
        elf(phdr(LOAD, R | X, 0, 0x1000, 16, 16), type=2, entry=0)
    ],
    "more than one PT_INTERP": [elf(TEXT, *[phdr(INTERP, R, 0x1400, 0x1400, 9, 9)] * 2)],
    "PT_INTERP is damaged": [
        elf(TEXT, phdr(INTERP, R, 0x1FFF, 0x1400, 9, 9)),
        elf(TEXT, phdr(INTERP, R, 0, 0x1400, 0, 0)),
        elf(TEXT, phdr(INTERP, R, 0, 0x1400, 2**63, 0)),
    ],
    "the dynamic linker's path is not UTF-8": [
        elf(TEXT, phdr(INTERP, R, 0x1400, 0x1400, 3, 3), body={0x1400: b"\xff\xfe\0"})
    ],
    "the stack size is absurd: 0xffffffffffffffff bytes": [elf(TEXT, phdr(STACK, R, 0, 0, 0, 2**64 - 1))],
    "truncated: the dynamic section lies behind the end of the file": [
        elf(TEXT, phdr(DYNAMIC, R, 0x1FF1, 0, 16, 16))
    ],
    "the dynamic section's string table is not in the file": [
        elf(TEXT, phdr(DYNAMIC, R, 0x1500, 0, 32, 32), body={0x1500: struct.pack("<4q", 1, 1, 5, 0x9000)})
    ],
    "the dynamic section names what is not in its string table": [
        elf(TEXT, phdr(DYNAMIC, R, 0x1500, 0, 16, 16), body={0x1500: struct.pack("<qQ", 1, 2**64 - 1)})
    ],
}


@pytest.mark.parametrize(
    ("data", "fault"), [(data, fault) for fault, files in FAULTS.items() for data in files]
)
def test_each_fault_has_its_own_line(data: bytes, fault: str) -> None:
    with pytest.raises(ElfError) as caught:
        load_elf(data)
    assert str(caught.value) == fault


def _no_other_exception(data: bytes) -> None:
    try:
        image = load_elf(data)
    except ElfError as error:
        assert str(error) and "\n" not in str(error)
        return
    assert all(0 <= s.start < s.end <= USER_TOP for s in image.segments)
    assert all(s.filesz <= s.memsz and s.offset + s.filesz <= len(data) for s in image.segments)
    assert 0 < image.span <= USER_TOP
    assert isinstance(image.symbols, tuple)


SAMPLE = build_vdso([SyscallRow("zx_handle_close", (handle("handle"),), number=0)]).image
HEADERS = 64 + 5 * 56


@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(0, HEADERS - 8), st.integers(0, 4088)),
            st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 4096, 2**47, 2**63, 2**64 - 1])),
            st.sampled_from("BHIQ"),
        ),
        max_size=6,
    ),
    st.one_of(st.none(), st.integers(0, len(SAMPLE))),
)
def test_no_bytes_raise_anything_but_elf_error(edits: list[tuple[int, int, str]], cut: int | None) -> None:
    data = bytearray(SAMPLE)
    for offset, value, code in edits:
        struct.pack_into("<" + code, data, offset, value % 2 ** (8 * struct.calcsize("<" + code)))
    _no_other_exception(bytes(data[:cut]))


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_elf_error(tail: bytes) -> None:
    _no_other_exception(b"\x7fELF\x02\x01\x01" + tail)


def test_programs_of_this_machine_load() -> None:
    found = [path for path in map(Path, ("/bin/sh", "/bin/ls")) if path.is_file()]
    if not found or found[0].read_bytes()[18] != 62:
        pytest.skip("no x86-64 programs on this machine")
    for path in found:
        image = load_elf(path.read_bytes())
        assert image.interp is None or image.interp.startswith("/")
