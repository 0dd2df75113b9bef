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


LEFT_ALONE = """\
import os, sys
from host.processes.spawn import become_subreaper, end_with_parent

become_subreaper()  # whoever loses its parent below becomes this process's child
orphaned, let_go = os.pipe()
told, tell = os.pipe()
parent = os.fork()
if not parent:
    parent = os.getpid()
    child = os.fork()
    if not child:
        os.close(let_go)
        os.read(orphaned, 1)
        end_with_parent(parent)
        os.write(tell, b"lives")
        os._exit(0)
    os.write(tell, b"%d" % child)
    os._exit(0)
os.close(orphaned)
os.waitpid(parent, 0)
child = int(os.read(told, 16))
os.close(let_go)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

child = os.fork()
if not child:
    end_with_parent(os.getppid())
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_whose_parent_was_gone_before_it_could_say_so_ends_all_the_same() -> None:
    """The kernel tells nobody of a death that has been; a child whose parent lives goes on."""
    done = subprocess.run([sys.executable, "-c", LEFT_ALONE], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["-9", "7"], done
