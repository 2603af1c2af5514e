"""`jacinth run --trace`: every call of every guest in one line, as strace users expect.

    [1034.1036] zx_channel_write(handle=0x2f4a3b87 <channel 1041>, options=0, bytes="hello", num_bytes=5, ...) = ZX_OK

In brackets process and thread by koid; handles with their object's type and koid; behind the arrow what the call
wrote. A call that had to wait is shown when it returns; `...` stands for a result that never came, since the thread was killed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth.abi import SCALARS, STRUCTS, SYSCALLS, ZX_TIME_INFINITE, ZxError
from jacinth.abi.names import flag_names, object_type_name, rights_names, status_name
from jacinth.abi.rows import Kind, Param, SyscallRow

if TYPE_CHECKING:
    from jacinth.kernel.thread import Body, ThreadDispatcher
    from jacinth.syscalls.door import Call

_MAX_BYTES: Final = 32  # of a buffer
_MAX_ITEMS: Final = 8  # of an array


class Tracer:
    """Writes a line for each call. *write* gets text without a line end."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def called(self, thread: ThreadDispatcher, row: SyscallRow, registers: tuple[int, ...]) -> list[str]:
        """Before the call: words for what it reads. The answer goes to `returned`."""
        values = dict(zip((param.name for param in row.params), registers[1:], strict=False))
        return [
            self._argument(thread.call, param, values) for param in row.params if param.kind is not Kind.OUT
        ]

    def returned(
        self,
        thread: ThreadDispatcher,
        row: SyscallRow,
        registers: tuple[int, ...],
        words: list[str],
        result: int | None,
    ) -> None:
        """After the call; *result* None where it never returned."""
        values = dict(zip((param.name for param in row.params), registers[1:], strict=False))
        line = f"[{thread.process.koid}.{thread.koid}] {row.name}({', '.join(words)})"
        if row.noreturn:
            self._write(line)
            return
        if result is None:
            self._write(f"{line} = ...")
            return
        outputs = [
            word
            for param in row.params
            if param.kind in (Kind.OUT, Kind.INOUT)
            and (word := self._output(thread.call, param, values, result))
        ]
        arrow = f" -> {', '.join(outputs)}" if outputs else ""
        shown = status_name(result) if row.returns == "zx_status_t" else str(result)
        self._write(f"{line} = {shown}{arrow}")

    # Words

    def _argument(self, call: Call, param: Param, values: dict[str, int]) -> str:
        value = values[param.name]
        if param.kind in (Kind.IN, Kind.INOUT):
            return f"{param.name}={self._memory(call, param, values)}"
        return f"{param.name}={self._scalar(call, param, value)}"

    def _scalar(self, call: Call, param: Param, value: int) -> str:
        size, signed = SCALARS[param.type]
        value &= (1 << size * 8) - 1
        if signed and value >> (size * 8 - 1):
            value -= 1 << size * 8
        if param.kind is Kind.HANDLE or param.type == "zx_handle_t":
            return _handle(call, value)
        if param.type == "zx_rights_t":
            return rights_names(value)
        if param.type == "zx_status_t":
            return status_name(value)
        if param.flags is not None:
            return flag_names(param.flags, value)
        if value == ZX_TIME_INFINITE and signed:
            return "ZX_TIME_INFINITE"
        if param.type in ("zx_vaddr_t", "uintptr_t", "zx_signals_t") or value > 1 << 32:
            return f"{value:#x}"
        return str(value)

    def _memory(self, call: Call, param: Param, values: dict[str, int]) -> str:
        address = values[param.name]
        if address == 0:
            return "NULL"
        count = 1 if param.count is None else values[param.count]
        if param.unit is not None:
            count *= values[param.unit]
        try:
            return self._elements(call, param, address, count)
        except ZxError:
            return f"{address:#x}"

    def _elements(self, call: Call, param: Param, address: int, count: int) -> str:
        if param.type in STRUCTS:
            cls = STRUCTS[param.type]
            data = call.memory.read_user(address, cls.SIZE * min(count, _MAX_ITEMS))
            items = [repr(cls.unpack(data, offset)) for offset in range(0, len(data), cls.SIZE)]
        elif param.type in SCALARS and param.type != "uint8_t":
            size, signed = SCALARS[param.type]
            data = call.memory.read_user(address, size * min(count, _MAX_ITEMS))
            numbers = [
                int.from_bytes(data[i : i + size], "little", signed=signed) for i in range(0, len(data), size)
            ]
            items = [self._scalar(call, param, number) for number in numbers]
        else:
            return _text(call.memory.read_user(address, min(count, _MAX_BYTES)), count)
        if param.count is None:
            return items[0]
        return f"[{', '.join(items)}{', ...' if count > _MAX_ITEMS else ''}]"

    def _output(self, call: Call, param: Param, values: dict[str, int], result: int) -> str:
        """What the call wrote through a pointer; empty where that is not known."""
        address = values[param.name]
        # A failed call is trusted only with single numbers: those are what documented failures write.
        if address == 0 or (result < 0 and (param.count is not None or param.type == "zx_handle_t")):
            return ""
        if param.count is not None and param.kind is Kind.OUT:
            actual = values.get("actual_" + param.count.removeprefix("num_"), values.get("actual", 0))
            if not actual:
                return ""
            try:
                count = (
                    call.memory.read_u64(actual)
                    if "num_" not in param.count
                    else call.memory.read_u32(actual)
                )
                count = min(count, values[param.count]) * (
                    values[param.unit] if param.unit is not None else 1
                )
                return f"{param.name}={self._elements(call, param, address, count)}"
            except ZxError:
                return ""
        return f"{param.name}={self._memory(call, param, values)}"


def _handle(call: Call, value: int) -> str:
    handle = call.handles.get(value)
    if handle is None:
        return "ZX_HANDLE_INVALID" if value == 0 else f"{value:#x} <bad handle>"
    return f"{value:#x} <{object_type_name(handle.object.TYPE).lower()} {handle.object.koid}>"


def _text(data: bytes, size: int) -> str:
    text = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else _ESCAPES.get(byte, f"\\x{byte:02x}")
        for byte in data
    )
    return f'"{text}"{"..." if size > len(data) else ""}'


_ESCAPES: Final = {10: "\\n", 13: "\\r", 9: "\\t", 0: "\\0", 34: '\\"', 92: "\\\\"}


def attach(door: Any, tracer: Tracer) -> None:
    """Let *tracer* look at everything that comes through *door* from guests."""
    enter = door.enter

    def traced(thread: ThreadDispatcher) -> int | None:
        registers = thread.context.syscall()  # type: ignore[union-attr]
        number = registers[0]
        if number >= len(SYSCALLS):
            result: int | None = enter(thread)
            tracer._write(
                f"[{thread.process.koid}.{thread.koid}] syscall {number} = {status_name(result or 0)}"
            )
            return result
        row = SYSCALLS[number]
        door.call_of(thread)
        words = tracer.called(thread, row, registers)
        result = enter(thread)
        if result is None:
            assert thread.coroutine is not None
            thread.coroutine = _finish(tracer, thread, row, registers, words, thread.coroutine)
        else:
            tracer.returned(thread, row, registers, words, result)
        return result

    door.kernel.syscall = traced


async def _finish(
    tracer: Tracer,
    thread: ThreadDispatcher,
    row: SyscallRow,
    registers: tuple[int, ...],
    words: list[str],
    coroutine: Body,
) -> Any:
    """Await the call's own coroutine, then write the line."""
    result = None
    try:
        result = await coroutine
        return result
    finally:
        tracer.returned(thread, row, registers, words, result)
