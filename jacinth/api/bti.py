"""Devices' access to memory: `Iommu`, `Bti` and the tokens of what is pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_BTI_COMPRESS,
    ZX_BTI_CONTIGUOUS,
    ZX_INFO_BTI,
    ZX_IOMMU_TYPE_STUB,
    zx_info_bti_t,
)
from jacinth.api.caller import C, member
from jacinth.api.flags import ObjType
from jacinth.api.handle import Handle, check, values
from jacinth.api.memory import Vmo

if TYPE_CHECKING:
    from jacinth.api.debuglog import Resource

_PAGE = 4096


class Iommu(Handle[C]):
    """What stands between devices and memory. The only one is the stub, which lets every address be itself."""

    OBJ_TYPE = ObjType.IOMMU

    __slots__ = ()

    @classmethod
    def create(
        cls, resource: Resource[C], type_: int = ZX_IOMMU_TYPE_STUB, description: bytes = b"\0"
    ) -> Iommu[C]:
        """An IOMMU. *resource* is the root's or ZX_RSRC_SYSTEM_IOMMU_BASE. Raises ZxNotSupported, ZxInvalidArgs."""
        owner = resource._caller
        status, raw = owner.sys.zx_iommu_create(resource.raw, type_, description)
        check(status)
        return Iommu(owner, raw)

    def create_bti(self, bti_id: int) -> Bti[C]:
        """One who starts transactions as *bti_id*."""
        status, raw = self._caller.sys.zx_bti_create(self.raw, 0, bti_id)
        check(status)
        return Bti(self._caller, raw)


class Bti(Handle[C]):
    """One who starts transactions, and for whom memory is pinned."""

    OBJ_TYPE = ObjType.BTI

    __slots__ = ()

    def pin(self, vmo: Vmo[C], offset: int, size: int, options: int) -> tuple[list[int], Pmt[C]]:
        """Commit whole pages of *vmo* and keep them where they are. Answers their addresses, and what unpins them.

        There is an address for each page; with BtiOptions.CONTIGUOUS one in all. Rights: MAP; on the VMO MAP, and READ and WRITE
        as *options* say. Raises ZxInvalidArgs, ZxOutOfRange, ZxNoMemory, ZxBadState while something is in quarantine.
        """
        count = 1 if options & ZX_BTI_CONTIGUOUS else -(-size // self._stride(options))
        [raw] = values(self._caller, [vmo])
        status, data, pmt = self._caller.sys.zx_bti_pin(self.raw, options, raw, offset, size, count)
        check(status)
        addresses = [int.from_bytes(data[at : at + 8], "little") for at in range(0, 8 * count, 8)]
        return addresses, Pmt(self._caller, pmt)

    def _stride(self, options: int) -> int:
        return int(self.info.minimum_contiguity) if options & ZX_BTI_COMPRESS else _PAGE

    def create_contiguous_vmo(self, size: int, alignment_log2: int = 0) -> Vmo[C]:
        """A `Vmo` whose pages lie one after the other in physical memory. Rights: MAP. Raises ZxInvalidArgs, ZxNoMemory."""
        status, raw = self._caller.sys.zx_vmo_create_contiguous(self.raw, size, alignment_log2)
        check(status)
        return Vmo(self._caller, raw)

    @member
    def release_quarantine(self) -> None:
        """Unpin what was pinned by tokens that were closed without being unpinned. Rights: WRITE."""
        check(self._caller.sys.zx_bti_release_quarantine(self.raw))

    @property
    def info(self) -> zx_info_bti_t:
        """Minimum contiguity, size of the address space, how many tokens there are, how many in quarantine. Rights: INSPECT."""
        return self._info(ZX_INFO_BTI, zx_info_bti_t)


class Pmt(Handle[C]):
    """Memory that is pinned. Closed without `unpin`, it goes into quarantine."""

    OBJ_TYPE = ObjType.PMT

    __slots__ = ()

    def unpin(self) -> None:
        """No device uses the memory any more; the handle is closed."""
        check(self._caller.sys.zx_pmt_unpin(self.take()))
