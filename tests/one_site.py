"""The configuration of one site with one application, for tests that care for what stands in <system.webServer>."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

CONFIG = """\
<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}"{most_requests} />
    <applicationPools><add name="DefaultAppPool">{pool}</add></applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/" applicationPool="DefaultAppPool" isolation="{isolation}">
          {directories}
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
{web_server}
  </system.webServer>
{locations}
</configuration>
"""
STATIC_FILES = """\
<add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="Either" requireAccess="Read" />"""


def write_one_site(
    folder: Path,
    web_server: str,
    *,
    mode: str = "WorkerProcess",
    isolation: str = "Medium",
    pool: str = "",
    directories: Mapping[str, str] | None = None,
    most_requests: int | None = None,
    locations: str = "",
) -> Path:
    """Write conf/applicationHost.config below `folder`, which may exist; gives its path. The other texts are XML.

    `directories`: virtual paths and what they lead to, wwwroot for the root. `isolation` is the application's, in IIS 5
    mode. `most_requests`: that inetinfo takes at a time. `locations` follow <system.webServer>.
    """
    virtual = {"/": "../wwwroot"} | dict(directories or {})
    text = CONFIG.format(
        mode=mode,
        most_requests="" if most_requests is None else f' maxConcurrentRequests="{most_requests}"',
        pool=pool,
        isolation=isolation,
        directories="\n          ".join(
            f'<virtualDirectory path="{path}" physicalPath="{target}" />' for path, target in virtual.items()
        ),
        web_server=web_server.rstrip(),
        locations=locations,
    )
    for name in ("conf", "wwwroot"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = folder / "conf" / "applicationHost.config"
    config.write_text(text)
    return config
