"""A request as frames for a worker: the head with what has come of the body, then more of it as the window allows."""

from __future__ import annotations

from typing import Final

from host.listener.exchange import Client, Exchange
from host.wire.codec import encode, encode_request
from host.wire.frames import MAX_DATA_BYTES, Kind, RequestFlag

_SECURE: Final = int(RequestFlag.SECURE)
_HTTP_1_1: Final = int(RequestFlag.HTTP_1_1)
_HAS_BODY: Final = int(RequestFlag.HAS_BODY)
_BODY_COMPLETE: Final = int(RequestFlag.BODY_COMPLETE)
_EXPECT_CONTINUE: Final = int(RequestFlag.EXPECT_CONTINUE)
_KEEP_ALIVE: Final = int(RequestFlag.KEEP_ALIVE)
_REPLAYED: Final = int(RequestFlag.REPLAYED)


def request_frame(exchange: Exchange, client: Client) -> bytes:
    """REQUEST, with as much of the body as is here and may be sent."""
    head = exchange.head
    flags = _HTTP_1_1 if head.minor_version else 0
    if head.keep_alive:
        flags |= _KEEP_ALIVE
    if client.is_secure:
        flags |= _SECURE
    if exchange.deaths:
        flags |= _REPLAYED
    first = b""
    body = exchange.body
    if body is not None:
        first = body.take()
        flags |= _HAS_BODY
        if body.is_all_sent:
            flags |= _BODY_COMPLETE
            body.is_end_sent = True
        elif head.expects_continue and not body.received_bytes:
            flags |= _EXPECT_CONTINUE
    route = exchange.route
    parts = (flags, client.facts, route.key, head.method, head.target, head.fields, head.content_length, first)
    return encode_request(exchange.number, parts)


def send_body(exchange: Exchange) -> None:
    """More of a request's body has come, or its end, or the window has opened: send what may go."""
    link, body = exchange.link, exchange.body
    if link is None or link.is_closed or body is None or body.is_end_sent:
        return
    data = body.take()
    for at in range(0, len(data), MAX_DATA_BYTES):
        link.send(encode(Kind.BODY, exchange.number, data[at : at + MAX_DATA_BYTES]))
    if body.announces_hold():
        link.send(encode(Kind.BODY_HELD, exchange.number))
    if body.is_all_sent:
        body.is_end_sent = True
        link.send(encode(Kind.BODY_END, exchange.number))
