"""`zx_guest_*` and `zx_vcpu_*`: as a kernel on a CPU that cannot run guests answers.

No guest is ever made, so that no handle is of the right type.
Source: docs/reference/syscalls/{guest,vcpu}_*.md; order from lib/syscalls/hypervisor.cc.
"""

from __future__ import annotations

from jacinth.abi import ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_HYPERVISOR_BASE, Status, ZxError
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall


def _none(call: Call, handle: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    call.handle(handle)
    raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_guest_create(
    call: Call, resource: int, options: int, guest_handle: HandleOut, vmar_handle: HandleOut
) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, which must be for the hypervisor; NOT_SUPPORTED."""
    rsrc = call.dispatcher(resource, ResourceDispatcher, 0)
    rsrc.require(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_HYPERVISOR_BASE)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_guest_set_trap(
    call: Call, handle: int, kind: int, addr: int, size: int, port_handle: int, key: int
) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)


@syscall
def zx_vcpu_create(call: Call, guest: int, options: int, entry: int, out: HandleOut) -> None:
    """Errors, in order: INVALID_ARGS options; BAD_HANDLE; WRONG_TYPE."""
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    _none(call, guest)


@syscall
async def zx_vcpu_enter(call: Call, handle: int, packet: UserOut) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)


@syscall
def zx_vcpu_kick(call: Call, handle: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)


@syscall
def zx_vcpu_interrupt(call: Call, handle: int, vector: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)


@syscall
def zx_vcpu_read_state(call: Call, handle: int, kind: int, buffer: UserOut, buffer_size: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)


@syscall
def zx_vcpu_write_state(call: Call, handle: int, kind: int, buffer: UserIn, buffer_size: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _none(call, handle)
