"""The C interface of Unicorn: constants and every prototype, declared in one function.

Only this package knows of Unicorn. It calls the shared library of the `unicorn` wheel directly, since the
official Python bindings cost several microseconds a call. Beside the public functions it uses some that the
library exports without documenting them.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, c_int, c_size_t, c_uint, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Final

ARCH_X86: Final = 4
MODE_64: Final = 8
PROT_ALL: Final = 7
CPU_EPYC: Final = 35
CONTEXT_CPU: Final = 1
CONTEXT_MEMORY: Final = 2

HOOK_INTR: Final = 1 << 0
HOOK_INSN: Final = 1 << 1
HOOK_BLOCK: Final = 1 << 3
HOOK_INSN_INVALID: Final = 1 << 14

INS_IN: Final = 218
INS_OUT: Final = 500
INS_SYSCALL: Final = 699

# UC_CTL(type, number of arguments, write)
CTL_USE_EXITS: Final = 4 | 1 << 26 | 1 << 30
CTL_CPU_MODEL: Final = 7 | 1 << 26 | 1 << 30
CTL_TCG_BUFFER_SIZE: Final = 13 | 1 << 26 | 1 << 30
CTL_CONTEXT_MODE: Final = 14 | 1 << 26 | 1 << 30
CTL_TB_FLUSH: Final = 10 | 1 << 30

REG_CS: Final = 11
REG_EFLAGS: Final = 25
REG_RAX: Final = 35
REG_RCX: Final = 38
REG_RIP: Final = 41
REG_CR0: Final = 50
REG_CR2: Final = 52
REG_CR3: Final = 53
REG_CR4: Final = 54
REG_DR0: Final = 66
REG_R11: Final = 109
REG_XMM0: Final = 122
REG_FPCW: Final = 246
REG_FPTAG: Final = 247
REG_MSR: Final = 248
REG_MXCSR: Final = 249
REG_FS_BASE: Final = 250
REG_GS_BASE: Final = 251
# rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15: the order of the processor's encoding and of Unicorn's
# register file.
REG_GENERAL: Final = (35, 38, 40, 37, 44, 36, 43, 39, 106, 107, 108, 109, 110, 111, 112, 113)

# The shapes of hooks. A C function may be given more arguments than it takes, so those that no hook of ours
# needs are left out.
HookSyscall = ctypes.CFUNCTYPE(None)
HookInterrupt = ctypes.CFUNCTYPE(None, c_void_p, c_uint32)
HookInvalid = ctypes.CFUNCTYPE(c_int)
HookPort = ctypes.CFUNCTYPE(c_int)


class MsrValue(ctypes.Structure):
    """uc_x86_msr."""

    _fields_ = [("rid", c_uint32), ("value", c_uint64)]


def load() -> Any:
    """The library, with every prototype declared. Raises ImportError when the wheel or one of the functions
    is missing."""
    spec = importlib.util.find_spec("unicorn")
    if spec is None or spec.origin is None:
        raise ImportError("the portable engine needs the package `unicorn`")
    path = Path(spec.origin).parent / "lib" / "libunicorn.so.2"
    # PyDLL: the interpreter lock stays held while guest code runs, which halves the cost of a hook. The
    # budget bounds how long.
    library = ctypes.PyDLL(str(path))
    uc = c_void_p
    # fmt: off
    prototypes: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        ("uc_open", c_int, (c_int, c_int, POINTER(c_void_p))),
        ("uc_close", c_int, (uc,)),
        ("uc_ctl", c_int, (uc, c_uint)),  # variadic
        ("uc_strerror", ctypes.c_char_p, (c_int,)),
        ("uc_reg_read", c_int, (uc, c_int, c_void_p)),
        ("uc_reg_write", c_int, (uc, c_int, c_void_p)),
        ("uc_mem_map_ptr", c_int, (uc, c_uint64, c_uint64, c_uint32, c_void_p)),
        # variadic
        ("uc_hook_add", c_int, (uc, POINTER(c_size_t), c_int, c_void_p, c_void_p, c_uint64, c_uint64)),
        ("uc_hook_del", c_int, (uc, c_size_t)),
        ("uc_emu_start", c_int, (uc, c_uint64, c_uint64, c_uint64, c_size_t)),
        ("uc_emu_stop", c_int, (uc,)),
        # Exported, not documented. The CPU structure and its register file ("env") are what these take.
        ("qemu_get_cpu_x86_64", c_void_p, (uc, c_int)),
        ("cpu_exit", None, (c_void_p,)),
        ("cpu_x86_update_cr3_x86_64", None, (c_void_p, c_uint64)),
        ("cpu_x86_cpuid_x86_64", None, (c_void_p, c_uint32, c_uint32, *[POINTER(c_uint32)] * 4)),
        ("helper_read_eflags_x86_64", c_uint64, (c_void_p,)),
        ("helper_set_dr_x86_64", None, (c_void_p, c_int, c_uint64)),
        ("tlb_flush_by_mmuidx_x86_64", None, (c_void_p, c_uint)),
        ("tlb_flush_page_x86_64", None, (c_void_p, c_uint64)),
        ("tlb_flush_x86_64", None, (c_void_p,)),
        ("tb_invalidate_phys_range_x86_64", None, (uc, c_uint64, c_uint64)),
    )
    # fmt: on
    for name, result, arguments in prototypes:
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"this build of Unicorn does not export {name}") from None
        function.argtypes = arguments
        function.restype = result
    return library


def malloc_usable_size(address: int) -> int:
    """How many bytes at *address*, an allocation of the C library, may be looked at."""
    function = ctypes.CDLL(None).malloc_usable_size
    function.argtypes = [c_void_p]
    function.restype = c_size_t
    return int(function(address))
