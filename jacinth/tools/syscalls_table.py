"""The coverage table: every system call, and whether it is implemented.

`python -m jacinth.tools.syscalls_table` brings docs/syscalls.md and the summary in README.md up to date.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

from jacinth.abi import SYSCALLS
from jacinth.abi.rows import Kind, Param, SyscallRow, Vdso
from jacinth.syscalls import table as _registered  # noqa: F401  # registers every implemented call
from jacinth.syscalls.door import is_implemented

PAGE: Final = Path(__file__).parents[2] / "docs" / "syscalls.md"
README: Final = PAGE.parents[1] / "README.md"
# The summary stands between these.
_BEGIN: Final = "<!-- coverage: python -m jacinth.tools.syscalls_table -->\n"
_END: Final = "\n<!-- end of coverage -->"


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


def selected(only: str | None) -> list[SyscallRow]:
    """Rows of *only* the "missing" calls, the "implemented" ones, or all."""
    return [row for row in SYSCALLS if only is None or (only == "missing") == (state(row) == "missing")]


def text(only: str | None = None) -> str:
    """A line for each call, and a summary."""
    lines = [
        f"{row.number:>4}  {state(row):<12} {row.family:<11} {declaration(row)}" for row in selected(only)
    ]
    return "\n".join([*lines, "", summary()])


def show(only: str | None = None) -> None:
    """The same on a terminal, in colours and as wide as it is."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    styles = {"implemented": "green", "vdso": "cyan", "missing": "red"}
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("number", justify="right")
    for column in ("state", "family", "call"):
        table.add_column(column)
    for row in selected(only):
        call = Text(declaration(row))
        call.highlight_words([row.name], "bold")
        table.add_row(str(row.number), Text(state(row), styles[state(row)]), row.family, call)
    console = Console(highlight=False)
    console.print(table)
    console.print(f"\n{summary()}")


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
        "Made by `python -m jacinth.tools.syscalls_table` from the table in `jacinth/abi/table.py`. A missing call answers",
        "`ZX_ERR_NOT_SUPPORTED`.",
        "",
        summary(),
        "",
        families(),
        "",
        "| number | call | family | state |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*head, *rows])


def readme(page: str) -> str:
    """The text of README.md with today's summary in its place. Raises ValueError where it has none."""
    start = page.index(_BEGIN) + len(_BEGIN)
    return page[:start] + summary() + page[page.index(_END, start) :]


if __name__ == "__main__":
    PAGE.write_text(markdown() + "\n")
    README.write_text(readme(README.read_text()))
