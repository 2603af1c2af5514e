"""Large trees and tables: 100,000 jobs and 1,000,000 handles, made, found by koid, killed."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator

from bench.row import Row
from jacinth import Kernel
from jacinth.abi import ZX_INFO_HANDLE_BASIC, ZX_RIGHT_SAME_RIGHTS, zx_info_handle_basic_t

_JOBS = 100_000
_HANDLES = 1_000_000
_WIDTH = 316  # jobs below the top, and jobs below each of them
_SAMPLE = 1_000


def rows() -> Iterator[Row]:
    # Collections of garbage that other parts of the run have made would be counted with whoever allocates next.
    gc.collect()
    with Kernel(memory=64 << 20) as kernel:
        zx = kernel.host.sys
        _, top = zx.zx_job_create(kernel.host.root_job, 0)
        start_memory = _resident()
        times: list[float] = []
        parents: list[int] = []
        jobs: list[int] = []
        start = time.perf_counter()
        while len(jobs) < _JOBS:
            parent = top if len(parents) < _WIDTH else parents[len(jobs) % _WIDTH]
            job = zx.zx_job_create(parent, 0)[1]
            if parent == top:
                parents.append(job)
            jobs.append(job)
            if len(jobs) % _SAMPLE == 0:
                now = time.perf_counter()
                times.append((now - start) / _SAMPLE)
                start = now
        memory = (_resident() - start_memory) / _JOBS
        early, late = min(times[:5]), min(times[-5:])
        note = f"{early * 1e6:.2f} us a job among 5,000, {late * 1e6:.2f} us among 100,000"
        yield Row("job_create among 100,000 jobs / among 5,000", late / early, "x", 1.5, note=note)
        yield Row("memory of a job with its handle", memory, "B", 1536)

        found = [(parents[number % _WIDTH], _koid(kernel, jobs[number])) for number in range(50_000, 50_020)]
        start = time.perf_counter()
        for _ in range(50):
            for parent, koid in found:
                zx.zx_handle_close(zx.zx_object_get_child(parent, koid, ZX_RIGHT_SAME_RIGHTS)[1])
        yield Row(
            "find a job by koid and close it", (time.perf_counter() - start) / 50 / len(found) * 1e6, "us"
        )

        start = time.perf_counter()
        zx.zx_task_kill(top)
        yield Row("kill the tree, a job", (time.perf_counter() - start) / _JOBS * 1e6, "us")

    with Kernel(memory=64 << 20) as kernel:
        zx = kernel.host.sys
        _, event = zx.zx_event_create(0)
        times = []
        start = time.perf_counter()
        for number in range(1, _HANDLES + 1):
            zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS)
            if number % _SAMPLE == 0:
                now = time.perf_counter()
                times.append((now - start) / _SAMPLE)
                start = now
        early, late = min(times[:5]), min(times[-5:])
        note = f"{early * 1e6:.2f} us among 5,000, {late * 1e6:.2f} us among 1,000,000"
        yield Row("handle_duplicate among 1,000,000 / among 5,000", late / early, "x", 1.5, note=note)


def _resident() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def _koid(kernel: Kernel, handle: int) -> int:
    _, data, _, _ = kernel.host.sys.zx_object_get_info(
        handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t.SIZE
    )
    return int(zx_info_handle_basic_t.unpack(data).koid)
