"""`isapy: dllhost ...`: a worker of IIS 5 isolation mode. Handlers of Medium or High applications, no filters."""

from __future__ import annotations

import os
import socket

from host.config.store import ServerConfiguration, Source
from host.isolation.selection import model_for
from host.processes.control_channel import ControlChannel
from host.processes.deathwatch import ORPHAN_SECONDS, Deathwatch
from host.processes.preload import forget_unwanted_plugins
from host.processes.start_failure import starting
from host.processes.worker import WorkerProcess, WorkerSeat
from host.wire.control_messages import Configure, Hello
from host.wire.frames import PROTOCOL_VERSION
from host.worker.plugin_code import PluginCode


def run_dllhost(
    control: socket.socket,
    slot_name: str,
    title: str,
    applications: tuple[str, ...],
    plugin_code: PluginCode | None = None,
) -> None:
    """The process's life. It is started by a request, so it loads as little as its applications need; `plugin_code` is
    what the nursery has prepared."""
    deathwatch = Deathwatch(control, ORPHAN_SECONDS)
    channel = ControlChannel(control)
    channel.send(Hello(role="dllhost", pid=os.getpid(), protocol=PROTOCOL_VERSION))
    configure = channel.wait_for(Configure)
    source = Source(configure.path, configure.text, configure.isolation, configure.port)
    with starting(channel):
        configuration = ServerConfiguration(source, configure.version)
        forget_unwanted_plugins(configuration.snapshot)
    deathwatch.seconds = float(configuration.snapshot.longest_shutdown_seconds)
    seat = WorkerSeat(
        title=title,
        pool_name=slot_name,
        number=1,
        applications=applications,
        model=model_for(configuration.snapshot.isolation_mode),
        runs_filters=False,
        handler_slot=slot_name,
        shutdown_seconds=deathwatch.seconds,
        max_concurrent_requests=configuration.snapshot.max_concurrent_requests,
        plugin_code=plugin_code or PluginCode(),
    )
    WorkerProcess(channel, None, configuration, seat).run()
