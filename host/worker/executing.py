"""What the worker is doing for each request in hand: IIS's pipeline states and modules, for `isapy list requests`.

Nothing is noted on the way of a request but the calls that may take their time (`HookCaller.under_way`); the rest is
read from the exchange when somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from host.api import Request
from host.wire.message_rows import ExecutingRow
from host.worker.calling import BODY, CallUnderWay
from host.worker.exchange import Exchange

_STATES: Final = {
    "begin_request": "BeginRequest",
    "authenticate_request": "AuthenticateRequest",
    "authorize_request": "AuthorizeRequest",
    "resolve_request_cache": "ResolveRequestCache",
    "map_request_handler": "MapRequestHandler",
    "acquire_request_state": "AcquireRequestState",
    "pre_request_handler_execute": "PreExecuteRequestHandler",
    "request_handler_execute": "ExecuteRequestHandler",
    "handle": "ExecuteRequestHandler",
    "release_request_state": "ReleaseRequestState",
    "update_request_cache": "UpdateRequestCache",
    "log_request": "LogRequest",
    "end_request": "EndRequest",
    "on_preproc_headers": "BeginRequest",
    "on_url_map": "MapPath",
    "on_authentication": "AuthenticateRequest",
    "on_auth_complete": "AuthenticateRequest",
    "on_access_denied": "SendResponse",
    "on_send_response": "SendResponse",
    "on_send_raw_data": "SendResponse",
    "on_log": "LogRequest",
    "on_end_of_request": "EndRequest",
    BODY: "SendResponse",
}
"""By hook: RQ_BEGIN_REQUEST and its followers as appcmd spells them. A post- event belongs to its event's state."""


def pipeline_state(hook: str) -> str:
    """The state of a request for which this hook is called."""
    return _STATES.get(hook.removeprefix("post_"), "ExecuteRequestHandler")  # else a handler's own call


def executing_rows(exchanges: Iterable[Exchange], calls: Iterable[CallUnderWay], now: float) -> list[ExecutingRow]:
    """A row for each exchange; `now` is monotonic seconds, as `calls` have them."""
    newest: dict[str, CallUnderWay] = {}
    for call in calls:
        if isinstance(call.subject, Request):
            known = newest.get(call.subject.id)
            if known is None or known.began_at <= call.began_at:  # a body inside a filter: the innermost counts
                newest[call.subject.id] = call
    return [_row(exchange, newest.get(exchange.request.id), now) for exchange in exchanges]


def _row(exchange: Exchange, call: CallUnderWay | None, now: float) -> ExecutingRow:
    request = exchange.request
    if call is None:
        state = "SendResponse" if exchange.has_begun else "ExecuteRequestHandler"
        if request.mapping is None and not exchange.has_begun:
            state = "BeginRequest"
        return ExecutingRow(link_number=exchange.number, request_id=request.id, pipeline_state=state)
    milliseconds = int((now - call.began_at) * 1000)
    return ExecutingRow(
        link_number=exchange.number,
        request_id=request.id,
        pipeline_state=pipeline_state(call.name),
        current_module=call.plugin,
        time_in_module=milliseconds,
        time_in_state=milliseconds,
    )
