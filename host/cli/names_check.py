"""The part of `isapy check` that looks at what entries name and only a request would miss: classes of managed types,
addresses of SCGI and FastCGI servers. It runs no code of an application."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Iterator
from typing import Final

from host.cli.code_names import source_problem
from host.cli.python_check import problem_at, with_settings
from host.config.errors import ConfigError
from host.config.model import Application, PathSettings
from host.config.names import is_managed_type
from host.config.store import ServerConfiguration
from host.gateway.server_address import is_address, parse_address

_CODE_FOLDERS: Final = ("App_Code", "bin")
_SCGI: Final = frozenset({"scgi", "scgimodule"})
_FASTCGI: Final = frozenset({"fastcgi", "fastcgimodule"})


def name_problems(configuration: ServerConfiguration) -> list[ConfigError]:
    """What will be refused with 500.21 or 500.0 when it is asked for."""
    snapshot = configuration.snapshot
    problems: list[ConfigError] = []
    users: dict[tuple[int, str, str], list[Application]] = {}  # by site, element and managed type
    for application, settings in with_settings(configuration):
        for element, named in _managed_types(settings):
            users.setdefault((application.site_id, element, named), []).append(application)
        for handler in settings.handlers:
            names = {name.strip().lower() for name in handler.modules.split(",")}
            problem = _address_problem(names, handler.script_processor)
            if problem:
                text, value = f"{handler.name}: {problem}", f'"{handler.script_processor or handler.name}"'
                remedy = "write unix:/run/NAME.sock or tcp://127.0.0.1:4000"
                place = ("handlers/add", "scriptProcessor", text, remedy, value)
                problems.append(problem_at(snapshot, application, *place))
    for (_, element, named), applications in users.items():
        applications.sort(key=lambda one: len(one.path))  # the entry is most likely meant for the first of them
        found = [_type_problem(named, application) for application in applications]
        if all(text for text, _ in found):  # an application that only inherits the entry need not have the class
            text, remedy = found[0]
            problems.append(problem_at(snapshot, applications[0], element, "type", text, remedy, f'"{named}"'))
    return list(dict.fromkeys(problems))


def _managed_types(settings: PathSettings) -> Iterator[tuple[str, str]]:
    entries: tuple[tuple[str, Iterable[str]], ...] = (
        ("handlers/add", (one.type for one in settings.handlers)),
        ("modules/add", (one.type for one in settings.modules)),
        ("httpModules/add", (one.type for one in settings.http_modules)),
        ("httpHandlers/add", (one.type for one in settings.http_handlers)),
    )
    for element, types in entries:
        for named in types:
            if is_managed_type(named):
                yield element, named


def _type_problem(named: str, application: Application) -> tuple[str, str]:
    """What is wrong and what to do; two empty texts when nothing is known to be wrong."""
    module, _, class_name = named.partition(":")
    path = _file_of(module, application.physical_path)
    if path is None:
        code = os.path.join(application.physical_path, _CODE_FOLDERS[0])
        if importlib.util.find_spec(module.partition(".")[0]) is not None:
            return "", ""  # an installed package
        file = f"{module.replace('.', '/')}.py"
        text = f"{named}: there is no module {module} in {code}, in bin, nor in what isapy's own Python has installed"
        return text, f"put {file} into {code}, or correct the type"
    return source_problem(named, path, class_name.partition(".")[0], "class")


def _file_of(module: str, folder: str) -> str | None:
    """The file of a module of the application's own code."""
    for code in _CODE_FOLDERS:
        stem = os.path.join(folder, code, *module.split("."))
        for path in (f"{stem}.py", os.path.join(stem, "__init__.py")):
            if os.path.isfile(path):
                return path
    return None


def _address_problem(modules: set[str], processor: str) -> str:
    if not (modules & _SCGI or (modules & _FASTCGI and is_address(processor))):
        return ""
    try:
        parse_address(processor)
    except ValueError as error:
        return str(error)
    return ""
