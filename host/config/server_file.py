"""The server's file, loaded: from its text to a validated Snapshot and the document that web.config files build on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from host.bundled_files import bundled_folder
from host.config.document import Document, read_document
from host.config.errors import ConfigError, ConfigErrors
from host.config.expansion import Expander, root_folder, server_expander
from host.config.inheritance import Effective, in_force
from host.config.levels import application_path, concerns
from host.config.listener_builder import build_listener
from host.config.log_builder import LogBuilder
from host.config.model import Application, Binding, IsolationMode, Site, Snapshot
from host.config.problems import Problems
from host.config.schema import SECTIONS
from host.config.script_users import pools_with_script_users
from host.config.server_builder import build_pools, build_sites, build_web_limits
from host.config.validation import validate_server
from host.config.xml_reader import read_xml

_ISOLATION_NAMES: Final = {"workerprocess": IsolationMode.WORKER_PROCESS, "iis5": IsolationMode.IIS5}


@dataclass(frozen=True, slots=True)
class Source:
    """A server configuration as text. `path` says where it is from (messages, relative paths). `isolation`
    ("workerprocess", "iis5") overrides `<isolation mode>`, `port` the port of the first binding of the first site and
    of all that share it; empty and 0 leave the file's."""

    path: str
    text: bytes
    isolation: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class LoadedServer:
    """What one source says."""

    snapshot: Snapshot
    document: Document
    expander: Expander


def read_source(path: str, isolation: str = "", port: int = 0) -> Source:
    """Reads the file. Raises ConfigErrors when it cannot be read."""
    absolute = os.path.abspath(path)
    try:
        with open(absolute, "rb") as file:
            return Source(absolute, file.read(), isolation, port)
    except OSError as error:
        remedy = "give the path of an applicationHost.config, or make one with: isapy init FOLDER"
        problem = ConfigError(absolute, 1, "", "", f"it cannot be read: {error.strerror}", remedy)
        raise ConfigErrors([problem]) from error


def log_folder(path: str) -> str:
    """Where a service of this configuration file writes HTTPERR and the event log; the file need not be readable."""
    return _log_folder(server_expander(os.path.abspath(path), os.environ))


def _log_folder(expander: Expander) -> str:
    return expander.path("%ISAPY_STATE%/logs")


def load_server(source: Source, version: int, *, check_files: bool) -> LoadedServer:
    """Reads, builds and validates. `check_files`: folders and programs must exist. Raises ConfigErrors with all."""
    problems = Problems()
    server = inspect_server(source, version, problems, check_files=check_files)
    problems.raise_errors()
    return LoadedServer(replace(server.snapshot, warnings=_lines(problems.warnings)), server.document, server.expander)


def inspect_server(source: Source, version: int, problems: Problems, *, check_files: bool) -> LoadedServer:
    """The same, with everything wrong noted in `problems`. Raises ConfigErrors only for what is not XML."""
    expander = server_expander(source.path, os.environ)
    document = read_document(read_xml(source.text, source.path), expander, problems, is_web_config=False)
    return LoadedServer(
        _build(source, version, document, expander, problems, check_files=check_files), document, expander
    )


def _lines(warnings: list[ConfigError]) -> tuple[str, ...]:
    return tuple(
        str(warning) for warning in sorted(dict.fromkeys(warnings), key=lambda warning: (warning.file, warning.line))
    )


def _build(
    source: Source,
    version: int,
    document: Document,
    expander: Expander,
    problems: Problems,
    *,
    check_files: bool,
) -> Snapshot:
    sections = _server_sections(document, problems)
    pools = build_pools(sections["applicationPools"], problems)
    logs = LogBuilder(sections["log"], expander, problems)
    sites = _with_port(build_sites(sections["sites"], pools, logs, problems), source.port)
    root = root_folder(source.path)
    snapshot = Snapshot(
        version=version,
        path=source.path,
        isolation_mode=_isolation_mode(source, sections["isolation"], problems),
        max_concurrent_requests=sections["isolation"].number("maxConcurrentRequests"),
        sites=sites,
        pools=pools,
        web_limits=build_web_limits(sections["webLimits"]),
        listener=build_listener(sections["listener"], sections["applicationPools"], problems),
        log_directory=_log_folder(expander),
        temporary_directory=expander.path("%ISAPY_STATE%/temp"),
        extension_folders=plugin_folders(root, "extensions"),
        filter_folders=plugin_folders(root, "filters"),
    )
    snapshot = replace(snapshot, pools=pools_with_script_users(snapshot, document))
    validate_server(snapshot, document, sections, problems, check_files=check_files)
    return replace(snapshot, pool_fingerprints=_fingerprints(snapshot, document))


def _server_sections(document: Document, problems: Problems) -> dict[str, Effective]:
    """The sections that exist once for the server, by their short name."""
    contents = {fragment.section.path: fragment.content for fragment in document.fragments if not fragment.location}
    result: dict[str, Effective] = {}
    for path, section in SECTIONS.items():
        if not section.is_per_path:
            parts = [(contents[path], True)] if path in contents else []
            result[section.element.name] = in_force(section, parts, problems)
    return result


def _isolation_mode(source: Source, section: Effective, problems: Problems) -> IsolationMode:
    if not source.isolation:
        return IsolationMode(section.text("mode"))
    mode = _ISOLATION_NAMES.get(source.isolation.lower())
    if mode is None:
        message = f'the isolation mode "{source.isolation}" that was asked for is not known'
        problems.errors.append(ConfigError(source.path, 1, "", "", message, "ask for workerprocess or iis5"))
    return mode or IsolationMode.WORKER_PROCESS


def _with_port(sites: tuple[Site, ...], port: int) -> tuple[Site, ...]:
    """The port of the command line instead of the first binding's: in all bindings that share it, since sites that are
    told apart by host name or address move together. A first site without binding gets one."""
    if not port or not sites:
        return sites
    if not sites[0].bindings:
        first = replace(sites[0], bindings=(Binding(protocol="http", ip="", port=port, host=""),))
        return (first, *sites[1:])
    moved = next((one.port for one in sites[0].bindings if one.port), 0)  # a unix socket has none
    if not moved:
        return sites
    return tuple(
        replace(site, bindings=tuple(replace(one, port=port) if one.port == moved else one for one in site.bindings))
        for site in sites
    )


def own_plugin_folders(file: str) -> list[str]:
    """Where the server of that file may have drop-in files of its own."""
    return [os.path.join(root_folder(file), name) for name in ("extensions", "filters")]


def plugin_folders(root: str, name: str) -> tuple[str, ...]:
    """Where drop-in files of that family are searched: below the root, then isapy's own."""
    folders = []
    own = os.path.join(root, name)
    if os.path.isdir(own):
        folders.append(own)
    try:
        bundled = str(bundled_folder(name))
    except FileNotFoundError:
        return tuple(folders)
    if not any(os.path.realpath(folder) == os.path.realpath(bundled) for folder in folders):
        folders.append(bundled)
    return tuple(folders)


def _fingerprints(snapshot: Snapshot, document: Document) -> Mapping[str, str]:
    """By pool: a digest of everything in the file that its applications see besides the pool's own settings."""
    return {
        pool.name: _fingerprint(
            document,
            [
                (application, site)
                for site in snapshot.sites
                for application in site.applications
                if application.pool_name == pool.name
            ],
        )
        for pool in snapshot.pools
    }


def _fingerprint(document: Document, applications: list[tuple[Application, Site]]) -> str:
    """Empty for a pool without applications."""
    if not applications:
        return ""
    paths = [application_path(application) for application, _ in applications]
    parts: list[object] = [
        (
            fragment.section.path,
            fragment.location,
            fragment.override_mode.value,
            fragment.inherits_in_child_applications,
            fragment.content.node.canonical(),
        )
        for fragment in document.fragments
        if fragment.section.is_per_path
        and any(
            concerns(fragment.section, fragment.location, path) or concerns(fragment.section, path, fragment.location)
            for path in paths
        )
    ]
    parts += sorted((repr(application), site.name, site.limits.max_url_segments) for application, site in applications)
    parts.append(sorted(document.override_defaults.items()))
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
