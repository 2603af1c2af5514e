"""`zx_object_get_property` and `zx_object_set_property`.

Source: docs/reference/syscalls/object_get_property.md; order from zircon/kernel/lib/syscalls/object_property.rs: value
pointer, handle, type, size.
"""

from __future__ import annotations

from typing import Any, TypeVar

from jacinth.abi import (
    ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER,
    ZX_EXCEPTION_STRATEGY_FIRST_CHANCE,
    ZX_EXCEPTION_STRATEGY_SECOND_CHANCE,
    ZX_MAX_NAME_LEN,
    ZX_PROP_EXCEPTION_STATE,
    ZX_PROP_EXCEPTION_STRATEGY,
    ZX_PROP_JOB_KILL_ON_OOM,
    ZX_PROP_NAME,
    ZX_PROP_PROCESS_BREAK_ON_LOAD,
    ZX_PROP_PROCESS_DEBUG_ADDR,
    ZX_PROP_PROCESS_VDSO_BASE_ADDRESS,
    ZX_PROP_REGISTER_FS,
    ZX_PROP_REGISTER_GS,
    ZX_PROP_SOCKET_RX_THRESHOLD,
    ZX_PROP_SOCKET_TX_THRESHOLD,
    ZX_PROP_STREAM_MODE_APPEND,
    ZX_PROP_VMO_CONTENT_SIZE,
    ZX_RIGHT_GET_PROPERTY,
    ZX_RIGHT_SET_PROPERTY,
    ZX_RIGHT_WRITE,
    Status,
    ZxError,
)
from jacinth.kernel.exception import ExceptionDispatcher
from jacinth.kernel.ipc.socket import SocketDispatcher
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.stream import StreamDispatcher
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.syscalls.door import Call, UserIn, UserOut, syscall
from jacinth.syscalls.thread import is_canonical

T = TypeVar("T", bound=Dispatcher)

# Every scalar property is a uintptr_t, size_t or uint64_t,
_WORD = 8
# but those of exceptions, uint32_t, and of streams, uint8_t. For these the size is checked before the type.
_HALF = 4
_BYTE = 1


@syscall
def zx_object_get_property(call: Call, handle: int, property: int, value: UserOut, value_size: int) -> None:
    """Read a property.

    Rights: GET_PROPERTY on handle.
    Errors, in order: INVALID_ARGS value; BAD_HANDLE, ACCESS_DENIED; NOT_SUPPORTED property; BUFFER_TOO_SMALL for a name;
    WRONG_TYPE; ACCESS_DENIED another thread's register; BUFFER_TOO_SMALL.
    """
    value.check()
    object_ = call.dispatcher(handle, Dispatcher, ZX_RIGHT_GET_PROPERTY)
    match property:
        case n if n == ZX_PROP_NAME:
            if value_size < ZX_MAX_NAME_LEN:
                raise ZxError(Status.BUFFER_TOO_SMALL)
            if not object_.has_name:
                raise ZxError(Status.WRONG_TYPE)
            value.write(object_.name.ljust(ZX_MAX_NAME_LEN, b"\0"))
            return
        case n if n == ZX_PROP_PROCESS_DEBUG_ADDR:
            word = _as(object_, ProcessDispatcher).debug_addr
        case n if n == ZX_PROP_PROCESS_BREAK_ON_LOAD:
            word = _as(object_, ProcessDispatcher).break_on_load
        case n if n == ZX_PROP_PROCESS_VDSO_BASE_ADDRESS:
            word = _as(object_, ProcessDispatcher).vdso_base
        case n if n == ZX_PROP_SOCKET_RX_THRESHOLD:
            word = _as(object_, SocketDispatcher).read_threshold
        case n if n == ZX_PROP_SOCKET_TX_THRESHOLD:
            word = _as(object_, SocketDispatcher).write_threshold
        case n if n == ZX_PROP_VMO_CONTENT_SIZE:
            word = _as(object_, VmObjectDispatcher).stream_size
        case n if n == ZX_PROP_EXCEPTION_STATE:
            _check_size(value_size, _HALF)
            value.write(_as(object_, ExceptionDispatcher).state.to_bytes(_HALF, "little"))
            return
        case n if n == ZX_PROP_EXCEPTION_STRATEGY:
            _check_size(value_size, _HALF)
            second = _as(object_, ExceptionDispatcher).second_chance
            strategy = ZX_EXCEPTION_STRATEGY_SECOND_CHANCE if second else ZX_EXCEPTION_STRATEGY_FIRST_CHANCE
            value.write(strategy.to_bytes(_HALF, "little"))
            return
        case n if n == ZX_PROP_STREAM_MODE_APPEND:
            _check_size(value_size, _BYTE)
            value.write(bytes([_as(object_, StreamDispatcher).append_mode]))
            return
        case n if n == ZX_PROP_REGISTER_FS:
            word = _own_registers(call, object_).general().fs_base
        case n if n == ZX_PROP_REGISTER_GS:
            word = _own_registers(call, object_).general().gs_base
        case _:
            raise ZxError(Status.NOT_SUPPORTED)
    if value_size < _WORD:
        raise ZxError(Status.BUFFER_TOO_SMALL)
    value.write(word.to_bytes(_WORD, "little"))


@syscall
def zx_object_set_property(call: Call, handle: int, property: int, value: UserIn, value_size: int) -> None:
    """Set a property.

    Rights: SET_PROPERTY on handle, and WRITE for ZX_PROP_VMO_CONTENT_SIZE.
    Errors, in order: INVALID_ARGS value; BAD_HANDLE, ACCESS_DENIED; NOT_SUPPORTED property; WRONG_TYPE; ACCESS_DENIED
    another thread's register; BUFFER_TOO_SMALL; INVALID_ARGS a value that the property cannot have.
    """
    value.check()
    object_ = call.dispatcher(handle, Dispatcher, ZX_RIGHT_SET_PROPERTY)
    match property:
        case n if n == ZX_PROP_NAME:
            name = value.read(min(value_size, ZX_MAX_NAME_LEN - 1)).partition(b"\0")[0]
            _set_name(object_, name)
        case n if n == ZX_PROP_PROCESS_DEBUG_ADDR:
            _as(object_, ProcessDispatcher).debug_addr = _word(value, value_size)
        case n if n == ZX_PROP_PROCESS_BREAK_ON_LOAD:
            _as(object_, ProcessDispatcher).break_on_load = _word(value, value_size)
        case n if n == ZX_PROP_SOCKET_RX_THRESHOLD:
            _as(object_, SocketDispatcher).set_read_threshold(_word(value, value_size))
        case n if n == ZX_PROP_SOCKET_TX_THRESHOLD:
            _as(object_, SocketDispatcher).set_write_threshold(_word(value, value_size))
        case n if n == ZX_PROP_JOB_KILL_ON_OOM:
            job = _as(object_, JobDispatcher)
            flag = _word(value, value_size)
            if flag > 1:
                raise ZxError(Status.INVALID_ARGS)
            job.kill_on_oom = bool(flag)
        case n if n == ZX_PROP_VMO_CONTENT_SIZE:
            if not call.handle(handle).rights & ZX_RIGHT_WRITE:
                raise ZxError(Status.ACCESS_DENIED)
            _as(object_, VmObjectDispatcher).set_stream_size(_word(value, value_size))
        case n if n == ZX_PROP_EXCEPTION_STATE:
            _check_size(value_size, _HALF)
            _as(object_, ExceptionDispatcher).set_state(int.from_bytes(value.read(_HALF), "little"))
        case n if n == ZX_PROP_EXCEPTION_STRATEGY:
            _check_size(value_size, _HALF)
            exception = _as(object_, ExceptionDispatcher)
            # It is the process debugger that gets a second chance, so nobody else may ask for one.
            if exception.thread.exception_channel_type != ZX_EXCEPTION_CHANNEL_TYPE_DEBUGGER:
                raise ZxError(Status.BAD_STATE)
            strategy = int.from_bytes(value.read(_HALF), "little")
            if strategy not in (ZX_EXCEPTION_STRATEGY_FIRST_CHANCE, ZX_EXCEPTION_STRATEGY_SECOND_CHANCE):
                raise ZxError(Status.INVALID_ARGS)
            exception.second_chance = strategy == ZX_EXCEPTION_STRATEGY_SECOND_CHANCE
        case n if n == ZX_PROP_STREAM_MODE_APPEND:
            _check_size(value_size, _BYTE)
            stream = _as(object_, StreamDispatcher)
            stream.append_mode = value.read(_BYTE) != b"\0"
        case n if n in (ZX_PROP_REGISTER_FS, ZX_PROP_REGISTER_GS):
            context = _own_registers(call, object_)
            base = _word(value, value_size)
            if not is_canonical(base):
                raise ZxError(Status.INVALID_ARGS)
            regs = context.general()
            if n == ZX_PROP_REGISTER_FS:
                regs.fs_base = base
            else:
                regs.gs_base = base
            context.set_general(regs)
        case _:
            raise ZxError(Status.NOT_SUPPORTED)


def _as(object_: Dispatcher, cls: type[T]) -> T:
    if not isinstance(object_, cls):
        raise ZxError(Status.WRONG_TYPE)
    return object_


def _check_size(given: int, needed: int) -> None:
    if given < needed:
        raise ZxError(Status.BUFFER_TOO_SMALL)


def _word(value: UserIn, size: int) -> int:
    if size < _WORD:
        raise ZxError(Status.BUFFER_TOO_SMALL)
    return int.from_bytes(value.read(_WORD), "little")


def _set_name(object_: Dispatcher, name: bytes) -> None:
    """WRONG_TYPE for types that carry no name, or none that can be changed."""
    try:
        object_.name = name  # type: ignore[misc]
    except AttributeError:
        raise ZxError(Status.WRONG_TYPE) from None


def _own_registers(call: Call, object_: Dispatcher) -> Any:
    """The registers of the calling thread: another one's are nobody's business here."""
    if _as(object_, ThreadDispatcher) is not call.thread:
        raise ZxError(Status.ACCESS_DENIED)
    if call.thread.context is None:
        raise ZxError(Status.NOT_SUPPORTED)
    return call.thread.context
