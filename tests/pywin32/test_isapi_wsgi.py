"""isapi-wsgi 0.4.2 from PyPI, converted by 2to3 as its own setup asks and changed in nothing else, in both modes."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fissix import refactor

from tests.running_service import RunningService, running

SAMPLES = Path(__file__).parent / "data"
SOURCES = Path(sys.prefix) / "sources"
RELEASE = "isapi_wsgi-0.4.2"
CONFIG = """\
<configuration>
  <system.applicationHost>
    <applicationPools><add name="DefaultAppPool" /></applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/" applicationPool="DefaultAppPool" isolation="{level}">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
        </application>
        <application path="/below" applicationPool="DefaultAppPool" isolation="High">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
        </application>
        <application path="/low" applicationPool="DefaultAppPool" isolation="Low">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Script, Execute">
      <add name="Wsgi" path="*.wsgi" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/wsgi_sample.py" />
      <add name="Threads" path="*.threads" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/threads.py" />
      <add name="S" path="*.simple" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/simple_sample.py" />
      <add name="Denied" path="*.denied" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/denied.py" />
      <add name="Place" path="*.place" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/place.py" />
      <add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="Either" requireAccess="Read" />
    </handlers>
    <security>
      <isapiCgiRestriction notListedIsapisAllowed="true">
        <add path="{folder}/lib/denied.py" allowed="false" />
      </isapiCgiRestriction>
    </security>
  </system.webServer>
</configuration>
"""

PLACE = """\
def http_extension_proc(ecb):
    ecb.write_client(str(ecb.is_in_process()))
    return 1
"""


def converted(folder: Path) -> None:
    """isapi_wsgi.py for Python 3, in the folder."""
    archive = SOURCES / f"{RELEASE}.zip"
    assert archive.is_file(), f"{archive} is missing: make install-test fetches it"
    with zipfile.ZipFile(archive) as release:
        source = release.read(f"{RELEASE}/isapi_wsgi.py").decode().replace("\r\n", "\n")
    tool = refactor.RefactoringTool(refactor.get_fixers_from_package("fissix.fixes"))
    (folder / "isapi_wsgi.py").write_text(str(tool.refactor_string(source + "\n", "isapi_wsgi.py")))


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service; in IIS 5 mode the root runs in the pooled dllhost and /below in one of its own."""
    folder = tmp_path_factory.mktemp(request.param) / "site"
    for name in ("conf", "lib", "wwwroot"):
        (folder / name).mkdir(parents=True)
    converted(folder / "lib")
    for name, copy in (("wsgi_sample", "wsgi_sample"), ("wsgi_sample", "threads"), ("simple_sample", "simple_sample")):
        shutil.copy(SAMPLES / f"{name}.py", folder / "lib" / f"{copy}.py")
    shutil.copy(SAMPLES / "simple_sample.py", folder / "lib" / "denied.py")
    (folder / "lib" / "place.py").write_text(PLACE)
    config = folder / "conf" / "applicationHost.config"
    config.write_text(CONFIG.format(folder=folder, level="Medium"))
    with running(folder, config, "--isolation", request.param) as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["wsgi", "threads"])
def test_isapi_wsgi_serves_an_application(service: RunningService, ending: str) -> None:
    """Simple and thread pool handler: method, corrected SCRIPT_NAME and PATH_INFO, query, header fields."""
    answer = service.get(f"/dir/any.{ending}/proc?x=1", {"X-One": "one"})
    assert (answer.status, answer.text) == (200, f"GET\n/dir/any.{ending}\n/proc\nx=1\none")
    assert answer.headers["content-type"] == "text/plain"
    head = service.get(f"/dir/any.{ending}/proc", method="HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.slow
def test_isapi_wsgi_serves_an_application_below_another(service: RunningService) -> None:
    """The first segment of PATH_INFO chooses it; in an application that is not at the root as well."""
    answer = service.get("/any.wsgi/sub/proc")
    assert (answer.status, answer.text) == (201, "sub /any.wsgi/sub /proc")
    assert service.get("/below/any.wsgi/sub/x").text == "sub /below/any.wsgi/sub /x"


@pytest.mark.slow
def test_an_extension_is_seen_by_the_operator(service: RunningService) -> None:
    """Its load, an error with its traceback, its log line; 404.2 for one that is not allowed."""
    assert service.get("/a.simple?body", method="POST", body=bytes(200_000)).text == "200000 49152 200000"
    service.wait_for_event("plugin-loaded", "simple_sample.py: Shows server variables")
    assert "Python ISAPI Error" in service.get("/a.simple?raise").text
    service.wait_for_event("plugin-error", "simple_sample.py", "ValueError: as asked")
    assert service.site_log("/a.simple", "raise", " 500 ")
    service.get("/a.simple?misuse")
    assert service.site_log("/a.simple", "misuse|from+the+extension ")
    assert service.get("/a.denied").status == 404
    assert service.site_log("/a.denied", " 404 2 ")


@pytest.mark.slow
def test_an_extension_knows_where_it_runs(service: RunningService) -> None:
    """HSE_REQ_IS_IN_PROCESS: pooled, alone or in inetinfo in IIS 5 isolation mode; always 0 in a worker."""
    places = [service.get(f"{path}/a.place").text for path in ("", "/below", "/low")]
    assert places == (["2", "1", "0"] if "dllhost pooled" in service.titles() else ["0", "0", "0"])
