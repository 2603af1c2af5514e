"""The fuzzer of system calls, for a few seconds, and what it has found before."""

from __future__ import annotations

import pytest

from jacinth.fuzz import episode


@pytest.mark.parametrize("seed", range(4))
def test_an_episode_finds_nothing(seed: int) -> None:
    outcome = episode.run(seed, 5000)
    assert outcome.failure is None, outcome.failure.text
    assert len({name for name, _ in outcome.seen}) > 100


def test_an_episode_repeats_exactly() -> None:
    one, other = episode.run(77, 1500), episode.run(77, 1500)
    assert one.seen == other.seen
