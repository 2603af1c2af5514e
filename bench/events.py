"""What it takes to be told of something: exceptions, messages between processes, many handles, ports with many sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from bench.row import Row, best
from jacinth import Channel, Kernel
from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE, ZX_USER_SIGNAL_0, zx_wait_item_t
from jacinth.abi.processargs import PA_FD, PA_HND, PA_USER0
from jacinth.tools.cc import compile_program
from jacinth.userboot.launch import launch
from jacinth.userboot.processargs import FD_FOR_STDIO

_C: Final = Path(__file__).parent / "c"
_MANY: Final = 100_000
_FEW: Final = 1_000
_PER_PORT: Final = 50_000  # more observers of one port are a policy exception
_WAIT_MANY_MAX: Final = 64
_REPEAT: Final = 3


def rows() -> Iterator[Row]:
    with Kernel(memory=64 << 20, engine="portable") as kernel:
        zx = kernel.host.sys
        events = [zx.zx_event_create(0)[1] for _ in range(_FEW)]
        items = [zx_wait_item_t(handle=event, waitfor=ZX_USER_SIGNAL_0) for event in events]
        groups = [items[at : at + _WAIT_MANY_MAX] for at in range(0, _FEW, _WAIT_MANY_MAX)]
        zx.zx_object_signal(events[-1], 0, ZX_USER_SIGNAL_0)

        def wait_many() -> None:
            for group in groups:
                zx.zx_object_wait_many(group, 0)

        seconds = best(wait_many, 1)
        note = f"{len(groups)} calls of at most {_WAIT_MANY_MAX}; {seconds * 1e9 / _FEW:.0f} ns a handle"
        yield Row(
            "object_wait_many over 1,000 handles, with a deadline of now", seconds * 1e6, "us", note=note
        )
    few, many = _packet(_FEW), _packet(_MANY)
    note = f"{many * 1e6:.2f} us against {few * 1e6:.2f} us; two ports, since one has room for {_PER_PORT:,}"
    # The ratio of the logarithms.
    yield Row("signal, packet, wait again: among 100,000 / among 1,000", many / few, "x", 1.7, note=note)


def guest_rows(directory: Path) -> Iterator[Row]:
    """Needs a C compiler."""
    program = directory / "events"
    compile_program([_C / "events.c"], program)
    image = program.read_bytes()
    rounds = 10_000
    nanoseconds = min(_run(image, "exception", rounds) for _ in range(_REPEAT)) / rounds
    yield Row("exception: raised, handled by another thread, resumed", nanoseconds / 1e3, "us")
    nanoseconds = min(_run(image, "ping", rounds) for _ in range(_REPEAT)) / rounds
    note = "write, wait and read on both sides"
    yield Row("message to another process and its answer", nanoseconds / 1e3, "us", note=note)


def _packet(bound: int) -> float:
    """Seconds for one signal, its packet and a new wait, with so many objects bound."""
    rounds = 20_000
    with Kernel(memory=64 << 20, engine="portable") as kernel:
        zx = kernel.host.sys
        ports = [zx.zx_port_create(0)[1] for _ in range(-(-bound // _PER_PORT))]
        events = [zx.zx_event_create(0)[1] for _ in range(bound)]
        for number, event in enumerate(events):
            zx.zx_object_wait_async(event, ports[number // _PER_PORT], number, ZX_USER_SIGNAL_0, 0)
        step = bound // 977 * 10 + 1  # here and there

        def work() -> None:
            at = 0
            for _ in range(rounds):
                event, port = events[at], ports[at // _PER_PORT]
                zx.zx_object_signal(event, 0, ZX_USER_SIGNAL_0)
                zx.zx_port_wait(port, 0)
                zx.zx_object_signal(event, ZX_USER_SIGNAL_0, 0)
                zx.zx_object_wait_async(event, port, at, ZX_USER_SIGNAL_0, 0)
                at = (at + step) % bound

        return best(work, rounds)


def _run(image: bytes, what: str, rounds: int) -> int:
    """Nanoseconds that the program says it took; with a second one that answers, where it asks."""
    printed = bytearray()
    with Kernel(memory=64 << 20, engine="portable") as kernel:
        kernel.console = printed.extend
        zx: Any = kernel.host.sys
        ours, theirs = Channel.create()
        first = _start(kernel, image, what, rounds, ours.take())
        other = theirs.take()
        if what == "ping":
            _start(kernel, image, "pong", rounds, other)
        zx.zx_object_wait_one(first, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
    return int(printed.split()[-1])


def _start(kernel: Kernel, image: bytes, what: str, rounds: int, channel: int) -> int:
    zx: Any = kernel.host.sys
    _, job = zx.zx_job_create(kernel.host.root_job, 0)
    _, log = zx.zx_debuglog_create(0, 0)
    started = launch(
        kernel.host,
        kernel.vdso,
        image,
        job=job,
        name=b"events",
        args=[b"events", what.encode(), str(rounds).encode()],
        handles=[(PA_HND(PA_FD, FD_FOR_STDIO), log), (PA_HND(PA_USER0, 0), channel)],
    )
    return started.process
