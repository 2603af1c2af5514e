"""The start library and the C library, on a CPU with no kernel but the few calls of `bare`."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest
from bare import Bare

from jacinth.abi import SYSCALLS
from jacinth.tools import cc
from jacinth.userboot.vdso import build_vdso

HERE = Path(__file__).parent
HELLO = HERE.parent.parent / "examples" / "c" / "hello.c"

pytestmark = pytest.mark.usefixtures("compiler")


@pytest.fixture(scope="session")
def bare() -> Bare:
    return Bare(SYSCALLS, build_vdso(SYSCALLS))


def test_hello(bare: Bare, build) -> None:
    outcome = bare.run(build(HELLO), [b"hello", b"two words"], [b"KEY=value"])
    assert outcome.output == (
        b"hello, world\nargc = 2\nargv[0] = hello\nargv[1] = two words\nenvironment: KEY=value\n"
        b'process "bare"\n'
    )
    assert outcome.exit_code == 0


def test_without_a_socket_output_goes_to_the_debuglog(bare: Bare, build) -> None:
    outcome = bare.run(build(HELLO), [b"hello"], socket=False)
    assert outcome.output.startswith(b"hello, world\n")
    assert "zx_debug_write" in outcome.calls


@pytest.mark.parametrize("flags", [(), ("-O0",), ("-no-pie",), ("-fstack-protector-all",)], ids=" ".join)
def test_the_library_checks_itself(bare: Bare, build, flags: tuple[str, ...]) -> None:
    outcome = bare.run(
        build(HERE / "library.c", flags=("-Wall", "-Wextra", "-Werror", *flags)),
        [b"p", b"one", b""],
        [b"A=b=c"],
    )
    assert outcome.output == b"(standard error)0 failures\natexit 2\natexit 1\ndestructor\n"
    assert outcome.exit_code == 0


@pytest.mark.usefixtures("cxx_compiler")
@pytest.mark.parametrize("flags", [(), ("-no-pie", "-O0")], ids=" ".join)
def test_cxx(bare: Bare, build, flags: tuple[str, ...]) -> None:
    outcome = bare.run(
        build(HERE / "library.cc", flags=("-std=c++17", "-Wall", "-Wextra", "-Werror", *flags))
    )
    assert outcome.output.decode().splitlines() == [
        "constructed 1 program",
        "9 9",
        "16",
        "~Square",
        "~Shape",
        "0 6",
        "6 ZX_ERR_BAD_HANDLE",
        "~Square",
        "~Shape",
        "global destroyed",
    ]
    assert outcome.exit_code == 0


@pytest.mark.usefixtures("cxx_compiler")
def test_c_and_cxx_sources_go_together(bare: Bare, build, tmp_path: Path) -> None:
    other = tmp_path / "other.cc"
    other.write_text('extern "C" int other() { return int{7}; }\n')
    # The C is no C++: the driver must not take it for that.
    program = build("int other(void);\nint main(void) { int class = other(); return class; }", other)
    assert bare.run(program).exit_code == 7


@pytest.mark.parametrize("code", [0, 1, -1, 255, 2**31 - 1, -(2**31)])
def test_the_exit_status_is_mains(bare: Bare, build, code: int) -> None:
    assert bare.run(build(f"int main(void) {{ return (int){code}L; }}")).exit_code == code


def test_no_bootstrap_strings_are_no_arguments(bare: Bare, build) -> None:
    source = "int main(int argc, char** argv, char** envp) { return argc != 0 || argv[0] || envp[0]; }"
    assert bare.run(build(source), [], []).exit_code == 0


def test_startup_handles_are_taken_once(bare: Bare, build) -> None:
    source = """
        #include <zircon/process.h>
        #include <zircon/processargs.h>
        int main(void) {
          if (zx_process_self() != 0x107 || zx_vmar_root_self() != 0x10b) return 1;
          if (zx_thread_self() != 0x10f) return 6;
          if (zx_job_default() != ZX_HANDLE_INVALID) return 2;
          if (zx_get_startup_handle(PA_HND(PA_USER0, 3)) != 0x11f) return 3;
          if (zx_take_startup_handle(PA_HND(PA_USER0, 3)) != 0x11f) return 4;
          if (zx_take_startup_handle(PA_HND(PA_USER0, 3)) != ZX_HANDLE_INVALID) return 5;
          return 0;
        }
    """
    assert bare.run(build(source), handles={0xF0 | 3 << 16: 0x11F}).exit_code == 0


def test_a_failed_assertion_says_where_and_traps(bare: Bare, build) -> None:
    source = (
        '#include <assert.h>\n#include <stdio.h>\nint main(void) { printf("before "); assert(1 == 2); }\n'
    )
    outcome = bare.run(build(source))
    assert b"before " in outcome.output and b":3: main: assertion failed: 1 == 2\n" in outcome.output
    assert outcome.trapped


def test_a_missing_call_answers_not_supported(build) -> None:
    source = """
        #include <zircon/syscalls.h>
        int main(void) { return zx_event_create(0, 0) == ZX_ERR_NOT_SUPPORTED ? 0 : 1; }
    """
    fewer = [call for call in SYSCALLS if call.name != "zx_event_create"]
    assert Bare(SYSCALLS, build_vdso(fewer)).run(build(source)).exit_code == 0


def test_only_what_is_used_is_linked(build) -> None:
    assert len(build("int main(void) { return 0; }", flags=("-s",))) < 16384


INTS = ["%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%8.3d", "%08.3d", "%.0d", "%i", "%hhd", "%hd"]
UNSIGNED = ["%u", "%x", "%#x", "%X", "%#X", "%o", "%#o", "%hhu", "%hx", "%#010x", "%#.0x", "%-12x|", "%.12u"]
DOUBLES = [
    "%f",
    "%.0f",
    "%.1f",
    "%.2f",
    "%10.3f",
    "%-10.3f|",
    "%010.3f",
    "%+f",
    "% f",
    "%.20f",
    "%.40f",
    "%#.0f",
]
DOUBLES += [
    "%e",
    "%.0e",
    "%.3e",
    "%15.2e",
    "%E",
    "%.30e",
    "%g",
    "%.0g",
    "%.3g",
    "%.17g",
    "%G",
    "%020g",
    "%-20g|",
]
VALUES = [
    "0.0",
    "-0.0",
    "1.0",
    "-1.5",
    "0.5",
    "2.5",
    "0.1",
    "1.0/3",
    "1e10",
    "1e15",
    "1e22",
    "1e23",
    "99999.95",
]
VALUES += [
    "123456789.125",
    "1e-5",
    "0.00012345",
    "9.9999995",
    "5e-324",
    "1.7976931348623157e308",
    "1e100",
    "8.5",
]
VALUES += ["2.2250738585072014e-308", "1234567.0", "0.045", "1.005", "1.0/0.0", "-1.0/0.0"]


def test_printf_prints_what_the_hosts_does(bare: Bare, build, compiler: cc.Compiler, tmp_path: Path) -> None:
    lines = [
        f'printf("{f}\\n", {v});'
        for f, v in itertools.product(INTS, ["0", "1", "-1", "-1234567", "2147483647"])
    ]
    lines += [
        f'printf("{f}\\n", {v}u);' for f, v in itertools.product(UNSIGNED, [0, 1, 255, 65536, 4294967295])
    ]
    lines += [f'printf("{f}\\n", {v});' for f, v in itertools.product(DOUBLES, VALUES)]
    lines += [
        'printf("%s|%10s|%-10s|%.2s|%.0s|%c|%%|%5c|%-3c|\\n", "abc", "abc", "abc", "abc", "abc",'
        " 65, 66, 67);",
        'printf("%ld %lld %lu %zu %zd %jd %td %lx\\n", -1L - 0x7fffffffffffffffL, 1LL << 62, -1UL,'
        " (size_t)123, (ssize_t)-5, (intmax_t)-7, (ptrdiff_t)99, 0xdeadbeefcafeul);",
        'printf("%p|%20p|%-20p|\\n", (void*)0x1234, (void*)0x1234, (void*)-1L);',
        'printf("%*d|%-*d|%.*f|%*s|%.*d\\n", 6, 42, 6, 42, 2, 3.14159, -8, "left", -1, 7);',
        'printf("%Lf %.3Lg\\n", 1.5L, 2.25L);',
        'char buffer[8]; int n = snprintf(buffer, 8, "%s", "a long string"); printf("%d %s\\n", n, buffer);',
        'n = snprintf((char*)0, 0, "%d", 12345); printf("%d\\n", n);',
    ]
    source = (
        "#include <stdint.h>\n#include <stddef.h>\n#include <stdio.h>\n#include <unistd.h>\n"
        "int main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    )
    native = tmp_path / "native"
    path = tmp_path / "native.c"
    path.write_text(source)
    done = subprocess.run([*compiler.command, "-w", "-O0", "-fno-builtin", path, "-o", native], check=False)
    if done.returncode != 0:
        pytest.skip("the host's compiler makes no programs for the host")
    expected = subprocess.run([native], capture_output=True, check=True).stdout.decode().splitlines()
    actual = bare.run(build(source, flags=("-w", "-O0"))).output.decode().splitlines()
    assert actual == expected
