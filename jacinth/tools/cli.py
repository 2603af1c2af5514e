"""The `jacinth` command. What a command needs is imported when it runs: starting a program is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from jacinth.version import __version__

_engine = click.option(
    "--engine",
    type=click.Choice(["auto", "native", "portable"]),
    default="auto",
    show_default=True,
    help="What runs guest code: the native engine where it works.",
)

_RUN_EPILOG = """\b
Exit status: the low byte of the program's return code; else
  124  --timeout
  125  Jacinth cannot go on: every thread waits for ever, the output goes nowhere
  126  the file cannot be run           127  there is no such file
  130  Ctrl-C                           137  killed, but not by an exception
  139  an exception nobody handled      141  nobody reads the output any more

\b
  jacinth run ./hello
  jacinth run --trace ./hello one two
  jacinth run --seed 7 --virtual-time --trace-to trace.txt ./race
  jacinth run --ktrace trace.fxt ./server      # to be opened with ui.perfetto.dev
  jacinth run --memory 64M --timeout 5 ./untrusted
"""
_EPILOG = """\b
  jacinth cc hello.c -o hello
  jacinth run hello
  jacinth run --trace hello
"""


class _Size(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.5 only
    """A number of bytes: 4096, 64K, 64M, 2G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        text = str(value).strip().upper().removesuffix("IB").removesuffix("B")
        factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}.get(text[-1:], 1)
        try:
            size = int(text.rstrip("KMGT")) * factor
        except ValueError:
            self.fail(f"{value!r} is no size: write 4096, 64K, 64M or 2G", param, ctx)
        if not 1 << 20 <= size <= 1 << 40:
            self.fail(f"{value} is not between 1M and 1T", param, ctx)
        return size + -size % 4096


class _Seconds(click.FloatRange):
    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if seconds != seconds:  # to a range nan is as good as any number
            self.fail(f"{value!r} is no number", param, ctx)
        return seconds


def main() -> NoReturn:
    """What `jacinth` and `python -m jacinth` call."""
    end_with(lambda: cli.main(standalone_mode=False) or 0)


def end_with(command: Callable[[], int]) -> NoReturn:
    """Exit with what *command* answers, or with what ends it: one line on stderr, and a status such as a shell shows."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:  # closed: the number must not become a file of ours
            os.open(os.devnull, os.O_RDWR)
    try:
        status: Any = command()
        sys.stdout.flush()
    except SystemExit as exit_:
        status = exit_.code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except BrokenPipeError:
        status = 141
    except OSError as error:
        click.echo(f"jacinth: {(error.strerror or str(error)).lower()}", err=True)
        status = 1
    # Everything is closed and written; tearing down the interpreter would only take time.
    os._exit(status)


@click.group(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="jacinth")
def cli() -> None:
    """The Zircon microkernel in user space."""


@cli.command(epilog=_RUN_EPILOG, context_settings={"allow_interspersed_args": False})
@click.option("--trace", is_flag=True, help="Print every system call to standard error, one line each.")
@click.option("--trace-to", metavar="FILE", help="Print them to FILE.")
@click.option(
    "--ktrace",
    metavar="FILE",
    help="Write the kernel's trace to FILE, in the format of Fuchsia and Perfetto.",
)
@click.option("--seed", type=int, help="Let all chance follow from this number.")
@click.option(
    "--virtual-time",
    is_flag=True,
    help="Let time move only when the system does. With --seed a run repeats exactly.",
)
@click.option(
    "--timeout",
    type=_Seconds(0, 1e9, min_open=True),
    metavar="S",
    help="Kill the program after so many seconds, of the host's time.",
)
@click.option(
    "--memory", type=_Size(), default="1G", show_default=True, metavar="SIZE", help="Size of physical memory."
)
@_engine
@click.option(
    "--cpus",
    type=click.IntRange(1),
    metavar="N",
    help="How many CPUs the native engine has: those of the host but for one, or 1 with --seed.",
)
@click.option(
    "--env",
    "environ",
    multiple=True,
    metavar="NAME=VALUE",
    help="A variable of the program's environment, else empty.",
)
@click.argument("program")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(
    trace: bool,
    trace_to: str | None,
    ktrace: str | None,
    seed: int | None,
    virtual_time: bool,
    timeout: float | None,
    memory: int,
    engine: Any,
    cpus: int | None,
    environ: tuple[str, ...],
    program: str,
    arguments: tuple[str, ...],
) -> None:
    """Run an ELF program made for Zircon, in a job of its own."""
    variables = dict(_variable(entry) for entry in environ)
    from jacinth.tools.run import Options
    from jacinth.tools.run import run as run_program

    for hint, path in (("--trace-to", trace_to), ("--ktrace", ktrace)):
        if path is not None and (fault := _unwritable(path)):
            raise click.BadParameter(f"{path}: {fault}", param_hint=hint)
    lines = trace_to or ("-" if trace else None)
    options = Options(engine, cpus, seed, virtual_time, timeout, memory, lines, ktrace, variables)
    sys.exit(run_program(program, arguments, options))


def _variable(entry: str) -> tuple[str, str]:
    name, equals, value = entry.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{entry!r} is not NAME=VALUE", param_hint="--env")
    return name, value


def _unwritable(path: str) -> str:
    try:
        open(path, "w").close()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return ""


@cli.command(
    # No -h: click would find one in -fno-math-errno.
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    epilog="\b\n  jacinth cc hello.c -o hello\n  jacinth cc -O3 -DN=5 main.c list.c -o list\n",
)
@click.argument(
    "arguments", metavar="SOURCE... -o OUT [FLAGS]", nargs=-1, required=True, type=click.UNPROCESSED
)
def cc(arguments: tuple[str, ...]) -> None:
    """Compile C or C++ for Jacinth with the clang or gcc of this machine. All other flags go to the compiler as they are."""
    from jacinth.tools.cc import CompileError, compile_program

    sources, flags, output = _compiler_arguments(arguments)
    if not sources:
        raise click.UsageError("no source file given")
    if output is None:
        raise click.UsageError("where to write the program is missing: -o OUT")
    for source in sources:
        if not Path(source).is_file():
            _fail(f"{source}: is a directory" if Path(source).is_dir() else f"{source}: no such file")
    try:
        compile_program(sources, output, flags)
    except CompileError as error:
        _fail(str(error))


# Compiler flags whose value is the next word.
_WITH_VALUE = frozenset(
    {"-I", "-D", "-U", "-L", "-l", "-include", "-isystem", "-iquote", "-x", "-T", "-Xlinker", "-MF", "-MT"}
)


def _compiler_arguments(arguments: tuple[str, ...]) -> tuple[list[str], list[str], str | None]:
    """Sources, flags, and what follows -o: read as a compiler driver does, since flags like -fno-x are no options of ours."""
    sources: list[str] = []
    flags: list[str] = []
    output = None
    words = iter(arguments)
    for word in words:
        if word == "-o":
            output = next(words, None)
        elif word in _WITH_VALUE:
            flags += [word, next(words, "")]
        elif word.startswith("-o"):
            output = word[2:]
        elif word.startswith("-"):
            flags.append(word)
        else:
            sources.append(word)
    return sources, flags, output


def _fail(fault: str) -> NoReturn:
    click.echo(f"jacinth: {fault}", err=True)
    sys.exit(1)


@cli.command()
@click.option("--missing", "only", flag_value="missing", help="Only the calls that are not implemented.")
@click.option("--implemented", "only", flag_value="implemented", help="Only those that are.")
@click.option("--markdown", is_flag=True, help="As the table in docs/syscalls.md.")
def syscalls(only: str | None, markdown: bool) -> None:
    """Every system call with its parameters and state."""
    from jacinth.tools import syscalls_table

    if markdown:
        click.echo(syscalls_table.markdown())
    elif sys.stdout is not None and sys.stdout.isatty():
        syscalls_table.show(only)
    else:
        click.echo(syscalls_table.text(only))


_FUZZ_EPILOG = """\b
Exit status: 0 no finding, 1 a finding, 130 Ctrl-C.

\b
  jacinth fuzz --calls 100000 --seed 1
  jacinth fuzz --calls 5000000 --jobs 2
  jacinth fuzz --elf 10000
"""
_COUNT = click.IntRange(1, 10**12)


@cli.command(epilog=_FUZZ_EPILOG)
@click.option("--calls", type=_COUNT, metavar="N", help="Make so many system calls.  [default: 100000]")
@click.option("--elf", type=_COUNT, metavar="N", help="Instead, start so many damaged ELF files.")
@click.option("--code", type=_COUNT, metavar="N", help="Instead, run so many pieces of random machine code.")
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=0,
    show_default=True,
    metavar="N",
    help="What all chance follows from.",
)
@click.option(
    "--check-every",
    type=click.IntRange(1, 10**9),
    default=40,
    show_default=True,
    metavar="N",
    help="With --calls: look at everything in the kernel after so many steps.",
)
@click.option(
    "--jobs", type=click.IntRange(1, 1024), default=1, show_default=True, metavar="N", help="CPUs to use."
)
@click.option(
    "--reproducer", metavar="FILE", help="Where to write what repeats a finding.  [default: fuzz-SEED.py]"
)
@_engine
@click.option("--stats", is_flag=True, help="At the end, say what each call has answered.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def fuzz(
    calls: int | None,
    elf: int | None,
    code: int | None,
    seed: int,
    check_every: int,
    jobs: int,
    reproducer: str | None,
    engine: Any,
    stats: bool,
    quiet: bool,
) -> None:
    """Do anything at random to the kernel, and look for what must not happen."""
    asked = [(kind, n) for kind, n in (("calls", calls), ("elf", elf), ("code", code)) if n is not None]
    if len(asked) > 1:
        raise click.UsageError("one of --calls, --elf and --code at a time")
    kind, count = asked[0] if asked else ("calls", 100_000)
    if reproducer is not None and not Path(reproducer).parent.is_dir():
        raise click.BadParameter(f"{reproducer}: no such directory", param_hint="--reproducer")
    from jacinth.tools import fuzz as fuzzer

    path = None if reproducer is None else Path(reproducer)
    sys.exit(fuzzer.fuzz(fuzzer.Options(kind, count, seed, check_every, jobs, path, quiet, stats, engine)))
