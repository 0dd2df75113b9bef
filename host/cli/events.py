"""`isapy events`: the event log, with the service or without it."""

from __future__ import annotations

import json
import select
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Final

import typer

from host.admin.client import ControlError, call
from host.admin.commands import GetStatus, Status
from host.admin.location import control_socket, service_mark
from host.cli.default_configuration import default_configuration
from host.cli.failures import EXIT_USAGE, CommandLineError
from host.cli.service_commands import meant_service
from host.cli.table import safe
from host.config.store import log_folder
from host.logs.event_lines import EventFiles
from host.logs.event_log import LoggedEvent
from host.logs.events import EVENTS
from host.logs.w3c import date_and_time

EVENT_LOG: Final = "events.log"
_LOOK_SECONDS: Final = 0.25
_COLOURS: Final = {"error": typer.colors.RED, "warning": typer.colors.YELLOW}


class Wanted:
    """Which events are shown: those of one of the kinds (all, when none is named), of the pool, and of the service
    whose mark that is (empty: of any); what names no service is shown."""

    def __init__(self, kinds: Iterable[str], pool: str, service: str = "") -> None:
        self._kinds = set(kinds)
        self._pool = pool.lower()
        self._service = service

    def __call__(self, event: LoggedEvent) -> bool:
        """Whether it is one of them."""
        if self._kinds and not self._kinds & {event.id, str(event.number)}:
            return False
        if self._service and event.fields.get("service", self._service) != self._service:
            return False
        return not self._pool or event.fields.get("pool", "").lower() == self._pool


def events(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Whose events: those of this applicationHost.config. Not needed while one service is running.",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    last: Annotated[int, typer.Option("--last", "-n", metavar="N", min=0, help="How many to begin with.")] = 20,
    kinds: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Only these, by id or number: worker-died or 5009. May be repeated."),
    ] = None,
    pool: Annotated[str, typer.Option("--pool", metavar="NAME", help="Only events of this pool.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs: one object a line.")] = False,
) -> None:
    """Show why processes start, end and are recycled, and what fails.

    The events are read from the log's files, so this works without a running service, too: it is the place to look when
    one did not start. Each line holds the time (UTC), the level, a number and an id that stay the same in all versions
    (IIS's numbers where IIS has the event), a sentence, and the facts by name.

    \b
    Examples:
        isapy events --last 50
        isapy events --follow --pool Shop           what happens to one pool
        isapy events --id worker-died --id 5002     crashes, and pools that were taken off line for them
    """
    _check_kinds(kinds or [])
    path, service = _event_log(config)
    wanted = Wanted(kinds or [], pool, service)
    try:
        with EventFiles(path) as files:
            _show(files.last(last, wanted), as_json=as_json)
            if follow:
                _follow(files, wanted, as_json=as_json)
            elif not path.exists():
                typer.echo(f"no event was ever written there: {path}", err=True)
    except KeyboardInterrupt:
        return
    except PermissionError as error:
        remedy = "use sudo, or the account that the service runs as"
        raise CommandLineError(f"{error.filename}: {error.strerror}", remedy) from error


def _check_kinds(kinds: list[str]) -> None:
    numbers = {str(kind.number) for kind in EVENTS.values()}
    for kind in kinds:
        if kind not in EVENTS and kind not in numbers:
            near = sorted(name for name in EVENTS if set(kind.split("-")) & set(name.split("-"))) or sorted(EVENTS)
            raise CommandLineError(f"there is no event {kind}", f"events: {', '.join(near)}", EXIT_USAGE)


def _event_log(config: Path | None) -> tuple[Path, str]:
    """Where the events are: a running service says it, otherwise the configuration does. And the mark of the service
    that is meant, since several may write to one file; empty when none is."""
    if config is not None:
        try:
            status = call(control_socket(config), GetStatus(), timeout=5.0)
        except ControlError:  # it does not run, or is not ours: the file's own place
            if not config.exists():
                raise CommandLineError(f"there is no file {config}", "correct --config, or leave it out") from None
            return Path(log_folder(str(config)), EVENT_LOG), service_mark(config)
        assert isinstance(status, Status)
        return Path(status.log_directory, EVENT_LOG), service_mark(config)
    if (running := meant_service()) is not None:
        return Path(running.status.log_directory, EVENT_LOG), service_mark(running.status.config_path)
    return Path(log_folder(str(default_configuration())), EVENT_LOG), ""


def _follow(files: EventFiles, wanted: Wanted, *, as_json: bool) -> None:
    """Show what is appended until the reader of a pipe has gone (or Ctrl-C)."""
    reader = select.poll()
    reader.register(sys.stdout.fileno(), 0)  # it tells errors only: nobody reads, the terminal is gone
    while not reader.poll(_LOOK_SECONDS * 1000):
        _show(filter(wanted, files.appended()), as_json=as_json)


def _show(found: Iterable[LoggedEvent], *, as_json: bool) -> None:
    for event in found:
        if as_json:
            typer.echo(json.dumps(_as_data(event)))
        elif sys.stdout.isatty():
            typer.echo(_for_people(event))
        else:
            typer.echo(event.line)


def _as_data(event: LoggedEvent) -> dict[str, object]:
    return {
        "time": _moment(event),
        "level": event.level,
        "number": event.number,
        "id": event.id,
        "text": event.text,
        "fields": dict(event.fields),
    }


def _for_people(event: LoggedEvent) -> str:
    """With colours, and a text of several lines as such: further lines are indented."""
    level = typer.style(event.level, fg=_COLOURS.get(event.level))
    first, *more = event.text.splitlines() or [""]
    facts = " ".join(f"{name}={value}" for name, value in event.fields.items())
    head = f"{_moment(event)} {level} {event.number} {typer.style(event.id, bold=True)} {safe(first).plain}"
    lines = [
        f"{head} {typer.style(safe(facts).plain, dim=True)}".rstrip(),
        *(f"    {safe(line).plain}" for line in more),
    ]
    return "\n".join(lines)


def _moment(event: LoggedEvent) -> str:
    day, clock = date_and_time(int(event.at))
    return f"{day}T{clock}Z"
