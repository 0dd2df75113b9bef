"""One change while another is under way: what the first was about is not forgotten."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from host.admin.commands import Done, RecyclePool
from tests.running_service import running
from tests.sample_site import write_site

pytestmark = pytest.mark.slow


def test_a_replacement_that_is_recycled_itself_leaves_nobody_unreplaced(tmp_path: Path) -> None:
    """Recycled again and again, also while replacements are starting: each command is answered when its workers are
    gone, and one worker serves at the end."""
    with running(tmp_path, write_site(tmp_path)) as service:
        first = json.loads(service.get("/a.where").body)["pid"]
        replies: list[object] = []
        threads = [
            threading.Thread(target=lambda: replies.append(service.ask(RecyclePool(name="DefaultAppPool"))))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(reply) for reply in replies] == [Done] * 6
        assert json.loads(service.get("/a.where").body)["pid"] != first
        assert len([title for title in service.titles() if title.startswith("worker DefaultAppPool#")]) == 1
