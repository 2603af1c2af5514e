"""The compiler's C++ library in programs for Jacinth, and what a C++ compiler calls by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from bare import Bare
from test_on_kernel import run

from jacinth.abi import SYSCALLS, ZX_TASK_RETCODE_EXCEPTION_KILL
from jacinth.api.kernel import Kernel
from jacinth.tools import cc
from jacinth.userboot.vdso import build_vdso

HERE = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("cxx_compiler", "cache")

# What docs/cli.md promises.
FREESTANDING = [
    *("atomic", "bit", "cfloat", "climits", "compare", "concepts", "coroutine", "cstdarg", "cstddef"),
    *("cstdint", "exception", "initializer_list", "limits", "new", "numbers", "source_location", "tuple"),
    *("type_traits", "typeinfo", "utility", "version"),
]
OURS = ["cassert", "cctype", "cinttypes", "cstdio", "cstdlib", "cstring"]
MORE = [
    *("algorithm", "any", "array", "bitset", "deque", "forward_list", "functional", "iterator", "memory"),
    *("numeric", "optional", "queue", "ranges", "ratio", "span", "stack", "string", "string_view", "variant"),
    "vector",
]
SINCE_20 = {"bit", "compare", "concepts", "coroutine", "numbers", "ranges", "source_location", "span"}

STRICT = ("-Wall", "-Wextra", "-Werror")

Compile = Callable[..., bytes]


@pytest.fixture
def compile_cxx(build: Compile) -> Compile:
    return functools.partial(build, suffix=".cc")


@pytest.mark.parametrize("header", [*FREESTANDING, *OURS, *MORE])
def test_a_header_of_the_library_stands_alone(compile_cxx: Compile, header: str) -> None:
    compile_cxx(f"#include <{header}>\nint main() {{}}\n", flags=(*STRICT, "-c"))


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
def test_all_headers_go_together_and_with_those_of_zircon(compile_cxx: Compile, standard: str) -> None:
    wanted = [name for name in (*FREESTANDING, *OURS, *MORE) if "20" in standard or name not in SINCE_20]
    wanted += [
        "assert.h",
        "ctype.h",
        "inttypes.h",
        "jacinth.h",
        "limits.h",
        "stdio.h",
        "stdlib.h",
        "string.h",
    ]
    wanted += ["threads.h", "unistd.h", "zircon/syscalls.h", "zircon/process.h"]
    for order in (wanted, wanted[::-1]):
        text = "".join(f"#include <{name}>\n" for name in order)
        compile_cxx(text + "int main() { abort(); }\n", flags=(f"-std={standard}", *STRICT))


@pytest.mark.parametrize("flags", [(), ("-O0",), ("-no-pie",), ("-D_GLIBCXX_ASSERTIONS",)], ids=" ".join)
def test_the_library_works_on_the_kernel(k: Kernel, compile_cxx: Compile, flags: tuple[str, ...]) -> None:
    program = compile_cxx(HERE / "cxx_headers.cc", flags=("-w", *flags))
    ended = run(k, program, [b"cxx"])
    begin, end = ["+early", "+first", "+second"], ["-second", "-first", "-early"]
    assert ended.output.decode().splitlines() == [*begin, "+placed", "-placed", "0 failures", *end]
    assert ended.code == 0


@pytest.mark.parametrize("suffix", [".c", ".cc"])
def test_main_without_a_return_ends_with_success(build: Compile, suffix: str) -> None:
    source = '#include <stdio.h>\nint main(void) { printf("a long line of output\\n"); }\n'
    outcome = Bare(SYSCALLS, build_vdso(SYSCALLS)).run(build(source, suffix=suffix))
    assert (outcome.output, outcome.exit_code) == (b"a long line of output\n", 0)


def test_static_objects_of_files_are_constructed_in_the_order_of_the_files(
    k: Kernel, compile_cxx: Compile
) -> None:
    text = "#include <cstdio>\nstatic struct Noted {{ Noted() {{ std::puts({0}); }} }} noted;\n"
    files = [text.format(f'"{number}"') for number in (1, 2, 3)]
    assert run(k, compile_cxx(*files, "int main() {}\n"), [b"order"]).output == b"1\n2\n3\n"


def test_thread_local_objects_are_destroyed_with_their_thread_the_newest_first(
    k: Kernel, compile_cxx: Compile
) -> None:
    source = """
        #include <cstdio>
        #include <threads.h>
        struct Noted {
          explicit Noted(const char* name) : name(name) {}
          ~Noted() { std::printf("%s of %s\\n", name, thread); }
          const char *name, *thread = "main";
        };
        thread_local Noted one("one"), two("two");
        int body(void* name) { return one.thread = two.thread = static_cast<const char*>(name), 0; }
        int main() {
          static Noted last("static");
          one.thread = "main";
          thrd_t thread;
          thrd_create(&thread, body, const_cast<char*>("first"));
          thrd_join(thread, nullptr);
          thrd_create(&thread, body, const_cast<char*>("second"));
          thrd_join(thread, nullptr);
          thrd_create(&thread, [](void*) { thrd_exit(body(const_cast<char*>("third"))); return 0; }, nullptr);
          thrd_join(thread, nullptr);
        }
    """
    threads = ["first", "second", "third", "main"]
    expected = [f"{name} of {thread}" for thread in threads for name in ("two", "one")]
    assert run(k, compile_cxx(source), [b"tls"]).output.decode().splitlines() == [*expected, "static of main"]


def test_a_program_may_have_its_own_new_and_delete(k: Kernel, compile_cxx: Compile) -> None:
    source = """
        #include <cstdio>
        #include <memory>
        #include <new>
        alignas(16) static char room[64];
        void* operator new(std::size_t size) { return std::printf("new %zu\\n", size), room; }
        void operator delete(void*) noexcept { std::puts("delete"); }
        void operator delete(void*, std::size_t) noexcept { std::puts("delete"); }
        int main() { auto one = std::make_unique<long>(1); }
    """
    assert run(k, compile_cxx(source), [b"new"]).output == b"new 8\ndelete\n"


FATAL = {
    "pure virtual": (
        "struct Base { Base() { call(); } void call() { pure(); } virtual void pure() = 0; };\n"
        "struct Derived : Base { void pure() override {} };\nint main() { Derived derived; }\n",
        "pure virtual function called\n",
    ),
    "out of range": (
        "#include <vector>\nint main(int argc, char**) { return std::vector<int>{1}.at(argc + 6); }\n",
        "std::out_of_range: vector::_M_range_check: __n (which is 7) >= this->size() (which is 1)\n",
    ),
    "length": (
        "#include <string>\nint main() { std::string s; s.reserve(s.max_size() + 1); }\n",
        "std::length_error: basic_string::_M_create\n",
    ),
    "empty function": (
        "#include <functional>\nint main() { std::function<int()> none; return none(); }\n",
        "std::bad_function_call\n",
    ),
    "out of memory": (
        "int main() { return *new char[1ul << 50]; }\n",
        "std::bad_alloc\n",
    ),
}


@pytest.mark.parametrize("case", FATAL)
def test_what_would_throw_says_so_and_ends_the_program(k: Kernel, compile_cxx: Compile, case: str) -> None:
    source, line = FATAL[case]
    ended = run(k, compile_cxx(source, flags=("-O0",)), [b"fatal"])
    assert ended.output.decode() == line
    assert ended.code == ZX_TASK_RETCODE_EXCEPTION_KILL


@pytest.mark.parametrize(
    "header", ["pthread.h", "sys/socket.h", "features.h", "errno.h", "iostream", "thread"]
)
def test_the_hosts_headers_are_out_of_reach(compile_cxx: Compile, header: str) -> None:
    with pytest.raises(cc.CompileError):
        compile_cxx(f"#include <{header}>\nint main() {{}}\n")


def test_a_c_program_does_not_see_what_is_there_for_cxx(build: Compile) -> None:
    with pytest.raises(cc.CompileError):
        build("#include <cstdint>\nint main(void) { return 0; }\n")


def test_a_compiler_without_libstdcxx_is_told_in_one_line(cxx_compiler: cc.Compiler, tmp_path: Path) -> None:
    script = tmp_path / "bare++"
    script.write_text(f'#!/bin/sh\nexec {cxx_compiler.command[0]} -nostdinc++ "$@"\n')
    script.chmod(0o755)
    source = tmp_path / "source.cc"
    source.write_text("#include <stdint.h>\nint main() { return int32_t{}; }\n")
    cc.compile_program([source], tmp_path / "program", compiler=str(script))  # it does without
    source.write_text("#include <cstdint>\nint main() {}\n")
    with pytest.raises(cc.CompileError) as caught:
        cc.compile_program([source], tmp_path / "program", compiler=str(script))
    assert str(caught.value) == (
        f"{script} failed with exit code 1; "
        "it has no headers of libstdc++ (<cstdint> and the like): install them for it"
    )
