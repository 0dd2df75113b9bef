"""What the configuration says of an application, as far as it is read here (`fastCgi/application`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class ApplicationSettings(Protocol):
    """One entry of `fastCgi`; times are seconds. Two that are equal are the same application."""

    @property
    def full_path(self) -> str:
        """The program, or the address of a server."""

    @property
    def arguments(self) -> str:
        """The program's arguments, as a shell would split them."""

    @property
    def max_instances(self) -> int:
        """Processes at most; 0: automatic."""

    @property
    def instance_max_requests(self) -> int:
        """Requests of one process."""

    @property
    def queue_length(self) -> int:
        """Requests that wait."""

    @property
    def idle_timeout_seconds(self) -> int:
        """A process with nothing to do for so long is ended."""

    @property
    def activity_timeout_seconds(self) -> int:
        """A process that says nothing for so long is ended."""

    @property
    def request_timeout_seconds(self) -> int:
        """A process whose request takes so long is ended."""

    @property
    def protocol(self) -> str:
        """NamedPipe or Tcp."""

    @property
    def rapid_fails_per_minute(self) -> int:
        """Failures that are borne; 0: any number."""

    @property
    def monitor_changes_to(self) -> str:
        """A file, or empty."""

    @property
    def stderr_mode(self) -> str:
        """ReturnStdErrIn500, ReturnGeneric500, IgnoreAndReturn200 or TerminateProcess."""

    @property
    def signal_before_terminate_seconds(self) -> int:
        """From SIGTERM to SIGKILL; 0: as for every program."""

    @property
    def environment_variables(self) -> tuple[tuple[str, str], ...]:
        """Names and values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Of a server that a handler names and no entry of fastCgi: IIS's defaults. `full_path` is its address."""

    full_path: str
    arguments: str = ""
    max_instances: int = 0
    instance_max_requests: int = 200
    queue_length: int = 1000
    idle_timeout_seconds: int = 300
    activity_timeout_seconds: int = 70
    request_timeout_seconds: int = 90
    protocol: str = "NamedPipe"
    rapid_fails_per_minute: int = 10
    monitor_changes_to: str = ""
    stderr_mode: str = "ReturnStdErrIn500"
    signal_before_terminate_seconds: int = 0
    environment_variables: tuple[tuple[str, str], ...] = ()
