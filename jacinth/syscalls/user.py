"""Pointers that a call was given: the only way to the caller's memory.

A guest's pointer is an address in its aspace. The host and Python bodies pass Python objects instead (`bytes`, sequences,
structs), or, where they mean memory of their own process, an address as `int`. Both answer the same methods.

Errors: INVALID_ARGS for memory that cannot be read or written whole; what is said to be as a fault is answered as a page fault
there would be: NOT_FOUND, ACCESS_DENIED, OUT_OF_RANGE.

Memory may be a pager's, and absent. To read it raises `PageNeeded`: the door waits, and makes the call again from its beginning.
To write it, since by then the call has acted, is put off until the call is over: see `LateWrite`.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    Status,
    Struct,
    ZxError,
    zx_iovec_t,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.machine.interface import READ, WRITE

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.object import Dispatcher
    from jacinth.syscalls.door import Call

S = TypeVar("S", bound=Struct)

# The most elements of an array of zx_iovec_t. Today's kernel reads on until the memory ends; this one does not let a guest keep
# it busy with that.
MAX_IOVECS: Final = 1 << 16

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

    def why_not(self, address: int, size: int, access: int) -> Status: ...


class LateWrite:
    """A write of a call that waits for its page until the call is over. Where it cannot be made, the caller shall not have
    *handles*, and *undo* takes back what else the call has done.
    """

    __slots__ = ("_address", "_data", "_memory", "handles", "undo")

    def __init__(self, memory: UserMemory, address: int, data: bytes) -> None:
        self._memory = memory
        self._address = address
        self._data = data
        self.handles: Sequence[int] = ()  # new ones that it tells of, beside those of the call's own outputs
        self.undo: Callable[[], None] | None = None

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

    def _read_as_fault(self, address: int, size: int) -> bytes:
        """Errors: as a page fault's; PageNeeded."""
        try:
            return self.memory.read_user(address, size)
        except ZxError:
            raise ZxError(self.memory.why_not(address, size, READ)) from None

    def _write_as_fault(self, address: int, data: bytes) -> None:
        """Write now. Errors: as a page fault's, NO_MEMORY; PageNeeded."""
        try:
            self.memory.write_user(address, data)
        except ZxError as error:
            if error.status == Status.NO_MEMORY:
                raise
            raise ZxError(self.memory.why_not(address, len(data), WRITE)) from None

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

    def why_not(self, address: int, size: int, access: int) -> Status:
        return Status.INVALID_ARGS

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

    def read_as_fault(self, size: int, offset: int = 0) -> bytes:
        """The same. Errors: as a page fault's."""
        return self._read_as_fault(self.address + offset, size) if size else b""

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

    def write_as_fault(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """The same. Errors: as a page fault's, NO_MEMORY."""
        if data:
            self._write_as_fault(self.address + offset, bytes(data))

    def keep(self) -> bytearray | None:
        """What was written, for the call that is made again, unless it lies in memory."""
        return None

    def go_on(self, kept: bytearray | None) -> None:
        """Go on behind what was *kept* when the call was made before."""

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


class UserVector(_Pointer):
    """An array of zx_iovec_t: buffers that are used, as a fault, as if they lay one behind the other."""

    __slots__ = ("_buffers", "_starts", "capacity")

    _buffers: list[tuple[int, int]]  # (address, bytes), without empty ones
    _starts: list[int]  # where each of them begins, in bytes
    capacity: int

    def load(self, count: int) -> None:
        """Read the array: INVALID_ARGS where it cannot be read, has more than MAX_IOVECS elements, or the sum of their
        capacities, `capacity` then, does not fit 64 bits.
        """
        if count > MAX_IOVECS:
            raise ZxError(Status.INVALID_ARGS)
        data = self.memory.read_user(self.address, count * zx_iovec_t.SIZE) if count else b""
        self._take(list(struct.iter_unpack("<QQ", data)))

    def _take(self, buffers: list[tuple[int, int]]) -> None:
        self._buffers = [buffer for buffer in buffers if buffer[1]]
        self._starts = []
        self.capacity = 0
        for _, size in self._buffers:
            self._starts.append(self.capacity)
            self.capacity += size
        if self.capacity >= 1 << 64:
            raise ZxError(Status.INVALID_ARGS)

    def buffer_left(self, offset: int) -> int:
        """How many bytes of the buffer that *offset* lies in are left, from there on."""
        index = bisect_right(self._starts, offset) - 1
        return self._starts[index] + self._buffers[index][1] - offset

    def _pieces(self, offset: int, size: int) -> Iterator[tuple[int, int, int]]:
        """The parts of buffers that a range of them all consists of: (index of the buffer, offset in it, bytes)."""
        index = bisect_right(self._starts, offset) - 1
        while size > 0:
            inside = offset - self._starts[index]
            count = min(self._buffers[index][1] - inside, size)
            yield index, inside, count
            index += 1
            offset += count
            size -= count

    def read(self, offset: int, size: int) -> bytes:
        """*size* bytes from *offset* on, both within the capacity. Errors: as a page fault's; PageNeeded."""
        pieces = self._pieces(offset, size)
        return b"".join(
            self._read_as_fault(self._buffers[i][0] + inside, count) for i, inside, count in pieces
        )

    def write(self, offset: int, data: bytes) -> None:
        """Write *data* at *offset*, within the capacity. Errors: as a page fault's, NO_MEMORY; PageNeeded."""
        done = 0
        for index, inside, count in self._pieces(offset, len(data)):
            self._write_as_fault(self._buffers[index][0] + inside, data[done : done + count])
            done += count


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
        try:
            self.handle = Handle(dispatcher, dispatcher.DEFAULT_RIGHTS if rights is None else rights)
        except MemoryError:
            if not dispatcher.handle_count:
                dispatcher.on_zero_handles()  # nobody will ever have one
            raise

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
        """The call has failed: the handle goes. Where its value could not be stored, that may be an exception as well."""
        handle, self.handle = self.handle, None
        if handle is not None:
            if self.value:
                call.handles.remove(self.value)
                call.kernel.handle_leak()
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
            self.values = values = call.handles.add_all(self.handles)
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

    def read_as_fault(self, size: int, offset: int = 0) -> bytes:
        return super().read_as_fault(size, offset) if self.data is None else self.read(size, offset)


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
    write_as_fault = write

    def keep(self) -> bytearray | None:
        return self.data

    def go_on(self, kept: bytearray | None) -> None:
        self.data = kept or bytearray()

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


class HostVector(UserVector):
    """A sequence of Python buffers, `bytearray`s or the like where they are to be written to; or of zx_iovec_t with addresses,
    or the address of such an array.
    """

    __slots__ = ("_items",)

    _items: list[Any]

    def size(self) -> int:
        return len(self._items)

    def bind(self, call: Call, data: Any) -> None:
        self.address = 0 if data is None else -1
        self.memory = call.process.aspace
        self._items = [] if data is None else list(data)

    def load(self, count: int) -> None:
        structs = bool(self._items) and isinstance(self._items[0], Struct)
        if structs:
            self._take([(item.buffer, item.capacity) for item in self._items])
            self._items = []
        else:
            self._items = [item for item in self._items if len(item)]
            self._take([(0, len(item)) for item in self._items])

    def read(self, offset: int, size: int) -> bytes:
        if not self._items:
            return super().read(offset, size)
        parts = (self._items[index][at : at + count] for index, at, count in self._pieces(offset, size))
        return b"".join(map(bytes, parts))

    def write(self, offset: int, data: bytes) -> None:
        if not self._items:
            super().write(offset, data)
            return
        done = 0
        for index, inside, count in self._pieces(offset, len(data)):
            self._items[index][inside : inside + count] = data[done : done + count]
            done += count


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
