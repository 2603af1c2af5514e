from __future__ import annotations

from jacinth.abi import BY_NAME, Status
from jacinth.abi.errors import DOCUMENTED_ERRORS


def test_every_call_of_the_table_is_there_and_nothing_else() -> None:
    assert DOCUMENTED_ERRORS.keys() == BY_NAME.keys()


def test_every_error_is_a_status_and_is_named_once() -> None:
    statuses = {f"ZX_ERR_{status.name}" for status in Status if status < 0}
    for call, errors in DOCUMENTED_ERRORS.items():
        assert set(errors) <= statuses, call
        assert len(set(errors)) == len(errors), call


def test_a_call_that_returns_no_status_has_no_errors() -> None:
    for call, errors in DOCUMENTED_ERRORS.items():
        assert not errors or BY_NAME[call].returns == "zx_status_t", call
