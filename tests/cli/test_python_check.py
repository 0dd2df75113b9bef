"""What `isapy check` says of Python applications before anybody asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.python_check import python_problems
from host.config.store import ServerConfiguration, read_source
from tests.python_apps.site import Application, PythonSite


def problems(folder: Path, *applications: Application, mode: str = "") -> list[str]:
    """The messages for a site of these applications."""
    config = PythonSite(folder, list(applications)).write()
    configuration = ServerConfiguration(read_source(str(config), mode), 1)
    return [f"{Path(problem.file).name}:{problem.line} {problem.message}" for problem in python_problems(configuration)]


def environment(folder: Path, version: str) -> str:
    """An attribute that names an environment of that version of Python."""
    (folder / version / "lib").mkdir(parents=True)
    (folder / version / "pyvenv.cfg").write_text(f"version = {version}\n")
    return f'virtualEnvironment="{folder / version}"'


def test_sound_applications_are_no_problem(tmp_path: Path) -> None:
    """Two of one pool without an environment."""
    assert problems(tmp_path, Application("/", "", "a.b:c"), Application("/x", "", "d:make(1)")) == []


def test_a_name_that_is_none_and_an_environment_that_does_not_fit(tmp_path: Path) -> None:
    """With the file that says so."""
    found = problems(tmp_path, Application("/", "", "a:b:c", settings=environment(tmp_path, "3.7.1")))
    assert len(found) == 2
    assert "web.config:1 Python: 'b:c' behind the colon" in found[0]
    assert "is one of Python 3.7, but isapy runs on Python" in found[1]


@pytest.mark.parametrize(
    ("mode", "pools", "isolation", "expected"),
    [
        ("WorkerProcess", ("A", "A"), "High", 1),
        ("WorkerProcess", ("A", "B"), "Medium", 0),
        ("IIS5", ("A", "B"), "Medium", 1),
        ("IIS5", ("A", "B"), "Low", 1),
        ("IIS5", ("A", "A"), "High", 0),
    ],
)
def test_applications_that_share_a_process_need_the_same_environment(
    tmp_path: Path, mode: str, pools: tuple[str, str], isolation: str, expected: int
) -> None:
    """Which ones share is the process model's answer."""
    found = problems(
        tmp_path,
        Application("/", "", "a:b", pool=pools[0], isolation=isolation),
        Application(
            "/x", "", "c:d", pool=pools[1], isolation=isolation, settings=f'virtualEnvironment="{tmp_path / "none"}"'
        ),
        mode=mode,
    )
    assert len([text for text in found if "with different virtual environments" in text]) == expected, found
