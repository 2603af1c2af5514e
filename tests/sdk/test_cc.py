from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jacinth.tools import cc
from jacinth.userboot.elf import ElfType, load_elf


@pytest.mark.usefixtures("compiler")
class TestWithCompiler:
    def test_a_program_is_a_static_pie_with_no_undefined_symbols(self, build) -> None:
        image = load_elf(build("int main(void) { return 0; }"))
        assert image.type is ElfType.DYN
        assert image.interp is None and image.needed == ()
        assert [(s.read, s.write, s.execute) for s in image.segments if s.write and s.execute] == []

    def test_no_pie_makes_a_program_at_fixed_addresses(self, build) -> None:
        image = load_elf(build("int main(void) { return 0; }", flags=("-no-pie",)))
        assert image.type is ElfType.EXEC
        assert image.low >= 0x100_0000

    def test_flags_pass_through(self, build) -> None:
        source = "int main(void) { return ANSWER; }"
        assert build(source, flags=("-DANSWER=42", "-g"))
        with pytest.raises(cc.CompileError, match="exit code 1"):
            build(source)

    def test_dash_c_does_not_link(self, cache: Path, tmp_path: Path) -> None:
        source = tmp_path / "part.c"
        source.write_text("int part(void) { return 7; }\n")
        cc.compile_program([source], tmp_path / "part.o", ["-c"])
        main = tmp_path / "main.c"
        main.write_text("int part(void);\nint main(void) { return part(); }\n")
        cc.compile_program([main, tmp_path / "part.o"], tmp_path / "program")
        assert load_elf((tmp_path / "program").read_bytes()).entry

    def test_diagnostics_go_to_standard_error(self, cache: Path, tmp_path: Path, capfd) -> None:
        source = tmp_path / "wrong.c"
        source.write_text("int main(void) { return missing; }\n")
        with pytest.raises(cc.CompileError):
            cc.compile_program([source], tmp_path / "program")
        assert "missing" in capfd.readouterr().err
        assert not (tmp_path / "program").exists()

    def test_the_hosts_headers_are_out_of_reach(self, build) -> None:
        with pytest.raises(cc.CompileError):
            build("#include <sys/socket.h>\nint main(void) { return 0; }")

    def test_the_sdk_is_made_once(self, compiler: cc.Compiler, cache: Path) -> None:
        first = cc.build_sdk(compiler)
        stamp = (first / "lib" / "libjacinth.a").stat().st_mtime_ns
        assert cc.build_sdk(compiler) == first
        assert (first / "lib" / "libjacinth.a").stat().st_mtime_ns == stamp
        names = {path.name for path in (first / "lib").iterdir()}
        assert names == {"crt1.o", "cxx.o", "libjacinth.a", "libzircon.so"}

    def test_two_at_once_make_the_same_sdk(
        self, compiler: cc.Compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        with ThreadPoolExecutor(2) as pool:
            made = list(pool.map(cc.build_sdk, [compiler, compiler]))
        assert made[0] == made[1]
        assert [path.name for path in (tmp_path / "jacinth").iterdir()] == [made[0].name]


def test_without_a_compiler_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(cc.CompileError) as caught:
        cc.compile_program(["x.c"], tmp_path / "x")
    assert str(caught.value) == "no C compiler: clang, gcc, cc not found; install clang or gcc"
    with pytest.raises(cc.CompileError, match=r"no C\+\+ compiler: clang\+\+, g\+\+, c\+\+ not found"):
        cc.compile_program(["x.cc"], tmp_path / "x")


def test_cc_names_the_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(cc.CompileError, match="no-such-compiler -m64 not found"):
        cc.find_compiler()
    script = tmp_path / "mycc"
    script.write_text("#!/bin/sh\necho answer to $1 $2\n")
    script.chmod(0o755)
    monkeypatch.setenv("CC", f"{script} -m64")
    assert cc.find_compiler().command == (str(script), "-m64")
    assert cc.find_compiler().version == "answer to -m64 --version"


def test_a_compiler_that_fails_is_named(tmp_path: Path) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/bin/sh\nexit 3\n")
    script.chmod(0o755)
    with pytest.raises(cc.CompileError, match="broken does not answer --version"):
        cc.find_compiler(str(script))


def test_a_compiler_for_another_processor_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its assembler made an error of every second line of the library."""
    script = tmp_path / "foreign"
    script.write_text("#!/bin/sh\necho '#define __aarch64__ 1'\n")
    script.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "x.c"
    source.write_text("int main(void) { return 0; }")
    with pytest.raises(
        cc.CompileError, match=f"^{script} makes no programs for x86-64: set CC and CXX, as in "
    ):
        cc.compile_program([source], tmp_path / "x", compiler=str(script))
    assert capfd.readouterr().err == ""


def test_importing_the_compiler_wrapper_starts_no_program() -> None:
    hook = "sys.addaudithook(lambda event, _: event == 'subprocess.Popen' and sys.exit(9))"
    code = f"import sys; {hook}; import jacinth.tools.cc"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
