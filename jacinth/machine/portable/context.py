"""The registers of one guest thread: in the CPU while it is loaded there, in a buffer of the same layout
otherwise."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from jacinth.machine.interface import AddressSpace, WayOut, left_open
from jacinth.machine.portable import cpu as layout
from jacinth.machine.portable.paging import PageTable, Space, UnifiedView
from jacinth.machine.x86_64 import (
    DebugRegs,
    Dr6,
    Dr7,
    FpRegs,
    GeneralRegs,
    RegisterBlock,
    Rflags,
    VectorRegs,
    x87_tag,
)

if TYPE_CHECKING:
    from jacinth.machine.portable.engine import PortableEngine

_MASK: Final = (1 << 64) - 1
# rax, rdx, rsi, rdi, r8, r9, r10, r12, r13, rip
_SYSCALL: Final = struct.Struct("<Q8xQ24xQQQQQ8xQQ16xQ").unpack_from
_GENERAL: Final = struct.Struct("<16Q").unpack_from
_SET_GENERAL: Final = struct.Struct("<16Q").pack_into
_SET_CC_OP: Final = struct.Struct("<Ii").pack_into
_FIELDS: Final = attrgetter(*[field.name for field in fields(GeneralRegs)])
_RSP: Final = 4
_RSI: Final = 6
_RDI: Final = 7
_RIP: Final = layout.RIP // 8
_EFLAGS: Final = layout.EFLAGS // 8
# The same flags as plain numbers of this module, which are found in a third of the time.
_ARITHMETIC: Final = Rflags.ARITHMETIC
_DF: Final = Rflags.DF
_NOT_APART: Final = ~(Rflags.ARITHMETIC | Rflags.DF)
_USER: Final = Rflags.USER
_ON: Final = Rflags.ALWAYS | Rflags.IF
_CC_SRC: Final = layout.CC_SRC // 8
_CC: Final = layout.CC_OP // 8
_CC_EFLAGS: Final = layout.CC_OP_EFLAGS | 1 << 32  # and the direction is up
_CC_EFLAGS_DOWN: Final = layout.CC_OP_EFLAGS | (1 << 32) - 1 << 32
_FS_BASE: Final = layout.FS_BASE // 8
_GS_BASE: Final = layout.GS_BASE // 8


class PortableContext:
    """See interface.Context. Made by `PortableEngine.context`."""

    def __init__(self, engine: PortableEngine, aspace: Space) -> None:
        size = (engine.cpu.fp_end + 7) // 8 * 8
        store = (ctypes.c_char * size)()
        self._engine = engine
        self._aspace: Space = aspace
        self._debug = DebugRegs()
        self._own_address = ctypes.addressof(store)
        self._own = memoryview(store).cast("B")
        self._own_state = self._own[: engine.cpu.fp_end]
        self._own_regs = self._own.cast("Q")
        self._regs = self._own_regs  # where the registers are now, as 64-bit numbers
        self._way_out: WayOut | None = None  # the one that is open
        self.armed = False  # there are breakpoints
        self.step_pending = False  # a single step ended, and the trap has not been told yet
        self._own_state[:] = engine.pristine

    # The engine's.

    def park(self) -> None:
        """Take the registers out of the CPU."""
        self._own_state[:] = self._engine.state
        self._regs = self._own_regs

    def load(self) -> None:
        """Put the registers into the CPU."""
        engine = self._engine
        engine.state[:] = self._own_state
        self._regs = engine.env

    # The kernel's.

    @property
    def aspace(self) -> AddressSpace:
        return self._aspace

    @aspace.setter
    def aspace(self, value: AddressSpace) -> None:
        assert isinstance(value, PageTable | UnifiedView)
        self._aspace = value
        self._engine.attend(self)

    def syscall(self) -> tuple[int, int, int, int, int, int, int, int, int, int]:
        # Within the hook rip is still that of the instruction, or of its prefixes.
        rax, rdx, rsi, rdi, r8, r9, r10, r12, r13, rip = _SYSCALL(self._regs)
        return rax, rdi, rsi, rdx, r10, r8, r9, r12, r13, rip

    def set_result(self, value: int) -> None:
        self._regs[0] = value & _MASK

    @property
    def pc(self) -> int:
        return self._engine.pc_in_syscall(self) or self._regs[_RIP]

    @pc.setter
    def pc(self, value: int) -> None:
        self._engine.attend(self, pc=True)
        self._regs[_RIP] = value & _MASK

    @property
    def sp(self) -> int:
        return self._regs[_RSP]

    @sp.setter
    def sp(self, value: int) -> None:
        self._regs[_RSP] = value & _MASK

    @property
    def single_step(self) -> bool:
        """The trap flag: a debug exception follows every instruction."""
        return bool(self._regs[_EFLAGS] & Rflags.TF)

    @single_step.setter
    def single_step(self, value: bool) -> None:
        flags = self._regs[_EFLAGS]
        self._regs[_EFLAGS] = flags | Rflags.TF if value else flags & ~Rflags.TF

    def start(self, pc: int, sp: int, arg1: int, arg2: int, tp: int, abi_reg: int) -> None:
        """*tp* is the FS base, *abi_reg* the GS base; the arguments go to rdi and rsi."""
        self._window(layout.FP_START, self._engine.cpu.fp_end)[:] = self._engine.pristine[layout.FP_START :]
        self.set_general(GeneralRegs(rip=pc, rsp=sp, rdi=arg1, rsi=arg2, fs_base=tp, gs_base=abi_reg))
        self.step_pending = False

    def general(self) -> GeneralRegs:
        return GeneralRegs(*self.words())

    def set_general(self, regs: GeneralRegs) -> None:
        """Of rflags the bits that level 3 may change are taken."""
        self.set_words([value & _MASK for value in _FIELDS(regs)])

    def words(self) -> tuple[int, ...]:
        regs = self._regs
        rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 = _GENERAL(regs)
        flags = self._engine.cpu.lib.helper_read_eflags_x86_64(self._address()) | Rflags.ALWAYS
        # fmt: off
        return (
            rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, self.pc, flags,
            regs[_FS_BASE], regs[_GS_BASE],
        )
        # fmt: on

    def set_words(self, words: Sequence[int]) -> None:
        rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip, rflags, fs, gs = (
            words
        )
        registers = self._regs
        self._engine.attend(self, pc=True)  # as long as the old one is there
        self._window(0, layout.GENERAL_END)[:] = self._engine.pristine[: layout.GENERAL_END]
        _SET_GENERAL(
            registers, 0, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
        )
        registers[_RIP] = rip
        flags = rflags & Rflags.USER | Rflags.ALWAYS | Rflags.IF
        # While guest code runs Unicorn keeps the arithmetic flags and the direction flag apart. It takes them from rflags where
        # it begins to, and puts them there where it leaves off: so both have them.
        registers[_EFLAGS] = flags
        registers[layout.CC_SRC // 8] = flags & Rflags.ARITHMETIC
        _SET_CC_OP(registers, layout.CC_OP, layout.CC_OP_EFLAGS, -1 if flags & Rflags.DF else 1)
        registers[_FS_BASE] = fs
        registers[_GS_BASE] = gs

    def save(self, block: RegisterBlock) -> None:
        regs = self._regs
        flags = regs[_EFLAGS]
        if regs[_CC] == _CC_EFLAGS:
            flags = flags & _NOT_APART | regs[_CC_SRC] & _ARITHMETIC
        else:
            flags = self._engine.cpu.lib.helper_read_eflags_x86_64(self._address())
        words = block.words
        if regs is self._own_regs:
            block.first[:] = regs[7:4:-1]
            block.second[:] = regs[3::-1]
            block.numbered[:] = regs[8:16]
            words[16] = regs[_RIP]
        else:
            engine = self._engine
            block.first[:] = engine.env_first
            block.second[:] = engine.env_second
            block.numbered[:] = engine.env_numbered
            words[16] = engine.pc_in_syscall(self) or regs[_RIP]
        words[7] = regs[_RSP]
        words[17] = flags & _USER
        words[18] = regs[_FS_BASE]
        words[19] = regs[_GS_BASE]

    def restore(
        self,
        block: RegisterBlock,
        aspace: AddressSpace,
        way_out: WayOut | None = None,
        pc: int = 0,
        arg1: int = 0,
    ) -> int:
        block.check()
        self._way_out = left_open(way_out, self._way_out)
        if way_out is not None:
            way_out.pc, way_out.arg1 = pc, arg1
            way_out.tp, way_out.abi_reg = self._regs[_FS_BASE], self._regs[_GS_BASE]
        self._aspace = aspace  # type: ignore[assignment]  # one of ours
        engine = self._engine
        engine.attend(self, pc=True)
        regs = self._regs
        words = block.words
        if regs is self._own_regs:
            regs[7:4:-1] = block.first
            regs[3::-1] = block.second
            regs[8:16] = block.numbered
        else:
            engine.env_first[:] = block.first
            engine.env_second[:] = block.second
            engine.env_numbered[:] = block.numbered
        regs[_RSP] = words[7]
        regs[_RIP] = words[16]
        flags = words[17] & _USER | _ON
        regs[_EFLAGS] = flags
        regs[_CC_SRC] = flags & _ARITHMETIC
        regs[_CC] = _CC_EFLAGS_DOWN if flags & _DF else _CC_EFLAGS
        regs[_FS_BASE] = words[18]
        regs[_GS_BASE] = words[19]
        return int(words[6])

    def jump(self, pc: int, arg1: int, arg2: int, tp: int, abi_reg: int, aspace: AddressSpace) -> None:
        self._way_out = left_open(None, self._way_out)
        self._aspace = aspace  # type: ignore[assignment]
        engine = self._engine
        engine.attend(self, pc=True)
        regs = self._regs
        if regs is self._own_regs:
            self._own[: layout.GENERAL_END] = engine.fresh_general
        else:
            engine.env_general[:] = engine.fresh_general
        regs[_RDI] = arg1
        regs[_RSI] = arg2
        regs[_RIP] = pc
        if tp:
            regs[_FS_BASE] = tp
        if abi_reg:
            regs[_GS_BASE] = abi_reg

    def fp(self) -> FpRegs:
        window = self._window(0, self._engine.cpu.fp_end)
        top, status, control = struct.unpack_from("<IHH", window, layout.FP_TOP)
        fip, fdp = struct.unpack_from("<QQ", window, layout.FP_POINTERS)
        physical = [bytes(window[layout.FP_STACK + i * 16 :][:16]) for i in range(8)]
        tags = 0
        for i in range(8):
            tags |= (3 if window[layout.FP_EMPTY + i] else x87_tag(physical[i])) << 2 * i
        xmm = self._engine.cpu.xmm
        return FpRegs(
            fcw=control,
            fsw=status & ~0x3800 | (top & 7) << 11,
            ftw=tags,
            fop=struct.unpack_from("<H", window, layout.FP_OPCODE)[0],
            fip=fip,
            fdp=fdp,
            st=[physical[top + i & 7] for i in range(8)],
            mxcsr=struct.unpack_from("<I", window, self._engine.cpu.mxcsr)[0],
            xmm=[bytes(window[xmm + i * layout.XMM_STRIDE :][:16]) for i in range(16)],
        )

    def set_fp(self, regs: FpRegs) -> None:
        """Raises ValueError for reserved bits in mxcsr."""
        if regs.mxcsr & ~0xFFFF:
            raise ValueError(f"mxcsr {regs.mxcsr:#x} has reserved bits")
        window = self._window(0, self._engine.cpu.fp_end)
        top = regs.fsw >> 11 & 7
        struct.pack_into("<IH", window, layout.FP_TOP, top, regs.fsw & ~0x3800 & 0xFFFF)
        struct.pack_into("<H", window, layout.FP_OPCODE, regs.fop & 0x7FF)
        struct.pack_into("<QQ", window, layout.FP_POINTERS, regs.fip & _MASK, regs.fdp & _MASK)
        for i in range(8):
            window[layout.FP_EMPTY + i] = regs.ftw >> 2 * i & 3 == 3
            place = layout.FP_STACK + (top + i & 7) * 16
            window[place : place + 10] = regs.st[i][:10]
        xmm = self._engine.cpu.xmm
        for i in range(16):
            place = xmm + i * layout.XMM_STRIDE
            window[place : place + 16] = regs.xmm[i]
        self._engine.set_fp_control(self, regs.fcw & 0xFFFF | 0x40, regs.mxcsr)

    def vector(self) -> VectorRegs:
        """There is no AVX."""
        fp = self.fp()
        return VectorRegs([value.ljust(64, b"\0") for value in fp.xmm] + [bytes(64)] * 16, mxcsr=fp.mxcsr)

    def set_vector(self, regs: VectorRegs) -> None:
        fp = self.fp()
        fp.xmm = [value[:16] for value in regs.zmm[:16]]
        fp.mxcsr = regs.mxcsr
        self.set_fp(fp)

    def debug(self) -> DebugRegs:
        return DebugRegs(list(self._debug.dr), self._debug.dr6, self._debug.dr7)

    def set_debug(self, regs: DebugRegs) -> None:
        """Breakpoints on the execution of instructions are armed, those on data are not."""
        self._debug = DebugRegs(list(regs.dr), regs.dr6, regs.dr7)
        self.armed = Dr7.executions(regs.dr7) != Dr7.ALWAYS
        self._engine.attend(self)

    def note_debug(self, hits: int) -> None:
        """There is a debug exception, of these debug registers or of none, which is a single step: dr6 says so."""
        self._debug.dr6 = Dr6.ALWAYS | (hits or Dr6.STEP)

    def close(self) -> None:
        self._engine.forget(self)

    def _address(self) -> int:
        return self._own_address if self._regs is self._own_regs else self._engine.cpu.env_address

    def _window(self, start: int, end: int) -> memoryview:
        whole = self._own if self._regs is self._own_regs else self._engine.cpu.window
        return whole[start:end]
