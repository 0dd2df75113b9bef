"""When the clock says that workers are recycled (`recycling/periodicRestart/schedule`): pure, over wall clocks.

The clock is local time without a zone, as people read it from the wall. It can jump: forward when summer time begins, a
machine wakes or the time is set; back when summer time ends. A time of day that was jumped over is caught up once; one
that comes twice in a night recycles once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

_LONGEST_STEP_BACK: Final = timedelta(
    hours=3
)  # zones step back by an hour or two; more than that is a clock that was set
_DAY: Final = timedelta(days=1)


class ScheduleLook(NamedTuple):
    """What a look at the clock gave. `mark` is what the next look starts from; `due` the time of day that has come
    since the last one (seconds after midnight), None when none has."""

    mark: datetime
    due: int | None


def look_at_schedule(schedule: Sequence[int], mark: datetime, now: datetime) -> ScheduleLook:
    """Which of the times of day in `schedule` (seconds after midnight) lies after `mark` and not after `now`.

    Of several, also of several days, the latest: workers are recycled once, however long nobody looked.
    """
    if now < mark:
        return ScheduleLook(mark if mark - now <= _LONGEST_STEP_BACK else now, None)
    latest: tuple[datetime, int] | None = None
    for seconds in schedule:
        came_at = _last_time(seconds, now)
        if came_at > mark and (latest is None or came_at > latest[0]):
            latest = (came_at, seconds)
    return ScheduleLook(now, latest[1] if latest is not None else None)


def time_of_day(seconds: int) -> str:
    """`03:30` for 12600."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"


def _last_time(seconds: int, now: datetime) -> datetime:
    """When it was that time of day last, `now` included."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(seconds=seconds)
    return today if today <= now else today - _DAY
