"""`isapy doctor`: what is found about a folder of old scripts, for people or as JSON, and what `--fix` has done."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from host.cli.failures import EXIT_FAILED, EXIT_USAGE, CommandLineError
from host.cli.patience import patience
from host.cli.script_users_check import examine_as
from host.config.cgi_settings import FILE_OWNER, POOLS_USER, run_as
from host.config.expansion import state_folder
from host.doctor.examination import Verdict, examine
from host.doctor.gather import identity_of, scripts_of
from host.doctor.repair import Repaired, repair
from host.doctor.script import Finding, Identity, Severity

_COLOURS: Final = {Severity.ERROR: typer.colors.RED, Severity.WARNING: typer.colors.YELLOW, Severity.NOTE: None}


def doctor(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder of CGI scripts.")],
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend line ends, byte order marks and missing execute permission.")
    ] = False,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Whom the scripts will run as, the pool's identity. [you]")
    ] = "",
    run_as_whom: Annotated[
        str,
        typer.Option(
            "--run-as",
            metavar="NAME",
            help='What <cgi runAs="..."> will say: FileOwner, or a user. FOLDER is the site\'s.',
        ),
    ] = "",
    perl_c: Annotated[
        bool, typer.Option("--perl-c", help="Ask perl -c too. It runs the BEGIN blocks of the scripts.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output; its keys are stable.")] = False,
) -> None:
    """Say of each script of a folder whether it runs, and if not why.

    Scripts are *.cgi *.py *.pl *.sh, and in folders named cgi-bin whatever looks like a program. None of them is run:
    their first lines, permissions, line ends, syntax and modules are looked at, with the interpreters that they name.

    --fix copies a file before it changes it, and says where the copies are. It never touches what a script does.
    The exit status is 0 when all of them will run (warnings or not), and 1 when one or more will not.

    \b
    Examples:
        isapy doctor /usr/lib/cgi-bin
        isapy doctor ~/old-site --user www-data
        isapy doctor /srv/www --run-as FileOwner
        isapy doctor ~/old-site --fix
    """
    if not folder.is_dir():
        raise CommandLineError(f"{folder} is no folder", "isapy doctor FOLDER looks at a folder of scripts", EXIT_USAGE)
    try:
        identity = identity_of(user)
        wanted = run_as(run_as_whom)
        if wanted not in ("", POOLS_USER, FILE_OWNER):
            user, identity = wanted, identity_of(wanted)
    except (KeyError, ValueError) as error:
        raise CommandLineError(f"there is no user {user}", "getent passwd lists them", EXIT_USAGE) from error
    folder = folder.resolve()
    repaired: list[Repaired] = []
    backups = Path(state_folder(os.environ), "doctor", f"{folder.name or 'root'}-{time.strftime('%Y%m%dT%H%M%S')}")
    with patience(f"looking at {folder}"):
        verdicts = _examine(folder, identity, wanted, runs_perl=perl_c)
        if fix:
            attempts = (repair(verdict.script, verdict.findings, folder, backups) for verdict in verdicts)
            repaired = [attempt for attempt in attempts if attempt is not None]
            verdicts = _examine(folder, identity, wanted, runs_perl=perl_c) if repaired else verdicts
    whom = "the owners of their files" if wanted == FILE_OWNER else identity.name
    if as_json:
        typer.echo(json.dumps(_as_data(folder, whom, verdicts, repaired, backups), indent=2))
    else:
        _show(folder, whom, verdicts)
        _show_repaired(folder, repaired, backups)
    if not all(verdict.will_run for verdict in verdicts):
        raise typer.Exit(EXIT_FAILED)


def _examine(folder: Path, identity: Identity, wanted: str, *, runs_perl: bool) -> list[Verdict]:
    if wanted in ("", POOLS_USER):
        return examine(scripts_of(folder), identity, runs_perl=runs_perl)
    return examine_as(scripts_of(folder), wanted, folder, identity, runs_perl=runs_perl)


def _show(folder: Path, whom: str, verdicts: Sequence[Verdict]) -> None:
    for verdict in verdicts:
        path = os.path.relpath(verdict.script.path, folder)
        mark = typer.style("runs    ", fg=typer.colors.GREEN) if verdict.will_run else typer.style("will not", fg="red")
        typer.echo(f"{mark}  {path}" + (f"  ({verdict.interpreter})" if verdict.interpreter else ""))
        for finding in verdict.findings:
            kind = typer.style(finding.severity.value, fg=_COLOURS[finding.severity])
            typer.echo(f"          {kind}: {_line(finding)}{finding.text}")
            if finding.remedy:
                typer.echo(f"              {finding.remedy}")
    running = sum(1 for verdict in verdicts if verdict.will_run)
    count, mendable = len(verdicts), _mendable(verdicts)
    typer.echo(f"{folder}: {count} script{'' if count == 1 else 's'}, {running} will run as {whom}", err=True)
    if mendable:
        typer.echo(
            f"{mendable} of these findings can be mended: isapy doctor --fix {shlex.quote(str(folder))}", err=True
        )


def _show_repaired(folder: Path, repaired: Sequence[Repaired], backups: Path) -> None:
    for each in repaired:
        path = os.path.relpath(each.path, folder)
        what = f"left alone: {each.refused}" if each.refused else ", ".join(done.value for done in each.done)
        typer.echo(f"{path}: {what}", err=True)
    if any(each.done for each in repaired):
        undo = f"cp -a {shlex.quote(str(backups))}/. {shlex.quote(str(folder))}"
        typer.echo(f"The files as they were: {backups}\nTo undo it all:  {undo}", err=True)


def _mendable(verdicts: Sequence[Verdict]) -> int:
    return sum(1 for verdict in verdicts for finding in verdict.findings if finding.repair is not None)


def _line(finding: Finding) -> str:
    return f"line {finding.line}: " if finding.line else ""


def _as_data(
    folder: Path, whom: str, verdicts: Sequence[Verdict], repaired: Sequence[Repaired], backups: Path
) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "user": whom,
        "scripts": [
            {
                "path": os.path.relpath(verdict.script.path, folder),
                "language": verdict.script.language,
                "interpreter": verdict.interpreter,
                "will_run": verdict.will_run,
                "findings": [_finding_as_data(finding) for finding in verdict.findings],
            }
            for verdict in verdicts
        ],
        "fixed": [
            {
                "path": os.path.relpath(each.path, folder),
                "done": [done.name.lower() for done in each.done],
                "refused": each.refused,
            }
            for each in repaired
        ],
        "backups": str(backups) if any(each.done for each in repaired) else "",
    }


def _finding_as_data(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "line": finding.line,
        "text": finding.text,
        "remedy": finding.remedy,
        "can_be_fixed": finding.repair is not None,
    }
