"""Requests in inetinfo: how many it takes at a time (`isolation/@maxConcurrentRequests`), and the process that starts
CGI programs for it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from host.admin.commands import ListRequests, RequestRow, Requests
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

HOLD = """\
#!/bin/sh
mkfifo "$DOCUMENT_ROOT/fifo.$$"
echo $$ >> "$DOCUMENT_ROOT/begun"
read line < "$DOCUMENT_ROOT/fifo.$$"
printf 'Content-Type: text/plain\\n\\n%s\\n' "$line"
"""


def requests(service: RunningService) -> list[RequestRow]:
    reply = service.ask(ListRequests())
    assert isinstance(reply, Requests)
    return reply.rows


def test_inetinfo_takes_as_many_requests_as_the_file_says(tmp_path: Path) -> None:
    """The one more waits in the queue until one has been answered."""
    config = write_site(tmp_path, mode="IIS5")
    text = config.read_text()
    config.write_text(text.replace('<isolation mode="IIS5" />', '<isolation mode="IIS5" maxConcurrentRequests="2" />'))
    write_program(tmp_path / "wwwroot/cgi-bin/hold.cgi", HOLD)
    begun = tmp_path / "wwwroot/begun"

    def wait_for(count: int) -> list[str]:
        wait_until(lambda: begun.exists() and begun.read_text().count("\n") >= count, begun.parent, "the programs")
        return begun.read_text().split()

    with running(tmp_path, config) as service, contextlib.ExitStack() as open_connections:
        connections = [open_connections.enter_context(service.connect()) for _ in range(3)]
        for connection in connections:
            connection.sendall(b"GET /cgi-bin/hold.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(requests(service)) == 3, begun.parent, "three requests")
        programs = wait_for(2)
        assert len(programs) == 2
        assert sum(bool(row.worker) for row in requests(service)) == 2
        (begun.parent / f"fifo.{programs[0]}").write_text("go\n")
        for program in wait_for(3)[1:]:
            (begun.parent / f"fifo.{program}").write_text("go\n")
        assert {read_answer(connection).text for connection in connections} == {"go\n"}


def test_an_inetinfo_whose_cgi_spawner_has_died_is_replaced(tmp_path: Path) -> None:
    """No program can be started without it: every CGI request was 502 until isapy was started again. What is in hand
    elsewhere is finished."""
    config = write_site(tmp_path, mode="IIS5")
    write_program(
        tmp_path / "wwwroot/cgi-bin/hello.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n"
    )
    with running(tmp_path, config) as service, service.connect() as connection:
        assert service.get_on(connection, "/cgi-bin/hello.cgi").text == "hello\n"
        service.wait_for_process("isapy: CGI spawner").kill()
        service.wait_for_event("process-died", "inetinfo's CGI spawner has ended")
        service.wait_for_event("process-started", "the CGI spawner of the one before it ended")
        assert service.get_on(connection, "/").status == 200
        wait_until(lambda: service.get("/cgi-bin/hello.cgi").text == "hello\n", tmp_path, "a CGI program")
        assert not service.has_event("inetinfo ended by")
