"""A site whose answers come from native libraries."""

from __future__ import annotations

from pathlib import Path

from tests.one_site import write_one_site

WEB_SERVER = """\
    <handlers accessPolicy="Read, Script, Execute">
      {handlers}
      <add name="StaticFile" path="*" verb="*" resourceType="Either" requireAccess="Read"
           modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule" />
    </handlers>
    <security>
      <isapiCgiRestriction notListedCgisAllowed="false" notListedIsapisAllowed="false">{allowed}</isapiCgiRestriction>
    </security>
    <isapiFilters>{filters}</isapiFilters>
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
    text = WEB_SERVER.format(handlers=handlers, allowed=allowed, filters=listed)
    pool = '<failure rapidFailProtection="false" />' + pool
    return write_one_site(folder, text, mode=mode, isolation=isolation, pool=pool)
