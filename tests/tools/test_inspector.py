"""Pictures of the job tree and of address spaces."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from jacinth import Body, Kernel, ProcessOptions, VmarFlags, Vmo
from jacinth.abi.names import printable
from jacinth.kernel.process import ProcessDispatcher
from jacinth.tools.inspector import address_space, job_tree, mapped

READ_WRITE = VmarFlags.PERM_READ | VmarFlags.PERM_WRITE


def without_koids(lines: list[str]) -> list[str]:
    return [re.sub(r"(job|process|thread) \d+", r"\1", line).rstrip() for line in lines]


async def idle(zx: Body) -> None:
    await zx.nanosleep(1 << 60)


def test_the_job_tree(k: Kernel) -> None:
    upper = k.root_job.create_child_job()
    upper.name = "upper"
    lower = upper.create_child_job()
    process, _ = upper.create_child_process("program")
    process.start_body(idle)
    prototype, _ = lower.create_child_process("prototype", ProcessOptions.SHARED)
    _shared = prototype.create_shared("\x1b[2J")
    assert without_koids(job_tree(k.root_job_dispatcher)) == [
        'job "root"',
        '└─ job "upper"',
        "   ├─ job",
        '   │  ├─ process "prototype" initial, prototype',
        '   │  └─ process "\\x1b[2J" initial, shares its state with 1 more',
        '   └─ process "program" running',
        '      └─ thread "idle" running',
    ]


def dispatcher(k: Kernel, raw: int) -> ProcessDispatcher:
    return k.host.sys.call.dispatcher(raw, ProcessDispatcher, 0)


def test_both_halves_of_an_address_space(k: Kernel) -> None:
    prototype, shared = k.root_job.create_child_process("prototype", ProcessOptions.SHARED)
    process, restricted = prototype.create_shared("one")
    vmo = Vmo.create(8192, caller=k)
    vmo.name = "data"
    common = shared.map(0, vmo, 0, 8192, READ_WRITE)
    own = restricted.map(0, vmo, 0, 4096, VmarFlags.PERM_READ)
    lines = address_space(dispatcher(k, process.raw))
    assert re.fullmatch(r'address space of process \d+ "one"', lines[0])
    halves = [line.split("  ")[-1] for line in lines if "half" in line]
    assert halves == ["restricted half, its own", "shared half, common to the group"]
    assert any(f"{own:#015x}-{own + 4096:#015x}  r-- data" in line for line in lines)
    assert any(f"{common:#015x}-{common + 8192:#015x}  rw- data" in line for line in lines)
    [found] = mapped(dispatcher(k, process.raw).shared.aspace)
    assert found == (common, common + 8192, "rw-", "data")


@pytest.mark.parametrize(
    ("name", "shown"),
    [(b"plain", "plain"), (b"\x1b]0;\x07", "\\x1b]0;\\x07"), (b"\xff", "\\xff"), ("ü".encode(), "ü")],
)
def test_names_command_no_terminal(name: bytes, shown: str) -> None:
    assert printable(name) == shown


def test_a_dead_process_has_no_address_space(k: Kernel) -> None:
    process, _ = k.root_job.create_child_process("dead")
    inside = dispatcher(k, process.raw)
    process.kill()
    assert address_space(inside)[-1].strip() == "(gone)"


@pytest.mark.parametrize("compiler", [None, "no-such-compiler"])
def test_the_demo(compiler: str | None) -> None:
    environment = dict(os.environ) | ({"CC": compiler} if compiler else {})
    command = [sys.executable, "-m", "jacinth.tools.demo"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    for words in (
        'restricted half of "one"',
        'restricted half of "two"',
        "shared half of both",
        '"prototype"',
    ):
        assert words in done.stdout
    counts = [int(count) for count in re.findall(r"counts (\d+)", done.stdout)]
    one, two, both = counts
    assert 0 < both == one + two // 2  # one counts by ones, two by twos
    assert (
        "process 2 sees 2000" in done.stdout or "two: the shared page says 200, mine says 200" in done.stdout
    )


def test_the_demo_says_in_one_line_that_its_output_is_lost() -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "jacinth.tools.demo"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (1, "jacinth: no space left on device\n")
