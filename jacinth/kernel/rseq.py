"""Restartable sequences: code of which a thread knows that it ran from its start to its end without being preempted.

The thread describes the sequence in a record that it shares with the kernel. Where it loses the CPU inside, it goes on at the
sequence's abort address, from where it can begin again. Each time that it gets a CPU the record says which.

Source: zx_rseq_t in zircon/syscalls/rseq.h, RFC-0278, zircon/kernel/lib/syscalls/thread{.rs,_ffi.cc}, core tests of rseq.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from jacinth.abi import Status, ZxError, zx_rseq_t
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.kernel.vm.vmo import VmObjectDispatcher
    from jacinth.machine.interface import Context

_ADDRESS_MASK: Final = (1 << 64) - 1
_USER_TOP: Final = 1 << 47
_RECORD: Final = struct.Struct("<I4xQQQ")  # cpu_id, start_ip, post_commit_offset, abort_ip


class RestartableSequence:
    """The record of one thread, at *offset* in a VMO whose page keeps its frame meanwhile."""

    def __init__(self, vmo: VmObjectDispatcher, offset: int) -> None:
        """Errors, in order: INVALID_ARGS a pager's VMO or a clone of one; OUT_OF_RANGE; NO_MEMORY."""
        if vmo.pages.PAGER_BACKED:
            raise ZxError(Status.INVALID_ARGS)
        if offset + zx_rseq_t.SIZE > vmo.size:
            raise ZxError(Status.OUT_OF_RANGE)
        self._vmo = vmo
        self._page = offset & ~PAGE_MASK
        [frame] = vmo.pin(self._page, PAGE_SIZE)
        self._memory = vmo.kernel.memory
        self._frame = frame
        self._offset = offset & PAGE_MASK
        self._write_cpu(vmo.kernel.cpu)

    def going_on(self, context: Context, cpu: int, *, restricted: bool) -> None:
        """The thread has got a *cpu*: the record says which, and inside the sequence it goes on where that is aborted.

        Code in *restricted* mode is in no sequence. An abort address outside user space changes nothing.
        """
        self._write_cpu(cpu)
        place = (self._frame << PAGE_SHIFT) + self._offset
        _, start, length, abort = _RECORD.unpack_from(self._memory.view, place)
        if not restricted and (context.pc - start) & _ADDRESS_MASK < length and abort < _USER_TOP:
            context.pc = abort

    def _write_cpu(self, cpu: int) -> None:
        self._memory.write(self._frame, self._offset, cpu.to_bytes(4, "little"))

    def close(self) -> None:
        self._vmo.unpin(self._page, PAGE_SIZE)
