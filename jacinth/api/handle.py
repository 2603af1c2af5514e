"""Handles: what all objects have in common."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, overload

from jacinth.abi import (
    ZX_INFO_HANDLE_BASIC,
    ZX_INFO_HANDLE_COUNT,
    ZX_MAX_NAME_LEN,
    ZX_PROP_NAME,
    ZX_TIME_INFINITE,
    Struct,
    zx_handle_info_t,
    zx_info_handle_basic_t,
    zx_info_handle_count_t,
    zx_wait_item_t,
)
from jacinth.api.caller import C, blocking, member
from jacinth.api.flags import ObjType, Rights, Signals, WaitAsyncOpts
from jacinth.api.status import ZxBadHandle, ZxCanceled, ZxStatus, ZxTimedOut

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from jacinth.api.body import Body
    from jacinth.api.kernel import Kernel
    from jacinth.api.port import Port

    HostHandle = TypeVar("HostHandle", bound="Handle[Kernel]")
    BodyHandle = TypeVar("BodyHandle", bound="Handle[Body]")

S = TypeVar("S", bound=Struct)

INFINITE: Final = ZX_TIME_INFINITE

# The class for each type of object, filled as the classes are defined.
CLASSES: Final[dict[int, type[Handle[Any]]]] = {}


def check(status: int) -> None:
    """Raise the exception for a status that is not OK."""
    if status:
        raise ZxStatus.of(status)


class Handle(Generic[C]):
    """A handle, and the object behind it. Whoever has one closes it: by `close`, by `with`, or by moving it
    elsewhere.

    `Handle(caller, raw)` takes over the handle value *raw* of the caller's process. An object that is closed
    raises ZxBadHandle whatever is asked of it, and asks the kernel nothing. Dropping the object does not
    close the handle.

    Every call raises ZxBadHandle, ZxWrongType and ZxAccessDenied as the system call does; beyond these its
    docstring says what.
    """

    OBJ_TYPE: ClassVar[ObjType] = ObjType.NONE

    __slots__ = ("__weakref__", "_caller", "_raw")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.OBJ_TYPE and cls.OBJ_TYPE not in CLASSES:
            CLASSES[cls.OBJ_TYPE] = cls

    def __init__(self, caller: C, raw: int) -> None:
        self._caller: C = caller
        self._raw = raw

    @property
    def raw(self) -> int:
        """The handle's value in its process."""
        if not self._raw:
            raise ZxBadHandle
        return self._raw

    @property
    def is_invalid(self) -> bool:
        """Whether it was closed, moved or taken."""
        return not self._raw

    def take(self) -> int:
        """Give up the handle without closing it. Answers its value."""
        raw, self._raw = self.raw, 0
        return raw

    # Information

    def _info(self, topic: int, cls: type[S]) -> S:
        """The one record of a topic of `zx_object_get_info`."""
        status, data, _, _ = self._caller.sys.zx_object_get_info(self.raw, topic, cls.SIZE)
        check(status)
        return cls.unpack(data)

    def _list(self, topic: int, size: int) -> bytes:
        """All records of a topic that has many, *size* bytes each."""
        room = 64
        while True:
            status, data, actual, avail = self._caller.sys.zx_object_get_info(self.raw, topic, room * size)
            check(status)
            if actual == avail:
                return bytes(data)
            room = avail

    def _infos(self, topic: int, cls: type[S]) -> list[S]:
        data = self._list(topic, cls.SIZE)
        return [cls.unpack(data, offset) for offset in range(0, len(data), cls.SIZE)]

    def _koids(self, topic: int) -> list[int]:
        data = self._list(topic, 8)
        return [int.from_bytes(data[offset : offset + 8], "little") for offset in range(0, len(data), 8)]

    @property
    def basic_info(self) -> zx_info_handle_basic_t:
        """Koid, rights, type and related koid."""
        return self._info(ZX_INFO_HANDLE_BASIC, zx_info_handle_basic_t)

    @property
    def koid(self) -> int:
        """The number of the object, which no other object ever has."""
        koid: int = self.basic_info.koid
        return koid

    @property
    def related_koid(self) -> int:
        """The koid of the parent job, the process, the peer; 0 where the type has none."""
        koid: int = self.basic_info.related_koid
        return koid

    @property
    def rights(self) -> Rights:
        """What this handle allows."""
        return Rights(self.basic_info.rights)

    @property
    def count(self) -> int:
        """How many handles to the object there are. Rights: INSPECT."""
        count: int = self._info(ZX_INFO_HANDLE_COUNT, zx_info_handle_count_t).handle_count
        return count

    def _get_property(self, number: int, size: int = 8) -> bytes:
        status, data = self._caller.sys.zx_object_get_property(self.raw, number, size)
        check(status)
        return bytes(data)

    def _get_word(self, number: int) -> int:
        return int.from_bytes(self._get_property(number), "little")

    def _set_property(self, number: int, value: bytes | int) -> None:
        data = value.to_bytes(8, "little") if isinstance(value, int) else value
        check(self._caller.sys.zx_object_set_property(self.raw, number, data))

    @property
    def name(self) -> str:
        """At most 31 bytes of UTF-8; setting it cuts the rest off. Rights: GET_PROPERTY, SET_PROPERTY. ZxWrongType for
        types without names.
        """
        return self._get_property(ZX_PROP_NAME, ZX_MAX_NAME_LEN).partition(b"\0")[0].decode(errors="replace")

    @name.setter
    def name(self, value: str | bytes) -> None:
        self._set_property(ZX_PROP_NAME, value.encode() if isinstance(value, str) else value)

    # Handles

    if TYPE_CHECKING:

        @overload
        def duplicate(self: HostHandle, rights: int = ...) -> HostHandle: ...
        @overload
        def duplicate(self: BodyHandle, rights: int = ...) -> Coroutine[Any, Any, BodyHandle]: ...
        def duplicate(self, rights: int = ...) -> Any:
            """A second handle to the object, with *rights*.

            Rights: DUPLICATE. Raises ZxInvalidArgs for rights that this handle has not.
            """

        @overload
        def replace(self: HostHandle, rights: int = ...) -> HostHandle: ...
        @overload
        def replace(self: BodyHandle, rights: int = ...) -> Coroutine[Any, Any, BodyHandle]: ...
        def replace(self, rights: int = ...) -> Any:
            """A handle with *rights* in place of this one, which is closed whatever happens.

            Raises ZxInvalidArgs for rights that this handle has not.
            """

    else:

        @member
        def duplicate(self, rights: int = Rights.SAME_RIGHTS) -> Handle[C]:
            """A second handle to the object, with *rights*.

            Rights: DUPLICATE. Raises ZxInvalidArgs for rights that this handle has not.
            """
            status, raw = self._caller.sys.zx_handle_duplicate(self.raw, rights)
            check(status)
            return type(self)(self._caller, raw)

        @member
        def replace(self, rights: int = Rights.SAME_RIGHTS) -> Handle[C]:
            """A handle with *rights* in place of this one, which is closed whatever happens.

            Raises ZxInvalidArgs for rights that this handle has not.
            """
            status, raw = self._caller.sys.zx_handle_replace(self.take(), rights)
            check(status)
            return type(self)(self._caller, raw)

    @member
    def close(self) -> None:
        """Close the handle. Closing again does nothing."""
        self._close()

    def _close(self) -> None:
        if self._raw:
            check(self._caller.sys.zx_handle_close(self.take()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    # Signals

    @member
    def signal(self, clear: int, set: int) -> None:
        """Clear, then set signals of the object.

        Rights: SIGNAL. Raises ZxInvalidArgs beyond what users may signal.
        """
        check(self._caller.sys.zx_object_signal(self.raw, clear, set))

    @blocking
    async def wait(self, signals: int, deadline: int = INFINITE) -> Signals:
        """Wait until one of *signals* is asserted, at most until *deadline* ns. Answers all signals as they
        were then.

        Rights: WAIT. Raises ZxTimedOut, ZxCanceled where the handle is closed meanwhile (both with
        `signals`), ZxNotSupported for an object without signals.
        """
        return await self._wait_one(signals, deadline)

    async def _wait_one(self, signals: int, deadline: int) -> Signals:
        status, observed = await self._caller.waits.zx_object_wait_one(self.raw, signals, deadline)
        if status:
            raise _with_signals(status, observed)
        return Signals(observed)

    @member
    def wait_async(self, port: Port[C], key: int, signals: int, options: int = WaitAsyncOpts.NONE) -> None:
        """Let a packet with *key* come to *port* when one of *signals* is asserted.

        Rights: WAIT; on the port WRITE.
        """
        [raw] = values(self._caller, [port])
        check(self._caller.sys.zx_object_wait_async(self.raw, raw, key, signals, options))

    def __repr__(self) -> str:
        name = type(self).__name__
        if not self._raw:
            return f"<{name} closed>"
        try:
            info = self.basic_info
        except ZxStatus as error:
            return f"<{name} raw={self._raw:#x} {error}>"
        rights = "|".join(right.name or "" for right in Rights if info.rights & right) or "NONE"
        return f"<{name} koid={info.koid} rights={rights}>"


def _with_signals(status: int, observed: int) -> ZxStatus:
    error = ZxStatus.of(status)
    if isinstance(error, ZxTimedOut | ZxCanceled):
        error.signals = Signals(observed)
    return error


class Peered(Handle[C]):
    """One of two objects that were made together."""

    __slots__ = ()

    @member
    def signal_peer(self, clear: int, set: int) -> None:
        """Clear, then set signals of the other object.

        Rights: SIGNAL_PEER. Raises ZxInvalidArgs beyond what users may signal, ZxPeerClosed.
        """
        check(self._caller.sys.zx_object_signal_peer(self.raw, clear, set))


def wrap(caller: C, raw: int) -> Handle[C]:
    """An object of the class for the type of a handle that the caller has got."""
    handle = caller.sys.call.handles.get(raw)
    cls = Handle if handle is None else CLASSES.get(handle.object.TYPE, Handle)
    return cls(caller, raw)


@dataclass(slots=True)
class HandleInfo(Generic[C]):
    """A handle that came in a message, as the kernel describes it."""

    handle: Handle[C]
    object_type: ObjType
    rights: Rights


def handle_info(caller: C, info: zx_handle_info_t) -> HandleInfo[C]:
    return HandleInfo(wrap(caller, info.handle), ObjType(info.type), Rights(info.rights))


def values(caller: Kernel | Body, handles: Sequence[Handle[Any]]) -> list[int]:
    """The values of handles that are all the caller's own.

    ZxBadHandle where one of them is closed, ValueError where it is another process's: its value would mean
    nothing here.
    """
    for handle in handles:
        other = handle._caller
        if other is not caller and other.sys.call.handles is not caller.sys.call.handles:
            raise ValueError(f"not a handle of this process: {handle!r}")
    return [handle.raw for handle in handles]


# Waiting for several


@dataclass(slots=True)
class WaitItem(Generic[C]):
    """What to wait for through one handle; *pending* is what was there at the end."""

    handle: Handle[C]
    waitfor: int
    pending: Signals = Signals.NONE


@overload
def object_wait_many(items: Sequence[WaitItem[Kernel]], deadline: int = INFINITE) -> None: ...
@overload
def object_wait_many(
    items: Sequence[WaitItem[Body]], deadline: int = INFINITE
) -> Coroutine[Any, Any, None]: ...
def object_wait_many(items: Sequence[WaitItem[Any]], deadline: int = INFINITE) -> Any:
    """Wait until one of the items has one of its signals. Each gets its `pending`, whatever happens.

    Rights: WAIT on each. Raises ZxTimedOut, ZxCanceled, ZxOutOfRange for more than 64 items, ValueError for
    none.
    """
    if not items:
        raise ValueError("nothing to wait for")
    caller = items[0].handle._caller
    coroutine = _wait_many(caller, items, deadline)
    return coroutine if caller.is_body else caller.sys.block(coroutine)


async def _wait_many(caller: Kernel | Body, items: Sequence[WaitItem[Any]], deadline: int) -> None:
    raws = values(caller, [item.handle for item in items])
    wanted = [zx_wait_item_t(handle=raw, waitfor=item.waitfor) for raw, item in zip(raws, items, strict=True)]
    status, found = await caller.waits.zx_object_wait_many(wanted, deadline)
    for item, pending in zip(items, found, strict=False):
        item.pending = Signals(pending.pending)
    check(status)


def close_all(handles: Iterable[Handle[Any]]) -> None:
    """Close several handles at once, those that are open."""
    for handle in handles:
        handle._close()
