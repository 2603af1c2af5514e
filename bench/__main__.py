"""`make bench [ONLY=host,events,guest,native,shell,tasks]`: a line for each measurement, and how it stands to its target."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import events, guest, host, native, shell, tasks
from bench.row import Row
from jacinth.tools.cc import CompileError, find_compiler


def _all(only: set[str], directory: Path) -> Iterator[Row]:
    if "host" in only:
        yield from host.rows()
    if "tasks" in only:
        yield from tasks.rows()
    if "events" in only:
        yield from events.rows()
    try:
        find_compiler()
    except CompileError as error:
        print(f"left out, since there is {error}: guest, native, shell, half of events", file=sys.stderr)
        return
    if "events" in only:
        yield from events.guest_rows(directory)
    if "guest" in only:
        yield from guest.rows(directory)
    if "native" in only:
        yield from native.rows(directory)
    if "shell" in only:
        yield from shell.rows(directory)


def main() -> int:
    known = {"events", "guest", "host", "native", "shell", "tasks"}
    only = set(sys.argv[1].split(",")) if len(sys.argv) > 1 and sys.argv[1] else known
    if only - known:
        print(f"bench: no such part: {', '.join(sorted(only - known))}", file=sys.stderr)
        return 2
    missed = 0
    with tempfile.TemporaryDirectory(prefix="jacinth-bench-") as directory:
        for row in _all(only, Path(directory)):
            target = "" if row.target is None else f"target {'>=' if row.at_least else '<='} {row.target:,g}"
            mark = "    " if row.target is None else "ok  " if row.met else "MISS"
            missed += not row.met
            print(
                f"{mark} {row.name:<58} {row.value:>12,.2f} {row.unit:<3} {target:<20} {row.note}", flush=True
            )
    return 1 if missed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
