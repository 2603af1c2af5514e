"""What docs/restricted.md shows in C is true; its Python is run with that of the other pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jacinth.api.kernel import Kernel
from tests.exceptions.test_programs import Running
from tests.sdk.conftest import build, cache, compiler  # noqa: F401

PAGE = Path(__file__).parents[2] / "docs/restricted.md"


@pytest.mark.usefixtures("compiler")
def test_the_program_of_the_page_runs(k: Kernel, build: Any) -> None:  # noqa: F811
    [program] = re.findall(r"^```c\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    code, output = Running(k, build(program), k.host.root_job).finish()
    assert (code, output) == (0, b"hello from restricted mode\n")
