"""What jobs, processes and threads have in common: each keeps the one above it.

An object of Zircon is there while anybody refers to it: a handle, what lives in it, or an object below it. So a job is in the
tree for as long as there is a handle to one of its processes, even to a dead one. Source: the RefPtr members of
zircon/kernel/object/{thread,process,job,suspend_token,exception}_dispatcher.h, and ~JobDispatcher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jacinth.kernel.object import SoloDispatcher

if TYPE_CHECKING:
    from jacinth.kernel.kernel import Kernel


class TaskDispatcher(SoloDispatcher):
    """A task. *keepers* counts the objects that refer to it besides handles; *gone* is true when nothing does any more.

    What changes one of these facts calls `check_gone` afterwards.
    """

    __slots__ = ("gone", "keepers")

    def __init__(self, kernel: Kernel, signals: int = 0) -> None:
        super().__init__(kernel, signals)
        self.keepers = 0
        self.gone = False

    @property
    def kept_by_itself(self) -> bool:
        """It goes on without anybody who refers to it."""
        return False

    def keep(self) -> None:
        """Somebody refers to it from now on."""
        self.keepers += 1

    def let_go(self) -> None:
        """One who has called `keep` does not any more."""
        self.keepers -= 1
        self.check_gone()

    def check_gone(self) -> None:
        if not (self.handle_count or self.keepers or self.gone or self.kept_by_itself):
            self.gone = True
            self.on_gone()

    def on_zero_handles(self) -> None:
        self.check_gone()

    def on_gone(self) -> None:
        """Nobody can reach it any more: let go of what it refers to."""
        raise NotImplementedError
