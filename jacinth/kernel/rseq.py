"""Restartable sequences: code of which a thread knows that it ran from its start to its end without being preempted.

The thread describes the sequence in a record that it shares with the kernel. Where it loses the CPU inside, it goes on at the
sequence's abort address, from where it can begin again.

Source: zx_rseq_t in zircon/syscalls-next.h, zircon/kernel/lib/syscalls/thread.rs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from jacinth.abi import Status, ZxError, zx_rseq_t
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.kernel.vm.vmo import VmObjectDispatcher
    from jacinth.machine.interface import Context

_CPU: Final = 0  # the only one that a kernel's threads run on
_ADDRESS_MASK: Final = (1 << 64) - 1
_RECORD: Final = struct.Struct("<I4xQQQ")  # cpu_id, start_ip, post_commit_offset, abort_ip


class RestartableSequence:
    """The record of one thread, at *offset* in a VMO whose page keeps its frame meanwhile."""

    def __init__(self, vmo: VmObjectDispatcher, offset: int) -> None:
        """Errors, in order: OUT_OF_RANGE; NO_MEMORY."""
        if offset + zx_rseq_t.SIZE > vmo.size:
            raise ZxError(Status.OUT_OF_RANGE)
        self._vmo = vmo
        self._page = offset & ~PAGE_MASK
        [frame] = vmo.pin(self._page, PAGE_SIZE)
        self._memory = vmo.kernel.memory
        self._frame = frame
        self._offset = offset & PAGE_MASK
        self._memory.write(frame, self._offset, _CPU.to_bytes(4, "little"))

    def preempted(self, context: Context) -> None:
        """The thread has lost the CPU: inside the sequence it goes on where that is aborted."""
        place = (self._frame << PAGE_SHIFT) + self._offset
        _, start, length, abort = _RECORD.unpack_from(self._memory.view, place)
        if (context.pc - start) & _ADDRESS_MASK < length:
            context.pc = abort

    def close(self) -> None:
        self._vmo.unpin(self._page, PAGE_SIZE)
