"""Standard input, output and error between a program and the descriptors of the host."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.kernel import Kernel
from jacinth.userboot.console import Console
from jacinth.userboot.launch import launch
from tests.tools.conftest import Build, jacinth

# Copies its input to its output.
ECHO = r"""
#include <unistd.h>
int main(void) {
  char bytes[100000];
  long size;
  while ((size = read(0, bytes, sizeof(bytes))) > 0) write(1, bytes, (unsigned long)size);
  return 7;
}
"""
# Asks for input again and again, and never waits for it.
POLL = r"""
#include <stdio.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
zx_handle_t __jx_stdio_handle(int fd);
int main(void) {
  char bytes[16];
  size_t size;
  zx_status_t status;
  while ((status = zx_socket_read(__jx_stdio_handle(0), 0, bytes, sizeof(bytes), &size)) != ZX_ERR_PEER_CLOSED) {
    if (status == ZX_OK) printf("%.*s", (int)size, bytes);
    else zx_nanosleep(zx_deadline_after(ZX_USEC(100)));
  }
  return 0;
}
"""
BUSY = r"""
#include <stdio.h>
#include <threads.h>
static int spin(void* unused) { for (;;) {} return 0; }
int main(void) {
  thrd_t thread;
  thrd_create(&thread, spin, NULL);
  char line[64];
  fgets(line, sizeof(line), stdin);
  printf("got %s", line);
  return 0;
}
"""
KILLED = r"""
#include <stdio.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
int main(void) {
  for (int i = 0; i < 2000; i++) printf("line %d\n", i);
  zx_task_kill(zx_process_self());
}
"""
STREAMS = r"""
#include <stdio.h>
#include <zircon/syscalls.h>
int main(void) {
  for (int i = 0; i < 3; i++) {
    printf("out %d\n", i);
    fprintf(stderr, "err %d\n", i);
  }
  zx_debug_write("log\n", 4);
  zx_handle_t log;
  if (zx_debuglog_create(ZX_HANDLE_INVALID, 0, &log) == ZX_OK) zx_debuglog_write(log, 0, "said", 4);
  return 0;
}
"""


def in_process(program: Path, fds: tuple[int, int, int]) -> None:
    with Kernel(seed=0, virtual_time=True, memory=64 << 20, strict=True) as kernel:
        console = Console(kernel, kernel.host, fds)
        data, job = program.read_bytes(), kernel.host.root_job
        started = launch(
            kernel.host,
            kernel.vdso,
            data,
            job=job,
            name=b"program",
            args=[b"program"],
            handles=console.handles,
        )
        kernel.host.sys.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
        console.close()


def test_megabytes_arrive_whole_and_in_order(build: Build) -> None:
    data = b"".join(b"%d\n" % n for n in range(300_000))
    command = [sys.executable, "-m", "jacinth", "run", str(build("echo", ECHO))]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    assert done.stdout == data
    assert (done.stderr, done.returncode) == (b"", 7)


def test_output_of_a_killed_program_is_complete(build: Build) -> None:
    done = jacinth("run", build("killed", KILLED))
    assert done.stdout.splitlines() == [f"line {n}" for n in range(2000)]
    assert done.returncode == 137
    assert done.stderr.endswith("killed (ZX_TASK_RETCODE_SYSCALL_KILL)\n")


def test_streams_and_logs_that_go_one_way_are_in_order(build: Build) -> None:
    command = f"{shlex.quote(sys.executable)} -m jacinth run --virtual-time {build('streams', STREAMS)} 2>&1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, timeout=60)
    *lines, record = done.stdout.decode().splitlines()
    assert lines == ["out 0", "err 0", "out 1", "err 1", "out 2", "err 2", "log"]
    assert record.startswith("[00001.0") and record.endswith("> said")


def test_input_comes_to_one_thread_while_another_is_busy(build: Build) -> None:
    for options in ([], ["--virtual-time"]):
        command = [
            sys.executable,
            "-m",
            "jacinth",
            "run",
            "--timeout",
            "20",
            *options,
            str(build("busy", BUSY)),
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None and process.stdout is not None
            time.sleep(0.5)
            process.stdin.write(b"late\n")
            process.stdin.flush()
            assert process.stdout.read() == b"got late\n"
            assert process.wait(30) == 0


def test_a_program_that_polls_gets_its_input(build: Build) -> None:
    done = jacinth("run", "--timeout", 20, build("poll", POLL), stdin=b"here it is, and more\n")
    assert (done.stdout, done.returncode) == ("here it is, and more\n", 0)


def test_input_is_taken_only_when_it_is_wanted(build: Build) -> None:
    program = build("idle", "int main(void) { return 0; }")
    ours, theirs = os.pipe()
    os.write(theirs, b"for somebody else")
    null = os.open(os.devnull, os.O_WRONLY)
    in_process(program, (ours, null, null))
    os.close(theirs)
    assert os.read(ours, 100) == b"for somebody else"
    os.close(ours)
    os.close(null)


def test_a_slow_reader_of_a_descriptor_that_does_not_block_gets_everything(build: Build) -> None:
    data = b"0123456789abcdef" * 20_000
    source, target = os.memfd_create("input"), os.pipe()
    os.write(source, data)
    os.lseek(source, 0, os.SEEK_SET)
    os.set_blocking(target[1], False)
    got = bytearray()

    def read() -> None:
        while part := os.read(target[0], 30_000):
            time.sleep(0.002)
            got.extend(part)

    reader = threading.Thread(target=read)
    reader.start()
    in_process(build("echo", ECHO), (source, target[1], target[1]))
    os.close(target[1])
    reader.join(30)
    os.close(target[0])
    os.close(source)
    assert bytes(got) == data


@pytest.mark.parametrize(
    ("redirection", "status"), [("| head -n 1", 0), ("> /dev/full", 125), (">&-", 0), ("2>&-", 0)]
)
def test_output_that_goes_nowhere_ends_no_host(build: Build, redirection: str, status: int) -> None:
    text = '#include <stdio.h>\nint main(void) { for (int i = 0; i < 100000; i++) puts("yes"); return 0; }'
    command = f"{shlex.quote(sys.executable)} -m jacinth run --timeout 20 {build('yes', text)} {redirection}"
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )
    assert done.returncode == status
    assert done.stderr.count("\n") <= 1 and "Traceback" not in done.stderr


def test_a_program_whose_output_nobody_reads_ends(build: Build) -> None:
    text = '#include <stdio.h>\nint main(void) { for (;;) puts("for ever"); }'
    command = [sys.executable, "-m", "jacinth", "run", str(build("for_ever", text))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"for ever\n"
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""


def test_closed_input_is_an_end_and_never_a_file_of_the_host(build: Build) -> None:
    command = f"{shlex.quote(sys.executable)} -m jacinth run {build('echo', ECHO)} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, timeout=60)
    assert (done.stdout, done.returncode) == (b"", 7)
