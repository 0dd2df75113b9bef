"""`isapy new`: a plugin that works at once, listed where it has to be, and a test that passes at once."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from host.bundled_files import bundled_folder
from host.cli import plugin_templates as written
from host.cli.configuration_text import NoPlaceFound, add_filter, add_module
from host.cli.default_configuration import SITE_CONFIGURATION
from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.new_files import write_atomically, write_new
from host.cli.scaffold import PORT
from host.cli.templates import fill
from host.config.errors import ConfigErrors
from host.config.store import Source, build_snapshot, read_source

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

_FRAMEWORKS: Final = frozenset(
    {
        *("aiohttp", "asgiref", "bottle", "cherrypy", "connexion", "dash", "django", "falcon", "fastapi", "flask"),
        *("gunicorn", "hug", "jinja2", "litestar", "mako", "pyramid", "quart", "sanic", "sqlalchemy", "starlette"),
        *("tornado", "uvicorn", "web", "webob", "werkzeug"),
    }
)
"""What an application's own environment may have, although isapy's has not."""

new_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Root = Annotated[
    Path, typer.Option("--root", metavar="FOLDER", help="The site's folder: the one that holds conf/ and extensions/.")
]
PluginName = Annotated[
    str, typer.Argument(metavar="NAME", help="Small letters, digits and underscores; it becomes the file's name.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is written for one kind. `url` is what to try behind the port; `hint` says what to look for there.

    `list_in` adds the plugin to the configuration; `lines` are those that the operator adds by hand: a program that
    runs in the worker is allowed by a person, not by a command.
    """

    folder: str
    template: str
    test: str
    does: str
    url: str
    hint: str = ""
    ending: str = ".py"
    module: str = ""
    list_in: Callable[[str, str], str] | None = None
    element: str = ""
    lines: str = ""
    is_built: bool = False


EXTENSION: Final = Kind(
    folder="extensions",
    template=written.EXTENSION,
    test=written.EXTENSION_TEST,
    does="answers *.@NAME@",
    url="/x.@NAME@?name=you",
)
FILTER: Final = Kind(
    folder="filters",
    template=written.FILTER,
    test=written.FILTER_TEST,
    does="sees every request: it is the last one of <isapiFilters> in @CONFIG@",
    url="/",
    hint="look for X-Filter-@HEADER@",
    list_in=add_filter,
    element='<filter name="@NAME@" /> to <isapiFilters>',
)
MODULE: Final = Kind(
    folder="extensions",
    template=written.MODULE,
    test=written.MODULE_TEST,
    does="takes part in the pipeline: it is the last one of <modules> in @CONFIG@",
    url="/",
    hint="look for X-@HEADER@-Milliseconds",
    list_in=add_module,
    element='<add name="@NAME@" /> to <modules>',
)
ISAPI: Final = Kind(
    folder="extensions",
    template=written.ISAPI,
    test=written.ISAPI_TEST,
    does="answers *.@NAME@",
    url="/x.@NAME@?name=you",
)
ISAPI_C: Final = Kind(
    folder="isapi",
    template=written.ISAPI_C,
    test=written.ISAPI_C_TEST,
    does="is to answer *.@NAME@",
    url="/x.@NAME@?you",
    ending=".c",
    is_built=True,
    lines="""\
in <handlers>:
    <add name="@NAME@" path="*.@NAME@" verb="*" modules="IsapiModule" scriptProcessor="%ISAPY_ROOT%/isapi/@NAME@.so" />
in <isapiCgiRestriction>:
    <add path="%ISAPY_ROOT%/isapi/@NAME@.so" allowed="true" />""",
)
_APPLICATION_LINES: Final = """\
in <system.webServer>:
    <pythonApplication workingDirectory="%ISAPY_ROOT%/applications" />
in <handlers>:
    <add name="@NAME@" path="@NAME@/*" verb="*" modules="@MODULE@" scriptProcessor="@NAME@:application" />"""
WSGI: Final = Kind(
    folder="applications",
    template=written.WSGI,
    test=written.APPLICATION_TEST,
    does="is to answer /@NAME@/",
    url="/@NAME@/page?name=you",
    module="WsgiModule",
    lines=_APPLICATION_LINES,
)
ASGI: Final = Kind(
    folder="applications",
    template=written.ASGI,
    test=written.APPLICATION_TEST,
    does="is to answer /@NAME@/",
    url="/@NAME@/page?name=you",
    module="AsgiModule",
    lines=_APPLICATION_LINES,
)


@new_app.command("extension")
def new_extension(name: PluginName, root: Root = Path()) -> None:
    """Write an extension that answers every URL that ends in .NAME

    It is extensions/NAME.py. It maps itself and works as soon as the file is there; a running service loads it by
    itself.
    """
    _write(EXTENSION, name, root)


@new_app.command("filter")
def new_filter(name: PluginName, root: Root = Path()) -> None:
    """Write a filter that sees every request, and list it.

    It is filters/NAME.py. The line is added at the end of <isapiFilters> of conf/applicationHost.config; everything
    else in that file stays as it is. Filters run in the order in which they are listed.
    """
    _write(FILTER, name, root)


@new_app.command("module")
def new_module(name: PluginName, root: Root = Path()) -> None:
    """Write a module of the request pipeline, and list it.

    It is extensions/NAME.py. The line is added at the end of <modules> of conf/applicationHost.config; everything else
    in that file stays as it is.
    """
    _write(MODULE, name, root)


@new_app.command("isapi")
def new_isapi(name: PluginName, root: Root = Path()) -> None:
    """Write an ISAPI extension in Python that answers .NAME

    It is extensions/NAME.py: HttpExtensionProc and its control block, for those who know them; it maps itself.
    """
    _write(ISAPI, name, root)


@new_app.command("isapi-c")
def new_isapi_c(name: PluginName, root: Root = Path()) -> None:
    """Write a native ISAPI extension in C, for isapy cc.

    It is isapi/NAME.c. It says which lines map it: native code is allowed by a person.
    """
    _write(ISAPI_C, name, root)


@new_app.command("wsgi")
def new_wsgi(name: PluginName, root: Root = Path()) -> None:
    """Write applications/NAME.py: a WSGI application

    It says which lines map it.
    """
    _write(WSGI, name, root)


@new_app.command("asgi")
def new_asgi(name: PluginName, root: Root = Path()) -> None:
    """Write applications/NAME.py: an ASGI application

    It says which lines map it.
    """
    _write(ASGI, name, root)


def _write(kind: Kind, name: str, root: Path) -> None:
    """Plugin, test and configuration, or nothing. Raises CommandLineError."""
    path = _plugin_path(kind, name, root)
    test = root / "tests" / f"test_{name}.py"
    config = root / SITE_CONFIGURATION
    header = "-".join(word.capitalize() for word in name.split("_") if word)
    words = {"name": name, "header": header, "module": kind.module, "config": str(config), "root": str(root)}
    old = new = ""
    if kind.list_in is not None:
        old = _read(config, fill(kind.element, **words))
        new = _with_line(kind, config, old, words)
    write_new({path: fill(kind.template, **words), test: fill(kind.test, **words)})
    if kind.list_in is not None:
        try:
            _validate(config, new, "with it")
            if _read(config, "") != old:
                raise CommandLineError(f"{config} was changed meanwhile", "type the command again")
            write_atomically(config, new)
        except (CommandLineError, OSError):
            path.unlink()
            test.unlink()
            raise
    _tell(kind, path, test, config, words)


def _tell(kind: Kind, path: Path, test: Path, config: Path, words: Mapping[str, str]) -> None:
    """What there is, and what comes next."""
    typer.echo(f"{path} {fill(kind.does, **words)}.")
    typer.echo("Test it, without a server (isapy and pytest must be installed):")
    typer.echo(f"    python -m pytest {shlex.quote(str(test))}")
    if kind.is_built:
        typer.echo("Build it:")
        output = shlex.quote(str(path.with_suffix(".so")))
        typer.echo(f"    isapy cc -o {output} {shlex.quote(str(path))}")
    if kind.lines:
        typer.echo(f"Map it: add to {config},")
        typer.echo(fill(kind.lines, **words))
    typer.echo("Try it:")
    typer.echo(f"    isapy run --config {shlex.quote(str(config))}")
    hint = f"        ({fill(kind.hint, **words)})" if kind.hint else ""
    typer.echo(f"    curl -i 'http://localhost:{_port(config)}{fill(kind.url, **words)}'{hint}")


def _plugin_path(kind: Kind, name: str, root: Path) -> Path:
    """The new plugin's file. Raises CommandLineError for a name or place that will not do."""
    if keyword.iskeyword(name):
        raise CommandLineError(
            f"{name} is a word of Python's own: no module can be called so", "choose another name", EXIT_USAGE
        )
    if not _NAME.fullmatch(name):
        raise CommandLineError(
            f"{name} cannot be the name of a plugin",
            "use small letters, digits and underscores, beginning with a letter, up to 40",
            EXIT_USAGE,
        )
    if kind.module and (known := _module_of_that_name(name)):
        raise CommandLineError(
            f"{name} is the name of {known}: applications/{name}.py would be imported in its place",
            "choose another name",
            EXIT_USAGE,
        )
    if not (root / SITE_CONFIGURATION).is_file():
        raise CommandLineError(
            f"{root.absolute()} has no {SITE_CONFIGURATION}",
            ["isapy init FOLDER makes a site", "--root FOLDER says where yours is"],
        )
    family = kind.folder.removesuffix("s")
    if kind.folder in ("extensions", "filters") and (bundled_folder(kind.folder) / f"{name}.py").exists():
        raise CommandLineError(
            f"isapy itself has {'an' if family == 'extension' else 'a'} {family} called {name}", "choose another name"
        )
    return root / kind.folder / f"{name}{kind.ending}"


def _module_of_that_name(name: str) -> str:
    """What applications/NAME.py would hide from everything in its process that imports it; empty: nothing."""
    if name in sys.stdlib_module_names:
        return "a module of Python's standard library"
    if name in _FRAMEWORKS or importlib.util.find_spec(name) is not None:
        return "a package that applications import"
    return ""


def _port(config: Path) -> int:
    """The port of the site's first binding, for the hint; a configuration that is broken now has the usual one."""
    try:
        sites = build_snapshot(read_source(str(config)), 1).sites
    except ConfigErrors:
        return PORT
    return next((binding.port for site in sites for binding in site.bindings), PORT)


def _read(config: Path, element: str) -> str:
    try:
        return config.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandLineError(f"{config} is not UTF-8", f"add {element} by hand") from error


def _with_line(kind: Kind, config: Path, text: str, words: Mapping[str, str]) -> str:
    _validate(config, text, "as it is")
    assert kind.list_in is not None, "only those that are listed get a line"
    try:
        changed = kind.list_in(text, words["name"])
    except NoPlaceFound as error:
        raise CommandLineError(f"{config}: {error}", f"add {fill(kind.element, **words)} by hand") from error
    if changed == text:
        what = "filter" if kind is FILTER else "module"
        raise CommandLineError(f"{config} lists a {what} called {words['name']} already", "choose another name")
    return changed


def _validate(config: Path, text: str, state: str) -> None:
    try:
        build_snapshot(Source(str(config.absolute()), text.encode(), "", 0), 1)
    except ConfigErrors as problems:
        raise CommandLineError(
            f"{config} is not valid {state}; nothing was changed", [str(error) for error in problems.errors]
        ) from problems
