"""`isapy cc`: make a native ISAPI extension or filter out of its C or C++ source."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from host.cli.failures import CommandLineError
from host.native.building import INCLUDE_FOLDER, CannotBuild, plan_build


def build_library(
    context: typer.Context,
    shows_flags: Annotated[
        bool, typer.Option("--show", help="Print the compiler's command instead of running it.")
    ] = False,
    shows_include: Annotated[
        bool, typer.Option("--include", help="Print the folder of httpext.h and httpfilt.h, for a build system.")
    ] = False,
) -> None:
    """Build a native ISAPI extension or filter (.so) from C or C++.

    \b
    Everything is the compiler's: further sources, -o (default: the source's name with .so), -I, -D, -l, -std=...
        isapy cc hello.c
        isapy cc -o shop.so shop.c orders.c -lsqlite3
    CC and CXX in the environment choose another compiler.
    """
    if shows_include:
        typer.echo(str(INCLUDE_FOLDER))
        return
    try:
        build = plan_build(context.args)
    except CannotBuild as error:
        raise CommandLineError(str(error)) from error
    if shows_flags:
        typer.echo(" ".join(build.command))
        return
    status = subprocess.run(build.command, check=False).returncode  # what it says goes where it always goes
    if status:
        raise CommandLineError(f"{Path(build.command[0]).name} has failed with exit status {status}; nothing is built")
    typer.echo(f'{build.output} is built; map it as scriptProcessor="{build.output.resolve()}"')
