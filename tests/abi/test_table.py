from __future__ import annotations

import re

import pytest

from jacinth.abi import BY_NAME, SCALARS, STRUCTS, SYSCALLS, Kind, Param, SyscallRow, Vdso, constants
from jacinth.abi.names import FAMILIES
from jacinth.sdk.headers import prototype
from jacinth.syscalls import table as _implemented  # noqa: F401  # fails where a function differs from its row
from jacinth.userboot import vdso

RAW = ("void", "char")
MEMBERS = [
    "handle",
    "object",
    "job",
    "process",
    "thread",
    "task",
    "vmo",
    "vmar",
    "channel",
    "event",
    "socket",
]
MEMBERS += ["fifo", "futex", "timer", "clock", "port", "debug", "system", "cprng", "exception", "restricted"]
MEMBERS += [
    "pager",
    "stream",
    "iob",
    "counter",
    "resource",
    "profile",
    "interrupt",
    "bti",
    "pci",
    "guest",
    "misc",
]
each_row = pytest.mark.parametrize("row", SYSCALLS, ids=lambda row: row.name)


def params(row: SyscallRow) -> dict[str, Param]:
    return {param.name: param for param in row.params}


def test_names_are_unique_and_numbers_are_places() -> None:
    assert len(BY_NAME) == len(SYSCALLS) > 180
    assert [row.number for row in SYSCALLS] == list(range(len(SYSCALLS)))
    assert all(BY_NAME[row.name] is row for row in SYSCALLS)


def test_every_family_is_there_and_in_one_piece() -> None:
    changes = [row.family for row, before in zip(SYSCALLS, (None, *SYSCALLS), strict=False)
               if before is None or before.family != row.family]  # fmt: skip
    assert sorted(changes) == sorted(MEMBERS)


@each_row
def test_a_row_is_well_formed(row: SyscallRow) -> None:
    assert re.fullmatch(r"zx_[a-z0-9_]+", row.name)
    assert len(row.params) <= 8, "what eight registers hold"
    assert len(params(row)) == len(row.params)
    assert row.returns == "void" or row.returns in SCALARS
    assert not row.noreturn or row.returns == "void"
    for param in row.params:
        if param.kind in (Kind.SCALAR, Kind.HANDLE):
            assert param.type in SCALARS and param.count is None
        else:
            assert param.type in SCALARS or param.type in STRUCTS or param.type in RAW
        assert param.kind is Kind.HANDLE or not (param.objects or param.rights)
        assert param.flags is None or param.kind is Kind.SCALAR


@each_row
def test_sizes_are_parameters_of_their_own(row: SyscallRow) -> None:
    for param in row.params:
        for name in (param.count, param.unit):
            if name is not None:
                assert param.kind in (Kind.IN, Kind.OUT, Kind.INOUT)
                assert params(row)[name].type in ("size_t", "uint32_t", "uint64_t")
        assert param.unit is None or param.count is not None


@each_row
def test_objects_rights_and_flags_are_constants(row: SyscallRow) -> None:
    types = {value for name, value in vars(constants).items() if name.startswith("ZX_OBJ_TYPE_")}
    rights = (1 << 25) - 1
    for param in row.params:
        assert set(param.objects) <= types - {constants.ZX_OBJ_TYPE_NONE}
        assert param.rights & ~rights == 0
        if param.flags is not None:
            assert param.flags in FAMILIES
            assert any(name.startswith(param.flags) for name in vars(constants))


def test_the_vdso_answers_what_it_has_a_routine_for() -> None:
    assert {row.name for row in SYSCALLS if row.vdso is Vdso.VDSO} == set(vdso._ROUTINES)


def test_a_call_that_ends_the_thread_or_waits() -> None:
    assert [row.name for row in SYSCALLS if row.noreturn] == [
        "zx_process_exit",
        "zx_thread_exit",
        "zx_futex_wake_handle_close_thread_exit",
    ]
    waiting = {row.name for row in SYSCALLS if row.blocking}
    assert waiting >= {"zx_object_wait_one", "zx_object_wait_many", "zx_port_wait", "zx_futex_wait"}
    assert waiting >= {"zx_nanosleep", "zx_channel_call", "zx_channel_call_etc", "zx_interrupt_wait"}
    assert not waiting & {row.name for row in SYSCALLS if row.vdso is Vdso.VDSO}


CONSUMING = """zx_handle_close handle; zx_handle_close_many handles; zx_handle_replace handle; zx_channel_write handles;
zx_channel_write_etc handles; zx_process_start arg1; zx_vmo_replace_as_executable handle; zx_pmt_unpin handle;
zx_futex_wake_handle_close_thread_exit close_handle; zx_vmar_unmap_handle_close_thread_exit close_handle"""


def test_who_consumes_handles() -> None:
    expected = {tuple(entry.split()) for entry in CONSUMING.split(";")}
    assert {(row.name, param.name) for row in SYSCALLS for param in row.params if param.consumed} == expected


# As <zircon/syscalls.h> declares them; written by hand, without the prefix zx_.
PROTOTYPES = """
zx_status_t bti_pin(zx_handle_t handle, uint32_t options, zx_handle_t vmo, uint64_t offset, uint64_t size, zx_paddr_t* addrs, size_t num_addrs, zx_handle_t* pmt);
zx_status_t cache_flush(const void* addr, size_t size, uint32_t options);
zx_status_t channel_call(zx_handle_t handle, uint32_t options, zx_instant_mono_t deadline, const zx_channel_call_args_t* args, uint32_t* actual_bytes, uint32_t* actual_handles);
zx_status_t channel_call_etc(zx_handle_t handle, uint32_t options, zx_instant_mono_t deadline, zx_channel_call_etc_args_t* args, uint32_t* actual_bytes, uint32_t* actual_handles);
zx_status_t channel_read_etc(zx_handle_t handle, uint32_t options, void* bytes, zx_handle_info_t* handles, uint32_t num_bytes, uint32_t num_handles, uint32_t* actual_bytes, uint32_t* actual_handles);
zx_status_t channel_write_etc(zx_handle_t handle, uint32_t options, const void* bytes, uint32_t num_bytes, zx_handle_disposition_t* handles, uint32_t num_handles);
zx_status_t clock_create(uint64_t options, const void* args, zx_handle_t* out);
zx_status_t clock_get_details_mapped(const void* clock_addr, uint64_t options, void* details);
zx_instant_mono_t clock_get_monotonic(void);
zx_status_t counter_add(zx_handle_t handle, int64_t value);
void cprng_draw(void* buffer, size_t buffer_size);
zx_instant_mono_t deadline_after(zx_duration_mono_t nanoseconds);
zx_status_t debug_read(zx_handle_t handle, char* buffer, size_t buffer_size, size_t* actual);
zx_status_t debuglog_create(zx_handle_t resource, uint32_t options, zx_handle_t* out);
zx_status_t exception_get_thread(zx_handle_t handle, zx_handle_t* out);
zx_status_t fifo_create(size_t elem_count, size_t elem_size, uint32_t options, zx_handle_t* out0, zx_handle_t* out1);
zx_status_t fifo_write(zx_handle_t handle, size_t elem_size, const void* data, size_t count, size_t* actual_count);
zx_status_t futex_requeue(const zx_futex_t* value_ptr, uint32_t wake_count, int32_t current_value, const zx_futex_t* requeue_ptr, uint32_t requeue_count, zx_handle_t new_requeue_owner);
zx_status_t futex_wait(const zx_futex_t* value_ptr, int32_t current_value, zx_handle_t new_futex_owner, zx_instant_mono_t deadline);
void futex_wake_handle_close_thread_exit(const zx_futex_t* value_ptr, uint32_t wake_count, int32_t new_value, zx_handle_t close_handle) __NO_RETURN;
zx_status_t handle_duplicate(zx_handle_t handle, zx_rights_t rights, zx_handle_t* out);
zx_status_t interrupt_trigger(zx_handle_t handle, uint32_t options, zx_time_t timestamp);
zx_status_t iob_allocate_id(zx_handle_t handle, zx_iob_allocate_id_options_t options, uint32_t region_index, const void* blob, size_t blob_size, uint32_t* id);
zx_status_t iob_writev(zx_handle_t handle, zx_iob_write_options_t options, uint32_t region_index, const zx_iovec_t* vectors, size_t num_vectors);
zx_status_t ioports_request(zx_handle_t resource, uint16_t io_addr, uint32_t len);
zx_status_t job_create(zx_handle_t parent_job, uint32_t options, zx_handle_t* out);
zx_status_t job_set_critical(zx_handle_t job, uint32_t options, zx_handle_t process);
zx_status_t job_set_policy(zx_handle_t handle, uint32_t options, uint32_t topic, const void* policy, uint32_t policy_size);
zx_status_t object_get_info(zx_handle_t handle, uint32_t topic, void* buffer, size_t buffer_size, size_t* actual, size_t* avail);
zx_status_t object_wait_async(zx_handle_t handle, zx_handle_t port, uint64_t key, zx_signals_t signals, uint32_t options);
zx_status_t object_wait_many(zx_wait_item_t* items, size_t num_items, zx_instant_mono_t deadline);
zx_status_t object_wait_one(zx_handle_t handle, zx_signals_t signals, zx_instant_mono_t deadline, zx_signals_t* observed);
zx_status_t pager_op_range(zx_handle_t pager, uint32_t op, zx_handle_t pager_vmo, uint64_t offset, uint64_t length, uint64_t data);
zx_status_t pci_cfg_pio_rw(zx_handle_t handle, uint8_t bus, uint8_t dev, uint8_t func, uint8_t offset, uint32_t* val, size_t width, uint32_t write);
zx_status_t port_wait(zx_handle_t handle, zx_instant_mono_t deadline, zx_port_packet_t* packet);
zx_status_t process_create(zx_handle_t job, const char* name, size_t name_size, uint32_t options, zx_handle_t* proc_handle, zx_handle_t* vmar_handle);
zx_status_t process_create_shared(zx_handle_t shared_proc, uint32_t options, const char* name, size_t name_size, zx_handle_t* proc_handle, zx_handle_t* restricted_vmar_handle);
void process_exit(int64_t retcode) __NO_RETURN;
zx_status_t process_start(zx_handle_t handle, zx_handle_t thread, zx_vaddr_t entry, zx_vaddr_t stack, zx_handle_t arg1, uintptr_t arg2);
zx_status_t profile_create(zx_handle_t profile_rsrc, uint32_t options, const zx_profile_info_t* profile, zx_handle_t* out);
zx_status_t resource_create(zx_handle_t parent_rsrc, uint32_t options, uint64_t base, size_t size, const char* name, size_t name_size, zx_handle_t* resource_out);
zx_status_t restricted_bind_state(uint32_t options, zx_handle_t* out, zx_exception_report_t* out_exception);
zx_status_t restricted_enter(uint32_t options, uintptr_t vector_table_ptr, uintptr_t context);
zx_status_t restricted_kick(zx_handle_t thread, uint32_t options);
zx_status_t socket_set_disposition(zx_handle_t handle, uint32_t disposition, uint32_t disposition_peer);
const char* status_get_string(zx_status_t status) __CONST;
zx_status_t stream_readv_at(zx_handle_t handle, uint32_t options, zx_off_t offset, zx_iovec_t* vectors, size_t num_vectors, size_t* actual);
zx_status_t stream_seek(zx_handle_t handle, zx_stream_seek_origin_t whence, int64_t offset, zx_off_t* out_seek);
zx_status_t system_get_features(uint32_t kind, uint32_t* features);
zx_string_view_t system_get_version_string(void) __CONST;
zx_status_t system_powerctl(zx_handle_t resource, uint32_t cmd, const zx_system_powerctl_arg_t* arg);
zx_status_t task_create_exception_channel(zx_handle_t handle, uint32_t options, zx_handle_t* out);
zx_status_t thread_start_regs(zx_handle_t handle, uint64_t pc, uint64_t sp, uint64_t arg1, uint64_t arg2, uint64_t tp, uint64_t abi_reg);
zx_status_t timer_set(zx_handle_t handle, zx_time_t deadline, zx_duration_t slack);
zx_status_t vcpu_enter(zx_handle_t handle, zx_port_packet_t* packet);
zx_status_t vmar_map(zx_handle_t handle, zx_vm_option_t options, size_t vmar_offset, zx_handle_t vmo, uint64_t vmo_offset, size_t len, zx_vaddr_t* mapped_addr);
zx_status_t vmar_map_iob(zx_handle_t handle, zx_vm_option_t options, size_t vmar_offset, zx_handle_t ep, uint32_t region_index, uint64_t region_offset, size_t region_length, zx_vaddr_t* mapped_addr);
zx_status_t vmo_create(uint64_t size, uint32_t options, zx_handle_t* out);
zx_status_t vmo_op_range(zx_handle_t handle, uint32_t op, uint64_t offset, uint64_t size, void* buffer, size_t buffer_size);
zx_status_t vmo_replace_as_executable(zx_handle_t handle, zx_handle_t vmex, zx_handle_t* out);
zx_status_t vmo_transfer_data(zx_handle_t dst_vmo, uint32_t options, uint64_t offset, uint64_t length, zx_handle_t src_vmo, uint64_t src_offset);
"""  # noqa: E501


@pytest.mark.parametrize("declaration", PROTOTYPES.strip().splitlines(), ids=lambda line: line.split("(")[0])
def test_a_row_is_the_declaration_of_the_header(declaration: str) -> None:
    declaration = re.sub(r"(\w+)\(", r"zx_\1(", declaration, count=1)
    name = declaration.split("(")[0].split()[-1]
    assert prototype(BY_NAME[name])[0] == f"extern {declaration}"
