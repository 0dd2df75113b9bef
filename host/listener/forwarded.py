"""Who the client is when a believed proxy says so: X-Forwarded-For with X-Forwarded-Proto, or Forwarded (RFC 7239).

The field is a list to which each proxy appends whom it has heard from, so it is read from its end: the client is the
last address that is no believed proxy itself, and what stands before it is hearsay. Only the configured field is looked
at: a proxy that writes one of the two lets the other one through as a client wrote it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from host.config.listener_settings import ForwardedHeaders

MOST_HOPS: Final = 32
"""Proxies that are looked through; a longer list is a client's invention."""

_FORWARDED_FOR: Final = re.compile(rb"(?:^|\n)(?i:x-forwarded-for):([^\r\n]*)")
_FORWARDED_PROTO: Final = re.compile(rb"(?:^|\n)(?i:x-forwarded-proto):([^\r\n]*)")
_FORWARDED: Final = re.compile(rb"(?:^|\n)(?i:forwarded):([^\r\n]*)")
_UNREADABLE: Final = "?"  # stands among the parameters of an element for what is none
_PIECE: Final = re.compile(r'"(?:[^"\\]|\\.?)*+"?|[^",;]++|[,;]', re.DOTALL)
"""A quoted string (or the rest, when it has no end), what stands between marks, a mark. It matches wherever it is asked
and never goes back, so that what a client writes costs no more than its length."""


UNKNOWN_ADDRESS: Final = "0.0.0.0"
"""Of a client whom a proxy keeps to itself: not on this machine, as far as anybody can tell, and no proxy either."""


class ForwardedClient(NamedTuple):
    """The client's address (text, plain; empty: not told, so the peer's own), its port (0: not told), and whether it
    spoke TLS to the first proxy."""

    address: str
    port: int
    is_secure: bool


class _Hop(NamedTuple):
    node: str
    scheme: str


class ForwardedClients:
    """Looks behind believed proxies."""

    __slots__ = ("_is_trusted", "_settings")

    def __init__(self, settings: ForwardedHeaders) -> None:
        self._settings = settings
        self._is_trusted = lru_cache(maxsize=1024)(self._is_in_a_network)

    def trusts(self, address: str) -> bool:
        """Whether the peer at `address` (empty: of a unix socket) is a believed proxy."""
        if not address:
            return self._settings.trusts_unix_sockets
        return self._is_trusted(address)

    def client(self, fields: bytes) -> ForwardedClient | None:
        """The client behind a believed proxy that sent this block of header fields; None when they do not say.

        A node that is no address (`unknown`, an obfuscated name) ends the search: who stands behind it cannot be known,
        so it is neither the proxy itself nor, when that runs here, somebody on this machine.
        """
        found: ForwardedClient | None = None
        hops = _forwarded(fields) if self._settings.header == "Forwarded" else _x_forwarded(fields)
        for hop, _ in zip(hops, range(MOST_HOPS), strict=False):
            is_secure = hop.scheme.lower() == "https"
            if not hop.node and found is None:
                return ForwardedClient("", 0, is_secure) if hop.scheme else None
            address, port = _address_of(hop.node)
            if not address:
                return ForwardedClient(UNKNOWN_ADDRESS, 0, is_secure)
            found = ForwardedClient(address, port, is_secure)
            if not self._is_trusted(address):
                break
        return found

    def _is_in_a_network(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._settings.networks if network.version == parsed.version)


def _x_forwarded(fields: bytes) -> Iterator[_Hop]:
    """The nodes of X-Forwarded-For, last first. X-Forwarded-Proto says a scheme for each, one for all, or one alone."""
    nodes = _list(_FORWARDED_FOR, fields)
    schemes = _list(_FORWARDED_PROTO, fields)
    is_parallel = len(schemes) == len(nodes)
    last = schemes[-1] if schemes else ""
    for index in range(len(nodes) - 1, -1, -1):
        yield _Hop(nodes[index], schemes[index] if is_parallel else last)
    if not nodes and last:
        yield _Hop("", last)


def _list(name: re.Pattern[bytes], fields: bytes) -> list[str]:
    text = b",".join(name.findall(fields)).decode("latin-1")
    return [item.strip() for item in text.split(",") if item.strip()]


def _forwarded(fields: bytes) -> Iterator[_Hop]:
    """The elements of Forwarded, last first; one without `for` does not tell its client.

    What cannot be read does not count as untold: a client that begins a quoted string makes what its proxy adds a part
    of it, and would be taken for the proxy.
    """
    text = b",".join(_FORWARDED.findall(fields)).decode("latin-1")
    pairs: dict[str, str] = {}
    elements, pieces = [pairs], list[str]()
    for piece in (*_PIECE.findall(text), ","):
        if piece not in (",", ";"):
            pieces.append(piece)
            continue
        if pieces:
            name, value = _pair("".join(pieces))
            if not "".join(pieces).isspace():
                pairs[name if name and value else _UNREADABLE] = value
            pieces.clear()
        if piece == ",":
            pairs = {}
            elements.append(pairs)
    for element in reversed(elements):
        if element:  # RFC 9110 5.6.1: empty elements of a list do not count
            node = "unknown" if _UNREADABLE in element else element.get("for", "")
            yield _Hop(node, element.get("proto", ""))


def _pair(text: str) -> tuple[str, str]:
    """Name in small letters and value of `name=token` or `name="quoted"`; no value for what is neither."""
    name, _, value = text.partition("=")
    value = value.strip()
    if len(value) >= 2 and value.startswith('"') and value.endswith('"'):
        value = value[1:-1]
    return name.strip().lower(), "" if '"' in value or " " in value else value


def _address_of(node: str) -> tuple[str, int]:
    """Address and port of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; an empty text for others."""
    host, port = node, ""
    if node.startswith("["):
        host, _, port = node[1:].partition("]")
        port = port.removeprefix(":")
    elif node.count(":") == 1:
        host, _, port = node.partition(":")
    try:
        parsed = ipaddress.ip_address(host)
    except ValueError:
        return "", 0
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    address = str(mapped or parsed).partition("%")[0]
    is_port = port.isascii() and port.isdigit() and int(port) < 65536
    return address, int(port) if is_port else 0
