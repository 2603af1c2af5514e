"""From a file to a running process, with the host's system calls alone.

A program gets: its segments, a stack, the vDSO, and in its first argument a channel with the bootstrap message. Its
second argument is the vDSO's base address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    PA_FD,
    PA_HND,
    PA_JOB_DEFAULT,
    PA_PROC_SELF,
    PA_THREAD_SELF,
    PA_VMAR_ROOT,
    PA_VMO_EXECUTABLE,
    PA_VMO_STACK,
    PA_VMO_VDSO,
    ZX_HANDLE_INVALID,
    ZX_INFO_VMAR,
    ZX_PROP_NAME,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_VM_CAN_MAP_EXECUTE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_SPECIFIC,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VM_SPECIFIC,
    Status,
    ZxError,
    zx_info_vmar_t,
)
from jacinth.machine.interface import PAGE_SIZE
from jacinth.userboot.elf import ElfError, ElfImage, ElfType, load_elf
from jacinth.userboot.processargs import FD_FOR_STDIO, pack_processargs

if TYPE_CHECKING:
    from jacinth.syscalls.host import Host
    from jacinth.userboot.vdso_vmo import VdsoVmo

DEFAULT_STACK_SIZE: Final = 256 << 10

_VMAR_FLAGS: Final = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_EXECUTE | ZX_VM_CAN_MAP_SPECIFIC


@dataclass(frozen=True)
class Program:
    """A program that has been started. *process*, *thread* and *vmar* are the host's handles to it."""

    process: int
    thread: int
    vmar: int
    image: ElfImage
    base: int  # what the image's addresses count from
    vdso_base: int


class _Maker:
    """The host's calls, raising where a status is not OK, and closing what was made when the launch fails."""

    def __init__(self, host: Host) -> None:
        self._sys = host.sys
        self.made: list[int] = []

    def __call__(self, name: str, *arguments: Any) -> Any:
        """Make the call; answers its outputs, one of them bare."""
        answer = getattr(self._sys, name)(*arguments)
        if not isinstance(answer, tuple):
            _check(answer)
            return None
        _check(answer[0])
        return answer[1] if len(answer) == 2 else answer[1:]

    def handle(self, name: str, *arguments: Any) -> Any:
        """A call whose outputs are new handles."""
        made = self(name, *arguments)
        self.made.extend(made if isinstance(made, tuple) else (made,))
        return made

    def give(self, *handles: int) -> None:
        """These belong to somebody else now."""
        for handle in handles:
            if handle in self.made:
                self.made.remove(handle)

    def close_all(self) -> None:
        for handle in reversed(self.made):
            self._sys.zx_handle_close(handle)


def _check(status: int) -> None:
    if status != Status.OK:
        raise ZxError(Status(status))


def launch(
    host: Host,
    vdso: VdsoVmo,
    data: bytes,
    *,
    job: int,
    name: bytes,
    args: Sequence[bytes],
    environ: Mapping[bytes, bytes] | None = None,
    handles: Sequence[tuple[int, int]] = (),
    options: int = 0,
) -> Program:
    """Start the ELF file *data* as a process of *job*, one of the host's handles.

    *handles* are (PA_HND word, handle value) for the bootstrap message; they are the program's afterwards. Where there
    are none, the debuglog is its standard input, output and error. Raises ElfError for a file
    that cannot be run, ZxError where the kernel refuses.
    """
    image = load_elf(data)
    if image.for_linux:
        raise ElfError("a program for Linux: compile it with `jacinth cc`")
    if image.interp is not None:
        raise ElfError(f"needs the dynamic linker {image.interp}: link it statically (-static-pie)")
    make = _Maker(host)
    try:
        process, vmar = make.handle("zx_process_create", job, name, options)
        thread = make.handle("zx_thread_create", process, b"initial-thread", 0)
        base = _map_image(make, vmar, image, name)
        vdso_base = vdso.map_into(make, vmar)
        stack, stack_top = _map_stack(make, vmar, image.stack_size or DEFAULT_STACK_SIZE)
        executable = make.handle("zx_vmo_create", len(data), 0)
        make("zx_object_set_property", executable, ZX_PROP_NAME, name)
        make("zx_vmo_write", executable, data, 0)
        bootstrap = _bootstrap(
            make,
            args,
            environ or {},
            [
                (PA_HND(PA_PROC_SELF, 0), _copy(make, process)),
                (PA_HND(PA_THREAD_SELF, 0), _copy(make, thread)),
                (PA_HND(PA_VMAR_ROOT, 0), _copy(make, vmar)),
                (PA_HND(PA_JOB_DEFAULT, 0), _copy(make, job)),
                (PA_HND(PA_VMO_EXECUTABLE, 0), executable),
                (PA_HND(PA_VMO_VDSO, 0), _copy(make, vdso.handle)),
                (PA_HND(PA_VMO_STACK, 0), stack),
                *(
                    handles
                    or [
                        (PA_HND(PA_FD, FD_FOR_STDIO), make.handle("zx_debuglog_create", ZX_HANDLE_INVALID, 0))
                    ]
                ),
            ],
        )
        make("zx_process_start", process, thread, base + image.entry, stack_top, bootstrap, vdso_base)
        make.give(process, vmar, thread, bootstrap)
        return Program(process, thread, vmar, image, base, vdso_base)
    finally:
        make.close_all()


def _copy(make: _Maker, handle: int) -> int:
    copy: int = make.handle("zx_handle_duplicate", handle, ZX_RIGHT_SAME_RIGHTS)
    return copy


def _map_image(make: _Maker, vmar: int, image: ElfImage, name: bytes) -> int:
    """Map every segment; answers what the image's addresses count from."""
    if image.type is ElfType.EXEC:
        # The file says where: the region's address is an offset from the process's root.
        offset, flags = image.low - _root_base(make, vmar), _VMAR_FLAGS | ZX_VM_SPECIFIC
    else:
        offset, flags = 0, _VMAR_FLAGS
    region, start = make("zx_vmar_allocate", vmar, flags, offset, image.span)
    make.made.append(region)
    for segment in image.segments:
        size = segment.end - segment.start
        vmo = make.handle("zx_vmo_create", size, 0)
        kind = b":text" if segment.execute else b":data" if segment.write else b":rodata"
        make("zx_object_set_property", vmo, ZX_PROP_NAME, name[:20] + kind)
        lead = segment.vaddr - segment.start
        if segment.filesz:
            make("zx_vmo_write", vmo, image.data[segment.offset : segment.offset + segment.filesz], lead)
        if segment.execute:
            make.give(vmo)
            vmo = make.handle("zx_vmo_replace_as_executable", vmo, ZX_HANDLE_INVALID)
        access = ZX_VM_SPECIFIC
        access |= ZX_VM_PERM_READ if segment.read or segment.execute or segment.write else 0
        access |= ZX_VM_PERM_WRITE if segment.write else 0
        access |= ZX_VM_PERM_EXECUTE if segment.execute else 0
        make("zx_vmar_map", region, access, segment.start - image.low, vmo, 0, size)
    return int(start) - image.low


def _root_base(make: _Maker, vmar: int) -> int:
    data, _, _ = make("zx_object_get_info", vmar, ZX_INFO_VMAR, zx_info_vmar_t.SIZE)
    return int(zx_info_vmar_t.unpack(data).base)


def _map_stack(make: _Maker, vmar: int, size: int) -> tuple[int, int]:
    """A stack with an unmapped page below it. Answers its VMO and the initial stack pointer, as after a call."""
    size = (size + PAGE_SIZE - 1) & -PAGE_SIZE
    vmo = make.handle("zx_vmo_create", size, 0)
    make("zx_object_set_property", vmo, ZX_PROP_NAME, b"stack")
    flags = ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE | ZX_VM_CAN_MAP_SPECIFIC
    region, _ = make("zx_vmar_allocate", vmar, flags, 0, size + PAGE_SIZE)
    make.made.append(region)
    access = ZX_VM_SPECIFIC | ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
    base = make("zx_vmar_map", region, access, PAGE_SIZE, vmo, 0, size)
    return vmo, base + size - 8


def _bootstrap(
    make: _Maker, args: Sequence[bytes], environ: Mapping[bytes, bytes], handles: Sequence[tuple[int, int]]
) -> int:
    """The channel with the bootstrap message; answers the end that the program gets."""
    ours, theirs = make.handle("zx_channel_create", 0)
    environment = [key + b"=" + value for key, value in environ.items()]
    message = pack_processargs(args, environment, (), [info for info, _ in handles])
    values = [value for _, value in handles]
    make.give(*values)
    make("zx_channel_write", ours, 0, message, values)
    return int(theirs)
