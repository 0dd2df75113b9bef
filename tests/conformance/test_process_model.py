"""One contract for both process models: what a client sees must not depend on which one runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator

import pytest

from host.admin.commands import ListPlugins, ListRequests, ListSites, ListWorkers, Plugins, Requests, Sites, Workers
from tests.running_service import RunningService, running
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(request.param)
    with running(folder, write_site(folder), "--isolation", request.param) as started:
        yield started


def test_static_page_default_document_and_virtual_directory(service: RunningService) -> None:
    """Files of the root application, of a folder and of another virtual directory."""
    answer = service.get("/")
    assert (answer.status, answer.text) == (200, "<h1>welcome</h1>\n")
    assert service.get("/folder/").text == "in the folder\n"
    assert service.get("/media/note.txt").text == "a note\n"
    moved = service.get("/folder")
    assert (moved.status, moved.headers["location"]) in (
        (301, "/folder/"),
        (301, f"http://127.0.0.1:{service.port}/folder/"),
    )


def test_a_large_file_arrives_whole_and_in_ranges(service: RunningService) -> None:
    """Files that travel by descriptor are byte for byte the same."""
    expected = (service.folder / "wwwroot" / "big.bin").read_bytes()
    assert hashlib.sha256(service.get("/big.bin").body).digest() == hashlib.sha256(expected).digest()
    part = service.get("/big.bin", {"Range": "bytes=1000-900000"})
    assert (part.status, part.body) == (206, expected[1000:900001])
    several = service.get("/big.bin", {"Range": "bytes=0-9,500000-500009"})
    assert several.status == 206
    assert expected[500000:500010] in several.body


def test_cgi_program_with_path_info(service: RunningService) -> None:
    """A shell script of the cgi-bin."""
    answer = service.get("/cgi-bin/hello.cgi/tail/end")
    assert (answer.status, answer.text) == (200, "hello from /cgi-bin/hello.cgi /tail/end GET\n")


def test_a_cgi_program_sees_descriptors_0_1_2_and_nothing_else(service: RunningService) -> None:
    """`ls` itself opens 3 for the listing."""
    assert service.get("/cgi-bin/descriptors.cgi").text.split() == ["0", "1", "2", "3"]


def test_script_extension_and_echo(service: RunningService) -> None:
    """A script inside the worker, a drop-in extension, and a body that flows both ways."""
    assert service.get("/page.pys?q=this").text == "script says this\n"
    assert service.get("/any.hello?name=you").text == "Hello you\n"
    body = os.urandom(3_000_000)
    answer = service.get("/x.echo", method="POST", body=body)
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    ("url", "application"),
    [("/a.where", "/"), ("/shop/a.where", "/shop"), ("/shop/deep/a.where", "/shop/deep"), ("/shopping.where", "/")],
)
def test_the_longest_application_path_on_whole_segments_decides(
    service: RunningService, url: str, application: str
) -> None:
    """/shop is not above /shopping."""
    assert json.loads(service.get(url).body)["application"] == application


def test_applications_run_where_their_model_puts_them(service: RunningService) -> None:
    """A worker for each pool, or inetinfo and two dllhosts: three processes either way, named in ps."""
    pids = {
        url: json.loads(service.get(url).body)["pid"] for url in ("/a.where", "/shop/a.where", "/shop/deep/a.where")
    }
    assert len(set(pids.values())) == 3
    titles = {row.pid: row.title for row in service.status().processes}
    expected = {
        "workerprocess": ("worker DefaultAppPool#", "worker Shop#", "worker Deep#"),
        "iis5": ("inetinfo", "dllhost /LM/W3SVC/1/ROOT/shop", "dllhost pooled"),
    }["iis5" if "inetinfo" in titles.values() else "workerprocess"]
    for pid, title in zip(pids.values(), expected, strict=True):
        assert titles[pid].startswith(title)
        command_line = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
        assert command_line.stdout.startswith(f"isapy: {title}")


def test_filters_see_every_request_also_refused_ones(service: RunningService) -> None:
    """Static, CGI, extension, forwarded to another process, not found."""
    for url in ("/", "/cgi-bin/hello.cgi", "/a.where", "/shop/a.where", "/shop/deep/a.where", "/missing.html"):
        assert service.get(url).headers.get("x-marker") == "seen", url


def test_request_filtering_refuses_with_its_substatus(service: RunningService) -> None:
    """web.config is a hidden segment: 404.8 in the log, never on the wire."""
    answer = service.get("/web.config")
    assert answer.status == 404
    assert any(" 404 8 " in line for line in service.site_log("/web.config"))


def test_error_page_names_status_and_cause_for_a_local_client(service: RunningService) -> None:
    """A person sees which file was looked for."""
    answer = service.get("/missing.html")
    assert answer.status == 404
    assert "404.0" in answer.text
    assert "missing.html" in answer.text


def test_unmapped_type_is_404_3(service: RunningService) -> None:
    """A file without a MIME map is not served."""
    (service.folder / "wwwroot" / "data.unknown-type").write_text("x")
    answer = service.get("/data.unknown-type")
    assert (answer.status, "404.3" in answer.text) == (404, True)


def test_head_conditional_and_keep_alive(service: RunningService) -> None:
    """The usual ways of a browser."""
    head = service.get("/", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "17")
    again = service.get("/", {"If-None-Match": head.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    with service.connect() as connection:
        for _ in range(3):
            assert service.get_on(connection, "/any.hello").text == "Hello world\n"


def test_every_answer_is_in_the_site_log(service: RunningService) -> None:
    """The W3C line has IIS's default fields."""
    service.get("/?counted=yes", {"User-Agent": "Test Agent/1.0"})
    (line,) = service.site_log("counted=yes")
    fields = line.split(" ")
    assert fields[3:6] == ["GET", "/", "counted=yes"]
    assert "Test+Agent/1.0" in fields
    assert fields[-4:-1] == ["200", "0", "0"]


def test_the_administrator_sees_sites_workers_plugins_and_requests(service: RunningService) -> None:
    """The same words in both modes. A worker tells of its plugins when its first request is answered."""

    def knows_plugins() -> bool:
        found = service.ask(ListPlugins())
        return isinstance(found, Plugins) and {"where", "marker", "cgi"} <= {row.name for row in found.rows}

    service.wait_until_answered("/a.where", knows_plugins)
    sites, workers, plugins, requests = (
        service.ask(command) for command in (ListSites(), ListWorkers(), ListPlugins(), ListRequests())
    )
    assert isinstance(sites, Sites)
    assert sites.rows[0].name == "Default Web Site"
    assert isinstance(workers, Workers)
    assert workers.rows
    assert isinstance(plugins, Plugins)
    loaded = {row.name: row.state for row in plugins.rows}
    assert loaded["where"] == loaded["marker"] == loaded["cgi"] == "loaded"
    assert isinstance(requests, Requests)


def test_more_requests_than_a_worker_has_credit_for(service: RunningService) -> None:
    """Credit comes back with every answer, wherever the handler runs: 600 requests one after another."""
    with service.connect() as connection:
        assert {service.get_on(connection, "/shop/a.where").status for _ in range(600)} == {200}


def test_a_crash_takes_what_the_model_says_and_the_next_request_works(service: RunningService) -> None:
    """The High application's process dies (or its pool's worker); the root application answers on."""
    root_before = json.loads(service.get("/a.where").body)["pid"]
    shop_before = json.loads(service.get("/shop/a.where").body)["pid"]
    answer = service.get("/shop/x.crash", method="POST", body=b"")
    assert answer.status == 502
    assert json.loads(service.get("/a.where").body)["pid"] == root_before
    shop_after = json.loads(service.get("/shop/a.where").body)["pid"]
    assert shop_after != shop_before
    service.wait_for_event("SIGKILL")


def test_killing_a_process_that_runs_plugins_is_survived(service: RunningService) -> None:
    """SIGKILL on the Medium application's process: the next request is answered by another one."""
    before = json.loads(service.get("/shop/deep/a.where").body)["pid"]
    service.kill(before)
    after = json.loads(service.get("/shop/deep/a.where").body)
    assert after["pid"] != before
