"""The logs of a real service in both isolation modes: formats, custom fields, selection, full disks, logrotate."""

from __future__ import annotations

import os
import re
import resource
import select
import socket
import time
from pathlib import Path

import pytest

from tests.running_service import WAIT_SECONDS, RunningService, running, wait_until
from tests.sample_site import write_site

LOG_FILE = """<logFile logExtFileFlags="Time, UriStem, HttpStatus, ComputerName" logFormat="W3C"><customFields>
<add logFieldName="x-asked" sourceName="X-Asked" sourceType="RequestHeader" />
<add logFieldName="x-type" sourceName="Content-Type" sourceType="ResponseHeader" />
<add logFieldName="x-pool" sourceName="APP_POOL_ID" sourceType="ServerVariable" />
</customFields></logFile>"""
QUIET = """<location path="Default Web Site/quiet"><system.webServer><httpLogging dontLog="true" /></system.webServer>
</location><location path="Default Web Site/faults"><system.webServer><httpLogging selectiveLogging="LogError" />
</system.webServer></location>"""
SECOND_SITE = """<site name="Other" id="2"><application path="/" applicationPool="Deep" isolation="Low">
<virtualDirectory path="/" physicalPath="../wwwroot" /></application>
<bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:other.example" /></bindings></site></sites>
<log centralLogFileMode="CentralW3C"><centralW3CLogFile logExtFileFlags="SiteName, UriStem" /></log>"""
NCSA_LINE = r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:[\d:]{8} [+-]\d{4}\] "GET /loud\.txt\?ncsa HTTP/1\.1" 200 \d+'
MODES = pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])


def write(folder: Path, mode: str, *, log_file: str = LOG_FILE) -> Path:
    """The sample with that log, and texts in folders whose answers are logged in part, or not at all."""
    config = write_site(folder, mode=mode, site_extra=log_file)
    config.write_text(config.read_text().replace("</configuration>", QUIET + "</configuration>"))
    for name in ("quiet", "faults"):
        (folder / "wwwroot" / name).mkdir()
        (folder / "wwwroot" / name / "a.txt").write_text("text")
    (folder / "wwwroot" / "loud.txt").write_text("text")
    return config


def lines_of(service: RunningService, pattern: str, last: str) -> list[str]:
    """Wait until a line of such a file holds `last`; gives all that are no directives."""

    def lines() -> list[str]:
        found = [line for line in service.log_lines(pattern) if not line.startswith("#")]
        return found if any(last in line for line in found) else []

    return wait_until(lines, service.logs, f"{last} in {pattern}")


def read_lines(descriptor: int, count: int) -> list[str]:
    """So many lines of a FIFO, as they come; fewer when nothing more comes."""
    data = b""
    while data.count(b"\n") < count and select.select([descriptor], [], [], WAIT_SECONDS)[0]:
        piece = os.read(descriptor, 65536)
        assert piece, "nobody writes any more"
        data += piece
    return data.decode().splitlines()


def ask_all(service: RunningService) -> None:
    """Requests of which some are logged and others are not; the last one is."""
    for path in ("/quiet/a.txt", "/faults/a.txt", "/faults/none.txt", "/quiet/none.txt", "/loud.txt", "/loud.txt"):
        service.get(path, {"X-Asked": "what, and\tby whom"})
    service.get("/loud.txt?last")


@pytest.mark.slow
@MODES
def test_formats_and_what_is_left_out(tmp_path: Path, mode: str) -> None:
    """W3C with custom fields, then NCSA, then the log of all sites, by saving the file of a running service."""
    config = write(tmp_path, mode)
    with running(tmp_path, config) as service:
        ask_all(service)
        text, computer = "what,+and+by+whom", socket.gethostname()
        wait_until(lambda: len(service.log_lines("W3SVC1/u_ex??????_x.log")) >= 4 + 4, service.logs, "four lines")
        lines = service.log_lines("W3SVC1/u_ex*_x.log")
        assert lines[3] == "#Fields: time s-computername cs-uri-stem sc-status x-asked x-type x-pool"
        rows = [line.split(" ")[1:] for line in lines[4:]]
        assert [row[:3] for row in rows] == [
            [computer, "/faults/none.txt", "404"],
            *[[computer, "/loud.txt", "200"]] * 3,
        ]
        assert [row[3] for row in rows] == [text, text, text, "-"]
        assert [row[4].partition(";")[0] for row in rows] == ["text/html", "text/plain", "text/plain", "text/plain"]
        assert [row[5] for row in rows] == ["DefaultAppPool"] * 4

        original = config.read_text()
        config.write_text(original.replace(LOG_FILE, '<logFile logFormat="NCSA" />'))
        service.wait_until_answered("/loud.txt?ncsa", lambda: bool(service.log_lines("W3SVC1/u_nc*.log")))
        (line, *_) = service.log_lines("W3SVC1/u_nc*.log")
        assert re.fullmatch(NCSA_LINE, line)

        config.write_text(original.replace("</sites>", SECOND_SITE))
        service.wait_until_answered("/loud.txt", lambda: bool(service.log_lines("W3SVC/u_ex*.log")))
        assert service.get("/loud.txt?central", {"Host": "other.example"}).text == "text"
        lines = lines_of(service, "W3SVC/u_ex*.log", "W3SVC2")
        assert set(lines) == {"W3SVC1 /loud.txt", "W3SVC2 /loud.txt"}
        assert not (service.logs / "LogFiles" / "W3SVC2").exists()


@pytest.mark.slow
@MODES
def test_a_full_disk_stops_no_request(tmp_path: Path, mode: str) -> None:
    """No file of the listener may grow any more: requests are answered, one event says what is wrong. When there is
    room again, every line is there, once. A file that is moved away is begun anew."""
    config = write(tmp_path, mode, log_file='<logFile logExtFileFlags="UriStem, UriQuery" />')
    mine = f'<listener userName="{os.geteuid()}" />'  # limits are set for processes of the same user alone
    config.write_text(config.read_text().replace("<sites>", f"{mine}<sites>", 1))
    with running(tmp_path, config) as service:
        service.get("/loud.txt?0")
        lines_of(service, "W3SVC1/u_ex*.log", "/loud.txt 0")
        front = service.pid_of("listener" if mode == "WorkerProcess" else "inetinfo")
        (log,) = service.logs.rglob("W3SVC1/u_ex*.log")
        soft, hard = resource.prlimit(front, resource.RLIMIT_FSIZE)
        resource.prlimit(front, resource.RLIMIT_FSIZE, (log.stat().st_size + 7, hard))
        for number in range(1, 20):
            assert service.get(f"/loud.txt?{number}").text == "text"
        service.wait_for_event("log-failed", "cannot write the log", str(log))
        for number in range(20, 40):
            assert service.get(f"/loud.txt?{number}").text == "text"
        resource.prlimit(front, resource.RLIMIT_FSIZE, (soft, hard))
        service.wait_for_event("log-failed", "is written again; 0 lines were lost")
        service.get("/loud.txt?end")
        lines = lines_of(service, "W3SVC1/u_ex*.log", "/loud.txt end")
        assert lines == [f"/loud.txt {number}" for number in (*range(40), "end")]
        assert len([line for line in service.events() if "cannot write the log" in line]) == 1

        log.rename(log.with_suffix(".1"))
        service.wait_until_answered("/loud.txt?moved", log.exists)
        assert log.read_text().startswith("#Software: isapy\n")
        assert "/loud.txt end\n" in log.with_suffix(".1").read_text()


@pytest.mark.slow
@MODES
def test_a_disk_that_does_not_answer_stops_no_request(tmp_path: Path, mode: str) -> None:
    """The site's log is a FIFO that nobody reads: whoever opens it waits. Requests are answered, and every line is
    there once the disk answers; the service ends in order."""
    config = write(tmp_path, mode, log_file='<logFile period="Monthly" logExtFileFlags="UriQuery" />')
    folder = tmp_path / "state" / "logs" / "LogFiles" / "W3SVC1"
    folder.mkdir(parents=True)
    now = time.time()
    for at in (now, now + 3600):  # the month may end while the test runs
        name = time.strftime("u_ex%y%m.log", time.gmtime(at))
        if not (folder / name).exists():
            os.mkfifo(folder / name)
            (folder / name).chmod(0o666)  # a FIFO is nobody's log: it stays the test's, and the listener writes in it
    name = time.strftime("u_ex%y%m.log", time.gmtime(now))
    with running(tmp_path, config) as service:
        for number in range(10):
            assert service.get(f"/loud.txt?{number}").text == "text"
            assert service.get("/loud.txt", {"Host": "a b"}).status == 400
        assert service.log_lines("HTTPERR/*.log") == [], "somebody waits for the site's disk"
        reader = os.open(folder / name, os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert read_lines(reader, 4 + 10)[4:] == [str(number) for number in range(10)]
            assert service.httperr(" 400 ")
        finally:
            os.close(reader)
