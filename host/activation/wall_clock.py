"""Local time, as people read it from the wall: by the zone that is set now, not by the one of the service's start."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

_LOOK_SECONDS: Final = 0.5  # every pool asks at each look of the supervisor; looking at /etc/localtime takes 13 us


class WallClock:
    """Called for the time, without a zone. The C library reads /etc/localtime once, and again only when it is told to;
    a zone in the variable TZ stays."""

    def __init__(self, look_seconds: float = _LOOK_SECONDS) -> None:
        self._look_seconds = look_seconds
        self._looked_at = time.monotonic()

    def __call__(self) -> datetime:
        """The time of this moment."""
        now = time.monotonic()
        if now - self._looked_at >= self._look_seconds:
            self._looked_at = now
            time.tzset()
        return datetime.now()
