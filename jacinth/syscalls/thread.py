"""`zx_thread_*`. Source: docs/reference/syscalls/thread_*.md; order from zircon/kernel/lib/syscalls/{thread.rs,task.cc}."""

from __future__ import annotations

from jacinth.abi import (
    ZX_EXCEPTION_TARGET_JOB_DEBUGGER,
    ZX_EXCP_USER,
    ZX_HANDLE_INVALID,
    ZX_RIGHT_DUPLICATE,
    ZX_RIGHT_MANAGE_THREAD,
    ZX_RIGHT_READ,
    ZX_RIGHT_WRITE,
    ZX_THREAD_STATE_DEBUG_REGS,
    ZX_THREAD_STATE_FP_REGS,
    ZX_THREAD_STATE_GENERAL_REGS,
    ZX_THREAD_STATE_SINGLE_STEP,
    ZX_THREAD_STATE_VECTOR_REGS,
    Status,
    Struct,
    ZxError,
    zx_exception_context_t,
    zx_rseq_t,
    zx_thread_state_debug_regs_t,
    zx_thread_state_fp_regs_t,
    zx_thread_state_general_regs_t,
    zx_thread_state_vector_regs_t,
)
from jacinth.kernel.exception import ExceptionReport, announce_to_job_debuggers
from jacinth.kernel.process import ProcessDispatcher
from jacinth.kernel.rseq import RestartableSequence
from jacinth.kernel.thread import ThreadDispatcher
from jacinth.kernel.vm.vmo import VmObjectDispatcher
from jacinth.syscalls import thread_state
from jacinth.syscalls.door import Call, HandleOut, UserIn, UserOut, syscall
from jacinth.syscalls.process import read_name

_STATES: dict[int, type[Struct]] = {
    ZX_THREAD_STATE_GENERAL_REGS: zx_thread_state_general_regs_t,
    ZX_THREAD_STATE_FP_REGS: zx_thread_state_fp_regs_t,
    ZX_THREAD_STATE_VECTOR_REGS: zx_thread_state_vector_regs_t,
    ZX_THREAD_STATE_DEBUG_REGS: zx_thread_state_debug_regs_t,
}

# ZX_ERR_INTERNAL_INTR_RETRY, which code never sees: the vDSO would make the call again.
_IN_CALL = -6 & (1 << 64) - 1


@syscall
def zx_thread_create(
    call: Call, process: int, name: UserIn, name_size: int, options: int, out: HandleOut
) -> None:
    """Make a thread that belongs to *process*.

    Rights: MANAGE_THREAD on process.
    Errors, in order: INVALID_ARGS options, name; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED process.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    name_bytes = read_name(name, name_size)
    owner = call.dispatcher(process, ProcessDispatcher, ZX_RIGHT_MANAGE_THREAD)
    out.make(ThreadDispatcher.create(owner, name_bytes))


@syscall
def zx_thread_start(call: Call, handle: int, thread_entry: int, stack: int, arg1: int, arg2: int) -> None:
    """Start a thread at *thread_entry* with its stack pointer and two arguments.

    Rights: MANAGE_THREAD on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; BAD_STATE a process that is not alive; INVALID_ARGS entry;
    BAD_STATE a thread that has started.
    """
    call.dispatcher(handle, ThreadDispatcher, ZX_RIGHT_MANAGE_THREAD).start_at(
        thread_entry, stack, arg1, arg2
    )


@syscall
def zx_thread_start_regs(
    call: Call, handle: int, pc: int, sp: int, arg1: int, arg2: int, tp: int, abi_reg: int
) -> None:
    """As `zx_thread_start`, with the thread pointer (FS base) and the shadow call stack register set too.

    Errors besides: INVALID_ARGS for a thread pointer that is not canonical, before everything about the thread's state.
    """
    thread = call.dispatcher(handle, ThreadDispatcher, ZX_RIGHT_MANAGE_THREAD)
    if not is_canonical(tp):
        raise ZxError(Status.INVALID_ARGS)
    thread.start_at(pc, sp, arg1, arg2, tp, abi_reg)


def is_canonical(address: int) -> bool:
    """Whether bits 63 to 47 of an x86-64 address are all alike."""
    return address >> 47 in (0, 0x1FFFF)


@syscall
def zx_thread_exit(call: Call) -> None:
    """End the calling thread. Does not return."""
    call.thread.exit()


@syscall
def zx_thread_legacy_yield(call: Call, options: int) -> None:
    """Let other threads run first.

    Errors: INVALID_ARGS options.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    call.kernel.preempt()


@syscall
async def zx_thread_raise_exception(call: Call, options: int, type: int, context: UserIn) -> None:
    """Tell the debuggers of the caller's job and of its ancestors something: the synthetic code and data of *context*.

    Options: ZX_EXCEPTION_TARGET_JOB_DEBUGGER. Type: ZX_EXCP_USER. It is over when the last of them has closed its exception.
    Errors: INVALID_ARGS options, type or context.
    """
    if options != ZX_EXCEPTION_TARGET_JOB_DEBUGGER or type != ZX_EXCP_USER or context.is_null:
        raise ZxError(Status.INVALID_ARGS)
    given = context.read_struct(zx_exception_context_t)
    report = ExceptionReport(ZX_EXCP_USER, synth_code=given.synth_code, synth_data=given.synth_data)
    await announce_to_job_debuggers(call.thread, report)


@syscall
def zx_thread_read_state(call: Call, handle: int, kind: int, buffer: UserOut, buffer_size: int) -> None:
    """Read registers of a thread that is suspended or in an exception.

    In the middle of a call it has no answer yet: rax is ZX_ERR_INTERNAL_INTR_RETRY (core tests, SyscallSuspendedRegisterState).
    Rights: READ on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS kind; BUFFER_TOO_SMALL; BAD_STATE a
    running thread; NOT_SUPPORTED a thread without registers (a Python body); INVALID_ARGS buffer.
    """
    thread = call.dispatcher(handle, ThreadDispatcher, ZX_RIGHT_READ)
    if kind == ZX_THREAD_STATE_SINGLE_STEP:
        _check_size(buffer_size, 4)
        buffer.write(int(thread.stopped_context().single_step).to_bytes(4, "little"))
        return
    cls = _STATES.get(kind)
    if cls is None:
        raise ZxError(Status.INVALID_ARGS)
    _check_size(buffer_size, cls.SIZE)
    context = thread.stopped_context(general=cls is zx_thread_state_general_regs_t)
    state = thread_state.read(context, cls)
    if isinstance(state, zx_thread_state_general_regs_t) and thread.in_call:
        state.rax = _IN_CALL
    buffer.write_struct(state)


@syscall
def zx_thread_write_state(call: Call, handle: int, kind: int, buffer: UserIn, buffer_size: int) -> None:
    """Write registers of a thread that is suspended or in an exception.

    In the middle of a call another rax is the call's answer (core tests, SyscallDebuggerModifyResult), and with another rip the
    call is over too.
    Rights: WRITE on handle.
    Errors, in order: BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle; INVALID_ARGS kind; BUFFER_TOO_SMALL; INVALID_ARGS buffer;
    BAD_STATE a running thread; NOT_SUPPORTED a thread without registers; INVALID_ARGS values that no thread may have.
    """
    thread = call.dispatcher(handle, ThreadDispatcher, ZX_RIGHT_WRITE)
    if kind == ZX_THREAD_STATE_SINGLE_STEP:
        _check_size(buffer_size, 4)
        value = int.from_bytes(buffer.read(4), "little")
        thread.check_stopped()
        if value not in (0, 1):
            raise ZxError(Status.INVALID_ARGS)
        thread.stopped_context().single_step = bool(value)
        return
    cls = _STATES.get(kind)
    if cls is None:
        raise ZxError(Status.INVALID_ARGS)
    _check_size(buffer_size, cls.SIZE)
    state = buffer.read_struct(cls)
    context = thread.stopped_context(general=cls is zx_thread_state_general_regs_t)
    pc = context.pc
    thread_state.write(context, state)
    if isinstance(state, zx_thread_state_general_regs_t) and (
        state.rip != pc or (thread.in_call and state.rax != _IN_CALL)
    ):
        thread.abandon_wait()


def _check_size(given: int, needed: int) -> None:
    if given < needed:
        raise ZxError(Status.BUFFER_TOO_SMALL)


@syscall
def zx_thread_set_rseq(call: Call, vmo: int, offset: int, size: int) -> None:
    """Share a zx_rseq_t at *offset* in a VMO with the kernel, for the calling thread, in place of the one before.

    With ZX_HANDLE_INVALID there is none any more.
    Rights: READ, WRITE, DUPLICATE on vmo.
    Errors, in order: INVALID_ARGS without a VMO a range; INVALID_ARGS size, alignment; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED vmo;
    OUT_OF_RANGE; NO_MEMORY.
    """
    if vmo == ZX_HANDLE_INVALID:
        if offset or size:
            raise ZxError(Status.INVALID_ARGS)
        call.thread.set_rseq(None)
        return
    if size != zx_rseq_t.SIZE or offset % zx_rseq_t.ALIGNAS:
        raise ZxError(Status.INVALID_ARGS)
    rights = ZX_RIGHT_READ | ZX_RIGHT_WRITE | ZX_RIGHT_DUPLICATE
    call.thread.set_rseq(RestartableSequence(call.dispatcher(vmo, VmObjectDispatcher, rights), offset))
