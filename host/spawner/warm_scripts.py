"""What a warm Python knows of scripts and of its own library; a part of `warm_python.py`, and as old a Python's."""

from __future__ import annotations

import ast
import contextlib
import os
import sys
import time
from importlib.machinery import SourceFileLoader
from types import CodeType

from host.spawner.warm_modules import KEPT, is_library, recorded_warnings

_CODES_KEPT = 500
_MOST_FILES = 100
_FRESH_SECONDS = 0.1  # a file that has just been written may be written again within the clock's tick
_LIBRARY_SECONDS = 1.0
_LIBRARY = os.path.dirname(os.__file__)
_TIME_ZONE = "/etc/localtime"
_OUR_FOLDER = os.path.dirname(__file__) + "/"

# Modules that define things and do nothing else when they are imported: no environment is read, nothing is opened,
# no thread or process is started, nothing is registered that a later fork would have twice.
_PRELOADED = frozenset(
    """abc argparse array ast base64 bdb binascii bisect bz2 calendar cgi cgitb cmath codecs collections colorsys
    configparser contextlib contextvars copy copyreg csv dataclasses datetime decimal difflib dis email encodings enum
    errno fcntl filecmp fnmatch fractions ftplib functools genericpath getopt getpass gettext glob graphlib gzip
    hashlib heapq hmac html http imghdr importlib inspect io itertools json keyword linecache locale logging lzma math
    mimetypes numbers opcode operator os pathlib pickle pkgutil platform plistlib posixpath pprint pwd grp queue quopri
    random re reprlib resource sched secrets select selectors shelve shlex shutil signal smtplib socket sqlite3 ssl
    stat statistics string stringprep struct subprocess sys sysconfig tarfile tempfile textwrap threading time
    token tokenize traceback types typing unicodedata urllib uuid warnings weakref wsgiref xml xmlrpc zipfile zlib
    zoneinfo""".split()
)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _is_settled(stamp: tuple[int, int, int]) -> bool:
    return stamp[0] < (time.time() - _FRESH_SECONDS) * 1e9


class Script:
    """A script as it was read: its code, or its source when compiling it says something."""

    def __init__(self, path: bytes) -> None:
        self.name = os.fsdecode(path)
        self.files: dict[str, tuple[int, int, int] | None] = {}
        self.touches_imports = False
        self.modules: set[str] = set()
        self.loader = SourceFileLoader("__main__", self.name)
        self._has_links = os.path.realpath(self.name) != self.name
        self.files[self.name] = _stamp(self.name)
        with open(path, "rb") as file:
            self.source = file.read()
        with recorded_warnings() as told:
            self.code: CodeType | None = None
            self.is_broken = True
            with contextlib.suppress(Exception):
                self.code = compile(self.source, self.name, "exec", dont_inherit=True)
                self.is_broken = False
            if told:
                self.code = None
            self._look_for_imports(self.source, [self.folder(), *_own_folders()])

    def folder(self) -> str:
        """Where it lies, which is the first place of sys.path."""
        if self._has_links:
            return os.path.dirname(os.path.realpath(self.name))
        return os.path.dirname(self.name)

    def has_changed(self) -> bool:
        """Whether one of its files has, or might have within the clock's tick."""
        return any(
            found is None or found != _stamp(path) or not _is_settled(found) for path, found in self.files.items()
        )

    def _look_for_imports(self, source: bytes, folders: list[str]) -> None:
        """Note the modules of the standard library that `source`, and modules of the user that it names, import."""
        try:
            tree = ast.parse(source)
        except Exception:
            return
        names: set[str] = set()
        of_sys = {"sys"}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
                of_sys.update(alias.asname for alias in node.names if alias.name == "sys" and alias.asname)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
                names.update(node.module + "." + alias.name for alias in node.names)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                is_of_sys = isinstance(node.value, ast.Name) and node.value.id in of_sys
                if node.attr in ("addsitedir", "addsitepackages") or (
                    is_of_sys and node.attr in ("path", "modules", "meta_path", "path_hooks", "path_importer_cache")
                ):
                    self.touches_imports = True
        if any(name.startswith("sys.") for name in names):  # from sys import path
            self.touches_imports = True
        for name in names:
            if name.partition(".")[0] in _PRELOADED:
                self.modules.add(name)
            else:
                self._look_into(name.partition(".")[0], folders)

    def _look_into(self, name: str, folders: list[str]) -> None:
        for folder in folders:
            for path in (folder + "/" + name + ".py", folder + "/" + name + "/__init__.py"):
                stamp = _stamp(path)
                if stamp is not None and path not in self.files and len(self.files) < _MOST_FILES:
                    self.files[path] = stamp
                    with contextlib.suppress(OSError), open(path, "rb") as file:
                        self._look_for_imports(file.read(), folders)
                    return


def _own_folders() -> list[str]:
    return [path for path in sys.path if not is_library(path)]


class Watch:
    """Which files the interpreter's state was made of, and what lies in folders that are searched before them."""

    def __init__(self, bare: frozenset[str]) -> None:
        self._bare = bare
        places = [sys.executable, os.__file__, os.path.join(os.path.dirname(sys.executable), "..", "pyvenv.cfg")]
        places += [path for path in sys.path if path.endswith("-packages")]
        places += [path for path in self._loaded() if not is_library(path)]
        self._places = {path: _stamp(path) for path in [*places, _TIME_ZONE]}
        self._library: dict[str, tuple[int, int, int] | None] = {}
        self._looked_at = 0.0
        self._names: frozenset[str] = frozenset()  # of what is loaded of the library
        self._folders: dict[str, tuple[tuple[int, int, int], frozenset[str], bool]] = {}
        first = next((place for place, path in enumerate(sys.path) if path == _LIBRARY), len(sys.path))
        self._searched_first = [path for path in sys.path[:first] if not path.endswith(".zip")]

    @staticmethod
    def _loaded() -> list[str]:
        files = [getattr(module, "__file__", None) for module in [*sys.modules.values(), *KEPT]]
        return [path for path in files if path and not path.startswith(_OUR_FOLDER)]

    def note_library(self) -> None:
        """Modules of the standard library have been loaded."""
        for path in self._loaded():
            self._library.setdefault(path, _stamp(path))
        names = {name for name in sys.modules if name not in self._bare}.union(module.__name__ for module in KEPT)
        self._names = frozenset(name.partition(".")[0] for name in names)

    def has_changed(self) -> bool:
        """Whether this process is no longer what a new one would be."""
        if any(_stamp(path) != found for path, found in self._places.items()):
            return True
        now = time.monotonic()
        if now - self._looked_at < _LIBRARY_SECONDS:
            return False
        self._looked_at = now
        return any(_stamp(path) != found for path, found in self._library.items())

    def is_shadowed(self, folder: str) -> bool:
        """Whether a file in `folder`, or in one of PYTHONPATH, would be imported instead of what is loaded."""
        return any(self._shadows(path) for path in [folder, *self._searched_first])

    def _shadows(self, folder: str) -> bool:
        stamp = _stamp(folder)
        known = self._folders.get(folder)
        if stamp is None:
            return False
        if known is not None and known[0] == stamp and known[1] is self._names and _is_settled(stamp):
            return known[2]
        try:
            is_shadowing = any(name.partition(".")[0] in self._names for name in os.listdir(folder))
        except OSError:
            is_shadowing = False
        if len(self._folders) >= _CODES_KEPT:
            self._folders.clear()
        self._folders[folder] = (stamp, self._names, is_shadowing)
        return is_shadowing
