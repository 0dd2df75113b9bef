"""A real site in a temporary folder, an engine that serves it, and a front that asks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import dedent

from host.config.store import ServerConfiguration, Source
from host.isolation.selection import model_for
from host.worker.engine import Engine
from tests.worker.front import CLOSERS, Front

MISBEHAVING = Path(__file__).resolve().parents[1] / "plugins"
STATIC = (
    '<add name="StaticFile" path="*" verb="*" modules="StaticFileModule,DefaultDocumentModule,DirectoryListingModule" '
    'resourceType="Either" requireAccess="Read" />'
)


class Site:
    """Writes the configuration and files; `start` builds an engine for its applications."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("conf", "extensions", "filters", "wwwroot"):
            (folder / name).mkdir()
        self.root = folder / "wwwroot"
        self.applications = (
            f'<application path="/" applicationPool="Pool">{self.directory("/", self.root)}</application>'
        )
        self.isolation = "WorkerProcess"
        self.filters: list[str] = []
        self.modules: list[str] = []
        self.handlers = STATIC
        self.access = "Read, Script"
        self.limits = ""  # attributes of the site's limits
        self.further = ""  # more of system.webServer
        self.pool = '<add name="Pool" /><add name="Other" />'
        self.events: list[tuple[str, str]] = []
        self.unhealthy: list[str] = []
        self.demanded: list[str] = []

    @staticmethod
    def directory(path: str, folder: Path) -> str:
        """A virtual directory."""
        return f'<virtualDirectory path="{path}" physicalPath="{folder}" />'

    def extension(self, name: str, code: str) -> Path:
        """Write an extension."""
        return self._plugin("extensions", name, code)

    def filter(self, name: str, code: str, *, listed: bool = True) -> Path:
        """Write a filter and list it."""
        if listed:
            self.filters.append(f'<filter name="{name}" />')
        return self._plugin("filters", name, code)

    def module(self, name: str, code: str) -> Path:
        """Write a module and list it."""
        self.modules.append(f'<add name="{name}" />')
        return self._plugin("filters", name, code)

    def misbehaving(self, name: str, *, listed: bool = False, folder: str = "extensions") -> Path:
        """Copy a plugin of tests/plugins; `listed` as a filter too."""
        if listed:
            path = self.folder / folder / f"{name}.py"
            self.filters.append(f'<filter name="{name}" path="{path}" />')
        return Path(shutil.copy(MISBEHAVING / f"{name}.py", self.folder / folder))

    def write(self, name: str, content: str | bytes = "content", *, mode: int = 0o644) -> Path:
        """Write a file below wwwroot."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def configuration(self) -> ServerConfiguration:
        """What applicationHost.config says now."""
        text = f"""<configuration><system.applicationHost>
            <isolation mode="{self.isolation}" />
            <applicationPools>{self.pool}</applicationPools>
            <sites><site name="Site" id="1">{self.applications}
            <limits {self.limits} />
            <bindings><binding protocol="http" bindingInformation="*:8080:" /></bindings></site></sites>
            </system.applicationHost><system.webServer>
            <isapiFilters>{"".join(self.filters)}</isapiFilters><modules>{"".join(self.modules)}</modules>
            <handlers accessPolicy="{self.access}">{self.handlers}</handlers>{self.further}
            </system.webServer></configuration>"""
        path = self.folder / "conf" / "applicationHost.config"
        path.write_text(text)
        return ServerConfiguration(Source(str(path), text.encode(), "", 0), 1)

    async def start(
        self,
        applications: Iterable[str] = ("1:/",),
        *,
        slot: str = "Pool",
        runs_filters: bool = True,
        capacity: int = 64,
    ) -> Engine:
        """An engine with its plugins loaded."""
        configuration = self.configuration()
        loop = asyncio.get_running_loop()
        engine = Engine(
            loop,
            configuration,
            tuple(applications),
            model=model_for(configuration.snapshot.isolation_mode),
            pool_name=slot,
            worker_number=1,
            launcher=None,
            report_event=self._report,
            report_unhealthy=self.unhealthy.append,
            runs_filters=runs_filters,
            handler_slot=slot,
            demand=self.demanded.append,
            capacity=capacity,
        )
        await engine.start()
        CLOSERS.append(engine._channel.close)
        CLOSERS.append(engine._out_of_process.close)
        CLOSERS.append(engine.threads.close)
        return engine

    async def serve(self, applications: Iterable[str] = ("1:/",)) -> Front:
        """A front attached to a new engine."""
        engine = await self.start(applications)
        return attach(engine)

    def told(self, event_id: str) -> list[str]:
        """The texts of the events of that id."""
        return [text for found, text in self.events if found == event_id]

    def _plugin(self, folder: str, name: str, code: str) -> Path:
        path = self.folder / folder / f"{name}.py"
        path.write_text("from host.api import *\nfrom host.api import hookimpl\n" + dedent(code))
        return path

    def _report(self, event_id: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        self.events.append((event_id, text))


def attach(engine: Engine, *, grants: bool = True) -> Front:
    """A front over a new link to the engine."""
    front = Front(grants=grants)
    engine.attach(front.link, front.side)
    return front
