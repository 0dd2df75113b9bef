"""Sends the everyday answer: a small body, in one frame, that nobody wants to see."""

from __future__ import annotations

from typing import Final

from host.api import Request, Response
from host.api.errors import check_codes
from host.config.log_settings import LOGS_EVERYTHING
from host.wire.frames import MAX_DATA_BYTES, ResponseFlag
from host.worker.cache_offers import CacheOffers
from host.worker.exchange import Exchange
from host.worker.plan import Plan
from host.worker.response_head import build_head

NO_CACHE: Final = int(ResponseFlag.NO_CACHE)
NO_LOG: Final = int(ResponseFlag.NO_LOG)
NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
BODYLESS: Final = frozenset({204, 205, 304})
"""Statuses whose answers have no body: RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5."""


def send_at_once(offers: CacheOffers, exchange: Exchange, request: Request, response: Response, plan: Plan) -> bool:
    """Send it, and end the exchange. False: it needs `Delivery.send`."""
    body = response.body
    if (
        not isinstance(body, bytes)
        or len(body) > MAX_DATA_BYTES
        or response.raw
        or exchange.is_head
        or response.status in BODYLESS
        or request.user
        or exchange.log_parameters
        or exchange.log_status
        or plan.settles_log
        or plan.on_send_raw_data
    ):
        return False
    head = build_head(response, drops_length=True)  # the front counts what is complete
    flags = head.flags | NO_CACHE if plan.forbids_cache else head.flags
    if (settings := request.settings) is not None:
        if settings.request_filtering.remove_server_header:
            flags |= NO_SERVER
        if settings.http_logging is not LOGS_EVERYTHING and not settings.http_logging.is_logged(response.status):
            flags |= NO_LOG
        if response.cache is not None or settings.caching.profiles:
            policy = offers.choose(exchange, request, response, plan)
            if policy is not None:
                offers.offer(exchange, request, policy)
    exchange.send_complete(flags, codes_of(response), head.raw, body)
    return True


def codes_of(response: Response) -> tuple[int, int, int]:
    """Status, substatus and Windows status, as frames carry them. Raises ValueError for numbers that are too large."""
    if response.substatus or response.win32_status:
        check_codes(response.substatus, response.win32_status)
    return response.status, response.substatus, response.win32_status
