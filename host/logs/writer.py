"""The logs of the front: one for each site or one for all, and HTTPERR. The only code that writes them.

`request` and `refusal` collect; the owner calls `flush` every 10 to 50 ms (`has_lines` says whether it is worth it).
Requests are formatted in batches: no answer waits for its line, and what runs many times in a row is quicker. Nothing
here raises: what cannot be written is reported as `rolling_file.py` says. Files are touched by `appending.py` alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from host.config.listener_confinement import httperr_folder, site_log_folder
from host.config.log_settings import LogFile
from host.logs import httperr
from host.logs.appending import Appender, Appending, Batch
from host.logs.handed_folders import HandedFolders
from host.logs.line_formats import line_format
from host.logs.record import RecordParts, RefusalRecord
from host.logs.rolling_file import RollingFile
from host.logs.rollover import httperr_naming, site_naming
from host.logs.shared_file import SharedFile
from host.logs.w3c import FormatLine, within_bytes
from host.logs.waiting import LEAST_BYTES, WaitingLines

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

    def take_batch(self, *, is_last: bool = False) -> Batch:
        """What was collected, as lines for the file."""
        records, self.records = self.records, []
        format_line, max_length = self.format_line, self.max_length
        lines = [format_line(record) for record in records]
        if max(map(len, lines), default=0) * _LONGEST_CHARACTER > max_length:
            lines = [within_bytes(line[:-1], max_length - 1) + "\n" for line in lines]
        return Batch(self.file, lines, [record[0] for record in records], is_last)


class LogWriter:
    """Writes the site logs and HTTPERR.

    `directory`: the folder in which HTTPERR's folder is made. `clock`: seconds since the epoch. `report`: called with
    one sentence when a log cannot be written, and again when it can. `computer_name`: what s-computername shows.
    `appending` writes the lines: at once unless told otherwise.
    `handed`: folders that are reached by a descriptor. `is_shared`: other processes write the same logs. `room`: bytes
    of lines that may wait while earlier ones are being written (`waiting.room_for_lines`).
    """

    def __init__(
        self,
        directory: str,
        clock: Callable[[], float] = time.time,
        *,
        report: Callable[[str], None],
        computer_name: str = "",
        appending: Appending | None = None,
        handed: HandedFolders | None = None,
        is_shared: bool = False,
        room: int = LEAST_BYTES,
    ) -> None:
        self._clock = clock
        self._report = report
        self._computer_name = computer_name
        self._handed = handed
        self._file = SharedFile if is_shared else RollingFile
        self._sites: dict[int, _SiteLog] = {}  # by id; with one log of all sites each has the same
        self._open: dict[int, _SiteLog] = {}  # each log once
        self._collecting: list[_SiteLog] = []  # those with records
        self._waiting = WaitingLines(room)
        self._appending = appending or Appender()
        file = self._file(httperr_folder(directory), httperr_naming(), httperr.header_block, report, handed)
        self._refusals = Batch(file, [], [])

    @property
    def has_lines(self) -> bool:
        """Whether a flush has something to write."""
        return bool(self._collecting or self._waiting or self._refusals.lines or self._appending.has_waiting)

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
        self._refusals.lines.append(httperr.format_refusal(record))
        self._refusals.times.append(record.at)

    def flush(self) -> None:
        """Have written what has been collected since the last call. While an earlier batch is still being written, the
        lines wait, as many as there is room for."""
        self._format_collected()
        if self._appending.is_busy:
            had_lost = self._waiting.lost
            if self._waiting.bound() and not had_lost:
                self._report("the logs' disk takes its time: lines are lost until it has caught up")
            return
        batches, lost = self._waiting.take()
        self._appending.write(batches, self._clock())
        if lost:
            self._report(f"the logs are written again; {lost} lines were lost while their disk took its time")

    def close(self) -> None:
        """Write what has been collected and close every file."""
        self._format_collected()
        batches, _ = self._waiting.take()
        files = [site.file for site in self._open.values()] + [self._refusals.file]
        self._appending.close([*batches, *(Batch(file, [], [], is_last=True) for file in files)], self._clock())
        self._sites.clear()
        self._open.clear()

    def _format_collected(self) -> None:
        self._waiting.add([site.take_batch() for site in self._collecting])
        self._collecting.clear()
        if self._refusals.lines:
            self._waiting.add([self._refusals])
            self._refusals = Batch(self._refusals.file, [], [])

    def _open_site(self, site_id: int, log_file: LogFile) -> _SiteLog:
        """The site's log is new or its settings have changed; equal settings go on in the same file."""
        key = _CENTRAL if log_file.is_central else site_id
        old, log = self._sites.get(site_id), self._open.get(key)
        if log is not None and log.log_file == log_file:
            log.log_file = log_file
        else:
            if log is not None:
                self._close(log)
            log = self._open[key] = self._new_log(log_file, site_log_folder(log_file, site_id))
        self._sites[site_id] = log
        if old is not None and old not in self._sites.values() and old in self._open.values():
            self._close(old)
            self._open = {key: one for key, one in self._open.items() if one is not old}
        return log

    def _close(self, log: _SiteLog) -> None:
        """Write what this log has and let go of its file; no site goes on with it."""
        self._format_collected()
        self._waiting.add([log.take_batch(is_last=True)])
        self._sites = {site_id: one for site_id, one in self._sites.items() if one is not log}

    def _new_log(self, log_file: LogFile, folder: str) -> _SiteLog:
        lines = line_format(log_file, self._computer_name)
        file = self._file(folder, site_naming(log_file), lines.header, self._report, self._handed)
        return _SiteLog(log_file, file, lines.line)
