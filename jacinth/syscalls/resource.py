"""`zx_resource_create`, and the calls about ports and firmware, which this machine has not.

Source: docs/reference/syscalls/{resource_create,ioports_*,smc_call}.md; order from lib/syscalls/{resource,smc}.rs, driver.cc.
"""

from __future__ import annotations

from typing import Final

from jacinth.abi import (
    ZX_MAX_NAME_LEN,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_IOPORT,
    ZX_RSRC_KIND_SMC,
    Status,
    ZxError,
    zx_smc_parameters_t,
)
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall

_KIND_MASK: Final = 0xFFFF
_PORTS: Final = 1 << 16


@syscall
def zx_resource_create(
    call: Call,
    parent_rsrc: int,
    options: int,
    base: int,
    size: int,
    name: UserIn,
    name_size: int,
    resource_out: HandleOut,
) -> None:
    """Make a resource that is a part of another one: *size* units from *base* on. *options* are a kind and flags.

    Rights: WRITE on parent_rsrc.
    Errors, in order: INVALID_ARGS a range beyond 64 bits; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED parent_rsrc; those of
    ResourceDispatcher.check_part; INVALID_ARGS name; those of ResourceDispatcher.create.
    """
    if base + size >= 1 << 64:
        raise ZxError(Status.INVALID_ARGS)
    parent = call.dispatcher(parent_rsrc, ResourceDispatcher, ZX_RIGHT_WRITE)
    kind, flags = options & _KIND_MASK, options & ~_KIND_MASK
    parent.check_part(kind, flags, base, size)
    text = name.read(min(name_size, ZX_MAX_NAME_LEN - 1)).partition(b"\0")[0]
    resource_out.make(ResourceDispatcher.create(parent, kind, flags, base, size, text))


@syscall
def zx_ioports_request(call: Call, resource: int, io_addr: int, len: int) -> None:
    """Let the process use ports of the CPU: NOT_SUPPORTED, there are none.

    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource; INVALID_ARGS ports beyond the last one; NOT_SUPPORTED.
    """
    _ioports(call, resource, io_addr, len)


@syscall
def zx_ioports_release(call: Call, resource: int, io_addr: int, len: int) -> None:
    """As `zx_ioports_request`."""
    _ioports(call, resource, io_addr, len)


def _ioports(call: Call, resource: int, io_addr: int, size: int) -> None:
    call.dispatcher(resource, ResourceDispatcher, 0).require(ZX_RSRC_KIND_IOPORT, io_addr, size)
    if io_addr + size > _PORTS:
        raise ZxError(Status.INVALID_ARGS)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_smc_call(call: Call, handle: int, parameters: UserIn, out_smc_result: UserOut) -> None:
    """Call the firmware: NOT_SUPPORTED, x86-64 has none to call.

    Errors, in order: INVALID_ARGS pointers; BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE handle, which must be for the service that the
    function belongs to; NOT_SUPPORTED.
    """
    if parameters.is_null or out_smc_result.is_null:
        raise ZxError(Status.INVALID_ARGS)
    service = parameters.read_struct(zx_smc_parameters_t).func_id >> 24 & 0x3F
    call.dispatcher(handle, ResourceDispatcher, 0).require(ZX_RSRC_KIND_SMC, service)
    raise ZxError(Status.NOT_SUPPORTED)
