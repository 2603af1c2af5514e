from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from jacinth.abi import constants
from jacinth.abi.rows import SyscallRow, Vdso, handle, in_, inout, out, row, scalar
from jacinth.abi.structs import STRUCTS
from jacinth.abi.table import SYSCALLS
from jacinth.sdk import headers
from jacinth.sdk.linkstub import shared_object, stub_assembly
from jacinth.tools import cc
from jacinth.userboot.elf import load_elf

HEADERS = sorted(
    [str(path.relative_to(headers.INCLUDE)) for path in headers.INCLUDE.rglob("*.h")]
    + list(headers.generated_headers())
)
STRICT = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
# What programs written against Zircon include.
EXPECTED = [
    "zircon/assert.h",
    "zircon/compiler.h",
    "zircon/errors.h",
    "zircon/limits.h",
    "zircon/process.h",
    "zircon/processargs.h",
    "zircon/rights.h",
    "zircon/status.h",
    "zircon/syscalls.h",
    "zircon/threads.h",
    "zircon/time.h",
    "zircon/types.h",
    "zircon/syscalls/clock.h",
    "zircon/syscalls/debug.h",
    "zircon/syscalls/exception.h",
    "zircon/syscalls/iob.h",
    "zircon/syscalls/log.h",
    "zircon/syscalls/object.h",
    "zircon/syscalls/policy.h",
    "zircon/syscalls/port.h",
    "zircon/syscalls/profile.h",
    "zircon/syscalls/resource.h",
    "zircon/syscalls/system.h",
    "zircon/syscalls/types.h",
    "zircon/syscalls-next.h",
    "zircon/availability.h",
    "zircon/features.h",
    "zircon/string_view.h",
    "assert.h",
    "inttypes.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "threads.h",
    "unistd.h",
]


def _check(text: str, cache: Path, tmp_path: Path, suffix: str, *flags: str) -> None:
    source = tmp_path / f"check{suffix}"
    source.write_text(text)
    cc.compile_program([source], tmp_path / "out", [*STRICT, *flags])


def test_the_headers_that_programs_include_are_there() -> None:
    assert set(EXPECTED) <= set(HEADERS)


@pytest.mark.parametrize(
    ("call", "declaration"),
    [
        (
            row(
                "zx_job_create",
                handle("parent_job"),
                scalar("options", "uint32_t"),
                out("out", "zx_handle_t"),
            ),
            "zx_status_t zx_job_create(zx_handle_t parent_job, uint32_t options, zx_handle_t* out);",
        ),
        (
            row("zx_x", in_("data", "void", "size"), inout("items", "zx_wait_item_t"), returns="void"),
            "void zx_x(const void* data, zx_wait_item_t* items);",
        ),
        (row("zx_y", noreturn=True, returns="void"), "void zx_y(void) __NO_RETURN;"),
        (
            row("zx_status_get_string", scalar("status", "zx_status_t"), returns="uintptr_t", vdso=Vdso.VDSO),
            "const char* zx_status_get_string(zx_status_t status) __CONST;",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, SyscallRow) else "",
)
def test_a_prototype_follows_from_its_row(call: SyscallRow, declaration: str) -> None:
    assert headers.prototype(call) == [
        f"extern {declaration}",
        f"extern {declaration}".replace(f" {call.name}(", f" _{call.name}("),
    ]


def test_what_may_change_is_no_constant() -> None:
    text = headers.generated_headers()["zircon/syscalls.h"]
    assert "zx_system_get_physmem(void);" in text
    assert "zx_system_get_page_size(void) __CONST;" in text


def test_every_call_is_declared_and_stubbed_once() -> None:
    text = headers.generated_headers()["zircon/syscalls.h"]
    stubs = stub_assembly(SYSCALLS)
    for call in SYSCALLS:
        assert text.count(f" {call.name}(") == 1
        assert text.count(f" _{call.name}(") == 1
        assert stubs.count(f"\n{call.name}:\n") == 1
        assert stubs.count(f'.asciz  "{call.name}"\n') == 1


def test_every_struct_and_constant_has_one_place() -> None:
    text = "".join(headers.generated_headers().values())
    by_hand = "".join(path.read_text() for path in headers.INCLUDE.rglob("*.h"))
    for name in STRUCTS:
        assert text.count(f" {name};\n") - text.count(f"  {name} {name};\n") >= 1, name
    for name in vars(constants):
        if name.startswith("ZX_"):
            assert (text + by_hand).count(f"#define {name} ") == 1, name


def test_the_page_of_the_command_names_every_header_of_the_c_library() -> None:
    page = (Path(__file__).parents[2] / "docs/cli.md").read_text()
    for header in headers.INCLUDE.glob("*.h"):
        assert f"`<{header.name}>`" in page


def test_the_link_stub_is_the_vdso() -> None:
    assert shared_object(SYSCALLS)[:4] == b"\x7fELF"


@pytest.mark.usefixtures("compiler")
class TestWithCompiler:
    @pytest.mark.parametrize("suffix", [".c", ".cc"])
    def test_every_header_stands_alone_and_goes_with_all_others(
        self, cache: Path, tmp_path: Path, suffix: str
    ) -> None:
        if suffix == ".cc":
            try:
                cc.find_compiler(cxx=True)
            except cc.CompileError as error:
                pytest.skip(str(error))
        standard = "-std=c11" if suffix == ".c" else "-std=c++17"
        for header in HEADERS:
            text = f"#include <{header}>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
            _check(text, cache, tmp_path, suffix, standard)
        text = "".join(f"#include <{header}>\n" for header in HEADERS) + "int main(void) { return 0; }\n"
        _check(text, cache, tmp_path, suffix, standard)

    def test_structs_have_the_layout_of_the_table(self, cache: Path, tmp_path: Path) -> None:
        lines = ["#include <stddef.h>", "#include <zircon/syscalls.h>", "#include <zircon/processargs.h>"]
        for name, cls in STRUCTS.items():
            lines.append(f'_Static_assert(sizeof({name}) == {cls.SIZE}, "size of {name}");')
            lines.append(f'_Static_assert(_Alignof({name}) == {cls.ALIGN}, "alignment of {name}");')
            for field in cls.fields:
                path = {"zx_info_maps": "u.mapping"}.get(name[:12], field.name)
                member = path if field.name == "mapping" else field.name
                lines.append(
                    f'_Static_assert(offsetof({name}, {member}) == {field.offset}, "{name}.{field.name}");'
                )
        _check("\n".join([*lines, "int main(void) { return 0; }\n"]), cache, tmp_path, ".c")

    def test_constants_have_their_values(self, cache: Path, tmp_path: Path) -> None:
        lines = ["#include <zircon/syscalls.h>", "#include <zircon/processargs.h>"]
        for name, value in vars(constants).items():
            if name.startswith("ZX_") and isinstance(value, int):
                number = "(-9223372036854775807ll - 1)" if value == -(2**63) else f"{value}ll"
                number = f"{value}ull" if value >= 2**63 else number
                lines.append(f'_Static_assert({name} == {number}, "{name}");')
        _check("\n".join([*lines, "int main(void) { return 0; }\n"]), cache, tmp_path, ".c")

    def test_macros_with_arguments(self, cache: Path, tmp_path: Path) -> None:
        facts = [
            "ZX_CLOCK_ARGS_VERSION(1) == 1ull << 58",
            "ZX_CLOCK_ARGS_VERSION(65) == 1ull << 58",  # six bits of it
            "ZX_EXCP_IS_ARCH(ZX_EXCP_FATAL_PAGE_FAULT)",
            "!ZX_EXCP_IS_ARCH(ZX_EXCP_POLICY_ERROR)",
            "ZX_INFO_VMO_TYPE(0xffffu) == ZX_INFO_VMO_TYPE_PAGED",
            "ZX_INFO_VMO_TYPE(0xfffeu) == ZX_INFO_VMO_TYPE_PHYSICAL",
            "ZX_RSRC_EXTRACT_KIND(ZX_RSRC_KIND_SMC | ZX_RSRC_FLAG_EXCLUSIVE) == ZX_RSRC_KIND_SMC",
            "ZX_RSRC_EXTRACT_FLAGS(ZX_RSRC_KIND_SMC | ZX_RSRC_FLAG_EXCLUSIVE) == ZX_RSRC_FLAG_EXCLUSIVE",
            "PA_HND(PA_FD, 2) == 0x20030 && PA_HND_TYPE(0x20030) == PA_FD && PA_HND_ARG(0x20030) == 2",
        ]
        names = [
            name[12:] for name in vars(constants) if name.startswith("ZX_PKT_TYPE_") and name[12:] != "MASK"
        ]
        facts += [f"ZX_PKT_IS_{name}(ZX_PKT_TYPE_{name}) && !ZX_PKT_IS_{name}(0x80)" for name in names]
        assert "SIGNAL_ONE" in names
        lines = ["#include <zircon/syscalls.h>", "#include <zircon/processargs.h>"]
        lines += [f'_Static_assert({fact}, "");' for fact in facts]
        _check("\n".join([*lines, "int main(void) { return 0; }\n"]), cache, tmp_path, ".c")

    def test_every_call_links(self, cache: Path, tmp_path: Path, build) -> None:
        calls = "".join(f"(void*){prefix}{call.name}, " for call in SYSCALLS for prefix in ("", "_"))
        source = f"void* const all[] = {{{calls}}};\nint main(void) {{ return !all[0]; }}\n"
        assert build("#include <zircon/syscalls.h>\n" + source)

    def test_a_shared_object_links_against_the_vdso(
        self, compiler: cc.Compiler, cache: Path, tmp_path: Path
    ) -> None:
        source = tmp_path / "lib.c"
        source.write_text(
            "#include <zircon/syscalls.h>\nzx_status_t f(zx_handle_t h) { return zx_handle_close(h); }\n"
        )
        sdk = cc.build_sdk(compiler)
        cc.compile_program([source], tmp_path / "lib.o", ["-c", "-fPIC"])
        command = [*compiler.command, "-nostdlib", "-shared", "-Wl,-z,defs", f"-L{sdk / 'lib'}"]
        command += [str(tmp_path / "lib.o"), "-lzircon", "-o", str(tmp_path / "lib.so")]
        subprocess.run(command, check=True)
        assert load_elf((tmp_path / "lib.so").read_bytes()).needed == ("libzircon.so",)
