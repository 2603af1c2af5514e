"""Fixtures: a kernel that repeats exactly, and the host's raw calls. Marks `shows` are held to what they say."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from jacinth.api.kernel import Kernel
from jacinth.api.machine import why_not_native
from jacinth.machine.portable import engine
from jacinth.syscalls.door import HostSys
from tests.conformance import recorder

recorder.install()


@pytest.fixture
def k() -> Iterator[Kernel]:
    """A kernel with virtual time and seed 0."""
    with Kernel(seed=0, virtual_time=True, memory=64 << 20, strict=True) as kernel:
        yield kernel


@pytest.fixture(params=["in C", "in Python"])
def hot_paths(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The portable engine with its C module and without: `pytest.mark.usefixtures` where the two must do the same."""
    if request.param == "in Python":
        monkeypatch.setenv("JACINTH_PURE_PYTHON", "1")
    elif engine._portable is None:
        pytest.skip("the C module is not built")
    return str(request.param)


@pytest.fixture
def zx(k: Kernel) -> HostSys:
    return k.host.sys


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("portable"):
        if why_not_native("auto", virtual_time=True) is None:
            pytest.skip(f"not on the native engine: {mark.args[0]}")


PROOF = pytest.StashKey[recorder.Proof]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before any are deselected."""
    if not any("[" in argument for argument in config.args):
        config.stash[PROOF] = recorder.Proof(items)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test that passes has shown the errors that its marks name."""
    recorder.answered.clear()
    result = yield
    proof = item.config.stash.get(PROOF, None)
    if proof is not None and (missing := proof.passed(item)):
        pytest.fail("\n".join(missing), pytrace=False)
    return result
