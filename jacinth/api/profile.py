"""Profiles: how a thread is to be scheduled, or how much the memory of a region matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import zx_profile_info_t
from jacinth.api.caller import C
from jacinth.api.flags import ObjType
from jacinth.api.handle import Handle, check

if TYPE_CHECKING:
    from jacinth.api.debuglog import Resource


class Profile(Handle[C]):
    """It is applied by `set_profile` of a thread or a region."""

    OBJ_TYPE = ObjType.PROFILE

    __slots__ = ()

    @classmethod
    def create(cls, resource: Resource[C], info: zx_profile_info_t) -> Profile[C]:
        """A profile. *resource* is the root's or ZX_RSRC_SYSTEM_PROFILE_BASE.

        Raises ZxAccessDenied for another resource or where policy forbids profiles, ZxInvalidArgs for the *info*.
        """
        owner = resource._caller
        status, raw = owner.sys.zx_profile_create(resource.raw, 0, info)
        check(status)
        return Profile(owner, raw)
