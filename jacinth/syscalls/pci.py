"""`zx_pci_*`: as a kernel without a driver of its own for the bus answers, which is every kernel of today.

A device is a handle that only such a driver makes, so that no handle is of the right type.
Source: docs/reference/syscalls/pci_*.md; order from lib/syscalls/ddk_pci.cc.
"""

from __future__ import annotations

from jacinth.abi import ZX_RSRC_KIND_IOPORT, ZX_RSRC_KIND_ROOT, Status, ZxError
from jacinth.kernel.resource import ResourceDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserInOut, UserOut, syscall

# The two ports through which configuration space is reached on a PC.
_CONFIG_PORTS = 0xCF8, 8


def _root(call: Call, handle: int) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE; NOT_SUPPORTED."""
    if call.dispatcher(handle, ResourceDispatcher, 0).kind != ZX_RSRC_KIND_ROOT:
        raise ZxError(Status.WRONG_TYPE)
    raise ZxError(Status.NOT_SUPPORTED)


def _device(call: Call, handle: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    call.handle(handle)
    raise ZxError(Status.WRONG_TYPE)


@syscall
def zx_pci_init(call: Call, handle: int, init_buf: UserIn, len: int) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE handle, which must be the root; NOT_SUPPORTED."""
    _root(call, handle)


@syscall
def zx_pci_add_subtract_io_range(call: Call, handle: int, mmio: int, base: int, len: int, add: int) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE handle, which must be the root; NOT_SUPPORTED."""
    _root(call, handle)


@syscall
def zx_pci_cfg_pio_rw(
    call: Call,
    handle: int,
    bus: int,
    dev: int,
    func: int,
    offset: int,
    val: UserInOut,
    width: int,
    write: int,
) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE, OUT_OF_RANGE handle, which must be for the ports; NOT_SUPPORTED."""
    call.dispatcher(handle, ResourceDispatcher, 0).require(ZX_RSRC_KIND_IOPORT, *_CONFIG_PORTS)
    raise ZxError(Status.NOT_SUPPORTED)


@syscall
def zx_pci_get_nth_device(
    call: Call, handle: int, index: int, out_info: UserOut, out_handle: HandleOut
) -> None:
    """Errors, in order: BAD_HANDLE, WRONG_TYPE handle, which must be the root; NOT_SUPPORTED."""
    _root(call, handle)


@syscall
def zx_pci_config_read(call: Call, handle: int, offset: int, width: int, out_val: UserOut) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_config_write(call: Call, handle: int, offset: int, width: int, val: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_enable_bus_master(call: Call, handle: int, enable: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_get_bar(call: Call, handle: int, bar_num: int, out_bar: UserOut, out_handle: HandleOut) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_map_interrupt(call: Call, handle: int, which_irq: int, out_handle: HandleOut) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_query_irq_mode(call: Call, handle: int, mode: int, out_max_irqs: UserOut) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_set_irq_mode(call: Call, handle: int, mode: int, requested_irq_count: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)


@syscall
def zx_pci_reset_device(call: Call, handle: int) -> None:
    """Errors, in order: BAD_HANDLE; WRONG_TYPE."""
    _device(call, handle)
