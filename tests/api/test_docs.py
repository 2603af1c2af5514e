"""What README.md, docs/*.md and examples/python show in Python is true."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


# Examples that are tests themselves, for pytest, say so above.
_BLOCK = re.compile(r"^(<!-- pytest -->\n)?```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _examples(page: Path) -> dict[int, str]:
    """By line."""
    text = page.read_text()
    return {
        text.count("\n", 0, block.start(2)): block.group(2)
        for block in _BLOCK.finditer(text)
        if block.group(1) is None
    }


PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if _examples(page)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_the_documentation_run(page: Path) -> None:
    names: dict[str, object] = {}
    for line, source in _examples(page).items():
        exec(compile("\n" * line + source, str(page), "exec"), names)


def test_the_api_has_an_example_for_everything() -> None:
    assert len(_examples(ROOT / "docs/api.md")) >= 9


def test_the_example_of_restricted_mode_runs() -> None:
    [block] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/linux.md").read_text(), re.MULTILINE | re.DOTALL
    )
    exec(compile(block, "docs/linux.md", "exec"), {})


def test_the_shared_counter(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples/python/shared_counter.py"), run_name="__main__")
    assert capsys.readouterr().out == (
        "one: the shared page says 200, mine says 100\n"
        "two: the shared page says 200, mine says 200\n"
        "one ended with 1\n"
        "two ended with 2\n"
    )
