"""A POSIX timer that asks Unicorn to stop, without any Python: C calls C.

The C library calls the function from a thread of its own, which has every signal blocked. A call may be late, since
that thread has to be scheduled first; `may_call` says whether one may still be under way.
"""

from __future__ import annotations

import ctypes
import os
import time
from array import array
from ctypes import POINTER, c_char, c_int, c_long, c_void_p
from functools import partial
from typing import Any, Final

_SIGEV_THREAD: Final = 2
_LATE_NS: Final = 1_000_000_000  # no call comes later than this
_RETRIES: Final = 10  # a call that came to nothing is repeated after so many times the slice


class _SigEvent(ctypes.Structure):
    """struct sigevent, of 64 bytes."""

    _fields_ = [
        ("value", c_void_p),
        ("signo", c_int),
        ("notify", c_int),
        ("function", c_void_p),
        ("attributes", c_void_p),
        ("padding", c_char * 32),
    ]


class _TimerSpec(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = [("interval_s", c_long), ("interval_ns", c_long), ("value_s", c_long), ("value_ns", c_long)]


class Ticker:
    """Calls the C *function*, which is an address, with *argument* when the slice of time is over.

    A call can come to nothing where Unicorn is just being entered, so it is repeated, but rarely: the kernel may sleep within a
    trap for long.
    """

    def __init__(self, function: int, argument: int, slice_ns: int) -> None:
        """Raises OSError where the host has no more timers."""
        library = _library()
        timer = c_void_p()
        event = _SigEvent(value=argument, notify=_SIGEV_THREAD, function=function)
        if library.timer_create(time.CLOCK_MONOTONIC, ctypes.byref(event), ctypes.byref(timer)):
            raise OSError(ctypes.get_errno(), f"timer_create: {os.strerror(ctypes.get_errno())}")
        self._library = library
        self._timer: c_void_p | None = timer
        self._slice = slice_ns
        spec = _TimerSpec(*divmod(slice_ns * _RETRIES, 10**9), *divmod(slice_ns, 10**9))
        # 0.5 us each.
        self._arm = partial(library.timer_settime, timer, 0, ctypes.byref(spec), None)
        self._disarm = partial(library.timer_settime, timer, 0, ctypes.byref(_TimerSpec()), None)
        self._due = array("Q", [_NEVER])
        self.due_address = self._due.buffer_info()[0]  # for C
        self._called = -_LATE_NS  # the last time at which it may have been called

    @property
    def due(self) -> int:
        """The function is not called before, in ns of time.monotonic_ns."""
        return self._due[0]

    def arm(self) -> None:
        """A fresh slice begins now."""
        now = time.monotonic_ns()
        if now >= self.due:
            self._called = now
        self._arm()
        self._due[0] = now + self._slice

    def disarm(self) -> None:
        if time.monotonic_ns() >= self.due:
            self._called = time.monotonic_ns()
        self._disarm()
        self._due[0] = _NEVER

    def may_call(self) -> int:
        """For how many ns from now on, after `disarm`, the function may still be called."""
        return max(0, self._called + _LATE_NS - time.monotonic_ns())

    def close(self) -> None:
        if self._timer is not None:
            self._library.timer_delete(self._timer)
            self._timer = None


_NEVER: Final = 1 << 63


def _library() -> Any:
    library = ctypes.PyDLL(None, use_errno=True)
    if not hasattr(library, "timer_create"):
        library = ctypes.PyDLL("librt.so.1", use_errno=True)  # before glibc 2.34
    library.timer_create.argtypes = [c_int, POINTER(_SigEvent), POINTER(c_void_p)]
    library.timer_settime.argtypes = [c_void_p, c_int, POINTER(_TimerSpec), c_void_p]
    library.timer_delete.argtypes = [c_void_p]
    return library
