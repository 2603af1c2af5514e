"""A kernel with a few processes in it, and steps that happen to it: what the fuzzer does, and what its reproducers do again.

A step is a tuple: its kind, its number, and what it takes. Numbers in a call are given as expressions that mean the same when
other steps are left out:

    7                        itself
    ("h", table, step, k)    the k-th handle that appeared in a table during a step; -1 where it did not
    ("a", offset)            an address in the calling thread's own scratch pages
    ("m", index, offset)     an address in one of the mappings of the caller's process
    ("v", handle, offset)    an address from the base of a VMAR on
    ("c", offset)            an address in the page of machine code
    ("r", offset)            the same in what the caller reaches in restricted mode
    ("k", handle)            a koid
    ("t", ns)                a time so far from now
    ("b", offset, data, patches)    an address in the scratch pages, where *data* is put before; *patches* are (offset, size,
                             expression) to be put into it
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from types import coroutine
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    BY_NAME,
    ZX_RIGHT_READ,
    ZX_RIGHT_TRANSFER,
    ZX_RIGHT_WAIT,
    ZX_THREAD_STATE_BLOCKED_PAGER,
    ZX_VM_PERM_EXECUTE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_TRAP_DIRTY,
    Status,
    ZxError,
)
from jacinth.api.kernel import Kernel
from jacinth.api.machine import EngineName
from jacinth.fuzz.unchanged import Before
from jacinth.kernel.handle import Handle, HandleTable
from jacinth.kernel.ipc.channel import ChannelDispatcher
from jacinth.kernel.ipc.port import PortDispatcher
from jacinth.kernel.job import JobDispatcher, JobState
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.pager import PagerDispatcher
from jacinth.kernel.process import ProcessDispatcher, ProcessState
from jacinth.kernel.restricted import RestrictedState
from jacinth.kernel.suspend_token import SuspendTokenDispatcher
from jacinth.kernel.thread import CHECKPOINT, Body, ThreadDispatcher, ThreadState
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmar import VmAddressRegion, VmAddressRegionDispatcher
from jacinth.kernel.vm.vmo import PAGE_SIZE, VmObjectDispatcher
from jacinth.kernel.wait import Waiter
from jacinth.machine.memory import OutOfMemory
from jacinth.machine.portable.engine import PortableEngine
from jacinth.syscalls.door import TRAPS, Call, again

if TYPE_CHECKING:
    from jacinth.abi import SyscallRow
    from jacinth.kernel.vm.aspace import VmAspace

Expression = Any  # int, or one of the tuples above
Step = tuple[Any, ...]

MEMORY: Final = 32 << 20
SHORT_MEMORY: Final = 1536 << 10
_EVERY: Final = 61  # allocations of pages, of which one fails
MASK: Final = (1 << 64) - 1

SCRATCH_PAGES: Final = 8  # of each thread
THREADS: Final = 3  # of a group, that have scratch pages
FUTEX_PAGE: Final = SCRATCH_PAGES * THREADS  # the last one, in which nothing else is put
_REGION_PAGES: Final = FUTEX_PAGE + 1
_RW: Final = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE

BLOCKED: Final = "blocked"
_RESTRICTED_WORDS: Final = 20  # of a zx_restricted_state_t

# What threads of machine code begin with, 16 bytes each.
CODE: Final = b"".join(
    bytes.fromhex(code).ljust(16, b"\xf4")
    for code in (
        "b9c8000000e2fe0f0b",  # count down, then an undefined instruction
        "cc",  # a breakpoint
        "31c00f05",  # a system call from elsewhere than the vDSO
        "48890425000000000f0b",  # a write to nowhere
        "b9002d3101e2fe",  # count for a while, then a privileged instruction
        "50ebfd",  # push until the stack ends
        "488b07c607010f0b",  # read and write where the first argument points
        "48ffc80f05ebf9",  # system calls for ever, to be served by somebody
        "e2fe0f05",  # count down from anywhere, then a system call
    )
)
CODES: Final = len(CODE) // 16


class FuzzError(AssertionError):
    """Something is not as it has to be."""


class Actor:
    """A thread that makes calls when it is told to."""

    __slots__ = ("call", "group", "host", "name", "number", "posted", "thread", "waiter")

    def __init__(self, name: str, group: Group, thread: ThreadDispatcher, number: int, host: bool) -> None:
        self.name = name
        self.group = group
        self.thread = thread
        self.number = number
        self.host = host
        self.call = Call(thread)
        self.waiter: Waiter | None = None  # while it waits to be told
        # A call, or the registers of restricted mode.
        self.posted: tuple[SyscallRow, tuple[int, ...]] | list[int] | None = None

    @property
    def alive(self) -> bool:
        return self.thread.state is not ThreadState.DEAD

    @property
    def idle(self) -> bool:
        return self.host or (self.waiter is not None and self.posted is None and self.alive)


class Group:
    """The processes that share one handle table, and their actors."""

    def __init__(self, name: str, process: ProcessDispatcher) -> None:
        self.name = name
        self.processes = [process]
        self.shared = process.shared
        self.table: HandleTable = process.handles
        self.index = self.table._index
        self.names: dict[int, tuple[int, int]] = {}
        self.scratch = 0
        self.scratch_vmo: VmObjectDispatcher | None = None  # to which there is no handle
        self.code = 0
        self.actors: list[Actor] = []
        self.restricted_code: dict[ProcessDispatcher, int] = {}

    @property
    def aspace(self) -> VmAspace:
        return self.shared.aspace


def boot(seed: int, engine: EngineName, memory: int, quantum: int = 500) -> Kernel:
    """A kernel for the fuzzer. All repeats, but on the native engine, where guest code is left at another place each time."""
    kernel = Kernel(engine=engine, seed=seed, virtual_time=True, memory=memory, strict=True)
    kernel.console = lambda data: None
    if isinstance(kernel.engine, PortableEngine):
        kernel.engine.quantum = quantum  # blocks; much random code loops for ever
    else:
        kernel.engine._slice = 200_000  # type: ignore[attr-defined]  # ns
    return kernel


class World:
    """A booted kernel and its actors. `do` carries out a step."""

    def __init__(self, seed: int, engine: EngineName = "auto") -> None:
        memory = SHORT_MEMORY if seed % 4 == 1 else MEMORY
        self.kernel = k = boot(seed, engine, memory)
        if seed % 4 == 2:  # now and then there is no page to be had, though most are free
            self._countdown = _EVERY
            k.memory.before_allocate = self._before_allocate
        self.repeats = isinstance(k.engine, PortableEngine)  # on the native one much may take longer, too
        self.step = 0
        self.groups: dict[str, Group] = {}
        self.actors: dict[str, Actor] = {}
        self.values: dict[tuple[str, int, int], int] = {}  # of handles, by table, step and number
        self.seen: Counter[tuple[str, int | str]] = Counter()
        self.calls = 0
        self.bodies: list[Body] = []  # of all actors that there have been
        self.log: Callable[[str], None] | None = None  # told of every step, for people
        host = Group("host", k.host.dispatcher)
        self.groups["host"] = host
        host.actors.append(Actor("host", host, k.host.thread, 0, True))
        self.actors["host"] = host.actors[0]
        self.zoo: JobDispatcher | None = None
        if seed % 8:  # else somebody kills everything, sooner or later
            host.table.close(k.host.root_job)
        host.index = 0
        self._see_handles()
        handle = host.table.get(k.host.root_resource)
        assert handle is not None
        self.resource = handle.object
        self.resource.handle_count += 1  # this one
        self._furnish(host)

    def close(self) -> None:
        self.kernel.close()
        self.end_bodies()

    def end_bodies(self) -> None:
        """The kernel does not go on, whatever state it is in."""
        for body in self.bodies:
            with suppress(Exception):
                body.close()

    def _before_allocate(self) -> None:
        self._countdown -= 1
        if not self._countdown:
            self._countdown = _EVERY
            raise OutOfMemory("the fuzzer wants it so")

    def held(self) -> dict[Dispatcher, int]:
        """What is kept here, without a handle."""
        held: dict[Dispatcher, int] = {self.resource: 1}
        if self.zoo is not None:
            held[self.zoo] = 1
        return held

    def let_go(self) -> None:
        """Keep nothing any more."""
        for object_ in self.held():
            object_.handle_count -= 1
            if not object_.handle_count:
                object_.on_zero_handles()
        self.zoo = None

    @property
    def over(self) -> bool:
        """The root job is dead: nothing can begin any more."""
        return self.kernel.root_job_dispatcher.state is not JobState.READY

    # Steps

    def do(self, step: Step) -> None:
        """Carry out a step: ("call", n, actor, name, arguments, at once), ("restricted", n, actor, registers, at once),
        ("run", n, ns), ("spawn", n, name, shared, processes), ("furnish", n, group), ("scene", n, group, kind, offset in CODE,
        where to listen), ("kill", n, group, process).
        """
        self.step = step[1]
        if self.log is not None:
            self.log(" ".join(map(str, step)))
        getattr(self, "_do_" + step[0])(*step[2:])
        self._see_handles()

    def _do_call(self, actor_name: str, name: str, arguments: Iterable[Expression], at_once: bool) -> None:
        actor = self.actors.get(actor_name)
        if actor is None or not actor.idle:
            return
        row = BY_NAME[name]
        values = [row.number, *[self.value(actor, argument) for argument in arguments]]
        registers = (*values, *[0] * (9 - len(values)))
        self.calls += 1
        if actor.host:
            before = self._before(actor, row, registers)
            result = self._call_by_host(actor, row, registers)
            self._result(row, result, before)
            return
        actor.posted = row, registers
        assert actor.waiter is not None
        actor.waiter.complete()
        if at_once:
            self._turn(8)

    def _do_restricted(
        self, actor_name: str, registers: Iterable[tuple[int, Expression]], at_once: bool
    ) -> None:
        """The actor enters restricted mode with what is bound to its thread. *registers*: words of a zx_restricted_state_t."""
        actor = self.actors.get(actor_name)
        if actor is None or actor.host or not actor.idle:
            return
        words = [0] * _RESTRICTED_WORDS
        for index, expression in registers:
            words[index] = self.value(actor, expression)
        actor.posted = words
        assert actor.waiter is not None
        actor.waiter.complete()
        if at_once:
            self._turn(8)

    async def _enter_restricted(self, actor: Actor, words: list[int]) -> None:
        thread = actor.thread
        try:
            if thread.restricted is None:
                thread.bind_restricted(RestrictedState(thread, 0))
            assert thread.restricted is not None
            thread.restricted.write(struct.pack(f"<{_RESTRICTED_WORDS}Q", *words))
            self.seen["restricted", await thread.restricted.enter_from_body()] += 1
        except ZxError as error:
            self.seen["restricted", error.status] += 1

    def _trap(self, actor: Actor, row: SyscallRow, registers: tuple[int, ...]) -> int | None:
        """Enter the kernel, as `Door.enter` does. Answers None where a coroutine is left in the thread."""
        try:
            return TRAPS[row.number](actor.call, registers)
        except PageNeeded as need:
            actor.thread.coroutine = again(TRAPS[row.number], actor.call, registers, need)
            return None

    def _call_by_host(self, actor: Actor, row: SyscallRow, registers: tuple[int, ...]) -> int | str:
        """A call that would wait is left at once, as if its thread were killed."""
        thread = actor.thread
        result: Any = self._trap(actor, row, registers)
        if result is None:
            coroutine, thread.coroutine = thread.coroutine, None
            assert coroutine is not None
            try:
                stop = coroutine.send(None)
            except StopIteration as end:
                result = end.value
            else:
                coroutine.close()
                if not isinstance(stop, Waiter):
                    raise FuzzError(f"{row.name} stops at {stop!r}")
                if not row.blocking and stop.reason != ZX_THREAD_STATE_BLOCKED_PAGER:
                    raise FuzzError(f"{row.name} waits, and is no call that may")
                result = BLOCKED
        thread.attention = False
        return result  # type: ignore[no-any-return]

    def _before(self, actor: Actor, row: SyscallRow, registers: tuple[int, ...]) -> Before:
        """With the actor's own scratch pages, where those are still there and nothing else."""
        group = actor.group
        start, size = group.scratch + actor.number * SCRATCH_PAGES * PAGE_SIZE, SCRATCH_PAGES * PAGE_SIZE
        mapping = group.aspace.root_vmar.find_mapping(start)
        if (
            mapping is None
            or mapping.vmo is not group.scratch_vmo
            or start + size > mapping.base + mapping.size
        ):
            size = 0
        return Before(actor.call, row, registers, (start, size))

    def _result(self, row: SyscallRow, result: int | str, before: Before | None) -> None:
        """*before*: of a call that was over at once."""
        if self.log is not None:
            self.log(f"    {row.name} = {result!s}")
        self.seen[row.name, result if row.returns == "zx_status_t" else 0] += 1
        if result == BLOCKED:
            return
        if row.returns == "zx_status_t" and result not in _STATUSES and row.name not in _COUNTING:
            raise FuzzError(f"{row.name} answers {result!r}, which is no status")
        changed = None if before is None or isinstance(result, str) else before.changed(result)
        if changed is not None:
            raise FuzzError(f"{row.name} = {result}, and {changed}")

    async def _body(self, actor: Actor) -> None:
        """What an actor's thread does: wait to be told, make the call."""
        thread = actor.thread
        while True:
            actor.waiter = Waiter()
            await actor.waiter
            actor.waiter = None
            assert actor.posted is not None
            posted, actor.posted = actor.posted, None
            if isinstance(posted, list):
                await self._enter_restricted(actor, posted)
                if thread.attention:
                    await CHECKPOINT
                continue
            row, registers = posted
            body = thread.coroutine
            before: Before | None = self._before(actor, row, registers)
            result: Any = self._trap(actor, row, registers)
            if result is None:
                pending, thread.coroutine = thread.coroutine, body
                assert pending is not None
                waits, result = await _answer(pending)
                before = None if waits else before
            self._result(row, result, before)
            if thread.attention:
                await CHECKPOINT

    def _turn(self, limit: int) -> None:
        """Let everybody run who can, but nobody for ever."""
        kernel = self.kernel
        host = kernel.host.thread
        while limit and kernel.ready:
            limit -= 1
            kernel.run_host(host, Waiter(deadline=1))

    def _do_run(self, ns: int) -> None:
        kernel = self.kernel
        kernel.run_host(kernel.host.thread, Waiter(deadline=kernel.clock.now() + ns))
        self._turn(5)

    def _do_spawn(self, name: str, shared: bool, processes: int) -> None:
        """A new group of processes with two threads each."""
        if name in self.groups or not self._make_zoo():
            return
        assert self.zoo is not None
        try:
            process = ProcessDispatcher.create(self.zoo, b"fuzz", shareable=shared)
        except ZxError:
            return
        group = Group(name, process)
        try:
            self._map_scratch(group)
        except ZxError:
            process.kill(0)
            return
        self.groups[name] = group
        if shared:
            try:
                for _ in range(processes - 1):
                    group.processes.append(ProcessDispatcher.create_shared(process, b"fuzz shared"))
            except ZxError:
                pass  # no memory
        group.index = 0
        for process in group.processes:
            self._give(group, Handle(process, process.DEFAULT_RIGHTS))
            region = VmAddressRegionDispatcher.root(process.root_vmar_aspace)
            self._give(group, Handle(region, region.DEFAULT_RIGHTS))
            self._map_restricted(group, process)
            for number in range(THREADS if len(group.processes) == 1 else 1):
                self._start(group, process, first=number == 0)
        self._furnish(group)

    def _start(self, group: Group, process: ProcessDispatcher, first: bool) -> None:
        thread = ThreadDispatcher.create(process, b"actor")
        number = len(group.actors) % THREADS
        actor = Actor(f"{group.name}.{len(group.actors)}", group, thread, number, False)
        self._give(group, Handle(thread, thread.DEFAULT_RIGHTS))
        try:
            body = self._body(actor)
            self.bodies.append(body)
            process.add_thread(thread, None, body, first=first)
        except ZxError:
            return
        group.actors.append(actor)
        self.actors[actor.name] = actor

    def _do_furnish(self, name: str) -> None:
        group = self.groups.get(name)
        if group is not None and group.shared.count:
            self._furnish(group)

    def _furnish(self, group: Group) -> None:
        """Scratch pages where they have been unmapped, and the objects that are made by no call or are hard to come by."""
        if not self._scratch_is_there(group):
            try:
                self._map_scratch(group)
            except ZxError:
                return  # no memory, or no room
        if self._make_zoo():
            assert self.zoo is not None
            self._give(group, Handle(self.zoo, self.zoo.DEFAULT_RIGHTS))
        self._give(group, Handle(self.resource, self.resource.DEFAULT_RIGHTS))
        for other in self.groups.values():
            if other is not group and other.processes[0].state is not ProcessState.DEAD:
                for task in (other.processes[0], *[actor.thread for actor in other.actors[:1]]):
                    self._give(group, Handle(task, task.DEFAULT_RIGHTS))

    def _do_scene(self, name: str, kind: str, offset: int, where: int) -> None:
        """Another process, whose one thread runs machine code and comes to a halt: with an exception ("faults"), suspended
        ("stands"), or for want of a page ("pages"). The group gets handles to all that takes part.
        """
        group = self.groups.get(name)
        if group is None or not group.shared.count or not self._make_zoo():
            return
        assert self.zoo is not None
        try:
            process = ProcessDispatcher.create(self.zoo, b"scene", shareable=False)
        except ZxError:
            return
        try:
            self._play(group, process, kind, offset, where)
        except ZxError:  # no memory
            process.kill(0)
        self._turn(5)

    def _play(self, group: Group, process: ProcessDispatcher, kind: str, offset: int, where: int) -> None:
        """NO_MEMORY."""
        thread = ThreadDispatcher.create(process, b"scene")
        given: list[Dispatcher] = [process, thread]
        root = process.shared.aspace.root_vmar
        code, stack = self._map_code(root)
        argument = 0
        if kind == "pages":
            port = PortDispatcher(self.kernel, 0)
            pager = PagerDispatcher.create(self.kernel, 0)
            vmo = pager.create_vmo(port, where, 4 * PAGE_SIZE, ZX_VMO_TRAP_DIRTY if where & 1 else 0)
            given += [port, pager, vmo]
            argument = root.map(0, vmo, 0, 4 * PAGE_SIZE, _RW).base
        elif kind == "stands":
            given.append(SuspendTokenDispatcher(thread))
        handles = [Handle(object_, object_.DEFAULT_RIGHTS) for object_ in given]
        for handle in handles:
            self._give(group, handle)
        if kind == "faults":
            kernels, users = ChannelDispatcher.create_pair(self.kernel)
            listeners = (process.exceptionate, process.debug_exceptionate, thread.exceptionate)
            listeners[where % 3].bind(kernels, handles[1].rights, 0 if where % 3 == 2 else handles[0].rights)
            self._give(group, Handle(users, ZX_RIGHT_TRANSFER | ZX_RIGHT_WAIT | ZX_RIGHT_READ))
        thread.start_at(code + offset, stack + 2 * PAGE_SIZE, argument, 0, first=True)

    def _give(self, group: Group, handle: Handle) -> None:
        group.table.add(handle)

    def _do_kill(self, name: str, process: int) -> None:
        group = self.groups.get(name)
        if group is not None and name != "host":
            group.processes[process % len(group.processes)].kill(-1)
            self._turn(3)

    def _make_zoo(self) -> bool:
        """The job in which the processes are."""
        zoo = self.zoo
        if zoo is None or zoo.state is not JobState.READY:
            if zoo is not None:
                zoo.handle_count -= 1
                if not zoo.handle_count:
                    zoo.on_zero_handles()
            self.zoo = None
            try:
                self.zoo = zoo = JobDispatcher.create(self.kernel.root_job_dispatcher)
            except ZxError:
                return False
            zoo.handle_count += 1  # this one
        return True

    # Memory

    def _map_scratch(self, group: Group) -> None:
        """NO_MEMORY."""
        for executable in (False, True):
            vmo = VmObjectDispatcher.create(self.kernel, _REGION_PAGES * PAGE_SIZE)
            handle = Handle(vmo, vmo.DEFAULT_RIGHTS)
            try:
                root = group.aspace.root_vmar
                if executable:
                    vmo.write(0, CODE)
                    access = ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE
                    group.code = root.map(0, vmo, 0, PAGE_SIZE, access).base
                else:
                    vmo.commit(0, _REGION_PAGES * PAGE_SIZE)
                    group.scratch = root.map(0, vmo, 0, _REGION_PAGES * PAGE_SIZE, _RW).base
                    group.scratch_vmo = vmo
            finally:
                handle.close()

    def _map_code(self, region: VmAddressRegion) -> tuple[int, int]:
        """A page of machine code and two to write to: NO_MEMORY."""
        addresses = []
        for contents, access in ((CODE, ZX_VM_PERM_READ | ZX_VM_PERM_EXECUTE), (b"", _RW)):
            vmo = VmObjectDispatcher.create(self.kernel, 2 * PAGE_SIZE)
            handle = Handle(vmo, vmo.DEFAULT_RIGHTS)
            try:
                vmo.write(0, contents)
                addresses.append(region.map(0, vmo, 0, 2 * PAGE_SIZE, access).base)
            finally:
                handle.close()
        code, data = addresses
        return code, data

    def _map_restricted(self, group: Group, process: ProcessDispatcher) -> None:
        """Machine code where the process's threads reach it in restricted mode."""
        if process.restricted is None:
            return
        try:
            group.restricted_code[process], _ = self._map_code(process.restricted.root_vmar)
        except ZxError:
            pass  # no memory: they fault at once

    def _scratch_is_there(self, group: Group) -> bool:
        try:
            for page in (0, FUTEX_PAGE):
                group.aspace.write_user(group.scratch + page * PAGE_SIZE, b"\0")
            return True
        except (ZxError, PageNeeded):
            return False

    # Expressions

    def value(self, actor: Actor, expression: Expression) -> int:
        """The number that an expression stands for now, in 64 bits."""
        if isinstance(expression, int):
            return expression & MASK
        kind = expression[0]
        group = actor.group
        if kind == "h":
            return self.values.get(expression[1:], 0xFFFF_FFFF)
        if kind == "a":
            return group.scratch + actor.number * SCRATCH_PAGES * PAGE_SIZE + expression[1]  # type: ignore[no-any-return]
        if kind == "b":
            return self._buffer(actor, *expression[1:])
        if kind == "t":
            return (self.kernel.clock.now() + expression[1]) & MASK  # type: ignore[no-any-return]
        if kind == "c":
            return group.code + expression[1]  # type: ignore[no-any-return]
        if kind == "r":
            return group.restricted_code.get(actor.thread.process, group.code) + expression[1]  # type: ignore[no-any-return]
        if kind == "f":
            return group.scratch + FUTEX_PAGE * PAGE_SIZE + expression[1]  # type: ignore[no-any-return]
        if kind == "m":
            mappings = list(group.aspace.mappings())
            if not mappings:
                return 0
            mapping = mappings[expression[1] % len(mappings)]
            return mapping.base + expression[2] % (mapping.size + 1)  # type: ignore[no-any-return]
        handle = group.table.get(self.value(actor, expression[1]))
        if kind == "k":
            return 0 if handle is None else handle.object.koid
        assert kind == "v", kind
        if handle is None or not isinstance(handle.object, VmAddressRegionDispatcher):
            return 0
        return handle.object.region.base + expression[2] & MASK  # type: ignore[no-any-return]

    def _buffer(
        self, actor: Actor, offset: int, data: bytes, patches: tuple[tuple[int, int, Expression], ...]
    ) -> int:
        address = actor.group.scratch + actor.number * SCRATCH_PAGES * PAGE_SIZE + offset
        if patches:
            changed = bytearray(data)
            for at, size, expression in patches:
                value = self.value(actor, expression) & ((1 << size * 8) - 1)
                changed[at : at + size] = value.to_bytes(size, "little")
            data = bytes(changed)
        try:
            actor.group.aspace.write_user(address, data)
        except (ZxError, PageNeeded):
            pass  # somebody has unmapped or protected it
        return address

    # Handles

    def _see_handles(self) -> None:
        """Name the handles that have appeared, and forget groups whose processes are all dead."""
        dead = None
        for group in self.groups.values():
            table = group.table
            last = table._index
            if last != group.index:
                for number, index in enumerate(range(group.index + 1, last + 1)):
                    value = (index ^ table._secret) << 2 | 3
                    if value in table.handles:
                        self.values[group.name, self.step, number] = value
                        group.names[value] = self.step, number
                group.index = last
            if not group.shared.count:
                dead = [*(dead or ()), group]
        for group in dead or ():
            del self.groups[group.name]
            for actor in group.actors:
                del self.actors[actor.name]


_STATUSES: Final = frozenset(int(status) for status in Status)


@coroutine
def _answer(pending: Body) -> Generator[Any, Any, tuple[bool, Any]]:
    """Awaits *pending*. Answers whether there was anything to wait for, and what it returns."""
    waits = False
    try:
        stop = pending.send(None)
        while True:
            waits = True
            stop = pending.send((yield stop))
    except StopIteration as end:
        return waits, end.value
    finally:
        pending.close()


# They answer with a number where all is well.
_COUNTING: Final = frozenset({"zx_debuglog_read"})
