"""Compiles the hot modules: `python -m host.compiled.build`, or as a part of what pip does (`hatch_hook.py`).

Needs mypy with its compiler (`mypy[mypyc]`), a C compiler and Python's headers. Nothing is done when the sources are
those that have been compiled, by the mypyc that is installed. The result appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Final

from mypy.version import __version__ as _mypyc_version
from mypyc.build import mypycify
from setuptools import Distribution, Extension
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

from host.compiled.finder import (
    FOLDER,
    LIBRARY,
    MANIFEST,
    PROJECT,
    SUFFIX,
    WRITTEN_IN_C,
    changed_sources,
    checksum_of,
    read_manifest,
    source_of,
)
from host.compiled.modules import compiled_modules

# Whether everything fits together is for `make test` to say; here only what is compiled is looked at.
_MYPY_OPTIONS: Final = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")
_MODULES: Final = compiled_modules(PROJECT)
_ALL: Final = (*_MODULES, *WRITTEN_IN_C)
_OPTIMISATION: Final = "1"  # where the compiler does not know all of what follows
_FLAGS: Final = (
    "-O2",  # as fast as 3 here, in half of the time
    "-fno-gcse",  # this one and the next four take a fifth of the time, and give nothing
    "-fno-tree-pre",
    "-fno-tree-vrp",
    "-fno-tree-vectorize",
    "-fno-code-hoisting",
    "-fvisibility=hidden",  # calls between the modules go straight, and nothing is looked up when they are loaded
    "-Wno-error",  # what a later compiler thinks of generated code must not keep anybody from installing
)
_COMPILER: Final = "compiler"  # beside the manifest: what has compiled. Whoever imports the modules need not know


class CompilationError(Exception):
    """The modules could not be compiled; the text names what is missing or what the compilers said."""


def is_current() -> bool:
    """Whether what is compiled is what the sources say, and what this mypyc makes of them."""
    manifest = read_manifest()
    if set(manifest) != set(_ALL) or changed_sources(manifest):
        return False
    return _compiled_with() in (note_of(_FLAGS), note_of(()))  # the latter by a compiler that does not know them


def note_of(flags: Sequence[str]) -> str:
    """What is noted of a compilation with these flags beside setuptools' own."""
    return f"mypyc {_mypyc_version}, {' '.join(flags)}\n"


def _compiled_with() -> str:
    try:
        return (Path(FOLDER) / _COMPILER).read_text(encoding="ascii")
    except OSError:
        return ""


def compile_modules() -> None:
    """Compile all modules anew. Raises CompilationError."""
    checksums = {name: checksum_of(name) for name in _ALL}
    with tempfile.TemporaryDirectory(prefix="isapy-compile-") as work, contextlib.chdir(PROJECT):
        built, flags = _build(Path(work))
        prepared = Path(f"{FOLDER}.new")
        shutil.rmtree(prepared, ignore_errors=True)
        prepared.mkdir(parents=True)
        for name in (LIBRARY, *_ALL):
            shutil.copy2(f"{built}/{name.replace('.', '/')}{SUFFIX}", prepared / f"{name}{SUFFIX}")
    manifest = "".join(f"{name} {checksum}\n" for name, checksum in checksums.items())
    (prepared / MANIFEST).write_text(manifest, encoding="ascii")
    (prepared / _COMPILER).write_text(note_of(flags), encoding="ascii")
    shutil.rmtree(FOLDER, ignore_errors=True)
    prepared.replace(FOLDER)


class Build(build_ext):
    """Compiles as many files at once as there are processors. `taken` are those of our flags that the compiler has
    been given: all, or none where it does not know one of them."""

    taken: tuple[str, ...] = ()

    def build_extensions(self) -> None:
        self.taken = _FLAGS if self._takes(_FLAGS) else ()
        for ext in self.extensions:
            ext.extra_compile_args = [*ext.extra_compile_args, *self.taken]
        super().build_extensions()

    def _takes(self, flags: Sequence[str]) -> bool:
        """Whether the compiler knows all of them."""
        probe = Path(self.build_temp, "probe.c")
        probe.parent.mkdir(parents=True, exist_ok=True)
        probe.write_text("int isapy_probe(void) { return 0; }\n", encoding="ascii")
        try:
            self.compiler.compile([str(probe)], output_dir=self.build_temp, extra_postargs=[*flags])
        except CompileError:
            return False
        return True

    def build_extension(self, ext: Extension) -> None:
        def compiled(source: str) -> list[str]:
            objects: list[str] = self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=ext.include_dirs,
                extra_postargs=ext.extra_compile_args,
            )
            return objects

        with ThreadPoolExecutor(os.cpu_count()) as threads:
            largest_first = sorted(ext.sources, key=os.path.getsize, reverse=True)
            everything = [*chain.from_iterable(threads.map(compiled, largest_first))]
        self.compiler.link_shared_object(everything, self.get_ext_fullpath(ext.name), build_temp=self.build_temp)


def _build(work: Path) -> tuple[Path, tuple[str, ...]]:
    """Let mypyc write C and the C compiler build it; returns the folder of the modules, and our flags that it took."""
    said = io.StringIO()
    sources = [os.path.relpath(source_of(name)) for name in _MODULES]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            extensions = mypycify(
                [*_MYPY_OPTIONS, *sources],
                opt_level=_OPTIMISATION,
                debug_level="0",
                multi_file=True,  # one large file takes twice as long
                group_name=LIBRARY.removesuffix("__mypyc"),
                target_dir=str(work / "c"),
            )
            extensions += [Extension(name, [os.path.relpath(source_of(name))]) for name in WRITTEN_IN_C]
            command = Build(Distribution({"name": "isapy", "ext_modules": extensions}))
            command.build_lib, command.build_temp = str(work / "lib"), str(work / "objects")
            command.ensure_finalized()
            command.run()
    except (Exception, SystemExit) as error:  # mypyc ends the process; setuptools has a family of exceptions
        raise CompilationError(f"{said.getvalue().strip()[-4000:]}\n{error}".strip()) from error
    return work / "lib", command.taken


def main() -> None:
    """Compile what has changed; ends with status 1 and the compilers' words if that fails."""
    if is_current():
        print("isapy's compiled modules are up to date")
        return
    print(f"compiling {len(_ALL)} modules: a minute or two ...", flush=True)
    try:
        compile_modules()
    except CompilationError as error:
        sys.exit(f"{error}\nisapy's modules were not compiled; it works without that, slower")


if __name__ == "__main__":
    main()
