"""The FastCGI module as a worker calls it: a real spawner, a real event loop, real processes of a test application."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from extensions import fastcgi
from host.api import ApplicationInfo, Connection, HandlerMapping, PluginContext, Request, RequestBody, Response
from host.api.plugins import ProcessSource
from host.config.fastcgi import FastCgiApplication
from host.config.model import PathSettings
from host.worker.calling import HookCaller
from host.worker.script_launcher import ScriptLauncher
from host.worker.thread_pool import ThreadPool
from tests.extensions import asked_by_worker
from tests.extensions.cgi_rig import Answer, StandingLoop, whole_body, within_patience
from tests.gateway.sample_request import sample_request
from tests.spawner.spawner_process import SpawnerProcess

APPLICATION = Path(__file__).resolve().parents[1] / "fastcgi_programs" / "application.py"
Result = TypeVar("Result")


class FastCgiRig:
    """A test application and what is configured for it."""

    def __init__(self, folder: Path, spawner: SpawnerProcess) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.notes.touch()
        self.spawner = spawner
        self.events: list[tuple[str, str]] = []
        self.tasks_needed: list[bool] = []
        self._sources: list[ProcessSource] = []
        self.new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        self.pool_environment = {"NOTES": str(self.notes)}
        self.application = FastCgiApplication(
            full_path=sys.executable,
            arguments=f"-IS {shlex.quote(str(APPLICATION))}",
            max_instances=2,
            stderr_mode="IgnoreAndReturn200",
        )

    def configure(self, **changes: Any) -> None:
        """Attributes of the application; `more_arguments` are added to its arguments."""
        more = changes.pop("more_arguments", "")
        self.application = replace(self.application, **changes)
        if more:
            self.application = replace(self.application, arguments=f"{self.application.arguments} {more}")

    def run(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do `work` in a loop in which the plugin is loaded."""

        async def main() -> Result:
            loop = asyncio.get_running_loop()
            launcher = ScriptLauncher(loop, self.spawner.connect())
            threads = ThreadPool(loop, 1)
            self._caller = HookCaller(threads, lambda *event: self.events.append((event[0], event[1])))
            context = PluginContext(
                plugin_name="fastcgi",
                pool_name="DefaultAppPool",
                worker_number=1,
                isolation_mode="WorkerProcess",
                launcher=launcher,
                report_event=lambda kind, text: self.events.append((kind, text)),
                report_unhealthy=lambda reason: None,
                threads=threads,
                show_processes=self._sources.append,
            )
            fastcgi.load(context)
            try:
                return await within_patience(work())
            finally:
                await fastcgi.unload(context)
                launcher.close()
                for task in asyncio.all_tasks() - {asyncio.current_task()}:
                    task.cancel()

        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(main())

    def request(
        self,
        query: str,
        fields: Iterable[tuple[str, str]] = (),
        *,
        processor: str | None = None,
        body: RequestBody | None = None,
        **changes: Any,
    ) -> Request:
        """A request for the test application; the query says what it shall do."""
        application = self.application
        if processor is None:
            processor = application.full_path + (f"|{application.arguments}" if application.arguments else "")
        values: dict[str, Any] = {
            "raw_target": f"/app.fcgi?{query}",
            "raw_query": query,
            "path": "/app.fcgi",
            "script_name": "/app.fcgi",
            "physical_path": str(self.folder / "app.fcgi"),
            "settings": PathSettings(not_listed_cgis_allowed=True, fastcgi=(application,)),
            "application": ApplicationInfo(
                1, "Default Web Site", "/", str(self.folder), "DefaultAppPool", self.pool_environment
            ),
            "connection": Connection("127.0.0.1", 40123, "127.0.0.1", 8080, 1),
            "mapping": HandlerMapping(
                name="FastCGI", path="*.fcgi", modules="FastCgiModule", script_processor=processor
            ),
        }
        if body is not None:
            values["body"] = body
        return sample_request(fields, **(values | changes))

    async def ask(self, query: str, fields: Iterable[tuple[str, str]] = (), **options: Any) -> Answer:
        """The whole answer. Raises what the handler and the body raise."""
        response = await self.respond(self.request(query, fields, **options))
        return Answer(response, await whole_body(response))

    async def respond(self, request: Request) -> Response:
        """The response as the worker gets it. Raises what the handler raises."""
        return await asked_by_worker.ask(fastcgi, request, self._caller, self.tasks_needed.append)

    def get(self, query: str, fields: Iterable[tuple[str, str]] = (), **options: Any) -> Answer:
        """As `ask`, in a loop of its own."""
        return self.run(lambda: self.ask(query, fields, **options))

    def answer(self, printed: str, **options: Any) -> Answer:
        """What becomes of an application that answers `printed` (backslash sequences expanded)."""
        return self.get("answer", [("X-Answer", printed)], **options)

    async def process(self) -> tuple[int, int]:
        """Process id of the process that answers, and how many requests it has had."""
        pid, served = (await self.ask("process")).body.split()
        return int(pid), int(served)

    async def note(self, word: str) -> int:
        """Wait until the application has noted `word`; the number behind it, 0 if there is none."""
        while (found := self._noted(word)) is None:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0)
        return found

    async def line_of(self, count: int) -> None:
        """Wait until so many requests wait for a process."""
        while self._sources[-1]()[0].waiting != count:  # noqa: ASYNC110 - requests get there turn by turn
            await asyncio.sleep(0)

    def pids(self) -> list[int]:
        """Every process that was started."""
        return [int(line.split()[1]) for line in self.notes.read_text().splitlines() if line.startswith("started")]

    def event_texts(self, kind: str) -> list[str]:
        return [text for found, text in self.events if found == kind]

    async def event(self, kind: str, count: int = 1) -> str:
        """Wait until there are so many events of that kind; the last of them."""
        while len(self.event_texts(kind)) < count:  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0)
        return self.event_texts(kind)[count - 1]

    def pass_seconds(self, seconds: float) -> None:
        """For a loop whose clock stands."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StandingLoop)
        loop.pass_seconds(seconds)

    def _noted(self, word: str) -> int | None:
        for line in reversed(self.notes.read_text().split("\n")[:-1]):
            if line.startswith(word):
                return int(line.split()[1]) if " " in line else 0
        return None
