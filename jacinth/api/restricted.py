"""Restricted mode, for Python bodies: the registers that a body gives to machine code, and gets back from it."""

from __future__ import annotations

import struct
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import ZxError, zx_exception_report_t, zx_restricted_state_t
from jacinth.api.flags import RestrictedReason
from jacinth.api.handle import check
from jacinth.api.memory import Vmo
from jacinth.api.status import ZxBadState, ZxNotSupported, ZxStatus

if TYPE_CHECKING:
    from jacinth.api.body import Body
    from jacinth.kernel.restricted import RestrictedState as BoundState

_NAMES: Final = tuple(field.name for field in zx_restricted_state_t.fields)
_VALUES: Final = attrgetter(*_NAMES)
_STATE: Final = struct.Struct(f"<{len(_NAMES)}Q")
_MASK: Final = (1 << 64) - 1


class RestrictedState:
    """The registers of restricted mode, by the names of `zx_restricted_state_t`; any integer may be put into one.

    *exception* is the report of the last time that restricted mode ended with RestrictedReason.EXCEPTION. *vmo* is the VMO
    that is bound to the thread; closing it does no harm.
    """

    __slots__ = (*_NAMES, "_bound", "exception", "vmo")

    rdi: int
    rsi: int
    rbp: int
    rbx: int
    rdx: int
    rcx: int
    rax: int
    rsp: int
    r8: int
    r9: int
    r10: int
    r11: int
    r12: int
    r13: int
    r14: int
    r15: int
    ip: int
    flags: int
    fs_base: int
    gs_base: int

    def __init__(self, vmo: Vmo[Body], bound: BoundState) -> None:
        self.vmo = vmo
        self._bound = bound
        self.exception: zx_exception_report_t | None = None
        self._take(bytes(_STATE.size))

    def _take(self, data: bytes | memoryview) -> None:
        # fmt: off
        (
            self.rdi, self.rsi, self.rbp, self.rbx, self.rdx, self.rcx, self.rax, self.rsp, self.r8, self.r9, self.r10,
            self.r11, self.r12, self.r13, self.r14, self.r15, self.ip, self.flags, self.fs_base, self.gs_base,
        ) = _STATE.unpack_from(data)
        # fmt: on

    def __repr__(self) -> str:
        return f"RestrictedState({', '.join(f'{name}={getattr(self, name):#x}' for name in _NAMES)})"


def bind_state(caller: Any) -> RestrictedState:
    """`Thread.restricted_bind_state`."""
    if not caller.is_body:
        raise ZxNotSupported
    status, raw, _ = caller.sys.zx_restricted_bind_state(0)
    check(status)
    return RestrictedState(Vmo(caller, raw), caller.call.thread.restricted)


async def enter(caller: Any, state: RestrictedState) -> RestrictedReason:
    """`Thread.restricted_enter`."""
    if not caller.is_body:
        raise ZxNotSupported
    bound = state._bound
    if caller.call.thread.restricted is not bound:
        raise ZxBadState
    bound.write(_STATE.pack(*[value & _MASK for value in _VALUES(state)]))
    try:
        reason = RestrictedReason(await bound.enter_from_body())
    except ZxError as error:
        raise ZxStatus.of(error.status) from None
    state._take(bound.page)
    if reason is RestrictedReason.EXCEPTION:
        state.exception = zx_exception_report_t.unpack(
            bytes(bound.page[_STATE.size : _STATE.size + zx_exception_report_t.SIZE])
        )
    return reason
