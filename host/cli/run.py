"""`isapy run`: validates, then becomes the service."""

from __future__ import annotations

import enum
import ipaddress
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

import host
from host.admin.location import control_socket
from host.admin.unix_socket import living_pid
from host.cli.application_interface import find_interface
from host.cli.application_site import (
    application_configuration_path,
    place_of_modules,
    write_application_configuration,
)
from host.cli.default_configuration import default_configuration
from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.folder_site import (
    folder_configuration_path,
    installed_php,
    usable_folder,
    what_is_served,
    write_folder_configuration,
)
from host.config.errors import ConfigErrors
from host.config.store import build_snapshot, read_source
from host.early_signals import hold_signals
from host.python_apps.interface import Interface

FOLDER_PORT: Final = 8080
"""Of FOLDER and --app, when --port does not say another one."""


class Isolation(enum.Enum):
    """The process models, as the command line spells them."""

    WORKERPROCESS = "workerprocess"
    IIS5 = "iis5"


class InterfaceName(enum.Enum):
    """The interfaces of Python applications, as the command line spells them."""

    AUTO = "auto"
    WSGI = "wsgi"
    ASGI = "asgi"


def run(  # noqa: PLR0913, PLR0917 - the options of a command
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="A folder to serve without any configuration.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="An applicationHost.config (see: isapy init).")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option("--app", metavar="MODULE:CALLABLE", help="A WSGI or ASGI application to serve, and nothing else."),
    ] = None,
    app_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --app: the folder of its module, and its current one. [.]"),
    ] = None,
    venv: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --app: the virtual environment that has its packages. [isapy's own]"),
    ] = None,
    interface: Annotated[
        InterfaceName,
        typer.Option(
            case_sensitive=False,
            help="With --app: what it speaks. auto loads it once to look at its signature: coroutines are ASGI.",
        ),
    ] = InterfaceName.AUTO,
    isolation: Annotated[
        Isolation | None,
        typer.Option(
            case_sensitive=False,
            help="The process model, whatever the configuration says: application pools with workers of their own "
            "(workerprocess, as in IIS 6), or inetinfo and dllhost (iis5).",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT",
            min=1,
            max=65535,
            help="Listen on this port instead of the first binding's, for all bindings that share it.",
        ),
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="With FOLDER or --app: the address to listen on, 0.0.0.0 for all. [127.0.0.1]"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> None:
    """Run isapy until Ctrl-C.

    \b
    Ctrl-C ends it with all its processes; requests in hand are finished first.
    Without FOLDER, --app and --config it runs conf/applicationHost.config of the current folder,
    and where there is none the samples that come with isapy.

    \b
    Examples:
        isapy run                                   this folder's site, else the samples
        isapy run ~/site                            that folder: files, and programs as CGI
        isapy run ~/site --bind 0.0.0.0 --port 80   the same for everybody
        isapy run --app shop.wsgi:application       a Python application, WSGI or ASGI
        isapy run --app main:app --venv venv        the same, with the packages of a virtual environment
        isapy run --config conf/applicationHost.config --isolation iis5
    """
    if sum(given is not None for given in (folder, config, app)) > 1:
        raise CommandLineError("FOLDER, --app and --config exclude each other", "leave all but one out", EXIT_USAGE)
    if folder is None and app is None and bind is not None:
        text = "--bind needs FOLDER or --app: a configuration names its addresses itself"
        raise CommandLineError(text, "edit its <binding> elements", EXIT_USAGE)
    if app is None and (app_dir is not None or venv is not None or interface is not InterfaceName.AUTO):
        raise CommandLineError("--app-dir, --venv and --interface need --app", "name the application", EXIT_USAGE)
    mode = isolation.value if isolation is not None else ""
    hold_signals()  # the service that this process becomes obeys them as soon as it can
    if folder is not None:
        _refuse_what_is_no_folder(folder)
        _refuse_second_service(folder_configuration_path(folder), str(folder))
        config = write_folder_configuration(folder, _address(bind or "127.0.0.1"), port or FOLDER_PORT)
        port = None
    elif app is not None:
        environment = str(usable_folder(venv, "--venv is the folder of a virtual environment")) if venv else ""
        address = _address(bind or "127.0.0.1")
        config = _configure_application(app, app_dir or Path(), environment, interface, address, port)
        port = None
    elif config is None:
        config = default_configuration()
    validate(config, mode, port or 0)
    if folder is not None and not quiet:
        for line in what_is_served(folder, installed_php()):
            typer.echo(line, err=True)
    shows_scripts = folder is not None and not quiet
    become_service(config, mode, port or 0, quiet=quiet, shows_scripts=shows_scripts)


def _refuse_what_is_no_folder(folder: Path) -> None:
    """Raises CommandLineError with what was meant: other servers take an application or a file there."""
    if folder.is_dir():
        return
    words = ["isapy run FOLDER serves the files of a folder"]
    if folder.is_file() and folder.suffix == ".py":
        words.append(f"a Python application: {shlex.join(['isapy', 'run', '--app', f'{folder.stem}:application'])}")
    elif folder.is_file():
        words.append(f"a configuration: {shlex.join(['isapy', 'run', '--config', str(folder)])}")
    elif ":" in folder.name:
        words.append(f"a Python application: {shlex.join(['isapy', 'run', '--app', str(folder)])}")
    raise CommandLineError(f"{folder} is no folder", words, EXIT_USAGE)


def _configure_application(
    name: str, folder: Path, environment: str, said: InterfaceName, address: str, port: int | None
) -> Path:
    """Write the configuration for that application; gives its path."""
    _refuse_second_service(application_configuration_path(name, folder), name)
    if said is InterfaceName.AUTO:
        interface = find_interface(name, place_of_modules(name, folder, environment), _python())
    else:
        interface = Interface[said.name]
    return write_application_configuration(name, folder, interface, address, port or FOLDER_PORT, environment)


def _refuse_second_service(path: Path, what: str) -> None:
    """Writing that configuration would change a service that runs on it already."""
    pid = living_pid(control_socket(path))
    if pid:
        raise CommandLineError(
            f"process {pid} serves {what} already", f"end it with: isapy stop --config {shlex.quote(str(path))}"
        )


def validate(config: Path, isolation: str = "", port: int = 0) -> None:
    """Raise CommandLineError that lists what is wrong with the configuration."""
    if not config.is_file():
        raise CommandLineError(f"there is no file {config}", "isapy init FOLDER makes a site to start from")
    try:
        build_snapshot(read_source(str(config), isolation, port), 1)
    except ConfigErrors as problems:
        count = len(problems.errors)
        raise CommandLineError(
            f"{config} has {count} error{'s' if count > 1 else ''}; nothing was started",
            [str(error) for error in problems.errors],
        ) from problems


def become_service(config: Path, isolation: str, port: int, *, quiet: bool, shows_scripts: bool = False) -> NoReturn:
    """Replace this process by the service; `shows_scripts`: what scripts write to standard error is shown."""
    arguments = [*_python(), "-m", "host.processes", "service"]
    arguments += ["--config", str(config.absolute())]
    if isolation:
        arguments += ["--isolation", isolation]
    if port:
        arguments += ["--port", str(port)]
    if quiet:
        arguments.append("--quiet")
    if shows_scripts:
        arguments.append("--show-scripts")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, arguments)


def _python() -> list[str]:
    """What starts an interpreter that finds isapy.

    -P keeps the current folder off sys.path, where a file of the user's could shadow a module. A checkout that is run
    in place and not installed is found only there.
    """
    in_place = Path(host.__file__).resolve().parent.parent == Path.cwd().resolve()
    return [sys.executable, *([] if in_place else ["-P"])]


def _address(text: str) -> str:
    if text == "*":
        return text
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError as error:
        raise CommandLineError(
            f"{text} is no IP address", "for example 127.0.0.1, 0.0.0.0 or ::1", EXIT_USAGE
        ) from error
