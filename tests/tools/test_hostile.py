"""Programs and files that mean harm: `jacinth run` bounds them, says so in one line, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tools.conftest import Build, jacinth

HEAD = "#include <threads.h>\n#include <zircon/process.h>\n#include <zircon/syscalls.h>\n"
WITHOUT_END = {
    "jobs": "int main(void) { zx_handle_t out; for (;;) zx_job_create(zx_job_default(), 0, &out); }",
    "processes": """int main(void) {
        zx_handle_t process, vmar;
        for (;;) zx_process_create(zx_job_default(), "x", 1, 0, &process, &vmar);
    }""",
    "threads": """
        static int sleeper(void* unused) { for (;;) zx_nanosleep(zx_deadline_after(1000)); return 0; }
        int main(void) { thrd_t thread; for (;;) thrd_create(&thread, sleeper, NULL); }
    """,
    "memory": """int main(void) {
        zx_handle_t vmo;
        for (;;) if (zx_vmo_create(1ul << 40, 0, &vmo) == ZX_OK) zx_vmo_write(vmo, "x", 1ul << 39, 1);
    }""",
    "messages": """int main(void) {
        static char bytes[65536];
        zx_handle_t a, b;
        for (;;) { zx_channel_create(0, &a, &b); for (int i = 0; i < 100; i++) zx_channel_write(a, 0, bytes, 65536, 0, 0); }
    }""",
    "log": """int main(void) {
        zx_handle_t log;
        zx_debuglog_create(ZX_HANDLE_INVALID, 0, &log);
        for (;;) zx_debuglog_write(log, 0, "again", 5);
    }""",
    "sleep": "int main(void) { zx_nanosleep(ZX_TIME_INFINITE - 1); return 0; }",
}
# Makes processes that die at once, named after a terminal's command, and then dies of too deep a recursion.
CRASHES = (
    HEAD
    + r"""
int deep(volatile int* n) { volatile int here[100]; here[0] = *n + 1; return deep(here) + here[0]; }
int main(void) {
  for (int i = 0; i < 8; i++) {
    zx_handle_t process, vmar, thread;
    zx_process_create(zx_job_default(), "\033[2Jx", 5, 0, &process, &vmar);
    zx_thread_create(process, "t", 1, 0, &thread);
    zx_process_start(process, thread, 0x1000000, 0x2000000, ZX_HANDLE_INVALID, 0);
    zx_object_wait_one(process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE, NULL);
  }
  int n = 0;
  return deep(&n);
}
"""
)


@pytest.mark.parametrize("name", WITHOUT_END)
def test_what_has_no_end_is_ended(build: Build, name: str) -> None:
    program = build(name, HEAD + WITHOUT_END[name])
    start = time.monotonic()
    done = jacinth("run", "--timeout", 0.7, "--memory", "16M", program)
    assert time.monotonic() - start < 20
    assert done.returncode in (124, 137, 139)
    assert "Traceback" not in done.stderr
    if done.returncode == 124:
        assert done.stderr.endswith(f"{program}: still running after 0.7 s: killed\n")


def test_a_time_limit_holds_in_virtual_time_too(build: Build) -> None:
    loop = build("forever", "int main(void) { for (;;) {} }")
    assert jacinth("run", "--virtual-time", "--seed", 1, "--timeout", 0.3, loop).returncode == 124


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("forever", "for (;;) {}"),
        ("asleep", "zx_nanosleep(zx_deadline_after(ZX_SEC(1000)));"),
        ("reads", "char b; read(0, &b, 1);"),
        ("calls", "for (;;) zx_thread_legacy_yield(0);"),
    ],
)
def test_ctrl_c_ends_whatever_it_does_quickly(build: Build, name: str, text: str) -> None:
    text = HEAD + '#include <unistd.h>\nint main(void) { write(1, ".", 1); ' + text + " return 0; }"
    command = [sys.executable, "-m", "jacinth", "run", str(build(name, text))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True) as process:
        assert process.stdout.read(1) == b"."  # type: ignore[union-attr]
        time.sleep(0.1)
        start = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        status = process.wait(20)
        assert (status, process.stdout.read(), process.stderr.read()) == (130, b"", b"")  # type: ignore[union-attr]
        assert time.monotonic() - start < 2


def test_what_a_program_has_started_ends_with_it(build: Build) -> None:
    text = """
        static int loop(void* unused) { for (;;) {} return 0; }
        int main(void) { thrd_t thread; thrd_create(&thread, loop, NULL); return 3; }
    """
    assert jacinth("run", "--timeout", 20, build("leaves", HEAD + text)).returncode == 3


def test_a_storm_of_crashes_is_short_and_commands_no_terminal(build: Build) -> None:
    done = jacinth("run", "--timeout", 20, build("crashes", CRASHES))
    assert done.returncode == 139
    assert "\033" not in done.stderr
    assert done.stderr.count("jacinth: \\x1b[2Jx[") == 8
    assert done.stderr.count("backtrace") == 5
    assert done.stderr.rstrip().endswith("(nothing is mapped there): stack overflow")


def test_special_files_are_no_programs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        done = jacinth("run", path)
        assert (done.returncode, done.stderr) == (126, f"jacinth: {path}: not a regular file\n")


def test_a_file_larger_than_memory(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    done = jacinth("run", tmp_path / "large")
    assert (done.returncode, done.stderr.split(": ")[-1]) == (126, "does not fit into 1G of memory\n")


def test_arguments_that_no_message_holds(build: Build) -> None:
    done = jacinth("run", build("idle", "int main(void) { return 0; }"), "x" * 70_000)
    assert done.returncode == 126
    assert done.stderr.endswith("arguments and environment are longer than 64 KiB\n")


def test_arguments_that_are_no_text(build: Build) -> None:
    program = build("third", "int main(int argc, char** argv) { return (unsigned char)argv[1][0]; }")
    done = subprocess.run(
        [sys.executable, "-m", "jacinth", "run", program, b"\xfe"], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0xFE, b"")


def _elf(*segments: tuple[int, int, int, int], entry: int = 0x1000000) -> bytes:
    """A program file with (vaddr, filesz, memsz, offset) segments that may be read and executed."""
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0
    )
    table = b"".join(
        struct.pack("<IIQQQQQQ", 1, 5, offset, vaddr, 0, filesz, memsz, 4096)
        for vaddr, filesz, memsz, offset in segments
    )
    return (header + table).ljust(4096, b"\0") + b"\x0f\x0b" * 2048


@pytest.mark.parametrize(
    "data",
    [
        _elf((0x1000000, 4096, 1 << 47, 4096)),  # larger than user space
        _elf((0x1000, 4096, 4096, 4096), entry=0x1000),  # below user space
        _elf((0x7FFFFFFFF000, 4096, 4096, 4096), entry=0x7FFFFFFFF000),
        _elf((0x1000000, 4096, 4096, 1 << 63)),
        _elf((0x1000000, 4096, 4096, 4096), (0x1000000, 4096, 4096, 4096)),
        _elf(*[(0x1000000 + 4096 * n, 0, 4096, 0) for n in range(60)], entry=0),
        _elf((0x1000000, 4096, 4096, 4096), entry=0x5000000),
        _elf(),
    ],
)
def test_impossible_programs_are_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "program"
    path.write_bytes(data)
    done = jacinth("run", "--memory", "16M", path)
    assert done.returncode == 126
    assert done.stderr.startswith(f"jacinth: {path}: ") and done.stderr.count("\n") == 1


def test_an_undefined_instruction_is_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(_elf((0x1000000, 4096, 4096, 4096)))
    done = jacinth("run", path)
    assert done.returncode == 139
    assert ": undefined instruction" in done.stderr and "-> 0x000001000000  0f 0b" in done.stderr


def test_damaged_programs_end_somehow_and_say_so(build: Build, tmp_path: Path) -> None:
    good = build("idle", "int main(void) { return 0; }").read_bytes()
    chance = random.Random(1)
    for number in range(12):
        data = bytearray(good)
        for _ in range(chance.choice((1, 4, 16))):
            data[chance.randrange(chance.choice((64, 512, len(data))))] = chance.randrange(256)
        path = tmp_path / f"damaged{number}"
        path.write_bytes(data)
        done = jacinth("run", "--timeout", 1, "--memory", "16M", path)
        assert "Traceback" not in done.stderr
        assert done.returncode not in (1, 2) or not done.stderr
