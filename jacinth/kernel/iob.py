"""I/O buffers: memory in regions between two endpoints, each region with its rules of access.

    IoBufferDispatcher (endpoint 0) --+-- Regions --+-- Region --+-- memory: VmObjectDispatcher, pages and kernel's access
    IoBufferDispatcher (endpoint 1) --+             |            +-- views: one EndpointVmo for each endpoint to map
                                                    +-- ...      +-- discipline: IdAllocator, RingBufferWriter or nothing

Each endpoint maps a view of its own, so that the other one learns when the last mapping is gone. A shared region is an object
of its own, SharedRegionDispatcher, whose memory several I/O buffers have in common. Sizes and offsets are bytes.

Source: zircon/kernel/object/io_buffer_dispatcher.rs, io_buffer_shared_region_dispatcher.rs, zircon/kernel/lib/iob.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from jacinth.abi import (
    ZX_DEFAULT_IOB_RIGHTS,
    ZX_DEFAULT_IOB_SHARED_REGION_RIGHTS,
    ZX_IOB_ACCESS_EP0_CAN_MAP_READ,
    ZX_IOB_ACCESS_EP0_CAN_MAP_WRITE,
    ZX_IOB_ACCESS_EP0_CAN_MEDIATED_READ,
    ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE,
    ZX_IOB_ACCESS_EP1_CAN_MAP_WRITE,
    ZX_IOB_ACCESS_EP1_CAN_MEDIATED_READ,
    ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE,
    ZX_IOB_DISCIPLINE_TYPE_ID_ALLOCATOR,
    ZX_IOB_DISCIPLINE_TYPE_MEDIATED_WRITE_RING_BUFFER,
    ZX_IOB_DISCIPLINE_TYPE_NONE,
    ZX_IOB_PEER_CLOSED,
    ZX_IOB_SHARED_REGION_UPDATED,
    ZX_OBJ_TYPE_IOB,
    ZX_OBJ_TYPE_IOB_SHARED_REGION,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
    zx_info_iob_t,
    zx_iob_region_info_t,
    zx_iob_region_t,
)
from jacinth.kernel.object import PeeredDispatcher, SoloDispatcher
from jacinth.kernel.vm.vmo import PAGE_SIZE, UINT64_MAX, VmObjectDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.vm.vmar import VmMapping

# ZX_IOB_ACCESS_EP1_* are those of endpoint 0, so many bits further up.
_EP1_SHIFT: Final = 4
_EP_MASK: Final = (1 << _EP1_SHIFT) - 1
_MAP_WRITE: Final = ZX_IOB_ACCESS_EP0_CAN_MAP_WRITE | ZX_IOB_ACCESS_EP1_CAN_MAP_WRITE
_MEDIATED_0: Final = ZX_IOB_ACCESS_EP0_CAN_MEDIATED_READ | ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE
_MEDIATED_1: Final = ZX_IOB_ACCESS_EP1_CAN_MEDIATED_READ | ZX_IOB_ACCESS_EP1_CAN_MEDIATED_WRITE

# A message with its header fits 16 bits.
_MESSAGE_HEADER: Final = struct.Struct("<QQ")  # tag, bytes that follow
MAX_MESSAGE: Final = (1 << 16) - 1 - _MESSAGE_HEADER.size

D = TypeVar("D", "IdAllocator", "RingBufferWriter")

_MAX_IDS: Final = (1 << 32) - 8
_PAIR: Final = struct.Struct("<II")
_U64: Final = struct.Struct("<Q")


class IdAllocator:
    """Blobs, each with a number, in *memory*: a header, from there up their index, from the end down the blobs themselves.

    All of it is pinned. The header is the next number and where the last blob begins; an entry of the index, at 8 bytes a number
    behind the header, is the size and the place of a blob, and 0 until it is there.
    """

    def __init__(self, memory: VmObjectDispatcher) -> None:
        self.memory = memory
        memory.pin(0, memory.size)
        self._pinned = memory.size
        self.size = min(memory.size, _MAX_IDS)  # places are 32 bits
        memory.write(0, _PAIR.pack(0, self.size))

    def close(self) -> None:
        self.memory.unpin(0, self._pinned)

    def allocate(self, size: int, read: Callable[[], bytes]) -> int:
        """Store a blob of *size* bytes, which *read* then answers. Answers its number.

        Errors, in order: IO_DATA_INTEGRITY a header that cannot be; NO_MEMORY no room; those of *read*; IO_DATA_INTEGRITY an
        entry that is taken.
        """
        number, head = _PAIR.unpack(self.memory.read(0, _PAIR.size))
        entry = (number + 1) * _PAIR.size
        if head > self.size or entry > head:
            raise ZxError(Status.IO_DATA_INTEGRITY)
        if size + _PAIR.size > head - entry:
            raise ZxError(Status.NO_MEMORY)
        blob = read()
        place = head - size
        self.memory.write(0, _PAIR.pack(number + 1, place))
        self.memory.write(place, blob)
        if self.memory.read(entry, _PAIR.size) != bytes(_PAIR.size):
            raise ZxError(Status.IO_DATA_INTEGRITY)
        self.memory.write(entry, _PAIR.pack(size, place))
        return int(number)


class SharedRegionDispatcher(SoloDispatcher):
    """Memory that several I/O buffers write messages to: two numbers in a page of their own, then a ring of bytes.

    The numbers say how many bytes were ever written and how many of them, user code says so, have been read.
    """

    TYPE = ZX_OBJ_TYPE_IOB_SHARED_REGION
    DEFAULT_RIGHTS = ZX_DEFAULT_IOB_SHARED_REGION_RIGHTS

    __slots__ = ("memory", "references")

    def __init__(self, kernel: Kernel, size: int) -> None:
        """*size* is whole pages. Errors, in order: OUT_OF_RANGE; NO_MEMORY."""
        super().__init__(kernel)
        memory = VmObjectDispatcher.create(kernel, size)
        memory.acquire()
        try:
            memory.pin(0, size)
        except ZxError:
            memory.release()
            raise
        memory.koid = self.koid
        self.memory = memory
        self.references = 0  # I/O buffers

    def acquire(self) -> None:
        self.references += 1

    def release(self) -> None:
        self.references -= 1
        if not self.references and not self.handle_count:
            self._destroy()

    def on_zero_handles(self) -> None:
        if not self.references:
            self._destroy()

    def _destroy(self) -> None:
        self.memory.unpin(0, self.memory.size)
        self.memory.release()

    def write(self, tag: int, size: int, read: Callable[[], bytes]) -> None:
        """Write a message of *size* bytes, which *read* then answers, behind a header with its *tag*.

        Errors, in order: NO_SPACE more than ever has room; IO_DATA_INTEGRITY numbers that cannot be; NO_SPACE; those of *read*.
        """
        room = self.memory.size - PAGE_SIZE
        length = (size + _MESSAGE_HEADER.size + 7) & ~7
        if length > room:
            raise ZxError(Status.NO_SPACE)
        head, tail = _MESSAGE_HEADER.unpack(self.memory.read(0, _MESSAGE_HEADER.size))
        if tail > head or head + length > UINT64_MAX or head % 8:
            raise ZxError(Status.IO_DATA_INTEGRITY)
        if head - tail > room - length:
            raise ZxError(Status.NO_SPACE)
        message = _MESSAGE_HEADER.pack(tag, size) + read()
        place = head % room
        self.memory.write(PAGE_SIZE + place, message[: room - place])
        self.memory.write(PAGE_SIZE, message[room - place :])
        self.memory.write(0, _U64.pack(head + length))
        # It is asserted for a moment only: who waits is told, and nobody has to clear it.
        self.update_signals(0, ZX_IOB_SHARED_REGION_UPDATED)
        self.update_signals(ZX_IOB_SHARED_REGION_UPDATED, 0)


class RingBufferWriter:
    """Messages with a *tag* of their own to a shared region."""

    def __init__(self, shared: SharedRegionDispatcher, tag: int) -> None:
        self.shared = shared
        self.tag = tag

    def write(self, size: int, read: Callable[[], bytes]) -> None:
        self.shared.write(self.tag, size, read)


class EndpointVmo(VmObjectDispatcher):
    """What one endpoint maps of a region: a reference to its memory, which tells the endpoint when it is mapped nowhere."""

    __slots__ = ("endpoint",)

    def __init__(self, memory: VmObjectDispatcher) -> None:
        stream = memory.keep_stream()
        super().__init__(memory.kernel, memory.pages)
        self.endpoint: IoBufferDispatcher | None = None
        self.reference = True
        self.resizable = memory.resizable
        self.stream = stream
        self.koid = memory.koid
        self.acquire()
        memory._add_child(self)

    def remove_mapping(self, mapping: VmMapping) -> None:
        super().remove_mapping(mapping)
        if not self.mappings and self.endpoint is not None:
            self.endpoint.unmapped()


class Region:
    """One region: how each endpoint sees its *memory*, and what writing through the kernel means. *config* is its ZX_INFO_."""

    def __init__(
        self, memory: VmObjectDispatcher, config: zx_iob_region_t, shared: SharedRegionDispatcher | None
    ) -> None:
        """Errors: INVALID_ARGS, in no order that matters: nobody can map it to write, nor does the kernel write to it;
        an unknown discipline, or one that does not go with the access or the type; NO_MEMORY.
        """
        access, discipline = config.access, config.discipline.type
        mediated = access & (_MEDIATED_0 | _MEDIATED_1)
        if not access & _MAP_WRITE and not mediated:
            raise ZxError(Status.INVALID_ARGS)
        self.discipline: IdAllocator | RingBufferWriter | None = None
        if discipline == ZX_IOB_DISCIPLINE_TYPE_NONE:
            if shared is not None or mediated:
                raise ZxError(Status.INVALID_ARGS)
        elif discipline == ZX_IOB_DISCIPLINE_TYPE_ID_ALLOCATOR:
            read_only = (ZX_IOB_ACCESS_EP0_CAN_MEDIATED_READ, ZX_IOB_ACCESS_EP1_CAN_MEDIATED_READ)
            if (
                shared is not None
                or access & _MEDIATED_0 == read_only[0]
                or access & _MEDIATED_1 == read_only[1]
            ):
                raise ZxError(Status.INVALID_ARGS)
            if not memory.size:
                raise ZxError(Status.INVALID_ARGS)
            self.discipline = IdAllocator(memory)
        elif discipline == ZX_IOB_DISCIPLINE_TYPE_MEDIATED_WRITE_RING_BUFFER:
            if shared is None:
                raise ZxError(Status.INVALID_ARGS)
            self.discipline = RingBufferWriter(shared, config.discipline.reserved[0])
        else:
            raise ZxError(Status.INVALID_ARGS)
        self.memory = memory
        self.config = config
        self.shared = shared
        if shared is not None:
            shared.acquire()
        memory.acquire()
        views: list[EndpointVmo] = []
        try:
            views += [EndpointVmo(memory)]
            views += [EndpointVmo(memory)]
        except MemoryError:
            for view in views:
                view.release()
            self.close()
            raise
        self.views = views

    def discard(self) -> None:
        """There will be no endpoints."""
        for view in self.views:
            view.release()
        self.close()

    def close(self) -> None:
        """Both endpoints are gone."""
        if isinstance(self.discipline, IdAllocator):
            self.discipline.close()
        self.memory.release()
        if self.shared is not None:
            self.shared.release()

    def access_of(self, endpoint: int) -> int:
        """What an endpoint may do, as ZX_IOB_ACCESS_EP0_*."""
        return int(self.config.access) >> (_EP1_SHIFT if endpoint else 0) & _EP_MASK

    def map_rights(self, endpoint: int) -> int:
        """What an endpoint can do with a mapping: ZX_RIGHT_*."""
        access = self.access_of(endpoint)
        rights = ZX_RIGHT_READ | ZX_RIGHT_MAP if access & ZX_IOB_ACCESS_EP0_CAN_MAP_READ else 0
        return rights | (ZX_RIGHT_WRITE | ZX_RIGHT_MAP if access & ZX_IOB_ACCESS_EP0_CAN_MAP_WRITE else 0)

    def info(self, endpoint: int) -> zx_iob_region_info_t:
        """ZX_INFO_IOB_REGIONS. Each endpoint is number 0 in its own eyes."""
        region = zx_iob_region_t.unpack(self.config.pack())
        region.access = self.access_of(endpoint) | self.access_of(1 - endpoint) << _EP1_SHIFT
        return zx_iob_region_info_t(region=region, koid=self.memory.koid)


def create_region(kernel: Kernel, config: zx_iob_region_t, shared: SharedRegionDispatcher | None) -> Region:
    """A region as *config* says; of type SHARED where there is a *shared* one.

    Errors: those of VmObjectDispatcher.create; INVALID_ARGS a shared region without room for messages; those of Region.
    """
    if shared is not None:
        if shared.memory.size < 2 * PAGE_SIZE:
            raise ZxError(Status.INVALID_ARGS)
        return Region(shared.memory, config, shared)
    memory = VmObjectDispatcher.create(kernel, config.size, config.private_region.options)
    config.size = memory.size
    memory.acquire()
    try:
        return Region(memory, config, None)
    finally:
        memory.release()


class Regions:
    """What both endpoints have in common, for as long as one of them is there."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = regions
        self._endpoints = 2

    def release(self) -> None:
        self._endpoints -= 1
        if not self._endpoints:
            for region in self.regions:
                region.close()


class IoBufferDispatcher(PeeredDispatcher):
    """Endpoint *number* of an I/O buffer."""

    TYPE = ZX_OBJ_TYPE_IOB
    DEFAULT_RIGHTS = ZX_DEFAULT_IOB_RIGHTS
    PEER_CLOSED_SIGNAL = ZX_IOB_PEER_CLOSED

    __slots__ = ("_other", "_shared", "closed", "number")

    def __init__(self, kernel: Kernel, number: int, shared: Regions) -> None:
        super().__init__(kernel)
        self.number = number
        self._shared = shared
        self._other: IoBufferDispatcher | None = None  # while it is to be told that this one is gone
        self.closed = False
        for region in shared.regions:
            region.views[number].endpoint = self

    @classmethod
    def create_pair(
        cls, kernel: Kernel, regions: Sequence[Region]
    ) -> tuple[IoBufferDispatcher, IoBufferDispatcher]:
        """Both endpoints of an I/O buffer; it owns the *regions* from now on."""
        shared = Regions(regions)
        one, other = cls(kernel, 0, shared), cls(kernel, 1, shared)
        one.join(other)
        one._other, other._other = other, one
        return one, other

    @property
    def regions(self) -> Sequence[Region]:
        return self._shared.regions

    def region(self, index: int) -> Region:
        """OUT_OF_RANGE."""
        if index >= len(self.regions):
            raise ZxError(Status.OUT_OF_RANGE)
        return self.regions[index]

    def view(self, index: int) -> EndpointVmo:
        """What this endpoint maps of a region: OUT_OF_RANGE."""
        return self.region(index).views[self.number]

    def map_rights(self, index: int) -> int:
        """What this endpoint can do with a mapping of a region: ZX_RIGHT_*."""
        return self.region(index).map_rights(self.number)

    # The end. An endpoint counts as gone when it has neither handles nor mappings.

    @property
    def _mapped(self) -> bool:
        return any(region.views[self.number].mappings for region in self.regions)

    def on_closed(self) -> None:
        self.closed = True
        for region in self.regions:
            region.views[self.number].release()
        self._shared.release()

    def on_peer_closed(self) -> None:
        """The other endpoint has no handles any more. It tells by itself when it has no mappings either."""

    def on_zero_handles(self) -> None:
        super().on_zero_handles()
        self.unmapped()

    def unmapped(self) -> None:
        """Perhaps this endpoint is gone: then the other one is told."""
        if self.closed and self._other is not None and not self._mapped:
            other, self._other = self._other, None
            other.update_signals(0, ZX_IOB_PEER_CLOSED)

    # Through the kernel

    def discipline(self, index: int, cls: type[D]) -> D:
        """What this endpoint writes to a region through.

        Errors, in order: OUT_OF_RANGE; WRONG_TYPE another discipline than *cls*; ACCESS_DENIED it may not write so.
        """
        region = self.region(index)
        if not isinstance(region.discipline, cls):
            raise ZxError(Status.WRONG_TYPE)
        if not region.access_of(self.number) & ZX_IOB_ACCESS_EP0_CAN_MEDIATED_WRITE:
            raise ZxError(Status.ACCESS_DENIED)
        return region.discipline

    # Information

    def info(self) -> zx_info_iob_t:
        return zx_info_iob_t(options=0, region_count=len(self.regions))

    def region_infos(self) -> list[zx_iob_region_info_t]:
        return [region.info(self.number) for region in self.regions]

    @property
    def name(self) -> bytes:
        """That of the first region's memory. Private regions get it; a shared one keeps its own."""
        return self.regions[0].views[0].name

    @name.setter
    def name(self, value: bytes) -> None:
        for region in self.regions:
            if region.shared is None:
                for view in region.views:
                    view.name = value
