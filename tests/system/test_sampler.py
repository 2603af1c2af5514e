"""The sampler: one for the machine, and what it sees of machine code."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jacinth import Kernel, Resource, ResourceKind
from jacinth.abi import (
    ZX_DEFAULT_SAMPLER_RIGHTS,
    ZX_ERR_ACCESS_DENIED,
    ZX_ERR_ALREADY_EXISTS,
    ZX_ERR_BAD_HANDLE,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_OUT_OF_RANGE,
    ZX_ERR_WRONG_TYPE,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V2,
    ZX_OBJ_TYPE_SAMPLER,
    ZX_OK,
    ZX_POL_ACTION_DENY,
    ZX_POL_NEW_SAMPLER,
    ZX_POL_OVERRIDE_DENY,
    ZX_RSRC_SYSTEM_CPU_BASE,
    ZX_RSRC_SYSTEM_SAMPLING_BASE,
    ZX_SAMPLER_MAX_BUFFER_SIZE,
    ZX_SAMPLER_MIN_PERIOD,
    zx_policy_basic_v2_t,
    zx_sampler_config_t,
)
from jacinth.testing.programs import Program as Run
from tests.sdk.conftest import build, cache, compiler  # noqa: F401
from tests.system import fxt_reader
from tests.system.fxt_reader import Backtrace, Trace
from tests.tasks.conftest import Calls, Memory, Program

shows = pytest.mark.shows
by_blocks = pytest.mark.portable(
    "the program is over before its first turn is; see tests/native/test_sampler.py"
)
SOURCE = Path(__file__).parent / "ktrace.c"
MS = 1_000_000
PAGE = 4096
GOOD = zx_sampler_config_t(period=MS, buffer_size=16 * PAGE)

# A program that is in `inner` nearly all the time, called by `outer`.
NESTED = r"""
#include <zircon/process.h>
#include <zircon/syscalls.h>
__attribute__((noinline)) static long inner(long n) {
  volatile long sum = 0;
  for (long i = 0; i < n; i++) sum += i;
  return sum;
}
__attribute__((noinline)) static long outer(long n) { return inner(n) + 1; }
int main(void) { return outer(5000000) == 0; }
"""


@pytest.fixture
def root(k: Kernel) -> Resource[Kernel]:
    return k.root_resource


@pytest.fixture
def sampling(root: Resource[Kernel]) -> int:
    return int(root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_SAMPLING_BASE, 1).raw)


@pytest.fixture
def sampler(calls: Calls, sampling: int) -> int:
    return int(calls.ok(calls.zx.zx_sampler_create(sampling, 0, GOOD)))


def samples(calls: Calls, sampler: int) -> list[Backtrace]:
    data, actual = calls.ok(calls.zx.zx_sampler_read(sampler, GOOD.buffer_size))
    assert actual == len(data)
    return fxt_reader.read(data, Trace()).of(Backtrace)


@shows("zx_sampler_create", "ZX_ERR_BAD_HANDLE")
@shows("zx_sampler_create", "ZX_ERR_WRONG_TYPE")
@shows("zx_sampler_create", "ZX_ERR_OUT_OF_RANGE")
@shows("zx_sampler_create", "ZX_ERR_INVALID_ARGS")
@shows("zx_sampler_create", "ZX_ERR_ALREADY_EXISTS")
def test_what_is_wrong_with_a_new_sampler_is_said_in_order(
    k: Kernel, calls: Calls, root: Resource[Kernel], sampling: int
) -> None:
    def create(rsrc: int, options: int, config: zx_sampler_config_t | None) -> int:
        return int(k.sys.zx_sampler_create(rsrc, options, config)[0])

    wrong = root.create_child(ResourceKind.SYSTEM, ZX_RSRC_SYSTEM_CPU_BASE, 1).raw
    assert create(0, 1, None) == ZX_ERR_INVALID_ARGS
    assert create(0, 0, None) == ZX_ERR_BAD_HANDLE
    assert create(k.host.process, 0, None) == ZX_ERR_WRONG_TYPE
    assert create(wrong, 0, None) == ZX_ERR_OUT_OF_RANGE
    assert create(sampling, 0, None) == ZX_ERR_INVALID_ARGS
    for period, size in (
        (MS, ZX_SAMPLER_MAX_BUFFER_SIZE + 1),
        (ZX_SAMPLER_MIN_PERIOD - 1, PAGE),
        (-1, PAGE),
        (MS, 0),
        (MS, PAGE + 8),
    ):
        assert (
            create(sampling, 0, zx_sampler_config_t(period=period, buffer_size=size)) == ZX_ERR_INVALID_ARGS
        )
    least = zx_sampler_config_t(period=ZX_SAMPLER_MIN_PERIOD, buffer_size=8)
    only = calls.ok(k.sys.zx_sampler_create(sampling, 0, least))
    assert create(sampling, 0, GOOD) == ZX_ERR_ALREADY_EXISTS
    assert create(sampling, 0, zx_sampler_config_t(period=0, buffer_size=PAGE)) == ZX_ERR_INVALID_ARGS
    calls.close(only)
    assert create(sampling, 0, GOOD) == ZX_OK


@shows("zx_sampler_create", "ZX_ERR_ACCESS_DENIED")
def test_policy_may_forbid_samplers(k: Kernel, calls: Calls, sampling: int) -> None:
    from tests.ipc.conftest import Program as Bodies

    job = calls.job()
    deny = zx_policy_basic_v2_t(
        condition=ZX_POL_NEW_SAMPLER, action=ZX_POL_ACTION_DENY, flags=ZX_POL_OVERRIDE_DENY
    )
    policy = k.sys.zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V2, deny.pack(), 1)
    assert policy == ZX_OK
    program = Bodies(k, k.host.dispatcher.handles.get(job).object)  # type: ignore[union-attr]

    async def main(zx: Any, resource: int) -> int:
        return int((await zx.sampler_create(resource, 0, None))[0])

    program.start(main, program.give(sampling))
    program.settle()
    assert program.results == [ZX_ERR_ACCESS_DENIED]


def test_a_sampler_is_an_object_as_others_are(calls: Calls, sampler: int) -> None:
    info = calls.basic(sampler)
    assert (info.type, info.rights) == (ZX_OBJ_TYPE_SAMPLER, ZX_DEFAULT_SAMPLER_RIGHTS)


@shows("zx_sampler_start", "ZX_ERR_BAD_STATE")
@shows("zx_sampler_stop", "ZX_ERR_BAD_STATE")
@shows("zx_sampler_start", "ZX_ERR_BAD_HANDLE")
@shows("zx_sampler_stop", "ZX_ERR_BAD_HANDLE")
@shows("zx_sampler_read", "ZX_ERR_BAD_HANDLE")
@shows("zx_sampler_start", "ZX_ERR_WRONG_TYPE")
@shows("zx_sampler_stop", "ZX_ERR_WRONG_TYPE")
@shows("zx_sampler_read", "ZX_ERR_WRONG_TYPE")
def test_it_runs_between_start_and_stop(k: Kernel, calls: Calls, sampler: int) -> None:
    start, stop = k.sys.zx_sampler_start, k.sys.zx_sampler_stop
    for bad, status in ((0, ZX_ERR_BAD_HANDLE), (calls.event(), ZX_ERR_WRONG_TYPE)):
        assert start(bad) == stop(bad) == k.sys.zx_sampler_read(bad, 64)[0] == status
    assert stop(sampler) == ZX_ERR_BAD_STATE
    assert start(sampler) == ZX_OK and len(k.probes) == 1
    assert start(sampler) == ZX_ERR_BAD_STATE
    assert stop(sampler) == ZX_OK and k.probes == []
    assert stop(sampler) == ZX_ERR_BAD_STATE
    assert start(sampler) == ZX_OK


def test_its_last_handle_ends_it(k: Kernel, calls: Calls, sampler: int, sampling: int) -> None:
    copy = calls.duplicate(sampler, ZX_DEFAULT_SAMPLER_RIGHTS)
    assert k.sys.zx_sampler_start(sampler) == ZX_OK
    calls.close(sampler)
    assert len(k.probes) == 1
    calls.close(copy)
    assert k.probes == [] and k.sampler is None
    again = calls.ok(k.sys.zx_sampler_create(sampling, 0, GOOD))
    assert k.sys.zx_sampler_start(again) == ZX_OK


@shows("zx_sampler_read", "ZX_ERR_INVALID_ARGS")
def test_reading_needs_room_for_all_that_there_may_be(
    k: Kernel, sampler: int, memory: Memory, trap: Callable[..., int | None]
) -> None:
    size = GOOD.buffer_size
    data, actual = memory.address, memory.address + size

    def number() -> int:
        return int.from_bytes(memory.get(size, 8), "little")

    assert trap("zx_sampler_read", sampler, 0, 0, actual) == ZX_OK
    assert number() == size
    assert k.sampler is not None
    k.sampler._buffer += bytes(range(64))
    for arguments in ((data, size - 1, actual), (8, size, actual)):
        memory.put(size, bytes(range(8)))
        assert trap("zx_sampler_read", sampler, *arguments) == ZX_ERR_INVALID_ARGS
        assert number() == 0
    assert trap("zx_sampler_read", sampler, data, size, actual) == ZX_OK
    assert (number(), memory.get(0, 64)) == (64, bytes(range(64)))
    assert trap("zx_sampler_read", sampler, data, size, actual) == ZX_OK
    assert number() == 0
    k.sampler._buffer += bytes(8)
    assert trap("zx_sampler_read", sampler, data, size, 8) == ZX_ERR_INVALID_ARGS
    assert k.sampler.records() == b""  # lost, as in the real kernel


@by_blocks
@pytest.mark.usefixtures("compiler")
def test_samples_show_where_machine_code_is_and_who_called(
    k: Kernel,
    calls: Calls,
    sampler: int,
    build: Any,  # noqa: F811
) -> None:
    from jacinth import load_elf

    program = build(NESTED, flags=("-O1", "-fno-omit-frame-pointer"))
    assert calls.zx.zx_sampler_start(sampler) == ZX_OK
    run = Run(k, program)
    koid = run.process.koid
    base = next(iter(m.base for m in run.process.info_maps if m.name.endswith(b":text")), None)
    assert run.finish().return_code == 0
    assert calls.zx.zx_sampler_stop(sampler) == ZX_OK
    found = samples(calls, sampler)
    busy = [sample for sample in found if len(sample.addresses) > 2]
    assert len(busy) > 5 and {sample.process for sample in found} == {koid}
    times = [sample.timestamp for sample in found]
    assert all(other - one >= MS for one, other in itertools.pairwise(times))
    assert base is not None
    places = {symbol.name: symbol for symbol in load_elf(program).symbols}
    image = load_elf(program)
    code = next(segment for segment in image.segments if segment.execute)

    def function(address: int) -> str:
        at = address - base + code.start
        return next((n for n, s in places.items() if s.address <= at < s.address + s.size), "")

    names = [tuple(function(address) for address in sample.addresses[:3]) for sample in busy]
    assert set(names) == {("inner", "outer", "main")}


def test_what_has_no_stack_of_its_own_is_not_sampled(
    k: Kernel, calls: Calls, sampler: int, program: Program
) -> None:
    async def main(zx: Any) -> None:
        for _ in range(10):
            await zx.nanosleep(zx.call.kernel.clock.now() + 2 * MS)

    assert calls.zx.zx_sampler_start(sampler) == ZX_OK
    program.start(main)
    k.nanosleep(k.now + 50 * MS)
    assert samples(calls, sampler) == []


@by_blocks
@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("frame", "seen"),
    [
        (0, 1),  # the end of the chain
        (8, 0),  # what cannot be read: no sample
        (1 << 63, 0),
        (None, 64),  # a frame that is its own caller
    ],
)
def test_a_stack_may_be_anything(
    k: Kernel,
    calls: Calls,
    sampler: int,
    build: Any,  # noqa: F811
    frame: int | None,
    seen: int,
) -> None:
    program = build(
        r"""
        int main(void) {
          static long self[2];
          self[0] = self[1] = (long)self;
          long frame = %s;
          __asm__ volatile("push %%%%rbp; mov %%0, %%%%rbp; mov $5000000, %%%%ecx; 1: dec %%%%ecx; jnz 1b; pop %%%%rbp"
                           :: "r"(frame) : "rcx", "memory", "cc");
          return 0;
        }
        """
        % ("(long)self" if frame is None else f"{frame:#x}l"),
        flags=("-O1", "-mno-red-zone"),
    )
    assert calls.zx.zx_sampler_start(sampler) == ZX_OK
    assert Run(k, program).finish().return_code == 0
    depths = [len(sample.addresses) for sample in samples(calls, sampler)]
    assert depths.count(seen) > 3 if seen else len(depths) <= 3


@by_blocks
@pytest.mark.usefixtures("compiler")
def test_a_full_buffer_takes_no_more(k: Kernel, calls: Calls, sampling: int, build: Any) -> None:  # noqa: F811
    config = zx_sampler_config_t(period=MS, buffer_size=256)
    small = calls.ok(calls.zx.zx_sampler_create(sampling, 0, config))
    assert calls.zx.zx_sampler_start(small) == ZX_OK
    assert Run(k, build(NESTED)).finish().return_code == 0
    assert k.sampler is not None and 128 < len(k.sampler.records()) <= 256
    fxt_reader.read(k.sampler.records(), Trace())


@by_blocks
@pytest.mark.usefixtures("compiler")
def test_a_program_samples_itself(k: Kernel, build: Any) -> None:  # noqa: F811
    program = build(SOURCE, flags=("-Wall", "-Wextra", "-Werror", "-O1", "-fno-omit-frame-pointer"))
    done = Run(k, program, ["sample"], handles=[k.root_resource.duplicate()]).finish()
    assert (done.return_code, done.output.decode().splitlines()) == (
        0,
        [
            f"one at a time: {ZX_ERR_ALREADY_EXISTS}",
            f"not running: {ZX_ERR_BAD_STATE}",
            f"running: {ZX_ERR_BAD_STATE}",
            "room 65536, samples 1, in busy 1, called 1",
            "read: 0, 0 bytes",
            "another: 0",
        ],
    )


def test_the_record_is_the_formats(k: Kernel) -> None:
    from jacinth.kernel import fxt

    data = fxt.backtrace(5, 6, 7, [8, 9])
    assert struct.unpack("<6Q", data) == (10 | 6 << 4 | 2 << 16 | 2 << 28, 5, 6, 7, 8, 9)
