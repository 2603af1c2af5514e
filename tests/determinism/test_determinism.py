"""With a seed and virtual time a run repeats: every call, every koid, every byte of memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jacinth.tools.cc import compile_program
from tests.guest.programs import NO_COMPILER

from . import replay

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAMS = {
    "mix": HERE / "mix.c",
    **{
        name: ROOT / "examples" / "c" / f"{name}.c"
        for name in ("futex_lock", "producer_consumer", "shared_counter")
    },
}

pytestmark = pytest.mark.portable("turns end by the host's time on it, so that no run repeats exactly")
needs_compiler = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    directory = tmp_path_factory.mktemp("programs")

    def get(name: str) -> Path:
        if not (directory / name).exists():
            compile_program([PROGRAMS[name]], directory / name)
        return directory / name

    return get


@needs_compiler
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_repeats_to_the_last_call_koid_and_byte(compiled: Callable[[str], Path], name: str) -> None:
    data = compiled(name).read_bytes()
    first = replay.program(data, 7)
    assert len(first) > 20
    assert replay.program(data, 7) == first


@needs_compiler
def test_a_program_repeats_though_other_kernels_ran_in_between_and_time_has_passed(
    compiled: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = compiled("mix").read_bytes()
    first = replay.program(data, 1)
    replay.program(compiled("futex_lock").read_bytes(), 2)
    replay.bodies(3)
    later = time.monotonic_ns() + 10**15
    monkeypatch.setattr(time, "monotonic_ns", lambda: later)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "perf_counter", lambda: 0.0)
    assert replay.program(data, 1) == first


@needs_compiler
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_repeats_without_the_engine_s_c_module(
    compiled: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = compiled(name).read_bytes()
    first = replay.program(data, 7)
    monkeypatch.setenv("JACINTH_PURE_PYTHON", "1")
    assert replay.program(data, 7) == first


@needs_compiler
def test_the_seed_decides(compiled: Callable[[str], Path]) -> None:
    data = compiled("mix").read_bytes()
    runs = {"\n".join(replay.program(data, seed)) for seed in range(4)}
    assert len(runs) == 4


@needs_compiler
def test_the_length_of_a_turn_decides_too(compiled: Callable[[str], Path]) -> None:
    """The threads do interrupt each other: otherwise the tests above would show less than they seem to."""
    data = compiled("mix").read_bytes()
    assert replay.program(data, 5, quantum=1_000) != replay.program(data, 5, quantum=1_100)
    assert replay.program(data, 5, quantum=1_000) == replay.program(data, 5, quantum=1_000)


def test_python_bodies_repeat() -> None:
    first = replay.bodies(7)
    assert len(first) > 40
    assert replay.bodies(7) == first
    assert replay.bodies(8) != first


def in_a_process(what: str, hash_seed: str) -> str:
    environ = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "TZ": f"X{hash_seed[0]}"}
    command = [sys.executable, str(HERE / "replay.py"), "7", what]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True, timeout=60)
    return done.stdout


def test_no_hash_seed_matters_to_bodies() -> None:
    assert in_a_process("bodies", "1") == in_a_process("bodies", "4242") == "\n".join(replay.bodies(7)) + "\n"


@needs_compiler
def test_no_hash_seed_matters_to_programs(compiled: Callable[[str], Path]) -> None:
    path = compiled("mix")
    here = "\n".join(replay.program(path.read_bytes(), 7)) + "\n"
    assert in_a_process(str(path), "1") == in_a_process(str(path), "4242") == here
