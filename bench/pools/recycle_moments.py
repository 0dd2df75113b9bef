"""p99 of the half second in which a pool is recycled, beside that of the half second after it: many times in a row.

A recycle takes a twentieth of a second. Over six seconds (`recycling.py`) it hides in the noise of a machine; here both
halves of each second lie beside each other, and the client notes every single answer (`programs/each_answer.c`).
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.load import LoadFailed
from bench.reliability.contestants import CONTESTANTS, READY, Recycled, write_pages
from bench.server import Server
from bench.site import compile_program
from bench.summary import Spread, spread

RATES: Final = (0, 3000)
"""Requests a second; 0: as many as are answered, on full processors."""

_HALF_SECONDS: Final = 0.5
_FIRST_SECONDS: Final = 0.5  # until the client's connections are there, and what it has asked first is forgotten
_GRACE_SECONDS: Final = 30.0
_NANOSECONDS: Final = 1_000_000_000

Answer = tuple[int, int]
"""When it was due, and how long it took: nanoseconds of the monotonic clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecycleMoments:
    """`p99` of all half seconds without a recycle together, and with one, in seconds; `added` is one divided by the
    other, second by second; `slow` counts, for each recycle, the requests that took longer than `p99` beyond the
    hundredth that always does."""

    contestant: str
    rate: int
    recycles: int
    p99: float
    p99_recycled: float
    added: Spread
    slow: float
    errors: int


def measure(folder: Path, names: Sequence[str], *, recycles: int, connections: int) -> list[RecycleMoments]:
    """So many recycles of each contestant at each rate. Raises NotReady, LoadFailed."""
    client = folder / "each_answer"
    compile_program("each_answer", client)
    found: list[RecycleMoments] = []
    for name in names:
        recycled = CONTESTANTS[name]
        where = folder / f"moments-{name}"
        where.mkdir()
        server = Server(recycled.contestant, where / "run", write_pages(where / "site"))
        try:
            server.start(recycled.contestant.paths[READY])
            for rate in RATES:
                answers, marks, errors = _drive(client, recycled, server, rate, recycles, connections)
                found.append(summary(name, rate, answers, marks, errors))
        finally:
            server.stop()
    return found


def summary(name: str, rate: int, answers: Sequence[Answer], marks: Sequence[int], errors: int) -> RecycleMoments:
    """Of what was answered, in the order in which it was due, and of when recycles began (nanoseconds). Raises
    LoadFailed when half a second is empty."""
    half = int(_HALF_SECONDS * _NANOSECONDS)
    pairs = [(_between(answers, mark, mark + half), _between(answers, mark + half, mark + 2 * half)) for mark in marks]
    if not pairs or any(not moment or not after for moment, after in pairs):
        raise LoadFailed(f"{name} has answered nothing for half a second")
    during = sorted(took for moment, _ in pairs for took in moment)
    without = sorted(took for _, after in pairs for took in after)
    p99 = _p99(without)
    slow = sum(took > p99 for took in during) - len(during) / 100
    return RecycleMoments(
        contestant=name,
        rate=rate,
        recycles=len(marks),
        p99=p99 / _NANOSECONDS,
        p99_recycled=_p99(during) / _NANOSECONDS,
        added=spread(_p99(sorted(moment)) / _p99(sorted(after)) for moment, after in pairs),
        slow=slow / len(marks),
        errors=errors,
    )


def _drive(
    client: Path, recycled: Recycled, server: Server, rate: int, recycles: int, connections: int
) -> tuple[list[Answer], list[int], int]:
    """What was answered, when recycles began, and how many requests failed."""
    path = recycled.contestant.paths[READY]
    seconds = _FIRST_SECONDS + 2 * _HALF_SECONDS * recycles
    words = [str(word) for word in (client, server.port, path, connections, seconds, rate)]
    marks: list[int] = []
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(words, stdout=output, stderr=subprocess.PIPE, text=True) as load,
    ):
        begin = time.monotonic() + _FIRST_SECONDS
        try:
            for number in range(recycles):
                time.sleep(max(0.0, begin + 2 * _HALF_SECONDS * number - time.monotonic()))
                marks.append(time.monotonic_ns())
                recycled.recycle(server)
            _, said = load.communicate(timeout=_GRACE_SECONDS)
        finally:
            load.kill()
        if load.returncode != 0:
            raise LoadFailed(f"each_answer said: {said.strip()}")
        output.seek(0)
        numbers = array("Q", output.read())
    return sorted(zip(numbers[::2], numbers[1::2], strict=True)), marks, int(said)


def _between(answers: Sequence[Answer], begin: int, end: int) -> list[int]:
    return [took for _, took in answers[bisect_left(answers, (begin,)) : bisect_left(answers, (end,))]]


def _p99(ordered: Sequence[int]) -> int:
    return ordered[len(ordered) * 99 // 100]
