"""Guest code on the native engine: its system calls, and how near it is to the CPU's own speed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.guest import REPEAT, C, best, linux, restricted, run
from bench.row import Row
from jacinth.api.machine import why_not_native
from jacinth.tools.cc import NO_VECTORS, compile_program, find_compiler

_ROUNDS = {"integer": 30_000_000, "sha256": 200_000}


def rows(directory: Path) -> Iterator[Row]:
    """Needs a C compiler."""
    fault = why_not_native("native", virtual_time=False)
    if fault is not None:
        print(f"left out, since there is no native engine: {fault}", file=sys.stderr)
        return
    program = directory / "guest"
    compile_program([C / "guest.c"], program)
    image = program.read_bytes()

    nanoseconds = best(image, "null", 300_000, "native")
    note = f"{nanoseconds / 1e3:.2f} us"
    yield Row("native: guest null syscalls", 1e9 / nanoseconds, "/s", 500_000, at_least=True, note=note)
    nanoseconds = best(image, "duplicate", 100_000, "native")
    yield Row("native: handle_duplicate+handle_close", 1e9 / nanoseconds, "/s", 150_000, at_least=True)
    for name, what, rounds, parts in (
        ("page touched for the first time", "touch", 20_000, 1),
        ("pager fault round trip", "pager", 10_000, 1),
        ("switch between two threads of two processes", "switch", 20_000, 2),
    ):
        yield Row(f"native: {name}", best(image, what, rounds, "native") / parts / 1e3, "us")
    null, trip, exception = restricted(directory, "native")
    note = f"{trip / 1e3:.2f} us against {null / 1e3:.2f} us in the same run"
    yield Row("native: restricted mode, there and back / null syscall", trip / null, "x", note=note)
    yield Row("native: exception in restricted mode, there and back", exception / 1e3, "us")

    alone = directory / "linux"
    flags = ["-O2", NO_VECTORS, "-static"]
    subprocess.run([*find_compiler().command, *flags, str(C / "linux.c"), "-o", str(alone)], check=True)
    for number, (what, rounds) in enumerate(_ROUNDS.items()):
        guest = best(image, what, rounds, "native")
        cpu = min(linux([str(alone)], number, rounds) for _ in range(REPEAT)) / rounds
        note = f"{guest:.2f} ns against {cpu:.2f} ns"
        yield Row(f"native: {what} / the CPU itself", guest / cpu, "x", 1.1, note=note)

    if len(os.sched_getaffinity(0)) > 1:
        threads = directory / "threads"
        compile_program([C / "threads.c"], threads)
        code = threads.read_bytes()
        one, two = (
            min(int(run(code, [count], "native", 2).split()[-1]) for _ in range(REPEAT))
            for count in ("1", "2")
        )
        note = f"{two / 1e6:.0f} ms against {one / 1e6:.0f} ms for one"
        yield Row("native: two threads that compute at once / one", two / one, "x", 1.3, note=note)
