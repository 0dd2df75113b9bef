"""Traces that the administrator has asked for: tokens for workers to watch for, and the walks that they tell."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Final

from host.activation.topology import Topology
from host.admin import commands
from host.admin.commands import Failed, Reply
from host.wire.trace_messages import WatchForTrace

WATCH_SECONDS: Final = 60.0
"""How long a token is good."""

_TELL_SECONDS: Final = 10.0
"""How long the end of a request that has its response may take."""


class Traces:
    """Of one service. `take` is given every event of kind `request-traced`."""

    def __init__(self) -> None:
        self._walks: dict[str, asyncio.Future[str]] = {}

    async def begin(self, topology: Topology) -> Reply:
        """A token, known to every process that serves requests now or is attached while it is good."""
        loop = asyncio.get_running_loop()
        token = secrets.token_urlsafe(24)
        self._walks[token] = loop.create_future()
        loop.call_later(WATCH_SECONDS, self._walks.pop, token, None)
        message = WatchForTrace(token=token, seconds=WATCH_SECONDS)
        topology.front.watch_for_trace(message)
        for pool in topology.pools.values():
            for worker in pool.workers.values():
                worker.channel.send(message)
        return commands.TraceToken(token=token)

    async def tell(self, command: commands.GetTrace) -> Reply:
        """The walk of the request that carried the token."""
        walk = self._walks.get(command.token)
        if walk is None:
            return Failed(message="there is no such trace", remedy="ask again: a token is good for a minute, once")
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                found = json.loads(await asyncio.shield(walk))
        except TimeoutError:
            message = "no worker has seen the request"
            remedy = "it was answered before any worker: by the listener's cache, or refused (HTTPERR says why)"
            return Failed(message=message, remedy=remedy)
        del self._walks[command.token]
        steps = [commands.TraceStep(**step) for step in found["steps"]]
        return commands.Trace(
            method=found["method"], url=found["target"], request_id=found["request"], worker=found["worker"], rows=steps
        )

    def take(self, text: str, fields: Mapping[str, str]) -> str:
        """A worker has told a walk, which is kept if somebody has asked for it. What the event log says of it."""
        walk = self._walks.get(fields.get("token", ""))
        if walk is None or walk.done():
            return "a walk that nobody waits for"
        walk.set_result(text)
        return "a request was traced for the administrator"
