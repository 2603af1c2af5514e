"""Whether the native engine works here: found by running some code on it."""

from __future__ import annotations

import functools
import os
import sys

from jacinth.machine.exit import Exit, PageFault, Preempted, Syscall
from jacinth.machine.interface import EXECUTE, READ, Context
from jacinth.machine.memory import PAGE_SIZE, PhysicalMemory

_CODE = 0x40_0000
_NOWHERE = 0x50_0000
# mov eax, 7; syscall; mov eax, 8; (a call as the vDSO makes it); mov [_NOWHERE], eax
_BEFORE, _BETWEEN, _BEHIND = b"\xb8\x07\0\0\0\x0f\x05", b"\xb8\x08\0\0\0", b"\x89\x04\x25\x00\x00\x50\x00"


@functools.cache
def why_not() -> str | None:
    """Why the native engine cannot be used in this process; None where it can. It takes some ms the first time."""
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        return "it is for Linux on x86-64"
    if os.environ.get("JACINTH_PURE_PYTHON"):
        return "JACINTH_PURE_PYTHON is set"
    try:
        from jacinth.machine.native import _native
    except ImportError:
        return "its C part was not built: a C compiler and Python's headers were missing at installation"
    if not _native.SUPPORTED:
        return "the processor or Linux lacks xsaveopt or the instructions for FS and GS bases"
    try:
        return _run()
    except Exception as error:  # whatever it is that this host forbids
        return str(error) or type(error).__name__


def _run() -> str | None:
    from jacinth.machine.native.engine import NativeEngine

    memory = PhysicalMemory(16 * PAGE_SIZE)
    engine = NativeEngine(memory)
    try:
        frame = memory.allocate()
        memory.write(frame, 0, _BEFORE + _BETWEEN + engine.syscall_code + _BEHIND)
        space = engine.aspace()
        space.map(_CODE, (frame,), READ | EXECUTE)
        context = engine.context(space)
        context.start(_CODE, 0, 0, 0, 0, 0)
        seen: list[Exit] = []

        def trap(_: int, exit_: Exit) -> Context | None:
            if isinstance(exit_, Preempted):  # a busy host
                return context
            seen.append(exit_)
            return context if isinstance(exit_, Syscall) and len(seen) < 3 else None

        engine.start(0, context)
        engine.wait(trap)
        match seen:
            case [Syscall(), Syscall(), PageFault(address=address)] if address == _NOWHERE:
                return None
        return f"guest code did not do what it should: {seen}"
    finally:
        engine.close()
        memory.close()


@functools.cache
def why_no_debug_registers() -> str | None:
    """Where the native engine works: why breakpoints and watchpoints of its guests stop nobody here; None where they do."""
    from jacinth.machine.native import _native
    from jacinth.machine.native.engine import NativeEngine

    memory = PhysicalMemory(PAGE_SIZE)
    engine = NativeEngine(memory)
    try:
        view = engine.aspace().view
        view.start()
        assert view.stub is not None
        error = view.stub.watch(0, ((1, _native.GUEST_BASE, 0, 1),))
        return f"Linux has no debug registers for us: {os.strerror(error)}" if error else None
    finally:
        engine.close()
        memory.close()
