"""Probes: observers of what happens all the time, for the kernel's trace and its sampler.

Unlike other observers they are told in the middle of hot paths, so that there is a list of them of its own, which is empty while
nothing is traced.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jacinth.kernel.ipc.channel import ChannelDispatcher, Message
    from jacinth.kernel.process import ProcessDispatcher
    from jacinth.kernel.thread import ThreadDispatcher


class MessageStep(Enum):
    """Where a message of a channel is: written and read, or as the request of a `zx_channel_call` and its reply."""

    WRITE = auto()
    READ = auto()
    CALL = auto()
    REPLY = auto()


class KernelProbe:
    """Nothing here may change what the kernel does."""

    __slots__ = ()

    def on_process_create(self, process: ProcessDispatcher) -> None:
        """*process* is in its job now."""

    def on_thread_start(self, thread: ThreadDispatcher) -> None:
        """*thread* begins."""

    def on_wake(self, thread: ThreadDispatcher) -> None:
        """*thread*, which was not on the CPU, can run."""

    def on_switch(
        self, cpu: int, left: ThreadDispatcher | None, left_at: int, thread: ThreadDispatcher | None
    ) -> None:
        """It is *thread*'s turn on a CPU, or nobody's; that of *left*, if any, was over at *left_at* ns. They may be the same.

        The host, at whose turn all CPUs stop, has its turns on the first one.
        """

    def on_call(self, thread: ThreadDispatcher, name: str) -> None:
        """*thread* makes the system call *name*."""

    def on_return(self, thread: ThreadDispatcher, name: str) -> None:
        """The call is over, or left off for want of a page, to be made again."""

    def on_message(self, channel: ChannelDispatcher, message: Message, step: MessageStep) -> None:
        """*message* was written to, or read from, this end."""

    def on_page_fault(self, thread: ThreadDispatcher, address: int, access: int) -> None:
        """User code of *thread* has touched what is not mapped in the page table."""

    def on_restricted(self, thread: ThreadDispatcher, reason: int | None) -> None:
        """*thread* goes into restricted mode, or comes back for a ZX_RESTRICTED_REASON_*."""
