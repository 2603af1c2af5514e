"""`jacinth fuzz`: episodes on one CPU or several, a progress bar, a summary, and a reproducer where one fails."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jacinth.abi.status import Status
from jacinth.fuzz import episode

SEEDS: Final = 1 << 32  # of episodes for each seed that can be asked for


@dataclass(frozen=True)
class Options:
    """What `jacinth fuzz` was asked for."""

    calls: int
    seed: int
    check_every: int
    jobs: int
    reproducer: Path | None
    quiet: bool


def fuzz(options: Options) -> int:
    """Run episodes until enough calls are made, or one fails. Answers the exit status: 0, or 1 with a finding."""
    console = Console(stderr=True)
    begun = time.monotonic()
    seen: Counter[tuple[str, int | str]] = Counter()
    episodes = 0
    failure: episode.Failure | None = None
    columns = (TextColumn("calls"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    columns += (TextColumn("{task.fields[rate]:,.0f}/s"), TextColumn("{task.fields[pairs]} answers"))  # type: ignore[assignment]
    # No refreshing thread: what is run beside it is a deterministic kernel and a signal handler.
    with Progress(
        *columns, console=console, auto_refresh=False, disable=options.quiet or not console.is_terminal
    ) as bar:
        task = bar.add_task("calls", total=options.calls, rate=0.0, pairs=0)
        calls = 0
        for outcome in _episodes(options):
            calls += outcome.calls
            episodes += 1
            seen.update(outcome.seen)
            rate = calls / max(time.monotonic() - begun, 1e-9)
            bar.update(task, completed=min(calls, options.calls), rate=rate, pairs=len(seen), refresh=True)
            if outcome.failure is not None:
                failure = outcome.failure
                break
    taken = max(time.monotonic() - begun, 1e-9)
    names = {name for name, _ in seen}
    good = sum(count for (_, answer), count in seen.items() if answer == Status.OK)
    print(
        f"{calls:,} calls in {episodes:,} episodes, {calls / taken:,.0f} calls a second; "
        f"{len(names)} system calls with {len(seen)} different answers, {100 * good / max(calls, 1):.0f}% ZX_OK",
        flush=True,
    )
    if failure is None:
        return 0
    return report(failure, options.reproducer, options.seed)


def report(failure: episode.Failure, path: Path | None, seed: int) -> int:
    """Make a failure small, write its reproducer, and say so in one line."""
    print(f"jacinth: {failure.headline}; looking for a shorter way to it", file=sys.stderr, flush=True)
    failure = episode.reduce(failure)
    if path is None:
        path = Path(f"fuzz-{failure.seed}.py")
    path.write_text(episode.script(failure, f"jacinth fuzz --seed {seed}"))
    print(
        f"jacinth: {failure.headline}: {len(failure.steps)} steps, to be repeated with: python {path}",
        file=sys.stderr,
    )
    return 1


def _seeds(seed: int) -> Iterator[int]:
    """Of the episodes. Those of neighbouring seeds are different ones."""
    number = 0
    while True:
        yield seed * SEEDS + number
        number += 1


def _share(calls: int) -> Iterator[int]:
    """How many calls each episode is to make."""
    while calls > 0:
        yield min(calls, episode.CALLS)
        calls -= episode.CALLS


def _episodes(options: Options) -> Iterator[episode.Outcome]:
    """The episodes' outcomes, in the order of their seeds."""
    work = zip(_seeds(options.seed), _share(options.calls), strict=False)
    if options.jobs == 1:
        for seed, calls in work:
            yield episode.run(seed, calls, options.check_every)
        return
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(options.jobs, context, initializer=_ignore_interrupts)
    try:
        pending: list[Future[episode.Outcome]] = []
        for seed, calls in work:
            pending.append(executor.submit(episode.run, seed, calls, options.check_every))
            if len(pending) >= 2 * options.jobs:
                yield pending.pop(0).result()
        for future in pending:
            yield future.result()
    except BrokenProcessPool:
        raise OSError("a process of the fuzzer has died") from None
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that has started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
