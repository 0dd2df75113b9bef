"""The plugins of one worker: which there are, what became of each, and who is called for what.

Extensions that lie in a folder load by themselves. Filters and modules load when the configuration lists them; a
filter's file that nobody lists is shown as `not listed`, with the line to add. A plugin that cannot be loaded answers
500.21 where it is mapped and is missing elsewhere; the worker lives on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from host.api import (
    BlackBox,
    FilterInfo,
    HandlerMapping,
    ModuleInfo,
    PluginContext,
    ProgramLauncher,
    ScriptRun,
    Threads,
)
from host.api.ctrl_c import is_ctrl_c
from host.api.plugins import ProcessSource
from host.wire.message_rows import KnownPlugin, PluginRow
from host.worker.declarations import NO_FILTER_INFO, NO_MODULE_INFO, Declarations, known_ahead, read_declarations
from host.worker.filter_context import with_contexts
from host.worker.hooks import Hook, PluginFault, implements_any, register
from host.worker.hooks import unregister as take_out
from host.worker.isapi_plugins import HTTP_EXTENSION_PROC, IsapiPlugin, carry
from host.worker.known_plugins import known_plugins, recall
from host.worker.plugin_code import PluginCode
from host.worker.plugin_loader import (
    EXTENSION_PREFIX,
    FILTER_PREFIX,
    load_plugin_file,
    traceback_text,
    where,
)

LOADED: Final = "loaded"
FAILED: Final = "failed"
NOT_LISTED: Final = "not listed"
EXTENSION: Final = "extension"
FILTER: Final = "filter"
MODULE: Final = "module"
_NO_RAW_DATA: Final = "on_read_raw_data needs IIS 5 isolation mode; the filter is not used"
_RAW_DATA_OF_A_SITE: Final = (
    "on_read_raw_data sees bytes before their site is known; list the filter for the server, it is not used for a site"
)


class ReportEvent(Protocol):
    """A line in the event log: a stable id, a text, and further fields by name."""

    def __call__(self, event_id: str, text: str, fields: Mapping[str, str] | None = None, /) -> None:
        """Report it."""


@dataclass(slots=True)
class Plugin:
    """One plugin and its state. `failure` is the traceback of what stopped it, for the event log and local clients."""

    name: str
    family: str
    path: str
    private_name: str
    state: str = NOT_LISTED
    detail: str = ""
    failure: str = ""
    code: Any = None
    hooks: dict[str, Hook] = field(default_factory=dict)
    info: FilterInfo = NO_FILTER_INFO
    module_info: ModuleInfo = NO_MODULE_INFO
    further_names: tuple[str, ...] = ()
    mappings: tuple[HandlerMapping, ...] = ()
    is_in_process_only: bool = False
    runs_programs: bool = True
    is_pipeline_member: bool = False  # a filter or module that the configuration lists
    raw_data_objection: str = ""  # why it must not see raw data
    context: PluginContext | None = None
    isapi: IsapiPlugin | None = None  # an extension with the ISAPI contract

    @property
    def is_loaded(self) -> bool:
        """Whether it can be called."""
        return self.state == LOADED

    def row(self) -> PluginRow:
        """For `isapy list plugins`."""
        return PluginRow(name=self.name, family=self.family, path=self.path, state=self.state, detail=self.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFacts:
    """What every plugin's context says of the worker."""

    pool_name: str
    worker_number: int
    isolation_mode: str
    launcher: ProgramLauncher
    report_event: ReportEvent
    report_unhealthy: Callable[[str], None]
    report_changed: Callable[[Sequence[str]], None]
    report_script: Callable[[ScriptRun], None]
    show_processes: Callable[[str, ProcessSource], None]
    threads: Threads
    allows_raw_data_filters: bool
    black_box: BlackBox


class Plugins:
    """Finds, loads, names and unloads the plugins of a worker."""

    def __init__(
        self,
        extension_folders: Sequence[str],
        filter_folders: Sequence[str],
        facts: WorkerFacts,
        code: PluginCode | None = None,
    ) -> None:
        """`code` is what the process has prepared."""
        self._facts = facts
        self._code = code or PluginCode()
        self._manager = self._code.take_manager()
        self._files = {
            EXTENSION: self._code.find_files(extension_folders),
            FILTER: self._code.find_files(filter_folders),
        }
        self._own_folders = tuple(f"{folders[-1]}/" for folders in (extension_folders, filter_folders) if folders)
        self._entry_points = self._code.entry_points()
        self._plugins: dict[str, Plugin] = {}  # by path, or by the name of an entry point
        self._by_name: dict[str, Plugin] = {}  # extensions, by every name that `modules` may use, casefolded
        self._load_order: list[Plugin] = []
        self._loaded: list[Plugin] = []  # of which the event log has not heard yet
        self._tells_at_once = False  # the first ones wait until nobody waits for them
        self._made: dict[int, Plugin] = {}  # by id() of the object that a plugin has made
        self._settings: Mapping[str, Mapping[str, str]] = {}

    async def load_extensions(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        """Load every drop-in extension and entry point.

        `settings` are what the configuration gives to plugins, by any of their names, casefolded.
        """
        self._settings = settings
        for name, path in self._files[EXTENSION].items():
            plugin = Plugin(name, EXTENSION, path, f"{EXTENSION_PREFIX}.{name}")
            await self._load(plugin, path, partial(load_plugin_file, path, EXTENSION_PREFIX, self._code.code_of))
        for name, run_entry_point in self._entry_points.items():
            if name not in self._files[EXTENSION]:
                await self._load(Plugin(name, EXTENSION, "", f"entry point {name}"), name, run_entry_point)
        for plugin in self._plugins.values():
            for name in (plugin.name, *plugin.further_names):
                self._by_name.setdefault(name.casefold(), plugin)

    async def pipeline_member(self, family: str, name: str, path: str, *, is_server_wide: bool = True) -> Plugin:
        """The filter or module that the configuration lists, loaded when this is its first mention.

        `path` is its file; empty: the file of that name in the filter folders (for a module also the extension
        folders), or an entry point.
        """
        path = path or self._file_of(family, name)
        plugin = self._plugins.get(path or name)
        objection = "" if self._facts.allows_raw_data_filters else _NO_RAW_DATA
        if not is_server_wide:
            objection = objection or _RAW_DATA_OF_A_SITE
        if plugin is None:
            plugin = Plugin(name, family, path, f"{FILTER_PREFIX}.{name}" + (f" at {path}" if path else ""))
            plugin.raw_data_objection = objection
            await self._load(plugin, path or name, partial(self._run_member, family, name, path))
        if objection and "on_read_raw_data" in plugin.hooks:
            if plugin.is_loaded and not plugin.is_pipeline_member:  # an extension that goes on answering
                self._facts.report_event("filter-refused", f"{plugin.name}: {objection}", {"plugin": plugin.name})
            return plugin
        plugin.is_pipeline_member = True
        return plugin

    def made_member(self, name: str, implementation: object) -> Plugin:
        """The module that a plugin has made for an entry of `modules`: an object with hooks. Raises PluginFault."""
        plugin = self._made.get(id(implementation))
        if plugin is None:
            plugin = Plugin(name, MODULE, "", f"made {len(self._made) + 1} {name}", is_pipeline_member=True)
            plugin.code = implementation
            plugin.hooks = register(self._manager, implementation, name, plugin.private_name)
            self._note(plugin, read_declarations(plugin.hooks))
            plugin.state = LOADED
            self._made[id(implementation)] = plugin
        return plugin

    def global_hooks(self, name: str) -> tuple[Hook, ...]:
        """A global notification of every plugin that is loaded, in the order of loading."""
        return tuple(plugin.hooks[name] for plugin in self._load_order if plugin.is_loaded and name in plugin.hooks)

    def extension(self, name: str) -> Plugin | None:
        """The extension that a handler's `modules` calls by that name (its own or a further one, in any case)."""
        return self._by_name.get(name.casefold())

    def extensions(self) -> list[Plugin]:
        """Every extension, in the order of loading, whatever became of it."""
        return [plugin for plugin in self._plugins.values() if plugin.family == EXTENSION]

    def known(self) -> list[KnownPlugin]:
        """Of extensions in files that did not come with isapy: what the next worker needs that cannot load them."""
        return known_plugins(plugin for plugin in self.extensions() if plugin.path and not self._is_own(plugin))

    def rows(self) -> list[PluginRow]:
        """What became of every plugin, filters that nobody lists included."""
        rows = [plugin.row() for plugin in self._plugins.values()]
        for name, path in self._files[FILTER].items():
            if path not in self._plugins:
                detail = f'add <filter name="{name}" /> to <isapiFilters> to run it'
                rows.append(PluginRow(name=name, family=FILTER, path=path, state=NOT_LISTED, detail=detail))
        return rows

    async def unload(self) -> None:
        """Call `unload` of everything that was loaded, last one first."""
        while self._load_order:
            await self._unload(self._load_order.pop())

    def refuse(self, plugin: Plugin, event_id: str, reason: str, failure: str = "") -> None:
        """The plugin is not used: say so in the event log and in its row."""
        plugin.state, plugin.detail = FAILED, reason
        plugin.failure = failure or reason
        self._facts.report_event(
            event_id,
            f"{plugin.family} {plugin.name}: {reason}" + (f"\n{failure}" if failure else ""),
            {"plugin": plugin.name, "path": plugin.path},
        )

    def report_loaded(self) -> None:
        """Say which plugins the start has loaded, those that came with isapy in one event; what is loaded later is told
        at once, as failures are. No request should wait for what says nothing of interest."""
        self._tells_at_once = True
        own = [plugin for plugin in self._loaded if self._is_own(plugin)]
        for plugin in [plugin for plugin in self._loaded if not self._is_own(plugin)]:
            source = plugin.path or "an installed distribution"
            self._facts.report_event("plugin-loaded", f"{plugin.family} {plugin.name} from {source}", None)
        if own:
            families = dict.fromkeys(plugin.family for plugin in own)
            names = {of: [plugin.name for plugin in own if plugin.family == of] for of in families}
            text = "; ".join(f"{family}s {', '.join(listed)}" for family, listed in names.items())
            self._facts.report_event("plugin-loaded", f"what came with isapy: {text}", None)
        self._loaded.clear()

    # --- one plugin's life

    def _is_own(self, plugin: Plugin) -> bool:
        return plugin.path.startswith(self._own_folders)

    async def _load(self, plugin: Plugin, key: str, run: Callable[[], Any]) -> None:
        """Load it; a plugin that ends or holds the process meanwhile is named by what is left behind."""
        self._plugins[key] = plugin
        if self._is_own(plugin):  # what came with isapy needs no note: it would cost every start
            await self._run_and_register(plugin, run)
            return
        place = self._facts.black_box.enter(plugin.path or plugin.name, "load")
        try:
            await self._run_and_register(plugin, run)
        finally:
            self._facts.black_box.leave(place)

    async def _run_and_register(self, plugin: Plugin, run: Callable[[], Any]) -> None:
        try:
            plugin.code = run()
            known = known_ahead(plugin.code, plugin.name)
            if known is not None:
                plugin.hooks, declared = known
            else:
                hooks = register(self._manager, plugin.code, plugin.name, plugin.private_name)
                plugin.hooks = with_contexts(hooks, plugin.private_name)
                declared = read_declarations(plugin.hooks)
            self._note(plugin, declared)
        except BaseException as error:  # a plugin may even raise SystemExit while it is imported
            if is_ctrl_c(error):
                raise
            self._failed(plugin, error)
            if plugin.path:
                recall(plugin, self._code.known.get(plugin.path))
            return
        if plugin.raw_data_objection and "on_read_raw_data" in plugin.hooks:
            take_out(self._manager, plugin.code)
            self.refuse(plugin, "filter-refused", plugin.raw_data_objection)
            return
        self._load_order.append(plugin)
        try:
            await self._call_life_hook(plugin, "load")
            if HTTP_EXTENSION_PROC in plugin.hooks:
                plugin.isapi = carry(plugin.hooks, self._context_of(plugin))
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            self._failed(plugin, error)
            await self._unload(self._load_order.pop())
            return
        plugin.state = LOADED
        self._loaded.append(plugin)
        if self._tells_at_once:
            self.report_loaded()

    def _note(self, plugin: Plugin, declared: Declarations) -> None:
        plugin.info, plugin.module_info = declared.filter_info, declared.module_info
        plugin.further_names, plugin.mappings = declared.further_names, declared.mappings
        plugin.is_in_process_only, plugin.runs_programs = declared.is_in_process_only, declared.runs_programs

    async def _call_life_hook(self, plugin: Plugin, name: str) -> None:
        hook = plugin.hooks.get(name)
        if hook is not None:
            answer = hook.function(self._context_of(plugin))
            if answer is not None and inspect.isawaitable(answer):
                await answer

    def _context_of(self, plugin: Plugin) -> PluginContext:
        if plugin.context is None:
            plugin.context = self._new_context(plugin)
        return plugin.context

    def _new_context(self, plugin: Plugin) -> PluginContext:
        facts = self._facts
        names = [name.casefold() for name in (plugin.name, *plugin.further_names)]
        settings = next((self._settings[name] for name in names if name in self._settings), {})
        return PluginContext(
            plugin_name=plugin.name,
            pool_name=facts.pool_name,
            worker_number=facts.worker_number,
            isolation_mode=facts.isolation_mode,
            launcher=facts.launcher,
            report_event=lambda event_id, text: facts.report_event(event_id, text, {"plugin": plugin.name}),
            report_unhealthy=facts.report_unhealthy,
            black_box=facts.black_box,
            report_changed=facts.report_changed,
            report_script=facts.report_script,
            show_processes=partial(facts.show_processes, plugin.name),
            threads=facts.threads,
            settings=dict(settings),
        )

    async def _unload(self, plugin: Plugin) -> None:
        black_box, place = self._facts.black_box, -1
        if (plugin.isapi is not None or "unload" in plugin.hooks) and not self._is_own(plugin):
            place = black_box.enter(plugin.path or plugin.name, "unload")  # shutdownTimeLimit may end it there
        try:
            if plugin.isapi is not None:
                await plugin.isapi.terminate()
            await self._call_life_hook(plugin, "unload")
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            self._facts.report_event(
                "plugin-error", f"{plugin.name}: unload raised {error!r} at {where(error)}", {"plugin": plugin.name}
            )
        finally:
            black_box.leave(place)
        take_out(self._manager, plugin.code)

    def _failed(self, plugin: Plugin, error: BaseException) -> None:
        if isinstance(error, PluginFault):
            self.refuse(plugin, "plugin-failed", str(error))
            return
        place = where(error)
        reason = f"{type(error).__name__}: {error}" + (f" at {place}" if place else "")
        self.refuse(plugin, "plugin-failed", reason, traceback_text(error))

    # --- finding

    def _file_of(self, family: str, name: str) -> str:
        families = (FILTER,) if family == FILTER else (FILTER, EXTENSION)
        return next((self._files[one][name] for one in families if name in self._files[one]), "")

    def _run_member(self, family: str, name: str, path: str) -> Any:
        if path:
            if family == FILTER and (carried := self._opened(name, path)) is not None:
                return carried
            return load_plugin_file(path, FILTER_PREFIX, self._code.code_of)
        if name in self._entry_points:
            return self._entry_points[name]()
        raise PluginFault(f"there is no file {name}.py in the plugin folders and no installed plugin {name}")

    def _opened(self, name: str, path: str) -> Any:
        """The filter in that file as a plugin for filters of its kind carries it; None: it is a plugin file."""
        for plugin in self._plugins.values():
            hook = plugin.hooks.get("open_filter") if plugin.is_loaded else None
            carried = hook.function(name, path) if hook is not None else None
            if carried is not None and not implements_any(self._manager, carried):
                raise PluginFault(f"open_filter of {plugin.name} gave a {type(carried).__name__} without any hook")
            if carried is not None:
                return carried
        return None
