"""I/O buffers: memory in regions between two endpoints, each region with its rules of access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

from jacinth.abi import (
    ZX_INFO_IOB,
    ZX_INFO_IOB_REGIONS,
    ZX_IOB_REGION_TYPE_PRIVATE,
    ZX_IOB_REGION_TYPE_SHARED,
    zx_info_iob_t,
    zx_iob_discipline_t,
    zx_iob_region_info_t,
    zx_iob_region_private_t,
    zx_iob_region_shared_t,
    zx_iob_region_t,
)
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import IobAccess, IobDiscipline, ObjType, VmoOptions
from jacinth.api.handle import Handle, Peered, check, values


class IobSharedRegion(Handle[C]):
    """Memory that several I/O buffers can have as a region. Signals.IOB_SHARED_REGION_UPDATED rises with each message."""

    OBJ_TYPE = ObjType.IOB_SHARED_REGION

    __slots__ = ()

    @classmethod
    def create(cls, size: int, *, caller: C | None = None) -> IobSharedRegion[C]:
        """One of *size* bytes, whole pages. Raises ZxInvalidArgs, ZxOutOfRange, ZxNoMemory."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_iob_create_shared_region(0, size)
        check(status)
        return IobSharedRegion(owner, raw)


@dataclass(frozen=True, slots=True)
class IobRegion(Generic[C]):
    """How a region is to be: of *size* bytes with VmoOptions *options*, or a *shared* one. *tag* marks its messages."""

    access: IobAccess | int
    size: int = 0
    discipline: IobDiscipline | int = IobDiscipline.NONE
    options: int = VmoOptions.NONE
    shared: IobSharedRegion[C] | None = None
    tag: int = 0


class Iob(Peered[C]):
    """One endpoint of an I/O buffer. Map its regions with `Vmar.map_iob`."""

    OBJ_TYPE = ObjType.IOB

    __slots__ = ()

    @classmethod
    def create(
        cls, regions: Sequence[IobRegion[C]], *, options: int = 0, caller: C | None = None
    ) -> tuple[Iob[C], Iob[C]]:
        """Both endpoints of an I/O buffer. Raises ZxInvalidArgs, ZxOutOfRange, ZxNoMemory as `zx_iob_create` does."""
        owner = resolve(caller)
        configs = []
        for region in regions:
            config = zx_iob_region_t(
                type=ZX_IOB_REGION_TYPE_PRIVATE if region.shared is None else ZX_IOB_REGION_TYPE_SHARED,
                access=region.access,
                size=region.size,
                discipline=zx_iob_discipline_t(
                    type=region.discipline, reserved=(region.tag, 0, 0, 0, 0, 0, 0, 0)
                ),
            )
            if region.shared is None:
                config.private_region = zx_iob_region_private_t(options=region.options)
            else:
                [raw] = values(owner, [region.shared])
                config.shared_region = zx_iob_region_shared_t(options=region.options, shared_region=raw)
            configs.append(config)
        status, one, other = owner.sys.zx_iob_create(options, configs)
        check(status)
        return Iob(owner, one), Iob(owner, other)

    @member
    def allocate_id(self, region: int, blob: bytes) -> int:
        """Store *blob* in a region with the discipline ID_ALLOCATOR. Answers its number.

        Rights: WRITE; access MEDIATED_WRITE. Raises ZxOutOfRange, ZxWrongType, ZxAccessDenied, ZxNoMemory where the region is
        full, ZxIoDataIntegrity.
        """
        status, number = self._caller.sys.zx_iob_allocate_id(self.raw, 0, region, blob)
        check(status)
        return int(number)

    @member
    def writev(self, region: int, buffers: Sequence[bytes | bytearray | memoryview]) -> None:
        """Write a message, the *buffers* one after the other, to a region with the discipline MEDIATED_WRITE_RING_BUFFER.

        Rights: WRITE; access MEDIATED_WRITE. Raises ZxOutOfRange, ZxWrongType, ZxAccessDenied, ZxInvalidArgs for more than 8
        buffers or 65,519 bytes, ZxNoSpace, ZxIoDataIntegrity.
        """
        check(self._caller.sys.zx_iob_writev(self.raw, 0, region, buffers))

    @member
    def write(self, region: int, data: bytes | bytearray | memoryview) -> None:
        """The same, with one buffer."""
        check(self._caller.sys.zx_iob_writev(self.raw, 0, region, [data]))

    @property
    def info(self) -> zx_info_iob_t:
        """How many regions there are. Rights: INSPECT."""
        return self._info(ZX_INFO_IOB, zx_info_iob_t)

    @property
    def regions(self) -> list[zx_iob_region_info_t]:
        """The regions as this endpoint sees them: it is always number 0. Rights: INSPECT."""
        return self._infos(ZX_INFO_IOB_REGIONS, zx_iob_region_info_t)
