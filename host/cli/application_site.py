"""`isapy run --app module:callable`: a configuration for one Python application, as gunicorn and uvicorn serve it.

The application answers for every URL; nothing else of the folder is shown.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.folder_site import binding_information, usable_folder, write_configuration, written_configuration_path
from host.python_apps.callable_name import parse_callable_name
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
        <handlers>
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
    try:
        module = parse_callable_name(name).module
    except ValueError as error:
        raise CommandLineError(str(error), "for example: isapy run --app shop.wsgi:application", EXIT_USAGE) from error
    return written_configuration_path("applications", module, os.fsencode(folder) + b"\0" + name.encode())


def write_application_configuration(name: str, folder: Path, interface: Interface, address: str, port: int) -> Path:
    """Write the configuration that serves the application on that address and port; gives its path.

    Raises CommandLineError as `application_configuration_path` does, and when it cannot be written.
    """
    path = application_configuration_path(name, folder)
    write_configuration(path, application_configuration(name, folder.resolve(), interface, address, port))
    return path


def application_configuration(name: str, folder: Path, interface: Interface, address: str, port: int) -> str:
    """The text of that configuration."""
    return _TEMPLATE.format(
        binding=quoteattr(binding_information(address, port)),
        folder=quoteattr(str(folder)),
        modules=quoteattr(interface.value),
        name=quoteattr(name),
    )
