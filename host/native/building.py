"""The command line that makes a shared object out of C or C++ sources that include isapy's headers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INCLUDE_FOLDER: Final = Path(__file__).resolve().parent / "include"
FLAGS: Final = ("-shared", "-fPIC", "-O2", "-g", "-Wall", "-pthread")
"""-g costs a running library nothing and gives a crash its lines; -pthread is what asynchronous extensions need."""

_CPLUSPLUS: Final = frozenset({".cc", ".cpp", ".cxx", ".C"})
_SOURCES: Final = _CPLUSPLUS | {".c"}


class CannotBuild(Exception):
    """Something is missing; the text says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Build:
    """A compiler's command, and the shared object that it makes."""

    command: list[str]
    output: Path


def plan_build(arguments: Sequence[str]) -> Build:
    """The command for `arguments`: sources, and whatever else the compiler shall get (`-lcurl`, `-DX=1`), in order.

    `-o FILE` names the output, which else is the first source's name with `.so`, in its folder. `CC` and `CXX` name
    other compilers. Raises CannotBuild when no source is given, one does not exist, or there is no compiler.
    """
    others, output = _without_output(arguments)
    sources = [Path(one) for one in others if not one.startswith("-") and Path(one).suffix in _SOURCES]
    if not sources:
        raise CannotBuild("no source is given: name a file that ends in .c, .cc, .cpp or .cxx")
    for source in sources:
        if not source.is_file():
            raise CannotBuild(f"{source} does not exist")
    target = Path(output) if output else sources[0].with_suffix(".so")
    is_cplusplus = any(source.suffix in _CPLUSPLUS for source in sources)
    compiler = _compiler(is_cplusplus=is_cplusplus)
    command = [*compiler, *FLAGS, f"-I{INCLUDE_FOLDER}", "-o", str(target), *others]
    return Build(command, target)


def _without_output(arguments: Sequence[str]) -> tuple[list[str], str]:
    """The arguments without `-o FILE` or `-oFILE`, and that file; the last one counts."""
    others, output = [], ""
    given = iter(arguments)
    for one in given:
        if one == "-o":
            output = next(given, "")
            if not output:
                raise CannotBuild("-o needs the name of a file")
        elif one.startswith("-o"):
            output = one.removeprefix("-o")
        else:
            others.append(one)
    return others, output


def _compiler(*, is_cplusplus: bool) -> list[str]:
    variable, names = ("CXX", ("c++", "g++", "clang++")) if is_cplusplus else ("CC", ("cc", "gcc", "clang"))
    chosen = os.environ.get(variable, "").split()
    if chosen:
        if shutil.which(chosen[0]) is None:
            raise CannotBuild(f"the compiler {chosen[0]}, which {variable} names, is not installed")
        return chosen
    for name in names:
        if shutil.which(name):
            return [name]
    language, package = ("C++", "g++") if is_cplusplus else ("C", "gcc")
    raise CannotBuild(
        f"there is no {language} compiler ({', '.join(names)}): apt-get install {package} libc6-dev, or set {variable}"
    )
