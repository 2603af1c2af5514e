"""A program that debugs another: memory, start and registers. Each sentence of registers.c is a test of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.programs import NO_COMPILER, build, run, sentences

SOURCE = Path(__file__).parent / "registers.c"

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(build([SOURCE], tmp_path_factory.mktemp("registers")), "registers")


@pytest.mark.parametrize("sentence", sentences(SOURCE))
def test_registers(said: dict[str, str], sentence: str) -> None:
    assert said[sentence] == "ok"


def test_nothing_else_was_said(said: dict[str, str]) -> None:
    assert sorted(said) == sorted(sentences(SOURCE))
