"""The kernel's trace: what threads, system calls, channels and faults did, in a buffer, as FXT records.

A probe of the kernel that is there only while something is traced. A record for which there is no room is dropped; how many were,
and when, is a record of its own once there is room. A reader takes what it reads out of the buffer.

Source: zircon/kernel/lib/ktrace, include/lib/ktrace.h; what is written: scheduler_inline.h, channel_dispatcher.rs, syscalls.cc.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from jacinth.abi import (
    KTRACE_ACTION_REWIND,
    KTRACE_ACTION_START,
    KTRACE_ACTION_START_CIRCULAR,
    KTRACE_ACTION_STOP,
    KTRACE_GRP_ALL,
    KTRACE_GRP_IPC,
    KTRACE_GRP_META,
    KTRACE_GRP_RESTRICTED,
    KTRACE_GRP_SCHEDULER,
    KTRACE_GRP_SYSCALL,
    KTRACE_GRP_VM,
    SYSCALLS,
    ZX_OBJ_TYPE_PROCESS,
    ZX_OBJ_TYPE_THREAD,
    ZX_THREAD_STATE_BLOCKED,
    ZX_THREAD_STATE_DEAD,
    ZX_THREAD_STATE_NEW,
    ZX_THREAD_STATE_SUSPENDED,
    Status,
    ZxError,
)
from jacinth.kernel import fxt
from jacinth.kernel.fxt import ArgumentType, EventType
from jacinth.kernel.probe import KernelProbe, MessageStep
from jacinth.kernel.thread import ThreadState

if TYPE_CHECKING:
    from jacinth.kernel.ipc.channel import ChannelDispatcher, Message
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.thread import ThreadDispatcher

BUFFER_SIZE: Final = 32 << 20  # bytes, as a kernel has that nobody told another size
_TICKS_PER_SECOND: Final = 1_000_000_000
_KERNEL_TXID: Final = 1 << 31  # set in transaction ids of the kernel's making
_FIDL_HEADER: Final = (
    16  # bytes of what a message begins with: a transaction id, and from the eighth on what it asks for
)

# The string table: an index for everything that stands in more than one record.
_STRINGS: Final = (
    *(row.name.removeprefix("zx_") for row in SYSCALLS),
    *("kernel:meta", "kernel:sched", "kernel:ipc", "kernel:syscall", "kernel:vm", "kernel:restricted"),
    *(
        "process",
        "job",
        "waker",
        "weight",
        "outgoing_weight",
        "incoming_weight",
        "drop_stats",
        "num_records",
        "num_bytes",
    ),
    *("ChannelMessage", "ChannelFlow", "ordinal", "page_fault", "address", "access"),
    *("restricted mode", "reason"),
)
_INDEX: Final = {text: index for index, text in enumerate(_STRINGS, start=1)}
_SYSCALL_NAMES: Final = {row.name: _INDEX[row.name.removeprefix("zx_")] for row in SYSCALLS}

_META, _SCHED, _IPC, _SYSCALL, _VM, _RESTRICTED = (
    _INDEX[f"kernel:{name}"] for name in ("meta", "sched", "ipc", "syscall", "vm", "restricted")
)

_IDLE_WEIGHT: Final = -(1 << 31)

_FLOWS: Final = {
    MessageStep.WRITE: EventType.FLOW_BEGIN,
    MessageStep.CALL: EventType.FLOW_BEGIN,
    MessageStep.READ: EventType.FLOW_END,
    MessageStep.REPLY: EventType.FLOW_END,
}


class KTrace(KernelProbe):
    """`kernel.ktrace`. *size* is the buffer's, in bytes; it may be changed before the first start.

    With *on_full* nothing is dropped: it gets all that is in the buffer when that is full.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.size = BUFFER_SIZE
        self.on_full: Callable[[bytes], None] | None = None
        self.categories = 0  # KTRACE_GRP_*, of which records are written
        self.started = False  # ever
        self._writing = False
        self._buffer = bytearray()
        # By CPU: its koid in the trace, and that of its idle thread; who had it last, and whether it is idle since then.
        self._cpu_koids: list[int] = []
        self._idle_koids: list[int] = []
        self._running: list[ThreadDispatcher | None] = []
        self._idle: list[bool] = []
        self._flows: dict[int, int] = {}  # of messages that are queued, by identity
        self._last_flow = 0
        self._dropped = 0  # records
        self._dropped_bytes = 0
        self._first_dropped = self._last_dropped = 0  # when

    # Control

    def control(self, action: int, options: int) -> None:
        """Do a KTRACE_ACTION_*, of which *options* are the categories of a start, 0 for all: INVALID_ARGS."""
        match action:
            case _ if action in (KTRACE_ACTION_START, KTRACE_ACTION_START_CIRCULAR):
                self.start(options or KTRACE_GRP_ALL)
            case _ if action == KTRACE_ACTION_STOP:
                self.stop()
            case _ if action == KTRACE_ACTION_REWIND:
                self.rewind()
            case _:
                raise ZxError(Status.INVALID_ARGS)

    def start(self, categories: int = KTRACE_GRP_ALL) -> None:
        """Write records of these KTRACE_GRP_* *categories*, and of no other ones, from now on.

        They follow what is in the buffer already. A trace that was stopped begins again with all that is needed to read it.
        """
        if not self.started:
            self.started = True
            for _ in range(self._kernel.engine.cpus):
                self._cpu_koids.append(self._kernel.new_koid())
                self._idle_koids.append(self._kernel.new_koid())
        if not self._writing:
            self._writing = True
            self._running = [self._kernel.on_cpu(cpu) for cpu in range(self._kernel.engine.cpus)]
            self._idle = [thread is None for thread in self._running]
            self._report()
            self._kernel.add_probe(self)
        if categories & KTRACE_GRP_SYSCALL:
            self._kernel.watch_calls()
        self.categories = categories

    def stop(self) -> None:
        """Write no more. What was dropped is told, if there is room for that."""
        self.categories = 0
        self._end()
        if self._dropped:
            stats = self._drop_stats()
            if len(self._buffer) + len(stats) <= self.size:
                self._buffer += stats
                self._dropped = self._dropped_bytes = 0

    def rewind(self) -> None:
        """Write no more, and forget all that is in the buffer."""
        self._end()
        self._buffer.clear()
        self._dropped = self._dropped_bytes = 0

    def _end(self) -> None:
        if self._writing:
            self._writing = False
            self._kernel.remove_probe(self)
            self._flows.clear()
            self._running = []

    def records(self) -> bytes:
        """All that is in the buffer."""
        return bytes(self._buffer)

    def drain(self, size: int) -> None:
        """Take the first *size* bytes out of the buffer: somebody has read them."""
        del self._buffer[:size]

    def read(self) -> bytes:
        """Take all that is in the buffer out of it."""
        records = self.records()
        self._buffer.clear()
        return records

    def _write(self, record: bytes) -> None:
        size = len(record)
        if self._dropped:
            stats = self._drop_stats()
            if len(self._buffer) + len(stats) + size <= self.size:
                self._buffer += stats
                self._dropped = self._dropped_bytes = 0
        if len(self._buffer) + size > self.size:
            if self.on_full is None:
                self._drop(size)
                return
            self.on_full(self.read())
        self._buffer += record

    def _drop(self, size: int) -> None:
        self._last_dropped = self._kernel.clock.now()
        if not self._dropped:
            self._first_dropped = self._last_dropped
        self._dropped += 1
        self._dropped_bytes += size

    def _drop_stats(self) -> bytes:
        return fxt.event(
            EventType.DURATION_COMPLETE,
            _META,
            _INDEX["drop_stats"],
            self._first_dropped,
            0,
            self._cpu_koids[0],
            fxt.argument(ArgumentType.UINT32, _INDEX["num_records"], self._dropped),
            fxt.argument(ArgumentType.UINT32, _INDEX["num_bytes"], self._dropped_bytes),
            content=self._last_dropped,
        )

    # What a reader needs before anything else

    def _report(self) -> None:
        write = self._write
        write(fxt.MAGIC)
        write(fxt.initialization(_TICKS_PER_SECOND))
        for text, index in _INDEX.items():
            write(fxt.string(index, text.encode()))
        nobody = fxt.argument(ArgumentType.KOID, _INDEX["process"], 0)
        for cpu, (koid, idle) in enumerate(zip(self._cpu_koids, self._idle_koids, strict=True)):
            write(fxt.kernel_object(koid, ZX_OBJ_TYPE_THREAD, b"cpu-%d" % cpu, nobody))
            write(fxt.kernel_object(idle, ZX_OBJ_TYPE_THREAD, b"idle %d" % cpu, nobody))
        host = self._kernel.host_thread
        if host is not None:
            self._report_process(host.process)
            self._report_thread(host)
        for job in self._kernel.root_job_dispatcher.walk():
            for process in job.processes():
                self._report_process(process)
                for thread in process.threads():
                    self._report_thread(thread)

    def _report_process(self, process: ProcessDispatcher) -> None:
        job = fxt.argument(ArgumentType.KOID, _INDEX["job"], process.job.koid)
        self._write(fxt.kernel_object(process.koid, ZX_OBJ_TYPE_PROCESS, process.name, job))

    def _report_thread(self, thread: ThreadDispatcher) -> None:
        process = fxt.argument(ArgumentType.KOID, _INDEX["process"], thread.process.koid)
        self._write(fxt.kernel_object(thread.koid, ZX_OBJ_TYPE_THREAD, thread.name, process))

    def on_process_create(self, process: ProcessDispatcher) -> None:
        if self.categories & KTRACE_GRP_META:
            self._report_process(process)

    def on_thread_start(self, thread: ThreadDispatcher) -> None:
        if self.categories & KTRACE_GRP_META:
            self._report_thread(thread)

    # Turns

    def on_wake(self, thread: ThreadDispatcher) -> None:
        if not self.categories & KTRACE_GRP_SCHEDULER:
            return
        arguments = [fxt.argument(ArgumentType.INT32, _INDEX["weight"], thread.weight)]
        waker = self._kernel.current
        if waker is not None:
            arguments.append(fxt.argument(ArgumentType.KOID, _INDEX["waker"], waker.koid))
        self._write(fxt.thread_wakeup(self._kernel.cpu, self._kernel.clock.now(), thread.koid, *arguments))

    def on_switch(
        self, cpu: int, left: ThreadDispatcher | None, left_at: int, thread: ThreadDispatcher | None
    ) -> None:
        if thread is None:
            if not self._idle[cpu]:
                self._switch(cpu, self._idle_koids[cpu], _IDLE_WEIGHT)
                self._idle[cpu] = True
            return
        if self._idle[cpu] or thread is not self._running[cpu]:
            self._switch(cpu, thread.koid, thread.weight)
        self._running[cpu], self._idle[cpu] = thread, False

    def _switch(self, cpu: int, koid: int, weight: int) -> None:
        """The thread with that koid and weight has the CPU from now on."""
        if not self.categories & KTRACE_GRP_SCHEDULER:
            return
        left = self._running[cpu]
        if self._idle[cpu] or left is None:  # to be had at any time
            outgoing, state, weighed = self._idle_koids[cpu], ZX_THREAD_STATE_NEW, _IDLE_WEIGHT
        else:
            outgoing, state, weighed = left.koid, _state(left), left.weight
        weights = (
            fxt.argument(ArgumentType.INT32, _INDEX["outgoing_weight"], weighed),
            fxt.argument(ArgumentType.INT32, _INDEX["incoming_weight"], weight),
        )
        self._write(fxt.context_switch(cpu, self._kernel.clock.now(), state, outgoing, koid, *weights))

    # System calls

    def on_call(self, thread: ThreadDispatcher, name: str) -> None:
        if self.categories & KTRACE_GRP_SYSCALL:
            self._event(EventType.DURATION_BEGIN, _SYSCALL, _SYSCALL_NAMES[name], thread)

    def on_return(self, thread: ThreadDispatcher, name: str) -> None:
        if self.categories & KTRACE_GRP_SYSCALL:
            self._event(EventType.DURATION_END, _SYSCALL, _SYSCALL_NAMES[name], thread)

    def _event(
        self,
        type_: EventType,
        category: int,
        name: int,
        thread: ThreadDispatcher | None,
        *arguments: bytes,
        content: int | None = None,
    ) -> None:
        process, koid = (
            (0, self._idle_koids[self._kernel.cpu]) if thread is None else (thread.process.koid, thread.koid)
        )
        now = self._kernel.clock.now()
        self._write(fxt.event(type_, category, name, now, process, koid, *arguments, content=content))

    # Messages

    def on_message(self, channel: ChannelDispatcher, message: Message, step: MessageStep) -> None:
        """A duration without length, and within it a piece of the arrow from the writer to the reader."""
        if not self.categories & KTRACE_GRP_IPC:
            return
        data = message[0]
        txid = ordinal = 0
        if len(data) >= _FIDL_HEADER:
            txid, ordinal = int.from_bytes(data[:4], "little"), int.from_bytes(data[8:16], "little")
        flow = EventType.FLOW_STEP
        if step in (MessageStep.CALL, MessageStep.REPLY) or not txid & _KERNEL_TXID:
            flow = _FLOWS[step]
        number = self._flow(channel, message, txid, flow)
        thread = self._kernel.current
        name = _INDEX["ChannelMessage"]
        argument = fxt.argument(ArgumentType.UINT64, _INDEX["ordinal"], ordinal)
        self._event(EventType.DURATION_BEGIN, _IPC, name, thread, argument)
        self._event(flow, _IPC, _INDEX["ChannelFlow"], thread, content=number)
        self._event(EventType.DURATION_END, _IPC, name, thread)

    def _flow(self, channel: ChannelDispatcher, message: Message, txid: int, flow: EventType) -> int:
        """The number of the arrow: of a call that of its transaction, of any other message its own."""
        if txid & _KERNEL_TXID:
            low = txid
        elif flow is EventType.FLOW_BEGIN:
            self._last_flow = (self._last_flow + 1) % _KERNEL_TXID
            low = self._flows[id(message)] = self._last_flow
        else:
            low = self._flows.pop(id(message), 0)  # written before anybody traced
        return min(channel.koid, channel.related_koid) << 32 & (1 << 64) - 1 | low

    # Memory and restricted mode

    def on_page_fault(self, thread: ThreadDispatcher, address: int, access: int) -> None:
        if self.categories & KTRACE_GRP_VM:
            self._event(
                EventType.DURATION_COMPLETE,
                _VM,
                _INDEX["page_fault"],
                thread,
                fxt.argument(ArgumentType.POINTER, _INDEX["address"], address),
                fxt.argument(ArgumentType.UINT32, _INDEX["access"], access),
                content=self._kernel.clock.now(),
            )

    def on_restricted(self, thread: ThreadDispatcher, reason: int | None) -> None:
        if not self.categories & KTRACE_GRP_RESTRICTED:
            return
        name = _INDEX["restricted mode"]
        if reason is None:
            self._event(EventType.DURATION_BEGIN, _RESTRICTED, name, thread)
        else:
            argument = fxt.argument(ArgumentType.UINT64, _INDEX["reason"], reason)
            self._event(EventType.DURATION_END, _RESTRICTED, name, thread, argument)


def _state(thread: ThreadDispatcher) -> int:
    """The ZX_THREAD_STATE_* of a thread that has left the CPU."""
    if thread.state in (ThreadState.DYING, ThreadState.DEAD):
        return ZX_THREAD_STATE_DEAD
    if thread.state is ThreadState.SUSPENDED:
        return ZX_THREAD_STATE_SUSPENDED
    if thread.waiter is not None or thread.in_exception is not None:
        return ZX_THREAD_STATE_BLOCKED
    return ZX_THREAD_STATE_NEW  # it can go on
