"""What a call raises: one exception for each status code, so that `except ZxTimedOut` says what it means.

`ZxError` is the base of them all, and what the kernel itself raises.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar

from jacinth.abi import Status, ZxError
from jacinth.api.flags import Signals

T = TypeVar("T")


class ZxStatus(ZxError):
    """A call ended with *status*. The class says which: `ZxStatus.of` picks it."""

    CODE: ClassVar[Status] = Status.INTERNAL

    def __init__(self, status: Status | None = None) -> None:
        super().__init__(self.CODE if status is None else status)

    @staticmethod
    def of(status: int) -> ZxStatus:
        """The exception for a status that is not OK."""
        cls = _BY_STATUS.get(status)
        return cls() if cls is not None else ZxStatus(Status(status))


class ZxInternal(ZxStatus):
    """The system is in a state that it should never be in."""

    CODE = Status.INTERNAL


class ZxNotSupported(ZxStatus):
    """The operation is not implemented, or not for this object."""

    CODE = Status.NOT_SUPPORTED


class ZxNoResources(ZxStatus):
    """The system is out of something other than memory."""

    CODE = Status.NO_RESOURCES


class ZxNoMemory(ZxStatus):
    """The system is out of memory."""

    CODE = Status.NO_MEMORY


class ZxInvalidArgs(ZxStatus):
    """An argument is invalid, whatever the state of anything."""

    CODE = Status.INVALID_ARGS


class ZxBadHandle(ZxStatus):
    """A handle value that refers to nothing, or a Handle object that was closed."""

    CODE = Status.BAD_HANDLE


class ZxWrongType(ZxStatus):
    """The handle is not to an object of the right type."""

    CODE = Status.WRONG_TYPE


class ZxBadSyscall(ZxStatus):
    """There is no system call of that number."""

    CODE = Status.BAD_SYSCALL


class ZxOutOfRange(ZxStatus):
    """An argument is beyond what is valid for this object."""

    CODE = Status.OUT_OF_RANGE


class ZxBufferTooSmall(ZxStatus):
    """What is to be read does not fit."""

    CODE = Status.BUFFER_TOO_SMALL
    sizes: tuple[int, int] = (0, 0)  # bytes and handles of the message that did not fit


class ZxBadState(ZxStatus):
    """The object is in a state that does not allow the operation."""

    CODE = Status.BAD_STATE


class ZxTimedOut(ZxStatus):
    """The deadline passed before the operation was done."""

    CODE = Status.TIMED_OUT
    signals: Signals = Signals.NONE  # those of the object when the wait ended


class ZxShouldWait(ZxStatus):
    """The operation cannot be done now, but perhaps later: wait for a signal first."""

    CODE = Status.SHOULD_WAIT


class ZxCanceled(ZxStatus):
    """The operation was canceled, such as by the end of the handle that was waited through."""

    CODE = Status.CANCELED
    signals: Signals = Signals.NONE  # those of the object when the wait ended


class ZxPeerClosed(ZxStatus):
    """The other end is closed."""

    CODE = Status.PEER_CLOSED


class ZxNotFound(ZxStatus):
    """What was asked for does not exist."""

    CODE = Status.NOT_FOUND


class ZxAlreadyExists(ZxStatus):
    """What was to be made exists."""

    CODE = Status.ALREADY_EXISTS


class ZxAlreadyBound(ZxStatus):
    """The object is bound to another one."""

    CODE = Status.ALREADY_BOUND


class ZxUnavailable(ZxStatus):
    """The subject of the operation is not available now."""

    CODE = Status.UNAVAILABLE


class ZxAccessDenied(ZxStatus):
    """The handle does not have the right, or a policy forbids it."""

    CODE = Status.ACCESS_DENIED


class ZxIo(ZxStatus):
    """An input or output error."""

    CODE = Status.IO


class ZxIoRefused(ZxStatus):
    """The device refused the operation."""

    CODE = Status.IO_REFUSED


class ZxIoDataIntegrity(ZxStatus):
    """The data is not what was written."""

    CODE = Status.IO_DATA_INTEGRITY


class ZxIoDataLoss(ZxStatus):
    """The data is gone."""

    CODE = Status.IO_DATA_LOSS


class ZxIoNotPresent(ZxStatus):
    """The device is not there."""

    CODE = Status.IO_NOT_PRESENT


class ZxIoOverrun(ZxStatus):
    """More data came than was asked for."""

    CODE = Status.IO_OVERRUN


class ZxIoMissedDeadline(ZxStatus):
    """The operation was not done in its real time."""

    CODE = Status.IO_MISSED_DEADLINE


class ZxIoInvalid(ZxStatus):
    """The data is not valid for the device."""

    CODE = Status.IO_INVALID


class ZxBadPath(ZxStatus):
    """A path is too long or not well formed."""

    CODE = Status.BAD_PATH


class ZxNotDir(ZxStatus):
    """Not a directory."""

    CODE = Status.NOT_DIR


class ZxNotFile(ZxStatus):
    """Not a file."""

    CODE = Status.NOT_FILE


class ZxFileBig(ZxStatus):
    """The file would be too large."""

    CODE = Status.FILE_BIG


class ZxNoSpace(ZxStatus):
    """No space is left."""

    CODE = Status.NO_SPACE


class ZxNotEmpty(ZxStatus):
    """A directory is not empty."""

    CODE = Status.NOT_EMPTY


class ZxStop(ZxStatus):
    """Do not call again."""

    CODE = Status.STOP


class ZxNext(ZxStatus):
    """Go on to the next."""

    CODE = Status.NEXT


class ZxAsync(ZxStatus):
    """The operation goes on asynchronously."""

    CODE = Status.ASYNC


class ZxProtocolNotSupported(ZxStatus):
    """The protocol is not supported."""

    CODE = Status.PROTOCOL_NOT_SUPPORTED


class ZxAddressUnreachable(ZxStatus):
    """The network address cannot be reached."""

    CODE = Status.ADDRESS_UNREACHABLE


class ZxAddressInUse(ZxStatus):
    """The network address is in use."""

    CODE = Status.ADDRESS_IN_USE


class ZxNotConnected(ZxStatus):
    """The socket is not connected."""

    CODE = Status.NOT_CONNECTED


class ZxConnectionRefused(ZxStatus):
    """The other side refused the connection."""

    CODE = Status.CONNECTION_REFUSED


class ZxConnectionReset(ZxStatus):
    """The connection was reset."""

    CODE = Status.CONNECTION_RESET


class ZxConnectionAborted(ZxStatus):
    """The connection was aborted."""

    CODE = Status.CONNECTION_ABORTED


_BY_STATUS: Final[dict[int, type[ZxStatus]]] = {cls.CODE: cls for cls in ZxStatus.__subclasses__()}


def translated(function: Callable[..., T], *args: Any) -> T:
    """Call something of the kernel's own, with these exceptions for its errors."""
    try:
        return function(*args)
    except ZxError as error:
        raise ZxStatus.of(error.status) from None
