"""A site whose answers come from native libraries."""

from __future__ import annotations

from pathlib import Path

CONFIG = """\
<?xml version="1.0" encoding="UTF-8"?>
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <applicationPools>
      <applicationPoolDefaults>
        <failure rapidFailProtection="false" />
      </applicationPoolDefaults>
      <add name="DefaultAppPool">{pool}</add>
    </applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/" applicationPool="DefaultAppPool" isolation="{isolation}">
          <virtualDirectory path="/" physicalPath="../wwwroot" />
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Script, Execute">
      {handlers}
      <add name="StaticFile" path="*" verb="*" resourceType="Either" requireAccess="Read"
           modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule" />
    </handlers>
    <security>
      <isapiCgiRestriction notListedCgisAllowed="false" notListedIsapisAllowed="false">{allowed}</isapiCgiRestriction>
    </security>
    <isapiFilters>{filters}</isapiFilters>
  </system.webServer>
</configuration>
"""


def write_native_site(
    folder: Path,
    mode: str,
    *,
    extensions: dict[str, Path] | None = None,
    filters: dict[str, Path] | None = None,
    refused: dict[str, Path] | None = None,
    pool: str = "",
    isolation: str = "Medium",
) -> Path:
    """The configuration's path. A file extension that begins with `single` is mapped for the main thread.

    `extensions` and `refused` are libraries by the file extension that maps to them;
    those of `refused` are not in isapiCgiRestriction."""
    for name in ("conf", "wwwroot", "extensions", "filters"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "wwwroot" / "page.txt").write_text("a page of text\n")
    mapped = {**(extensions or {}), **(refused or {})}
    handlers = "\n      ".join(
        f'<add name="Native-{suffix}" path="*.{suffix}" verb="*" modules="IsapiModule" scriptProcessor="{library}" '
        f'requireAccess="Script" threadingModel="{"Single" if suffix.startswith("single") else "Free"}" />'
        for suffix, library in mapped.items()
    )
    allowed = "".join(f'<add path="{library}" allowed="true" />' for library in set((extensions or {}).values()))
    listed = "".join(f'<filter name="{name}" path="{library}" />' for name, library in (filters or {}).items())
    config = folder / "conf" / "applicationHost.config"
    config.write_text(
        CONFIG.format(mode=mode, isolation=isolation, pool=pool, handlers=handlers, allowed=allowed, filters=listed)
    )
    return config
