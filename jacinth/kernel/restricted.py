"""Restricted mode: a thread runs code that reaches the restricted part of its process and nothing else, until it leaves.

    normal mode --enter: registers from the state VMO, restricted aspace-->  restricted mode
         ^                                                                        |
         +---- vector(context, reason): registers to the state VMO, both parts <--+  syscall, exception, kick

A syscall instruction in restricted mode is no system call of ours: whoever entered decides what it means. Floating point
registers are not touched on the way; code in normal mode saves and loads them itself. A Python body has none, so those of its
restricted code are kept from one time to the next.

Source: zircon/vdso/restricted.fidl; zircon/kernel/kernel/restricted{,_state}.rs; zircon/kernel/arch/x86/restricted.cc.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_RESTRICTED_REASON_EXCEPTION,
    ZX_RESTRICTED_REASON_EXCEPTION_LOST,
    ZX_RESTRICTED_REASON_KICK,
    ZX_RESTRICTED_REASON_SYSCALL,
    Status,
    ZxError,
    zx_restricted_state_t,
)
from jacinth.kernel.thread import CHECKPOINT
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmo import PAGE_SHIFT, PAGE_SIZE, VmObjectDispatcher
from jacinth.machine.x86_64 import Rflags

if TYPE_CHECKING:
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.thread import Body, ThreadDispatcher
    from jacinth.machine.interface import Context

# zx_restricted_state_t: rdi, rsi, rbp, rbx, rdx, rcx, rax, rsp, r8 to r15, ip, flags, fs_base, gs_base.
_STATE: Final = struct.Struct("<20Q")
_REPORT: Final = zx_restricted_state_t.SIZE  # where zx_restricted_exception_t has the exception
_USER_TOP: Final = 1 << 47
_NOT_FOR_USERS: Final = ((1 << 64) - 1) & ~Rflags.USER
_CANONICAL: Final = (0, 0x1FFFF)  # bits 63 to 47 of a base


class RestrictedState:
    """What is bound to a thread: the VMO with the registers of restricted mode, and the way back out of it."""

    __slots__ = (
        "_bases",
        "_code_frames",
        "_context",
        "_memory",
        "_place",
        "_thread",
        "_vector",
        "_view",
        "body",
        "machine",
        "reason",
        "report_address",
        "vmo",
    )

    def __init__(self, thread: ThreadDispatcher, report_address: int) -> None:
        """Exception reports go to *report_address* in user memory, where that is not 0, else behind the registers: NO_MEMORY."""
        kernel: Kernel = thread.kernel
        self._thread = thread
        self.report_address = report_address
        self.vmo = VmObjectDispatcher.create(kernel, PAGE_SIZE)
        self._place = self.vmo.pin(0, PAGE_SIZE)[0] << PAGE_SHIFT
        self._memory = kernel.memory
        self._view = kernel.memory.view
        self._code_frames = kernel.memory.code_frames
        self._vector = 0
        self._context = 0
        self._bases = (0, 0)  # FS and GS of normal mode
        self.body: Body | None = None  # a Python body while its thread is in restricted mode
        self.machine: Context | None = None  # the registers with which a Python body runs restricted code
        self.reason = ZX_RESTRICTED_REASON_SYSCALL  # why it came back the last time

    def close(self) -> None:
        """No thread is bound to it any more. The VMO stays as long as anybody has it."""
        if self.machine is not None:
            self.machine.close()
        self.vmo.unpin(0, PAGE_SIZE)

    # In

    def enter(self, vector: int, context: int) -> int:
        """The current thread, machine code, goes on in restricted mode; it comes back at *vector*, with *context* in rdi and the
        reason in rsi. Answers what is in rax now.

        A kick that has come before is noticed here: then the thread goes on at *vector*. Errors: BAD_STATE registers that no
        thread may have.
        """
        thread = self._thread
        registers = thread.context
        assert registers is not None
        state = self._load()
        self._bases = registers.bases
        self._vector = vector
        self._context = context
        if thread.kicked:
            thread.kicked = False
            self._go_to_vector(registers, ZX_RESTRICTED_REASON_KICK)
            return 0
        self._start(registers, state)
        return state[6]

    async def enter_from_body(self) -> int:
        """The current thread, a Python body, waits while its restricted code runs. Answers why that has ended, a
        ZX_RESTRICTED_REASON_*: BAD_STATE registers that no thread may have.
        """
        thread = self._thread
        state = self._load()
        if thread.kicked:
            thread.kicked = False
            return ZX_RESTRICTED_REASON_KICK
        if self.machine is None:
            self.machine = thread.kernel.engine.context(thread.aspace.machine)
        self.body, thread.coroutine = thread.coroutine, None
        thread.context = self.machine
        self._start(self.machine, state)
        await CHECKPOINT
        return self.reason

    def _load(self) -> tuple[int, ...]:
        """The state, as it is now: whoever has the VMO may change it at any time. BAD_STATE."""
        state: tuple[int, ...] = _STATE.unpack_from(self._view, self._place)
        if (
            state[16] >= _USER_TOP
            or state[17] & _NOT_FOR_USERS
            or state[18] >> 47 not in _CANONICAL
            or state[19] >> 47 not in _CANONICAL
        ):
            raise ZxError(Status.BAD_STATE)
        return state

    def _start(self, registers: Context, state: tuple[int, ...]) -> None:
        thread = self._thread
        rdi, rsi, rbp, rbx, rdx, rcx, rax, *rest = state
        rsp, *rest = rest
        registers.set_words((rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, *rest))
        restricted = thread.process.restricted
        if restricted is not None:  # a process whose address space has no parts keeps all of it
            thread.aspace = restricted
            registers.aspace = restricted.machine
        thread.in_restricted = True

    # Out

    def leave(self, reason: int) -> None:
        """Back to normal mode, for a ZX_RESTRICTED_REASON_*."""
        thread = self._thread
        registers = thread.context
        assert registers is not None
        rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, *numbered, ip, flags, fs_base, gs_base = registers.words()
        if reason == ZX_RESTRICTED_REASON_SYSCALL:
            rcx = numbered[3] = 0  # rcx and r11, which the instruction destroys
        # fmt: off
        self._store(0, _STATE.pack(
            rdi, rsi, rbp, rbx, rdx, rcx, rax, rsp, *numbered, ip, flags & Rflags.USER, fs_base, gs_base
        ))
        # fmt: on
        thread.in_restricted = False
        thread.aspace = thread.process.aspace
        body, self.body = self.body, None
        if body is None:
            registers.aspace = thread.aspace.machine
            self._go_to_vector(registers, reason)
            return
        self.reason = reason
        thread.context = None
        if thread.handling:
            thread.interrupted = body
        else:
            thread.coroutine = body

    async def leave_with_exception(self, report: ExceptionReport) -> None:
        """Back to normal mode, which gets the report, or is told that it is lost where there is no memory for it."""
        data = report.record().pack()
        reason = ZX_RESTRICTED_REASON_EXCEPTION
        if not self.report_address:
            self._store(_REPORT, data)
        elif await self._write_report(data):
            reason = ZX_RESTRICTED_REASON_EXCEPTION_LOST
        self.leave(reason)

    async def _write_report(self, data: bytes) -> Status:
        while True:
            try:
                self._thread.process.aspace.write_user(self.report_address, data)
                return Status.OK
            except PageNeeded as need:
                status = await need.arrive()
                if status:
                    return status
            except ZxError as error:
                return error.status

    def _go_to_vector(self, registers: Context, reason: int) -> None:
        """Normal mode begins anew: no register but these is kept from before."""
        fs_base, gs_base = self._bases
        registers.set_words((0, 0, 0, 0, reason, self._context, *[0] * 10, self._vector, 0, fs_base, gs_base))

    def _store(self, offset: int, data: bytes) -> None:
        place = self._place
        if self._code_frames[place >> PAGE_SHIFT]:  # it is mapped to be executed, of all things
            self._memory.write(place >> PAGE_SHIFT, offset, data)
        else:
            self._view[place + offset : place + offset + len(data)] = data

    # What a Python body has in place of a mapping

    def read(self, offset: int, size: int) -> bytes:
        """A part of the state VMO."""
        return bytes(self._view[self._place + offset : self._place + offset + size])

    def write(self, data: bytes) -> None:
        """Set the registers."""
        self._store(0, data)
