"""Replies as tables and JSON."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from host.admin.commands import (
    ApplicationRow,
    Done,
    PluginRow,
    Plugins,
    PoolRow,
    Pools,
    ProcessRow,
    Reply,
    RequestRow,
    Requests,
    SiteRow,
    Sites,
    Status,
    WorkerRow,
    Workers,
)
from host.admin.fastcgi_messages import FastCgi, FastCgiRow
from host.admin.script_messages import ScriptRow, Scripts
from host.cli.render import show, span

SITES = Sites(
    rows=[
        SiteRow(
            id=1,
            name="Default Web Site",
            state="Started",
            bindings=["http/*:8080:"],
            applications=[ApplicationRow(path="/", pool="DefaultAppPool", isolation="Medium", physical_path="/srv")],
        )
    ]
)
POOLS = Pools(
    rows=[
        PoolRow(
            name="Shop",
            state="Stopped",
            reason="AppOffline",
            max_processes=2,
            failures=5,
            last_recycle="by hand",
            last_recycle_seconds=3.0,
        )
    ]
)
WORKERS = Workers(
    rows=[
        WorkerRow(
            process_id=4711,
            name="Shop#1",
            pool="Shop",
            state="Running",
            requests_served=12,
            age_seconds=11100.5,
            private_kilobytes=2048,
            address_space_kilobytes=30720,
            processor_seconds=1.54,
            last_recycle="10 requests",
            last_recycle_seconds=301.5,
        )
    ]
)
PLUGINS = Plugins(
    rows=[
        PluginRow(
            name="bad",
            family="extension",
            path="/srv/extensions/bad.py",
            state="failed",
            detail="Traceback:\n  File ...\nValueError: no",
            pool="Shop",
        )
    ]
)


def request_row(url: str) -> RequestRow:
    return RequestRow(
        request_id="r1",
        connection_id=5,
        verb="GET",
        url=url,
        site_id=1,
        host_name="localhost",
        client_ip_address="127.0.0.1",
        local_port=8080,
        time_elapsed=5100,
        pipeline_state="ExecuteRequestHandler",
        worker="",
        queue="Shop",
        site_name="Shop site",
        current_module="slow",
        time_in_module=5001,
        time_in_state=5002,
    )


def shown(capsys: pytest.CaptureFixture[str], reply: Reply, *, as_json: bool = False) -> str:
    show(reply, as_json=as_json)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (SITES, ["ID", "1", "Default Web Site", "Started", "http/*:8080:", "/ (DefaultAppPool)"]),
        (POOLS, ["Shop", "Stopped (AppOffline)", "0/2", "0/1000", "5", "OnDemand", "Integrated", "3 s ago: by hand"]),
        (
            WORKERS,
            [
                "PID",
                "4711",
                "Shop#1",
                "Running",
                "12",
                "3 h 05 min",
                "2.0 MB",
                "30.0 MB",
                "1.5 s",
                "5 min 01 s ago: 10 requests",
            ],
        ),
        (PLUGINS, ["bad", "extension", "failed", "/srv/extensions/bad.py", "ValueError: no"]),
        (
            Requests(rows=[request_row("/slow?x=[red]")]),
            ["5100 ms", "GET", "/slow?x=[red]", "(queue Shop)", "Shop site", "r1", "slow, 5001 ms", "ler, 5002 ms"],
        ),
    ],
    ids=["sites", "pools", "workers", "plugins", "requests"],
)
def test_a_table_shows_the_words_in_one_line_a_row(
    capsys: pytest.CaptureFixture[str], reply: Reply, words: list[str]
) -> None:
    """A heading and a line for each row, whatever the width of the pipe."""
    lines = shown(capsys, reply).splitlines()
    assert len(lines) == 2
    assert lines == [line.rstrip() for line in lines]
    assert not [word for word in words if word not in "\n".join(lines)]


def test_json_has_the_rows_with_their_field_names(capsys: pytest.CaptureFixture[str]) -> None:
    """What programs read."""
    rows = json.loads(shown(capsys, SITES, as_json=True))
    assert rows[0]["name"] == "Default Web Site"
    assert rows[0]["applications"] == [
        {"path": "/", "pool": "DefaultAppPool", "isolation": "Medium", "physical_path": "/srv"}
    ]
    assert set(json.loads(shown(capsys, POOLS, as_json=True))[0]) == set(PoolRow.__struct_fields__)


def test_nothing_to_list_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The table stays empty for a pipe; JSON is an empty list."""
    show(Workers(rows=[]))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no workers run now" in captured.err
    assert json.loads(shown(capsys, Workers(rows=[]), as_json=True)) == []


def test_what_is_not_known_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    """Not a zero, which would be a number."""
    row = WorkerRow(
        process_id=1,
        name="inetinfo",
        pool="",
        state="Running",
        requests_served=None,
        requests_in_hand=None,
        idle_seconds=None,
    )
    show(Workers(rows=[row]))
    cells = re.split("   +", capsys.readouterr().out.split("\n")[1].strip())
    assert cells == ["1", "inetinfo", "Running", "-", "-", "0 s", "-", "0.0 MB", "0.0 MB", "0.0 s", "-"]


def test_requests_that_do_not_fit_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """A crowd can be larger than an answer."""
    show(Requests(rows=[request_row("/slow")], more=7))
    said = capsys.readouterr()
    assert "/slow" in said.out
    assert said.err == "and 7 more\n"


def test_a_url_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences that a client sent are made visible."""
    text = shown(capsys, Requests(rows=[request_row("/\x1b[2J\x07\u202eabc")]))
    assert "\x1b" not in text
    assert "/\ufffd[2J\ufffd\ufffdabc" in text


def test_status_names_urls_processes_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything one asks first."""
    status = Status(
        version="0.1.0",
        pid=100,
        config_path="/srv/conf/applicationHost.config",
        isolation_mode="IIS5",
        started_at=0.0,
        urls=["http://localhost:8080/", "http://localhost:8081/"],
        processes=[ProcessRow(pid=101, title="inetinfo")],
        log_directory="/srv/logs",
        configuration_version=3,
        warnings=["applicationHost.config:12: something"],
    )
    text = shown(capsys, status)
    assert [line.split()[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "isapy",
        "configuration",
        "isolation",
        "open",
        "logs",
        "process",
        "warning",
    ]
    assert "http://localhost:8081/" in text
    assert "101  isapy: inetinfo" in text
    assert json.loads(shown(capsys, status, as_json=True))["processes"][0]["pid"] == 101


def test_done_is_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A sentence."""
    assert shown(capsys, Done(text="pool Shop is stopped")) == "pool Shop is stopped\n"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (11100, "3 h 05 min"),
        (180000, "2 d 02 h"),
    ],
)
def test_span_shows_two_units(seconds: float, text: str) -> None:
    """Short enough for a column."""
    assert span(seconds) == text


def test_scripts_show_their_times_and_how_they_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """Milliseconds and seconds, exits by status, the last error with its request."""
    row = ScriptRow(
        pool="Shop",
        script="/srv/a.cgi",
        runs=12,
        warm_runs=10,
        errors=1,
        p50=0.84,
        p95=120.4,
        p99=3100.0,
        longest=3100.0,
        exits={"0": 11, "SIGKILL": 1},
        last_error="it printed nothing",
        last_error_request="ab-1",
        last_error_seconds=3.0,
    )
    show(Scripts(rows=[row]))
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "/srv/a.cgi Shop 12 10 0.8 ms 120 ms 3.1 s 0:11 SIGKILL:1 1 3 s ago, request ab-1: it printed nothing" in shown
    )
    show(Scripts(rows=[]))
    assert "no CGI script has run yet" in capsys.readouterr().err


def test_fastcgi_processes_are_shown_with_what_their_application_shares(capsys: pytest.CaptureFixture[str]) -> None:
    """A process at work has no idle time; a connection, or an application without a process, has no pid."""
    busy = FastCgiRow(
        pool="Shop",
        worker="Shop#1",
        command="/usr/bin/php-cgi -d a=b",
        pid=4711,
        state="busy",
        requests_served=12,
        requests_in_hand=1,
        age_seconds=61.5,
        idle_seconds=0.0,
        most_processes=8,
        restarts=3,
        failures=2,
        waiting=4,
        queue_length=1000,
    )
    none = msgspec.structs.replace(busy, pid=0, state="none", requests_served=0, requests_in_hand=0)
    show(FastCgi(rows=[busy, none]))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1:] == [
        "4711 Shop#1 busy 12 1 1 min 01 s - 3 2 4/1000 8 /usr/bin/php-cgi -d a=b",
        "- Shop#1 none 0 0 - - 3 2 4/1000 8 /usr/bin/php-cgi -d a=b",
    ]
    show(FastCgi(rows=[]))
    assert "no FastCGI application has been asked yet" in capsys.readouterr().err
