"""Step 9: which handler answers. `<handlers>` and the mappings that plugins bring, compiled for one set of settings.

IIS's order: the first entry whose path pattern and verb match and, when it demands a file or folder, for which there
is one of that kind. A wrong kind makes the search go on; a missing resource is 404.0; then the access policy and the
restriction list are asked. Everything that does not depend on the disk is decided once per URL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from host.api import HandlerMapping, HttpError, RequireAccess, ResourceType, ThreadingModel
from host.config.model import PathSettings
from host.config.names import AccessPolicy
from host.config.pipeline_entries import Handler
from host.worker.hooks import THREAD, Hook
from host.worker.main_thread import on_main_thread
from host.worker.physical_path import ResourceKind, look_at
from host.worker.plugin_error import PluginError
from host.worker.plugins import Plugin
from host.worker.preconditions import holds
from host.worker.url_patterns import WHOLE, Matcher, compile_pattern

FindPlugin = Callable[[str], Plugin | None]

_ACCESS: Final = {
    RequireAccess.READ: (AccessPolicy.READ, AccessPolicy.NO_REMOTE_READ, 2),
    RequireAccess.WRITE: (AccessPolicy.WRITE, AccessPolicy.NO_REMOTE_WRITE, 3),
    RequireAccess.SCRIPT: (AccessPolicy.SCRIPT, AccessPolicy.NO_REMOTE_SCRIPT, 1),
    RequireAccess.EXECUTE: (AccessPolicy.EXECUTE, AccessPolicy.NO_REMOTE_EXECUTE, 1),
}
_MANAGED: Final = "managedpipelinehandler"  # the schema's default of `modules`: without a type it names nothing


class Refusal(NamedTuple):
    """What an entry answers instead of running; an exception of its own is raised for each request."""

    status: int
    substatus: int
    detail: str
    remedy: str
    failure: str = ""

    def error(self, entry: Entry) -> HttpError:
        """The exception."""
        error = PluginError(self.status, self.substatus, self.detail, remedy=self.remedy, failure=self.failure)
        error.handler, error.module = entry.mapping.name, entry.module_names
        return error


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A compiled mapping: what it matches, what it demands, who answers."""

    mapping: HandlerMapping
    matcher: Matcher
    verbs: frozenset[str] | None  # compared with case; None: every verb
    hooks: tuple[Hook, ...]  # `handle` of its modules, in order
    module_names: str
    runs_in_process: bool  # some module must stay in inetinfo
    local_refusal: Refusal | None
    remote_refusal: Refusal | None


class Match(NamedTuple):
    """The entry that answers, and what the disk said."""

    entry: Entry
    script_length: int  # of the URL path; the rest is PATH_INFO
    resource: ResourceKind | None  # None: nobody looked


class Candidate(NamedTuple):
    """An entry whose pattern matches a path, and how long the script's part of the path may be, shortest first."""

    entry: Entry
    lengths: list[int]
    sure_match: Match | None  # of an entry that demands nothing of the disk


class HandlerMap:
    """The compiled entries of one `PathSettings`, in the order in which they are tested."""

    def __init__(
        self,
        settings: PathSettings,
        brought: Iterable[Plugin],
        find: FindPlugin,
        *,
        is_classic: bool = False,
        runtime_version: str = "",
    ) -> None:
        self.settings = settings  # kept: its identity is the cache's key
        compiled = [
            _configured_entry(handler, settings, find)
            for handler in settings.handlers
            if holds(handler.pre_condition, is_classic=is_classic, runtime_version=runtime_version)
        ]
        if settings.keeps_plugin_mappings:
            catch_all = next((at for at, entry in enumerate(compiled) if entry.mapping.path == "*"), len(compiled))
            removed = {*settings.removed_handlers, *(handler.name for handler in settings.handlers)}
            compiled[catch_all:catch_all] = [
                _brought_entry(mapping, plugin, settings, find)
                for plugin in brought
                for mapping in plugin.mappings
                if mapping.name not in removed
                and holds(mapping.pre_condition, is_classic=is_classic, runtime_version=runtime_version)
            ]
        self.entries: tuple[Entry, ...] = tuple(compiled)

    def candidates(self, path: str, application_path: str) -> tuple[Candidate, ...]:
        """The entries whose pattern matches, whatever the verb; the same for every request of that path."""
        found = ((entry, entry.matcher(path, application_path)) for entry in self.entries)
        return tuple(_candidate(entry, lengths, path) for entry, lengths in found if lengths)


def _candidate(entry: Entry, lengths: list[int], path: str) -> Candidate:
    sure_match = None
    if entry.mapping.resource_type is ResourceType.UNSPECIFIED:
        sure_match = Match(entry, len(path) if lengths[0] == WHOLE else lengths[0], None)
    return Candidate(entry, lengths, sure_match)


def without(candidates: Sequence[Candidate], names: Sequence[str]) -> tuple[Candidate, ...]:
    """The candidates but the mappings of those names."""
    return tuple(candidate for candidate in candidates if candidate.entry.mapping.name not in names)


def select(candidates: Sequence[Candidate], method: str, path: str, physical_path: str) -> Match:
    """The entry that answers. `physical_path` is the whole path's, final slash included.

    Raises HttpError 404.0 when the entry's resource is missing, 404.4 when no entry is left.
    """
    for candidate in candidates:
        entry = candidate.entry
        if entry.verbs is None or method in entry.verbs:
            match = candidate.sure_match or _meet_demand(candidate, path, physical_path)
            if match is not None:
                return match
    verbs = sorted({verb for candidate in candidates for verb in candidate.entry.verbs or ()})
    hint = f"mappings for this path take only {', '.join(verbs)}" if verbs else "no mapping's path matches"
    raise HttpError(
        404,
        4,
        f"no handler is configured for {method} {path}: {hint}",
        remedy="Add a mapping to <handlers>, or put back the catch-all StaticFile.",
    )


def foresee_managed(candidates: Sequence[Candidate], method: str, path: str, physical_path: str) -> bool:
    """Whether the handler that would be chosen now is managed: preCondition managedHandler asks before it is (as in
    IIS)."""
    try:
        return select(candidates, method, path, physical_path).entry.mapping.is_managed
    except HttpError:
        return False


def _meet_demand(candidate: Candidate, path: str, physical_path: str) -> Match | None:
    """The match, or None when what lies there is of the wrong kind. Raises HttpError 404.0 when nothing does."""
    entry = candidate.entry
    demand = entry.mapping.resource_type
    whole = len(path)
    lengths = [whole] if candidate.lengths[0] == WHOLE else candidate.lengths
    is_wrong_kind = False
    for length in lengths:
        resource = look_at(_prefix_path(physical_path, whole - length))
        if resource.exists:
            if _is_of_kind(resource, demand):
                return Match(entry, length, resource)
            is_wrong_kind = True
    if is_wrong_kind:
        return None
    if candidate.lengths[0] == WHOLE and demand is ResourceType.FILE:
        match = _script_above(entry, path, physical_path)
        if match is not None:
            return match
    raise _missing(entry, _prefix_path(physical_path, whole - lengths[0]))


def _missing(entry: Entry, physical_path: str) -> HttpError:
    """404.0. Made apart from where it is raised: a frame that holds what it raises is a circle for the collector, and
    crawlers ask for much that is not there."""
    error = HttpError(404, 0, f"{physical_path} does not exist", win32_status=2)
    error.handler, error.module = entry.mapping.name, entry.module_names
    error.remedy = (
        f"Make the file, or correct the link: the mapping {entry.mapping.name} ({entry.mapping.path}) "
        "answers for what exists."
    )
    return error


def _script_above(entry: Entry, path: str, physical_path: str) -> Match | None:
    """For `dir/*`: the longest prefix that is a file; what follows it is PATH_INFO. Stops at the first folder."""
    length = len(path.rstrip("/"))
    if length < len(path):  # /dir/script.cgi/: the tail is the slash
        resource = look_at(_prefix_path(physical_path, len(path) - length))
        if resource.exists:
            return Match(entry, length, resource) if resource.is_file else None
    while (length := path.rfind("/", 0, length)) > 0:
        resource = look_at(_prefix_path(physical_path, len(path) - length))
        if resource.is_file:
            return Match(entry, length, resource)
        if resource.is_directory:
            return None
    return None


def _prefix_path(physical_path: str, tail_length: int) -> str:
    return physical_path[: len(physical_path) - tail_length] if tail_length else physical_path


def _is_of_kind(resource: ResourceKind, demand: ResourceType) -> bool:
    if demand is ResourceType.FILE:
        return resource.is_file
    if demand is ResourceType.DIRECTORY:
        return resource.is_directory
    return True


# --- compiling


def chosen_entry(mapping: HandlerMapping, settings: PathSettings, find: FindPlugin) -> Entry:
    """The entry of a mapping that a module has chosen by itself (map_request_handler)."""
    return _entry(mapping, mapping.modules, settings, find, None)


def _configured_entry(handler: Handler, settings: PathSettings, find: FindPlugin) -> Entry:
    mapping = HandlerMapping(
        name=handler.name,
        path=handler.path,
        verbs=handler.verb,
        modules="" if handler.modules.lower() == _MANAGED and not handler.type else handler.modules,
        type=handler.type,
        script_processor=handler.script_processor,
        resource_type=ResourceType(handler.resource_type),
        require_access=RequireAccess(handler.require_access),
        pre_condition=handler.pre_condition,
        allow_path_info=handler.allow_path_info,
        response_buffer_limit=handler.response_buffer_limit,
        threading_model=ThreadingModel(handler.threading_model),
    )
    names = mapping.modules or _module_of_processor(mapping.script_processor)
    return _entry(mapping, names, settings, find, _restriction(mapping, settings, names, find))


def _brought_entry(mapping: HandlerMapping, plugin: Plugin, settings: PathSettings, find: FindPlugin) -> Entry:
    def find_own_first(name: str) -> Plugin | None:
        return plugin if name == plugin.name else find(name)

    named = mapping if mapping.modules else replace(mapping, modules=plugin.name)
    return _entry(named, named.modules, settings, find_own_first, None)


def _module_of_processor(processor: str) -> str:
    if not processor:
        return ""
    program = processor.partition("|")[0].lower()
    return "IsapiModule" if program.endswith((".so", ".dll")) else "CgiModule"


def _entry(
    mapping: HandlerMapping, names: str, settings: PathSettings, find: FindPlugin, restriction: Refusal | None
) -> Entry:
    plugins, missing = _plugins_of(names, find)
    refusal = missing or restriction
    verbs = None if mapping.verbs.strip() == "*" else frozenset(verb.strip() for verb in mapping.verbs.split(","))
    return Entry(
        mapping=mapping,
        matcher=compile_pattern(mapping.path),
        verbs=verbs,
        hooks=tuple(_called_as(mapping, plugin.hooks["handle"]) for plugin in plugins if "handle" in plugin.hooks),
        module_names=names,
        runs_in_process=any(plugin.is_in_process_only for plugin in plugins),
        local_refusal=_access_refusal(mapping, settings.access_policy, is_local=True) or refusal,
        remote_refusal=_access_refusal(mapping, settings.access_policy, is_local=False) or refusal,
    )


def _called_as(mapping: HandlerMapping, hook: Hook) -> Hook:
    """A plain `handle` runs where the mapping wants it to; the others look at the mapping by themselves."""
    if hook.kind == THREAD and mapping.threading_model is ThreadingModel.SINGLE:
        return on_main_thread(hook)
    return hook


def _plugins_of(names: str, find: FindPlugin) -> tuple[list[Plugin], Refusal | None]:
    """The plugins of a `modules` list. A name that nobody has is passed over when another one is known (IIS's lists
    name parts that are one plugin here); a plugin that failed stops the mapping: it may be there to protect it."""
    plugins: list[Plugin] = []
    unknown: list[str] = []
    for name in (text.strip() for text in names.split(",") if text.strip()):
        plugin = find(name)
        if plugin is None:
            unknown.append(name)
        elif not plugin.is_loaded:
            detail = f"the plugin {plugin.name} could not be loaded: {plugin.detail}"
            remedy = f"Correct {plugin.path or plugin.name}; `isapy list plugins` shows the state."
            return [], Refusal(500, 21, detail, remedy, plugin.failure)
        elif plugin not in plugins:
            plugins.append(plugin)
    if any("handle" in plugin.hooks for plugin in plugins):
        return plugins, None
    if plugins:
        detail = f"{', '.join(plugin.name for plugin in plugins)} has no handle hook"
    elif unknown:
        detail = f"no plugin is called {', '.join(unknown)}"
    else:
        detail = "the mapping names neither modules nor scriptProcessor"
    remedy = "Name a plugin that `isapy list plugins` shows as loaded; a type of .NET is none."
    return [], Refusal(500, 21, detail, remedy)


def _access_refusal(mapping: HandlerMapping, policy: AccessPolicy, *, is_local: bool) -> Refusal | None:
    if mapping.require_access is RequireAccess.NONE:
        return None
    needed, not_remote, substatus = _ACCESS[mapping.require_access]
    if needed in policy and (is_local or not_remote not in policy):
        return None
    wanted = mapping.require_access.value
    detail = f"the mapping {mapping.name} requires {wanted} access, the access policy does not grant it"
    if needed in policy:
        detail += " to remote clients"
    return Refusal(403, substatus, detail, f'Add {wanted} to <handlers accessPolicy="..."> for this path.')


def _restriction(mapping: HandlerMapping, settings: PathSettings, names: str, find: FindPlugin) -> Refusal | None:
    """isapiCgiRestriction: a configured program that is not built in must be allowed."""
    processor = mapping.script_processor
    if not processor or not _runs_programs(names, find):
        return None
    program = processor.partition("|")[0].strip()
    for restriction in settings.restrictions:
        if restriction.path in (processor, program, program.split()[0]):
            if restriction.allowed:
                return None
            return _restricted(f"{program} is listed in isapiCgiRestriction as not allowed", restriction.path)
    is_isapi = "isapimodule" in names.lower() or _module_of_processor(processor) == "IsapiModule"
    if settings.not_listed_isapis_allowed if is_isapi else settings.not_listed_cgis_allowed:
        return None
    return _restricted(f"{program} is not listed in isapiCgiRestriction", program)


def _runs_programs(names: str, find: FindPlugin) -> bool:
    """Whether one of the modules takes the scriptProcessor for a program; what is not loaded is believed to do so."""
    found = [find(name.strip()) for name in names.split(",") if name.strip()]
    return not found or any(plugin is None or plugin.runs_programs for plugin in found)


def _restricted(detail: str, path: str) -> Refusal:
    quote = "'" if '"' in path else '"'
    remedy = (
        f'Have <add path={quote}{path}{quote} allowed="true" /> in <isapiCgiRestriction> of applicationHost.config.'
    )
    return Refusal(404, 2, detail, remedy)
