"""Resources: handles that stand for a right to something of the machine itself.

Each is the right to a range of what its kind counts: physical addresses, interrupts, ports, services of the firmware, or
functions of the kernel. The root's is to all kinds, that of a ranged root, without base and size, to all of one. An exclusive
resource has its range alone.

Source: zircon/kernel/object/resource_dispatcher.cc, resource.cc.
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
    ZX_RSRC_KIND_SMC,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_COUNT,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel

_PAGE: Final = 4096

# How much of each kind there is to give away.
_EXTENT: Final = {
    ZX_RSRC_KIND_MMIO: 1 << 52,  # bytes of physical addresses of x86-64
    ZX_RSRC_KIND_IRQ: 256,  # vectors
    ZX_RSRC_KIND_IOPORT: 1 << 16,
    ZX_RSRC_KIND_SMC: 1 << 6,  # service call numbers
    ZX_RSRC_KIND_SYSTEM: ZX_RSRC_SYSTEM_COUNT,
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

    @classmethod
    def create(
        cls, parent: ResourceDispatcher, kind: int, flags: int, base: int, size: int, name: bytes
    ) -> ResourceDispatcher:
        """A part of *parent*.

        Errors, in order: INVALID_ARGS kind, flags; ACCESS_DENIED what the parent has no right to; INVALID_ARGS where the parent
        is no root, and one of both is exclusive; the root with a range; an empty range; NOT_FOUND more than there is, what
        another one has exclusively, or an exclusive one where another one is.
        """
        if kind >= ZX_RSRC_KIND_COUNT or flags & ~ZX_RSRC_FLAG_EXCLUSIVE:
            raise ZxError(Status.INVALID_ARGS)
        try:
            parent.require(kind, base, size)
        except ZxError:
            raise ZxError(Status.ACCESS_DENIED) from None
        if not parent.is_root_of(kind) and (parent.flags | flags) & ZX_RSRC_FLAG_EXCLUSIVE:
            raise ZxError(Status.INVALID_ARGS)
        kernel = parent.kernel
        if kind == ZX_RSRC_KIND_ROOT:
            if base or size:
                raise ZxError(Status.INVALID_ARGS)
        else:
            if not size:
                raise ZxError(Status.INVALID_ARGS)
            if base + size > _EXTENT[kind]:
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

    def require(self, kind: int, base: int, size: int = 1) -> None:
        """Whether this gives the right to a range of a kind.

        Errors, in order: of a root ACCESS_DENIED physical memory, which belongs to nobody; WRONG_TYPE another kind;
        OUT_OF_RANGE.
        """
        if self.is_root_of(kind):
            if kind == ZX_RSRC_KIND_MMIO and base < self.kernel.memory.size:
                raise ZxError(Status.ACCESS_DENIED)
            return
        if self.kind != kind:
            raise ZxError(Status.WRONG_TYPE)
        own_base, own_end = self.base, self.base + self.size
        if kind == ZX_RSRC_KIND_MMIO:  # nothing smaller than a page can be mapped
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
