"""What is true of a kernel whenever no call is in the middle of something: checked by the fuzzer, and by any test that likes.

    assert_invariants(kernel)

What a kernel holds is found by following references from its roots, so that a new kind of object is looked at without a word
here; what only some kinds have to fulfil is in `_CHECKS`.
"""

from __future__ import annotations

import gc
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from types import CoroutineType, GeneratorType
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    ZX_CHANNEL_READABLE,
    ZX_CHANNEL_WRITABLE,
    ZX_COUNTER_NON_POSITIVE,
    ZX_COUNTER_POSITIVE,
    ZX_FIFO_READABLE,
    ZX_FIFO_WRITABLE,
    ZX_JOB_NO_CHILDREN,
    ZX_JOB_NO_JOBS,
    ZX_JOB_NO_PROCESSES,
    ZX_JOB_TERMINATED,
    ZX_PROCESS_TERMINATED,
    ZX_SOCKET_READABLE,
    ZX_THREAD_RUNNING,
    ZX_THREAD_SUSPENDED,
    ZX_THREAD_TERMINATED,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    ZX_VMO_ZERO_CHILDREN,
)
from jacinth.kernel.bti import PinnedMemoryTokenDispatcher
from jacinth.kernel.handle import Handle, HandleTable
from jacinth.kernel.iob import IoBufferDispatcher
from jacinth.kernel.ipc.channel import ChannelDispatcher
from jacinth.kernel.ipc.counter import CounterDispatcher
from jacinth.kernel.ipc.fifo import FifoDispatcher
from jacinth.kernel.ipc.futex import FutexContext
from jacinth.kernel.ipc.port import PortDispatcher, PortPacket
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.kernel.job import JobDispatcher, JobState
from jacinth.kernel.kernel import Kernel
from jacinth.kernel.object import Dispatcher, PeeredDispatcher, SignalObserver
from jacinth.kernel.process import ProcessDispatcher, ProcessState
from jacinth.kernel.thread import ThreadDispatcher, ThreadState
from jacinth.kernel.vm.aspace import VmAspace
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmar import VmAddressRegion, VmMapping
from jacinth.kernel.vm.vmo import PAGE_MASK, PAGE_SHIFT, PageList, VmObjectDispatcher
from jacinth.kernel.wait import SignalWaiter, Waiter
from jacinth.machine.interface import WRITE

if TYPE_CHECKING:
    from jacinth.api.kernel import Kernel as BootedKernel


class InvariantError(AssertionError):
    """A line for everything that is wrong."""


def assert_invariants(kernel: BootedKernel, held: Mapping[Dispatcher, int] | None = None) -> None:
    """Raise InvariantError unless everything holds. *held*: objects that the caller keeps itself, with how often, by raising
    their `handle_count`.
    """
    faults = Invariants(kernel, held).check()
    if faults:
        raise InvariantError("\n".join(faults))


# Who refers to a handle without owning it. (A handle is owned by a table, a message, or an object that lets go of it.)
_BORROWERS: Final = (SignalObserver, PortPacket)
_PLAIN: Final = frozenset((int, bytes, str, float, bool, type(None), bytearray, memoryview))

_readers: dict[type, Callable[[Any], Iterable[Any]] | None] = {}


def members(cls: type) -> tuple[str, ...] | None:
    """The names of the members to follow, beside those in an object's `__dict__`; None where nothing is to be followed."""
    names: tuple[str, ...] | None = None
    ours = cls.__module__.startswith("jacinth.kernel") or issubclass(cls, Dispatcher)
    if ours and not issubclass(cls, Kernel | PageList):
        names = tuple(
            name
            for base in cls.__mro__
            for name in vars(base).get("__slots__", ())
            if name not in ("kernel", "_kernel", "__weakref__", "__dict__")
        )
    return names


def _reader(cls: type) -> Callable[[Any], Iterable[Any]] | None:
    """What answers the values of an object's members; None where nothing is to be followed."""
    if cls is CoroutineType:
        return lambda coroutine: (coroutine.cr_await,)
    if cls is GeneratorType:
        return _awaited
    names = members(cls)
    if names is None:
        return None
    all_at_once = attrgetter(*names) if len(names) > 1 else None
    has_dict = bool(cls.__dictoffset__)

    def read(object_: Any) -> Iterable[Any]:
        if all_at_once is not None:
            try:
                values = all_at_once(object_)
                return (*values, *vars(object_).values()) if has_dict else values
            except AttributeError:  # a member that has no value yet
                pass
        return [getattr(object_, name, None) for name in (*names, *getattr(object_, "__dict__", ()))]

    return read


def _awaited(generator: Any) -> Iterable[Any]:
    """What the `__await__` of a thread waits for: what has come while the thread is suspended may be there alone."""
    values = generator.gi_frame.f_locals.values() if generator.gi_frame is not None else ()
    return [value for value in values if isinstance(value, Waiter | CoroutineType)]


class Invariants:
    """One look at everything in a kernel."""

    def __init__(
        self,
        kernel: BootedKernel,
        held: Mapping[Dispatcher, int] | None = None,
        orphans: list[Dispatcher] | None = None,
    ) -> None:
        """*orphans*: where channels are kept that keep each other, for the next time that they are looked for."""
        self.kernel = kernel
        self.held = held or {}
        self.orphans = [] if orphans is None else orphans
        self.faults: list[str] = []
        self.objects: dict[int, Any] = {}  # by id, in the order in which they were found
        self.handles: dict[int, Handle] = {}  # those that are owned, by id
        self.counts: Counter[int] = Counter()  # handles to each dispatcher, by its id
        self._walk()

    def fault(self, text: str) -> None:
        self.faults.append(text)

    def check(self) -> list[str]:
        """A line for everything that is wrong."""
        self._check_all()
        if self.faults and self._find_orphans():
            self.objects.clear()
            self.handles.clear()
            self.counts.clear()
            self.faults.clear()
            self._walk()
            self._check_all()
        return self.faults

    def _check_all(self) -> None:
        self._check_handles()
        for object_ in list(self.objects.values()):
            for cls in type(object_).__mro__:
                check = _CHECKS.get(cls)
                if check is not None:
                    check(self, object_)
        self._check_tree()
        self._check_memory()
        self._check_scheduler()

    # What there is

    def _walk(self) -> None:
        kernel = self.kernel
        pending: list[Any] = [
            kernel.root_job_dispatcher,
            kernel.host.dispatcher,
            kernel.host.thread,
            *kernel.ready,
        ]
        pending += vars(kernel).values()
        pending += self.held
        pending += self.orphans
        pending += [
            entry[2].callback.__self__
            for entry in kernel.timers._heap
            if entry[2].callback is not None and hasattr(entry[2].callback, "__self__")
        ]
        objects = self.objects
        while pending:
            object_ = pending.pop()
            if id(object_) in objects:
                continue
            cls = type(object_)
            if cls is Handle:
                continue  # only through its owner
            try:
                read = _readers[cls]
            except KeyError:
                read = _readers[cls] = _reader(cls)
            if read is None:
                continue
            objects[id(object_)] = object_
            for value in read(object_):
                if type(value) in _PLAIN:
                    continue
                if type(value) is Handle and isinstance(object_, _BORROWERS):
                    pending.append(value.object)
                    continue
                self._follow(value, pending, object_)

    def _follow(self, value: Any, pending: list[Any], owner: Any) -> None:
        cls = type(value)
        if cls is Handle:
            self._own(value, owner)
            pending.append(value.object)
        elif cls is dict:
            for key, item in value.items():
                if type(key) in _PLAIN and type(item) in _PLAIN:
                    break  # numbers to numbers
                if type(key) not in _PLAIN:
                    self._follow(key, pending, owner)
                if type(item) not in _PLAIN:
                    self._follow(item, pending, owner)
        elif cls in (list, tuple, deque, set):
            for item in value:
                if type(item) in _PLAIN:
                    if cls is not tuple:
                        break
                else:
                    self._follow(item, pending, owner)
        else:
            pending.append(value)

    def _own(self, handle: Handle, owner: Any) -> None:
        if id(handle) in self.handles:
            self.fault(f"{handle!r} is in two places, the second is {owner!r}")
        self.handles[id(handle)] = handle
        self.counts[id(handle.object)] += 1

    def of(self, cls: type[Any]) -> Iterator[Any]:
        return (object_ for object_ in self.objects.values() if isinstance(object_, cls))

    # Handles

    def _missing(self, object_: Dispatcher) -> int:
        """How many more handles an object counts than there are."""
        expected = self.counts[id(object_)] + self.held.get(object_, 0)
        return object_.handle_count - expected - (object_ is self.kernel.root_job_dispatcher)

    def _find_orphans(self) -> bool:
        """Channels whose last handles lie in each other's queues keep each other, here as in every kernel of this kind, with
        all that is in their messages; and what a device may still write to is never given back. Answers whether there are
        some that were not known.
        """
        found = [
            object_
            for object_ in gc.get_objects()
            if (
                (isinstance(object_, ChannelDispatcher) and object_.handle_count)
                or (isinstance(object_, PinnedMemoryTokenDispatcher) and not object_._unpinned)
            )
            and object_.kernel is self.kernel
            and id(object_) not in self.objects
        ]
        self.orphans += found
        return bool(found)

    def _check_handles(self) -> None:
        for object_ in self.of(Dispatcher):
            missing = self._missing(object_)
            if missing:
                there = object_.handle_count - missing
                self.fault(f"{object_!r} counts {object_.handle_count} handles, and there are {there}")

    # Tasks

    def _check_tree(self) -> None:
        root = self.kernel.root_job_dispatcher
        seen: set[int] = set()
        for job in root.walk():
            if id(job) in seen:
                self.fault(f"{job!r} is in the tree twice")
                return
            seen.add(id(job))
            for process in job.processes():
                if id(process) in seen:
                    self.fault(f"{process!r} is in two jobs")
                seen.add(id(process))
        for job in self.of(JobDispatcher):
            alive = job.has_children or (job.handle_count and job.state is JobState.READY)
            if alive and id(job) not in seen:
                self.fault(f"{job!r} is alive, and not in the tree")
        host = self.kernel.host.dispatcher
        for process in self.of(ProcessDispatcher):
            if (process.state is not ProcessState.DEAD) != (id(process) in seen) and process is not host:
                self.fault(f"{process!r} is {process.state.name}, and in the tree: {id(process) in seen}")
        living: Counter[int] = Counter()
        for process in self.of(ProcessDispatcher):
            living[id(process.shared)] += process.state is not ProcessState.DEAD
        for process in self.of(ProcessDispatcher):
            shared = process.shared
            if shared.count != living[id(shared)]:
                self.fault(
                    f"the state of {process!r} counts {shared.count} processes, {living[id(shared)]} live"
                )
            if not shared.count and (shared.handles.handles or not shared.aspace.destroyed):
                self.fault(f"{process!r} is dead, and its state is not")

    # Memory

    def _check_memory(self) -> None:
        memory = self.kernel.memory
        lists: dict[int, PageList] = {}
        for vmo in self.of(VmObjectDispatcher):
            pages: PageList | None = vmo.pages if vmo.references or vmo.handle_count else None
            while pages is not None:  # a clone may outlive the VMO whose pages it shows
                lists[id(pages)] = pages
                pages = getattr(pages, "parent", None)
        owners: Counter[int] = Counter()
        families: dict[int, list[PageList]] = {}
        for pages in lists.values():
            families.setdefault(id(pages.family), []).append(pages)
            owners.update(pages.pages.values())
            end = pages.size >> PAGE_SHIFT
            if pages.pages and not 0 <= min(pages.pages) <= max(pages.pages) < end:
                self.fault(f"a page list of {end} pages has page {max(pages.pages)}")
        for members in families.values():
            shared: Counter[int] = Counter()
            for pages in members:
                shared.update(pages.pages.values())
            expected = {frame: count for frame, count in shared.items() if count > 1}
            family = members[0].family
            if family.owners != expected:
                self.fault(
                    f"a family counts {_short(family.owners)} owners, and there are {_short(expected)}"
                )
            if family.members != len(members):
                self.fault(f"a family counts {family.members} page lists, and there are {len(members)}")
            for frame, count in shared.items():
                if owners[frame] != count:
                    self.fault(f"frame {frame} is in two families")
        extra = [frame for frame in (self.kernel.zero_frame,) if frame in owners]
        if extra:
            self.fault("the frame of zeroes is part of a VMO")
        if memory.allocated != len(owners) + 1:
            self.fault(
                f"{memory.allocated} frames are in use, of VMOs are {len(owners)} and the one of zeroes"
            )
        free = set(memory._free)
        if len(free) != len(memory._free):
            self.fault("a frame is free twice")
        if not free.isdisjoint(owners) or self.kernel.zero_frame in free:
            self.fault("a frame is free, and in use")
        if memory.allocated + len(free) != memory._next:
            self.fault(
                f"{memory._next} frames were handed out, {memory.allocated} are in use and {len(free)} free"
            )

    # Threads and time

    def _check_scheduler(self) -> None:
        kernel = self.kernel
        queue = list(kernel.ready)
        if len({id(thread) for thread in queue}) != len(queue):
            self.fault("a thread is in the queue twice")
        queued = {id(thread) for thread in queue}
        for thread in self.of(ThreadDispatcher):
            if thread.queued != (id(thread) in queued):
                self.fault(
                    f"{thread!r} says queued={thread.queued}, and it is in the queue: {id(thread) in queued}"
                )
        timers = kernel.timers
        canceled = sum(1 for entry in timers._heap if entry[2].callback is None)
        if timers._canceled != canceled:
            self.fault(f"the timers count {timers._canceled} cancelled ones, and there are {canceled}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."


# ---- One object -------------------------------------------------------------------------------------------------------------


def _signal(check: Invariants, object_: Dispatcher, signal: int, expected: bool, what: str) -> None:
    if bool(object_.signals & signal) != bool(expected):
        check.fault(
            f"{object_!r}: {what} is {'not ' if expected else ''}asserted, with signals {object_.signals:#x}"
        )


def _dispatcher(check: Invariants, object_: Dispatcher) -> None:
    if object_.koid >= check.kernel._koid + 1:
        check.fault(f"{object_!r} has a koid that was not given out yet")
    for observer in object_._observers or ():
        handle = observer.handle
        if id(handle) not in check.handles:
            check.fault(f"{object_!r} is observed through {handle!r}, which is closed")
        if handle.object is not object_:
            check.fault(f"{object_!r} is observed through {handle!r}")


def _peered(check: Invariants, object_: PeeredDispatcher) -> None:
    peer = object_.peer
    if peer is None:
        if object_.PEER_CLOSED_SIGNAL and object_.handle_count:
            # An endpoint that is mapped counts as open.
            mapped = isinstance(object_, IoBufferDispatcher) and any(
                region.views[1 - object_.number].mappings for region in object_.regions
            )
            _signal(check, object_, object_.PEER_CLOSED_SIGNAL, not mapped, "PEER_CLOSED")
    elif peer.peer is not object_ or peer is object_:
        check.fault(f"the peer of {object_!r} is {peer!r}, whose peer is {peer.peer!r}")
    elif not object_.handle_count:
        check.fault(f"{object_!r} has a peer and no handles")


def _channel(check: Invariants, channel: ChannelDispatcher) -> None:
    if channel.handle_count:
        _signal(check, channel, ZX_CHANNEL_READABLE, bool(channel.messages), "READABLE")
        _signal(check, channel, ZX_CHANNEL_WRITABLE, channel.peer is not None, "WRITABLE")
    elif channel.messages:
        check.fault(f"{channel!r} is closed, and has messages")


def _socket(check: Invariants, socket: SocketDispatcher) -> None:
    if not socket.handle_count:
        return
    _signal(check, socket, ZX_SOCKET_READABLE, socket._size > 0, "READABLE")
    stored = len(socket._stream) if socket._datagrams is None else sum(map(len, socket._datagrams))
    if socket._size != stored:
        check.fault(f"{socket!r} counts {socket._size} bytes, and there are {stored}")


def _fifo(check: Invariants, fifo: FifoDispatcher) -> None:
    if not fifo.handle_count:
        return
    _signal(check, fifo, ZX_FIFO_READABLE, bool(fifo._queue), "READABLE")
    room = fifo.peer is not None and len(fifo.peer._queue) < fifo.element_count * fifo.element_size
    _signal(check, fifo, ZX_FIFO_WRITABLE, room, "WRITABLE")
    if len(fifo._queue) % fifo.element_size:
        check.fault(f"{fifo!r} has a part of an element")


def _counter(check: Invariants, counter: CounterDispatcher) -> None:
    _signal(check, counter, ZX_COUNTER_POSITIVE, counter.value > 0, "POSITIVE")
    _signal(check, counter, ZX_COUNTER_NON_POSITIVE, counter.value <= 0, "NON_POSITIVE")
    if not -(1 << 63) <= counter.value < 1 << 63:
        check.fault(f"{counter!r} is {counter.value}")


def _port(check: Invariants, port: PortDispatcher) -> None:
    own = sum(1 for packet in port._packets if packet.counted)
    if port._user_packets != own:
        check.fault(f"{port!r} counts {port._user_packets} packets of programs, and there are {own}")
    if port._packets and port._receivers:
        check.fault(f"{port!r} has packets, and threads that wait for one")
    for observer in port._observing:
        if observer not in (observer.handle.object._observers or ()):
            check.fault(f"{port!r} believes that it observes {observer.handle!r}")
    if not port.handle_count and (port._packets or port._observing):
        check.fault(f"{port!r} is closed, and has packets or observes")


def _waiter(check: Invariants, waiter: Waiter) -> None:
    """Somebody's place in a queue: who is in it waits there, and can be found."""
    thread = waiter.thread
    if thread is not None and thread.waiter is not waiter:
        check.fault(f"a wait of {thread!r} is not what it waits on")
    if type(waiter) is not Waiter and waiter.status is None and thread is None:
        check.fault(f"nobody waits on {waiter!r}, which is in a queue")


def _signal_waiter(check: Invariants, observer: SignalWaiter) -> None:
    object_ = observer.handle.object
    if observer.waiter.status is None and observer.trigger & object_.signals:
        check.fault(
            f"a thread waits for {observer.trigger:#x} of {object_!r}, which has {object_.signals:#x}"
        )


def _futexes(check: Invariants, context: FutexContext) -> None:
    for key, futex in context._futexes.items():
        if not futex.waiters:
            check.fault(f"there is a futex {key:#x} on which nobody waits")
        for waiter in futex.waiters:
            if waiter.key != key:
                check.fault(f"who waits on futex {key:#x} says {waiter.key:#x}")
            if waiter.thread is not None and waiter.thread is not waiter.who:
                check.fault(f"{waiter.who!r} waits on futex {key:#x}, and {waiter.thread!r} would be woken")


def _job(check: Invariants, job: JobDispatcher) -> None:
    _signal(check, job, ZX_JOB_NO_JOBS, not job._jobs, "NO_JOBS")
    _signal(check, job, ZX_JOB_NO_PROCESSES, not job._processes, "NO_PROCESSES")
    _signal(check, job, ZX_JOB_NO_CHILDREN, not job.has_children, "NO_CHILDREN")
    _signal(check, job, ZX_JOB_TERMINATED, job.state is JobState.DEAD, "TERMINATED")
    for child in job.jobs():
        if child.parent is not job:
            check.fault(f"{child!r} is in {job!r}, and says {child.parent!r}")
        if child.max_height != job.max_height - 1:
            check.fault(f"{child!r} may have {child.max_height} levels below it, its parent {job.max_height}")
        if child.state is JobState.DEAD:
            check.fault(f"{child!r} is dead, and in {job!r}")
    for process in job.processes():
        if process.job is not job:
            check.fault(f"{process!r} is in {job!r}, and says {process.job!r}")
    if job.state is JobState.DEAD and job.has_children:
        check.fault(f"{job!r} is dead, and has children")
    if job.state is JobState.KILLING and not job.has_children:
        check.fault(f"{job!r} is being killed, and has nothing to wait for")


def _process(check: Invariants, process: ProcessDispatcher) -> None:
    dead = process.state is ProcessState.DEAD
    _signal(check, process, ZX_PROCESS_TERMINATED, dead, "TERMINATED")
    threads = list(process.threads())
    if process is check.kernel.host.dispatcher:
        return
    if bool(threads) != (process.state in (ProcessState.RUNNING, ProcessState.DYING)):
        check.fault(f"{process!r} is {process.state.name}, with {len(threads)} threads")
    if process.state is ProcessState.INITIAL and not process.handle_count:
        check.fault(f"{process!r} can never start")
    for thread in threads:
        if thread.process is not process:
            check.fault(f"{thread!r} is in {process!r}, and says {thread.process!r}")
        if thread.state in (ThreadState.INITIAL, ThreadState.DEAD):
            check.fault(f"{thread!r} of {process!r} is {thread.state.name}")
        if process.state is ProcessState.DYING and thread.state not in (ThreadState.DYING, ThreadState.DEAD):
            check.fault(f"{process!r} is dying, and {thread!r} is not")
    if process.suspend_count < 0:
        check.fault(f"{process!r} counts {process.suspend_count} suspensions")


def _thread(check: Invariants, thread: ThreadDispatcher) -> None:
    state = thread.state
    _signal(
        check, thread, ZX_THREAD_RUNNING, state is ThreadState.RUNNING, "RUNNING"
    ) if state is not ThreadState.DYING else None
    _signal(check, thread, ZX_THREAD_TERMINATED, state is ThreadState.DEAD, "TERMINATED")
    if state is ThreadState.SUSPENDED:
        _signal(check, thread, ZX_THREAD_SUSPENDED, True, "SUSPENDED")
        if not thread.suspend_count:
            check.fault(f"{thread!r} is suspended by nobody")
    if thread.suspend_count < 0:
        check.fault(f"{thread!r} counts {thread.suspend_count} suspensions")
    if thread is check.kernel.host.thread:
        return
    if state is ThreadState.DEAD and (
        thread.waiter is not None
        or thread.coroutine is not None
        or thread.interrupted is not None
        or thread.context is not None
        or thread.restricted is not None
        or thread.in_exception is not None
    ):
        check.fault(f"{thread!r} is dead, and has something left")
    waiter = thread.waiter
    if waiter is not None:
        if waiter.thread is not thread:
            check.fault(f"{thread!r} waits on what says {waiter.thread!r}")
        if waiter.status is not None:
            check.fault(f"{thread!r} waits on what is over")
        if waiter.timer is not None and waiter.timer.callback is None:
            check.fault(f"{thread!r} has a deadline that was cancelled")
    elif state is ThreadState.RUNNING and not thread.queued and thread is not check.kernel.current:
        check.fault(f"{thread!r} can run, waits for nothing and is not in the queue")
    if state in (ThreadState.RUNNING, ThreadState.SUSPENDED) and thread.koid not in thread.process._threads:
        check.fault(f"{thread!r} is {state.name}, and its process does not know it")


def _vmo(check: Invariants, vmo: VmObjectDispatcher) -> None:
    if not vmo.references and not vmo.handle_count:
        if vmo in vmo.pages.views:
            check.fault(f"{vmo!r} is nobody's, and still there")
        return
    _signal(check, vmo, ZX_VMO_ZERO_CHILDREN, not vmo.children, "ZERO_CHILDREN")
    for child in vmo.children:
        if child.parent is not vmo:
            check.fault(f"{child!r} is a child of {vmo!r}, and says {child.parent!r}")
    if vmo.parent is not None and vmo not in vmo.parent.children:
        check.fault(f"{vmo!r} is no child of its parent {vmo.parent!r}")
    if vmo not in vmo.pages.views:
        check.fault(f"{vmo!r} is no view of its pages")
    if vmo.references < len(vmo.mappings):
        check.fault(f"{vmo!r} counts {vmo.references} references, and has {len(vmo.mappings)} mappings")
    aspaces = Counter(mapping.aspace for mapping in vmo.mappings)
    if dict(aspaces) != vmo.aspaces:
        check.fault(f"{vmo!r} counts wrongly how often aspaces map it")
    for mapping in vmo.mappings:
        if mapping.vmo is not vmo or mapping.parent is None:
            check.fault(f"{vmo!r} has a mapping that is not there")
    if vmo.size & PAGE_MASK:
        check.fault(f"{vmo!r} has a size of {vmo.size:#x}")
    if vmo.stream_size > vmo.size and not vmo.reference:
        check.fault(f"{vmo!r} has a content of {vmo.stream_size:#x} in {vmo.size:#x}")


def _aspace(check: Invariants, aspace: VmAspace) -> None:
    if aspace.destroyed:
        if aspace.root_vmar.alive or aspace.root_vmar._bases or aspace._read_tlb or aspace._write_tlb:
            check.fault(f"a destroyed aspace at {aspace.base:#x} has something left")
        return
    if not aspace.root_vmar.alive:
        check.fault(f"the root of the aspace at {aspace.base:#x} is dead")
    if aspace._last is not None and aspace._last.parent is None:
        check.fault(f"the aspace at {aspace.base:#x} remembers a mapping that is gone")
    mappings = list(aspace.mappings())
    for tlb, needed in ((aspace._read_tlb, ZX_VM_PERM_READ), (aspace._write_tlb, ZX_VM_PERM_WRITE)):
        for page, place in tlb.items():
            _shown(check, aspace, page, place >> PAGE_SHIFT, needed)
    for page, frame, access in aspace.machine.shown():
        _shown(check, aspace, page, frame, access)
    for view in getattr(aspace.machine, "views", ()):  # of the native engine: what Linux has mapped
        for page in view.stale():
            check.fault(
                f"page {page << PAGE_SHIFT:#x} of the aspace at {aspace.base:#x} is mapped as it was before"
            )
    for left, right in itertools.pairwise(mappings):
        if left.base + left.size > right.base:
            check.fault(f"mappings at {left.base:#x} and {right.base:#x} overlap")


def _shown(check: Invariants, aspace: VmAspace, page: int, frame: int, access: int) -> None:
    """The aspace shows a frame at a page: it has to be what the tree of regions says."""
    address = page << PAGE_SHIFT
    mapping = aspace.root_vmar.find_mapping(address)
    where = f"page {address:#x} of the aspace at {aspace.base:#x}"
    if mapping is None:
        check.fault(f"{where} is shown, and not mapped")
        return
    allowed = mapping.access_at(address)[0]
    if access & ~allowed:
        check.fault(f"{where} allows {access}, and may {allowed}")
    pages = mapping.vmo.pages
    writable = True
    try:
        expected, writable = pages.frame_for_read(page + mapping.delta)
    except PageNeeded:
        check.fault(f"{where} is shown, and the pager has not supplied it")
        return
    if address >= mapping.base + max(0, mapping.vmo.fault_limit(mapping.beyond_stream) - mapping.vmo_offset):
        check.fault(f"{where} is behind the end of its VMO")
    if expected is None:
        if frame != check.kernel.zero_frame or access & WRITE:
            check.fault(f"{where} shows frame {frame} for access {access}, and nothing is committed")
        elif page + mapping.delta not in pages.zero_mapped:
            check.fault(f"{where} shows zeroes, and the VMO does not know it")
    elif frame != expected:
        check.fault(f"{where} shows frame {frame} instead of {expected}")
    elif access & WRITE and not writable:
        check.fault(f"{where} can be written, and frame {frame} is shared, or clean")


def _region(check: Invariants, region: VmAddressRegion) -> None:
    if not region.alive:
        if region._bases:
            check.fault(f"a dead region at {region.base:#x} has children")
        return
    end = region.base
    if sorted(region._regions) != region._bases:
        check.fault(f"the region at {region.base:#x} has lost count of its children")
        return
    for base in region._bases:
        child = region._regions[base]
        if child.base != base or child.base < end or child.base + child.size > region.base + region.size:
            check.fault(f"the child at {child.base:#x} does not fit into the region at {region.base:#x}")
        if child.parent is not region or (isinstance(child, VmAddressRegion) and not child.alive):
            check.fault(f"the child at {child.base:#x} of the region at {region.base:#x} does not know it")
        if not child.size or (child.base | child.size) & PAGE_MASK:
            check.fault(f"the child at {child.base:#x} has a size of {child.size:#x}")
        if isinstance(child, VmAddressRegion) and child.options & ~region.options & ~0x40:
            check.fault(f"the region at {child.base:#x} may more than its parent")
        end = child.base + child.size
        if isinstance(child, VmMapping) and child.parent is region and child not in child.vmo.mappings:
            check.fault(f"the mapping at {child.base:#x} is unknown to its VMO")
    gap = region.base
    for base in region._bases:
        if gap < base:
            break
        gap = base + region._regions[base].size
    if region._hint > gap and gap < region.base + region.size:
        check.fault(
            f"the region at {region.base:#x} looks for gaps from {region._hint:#x}, there is one at {gap:#x}"
        )


def _table(check: Invariants, table: HandleTable) -> None:
    for value in table.handles:
        if value & 3 != 3 or not 0 < value < 1 << 32:
            check.fault(f"{value:#x} is no value for a handle")


_CHECKS: Final[dict[type, Callable[[Invariants, Any], None]]] = {
    Dispatcher: _dispatcher,
    PeeredDispatcher: _peered,
    ChannelDispatcher: _channel,
    SocketDispatcher: _socket,
    FifoDispatcher: _fifo,
    CounterDispatcher: _counter,
    PortDispatcher: _port,
    Waiter: _waiter,
    SignalWaiter: _signal_waiter,
    FutexContext: _futexes,
    JobDispatcher: _job,
    ProcessDispatcher: _process,
    ThreadDispatcher: _thread,
    VmObjectDispatcher: _vmo,
    VmAspace: _aspace,
    VmAddressRegion: _region,
    HandleTable: _table,
}
