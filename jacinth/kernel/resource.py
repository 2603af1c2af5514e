"""Resources: handles that stand for a right to something of the machine itself.

Source: zircon/kernel/object/resource_dispatcher.cc, resource.cc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import (
    ZX_DEFAULT_RESOURCE_RIGHTS,
    ZX_OBJ_TYPE_RESOURCE,
    ZX_RSRC_KIND_ROOT,
    Status,
    ZxError,
)
from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel


class ResourceDispatcher(SoloDispatcher):
    """The right to *size* units from *base* on of what ZX_RSRC_KIND_* *kind* names; the root's is to all."""

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

    @property
    def name(self) -> bytes:
        return self._name

    def require(self, kind: int, base: int) -> None:
        """WRONG_TYPE where this is not the resource of *kind* at *base*, nor the root."""
        if self.kind != ZX_RSRC_KIND_ROOT and (self.kind, self.base) != (kind, base):
            raise ZxError(Status.WRONG_TYPE)
