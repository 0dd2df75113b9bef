"""Answers with what comes out of a pipe, and would lend it."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator

from host.api import HandlerMapping, LendableBody, PipeLoan, Request, Response, hookimpl

SIZE = 1_000_000
returned: list[tuple[int, bool]] = []


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    return [HandlerMapping(name="Lends", path="*.pipe")]


class Loan:
    def __init__(self, pipe: int, most_bytes: int) -> None:
        self.descriptor = os.dup(pipe)
        self.most_bytes = most_bytes
        self._taken = asyncio.get_running_loop().create_future()

    def noted(self, taken_bytes: int, *, waits: bool) -> None:
        pass

    def returned(self, taken_bytes: int, *, has_ended: bool) -> None:
        returned.append((taken_bytes, has_ended))
        self._taken.set_result(taken_bytes)

    async def over(self) -> int:
        return int(await self._taken)


class Printed(LendableBody):
    def __init__(self) -> None:
        self._pipe, self._write_end = os.pipe()
        threading.Thread(target=self._print).start()

    def lend(self, most_bytes: int) -> PipeLoan | None:
        return Loan(self._pipe, most_bytes)

    def _print(self) -> None:
        with open(self._write_end, "wb") as file:
            file.write(b"x" * SIZE)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while data := await asyncio.to_thread(os.read, self._pipe, 65536):
            yield data

    async def aclose(self) -> None:
        os.close(self._pipe)


@hookimpl
async def handle(request: Request) -> Response:
    return Response(body=Printed())
