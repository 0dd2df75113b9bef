"""slowhttptest's four attacks: other clients are served while each of them runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.running_service import running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

MODES = {"slow headers": "-H", "slow body": "-B", "ranges": "-R", "slow read": "-X"}


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_others_are_served_while_slow_attacks_run(tmp_path: Path, mode: str) -> None:
    """All four at once, a hundred connections each; nobody is timed, everybody is answered."""
    config = write_site(tmp_path, mode=mode)
    (tmp_path / "wwwroot" / "large.txt").write_bytes(b"x" * 300_000)
    with running(tmp_path, config) as service:
        assert len(service.get("/large.txt").body) == 300_000
        url = f"http://127.0.0.1:{service.port}/large.txt"
        command = ["slowhttptest", "-c", "100", "-r", "200", "-l", "60", "-i", "1", "-u", url]
        attacks = [
            subprocess.Popen([*command, flag], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
            for flag in MODES.values()
        ]
        try:
            wait_until(lambda: service.status() and _connections(service.port) >= 200, tmp_path, "the attacks")
            for _ in range(20):
                assert len(service.get("/large.txt").body) == 300_000
            assert [attack.poll() for attack in attacks].count(None) >= 2, "the attacks run"
        finally:
            for attack in attacks:
                attack.kill()
                attack.wait()
        assert service.get("/large.txt").status == 200
        told = "\n".join(service.events())
        for bad in ("listener-error", "process-died", "worker-died", "front-hung"):
            assert bad not in told


def _connections(port: int) -> int:
    """Connections that the machine's table shows at that port, established."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(fields[1].endswith(f":{port:04X}") and fields[3] == "01" for fields in map(str.split, lines))
