"""A worker's inside, joined: channel, pipeline, plugins. One per worker process, and one inside inetinfo.

What the process around it provides is handed in: loop, configuration, launcher, where events go. Which handlers run
elsewhere is the process model's answer, asked once per application.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Final

from host.api import Connection, HttpError, ProgramLauncher
from host.api.black_box import NoBlackBox
from host.config.errors import ConfigErrors
from host.config.model import Pool, Snapshot
from host.config.store import ServerConfiguration
from host.isolation.process_model import ProcessModel
from host.wire import control_messages
from host.wire.message_rows import Examination, ExecutingRow, PluginRow
from host.wire.script_messages import ScriptRow
from host.worker.application_life import ApplicationLife
from host.worker.black_box import BlackBox
from host.worker.cache_offers import CacheOffers
from host.worker.calling import HookCaller
from host.worker.channel import Channel
from host.worker.examination import examine
from host.worker.executing import executing_rows
from host.worker.filter_rows import filter_rows
from host.worker.hooks import Hook
from host.worker.hosted_processes import HostedProcesses
from host.worker.missing_launcher import MissingLauncher
from host.worker.out_of_process import OutOfProcess
from host.worker.pacing import Pacer
from host.worker.pipeline import Pipeline
from host.worker.plugin_code import PluginCode
from host.worker.plugins import NOT_LISTED, Plugins, ReportEvent, WorkerFacts
from host.worker.raw_data import RawDataFilters, RawVerdict
from host.worker.routes import Routes
from host.worker.script_counts import ScriptCounts
from host.worker.served_application import ServedApplication
from host.worker.thread_pool import ThreadPool
from host.worker.time_limits import RequestTimeLimit
from host.worker.tracing import Tracer
from host.worker.warm_up import WarmUp

DEFAULT_CAPACITY: Final = 256
"""Requests a worker takes at a time. Most of them wait for a client or a program. Threads are bounded by THREADS; what
may read a body that is still on its way has others, at most one for each request."""

THREADS: Final = 64
_NO_HOOKS: Final[tuple[Hook, ...]] = ()
_CLOSE_SECONDS: Final = 2.0
_REPORT_SECONDS: Final = 0.25  # after the start: by then the request that it was for has its answer
_WARM_UP_SHARE: Final = 0.8  # of startupTimeLimit: what is not warm then starts cold, instead of not at all


class Engine:
    """Serves the requests of `applications` (keys such as `1:/shop`).

    `handler_slot` is the slot whose handlers run here; an application that the model places elsewhere is forwarded to
    that slot's dllhost, asked for with `demand(slot)`. A worker without filters (a dllhost) runs handlers alone.
    """

    _pacer: Pacer | None = None  # nothing paces it yet

    def __init__(  # noqa: PLR0913 - everything that its process decides
        self,
        loop: asyncio.AbstractEventLoop,
        configuration: ServerConfiguration,
        applications: Iterable[str],
        *,
        model: ProcessModel,
        pool_name: str,
        worker_number: int,
        launcher: ProgramLauncher | None,
        report_event: ReportEvent,
        report_unhealthy: Callable[[str], None],
        report_changed: Callable[[Sequence[str]], None] | None = None,
        runs_filters: bool,
        handler_slot: str,
        demand: Callable[[str], None] | None = None,
        capacity: int = DEFAULT_CAPACITY,
        plugin_code: PluginCode | None = None,
        leave_black_box: Callable[[int], None] | None = None,
        report_scripts: Callable[[list[ScriptRow]], None] | None = None,
    ) -> None:
        self._loop = loop
        self._configuration = configuration
        self._report_event = report_event
        self._report_unhealthy = report_unhealthy
        self._runs_filters = runs_filters
        snapshot = configuration.snapshot
        self._served = _serve(snapshot, applications, model, handler_slot if runs_filters else "")
        for_uploads = ThreadPool(loop, capacity, name=f"{pool_name} upload thread")
        self.threads = ThreadPool(loop, THREADS, name=f"{pool_name} thread", for_uploads=for_uploads)
        self._caller = HookCaller(self.threads, report_event)
        self._out_of_process = OutOfProcess(loop, demand or _nobody, self._report_link)
        self.hosted = HostedProcesses(report_event)
        self._script_counts = ScriptCounts(loop, report_scripts or _nobody)
        black_box = BlackBox(leave_black_box) if leave_black_box is not None else NoBlackBox()
        facts = WorkerFacts(
            pool_name=pool_name,
            worker_number=worker_number,
            isolation_mode=snapshot.isolation_mode.value,
            launcher=launcher or MissingLauncher(),
            report_event=report_event,
            report_unhealthy=report_unhealthy,
            report_changed=report_changed or _nobody,
            report_script=self._script_counts.add,
            show_processes=self.hosted.show,
            threads=self.threads,
            allows_raw_data_filters=model.allows_raw_data_filters,
            black_box=black_box,
        )
        self._plugins = Plugins(snapshot.extension_folders, snapshot.filter_folders, facts, plugin_code)
        self._life = self._build_life(model)
        pipeline = self._build_pipeline()
        self._channel = Channel(
            loop,
            pipeline.serve,
            capacity=capacity,
            applications={key.encode(): served.info for key, served in self._served.items()},
            report_event=lambda event_id, text: report_event(event_id, text, None),
            on_session_end=self._session_ended,
            is_overloaded=self.threads.is_overloaded,
            accepts_forwarded=not runs_filters and model.front_runs_plugins,
        )
        self._channel.ask_first(pipeline.serve_at_once)
        self._time_limit = self._build_time_limit(_pool(snapshot, pool_name), pipeline)
        self._start_seconds = _WARM_UP_SHARE * _pool(snapshot, pool_name).startup_time_limit_seconds
        self._tracer = Tracer(loop, pipeline, report_event, self._channel.put_in_front, f"{pool_name}#{worker_number}")
        calls = self._caller.under_way
        self._warm_up = WarmUp(loop, pipeline.serve, configuration, self._served, calls, report_event, black_box)
        self.threads.relieved = self._channel.release_credit
        self._session_tasks: set[asyncio.Task[None]] = set()
        self._session_hooks, self.raw_filters = _NO_HOOKS, RawDataFilters(self._caller)

    def _build_life(self, model: ProcessModel) -> ApplicationLife:
        return ApplicationLife(
            self._configuration,
            self._plugins,
            self._caller,
            clock=self._loop.time,
            has_plans=self._runs_filters,
            runs_integrated=model.has_pool_policies,
            plans_changed=self._plans_changed,
        )

    def _build_time_limit(self, pool: Pool, pipeline: Pipeline) -> RequestTimeLimit:
        return RequestTimeLimit(
            self._loop,
            pool.request_time_limit_seconds,
            self._channel.exchanges,
            self._caller.under_way,
            pipeline,
            report_event=self._report_event,
            report_unhealthy=self._report_unhealthy,
        )

    def _build_pipeline(self) -> Pipeline:
        sites = self._configuration.snapshot.sites
        self._routes = routes = Routes(
            self._configuration,
            self._served,
            {site.id: site.applications for site in sites},
            max_segments={site.id: site.limits.max_url_segments for site in sites},
            brought=self._plugins.extensions,
            find=self._plugins.extension,
            clock=self._loop.time,
        )
        self._offers = CacheOffers(self._loop, routes, passes_on=not self._runs_filters)
        return Pipeline(
            {(served.info.site_id, served.info.path): served for served in self._served.values()},
            routes,
            self._caller,
            refresh_plan=self._refresh_plan,
            forward=self._out_of_process,
            offers=self._offers,
            clock=self._loop.time,
        )

    # --- life

    async def start(self) -> None:
        """Load the plugins and compile the plans. Never raises for a broken plugin or web.config."""
        await self._plugins.load_extensions(self._handler_settings())
        for served in self._served.values():
            await self._life.prepare(served)
        self._time_limit.start()
        self._loop.call_later(_REPORT_SECONDS, self._plugins.report_loaded)

    def foresee_requests(self) -> None:
        """Have ready what the first request of each application would look up: its settings and handlers. Raises
        nothing."""
        for served in self._served.values():
            self._routes.foresee(served)

    async def warm_up(self) -> None:
        """Request the pages that are to be requested before the first client's request. Raises nothing."""
        await self._warm_up.run(self._start_seconds)

    def attach(
        self, link: socket.socket, side: socket.socket, request_prefix: str = "", *, place: int = 0, fronts: int = 1
    ) -> None:
        """Serve a front over these sockets, which the engine owns from now on; its request ids begin so. It is the one
        at `place` of so many that share this worker."""
        self._channel.attach(link, side, request_prefix, place=place, fronts=fronts)

    def report_ends_to(self, ended: Callable[[int], None]) -> None:
        """Call `ended` with the number of each request for which everything is done, the calls of plugins after its
        answer included. Before the first link is attached."""
        self._channel.report_ends_to(ended)

    async def sessions_ended(self) -> None:
        """Returns when plugins have been told of every connection that the front has said to be closed."""
        if self._session_tasks:
            await asyncio.wait(list(self._session_tasks))

    def pace(self, share: float) -> None:
        """Use at most `share` processor seconds a second from now on. First of all before `attach`."""
        if self._pacer is None:
            self._pacer = Pacer(self._loop, self._channel.release_credit)
            self._channel.pace(self._pacer.must_wait)
        self._pacer.set_share(share)

    def tell_when_served(self, count: int, told: Callable[[int], None]) -> None:
        """Call `told` with the number of served requests when it is `count`, soon if it is more; 0: never."""
        self._channel.tell_when_served(count, told)

    def watch_for_trace(self, token: str, seconds: float) -> None:
        """Trace the request that carries this token; its walk is told as an event."""
        self._tracer.watch(token, seconds)

    def attach_dllhost(self, slot: str, link: socket.socket, side: socket.socket) -> None:
        """The dllhost of that slot runs; forwarded requests go there."""
        self._out_of_process.attach(slot, link, side)

    def detach_dllhost(self, slot: str) -> None:
        """The dllhost of that slot is unloaded: it finishes what it has."""
        self._out_of_process.detach(slot)

    @property
    def drained(self) -> asyncio.Future[None]:
        """Done when every link has drained (the front said so, or closed it) and nothing is in hand."""
        return self._channel.drained

    def end_when_idle(self) -> None:
        """The process shall end; `drained` is done when no link is left to serve and nothing is in hand."""
        self._channel.end_when_idle()

    async def close(self) -> None:
        """End in order: links, tasks, then `unload` of every plugin, last one first. Safe after a failed start."""
        tasks = [exchange.task for exchange in self._channel.exchanges() if exchange.task is not None]
        self._time_limit.close()
        self._warm_up.close()
        self._offers.close()
        self._channel.close()
        if self._pacer is not None:
            self._pacer.close()
        self._out_of_process.close()
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
        if self._session_tasks:
            await asyncio.wait(list(self._session_tasks), timeout=_CLOSE_SECONDS)
        for served in self._served.values():
            await self._life.stop(served)
        self._plugins.report_loaded()
        await self._plugins.unload()
        self._script_counts.tell()
        self.threads.close(wait=False)  # a thread that hangs must not hold the process

    # --- facts

    @property
    def requests_served(self) -> int:
        """Requests answered since the start."""
        return self._channel.requests_served

    @property
    def requests_in_hand(self) -> int:
        """Requests under way."""
        return self._channel.requests_in_hand

    @property
    def idle_seconds(self) -> float:
        """How long nothing has been in hand; 0 while something is."""
        return 0.0 if self._channel.requests_in_hand else self._loop.time() - self._channel.idle_since

    def plugin_rows(self) -> list[PluginRow]:
        """What became of every plugin. Where filters do not run, files that could be filters are not worth a row."""
        rows = self._plugins.rows()
        return rows if self._runs_filters else [row for row in rows if row.state != NOT_LISTED]

    def told_plugins(self) -> control_messages.Plugins:
        """For the service: the rows, the filters of the sites in the order of their calls, and what is known."""
        rows, filters = self.plugin_rows(), filter_rows(self._served.values())
        return control_messages.Plugins(rows=rows, filters=filters, known=self._plugins.known())

    def executing(self) -> list[ExecutingRow]:
        """What is being done for each request in hand."""
        return executing_rows(self._channel.exchanges(), self._caller.under_way, monotonic())

    def examine(self) -> Examination:
        """What the process is doing, while its loop may be stuck: to be called from a thread of its own."""
        numbers = {exchange.request.id: exchange.number for exchange in self._channel.exchanges()}
        return examine(self._loop, numbers, list(self._caller.under_way))

    async def probe(self) -> None:
        """Returns when a thread and the loop have both run: a worker whose threads are all stuck does not return."""
        await self.threads.run(_nothing)
        if reason := await self._life.check_health():
            self._report_unhealthy(reason)

    def read_raw_data(self, connection: bytes, data: bytes) -> RawVerdict:
        """What the raw-data filters make of bytes that a client sent (IIS 5 isolation mode, in inetinfo).

        `connection` is the value that REQUEST frames carry.
        """
        if not self.raw_filters.hooks:
            return RawVerdict(data)
        return self.raw_filters.see(self._channel.connection(connection), data)

    # --- plans

    async def _refresh_plan(self, served: ServedApplication) -> HttpError | None:
        """Before a request, when some time has passed: start the application, follow its settings."""
        if served.awaits_first_request:
            self._warm_up.begin(served, self._start_seconds)
        return await self._life.admit(served)

    def _plans_changed(self) -> None:
        plans = [plan for one in self._served.values() for plan in (one.plan, one.secure_plan)]
        self._session_hooks = _united(plan.on_end_of_net_session for plan in plans)
        self.raw_filters.hooks = _united(one.plan.on_read_raw_data for one in self._served.values())

    def _handler_settings(self) -> Mapping[str, Mapping[str, str]]:
        """Settings of handlers by the names in their `modules`; of several handlers the first one's."""
        found: dict[str, Mapping[str, str]] = {}
        for served in self._served.values():
            try:
                settings = self._configuration.settings_for(served.model, served.model.path)
            except ConfigErrors:
                continue
            for handler in settings.handlers:
                for name in handler.modules.split(",") if handler.settings else ():
                    found.setdefault(name.strip().casefold(), handler.settings)
        return found

    # --- sessions

    def _session_ended(self, connection: Connection) -> None:
        self._out_of_process.session_ended(connection.number)
        if self._session_hooks:
            task = self._loop.create_task(self._tell_session_end(connection))
            self._session_tasks.add(task)
            task.add_done_callback(self._session_tasks.discard)

    async def _tell_session_end(self, connection: Connection) -> None:
        """The connection's last notification: after those of requests that it has left behind."""
        await self._channel.requests_ended(connection)
        await self._caller.tell(self._session_hooks, connection)

    def _report_link(self, text: str) -> None:
        self._report_event("front-broken-link", text, None)


def _serve(snapshot: Snapshot, keys: Iterable[str], model: ProcessModel, own_slot: str) -> dict[str, ServedApplication]:
    """The applications of this process; with `own_slot`, those that the model places in another slot are forwarded."""
    served = {}
    for key in keys:
        application = snapshot.application(key)
        slot = model.place(application).handler_slot if own_slot else ""
        pool = _pool(snapshot, application.pool_name)
        forward_slot = slot if slot != own_slot else ""
        confined = model.has_pool_policies
        served[key] = ServedApplication(application, pool, forward_slot=forward_slot, is_confined=confined)
    return served


def _pool(snapshot: Snapshot, name: str) -> Pool:
    try:
        return snapshot.pool(name)
    except KeyError:  # inetinfo and dllhosts are no pools
        return Pool(name=name)


def _united(groups: Iterable[tuple[Hook, ...]]) -> tuple[Hook, ...]:
    return tuple(dict.fromkeys(hook for group in groups for hook in group))


def _nobody(_told: object) -> None:
    """Who is told where there is nobody to tell."""


def _nothing() -> None:
    pass
