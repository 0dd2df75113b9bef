"""`isapy run FOLDER`, the successor of `python -m http.server --cgi`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.running_service import free_port
from tests.sample_site import write_program

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("isolation", ["workerprocess", "iis5"])
def test_the_terminal_shows_what_scripts_write_to_standard_error(tmp_path: Path, isolation: str) -> None:
    """Nothing is configured; the script runs, and its complaint is seen where isapy was started."""
    write_program(
        tmp_path / "site" / "x.sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nfine'\necho oh dear >&2\n"
    )
    port = free_port()
    variables = {**os.environ, "ISAPY_STATE": str(tmp_path / "state"), "ISAPY_CONTROL": str(tmp_path / "run")}
    variables["PYTHONPATH"] = str(CHECKOUT)
    command = [sys.executable, "-P", "-m", "host", "run", str(tmp_path / "site"), "--port", str(port)]
    with subprocess.Popen(
        [*command, "--isolation", isolation], stderr=subprocess.PIPE, text=True, env=variables, cwd=tmp_path
    ) as service:
        assert service.stderr is not None
        try:
            said = []
            for line in service.stderr:
                said.append(line)
                if "Ctrl-C" in line:
                    break
            assert any("isapy doctor" in line for line in said), said
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/x.sh", timeout=120) as answer:
                assert answer.read() == b"fine"
            assert "oh dear" in next(line for line in service.stderr if "cgi-stderr" in line)
        finally:
            service.send_signal(signal.SIGTERM)
            service.stderr.read()
