"""What our own processes make of signals, and what the programs and forks of a plugin have of it."""

from __future__ import annotations

import subprocess
import sys

CODE = """\
import os, signal, subprocess, sys
from host.processes.spawn import take_signals

take_signals()
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    os.kill(os.getpid(), number)
print("alive")

program = subprocess.Popen(["sleep", "1000"])
program.terminate()
print(program.wait())

has_begun, tell = os.pipe()
child = os.fork()
if not child:
    os.write(tell, b"x")
    while True:
        signal.pause()
os.read(has_begun, 1)
os.kill(child, signal.SIGTERM)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_sigterm_means_the_service_but_ends_what_a_plugin_has_started() -> None:
    """A signal to the whole group ends no worker; a program and a fork (multiprocessing) can be terminated."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["alive", "-15", "-15"], done
