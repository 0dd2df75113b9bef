"""Native filters in a real service: every notification, every callback, every return code, in both process models."""

from __future__ import annotations

import base64
import http.client
import signal
from pathlib import Path

import pytest

from tests.native.compiling import LIBRARIES, SAMPLES, build
from tests.native.native_site import write_native_site
from tests.running_service import WAIT_SECONDS, running, wait_until

pytestmark = pytest.mark.slow
MODES = ["WorkerProcess", "IIS5"]


def build_watcher(folder: Path, *arguments: str) -> Path:
    mapped = folder / "mapped.txt"
    mapped.write_text("mapped elsewhere\n")
    return build(
        LIBRARIES / "watcher.c", folder, f'-DTRACE="{folder / "trace.txt"}"', f'-DMAPPED="{mapped}"', *arguments
    )


@pytest.mark.parametrize("mode", MODES)
def test_a_native_filter_sees_and_changes_every_notification(tmp_path: Path, mode: str) -> None:
    """The walk in IIS's order, the context of a connection, changes of each structure, each return code."""
    library = build_watcher(tmp_path)
    config = write_native_site(tmp_path, mode, filters={"watcher": library})
    with running(tmp_path, config) as service:
        with service.connect() as connection:
            first = service.get_on(connection, "/page.txt")
            assert first.status == 200
            assert first.text == "A PAGE OF TEXT\n!"  # raw data in place, and in memory of AllocMem
            assert first.headers["x-walk"].split() == ["headers", "map", "authentication", "complete", "response"]
            assert first.headers["x-count"] == "1 200"
            assert first.headers["x-status"] == "200 OK"
            assert service.get_on(connection, "/mapped").text == "MAPPED ELSEWHERE\n!"
            third = service.get_on(connection, "/nowhere.txt")
            assert third.headers["x-count"] == "3 404"  # the same pFilterContext
        facts = service.get("/errors").headers["x-facts"].split()
        assert facts == ["0", "122", "1413", "87", "1413", "120", "127.0.0.1", "72"]
        added = service.get("/added", {"X-Remove": "me"})
        assert (added.headers["x-one"], added.headers["x-two"]) == ("1", "2")
        quiet = service.get("/quiet")
        assert quiet.text == "a page of text\n"
        assert "map" not in quiet.headers["x-walk"].split()
        finished = service.get("/finished")
        assert (finished.status, finished.text, finished.headers["x-site"]) == (202, "THE FILTER'S OWN!", "1")
        user = base64.b64encode(b"alias:x").decode()
        assert service.get("/page.txt", {"Authorization": f"Basic {user}"}).status == 200
        assert service.get("/secret").status == 404
        service.site_log("/hidden-by-filter", " 299 ")
        (counted,) = (word for line in service.site_log("/counted-") for word in line.split() if "/counted-" in word)
        sent, received, milliseconds = (int(number) for number in counted.split("-")[1:])
        assert len(added.text) < sent < len(added.text) + 500
        assert 50 < received < 500
        assert milliseconds < 60_000
        error = service.get("/error")
        assert error.status == 500
        service.wait_for_event("plugin-error", "watcher", "1234")
        assert service.get("/strange").status == 500
        event = service.wait_for_event("plugin-error", str(library), "0x7")
        assert "filter.py" not in event.partition("Traceback")[0]  # the library is to be corrected
        traced = tmp_path / "trace.txt"
        wait_until(lambda: "end of session 3" in traced.read_text().split("\n"), tmp_path, "the session's end")
        assert "end of request" in traced.read_text()
    assert traced.read_text().split("\n")[-2] == "terminate 2"


@pytest.mark.parametrize("mode", MODES)
def test_a_crash_in_a_filter_costs_its_process_and_is_told_with_library_and_request(tmp_path: Path, mode: str) -> None:
    """The event names the library, its function, the request and the signal; the next request is answered."""
    library = build_watcher(tmp_path)
    config = write_native_site(tmp_path, mode, filters={"watcher": library})
    with running(tmp_path, config) as service:
        with service.connect() as connection:
            connection.sendall(b"POST /crash HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            answer = connection.recv(65536)
        if mode == "WorkerProcess":  # in IIS 5 the filter is in the process of the connection
            assert answer.startswith(b"HTTP/1.1 502 ")
        else:
            assert answer == b""
        event = "worker-died" if mode == "WorkerProcess" else "process-died"
        line = service.wait_for_event(event, str(library), "HttpFilterProc", "/crash", f"status=-{int(signal.SIGSEGV)}")
        assert f"library={library}" in line
        wait_until(lambda: service.process.poll() is None and _answers(service.port), tmp_path, "the service again")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/page.txt")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_raw_data_is_read_in_iis5_isolation_only(tmp_path: Path) -> None:
    """There a native filter changes what the client sends; elsewhere it is refused with an event, and nothing else."""
    library = build_watcher(tmp_path, "-DRAW", "-D_GNU_SOURCE")
    config = write_native_site(tmp_path, "IIS5", filters={"watcher": library})
    with running(tmp_path, config) as service:
        assert service.get("/rawd.txt").text == "A PAGE OF TEXT\n!"
    config = write_native_site(tmp_path, "WorkerProcess", filters={"watcher": library})
    with running(tmp_path, config) as service:
        assert service.get("/page.txt").text == "a page of text\n"
        service.wait_for_event("filter-refused", "watcher")


@pytest.mark.parametrize("mode", MODES)
def test_the_sample_filter_does_what_its_text_says(tmp_path: Path, mode: str) -> None:
    """Old links, a bad robot, and everything else as it was."""
    library = build(SAMPLES / "old_links.c", tmp_path)
    config = write_native_site(tmp_path, mode, filters={"old_links": library})
    with running(tmp_path, config) as service:
        old = service.get("/old/page.txt")
        assert (old.status, old.text, old.headers["x-old-link"]) == (200, "a page of text\n", "/old/page.txt")
        bad = service.get("/page.txt", {"User-Agent": "BadBot/2"})
        assert (bad.status, bad.text) == (403, "No robots of that kind.\n")
        assert "x-old-link" not in service.get("/page.txt").headers


def test_without_a_filter_that_cannot_be_loaded_nothing_is_served(tmp_path: Path) -> None:
    """An extension that is listed as a filter, and a file that is no library: both are named; it may have been what
    protects the site."""
    broken = tmp_path / "broken.so"
    broken.write_text("no library")
    config = write_native_site(
        tmp_path, "WorkerProcess", filters={"broken": broken, "form": build(SAMPLES / "form_echo.c", tmp_path)}
    )
    with running(tmp_path, config) as service:
        refused = service.get("/page.txt")
        assert (refused.status, "broken is listed and could not be loaded" in refused.text) == (500, True)
        service.wait_for_event("plugin-failed", "broken.so", "no library for this machine")
        service.wait_for_event("plugin-failed", "form_echo.so", "does not export GetFilterVersion")
