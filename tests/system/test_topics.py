"""Information about the machine itself. Source: docs/reference/syscalls/object_get_info.md."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Kernel, Resource, ResourceKind
from jacinth.abi import (
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_CPU_STATS,
    ZX_INFO_CPU_STATS_FLAG_ONLINE,
    ZX_INFO_GUEST_STATS,
    ZX_INFO_KMEM_STATS,
    ZX_INFO_KMEM_STATS_COMPRESSION,
    ZX_INFO_MEMORY_STALL,
    ZX_INFO_POWER_DOMAINS,
    ZX_OK,
    ZX_RSRC_SYSTEM_INFO_BASE,
    ZX_RSRC_SYSTEM_STALL_BASE,
    zx_info_cpu_stats_t,
)

shows = pytest.mark.shows("zx_object_get_info", "ZX_ERR_WRONG_TYPE")


@pytest.mark.parametrize(
    ("topic", "base", "count"),
    [
        (ZX_INFO_KMEM_STATS, ZX_RSRC_SYSTEM_INFO_BASE, 1),
        (ZX_INFO_CPU_STATS, ZX_RSRC_SYSTEM_INFO_BASE, 1),
        (ZX_INFO_GUEST_STATS, ZX_RSRC_SYSTEM_INFO_BASE, 1),
        (ZX_INFO_KMEM_STATS_COMPRESSION, ZX_RSRC_SYSTEM_INFO_BASE, 1),
        (ZX_INFO_MEMORY_STALL, ZX_RSRC_SYSTEM_STALL_BASE, 1),
        (ZX_INFO_POWER_DOMAINS, ZX_RSRC_SYSTEM_INFO_BASE, 0),
    ],
)
@shows
def test_each_topic_needs_its_resource(k: Kernel, zx: Any, topic: int, base: int, count: int) -> None:
    root = Resource(k, k.host.root_resource)
    right = root.create_child(ResourceKind.SYSTEM, base, 1).raw
    wrong = root.create_child(ResourceKind.SYSTEM, 15, 1).raw
    interrupts = root.create_child(ResourceKind.IRQ, 33, 1).raw
    assert zx.zx_object_get_info(right, topic, 4096)[0] == ZX_OK
    assert zx.zx_object_get_info(root.raw, topic, 4096)[2:] == (count, count)
    assert zx.zx_object_get_info(wrong, topic, 4096)[0] == ZX_ERR_OUT_OF_RANGE
    assert zx.zx_object_get_info(interrupts, topic, 4096)[0] == ZX_ERR_WRONG_TYPE


def test_the_time_of_a_cpu_is_busy_or_idle(k: Kernel, zx: Any) -> None:
    process, _ = k.root_job.create_child_process("p")

    async def body(me: Any) -> int:
        await me.zx_nanosleep(k.now + 10**9)
        return 0

    process.start_body(body)
    k.run()
    _, data, count, _ = zx.zx_object_get_info(k.host.root_resource, ZX_INFO_CPU_STATS, 4096)
    assert count == 1
    cpu = zx_info_cpu_stats_t.unpack(data)
    assert (cpu.cpu_number, cpu.flags) == (0, ZX_INFO_CPU_STATS_FLAG_ONLINE)
    assert cpu.idle_time >= 10**9
    assert cpu.idle_time + cpu.normalized_busy_time <= k.now
