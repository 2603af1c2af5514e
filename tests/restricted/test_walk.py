"""Signals, kills, suspensions and kicks at every possible moment.

A victim goes in and out of restricted mode: a system call, a fault that pages in, an exception, another system call; in between
it waits in normal mode. The CPU changes threads after a block of code or two, and an actor takes the CPU n times before it acts:
so n counts the moments at which anything can happen to the victim, and each n is tried until the victim ends first. Time is
virtual and threads take turns, so that a moment is always the same.
"""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from jacinth import Kernel, RestrictedReason
from jacinth.abi import (
    ZX_CHANNEL_PEER_CLOSED,
    ZX_CHANNEL_READABLE,
    ZX_ERR_BAD_STATE,
    ZX_EVENT_SIGNALED,
    ZX_EXCEPTION_CHANNEL_DEBUGGER,
    ZX_EXCEPTION_STATE_HANDLED,
    ZX_EXCP_UNDEFINED_INSTRUCTION,
    ZX_INFO_PROCESS,
    ZX_INFO_THREAD,
    ZX_OK,
    ZX_PROP_EXCEPTION_STATE,
    ZX_RESTRICTED_REASON_EXCEPTION,
    ZX_RESTRICTED_REASON_KICK,
    ZX_RESTRICTED_REASON_SYSCALL,
    ZX_RIGHT_SAME_RIGHTS,
    ZX_TASK_RETCODE_SYSCALL_KILL,
    ZX_TASK_TERMINATED,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_SUSPENDED,
    ZX_THREAD_SUSPENDED,
    ZX_TIME_INFINITE,
    zx_exception_info_t,
    zx_info_process_t,
    zx_info_thread_t,
    zx_restricted_state_t,
    zx_thread_state_general_regs_t,
)
from jacinth.kernel.handle import Handle
from jacinth.tools.cc import CompileError
from tests.ipc.conftest import Program
from tests.restricted.conftest import CODE, DATA, SECOND, UD2, Bodies, Machines, Shared, assemble

pytestmark = [
    pytest.mark.usefixtures("hot_paths"),
    pytest.mark.portable("turns are blocks of code there, and moments are counted in them"),
]

# Runs in restricted mode. Ends with 10 in the data page, 7 in the second one, and rbp 7.
RESTRICTED = f"""
    mov rdi, {SECOND}
    mov rsi, {DATA}
    mov ebx, 4
again:
    add [rsi], rbx
    dec rbx
    jnz again
    mov eax, 1              # a call: wait a while
    syscall
    mov qword ptr [rdi], 7  # nobody has touched this page
    ud2                     # to be stepped over
    add rbp, [rdi]
    mov eax, 2              # a call: the end
    syscall
"""
CALLS = [ZX_RESTRICTED_REASON_SYSCALL, ZX_RESTRICTED_REASON_EXCEPTION, ZX_RESTRICTED_REASON_SYSCALL]
WAIT_NS = 5_000

# Where the machine code has its things, in the shared page.
LOG = 0x18  # how many, and for each the reason and where restricted mode was left
STATE = 0x300
REPORT = 0x400
FUNCTIONS = 0x600


CALLED = [
    "zx_restricted_bind_state",
    "zx_restricted_enter",
    "zx_vmo_write",
    "zx_vmo_read",
    "zx_deadline_after",
    "zx_object_wait_one",
    "zx_process_exit",
]


def call(name: str) -> str:
    return f"call [rbx + {FUNCTIONS + 8 * CALLED.index(name)}]"


MACHINE = f"""
    mov rbx, rsi            # rdi: the event, rsi: the page
    mov [rbx + 8], rdi
    mov qword ptr [rbx + {STATE} + 16 * 8], {CODE}
    mov rsi, rbx
    xor edi, edi
    lea rdx, [rbx + {REPORT}]
    {call("zx_restricted_bind_state")}
    test eax, eax
    jnz fail
again:
    mov edi, [rbx]
    lea rsi, [rbx + {STATE}]
    xor edx, edx
    mov ecx, {zx_restricted_state_t.SIZE}
    {call("zx_vmo_write")}
    test eax, eax
    jnz fail
    xor edi, edi
    lea rsi, [rip + vector]
    mov rdx, rbx
    {call("zx_restricted_enter")}
fail:
    ud2
vector:                     # rdi: the page, rsi: the reason; no stack
    mov rbx, rdi
    lea rsp, [rbx + 0x1000]
    mov r15, rsi
    mov edi, [rbx]
    lea rsi, [rbx + {STATE}]
    xor edx, edx
    mov ecx, {zx_restricted_state_t.SIZE}
    {call("zx_vmo_read")}
    test eax, eax
    jnz fail
    mov rcx, [rbx + {LOG}]
    inc qword ptr [rbx + {LOG}]
    shl ecx, 4
    mov [rbx + {LOG} + 8 + rcx], r15
    mov rax, [rbx + {STATE} + 16 * 8]
    mov [rbx + {LOG} + 16 + rcx], rax
    cmp r15, {ZX_RESTRICTED_REASON_KICK}
    je again
    cmp r15, {ZX_RESTRICTED_REASON_EXCEPTION}
    jne serve
    add qword ptr [rbx + {STATE} + 16 * 8], 2
    jmp again
serve:
    cmp qword ptr [rbx + {STATE} + 6 * 8], 2
    je done
    mov edi, {WAIT_NS}
    {call("zx_deadline_after")}
    mov edi, [rbx + 8]
    mov esi, {ZX_EVENT_SIGNALED}
    mov rdx, rax
    xor ecx, ecx
    {call("zx_object_wait_one")}
    jmp again
done:
    mov edi, 5
    {call("zx_process_exit")}
"""


async def body(zx: Any, event: int, log: list[tuple[int, int]], final: list[int]) -> None:
    """The same in Python. Between any two steps the others have a turn."""
    state = await zx.thread.restricted_bind_state()
    state.ip = CODE
    while True:
        await zx.zx_thread_legacy_yield(0)
        reason = await zx.thread.restricted_enter(state)
        log.append((int(reason), state.ip))
        await zx.zx_thread_legacy_yield(0)
        if reason == RestrictedReason.EXCEPTION:
            state.ip += 2
        elif reason == RestrictedReason.SYSCALL:
            if state.rax == 2:
                final.append(state.rbp)
                await zx.zx_process_exit(5)
            await zx.zx_object_wait_one(event, ZX_EVENT_SIGNALED, await zx.zx_deadline_after(WAIT_NS))


@dataclass
class Victim:
    """A thread that has been started, and what it has done so far."""

    world: Shared
    thread: int
    event: int
    log: Callable[[], list[tuple[int, int]]]
    rbp: Callable[[], int]


def start_body(k: Kernel, code: bytes) -> Victim:
    world = Bodies(k, code)
    log: list[tuple[int, int]] = []
    final: list[int] = []
    event = world.ok(world.zx.zx_event_create(0))
    process = world.object(world.process)
    theirs = process.handles.add(Handle(world.object(event), ZX_RIGHT_SAME_RIGHTS & 0xFFFF))
    world.start(body, theirs, log, final)
    thread = k.host.dispatcher.handles.add(Handle(world.thread, world.thread.DEFAULT_RIGHTS))
    return Victim(world, thread, event, lambda: log, lambda: final[0])


def start_machine(k: Kernel, code: bytes, machine: bytes) -> Victim:
    world = Machines(k, code)
    functions = b"".join(world.function(name).to_bytes(8, "little") for name in CALLED)
    world.ok(world.zx.zx_vmo_write(world.shared_vmo, functions, FUNCTIONS))
    event = world.ok(world.zx.zx_event_create(0))
    copy = world.ok(world.zx.zx_handle_duplicate(event, ZX_RIGHT_SAME_RIGHTS))
    thread = world.start(machine, copy, world.shared)

    def words(offset: int, count: int) -> list[int]:
        data = world.ok(world.zx.zx_vmo_read(world.shared_vmo, offset, 8 * count))
        return [int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8)]

    def log() -> list[tuple[int, int]]:
        entries = words(LOG + 8, 2 * words(LOG, 1)[0])
        return list(zip(entries[::2], entries[1::2], strict=True))

    return Victim(world, thread, event, log, lambda: words(STATE + 16, 1)[0])


# ---- What the actor does. Each answers whether it did it in time.


@dataclass
class Actor:
    zx: Any
    thread: int
    process: int
    event: int
    looks: Callable[[], int | None]  # where restricted code of the victim is to be left, if it is in it now
    place: int | None = None  # the same, when it was kicked

    async def signal(self) -> bool:
        return (
            await self.zx.zx_object_signal(self.event, 0, ZX_EVENT_SIGNALED) == ZX_OK and await self.alive()
        )

    async def alive(self) -> bool:
        return await self.state() != ZX_THREAD_STATE_DEAD

    async def state(self) -> int:
        status, data, *_ = await self.zx.zx_object_get_info(
            self.thread, ZX_INFO_THREAD, zx_info_thread_t.SIZE
        )
        assert status == ZX_OK
        return int(zx_info_thread_t.unpack(data).state)

    async def kick(self) -> bool:
        if self.place is None:
            self.place = self.looks()
        status = await self.zx.zx_restricted_kick(self.thread, 0)
        assert status in (ZX_OK, ZX_ERR_BAD_STATE)
        return bool(status == ZX_OK)

    async def kick_twice(self) -> bool:
        return await self.kick() and await self.kick()

    async def kick_again_later(self) -> bool:
        first = await self.kick()
        for _ in range(3):
            await self.zx.zx_thread_legacy_yield(0)
        await self.kick()
        return first

    async def suspend(self, meanwhile: Callable[[], Awaitable[bool]] | None = None) -> bool:
        status, token = await self.zx.zx_task_suspend_token(self.thread)
        if status:
            assert status == ZX_ERR_BAD_STATE
            return False
        signals = ZX_THREAD_SUSPENDED | ZX_TASK_TERMINATED
        await self.zx.zx_object_wait_one(self.thread, signals, ZX_TIME_INFINITE)
        suspended = await self.state() == ZX_THREAD_STATE_SUSPENDED
        for _ in range(3):
            await self.zx.zx_thread_legacy_yield(0)
        assert suspended == (await self.state() == ZX_THREAD_STATE_SUSPENDED)
        done = await meanwhile() if meanwhile is not None else suspended
        await self.zx.zx_handle_close(token)
        return done

    async def kick_while_suspended(self) -> bool:
        return await self.suspend(self.kick)

    async def kick_and_suspend(self) -> bool:
        kicked = await self.kick()
        await self.suspend()
        return kicked

    async def kill(self) -> bool:
        alive = await self.alive()
        assert await self.zx.zx_task_kill(self.process) == ZX_OK
        return alive

    async def kill_while_suspended(self) -> bool:
        return await self.suspend(self.kill)

    async def kick_and_kill(self) -> bool:
        await self.kick()
        return await self.kill()


async def act(zx: Any, action: str, moment: int, actor: Callable[[Any], Actor]) -> tuple[bool, int | None]:
    for _ in range(moment):
        await zx.zx_thread_legacy_yield(0)
    made = actor(zx)
    return await getattr(made, action)(), made.place


async def debugger(zx: Any, channel: int, handles: bool) -> None:
    """Looks at every exception for a while, and passes it on; or steps over the instruction, and *handles* it."""
    while True:
        _, seen = await zx.zx_object_wait_one(
            channel, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, ZX_TIME_INFINITE
        )
        if not seen & ZX_CHANNEL_READABLE:
            return
        _, info, (exception,), *_ = await zx.zx_channel_read(channel, 0, 64, 1)
        for _ in range(3):
            await zx.zx_thread_legacy_yield(0)
        if handles and zx_exception_info_t.unpack(info).type == ZX_EXCP_UNDEFINED_INSTRUCTION:
            await step_over(zx, exception)
        await zx.zx_handle_close(exception)


async def step_over(zx: Any, exception: int) -> None:
    _, thread = await zx.zx_exception_get_thread(exception)
    size = zx_thread_state_general_regs_t.SIZE
    status, data, *_ = await zx.zx_thread_read_state(thread, ZX_THREAD_STATE_GENERAL_REGS, size)
    if status == ZX_OK:  # it has not been killed
        registers = zx_thread_state_general_regs_t.unpack(data)
        registers.rip += 2
        await zx.zx_thread_write_state(thread, ZX_THREAD_STATE_GENERAL_REGS, registers.pack())
        await zx.zx_thread_legacy_yield(0)
        handled = ZX_EXCEPTION_STATE_HANDLED.to_bytes(4, "little")
        await zx.zx_object_set_property(exception, ZX_PROP_EXCEPTION_STATE, handled)
    await zx.zx_handle_close(thread)


# ---- The walk


@dataclass
class Outcome:
    in_time: bool
    code: int
    log: list[tuple[int, int]]
    rbp: int | None
    word: int
    place: int | None


class Walk:
    """Victims of one kind, one after the other, in one kernel."""

    def __init__(self, kind: str, debugged: str, quantum: int, directory: Path) -> None:
        # Threads take turns; with a seed their order would be drawn.
        self.k = Kernel(virtual_time=True, memory=64 << 20, strict=True)
        self.k.engine.quantum = quantum  # type: ignore[attr-defined]
        self.zx: Any = self.k.host.sys
        self.kind = kind
        self.debugged = debugged
        self.code = assemble(RESTRICTED, directory)
        self.machine = assemble(MACHINE, directory)
        self.calls = [
            call for call in CALLS if debugged != "handled" or call != ZX_RESTRICTED_REASON_EXCEPTION
        ]
        assert self.k.vdso.handle  # made when it is asked for

    def outcome(self, action: str, moment: int) -> Outcome:
        """Let *action* happen at that moment of a new victim. Everything is given back."""
        k, zx = self.k, self.zx
        before = (k.memory.allocated, len(k.host.dispatcher.handles.handles))
        if self.kind == "body":
            victim = start_body(k, self.code)
        else:
            victim = start_machine(k, self.code, self.machine)
        world = victim.world
        others = Program(k)
        if self.debugged:
            channel = world.ok(
                zx.zx_task_create_exception_channel(world.process, ZX_EXCEPTION_CHANNEL_DEBUGGER)
            )
            others.start(debugger, others.give(channel), self.debugged == "handled")
            world.ok(zx.zx_handle_close(channel))
        given = [others.give(handle) for handle in (victim.thread, world.process, victim.event)]
        thread = world.object(victim.thread)
        undefined = CODE + self.code.index(UD2)

        def looks() -> int | None:
            """Restricted code goes on behind the undefined instruction, whoever steps over it."""
            if not thread.in_restricted or not thread.alive or thread.context is None:
                return None
            pc: int = thread.context.pc
            return undefined + 2 if pc == undefined and thread.handling else pc

        actor = others.start(act, action, moment, lambda zx: Actor(zx, *given, looks))
        world.wait(world.process)
        data = world.ok(zx.zx_object_get_info(world.process, ZX_INFO_PROCESS, zx_info_process_t.SIZE))[0]
        code = zx_info_process_t.unpack(data).return_code
        while actor.alive:
            world.settle()
        world.settle()
        in_time, place = next(result for result in others.results if result is not None)
        rbp = victim.rbp() if code == 5 else None
        outcome = Outcome(in_time, code, victim.log(), rbp, world.word(), place)
        others.process.kill(0)
        world.ok(zx.zx_task_kill(world.job))
        handles = k.host.dispatcher.handles
        for value in list(handles.handles)[before[1] :]:
            handles.close(value)
        assert (k.memory.allocated, len(handles.handles)) == before
        return outcome

    def over(self, action: str) -> Iterator[tuple[int, Outcome]]:
        """The outcome of *action* at each moment, until it comes too late."""
        late = 0
        moment = 0
        while late < 3:
            outcome = self.outcome(action, moment)
            late = 0 if outcome.in_time else late + 1
            yield moment, outcome
            moment += 1
            assert moment < 2_000


# The victim, what a debugger does with its exceptions, and how many blocks of code it runs before the others' turn: where it is
# one, some turns end before it.
KINDS = [
    "body  1",
    "machine  1",
    "body debugged 1",
    "machine debugged 1",
    "body handled 2",
    "machine handled 3",
]


@pytest.fixture(scope="module", params=KINDS)
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    kind, debugged, quantum = request.param.split(" ")
    try:
        made = Walk(kind, debugged, int(quantum), tmp_path_factory.mktemp("walk"))
    except (CompileError, subprocess.CalledProcessError) as error:
        pytest.skip(str(error))
    yield made
    made.k.close()


def reasons(outcome: Outcome) -> list[int]:
    """Those for which restricted mode was left, but for kicks."""
    return [reason for reason, _ in outcome.log if reason != ZX_RESTRICTED_REASON_KICK]


def kicks(outcome: Outcome) -> list[int]:
    """Where restricted mode was left for kicks."""
    return [place for reason, place in outcome.log if reason == ZX_RESTRICTED_REASON_KICK]


def check_well(walk: Walk, moment: int, outcome: Outcome) -> None:
    """Whatever happened, the victim did what it does, once."""
    seen = (outcome.code, reasons(outcome), outcome.rbp, outcome.word)
    assert seen == (5, walk.calls, 7, 10), (moment, outcome)


@pytest.mark.parametrize("action", ["signal", "suspend"])
def test_a_signal_or_a_suspension_changes_nothing(walk: Walk, action: str) -> None:
    moments = 0
    for moment, outcome in walk.over(action):
        check_well(walk, moment, outcome)
        assert not kicks(outcome), (moment, outcome)
        moments += outcome.in_time
    assert moments > 10


@pytest.mark.parametrize(
    "action", ["kick", "kick_twice", "kick_while_suspended", "kick_and_suspend", "kick_again_later"]
)
def test_a_kick_comes_out_and_nothing_else_changes(walk: Walk, action: str) -> None:
    """Once for every kick, or for several that came at once, before another instruction; kicks after the last entry go
    unnoticed.
    """
    most = 2 if action == "kick_again_later" else 1
    seen = []
    inside = 0
    for moment, outcome in walk.over(action):
        check_well(walk, moment, outcome)
        assert len(kicks(outcome)) <= most, (moment, outcome)
        seen.append(len(kicks(outcome)))
        if outcome.place is not None:
            assert outcome.place in kicks(outcome), (moment, outcome)
            inside += 1
    noticed = [bool(count) for count in seen]
    assert noticed == sorted(noticed, reverse=True)  # up to some moment, and none after it
    assert sum(noticed) > 10
    assert max(seen) == most
    assert inside > 5


@pytest.mark.parametrize("action", ["kill", "kill_while_suspended", "kick_and_kill"])
def test_a_kill_ends_it_at_once_and_all_is_given_back(walk: Walk, action: str) -> None:
    for moment, outcome in walk.over(action):
        if outcome.in_time:
            assert outcome.code == ZX_TASK_RETCODE_SYSCALL_KILL, (moment, outcome)
            assert reasons(outcome) == walk.calls[: len(reasons(outcome))], (moment, outcome)
        else:
            check_well(walk, moment, outcome)
