"""What the nursery practises: a worker's whole life, which leaves nothing behind but what Python has learnt."""

from __future__ import annotations

import json
import os
import resource
import select
import subprocess
import sys
from pathlib import Path

import pytest

from host.processes.control_channel import ControlChannel, channel_pair
from host.wire.control_messages import Ready

PRACTISE = """\
import asyncio, dis, gc, json, os, signal, threading
import uvloop
from host.config.store import ServerConfiguration
from host.processes.practice import practise
from host.processes.preload import preload_bundled_plugins
from host.processes.spawn import take_signals
from host.worker import plugin_loader
from host.worker.engine import Engine
from host.worker.plugin_code import PluginCode
from host.worker.plugins import Plugins

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

def is_specialised(code):
    names = ([one.opname for one in dis.get_instructions(code, adaptive=is_adaptive)] for is_adaptive in (True, False))
    return next(names) != next(names)

def open_files():
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sorted(os.readlink(link) for link in links if os.path.islink(link))  # the listing's own is closed by now

def process():
    has_loop = asyncio._get_running_loop() is not None
    handlers = [getattr(signal.getsignal(number), "__qualname__", str(signal.getsignal(number))) for number in SIGNALS]
    tasks = len(os.listdir("/proc/self/task"))
    preloaded = {str(place): id(module) for place, (_, module) in plugin_loader._preloaded.items()}
    return [open_files(), has_loop, handlers, tasks, threading.active_count(), signal.set_wakeup_fd(-1), preloaded]

uvloop.new_event_loop().close()  # libuv has a pipe of its own from then on, and another one in each fork
take_signals()
code = PluginCode()
preload_bundled_plugins(code)
before, knew = process(), is_specialised(Plugins.load_extensions.__code__)
statuses = practise(code)
after, knows = process(), is_specialised(Plugins.load_extensions.__code__)
gc.collect()
alive = sum(issubclass(type(one), (Engine, Plugins, ServerConfiguration)) for one in gc.get_objects())
managers = len(code._managers)
print(json.dumps([statuses, before == after, knew, knows, alive, managers]))
"""

NURSERY = """\
import os, resource, socket, sys
from host.processes.nursery import run_nursery

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[2]), int(sys.argv[2])))
run_nursery(socket.socket(fileno=int(sys.argv[1])), os.getppid())
"""


@pytest.mark.parametrize("event_loop", ["uvloop", "asyncio"])
def test_practice_answers_requests_and_leaves_only_what_python_has_learnt(tmp_path: Path, event_loop: str) -> None:
    """No descriptor, thread, signal handler, loop, file or word is left, no engine or configuration is kept alive, and
    the plugins are as they were imported; but code that a worker runs once has been specialised."""
    done = subprocess.run(
        [sys.executable, "-c", PRACTISE],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "ISAPY_EVENT_LOOP": event_loop, "ISAPY_STATE": str(tmp_path), "TMPDIR": str(tmp_path)},
        text=True,
        timeout=100,
    )
    assert done.stderr == ""
    statuses, is_unchanged, knew, knows, alive, managers = json.loads(done.stdout)
    assert statuses == [404, 404]
    assert is_unchanged
    assert (knew, knows) == (False, True)
    assert (alive, managers) == (0, 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("descriptors", [8, resource.getrlimit(resource.RLIMIT_NOFILE)[0]])
def test_a_nursery_that_cannot_practise_is_ready_all_the_same(descriptors: int) -> None:
    """Whoever is born there learns by itself."""
    ours, its = channel_pair()
    command = [sys.executable, "-c", NURSERY, str(its.fileno()), str(descriptors)]
    with subprocess.Popen(command, pass_fds=[its.fileno()], stderr=subprocess.PIPE) as nursery:
        its.close()
        channel = ControlChannel(ours)
        assert select.select([channel], [], [], 90)[0]
        assert [type(message) for message, _ in channel.receive()] == [Ready]
        channel.close()
        assert nursery.wait(90) == 0
        assert nursery.stderr is not None
        assert nursery.stderr.read() == b""
