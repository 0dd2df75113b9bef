"""From the server's file to the folders whose scripts run as somebody else. web.config files have no part in it: their
authors are those users."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from host.config.cgi_settings import POOLS_USER
from host.config.confinement import ProgramLimits
from host.config.model import Application
from host.config.store import ServerConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderRule:
    """What holds for the scripts below `path` (a folder or a file), which is `root`, a virtual directory's folder, or
    lies below it. `run_as` is Pool, FileOwner or a user's name; `processors` are the command lines of its script maps,
    `languages` its interpreters by language, `environment` the variables of its pool."""

    root: str
    path: str
    run_as: str
    processors: tuple[str, ...] = ()
    languages: Mapping[str, str] = field(default_factory=dict)
    limits: ProgramLimits = field(default_factory=ProgramLimits)
    environment: Mapping[bytes, bytes] = field(default_factory=dict)
    has_private_temp: bool = False


def folder_rules(configuration: ServerConfiguration, keys: Iterable[str]) -> list[FolderRule]:
    """Those of the applications `keys`, also of folders whose scripts stay the pool's."""
    rules: list[FolderRule] = []
    for key in keys:
        rules += _rules_of(configuration, configuration.snapshot.application(key))
    return rules


def _rules_of(configuration: ServerConfiguration, application: Application) -> Iterator[FolderRule]:
    pool = configuration.snapshot.pool(application.pool_name)
    environment = {os.fsencode(name): os.fsencode(value) for name, value in pool.environment_variables}
    for url_path, settings in configuration.server_settings_below(application):
        root, path = physical_place(application, url_path)
        yield FolderRule(
            root=root,
            path=path,
            run_as=settings.cgi.run_as,
            processors=tuple(one.script_processor for one in settings.handlers if one.script_processor),
            languages=settings.cgi.language_interpreters,
            limits=settings.cgi.limits,
            environment=environment,
            has_private_temp=settings.cgi.has_private_temp,
        )


def physical_place(application: Application, url_path: str) -> tuple[str, str]:
    """The folder of the virtual directory that shows the URL path, and what the path means in it."""
    folders = {
        f"{application.path.rstrip('/')}/{folder.path.strip('/')}".rstrip("/"): folder.physical_path.rstrip("/")
        for folder in application.virtual_directories
    }
    prefix = max((one for one in folders if f"{url_path}/".startswith(f"{one}/")), key=len)
    return folders[prefix], folders[prefix] + url_path[len(prefix) :].rstrip("/")


def rule_for(rules: Sequence[FolderRule], script: str) -> FolderRule | None:
    """The rule for that file: in each virtual directory the deepest one speaks, and of those that name another user
    than the pool's the one of the deepest directory. None: it runs as nobody else."""
    deepest: dict[str, FolderRule] = {}
    for rule in rules:
        is_above = f"{script}/".startswith(f"{rule.path}/")
        if is_above and (rule.root not in deepest or len(rule.path) > len(deepest[rule.root].path)):
            deepest[rule.root] = rule
    found = [rule for rule in deepest.values() if rule.run_as != POOLS_USER]
    return max(found, key=lambda rule: len(rule.root), default=None)
