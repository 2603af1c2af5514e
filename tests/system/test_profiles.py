"""Profiles. Source: docs/reference/syscalls/{profile_create,object_set_profile}.md, zircon/system/utest/core/profile/."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Kernel, Pager, Port, Profile, Resource, ResourceKind, VmarFlags, Vmo, ZxBadState
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_INFO_KMEM_STATS,
    ZX_INFO_THREAD,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V2,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_PROFILE,
    ZX_PRIORITY_DEFAULT,
    ZX_PRIORITY_HIGH,
    ZX_PROFILE_INFO_FLAG_CPU_MASK,
    ZX_PROFILE_INFO_FLAG_CRITICAL,
    ZX_PROFILE_INFO_FLAG_DEADLINE,
    ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY,
    ZX_PROFILE_INFO_FLAG_NO_INHERIT,
    ZX_PROFILE_INFO_FLAG_PRIORITY,
    ZX_RIGHT_APPLY_PROFILE,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_OP_CHILDREN,
    ZX_RSRC_SYSTEM_CPU_BASE,
    ZX_RSRC_SYSTEM_PROFILE_BASE,
    zx_cpu_set_t,
    zx_info_kmem_stats_t,
    zx_info_thread_t,
    zx_policy_basic_v2_t,
    zx_profile_info_t,
    zx_sched_deadline_params_t,
)
from tests.tasks.conftest import Calls

shows = pytest.mark.shows

PRIORITY = ZX_PROFILE_INFO_FLAG_PRIORITY
DEADLINE = ZX_PROFILE_INFO_FLAG_DEADLINE
MASK = ZX_PROFILE_INFO_FLAG_CPU_MASK
PAGE = 4096
MEMORY = ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY
CRITICAL = ZX_PROFILE_INFO_FLAG_CRITICAL
NO_INHERIT = ZX_PROFILE_INFO_FLAG_NO_INHERIT


def info(
    flags: int, priority: int | None = None, deadline: tuple[int, int, int] | None = None, mask: int = 0
) -> zx_profile_info_t:
    made = zx_profile_info_t(flags=flags, cpu_affinity_mask=zx_cpu_set_t(mask=[mask, 0, 0, 0, 0, 0, 0, 0]))
    if priority is not None:
        made.priority = priority
    if deadline is not None:
        capacity, relative, period = deadline
        made.deadline_params = zx_sched_deadline_params_t(
            capacity=capacity, relative_deadline=relative, period=period
        )
    return made


@pytest.fixture
def calls(k: Kernel) -> Calls:
    return Calls(k)


def create(k: Kernel, profile: zx_profile_info_t) -> tuple[int, int]:
    status, handle = k.sys.zx_profile_create(k.host.root_resource, 0, profile)
    return status, handle


GOOD = [
    info(PRIORITY, 0),
    info(PRIORITY, 31),
    info(PRIORITY | NO_INHERIT, 16),
    info(PRIORITY | MASK, 16, mask=1),
    info(MASK, mask=1),
    info(DEADLINE, deadline=(1, 1, 1)),
    info(DEADLINE | MASK, deadline=(1, 2, 3), mask=3),
    info(DEADLINE | CRITICAL, deadline=(1, 1, 1)),
    info(MEMORY, ZX_PRIORITY_DEFAULT),
    info(MEMORY, ZX_PRIORITY_HIGH),
]
BAD = [
    info(0),
    info(NO_INHERIT),
    info(PRIORITY | 1 << 10, 16),
    info(PRIORITY | DEADLINE, 16),
    info(PRIORITY, -1),
    info(PRIORITY, 32),
    info(DEADLINE | NO_INHERIT, deadline=(1, 1, 1)),
    info(DEADLINE, deadline=(0, 1, 1)),
    info(DEADLINE, deadline=(2, 1, 3)),
    info(DEADLINE, deadline=(1, 3, 2)),
    info(MASK | 1 << 6, mask=1),
    info(MEMORY | 1 << 6, ZX_PRIORITY_HIGH),
    info(PRIORITY | CRITICAL, 16),
    info(MASK | CRITICAL, mask=1),
    info(MEMORY | CRITICAL, ZX_PRIORITY_HIGH),
    info(MEMORY, 8),
    info(MEMORY | PRIORITY, 16),
    info(MEMORY | MASK, 16),
]


@pytest.mark.parametrize("profile", GOOD, ids=lambda p: f"{p.flags:#x}")
def test_a_profile_asks_for_one_discipline_a_mask_or_a_memory_priority(
    k: Kernel, profile: zx_profile_info_t
) -> None:
    assert create(k, profile)[0] == ZX_OK


@shows("zx_profile_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("profile", BAD, ids=lambda p: f"{p.flags:#x}")
def test_another_profile_is_invalid(k: Kernel, profile: zx_profile_info_t) -> None:
    assert create(k, profile) == (ZX_ERR_INVALID_ARGS, 0)


@shows("zx_profile_create", "ZX_ERR_INVALID_ARGS")
@shows("zx_profile_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_profile_create", "ZX_ERR_ACCESS_DENIED")
def test_a_profile_needs_its_resource(k: Kernel, zx: Any) -> None:
    root = Resource(k, k.host.root_resource)
    right = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_PROFILE_BASE, 1).raw
    wrong = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1).raw
    assert zx.zx_profile_create(right, 1, GOOD[0]) == (ZX_ERR_INVALID_ARGS, 0)
    assert zx.zx_profile_create(0, 0, GOOD[0]) == (ZX_ERR_BAD_HANDLE, 0)
    several = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_PROFILE_BASE - 1, 2).raw
    for other in (k.host.root_job, wrong, several):
        assert zx.zx_profile_create(other, 0, GOOD[0]) == (ZX_ERR_ACCESS_DENIED, 0)
    assert zx.zx_profile_create(right, 0, GOOD[0])[0] == ZX_OK


def test_profiles_in_the_api(k: Kernel) -> None:
    profile = Profile.create(k.root_resource, info(MASK, mask=0))
    process, _ = k.root_job.create_child_process("p")

    async def body(me: Any) -> int:
        return 0

    thread = process.start_body(body)
    thread.set_profile(profile)
    assert thread.info.cpu_affinity_mask.mask[0] == 0
    k.run()
    with pytest.raises(ZxBadState):
        thread.set_profile(profile)


@shows("zx_profile_create", "ZX_ERR_ACCESS_DENIED")
def test_policy_may_forbid_profiles(k: Kernel, zx: Any, calls: Calls) -> None:
    job = calls.job()
    item = zx_policy_basic_v2_t(condition=ZX_POL_NEW_PROFILE, action=ZX_POL_ACTION_DENY, flags=1)
    calls.ok(zx.zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V2, item.pack(), 1))
    from jacinth import Job

    process, _ = Job(k, job).create_child_process("p")
    seen: list[int] = []

    async def body(me: Any) -> int:
        seen.append((await me.zx_profile_create(0, 0, GOOD[0]))[0])
        return 0

    process.start_body(body)
    k.run()
    assert seen == [ZX_ERR_ACCESS_DENIED]


def test_a_mask_shows_in_the_thread(k: Kernel, zx: Any, calls: Calls) -> None:
    thread = calls.thread(calls.process())
    for mask, shown in ((1, 1), (3, 1), (2, 0)):
        _, profile = create(k, info(MASK, mask=mask))
        assert zx.zx_object_set_profile(thread, profile, 0) == ZX_OK
        found = calls.info(thread, ZX_INFO_THREAD, zx_info_thread_t)
        assert found.cpu_affinity_mask.mask[0] == shown


def test_a_region_has_a_memory_priority(k: Kernel, zx: Any) -> None:
    pager, port = Pager.create(caller=k), Port.create(caller=k)
    vmo = pager.create_vmo(port, 1, 2 * PAGE)
    pager.supply_pages(vmo, 0, PAGE, _something(k))
    address = k.root_vmar.map(0, vmo, 0, 2 * PAGE, VmarFlags.PERM_READ)
    for priority, pages in ((ZX_PRIORITY_HIGH, 1), (ZX_PRIORITY_DEFAULT, 0)):
        _, profile = create(k, info(MEMORY, priority))
        assert zx.zx_object_set_profile(k.host.root_vmar, profile, 0) == ZX_OK
        status, data, *_ = zx.zx_object_get_info(
            k.host.root_resource, ZX_INFO_KMEM_STATS, zx_info_kmem_stats_t.SIZE
        )
        assert status == ZX_OK
        assert zx_info_kmem_stats_t.unpack(data).vmo_reclaim_disabled_bytes == pages * PAGE
    k.root_vmar.unmap(address, 2 * PAGE)


def _something(k: Kernel) -> Vmo:
    vmo = Vmo.create(PAGE, caller=k)
    vmo.write(b"x")
    return vmo


@shows("zx_object_set_profile", "ZX_ERR_INVALID_ARGS")
@shows("zx_object_set_profile", "ZX_ERR_BAD_HANDLE")
@shows("zx_object_set_profile", "ZX_ERR_WRONG_TYPE")
@shows("zx_object_set_profile", "ZX_ERR_ACCESS_DENIED")
def test_who_may_apply_a_profile_to_what(k: Kernel, zx: Any, calls: Calls) -> None:
    _, profile = create(k, info(PRIORITY, 16))
    thread = calls.thread(calls.process())
    apply = zx.zx_object_set_profile
    assert apply(0, 0, 1) == ZX_ERR_INVALID_ARGS
    assert apply(thread, 0, 0) == ZX_ERR_BAD_HANDLE
    assert apply(thread, calls.event(), 0) == ZX_ERR_WRONG_TYPE
    assert apply(thread, calls.without(profile, ZX_RIGHT_APPLY_PROFILE), 0) == ZX_ERR_ACCESS_DENIED
    assert apply(0, profile, 0) == ZX_ERR_BAD_HANDLE
    assert apply(calls.event(), profile, 0) == ZX_ERR_WRONG_TYPE
    assert apply(calls.without(thread, ZX_RIGHT_MANAGE_THREAD), profile, 0) == ZX_ERR_ACCESS_DENIED
    assert apply(calls.without(k.host.root_vmar, ZX_RIGHT_OP_CHILDREN), profile, 0) == ZX_ERR_ACCESS_DENIED
    assert apply(thread, profile, 0) == ZX_OK


@shows("zx_object_set_profile", "ZX_ERR_BAD_STATE")
def test_what_is_gone_has_no_profile(k: Kernel, zx: Any, calls: Calls) -> None:
    process, _ = k.root_job.create_child_process("p")

    async def body(me: Any) -> int:
        return 0

    thread = process.start_body(body).raw
    k.run()
    _, profile = create(k, info(PRIORITY, 16))
    assert zx.zx_object_set_profile(thread, profile, 0) == ZX_ERR_BAD_STATE
    _, memory = create(k, info(MEMORY, ZX_PRIORITY_HIGH))
    region, _ = calls.ok(zx.zx_vmar_allocate(k.host.root_vmar, 0, 0, 4096))
    calls.ok(zx.zx_vmar_destroy(region))
    assert zx.zx_object_set_profile(region, memory, 0) == ZX_ERR_BAD_STATE
