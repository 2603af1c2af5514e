"""Exceptions of threads, as their handlers see them."""

from __future__ import annotations

from jacinth.abi import ZX_PROP_EXCEPTION_STATE, ZX_PROP_EXCEPTION_STRATEGY
from jacinth.api.caller import C, member
from jacinth.api.flags import ExceptionState, ExceptionStrategy, ObjType
from jacinth.api.handle import Handle, check
from jacinth.api.task import Process, Thread

_SIZE = 4  # bytes of its properties


class Exception_(Handle[C]):
    """What has happened to a thread, which waits until this is closed. It comes out of an exception channel.

    Closing it lets the next handler have it, unless `state` says otherwise.
    """

    OBJ_TYPE = ObjType.EXCEPTION

    __slots__ = ()

    @member
    def get_thread(self) -> Thread[C]:
        """The thread, with the rights of the task that is listened to."""
        status, raw = self._caller.sys.zx_exception_get_thread(self.raw)
        check(status)
        return Thread(self._caller, raw)

    @member
    def get_process(self) -> Process[C]:
        """Its process, with the rights of the task that is listened to.

        Raises ZxAccessDenied where that is a thread.
        """
        status, raw = self._caller.sys.zx_exception_get_process(self.raw)
        check(status)
        return Process(self._caller, raw)

    @property
    def state(self) -> ExceptionState:
        """What happens when this is closed. Setting it needs SET_PROPERTY, reading GET_PROPERTY."""
        return ExceptionState(int.from_bytes(self._get_property(ZX_PROP_EXCEPTION_STATE, _SIZE), "little"))

    @state.setter
    def state(self, value: int) -> None:
        self._set_property(ZX_PROP_EXCEPTION_STATE, value.to_bytes(_SIZE, "little"))

    @property
    def strategy(self) -> ExceptionStrategy:
        """Whether a process debugger is asked again. Setting it raises ZxBadState for every other handler."""
        data = self._get_property(ZX_PROP_EXCEPTION_STRATEGY, _SIZE)
        return ExceptionStrategy(int.from_bytes(data, "little"))

    @strategy.setter
    def strategy(self, value: int) -> None:
        self._set_property(ZX_PROP_EXCEPTION_STRATEGY, value.to_bytes(_SIZE, "little"))
