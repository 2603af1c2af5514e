"""Several CPUs: machine code runs at once, and what is done to a thread on another CPU is done at once."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from jacinth import Kernel
from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_ERR_NO_RESOURCES,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCP_FATAL_PAGE_FAULT,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_INFO_THREAD_STATS,
    ZX_OK,
    ZX_PROP_EXCEPTION_STATE,
    ZX_RESTRICTED_REASON_KICK,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_THREAD_STATE_DEBUG_REGS,
    ZX_THREAD_STATE_FP_REGS,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_VECTOR_REGS,
    ZX_THREAD_SUSPENDED,
    ZX_TIME_INFINITE,
    ZX_VM_PERM_READ,
    ZX_VMO_OP_DECOMMIT,
    zx_info_thread_stats_t,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
)
from jacinth.kernel.handle import Handle
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.machine.exit import Exit, Preempted
from jacinth.machine.interface import Context
from jacinth.machine.native.selftest import why_not
from jacinth.testing.programs import Program as Run
from tests.exceptions.conftest import World
from tests.ipc.conftest import Program
from tests.restricted.conftest import CODE, SPIN, Bodies
from tests.system import fxt_reader
from tests.system.fxt_reader import ContextSwitch
from tests.tools.conftest import Build, build, jacinth  # noqa: F401

MISSING = why_not() or (None if len(os.sched_getaffinity(0)) > 1 else "the host has one CPU")
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

MS = 1_000_000
PAGE = 4096
# Counts in the word at rdi, and stores xmm0 behind it: inc qword [rdi]; movups [rdi + 16], xmm0; jmp
COUNT = b"\x48\xff\x07\x0f\x11\x47\x10\xeb\xf7"


@pytest.fixture
def k() -> Iterator[Kernel]:
    with Kernel(engine="native", cpus=2, memory=64 << 20, strict=True) as kernel:
        yield kernel


@pytest.fixture
def world(k: Kernel) -> World:
    return World(k)


class Exits:
    """What comes to the kernel from machine code, and how many CPUs run when it does."""

    def __init__(self, k: Kernel) -> None:
        self.preempted = 0
        self.most = 0
        trap = k._trap

        def count(cpu: int, exit_: Exit) -> Context | None:
            self.preempted += isinstance(exit_, Preempted)
            self.most = max(self.most, k.engine.cpus - k._running.count(None))
            return trap(cpu, exit_)

        k._trap = count  # type: ignore[method-assign]


def beside(
    k: Kernel, victim: int | ThreadDispatcher, act: Callable[..., Awaitable[Any]], *handles: int
) -> Any:
    """What `act(zx, *handles)` answers, in a Python body, while the thread *victim* runs on another CPU."""
    program = Program(k)
    thread: Any = victim
    if isinstance(victim, int):
        thread = k.host.dispatcher.handles.get(victim).object  # type: ignore[union-attr]
    given = [program.give(each) for each in handles]

    def runs() -> bool:
        """That it has a CPU is not enough: it may have to begin yet."""
        begun: list[int] = k.engine._cpu_at  # type: ignore[attr-defined]
        return thread in [k.on_cpu(cpu) for cpu in begun if cpu not in (-1, k.cpu)]

    async def body(zx: Any) -> Any:
        while not runs():
            await zx.zx_nanosleep(await zx.zx_deadline_after(MS))
        return await act(zx, *given)

    program.start(body)
    for _ in range(2_000):
        if program.results:
            return program.results[0]
        k.sys.zx_nanosleep(k.now + 5 * MS)
    raise AssertionError("the body does not end")


def stands_still(look: Callable[[], Any]) -> bool:
    """Whether what other CPUs could change does not, for some time of the host."""
    before = look()
    time.sleep(0.02)
    return bool(look() == before)


def comes(world: World, look: Callable[[], bool]) -> bool:
    """Whether it does at last, on however busy a host, while the kernel runs."""
    return any(look() or world.settle() for _ in range(1_000))


# ---- At once


HAND_OVER = r"""
#include <stdatomic.h>
#include <threads.h>
enum { TIMES = 50000 };
static atomic_int word;
static int take_turns(void* mine) {
  for (int seen; (seen = atomic_load(&word)) < TIMES;)
    if ((seen & 1) == (long)mine) atomic_store(&word, seen + 1);
  return 0;
}
int main(void) {
  thrd_t other;
  thrd_create(&other, take_turns, (void*)1);
  take_turns((void*)0);
  thrd_join(other, NULL);
  return word != TIMES;
}
"""


def test_two_threads_hand_each_other_a_word_without_the_kernel(k: Kernel, build: Build) -> None:  # noqa: F811
    """On one CPU each of them would have to be preempted each time."""
    exits = Exits(k)
    assert Run(k, build("hand_over", HAND_OVER)).finish().return_code == 0
    assert exits.preempted < 50_000 // 10


MEETING = r"""
#include <stdatomic.h>
#include <threads.h>
static atomic_int here;
static int arrive(void* all) {
  atomic_fetch_add(&here, 1);
  while (atomic_load(&here) < (long)all) {}
  return 0;
}
int main(int argc, char** argv) {  // as many threads as there are arguments and the program's name, and this one
  thrd_t others[4];
  for (int i = 0; i < argc; i++) thrd_create(&others[i], arrive, (void*)(long)(argc + 1));
  for (volatile long i = 0; i < 100000000; i++) {}
  arrive((void*)(long)(argc + 1));
  for (int i = 0; i < argc; i++) thrd_join(others[i], NULL);
  return 0;
}
"""


@pytest.mark.parametrize("cpus", [2, 3])
def test_threads_that_begin_have_idle_cpus(build: Build, cpus: int) -> None:  # noqa: F811
    with Kernel(engine="native", cpus=cpus, memory=64 << 20, strict=True) as k:
        exits = Exits(k)
        program = build("meeting", MEETING)
        assert Run(k, program, ["x"] * (cpus - 2)).finish().return_code == 0
        assert exits.most == cpus


LOCKS = r"""
#include <stdio.h>
#include <threads.h>
#include <zircon/syscalls.h>
enum { TIMES = 4000 };
static mtx_t lock;
static long sum;
static zx_handle_t ends[2];
static int add(void* unused) {
  for (int i = 1; i <= TIMES; i++) {
    mtx_lock(&lock);
    sum += i;
    mtx_unlock(&lock);
  }
  return 0;
}
static int produce(void* unused) {
  for (int i = 1; i <= TIMES; i++)
    if (zx_channel_write(ends[0], 0, &i, sizeof i, NULL, 0)) return 1;
  return 0;
}
static int consume(void) {
  int before = 0, number;
  uint32_t size;
  while (before < TIMES) {
    zx_status_t status = zx_channel_read(ends[1], 0, &number, NULL, sizeof number, 0, &size, NULL);
    if (status == ZX_ERR_SHOULD_WAIT)
      zx_object_wait_one(ends[1], ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL);
    else if (status || number != ++before)
      return 1;
  }
  return 0;
}
int main(void) {
  thrd_t adder, producer;
  zx_channel_create(0, &ends[0], &ends[1]);
  thrd_create(&adder, add, NULL);
  add(NULL);
  thrd_join(adder, NULL);
  thrd_create(&producer, produce, NULL);
  int wrong = consume();
  thrd_join(producer, NULL);
  printf("%ld\n", sum);
  return wrong;
}
"""


def test_locks_and_channels_between_cpus_lose_nothing(k: Kernel, build: Build) -> None:  # noqa: F811
    done = Run(k, build("locks", LOCKS)).finish()
    assert (done.return_code, done.output) == (0, b"%d\n" % (4000 * 4001))


def test_a_seed_gives_one_cpu() -> None:
    with Kernel(engine="native", seed=1, memory=16 << 20) as k:
        assert k.engine.cpus == 1


def test_at_the_hosts_turn_all_cpus_stop(k: Kernel, world: World) -> None:
    for number in range(2):
        world.run(COUNT, world.data + 64 * number)

    def words() -> tuple[int, int]:
        return world.word(0), world.word(64)

    for _ in range(3):
        first, second = words()
        assert comes(world, lambda: world.word(0) > first and world.word(64) > second)  # noqa: B023
        assert stands_still(words)


def test_ctrl_c_leaves_a_kernel_that_goes_on(k: Kernel, world: World) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def words() -> tuple[int, int]:
        return world.word(0), world.word(64)

    for number in range(2):
        world.run(COUNT, world.data + 64 * number)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for delay in (0.05, 0.021, 0.013, 0.007, 0.03):
            signal.setitimer(signal.ITIMER_REAL, delay)
            with pytest.raises(KeyboardInterrupt):
                k.sys.zx_nanosleep(ZX_TIME_INFINITE)
            first, second = words()
            assert stands_still(words)
            assert comes(world, lambda: world.word(0) > first and world.word(64) > second)  # noqa: B023
    finally:
        signal.signal(signal.SIGALRM, before)


# ---- What is done to a thread that runs on another CPU


@pytest.mark.parametrize("task", ["process", "job", "parent"])
def test_a_task_is_killed(k: Kernel, world: World, task: str) -> None:
    victim = world.run(COUNT, world.data)

    async def act(zx: Any, handle: int) -> bool:
        assert await zx.zx_task_kill(handle) == ZX_OK
        return stands_still(lambda: world.word(0))

    assert beside(k, victim, act, getattr(world, task))
    assert comes(world, lambda: world.ended(world.process))
    assert world.process_info().return_code == ZX_TASK_RETCODE_SYSCALL_KILL


def test_a_process_is_killed_whose_thread_has_another_cpu_and_has_not_begun(k: Kernel, world: World) -> None:
    victim = world.run(COUNT, world.data)
    thread = k.host.dispatcher.handles.get(victim).object  # type: ignore[union-attr]
    program = Program(k)
    process = program.give(world.process)

    async def body(zx: Any) -> tuple[bool, int]:
        return k.on_cpu(1 - k.cpu) is thread, await zx.zx_task_kill(process)

    program.start(body)
    assert comes(world, lambda: world.ended(world.process))
    assert program.results == [(True, ZX_OK)] and world.word(0) == 0


FILES: list[tuple[int, Any]] = [
    (ZX_THREAD_STATE_GENERAL_REGS, zx_thread_state_general_regs_t),
    (ZX_THREAD_STATE_FP_REGS, zx_thread_state_fp_regs_t),
    (ZX_THREAD_STATE_VECTOR_REGS, zx_thread_state_vector_regs_t),
    (ZX_THREAD_STATE_DEBUG_REGS, zx_thread_state_debug_regs_t),
]


def test_a_thread_is_suspended_and_has_other_registers_when_it_goes_on(k: Kernel, world: World) -> None:
    victim = world.run(COUNT, world.data)

    async def act(zx: Any, thread: int) -> None:
        status, token = await zx.zx_task_suspend_token(thread)
        assert status == ZX_OK
        status, seen = await zx.zx_object_wait_one(thread, ZX_THREAD_SUSPENDED, ZX_TIME_INFINITE)
        assert status == ZX_OK and seen & ZX_THREAD_SUSPENDED
        assert stands_still(lambda: world.word(0))
        read = {}
        for kind, cls in FILES:
            status, data, *_ = await zx.zx_thread_read_state(thread, kind, cls.SIZE)
            assert status == ZX_OK
            read[kind] = cls.unpack(data)
        general, vector = read[ZX_THREAD_STATE_GENERAL_REGS], read[ZX_THREAD_STATE_VECTOR_REGS]
        assert general.rdi == world.data
        general.rdi, general.rbx = world.data + 64, 77
        vector.zmm[0].v[:2] = [5, 6]
        read[ZX_THREAD_STATE_FP_REGS].st[0].low = 1 << 63
        read[ZX_THREAD_STATE_FP_REGS].ftw = 1
        read[ZX_THREAD_STATE_DEBUG_REGS].dr[0] = world.data
        for kind, state in read.items():
            assert await zx.zx_thread_write_state(thread, kind, state.pack()) == ZX_OK
            assert (await zx.zx_thread_read_state(thread, kind, state.SIZE))[1] == state.pack()
        assert await zx.zx_handle_close(token) == ZX_OK

    beside(k, victim, act, victim)
    assert comes(world, lambda: world.word(64) > 1)
    assert (world.word(64 + 16), world.word(64 + 24)) == (5, 6)


def test_a_thread_is_kicked_out_of_restricted_mode(k: Kernel) -> None:
    bodies = Bodies(k, SPIN)
    reasons: list[int] = []

    async def main(zx: Any) -> None:
        state = await zx.thread.restricted_bind_state()
        for _ in range(3):
            state.ip = CODE
            reasons.append(int(await zx.thread.restricted_enter(state)))

    bodies.start(main)
    thread = k.host.dispatcher.handles.add(Handle(bodies.thread, bodies.thread.DEFAULT_RIGHTS))

    async def act(zx: Any, given: int) -> int:
        return int(await zx.zx_restricted_kick(given, 0))

    for count in range(3):
        assert beside(k, bodies.thread, act, thread) == ZX_OK
        while len(reasons) <= count:
            bodies.settle()
        assert reasons == [ZX_RESTRICTED_REASON_KICK] * (count + 1)


def test_exceptions_are_handled_while_another_cpu_is_busy(k: Kernel, world: World) -> None:
    channel = world.listen(world.process)
    busy = world.run(COUNT, world.data)

    async def act(zx: Any, channel: int) -> list[int]:
        seen = []
        for _ in range(20):
            status, _ = await zx.zx_object_wait_one(channel, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE)
            assert status == ZX_OK
            _, info, (exception,), *_ = await zx.zx_channel_read(channel, 0, 64, 1)
            _, thread = await zx.zx_exception_get_thread(exception)
            size = zx_thread_state_general_regs_t.SIZE
            _, data, *_ = await zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, size)
            registers = zx_thread_state_general_regs_t.unpack(data)
            registers.rip += 2
            await zx.zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, registers.pack())
            handled = ZX_EXCEPTION_STATE_HANDLED.to_bytes(4, "little")
            await zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, handled)
            await zx.zx_handle_close(exception)
            await zx.zx_handle_close(thread)
            seen.append(int.from_bytes(info[16:20], "little"))
        return seen

    crasher = world.run(b"\x0f\x0b" * 20 + world.exit)
    assert beside(k, busy, act, channel) == [ZX_EXCP_UNDEFINED_INSTRUCTION] * 20
    assert comes(world, lambda: world.ended(crasher)) and not world.ended(busy)


@pytest.mark.parametrize("how", ["unmap", "protect"])
def test_memory_that_is_taken_away_is_gone_at_once(k: Kernel, world: World, how: str) -> None:
    channel = world.listen(world.process)
    victim = world.run(COUNT, world.data)
    assert comes(world, lambda: world.word(0) > 0)

    async def act(zx: Any, vmar: int) -> bool:
        if how == "unmap":
            status = await zx.zx_vmar_unmap(vmar, world.data, PAGE)
        else:
            status = await zx.zx_vmar_protect(vmar, ZX_VM_PERM_READ, world.data, PAGE)
        assert status == ZX_OK
        return stands_still(lambda: world.word(0))

    assert beside(k, victim, act, world.vmar)
    message = world.receive(channel)
    assert message.type == ZX_EXCP_FATAL_PAGE_FAULT
    assert world.report(victim).context.arch.cr2 in (world.data, world.data + 16)


def test_memory_that_is_decommitted_is_zero_at_once(k: Kernel, world: World) -> None:
    other, page = world._map((7).to_bytes(8, "little"), ZX_VM_PERM_READ)
    # mov rax, [rsi]; mov [rdi], rax; jmp
    victim = world.run(b"\x48\x8b\x06\x48\x89\x07\xeb\xf8", world.data, page)
    assert comes(world, lambda: world.word(0) == 7)

    async def act(zx: Any, vmo: int) -> int:
        return int((await zx.zx_vmo_op_range(vmo, ZX_VMO_OP_DECOMMIT, 0, PAGE, b""))[0])

    assert beside(k, victim, act, other) == ZX_OK
    assert comes(world, lambda: world.word(0) == 0)


def test_threads_say_on_which_cpu_they_were_last(k: Kernel, world: World) -> None:
    """From their first turn on. Source: core tests of threads (GetLastScheduledCpu)."""
    threads = [world.run(SPIN), world.run(SPIN)]

    def cpus() -> list[int]:
        size = zx_info_thread_stats_t.SIZE
        answers = [k.host.sys.zx_object_get_info(thread, ZX_INFO_THREAD_STATS, size) for thread in threads]
        return [zx_info_thread_stats_t.unpack(data).last_scheduled_cpu for _, data, *_ in answers]

    assert comes(world, lambda: sorted(cpus()) == [0, 1])


COUNTERS = r"""
#include <stdio.h>
#include <threads.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/rseq.h>
#define THREADS 4
#define TIMES 300000
static zx_handle_t vmo;
static zx_rseq_t* records;
static volatile long counters[64];
static volatile int failed, there;

// One more in the counter of this CPU: 1 where that could be done in one go.
static int add(volatile zx_rseq_t* record, uint32_t cpu) {
  int done = 0;
  __asm__ volatile(
      "lea 1f(%%rip), %%r8\n mov %%r8, 8(%1)\n movq $(2f - 1f), 16(%1)\n lea 3f(%%rip), %%r8\n mov %%r8, 24(%1)\n"
      "1: cmp %k2, (%1)\n jne 3f\n mov (%3), %%r9\n inc %%r9\n .rept 200\n nop\n .endr\n mov %%r9, (%3)\n"
      "2: mov $1, %0\n"
      "3: movq $0, 16(%1)\n"
      : "+r"(done) : "r"(record), "r"(cpu), "r"(&counters[cpu]) : "r8", "r9", "memory");
  return done;
}

static int count(void* argument) {
  size_t offset = (size_t)argument * sizeof(zx_rseq_t);
  volatile zx_rseq_t* record = records + (size_t)argument;
  failed |= zx_thread_set_rseq(vmo, offset, sizeof(zx_rseq_t));
  __atomic_add_fetch(&there, 1, __ATOMIC_SEQ_CST);
  while (there < THREADS) zx_thread_legacy_yield(0);
  for (int i = 0; i < TIMES;) i += add(record, record->cpu_id);
  return 0;
}

int main(void) {
  thrd_t threads[THREADS];
  zx_vaddr_t address;
  failed |= zx_vmo_create(4096, 0, &vmo);
  failed |= zx_vmar_map(zx_vmar_root_self(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, 4096, &address);
  records = (zx_rseq_t*)address;
  for (size_t i = 0; i < THREADS; i++) thrd_create(&threads[i], count, (void*)i);
  long sum = 0;
  for (int i = 0; i < THREADS; i++) thrd_join(threads[i], NULL);
  for (int i = 0; i < 64; i++) sum += counters[i];
  printf("%d %d %d %d\n", failed, counters[0] > 0, counters[1] > 0, sum == THREADS * TIMES);
  return 0;
}
"""


def test_counters_that_each_cpu_has_of_its_own_are_exact(k: Kernel, build: Build) -> None:  # noqa: F811
    """Restartable sequences. Source: core tests of rseq (NoLostUpdates)."""
    done = Run(k, build("counters", COUNTERS)).finish()
    assert (done.return_code, done.output) == (0, b"0 1 1 1\n")


# ---- Looking on


EVENTS = r"""
#include <stdio.h>
#include <threads.h>
#include <zircon/syscalls.h>
static int make(void* failed) {
  for (int i = 0; i < 200; i++) {
    zx_handle_t event;
    if (zx_event_create(0, &event)) ++*(int*)failed;
    else zx_handle_close(event);
  }
  return 0;
}
int main(void) {
  thrd_t other;
  int failed = 0, too = 0;
  thrd_create(&other, make, &failed);
  make(&too);
  thrd_join(other, NULL);
  printf("%d\n", failed + too);
  return 0;
}
"""


def test_faults_are_counted_over_all_cpus(k: Kernel, build: Build) -> None:  # noqa: F811
    fault = k.faults.fail("zx_event_create", ZX_ERR_NO_RESOURCES, nth=150, times=3)
    done = Run(k, build("events", EVENTS)).finish()
    assert (done.return_code, done.output) == (0, b"3\n")
    assert fault.fired == 3


def test_a_trace_has_the_calls_of_all_cpus(build: Build) -> None:  # noqa: F811
    done = jacinth("run", "--engine", "native", "--cpus", 2, "--trace", build("events", EVENTS))
    assert (done.returncode, done.stdout) == (0, "0\n")
    made = re.findall(
        r"^\[(\d+\.\d+)\] zx_event_create\(options=0\) = ZX_OK -> out=", done.stderr, re.MULTILINE
    )
    assert sorted(made.count(thread) for thread in set(made))[-2:] == [200, 200]


def test_switches_in_the_kernels_trace_are_each_cpus_own(k: Kernel, build: Build) -> None:  # noqa: F811
    k.ktrace.start()
    assert Run(k, build("hand_over", HAND_OVER)).finish().return_code == 0
    k.ktrace.stop()
    trace = fxt_reader.read(k.ktrace.read())
    fxt_reader.check_durations(trace)
    names = trace.names()
    assert {b"cpu-0", b"idle 0", b"cpu-1", b"idle 1"} <= set(names.values())
    on: dict[int, int] = {}
    both = 0
    for switch in trace.of(ContextSwitch):
        assert on.get(switch.cpu, switch.outgoing) == switch.outgoing
        on[switch.cpu] = switch.incoming
        busy = [koid for koid in on.values() if not names[koid].startswith(b"idle")]
        assert len(set(busy)) == len(busy), "a thread is on two CPUs"
        both += len(busy) == 2
        if b"host" in [names[koid] for koid in busy]:
            assert names[on[0]] == b"host"
    assert set(on) == {0, 1} and both > 0


# ---- The command


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--cpus", 0), "0 is not in the range"),
        (("--cpus", "two"), "'two' is not a valid integer range"),
        (("--cpus", 29), "29 CPUs: the native engine has 1 to 28"),
        (("--engine", "portable", "--cpus", 2), "2 CPUs: the portable engine has one"),
    ],
)
def test_how_many_cpus_there_cannot_be(build: Build, options: tuple[object, ...], said: str) -> None:  # noqa: F811
    done = jacinth("run", *options, build("nothing", "int main(void) { return 0; }"))
    assert done.returncode not in (0, 1) and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("cpus", [1, 2, 28])
def test_as_many_cpus_as_were_asked_for(build: Build, cpus: int) -> None:  # noqa: F811
    text = "#include <zircon/syscalls.h>\nint main(void) { return zx_system_get_num_cpus(); }"
    assert jacinth("run", "--engine", "native", "--cpus", cpus, build("cpus", text)).returncode == cpus
