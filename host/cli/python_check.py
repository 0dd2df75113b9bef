"""The part of `isapy check` that looks at Python applications: their names, modules and folders, their virtual
environments, and whether those that share a process can. It runs none of their code.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from host.cli.code_names import source_problem
from host.config.errors import ConfigError, ConfigErrors
from host.config.model import Application, IsolationMode, PathSettings, Snapshot
from host.config.pipeline_entries import Handler
from host.config.store import ServerConfiguration
from host.python_apps.callable_name import parse_callable_name
from host.python_apps.virtual_environment import EnvironmentRefused, packages_folder

_MODULES: Final = frozenset({"wsgimodule", "asgimodule", "wsgi", "asgi"})


def python_problems(configuration: ServerConfiguration) -> list[ConfigError]:
    """What will be refused with 500.21 when the application is asked for."""
    snapshot = configuration.snapshot
    problems: list[ConfigError] = []
    first_of: dict[str, tuple[Application, str]] = {}  # by process: whose environment it will have
    for application, settings in with_settings(configuration):
        handlers = [handler for handler in settings.handlers if _is_python(handler)]
        if not handlers:
            continue
        environment = settings.python_application.virtual_environment
        folder = settings.python_application.working_directory or application.physical_path
        for handler in handlers:
            problems += _name_problems(snapshot, application, handler, folder, environment)
        problems += _folder_problems(snapshot, application, settings.python_application.working_directory)
        problems += _environment_problems(snapshot, application, environment)
        process = _process_of(snapshot, application)
        other, others_environment = first_of.setdefault(process, (application, environment))
        if os.path.realpath(others_environment or "/") != os.path.realpath(environment or "/"):
            text = (
                f"{application.metabase_path} and {other.metabase_path} run in {process}, with different virtual "
                f"environments ({environment or 'none'} and {others_environment or 'none'}): one will be refused"
            )
            remedy = 'give each an application pool of its own (in IIS 5 isolation mode isolation="High")'
            problems.append(problem_at(snapshot, application, "pythonApplication", "virtualEnvironment", text, remedy))
    return list(dict.fromkeys(problems))  # applications that inherit a mapping have its problem once


def with_settings(configuration: ServerConfiguration) -> Iterator[tuple[Application, PathSettings]]:
    """Every application whose settings can be read, with those of its root."""
    for site in configuration.snapshot.sites:
        for application in site.applications:
            try:
                yield application, configuration.settings_for(application, application.path)
            except ConfigErrors:  # told by the check of the files
                continue


def _is_python(handler: Handler) -> bool:
    return any(name.strip().lower() in _MODULES for name in handler.modules.split(","))


def _name_problems(
    snapshot: Snapshot, application: Application, handler: Handler, folder: str, environment: str
) -> Iterator[ConfigError]:
    try:
        named = parse_callable_name(handler.script_processor)
        module = named.module
    except ValueError as error:
        text, remedy = f"{handler.name}: {error}", 'write scriptProcessor="module:callable"'
    else:
        if not os.path.isdir(folder):
            return
        if _is_found(module, folder, environment):
            text, remedy = _callable_problem(handler, module, named.attributes[0], folder)
            if text:
                yield problem_at(
                    snapshot, application, "handlers/add", "scriptProcessor", text, remedy, _shown(handler)
                )
            return
        where = f"the virtual environment {environment}" if environment else "what isapy's own Python has installed"
        text = f"{handler.name}: there is no module {module} in {folder}, nor in {where}"
        remedy = "correct scriptProcessor (module:callable), or name its folder by pythonApplication/@workingDirectory"
    yield problem_at(snapshot, application, "handlers/add", "scriptProcessor", text, remedy, _shown(handler))


def _shown(handler: Handler) -> str:
    """What the entry's line can be found by."""
    return f'"{handler.script_processor or handler.name}"'


def _callable_problem(handler: Handler, module: str, name: str, folder: str) -> tuple[str, str]:
    """What is wrong with a module of the application's own folder that is to have that name; else two empty texts."""
    stem = os.path.join(folder, *module.split("."))
    path = next((path for path in (os.path.join(stem, "__init__.py"), f"{stem}.py") if os.path.isfile(path)), "")
    if not path or os.path.exists(os.path.join(stem, f"{name}.py")):  # a submodule may be an attribute
        return "", ""
    return source_problem(handler.name, path, name, "name")


def _is_found(module: str, folder: str, environment: str) -> bool:
    """Whether `import` will find the module, as far as that can be told without running anything."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return True  # the pool's user may see more
    places = [folder]
    if environment:
        try:
            places.append(packages_folder(environment))
        except EnvironmentRefused:
            return True  # told by itself
    top, *below = module.split(".")
    spec = PathFinder.find_spec(top, places)
    if spec is None:
        # beside the environment isapy's own packages are searched; a .pth file may add folders and code that finds
        # modules, as an editable installation does
        return importlib.util.find_spec(top) is not None or any(Path(places[-1]).glob("*.pth"))
    for name in below:
        locations = spec.submodule_search_locations
        spec = PathFinder.find_spec(f"{spec.name}.{name}", locations) if locations is not None else None
        if spec is None:
            return False
    return True


def _folder_problems(snapshot: Snapshot, application: Application, folder: str) -> Iterator[ConfigError]:
    if folder and not os.path.isdir(folder):
        text, remedy = f"the working directory {folder} does not exist", "make the folder, or correct the path"
        yield problem_at(snapshot, application, "pythonApplication", "workingDirectory", text, remedy)


def _environment_problems(snapshot: Snapshot, application: Application, environment: str) -> Iterator[ConfigError]:
    if not environment:
        return
    try:
        packages_folder(environment)
    except EnvironmentRefused as refusal:
        element, attribute = "pythonApplication", "virtualEnvironment"
        yield problem_at(snapshot, application, element, attribute, str(refusal), refusal.remedy)


def _process_of(snapshot: Snapshot, application: Application) -> str:
    if snapshot.isolation_mode is IsolationMode.WORKER_PROCESS:
        return f"the application pool {application.pool_name}"
    places = {"Low": "inetinfo", "Medium": "the common dllhost", "High": f"dllhost {application.metabase_path}"}
    return places[application.isolation.value]


def problem_at(
    snapshot: Snapshot, application: Application, element: str, attribute: str, text: str, remedy: str, value: str = ""
) -> ConfigError:
    """The problem with the line it stands on, in the application's web.config or the server's file: the first one with
    the `value` (in its quotation marks) or, failing that, with the attribute."""
    for sought in filter(None, (value, f"{attribute}=")):
        for file in (os.path.join(application.physical_path, "web.config"), snapshot.path):
            try:
                lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            found = next((number for number, line in enumerate(lines, 1) if sought in line), 0)
            if found:
                return ConfigError(file, found, element, attribute, text, remedy)
    return ConfigError(snapshot.path, 1, element, attribute, text, remedy)
