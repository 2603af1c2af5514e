"""One Unicorn CPU, booted into long mode with paging, at privilege level 3; and where its parts lie in
memory.

Reading a register through Unicorn's interface takes 0.2 us and more. So the register file inside Unicorn's
CPU structure is found once, at start, by signatures: distinct numbers are written through the interface and
looked for in the structure. From then on Python reads and writes the registers where they are. `_self_test`
holds every place against the interface again, so another build of Unicorn is either understood or refused.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from jacinth.machine.memory import PAGE_SIZE, PhysicalMemory
from jacinth.machine.portable import unicorn_abi as abi
from jacinth.machine.portable.ticker import Ticker


class MachineError(Exception):
    """Unicorn answered something that it never should."""


# Places in the register file ("env"): fixed by the architecture's part of the structure, from its start.
RIP: Final = 128
EFLAGS: Final = 136
CC_SRC: Final = 152
CC_OP: Final = 168
HFLAGS: Final = 176  # u32, what translated code depends on
FS_BASE: Final = 288
GS_BASE: Final = 312
GENERAL_END: Final = (
    328  # registers, flags and segments: all that a context has of its own, but for floating point
)
CR2: Final = 440
CR3: Final = 448
# The floating point part.
FP_START: Final = 604
FP_TOP: Final = 604  # u32
FP_STATUS: Final = 608  # u16, without the top of stack
FP_CONTROL: Final = 610  # u16
FP_EMPTY: Final = 612  # 8 bytes, 1 for an empty physical register
FP_STACK: Final = 624  # 8 times 16 bytes, physical registers
FP_OPCODE: Final = 752  # u16
FP_POINTERS: Final = 760  # fip, fdp
XMM_STRIDE: Final = 64

TRANSLATIONS = 256 << 20  # bytes of translated code that Unicorn keeps; when they are full it starts again
CC_OP_EFLAGS: Final = 1  # "the arithmetic flags are in cc_src"

# A bit of hflags that means nothing at privilege level 3: code with it and code without it is translated, and found, apart.
OTHER_VIEW: Final = 1 << 23  # HF_SMAP_MASK
# Unicorn's translation look-aside buffers, for three kinds of access: ours uses the second one alone.
TLB_DESCRIPTION: Final = 696  # bytes
_TLB_USER: Final = 1

_CR0: Final = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1  # PG, WP, NE, ET, MP, PE
_CR4: Final = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 16 | 1 << 18  # PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE
_CR4_TSD: Final = 1 << 2
_MSR_EFER: Final = 0xC0000080
_MSR_STAR: Final = 0xC0000081
_EFER: Final = 1 << 0 | 1 << 8 | 1 << 10 | 1 << 11  # SCE, LME, LMA, NXE
_STAR: Final = (0x18 | 3) << 48  # user code 0x2b, user data 0x23
_CPUID_RDRAND: Final = 1 << 30  # leaf 1, ecx
_CPUID_OSXSAVE: Final = 1 << 27  # follows cr4, is no feature
_COUNT_MARK: Final = 0x5A17C0DE5A17


class Cpu:
    """The CPU. `env` is its register file, `state` the pieces of it that a context owns."""

    def __init__(self, memory: PhysicalMemory) -> None:
        self.lib = lib = abi.load()
        _close_idle(lib)
        self.memory = memory
        handle = ctypes.c_void_p()
        self._call(lib.uc_open(abi.ARCH_X86, abi.MODE_64, ctypes.byref(handle)))
        assert handle.value is not None
        self.uc: int = handle.value
        self._hooks: list[object] = []
        self._ticker: Ticker | None = None
        self._call(lib.uc_ctl(self.uc, abi.CTL_CPU_MODEL, ctypes.c_int(abi.CPU_EPYC)))
        self._call(lib.uc_ctl(self.uc, abi.CTL_TCG_BUFFER_SIZE, ctypes.c_uint32(TRANSLATIONS)))
        self._call(lib.uc_ctl(self.uc, abi.CTL_USE_EXITS, ctypes.c_int(1)))
        self._call(lib.uc_mem_map_ptr(self.uc, 0, memory.size, abi.PROT_ALL, memory.address))
        self.cpu: int = lib.qemu_get_cpu_x86_64(self.uc, -1)  # never given an index
        self._find_registers()
        self._hide_random()
        self._boot()
        self._find_exception_fields()
        self._find_loop_fields()
        self._find_tlbs()
        self._self_test()
        self._stop_between_blocks()

    def _call(self, error: int) -> None:
        if error:
            raise MachineError(f"Unicorn: {self.lib.uc_strerror(error).decode()} ({error})")

    # Access through Unicorn's interface: slow, for start and tests.

    def read(self, register: int) -> int:
        value = (ctypes.c_uint64 * 8)()
        self._call(self.lib.uc_reg_read(self.uc, register, value))
        return int(value[0])

    def write(self, register: int, value: int) -> None:
        self._call(self.lib.uc_reg_write(self.uc, register, (ctypes.c_uint64 * 8)(value)))

    def write_msr(self, number: int, value: int) -> None:
        msr = abi.MsrValue(number, value)
        self._call(self.lib.uc_reg_write(self.uc, abi.REG_MSR, ctypes.byref(msr)))

    def hook(self, kind: int, callback: object, instruction: int = 0, data: int | None = None) -> int:
        """Add a hook over all addresses; *callback* is a ctypes function, kept alive here, or an address, and gets *data*."""
        out = ctypes.c_size_t()
        self._hooks.append(callback)
        pointer: Any = callback
        if not isinstance(callback, int):
            pointer = ctypes.cast(pointer, ctypes.c_void_p)
        everywhere = (1, 0)
        extra = (ctypes.c_int(instruction),) if instruction else ()
        self._call(self.lib.uc_hook_add(self.uc, ctypes.byref(out), kind, pointer, data, *everywhere, *extra))
        return out.value

    # Finding the parts.

    def _find_registers(self) -> None:
        marks = [0x4A00000000000000 + (i + 1) * 0x0101010101 for i in range(16)]
        for register, mark in zip(abi.REG_GENERAL, marks, strict=True):
            self.write(register, mark)
        size = abi.malloc_usable_size(self.cpu)
        self.structure = _window(self.cpu, size)
        self.words = self.structure[: size // 4 * 4].cast("I")
        env = _only(self.structure, struct.pack("<16Q", *marks), "registers")
        for register in abi.REG_GENERAL:
            self.write(register, 0)
        self.env_address = self.cpu + env
        self.env_size = size - env
        self.env = _window(self.env_address, self.env_size // 8 * 8).cast("Q")
        window = self.window = self.structure[env:]
        xmm = (ctypes.c_uint64 * 2)(0x5115C0DE00000001, 0x5115C0DE00000002)
        self._call(self.lib.uc_reg_write(self.uc, abi.REG_XMM0, xmm))
        self.xmm = _only(window, bytes(xmm), "xmm0")
        self._call(self.lib.uc_reg_write(self.uc, abi.REG_XMM0, (ctypes.c_uint64 * 2)()))
        self.write(abi.REG_MXCSR, 0x1F80)
        self.write(abi.REG_FPCW, 0x37F)
        self.write(abi.REG_FPTAG, 0xFFFF)
        self.mxcsr = window[: self.xmm].tobytes().rindex(struct.pack("<I", 0x1F80))
        self.fp_end = self.xmm + 16 * XMM_STRIDE
        # Everything that a context owns. What lies between its two parts is the same for all contexts, but
        # for cr2 and cr3.
        self.state = window[: self.fp_end]

    def _hide_random(self) -> None:
        """Clear rdrand in the CPU's features: cpuid hides it, and the instruction is undefined."""
        words = [ctypes.c_uint32() for _ in range(4)]
        self.lib.cpu_x86_cpuid_x86_64(self.env_address, 1, 0, *map(ctypes.byref, words))
        ecx, edx = words[2].value, words[3].value
        window = self.window
        place = _only(window, struct.pack("<QQ", edx, ecx & ~_CPUID_OSXSAVE), "cpu features")
        struct.pack_into("<Q", window, place + 8, ecx & ~_CPUID_OSXSAVE & ~_CPUID_RDRAND)

    def _boot(self) -> None:
        """Long mode, paging on an empty page table, and a sysretq to level 3."""
        memory = self.memory
        self.write_msr(_MSR_EFER, _EFER)
        self.write_msr(_MSR_STAR, _STAR)
        self.write(abi.REG_CR4, _CR4)
        tables = [memory.allocate_table() for _ in range(5)]
        top, *_, page = tables
        for upper, lower in itertools.pairwise(tables):
            struct.pack_into("<Q", memory.view, upper << 12, lower << 12 | 0x23)  # P, RW, A; supervisor
        memory.view[page << 12 : (page << 12) + 3] = bytes.fromhex("480f07")  # sysretq
        self.write(abi.REG_CR3, top << 12)
        self.write(abi.REG_CR0, _CR0)
        self.write(abi.REG_RCX, 0)
        self.write(abi.REG_R11, 0x202)
        self.lib.uc_emu_start(self.uc, 0, 0, 0, 0)  # ends with a page fault, level 3 may not fetch from here
        if self.read(abi.REG_CS) != 0x2B:
            raise MachineError("Unicorn did not reach privilege level 3")
        self.write(abi.REG_R11, 0)
        memory.view[top << 12 : (top << 12) + 8] = bytes(8)
        self.null_cr3 = top << 12
        for frame in tables[1:]:
            memory.free_table(frame)
        self.flush()

    def _find_exception_fields(self) -> None:
        marks = [0x600000000000 + i * 0x111111 for i in range(1, 5)]
        for i, mark in enumerate(marks):
            self.write(abi.REG_DR0 + i, mark)
        window = self.window
        place = _only(window, struct.pack("<4Q", *marks), "debug registers")
        for i in range(4):
            self.write(abi.REG_DR0 + i, 0)
        # In order: error_code, exception_is_int, exception_next_eip, dr0-7, four pointers, old_exception.
        self.error_code = place - 16
        self.is_int = place - 12
        self.dr = place
        self.old_exception = place + 96

    def _find_loop_fields(self) -> None:
        structure = self.structure
        before = structure.tobytes()
        self.lib.cpu_exit(self.cpu)
        after = structure.tobytes()
        changed = [
            i
            for start in range(0, len(before), 256)  # in pieces: byte by byte takes longer than all the rest
            if before[start : start + 256] != after[start : start + 256]
            for i in range(start, min(start + 256, len(before)))
            if before[i] != after[i]
        ]
        if not 2 <= len(changed) <= 4:  # exit_request, tcg_exit_req, and the high half of a counter
            raise MachineError(f"cpu_exit changes {len(changed)} bytes of this build of Unicorn")
        self.exit_request = changed[0]
        for i in changed:
            structure[i] = 0
        # exception_index, 4 bytes of padding, a pointer back to Unicorn.
        quads = memoryview(before)[: len(before) // 8 * 8].cast("Q")
        pointers = [i * 8 for i, quad in enumerate(quads) if quad == self.uc]
        env = self.env_address - self.cpu
        self.exception_index = max(i for i in pointers if i < env) - 8

    def _find_tlbs(self) -> None:
        """In order, from `dirty` on: three counters; three descriptions, which begin with the range of large pages, two times -1
        for none, and end with a pointer; 8 bytes of padding; three times a mask and a pointer; 16 bytes; the registers.
        """
        structure, env = self.structure, self.env_address - self.cpu
        masks = env - 64
        first = masks - 8 - 3 * TLB_DESCRIPTION
        for i in range(3):
            description = structure[first + i * TLB_DESCRIPTION :][:TLB_DESCRIPTION]
            *large, pointer = struct.unpack_from(f"<QQ{TLB_DESCRIPTION - 24}xQ", description)
            mask, table = struct.unpack_from("<QQ", structure, masks + 16 * i)
            if (
                large != [2**64 - 1] * 2
                or not pointer
                or not table
                or mask & 63
                or not mask >> 6
                or mask >> 32
            ):
                raise MachineError(
                    "the translation buffers are not where they should be in this build of Unicorn"
                )
        self.tlb = first + _TLB_USER * TLB_DESCRIPTION  # and the one that it does not use lies behind it
        self.tlb_mask = masks + 16 * _TLB_USER
        self.tlb_dirty = first - 32

        def neighbours(place: int, size: int) -> tuple[memoryview, memoryview, memoryview]:
            """What lies there, what follows, and room for one of them."""
            return structure[place:][:size], structure[place + size :][:size], memoryview(bytearray(size))

        self._tlb = neighbours(self.tlb, TLB_DESCRIPTION)
        self._tlb_mask = neighbours(self.tlb_mask, 16)
        self._clear_tlb = partial(self.lib.tlb_flush_by_mmuidx_x86_64, self.cpu, 1 << _TLB_USER)

    def swap_tlbs(self) -> None:
        """What the CPU knows of the page table, and what it knew before the last swap, change places. Flushes are of both."""
        used, other, between = self._tlb
        between[:] = used
        used[:] = other
        other[:] = between
        used, other, between = self._tlb_mask
        between[:] = used
        used[:] = other
        other[:] = between
        self.structure[self.tlb_dirty] = 7

    def clear_tlb(self) -> None:
        """Forget what the CPU knows of the page table, but not what it knew before the last swap."""
        self._clear_tlb()

    def _stop_between_blocks(self) -> None:
        """Let a request to stop be looked at where a block begins, and nowhere else.

        Unicorn's code calls a function for this after every access to memory as well, and has all registers in
        memory for it: half of the time of common code. What is worse, an instruction that is left between its
        access and its end is executed again as a whole, so that `inc [memory]` counts twice. A switch that
        Unicorn has for blocks of another processor leaves these calls out.
        """
        window = _window(self.uc, abi.malloc_usable_size(self.uc))
        # In order: sizes of pages and cache lines, what a context holds, its size, next_pc, hook_insert,
        # first_tb, no_exit_request, init_done.
        host = mmap.PAGESIZE
        place = _only(window, struct.pack("<IIQQ", PAGE_SIZE, PAGE_SIZE - 1, host, host), "page sizes")
        found = []
        for content in (abi.CONTEXT_CPU | abi.CONTEXT_MEMORY, abi.CONTEXT_CPU):
            self._call(self.lib.uc_ctl(self.uc, abi.CTL_CONTEXT_MODE, ctypes.c_int(content)))
            found.append(struct.unpack_from("<I", window, place + 28)[0] == content)
        flags = window[place + 48 : place + 52]
        if not all(found) or flags[0] or flags[2] or not flags[3]:
            raise MachineError("no_exit_request is not where it should be in this build of Unicorn")
        flags[2] = 1
        self._call(self.lib.uc_ctl(self.uc, abi.CTL_TB_FLUSH))

    def count_blocks(self) -> memoryview:
        """Make Unicorn's counter of instructions count blocks instead.

        `uc_emu_start` with a count adds a hook on every instruction, which makes code 26 times slower. The
        hook function only counts, and stops at the limit: as a hook on every block it costs little and is
        as exact. Unicorn believes that its own hook is in place as long as its `count_hook` is not zero.

        Answers two numbers: blocks run in this `uc_emu_start`, and how many may run.
        """
        lib, uc = self.lib, self.uc
        window = _window(uc, abi.malloc_usable_size(uc))
        self.write(abi.REG_RIP, 0)
        lib.uc_emu_start(uc, 0, 0, 0, _COUNT_MARK)  # faults at once: the page table is empty
        limit = _only(window, struct.pack("<Q", _COUNT_MARK), "emu_count")
        # In order: count_hook, emu_counter, emu_count.
        hook = struct.unpack_from("<Q", window, limit - 16)[0]
        kind, callback = struct.unpack_from("<I36xQ", _window(hook, 56))
        if kind != 1 << 2:
            raise MachineError("Unicorn's instruction counter is not where it should be")
        self._call(lib.uc_hook_del(uc, hook))
        mine = self.hook(abi.HOOK_BLOCK, callback)
        struct.pack_into("<Q", window, limit - 16, mine)
        lib.uc_ctl(uc, abi.CTL_TB_FLUSH)
        self.clear_exception()
        return window[limit - 8 : limit + 8].cast("Q")

    def ticker(self, slice_ns: int) -> Ticker:
        """What stops guest code when a slice of time is over."""
        stop = ctypes.cast(self.lib.uc_emu_stop, ctypes.c_void_p).value
        assert stop is not None
        self._ticker = Ticker(stop, self.uc, slice_ns)
        return self._ticker

    def _self_test(self) -> None:
        """Hold every place that was found against Unicorn's interface. Raises MachineError."""
        window = self.window

        def check(name: str, found: Callable[[], int], register: int, value: int) -> None:
            before = self.read(register)
            self.write(register, value)
            if found() != value:
                raise MachineError(f"{name} is not where it should be in this build of Unicorn")
            self.write(register, before)

        def number(place: int, size: int) -> Callable[[], int]:
            return lambda: int.from_bytes(window[place : place + size], "little")

        check("rip", number(RIP, 8), abi.REG_RIP, 0x123456789A)
        check("fs_base", number(FS_BASE, 8), abi.REG_FS_BASE, 0x123456789B)
        check("gs_base", number(GS_BASE, 8), abi.REG_GS_BASE, 0x123456789C)
        check("cr2", number(CR2, 8), abi.REG_CR2, 0x123456789D)
        check("fpcw", number(FP_CONTROL, 2), abi.REG_FPCW, 0x27F)
        check("mxcsr", number(self.mxcsr, 4), abi.REG_MXCSR, 0x3F80)
        if number(CR3, 8)() != self.null_cr3:
            raise MachineError("cr3 is not where it should be in this build of Unicorn")
        if self.read(abi.REG_EFLAGS) & 0xFFF != 0x202:
            raise MachineError("sysretq did not set rflags")
        # What the fault at the end of `_boot` left: a fetch by the user from a page that is present.
        if number(self.error_code, 4)() != 0x15 or number(self.old_exception, 4)() != 14:
            raise MachineError("error_code is not where it should be in this build of Unicorn")
        self.clear_exception()

    # What the engine does with the CPU.

    def forbid_tsc(self) -> None:
        """rdtsc and rdtscp are general protection faults at level 3.

        Unicorn has hooks for them, but reads the host's counter all the same when it is to stop at the end of the block.
        """
        self.write(abi.REG_CR4, _CR4 | _CR4_TSD)

    def clear_exception(self) -> None:
        """Forget the last exception: Unicorn never does, and would make the next one a double fault."""
        struct.pack_into("<i", self.window, self.old_exception, -1)

    def load_cr3(self, value: int) -> None:
        self.lib.cpu_x86_update_cr3_x86_64(self.env_address, value)

    def flush(self) -> None:
        """Forget all translations of addresses."""
        self.lib.tlb_flush_x86_64(self.cpu)

    def close(self) -> None:
        if not self.uc:
            return
        late = 0
        if self._ticker is not None:
            self._ticker.close()
            late = self._ticker.may_call()
        _closing.append((time.monotonic_ns() + late, self.uc))
        self.uc = 0
        self._hooks.clear()
        _close_idle(self.lib)


# Unicorns that are of no use any more, and when they may go: a ticker may still call `uc_emu_stop` for them.
_closing: list[tuple[int, int]] = []


def _close_idle(lib: Any) -> None:
    now = time.monotonic_ns()
    for entry in [entry for entry in _closing if entry[0] <= now]:
        _closing.remove(entry)
        lib.uc_close(entry[1])


def _window(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")


def _only(window: memoryview, needle: bytes, what: str) -> int:
    """Where *needle* is, provided that it is there once."""
    data = window.tobytes()
    place = data.find(needle)
    if place < 0 or data.find(needle, place + 1) >= 0:
        raise MachineError(f"{what} not found in this build of Unicorn")
    return place
