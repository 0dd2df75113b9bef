"""The event loop of a test's worker, in a thread of its own: the test may wait, read and look while it serves."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import uvloop

from host.testing.errors import NoAnswer

T = TypeVar("T")
_GRACE_SECONDS: Final = 5.0  # a loop that is free has given up by then


class BackgroundLoop:
    """uvloop, as in a worker. Every method is for the test's thread."""

    def __init__(self, patience_seconds: float) -> None:
        self.patience_seconds = patience_seconds
        self.explain: Callable[[], str] = str  # what the worker is doing; any thread may ask
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="worker's event loop", daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T], what: str) -> T:
        """The coroutine's result. Raises NoAnswer when it takes longer than the test has patience: `what` was waited
        for."""
        running = asyncio.run_coroutine_threadsafe(self._bounded(coroutine, what), self.loop)
        try:
            return running.result(self.patience_seconds + _GRACE_SECONDS)
        except concurrent.futures.TimeoutError:
            text = f"waited {self.patience_seconds:g} s for {what}: the worker's event loop is blocked"
            raise NoAnswer(f"{text}; {self.explain()}") from None

    def close(self) -> None:
        """Stop the loop. A plugin that blocks it keeps its thread, which ends with the process."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_GRACE_SECONDS)
        if not self._thread.is_alive():
            self.loop.close()

    async def _bounded(self, coroutine: Coroutine[Any, Any, T], what: str) -> T:
        task = asyncio.ensure_future(coroutine)
        done, _ = await asyncio.wait([task], timeout=self.patience_seconds)
        if not done:
            task.cancel()
            raise NoAnswer(f"waited {self.patience_seconds:g} s for {what}; {self.explain()}")
        return task.result()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
