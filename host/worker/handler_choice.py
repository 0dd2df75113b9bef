"""From a URL to the route that it takes, and from there to the handler that answers."""

from __future__ import annotations

from typing import Final

from host.api import HttpError, Request
from host.remembered import Remembered
from host.worker.calling import call_plain
from host.worker.handler_map import Entry, chosen_entry, foresee_managed, select, without
from host.worker.physical_path import decode_path, is_really_below, split_target
from host.worker.plan import FORESEEN, Calls
from host.worker.routes import Route, Routes


def map_request(routes: Routes, request: Request) -> Route:
    """Which route its URL takes; the request learns what follows from that."""
    route, request.raw_query = routes.find(request.application.site_id, request.raw_target)
    if request.application is not route.application.info:
        request.application = route.application.info
    request.path = route.path
    request.settings = route.settings
    request.physical_root = route.physical_root
    request.physical_path = route.unslashed_path
    if route.has_conditions:
        route.check(request)
    return route


def call_first(calls: Calls, request: Request) -> Calls:
    """on_preproc_headers, as `call_plain`. It comes before the URL is mapped, and shows what the client's URL says all
    the same: a filter that looks at the path must not find it empty. What is no path stays so; mapping refuses it."""
    raw_path, _, request.raw_query = request.raw_target.partition("?")
    try:
        path = _shown_paths[raw_path]
    except HttpError:
        path = request.path
    request.path = path
    return call_plain(calls, request)


def _shown_path(raw_path: str) -> str:
    """The path of a target without its query. Raises HttpError."""
    return decode_path(split_target(raw_path)[0])


_shown_paths: Final = Remembered(_shown_path, 512, 1024)


def foresee(request: Request, route: Route) -> None:
    """Note whether its handler will be managed, for hooks that are called before it is chosen."""
    request.context[FORESEEN] = foresee_managed(route.candidates, request.method, route.path, route.physical_path)


def choose_handler(routes: Routes, request: Request, route: Route, arrival: int = 0) -> Entry:
    """The mapping that answers, its refusals made. Raises HttpError.

    `arrival` is the same number for requests that have come together, before the disk was asked for any of them: what
    it has said for one of them holds for all.
    """
    path = route.path
    if request.mapping is not None:  # map_request_handler has chosen
        entry = chosen_entry(request.mapping, route.settings_in_force, routes.find_plugin)
        request.mapping, request.script_name = entry.mapping, path
    else:
        is_moved = request.physical_root is not route.physical_root  # by a filter: then nothing is remembered
        physical_path = route.physical_path
        if is_moved:
            physical_path = request.physical_path + ("/" if path.endswith("/") else "")
        if is_moved or request.passed_over or not arrival:
            candidates = without(route.candidates, request.passed_over) if request.passed_over else route.candidates
            entry, length, resource = select(candidates, request.method, path, physical_path)
        else:
            entry, length, resource = route.match_for(arrival, request.method)
        request.mapping = entry.mapping
        if length == len(path):
            request.script_name = path
        else:
            request.script_name, request.path_info = path[:length], path[length:]
            request.physical_path = physical_path[: len(physical_path) - len(path) + length]
        if resource is not None and (is_moved or resource.identity != route.verified):
            _guard(request, route)
            route.verified = None if is_moved else resource.identity
    if entry.local_refusal is not None or entry.remote_refusal is not None:
        refusal = entry.local_refusal if request.connection.is_local else entry.remote_refusal
        if refusal is not None:
            raise refusal.error(entry)
    return entry


def _guard(request: Request, route: Route) -> None:
    """A symbolic link must not lead out of the virtual directory unless the configuration allows it."""
    if route.settings_in_force.static_content.follow_symbolic_links_outside_root:
        return
    if not is_really_below(request.physical_path, request.physical_root):
        remedy = 'Move the content below the folder, or set <staticContent followSymbolicLinksOutsideRoot="true" />.'
        detail = f"{request.physical_path} is a symbolic link that leads out of {request.physical_root}"
        raise HttpError(404, 0, detail, remedy=remedy)
