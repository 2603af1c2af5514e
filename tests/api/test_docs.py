"""What docs/api.md and examples/python show is true."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_examples_of_the_documentation_run() -> None:
    text = (ROOT / "docs/api.md").read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 9
    names: dict[str, object] = {}
    for block in blocks:
        line = text.count("\n", 0, block.start(1))
        exec(compile("\n" * line + block.group(1), "docs/api.md", "exec"), names)


def test_the_shared_counter(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples/python/shared_counter.py"), run_name="__main__")
    assert capsys.readouterr().out == (
        "one: the shared page says 200, mine says 100\n"
        "two: the shared page says 200, mine says 200\n"
        "one ended with 1\n"
        "two ended with 2\n"
    )
