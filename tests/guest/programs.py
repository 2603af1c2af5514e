"""Test programs in C: compiled, run on a kernel of their own, and what they say of each sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from jacinth.abi import (
    PA_HND,
    PA_RESOURCE,
    ZX_INFO_PROCESS,
    ZX_OK,
    ZX_TASK_TERMINATED,
    ZX_TIME_INFINITE,
    zx_info_process_t,
)
from jacinth.api.kernel import Kernel
from jacinth.tools.cc import CompileError, compile_program, find_compiler
from jacinth.userboot.launch import launch

HERE = Path(__file__).parent

try:
    find_compiler()
    NO_COMPILER = ""
except CompileError as error:
    NO_COMPILER = str(error)


def sentences(source: Path) -> list[str]:
    """The names of the sentences in a program's source."""
    return re.findall(r'\bsay\("(\w+)"\)', source.read_text())


def build(sources: Sequence[Path], directory: Path) -> bytes:
    output = directory / sources[0].stem
    compile_program(sources, output, ("-Wall", "-Wextra", "-Werror", f"-I{HERE}"))
    return output.read_bytes()


def run(program: bytes, name: str) -> dict[str, str]:
    """What the program says of each sentence: "ok", or why not."""
    output = bytearray()
    with Kernel(seed=0, virtual_time=True, memory=128 << 20, strict=True) as kernel:
        kernel.console = output.extend
        zx = kernel.host.sys
        status, job = zx.zx_job_create(kernel.host.root_job, 0)
        assert status == ZX_OK
        status, resource = zx.zx_handle_duplicate(kernel.host.root_resource, 0x8000_0000)
        assert status == ZX_OK
        started = launch(
            kernel.host,
            kernel.vdso,
            program,
            job=job,
            name=name.encode(),
            args=[name.encode()],
            handles=[(PA_HND(PA_RESOURCE, 0), resource)],
        )
        status, _ = zx.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
        assert status == ZX_OK
        _, data, *_ = zx.zx_object_get_info(started.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE)
        code = zx_info_process_t.unpack(data).return_code
    said: dict[str, str] = {}
    for line in output.decode().splitlines():
        if match := re.match(r"ok (\w+)$", line):
            said[match[1]] = "ok"
        elif match := re.match(r"FAILED (\w+): (.*)$", line):
            said[match[1]] = match[2]
        else:
            said[line] = "an unexpected line"
    assert code == 0, f"the program ended with {code} after {list(said)[-3:]}"
    return said
