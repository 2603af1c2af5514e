"""Whatever pointers and handles a guest passes: it gets a status, and a failed call changes nothing.

The cases follow from the rows of the table of system calls: each call that is implemented, and each pointer and
handle that it takes.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from _pytest.mark.structures import ParameterSet

from jacinth.abi import (
    BY_NAME,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_FOUND,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_OBJ_TYPE_CHANNEL,
    ZX_OBJ_TYPE_EVENT,
    ZX_OK,
)
from jacinth.abi.errors import DOCUMENTED_ERRORS
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.kernel.object import Dispatcher
from jacinth.syscalls.door import IMPLEMENTED

from .world import (
    BLOCKED,
    PAGE,
    Snapshot,
    World,
    element_size,
    good_arguments,
    is_pointer,
    registers,
    types,
)

ALL_RIGHTS = 0x7FFF_FFFF

CALLS = sorted(IMPLEMENTED)
WITH_POINTERS = [name for name in CALLS if any(is_pointer(param) for param in BY_NAME[name].params)]
WITH_HANDLES = [name for name in CALLS if any(param.kind is Kind.HANDLE for param in BY_NAME[name].params)]

# Calls that say of their buffer what a page fault there would say.
AS_A_FAULT = {"zx_vmo_read", "zx_vmo_write"}

# Calls that no kernel carries out unless it was started for debugging: they look at nothing.
REFUSED = {
    "zx_debug_read",
    "zx_debug_send_command",
    "zx_mtrace_control",
    "zx_restricted_enter",
    "zx_system_mexec",
    "zx_system_mexec_payload_get",
}

# Calls about hardware that is not there, refused after their handle was looked at; tests/system has their order.
NO_HARDWARE = {name for name in CALLS if BY_NAME[name].family in ("pci", "guest")} | {
    "zx_ioports_request",
    "zx_ioports_release",
    "zx_msi_allocate",
    "zx_msi_create",
    "zx_smc_call",
    "zx_vmo_create_physical",
    "zx_system_powerctl",
    "zx_system_set_processor_power_domain",
    "zx_system_set_processor_power_state",
    "zx_system_suspend_enter",
}
REFUSED |= NO_HARDWARE

# What these take from their object is gone when it cannot be stored; their pages say so.
LOSING = {"zx_channel_read", "zx_channel_read_etc", "zx_port_wait", "zx_debuglog_read"}

# Counts that are stored when everything else has been done.
STORED_LAST = {"zx_fifo_read", "zx_fifo_write", "zx_socket_read", "zx_socket_write"}

# Pointers that are never followed as they stand: the futex calls only compare addresses with those of waiting threads,
# and the others have no buffer for the operation that the test asks for.
NOT_FOLLOWED = {
    ("zx_futex_wake", "value_ptr"),
    ("zx_futex_wake_single_owner", "value_ptr"),
    ("zx_futex_requeue", "requeue_ptr"),
    ("zx_futex_requeue_single_owner", "requeue_ptr"),
    ("zx_futex_get_owner", "value_ptr"),
    ("zx_futex_wake_handle_close_thread_exit", "value_ptr"),
    ("zx_vmo_op_range", "buffer"),
    ("zx_vmar_op_range", "buffer"),
    ("zx_ktrace_control", "ptr"),  # means nothing any more
    ("zx_channel_call", "actual_bytes"),  # written when the reply comes
    ("zx_channel_call", "actual_handles"),
    ("zx_channel_call_etc", "actual_bytes"),
    ("zx_channel_call_etc", "actual_handles"),
}

# What answers a handle of the wrong type where the page of the call has no WRONG_TYPE.
TELLING_LESS = {
    ("zx_vmo_replace_as_executable", "handle"): ZX_ERR_BAD_HANDLE,
    ("zx_profile_create", "profile_rsrc"): ZX_ERR_ACCESS_DENIED,
}

# A virtual interrupt comes from nothing.
HANDLE_MATTERS = {"zx_interrupt_create": {"options": 0}}


def showing(
    calls: list[str], error: str, asserted: Callable[[SyscallRow, Param], object]
) -> list[ParameterSet]:
    """Parameters: each call, and that its test shows *error* where its page names that and a parameter has it asserted."""

    def shows(name: str) -> bool:
        row = BY_NAME[name]
        if name in REFUSED or row.noreturn or error not in DOCUMENTED_ERRORS[name]:
            return False
        return any(asserted(row, param) for param in row.params)

    mark = pytest.mark.shows
    return [pytest.param(name, marks=[mark(name, error)] if shows(name) else []) for name in calls]


BAD_POINTERS = showing(
    WITH_POINTERS,
    "ZX_ERR_INVALID_ARGS",
    lambda row, param: is_pointer(param) and (row.name, param.name) not in NOT_FOLLOWED,
)
BAD_HANDLES = showing(
    WITH_HANDLES,
    "ZX_ERR_BAD_HANDLE",
    lambda row, param: param.kind is Kind.HANDLE and row.name != "zx_vmar_unmap_handle_close_thread_exit",
)
WRONG_TYPES = showing(
    WITH_HANDLES, "ZX_ERR_WRONG_TYPE", lambda row, param: param.kind is Kind.HANDLE and types(row, param)
)
MISSING_RIGHTS = showing(
    WITH_HANDLES, "ZX_ERR_ACCESS_DENIED", lambda row, param: param.kind is Kind.HANDLE and param.rights
)


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """Garbage is looked for often: only among what these tests make."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def w(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(monkeypatch)
    yield world
    world.close()


def bad_addresses(w: World, param: Param) -> dict[str, int]:
    size = element_size(param) if param.count is None or param.type != "void" else 4
    bad = {
        "null": 0,
        "unmapped": w.unmapped,
        "half mapped": w.edge - max(size // 2, 1),
        "wrapping": 2**64 - 8,
        "kernel half": 0xFFFF_8000_0010_0000,
        "first address above user space": 1 << 47,
        "not canonical": 1 << 50 | w.base,
    }
    if param.kind is not Kind.IN:
        bad["read-only"] = w.read_only
    if param.optional:
        del bad["null"]
    if size == 1 and param.count is not None:
        bad["half mapped"] = w.edge - 4
    return bad


def consumed(row: SyscallRow, arguments: dict[str, int]) -> set[int]:
    if row.name == "zx_vmar_unmap_handle_close_thread_exit":
        return set()  # it returns only where it has done nothing
    return {arguments[p.name] for p in row.params if p.kind is Kind.HANDLE and p.consumed}


def assert_no_new_handles(before: Snapshot, after: Snapshot, what: str) -> None:
    assert after.handles.keys() <= before.handles.keys(), f"{what}: a handle is left behind"


def assert_nothing_new(before: Snapshot, after: Snapshot, what: str) -> None:
    assert after.handles.keys() <= before.handles.keys(), f"{what}: a handle is left behind"
    assert after.objects.keys() <= before.objects.keys(), f"{what}: an object is left behind"
    assert after.pages <= before.pages, f"{what}: {after.pages - before.pages} pages are left behind"


def assert_unchanged(before: Snapshot, after: Snapshot, gone: set[int], what: str) -> None:
    """Nothing but the handles *gone* differs, and the objects that only they kept."""
    assert_nothing_new(before, after, what)
    lost = before.handles.keys() - after.handles.keys()
    assert lost == gone & before.handles.keys(), f"{what}: handles closed: {lost}, to be closed: {gone}"
    koids = {before.handles[value][0] for value in lost}
    for koid, state in before.objects.items():
        if not koids:
            assert after.objects.get(koid) == state, f"{what}: object {koid} changed"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_with_good_arguments_succeeds(w: World, name: str) -> None:
    """Without this, the tests below would only see how calls fail early."""
    row = BY_NAME[name]
    result = w.trap(row, registers(row, good_arguments(w, row)))
    if name in NO_HARDWARE:
        assert isinstance(result, int) and result < 0
    elif name in REFUSED:
        assert result == ZX_ERR_NOT_SUPPORTED
    elif row.returns == "zx_status_t" and name != "zx_debuglog_read":
        assert result in (ZX_OK, BLOCKED), "it needs a recipe"
    else:
        assert isinstance(result, int) and result >= 0


@pytest.mark.parametrize("name", BAD_POINTERS)
def test_a_bad_pointer_is_a_status_and_leaves_nothing_behind(w: World, name: str) -> None:
    row = BY_NAME[name]
    for param in row.params:
        if not is_pointer(param):
            continue
        for kind, address in bad_addresses(w, param).items():
            what = f"{param.name} {kind}"
            if kind == "half mapped" and (name, param.name) == ("zx_iommu_create", "desc"):
                continue  # a single byte cannot be
            arguments = good_arguments(w, row)
            arguments[param.name] = address
            before = w.snapshot()
            result = w.trap(row, registers(row, arguments))
            after = w.snapshot()
            if (name, param.name) == ("zx_restricted_bind_state", "out_exception"):
                continue  # kept for later
            if name in REFUSED or (name, param.name) in NOT_FOLLOWED or row.noreturn:
                assert_no_new_handles(before, after, what)
                continue
            if kind == "read-only" and param.kind is Kind.INOUT:
                assert isinstance(result, int) and result < 0, what  # what it holds is wrong too
            elif name in AS_A_FAULT:
                assert result == (ZX_ERR_ACCESS_DENIED if kind == "read-only" else ZX_ERR_NOT_FOUND), what
            else:
                assert result == ZX_ERR_INVALID_ARGS, what
            if name == "zx_task_create_exception_channel":
                assert_no_new_handles(before, after, what)
                continue  # the task keeps the kernel's end until another channel is made
            if name == "zx_restricted_bind_state":
                assert_no_new_handles(before, after, what)
                continue  # the VMO stays bound to the thread
            if name in LOSING or (name in STORED_LAST and param.optional):
                assert_nothing_new(before, after, what)
                continue
            gone = consumed(row, arguments)
            if any(p.consumed and is_pointer(p) for p in row.params) and not param.consumed:
                gone |= {value for value in before.handles if value not in after.handles}
                assert len(gone) == 3, what  # all the handles that were to be sent, and no other
            assert_unchanged(before, after, gone, what)


@pytest.mark.parametrize("name", BAD_HANDLES)
def test_a_bad_handle_is_a_status_and_changes_nothing_else(w: World, name: str) -> None:
    row = BY_NAME[name]
    for param in row.params:
        if param.kind is not Kind.HANDLE:
            continue
        values = {"a closed handle": w.event(), "no handle value": 4, "all ones": 0xFFFF_FFFF}
        assert w.zx.zx_handle_close(values["a closed handle"]) == ZX_OK
        if not param.optional and name != "zx_handle_close":
            values["ZX_HANDLE_INVALID"] = ZX_HANDLE_INVALID
        for kind, value in values.items():
            arguments = good_arguments(w, row) | HANDLE_MATTERS.get(name, {})
            arguments[param.name] = value
            what = f"{param.name} {kind}"
            before = w.snapshot()
            result = w.trap(row, registers(row, arguments))
            if name in REFUSED or row.noreturn or name == "zx_vmar_unmap_handle_close_thread_exit":
                continue  # they do what they can, and there is nobody to tell
            if name == "zx_process_start" and param.name == "arg1":
                continue  # checked on its own
            if name == "zx_handle_check_valid":
                assert isinstance(result, int) and result < 0  # which one says what is wrong with the value
                continue
            assert result == ZX_ERR_BAD_HANDLE, what
            gone = consumed(row, arguments)
            if any(p.consumed and is_pointer(p) for p in row.params):
                after = w.snapshot()
                gone |= {value for value in before.handles if value not in after.handles}
                assert len(gone) == 3, what
            assert_unchanged(before, w.snapshot(), gone, what)


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_handle_of_the_wrong_type_changes_nothing_else(w: World, name: str) -> None:
    row = BY_NAME[name]
    if name in REFUSED or row.noreturn:
        return
    for param in row.params:
        wanted = types(row, param) if param.kind is Kind.HANDLE else ()
        if not wanted:
            continue
        arguments = good_arguments(w, row) | HANDLE_MATTERS.get(name, {})
        other = w.table.get(
            w.make(ZX_OBJ_TYPE_EVENT if ZX_OBJ_TYPE_EVENT not in wanted else ZX_OBJ_TYPE_CHANNEL)
        )
        assert other is not None
        arguments[param.name] = w.host_handle(other.object, ALL_RIGHTS)  # it is not for want of a right
        before = w.snapshot()
        result = w.trap(row, registers(row, arguments))
        assert result == TELLING_LESS.get((name, param.name), ZX_ERR_WRONG_TYPE), param.name
        after = w.snapshot()
        gone = consumed(row, arguments)
        if any(p.consumed and is_pointer(p) for p in row.params):
            gone |= {value for value in before.handles if value not in after.handles}
            assert len(gone) == 3
        assert_unchanged(before, after, gone, param.name)


@pytest.mark.parametrize("name", MISSING_RIGHTS)
def test_each_right_that_is_missing_is_access_denied_and_changes_nothing_else(w: World, name: str) -> None:
    row = BY_NAME[name]
    if name in REFUSED or row.noreturn:
        return
    for param in row.params:
        if param.kind is not Kind.HANDLE or not param.rights:
            continue
        for bit in (1 << index for index in range(32)):
            if not param.rights & bit:
                continue
            arguments = good_arguments(w, row)
            whole = w.table.get(arguments[param.name])
            assert whole is not None and whole.rights & param.rights == param.rights, param.name
            lacking = whole.rights & ~bit
            if name == "zx_job_create":
                lacking = 0  # one of two rights is enough
            reduced = w.host_handle(whole.object, lacking)
            arguments[param.name] = reduced
            before = w.snapshot()
            result = w.trap(row, registers(row, arguments))
            assert result == ZX_ERR_ACCESS_DENIED, f"{param.name} without {bit:#x}"
            after = w.snapshot()
            gone = consumed(row, arguments)
            if any(p.consumed and is_pointer(p) for p in row.params):
                gone |= {value for value in before.handles if value not in after.handles}
                assert len(gone) == 3
            assert_unchanged(before, after, gone, param.name)


def test_process_start_consumes_its_argument_whatever_the_answer(w: World) -> None:
    row = BY_NAME["zx_process_start"]
    for changed in ("handle", "thread"):
        arguments = good_arguments(w, row)
        arguments[changed] = 4
        assert w.trap(row, registers(row, arguments)) == ZX_ERR_BAD_HANDLE
        assert w.table.get(arguments["arg1"]) is None
    arguments = {**good_arguments(w, row), "entry": 1 << 47}
    assert w.trap(row, registers(row, arguments)) == ZX_ERR_INVALID_ARGS
    assert w.table.get(arguments["arg1"]) is None


def test_the_world_sees_a_leak(w: World) -> None:
    before = w.snapshot()
    w.event()
    with pytest.raises(AssertionError, match="left behind"):
        assert_nothing_new(before, w.snapshot(), "an event")
    assert isinstance(w.alive[max(w.alive)], Dispatcher)
    assert w.edge - w.base == 32 * PAGE
