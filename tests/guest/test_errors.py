"""The documented errors of each family of calls, made by a program. Each sentence of errors.c is a test of its own."""

from __future__ import annotations

import pytest

from .programs import HERE, NO_COMPILER, build, run, sentences

SOURCE = HERE / "errors.c"

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(build([SOURCE], tmp_path_factory.mktemp("errors")), "errors")


@pytest.mark.parametrize("sentence", sentences(SOURCE))
def test_errors(said: dict[str, str], sentence: str) -> None:
    assert said[sentence] == "ok"


def test_nothing_else_was_said(said: dict[str, str]) -> None:
    assert sorted(said) == sorted(sentences(SOURCE))
