"""Suspend tokens: a task is suspended while one is held. Source: zircon/kernel/object/suspend_token_dispatcher.cc."""

from __future__ import annotations

from jacinth.abi import ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS, ZX_OBJ_TYPE_SUSPEND_TOKEN
from jacinth.kernel.object import SoloDispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.thread import ThreadDispatcher


class SuspendTokenDispatcher(SoloDispatcher):
    """Keeps one thread or process suspended until its last handle is closed."""

    TYPE = ZX_OBJ_TYPE_SUSPEND_TOKEN
    DEFAULT_RIGHTS = ZX_DEFAULT_SUSPEND_TOKEN_RIGHTS

    __slots__ = ("_task",)

    def __init__(self, task: ThreadDispatcher | ProcessDispatcher) -> None:
        """Suspend *task*: BAD_STATE where it is dying or dead."""
        task.suspend()
        super().__init__(task.kernel)
        self._task = task
        task.keep()

    def on_zero_handles(self) -> None:
        self._task.resume()
        self._task.let_go()
