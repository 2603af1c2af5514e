"""The registers of one guest thread: in the slot of the CPU that it ran on last, or in a buffer of the same layout."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from jacinth.machine.interface import AddressSpace, WayOut, left_open
from jacinth.machine.native import _native
from jacinth.machine.native.aspace import PageTable, Space, UnifiedView
from jacinth.machine.x86_64 import (
    DebugRegs,
    Dr6,
    Dr7,
    FpRegs,
    GeneralRegs,
    RegisterBlock,
    Rflags,
    VectorRegs,
    x87_tags,
)

if TYPE_CHECKING:
    from jacinth.machine.exit import Exit
    from jacinth.machine.native.engine import NativeEngine

_MASK: Final = (1 << 64) - 1
# The words of a slot from its FS base on, in the order of a Linux signal frame.
FS, GS, R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP, EFLAGS = range(20)
ERR, TRAPNO, CR2 = 21, 22, 24
WORDS: Final = (_native.REGS_END - _native.FS_BASE) // 8
_USER: Final = Rflags.USER
_ON: Final = Rflags.ALWAYS | Rflags.IF
_TF: Final = Rflags.TF
_RF: Final = 1 << 16  # the next instruction is executed, whatever breakpoint is there

# What the processor is to stop for: the bit of the debug register, address, type and length, as `Stub.watch` takes them.
Watch = tuple[int, int, int, int]
_NOTHING: Final[tuple[Watch, ...]] = ()
_EXECUTION, _PORTS = 0, 2

_MXCSR: Final = 24
_ST: Final = 32
_XMM: Final = 160
_XSTATE: Final = 512  # which components the area has; those that it has not are as at power-on
_X87, _SSE, _AVX, _OPMASK, _ZMM, _MORE_ZMM = 1, 2, 4, 0x20, 0x40, 0x80


def _fresh() -> bytes:
    """The xsave area of a thread that begins."""
    area = bytearray(_native.XSAVE_SIZE)
    struct.pack_into("<H", area, 0, 0x37F)
    struct.pack_into("<I", area, _MXCSR, 0x1F80)
    struct.pack_into("<Q", area, _XSTATE, _X87 | _SSE)
    return bytes(area)


FRESH: Final = _fresh()


class Slot:
    """What a stub process shares with us for one of its threads. All of it is the guest's to damage."""

    __slots__ = ("area", "head", "owner", "place", "returns", "space", "stub", "watches", "words")

    def __init__(self, space: Space, stub: _native.Stub, place: int) -> None:
        memory = stub.slot(place)
        self.place = place  # whose thread of the process
        self.space = space
        self.stub = stub  # whose memory it is
        self.head = memory[: _native.FS_BASE].cast("I")
        self.words = memory[_native.FS_BASE : _native.REGS_END].cast("Q")
        self.area = memory[_native.XSAVE : _native.XSAVE + _native.XSAVE_SIZE]
        self.owner: NativeContext | None = None  # whose registers are there
        self.returns = False  # it has made a call, and no register but that of the result has changed
        self.watches = _NOTHING  # for which the thread stops

    def watch(self, watches: tuple[Watch, ...]) -> None:
        """Have the thread stop for these alone. Where Linux has none for us it stops for none."""
        self.stub.watch(self.place, watches)
        self.watches = watches

    def leave(self) -> None:
        """The registers of whoever has been here go to itself."""
        if self.owner is not None:
            self.owner.park()


class NativeContext(_native.Registers):
    """See interface.Context. Made by `NativeEngine.context`."""

    __slots__ = (
        "_area",
        "_debug",
        "_engine",
        "_own",
        "_own_area",
        "_regs",
        "_way_out",
        "fault",
        "pending",
        "slot",
        "space",
        "step_pending",
        "watches",
    )

    def __init__(self, engine: NativeEngine, aspace: Space) -> None:
        self._engine = engine
        self.space: Space = aspace
        self._way_out: WayOut | None = None  # the one that is open
        self._debug = DebugRegs()
        self.watches = _NOTHING  # what those say
        self._own = memoryview(bytearray(WORDS * 8)).cast("Q")
        self._own_area = memoryview(bytearray(FRESH))
        self._regs = self._own  # where the registers are now
        self.point(self._own)
        self._area = self._own_area
        self._regs[EFLAGS] = _ON
        self.slot: Slot | None = None
        self.fault: tuple[int, int] | None = None  # address and access of the fault that it has come back for
        self.step_pending = False  # a single step ended, and the trap has not been told yet
        self.pending: Exit | None = None  # an exit that the trap has not been told of yet

    # The engine's.

    def park(self) -> None:
        """Take the registers out of the slot."""
        slot = self.slot
        if slot is not None:
            self._own[:] = slot.words
            self._own_area[:] = slot.area
            self._regs, self._area = self._own, self._own_area
            self.point(self._own)
            slot.owner = self.slot = None

    def load(self, slot: Slot) -> None:
        """Put the registers into a slot."""
        self.park()
        slot.leave()
        slot.words[:] = self._own
        slot.area[:] = self._own_area
        self._regs, self._area = slot.words, slot.area
        self.point(slot.words)
        slot.owner, self.slot = self, slot
        slot.returns = False

    def _touch(self) -> None:
        """Registers are about to change, others than that of a result."""
        if self.slot is not None:
            self.slot.returns = False

    def undo_syscall(self, size: int) -> None:
        """Let the system call, in *size* bytes of code, be made when the context goes on."""
        self._touch()
        self._regs[RIP] = self._regs[RIP] - size & _MASK
        self.step_pending = False

    # The kernel's.

    @property
    def aspace(self) -> AddressSpace:
        return self.space

    @aspace.setter
    def aspace(self, value: AddressSpace) -> None:
        assert isinstance(value, PageTable | UnifiedView)
        self.space = value

    @property
    def pc(self) -> int:
        return self._regs[RIP]

    @pc.setter
    def pc(self, value: int) -> None:
        self._touch()
        self._regs[RIP] = value & _MASK

    @property
    def sp(self) -> int:
        return self._regs[RSP]

    @sp.setter
    def sp(self, value: int) -> None:
        self._touch()
        self._regs[RSP] = value & _MASK

    @property
    def single_step(self) -> bool:
        """The trap flag: a debug exception follows every instruction."""
        return bool(self._regs[EFLAGS] & _TF)

    @single_step.setter
    def single_step(self, value: bool) -> None:
        self._touch()
        flags = self._regs[EFLAGS]
        self._regs[EFLAGS] = flags | _TF if value else flags & ~_TF

    def start(self, pc: int, sp: int, arg1: int, arg2: int, tp: int, abi_reg: int) -> None:
        """*tp* is the FS base, *abi_reg* the GS base; the arguments go to rdi and rsi."""
        self._area[:] = FRESH
        self.set_general(GeneralRegs(rip=pc, rsp=sp, rdi=arg1, rsi=arg2, fs_base=tp, gs_base=abi_reg))
        self.step_pending = False

    def general(self) -> GeneralRegs:
        return GeneralRegs(*self.words())

    def set_general(self, regs: GeneralRegs) -> None:
        """Of rflags the bits that level 3 may change are taken."""
        # fmt: off
        self.set_words([
            value & _MASK for value in (
                regs.rax, regs.rbx, regs.rcx, regs.rdx, regs.rsi, regs.rdi, regs.rbp, regs.rsp, regs.r8, regs.r9, regs.r10,
                regs.r11, regs.r12, regs.r13, regs.r14, regs.r15, regs.rip, regs.rflags, regs.fs_base, regs.gs_base,
            )
        ])
        # fmt: on

    def words(self) -> tuple[int, ...]:
        # fmt: off
        (fs, gs, r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags, *_) = self._regs
        return (
            rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip, flags & _USER | _ON, fs, gs,
        )
        # fmt: on

    def set_words(self, words: Sequence[int]) -> None:
        self._touch()
        rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip, flags, fs, gs = (
            words
        )
        # fmt: off
        for index, value in enumerate((
            fs, gs, r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags & _USER | _ON,
        )):
            self._regs[index] = value
        # fmt: on

    def save(self, block: RegisterBlock) -> None:
        regs, words = self._regs, block.words
        words[0:3] = regs[RDI:RBX]  # rdi, rsi, rbp
        words[3:5] = regs[RBX:RAX]  # rbx, rdx
        words[5] = regs[RCX]
        words[6] = regs[RAX]
        words[7] = regs[RSP]
        words[8:16] = regs[R8:RDI]
        words[16] = regs[RIP]
        words[17] = regs[EFLAGS] & _USER
        words[18:20] = regs[FS:R8]

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
        self.space = aspace  # type: ignore[assignment]  # one of ours
        self._touch()
        regs, words = self._regs, block.words
        if way_out is not None:
            way_out.pc, way_out.arg1, way_out.tp, way_out.abi_reg = pc, arg1, regs[FS], regs[GS]
        regs[RDI:RBX] = words[0:3]
        regs[RBX:RAX] = words[3:5]
        regs[RCX] = words[5]
        regs[RAX] = words[6]
        regs[RSP] = words[7]
        regs[R8:RDI] = words[8:16]
        regs[RIP] = words[16]
        regs[EFLAGS] = words[17] & _USER | _ON
        regs[FS:R8] = words[18:20]
        return int(words[6])

    def jump(self, pc: int, arg1: int, arg2: int, tp: int, abi_reg: int, aspace: AddressSpace) -> None:
        self._way_out = left_open(None, self._way_out)
        self.space = aspace  # type: ignore[assignment]
        self._touch()
        regs = self._regs
        regs[R8:EFLAGS] = _ZEROES
        regs[EFLAGS] = _ON
        regs[RDI] = arg1
        regs[RSI] = arg2
        regs[RIP] = pc
        if tp:
            regs[FS] = tp
        if abi_reg:
            regs[GS] = abi_reg

    def fp(self) -> FpRegs:
        area = self._area
        has = area[_XSTATE]
        regs = FpRegs(mxcsr=struct.unpack_from("<I", area, _MXCSR)[0] & 0xFFFF)
        if has & _X87:
            regs.fcw, regs.fsw, abridged, regs.fop, regs.fip, regs.fdp = struct.unpack_from("<HHBxHQQ", area)
            regs.st = [bytes(area[_ST + 16 * i : _ST + 16 * i + 10]) + bytes(6) for i in range(8)]
            regs.ftw = x87_tags(abridged, regs.st, regs.fsw >> 11 & 7)
        if has & _SSE:
            regs.xmm = [bytes(area[_XMM + 16 * i : _XMM + 16 * i + 16]) for i in range(16)]
        return regs

    def vector(self) -> VectorRegs:
        area, has = self._area, self._area[_XSTATE]
        fp = self.fp()

        def part(bit: int, place: int, size: int, count: int) -> list[bytes]:
            if not place or not has & bit:
                return [bytes(size)] * count
            return [bytes(area[place + size * i : place + size * (i + 1)]) for i in range(count)]

        ymm = part(_AVX, _native.XSAVE_YMM, 16, 16)
        high = part(_ZMM, _native.XSAVE_ZMM, 32, 16)
        zmm = [b"".join(parts) for parts in zip(fp.xmm, ymm, high, strict=True)]
        zmm += part(_MORE_ZMM, _native.XSAVE_MORE_ZMM, 64, 16)
        opmask = [int.from_bytes(mask, "little") for mask in part(_OPMASK, _native.XSAVE_OPMASK, 8, 8)]
        return VectorRegs(zmm, opmask, fp.mxcsr)

    def set_vector(self, regs: VectorRegs) -> None:
        fp = self.fp()
        fp.xmm = [value[:16] for value in regs.zmm[:16]]
        fp.mxcsr = regs.mxcsr
        self.set_fp(fp)
        for bit, place, content in (
            (_AVX, _native.XSAVE_YMM, [value[16:32] for value in regs.zmm[:16]]),
            (_OPMASK, _native.XSAVE_OPMASK, [mask.to_bytes(8, "little") for mask in regs.opmask]),
            (_ZMM, _native.XSAVE_ZMM, [value[32:] for value in regs.zmm[:16]]),
            (_MORE_ZMM, _native.XSAVE_MORE_ZMM, regs.zmm[16:]),
        ):
            if place:
                data = b"".join(content)
                self._area[place : place + len(data)] = data
                self._area[_XSTATE] |= bit

    def set_fp(self, regs: FpRegs) -> None:
        """Raises ValueError for reserved bits in mxcsr."""
        if regs.mxcsr & ~0xFFFF:
            raise ValueError(f"mxcsr {regs.mxcsr:#x} has reserved bits")
        self._touch()
        area = self._area
        abridged = sum(1 << i for i in range(8) if regs.ftw >> 2 * i & 3 != 3)
        # fmt: off
        struct.pack_into(
            "<HHBxHQQI", area, 0, regs.fcw & 0x1F7F | 0x40, regs.fsw & 0xFFFF, abridged, regs.fop & 0x7FF, regs.fip & _MASK,
            regs.fdp & _MASK, regs.mxcsr,
        )
        # fmt: on
        for i in range(8):
            area[_ST + 16 * i : _ST + 16 * i + 10] = regs.st[i][:10]
        for i in range(16):
            area[_XMM + 16 * i : _XMM + 16 * i + 16] = regs.xmm[i]
        area[_XSTATE] |= _X87 | _SSE

    def debug(self) -> DebugRegs:
        return DebugRegs(list(self._debug.dr), self._debug.dr6, self._debug.dr7)

    def set_debug(self, regs: DebugRegs) -> None:
        self._touch()
        self._debug = DebugRegs(list(regs.dr), regs.dr6, regs.dr7)
        self.watches = _watches(regs) or _NOTHING

    def hits(self, said: int) -> int:
        """Of which debug registers a debug exception is, where Linux says that it is of those *said*, of several maybe one."""
        pc, hits = self.pc, 0
        for bit, address, type_, _ in self.watches:
            if address == pc if type_ == _EXECUTION else bit & said:
                hits |= bit
        self._regs[EFLAGS] &= ~_RF  # it stops there again, as long as the register is set
        return hits

    def note_debug(self, hits: int) -> None:
        """There is a debug exception, of these debug registers or of none, which is a single step: dr6 says so."""
        self._debug.dr6 = Dr6.ALWAYS | (hits or Dr6.STEP)

    def close(self) -> None:
        self._engine.forget(self)


def _watches(regs: DebugRegs) -> tuple[Watch, ...]:
    """Of the lowest pages none: no guest code or data is there, but the stub is."""
    return tuple(
        (1 << index, address, type_, length)
        for index, type_, length in Dr7.enabled(regs.dr7)
        if type_ != _PORTS
        for address in [regs.dr[index] if type_ == _EXECUTION else regs.dr[index] & -length]
        if _native.GUEST_BASE <= address < _native.GUEST_END
    )


_ZEROES: Final = memoryview(bytes(8 * (EFLAGS - R8))).cast("Q")
