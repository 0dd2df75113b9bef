"""Runs the isapy command as people do: a process of its own, or without the wait for one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from host.cli.main import main

CHECKOUT = Path(__file__).resolve().parents[2]


def isapy(
    *arguments: object, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """`isapy ARGUMENTS`, with standard output and error as text."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ISAPY_", "XDG_"))}
    path = os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-P", "-m", "host", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder or CHECKOUT,
        env={**variables, "PYTHONPATH": path, "COLUMNS": "110", **(environment or {})},
    )


def typed(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same command line and what comes of it, in this process: the start of an interpreter takes longer than most
    commands. For those that leave nothing behind."""
    output, error = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["isapy", *map(str, arguments)]
    try:
        with redirect_stdout(output), redirect_stderr(error):
            main()
        status: object = 0
    except SystemExit as end:
        status = end.code or 0
    finally:
        sys.argv = before
    assert isinstance(status, int), status
    return subprocess.CompletedProcess(sys.argv, status, output.getvalue(), error.getvalue())
