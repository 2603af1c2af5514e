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
from jacinth.machine.x86_64 import RegisterBlock

if TYPE_CHECKING:
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.thread import Body, ThreadDispatcher
    from jacinth.machine.interface import Context, WayOut

_REPORT: Final = zx_restricted_state_t.SIZE  # where zx_restricted_exception_t has the exception
# Places in a register block, as plain numbers of this module, which are found in a third of the time.
_RCX: Final = RegisterBlock.RCX
_R11: Final = RegisterBlock.R11
_DESTROYED: Final = (_RCX, _R11)  # by a syscall instruction


class RestrictedState:
    """What is bound to a thread: the VMO with the registers of restricted mode, and the way back out of it."""

    __slots__ = (
        "_block",
        "_code_frames",
        "_frame",
        "_inside",
        "_memory",
        "_outside",
        "_thread",
        "aspace",
        "body",
        "machine",
        "page",
        "reason",
        "report_address",
        "vmo",
        "way_out",
    )

    def __init__(self, thread: ThreadDispatcher, report_address: int) -> None:
        """Exception reports go to *report_address* in user memory, where that is not 0, else behind the registers: NO_MEMORY."""
        kernel: Kernel = thread.kernel
        process = thread.process
        self._thread = thread
        self.report_address = report_address
        self.vmo = VmObjectDispatcher.create(kernel, PAGE_SIZE)
        self._frame = self.vmo.pin(0, PAGE_SIZE)[0]
        place = self._frame << PAGE_SHIFT
        self._memory = kernel.memory
        self._code_frames = kernel.memory.code_frames
        self.page = kernel.memory.view[place : place + PAGE_SIZE]  # the VMO's only one
        self._block = RegisterBlock(self.page[: RegisterBlock.SIZE])
        # What the thread reaches in restricted mode, and the machine's side of that and of normal mode. A process without parts
        # keeps all of its address space.
        self.aspace = process.restricted or process.aspace
        self._inside = self.aspace.machine
        self._outside = process.aspace.machine
        # Back to the vector, with the context and the FS and GS bases of normal mode.
        self.way_out: WayOut = kernel.engine.way_out(
            self._block,
            self._frame,
            _DESTROYED,
            ZX_RESTRICTED_REASON_SYSCALL,
            self._outside,
        )
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
        try:
            rax = registers.restore(self._block, self._inside, self.way_out, vector, context)
        except ValueError:
            raise ZxError(Status.BAD_STATE) from None
        if thread.kicked:
            thread.kicked = False
            way = self.way_out
            registers.jump(vector, context, ZX_RESTRICTED_REASON_KICK, way.tp, way.abi_reg, self._outside)
            return 0
        if thread.kernel.probes:
            self._tell(None)
        return rax

    async def enter_from_body(self) -> int:
        """The current thread, a Python body, waits while its restricted code runs. Answers why that has ended, a
        ZX_RESTRICTED_REASON_*: BAD_STATE registers that no thread may have.
        """
        thread = self._thread
        if self.machine is None:
            self.machine = thread.kernel.engine.context(self._inside)
        try:
            self.machine.restore(self._block, self._inside)
        except ValueError:
            raise ZxError(Status.BAD_STATE) from None
        if thread.kicked:
            thread.kicked = False
            return ZX_RESTRICTED_REASON_KICK
        self.body, thread.coroutine = thread.coroutine, None
        thread.context = self.machine
        if thread.kernel.probes:
            self._tell(None)
        await CHECKPOINT
        return self.reason

    # Out

    @property
    def entered(self) -> bool:
        """Whether the thread is in restricted mode."""
        return self.way_out.open or self.body is not None

    def leave(self, reason: int) -> None:
        """Back to normal mode, for a ZX_RESTRICTED_REASON_*. No register but those for the vector is kept from before.

        With a syscall instruction machine code may have taken its way out already, which does the same.
        """
        thread = self._thread
        registers = thread.context
        assert registers is not None
        if self._code_frames[self._frame]:
            self._forget_code()
        registers.save(self._block)
        if reason == ZX_RESTRICTED_REASON_SYSCALL:
            words = self._block.words
            for word in _DESTROYED:
                words[word] = 0
        if thread.kernel.probes:
            self._tell(reason)
        body = self.body
        if body is None:
            way = self.way_out
            registers.jump(way.pc, way.arg1, reason, way.tp, way.abi_reg, self._outside)
            return
        self.body = None
        self.reason = reason
        thread.context = None
        if thread.handling:
            thread.interrupted = body
        else:
            thread.coroutine = body

    def _tell(self, reason: int | None) -> None:
        for probe in self._thread.kernel.probes:
            probe.on_restricted(self._thread, reason)

    async def leave_with_exception(self, report: ExceptionReport) -> None:
        """Back to normal mode, which gets the report, or is told that it is lost where there is no memory for it."""
        data = report.record().pack()
        reason = ZX_RESTRICTED_REASON_EXCEPTION
        if not self.report_address:
            self._memory.write(self._frame, _REPORT, data)
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

    def _forget_code(self) -> None:
        """The page is about to be written, and is mapped to be executed, of all things."""
        self._memory.write(self._frame, 0, b"")

    # What a Python body has in place of a mapping

    def write(self, data: bytes) -> None:
        """Set what the VMO begins with."""
        if self._code_frames[self._frame]:
            self._forget_code()
        self.page[: len(data)] = data
