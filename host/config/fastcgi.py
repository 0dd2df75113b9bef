"""`fastCgi/application` as a frozen value. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from host.config.inheritance import Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class FastCgiApplication:
    """One application: a program, or the address of a server, and the rules for its processes."""

    full_path: str
    arguments: str = ""
    max_instances: int = 0  # 0: automatic
    instance_max_requests: int = 200
    queue_length: int = 1000
    idle_timeout_seconds: int = 300
    activity_timeout_seconds: int = 70
    request_timeout_seconds: int = 90
    protocol: str = "NamedPipe"  # or Tcp
    rapid_fails_per_minute: int = 10  # 0: no limit
    monitor_changes_to: str = ""
    stderr_mode: str = "ReturnStdErrIn500"  # ReturnGeneric500, IgnoreAndReturn200, TerminateProcess
    signal_before_terminate_seconds: int = 0
    environment_variables: tuple[tuple[str, str], ...] = ()


def build_fastcgi(section: Effective) -> tuple[FastCgiApplication, ...]:
    """Every application of the section."""
    return tuple(_application(entry.effective) for entry in section.entries)


def _application(entry: Effective) -> FastCgiApplication:
    return FastCgiApplication(
        full_path=entry.text("fullPath"),
        arguments=entry.text("arguments"),
        max_instances=entry.number("maxInstances"),
        instance_max_requests=entry.number("instanceMaxRequests"),
        queue_length=entry.number("queueLength"),
        idle_timeout_seconds=entry.number("idleTimeout"),
        activity_timeout_seconds=entry.number("activityTimeout"),
        request_timeout_seconds=entry.number("requestTimeout"),
        protocol=entry.text("protocol"),
        rapid_fails_per_minute=entry.number("rapidFailsPerMinute"),
        monitor_changes_to=entry.text("monitorChangesTo"),
        stderr_mode=entry.text("stderrMode"),
        signal_before_terminate_seconds=entry.number("signalBeforeTerminateSeconds"),
        environment_variables=tuple(
            (variable.effective.text("name"), variable.effective.text("value"))
            for variable in entry.child("environmentVariables").entries
        ),
    )
