"""The processes that plugins of this worker keep for requests, told when somebody asks (`isapy list fastcgi`)."""

from __future__ import annotations

from dataclasses import asdict

from host.api.plugins import ProcessSource
from host.wire.message_rows import HostedProcessRow
from host.worker.plugins import ReportEvent


class HostedProcesses:
    """Asks each plugin that has said that it keeps some."""

    def __init__(self, report_event: ReportEvent) -> None:
        self._report_event = report_event
        self._sources: list[tuple[str, ProcessSource]] = []

    def show(self, plugin: str, source: ProcessSource) -> None:
        """`source` gives the rows of that plugin from now on. To be called on the loop."""
        self._sources.append((plugin, source))

    def rows(self) -> list[HostedProcessRow]:
        """Those of all plugins; one whose source fails, or gives no rows, is an event and keeps no other from being
        listed."""
        found: list[HostedProcessRow] = []
        for plugin, source in self._sources:
            try:
                found += [HostedProcessRow(**asdict(process)) for process in source()]
            except Exception as error:  # the boundary: a plugin's failure must not keep the administrator waiting
                text = f"{plugin} cannot list its processes: {type(error).__name__}: {error}"
                self._report_event("plugin-error", text, {"plugin": plugin})
        return found
