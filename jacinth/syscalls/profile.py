"""`zx_profile_create`, `zx_object_set_profile`, `zx_sampler_*`.

Source: docs/reference/syscalls/{profile_create,object_set_profile,sampler_*}.md; order from lib/syscalls/{profile,sampler}.rs.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_POL_NEW_PROFILE,
    ZX_RIGHT_APPLY_PROFILE,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_OP_CHILDREN,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_PROFILE_BASE,
    Status,
    ZxError,
    zx_profile_info_t,
)
from jacinth.kernel.profile import ProfileDispatcher
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall


@syscall
def zx_profile_create(call: Call, profile_rsrc: int, options: int, profile: UserIn, out: HandleOut) -> None:
    """Make a profile.

    Errors, in order: ACCESS_DENIED policy; INVALID_ARGS options; BAD_HANDLE; ACCESS_DENIED anything else than
    ZX_RSRC_SYSTEM_PROFILE_BASE itself; INVALID_ARGS profile.
    """
    call.check_policy(ZX_POL_NEW_PROFILE)
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    resource = call.handle(profile_rsrc).object
    if not isinstance(resource, ResourceDispatcher):
        raise ZxError(Status.ACCESS_DENIED)
    try:
        resource.require_base(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_PROFILE_BASE)
    except ZxError:
        raise ZxError(Status.ACCESS_DENIED) from None
    out.make(ProfileDispatcher.create(call.kernel, profile.read_struct(zx_profile_info_t)))


@syscall
def zx_object_set_profile(call: Call, handle: int, profile: int, options: int) -> None:
    """Apply a profile to a thread or an address region.

    Rights: APPLY_PROFILE on profile; on handle MANAGE_THREAD of a thread, OP_CHILDREN of a region.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED profile; BAD_HANDLE handle; ACCESS_DENIED;
    BAD_STATE a dead thread, a destroyed region; WRONG_TYPE anything else.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    applied = call.dispatcher(profile, ProfileDispatcher, ZX_RIGHT_APPLY_PROFILE)
    target = call.handle(handle)
    if isinstance(target.object, ThreadDispatcher):
        call.dispatcher(handle, ThreadDispatcher, ZX_RIGHT_MANAGE_THREAD)
        applied.apply_to_thread(target.object)
    elif isinstance(target.object, VmAddressRegionDispatcher):
        call.dispatcher(handle, VmAddressRegionDispatcher, ZX_RIGHT_OP_CHILDREN)
        applied.apply_to_vmar(target.object)
    else:
        raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_sampler_create(
    call: Call, rsrc: int, options: int, config: UserIn, per_cpu_buffers: HandleOut
) -> None:
    """Sample what threads run: NOT_SUPPORTED, as in every kernel that was built without the experiment.

    Errors, in order: INVALID_ARGS options; NOT_SUPPORTED.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_sampler_start(call: Call, iobuffer: int) -> None:
    """NOT_SUPPORTED."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_sampler_stop(call: Call, iobuffer: int) -> None:
    """NOT_SUPPORTED."""
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_sampler_read(call: Call, iobuffer: int, data: UserOut, data_size: int, actual: UserOut) -> None:
    """NOT_SUPPORTED."""
    raise ZxError(Status.NOT_SUPPORTED)
