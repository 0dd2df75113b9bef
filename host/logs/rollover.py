"""Which file is written now: IIS's names per period, numbered names per size. Pure: clock and folder are passed in.

Names begin with `u_` because lines are UTF-8 (IIS: `log/@logInUTF8`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

QUARTER_HOUR_SECONDS: Final = 900
"""A dated name changes on such a boundary only, in every time zone."""

HTTPERR_LIMIT: Final = 1024 * 1024
"""Bytes after which HTTPERR starts its next file (IIS: ErrorLogFileTruncateSize)."""


class Naming(Protocol):
    """How the files of one log are named. `size_limit` is in bytes, 0 for a log that does not roll by size."""

    @property
    def size_limit(self) -> int:
        """Bytes from which a new file is due."""

    def name(self, at: float, sizes: Mapping[str, int]) -> str:
        """The file for a line of that time; `sizes` are the files there are, with their bytes."""


@dataclass(frozen=True, slots=True)
class DatedNaming:
    """Hourly, Daily, Weekly, Monthly. The date is UTC's unless `is_local`; hours are always UTC's, as in IIS."""

    period: str
    is_local: bool = False
    size_limit: int = 0

    def name(self, at: float, sizes: Mapping[str, int]) -> str:  # noqa: ARG002 (the size decides nothing here)
        """`u_ex24050217.log`, `u_ex240502.log`, `u_ex240501.log` (first week of May), `u_ex2405.log`."""
        moment = time.localtime(at) if self.is_local and self.period != "Hourly" else time.gmtime(at)
        if self.period == "Weekly":
            return f"u_ex{time.strftime('%y%m', moment)}{week_of_month(moment):02}.log"
        return f"u_ex{time.strftime(_PATTERNS[self.period], moment)}.log"


_PATTERNS: Final = {"Hourly": "%y%m%d%H", "Daily": "%y%m%d", "Monthly": "%y%m"}


@dataclass(frozen=True, slots=True)
class NumberedNaming:
    """`<prefix><N>.log`, N counting up from 1; the next one when `size_limit` bytes are reached."""

    prefix: str
    size_limit: int

    def name(self, at: float, sizes: Mapping[str, int]) -> str:  # noqa: ARG002 (the time decides nothing here)
        """The last file if there is room in it, else the one after it."""
        pattern = re.compile(re.escape(self.prefix) + r"(\d{1,9})\.log")
        numbers = {int(match[1]): size for name, size in sizes.items() if (match := pattern.fullmatch(name))}
        if not numbers:
            return f"{self.prefix}1.log"
        last = max(numbers)
        return f"{self.prefix}{last if numbers[last] < self.size_limit else last + 1}.log"


def week_of_month(moment: time.struct_time) -> int:
    """1 to 6; weeks begin on Sunday (IIS's count in the names of weekly logs)."""
    sunday_based_weekday = (moment.tm_wday + 1) % 7
    weeks, days = divmod(moment.tm_mday - 1, 7)
    return weeks + 1 + (days > sunday_based_weekday)


def site_naming(period: str, truncate_size: int, *, is_local: bool = False) -> Naming:
    """The naming of `logFile/@period`, with `@truncateSize` (bytes) and `@localTimeRollover`.

    Raises ValueError for a period that IIS does not have.
    """
    if period == "MaxSize":
        return NumberedNaming("u_extend", truncate_size)
    if period not in {*_PATTERNS, "Weekly"}:
        raise ValueError(f"unknown log period {period}: MaxSize, Hourly, Daily, Weekly or Monthly")
    return DatedNaming(period, is_local)


def httperr_naming() -> Naming:
    """`httperr1.log` and counting, one megabyte each."""
    return NumberedNaming("httperr", HTTPERR_LIMIT)
