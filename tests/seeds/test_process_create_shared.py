"""Every sentence of the specification of zx_process_create_shared, through the host's calls; named after it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from jacinth.abi import (
    ZX_DEFAULT_PROCESS_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_WRONG_TYPE,
    ZX_HANDLE_INVALID,
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_JOB_PROCESSES,
    ZX_INFO_VMAR,
    ZX_OBJ_TYPE_PROCESS,
    ZX_OBJ_TYPE_VMAR,
    ZX_OK,
    ZX_PROCESS_SHARED,
    ZX_RIGHT_MANAGE_PROCESS,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    zx_info_handle_basic_t,
    zx_info_vmar_t,
)
from jacinth.api.kernel import Kernel
from jacinth.syscalls.door import HostSys
from tests.seeds.guest import GuestThread, start_thread, vdso_exit, write_code

PAGE = 4096
HALF = 1 << 46
RW = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE


class Made(NamedTuple):
    process: int
    vmar: int


@pytest.fixture
def job(k: Kernel, zx: HostSys) -> int:
    status, job = zx.zx_job_create(k.host.root_job, 0)
    assert status == ZX_OK
    return int(job)


@pytest.fixture
def prototype(zx: HostSys, job: int) -> Made:
    status, process, vmar = zx.zx_process_create(job, b"prototype", ZX_PROCESS_SHARED)
    assert status == ZX_OK
    return Made(process, vmar)


def create_shared(zx: HostSys, prototype: int, name: bytes = b"shared") -> Made:
    status, process, vmar = zx.zx_process_create_shared(prototype, 0, name)
    assert status == ZX_OK
    return Made(process, vmar)


def basic(zx: HostSys, handle: int) -> zx_info_handle_basic_t:
    status, data, _, _ = zx.zx_object_get_info(handle, ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t.SIZE)
    assert status == ZX_OK
    return zx_info_handle_basic_t.unpack(data)


def region(zx: HostSys, vmar: int) -> zx_info_vmar_t:
    status, data, _, _ = zx.zx_object_get_info(vmar, ZX_INFO_VMAR, zx_info_vmar_t.SIZE)
    assert status == ZX_OK
    return zx_info_vmar_t.unpack(data)


def processes(zx: HostSys, job: int) -> list[int]:
    status, data, _, _ = zx.zx_object_get_info(job, ZX_INFO_JOB_PROCESSES, 8 * 64)
    assert status == ZX_OK
    return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]


def map_page(zx: HostSys, vmar: int, content: bytes = b"") -> tuple[int, int]:
    """A new VMO of one page, mapped below *vmar*: its handle and address."""
    status, vmo = zx.zx_vmo_create(PAGE, 0)
    assert status == ZX_OK
    assert zx.zx_vmo_write(vmo, content, 0) == ZX_OK
    status, address = zx.zx_vmar_map(vmar, RW, 0, vmo, 0, PAGE)
    assert status == ZX_OK
    return vmo, address


def read_memory(zx: HostSys, process: int, address: int, size: int) -> tuple[int, bytes]:
    status, data, _ = zx.zx_process_read_memory(process, address, size)
    return status, data


# Description


def test_creates_a_new_process_that_shares_part_of_its_address_space_with_shared_proc(
    zx: HostSys, prototype: Made
) -> None:
    _, address = map_page(zx, prototype.vmar, b"common")
    made = create_shared(zx, prototype.process)
    assert basic(zx, made.process).type == ZX_OBJ_TYPE_PROCESS
    assert read_memory(zx, made.process, address, 6) == (ZX_OK, b"common")
    # What is mapped later is common too, whichever process is asked.
    _, later = map_page(zx, prototype.vmar, b"later")
    assert read_memory(zx, made.process, later, 5) == (ZX_OK, b"later")


def test_the_created_process_is_added_to_the_same_job_as_shared_proc(
    zx: HostSys, job: int, prototype: Made
) -> None:
    made = create_shared(zx, prototype.process)
    assert processes(zx, job) == [basic(zx, prototype.process).koid, basic(zx, made.process).koid]
    assert basic(zx, made.process).related_koid == basic(zx, job).koid


def test_shared_proc_must_have_been_created_with_zx_process_shared(zx: HostSys, job: int) -> None:
    _, plain, _ = zx.zx_process_create(job, b"plain", 0)
    assert zx.zx_process_create_shared(plain, 0, b"x") == (ZX_ERR_INVALID_ARGS, 0, 0)


def test_or_via_zx_process_create_shared(zx: HostSys, prototype: Made) -> None:
    first = create_shared(zx, prototype.process)
    second = create_shared(zx, first.process)
    _, address = map_page(zx, prototype.vmar, b"all three")
    assert read_memory(zx, second.process, address, 9) == (ZX_OK, b"all three")


def test_the_address_space_of_the_created_process_is_split_in_two(zx: HostSys, prototype: Made) -> None:
    made = create_shared(zx, prototype.process)
    shared, restricted = region(zx, prototype.vmar), region(zx, made.vmar)
    assert restricted.base + restricted.len <= HALF <= shared.base
    assert shared.base + shared.len <= 1 << 47


def test_the_shared_portion_is_shared_with_shared_proc(zx: HostSys, prototype: Made) -> None:
    vmo, address = map_page(zx, prototype.vmar)
    one, other = create_shared(zx, prototype.process), create_shared(zx, prototype.process)
    assert zx.zx_process_write_memory(one.process, address, b"written by one")[0] == ZX_OK
    assert read_memory(zx, other.process, address, 14) == (ZX_OK, b"written by one")
    assert zx.zx_vmo_read(vmo, 0, 14) == (ZX_OK, b"written by one")


def test_the_restricted_portion_is_private_to_the_created_process(zx: HostSys, prototype: Made) -> None:
    one, other = create_shared(zx, prototype.process), create_shared(zx, prototype.process)
    _, address = map_page(zx, one.vmar, b"one's")
    _, same = map_page(zx, other.vmar, b"other's")
    assert address == same
    assert read_memory(zx, one.process, address, 5) == (ZX_OK, b"one's")
    assert read_memory(zx, other.process, address, 7) == (ZX_OK, b"other's")
    assert read_memory(zx, prototype.process, address, 5)[0] != ZX_OK


def test_each_thread_in_the_process_begins_executing_with_the_shared_portion_active(
    k: Kernel, zx: HostSys, prototype: Made
) -> None:
    code = write_code(k, prototype.vmar)  # mapped in the shared half, where the thread must find it
    _, counter = map_page(zx, prototype.vmar)
    for number in (1, 2):
        made = create_shared(zx, prototype.process)
        thread = GuestThread(made.process, code.store_and_exit, counter + 8 * number, number)
        start_thread(k, thread)
    assert zx.zx_process_read_memory(prototype.process, counter + 8, 16)[1] == (1).to_bytes(8, "little") + (
        2
    ).to_bytes(8, "little")
    assert vdso_exit(k) != 0


def test_the_handle_table_is_shared_too(zx: HostSys, k: Kernel, prototype: Made) -> None:
    made = create_shared(zx, prototype.process)
    table = k.host.dispatcher.handles
    one, other = table.get(prototype.process), table.get(made.process)
    assert one is not None and other is not None
    assert one.object.handles is other.object.handles  # type: ignore[attr-defined]


# Rights


def test_shared_proc_must_be_of_type_process_and_have_manage_process(zx: HostSys, prototype: Made) -> None:
    _, enough = zx.zx_handle_duplicate(prototype.process, ZX_RIGHT_MANAGE_PROCESS)
    status, process, vmar = zx.zx_process_create_shared(enough, 0, b"x")
    assert (status, process != 0, vmar != 0) == (ZX_OK, True, True)


# Return value


def test_on_success_returns_a_handle_to_the_new_process(zx: HostSys, prototype: Made) -> None:
    info = basic(zx, create_shared(zx, prototype.process).process)
    assert (info.type, info.rights) == (ZX_OBJ_TYPE_PROCESS, ZX_DEFAULT_PROCESS_RIGHTS)


def test_and_a_handle_to_the_root_of_its_restricted_address_space(zx: HostSys, prototype: Made) -> None:
    made = create_shared(zx, prototype.process)
    assert basic(zx, made.vmar).type == ZX_OBJ_TYPE_VMAR
    _, address = map_page(zx, made.vmar, b"restricted")
    assert address < HALF
    assert read_memory(zx, made.process, address, 10) == (ZX_OK, b"restricted")


def test_in_the_event_of_failure_a_negative_error_value_is_returned(zx: HostSys, prototype: Made) -> None:
    status, process, vmar = zx.zx_process_create_shared(prototype.process, 1, b"x")
    assert status < 0 and process == vmar == ZX_HANDLE_INVALID


# Errors


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_INVALID_ARGS")
def test_invalid_args_a_process_created_neither_shared_nor_via_create_shared(zx: HostSys, job: int) -> None:
    _, plain, _ = zx.zx_process_create(job, b"plain", 0)
    before = processes(zx, job)
    assert zx.zx_process_create_shared(plain, 0, b"x")[0] == ZX_ERR_INVALID_ARGS
    assert processes(zx, job) == before


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_BAD_HANDLE")
@pytest.mark.parametrize("value", [ZX_HANDLE_INVALID, 3, 0x7FFFFFFF])
def test_bad_handle_shared_proc_is_not_a_valid_handle(zx: HostSys, value: int) -> None:
    assert zx.zx_process_create_shared(value, 0, b"x") == (ZX_ERR_BAD_HANDLE, 0, 0)


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_WRONG_TYPE")
def test_wrong_type_shared_proc_is_not_a_process_handle(zx: HostSys, job: int) -> None:
    assert zx.zx_process_create_shared(job, 0, b"x") == (ZX_ERR_WRONG_TYPE, 0, 0)


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_BAD_STATE")
def test_bad_state_the_shared_state_is_no_longer_valid(zx: HostSys, prototype: Made) -> None:
    """All processes sharing the state have terminated."""
    made = create_shared(zx, prototype.process)
    assert zx.zx_task_kill(prototype.process) == ZX_OK
    # One of the group lives, so the state does, and even the dead prototype leads to it.
    last = create_shared(zx, prototype.process)
    assert zx.zx_task_kill(made.process) == ZX_OK
    assert zx.zx_task_kill(last.process) == ZX_OK
    for process in (prototype.process, made.process, last.process):
        assert zx.zx_process_create_shared(process, 0, b"x") == (ZX_ERR_BAD_STATE, 0, 0)


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_ACCESS_DENIED")
def test_access_denied_shared_proc_does_not_have_the_manage_process_right(
    zx: HostSys, prototype: Made
) -> None:
    _, powerless = zx.zx_handle_duplicate(
        prototype.process, ZX_DEFAULT_PROCESS_RIGHTS & ~ZX_RIGHT_MANAGE_PROCESS
    )
    assert zx.zx_process_create_shared(powerless, 0, b"x") == (ZX_ERR_ACCESS_DENIED, 0, 0)


def test_access_denied_only_when_not_zx_handle_invalid(zx: HostSys) -> None:
    assert zx.zx_process_create_shared(ZX_HANDLE_INVALID, 0, b"x")[0] == ZX_ERR_BAD_HANDLE


# For other errors, see zx_process_create()


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [1, 0x80000000])
def test_invalid_args_options_is_nonzero(zx: HostSys, prototype: Made, options: int) -> None:
    assert zx.zx_process_create_shared(prototype.process, options, b"x") == (ZX_ERR_INVALID_ARGS, 0, 0)


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_INVALID_ARGS")
def test_invalid_args_name_is_an_invalid_pointer(zx: HostSys, prototype: Made) -> None:
    assert zx.zx_process_create_shared(prototype.process, 0, None) == (ZX_ERR_INVALID_ARGS, 0, 0)


@pytest.mark.shows("zx_process_create_shared", "ZX_ERR_BAD_STATE")
def test_bad_state_the_job_is_dead(zx: HostSys, job: int, prototype: Made) -> None:
    assert zx.zx_task_kill(job) == ZX_OK
    assert zx.zx_process_create_shared(prototype.process, 0, b"x")[0] == ZX_ERR_BAD_STATE
