"""The pytest plugin: fixtures for tests of Zircon programs.

| fixture | what it gives |
| --- | --- |
| `kernel` | a booted kernel with virtual time and a seed, so that every run is the same |
| `compile_c` | a function: C sources to a program |
| `run_c` | a function: C sources, compiled and run to their end on `kernel` |
| `no_leaks` | at the end of the test, `kernel` has no more handles, jobs or pages than at its beginning |

`@pytest.mark.jacinth(seed=1, memory=1 << 20, virtual_time=False)` sets the arguments of `Kernel` for one test;
`--jacinth-seed N` the seed of all that have none of their own. A failed test's report names the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import pytest

from jacinth.api.handle import INFINITE
from jacinth.api.kernel import Kernel
from jacinth.api.status import ZxStatus
from jacinth.kernel.kernel import KernelDeadlock
from jacinth.testing.leaks import Census, LeakError, is_ours
from jacinth.testing.programs import Finished, Program
from jacinth.tools import cc

MEMORY: Final = 64 << 20

# What a test has to do with, and says all by itself: how the kernel came to raise it is of no interest.
_SAY_ALL: Final = (ZxStatus, KernelDeadlock, cc.CompileError)

_KERNEL: Final = pytest.StashKey[Kernel]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("jacinth")
    group.addoption("--jacinth-seed", type=int, default=0, help="the seed of the tests' kernels (default: 0)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "jacinth(seed, memory, virtual_time, engine): the arguments of the test's kernel"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    raised = call.excinfo
    if raised is not None and not item.config.option.fulltrace:
        bodys_own = not is_ours(raised.traceback[-1].frame.raw)
        if bodys_own or isinstance(raised.value, _SAY_ALL):
            _leave_out_ours(raised.tb)
    report = yield
    kernel = item.stash.get(_KERNEL, None)
    if report.failed and kernel is not None:
        report.sections.append(("jacinth", f"seed {kernel.seed}, time {kernel.now} ns"))
    return report


def _leave_out_ours(trace: TracebackType) -> None:
    """Take what runs in this package out of a traceback."""
    while trace.tb_next is not None:
        if is_ours(trace.tb_next.tb_frame):
            trace.tb_next = trace.tb_next.tb_next
        else:
            trace = trace.tb_next


@pytest.fixture
def kernel(request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """A kernel of the test's own: virtual time, the seed of the command line, 64 MiB; the default of `Channel.create()`
    and its like. Internal errors, and exceptions of Python bodies, are raised.
    """
    marker = request.node.get_closest_marker("jacinth")
    options: dict[str, Any] = {
        "seed": request.config.getoption("--jacinth-seed"),
        "virtual_time": True,
        "memory": MEMORY,
        "strict": True,
        **(marker.kwargs if marker is not None else {}),
    }
    with Kernel(**options) as kernel:
        request.node.stash[_KERNEL] = kernel
        yield kernel


@pytest.fixture
def no_leaks(kernel: Kernel) -> Iterator[Census]:
    """Fails a test that leaves handles, jobs, processes or pages behind."""
    census = Census(kernel)
    yield census
    if leaks := census.leaks():
        pytest.fail(str(LeakError(leaks)), pytrace=False)


@pytest.fixture
def compile_c(tmp_path: Path) -> Callable[..., Path]:
    """`compile_c(source, ..., flags=())`: paths of sources, or C text, to the path of a program.

    Skips the test where there is no compiler; raises CompileError for a program that does not compile.
    """
    try:
        cc.find_compiler()
    except cc.CompileError as error:
        pytest.skip(str(error))
    made = 0

    def compile_(*sources: str | Path, flags: tuple[str, ...] = ()) -> Path:
        nonlocal made
        made += 1
        paths = []
        for number, source in enumerate(sources):
            if isinstance(source, str) and ("\n" in source or "{" in source):
                path = tmp_path / f"program{made}-{number}.c"
                path.write_text(source)
                source = path
            paths.append(source)
        output = tmp_path / f"program{made}"
        cc.compile_program(paths, output, flags)
        return output

    return compile_


@pytest.fixture
def run_c(kernel: Kernel, compile_c: Callable[..., Path]) -> Callable[..., Finished]:
    """`run_c(source, ..., args=(), stdin=b"", handles=(), flags=(), deadline=INFINITE)`: compile, run to the end, or to a kill at
    *deadline* ns, and answer how it ended.
    """

    def run(
        *sources: str | Path, flags: tuple[str, ...] = (), deadline: int = INFINITE, **options: Any
    ) -> Finished:
        return Program(kernel, compile_c(*sources, flags=flags), **options).finish(deadline)

    return run
