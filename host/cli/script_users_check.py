"""What keeps scripts from running as the users whom `cgi/@runAs` means: for `isapy check` and `isapy doctor`."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from host.config.cgi_settings import FILE_OWNER, POOLS_USER, run_as
from host.config.document import Fragment
from host.config.errors import ConfigError
from host.config.levels import is_above, segments_of
from host.config.script_users import RUN_AS, run_as_fragments
from host.config.server_file import LoadedServer
from host.config.store import ServerConfiguration
from host.confinement.machine import Machine
from host.doctor.examination import Verdict, examine
from host.doctor.gather import identity_of, scripts_of
from host.doctor.script import Finding, Identity, Script, Severity
from host.script_users.checks import Refusal, refusals
from host.script_users.look import facts_of, find_user, open_script
from host.script_users.rules import FolderRule, folder_rules, physical_place, rule_for

MOST_TOLD: Final = 50
"""Scripts that are told of; what is wrong with a folder is wrong with all of its scripts."""


def script_user_problems(
    server: LoadedServer, configuration: ServerConfiguration, machine: Machine
) -> list[ConfigError]:
    """A warning for each script below a folder with `runAs` that would be refused, at the line that says so."""
    fragments = list(run_as_fragments(server.document))
    problems = [problem for one in fragments for problem in _of_element(one, machine)]
    sites = configuration.snapshot.sites
    keys = [application.key for site in sites for application in site.applications]
    rules = folder_rules(configuration, keys) if fragments else []
    problems += islice(_of_scripts(configuration, fragments, rules, machine), MOST_TOLD)
    return list(dict.fromkeys(problems))


def _of_element(fragment: Fragment, machine: Machine) -> Iterator[ConfigError]:
    node = fragment.content.node
    wanted = run_as(node.attributes[RUN_AS])
    if wanted != FILE_OWNER and find_user(wanted, None) is None:
        message, remedy = f'this machine has no user "{wanted}"', "make the user, or correct the name"
        yield node.error(message, remedy, attribute=RUN_AS)
    if not machine.may_change_identity:
        message = f"isapy started by {machine.account} may become nobody else: scripts of other users are refused"
        yield node.error(message, "start isapy as root, or take runAs away", attribute=RUN_AS)


def _of_scripts(
    configuration: ServerConfiguration, fragments: Sequence[Fragment], rules: Sequence[FolderRule], machine: Machine
) -> Iterator[ConfigError]:
    told: set[str] = set()
    for site in configuration.snapshot.sites:
        for application in site.applications:
            for url_path, settings in configuration.server_settings_below(application):
                if settings.cgi.run_as == POOLS_USER:
                    continue
                location = (site.name.lower(), *segments_of(url_path))
                above = [one for one in fragments if is_above(one.location, location)]
                node = max(above, key=lambda one: len(one.location)).content.node
                for script in _scripts_below(physical_place(application, url_path)[1]):
                    rule = rule_for(rules, script.path)
                    if rule is None or script.path in told:
                        continue
                    told.add(script.path)
                    for refusal in _refusals(script.path, rule.root, rule.run_as, machine.account.user):
                        text = f"it is refused: {refusal.reason} (check: {refusal.check})"
                        yield node.error(text, refusal.remedy, attribute=RUN_AS)
                        break


def _scripts_below(path: str) -> Iterable[Script]:
    if os.path.isdir(path):
        return scripts_of(Path(path))
    folder = Path(path).parent
    return (script for script in scripts_of(folder) if script.path == path) if folder.is_dir() else ()


def _refusals(script: str, root: str, wanted: str, own_user: int) -> Iterator[Refusal]:
    opened = open_script(root, script)
    opened.close()
    return refusals(facts_of(opened, script, root, wanted, may_become=True, own_user=own_user))


def examine_as(
    scripts: Iterable[Script], wanted: str, folder: Path, identity: Identity, *, runs_perl: bool
) -> list[Verdict]:
    """`host.doctor.examination.examine` for scripts that run as `wanted` (FileOwner, or a name), `folder` being the
    virtual directory's. A script whose user does not exist is examined for `identity`."""
    by_user: defaultdict[str, list[Script]] = defaultdict(list)
    order = list(scripts)
    for script in order:
        by_user[str(script.owner) if wanted == FILE_OWNER else wanted].append(script)
    verdicts: dict[str, Verdict] = {}
    for user, theirs in by_user.items():
        whom = identity if find_user(user, None) is None else identity_of(user)
        for verdict in examine(theirs, whom, runs_perl=runs_perl):
            found = _refusals(verdict.script.path, str(folder), wanted, identity.uid)
            refused = [
                Finding(
                    rule=f"run-as-{refusal.check}",
                    severity=Severity.ERROR,
                    text=refusal.reason,
                    remedy=refusal.remedy,
                )
                for refusal in found
            ]
            findings = (*refused, *verdict.findings)
            verdicts[verdict.script.path] = replace(verdict, findings=findings)
    return [verdicts[script.path] for script in order]
