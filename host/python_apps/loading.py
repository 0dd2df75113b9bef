"""Finds an application's callable, and says what is wrong when that fails."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from types import ModuleType
from typing import Any, Final

from host.python_apps.callable_name import CallableName
from host.python_apps.process_paths import PROCESS_PATHS, Wanted
from host.python_apps.virtual_environment import EnvironmentRefused

_OWN: Final = os.path.dirname(os.path.abspath(__file__))
_SHOWN_PATHS: Final = 6


class LoadFailure(Exception):
    """An application that cannot be used. `files` are those whose change may cure it, `failure` is the traceback."""

    def __init__(
        self, text: str, remedy: str, *, failure: str = "", files: tuple[str, ...] = (), may_pass: bool = False
    ) -> None:
        super().__init__(text)
        self.remedy = remedy
        self.failure = failure
        self.files = files
        self.may_pass = may_pass  # the same process may try again


def load_callable(name: CallableName, wanted: Wanted) -> tuple[Any, str]:
    """The application, and a note for the operator (mostly empty). Raises LoadFailure; runs the module's code."""
    try:
        note = PROCESS_PATHS.let_in(wanted)
    except EnvironmentRefused as refusal:
        raise LoadFailure(str(refusal), refusal.remedy) from refusal
    module = _import(name, wanted)
    found = _attribute(name, module)
    if name.is_factory:
        if not callable(found):
            raise LoadFailure(f"{name.module}:{name.attribute_text} is a {_kind(found)} and cannot be called", _CORRECT)
        try:
            found = found(*name.arguments, **dict(name.named_arguments))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever it is, it is the application's
            raise failure_of(error, f"{name.module}:{name.attribute_text}() raised") from error
    if not callable(found):
        what = f"{name.module}:{name.attribute_text}{'()' if name.is_factory else ''}"
        raise LoadFailure(f"{what} is a {_kind(found)}, not a callable", _CORRECT)
    return found, note


_CORRECT: Final = "Correct scriptProcessor (module:callable, or module:factory()), or the module."


def entry_files(name: CallableName, folder: str) -> tuple[str, ...]:
    """Files that hold, or would hold, the application's module; empty when it is an installed one."""
    base = os.path.join(folder, *name.module.split("."))
    found = (f"{base}.py", os.path.join(base, "__init__.py"))
    module_file = getattr(sys.modules.get(name.module), "__file__", None)
    return (*found, module_file) if module_file and module_file not in found else found


def failure_of(error: BaseException, what: str, *, may_pass: bool = False) -> LoadFailure:
    """What an application raised, as a LoadFailure: the place, the traceback without isapy's own frames, the files."""
    trace = error.__traceback__
    while trace is not None and _is_not_the_application(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    frames = [frame for frame in traceback.extract_tb(trace) if not frame.filename.startswith("<")]
    files = [frame.filename for frame in frames]
    theirs = [frame for frame in frames if not _is_not_the_application(frame.filename)] or frames
    place = f" at {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
    if isinstance(error, SyntaxError) and error.filename:
        files.append(error.filename)
        place = f" at {error.filename}:{error.lineno}"
    text = f"{what} {type(error).__name__}: {error}{place}"
    failure = "".join(traceback.format_exception(type(error), error, trace)).rstrip()
    remedy = f"Correct the code{place}." if place else "Correct the application."
    return LoadFailure(text, remedy, failure=failure, files=tuple(dict.fromkeys(files)), may_pass=may_pass)


def _import(name: CallableName, wanted: Wanted) -> ModuleType:
    try:
        module = importlib.import_module(name.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an application may even raise SystemExit while it is imported
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing and (name.module == missing or name.module.startswith(missing + ".")):
            raise LoadFailure(_not_found(missing, wanted), _CORRECT) from error
        failure = failure_of(error, f"importing {name.module} raised")
        if missing and "." not in missing:
            failure.remedy += f" {_where_to_install(missing, wanted.environment)}"
        raise failure from error
    top = name.module.partition(".")[0]
    file = getattr(sys.modules[top], "__file__", None) or "Python itself"
    if any(os.path.exists(path) for path in entry_files(name, wanted.folder)[:2]) and not _is_below(file, wanted):
        text = f"{name.module} is {file} in this process, not the module in {wanted.folder}"
        raise LoadFailure(text, "Rename the application's module: the name is taken.")
    return module


def _where_to_install(missing: str, environment: str) -> str:
    """The module may be a package of others, which the application has where it was developed."""
    if environment:
        return f"If {missing} is a package: {os.path.join(environment, 'bin', 'python')} -m pip install {missing}"
    return (
        f"If {missing} is a package: name the virtual environment that has it (pythonApplication/@virtualEnvironment), "
        f"or {sys.executable} -m pip install {missing}"
    )


def _not_found(missing: str, wanted: Wanted) -> str:
    places = [path for path in sys.path if path != wanted.folder][:_SHOWN_PATHS]
    environment = f"virtual environment {wanted.environment}" if wanted.environment else "no virtual environment"
    return (
        f"there is no module {missing}; looked in the working directory {wanted.folder} ({environment}) and then in "
        f"{', '.join(places)}"
    )


def _is_below(file: str, wanted: Wanted) -> bool:
    return os.path.realpath(file).startswith(os.path.realpath(wanted.folder) + os.sep)


def _attribute(name: CallableName, module: ModuleType) -> Any:
    found: Any = module
    for attribute in name.attributes:
        try:
            found = getattr(found, attribute)
        except AttributeError as error:
            offered = [one for one, value in vars(module).items() if callable(value) and not one.startswith("_")]
            near = difflib.get_close_matches(attribute, offered, n=3, cutoff=0.3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            where = getattr(module, "__file__", None) or name.module
            text = f"the module {name.module} ({where}) has no {name.attribute_text}{hint}"
            raise LoadFailure(text, _CORRECT) from error
    return found


def _kind(found: object) -> str:
    return type(found).__name__


def _is_not_the_application(file: str) -> bool:
    return file.startswith((_OWN, "<")) or file == importlib.__file__
