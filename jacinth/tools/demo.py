"""`make demo`: two processes that share half of their address space, seen while they run."""

from __future__ import annotations

import runpy
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console as Terminal
from rich.panel import Panel
from rich.text import Text

from jacinth.abi import ZX_TASK_TERMINATED, ZX_TIME_INFINITE
from jacinth.api.kernel import Kernel
from jacinth.kernel.kernel import KernelObserver
from jacinth.tools.cc import CompileError, compile_program
from jacinth.tools.inspector import address_space, job_tree
from jacinth.userboot.console import Console
from jacinth.userboot.launch import launch

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel as KernelCore
    from jacinth.kernel.thread import ThreadDispatcher

EXAMPLE = Path(__file__).parents[2] / "examples" / "c" / "shared_counter.c"
BODIES = Path(__file__).parents[2] / "examples" / "python" / "shared_counter.py"


class _Snapshot(KernelObserver):
    """Draws the job tree when the first counting thread ends, and each counting process's address space when its own does."""

    def __init__(self, kernel: KernelCore) -> None:
        self._kernel = kernel
        self.tree: list[str] = []
        self.spaces: dict[str, list[str]] = {}

    def on_thread_exit(self, thread: ThreadDispatcher) -> None:
        process = thread.process
        if process.restricted is None:
            return
        if not self.tree:
            self.tree = job_tree(self._kernel.root_job_dispatcher)
        self.spaces[process.name.decode()] = address_space(process)


def main() -> int:
    terminal = Terminal(highlight=False)
    try:
        with tempfile.TemporaryDirectory(prefix="jacinth-demo-") as directory:
            program = Path(directory) / "shared_counter"
            compile_program([EXAMPLE], program)
            image = program.read_bytes()
    except CompileError as error:
        terminal.print(f"Left out, since there is {error}: the pictures of a C program. The same with Python bodies:\n")
        runpy.run_path(str(BODIES), run_name="__main__")
        return 0
    with Kernel(seed=0, virtual_time=True) as kernel:
        snapshot = _Snapshot(kernel)
        kernel.observers.append(snapshot)
        terminal.print(
            Panel(
                "A prototype made with [bold]ZX_PROCESS_SHARED[/] holds the upper half of an address space. "
                "[bold]zx_process_create_shared[/] makes two processes from it: they count together in one page of the shared "
                "half, and each in a page of its own at the same address of its restricted half.",
                title="shared_counter",
                width=min(terminal.width, 110),
            )
        )
        terminal.print(Text("What the program says:", style="bold"))
        terminal.file.flush()
        zx = kernel.host.sys
        _, job = zx.zx_job_create(kernel.host.root_job, 0)
        console = Console(kernel, kernel.host)
        started = launch(
            kernel.host,
            kernel.vdso,
            image,
            job=job,
            name=b"shared_counter",
            args=[b"shared_counter"],
            handles=console.handles,
        )
        zx.zx_object_wait_one(started.process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE)
        console.close()
        _draw(terminal, "The job tree while they count:", snapshot.tree)
        for name, lines in snapshot.spaces.items():
            _draw(terminal, f'The address space of "{name}":', lines)
    return 0


_STYLES = (("restricted half", "green"), ("shared half", "cyan"), ("region", "dim"))


def _draw(terminal: Terminal, title: str, lines: list[str]) -> None:
    terminal.print()
    terminal.print(Text(title, style="bold"))
    style = ""
    for line in lines:
        for words, candidate in _STYLES[:2]:
            if words in line:
                style = candidate
        terminal.print(
            Text(line, style="dim" if line.endswith("region") else style, no_wrap=True, overflow="ignore")
        )


if __name__ == "__main__":
    sys.exit(main())
