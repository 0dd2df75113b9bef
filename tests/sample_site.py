"""Writes a site with everything the end-to-end tests ask for."""

from __future__ import annotations

from pathlib import Path

CONFIG = """\
<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <applicationPools>
      <add name="DefaultAppPool">{default_pool}</add>
      <add name="Shop" />
      <add name="Deep" />
    </applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/" applicationPool="DefaultAppPool" isolation="{root_isolation}">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
          <virtualDirectory path="/media" physicalPath="../media" />
        </application>
        <application path="/shop" applicationPool="Shop" isolation="High">
          <virtualDirectory path="/" physicalPath="../shop" />
        </application>
        <application path="/shop/deep" applicationPool="Deep" isolation="Medium">
          <virtualDirectory path="/" physicalPath="../deep" />
        </application>
        <bindings>
          <binding protocol="http" bindingInformation="127.0.0.1:8080:" />
        </bindings>
        {site_extra}
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Script, Execute">
      <add name="CGI-cgi" path="*.cgi" verb="*" modules="CgiModule" resourceType="File"
           requireAccess="Execute" allowPathInfo="true" />
      <add name="CGI-py" path="*.py" verb="*" modules="CgiModule" resourceType="File"
           requireAccess="Execute" allowPathInfo="true" />
      <add name="CGI-bin" path="/cgi-bin/*" verb="*" modules="CgiModule" resourceType="File"
           requireAccess="Execute" allowPathInfo="true" />
      <add name="Script" path="*.pys" verb="*" modules="ScriptModule" resourceType="File" requireAccess="Script" />
      <add name="StaticFile" path="*" verb="*" resourceType="Either" requireAccess="Read"
           modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule" />
    </handlers>
    <security>
      <isapiCgiRestriction notListedCgisAllowed="true" notListedIsapisAllowed="true" />
    </security>
    <isapiFilters>
      <filter name="request_filtering" />
      <filter name="marker" />
    </isapiFilters>
    {web_server_extra}
  </system.webServer>
</configuration>
"""

MARKER = """\
from host.api import hookimpl

@hookimpl
def on_send_response(request, response):
    response.headers.set("X-Marker", "seen")
"""

WHERE = """\
import os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Where", path="*.where")]

@hookimpl
async def handle(request):
    return Response.json({"pid": os.getpid(), "application": request.application.path, "method": request.method})
"""

CRASH = """\
import os, signal
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Crash", path="*.crash")]

@hookimpl
def handle(request):
    os.kill(os.getpid(), signal.SIGKILL)
"""

ECHO = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Echo", path="*.echo")]

@hookimpl
async def handle(request):
    async def pieces():
        async for piece in request.body:
            yield piece
    return Response(body=pieces())
"""

HELLO_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "hello from $SCRIPT_NAME $PATH_INFO $REQUEST_METHOD"
"""

DESCRIPTORS_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
ls /proc/self/fd
"""


def write_site(
    folder: Path,
    *,
    mode: str = "WorkerProcess",
    root_isolation: str = "Low",
    default_pool: str = "",
    site_extra: str = "",
    web_server_extra: str = "",
) -> Path:
    """The whole site below `folder`; gives the path of its applicationHost.config."""
    for name in ("conf", "wwwroot/folder", "wwwroot/cgi-bin", "media", "shop", "deep", "extensions", "filters"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "wwwroot" / "index.html").write_text("<h1>welcome</h1>\n")
    (folder / "wwwroot" / "folder" / "index.html").write_text("in the folder\n")
    (folder / "wwwroot" / "big.bin").write_bytes(bytes(range(256)) * 4096)
    (folder / "wwwroot" / "page.pys").write_text("print('script says', request.query.get('q', 'nothing'))\n")
    (folder / "media" / "note.txt").write_text("a note\n")
    (folder / "shop" / "index.html").write_text("the shop\n")
    (folder / "deep" / "index.html").write_text("the deep\n")
    (folder / "filters" / "marker.py").write_text(MARKER)
    for name, text in (("where", WHERE), ("crash", CRASH), ("echo", ECHO)):
        (folder / "extensions" / f"{name}.py").write_text(text)
    write_program(folder / "wwwroot" / "cgi-bin" / "hello.cgi", HELLO_CGI)
    write_program(folder / "wwwroot" / "cgi-bin" / "descriptors.cgi", DESCRIPTORS_CGI)
    config = folder / "conf" / "applicationHost.config"
    config.write_text(
        CONFIG.format(
            mode=mode,
            root_isolation=root_isolation,
            default_pool=default_pool,
            site_extra=site_extra,
            web_server_extra=web_server_extra,
        )
    )
    return config


def write_program(path: Path, text: str) -> None:
    """An executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
