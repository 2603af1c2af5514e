"""Clocks under any updates: what they promise about themselves holds, and whoever maps one sees what its handle shows."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from jacinth.abi import (
    ZX_CLOCK_ARGS_VERSION_SHIFT,
    ZX_CLOCK_OPT_AUTO_START,
    ZX_CLOCK_OPT_CONTINUOUS,
    ZX_CLOCK_OPT_MAPPABLE,
    ZX_CLOCK_OPT_MONOTONIC,
    ZX_CLOCK_STARTED,
    ZX_ERR_BAD_STATE,
    ZX_ERR_INVALID_ARGS,
    ZX_ERR_TIMED_OUT,
    ZX_OK,
    ZX_VM_PERM_READ,
    zx_clock_create_args_v1_t,
    zx_clock_details_v1_t,
    zx_clock_update_args_v1_t,
    zx_clock_update_args_v2_t,
)
from jacinth.api.kernel import Kernel
from jacinth.fuzz.invariants import assert_invariants

LAST = (1 << 63) - 1
TIME = st.one_of(
    st.integers(0, 10_000_000),
    st.integers(-LAST - 1, LAST),
    st.sampled_from((0, 1, LAST, LAST - 1, -LAST - 1, 1 << 40)),
)
RATE = st.one_of(st.integers(-1000, 1000), st.sampled_from((-1001, 1001, -(1 << 31))))
KINDS = (
    0,
    ZX_CLOCK_OPT_MONOTONIC,
    ZX_CLOCK_OPT_MONOTONIC | ZX_CLOCK_OPT_CONTINUOUS,
    ZX_CLOCK_OPT_MONOTONIC | ZX_CLOCK_OPT_AUTO_START,
    ZX_CLOCK_OPT_MONOTONIC | ZX_CLOCK_OPT_CONTINUOUS | ZX_CLOCK_OPT_AUTO_START,
)


class ClockModel(RuleBasedStateMachine):
    """The model is what the clock has shown before."""

    def __init__(self) -> None:
        super().__init__()
        self.k = Kernel(seed=0, virtual_time=True, memory=4 << 20, strict=True)
        self.zx = self.k.host.sys

    @initialize(options=st.sampled_from(KINDS), backstop=st.sampled_from((0, 0, 1000, LAST)))
    def create(self, options: int, backstop: int) -> None:
        if options & ZX_CLOCK_OPT_AUTO_START:
            backstop = 0
        self.options, self.backstop = options, backstop
        self.zx.zx_nanosleep(self.zx.zx_deadline_after(5000))
        version = 1 << ZX_CLOCK_ARGS_VERSION_SHIFT
        args = zx_clock_create_args_v1_t(backstop_time=backstop)
        status, self.clock = self.zx.zx_clock_create(options | ZX_CLOCK_OPT_MAPPABLE | version, args)
        assert status == ZX_OK
        status, self.address = self.zx.zx_vmar_map_clock(
            self.k.host.root_vmar, ZX_VM_PERM_READ, 0, self.clock, 4096
        )
        assert status == ZX_OK
        self.shown = self.read()
        assert self.shown == (self.zx.zx_clock_get_monotonic() if self.started() else backstop)

    def teardown(self) -> None:
        self.k.close()

    @invariant()
    def nothing_is_wrong_anywhere(self) -> None:
        assert_invariants(self.k)

    def read(self) -> int:
        status, now = self.zx.zx_clock_read(self.clock)
        assert status == ZX_OK
        return int(now)

    def started(self) -> bool:
        status, _ = self.zx.zx_object_wait_one(self.clock, ZX_CLOCK_STARTED, 0)
        assert status in (ZX_OK, ZX_ERR_TIMED_OUT)
        return bool(status == ZX_OK)

    def details(self) -> zx_clock_details_v1_t:
        status, data = self.zx.zx_clock_get_details(self.clock, 1 << ZX_CLOCK_ARGS_VERSION_SHIFT)
        assert status == ZX_OK
        details = zx_clock_details_v1_t.unpack(data)
        details.query_reference_ticks = 0  # when it was asked
        return details

    @rule(ns=st.sampled_from((1, 1000, 999_999, 10**9, 10**15)))
    def time_passes(self, ns: int) -> None:
        was = self.started()
        begun, before = self.zx.zx_clock_get_monotonic(), self.read()
        self.zx.zx_nanosleep(begun + ns)
        after = self.read()
        ns = self.zx.zx_clock_get_monotonic() - begun
        if not was:
            assert after == before == self.backstop
        elif after < LAST:
            assert abs(after - before - ns) <= ns // 1000 + 1

    @rule(
        first=st.booleans(),
        value=st.none() | TIME,
        reference=st.none() | TIME,
        rate=st.none() | RATE,
        error_bound=st.none() | st.integers(0, (1 << 64) - 1),
    )
    def update(
        self, first: bool, value: int | None, reference: int | None, rate: int | None, error_bound: int | None
    ) -> None:
        options = (
            (value is not None)
            | (rate is not None) << 1
            | (error_bound is not None) << 2
            | (reference is not None) << 3
        )
        args: zx_clock_update_args_v1_t | zx_clock_update_args_v2_t
        if first:
            args = zx_clock_update_args_v1_t(
                rate_adjust=rate or 0, value=value or 0, error_bound=error_bound or 0
            )
        else:
            args = zx_clock_update_args_v2_t(
                rate_adjust=rate or 0,
                synthetic_value=value or 0,
                reference_value=reference or 0,
                error_bound=error_bound or 0,
            )
        before, details, was = self.read(), self.details().pack(), self.started()
        version = 1 if first else 2
        status = self.zx.zx_clock_update(
            self.clock, options | version << ZX_CLOCK_ARGS_VERSION_SHIFT, args.pack()
        )
        after = self.read()
        if status != ZX_OK:
            assert status in (ZX_ERR_INVALID_ARGS, ZX_ERR_BAD_STATE)
            assert (after, self.details().pack(), self.started()) == (before, details, was)
            return
        assert self.started() and rate in (None, *range(-1000, 1001))
        if was and self.options & ZX_CLOCK_OPT_MONOTONIC:
            assert after >= before
        if was and self.options & ZX_CLOCK_OPT_CONTINUOUS and reference is None:
            assert after == before
        if value is not None and reference is None:
            assert after == value
        if error_bound is not None:
            assert self.details().error_bound == error_bound

    @invariant()
    def who_maps_it_sees_the_same(self) -> None:
        if not hasattr(self, "clock"):
            return
        now = self.read()
        assert self.zx.zx_clock_read_mapped(self.address) == (ZX_OK, now)
        status, data = self.zx.zx_clock_get_details_mapped(self.address, 1 << ZX_CLOCK_ARGS_VERSION_SHIFT)
        details = zx_clock_details_v1_t.unpack(data)
        details.query_reference_ticks = 0
        assert status == ZX_OK and details.pack() == self.details().pack()
        assert self.backstop <= now <= LAST

    @invariant()
    def what_is_said_about_it_is_what_it_shows(self) -> None:
        if not hasattr(self, "clock"):
            return
        line = self.details().reference_to_synthetic
        passed = self.zx.zx_clock_get_monotonic() - line.reference_offset
        exact = line.synthetic_offset + passed * line.rate.synthetic_ticks // line.rate.reference_ticks
        if abs(passed) < 1 << 60 and abs(exact) <= LAST:
            assert self.read() == exact


TestClocks = ClockModel.TestCase
TestClocks.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
