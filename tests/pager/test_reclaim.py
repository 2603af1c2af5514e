"""Memory runs out: discardable VMOs lose their contents, pagers' VMOs their clean pages, and nobody else anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jacinth import (
    PagerCommand,
    Vmar,
    VmarFlags,
    Vmo,
    VmoChildOptions,
    VmoOp,
    VmoOptions,
    ZxNoMemory,
    ZxNotFound,
    ZxUnavailable,
)
from jacinth.abi import (
    ZX_OK,
    ZX_PRIORITY_DEFAULT,
    ZX_PRIORITY_HIGH,
    ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY,
    Status,
    zx_profile_info_t,
)
from jacinth.api.kernel import Kernel
from jacinth.machine.interface import READ

from .conftest import PAGE, PagerWorld

FRAMES = 256


@pytest.fixture
def k() -> Iterator[Kernel]:
    """A kernel with little memory."""
    with Kernel(seed=0, virtual_time=True, memory=FRAMES * PAGE, strict=True) as kernel:
        yield kernel


@pytest.fixture
def pw(k: Kernel) -> PagerWorld:
    return PagerWorld(k)


def fill(k: Kernel, leave: int = 0) -> Vmo:
    """Take all memory but so many pages."""
    size = (k.memory.frames - k.memory.allocated - leave) * PAGE
    vmo = Vmo.create(size, caller=k)
    vmo.op_range(VmoOp.COMMIT, 0, size)
    return vmo


def discardable(k: Kernel, pages: int = 4) -> Vmo:
    """A discardable VMO that is unlocked, and begins with "kept"."""
    vmo = Vmo.create(pages * PAGE, VmoOptions.DISCARDABLE, caller=k)
    lock(vmo)
    vmo.op_range(VmoOp.COMMIT, 0, vmo.size)
    vmo.write(b"kept")
    unlock(vmo)
    return vmo


def lock(vmo: Vmo) -> tuple[int, int, int, int]:
    state = vmo.op_range(VmoOp.LOCK, 0, vmo.size)
    assert state is not None
    return state.offset, state.size, state.discarded_offset, state.discarded_size


def unlock(vmo: Vmo) -> None:
    vmo.op_range(VmoOp.UNLOCK, 0, vmo.size)


def need(k: Kernel, pages: int = 1) -> Vmo:
    """Commit some more."""
    vmo = Vmo.create(pages * PAGE, caller=k)
    vmo.op_range(VmoOp.COMMIT, 0, pages * PAGE)
    return vmo


def test_an_unlocked_vmo_keeps_its_contents_while_there_is_memory(k: Kernel) -> None:
    vmo = discardable(k)
    fill(k, 1)
    need(k)
    assert vmo.info.committed_bytes == 4 * PAGE
    assert lock(vmo) == (0, 4 * PAGE, 0, 0)
    assert vmo.read(0, 4) == b"kept"


def test_memory_that_is_short_comes_from_unlocked_vmos(k: Kernel) -> None:
    vmo = discardable(k)
    fill(k)
    need(k)
    assert vmo.info.committed_bytes == 0
    assert lock(vmo) == (0, 4 * PAGE, 0, 4 * PAGE)
    assert vmo.read(0, 4 * PAGE) == bytes(4 * PAGE)
    assert lock(vmo) == (0, 4 * PAGE, 0, 0)  # it is told once


def test_a_locked_vmo_keeps_its_contents(k: Kernel) -> None:
    vmo = discardable(k)
    lock(vmo)
    lock(vmo)
    unlock(vmo)  # still once
    fill(k)
    with pytest.raises(ZxNoMemory):
        need(k)
    assert vmo.read(0, 4) == b"kept"


def test_a_vmo_that_was_never_locked_keeps_its_contents(k: Kernel) -> None:
    vmo = Vmo.create(PAGE, VmoOptions.DISCARDABLE, caller=k)
    vmo.write(b"kept")
    fill(k)
    with pytest.raises(ZxNoMemory):
        need(k)
    assert vmo.read(0, 4) == b"kept"


def test_the_longest_unlocked_goes_first_and_no_more_than_needed(k: Kernel) -> None:
    first, second, third = (discardable(k) for _ in range(3))
    lock(first)
    unlock(first)  # it is the latest now
    fill(k)
    need(k, 5)
    assert [vmo.info.committed_bytes for vmo in (first, second, third)] == [4 * PAGE, 0, 0]


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_UNAVAILABLE")
def test_try_lock_fails_once_it_was_discarded(k: Kernel) -> None:
    vmo = discardable(k)
    vmo.op_range(VmoOp.TRY_LOCK, 0, vmo.size)
    unlock(vmo)
    fill(k)
    need(k)
    with pytest.raises(ZxUnavailable):
        vmo.op_range(VmoOp.TRY_LOCK, 0, vmo.size)
    lock(vmo)
    vmo.op_range(VmoOp.TRY_LOCK, 0, vmo.size)


@pytest.mark.shows("zx_vmo_read", "ZX_ERR_NOT_FOUND")
@pytest.mark.shows("zx_vmo_write", "ZX_ERR_NOT_FOUND")
def test_a_discarded_vmo_cannot_be_used_until_it_is_locked(k: Kernel) -> None:
    vmo = discardable(k)
    full = fill(k)
    need(k).close()
    for use in (
        lambda: vmo.read(0, 1),
        lambda: vmo.write(b"x"),
        lambda: vmo.op_range(VmoOp.COMMIT, 0, PAGE),
        lambda: vmo.op_range(VmoOp.ZERO, 0, PAGE),
    ):
        with pytest.raises(ZxNotFound):
            use()
    full.close()
    lock(vmo)
    vmo.write(b"x")
    assert vmo.read(0, 1) == b"x"


def test_what_is_taken_back_is_counted(pw: PagerWorld) -> None:
    paged, kept = pw.vmo(2), discardable(pw.k)
    pw.supply(paged, 0, b"a", b"b")
    assert (paged.info.committed_change_events, kept.info.committed_change_events) == (0, 0)
    fill(pw.k)
    for _ in range(5):
        need(pw.k)
    assert paged.info.committed_change_events == 2  # pages one by one
    assert kept.info.committed_change_events == 1  # the contents at once


def test_a_discarded_mapping_is_a_bad_pointer(k: Kernel) -> None:
    vmo = discardable(k)
    flags = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE | VmarFlags.ALLOW_FAULTS
    address = k.root_vmar.map(0, vmo, 0, vmo.size, flags)
    aspace = k.host.sys.call.memory
    assert aspace.read_user(address, 4) == b"kept"
    fill(k)
    need(k)
    with pytest.raises(Exception, match="INVALID_ARGS"):
        aspace.read_user(address, 4)
    with pytest.raises(Exception, match="INVALID_ARGS"):
        aspace.write_user(address, b"x")
    assert aspace.why_not(address, 1, READ) == Status.NOT_FOUND


# Pagers' pages


def test_clean_pages_go_and_are_asked_for_again(pw: PagerWorld) -> None:
    vmo = pw.vmo(2)
    pw.supply(vmo, 0, b"clean", b"dirty")
    vmo.write(b"DIRTY", PAGE)
    fill(pw.k)
    need(pw.k)
    assert vmo.info.committed_bytes == PAGE
    assert vmo.read(PAGE, 5) == b"DIRTY"
    pw.read(vmo, 0)
    assert pw.request() == (PagerCommand.READ, 0, 1)


@pytest.mark.shows("zx_vmo_op_range", "ZX_ERR_NO_MEMORY")
def test_pages_that_are_always_needed_go_last(pw: PagerWorld) -> None:
    first, second = pw.vmo(1), pw.vmo(1)
    for vmo in (first, second):
        pw.supply(vmo, 0, b"x")
    first.op_range(VmoOp.ALWAYS_NEED, 0, PAGE)
    fill(pw.k)
    need(pw.k)
    assert (first.info.committed_bytes, second.info.committed_bytes) == (PAGE, 0)
    need(pw.k)
    assert first.info.committed_bytes == 0
    with pytest.raises(ZxNoMemory):
        need(pw.k)


def test_pages_that_are_not_needed_go_first(pw: PagerWorld) -> None:
    first, second, third = pw.vmo(1), pw.vmo(3), discardable(pw.k, 1)
    pw.supply(first, 0, b"x")
    pw.supply(second, 0, b"a", b"b", b"c")
    second.op_range(VmoOp.DONT_NEED, PAGE, 2 * PAGE)
    assert (second.info.committed_bytes, second.read(0, 1)) == (3 * PAGE, b"a")
    fill(pw.k)
    need(pw.k)
    assert (first.info.committed_bytes, second.info.committed_bytes) == (PAGE, PAGE)
    need(pw.k)  # takes what is free now
    assert (first.info.committed_bytes, second.info.committed_bytes) == (PAGE, PAGE)
    need(pw.k)
    assert (third.info.committed_bytes, first.info.committed_bytes) == (0, PAGE)
    pw.read(second, 2)
    assert pw.request() == (PagerCommand.READ, 2, 1)


@pytest.mark.parametrize("touch", ["read", "write", "mapped", "always needed", "supplied again"])
def test_who_touches_a_page_again_needs_it(pw: PagerWorld, touch: str) -> None:
    other, vmo = pw.vmo(1), pw.vmo(1)
    pw.supply(other, 0, b"other")
    pw.supply(vmo, 0, b"abc")
    address = pw.k.root_vmar.map(0, vmo, 0, PAGE, flags=VmarFlags.PERM_READ)
    assert pw.k.host.sys.call.memory.read_user(address, 3) == b"abc"
    vmo.op_range(VmoOp.DONT_NEED, 0, PAGE)
    match touch:
        case "read":
            vmo.read(0, 1)
        case "write":
            vmo.write(b"x")
        case "mapped":
            assert pw.k.host.sys.call.memory.read_user(address, 3) == b"abc"
        case "always needed":
            vmo.op_range(VmoOp.ALWAYS_NEED, 0, PAGE)
        case "supplied again":
            fill(pw.k)
            freed = need(pw.k)
            assert vmo.info.committed_bytes == 0
            freed.close()
            pw.supply(vmo, 0, b"abc")
    fill(pw.k)
    need(pw.k)
    assert (vmo.info.committed_bytes, other.info.committed_bytes) == (PAGE, 0)


def test_what_is_always_needed_stays_so(pw: PagerWorld) -> None:
    vmo, other = pw.vmo(1), pw.vmo(1)
    for pages in (vmo, other):
        pw.supply(pages, 0, b"x")
    vmo.op_range(VmoOp.ALWAYS_NEED, 0, PAGE)
    vmo.op_range(VmoOp.DONT_NEED, 0, PAGE)
    fill(pw.k)
    need(pw.k)
    assert (vmo.info.committed_bytes, other.info.committed_bytes) == (PAGE, 0)


@pytest.mark.parametrize("op", [VmoOp.DONT_NEED, VmoOp.ALWAYS_NEED])
def test_a_hint_about_a_clone_is_one_about_what_it_shows(pw: PagerWorld, op: VmoOp) -> None:
    vmo, other = pw.vmo(3), pw.vmo(2)
    pw.supply(vmo, 0, b"a", b"b", b"c")
    clone = vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, PAGE, 2 * PAGE)
    clone.write(b"own", PAGE)
    pw.supply(other, 0, b"x", b"y")
    clone.op_range(op, 0, 2 * PAGE)
    fill(pw.k)
    need(pw.k)
    if op is VmoOp.DONT_NEED:
        assert (vmo.info.committed_bytes, other.info.committed_bytes) == (2 * PAGE, 2 * PAGE)
        pw.read(vmo, 1)
        assert pw.request() == (PagerCommand.READ, 1, 1)
    else:
        assert vmo.read(PAGE, 1) == b"b"
        assert vmo.info.committed_bytes == PAGE
    assert clone.read(PAGE, 3) == b"own"


def test_a_clone_that_needs_memory_for_a_page_may_have_to_ask_for_it_again(pw: PagerWorld) -> None:
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"abc")
    child = vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, 0, PAGE)
    writer_aux = pw.aux(b"abc")
    fill(pw.k)
    writer = pw.write(child, 0, b"X")  # its page takes the frame of the one that it is to be a copy of
    assert pw.request() == (PagerCommand.READ, 0, 1)
    pw.pager.supply_pages(vmo, 0, PAGE, writer_aux)
    pw.k.run_until_idle()
    assert writer.done


def test_a_copy_to_many_pages_survives_that_some_go_meanwhile(k: Kernel) -> None:
    vmo = discardable(k, 8)
    other = Vmo.create(8 * PAGE, caller=k)
    address = k.root_vmar.map(0, other, 0, 8 * PAGE)
    fill(k, 2)
    k.host.sys.call.memory.write_user(address, b"z" * (8 * PAGE))
    assert other.read(0, 8 * PAGE) == b"z" * (8 * PAGE)
    assert lock(vmo)[3] == 8 * PAGE


# Memory of a high priority


def _keep(k: Kernel, vmar: Vmar, priority: int = ZX_PRIORITY_HIGH) -> None:
    record = zx_profile_info_t(flags=ZX_PROFILE_INFO_FLAG_MEMORY_PRIORITY)
    record.priority = priority
    status, profile = k.host.sys.zx_profile_create(k.host.root_resource, 0, record)
    assert status == ZX_OK
    assert k.host.sys.zx_object_set_profile(vmar.raw, profile, 0) == ZX_OK


def test_what_a_region_of_high_priority_shows_is_kept(pw: PagerWorld) -> None:
    k = pw.k
    outer, _ = k.root_vmar.allocate(0, 64 * PAGE, VmarFlags.CAN_MAP_READ)
    before, _ = outer.allocate(0, 16 * PAGE, VmarFlags.CAN_MAP_READ)
    _keep(k, outer)
    later, _ = outer.allocate(0, 16 * PAGE, VmarFlags.CAN_MAP_READ)
    kept = []
    for vmar in (before, later, outer):
        vmo = pw.vmo(1)
        pw.supply(vmo, 0, b"x")
        shown = (
            vmo.create_child(VmoChildOptions.SNAPSHOT_AT_LEAST_ON_WRITE, 0, PAGE) if vmar is later else vmo
        )
        vmar.map(0, shown, 0, PAGE, VmarFlags.PERM_READ)
        kept.append(vmo)
    locked = discardable(k, 1)
    outer.map(0, locked, 0, PAGE, VmarFlags.PERM_READ | VmarFlags.ALLOW_FAULTS)
    other = pw.vmo(1)
    pw.supply(other, 0, b"x")
    full = fill(k)
    need(k)
    assert pw.read(other, 0).answer is None and pw.request() == (PagerCommand.READ, 0, 1)
    with pytest.raises(ZxNoMemory):
        need(k, 2)
    assert [pw.read(vmo, 0).done for vmo in kept] == [True] * 3
    assert locked.read(0, 4) == b"kept"
    _keep(k, outer, ZX_PRIORITY_DEFAULT)
    need(k, 2)
    assert [pw.read(vmo, 0).done for vmo in kept] != [True] * 3
    full.close()


def test_what_is_not_mapped_any_more_is_not_kept(pw: PagerWorld) -> None:
    k = pw.k
    vmar, _ = k.root_vmar.allocate(0, 16 * PAGE, VmarFlags.CAN_MAP_READ)
    _keep(k, vmar)
    vmo = pw.vmo(1)
    pw.supply(vmo, 0, b"x")
    vmar.map(0, vmo, 0, PAGE, VmarFlags.PERM_READ)
    full = fill(k)
    with pytest.raises(ZxNoMemory):
        need(k)
    vmar.destroy()
    need(k)
    assert not pw.read(vmo, 0).done
    full.close()
