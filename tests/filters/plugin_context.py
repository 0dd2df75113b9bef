"""Builds the `PluginContext` that `load` receives, and keeps what the plugin reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from host.api import PluginContext, Program, ResourceLimits, StartedProgram, WarmStart


class NoPrograms:
    """The launcher of a worker whose pool runs no programs: filters start none."""

    async def launch(
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        stdin: int,
        stdout: int,
        stderr: int,
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
    ) -> Program:
        raise OSError(1, f"no program may run here: {argv!r}")

    def start(
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        descriptors: tuple[int, int, int],
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
        told: Callable[[], None] | None = None,
    ) -> StartedProgram:
        raise OSError(1, f"no program may run here: {argv!r}")


def make_context(log: list[tuple[str, str]]) -> PluginContext:
    """A worker's context; `log` collects what goes to the event log."""
    return PluginContext(
        plugin_name="filter",
        pool_name="DefaultAppPool",
        worker_number=1,
        isolation_mode="WorkerProcess",
        launcher=NoPrograms(),
        report_event=lambda event, text: log.append((event, text)),
        report_unhealthy=lambda reason: log.append(("unhealthy", reason)),
    )
