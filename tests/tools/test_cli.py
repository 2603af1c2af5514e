"""The command line as a person uses it: what is printed where, and the exit status."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jacinth import Kernel
from jacinth.abi import SYSCALLS
from jacinth.api.machine import NoEngine
from jacinth.tools import syscalls_table
from jacinth.tools.cc import compile_program
from jacinth.version import __version__
from tests.examples.test_examples import needs_compiler
from tests.system import fxt_reader

PROGRAMS = {
    "crash": """
        #include <stdio.h>
        static int* volatile nowhere;
        __attribute__((noinline)) void inner(int x) { *nowhere = x; }
        int main(void) { puts("before"); inner(3); puts("after"); return 0; }
    """,
    "echo": """
        #include <stdio.h>
        #include <unistd.h>
        int main(void) { char b[64]; long n; while ((n = read(0, b, sizeof b)) > 0) write(1, b, n); return 7; }
    """,
    "loop": "int main(void) { for (;;); }",
    "loud_loop": '#include <stdio.h>\nint main(void) { puts("started"); for (;;); }',
    "status": """
        #include <stdlib.h>
        #include <zircon/syscalls.h>
        int main(int argc, char** argv) { zx_process_exit(atol(argv[1])); }
    """,
    "streams": """
        #include <stdio.h>
        #include <zircon/syscalls.h>
        int main(void) { fprintf(stderr, "to stderr\\n"); printf("to stdout\\n"); zx_debug_write("to the log\\n", 11); return 0; }
    """,
    "stuck": """
        #include <zircon/syscalls.h>
        int main(void) {
          zx_handle_t event;
          zx_event_create(0, &event);
          return zx_object_wait_one(event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE, NULL);
        }
    """,
    "greedy": """
        #include <stdio.h>
        #include <zircon/process.h>
        #include <zircon/syscalls.h>
        int main(void) {
          zx_handle_t vmo;
          zx_vmo_create(1ul << 30, 0, &vmo);
          printf("%s\\n", zx_status_get_string(zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, 1ul << 30, NULL, 0)));
          zx_vaddr_t at;
          zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 1ul << 30, &at);
          for (unsigned long i = 0; i < 1ul << 30; i += 4096) *(volatile char*)(at + i) = 1;
          return 0;
        }
    """,
    "bomb": """
        #include <zircon/process.h>
        #include <zircon/syscalls.h>
        int main(void) {
          zx_handle_t job = zx_job_default(), next;
          for (;;) if (zx_job_create(job, 0, &next) == ZX_OK && zx_job_create(next, 0, &next) == ZX_OK) job = zx_job_default();
        }
    """,
    "environment": """
        #include <stdio.h>
        #include <unistd.h>
        int main(void) { for (char** e = environ; *e; e++) puts(*e); return 0; }
    """,
}


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("programs")
    for name, text in PROGRAMS.items():
        source = directory / f"{name}.c"
        source.write_text(text)
        compile_program(
            [source], directory / name, ["-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]
        )
    return directory


def jacinth(*arguments: object, stdin: bytes = b"", timeout: float = 60) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jacinth", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, input=stdin, timeout=timeout)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr.strip()


# What cannot be run


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = jacinth("run", tmp_path / "nothing")
    assert done.returncode == 127
    assert one_line(done).endswith("nothing: no such file")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not an ELF file"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF\x02\x01\x01", "too short"),
        (b"\x7fELF\x01\x01\x01" + bytes(200), "32"),
    ],
)
def test_a_file_that_is_no_program(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    done = jacinth("run", path)
    assert done.returncode == 126
    assert fault in one_line(done)


def test_a_directory(tmp_path: Path) -> None:
    done = jacinth("run", tmp_path)
    assert done.returncode == 126
    assert "is a directory" in one_line(done)


def test_a_program_of_this_host() -> None:
    done = jacinth("run", "/bin/true")
    assert done.returncode == 126
    assert "/bin/true: " in one_line(done)


@needs_compiler
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries leave no word of it")
def test_a_static_program_of_this_host(tmp_path: Path) -> None:
    """It crashed, thirty lines long, at the first thing that it looked for and that Zircon's programs do not get."""
    (tmp_path / "main.c").write_text("int main(void) { return 0; }")
    if subprocess.run(
        ["cc", "-static", "main.c", "-o", "main"], cwd=tmp_path, capture_output=True
    ).returncode:
        pytest.skip("no static C library")
    done = jacinth("run", tmp_path / "main")
    assert done.returncode == 126
    assert one_line(done).endswith("main: a program for Linux: compile it with `jacinth cc`")


def test_an_engine_of_the_environment_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was taken for `auto`."""
    monkeypatch.setenv("JACINTH_ENGINE", "steam")
    with pytest.raises(NoEngine, match="JACINTH_ENGINE is 'steam': it may be auto, native, portable"):
        Kernel()
    monkeypatch.setenv("JACINTH_ENGINE", "")
    Kernel().close()
    with pytest.raises(NoEngine, match="no engine is called 'steam'"):
        Kernel(engine="steam")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [("--memory", "3"), ("--memory", "lots"), ("--memory", "-1"), ("--timeout", "0"), ("--timeout", "x"), ("--timeout", "nan"),
     ("--seed", "x"), ("--engine", "steam"), ("--env", "novalue"), ("--trace-to", "/no/such/place"),
     ("--ktrace", "/no/such/place"), ("--nonsense",)],
)  # fmt: skip
def test_absurd_options_are_one_error_and_status_2(options: tuple[str, ...]) -> None:
    done = jacinth("run", *options, "/bin/true")
    assert done.returncode == 2
    assert "Error: " in done.stderr and "Traceback" not in done.stderr


# What runs


@needs_compiler
@pytest.mark.parametrize(("code", "status"), [(0, 0), (7, 7), (255, 255), (256, 0), (-1, 255), (-1024, 137)])
def test_the_exit_status_is_the_programs(programs: Path, code: int, status: int) -> None:
    assert jacinth("run", programs / "status", code).returncode == status


@needs_compiler
def test_output_goes_where_it_belongs(programs: Path) -> None:
    done = jacinth("run", programs / "streams")
    assert (done.stdout, done.stderr, done.returncode) == ("to stdout\n", "to stderr\nto the log\n", 0)


@needs_compiler
def test_input_reaches_the_program(programs: Path) -> None:
    done = jacinth("run", programs / "echo", stdin=b"one\ntwo\n" * 1000)
    assert (done.stdout, done.returncode) == ("one\ntwo\n" * 1000, 7)


@needs_compiler
def test_a_program_that_does_not_read_leaves_the_input_alone(programs: Path) -> None:
    command = f"{shlex.quote(sys.executable)} -m jacinth run {programs / 'status'} 0; cat"
    done = subprocess.run(["sh", "-c", command], input=b"still here", capture_output=True, timeout=60)
    assert done.stdout == b"still here"


@needs_compiler
def test_the_environment_is_what_the_options_say(programs: Path) -> None:
    assert jacinth("run", "--env", "A=1", "--env", "B=x=y", programs / "environment").stdout == "A=1\nB=x=y\n"
    assert jacinth("run", programs / "environment").stdout == ""


@needs_compiler
def test_a_crash_is_reported(programs: Path) -> None:
    done = jacinth("run", programs / "crash")
    assert (done.stdout, done.returncode) == ("before\n", 139)
    report = done.stderr
    assert "fatal page fault: write to 0x0 (nothing is mapped there)" in report
    assert "rip 0x" in report and "-> 0x" in report
    assert "inner+0x" in report and "main+0x" in report
    assert "r-x crash:text" in report and "rw- stack" in report


# What is bounded


@needs_compiler
def test_a_loop_ends_at_the_timeout(programs: Path) -> None:
    done = jacinth("run", "--timeout", "0.3", programs / "loop")
    assert done.returncode == 124
    assert one_line(done).endswith("still running after 0.3 s: killed")


@needs_compiler
def test_jobs_without_end_end_at_the_timeout(programs: Path) -> None:
    assert jacinth("run", "--timeout", "0.5", programs / "bomb").returncode == 124


@needs_compiler
def test_memory_is_bounded(programs: Path) -> None:
    done = jacinth("run", "--memory", "16M", programs / "greedy")
    assert done.stdout == "ZX_ERR_NO_MEMORY\n"
    assert done.returncode == 139
    assert "out of memory" in done.stderr


@needs_compiler
def test_a_program_that_waits_for_ever_is_told_of(programs: Path) -> None:
    done = jacinth("run", programs / "stuck")
    assert done.returncode == 125
    first, thread = done.stderr.splitlines()
    assert first.endswith("every thread waits, and nothing is left that could wake one")
    assert '"stuck", "initial-thread": ZX_THREAD_STATE_BLOCKED_WAIT_ONE' in thread


@needs_compiler
def test_ctrl_c_ends_the_program(programs: Path) -> None:
    command = [sys.executable, "-m", "jacinth", "run", str(programs / "loud_loop")]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == b"started\n"
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, b"")


# Traces


@needs_compiler
def test_a_trace_has_a_line_for_each_call(programs: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert jacinth("run", "--trace-to", trace, programs / "streams").returncode == 0
    lines = trace.read_text().splitlines()
    assert any(
        "zx_socket_write(" in line and 'buffer="to stdout\\n"' in line and "= ZX_OK -> actual=10" in line
        for line in lines
    )
    assert lines[-2].endswith("zx_process_exit(retcode=0)")
    assert lines[-1].endswith('+++ "streams" ended with 0 +++')


@needs_compiler
@pytest.mark.portable("a turn ends by the host's time on it, and the clock moves with it")
def test_two_traces_with_one_seed_are_the_same(programs: Path) -> None:
    run = ("run", "--trace", "--seed", "5", "--virtual-time", programs / "streams")
    first, second = jacinth(*run), jacinth(*run)
    assert first.stderr == second.stderr and "zx_" in first.stderr


@needs_compiler
@pytest.mark.portable("a turn ends by the host's time on it, and shows in the trace")
def test_two_traces_of_the_kernel_with_one_seed_are_the_same(programs: Path, tmp_path: Path) -> None:
    traces = []
    for file in (tmp_path / "first.fxt", tmp_path / "second.fxt"):
        run = ("run", "--seed", 5, "--virtual-time", "--ktrace", file, programs / "streams")
        assert jacinth(*run).returncode == 0
        traces.append(file.read_bytes())
    assert traces[0] == traces[1]


@needs_compiler
def test_the_kernels_trace_goes_to_a_file_however_the_program_ends(programs: Path, tmp_path: Path) -> None:
    for name, status in (("streams", 0), ("crash", 139)):
        file = tmp_path / f"{name}.fxt"
        done = jacinth("run", "--seed", 5, "--virtual-time", "--ktrace", file, programs / name)
        assert done.returncode == status
        trace = fxt_reader.read(file.read_bytes())
        fxt_reader.check_durations(trace)
        assert {b"host", name.encode(), b"initial-thread"} <= set(trace.names().values())
        assert trace.events("kernel:syscall", "socket_write") and trace.of(fxt_reader.ContextSwitch)


@needs_compiler
def test_a_long_trace_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "long.c"
    source.write_text(
        "#include <zircon/syscalls.h>\nint main(void) { for (int i = 0; i < 300000; i++) zx_handle_close(0); return 0; }"
    )
    compile_program([source], tmp_path / "long", [])
    file = tmp_path / "long.fxt"
    assert jacinth("run", "--ktrace", file, tmp_path / "long").returncode == 0
    trace = file.read_bytes()
    assert len(trace) > (1 << 24)
    calls = fxt_reader.read(trace).events("kernel:syscall", "handle_close")
    assert len(calls) >= 600_000


# The other commands


def test_version() -> None:
    assert jacinth("--version").stdout == f"jacinth, version {__version__}\n"


@pytest.mark.parametrize("command", ["run", "cc", "syscalls"])
def test_every_command_explains_itself(command: str) -> None:
    done = jacinth(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith("Usage: ")


def test_syscalls_lists_every_call() -> None:
    lines = jacinth("syscalls").stdout.splitlines()
    assert len([line for line in lines if " zx_" in line]) == len(SYSCALLS)
    assert lines[-1] == syscalls_table.summary()


def test_the_page_of_system_calls_is_current() -> None:
    command = "run: python -m jacinth.tools.syscalls_table"
    assert syscalls_table.PAGE.read_text() == syscalls_table.markdown() + "\n", command
    page = syscalls_table.README.read_text()
    assert page == syscalls_table.readme(page), command


def test_cc_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "a.c"
    source.write_text("int main(void) { return 0; }")
    assert "no such file" in one_line(jacinth("cc", tmp_path / "b.c", "-o", tmp_path / "b"))
    assert jacinth("cc", source).returncode == 2
    monkeypatch.setenv("CC", "no-such-compiler")
    done = jacinth("cc", source, "-o", tmp_path / "a")
    assert done.returncode == 1
    assert "no C compiler" in one_line(done)


@needs_compiler
def test_cc_takes_an_output_that_is_one_word_with_its_option(tmp_path: Path) -> None:
    (tmp_path / "x.c").write_text("int main(void) { return 0; }")
    done = jacinth("cc", tmp_path / "x.c", f"-o{tmp_path / 'x'}")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "x").exists()


@needs_compiler
def test_cc_passes_flags_through(tmp_path: Path) -> None:
    source = tmp_path / "a.c"
    source.write_text("int main(void) { return N; }")
    assert jacinth("cc", source, "-DN=9", "-fno-inline", "-o", tmp_path / "a").returncode == 0
    assert jacinth("run", tmp_path / "a").returncode == 9


@needs_compiler
def test_a_call_that_waits_is_traced_when_it_returns(tmp_path: Path) -> None:
    source = tmp_path / "sleep.c"
    source.write_text(
        "#include <zircon/syscalls.h>\nint main(void) { return zx_nanosleep(zx_deadline_after(ZX_MSEC(1))); }"
    )
    compile_program([source], tmp_path / "sleep")
    done = jacinth("run", "--trace", "--virtual-time", tmp_path / "sleep")
    assert done.returncode == 0
    assert any(
        "zx_nanosleep(deadline=" in line and line.endswith("= ZX_OK") for line in done.stderr.splitlines()
    )
