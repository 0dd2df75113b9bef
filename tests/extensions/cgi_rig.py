"""The CGI module as a worker calls it: a real spawner process, a real event loop, requests built by the test."""

from __future__ import annotations

import asyncio
import itertools
import os
import select
import shutil
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pluggy
import uvloop

from extensions import cgi
from host.api import (
    ApplicationInfo,
    Connection,
    FileBody,
    HandlerMapping,
    PluginContext,
    Request,
    RequestBody,
    Response,
    hookspecs,
)
from host.config.cgi_settings import Cgi
from host.config.model import PathSettings
from host.worker.script_launcher import ScriptLauncher
from tests.gateway.sample_request import sample_request
from tests.spawner.spawner_process import SpawnerProcess

PROGRAMS = Path(__file__).resolve().parents[1] / "cgi_programs"
PATIENCE_SECONDS = 90.0
SETTINGS = PathSettings(not_listed_cgis_allowed=True, cgi=Cgi(timeout_seconds=60))
Result = TypeVar("Result")
_numbers = itertools.count(1)


@dataclass
class Answer:
    """A response with its whole body."""

    response: Response
    body: bytes

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def fields(self) -> list[tuple[str, str]]:
        return self.response.headers.items()


class StandingLoop(asyncio.SelectorEventLoop):
    """An event loop for which time passes only when a test says so: how long a program takes decides nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 1000.0

    def time(self) -> float:
        """The loop's clock."""
        return self._seconds

    def pass_seconds(self, seconds: float) -> None:
        """Timers that are due by then run in the next turn."""
        self._seconds += seconds


async def within_patience(work: Awaitable[Result]) -> Result:
    """What `work` gives, cancelled after PATIENCE_SECONDS of the machine's clock: the loop's own may be one that tests
    move, or that stands. Raises TimeoutError."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    is_late = threading.Event()

    def end() -> None:
        is_late.set()
        loop.call_soon_threadsafe(task.cancel)

    timer = threading.Timer(PATIENCE_SECONDS, end)
    timer.start()
    try:
        return await task
    except asyncio.CancelledError:
        if is_late.is_set():
            raise TimeoutError(f"nothing after {PATIENCE_SECONDS} s") from None
        raise
    finally:
        timer.cancel()
        timer.join()


async def as_moments_pass(answer: Awaitable[Result]) -> Result:
    """The answer, for which the standing clock of the loop that runs goes on by thousandths of a second."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(answer)
    assert isinstance(loop, StandingLoop)
    while not task.done():
        loop.pass_seconds(0.001)
        await asyncio.sleep(0)
    return await task


class CgiRig:
    """A folder of scripts, and a spawner that runs them."""

    def __init__(self, folder: Path, spawner: SpawnerProcess) -> None:
        self.folder = folder
        self.spawner = spawner
        self.events: list[tuple[str, str]] = []
        self.pool_environment: dict[str, str] = {}
        self.new_loop: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop

    def run(self, work: Callable[[], Awaitable[Result]]) -> Result:
        """Do `work` in a loop in which the plugin is loaded."""

        async def main() -> Result:
            launcher = ScriptLauncher(asyncio.get_running_loop(), self.spawner.connect())
            context = PluginContext(
                plugin_name="cgi",
                pool_name="DefaultAppPool",
                worker_number=1,
                isolation_mode="WorkerProcess",
                launcher=launcher,
                report_event=lambda kind, text: self.events.append((kind, text)),
                report_unhealthy=lambda reason: None,
            )
            cgi.load(context)
            try:
                return await within_patience(work())
            finally:
                cgi.unload(context)
                launcher.close()

        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(main())

    def request(
        self,
        script: str | Path,
        fields: Iterable[tuple[str, str]] = (),
        *,
        settings: PathSettings = SETTINGS,
        processor: str = "",
        body: RequestBody | None = None,
        **changes: Any,
    ) -> Request:
        """A request for one of the sample programs, or for a file of this rig's folder. It has an id of its own: what
        carries the id of one that is just being killed, is killed with it, and tests share a spawner."""
        path = Path(script)
        if not path.is_absolute():
            path = next(folder / path for folder in (self.folder, PROGRAMS) if (folder / path).exists())
        query = changes.get("raw_query", "")
        name = f"/cgi-bin/{path.name}"
        values: dict[str, Any] = {
            "id": f"8000000a-{next(_numbers):08x}",
            "raw_target": name + (f"?{query}" if query else ""),
            "path": name,
            "script_name": name,
            "physical_path": str(path),
            "settings": settings,
            "application": ApplicationInfo(
                1, "Default Web Site", "/", str(path.parent), "DefaultAppPool", self.pool_environment
            ),
            "connection": Connection("127.0.0.1", 40123, "127.0.0.1", 8080, 1),
            "mapping": HandlerMapping(name="CGI", path="*", modules="CgiModule", script_processor=processor),
        }
        if body is not None:
            values["body"] = body
        return sample_request(fields, **(values | changes))

    def write(self, name: str, text: str, *, mode: int = 0o755) -> Path:
        """A script of this test's own."""
        path = self.folder / name
        path.write_text(text, newline="")
        path.chmod(mode)
        return path

    def get(self, script: str | Path, fields: Iterable[tuple[str, str]] = (), **options: Any) -> Answer:
        """The whole answer. Raises what the handler and the body raise."""

        async def work() -> Answer:
            response = await cgi.handle(self.request(script, fields, **options))
            return Answer(response, await whole_body(response))

        return self.run(work)

    def answer(self, printed: str, *, exits: str = "0", **options: Any) -> Answer:
        """What becomes of a program that prints `printed` (backslash sequences expanded) and exits so."""
        return self.get("answer.sh", [("X-Answer", printed), ("X-Exit", exits)], **options)

    def event_texts(self, kind: str) -> list[str]:
        return [text for found, text in self.events if found == kind]


async def whole_body(response: Response) -> bytes:
    """Every byte of the body."""
    if isinstance(response.body, bytes):
        return response.body
    if isinstance(response.body, FileBody):
        with open(response.body.descriptor, "rb") as file:
            return os.pread(file.fileno(), response.body.length, response.body.offset)
    assert hasattr(response.body, "__aiter__")
    found = bytearray()
    async for piece in response.body:
        assert isinstance(piece, bytes)
        found += piece
    return bytes(found)


def compile_program(name: str, folder: Path) -> Path:
    """Compile one of the sample programs."""
    compiler = shutil.which("gcc") or "cc"
    program = folder / name.removesuffix(".c")
    subprocess.run([compiler, "-O1", "-o", program, PROGRAMS / name], check=True, capture_output=True)
    return program


def wait_until_gone(pid: int) -> None:
    """Returns when the process has ended (it is nobody's zombie). Fails when it stays."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], PATIENCE_SECONDS)[0], f"process {pid} is still there"
    finally:
        os.close(descriptor)


def plugin_manager() -> pluggy.PluginManager:
    """The plugin registered as the loader does it, for checking its hooks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(cgi)
    manager.check_pending()
    return manager
