"""`python -m host.processes service ...`: what `isapy run` becomes. Other processes are started by the service.

First comes what has to be done before the nursery is forked, and nothing else is loaded: what is in memory by then is a
part of every pool and worker. What the service alone needs comes afterwards (`serving.py`), while the nursery loads
what it needs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys

from setproctitle import setproctitle

from host.early_signals import hold_signals
from host.processes.births import fork_nursery
from host.processes.immortal import make_immortal
from host.processes.inherited_sockets import take_inherited_sockets
from host.processes.predecessor import PredecessorGone, meet_predecessor
from host.processes.service_manager import ServiceManager
from host.processes.spawn import become_subreaper
from host.wire.exit_codes import ExitCode


def run_service(arguments: list[str]) -> int:
    """`python -m host.processes service --config FILE ...`; gives the exit status."""
    parser = argparse.ArgumentParser(prog="isapy service")
    parser.add_argument("--config", required=True)
    parser.add_argument("--isolation", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--show-scripts", action="store_true")
    options = parser.parse_args(arguments)
    hold_signals()
    setproctitle("isapy: service")
    become_subreaper()
    make_immortal()  # code alone: what comes from here on may have to end. Not in the nursery, which would copy it all
    manager = ServiceManager.from_environment(os.environ)
    inherited = take_inherited_sockets(os.environ)
    try:
        predecessor = meet_predecessor(os.environ)
    except PredecessorGone as error:
        sys.stderr.write(f"isapy: {error}\n")
        return ExitCode.FAILED
    nursery = fork_nursery()  # before anything is read that is not everybody's
    try:
        serving = importlib.import_module("host.processes.serving")
        status: int = serving.serve(options, manager, inherited, predecessor, nursery)
    except BaseException as error:
        if predecessor is not None:
            predecessor.refuse(f"the new service cannot start: {type(error).__name__}: {error}")
        with contextlib.suppress(ValueError):  # it has ended already
            nursery.kill()  # Python would wait for it before it ends, and whoever waits for this process with it
        raise
    return status


if __name__ == "__main__":
    if sys.argv[1:2] != ["service"]:
        sys.exit("usage: python -m host.processes service --config FILE [--isolation MODE] [--port N] [--quiet]")
    sys.exit(run_service(sys.argv[2:]))
