"""Handles and handle tables.

A handle is a reference to a dispatcher with rights. In user space it is a number: both low bits are set, and numbers are not
used again until two to the twenty-ninth others were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_HANDLE_FIXED_BITS_MASK, ZX_HANDLE_INVALID, Status, ZxError

if TYPE_CHECKING:
    from jacinth.kernel.object import Dispatcher

# As many handles as there can be in a whole system. Source: zircon/kernel/object/handle.cc (kMaxHandleCount).
MAX_HANDLES: Final = 256 << 10

_INDEX_BITS: Final = 29
_INDEX_MASK: Final = (1 << _INDEX_BITS) - 1


class Handle:
    """A dispatcher with rights. It lives in a table, in a message, or in a call on its way between them.

    Whoever lets go of a handle for good calls `close`.
    """

    __slots__ = ("object", "rights")

    def __init__(self, object_: Dispatcher, rights: int) -> None:
        self.object = object_
        self.rights = rights
        object_.handle_count += 1

    def close(self) -> None:
        """Let go: tell those who wait through this handle, and the object when it was the last one."""
        dispatcher = self.object
        if dispatcher._observers:
            dispatcher.cancel(self)
        dispatcher.handle_count -= 1
        if not dispatcher.handle_count:
            dispatcher.on_zero_handles()

    def __repr__(self) -> str:
        return f"<Handle {self.object!r} rights={self.rights:#x}>"


class HandleTable:
    """The handles of a process, or of all processes of one shared state.

    `handles` maps values to handles and is public for the hottest lookups; every change goes through the methods.
    """

    __slots__ = ("_index", "_secret", "handles")

    def __init__(self, secret: int) -> None:
        # The secret makes one process's values meaningless in another. Values are positive as int32.
        self._secret = secret & _INDEX_MASK
        self._index = 0
        self.handles: dict[int, Handle] = {}

    def add(self, handle: Handle) -> int:
        """Put *handle* into the table. Answers its value."""
        while True:
            self._index = index = (self._index + 1) & _INDEX_MASK
            value = (index ^ self._secret) << 2 | ZX_HANDLE_FIXED_BITS_MASK
            if value not in self.handles:
                self.handles[value] = handle
                return value

    def add_all(self, handles: Sequence[Handle]) -> list[int]:
        """Put all of them into the table, or none where Python's memory ends."""
        values: list[int] = []
        try:
            for handle in handles:
                values.append(self.add(handle))
        except MemoryError:
            for value in values:
                del self.handles[value]
            raise
        return values

    def get(self, value: int) -> Handle | None:
        return self.handles.get(value)

    def remove(self, value: int) -> Handle:
        """Take a handle out: BAD_HANDLE. The caller owns it then."""
        handle = self.handles.pop(value, None)
        if handle is None:
            raise ZxError(Status.BAD_HANDLE)
        return handle

    def transfer(self, value: int) -> Handle:
        """Take a handle out on its way elsewhere: who waits through it is told so."""
        handle = self.remove(value)
        handle.object.on_moved(handle)
        return handle

    def close(self, value: int) -> None:
        """Close a handle: BAD_HANDLE. ZX_HANDLE_INVALID is no error."""
        if value == ZX_HANDLE_INVALID:
            return
        self.remove(value).close()

    def clear(self) -> None:
        """Close every handle, oldest first."""
        # In rounds: finding the first key again after each pop would pass over all those that are gone.
        while self.handles:
            for value in tuple(self.handles):
                handle = self.handles.pop(value, None)
                if handle is not None:
                    handle.close()

    def __len__(self) -> int:
        return len(self.handles)

    def __iter__(self) -> Iterator[tuple[int, Handle]]:
        return iter(tuple(self.handles.items()))


class HostTable(HandleTable):
    """The host's handles. Without __slots__: who wants to know of each new one can give this table an `add` of its own."""
