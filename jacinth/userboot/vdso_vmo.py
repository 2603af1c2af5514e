"""The vDSO as a VMO of a kernel, and the time page in it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    SYSCALLS,
    ZX_DEFAULT_VMO_RIGHTS,
    ZX_RIGHT_EXECUTE,
    ZX_RIGHT_WRITE,
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_SPECIFIC,
)
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.machine.interface import PAGE_SIZE
from jacinth.userboot.vdso import (
    MODE_HOST,
    MODE_VIRTUAL,
    SYSCALL,
    SYSCALL_SIZE,
    TimePage,
    VdsoImage,
    build_vdso,
    pack_time_page,
)

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.syscalls.host import Host

RIGHTS: Final = ZX_DEFAULT_VMO_RIGHTS & ~ZX_RIGHT_WRITE | ZX_RIGHT_EXECUTE


@functools.cache
def vdso_image(syscall: bytes = SYSCALL) -> VdsoImage:
    """The image in which the code *syscall* calls the kernel, built once."""
    return build_vdso(SYSCALLS, syscall)


class VdsoVmo:
    """The one vDSO of a kernel. *handle* is the host's; *image* says what lies where; *entries* is, by the number of a
    call, where the code begins that makes it, in bytes from the base.

    Programs read the time without entering the kernel: a virtual clock writes it into the time page whenever it moves.
    """

    def __init__(self, kernel: Kernel, host: Host, version: bytes) -> None:
        self.image = image = vdso_image(kernel.engine.syscall_code)
        vmo = VmObjectDispatcher.create(kernel, len(image.image), name=b"vdso/next")
        vmo.write(0, image.image)
        page = pack_time_page(
            # The machine's time stamp counter tells the kernel's time; where that one only moves between turns, reading it
            # from the page is cheaper.
            mode=MODE_VIRTUAL if kernel.clock.virtual else MODE_HOST,
            base_tsc=kernel.clock.tsc_base,
            mult=kernel.clock.tsc_mult,
            monotonic=kernel.clock.now(),
            physmem=kernel.memory.limit,
            num_cpus=kernel.engine.cpus,
            version=version,
        )
        vmo.write(image.time_offset, page)
        vmo.vdso_code = (image.code_offset, image.code_size)
        self.handle = host.add(vmo, RIGHTS)
        # The page is never written by anyone else, so it stays in its frame.
        frame = vmo.pages.frame_for_write(image.time_offset // PAGE_SIZE)
        start = frame * PAGE_SIZE + TimePage.MONOTONIC
        self._word = kernel.memory.view[start : start + 8].cast("q")
        kernel.on_tick = self._set_time
        kernel.syscall_sites = {number: pc - SYSCALL_SIZE for number, pc in image.syscall_pcs.items()}
        size = len(kernel.engine.syscall_code)
        self.entries = {number: pc - size for number, pc in image.syscall_pcs.items()}

    def _set_time(self, now: int) -> None:
        self._word[0] = now

    def close(self) -> None:
        self._word.release()

    def map_into(self, call: Callable[..., Any], vmar: int) -> int:
        """Map the image below *vmar* with the host calls that *call* makes. Answers its base address."""
        image = self.image
        flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC
        region, base = call("zx_vmar_allocate", vmar, flags, 0, len(image.image))
        access = ZX_VM_SPECIFIC | ZX_VM_PERM_READ
        call("zx_vmar_map", region, access, 0, self.handle, 0, image.code_offset)
        code = access | ZX_VM_PERM_EXECUTE
        call("zx_vmar_map", region, code, image.code_offset, self.handle, image.code_offset, image.code_size)
        call("zx_handle_close", region)
        return int(base)
