"""Every documented error is shown by a test or has its reason; marks are held to what they say; the page is of today."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conformance import page

pytest_plugins = ["pytester"]

MARKED = """
import pytest

from jacinth.abi import ZX_ERR_INVALID_ARGS

shows = pytest.mark.shows


@shows("zx_event_create", "ZX_ERR_INVALID_ARGS")
def test_true(zx):
    assert zx.zx_event_create(1)[0] == ZX_ERR_INVALID_ARGS


@shows("zx_event_create", "ZX_ERR_INVALID_ARGS")
def test_of_another_call(zx):
    assert zx.zx_eventpair_create(0)[0] == 0


@shows("zx_event_create", "ZX_ERR_NO_MEMORY")
def test_of_another_error(zx):
    assert zx.zx_event_create(1)[0] == ZX_ERR_INVALID_ARGS


@shows("zx_event_create", "ZX_ERR_NO_SUCH_THING")
def test_of_no_error(zx):
    pass


@shows("zx_event_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [0, 1])
def test_one_case_shows_it(zx, options):
    zx.zx_event_create(options)


@shows("zx_event_create", "ZX_ERR_INVALID_ARGS")
@pytest.mark.parametrize("options", [0, 0])
def test_no_case_shows_it(zx, options):
    zx.zx_event_create(options)


@pytest.mark.parametrize("options", [pytest.param(0, marks=shows("zx_event_create", "ZX_ERR_INVALID_ARGS")), 1])
def test_the_wrong_case(zx, options):
    zx.zx_event_create(options)
"""


def test_every_documented_error_is_shown_or_has_a_reason_and_the_page_says_so(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> None:
    if page.is_everything(pytestconfig):
        problems = page.problems(page.shown_by(request.session.items))
    else:
        command = [sys.executable, "-m", "tests.conformance", "--check"]
        check = subprocess.run(command, cwd=page.ROOT, capture_output=True, text=True, check=False)
        problems = [] if check.returncode == 0 else [check.stdout + check.stderr]
    assert not problems, "\n".join(problems)


def test_a_mark_that_nothing_bears_out_fails_its_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(page.ROOT))
    pytester.makeconftest((page.ROOT / "tests" / "conftest.py").read_text())
    pytester.makeini("[pytest]\nmarkers = shows(call, status): it shows that")
    result = pytester.runpytest_subprocess("-q", pytester.makepyfile(MARKED))
    failed = [line.split("::")[1].split(" ")[0] for line in result.outlines if line.startswith("FAILED")]
    assert failed == [
        "test_of_another_call",
        "test_of_another_error",
        "test_of_no_error",
        "test_no_case_shows_it[0_1]",
        "test_the_wrong_case[0]",
    ]
    assert "zx_event_create never answered ZX_ERR_NO_MEMORY" in result.stdout.str()
