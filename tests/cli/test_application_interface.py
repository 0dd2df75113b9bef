"""WSGI or ASGI is found out in a process of its own, and what goes wrong there is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.cli.application_interface import find_interface
from host.cli.application_site import Place
from host.cli.failures import CommandLineError
from host.python_apps.interface import Interface

pytestmark = pytest.mark.slow

_MODULE = """\
import os, sys, threading
print("the module says something")
os.makedirs("imported", exist_ok=True)
threading.Thread(target=threading.Event().wait).start()
def create(kind):
    async def asgi(scope, receive, send): ...
    def wsgi(environ, start_response): ...
    def unclear(*arguments): ...
    return {"asgi": asgi, "wsgi": wsgi, "unclear": unclear, "none": 7}[kind]
def leave():
    os._exit(3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(_MODULE)
    return tmp_path


@pytest.mark.parametrize(("kind", "interface"), [("asgi", Interface.ASGI), ("wsgi", Interface.WSGI)])
def test_the_signature_says_it(folder: Path, kind: str, interface: Interface) -> None:
    """Of what a factory gives; what the module prints and the threads it starts do not matter, nothing stays behind."""
    assert find_interface(f"shop:create('{kind}')", Place(folder), [sys.executable]) is interface
    assert (folder / "imported").is_dir()
    assert "shop" not in sys.modules


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("shop:create('unclear')", "does not say whether it is a WSGI or an ASGI application"),
        ("shop:create('none')", "is a int, not a callable"),
        ("shop:create('other')", "raised KeyError"),
        ("shop:missing", "has no missing"),
        ("shop:leave()", "ended the process with 3"),
        ("nowhere:app", "there is no module nowhere"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_starts(folder: Path, name: str, problem: str) -> None:
    """With what to do about it, in the words of the command line: there is no configuration to correct."""
    with pytest.raises(CommandLineError, match=problem.replace("(", r"\(")) as refused:
        find_interface(name, Place(folder), [sys.executable])
    assert "scriptProcessor" not in f"{refused.value} {refused.value.remedies}"


def test_packages_come_from_the_virtual_environment(folder: Path, tmp_path: Path) -> None:
    """That is named; without it, what is missing is told with both remedies, in the words of the command line."""
    packages = tmp_path / "venv" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("")
    (packages / "cartlib.py").write_text("")
    (folder / "cart.py").write_text("import cartlib\nasync def app(scope, receive, send): ...\n")
    assert find_interface("cart:app", Place(folder, str(tmp_path / "venv")), [sys.executable]) is Interface.ASGI
    with pytest.raises(CommandLineError, match="No module named 'cartlib'") as refused:
        find_interface("cart:app", Place(folder), [sys.executable])
    assert "name the virtual environment that has it (--venv)" in refused.value.remedies[-1]
    assert f"{sys.executable} -m pip install cartlib" in refused.value.remedies[-1]
    (folder / "cart.py").write_text("import stocklib\n")
    with pytest.raises(CommandLineError, match="No module named 'stocklib'") as refused:
        find_interface("cart:app", Place(folder, str(tmp_path / "venv")), [sys.executable])
    assert f"{tmp_path}/venv/bin/python -m pip install stocklib" in refused.value.remedies[-1]
