"""Compression in a real service, under both process models, asked by clients of every kind."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from host.compression.encoders import compress_whole
from tests.compression.test_encoders import TEXT, decode
from tests.running_service import Answer, RunningService, running
from tests.sample_site import write_program, write_site

SECTIONS = """
<isapiFilters><filter name="compression" /></isapiFilters>
<staticContent servePrecompressedFiles="true" />
<httpCompression dynamicCompressionDisableCpuUsage="100">
  <scheme name="br" /><scheme name="zstd" /><scheme name="gzip" /><scheme name="deflate" />
</httpCompression>
"""
TALE_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
i=0
while [ $i -lt 500 ]; do echo "line $i of a tale that a program tells"; i=$((i+1)); done
"""
TALE = "".join(f"line {number} of a tale that a program tells\n" for number in range(500)).encode()
ECHO = """
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Tale", path="*.tale")]

@hookimpl
def handle(request):
    text = "".join(f"line {number} of a tale that a program tells\\n" for number in range(500))
    return Response.text(text)
"""
ACCEPTED = {
    "": "",
    "gzip, deflate, br, zstd": "br",
    "gzip, deflate": "gzip",
    "zstd, gzip;q=0.5": "zstd",
    "deflate": "deflate",
    "identity;q=1, *;q=0.5": "",
    "gzip;q=0": "",
}


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service in one of the modes; /shop is an application of a pool, or of a dllhost, of its own."""
    folder = tmp_path_factory.mktemp("compression")
    config = write_site(folder, mode=request.param, web_server_extra=SECTIONS.partition("</isapiFilters>")[2])
    text = config.read_text().replace(
        '<filter name="marker" />', '<filter name="marker" /><filter name="compression" />'
    )
    config.write_text(text)
    (folder / "wwwroot" / "page.txt").write_bytes(TEXT)
    (folder / "wwwroot" / "site.html").write_bytes(TEXT)
    (folder / "wwwroot" / "site.html.gz").write_bytes(compress_whole("gzip", 7, TEXT))
    (folder / "extensions" / "tale.py").write_text(ECHO)
    write_program(folder / "wwwroot" / "cgi-bin" / "tale.cgi", TALE_CGI)
    with running(folder, config) as started:
        yield started


def get(service: RunningService, path: str, accepted: str, **fields: str) -> Answer:
    headers = {"Accept-Encoding": accepted or "identity"}
    return service.get(path, headers | fields)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/cgi-bin/tale.cgi", "/a.tale", "/shop/a.tale"])
def test_every_client_reads_what_a_program_says(service: RunningService, path: str) -> None:
    """A CGI program, an extension in the web server's process or the pool's worker, one in a process of its own."""
    for accepted, coding in ACCEPTED.items():
        answer = get(service, path, accepted)
        assert (answer.status, answer.headers.get("content-encoding", "")) == (200, coding)
        assert answer.headers["vary"] == "Accept-Encoding"
        assert decode(coding, answer.body) == TALE
        if coding and path != "/cgi-bin/tale.cgi":
            assert len(answer.body) < len(TALE) / 4


@pytest.mark.slow
def test_a_file_is_sent_compressed_when_it_is_asked_for_often(service: RunningService) -> None:
    """Sent by descriptor, with its length; it stays what it is for those who want a part, and 304 for who has it."""

    def compressed() -> Answer | None:
        answer = get(service, "/page.txt", "br, gzip")
        assert decode(answer.headers.get("content-encoding", ""), answer.body) == TEXT
        return answer if "content-encoding" in answer.headers else None

    answer = None
    while answer is None:
        answer = compressed()
    assert answer.headers["content-encoding"] == "br"
    assert int(answer.headers["content-length"]) == len(answer.body) < len(TEXT) / 5
    assert get(service, "/page.txt", "br", **{"If-None-Match": answer.headers["etag"]}).status == 304
    part = get(service, "/page.txt", "br", Range="bytes=10-29")
    assert (part.status, part.body) == (206, TEXT[10:30])
    told = service.get("/page.txt", {"Accept-Encoding": "br, gzip"}, method="HEAD")
    assert (told.headers["content-encoding"], told.headers["content-length"], told.body) == (
        "br",
        answer.headers["content-length"],
        b"",
    )


@pytest.mark.slow
def test_a_file_that_was_compressed_beforehand(service: RunningService) -> None:
    """From the first request on."""
    answer = get(service, "/site.html", "gzip")
    assert (answer.headers["content-encoding"], answer.headers["content-type"]) == ("gzip", "text/html")
    assert decode("gzip", answer.body) == TEXT
    assert get(service, "/site.html", "zstd").body == TEXT


@pytest.mark.slow
def test_curl_reads_it(service: RunningService) -> None:
    """A client of its own making, over a connection that is kept."""
    curl = shutil.which("curl")
    assert curl, "curl is in the Makefile's list"
    url = f"http://127.0.0.1:{service.port}"
    command = [curl, "--silent", "--show-error", "--compressed", f"{url}/a.tale", f"{url}/cgi-bin/tale.cgi"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == TALE * 2
