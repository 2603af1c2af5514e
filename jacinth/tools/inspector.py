"""Pictures in text: the job tree, and a process's address space."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from jacinth.abi import ZX_VM_PERM_EXECUTE, ZX_VM_PERM_READ, ZX_VM_PERM_WRITE
from jacinth.abi.names import printable
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegion, VmMapping

if TYPE_CHECKING:
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.vm.aspace import VmAspace


class Mapped(NamedTuple):
    """A range of addresses with one access."""

    start: int
    end: int
    access: str  # "rw-"
    name: str  # of the VMO


def job_tree(job: JobDispatcher) -> list[str]:
    """The job, and below it its jobs, processes and threads, by koid."""
    return [f"job {job.koid} {_name(job.name)}".rstrip(), *_below(job, "")]


def _below(job: JobDispatcher, indent: str) -> Iterator[str]:
    children: list[JobDispatcher | ProcessDispatcher] = [*job.jobs(), *job.processes()]
    for number, child in enumerate(children):
        last = number == len(children) - 1
        branch, deeper = ("└─ ", "   ") if last else ("├─ ", "│  ")
        if isinstance(child, JobDispatcher):
            yield f"{indent}{branch}job {child.koid} {_name(child.name)}".rstrip()
            yield from _below(child, indent + deeper)
        else:
            yield f"{indent}{branch}process {child.koid} {_name(child.name)} {child.state.name.lower()}{_sharing(child)}"
            threads = list(child.threads())
            for index, thread in enumerate(threads):
                twig = "└─ " if index == len(threads) - 1 else "├─ "
                yield f"{indent}{deeper}{twig}thread {thread.koid} {_name(thread.name)} {thread.state.name.lower()}"


def _sharing(process: ProcessDispatcher) -> str:
    if not process.shareable:
        return ""
    return (
        ", prototype"
        if process.restricted is None
        else f", shares its state with {process.shared.count - 1} more"
    )


def _name(name: bytes) -> str:
    return f'"{printable(name)}"' if name else ""


def address_space(process: ProcessDispatcher) -> list[str]:
    """Every region and mapping of a process, lowest address first; each half of a split address space under its own heading."""
    lines = [f"address space of process {process.koid} {_name(process.name)}"]
    for aspace in process.aspaces():
        lines += _part(process, aspace)
    return lines


def _part(process: ProcessDispatcher, aspace: VmAspace) -> Iterator[str]:
    if not process.shareable:
        kind = "private"
    elif aspace is process.restricted:
        kind = "restricted half, its own"
    else:
        kind = "shared half, common to the group"
    yield f"  {aspace.base:#015x}-{aspace.base + aspace.size:#015x}  {kind}"
    if aspace.destroyed:
        yield "    (gone)"
        return
    for depth, region in aspace.root_vmar.walk():
        indent = "  " * (depth + 1)
        if isinstance(region, VmAddressRegion):
            yield f"{indent}{region.base:#015x}-{region.base + region.size:#015x}      region"
            continue
        for mapped in _mapped(region):
            yield f"{indent}{mapped.start:#015x}-{mapped.end:#015x}  {mapped.access} {mapped.name}"


def mapped(aspace: VmAspace) -> Iterator[Mapped]:
    """What is mapped in one part of an address space, lowest address first."""
    for mapping in aspace.mappings():
        yield from _mapped(mapping)


def _mapped(mapping: VmMapping) -> Iterator[Mapped]:
    name = printable(mapping.vmo.name) or f"vmo {mapping.vmo.koid}"
    for start, end, access in mapping.protections():
        yield Mapped(start, end, _access(access), name)


def _access(access: int) -> str:
    bits = ((ZX_VM_PERM_READ, "r"), (ZX_VM_PERM_WRITE, "w"), (ZX_VM_PERM_EXECUTE, "x"))
    return "".join(letter if access & bit else "-" for bit, letter in bits)
