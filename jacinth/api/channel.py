"""Channels: messages of bytes and handles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic

from jacinth.abi import (
    ZX_CHANNEL_MAX_MSG_BYTES,
    ZX_CHANNEL_MAX_MSG_HANDLES,
    ZX_HANDLE_OP_MOVE,
    ZX_VM_CAN_MAP_READ,
    ZX_VM_CAN_MAP_WRITE,
    ZX_VM_PERM_READ,
    ZX_VM_PERM_WRITE,
    Status,
    ZxError,
    zx_channel_call_etc_args_t,
    zx_handle_disposition_t,
    zx_handle_info_t,
)
from jacinth.api.caller import C, blocking, member, resolve
from jacinth.api.flags import HandleOp, ObjType, Rights
from jacinth.api.handle import INFINITE, Handle, HandleInfo, Peered, check, handle_info, values, wrap
from jacinth.api.status import ZxBufferTooSmall, ZxStatus, translated
from jacinth.kernel.vm.vmo import VmObjectDispatcher

if TYPE_CHECKING:
    from jacinth.api.body import Body
    from jacinth.api.kernel import Kernel

MAX_BYTES: Final = ZX_CHANNEL_MAX_MSG_BYTES
MAX_HANDLES: Final = ZX_CHANNEL_MAX_MSG_HANDLES


@dataclass(slots=True)
class HandleDisposition(Generic[C]):
    """What is to become of a handle that is sent. *result* says what was wrong with it, when the write has
    failed.
    """

    operation: HandleOp
    handle: Handle[C]
    object_type: ObjType = ObjType.NONE
    rights: Rights = Rights.SAME_RIGHTS
    result: Status = Status.OK


class Channel(Peered[C]):
    """One end of a channel."""

    OBJ_TYPE = ObjType.CHANNEL

    __slots__ = ()

    @classmethod
    def create(cls, *, caller: C | None = None) -> tuple[Channel[C], Channel[C]]:
        """Both ends of a channel."""
        owner = resolve(caller)
        status, one, other = owner.sys.zx_channel_create(0)
        check(status)
        return Channel(owner, one), Channel(owner, other)

    @member
    def read(
        self, options: int = 0, max_bytes: int = MAX_BYTES, max_handles: int = MAX_HANDLES
    ) -> tuple[bytes, list[Handle[C]]]:
        """The oldest message. Each handle is an object of the class for its type.

        Rights: READ. Raises ZxShouldWait or ZxPeerClosed where there is none, ZxBufferTooSmall (with `sizes`)
        where it does not fit.
        """
        caller = self._caller
        status, data, raws, size, count = caller.sys.zx_channel_read(
            self.raw, options, max_bytes, max_handles
        )
        if status:
            raise _with_sizes(status, size, count)
        return data, [wrap(caller, raw) for raw in raws]

    @member
    def read_etc(
        self, options: int = 0, max_bytes: int = MAX_BYTES, max_handles: int = MAX_HANDLES
    ) -> tuple[bytes, list[HandleInfo[C]]]:
        """As `read`, with the type and rights of each handle."""
        caller = self._caller
        status, data, infos, size, count = caller.sys.zx_channel_read_etc(
            self.raw, options, max_bytes, max_handles
        )
        if status:
            raise _with_sizes(status, size, count)
        return data, [handle_info(caller, info) for info in infos]

    @member
    def write(self, data: bytes, handles: Sequence[Handle[C]] = (), options: int = 0) -> None:
        """Send a message. The handles go, whatever happens.

        Rights: WRITE; TRANSFER on each handle. Raises ZxPeerClosed, ZxOutOfRange for more than 65536 bytes or
        64 handles, ZxNotSupported for this end itself.
        """
        raw = self.raw
        if handles:
            values(self._caller, handles)
            check(self._caller.sys.zx_channel_write(raw, options, data, [h.take() for h in handles]))
        else:
            check(self._caller.sys.zx_channel_write(raw, options, data, ()))

    @member
    def write_etc(self, data: bytes, dispositions: Sequence[HandleDisposition[C]], options: int = 0) -> None:
        """Send a message, and of each handle what its disposition says.

        Raises as `write`, ZxWrongType for an unexpected type, ZxInvalidArgs for rights that a handle has not;
        each disposition has its `result` then.
        """
        raw = self.raw
        packed = _pack(self._caller, dispositions)
        status, results = self._caller.sys.zx_channel_write_etc(raw, options, data, packed)
        for disposition, result in zip(dispositions, results, strict=False):
            disposition.result = Status(result.result)
        check(status)

    @blocking
    async def call(
        self, data: bytes, handles: Sequence[Handle[C]] = (), deadline: int = INFINITE
    ) -> tuple[bytes, list[Handle[C]]]:
        """Send a message and wait for the answer to it. The first four bytes of both are a transaction id
        that the kernel sets.

        Rights: READ, WRITE; TRANSFER on each handle, which goes whatever happens. Raises as `write`,
        ZxTimedOut, ZxCanceled, ZxInvalidArgs for fewer than four bytes.
        """
        dispositions = [HandleDisposition(HandleOp.MOVE, handle) for handle in handles]
        answer, infos = await self._call(data, dispositions, deadline)
        return answer, [wrap(self._caller, info.handle) for info in infos]

    @blocking
    async def call_etc(
        self, data: bytes, dispositions: Sequence[HandleDisposition[C]] = (), deadline: int = INFINITE
    ) -> tuple[bytes, list[HandleInfo[C]]]:
        """As `call`, with dispositions and descriptions of the handles."""
        answer, infos = await self._call(data, dispositions, deadline)
        return answer, [handle_info(self._caller, info) for info in infos]

    async def _call(
        self, data: bytes, dispositions: Sequence[HandleDisposition[C]], deadline: int
    ) -> tuple[bytes, list[zx_handle_info_t]]:
        caller = self._caller
        raw = self.raw
        buffer = CallBuffer.of(caller)
        packed = _pack(caller, dispositions)
        args = buffer.put(data, packed)
        status, _, size, count = await caller.waits.zx_channel_call_etc(raw, 0, deadline, args)
        if dispositions and status:
            for disposition, result in zip(dispositions, buffer.dispositions(len(dispositions)), strict=True):
                disposition.result = Status(result.result)
        if status:
            raise _with_sizes(status, size, count)
        return buffer.answer(size, count)


def _pack(
    caller: Kernel | Body, dispositions: Sequence[HandleDisposition[Any]]
) -> list[zx_handle_disposition_t]:
    """The dispositions as the kernel takes them; what moves is no longer the objects'."""
    raws = values(caller, [disposition.handle for disposition in dispositions])
    for disposition in dispositions:
        if disposition.operation == ZX_HANDLE_OP_MOVE:
            disposition.handle.take()
    return [
        zx_handle_disposition_t(operation=d.operation, handle=raw, type=d.object_type, rights=d.rights)
        for d, raw in zip(dispositions, raws, strict=True)
    ]


def _with_sizes(status: int, size: int, count: int) -> ZxStatus:
    error = ZxStatus.of(status)
    if isinstance(error, ZxBufferTooSmall):
        error.sizes = size, count
    return error


class CallBuffer:
    """Memory of the caller's for one `zx_channel_call` at a time: that call takes its buffers by address."""

    _ANSWER: Final = MAX_BYTES
    _HANDLES: Final = 2 * MAX_BYTES
    _INFOS: Final = 2 * MAX_BYTES + 4096
    SIZE: Final = 2 * MAX_BYTES + 2 * 4096

    def __init__(self, caller: Kernel | Body) -> None:
        call = caller.sys.call
        self.memory = call.memory
        self.region = call.process.shared.aspace.root_vmar
        options = ZX_VM_PERM_READ | ZX_VM_PERM_WRITE | ZX_VM_CAN_MAP_READ | ZX_VM_CAN_MAP_WRITE
        vmo = VmObjectDispatcher.create(call.kernel, self.SIZE, 0, b"channel-call")
        self.address = self.region.map(0, vmo, 0, self.SIZE, options).base

    @staticmethod
    def of(caller: Kernel | Body) -> CallBuffer:
        """The caller's, made on first use."""
        if caller.call_buffer is None:
            caller.call_buffer = translated(CallBuffer, caller)
        return caller.call_buffer

    def put(self, data: bytes, dispositions: Sequence[zx_handle_disposition_t]) -> zx_channel_call_etc_args_t:
        """Store a message. Answers the arguments of the call."""
        address = self.address
        self.memory.write_user(address, data[:MAX_BYTES])
        packed = b"".join([disposition.pack() for disposition in dispositions[:MAX_HANDLES]])
        self.memory.write_user(address + self._HANDLES, packed)
        return zx_channel_call_etc_args_t(
            wr_bytes=address,
            wr_handles=address + self._HANDLES,
            rd_bytes=address + self._ANSWER,
            rd_handles=address + self._INFOS,
            wr_num_bytes=len(data),
            wr_num_handles=len(dispositions),
            rd_num_bytes=MAX_BYTES,
            rd_num_handles=MAX_HANDLES,
        )

    def answer(self, size: int, count: int) -> tuple[bytes, list[zx_handle_info_t]]:
        """The reply, after a call that went well."""
        data = self.memory.read_user(self.address + self._ANSWER, size)
        step = zx_handle_info_t.SIZE
        infos = self.memory.read_user(self.address + self._INFOS, count * step)
        return data, [zx_handle_info_t.unpack(infos, offset) for offset in range(0, count * step, step)]

    def dispositions(self, count: int) -> list[zx_handle_disposition_t]:
        """What the call made of them."""
        step = zx_handle_disposition_t.SIZE
        data = self.memory.read_user(self.address + self._HANDLES, count * step)
        return [zx_handle_disposition_t.unpack(data, offset) for offset in range(0, count * step, step)]

    def close(self) -> None:
        """Unmap it, unless that has happened."""
        try:
            self.region.unmap(self.address, self.SIZE, can_destroy_regions=False)
        except ZxError:
            pass  # the address space is gone
