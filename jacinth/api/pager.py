"""Pagers: who supplies the pages of VMOs when they are touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jacinth.abi import ZX_VMO_DIRTY_RANGE_IS_ZERO, zx_vmo_dirty_range_t
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ObjType, PagerOp, VmoOptions
from jacinth.api.handle import Handle, check, values
from jacinth.api.memory import Vmo

if TYPE_CHECKING:
    from jacinth.api.port import Port

_RANGES: Final = 64  # asked for at once


@dataclass(frozen=True, slots=True)
class DirtyRange:
    """Bytes of a VMO that the pager has not written back. Where they are *zero*, they need not be read."""

    offset: int
    length: int
    zero: bool


class Pager(Handle[C]):
    """Supplies the pages of VMOs that it has made. Offsets and lengths are bytes, and whole pages."""

    OBJ_TYPE = ObjType.PAGER

    __slots__ = ()

    @classmethod
    def create(cls, options: int = 0, *, caller: C | None = None) -> Pager[C]:
        """A pager. Raises ZxInvalidArgs for the options."""
        owner = resolve(caller)
        status, raw = owner.sys.zx_pager_create(options)
        check(status)
        return Pager(owner, raw)

    @member
    def create_vmo(self, port: Port[C], key: int, size: int, options: int = VmoOptions.NONE) -> Vmo[C]:
        """A VMO of *size* bytes; *port* gets a packet with *key* and a `PageRequest` for pages that are missed.

        Rights: ATTACH_VMO; on the port WRITE. Raises ZxInvalidArgs for the options, ZxOutOfRange.
        """
        [raw_port] = values(self._caller, [port])
        status, raw = self._caller.sys.zx_pager_create_vmo(self.raw, options, raw_port, key, size)
        check(status)
        return Vmo(self._caller, raw)

    @member
    def detach_vmo(self, vmo: Vmo[C]) -> None:
        """Supply it no longer. Its port gets COMPLETE.

        Rights: ATTACH_VMO, MANAGE_VMO; on the VMO WRITE. Raises ZxInvalidArgs for another pager's VMO.
        """
        check(self._caller.sys.zx_pager_detach_vmo(self.raw, *values(self._caller, [vmo])))

    @member
    def supply_pages(self, vmo: Vmo[C], offset: int, length: int, aux: Vmo[C], aux_offset: int = 0) -> None:
        """Move pages of *aux* to where *vmo* has none yet.

        Rights: MANAGE_VMO; on the VMO WRITE; on *aux* READ, WRITE. Raises ZxInvalidArgs, ZxOutOfRange,
        ZxBadState for a detached VMO, ZxNotSupported where *aux* is a pager's as well.
        """
        raw, raw_aux = values(self._caller, [vmo, aux])
        check(self._caller.sys.zx_pager_supply_pages(self.raw, raw, offset, length, raw_aux, aux_offset))

    @member
    def op_range(self, op: int, vmo: Vmo[C], offset: int, length: int, data: int = 0) -> None:
        """Do PagerOp *op*; FAIL has a status as its *data*, WRITEBACK_BEGIN may have DIRTY_RANGE_IS_ZERO.

        Rights: MANAGE_VMO; on the VMO WRITE. Raises ZxInvalidArgs, ZxOutOfRange, ZxNotSupported, ZxNotFound,
        ZxBadState.
        """
        [raw] = values(self._caller, [vmo])
        check(self._caller.sys.zx_pager_op_range(self.raw, op, raw, offset, length, data))

    @member
    def fail(self, vmo: Vmo[C], offset: int, length: int, status: int) -> None:
        """Let who waits for pages of the range fail with *status*: `op_range` with PagerOp.FAIL."""
        [raw] = values(self._caller, [vmo])
        check(self._caller.sys.zx_pager_op_range(self.raw, PagerOp.FAIL, raw, offset, length, int(status)))

    @member
    def query_dirty_ranges(self, vmo: Vmo[C], offset: int, length: int) -> list[DirtyRange]:
        """All that is to be written back, in order.

        Rights: MANAGE_VMO; on the VMO READ. Raises ZxInvalidArgs, ZxOutOfRange.
        """
        [raw] = values(self._caller, [vmo])
        size = _RANGES * zx_vmo_dirty_range_t.SIZE
        end = offset + length
        found: list[DirtyRange] = []
        while True:
            status, data, count, available = self._caller.sys.zx_pager_query_dirty_ranges(
                self.raw, raw, offset, end - offset, size
            )
            check(status)
            for place in range(0, count * zx_vmo_dirty_range_t.SIZE, zx_vmo_dirty_range_t.SIZE):
                record = zx_vmo_dirty_range_t.unpack(data, place)
                zero = bool(record.options & ZX_VMO_DIRTY_RANGE_IS_ZERO)
                found.append(DirtyRange(record.offset, record.length, zero))
            if count == available:
                return found
            offset = found[-1].offset + found[-1].length

    @member
    def query_vmo_stats(self, vmo: Vmo[C], *, reset: bool = False) -> bool:
        """Whether the VMO was modified, since it was made or the last time *reset* was said.

        Rights: MANAGE_VMO; on the VMO READ. Raises ZxInvalidArgs for another pager's VMO.
        """
        [raw] = values(self._caller, [vmo])
        status, data = self._caller.sys.zx_pager_query_vmo_stats(self.raw, raw, int(reset), 4)
        check(status)
        return bool(int.from_bytes(data, "little"))
