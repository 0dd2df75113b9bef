"""Compiles the hot modules: `python -m host.compiled.build`, or as a part of what pip does (`hatch_hook.py`).

Needs mypy with its compiler (`mypy[mypyc]`), a C compiler and Python's headers. Nothing is done when the sources are
those that have been compiled. The result appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from mypyc.build import mypycify
from setuptools import Distribution

from host.compiled.finder import (
    FOLDER,
    LIBRARY,
    MANIFEST,
    PROJECT,
    SUFFIX,
    changed_sources,
    checksum_of,
    read_manifest,
    source_of,
)
from host.compiled.modules import compiled_modules

# Whether everything fits together is for `make test` to say; here only what is compiled is looked at.
_MYPY_OPTIONS: Final = ("--config-file=", "--ignore-missing-imports", "--follow-imports=silent")
_MODULES: Final = compiled_modules(PROJECT)
_OPTIMISATION: Final = "1"  # as fast as 3 here, in a third of the time


class CompilationError(Exception):
    """The modules could not be compiled; the text names what is missing or what the compilers said."""


def is_current() -> bool:
    """Whether what is compiled is what the sources say."""
    manifest = read_manifest()
    return set(manifest) == set(_MODULES) and not changed_sources(manifest)


def compile_modules() -> None:
    """Compile all modules anew. Raises CompilationError."""
    checksums = {name: checksum_of(name) for name in _MODULES}
    with tempfile.TemporaryDirectory(prefix="isapy-compile-") as work, contextlib.chdir(PROJECT):
        built = _build(Path(work))
        prepared = Path(f"{FOLDER}.new")
        shutil.rmtree(prepared, ignore_errors=True)
        prepared.mkdir(parents=True)
        for name in (LIBRARY, *_MODULES):
            shutil.copy2(f"{built}/{name.replace('.', '/')}{SUFFIX}", prepared / f"{name}{SUFFIX}")
    manifest = "".join(f"{name} {checksum}\n" for name, checksum in checksums.items())
    (prepared / MANIFEST).write_text(manifest, encoding="ascii")
    shutil.rmtree(FOLDER, ignore_errors=True)
    prepared.replace(FOLDER)


def _build(work: Path) -> Path:
    """Let mypyc write C and the C compiler build it; returns the folder with the modules."""
    said = io.StringIO()
    sources = [os.path.relpath(source_of(name)) for name in _MODULES]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            extensions = mypycify(
                [*_MYPY_OPTIONS, *sources],
                opt_level=_OPTIMISATION,
                debug_level="0",
                group_name=LIBRARY.removesuffix("__mypyc"),
                target_dir=str(work / "c"),
            )
            command = Distribution({"name": "isapy", "ext_modules": extensions}).get_command_obj("build_ext")
            command.build_lib, command.build_temp = str(work / "lib"), str(work / "objects")
            command.ensure_finalized()
            command.run()
    except (Exception, SystemExit) as error:  # mypyc ends the process; setuptools has a family of exceptions
        raise CompilationError(f"{said.getvalue().strip()[-4000:]}\n{error}".strip()) from error
    return work / "lib"


def main() -> None:
    """Compile what has changed; ends with status 1 and the compilers' words if that fails."""
    if is_current():
        print("isapy's compiled modules are up to date")
        return
    print(f"compiling {len(_MODULES)} modules: about a minute ...", flush=True)
    try:
        compile_modules()
    except CompilationError as error:
        sys.exit(f"{error}\nisapy's modules were not compiled; it works without that, slower")


if __name__ == "__main__":
    main()
