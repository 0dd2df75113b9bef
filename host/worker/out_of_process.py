"""Handlers of Medium and High applications in IIS 5 isolation mode: one dllhost per slot, started by a request."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from host.api import HttpError, Request, Response
from host.worker.front_link import IDEMPOTENT_METHODS
from host.worker.host_link import HostLink

DEMAND_INTERVAL_SECONDS: Final = 1.0
MOST_WAITING: Final = 1000
"""Requests that may wait for one dllhost; the queue length of an application pool (IIS: 1000)."""


class _Slot:
    """The dllhost of one slot, if it runs, and who waits for it."""

    def __init__(self) -> None:
        self.link: HostLink | None = None
        self.waiting: deque[asyncio.Future[HostLink]] = deque()
        self.demand_timer: asyncio.TimerHandle | None = None


class OutOfProcess:
    """Forwards requests. `demand(slot)` says that requests wait for a dllhost, once a second while they do;
    `report(text)` tells of a broken link."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, demand: Callable[[str], None], report: Callable[[str], None]
    ) -> None:
        self._loop = loop
        self._demand = demand
        self._report = report
        self._slots: dict[str, _Slot] = {}

    def attach(self, slot_name: str, stream: socket.socket, side: socket.socket) -> None:
        """The slot's dllhost runs; what waits goes there. It takes the place of an earlier one."""
        slot = self._slots.setdefault(slot_name, _Slot())
        earlier, slot.link = slot.link, HostLink(self._loop, stream, side, partial(self._changed, slot_name))
        if earlier is not None:
            earlier.close()
        self._stop_demand(slot)

    def detach(self, slot_name: str) -> None:
        """The slot's dllhost is unloaded: it finishes what it has, the next request asks for another one."""
        slot = self._slots.get(slot_name)
        if slot is None or slot.link is None:
            return
        link, slot.link = slot.link, None
        link.drain()
        if slot.waiting:
            self._repeat_demand(slot_name, slot)

    async def handle(self, slot_name: str, request: Request) -> Response:
        """The dllhost's answer. Raises HttpError: 502.3 when it dies, 503.2 when too many wait for it.

        A request that may be said twice (idempotent, without a body) is given once more to the next dllhost, as the
        listener does when a worker dies.
        """
        slot = self._slots.setdefault(slot_name, _Slot())
        link = await self._link_for(slot_name, slot)
        while link.is_draining:  # unloaded between the promise of its credit and now
            link = await self._link_for(slot_name, slot)
        try:
            return await link.handle(request)
        except HttpError as error:
            has_died = link.is_closed and (error.status, error.substatus) == (502, 3)
            if not (has_died and request.method.encode() in IDEMPOTENT_METHODS and request.body.length == 0):
                raise
        again = await self._link_for(slot_name, slot)
        return await again.handle(request)

    async def _link_for(self, slot_name: str, slot: _Slot) -> HostLink:
        link = slot.link
        if link is None or link.is_closed or link.credit <= 0 or slot.waiting:
            return await self._wait(slot_name, slot)
        link.credit -= 1
        return link

    def session_ended(self, connection_number: int) -> None:
        """A client connection is closed."""
        for slot in self._slots.values():
            if slot.link is not None:
                slot.link.session_ended(connection_number)

    def close(self) -> None:
        """Let go of every dllhost."""
        for slot in self._slots.values():
            self._stop_demand(slot)
            while slot.waiting:
                waiter = slot.waiting.popleft()
                if not waiter.done():
                    waiter.set_exception(HttpError(500, 11, "the server is stopping"))
            if slot.link is not None:
                slot.link.close()

    async def _wait(self, slot_name: str, slot: _Slot) -> HostLink:
        if len(slot.waiting) >= MOST_WAITING:
            raise HttpError(503, 2, f"{MOST_WAITING} requests wait for {slot_name}")
        waiter: asyncio.Future[HostLink] = self._loop.create_future()
        slot.waiting.append(waiter)
        if slot.link is None and slot.demand_timer is None:
            self._repeat_demand(slot_name, slot)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().credit += 1  # it was this one's turn: the next may have it
                self._hand_on(slot)
            raise

    def _repeat_demand(self, slot_name: str, slot: _Slot) -> None:
        slot.demand_timer = None
        while slot.waiting and slot.waiting[0].done():
            slot.waiting.popleft()
        if slot.link is None and slot.waiting:
            self._demand(slot_name)
            slot.demand_timer = self._loop.call_later(DEMAND_INTERVAL_SECONDS, self._repeat_demand, slot_name, slot)

    def _stop_demand(self, slot: _Slot) -> None:
        if slot.demand_timer is not None:
            slot.demand_timer.cancel()
            slot.demand_timer = None

    def _changed(self, slot_name: str, link: HostLink, why: str) -> None:
        """Credit came, or the dllhost is gone."""
        slot = self._slots[slot_name]
        if link is not slot.link:
            return
        if link.is_closed:
            slot.link = None
            if why:
                self._report(f"the link to {slot_name} was closed: {why}")
            if slot.waiting:
                self._repeat_demand(slot_name, slot)
            return
        self._hand_on(slot)

    def _hand_on(self, slot: _Slot) -> None:
        """Let go as many as there is credit for."""
        link = slot.link
        while link is not None and slot.waiting and link.credit > 0:
            waiter = slot.waiting.popleft()
            if not waiter.done():
                link.credit -= 1
                waiter.set_result(link)
