"""Resources, and the calls that need hardware. Source: docs/reference/syscalls/{resource_create,ioports_*,smc_call,pci_*,msi_*,
guest_*,vcpu_*,vmo_create_physical}.md, zircon/system/utest/core/resource/.
"""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Kernel, Resource, ResourceKind, ZxAccessDenied, ZxBadState, ZxInvalidArgs, ZxNotFound
from jacinth.abi import (
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_NOT_SUPPORTED,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_RIGHT_WRITE,
    ZX_RSRC_FLAG_EXCLUSIVE,
    ZX_RSRC_KIND_COUNT,
    ZX_RSRC_SYSTEM_HYPERVISOR_BASE,
    ZX_RSRC_SYSTEM_INFO_BASE,
    ZX_RSRC_SYSTEM_MSI_BASE,
    zx_smc_parameters_t,
)

shows = pytest.mark.shows
MMIO = 1 << 40  # behind all memory
PAGE = 4096
LAST = (1 << 64) - 1


@pytest.fixture
def root(k: Kernel) -> Resource[Kernel]:
    return Resource(k, k.host.root_resource)


# Making


def test_a_resource_says_what_it_is(root: Resource[Kernel]) -> None:
    made = root.create_child(ResourceKind.MMIO, MMIO, PAGE, "registers")
    info = made.info
    assert (info.kind, info.base, info.size, info.flags) == (ResourceKind.MMIO, MMIO, PAGE, 0)
    assert bytes(info.name).rstrip(b"\0") == b"registers"


def test_a_long_name_is_cut(root: Resource[Kernel]) -> None:
    made = root.create_child(ResourceKind.IRQ, 33, 1, "n" * 50)
    assert bytes(made.info.name).rstrip(b"\0") == b"n" * 31


@shows("zx_resource_create", "ZX_ERR_INVALID_ARGS")
def test_kind_and_flags_are_checked(zx: Any, root: Resource[Kernel]) -> None:
    for options in (ZX_RSRC_KIND_COUNT, 0xFFFF, 1 << 17, 1 << 31):
        assert zx.zx_resource_create(root.raw, options, MMIO, 1, b"")[0] == ZX_ERR_INVALID_ARGS


@shows("zx_resource_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_resource_create", "ZX_ERR_WRONG_TYPE")
@shows("zx_resource_create", "ZX_ERR_ACCESS_DENIED")
def test_the_parent_is_checked(k: Kernel, zx: Any, root: Resource[Kernel]) -> None:
    assert zx.zx_resource_create(0, 1, 1, 1, b"")[0] == ZX_ERR_BAD_HANDLE
    assert zx.zx_resource_create(k.host.process, 1, 1, 1, b"")[0] == ZX_ERR_WRONG_TYPE
    less = root.duplicate(int(root.rights) & ~ZX_RIGHT_WRITE)
    assert zx.zx_resource_create(less.raw, 1, 1, 1, b"")[0] == ZX_ERR_ACCESS_DENIED


@shows("zx_resource_create", "ZX_ERR_ACCESS_DENIED")
def test_a_child_lies_in_its_parent(root: Resource[Kernel]) -> None:
    parent = root.create_child(ResourceKind.IRQ, 42, 10)
    assert parent.create_child(ResourceKind.IRQ, 42, 10).info.size == 10
    assert parent.create_child(ResourceKind.IRQ, 51, 1).info.base == 51
    for base, size in ((41, 2), (51, 2), (32, 224), (52, 1), (42, 0)):
        with pytest.raises(ZxAccessDenied):
            parent.create_child(ResourceKind.IRQ, base, size)
    with pytest.raises(ZxAccessDenied):
        parent.create_child(ResourceKind.IOPORT, 42, 1)


@shows("zx_resource_create", "ZX_ERR_ACCESS_DENIED")
def test_who_has_a_part_of_a_page_may_map_it_and_give_away_no_more_than_the_part(
    zx: Any, root: Resource[Kernel]
) -> None:
    parent = root.create_child(ResourceKind.MMIO, MMIO + 100, 200)
    with pytest.raises(ZxAccessDenied):
        parent.create_child(ResourceKind.MMIO, MMIO, PAGE)
    assert parent.create_child(ResourceKind.MMIO, MMIO + 100, 100).info.size == 100
    assert zx.zx_vmo_create_physical(parent.raw, MMIO, PAGE)[0] == ZX_ERR_NOT_SUPPORTED
    assert zx.zx_vmo_create_physical(parent.raw, MMIO, 2 * PAGE)[0] == ZX_ERR_OUT_OF_RANGE


@shows("zx_resource_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize(("base", "size"), [(LAST, 1024), (1024, LAST), (LAST, 1)])
def test_a_range_beyond_64_bits_is_refused_before_all(zx: Any, base: int, size: int) -> None:
    assert zx.zx_resource_create(0, ZX_RSRC_KIND_COUNT, base, size, b"") == (ZX_ERR_INVALID_ARGS, 0)


@shows("zx_resource_create", "ZX_ERR_INVALID_ARGS")
@shows("zx_resource_create", "ZX_ERR_ACCESS_DENIED")
def test_the_name_is_read_when_the_parent_has_the_range(root: Resource[Kernel], trap: Any) -> None:
    nowhere = 0x1234
    parent = root.create_child(ResourceKind.IOPORT, 1, 2).raw
    create = "zx_resource_create"
    assert trap(create, parent, ResourceKind.IOPORT, 3, 1, nowhere, 1, 0) == ZX_ERR_ACCESS_DENIED
    assert trap(create, parent, ResourceKind.IOPORT, 2, 1, nowhere, 1, 0) == ZX_ERR_INVALID_ARGS
    assert trap(create, root.raw, ResourceKind.SMC, 2, 1, nowhere, 1, 0) == ZX_ERR_INVALID_ARGS


@shows("zx_resource_create", "ZX_ERR_BAD_STATE")
def test_this_machine_has_no_firmware_to_call(root: Resource[Kernel]) -> None:
    with pytest.raises(ZxBadState):
        root.create_child(ResourceKind.SMC, 1, 1)


def test_a_range_is_held_until_its_last_handle_is_gone(zx: Any, root: Resource[Kernel]) -> None:
    one, other = zx.zx_channel_create(0)[1:]
    held = root.create_child(ResourceKind.IRQ, 42, 10, exclusive=True)
    copy = held.duplicate()
    held.close()
    assert zx.zx_channel_write(one, 0, b"", [copy.take()]) == 0
    with pytest.raises(ZxNotFound):
        root.create_child(ResourceKind.IRQ, 42, 10)
    zx.zx_handle_close(other)
    root.create_child(ResourceKind.IRQ, 42, 10)


@shows("zx_resource_create", "ZX_ERR_ACCESS_DENIED")
def test_physical_memory_is_nobody_s(root: Resource[Kernel]) -> None:
    with pytest.raises(ZxAccessDenied):
        root.create_child(ResourceKind.MMIO, PAGE, PAGE)


@shows("zx_resource_create", "ZX_ERR_INVALID_ARGS")
def test_a_root_has_no_range_and_others_have(root: Resource[Kernel]) -> None:
    assert root.create_child(ResourceKind.ROOT).info.kind == ResourceKind.ROOT
    with pytest.raises(ZxInvalidArgs):
        root.create_child(ResourceKind.ROOT, 1, 1)
    with pytest.raises(ZxInvalidArgs):
        root.create_child(ResourceKind.IRQ, 33, 0)


@shows("zx_resource_create", "ZX_ERR_NOT_FOUND")
def test_there_is_no_more_than_there_is(root: Resource[Kernel]) -> None:
    for kind, base, size in (
        (ResourceKind.IOPORT, 65535, 1),
        (ResourceKind.IRQ, 31, 1),
        (ResourceKind.IRQ, 255, 2),
        (ResourceKind.SYSTEM, 16, 1),
        (ResourceKind.MMIO, MMIO, 1 << 60),
    ):
        with pytest.raises(ZxNotFound):
            root.create_child(kind, base, size)


# Exclusive ones


@shows("zx_resource_create", "ZX_ERR_NOT_FOUND")
def test_an_exclusive_range_is_had_alone(root: Resource[Kernel]) -> None:
    first = root.create_child(ResourceKind.IRQ, 42, 10, exclusive=True)
    for base, size, exclusive in ((51, 1, False), (37, 6, False), (47, 2, True)):
        with pytest.raises(ZxNotFound):
            root.create_child(ResourceKind.IRQ, base, size, exclusive=exclusive)
    root.create_child(ResourceKind.IRQ, 52, 1)
    root.create_child(ResourceKind.IOPORT, 10, 10, exclusive=True)  # another kind
    first.close()
    root.create_child(ResourceKind.IRQ, 42, 10)


@shows("zx_resource_create", "ZX_ERR_NOT_FOUND")
def test_what_is_shared_cannot_become_exclusive(root: Resource[Kernel]) -> None:
    shared = root.create_child(ResourceKind.IRQ, 42, 10)
    root.create_child(ResourceKind.IRQ, 44, 3).close()
    with pytest.raises(ZxNotFound):
        root.create_child(ResourceKind.IRQ, 44, 1, exclusive=True)
    shared.close()
    assert root.create_child(ResourceKind.IRQ, 44, 1, exclusive=True).info.flags == ZX_RSRC_FLAG_EXCLUSIVE


@shows("zx_resource_create", "ZX_ERR_INVALID_ARGS")
def test_neither_a_part_nor_what_has_parts_is_exclusive(root: Resource[Kernel]) -> None:
    shared = root.create_child(ResourceKind.IRQ, 42, 10)
    with pytest.raises(ZxInvalidArgs):
        shared.create_child(ResourceKind.IRQ, 42, 1, exclusive=True)
    exclusive = root.create_child(ResourceKind.IRQ, 62, 10, exclusive=True)
    with pytest.raises(ZxInvalidArgs):
        exclusive.create_child(ResourceKind.IRQ, 62, 1)


# What resources are for


@shows("zx_iommu_create", "ZX_ERR_OUT_OF_RANGE")
def test_a_function_of_the_system_needs_its_own_resource(zx: Any, root: Resource[Kernel]) -> None:
    other = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_INFO_BASE, 1)
    assert zx.zx_iommu_create(other.raw, 0, b"\0")[0] == ZX_ERR_OUT_OF_RANGE
    ports = root.create_child(ResourceKind.IOPORT, 1, 1)
    assert zx.zx_iommu_create(ports.raw, 0, b"\0")[0] == ZX_ERR_WRONG_TYPE


# Hardware that is not there: (call, arguments behind the resource, kind and range of the resource that it takes)
NEEDS = [
    ("zx_ioports_request", (0x60, 2), ResourceKind.IOPORT, 0x60, 2),
    ("zx_ioports_release", (0x60, 2), ResourceKind.IOPORT, 0x60, 2),
    ("zx_pci_cfg_pio_rw", (0, 0, 0, 0, 0, 4, 0), ResourceKind.IOPORT, 0xCF8, 8),
    ("zx_guest_create", (0,), ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_HYPERVISOR_BASE, 1),
    ("zx_vmo_create_physical", (MMIO, PAGE), ResourceKind.MMIO, MMIO, PAGE),
]


def status_of(answer: Any) -> int:
    return int(answer[0] if isinstance(answer, tuple) else answer)


@shows("zx_pci_cfg_pio_rw", "ZX_ERR_BAD_HANDLE")
@shows("zx_pci_cfg_pio_rw", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_pci_cfg_pio_rw", "ZX_ERR_WRONG_TYPE")
@pytest.mark.parametrize(
    ("name", "arguments", "kind", "base", "size"),
    [
        pytest.param(
            *row,
            marks=[
                shows(row[0], f"ZX_ERR_{error}")
                for error in ("NOT_SUPPORTED", "OUT_OF_RANGE", "WRONG_TYPE", "BAD_HANDLE")
            ],
            id=row[0],
        )
        for row in NEEDS
    ],
)
def test_missing_hardware_is_not_supported_after_the_resource_is_checked(
    k: Kernel,
    zx: Any,
    root: Resource[Kernel],
    name: str,
    arguments: tuple[Any, ...],
    kind: int,
    base: int,
    size: int,
) -> None:
    if name == "zx_pci_cfg_pio_rw":
        arguments = (0, 0, 0, 0, bytes(4), 4, 0)
    call = getattr(zx, name)
    right = root.create_child(kind, base, size)
    other = root.create_child(kind, base + 8 * PAGE if kind == ResourceKind.MMIO else base + size, size)
    wrong = root.create_child(ResourceKind.IRQ, 33, 1)
    assert status_of(call(0, *arguments)) == ZX_ERR_BAD_HANDLE
    assert status_of(call(k.host.process, *arguments)) == ZX_ERR_WRONG_TYPE
    assert status_of(call(wrong.raw, *arguments)) == ZX_ERR_WRONG_TYPE
    assert status_of(call(other.raw, *arguments)) == ZX_ERR_OUT_OF_RANGE
    assert status_of(call(right.raw, *arguments)) == ZX_ERR_NOT_SUPPORTED
    assert status_of(call(root.raw, *arguments)) == ZX_ERR_NOT_SUPPORTED


@shows("zx_smc_call", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_smc_call", "ZX_ERR_WRONG_TYPE")
@shows("zx_smc_call", "ZX_ERR_BAD_HANDLE")
def test_the_firmware_cannot_be_called(zx: Any, root: Resource[Kernel]) -> None:
    call, ports = zx.zx_smc_call, root.create_child(ResourceKind.IOPORT, 5, 1)
    parameters = zx_smc_parameters_t(func_id=5 << 24)
    assert status_of(call(0, parameters)) == ZX_ERR_BAD_HANDLE
    assert status_of(call(ports.raw, parameters)) == ZX_ERR_WRONG_TYPE
    assert status_of(call(root.raw, parameters)) == ZX_ERR_NOT_SUPPORTED


@shows("zx_msi_allocate", "ZX_ERR_BAD_HANDLE")
@shows("zx_msi_allocate", "ZX_ERR_WRONG_TYPE")
@shows("zx_msi_allocate", "ZX_ERR_NOT_SUPPORTED")
def test_messages_need_the_very_resource_and_cannot_be_received(zx: Any, root: Resource[Kernel]) -> None:
    allocate = zx.zx_msi_allocate
    several = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_MSI_BASE - 1, 2)
    right = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_MSI_BASE, 1)
    assert allocate(0, 1) == (ZX_ERR_BAD_HANDLE, 0)
    assert allocate(several.raw, 1) == (ZX_ERR_WRONG_TYPE, 0)
    assert allocate(right.raw, 1) == (ZX_ERR_NOT_SUPPORTED, 0)
    assert allocate(root.raw, 1) == (ZX_ERR_NOT_SUPPORTED, 0)


@shows("zx_ioports_request", "ZX_ERR_INVALID_ARGS")
@shows("zx_ioports_release", "ZX_ERR_INVALID_ARGS")
def test_ports_end_at_65535(zx: Any, root: Resource[Kernel]) -> None:
    for call in (zx.zx_ioports_request, zx.zx_ioports_release):
        assert call(root.raw, 0xFFFF, 1) == ZX_ERR_NOT_SUPPORTED
        assert call(root.raw, 0xFFFF, 2) == ZX_ERR_INVALID_ARGS


@shows("zx_vmo_create_physical", "ZX_ERR_INVALID_ARGS")
@shows("zx_vmo_create_physical", "ZX_ERR_ACCESS_DENIED")
def test_registers_are_mapped_by_pages_and_memory_is_none(zx: Any, root: Resource[Kernel]) -> None:
    assert zx.zx_vmo_create_physical(root.raw, MMIO + 1, PAGE)[0] == ZX_ERR_INVALID_ARGS
    for size in (0, 1, PAGE + 1):
        assert zx.zx_vmo_create_physical(0, MMIO, size)[0] == ZX_ERR_INVALID_ARGS
    assert zx.zx_vmo_create_physical(root.raw, 0, PAGE)[0] == ZX_ERR_ACCESS_DENIED


@shows("zx_pci_add_subtract_io_range", "ZX_ERR_BAD_HANDLE")
@shows("zx_pci_add_subtract_io_range", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_pci_add_subtract_io_range", "ZX_ERR_WRONG_TYPE")
@shows("zx_pci_get_nth_device", "ZX_ERR_BAD_HANDLE")
@shows("zx_pci_get_nth_device", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_pci_get_nth_device", "ZX_ERR_WRONG_TYPE")
@shows("zx_pci_init", "ZX_ERR_BAD_HANDLE")
@shows("zx_pci_init", "ZX_ERR_NOT_SUPPORTED")
@shows("zx_pci_init", "ZX_ERR_WRONG_TYPE")
@pytest.mark.parametrize("name", ["zx_pci_init", "zx_pci_add_subtract_io_range", "zx_pci_get_nth_device"])
def test_the_bus_is_the_root_s_and_not_there(k: Kernel, zx: Any, root: Resource[Kernel], name: str) -> None:
    arguments: dict[str, tuple[Any, ...]] = {
        "zx_pci_init": (bytes(16), 16),
        "zx_pci_add_subtract_io_range": (0, 0, 0, 0),
        "zx_pci_get_nth_device": (0,),
    }
    call = getattr(zx, name)
    part = root.create_child(ResourceKind.IRQ, 33, 1)
    assert status_of(call(0, *arguments[name])) == ZX_ERR_BAD_HANDLE
    assert status_of(call(part.raw, *arguments[name])) == ZX_ERR_WRONG_TYPE
    assert status_of(call(root.raw, *arguments[name])) == ZX_ERR_NOT_SUPPORTED


# Handles that can never be: of PCI devices, guests, virtual CPUs, messages as interrupts
OF_NOTHING: dict[str, tuple[Any, ...]] = {
    "zx_guest_set_trap": (0, 0, 0, 0, 0),
    "zx_msi_create": (0, 0, 0, 0),
    "zx_pci_config_read": (0, 4),
    "zx_pci_config_write": (0, 4, 0),
    "zx_pci_enable_bus_master": (1,),
    "zx_pci_get_bar": (0,),
    "zx_pci_map_interrupt": (0,),
    "zx_pci_query_irq_mode": (0,),
    "zx_pci_reset_device": (),
    "zx_pci_set_irq_mode": (0, 0),
    "zx_vcpu_create": (0, 0),
    "zx_vcpu_enter": (),
    "zx_vcpu_interrupt": (0,),
    "zx_vcpu_kick": (),
    "zx_vcpu_read_state": (0, 64),
    "zx_vcpu_write_state": (0, b""),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[shows(name, "ZX_ERR_BAD_HANDLE"), shows(name, "ZX_ERR_WRONG_TYPE")])
        for name in OF_NOTHING
    ],
)
def test_no_handle_is_of_a_type_that_is_not_there(k: Kernel, zx: Any, name: str) -> None:
    call = getattr(zx, name)
    assert status_of(call(0, *OF_NOTHING[name])) == ZX_ERR_BAD_HANDLE
    assert status_of(call(k.host.process, *OF_NOTHING[name])) == ZX_ERR_WRONG_TYPE


@shows("zx_vcpu_create", "ZX_ERR_INVALID_ARGS")
def test_a_virtual_cpu_has_no_options(zx: Any) -> None:
    assert status_of(zx.zx_vcpu_create(0, 1, 0)) == ZX_ERR_INVALID_ARGS


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param(
            name,
            arguments,
            marks=[shows(name, f"ZX_ERR_{error}") for error in ("BAD_HANDLE", "WRONG_TYPE", "OUT_OF_RANGE")],
            id=name,
        )
        for name, arguments in {
            "zx_system_suspend_enter": (0, 0, 0),
            "zx_system_set_processor_power_domain": (0, bytes(64), 0, b"", b""),
            "zx_vmo_create_physical": (MMIO, PAGE),
            "zx_ioports_request": (0x60, 2),
            "zx_ioports_release": (0x60, 2),
        }.items()
    ],
)
def test_the_resource_is_looked_at_first(
    k: Kernel, zx: Any, root: Resource[Kernel], name: str, arguments: tuple[Any, ...]
) -> None:
    call = getattr(zx, name)
    kinds = {"zx_vmo_create_physical": ResourceKind.MMIO, "zx_ioports_request": ResourceKind.IOPORT}
    kind = kinds.get(name, ResourceKind.IOPORT if "ioports" in name else ResourceKind.SYSTEM)
    other = root.create_child(kind, MMIO + 64 * PAGE if kind == ResourceKind.MMIO else 15, 1)
    assert status_of(call(0, *arguments)) == ZX_ERR_BAD_HANDLE
    assert status_of(call(k.host.process, *arguments)) == ZX_ERR_WRONG_TYPE
    assert status_of(call(other.raw, *arguments)) == ZX_ERR_OUT_OF_RANGE


@shows("zx_smc_call", "ZX_ERR_INVALID_ARGS")
@shows("zx_smc_call", "ZX_ERR_WRONG_TYPE")
def test_the_firmware_s_arguments_are_looked_at_first(k: Kernel, zx: Any) -> None:
    assert status_of(zx.zx_smc_call(0, None)) == ZX_ERR_INVALID_ARGS
    assert status_of(zx.zx_smc_call(k.host.process, zx_smc_parameters_t())) == ZX_ERR_WRONG_TYPE
