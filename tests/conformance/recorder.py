"""What calls answered while a test ran, so that a mark `shows(call, error)` is held to what it says."""

from __future__ import annotations

from collections.abc import Iterator
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


def claims(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """The pairs of call and error that a test's marks name. Raises ValueError for a name that is none."""
    for mark in item.iter_markers("shows"):
        call, error = mark.args
        if call not in BY_NAME or error.removeprefix("ZX_ERR_") not in Status.__members__:
            raise ValueError(f"{item.nodeid}: there is no {call} or no {error}")
        yield call, error


def unproved(item: pytest.Item) -> list[str]:
    """The marks of a test that has run that nothing bears out. What the vDSO answers by itself is not seen.

    Of a test with cases, a mark of the test is about all of them together, and only those of the case itself are held to it.
    """
    marks = item.iter_markers("shows")
    if hasattr(item, "callspec"):
        marks = (mark for mark in item.callspec.marks if mark.name == "shows")
    return [
        f"{call} never answered {error}"
        for call, error in (mark.args for mark in marks)
        if BY_NAME[call].vdso is not Vdso.VDSO
        and (call, Status[error.removeprefix("ZX_ERR_")]) not in answered
    ]
