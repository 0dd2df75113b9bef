"""Python and Perl scripts in a running service, cold and warm, in both isolation modes: the client sees the same."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_program, write_site

ECHO = f"""#!{sys.executable} -u
import json, os, sys
body = sys.stdin.buffer.read()
print("Content-Type: application/json")
print("X-Parent: %d" % os.getppid())
print()
names = {{name: value for name, value in os.environ.items() if name not in ("UNIQUE_ID", "REMOTE_PORT")}}
buffer = type(sys.stdout.buffer).__name__
print(json.dumps([names, sys.argv[1:], len(body), os.path.basename(os.getcwd()), buffer, __name__]))
"""
ECHO_PL = """#!/usr/bin/perl -wT
use strict;
use CGI;
use Fcntl;
$| = 1;
binmode STDIN;
my $got = 0;
while (read STDIN, my $piece, 65536) { $got += length $piece }
printf "Content-Type: text/plain\\nX-Parent: %d\\n\\n", getppid;
print map { "$_=$ENV{$_}\\n" } grep { !/^(UNIQUE_ID|REMOTE_PORT)$/ } sort keys %ENV;
print "$0 @ARGV $got ${^TAINT} $^W ", defined caller() ? 1 : 0, <DATA>;
__DATA__
the end
"""
SLEEPER = f"""#!{sys.executable} -u
import os, subprocess, sys, time
print("Content-Type: text/plain\\n")
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
sys.stdout.write("%d %d\\n" % (os.getpid(), child.pid))  # one write, so that no chunk ends in the middle of it
time.sleep(1000)
"""


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"warm-{request.param}")
    cold = '<system.webServer><cgi interpreters="cold" /></system.webServer>'
    location = "".join(
        f'<location path="Default Web Site/cgi-bin/cold.{end}">{cold}</location>' for end in ("py", "pl")
    )
    config = write_site(folder)
    config.write_text(config.read_text().replace("</configuration>", location + "\n</configuration>"))
    for name in ("cold", "warm"):
        write_program(folder / "wwwroot" / "cgi-bin" / f"{name}.py", ECHO)
        write_program(folder / "wwwroot" / "cgi-bin" / f"{name}.pl", ECHO_PL)
    write_program(folder / "wwwroot" / "cgi-bin" / "sleeper.py", SLEEPER)
    with running(folder, config, "--isolation", request.param) as it:
        yield it


def warm_server(service: RunningService, end: str = "py") -> psutil.Process:
    """The interpreter that a warm answer comes from; asks until one does."""

    def found() -> psutil.Process | None:
        parent = psutil.Process(int(service.get(f"/cgi-bin/warm.{end}").headers["x-parent"]))
        return parent if "isapy: warm" in " ".join(parent.cmdline()) else None

    return wait_until(found, service.logs, "a warm interpreter")  # type: ignore[return-value]


@pytest.mark.parametrize("end", ["py", "pl"])
def test_the_answer_is_the_same_and_its_process_is_a_fork(service: RunningService, end: str) -> None:
    """Environment, arguments, body, folder; the warm interpreter is the parent of one and not of the other."""
    server = warm_server(service, end)
    for query, method, body in (("a+b", "GET", b""), ("x=1", "POST", b"x" * 200_000)):
        cold, warm = (
            service.get(f"/cgi-bin/{name}.{end}?{query}", {"X-Own": "1"}, method=method, body=body or None)
            for name in ("cold", "warm")
        )
        assert (warm.status, warm.text) == (200, cold.text.replace(f"cold.{end}", f"warm.{end}"))
        assert int(warm.headers["x-parent"]) == server.pid != int(cold.headers["x-parent"])
    assert server.uids() == psutil.Process(int(cold.headers["x-parent"])).uids()


def test_when_the_client_leaves_the_whole_tree_is_killed(service: RunningService) -> None:
    """The script and what it has started in a session of its own; the warm interpreter stays."""
    server = warm_server(service)
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/sleeper.py HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while (pids := re.search(rb"(\d+) (\d+)\n", received.partition(b"\r\n\r\n")[2])) is None:
            received += connection.recv(65536)
        script, child = (psutil.Process(int(pid)) for pid in pids.groups())
        assert script.ppid() == server.pid
    psutil.wait_procs([script, child], timeout=90)
    assert not script.is_running()
    assert not child.is_running()
    assert server.is_running()


def test_a_killed_interpreter_is_replaced_and_nobody_is_refused(service: RunningService) -> None:
    """An event says that it has ended; requests are answered all the while."""
    server = warm_server(service)
    os.kill(server.pid, signal.SIGKILL)
    for _ in range(3):
        assert service.get("/cgi-bin/warm.py").status == 200
    assert warm_server(service).pid != server.pid
    service.wait_for_event("cgi-not-warm", f"(process {server.pid}) has ended: signal 9")
