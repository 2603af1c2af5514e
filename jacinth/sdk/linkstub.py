"""What programs are linked against in place of the vDSO: `libzircon.so` itself, or for static programs stubs.

A static program has no dynamic linker to bind its system calls. It is linked with one stub for each call, a
jump through a slot; the start library fills the slots at start, looking each name up in the vDSO that the
process was given (`src/vdso.c`). A program so survives a vDSO that it was not built with: a name that is
missing there answers ZX_ERR_NOT_SUPPORTED.
"""

from __future__ import annotations

from collections.abc import Sequence

from jacinth.abi.rows import SyscallRow
from jacinth.userboot.vdso import build_vdso

_STUB = """
        .section .text.{name}, "ax", @progbits
        .globl  _{name}
        .weak   {name}
        .type   _{name}, @function
        .type   {name}, @function
_{name}:
{name}:
        jmp     *__jx_vdso_slots+{offset}(%rip)
        .size   _{name}, . - _{name}
        .size   {name}, . - {name}
"""


def shared_object(rows: Sequence[SyscallRow]) -> bytes:
    """The file behind `-lzircon` for dynamically linked programs: the vDSO is a shared object already."""
    return build_vdso(rows).image


def stub_assembly(rows: Sequence[SyscallRow]) -> str:
    """Assembly source of the stubs, their slots, and the names in the order of the slots."""
    # In the order of the vDSO's symbols, which makes the lookup at start one walk.
    names = [name for name in build_vdso(rows).symbols if name.startswith("zx_")]
    parts = ["// Generated from the syscall table.\n"]
    parts += [_STUB.format(name=name, offset=8 * number) for number, name in enumerate(names)]
    parts.append('\n        .section .rodata.__jx_vdso_names, "a", @progbits\n')
    for symbol in ("__jx_vdso_names", "__jx_vdso_names_end", "__jx_vdso_slots"):
        parts.append(f"        .globl  {symbol}\n        .hidden {symbol}\n")
    parts.append("__jx_vdso_names:\n")
    parts += [f'        .asciz  "{name}"\n' for name in names]
    parts.append("__jx_vdso_names_end:\n\n")
    parts.append('        .section .bss.__jx_vdso_slots, "aw", @nobits\n        .balign 8\n')
    parts.append(f"__jx_vdso_slots:\n        .skip   {8 * len(names)}\n\n")
    parts.append('        .section .note.GNU-stack, "", @progbits\n')
    return "".join(parts)
