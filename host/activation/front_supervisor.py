"""Keeps a front (a listener, or inetinfo) running and tells it about sockets, queues and workers.

Where several listeners share the work, `front_group.py` has one of these for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from host.activation.children import Channel, Child, Surroundings, describe_exit, link_pair
from host.activation.crash_site import CrashSite
from host.activation.debugger import is_traced
from host.activation.front_health import (
    HUNG_SECONDS,
    START_SECONDS,
    is_front_hung,
    is_front_ping_due,
    is_front_well,
)
from host.activation.questions import Questions
from host.activation.served_sockets import OfPlaces, ServedSockets
from host.isolation.placement import Slot
from host.wire.black_box import BlackBoxOpened
from host.wire.cache_messages import AskCache, CacheContents, CacheFlushed, FlushCache
from host.wire.control_messages import (
    AnyMessage,
    AskExecuting,
    AskRequests,
    AttachLink,
    AttachWorker,
    Configure,
    Demand,
    DetachWorker,
    Drain,
    DropWorker,
    Event,
    Executing,
    Hello,
    PauseWorker,
    Ping,
    Plugins,
    Pong,
    QueueState,
    Ready,
    Requests,
    ResumeWorker,
    Unhealthy,
    WorkerGone,
    WorkerPaused,
)
from host.wire.listening_messages import SetSites, SitesSet
from host.wire.script_messages import Scripts
from host.wire.trace_messages import WatchForTrace

_QUICK_DEATH_SECONDS: Final = 2.0  # a front that dies sooner than this is restarted with a pause
_PAUSE_SECONDS: Final = 1.0


def _ignore(*_facts: object) -> None:
    """Until somebody wants to know."""


class FrontSupervisor:
    """One front process after another, until it is retired.

    `on_demand(queue, workers)`: requests wait there, and so many workers are known to it. `on_worker_paused(worker,
    number, is_paused)`: the answer to `pause`. `on_worker_gone(worker, broken)`: that worker's link has ended.
    `on_started()`: a front is ready, and knows no worker yet. `on_ended()`: it has died, and is started again.
    `on_unhealthy(reason)`: it serves, but another one should take its place.
    """

    def __init__(self, slot: Slot, around: Surroundings, configure: Configure) -> None:
        self.slot = slot
        self._around = around
        self._configure = configure
        self._sockets = ServedSockets(self._say)
        self._queues: dict[str, str] = {}
        self._child: Child | None = None
        self._crash_site = CrashSite()
        self._started_at = 0.0
        self._has_spoken = False
        self._request_prefix = ""
        self._is_retiring = False
        self._questions: Questions[Requests] = Questions()
        self._executing: Questions[Executing] = Questions()
        self._cache_questions: Questions[CacheContents | CacheFlushed] = Questions()
        self._changes: Questions[None] = Questions()
        self._kill_timer: asyncio.TimerHandle | None = None
        self._start_timer: asyncio.TimerHandle | None = None
        self._pings = 0
        self._told_folders: set[str] = set()
        self._traces: list[tuple[WatchForTrace, float]] = []
        self._asked_at = self._answered_at = around.clock()
        self.is_ready = False
        self.plugins: Plugins = Plugins(rows=[])
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self.first_ready: asyncio.Future[None] = around.loop.create_future()
        self.on_demand: Callable[[str, int], None] = _ignore
        self.on_worker_paused: Callable[[str, int, bool], None] = _ignore
        self.on_worker_gone: Callable[[str, str], None] = _ignore
        self.on_started: Callable[[], None] = _ignore
        self.on_ended: Callable[[], None] = _ignore
        self.on_unhealthy: Callable[[str], None] = _ignore

    @property
    def pid(self) -> int:
        """Process id of the running front, 0 when there is none at the moment."""
        return self._child.pid if self._child is not None else 0

    def start(self, why: str) -> None:
        """Start the process; `why` ends in the event log."""
        self._started_at = self._around.clock()
        child = self._around.launcher.start(self.slot, self._exited)
        self._child = child
        child.channel.attach(self._around.loop, self._heard, lambda _why: None)
        self._start_timer = self._around.loop.call_later(START_SECONDS, self._is_late)
        self._around.report("process-started", f"{self.slot.title}: {why}", {"pid": str(child.pid)})

    def tick(self) -> None:
        """Once a second: ask whether its loop is well; one that is silent for too long is replaced."""
        now = self._around.clock()
        if self._child is None or not self.is_ready or self._is_retiring:
            return
        if is_front_hung(now, self._asked_at, self._answered_at):
            if is_traced(self._child.pid):
                self._asked_at = now
            else:
                self._replace_hung(f"has not answered for {now - self._asked_at:.0f} s (the limit is {HUNG_SECONDS:g})")
        elif is_front_ping_due(now, self._asked_at, self._answered_at):
            self._pings += 1
            self._asked_at = now
            self._say(Ping(number=self._pings))

    @property
    def is_retiring(self) -> bool:
        """Whether it is to end, and is not started again."""
        return self._is_retiring

    @property
    def is_well(self) -> bool:
        """Whether its loop has answered lately."""
        return is_front_well(self._around.clock(), self._answered_at)

    def configure(self, configure: Configure, sockets: OfPlaces) -> None:
        """Another configuration and its listening sockets: new ones before old ones go."""
        self._configure = configure
        self.tell_certificates()
        self._hand_log_folders()
        self._say(configure)
        self.serve(sockets)

    def serve(self, sockets: OfPlaces) -> None:
        """Accept on these from now on: new ones before old ones go. One that retires accepts on none."""
        if not self._is_retiring:
            self._sockets.serve(sockets)

    def tell_certificates(self) -> None:
        """The certificates of https bindings, if there are any: before the configuration that needs them, and again
        when a file has changed."""
        certificates = self._around.certificates()
        if certificates is not None:
            self._say(certificates)

    def _hand_log_folders(self) -> None:
        """A listener may write in the folders of its logs, and may not be able to make or reach them."""
        if self.slot.confinement is not None and self._has_spoken:
            self._around.log_folders(self._say, self._told_folders)

    async def set_sites(self, started: list[int], sockets: OfPlaces) -> None:
        """The bindings of these sites count from now on, and no others; returns when the front has done so.

        Raises TimeoutError when it does not say so within two seconds; it will have done so when it answers again."""
        self._configure = self._configure.with_sites(started)
        if self._is_retiring:  # it accepts nothing more, but its open connections may still ask
            sockets = {}
        new = self._sockets.give_up_others(sockets)

        def say(number: int) -> None:
            self._say(SetSites(number=number, started=started))
            self._sockets.accept(new)

        if self._has_spoken:  # otherwise the next front hears it in its configuration
            await self._changes.ask(say)

    def queue_state(self, queue: str, reason: str) -> None:
        """Take (`reason` empty) or refuse requests of a queue, also after a restart of the front."""
        self._queues[queue] = reason
        self._say(QueueState(queue=queue, reason=reason))

    def attach(self, queue: str, worker: str, pid: int, channel: Channel) -> None:
        """Join a worker and the front by a new link. Without a front it is done when the next one has started."""
        if not self.is_ready:
            return
        for trace in self._live_traces():
            channel.send(trace)
        (front_stream, front_side), (worker_stream, worker_side) = link_pair()
        slot = self.slot
        link = AttachLink(request_prefix=self._request_prefix, place=slot.place, fronts=slot.instances)
        channel.send(link, (worker_stream.fileno(), worker_side.fileno()))
        message = AttachWorker(queue=queue, worker=worker, pid=pid)
        self._say(message, front_stream.fileno(), front_side.fileno())
        for end in (front_stream, front_side, worker_stream, worker_side):
            end.close()

    def detach(self, worker: str) -> None:
        """Hand nothing more to that worker."""
        self._say(DetachWorker(worker=worker))

    def drop(self, worker: str, culprits: list[int]) -> None:
        """Close that worker's link; the requests with the numbers `culprits` go to no other worker."""
        self._say(DropWorker(worker=worker, culprits=culprits))

    def pause(self, worker: str, number: int) -> None:
        """Hand that idle worker nothing for the time being; answered by `on_worker_paused` with the same number."""
        self._say(PauseWorker(worker=worker, number=number))

    def resume(self, worker: str) -> None:
        """A worker that was paused takes requests again."""
        self._say(ResumeWorker(worker=worker))

    def watch_for_trace(self, message: WatchForTrace) -> None:
        """The front, if it runs plugins, and every worker that is attached while the token is good watch for it."""
        self._traces.append((message, self._around.clock() + message.seconds))
        self._say(message)

    def _live_traces(self) -> Iterator[WatchForTrace]:
        now = self._around.clock()
        self._traces = [(message, end) for message, end in self._traces if now < end]
        return (message for message, _ in self._traces)

    async def requests(self) -> Requests:
        """What is under way. Raises TimeoutError when the front does not answer within two seconds."""
        return await self._questions.ask(lambda number: self._say(AskRequests(number=number)))

    async def cache(self) -> CacheContents:
        """What is in the listener's cache. Raises TimeoutError."""
        answer = await self._cache_questions.ask(lambda number: self._say(AskCache(number=number)))
        assert isinstance(answer, CacheContents)
        return answer

    async def flush_cache(self, site_id: int, url: str) -> int:
        """Take those answers out (host.wire.cache_messages.FlushCache); how many they were. Raises TimeoutError."""
        answer = await self._cache_questions.ask(
            lambda number: self._say(FlushCache(number=number, site_id=site_id, url=url))
        )
        assert isinstance(answer, CacheFlushed)
        return answer.count

    async def executing(self) -> Executing:
        """What inetinfo's own plugins are doing, and their processes. Raises TimeoutError after two seconds."""
        return await self._executing.ask(lambda number: self._say(AskExecuting(number=number)))

    def retire(self, seconds: float, patience_seconds: float = 0.0) -> None:
        """Stop accepting, finish what is in hand, end; after `seconds` (and one more) it is killed.

        `patience_seconds`: how long idle connections may still begin a request (another front takes its place)."""
        if self._is_retiring:
            return
        self._is_retiring = True
        if self._child is None:
            self._has_gone()
            return
        self._child.channel.send(Drain(seconds=seconds, patience_seconds=patience_seconds))
        self._kill_timer = self._around.loop.call_later(seconds + 1.0, self.kill, "did not end in time")

    def kill(self, why: str = "was to end at once") -> None:
        """End it at once; `why` ends in the event log, behind its name."""
        self._is_retiring = True
        if self._child is not None:
            title, pid = self.slot.title, str(self._child.pid)
            self._around.report("process-killed", f"{title} {why}", {"pid": pid})
            self._child.kill(9)

    def _heard(self, message: AnyMessage, descriptors: list[int]) -> None:
        assert not descriptors or isinstance(message, BlackBoxOpened), "a front sends no other descriptors"
        match message:
            case Hello():
                self._has_spoken = True
                self._request_prefix = message.request_prefix
                self._told_folders.clear()
                self.tell_certificates()
                self._hand_log_folders()
                self._say(self._configure)
                self._sockets.accept()
                for queue, reason in self._queues.items():
                    self._say(QueueState(queue=queue, reason=reason))
            case Ready():
                self.is_ready = True
                self._answered_at = self._around.clock()
                self._cancel_start_timer()
                if not self.first_ready.done():
                    self.first_ready.set_result(None)
                self.on_started()
            case Pong() if message.number == self._pings:
                self._answered_at = self._around.clock()
            case Demand():
                self.on_demand(message.queue, message.workers)
            case WorkerPaused():
                self.on_worker_paused(message.worker, message.number, message.is_paused)
            case WorkerGone():
                self.on_worker_gone(message.worker, message.broken)
            case Unhealthy():
                self.on_unhealthy(message.reason)
            case BlackBoxOpened():
                self._crash_site.take(descriptors)
            case Event() | Scripts():
                self._note(message)
            case Plugins():
                self.plugins = message
            case _:
                self._heard_answer(message)

    def _heard_answer(self, message: AnyMessage) -> None:
        match message:
            case CacheContents() | CacheFlushed():
                self._cache_questions.answer(message.number, message)
            case Requests():
                self._questions.answer(message.number, message)
            case Executing():
                self._executing.answer(message.number, message)
            case SitesSet():
                self._changes.answer(message.number, None)
            case _:
                pass  # something that a front has no reason to say

    def _note(self, message: Event | Scripts) -> None:
        """What only has to be kept."""
        if isinstance(message, Scripts):
            self._around.scripts.add(self.slot.title, message.rows)
        else:
            self._around.report(message.id, message.text, message.fields)
            if message.id == "log-failed":  # told once: perhaps the folder is another one by now
                self._told_folders.clear()
                self._hand_log_folders()

    def _exited(self, status: int) -> None:
        child = self._child
        assert child is not None
        child.channel.read_rest()
        child.channel.close()
        self._child = None
        self.is_ready = self._has_spoken = False
        self._changes.answer_all(None)  # the next one hears it in its configuration
        self._cancel_start_timer()
        blame = self._crash_site.read()
        fields = {"pid": str(child.pid), "status": str(status)}
        if self._is_retiring:
            self._around.report("process-ended", f"{self.slot.title} has ended", fields)
            self._has_gone()
            return
        where = f" {blame.sentence}" if blame is not None else ""
        fields |= blame.fields if blame is not None else {}
        is_first = not self.first_ready.done()
        loss = " before it was ready" if is_first else "; its open connections are lost, it is restarted"
        self._around.report("process-died", f"{self.slot.title} ended by {describe_exit(status)}{where}{loss}", fields)
        if is_first:
            self.first_ready.set_exception(ConnectionAbortedError(f"{self.slot.title}: {describe_exit(status)}"))
            self._is_retiring = True
            self._has_gone()
            return
        self.on_ended()
        quick = self._around.clock() - self._started_at < _QUICK_DEATH_SECONDS
        self._around.loop.call_later(_PAUSE_SECONDS if quick else 0.0, self._restart)

    def _is_late(self) -> None:
        if self._child is not None and not self.is_ready and not self._is_retiring:
            self._replace_hung(f"was not ready within {START_SECONDS:g} s")

    def _replace_hung(self, why: str) -> None:
        assert self._child is not None
        text = f"{self.slot.title} {why}: it is killed{' and started again' if self.first_ready.done() else ''}"
        self._around.report("front-hung", text, {"pid": str(self._child.pid)})
        self._child.kill(9)

    def _cancel_start_timer(self) -> None:
        if self._start_timer is not None:
            self._start_timer.cancel()

    def _restart(self) -> None:
        if self._is_retiring:
            self._has_gone()
        else:
            self.start("the one before it died")

    def _has_gone(self) -> None:
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        if not self.gone.done():
            self.gone.set_result(None)

    def _say(self, message: AnyMessage, *descriptors: int) -> None:
        if self._child is not None and self._has_spoken:  # everything is said again after its Hello
            self._child.channel.send(message, descriptors)
