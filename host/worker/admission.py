"""From on_url_map to map_request_handler: where does a request lead, who asks, and may they?"""

from __future__ import annotations

from host.api import Credentials, Request, Response, UrlMap
from host.config.logon import Logon
from host.worker.authenticator import Authenticator
from host.worker.calling import HookCaller
from host.worker.credentials import read_credentials
from host.worker.plan import EMPTY_PLAN, Plan
from host.worker.routes import Route


async def admit(
    caller: HookCaller, request: Request, plan: Plan, route: Route, authenticator: Authenticator
) -> Response | None:
    """From on_url_map to map_request_handler: where is it, who asks, and may they?

    Plugins are asked who it is when the request comes from outside; an internal one keeps its user, who has to be let
    in to its URL, too.
    """
    ask = caller.ask
    logon = route.settings_in_force.logon
    asks_plugins = plan.looks_at_users and request.redirect_count == 0
    response = await ask_url_map(caller, request, plan, route) if plan.on_url_map else None
    if response is None and (asks_plugins or logon is not None):
        response = await _authenticate(caller, request, plan if asks_plugins else EMPTY_PLAN, logon, authenticator)
    if response is None and logon is not None:
        authenticator.authorize(request, logon)
    if response is None and plan.authorize:
        response = await ask(plan.authorize, request)
    return response


async def admit_again(
    caller: HookCaller, request: Request, plan: Plan, route: Route, authenticator: Authenticator
) -> Response | None:
    """A plugin has led the request to another URL: where is that, and may who was found ask for it?"""
    response = await ask_url_map(caller, request, plan, route) if plan.on_url_map else None
    if response is None and route.asks_who:
        response = await admit(caller, request, EMPTY_PLAN, route, authenticator)
    return response


async def _authenticate(
    caller: HookCaller, request: Request, plan: Plan, logon: Logon | None, authenticator: Authenticator
) -> Response | None:
    """Who is it? Without anybody who finds out, the request stays anonymous, where it may."""
    ask = caller.ask
    response = None
    credentials: Credentials | None = None
    if plan.on_authentication or plan.authenticate:
        credentials = request.context["credentials"] = read_credentials(request)
        if plan.on_authentication:
            response = await ask(plan.on_authentication, request, credentials)
    if response is None and logon is not None and logon.uses_basic and not authenticator.knows(request, logon):
        await authenticator.log_on(request, logon, credentials or read_credentials(request))
    if plan.authenticate and response is None:
        response = await ask(plan.authenticate, request)
    if response is None and logon is not None and not request.user:
        authenticator.admit_anonymous(request, logon)
    if plan.on_auth_complete and response is None:
        response = await ask(plan.on_auth_complete, request)
    return response


async def ask_url_map(caller: HookCaller, request: Request, plan: Plan, route: Route) -> Response | None:
    """What filters say of where the URL leads; another place is noted in the request."""
    url_map = UrlMap(route.path, request.physical_path)
    response = await caller.ask(plan.on_url_map, request, url_map)
    if response is None and url_map.physical_path != request.physical_path:
        # A filter may map a URL to anywhere: the folder it chose is the root that must not be left.
        request.physical_path = url_map.physical_path
        request.physical_root = url_map.physical_path.rpartition("/")[0] or "/"
    return response
