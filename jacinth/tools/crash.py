"""What a person needs to know of a program that an exception has ended: where, why, how it came there, and what was mapped."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TextIO

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_OUT_OF_RANGE,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_GENERAL,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_POLICY_CODE_BAD_SYSCALL,
    ZX_EXCP_POLICY_ERROR,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_UNALIGNED_ACCESS,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZxError,
)
from jacinth.abi.names import flag_names, printable, status_name
from jacinth.kernel.kernel import KernelObserver
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.machine.interface import PAGE_SIZE
from jacinth.machine.x86_64 import PageFaultCode
from jacinth.tools.inspector import address_space
from jacinth.userboot.console import write_all
from jacinth.userboot.vdso_vmo import vdso_image

if TYPE_CHECKING:
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.thread import ThreadDispatcher
    from jacinth.userboot.elf import ElfImage

_NAMES: Final = {
    ZX_EXCP_GENERAL: "general exception",
    ZX_EXCP_FATAL_PAGE_FAULT: "fatal page fault",
    ZX_EXCP_UNDEFINED_INSTRUCTION: "undefined instruction",
    ZX_EXCP_SW_BREAKPOINT: "software breakpoint",
    ZX_EXCP_HW_BREAKPOINT: "hardware breakpoint",
    ZX_EXCP_UNALIGNED_ACCESS: "unaligned access",
    ZX_EXCP_POLICY_ERROR: "policy error",
}
_VECTORS: Final = {
    0: "divide error",
    4: "overflow",
    5: "bound range",
    13: "general protection",
    16: "x87 floating point",
    19: "SSE",
}
_MAX_REPORTS: Final = 5  # whole ones; of further exceptions only what and where
_MAX_MAPS: Final = 60  # lines
_MAX_FRAMES: Final = 32
_INSTRUCTIONS: Final = 4  # shown from the one at fault on, and as many before it
_MAX_INSTRUCTION: Final = 15  # bytes
_MAX_BEFORE: Final = 4096  # bytes of a function that are looked through for the instructions before
_PUSH_RBP: Final = b"\x55"


class CrashReporter(KernelObserver):
    """Writes a report for every exception that nobody handles. *data* is the program's file, for names of its functions."""

    def __init__(self, kernel: Kernel, data: bytes = b"", out: TextIO | None = None) -> None:
        self._kernel = kernel
        self._data = data
        self._out = out
        self.last: ExceptionReport | None = None
        self._reports = 0

    def on_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        self.last = report
        self._reports += 1
        lines = [_headline(thread, report)]
        context: Any = thread.context
        if context is not None and report.address:
            lines[0] += _stack_overflow(thread.process, context.sp, report)
        if self._reports <= _MAX_REPORTS:
            if context is not None:
                regs = context.general()
                lines += ["", *_registers(regs), "", *_disassembly(thread.process, self._image, regs.rip)]
                lines += ["", "backtrace", *self._backtrace(thread.process, regs)]
            maps = address_space(thread.process)
            lines += ["", *maps[:_MAX_MAPS]]
            if len(maps) > _MAX_MAPS:
                lines.append(f"  ... and {len(maps) - _MAX_MAPS} more")
        text = "\n".join(lines) + "\n"
        if self._out is not None:
            self._out.write(text)
        else:
            write_all(2, text.encode(errors="backslashreplace"))

    def _backtrace(self, process: ProcessDispatcher, regs: Any) -> list[str]:
        image = self._image
        pcs = [regs.rip, *_leaf_caller(process, image, regs)]
        frame = regs.rbp
        while frame and frame % 8 == 0 and len(pcs) < _MAX_FRAMES:
            try:
                following, pc = process.aspace.read_u64(frame), process.aspace.read_u64(frame + 8)
            except (ZxError, PageNeeded):
                break
            if not pc:
                break
            pcs.append(pc)
            if following <= frame:
                break
            frame = following
        # A return address lies behind its call, which may be a function's last instruction.
        return [f"  #{n:<2} {pc:#014x} {_place(process, image, pc - bool(n))}" for n, pc in enumerate(pcs)]

    @cached_property
    def _image(self) -> ElfImage | None:
        from jacinth.userboot.elf import ElfError, load_elf

        try:
            return load_elf(self._data)
        except ElfError:
            return None


def _headline(thread: ThreadDispatcher, report: ExceptionReport) -> str:
    who = f"{printable(thread.process.name)}[{thread.process.koid}.{thread.koid}]"
    return f"jacinth: {who}: {describe(report)}"


def describe(report: ExceptionReport) -> str:
    """An exception in a few words: what happened, and why."""
    what = _NAMES.get(report.type, f"exception {report.type:#x}")
    if report.type == ZX_EXCP_FATAL_PAGE_FAULT:
        access = "read of"
        if report.code & PageFaultCode.FETCH:
            access = "execution of"
        elif report.code & PageFaultCode.WRITE:
            access = "write to"
        return f"{what}: {access} {report.address:#x} ({_why(report.synth_code)})"
    if report.type == ZX_EXCP_GENERAL:
        return f"{what}: {_VECTORS.get(report.vector, f'vector {report.vector}')}"
    if report.type == ZX_EXCP_POLICY_ERROR:
        if report.synth_code == ZX_EXCP_POLICY_CODE_BAD_SYSCALL:
            return f"{what}: system call {report.synth_data} made outside the vDSO"
        return f"{what}: {flag_names('ZX_EXCP_POLICY_CODE_', report.synth_code)}"
    return what


def _stack_overflow(process: ProcessDispatcher, sp: int, report: ExceptionReport) -> str:
    """A word on a fault just below a stack, at the stack pointer."""
    if report.type != ZX_EXCP_FATAL_PAGE_FAULT or abs(report.address - sp) > PAGE_SIZE:
        return ""
    above = _mapping(process, (report.address & -PAGE_SIZE) + PAGE_SIZE)
    if above is None or _mapping(process, report.address) is not None:
        return ""
    return ": stack overflow" if b"stack" in above.vmo.name else ""


def _why(code: int) -> str:
    """In words: why the access was refused, by the status in a page fault's synth_code."""
    status = code - (1 << 32) if code >> 31 else code
    words = {
        ZX_ERR_NOT_FOUND: "nothing is mapped there",
        ZX_ERR_ACCESS_DENIED: "the mapping forbids it",
        ZX_ERR_OUT_OF_RANGE: "behind the end of the memory object",
        ZX_ERR_NO_MEMORY: "out of memory",
    }
    return words.get(status, status_name(status))


_REGISTERS: Final = (
    *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"),
    *("rip", "rflags", "fs_base", "gs_base"),
)


def _registers(regs: Any) -> list[str]:
    cells = [f"{name:>7} {getattr(regs, name):#018x}" for name in _REGISTERS]
    return ["  ".join(cells[i : i + 4]) for i in range(0, len(cells), 4)]


def _disassembly(process: ProcessDispatcher, image: ElfImage | None, pc: int) -> list[str]:
    """The instruction at *pc*, those behind it, and where its function is known some before it."""
    code = _read_up_to(process, pc, _INSTRUCTIONS * _MAX_INSTRUCTION)
    if not code:
        return [f"code at {pc:#x}: cannot be read"]
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    lines = [f"code at {pc:#x} {_place(process, image, pc)}"]
    before: list[str] = []
    function = _function(process, image, pc)
    # Instructions have no fixed size: only from the start of a function is it known where the next one begins.
    if function is not None and 0 < function[1] <= _MAX_BEFORE:
        start = pc - function[1]
        found = list(decoder.disasm(_read_up_to(process, start, function[1]), start))
        if found and found[-1].address + found[-1].size == pc:
            before = [f"     {_instruction(instruction)}" for instruction in found[-_INSTRUCTIONS:]]
    at_fault = list(decoder.disasm(code, pc, _INSTRUCTIONS))
    if not at_fault:
        return [*lines, *before, f"  -> {pc:#014x}  {code[:8].hex(' '):<30} (no instruction)"]
    marks = ["->", *["  "] * len(at_fault)]
    return [
        *lines,
        *before,
        *(f"  {mark} {_instruction(i)}" for mark, i in zip(marks, at_fault, strict=False)),
    ]


def _instruction(instruction: Any) -> str:
    code = bytes(instruction.bytes).hex(" ")
    return f"{instruction.address:#014x}  {code:<30} {instruction.mnemonic} {instruction.op_str}".rstrip()


def _read_up_to(process: ProcessDispatcher, address: int, size: int) -> bytes:
    """*size* bytes of a process's memory, or as many as there are."""
    for shorter in range(size, 0, -1):
        try:
            return process.aspace.read_user(address, shorter)
        except (ZxError, PageNeeded):
            continue
    return b""


def _leaf_caller(process: ProcessDispatcher, image: ElfImage | None, regs: Any) -> list[int]:
    """The return address on top of the stack, where the function at fault is one that has not pushed a frame."""
    found = _function(process, image, regs.rip)
    if found is None:
        return []
    try:
        start = process.aspace.read_user(regs.rip - found[1], 8)
        caller = process.aspace.read_u64(regs.rsp)
    except (ZxError, PageNeeded):
        return []
    if _PUSH_RBP in start or _function(process, image, caller - 1) is None:
        return []
    return [caller]


def _function(process: ProcessDispatcher, image: ElfImage | None, pc: int) -> tuple[str, int] | None:
    """The program's function that *pc* lies in, and how far from its start."""
    mapping = _mapping(process, pc)
    if image is None or mapping is None or not mapping.vmo.name.endswith(b":text"):
        return None
    for segment in image.segments:
        if segment.execute:
            address = pc - mapping.base + mapping.vmo_offset + segment.start
            for symbol in reversed(image.symbols):
                if symbol.address <= address < symbol.address + max(symbol.size, 1):
                    return symbol.name, address - symbol.address
    return None


def _place(process: ProcessDispatcher, image: ElfImage | None, pc: int) -> str:
    """The function that *pc* lies in, or what is mapped there."""
    mapping = _mapping(process, pc)
    if mapping is None:
        return "(nothing mapped)"
    found = _function(process, image, pc)
    if found is not None:
        return f"{found[0]}+{found[1]:#x}"
    if process.vdso_base and mapping.vmo is process.shared.aspace.vdso_code.vmo:  # type: ignore[union-attr]
        return _in_vdso(pc - process.vdso_base)
    name = printable(mapping.vmo.name) or f"vmo {mapping.vmo.koid}"
    return f"{name}+{pc - mapping.base + mapping.vmo_offset:#x}"


def _in_vdso(offset: int) -> str:
    image = vdso_image()
    for name, start in image.symbols.items():
        if start <= offset < start + image.sizes[name] and name.startswith("zx_"):
            return f"{name}+{offset - start:#x} (vdso)"
    return f"vdso+{offset:#x}"


def _mapping(process: ProcessDispatcher, address: int) -> Any:
    for aspace in process.aspaces():
        if aspace.base <= address < aspace.base + aspace.size:
            return aspace.find(address)
    return None
