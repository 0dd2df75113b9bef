"""The front of a topology: one process, or several listeners that share the work (`listener/@processes`).

Each listener has its own connections, queues, cache and links to every worker; one that dies is started again, and
meanwhile another one accepts in its place. What is said to the front is said to each of them, and what is asked is
asked of each and added up. A worker is the front's only when all of them agree: it sleeps when each has let go of it,
and may end when each has.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from host.activation.children import Channel, Surroundings
from host.activation.front_supervisor import FrontSupervisor
from host.activation.socket_places import SocketPlace, served_at
from host.isolation.placement import Slot
from host.wire.cache_messages import CacheContents
from host.wire.control_messages import Configure, Executing, Plugins
from host.wire.message_rows import RequestRow
from host.wire.trace_messages import WatchForTrace

Sockets = Mapping[str, Sequence[socket.socket]]
"""Listening sockets by endpoint; several of one endpoint where several listeners accept there."""

AnswerT = TypeVar("AnswerT")


def _ignore(*_facts: object) -> None:
    """Until somebody wants to know."""


class FrontGroup:
    """The processes of the front's slot, in the order of their places, until they are retired.

    `on_demand`, `on_worker_paused`, `on_worker_gone`, `on_unhealthy`: as FrontSupervisor says. `on_started(front)`: one
    of them is ready, and knows no worker yet. `gone` is done when none is left.
    """

    def __init__(self, slot: Slot, around: Surroundings, configure: Configure) -> None:
        self.slot = slot
        self.fronts: Final = [FrontSupervisor(slot.at(place), around, configure) for place in range(slot.instances)]
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self._pauses: dict[str, _Pause] = {}
        self._sockets: Sockets = {}
        self.on_demand: Callable[[str, int], None] = _ignore
        self.on_worker_paused: Callable[[str, int, bool], None] = _ignore
        self.on_worker_gone: Callable[[str, str], None] = _ignore
        self.on_started: Callable[[FrontSupervisor], None] = _ignore
        self.on_unhealthy: Callable[[str], None] = _ignore
        for front in self.fronts:
            front.on_demand = self._has_demand
            front.on_worker_paused = partial(self._has_paused, front)
            front.on_worker_gone = partial(self._worker_gone, front)
            front.on_started = partial(self._has_started, front)
            front.on_ended = self._deal_sockets
            front.on_unhealthy = self._is_unhealthy
            front.gone.add_done_callback(lambda _gone: self._note_if_gone())

    def _is_unhealthy(self, reason: str) -> None:
        self.on_unhealthy(reason)

    # --- the processes ------------------------------------------------------------------------------------------

    @property
    def pids(self) -> list[int]:
        """Process ids, 0 for one that does not run at the moment."""
        return [front.pid for front in self.fronts]

    @property
    def is_ready(self) -> bool:
        """Whether all of them serve."""
        return all(front.is_ready for front in self.fronts)

    @property
    def is_well(self) -> bool:
        """Whether the loop of each has answered lately."""
        return all(front.is_well for front in self.fronts)

    @property
    def plugins(self) -> Plugins:
        """inetinfo's plugins; a listener has none."""
        return self.fronts[0].plugins

    def start(self, why: str) -> None:
        """Start the processes; `why` ends in the event log."""
        for front in self.fronts:
            front.start(why)

    async def until_ready(self) -> None:
        """Returns when every process serves for the first time. Raises ConnectionAbortedError when one cannot start."""
        await asyncio.gather(*(front.first_ready for front in self.fronts))

    def tick(self) -> None:
        """Once a second: ask whether they are well."""
        for front in self.fronts:
            front.tick()

    def retire(self, seconds: float, patience_seconds: float = 0.0) -> None:
        """Stop accepting, finish what is in hand, end (FrontSupervisor.retire)."""
        for front in self.fronts:
            front.retire(seconds, patience_seconds)

    def kill(self) -> None:
        """End them at once."""
        for front in self.fronts:
            if not front.gone.done():
                front.kill()

    # --- what they are told -------------------------------------------------------------------------------------

    def configure(self, configure: Configure, sockets: Sockets) -> None:
        """Another configuration and its listening sockets: new ones before old ones go."""
        self._sockets = sockets
        for front, part in zip(self.fronts, self._parts(), strict=True):
            front.configure(configure, part)

    def tell_certificates(self) -> None:
        """The certificates of https bindings, if there are any."""
        for front in self.fronts:
            front.tell_certificates()

    async def set_sites(self, started: list[int], sockets: Sockets) -> None:
        """The bindings of these sites count from now on; returns when every front has said so. Raises TimeoutError."""
        self._sockets = sockets
        await _all(front.set_sites(started, part) for front, part in zip(self.fronts, self._parts(), strict=True))

    def _deal_sockets(self) -> None:
        """Somebody has died, or serves again: others accept in its place, or do not any more."""
        for front, part in zip(self.fronts, self._parts(), strict=True):
            front.serve(part)

    def _parts(self) -> list[dict[SocketPlace, socket.socket]]:
        """What each of them accepts on: its own sockets, and those of one that does not serve at the moment."""
        count = len(self.fronts)
        parts = [served_at(self._sockets, place, count) for place in range(count)]
        serving = [part for part, front in zip(parts, self.fronts, strict=True) if front.is_ready]
        for place, front in enumerate(self.fronts):
            if serving and not front.is_ready:
                serving[place % len(serving)].update(parts[place])
        return parts

    def queue_state(self, queue: str, reason: str) -> None:
        """Take (`reason` empty) or refuse requests of a queue."""
        for front in self.fronts:
            front.queue_state(queue, reason)

    def attach(self, queue: str, worker: str, pid: int, channel: Channel) -> None:
        """Join a worker with each front that runs; one that does not yet hears of it by `on_started`."""
        for front in self.fronts:
            front.attach(queue, worker, pid, channel)

    def detach(self, worker: str) -> None:
        """Hand nothing more to that worker; it may end when every front has said DRAIN."""
        self._pauses.pop(worker, None)
        for front in self.fronts:
            front.detach(worker)

    def drop(self, worker: str, culprits: list[int]) -> None:
        """Close that worker's links; the requests with the numbers `culprits` go to no other worker."""
        for front in self.fronts:
            front.drop(worker, culprits)

    def pause(self, worker: str, number: int) -> None:
        """Hand that idle worker nothing for the time being; answered by `on_worker_paused` with the same number: it is
        paused when every front that knows it has let go of it."""
        asked = [front for front in self.fronts if front.is_ready]
        self._pauses[worker] = _Pause(number, asked)
        for front in asked:
            front.pause(worker, number)

    def resume(self, worker: str) -> None:
        """A worker that was paused, or was about to be, takes requests again."""
        self._pauses.pop(worker, None)
        for front in self.fronts:
            front.resume(worker)

    def watch_for_trace(self, message: WatchForTrace) -> None:
        """The front, if it runs plugins, and every worker that is attached while the token is good watch for it."""
        for front in self.fronts:
            front.watch_for_trace(message)

    # --- what they are asked ------------------------------------------------------------------------------------

    async def requests(self) -> list[RequestRow]:
        """What is under way. Raises TimeoutError when a front that serves does not answer within two seconds."""
        return [row for answer in await self._ask(FrontSupervisor.requests) for row in answer.rows]

    async def cache(self) -> CacheContents:
        """What is in the caches, one row for each listener that has the answer. Raises TimeoutError."""
        answers = await self._ask(FrontSupervisor.cache)
        return CacheContents(
            number=0,
            rows=[row for answer in answers for row in answer.rows],
            entries=sum(answer.entries for answer in answers),
            size=sum(answer.size for answer in answers),
        )

    async def flush_cache(self, site_id: int, url: str) -> int:
        """Take those answers out of every cache; how many they were. Raises TimeoutError."""
        return sum(await self._ask(lambda front: front.flush_cache(site_id, url)))

    async def executing(self) -> Executing:
        """What inetinfo's own plugins are doing, and their processes. Raises TimeoutError after two seconds."""
        return await self.fronts[0].executing()

    async def _ask(self, question: Callable[[FrontSupervisor], Awaitable[AnswerT]]) -> list[AnswerT]:
        """One that is being started again has nothing yet, and is not asked while there are others."""
        asked = [front for front in self.fronts if front.is_ready] or self.fronts[:1]
        return await _all(question(front) for front in asked)

    # --- what they tell -----------------------------------------------------------------------------------------

    def _has_demand(self, queue: str, workers: int) -> None:
        self.on_demand(queue, workers)

    def _has_started(self, front: FrontSupervisor) -> None:
        self._deal_sockets()
        self.on_started(front)

    def _worker_gone(self, front: FrontSupervisor, worker: str, broken: str) -> None:
        """A front that ends lets go of workers that are well, and that others still need."""
        self._pauses.pop(worker, None)
        others_serve = any(not other.gone.done() for other in self.fronts if other is not front)
        if broken or not (front.is_retiring and others_serve):
            self.on_worker_gone(worker, broken)

    def _has_paused(self, front: FrontSupervisor, worker: str, number: int, is_paused: bool) -> None:
        pause = self._pauses.get(worker)
        if pause is None or pause.number != number:
            return
        pause.waiting.discard(front)
        if not is_paused or not pause.waiting:
            del self._pauses[worker]
            self.on_worker_paused(worker, number, is_paused)

    def _note_if_gone(self) -> None:
        if all(front.gone.done() for front in self.fronts) and not self.gone.done():
            self.gone.set_result(None)


class _Pause:
    """The question whether a worker may sleep, and the fronts that have not answered it."""

    def __init__(self, number: int, fronts: Iterable[FrontSupervisor]) -> None:
        self.number = number
        self.waiting = set(fronts)


async def _all(work: Iterable[Awaitable[AnswerT]]) -> list[AnswerT]:
    """The results of all, when all have ended; raises what the first of them has raised."""
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    results: list[AnswerT] = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        results.append(outcome)
    return results
