"""The compiled modules: used while they are of these sources, left alone otherwise, and told of.

What they do is tested by every other test: `make test` compiles first.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import Distribution, Extension

from host.compiled.build import Build, note_of
from host.compiled.finder import SUFFIX

ROOT = Path(__file__).resolve().parents[2]
WHERE = "import host.http1.target, host.wire.codec; print(host.http1.target.__file__, host.wire.codec.__file__)"
DESCRIBE = "from host.compiled.finder import describe; print(describe())"

pytestmark = pytest.mark.slow


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of `host` with what is compiled of it."""
    shutil.copytree(ROOT / "host", tmp_path / "host", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def python(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)} | environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def files(checkout: Path, **environment: str) -> list[str]:
    """Which files two of the modules are imported from."""
    done = python(checkout, "-c", WHERE, **environment)
    assert done.returncode == 0, done.stderr
    return [os.path.relpath(file, checkout) for file in done.stdout.split()]


def test_modules_come_from_the_library_while_their_sources_are_as_they_were(checkout: Path) -> None:
    """One changed source takes all of them back: they know each other's insides. Changed back, they are used again."""
    compiled, other = files(checkout)
    assert compiled.endswith("host.http1.target" + SUFFIX), "run `make compile`, as `make test` does"
    assert other.endswith("host.wire.codec" + SUFFIX)
    assert python(checkout, "-c", DESCRIBE).stdout.endswith(" modules\n")

    source = checkout / "host" / "http1" / "target.py"
    before = source.read_text()
    source.write_text(before + "# another thought\n")
    assert files(checkout) == ["host/http1/target.py", "host/wire/codec.py"]
    assert python(checkout, "-c", DESCRIBE).stdout == "not in use: host.http1.target changed since (make compile)\n"
    source.write_text(before)
    assert files(checkout) == [compiled, other]


def test_another_mypyc_compiles_the_same_sources_again(checkout: Path) -> None:
    """Its code may have mistakes that this one has not; until then what is there is used."""
    current = "from host.compiled.build import is_current; print(is_current())"
    assert python(checkout, "-c", current).stdout == "True\n", "run `make compile`, as `make test` does"
    compiler = next((checkout / "host" / "compiled").glob(f"{SUFFIX.split('.')[1]}/compiler"))
    for other in (f"mypyc 1.0.0, {compiler.read_text().split(', ')[1]}", ""):
        compiler.write_text(other)
        assert python(checkout, "-c", current).stdout == "False\n"
    compiler.unlink()
    assert python(checkout, "-c", current).stdout == "False\n"
    assert files(checkout)[0].endswith(SUFFIX)


PARTICULAR = """\
#!/bin/sh
case " $* " in *" -fno-code-hoisting "*) echo "unknown option -fno-code-hoisting" >&2; exit 1;; esac
exec gcc "$@"
"""


def test_what_the_compiler_has_not_taken_is_not_noted(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that does not know a flag is given none of ours, which is what is noted, and the modules are current."""
    compiler, source = checkout / "particular-cc", checkout / "tiny.c"
    compiler.write_text(PARTICULAR)
    compiler.chmod(0o755)
    source.write_text("#include <Python.h>\nPyMODINIT_FUNC PyInit_tiny(void) { return NULL; }\n")
    noted = []
    for cc in ("gcc", str(compiler)):
        monkeypatch.setenv("CC", cc)
        command = Build(Distribution({"name": "tiny", "ext_modules": [Extension("tiny", [str(source)])]}))
        command.build_lib, command.build_temp = str(checkout / "lib"), str(checkout / "objects")
        command.ensure_finalized()
        command.run()
        noted.append(note_of(command.taken))
    assert "-fno-code-hoisting" in noted[0]
    assert noted[1] == note_of(())
    note = next((checkout / "host" / "compiled").glob(f"{SUFFIX.split('.')[1]}/compiler"))
    note.write_text(noted[1])
    assert python(checkout, "-c", "from host.compiled.build import is_current; print(is_current())").stdout == "True\n"


def test_isapy_works_without_them(checkout: Path) -> None:
    """Switched off, or never built."""
    assert files(checkout, ISAPY_COMPILED="off") == ["host/http1/target.py", "host/wire/codec.py"]
    assert python(checkout, "-c", DESCRIBE, ISAPY_COMPILED="off").stdout == "not in use: ISAPY_COMPILED=off\n"
    for folder in (checkout / "host" / "compiled").glob("*/"):
        shutil.rmtree(folder)
    assert files(checkout) == ["host/http1/target.py", "host/wire/codec.py"]
    assert python(checkout, "-c", DESCRIBE).stdout.startswith("none: install again with a C compiler")


def test_what_cannot_be_compiled_is_named_and_what_was_there_stays(checkout: Path) -> None:
    """An error in a source by its place; a missing C compiler by its name. Of one module, to be quick."""
    with (checkout / "host" / "compiled" / "modules.py").open("a") as modules:
        modules.write('\n\ndef compiled_modules(project: str) -> tuple[str, ...]:\n    return ("host.http1.target",)\n')
    compiled = sorted(path.name for path in (checkout / "host" / "compiled").rglob(f"*{SUFFIX}"))
    source = checkout / "host" / "http1" / "target.py"
    before = source.read_text()
    source.write_text(before + "x: int = 'not a number'\n")
    failed = python(checkout, "-m", "host.compiled.build")
    assert failed.returncode == 1
    assert f"host/http1/target.py:{len(before.splitlines()) + 1}: error: Incompatible types" in failed.stderr

    source.write_text(before + "# another thought\n")
    failed = python(checkout, "-m", "host.compiled.build", CC="/nowhere/cc")
    assert failed.returncode == 1
    assert "/nowhere/cc" in failed.stderr
    assert "it works without that, slower" in failed.stderr
    assert sorted(path.name for path in (checkout / "host" / "compiled").rglob(f"*{SUFFIX}")) == compiled
