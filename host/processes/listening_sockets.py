"""The listening sockets. The service owns them: a new front or a changed configuration refuses no connection.

Where several listeners accept, each TCP address of ours has a socket for each (SO_REUSEPORT), among which the kernel
deals new connections. The first one is opened as if it were alone, so that an address which somebody else has is found
to be in use; the others join it when their listeners run. None of them is closed while the address is served: whoever
has connected and waits there is accepted, by the listener that comes next or by another.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from host.config.model import Binding, Site
from host.processes import unix_sockets

_BACKLOG: Final = 4096
_Group = tuple[socket.socket, ...]


class BindingError(Exception):
    """A socket could not be opened; the text names the endpoint, the cause and the remedy. `is_in_use`: somebody else
    listens there."""

    def __init__(self, message: str, *, is_in_use: bool = False) -> None:
        super().__init__(message)
        self.is_in_use = is_in_use


class ListeningSockets:
    """The open sockets by endpoint (`127.0.0.1:8080`, `[::]:8080`), several of one where several listeners accept."""

    def __init__(self) -> None:
        self._open: dict[str, _Group] = {}
        # A service manager's sockets stay open there whatever we do: nobody else can open them, so we keep ours, too.
        self._managers: set[str] = set()
        self._kept: dict[str, _Group] = {}  # inherited, and not served at the moment
        self._files: dict[str, unix_sockets.Identity] = {}  # of the unix sockets that are ours, by endpoint

    @property
    def by_endpoint(self) -> Mapping[str, _Group]:
        """What is served now."""
        return dict(self._open)

    @property
    def everything(self) -> Mapping[str, _Group]:
        """What is open, served or not: for a successor of this service."""
        return {**self._kept, **self._open}

    @property
    def managers(self) -> list[str]:
        """Endpoints of everything that a service manager holds, too."""
        return sorted(self._managers)

    def adopt(self, listening: Iterable[socket.socket], managers: Collection[str] | None = None) -> list[str]:
        """Sockets that listen already: a binding with the same address takes them. `managers` are those that a service
        manager holds, too; without it, all. Gives the endpoints that came twice from a manager; the second socket is
        closed. Those of an earlier service are all kept."""
        doubles = []
        for inherited in listening:
            endpoint = _endpoint_of(inherited)
            if endpoint in self._kept and (managers is None or endpoint in managers):
                doubles.append(endpoint)
                inherited.close()
                continue
            inherited.setblocking(False)
            if inherited.family != socket.AF_UNIX:
                inherited.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._kept[endpoint] = (*self._kept.get(endpoint, ()), inherited)
            if managers is None or endpoint in managers:
                self._managers.add(endpoint)
            elif inherited.family == socket.AF_UNIX:
                self._files[endpoint] = unix_sockets.identity(_path_of(endpoint))
        return doubles

    def close_unwanted(self, sites: Iterable[Site]) -> list[str]:
        """Close the inherited sockets that no binding of these sites (started or not) names; gives their endpoints."""
        named = {
            self._served_by(each[0]) for site in sites for binding in site.bindings for each in _addresses(binding)
        }
        unwanted = sorted(self._kept.keys() - named)
        for endpoint in unwanted:
            self._close(endpoint, self._kept.pop(endpoint))
            self._managers.discard(endpoint)
        return unwanted

    def open_for(self, sites: Iterable[Site]) -> Mapping[str, _Group]:
        """Open what the bindings of these sites need, keep what is open. Raises BindingError and changes nothing.

        Call `close_others` with the result once the old sockets are not accepted on any more.
        """
        wanted: dict[str, _Group] = {}
        opened: dict[str, _Group] = {}
        try:
            for binding in [binding for site in sites for binding in site.bindings]:
                for own_endpoint, family, address in _addresses(binding):
                    endpoint = self._served_by(own_endpoint)
                    if endpoint in wanted:
                        continue
                    group = self._open.get(endpoint) or self._kept.get(endpoint)
                    if group is None:
                        group = opened[endpoint] = (self._listen(endpoint, family, address, binding),)
                    wanted[endpoint] = group
        except BindingError:
            for endpoint, group in opened.items():
                self._close(endpoint, group)
            raise
        self._open.update(wanted)
        for endpoint in wanted:
            self._kept.pop(endpoint, None)
        return wanted

    def spread(self, listeners: int) -> tuple[bool, list[str]]:
        """Give each TCP address that is served, and is no service manager's, a socket for each of so many listeners:
        whether there are more sockets now. An address that cannot be opened again is shared, and a sentence says so."""
        has_more, problems = False, []
        for endpoint, group in self._open.items():
            if endpoint in self._managers or group[0].family == socket.AF_UNIX:
                continue
            try:
                more = tuple(_listen_beside(group[0]) for _ in range(listeners - len(group)))
            except OSError as error:
                problems.append(f"{endpoint} cannot be opened for each listener, so they share it: {error.strerror}")
                continue
            self._open[endpoint] = (*group, *more)
            has_more = has_more or bool(more)
        return has_more, problems

    def close_others(self, kept: Iterable[str]) -> None:
        """Close every socket that is not among `kept`; those of a service manager are only served no more."""
        for endpoint in self._open.keys() - set(kept):
            group = self._open.pop(endpoint)
            if endpoint in self._managers:
                self._kept[endpoint] = group
            else:
                self._close(endpoint, group)

    def close(self, *, is_succeeded: bool = False) -> None:
        """Close all. The files of unix sockets stay for a successor that has them now."""
        if is_succeeded:
            self._files.clear()
        for endpoint, group in self.everything.items():
            self._close(endpoint, group)
        self._open.clear()
        self._kept.clear()

    def _listen(
        self, endpoint: str, family: socket.AddressFamily, address: tuple[str, int], binding: Binding
    ) -> socket.socket:
        if not binding.path:
            return _listen(endpoint, family, address, binding)
        try:
            listening, self._files[endpoint] = unix_sockets.listen(binding.path, binding.socket_mode, _BACKLOG)
        except OSError as error:
            text = f"cannot listen on {endpoint}: {error.strerror}; {_unix_remedy(error, binding.path)}"
            raise BindingError(text, is_in_use=error.errno == errno.EADDRINUSE) from error
        listening.setblocking(False)
        return listening

    def _close(self, endpoint: str, group: _Group) -> None:
        """The file goes first: a new socket may take its place as soon as this one is closed."""
        if endpoint in self._files:
            unix_sockets.remove(_path_of(endpoint), self._files.pop(endpoint))
        for listening in group:
            listening.close()

    def _served_by(self, endpoint: str) -> str:
        """The endpoint whose socket takes these connections: an inherited one for every IPv6 address may take IPv4,
        too (systemd's `ListenStream=80` does)."""
        host, _, port = endpoint.rpartition(":")
        if host != "0.0.0.0":
            return endpoint
        every_address = f"[::]:{port}"
        inherited = self._open.get(every_address) or self._kept.get(every_address)
        if inherited is None or inherited[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
            return endpoint
        return every_address


def _path_of(endpoint: str) -> str:
    return endpoint.removeprefix(unix_sockets.PREFIX)


def _unix_remedy(error: OSError, path: str) -> str:
    folder = os.path.dirname(path)
    if error.errno == errno.ENOENT:
        return f"make the folder {folder}, or choose another path in the site's <binding>"
    if isinstance(error, PermissionError):
        return f"give the service's user write access to {folder}"
    return "end the program that has it, or choose another path in the site's <binding>"


def _endpoint_of(listening: socket.socket) -> str:
    if listening.family == socket.AF_UNIX:
        return unix_sockets.PREFIX + os.fsdecode(listening.getsockname())
    address, port = listening.getsockname()[:2]
    return f"[{address}]:{port}" if listening.family == socket.AF_INET6 else f"{address}:{port}"


def _addresses(binding: Binding) -> list[tuple[str, socket.AddressFamily, tuple[str, int]]]:
    """Where a binding listens. `*` is every address of both families (an IPv6 socket only where there is IPv6)."""
    port = binding.port
    if binding.path:
        return [(binding.endpoint, socket.AF_UNIX, (binding.path, 0))]
    if binding.ip in ("", "*"):
        found = [(f"0.0.0.0:{port}", socket.AF_INET, ("0.0.0.0", port))]
        if socket.has_ipv6 and os.path.exists("/proc/net/if_inet6"):
            found.append((f"[::]:{port}", socket.AF_INET6, ("::", port)))
        return found
    if ":" in binding.ip:
        address = str(ipaddress.ip_address(binding.ip.strip("[]")))  # one spelling for one address
        return [(f"[{address}]:{port}", socket.AF_INET6, (address, port))]
    return [(f"{binding.ip}:{port}", socket.AF_INET, (binding.ip, port))]


def _listen_beside(first: socket.socket) -> socket.socket:
    """One more socket for the address of `first`. Raises OSError."""
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    another = socket.socket(first.family, socket.SOCK_STREAM)
    try:
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        another.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if first.family == socket.AF_INET6:
            only_ipv6 = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            another.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        another.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        another.bind(first.getsockname())
        another.listen(_BACKLOG)
    except OSError:
        another.close()
        raise
    another.setblocking(False)
    return another


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
        elif error.errno == errno.EADDRNOTAVAIL:
            remedy = f"no interface has the address {binding.ip}; correct --bind, or the site's <binding>"
        text = f"cannot listen on {endpoint}: {error.strerror}; {remedy}"
        raise BindingError(text, is_in_use=error.errno == errno.EADDRINUSE) from error
    listening.setblocking(False)
    return listening
