"""Finds plugin files and runs them under private names.

A drop-in is never imported through `sys.path`: a file named `asp.py` or `ssl.py` shadows nothing, and the code that
runs is what the file says now (no byte code is read or written beside it).
"""

from __future__ import annotations

import importlib.machinery
import os
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

from host.api import HandlerMapping
from host.worker.declarations import read_ahead
from host.worker.hooks import marked_names

EXTENSION_PREFIX: Final = "host_extensions"
FILTER_PREFIX: Final = "host_filters"
_DECLARED: Final = re.compile(r"HandlerMapping\(((?:[^()]|\([^()]*\))*)\)")
_LITERAL: Final = re.compile(r"\b(name|path|verbs)\s*=\s*(['\"])(.*?)\2")

_HOST: Final = Path(__file__).parent.parent
_COMPILED: Final = f"{_HOST.name}/"  # frames of compiled modules name their files by the way from the project's root
_OWN: Final = (str(_HOST / "worker"), str(_HOST / "python_apps"), _COMPILED)
"""Where code lies that is never to blame for what a plugin raises."""
_WHOLE_HOST: Final = (f"{_HOST}{os.sep}", _COMPILED)
"""What a plugin calls to be refused: who raises there was called wrongly. Only without a plugin's frame it is ours."""
_BESIDE_HOST: Final = f"{_HOST.parent / 'extensions'}{os.sep}"
"""Where isapy's own extensions lie in a checkout."""

_preloaded: Final[dict[tuple[str, str], tuple[CodeType, ModuleType]]] = {}
"""What the pool's parent has imported before the fork, by path and prefix, and the code that was run."""


def preload_plugin_file(path: str, prefix: str, code_of: Callable[[str], CodeType], *, is_own: bool) -> None:
    """As `load_plugin_file`, in a process that forks: its children find the module loaded, unless the file changes; of
    one that came with isapy also what it declares."""
    code = code_of(path)
    known = _preloaded.get((path, prefix))
    if known is None or known[0] is not code:
        module = load_plugin_file(path, prefix, lambda _path: code)
        if is_own:
            read_ahead(module, Path(path).stem)
        else:
            marked_names(module)  # finds them once for all
        _preloaded[path, prefix] = code, module


@contextmanager
def keep_preloaded() -> Iterator[None]:
    """Whoever loads plugins meanwhile finds what was imported, and leaves it here for the next."""
    kept = dict(_preloaded)
    try:
        yield
    finally:
        _preloaded.clear()
        _preloaded.update(kept)


def forget_preloaded(folders: Collection[str], wanted: Collection[tuple[str, str]]) -> None:
    """What was imported before the fork from these folders, and is not among the `wanted` (path, prefix), was imported
    for others."""
    for place in [place for place in _preloaded if os.path.dirname(place[0]) in folders and place not in wanted]:
        _, module = _preloaded.pop(place)
        sys.modules.pop(module.__name__, None)


def load_plugin_file(path: str, prefix: str, code_of: Callable[[str], CodeType]) -> ModuleType:
    """Run the file as the module `<prefix>.<stem>`; `code_of` compiles it. Whatever its code raises is raised; nothing
    of it stays then."""
    code = code_of(path)
    before = _preloaded.pop((path, prefix), None)
    if before is not None and before[0] is code:
        return before[1]
    if prefix not in sys.modules:
        parent = ModuleType(prefix, "Plugin files, loaded by isapy under private names.")
        parent.__path__ = []  # a package in which nothing can be found
        sys.modules[prefix] = parent
    name = f"{prefix}.{os.path.splitext(os.path.basename(path))[0]}"
    loader = importlib.machinery.SourceFileLoader(name, path)
    module = ModuleType(name)
    module.__file__ = path
    module.__loader__ = loader
    module.__spec__ = importlib.machinery.ModuleSpec(name, loader, origin=path)
    module.__package__ = prefix
    sys.modules[name] = module  # dataclasses and pickle look there
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def declared_mappings(path: str) -> list[HandlerMapping]:
    """What a file that could not be run seems to bring, read from its text: those URLs answer 500.21 instead of
    falling to another handler."""
    try:
        source = Path(path).read_text(errors="replace")
    except OSError:
        return []
    mappings = []
    for call in _DECLARED.finditer(source):
        literals = {name: value for name, _, value in _LITERAL.findall(call[1])}
        if literals.get("path"):
            name = literals.get("name") or Path(path).stem
            mappings.append(HandlerMapping(name=name, path=literals["path"], verbs=literals.get("verbs") or "*"))
    return mappings


def where(error: BaseException) -> str:
    """`file:line` of the last frame of `error` that is a plugin's, or code's that it runs; for a SyntaxError the place
    it names. Empty when isapy alone was there: a plugin, or the culprit that the error names, has given back what it
    may not."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    for innocent in ((*_WHOLE_HOST, _BESIDE_HOST),) if culprit_of(error) else (_WHOLE_HOST, _OWN):
        for frame in reversed(frames):
            if not frame.filename.startswith((*innocent, "<")):
                return f"{frame.filename}:{frame.lineno}"
    return ""


def culprit_of(thing: object) -> str:
    """What an error, or a response's body, says of itself whose code it is about, when that is not the plugin that
    raised or returned it: `shop:app`."""
    return str(getattr(thing, "culprit", ""))


def traceback_text(error: BaseException) -> str:
    """The traceback as Python prints it, without the frames of isapy before the plugin's."""
    trace, has_met_own = error.__traceback__, False
    while trace is not None and trace.tb_next is not None:
        is_own = trace.tb_frame.f_code.co_filename.startswith(_OWN)
        if has_met_own and not is_own:
            break
        has_met_own = has_met_own or is_own
        trace = trace.tb_next
    if not has_met_own:
        trace = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
