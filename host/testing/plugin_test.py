"""`PluginTest`: a worker's inside around one plugin or several, for a test."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from host.config.model import IsolationMode
from host.isolation.placement import FRONT_QUEUE
from host.isolation.selection import model_for
from host.testing.answer import Answer, ReportedEvent
from host.testing.background_loop import BackgroundLoop
from host.testing.errors import PluginNotLoaded
from host.testing.front import Front, Incoming
from host.testing.open_request import OpenRequest
from host.testing.process_state import ProcessState
from host.testing.site import PORT, SECURE_PORT, SitePlan
from host.wire.frames import MAX_DATA_BYTES, RequestFlag, RequestFrame
from host.worker.engine import Engine
from host.worker.missing_launcher import MissingLauncher
from host.worker.plugin_loader import EXTENSION_PREFIX, FILTER_PREFIX

PATIENCE_SECONDS: Final = 30.0
_BROKEN: Final = ("plugin-failed", "filter-refused")
_LOCAL: Final = "127.0.0.1"
Body = bytes | Iterable[bytes]


class PluginTest:
    """A site with these plugins, and a worker that serves it. A context manager: `load` runs at its beginning,
    `unload` at its end.

    `extensions` are plugin files that answer by the mappings they bring, or by `handlers`: `<add .../>` elements, as a
    text or a list.
    `filters` and `modules` are listed in this order: files, names of plugins that come with isapy, or whole elements.
    `web_server` is more of `<system.webServer>`, `configuration` more of `<configuration>` (`<location>`), `pool` what
    stands inside the pool's `<add>`. `files` are the site's pages, by path below its root folder, which is `root`.
    In isolation mode `IIS5` everything runs as in inetinfo, raw-data filters included.

    A plugin that cannot be loaded fails the test with PluginNotLoaded, unless it `may_fail`; XML that isapy would
    refuse raises ConfigErrors. Whatever takes longer than `patience_seconds` raises NoAnswer.
    """

    def __init__(  # noqa: PLR0913 - what a test may say of its site; all but the files is optional
        self,
        *extensions: str | Path,
        filters: Sequence[str | Path] = (),
        modules: Sequence[str | Path] = (),
        handlers: str | Sequence[str] = "",
        web_server: str = "",
        configuration: str = "",
        pool_name: str = "DefaultAppPool",
        pool: str = "",
        pipeline_mode: str = "Integrated",
        isolation_mode: str = "WorkerProcess",
        application_path: str = "/",
        files: Mapping[str, str | bytes] | None = None,
        may_fail: bool = False,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._plan = SitePlan(
            extensions=[_existing(path) for path in extensions],
            filters=[_member(one) for one in _listed("filters", filters)],
            modules=[_member(one) for one in _listed("modules", modules)],
            handlers=_elements("handlers", handlers),
            web_server=web_server,
            configuration=configuration,
            pool_name=pool_name,
            pool=pool,
            pipeline_mode=pipeline_mode,
            isolation_mode=isolation_mode,
            application_path=application_path,
            files=files or {},
        )
        self._may_fail = may_fail
        self._patience_seconds = patience_seconds
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: ProcessState
        self._background: BackgroundLoop
        self._engine: Engine
        self._front: Front
        self._ids: dict[int, str] = {}
        self.events: list[ReportedEvent] = []  # all that was reported, in order, as it would stand in the event log
        self.unhealthy: list[str] = []  # reasons for which plugins asked for another worker

    # --- life

    def __enter__(self) -> PluginTest:
        self._process = ProcessState()
        self._folder = tempfile.TemporaryDirectory(prefix="isapy-test-")
        try:
            self._background = BackgroundLoop(self._patience_seconds)
            self._background.call(self._start(Path(self._folder.name)), "the plugins to load")
            if not self._may_fail:
                self._refuse_broken()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End in order: clients of open requests leave, `unload` is called, last plugin first. A second call does
        nothing."""
        folder, self._folder = self._folder, None
        if folder is None:
            return
        try:
            if hasattr(self, "_engine"):
                self._background.call(self._end(), "the plugins to unload")
        finally:
            if hasattr(self, "_background"):
                self._background.close()
            self._process.restore()
            folder.cleanup()

    @property
    def patience_seconds(self) -> float:
        """How long anything may take from now on, before NoAnswer is raised."""
        return self._background.patience_seconds

    @patience_seconds.setter
    def patience_seconds(self, seconds: float) -> None:
        self._background.patience_seconds = seconds

    @property
    def root(self) -> Path:
        """The site's root folder (`wwwroot`)."""
        assert self._folder is not None, "the site exists inside the with block"
        return Path(self._folder.name) / "wwwroot"

    def module(self, name: str) -> Any:
        """The plugin's module as it was loaded, to look at its variables or to set them. Raises KeyError."""
        for prefix in (EXTENSION_PREFIX, FILTER_PREFIX):
            if f"{prefix}.{name}" in sys.modules:
                return sys.modules[f"{prefix}.{name}"]
        raise KeyError(f"no plugin {name} is loaded")

    # --- asking

    def get(self, target: str = "/", headers: Mapping[str, str] | None = None) -> Answer:
        """GET, and the whole answer."""
        return self.request("GET", target, headers)

    def head(self, target: str = "/", headers: Mapping[str, str] | None = None) -> Answer:
        """HEAD, and the whole answer."""
        return self.request("HEAD", target, headers)

    def post(self, target: str = "/", body: Body = b"", headers: Mapping[str, str] | None = None) -> Answer:
        """POST, and the whole answer."""
        return self.request("POST", target, headers, body=body)

    def request(
        self,
        method: str,
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        body: Body = b"",
        remote: str = _LOCAL,
        secure: bool = False,
        connection: int = 1,
    ) -> Answer:
        """Any request, and the whole answer, with everything that plugins do after it done.

        `body`: bytes, or an iterable of them for a chunked body that comes piece by piece. `remote` is the client's
        address: only a client on this machine sees the cause of an error. `connection` numbers the client's
        connection.
        """
        length = len(body) if isinstance(body, bytes) else None
        first = body if isinstance(body, bytes) and len(body) <= MAX_DATA_BYTES else None
        with self.open(
            method,
            target,
            headers,
            body=first,
            length=length,
            remote=remote,
            secure=secure,
            connection=connection,
            is_slow=False,
        ) as request:
            if first is None:
                for piece in [body] if isinstance(body, bytes) else body:
                    if not request.send(piece):
                        break
                else:
                    request.finish()
            return request.answer()

    def open(  # noqa: PLR0913 - what a test may say of its request
        self,
        method: str,
        target: str = "/",
        headers: Mapping[str, str] | None = None,
        *,
        body: bytes | None = b"",
        length: int | None = None,
        remote: str = _LOCAL,
        secure: bool = False,
        connection: int = 1,
        is_slow: bool = True,
    ) -> OpenRequest:
        """Begin a request, to look at it while it is answered.

        `body` None: it is sent by `OpenRequest.send` and `finish`, under a Content-Length of `length` or, without one,
        chunked. `is_slow`: the client takes what the test reads and nothing else.
        """
        fields = _header_block(headers or {}, body, length)
        flags = int(RequestFlag.HTTP_1_1 | RequestFlag.KEEP_ALIVE) | (RequestFlag.SECURE if secure else 0)
        if body is None:
            flags |= RequestFlag.HAS_BODY
            announced = -1 if length is None else length
        else:
            flags |= RequestFlag.BODY_COMPLETE | (RequestFlag.HAS_BODY if body else 0)
            announced = len(body)
        frame = RequestFrame(
            flags=flags,
            connection=_connection(remote, connection, SECURE_PORT if secure else PORT),
            application=self._plan.application_key.encode(),
            method=method.encode("latin-1"),
            target=target.encode("ascii"),
            fields=fields,
            content_length=announced,
            body=body or b"",
        )

        async def begin() -> Incoming:
            return self._front.send(frame, grants_at_once=not is_slow)

        incoming = self._background.call(begin(), "the request to be sent")
        self._ids[incoming.number] = f"{connection}-{incoming.number}"
        return OpenRequest(self._background, self._front, incoming, self._blamed_for)

    def end_session(self, connection: int = 1) -> None:
        """The client's connection of that number is closed: `on_end_of_net_session` has run when this returns."""

        async def end() -> None:
            await self._front.end_session(connection)
            await self._engine.sessions_ended()

        self._background.call(end(), "on_end_of_net_session")

    def read_raw_data(self, data: bytes, *, remote: str = _LOCAL, connection: int = 1) -> bytes:
        """What the raw-data filters make of bytes that a client sent (isolation mode IIS5): those that are parsed.

        What they keep, answer themselves or refuse is not among them.
        """

        async def read() -> bytes:
            return self._engine.read_raw_data(_connection(remote, connection, PORT), data).data

        return self._background.call(read(), "on_read_raw_data")

    def ping(self) -> None:
        """Ping the worker as the service does, which calls every `health_check`; what they say ends in `unhealthy`."""
        self._background.call(self._engine.probe(), "the answer to a ping")

    # --- looking

    def reported(self, event_id: str) -> list[str]:
        """The texts of the events of that id: `plugin-error` is what plugins are to blame for."""
        return [event.text for event in self.events if event.id == event_id]

    @property
    def blamed(self) -> list[str]:
        """What plugins did wrong: failures to load, exceptions, wrong values; with tracebacks."""
        return [event.text for event in self.events if event.id in (*_BROKEN, "plugin-error")]

    def _blamed_for(self, number: int) -> tuple[str, ...]:
        wanted = self._ids[number]
        events = [event for event in self.events if event.id == "plugin-error"]
        return tuple(event.text for event in events if event.fields.get("request") == wanted)

    # --- the worker's inside, on its loop

    async def _start(self, folder: Path) -> None:
        configuration = self._plan.write(folder)
        mode = configuration.snapshot.isolation_mode
        slot = FRONT_QUEUE if mode is IsolationMode.IIS5 else self._plan.pool_name
        self._engine = Engine(
            self._background.loop,
            configuration,
            (self._plan.application_key,),
            model=model_for(mode),
            pool_name=slot,
            worker_number=1,
            launcher=MissingLauncher(),
            report_event=self._report,
            report_unhealthy=self.unhealthy.append,
            runs_filters=True,
            handler_slot=slot,
        )
        self._background.explain = lambda: self._engine.examine().summary
        await self._engine.start()
        self._front = Front(self._background.loop)
        self._engine.report_ends_to(self._front.request_ended)
        self._engine.attach(self._front.engine_end, self._front.engine_side)

    async def _end(self) -> None:
        if hasattr(self, "_front"):
            self._front.close()
        await self._engine.close()

    def _report(self, event_id: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        self.events.append(ReportedEvent(event_id, text, dict(fields or {})))

    def _refuse_broken(self) -> None:
        own = {str(path) for path in (*self._plan.extensions, *self._plan.filters, *self._plan.modules)}
        texts = [
            event.text for event in self.events if event.id in _BROKEN and event.fields.get("path", "") in {*own, ""}
        ]
        if texts:
            raise PluginNotLoaded("\n".join(texts))


def _listed(keyword: str, members: Sequence[str | Path]) -> Sequence[str | Path]:
    """Raises TypeError for a text, which would be taken letter by letter."""
    if isinstance(members, str | Path):
        raise TypeError(f"{keyword} is a list: {keyword}=[{str(members)!r}]")
    return members


def _elements(keyword: str, given: str | Sequence[str]) -> str:
    """One text of them all. Raises TypeError for what are no elements."""
    texts = [given] if isinstance(given, str) else list(given)
    for text in texts:
        if not isinstance(text, str) or (text.strip() and not text.lstrip().startswith("<")):
            raise TypeError(f'{keyword} are elements as in a configuration, <add name="..." ... />, not {text!r}')
    return "\n".join(texts)


def _existing(path: str | Path) -> Path:
    file = Path(path).absolute()
    if not file.is_file():
        raise FileNotFoundError(2, "there is no plugin file", str(file))
    return file


def _member(member: str | Path) -> str | Path:
    if isinstance(member, Path) or (member.endswith(".py") and not member.lstrip().startswith("<")):
        return _existing(member)
    return member


def _header_block(headers: Mapping[str, str], body: bytes | None, length: int | None) -> bytes:
    """The fields as the listener hands them on; those that the test leaves out and every client sends are added."""
    fields = {"Host": f"localhost:{PORT}", **headers}
    known = {name.lower() for name in fields}
    if body is None and length is None:
        fields |= {} if "transfer-encoding" in known else {"Transfer-Encoding": "chunked"}
    elif (body or length) and "content-length" not in known:
        fields["Content-Length"] = str(len(body) if body is not None else length)
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode("latin-1")


def _connection(remote: str, number: int, local_port: int) -> bytes:
    return f"{remote}\x0050000\x00{_LOCAL}\x00{local_port}\x00{number}".encode()
