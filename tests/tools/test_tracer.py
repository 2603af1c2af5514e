"""One line for each call, with words for its numbers; in-process, with virtual time and a seed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.kernel import Kernel
from jacinth.tools.tracer import Tracer, _text, _time, attach
from jacinth.userboot.launch import launch
from tests.tools.conftest import Build

CALLS = r"""
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/port.h>
static zx_futex_t futex = 5;
static int wait_for_ever(void* event) {
  return zx_object_wait_one((zx_handle_t)(long)event, ZX_EVENT_SIGNALED, ZX_TIME_INFINITE, NULL);
}
int main(void) {
  zx_handle_t port, event, a, b;
  zx_port_create(0, &port);
  zx_event_create(0, &event);
  zx_object_wait_async(event, port, 7, ZX_EVENT_SIGNALED, 0);
  zx_object_signal(event, 0, ZX_EVENT_SIGNALED);
  zx_port_packet_t packet;
  zx_port_wait(port, ZX_TIME_INFINITE, &packet);
  zx_channel_create(0, &a, &b);
  zx_handle_t handles[2] = {event, port};
  zx_channel_write(a, 0, "a \"longer\"\nmessage, of 41 bytes: 34567890", 41, handles, 2);
  char bytes[64];
  zx_handle_info_t infos[2];
  uint32_t num_bytes, num_handles;
  zx_channel_read_etc(b, 0, bytes, infos, sizeof(bytes), 2, &num_bytes, &num_handles);
  zx_futex_wait(&futex, 4, ZX_HANDLE_INVALID, 1500000000);
  zx_handle_close(1234);
  zx_vmar_unmap(zx_vmar_root_self(), 0x123456789000, 0);
  zx_channel_write(a, 0, (void*)8, 4, NULL, 0);
  zx_info_handle_basic_t basic;
  zx_object_get_info(a, ZX_INFO_HANDLE_BASIC, &basic, sizeof(basic), NULL, NULL);
  zx_nanosleep(zx_deadline_after(ZX_MSEC(1)));
  thrd_t thread;
  zx_handle_t other;
  zx_event_create(0, &other);
  thrd_create(&thread, wait_for_ever, (void*)(long)other);
  zx_nanosleep(zx_deadline_after(ZX_SEC(1)));
  zx_task_kill(zx_process_self());
}
"""


def trace(program: Path, seed: int = 3) -> list[str]:
    lines: list[str] = []
    with Kernel(seed=seed, virtual_time=True, memory=64 << 20, strict=True) as kernel:
        attach(kernel.door, Tracer(lines.append))
        started = launch(
            kernel.host,
            kernel.vdso,
            program.read_bytes(),
            job=kernel.host.root_job,
            name=b"calls",
            args=[b"calls"],
        )
        kernel.host.sys.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    return lines


@pytest.fixture(scope="module")
def lines(build: Build) -> list[str]:
    """The trace of CALLS, without numbers that say nothing."""
    found = trace(build("calls", CALLS))
    return [re.sub(r"0x[0-9a-f]+ <(\w+) \d+>", r"<\1>", line).split("] ", 1)[1] for line in found]


def call(lines: list[str], name: str, which: int = 0) -> str:
    return [line for line in lines if line.startswith(f"{name}(")][which]


def test_a_line_says_who_calls(build: Build) -> None:
    assert all(re.match(r"\[\d+(\.\d+)?\] ", line) for line in trace(build("calls", CALLS)))


def test_handles_and_new_handles_have_types(lines: list[str]) -> None:
    assert (
        call(lines, "zx_channel_create")
        == "zx_channel_create(options=0) = ZX_OK -> out0=<channel>, out1=<channel>"
    )


def test_signals_have_the_names_of_their_object(lines: list[str]) -> None:
    assert "signals=ZX_EVENT_SIGNALED" in call(lines, "zx_object_wait_async")
    assert call(lines, "zx_object_signal") == (
        "zx_object_signal(handle=<event>, clear_mask=ZX_SIGNAL_NONE, set_mask=ZX_EVENT_SIGNALED) = ZX_OK"
    )


def test_packets_are_shown_by_their_type(lines: list[str]) -> None:
    assert "packet={key=7, type=ZX_PKT_TYPE_SIGNAL_ONE, status=ZX_OK, signal={trigger=" in call(
        lines, "zx_port_wait"
    )


def test_buffers_are_text_and_no_longer_than_32_bytes(lines: list[str]) -> None:
    shown = r'"a \"longer\"\nmessage, of 41 bytes:"...'
    assert f"bytes={shown}, num_bytes=41, handles=[<event>, <port>]" in call(lines, "zx_channel_write")
    read = call(lines, "zx_channel_read_etc")
    assert f"bytes={shown}" in read and "actual_bytes=41" in read
    assert "handles=[{handle=<event>, type=ZX_OBJ_TYPE_EVENT, rights=ZX_RIGHT_DUPLICATE | " in read


def test_memory_that_cannot_be_read_is_an_address(lines: list[str]) -> None:
    assert "bytes=0x8 <cannot be read>" in call(lines, "zx_channel_write", 1)


def test_times_are_seconds_and_a_futex_is_where_it_is(lines: list[str]) -> None:
    assert re.match(
        r"zx_futex_wait\(value_ptr=0x[0-9a-f]+ \[5\], current_value=4, new_futex_owner=ZX_HANDLE_INVALID, deadline=1.5s\)"
        r" = ZX_ERR_BAD_STATE",
        call(lines, "zx_futex_wait"),
    )


def test_addresses_and_long_numbers_are_hexadecimal(lines: list[str]) -> None:
    assert "addr=0x123456789000, len=0) = ZX_ERR_INVALID_ARGS" in call(lines, "zx_vmar_unmap")


def test_a_bad_handle_is_said_to_be_one(lines: list[str]) -> None:
    assert "zx_handle_close(handle=0x4d2 <bad handle>) = ZX_ERR_BAD_HANDLE" in lines


def test_information_is_shown_by_its_topic(lines: list[str]) -> None:
    info = call(lines, "zx_object_get_info")
    assert (
        "topic=ZX_INFO_HANDLE_BASIC" in info
        and "-> buffer=[{koid=" in info
        and "type=ZX_OBJ_TYPE_CHANNEL" in info
    )


def test_a_call_that_waits_is_shown_when_it_returns(lines: list[str]) -> None:
    assert call(lines, "zx_nanosleep").endswith("= ZX_OK")


def test_calls_of_killed_threads_never_return(lines: list[str]) -> None:
    assert call(lines, "zx_object_wait_one").endswith("deadline=ZX_TIME_INFINITE) = ...")
    assert call(lines, "zx_task_kill") == "zx_task_kill(handle=<process>) = ..."
    assert lines[-1] == '+++ "calls" ended with ZX_TASK_RETCODE_SYSCALL_KILL +++'


@pytest.mark.portable("a turn ends by the host's time on it, and the clock moves with it")
def test_equal_seeds_give_equal_traces(build: Build) -> None:
    program = build("calls", CALLS)
    assert trace(program, 5) == trace(program, 5)
    assert trace(program, 5) != trace(program, 6)  # handle values follow from the seed


def test_exceptions_and_ends_have_lines(build: Build) -> None:
    program = build("fault", "int main(void) { *(volatile int*)16 = 1; return 0; }")
    *_, exception, end = trace(program)
    assert exception.endswith("--- fatal page fault: write to 0x10 (nothing is mapped there) ---")
    assert end.endswith('+++ "calls" ended with ZX_TASK_RETCODE_EXCEPTION_KILL +++')


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0s"), (1, "0.000000001s"), (1_500_000_000, "1.5s"), (-20, "-0.00000002s"), (60 * 10**9, "60s")],
)
def test_times(ns: int, text: str) -> None:
    assert _time(ns) == text


def test_text_is_escaped_as_in_c() -> None:
    assert _text(b'a"\\\n\x00\x1b\xff', 7) == r'"a\"\\\n\0\x1b\xff"'
    assert _text(b"ab", 3) == '"ab"...'
