"""The x86-64 architecture: exception vectors, and the register files as plain objects."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final


class Vector(IntEnum):
    """Exception vectors, by the names of the processor manuals."""

    DE = 0  # divide error
    DB = 1  # debug: single step, breakpoint registers
    NMI = 2
    BP = 3  # int3
    OF = 4
    BR = 5
    UD = 6  # invalid opcode
    NM = 7
    DF = 8
    TS = 10
    NP = 11
    SS = 12
    GP = 13  # general protection
    PF = 14  # page fault
    MF = 16  # x87 floating point
    AC = 17  # alignment check
    MC = 18
    XM = 19  # SIMD floating point


class PageFaultCode:
    """Bits of a page fault's error code."""

    PRESENT: Final = 1
    WRITE: Final = 2
    USER: Final = 4
    RESERVED: Final = 8
    FETCH: Final = 16


class Rflags:
    CF: Final = 0x1
    PF: Final = 0x4
    AF: Final = 0x10
    ZF: Final = 0x40
    SF: Final = 0x80
    TF: Final = 0x100
    IF: Final = 0x200
    DF: Final = 0x400
    OF: Final = 0x800
    NT: Final = 0x4000
    AC: Final = 0x40000
    ID: Final = 0x200000
    ALWAYS: Final = 0x2
    ARITHMETIC: Final = CF | PF | AF | ZF | SF | OF
    USER: Final = ARITHMETIC | TF | DF | NT | AC | ID  # what level 3 may change


@dataclass(slots=True)
class GeneralRegs:
    """The general registers, all unsigned 64-bit numbers."""

    rax: int = 0
    rbx: int = 0
    rcx: int = 0
    rdx: int = 0
    rsi: int = 0
    rdi: int = 0
    rbp: int = 0
    rsp: int = 0
    r8: int = 0
    r9: int = 0
    r10: int = 0
    r11: int = 0
    r12: int = 0
    r13: int = 0
    r14: int = 0
    r15: int = 0
    rip: int = 0
    rflags: int = 0
    fs_base: int = 0
    gs_base: int = 0


_USER_TOP: Final = 1 << 47
_UPPER_HALF: Final = (1 << 64) - _USER_TOP  # addresses between the two are not canonical


class RegisterBlock:
    """The general registers in memory, as `zx_restricted_state_t` has them: rdi, rsi, rbp; rbx, rdx, rcx, rax; rsp; r8 to r15;
    rip, rflags, the FS and the GS base.
    """

    SIZE: Final = 160
    RDI, RSI, RBP, RBX, RDX, RCX, RAX, RSP = range(8)
    R11: Final = 11
    IP, FLAGS, FS_BASE, GS_BASE = range(16, 20)

    __slots__ = ("first", "numbered", "second", "words")

    def __init__(self, memory: memoryview) -> None:
        """*memory* are its bytes."""
        self.words = words = memory.cast("Q")
        # Registers that follow one another in the machine's own order too, if backwards.
        self.first = words[0:3]
        self.second = words[3:7]
        self.numbered = words[8:16]

    def check(self) -> None:
        """ValueError for registers that no thread may have: a pc that is no user address, flags that user code cannot change,
        bases that are not canonical.
        """
        ip, flags, fs_base, gs_base = self.words[self.IP : self.SIZE // 8]
        if ip >= _USER_TOP or flags & ~Rflags.USER:
            raise ValueError("registers that no thread may have")
        if _USER_TOP <= fs_base < _UPPER_HALF or _USER_TOP <= gs_base < _UPPER_HALF:
            raise ValueError("bases that no thread may have")


@dataclass(slots=True)
class FpRegs:
    """x87 and SSE, as fxsave sees them. *st* and *xmm* hold 16 bytes each; of *st* the first ten matter.

    *ftw* is the full tag word (two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty).
    """

    fcw: int = 0x37F
    fsw: int = 0
    ftw: int = 0xFFFF
    fop: int = 0
    fip: int = 0
    fdp: int = 0
    st: list[bytes] = field(default_factory=lambda: [bytes(16)] * 8)
    mxcsr: int = 0x1F80
    xmm: list[bytes] = field(default_factory=lambda: [bytes(16)] * 16)


@dataclass(slots=True)
class VectorRegs:
    """The vector registers, 64 bytes each, and the masks of AVX-512: 0 where the processor has none, or only lower parts."""

    zmm: list[bytes] = field(default_factory=lambda: [bytes(64)] * 32)
    opmask: list[int] = field(default_factory=lambda: [0] * 8)
    mxcsr: int = 0x1F80


class Dr6:
    """Why there was a debug exception: bits 3 to 0 are the debug registers that were hit."""

    HITS: Final = 0xF
    STEP: Final = 0x4000  # a single step
    KEPT: Final = HITS | 0xE000  # what can be written
    ALWAYS: Final = 0xFFFF0FF0


class Dr7:
    """Which debug registers are in use: two enable bits for each, from bit 0 on; four of type and length, from bit 16 on."""

    USER: Final = 0xFFFF00FF  # what level 3 may set, by the kernel's leave
    ALWAYS: Final = 0x700  # a reserved bit; exact breakpoints, local and global

    @staticmethod
    def executions(dr7: int) -> int:
        """*dr7* without the registers that watch data: those for the execution of an instruction have type 0."""
        result = Dr7.ALWAYS
        for index in range(4):
            if not dr7 >> 16 + 4 * index & 3:
                result |= dr7 & 3 << 2 * index
        return result

    @staticmethod
    def enabled(dr7: int) -> list[tuple[int, int, int]]:
        """The registers in use: number, type (0 execution, 1 writes, 2 ports, 3 all accesses) and length in bytes."""
        return [
            (index, dr7 >> 16 + 4 * index & 3, (1, 2, 8, 4)[dr7 >> 18 + 4 * index & 3])
            for index in range(4)
            if dr7 >> 2 * index & 3
        ]


@dataclass(slots=True)
class DebugRegs:
    dr: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    dr6: int = Dr6.ALWAYS
    dr7: int = Dr7.ALWAYS


def x87_tag(register: bytes) -> int:
    """The two tag bits of an x87 register that is not empty: 0 valid, 1 zero, 2 special."""
    mantissa, exponent = struct.unpack_from("<QH", register)
    exponent &= 0x7FFF
    if exponent == 0 and mantissa == 0:
        return 1
    return 2 if exponent in (0, 0x7FFF) or not mantissa >> 63 else 0


def x87_tags(abridged: int, st: list[bytes], top: int) -> int:
    """The full tag word. *abridged* has a bit for each physical register that is not empty; *st* begins with number *top*."""
    tags = 0
    for i, register in enumerate(st):
        number = top + i & 7
        tags |= (x87_tag(register) if abridged >> number & 1 else 3) << 2 * number
    return tags
