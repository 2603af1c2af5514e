"""Objects are typed by their caller: plain answers outside, coroutines in bodies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def test_a_type_checker_knows_what_is_awaited() -> None:
    pytest.importorskip("mypy")
    here = Path(__file__).parent
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        str(here / "typing_cases.py"),
    ]
    done = subprocess.run(command, cwd=here.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
