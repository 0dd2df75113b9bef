"""Every hook, in the order in which a request meets them, and the marker that plugins import.

A plugin is one Python file, or an installed distribution with an entry point in the group `isapy.plugins`. It marks
functions with `@hookimpl`; it may take fewer arguments than the specification names (pluggy matches by name). There
are three families: extensions answer requests, filters see every request of their site, modules take part in the
pipeline. A misspelt hook is reported when the plugin loads.

Unless a hook says otherwise: it runs in the worker process; `def` and `async def` both work; None means "nothing to
say, go on"; raising `HttpError` refuses the request; any other exception is a 500.0 that names the plugin and is
written to the event log with its traceback. A plain `def` handler runs on the worker's thread pool,
unless its plugin says that it is quick; a plain `def` filter or module event runs on the event loop and must be quick,
unless its plugin says `blocking=True`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pluggy

from host.api.filters import FilterContext
from host.api.isapi import HSE_STATUS_SUCCESS, ControlBlock, ExtensionVersion
from host.api.modules import ModuleEntry, ModuleInfo
from host.api.notifications import Credentials, Denial, FilterInfo, FilterStatus, LogEntry, RawData, UrlMap
from host.api.plugins import HandlerInfo, HandlerMapping, PluginContext
from host.api.request import ApplicationInfo, Connection, Request
from host.api.response import Response

PROJECT: Final = "isapy"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

FilterAnswer = FilterStatus | Response | None
"""What a filter notification may answer: go on, nobody else, or this response (which finishes the request)."""

# --- every plugin ------------------------------------------------------------------------------------------------


@hookspec
def load(context: PluginContext) -> None:
    """Called once per worker, before its first request; the place for pools, tables and files.

    GetExtensionVersion's role. Must return within the pool's startupTimeLimit. An exception makes the plugin
    unavailable (its mappings answer 500.21), never the worker.
    """


@hookspec
def unload(context: PluginContext) -> None:
    """Called once when the worker ends in order, in the reverse order of `load`. TerminateExtension's role.

    Also called when `load` was left half done by an exception. Must be quick: shutdownTimeLimit is running.
    """


# --- extensions --------------------------------------------------------------------------------------------------


@hookspec
def module_names() -> Sequence[str]:
    """Further names by which `<handlers><add modules="...">` may call this plugin; its file's stem always works."""
    return ()


@hookspec
def handler_mappings() -> Sequence[HandlerMapping]:
    """The mappings that dropping the file in brings by itself.

    They are tested after the configured mappings that name something and before the configured catch-alls
    (path `*`); `<remove name="...">` takes one out. The configuration may map the plugin elsewhere as well.
    """
    return ()


@hookspec
def handler_info() -> HandlerInfo:
    """What the extension says of its `handle`: `HandlerInfo(quick=True)` for a plain `def` that never blocks, which
    then runs on the event loop. Called at load."""
    return HandlerInfo()


@hookspec
def in_process_only() -> bool:
    """True keeps the handler in inetinfo in IIS 5 isolation mode, whatever its application says (as IIS does with
    static files, CGI and server-side includes). Default: false."""
    return False


@hookspec
def handle(request: Request) -> Response | None:
    """Answer a request that a mapping led here (HttpExtensionProc's role).

    None: not mine; the next name in the mapping's `modules` is asked, and after the last one the answer is 404.0.
    Cancelled (async) when the client leaves; a plain `def` learns it by ClientGone from the body.
    """


# --- extensions with the ISAPI contract: instead of `handle` ---------------------------------------------------------


@hookspec
def get_extension_version(version: ExtensionVersion) -> bool | None:
    """Called once, before the first request: fill in `version.description`. False refuses to be loaded (500.21).

    A plain `def`. It is called after `load`.
    """


@hookspec
def http_extension_proc(ecb: ControlBlock) -> int:
    """Answer a request through its control block; returns an HSE_STATUS_ (`host.api.isapi`).

    A plain `def`, on the worker's thread pool, many at a time. HSE_STATUS_PENDING keeps the request until
    `ecb.done_with_session()`, which any thread may call. What it raises is a 500.0 that names the plugin.
    """
    return HSE_STATUS_SUCCESS


@hookspec
def terminate_extension(flags: int) -> bool | None:
    """Called once when the worker ends in order, with HSE_TERM_MUST_UNLOAD (2), when no request is outstanding.

    A plain `def`, on a thread, before `unload`. Must be quick: shutdownTimeLimit is running.
    """


# --- filters: ISAPI's notifications ------------------------------------------------------------------------------
# `filter_context` is what IIS passes as HTTP_FILTER_CONTEXT. A filter that does not take it costs nothing for it.


@hookspec
def filter_info() -> FilterInfo:
    """What the filter says of itself: priority, ports, whether it tolerates the listener's cache. Called at load."""
    return FilterInfo()


@hookspec
def open_filter(name: str, path: str) -> object | None:
    """For plugins that carry filters of another contract: `<isapiFilters>` lists the file `path` as `name`.

    Asked once per worker before the file would be loaded as a plugin. Returns the object whose marked methods are the
    filter's hooks (`load`, `filter_info`, `on_...`; only those that it wants), or None: not mine. An exception makes
    the filter unavailable. Must be a plain def.
    """


@hookspec
def on_read_raw_data(connection: Connection, data: RawData, filter_context: FilterContext) -> FilterAnswer:
    """Bytes as they came from the client, before parsing; any split. IIS 5 isolation mode only.

    In worker process isolation mode a filter that implements it is refused at load, with an event. `data.data` may
    be replaced. A Response is not possible here and is an error.
    """


@hookspec
def on_preproc_headers(request: Request, filter_context: FilterContext) -> FilterAnswer:
    """The head has been parsed, nothing has been decided: method, URL and header fields may be changed. Once.

    `request.path` and `raw_query` are the client's, even behind a filter that has set another URL: it is mapped later.
    """


@hookspec
def on_url_map(request: Request, url_map: UrlMap, filter_context: FilterContext) -> FilterAnswer:
    """A URL was mapped to a physical path, which may be changed. May come several times in one request."""


@hookspec
def on_authentication(request: Request, credentials: Credentials, filter_context: FilterContext) -> FilterAnswer:
    """The client's credentials (empty for anonymous), before they are checked; both texts may be changed."""


@hookspec
def on_auth_complete(request: Request, filter_context: FilterContext) -> FilterAnswer:
    """The user is known (`request.user`, empty for anonymous); the handler has not been chosen."""


@hookspec
def on_access_denied(request: Request, denial: Denial, filter_context: FilterContext) -> FilterAnswer:
    """A 401 is about to be sent; a Response replaces it."""


@hookspec
def on_send_response(request: Request, response: Response, filter_context: FilterContext) -> FilterAnswer:
    """The response's head is complete and not sent: status and header fields may be changed."""


@hookspec
def on_send_raw_data(request: Request, data: RawData, filter_context: FilterContext) -> FilterAnswer:
    """A piece of the response's body is about to go out; it may be replaced. Called in reverse order (high priority
    last). Keeps file bodies from being sent by descriptor: every byte passes here."""


@hookspec
def on_end_of_request(request: Request, filter_context: FilterContext) -> FilterAnswer:
    """The response has been handed to the listener."""


@hookspec
def on_log(request: Request, entry: LogEntry, filter_context: FilterContext) -> FilterAnswer:
    """Just before the log line is written; the entry's fields may be changed."""


@hookspec
def on_end_of_net_session(connection: Connection, filter_context: FilterContext) -> FilterAnswer:
    """The client's connection is closed; called in every worker that has served it. Drop what you kept for it."""


# --- global notifications: the worker and its applications --------------------------------------------------------
# Every loaded plugin gets them, extensions, filters and modules alike, in the order of loading. They cost a request
# nothing.


@hookspec
def application_start(application: ApplicationInfo, settings: Any) -> None:
    """The first request of the application in this worker waits; GL_APPLICATION_START.

    `settings` are in force at its root (host.config.model.PathSettings). Called in the process that runs its handlers.
    HttpError, or any other exception, refuses the requests that wait; the next one tries again.
    """


@hookspec
def application_resolve_modules(application: ApplicationInfo, modules: list[ModuleEntry]) -> None:
    """The modules of the application, in order, before they take part; GL_APPLICATION_RESOLVE_MODULES.

    Called behind `application_start`, and again when `modules` has changed in the configuration. The list may be
    changed; whoever makes modules from types sets `implementation`. HttpError refuses the application's requests.
    """


@hookspec
def application_stop(application: ApplicationInfo) -> None:
    """The worker ends in order and the application was started in it; before any `unload`. GL_APPLICATION_STOP."""


@hookspec
def configuration_change(application: ApplicationInfo, settings: Any) -> None:
    """What is in force at the application's root has changed, as far as that needs no new worker.

    GL_CONFIGURATION_CHANGE. Not called before `application_start`.
    """


@hookspec
def health_check() -> str | None:
    """With every ping of the service; GL_HEALTH_CHECK. A text says why the worker is unhealthy: it is recycled."""


# --- modules: the request pipeline -------------------------------------------------------------------------------
# Each event is followed by its post- event. A Response from an event up to the handler ends the request with it: the
# pipeline goes on at log_request. Events before the handler get no response; those after it may change it.


@hookspec
def module_info() -> ModuleInfo:
    """Where the module stands among the others in each event: `ModuleInfo(priority=ModulePriority.FIRST)`. Within one
    priority the order is the configured one. Called at load."""
    return ModuleInfo()


@hookspec
def begin_request(request: Request) -> Response | None:
    """First event: rewriting, filtering, redirects. After `on_preproc_headers`."""


@hookspec
def post_begin_request(request: Request) -> Response | None:
    """After every begin_request."""


@hookspec
def authenticate_request(request: Request) -> Response | None:
    """Establish the user: set `request.user` and `request.auth_type`."""


@hookspec
def post_authenticate_request(request: Request) -> Response | None:
    """The user is known."""


@hookspec
def authorize_request(request: Request) -> Response | None:
    """May this user have this? Refuse with HttpError(401, 2) or HttpError(403)."""


@hookspec
def post_authorize_request(request: Request) -> Response | None:
    """Access was granted."""


@hookspec
def resolve_request_cache(request: Request) -> Response | None:
    """Answer from a cache, or None."""


@hookspec
def post_resolve_request_cache(request: Request) -> Response | None:
    """No cache had the answer."""


@hookspec
def map_request_handler(request: Request) -> Response | None:
    """Before the handler is chosen; `request.mapping` may be set to choose it here."""


@hookspec
def post_map_request_handler(request: Request) -> Response | None:
    """`request.mapping` is the handler mapping that will answer."""


@hookspec
def acquire_request_state(request: Request) -> Response | None:
    """Load what belongs to the session."""


@hookspec
def post_acquire_request_state(request: Request) -> Response | None:
    """Session state is there."""


@hookspec
def pre_request_handler_execute(request: Request) -> Response | None:
    """Last event before the handler."""


@hookspec
def post_request_handler_execute(request: Request, response: Response) -> None:
    """The handler has answered; the response may be changed from here on."""


@hookspec
def release_request_state(request: Request, response: Response) -> None:
    """Save what belongs to the session."""


@hookspec
def post_release_request_state(request: Request, response: Response) -> None:
    """Session state was saved."""


@hookspec
def update_request_cache(request: Request, response: Response) -> None:
    """Put the response into a cache."""


@hookspec
def post_update_request_cache(request: Request, response: Response) -> None:
    """After the caches."""


@hookspec
def log_request(request: Request, response: Response) -> None:
    """Runs for refused requests as well."""


@hookspec
def post_log_request(request: Request, response: Response) -> None:
    """After log_request."""


@hookspec
def end_request(request: Request, response: Response) -> None:
    """Last event: clean up. Runs for refused requests as well."""
