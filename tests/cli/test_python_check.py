"""What `isapy check` says of Python applications before anybody asks for them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.cli.python_check import python_problems
from host.config.store import ServerConfiguration, read_source
from tests.python_apps.site import Application, PythonSite


def problems(folder: Path, *applications: Application, mode: str = "") -> list[str]:
    """The messages for a site of these applications, whose folders have the modules a to d, and b inside a."""
    site = PythonSite(folder, list(applications))
    config = site.write()
    for application in applications:
        for name in ("a/__init__.py", "a/b.py", "c.py", "d.py"):
            file = site.folder_of(application.path) / name
            file.parent.mkdir(exist_ok=True)
            file.write_text("raise SystemExit('a check runs no code')\nb = c = make = 1\n")
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


@pytest.mark.parametrize("processor", ["gone:x", "a.gone:x", "c.gone:x", "a.b.gone"])
def test_a_module_that_is_not_there_is_named_with_the_places(tmp_path: Path, processor: str) -> None:
    """At the line of that mapping, not of the first one; what is installed for isapy counts as there."""
    further = '<add name="Other" path="o/*" verb="*" modules="WsgiModule" scriptProcessor="json.tool:main" />\n'
    found = problems(tmp_path, Application("/", "", processor, further_handlers=further))
    module = processor.partition(":")[0]
    assert len(found) == 1, found
    assert f"web.config:2 Python: there is no module {module} in {tmp_path / 'root'}, nor in " in found[0]


def test_a_module_of_the_environment_is_there(tmp_path: Path) -> None:
    """As is everything that a .pth file of it may bring; the rest is not."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    settings = environment(tmp_path, version)
    packages = tmp_path / version / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "of_environment.py").touch()
    assert problems(tmp_path, Application("/", "", "of_environment:x", settings=settings)) == []
    assert "nor in the virtual environment" in problems(tmp_path, Application("/", "", "gone:x", settings=settings))[0]
    (packages / "editable.pth").write_text("/somewhere\n")
    assert problems(tmp_path, Application("/", "", "gone:x", settings=settings)) == []


def test_a_working_directory_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """However many applications inherit it; the module is not looked for in it."""
    site = PythonSite(tmp_path, [Application("/", "", "a:b"), Application("/x", "", "a:b")])
    text = site.write().read_text()
    for one in site.applications:
        (site.folder_of(one.path) / "web.config").unlink()
    inherited = (
        f'<system.webServer><pythonApplication workingDirectory="{tmp_path / "gone"}" />'
        '<handlers><add name="P" path="*" verb="*" modules="WsgiModule" scriptProcessor="gone:x" /></handlers>'
        "</system.webServer></configuration>"
    )
    (tmp_path / "conf/applicationHost.config").write_text(text.replace("</configuration>", inherited))
    configuration = ServerConfiguration(read_source(str(tmp_path / "conf/applicationHost.config")), 1)
    assert [problem.message for problem in python_problems(configuration)] == [
        f"the working directory {tmp_path / 'gone'} does not exist"
    ]


def test_a_callable_that_its_module_cannot_have_is_named(tmp_path: Path) -> None:
    """Read from the text: a module that may make names in other ways is believed, one that is no Python is not."""
    found = problems(tmp_path, Application("/", "", "c:application"), Application("/x", "", "d:b.other"))
    assert len(found) == 1
    assert f"Python: {tmp_path}/root/c.py has no name application" in found[0]
    for text, word in (
        ("from x import *", ""),
        ("from x import y as application", ""),
        ("import import", "e.py:1 is no Python"),
    ):
        (PythonSite(tmp_path, []).folder_of("/") / "e.py").write_text(f"{text}\n")
        told = problems(tmp_path, Application("/", "", "e:application"))
        assert [word in one for one in told] == ([True] if word else [])
