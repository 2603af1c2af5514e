"""What the handles of the bootstrap message are for: the PA_ types, and the word that carries one.

Source: zircon/system/public/zircon/processargs.h. The message itself is packed in `userboot/processargs.py`.
"""

from __future__ import annotations

from typing import Final

ZX_PROCARGS_PROTOCOL: Final = 0x4150585D
ZX_PROCARGS_VERSION: Final = 0x0001000

PA_PROC_SELF: Final = 0x01
PA_THREAD_SELF: Final = 0x02
PA_JOB_DEFAULT: Final = 0x03
PA_VMAR_ROOT: Final = 0x04
PA_VMAR_LOADED: Final = 0x05
PA_LDSVC_LOADER: Final = 0x10
PA_VMO_VDSO: Final = 0x11
PA_VMO_STACK: Final = 0x13
PA_VMO_EXECUTABLE: Final = 0x14
PA_VMO_BOOTDATA: Final = 0x1A
PA_VMO_BOOTFS: Final = 0x1B
PA_VMO_KERNEL_FILE: Final = 0x1C
PA_VMO_COMPONENT_CONFIG: Final = 0x1D
PA_NS_DIR: Final = 0x20
PA_FD: Final = 0x30
PA_LIFECYCLE: Final = 0x3A
PA_DIRECTORY_REQUEST: Final = 0x3B
PA_ESCROWED_DICTIONARY: Final = 0x3C
PA_LOG_SINK: Final = 0x3D
PA_RESOURCE: Final = 0x3F
PA_CLOCK_UTC: Final = 0x40
PA_MMIO_RESOURCE: Final = 0x50
PA_IRQ_RESOURCE: Final = 0x51
PA_IOPORT_RESOURCE: Final = 0x52
PA_SMC_RESOURCE: Final = 0x53
PA_SYSTEM_RESOURCE: Final = 0x54
PA_USER0: Final = 0xF0
PA_USER1: Final = 0xF1
PA_USER2: Final = 0xF2


def PA_HND(kind: int, argument: int) -> int:
    """The word for a handle: *kind* is a PA_ type, *argument* 16 bits whose meaning depends on it."""
    return kind & 0xFF | (argument & 0xFFFF) << 16


def PA_HND_TYPE(info: int) -> int:
    """The PA_ type in a handle's word."""
    return info & 0xFF


def PA_HND_ARG(info: int) -> int:
    """The 16 bits beside the type in a handle's word."""
    return info >> 16 & 0xFFFF
