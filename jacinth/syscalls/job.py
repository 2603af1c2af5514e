"""`zx_job_*`. Source: docs/reference/syscalls/job_*.md; order from zircon/kernel/lib/syscalls/job.rs."""

from __future__ import annotations

from jacinth.abi import (
    ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO,
    ZX_JOB_POL_ABSOLUTE,
    ZX_JOB_POL_BASIC_V1,
    ZX_JOB_POL_BASIC_V2,
    ZX_JOB_POL_RELATIVE,
    ZX_JOB_POL_TIMER_SLACK,
    ZX_POL_OVERRIDE_DENY,
    ZX_RIGHT_DESTROY,
    ZX_RIGHT_MANAGE_JOB,
    ZX_RIGHT_SET_POLICY,
    ZX_RIGHT_WAIT,
    ZX_RIGHT_WRITE,
    ZX_TIMER_SLACK_LATE,
    Status,
    ZxError,
    zx_policy_basic_v1_t,
    zx_policy_basic_v2_t,
    zx_policy_timer_slack_t,
)
from jacinth.kernel.job import JobDispatcher
from jacinth.kernel.process import ProcessDispatcher
from jacinth.syscalls.door import Call, HandleOut, UserIn, syscall

# The most entries that one call of zx_job_set_policy may have.
_MAX_POLICIES = 32


@syscall
def zx_job_create(call: Call, parent_job: int, options: int, out: HandleOut) -> None:
    """Make a job under *parent_job*; *out* gets its handle.

    Rights: MANAGE_JOB or WRITE on parent_job. Limit: 32 levels below the root job.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED parent_job; OUT_OF_RANGE height;
    BAD_STATE dead parent.
    Source: job_create.md, which denies access only to a handle with neither right; today's job.rs asks for MANAGE_JOB.
    """
    if options != 0:
        raise ZxError(Status.INVALID_ARGS)
    parent = call.dispatcher(parent_job, JobDispatcher, 0)
    if not call.handle(parent_job).rights & (ZX_RIGHT_MANAGE_JOB | ZX_RIGHT_WRITE):
        raise ZxError(Status.ACCESS_DENIED)
    out.make(JobDispatcher.create(parent))


@syscall
def zx_job_set_policy(
    call: Call, handle: int, options: int, topic: int, policy: UserIn, policy_size: int
) -> None:
    """Restrict what processes below a job may do. The job must not have children yet.

    *policy_size* is the number of entries in *policy*, not of bytes: 1 to 32, and 1 for ZX_JOB_POL_TIMER_SLACK.
    Rights: SET_POLICY on handle.
    Errors, in order: INVALID_ARGS policy, policy_size, topic or options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED handle;
    BAD_STATE children; INVALID_ARGS an entry; ALREADY_EXISTS a condition that a parent has fixed.
    """
    if policy.is_null or policy_size == 0:
        raise ZxError(Status.INVALID_ARGS)
    if topic in (ZX_JOB_POL_BASIC_V1, ZX_JOB_POL_BASIC_V2):
        items = _basic_items(topic, policy, policy_size)
        if options not in (ZX_JOB_POL_RELATIVE, ZX_JOB_POL_ABSOLUTE):
            raise ZxError(Status.INVALID_ARGS)
        job = call.dispatcher(handle, JobDispatcher, ZX_RIGHT_SET_POLICY)
        _check_settable(job)
        job.set_policy(job.policy.with_basic(options, items))
    elif topic == ZX_JOB_POL_TIMER_SLACK:
        if options != ZX_JOB_POL_RELATIVE or policy_size != 1:
            raise ZxError(Status.INVALID_ARGS)
        slack = policy.read_struct(zx_policy_timer_slack_t)
        job = call.dispatcher(handle, JobDispatcher, ZX_RIGHT_SET_POLICY)
        _check_settable(job)
        if slack.min_slack < 0 or slack.default_mode > ZX_TIMER_SLACK_LATE:
            raise ZxError(Status.INVALID_ARGS)
        job.set_policy(job.policy.with_timer_slack(slack.min_slack, slack.default_mode))
    else:
        raise ZxError(Status.INVALID_ARGS)


def _check_settable(job: JobDispatcher) -> None:
    if job.has_children:
        raise ZxError(Status.BAD_STATE)


def _basic_items(topic: int, policy: UserIn, count: int) -> list[tuple[int, int, int]]:
    if count > _MAX_POLICIES:
        raise ZxError(Status.INVALID_ARGS)
    if topic == ZX_JOB_POL_BASIC_V1:
        return [
            (p.condition, p.policy, ZX_POL_OVERRIDE_DENY)
            for p in policy.read_structs(zx_policy_basic_v1_t, count)
        ]
    return [(p.condition, p.action, p.flags) for p in policy.read_structs(zx_policy_basic_v2_t, count)]


@syscall
def zx_job_set_critical(call: Call, job: int, options: int, process: int) -> None:
    """Let *job* die when *process* ends: always, or with ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO when it fails.

    Rights: DESTROY on job, WAIT on process.
    Errors, in order: INVALID_ARGS options; BAD_HANDLE, WRONG_TYPE, ACCESS_DENIED job, then process; ALREADY_BOUND;
    INVALID_ARGS a job that is no ancestor of the process.
    """
    if options & ~ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO:
        raise ZxError(Status.INVALID_ARGS)
    bound = call.dispatcher(job, JobDispatcher, ZX_RIGHT_DESTROY)
    critical = call.dispatcher(process, ProcessDispatcher, ZX_RIGHT_WAIT)
    critical.set_critical_to(bound, retcode_nonzero=bool(options & ZX_JOB_CRITICAL_PROCESS_RETCODE_NONZERO))
