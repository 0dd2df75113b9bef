"""X-Sendfile: the program decides, the server sends the file, and only from where it may."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path

import pytest
import uvloop

from extensions import cgi
from host.api import HttpError, Response
from host.config.cgi_settings import Cgi
from tests.extensions.cgi_rig import SETTINGS, CgiRig, whole_body
from tests.extensions.requests import open_descriptors
from tests.spawner.spawner_process import SpawnerProcess

CONTENT = b"0123456789" * 20000


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
    process = SpawnerProcess()
    yield process
    process.close()


@dataclass
class Sender:
    """A script that has files sent, and the folders of them."""

    rig: CgiRig
    allowed: Path

    def ask(
        self,
        printed: str,
        fields: list[tuple[str, str]] | None = None,
        *,
        roots: tuple[str, ...] | None = None,
        method: str = "GET",
    ) -> tuple[Response, bytes]:
        """The response to a program that prints `printed` (backslash sequences expanded) and a body."""
        wanted = (str(self.allowed),) if roots is None else roots
        settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=60, sendfile_roots=wanted))
        request = self.rig.request(
            "answer.sh", [("X-Answer", printed), ("X-Exit", "0"), *(fields or [])], settings=settings, method=method
        )

        async def work() -> tuple[Response, bytes]:
            response = await cgi.handle(request)
            return response, await whole_body(response)

        return self.rig.run(work)


@pytest.fixture
def sender(tmp_path: Path, spawner: SpawnerProcess) -> Iterator[Sender]:
    before = open_descriptors()
    made = Sender(CgiRig(tmp_path, spawner), tmp_path / "allowed")
    made.allowed.mkdir()
    (made.allowed / "a file.bin").write_bytes(CONTENT)
    (tmp_path / "secret").write_bytes(b"secret")
    yield made
    assert open_descriptors() <= before, "a descriptor was leaked"  # garbage of an earlier test may go meanwhile


def printed(path: object, head: str = "Content-Type: image/x-own\\nX-Own: yes\\nContent-Length: 4\\n") -> str:
    return f"{head}X-Sendfile: {path}\\n\\nbody"


def test_the_file_is_the_answer_with_the_programs_fields(sender: Sender) -> None:
    """Length, validators and ranges are the file's; the field itself and the program's body never leave."""
    response, content = sender.ask(printed(sender.allowed / "a file.bin"))
    assert (response.status, content) == (200, CONTENT)
    fields = dict(response.headers.items())
    assert fields["Content-Type"] == "image/x-own"
    assert fields["X-Own"] == "yes"
    assert fields["Content-Length"] == str(len(CONTENT))
    assert fields["Accept-Ranges"] == "bytes"
    assert fields["ETag"]
    assert "X-Sendfile" not in fields


@pytest.mark.parametrize("name", ["a%20file.bin", "../allowed/a file.bin"])
def test_a_path_may_be_escaped_and_may_start_at_the_script(sender: Sender, name: str) -> None:
    """As mod_xsendfile has it."""
    sender.rig.write("allowed/answer.sh", (Path(__file__).parents[1] / "cgi_programs/answer.sh").read_text())
    script = sender.allowed / "answer.sh"
    settings = replace(SETTINGS, cgi=Cgi(sendfile_roots=(str(sender.allowed),)))
    request = sender.rig.request(script, [("X-Answer", printed(name)), ("X-Exit", "0")], settings=settings)

    async def work() -> int:
        return len(await whole_body(await cgi.handle(request)))

    assert sender.rig.run(work) == len(CONTENT)


def test_a_range_and_conditions_are_answered(sender: Sender) -> None:
    """206, 416, 304 and 412, with the program's own validators before the file's."""
    path = sender.allowed / "a file.bin"
    response, content = sender.ask(printed(path), [("Range", "bytes=5-9")])
    assert (response.status, content) == (206, b"56789")
    assert response.headers["Content-Range"] == f"bytes 5-9/{len(CONTENT)}"
    response, content = sender.ask(printed(path), [("Range", "bytes=0-1,5-9")])
    assert (response.status, len(content)) == (200, len(CONTENT))
    with pytest.raises(HttpError, match=r"416"):
        sender.ask(printed(path), [("Range", "bytes=999999-")])
    head = 'Content-Type: a/b\\nETag: "own"\\n'
    response, content = sender.ask(printed(path, head), [("If-None-Match", '"own"')])
    assert (response.status, content) == (304, b"")
    with pytest.raises(HttpError, match=r"412"):
        sender.ask(printed(path, head), [("If-Match", '"other"')])
    own_date = formatdate(1000000000, usegmt=True)
    head = f"Content-Type: a/b\\nLast-Modified: {own_date}\\n"
    assert sender.ask(printed(path, head), [("If-Modified-Since", own_date)])[0].status == 304


def test_a_status_of_its_own_is_kept_and_head_gets_the_length(sender: Sender) -> None:
    """A 404 with a picture is no 206; HEAD has no body and opens nothing for long."""
    path = sender.allowed / "a file.bin"
    response, content = sender.ask(printed(path, "Status: 404 Gone Fishing\\n"), [("Range", "bytes=5-9")])
    assert (response.status, response.reason, len(content)) == (404, "Gone Fishing", len(CONTENT))
    response, content = sender.ask(printed(path), method="HEAD")
    assert (response.headers["Content-Length"], content) == (str(len(CONTENT)), b"")


@pytest.mark.parametrize("way", ["beside", "dots", "link", "prefix", "the root itself", "a fifo"])
def test_nothing_outside_the_roots_is_ever_sent(sender: Sender, way: str) -> None:
    """Another folder, a climb, a symbolic link, a folder whose name begins the same, a folder, a device: 502.2."""
    secret = sender.rig.folder / "secret"
    (sender.rig.folder / "allowed-too").mkdir()
    (sender.rig.folder / "allowed-too/x").write_bytes(b"secret")
    (sender.allowed / "link").symlink_to(secret)
    os.mkfifo(sender.allowed / "fifo")
    path = {
        "beside": secret,
        "dots": f"{sender.allowed}/../secret",
        "link": sender.allowed / "link",
        "prefix": sender.rig.folder / "allowed-too/x",
        "the root itself": sender.allowed,
        "a fifo": sender.allowed / "fifo",
    }[way]
    with pytest.raises(HttpError, match=r"502\.2") as found:
        sender.ask(printed(path))
    assert "sendfileRoots" in found.value.remedy
    assert len(sender.rig.event_texts("cgi-failed")) == 1


def test_what_is_missing_is_told_only_below_the_roots(sender: Sender) -> None:
    """404.0 there; elsewhere nobody learns what exists."""
    with pytest.raises(HttpError, match=r"404\.0"):
        sender.ask(printed(sender.allowed / "missing"))
    with pytest.raises(HttpError, match=r"502\.2"):
        sender.ask(printed(sender.rig.folder / "missing"))


def test_without_roots_the_field_is_one_like_any_other(sender: Sender) -> None:
    """Somebody in front may want it."""
    response, content = sender.ask(printed("/etc/passwd"), roots=())
    assert (response.headers["X-Sendfile"], content) == ("/etc/passwd", b"body")
