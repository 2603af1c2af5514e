"""Memory: VMOs and VMARs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_HANDLE_INVALID,
    ZX_INFO_VMAR,
    ZX_INFO_VMAR_MAPS,
    ZX_INFO_VMO,
    ZX_RIGHT_READ,
    Status,
    ZxError,
    zx_info_maps_t,
    zx_info_vmar_t,
    zx_info_vmo_t,
    zx_vmo_lock_state_t,
)
from jacinth.api.caller import C, member, resolve
from jacinth.api.flags import ObjType, VmarFlags, VmarOp, VmoOp, VmoOptions
from jacinth.api.handle import Handle, check, values
from jacinth.api.status import ZxOutOfRange, ZxStatus
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmo import VmObjectDispatcher

if TYPE_CHECKING:
    from jacinth.api.clock import Clock
    from jacinth.api.debuglog import Resource
    from jacinth.api.iob import Iob
    from jacinth.userboot.elf import ElfImage, ElfSegment

_WRITABLE: Final = 1  # inspect.BufferFlags.WRITABLE, which Python 3.11 does not have


class Vmo(Handle[C]):
    """A memory object: pages that can be read, written, mapped and cloned. Offsets and sizes are in bytes."""

    OBJ_TYPE = ObjType.VMO

    __slots__ = ()

    @classmethod
    def create(cls, size: int, options: int = VmoOptions.NONE, *, caller: C | None = None) -> Vmo[C]:
        """A VMO of *size* bytes, rounded up to whole pages.

        Raises ZxInvalidArgs for the options, ZxOutOfRange.
        """
        owner = resolve(caller)
        status, raw = owner.sys.zx_vmo_create(size, options)
        check(status)
        return Vmo(owner, raw)

    @member
    def read(self, offset: int, length: int) -> bytes:
        """Bytes from *offset* on.

        Rights: READ. Raises ZxOutOfRange beyond the end, ZxBadState where it is not cached.
        """
        status, data = self._caller.sys.zx_vmo_read(self.raw, offset, length)
        check(status)
        return bytes(data)

    @member
    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Store *data* at *offset*.

        Rights: WRITE. Raises ZxOutOfRange, ZxBadState where it is not cached, ZxNoMemory.
        """
        check(self._caller.sys.zx_vmo_write(self.raw, data, offset))

    @member
    def view(self) -> memoryview:
        """All its pages as they are, without a copy: what a program writes shows in the view at once.

        It is read-only. While there is one, pages keep their memory: decommitting, shrinking, moving pages and snapshots
        raise ZxBadState. From Python 3.12 on, `memoryview(vmo)` is the same. Rights: READ. Raises ZxBadState where a page
        is not committed, ZxNoMemory. Pages that a pager is to supply are waited for, and its errors raised.
        """
        return self._view()

    def _view(self) -> memoryview:
        """PageNeeded in a body."""
        sys = self._caller.sys
        while True:
            try:
                return sys.call.dispatcher(self.raw, VmObjectDispatcher, ZX_RIGHT_READ).window()
            except ZxError as error:
                check(error.status)
                raise
            except PageNeeded as need:
                status = sys.answer_need(need)
                if status is not None:
                    check(status)

    def __buffer__(self, flags: int) -> memoryview:
        """`memoryview(vmo)` and its like: see `view`. Raises BufferError for a buffer that is to be written to."""
        if flags & _WRITABLE:
            raise BufferError("a view of a VMO is read-only")
        try:
            return self._view()
        except PageNeeded:  # nobody can wait here
            check(Status.BAD_STATE)
            raise

    @property
    def size(self) -> int:
        """Its size, in whole pages. `set_size` changes it."""
        status, size = self._caller.sys.zx_vmo_get_size(self.raw)
        check(status)
        return int(size)

    @member
    def set_size(self, size: int) -> None:
        """Grow or shrink it.

        Rights: WRITE, RESIZE. Raises ZxUnavailable where it is not resizable, ZxOutOfRange, ZxBadState.
        """
        check(self._caller.sys.zx_vmo_set_size(self.raw, size))

    @property
    def stream_size(self) -> int:
        """How many of its bytes are content. `set_stream_size` changes it."""
        status, size = self._caller.sys.zx_vmo_get_stream_size(self.raw)
        check(status)
        return int(size)

    @member
    def set_stream_size(self, size: int) -> None:
        """Say how many bytes are content; those behind become zero. Rights: WRITE. Raises ZxOutOfRange."""
        check(self._caller.sys.zx_vmo_set_stream_size(self.raw, size))

    @member
    def create_child(self, options: int, offset: int, size: int) -> Vmo[C]:
        """A snapshot, slice or reference, by VmoChildOptions.

        Rights: DUPLICATE, READ. Raises ZxInvalidArgs, ZxOutOfRange, ZxNotSupported as `zx_vmo_create_child`
        does.
        """
        status, raw = self._caller.sys.zx_vmo_create_child(self.raw, options, offset, size)
        check(status)
        return Vmo(self._caller, raw)

    @member
    def op_range(self, op: int, offset: int, size: int) -> zx_vmo_lock_state_t | None:
        """Do VmoOp *op* to a range. LOCK answers what is locked and what was discarded.

        Rights: WRITE, READ or either, as the operation needs. Raises ZxInvalidArgs, ZxOutOfRange,
        ZxNotSupported, ZxUnavailable.
        """
        lock = op == VmoOp.LOCK
        buffer = bytes(zx_vmo_lock_state_t.SIZE) if lock else None
        status, data = self._caller.sys.zx_vmo_op_range(self.raw, op, offset, size, buffer)
        check(status)
        return zx_vmo_lock_state_t.unpack(data) if lock else None

    @member
    def transfer_data(self, offset: int, length: int, source: Vmo[C], source_offset: int) -> None:
        """Move whole pages of *source* here; where they were is zero then.

        Rights: WRITE; on the source READ and WRITE. Raises ZxInvalidArgs, ZxOutOfRange, ZxNoMemory.
        """
        [raw] = values(self._caller, [source])
        check(self._caller.sys.zx_vmo_transfer_data(self.raw, 0, offset, length, raw, source_offset))

    @member
    def set_cache_policy(self, policy: int) -> None:
        """Say how mappings are cached. Rights: MAP. Raises ZxInvalidArgs, ZxBadState where it is in use."""
        check(self._caller.sys.zx_vmo_set_cache_policy(self.raw, policy))

    @member
    def replace_as_executable(self, vmex: Resource[C] | None = None) -> Vmo[C]:
        """A handle that can also be mapped executable in place of this one, which is closed whatever happens.

        Needs *vmex*, or the policy AMBIENT_MARK_VMO_EXEC.
        """
        resource = ZX_HANDLE_INVALID if vmex is None else values(self._caller, [vmex])[0]
        status, raw = self._caller.sys.zx_vmo_replace_as_executable(self.take(), resource)
        check(status)
        return Vmo(self._caller, raw)

    @property
    def info(self) -> zx_info_vmo_t:
        """Sizes, flags, children, mappings, pages."""
        return self._info(ZX_INFO_VMO, zx_info_vmo_t)


class Vmar(Handle[C]):
    """A region of an address space."""

    OBJ_TYPE = ObjType.VMAR

    __slots__ = ()

    @member
    def allocate(self, offset: int, size: int, flags: int) -> tuple[Vmar[C], int]:
        """A region of *size* bytes inside, and its address; *offset* counts with VmarFlags.SPECIFIC.

        Rights: READ, WRITE, EXECUTE for CAN_MAP_ of that name. Raises ZxInvalidArgs, ZxAccessDenied,
        ZxAlreadyExists, ZxNoResources, ZxBadState in a destroyed region.
        """
        status, raw, address = self._caller.sys.zx_vmar_allocate(self.raw, flags, offset, size)
        check(status)
        return Vmar(self._caller, raw), address

    @member
    def map(
        self,
        vmar_offset: int,
        vmo: Vmo[C],
        vmo_offset: int,
        length: int,
        flags: int = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE,
    ) -> int:
        """Map a range of *vmo*. Answers the address; *vmar_offset* counts with VmarFlags.SPECIFIC.

        Rights: MAP on the VMO; READ, WRITE, EXECUTE on both for PERM_ of that name. Raises as `allocate`, and
        ZxOutOfRange, ZxNotSupported.
        """
        [raw] = values(self._caller, [vmo])
        status, address = self._caller.sys.zx_vmar_map(self.raw, flags, vmar_offset, raw, vmo_offset, length)
        check(status)
        return int(address)

    @member
    def map_elf(self, image: ElfImage, bias: int = 0) -> int:
        """Map all segments of *image*, each from a VMO of its own that only the mapping keeps. Answers the address of the entry.

        *bias*, whole pages, is where the addresses of a position-independent image count from; others need none. Rights: INSPECT,
        and READ, WRITE, EXECUTE as segments have them. Raises ZxOutOfRange for addresses below the region, ZxAccessDenied where
        policy wants a resource for executable memory, and as `map`. Then nothing has been mapped.
        """
        base = self.info.base
        mapped: list[tuple[int, int]] = []
        try:
            for segment in image.segments:
                address, size = bias + segment.start, segment.end - segment.start
                if address < base:
                    raise ZxOutOfRange
                content = bytes(segment.vaddr - segment.start)
                content += image.data[segment.offset : segment.offset + segment.filesz]
                self._map_segment(address - base, size, content, segment)
                mapped.append((address, size))
        except ZxStatus:
            for address, size in mapped:
                self._caller.sys.zx_vmar_unmap(self.raw, address, size)
            raise
        return bias + image.entry

    def _map_segment(self, vmar_offset: int, size: int, content: bytes, access: ElfSegment) -> None:
        sys = self._caller.sys
        # On x86-64 what can be written or executed can be read.
        flags = VmarFlags.SPECIFIC | VmarFlags.PERM_READ
        with Vmo.create(size, caller=self._caller) as vmo:
            check(sys.zx_vmo_write(vmo.raw, content, 0))
            if access.write:
                flags |= VmarFlags.PERM_WRITE
            if access.execute:
                flags |= VmarFlags.PERM_EXECUTE
                status, vmo._raw = sys.zx_vmo_replace_as_executable(vmo.raw, ZX_HANDLE_INVALID)
                check(status)
            check(sys.zx_vmar_map(self.raw, flags, vmar_offset, vmo.raw, 0, size)[0])

    @member
    def map_iob(
        self,
        vmar_offset: int,
        iob: Iob[C],
        region: int,
        region_offset: int,
        length: int,
        flags: int = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE,
    ) -> int:
        """Map a range of a region of an I/O buffer, as `map` does.

        Rights: those of `map`, and the region's access must allow this endpoint to map it so. Raises as `map`, and ZxOutOfRange
        for the region.
        """
        [raw] = values(self._caller, [iob])
        status, address = self._caller.sys.zx_vmar_map_iob(
            self.raw, flags, vmar_offset, raw, region, region_offset, length
        )
        check(status)
        return int(address)

    @member
    def map_clock(self, vmar_offset: int, clock: Clock[C], flags: int = VmarFlags.PERM_READ) -> int:
        """Map a mappable clock, to read it without its handle. Answers the address.

        Rights: READ, MAP on the clock; READ. Raises as `map`, and ZxInvalidArgs where the clock is not mappable.
        """
        [raw] = values(self._caller, [clock])
        status, address = self._caller.sys.zx_vmar_map_clock(
            self.raw, flags, vmar_offset, raw, clock.mapped_size
        )
        check(status)
        return int(address)

    @member
    def unmap(self, address: int, length: int) -> None:
        """Unmap a range, and destroy the regions in it.

        Rights: OP_CHILDREN for these. Raises ZxInvalidArgs, ZxBadState.
        """
        check(self._caller.sys.zx_vmar_unmap(self.raw, address, length))

    @member
    def protect(self, address: int, length: int, flags: int) -> None:
        """Change the permissions of a range that is mapped whole.

        Rights: READ, WRITE, EXECUTE for PERM_ of that name. Raises ZxInvalidArgs, ZxNotFound, ZxAccessDenied,
        ZxBadState.
        """
        check(self._caller.sys.zx_vmar_protect(self.raw, flags, address, length))

    @member
    def destroy(self) -> None:
        """Unmap all that is inside, for good. Rights: OP_CHILDREN. Raises ZxBadState the second time."""
        check(self._caller.sys.zx_vmar_destroy(self.raw))

    @member
    def op_range(self, op: VmarOp | int, address: int, size: int) -> None:
        """Do VmarOp *op* to what is mapped in a range.

        Raises ZxInvalidArgs, ZxBadState, ZxAccessDenied, ZxNotSupported.
        """
        check(self._caller.sys.zx_vmar_op_range(self.raw, op, address, size, None))

    @property
    def info(self) -> zx_info_vmar_t:
        """Base address and length. Rights: INSPECT."""
        return self._info(ZX_INFO_VMAR, zx_info_vmar_t)

    @member
    def maps(self) -> list[zx_info_maps_t]:
        """What is inside, by address. Rights: INSPECT."""
        return self._infos(ZX_INFO_VMAR_MAPS, zx_info_maps_t)
