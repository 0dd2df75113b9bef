"""`python -m host.processes service ...`: what `isapy run` becomes. Other processes are started by the service."""

from __future__ import annotations

import sys

from host.processes.service import run_service

if __name__ == "__main__":
    if sys.argv[1:2] != ["service"]:
        sys.exit("usage: python -m host.processes service --config FILE [--isolation MODE] [--port N] [--quiet]")
    sys.exit(run_service(sys.argv[2:]))
