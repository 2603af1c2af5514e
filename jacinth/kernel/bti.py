"""Devices' access to memory: an IOMMU, who may start transactions through it, and the memory that is pinned for them.

There are no devices here, so the one IOMMU is the stub, which lets every address be itself: a device address is a page's
place in physical memory. What can be observed is real: pages that are committed and stay where they are until they are unpinned,
and pins that were forgotten, which are kept in quarantine lest a device still writes there.

Source: zircon/kernel/object/{iommu,bus_transaction_initiator,pinned_memory_token}_dispatcher.cc, zircon/kernel/dev/iommu/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_BTI_PERM_EXECUTE,
    ZX_BTI_PERM_READ,
    ZX_BTI_PERM_WRITE,
    ZX_DEFAULT_BTI_RIGHTS,
    ZX_DEFAULT_IOMMU_RIGHTS,
    ZX_DEFAULT_PMT_RIGHTS,
    ZX_IOMMU_TYPE_STUB,
    ZX_OBJ_TYPE_BTI,
    ZX_OBJ_TYPE_IOMMU,
    ZX_OBJ_TYPE_PMT,
    Status,
    ZxError,
    zx_info_bti_t,
    zx_iommu_desc_stub_t,
)
from jacinth.kernel.object import SoloDispatcher
from jacinth.machine.interface import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.vm.vmo import VmObjectDispatcher

PERMISSIONS: Final = ZX_BTI_PERM_READ | ZX_BTI_PERM_WRITE | ZX_BTI_PERM_EXECUTE
# The stub promises nothing beyond a page, and reaches every address.
MINIMUM_CONTIGUITY: Final = PAGE_SIZE
ASPACE_SIZE: Final = (1 << 64) - 1


class IommuDispatcher(SoloDispatcher):
    """The stub IOMMU. Every transaction id is valid."""

    TYPE = ZX_OBJ_TYPE_IOMMU
    DEFAULT_RIGHTS = ZX_DEFAULT_IOMMU_RIGHTS

    __slots__ = ()

    @classmethod
    def create(cls, kernel: Kernel, type_: int, description: bytes) -> IommuDispatcher:
        """Errors, in order: NOT_SUPPORTED a type that this machine has not; INVALID_ARGS size of the description."""
        if type_ != ZX_IOMMU_TYPE_STUB:
            raise ZxError(Status.NOT_SUPPORTED)
        if len(description) != zx_iommu_desc_stub_t.SIZE:
            raise ZxError(Status.INVALID_ARGS)
        return cls(kernel)


class BusTransactionInitiatorDispatcher(SoloDispatcher):
    """Who starts transactions as *bti_id*, and may have memory pinned."""

    TYPE = ZX_OBJ_TYPE_BTI
    DEFAULT_RIGHTS = ZX_DEFAULT_BTI_RIGHTS

    __slots__ = ("_closed", "_name", "bti_id", "pinned", "quarantine")

    def __init__(self, kernel: Kernel, bti_id: int) -> None:
        super().__init__(kernel)
        self._name = b""
        self._closed = False  # without handles: nobody could ever release the quarantine
        self.bti_id = bti_id
        self.pinned: dict[PinnedMemoryTokenDispatcher, None] = {}  # quarantined ones too
        self.quarantine: list[PinnedMemoryTokenDispatcher] = []

    @property
    def name(self) -> bytes:
        return self._name

    @name.setter
    def name(self, value: bytes) -> None:
        self._name = value

    def pin(
        self, vmo: VmObjectDispatcher, offset: int, size: int, permissions: int
    ) -> PinnedMemoryTokenDispatcher:
        """Commit whole pages of *vmo*, and keep them where they are: its caller unpins them if all else fails.

        Errors, in order: INVALID_ARGS nothing to pin; OUT_OF_RANGE; NO_MEMORY; BAD_STATE something is in quarantine;
        INVALID_ARGS no permission.
        """
        if not size:
            raise ZxError(Status.INVALID_ARGS)
        frames = vmo.pin(offset, size, write=bool(permissions & ZX_BTI_PERM_WRITE))
        try:
            if self.quarantine:
                raise ZxError(Status.BAD_STATE)
            if not permissions:
                raise ZxError(Status.INVALID_ARGS)
        except ZxError:
            vmo.unpin(offset, size)
            raise
        return PinnedMemoryTokenDispatcher(self, vmo, offset, size, frames)

    def put_in_quarantine(self, token: PinnedMemoryTokenDispatcher) -> None:
        """*token* was closed without being unpinned."""
        if self._closed:
            token.unpin()
        else:
            self.quarantine.append(token)

    def on_zero_handles(self) -> None:
        """The real kernel leaks what is in quarantine then, lest a device writes there. Here there is none."""
        self._closed = True
        self.release_quarantine()

    def release_quarantine(self) -> None:
        """Whoever asks knows that no device uses the memory any more."""
        tokens, self.quarantine = self.quarantine, []
        for token in tokens:
            token.unpin()

    def info(self) -> zx_info_bti_t:
        return zx_info_bti_t(
            minimum_contiguity=MINIMUM_CONTIGUITY,
            aspace_size=ASPACE_SIZE,
            pmo_count=len(self.pinned),
            quarantine_count=len(self.quarantine),
        )


class PinnedMemoryTokenDispatcher(SoloDispatcher):
    """A range of a VMO that is pinned. Without its last handle it goes into the quarantine of its BTI."""

    TYPE = ZX_OBJ_TYPE_PMT
    DEFAULT_RIGHTS = ZX_DEFAULT_PMT_RIGHTS

    __slots__ = ("_bti", "_offset", "_size", "_unpinned", "_vmo", "frames")

    def __init__(
        self,
        bti: BusTransactionInitiatorDispatcher,
        vmo: VmObjectDispatcher,
        offset: int,
        size: int,
        frames: list[int],
    ) -> None:
        super().__init__(bti.kernel)
        self._bti = bti
        self._vmo = vmo
        self._offset = offset
        self._size = size
        self._unpinned = False
        self.frames = frames
        bti.pinned[self] = None

    def addresses(self, stride: int) -> list[int]:
        """The device's address of every *stride*-th byte, a multiple of a page."""
        return [frame * PAGE_SIZE for frame in self.frames[:: stride // PAGE_SIZE]]

    def unpin(self) -> None:
        """No device uses the memory any more."""
        if not self._unpinned:
            self._unpinned = True
            self._vmo.unpin(self._offset, self._size)
            del self._bti.pinned[self]

    def on_zero_handles(self) -> None:
        if not self._unpinned:
            self._bti.put_in_quarantine(self)
