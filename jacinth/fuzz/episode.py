"""Episodes: a kernel that is booted, fuzzed with some thousand calls and taken apart again, with invariants checked all the time.

An episode follows from its seed alone, so that any number of them can be run at the same time, and each one again.
"""

from __future__ import annotations

import gc
import random
import re
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from jacinth.fuzz.generate import Generator
from jacinth.fuzz.invariants import Invariants
from jacinth.fuzz.world import FuzzError, Step, World
from jacinth.kernel.bti import BusTransactionInitiatorDispatcher
from jacinth.kernel.ipc.channel import ChannelDispatcher, close_handles
from jacinth.kernel.kernel import KernelDeadlock
from jacinth.kernel.object import Dispatcher

if TYPE_CHECKING:
    from types import FrameType

    from jacinth.api.machine import EngineName

CALLS: Final = 5_000  # of one episode
CHECK_EVERY: Final = 40  # steps
_LONGEST: Final = 20.0  # seconds of CPU time that so many steps may take


@dataclass(frozen=True)
class Failure:
    """What went wrong in an episode, and the steps that lead to it."""

    seed: int
    steps: tuple[Step, ...]
    text: str  # the first line says it, a traceback or more lines may follow
    engine: EngineName = "auto"

    @property
    def headline(self) -> str:
        return self.text.splitlines()[0]

    @property
    def signature(self) -> str:
        """What stays the same when other steps are left out."""
        return re.sub(r"0x[0-9a-f]+|\d+", "#", self.headline)


@dataclass
class Outcome:
    """How an episode ended."""

    seed: int
    calls: int
    seen: Counter[tuple[str, int | str]]  # call and answer
    failure: Failure | None = None


def run(
    seed: int, calls: int = CALLS, check_every: int = CHECK_EVERY, engine: EngineName = "auto"
) -> Outcome:
    """Run the episode of a seed."""
    steps: list[Step] = []
    counts: Counter[tuple[str, int | str]] = Counter()
    with _Run(seed, engine) as episode:
        world = episode.world
        generator = Generator(world, random.Random(seed))

        def random_steps() -> Iterator[Step]:
            while world.calls < calls and not world.over:
                step = generator.next()
                steps.append(step)
                yield step

        text = episode.attempt(random_steps(), check_every)
        counts, made = world.seen, world.calls
    failure = None if text is None else Failure(seed, tuple(steps), text, engine)
    return Outcome(seed, made, counts, failure)


def replay(
    seed: int, steps: Iterable[Step], check_every: int = 0, log: Any = None, engine: EngineName = "auto"
) -> str | None:
    """Do the *steps* again. Answers what goes wrong. Invariants are checked after every so many steps, and after the last one."""
    with _Run(seed, engine) as episode:
        episode.world.log = log
        return episode.attempt(steps, check_every)


class _Run:
    """One kernel's time, from boot to the end."""

    def __init__(self, seed: int, engine: EngineName) -> None:
        self.seed = seed
        self.world = World(seed, engine)
        self.orphans: list[Dispatcher] = []

    def __enter__(self) -> _Run:
        # What nobody refers to any more has to be found by the invariants, not by the collector; and it is faster.
        self.collecting = gc.isenabled()
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        self.world.end_bodies()
        if self.collecting:
            gc.enable()

    def attempt(self, steps: Iterable[Step], check_every: int) -> str | None:
        """Do the steps, and take everything apart. Answers what went wrong."""
        world = self.world
        done = 0
        try:
            with limit(_LONGEST if world.repeats else 20 * _LONGEST) as more:
                for step in steps:
                    world.do(step)
                    done += 1
                    if check_every and (done % check_every == 0 or step[0] == "kill"):
                        self.check()
                        more()
                self.check()
                self.take_apart()
        except (Exception, KernelDeadlock) as error:
            return describe(error)
        return None

    def check(self) -> None:
        world = self.world
        faults = Invariants(world.kernel, world.held(), self.orphans).check()
        if faults:
            raise FuzzError("\n".join(faults[:20]))

    def take_apart(self) -> None:
        """Kill every process, close every handle: nothing may be left."""
        world, kernel = self.world, self.world.kernel
        for job in kernel.root_job_dispatcher.jobs():
            job.kill(0)
        kernel.host.dispatcher.handles.clear()
        kernel.host.thread.bind_restricted(None)
        kernel.host.thread.set_rseq(None)
        # The host and the root job do not end, and so keep what listens to them.
        host, root = kernel.host.dispatcher, kernel.root_job_dispatcher
        listeners = [host.exceptionate, host.debug_exceptionate, kernel.host.thread.exceptionate]
        listeners += [*root.debug_exceptionates()]
        if root.exceptionate is not None:
            listeners.append(root.exceptionate)
        for listener in listeners:
            listener.close()
        world.groups.clear()
        world.actors.clear()
        world.let_go()
        for object_ in _dispatchers(world):  # channels that keep each other; pages that nobody has unpinned
            if isinstance(object_, ChannelDispatcher):
                close_handles(object_._drop_messages())
            elif isinstance(object_, BusTransactionInitiatorDispatcher):
                object_.release_quarantine()
        self.orphans.clear()
        kernel.host.dispatcher.shared.aspace.root_vmar.unmap(
            kernel.host.dispatcher.shared.aspace.base,
            kernel.host.dispatcher.shared.aspace.size,
            can_destroy_regions=True,
        )
        world.kernel.run_until_idle()
        invariants = Invariants(kernel)
        faults = invariants.check()
        of_the_kernel = invariants.objects
        left = [o for o in _dispatchers(world) if o.handle_count and id(o) not in of_the_kernel]
        if left:
            faults.append(f"left over: {left[:5]!r}")
        if kernel.memory.allocated != 1:
            faults.append(f"{kernel.memory.allocated - 1} pages are left over")
        if faults:
            raise FuzzError("\n".join(faults[:20]))
        world.close()


def _dispatchers(world: World) -> list[Dispatcher]:
    """Those of this kernel that Python has not given back."""
    found = [o for o in gc.get_objects() if isinstance(o, Dispatcher) and o.kernel is world.kernel]
    return sorted(found, key=lambda object_: object_.koid)


def describe(error: BaseException) -> str:
    """A line that says what happened, and for errors of the kernel's own where."""
    if isinstance(error, FuzzError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = next((frame for frame in reversed(frames) if "/fuzz/" not in frame.filename), frames[-1])
    where = f"{place.filename.rpartition('jacinth/')[2]}, {place.name}"
    first = str(error).split("\n", 1)[0]
    return f"{type(error).__name__}: {first} ({where})\n{''.join(traceback.format_exception(error))}"


@contextmanager
def limit(seconds: float) -> Iterator[Any]:
    """Raise FuzzError where the block takes longer, by the time of its CPU, or twenty times that by the clock; what it yields
    begins the time anew. It only finds what hangs: no result depends on it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def fail(_: int, frame: FrameType | None) -> None:
        where = "" if frame is None else f" in {frame.f_code.co_name}"
        raise FuzzError(f"hangs{where}\n{''.join(traceback.format_stack(frame))}")

    timers = (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, 20 * seconds),
    )
    before = [(number, signal.signal(number, fail)) for _, number, _ in timers]

    def start() -> None:
        for timer, _, longest in timers:
            signal.setitimer(timer, longest)

    start()
    try:
        yield start
    finally:
        for timer, *_ in timers:
            signal.setitimer(timer, 0)
        for number, handler in before:
            signal.signal(number, handler)


# ---- Fewer steps ------------------------------------------------------------------------------------------------------------


def reduce(failure: Failure, seconds: float = 60.0) -> Failure:
    """As few steps as can be found in so many seconds that fail in the same way. Answers *failure* itself where it does not
    repeat.
    """
    deadline = time.monotonic() + seconds
    last = failure

    def fails(steps: Sequence[Step], check_every: int = 0) -> bool:
        nonlocal last
        text = replay(failure.seed, steps, check_every, engine=failure.engine)
        if text is None:
            return False
        found = Failure(failure.seed, tuple(steps), text, failure.engine)
        if found.signature == failure.signature:
            last = found
            return True
        return False

    steps = list(failure.steps)
    if not fails(steps, CHECK_EVERY):
        return failure
    steps = _shortest_start(steps, fails, deadline)
    size = len(steps) // 2
    while size and time.monotonic() < deadline:
        start = len(steps) - size
        removed = False
        while start > -size and time.monotonic() < deadline:
            low = max(start, 0)
            shorter = steps[:low] + steps[start + size :]
            if shorter and len(shorter) < len(steps) and fails(shorter):
                steps = shorter
                removed = True
            start -= size
        if not removed or size > 1:
            size //= 2
    return last


def _shortest_start(steps: list[Step], fails: Any, deadline: float) -> list[Step]:
    """The first steps alone that fail, by halves: what has gone wrong once stays so, mostly."""
    low, high = 0, len(steps)
    while low + 1 < high and time.monotonic() < deadline:
        middle = (low + high) // 2
        if fails(steps[:middle]):
            high = middle
        else:
            low = middle
    return steps[:high]


# ---- Reproducers ------------------------------------------------------------------------------------------------------------


def script(failure: Failure, found_by: str, reproduce: str = "reproduce") -> str:
    """A Python program that does the steps again, by a function of `jacinth.fuzz.reproduce`."""
    lines = [
        f'"""{found_by}: {failure.headline}',
        "",
        "Run it with Jacinth installed: every step is printed.",
    ]
    lines += ["", *["    " + line for line in failure.text.splitlines()[1:]], '"""']
    text = "\n".join(lines).replace("\\", "\\\\")
    steps = "\n".join(f"    {step!r}," for step in failure.steps)
    engine = "" if failure.engine == "auto" else f', engine="{failure.engine}"'
    return (
        f"{text}\n\nfrom jacinth.fuzz.reproduce import {reproduce}\n\n"
        f"SEED = {failure.seed}\nSTEPS = [\n{steps}\n]\n\n{reproduce}(SEED, STEPS{engine})\n"
    )
