"""`isapy init` and `isapy new`: files to start from, already mapped or listed where they go."""

from __future__ import annotations

import keyword
import os
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from host.bundled_files import bundled_folder
from host.cli import templates
from host.cli.configuration_text import NoPlaceFound, add_filter
from host.cli.default_configuration import SITE_CONFIGURATION
from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.new_files import write_atomically, write_new
from host.config.errors import ConfigErrors
from host.config.store import Source, build_snapshot, read_source

PORT: Final = 8080

_PLUGIN_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")

new_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Root = Annotated[
    Path, typer.Option("--root", metavar="FOLDER", help="The site's folder: the one that holds conf/ and extensions/.")
]
PluginName = Annotated[
    str, typer.Argument(metavar="NAME", help="Small letters, digits and underscores; it becomes the file's name.")
]


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new or empty folder, or one without these files.")
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port in the configuration.")] = PORT,
) -> None:
    """Make a starter site.

    It has a configuration, a page, a CGI program, and folders for extensions and filters.

    \b
    Example:
        isapy init mysite
        isapy run --config mysite/conf/applicationHost.config
    """
    program = folder / "wwwroot" / "cgi-bin" / "hello.py"
    files = {
        folder / SITE_CONFIGURATION: templates.fill(templates.APPLICATION_HOST, port=str(port)),
        folder / "wwwroot" / "index.html": templates.INDEX,
        program: templates.CGI_HELLO,
        folder / "README.md": templates.fill(templates.README, port=str(port)),
        folder / ".gitignore": templates.GITIGNORE,
    }
    try:
        write_new(files, executable=frozenset({program}))
        for name in ("extensions", "filters"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise CommandLineError(f"cannot write {error.filename}: {error.strerror}") from error
    typer.echo(f"{folder} is a site now:")
    for path in files:
        typer.echo(f"    {path}")
    typer.echo(f"    {folder / 'extensions'}{os.sep}   drop-in extensions")
    typer.echo(f"    {folder / 'filters'}{os.sep}   filters")
    typer.echo("Run it:")
    typer.echo(f"    isapy run --config {folder / SITE_CONFIGURATION}")


@new_app.command("extension")
def new_extension(name: PluginName, root: Root = Path()) -> None:
    """Write extensions/NAME.py: an extension that answers every URL that ends in .NAME

    It maps itself and works as soon as the file is there; a running service loads it by itself.
    """
    path = _plugin_path(root, "extensions", name)
    write_new({path: templates.fill(templates.EXTENSION, name=name)})
    typer.echo(f"{path} answers *.{name}; try it:")
    typer.echo(f"    isapy run --config {root / SITE_CONFIGURATION}")
    typer.echo(f"    curl 'http://localhost:{_port(root / SITE_CONFIGURATION)}/x.{name}?name=you'")


@new_app.command("filter")
def new_filter(name: PluginName, root: Root = Path()) -> None:
    """Write filters/NAME.py, a filter that sees every request, and list it in the configuration.

    The line is added at the end of <isapiFilters> of conf/applicationHost.config; everything else in that file stays
    as it is. Filters run in the order in which they are listed.
    """
    path = _plugin_path(root, "filters", name)
    config = root / SITE_CONFIGURATION
    old = _read(config)
    new = _with_filter(config, old, name)
    header = "-".join(word.capitalize() for word in name.split("_") if word)
    write_new({path: templates.fill(templates.FILTER, name=name, header=header)})
    try:
        _validate(config, new, "with the filter")
        if _read(config) != old:
            raise CommandLineError(f"{config} was changed meanwhile", "type the command again")
        write_atomically(config, new)
    except (CommandLineError, OSError):
        path.unlink()
        raise
    typer.echo(f"{path} sees every request: it is the last one of <isapiFilters> in {config}. Try it:")
    typer.echo(f"    isapy run --config {config}")
    typer.echo(f"    curl -i http://localhost:{_port(config)}/        (look for X-Filter-{header})")


def _plugin_path(root: Path, folder: str, name: str) -> Path:
    """The new plugin's file. Raises CommandLineError for a name or place that will not do."""
    kind = folder.removesuffix("s")
    if not _PLUGIN_NAME.fullmatch(name) or keyword.iskeyword(name):
        raise CommandLineError(
            f"{name} cannot be the name of a plugin",
            "use small letters, digits and underscores, beginning with a letter, up to 40",
            EXIT_USAGE,
        )
    if not (root / SITE_CONFIGURATION).is_file():
        raise CommandLineError(
            f"{root.absolute()} has no {SITE_CONFIGURATION}",
            ["isapy init FOLDER makes a site", "--root FOLDER says where yours is"],
        )
    if (bundled_folder(folder) / f"{name}.py").exists():
        raise CommandLineError(
            f"isapy itself has {'an' if kind == 'extension' else 'a'} {kind} called {name}", "choose another name"
        )
    return root / folder / f"{name}.py"


def _port(config: Path) -> int:
    """The port of the site's first binding, for the hint; a configuration that is broken now has the usual one."""
    try:
        sites = build_snapshot(read_source(str(config)), 1).sites
    except ConfigErrors:
        return PORT
    return next((binding.port for site in sites for binding in site.bindings if binding.port), PORT)


def _read(config: Path) -> str:
    try:
        return config.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandLineError(f"{config} is not UTF-8", "add the <filter> element by hand") from error


def _with_filter(config: Path, text: str, name: str) -> str:
    _validate(config, text, "as it is")
    try:
        changed = add_filter(text, name)
    except NoPlaceFound as error:
        raise CommandLineError(f"{config}: {error}", f'add <filter name="{name}" /> to isapiFilters by hand') from error
    if changed == text:
        raise CommandLineError(f"{config} lists a filter called {name} already", "choose another name")
    return changed


def _validate(config: Path, text: str, state: str) -> None:
    try:
        build_snapshot(Source(str(config.absolute()), text.encode(), "", 0), 1)
    except ConfigErrors as problems:
        raise CommandLineError(
            f"{config} is not valid {state}; nothing was changed", [str(error) for error in problems.errors]
        ) from problems
