"""Processes that plugins keep, told when somebody asks."""

from __future__ import annotations

import dataclasses

from host.admin.fastcgi_messages import FastCgiRow
from host.api import HostedProcess
from host.wire.message_rows import HostedProcessRow
from host.worker.hosted_processes import HostedProcesses

PROCESS = HostedProcess(
    command="/usr/bin/php-cgi",
    pid=7,
    state="idle",
    requests_served=3,
    age_seconds=2.5,
    most_processes=8,
    restarts=1,
    failures=0,
    waiting=0,
    queue_length=1000,
)


def test_a_plugin_that_cannot_tell_keeps_no_other_from_being_listed() -> None:
    """What it raises, and what is no row, are events that name it."""
    events: list[tuple[str, str, object]] = []
    hosted = HostedProcesses(lambda event_id, text, fields=None: events.append((event_id, text, fields)))
    number = 7
    hosted.show("breaks", lambda: [[PROCESS]][number])
    hosted.show("babbles", lambda: ["php-cgi"])  # type: ignore[list-item]
    hosted.show("fastcgi", lambda: [PROCESS])
    (row,) = hosted.rows()
    assert (row.command, row.pid, row.requests_served, row.age_seconds) == ("/usr/bin/php-cgi", 7, 3, 2.5)
    assert [(event_id, fields) for event_id, _, fields in events] == [
        ("plugin-error", {"plugin": "breaks"}),
        ("plugin-error", {"plugin": "babbles"}),
    ]
    assert "IndexError" in events[0][1]


def test_what_a_plugin_tells_of_a_process_reaches_the_administrator_whole() -> None:
    """The contracts of plugins, workers and administrators have the same fields, beside whose process it is."""
    told = {field.name for field in dataclasses.fields(HostedProcess)}
    assert set(HostedProcessRow.__struct_fields__) == told
    assert set(FastCgiRow.__struct_fields__) == told | {"pool", "worker"}
    hosted = HostedProcesses(lambda event_id, text, fields=None: None)
    hosted.show("fastcgi", lambda: [PROCESS])
    (row,) = hosted.rows()
    assert FastCgiRow(pool="Shop", worker="Shop#1", **row.fields()).idle_seconds == PROCESS.idle_seconds
    assert row.fields() == dataclasses.asdict(PROCESS)
