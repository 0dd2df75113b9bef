"""`isapy run --app module:callable`: a configuration for one Python application, as gunicorn and uvicorn serve it.

The application answers for every URL; nothing else of the folder is shown.
"""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.folder_site import binding_information, usable_folder, write_configuration, written_configuration_path
from host.config.errors import ConfigErrors
from host.config.store import ServerConfiguration, Source
from host.python_apps.callable_name import DEFAULT_ATTRIBUTE, parse_callable_name
from host.python_apps.interface import Interface

_TEMPLATE: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by: isapy run with the option app
     It is written again each time. A configuration of your own has a mapping like the one below. -->
<configuration>
    <system.applicationHost>
        <applicationPools>
            <add name="DefaultAppPool" startMode="AlwaysRunning">
                <processModel idleTimeout="00:00:00" />
            </add>
        </applicationPools>
        <sites>
            <site name="Default Web Site" id="1">
                <bindings>
                    <binding protocol="http" bindingInformation={binding} />
                </bindings>
                <logFile directory="%ISAPY_ROOT%/logs" />
                <application path="/" applicationPool="DefaultAppPool" preloadEnabled="true">
                    <virtualDirectory path="/" physicalPath={folder} />
                </application>
            </site>
        </sites>
    </system.applicationHost>
    <system.webServer>
        {environment}<handlers>
            <add name="Application" path="/*" verb="*" modules={modules} scriptProcessor={name} />
        </handlers>
    </system.webServer>
</configuration>
"""


def application_configuration_path(name: str, folder: Path) -> Path:
    """Where the configuration for that application in that folder lies, in the state folder.

    Raises CommandLineError for a folder that cannot be used, and for a name that is no `module:callable`.
    """
    folder = usable_folder(folder, "--app-dir is the folder that holds the application's module")
    _refuse_file(name, folder)
    try:
        module = parse_callable_name(name).module
    except ValueError as error:
        raise CommandLineError(str(error), "for example: isapy run --app shop.wsgi:application", EXIT_USAGE) from error
    return written_configuration_path("applications", module, os.fsencode(folder) + b"\0" + name.encode())


def _refuse_file(name: str, folder: Path) -> None:
    """Raises CommandLineError where a file stands in the application's place, as other servers are told it."""
    named, _, attribute = name.partition(":")
    file = folder / named.strip()
    if not named.strip() or not file.is_file():
        return
    text = f"{named} is a file; an application is named by its module"
    if file.suffix != ".py":
        remedy = 'a file of another server? docs/python-applications.md, "Coming from", has its lines in isapy\'s words'
        raise CommandLineError(text, [remedy, "for example: isapy run --app shop.wsgi:application"], EXIT_USAGE)
    inside = [] if file.parent == folder else ["--app-dir", str(file.parent)]
    words = ["isapy", "run", *inside, "--app", f"{file.stem}:{attribute or DEFAULT_ATTRIBUTE}"]
    raise CommandLineError(text, shlex.join(words), EXIT_USAGE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an application's modules and packages are looked for: its folder, and a virtual environment or nothing."""

    folder: Path
    environment: str = ""


def place_of_modules(name: str, folder: Path, environment: str) -> Place:
    """What the configuration will say: `environment`, or that of a web.config in the folder, and its working directory.

    Raises CommandLineError when the two name different environments. A broken web.config is told by the service.
    """
    text = application_configuration(name, folder.resolve(), Interface.WSGI, "127.0.0.1", 80, environment)
    source = Source(str(application_configuration_path(name, folder)), text.encode())
    try:
        server = ServerConfiguration(source, 1)
        said = server.settings_for(server.snapshot.sites[0].applications[0], "/").python_application
    except ConfigErrors:
        return Place(folder.resolve(), environment)
    if environment and said.virtual_environment != environment:
        text = f"--venv is {environment}, and a web.config in {folder} says {said.virtual_environment or 'none'}"
        raise CommandLineError(text, "leave one of them out")
    return Place(Path(said.working_directory or folder.resolve()), said.virtual_environment)


def write_application_configuration(
    name: str, folder: Path, interface: Interface, address: str, port: int, environment: str = ""
) -> Path:
    """Write the configuration that serves the application on that address and port; gives its path.

    Raises CommandLineError as `application_configuration_path` does, and when it cannot be written.
    """
    path = application_configuration_path(name, folder)
    write_configuration(path, application_configuration(name, folder.resolve(), interface, address, port, environment))
    return path


def application_configuration(
    name: str, folder: Path, interface: Interface, address: str, port: int, environment: str = ""
) -> str:
    """The text of that configuration; `environment` is a virtual environment's folder, or empty."""
    python = f"<pythonApplication virtualEnvironment={quoteattr(environment)} />\n        " if environment else ""
    return _TEMPLATE.format(
        environment=python,
        binding=quoteattr(binding_information(address, port)),
        folder=quoteattr(str(folder)),
        modules=quoteattr(interface.value),
        name=quoteattr(name),
    )
