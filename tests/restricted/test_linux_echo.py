"""`examples/linux_echo`: static Linux programs in restricted mode, over the public interface alone."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from linux_echo.calls import CALLS
from linux_echo.launch import BUSYBOX, ENVIRON, LinuxProcess, start

from jacinth import Kernel, KernelDeadlock, ProcessOptions, Signals, Vmo, load_elf
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
        self.prototype, self.shared_vmar = self.job.create_child_process("linux", ProcessOptions.SHARED)
        self.written = b""

    def start(self, *argv: str) -> LinuxProcess:
        return start(self.prototype, argv)

    def run(self, argv: Sequence[str], data: bytes = b"", **more: object) -> tuple[int, bytes, bytes]:
        """Run a program to its end. Answers exit status, and what it wrote to stdout and stderr."""
        with start(self.prototype, argv, **more) as linux:  # type: ignore[arg-type]
            return linux.communicate(data)

    def code(self, code: bytes, data: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run machine code."""
        return self.run(["code"], data, program=elf(code))

    def calls(
        self, *rows: Sequence[int], data: bytes = b"", scratch: bytes = b"", **more: object
    ) -> list[int]:
        """What Linux calls answer, and before that what they wrote to stdout."""
        program = calls_program(rows, scratch)
        status, output, errors = self.run(["calls"], data, program=program, **more)
        assert (status, errors) == (0, b"")
        self.written = output[: -8 * len(rows)]
        return list(struct.unpack(f"<{len(rows)}q", output[-8 * len(rows) :]))


@pytest.fixture
def linux(k: Kernel) -> Iterator[World]:
    with k:
        yield World(k)


IDENT = b"\x7fELF\x02\x01\x01" + bytes(9)


def elf(code: bytes, kind: int = 2, base: int = 0x40_0000) -> bytes:
    """An ELF file (ET_EXEC, or 3 for ET_DYN) whose one segment is readable and executable, with *code* behind the headers."""
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


# A program that makes the calls of a table, and writes what they have answered. It has two segments: code, and data that
# begins with the table; `SCRATCH` is for the calls, and the heap begins at `HEAP`.

CODE, DATA = 0x40_0000, 0x50_0000
SCRATCH, RESULTS, HEAP = DATA + 0x1_0000, DATA + 0x1_8000, DATA + 0x2_0000

# fmt: off
LOOP = bytes([
    0x48, 0x8B, 0x03,        # again: mov rax, [rbx]
    0x48, 0x8B, 0x7B, 0x08,  # mov rdi, [rbx + 8]
    0x48, 0x8B, 0x73, 0x10,  # mov rsi, [rbx + 16]
    0x48, 0x8B, 0x53, 0x18,  # mov rdx, [rbx + 24]
    0x4C, 0x8B, 0x53, 0x20,  # mov r10, [rbx + 32]
    0x4C, 0x8B, 0x43, 0x28,  # mov r8, [rbx + 40]
    0x4C, 0x8B, 0x4B, 0x30,  # mov r9, [rbx + 48]
    0x0F, 0x05,              # syscall
    0x49, 0x89, 0x45, 0x00,  # mov [r13], rax
    0x48, 0x83, 0xC3, 56,    # add rbx, 56
    0x49, 0x83, 0xC5, 8,     # add r13, 8
    0x41, 0xFF, 0xCC,        # dec r12d
    0x75, 0xD2,              # jnz again
])
# fmt: on


def calls_program(rows: Sequence[Sequence[int]], scratch: bytes = b"") -> bytes:
    """An ELF file that makes the calls *rows*, each a number and up to six arguments."""
    code = b"\x48\xbb" + struct.pack("<Q", DATA)  # mov rbx, DATA
    code += b"\x41\xbc" + struct.pack("<I", len(rows))  # mov r12d, len(rows)
    code += b"\x49\xbd" + struct.pack("<Q", RESULTS)  # mov r13, RESULTS
    code += LOOP
    code += b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00"  # mov eax, 1; mov edi, 1
    code += b"\x48\xbe" + struct.pack("<Q", RESULTS)  # mov rsi, RESULTS
    code += b"\xba" + struct.pack("<I", 8 * len(rows)) + b"\x0f\x05"  # mov edx, size; syscall
    code += exit_with(0)
    table = b"".join(
        struct.pack("<7Q", *[word % 2**64 for word in row], *[0] * (7 - len(row))) for row in rows
    )
    table = table.ljust(SCRATCH - DATA, b"\0") + scratch
    header = struct.pack("<16sHHIQQQIHHHHHH", IDENT, 2, 62, 1, CODE + 0x100, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 5, 0, CODE, CODE, 0x100 + len(code), 0x100 + len(code), 4096)
    header += struct.pack("<IIQQQQQQ", 1, 6, 0x1000, DATA, DATA, len(table), HEAP - DATA, 4096)
    return (header.ljust(0x100, b"\0") + code).ljust(0x1000, b"\0") + table


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


@needs_busybox
def test_all_handles_are_closed_when_a_program_has_been_killed(linux: World) -> None:
    keeper = linux.start("cat")
    linux.k.run_until_idle()
    before = len(linux.prototype.handle_table)
    for argv in (["cat"], ["awk", "BEGIN { while (1); }"], ["yes"]):
        with linux.start(*argv) as program:
            linux.k.nanosleep(linux.k.deadline_after(10_000_000))
            program.process.kill()
            program.process.wait(Signals.PROCESS_TERMINATED)
    assert len(linux.prototype.handle_table) == before
    keeper.send(b"still here")
    linux.k.run_until_idle()
    assert keeper.receive(keeper.stdout) == b"still here"


def test_the_example_keeps_to_the_public_interface() -> None:
    for path in (ROOT / "examples/linux_echo").glob("*.py"):
        modules = set(re.findall(r"^(?:from|import) (jacinth\S*)", path.read_text(), re.MULTILINE))
        assert modules <= {"jacinth", "jacinth.abi"}, path


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
    "a stack without end": (b"\x50\xeb\xfd", 11),  # push rax; jmp to it
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


# Calls, one by one


READ, WRITE, CLOSE, FSTAT, POLL, LSEEK, MMAP, MPROTECT, MUNMAP, BRK = 0, 1, 3, 5, 7, 8, 9, 10, 11, 12
SIGACTION, IOCTL, READV, WRITEV, GETPID, KILL, FCNTL, ARCH_PRCTL, OPENAT = (
    13,
    16,
    19,
    20,
    39,
    62,
    72,
    158,
    257,
)
EPERM, ENOENT, ESRCH, EBADF, ENOMEM, EFAULT, EINVAL = -1, -2, -3, -9, -12, -14, -22
ENOTTY, ESPIPE, EROFS, ENOSYS = -25, -29, -30, -38
RSEQ, SENDFILE, FORK = 334, 40, 57


def test_a_call_that_is_not_served_answers_enosys(linux: World) -> None:
    assert linux.calls([RSEQ], [SENDFILE], [FORK], [-1], [1 << 32]) == [ENOSYS] * 5


def test_write_and_read(linux: World) -> None:
    rows = [
        [WRITE, 1, SCRATCH, 5],
        [READ, 0, SCRATCH + 100, 99],
        [WRITE, 1, SCRATCH + 100, 2],
        [READ, 0, SCRATCH, 9],
    ]
    assert linux.calls(*rows, data=b"in", scratch=b"hello") == [5, 2, 2, 0]
    assert linux.written == b"helloin"


def test_a_number_of_no_file_is_refused(linux: World) -> None:
    rows = [[READ, 3, SCRATCH, 1], [WRITE, -1, SCRATCH, 1], [CLOSE, 2], [CLOSE, 2], [WRITE, 2, SCRATCH, 1]]
    assert linux.calls(*rows, [IOCTL, 7], [FSTAT, 7]) == [EBADF, EBADF, 0, EBADF, EBADF, EBADF, EBADF]


def test_pointers_reach_the_restricted_part_alone(linux: World) -> None:
    shared = Vmo.create(4096)
    shared.write(b"secret")
    address = linux.shared_vmar.map(0, shared, 0, 4096)
    rows = [
        [WRITE, 1, pointer, 6]
        for pointer in (address, 0, 4096, 1 << 63, 2**64 - 1, linux.shared_vmar.info.base - 1)
    ]
    assert linux.calls(*rows, [READ, 0, address, 6], data=b"attack") == [EFAULT] * 7
    assert linux.written == b""
    assert shared.read(0, 6) == b"secret"


def test_code_reaches_the_restricted_part_alone(linux: World) -> None:
    address = linux.shared_vmar.map(0, Vmo.create(4096), 0, 4096)
    code = b"\x48\xb9" + address.to_bytes(8, "little") + b"\x8b\x01"  # movabs rcx, address; mov eax, [rcx]
    assert linux.code(code)[0] == 128 + 11


def test_read_only_memory_is_not_written_to(linux: World) -> None:
    assert linux.calls([READ, 0, CODE, 4], data=b"data") == [EFAULT]


def test_vectors(linux: World) -> None:
    vectors = struct.pack("<6Q", SCRATCH + 48, 2, 0, 0, SCRATCH + 50, 3)
    rows = [
        [WRITEV, 1, SCRATCH, 3],
        [READV, 0, SCRATCH, 3],
        [WRITEV, 1, SCRATCH, 1],
        [WRITEV, 1, SCRATCH, 2000],
    ]
    assert linux.calls(*rows, data=b"xyz", scratch=vectors + b"hello") == [5, 2, 2, EINVAL]
    assert linux.written == b"helloxy"


def test_memory_is_mapped_protected_and_unmapped(linux: World) -> None:
    anonymous, fixed = 0x22, 0x32
    place = 0x1000_0000
    rows = [
        [MMAP, place, 8000, 3, fixed, -1, 0],
        [READ, 0, place, 4],
        [WRITE, 1, place, 6],
        [MPROTECT, place, 4096, 1],
        [READ, 0, place, 1],
        [READ, 0, place + 4096, 1],
        [MUNMAP, place, 8192],
        [WRITE, 1, place, 1],
        [MPROTECT, place, 4096, 1],
        [MMAP, 0, 0, 3, anonymous],
        [MMAP, 0, 4096, 3, 2, 0],
        [MMAP, place + 1, 4096, 3, fixed],
        [MMAP, 4096, 4096, 3, fixed],
        [MMAP, 0, 1 << 62, 3, anonymous],
        [MMAP, 0, 2**64 - 1, 3, anonymous],
    ]
    answers = linux.calls(*rows, data=b"abcdefgh")
    assert answers[:9] == [place, 4, 6, 0, EFAULT, 1, 0, EFAULT, ENOMEM]
    assert answers[9:] == [EINVAL, -19, EINVAL, EPERM, ENOMEM, ENOMEM]
    assert linux.written == b"abcd\0\0"


def test_the_heap_grows_and_shrinks_and_comes_back_empty(linux: World) -> None:
    rows = [
        [BRK, 0],
        [WRITE, 1, HEAP, 1],
        [BRK, HEAP + 5000],
        [READ, 0, HEAP + 4096, 4],
        [WRITE, 1, HEAP + 4096, 4],
        [BRK, HEAP],
        [WRITE, 1, HEAP, 1],
        [BRK, HEAP + 8192],
        [WRITE, 1, HEAP + 4096, 4],
        [BRK, HEAP - 1],
        [BRK, 1 << 62],
        [BRK, 2**64 - 1],
    ]
    answers = linux.calls(*rows, data=b"data")
    assert answers[:9] == [HEAP, EFAULT, HEAP + 5000, 4, 4, HEAP, EFAULT, HEAP + 8192, 4]
    assert answers[9:] == [HEAP + 8192] * 3
    assert linux.written == b"data\0\0\0\0"


def test_files_are_given_and_only_read(linux: World) -> None:
    name = SCRATCH
    rows = [
        [OPENAT, -100, name, 0],
        [READ, 3, SCRATCH + 100, 3],
        [LSEEK, 3, -2, 1],
        [READ, 3, SCRATCH + 103, 99],
        [LSEEK, 3, -1, 0],
        [LSEEK, 3, 2, 2],
        [READ, 3, SCRATCH + 200, 9],
        [WRITE, 3, SCRATCH, 1],
        [WRITE, 1, SCRATCH + 100, 8],
        [LSEEK, 0, 0, 0],
        [OPENAT, -100, name, 1],
        [OPENAT, -100, name + 1, 0],
        [OPENAT, -100, name + 1, 0x41],
        [OPENAT, -100, 0, 0],
        [CLOSE, 3],
        [READ, 3, SCRATCH, 1],
    ]
    answers = linux.calls(*rows, scratch=b"/etc/motd\0", files={"/etc/motd": b"welcome"})
    assert answers[:9] == [3, 3, 1, 6, EINVAL, 9, 0, EBADF, 8]
    assert answers[9:] == [ESPIPE, EROFS, ENOENT, EROFS, EFAULT, 0, EBADF]
    assert linux.written == b"welelcom"


@needs_busybox
def test_a_file_is_found_by_busybox(linux: World) -> None:
    files = {"/etc/motd": b"welcome\n"}
    assert linux.run(["cat", "/etc/motd"], files=files) == (0, b"welcome\n", b"")
    assert linux.run(["stat", "-c", "%s %F", "/etc/motd"], files=files) == (0, b"8 regular file\n", b"")


def test_a_signal_to_itself_ends_it(linux: World) -> None:
    me = linux.calls([GETPID])[0]
    assert me > 0
    status, _, _ = linux.run(["calls"], program=calls_program([[KILL, 0, 15]]))
    assert status == 128 + 15


def test_signals_that_end_nobody(linux: World) -> None:
    ignored = (1).to_bytes(8, "little") + bytes(24)
    rows = [
        [SIGACTION, 15, SCRATCH, 0],
        [KILL, 0, 15],
        [SIGACTION, 15, 0, SCRATCH + 100],
        [WRITE, 1, SCRATCH + 100, 1],
        [KILL, 0, 0],
        [KILL, 0, 17],
        [KILL, 0, 65],
        [KILL, 1 << 30, 15],
        [KILL, 0, 19],
        [SIGACTION, 9, SCRATCH, 0],
        [SIGACTION, 0, 0, 0],
    ]
    answers = linux.calls(*rows, scratch=ignored)
    assert answers == [0, 0, 0, 1, 0, 0, EINVAL, ESRCH, ENOSYS, EINVAL, EINVAL]
    assert linux.written == b"\1"


def test_a_broken_pipe_ends_a_program(linux: World) -> None:
    program = start(
        linux.prototype, ["calls"], program=calls_program([[READ, 0, SCRATCH, 1], [WRITE, 1, SCRATCH, 1]])
    )
    linux.k.run_until_idle()
    program.stdout.close()
    program.send(b"x")
    program.process.wait(Signals.PROCESS_TERMINATED)
    assert program.status == 128 + 13


def test_a_full_pipe_makes_a_program_wait(linux: World) -> None:
    rows = [[WRITE, 1, CODE, 4096]] * 200
    program = start(linux.prototype, ["calls"], program=calls_program(rows))
    linux.k.run_until_idle()
    assert not program.exited
    status, output, _ = program.communicate()
    assert (status, len(output)) == (0, 200 * 4096 + 8 * 200)


def test_segment_bases(linux: World) -> None:
    rows = [
        [ARCH_PRCTL, 0x1002, SCRATCH],
        [ARCH_PRCTL, 0x1001, SCRATCH],
        [ARCH_PRCTL, 0x1002, 1 << 47],
        [ARCH_PRCTL, 1, 0],
    ]
    assert linux.calls(*rows) == [0, 0, EPERM, EINVAL]


def test_no_file_is_a_terminal(linux: World) -> None:
    assert linux.calls([IOCTL, 0, 0x5401, SCRATCH], [FCNTL, 1, 3], [FCNTL, 0, 3]) == [ENOTTY, 1, 0]


def test_hostile_calls_harm_nobody(linux: World) -> None:
    """Programs that make calls at random end somehow; the kernel goes on, and the body never fails."""
    source = random.Random(1)
    numbers = [number for number in CALLS if number not in (60, 231)]
    words = [
        0,
        1,
        2,
        3,
        8,
        16,
        64,
        4095,
        4096,
        0x1000_0000,
        1 << 31,
        1 << 32,
        1 << 47,
        1 << 62,
        1 << 63,
        2**64 - 1,
    ]
    words += [
        SCRATCH,
        SCRATCH + 4000,
        HEAP,
        HEAP + 4096,
        CODE,
        linux.shared_vmar.info.base,
        0x20_0000,
        (1 << 46) - 8,
    ]
    for _ in range(150):
        rows = [[source.choice(numbers), *source.choices(words, k=6)] for _ in range(30)]
        program = start(linux.prototype, ["calls"], program=calls_program(rows, source.randbytes(100)))
        try:
            program.communicate(b"input")
        except KernelDeadlock:  # it sleeps for ever
            program.process.kill()
        program.close()
    assert linux.code(exit_with(3)) == (3, b"", b"")


def test_programs_that_do_not_fit_are_killed(linux: World) -> None:
    assert linux.run(["low"], program=elf(exit_with(0), base=0x1000))[0] == 128 + 9
    assert linux.run(["x" * (9 << 20)], program=elf(exit_with(0)))[0] == 128 + 9


def test_a_position_independent_program(linux: World) -> None:
    assert linux.run(["pie"], program=elf(exit_with(4), kind=3, base=0)) == (4, b"", b"")


# C programs, compiled for Linux

C_PROGRAM = r"""
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static __thread int counter = 5;

static int compare(const void* a, const void* b) { return *(const int*)a - *(const int*)b; }

int main(int argc, char** argv) {
  for (int i = 0; i < argc; i++) printf("%d: %s\n", i, argv[i]);
  printf("%s %s\n", getenv("HOME"), getenv("ABSENT") ? "?" : "none");
  int* numbers = malloc(100000 * sizeof(int));
  unsigned seed = 1;
  for (int i = 0; i < 100000; i++) numbers[i] = (seed = seed * 1103515245 + 12345) >> 8;
  qsort(numbers, 100000, sizeof(int), compare);
  printf("%d %d %d\n", numbers[0], numbers[50000], numbers[99999]);
  size_t total = 0;
  for (int i = 1; i < 300; i++) {
    char* block = realloc(i % 3 ? NULL : malloc(10), i * 1000);
    memset(block, i, i * 1000);
    total += block[i * 999];
    if (i % 2) free(block);
  }
  printf("%zu %d %.17g\n", total, ++counter, sqrt(2) + sin(1));
  errno = 0;
  printf("%d", chdir("/nowhere"));
  printf(" %s\n", errno ? "failed" : "?");
  char line[100];
  while (fgets(line, sizeof(line), stdin)) printf("<%.*s>", (int)strcspn(line, "\n"), line);
  struct timespec nap = {0, 1000000};
  fprintf(stderr, "%d\n", nanosleep(&nap, NULL));
  if (argc > 2) abort();
  return 42;
}
"""


@pytest.mark.parametrize("more", [[], ["end"]], ids=["returns", "aborts"])
@pytest.mark.parametrize("how", ["-static", "-static-pie"])
def test_a_c_program_does_what_it_does_on_the_host(
    linux: World, how: str, more: list[str], tmp_path: Path
) -> None:
    source = tmp_path / "program.c"
    source.write_text(C_PROGRAM)
    program = tmp_path / "program"
    try:
        subprocess.run(["cc", "-O1", how, source, "-o", program, "-lm"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no compiler that makes static programs of this kind")
    argv = [str(program), "argument", *more]
    host = subprocess.run(argv, input=b"one\ntwo", capture_output=True, env=dict(ENVIRON))
    status = host.returncode if host.returncode >= 0 else 128 - host.returncode
    assert linux.run(argv, b"one\ntwo", path=str(program)) == (status, host.stdout, host.stderr)


# The processor that programs see: what cpuid announces works, so that libraries may choose it

# Leaf of cpuid; register (0 eax, 1 ebx, 2 ecx, 3 edx); bit; an instruction.
FEATURES = {
    "rdtsc": (1, 3, 4, "0f31"),
    "sse3": (1, 2, 0, "f20ff04424f0"),
    "pclmulqdq": (1, 2, 1, "660f3a44c100"),
    "ssse3": (1, 2, 9, "660f3800c1"),
    "fma": (1, 2, 12, "c4e2f198c2"),
    "cmpxchg16b": (1, 2, 13, "480fc70c24"),
    "sse4.1": (1, 2, 19, "660f3817c1"),
    "sse4.2": (1, 2, 20, "660f3a63c100"),
    "movbe": (1, 2, 22, "0f38f00424"),
    "popcnt": (1, 2, 23, "f30fb8c1"),
    "aes": (1, 2, 25, "660f38dcc1"),
    "xsave": (1, 2, 27, "31c90f01d0"),  # xgetbv; the bit is osxsave
    "f16c": (1, 2, 29, "c4e27913c1"),
    "rdrand": (1, 2, 30, "0fc7f0"),
    "fsgsbase": (7, 1, 0, "f3480faec0"),
    "bmi1": (7, 1, 3, "c4e270f2c1"),
    "bmi2": (7, 1, 8, "c4e273f5c1"),
    "rdseed": (7, 1, 18, "0fc7f8"),
    "adx": (7, 1, 19, "660f38f6c1"),
    "clflushopt": (7, 1, 23, "660fae3c24"),
    "clwb": (7, 1, 24, "660fae3424"),
    "sha": (7, 1, 29, "0f38cbc1"),
    "rdpid": (7, 2, 22, "f30fc7f8"),
    "gfni": (7, 2, 8, "660f3acec100"),
    "lahf": (0x8000_0001, 2, 0, "9f"),
    "lzcnt": (0x8000_0001, 2, 5, "f30fbdc1"),
    "sse4a": (0x8000_0001, 2, 6, "660f78c00101"),
    "rdtscp": (0x8000_0001, 3, 27, "0f01f9"),
}


def announced(linux: World, leaf: int, register: int) -> int:
    """What cpuid answers in a register."""
    code = b"\xb8" + struct.pack("<I", leaf) + b"\x31\xc9\x0f\xa2"  # mov eax, leaf; xor ecx, ecx; cpuid
    code += b"\x52\x51\x53\x50\x48\x89\xe6"  # push rdx, rcx, rbx, rax; mov rsi, rsp
    code += b"\xb8\x01\x00\x00\x00\xbf\x01\x00\x00\x00\xba\x20\x00\x00\x00\x0f\x05"  # write(1, rsi, 32)
    return int(struct.unpack("<4Q", linux.code(code + exit_with(0))[1])[register])


@pytest.mark.parametrize("name", FEATURES)
def test_features_that_are_announced_work(linux: World, name: str) -> None:
    leaf, register, bit, instruction = FEATURES[name]
    code = b"\x48\x83\xe4\xc0" + bytes.fromhex(instruction) + exit_with(0)  # and rsp, -64
    if announced(linux, leaf, register) >> bit & 1:
        assert linux.code(code)[0] == 0


def test_avx_is_not_announced(linux: World) -> None:
    avx, avx2, avx512f = 28, 5, 16
    assert not announced(linux, 1, 2) >> avx & 1
    assert not announced(linux, 7, 1) & (1 << avx2 | 1 << avx512f)
