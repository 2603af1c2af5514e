"""Whole families of calls, used by programs: each sentence of them is a test of its own."""

from __future__ import annotations

import pytest

from .programs import HERE, NO_COMPILER, build, run, sentences

PROGRAMS = ("streams", "iob", "clocks")

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)

_said: dict[str, dict[str, str]] = {}


@pytest.fixture
def said(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a program says, which is run once."""
    name: str = request.param
    if name not in _said:
        _said[name] = run(build([HERE / f"{name}.c"], tmp_path_factory.mktemp(name)), name)
    return _said[name]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [(name, sentence) for name in PROGRAMS for sentence in sentences(HERE / f"{name}.c")],
    indirect=["said"],
)
def test_sentences(said: dict[str, str], sentence: str) -> None:
    assert said[sentence] == "ok"


@pytest.mark.parametrize(("said", "name"), [(name, name) for name in PROGRAMS], indirect=["said"])
def test_nothing_else_was_said(said: dict[str, str], name: str) -> None:
    assert sorted(said) == sorted(sentences(HERE / f"{name}.c"))
