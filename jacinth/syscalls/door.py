"""The door: from the row of a call to the functions through which guests, the host and Python bodies make it.

A syscall function has one parameter for each C parameter, in C order, after the `Call`; the door turns registers or Python
arguments into these, a `ZxError` into its number, and installs new handles when everything else has gone well. What it does for a
call follows from its row alone, so it is written out as Python source when the call is made for the first time: no table is
consulted while a guest waits, and a program pays for the calls that it makes.
"""

from __future__ import annotations

import contextlib
import keyword
import re
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from jacinth.abi import (
    BY_NAME,
    SCALARS,
    STRUCTS,
    SYSCALLS,
    ZX_EXCP_POLICY_CODE_BAD_SYSCALL,
    ZX_HANDLE_INVALID,
    ZX_POL_BAD_HANDLE,
    ZX_POL_WRONG_OBJECT,
    Status,
    ZxError,
)
from jacinth.abi.rows import Kind, Param, SyscallRow
from jacinth.kernel.handle import Handle, HandleTable
from jacinth.kernel.object import Dispatcher
from jacinth.kernel.thread import CHECKPOINT, ThreadDispatcher
from jacinth.kernel.vm.page_source import PageNeeded
from jacinth.kernel.wait import Waiter
from jacinth.machine.memory import OutOfMemory
from jacinth.syscalls.user import (
    INT_CODES,
    HandleOut,
    HandlesOut,
    HostHandleOut,
    HostHandlesOut,
    HostIn,
    HostInOut,
    HostOut,
    HostVector,
    UserIn,
    UserInOut,
    UserOut,
    UserVector,
)

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel
    from jacinth.kernel.probe import KernelProbe
    from jacinth.kernel.process import ProcessDispatcher

__all__ = ["Call", "HandleOut", "HandlesOut", "UserIn", "UserInOut", "UserOut", "UserVector", "syscall"]

D = TypeVar("D", bound=Dispatcher)


class Call:
    """Who makes a call: one object a thread, used for all its calls."""

    __slots__ = (
        "_table",
        "failure",
        "handles",
        "kernel",
        "left_off",
        "memory",
        "process",
        "progress",
        "refused",
        "thread",
        "vdso_base",
    )

    def __init__(self, thread: ThreadDispatcher) -> None:
        self.kernel: Kernel = thread.kernel
        self.thread = thread
        self.process: ProcessDispatcher = thread.process
        self.handles: HandleTable = thread.process.handles
        self.memory = thread.process.aspace
        self._table = self.handles.handles
        self.vdso_base = thread.process.vdso_base  # 0 where it is not mapped yet
        self.progress: Any = 0  # see `resume`
        self.left_off: str | None = None  # the watched call that waits for a page, to be made again
        # Where it has been made again although its page did not come: why not.
        self.failure: Status | None = None
        self.refused: tuple[PageNeeded, Status] | None = None  # what a body's call waited for in vain

    def dispatcher(self, value: int, cls: type[D], rights: int) -> D:
        """The object behind a handle: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED, in this order.

        The type comes first, since rights to a wrong object mean nothing.
        """
        handle = self._table.get(value)
        if handle is None:
            self.bad_handle(value)
            raise ZxError(Status.BAD_HANDLE)
        dispatcher = handle.object
        if not isinstance(dispatcher, cls):
            raise ZxError(Status.WRONG_TYPE)
        if handle.rights & rights != rights:
            raise ZxError(Status.ACCESS_DENIED)
        return dispatcher

    def handle(self, value: int) -> Handle:
        """The handle itself: BAD_HANDLE."""
        handle = self._table.get(value)
        if handle is None:
            self.bad_handle(value)
            raise ZxError(Status.BAD_HANDLE)
        return handle

    def bad_handle(self, value: int) -> None:
        """Job policy of the caller for a value that is no handle: processes may share the table, not the policy.

        To deny is to allow here: whatever the policy, a call that returns answers BAD_HANDLE (job_set_policy.md).
        """
        if value != ZX_HANDLE_INVALID:
            try:
                self.process.check_policy(ZX_POL_BAD_HANDLE)
            except ZxError:
                pass

    def wrong_object(self) -> None:
        """Job policy of the caller for a handle to something that the call is not about. The answer stays WRONG_TYPE."""
        try:
            self.process.check_policy(ZX_POL_WRONG_OBJECT)
        except ZxError:
            pass

    def check_policy(self, condition: int) -> None:
        """ACCESS_DENIED where the caller's job forbids ZX_POL_* *condition*."""
        self.process.check_policy(condition)

    def resume(self) -> Any:
        """Where this call is to go on, if it has been made before and left off for want of a page: `PageNeeded.progress`."""
        progress, self.progress = self.progress, 0
        return progress

    def made_again(self, need: PageNeeded, status: Status | None) -> bool:
        """Whether a call is to be made again that has left off for *need*, when that has been answered with *status*."""
        if status is not None and not need.anyway:
            return False
        self.progress, self.failure = need.progress, status
        return True

    def install(self, handle: Handle) -> int:
        """Put a handle into the caller's table at once, where its value goes into a struct."""
        return self.handles.add(handle)


# Every implemented call: its function, by name.
IMPLEMENTED: Final[dict[str, Callable[..., Any]]] = {}

Trap = Callable[[Call, tuple[int, ...]], "int | None"]
TRAPS: Final[list[Trap]] = []

F = TypeVar("F", bound=Callable[..., Any])
_CO_COROUTINE: Final = 0x80  # of a code object: an `async def`


def syscall(function: F) -> F:
    """Register *function* as the system call of its name. Fails where it differs from the row."""
    name = function.__name__
    row = BY_NAME[name]
    # A C name that means something in Python may have an underscore behind it. (`inspect` takes long for as many functions.)
    code = function.__code__
    parameters = [parameter.removesuffix("_") for parameter in code.co_varnames[: code.co_argcount]]
    expected = ["call", *(param.name for param in row.params)]
    if parameters != expected:
        raise TypeError(f"{name}: parameters are {parameters}, the table has {expected}")
    if bool(code.co_flags & _CO_COROUTINE) != row.blocking:
        raise TypeError(f"{name}: async differs from blocking={row.blocking} in the table")
    IMPLEMENTED[name] = function
    TRAPS[row.number] = _first_trap(row)
    return function


_WATCHED: Final[set[str]] = set()
# These consume handles that a struct of theirs points at.
_CONSUMES_BY_STRUCT: Final = ("zx_channel_call", "zx_channel_call_etc")


def watch(name: str) -> None:
    """From now on every kernel's `before_call` is asked before the call of that name is carried out, and its probes are told.

    Where it answers with a `ZxError`, the call does nothing but consume the handles that it always consumes.
    """
    if name in _WATCHED:
        return
    _WATCHED.add(name)
    row = BY_NAME[name]
    function = IMPLEMENTED[name]
    consumes = any(param.consumed for param in row.params) or name in _CONSUMES_BY_STRUCT
    acts_on = next((i for i, p in enumerate(row.params) if p.kind is Kind.HANDLE and not p.consumed), None)

    def in_vain(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Without the object to act on the call fails, and consumes what it always consumes; one that acts on what it
        consumes alone may as well do so.
        """
        if acts_on is None:
            return arguments
        return (*arguments[:acts_on], ZX_HANDLE_INVALID, *arguments[acts_on + 1 :])

    def is_new(call: Call) -> bool:
        """Whether it is to be counted, unlike one that is made again."""
        again, call.left_off = call.left_off == name, None
        return not again

    def plain(call: Call, *arguments: Any) -> Any:
        if is_new(call) and call.kernel.before_call is not None:
            try:
                call.kernel.before_call(name, call)
            except ZxError:
                if consumes:
                    with contextlib.suppress(ZxError):
                        function(call, *in_vain(arguments))
                raise
        try:
            probes = tuple(call.kernel.probes)
            if not probes:
                return function(call, *arguments)
            with _told(probes, call, name):
                return function(call, *arguments)
        except PageNeeded:
            call.left_off = name
            raise

    async def blocking(call: Call, *arguments: Any) -> Any:
        if is_new(call) and call.kernel.before_call is not None:
            try:
                call.kernel.before_call(name, call)
            except ZxError:
                if consumes:
                    with contextlib.suppress(ZxError):
                        await function(call, *in_vain(arguments))
                raise
        try:
            probes = tuple(call.kernel.probes)
            if not probes:
                return await function(call, *arguments)
            with _told(probes, call, name):
                return await function(call, *arguments)
        except PageNeeded:
            call.left_off = name
            raise

    IMPLEMENTED[name] = blocking if row.blocking else plain
    TRAPS[row.number] = _first_trap(row)
    for form in (HostSys, BodySys):
        if name in vars(form):
            delattr(form, name)


@contextlib.contextmanager
def _told(probes: tuple[KernelProbe, ...], call: Call, name: str) -> Iterator[None]:
    """Tell those who are there when the call begins, of its end too."""
    for probe in probes:
        probe.on_call(call.thread, name)
    try:
        yield
    finally:
        for probe in probes:
            probe.on_return(call.thread, name)


def watch_all() -> None:
    """From now on every kernel's probes are told of every call."""
    for name in tuple(IMPLEMENTED):
        watch(name)


def is_implemented(row: SyscallRow) -> bool:
    """Whether anything but NOT_SUPPORTED answers: a function here, or the vDSO alone."""
    return row.name in IMPLEMENTED


# ---- Writing the functions -------------------------------------------------------------------------------------------------


def _not_supported(call: Call, registers: tuple[int, ...]) -> int:
    return Status.NOT_SUPPORTED


TRAPS.extend([_not_supported] * len(SYSCALLS))


def _code(param: Param) -> str:
    return INT_CODES[SCALARS[param.type]] if param.type in SCALARS else ""


def _guest_pointer(param: Param) -> type[Any]:
    if param.type == "zx_iovec_t":
        return UserVector
    if param.kind is Kind.IN:
        return UserIn
    if param.kind is Kind.INOUT:
        return UserInOut
    if param.type == "zx_handle_t":
        return HandlesOut if param.count else HandleOut
    return UserOut


_HOST: Final[dict[type[Any], type[Any]]] = {
    UserIn: HostIn,
    UserInOut: HostInOut,
    UserOut: HostOut,
    HandleOut: HostHandleOut,
    HandlesOut: HostHandlesOut,
    UserVector: HostVector,
}


def _number(param: Param, value: str) -> str:
    """An expression: *value* cut to the parameter's C type."""
    size, signed = SCALARS[param.type]
    bits = size * 8
    if not signed:
        return f"{value} & {(1 << bits) - 1:#x}"
    half = 1 << (bits - 1)
    return f"(({value} & {(1 << bits) - 1:#x}) ^ {half:#x}) - {half:#x}"


def _is_pointer(param: Param) -> bool:
    return param.kind in (Kind.IN, Kind.OUT, Kind.INOUT)


def _bug(call: Call, name: str, error: Exception) -> int:
    """Not a `ZxError`: memory has run out, or an error of ours, which is reported with the call. The guest gets a status.

    Or the host or a body has passed what is no integer, on which the door itself has failed: TypeError.
    """
    if isinstance(error, MemoryError | OutOfMemory):
        return Status.NO_MEMORY
    by_door = error.__traceback__ is not None and error.__traceback__.tb_next is None
    if isinstance(error, TypeError) and by_door and (call.thread.context is None or call.thread.is_body):
        raise TypeError(f"an argument of {name} is no integer: {error}") from None
    call.kernel.report(f"internal error in {name}, called by thread {call.thread.koid}", error)
    return Status.INTERNAL


def _body(
    row: SyscallRow, arguments: list[str], answer: str, indent: str, needed: list[str], late: str
) -> list[str]:
    """The heart of every form: make the call, install handles, turn errors into `status`.

    *needed* says what to do about a missing page of a pager, `need`; *late* about writes that could not be made yet.
    """
    new_handles = [
        p.name for p in row.params if _is_pointer(p) and _guest_pointer(p) in (HandleOut, HandlesOut)
    ]
    drops = [f"    p_{name}.drop(call)" for name in new_handles]
    values = ", ".join(
        f"*p_{p.name}.values" if p.count else f"p_{p.name}.value" for p in row.params if p.name in new_handles
    )
    finish = ["if call.thread.late_writes:", f"    {late}(call, status, [{values}])"] if late else []
    call = f"{'await ' if row.blocking else ''}function(call{''.join(', ' + a for a in arguments)})"
    lines = [
        "try:",
        # A status may be a positive number too: zx_debuglog_read answers with a size.
        f"    status = {call}" + (" or OK" if row.returns in ("zx_status_t", "void") else ""),
        *[f"    p_{name}.install(call)" for name in new_handles],
        "except PageNeeded as need:",
        *drops,
        *["    " + line for line in needed],
        "except ZxError as error:",
        *drops,
        # One that was made again may have failed before it asked where it had left off.
        "    call.progress, call.failure = 0, None",
        "    status = error.status",
        "    if status == WRONG_TYPE:",
        "        call.wrong_object()",
        "except Exception as error:",
        *drops,
        "    call.progress, call.failure = 0, None",
        f"    status = bug(call, {row.name!r}, error)",
        *finish,
        f"return {answer}",
    ]
    return [indent + line for line in lines]


def _names(row: SyscallRow) -> dict[str, Any]:
    function = IMPLEMENTED[row.name]
    return {
        "function": function,
        "ZxError": ZxError,
        "PageNeeded": PageNeeded,
        "bug": _bug,
        "finish": finish_late,
        "finish_later": _finish_later,
        "OK": Status.OK,
        "WRONG_TYPE": Status.WRONG_TYPE,
        "CHECKPOINT": CHECKPOINT,
    }


def _first_trap(row: SyscallRow) -> Trap:
    """Stands for a call until a guest makes it."""

    def first(call: Call, registers: tuple[int, ...]) -> int | None:
        names = _names(row)
        trap = TRAPS[row.number] = _compile(_guest_source(row, names), names, "trap", row)
        result: int | None = trap(call, registers)
        return result

    return first


def _method(name: str, form: int) -> Callable[..., Any]:
    """The host's (*form* 0) or the bodies' (1) method for an implemented call."""
    row = BY_NAME[name]
    names = _names(row)
    return _compile(_host_sources(row, names)[form], names, name, row)


def _compile(source: str, names: dict[str, Any], name: str, row: SyscallRow) -> Callable[..., Any]:
    exec(compile(source, f"<door of {row.name}>", "exec"), names)
    made: Callable[..., Any] = names[name]
    return made


# Of a call that can wait: the page is waited for within it, and then all of it is done again.
_ARRIVE: Final = [
    "call.thread.late_writes.clear()",
    "status = await need.arrive()",
    "if status is None:",
    "    continue",
    "call.left_off = None",
]


async def finish_late(call: Call, status: int, values: list[int]) -> int:
    """Make the writes that waited for a pager, before a call that is over returns *status*.

    Where one of them cannot be made the caller shall not have the new handles *values*, nor those that the writes tell of:
    INVALID_ARGS, and for *values* an exception as in `HandleOut.drop`.
    """
    writes, call.thread.late_writes = call.thread.late_writes, []
    for write in writes:
        failure: int = await write.finish()
        if failure:
            for value in values:
                if value and call.handles.get(value) is not None:
                    call.handles.close(value)
                    call.kernel.handle_leak()
            for write in writes:
                for value in write.handles:
                    if call.handles.get(value) is not None:
                        call.handles.close(value)
                if write.undo is not None:
                    write.undo()
            return failure
    return status


def _finish_later(call: Call, status: int, values: list[int]) -> None:
    call.thread.coroutine = finish_late(call, status, values)


async def again(trap: Trap, call: Call, registers: tuple[int, ...], need: PageNeeded) -> int | None:
    """What a guest's thread does in a call that cannot wait, but needs a page: wait, and make it from the beginning."""
    thread = call.thread
    while True:
        status = await need.arrive()
        if not call.made_again(need, status):
            call.left_off = None
            assert status is not None
            return status
        mine = thread.coroutine
        try:
            result = trap(call, registers)
        except PageNeeded as another:
            need = another
            continue
        if result is None:
            rest, thread.coroutine = thread.coroutine, mine
            assert rest is not None
            return await rest  # type: ignore[no-any-return]
        return result


def _guest_source(row: SyscallRow, names: dict[str, Any]) -> str:
    """`trap(call, registers)`: answers the result, or None after leaving a coroutine in the thread."""
    setup: list[str] = []
    arguments: list[str] = []
    pointers = [param for param in row.params if _is_pointer(param)]
    if pointers:
        setup.append("memory = call.memory")
    for index, param in enumerate(row.params, start=1):
        if not _is_pointer(param):
            whole = SCALARS[param.type] == (8, False)  # as a register is already
            arguments.append(f"r[{index}]" if whole else _number(param, f"r[{index}]"))
            continue
        cls = _guest_pointer(param)
        make = f"{cls.__name__}({_code(param)!r}, {param.optional})"
        names[cls.__name__] = cls
        if row.blocking:
            setup.append(f"p_{param.name} = {make}")
        else:
            # A call that cannot block is over before the next one begins: one pointer object serves them all.
            names[f"p_{param.name}"] = cls(_code(param), param.optional)
        setup.append(f"p_{param.name}.memory = memory")
        setup.append(f"p_{param.name}.address = r[{index}]")
        if cls is HandleOut:
            setup.append(f"p_{param.name}.handle = None; p_{param.name}.value = 0")
        elif cls is HandlesOut:
            setup.append(f"p_{param.name}.handles = (); p_{param.name}.values = []")
        arguments.append(f"p_{param.name}")
    writes = any(param.kind is not Kind.IN for param in pointers)
    if not row.blocking:
        late = "return finish_later" if writes else ""
        needed = ["call.thread.late_writes.clear()", "raise"]
        body = ["    " + line for line in setup] + _body(row, arguments, "status", "    ", needed, late)
        return "\n".join(["def trap(call, r):", *body])
    late = "status = await finish" if writes else ""
    body = ["    while True:", *["        " + line for line in setup]]
    body += _body(row, arguments, "status", "        ", _ARRIVE, late)
    start = ["def trap(call, r):", "    call.thread.coroutine = run(call, r)"]
    return "\n".join(["async def run(call, r):", *body, *start])


def _element_size(param: Param) -> int:
    if param.type in SCALARS:
        return SCALARS[param.type][0]
    if param.type in STRUCTS:
        return STRUCTS[param.type].SIZE
    return 1


def _host_sources(row: SyscallRow, names: dict[str, Any]) -> tuple[str, str]:
    """The host's method and the bodies' coroutine method, named after the call."""
    derived: dict[str, str] = {}  # sizes that follow from an argument
    for param in row.params:
        if param.kind in (Kind.IN, Kind.INOUT) and param.count is not None and param.count not in derived:
            size = f"h_{param.name}.size()"
            if param.type == "zx_iovec_t":
                derived[param.count] = size
                continue
            if param.unit is not None:
                size += f" // {param.unit} if {param.unit} > 0 else 0"
            elif _element_size(param) > 1:
                size += f" // {_element_size(param)}"
            derived[param.count] = size
    parameters: list[str] = []
    setup: list[str] = []
    arguments: list[str] = []
    outputs: list[str] = []
    for param in row.params:
        name = param.name + "_" if keyword.iskeyword(param.name) else param.name
        if not _is_pointer(param):
            if param.name in derived:
                arguments.append(derived[param.name])
            else:
                parameters.append(name)
                arguments.append(_number(param, name))
            continue
        cls = _HOST[_guest_pointer(param)]
        names[cls.__name__] = cls
        if row.blocking:
            setup.append(f"h_{param.name} = {cls.__name__}({_code(param)!r}, {param.optional})")
        else:
            names[f"h_{param.name}"] = cls(_code(param), param.optional)
        if param.kind is Kind.OUT:
            setup.append(f"h_{param.name}.bind()")
        else:
            parameters.append(name)
            setup.append(f"h_{param.name}.bind(call, {name})")
        arguments.append(f"h_{param.name}")
        if param.kind is not Kind.IN and cls is not HostVector:  # what it points at is written to, not itself
            outputs.append(_output(param, names))
    answer = f"(status, {', '.join(outputs)})" if outputs else "status"
    needed = (
        _ARRIVE if row.blocking else ["status = self.answer_need(need)", "if status is None:", "    continue"]
    )
    late = "status = await finish" if row.blocking and outputs else ""
    body = [re.sub(r"\bp_", "h_", line) for line in _body(row, arguments, answer, "        ", needed, late)]
    inner = ["    while True:", *["        " + line for line in setup], *body]
    signature = ", ".join(["self", *parameters])
    head = "    call = self.call"
    if not row.blocking:
        host = "\n".join([f"def {row.name}({signature}):", head, *inner])
        passed = ", ".join(["self", *parameters])
        body_source = "\n".join(
            [
                host,
                f"plain = {row.name}",
                f"async def {row.name}({signature}):",
                "    while True:",
                "        try:",
                f"            answer = plain({passed})",
                "            break",
                "        except PageNeeded as need:",
                "            await self.wait_for_page(need)",
                "    if self.call.thread.attention:",
                "        await CHECKPOINT",
                "    return answer",
            ]
        )
        return host, body_source
    run = [f"async def {row.name}({signature}):", head, *inner]
    blocking = [
        *run,
        f"run = {row.name}",
        f"def {row.name}({signature}):",
        f"    return self.block(run({', '.join(['self', *parameters])}))",
    ]
    # The call is over before the body goes on: what has to be done with the thread then is done here.
    run[-1:] = ["        if call.thread.attention:", "            await CHECKPOINT", run[-1]]
    return "\n".join(blocking), "\n".join(run)


def _output(param: Param, names: dict[str, Any]) -> str:
    """An expression: what the host gets for one pointer that the call wrote through."""
    pointer = f"h_{param.name}"
    if param.type in STRUCTS:
        cls = names[param.type] = STRUCTS[param.type]
        if param.count is not None:
            names["structs"] = _structs
            return f"structs({cls.__name__}, {pointer}.data)"
        return f"{cls.__name__}.unpack({pointer}.data) if {pointer}.data else {cls.__name__}()"
    if param.type == "zx_handle_t":
        return f"{pointer}.values" if param.count else f"{pointer}.value"
    if param.count is not None or param.type == "void":
        return f"bytes({pointer}.data)"
    return f"{pointer}.value"


def _structs(cls: Any, data: bytes) -> list[Any]:
    return [cls.unpack(data, offset) for offset in range(0, len(data) // cls.SIZE * cls.SIZE, cls.SIZE)]


# ---- The forms of the door -------------------------------------------------------------------------------------------------


class _Sys:
    """Raw system calls in the name of one thread."""

    def __init__(self, thread: ThreadDispatcher) -> None:
        self.call = Call(thread)

    def answer_need(self, need: PageNeeded) -> Status | None:
        """A call that cannot wait needs a page: None to make it again, or its answer.

        The host runs the kernel meanwhile. In a body it is for who awaits the call to do that: `wait_for_page`.
        """
        refused, self.call.refused = self.call.refused, None
        if refused is not None and need.is_as(refused[0]):
            self.call.left_off = None
            return refused[1]
        raise need

    async def wait_for_page(self, need: PageNeeded) -> None:
        """A body's call has raised *need*: wait, then make it again."""
        status = await need.arrive()
        if not self.call.made_again(need, status):
            assert status is not None
            self.call.refused = need, status


class HostSys(_Sys):
    """The host's raw calls: `status, job = sys.zx_job_create(root_job, 0)`.

    Inputs in C order; a pointer with its length is one `bytes` or sequence; outputs are returned behind the status, an output
    buffer's size is passed. A call that blocks runs the kernel until it is done.
    """

    def answer_need(self, need: PageNeeded) -> Status | None:
        if self.call.thread.is_body:
            return super().answer_need(need)
        status: Status | None = self.block(need.arrive())
        return None if self.call.made_again(need, status) else status

    def block(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        kernel, thread = self.call.kernel, self.call.thread
        try:
            while True:
                try:
                    stop = coroutine.send(None)
                except StopIteration as end:
                    return end.value
                if isinstance(stop, Waiter):
                    kernel.run_host(thread, stop)
                else:
                    thread.attention = False  # a checkpoint: nothing can be done with the host
        finally:
            coroutine.close()

    def __getattr__(self, name: str) -> Any:
        # The class gets a method when it is asked for it for the first time.
        if name in IMPLEMENTED:
            setattr(HostSys, name, _method(name, 0))
            return getattr(self, name)
        if name in BY_NAME:
            return _missing
        raise AttributeError(name)


class BodySys(_Sys):
    """A Python body's raw calls, with and without the prefix: `await zx.zx_nanosleep(t)`, `await zx.nanosleep(t)`."""

    def __getattr__(self, name: str) -> Any:
        if name in IMPLEMENTED:
            setattr(BodySys, name, _method(name, 1))
            return getattr(self, name)
        if name.startswith("zx_") and name in BY_NAME:
            return _missing_async
        if not name.startswith("_"):
            return getattr(self, "zx_" + name)
        raise AttributeError(name)


def _missing(*arguments: object) -> Status:
    """A call without an implementation. It has no outputs to show."""
    return Status.NOT_SUPPORTED


async def _missing_async(*arguments: object) -> Status:
    return Status.NOT_SUPPORTED


class Door:
    """Installed in a kernel, it carries out what guests ask for by register.

    A call is taken only from its own syscall instruction in the vDSO. From anywhere else it is a policy exception of the thread.
    Source: zircon/kernel/lib/syscalls/syscalls.cc.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        kernel.syscall = self.enter
        kernel.watch_calls = watch_all

    def enter(self, thread: ThreadDispatcher) -> int | None:
        context = thread.context
        assert context is not None
        call = thread.call
        if call is None:
            call = self.call_of(thread)
        registers = context.syscall()
        number = registers[0]
        if registers[9] - call.vdso_base == self.kernel.syscall_sites.get(number):
            try:
                return TRAPS[number](call, registers)
            except PageNeeded as need:
                thread.coroutine = again(TRAPS[number], call, registers, need)
                return None
        if not call.vdso_base:
            # Mapped since the thread made its first call, perhaps. Once it is there it stays.
            call.vdso_base = call.process.vdso_base
            if registers[9] - call.vdso_base == self.kernel.syscall_sites.get(number):
                return self.enter(thread)
        self.kernel.policy_exception(ZX_EXCP_POLICY_CODE_BAD_SYSCALL, number & 0xFFFF_FFFF)
        return Status.BAD_SYSCALL

    def call_of(self, thread: ThreadDispatcher) -> Call:
        """The thread's `Call`, made at its first one."""
        if thread.call is None:
            thread.call = Call(thread)
        call: Call = thread.call
        return call
