"""`zx_iob_*`. Source: zircon/vdso/iob.fidl; order from zircon/kernel/lib/syscalls/iob.rs. zx_vmar_map_iob is in vmar.py."""

from __future__ import annotations

from jacinth.abi import (
    ZX_IOB_MAX_REGIONS,
    ZX_IOB_REGION_TYPE_PRIVATE,
    ZX_IOB_REGION_TYPE_SHARED,
    ZX_POL_NEW_IOB,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
    zx_iob_region_t,
)
from jacinth.kernel.iob import (
    MAX_MESSAGE,
    IdAllocator,
    IoBufferDispatcher,
    Region,
    RingBufferWriter,
    SharedRegionDispatcher,
    create_region,
)
from jacinth.kernel.vm.vmo import PAGE_MASK
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, UserVector, syscall

_MAX_VECTORS = 8


@syscall
def zx_iob_create(
    call: Call, options: int, regions: UserIn, num_regions: int, ep0_out: HandleOut, ep1_out: HandleOut
) -> None:
    """Make an I/O buffer with the regions that *regions* describe; each endpoint gets a handle.

    Errors, in order: INVALID_ARGS options; ACCESS_DENIED policy; OUT_OF_RANGE more than 64 regions; INVALID_ARGS regions, or
    none; then for each region: INVALID_ARGS type; of a shared one INVALID_ARGS options or size, BAD_HANDLE, WRONG_TYPE its
    handle; those of create_region.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_IOB)
    if num_regions > ZX_IOB_MAX_REGIONS:
        raise ZxError(Status.OUT_OF_RANGE)
    configs = regions.read_structs(zx_iob_region_t, num_regions)
    if not configs:
        raise ZxError(Status.INVALID_ARGS)
    made: list[Region] = []
    try:
        for config in configs:
            made.append(create_region(call.kernel, config, _shared_region(call, config)))
        one, other = IoBufferDispatcher.create_pair(call.kernel, made)
    except (ZxError, MemoryError):
        for region in made:
            region.discard()
        raise
    try:
        ep0_out.make(one)
    except MemoryError:
        other.on_zero_handles()  # nobody will ever have one to it either
        raise
    ep1_out.make(other)


def _shared_region(call: Call, config: zx_iob_region_t) -> SharedRegionDispatcher | None:
    if config.type == ZX_IOB_REGION_TYPE_PRIVATE:
        return None
    if config.type != ZX_IOB_REGION_TYPE_SHARED or config.shared_region.options or config.size:
        raise ZxError(Status.INVALID_ARGS)
    return call.dispatcher(config.shared_region.shared_region, SharedRegionDispatcher, 0)


@syscall
def zx_iob_allocate_id(
    call: Call, handle: int, options: int, region_index: int, blob: UserIn, blob_size: int, id: UserOut
) -> None:
    """Store a blob in a region with the discipline ID_ALLOCATOR; *id* gets its number.

    Rights: WRITE on handle; the endpoint's access to the region must have MEDIATED_WRITE.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of IoBufferDispatcher.discipline;
    those of IdAllocator.allocate, with INVALID_ARGS blob; INVALID_ARGS id.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    iob = call.dispatcher(handle, IoBufferDispatcher, ZX_RIGHT_WRITE)
    allocator = iob.discipline(region_index, IdAllocator)
    id.set(allocator.allocate(blob_size, lambda: blob.read(blob_size)))


@syscall
def zx_iob_writev(
    call: Call, handle: int, options: int, region_index: int, vectors: UserVector, num_vectors: int
) -> None:
    """Write a message to a region with the discipline MEDIATED_WRITE_RING_BUFFER.

    Rights: WRITE on handle; the endpoint's access to the region must have MEDIATED_WRITE.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; those of IoBufferDispatcher.discipline;
    INVALID_ARGS vectors, more than 8 of them or more than 65,519 bytes; those of SharedRegionDispatcher.write, with those of
    UserVector.read.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    iob = call.dispatcher(handle, IoBufferDispatcher, ZX_RIGHT_WRITE)
    ring_buffer = iob.discipline(region_index, RingBufferWriter)
    if num_vectors > _MAX_VECTORS:
        raise ZxError(Status.INVALID_ARGS)
    vectors.load(num_vectors)
    if vectors.capacity > MAX_MESSAGE:
        raise ZxError(Status.INVALID_ARGS)
    ring_buffer.write(vectors.capacity, lambda: vectors.read(0, vectors.capacity))


@syscall
def zx_iob_create_shared_region(call: Call, options: int, size: int, out: HandleOut) -> None:
    """Make a region of *size* bytes, whole pages, that several I/O buffers can have.

    Errors, in order: INVALID_ARGS options, size; ACCESS_DENIED policy; OUT_OF_RANGE, NO_MEMORY size.
    """
    if options != 0 or size & PAGE_MASK or not size:
        raise ZxError(Status.INVALID_ARGS)
    call.check_policy(ZX_POL_NEW_IOB)
    out.make(SharedRegionDispatcher(call.kernel, size))
