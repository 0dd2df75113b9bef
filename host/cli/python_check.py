"""The part of `isapy check` that looks at Python applications: their names, their virtual environments, and whether
those that share a process can.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

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
    for application, settings in _with_settings(configuration):
        handlers = [handler for handler in settings.handlers if _is_python(handler)]
        if not handlers:
            continue
        for handler in handlers:
            problems += _name_problems(snapshot, application, handler)
        environment = settings.python_application.virtual_environment
        problems += _environment_problems(snapshot, application, environment)
        process = _process_of(snapshot, application)
        other, others_environment = first_of.setdefault(process, (application, environment))
        if os.path.realpath(others_environment or "/") != os.path.realpath(environment or "/"):
            text = (
                f"{application.metabase_path} and {other.metabase_path} run in {process}, with different virtual "
                f"environments ({environment or 'none'} and {others_environment or 'none'}): one will be refused"
            )
            remedy = 'give each an application pool of its own (in IIS 5 isolation mode isolation="High")'
            problems.append(_at(snapshot, application, "pythonApplication", "virtualEnvironment", text, remedy))
    return problems


def _with_settings(configuration: ServerConfiguration) -> Iterator[tuple[Application, PathSettings]]:
    for site in configuration.snapshot.sites:
        for application in site.applications:
            try:
                yield application, configuration.settings_for(application, application.path)
            except ConfigErrors:  # told by the check of the files
                continue


def _is_python(handler: Handler) -> bool:
    return any(name.strip().lower() in _MODULES for name in handler.modules.split(","))


def _name_problems(snapshot: Snapshot, application: Application, handler: Handler) -> Iterator[ConfigError]:
    try:
        parse_callable_name(handler.script_processor)
    except ValueError as error:
        remedy = 'write scriptProcessor="module:callable"'
        yield _at(snapshot, application, "handlers/add", "scriptProcessor", f"{handler.name}: {error}", remedy)


def _environment_problems(snapshot: Snapshot, application: Application, environment: str) -> Iterator[ConfigError]:
    if not environment:
        return
    try:
        packages_folder(environment)
    except EnvironmentRefused as refusal:
        element, attribute = "pythonApplication", "virtualEnvironment"
        yield _at(snapshot, application, element, attribute, str(refusal), refusal.remedy)


def _process_of(snapshot: Snapshot, application: Application) -> str:
    if snapshot.isolation_mode is IsolationMode.WORKER_PROCESS:
        return f"the application pool {application.pool_name}"
    places = {"Low": "inetinfo", "Medium": "the common dllhost", "High": f"dllhost {application.metabase_path}"}
    return places[application.isolation.value]


def _at(
    snapshot: Snapshot, application: Application, element: str, attribute: str, text: str, remedy: str
) -> ConfigError:
    """The problem with the first line that has the attribute: in the application's web.config, or the server's file."""
    for file in (os.path.join(application.physical_path, "web.config"), snapshot.path):
        try:
            lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found = next((number for number, line in enumerate(lines, 1) if f"{attribute}=" in line), 0)
        if found:
            return ConfigError(file, found, element, attribute, text, remedy)
    return ConfigError(snapshot.path, 1, element, attribute, text, remedy)
