"""Which sites have their bindings: the automaton, who may start, and what another configuration changes."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from host.activation.site_states import BY_HAND, NOT_AUTOMATIC, SiteStates
from host.activation.site_transitions import TRANSITIONS, SiteCommand, SiteEvent, SiteState
from host.config.model import Binding, Site


def site(number: int, *bindings: str, auto_start: bool = True) -> Site:
    """A site; a binding is `ip:port:host`."""
    parsed = []
    for binding in bindings:
        ip, port, host = binding.rsplit(":", 2)
        parsed.append(Binding(protocol="http", ip=ip, port=int(port), host=host))
    return Site(name=f"s{number}", id=number, bindings=tuple(parsed), auto_start=auto_start)


def started(*sites: Site) -> SiteStates:
    """The states after the service has started with these sites."""
    states, _ = SiteStates().follow(sites)
    for each in states.bound_sites:
        states.step(each.id, SiteEvent.BOUND)
    return states


def shown(states: SiteStates) -> dict[int, str]:
    return {status.site.id: status.state.value for status in states.statuses}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(SiteState, SiteEvent)))
def test_every_cell_of_the_site_table_is_filled(state: SiteState, event: SiteEvent) -> None:
    """No event in any state is a surprise."""
    following, commands = TRANSITIONS[state, event]
    assert isinstance(following, SiteState)
    assert all(isinstance(command, SiteCommand) for command in commands)


def test_the_table_has_no_other_cells_and_a_site_can_always_be_started_and_stopped() -> None:
    """From every state, by the road that the table names."""
    assert set(TRANSITIONS) == set(itertools.product(SiteState, SiteEvent))
    for state in SiteState:
        after_start = TRANSITIONS[state, SiteEvent.START][0]
        assert TRANSITIONS[after_start, SiteEvent.BOUND][0] is SiteState.STARTED
        after_stop = TRANSITIONS[state, SiteEvent.STOP][0]
        assert TRANSITIONS[after_stop, SiteEvent.RELEASED][0] is SiteState.STOPPED


def test_the_page_shows_the_table() -> None:
    """Every cell that changes something has its line in docs/architecture.md, in the table's order, and no other."""
    expected = [
        f"| {state.value} | {event.value} | {following.value} | {', '.join(command.value for command in commands)} |"
        for (state, event), (following, commands) in TRANSITIONS.items()
        if following is not state or commands
    ]
    page = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    section = page.partition("## Life of a site\n")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if line.startswith("|")][2:] == expected


def test_at_the_start_of_the_service_server_auto_start_decides() -> None:
    """A site that is not started says why."""
    states = started(site(1, ":80:a"), site(2, ":80:b", auto_start=False))
    assert shown(states) == {1: "Started", 2: "Stopped"}
    assert states.status(2).reason == NOT_AUTOMATIC


@pytest.mark.parametrize(
    ("first", "second", "is_taken"),
    [
        (":80:", ":80:", True),
        ("0.0.0.0:80:", ":80:", True),
        ("[::]:80:", ":80:", True),
        (":80:a.test", ":80:a.test.", True),
        (":80:a.test", ":80:b.test", False),
        (":80:", ":81:", False),
        ("127.0.0.1:80:", ":80:", False),
        ("127.0.0.1:80:", "127.0.0.2:80:", False),
    ],
)
def test_the_second_site_with_an_identical_binding_cannot_start(first: str, second: str, is_taken: bool) -> None:
    """The first in the file has it; another address, port or host name is another binding."""
    states, refused = SiteStates().follow([site(1, first), site(2, ":9:x", second)])
    assert [each.id for each in states.bound_sites] == ([1] if is_taken else [1, 2])
    assert [each.id for each, _ in refused] == ([2] if is_taken else [])
    if is_taken:
        assert "site s1" in states.status(2).reason
        assert ":80:" in states.status(2).reason


def test_the_other_one_may_start_when_the_first_was_stopped() -> None:
    """And the first must wait then."""
    states = started(site(1, ":80:"), site(2, ":80:"))
    assert states.conflict(states.status(2).site)
    states.step(1, SiteEvent.STOP, BY_HAND)
    assert not states.conflict(states.status(2).site)
    assert states.step(2, SiteEvent.START) == (SiteCommand.BIND,)
    assert states.status(2).reason == ""
    assert "site s2" in states.conflict(states.status(1).site)
    assert states.step(1, SiteEvent.RELEASED) == (SiteCommand.REPORT_STOPPED,)
    assert (states.status(1).state, states.status(1).reason) == (SiteState.STOPPED, BY_HAND)


def test_another_configuration_keeps_the_run_time_state() -> None:
    """Stopped stays stopped and started stays started, whatever serverAutoStart says; new sites follow it."""
    states = started(site(1, ":80:a"), site(2, ":80:b"), site(3, ":80:c", auto_start=False))
    states.step(2, SiteEvent.STOP, BY_HAND)
    states.step(2, SiteEvent.RELEASED)
    after, refused = states.follow(
        [
            site(1, ":81:a", auto_start=False),
            site(2, ":81:b"),
            site(3, ":80:c"),
            site(4, ":80:d"),
            site(5, ":80:e", auto_start=False),
        ]
    )
    assert shown(after) == {1: "Started", 2: "Stopped", 3: "Stopped", 4: "Starting", 5: "Stopped"}
    assert after.status(2).reason == BY_HAND
    assert refused == []
    assert shown(states) == {1: "Started", 2: "Stopped", 3: "Stopped"}  # a plan changes nothing


def test_a_removed_site_is_forgotten() -> None:
    """Under the same id it is a new one."""
    states = started(site(1, ":80:a"))
    states.step(1, SiteEvent.STOP, BY_HAND)
    without, _ = states.follow([])
    again, _ = without.follow([site(1, ":80:a")])
    assert shown(again) == {1: "Starting"}


def test_who_had_a_binding_before_keeps_it() -> None:
    """A started site that gets a taken binding is stopped with the reason, wherever it stands in the file."""
    states = started(site(1, ":80:"), site(2, ":81:"))
    after, refused = states.follow([site(3, ":81:"), site(1, ":81:"), site(2, ":81:")])
    assert shown(after) == {3: "Stopped", 1: "Stopped", 2: "Started"}
    assert sorted(each.id for each, _ in refused) == [1, 3]
    assert all("site s2" in why for _, why in refused)
