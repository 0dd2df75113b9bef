"""`import cgi` for scripts whose Python has it no more."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from host.programs.legacy_cgi import LegacyCgi
from host.worker.script_launcher import ScriptLauncher
from tests.extensions.cgi_rig import CgiRig
from tests.spawner.spawner_process import SpawnerProcess

Result = TypeVar("Result")

WITHOUT_CGI = """#!/bin/sh
# A Python whose library has no module cgi: it says so when asked, and runs everything else.
echo asked >> "{log}"
case "$2$3" in *find_spec*) exec {python} -I -c 'raise SystemExit(3)' ;; esac
exec {python} "$@"
"""


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    process = SpawnerProcess()
    yield process
    process.close()


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "python3.99"
    program.write_text(WITHOUT_CGI.format(log=tmp_path / "asked", python=sys.executable))
    program.chmod(0o755)
    return program


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """legacy-cgi as pip installs it, found first whatever else is installed."""
    folder = tmp_path / "site-packages"
    facts = folder / "legacy_cgi-99.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: legacy-cgi\nVersion: 99.0\n")
    (facts / "RECORD").write_text("cgi.py,,\ncgitb.py,,\nlegacy_cgi-99.0.dist-info/METADATA,,\nother/cgi.py,,\n")
    for name in ("cgi", "cgitb"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        (folder / f"{name}.py").write_bytes(Path(spec.origin).read_bytes())
    (folder / "requests.py").write_text("raise ImportError('of isapy, not of the script')\n")
    monkeypatch.syspath_prepend(folder)


def run(
    spawner: SpawnerProcess, work: Callable[[LegacyCgi, list[str]], Awaitable[Result]], path: Path | None = None
) -> Result:
    async def main() -> Result:
        launcher = ScriptLauncher(asyncio.get_running_loop(), spawner.connect())
        warnings: list[str] = []
        environment = {b"PATH": os.fsencode(path) if path is not None else os.environb[b"PATH"]}
        legacy_cgi = LegacyCgi(launcher, environment, warnings.append)
        try:
            return await work(legacy_cgi, warnings)
        finally:
            legacy_cgi.close()
            launcher.close()

    return asyncio.run(main())


def test_python_without_cgi_gets_a_folder_with_the_two_modules_only(
    spawner: SpawnerProcess, bare_python: Path, distribution: None
) -> None:
    """Nothing else of the environment that isapy runs in; gone when the worker ends."""

    async def work(legacy_cgi: LegacyCgi, warnings: list[str]) -> Path:
        folder = Path(os.fsdecode(await legacy_cgi.folder_for(bytes(bare_python))))
        assert sorted(file.name for file in folder.iterdir()) == ["cgi.py", "cgitb.py"]
        assert folder.stat().st_mode & 0o777 == 0o755
        assert await legacy_cgi.folder_for(b"python3.99") == bytes(folder)
        assert warnings == []
        return folder

    folder = run(spawner, work, bare_python.parent)
    assert not folder.exists()


def test_each_interpreter_is_asked_once(spawner: SpawnerProcess, bare_python: Path, distribution: None) -> None:
    """Also when many requests ask at the same time, and when the first of them is cancelled."""

    async def work(legacy_cgi: LegacyCgi, warnings: list[str]) -> None:
        first = asyncio.ensure_future(legacy_cgi.folder_for(bytes(bare_python)))
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(*(legacy_cgi.folder_for(bytes(bare_python)) for _ in range(5)))
        assert len(set(found)) == 1

    run(spawner, work)
    assert (bare_python.parents[1] / "asked").read_text() == "asked\n"


def test_python_with_cgi_gets_nothing(spawner: SpawnerProcess) -> None:
    """Its own module, or the one installed for it, must not be shadowed (the Python of these tests has one)."""

    async def work(legacy_cgi: LegacyCgi, warnings: list[str]) -> None:
        assert await legacy_cgi.folder_for(os.fsencode(sys.executable)) == b""

    run(spawner, work)


@pytest.mark.parametrize("interpreter", [b"/usr/bin/perl", b"/usr/bin/python2", b"python3.98", b"/nowhere/python3"])
def test_what_is_no_python_3_is_not_asked(spawner: SpawnerProcess, interpreter: bytes) -> None:
    """Other languages, Python 2, and interpreters that are not there."""

    async def work(legacy_cgi: LegacyCgi, warnings: list[str]) -> None:
        assert await legacy_cgi.folder_for(interpreter) == b""

    run(spawner, work)


def test_interpreter_that_does_not_start_is_left_to_the_script(spawner: SpawnerProcess, tmp_path: Path) -> None:
    """The script's own start says why."""
    program = tmp_path / "python3"
    program.write_text("no program")
    program.chmod(0o755)

    async def work(legacy_cgi: LegacyCgi, warnings: list[str]) -> None:
        assert await legacy_cgi.folder_for(bytes(program)) == b""

    run(spawner, work)


def test_script_imports_the_module(
    spawner: SpawnerProcess, bare_python: Path, distribution: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through a request: the script's `cgi` is the one of the private folder, and only Python scripts get it."""
    monkeypatch.setenv("PATH", f"{bare_python.parent}:/usr/bin:/bin")
    rig = CgiRig(tmp_path, spawner)
    rig.pool_environment = {"PYTHONPATH": "/own"}
    text = "import cgi, sys\nprint('Content-Type: text/plain\\n')\nprint(cgi.__file__, '/own' in sys.path)\n"
    script = rig.write("x.py", "#!/usr/bin/env python3.99\n" + text)
    answer = rig.get(script)
    assert b"isapy-legacy-cgi-" in answer.body
    assert answer.body.endswith(b"/cgi.py True\n")
    assert rig.get(script, processor=str(bare_python)).body.endswith(b"/cgi.py True\n")
    assert b"legacy-cgi" not in rig.get("environment.sh").body
