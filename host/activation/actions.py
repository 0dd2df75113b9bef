"""Programs that the configuration names for an occasion (`orphanActionExe`): run without a shell, told in events.

One that hangs must not gather others around it: each has failure/@actionTimeLimit, and a pool's are counted.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Mapping
from typing import Final, NamedTuple

from host.activation.children import ProgramEnd, RunningProgram, Surroundings, describe_exit
from host.config.model import Pool

MOST_AT_ONCE: Final = 5
"""Of one pool: as many as rapid-fail protection lets workers fail, by default, before it takes the pool off line."""


class Occasion(NamedTuple):
    """What is to be run: `executable` with `parameters`, in which `%1%` stands for `first`. `text` says what for,
    `fields` go into the events."""

    text: str
    executable: str
    parameters: str
    first: str
    fields: Mapping[str, str]

    @property
    def program(self) -> str:
        """What the events call it."""
        return f"{self.text}: {os.path.basename(self.executable)}"


def run_action(around: Surroundings, pool: Pool, occasion: Occasion) -> None:
    """Run it for this pool, with its parameters split as a shell splits words.

    It runs as the service's user, with PATH as its only variable, and ends with the service at the latest. How it
    ended, and the end of what it wrote, is an event; so is why it was not started.
    """
    running = around.actions.setdefault(pool.name, {})
    if len(running) >= MOST_AT_ONCE:
        pids = ", ".join(str(pid) for pid in running)
        text = f"{occasion.program} is not run: {len(running)} programs of pool {pool.name} run still, processes {pids}"
        around.report("action-failed", text, occasion.fields)
        return
    try:
        words = [word.replace("%1%", occasion.first) for word in shlex.split(occasion.parameters)]
        run = _Run(around, running, occasion)
        run.start([occasion.executable, *words], pool.action_time_limit_seconds)
    except (OSError, ValueError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        _report_not_started(around, occasion, reason)


class _Run:
    """One program, from its start to its event."""

    def __init__(self, around: Surroundings, running: dict[int, RunningProgram], occasion: Occasion) -> None:
        self._around = around
        self._running = running
        self._occasion = occasion
        self._timer: asyncio.TimerHandle | None = None
        self._program: RunningProgram

    def start(self, argv: list[str], limit_seconds: int) -> None:
        """Raises OSError, ValueError."""
        self._program = program = self._around.launcher.run_program(argv, self._has_ended)
        self._running[program.pid] = program
        if limit_seconds:
            why = f"failure/@actionTimeLimit is {limit_seconds} s"
            self._timer = self._around.loop.call_later(limit_seconds, program.end, why)

    def _has_ended(self, end: ProgramEnd) -> None:
        occasion = self._occasion
        del self._running[self._program.pid]
        if self._timer is not None:
            self._timer.cancel()
        if end.start_error:
            _report_not_started(self._around, occasion, end.start_error)
            return
        why = f": {end.why_ended}" if end.why_ended else ""
        what = " what it had started was ended" if why and end.status >= 0 else ""
        text = f"{occasion.program} ended with {describe_exit(end.status)}{',' if what else ''}{what}{why}"
        fields = {**occasion.fields, **({"output": end.output} if end.output else {})}
        self._around.report("action-failed" if end.status or why else "action-ended", text, fields)


def _report_not_started(around: Surroundings, occasion: Occasion, reason: str) -> None:
    text = f"{occasion.text}: {occasion.executable} could not be started: {reason}"
    around.report("action-failed", text, occasion.fields)
