"""Ways past a lock that were open once, on a whole server, in both isolation modes."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from host.admin.cache_messages import Cache, ListCache
from tests.running_service import WAIT_SECONDS, Answer, RunningService, read_answer, running, wait_until

pytestmark = pytest.mark.slow

PROXY = "127.0.0.9"
CONFIG = """\
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <listener><forwardedHeaders><add ipAddress="127.0.0.9" /></forwardedHeaders></listener>
    <applicationPools><add name="Pool" /></applicationPools>
    <sites>
      <site name="Site" id="1">
        <application path="/" applicationPool="Pool" isolation="{isolation}">
          <virtualDirectory path="/" physicalPath="{folder}/wwwroot" />
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Script">
      <add name="wiki" path="wiki/*,api/*" verb="*" modules="says" />
      <add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="File" requireAccess="Read" />
    </handlers>
    <caching enabled="true" enableKernelCache="true" />
    <httpErrors errorMode="Custom">
      <remove statusCode="401" />
      <error statusCode="401" path="/who.html" responseMode="ExecuteURL" />
    </httpErrors>
  </system.webServer>
  <location path="Site/wiki">{protected}</location>
  <location path="Site/private.html">{protected}</location>
  <location path="Site/here">
    <system.webServer><handlers accessPolicy="Read, NoRemoteRead" /></system.webServer>
  </location>
</configuration>
"""
PROTECTED = """
    <system.webServer><security><authorization>
      <remove users="*" roles="" verbs="" />
      <add accessType="Allow" users="alice" />
    </authorization></security></system.webServer>
"""
SAYS = """\
from host.api import Response, hookimpl

@hookimpl
def handle(request):
    return Response.text("open")
"""


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5 Low", "IIS5 High"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    mode, _, isolation = str(request.param).partition(" ")
    folder = tmp_path_factory.mktemp(f"past-locks-{mode}")
    for name in ("conf", "extensions", "wwwroot/api", "wwwroot/here"):
        (folder / name).mkdir(parents=True)
    (folder / "extensions/says.py").write_text(SAYS)
    (folder / "wwwroot/api/web.config").write_text(f"<configuration>{PROTECTED}</configuration>")
    for name in ("here/note.txt", "who.html", "private.html"):
        (folder / "wwwroot" / name).write_text("content of that file")
    config = folder / "conf" / "applicationHost.config"
    config.write_text(CONFIG.format(mode=mode, isolation=isolation or "Medium", folder=folder, protected=PROTECTED))
    with running(folder, config) as started:
        yield started


def ask_from_afar(service: RunningService, path: str) -> Answer:
    """Asked by a client that is not on this machine, as a believed proxy says."""
    with service.connect(PROXY) as connection:
        host = f"127.0.0.1:{service.port}"  # as everybody else says it
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n".encode())
        return read_answer(connection)


@pytest.mark.parametrize("path", ["/wiki/x", "/WIKI/x", "/wik%C4%B1/x", "/W%C4%B0KI/x", "/wi%E2%84%AAi/x", "/wiki\\x"])
def test_a_handler_that_needs_no_file_is_locked_in_every_spelling(service: RunningService, path: str) -> None:
    """Also with letters that are the same to a regular expression alone: dotless i, dotted I. Those find no handler."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    connection.request("GET", path)
    assert connection.getresponse().status == (404 if "%C4" in path else 401)
    connection.close()


@pytest.mark.parametrize("path", ["/api/x", "/API/x", "/Api/", "/x/../aPi/y/z", "/%41pi/x"])
def test_rules_in_a_folder_hold_for_a_handler_that_needs_no_file(service: RunningService, path: str) -> None:
    """A handler is found in any case of letters, and the folder whose web.config locks it has its case."""
    assert service.get(path).status == 401


def test_what_is_for_this_machine_alone_is_not_kept_in_the_cache(service: RunningService) -> None:
    """NoRemoteRead: who may have it depends on where they come from, which the cache does not ask."""

    def is_kept(path: str = "/who.html") -> bool:
        assert [service.get(asked).status for asked in ("/here/note.txt", path)] == [200, 200]
        reply = service.ask(ListCache())
        assert isinstance(reply, Cache)
        return any(row.url.endswith(path) for row in reply.rows)

    wait_until(is_kept, service.folder, "another file of the same age in the cache")
    assert ask_from_afar(service, "/here/note.txt").status == 403


@pytest.mark.parametrize(
    "field",
    [
        {},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"},
        {"If-Unmodified-Since": "Fri, 01 Jan 1999 00:00:00 GMT"},
        {"Range": "bytes=0-3"},
    ],
)
def test_a_refusal_is_no_304_and_no_part_because_its_page_is_a_file(
    service: RunningService, field: dict[str, str]
) -> None:
    """What a client has of a page, or wants of it, it says of the page that it may not see: a browser that was told 304
    showed what it had of another user's."""
    answer = service.get("/private.html", field)
    assert (answer.status, answer.text) == (401, "content of that file")
