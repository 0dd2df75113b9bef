"""Routing: which site and application a request is for, and whose queue takes it.

IIS's two steps. First the site, by category: a binding with that host name, one with a wildcard in the left-most label
(`*.example.org`), one bound to the address the request came in by, and last `*`. The search stops at the first category
with a match; inside a category a binding with an address goes before one without, a longer wildcard before a shorter.
Then the application: the longest virtual path that is a whole-segment prefix of the URL path, compared without case
(`/site` is not above `/siteTest`).

Answers are remembered per endpoint, keyed by host and path as they came, so that the usual request costs one look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from host.config.letter_case import without_case
from host.config.model import Binding, Pool, Site, Snapshot
from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.target import routing_path
from host.isolation.process_model import ProcessModel
from host.listener.repeats import Repeats
from host.listener.route import Route, SiteGauge

_MAX_REMEMBERED: Final = 4096  # targets per endpoint; beyond it everything is forgotten (a scan of random URLs)
_LONGEST_REMEMBERED: Final = 1024  # bytes of host and path: those that clients invent must not fill the memory
UNIX_PREFIX: Final = "unix:"
"""What an endpoint begins with that is the path of a unix socket."""


class _SiteRoutes:
    """The applications of one site, longest path first."""

    __slots__ = ("_below", "_root")

    def __init__(self, routes: Iterable[Route]) -> None:
        by_path = {without_case(route.application.path.rstrip("/")): route for route in routes}
        self._root = by_path.pop("", None)
        self._below = sorted(by_path.items(), key=lambda item: len(item[0]), reverse=True)

    def find(self, path: str) -> Route | None:
        lower = without_case(path)
        for prefix, route in self._below:
            if lower.startswith(prefix) and (len(lower) == len(prefix) or lower[len(prefix)] == "/"):
                return route
        return self._root


class _Category:
    """Bindings of one port and one address (or any address), by host name."""

    __slots__ = ("any_host", "hosts", "wildcards")

    def __init__(self) -> None:
        self.hosts: dict[str, _SiteRoutes] = {}
        self.wildcards: list[tuple[str, _SiteRoutes]] = []  # suffix with its dot, longest first
        self.any_host: _SiteRoutes | None = None

    def add(self, host: str, site: _SiteRoutes) -> None:
        """The first binding of its kind wins: a second site with the same one could not start."""
        if not host or host == "*":
            self.any_host = self.any_host or site
        elif host.startswith("*."):
            self.wildcards.append((host[1:], site))
            self.wildcards.sort(key=lambda item: len(item[0]), reverse=True)
        else:
            self.hosts.setdefault(host, site)


class EndpointRoutes:
    """Routing of what arrives at one local address and port; follows changes of the configuration.

    `repeats`: requests whose answer is known, forgotten with every change."""

    __slots__ = ("_any_address", "_limits", "_own_address", "_remembered", "repeats")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._own_address = _Category()
        self._any_address = _Category()
        self._remembered: dict[tuple[bytes, bytes], Route] = {}
        self.repeats: Final = Repeats()

    def replace(self, own_address: _Category, any_address: _Category) -> None:
        """From now on these bindings count."""
        self._own_address = own_address
        self._any_address = any_address
        self._forget()

    def set_limits(self, limits: Limits) -> None:
        """Paths must keep these limits from now on."""
        self._limits = limits
        self._forget()

    def _forget(self) -> None:
        self._remembered.clear()
        self.repeats.clear()

    def find(self, host: bytes, target: bytes) -> Route:
        """The route of a request. Raises RemoteProtocolError for an unknown host and for a path that is no path."""
        path = target.partition(b"?")[0]
        remembered = self._remembered
        route = remembered.get((host, path))
        if route is None:
            route = self._search(host, path)
            if len(host) + len(path) > _LONGEST_REMEMBERED:
                return route
            if len(remembered) >= _MAX_REMEMBERED:
                remembered.clear()
            remembered[host, path] = route
        return route

    def _search(self, host: bytes, raw_path: bytes) -> Route:
        path = "/" if raw_path == b"*" else routing_path(raw_path, self._limits)
        site = self._site(_host_name(host))
        route = None if site is None else site.find(path)
        if route is None:
            raise RemoteProtocolError(Fault.INVALID_HOSTNAME, "no site has a binding for this host")
        return route

    def _site(self, host: str) -> _SiteRoutes | None:
        categories = (self._own_address, self._any_address)
        for category in categories:
            if host in category.hosts:
                return category.hosts[host]
        wildcards = [item for category in categories for item in category.wildcards if _is_below(host, item[0])]
        if wildcards:
            return max(wildcards, key=lambda item: len(item[0]))[1]  # the first of the longest: own address first
        return self._own_address.any_host or self._any_address.any_host


def _is_below(host: str, suffix: str) -> bool:
    """Whether `host` has one more label than `suffix` (which starts with a dot); the wildcard stands for one label."""
    return host.endswith(suffix) and "." not in host[: -len(suffix)] and len(host) > len(suffix)


def _host_name(host: bytes) -> str:
    """The name without port, lower case, without a trailing dot."""
    name = host.decode("latin-1").lower()
    if name.startswith("["):
        return name[: name.find("]") + 1]
    return name.partition(":")[0].rstrip(".")


def unmapped(address: str) -> str:
    """An IPv4 address as itself, also when it came in by a socket of both families (one that systemd has opened):
    logs, access rules and programs must not meet two names of one client."""
    return address.removeprefix("::ffff:") if "." in address else address


def plain_address(address: str) -> str:
    """An address as bindings are compared: no brackets, no zone, an IPv4 address inside IPv6 as itself."""
    return unmapped(address.strip("[]").partition("%")[0].lower())


class RoutingTable:
    """Every endpoint's routing; built anew from each snapshot, handed to the endpoints that are in use."""

    __slots__ = ("_categories", "_endpoints", "_gauges", "_limits", "_model", "_snapshot", "queues")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._endpoints: dict[tuple[str, int], EndpointRoutes] = {}
        self._gauges: dict[int, SiteGauge] = {}
        self._categories: dict[tuple[str, int], _Category] = {}
        self._snapshot: Snapshot | None = None
        self._model: ProcessModel | None = None
        self.queues: dict[str, Pool] = {}  # name of each queue in use, and the pool whose limits it has

    def set_sites(self, started: Collection[int]) -> None:
        """The bindings of these sites count from now on, and no others."""
        assert self._snapshot is not None, "the listener was configured"
        assert self._model is not None, "the listener was configured"
        self.configure(self._snapshot, self._model, started)

    def configure(self, snapshot: Snapshot, model: ProcessModel, started: Collection[int] | None = None) -> None:
        """Route by this configuration from now on. Only sites that are `started` (ids; None: those that start by
        themselves) have bindings."""
        self._snapshot, self._model = snapshot, model
        pools = {pool.name: pool for pool in snapshot.pools}
        categories: dict[tuple[str, int], _Category] = {}
        self.queues = {}
        for site in snapshot.sites:
            gauge = self._gauges.setdefault(site.id, SiteGauge(site.id))
            gauge.limit = site.limits.max_connections
            site_routes = _SiteRoutes(self._routes(site, pools, model, gauge))
            if not (site.auto_start if started is None else site.id in started):
                continue
            for binding in site.bindings:
                category = categories.setdefault(binding_key(binding), _Category())
                category.add(binding.host.lower().rstrip("."), site_routes)
        self._categories = categories
        for (address, port), endpoint in self._endpoints.items():
            endpoint.replace(self._category(address, port), self._category("", port))

    def set_limits(self, limits: Limits) -> None:
        """Paths must keep these limits from now on."""
        self._limits = limits
        for endpoint in self._endpoints.values():
            endpoint.set_limits(limits)

    def at(self, address: str, port: int) -> EndpointRoutes:
        """The routing of what arrives at this local address and port, or at this unix socket (`unix:/path`, 0)."""
        endpoint = self._endpoints.get((address, port))
        if endpoint is not None:  # it came as it is compared, as nearly every one does
            return endpoint
        key = (address if address.startswith(UNIX_PREFIX) else plain_address(address), port)
        endpoint = self._endpoints.get(key)
        if endpoint is None:
            endpoint = self._endpoints[key] = EndpointRoutes(self._limits)
            endpoint.replace(self._category(*key), self._category("", port))
        return endpoint

    def _routes(self, site: Site, pools: dict[str, Pool], model: ProcessModel, gauge: SiteGauge) -> Iterable[Route]:
        for application in site.applications:
            queue = model.place(application).queue
            # In IIS 5 isolation mode one queue serves all pools: it has the default limits.
            pool = pools.get(application.pool_name) or Pool(name=application.pool_name)
            self.queues[queue] = pool if pool.name == queue else Pool(name=queue)
            yield Route(site, application, pool, queue, gauge)

    def _category(self, address: str, port: int) -> _Category:
        return self._categories.get((address, port)) or _Category()


def binding_key(binding: Binding) -> tuple[str, int]:
    """Address (empty: every one) and port of a binding; `unix:/path` and 0 for a unix socket."""
    if binding.path:
        return UNIX_PREFIX + binding.path, 0
    address = plain_address(binding.ip)
    return ("" if address in ("*", "0.0.0.0", "::") else address), binding.port
