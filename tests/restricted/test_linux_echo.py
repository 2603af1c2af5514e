"""`examples/linux_echo`: static Linux programs in restricted mode, over the public interface alone."""

from __future__ import annotations

import gzip
import hashlib
import random
import shlex
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from linux_echo.launch import BUSYBOX, ENVIRON, LinuxProcess, start

from jacinth import Kernel, ProcessOptions, Signals, load_elf
from jacinth.abi import ZX_TASK_RETCODE_SYSCALL_KILL

ROOT = Path(__file__).parents[2]

if not BUSYBOX.exists():
    WHY_NOT = f"no {BUSYBOX}; Debian has it in the package busybox-static"
elif load_elf(BUSYBOX.read_bytes()).interp is not None:
    WHY_NOT = f"{BUSYBOX} is not static; Debian's package busybox-static has it so"
else:
    WHY_NOT = ""
needs_busybox = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class World:
    """A job with a prototype, and the Linux processes that share with it."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.job = k.root_job.create_child_job()
        self.prototype, _ = self.job.create_child_process("linux", ProcessOptions.SHARED)

    def start(self, *argv: str) -> LinuxProcess:
        return start(self.prototype, argv)

    def run(self, argv: Sequence[str], data: bytes = b"", **more: object) -> tuple[int, bytes, bytes]:
        """Run a program to its end. Answers exit status, and what it wrote to stdout and stderr."""
        with start(self.prototype, argv, **more) as linux:  # type: ignore[arg-type]
            return linux.communicate(data)

    def code(self, code: bytes, data: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run machine code."""
        return self.run(["code"], data, program=elf(code))


@pytest.fixture
def linux(k: Kernel) -> Iterator[World]:
    with k:
        yield World(k)


def elf(code: bytes, kind: int = 2) -> bytes:
    """An ELF file (ET_EXEC, or 3 for ET_DYN) whose one segment is readable and executable, with *code* behind the headers."""
    base = 0x40_0000 if kind == 2 else 0
    headers = 64 + 56
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", ident, kind, 62, 1, base + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    size = headers + len(code)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 4096) + code


def exit_with(status: int) -> bytes:
    """mov edi, status; mov eax, 231; syscall"""
    return b"\xbf" + status.to_bytes(4, "little") + b"\xb8\xe7\x00\x00\x00\x0f\x05"


# What the issue of it is about


@needs_busybox
def test_echo(linux: World) -> None:
    assert linux.run(["echo", "hello", "world"]) == (0, b"hello world\n", b"")


@needs_busybox
@pytest.mark.parametrize(("name", "status"), [("true", 0), ("false", 1)])
def test_an_exit_status_is_the_return_code(linux: World, name: str, status: int) -> None:
    assert linux.run([name]) == (status, b"", b"")


@needs_busybox
@pytest.mark.parametrize("data", [b"", b"a", b"one\ntwo\n", bytes(range(256)) * 3000], ids=len)
def test_cat_writes_what_it_reads(linux: World, data: bytes) -> None:
    assert linux.run(["cat"], data) == (0, data, b"")


@needs_busybox
def test_wc_counts_its_input(linux: World) -> None:
    status, output, _ = linux.run(["wc"], b"one two\nthree\n")
    assert (status, output.split()) == (0, [b"2", b"3", b"14"])


@needs_busybox
def test_two_at_once_are_killed_as_one(linux: World) -> None:
    cat, tr = linux.start("cat"), linux.start("tr", "a-z", "A-Z")
    for line in (b"one\n", b"two\n"):
        cat.send(line)
        tr.send(line)
        linux.k.run_until_idle()
        assert (cat.receive(cat.stdout), tr.receive(tr.stdout)) == (line, line.upper())
    awk = linux.start("awk", "BEGIN { while (1); }")
    linux.k.nanosleep(linux.k.deadline_after(10_000_000))
    assert not any(program.exited for program in (cat, tr, awk))
    linux.job.kill()
    for program in (cat, tr, awk):
        program.process.wait(Signals.PROCESS_TERMINATED)
        assert program.process.info.return_code == ZX_TASK_RETCODE_SYSCALL_KILL


@needs_busybox
def test_each_has_memory_of_its_own(linux: World) -> None:
    one, other = linux.start("cat"), linux.start("cat")
    linux.k.run_until_idle()
    address = 0x40_0000
    one.process.write_memory(address, b"mine")
    assert one.process.read_memory(address, 4) == b"mine"
    assert other.process.read_memory(address, 4) == b"\x7fELF"


@needs_busybox
def test_all_handles_are_closed_when_programs_have_ended(linux: World) -> None:
    before = len(linux.prototype.handle_table)
    for _ in range(3):
        linux.run(["cat"], b"data")
    assert len(linux.prototype.handle_table) == before


# The command


def command(
    *argv: str, data: bytes = b"", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    line = [sys.executable, "-m", "examples.linux_echo", *argv]
    return subprocess.run(line, input=data, capture_output=True, cwd=ROOT, timeout=60, env=env)


@needs_busybox
def test_the_demonstration_prints_what_is_expected() -> None:
    done = command()
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (ROOT / "examples/expected/linux_echo.txt").read_bytes()


@needs_busybox
def test_the_command_has_the_standard_files_of_its_program() -> None:
    done = command("cat", "-", "absent", data=b"in\n")
    error = b"cat: can't open 'absent': No such file or directory\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, b"in\n", error)


def test_the_command_refuses_what_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    done = command(str(tmp_path / "text"))
    assert (done.returncode, done.stdout) == (126, b"")
    assert done.stderr == f"linux_echo: {tmp_path}/text: not an ELF file\n".encode()


# Against the host's Linux


WORDS = random.Random(0).choices([b"one", b"two", b"three", b"four", b"xyzzy"], k=4000)
LINES = b"".join(word + (b"\n" if number % 4 == 3 else b" ") for number, word in enumerate(WORDS))
COMMANDS = r"""
    echo -e 'a\tb'
    seq 1 1000
    sort
    sort -r -k 2
    uniq -c
    wc -l
    cat -n
    cat /absent
    head -n 5
    tail -n 5
    tr a-z A-Z
    grep -E '^(two|x).*e$'
    sed -e s/one/ONE/g -e 50q
    awk '{ n[$1]++ } END { for (k in n) print k, n[k] }'
    awk 'BEGIN { printf "%.10f %g %e\n", exp(1), atan2(1, 1) * 4, 1 / 3; print sqrt(2) }'
    awk 'BEGIN { while (i++ < 5000) s += i * i; print s }'
    sha1sum
    sha256sum
    sha512sum
    md5sum
    cut -d ' ' -f 2
    rev
    tac
    nl
    paste - - -
    od -c
    hexdump -C
    base64
    gzip -c
    bzip2 -c
    lzma -cz
    expr 6 '*' 7
    expr 1 / 0
    factor 1234567890123456789
    printf '%s-%05d\n' a 42
    test 1 = 2
    date -u -d @0
    dc -e '2 640 ^ p'
    dd bs=100 count=3 status=none
    tee
    env
    nosuchapplet
    sh -c 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo $i; exit 9'
    sh -c 'while read a b; do echo "$b $a"; [ $a != xyzzy ] || exit 3; done'
    sh -c 'read -t 1 a; echo $? $a'
    sh -c 'trap "echo bye" EXIT; echo x'
    sh -c 'kill -TERM $$'
    sh -c 'kill -KILL $$'
"""


@needs_busybox
@pytest.mark.parametrize("line", [line.strip() for line in COMMANDS.splitlines() if line])
def test_it_does_what_the_host_does(linux: World, line: str) -> None:
    argv = shlex.split(line)
    host = subprocess.run(argv, executable=BUSYBOX, input=LINES, capture_output=True, env=dict(ENVIRON))
    status = host.returncode if host.returncode >= 0 else 128 - host.returncode
    assert linux.run(argv, LINES) == (status, host.stdout, host.stderr)


@needs_busybox
def test_megabytes(linux: World) -> None:
    data = random.Random(0).randbytes(1 << 20)
    assert linux.run(["sha256sum"], data)[1] == hashlib.sha256(data).hexdigest().encode() + b"  -\n"
    status, packed, _ = linux.run(["gzip", "-c"], LINES * 20)
    assert (status, gzip.decompress(packed)) == (0, LINES * 20)


@needs_busybox
def test_a_pipe_of_two_programs(linux: World) -> None:
    numbers = linux.run(["seq", "1", "1000"])[1]
    assert linux.run(["wc", "-l"], numbers) == (0, b"1000\n", b"")


# Faults


FAULTS = {
    "undefined instruction": (b"\x0f\x0b", 4),
    "breakpoint": (b"\xcc", 5),
    "division by zero": (b"\x31\xc9\xf7\xf1", 8),  # xor ecx, ecx; div ecx
    "read from 0": (b"\x31\xc9\x8b\x01", 11),  # xor ecx, ecx; mov eax, [rcx]
    "write to code": (b"\x89\x05\x00\x00\x00\x00", 11),  # mov [rip], eax
    "a jump to 0": (b"\x31\xc9\xff\xe1", 11),  # xor ecx, ecx; jmp rcx
    "privileged instruction": (b"\xf4", 11),  # hlt
    "address that is not canonical": (
        b"\x48\xb9" + bytes(7) + b"\x80\x8b\x01",
        11,
    ),  # movabs rcx, 1 << 63; mov eax, [rcx]
}


@pytest.mark.parametrize(("code", "signal"), FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_the_program_and_nothing_else(linux: World, code: bytes, signal: int) -> None:
    assert linux.code(code) == (128 + signal, b"", b"")
    assert linux.code(exit_with(3)) == (3, b"", b"")
