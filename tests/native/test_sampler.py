"""Samples of machine code on the real CPU, where turns end by the host's time. Else as in tests/system/test_sampler.py."""

from __future__ import annotations

from typing import Any

import pytest

from jacinth import Kernel, ResourceKind, load_elf
from jacinth.abi import ZX_OK, ZX_RSRC_SYSTEM_SAMPLING_BASE, zx_sampler_config_t
from jacinth.machine.native.selftest import why_not
from jacinth.testing.programs import Program as Run
from tests.sdk.conftest import build, cache, compiler  # noqa: F401
from tests.system import fxt_reader
from tests.system.fxt_reader import Backtrace, Trace
from tests.system.test_sampler import MS, NESTED

pytestmark = [
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.usefixtures("compiler"),
]
SIZE = 1 << 16


@pytest.mark.parametrize("cpus", [1, 2])
def test_samples_show_where_machine_code_is_and_who_called(build: Any, cpus: int) -> None:  # noqa: F811
    program = build(NESTED.replace("5000000", "400000000"), flags=("-O1", "-fno-omit-frame-pointer"))
    with Kernel(engine="native", cpus=cpus, memory=64 << 20, strict=True) as k:
        sampling = k.root_resource.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_SAMPLING_BASE, 1).raw
        config = zx_sampler_config_t(period=MS, buffer_size=SIZE)
        status, sampler = k.sys.zx_sampler_create(sampling, 0, config)
        assert status == ZX_OK
        assert k.sys.zx_sampler_start(sampler) == ZX_OK
        run = Run(k, program)
        base = next(m.base for m in run.process.info_maps if m.name.endswith(b":text"))
        assert run.finish().return_code == 0
        status, data, _ = k.sys.zx_sampler_read(sampler, SIZE)
        assert status == ZX_OK
    image = load_elf(program)
    code = next(segment for segment in image.segments if segment.execute)

    def function(address: int) -> str:
        at = address - base + code.start
        return next((s.name for s in image.symbols if s.address <= at < s.address + s.size), "")

    found = [sample.addresses[:3] for sample in fxt_reader.read(data, Trace()).of(Backtrace)]
    names = [tuple(map(function, addresses)) for addresses in found]
    assert names.count(("inner", "outer", "main")) > 5
