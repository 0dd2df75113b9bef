"""What the listener's process may be and write, by the configuration: whom it runs as, and the folders of its logs."""

from __future__ import annotations

import os
from dataclasses import dataclass

from host.config.confinement import Identity
from host.config.log_settings import LogFile
from host.config.model import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerConfinement:
    """What the process takes on when it starts and can never give back: a change that it does not cover needs another
    one. `log_roots` are the folders in which it may make and write files, with all below."""

    identity: Identity
    log_roots: tuple[str, ...] = ()

    def covers(self, other: ListenerConfinement) -> bool:
        """Whether a process that has taken this on can serve a configuration that wants the other."""
        return self.identity == other.identity and set(other.log_roots) <= set(self.log_roots)


def listener_confinement(snapshot: Snapshot) -> ListenerConfinement:
    """The listener's, in worker process isolation mode; inetinfo has none."""
    directories = [site.log_file.directory for site in snapshot.sites if site.log_file.enabled]
    roots = [httperr_folder(snapshot.log_directory), *(os.path.abspath(one) for one in directories)]
    return ListenerConfinement(identity=snapshot.listener.identity, log_roots=tuple(sorted(set(roots))))


def log_folders(snapshot: Snapshot) -> list[str]:
    """Every folder in which the front makes log files: HTTPERR, then one of each site that has a log, or of all."""
    folders = [httperr_folder(snapshot.log_directory)]
    for site in snapshot.sites:
        if site.log_file.enabled:
            folders.append(site_log_folder(site.log_file, site.id))
    return list(dict.fromkeys(folders))


def httperr_folder(log_directory: str) -> str:
    """Where HTTPERR's files lie."""
    return os.path.join(os.path.abspath(log_directory), "HTTPERR")


def site_log_folder(log_file: LogFile, site_id: int) -> str:
    """Where a site's log lies, below `logFile/@directory` (or the central log's)."""
    name = "W3SVC" if log_file.is_central else f"W3SVC{site_id}"
    return os.path.join(os.path.abspath(log_file.directory), name)
