from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from bare_machine import Machine

from jacinth.machine.native.selftest import why_not
from jacinth.machine.portable import engine

ENGINES = ["portable", "portable in Python", "native"]
MACHINES = ["timed", "timed in Python", "counted", "counted in Python", "native"]


def _options(param: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What `Machine` takes. The portable engine has a C module, and must do without."""
    if param == "native":
        if reason := why_not():
            pytest.skip(f"the native engine does not work here: {reason}")
        return {"native": True}
    if param.endswith("in Python"):
        monkeypatch.setenv("JACINTH_PURE_PYTHON", "1")
    elif engine._portable is None:
        pytest.skip("the C module is not built")
    return {"deterministic": param.startswith("counted")}


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """The portable engine, preempted by time and by the count of blocks, and the native one."""
    made = Machine(**_options(request.param, monkeypatch))
    yield made
    made.close()


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Machine]]:
    """Machines of one engine after the other, with options of the test's own."""
    kind = _options(request.param, monkeypatch)
    made: list[Machine] = []

    def make_machine(**options: object) -> Machine:
        made.append(Machine(**{**kind, **options}))
        return made[-1]

    yield make_machine
    for machine in made:
        machine.close()


@pytest.fixture(params=ENGINES)
def native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a machine of the test's own making has the native engine."""
    return "native" in _options(request.param, monkeypatch)


@pytest.fixture
def timed(make: Callable[..., Machine]) -> Machine:
    return make(slice_ns=1_000_000)


@pytest.fixture
def counted() -> Iterator[Machine]:
    made = Machine(deterministic=True)
    yield made
    made.close()


@pytest.fixture
def portable() -> Iterator[Machine]:
    made = Machine()
    yield made
    made.close()
