"""Runs the isapy command as people do: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

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
