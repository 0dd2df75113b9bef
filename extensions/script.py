"""Python files run inside the worker: a script that a mapping leads here answers with what it prints.

    <add name="Scripts" path="*.pys" verb="*" modules="ScriptModule" resourceType="File" />

A script sees `request` (host.api.Request), `response` (`ScriptResponse`), `print()`, which goes into the response, and
`__name__ == "__main__"`. It is compiled once and again when the file changes; it runs from top to bottom for each
request, on a thread of the worker's pool, so it may block. `raise SystemExit` or `sys.exit()` ends it in order,
`raise HttpError(404)` refuses the request, any other exception is a 500.100.

Modules beside the script are imported as `python script.py` would find them, without touching `sys.path`: the script
runs with an `__import__` of its own that looks beside the script first and loads what it finds under a private name.
So two folders may each have their `db.py`, nothing of isapy or of the standard library is shadowed for anybody else,
and a module is loaded again when its file changes. Modules of a package beside the script use relative imports.
"""

from __future__ import annotations

import builtins
import contextvars
import importlib
import importlib.util
import os
import sys
import threading
import traceback
import zlib
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from host.api import ClientGone, Headers, HttpError, Request, Response, hookimpl

Stamp = tuple[int, int, int]


class ScriptResponse:
    """What a script fills in: `status`, `headers` and, by `write` or `print`, the body. Text goes out as UTF-8."""

    def __init__(self) -> None:
        self.status = 200
        self.headers = Headers([("Content-Type", "text/html; charset=utf-8")])
        self._pieces: list[bytes] = []

    def write(self, data: str | bytes) -> None:
        """Append to the body."""
        self._pieces.append(data.encode() if isinstance(data, str) else bytes(data))

    def clear(self) -> None:
        """Drop what has been written so far."""
        self._pieces.clear()

    def redirect(self, location: str, *, status: int = 302) -> None:
        """Send the client elsewhere; the script goes on (end it with `raise SystemExit`)."""
        self.status = status
        self.headers["Location"] = location

    def finished(self) -> Response:
        """The answer."""
        return Response(status=self.status, headers=self.headers, body=b"".join(self._pieces))


_current: contextvars.ContextVar[ScriptResponse] = contextvars.ContextVar("isapy_script_response")
_codes: dict[str, tuple[Stamp, CodeType]] = {}
_folders: dict[str, ScriptFolder] = {}


@hookimpl
def module_names() -> Sequence[str]:
    return ("ScriptModule",)


@hookimpl
def handle(request: Request) -> Response:
    path = request.physical_path
    code = compiled(path)
    folder = os.path.dirname(path)
    if folder not in _folders:
        _folders.setdefault(folder, ScriptFolder(folder))
    response = ScriptResponse()
    namespace = {
        "__name__": "__main__",
        "__file__": path,
        "__builtins__": _folders[folder].builtins,
        "request": request,
        "response": response,
    }
    token = _current.set(response)
    try:
        exec(code, namespace)
    except SystemExit:
        pass  # the script's way to say that it is done
    except (HttpError, ClientGone):
        raise
    except Exception as error:
        raise script_error(path, error) from error
    finally:
        _current.reset(token)
    return response.finished()


def compiled(path: str) -> CodeType:
    """The script's code, compiled when the file is new or has changed. Raises HttpError 404.0, 401.3 or 500.100."""
    try:
        stamp = stamp_of(path)
        kept = _codes.get(path)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    except PermissionError as error:
        remedy = f"Give the pool's user (uid {os.geteuid()}) read access to the file and x on every folder above it."
        raise HttpError(401, 3, f"{path}: {error.strerror}", win32_status=5, remedy=remedy) from error
    except OSError as error:
        raise HttpError(404, 0, f"{path}: {error.strerror}", win32_status=2) from error
    except (SyntaxError, ValueError) as error:  # ValueError: the source holds NUL or a wrong encoding
        raise script_error(path, error) from error
    _codes[path] = (stamp, code)
    return code


def stamp_of(path: str) -> Stamp:
    """What changes when a file is written or replaced. Raises OSError."""
    status = os.stat(path)
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def script_error(path: str, error: Exception) -> HttpError:
    """500.100 that names file, line and cause, with the traceback from the script on (for a local client)."""
    frames = traceback.extract_tb(error.__traceback__)
    first = next((number for number, frame in enumerate(frames) if frame.filename == path), len(frames))
    line = error.lineno if isinstance(error, SyntaxError) else frames[first].lineno if first < len(frames) else 0
    text = "".join(traceback.format_list(frames[first:]) + traceback.format_exception_only(error))
    detail = f"{path}, line {line or 0}: {type(error).__name__}: {error}\n\n{text}"
    return HttpError(500, 100, detail, remedy="Correct the script and ask again; it is compiled anew when it changes.")


# --- names that a script sees ------------------------------------------------------------------------------------


def script_print(
    *values: object, sep: str | None = None, end: str | None = None, file: Any = None, **more: Any
) -> None:
    """`print` whose default target is the response of the script that runs on this thread."""
    response = _current.get(None)
    if file is None and response is not None:
        text = (" " if sep is None else sep).join(str(value) for value in values)
        response.write(text + ("\n" if end is None else end))
    else:
        print(*values, sep=sep, end=end, file=file, **more)


class ScriptFolder:
    """Imports for the scripts of one folder: the modules beside them, under private names, newest version."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._prefix = f"isapy_script_{zlib.crc32(os.fsencode(folder)):08x}_"
        self._loaded: dict[str, tuple[Stamp, ModuleType]] = {}
        self._lock = threading.RLock()
        self.builtins: dict[str, Any] = {**vars(builtins), "print": script_print, "__import__": self.import_module}

    def import_module(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the language defines it, looking beside the script first."""
        top, _, rest = name.partition(".")
        path = self._path_of(top) if level == 0 and top.isidentifier() else None
        if path is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        with self._lock:
            module = self._load(top, path)
            if not rest:
                return self._with_submodules(module, fromlist)
            submodule = importlib.import_module(f"{module.__name__}.{rest}")
            return self._with_submodules(submodule, fromlist) if fromlist else module

    def _path_of(self, top: str) -> str | None:
        for path in (f"{self._folder}/{top}.py", f"{self._folder}/{top}/__init__.py"):
            if os.path.isfile(path):
                return path
        return None

    def _load(self, top: str, path: str) -> ModuleType:
        stamp = stamp_of(path)
        kept = self._loaded.get(top)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        private_name = self._prefix + top
        loader = UncachedLoader(private_name, path)
        module = importlib.util.module_from_spec(self._spec_of(private_name, path, loader))
        vars(module)["__builtins__"] = self.builtins
        self._forget(private_name)
        sys.modules[private_name] = module  # before it runs: modules may import each other in a circle
        self._loaded[top] = (stamp, module)
        try:
            loader.exec_module(module)
        except BaseException:
            del self._loaded[top]
            self._forget(private_name)
            raise
        return module

    @staticmethod
    def _spec_of(private_name: str, path: str, loader: UncachedLoader) -> ModuleSpec:
        is_package = os.path.basename(path) == "__init__.py"
        spec = importlib.util.spec_from_file_location(
            private_name,
            path,
            loader=loader,
            submodule_search_locations=[os.path.dirname(path)] if is_package else None,
        )
        assert spec is not None
        return spec

    @staticmethod
    def _forget(private_name: str) -> None:
        for known in [known for known in sys.modules if known.partition(".")[0] == private_name]:
            del sys.modules[known]

    @staticmethod
    def _with_submodules(module: ModuleType, fromlist: Sequence[str] | None) -> ModuleType:
        """`from package import name` loads a submodule of that name when the package has no such attribute."""
        if hasattr(module, "__path__"):
            for name in fromlist or ():
                full_name = f"{module.__name__}.{name}"
                if name != "*" and not hasattr(module, name) and importlib.util.find_spec(full_name) is not None:
                    importlib.import_module(full_name)
        return module


class UncachedLoader(SourceFileLoader):
    """Compiles from source each time: a .pyc beside web content would be a file to be asked for, and its check of
    whole seconds would miss a quick change."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)
