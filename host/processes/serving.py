"""The service from its configuration to its end: what `__main__` goes on with once the nursery is forked."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

from host.config.errors import ConfigErrors
from host.config.store import build_snapshot, read_source
from host.processes.births import Nursery
from host.processes.console import Console
from host.processes.inherited_sockets import InheritedSockets
from host.processes.orphans import end_everything
from host.processes.predecessor import Predecessor
from host.processes.service import Service
from host.processes.service_manager import ServiceManager
from host.processes.upgrade import become_waiter

EXIT_BAD_CONFIGURATION: Final = 2


def serve(
    options: argparse.Namespace,
    manager: ServiceManager,
    inherited: InheritedSockets,
    predecessor: Predecessor | None,
    nursery: Nursery,
) -> int:
    """Read the configuration that the command line's `options` name, and serve; gives the exit status."""
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
