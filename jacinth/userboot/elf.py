"""ELF files: what a loader needs to know of one, checked.

Programs come from outside, so nothing in one is believed: `load_elf` answers an image whose every number is
in range, or raises `ElfError` with one line that names the fault, whatever the bytes. What a loader needs is
read here by hand; pyelftools, which takes longer to import than most programs run, comes in only for symbols.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from itertools import pairwise
from typing import Final

PAGE_SIZE: Final = 4096
USER_TOP: Final = 2**47 - PAGE_SIZE  # first address above user space on x86-64

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PHDR: Final = struct.Struct("<IIQQQQQQ")
_DYN: Final = struct.Struct("<qQ")

_MAX_SEGMENTS: Final = 128
_MAX_PATH: Final = 4096
_MAX_DYNAMIC: Final = 4096

_EM_X86_64: Final = 62
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP, _PT_NOTE, _PT_PHDR, _PT_TLS, _PT_GNU_STACK = 1, 2, 3, 4, 6, 7, 0x6474E551
_PF_X, _PF_W, _PF_R = 1, 2, 4
# The beginning of the note that C libraries of Linux leave in a program: its owner, NT_GNU_ABI_TAG, and Linux.
_LINUX_TAG: Final = struct.pack("<III4sI", 4, 16, 1, b"GNU", 0)
_DT_NULL, _DT_NEEDED, _DT_STRTAB, _DT_STRSZ, _DT_SONAME = 0, 1, 5, 10, 14

_TYPES: Final = {0: "a file of no type", 1: "an object file, not linked", 4: "a core dump"}
_MACHINES: Final = {
    0: "no machine",
    2: "SPARC",
    3: "32-bit x86",
    8: "MIPS",
    20: "PowerPC",
    21: "64-bit PowerPC",
    22: "s390",
    40: "32-bit ARM",
    183: "AArch64",
    243: "RISC-V",
    247: "BPF",
    258: "LoongArch",
}


class ElfError(Exception):
    """A file is no ELF program for this machine; the message is one line that says why."""


class ElfType(Enum):
    EXEC = "exec"  # at fixed addresses
    DYN = "dyn"  # position-independent: a PIE or a shared object


@dataclass(frozen=True, slots=True)
class ElfSegment:
    """A PT_LOAD segment. Memory behind *filesz* is zero. Addresses of a DYN image count from its base."""

    vaddr: int
    memsz: int  # bytes, not 0, not less than filesz
    filesz: int  # bytes
    offset: int  # in the file; as far from a page's start as vaddr is
    read: bool
    write: bool
    execute: bool

    @property
    def start(self) -> int:
        """The page it begins in."""
        return self.vaddr & -PAGE_SIZE

    @property
    def end(self) -> int:
        """The first address of the page behind its last."""
        return (self.vaddr + self.memsz + PAGE_SIZE - 1) & -PAGE_SIZE


@dataclass(frozen=True, slots=True)
class ElfSymbol:
    name: str
    address: int  # counts from the base, as segments do
    size: int  # bytes; 0: not known


@dataclass(frozen=True)
class ElfImage:
    """A checked ELF file."""

    type: ElfType
    machine: int
    entry: int  # inside an executable segment; 0 in a shared object that has none
    segments: tuple[ElfSegment, ...]  # ascending, no two in one page
    phdr_vaddr: int | None  # where the program headers are in memory; None: they are not loaded
    phdr_count: int
    interp: str | None  # path of the dynamic linker
    needed: tuple[str, ...]  # names of the shared objects it is linked against
    soname: str | None
    stack_size: int | None  # bytes that PT_GNU_STACK asks for; None: no wish
    stack_execute: bool
    has_tls: bool
    for_linux: bool  # it says so, by its ABI tag
    data: bytes = field(repr=False)  # the file

    @property
    def low(self) -> int:
        """The first page's address."""
        return self.segments[0].start

    @property
    def span(self) -> int:
        """Bytes from the first page to behind the last."""
        return self.segments[-1].end - self.low

    @cached_property
    def symbols(self) -> tuple[ElfSymbol, ...]:
        """Functions and objects with a name, by address; empty where the tables are missing or damaged."""
        return tuple(sorted(_symbols(self.data), key=lambda symbol: (symbol.address, symbol.name)))


def load_elf(data: bytes) -> ElfImage:
    """Check *data* and answer what a loader needs. Raises ElfError, and nothing else."""
    if data[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(data) < _EHDR.size:
        raise ElfError(f"too short for an ELF file: {len(data)} bytes")
    ident, kind, machine, version, entry, phoff, _, _, _, phentsize, phnum, _, _, _ = _EHDR.unpack_from(data)
    _check_ident(ident, machine, version)
    if kind not in (2, 3):
        raise ElfError(f"not a program: {_TYPES.get(kind, f'ELF type {kind}')}")
    headers = list(_program_headers(data, phoff, phentsize, phnum))

    loads: list[ElfSegment] = []
    interp: str | None = None
    dynamic: tuple[int, int] | None = None
    stack_size: int | None = None
    stack_execute = False
    has_tls = for_linux = False
    for number, (p_type, flags, offset, vaddr, _, filesz, memsz, align) in enumerate(headers):
        if p_type == _PT_LOAD and memsz > 0:
            _check_load(data, number, offset, vaddr, filesz, memsz, align)
            access = (bool(flags & _PF_R), bool(flags & _PF_W), bool(flags & _PF_X))
            loads.append(ElfSegment(vaddr, memsz, filesz, offset, *access))
        elif p_type == _PT_LOAD and filesz > 0:
            raise ElfError(f"segment {number} has {filesz} bytes in the file and none in memory")
        elif p_type == _PT_INTERP:
            if interp is not None:
                raise ElfError("more than one PT_INTERP")
            interp = _path(data, offset, filesz)
        elif p_type == _PT_DYNAMIC:
            dynamic = (offset, filesz)
        elif p_type == _PT_TLS:
            has_tls = True
        elif p_type == _PT_NOTE:
            for_linux = for_linux or data.find(_LINUX_TAG, offset, offset + filesz) >= 0
        elif p_type == _PT_GNU_STACK:
            if memsz >= USER_TOP:
                raise ElfError(f"the stack size is absurd: {memsz:#x} bytes")
            stack_size = memsz or None
            stack_execute = bool(flags & _PF_X)
    segments = _in_order(loads)
    executable = any(s.execute and s.vaddr <= entry < s.vaddr + s.memsz for s in segments)
    if not executable and not (kind == 3 and entry == 0):
        raise ElfError(f"the entry point {entry:#x} is outside every executable segment")
    needed, soname = _dynamic(data, segments, *dynamic) if dynamic else ((), None)
    return ElfImage(
        type=ElfType.EXEC if kind == 2 else ElfType.DYN,
        machine=machine,
        entry=entry,
        segments=segments,
        phdr_vaddr=_loaded_at(segments, phoff, phnum * _PHDR.size),
        phdr_count=phnum,
        interp=interp,
        needed=needed,
        soname=soname,
        stack_size=stack_size,
        stack_execute=stack_execute,
        has_tls=has_tls,
        for_linux=for_linux,
        data=data,
    )


def _check_ident(ident: bytes, machine: int, version: int) -> None:
    if ident[4] != 2:
        raise ElfError("a 32-bit program" if ident[4] == 1 else f"unknown ELF class {ident[4]}")
    if ident[5] != 1:
        raise ElfError("a big-endian program" if ident[5] == 2 else f"unknown ELF byte order {ident[5]}")
    if ident[6] != 1 or version != 1:
        raise ElfError(f"unknown ELF version {version if ident[6] == 1 else ident[6]}")
    if machine != _EM_X86_64:
        name = _MACHINES.get(machine, f"machine {machine}")
        raise ElfError(f"a program for {name}, not for x86-64")


def _program_headers(data: bytes, phoff: int, phentsize: int, phnum: int) -> Iterator[tuple[int, ...]]:
    if phnum == 0:
        raise ElfError("no program headers")
    if phnum > _MAX_SEGMENTS:
        raise ElfError(f"too many program headers: {phnum}")
    if phentsize != _PHDR.size:
        raise ElfError(f"program headers of {phentsize} bytes instead of {_PHDR.size}")
    if phoff + phnum * phentsize > len(data):
        raise ElfError("truncated: the program headers lie behind the end of the file")
    for number in range(phnum):
        yield _PHDR.unpack_from(data, phoff + number * phentsize)


def _check_load(
    data: bytes, number: int, offset: int, vaddr: int, filesz: int, memsz: int, align: int
) -> None:
    if filesz > memsz:
        raise ElfError(f"segment {number} is larger in the file than in memory")
    if vaddr + memsz > USER_TOP:
        raise ElfError(f"segment {number} reaches beyond user space: {vaddr:#x} + {memsz:#x}")
    if align & (align - 1):
        raise ElfError(f"segment {number} has an alignment that is no power of two: {align:#x}")
    if (vaddr - offset) % PAGE_SIZE:
        raise ElfError(f"segment {number} is misaligned: address {vaddr:#x}, file offset {offset:#x}")
    if offset + filesz > len(data):
        raise ElfError(f"truncated: segment {number} lies behind the end of the file")


def _in_order(loads: list[ElfSegment]) -> tuple[ElfSegment, ...]:
    if not loads:
        raise ElfError("nothing to load")
    loads.sort(key=lambda segment: segment.vaddr)
    for lower, upper in pairwise(loads):
        if lower.vaddr + lower.memsz > upper.vaddr:
            raise ElfError(f"segments overlap at {upper.vaddr:#x}")
        if lower.end > upper.start:
            raise ElfError(f"two segments share the page at {upper.start:#x}")
    return tuple(loads)


def _path(data: bytes, offset: int, size: int) -> str:
    if not 1 < size <= _MAX_PATH or offset + size > len(data):
        raise ElfError("PT_INTERP is damaged")
    path, _, _ = data[offset : offset + size].partition(b"\0")
    return _text(path, "the dynamic linker's path")


def _text(data: bytes, what: str) -> str:
    """A name that can be shown to people: in a line of its own, whatever the file says."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ElfError(f"{what} is not UTF-8") from None
    if not text.isprintable():
        raise ElfError(f"{what} is not printable")
    return text


def _loaded_at(segments: tuple[ElfSegment, ...], offset: int, size: int) -> int | None:
    """The address of a piece of the file that lies within one segment."""
    for segment in segments:
        if segment.offset <= offset and offset + size <= segment.offset + segment.filesz:
            return segment.vaddr + offset - segment.offset
    return None


def _dynamic(
    data: bytes, segments: tuple[ElfSegment, ...], offset: int, size: int
) -> tuple[tuple[str, ...], str | None]:
    """The DT_NEEDED names and the DT_SONAME of the dynamic section at a file offset."""
    if offset + size > len(data):
        raise ElfError("truncated: the dynamic section lies behind the end of the file")
    needed: list[int] = []
    soname: int | None = None
    strings = strings_size = 0
    for place in range(offset, offset + min(size // _DYN.size, _MAX_DYNAMIC) * _DYN.size, _DYN.size):
        tag, value = _DYN.unpack_from(data, place)
        if tag == _DT_NULL:
            break
        if tag == _DT_NEEDED:
            needed.append(value)
        elif tag == _DT_SONAME:
            soname = value
        elif tag == _DT_STRTAB:
            strings = value
        elif tag == _DT_STRSZ:
            strings_size = value
    if not needed and soname is None:
        return (), None
    table = _read(data, segments, strings, strings_size)
    names = tuple(_name(table, at) for at in needed)
    return names, None if soname is None else _name(table, soname)


def _read(data: bytes, segments: tuple[ElfSegment, ...], address: int, size: int) -> bytes:
    for segment in segments:
        if segment.vaddr <= address and address + size <= segment.vaddr + segment.filesz:
            start = segment.offset + address - segment.vaddr
            return data[start : start + size]
    raise ElfError("the dynamic section's string table is not in the file")


def _name(table: bytes, at: int) -> str:
    end = table.find(b"\0", at, at + _MAX_PATH)
    if end <= at:
        raise ElfError("the dynamic section names what is not in its string table")
    return _text(table[at:end], "a name in the dynamic section")


def _symbols(data: bytes) -> Iterator[ElfSymbol]:
    """Symbols serve backtraces only, so a damaged table ends the list and nothing else."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    try:
        file = ELFFile(io.BytesIO(data))
        tables = [s for s in file.iter_sections() if isinstance(s, SymbolTableSection)]
        tables.sort(key=lambda section: section["sh_type"] != "SHT_SYMTAB")  # the full table before .dynsym
        for symbol in tables[0].iter_symbols() if tables else ():
            kind = symbol["st_info"]["type"]
            if kind in ("STT_FUNC", "STT_OBJECT") and symbol["st_shndx"] != "SHN_UNDEF" and symbol.name:
                yield ElfSymbol(symbol.name, symbol["st_value"], symbol["st_size"])
    except Exception:  # pyelftools documents no closed set of what it raises on damaged files
        return
