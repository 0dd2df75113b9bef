"""The load, in a process of its own so that it does not slow the service: `python -m tests.chaos.client OPTIONS`.

Some users of each kind ask again and again, each with its own numbers. Nothing is asked twice: what fails has failed.
It says, a JSON object a line: `answered` by kind ten times a second, each `failed` request with all that is known of
it, and at the end (standard input closed: every user finishes what it has in hand) the `summary`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tests.chaos.http_client import Answer, ClientConnection, Cut, describe
from tests.chaos.requests import KINDS, Kind

_PROGRESS_SECONDS: Final = 0.1
_END_SECONDS: Final = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`users` of each kind, and where each kind's answer is (`paths`). Between two requests a user waits about
    `pause_seconds`; a request that takes longer than `patience_seconds` has failed."""

    port: int
    users: Mapping[str, int]
    paths: Mapping[str, str]
    seed: int = 1
    pause_seconds: float = 0.02
    patience_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A request that got no right answer. Times are monotonic seconds: when its connection was begun (`connected`), it
    itself began and ended. `reused`: it was not its connection's first. `received` bytes of an answer had come, whose
    status is `status` (0: none)."""

    kind: str
    number: int
    error: str
    connected: float
    began: float
    ended: float
    reused: bool
    received: int
    status: int


@dataclass(slots=True)
class Count:
    """What became of one kind's requests."""

    sent: int = 0
    answered: int = 0
    failed: int = 0
    slowest_seconds: float = 0.0


@dataclass(slots=True)
class Tally:
    """Counts by kind."""

    kinds: dict[str, Count] = field(default_factory=dict)

    def answered(self) -> dict[str, int]:
        """Right answers by kind."""
        return {name: count.answered for name, count in self.kinds.items()}


class User:
    """One user of one kind: a request after the other. `report(failure)` takes what failed."""

    def __init__(
        self,
        options: Options,
        kind: Kind,
        count: Count,
        numbers: Iterator[int],
        rng: random.Random,
        *,
        report: Callable[[Failure], None],
    ) -> None:
        self._options = options
        self._report = report
        self._kind = kind
        self._count = count
        self._numbers = numbers
        self._random = rng
        self._connection: ClientConnection | None = None

    async def live(self, end: asyncio.Event) -> None:
        """Until the end."""
        while not end.is_set():
            await self.ask_one()
            await asyncio.sleep(self._random.uniform(0.0, 2.0) * self._options.pause_seconds)
        self._drop()

    async def ask_one(self) -> None:
        """The next request: answered rightly, or failed and reported."""
        number = next(self._numbers)
        began = time.monotonic()
        self._count.sent += 1
        error = ""
        try:
            async with asyncio.timeout(self._options.patience_seconds):
                error = await self._ask(number)
        except TimeoutError:
            error = "no whole answer in time"
        except Cut as cut:
            error = str(cut)
        except OSError as problem:
            error = f"connect: {describe(problem)}"
        ended = time.monotonic()
        if not error:
            self._count.answered += 1
            self._count.slowest_seconds = max(self._count.slowest_seconds, ended - began)
            return
        self._count.failed += 1
        known = self._connection
        self._report(
            Failure(
                kind=self._kind.name,
                number=number,
                error=error,
                connected=known.opened_at if known is not None else began,
                began=began,
                ended=ended,
                reused=known is not None and known.requests > 1,
                received=known.received if known is not None else 0,
                status=known.status if known is not None else 0,
            )
        )
        self._drop()

    async def _ask(self, number: int) -> str:
        """What is wrong with the answer; empty when it is right."""
        options, kind = self._options, self._kind
        if self._connection is None:
            self._connection = await ClientConnection.open(options.port)
        pieces = kind.body(number)
        answer = await self._connection.ask(self._head(number, pieces), pieces, kind.piece_pause_seconds)
        problem = fault_of(answer, kind.expected(number))
        if not problem and not (answer.keeps_open and kind.keeps_connection):
            self._drop()
        return problem

    def _head(self, number: int, pieces: list[bytes]) -> bytes:
        kind = self._kind
        lines = [
            f"{kind.method} {self._options.paths[kind.name]}?n={number} HTTP/1.1",
            f"Host: 127.0.0.1:{self._options.port}",
        ]
        if pieces:
            lines.append(f"Content-Length: {sum(map(len, pieces))}")
        if not kind.keeps_connection:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def fault_of(answer: Answer, expected: bytes) -> str:
    """What is wrong with an answer that came whole; empty when nothing is."""
    if answer.status != 200:
        return f"status {answer.status}"
    if answer.body != expected:
        return "wrong content"
    return ""


def say(what: str, facts: Any) -> None:
    """A line for the runner."""
    sys.stdout.write(json.dumps({what: facts}) + "\n")
    sys.stdout.flush()


def say_failed(failure: Failure) -> None:
    """All that is known of it."""
    say("failed", asdict(failure))


async def live(options: Options) -> None:
    """Run all users until standard input ends."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    watching = loop.run_in_executor(None, sys.stdin.buffer.read)
    watching.add_done_callback(lambda _done: end.set())
    rng = random.Random(options.seed)
    numbers = itertools.count(options.seed * 1_000_000)
    tally = Tally()
    users = []
    for name, count in options.users.items():
        tally.kinds[name] = Count()
        for _ in range(count):
            own = random.Random(rng.random())
            user = User(options, KINDS[name], tally.kinds[name], numbers, own, report=say_failed)
            users.append(asyncio.ensure_future(user.live(end)))
    telling = asyncio.ensure_future(tell(tally))
    await end.wait()
    done, late = await asyncio.wait(users, timeout=_END_SECONDS)
    for user_task in done:
        user_task.result()
    assert not late, f"{len(late)} users did not come to an end"
    telling.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await telling
    say("summary", {name: asdict(count) for name, count in tally.kinds.items()})


async def tell(tally: Tally) -> None:
    """How far it is, for a runner that waits for answers."""
    while True:
        say("answered", tally.answered())
        await asyncio.sleep(_PROGRESS_SECONDS)


if __name__ == "__main__":
    asyncio.run(live(Options(**json.loads(sys.argv[1]))))
