"""What `<listener>` says, as frozen values: sizes of HTTP.sys's registry key, the Server field, believed proxies."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from host.config.confinement import Identity

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedHeaders:
    """`listener/forwardedHeaders`: which peers may say who the client is, and by which field."""

    header: str = "X-Forwarded-For"  # or Forwarded
    networks: tuple[Network, ...] = ()
    trusts_unix_sockets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """`listener`; sizes are bytes, of segments characters, 0 lifts the limits on segments."""

    processes: int = 1
    max_field_bytes: int = 16384
    max_request_bytes: int = 16384
    url_segment_max_length: int = 260
    url_segment_max_count: int = 255
    max_connections: int = 4294967295
    body_read_ahead_bytes: int = 49152  # of a body whose length is announced
    disable_server_header: int = 0  # 1: not on refusals, 2: never
    uri_enable_cache: bool = True
    uri_max_uri_bytes: int = 262144
    uri_max_cache_bytes: int = 67108864
    uri_scavenger_period_seconds: int = 120
    identity: Identity = field(default_factory=Identity)  # whom the listener's process runs as
    forwarded_headers: ForwardedHeaders = field(default_factory=ForwardedHeaders)
