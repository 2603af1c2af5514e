"""The documented errors of each family of calls, made by a program. Each sentence of errors.c is a test of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jacinth.abi import BY_NAME, Status
from jacinth.syscalls import door
from jacinth.testing.programs import Finished

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


def _fails(*_: object) -> None:
    raise RuntimeError("an error of ours")


def _takes_nothing() -> None:
    """The door's own call of it fails."""


@pytest.mark.jacinth(strict=False)
@pytest.mark.parametrize("broken", [_fails, _takes_nothing])
def test_an_error_of_ours_is_reported_and_a_status_for_the_program(
    run_c: Callable[..., Finished],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    broken: Callable[..., None],
) -> None:
    row = BY_NAME["zx_event_create"]
    monkeypatch.setitem(door.IMPLEMENTED, row.name, broken)
    traps = list(door.TRAPS)
    traps[row.number] = door._first_trap(row)
    monkeypatch.setattr(door, "TRAPS", traps)
    program = "#include <zircon/syscalls.h>\nint main(void) { zx_handle_t h; return zx_event_create(0, &h); }"
    assert run_c(program).return_code == Status.INTERNAL
    assert "internal error in zx_event_create" in capfd.readouterr().err
