"""Run a Linux program in restricted mode, or show what that can do.

python -m examples.linux_echo                   a demonstration
python -m examples.linux_echo echo hello        an applet of /bin/busybox, with this program's standard files
python -m examples.linux_echo ./program a b     a static program of another kind
"""

from __future__ import annotations

import os
import sys

from jacinth import ElfError, Job, Kernel, KernelDeadlock, ProcessOptions, Signals

from .launch import BUSYBOX, start

SIGPIPE = 13
TEXT = b"one line\nand another\n"


def run(argv: list[str]) -> int:
    """Run a program to its end, with the standard files of this one. Answers its exit status."""
    path = argv[0] if "/" in argv[0] else str(BUSYBOX)
    with Kernel() as k:
        prototype, _ = k.root_job.create_child_process("linux", ProcessOptions.SHARED)
        linux = start(prototype, argv, path=path)
        stdin_open = True
        while True:
            try:
                linux.wait()
            except KernelDeadlock:  # it waits, and not for time to pass: it wants to read
                if not stdin_open:
                    raise
                data = os.read(0, 65536)
                if linux.send(data) < len(data):
                    raise  # it does not read what it has
                if not data:
                    linux.stdin.half_close()
                    stdin_open = False
            write(1, linux.receive(linux.stdout))
            write(2, linux.receive(linux.stderr))
            if linux.exited:
                return linux.status


def write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


def demonstrate() -> None:
    """Some applets to their end, then two programs at once, killed with their job."""
    with Kernel(seed=0, virtual_time=True) as k:
        job = k.root_job.create_child_job()
        prototype, _ = job.create_child_process("linux", ProcessOptions.SHARED)
        print("One after the other:")
        for argv in (["echo", "hello"], ["true"], ["false"], ["cat"], ["wc"], ["sha256sum"]):
            with start(prototype, argv) as linux:
                status, output, _ = linux.communicate(TEXT)
            print(f"  {' '.join(argv)}: status {status}, output {output.decode()!r}")
        two_at_once(k, job)


def two_at_once(k: Kernel, job: Job[Kernel]) -> None:
    """Both share what their prototype holds, each has a restricted part of its own, with another program's memory in it."""
    prototype, _ = job.create_child_process("both", ProcessOptions.SHARED)
    programs = [start(prototype, ["cat"]), start(prototype, ["tr", "a-z", "A-Z"])]
    print("Two at once, line by line:")
    for line in TEXT.splitlines(keepends=True):
        for linux in programs:
            linux.send(line)
            k.run_until_idle()
            print(f"  {linux.process.name}: {linux.receive(linux.stdout).decode()!r}")
    programs.append(start(prototype, ["awk", "BEGIN { while (1); }"]))
    k.nanosleep(k.deadline_after(10_000_000))
    print(
        f"Two wait for more, a third one computes for ever; all run: {not any(p.exited for p in programs)}."
    )
    job.kill()
    for linux in programs:
        linux.process.wait(Signals.PROCESS_TERMINATED)
        print(f"  {linux.process.name}: ended with its job, return code {linux.process.info.return_code}")


def main() -> int:
    if not BUSYBOX.exists() and not any("/" in word for word in sys.argv[1:2]):
        print(f"linux_echo: no {BUSYBOX}; Debian has it in the package busybox-static", file=sys.stderr)
        return 1
    if len(sys.argv) == 1:
        demonstrate()
        return 0
    try:
        return run(sys.argv[1:])
    except BrokenPipeError:
        return 128 + SIGPIPE
    except (ElfError, OSError) as error:
        print(f"linux_echo: {sys.argv[1]}: {error}", file=sys.stderr)
        return 126


if __name__ == "__main__":
    sys.exit(main())
