"""A web.config that cannot be seen for a moment: what it says may be a lock, which must not be open meanwhile."""

from __future__ import annotations

import errno
import os

import pytest

from host.config.errors import ConfigErrors
from tests.config.server_sample import Server
from tests.config.test_directory_settings import BROWSE, Reader, read

__all__ = ["read"]


def test_a_web_config_that_is_written_anew_is_never_missed(server: Server, read: Reader) -> None:
    """git and editors take the old one away first. What has just gone counts until the next look: a lock is not open
    meanwhile."""
    server.web_config("www/images", BROWSE)
    assert read.browses("/images/a.png")
    for _ in range(2):
        os.remove(server.root / "www/images/web.config")
        assert read.later().browses("/images/a.png")
        server.web_config("www/images", BROWSE)
        assert read.later().browses("/images/a.png")
    os.remove(server.root / "www/images/web.config")
    assert read.later().browses("/images/a.png")
    assert not read.later().browses("/images/a.png")


def test_a_web_config_that_cannot_be_looked_at_is_no_missing_one(
    server: Server, read: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server that does not answer opens nothing: the file is read if it can be, else what it said goes on."""
    server.web_config("www/images", BROWSE)
    assert read.browses("/images/a.png")
    look, open_file = os.stat, os.open

    def fail(path: str) -> None:
        if str(path).endswith("images/web.config"):
            raise OSError(errno.ESTALE, "Stale file handle")

    def failing_stat(path: str, *, follow_symlinks: bool = True) -> os.stat_result:
        fail(path)
        return look(path, follow_symlinks=follow_symlinks)

    def failing_open(path: str, flags: int, mode: int = 0o777) -> int:
        fail(path)
        return open_file(path, flags, mode)

    monkeypatch.setattr(os, "stat", failing_stat)
    assert read.later().browses("/images/a.png")
    monkeypatch.setattr(os, "open", failing_open)
    assert read.later().browses("/images/a.png")
    with pytest.raises(ConfigErrors, match="Stale file handle"):
        Reader(server)("/images/a.png")
