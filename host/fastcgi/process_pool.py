"""The processes of one application in one worker: started on demand up to maxInstances, lent to one request at a time,
replaced when they are worn out, and the line of requests that wait for one.

A place (one of maxInstances) is free again when its process has ended, not when it is told to: there are never more.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from host.api import HostedProcess, HttpError, ProgramLauncher
from host.fastcgi import failures
from host.fastcgi.exchange import FastCgiExchange
from host.fastcgi.instance import Instance, Launch
from host.fastcgi.policy import (
    RapidFails,
    UploadPlaces,
    died_of_itself,
    is_idle_for_too_long,
    most_instances,
    must_be_replaced,
)
from host.fastcgi.roles import Waiter
from host.fastcgi.settings import ApplicationSettings
from host.gateway.cgi_failures import describe_exit
from host.gateway.server_address import ServerAddress, is_address, parse_address
from host.programs.reachability import Reachability

EXIT_SECONDS: Final = 1.0
"""The exit status of a process whose socket is closed follows at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """What the pools of a worker share. `spawn` does work beside everything else."""

    launcher: ProgramLauncher
    report_event: Callable[[str, str], None]
    spawn: Callable[[Coroutine[Any, Any, None]], object]
    inherited: Mapping[bytes, bytes]


class ProcessPool:
    """The owner of an application's instances (`exchange.Owner`)."""

    def __init__(self, parts: WorkerParts, settings: ApplicationSettings, environment: Mapping[str, str]) -> None:
        """`environment` are the variables of the application pool. Raises HttpError 500.19 for what cannot be run."""
        self.settings = settings
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._address = _address_of(settings)
        self._argv = [] if self._address else _command_of(settings)
        self._environment = _environment_of(parts.inherited, environment, settings)
        self._most_instances = self._free_places = most_instances(settings.max_instances, os.cpu_count() or 1)
        self.uploads: Final = UploadPlaces(self._most_instances)
        self._instances: set[Instance] = set()
        self._ending: set[Instance] = set()
        self._idle: list[Instance] = []  # the last one is lent first: those that are too many become idle
        self._exchanges: dict[Instance, FastCgiExchange] = {}
        self._waiting: deque[Waiter] = deque()
        self._rapid_fails = RapidFails(settings.rapid_fails_per_minute)
        self._generation = 0
        self._ended = self._failed = 0
        self._server = Reachability(f"the FastCGI server {settings.full_path}", partial(self.report, "fastcgi-failed"))
        self._stamp = _stamp_of(settings.monitor_changes_to)

    # --- lending

    @property
    def keeps_connections(self) -> bool:
        """Not to a server: each open connection occupies one of its processes, and others use it, too."""
        return self._address is None

    @property
    def needs_looks(self) -> bool:
        """Whether there is something that `look` has to watch."""
        return bool(self._instances)

    async def acquire(self) -> Instance:
        """A connected process that is nobody else's. Raises HttpError 500.0, 502.0, 503.0 and 503.4."""
        while True:
            instance = self.take()
            if instance is None and not self.take_place():
                instance = await self._wait_in_line()
            if (ready := await self.prepare(instance)) is not None:
                return ready

    def take(self) -> Instance | None:
        """One that is idle, if there is one; it may have to be connected."""
        self.see_changes()
        return self._idle.pop() if self._idle else None

    def take_place(self) -> bool:
        """Take a place for another process, if there is one."""
        if not self._free_places:
            return False
        self._free_places -= 1
        return True

    async def prepare(self, taken: Instance | None) -> Instance | None:
        """What was taken, connected; in a place (None), a new one. None when it was gone. Raises as `acquire`."""
        instance = taken or await self._start()
        instance.is_busy = True
        return instance if await self._is_connected(instance) else None

    def join(self, waiter: Waiter) -> None:
        """Wait in line. Raises HttpError 503.4."""
        if len(self._waiting) >= self.settings.queue_length:
            raise failures.queue_full(self.settings)
        self._waiting.append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Wait no longer."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)

    def hand_back(self, taken: Instance | None) -> None:
        """What was taken is not wanted after all."""
        self._pass_on(taken)

    def lend(self, instance: Instance, exchange: FastCgiExchange) -> None:
        """The instance answers that request now."""
        self._exchanges[instance] = exchange

    def release(self, instance: Instance) -> None:
        """It has answered and is free."""
        self._exchanges.pop(instance, None)
        instance.is_busy = instance.is_doubtful = False
        instance.served += 1
        instance.idle_since = self._loop.time()
        if self._address is not None:
            self.discard(instance, "", is_failure=False)
        elif self._is_worn_out(instance):
            self.discard(instance, f"it has answered {instance.served} requests", is_failure=False)
        else:
            self._pass_on(instance)

    def take_back(self, instance: Instance) -> None:
        """It has closed its connection before it could begin: as libraries do that keep none open, or because it
        ends. That is seen when it is connected to again."""
        self._exchanges.pop(instance, None)
        instance.is_busy = False
        if instance.is_doubtful or instance.exit is not None:
            self.discard(instance, "it was ending", is_failure=False)
        else:
            instance.is_doubtful = True
            self._pass_on(instance)

    def discard(self, instance: Instance, reason: str, *, is_failure: bool) -> None:
        """It is ended, and counts as failed if it is."""
        self._exchanges.pop(instance, None)
        if instance not in self._instances:
            return
        self._instances.remove(instance)
        if instance in self._idle:
            self._idle.remove(instance)
        if self._address is not None:
            instance.let_go()
            self._pass_on(None)
            return
        if is_failure:
            self._note_failure()
        self._ending.add(instance)
        self._parts.spawn(self._end(instance, reason))

    def report(self, event_id: str, text: str) -> None:
        """A line in the event log."""
        self._parts.report_event(event_id, text)

    # --- watching

    def hosted(self, now: float) -> list[HostedProcess]:
        """A row for each process, those that are ending among them; for a pool without one a row of its own."""
        if not self._instances and not self._ending:
            return [self._row(now, None, "none")]
        rows = [self._row(now, one, "busy" if one.is_busy else "idle") for one in self._instances]
        return rows + [self._row(now, one, "ending") for one in self._ending]

    def _row(self, now: float, instance: Instance | None, state: str) -> HostedProcess:
        settings = self.settings
        is_idle = instance is not None and state == "idle"
        return HostedProcess(
            command=f"{settings.full_path} {settings.arguments}".rstrip(),
            pid=instance.pid if instance is not None else 0,
            state=state,
            requests_served=instance.served if instance is not None else 0,
            requests_in_hand=int(state == "busy"),
            age_seconds=now - instance.began_at if instance is not None else 0.0,
            idle_seconds=now - instance.idle_since if instance is not None and is_idle else 0.0,
            most_processes=self._most_instances,
            restarts=self._ended,
            failures=self._failed,
            waiting=sum(not waiter.done() for waiter in self._waiting),
            queue_length=settings.queue_length,
        )

    def look(self, now: float) -> None:
        """Limits of requests, idle processes, a changed file; called by the shared timer."""
        for exchange in list(self._exchanges.values()):
            exchange.look(now)
        seconds = self.settings.idle_timeout_seconds
        for instance in [one for one in self._idle if is_idle_for_too_long(now, one.idle_since, seconds)]:
            self.discard(instance, f"it was idle for {seconds} seconds", is_failure=False)
        self.see_changes()

    def see_changes(self) -> None:
        """Replace the processes when the file of monitorChangesTo is another one than before."""
        path = self.settings.monitor_changes_to
        if path and (stamp := _stamp_of(path)) != self._stamp:
            self._stamp = stamp
            self.replace_all(f"{path} has changed")

    def replace_all(self, reason: str) -> None:
        """Idle processes end now, the others after their request."""
        self._generation += 1
        for instance in list(self._idle):
            self.discard(instance, reason, is_failure=False)

    async def close(self) -> None:
        """End every process; requests that wait are refused by their cancellation."""
        for instance in (*self._instances, *self._ending):
            await instance.kill("the worker ends", self.settings.signal_before_terminate_seconds)
            instance.let_go()

    # --- inside

    async def _wait_in_line(self) -> Instance | None:
        """An instance, or None for a place where one may be started. Raises HttpError 503.4."""
        waiter: asyncio.Future[Instance | None] = self._loop.create_future()
        self.join(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            self.leave(waiter)
            if waiter.done() and not waiter.cancelled():
                self._pass_on(waiter.result())
            raise

    def _pass_on(self, instance: Instance | None) -> None:
        """A free instance, or a free place, for the request that waits longest."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(instance)
                return
        if instance is None:
            self._free_places += 1
        else:
            self._idle.append(instance)

    async def _start(self) -> Instance:
        """A new instance in a place that was taken for it. Raises HttpError."""
        instance = Instance(self._generation)
        try:
            if self._rapid_fails.is_down(self._loop.time()):
                raise failures.rapid_fail(self.settings)
            if self._address is None:
                await instance.launch(self._parts.launcher, self._launch(), partial(self._hear_line, instance))
                self.report("fastcgi-process-started", f"{self.settings.full_path} (process {instance.pid})")
                self._parts.spawn(self._watch(instance))
        except OSError as error:
            self._note_failure()
            self._pass_on(None)
            failure = failures.cannot_start(self.settings, error)
            self.report("fastcgi-failed", failure.detail)
            raise failure from error
        except BaseException:
            self._pass_on(None)
            raise
        instance.began_at = self._loop.time()
        self._instances.add(instance)
        return instance

    async def _is_connected(self, instance: Instance) -> bool:
        """False when a process that has answered before is gone. Raises HttpError for a new one."""
        unreachable: OSError | None = None
        try:
            await instance.connect(self._address)
        except OSError as error:
            unreachable = error
        except BaseException:
            self.discard(instance, "its request ended while it was connected to", is_failure=False)
            raise
        if unreachable is None:
            self._server.met()
            return True
        if instance.served:
            self.discard(instance, "it was ending", is_failure=False)
            return False
        raise await self._unreachable(instance, unreachable) from unreachable

    async def _unreachable(self, instance: Instance, error: OSError) -> HttpError:
        if self._address is not None:
            failure = failures.cannot_start(self.settings, error)
            self._server.missed(failure.detail)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(instance.wait(), EXIT_SECONDS)
            assert instance.errors is not None
            instance.errors.drain()
            failure = failures.exited(self.settings, instance.exit, instance.errors.text)
            self.report("fastcgi-failed", failure.detail)
        self.discard(instance, "it cannot be connected to", is_failure=True)
        return failure

    async def _watch(self, instance: Instance) -> None:
        """A process that ends by itself while nobody uses it is taken out."""
        ended = await instance.wait()
        if not instance.is_ending and not instance.is_busy:
            is_failure = died_of_itself(ended.status, instance.served, is_busy=False)
            self.discard(instance, "by itself", is_failure=is_failure)

    async def _end(self, instance: Instance, reason: str) -> None:
        instance.disconnect()
        await instance.kill(reason, self.settings.signal_before_terminate_seconds)
        ended = await instance.wait()
        text = f"{self.settings.full_path} (process {instance.pid}) {describe_exit(ended)}: {reason}"
        self.report("fastcgi-process-ended", text)
        instance.let_go()
        self._ending.discard(instance)
        self._ended += 1
        self._pass_on(None)

    def _is_worn_out(self, instance: Instance) -> bool:
        most = self.settings.instance_max_requests
        return instance.exit is not None or must_be_replaced(
            instance.served, most, instance.generation, self._generation
        )

    def _note_failure(self) -> None:
        self._failed += 1
        if self._rapid_fails.note(self._loop.time()):
            self.report("fastcgi-rapid-fail", failures.rapid_fail(self.settings).detail)

    def _hear_line(self, instance: Instance, line: str) -> None:
        exchange = self._exchanges.get(instance)
        name = exchange.name if exchange is not None else self.settings.full_path
        self.report("fastcgi-stderr", f"{name}, process {instance.pid}: {line}")

    def _launch(self) -> Launch:
        mark = f"fastcgi-{secrets.token_hex(8)}"
        return Launch(
            argv=self._argv,
            environment={**self._environment, b"UNIQUE_ID": mark.encode()},
            directory=os.path.dirname(self._argv[0]),
            mark=mark,
            over_tcp=self.settings.protocol == "Tcp",
        )


def _address_of(settings: ApplicationSettings) -> ServerAddress | None:
    if not is_address(settings.full_path):
        return None
    try:
        return parse_address(settings.full_path)
    except ValueError as error:
        raise failures.bad_application(settings, str(error)) from error


def _command_of(settings: ApplicationSettings) -> list[bytes]:
    if not os.path.isabs(settings.full_path):
        raise failures.bad_application(settings, "it is no absolute path")
    try:
        words = shlex.split(settings.arguments)
    except ValueError as error:
        raise failures.bad_application(settings, f"arguments: {error}") from error
    return [os.fsencode(word) for word in (settings.full_path, *words)]


def _environment_of(
    inherited: Mapping[bytes, bytes], pool: Mapping[str, str], settings: ApplicationSettings
) -> dict[bytes, bytes]:
    """What the worker hands on, the pool's variables, the application's. A php-cgi that ends after fewer requests than
    we expect from it would fail one: both numbers are equal unless the configuration says otherwise."""
    environment = dict(inherited)
    environment[b"PHP_FCGI_MAX_REQUESTS"] = b"%d" % settings.instance_max_requests
    if settings.protocol == "Tcp":
        environment[b"FCGI_WEB_SERVER_ADDRS"] = b"127.0.0.1"  # FastCGI 1.0 section 3.2: nobody else may connect
    for name, value in (*pool.items(), *settings.environment_variables):
        environment[os.fsencode(name)] = os.fsencode(value)
    return environment


def _stamp_of(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path) if path else None
    except OSError:
        return None
    return None if status is None else (status.st_ino, status.st_mtime_ns, status.st_size)
