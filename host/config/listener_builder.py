"""`<listener>` in force to `ListenerSettings`; a network that is none is noted and left out."""

from __future__ import annotations

import ipaddress
from typing import Final

from host.config.inheritance import Effective
from host.config.listener_settings import ForwardedHeaders, ListenerSettings, Network
from host.config.pool_confinement import listener_identity
from host.config.problems import Problems

_USUAL_CACHE_MEGABYTES: Final = 64
UNIX: Final = "unix"
"""What stands for every peer of a unix socket: it has no address."""


def build_listener(listener: Effective, pools: Effective, problems: Problems) -> ListenerSettings:
    """The settings; maxRequestBytes below maxFieldLength lowers that one, too, as HTTP.sys does."""
    most = listener.number("maxRequestBytes")
    return ListenerSettings(
        processes=listener.number("processes"),
        max_field_bytes=min(listener.number("maxFieldLength"), most),
        max_request_bytes=most,
        url_segment_max_length=listener.number("urlSegmentMaxLength"),
        url_segment_max_count=listener.number("urlSegmentMaxCount"),
        max_connections=listener.number("maxConnections"),
        body_read_ahead_bytes=listener.number("bodyReadAhead"),
        disable_server_header=listener.number("disableServerHeader"),
        uri_enable_cache=listener.flag("uriEnableCache"),
        uri_max_uri_bytes=listener.number("uriMaxUriBytes"),
        uri_max_cache_bytes=(listener.number("uriMaxCacheMegabyteCount") or _USUAL_CACHE_MEGABYTES) << 20,
        uri_scavenger_period_seconds=listener.number("uriScavengerPeriod"),
        identity=listener_identity(pools, listener),
        forwarded_headers=_forwarded_headers(listener.child("forwardedHeaders"), problems),
    )


def _forwarded_headers(element: Effective, problems: Problems) -> ForwardedHeaders:
    networks = []
    trusts_unix_sockets = False
    for entry in element.entries:
        text = entry.effective.text("ipAddress")
        if text.lower() == UNIX:
            trusts_unix_sockets = True
            continue
        try:
            networks.append(_network(text))
        except ValueError:
            node = entry.effective.node
            if node is not None:
                remedy = "write an address (10.0.0.1), a network (10.0.0.0/8, fd00::/8), or unix"
                message = f'"{text}" is no address and no network'
                problems.errors.append(node.error(message, remedy, attribute="ipAddress"))
    return ForwardedHeaders(
        header=element.text("header"), networks=tuple(networks), trusts_unix_sockets=trusts_unix_sockets
    )


def _network(text: str) -> Network:
    return ipaddress.ip_network(text, strict=False)  # 10.0.0.1/8 means the network that it lies in
