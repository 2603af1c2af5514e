"""FIFOs: queues of small elements of one size."""

from __future__ import annotations

from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ObjType
from jacinth.api.handle import Peered, check


class Fifo(Peered[C]):
    """One end of a FIFO."""

    OBJ_TYPE = ObjType.FIFO

    __slots__ = ()

    @classmethod
    def create(
        cls, elem_count: int, elem_size: int, options: int = 0, *, caller: C | None = None
    ) -> tuple[Fifo[C], Fifo[C]]:
        """Both ends of a FIFO with room for *elem_count* elements of *elem_size* bytes in each direction.

        Raises ZxOutOfRange for zero or more than 4096 bytes.
        """
        owner = resolve(caller)
        status, one, other = owner.sys.zx_fifo_create(elem_count, elem_size, options)
        check(status)
        return Fifo(owner, one), Fifo(owner, other)

    @member
    def read(self, elem_size: int, count: int = 1) -> bytes:
        """At most *count* elements.

        Rights: READ. Raises ZxShouldWait, ZxPeerClosed, ZxOutOfRange for another size or no elements.
        """
        status, data, _ = self._caller.sys.zx_fifo_read(self.raw, elem_size, count)
        check(status)
        return bytes(data)

    @member
    def write(self, elem_size: int, data: bytes) -> int:
        """Send as many of the elements in *data* as there is room for. Answers how many.

        Rights: WRITE. Raises ZxShouldWait, ZxPeerClosed, ZxOutOfRange for another size or no elements.
        """
        status, actual = self._caller.sys.zx_fifo_write(self.raw, elem_size, data)
        check(status)
        return int(actual)
