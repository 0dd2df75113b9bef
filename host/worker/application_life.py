"""The life of a worker's applications: started by their first request, their plans kept current, stopped at the end.

Plugins hear of it by the global notifications. A start, or a list of modules, that fails refuses the application's
requests and nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

from host.api import HttpError, ModuleEntry, Request
from host.config.errors import ConfigErrors
from host.config.model import PathSettings
from host.config.store import ServerConfiguration
from host.worker.calling import HookCaller
from host.worker.hooks import INLINE, Hook
from host.worker.plan import ListedFilter, compile_plans
from host.worker.plugins import FILTER, MODULE, Plugin, Plugins
from host.worker.preconditions import holds, is_for_managed_handlers
from host.worker.served_application import ServedApplication


class ApplicationLife:
    """`has_plans`: this worker runs filters and modules (a dllhost does not). `runs_integrated`: managed modules may
    take part in every stage. `plans_changed` is called after each compilation."""

    def __init__(
        self,
        configuration: ServerConfiguration,
        plugins: Plugins,
        caller: HookCaller,
        *,
        clock: Callable[[], float],
        has_plans: bool,
        runs_integrated: bool,
        plans_changed: Callable[[], None],
    ) -> None:
        self._configuration = configuration
        self._plugins = plugins
        self._caller = caller
        self._clock = clock
        self._has_plans = has_plans
        self._runs_integrated = runs_integrated
        self._plans_changed = plans_changed

    async def prepare(self, served: ServedApplication) -> None:
        """Load what the application's filters and modules are, before any request. Raises nothing."""
        settings = self._settings(served)
        if settings is not None and self._has_plans:
            await self._compile(served, settings, is_started=False)

    async def admit(self, served: ServedApplication) -> HttpError | None:
        """Before a request: start the application if it is its first one here; follow its settings. Why it is refused.

        Requests that come during the start wait for it.
        """
        settings = self._settings(served)
        if settings is None:  # its requests answer 500.19; what ran before goes on running
            return None
        if not served.is_started or settings is not served.plan_settings:
            async with served.start:
                refusal = await self._follow(served, settings)
            if refusal is not None:
                return refusal
        served.plan_checked_at = self._clock() if self._has_plans else float("inf")
        return None

    async def _follow(self, served: ServedApplication, settings: PathSettings) -> HttpError | None:
        """Start it, or tell that its settings have changed; then compile its plans."""
        if not served.is_started:
            refusal = await self._start(served, settings)
            if refusal is not None:
                return refusal
        elif settings is not served.plan_settings:
            await self._caller.tell(self._plugins.global_hooks("configuration_change"), served.info, settings)
        if self._has_plans and settings is not served.plan_settings:
            await self._compile(served, settings, is_started=True)
        served.plan_settings = settings
        return None

    async def stop(self, served: ServedApplication) -> None:
        """The worker ends: say so for an application that was started here."""
        if served.is_started and not served.forward_slot:
            served.is_started = False
            await self._caller.tell(self._plugins.global_hooks("application_stop"), served.info)

    async def check_health(self) -> str:
        """Why a plugin holds the worker for unhealthy; empty when none does."""
        for hook in self._plugins.global_hooks("health_check"):
            try:
                answer = hook.function()
                answer = await answer if asyncio.iscoroutine(answer) else answer
                if answer is not None and not isinstance(answer, str):
                    raise TypeError(f"health_check must return a text or None, not {type(answer).__name__}")
            except Exception as error:  # one that cannot tell is no reason to end a worker
                self._caller.blame(hook, error, None)
                continue
            if answer:
                return f"{hook.plugin}: {answer}"
        return ""

    def _settings(self, served: ServedApplication) -> PathSettings | None:
        try:
            return self._configuration.settings_for(served.model, served.model.path)
        except ConfigErrors:
            return None

    async def _start(self, served: ServedApplication, settings: PathSettings) -> HttpError | None:
        hooks = () if served.forward_slot else self._plugins.global_hooks("application_start")
        for hook in hooks:
            try:
                await self._caller.ask((hook,), served.info, settings)
            except HttpError as error:
                return error
        served.is_started = True
        served.plan_settings = None  # modules that are made of types can be resolved from now on
        return None

    # --- plans

    async def _compile(self, served: ServedApplication, settings: PathSettings, *, is_started: bool) -> None:
        filters, entries, plugins = await self._listed(served, settings)
        refusal = None
        if is_started and not served.forward_slot:
            try:
                await self._resolve(served, entries, plugins)
            except HttpError as error:
                refusal = error
        if refusal is None and is_started:
            refusal = self._why_refused(served, settings, entries)
        refusal = refusal or _missing([*(one.plugin for one in filters), *plugins.values()])
        served.request_limit = settings.app_concurrent_request_limit
        there = [(entry, plugins[id(entry)]) for entry in entries if id(entry) in plugins]
        modules = [plugin for _, plugin in there]
        limited = {id(plugin) for entry, plugin in there if entry.for_managed_handlers_only}
        served.filters = filters
        members = [(plugin, id(plugin) in limited) for plugin in (*(one.plugin for one in filters), *modules)]
        compiled_from = (
            tuple((id(plugin), plugin.is_loaded, is_limited) for plugin, is_limited in members),
            tuple((one.is_server_wide, one.is_cache_allowed) for one in filters),
        )
        if refusal is None and served.compiled_from == compiled_from:
            return  # as at its preparation, in general: nothing has been made or resolved since
        served.compiled_from = compiled_from if refusal is None else None
        plan, secure = compile_plans(filters, modules, managed_only=limited)
        if refusal is not None:
            begin = (_refusing(refusal),)
            plan, secure = (replace(one, begin=begin, is_plain=False) for one in (plan, secure))
        served.plan, served.secure_plan = plan, secure
        self._plans_changed()

    async def _listed(
        self, served: ServedApplication, settings: PathSettings
    ) -> tuple[list[ListedFilter], list[ModuleEntry], dict[int, Plugin]]:
        """Filters, entries of modules, and the plugins of those that are plugins, by the entry's id()."""
        applies = partial(holds, is_classic=served.is_classic, runtime_version=served.runtime_version)
        filters = [
            ListedFilter(
                await self._plugins.pipeline_member(FILTER, one.name, one.path, is_server_wide=one.is_server_wide),
                one.is_server_wide,
                one.enable_cache,
            )
            for one in settings.filters
            if one.enabled and applies(one.pre_condition)
        ]
        entries, plugins = [], {}
        for one in settings.modules:
            if not applies(one.pre_condition, may_be_for_managed_handlers=True):
                continue
            is_limited = is_for_managed_handlers(one.pre_condition) and not settings.runs_all_managed_modules
            entry = ModuleEntry(name=one.name, type=one.type, for_managed_handlers_only=is_limited)
            entries.append(entry)
            if not one.is_managed:
                plugins[id(entry)] = await self._plugins.pipeline_member(MODULE, one.name, one.type)
        return filters, entries, plugins

    async def _resolve(self, served: ServedApplication, entries: list[ModuleEntry], plugins: dict[int, Plugin]) -> None:
        for hook in self._plugins.global_hooks("application_resolve_modules"):
            await self._caller.ask((hook,), served.info, entries)
        for entry in entries:
            if entry.implementation is not None:
                plugins[id(entry)] = self._plugins.made_member(entry.name, entry.implementation)

    def _why_refused(
        self, served: ServedApplication, settings: PathSettings, entries: list[ModuleEntry]
    ) -> HttpError | None:
        """What an integrated pool cannot obey (IIS: ConfigurationValidationModule), or nobody has made."""
        if served.is_classic or not self._runs_integrated:
            return None
        if settings.validates_integrated_mode:
            for configured, substatus, section, instead in (
                (settings.http_modules, 22, "httpModules", "modules"),
                (settings.http_handlers, 23, "httpHandlers", "handlers"),
            ):
                if configured:
                    detail = f"{section} is configured for {served.model.path}, but its pool is in integrated mode"
                    remedy = (
                        f'Move the entries to system.webServer/{instead}, set managedPipelineMode="Classic", or set '
                        '<validation validateIntegratedModeConfiguration="false" />.'
                    )
                    return HttpError(500, substatus, detail, remedy=remedy)
        for entry in entries:
            if ":" in entry.type and entry.implementation is None:
                detail = f"no plugin has made the module {entry.name} ({entry.type})"
                return HttpError(500, 21, detail, remedy="`isapy list plugins` must show managed as loaded.")
        return None


def _refusing(error: HttpError) -> Hook:
    """A begin_request that refuses as `error` does."""

    def refuse(_request: Request) -> None:
        raise HttpError(error.status, error.substatus, error.detail, remedy=error.remedy)

    return Hook(refuse, INLINE, error.module or "ConfigurationValidationModule", "begin_request")


def _missing(listed: Iterable[Plugin]) -> HttpError | None:
    """A filter or module that is listed and could not be loaded may be what protects the application: nothing is served
    without it, as in IIS. One that only another process model knows (raw data) is left out, with its event."""
    for plugin in listed:
        is_refused = bool(plugin.raw_data_objection) and plugin.detail == plugin.raw_data_objection
        if not plugin.is_loaded and not is_refused:
            detail = f"{plugin.name} is listed and could not be loaded: {plugin.detail or plugin.state}"
            remedy = "Correct it (isapy list plugins says what is wrong), or take it out of the configuration."
            error = HttpError(500, 21, detail, remedy=remedy)
            error.module = plugin.name
            return error
    return None
