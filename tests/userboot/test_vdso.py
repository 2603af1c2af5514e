from __future__ import annotations

import io
import struct
from dataclasses import replace

import pytest
from capstone import CS_ARCH_X86, CS_MODE_64, Cs
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import ELFHashSection, GNUHashSection
from unicorn import UC_ARCH_X86, UC_HOOK_INSN, UC_MODE_64, UC_PROT_ALL, Uc
from unicorn.x86_const import (
    UC_X86_INS_SYSCALL,
    UC_X86_REG_R8,
    UC_X86_REG_R9,
    UC_X86_REG_R10,
    UC_X86_REG_R12,
    UC_X86_REG_R13,
    UC_X86_REG_RAX,
    UC_X86_REG_RCX,
    UC_X86_REG_RDI,
    UC_X86_REG_RDX,
    UC_X86_REG_RIP,
    UC_X86_REG_RSI,
    UC_X86_REG_RSP,
)

from jacinth.abi.rows import SyscallRow, Vdso, row, scalar
from jacinth.abi.status import Status
from jacinth.userboot import vdso
from jacinth.userboot.vdso import MODE_HOST, TimePage, VdsoImage, build_vdso, pack_time_page

INT64_MAX = 2**63 - 1
STACK = 0x10_0000
RETURN = 0x20_0000


def _some_rows() -> list[SyscallRow]:
    """Calls with each number of parameters, one that does not return, and all that the vDSO can answer."""
    calls = [
        row(f"zx_test_{count}", *(scalar(f"a{number}", "uint64_t") for number in range(count)))
        for count in range(9)
    ]
    calls.append(row("zx_test_exit", scalar("code", "int64_t"), returns="void", noreturn=True))
    calls += [row(name, vdso=Vdso.VDSO) for name in vdso._ROUTINES]
    calls.append(row("zx_test_vdso_without_routine", scalar("a", "uint64_t"), vdso=Vdso.VDSO))
    return [replace(call, number=number) for number, call in enumerate(calls)]


ROWS = _some_rows()
IMAGE = build_vdso(ROWS)


def _disassemble(image: VdsoImage, name: str) -> list[str]:
    start = image.symbols[name]
    code = image.image[start : start + image.sizes[name]]
    listing = [f"{i.mnemonic} {i.op_str}".strip() for i in Cs(CS_ARCH_X86, CS_MODE_64).disasm(code, start)]
    assert sum(i.size for i in Cs(CS_ARCH_X86, CS_MODE_64).disasm(code, start)) == len(code), (
        "not all is code"
    )
    return listing


class Machine:
    """A CPU with the image at a base. Its syscall instruction only notes the registers."""

    def __init__(self, page: bytes | None = None, base: int = 0x7654_3000) -> None:
        self.base = base
        self.uc = Uc(UC_ARCH_X86, UC_MODE_64)
        self.uc.mem_map(base, len(IMAGE.image), UC_PROT_ALL)
        self.uc.mem_write(base, IMAGE.image)
        if page is not None:
            self.uc.mem_write(base + IMAGE.time_offset, page)
        self.uc.mem_map(STACK, 0x1000, UC_PROT_ALL)
        self.uc.mem_map(RETURN, 0x1000, UC_PROT_ALL)
        self.uc.hook_add(UC_HOOK_INSN, self._syscall, None, 1, 0, UC_X86_INS_SYSCALL)
        self.number = -1
        self.arguments: list[int] = []
        self.behind = -1

    def _syscall(self, uc: Uc, _: object) -> None:
        registers = (
            UC_X86_REG_RDI,
            UC_X86_REG_RSI,
            UC_X86_REG_RDX,
            UC_X86_REG_R10,
            UC_X86_REG_R8,
            UC_X86_REG_R9,
        )
        self.number = uc.reg_read(UC_X86_REG_RAX)
        self.arguments = [uc.reg_read(r) for r in (*registers, UC_X86_REG_R12, UC_X86_REG_R13)]
        self.behind = uc.reg_read(UC_X86_REG_RIP) + 2 - self.base
        uc.reg_write(UC_X86_REG_RAX, 0x1234)

    def call(self, name: str, *arguments: int) -> int:
        in_registers, on_stack = arguments[:6], arguments[6:]
        registers = (
            UC_X86_REG_RDI,
            UC_X86_REG_RSI,
            UC_X86_REG_RDX,
            UC_X86_REG_RCX,
            UC_X86_REG_R8,
            UC_X86_REG_R9,
        )
        for register, value in zip(registers, in_registers, strict=False):
            self.uc.reg_write(register, value)
        stack = STACK + 0x800
        self.uc.mem_write(stack, struct.pack(f"<Q{len(on_stack)}Q", RETURN, *on_stack))
        self.uc.reg_write(UC_X86_REG_RSP, stack)
        self.uc.reg_write(UC_X86_REG_R12, 0x12121212)
        self.uc.reg_write(UC_X86_REG_R13, 0x13131313)
        self.uc.emu_start(self.base + IMAGE.symbols[name], RETURN, count=1000)
        assert self.uc.reg_read(UC_X86_REG_RIP) == RETURN
        assert self.uc.reg_read(UC_X86_REG_RSP) == stack + 8
        assert self.uc.reg_read(UC_X86_REG_R12) == 0x12121212
        assert self.uc.reg_read(UC_X86_REG_R13) == 0x13131313
        return int(self.uc.reg_read(UC_X86_REG_RAX))

    def signed(self, name: str, *arguments: int) -> int:
        return (self.call(name, *arguments) + 2**63) % 2**64 - 2**63

    def string(self, address: int) -> bytes:
        return bytes(self.uc.mem_read(address, 64)).partition(b"\0")[0]


def test_the_image_is_a_shared_object_that_elftools_reads() -> None:
    file = ELFFile(io.BytesIO(IMAGE.image))
    assert file["e_type"] == "ET_DYN"
    assert file["e_machine"] == "EM_X86_64"
    assert file["e_entry"] == 0  # it has no zx_process_exit
    loads = [s for s in file.iter_segments() if s["p_type"] == "PT_LOAD"]
    assert [(s["p_flags"], s["p_vaddr"] == s["p_offset"]) for s in loads] == [(4, True), (5, True)]
    assert (loads[1]["p_vaddr"], loads[1]["p_filesz"]) == (IMAGE.code_offset, IMAGE.code_size)
    assert len(IMAGE.image) == IMAGE.code_offset + IMAGE.code_size
    assert all(value % 4096 == 0 for value in (IMAGE.code_offset, IMAGE.code_size, IMAGE.time_offset))
    dynamic = file.get_section_by_name(".dynamic")
    assert isinstance(dynamic, DynamicSection)
    assert next(dynamic.iter_tags("DT_SONAME")).soname == "libzircon.so"
    notes = [note for s in file.iter_segments() if s["p_type"] == "PT_NOTE" for note in s.iter_notes()]
    assert [(n["n_type"], n["n_desc"]) for n in notes] == [("NT_GNU_BUILD_ID", IMAGE.build_id.hex())]


def test_both_hash_tables_find_every_symbol() -> None:
    file = ELFFile(io.BytesIO(IMAGE.image))
    sysv, gnu = file.get_section_by_name(".hash"), file.get_section_by_name(".gnu.hash")
    assert isinstance(sysv, ELFHashSection) and isinstance(gnu, GNUHashSection)
    for name, offset in IMAGE.symbols.items():
        for table in (sysv, gnu):
            symbol = table.get_symbol(name)
            assert (symbol.name, symbol["st_value"], symbol["st_size"]) == (name, offset, IMAGE.sizes[name])
            assert symbol["st_info"]["type"] == "STT_FUNC"
            assert symbol["st_info"]["bind"] == ("STB_WEAK" if name.startswith("zx_") else "STB_GLOBAL")
    assert gnu.get_symbol("zx_no_such_call") is None
    assert gnu.get_number_of_symbols() == len(IMAGE.symbols) + 1


def test_every_call_has_both_names_for_one_routine() -> None:
    assert set(IMAGE.symbols) == {prefix + call.name for call in ROWS for prefix in ("", "_")}
    for call in ROWS:
        assert IMAGE.symbols[call.name] == IMAGE.symbols["_" + call.name]


def test_a_stub_is_the_shortest_way_into_the_kernel() -> None:
    assert _disassemble(IMAGE, "zx_test_3") == ["mov eax, 3", "syscall", "ret"]
    assert _disassemble(IMAGE, "zx_test_4") == ["mov r10, rcx", "mov eax, 4", "syscall", "ret"]
    assert _disassemble(IMAGE, "zx_test_exit") == ["mov eax, 9", "syscall", "ud2"]


@pytest.mark.parametrize("call", ROWS, ids=lambda call: call.name)
def test_a_routine_enters_the_kernel_once_or_never(call: SyscallRow) -> None:
    listing = _disassemble(IMAGE, call.name)
    answered_here = call.name in vdso._ROUTINES
    assert listing.count("syscall") == (0 if answered_here else 1)
    assert (call.number in IMAGE.syscall_pcs) == (not answered_here)
    assert listing[-1] == ("ud2" if call.noreturn else "ret")
    if not answered_here:
        behind = IMAGE.syscall_pcs[call.number]
        assert IMAGE.image[behind - 2 : behind] == b"\x0f\x05"
        assert IMAGE.symbols[call.name] < behind < IMAGE.symbols[call.name] + IMAGE.sizes[call.name]


@pytest.mark.parametrize("count", range(9))
def test_arguments_arrive_in_the_kernels_registers(count: int) -> None:
    machine = Machine()
    arguments = [0x1111_0000_0000_0000 + number for number in range(count)]
    assert machine.call(f"zx_test_{count}", *arguments) == 0x1234
    assert machine.number == count
    assert machine.arguments[:count] == arguments
    assert machine.behind == IMAGE.syscall_pcs[count]


def test_virtual_time_is_what_the_page_says() -> None:
    machine = Machine(pack_time_page(monotonic=123_456_789_012, boot_offset=1000))
    for name in ("zx_clock_get_monotonic", "zx_ticks_get"):
        assert machine.call(name) == 123_456_789_012
    for name in ("zx_clock_get_boot", "zx_ticks_get_boot"):
        assert machine.call(name) == 123_456_790_012
    assert machine.call("zx_ticks_per_second") == 1_000_000_000
    machine.uc.mem_write(machine.base + IMAGE.time_offset + TimePage.MONOTONIC, struct.pack("<q", 7))
    assert machine.call("zx_clock_get_monotonic") == 7
    assert machine.number == -1, "no call entered the kernel"


def test_host_time_follows_the_time_stamp_counter() -> None:
    # Half a nanosecond a count: the time is base + counter / 2, and the counter goes up.
    machine = Machine(pack_time_page(mode=MODE_HOST, base_ns=10**15, base_tsc=0, mult=1 << 31))
    first = machine.call("zx_clock_get_monotonic")
    second = machine.call("zx_clock_get_monotonic")
    assert 10**15 < first < second


def test_host_time_survives_products_beyond_64_bits_and_counters_behind_the_base() -> None:
    ahead = Machine(pack_time_page(mode=MODE_HOST, base_ns=5, base_tsc=0, mult=2**63))
    once = ahead.call("zx_clock_get_monotonic") - 5
    assert once > 0 and once % 2**31 == 0, "the counter times 2**31"
    behind = Machine(pack_time_page(mode=MODE_HOST, base_ns=5, base_tsc=2**64 - 1, mult=1 << 32))
    assert behind.call("zx_clock_get_monotonic") == 5


@pytest.mark.parametrize(
    ("now", "duration", "deadline"),
    [
        (1000, 500, 1500),
        (1000, -1500, -500),
        (1000, INT64_MAX, INT64_MAX),
        (1000, INT64_MAX - 1000, INT64_MAX),
        (1000, INT64_MAX - 1001, INT64_MAX - 1),
        (-1000, -INT64_MAX - 1, -INT64_MAX - 1),
        (0, -INT64_MAX - 1, -INT64_MAX - 1),
    ],
)
def test_deadline_after_stops_at_the_ends(now: int, duration: int, deadline: int) -> None:
    machine = Machine(pack_time_page(monotonic=now))
    assert machine.signed("zx_deadline_after", duration % 2**64) == deadline


@pytest.mark.parametrize("status", [*Status, -77, -5, 1, 2**31 - 1, -(2**31)])
def test_status_get_string_knows_every_status(status: int) -> None:
    machine = Machine()
    expected = b"(UNKNOWN)"
    if status in set(Status):
        expected = b"ZX_OK" if status == 0 else f"ZX_ERR_{Status(status).name}".encode()
    # The upper half of the register is anything.
    assert machine.string(machine.call("zx_status_get_string", status % 2**32 | 0xDEAD << 32)) == expected


@pytest.mark.shows("zx_system_get_features", "ZX_ERR_NOT_SUPPORTED")
def test_system_calls_answer_from_the_page() -> None:
    page = pack_time_page(
        physmem=2**33, num_cpus=3, cache_line_size=128, features=(1, 2, 3, 4, 5), version=b"1.2"
    )
    machine = Machine(page)
    assert machine.call("zx_system_get_physmem") == 2**33
    assert machine.call("zx_system_get_num_cpus") == 3
    assert machine.call("zx_system_get_dcache_line_size") == 128
    assert machine.call("zx_system_get_page_size") == 4096
    assert machine.string(machine.call("zx_system_get_version_string")) == b"1.2"
    assert machine.uc.reg_read(UC_X86_REG_RDX) == 3
    for kind in range(5):
        assert machine.call("zx_system_get_features", kind | 0xBAD << 32, STACK) == Status.OK
        assert machine.uc.mem_read(STACK, 4) == struct.pack("<I", kind + 1)
    assert machine.call("zx_system_get_features", 5, STACK) == Status.NOT_SUPPORTED % 2**32


def test_a_long_version_is_cut() -> None:
    machine = Machine(pack_time_page(version=b"v" * 100))
    assert machine.string(machine.call("zx_system_get_version_string")) == b"v" * 63
    assert machine.uc.reg_read(UC_X86_REG_RDX) == 63


@pytest.mark.shows("zx_cache_flush", "ZX_ERR_INVALID_ARGS")
def test_cache_flush_looks_at_its_options() -> None:
    machine = Machine()
    right = {options for options in range(40) if machine.call("zx_cache_flush", 0, 0, options) == Status.OK}
    assert right == {1, 2, 3, 6, 7}
    assert machine.call("zx_cache_flush", 0, 0, 0) == Status.INVALID_ARGS % 2**32


def test_the_same_rows_give_the_same_bytes() -> None:
    assert build_vdso(ROWS) == IMAGE
    assert build_vdso(ROWS[:-1]).build_id != IMAGE.build_id


def test_the_real_table_builds() -> None:
    abi = pytest.importorskip("jacinth.abi.table")
    image = build_vdso(abi.SYSCALLS)
    assert {call.name for call in abi.SYSCALLS} <= set(image.symbols)
    for call in abi.SYSCALLS:
        assert _disassemble(image, call.name).count("syscall") <= 1


def test_a_call_with_nine_parameters_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 8"):
        build_vdso([row("zx_test_9", *(scalar(f"a{number}", "uint64_t") for number in range(9)), number=0)])
