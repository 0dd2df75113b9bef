"""`isapy: pool NAME`: a pool's small parent. Forks its workers, starts their CGI programs, reaps both; serves nothing.

One thread and a selector: a process that forks must have neither threads nor an event loop of its own. It is the
subreaper of everything below it, so that a CGI program's orphans come back here and can be ended with their request.
"""

from __future__ import annotations

import gc
import math
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import nullcontext
from typing import Any, Final

import multiprocess

from host.config.errors import ConfigErrors
from host.config.store import ServerConfiguration, Source
from host.confinement.confine import Confined, confine
from host.confinement.errors import ConfinementError
from host.isolation.selection import model_for
from host.processes.control_channel import ControlChannel
from host.processes.examinations import Examinations
from host.processes.folder_watch import FolderWatch
from host.processes.immortal import make_immortal
from host.processes.preload import (
    compile_patterns,
    forget_unwanted_plugins,
    look_at_files,
    preload_own_plugins,
    preload_plugins,
    running_threads,
)
from host.processes.priority import SteppedBack, allow_to_come_forward, in_no_hurry, may_step_back, step_back
from host.processes.run_place import run_place
from host.processes.script_spawner import UserSpawner
from host.processes.second_spawner import SecondSpawners
from host.processes.shared_heap import give_back
from host.processes.spawn import (
    become_subreaper,
    close_on_exec,
    continue_at_parents_death,
    end_with_parent,
    kill,
    take_signals,
)
from host.processes.start_failure import starting
from host.processes.worker import WorkerSeat, report_web_configs_of, run_worker
from host.script_users.launch import users_of_pool
from host.spawner.server import Spawner
from host.wire.control_messages import AnyMessage, Configure, Drain, Event, Hello, Ping, Pong, Ready
from host.wire.errors import WireError
from host.wire.exit_codes import ExitCode
from host.wire.frames import PROTOCOL_VERSION
from host.wire.pool_messages import ExamineWorker, KillWorker, Preloading, StartWorker, WorkerExited, WorkerStarted
from host.worker.plugin_code import PluginCode

_fork_context: Final = multiprocess.get_context("fork")
_TICK_SECONDS: Final = 0.25
_PREPARE_SECONDS: Final = 0.5  # after a fork: the worker that starts has the processors for itself


def run_pool(
    control: socket.socket, pool_name: str, applications: tuple[str, ...], plugin_code: PluginCode | None = None
) -> None:
    """The process's life, from Hello to the end of its last worker. `plugin_code` is what the nursery has prepared."""
    become_subreaper()
    PoolParent(ControlChannel(control), pool_name, applications, plugin_code or PluginCode()).run()


class PoolParent:
    """The loop of a pool's parent."""

    def __init__(
        self, channel: ControlChannel, pool_name: str, applications: tuple[str, ...], plugin_code: PluginCode
    ) -> None:
        self._channel = channel
        self._pool_name = pool_name
        self._applications = applications
        self._configuration: ServerConfiguration | None = None
        self._selector = selectors.DefaultSelector()
        self._plugin_code = plugin_code
        self._spawner = Spawner(self._selector)
        self._second_spawners = SecondSpawners(self._selector, self._spawner, self._let_go)
        self._examinations = Examinations(self._selector, channel.send)
        self._workers: dict[int, tuple[str, Any]] = {}  # pid to (name, multiprocess Process)
        self._stepped_back = SteppedBack()
        self._confined: Confined | None = None
        self._folder_watch: FolderWatch | None = None
        self._user_spawner: UserSpawner | None = None
        self._all_processors = os.sched_getaffinity(0)
        self._has_preloaded = False
        self._prepares_at = math.inf  # monotonic seconds: when the next worker is prepared
        self._end_by: float | None = None  # monotonic seconds: what is left then is killed
        self._signal_read, self._signal_write = socket.socketpair()

    def run(self) -> None:
        """Until the service says Drain or is gone, and no worker is left."""
        self._watch_children()
        self._selector.register(self._channel, selectors.EVENT_READ, self._hear)
        self._channel.send(Hello(role="pool", pid=os.getpid(), protocol=PROTOCOL_VERSION))
        while self._end_by is None or self._workers:
            for key, _ in self._selector.select(_TICK_SECONDS):
                key.data()
            now = time.monotonic()
            self._spawner.tick(now)
            self._examinations.tick(now)
            if self._folder_watch is not None:
                self._folder_watch.look(now)
            if now >= self._prepares_at:
                with in_no_hurry():
                    self._prepare_plugins()
            self._stepped_back.look(now)
            if self._end_by is not None and now >= self._end_by:
                self._kill_workers()
        if self._user_spawner is not None:
            self._user_spawner.close()
        self._spawner.close()
        self._channel.close()

    # --- the service ------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            messages = self._channel.receive()
        except (EOFError, WireError):
            # the service is gone: the workers notice by themselves and finish what they have
            self._selector.unregister(self._channel)
            self._channel.close()
            self._end_by = time.monotonic() + self._shutdown_seconds()
            for pid in self._workers:
                kill(pid, signal.SIGCONT)  # one that is suspended could not notice
            return
        for message, descriptors in messages:
            self._obey(message, descriptors)

    def _obey(self, message: AnyMessage, descriptors: list[int]) -> None:
        match message:
            case Configure():
                self._configure(message)
            case StartWorker():
                with nullcontext() if message.is_awaited else self._stepped_back.in_no_hurry():
                    self._fork(message, socket.socket(fileno=descriptors[0]))
            case KillWorker():
                for pid, (name, _) in self._workers.items():
                    if name == message.worker:
                        kill(pid, message.signal)
            case ExamineWorker():
                self._examinations.begin(message.worker)
            case Drain():
                self._end_by = time.monotonic() + message.seconds
            case Ping():
                self._channel.send(Pong(number=message.number))
            case _:
                pass

    def _confine(self, configuration: ServerConfiguration) -> None:
        """With the first configuration: become what the pool may be. With every one: run where it may run."""
        if self._confined is None:
            try:
                self._start_user_spawner(configuration)
                allow_to_come_forward()
                self._confined = confine(configuration, self._pool_name, self._applications, self._report)
                continue_at_parents_death()  # this process, too; a change of identity makes the kernel forget it
                pool = configuration.snapshot.pool(self._pool_name)
                self._folder_watch = FolderWatch(self._confined, pool, self._report, self._channel.send)
            except ConfinementError as error:
                self._report("pool-not-confined", f"pool {self._pool_name} cannot start: {error}")
                raise
        wanted = set(configuration.snapshot.pool(self._pool_name).cpu.processors) & self._all_processors
        os.sched_setaffinity(0, wanted or self._all_processors)
        self._spawner.settle(run_place(configuration, self._pool_name, self._applications, self._confined))

    def _start_user_spawner(self, configuration: ServerConfiguration) -> None:
        """As long as this process is what the service is: who starts scripts as other users must stay that. What it may
        start it learns here and now, and never from anybody who runs as the pool."""
        if not configuration.snapshot.pool(self._pool_name).confinement.has_script_users:
            return
        users = users_of_pool(configuration, self._pool_name, self._applications)
        self._user_spawner = UserSpawner(self._pool_name, users, self._let_go)
        self._selector.register(self._user_spawner.socket, selectors.EVENT_READ, self._has_lost_user_spawner)

    def _has_lost_user_spawner(self) -> None:
        """Another one cannot be had: this process may not be what that must be any more. So the service starts all
        anew; the workers, which multiprocess would wait for, finish what they have without a parent."""
        text = f"pool {self._pool_name}: the process that starts its scripts as other users has ended: all start anew"
        self._report("script-users-lost", text)
        os._exit(ExitCode.FAILED)

    def _preload(self, configuration: ServerConfiguration) -> None:
        """Once, if the pool wants it: what has been imported stays, and files that change are loaded by the workers."""
        pool = configuration.snapshot.pool(self._pool_name)
        if not pool.preload_applications or self._has_preloaded:
            return
        self._has_preloaded = True
        self._channel.send(Preloading(seconds=float(pool.startup_time_limit_seconds)))
        for problem in preload_plugins(configuration, self._applications, self._plugin_code, self._channel.send):
            self._report("preload-failed", problem)
        take_signals()  # workers have this process's, whatever a plugin has made of them
        threads = running_threads()
        if threads:
            text = f"a plugin has started threads while it was imported ({', '.join(threads)}): nothing is preloaded"
            self._report("preload-failed", text)
            sys.exit(ExitCode.PRELOADED_THREADS)
        make_immortal()  # once: what comes with later configurations goes with them

    def _report(self, event_id: str, text: str) -> None:
        self._channel.send(Event(id=event_id, text=text, fields={"pool": self._pool_name}))

    def _configure(self, message: Configure) -> None:
        source = Source(message.path, message.text, message.isolation, message.port)
        if self._configuration is None:
            with starting(self._channel):
                self._take(ServerConfiguration(source, message.version), preloads=message.preloads)
        else:
            try:
                self._take(ServerConfiguration(source, message.version), preloads=message.preloads)
            except ConfigErrors as problems:  # it serves on with what it has
                for problem in problems.errors:
                    text = f"pool {self._pool_name}: {problem}; its workers keep the configuration before it"
                    self._report("configuration-refused", text)
                return
        gc.collect()
        gc.freeze()  # what is here now is shared with the workers: the collector must not touch it
        give_back()
        self._channel.send(Ready())

    def _take(self, configuration: ServerConfiguration, *, preloads: bool) -> None:
        report_web_configs_of(configuration, self._report)
        if self._configuration is not None:
            configuration.keep_good_files_of(self._configuration)
        self._configuration = configuration
        snapshot = configuration.snapshot
        slots = {slot.name: slot for slot in model_for(snapshot.isolation_mode).slots(snapshot)}
        if self._pool_name in slots:
            self._applications = slots[self._pool_name].applications
        self._examinations.plugin_folders = (*snapshot.extension_folders, *snapshot.filter_folders)
        self._confine(configuration)
        if self._pool_name in slots:
            for key in self._applications:
                configuration.prepare(snapshot.application(key))
        look_at_files(configuration, self._applications)
        forget_unwanted_plugins(snapshot)
        if self._pool_name in slots:
            compile_patterns(configuration, self._applications)
        self._prepare_plugins()
        if preloads and not self._workers:
            self._preload(configuration)
        close_on_exec()  # what code that was imported has opened; workers need not look again

    def _shutdown_seconds(self) -> float:
        if self._configuration is None:
            return 0.0
        return float(self._configuration.snapshot.pool(self._pool_name).shutdown_time_limit_seconds)

    # --- workers ----------------------------------------------------------------------------------------------

    def _fork(self, message: StartWorker, control: socket.socket) -> None:
        assert self._configuration is not None, "the service configures a pool before it starts workers"
        ours, workers_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        seat = self._seat(message)
        examiner = self._examinations.prepare(message.worker)
        look_at_files(self._configuration, self._applications)
        self._plugin_code.remember(message.known)
        stdin, parent = sys.stdin, os.getpid()
        steps_back = not message.is_awaited and may_step_back()

        def live() -> None:
            sys.stdin = stdin
            if steps_back:
                step_back()
            ours.close()
            self._become_worker(parent, message.worker)
            run_worker(control, workers_end, self._configuration, seat, examiner)

        process = _fork_context.Process(target=live, name=seat.title)
        sys.stdin = None  # it is /dev/null here already: what multiprocess does to make it that costs a start 0.2 ms
        try:
            process.start()
        finally:
            sys.stdin = stdin
        process._popen.close()  # multiprocess's pipes: SIGCHLD tells of its end, the next fork must not inherit them
        if not message.is_awaited:
            self._stepped_back.add(process.pid, time.monotonic())
        self._examinations.forked(message.worker, process.pid)
        self._note_ended_workers()
        for given in (control, workers_end, seat.second_spawner, seat.user_spawner):
            if given is not None:
                given.close()
        self._workers[process.pid] = (message.worker, process)
        self._spawner.add_worker(message.worker, ours)
        self._channel.send(WorkerStarted(worker=message.worker, pid=process.pid))
        self._prepares_at = time.monotonic() + _PREPARE_SECONDS

    def _seat(self, message: StartWorker) -> WorkerSeat:
        assert self._configuration is not None
        assert self._confined is not None
        snapshot = self._configuration.snapshot
        pool = snapshot.pool(self._pool_name)
        return WorkerSeat(
            title=f"worker {message.worker}",
            pool_name=self._pool_name,
            number=message.number,
            applications=self._applications,
            model=model_for(snapshot.isolation_mode),
            runs_filters=True,
            handler_slot=self._pool_name,
            shutdown_seconds=self._shutdown_seconds(),
            environment={**self._confined.environment, **dict(pool.environment_variables)},
            max_concurrent_requests=pool.max_concurrent_requests,
            plugin_code=self._plugin_code,
            may_be_debugged=pool.orphan_worker_process,
            is_awaited=message.is_awaited,
            usual_priority=self._stepped_back.usual_priority,
            usual_slice=self._stepped_back.usual_slice,
            second_spawner=self._second_spawners.connect(message.worker),
            user_spawner=self._user_spawner.connect(message.worker) if self._user_spawner is not None else None,
        )

    def _prepare_plugins(self) -> None:
        """Have ready what the next worker needs; plugin files may have been saved since this was done last, and what is
        not ready each worker does by itself."""
        self._prepares_at = math.inf
        assert self._configuration is not None
        snapshot = self._configuration.snapshot
        for folders in (snapshot.extension_folders, snapshot.filter_folders):
            self._plugin_code.prepare(folders)
        for problem in preload_own_plugins(snapshot, self._plugin_code):
            self._report("preload-failed", problem)

    def _become_worker(self, parent: int, name: str) -> None:
        """In the fork: let go of what is the parent's. As long as it has had no request, it is killed with its parent:
        also when it hangs in a plugin that it loads (`WorkerProcess` ends this)."""
        end_with_parent(parent)
        take_signals()
        self._let_go(name)

    def _let_go(self, worker: str = "") -> None:
        """In a fork: the sockets and descriptors of the parent's are closed, but for what is that worker's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._spawner.forget()
        self._second_spawners.forget()
        self._examinations.forget(worker)
        self._selector.close()
        self._channel.close()
        self._signal_read.close()
        self._signal_write.close()
        if self._user_spawner is not None:
            self._user_spawner.close()

    def _kill_workers(self) -> None:
        for pid in self._workers:
            kill(pid)
        self._end_by = time.monotonic() + 1.0

    # --- children that end ------------------------------------------------------------------------------------

    def _watch_children(self) -> None:
        self._signal_read.setblocking(False)
        self._signal_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._signal_write.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._signal_read, selectors.EVENT_READ, self._reap)

    def _reap(self) -> None:
        self._signal_read.recv(4096)
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            self._has_ended(found.si_pid)

    def _note_ended_workers(self) -> None:
        """Tell of every worker that has ended. multiprocess reaps its own: asking for the exit code does it, and so
        does the start of another process, behind which the signal finds nobody any more."""
        for pid, (name, process) in list(self._workers.items()):
            if process.exitcode is not None:
                del self._workers[pid]
                self._stepped_back.discard(pid)
                self._examinations.gone(name)
                self._channel.send(WorkerExited(worker=name, pid=pid, status=process.exitcode))

    def _has_ended(self, pid: int) -> None:
        if pid in self._workers:
            self._note_ended_workers()
            return
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if self._spawner.owns(pid):
            self._spawner.ended(pid, status)
        else:  # or it is an orphan of a CGI program that was ended with its tree: reaped, and that is all
            self._second_spawners.ended(pid, status)
