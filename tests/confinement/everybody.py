"""What every user of the machine can read: folders for sites, and a Python. A pool of another user needs both, and a
test that runs as root in a container has neither: pytest's folders are root's alone, and so may be the interpreter."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import host

CHECKOUT = Path(host.__file__).resolve().parents[1]
_NOT_NEEDED = shutil.ignore_patterns("test", "tests", "idlelib", "tkinter", "ensurepip", "site-packages")


@dataclass(frozen=True)
class Interpreter:
    """An interpreter that everybody may run, and the variables it needs to find isapy and its libraries."""

    python: str
    environment: dict[str, str]
    checkout: Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody may read, gone afterwards. What is made in it is readable for all, too."""
    folder = Path(tempfile.mkdtemp(prefix="isapy-test-", dir="/tmp"))
    old = os.umask(0o022)
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        os.umask(old)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_interpreter() -> Iterator[Interpreter]:
    """This interpreter if everybody can read it; otherwise a copy of it and of what isapy needs, gone afterwards."""
    needed = [sys.base_prefix, sys.prefix, os.path.realpath(sys.executable), str(CHECKOUT)]
    if all(is_open(path) for path in needed):
        yield Interpreter(sys.executable, {}, CHECKOUT)
        return
    with open_folder() as folder:
        yield _copied(folder)


def _copied(folder: Path) -> Interpreter:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    library = folder / "lib" / version
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=_NOT_NEEDED, symlinks=True)
    python = folder / "bin" / version
    python.parent.mkdir()
    shutil.copy(os.path.realpath(sys.executable), python)
    for name in (sysconfig.get_config_var("INSTSONAME"), sysconfig.get_config_var("LDLIBRARY")):
        shared = Path(sysconfig.get_config_var("LIBDIR") or "/", name or "")
        if name and ".so" in name and shared.is_file():
            shutil.copy(shared, folder / "lib")
    packages, checkout = sysconfig.get_path("purelib"), CHECKOUT
    if not is_open(packages):
        shutil.copytree(packages, folder / "packages", symlinks=True)
        packages = str(folder / "packages")
    if not is_open(str(CHECKOUT)):
        checkout = folder / "checkout"
        for name in ("host", "extensions", "filters", "conf"):
            shutil.copytree(CHECKOUT / name, checkout / name)
    environment = {
        "PYTHONHOME": str(folder),
        "PYTHONPATH": os.pathsep.join([str(checkout), packages]),
        "LD_LIBRARY_PATH": str(folder / "lib"),
    }
    return Interpreter(str(python), environment, checkout)


@functools.cache
def is_open(path: str) -> bool:
    """Whether everybody may read it and pass through all folders above it."""
    current = Path(os.path.realpath(path))
    mode = current.stat().st_mode
    if not mode & stat.S_IROTH:
        return False
    folders = [current, *current.parents] if current.is_dir() else list(current.parents)
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in folders)
