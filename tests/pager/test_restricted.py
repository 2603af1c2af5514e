"""Restricted mode and pages that have to be waited for."""

from __future__ import annotations

from typing import Any

from jacinth import Body, ExceptionType, PagerCommand, RestrictedReason, Status
from jacinth.abi import ZX_VM_PERM_READ, ZX_VM_PERM_WRITE, ZX_VM_SPECIFIC
from tests.restricted.conftest import CODE, SYSCALL, Bodies

from .conftest import PAGE, PagerWorld

PAGED = 0x80_0000
LOAD = b"\x8a\x07" + SYSCALL  # mov al, [rdi]; syscall
READ = PagerCommand.READ


def world(pw: PagerWorld) -> tuple[Bodies, Any]:
    bodies = Bodies(pw.k, LOAD)
    vmo = pw.vmo(1)
    flags = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_SPECIFIC
    bodies.ok(bodies.zx.zx_vmar_map(bodies.restricted_vmar, flags, PAGED - 0x20_0000, vmo.raw, 0, PAGE))
    return bodies, vmo


async def enter(zx: Body, seen: list[Any]) -> None:
    state = await zx.thread.restricted_bind_state()
    state.ip, state.rdi = CODE, PAGED
    while True:
        reason = await zx.thread.restricted_enter(state)
        seen.append((reason, state.rax & 0xFF))
        if reason == RestrictedReason.EXCEPTION:
            report = state.exception
            seen.append((ExceptionType(report.header.type), report.context.synth_code - (1 << 32)))
        if reason != RestrictedReason.KICK:
            return


def test_a_load_in_restricted_mode_waits_for_its_page(pw: PagerWorld) -> None:
    bodies, vmo = world(pw)
    seen: list[Any] = []
    bodies.start(enter, seen)
    assert pw.request() == (READ, 0, 1)
    assert seen == []
    pw.supply(vmo, 0, b"A")
    pw.k.run_until_idle()
    assert seen == [(RestrictedReason.SYSCALL, ord("A"))]


def test_a_page_that_fails_is_an_exception_for_normal_mode(pw: PagerWorld) -> None:
    bodies, vmo = world(pw)
    seen: list[Any] = []
    bodies.start(enter, seen)
    pw.k.run_until_idle()
    pw.fail(vmo, 0, 1, Status.IO)
    pw.k.run_until_idle()
    assert seen[0][0] == RestrictedReason.EXCEPTION
    assert seen[1] == (ExceptionType.FATAL_PAGE_FAULT, Status.IO)


def test_a_kick_is_noticed_when_the_page_has_come(pw: PagerWorld) -> None:
    bodies, vmo = world(pw)
    seen: list[Any] = []
    bodies.start(enter, seen)
    assert pw.request() == (READ, 0, 1)
    bodies.thread.kick()
    pw.k.run_until_idle()
    assert seen == []
    pw.supply(vmo, 0, b"A")
    pw.k.run_until_idle()
    assert [reason for reason, _ in seen] == [RestrictedReason.KICK, RestrictedReason.SYSCALL]
    assert seen[-1] == (RestrictedReason.SYSCALL, ord("A"))


def test_a_kicked_thread_whose_page_fails_loses_neither(pw: PagerWorld) -> None:
    bodies, vmo = world(pw)
    seen: list[Any] = []
    bodies.start(enter, seen)
    pw.k.run_until_idle()
    bodies.thread.kick()
    pw.fail(vmo, 0, 1, Status.IO)
    pw.k.run_until_idle()
    reasons = [reason for reason, _ in seen if isinstance(reason, RestrictedReason)]
    assert RestrictedReason.EXCEPTION in reasons


def test_a_thread_that_waits_in_restricted_mode_can_be_killed(pw: PagerWorld) -> None:
    bodies, _ = world(pw)
    seen: list[Any] = []
    bodies.start(enter, seen)
    pw.k.run_until_idle()
    bodies.ok(bodies.zx.zx_task_kill(bodies.process))
    bodies.wait(bodies.process)
    assert pw.request() is None and seen == []
