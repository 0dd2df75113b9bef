"""Two snapshots compared: which pools are touched, and by what."""

from __future__ import annotations

import dataclasses

import pytest

from host.config.diff import WITHOUT_RECYCLING, WRITTEN, Difference, difference, until_recycled
from host.config.model import Pool, Snapshot
from host.config.store import Source, build_snapshot
from tests.config.server_sample import Server


def snapshots(server: Server, old: str, new: str, *, pools: tuple[str, str] = ("", "")) -> tuple[Snapshot, Snapshot]:
    return (
        build_snapshot(server.write(old, pools=pools[0]), 1),
        build_snapshot(server.write(new, pools=pools[1]), 2),
    )


def edited(server: Server, old: str, new: str) -> Difference:
    """What one replacement in the sample's text changes."""
    source = server.write("")
    text = source.text.decode()
    assert old in text
    other = Source(source.path, text.replace(old, new).encode())
    return difference(build_snapshot(source, 1), build_snapshot(other, 2))


def test_the_same_text_differs_in_nothing(server: Server) -> None:
    """A Difference is false when there is nothing to do."""
    assert not difference(*snapshots(server, "", "<!-- nothing -->"))


def test_a_server_level_section_touches_every_pool_with_applications(server: Server) -> None:
    """All of them see it; a pool nobody uses does not."""
    section = '<system.webServer><cgi timeout="00:00:09" /></system.webServer>'
    found = difference(*snapshots(server, "", section, pools=('<add name="Idle" />', '<add name="Idle" />')))
    assert found.touched_pools.keys() == {"DefaultAppPool", "Shop"}
    assert found.touched_pools["Shop"] == "the configuration changed: what its applications see"
    assert not found.server_changed
    assert found.sites_changed == ()


@pytest.mark.parametrize(
    ("path", "pools"),
    [
        ("Default Web Site/shop", {"Shop"}),
        ("Default Web Site/shop/cart", {"Shop"}),
        ("Default Web Site", {"DefaultAppPool", "Shop"}),
        ("Other/x", {"DefaultAppPool"}),
        ("Nowhere", set()),
    ],
)
def test_a_location_touches_the_pools_that_see_it(server: Server, path: str, pools: set[str]) -> None:
    """The applications above and below that path; /shop lies below / as well, whose pool may be touched too."""
    location = (
        f'<location path="{path}"><system.webServer><directoryBrowse enabled="true" /></system.webServer></location>'
    )
    touched = difference(*snapshots(server, "", location)).touched_pools.keys()
    assert pools <= touched
    assert touched - pools <= ({"DefaultAppPool"} if path.startswith("Default Web Site/shop") else set())


def test_pool_settings_are_named(server: Server) -> None:
    """The reason in the event log says which ones."""
    old, new = '<add name="P" />', '<add name="P" queueLength="55"><processModel maxProcesses="2" /></add>'
    found = difference(*snapshots(server, "", "", pools=(old, new)))
    assert found.pools_changed["P"].settings == ("queue_length", "max_processes")
    assert not found.pools_changed["P"].content
    assert dict(found.touched_pools) == {"P": "the configuration changed: processModel/@maxProcesses"}


def test_every_setting_of_a_pool_is_named_as_it_is_written() -> None:
    """Those without recycling need no name: nothing is replaced for them."""
    names = {part.name for part in dataclasses.fields(Pool)} - {"name"}
    assert names == WITHOUT_RECYCLING | WRITTEN.keys()
    assert not WITHOUT_RECYCLING & WRITTEN.keys()


@pytest.mark.parametrize(
    "setting",
    [
        'queueLength="55"',
        'autoStart="false"',
        'startMode="AlwaysRunning"',
        '><failure loadBalancerCapabilities="TcpLevel" /',
        '><failure rapidFailProtection="false" /',
        '><failure rapidFailProtectionInterval="00:09:00" /',
        '><failure rapidFailProtectionMaxCrashes="9" /',
        '><failure autoShutdownExe="/bin/true" autoShutdownParams="x" /',
        '><failure actionTimeLimit="00:09:00" /',
        '><failure replayIdempotentRequests="false" /',
        '><recycling disallowOverlappingRotation="true" disallowRotationOnConfigChange="true" /',
        '><recycling logEventOnRecycle="None" /',
        '><processModel logEventOnProcessModel="None" /',
    ],
)
def test_what_no_worker_knows_of_replaces_no_worker(server: Server, setting: str) -> None:
    """The change is seen, for the service and the listener obey it at once, and no pool is touched."""
    end = "/>" if ">" not in setting else "></add>"
    found = difference(*snapshots(server, "", "", pools=('<add name="P" />', f'<add name="P" {setting}{end}')))
    assert found.pools_changed.keys() == {"P"}
    assert not found.touched_pools


@pytest.mark.parametrize(
    "element",
    [
        '<processModel idleTimeout="00:09:00" />',
        '<processModel pingInterval="00:00:09" />',
        '<processModel pingingEnabled="false" />',
        '<processModel startupTimeLimit="00:00:09" />',
        '<processModel shutdownTimeLimit="00:00:09" />',
        '<processModel maxConcurrentRequests="9" />',
        '<recycling><periodicRestart time="09:00:00" /></recycling>',
        '<recycling><periodicRestart requests="9" /></recycling>',
        '<recycling><periodicRestart memory="9000" /></recycling>',
        '<recycling><periodicRestart privateMemory="9000" /></recycling>',
        '<failure orphanWorkerProcess="true" />',
        '<failure orphanActionExe="/bin/true" />',
        '<cpu limit="50000" />',
        '<environmentVariables><add name="A" value="b" /></environmentVariables>',
    ],
)
def test_what_forces_a_recycle_in_iis_replaces_the_workers(server: Server, element: str) -> None:
    """Restart limits, idle time-out, pings, time limits, orphan action, processor limits, a worker's environment."""
    found = difference(*snapshots(server, "", "", pools=('<add name="P" />', f'<add name="P">{element}</add>')))
    assert found.touched_pools.keys() == {"P"}


def test_the_list_of_what_replaces_no_worker_names_fields_of_a_pool() -> None:
    """A misspelt name would recycle for nothing."""
    assert {field.name for field in dataclasses.fields(Pool)} >= WITHOUT_RECYCLING


def test_a_worker_that_stays_goes_by_what_it_was_started_with() -> None:
    """disallowRotationOnConfigChange: only what no worker knows of is another one for it."""
    now = Pool(name="P", periodic_restart_requests=3, idle_timeout_seconds=60, rapid_fail_max_crashes=9)
    assert until_recycled(Pool(name="P"), now) == Pool(name="P", rapid_fail_max_crashes=9)


def test_pools_come_and_go(server: Server) -> None:
    """Neither is a touched pool: there are no workers to replace."""
    found = difference(*snapshots(server, "", "", pools=('<add name="Old" />', '<add name="New" />')))
    assert (found.pools_added, found.pools_removed) == (("New",), ("Old",))
    assert not found.touched_pools


def test_a_virtual_directory_touches_its_pool(server: Server) -> None:
    """Its workers have the old folder in hand."""
    found = edited(server, "%ISAPY_ROOT%/shop", "%ISAPY_ROOT%/other")
    assert found.touched_pools.keys() == {"Shop"}
    assert found.sites_changed == (1,)


def test_an_application_that_moves_touches_both_pools(server: Server) -> None:
    """One loses it, one gets it."""
    found = edited(server, 'path="/shop" applicationPool="Shop"', 'path="/shop" applicationPool="DefaultAppPool"')
    assert found.touched_pools.keys() == {"DefaultAppPool", "Shop"}


def test_the_limit_of_segments_touches_the_site_s_pools(server: Server) -> None:
    """Workers refuse by it; the other limits of a site are the listener's."""
    element = "<siteDefaults><limits {} /></siteDefaults>"
    sites = "<sites>"
    changed = edited(server, sites, sites + element.format('maxUrlSegments="5"'))
    assert changed.touched_pools
    assert not edited(server, sites, sites + element.format('maxConnections="5"')).touched_pools


def test_bindings_touch_no_pool(server: Server) -> None:
    """Only the listener has to do with them."""
    found = edited(server, "127.0.0.1:8080:", "127.0.0.1:8081:www.example.org")
    assert (found.endpoints_added, found.endpoints_removed) == (("127.0.0.1:8081",), ("127.0.0.1:8080",))
    assert found.sites_changed == (1,)
    assert not found.touched_pools


def test_sites_come_and_go(server: Server) -> None:
    """A site under another number is another site."""
    found = edited(server, 'name="Other" id="2"', 'name="Other" id="3"')
    assert (found.sites_added, found.sites_removed) == ((3,), (2,))
    assert found.touched_pools.keys() == {"DefaultAppPool"}


def test_the_isolation_switch_is_told(server: Server) -> None:
    """And nothing else with it."""
    source = server.write("")
    found = difference(build_snapshot(source, 1), build_snapshot(dataclasses.replace(source, isolation="iis5"), 2))
    assert found == Difference(isolation_changed=True)


def test_limits_of_the_listener_are_a_change_of_the_server(server: Server) -> None:
    """No pool is touched."""
    limits = '<webLimits demandStartThreshold="10" dynamicIdleThreshold="90" /><isolation />'
    found = edited(server, "<sites>", f"{limits}<sites>")
    assert found == Difference(server_changed=True)
    found = edited(server, "<sites>", '<isolation maxConcurrentRequests="7" /><sites>')
    assert found == Difference(server_changed=True)


def test_a_new_plugin_folder_touches_every_pool(server: Server) -> None:
    """Workers search it when they start."""
    source = server.write("")
    old = build_snapshot(source, 1)
    (server.root / "filters").mkdir()
    found = difference(old, build_snapshot(source, 2))
    assert found.server_changed
    assert found.touched_pools.keys() == {"DefaultAppPool", "Shop"}
