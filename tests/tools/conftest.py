"""Programs in C, compiled once, and the command as a person runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jacinth.tools.cc import CompileError, compile_program, find_compiler

Build = Callable[..., Path]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compile C text into a program; answers its path. Skips the test where there is no compiler."""
    try:
        find_compiler()
    except CompileError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("programs")
    made: dict[tuple[str, ...], Path] = {}

    def build_(name: str, text: str, *flags: str) -> Path:
        key = (name, text, *flags)  # two tests may give different programs one name
        if key not in made:
            place = directory / str(len(made))
            place.mkdir()
            source = place / f"{name}.c"
            source.write_text(text)
            compile_program([source], place / name, ["-Wall", *flags])
            made[key] = place / name
        return made[key]

    return build_


def jacinth(
    *arguments: object, stdin: bytes | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end; without *stdin* its input is empty. Skips the test under AddressSanitizer."""
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        pytest.skip("AddressSanitizer takes more memory than the command may have")
    command = [sys.executable, "-m", "jacinth", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, input=stdin or b"", timeout=timeout)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
