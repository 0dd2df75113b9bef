"""The isapy command: every command with its place in the help, and how errors become exit statuses."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Final

import typer

from host import __version__
from host.admin.client import ControlError
from host.cli.build_library import build_library
from host.cli.cache_commands import cache_app
from host.cli.cert import cert_app
from host.cli.check import check
from host.cli.doctor import doctor
from host.cli.events import events
from host.cli.failures import EXIT_STATUSES, EXIT_USAGE, CommandLineError, tell
from host.cli.new_plugin import new_app
from host.cli.run import run
from host.cli.scaffold import init
from host.cli.service_commands import list_app, recycle_app, start_app, status, stop, unload
from host.cli.trace import trace
from host.cli.upgrade import upgrade

_ELSEWHERE: Final = {
    "reload": ("a saved configuration is in force by itself; isapy check judges it", "isapy recycle pool NAME"),
    "restart": ("isapy recycle pool NAME: new workers", "isapy upgrade: all processes anew, no request lost"),
    "logs": ("isapy events", "isapy status says where the logs of requests are"),
    "ps": ("isapy status", "isapy list workers"),
    "serve": ("isapy run FOLDER", "isapy run --app shop:app"),
    "test": ("isapy check",),
    "version": ("isapy --version",),
}
"""Commands of other servers, and what is meant here."""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=EXIT_STATUSES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"isapy {__version__}")
        raise typer.Exit


@app.callback()
def isapy(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """isapy: a web server that hosts plugins and CGI programs as IIS did, with application pools and isolation.

    \b
    First steps:
        isapy run                    the samples that come with isapy
        isapy run FOLDER             a folder's files, and its programs as CGI
        isapy doctor FOLDER          which of a folder's old scripts will run, and why not
        isapy run --app shop:app     a Python application, WSGI or ASGI
        isapy init mysite            a site of your own, with a configuration
        isapy new extension greet    a plugin that answers *.greet

    \b
    While it runs, from another terminal:
        isapy list workers           who serves what
        isapy recycle pool NAME      new workers, no request lost
        isapy events --follow        why processes start, end and are recycled
        isapy upgrade                the version that is installed now takes over
        isapy stop                   finish the requests in hand and end
    """


app.command()(run)
app.command()(check)
app.command()(doctor)
app.command()(init)
app.add_typer(new_app, name="new", help="Write a plugin and its test.")
app.command(
    "cc",  # no short options of its own but -h, which no C compiler has: the others are the compiler's
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    options_metavar="[OPTIONS] SOURCE... [COMPILER'S OPTIONS]",
)(build_library)
app.add_typer(cert_app, name="cert", help="Certificates of https bindings.")
app.add_typer(cache_app, name="cache", help="The listener's cache.")
app.command("status")(status)
app.add_typer(list_app, name="list", help="List sites, pools, workers, requests, plugins.")
app.add_typer(start_app, name="start", help="Start a pool or a site that was stopped.")
app.command("stop")(stop)
app.command("events")(events)
app.command("unload")(unload)
app.command("trace")(trace)
app.command("upgrade")(upgrade)
app.add_typer(recycle_app, name="recycle", help="Replace the workers of a pool.")


def _answer_elsewhere(words: list[str]) -> None:
    """Raises CommandLineError with what is meant here. Typer would take `reload` for a misspelt `unload`."""
    for word in words:
        if word in _ELSEWHERE:
            raise CommandLineError(f"there is no command {word}", _ELSEWHERE[word], EXIT_USAGE)


def main() -> None:
    """The entry point of the `isapy` command and of `python -m host`."""
    try:
        _answer_elsewhere(sys.argv[1:2])
        app(prog_name="isapy")
    except (CommandLineError, ControlError) as error:
        sys.exit(tell(error))
    except PermissionError as error:  # a folder on the way to what was named
        if not error.filename:
            raise
        remedy = "use an account that may look there, or give this one access to the folders on the way"
        sys.exit(tell(CommandLineError(f"{os.fsdecode(error.filename)}: {error.strerror}", remedy)))
    except BrokenPipeError:  # isapy list ... | head
        sys.stderr.close()
        sys.exit(1)
