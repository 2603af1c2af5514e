"""Whether a call that has failed has changed nothing: the caller's handles, the objects that it was about, the caller's memory.

Only calls that are over at once are looked at: nobody else has run meanwhile, so that what has changed is the call's doing.
What is documented to happen all the same is listed here, and nothing else is allowed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import SCALARS, STRUCTS, SYSCALLS, Status, ZxError
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.fuzz.invariants import members
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessState
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.vm.vmar import VmAddressRegionDispatcher
from jacinth.kernel.vm.vmo import VmObjectDispatcher

if TYPE_CHECKING:
    from jacinth.syscalls.door import Call

# They close or move handles whatever they answer.
CONSUMING: Final = frozenset(
    row.name for row in SYSCALLS if any(param.consumed for param in row.params) or "channel_call" in row.name
)

_ANY: Final = tuple(Status)
# What fails, and has had its effect on the objects all the same, or some of it.
_ACTING: Final = {
    "zx_channel_read": (Status.BUFFER_TOO_SMALL,),  # with ZX_CHANNEL_READ_MAY_DISCARD
    "zx_channel_read_etc": (Status.BUFFER_TOO_SMALL,),
    "zx_debuglog_read": (Status.SHOULD_WAIT,),  # only then is it known that nothing more is to be read
    "zx_interrupt_ack": (Status.BAD_STATE,),  # the packet of another time is lost
    "zx_interrupt_destroy": (Status.NOT_FOUND,),  # it says that a packet was read and not acknowledged
    "zx_pager_supply_pages": _ANY,  # the pages leave the other VMO first
    "zx_pager_op_range": _ANY,  # who waits tries again
    "zx_vmar_op_range": _ANY,  # mapping by mapping
    "zx_vmo_op_range": _ANY,  # page by page, as the next ones
    "zx_vmo_set_size": _ANY,  # the rest of the last page is zeroed, or not, when the size is new already
    "zx_vmo_set_stream_size": _ANY,
    "zx_vmo_read": _ANY,
    "zx_vmo_write": _ANY,
    "zx_vmo_transfer_data": _ANY,
    "zx_process_read_memory": _ANY,
    "zx_process_write_memory": _ANY,
}
# What writes through its pointers though it fails.
_TELLING: Final = frozenset(
    {
        "zx_channel_read",
        "zx_channel_read_etc",
        "zx_channel_write_etc",
        "zx_object_get_info",
        "zx_object_wait_one",
        "zx_object_wait_many",
    }
)
# These come into being at the first question about them.
_LAZY: Final = frozenset({"stream", "_hint"})
_CONTAINERS: Final = frozenset((dict, list, set, deque, bytearray))

_readers: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}


def _reader(cls: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    found = _readers.get(cls)
    if found is None:
        # At least two, so that a tuple is answered.
        names = ("__class__", "__module__", *[name for name in members(cls) or () if name not in _LAZY])
        found = _readers[cls] = names, attrgetter(*names)
    return found


def _state(object_: Any) -> list[Any]:
    """The values of its members: numbers and references, and of what holds several how many; none is as good as empty."""
    return [
        (len(value) if type(value) in _CONTAINERS else value) or 0
        for value in _reader(type(object_))[1](object_)
    ]


class Before:
    """What there is before a call."""

    __slots__ = (
        "_call",
        "_handles",
        "_memory",
        "_objects",
        "_pages",
        "_reclaims",
        "_registers",
        "_row",
        "_start",
    )

    def __init__(
        self, call: Call, row: SyscallRow, registers: tuple[int, ...], scratch: tuple[int, int] = (0, 0)
    ) -> None:
        """*scratch*: address and size of memory that nobody but the caller writes to."""
        table = call.handles.handles
        self._call = call
        self._row = row
        self._registers = registers
        self._handles = dict(table)
        self._objects: list[tuple[Any, list[Any]]] = []
        for index, param in enumerate(row.params, start=1):
            if param.kind is Kind.HANDLE:
                handle = table.get(registers[index] & 0xFFFF_FFFF)
                if handle is not None:
                    self._objects += [(part, _state(part)) for part in _parts(handle.object)]
        memory = call.kernel.memory
        self._pages, self._reclaims = memory.allocated, memory.reclaims
        self._start, size = scratch
        self._memory = self._read(size)

    def _read(self, size: int) -> bytes:
        """What is in the scratch memory; nothing where it is gone."""
        try:
            return self._call.memory.read_user(self._start, size) if size else b""
        except (ZxError, PageNeeded):
            return b""

    def changed(self, status: int) -> str | None:
        """What has changed, and should not have, now that the call has answered *status*."""
        call, row = self._call, self._row
        if status >= 0 or row.returns != "zx_status_t" or call.process.state is not ProcessState.RUNNING:
            return None
        table = call.handles.handles
        if row.name in CONSUMING:
            return "a handle has appeared" if table.keys() - self._handles.keys() else None
        if table != self._handles:
            return "the handles have changed"
        # Whether a place for an answer can be written to, or has no page yet, comes out when there is an answer.
        late = status in (Status.INVALID_ARGS, Status.NO_MEMORY)
        answers = late and any(p.kind in (Kind.OUT, Kind.INOUT) for p in row.params)
        acts = _ACTING.get(row.name, ())
        memory = call.kernel.memory
        # Where memory is short it is taken from others.
        if not answers and status not in acts and memory.reclaims == self._reclaims:
            for part, before in self._objects:
                names, _ = _reader(type(part))
                for name, old, new in zip(names, before, _state(part), strict=True):
                    if old is not new and old != new:
                        return f"{type(part).__name__}.{name} has changed"
            if memory.allocated < self._pages:
                return "pages are gone"
        if self._memory and acts is not _ANY and not any(param.type == "zx_iovec_t" for param in row.params):
            return self._written(answers or row.name in _TELLING)
        return None

    def _written(self, answers: bool) -> str | None:
        before, after = self._memory, self._read(len(self._memory))
        if before == after or not after:
            return None
        row = self._row
        ranges = [
            self._range(param, self._registers[index])
            for index, param in enumerate(row.params, start=1)
            if answers and param.kind in (Kind.OUT, Kind.INOUT)
        ]
        for i, (old, new) in enumerate(zip(before, after, strict=True)):
            place = self._start + i
            if old != new and not any(low <= place < high for low, high in ranges):
                return f"memory at {place:#x} has changed"
        return None

    def _range(self, param: Param, address: int) -> tuple[int, int]:
        """Where a pointer says that the call may write."""
        size = SCALARS[param.type][0] if param.type in SCALARS else 1
        if param.type in STRUCTS:
            size = STRUCTS[param.type].SIZE
        names = [other.name for other in self._row.params]
        for count in (param.count, param.unit):
            if count is not None:
                size *= self._registers[1 + names.index(count)]
        return address, address + (size if param.count or param.type != "void" else 4096)


def _parts(object_: Dispatcher) -> tuple[Any, ...]:
    if isinstance(object_, VmAddressRegionDispatcher):
        return object_, object_.region
    if isinstance(object_, VmObjectDispatcher):
        return object_, object_.pages
    return (object_,)
