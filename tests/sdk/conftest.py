"""A compiler, a cache of its own, and compiled programs; without a compiler these tests are skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jacinth.tools import cc

HERE = Path(__file__).parent

Compile = Callable[..., bytes]


@pytest.fixture(scope="session")
def compiler() -> cc.Compiler:
    try:
        return cc.find_compiler()
    except cc.CompileError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cxx_compiler() -> cc.Compiler:
    try:
        return cc.find_compiler(cxx=True)
    except cc.CompileError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is built for these tests goes away with them."""
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(directory))
        yield directory


@pytest.fixture
def build(cache: Path, tmp_path: Path) -> Compile:
    """Compile files, by their paths, or texts, which are C but for another *suffix*; answers the program's bytes."""

    def compile_(
        *sources: Path | str, flags: tuple[str, ...] = ("-Wall", "-Wextra", "-Werror"), suffix: str = ".c"
    ) -> bytes:
        paths = []
        for number, source in enumerate(sources):
            if isinstance(source, str):
                path = tmp_path / f"source{number}{suffix}"
                path.write_text(source)
                source = path
            paths.append(source)
        output = tmp_path / "program"
        cc.compile_program(paths, output, flags)
        return output.read_bytes()

    return compile_
