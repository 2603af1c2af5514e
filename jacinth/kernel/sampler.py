"""The sampler: where threads are, looked at now and then.

There is one for the whole machine. While it runs, the thread whose turn ends is looked at, if the period has passed since the
last look: its program counter and the return addresses on its stack, as far as frame pointers lead, are a backtrace record in the
buffer. A turn is over when a thread waits, or when it has had its slice of time, so that samples can come no closer than slices.

Source: zircon/kernel/lib/thread_sampler/thread_sampler.cc, zircon/kernel/object/sampler_dispatcher.rs.
"""

from __future__ import annotations

import struct
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_DEFAULT_SAMPLER_RIGHTS, ZX_OBJ_TYPE_SAMPLER, Status, ZxError
from jacinth.kernel import fxt
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.probe import KernelProbe
from jacinth.kernel.vm.page_source import PageNeeded

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.thread import ThreadDispatcher

_MAX_FRAMES: Final = 64
_FRAME: Final = struct.Struct("<QQ")  # the caller's frame pointer, the return address


class SamplerState(Enum):
    CONFIGURED = auto()
    RUNNING = auto()


class SamplerDispatcher(SoloDispatcher, KernelProbe):
    """The machine's sampler, while there is a handle to it. *size* is the buffer's, in bytes, *period* in ns."""

    TYPE = ZX_OBJ_TYPE_SAMPLER
    DEFAULT_RIGHTS = ZX_DEFAULT_SAMPLER_RIGHTS

    __slots__ = ("_buffer", "_due", "period", "size", "state")

    def __init__(self, kernel: Kernel, period: int, size: int) -> None:
        super().__init__(kernel)
        self.period = period
        self.size = size
        self.state = SamplerState.CONFIGURED
        self._buffer = bytearray()
        self._due = 0

    @classmethod
    def create(cls, kernel: Kernel, period: int, size: int) -> SamplerDispatcher:
        """Errors, in order: ALREADY_EXISTS; INVALID_ARGS a size that is no power of two."""
        if kernel.sampler is not None:
            raise ZxError(Status.ALREADY_EXISTS)
        if not size or size & (size - 1):
            raise ZxError(Status.INVALID_ARGS)
        kernel.sampler = sampler = cls(kernel, period, size)
        return sampler

    def start(self) -> None:
        """BAD_STATE where it runs already."""
        if self.state is not SamplerState.CONFIGURED:
            raise ZxError(Status.BAD_STATE)
        self.state = SamplerState.RUNNING
        self._due = self.kernel.clock.now() + self.period
        self.kernel.add_probe(self)

    def stop(self) -> None:
        """BAD_STATE where it does not run. What it has sampled can still be read."""
        if self.state is not SamplerState.RUNNING:
            raise ZxError(Status.BAD_STATE)
        self.state = SamplerState.CONFIGURED
        self.kernel.remove_probe(self)

    def on_zero_handles(self) -> None:
        if self.state is SamplerState.RUNNING:
            self.stop()
        self.kernel.sampler = None

    def records(self) -> bytes:
        """All that is in the buffer."""
        return bytes(self._buffer)

    def drain(self, size: int) -> None:
        """Take the first *size* bytes out of the buffer: somebody has read them."""
        del self._buffer[:size]

    def on_switch(
        self, cpu: int, left: ThreadDispatcher | None, left_at: int, thread: ThreadDispatcher | None
    ) -> None:
        if left is None or left_at < self._due:
            return
        self._due = left_at + self.period
        addresses = _backtrace(left)
        if addresses:
            record = fxt.backtrace(left_at, left.process.koid, left.koid, addresses)
            if len(self._buffer) + len(record) <= self.size:
                self._buffer += record


def _backtrace(thread: ThreadDispatcher) -> list[int]:
    """Where machine code of *thread* is, innermost first; nothing where there is none, or its stack cannot be read."""
    context = thread.context
    if context is None:
        return []
    registers = context.general()
    addresses, frame = [registers.rip], registers.rbp
    try:
        while frame and len(addresses) < _MAX_FRAMES:
            following, address = _FRAME.unpack(thread.aspace.read_user(frame, _FRAME.size))
            if not address:
                break
            addresses.append(address)
            frame = following
    except (ZxError, PageNeeded):
        return []
    return addresses
