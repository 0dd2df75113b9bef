"""From on_url_map to map_request_handler: where does a request lead, who asks, and may they?"""

from __future__ import annotations

from host.api import Request, Response, UrlMap
from host.worker.calling import HookCaller
from host.worker.credentials import read_credentials
from host.worker.plan import Plan
from host.worker.routes import Route


async def admit(caller: HookCaller, request: Request, plan: Plan, route: Route) -> Response | None:
    """From on_url_map to map_request_handler: where is it, who asks, and may they?

    An internal request was authenticated when it came from outside.
    """
    ask = caller.ask
    response = await ask_url_map(caller, request, plan, route) if plan.on_url_map else None
    if response is None and plan.looks_at_users and request.redirect_count == 0:
        response = await _authenticate(caller, request, plan)
    if response is None and plan.authorize:
        response = await ask(plan.authorize, request)
    return response


async def _authenticate(caller: HookCaller, request: Request, plan: Plan) -> Response | None:
    """Who is it? Without a module that finds out, the request stays anonymous."""
    ask = caller.ask
    response = None
    if plan.on_authentication or plan.authenticate:
        credentials = request.context["credentials"] = read_credentials(request)
        if plan.on_authentication:
            response = await ask(plan.on_authentication, request, credentials)
        if plan.authenticate and response is None:
            response = await ask(plan.authenticate, request)
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
