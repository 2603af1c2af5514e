"""A thread is in the queue once, however often it is suspended and resumed there."""

from __future__ import annotations

from typing import Any

from jacinth.abi import ZX_OK
from jacinth.api.kernel import Kernel
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.syscalls.door import BodySys

MS = 1_000_000


def test_a_thread_suspended_and_resumed_in_the_queue_runs_once(k: Kernel) -> None:
    """It was there twice, and its second turn came while it slept."""
    zx = k.host.sys
    process = ProcessDispatcher.create(k.root_job_dispatcher, b"p", shareable=False)
    thread = ThreadDispatcher.create(process, b"sleeper")
    handle = k.host.add(thread)
    woken: list[int] = []

    async def sleep(zx: Any) -> None:
        for _ in range(3):
            assert await zx.zx_nanosleep(await zx.zx_deadline_after(5 * MS)) == ZX_OK
            woken.append(k.clock.now() // MS)

    start = k.clock.now() // MS
    process.add_thread(thread, None, sleep(BodySys(thread)), first=True)
    for _ in range(10):
        status, token = zx.zx_task_suspend(handle)
        assert status == ZX_OK
        assert zx.zx_handle_close(token) == ZX_OK
    assert list(k.ready) == [thread]
    k.run()
    assert [time - start for time in woken] == [5, 10, 15]
