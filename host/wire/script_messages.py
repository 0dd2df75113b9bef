"""What a worker tells the service about CGI scripts."""

from __future__ import annotations

import msgspec

from host.wire.message import Message


class ScriptRow(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one script since the last such row of the process. `durations` is a histogram (`host/wire/durations.py`),
    `exits` counts by status or signal, `last_error_at` is in seconds since the epoch."""

    script: str
    runs: int
    warm_runs: int
    errors: int
    durations: list[int]
    longest_seconds: float
    exits: dict[str, int]
    last_error: str = ""
    last_error_request: str = ""
    last_error_at: float = 0.0


class Scripts(Message, frozen=True, kw_only=True):
    """Worker: which programs of scripts have ended since it said so last; about once a second while some do."""

    rows: list[ScriptRow]
