"""Pointers that a call was given: the only way to the caller's memory.

A guest's pointer is an address in its aspace. The host and Python bodies pass Python objects instead (`bytes`, sequences,
structs), or, where they mean memory of their own process, an address as `int`. Both answer the same methods.

Errors: INVALID_ARGS for memory that cannot be read or written whole.

Memory may be a pager's, and absent. To read it raises `PageNeeded`: the door waits, and makes the call again from its beginning.
To write it, since by then the call has acted, is put off until the call is over: see `LateWrite`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from jacinth.abi import ZX_HANDLE_INVALID, Status, Struct, ZxError
from jacinth.kernel.handle import Handle
from jacinth.kernel.vm.page_source import PageNeeded

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.object import Dispatcher
    from jacinth.syscalls.door import Call

S = TypeVar("S", bound=Struct)

INT_CODES = {
    (1, False): "B",
    (2, False): "H",
    (4, False): "I",
    (4, True): "i",
    (8, False): "Q",
    (8, True): "q",
}


class UserMemory(Protocol):
    """What pointers ask of an aspace."""

    kernel: Kernel

    def read_user(self, address: int, size: int) -> bytes: ...

    def write_user(self, address: int, data: bytes) -> None: ...


class LateWrite:
    """A write of a call that waits for its page until the call is over."""

    __slots__ = ("_address", "_data", "_memory")

    def __init__(self, memory: UserMemory, address: int, data: bytes) -> None:
        self._memory = memory
        self._address = address
        self._data = data

    async def finish(self) -> Status:
        """Write, as soon as the pages are there. INVALID_ARGS where they do not come."""
        while True:
            try:
                self._memory.write_user(self._address, self._data)
                return Status.OK
            except PageNeeded as need:
                status = await need.arrive()
                if status is not None:
                    return status
            except ZxError as error:
                return error.status


class _Pointer:
    """A pointer to elements of one type: *code* is their `struct` code, empty for structs and raw bytes."""

    __slots__ = ("address", "code", "memory", "optional")

    def __init__(self, code: str = "", optional: bool = False) -> None:
        self.address = 0
        self.code = code
        self.optional = optional
        self.memory: UserMemory = _NOWHERE

    @property
    def is_null(self) -> bool:
        return self.address == 0

    def check(self) -> None:
        """INVALID_ARGS for a null pointer."""
        if self.is_null:
            raise ZxError(Status.INVALID_ARGS)

    def _write(self, address: int, data: bytes) -> None:
        """Write for the calling thread, if not now then when the call is over."""
        try:
            self.memory.write_user(address, data)
        except PageNeeded:
            thread = self.memory.kernel.current
            assert thread is not None  # only calls have pointers
            thread.late_writes.append(LateWrite(self.memory, address, data))


class _Nowhere:
    kernel: Kernel

    def read_user(self, address: int, size: int) -> bytes:
        raise ZxError(Status.INVALID_ARGS)

    def write_user(self, address: int, data: bytes) -> None:
        raise ZxError(Status.INVALID_ARGS)


_NOWHERE = _Nowhere()


class UserIn(_Pointer):
    """Memory that the call reads."""

    __slots__ = ()

    def read(self, size: int, offset: int = 0) -> bytes:
        """*size* bytes, *offset* bytes behind the pointer."""
        return self.memory.read_user(self.address + offset, size) if size else b""

    def read_struct(self, cls: type[S]) -> S:
        return cls.unpack(self.read(cls.SIZE))

    def read_structs(self, cls: type[S], count: int) -> list[S]:
        data = self.read(cls.SIZE * count)
        return [cls.unpack(data, offset) for offset in range(0, len(data), cls.SIZE)]

    def read_ints(self, count: int, start: int = 0) -> tuple[int, ...]:
        """*count* numbers of the pointer's element type, from the one with index *start* on."""
        size = struct.calcsize(self.code)
        return struct.unpack(f"<{count}{self.code}", self.read(count * size, start * size))


class UserOut(_Pointer):
    """Memory that the call writes."""

    __slots__ = ()

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Write *data*, *offset* bytes behind the pointer."""
        if data:
            self._write(self.address + offset, bytes(data))

    def write_now(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """The same, or PageNeeded: for a call that can be made again."""
        if data:
            self.memory.write_user(self.address + offset, bytes(data))

    def set(self, value: int) -> None:
        """Write one number of the pointer's element type. Nothing happens to a null pointer that is allowed to be one."""
        if self.address or not self.optional:
            self._write(self.address, struct.pack("<" + self.code, value))

    def write_struct(self, value: Struct, offset: int = 0) -> None:
        if self.address or not self.optional:
            self.write(value.pack(), offset)


class UserInOut(UserIn, UserOut):
    """Memory that the call reads, and writes."""

    __slots__ = ()


class HandleOut(_Pointer):
    """Where the caller wants the value of a new handle.

    The handle is installed by the door as the last thing that the call does; where that fails, it is closed again.
    """

    __slots__ = ("handle", "value")

    def __init__(self, code: str = "I", optional: bool = False) -> None:
        super().__init__(code, optional)
        self.handle: Handle | None = None
        self.value = 0

    def make(self, dispatcher: Dispatcher, rights: int | None = None) -> None:
        """A new handle to *dispatcher*, with the type's default rights unless said otherwise."""
        self.handle = Handle(dispatcher, dispatcher.DEFAULT_RIGHTS if rights is None else rights)

    def give(self, handle: Handle) -> None:
        """*handle* is the caller's from now on."""
        self.handle = handle

    def probe(self) -> None:
        """INVALID_ARGS where a value cannot be stored, for calls that would have to undo more than the handle."""
        self._store(ZX_HANDLE_INVALID)

    def _store(self, value: int) -> None:
        self._write(self.address, value.to_bytes(4, "little"))

    def install(self, call: Call) -> None:
        handle = self.handle
        if handle is not None:
            self.value = value = call.handles.add(handle)
            self._store(value)

    def drop(self, call: Call) -> None:
        """The call has failed: the handle goes."""
        handle, self.handle = self.handle, None
        if handle is not None:
            if self.value:
                call.handles.remove(self.value)
            handle.close()
        self.value = 0


class HandlesOut(_Pointer):
    """Where the caller wants the values of several handles, one after the other."""

    __slots__ = ("handles", "values")

    def __init__(self, code: str = "I", optional: bool = False) -> None:
        super().__init__(code, optional)
        self.handles: Sequence[Handle] = ()
        self.values: list[int] = []

    def give(self, handles: Sequence[Handle]) -> None:
        """These are the caller's from now on."""
        self.handles = handles

    def _store(self, data: bytes) -> None:
        self._write(self.address, data)

    def install(self, call: Call) -> None:
        if self.handles:
            add = call.handles.add
            self.values = values = [add(handle) for handle in self.handles]
            self._store(struct.pack(f"<{len(values)}I", *values))

    def drop(self, call: Call) -> None:
        handles, self.handles = self.handles, ()
        values, self.values = self.values, []
        for value in values:
            call.handles.remove(value)
        for handle in handles:
            handle.close()


# The same for callers in Python.


class HostIn(UserIn):
    """A Python object in place of memory that the call reads."""

    __slots__ = ("data",)

    data: Any

    def size(self) -> int:
        """Bytes that were passed."""
        return len(self.data) if self.data is not None else 0

    def bind(self, call: Call, data: Any) -> None:
        """Take the argument: bytes, a sequence of numbers or structs, a struct, None for a null pointer, an address."""
        if data is None:
            self.address = 0
            self.data = b""
        elif isinstance(data, int):
            self.address = data
            self.data = None
            self.memory = call.process.aspace
        else:
            self.address = -1
            self.data = data if isinstance(data, bytes) else _encode(data, self.code)

    def read(self, size: int, offset: int = 0) -> bytes:
        if self.data is None:
            return super().read(size, offset)
        if offset + size > len(self.data):
            raise ZxError(Status.INVALID_ARGS)
        data: bytes = self.data[offset : offset + size]
        return data


def _encode(data: Any, code: str) -> bytes:
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, Struct):
        return data.pack()
    items = list(data)
    if not items:
        return b""
    if isinstance(items[0], Struct):
        return b"".join(item.pack() for item in items)
    return struct.pack(f"<{len(items)}{code}", *items)


class HostOut(UserOut):
    """Keeps what the call writes, for the answer."""

    __slots__ = ("data", "value")

    data: bytearray
    value: int

    STRUCT: ClassVar[type[Struct] | None] = None

    def bind(self) -> None:
        self.address = -1
        self.data = bytearray()
        self.value = 0

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        end = offset + len(data)
        if len(self.data) < end:
            self.data.extend(bytes(end - len(self.data)))
        self.data[offset:end] = data

    write_now = write

    def set(self, value: int) -> None:
        self.value = value

    def write_struct(self, value: Struct, offset: int = 0) -> None:
        self.write(value.pack(), offset)


class HostInOut(HostIn, UserInOut):
    """A sequence of structs that the call reads and changes."""

    __slots__ = ()

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        if self.data is None:
            self.memory.write_user(self.address + offset, bytes(data))
            return
        self.data = self.data[:offset] + bytes(data) + self.data[offset + len(data) :]

    @property
    def value(self) -> int:
        """Where it is one number: what it is now."""
        return int.from_bytes(self.data or b"", "little")


class HostHandleOut(HandleOut):
    __slots__ = ()

    def bind(self) -> None:
        self.address = -1
        self.handle = None
        self.value = 0

    def _store(self, value: int) -> None:
        pass  # the answer carries it


class HostHandlesOut(HandlesOut):
    __slots__ = ()

    def bind(self) -> None:
        self.address = -1
        self.handles = ()
        self.values = []

    def _store(self, data: bytes) -> None:
        pass  # the answer carries them
