"""The logs of the front: one for each site or one for all, and HTTPERR. The only code that writes them.

`request` and `refusal` collect; the owner calls `flush` every 10 to 50 ms (`has_lines` says whether it is worth it).
Requests are formatted in batches: no answer waits for its line, and what runs many times in a row is quicker. Nothing
here raises: what cannot be written is reported as `rolling_file.py` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.config.log_settings import LogFile
from host.logs import httperr
from host.logs.line_formats import line_format
from host.logs.record import RecordParts, RefusalRecord
from host.logs.rolling_file import RollingFile
from host.logs.rollover import httperr_naming, site_naming
from host.logs.w3c import FormatLine, within_bytes

_CENTRAL: Final = 0  # instead of a site's id (they begin with 1): the log of all sites
_LONGEST_CHARACTER: Final = 4  # bytes, in UTF-8
_BATCH: Final = 128  # records that wait at most: formatting them takes a small part of a millisecond


class _SiteLog:
    """A site's log as its LogFile wants it."""

    __slots__ = ("file", "format_line", "log_file", "max_length", "records")

    def __init__(self, log_file: LogFile, file: RollingFile, format_line: FormatLine) -> None:
        self.log_file = log_file
        self.file = file
        self.format_line = format_line
        self.max_length = log_file.max_line_length
        self.records: list[RecordParts] = []  # not formatted yet

    def format_records(self) -> None:
        """Turn what was collected into lines of the file."""
        records = self.records
        format_line, max_length = self.format_line, self.max_length
        lines = [format_line(record) for record in records]
        if max(map(len, lines), default=0) * _LONGEST_CHARACTER > max_length:
            lines = [within_bytes(line[:-1], max_length - 1) + "\n" for line in lines]
        self.file.extend(lines, [record[0] for record in records])
        records.clear()


class LogWriter:
    """Writes the site logs and HTTPERR.

    `directory`: the folder in which HTTPERR's folder is made. `clock`: seconds since the epoch. `report`: called with
    one sentence when a log cannot be written, and again when it can. `computer_name`: what s-computername shows.
    """

    def __init__(
        self,
        directory: str,
        clock: Callable[[], float] = time.time,
        *,
        report: Callable[[str], None],
        computer_name: str = "",
    ) -> None:
        self._clock = clock
        self._report = report
        self._computer_name = computer_name
        self._sites: dict[int, _SiteLog] = {}  # by id; with one log of all sites each has the same
        self._open: dict[int, _SiteLog] = {}  # each log once
        self._collecting: list[_SiteLog] = []  # those with records
        self._waiting: list[RollingFile] = []  # those with lines
        self._refusals = RollingFile(str(Path(directory, "HTTPERR")), httperr_naming(), httperr.header_block, report)

    @property
    def has_lines(self) -> bool:
        """Whether a flush has something to write."""
        return bool(self._collecting or self._waiting)

    def request(self, record: RecordParts, log_file: LogFile) -> None:
        """Note a request (a RequestRecord or its parts) in its site's log (`log_file` is the site's, as configured when
        the request came)."""
        if not log_file.enabled:
            return
        site_id = record[1]
        site = self._sites.get(site_id)
        if site is None or site.log_file is not log_file:
            site = self._open_site(site_id, log_file)
        records = site.records
        if not records:
            self._collecting.append(site)
        records.append(record)
        if len(records) >= _BATCH:
            self._format_collected()

    def refusal(self, record: RefusalRecord) -> None:
        """Note a refusal or a broken connection in HTTPERR."""
        if not self._refusals.lines:
            self._note_waiting(self._refusals)
        self._refusals.append(httperr.format_refusal(record), record.at)

    def flush(self) -> None:
        """Write what has been collected since the last call."""
        now = self._clock()
        self._format_collected()
        for file in self._waiting:
            file.flush(now)
        self._waiting = [file for file in self._waiting if file.has_lines]

    def close(self) -> None:
        """Write what has been collected and close every file."""
        now = self._clock()
        self._format_collected()
        for file in (*(site.file for site in self._open.values()), self._refusals):
            file.close(now)
        self._waiting.clear()
        self._sites.clear()
        self._open.clear()

    def _format_collected(self) -> None:
        for site in self._collecting:
            site.format_records()
            self._note_waiting(site.file)
        self._collecting.clear()

    def _note_waiting(self, file: RollingFile) -> None:
        if file not in self._waiting:
            self._waiting.append(file)

    def _open_site(self, site_id: int, log_file: LogFile) -> _SiteLog:
        """The site's log is new or its settings have changed; equal settings go on in the same file."""
        key = _CENTRAL if log_file.is_central else site_id
        old, log = self._sites.get(site_id), self._open.get(key)
        if log is not None and log.log_file == log_file:
            log.log_file = log_file
        else:
            if log is not None:
                self._close(log)
            log = self._open[key] = self._new_log(log_file, "W3SVC" if log_file.is_central else f"W3SVC{site_id}")
        self._sites[site_id] = log
        if old is not None and old not in self._sites.values() and old in self._open.values():
            self._close(old)
            self._open = {key: one for key, one in self._open.items() if one is not old}
        return log

    def _close(self, log: _SiteLog) -> None:
        """Write what this log has and let go of its file; no site goes on with it."""
        self._format_collected()
        log.file.close(self._clock())
        self._waiting = [file for file in self._waiting if file is not log.file]
        self._sites = {site_id: one for site_id, one in self._sites.items() if one is not log}

    def _new_log(self, log_file: LogFile, folder: str) -> _SiteLog:
        lines = line_format(log_file, self._computer_name)
        path = str(Path(log_file.directory, folder))
        return _SiteLog(log_file, RollingFile(path, site_naming(log_file), lines.header, self._report), lines.line)
