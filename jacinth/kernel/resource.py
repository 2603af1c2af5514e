"""Resources: handles that stand for a right to something of the machine itself.

Each is the right to a range of what its kind counts: physical addresses, interrupts, ports, services of the firmware, or
functions of the kernel. The root's is to all kinds, that of a ranged root, without base and size, to all of one. An exclusive
resource has its range alone.

Source: zircon/kernel/object/{resource_dispatcher,resource}.rs; for the root, which the newest kernel has not any more,
docs/reference/syscalls/resource_create.md and the sources of 2023.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    ZX_DEFAULT_RESOURCE_RIGHTS,
    ZX_OBJ_TYPE_RESOURCE,
    ZX_RSRC_FLAG_EXCLUSIVE,
    ZX_RSRC_KIND_COUNT,
    ZX_RSRC_KIND_IOPORT,
    ZX_RSRC_KIND_IRQ,
    ZX_RSRC_KIND_MMIO,
    ZX_RSRC_KIND_ROOT,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_COUNT,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

_PAGE: Final = 4096

# What there is of each kind to give away. Services of the firmware are ARM's: there is no such kind on x86-64.
_EXTENT: Final = {
    ZX_RSRC_KIND_MMIO: range(1 << 52),  # bytes of physical addresses of x86-64
    ZX_RSRC_KIND_IRQ: range(32, 256),  # vectors; those below are exceptions of the CPU
    ZX_RSRC_KIND_IOPORT: range(0xFFFF),  # the last port is nobody's
    ZX_RSRC_KIND_SYSTEM: range(ZX_RSRC_SYSTEM_COUNT),
}


class ResourceDispatcher(SoloDispatcher):
    """The right to *size* units from *base* on of what ZX_RSRC_KIND_* *kind* names. *flags* may be ZX_RSRC_FLAG_EXCLUSIVE."""

    TYPE = ZX_OBJ_TYPE_RESOURCE
    DEFAULT_RIGHTS = ZX_DEFAULT_RESOURCE_RIGHTS

    __slots__ = ("_name", "base", "flags", "kind", "size")

    def __init__(
        self, kernel: Kernel, kind: int, base: int, size: int, flags: int = 0, name: bytes = b""
    ) -> None:
        super().__init__(kernel)
        self.kind = kind
        self.base = base
        self.size = size
        self.flags = flags
        self._name = name
        kernel.resources[self] = None

    def check_part(self, kind: int, flags: int, base: int, size: int) -> None:
        """Whether somebody who has this one may make a part of it, *base* + *size* being within 64 bits.

        Errors, in order: INVALID_ARGS kind, flags; ACCESS_DENIED what this one has no right to; INVALID_ARGS where this one is no
        root, and one of both is exclusive.
        """
        if kind >= ZX_RSRC_KIND_COUNT or flags & ~ZX_RSRC_FLAG_EXCLUSIVE:
            raise ZxError(Status.INVALID_ARGS)
        try:
            self.require(kind, base, size, whole_pages=False)
        except ZxError:
            raise ZxError(Status.ACCESS_DENIED) from None
        if not self.is_root_of(kind) and (self.flags | flags) & ZX_RSRC_FLAG_EXCLUSIVE:
            raise ZxError(Status.INVALID_ARGS)

    @classmethod
    def create(
        cls, parent: ResourceDispatcher, kind: int, flags: int, base: int, size: int, name: bytes
    ) -> ResourceDispatcher:
        """A part of *parent*, as `check_part` allows it.

        Errors, in order: INVALID_ARGS the root with a range; BAD_STATE a kind that this machine has not; INVALID_ARGS an empty
        range; NOT_FOUND more than there is, what another one has exclusively, or an exclusive one where another one is.
        """
        kernel = parent.kernel
        if kind == ZX_RSRC_KIND_ROOT:
            if base or size:
                raise ZxError(Status.INVALID_ARGS)
        else:
            extent = _EXTENT.get(kind)
            if extent is None:
                raise ZxError(Status.BAD_STATE)
            if not size:
                raise ZxError(Status.INVALID_ARGS)
            if base < extent.start or base + size > extent.stop:
                raise ZxError(Status.NOT_FOUND)
            for other in kernel.resources:
                exclusive = (other.flags | flags) & ZX_RSRC_FLAG_EXCLUSIVE
                if exclusive and other.kind == kind and other._overlaps(base, size):
                    raise ZxError(Status.NOT_FOUND)
        return cls(kernel, kind, base, size, flags, name)

    @property
    def name(self) -> bytes:
        return self._name

    def is_root_of(self, kind: int) -> bool:
        """Whether it is the right to all of a kind."""
        return self.kind == ZX_RSRC_KIND_ROOT or (self.kind == kind and not self.base and not self.size)

    def require(self, kind: int, base: int, size: int = 1, *, whole_pages: bool = True) -> None:
        """Whether this gives the right to a range of a kind: with *whole_pages*, to all of each page of registers that it has a
        part of, since nothing smaller can be mapped.

        Errors, in order: of a root ACCESS_DENIED physical memory, which belongs to nobody; WRONG_TYPE another kind;
        OUT_OF_RANGE.
        """
        if self.is_root_of(kind):
            if kind == ZX_RSRC_KIND_MMIO and base & -_PAGE < self.kernel.memory.size:
                raise ZxError(Status.ACCESS_DENIED)
            return
        if self.kind != kind:
            raise ZxError(Status.WRONG_TYPE)
        own_base, own_end = self.base, self.base + self.size
        if kind == ZX_RSRC_KIND_MMIO and whole_pages:
            own_base, own_end = own_base & -_PAGE, (own_end + _PAGE - 1) & -_PAGE
        if not (size and own_base <= base and base + size <= own_end):
            raise ZxError(Status.OUT_OF_RANGE)

    def require_base(self, kind: int, base: int) -> None:
        """WRONG_TYPE where this is not the resource of *kind* at *base*, nor the root: some calls ask in this way."""
        if self.kind != ZX_RSRC_KIND_ROOT and (self.kind, self.base) != (kind, base):
            raise ZxError(Status.WRONG_TYPE)

    def _overlaps(self, base: int, size: int) -> bool:
        return base < self.base + self.size and self.base < base + size

    def on_zero_handles(self) -> None:
        del self.kernel.resources[self]
