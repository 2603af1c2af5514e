"""The vDSO: `libzircon.so`, the one place from which a program enters the kernel.

It is built from the syscall table: an ELF64 x86-64 shared object of three parts, each of whole pages.

    headers, symbols, strings, constants   R     never changes after the build
    time page                              R     the kernel writes it (`pack_time_page`), code reads it
    code                                   R+X   a stub for each call, and the calls that need no kernel

A stub turns the System V C ABI into Zircon's: number in rax; arguments in rdi, rsi, rdx, r10, r8, r9, r12,
r13; the answer in rax; rcx and r11 lost. The kernel takes a call only from the address behind that call's
own `syscall` instruction (`VdsoImage.syscall_pcs`), so a number put into rax elsewhere enters nothing.

Everything here is encoded by hand: no toolchain is needed where Jacinth runs.

Source: zircon/kernel/lib/userabi/vdso (what the image offers), docs/concepts/kernel/vdso.md.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jacinth.abi.rows import SyscallRow, Vdso
from jacinth.abi.status import Status

PAGE_SIZE: Final = 4096
SONAME: Final = "libzircon.so"

SYSCALL: Final = b"\x0f\x05"  # the instruction
SYSCALL_SIZE: Final = len(SYSCALL)

MODE_VIRTUAL: Final = 0  # monotonic time is what the time page says
MODE_HOST: Final = 1  # monotonic time follows the time stamp counter
TICKS_PER_SECOND: Final = 1_000_000_000  # in both modes a tick is a nanosecond

_MAX_VERSION: Final = 63  # bytes of the version string, without its NUL


class TimePage:
    """Where the words of the time page are: offsets in bytes from its start."""

    MODE: Final = 0x00  # u32: MODE_VIRTUAL or MODE_HOST
    MONOTONIC: Final = 0x08  # i64 ns: the time, in MODE_VIRTUAL; one aligned word, never seen half
    BOOT_OFFSET: Final = 0x10  # i64 ns: boot time minus monotonic time
    BASE_NS: Final = 0x18  # i64 ns: monotonic time at BASE_TSC, in MODE_HOST
    BASE_TSC: Final = 0x20  # u64
    MULT: Final = 0x28  # u64: ns per count of the time stamp counter, times 2**32
    TICKS_PER_SECOND: Final = 0x30  # i64
    PHYSMEM: Final = 0x38  # u64 bytes
    DCACHE_LINE_SIZE: Final = 0x40  # u32 bytes
    ICACHE_LINE_SIZE: Final = 0x44  # u32 bytes
    NUM_CPUS: Final = 0x48  # u32
    PAGE_SIZE: Final = 0x4C  # u32 bytes
    FEATURES: Final = 0x50  # u32 for each ZX_FEATURE_KIND_*, which are 0 to FEATURE_KINDS - 1
    FEATURE_KINDS: Final = 5
    VERSION_LENGTH: Final = 0x68  # u64 bytes, without the NUL
    VERSION: Final = 0x70  # char[64]


def pack_time_page(
    *,
    mode: int = MODE_VIRTUAL,
    monotonic: int = 0,
    boot_offset: int = 0,
    base_ns: int = 0,
    base_tsc: int = 0,
    mult: int = 0,
    physmem: int = 0,
    num_cpus: int = 1,
    cache_line_size: int = 64,
    features: Sequence[int] = (1, 0, 0, 0, 0),
    version: bytes = b"jacinth",
) -> bytes:
    """The bytes of the time page. Times are in ns, sizes in bytes.

    In MODE_VIRTUAL monotonic time is *monotonic*, and the kernel writes that word again whenever its clock
    moves. In MODE_HOST it is ``base_ns + ((rdtsc - base_tsc) * mult >> 32)``; the page is then written once,
    before any guest runs. *features* has one word for each ZX_FEATURE_KIND_*.
    """
    if len(features) != TimePage.FEATURE_KINDS:
        raise ValueError(f"there are {TimePage.FEATURE_KINDS} kinds of features")
    text = version[:_MAX_VERSION]
    page = bytearray(PAGE_SIZE)
    struct.pack_into("<Q", page, TimePage.MODE, mode)
    struct.pack_into("<qqq", page, TimePage.MONOTONIC, monotonic, boot_offset, base_ns)
    struct.pack_into("<QQq", page, TimePage.BASE_TSC, base_tsc, mult, TICKS_PER_SECOND)
    struct.pack_into("<Q", page, TimePage.PHYSMEM, physmem)
    struct.pack_into(
        "<4I", page, TimePage.DCACHE_LINE_SIZE, cache_line_size, cache_line_size, num_cpus, PAGE_SIZE
    )
    struct.pack_into("<5I", page, TimePage.FEATURES, *features)
    struct.pack_into("<Q", page, TimePage.VERSION_LENGTH, len(text))
    page[TimePage.VERSION : TimePage.VERSION + len(text)] = text
    return bytes(page)


@dataclass(frozen=True, slots=True)
class VdsoImage:
    """The built image. All offsets are bytes from its start, in the file and in memory alike."""

    image: bytes  # whole pages
    code_offset: int  # of the R+X part; everything before it is R
    code_size: int  # whole pages
    time_offset: int  # of the time page
    symbols: Mapping[str, int]  # zx_NAME and _zx_NAME -> offset of the routine; in the order of .dynsym
    sizes: Mapping[str, int]  # zx_NAME and _zx_NAME -> bytes of code
    syscall_pcs: Mapping[int, int]  # syscall number -> offset of the address behind its syscall instruction
    build_id: bytes


# -- code --


class _Code:
    """A run of machine code at a known offset in the image."""

    def __init__(self, origin: int) -> None:
        self.origin = origin
        self.bytes = bytearray()

    @property
    def here(self) -> int:
        return self.origin + len(self.bytes)

    def emit(self, hexadecimal: str) -> None:
        self.bytes += bytes.fromhex(hexadecimal)

    def imm32(self, opcode: str, value: int) -> None:
        self.emit(opcode)
        self.bytes += struct.pack("<I", value & 0xFFFF_FFFF)

    def relative(self, opcode: str, target: int) -> None:
        """An instruction that ends in a 32-bit displacement from its own end: `[rip + x]`, call, jmp."""
        self.emit(opcode)
        self.bytes += struct.pack("<i", target - (self.here + 4))

    def short_jump(self, opcode: str) -> Callable[[], None]:
        """A forward jump of 8 bits. Call the answer where it is to land."""
        self.emit(opcode + "00")
        end = len(self.bytes)

        def land() -> None:
            self.bytes[end - 1 : end] = struct.pack("<b", len(self.bytes) - end)

        return land

    def align(self, size: int) -> None:
        self.bytes += b"\xcc" * (-len(self.bytes) % size)  # int3


def _emit_stub(code: _Code, row: SyscallRow, syscall: bytes) -> int:
    """The routine that enters the kernel; answers the offset behind its syscall instruction."""
    count = len(row.params)
    if count > 8:
        raise ValueError(f"{row.name} has {count} parameters; a system call has at most 8")
    if count == 7:
        code.emit("41 54")  # push r12
        code.emit("4c 8b 64 24 10")  # mov r12, [rsp + 16]
    if count == 8:
        code.emit("41 54")  # push r12
        code.emit("41 55")  # push r13
        code.emit("4c 8b 64 24 18")  # mov r12, [rsp + 24]
        code.emit("4c 8b 6c 24 20")  # mov r13, [rsp + 32]
    if count >= 4:
        code.emit("49 89 ca")  # mov r10, rcx
    code.imm32("b8", row.number)  # mov eax, number
    code.bytes += syscall
    behind = code.here
    if count == 8:
        code.emit("41 5d")  # pop r13
    if count >= 7:
        code.emit("41 5c")  # pop r12
    code.emit("0f 0b" if row.noreturn else "c3")  # ud2, or ret
    return behind


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the calls answered in the image refer to: offsets in the image."""

    time: int
    status_table: int
    status_unknown: int
    monotonic: int = 0  # the routine that answers the monotonic time


def _emit_monotonic(code: _Code, at: _Layout) -> None:
    """rax = monotonic time. Changes rcx and rdx, and no other register."""
    code.relative("8b 05", at.time + TimePage.MODE)  # mov eax, [mode]
    code.emit("85 c0")  # test eax, eax
    host = code.short_jump("75")  # jnz host
    code.relative("48 8b 05", at.time + TimePage.MONOTONIC)  # mov rax, [monotonic]
    code.emit("c3")  # ret
    host()
    code.emit("0f ae e8")  # lfence: the counter is read no earlier than asked for
    code.emit("0f 31")  # rdtsc
    code.emit("48 c1 e2 20")  # shl rdx, 32
    code.emit("48 09 d0")  # or rax, rdx
    code.emit("31 c9")  # xor ecx, ecx
    code.relative("48 2b 05", at.time + TimePage.BASE_TSC)  # sub rax, [base_tsc]
    code.emit("48 0f 42 c1")  # cmovb rax, rcx: a counter behind the base's CPU is not centuries ahead
    code.relative("48 f7 25", at.time + TimePage.MULT)  # mul qword [mult]: rdx:rax = rax * mult
    code.emit("48 0f ac d0 20")  # shrd rax, rdx, 32
    code.relative("48 03 05", at.time + TimePage.BASE_NS)  # add rax, [base_ns]
    code.emit("c3")  # ret


def _emit_boot(code: _Code, at: _Layout) -> None:
    code.relative("e8", at.monotonic)  # call monotonic
    code.relative("48 03 05", at.time + TimePage.BOOT_OFFSET)  # add rax, [boot_offset]
    code.emit("c3")  # ret


def _emit_deadline_after(code: _Code, at: _Layout) -> None:
    """Saturates: the sign of the duration says at which end."""
    code.relative("e8", at.monotonic)  # call monotonic
    code.emit("48 01 f8")  # add rax, rdi
    overflow = code.short_jump("70")  # jo overflow
    code.emit("c3")  # ret
    overflow()
    code.emit("48 c1 ff 3f")  # sar rdi, 63: 0 or -1
    code.emit("48 b8 ff ff ff ff ff ff ff 7f")  # mov rax, 2**63 - 1
    code.emit("48 31 f8")  # xor rax, rdi
    code.emit("c3")  # ret


def _emit_read_mapped(code: _Code, at: _Layout) -> None:
    """rdi = the page of a clock (kernel/ipc/clock.py: ClockState), rsi = where the time goes. It saturates."""
    again = code.here

    def retry() -> None:
        code.emit("75")  # jnz again
        code.bytes += struct.pack("<b", again - (code.here + 1))

    code.emit("44 8b 47 10")  # mov r8d, [rdi + 16]: the sequence number
    code.emit("41 f6 c0 01")  # test r8b, 1
    retry()
    code.emit("4c 8b 4f 18")  # mov r9, [rdi + 24]: reference
    code.emit("4c 8b 57 20")  # mov r10, [rdi + 32]: synthetic
    code.emit("4c 8b 5f 28")  # mov r11, [rdi + 40]: numerator, and denominator above it
    code.relative("e8", at.monotonic)  # call monotonic
    code.emit("f6 07 08")  # test byte [rdi], ZX_CLOCK_OPT_BOOT
    monotonic = code.short_jump("74")  # jz monotonic
    code.relative("48 03 05", at.time + TimePage.BOOT_OFFSET)  # add rax, [boot_offset]
    monotonic()
    code.emit("44 3b 47 10")  # cmp r8d, [rdi + 16]
    retry()
    code.emit("45 31 c0")  # xor r8d, r8d: the sign to saturate with
    code.emit("4c 29 c8")  # sub rax, r9
    overflow = code.short_jump("70")  # jo saturate
    code.emit("44 89 d9")  # mov ecx, r11d
    code.emit("49 c1 eb 20")  # shr r11, 32
    code.emit("48 f7 e9")  # imul rcx: rdx:rax = rax * numerator
    code.emit("49 89 d0")  # mov r8, rdx
    code.emit("49 c1 f8 3f")  # sar r8, 63
    code.emit("49 89 d1")  # mov r9, rdx
    code.emit("4d 31 c1")  # xor r9, r8
    code.emit("4d 01 c9")  # add r9, r9
    code.emit("4d 39 d9")  # cmp r9, r11: does the quotient fit?
    large = code.short_jump("73")  # jae saturate
    code.emit("49 f7 fb")  # idiv r11
    code.emit("48 85 d2")  # test rdx, rdx
    rounded = code.short_jump("79")  # jns rounded
    code.emit("48 ff c8")  # dec rax: down, not to zero
    rounded()
    code.emit("4d 89 d0")  # mov r8, r10
    code.emit("49 c1 f8 3f")  # sar r8, 63
    code.emit("4c 01 d0")  # add rax, r10
    store = code.short_jump("71")  # jno store
    overflow()
    large()
    code.emit("48 b8 ff ff ff ff ff ff ff 7f")  # mov rax, 2**63 - 1
    code.emit("4c 31 c0")  # xor rax, r8
    store()
    code.emit("48 89 06")  # mov [rsi], rax
    code.emit("31 c0")  # xor eax, eax
    code.emit("c3")  # ret


# Where a clock's page has a word of zx_clock_details_v1_t: (offset in the page, offset in the details).
_DETAILS: Final = (
    *((0, 0), (8, 8)),  # options, backstop
    *((24, 16), (32, 24), (40, 32)),  # the line from ticks
    *((48, 40), (56, 48), (64, 56)),  # the line from reference time
    *((72, 64), (80, 80), (88, 88), (96, 96)),  # error bound; updates of value, rate and error bound
)
_DETAILS_QUERY_TICKS, _DETAILS_GENERATION = 72, 104


def _emit_get_details_mapped(code: _Code, at: _Layout) -> None:
    """rdi = the page of a clock, rsi = options, whose upper 6 bits are the version, rdx = where the details go."""
    code.emit("48 c1 ee 3a")  # shr rsi, 58
    code.emit("83 fe 01")  # cmp esi, 1
    version = code.short_jump("74")  # je version
    code.imm32("b8", Status.INVALID_ARGS)  # mov eax, ZX_ERR_INVALID_ARGS
    code.emit("c3")  # ret
    version()
    code.emit("48 85 d2")  # test rdx, rdx
    given = code.short_jump("75")  # jnz given
    code.imm32("b8", Status.INVALID_ARGS)
    code.emit("c3")
    given()
    code.emit("49 89 d1")  # mov r9, rdx
    again = code.here
    code.emit("44 8b 47 10")  # mov r8d, [rdi + 16]: the sequence number
    code.emit("41 f6 c0 01")  # test r8b, 1
    code.relative("0f 85", again)  # jnz again
    for source, target in _DETAILS:
        code.emit(f"48 8b 47 {source:02x}")  # mov rax, [rdi + source]
        code.emit(f"49 89 41 {target:02x}")  # mov [r9 + target], rax
    code.relative("e8", at.monotonic)  # call monotonic
    code.emit("f6 07 08")  # test byte [rdi], ZX_CLOCK_OPT_BOOT
    monotonic = code.short_jump("74")  # jz monotonic
    code.relative("48 03 05", at.time + TimePage.BOOT_OFFSET)  # add rax, [boot_offset]
    monotonic()
    code.emit(f"49 89 41 {_DETAILS_QUERY_TICKS:02x}")  # mov [r9 + query_ticks], rax
    code.emit("44 3b 47 10")  # cmp r8d, [rdi + 16]
    code.relative("0f 85", again)  # jne again
    code.emit("41 d1 e8")  # shr r8d, 1
    code.emit(f"45 89 41 {_DETAILS_GENERATION:02x}")  # mov [r9 + generation_counter], r8d
    code.emit("31 c0")  # xor eax, eax
    code.emit("c3")  # ret


def _emit_status_get_string(code: _Code, at: _Layout) -> None:
    code.emit("f7 df")  # neg edi
    code.imm32("81 ff", _LAST_STATUS)  # cmp edi, last
    unknown = code.short_jump("77")  # ja unknown
    code.relative("48 8d 05", at.status_table)  # lea rax, [table]
    code.emit("48 63 0c b8")  # movsxd rcx, dword [rax + rdi * 4]
    code.emit("48 01 c8")  # add rax, rcx
    code.emit("c3")  # ret
    unknown()
    code.relative("48 8d 05", at.status_unknown)  # lea rax, [unknown]
    code.emit("c3")  # ret


def _emit_version_string(code: _Code, at: _Layout) -> None:
    """A zx_string_view_t comes back in two registers."""
    code.relative("48 8d 05", at.time + TimePage.VERSION)  # lea rax, [version]
    code.relative("48 8b 15", at.time + TimePage.VERSION_LENGTH)  # mov rdx, [version_length]
    code.emit("c3")  # ret


def _emit_features(code: _Code, at: _Layout) -> None:
    """edi = kind, rsi = where the word goes."""
    code.emit(f"83 ff {TimePage.FEATURE_KINDS:02x}")  # cmp edi, FEATURE_KINDS
    unknown = code.short_jump("73")  # jae unknown
    code.emit("89 ff")  # mov edi, edi: the upper half of a 32-bit parameter is anything
    code.relative("48 8d 05", at.time + TimePage.FEATURES)  # lea rax, [features]
    code.emit("8b 04 b8")  # mov eax, [rax + rdi * 4]
    code.emit("89 06")  # mov [rsi], eax
    code.emit("31 c0")  # xor eax, eax
    code.emit("c3")  # ret
    unknown()
    code.imm32("b8", Status.NOT_SUPPORTED)  # mov eax, ZX_ERR_NOT_SUPPORTED
    code.emit("c3")  # ret


def _emit_cache_flush(code: _Code, at: _Layout) -> None:
    """x86 keeps its caches in step by itself, so only the options (edx) are looked at.

    INSN is 1, DATA 2, INVALIDATE 4 and only together with DATA: 1, 2, 3, 6 and 7 are right.
    """
    code.emit("83 fa 07")  # cmp edx, 7
    bad = code.short_jump("77")  # ja bad
    code.imm32("b8", 0b1100_1110)  # mov eax, the set of right ones
    code.emit("0f a3 d0")  # bt eax, edx
    bad_too = code.short_jump("73")  # jnc bad
    code.emit("31 c0")  # xor eax, eax
    code.emit("c3")  # ret
    bad()
    bad_too()
    code.imm32("b8", Status.INVALID_ARGS)  # mov eax, ZX_ERR_INVALID_ARGS
    code.emit("c3")  # ret


def _word32(offset: int) -> Callable[[_Code, _Layout], None]:
    def emit(code: _Code, at: _Layout) -> None:
        code.relative("8b 05", at.time + offset)  # mov eax, [word]
        code.emit("c3")  # ret

    return emit


def _word64(offset: int) -> Callable[[_Code, _Layout], None]:
    def emit(code: _Code, at: _Layout) -> None:
        code.relative("48 8b 05", at.time + offset)  # mov rax, [word]
        code.emit("c3")  # ret

    return emit


# A tick is a nanosecond, so the ticks calls are the clock calls.
_ROUTINES: Final[dict[str, Callable[[_Code, _Layout], None]]] = {
    "zx_clock_get_monotonic": _emit_monotonic,
    "zx_clock_get_boot": _emit_boot,
    "zx_ticks_get": _emit_monotonic,
    "zx_ticks_get_boot": _emit_boot,
    "zx_ticks_per_second": _word64(TimePage.TICKS_PER_SECOND),
    "zx_deadline_after": _emit_deadline_after,
    "zx_clock_read_mapped": _emit_read_mapped,
    "zx_clock_get_details_mapped": _emit_get_details_mapped,
    "zx_status_get_string": _emit_status_get_string,
    "zx_cache_flush": _emit_cache_flush,
    "zx_system_get_dcache_line_size": _word32(TimePage.DCACHE_LINE_SIZE),
    "zx_system_get_num_cpus": _word32(TimePage.NUM_CPUS),
    "zx_system_get_page_size": _word32(TimePage.PAGE_SIZE),
    "zx_system_get_physmem": _word64(TimePage.PHYSMEM),
    "zx_system_get_version_string": _emit_version_string,
    "zx_system_get_features": _emit_features,
}


# -- constants --

_LAST_STATUS: Final = -min(Status)
_UNKNOWN_STATUS: Final = b"(UNKNOWN)\0"


def _status_name(status: Status) -> bytes:
    return (f"ZX_{status.name}" if status is Status.OK else f"ZX_ERR_{status.name}").encode() + b"\0"


def _status_strings() -> tuple[bytes, int]:
    """A table of 32-bit offsets from its own start, one for each number from 0 down to the last status, with
    the strings behind it; and the offset of the string for a number that is no status."""
    table_size = 4 * (_LAST_STATUS + 1)
    strings = bytearray(_UNKNOWN_STATUS)
    offsets = [table_size] * (_LAST_STATUS + 1)
    for status in Status:
        offsets[-status] = table_size + len(strings)
        strings += _status_name(status)
    return struct.pack(f"<{len(offsets)}I", *offsets) + strings, table_size


# -- ELF --

_ET_DYN, _EM_X86_64 = 3, 62
_PT_LOAD, _PT_DYNAMIC, _PT_NOTE, _PT_GNU_STACK = 1, 2, 4, 0x6474E551
_PF_X, _PF_W, _PF_R = 1, 2, 4
_SHT_PROGBITS, _SHT_STRTAB, _SHT_HASH, _SHT_DYNAMIC, _SHT_NOTE, _SHT_DYNSYM = 1, 3, 5, 6, 7, 11
_SHT_GNU_HASH = 0x6FFFFFF6
_SHF_ALLOC, _SHF_EXECINSTR = 2, 4
_DT_NULL, _DT_HASH, _DT_STRTAB, _DT_SYMTAB, _DT_STRSZ, _DT_SYMENT, _DT_SONAME = 0, 4, 5, 6, 10, 11, 14
_DT_GNU_HASH = 0x6FFFFEF5
_STB_GLOBAL, _STB_WEAK, _STT_FUNC = 1, 2, 2
_NT_GNU_BUILD_ID = 3
_EHDR_SIZE, _PHDR_SIZE, _SHDR_SIZE, _SYM_SIZE, _DYN_SIZE = 64, 56, 64, 24, 16


def _sysv_hash(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF000_0000
        value = (value ^ (high >> 24)) & ~high & 0xFFFF_FFFF
    return value


@cache  # asked for each name several times over
def _gnu_hash(name: bytes) -> int:
    value = 5381
    for byte in name:
        value = (value * 33 + byte) & 0xFFFF_FFFF
    return value


def _buckets(count: int) -> int:
    return max(1, count // 4) | 1


def _sysv_hash_table(names: Sequence[bytes]) -> bytes:
    """*names* are the symbols from number 1 on; number 0 is the undefined one."""
    count = _buckets(len(names))
    heads = [0] * count
    chains = [0] * (len(names) + 1)
    for number, name in enumerate(names, 1):
        bucket = _sysv_hash(name) % count
        chains[number], heads[bucket] = heads[bucket], number
    return struct.pack(f"<II{count}I{len(chains)}I", count, len(chains), *heads, *chains)


def _gnu_hash_table(names: Sequence[bytes]) -> bytes:
    """*names* are sorted by bucket, as this table wants it."""
    count, shift = _buckets(len(names)), 6
    bloom_words = 1
    while bloom_words * 8 < len(names):
        bloom_words *= 2
    bloom, heads, chains = [0] * bloom_words, [0] * count, [0] * len(names)
    for index, name in enumerate(names):
        value = _gnu_hash(name)
        bloom[value // 64 % bloom_words] |= 1 << value % 64 | 1 << (value >> shift) % 64
        heads[value % count] = heads[value % count] or index + 1
        last = index + 1 == len(names) or _gnu_hash(names[index + 1]) % count != value % count
        chains[index] = value & ~1 | last
    header = struct.pack("<4I", count, 1, bloom_words, shift)
    return header + struct.pack(f"<{bloom_words}Q{count}I{len(chains)}I", *bloom, *heads, *chains)


def _round_up(value: int, size: int = PAGE_SIZE) -> int:
    return -(-value // size) * size


@dataclass(slots=True)
class _Section:
    """A piece of the image. Its offset is known once its size is; its bytes may come later."""

    name: str
    kind: int
    size: int
    alignment: int = 8
    flags: int = _SHF_ALLOC
    link: int = 0  # number of the section it refers to: 4 is .dynsym, 5 is .dynstr
    info: int = 0
    entry: int = 0
    offset: int = 0
    data: bytes = b""

    def header(self, name_offset: int) -> bytes:
        address = self.offset if self.flags & _SHF_ALLOC else 0
        where = (name_offset, self.kind, self.flags, address, self.offset, self.size)
        return struct.pack("<IIQQQQIIQQ", *where, self.link, self.info, self.alignment, self.entry)


def _segment(kind: int, flags: int, offset: int, size: int, alignment: int) -> bytes:
    return struct.pack("<IIQQQQQQ", kind, flags, offset, offset, offset, size, size, alignment)


_SEGMENTS: Final = 5
_DYNAMIC_ENTRIES: Final = 8
_TEXT_SECTION: Final = 9


def _assemble(
    rows: Sequence[SyscallRow], code: _Code, layout: _Layout, syscall: bytes
) -> tuple[dict[str, range], dict[int, int]]:
    """Write the routines; answers where each one lies, and the offsets behind the syscall instructions."""
    _emit_monotonic(code, layout)  # what the other clock routines call; belongs to no symbol
    routines: dict[str, range] = {}
    syscall_pcs: dict[int, int] = {}
    for row in rows:
        code.align(16)
        start = code.here
        routine = _ROUTINES.get(row.name) if row.vdso is Vdso.VDSO else None
        if routine is None:
            syscall_pcs[row.number] = _emit_stub(code, row, syscall)
        else:
            routine(code, layout)
        routines[row.name] = routines["_" + row.name] = range(start, code.here)
    code.align(PAGE_SIZE)
    return routines, syscall_pcs


def build_vdso(rows: Sequence[SyscallRow], syscall: bytes = SYSCALL) -> VdsoImage:
    """Build the image that offers the calls of *rows*, made by the code *syscall*. The same always gives the same bytes."""
    names = [prefix + row.name.encode() for row in rows for prefix in (b"", b"_")]
    buckets = _buckets(len(names))
    names.sort(key=lambda name: _gnu_hash(name) % buckets)
    hash_table, gnu_hash_table = _sysv_hash_table(names), _gnu_hash_table(names)
    strings = bytearray(b"\0")
    name_offsets: dict[bytes, int] = {}
    for row in rows:  # zx_NAME is the tail of _zx_NAME
        name = row.name.encode()
        name_offsets[b"_" + name], name_offsets[name] = len(strings), len(strings) + 1
        strings += b"_" + name + b"\0"
    soname = len(strings)
    strings += SONAME.encode() + b"\0"
    status_strings, unknown = _status_strings()

    # The sizes of everything before the code follow from the names alone: lay that out, then write the code.
    note = _Section(".note.gnu.build-id", _SHT_NOTE, 16 + 20, 4)
    hash_ = _Section(".hash", _SHT_HASH, len(hash_table), link=4, entry=4, data=hash_table)
    gnu_hash = _Section(".gnu.hash", _SHT_GNU_HASH, len(gnu_hash_table), link=4, data=gnu_hash_table)
    dynsym = _Section(".dynsym", _SHT_DYNSYM, _SYM_SIZE * (len(names) + 1), link=5, info=1, entry=_SYM_SIZE)
    dynstr = _Section(".dynstr", _SHT_STRTAB, len(strings), 1, data=bytes(strings))
    dynamic = _Section(".dynamic", _SHT_DYNAMIC, _DYN_SIZE * _DYNAMIC_ENTRIES, link=5, entry=_DYN_SIZE)
    rodata = _Section(".rodata", _SHT_PROGBITS, len(status_strings), data=status_strings)
    time = _Section(".time", _SHT_PROGBITS, PAGE_SIZE, PAGE_SIZE, data=pack_time_page())
    text = _Section(".text", _SHT_PROGBITS, 0, PAGE_SIZE, _SHF_ALLOC | _SHF_EXECINSTR)
    shstrtab = _Section(".shstrtab", _SHT_STRTAB, 0, 1, 0)
    sections = (note, hash_, gnu_hash, dynsym, dynstr, dynamic, rodata, time, text, shstrtab)
    section_names = "".join(f"\0{section.name}" for section in sections) + "\0"
    shstrtab.data = section_names.encode()
    shstrtab.size = len(shstrtab.data)
    headers_size = _SHDR_SIZE * (1 + len(sections))

    position = _EHDR_SIZE + _SEGMENTS * _PHDR_SIZE
    for section in (note, hash_, gnu_hash, dynsym, dynstr, dynamic, rodata, shstrtab):
        section.offset = _round_up(position, section.alignment)
        position = section.offset + section.size
    headers_offset = _round_up(position, 8)
    time.offset = _round_up(headers_offset + headers_size)
    text.offset = time.offset + PAGE_SIZE

    code = _Code(text.offset)
    layout = _Layout(time.offset, rodata.offset, rodata.offset + unknown, text.offset)
    routines, syscall_pcs = _assemble(rows, code, layout, syscall)
    text.data, text.size = bytes(code.bytes), len(code.bytes)

    symbols = [bytes(_SYM_SIZE)]
    for name in names:
        info = (_STB_GLOBAL if name.startswith(b"_") else _STB_WEAK) << 4 | _STT_FUNC
        where = routines[name.decode()]
        entry = (name_offsets[name], info, 0, _TEXT_SECTION, where.start, len(where))
        symbols.append(struct.pack("<IBBHQQ", *entry))
    dynsym.data = b"".join(symbols)
    entries = (
        (_DT_SONAME, soname),
        (_DT_HASH, hash_.offset),
        (_DT_GNU_HASH, gnu_hash.offset),
        (_DT_STRTAB, dynstr.offset),
        (_DT_SYMTAB, dynsym.offset),
        (_DT_STRSZ, len(strings)),
        (_DT_SYMENT, _SYM_SIZE),
        (_DT_NULL, 0),
    )
    dynamic.data = b"".join(struct.pack("<QQ", *entry) for entry in entries)
    note.data = struct.pack("<III", 4, 20, _NT_GNU_BUILD_ID) + b"GNU\0"

    image = bytearray(text.offset + text.size)

    def put(offset: int, data: bytes) -> None:
        image[offset : offset + len(data)] = data

    put(0, b"\x7fELF\x02\x01\x01")  # 64 bits, little endian, version 1
    put(16, struct.pack("<HHI", _ET_DYN, _EM_X86_64, 1))
    # A process that begins at the entry point, with any number, exits with it.
    entry_point = routines["zx_process_exit"].start if "zx_process_exit" in routines else 0
    put(24, struct.pack("<QQQI", entry_point, _EHDR_SIZE, headers_offset, 0))
    put(52, struct.pack("<HHH", _EHDR_SIZE, _PHDR_SIZE, _SEGMENTS))
    put(58, struct.pack("<HHH", _SHDR_SIZE, 1 + len(sections), len(sections)))
    segments = (
        _segment(_PT_LOAD, _PF_R, 0, text.offset, PAGE_SIZE),
        _segment(_PT_LOAD, _PF_R | _PF_X, text.offset, text.size, PAGE_SIZE),
        _segment(_PT_DYNAMIC, _PF_R, dynamic.offset, dynamic.size, 8),
        _segment(_PT_NOTE, _PF_R, note.offset, note.size, 4),
        _segment(_PT_GNU_STACK, _PF_R | _PF_W, 0, 0, 16),
    )
    put(_EHDR_SIZE, b"".join(segments))
    for number, section in enumerate(sections, 1):
        put(section.offset, section.data)
        header = section.header(section_names.index(f"\0{section.name}\0") + 1)
        put(headers_offset + _SHDR_SIZE * number, header)
    # Bytes that follow from the image, by way of a hash. hashlib takes as long to import as some programs run.
    build_id = random.Random(bytes(image)).randbytes(20)
    put(note.offset + 16, build_id)
    return VdsoImage(
        image=bytes(image),
        code_offset=text.offset,
        code_size=text.size,
        time_offset=time.offset,
        symbols={name.decode(): routines[name.decode()].start for name in names},
        sizes={name: len(where) for name, where in routines.items()},
        syscall_pcs=syscall_pcs,
        build_id=build_id,
    )
