"""The pytest plugin, as those who install the package have it."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from jacinth import Channel, Kernel, Vmo
from jacinth.testing import Census, LeakError
from tests.sdk.conftest import cache, compiler  # noqa: F401

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
# A checkout that is not installed has to be told.
LOADED = any(entry.name == "jacinth" for entry in entry_points(group="pytest11"))
ARGUMENTS = () if LOADED else ("-p", "jacinth.testing.plugin")


with_compiler = pytest.mark.usefixtures("compiler", "cache")


def _run(pytester: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(source)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *ARGUMENTS, *arguments)


def _examples() -> list[str]:
    text = (ROOT / "docs/testing.md").read_text()
    return re.findall(r"^<!-- pytest -->\n```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(_examples())))
@with_compiler
def test_the_examples_of_the_documentation_pass(pytester: pytest.Pytester, number: int) -> None:
    _run(pytester, _examples()[number]).assert_outcomes(passed=1)


def test_the_kernel_repeats_itself(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        def test_kernel(kernel):
            assert kernel.seed == 5 and kernel.clock.virtual
            kernel.nanosleep(kernel.deadline_after(10**18))
        """,
        "--jacinth-seed=5",
    )
    result.assert_outcomes(passed=1)


def test_a_marker_gives_the_kernel_s_arguments(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        import pytest

        @pytest.mark.jacinth(seed=3, memory=1 << 20, virtual_time=False)
        def test_kernel(kernel):
            assert (kernel.seed, kernel.memory.limit, kernel.clock.virtual) == (3, 1 << 20, False)
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=1)


def test_a_failure_names_the_seed(pytester: pytest.Pytester) -> None:
    result = _run(pytester, "def test_it(kernel):\n    assert False\n", "--jacinth-seed=5")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*seed 5, time * ns*"])


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("kernel.root_job.create_child_job()", "handle 0x* to job *"),
        ("jacinth.Channel.create()", "handle 0x* to channel *"),
        ("jacinth.Vmo.create(4096).write(b'x')", "handle 0x* to vmo * with 1 committed page, from *"),
        ("jacinth.Vmo.create(8192).write(b'x' * 8192)", "2 committed pages in all"),
        (
            "with jacinth.Vmo.create(4096) as vmo: kernel.root_vmar.map(0, vmo, 0, 4096)",
            "mapping at 0x* of 0x1000 bytes of vmo *",
        ),
        ("kernel.root_job.create_child_process('left')[0].take()", "process * 'left'"),
    ],
)
def test_what_is_left_behind_fails_the_test(pytester: pytest.Pytester, line: str, left: str) -> None:
    result = _run(pytester, f"import jacinth\n\n\ndef test_it(kernel, no_leaks):\n    {line}\n")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([f"*{left}*"])


def test_a_leak_names_the_line_it_comes_from(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        import jacinth

        def both():
            return jacinth.Channel.create()

        def test_it(kernel, no_leaks):
            one, other = both()
            other.close()
            kernel.root_job.create_child_process("left")[0].take()
            kernel.host.sys.zx_event_create(0)
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    lines = ["handle 0x* to channel *", "handle 0x* to process * 'left'", "handle 0x* to event *"]
    places = [4, 9, 10]
    result.stdout.fnmatch_lines(
        [f"*{line}, from *.py:{place}" for line, place in zip(lines, places, strict=True)]
    )
    result.stdout.fnmatch_lines(["  process * 'left', from *.py:9"])


def test_a_received_handle_names_the_line_that_received_it(k: Kernel) -> None:
    one, other = Channel.create(caller=k)
    census = Census(k)
    one.write(b"", [Vmo.create(4096, caller=k)])
    other.read()
    read = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]
    [line] = census.leaks()
    assert line.endswith(f"test_plugin.py:{read}")


def test_what_is_given_back_is_no_leak(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        import jacinth

        def test_it(kernel, no_leaks):
            for handle in jacinth.Channel.create():
                handle.close()
            with jacinth.Vmo.create(4096) as vmo:
                vmo.write(b"x")
        """,
    )
    result.assert_outcomes(passed=1)


def test_a_block_that_failed_otherwise_is_not_asked_for_leaks(k: Kernel) -> None:
    with pytest.raises(KeyError), Census(k):
        Channel.create(caller=k)
        raise KeyError


def test_a_census_can_be_asked_at_any_time(k: Kernel) -> None:
    census = Census(k)
    vmo = Vmo.create(4096, caller=k)
    with pytest.raises(LeakError, match=f"to vmo {vmo.koid}"):
        census.check()
    vmo.close()
    census.check()
    assert census.leaks() == []


@with_compiler
def test_a_program_reads_its_input(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        '''
        CAT = """
        #include <unistd.h>
        int main(void) {
          char data[1000];
          ssize_t size;
          while ((size = read(0, data, sizeof data)) > 0) write(1, data, size);
          return 7;
        }
        """

        def test_it(kernel, run_c, no_leaks):
            data = bytes(range(256)) * 4000
            ended = run_c(CAT, stdin=data)
            assert ended.output == data
            assert ended.return_code == 7
        ''',
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_program_s_own_leaks_are_seen_while_it_lives(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        '''
        from jacinth import ObjType
        from jacinth.testing import Program

        LEAKS = """
        #include <zircon/syscalls.h>
        int main(void) {
          zx_handle_t event;
          for (int i = 0; i < 3; i++) zx_event_create(0, &event);
          return zx_nanosleep(ZX_TIME_INFINITE);
        }
        """

        def test_it(kernel, compile_c):
            program = Program(kernel, compile_c(LEAKS))
            kernel.run()
            assert [info.type for info in program.process.handle_table].count(ObjType.EVENT) == 3
            program.close()
        ''',
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_program_that_never_ends_is_killed_at_the_deadline(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        from jacinth.testing import Program
        from jacinth.abi import ZX_TASK_RETCODE_SYSCALL_KILL

        def test_it(kernel, compile_c, no_leaks):
            program = Program(kernel, compile_c("int main(void) {\\n  for (;;) {}\\n}\\n"))
            ended = program.finish(kernel.deadline_after(10**9))
            assert ended.return_code == ZX_TASK_RETCODE_SYSCALL_KILL
        """,
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_run_that_never_ends_is_killed_at_its_deadline(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        from jacinth.abi import ZX_TASK_RETCODE_SYSCALL_KILL

        def test_it(kernel, run_c, no_leaks):
            ended = run_c("int main(void) { for (;;) {} }", deadline=kernel.deadline_after(10**9))
            assert ended.return_code == ZX_TASK_RETCODE_SYSCALL_KILL
        """,
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_failed_test_shows_where_its_program_crashed(pytester: pytest.Pytester) -> None:
    source = "int main(void) { *(volatile int*)8 = 1; return 0; }"
    result = _run(pytester, f"def test_it(run_c):\n    assert run_c({source!r}).return_code == 0\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Finished(return_code=ZX_TASK_RETCODE_EXCEPTION_KILL, output=b'')*",
            "*: fatal page fault: write to 0x8 (nothing is mapped there)",
            "  #0 * main+*",
        ]
    )


@with_compiler
def test_a_crash_is_reported_by_its_own_program_alone(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        from jacinth.testing import Program

        def test_it(kernel, compile_c, capsys):
            waits = compile_c("#include <zircon/syscalls.h>\\nint main(void) { return zx_nanosleep(ZX_TIME_INFINITE); }")
            other = Program(kernel, waits)
            ended = Program(kernel, compile_c("int main(void) { __builtin_trap(); }")).finish()
            other.close()
            assert capsys.readouterr().err.count("undefined instruction") == 1
            assert not kernel.observers
        """,
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_program_that_waits_for_ever_is_told_of_without_the_kernels_own_lines(
    pytester: pytest.Pytester,
) -> None:
    source = "#include <zircon/syscalls.h>\nint main(void) { return zx_nanosleep(ZX_TIME_INFINITE); }"
    test = f"def test_it(run_c):\n    run_c({source!r})\n"
    result = _run(pytester, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*"program1", "initial-thread": ZX_THREAD_STATE_BLOCKED_SLEEPING'])
    result.stdout.no_fnmatch_line("*kernel.py*")
    _run(pytester, test, "--full-trace").stdout.fnmatch_lines(["*kernel.py*"])


def test_an_exception_of_a_body_is_shown_without_the_kernels_own_lines(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        """
        async def body(zx):
            raise RuntimeError("as asked")

        def test_it(kernel):
            process, vmar = kernel.root_job.create_child_process("p")
            process.start_body(body)
            kernel.run()
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: as asked"])
    result.stdout.no_fnmatch_line("*kernel.py*")


@with_compiler
def test_a_program_s_call_fails(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester,
        '''
        from jacinth.abi import ZX_ERR_NO_MEMORY

        TWO = """
        #include <zircon/syscalls.h>
        int main(void) {
          zx_handle_t event;
          return (zx_event_create(0, &event) == ZX_OK) + 2 * (zx_event_create(0, &event) == ZX_OK);
        }
        """

        def test_it(kernel, run_c):
            fault = kernel.faults.fail("zx_event_create", ZX_ERR_NO_MEMORY, nth=2)
            assert run_c(TWO).return_code == 1
            assert fault.fired == 1
        ''',
    )
    result.assert_outcomes(passed=1)


@with_compiler
def test_a_program_that_does_not_compile_says_so(pytester: pytest.Pytester) -> None:
    result = _run(
        pytester, "def test_it(compile_c):\n    compile_c('int main(void) {\\n  return x;\\n}\\n')\n"
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*CompileError*"])


@with_compiler
def test_c_text_may_be_one_line(pytester: pytest.Pytester) -> None:
    source = "int main(void) { return 7; }"
    result = _run(pytester, f"def test_it(run_c):\n    assert run_c({source!r}).return_code == 7\n")
    result.assert_outcomes(passed=1)


def test_a_census_sees_a_dead_process_that_somebody_keeps(k: Kernel) -> None:
    census = Census(k)
    job = k.root_job.create_child_job()
    process, vmar = job.create_child_process("p")
    process.kill()
    for handle in (vmar, job, process):
        handle.close()
    assert census.leaks() == []
    k.root_job_dispatcher.keep()  # as by an object that forgets to let go
    assert census.leaks() == ["1 dead jobs or processes that are still referred to"]
