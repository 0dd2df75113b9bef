"""Errors that people made or can mend: one or two lines on standard error, never a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import typer

from host.admin.client import ControlError, ServiceNotRunning

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2  # typer's own, for a command line that makes no sense
EXIT_NOT_RUNNING: Final = 3

EXIT_STATUSES: Final = (
    "Exit status: 0 it worked, 1 it did not (the reason is on standard error), "
    "2 the command line is wrong, 3 no service is running."
)


class CommandLineError(Exception):
    """A command cannot be carried out: why, what to do about it, and the exit status."""

    def __init__(self, message: str, remedy: str | Iterable[str] = "", status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.remedies = [remedy] if isinstance(remedy, str) else list(remedy)
        self.status = status


def tell(error: CommandLineError | ControlError) -> int:
    """Write the error to standard error; gives the exit status."""
    remedies = error.remedies if isinstance(error, CommandLineError) else [error.remedy]
    typer.echo(f"isapy: {error.message}", err=True)
    for remedy in filter(None, remedies):
        typer.echo(f"       {remedy}", err=True)
    if isinstance(error, CommandLineError):
        return error.status
    return EXIT_NOT_RUNNING if isinstance(error, ServiceNotRunning) else EXIT_FAILED
