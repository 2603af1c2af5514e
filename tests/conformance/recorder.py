"""What calls answered while a test ran, so that a mark `shows(call, error)` is held to what it says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from jacinth.abi import BY_NAME, Status
from jacinth.abi.rows import SyscallRow, Vdso
from jacinth.syscalls import door

# (call, status) of every call that failed since the test began, however it was made: by registers, the host or a body.
answered: set[tuple[str, int]] = set()


def install() -> None:
    """From now on every call that a kernel of this process carries out is seen. Before the first one is made."""
    body, names = door._body, door._names

    def recording_body(row: SyscallRow, *parts: Any) -> list[str]:
        *lines, answer = body(row, *parts)
        indent = answer[: len(answer) - len(answer.lstrip())]
        return [
            *lines,
            f"{indent}if status < 0:",
            f"{indent}    answered.add(({row.name!r}, int(status)))",
            answer,
        ]

    def recording_names(row: SyscallRow) -> dict[str, Any]:
        return {**names(row), "answered": answered}

    door._body, door._names = recording_body, recording_names


def claims(item: pytest.Item) -> list[tuple[str, str]]:
    """The pairs of call and error that a test's marks name. Raises ValueError for a name that is none."""
    return [_pair(item, mark) for mark in item.iter_markers("shows")]


def _pair(item: pytest.Item, mark: pytest.Mark) -> tuple[str, str]:
    call, error = mark.args
    if call not in BY_NAME or error.removeprefix("ZX_ERR_") not in Status.__members__:
        raise ValueError(f"{item.nodeid}: there is no {call} or no {error}")
    return call, error


class Proof:
    """Holds the marks of tests to what the calls answered.

    Each test shows what it is marked with. Where it has cases, each case shows what it is marked with itself, and what the whole
    test is marked with some of its cases do; that is looked at when the last of them has passed in this process.
    """

    def __init__(self, items: list[pytest.Item]) -> None:
        self._left = Counter(_test(item) for item in items)  # cases that have not passed yet
        self._owed: dict[str, set[tuple[str, str]]] = {}  # what no case has shown yet

    def passed(self, item: pytest.Item) -> list[str]:
        """A test has passed: what it should have shown and has not."""
        test, cases = _test(item), getattr(item, "callspec", None)
        if cases is None:
            return [_complaint(pair) for pair in claims(item) if not _shown(pair)]
        own = {_pair(item, mark) for mark in cases.marks if mark.name == "shows"}
        owed = self._owed.setdefault(test, set(claims(item)) - own)
        owed.difference_update([pair for pair in owed if _shown(pair)])
        self._left[test] -= 1
        unproved = {pair for pair in own if not _shown(pair)} | (set() if self._left[test] else owed)
        return [_complaint(pair) for pair in sorted(unproved)]


def _test(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _shown(pair: tuple[str, str]) -> bool:
    """What the vDSO answers by itself is not seen."""
    call, error = pair
    return BY_NAME[call].vdso is Vdso.VDSO or (call, Status[error.removeprefix("ZX_ERR_")]) in answered


def _complaint(pair: tuple[str, str]) -> str:
    return f"marked with it, but {pair[0]} never answered {pair[1]}"
