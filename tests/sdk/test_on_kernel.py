"""Compiled programs on the real kernel."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from jacinth.abi import (
    PA_FD,
    PA_HND,
    ZX_ERR_SHOULD_WAIT,
    ZX_INFO_PROCESS,
    ZX_OK,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_SOCKET_PEER_CLOSED,
    ZX_SOCKET_READABLE,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel
from jacinth.userboot.launch import launch
from jacinth.userboot.vdso_vmo import VdsoVmo

HERE = Path(__file__).parent
HELLO = HERE.parent.parent / "examples" / "c" / "hello.c"

pytestmark = pytest.mark.usefixtures("compiler")


@dataclass
class Ended:
    code: int
    output: bytes


def run(
    k: Kernel,
    program: bytes,
    args: list[bytes],
    environ: dict[bytes, bytes] | None = None,
    input_: bytes | None = None,
) -> Ended:
    zx = k.host.sys
    vdso = VdsoVmo(k, k.host, b"test")
    status, ours, theirs = zx.zx_socket_create(0)
    assert status == ZX_OK
    status, second = zx.zx_handle_duplicate(theirs, ZX_RIGHT_SAME_RIGHTS)
    handles = [(PA_HND(PA_FD, 1), theirs), (PA_HND(PA_FD, 2), second)]
    if input_ is not None:
        status, mine, its = zx.zx_socket_create(0)
        zx.zx_socket_write(mine, 0, input_)
        zx.zx_handle_close(mine)
        handles.append((PA_HND(PA_FD, 0), its))
    started = launch(
        k.host,
        vdso,
        program,
        job=k.host.root_job,
        name=b"program",
        args=args,
        environ=environ,
        handles=handles,
    )
    output = b""
    while True:
        status, data, *_ = zx.zx_socket_read(ours, 0, 1 << 16)
        if status == ZX_OK:
            output += data
        elif status == ZX_ERR_SHOULD_WAIT:
            zx.zx_object_wait_one(ours, ZX_SOCKET_READABLE | ZX_SOCKET_PEER_CLOSED, ZX_TIME_INFINITE)
        else:
            break
    zx.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    _, data, *_ = zx.zx_object_get_info(started.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE)
    return Ended(zx_info_process_t.unpack(data).return_code, output)


def test_hello(k: Kernel, build) -> None:
    ended = run(k, build(HELLO), [b"hello", b"one"])
    assert ended == Ended(0, b'hello, world\nargc = 2\nargv[0] = hello\nargv[1] = one\nprocess "program"\n')


@pytest.mark.parametrize("flags", [(), ("-no-pie",)], ids=" ".join)
def test_the_library_checks_itself(k: Kernel, build, flags: tuple[str, ...]) -> None:
    program = build(HERE / "library.c", flags=flags)
    ended = run(k, program, [b"p", b"one", b""], {b"A": b"b=c"})
    assert ended == Ended(0, b"(standard error)0 failures\natexit 2\natexit 1\ndestructor\n")


def test_threads(k: Kernel, build) -> None:
    assert run(k, build(HERE / "threads.c"), [b"threads"]) == Ended(0, b"done\n")


@pytest.mark.usefixtures("cxx_compiler")
def test_cxx(k: Kernel, build) -> None:
    ended = run(k, build(HERE / "library.cc"), [b"cxx"])
    assert ended.code == 0 and ended.output.endswith(b"global destroyed\n")


def test_output_larger_than_the_socket_waits_for_its_reader(k: Kernel, build) -> None:
    source = """
        #include <stdio.h>
        int main(void) { for (int i = 0; i < 30000; i++) printf("line %06d\\n", i); return 0; }
    """
    ended = run(k, build(source), [b"lines"])
    assert ended.output == b"".join(b"line %06d\n" % number for number in range(30000))


def test_standard_input(k: Kernel, build) -> None:
    source = """
        #include <stdio.h>
        int main(void) {
          char line[64];
          while (fgets(line, sizeof(line), stdin)) printf("[%s]", line);
          return feof(stdin) ? 0 : 1;
        }
    """
    assert run(k, build(source), [b"cat"], input_=b"one\ntwo\nlast") == Ended(0, b"[one\n][two\n][last]")


def test_the_exit_code_is_mains(k: Kernel, build) -> None:
    assert run(k, build("int main(void) { return -7; }"), []).code == -7
