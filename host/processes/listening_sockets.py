"""The listening sockets. The service owns them: a new front or a changed configuration refuses no connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from typing import Final

from host.config.model import Binding, Site

_BACKLOG: Final = 4096


class BindingError(Exception):
    """A socket could not be opened; the text names the endpoint, the cause and the remedy."""


class ListeningSockets:
    """The open sockets by endpoint (`127.0.0.1:8080`, `[::]:8080`)."""

    def __init__(self) -> None:
        self._open: dict[str, socket.socket] = {}

    @property
    def by_endpoint(self) -> Mapping[str, socket.socket]:
        """What is open now."""
        return dict(self._open)

    def open_for(self, sites: Iterable[Site]) -> Mapping[str, socket.socket]:
        """Open what the bindings of these sites need, keep what is open. Raises BindingError and changes nothing.

        Call `close_others` with the result once the old sockets are not accepted on any more.
        """
        wanted: dict[str, socket.socket] = {}
        opened: list[socket.socket] = []
        try:
            for binding in [binding for site in sites for binding in site.bindings]:
                for endpoint, family, address in _addresses(binding):
                    if endpoint in wanted:
                        continue
                    listening = self._open.get(endpoint)
                    if listening is None:
                        listening = _listen(endpoint, family, address, binding)
                        opened.append(listening)
                    wanted[endpoint] = listening
        except BindingError:
            for listening in opened:
                listening.close()
            raise
        self._open.update(wanted)
        return wanted

    def close_others(self, kept: Iterable[str]) -> None:
        """Close every socket that is not among `kept`."""
        for endpoint in self._open.keys() - set(kept):
            self._open.pop(endpoint).close()

    def close(self) -> None:
        """Close all."""
        self.close_others(())


def _addresses(binding: Binding) -> list[tuple[str, socket.AddressFamily, tuple[str, int]]]:
    """Where a binding listens. `*` is every address of both families (an IPv6 socket only where there is IPv6)."""
    port = binding.port
    if binding.ip in ("", "*"):
        found = [(f"0.0.0.0:{port}", socket.AF_INET, ("0.0.0.0", port))]
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            found.append((f"[::]:{port}", socket.AF_INET6, ("::", port)))
        return found
    if ":" in binding.ip:
        address = binding.ip.strip("[]")
        return [(f"[{address}]:{port}", socket.AF_INET6, (address, port))]
    return [(f"{binding.ip}:{port}", socket.AF_INET, (binding.ip, port))]


def _listen(endpoint: str, family: socket.AddressFamily, address: tuple[str, int], binding: Binding) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        remedy = "choose another port with --port or in the site's <binding>"
        if isinstance(error, PermissionError):
            remedy = f"ports below 1024 need root or CAP_NET_BIND_SERVICE; {remedy}"
        elif error.errno == 99:  # EADDRNOTAVAIL
            remedy = f"no interface has the address {binding.ip}; correct the <binding>"
        raise BindingError(f"cannot listen on {endpoint}: {error.strerror}; {remedy}") from error
    listening.setblocking(False)
    return listening
