"""The coverage table: every system call, and whether it is implemented."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from jacinth.abi import SYSCALLS
from jacinth.abi.rows import Kind, Param, SyscallRow, Vdso
from jacinth.syscalls import table as _registered  # noqa: F401  # registers every implemented call
from jacinth.syscalls.door import is_implemented

PAGE: Final = Path(__file__).parents[2] / "docs" / "syscalls.md"
_README: Final = Path(__file__).parents[2] / "README.md"


def state(row: SyscallRow) -> str:
    """Who answers it: `vdso` alone, `implemented` in the kernel, or nobody: `missing`."""
    if row.vdso is Vdso.VDSO:
        return "vdso"
    return "implemented" if is_implemented(row) else "missing"


def declaration(row: SyscallRow) -> str:
    """As in C, without the semicolon."""
    return f"{row.returns} {row.name}({', '.join(_parameter(param) for param in row.params) or 'void'})"


def _parameter(param: Param) -> str:
    match param.kind:
        case Kind.IN:
            return f"const {param.type}* {param.name}"
        case Kind.OUT | Kind.INOUT:
            return f"{param.type}* {param.name}"
        case _:
            return f"{param.type} {param.name}"


def text(only: str | None = None) -> str:
    """A line for each call, and a summary."""
    lines = []
    for row in SYSCALLS:
        is_missing = state(row) == "missing"
        if only is None or (only == "missing") == is_missing:
            lines.append(f"{row.number:>4}  {state(row):<12} {row.family:<11} {declaration(row)}")
    return "\n".join([*lines, "", summary()])


def summary() -> str:
    """One sentence: how many calls there are, and how many work."""
    counts = Counter(state(row) for row in SYSCALLS)
    working = counts["implemented"] + counts["vdso"]
    return (
        f"{working} of {len(SYSCALLS)} public system calls work: {counts['implemented']} in the kernel, "
        f"{counts['vdso']} in the vDSO alone; {counts['missing']} are missing."
    )


def families() -> str:
    """A table in Markdown: for each family how many of its calls work."""
    total = Counter(row.family for row in SYSCALLS)
    working = Counter(row.family for row in SYSCALLS if state(row) != "missing")
    rows = [f"| {family} | {working[family]} of {count} |" for family, count in sorted(total.items())]
    return "\n".join(["| family | calls |", "| --- | --- |", *rows])


def markdown() -> str:
    """docs/syscalls.md."""
    rows = [f"| {row.number} | `{declaration(row)}` | {row.family} | {state(row)} |" for row in SYSCALLS]
    head = [
        "# System calls",
        "",
        "Made by `jacinth syscalls --markdown` from the table in `jacinth/abi/table.py`.",
        "",
        summary(),
        "",
        "| number | call | family | state |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows])
