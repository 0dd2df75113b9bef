"""What `pip install .` gives: everything is inside the wheel, and it works where no checkout is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from host.compiled.finder import SUFFIX
from tests.running_service import start_service

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd="/")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", ROOT, "--no-deps", "--no-build-isolation", "--wheel-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_the_checkout_ships(wheel: Path) -> None:
    """Every module, every shipped plugin, the whole sample, and the mark that says there are types; no cache."""
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for top in ("host", "extensions", "filters", "conf") for path in (ROOT / top).rglob("*")]
    tracked = [path.relative_to(ROOT) for path in files if path.is_file() and "__pycache__" not in path.parts]
    shipped = [str(path) if path.parts[0] == "host" else f"host/bundled/{path}" for path in tracked]
    assert len(shipped) > 150
    assert [name for name in shipped if name not in names] == []
    assert "host/py.typed" in names
    assert not wheel.name.endswith("-any.whl"), "it holds compiled modules"
    assert any(name.startswith("host/compiled/") and name.endswith(f"host.listener.relay{SUFFIX}") for name in names)
    assert [name for name in names if "__pycache__" in name or name.startswith("tests/")] == []


def test_an_installed_isapy_serves_its_samples_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    """`isapy run` in an empty folder: a page, an extension, a CGI program and a filter, all from the installation."""
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip("install", wheel, "--no-deps", "--target", installed)
    config = installed / "host" / "bundled" / "conf" / "applicationHost.config"
    environment = {"PYTHONPATH": str(installed), "HOME": os.environ.get("HOME", "/")}
    service = start_service(tmp_path, config, "run-samples", environment=environment, current_folder=elsewhere)
    try:
        page = service.get("/")
        assert (page.status, page.headers["x-isapy-trace"] != "") == (200, True)
        assert service.get("/any.hello?name=you").text == "Hello you\n"
        assert f"SCRIPT_FILENAME={config.parent}/wwwroot/cgi-bin/env.sh" in service.get("/cgi-bin/env.sh").text
    finally:
        service.stop()
    assert list(elsewhere.iterdir()) == []
