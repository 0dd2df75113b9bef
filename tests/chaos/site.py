"""The site under load: pages of drop-in extensions, a static file, a streaming CGI program; and a pool beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.requests import STREAM_LINES, STREAM_PAUSE_SECONDS, WAIT_SECONDS, file_content
from tests.sample_site import write_program

POOL: Final = "Main"
"""The pool under load."""
OTHER_POOL: Final = "Other"

PATHS: Final = {
    "page": "/a.page",
    "connect": "/b.page",
    "wait": "/a.wait",
    "file": "/content.bin",
    "put": "/a.digest",
    "upload": "/b.digest",
    "stream": "/cgi-bin/stream.pl",
}

_CONFIG: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <applicationPools>
      <add name="Main">
        <environmentVariables><add name="CHAOS" value="{environment}" /></environmentVariables>
        <failure rapidFailProtection="false" />
        <processModel {process_model} />
      </add>
      <add name="Other"><failure rapidFailProtection="false" /></add>
    </applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/" applicationPool="Main" isolation="{isolation}">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
        </application>
        <application path="/other" applicationPool="Other" isolation="High">
          <virtualDirectory path="/" physicalPath="../other" />
        </application>
        {more}
        <bindings>
          <binding protocol="http" bindingInformation="127.0.0.1:8080:" />
        </bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Script, Execute">
      <add name="CGI-bin" path="/cgi-bin/*" verb="*" modules="CgiModule" resourceType="File" requireAccess="Execute" />
      <add name="StaticFile" path="*" verb="*" resourceType="Either" requireAccess="Read" modules="StaticFileModule" />
    </handlers>
    <security>
      <isapiCgiRestriction notListedCgisAllowed="true" notListedIsapisAllowed="true" />
    </security>
    <staticContent>
      <remove fileExtension=".bin" />
      <mimeMap fileExtension=".bin" mimeType="application/octet-stream" />
    </staticContent>
  </system.webServer>
</configuration>
"""

_MORE: Final = """<application path="/more" applicationPool="Other" isolation="Medium">
          <virtualDirectory path="/" physicalPath="../other" />
        </application>"""

PAGE: Final = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Page", path="*.page")]

@hookimpl
async def handle(request):
    number = int(request.query["n"])
    return Response.text(f"page {number}\\n" * (1 + number % 40))
"""

WAIT: Final = f"""\
import threading
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Wait", path="*.wait")]

@hookimpl
def handle(request):
    threading.Event().wait({WAIT_SECONDS})
    return Response.text(f"waited {{request.query['n']}}\\n")
"""

DIGEST: Final = """\
import hashlib
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Digest", path="*.digest", verbs="POST,PUT")]

@hookimpl
async def handle(request):
    length, digest = 0, hashlib.sha256()
    async for piece in request.body:
        length += len(piece)
        digest.update(piece)
    return Response.text(f"{request.query['n']} {length} {digest.hexdigest()}\\n")
"""

STREAM: Final = f"""\
#!/usr/bin/perl
$| = 1;
my ($number) = $ENV{{QUERY_STRING}} =~ /n=(\\d+)/;
print "Content-Type: text/plain\\r\\n\\r\\n";
for my $index (0 .. {STREAM_LINES - 1}) {{
    print "line $index of $number\\n";
    select undef, undef, undef, {STREAM_PAUSE_SECONDS};
}}
print "end of $number\\n";
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the disturbances change in the configuration. `process_model` are attributes of the pool under load."""

    mode: str = "WorkerProcess"
    isolation: str = "Medium"
    environment: int = 0
    has_more: bool = False
    process_model: str = ""

    @property
    def text(self) -> str:
        """applicationHost.config."""
        return _CONFIG.format(
            mode=self.mode,
            isolation=self.isolation,
            environment=self.environment,
            more=_MORE if self.has_more else "",
            process_model=self.process_model,
        )


def write_chaos_site(folder: Path, settings: Settings) -> Path:
    """The whole site below `folder`; gives the path of its applicationHost.config."""
    for name in ("conf", "wwwroot/cgi-bin", "other", "extensions", "filters"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "wwwroot" / "content.bin").write_bytes(file_content())
    (folder / "other" / "index.html").write_text("the other pool\n")
    for name, text in (("page", PAGE), ("wait", WAIT), ("digest", DIGEST)):
        (folder / "extensions" / f"{name}.py").write_text(text)
    write_program(folder / "wwwroot" / "cgi-bin" / "stream.pl", STREAM)
    config = folder / "conf" / "applicationHost.config"
    config.write_text(settings.text)
    return config
