"""docs/conformance.md: for every documented error of every call the test that shows it, or that there is none."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from jacinth.abi import SYSCALLS
from jacinth.abi.errors import DOCUMENTED_ERRORS
from jacinth.abi.rows import SyscallRow
from jacinth.tools.syscalls_table import state

from .impossible import IMPOSSIBLE
from .recorder import claims

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "conformance.md"

# (call, error) -> the tests that show it, as "file::function", the plainest first
Shown = dict[tuple[str, str], list[str]]


def shown_by(items: Iterable[pytest.Item]) -> Shown:
    """What the marks of *items* say. The cases of a test count as one; tests derived from the table come last."""
    shown: Shown = {}
    for item in items:
        path = item.path.relative_to(ROOT).as_posix()
        name = item.nodeid.partition("::")[2].partition("[")[0]
        for pair in claims(item):
            tests = shown.setdefault(pair, [])
            if f"{path}::{name}" not in tests:
                tests.append(f"{path}::{name}")
    for tests in shown.values():
        tests.sort(key=lambda test: (test.startswith("tests/hostile/"), test))
    return shown


def is_everything(config: pytest.Config) -> bool:
    """Whether this run of pytest is one of all tests."""
    asked = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
    return asked <= {ROOT, ROOT / "tests"} and not config.option.keyword and not config.option.markexpr


def collect() -> Shown:
    """What all tests show, by collecting them in this process, which must not have imported any of them."""

    class Collector:
        items: list[pytest.Item] = []

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.items = session.items

    collector = Collector()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(
            ["--collect-only", "-qq", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[collector]
        )
    if status != pytest.ExitCode.OK:
        raise RuntimeError(f"the tests cannot be collected:\n{said.getvalue()}")
    return shown_by(collector.items)


def missing(shown: Shown) -> list[tuple[str, str]]:
    """Documented errors of implemented calls that no test shows and that have no reason to be impossible."""
    return [
        (row.name, error)
        for row in SYSCALLS
        if state(row) != "missing"
        for error in DOCUMENTED_ERRORS[row.name]
        if (row.name, error) not in shown and (row.name, error) not in IMPOSSIBLE
    ]


def problems(shown: Shown) -> list[str]:
    """What is wrong with the tests, the reasons and the page, a sentence each."""
    found = [f"no test shows {call} answer {error}" for call, error in missing(shown)]
    found += [
        f"there is a test of {call} {error}: {shown[call, error][0]}; so it is not impossible"
        for call, error in IMPOSSIBLE
        if (call, error) in shown
    ]
    found += [
        f"{call} {error} is not documented and need not be impossible"
        for call, error in IMPOSSIBLE
        if error not in DOCUMENTED_ERRORS[call]
    ]
    if not _is_true(PAGE.read_text(), shown):
        found.append("docs/conformance.md is not up to date: python -m tests.conformance")
    return found


def _is_true(text: str, shown: Shown) -> bool:
    """Whether a page says what it would say today. It may name another one of the tests, and how many more there are."""
    lines, today = text.splitlines(), _page(shown)

    def same(line: str, expected: str, tests: list[str]) -> bool:
        return line == expected or any(
            line.startswith(f"{expected.partition('| `tests/')[0]}| `{test}`") for test in tests
        )

    return len(lines) == len(today) and all(
        same(line, expected, tests) for line, (expected, tests) in zip(lines, today, strict=True)
    )


def markdown(shown: Shown) -> str:
    """The page."""
    return "\n".join(line for line, _ in _page(shown)) + "\n"


def _page(shown: Shown) -> list[tuple[str, list[str]]]:
    """The lines of the page, and for each the tests that it may name."""
    head = [
        "# Conformance",
        "",
        "Made by `python -m tests.conformance` from the errors that the reference documents for each call",
        "([jacinth/abi/errors.py](../jacinth/abi/errors.py)) and the marks `shows` of the tests. A test that is",
        "marked fails where the call never answered that error while it ran.",
        "",
        summary(shown),
    ]
    parts: list[tuple[str, list[str]]] = [(line, []) for line in head]
    families: dict[str, list[SyscallRow]] = {}
    for row in SYSCALLS:
        families.setdefault(row.family, []).append(row)
    for family, rows in sorted(families.items()):
        table = ["", f"## {family}", "", "| call | error | shown by |", "| --- | --- | --- |"]
        parts += [(line, []) for line in table]
        for row in rows:
            parts += _lines(row, shown)
    return parts


def summary(shown: Shown) -> str:
    """One sentence with the figures."""
    pairs = [(row, error) for row in SYSCALLS for error in DOCUMENTED_ERRORS[row.name]]
    proved = sum((row.name, error) in shown for row, error in pairs)
    lacking = len(missing(shown))
    impossible = sum((row.name, error) in IMPOSSIBLE for row, error in pairs)
    later = sum(state(row) == "missing" and (row.name, error) not in shown for row, error in pairs)
    return (
        f"{proved} of {len(pairs)} documented errors are shown by a test; {impossible} cannot happen here, for the reason given; "
        f"{lacking} are missing; {later} are of calls that are not implemented."
    )


def _lines(row: SyscallRow, shown: Shown) -> list[tuple[str, list[str]]]:
    call = f"`{row.name}`"
    if not DOCUMENTED_ERRORS[row.name]:
        return [(f"| {call} | none | |", [])]
    lines = []
    for error in DOCUMENTED_ERRORS[row.name]:
        tests = shown.get((row.name, error), [])
        if tests:
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            proof = f"`{tests[0]}`{more}"
        elif (row.name, error) in IMPOSSIBLE:
            proof = IMPOSSIBLE[row.name, error]
        else:
            proof = "not implemented" if state(row) == "missing" else "**missing**"
        lines.append((f"| {call} | `{error}` | {proof} |", tests))
        call = ""
    return lines
