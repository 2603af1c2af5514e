"""The two parts of a split address space, seen as one.

Threads of a process made by `zx_process_create_shared` start with the shared part active; in normal mode they reach the
restricted part of their own process too. Source: zircon/system/utest/core/unified-aspace (today's core tests).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.abi import Status
from jacinth.kernel.vm.aspace import SHARED_ASPACE_BASE, VmAspace

if TYPE_CHECKING:
    from jacinth.machine.interface import AddressSpace


class UnifiedAspace:
    """Reads, writes and faults go to the part that an address belongs to. It owns nothing but its view of the page tables."""

    __slots__ = ("kernel", "machine", "restricted", "shared")

    def __init__(self, restricted: VmAspace, shared: VmAspace) -> None:
        self.kernel = restricted.kernel
        self.restricted = restricted
        self.shared = shared
        self.machine: AddressSpace = restricted.kernel.engine.unified(restricted.machine, shared.machine)

    def part(self, address: int) -> VmAspace:
        return self.restricted if address < SHARED_ASPACE_BASE else self.shared

    def page_fault(self, address: int, access: int) -> None:
        self.part(address).page_fault(address, access)

    # A range over both parts is no range: each part checks that it ends inside.

    def read_user(self, address: int, size: int) -> bytes:
        return self.part(address).read_user(address, size)

    def write_user(self, address: int, data: bytes | bytearray | memoryview) -> None:
        self.part(address).write_user(address, data)

    def touch(self, address: int, size: int, *, write: bool) -> None:
        self.part(address).touch(address, size, write=write)

    def why_not(self, address: int, size: int, access: int) -> Status:
        return self.part(address).why_not(address, size, access)

    def read_u32(self, address: int) -> int:
        return self.part(address).read_u32(address)

    def read_u64(self, address: int) -> int:
        return self.part(address).read_u64(address)

    def write_u32(self, address: int, value: int) -> None:
        self.part(address).write_u32(address, value)

    def write_u64(self, address: int, value: int) -> None:
        self.part(address).write_u64(address, value)

    def close(self) -> None:
        self.machine.close()
