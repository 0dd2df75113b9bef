"""`isapy check`: judges the configuration as a running service would, the web.config files included."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from host.cli.default_configuration import default_configuration
from host.cli.failures import EXIT_FAILED, CommandLineError
from host.cli.files_check import file_problems, program_problems
from host.cli.logon_check import logon_problems
from host.cli.machine_check import MachineReport, report_machine
from host.cli.names_check import name_problems
from host.cli.patience import patience
from host.cli.plugin_check import plugin_problems
from host.cli.python_check import python_problems
from host.cli.script_users_check import script_user_problems
from host.config.errors import ConfigError, ConfigErrors
from host.config.server_file import load_server
from host.config.store import ServerConfiguration, check_tree, read_source


def check(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="The applicationHost.config; without it conf/applicationHost.config, or else the samples' own.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs.")] = False,
) -> None:
    """Check the configuration files.

    The server's file and every web.config below its sites are judged as a running service would judge them.

    Each error comes with file, line, attribute and what to do; a warning names what isapy accepts and does not honour,
    what this kernel or this user does not give, plugins that will not be loaded, Python applications that will not
    start, managed types and addresses of servers that are none, error pages, log folders and programs for occasions
    that cannot be, scripts that may not run as their owners, and files of users that nobody can use. At the end
    stands what they do give, and whom pools run as.
    The exit status is 0 without errors and 1 with one or more.

    \b
    Example:
        isapy check --config mysite/conf/applicationHost.config
    """
    path = config or default_configuration()
    if not path.is_file():
        raise CommandLineError(f"there is no file {path}", "isapy init FOLDER makes a site to start from")
    with patience(f"checking {path}"):
        errors, warnings = _judge(path)
        machine = None if errors else _compare(path)
    if machine is not None:
        configuration = ServerConfiguration(read_source(str(path)), 1)
        further = [*machine.warnings, *python_problems(configuration), *name_problems(configuration)]
        further += file_problems(configuration)
        further += plugin_problems(configuration.snapshot)
        server = load_server(read_source(str(path)), 1, check_files=False)
        further += program_problems(server)
        further += script_user_problems(server, configuration, machine.machine)
        further += logon_problems(server, configuration, machine.machine)
        warnings = sorted([*warnings, *further], key=lambda problem: (problem.file, problem.line))
    if as_json:
        _show_json(path, errors, warnings, machine)
    else:
        _show_text(path, errors, warnings)
        for sentence in machine.sentences if machine is not None else ():
            typer.echo(f"  {sentence}", err=True)
    if errors:
        raise typer.Exit(EXIT_FAILED)


def _judge(path: Path) -> tuple[Sequence[ConfigError], Sequence[ConfigError]]:
    try:
        return check_tree(read_source(str(path)))
    except ConfigErrors as problems:  # the file cannot even be read
        return problems.errors, ()


def _compare(path: Path) -> MachineReport:
    """The configuration beside what this kernel and this user give."""
    return report_machine(load_server(read_source(str(path)), 1, check_files=False))


def _show_text(path: Path, errors: Sequence[ConfigError], warnings: Sequence[ConfigError]) -> None:
    for kind, problems in (("error", errors), ("warning", warnings)):
        for problem in problems:
            typer.echo(f"{kind}: {problem}")
    if errors:
        typer.echo(f"{path}: {_count(errors, 'error')}, {_count(warnings, 'warning')}", err=True)
    else:
        typer.echo(f"{path} is valid ({_count(warnings, 'warning')})", err=True)


def _show_json(
    path: Path, errors: Sequence[ConfigError], warnings: Sequence[ConfigError], machine: MachineReport | None
) -> None:
    result = {
        "config": str(path.absolute()),
        "valid": not errors,
        "errors": [asdict(problem) for problem in errors],
        "warnings": [asdict(problem) for problem in warnings],
        "machine": asdict(machine.machine) if machine is not None else None,
        "pools": machine.pools if machine is not None else {},
        "front": machine.front if machine is not None else "",
    }
    typer.echo(json.dumps(result, indent=2))


def _count(problems: Sequence[ConfigError], word: str) -> str:
    return f"{len(problems)} {word}{'' if len(problems) == 1 else 's'}"
