"""The hottest paths of the portable engine in C: see the beginning of `_portable.c`."""

from collections.abc import Sequence

from jacinth.machine import interface
from jacinth.machine.interface import AddressSpace
from jacinth.machine.x86_64 import RegisterBlock

class Engine:
    def _open(self, **places: object) -> tuple[int, int]:
        """Everything in Unicorn is at these places. Answers the hook of syscall, which is a C function, and its argument."""

    def _close(self) -> None:
        """Nothing is there any more."""

class Context: ...

class WayOut(interface.WayOut):
    def __init__(
        self,
        block: RegisterBlock,
        code_frames: bytearray,
        frame: int,
        cleared: Sequence[int],
        arg2: int,
        aspace: AddressSpace,
    ) -> None: ...
