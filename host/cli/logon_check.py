"""The part of `isapy check` that looks at files of users and groups, and at who may see a password on its way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from host.authentication.user_files import parse_groups, parse_users, read_text, told_of
from host.config.document import Fragment
from host.config.errors import ConfigError
from host.config.levels import concerns, segments_of
from host.config.logon import Logon
from host.config.logon_check import BASIC
from host.config.model import Application, Binding, IsolationMode, PathSettings, Site, Snapshot
from host.config.server_file import LoadedServer
from host.config.store import ServerConfiguration
from host.confinement.errors import ConfinementError
from host.confinement.identity import account_for
from host.confinement.machine import Machine
from host.confinement.rules import is_below
from host.doctor.script import Identity

_OWN_MACHINE: Final = ("127.", "[::1]", "localhost")


def logon_problems(server: LoadedServer, configuration: ServerConfiguration, machine: Machine) -> list[ConfigError]:
    """A warning for each thing, at the basicAuthentication of the server's file that brings it about."""
    fragments = [one for one in server.document.fragments if one.section.path == BASIC]
    problems: list[ConfigError] = []
    for site in configuration.snapshot.sites if fragments else ():
        for application in site.applications:
            for url_path, settings in configuration.server_settings_below(application):
                if settings.logon is not None and settings.logon.uses_basic:
                    place = _fragment_for(fragments, site, url_path)
                    problems += _of_path(place, site, application, settings, settings.logon, server.snapshot, machine)
    return list(dict.fromkeys(problems))


def _fragment_for(fragments: Iterable[Fragment], site: Site, url_path: str) -> Fragment:
    location = (site.name.lower(), *segments_of(url_path))
    above = [one for one in fragments if concerns(one.section, one.location, location)]
    return max(above, key=lambda one: len(one.location))


def _of_path(
    place: Fragment,
    site: Site,
    application: Application,
    settings: PathSettings,
    logon: Logon,
    snapshot: Snapshot,
    machine: Machine,
) -> Iterator[ConfigError]:
    node = place.content.node
    readers: dict[str, tuple[str, Callable[[str], object]]] = {
        "userFile": (logon.user_file, parse_users),
        "groupFile": (logon.group_file, parse_groups),
    }
    for attribute, (path, parse) in readers.items():
        for message, remedy in _of_file(path, parse, application, snapshot, machine) if path else ():
            yield node.error(message, remedy, attribute=attribute)
    open_binding = next((one for one in site.bindings if _is_readable_on_its_way(one)), None)
    if open_binding is not None and "Ssl" not in settings.ssl_flags:
        message = f"passwords can be read on their way to {open_binding.endpoint}: it speaks http"
        remedy = 'have an https binding, and add <access sslFlags="Ssl" />'
        yield node.error(message, remedy, attribute="enabled")


def _of_file(
    path: str, parse: Callable[[str], object], application: Application, snapshot: Snapshot, machine: Machine
) -> Iterator[tuple[str, str]]:
    try:
        text, _ = read_text(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        yield f"{path} cannot be read: {why}", "make it with: htpasswd -cB FILE NAME, or correct the path"
        return
    if problems := getattr(parse(text), "problems", ()):
        yield told_of(path, problems), "correct the file; it is read again when it changes"
    if (account := _reader(application, snapshot, machine)) is not None and (closed := _closed_to(path, account)):
        remedy = f"chgrp {_group(account)} {path}; chmod 640 {path}; let it pass the folders above"
        yield f"pool {application.pool_name} cannot read {path}: {closed} is closed to {account.name}", remedy
    for site in snapshot.sites:
        for one in site.applications:
            for folder in one.virtual_directories:
                if is_below(os.path.realpath(path), os.path.realpath(folder.physical_path)):
                    message = f"{path} lies in a folder that site {site.name} shows: it may be served"
                    yield message, f"move it out of {folder.physical_path}"


def _reader(application: Application, snapshot: Snapshot, machine: Machine) -> Identity | None:
    """Whom the pool becomes; None: who is asking now."""
    if snapshot.isolation_mode is IsolationMode.IIS5 or not machine.may_change_identity:
        return None
    try:
        account = account_for(snapshot.pool(application.pool_name).confinement.identity)
    except ConfinementError:  # that is told elsewhere
        return None
    if account is None:
        return None
    return Identity(name=str(account), uid=account.user, groups=frozenset((account.group, *account.groups)))


def _group(account: Identity) -> str:
    return str(min(account.groups, default=account.uid))


def _closed_to(path: str, account: Identity) -> str:
    """The folder or file on the way that its permission bits close to the account; empty when there is none."""
    real = os.path.realpath(path)
    names = real.strip("/").split("/")
    for count in range(len(names) + 1):
        current = "/" + "/".join(names[:count])
        status = os.stat(current)
        wanted = 4 if current == real else 1
        if not account.may(wanted, status.st_mode, status.st_uid, status.st_gid):
            return current
    return ""


def _is_readable_on_its_way(binding: Binding) -> bool:
    return binding.protocol == "http" and not binding.path and not binding.ip.startswith(_OWN_MACHINE)
