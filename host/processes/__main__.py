"""`python -m host.processes service ...`: what `isapy run` becomes. Other processes are started by the service."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import Final

from setproctitle import setproctitle

from host.config.errors import ConfigErrors
from host.config.store import build_snapshot, read_source
from host.processes.births import fork_nursery
from host.processes.console import Console
from host.processes.immortal import make_immortal
from host.processes.inherited_sockets import take_inherited_sockets
from host.processes.orphans import end_everything
from host.processes.predecessor import PredecessorGone, meet_predecessor
from host.processes.service import EXIT_FAILED, Service
from host.processes.service_manager import ServiceManager
from host.processes.spawn import become_subreaper
from host.processes.upgrade import become_waiter

EXIT_BAD_CONFIGURATION: Final = 2


def run_service(arguments: list[str]) -> int:
    """`python -m host.processes service --config FILE ...`; gives the exit status."""
    parser = argparse.ArgumentParser(prog="isapy service")
    parser.add_argument("--config", required=True)
    parser.add_argument("--isolation", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--show-scripts", action="store_true")
    options = parser.parse_args(arguments)
    setproctitle("isapy: service")
    become_subreaper()
    make_immortal()  # code alone: what comes from here on may have to end. Not in the nursery, which would copy it all
    manager = ServiceManager.from_environment(os.environ)
    inherited = take_inherited_sockets(os.environ)
    try:
        predecessor = meet_predecessor(os.environ)
    except PredecessorGone as error:
        Console(sys.stderr, quiet=True).error(str(error))
        return EXIT_FAILED
    nursery = fork_nursery()  # before anything is read that is not everybody's
    console = Console(sys.stderr, quiet=options.quiet, shows_scripts=options.show_scripts)
    try:
        source = read_source(options.config, options.isolation, options.port)
        snapshot = build_snapshot(source, 1)
    except ConfigErrors as problems:
        if predecessor is not None:
            predecessor.refuse(str(problems.errors[0]))
        for problem in problems.errors:
            console.error(str(problem))
        nursery.kill()
        return EXIT_BAD_CONFIGURATION
    service = Service(
        source, snapshot, console, manager=manager, inherited=inherited, predecessor=predecessor, nursery=nursery
    )
    try:
        status = asyncio.run(service.live())
    finally:
        end_everything(service.heirs)
    if service.waiters_end is not None:
        become_waiter(service.waiters_end)
    return status


if __name__ == "__main__":
    if sys.argv[1:2] != ["service"]:
        sys.exit("usage: python -m host.processes service --config FILE [--isolation MODE] [--port N] [--quiet]")
    sys.exit(run_service(sys.argv[2:]))
