"""Questions to a child that it answers by number, each with a time limit."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")

ANSWER_SECONDS: Final = 2.0
"""How long a child may think; what people asked for is shown without it then."""


class Questions(Generic[Answer]):
    """What was asked and is not answered yet."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, say: Callable[[int], object], limit_seconds: float = ANSWER_SECONDS) -> Answer:
        """Say the question under a number of its own; gives the answer. Raises TimeoutError."""
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            say(number)
            async with asyncio.timeout(limit_seconds):
                return await answer
        finally:
            del self._waiting[number]

    def answer(self, number: int, answer: Answer) -> None:
        """The child has answered; what nobody waits for any more is dropped."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def answer_all(self, answer: Answer) -> None:
        """Nobody will answer any more: this holds for all who wait."""
        for number in self._waiting:
            self.answer(number, answer)
