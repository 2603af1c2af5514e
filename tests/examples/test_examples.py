"""Every C and C++ example, compiled and run, prints what `examples/expected` says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jacinth.tools.cc import CompileError, compile_program, find_compiler

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(
    source
    for path in (EXAMPLES / "expected").glob("*.txt")
    for source in (f"c/{path.stem}.c", f"cxx/{path.stem}.cc")
    if (EXAMPLES / source).exists()
)

try:
    find_compiler()
    NO_COMPILER = ""
except CompileError as error:
    NO_COMPILER = str(error)

needs_compiler = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jacinth", "run", *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def test_there_are_examples() -> None:
    assert len(PROGRAMS) >= 6
    assert "cxx/handles.cc" in PROGRAMS


@needs_compiler
@pytest.mark.parametrize("source", PROGRAMS)
def test_an_example_prints_what_is_expected(source: str, tmp_path: Path) -> None:
    path = EXAMPLES / source
    if path.suffix == ".cc":
        try:
            find_compiler(cxx=True)
        except CompileError as error:
            pytest.skip(str(error))
    compile_program([path], tmp_path / path.stem)
    done = run("--virtual-time", "--seed", "0", str(tmp_path / path.stem))
    assert (done.stdout, done.stderr, done.returncode) == (
        (EXAMPLES / "expected" / f"{path.stem}.txt").read_text(),
        "",
        0,
    )


@needs_compiler
def test_the_first_program_of_the_readme(tmp_path: Path) -> None:
    page = EXAMPLES.parent.joinpath("README.md").read_text()
    [source] = re.findall(r"^```c\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "hello.c").write_text(source)
    compile_program([tmp_path / "hello.c"], tmp_path / "hello")
    done = run(str(tmp_path / "hello"))
    assert (done.stdout, done.stderr, done.returncode) == ("a job of my own: ZX_OK\n", "", 0)
    assert f"$ jacinth run hello\n    {done.stdout}" in page


@needs_compiler
def test_hello_shows_its_arguments(tmp_path: Path) -> None:
    compile_program([EXAMPLES / "c" / "hello.c"], tmp_path / "hello")
    done = run(str(tmp_path / "hello"), "one", "two")
    assert done.stdout.startswith("hello, world\nargc = 3\n")
    assert "argv[2] = two\n" in done.stdout
    assert done.returncode == 0
