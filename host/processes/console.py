"""What the operator sees who started isapy in a terminal: where to look, which processes run, what goes wrong."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, TextIO

from host.activation.topology import Topology
from host.config.model import Binding, IsolationMode, Site, Snapshot
from host.logs.event_lines import parse_line
from host.processes.request_lines import RequestFollower, RequestLines, has_colours, printable

_SHOWN_LEVELS: Final = (" warning ", " error ")
_SCRIPT_ERRORS: Final = re.compile(r"\S+ information (?:6042 cgi-stderr|6144 fastcgi-stderr) ")
_SHOWN_FOLDERS: Final = 3
_LINE_HEAD: Final = 50  # moment, level, number and name of an event


class Console:
    """Lines on a stream. `quiet` keeps all but errors; `shows_scripts` adds a line for each request that is answered,
    and what scripts write to standard error: `requests` makes those."""

    def __init__(self, stream: TextIO, *, quiet: bool, shows_scripts: bool = False) -> None:
        self._stream = stream
        self._quiet = quiet
        colours = has_colours(os.environ, is_terminal=stream.isatty())
        self.requests = RequestLines(self._say, has_colours=colours) if shows_scripts else None
        self._follower: RequestFollower | None = None

    def error(self, text: str) -> None:
        """Something that keeps isapy from starting."""
        self._say(f"isapy: {text}")

    def event(self, line: str) -> None:
        """A line of the event log: warnings, errors and what was asked for are shown, the rest is in the file."""
        head = line[:_LINE_HEAD]
        if any(words in head for words in _SHOWN_LEVELS):
            self._say(_for_people(line) if self._stream.isatty() else line)
        elif self.requests is not None and _SCRIPT_ERRORS.match(line) and (event := parse_line(line)) is not None:
            self.requests.script_said(event.text, time.monotonic())

    def banner(self, snapshot: Snapshot, urls: Sequence[str], topology: Topology, path: str, nursery: int) -> None:
        """A few lines: addresses (`urls`, of the sites that are started), processes, files, how to end it. `nursery` is
        the process id of the nursery, 0 when there is none."""
        if self._quiet:
            return
        self._say("isapy is running. Open:")
        for url in urls:
            self._say(f"    {url}")
        self._say(f"Isolation: {_MODES[snapshot.isolation_mode]} (switch it in the configuration, or with --isolation)")
        self._say("Processes:")
        for title, pid in (*processes(topology), *([("nursery", nursery)] if nursery else [])):
            self._say(f"    {pid:>7}  isapy: {title}")
        for dllhost in topology.dllhosts.values():
            self._say(f"          -  isapy: {dllhost.slot.title} (starts with its first request)")
        if topology.pools:
            self._say("          -  isapy: worker ... (each pool's workers start with its first request)")
        self._say(f"Configuration: {path}")
        self._say(f"Logs: {_logs(snapshot)}")
        isapy = own_command(sys.executable, os.environ.get("PATH", os.defpath))
        self._say(f"Ctrl-C ends all of them; from another terminal: {isapy} list workers, {isapy} stop")

    async def follow_requests(self, sites: Sequence[Site]) -> None:
        """Show the requests of these sites until cancelled, where requests are shown."""
        if self.requests is not None:
            self._follower = RequestFollower(sites, self.requests)
            await self._follower.follow()

    def has_stopped(self) -> None:
        """Whoever answered has ended: the last requests are shown."""
        if self._follower is not None:
            self._follower.finish()

    def still_stopping(self) -> None:
        """Stopping takes longer than a second."""
        if not self._quiet:
            self._say("isapy finishes the requests in hand; Ctrl-C again ends them at once")

    def _say(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except OSError:  # the terminal is gone; the event log has it all
            self._quiet = True


def own_command(python: str, path: str) -> str:
    """What to type for this isapy in a shell that looks for programs in `path`: its file, where it is not found there
    (an environment that nobody has activated)."""
    own = os.path.join(os.path.dirname(python), "isapy")
    found = shutil.which("isapy", path=path)
    if not os.path.exists(own) or (found is not None and os.path.samefile(found, own)):
        return "isapy"
    folder = os.environ.get("PWD", "/")
    return shlex.quote(os.path.relpath(own, folder) if own.startswith(folder.rstrip("/") + "/") else own)


def _logs(snapshot: Snapshot) -> str:
    """Where the logs lie: the sites', which may be in several folders, and that of everything else."""
    folders = sorted({site.log_file.directory for site in snapshot.sites if site.log_file.enabled})
    more = f" and {len(folders) - _SHOWN_FOLDERS} more" if len(folders) > _SHOWN_FOLDERS else ""
    requests = f"{', '.join(folders[:_SHOWN_FOLDERS])}{more} (requests); " if folders else ""
    return f"{requests}{snapshot.log_directory} (events, HTTPERR)"


def _for_people(line: str) -> str:
    """An event whose text has several lines (a traceback) as such, further ones indented."""
    event = parse_line(line)
    if event is None or "\n" not in event.text:
        return line
    first, *more = event.text.splitlines()
    return "\n    ".join([replace(event, text=first).line, *map(printable, more)])


_MODES: Final = {
    IsolationMode.WORKER_PROCESS: "worker process isolation, as in IIS 6",
    IsolationMode.IIS5: "IIS 5 isolation",
}


def processes(topology: Topology) -> list[tuple[str, int]]:
    """Title and process id of what runs, the service first."""
    found = [("service", os.getpid()), *((each.slot.title, each.pid) for each in topology.front.fronts)]
    for pool in topology.pools.values():
        found.append((pool.slot.title, pool.parent_pid))
        found += [(f"worker {worker.name}", worker.pid) for worker in pool.workers.values()]
    found += [(dllhost.slot.title, dllhost.pid) for dllhost in topology.dllhosts.values() if dllhost.pid]
    return found


def site_urls(site: Site) -> list[str]:
    """One address to open per binding."""
    return [_url(binding) for binding in site.bindings]


def _url(binding: Binding) -> str:
    if binding.path:
        return binding.endpoint
    host = binding.host if binding.host and not binding.host.startswith("*") else binding.ip
    if host in ("", "*", "0.0.0.0"):
        host = "localhost"
    default_port = {"http": 80, "https": 443}.get(binding.protocol)
    port = "" if binding.port == default_port else f":{binding.port}"
    return f"{binding.protocol}://{host}{port}/"
