"""The front's pings over a moved clock, as a policy and with a real listener that is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from host.activation.children import Surroundings
from host.activation.front_health import (
    HUNG_SECONDS,
    PING_SECONDS,
    is_front_hung,
    is_front_ping_due,
    is_front_well,
)
from host.activation.front_supervisor import FrontSupervisor
from host.config.store import build_snapshot, read_source
from host.isolation.selection import model_for
from host.processes.launcher import Launcher
from host.wire.control_messages import Configure
from tests.running_service import WAIT_SECONDS
from tests.sample_site import write_site


@pytest.mark.parametrize(
    ("now", "asked_at", "answered_at", "is_due", "is_hung"),
    [
        (100.0, 100.0, 100.0, False, False),
        (100.0 + PING_SECONDS, 100.0, 100.0, True, False),
        (100.0 + PING_SECONDS, 100.0 + PING_SECONDS, 100.0, False, False),
        (105.0 + HUNG_SECONDS, 105.0, 100.0, False, False),
        (105.1 + HUNG_SECONDS, 105.0, 100.0, False, True),
        (500.0, 105.0, 105.0, True, False),
    ],
)
def test_a_ping_is_due_after_an_answer_and_late_after_its_limit(
    now: float, asked_at: float, answered_at: float, is_due: bool, is_hung: bool
) -> None:
    """One ping at a time; silence counts from the ping."""
    assert is_front_ping_due(now, asked_at, answered_at) is is_due
    assert is_front_hung(now, asked_at, answered_at) is is_hung


def test_a_front_is_well_as_long_as_it_gave_a_sign_of_life() -> None:
    """The watchdog of the service manager hangs on this."""
    assert is_front_well(100.0 + HUNG_SECONDS + PING_SECONDS, 100.0)
    assert not is_front_well(100.1 + HUNG_SECONDS + PING_SECONDS, 100.0)


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.slow
def test_a_stopped_listener_is_replaced_and_the_event_says_how_long_it_was_silent(tmp_path: Path) -> None:
    """A real process that is sent SIGSTOP: it answers no ping, and the clock moves past the limit."""
    asyncio.run(asyncio.wait_for(_stop_a_listener(tmp_path), WAIT_SECONDS))


async def _stop_a_listener(folder: Path) -> None:
    loop, clock = asyncio.get_running_loop(), _Clock()
    events: list[tuple[str, str]] = []
    changed = asyncio.Event()

    def report(event_id: str, text: str, _fields: Mapping[str, str]) -> None:
        events.append((event_id, text))
        changed.set()

    source = read_source(str(write_site(folder)))
    snapshot = build_snapshot(source, 1)
    model = model_for(snapshot.isolation_mode)
    configure = Configure(version=1, path=source.path, text=source.text)
    front = FrontSupervisor(model.slots(snapshot)[0], Surroundings(loop, Launcher(loop), report, clock), configure)
    ready = asyncio.Event()
    front.on_started = ready.set
    front.start("a test")
    await ready.wait()
    ready.clear()
    signs = [front.is_well]
    first = front.pid
    os.kill(first, signal.SIGSTOP)
    clock.now += PING_SECONDS
    front.tick()  # asks
    clock.now += HUNG_SECONDS
    front.tick()
    assert not [event for event in events if event[0] == "front-hung"]
    clock.now += 1.0
    signs.append(front.is_well)
    front.tick()
    assert "has not answered for 31 s" in dict(events)["front-hung"]
    await ready.wait()
    assert front.pid != first
    signs.append(front.is_well)
    assert signs == [True, False, True]
    assert "SIGKILL" in dict(events)["process-died"]
    front.retire(1.0)
    await front.gone
