"""`jacinth run --trace`: every call of every guest in one line, as strace users expect.

    [1034.1036] zx_channel_write(handle=0x2f4a3b87 <channel 1041>, options=0, bytes="hello", num_bytes=5, ...) = ZX_OK

In brackets process and thread by koid; handles with their object's type and koid; behind the arrow what the call wrote. A call
that had to wait is shown when it returns; `...` stands for a result that never came, since the thread was killed. Exceptions that
end a process, and the ends of processes, have lines of their own. Calls that the vDSO answers without the kernel are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import (
    SCALARS,
    STRUCTS,
    SYSCALLS,
    ZX_OBJ_TYPE_NONE,
    ZX_TIME_INFINITE,
    ZX_TIME_INFINITE_PAST,
    Struct,
    ZxError,
)
from jacinth.abi.names import (
    flag_names,
    object_type_name,
    printable,
    return_code_name,
    rights_names,
    signal_names,
    status_name,
)
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.kernel.kernel import KernelObserver
from jacinth.kernel.thread import ThreadState
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.tools.crash import describe

if TYPE_CHECKING:
    from jacinth.kernel.exception import ExceptionReport
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.thread import ThreadDispatcher
    from jacinth.syscalls.door import Call, Door

_MAX_BYTES: Final = 32  # of a buffer
_MAX_ITEMS: Final = 8  # of an array
_HEX_FROM: Final = 1 << 32  # smaller numbers are decimal
_ADDRESSES: Final = ("zx_vaddr_t", "zx_paddr_t", "uintptr_t", "zx_gpaddr_t")
_TIMES: Final = (
    "_instant_mono_t",
    "_instant_boot_t",
    "zx_time_t",
    "zx_duration_t",
    "zx_duration_mono_t",
    "zx_duration_boot_t",
)
# The member of a packet's union that means something.
_PACKETS: Final = {0: "user", 1: "signal"}


class Tracer(KernelObserver):
    """Writes a line for each call. *write* gets text without a line end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def called(self, thread: ThreadDispatcher, row: SyscallRow, registers: tuple[int, ...]) -> _Traced:
        """Before the call: words for what it is given."""
        return _Traced(self._write, thread, row, registers)

    def not_a_call(self, thread: ThreadDispatcher, number: int) -> None:
        self._write(f"[{thread.process.koid}.{thread.koid}] syscall {number} = ...")

    def on_exception(self, thread: ThreadDispatcher, report: ExceptionReport) -> None:
        self._write(f"[{thread.process.koid}.{thread.koid}] --- {describe(report)} ---")

    def on_process_exit(self, process: ProcessDispatcher) -> None:
        shown = return_code_name(process.return_code)
        self._write(f'[{process.koid}] +++ "{printable(process.name)}" ended with {shown} +++')


class _Traced:
    """One call, from its arguments to its line."""

    def __init__(
        self,
        write: Callable[[str], None],
        thread: ThreadDispatcher,
        row: SyscallRow,
        registers: tuple[int, ...],
    ) -> None:
        self._write = write
        self._thread = thread
        self._call: Call = thread.call
        self._row = row
        self._values = {
            param.name: _number(param, value) for param, value in zip(row.params, registers[1:], strict=False)
        }
        # What signals are called depends on the object.
        self._object_type = ZX_OBJ_TYPE_NONE
        for param in row.params:
            if param.kind is Kind.HANDLE:
                handle = self._call.handles.get(self._values[param.name])
                if handle is not None:
                    self._object_type = handle.object.TYPE
                break
        # At once: the call may close handles and overwrite memory.
        words = [self._argument(param) for param in row.params if param.kind is not Kind.OUT]
        self._line = f"[{thread.process.koid}.{thread.koid}] {row.name}({', '.join(words)})"

    def returned(self, result: int | None) -> None:
        """After the call; *result* None where it never returned."""
        row = self._row
        if row.noreturn:
            self._write(self._line)
            return
        if result is None:
            self._write(f"{self._line} = ...")
            return
        outputs = []
        for param in row.params:
            if param.kind in (Kind.OUT, Kind.INOUT) and (word := self._output(param, result)):
                outputs.append(word)
        line = self._line
        if row.returns != "void":
            line += f" = {status_name(result) if row.returns == 'zx_status_t' else result}"
        if outputs:
            line += f" -> {', '.join(outputs)}"
        self._write(line)

    # Arguments

    def _argument(self, param: Param) -> str:
        value = self._values[param.name]
        if param.kind not in (Kind.IN, Kind.INOUT):
            ctype = "zx_signals_t" if param.name in ("clear_mask", "set_mask") else param.type
            return f"{param.name}={self._scalar(ctype, value, param.flags)}"
        if value == 0:
            return f"{param.name}=NULL"
        try:
            shown = self._memory(param, value, self._count(param))
        except (ZxError, PageNeeded):
            return f"{param.name}={value:#x} <cannot be read>"
        if param.count is None and param.type in SCALARS:
            return f"{param.name}={value:#x} [{shown}]"  # where a futex is matters as much as what is in it
        return f"{param.name}={shown}"

    def _count(self, param: Param) -> int:
        """How many elements the caller gives, or has room for."""
        count = 1 if param.count is None else self._values[param.count]
        return count if param.unit is None else count * self._values[param.unit]

    # Outputs

    def _output(self, param: Param, result: int) -> str:
        """What the call wrote through a pointer; empty where that is nothing, or not known."""
        address = self._values[param.name]
        if address == 0:
            return ""
        single_number = param.count is None and param.type in SCALARS and param.type != "zx_handle_t"
        if result < 0 and not single_number:  # single numbers are what documented failures write
            return ""
        try:
            if self._row.name == "zx_object_get_info" and param.name == "buffer":
                return f"{param.name}={self._info(address)}"
            count = self._count(param)
            if param.kind is Kind.OUT and param.count is not None:
                written = self._written(param, result)
                if written is None:
                    return ""
                count = min(count, written)
            return f"{param.name}={self._memory(param, address, count)}"
        except (ZxError, PageNeeded):
            return ""

    def _written(self, param: Param, result: int) -> int | None:
        """How many elements of a buffer were written, or bytes; None where that is not known."""
        assert param.count is not None
        if self._row.name == "zx_debuglog_read":
            return result
        for name in ("actual_" + param.count.removeprefix("num_"), "actual", "actual_" + param.name):
            if name in self._values:
                address = self._values[name]
                if address == 0:
                    return None
                (actual,) = (other for other in self._row.params if other.name == name)
                size, _ = SCALARS[actual.type]
                count = int.from_bytes(self._call.memory.read_user(address, size), "little")
                return count if param.unit is None else count * self._values[param.unit]
        return self._count(param)

    def _info(self, address: int) -> str:
        """The records of zx_object_get_info: their type follows from the topic, mostly."""
        room, actual = self._values["buffer_size"], self._values["actual"]
        cls = STRUCTS.get(f"zx_{flag_names('ZX_INFO_', self._values['topic']).removeprefix('ZX_').lower()}_t")
        if cls is None:
            return _text(self._call.memory.read_user(address, min(room, _MAX_BYTES)), room)
        count = room // cls.SIZE if actual == 0 else self._call.memory.read_u64(actual)
        shown = min(count, _MAX_ITEMS)
        data = self._call.memory.read_user(address, cls.SIZE * shown)
        items = [self._struct(cls.unpack(data, offset)) for offset in range(0, len(data), cls.SIZE)]
        return f"[{', '.join(items)}{', ...' if count > shown else ''}]"

    # Words

    def _scalar(
        self, ctype: str, value: int, flags: str | None = None, object_type: int | None = None
    ) -> str:
        if ctype == "zx_handle_t":
            return _handle(self._call, value)
        if ctype == "zx_rights_t":
            return "ZX_RIGHT_SAME_RIGHTS" if value == 1 << 31 else rights_names(value)
        if ctype == "zx_status_t":
            return status_name(value)
        if ctype == "zx_signals_t":
            return signal_names(self._object_type if object_type is None else object_type, value)
        if ctype == "zx_obj_type_t":
            return flag_names("ZX_OBJ_TYPE_", value)
        if flags is not None:
            return flag_names(flags, value)
        if ctype.endswith(_TIMES):
            return _time(value)
        if ctype in _ADDRESSES or abs(value) >= _HEX_FROM:
            return f"{value:#x}"
        return str(value)

    def _memory(self, param: Param, address: int, count: int) -> str:
        """The elements at an address, the first ones of many: INVALID_ARGS where they cannot be read."""
        if param.type not in STRUCTS and (param.type not in SCALARS or param.type == "uint8_t"):
            return _text(self._call.memory.read_user(address, min(count, _MAX_BYTES)), count)
        shown = min(count, _MAX_ITEMS)
        if param.type in STRUCTS:
            cls = STRUCTS[param.type]
            data = self._call.memory.read_user(address, cls.SIZE * shown)
            items = [self._struct(cls.unpack(data, offset)) for offset in range(0, len(data), cls.SIZE)]
        else:
            size, signed = SCALARS[param.type]
            data = self._call.memory.read_user(address, size * shown)
            numbers = [
                int.from_bytes(data[i : i + size], "little", signed=signed) for i in range(0, len(data), size)
            ]
            items = [self._scalar(param.type, number) for number in numbers]
        if param.count is None:
            return items[0]
        return f"[{', '.join(items)}{', ...' if count > shown else ''}]"

    def _struct(self, value: Struct) -> str:
        words = []
        object_type = ZX_OBJ_TYPE_NONE
        packet = type(value).__name__ == "zx_port_packet_t"
        for name, ctype, _, count in value.fields:
            member: Any = getattr(value, name)
            if name.startswith(("padding", "reserved", "unused")):
                continue
            if packet and ctype == "uint8_t":
                name = _PACKETS.get(value.type & 0xFF, name)
                member = getattr(value, name)
            if ctype == "zx_handle_t" and count is None:
                handle = self._call.handles.get(member)
                object_type = ZX_OBJ_TYPE_NONE if handle is None else handle.object.TYPE
            if packet and name == "type":
                words.append(f"type={flag_names('ZX_PKT_TYPE_', member)}")
            else:
                words.append(f"{name}={self._member(ctype, member, object_type)}")
        return "{" + ", ".join(words) + "}"

    def _member(self, ctype: str, member: Any, object_type: int) -> str:
        if isinstance(member, Struct):
            return self._struct(member)
        if isinstance(member, bytes):
            return _text(member[:_MAX_BYTES], len(member))
        if isinstance(member, list):
            return f"[{', '.join(self._member(ctype, item, object_type) for item in member[:_MAX_ITEMS])}]"
        if ctype in SCALARS:
            return self._scalar(ctype, int(member), None, object_type)
        return f"{member:#x}" if isinstance(member, int) else str(member)


class _Pending:
    """A call that waits: the coroutine that the door left in the thread, and its line when it ends."""

    def __init__(self, coroutine: Any, traced: _Traced) -> None:
        self._coroutine = coroutine
        self._traced = traced

    def send(self, value: None) -> Any:
        try:
            return self._coroutine.send(value)
        except StopIteration as end:
            self._traced.returned(end.value)
            raise

    def close(self) -> None:
        """The thread is killed in its call."""
        self._traced.returned(None)
        self._coroutine.close()


def attach(door: Door, tracer: Tracer) -> None:
    """Let *tracer* look at everything that comes through *door* from guests."""
    enter = door.enter

    def traced(thread: ThreadDispatcher) -> int | None:
        assert thread.context is not None
        registers = thread.context.syscall()
        if registers[0] >= len(SYSCALLS):
            tracer.not_a_call(thread, registers[0])
            return enter(thread)
        door.call_of(thread)
        call = tracer.called(thread, SYSCALLS[registers[0]], registers)
        result = enter(thread)
        if result is None:
            pending: Any = _Pending(thread.coroutine, call)
            thread.coroutine = pending
        else:
            # A call that has killed its own thread never returns, nor does one that has put it into restricted mode.
            returns = thread.state is ThreadState.RUNNING and not thread.in_restricted
            call.returned(result if returns else None)
        return result

    door.kernel.syscall = traced
    door.kernel.observers.append(tracer)


def _number(param: Param, register: int) -> int:
    """A register as the call takes it: cut to the C type."""
    if param.kind not in (Kind.SCALAR, Kind.HANDLE):
        return register
    size, signed = SCALARS[param.type]
    value = register & (1 << size * 8) - 1
    return value - (1 << size * 8) if signed and value >> (size * 8 - 1) else value


def _handle(call: Call, value: int) -> str:
    handle = call.handles.get(value)
    if handle is None:
        return "ZX_HANDLE_INVALID" if value == 0 else f"{value:#x} <bad handle>"
    return f"{value:#x} <{object_type_name(handle.object.TYPE).lower()} {handle.object.koid}>"


def _time(ns: int) -> str:
    if ns == ZX_TIME_INFINITE:
        return "ZX_TIME_INFINITE"
    if ns == ZX_TIME_INFINITE_PAST:
        return "ZX_TIME_INFINITE_PAST"
    seconds, rest = divmod(abs(ns), 1_000_000_000)
    return f"{'-' if ns < 0 else ''}{seconds}.{rest:09}".rstrip("0").rstrip(".") + "s"


def _text(data: bytes, size: int) -> str:
    """At most the first bytes of a buffer of *size* bytes, as in C."""
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else _ESCAPES.get(byte, f"\\x{byte:02x}")
        for byte in data
    )
    return f'"{text}"{"..." if size > len(data) else ""}'


_ESCAPES: Final = {10: "\\n", 13: "\\r", 9: "\\t", 0: "\\0", 34: '\\"', 92: "\\\\"}
