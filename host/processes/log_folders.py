"""Hands the folders of the logs to a listener that is another user than the service, and could not make them."""

from __future__ import annotations

import os
from collections.abc import Callable

from host.activation.children import EventReporter
from host.config.listener_confinement import log_folders
from host.config.model import Snapshot
from host.confinement.errors import ConfinementError
from host.confinement.listener import listener_account
from host.confinement.log_folders import open_log_folder
from host.wire.handed_messages import LogFolder


class LogFolders:
    """Those of the configuration in force, which `snapshot()` gives."""

    def __init__(self, snapshot: Callable[[], Snapshot], report: EventReporter) -> None:
        self._snapshot = snapshot
        self._report = report

    def hand_over(self, say: Callable[[LogFolder, int], None], told: set[str]) -> None:
        """Say each folder that is not among `told`, with its descriptor, and add it there. A folder that cannot be had
        is reported; the listener will try it by its path. A service that is not root has made none for others."""
        if os.geteuid() != 0:
            return
        snapshot = self._snapshot()
        try:
            user = listener_account(snapshot.listener.identity).user
        except ConfinementError:
            return  # its process has told it, and ended
        for path in log_folders(snapshot):
            if path not in told:
                self._hand(path, user, say)
                told.add(path)

    def _hand(self, path: str, user: int, say: Callable[[LogFolder, int], None]) -> None:
        try:
            descriptor = open_log_folder(path, user)
        except ConfinementError as error:
            self._report("log-failed", str(error), {})
            return
        try:
            say(LogFolder(path=path), descriptor)
        finally:
            os.close(descriptor)
