"""What of the package is C: built where a compiler is, left out where none is. Everything else says `pyproject.toml`.

A file `_name.c` of the machine's engines is an extension module of that name; assembly (`*.S`) in its folder is linked into it.
"""

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent


def extensions() -> list[Extension]:
    found = []
    for source in sorted(ROOT.glob("jacinth/machine/*/_*.c")):
        path = source.relative_to(ROOT)
        assembly = sorted(str(file.relative_to(ROOT)) for file in source.parent.glob("*.S"))
        headers = sorted(str(file.relative_to(ROOT)) for file in source.parent.glob("*.h"))
        found.append(
            Extension(
                ".".join(path.with_suffix("").parts),
                [str(path), *assembly],
                depends=[*assembly, *headers],
                extra_compile_args=["-O2", "-Wall", "-Wextra", "-Wno-unused-parameter"],
                optional=True,
            )
        )
    return found


class BuildWithAssembly(build_ext):
    def build_extensions(self) -> None:
        self.compiler.src_extensions.append(".S")
        super().build_extensions()


setup(ext_modules=extensions(), cmdclass={"build_ext": BuildWithAssembly})
