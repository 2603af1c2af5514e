"""One run of a program, as text: every call, the koids, all memory at the end. `python replay.py SEED PROGRAM`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from jacinth.abi import ZX_CHANNEL_READABLE, ZX_OK, ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import Handle
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import BodySys
from jacinth.tools.tracer import Tracer, attach
from jacinth.userboot.launch import launch


def boot(seed: int) -> Kernel:
    return Kernel(seed=seed, virtual_time=True, memory=64 << 20, strict=True)


def program(data: bytes, seed: int, quantum: int = 20_000) -> list[str]:
    """Run an ELF file to its end. A short *quantum* (in blocks) makes its threads interrupt each other."""
    lines: list[str] = []
    with boot(seed) as kernel:
        kernel.engine.quantum = quantum  # type: ignore[attr-defined]
        kernel.console = lambda data: lines.append(f"console {data!r}")
        attach(kernel.door, Tracer(lines.append))
        zx = kernel.host.sys
        status, job = zx.zx_job_create(kernel.host.root_job, 0)
        assert status == ZX_OK
        started = launch(kernel.host, kernel.vdso, data, job=job, name=b"program", args=[b"program"])
        assert zx.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)[0] == ZX_OK
        lines.append(f"base {started.base:#x} vdso {started.vdso_base:#x}")
        lines.append(_end(kernel))
    return lines


def bodies(seed: int) -> list[str]:
    """Processes whose threads are Python bodies: they write to each other, sleep and draw random bytes."""
    lines: list[str] = []
    with boot(seed) as kernel:
        process = ProcessDispatcher.create(kernel.root_job_dispatcher, b"bodies", shareable=False)

        async def worker(zx: Any, name: str, channel: int) -> None:
            for number in range(10):
                status, random = await zx.zx_cprng_draw(4)
                lines.append(f"{name} {number} {status} {random.hex()} {await zx.zx_clock_get_monotonic()}")
                await zx.zx_channel_write(channel, 0, random, [])
                await zx.zx_nanosleep(await zx.zx_deadline_after(random[0] * 100))
                status, seen = await zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE)
                lines.append(
                    f"{name} saw {status} {seen:#x} {(await zx.zx_channel_read(channel, 0, 64, 0))!r}"
                )

        status, one, other = kernel.host.sys.zx_channel_create(0)
        assert status == ZX_OK
        for number, channel in enumerate((one, other, one, other)):
            end = kernel.host.dispatcher.handles.get(channel)
            assert end is not None
            value = process.handles.add(Handle(end.object, end.rights))
            thread = ThreadDispatcher.create(process, b"worker")
            lines.append(f"thread {thread.koid} has {value:#x}")
            process.add_thread(thread, None, worker(BodySys(thread), f"w{number}", value), first=number == 0)
        kernel.run()
        lines.append(_end(kernel))
    return lines


def _end(kernel: Kernel) -> str:
    """All there is to tell two machines apart by."""
    memory = kernel.memory
    used = hashlib.sha256()
    for frame in range(memory._next):
        used.update(memory.read(frame, 0, 4096))
    blocks = kernel.engine.blocks()  # type: ignore[attr-defined]
    return f"koid {kernel.new_koid()} time {kernel.clock.now()} blocks {blocks} pages {memory.allocated} {used.hexdigest()}"


def main() -> None:
    seed, what = int(sys.argv[1]), sys.argv[2]
    lines = bodies(seed) if what == "bodies" else program(Path(what).read_bytes(), seed)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
