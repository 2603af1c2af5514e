"""Handlers written in C: of the program's own exceptions, and of another program's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jacinth.abi import (
    PA_FD,
    PA_HND,
    PA_USER0,
    PA_USER1,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_SHOULD_WAIT,
    ZX_EVENT_SIGNALED,
    ZX_INFO_PROCESS,
    ZX_OK,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_SOCKET_PEER_CLOSED,
    ZX_SOCKET_READABLE,
    ZX_TASK_RETCODE_EXCEPTION_KILL,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel
from jacinth.userboot.launch import launch
from tests.sdk.conftest import build, cache, compiler  # noqa: F401

HERE = Path(__file__).parent

pytestmark = pytest.mark.usefixtures("compiler")


class Running:
    """A program, and the host's end of its output."""

    def __init__(
        self, k: Kernel, program: bytes, job: int, handles: tuple[tuple[int, int], ...] = ()
    ) -> None:
        self.zx: Any = k.host.sys
        status, self.output, theirs = self.zx.zx_socket_create(0)
        assert status == ZX_OK
        given = [(PA_HND(PA_FD, 1), theirs), *handles]
        self.process = launch(
            k.host, k.vdso, program, job=job, name=b"program", args=[b"program"], environ={}, handles=given
        ).process

    def finish(self) -> tuple[int, bytes]:
        """Its return code and what it has written."""
        output = b""
        while True:
            status, data, *_ = self.zx.zx_socket_read(self.output, 0, 1 << 16)
            if status == ZX_OK:
                output += data
            elif status == ZX_ERR_SHOULD_WAIT:
                self.zx.zx_object_wait_one(
                    self.output, ZX_SOCKET_READABLE | ZX_SOCKET_PEER_CLOSED, ZX_TIME_INFINITE
                )
            else:
                break
        self.zx.zx_object_wait_one(self.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
        _, data, *_ = self.zx.zx_object_get_info(self.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE)
        return zx_info_process_t.unpack(data).return_code, output


def test_a_program_handles_its_own_exceptions(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build(HERE / "self.c", flags=("-Wall", "-Wextra", "-Werror", "-O1"))
    code, output = Running(k, program, k.host.root_job).finish()
    assert (code, output.decode().splitlines()) == (
        0,
        [
            "type 0x108 vector 14 cr2 0x8",
            "type 0x208 vector 6 cr2 0",
            "type 0x308 vector 3 cr2 0",
            "type 0x8 vector 0 cr2 0",
            "cell 77, quotient 42, 4 exceptions",
        ],
    )


def test_a_debugger_watches_another_program(k: Kernel, build: Any) -> None:  # noqa: F811
    zx = k.host.sys
    _, job = zx.zx_job_create(k.host.root_job, 0)
    _, copy = zx.zx_handle_duplicate(job, ZX_RIGHT_SAME_RIGHTS)
    _, go = zx.zx_event_create(0)
    _, given = zx.zx_handle_duplicate(go, ZX_RIGHT_SAME_RIGHTS)
    handles = ((PA_HND(PA_USER0, 0), copy), (PA_HND(PA_USER1, 0), given))
    debugger = Running(k, build(HERE / "debugger.c"), k.host.root_job, handles)
    assert zx.zx_object_wait_one(go, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE)[0] == ZX_OK
    debuggee = Running(k, build(HERE / "debuggee.c"), job)
    code, output = debugger.finish()
    assert (code, output.decode().splitlines()) == (
        0,
        [
            "process starting",
            "thread starting",
            "breakpoint",
            "user",
            "thread starting",
            "thread exiting",
            "page fault",
            "thread exiting",
            "5 steps",
        ],
    )
    assert debuggee.finish() == (0, b"")


LEAK = r"""
#include <stdio.h>
#include <string.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/exception.h>

static int leaks;
static uint32_t state;

static int handler(void* argument) {
  zx_handle_t channel = *(zx_handle_t*)argument, exception, thread;
  for (;;) {
    zx_exception_info_t info;
    if (zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL)) return 1;
    if (zx_channel_read(channel, 0, &info, &exception, sizeof(info), 1, NULL, NULL)) return 2;
    zx_exception_report_t report;
    zx_exception_get_thread(exception, &thread);
    zx_object_get_info(thread, ZX_INFO_THREAD_EXCEPTION_REPORT, &report, sizeof(report), NULL, NULL);
    leaks += report.header.type == ZX_EXCP_POLICY_ERROR && report.context.synth_code == ZX_EXCP_POLICY_CODE_HANDLE_LEAK;
    zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, &state, sizeof(state));
    zx_handle_close(thread);
    zx_handle_close(exception);
  }
}

int main(int argc, char** argv) {
  (void)argv;
  zx_handle_t channel, one, *nowhere = (zx_handle_t*)8;
  printf("nobody listens: %d\n", zx_event_create(0, NULL));
  fflush(stdout);
  state = argc > 1 ? ZX_EXCEPTION_STATE_TRY_NEXT : ZX_EXCEPTION_STATE_HANDLED;
  if (zx_task_create_exception_channel(zx_process_self(), 0, &channel)) return 1;
  thrd_t thread;
  thrd_create(&thread, handler, &channel);
  int status = zx_event_create(0, NULL);
  printf("one: %d, leaks %d\n", status, leaks);
  status = zx_channel_create(0, &one, nowhere);
  printf("two: %d, leaks %d, the first one: %d\n", status, leaks, zx_handle_close(one));
  status = zx_event_create(1, NULL);
  printf("none: %d, leaks %d\n", status, leaks);
  return 0;
}
"""


def test_a_handle_whose_value_cannot_be_stored_is_a_policy_exception(k: Kernel, build: Any) -> None:  # noqa: F811
    """Source: utest/core/syscall-generation (HandleCopyoutFailure); without a handler nothing but the status tells."""
    code, output = Running(k, build(LEAK), k.host.root_job).finish()
    assert (code, output.decode().splitlines()) == (
        0,
        [
            f"nobody listens: {ZX_ERR_INVALID_ARGS}",
            f"one: {ZX_ERR_INVALID_ARGS}, leaks 1",
            f"two: {ZX_ERR_INVALID_ARGS}, leaks 2, the first one: {ZX_ERR_BAD_HANDLE}",
            f"none: {ZX_ERR_INVALID_ARGS}, leaks 2",
        ],
    )


def test_a_leak_that_its_handler_does_not_handle_ends_the_process(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build(LEAK.replace("argc > 1 ?", "argc == 1 ?"))
    code, output = Running(k, program, k.host.root_job).finish()
    assert (code, output) == (
        ZX_TASK_RETCODE_EXCEPTION_KILL,
        f"nobody listens: {ZX_ERR_INVALID_ARGS}\n".encode(),
    )
