"""A program on a bare emulated CPU, with just so much of a kernel that it gets to main and back.

One thread, no rights, no blocking: this tests what the SDK makes, and nothing of Jacinth's kernel.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from unicorn import UC_ARCH_X86, UC_ERR_INSN_INVALID, UC_HOOK_INSN, UC_MODE_64, UC_PROT_ALL, Uc, UcError
from unicorn.x86_const import (
    UC_X86_INS_SYSCALL,
    UC_X86_REG_FS_BASE,
    UC_X86_REG_R8,
    UC_X86_REG_R9,
    UC_X86_REG_R10,
    UC_X86_REG_R12,
    UC_X86_REG_R13,
    UC_X86_REG_RAX,
    UC_X86_REG_RDI,
    UC_X86_REG_RDX,
    UC_X86_REG_RIP,
    UC_X86_REG_RSI,
    UC_X86_REG_RSP,
)

from jacinth.abi import PA_FD, PA_HND, PA_PROC_SELF, PA_THREAD_SELF, PA_VMAR_ROOT
from jacinth.abi.rows import SyscallRow
from jacinth.abi.status import Status
from jacinth.userboot.elf import ElfType, load_elf
from jacinth.userboot.processargs import pack_processargs
from jacinth.userboot.vdso import VdsoImage

_ARGUMENTS = (
    UC_X86_REG_RDI,
    UC_X86_REG_RSI,
    UC_X86_REG_RDX,
    UC_X86_REG_R10,
    UC_X86_REG_R8,
    UC_X86_REG_R9,
    UC_X86_REG_R12,
    UC_X86_REG_R13,
)

PIE_BASE = 0x2000_0000
VDSO_BASE = 0x5000_0000
STACK_BASE, STACK_SIZE = 0x6000_0000, 0x40000
HEAP_BASE = 0x7000_0000

BOOTSTRAP, PROCESS, VMAR, THREAD, SOCKET, VMO = 0x103, 0x107, 0x10B, 0x10F, 0x113, 0x117


@dataclass
class Outcome:
    exit_code: int
    output: bytes  # of standard output and standard error
    calls: list[str]
    trapped: bool = False  # it ended with a ud2


class Bare:
    def __init__(self, rows: Sequence[SyscallRow], vdso: VdsoImage) -> None:
        self.names = {row.number: row.name for row in rows}
        self.vdso = vdso

    def run(
        self,
        program: bytes,
        args: Sequence[bytes] = (b"program",),
        environ: Sequence[bytes] = (),
        *,
        socket: bool = True,
        handles: Mapping[int, int] | None = None,
    ) -> Outcome:
        """Run *program* to its end. *handles* are PA_HND words and values beside the usual ones."""
        self.uc = uc = Uc(UC_ARCH_X86, UC_MODE_64)
        self.outcome = Outcome(-1, b"", [])
        self.fault: str | None = None
        self.heap = HEAP_BASE
        self.full = False
        infos: Mapping[int, int] = {
            PA_HND(PA_PROC_SELF, 0): PROCESS,
            PA_HND(PA_VMAR_ROOT, 0): VMAR,
            PA_HND(PA_THREAD_SELF, 0): THREAD,
            **({PA_HND(PA_FD, 1): SOCKET, PA_HND(PA_FD, 2): SOCKET} if socket else {}),
            **(handles or {}),
        }
        self.message = pack_processargs(args, environ, (), list(infos))
        self.handles = list(infos.values())
        image = load_elf(program)
        base = PIE_BASE if image.type is ElfType.DYN else 0
        for segment in image.segments:
            uc.mem_map(base + segment.start, segment.end - segment.start, UC_PROT_ALL)
            data = program[segment.offset : segment.offset + segment.filesz]
            uc.mem_write(base + segment.vaddr, data)
        uc.mem_map(VDSO_BASE, len(self.vdso.image), UC_PROT_ALL)
        uc.mem_write(VDSO_BASE, self.vdso.image)
        uc.mem_map(STACK_BASE, STACK_SIZE, UC_PROT_ALL)
        uc.reg_write(UC_X86_REG_RSP, STACK_BASE + STACK_SIZE - 8)
        uc.reg_write(UC_X86_REG_RDI, BOOTSTRAP)
        uc.reg_write(UC_X86_REG_RSI, VDSO_BASE)
        uc.hook_add(UC_HOOK_INSN, self._syscall, None, 1, 0, UC_X86_INS_SYSCALL)
        try:
            uc.emu_start(base + image.entry, 0, count=400_000_000)
        except UcError as error:
            if error.errno != UC_ERR_INSN_INVALID:
                raise
            self.outcome.trapped = True
        if self.fault is not None:
            raise AssertionError(self.fault)
        return self.outcome

    def _syscall(self, uc: Uc, _: object) -> None:
        number = uc.reg_read(UC_X86_REG_RAX)
        name = self.names[number]
        if uc.reg_read(UC_X86_REG_RIP) + 2 - VDSO_BASE != self.vdso.syscall_pcs[number]:
            self.fault = f"{name} did not come through the vDSO"
            uc.emu_stop()
            return
        self.outcome.calls.append(name)
        arguments = [uc.reg_read(register) for register in _ARGUMENTS]
        handler = getattr(self, name, None)
        if handler is None:
            self.fault = f"unexpected call: {name}"
            uc.emu_stop()
            return
        uc.reg_write(UC_X86_REG_RAX, handler(*arguments) & 2**64 - 1)

    def zx_channel_read(
        self, handle: int, options: int, data: int, handles: int, size: int, count: int, *out: int
    ) -> int:
        assert handle & 0xFFFF_FFFF == BOOTSTRAP
        self.uc.mem_write(out[0], struct.pack("<I", len(self.message)))
        self.uc.mem_write(out[1], struct.pack("<I", len(self.handles)))
        if size & 0xFFFF_FFFF < len(self.message) or count & 0xFFFF_FFFF < len(self.handles):
            return Status.BUFFER_TOO_SMALL
        self.uc.mem_write(data, self.message)
        self.uc.mem_write(handles, struct.pack(f"<{len(self.handles)}I", *self.handles))
        return Status.OK

    def zx_handle_close(self, handle: int, *_: int) -> int:
        return Status.OK

    def zx_cprng_draw(self, data: int, size: int, *_: int) -> int:
        self.uc.mem_write(data, bytes(range(1, size + 1)))
        return Status.OK

    def zx_object_set_property(self, handle: int, name: int, value: int, *_: int) -> int:
        assert (handle & 0xFFFF_FFFF, name & 0xFFFF_FFFF) == (THREAD, 4)
        self.uc.reg_write(UC_X86_REG_FS_BASE, *struct.unpack("<Q", self.uc.mem_read(value, 8)))
        return Status.OK

    def zx_object_get_property(self, handle: int, name: int, value: int, size: int, *_: int) -> int:
        assert (handle & 0xFFFF_FFFF, name & 0xFFFF_FFFF) == (PROCESS, 3)
        self.uc.mem_write(value, b"bare".ljust(size, b"\0"))
        return Status.OK

    def zx_socket_write(self, handle: int, options: int, data: int, size: int, actual: int, *_: int) -> int:
        """Takes at most 100 bytes, and nothing at all every other time."""
        assert handle & 0xFFFF_FFFF == SOCKET
        self.full = not self.full
        if not self.full:
            return Status.SHOULD_WAIT
        taken = min(size, 100)
        self.outcome.output += bytes(self.uc.mem_read(data, taken))
        self.uc.mem_write(actual, struct.pack("<Q", taken))
        return Status.OK

    def zx_object_wait_one(self, handle: int, *_: int) -> int:
        return Status.OK

    def zx_debug_write(self, data: int, size: int, *_: int) -> int:
        self.outcome.output += bytes(self.uc.mem_read(data, size))
        return Status.OK

    def zx_vmo_create(self, size: int, options: int, out: int, *_: int) -> int:
        self.uc.mem_write(out, struct.pack("<I", VMO))
        return Status.OK

    def zx_vmar_map(
        self, handle: int, options: int, at: int, vmo: int, offset: int, size: int, out: int, *_: int
    ) -> int:
        self.uc.mem_map(self.heap, size, UC_PROT_ALL)
        self.uc.mem_write(out, struct.pack("<Q", self.heap))
        self.heap += size + 0x1000
        return Status.OK

    def zx_vmar_unmap(self, handle: int, address: int, size: int, *_: int) -> int:
        self.uc.mem_unmap(address, size)
        return Status.OK

    def zx_process_exit(self, code: int, *_: int) -> int:
        self.outcome.exit_code = code - 2**64 if code >> 63 else code
        self.uc.emu_stop()
        return 0
