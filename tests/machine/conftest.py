from __future__ import annotations

from collections.abc import Iterator

import pytest
from bare_machine import Machine


@pytest.fixture(params=["timed", "counted"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Preempted by time, and by the count of blocks."""
    made = Machine(deterministic=request.param == "counted")
    yield made
    made.close()


@pytest.fixture
def counted() -> Iterator[Machine]:
    made = Machine(deterministic=True)
    yield made
    made.close()


@pytest.fixture
def timed() -> Iterator[Machine]:
    made = Machine(slice_ns=1_000_000)
    yield made
    made.close()
