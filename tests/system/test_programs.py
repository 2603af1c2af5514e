"""A C program that uses resources and the events of memory pressure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jacinth import Kernel
from jacinth.abi import (
    PA_HND,
    PA_USER0,
    PA_USER1,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_NOT_FOUND,
    ZX_RIGHT_SAME_RIGHTS,
)
from tests.exceptions.test_programs import Running
from tests.sdk.conftest import build, cache, compiler  # noqa: F401

pytestmark = pytest.mark.usefixtures("compiler")


def test_a_program_holds_resources_and_sees_memory_run_short(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build(Path(__file__).parent / "machine.c", flags=("-Wall", "-Wextra", "-Werror", "-O1"))

    def copy(handle: int) -> int:
        return int(k.sys.zx_handle_duplicate(handle, ZX_RIGHT_SAME_RIGHTS)[1])

    given = ((PA_HND(PA_USER0, 0), copy(k.host.root_job)), (PA_HND(PA_USER1, 0), copy(k.host.root_resource)))
    code, output = Running(k, program, k.host.root_job, given).finish()
    assert (code, output.decode().splitlines()) == (
        0,
        [
            "mine: kind 1, 2 from 40",
            f"taken: {ZX_ERR_NOT_FOUND}",
            "free: 0",
            "at first: normal 1, warning 0",
            "used: 0, normal 0, warning 1",
            "freed: normal 1, warning 0",
            f"set: {ZX_ERR_ACCESS_DENIED}",
        ],
    )
