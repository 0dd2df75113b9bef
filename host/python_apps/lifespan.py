"""ASGI's lifespan: the application is told of its start and of its end, once in each worker."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from host.api.ctrl_c import is_ctrl_c
from host.python_apps.loading import LoadFailure, failure_of

SHUTDOWN_SECONDS: Final = 10.0
"""How long an application may take for its end."""

_REMEDY: Final = "Correct what the application does at its start; the next request tries again."


class Lifespan:
    """`await start()`, then serve with `state`, then `await end()`."""

    def __init__(self, application: Any, mode: str) -> None:
        self._application = application
        self._mode = mode  # Auto, On, Off
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[str] = asyncio.Queue()
        self._answer: asyncio.Future[str] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self.state: dict[str, Any] = {}
        self.note = ""  # for the operator

    async def start(self) -> None:
        """Returns when the application is ready. Raises LoadFailure when it says it cannot, or fails."""
        if self._mode == "Off":
            return
        self._events.put_nowait("lifespan.startup")
        task = self._task = self._loop.create_task(self._run())
        await self._first_of(task)
        if self._answer.done():
            if problem := self._answer.result():
                await self._let_end(task)
                raise LoadFailure(f"its start-up failed: {problem}", _REMEDY, may_pass=True)
            return
        self._task = None
        error = task.exception()
        if self._mode == "Auto":  # as the specification has it: an exception means that it knows no lifespan
            self.note = "it knows no lifespan" + (f" ({type(error).__name__}: {error})" if error is not None else "")
            return
        if error is None:
            text = 'it ended its lifespan without "lifespan.startup.complete"'
            raise LoadFailure(text, 'Say <pythonApplication lifespan="Off" /> if it knows none.', may_pass=True)
        raise failure_of(error, "its start-up raised", may_pass=True) from error

    async def end(self) -> str:
        """Tell it of the end; gives what went wrong, or an empty text."""
        task, self._task = self._task, None
        if task is None or task.done():
            return ""
        self._answer = self._loop.create_future()
        self._events.put_nowait("lifespan.shutdown")
        await self._first_of(task, SHUTDOWN_SECONDS)
        problem = self._answer.result() if self._answer.done() else ""
        if not self._answer.done() and not task.done():
            problem = f"it did not end within {SHUTDOWN_SECONDS:.0f} s"
        await self._let_end(task)
        if task.cancelled():
            return problem
        error = task.exception()
        return problem or (f"{type(error).__name__}: {error}" if error is not None else "")

    async def _first_of(self, task: asyncio.Task[None], timeout: float | None = None) -> None:
        futures: list[asyncio.Future[Any]] = [task, self._answer]
        await asyncio.wait(futures, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    async def _let_end(self, task: asyncio.Task[None]) -> None:
        await asyncio.wait([task], timeout=1.0)
        task.cancel()
        await asyncio.wait([task], timeout=1.0)

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._application(scope, self._receive, self._send)
        except SystemExit as error:  # it would end the loop
            raise RuntimeError(f"the application called sys.exit({error.code!r})") from error
        except KeyboardInterrupt as error:
            if is_ctrl_c(error):
                raise
            raise RuntimeError("the application raised KeyboardInterrupt") from error

    async def _receive(self) -> dict[str, Any]:
        return {"type": await self._events.get()}

    async def _send(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            problem = ""
        elif kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            problem = str(message.get("message") or "") or "no reason given"
        else:
            raise RuntimeError(f"{kind} is no message of a lifespan")
        if not self._answer.done():
            self._answer.set_result(problem)
