"""Cross-references of the server's file: what fits together and what exists. Notes every problem, not the first."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import TypeVar

from host.config.binding_builder import build_binding
from host.config.carried_out import check_carried_out
from host.config.document import Document, Fragment
from host.config.entry_check import PLUGIN_GROUP, HandlerModules, check_names_somebody, check_pre_condition, drop_ins
from host.config.expansion import root_folder
from host.config.extension_check import check_extensions
from host.config.ignored_pool_settings import warn_of_ignored_listener_settings, warn_of_ignored_pool_settings
from host.config.inheritance import Effective, Entry, overlay
from host.config.levels import Level, applicable, application_path, sections_in_force
from host.config.logon_check import check_logon
from host.config.managed_check import check_pipeline_mode
from host.config.model import Application, Binding, IsolationMode, Site, Snapshot, VirtualDirectory
from host.config.names import is_managed_type
from host.config.path_settings import is_loadable_module
from host.config.pool_confinement import check_confinement, check_listener_user
from host.config.problems import Problems
from host.config.section_reader import Content, DirectiveKind
from host.config.threading_check import check_threading_model
from host.config.tls_check import TlsCheck
from host.config.turns_check import warn_of_few_turns
from host.config.values import nearest_name, suggestion
from host.config.xml_reader import Node

Part = TypeVar("Part", Application, VirtualDirectory)


def validate_server(
    snapshot: Snapshot,
    document: Document,
    sections: Mapping[str, Effective],
    problems: Problems,
    *,
    check_files: bool,
) -> None:
    """Everything that no single attribute can tell. `check_files`: folders, plugins and programs must exist."""
    _SiteCheck(snapshot, sections["sites"], problems, check_files=check_files).run()
    check_confinement(sections["applicationPools"], snapshot.pools, problems, check_machine=check_files)
    if check_files:
        check_listener_user(sections["listener"], problems)
    if snapshot.isolation_mode is IsolationMode.IIS5:
        warn_of_ignored_listener_settings(sections["listener"], problems)
        warn_of_ignored_pool_settings(sections["applicationPools"], problems)
    else:
        warn_of_few_turns(sections["applicationPools"], snapshot.listener.processes, problems)
    _check_locations(snapshot, document, problems)
    _check_merging(snapshot, document, problems)
    check_extensions(document, problems)
    if check_files:
        check_plugins(snapshot, document, problems)


class _SiteCheck:
    def __init__(self, snapshot: Snapshot, sites: Effective, problems: Problems, *, check_files: bool) -> None:
        self._snapshot = snapshot
        self._sites = sites
        self._problems = problems
        self._check_files = check_files
        self._pools = {pool.name.lower() for pool in snapshot.pools}
        self._bound: dict[tuple[str, int, str], Site] = {}
        self._tls = TlsCheck()

    def run(self) -> None:
        ids: dict[int, str] = {}
        for entry, site in zip(self._sites.entries, self._snapshot.sites, strict=True):
            node = entry.effective.node
            assert node is not None  # every site was written by somebody
            if site.id in ids:
                message = f"site {ids[site.id]} has the id {site.id} too"
                self._problems.errors.append(node.error(message, "give each site its own id", attribute="id"))
            ids.setdefault(site.id, site.name)
            self._bindings(entry.effective, site)
            self._certificates(entry.effective, site)
            self._applications(entry.effective, site)

    def _bindings(self, effective: Effective, site: Site) -> None:
        site_with_defaults = overlay(self._sites.child("siteDefaults"), effective)
        nodes = _binding_nodes(site_with_defaults)
        seen: set[tuple[str, int, str]] = set()
        for index, binding in enumerate(site.bindings):
            node = nodes[index] if index < len(nodes) else effective.node
            other = self._bound.setdefault(binding.claim, site)
            is_own = binding.claim in seen
            seen.add(binding.claim)
            if node is None or (other is site and not is_own):
                continue
            message = f"site {(site if is_own else other).name} has this binding ({_shown(binding)}) already"
            remedy = "choose another address, port or host name"
            if is_own:
                self._problems.errors.append(node.error(message, remedy, attribute="bindingInformation"))
            elif site.auto_start and other.auto_start:  # as in IIS: only one of them can be started at a time
                message += f"; {site.name} stays stopped while {other.name} is started"
                self._problems.warnings.append(node.error(message, remedy, attribute="bindingInformation"))

    def _certificates(self, effective: Effective, site: Site) -> None:
        nodes = _binding_nodes(overlay(self._sites.child("siteDefaults"), effective))
        for index, binding in enumerate(site.bindings):
            node = nodes[index] if index < len(nodes) else effective.node
            if node is None:
                continue
            for problem in self._tls.problems_of(binding, check_files=self._check_files):
                error = node.error(problem.message, problem.remedy, attribute=problem.attribute)
                self._problems.errors.append(error)

    def _applications(self, effective: Effective, site: Site) -> None:
        node = effective.node
        if node is not None and not any(application.path == "/" for application in site.applications):
            remedy = 'add <application path="/"> with a virtualDirectory'
            self._problems.errors.append(node.error(f"site {site.name} has no root application", remedy))
        for own, application in _paired(effective.entries, site.applications):
            self._pool(own, application.pool_name)
            self._folders(own, application)

    def _pool(self, application: Effective, name: str) -> None:
        if name.lower() in self._pools or application.node is None:
            return
        known = [pool.name for pool in self._snapshot.pools]
        nearest = nearest_name(name, known)
        remedy = f"did you mean {nearest}?" if nearest else f'add <add name="{name}" /> to applicationPools'
        message = f'there is no application pool "{name}"'
        self._problems.errors.append(application.node.error(message, remedy, attribute="applicationPool"))

    def _folders(self, effective: Effective, application: Application) -> None:
        node = effective.node
        if node is not None and not any(entry.effective.text("path") == "/" for entry in effective.entries):
            remedy = 'add <virtualDirectory path="/" physicalPath="..." />'
            message = f"application {application.path} of site {application.site_name} has no root virtual directory"
            self._problems.errors.append(node.error(message, remedy))
        for own, folder in _paired(effective.entries, application.virtual_directories):
            self._folder(own, folder.physical_path)

    def _folder(self, folder: Effective, path: str) -> None:
        node = folder.node_of("physicalPath")
        if node is None:
            return
        if not path:
            error = node.error("it is required", "add it", attribute="physicalPath")
            if "physicalPath" not in node.attributes:  # a wrong one was noted when it was read
                self._problems.errors.append(error)
        elif self._check_files and is_missing(path, folder=True):
            remedy = f"make it with: mkdir -p {shlex.quote(path)}, or correct the path"
            message = f"the folder {path} does not exist"
            self._problems.errors.append(node.error(message, remedy, attribute="physicalPath"))


def _paired(entries: Iterable[Entry], built: Iterable[Part]) -> Iterator[tuple[Effective, Part]]:
    """What each entry says, and what was built of it: in the order of the file, also when a path stands there twice
    (which is an error of its own)."""
    by_path: dict[str, list[Part]] = {}
    for part in built:
        by_path.setdefault(part.path, []).append(part)
    for entry in entries:
        yield entry.effective, by_path[entry.effective.text("path")].pop(0)


def is_missing(path: str, *, folder: bool = False) -> bool:
    """Whether there is certainly no such file (or folder). A path that may not be looked at counts as present."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
    except ValueError:  # a NUL or a lone surrogate
        return True
    return folder and not stat.S_ISDIR(mode)


def _binding_nodes(site: Effective) -> list[Node]:
    """Where the bindings of `Site.bindings` stand, in the same order."""
    noted = Problems()  # they were noted when the site was built
    return [
        entry.effective.node
        for entry in site.child("bindings").entries
        if entry.effective.node is not None and build_binding(entry.effective, noted) is not None
    ]


def _shown(binding: Binding) -> str:
    return f"{binding.endpoint}:{binding.host}"


def _check_locations(snapshot: Snapshot, document: Document, problems: Problems) -> None:
    names = {site.name.lower(): site.name for site in snapshot.sites}
    for fragment in document.fragments:
        if fragment.location and fragment.location[0] not in names:
            message = f'this stands in a location of a site "{fragment.location[0]}" that does not exist'
            remedy = suggestion(fragment.location[0], names.values())
            problems.warnings.append(fragment.content.node.error(message, remedy))


def _check_merging(snapshot: Snapshot, document: Document, problems: Problems) -> None:
    """Every application and every location below it is resolved once, so that duplicates show before any request."""
    levels = [Level(document, ())]
    sections_in_force(applicable(levels, (), ()), problems)
    for site in snapshot.sites:
        for application in site.applications:
            path = application_path(application)
            below = {fragment.location for fragment in document.fragments if fragment.location[: len(path)] == path}
            for target in sorted({path, *below}):
                sections = sections_in_force(applicable(levels, target, path), problems)
                check_carried_out(sections, problems)
                check_logon(sections, problems)
                check_pipeline_mode(sections, application, snapshot, problems)
                check_threading_model(sections, application, snapshot, problems)


def check_plugins(snapshot: Snapshot, document: Document, problems: Problems) -> None:
    """Filters and modules that `document` lists, modules and programs that its handlers name, their conditions."""
    handler_modules = HandlerModules((*snapshot.extension_folders, *snapshot.filter_folders))
    for fragment in document.fragments:
        name = fragment.section.element.name
        if name in ("isapiFilters", "modules", "handlers", "httpModules"):
            for entry in _added(fragment):
                check_pre_condition(entry, problems)
        if name == "isapiFilters":
            for entry in _added(fragment):
                if entry.values.get("enabled", True):
                    _check_plugin(entry, "path", snapshot, problems)
        elif name == "modules":
            for entry in _added(fragment):
                _check_module(entry, snapshot, problems)
        elif name == "handlers":
            for entry in _added(fragment):
                check_names_somebody(entry, problems)
                handler_modules.check(entry, problems)
                _check_program(entry, problems)
                _check_type(entry, "the mapping runs its modules or scriptProcessor", problems)
        elif name in ("httpModules", "httpHandlers"):
            for entry in _added(fragment):
                _check_type(entry, "the entry is ignored", problems)


def _added(fragment: Fragment) -> Iterator[Content]:
    for directive in fragment.content.directives:
        if directive.kind is DirectiveKind.ADD:
            yield directive.content


def _check_module(entry: Content, snapshot: Snapshot, problems: Problems) -> None:
    name, module_type = str(entry.values["name"]), str(entry.values.get("type", ""))
    if is_managed_type(module_type):
        return  # which folders it may lie in depends on the application
    if is_loadable_module(name, module_type):
        _check_plugin(entry, "type", snapshot, problems)
    elif module_type:
        message = f'"{module_type}" is a type of .NET, which isapy cannot run; the module is ignored'
        problems.warnings.append(
            entry.node.error(message, "name the file of a plugin or a class: module:Class", attribute="type")
        )


def _check_type(entry: Content, consequence: str, problems: Problems) -> None:
    """A type of .NET where a managed class is named."""
    named = str(entry.values.get("type", ""))
    if named and not is_managed_type(named):
        message = f'"{named}" is a type of .NET, which isapy cannot run; {consequence}'
        problems.warnings.append(entry.node.error(message, "name a class: module:Class", attribute="type"))


def _check_plugin(entry: Content, attribute: str, snapshot: Snapshot, problems: Problems) -> None:
    path = str(entry.values.get(attribute, ""))
    if os.path.isabs(path):
        if is_missing(path):
            message = f"the file {path} does not exist"
            problems.errors.append(entry.node.error(message, "correct the path", attribute=attribute))
        return
    name = path or str(entry.values["name"])
    folders = (*snapshot.filter_folders, *snapshot.extension_folders)
    if any(os.path.exists(os.path.join(folder, f"{name}.py")) for folder in folders):
        return
    if name in metadata.entry_points(group=PLUGIN_GROUP).names:
        return
    remedy = f"put {name}.py into {os.path.join(root_folder(snapshot.path), 'filters')}"
    if nearest := nearest_name(name, drop_ins(folders)):
        remedy = f"did you mean {nearest}?"
    elif not name.isidentifier():
        remedy = "a plugin's name is a Python identifier: correct it, or name the plugin's file by path"
    problems.errors.append(entry.node.error(f'there is no plugin "{name}"', remedy, attribute="name"))


def program_of(script_processor: str) -> str:
    """The program of a scriptProcessor: all before `|` if there is such a file (its name may hold spaces), else the
    first word, or what stands in quotes. Empty when there is none."""
    if script_processor.startswith('"'):
        return script_processor[1:].split('"', 1)[0]
    whole = script_processor.split("|", 1)[0]
    return whole if os.path.isabs(whole) and not is_missing(whole) else whole.split(" ", 1)[0]


def _check_program(entry: Content, problems: Problems) -> None:
    program = program_of(str(entry.values.get("scriptProcessor", "")))
    if os.path.isabs(program) and is_missing(program):
        message = f"the program {program} does not exist (yet)"
        problems.warnings.append(
            entry.node.error(message, "install it or correct the path", attribute="scriptProcessor")
        )
