"""The fuzzers, for a few seconds; and whether they would find anything."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import jacinth
from jacinth import Body, Channel, Signals, Vmo
from jacinth.abi import ZX_CHANNEL_READABLE, ZX_ERR_BAD_STATE, ZX_OBJ_TYPE_PORT, ZX_OK, ZX_TIME_INFINITE
from jacinth.api import machine as api
from jacinth.api.kernel import Kernel
from jacinth.fuzz import episode, programs
from jacinth.fuzz.generate import Generator
from jacinth.fuzz.invariants import InvariantError, assert_invariants
from jacinth.fuzz.world import FuzzError, World
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.channel import close_handles
from jacinth.kernel.ipc.event import EventDispatcher
from jacinth.kernel.object import Dispatcher
from jacinth.machine.memory import OutOfMemory
from jacinth.machine.native.selftest import why_not
from jacinth.syscalls import door
from jacinth.tools.fuzz import Options, fuzz, statistics

# What this machine has not, whatever is asked for; and zx_system_get_event, which needs the root job.
NEVER_OK = re.compile(
    "zx_(pci|guest|vcpu|msi|mtrace|ioports|smc|debug_read|debug_send|system_mexec|system_set_processor|"
    "restricted_enter|vmo_create_physical|system_get_event)"
)


def test_episodes_find_nothing_and_see_all_but_a_few_calls_succeed() -> None:
    seen: Counter[tuple[str, int | str]] = Counter()
    for seed in range(1, 5):
        outcome = episode.run(seed, 5000)
        assert outcome.failure is None, outcome.failure.text
        seen.update(outcome.seen)
    assert sum(seen[name, ZX_OK] for name in door.IMPLEMENTED) > sum(seen.values()) / 2
    missing = [name for name in door.IMPLEMENTED if not seen[name, ZX_OK] and not NEVER_OK.match(name)]
    assert len(missing) <= 3, missing  # some are rare, and chance changes with the table
    lines = statistics(seen)
    assert len(lines) == len({name for name, _ in seen} - {"restricted"})
    [line] = [line for line in lines if line.startswith("zx_channel_create ")]
    share = (
        100
        * seen["zx_channel_create", ZX_OK]
        / sum(n for (name, _), n in seen.items() if name == "zx_channel_create")
    )
    assert line.split()[2:] == [f"{share:.0f}%", "INVALID_ARGS;", "not", "NO_MEMORY"]


def test_calls_go_on_where_no_memory_is_left_for_more_processes() -> None:
    """An episode could try to start them for ever."""
    world = World(1)
    frames = []
    with pytest.raises(OutOfMemory):
        while True:
            frames.append(world.kernel.memory.allocate())
    generator = Generator(world, random.Random(1))
    steps = [generator.next() for _ in range(100)]
    assert {step[0] for step in steps} > {"spawn", "call"}


@pytest.mark.portable("a turn ends by the host's time on it")
def test_an_episode_repeats_exactly() -> None:
    one, other = episode.run(77, 1500), episode.run(77, 1500)
    assert one.seen == other.seen


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_refused_or_run(seed: int) -> None:
    outcome = programs.run("elf", seed)
    assert outcome.failure is None, outcome.failure.text
    assert len(outcome.seen) > 5


@pytest.mark.parametrize("seed", range(3))
def test_any_machine_code_can_be_run(seed: int) -> None:
    outcome = programs.run("code", seed)
    assert outcome.failure is None, outcome.failure.text
    assert {kind for kind, _ in outcome.seen} == {"code", "restricted"}


# ---- Whether they would find something --------------------------------------------------------------------------------------


def test_a_leaked_handle_is_found(k: Kernel) -> None:
    assert_invariants(k)
    event = EventDispatcher(k)
    k.host.add(event)
    assert_invariants(k)
    Handle(event, 0)
    with pytest.raises(InvariantError, match="counts 2 handles, and there are 1"):
        assert_invariants(k)


def test_what_has_come_for_a_suspended_thread_is_not_lost(k: Kernel) -> None:
    """It is in the thread's coroutine alone where the channel has gone meanwhile."""
    one, other = Channel.create()
    channel = k.host.dispatcher.handles.get(one.raw).object
    process, _ = k.root_job.create_child_process("caller")

    async def main(zx: Body) -> None:
        _, handles = await channel.call(bytes(4), (), ZX_TIME_INFINITE)  # type: ignore[attr-defined]
        close_handles(handles)

    process.start_body(main)
    other.wait(Signals.CHANNEL_READABLE)
    request, _ = other.read()
    token = process.suspend()
    page = Vmo.create(4096)
    page.write(b"x")
    other.write(request, [page])
    one.close()
    assert_invariants(k)
    token.close()
    process.wait(Signals.PROCESS_TERMINATED)
    assert_invariants(k)


def test_a_lost_page_is_found(k: Kernel) -> None:
    k.memory.allocate()
    with pytest.raises(InvariantError, match="frames are in use"):
        assert_invariants(k)


def test_a_stale_page_is_found(k: Kernel) -> None:
    zx = k.host.sys
    _, vmo = zx.zx_vmo_create(4096, 0)
    _, address = zx.zx_vmar_map(k.host.root_vmar, 3, 0, vmo, 0, 4096)
    aspace = k.host.dispatcher.shared.aspace
    aspace.page_fault(address, 2)
    assert_invariants(k)
    pages = k.host.dispatcher.handles.handles[vmo].object.pages
    pages._drop(pages.present(0, 1))  # without telling the mapping
    with pytest.raises(InvariantError, match="nothing is committed"):
        assert_invariants(k)


def test_a_wrong_signal_is_found(k: Kernel) -> None:
    _, one, _ = k.host.sys.zx_channel_create(0)
    k.host.dispatcher.handles.handles[one].object.update_signals(0, ZX_CHANNEL_READABLE)
    with pytest.raises(InvariantError, match="READABLE is asserted"):
        assert_invariants(k)


@contextmanager
def replaced(name: str, function: Callable[..., Any]) -> Iterator[None]:
    """Another function carries out a call."""
    row = door.BY_NAME[name]
    before = door.IMPLEMENTED[name]
    try:
        door.IMPLEMENTED[name] = function
        door.TRAPS[row.number] = door._first_trap(row)
        yield
    finally:
        door.IMPLEMENTED[name] = before
        door.TRAPS[row.number] = door._first_trap(row)


def test_a_finding_becomes_a_short_program(tmp_path: Path) -> None:
    """An event that cannot go once there is a port: a few steps show it."""

    def leaky(call: door.Call, options: int, out: door.HandleOut) -> None:
        event = EventDispatcher(call.kernel)
        out.make(event)
        if any(handle.object.TYPE == ZX_OBJ_TYPE_PORT for _, handle in call.handles):
            event.handle_count += 1

    with replaced("zx_event_create", leaky):
        outcome = episode.run(5, 3000)
        assert outcome.failure is not None and "counts" in outcome.failure.headline
        shorter = episode.reduce(outcome.failure, 200)
    assert shorter.signature == outcome.failure.signature
    assert len(shorter.steps) < 10 < len(outcome.failure.steps)
    script = tmp_path / "reproduce.py"
    script.write_text(episode.script(shorter, "a test"))
    path = {**os.environ, "PYTHONPATH": str(Path(jacinth.__file__).parents[1])}  # this copy, wherever it is
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, env=path)
    # The bug is not in the kernel of that process.
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing goes wrong"), done.stderr


def test_a_failed_call_that_gives_out_a_handle_is_found() -> None:
    def confused(call: door.Call, options: int, out: door.HandleOut) -> None:
        call.install(Handle(EventDispatcher(call.kernel), 0))
        raise door.ZxError(door.Status(ZX_ERR_BAD_STATE))

    with replaced("zx_event_create", confused):
        outcome = episode.run(6, 3000)
    assert outcome.failure is not None
    assert outcome.failure.headline == "zx_event_create = -20, and the handles have changed"


def _half_done(call: door.Call, handle: int, clear_mask: int, set_mask: int) -> None:
    object_ = call.dispatcher(handle, Dispatcher, 0)
    if call.thread is not call.kernel.host.thread:  # type: ignore[attr-defined]
        object_.update_signals(0, 1 << 24)
        raise door.ZxError(door.Status(ZX_ERR_BAD_STATE))


def test_a_failed_call_of_a_body_that_has_changed_something_is_found() -> None:
    with replaced("zx_object_signal", _half_done):
        outcome = episode.run(6, 3000)
    assert outcome.failure is not None
    assert re.fullmatch(r"zx_object_signal = -20, and \w+\.signals has changed", outcome.failure.headline), (
        outcome.failure.text
    )


def test_a_failed_call_of_machine_code_that_has_changed_something_is_found() -> None:
    with replaced("zx_object_signal", _half_done):
        ground = programs.Ground(1)
        # mov edi, the bootstrap channel; mov eax, number; the vDSO's instruction
        number = door.BY_NAME["zx_object_signal"].number
        code = b"\xb8" + number.to_bytes(4, "little") + b"\x4c\x8d\x9e"
        code += ground.kernel.vdso.entries[number].to_bytes(4, "little") + b"\x41\xff\xe3"
        with pytest.raises(
            FuzzError, match=r"zx_object_signal = -20, and ChannelDispatcher.signals has changed"
        ):
            ground.run(programs.Program("code", code))


# ---- The command ------------------------------------------------------------------------------------------------------------


def test_the_command_says_at_its_end_what_each_call_has_answered(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz(Options("calls", 300, 8, 40, 1, None, quiet=True, stats=True)) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert re.match(
        r"300 calls in 1 episode, .* a second; \d+ system calls with \d+ different answers", first
    )
    assert all(re.match(r"zx_\w+ +\d+ +\d+%", line) for line in lines) and len(lines) > 50


def test_the_command_takes_the_engine_through(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "why_not", lambda: "it is a test")
    assert fuzz(Options("calls", 300, 8, 40, 1, None, quiet=True, engine="native")) == 2
    assert capsys.readouterr().err == "jacinth: no native engine: it is a test\n"


@pytest.mark.skipif(why_not() is not None, reason="there is no native engine here")
def test_machine_code_runs_on_the_native_engine_too() -> None:
    outcome = programs.run("code", 1, 20, "native")
    assert outcome.failure is None, outcome.failure.text
