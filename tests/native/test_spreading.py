"""With several CPUs, threads that become ready in another's system call run at once: bodies too, which may end that one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from jacinth import Body, Channel, Kernel, Process, Rights, Signals
from jacinth.abi.processargs import PA_HND, PA_USER0
from jacinth.machine.native.selftest import why_not
from jacinth.userboot.launch import launch

if reason := why_not():
    pytest.skip(f"the native engine does not work here: {reason}", allow_module_level=True)

WRITER = """
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
int main(void) {
  zx_handle_t channel = zx_take_startup_handle(PA_HND(PA_USER0, 0));
  for (;;) zx_channel_write(channel, 0, "x", 1, NULL, 0);
}
"""


@pytest.mark.parametrize("act", ["kill", "suspend"])
def test_a_body_that_runs_within_a_call_may_end_or_stop_who_made_it(
    compile_c: Callable[..., Path], act: str
) -> None:
    image = compile_c(WRITER).read_bytes()
    seen: list[str] = []

    async def body(zx: Body, channel: Channel, writer: Process) -> None:
        for _ in range(20):
            await channel.wait(Signals.CHANNEL_READABLE)
            await channel.read()
            if act == "suspend":
                token = await writer.suspend()
                seen.append("suspended")
                await token.close()
        await writer.kill()
        seen.append("killed")

    with Kernel(engine="native", cpus=2, strict=True) as kernel:
        near, far = Channel.create()
        handles = [(PA_HND(PA_USER0, 0), far.take())]
        args = [b"writer"]
        program = launch(
            kernel.host,
            kernel.vdso,
            image,
            job=kernel.host.root_job,
            name=b"writer",
            args=args,
            handles=handles,
        )
        writer = Process(kernel, program.process)
        other, _ = kernel.root_job.create_child_process("body")
        other.start_body(body, near, writer.duplicate(Rights.SAME_RIGHTS))
        writer.wait(Signals.TASK_TERMINATED)
        other.wait(Signals.TASK_TERMINATED)
    assert seen == ["suspended"] * (20 if act == "suspend" else 0) + ["killed"]
