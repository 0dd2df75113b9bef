"""A contestant while it runs: generated files, its processes, readiness, and an end that leaves nothing behind."""

from __future__ import annotations

import http.client
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.memory import RoleOf, processes_of
from bench.packages import SEARCH_PATH
from bench.ports import free_port
from bench.site import MeasuredSite

READY_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0
_KILL_SECONDS: Final = 5.0
_SHOWN_LINES: Final = 5
_PEER_USER: Final = "www-data"


class NotReady(Exception):
    """A contestant did not start; the message says why and where its output is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a contestant runs: a folder of its own, the site to serve, the port to listen on (127.0.0.1)."""

    folder: Path
    site: MeasuredSite
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to write into the contestant's folder and which programs to start (in the foreground, in order)."""

    commands: tuple[tuple[str, ...], ...]
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    working_folder: Path | None = None  # None: the contestant's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A server in one configuration. `paths` maps each scenario it takes part in to the URL path that answers it."""

    name: str
    paths: Mapping[str, str]
    plan: Callable[[Place], Plan]
    role_of: RoleOf
    packages: tuple[str, ...] = ()


def take_sigterm_for_interrupt() -> None:
    """Let SIGTERM (of `timeout`, say) end this process as Ctrl-C does: servers that run are stopped on the way out."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def peer_user() -> str:
    """The user to whom a server that was started by root drops; empty when this is not root."""
    if os.getuid() != 0:
        return ""
    try:
        return pwd.getpwnam(_PEER_USER).pw_name
    except KeyError:
        return "nobody"


class Server:
    """A started contestant. Use `start`, then `stop` in any case."""

    def __init__(self, contestant: Contestant, folder: Path, site: MeasuredSite) -> None:
        self.contestant = contestant
        self.place = Place(folder, site, free_port())
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def name(self) -> str:
        return self.contestant.name

    @property
    def port(self) -> int:
        return self.place.port

    @property
    def roots(self) -> list[int]:
        """Process ids of the programs that were started here."""
        return [process.pid for process in self._started]

    def start(self, ready_path: str, *, patience: float = READY_SECONDS) -> None:
        """Start it and wait until `ready_path` answers 200, `patience` seconds at most. Raises NotReady."""
        plan = self._write_files()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {"PATH": SEARCH_PATH, **plan.environment}
        with (self.place.folder / "output.txt").open("ab") as output:
            for command in plan.commands:
                self._started.append(
                    subprocess.Popen(
                        command,
                        cwd=plan.working_folder or self.place.folder,
                        env=environment,
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                )
        self._wait_until_ready(ready_path, patience)

    def get(self, path: str, *, timeout: float = 10.0) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own. Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read(1 << 16)
        finally:
            connection.close()

    def stop(self, *, patience: float = _STOP_SECONDS) -> None:
        """End every process of its tree: by asking, after `patience` seconds by SIGKILL, each by its process id."""
        tree = processes_of(self.roots)
        for process in self._started:
            if process.poll() is None:
                process.terminate()
        psutil.wait_procs(tree, timeout=patience)
        survivors = [process for process in tree if process.is_running()]
        for survivor in survivors:
            try:
                survivor.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(survivors, timeout=_KILL_SECONDS)
        for process in self._started:
            process.wait(_KILL_SECONDS)
        self._started.clear()

    def _write_files(self) -> Plan:
        folder = self.place.folder
        folder.mkdir(parents=True)
        plan = self.contestant.plan(self.place)
        for name, text in plan.files.items():
            (folder / name).write_text(text)
        if user := peer_user():
            shutil.chown(folder, user)
        return plan

    def _wait_until_ready(self, path: str, patience: float) -> None:
        end = time.monotonic() + patience
        problem = "nothing listens"
        while time.monotonic() < end:
            for process in self._started:
                if process.poll() is not None:
                    raise NotReady(f"{process.args!r} ended with {process.returncode}{self._last_output()}")
            try:
                status, _ = self.get(path, timeout=5.0)
                if status == 200:
                    return
                problem = f"{path} answers {status}"
            except (OSError, http.client.HTTPException) as error:
                problem = f"{path}: {error}"
            time.sleep(0.02)
        raise NotReady(f"not ready after {patience:.1f} s: {problem}{self._last_output()}")

    def _last_output(self) -> str:
        lines = (self.place.folder / "output.txt").read_text(errors="replace").split("\n")
        last = [line for line in lines if line.strip()][-_SHOWN_LINES:]
        return "; its output ends:\n    " + "\n    ".join(last) if last else ""
