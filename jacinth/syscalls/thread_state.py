"""Register files of a thread as the structs of `zx_thread_read_state` and `zx_thread_write_state`, for x86-64.

Source: zircon/system/public/zircon/syscalls/debug.h; checks from zircon/kernel/arch/x86/debugger.cc.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from jacinth.abi import (
    Status,
    Struct,
    ZxError,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
    zx_x86_64_st_t,
    zx_x86_64_zmm_t,
)
from jacinth.machine.x86_64 import DebugRegs, Dr6, Dr7, GeneralRegs, Rflags, VectorRegs

_GENERAL = tuple(field.name for field in fields(GeneralRegs))
_USER_TOP = 1 << 47


def read(context: Any, cls: type[Struct]) -> Struct:
    """The struct that shows one register file of *context*."""
    if cls is zx_thread_state_general_regs_t:
        regs = context.general()
        return zx_thread_state_general_regs_t(**{name: getattr(regs, name) for name in _GENERAL})
    if cls is zx_thread_state_fp_regs_t:
        return _read_fp(context)
    if cls is zx_thread_state_vector_regs_t:
        return _read_vector(context)
    debug = context.debug()
    return zx_thread_state_debug_regs_t(dr=list(debug.dr), dr6=debug.dr6, dr7=debug.dr7)


def write(context: Any, state: Struct) -> None:
    """Set one register file of *context*: INVALID_ARGS for values that no thread may have."""
    if isinstance(state, zx_thread_state_general_regs_t):
        _write_general(context, state)
    elif isinstance(state, zx_thread_state_fp_regs_t):
        _write_fp(context, state)
    elif isinstance(state, zx_thread_state_vector_regs_t):
        _write_vector(context, state)
    elif isinstance(state, zx_thread_state_debug_regs_t):
        _write_debug(context, state)


def _write_general(context: Any, state: Any) -> None:
    for base in (state.fs_base, state.gs_base):
        if base >> 47 not in (0, 0x1FFFF):
            raise ZxError(Status.INVALID_ARGS)
    if state.rip >= _USER_TOP:
        raise ZxError(Status.INVALID_ARGS)
    regs = GeneralRegs(**{name: getattr(state, name) for name in _GENERAL})
    # Only what user code may change itself; the rest stays.
    kept = context.general().rflags & ~Rflags.USER
    regs.rflags = kept | (state.rflags & Rflags.USER)
    context.set_general(regs)


def _read_fp(context: Any) -> Struct:
    fp = context.fp()
    st = [zx_x86_64_st_t(low=_word(value, 0), high=_word(value, 1)) for value in fp.st]
    return zx_thread_state_fp_regs_t(
        fcw=fp.fcw, fsw=fp.fsw, ftw=_abridged(fp.ftw), fop=fp.fop, fip=fp.fip, fdp=fp.fdp, st=st
    )


def _write_fp(context: Any, state: Any) -> None:
    fp = context.fp()
    fp.fcw, fp.fsw, fp.fop, fp.fip, fp.fdp = state.fcw, state.fsw, state.fop, state.fip, state.fdp
    fp.st = [_bytes(value.low, value.high) for value in state.st]
    fp.ftw = _full(state.ftw)
    context.set_fp(fp)


def _abridged(tags: int) -> int:
    """One bit a register, set where it is not empty, as fxsave has them."""
    return sum(1 << index for index in range(8) if tags >> 2 * index & 3 != 3)


def _full(abridged: int) -> int:
    """Two bits a register: empty, or valid; the CPU works out zero and special by itself."""
    return sum((0 if abridged >> index & 1 else 3) << 2 * index for index in range(8))


def _read_vector(context: Any) -> Struct:
    regs = context.vector()
    zmm = [zx_x86_64_zmm_t(v=[_word(value, i) for i in range(8)]) for value in regs.zmm]
    return zx_thread_state_vector_regs_t(zmm=zmm, opmask=regs.opmask, mxcsr=regs.mxcsr)


def _write_vector(context: Any, state: Any) -> None:
    # Bits 31 to 16 are reserved: setting one would fault in the kernel.
    if state.mxcsr >> 16:
        raise ZxError(Status.INVALID_ARGS)
    zmm = [b"".join(word.to_bytes(8, "little") for word in value.v) for value in state.zmm]
    context.set_vector(VectorRegs(zmm, list(state.opmask), state.mxcsr))


def _write_debug(context: Any, state: Any) -> None:
    if any(address >= _USER_TOP for address in state.dr):
        raise ZxError(Status.INVALID_ARGS)
    # Reserved bits are as the processor has them, and nobody may guard the debug registers.
    dr6 = state.dr6 & Dr6.KEPT | Dr6.ALWAYS
    dr7 = state.dr7 & Dr7.USER | Dr7.ALWAYS
    context.set_debug(DebugRegs(list(state.dr), dr6, dr7))


def _word(register: bytes, index: int) -> int:
    return int.from_bytes(register[8 * index : 8 * index + 8], "little")


def _bytes(low: int, high: int) -> bytes:
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")
