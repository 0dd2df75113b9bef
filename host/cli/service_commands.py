"""The commands that a running service answers: list, status, start, stop, recycle."""

from __future__ import annotations

import os
import select
import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from host.admin.client import ControlError, ServiceNotRunning, call
from host.admin.commands import (
    Command,
    GetStatus,
    ListPlugins,
    ListPools,
    ListRequests,
    ListSites,
    ListWorkers,
    RecyclePool,
    Reply,
    Requests,
    StartPool,
    StartSite,
    StopPool,
    StopService,
    StopSite,
    UnloadApplication,
    described,
)
from host.admin.fastcgi_messages import ListFastCgi
from host.admin.filter_messages import ListFilters
from host.admin.location import RunningService, control_socket, find_running
from host.admin.script_messages import ListScripts
from host.admin.unix_socket import living_pid
from host.cli.default_configuration import SITE_CONFIGURATION
from host.cli.failures import EXIT_FAILED, EXIT_NOT_RUNNING, EXIT_USAGE, CommandLineError
from host.cli.patience import patience
from host.cli.render import show

POOL_SECONDS: Final = 120.0
"""A pool's workers may take their shutdownTimeLimit (90 seconds unless set otherwise) to end."""

STOP_SECONDS: Final = 150.0
_LOOK_SECONDS: Final = 1.0

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Which service: the one that runs this applicationHost.config. "
        "Not needed while only one service is running.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, for programs; its keys are stable.")]
PoolName = Annotated[str, typer.Argument(metavar="NAME", help="Name of the pool, as in: isapy list pools")]
SiteName = Annotated[str, typer.Argument(metavar="NAME", help="Name or id of the site, as in: isapy list sites")]

list_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
start_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
recycle_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


def service_socket(config: Path | None) -> Path:
    """The control socket of the service that is meant. Raises CommandLineError when that is not clear."""
    if config is not None:
        return control_socket(config)
    running = meant_service()
    if running is None:
        raise CommandLineError("no isapy service is running", "start one with: isapy run", EXIT_NOT_RUNNING)
    return running.socket_path


def meant_service() -> RunningService | None:
    """The one that runs, or of several that of the current folder's configuration, as `isapy run` would take it; None
    when none runs. Raises CommandLineError when it is not clear."""
    running = find_running()
    if len(running) <= 1:
        return running[0] if running else None
    own = [each for each in running if each.socket_path == control_socket(SITE_CONFIGURATION)]
    if own:
        return own[0]
    choices = [
        f"--config {shlex.quote(service.status.config_path)}   (process {service.status.pid})" for service in running
    ]
    raise CommandLineError(f"{len(running)} isapy services are running; say which one is meant:", choices, EXIT_USAGE)


def ask(config: Path | None, command: Command, *, waiting: str, timeout: float = 30.0) -> Reply:
    """The service's answer."""
    path = service_socket(config)
    with patience(waiting) as tell:
        try:
            return call(path, command, timeout, tell)
        except ServiceNotRunning as error:
            if config is None:
                raise
            start = f"start it with: isapy run --config {shlex.quote(str(config))}"
            raise CommandLineError(f"no isapy service runs {config}", start, EXIT_NOT_RUNNING) from error


@list_app.command("sites")
def list_sites(config: Config = None, as_json: AsJson = False) -> None:
    """Sites: their state, bindings and applications.

    A site that is Stopped was stopped by hand, has serverAutoStart="false", or has a binding that another started site
    has already; the state says which. isapy start site NAME starts it.
    """
    show(ask(config, ListSites(), waiting="asking the service for its sites"), as_json=as_json)


@list_app.command("pools")
def list_pools(config: Config = None, as_json: AsJson = False) -> None:
    """Application pools: state, workers, requests that wait.

    WORKERS is how many run and how many may run (maxProcesses); QUEUED is how many requests wait and how many may
    wait (queueLength); FAILURES counts those within rapidFailProtectionInterval. A pool that is Stopped (Disabled) was
    stopped by hand, one that is Stopped (AppOffline) by rapid-fail protection: isapy start pool NAME.
    """
    show(ask(config, ListPools(), waiting="asking the service for its pools"), as_json=as_json)


@list_app.command("workers")
def list_workers(config: Config = None, as_json: AsJson = False) -> None:
    """Worker processes: requests, age, memory, processor time.

    PRIVATE is the memory that the process shares with nobody (recycling/periodicRestart/@privateMemory limits it),
    ADDRESSES its address space (@memory), CPU the processor time it has used. LAST RECYCLE is its pool's. In IIS 5
    isolation mode these are inetinfo and the dllhosts.
    """
    show(ask(config, ListWorkers(), waiting="asking the service for its workers"), as_json=as_json)


@list_app.command("requests")
def list_requests(
    config: Config = None,
    as_json: AsJson = False,
    elapsed: Annotated[
        int, typer.Option("--elapsed", metavar="MS", min=0, help="Only requests that have taken at least so long.")
    ] = 0,
) -> None:
    """Requests under way, the longest first.

    STATE is the stage of the pipeline (before it: ReadEntityBody, while the listener collects a body, and Queued),
    MODULE the plugin at work and for how long. The ID is the one that error pages, events and the variable UNIQUE_ID
    show.

    \b
    Example: what has been hanging for more than five seconds?
        isapy list requests --elapsed 5000
    """
    command = ListRequests(time_elapsed_filter=elapsed)
    show(ask(config, command, waiting="asking the service for its requests"), as_json=as_json)


@list_app.command("plugins")
def list_plugins(config: Config = None, as_json: AsJson = False) -> None:
    """Extensions, filters and modules, and what loading each came to."""
    show(ask(config, ListPlugins(), waiting="asking the service for its plugins"), as_json=as_json)


@list_app.command("filters")
def list_filters(config: Config = None, as_json: AsJson = False) -> None:
    """Filters of each site in the order in which they are called.

    Server-wide ones first, then the site's, each group by priority; on_send_raw_data goes the other way. CACHE says
    whether a filter keeps its site's answers out of the listener's cache.
    """
    show(ask(config, ListFilters(), waiting="asking the service for its filters"), as_json=as_json)


@list_app.command("scripts")
def list_scripts(config: Config = None, as_json: AsJson = False) -> None:
    """CGI scripts that have run since the service started.

    The busiest of each pool stands first. P50, P95 and P99: half, 95 and 99 of a hundred runs took no longer. WARM
    counts the runs that a fork of a started interpreter served. EXITS counts by exit status or signal, ERRORS the
    requests that failed; the id of the last one is that of its error page and of isapy events. A run is counted about a
    second after its program has ended.
    """
    show(ask(config, ListScripts(), waiting="asking the service for its scripts"), as_json=as_json)


@list_app.command("fastcgi")
def list_fastcgi(config: Config = None, as_json: AsJson = False) -> None:
    """Processes of FastCGI applications.

    An application that has none now has a row, too. ENDED counts the application's processes that have ended since the
    worker began, FAILED those that went wrong or could not be started. WAITING is how many requests wait for one and
    how many may (queueLength), MOST how many processes there may be (maxInstances). Of a server that runs by itself
    (php-fpm) the connections are shown.
    """
    show(ask(config, ListFastCgi(), waiting="asking the service for its FastCGI processes"), as_json=as_json)


def status(config: Config = None, as_json: AsJson = False) -> None:
    """Show the running service and its processes."""
    show(ask(config, GetStatus(), waiting="asking the service"), as_json=as_json)


@start_app.command("pool")
def start_pool(name: PoolName, config: Config = None) -> None:
    """Let a stopped pool take requests again.

    Also one that rapid-fail protection has stopped: its failures are forgotten.
    """
    show(ask(config, StartPool(name=name), waiting=f"starting pool {name}", timeout=POOL_SECONDS))


@start_app.command("site")
def start_site(name: SiteName, config: Config = None) -> None:
    """Let a stopped site have its bindings again.

    It is refused while another started site has one of the same bindings. After a restart of the service
    serverAutoStart in the configuration decides again.
    """
    show(ask(config, StartSite(name=name), waiting=f"starting site {name}"))


@recycle_app.command("pool")
def recycle_pool(name: PoolName, config: Config = None) -> None:
    """Replace a pool's workers by new ones; no request is lost.

    The new ones start before the old ones end.
    """
    show(ask(config, RecyclePool(name=name), waiting=f"recycling pool {name}", timeout=POOL_SECONDS))


def unload(
    application: Annotated[
        str,
        typer.Argument(metavar="APP", help="/shop, 1:/shop (site 1), 'Site/shop', or /LM/W3SVC/1/ROOT/shop."),
    ],
    config: Config = None,
) -> None:
    """End the process of an application (IIS 5 isolation mode).

    Its next request starts it again. The requests it has are finished first. A High application has a dllhost of its
    own; all Medium ones share one, and are unloaded together; Low ones run inside inetinfo and cannot be unloaded. In
    worker process isolation mode applications run in their pool's workers: isapy recycle pool NAME.
    """
    command = UnloadApplication(name=application)
    show(ask(config, command, waiting=f"unloading {application}", timeout=POOL_SECONDS))


def stop(
    what: Annotated[
        str | None, typer.Argument(metavar="pool|site", help="What to stop; left out: the whole service.")
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of the pool or site.")] = None,
    config: Config = None,
    wait: Annotated[bool, typer.Option(help="Wait until every process of the service has ended.")] = True,
) -> None:
    """Stop the service, one of its pools, or one of its sites.

    \b
    Examples:
        isapy stop              requests in hand are finished, then every process ends
        isapy stop pool Shop    the pool's workers end, its URLs answer 503 until: isapy start pool Shop
        isapy stop site Shop    the site's bindings are gone until: isapy start site Shop; workers are left alone
    """
    if what is None:
        _stop_service(config, wait)
        return
    if what not in ("pool", "site") or name is None:
        raise CommandLineError("stop what?", ["isapy stop", "isapy stop pool NAME", "isapy stop site NAME"], EXIT_USAGE)
    command = StopPool(name=name) if what == "pool" else StopSite(name=name)
    show(ask(config, command, waiting=f"stopping {what} {name}", timeout=POOL_SECONDS))


def _stop_service(config: Path | None, wait: bool) -> None:
    path = service_socket(config)
    pid = living_pid(path)
    handle = os.pidfd_open(pid) if pid and wait else None
    try:
        show(ask(config, StopService(), waiting="stopping the service"))
        if handle is not None:
            with patience("waiting for the requests in hand") as tell:
                ended = wait_for_end(handle, path, tell)
            if not ended:
                raise CommandLineError(
                    f"process {pid} has not ended within {STOP_SECONDS:g} seconds", f"kill {pid}", EXIT_FAILED
                )
    finally:
        if handle is not None:
            os.close(handle)


def wait_for_end(handle: int, path: Path, tell: Callable[[str], None]) -> bool:
    """Whether the process has ended in time; once a second it is asked which requests it still has."""
    end = time.monotonic() + STOP_SECONDS
    while (left := end - time.monotonic()) > 0:
        if select.select([handle], [], [], min(left, _LOOK_SECONDS))[0]:
            return True
        with suppress(ControlError):  # it is about to end
            reply = call(path, ListRequests(), _LOOK_SECONDS)
            if isinstance(reply, Requests) and reply.rows:
                tell(f"waiting for {described(reply.rows)}")
    return False
