"""Python bodies: threads whose program is a coroutine."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, cast

from jacinth.abi import ZX_RIGHT_MANAGE_THREAD, ZX_RIGHT_TRANSFER, ZX_RIGHT_WRITE, Status, ZxError
from jacinth.api.handle import Handle, values, wrap
from jacinth.api.status import ZxBadState, ZxShouldWait, ZxStatus, translated
from jacinth.kernel.handle import Handle as KernelHandle
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.syscalls.door import BodySys, Call, HostSys

if TYPE_CHECKING:
    from jacinth.api.channel import CallBuffer
    from jacinth.api.kernel import Kernel
    from jacinth.api.memory import Vmar
    from jacinth.api.task import Job, Process, Thread
    from jacinth.kernel.object import Dispatcher

# `async def main(zx: Body, ...)`: what it returns is its process's return code; None ends its thread alone.
BodyFunction = Callable[..., Coroutine[Any, Any, int | None]]


class Body(BodySys):
    """What a Python body gets as its first argument: its system calls, and its place in the system.

    Raw calls are awaited, with or without the prefix: `status, event = await zx.event_create(0)`. `process`,
    `thread`, `job` and `root_vmar` are handles of its own, such as a launcher gives to a program; those that
    it used are closed when it ends.
    """

    is_body: Final = True

    def __init__(self, thread: ThreadDispatcher) -> None:
        super().__init__(thread)
        # Its calls that cannot wait, without the awaiting.
        self.sys = HostSys(thread)
        self.sys.call = self.call
        self.waits: BodySys = self
        self.call_buffer: CallBuffer | None = None
        self._own: list[Handle[Body]] = []

    @cached_property
    def process(self) -> Process[Body]:
        """Its process."""
        return cast("Process[Body]", self._handle(self.call.process))

    @cached_property
    def thread(self) -> Thread[Body]:
        """Its thread."""
        return cast("Thread[Body]", self._handle(self.call.thread))

    @cached_property
    def job(self) -> Job[Body]:
        """The job of its process."""
        return cast("Job[Body]", self._handle(self.call.process.job))

    @cached_property
    def root_vmar(self) -> Vmar[Body]:
        """The root of its address space; where it shares one, of the shared part."""
        root = VmAddressRegionDispatcher.root(self.call.process.shared.aspace)
        return cast("Vmar[Body]", self._handle(root))

    @cached_property
    def restricted_vmar(self) -> Vmar[Body]:
        """The root of the restricted part of its address space. Raises ZxBadState where it has none."""
        restricted = self.call.process.restricted
        if restricted is None:
            raise ZxBadState
        return cast("Vmar[Body]", self._handle(VmAddressRegionDispatcher.root(restricted)))

    def _handle(self, dispatcher: Dispatcher) -> Handle[Body]:
        raw = self.call.handles.add(KernelHandle(dispatcher, dispatcher.DEFAULT_RIGHTS))
        handle = wrap(self, raw)
        self._own.append(handle)
        return handle

    def load(self, address: int, size: int) -> bytes:
        """Read its own memory, as machine code does: no call.

        Raises ZxInvalidArgs where that cannot be read, ZxShouldWait where a pager has yet to supply it: `page_in`.
        """
        try:
            return translated(self.call.memory.read_user, address, size)
        except PageNeeded:
            raise ZxShouldWait from None

    def store(self, address: int, data: bytes) -> None:
        """Write its own memory, as machine code does: no call.

        Raises ZxInvalidArgs where that cannot be written, ZxShouldWait where a pager has yet to supply it: `page_in`.
        """
        try:
            translated(self.call.memory.write_user, address, data)
        except PageNeeded:
            raise ZxShouldWait from None

    async def page_in(self, address: int, size: int, *, write: bool = False) -> None:
        """Wait until its own memory can be read, or written, without waiting.

        Raises ZxInvalidArgs where there is none, or the pager fails.
        """
        while True:
            try:
                return translated(partial(self.call.memory.touch, write=write), address, size)
            except PageNeeded as need:
                status = await need.arrive()
                if status is not None:
                    raise ZxStatus.of(status) from None

    def close(self) -> None:
        """The body has ended: its own handles go."""
        own, self._own = self._own, []
        table = self.call.handles
        for handle in own:
            if not handle.is_invalid and table.get(handle.raw) is not None:
                table.close(handle.take())
        if self.call_buffer is not None:
            self.call_buffer.close()


async def _run(zx: Body, function: BodyFunction, args: Sequence[Any]) -> int | None:
    try:
        return await function(zx, *args)
    finally:
        zx.close()


def start_body(
    caller: Kernel | Body,
    thread: Handle[Any],
    function: BodyFunction,
    args: Sequence[Any],
    process: Handle[Any] | None,
) -> None:
    """Start *thread* with `function(zx, *args)`, as the first one of *process* where that is given.

    Handles among *args* are the new body's afterwards, or closed where this fails.
    """
    moving = [arg for arg in args if isinstance(arg, Handle)]
    values(caller, [thread, *moving])
    translated(_start_body, caller.sys.call, thread, function, args, process)


def _start_body(
    call: Call,
    thread: Handle[Any],
    function: BodyFunction,
    args: Sequence[Any],
    process: Handle[Any] | None,
) -> None:
    moving = {id(arg): arg for arg in args if isinstance(arg, Handle)}
    sent = {key: (type(handle), handle.take()) for key, handle in moving.items()}
    table = call.handles
    try:
        if process is not None:
            call.dispatcher(process.raw, ProcessDispatcher, ZX_RIGHT_WRITE)
        rights = ZX_RIGHT_MANAGE_THREAD if process is None else ZX_RIGHT_WRITE
        dispatcher = call.dispatcher(thread.raw, ThreadDispatcher, rights)
        target = dispatcher.process.handles
        if target is not table:
            for _, raw in sent.values():
                if not call.handle(raw).rights & ZX_RIGHT_TRANSFER:
                    raise ZxError(Status.ACCESS_DENIED)
            for key, (cls, raw) in sent.items():
                sent[key] = cls, target.add(table.transfer(raw))
            table = target
        zx = Body(dispatcher)
        arrived = {key: cls(zx, raw) for key, (cls, raw) in sent.items()}
        coroutine = _run(zx, function, [arrived.get(id(arg), arg) for arg in args])
        try:
            dispatcher.start_body(coroutine, first=process is not None)
        except ZxError:
            coroutine.close()
            raise
    except ZxError:
        for _, raw in sent.values():
            if table.get(raw) is not None:
                table.close(raw)
        raise
