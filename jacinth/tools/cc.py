"""Compiling programs for Jacinth with the host's own compiler.

clang or gcc for x86-64 does; no cross toolchain is needed. The headers are generated from the interface's
table and the start library is compiled once for each compiler, into a directory of the user's cache.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jacinth.abi.table import SYSCALLS
from jacinth.sdk.headers import write_headers
from jacinth.sdk.linkstub import shared_object, stub_assembly
from jacinth.version import __version__

_PACKAGE: Final = Path(__file__).resolve().parent.parent
_SDK: Final = _PACKAGE / "sdk"
_CXX_SUFFIXES: Final = {".cc", ".cpp", ".cxx", ".C"}
_NO_LINK: Final = {"-c", "-S", "-E", "-M", "-MM", "-fsyntax-only"}

# Unicorn calls a function for each vector instruction, which makes loops that the compiler turns into vectors slower
# than the loops that they were: SHA-256 three times. Flags of the user's come later, and may ask for it all the same.
NO_VECTORS: Final = "-fno-tree-vectorize"

# What every translation unit gets, ours and the user's. Not -ffreestanding: `main` would be a function like others
# then, which in C++ has another name and no way back where it ends without a return.
_COMPILE: Final = (
    "-fno-builtin",
    "-nostdinc",
    "-fno-stack-protector",
    "-ffunction-sections",
    "-fdata-sections",
    NO_VECTORS,
)
_CXX: Final = ("-std=gnu++20", "-nostdinc++", "-fno-exceptions", "-fno-rtti")
_LINK: Final = (
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,-z,norelro",  # nothing could make those pages read-only after relocation
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=4096",
)
# The others lie in an archive, out of which the linker takes nothing for g++'s weak references to __cxa_pure_virtual.
_ALWAYS_LINKED: Final = ("crt1.o", "cxx.o")


class CompileError(Exception):
    """There is no compiler, or it refused; one line. Its own words have gone to standard error."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler driver and what it says of itself."""

    command: tuple[str, ...]
    version: str
    include: str  # the directory of the headers that come with the compiler: stddef.h, stdarg.h, ...
    runtime: str | None  # its support library: division of 128-bit numbers and the like

    @property
    def is_clang(self) -> bool:
        return "clang" in self.version


def find_compiler(name: str | None = None, *, cxx: bool = False) -> Compiler:
    """The compiler *name*, or that of $CC, or the first of clang, gcc and cc there is.

    For C++ these are $CXX, clang++, g++ and c++. Raises CompileError.
    """
    wanted = name or os.environ.get("CXX" if cxx else "CC")
    candidates = [wanted] if wanted else ["clang++", "g++", "c++"] if cxx else ["clang", "gcc", "cc"]
    for candidate in candidates:
        command = shlex.split(candidate)
        if command and shutil.which(command[0]) is not None:
            version = _ask(command, "--version")
            include = _ask(command, "-print-file-name=include")
            runtime = _ask(command, "-print-libgcc-file-name")
            return Compiler(tuple(command), version, include, runtime if os.path.exists(runtime) else None)
    language = "C++" if cxx else "C"
    raise CompileError(f"no {language} compiler: {', '.join(candidates)} not found; install clang or gcc")


def compile_program(
    sources: Sequence[str | Path],
    output: str | Path,
    extra_flags: Sequence[str] = (),
    compiler: str | None = None,
) -> None:
    """Compile and link *sources* (C, C++, assembly, objects) into the program *output*.

    *extra_flags* go to the compiler as they are. The program is a static PIE; with ``-no-pie`` it lies at
    fixed addresses; with ``-c`` and the like nothing is linked. Raises CompileError.
    """
    link = not _NO_LINK.intersection(extra_flags)
    cxx = any(Path(source).suffix in _CXX_SUFFIXES for source in sources)
    found = find_compiler(compiler, cxx=cxx)
    with tempfile.TemporaryDirectory(prefix="jacinth-") as temporary:
        inputs = [str(source) for source in sources]
        for number, source in enumerate(inputs):
            if cxx and link and Path(source).suffix == ".c":
                # The C++ driver would take it for C++.
                inputs[number] = str(Path(temporary) / f"{number}.o")
                compile_program([source], inputs[number], [*extra_flags, "-c"], compiler)
        sdk = build_sdk(found)
        pie = "-no-pie" not in extra_flags
        library = _cxx_library(found) if cxx else ()
        command = [*found.command, *_compile_flags(found, sdk, pie=pie, cxx_library=library), "-O2"]
        command += [*(_CXX if cxx else ()), *(flag for flag in extra_flags if flag != "-no-pie")]
        if link:
            command += [*_link_flags(found, pie=pie), *(str(sdk / "lib" / name) for name in _ALWAYS_LINKED)]
        command += inputs
        if link:
            command.append(str(sdk / "lib" / "libjacinth.a"))
            command += [found.runtime] if found.runtime else []
        try:
            _run([*command, "-o", str(output)])
        except CompileError as error:
            if not cxx or library:
                raise
            lack = "it has no headers of libstdc++ (<cstdint> and the like): install them for it"
            raise CompileError(f"{error}; {lack}") from None


def build_sdk(compiler: Compiler) -> Path:
    """The directory with `include/` and `lib/` for *compiler*, made where it is not there yet.

    Its name holds a hash of everything that it is made from. Several processes may make it at once: each
    makes its own, and one of them stays.
    """
    directory = _cache() / f"sdk-{_fingerprint(compiler)}"
    if directory.is_dir():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="new-", dir=directory.parent) as temporary:
        fresh = Path(temporary) / "sdk"
        _make_sdk(compiler, fresh)
        try:
            fresh.rename(directory)
        except OSError:
            if not directory.is_dir():
                raise
    return directory


def _make_sdk(compiler: Compiler, directory: Path) -> None:
    write_headers(directory / "include")
    shutil.copytree(_SDK / "cxx", directory / "cxx")
    lib = directory / "lib"
    lib.mkdir()
    _check_target(compiler)
    (lib / "libzircon.so").write_bytes(shared_object(SYSCALLS))
    (lib / "syscalls.S").write_text(stub_assembly(SYSCALLS))
    sources: list[str] = []
    for path in (*sorted((_SDK / "src").glob("*.[cS]")), lib / "syscalls.S"):
        # Said for each file, since the driver may be for C++.
        sources += ["-x", "c" if path.suffix == ".c" else "assembler-with-cpp", str(path)]
    # The loops in memcpy are not to be recognized as memcpy.
    own = [] if compiler.is_clang else ["-fno-tree-loop-distribute-patterns"]
    flags = [*_compile_flags(compiler, directory, pie=True), *own, "-std=gnu11", "-O2", "-Wall", "-Wextra"]
    _run([*compiler.command, *flags, "-c", *sources], cwd=lib)
    objects = sorted(path.name for path in lib.glob("*.o") if path.name not in _ALWAYS_LINKED)
    archiver = _ask(compiler.command, "-print-prog-name=ar")
    _run([archiver, "rcs", "libjacinth.a", *objects], cwd=lib)
    for name in (*objects, "syscalls.S"):
        (lib / name).unlink()


def _check_target(compiler: Compiler) -> None:
    """CompileError for a compiler whose programs are not for x86-64, as on a host of another kind, or with -m32."""
    question = [*compiler.command, "-dM", "-E", "-x", "c", os.devnull]
    macros = subprocess.run(question, capture_output=True, text=True, check=False).stdout.split()
    if "__x86_64__" not in macros or "__LP64__" not in macros:
        name = shlex.join(compiler.command)
        raise CompileError(
            f"{name} makes no programs for x86-64: "
            "set CC and CXX, as in CC=x86_64-linux-gnu-gcc or CC='clang --target=x86_64-linux-gnu'"
        )


def _compile_flags(compiler: Compiler, sdk: Path, *, pie: bool, cxx_library: Sequence[str] = ()) -> list[str]:
    # What the C++ library is told of Jacinth comes before what it asks.
    told = [str(sdk / "cxx")] if cxx_library else []
    directories = [*told, str(sdk / "include"), *cxx_library, compiler.include]
    includes = [flag for directory in directories for flag in ("-isystem", directory)]
    return [*_COMPILE, *includes, "-fPIE" if pie else "-fno-pie", "-ftls-model=local-exec"]


def _cxx_library(compiler: Compiler) -> list[str]:
    """The directories of the compiler's libstdc++: those that it does not search with -nostdinc++.

    None where it has no C++ library, or another one.
    """
    others = _search_path(compiler, "-nostdinc++")
    directories = [directory for directory in _search_path(compiler) if directory not in others]
    is_libstdcxx = any(Path(directory, "bits", "c++config.h").exists() for directory in directories)
    return directories if is_libstdcxx else []


def _search_path(compiler: Compiler, *flags: str) -> list[str]:
    question = [*compiler.command, *flags, "-x", "c++", "-E", "-v", os.devnull]
    environment = {**os.environ, "LC_ALL": "C"}
    answer = subprocess.run(question, capture_output=True, text=True, check=False, env=environment).stderr
    _, _, rest = answer.partition("#include <...> search starts here:\n")
    return [line.strip() for line in rest.partition("End of search list.")[0].splitlines()]


def _link_flags(compiler: Compiler, *, pie: bool) -> list[str]:
    if pie:
        return ["-static-pie", *_LINK]
    # Below 16 MiB there is no user space.
    base = "--image-base" if "LLD" in _ask(compiler.command, "-Wl,--version") else "-Ttext-segment"
    return ["-static", *_LINK, f"-Wl,{base}=0x1000000"]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        directory = (Path(base) if base else Path.home() / ".cache") / "jacinth"
        directory.mkdir(parents=True, exist_ok=True)
        if os.access(directory, os.W_OK):
            return directory
    except (OSError, RuntimeError):  # RuntimeError: no home
        pass
    return Path(tempfile.gettempdir()) / f"jacinth-{os.getuid()}"


def _fingerprint(compiler: Compiler) -> str:
    digest = hashlib.sha256()
    digest.update(repr((__version__, compiler.command, compiler.version)).encode())
    files = [*(_PACKAGE / "abi").glob("*.py"), _PACKAGE / "userboot" / "vdso.py", Path(__file__)]
    files += [path for path in _SDK.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    for path in sorted(files):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(_PACKAGE)} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def _ask(command: Sequence[str], question: str) -> str:
    try:
        done = subprocess.run([*command, question], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise CompileError(f"{command[0]} does not answer {question}: {error}") from None
    return done.stdout.strip()


def _run(command: Sequence[str], cwd: Path | None = None) -> None:
    try:
        status = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        raise CompileError(f"cannot run {command[0]}: {error.strerror}") from None
    if status != 0:
        raise CompileError(f"{command[0]} failed with exit code {status}")
