"""`jacinth fuzz`: episodes on one CPU or several, a progress bar, a summary, and a reproducer where one fails."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from jacinth.abi import BY_NAME
from jacinth.abi.errors import DOCUMENTED_ERRORS
from jacinth.abi.status import Status
from jacinth.api.kernel import Kernel
from jacinth.api.machine import EngineName
from jacinth.fuzz import episode, programs

SEEDS: Final = 1 << 32  # of episodes for each seed that can be asked for


@dataclass(frozen=True)
class Options:
    """What `jacinth fuzz` was asked for."""

    kind: str  # "calls", "elf" or "code"
    count: int
    seed: int
    check_every: int
    jobs: int
    reproducer: Path | None
    quiet: bool
    stats: bool = False
    engine: EngineName = "auto"


def fuzz(options: Options) -> int:
    """Run episodes until enough calls are made, or one fails. Answers the exit status: 0, or 1 with a finding."""
    if options.engine == "native":
        try:
            Kernel(engine="native").close()
        except ValueError as error:
            print(f"jacinth: {error}", file=sys.stderr)
            return 2
    console = Console(stderr=True)
    begun = time.monotonic()
    seen: Counter[tuple[str, int | str]] = Counter()
    episodes = 0
    failure: episode.Failure | None = None
    columns = (TextColumn(options.kind), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    columns += (TextColumn("{task.fields[rate]:,.0f}/s"), TextColumn("{task.fields[pairs]} answers"))  # type: ignore[assignment]
    # No refreshing thread: what is run beside it is a deterministic kernel and a signal handler.
    with Progress(
        *columns, console=console, auto_refresh=False, disable=options.quiet or not console.is_terminal
    ) as bar:
        task = bar.add_task("calls", total=options.count, rate=0.0, pairs=0)
        calls = 0
        for outcome in _episodes(options):
            calls += outcome.calls
            episodes += 1
            seen.update(outcome.seen)
            rate = calls / max(time.monotonic() - begun, 1e-9)
            bar.update(task, completed=min(calls, options.count), rate=rate, pairs=len(seen), refresh=True)
            if outcome.failure is not None:
                failure = outcome.failure
            if failure is not None or calls >= options.count:
                break
    taken = max(time.monotonic() - begun, 1e-9)
    what = {"calls": "calls", "elf": "files", "code": "programs"}[options.kind]
    noun = "episode" if episodes == 1 else "episodes"
    print(
        f"{calls:,} {what} in {episodes:,} {noun}, {calls / taken:,.0f} a second; {_answers(options, calls, seen)}",
        flush=True,
    )
    if options.stats:
        for line in statistics(seen) if options.kind == "calls" else _ends(seen):
            print(line)
    return 0 if failure is None else _report(failure, options)


def _answers(options: Options, calls: int, seen: Counter[tuple[str, int | str]]) -> str:
    if options.kind != "calls":
        refused = sum(count for (_, answer), count in seen.items() if str(answer).startswith("refused"))
        return f"{len(seen)} different ends, {100 * refused / max(calls, 1):.0f}% refused"
    names = {name for name, _ in seen}
    good = sum(count for (_, answer), count in seen.items() if answer == Status.OK)
    return f"{len(names)} system calls with {len(seen)} different answers, {100 * good / max(calls, 1):.0f}% ZX_OK"


def statistics(seen: Counter[tuple[str, int | str]]) -> list[str]:
    """A line for each call, those that succeed least first: how often it was made, the share of ZX_OK in hundredths, and of its
    documented errors those that were seen and those that were not.
    """
    counts: Counter[str] = Counter()
    for (name, _), count in seen.items():
        if name in BY_NAME:
            counts[name] += count
    lines = []
    for name, count in counts.items():
        documented = [error.removeprefix("ZX_ERR_") for error in DOCUMENTED_ERRORS.get(name, ())]
        found = [error for error in documented if seen[name, Status[error]]]
        missing = [error for error in documented if error not in found]
        good = 100 * seen[name, Status.OK] / count
        text = f"{name:42} {count:7} {good:4.0f}%  {' '.join(found)}"
        lines.append((good, name, f"{text}{'; not ' if missing else ''}{' '.join(missing)}"))
    return [line for *_, line in sorted(lines)]


def _ends(seen: Counter[tuple[str, int | str]]) -> list[str]:
    return [f"{count:7}  {kind}: {end}" for (kind, end), count in seen.most_common()]


def _report(failure: episode.Failure, options: Options) -> int:
    """Make a failure small, write its reproducer, and say so in one line."""
    print(f"jacinth: {failure.headline}; looking for a shorter way to it", file=sys.stderr, flush=True)
    of_calls = options.kind == "calls"
    failure = episode.reduce(failure) if of_calls else programs.reduce(failure)
    path = options.reproducer or Path(f"fuzz-{failure.seed}.py")
    found_by = f"jacinth fuzz --{options.kind} --seed {options.seed}"
    path.write_text(episode.script(failure, found_by, "reproduce" if of_calls else "reproduce_programs"))
    steps = f"{len(failure.steps)} step{'s' if len(failure.steps) > 1 else ''}"
    print(f"jacinth: {failure.headline}: {steps}, to be repeated with: python {path}", file=sys.stderr)
    return 1


def _seeds(seed: int) -> Iterator[int]:
    """Of the episodes. Those of neighbouring seeds are different ones."""
    number = 0
    while True:
        yield seed * SEEDS + number
        number += 1


def _run(kind: str, seed: int, count: int, check_every: int, engine: EngineName) -> episode.Outcome:
    if kind == "calls":
        return episode.run(seed, count, check_every, engine)
    return programs.run(kind, seed, count, engine)


def _episodes(options: Options) -> Iterator[episode.Outcome]:
    """The episodes' outcomes, in the order of their seeds, without end."""
    each = episode.CALLS if options.kind == "calls" else programs.PER_EPISODE
    count = min(each, options.count)
    if options.jobs == 1 and options.kind == "calls":
        for seed in _seeds(options.seed):
            yield _run(options.kind, seed, count, options.check_every, options.engine)
        return
    # Code could bring the whole process down with it: it gets one of its own.
    with _Workers(options.jobs) as workers:
        for seed in _seeds(options.seed):
            yield from workers.add((options.kind, seed, count, options.check_every, options.engine))


Task = tuple[str, int, int, int, EngineName]


class _Workers:
    """Processes that run episodes. Outcomes come in the order in which the episodes were added."""

    def __init__(self, jobs: int) -> None:
        self._idle: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._busy: dict[Connection, tuple[int, Task]] = {}
        self._done: dict[int, episode.Outcome] = {}
        self._added = 0
        self._yielded = 0
        context = multiprocessing.get_context("spawn")
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._idle.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()

    def add(self, task: Task) -> Iterator[episode.Outcome]:
        """Run *task* as soon as somebody is idle, and answer what is done by then."""
        while not self._idle:
            self._wait()
        worker = self._idle.pop()
        worker.send(task)
        self._busy[worker] = self._added, task
        self._added += 1
        yield from self._ready()

    def _ready(self) -> Iterator[episode.Outcome]:
        while self._yielded in self._done:
            yield self._done.pop(self._yielded)
            self._yielded += 1

    def _wait(self) -> None:
        for worker in multiprocessing.connection.wait(list(self._busy)):
            assert isinstance(worker, Connection)
            number, (kind, seed, *_) = self._busy.pop(worker)
            try:
                self._done[number] = worker.recv()
            except EOFError:
                raise OSError(
                    f"the process that ran the episode of --{kind} with seed {seed} has died"
                ) from None
            self._idle.append(worker)


def _work(tasks: Connection) -> None:
    """What a worker does, until who has started it has nothing more to do, or is no more. Ctrl-C is for that process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            task = tasks.recv()
        except EOFError:
            return
        outcome = _run(*task)
        try:
            tasks.send(outcome)
        except BrokenPipeError:
            return
