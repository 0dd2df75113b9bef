"""SCGI applications: a server that somebody else runs, asked over a connection of its own for each request.

The handler names the server in scriptProcessor: `unix:/run/app.sock` or `tcp://127.0.0.1:4000`. Variables and answers
are CGI's; `cgi/@timeout` is the limit of a request.
"""

from __future__ import annotations

from collections.abc import Sequence

from host.api import HttpError, PluginContext, Request, Response, hookimpl
from host.gateway.environment import meta_variables
from host.gateway.server_address import ServerAddress, parse_address
from host.programs.gateway_answer import answers_for_a_folder, respond
from host.programs.reachability import Reachability
from host.programs.request_pieces import RequestPieces
from host.programs.scgi_exchange import ScgiExchange
from host.python_apps.mount_point import mount_length

_contexts: list[PluginContext] = []
_servers: dict[ServerAddress, Reachability] = {}  # those that the configuration names


@hookimpl
def module_names() -> Sequence[str]:
    return ("ScgiModule",)


@hookimpl
def load(context: PluginContext) -> None:
    _contexts.append(context)


@hookimpl
def unload(context: PluginContext) -> None:
    _contexts.clear()
    _servers.clear()


@hookimpl
async def handle(request: Request) -> Response:
    address = server_of(request)
    source = RequestPieces(request.body)
    try:
        await source.open(announces_length="Content-Length" in request.headers)
        exchange = await ScgiExchange.connect(
            address,
            f"{request.path} (request {request.id})",
            timeout_seconds=request.settings.cgi.timeout_seconds,
            report=_report,
            server=_reachability(address),
        )
    except BaseException:
        source.close()
        raise
    try:
        variables = meta_variables(
            request,
            content_length=source.length,
            pass_authorization=request.settings.cgi.pass_authorization,
            mount_length=mount_length(request) if answers_for_a_folder(request) else -1,
        )
        exchange.start(variables, source)
        return await respond(request, exchange)
    except BaseException as error:
        exchange.abandon(str(error))
        source.close()
        raise


def _report(text: str) -> None:
    _contexts[-1].report_event("scgi-failed", text)


def _reachability(address: ServerAddress) -> Reachability:
    if address not in _servers:
        _servers[address] = Reachability(f"the SCGI server {address}", _report)
    return _servers[address]


def server_of(request: Request) -> ServerAddress:
    """The address in the handler's scriptProcessor. Raises HttpError 500.19."""
    processor = request.mapping.script_processor if request.mapping is not None else ""
    try:
        return parse_address(processor)
    except ValueError as error:
        remedy = 'scriptProcessor="tcp://127.0.0.1:4000" or scriptProcessor="unix:/run/NAME.sock".'
        raise HttpError(500, 19, f"the SCGI server: {error}", remedy=remedy) from error
