"""What a plugin is told of bytes and time just before the log line is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.testing import PluginTest

FILTER = """
from host.api import hookimpl

told = []

@hookimpl
def on_log(request, entry):
    told.append((entry.bytes_sent, entry.bytes_received, entry.time_taken_ms))
    entry.bytes_sent = 1  # it is for reading
"""
EXTENSION = """
import time
from host.api import HandlerMapping, Headers, Response, hookimpl

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Sends", path="*.sends")]

def pieces():
    yield b"12345"
    yield b"67890"

@hookimpl
def handle(request):
    length = len(request.body.read_blocking())
    if request.raw_query == "slow":
        time.sleep(0.02)
    body = pieces() if request.raw_query == "pieces" else b"x" * length
    return Response(status=200, headers=Headers([("Content-Type", "a/b")]), body=body)
"""
HEAD_BYTES = len("200 OK\r\nContent-Type: a/b\r\n")


@pytest.fixture
def filters(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "counts.py").write_text(FILTER)
    (tmp_path / "sends.py").write_text(EXTENSION)
    return tmp_path / "counts.py", tmp_path / "sends.py"


def test_a_plugin_is_told_of_bytes_and_time(filters: tuple[Path, Path]) -> None:
    """Heads and bodies as the worker has them, of answers in one piece, in several, of files and of none."""
    counts, sends = filters
    with PluginTest(sends, filters=[counts], files={"page.txt": "x" * 3000}) as plugin:
        told = plugin.module("counts").told
        plugin.post("/a.sends", b"x" * 70)
        sent, received, milliseconds = told.pop()
        assert sent == HEAD_BYTES + 70
        assert received == len("POST /a.sends HTTP/1.1\r\nHost: localhost:8080\r\nContent-Length: 70\r\n\r\n") + 70
        assert 0 <= milliseconds < 10_000
        plugin.post("/a.sends?pieces", iter([b"x" * 40_000, b"y" * 40_000]))
        sent, received, _ = told.pop()
        assert sent == HEAD_BYTES + 10
        assert received > 80_000
        plugin.get("/a.sends?slow")
        assert 20 <= told.pop()[2] < 10_000
        plugin.get("/page.txt")
        plugin.head("/page.txt")
        (of_get, *_), (of_head, *_) = told
        assert 3000 < of_get < 3300
        assert 0 < of_head < 300
