"""`make demo`: two processes that share half of their address space, seen while they count."""

from __future__ import annotations

import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console as Terminal
from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from jacinth import ProcessOptions, Signals, VmarFlags, Vmo
from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE, ZxError
from jacinth.api.kernel import Kernel
from jacinth.tools.cc import CompileError, compile_program
from jacinth.tools.cli import end_with
from jacinth.tools.inspector import job_tree, mapped
from jacinth.userboot.console import Console
from jacinth.userboot.launch import launch

if TYPE_CHECKING:
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.vm.aspace import VmAspace

_EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_PROGRAM: Final = _EXAMPLES / "c" / "shared_counter.c"
_BODIES: Final = _EXAMPLES / "python" / "shared_counter.py"
_PRIVATE_ADDRESS: Final = 0x1000_0000  # where both keep a count of their own
_WIDTH: Final = 110
_MAX_STEPS: Final = 100_000

_INTRODUCTION: Final = (
    "A prototype made with [bold]ZX_PROCESS_SHARED[/] holds the upper half of an address space. "
    "[bold]zx_process_create_shared[/] makes two processes from it. They count together in a page of the "
    "[cyan]shared half[/], and each in a page of its own, at one address, in its [green]restricted half[/]."
)


def show() -> int:
    terminal = Terminal(highlight=False)
    terminal.width = min(terminal.width, _WIDTH) if terminal.is_terminal else _WIDTH
    terminal.print(Panel(_INTRODUCTION, title="shared_counter"))
    with Kernel(seed=0, virtual_time=True) as kernel:
        try:
            finish = _start_program(kernel)
            terminal.print(f"{_PROGRAM.name}, compiled and running.", style="dim")
        except CompileError as error:
            finish = _start_bodies(kernel)
            terminal.print(
                f"There is {error}: Python coroutines count in place of machine code.", style="dim"
            )
        processes = _while_they_count(kernel)
        terminal.print(_headline("The job tree"))
        terminal.print(
            Text("\n".join(job_tree(kernel.root_job_dispatcher)), no_wrap=True, overflow="ellipsis")
        )
        terminal.print(_headline("Their address spaces"))
        terminal.print(_picture(processes))
        terminal.print(_headline("And when they have ended"))
        terminal.file.flush()
        finish()
    return 0


def _start_program(kernel: Kernel) -> Callable[[], None]:
    """Start the C example; what is answered runs it to its end. Raises CompileError."""
    with tempfile.TemporaryDirectory(prefix="jacinth-demo-") as directory:
        program = Path(directory) / _PROGRAM.stem
        compile_program([_PROGRAM], program)
        image = program.read_bytes()
    zx = kernel.host.sys
    job = kernel.root_job.create_child_job()
    job.name = _PROGRAM.stem
    console = Console(kernel, kernel.host)
    name = _PROGRAM.stem.encode()
    started = launch(
        kernel.host, kernel.vdso, image, job=job.raw, name=name, args=[name], handles=console.handles
    )

    def finish() -> None:
        zx.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
        console.close()

    return finish


def _start_bodies(kernel: Kernel) -> Callable[[], None]:
    """The same with the coroutine of the Python example."""
    count: Any = runpy.run_path(str(_BODIES))["count"]
    page, access = 4096, VmarFlags.PERM_READ | VmarFlags.PERM_WRITE
    job = kernel.root_job.create_child_job()
    job.name = _BODIES.stem
    prototype, shared_vmar = job.create_child_process("prototype", ProcessOptions.SHARED)
    shared = shared_vmar.map(0, Vmo.create(page), 0, page, access)
    processes = []
    for number, name in enumerate(("one", "two"), start=1):
        process, restricted_vmar = prototype.create_shared(name)
        offset = _PRIVATE_ADDRESS - restricted_vmar.info.base
        restricted_vmar.map(offset, Vmo.create(page), 0, page, access | VmarFlags.SPECIFIC)
        process.start_body(count, number, shared)
        processes.append(process)

    def finish() -> None:
        for process in processes:
            process.wait(Signals.PROCESS_TERMINATED)

    return finish


def _while_they_count(kernel: Kernel) -> list[ProcessDispatcher]:
    """Let the system run, a step at a time, until both have counted."""
    for _ in range(_MAX_STEPS):
        kernel.nanosleep(kernel.now + 1)
        found = [
            process
            for job in kernel.root_job_dispatcher.walk()
            for process in job.processes()
            if process.restricted is not None and _number(process.restricted, _PRIVATE_ADDRESS)
        ]
        if len(found) == 2:
            return found
    raise RuntimeError("nobody counts")


def _number(aspace: VmAspace, address: int) -> int:
    try:
        return aspace.read_u64(address)
    except ZxError:
        return 0


def _picture(processes: list[ProcessDispatcher]) -> Group:
    """The restricted halves side by side, and below them the half that both see."""
    halves = Table.grid(expand=True)
    panels = []
    for process in processes:
        halves.add_column(ratio=1)
        assert process.restricted is not None
        title = f'restricted half of "{process.name.decode()}"'
        panels.append(_half(process.restricted, title, "green"))
    halves.add_row(*panels)
    return Group(halves, _half(processes[0].shared.aspace, "shared half of both", "cyan"))


def _half(aspace: VmAspace, title: str, style: str) -> Panel:
    lines = []
    counter_seen = False
    for start, end, access, name in mapped(aspace):
        line = f"{start:#x}  {(end - start) >> 10:>3} KiB  {access}  {name}"
        if access == "rw-" and not counter_seen:  # the first page for data is the one they count in
            counter_seen = True
            line += f"  counts {_number(aspace, start)}"
        lines.append(line)
    span = f"{aspace.base:#x} to {aspace.base + aspace.size:#x}"
    content = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
    return Panel(content, title=title, subtitle=span, border_style=style)


def _headline(words: str) -> Text:
    return Text(f"\n{words}", style="bold")


if __name__ == "__main__":
    end_with(show)
