"""An exception that nothing in the listener has caught is an event, in the processes of both modes."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop

from host.config.confinement import Identity
from host.config.listener_confinement import ListenerConfinement
from host.processes.control_channel import ControlChannel, channel_pair
from host.processes.inetinfo import run_inetinfo
from host.processes.listener import run_listener
from host.processes.loop_errors import LoopErrors
from host.processes.spawn import start_child
from host.wire.control_messages import AnyMessage, Drain, Event, Hello
from host.wire.listening_messages import Unlisten
from tests.running_service import WAIT_SECONDS


def messages(control: socket.socket, channel: ControlChannel) -> Iterator[AnyMessage]:
    """What the process says, one by one."""
    while True:
        assert select.select([control], [], [], WAIT_SECONDS)[0]
        yield from (message for message, _ in channel.receive())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "arguments"),
    [(run_listener, (ListenerConfinement(identity=Identity()),)), (run_inetinfo, ((),))],
    ids=["listener", "iis5"],
)
def test_a_process_reports_what_it_did_not_expect_and_lives_on(target: Callable[..., None], arguments: Any) -> None:
    """Here: an order about a listener that there is not yet. The event has the traceback and the count."""
    ours, theirs = channel_pair()
    process = start_child(target, theirs, "listener", *arguments)
    theirs.close()
    channel = ControlChannel(ours)
    said = messages(ours, channel)
    try:
        if target is run_listener:
            confined = next(said)
            assert isinstance(confined, Event)
            assert confined.id == "listener-confined"
        assert isinstance(next(said), Hello)
        channel.send(Unlisten(endpoint="127.0.0.1:80"))
        event = next(said)
        assert isinstance(event, Event)
        assert (event.id, event.fields) == ("listener-error", {"count": "1"})
        assert "Traceback" in event.text
        assert "AttributeError" in event.text
        channel.send(Drain(seconds=0.0))  # it still hears
        process.join(WAIT_SECONDS)
        assert process.exitcode == 0
    finally:
        process.kill()
        process.join()
        channel.close()


def run(errors: list[BaseException | dict[str, Any]], *, on_uvloop: bool) -> list[Event]:
    """What is reported of these: exceptions that callbacks raise, and contexts that the loop is told."""
    events: list[Event] = []
    are_all_told = asyncio.Event()

    def note(message: AnyMessage) -> None:
        assert isinstance(message, Event)
        events.append(message)
        if message.fields["count"] == str(len(errors)):
            are_all_told.set()

    def fail(error: BaseException) -> None:
        raise error

    async def live() -> None:
        loop = asyncio.get_running_loop()
        LoopErrors(loop, note, report_seconds=0.05)
        for error in errors:
            if isinstance(error, dict):
                loop.call_exception_handler(error)
            else:
                loop.call_soon(fail, error)
        await asyncio.sleep(0)
        if events:
            await are_all_told.wait()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(asyncio.wait_for(live(), WAIT_SECONDS))
    return events


@pytest.mark.parametrize("on_uvloop", [True, False])
def test_a_flood_of_defects_is_no_flood_of_events(on_uvloop: bool) -> None:
    """The first at once, the last of the others when the pause is over; the count has them all."""
    events = run([ValueError(str(number)) for number in range(500)], on_uvloop=on_uvloop)
    assert events[0].fields == {"count": "1"}
    assert "ValueError: 0" in events[0].text
    assert events[-1].fields == {"count": "500"}
    assert "ValueError: 499" in events[-1].text
    assert len(events) < 50


def test_a_client_that_vanishes_is_no_defect() -> None:
    """What the kernel says of a connection whose client cannot be reached any more (uvloop passes it on)."""
    unreachable = {"message": "Fatal read error", "exception": TimeoutError(110, "timed out"), "transport": object()}
    assert run([unreachable], on_uvloop=True) == []


def test_what_a_plugins_task_leaves_behind_is_not_the_listeners(caplog: pytest.LogCaptureFixture) -> None:
    """inetinfo runs plugins on the same loop: their forgotten tasks are said where they always were."""
    with caplog.at_level("ERROR", "asyncio"):
        assert run([{"message": "never retrieved", "exception": OSError(), "future": object()}], on_uvloop=False) == []
    assert "never retrieved" in caplog.text
