"""`isapy init`: a site to start from."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Final

import typer

from host.cli import templates
from host.cli.default_configuration import SITE_CONFIGURATION
from host.cli.failures import CommandLineError
from host.cli.folder_site import language_lines
from host.cli.new_files import write_new

PORT: Final = 8080


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A new or empty folder, or one without these files.")
    ],
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="The port in the configuration.")] = PORT,
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
        folder / SITE_CONFIGURATION: templates.fill(
            templates.APPLICATION_HOST, port=str(port), languages=language_lines(16)
        ),
        folder / "wwwroot" / "index.html": templates.INDEX,
        program: templates.CGI_HELLO,
        folder / "README.md": templates.fill(templates.README, port=str(port)),
        folder / ".gitignore": templates.GITIGNORE,
    }
    try:
        write_new(files, executable=frozenset({program}))
        for name in ("extensions", "filters", "tests"):
            (folder / name).mkdir(exist_ok=True)
    except OSError as error:
        raise CommandLineError(f"cannot write {error.filename}: {error.strerror}") from error
    typer.echo(f"{folder} is a site now:")
    for path in files:
        typer.echo(f"    {path}")
    typer.echo(f"    {folder / 'extensions'}{os.sep}   drop-in extensions")
    typer.echo(f"    {folder / 'filters'}{os.sep}   filters")
    typer.echo(f"    {folder / 'tests'}{os.sep}   their tests")
    typer.echo("Run it:")
    typer.echo(f"    isapy run --config {shlex.quote(str(folder / SITE_CONFIGURATION))}")
