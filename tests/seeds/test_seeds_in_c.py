"""Every sentence of the two specifications again, by real programs. Each is a test named after the sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.programs import NO_COMPILER, build, run, sentences

HERE = Path(__file__).parent
JOB_CREATE = HERE / "job_create.c"
PROCESS_CREATE_SHARED = HERE / "process_create_shared.c"

pytestmark = pytest.mark.skipif(bool(NO_COMPILER), reason=NO_COMPILER)


@pytest.fixture(scope="module")
def job_create(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(build([JOB_CREATE], tmp_path_factory.mktemp("job")), "job_create")


@pytest.fixture(scope="module")
def process_create_shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return run(build([PROCESS_CREATE_SHARED], tmp_path_factory.mktemp("shared")), "process_create_shared")


@pytest.mark.parametrize("sentence", sentences(JOB_CREATE))
def test_job_create(job_create: dict[str, str], sentence: str) -> None:
    assert job_create[sentence] == "ok"


@pytest.mark.parametrize("sentence", sentences(PROCESS_CREATE_SHARED))
def test_process_create_shared(process_create_shared: dict[str, str], sentence: str) -> None:
    assert process_create_shared[sentence] == "ok"


def test_nothing_else_was_said(job_create: dict[str, str], process_create_shared: dict[str, str]) -> None:
    assert sorted(job_create) == sorted(sentences(JOB_CREATE))
    assert sorted(process_create_shared) == sorted(sentences(PROCESS_CREATE_SHARED))
