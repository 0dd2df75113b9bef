"""The site of a test: a temporary folder, and the configuration that isapy would read for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

from host.config.store import ServerConfiguration, Source

SITE_ID: Final = 1
PORT: Final = 8080
SECURE_PORT: Final = 8443

_CONFIGURATION: Final = """\
<configuration>
  <system.applicationHost>
    <isolation mode={mode} />
    <applicationPools>
      <add name={pool_name} managedPipelineMode={pipeline_mode}>{pool}</add>
    </applicationPools>
    <sites>
      <site name="Test" id="1">
        <application path="/" applicationPool={pool_name} isolation="Low">
          <virtualDirectory path="/" physicalPath={root} />
        </application>{application}
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <isapiFilters>{filters}</isapiFilters>
    <modules>{modules}</modules>
    <handlers accessPolicy="Read, Script, Execute">{handlers}
      <add name="StaticFile" path="*" verb="*" resourceType="Either" requireAccess="Read"
           modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule" />
    </handlers>
    {web_server}
  </system.webServer>{configuration}
</configuration>
"""
_ALLOWED: Final = (
    '<security><isapiCgiRestriction notListedCgisAllowed="true" notListedIsapisAllowed="true" /></security>'
)
"""A test runs its own programs; one that is about the restriction list brings its own `<security>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """What a test wants of its site. Filters and modules are plugin files, names, or whole elements (`<filter />`)."""

    extensions: Sequence[Path]
    filters: Sequence[str | Path] = ()
    modules: Sequence[str | Path] = ()
    handlers: str = ""
    web_server: str = ""
    configuration: str = ""
    pool_name: str = "DefaultAppPool"
    pool: str = ""
    pipeline_mode: str = "Integrated"
    isolation_mode: str = "WorkerProcess"
    application_path: str = "/"
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    @property
    def application_key(self) -> str:
        """The application's name in frames."""
        return f"{SITE_ID}:{self.application_path}"

    def write(self, folder: Path) -> ServerConfiguration:
        """Write the site into an empty folder. Raises ConfigErrors for XML that isapy would refuse."""
        root = folder / "wwwroot"
        for name in ("conf", "wwwroot"):
            (folder / name).mkdir()
        for name, content in self.files.items():
            path = root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        text = self._text(root)
        config = folder / "conf" / "applicationHost.config"
        config.write_text(text, encoding="utf-8")
        configuration = ServerConfiguration(Source(str(config), text.encode(), "", 0), 1)
        snapshot = configuration.snapshot
        members = [str(one) for one in (*self.filters, *self.modules) if _is_file(one)]
        configuration.snapshot = replace(
            snapshot,
            extension_folders=(*[str(path) for path in self.extensions], *snapshot.extension_folders),
            filter_folders=(*members, *snapshot.filter_folders),
        )
        return configuration

    def _text(self, root: Path) -> str:
        application = ""
        if self.application_path != "/":
            application = (
                f"<application path={quoteattr(self.application_path)} applicationPool={quoteattr(self.pool_name)} "
                f'isolation="Low"><virtualDirectory path="/" physicalPath={quoteattr(str(root))} /></application>'
            )
        return _CONFIGURATION.format(
            mode=quoteattr(self.isolation_mode),
            pool=self.pool,
            pipeline_mode=quoteattr(self.pipeline_mode),
            pool_name=quoteattr(self.pool_name),
            root=quoteattr(str(root)),
            application=application,
            filters="".join(_element("filter", one) for one in self.filters),
            modules="".join(_element("add", one) for one in self.modules),
            handlers=self.handlers,
            web_server=self.web_server + ("" if "<security" in self.web_server else _ALLOWED),
            configuration=self.configuration,
        )


def _is_file(member: str | Path) -> bool:
    return isinstance(member, Path) or (member.endswith(".py") and not member.lstrip().startswith("<"))


def _element(tag: str, member: str | Path) -> str:
    if isinstance(member, str) and member.lstrip().startswith("<"):
        return member
    return f"<{tag} name={quoteattr(Path(member).stem if _is_file(member) else str(member))} />"
