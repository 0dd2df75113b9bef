"""A ControlServer on a loop of its own in a thread, with a test's handler: for blocking callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from host.admin.commands import Command, Reply
from host.admin.server import ControlServer, Tell


class Answers:
    """A handler that notes the commands, tells the news, and answers what the test's function says."""

    def __init__(self, answer: Callable[[Command], Reply], news: Iterable[str] = ()) -> None:
        self.commands: list[Command] = []
        self._news = tuple(news)
        self._answer = answer

    async def __call__(self, command: Command, tell: Tell) -> Reply:
        self.commands.append(command)
        for text in self._news:
            tell(text)
        return self._answer(command)


@contextmanager
def running_server(
    path: Path, answer: Callable[[Command], Reply], *, owner_uid: int | None = None, news: Iterable[str] = ()
) -> Iterator[list[Command]]:
    """Answers on `path` while the block runs; gives the list of commands it was sent."""
    answers = Answers(answer, news)
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    problems: list[BaseException] = []

    async def serve() -> None:
        server = ControlServer(path, answers, owner_uid=owner_uid)
        loop.set_exception_handler(lambda _, context: None)
        try:
            await server.start()
        except OSError as error:
            problems.append(error)
            return
        finally:
            ready.set()
        await stopping.wait()
        await server.close()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(60)
    try:
        assert not problems, problems
        yield answers.commands
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stopping.set)
        thread.join(60)
