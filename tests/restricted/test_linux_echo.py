"""`examples/linux_echo`: static Linux programs in restricted mode, over the public interface alone."""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import shlex
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from linux_echo import ANSWERS, BUSYBOX, CALLS, ENVIRON, start

from jacinth import (
    Kernel,
    Process,
    ProcessOptions,
    Signals,
    Socket,
    Vmo,
    WaitItem,
    ZxPeerClosed,
    ZxShouldWait,
    load_elf,
    object_wait_many,
)
from jacinth.abi import ZX_INFO_PROCESS_FLAG_EXITED, ZX_TASK_RETCODE_SYSCALL_KILL

ROOT = Path(__file__).parents[2]

if not Path(BUSYBOX).exists():
    WHY_NOT = f"no {BUSYBOX}; Debian has it in the package busybox-static"
elif load_elf(Path(BUSYBOX).read_bytes()).interp is not None:
    WHY_NOT = f"{BUSYBOX} is not static; Debian's package busybox-static has it so"
else:
    WHY_NOT = ""
needs_busybox = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


class LinuxProcess(NamedTuple):
    """A Linux program that runs, and the other ends of its pipes."""

    process: Process
    stdin: Socket
    stdout: Socket
    stderr: Socket


def exited(linux: LinuxProcess) -> bool:
    return bool(linux.process.info.flags & ZX_INFO_PROCESS_FLAG_EXITED)


def receive(socket: Socket) -> bytes:
    """What has been written since the last time."""
    return socket.read(size) if (size := socket.info.rx_buf_size) else b""


def communicate(linux: LinuxProcess, data: bytes = b"") -> tuple[int, bytes, bytes]:
    """Let it read *data* and no more, and run to its end. Answers exit status, and what it wrote to stdout and stderr."""
    written = {linux.stdout: b"", linux.stderr: b""}
    while not exited(linux):
        try:
            data = data[linux.stdin.write(data) :] if data else b""
        except ZxShouldWait:
            pass
        except ZxPeerClosed:
            data = b""
        if not data:
            linux.stdin.half_close()
        items = [WaitItem(socket, Signals.SOCKET_READABLE) for socket in written]
        items.append(WaitItem(linux.process, Signals.PROCESS_TERMINATED))
        if data:
            items.append(WaitItem(linux.stdin, Signals.SOCKET_WRITABLE | Signals.SOCKET_PEER_CLOSED))
        object_wait_many(items)
        for socket in written:
            written[socket] += receive(socket)
    return linux.process.info.return_code, written[linux.stdout], written[linux.stderr]


class World:
    """A job with a prototype, and the Linux processes that share with it."""

    def __init__(self, k: Kernel) -> None:
        self.k = k
        self.job = k.root_job.create_child_job()
        self.prototype, self.shared_vmar = self.job.create_child_process("linux", ProcessOptions.SHARED)
        self.written = b""

    def start(self, *argv: str, program: bytes | None = None) -> LinuxProcess:
        program = Path(BUSYBOX).read_bytes() if program is None else program
        return LinuxProcess(*start(self.prototype, argv, program))

    def run(
        self, argv: Sequence[str], data: bytes = b"", program: bytes | None = None
    ) -> tuple[int, bytes, bytes]:
        """Run a program to its end. Answers exit status, and what it wrote to stdout and stderr."""
        linux = self.start(*argv, program=program)
        with linux.process, linux.stdin, linux.stdout, linux.stderr:
            return communicate(linux, data)

    def code(self, code: bytes, data: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run machine code."""
        return self.run(["code"], data, elf(code))

    def calls(self, *rows: Sequence[int], data: bytes = b"", scratch: bytes = b"") -> list[int]:
        """What Linux calls answer, and before that what they wrote to stdout."""
        program = calls_program(rows, scratch)
        status, output, errors = self.run(["calls"], data, program)
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
        cat.stdin.write(line)
        tr.stdin.write(line)
        linux.k.run_until_idle()
        assert (receive(cat.stdout), receive(tr.stdout)) == (line, line.upper())
    awk = linux.start("awk", "BEGIN { while (1); }")
    linux.k.nanosleep(linux.k.deadline_after(10_000_000))
    assert not any(exited(program) for program in (cat, tr, awk))
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
        program = linux.start(*argv)
        with program.process, program.stdin, program.stdout, program.stderr:
            linux.k.nanosleep(linux.k.deadline_after(10_000_000))
            program.process.kill()
            program.process.wait(Signals.PROCESS_TERMINATED)
    assert len(linux.prototype.handle_table) == before
    keeper.stdin.write(b"still here")
    linux.k.run_until_idle()
    assert receive(keeper.stdout) == b"still here"


def test_the_example_keeps_to_the_public_interface() -> None:
    source = (ROOT / "examples/linux_echo.py").read_text()
    assert set(re.findall(r"^ *(?:from|import) (jacinth\S*)", source, re.MULTILINE)) == {"jacinth"}
    assert not re.search(r"\._[a-z]", source)


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
    faults = {"text": "not an ELF file", "absent": "No such file or directory", ".": "Is a directory"}
    for name, fault in faults.items():
        done = command(f"{tmp_path}/{name}")
        assert (done.returncode, done.stdout) == (126, b"")
        assert done.stderr == f"linux_echo: {tmp_path}/{name}: {fault}\n".encode()
    assert command("/dev/zero").stderr == b"linux_echo: /dev/zero: not an ELF file\n"


def test_the_command_refuses_an_option_that_it_has_not() -> None:
    done = command("--nope")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"unrecognized arguments: --nope" in done.stderr


@needs_busybox
def test_the_command_moves_megabytes(tmp_path: Path) -> None:
    data = random.Random(0).randbytes(10 << 20)
    done = command("cat", data=data)
    assert (done.returncode, done.stdout == data, done.stderr) == (0, True, b"")


@needs_busybox
def test_the_command_shows_calls() -> None:
    done = command("--trace", "echo", "--trace")
    lines = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (0, b"--trace\n")
    assert re.fullmatch(r"write\(0x1, 0x\w+, 0x8\) = 0x8", lines[-1])
    assert any(re.fullmatch(r"273\(.*\) = ENOSYS", line) for line in lines)


def shell(line: str) -> subprocess.CompletedProcess[bytes]:
    """A line of bash, in which LINUX is the command."""
    line = line.replace("LINUX", f"{shlex.quote(sys.executable)} -m examples.linux_echo")
    return subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, timeout=60)


@needs_busybox
@pytest.mark.parametrize("argv", ["yes", ""], ids=["a program", "the demonstration"])
def test_a_reader_that_goes_ends_the_command_as_a_signal_would(argv: str) -> None:
    done = shell(f"LINUX {argv} | read -n 0; echo ${{PIPESTATUS[0]}}")
    assert (done.stdout, done.stderr) == (b"141\n", b"")


@needs_busybox
def test_an_interrupt_ends_the_command_quietly() -> None:
    line = [sys.executable, "-m", "examples.linux_echo", "sh", "-c", "echo; while :; do :; done"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as running:
        assert running.stdout is not None and running.stdout.read(1) == b"\n"
        running.send_signal(signal.SIGINT)
        assert (running.communicate(timeout=60), running.returncode) == ((b"", b""), 130)


@needs_busybox
def test_a_closed_standard_file_is_no_other_file() -> None:
    assert shell("LINUX cat <&-").stdout == b""
    done = shell("LINUX echo hello >&-")
    assert (done.returncode, done.stderr) == (0, b"")


@needs_busybox
def test_a_full_disk_is_one_line() -> None:
    done = shell("LINUX echo hello >/dev/full")
    assert (done.returncode, done.stderr) == (126, b"linux_echo: input or output: No space left on device\n")


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
    test 1 = 2
    date -u -d @0
    dc -e '2 640 ^ p'
    dd bs=100 count=3 status=none
    tee
    env
    nosuchapplet
    sh -c 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; echo $i; exit 9'
    sh -c 'trap "echo bye" EXIT; echo x'
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


READ, WRITE, CLOSE, LSEEK, MMAP, MPROTECT, MUNMAP, BRK, IOCTL = 0, 1, 3, 8, 9, 10, 11, 12, 16
GETPID, ARCH_PRCTL, OPENAT, NEWFSTATAT = 39, 158, 257, 262
ENOENT, EBADF, ENOMEM, EFAULT, ENODEV, EINVAL, ENOTTY, ESPIPE, ENOSYS = (
    -2,
    -9,
    -12,
    -14,
    -19,
    -22,
    -25,
    -29,
    -38,
)
AT_EMPTY_PATH, EMPTY = 0x1000, SCRATCH + 200
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
    rows += [[READ, 1, SCRATCH, 1], [WRITE, 0, SCRATCH, 1], [NEWFSTATAT, 7, EMPTY, SCRATCH, AT_EMPTY_PATH]]
    assert linux.calls(*rows) == [EBADF, EBADF, 0, EBADF, EBADF, EBADF, EBADF, EBADF]


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


def test_memory_is_mapped_protected_and_unmapped(linux: World) -> None:
    anonymous, fixed = 0x22, 0x32
    place = linux.calls([MMAP, 0, 8000, 3, anonymous, -1, 0])[0]
    assert place > 0 and place % 4096 == 0
    rows = [
        [MMAP, 0, 8000, 3, anonymous, -1, 0],  # where the one before was: a run repeats exactly
        [READ, 0, place, 4],
        [WRITE, 1, place, 6],
        [MPROTECT, place, 4096, 1],
        [READ, 0, place, 1],
        [READ, 0, place + 4096, 1],
        [MPROTECT, place + 1, 4096, 3],
        [MUNMAP, place + 1, 4096],
        [MUNMAP, place, 8192],
        [WRITE, 1, place, 1],
        [MPROTECT, place, 4096, 1],
        [MMAP, 0, 0, 3, anonymous],
        [MMAP, 0, 4096, 3, 2, 0],
        [MMAP, place, 4096, 3, fixed],
        [MMAP, 0, 1 << 62, 3, anonymous],
        [MMAP, 0, 2**64 - 1, 3, anonymous],
    ]
    answers = linux.calls(*rows, data=b"abcdefgh")
    assert answers[:8] == [place, 4, 6, 0, EFAULT, 1, EINVAL, EINVAL]
    assert answers[8:] == [0, EFAULT, ENOMEM, EINVAL, ENODEV, ENODEV, ENOMEM, ENOMEM]
    assert linux.written == b"abcd\0\0"


def test_memory_becomes_executable(linux: World) -> None:
    # mov eax, 9; xor edi, edi; mov esi, 4096; mov edx, 3; mov r10d, 0x22; syscall; mov byte [rax], 0xc3; mov rbx, rax
    code = bytes.fromhex("b809000000 31ff be00100000 ba03000000 41ba22000000 0f05 c600c3 4889c3")
    # mov eax, 10; mov rdi, rbx; mov edx, 5; syscall
    protect = bytes.fromhex("b80a000000 4889df ba05000000 0f05")
    call = b"\xff\xd3"  # call rbx
    assert linux.code(code + protect + call + exit_with(3)) == (3, b"", b"")
    assert linux.code(code + call + exit_with(3))[0] == 128 + 11


def test_the_heap_grows_empty_and_never_shrinks(linux: World) -> None:
    rows = [
        [BRK, 0],
        [BRK, HEAP + 5000],
        [READ, 0, HEAP + 4096, 4],
        [WRITE, 1, HEAP + 4096, 6],
        [BRK, HEAP],
        [BRK, HEAP - 1],
        [BRK, 1 << 62],
        [BRK, 2**64 - 1],
    ]
    assert linux.calls(*rows, data=b"data") == [HEAP, HEAP + 5000, 4, 6, *[HEAP + 5000] * 4]
    assert linux.written == b"data\0\0"


def test_standard_files_are_pipes_and_there_are_no_others(linux: World) -> None:
    path = SCRATCH
    rows = [
        [NEWFSTATAT, 0, EMPTY, SCRATCH + 300, AT_EMPTY_PATH],
        [WRITE, 1, SCRATCH + 300 + 24, 4],
        [NEWFSTATAT, 0, EMPTY, 0, AT_EMPTY_PATH],
        [NEWFSTATAT, 0, 0, SCRATCH + 300, AT_EMPTY_PATH],
        [NEWFSTATAT, 0, EMPTY, SCRATCH + 300, 0],
        [NEWFSTATAT, 0, path, SCRATCH + 300, AT_EMPTY_PATH],
        [OPENAT, -100, path, 0],
        [LSEEK, 0, 0, 0],
    ]
    answers = linux.calls(*rows, scratch=b"/etc/motd\0")
    assert answers == [0, 4, EFAULT, EFAULT, ENOENT, ENOENT, ENOENT, ESPIPE]
    assert linux.written == (0o010600).to_bytes(4, "little")


def test_a_broken_pipe_ends_a_program(linux: World) -> None:
    program = linux.start("calls", program=calls_program([[READ, 0, SCRATCH, 1], [WRITE, 1, SCRATCH, 1]]))
    linux.k.run_until_idle()
    program.stdout.close()
    program.stdin.write(b"x")
    program.process.wait(Signals.PROCESS_TERMINATED)
    assert program.process.info.return_code == 128 + 13


def test_a_full_pipe_makes_a_program_wait(linux: World) -> None:
    rows = [[WRITE, 1, CODE, 4096]] * 200
    program = linux.start("calls", program=calls_program(rows))
    linux.k.run_until_idle()
    assert not exited(program)
    status, output, _ = communicate(program)
    assert (status, len(output)) == (0, 200 * 4096 + 8 * 200)


def test_segment_bases(linux: World) -> None:
    rows = [
        [ARCH_PRCTL, 0x1002, SCRATCH],
        [ARCH_PRCTL, 0x1002, 1 << 47],
        [ARCH_PRCTL, 0x1002, 1 << 63],
        [ARCH_PRCTL, 1, 0],
    ]
    assert linux.calls(*rows) == [0, EINVAL, EINVAL, EINVAL]


def test_no_file_is_a_terminal(linux: World) -> None:
    assert linux.calls([IOCTL, 0, 0x5401, SCRATCH]) == [ENOTTY]


def test_hostile_calls_harm_nobody(linux: World) -> None:
    """Programs that make calls at random end somehow; the kernel goes on, and the body never fails."""
    source = random.Random(1)
    numbers = [number for number in (*CALLS, *ANSWERS) if number not in (60, 231)]
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
        linux.run(["calls"], b"input", calls_program(rows, source.randbytes(100)))
    assert linux.code(exit_with(3)) == (3, b"", b"")


def test_programs_that_do_not_fit_are_killed(linux: World) -> None:
    assert linux.run(["low"], b"", elf(exit_with(0), base=0x1000))[0] == 128 + 9
    assert linux.run(["x" * (9 << 20)], b"", elf(exit_with(0)))[0] == 128 + 9


def test_a_position_independent_program(linux: World) -> None:
    assert linux.run(["pie"], b"", elf(exit_with(4), kind=3, base=0)) == (4, b"", b"")


# C programs, compiled for Linux

C_PROGRAM = r"""
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
  fprintf(stderr, "%zu\n", strlen(line));
  if (argc > 2) *(volatile int*)16 = 0;
  return 42;
}
"""


@pytest.mark.parametrize("more", [[], ["end"]], ids=["returns", "faults"])
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
    assert linux.run(argv, b"one\ntwo", program.read_bytes()) == (status, host.stdout, host.stderr)


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


@pytest.mark.portable("guests see the host's processor")
def test_avx_is_not_announced(linux: World) -> None:
    avx, avx2, avx512f = 28, 5, 16
    assert not announced(linux, 1, 2) >> avx & 1
    assert not announced(linux, 7, 1) & (1 << avx2 | 1 << avx512f)
