"""`zx_interrupt_*`. Source: docs/reference/syscalls/interrupt_*.md; order from lib/syscalls/ddk.cc."""

from __future__ import annotations

from jacinth.abi import (
    ZX_INTERRUPT_BIND,
    ZX_INTERRUPT_UNBIND,
    ZX_INTERRUPT_VIRTUAL,
    ZX_INTERRUPT_WAKE_VECTOR,
    ZX_PORT_BIND_TO_INTERRUPT,
    ZX_RIGHT_READ,
    ZX_RIGHT_SIGNAL,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_RSRC_KIND_IRQ,
    ZX_RSRC_KIND_SYSTEM,
    ZX_RSRC_SYSTEM_MSI_BASE,
    Status,
    ZxError,
)
from jacinth.kernel.interrupt import InterruptDispatcher
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserOut, syscall


@syscall
def zx_interrupt_create(call: Call, src_obj: int, src_num: int, options: int, out_handle: HandleOut) -> None:
    """Make a virtual interrupt, with ZX_INTERRUPT_VIRTUAL and perhaps ZX_INTERRUPT_TIMESTAMP_MONO in *options*.

    With ZX_INTERRUPT_WAKE_VECTOR it would wake the machine, which never sleeps; for that too *src_obj* must be a resource
    for interrupt *src_num*. Without VIRTUAL that interrupt of the machine itself: there is none in this machine.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE resource, unless only virtual; INVALID_ARGS options, or no such
    interrupt.
    """
    if options & (ZX_INTERRUPT_VIRTUAL | ZX_INTERRUPT_WAKE_VECTOR) != ZX_INTERRUPT_VIRTUAL:
        call.dispatcher(src_obj, ResourceDispatcher, 0).require(ZX_RSRC_KIND_IRQ, src_num)
    if not options & ZX_INTERRUPT_VIRTUAL:
        raise ZxError(Status.INVALID_ARGS)
    out_handle.make(InterruptDispatcher.create(call.kernel, options))


@syscall
def zx_interrupt_bind(call: Call, handle: int, port_handle: int, key: int, options: int) -> None:
    """Have the interrupt happen as packets of a port, with ZX_INTERRUPT_BIND, or no longer, with ZX_INTERRUPT_UNBIND.

    Rights: READ on handle, WRITE on port_handle.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle, then port_handle; WRONG_TYPE a port
    without ZX_PORT_BIND_TO_INTERRUPT; to bind CANCELED destroyed, BAD_STATE a thread waits, ALREADY_BOUND; to unbind NOT_FOUND
    another port, CANCELED destroyed.
    """
    if options not in (ZX_INTERRUPT_BIND, ZX_INTERRUPT_UNBIND):
        raise ZxError(Status.INVALID_ARGS)
    interrupt = call.dispatcher(handle, InterruptDispatcher, ZX_RIGHT_READ)
    port = call.dispatcher(port_handle, PortDispatcher, ZX_RIGHT_WRITE)
    if not port.options & ZX_PORT_BIND_TO_INTERRUPT:
        raise ZxError(Status.WRONG_TYPE)
    if options == ZX_INTERRUPT_BIND:
        interrupt.bind(port, key)
    else:
        interrupt.unbind(port)


@syscall
async def zx_interrupt_wait(call: Call, handle: int, out_timestamp: UserOut) -> None:
    """Wait until the interrupt happens, and say when it did. To wait again acknowledges the one before.

    Rights: WAIT on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE bound to a port, or another thread waits;
    CANCELED destroyed; INVALID_ARGS out_timestamp.
    """
    interrupt = call.dispatcher(handle, InterruptDispatcher, ZX_RIGHT_WAIT)
    out_timestamp.set(await interrupt.wait())


@syscall
def zx_interrupt_ack(call: Call, handle: int) -> None:
    """Acknowledge the packet of an interrupt that is bound to a port: the next one may come.

    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE not bound; CANCELED destroyed; BAD_STATE the last
    packet was not read.
    """
    call.dispatcher(handle, InterruptDispatcher, ZX_RIGHT_WRITE).ack()


@syscall
def zx_interrupt_destroy(call: Call, handle: int) -> None:
    """End the interrupt, though there are handles to it: who waits for it is told CANCELED.

    Errors, in order: BAD_HANDLE, WRONG_TYPE; NOT_FOUND where a packet was read and not acknowledged.
    """
    call.dispatcher(handle, InterruptDispatcher, 0).destroy()


@syscall
def zx_msi_allocate(call: Call, handle: int, count: int, out_allocation: HandleOut) -> None:
    """Set interrupts aside that devices send as messages: NOT_SUPPORTED, nothing in this machine can receive them.

    Errors, in order: BAD_HANDLE, WRONG_TYPE handle, which must be ZX_RSRC_SYSTEM_MSI_BASE itself; NOT_SUPPORTED.
    """
    call.dispatcher(handle, ResourceDispatcher, 0).require_base(ZX_RSRC_KIND_SYSTEM, ZX_RSRC_SYSTEM_MSI_BASE)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_msi_create(
    call: Call, handle: int, options: int, msi_id: int, vmo: int, vmo_offset: int, out_interrupt: HandleOut
) -> None:
    """One of those: as there are none, no handle is of the right type. Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    call.handle(handle)
    raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_interrupt_trigger(call: Call, handle: int, options: int, timestamp: int) -> None:
    """Let a virtual interrupt happen, at *timestamp* ns.

    Rights: SIGNAL on handle.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; CANCELED destroyed.
    """
    if options:
        raise ZxError(Status.INVALID_ARGS)
    call.dispatcher(handle, InterruptDispatcher, ZX_RIGHT_SIGNAL).trigger(timestamp)
