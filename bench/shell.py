"""Whole commands, from the shell: `jacinth run hello` against starting Python with the emulator, and two traces with one seed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.row import Row
from jacinth.tools.cc import compile_program

_HELLO = Path(__file__).parents[1] / "examples" / "c" / "hello.c"
_LOCK = _HELLO.with_name("futex_lock.c")
_REPEAT = 9


def rows(directory: Path) -> Iterator[Row]:
    """Needs a C compiler."""
    hello, lock = directory / "hello", directory / "lock"
    compile_program([_HELLO], hello)
    compile_program([_LOCK], lock)
    run = [sys.executable, "-m", "jacinth", "run"]
    ours = _median([*run, str(hello)])
    theirs = _median([sys.executable, "-c", "import unicorn"])
    note = f"{ours * 1e3:.0f} ms against {theirs * 1e3:.0f} ms"
    yield Row("jacinth run hello / python -c 'import unicorn'", ours / theirs, "x", 2.5, note=note)

    traces = [
        subprocess.run(
            [*run, "--trace", "--seed", "7", "--virtual-time", str(lock)], capture_output=True, check=True
        ).stderr
        for _ in range(2)
    ]
    same = traces[0] == traces[1] and bool(traces[0])
    note = f"{len(traces[0].splitlines())} lines"
    yield Row("two traces with one seed are byte-identical", float(same), "", 1, at_least=True, note=note)


def _median(command: list[str]) -> float:
    times = []
    for _ in range(_REPEAT):
        start = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[_REPEAT // 2]
