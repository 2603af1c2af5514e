"""Guests that do anything: nothing they do is an internal error, hangs the host or leaves something behind.

Every test is random with a fixed seed. Kernels are strict, so that an internal error is raised here.
"""

from __future__ import annotations

import gc
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from jacinth.abi import (
    BY_NAME,
    SCALARS,
    SYSCALLS,
    ZX_OK,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_TASK_TERMINATED,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    Status,
    ZxError,
)
from jacinth.abi.rows import Kind, SyscallRow
from jacinth.api.kernel import Kernel
from jacinth.kernel.handle import Handle
from jacinth.kernel.ipc.channel import ChannelDispatcher, close_handles
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import CHECKPOINT, ThreadDispatcher
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls.door import IMPLEMENTED, TRAPS, Call
from jacinth.userboot.elf import ElfError
from jacinth.userboot.launch import launch

from .world import _MAKERS, BLOCKED, MASK, PAGE, Snapshot, World, good_arguments, is_pointer, registers

CALLS = [row for row in SYSCALLS if row.name in IMPLEMENTED]
RW = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE
MS = 1_000_000
HUGE = 1 << 45

INTERESTING = (
    *(0, 1, 2, 3, 4, 7, 8, 16, 31, 32, 33, 63, 64, 65, 4095, 4096, 4097, 8192, 65536, 65537),
    *(1 << bit for bit in range(20, 64)),
    *(MASK - value for value in (0, 1, 7, 8, 4095)),
    *((1 << bit) - 1 for bit in (31, 32, 46, 47, 63)),
    *((1 << bit) - PAGE for bit in (32, 46, 47, 63, 64)),
    *(1_000_000_000, 1_000_500_000, 1_002_000_000),  # soon, on a virtual clock
)


@pytest.fixture
def w(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    world = World(monkeypatch)
    yield world
    world.close()


@contextmanager
def limit(seconds: float, what: str) -> Iterator[None]:
    """Fail where the block takes longer. It only serves to find what hangs: no result depends on it."""

    def fail(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"{what} takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def integer(rng: random.Random) -> int:
    kind = rng.randrange(4)
    if kind == 0:
        return rng.getrandbits(64)
    if kind == 1:
        return rng.randrange(64)
    return rng.choice(INTERESTING)


def is_result(row: SyscallRow, result: int | str) -> bool:
    if result == BLOCKED:
        return row.blocking
    return (
        row.returns != "zx_status_t"
        or row.name == "zx_debuglog_read"
        or result in Status.__members__.values()
    )


def assert_leaves_nothing(w: World, before: Snapshot) -> None:
    """Close every handle that the test got: everything is as before."""
    for value in [value for value in w.table.handles if value not in before.handles]:
        w.table.close(value)
    w.k.host.thread.bind_restricted(None)
    w.k.host.thread.set_rseq(None)
    # Channels whose ends lie in each other's queues keep each other, here as in every kernel of this kind.
    for object_ in [w.alive[koid] for koid in sorted(w.alive)]:
        if isinstance(object_, ChannelDispatcher):
            close_handles(object_._drop_messages())
    w.k.run_until_idle()
    after = w.snapshot()
    assert after.handles.keys() <= before.handles.keys()
    held = [
        w.alive[koid]
        for koid, (_, handles) in after.objects.items()
        if koid not in before.objects and handles
    ]
    assert not held, held
    assert not list(w.k.root_job_dispatcher.jobs()) and not list(w.k.root_job_dispatcher.processes())
    assert after.pages <= before.pages


# ---- One call at a time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_any_call_with_any_integers(w: World, seed: int) -> None:
    rng = random.Random(seed)
    before = w.snapshot()
    for _ in range(3000):
        row = rng.choice(CALLS)
        values = [integer(rng) for _ in row.params]
        with limit(5, f"{row.name}{tuple(map(hex, values))}"):
            assert is_result(row, w.trap(row, values)), row.name
    assert_leaves_nothing(w, before)


@pytest.mark.parametrize("seed", range(4))
def test_any_call_with_handles_and_pointers_that_mean_something(w: World, seed: int) -> None:
    rng = random.Random(seed)
    _, huge = w.zx.zx_vmo_create(HUGE, 0)
    status, huge_address = w.zx.zx_vmar_map(w.vmar, RW, 0, huge, 0, HUGE)
    assert status == ZX_OK
    protected = set(w.table.handles)
    before = w.snapshot()
    addresses = [
        w.base,
        w.base + PAGE,
        w.edge - 4,
        w.edge - 64,
        w.read_only,
        huge_address,
        huge_address + HUGE - 16,
        0,
    ]
    for number in range(2500):
        row = rng.choice(CALLS)
        if number % 100 == 0:  # objects of all kinds, some of which are shut or dead already
            for value in [value for value in w.table.handles if value not in protected]:
                if rng.random() < 0.8:
                    w.table.close(value)
            for make in _MAKERS.values():
                make(w)
        usable = [value for value in w.table.handles if value not in protected]
        values = []
        for param in row.params:
            if param.kind is Kind.HANDLE:
                values.append(rng.choice(usable) if usable else 0)
            elif is_pointer(param):
                values.append(rng.choice(addresses))
            else:
                values.append(integer(rng))
        with limit(5, f"{row.name}{tuple(map(hex, values))}"):
            assert is_result(row, w.trap(row, values)), row.name
        if w.k.memory.allocated > w.k.memory.frames // 2:
            w.zx.zx_vmo_op_range(huge, 2, 0, HUGE, None)
    assert w.zx.zx_vmar_unmap(w.vmar, huge_address, HUGE) == ZX_OK
    w.table.close(huge)
    assert_leaves_nothing(w, before)


@pytest.mark.parametrize("name", [row.name for row in CALLS])
def test_a_huge_number_takes_no_time_and_no_memory(w: World, name: str) -> None:
    """Each number of a call in turn, with pointers into a mapping that has room for anything."""
    row = BY_NAME[name]
    _, huge = w.zx.zx_vmo_create(HUGE, 0)
    status, address = w.zx.zx_vmar_map(w.vmar, RW, 0, huge, 0, HUGE)
    assert status == ZX_OK
    for param in row.params:
        if param.kind is not Kind.SCALAR:
            continue
        size, _ = SCALARS[param.type]
        for value in (1 << 31, (1 << 32) - 1, 1 << 40, 1 << 46, 1 << 60, MASK - 4095, MASK):
            if value >> size * 8:
                continue
            for roomy in (False, True):
                arguments = good_arguments(w, row)
                arguments[param.name] = value
                if roomy:
                    arguments |= {p.name: address for p in row.params if is_pointer(p)}
                with limit(5, f"{name} with {param.name} = {value:#x}"):
                    result = w.trap(row, registers(row, arguments))
                assert is_result(row, result)
                if w.k.memory.allocated > w.k.memory.frames // 2:
                    w.zx.zx_vmo_op_range(huge, 2, 0, HUGE, None)


# ---- Programs -------------------------------------------------------------------------------------------------------


class Programs:
    """Processes in a job, whose threads are bodies that make system calls by registers."""

    def __init__(self, w: World, rng: random.Random) -> None:
        self.w, self.rng = w, rng
        zx = w.zx
        _, self.job = zx.zx_job_create(w.k.host.root_job, 0)
        self.processes: list[ProcessDispatcher] = []
        self.memory: dict[int, list[int]] = {}
        _, prototype, vmar = zx.zx_process_create(self.job, b"prototype", 1)
        self._add(prototype, vmar)
        for _ in range(2):
            _, process, restricted = zx.zx_process_create_shared(prototype, 0, b"shared")
            self._add(process, restricted)
        for _ in range(2):
            _, process, vmar = zx.zx_process_create(self.job, b"plain", 0)
            self._add(process, vmar)
        for process in self.processes:
            self._furnish(process)

    def _add(self, process: int, vmar: int) -> None:
        zx = self.w.zx
        _, vmo = zx.zx_vmo_create(16 * PAGE, 0)
        status, address = zx.zx_vmar_map(vmar, RW, 0, vmo, 0, 8 * PAGE)
        assert status == ZX_OK
        handle = self.w.table.get(process)
        assert handle is not None and isinstance(handle.object, ProcessDispatcher)
        self.processes.append(handle.object)
        self.memory[handle.object.koid] = [address, address + PAGE, address + 8 * PAGE - 8, 0, 0x1000]
        for value in (vmo, vmar):
            zx.zx_handle_close(value)

    def _furnish(self, process: ProcessDispatcher) -> None:
        """Handles to objects of all kinds, among them the other processes and a few threads."""
        objects = []
        for make in _MAKERS.values():
            handle = self.w.table.get(make(self.w))
            assert handle is not None
            objects.append(handle)
        job = self.w.table.get(self.job)
        assert job is not None
        given = [Handle(handle.object, handle.rights) for handle in objects]
        given += [Handle(other, other.DEFAULT_RIGHTS) for other in self.processes]
        given += [Handle(VmAddressRegionDispatcher.root(process.root_vmar_aspace), 0xFFFF)]
        for handle in given:
            process.handles.add(handle)

    def start(self) -> None:
        for process in self.processes:
            for number in range(2):
                thread = ThreadDispatcher.create(process, b"body")
                process.handles.add(Handle(thread, thread.DEFAULT_RIGHTS))
                process.add_thread(thread, None, self._body(thread), first=number == 0)

    async def _body(self, thread: ThreadDispatcher) -> None:
        rng = random.Random(self.rng.getrandbits(32))
        call = Call(thread)
        for _ in range(150):
            row = rng.choice(CALLS)
            if row.noreturn and rng.random() < 0.9:
                continue
            values = [row.number]
            for param in row.params:
                if param.kind is Kind.HANDLE:
                    known = list(call.handles.handles)
                    values.append(rng.choice(known) if known else 0)
                elif is_pointer(param):
                    values.append(rng.choice(self.memory[thread.process.koid]))
                else:
                    values.append(integer(rng))
            await trap(thread, call, row, values)


async def trap(thread: ThreadDispatcher, call: Call, row: SyscallRow, values: list[int]) -> Any:
    """A call by registers from a body."""
    body = thread.coroutine
    result: Any = TRAPS[row.number](call, (*values, *[0] * (9 - len(values))))
    if result is None:
        pending, thread.coroutine = thread.coroutine, body
        assert pending is not None
        result = await pending
    if thread.attention:
        await CHECKPOINT
    return result


@pytest.mark.parametrize("seed", range(6))
def test_programs_that_make_any_calls_and_kill_each_other(w: World, seed: int) -> None:
    before = w.snapshot()
    rng = random.Random(seed)
    programs = Programs(w, rng)
    programs.start()
    with limit(20, f"seed {seed}"):
        for _ in range(8):
            w.zx.zx_nanosleep(w.zx.zx_deadline_after(MS))
            if rng.random() < 0.3:
                rng.choice(programs.processes).kill(-1)
    assert w.zx.zx_task_kill(programs.job) == ZX_OK
    for process in programs.processes:
        assert not list(process.threads())
        assert not len(process.handles)
    del programs, process
    assert_leaves_nothing(w, before)


# ---- Machine code ---------------------------------------------------------------------------------------------------


class Guest:
    """A process with the vDSO, a stack and a page of code."""

    def __init__(self, k: Kernel, code: bytes) -> None:
        zx = self.zx = k.host.sys
        self.k = k
        _, self.job = zx.zx_job_create(k.host.root_job, 0)
        _, self.process, self.vmar = zx.zx_process_create(self.job, b"guest", 0)

        def call(name: str, *arguments: Any) -> Any:
            status, *outputs = (
                answer if isinstance(answer := getattr(zx, name)(*arguments), tuple) else (answer,)
            )
            assert status == ZX_OK
            return outputs

        self.vdso = k.vdso.map_into(call, self.vmar)
        size = (len(code) // PAGE + 1) * PAGE
        _, vmo = zx.zx_vmo_create(size, 0)
        assert zx.zx_vmo_write(vmo, code, 0) == ZX_OK
        status, vmo = zx.zx_vmo_replace_as_executable(vmo, 0)
        assert status == ZX_OK
        status, self.code = zx.zx_vmar_map(self.vmar, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE, 0, vmo, 0, size)
        assert status == ZX_OK
        _, self.stack_vmo = zx.zx_vmo_create(4 * PAGE, 0)
        status, self.stack = zx.zx_vmar_map(self.vmar, RW, 0, self.stack_vmo, 0, 4 * PAGE)
        assert status == ZX_OK
        zx.zx_handle_close(vmo)

    def run(self, arg2: int = 0) -> int:
        """Run it for a few virtual milliseconds at most. Answers what the process returned."""
        zx = self.zx
        _, thread = zx.zx_thread_create(self.process, b"t", 0)
        _, copy = zx.zx_handle_duplicate(self.vmar, ZX_RIGHT_SAME_RIGHTS)
        assert (
            zx.zx_process_start(self.process, thread, self.code, self.stack + 3 * PAGE, copy, arg2) == ZX_OK
        )
        zx.zx_object_wait_one(self.process, ZX_TASK_TERMINATED, zx.zx_deadline_after(2 * MS))
        handle = self.k.host.dispatcher.handles.get(self.process)
        assert handle is not None and isinstance(handle.object, ProcessDispatcher)
        assert zx.zx_task_kill(self.job) == ZX_OK
        for value in (thread, self.process, self.vmar, self.stack_vmo, self.job):
            zx.zx_handle_close(value)
        return handle.object.return_code


@pytest.fixture
def quick(k: Kernel) -> Kernel:
    """A kernel that preempts early: much random code loops for ever."""
    k.engine.quantum = 5_000  # type: ignore[attr-defined]
    k.console = lambda data: None
    assert k.vdso.handle
    return k


def assert_idle(k: Kernel, handles: int, pages: int) -> None:
    gc.collect()
    assert len(k.host.dispatcher.handles) == handles
    assert k.memory.allocated == pages
    assert not list(k.root_job_dispatcher.jobs())


@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_as_code(quick: Kernel, seed: int) -> None:
    rng = random.Random(seed)
    Guest(quick, b"\xcc").run()
    handles, pages = len(quick.host.dispatcher.handles), quick.memory.allocated
    for number in range(60):
        code = rng.randbytes(rng.randrange(1, 200))
        with limit(5, f"program {number}"):
            Guest(quick, code).run()
    assert_idle(quick, handles, pages)


_REGISTERS = {
    0: "48bf",
    1: "48be",
    2: "48ba",
    3: "49ba",
    4: "49b8",
    5: "49b9",
    6: "49bc",
    7: "49bd",
}  # mov r64, imm64


def calling(rng: random.Random, vdso_base: int, sites: dict[int, int], pointers: list[int]) -> bytes:
    """Code that makes random calls through the vDSO's own instructions, and a few from elsewhere."""
    code = bytearray(b"\x48\x89\xfb")  # mov rbx, rdi: the one handle that it got
    for _ in range(40):
        number = rng.choice([row.number for row in CALLS if row.number in sites and not row.noreturn])
        for index, opcode in _REGISTERS.items():
            value = rng.choice(pointers) if rng.random() < 0.5 else integer(rng)
            code += bytes.fromhex(opcode) + value.to_bytes(8, "little")
            if index == 0 and rng.random() < 0.7:
                code += b"\x48\x89\xdf"  # mov rdi, rbx
        code += b"\xb8" + number.to_bytes(4, "little")
        # The stub ends in `ret`, perhaps behind pops: give it something to pop.
        pops = max(0, len(SYSCALLS[number].params) - 6)
        for _ in range(pops):
            code += b"\x48\x8d\x05" + (0).to_bytes(4, "little")  # filled in below
        code = _call_site(code, vdso_base + sites[number], pops)
    return bytes(code) + b"\x0f\x0b"


def _call_site(code: bytearray, target: int, pops: int) -> bytearray:
    """Jump to a stub's syscall instruction with the address behind the jump to return to."""
    while code[-7:] == b"\x48\x8d\x05\0\0\0\0":
        del code[-7:]
    # lea r11, [rip + behind]; push r11; push for every register that the stub restores; mov r11, target; jmp r11
    tail = b"\x41\x53" * pops + b"\x49\xbb" + target.to_bytes(8, "little") + b"\x41\xff\xe3"
    lea = b"\x4c\x8d\x1d" + (2 + len(tail)).to_bytes(4, "little") + b"\x41\x53"
    return code + lea + tail


@pytest.mark.parametrize("seed", range(3))
def test_machine_code_that_makes_any_calls(quick: Kernel, seed: int) -> None:
    rng = random.Random(seed)
    Guest(quick, b"\xcc").run()
    handles, pages = len(quick.host.dispatcher.handles), quick.memory.allocated
    for number in range(25):
        # Where everything lies repeats: the code is made for it.
        state = quick.random.getstate()
        probe = Guest(quick, bytes(8 * PAGE))
        pointers = [probe.stack, probe.stack + PAGE, probe.code, probe.vdso, 0, probe.stack + 4 * PAGE - 4]
        code = calling(rng, probe.vdso, quick.vdso.entries, pointers).ljust(8 * PAGE, b"\xcc")
        probe.run()
        quick.random.setstate(state)
        with limit(10, f"program {number}"):
            guest = Guest(quick, code)
            assert (guest.vdso, guest.stack) == (probe.vdso, probe.stack)
            guest.run()
    assert_idle(quick, handles, pages)


# ---- Files ----------------------------------------------------------------------------------------------------------


def mutated(rng: random.Random, data: bytes) -> bytes:
    """*data* with a few changes, most of them in its headers."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        where = rng.randrange(64 + 56 * 8) if rng.random() < 0.9 else rng.randrange(len(changed))
        kind = rng.randrange(4)
        if kind == 0:
            changed[where] = rng.randrange(256)
        elif kind == 1:
            changed[where] ^= 1 << rng.randrange(8)
        elif kind == 2:
            place = where & ~7
            changed[place : place + 8] = integer(rng).to_bytes(8, "little")
        else:
            place = where & ~3
            changed[place : place + 4] = (integer(rng) & 0xFFFF_FFFF).to_bytes(4, "little")
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


@pytest.mark.parametrize("seed", range(3))
def test_mutated_files(quick: Kernel, seed: int) -> None:
    """The vDSO's image is an ELF file like any other: as a program it faults at its entry, at the latest."""
    rng = random.Random(seed)
    zx = quick.host.sys
    image = quick.vdso.image.image
    handles, pages = len(quick.host.dispatcher.handles), quick.memory.allocated
    outcomes = {"refused": 0, "started": 0}
    for number in range(150):
        _, job = zx.zx_job_create(quick.host.root_job, 0)
        with limit(5, f"file {number}"):
            try:
                program = launch(
                    quick.host, quick.vdso, mutated(rng, image), job=job, name=b"mutant", args=[b"mutant"]
                )
            except (ElfError, ZxError):
                outcomes["refused"] += 1
            else:
                outcomes["started"] += 1
                zx.zx_object_wait_one(program.process, ZX_TASK_TERMINATED, zx.zx_deadline_after(2 * MS))
                assert zx.zx_task_kill(job) == ZX_OK
                for value in (program.process, program.thread, program.vmar):
                    zx.zx_handle_close(value)
            zx.zx_handle_close(job)
    assert all(outcomes.values()), outcomes
    assert_idle(quick, handles, pages)


# ---- The door -------------------------------------------------------------------------------------------------------


def test_a_syscall_outside_the_vdso_ends_the_process(quick: Kernel) -> None:
    # mov eax, zx_event_create; syscall; then what would end it otherwise
    number = BY_NAME["zx_event_create"].number
    reports: list[Any] = []
    quick.observers.append(_Reports(reports))
    code = b"\xb8" + number.to_bytes(4, "little") + b"\x0f\x05\xf4"
    Guest(quick, code).run()
    [report] = reports
    assert (report.synth_code, report.synth_data) == (18, number)


def test_a_syscall_with_another_calls_number_ends_the_process(quick: Kernel) -> None:
    reports: list[Any] = []
    quick.observers.append(_Reports(reports))
    target = quick.vdso.entries[BY_NAME["zx_event_create"].number]
    other = BY_NAME["zx_port_create"].number
    # rsi is the vDSO's base: lea rsi, [rsi + target]; mov eax, other; jmp rsi
    code = (
        b"\x48\x8d\xb6" + target.to_bytes(4, "little") + b"\xb8" + other.to_bytes(4, "little") + b"\xff\xe6"
    )
    guest = Guest(quick, code)
    guest.run(arg2=guest.vdso)
    assert [(report.synth_code, report.synth_data) for report in reports] == [(18, other)]


class _Reports:
    def __init__(self, reports: list[Any]) -> None:
        self.reports = reports

    def on_thread_exit(self, thread: Any) -> None: ...

    def on_process_exit(self, process: Any) -> None: ...

    def on_exception(self, thread: Any, report: Any) -> None:
        self.reports.append(report)
