"""Jobs, processes, threads, their exceptions, and restricted mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from jacinth import abi
from jacinth.abi import STRUCTS
from jacinth.fuzz.arguments.parameters import MASK, Need, Rule, code, is_alive, rights, stack
from jacinth.fuzz.world import Actor, Expression
from jacinth.kernel.vm.vmo import PAGE_SIZE

if TYPE_CHECKING:
    from jacinth.fuzz.generate import Generator


def _policy(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rng = g.rng
    topic = rng.choice((abi.ZX_JOB_POL_BASIC_V1, *[abi.ZX_JOB_POL_BASIC_V2] * 3, abi.ZX_JOB_POL_TIMER_SLACK))
    job, _ = g.chosen(
        actor,
        abi.ZX_OBJ_TYPE_JOB,
        lambda job: not job.has_children and job.state.name == "READY",
        abi.ZX_RIGHT_SET_POLICY,
    )
    if topic == abi.ZX_JOB_POL_TIMER_SLACK:
        data = rng.randrange(1 << 20).to_bytes(8, "little") + rng.randrange(3).to_bytes(8, "little")
        return (job, abi.ZX_JOB_POL_RELATIVE, topic, ("b", 0, data, ()), 1)
    count = rng.randrange(1, 4)
    data = b""
    for _ in range(count):
        data += rng.randrange(abi.ZX_POL_MAX).to_bytes(4, "little") + rng.randrange(5).to_bytes(4, "little")
        if topic == abi.ZX_JOB_POL_BASIC_V2:
            data += rng.randrange(2).to_bytes(4, "little")
    return (job, rng.randrange(2), topic, ("b", 0, data, ()), count)


def _state(writes: bool) -> Rule:
    sizes = {
        abi.ZX_THREAD_STATE_GENERAL_REGS: STRUCTS["zx_thread_state_general_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_FP_REGS: STRUCTS["zx_thread_state_fp_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_VECTOR_REGS: STRUCTS["zx_thread_state_vector_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_DEBUG_REGS: STRUCTS["zx_thread_state_debug_regs_t"].SIZE,
        abi.ZX_THREAD_STATE_SINGLE_STEP: 4,
    }

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_stopped)
        kind = g.rng.choice(list(sizes))
        size = sizes[kind]
        return (thread, kind, ("b", 0, g.rng.randbytes(size) if g.random() < 0.3 else bytes(size), ()), size)

    return arguments


def _thread_start(regs: bool) -> Rule:
    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_startable)
        return (thread, code(g, actor), stack(g, actor), g.integer(), 0, *((0, 0) if regs else ()))

    return arguments


def _process_start(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rights = abi.ZX_RIGHT_WRITE
    thread, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_new, rights)
    mine = lambda process: object_ is None or process is object_.process  # noqa: E731
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, mine, rights)
    argument = 0 if g.random() < 0.4 else g.handle(actor, (), abi.ZX_RIGHT_TRANSFER, consumed=True)
    return (process, thread, code(g, actor), stack(g, actor), argument, g.integer())


def _thread_create(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda p: p.state.name in ("INITIAL", "RUNNING"))
    return (process, ("b", 0, b"thread", ()), 6, 0, ("a", PAGE_SIZE))


def _create_shared(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda p: p.shareable and p.shared.count)
    return (process, 0, ("b", 0, b"shared", ()), 6, ("a", PAGE_SIZE), ("a", 2 * PAGE_SIZE))


def _child(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """A thread of a process, or a process or a job of a job."""
    rng = g.rng
    if rng.random() < 0.5:
        parent, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, lambda process: process._threads)
        children = [] if object_ is None else list(object_._threads)
    else:
        parent, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_JOB, lambda job: job.has_children)
        children = [] if object_ is None else [*(object_._jobs or ()), *(object_._processes or ())]
    return (parent, rng.choice(children) if children else 1, rights(g, actor), ("a", 0))


def _rseq(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    rights = abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE | abi.ZX_RIGHT_DUPLICATE
    size = STRUCTS["zx_rseq_t"].SIZE
    if g.random() < 0.2:
        return (0, 0, 0)
    vmo, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_VMO, lambda vmo: vmo.size, rights)
    end = 0 if object_ is None else min(object_.size, 1 << 24)
    return (
        vmo,
        g.rng.choice((0, 0, 64, end - 64, end - 32, 4, end)) & MASK,
        g.rng.choice((size,) * 9 + (8,)),
    )


def _in_memory(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    """To read or write another process's memory, in most cases one's own."""
    mine = lambda process: process.shared is actor.group.shared and process.state.name == "RUNNING"  # noqa: E731
    process, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_PROCESS, mine, abi.ZX_RIGHT_READ | abi.ZX_RIGHT_WRITE)
    address = (
        ("m", g.rng.randrange(64), g.rng.randrange(4) * PAGE_SIZE) if g.random() < 0.9 else g.address(actor)
    )
    size = g.rng.choice((1, 8, 100, PAGE_SIZE, 3 * PAGE_SIZE, 0))
    return (process, address, ("b", 0, g.rng.randbytes(16), ()), size, ("a", 5 * PAGE_SIZE))


def _raise(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (abi.ZX_EXCEPTION_TARGET_JOB_DEBUGGER, abi.ZX_EXCP_USER, ("b", 0, bytes(96), ()))


def _task(wanted: Callable[[Any], Any], *types: int) -> Rule:
    """A task of one of the *types* that is *wanted*, and a place for what comes out."""

    def arguments(g: Generator, actor: Actor) -> tuple[Expression, ...]:
        task, _ = g.chosen(actor, g.rng.choice(types), wanted)
        return (task, ("a", 0))

    return arguments


def _listen(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    type_ = g.rng.choice((abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS, abi.ZX_OBJ_TYPE_JOB))
    task, _ = g.chosen(actor, type_, is_alive)
    debugger = type_ != abi.ZX_OBJ_TYPE_THREAD and g.random() < 0.4
    return (task, abi.ZX_EXCEPTION_CHANNEL_DEBUGGER if debugger else 0, ("a", 0))


def _exception(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    return (g.chosen(actor, abi.ZX_OBJ_TYPE_EXCEPTION, lambda e: True)[0], ("a", 0))


def _kick(g: Generator, actor: Actor) -> tuple[Expression, ...]:
    thread, object_ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, _is_inside, abi.ZX_RIGHT_MANAGE_THREAD)
    if object_ is None or not _is_inside(object_):
        thread, _ = g.chosen(actor, abi.ZX_OBJ_TYPE_THREAD, is_alive, abi.ZX_RIGHT_MANAGE_THREAD)
    return (thread, 0)


def _is_inside(thread: Any) -> bool:
    """In restricted mode, as a body."""
    return thread.restricted is not None and thread.restricted.body is not None


def _is_new(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "INITIAL")


def _is_startable(thread: Any) -> bool:
    return bool(thread.state.name == "INITIAL" and thread.process.state.name == "RUNNING")


def _is_stopped(thread: Any) -> bool:
    stopped = thread.state.name == "SUSPENDED" or thread.in_exception is not None
    return bool(thread.context is not None and stopped)


NEEDS: Final[dict[str, Need]] = {
    "zx_job_set_policy": (abi.ZX_OBJ_TYPE_JOB, lambda job: not job.has_children, "zx_job_create"),
    "zx_process_start": (abi.ZX_OBJ_TYPE_THREAD, _is_new, "zx_thread_create"),
    "zx_thread_create": (
        abi.ZX_OBJ_TYPE_PROCESS,
        lambda process: process.state.name == "INITIAL",
        "zx_process_create",
    ),
    "zx_thread_start": (abi.ZX_OBJ_TYPE_THREAD, _is_startable, "zx_thread_create"),
    "zx_thread_start_regs": (abi.ZX_OBJ_TYPE_THREAD, _is_startable, "zx_thread_create"),
    "zx_thread_read_state": (abi.ZX_OBJ_TYPE_THREAD, _is_stopped, "zx_task_suspend"),
    "zx_thread_write_state": (abi.ZX_OBJ_TYPE_THREAD, _is_stopped, "zx_task_suspend"),
    "zx_task_suspend": (
        abi.ZX_OBJ_TYPE_THREAD,
        lambda thread: thread.context is not None,
        "zx_process_start",
    ),
}


ARGUMENTS: Final[dict[str, Rule]] = {
    "zx_process_read_memory": _in_memory,
    "zx_process_write_memory": _in_memory,
    "zx_thread_set_rseq": _rseq,
    "zx_task_suspend": _task(is_alive, abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS),
    "zx_task_suspend_token": _task(is_alive, abi.ZX_OBJ_TYPE_THREAD, abi.ZX_OBJ_TYPE_PROCESS),
    "zx_task_create_exception_channel": _listen,
    "zx_exception_get_thread": _exception,
    "zx_exception_get_process": _exception,
    "zx_restricted_kick": _kick,
    "zx_thread_read_state": _state(False),
    "zx_thread_write_state": _state(True),
    "zx_thread_create": _thread_create,
    "zx_thread_start": _thread_start(False),
    "zx_thread_start_regs": _thread_start(True),
    "zx_thread_raise_exception": _raise,
    "zx_process_start": _process_start,
    "zx_process_create_shared": _create_shared,
    "zx_object_get_child": _child,
    "zx_job_set_policy": _policy,
}
