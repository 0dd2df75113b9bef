"""Routing: category order of bindings, longest application path, and what changes with the configuration."""

from __future__ import annotations

import pytest

from host.config.model import (
    Application,
    ApplicationIsolation,
    Binding,
    IsolationMode,
    Pool,
    Site,
    SiteLimits,
    Snapshot,
    VirtualDirectory,
)
from host.config.tls_settings import BindingTls
from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.isolation.selection import model_for
from host.listener.bindings import RoutingTable, plain_address
from host.listener.route import SiteGauge
from tests.kept_memory import kept_bytes

FOLDER = (VirtualDirectory(path="/", physical_path="/nowhere"),)


def site(number: int, *bindings: str, paths: tuple[str, ...] = ("/",), auto_start: bool = True) -> Site:
    """A site with bindings written as IIS writes them."""
    parsed = []
    for text in bindings:
        ip, port, host = text.rsplit(":", 2)
        parsed.append(Binding(protocol="http", ip=ip, port=int(port), host=host))
    applications = tuple(
        Application(site_id=number, site_name="s", path=path, pool_name=f"P{path}", virtual_directories=FOLDER)
        for path in paths
    )
    return Site(name=f"s{number}", id=number, bindings=tuple(parsed), applications=applications, auto_start=auto_start)


def table(*sites: Site, mode: IsolationMode = IsolationMode.WORKER_PROCESS) -> RoutingTable:
    routing = RoutingTable(Limits())
    pools = tuple(Pool(name=name, queue_length=20) for name in ("P/", "P/shop"))
    routing.configure(Snapshot(version=1, path="/x", sites=sites, pools=pools), model_for(mode))
    return routing


def found(routing: RoutingTable, host: bytes, address: str = "10.0.0.1", target: bytes = b"/") -> int:
    return routing.at(address, 80).find(host, target).site.id


def test_categories_are_searched_in_order() -> None:
    """Explicit host, wildcard host, any host on one address, any host anywhere."""
    routing = table(
        site(1, "*:80:"),
        site(2, "10.0.0.1:80:"),
        site(3, "*:80:*.example.org"),
        site(4, "*:80:www.example.org"),
        site(5, "10.0.0.1:80:own.example.org"),
    )
    assert found(routing, b"www.example.org") == 4
    assert found(routing, b"own.example.org") == 5
    assert found(routing, b"own.example.org", "10.0.0.2") == 3
    assert found(routing, b"other.example.org") == 3
    assert found(routing, b"example.org") == 2
    assert found(routing, b"elsewhere") == 2
    assert found(routing, b"elsewhere", "10.0.0.2") == 1
    assert found(routing, b"") == 2


def test_host_names_are_compared_without_case_port_and_trailing_dot() -> None:
    """What a client may write for one name."""
    routing = table(site(1, "*:80:WWW.Example.org"), site(2, "*:80:xn--e1a4c"))
    for host in (b"www.example.org", b"WWW.EXAMPLE.ORG:8080", b"www.example.org.", b"www.example.org.:80"):
        assert found(routing, host) == 1
    assert found(routing, b"XN--E1A4C:80") == 2
    with pytest.raises(RemoteProtocolError):
        found(routing, b"[::1]:80")


def test_a_wildcard_stands_for_one_label_and_the_longer_one_wins() -> None:
    """`*.example.org` is not above `a.b.example.org`."""
    routing = table(site(1, "*:80:*.example.org"), site(2, "*:80:*.b.example.org"))
    assert found(routing, b"a.b.example.org") == 2
    assert found(routing, b"b.example.org") == 1
    for host in (b"x.a.b.example.org", b"example.org", b".example.org"):
        with pytest.raises(RemoteProtocolError):
            found(routing, host)


def test_no_binding_is_a_bad_hostname() -> None:
    """400 and not 503, which a load balancer would read as overload."""
    with pytest.raises(RemoteProtocolError) as caught:
        found(table(site(1, "*:80:a"), site(2, "10.0.0.9:80:")), b"b")
    assert caught.value.fault is Fault.INVALID_HOSTNAME
    with pytest.raises(RemoteProtocolError):
        table(site(1, "*:81:")).at("10.0.0.1", 80).find(b"a", b"/")


def test_the_longest_application_path_wins_on_whole_segments() -> None:
    """`/shop` is not above `/shopping`; case does not matter; disguises do not help."""
    routes = table(site(1, "*:80:", paths=("/", "/shop", "/shop/Cart"))).at("10.0.0.1", 80)

    def path(target: bytes) -> str:
        return routes.find(b"x", target).application.path

    assert path(b"/") == path(b"/shopping") == path(b"/shop/../x") == path(b"*") == "/"
    assert path(b"/shop") == path(b"/SHOP/?a=/shop/cart") == path(b"//shop/x") == path(b"/%73hop/x") == "/shop"
    assert path(b"/shop/cart") == path(b"/shop/CART/1") == path(b"/a/..\\shop/./cart") == "/shop/Cart"
    assert routes.find(b"x", b"/shop").queue == "P/shop"
    assert routes.find(b"x", b"/shop").key == b"1:/shop"


def test_a_path_that_is_no_path_is_refused_each_time() -> None:
    """Refusals are not remembered as routes."""
    routes = table(site(1, "*:80:")).at("10.0.0.1", 80)
    for _ in range(2):
        with pytest.raises(RemoteProtocolError) as caught:
            routes.find(b"x", b"/%00")
        assert caught.value.fault is Fault.INVALID_URL


def test_sites_that_do_not_start_have_no_bindings() -> None:
    """serverAutoStart false."""
    with pytest.raises(RemoteProtocolError):
        found(table(site(1, "*:80:", auto_start=False)), b"x")


def test_of_two_equal_bindings_the_first_counts() -> None:
    """The second site could not start on IIS."""
    assert found(table(site(1, "*:80:"), site(2, "*:80:")), b"x") == 1


def test_https_bindings_are_routed_by_their_own_port() -> None:
    """As http ones are; what the address speaks is settled before."""
    own = site(1, "*:80:")
    binding = Binding(protocol="https", ip="*", port=80, host="", tls=BindingTls(certificate_file="a", key_file="a"))
    secure = Site(name="s", id=1, bindings=(binding,), applications=own.applications)
    assert found(table(secure), b"x") == found(table(own), b"x")


def test_a_changed_configuration_reaches_endpoints_in_use() -> None:
    """Connections keep their endpoint; what was remembered is forgotten."""
    routing = table(site(1, "*:80:"))
    endpoint = routing.at("10.0.0.1", 80)
    assert endpoint.find(b"x", b"/").site.id == 1
    routing.configure(
        Snapshot(version=2, path="/x", sites=(site(2, "*:80:"),)), model_for(IsolationMode.WORKER_PROCESS)
    )
    assert endpoint.find(b"x", b"/").site.id == 2
    assert routing.at("10.0.0.1", 80) is endpoint


def test_the_memory_of_targets_is_bounded() -> None:
    """A scan of random URLs makes it forget, not grow."""
    routes = table(site(1, "*:80:")).at("10.0.0.1", 80)
    for number in range(5000):
        routes.find(b"x", b"/%d" % number)
    assert len(routes._remembered) <= 4096


def test_long_targets_are_not_kept() -> None:
    """Four thousand URLs of 16 KB were 64 MB for each address, and stayed."""
    routes = table(site(1, "*:80:")).at("10.0.0.1", 80)
    assert (
        kept_bytes(lambda text: routes.find(b"x", f"/{text[:200]}".encode() + b"/a" * 200 + b"/" + b"a" * 250))
        < 500_000
    )
    assert kept_bytes(lambda text: routes.find(text.encode(), b"/")) < 500_000


def test_queues_carry_the_limits_of_their_pool() -> None:
    """In IIS 5 isolation mode one queue with default limits serves all pools."""
    shop = site(1, "*:80:", paths=("/", "/shop"))
    assert {name: pool.queue_length for name, pool in table(shop).queues.items()} == {"P/": 20, "P/shop": 20}
    routing = table(shop, mode=IsolationMode.IIS5)
    assert {name: pool.queue_length for name, pool in routing.queues.items()} == {"inetinfo": 1000}
    high = Application(site_id=1, site_name="s", path="/", pool_name="P/", isolation=ApplicationIsolation.HIGH)
    assert model_for(IsolationMode.IIS5).place(high).queue == "inetinfo"


def test_a_site_keeps_its_gauge_when_the_configuration_changes() -> None:
    """Connections that are open count on."""
    routing = table(site(1, "*:80:"))
    gauge = routing.at("10.0.0.1", 80).find(b"x", b"/").gauge
    gauge.connections = 2
    limited = site(1, "*:80:")
    limited = Site(
        name="s",
        id=1,
        bindings=limited.bindings,
        applications=limited.applications,
        limits=SiteLimits(max_connections=2),
    )
    routing.configure(Snapshot(version=2, path="/x", sites=(limited,)), model_for(IsolationMode.WORKER_PROCESS))
    assert routing.at("10.0.0.1", 80).find(b"x", b"/").gauge is gauge
    assert gauge.is_full
    assert not SiteGauge(1).is_full


def test_addresses_are_compared_in_one_spelling() -> None:
    """Brackets, zones, IPv4 inside IPv6."""
    assert plain_address("[::1]") == "::1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("::ffff:10.0.0.1") == "10.0.0.1"
    assert plain_address("::FFFF") == "::ffff"


def test_the_sites_that_are_started_count_whatever_server_auto_start_says() -> None:
    """They change while the service runs; what was remembered of a stopped site is forgotten, its queue stays."""
    routing = table(site(1, "*:80:a"), site(2, "*:80:b", paths=("/", "/shop"), auto_start=False))
    assert found(routing, b"a") == 1
    routing.set_sites({1, 2})
    assert (found(routing, b"a"), found(routing, b"b")) == (1, 2)
    routing.set_sites([2])
    assert found(routing, b"b") == 2
    with pytest.raises(RemoteProtocolError):
        found(routing, b"a")
    routing.set_sites([])
    with pytest.raises(RemoteProtocolError):
        found(routing, b"b")
    assert routing.queues.keys() == {"P/", "P/shop"}
