"""What is left of a program that an exception has ended."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.kernel import Kernel
from jacinth.tools.crash import CrashReporter
from jacinth.userboot.launch import launch
from tests.tools.conftest import Build

FRAMES = ("-fno-omit-frame-pointer", "-fno-optimize-sibling-calls")


def report(program: Path) -> str:
    out = io.StringIO()
    data = program.read_bytes()
    with Kernel(seed=0, virtual_time=True, memory=64 << 20, strict=True) as kernel:
        kernel.observers.append(CrashReporter(kernel, data, out))
        started = launch(
            kernel.host, kernel.vdso, data, job=kernel.host.root_job, name=b"program", args=[b"x"]
        )
        kernel.host.sys.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "body", "headline"),
    [
        ("read", "return *(volatile int*)(long)(argc * 16);", "fatal page fault: read of 0x10 (nothing is mapped there)"),
        ("write", "*(volatile int*)(long)&main = argc;", r"fatal page fault: write to 0x[0-9a-f]+ (the mapping forbids it)"),
        ("jump", "((void (*)(void))0x3000000)();", "fatal page fault: execution of 0x3000000 (nothing is mapped there)"),
        ("stack", "((void (*)(void))(long)&argc)();", r"fatal page fault: execution of 0x[0-9a-f]+ (the mapping forbids it)"),
        ("divide", "volatile int n = argc - 1; return argc / n;", "general exception: divide error"),
        ("halt", '__asm__ volatile("hlt");', "general exception: general protection"),
        ("undefined", '__asm__ volatile("ud2");', "undefined instruction"),
        ("breakpoint", '__asm__ volatile("int3");', "software breakpoint"),
        ("syscall", '__asm__ volatile("syscall" : : "a"(7));', "policy error: system call 7 made outside the vDSO"),
    ],
)  # fmt: skip
def test_the_first_line_says_what_happened_and_why(build: Build, name: str, body: str, headline: str) -> None:
    text = report(build(f"crash_{name}", f"int main(int argc, char** argv) {{ {body} return 0; }}", "-w"))
    pattern = headline.replace("(", r"\(").replace(")", r"\)")
    assert re.fullmatch(rf"jacinth: program\[\d+\.\d+\]: {pattern}", text.splitlines()[0])


CALLS = """
static int* volatile nowhere;
__attribute__((noinline)) int third(int x) { *nowhere = x; return x; }
__attribute__((noinline)) int second(int x) { return third(x + 1) + 1; }
__attribute__((noinline)) int first(int x) { return second(x + 1) + 1; }
int main(int argc, char** argv) { return first(0x4321); }
"""


def test_a_backtrace_names_every_caller(build: Build) -> None:
    text = report(build("calls_down", CALLS, *FRAMES))
    frames = re.findall(r"^  #\d+ +0x[0-9a-f]+ (\w+)\+0x", text, re.MULTILINE)
    assert frames[:4] == ["third", "second", "first", "main"]


def test_registers_instructions_and_maps_are_shown(build: Build) -> None:
    text = report(build("calls_down", CALLS, *FRAMES))
    assert re.search(r"rdi 0x0000000000004323", text)
    pc = re.search(r"rip 0x0*([0-9a-f]+)", text)
    assert pc is not None
    at_fault = re.search(r"^  -> 0x0*([0-9a-f]+)  [0-9a-f ]+ mov dword ptr \[r..\], edi$", text, re.MULTILINE)
    assert at_fault is not None and at_fault[1] == pc[1]
    before, _, _ = text.partition("  -> ")
    assert re.search(r" 0x[0-9a-f]+  [0-9a-f ]+ mov ", before.splitlines()[-1]), (
        "an instruction of the same function, before the one at fault"
    )
    for line in ("r-x program:text", "rw- program:data", "rw- stack", "r-x vdso"):
        assert line in text


def test_a_fault_below_the_stack_is_called_an_overflow(build: Build) -> None:
    text = "int deep(volatile int* n) { volatile int here[99]; here[0] = *n; return deep(here) + here[0]; }\n"
    text += "int main(void) { int n = 0; return deep(&n); }"
    assert (
        report(build("too_deep", text, "-w"))
        .splitlines()[0]
        .endswith("(nothing is mapped there): stack overflow")
    )


def test_damaged_symbols_cost_only_names(build: Build, tmp_path: Path) -> None:
    good = build("calls_down", CALLS, *FRAMES).read_bytes()
    sections = int.from_bytes(good[0x28:0x30], "little")
    damaged = tmp_path / "damaged"
    damaged.write_bytes(good[:sections] + b"\xff" * (len(good) - sections))
    assert "program:text+0x" in report(damaged)
