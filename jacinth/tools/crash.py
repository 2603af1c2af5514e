"""What a person needs to know of a program that an exception has ended: where, why, how it came there, and what was mapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TextIO

from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_NO_MEMORY,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_OUT_OF_RANGE,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_GENERAL,
    ZX_EXCP_HW_BREAKPOINT,
    ZX_EXCP_POLICY_ERROR,
    ZX_EXCP_SW_BREAKPOINT,
    ZX_EXCP_UNALIGNED_ACCESS,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZxError,
)
from jacinth.abi.names import status_name
from jacinth.kernel.kernel import KernelObserver
from jacinth.machine.x86_64 import PageFaultCode
from jacinth.tools.inspector import address_space
from jacinth.userboot.console import write_all

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
_MAX_FRAMES: Final = 32
_INSTRUCTIONS: Final = 4  # shown from the one at fault on
_MAX_INSTRUCTION: Final = 15  # bytes
_PUSH_RBP: Final = b"\x55"


class CrashReporter(KernelObserver):
    """Writes a report for every exception that nobody handles. *data* is the program's file, for names of its functions."""

    def __init__(self, kernel: Kernel, data: bytes = b"", out: TextIO | None = None) -> None:
        self._kernel = kernel
        self._data = data
        self._out = out
        self.last: ExceptionReport | None = None

    def on_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        self.last = report
        lines = [_headline(thread, report)]
        context: Any = thread.context
        if context is not None:
            regs = context.general()
            lines += ["", *_registers(regs), "", *_disassembly(thread.process, regs.rip)]
            lines += ["", "backtrace", *self._backtrace(thread.process, regs)]
        lines += ["", *address_space(thread.process)]
        text = "\n".join(lines) + "\n"
        if self._out is not None:
            self._out.write(text)
        else:
            write_all(2, text.encode(errors="backslashreplace"))

    def _backtrace(self, process: ProcessDispatcher, regs: Any) -> list[str]:
        image = self._image()
        pcs = [regs.rip, *_leaf_caller(process, image, regs)]
        frame = regs.rbp
        while frame and frame % 8 == 0 and len(pcs) < _MAX_FRAMES:
            try:
                following, pc = process.aspace.read_u64(frame), process.aspace.read_u64(frame + 8)
            except ZxError:
                break
            if not pc:
                break
            pcs.append(pc)
            if following <= frame:
                break
            frame = following
        # A return address lies behind its call, which may be a function's last instruction.
        return [f"  #{n:<2} {pc:#014x} {_place(process, image, pc - bool(n))}" for n, pc in enumerate(pcs)]

    def _image(self) -> ElfImage | None:
        from jacinth.userboot.elf import ElfError, load_elf

        try:
            return load_elf(self._data)
        except ElfError:
            return None


def _headline(thread: ThreadDispatcher, report: ExceptionReport) -> str:
    who = f"{thread.process.name.decode(errors='replace')}[{thread.process.koid}.{thread.koid}]"
    what = _NAMES.get(report.type, f"exception {report.type:#x}")
    if report.type == ZX_EXCP_FATAL_PAGE_FAULT:
        access = (
            "execution of"
            if report.code & PageFaultCode.FETCH
            else "write to"
            if report.code & PageFaultCode.WRITE
            else "read of"
        )
        what += f": {access} {report.address:#x} ({_why(report.synth_code)})"
    elif report.type == ZX_EXCP_GENERAL:
        what += f": {_VECTORS.get(report.vector, f'vector {report.vector}')}"
    elif report.type == ZX_EXCP_POLICY_ERROR:
        what += f": code {report.synth_code}"
    return f"jacinth: {who}: {what}"


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


def _registers(regs: Any) -> list[str]:
    names = [
        "rax",
        "rbx",
        "rcx",
        "rdx",
        "rsi",
        "rdi",
        "rbp",
        "rsp",
        "r8",
        "r9",
        "r10",
        "r11",
        "r12",
        "r13",
        "r14",
        "r15",
    ]
    names += ["rip", "rflags", "fs_base", "gs_base"]
    cells = [f"{name:>7} {getattr(regs, name):#018x}" for name in names]
    return ["  ".join(cells[i : i + 4]) for i in range(0, len(cells), 4)]


def _disassembly(process: ProcessDispatcher, pc: int) -> list[str]:
    code = b""
    for size in range(_INSTRUCTIONS * _MAX_INSTRUCTION, 0, -1):  # as much as is mapped
        try:
            code = process.aspace.read_user(pc, size)
            break
        except ZxError:
            continue
    if not code:
        return [f"code at {pc:#x}: cannot be read"]
    import capstone

    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    lines = [f"code at {pc:#x}"]
    for number, instruction in enumerate(decoder.disasm(code, pc, _INSTRUCTIONS)):
        mark = "->" if number == 0 else "  "
        code_bytes = bytes(instruction.bytes).hex(" ")
        text = f"{instruction.mnemonic} {instruction.op_str}"
        lines.append(f"  {mark} {instruction.address:#014x}  {code_bytes:<30} {text}")
    if len(lines) == 1:
        lines.append(f"  -> {pc:#014x}  {code[:8].hex(' '):<30} (no instruction)")
    return lines


def _leaf_caller(process: ProcessDispatcher, image: ElfImage | None, regs: Any) -> list[int]:
    """The return address on top of the stack, where the function at fault is one that has not pushed a frame."""
    found = _function(process, image, regs.rip)
    if found is None:
        return []
    try:
        start = process.aspace.read_user(regs.rip - found[1], 8)
        caller = process.aspace.read_u64(regs.rsp)
    except ZxError:
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
    name = mapping.vmo.name.decode(errors="replace")
    if name.startswith("vdso"):
        return f"vdso+{pc - process.vdso_base:#x}"
    return f"{name}+{pc - mapping.base + mapping.vmo_offset:#x}"


def _mapping(process: ProcessDispatcher, address: int) -> Any:
    for aspace in process.aspaces():
        if aspace.base <= address < aspace.base + aspace.size:
            return aspace.find(address)
    return None
