"""What a type checker makes of the API: read by mypy, in test_typing.py, and never run."""

from __future__ import annotations

from typing import assert_type

from jacinth import Body, Channel, Event, Handle, Job, Kernel, Packet, Port, Process, Signals, Vmar, Vmo


def outside(k: Kernel, job: Job, process: Process) -> None:
    assert_type(k.root_job, Job[Kernel])
    assert_type(job.create_child_job(), Job[Kernel])
    assert_type(job.create_child_process("p"), tuple[Process[Kernel], Vmar[Kernel]])
    assert_type(Channel.create(), tuple[Channel[Kernel], Channel[Kernel]])
    one, _ = Channel.create()
    assert_type(one.read(), tuple[bytes, list[Handle[Kernel]]])
    assert_type(one.call(b""), tuple[bytes, list[Handle[Kernel]]])
    assert_type(one.wait(Signals.CHANNEL_READABLE), Signals)
    assert_type(Event.create().duplicate(), Event[Kernel])
    assert_type(Port.create().wait(), Packet)
    one.read(1, 2, 3, 4)  # type: ignore[call-arg]
    one.write("text")  # type: ignore[arg-type]
    process.start_body(inside, Vmo.create(1))


async def inside(zx: Body, vmo: Vmo[Body]) -> None:
    assert_type(zx.process, Process[Body])
    assert_type(await vmo.read(0, 1), bytes)
    assert_type(await vmo.duplicate(), Vmo[Body])
    assert_type(await vmo.create_child(1, 0, 1), Vmo[Body])
    one, _ = Channel.create(caller=zx)
    assert_type(one, Channel[Body])
    assert_type(one.koid, int)
    assert_type(await one.wait(Signals.CHANNEL_READABLE), Signals)
    one.write(b"")  # type: ignore[unused-coroutine]
    async for packet in Port.create(caller=zx):
        assert_type(packet, Packet)
