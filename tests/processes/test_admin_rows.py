"""The rows of an administrator's answers."""

from __future__ import annotations

from host.admin.cache_messages import Cache
from host.admin.cache_messages import CacheRow as ShownRow
from host.admin.commands import REPLY_LIMIT, encode
from host.processes.admin_rows import fitting, waiting_by_queue
from host.wire.cache_messages import CacheRow
from host.wire.message_rows import RequestRow


def test_what_is_shown_of_the_cache_fits_into_one_answer() -> None:
    """URLs and the fields that an answer is for are clients': with many long ones nothing at all could be shown."""
    text = "\u00e4" * 2048
    row = CacheRow(
        url=text, site_id=1, status=200, size=1, hits=0, age=0, expires_in=0, worker="DefaultAppPool#1", variant=text
    )
    rows = list(fitting([row] * 5000))
    assert 0 < len(rows) < 5000
    shown = [
        ShownRow(url=text, site="A", status=200, size=1, hits=0, age=0, expires_in=0, worker=row.worker, variant=text)
        for _ in rows
    ]
    assert len(encode(Cache(rows=shown, entries=5000, size=5000))) < REPLY_LIMIT
    short = CacheRow(url="/a", site_id=1, status=200, size=1, hits=0, age=0, expires_in=0, worker="A#1")
    assert len(list(fitting([short] * 5000))) == 5000


def test_only_what_waits_for_a_worker_is_queued() -> None:
    """Thousands of slow uploads looked like a queue far beyond its limit."""
    states = ("ReadEntityBody", "Queued", "ExecuteRequestHandler", "SendResponse", "Queued")
    rows = [
        RequestRow(
            request_id="a-1-1",
            connection_id=1,
            verb="POST",
            url="/",
            site_id=1,
            host_name="x",
            client_ip_address="127.0.0.1",
            local_port=80,
            time_elapsed=1,
            pipeline_state=state,
            worker="A#1" if state in ("ExecuteRequestHandler", "SendResponse") else "",
            queue="A",
        )
        for state in states
    ]
    assert waiting_by_queue(rows) == {"A": 2}
    assert waiting_by_queue(rows)["B"] == 0
