"""Runs code in a process of its own, which may give up what the test still needs."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import Any

from tests.confinement.everybody import CHECKOUT


def run_child(code: str, *arguments: str) -> Any:
    """What the code puts into `result`, through JSON. The folder of isapy is importable; `sys.argv[1:]` are the
    arguments. Fails with the child's standard error when it fails."""
    program = f"import json, os, sys\nresult = None\n{textwrap.dedent(code)}\nprint(json.dumps(result))\n"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
