"""A C program that enters restricted mode and serves what comes out of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.programs import NO_COMPILER, build, run, sentences

SOURCE = Path(__file__).parent / "program.c"
pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(build([SOURCE], tmp_path_factory.mktemp("program")), "program")


@pytest.mark.parametrize("sentence", sentences(SOURCE))
def test_sentence(said: dict[str, str], sentence: str) -> None:
    assert said.get(sentence) == "ok"
