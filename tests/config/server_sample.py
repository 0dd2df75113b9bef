"""A server on disk for the tests: `conf/applicationHost.config` and a folder per site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from host.config.errors import ConfigErrors
from host.config.model import Application, Snapshot
from host.config.store import ServerConfiguration, Source, build_snapshot, read_source

DATA = Path(__file__).parent / "data"

SITES = """\
  <system.applicationHost>
    <applicationPools>
      <add name="DefaultAppPool" />
      <add name="Shop" />
      {pools}
    </applicationPools>
    <sites>
      <site name="Default Web Site" id="1">
        <application path="/">
          <virtualDirectory path="/" physicalPath="%ISAPY_ROOT%/www" />
          <virtualDirectory path="/media" physicalPath="%ISAPY_ROOT%/media" allowSubDirConfig="false" />
        </application>
        <application path="/shop" applicationPool="Shop">
          <virtualDirectory path="/" physicalPath="%ISAPY_ROOT%/shop" />
        </application>
        <bindings>
          <binding protocol="http" bindingInformation="127.0.0.1:8080:" />
        </bindings>
      </site>
      <site name="Other" id="2">
        <application path="/">
          <virtualDirectory path="/" physicalPath="%ISAPY_ROOT%/other" />
        </application>
      </site>
    </sites>
  </system.applicationHost>
"""


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_a_while(self) -> None:
        """Longer than settings are used without looking at their files again."""
        self.now += 1.0


class Server:
    """Folders and files of one server below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = root / "conf" / "applicationHost.config"
        for name in ("conf", "www/images", "media/deep", "shop/cart", "other"):
            (root / name).mkdir(parents=True)
        self.clock = Clock()
        self.problems: list[ConfigErrors] = []

    def write(self, inner: str, *, pools: str = "", sites: bool = True) -> Source:
        """The server's file: two sites, three applications, and `inner` behind them."""
        text = (SITES.format(pools=pools) if sites else "") + inner
        self.file.write_text(f"<configuration>\n{text}\n</configuration>\n")
        return self.source()

    def source(self) -> Source:
        return read_source(str(self.file))

    def web_config(self, folder: str, inner: str) -> Path:
        """A web.config whose system.webServer holds `inner`."""
        return self.raw_web_config(
            folder, f"<configuration><system.webServer>\n{inner}\n</system.webServer></configuration>"
        )

    def raw_web_config(self, folder: str, text: str) -> Path:
        path = self.root / folder / "web.config"
        path.write_text(text)
        return path

    def configuration(self) -> ServerConfiguration:
        return ServerConfiguration(self.source(), 1, clock=self.clock, on_problem=self.problems.append)

    def snapshot(self, version: int = 1) -> Snapshot:
        return build_snapshot(self.source(), version)


class Case(NamedTuple):
    """One case of a golden file: `==== name`, input, `----`, expected lines."""

    name: str
    given: str
    expected: list[str]


def golden(name: str) -> list[Case]:
    """The cases of a file in data/."""
    return list(_cases(name))


def _cases(name: str) -> Iterator[Case]:
    for part in (DATA / name).read_text().split("==== ")[1:]:
        title, _, rest = part.partition("\n")
        given, _, expected = f"\n{rest}".partition("\n----\n")
        yield Case(title.strip(), given.removeprefix("\n"), [line for line in expected.splitlines() if line.strip()])


def application(snapshot: Snapshot, path: str) -> Application:
    return next(one for one in snapshot.sites[0].applications if one.path == path)


def lines_of(errors: ConfigErrors, root: Path) -> list[str]:
    """The problems as text, with the test's folder written as ROOT."""
    return [str(error).replace(str(root), "ROOT") for error in errors.errors]
