"""Stub processes and what becomes of them: nothing outlives its kernel, and where Linux has no more of them guests are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bare_machine import Machine

from jacinth import Kernel, Signals, Vmo, ZxError
from jacinth.abi import ZX_INFO_PROCESS_FLAG_EXITED, ZX_TASK_RETCODE_EXCEPTION_KILL, Status
from jacinth.api.memory import VmarFlags
from jacinth.machine.native.selftest import why_not

if reason := why_not():
    pytest.skip(f"the native engine does not work here: {reason}", allow_module_level=True)

PAGE = 4096

# A kernel with two guests that never stop; it prints their Linux processes, and waits for ever.
LOOPING = """
import sys, threading, time
from jacinth import Kernel, Vmo
from jacinth.api.memory import VmarFlags

def make():
    k = Kernel(engine="native").__enter__()
    for name in ("one", "two"):
        process, vmar = k.root_job.create_child_process(name)
        code = Vmo.create(4096)
        code.write(b"\\xeb\\xfe")
        entry = vmar.map(0, code.replace_as_executable(), 0, 4096, VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE)
        process.start(process.create_thread("main"), entry, 0, None, 0)
    k.nanosleep(k.deadline_after(50_000_000))
    return k

def show(k):
    print(*(view.stub.pid for view in k.engine.views), flush=True)

made = []
if sys.argv[1] == "thread":
    thread = threading.Thread(target=lambda: made.append(make()))
    thread.start()
    thread.join()
else:
    made.append(make())
time.sleep(0.2)
show(made[0])
made[0].nanosleep(made[0].deadline_after(100_000_000))
show(made[0])
if sys.argv[1] == "forked":
    import os
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
made[0].nanosleep(1 << 62)
"""


def runs(pid: int) -> bool:
    """Whether there is such a process, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("how", ["plain", "thread", "forked"])
def test_nothing_outlives_a_kernel_that_is_killed(how: str) -> None:
    """Also not where the thread that made it has ended before, with which nothing ends, or a forked copy of it lives on."""
    with subprocess.Popen([sys.executable, "-c", LOOPING, how], stdout=subprocess.PIPE, text=True) as python:
        assert python.stdout is not None
        stubs = [int(pid) for pid in python.stdout.readline().split()]
        again = [int(pid) for pid in python.stdout.readline().split()]
        assert len(stubs) == 2 and stubs == again
        assert all(map(runs, stubs))
        time.sleep(0.1)
        python.send_signal(signal.SIGKILL)
        python.wait()
        until = time.monotonic() + 5
        while any(map(runs, stubs)) and time.monotonic() < until:
            time.sleep(0.01)
        assert not any(map(runs, stubs))


def start(k: Kernel, code: bytes, name: str = "guest") -> tuple[object, object]:
    """A process of machine code with a page of stack."""
    process, vmar = k.root_job.create_child_process(name)
    vmo = Vmo.create(PAGE)
    vmo.write(code)
    entry = vmar.map(0, vmo.replace_as_executable(), 0, PAGE, VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE)
    stack = vmar.map(0, Vmo.create(PAGE), 0, PAGE, VmarFlags.PERM_READ | VmarFlags.PERM_WRITE)
    process.start(process.create_thread("main"), entry, stack + PAGE, None, 0)
    return process, vmar


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    with Kernel(engine="native", memory=64 << 20) as k:
        yield k


def test_three_hundred_processes_at_once(kernel: Kernel) -> None:
    """Each counts, and is stopped in the middle of it."""
    spin = b"\x48\xff\xc3\xeb\xfb"  # again: inc rbx; jmp again
    processes = [start(kernel, spin, f"{i}")[0] for i in range(300)]
    kernel.nanosleep(kernel.deadline_after(100_000_000))
    assert len(kernel.engine.views) == 300  # type: ignore[attr-defined]
    for process in processes:
        process.kill()  # type: ignore[attr-defined]
    assert all(process.wait(Signals.PROCESS_TERMINATED, 0) for process in processes)  # type: ignore[attr-defined]


LIMITED = """
import resource, sys
from jacinth import Kernel, Vmo, ZxError
from jacinth.api.memory import VmarFlags
k = Kernel(engine="native").__enter__()
resource.setrlimit(getattr(resource, sys.argv[1]), (int(sys.argv[2]),) * 2)
made, status = 0, None
for i in range(200):
    process, vmar = k.root_job.create_child_process("p")
    code = Vmo.create(4096)
    code.write(b"\\xeb\\xfe")
    entry = vmar.map(0, code.replace_as_executable(), 0, 4096, VmarFlags.PERM_READ | VmarFlags.PERM_EXECUTE)
    try:
        process.start(process.create_thread("main"), entry, 0, None, 0)
        made += 1
    except ZxError as error:
        status = error.status
        break
k.nanosleep(k.deadline_after(20_000_000))
k.close()
print(made, status.name)
"""


def test_where_linux_has_no_descriptors_left_there_is_no_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "RLIMIT_NOFILE", "120"], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    made, status = done.stdout.split()
    assert int(made) > 5 and status == "NO_MEMORY"


def test_nothing_is_mapped_where_the_stub_is(kernel: Kernel) -> None:
    process, vmar = kernel.root_job.create_child_process("low")
    vmo = Vmo.create(PAGE)
    assert vmar.info.base >= 0x20_0000
    with pytest.raises(ZxError) as error:
        vmar.map(-0x10_0000 & (1 << 64) - 1, vmo, 0, PAGE, VmarFlags.PERM_READ | VmarFlags.SPECIFIC)
    assert error.value.status in (Status.INVALID_ARGS, Status.OUT_OF_RANGE)
    process.kill()


@pytest.mark.parametrize(
    "code",
    [
        "b800000100 ffe0",  # jmp stub_entry, without a place to return to
        "31c0 0f05 ebfa",  # system calls that are not from the vDSO
        "b800000400 c60000 c6401401 c60001 ebf1",  # damages the slot
        "bc00000400 ebfe",  # no stack for signals, and a loop
        "b801000100 ffe0",  # into the middle of an instruction
        "cd80",
        "48b80000000000000080 ffe0",
    ],
)
def test_hostile_programs_harm_themselves_alone(kernel: Kernel, code: str) -> None:
    process, _ = start(kernel, bytes.fromhex(code))
    honest, _ = start(kernel, b"\x48\xff\xc3\xeb\xfb")
    kernel.nanosleep(kernel.deadline_after(30_000_000))
    process.kill()  # type: ignore[attr-defined]
    assert process.wait(Signals.PROCESS_TERMINATED, 0)  # type: ignore[attr-defined]
    assert not honest.info.flags & ZX_INFO_PROCESS_FLAG_EXITED  # type: ignore[attr-defined]
    before = honest.runtime_info.cpu_time  # type: ignore[attr-defined]
    kernel.nanosleep(kernel.deadline_after(50_000_000))
    assert honest.runtime_info.cpu_time > before  # type: ignore[attr-defined]


def test_a_stub_that_linux_kills_ends_its_process_alone(kernel: Kernel) -> None:
    """As it does where the host has no memory left."""
    victim, _ = start(kernel, b"\xeb\xfe")
    honest, _ = start(kernel, b"\xeb\xfe")
    kernel.nanosleep(kernel.deadline_after(30_000_000))
    pid = next(iter(kernel.engine.views)).stub.pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGKILL)
    victim.wait(Signals.PROCESS_TERMINATED)  # type: ignore[attr-defined]
    assert victim.info.return_code == ZX_TASK_RETCODE_EXCEPTION_KILL  # type: ignore[attr-defined]
    assert not honest.info.flags & ZX_INFO_PROCESS_FLAG_EXITED  # type: ignore[attr-defined]


def test_a_stub_that_somebody_stops_for_a_while_goes_on(kernel: Kernel) -> None:
    process, _ = start(kernel, b"\xeb\xfe")
    kernel.nanosleep(kernel.deadline_after(30_000_000))
    (view,) = kernel.engine.views  # type: ignore[attr-defined]
    os.kill(view.stub.pid, signal.SIGSTOP)
    later = threading.Timer(0.5, os.kill, (view.stub.pid, signal.SIGCONT))
    later.start()
    kernel.nanosleep(kernel.deadline_after(100_000_000))
    later.join()
    before = process.runtime_info.cpu_time  # type: ignore[attr-defined]
    kernel.nanosleep(kernel.deadline_after(100_000_000))
    assert process.runtime_info.cpu_time > before  # type: ignore[attr-defined]
    assert not process.info.flags & ZX_INFO_PROCESS_FLAG_EXITED  # type: ignore[attr-defined]


def test_closing_leaves_nothing(tmp_path: Path) -> None:
    files = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Kernel(engine="native", memory=64 << 20) as k:
            start(k, b"\xeb\xfe")
            k.nanosleep(k.deadline_after(5_000_000))
            stubs = [view.stub.pid for view in k.engine.views]  # type: ignore[attr-defined]
            assert stubs
        assert not any(map(runs, stubs))
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_stub_has_namespaces_of_its_own_where_linux_permits_it() -> None:
    """The links in /proc are hidden like the descriptors, but for root."""
    probe = subprocess.run(["unshare", "--user", "true"], capture_output=True)
    if probe.returncode or os.geteuid():
        pytest.skip("Linux permits no namespaces here, or hides them")
    machine = Machine(native=True)
    try:
        space = machine.space("0f05")
        machine.run(machine.context(space))
        pid = space.view.stub.pid
        names = ["user", "ipc", "uts", "mnt", "cgroup"]
        links = [
            (os.readlink(f"/proc/{pid}/ns/{name}"), os.readlink(f"/proc/self/ns/{name}")) for name in names
        ]
        assert all(theirs != ours for theirs, ours in links)
    finally:
        machine.close()
