"""Which file is written now: IIS's names per period, numbered names per size. Pure: clock and folder are passed in.

Names begin with `u_` because lines are UTF-8 (IIS: `log/@logInUTF8`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from host.config.log_settings import LogFile

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
    prefix: str = "u_ex"
    suffix: str = ""
    size_limit: int = 0

    def name(self, at: float, sizes: Mapping[str, int]) -> str:  # noqa: ARG002 (the size decides nothing here)
        """`u_ex24050217.log`, `u_ex240502.log`, `u_ex240501.log` (first week of May), `u_ex2405.log`."""
        moment = time.localtime(at) if self.is_local and self.period != "Hourly" else time.gmtime(at)
        if self.period == "Weekly":
            date = f"{time.strftime('%y%m', moment)}{week_of_month(moment):02}"
        else:
            date = time.strftime(_PATTERNS[self.period], moment)
        return f"{self.prefix}{date}{self.suffix}.log"


_DATED: Final = {"W3C": "u_ex", "IIS": "u_in", "NCSA": "u_nc"}
_NUMBERED: Final = {"W3C": "u_extend", "IIS": "u_inetsv", "NCSA": "u_ncsa"}
_PATTERNS: Final = {"Hourly": "%y%m%d%H", "Daily": "%y%m%d", "Monthly": "%y%m"}


@dataclass(frozen=True, slots=True)
class NumberedNaming:
    """`<prefix><N><suffix>.log`, N counting up from 1; the next one when `size_limit` bytes are reached."""

    prefix: str
    size_limit: int
    suffix: str = ""

    def name(self, at: float, sizes: Mapping[str, int]) -> str:  # noqa: ARG002 (the time decides nothing here)
        """The last file if there is room in it, else the one after it."""
        pattern = re.compile(re.escape(self.prefix) + r"(\d{1,9})" + re.escape(self.suffix) + r"\.log")
        numbers = {int(match[1]): size for name, size in sizes.items() if (match := pattern.fullmatch(name))}
        if not numbers:
            return f"{self.prefix}1{self.suffix}.log"
        last = max(numbers)
        number = last if numbers[last] < self.size_limit else last + 1
        return f"{self.prefix}{number}{self.suffix}.log"


def week_of_month(moment: time.struct_time) -> int:
    """1 to 6; weeks begin on Sunday (IIS's count in the names of weekly logs)."""
    sunday_based_weekday = (moment.tm_wday + 1) % 7
    weeks, days = divmod(moment.tm_mday - 1, 7)
    return weeks + 1 + (days > sunday_based_weekday)


def site_naming(log_file: LogFile) -> Naming:
    """The naming of `logFile/@period`, with `@truncateSize`, `@localTimeRollover` and `@logFormat`; a log with custom
    fields has `_x` in its name.

    Raises ValueError for a period or format that IIS does not have.
    """
    if log_file.format not in _DATED:
        raise ValueError(f"unknown log format {log_file.format}: {', '.join(_DATED)}")
    suffix = "_x" if log_file.custom_fields else ""
    if log_file.period == "MaxSize":
        return NumberedNaming(_NUMBERED[log_file.format], log_file.truncate_size, suffix)
    if log_file.period not in {*_PATTERNS, "Weekly"}:
        raise ValueError(f"unknown log period {log_file.period}: MaxSize, Hourly, Daily, Weekly or Monthly")
    return DatedNaming(log_file.period, log_file.local_time_rollover, _DATED[log_file.format], suffix)


def httperr_naming() -> Naming:
    """`httperr1.log` and counting, one megabyte each."""
    return NumberedNaming("httperr", HTTPERR_LIMIT)
