"""What the host does for a request at a handler's wish: `host.api.RequestHost`.

Made when it is wanted for the first time; most requests never do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Final, NamedTuple, TypeVar

from host.api import FileBody, Headers, HttpError, MappedUrl, Request, RequestBody, Response, UrlMap
from host.worker.calling import HookCaller
from host.worker.delivery import Delivery
from host.worker.error_responses import answer_refusal, configured_page
from host.worker.exchange import Exchange
from host.worker.internal_requests import child_of, follow
from host.worker.plan import Plan
from host.worker.request_task import become_task
from host.worker.routes import Routes

T = TypeVar("T")

_ACCESS: Final = 0x207  # read 1, write 2, execute 4, script 512: IIS's numbers in the configuration and in ISAPI


class ServiceKit(NamedTuple):
    """What the services of all requests are made with. `run` answers one URL, from begin_request to the caches."""

    routes: Routes
    caller: HookCaller
    delivery: Delivery
    run: Callable[[Request, Plan], Awaitable[Response]]


class RequestServices:
    """The services of one request."""

    __slots__ = ("_exchange", "_kit", "_plan", "_request")

    def __init__(self, kit: ServiceKit, request: Request, exchange: Exchange, plan: Plan) -> None:
        self._kit = kit
        self._request = request
        self._exchange = exchange
        self._plan = plan

    @property
    def is_connected(self) -> bool:
        """Whether the client is there and waits for more."""
        return not (self._exchange.is_gone or self._exchange.is_done)

    def append_to_log(self, text: str) -> None:
        """Into the query field."""
        self._exchange.log_parameters += text

    def set_log_status(self, status: int) -> None:
        """sc-status."""
        self._exchange.log_status = status

    async def run_on_thread(self, plugin: str, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """On the worker's pool, as a call under way."""
        await become_task()
        result: T = await self._kit.caller.run_on_thread(plugin, name, self._request, function, *arguments)
        return result

    async def map_url(self, target: str) -> MappedUrl:
        """Where it leads; filters may have another opinion."""
        route, _ = self._kit.routes.find(self._request.application.site_id, target)
        physical_path, root = route.physical_path, route.physical_root
        tail = physical_path[len(root) :]
        url_root = route.path[: len(route.path) - len(tail)] if route.path.endswith(tail) else route.path
        if self._plan.on_url_map:
            await become_task()
            url_map = UrlMap(route.path, physical_path)
            await self._kit.caller.ask(self._plan.on_url_map, self._request, url_map)
            if url_map.physical_path != physical_path:
                physical_path = url_map.physical_path
                root, url_root = physical_path.rpartition("/")[0] or "/", route.path.rpartition("/")[0] or "/"
        access = route.settings_in_force.access_policy.value & _ACCESS
        return MappedUrl(route.path, physical_path, root, url_root, access)

    async def execute(
        self,
        target: str,
        *,
        method: str = "",
        headers: Headers | None = None,
        body: bytes | RequestBody | None = None,
        user: tuple[str, str] | None = None,
        passed_over: tuple[str, ...] = (),
    ) -> Response:
        """Another URL's response, its local redirects followed."""
        await become_task()
        child = child_of(self._request, target, method=method, headers=headers, body=body)
        if user is not None:
            child.user, child.auth_type = user
        child.passed_over = (*self._request.passed_over, *passed_over)
        response = await self._kit.run(child, self._plan)
        while response.internal_target:
            child = follow(child, response.internal_target, keeps_request=response.internal_keeps_request)
            await self._kit.delivery.discard(response)
            response = await self._kit.run(child, self._plan)
        return response

    def pieces(self, response: Response) -> AsyncGenerator[bytes | FileBody, None]:
        """Its body."""
        return self._kit.delivery.pieces(response)

    async def discard(self, response: Response) -> None:
        """Its files, its iterator."""
        await self._kit.delivery.discard(response)

    async def error_page(self, error: HttpError) -> Response:
        """Whatever page it gets."""
        await become_task()
        return await answer_refusal(self._request, error, self._run_target)

    async def configured_error_page(self, error: HttpError) -> Response | None:
        """The page that httpErrors names."""
        await become_task()
        return await configured_page(self._request, error, self._run_target)

    async def _run_target(self, refused: Request, target: str, status: int) -> Response:
        response = await self._kit.run(follow(refused, target, status=status), self._plan)
        if response.internal_target:
            raise HttpError(500, 0, f"the error page {target} is a local redirect")
        return response
