"""`zx_profile_create`, `zx_object_set_profile`, `zx_sampler_*`.

Source: docs/reference/syscalls/{profile_create,object_set_profile,sampler_*}.md; order from lib/syscalls/{profile,sampler}.rs.
"""

from __future__ import annotations

from jacinth.abi import (
    ZX_POL_NEW_PROFILE,
    ZX_POL_NEW_SAMPLER,
    ZX_RIGHT_APPLY_PROFILE,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_OP_CHILDREN,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_PROFILE_BASE,
    ZX_RSRC_SYSTEM_SAMPLING_BASE,
    ZX_SAMPLER_MAX_BUFFER_SIZE,
    ZX_SAMPLER_MIN_PERIOD,
    Status,
    ZxError,
    zx_profile_info_t,
    zx_sampler_config_t,
)
from jacinth.kernel.profile import ProfileDispatcher
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.kernel.sampler import SamplerDispatcher
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
    """Make the machine's sampler, which looks every *period* ns where the thread is that runs.

    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE rsrc, which must be ZX_RSRC_SYSTEM_SAMPLING_BASE;
    ACCESS_DENIED policy; INVALID_ARGS config, a buffer above ZX_SAMPLER_MAX_BUFFER_SIZE, a period below ZX_SAMPLER_MIN_PERIOD;
    ALREADY_EXISTS while there is a handle to another one; INVALID_ARGS a buffer whose size is no power of two.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(rsrc, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_SAMPLING_BASE)
    call.check_policy(ZX_POL_NEW_SAMPLER)
    asked = config.read_struct(zx_sampler_config_t)
    if asked.buffer_size > ZX_SAMPLER_MAX_BUFFER_SIZE or asked.period < ZX_SAMPLER_MIN_PERIOD:
        raise ZxError(Status.INVALID_ARGS)
    per_cpu_buffers.make(SamplerDispatcher.create(call.kernel, asked.period, asked.buffer_size))


@syscall
def zx_sampler_start(call: Call, iobuffer: int) -> None:
    """Begin to look.

    Errors, in order: BAD_HANDLE, WRONG_TYPE iobuffer; BAD_STATE where it does so already.
    """
    call.dispatcher(iobuffer, SamplerDispatcher, 0).start()


@syscall
def zx_sampler_stop(call: Call, iobuffer: int) -> None:
    """Look no more.

    Errors, in order: BAD_HANDLE, WRONG_TYPE iobuffer; BAD_STATE where it does not look.
    """
    call.dispatcher(iobuffer, SamplerDispatcher, 0).stop()


@syscall
def zx_sampler_read(call: Call, iobuffer: int, data: UserOut, data_size: int, actual: UserOut) -> None:
    """Take all samples out of the buffer, or with a null *data* tell how many bytes there may be.

    Errors, in order: BAD_HANDLE, WRONG_TYPE iobuffer; INVALID_ARGS room for less than the whole buffer, data (*actual* is 0
    then); actual (the samples are lost).
    """
    sampler = call.dispatcher(iobuffer, SamplerDispatcher, 0)
    if data.is_null:
        actual.set(sampler.size)
        return
    records = sampler.records()
    try:
        if data_size < sampler.size:
            raise ZxError(Status.INVALID_ARGS)
        data.write_now(records)
    except ZxError:
        actual.set(0)
        raise
    sampler.drain(len(records))
    actual.set(len(records))
