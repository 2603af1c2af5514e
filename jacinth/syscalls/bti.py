"""`zx_iommu_create`, `zx_bti_*` and `zx_pmt_unpin`. Source: docs/reference/syscalls/bti_*.md; order from lib/syscalls/ddk.cc."""

from __future__ import annotations

from typing import Final

from jacinth.abi import (
    ZX_BTI_COMPRESS,
    ZX_BTI_CONTIGUOUS,
    ZX_BTI_PERM_EXECUTE,
    ZX_BTI_PERM_READ,
    ZX_BTI_PERM_WRITE,
    ZX_IOMMU_MAX_DESC_LEN,
    ZX_RIGHT_MAP,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_IOMMU_BASE,
    Status,
    ZxError,
)
from jacinth.kernel.bti import (
    MINIMUM_CONTIGUITY,
    PERMISSIONS,
    BusTransactionInitiatorDispatcher,
    IommuDispatcher,
    PinnedMemoryTokenDispatcher,
)
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.machine.interface import PAGE_SIZE
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

# Addresses that zx_bti_pin tells of: 64 pages full.
_MAX_ADDRESSES: Final = 64 * PAGE_SIZE // 8

# What a device may do needs a right to the VMO. Execution is the device's own, and so needs READ.
_NEEDS: Final = {
    ZX_BTI_PERM_READ: ZX_RIGHT_READ,
    ZX_BTI_PERM_WRITE: ZX_RIGHT_WRITE,
    ZX_BTI_PERM_EXECUTE: ZX_RIGHT_READ,
}


@syscall
def zx_iommu_create(
    call: Call, resource: int, type: int, desc: UserIn, desc_size: int, out: HandleOut
) -> None:
    """Make an IOMMU of a ZX_IOMMU_TYPE_*; this machine has ZX_IOMMU_TYPE_STUB, whose description is one byte.

    Errors, in order: BAD_HANDLE, WRONG_TYPE resource, which must be ZX_RSRC_SYSTEM_IOMMU_BASE; INVALID_ARGS a description that
    is too long, or not readable; NOT_SUPPORTED type; INVALID_ARGS size of the description.
    """
    call.dispatcher(resource, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_IOMMU_BASE)
    if desc_size > ZX_IOMMU_MAX_DESC_LEN:
        raise ZxError(Status.INVALID_ARGS)
    out.make(IommuDispatcher.create(call.kernel, type, desc.read(desc_size)))


@syscall
def zx_bti_create(call: Call, iommu: int, options: int, bti_id: int, out: HandleOut) -> None:
    """Make one who starts transactions as *bti_id*; with the stub IOMMU every id will do.

    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE iommu.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(iommu, IommuDispatcher, 0)
    out.make(BusTransactionInitiatorDispatcher(call.kernel, bti_id))


@syscall
def zx_bti_pin(
    call: Call,
    handle: int,
    options: int,
    vmo: int,
    offset: int,
    size: int,
    addrs: UserOut,
    num_addrs: int,
    pmt: HandleOut,
) -> None:
    """Commit pages of a VMO, keep them where they are, and say at which addresses a device finds them.

    There is one address for each page; with ZX_BTI_COMPRESS for each block of the minimum contiguity; with ZX_BTI_CONTIGUOUS
    one, which only contiguous VMOs can have.
    Rights: MAP on handle and vmo; on vmo also READ for ZX_BTI_PERM_READ and EXECUTE, WRITE for ZX_BTI_PERM_WRITE.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS not whole pages, or more addresses than fill 64
    pages; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED vmo; ACCESS_DENIED a permission that the handle has not; INVALID_ARGS options, or
    nothing to pin; OUT_OF_RANGE; NO_MEMORY; BAD_STATE something is in quarantine; INVALID_ARGS no permission, or another number
    of addresses.
    """
    bti = call.dispatcher(handle, BusTransactionInitiatorDispatcher, ZX_RIGHT_MAP)
    if (offset | size) % PAGE_SIZE or num_addrs > _MAX_ADDRESSES:
        raise ZxError(Status.INVALID_ARGS)
    memory = call.dispatcher(vmo, VmObjectDispatcher, ZX_RIGHT_MAP)
    rights = call.handle(vmo).rights
    for permission, right in _NEEDS.items():
        if options & permission and not rights & right:
            raise ZxError(Status.ACCESS_DENIED)
    how = options & ~PERMISSIONS
    if how not in (0, ZX_BTI_COMPRESS, ZX_BTI_CONTIGUOUS):
        raise ZxError(Status.INVALID_ARGS)
    if how == ZX_BTI_CONTIGUOUS and not memory.pages.contiguous:
        raise ZxError(Status.INVALID_ARGS)
    token = bti.pin(memory, offset, size, options & PERMISSIONS)
    stride = {0: PAGE_SIZE, ZX_BTI_COMPRESS: MINIMUM_CONTIGUITY, ZX_BTI_CONTIGUOUS: size}[how]
    try:
        addresses = token.addresses(stride)
        if num_addrs != len(addresses):
            raise ZxError(Status.INVALID_ARGS)
        addrs.write(b"".join(address.to_bytes(8, "little") for address in addresses))
        pmt.probe()
    except ZxError:
        token.unpin()  # nobody could, later
        raise
    pmt.make(token)


@syscall
def zx_bti_release_quarantine(call: Call, handle: int) -> None:
    """Unpin what was pinned by tokens that were closed without being unpinned.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED.
    """
    call.dispatcher(handle, BusTransactionInitiatorDispatcher, ZX_RIGHT_WRITE).release_quarantine()


@syscall
def zx_pmt_unpin(call: Call, handle: int) -> None:
    """Unpin, and close the handle whatever the answer.

    Errors, in order: BAD_HANDLE, WRONG_TYPE.
    """
    owned = call.handles.transfer(handle)
    try:
        if not isinstance(owned.object, PinnedMemoryTokenDispatcher):
            raise ZxError(Status.WRONG_TYPE)
        owned.object.unpin()
    finally:
        owned.close()
