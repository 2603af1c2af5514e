"""Fault injection: `kernel.faults` makes calls fail, memory run out and peers close, at a place that is counted, not timed.

A fault counts the events of its kind from when it is made, and happens at the *nth* of them and those that follow it, *times* in
all. The host's own calls neither count nor fail: who arranges faults is not the one to suffer them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from jacinth.abi import BY_NAME, Status, ZxError
from jacinth.abi.rows import Vdso
from jacinth.kernel.object import Dispatcher, PeeredDispatcher
from jacinth.machine.memory import OutOfMemory
from jacinth.syscalls import door

if TYPE_CHECKING:
    from jacinth.kernel.handle import HandleTable
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.syscalls.door import Call

FOREVER: Final = 1 << 63


class Fault:
    """One arranged fault. *seen* counts the events that it looked at, *fired* how often it has happened."""

    def __init__(self, what: str, nth: int, times: int) -> None:
        if nth < 1 or times < 1:
            raise ValueError("the first event is number 1, and a fault happens at least once")
        self.what = what
        self.nth = nth
        self.times = times
        self.seen = 0
        self.fired = 0
        self.cancelled = False

    def cancel(self) -> None:
        """It happens no more."""
        self.cancelled = True

    def due(self) -> bool:
        """Count one event. Answers whether the fault happens at it."""
        if self.cancelled or self.fired == self.times:
            return False
        self.seen += 1
        if self.seen < self.nth:
            return False
        self.fired += 1
        return True

    def __repr__(self) -> str:
        return f"<Fault {self.what} nth={self.nth} times={self.times} seen={self.seen} fired={self.fired}>"


class _CallFault(Fault):
    def __init__(
        self, name: str | None, act: Callable[[], None], koid: int | None, nth: int, times: int, what: str
    ) -> None:
        super().__init__(what, nth, times)
        self.name = name
        self.act = act
        self.koid = koid

    def concerns(self, name: str, call: Call) -> bool:
        if self.name is not None and self.name != name:
            return False
        return self.koid is None or self.koid in (call.process.koid, call.thread.koid)


def _require(name: str) -> None:
    if name not in door.IMPLEMENTED or BY_NAME[name].vdso is Vdso.VDSO:
        raise ValueError(f"{name} is no call that the kernel answers")


class Faults:
    """`kernel.faults`: what is to go wrong.

    A kernel in which nothing was arranged runs as fast as ever.
    """

    def __init__(self, kernel: Kernel, host: ProcessDispatcher) -> None:
        self._kernel = kernel
        self._host = host
        self._calls: list[_CallFault] = []
        self._commits: list[Fault] = []

    def fail(self, call: str, status: int, *, nth: int = 1, times: int = 1, by: int | None = None) -> Fault:
        """The *nth* `zx_...` call of that name answers *status* and does nothing, but for closing the handles that it
        consumes whatever happens.

        *by* is the koid of a process or a thread; without it the calls of all but the host count. Raises ValueError for
        a name that is no call, for ZX_OK, and for a call that the vDSO answers without the kernel.
        """
        answer = Status(status)
        if answer == Status.OK:
            raise ValueError("a fault answers an error")
        _require(call)

        def refuse() -> None:
            raise ZxError(answer)

        return self._arrange(call, refuse, by, nth, times, f"{call} answers {answer.name}")

    def close_peer(
        self, koid: int, *, before: str | None = None, nth: int = 1, by: int | None = None
    ) -> Fault:
        """Just before the *nth* call (of the name *before*, or of any), the other end of the object with that koid goes:
        all handles to it are closed, as though those who hold them had done so.

        A handle on its way in a message keeps its object. Raises ValueError where *before* is no call of the kernel.
        """
        if before is not None:
            _require(before)
        where = before or "a call"
        return self._arrange(
            before, lambda: self._close_peer(koid), by, nth, 1, f"peer of {koid} closes before {where}"
        )

    def no_memory(self, *, nth: int = 1, times: int = FOREVER) -> Fault:
        """There is no memory for the *nth* page that is committed, nor for those that follow it.

        A system call answers ZX_ERR_NO_MEMORY; a program that touches memory gets a page fault exception.
        """
        fault = Fault("no memory for a page", nth, times)
        self._commits.append(fault)
        self._kernel.memory.before_allocate = self._before_allocate
        return fault

    def clear(self) -> None:
        """Nothing that was arranged happens any more."""
        for fault in (*self._calls, *self._commits):
            fault.cancel()
        self._calls.clear()
        self._commits.clear()
        self._kernel.memory.before_allocate = None

    def _arrange(
        self, name: str | None, act: Callable[[], None], koid: int | None, nth: int, times: int, what: str
    ) -> Fault:
        fault = _CallFault(name, act, koid, nth, times, what)
        for call in (name,) if name is not None else tuple(door.IMPLEMENTED):
            door.watch(call)
        self._calls.append(fault)
        self._kernel.before_call = self._before_call
        return fault

    def _before_call(self, name: str, call: Call) -> None:
        if call.process is self._host:
            return
        for fault in tuple(self._calls):
            if fault.concerns(name, call) and fault.due():
                fault.act()

    def _before_allocate(self) -> None:
        for fault in self._commits:
            if fault.due():
                raise OutOfMemory(fault.what)

    def _close_peer(self, koid: int) -> None:
        for table in self._tables():
            for _, handle in table:
                if handle.object.koid == koid and isinstance(handle.object, PeeredDispatcher):
                    if handle.object.peer is not None:
                        self._close_all(handle.object.peer)
                    return

    def _close_all(self, dispatcher: Dispatcher) -> None:
        for table in self._tables():
            for value, handle in table:
                if handle.object is dispatcher:
                    table.close(value)

    def _tables(self) -> list[HandleTable]:
        """Every handle table once: the host's, then those of the processes in the order of the job tree."""
        tables = [self._host.handles]
        for job in self._kernel.root_job_dispatcher.walk():
            for process in job.processes():
                if process.handles not in tables:
                    tables.append(process.handles)
        return tables
