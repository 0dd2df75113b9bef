"""What a client can get wrong, byte for byte, against the running service in both process models.

Every refusal is demanded whole: the status, the line of HTTPERR (found by the client's address), the end of the
connection, and the next client unharmed.
"""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import NamedTuple

import h11
import pytest

from host.admin.commands import ListRequests, Requests
from tests.fuzz.__main__ import changed
from tests.fuzz.seeds import SEEDS, SMUGGLING
from tests.running_service import WAIT_SECONDS, RunningService, free_port, running, wait_until
from tests.sample_site import write_program, write_site

MODES = ("workerprocess", "iis5")

IMPATIENT = """\
  <site name="Impatient" id="2">
        <limits connectionTimeout="00:00:05" />
        <application path="/"><virtualDirectory path="/" physicalPath="../wwwroot" /></application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:{port}:slow.test" /></bindings>
      </site>
    </sites>
    <webLimits headerWaitTimeout="00:00:05" minBytesPerSecond="8000000" />"""  # huge.bin may take eight seconds

NARROW = """\
{locations}
</configuration>"""

LIMIT = """
  <location path="Default Web Site{path}"><system.webServer><security><requestFiltering>
    <requestLimits maxAllowedContentLength="100000" />
  </requestFiltering></security></system.webServer></location>"""

COUNT = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Count", path="*.count")]

@hookimpl
async def handle(request):
    return Response.text(str(len(await request.body.read())))
"""

WAITING_CGI = """\
#!/bin/sh
echo $$ > "$0.pid"
exec sleep 600
"""


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(request.param)
    config, port = write_site(folder), free_port()
    text = config.read_text().replace("</sites>", IMPATIENT.format(port=port))
    locations = "".join(LIMIT.format(path=path) for path in ("/cgi-bin", "/shop", "/narrow"))
    config.write_text(text.replace("</configuration>", NARROW.format(locations=locations)))
    (folder / "extensions" / "count.py").write_text(COUNT)
    (folder / "secret.txt").write_text("not for clients\n")
    for name in (".git/config", ".env", "App_Data/users.mdb", "bigbinary.bin"):
        (folder / "wwwroot" / name).parent.mkdir(exist_ok=True)
        (folder / "wwwroot" / name).write_text("not for clients\n")
    (folder / "wwwroot" / "web.config").write_text("<configuration><!-- not for clients --></configuration>\n")
    (folder / "wwwroot" / "leak.txt").symlink_to(folder / "secret.txt")
    (folder / "wwwroot" / "leak").symlink_to(folder)
    with (folder / "wwwroot" / "huge.bin").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    write_program(folder / "wwwroot" / "cgi-bin" / "waiting.cgi", WAITING_CGI)
    with running(folder, config, "--isolation", request.param, port=port) as started:
        yield started


class Heard(NamedTuple):
    """All that came back until the connection ended, and the client's address."""

    raw: bytes
    client: str

    @property
    def statuses(self) -> list[int]:
        """The status of every answer in it."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.raw)]

    @property
    def body(self) -> bytes:
        """Body of the first answer, its chunks joined: where a server cuts them is its own affair."""
        client, pieces = h11.Connection(h11.CLIENT), []
        client.send(h11.Request(method="POST", target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        client.receive_data(self.raw)
        while not isinstance(event := client.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA, f"no whole answer: {self.raw!r}"
            if isinstance(event, h11.Data):
                pieces.append(bytes(event.data))
        return b"".join(pieces)


CLIENTS = (
    f"127.{first}.{second}.{third}" for first in range(9, 250) for second in range(250) for third in range(1, 250)
)
"""An address for each client whose line in HTTPERR is looked for: a port may be another client's within the second."""


def say(service: RunningService, raw: bytes) -> Heard:
    """Send `raw` and listen until the server closes. That it closes is part of every demand here."""
    client = next(CLIENTS)
    with service.connect(client) as connection:
        with suppress(ConnectionError):  # refused before all of it was taken
            connection.sendall(raw)
        return Heard(listen(connection), client)


def listen(connection: socket.socket) -> bytes:
    """Everything until the end; a reset is an end too."""
    pieces = []
    with suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


def httperr_of(service: RunningService, client: str) -> list[list[str]]:
    """The lines that HTTPERR has of that client: words in the order of its fields."""
    lines = service.log_lines("HTTPERR/*.log")
    return [words for words in (line.split(" ") for line in lines) if words[2:3] == [client]]


def wait_for_httperr(service: RunningService, client: str) -> list[str]:
    """The one line that HTTPERR has of that client, as soon as it is written."""
    if not (found := httperr_of(service, client)):
        found = wait_until(lambda: httperr_of(service, client), service.logs, f"HTTPERR's line of {client}")
    (words,) = found
    return words


def request(target: str = "/", fields: str = "", verb: str = "GET", version: str = "HTTP/1.1") -> bytes:
    """A request that is right if its parts are; the connection ends with it."""
    return f"{verb} {target} {version}\r\nHost: x\r\nConnection: close\r\n{fields}\r\n".encode("latin-1")


CHUNKED = request("/cgi-bin/hello.cgi", "Transfer-Encoding: chunked\r\n", "POST")
HIDDEN = b"GET /folder/ HTTP/1.1\r\nHost: hidden\r\n\r\n"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    # Host
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "Hostname"),
    "two hosts": (request(fields="Host: y\r\n"), 400, "Hostname"),
    "the same host twice": (request(fields="host: x\r\n"), 400, "Hostname"),
    "a list of hosts": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Hostname"),
    "a host with a path": (b"GET / HTTP/1.1\r\nHost: a/../b\r\n\r\n", 400, "Hostname"),
    # two readings of where the body ends
    "length and coding": (
        request(fields="Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", verb="POST") + b"0\r\n\r\n" + HIDDEN,
        400,
        "BadRequest",
    ),
    "coding and length": (
        request(fields="Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", verb="POST") + b"0\r\n\r\n" + HIDDEN,
        400,
        "BadRequest",
    ),
    "two lengths": (
        request(fields="Content-Length: 0\r\nContent-Length: 41\r\n", verb="POST") + HIDDEN,
        400,
        "Number",
    ),
    "the same length twice": (request(fields="Content-Length: 1\r\nContent-Length: 1\r\n") + b"x", 400, "Number"),
    "a list of lengths": (request(fields="Content-Length: 1, 1\r\n") + b"x", 400, "Number"),
    "a negative length": (request(fields="Content-Length: -1\r\n"), 400, "Number"),
    "a signed length": (request(fields="Content-Length: +1\r\n"), 400, "Number"),
    "a length in hexadecimal": (request(fields="Content-Length: 0x1\r\n"), 400, "Number"),
    "a length beyond every number": (request(fields=f"Content-Length: {'9' * 30}\r\n"), 413, "EntityTooLarge"),
    "a blank before the colon": (request(fields="Transfer-Encoding : chunked\r\n") + HIDDEN, 400, "Header"),
    "a coding on 1.0": (
        request(fields="Transfer-Encoding: chunked\r\n", verb="POST", version="HTTP/1.0"),
        400,
        "Header",
    ),
    "another coding": (request(fields="Transfer-Encoding: gzip, chunked\r\n", verb="POST"), 501, "N/I"),
    "a disguised coding": (request(fields="Transfer-Encoding: xchunked\r\n", verb="POST"), 501, "N/I"),
    "POST without length": (request(verb="POST"), 411, "LengthRequired"),
    "an unknown expectation": (request(fields="Expect: a miracle\r\n"), 417, "Precondition"),
    # lines and characters
    "bare line feeds": (b"GET / HTTP/1.1\nHost: x\n\n", 400, "Invalid_CR/LF"),
    "one bare line feed": (request(fields="A: b\nC: d\r\n"), 400, "Invalid_CR/LF"),
    "a bare carriage return": (request(fields="A: b\rC: d\r\n"), 400, "Invalid_CR/LF"),
    "a folded line": (request(fields="A: b\r\n c\r\n"), 400, "Header"),
    "NUL in a field": (request(fields="A: b\0c\r\n"), 400, "Header"),
    "NUL in the URL": (request("/\0"), 400, "URL"),
    "NUL in the verb": (request(verb="G\0T"), 400, "Verb"),
    "a control character in a field": (request(fields="A: b\x08c\r\n"), 400, "Header"),
    "a field without colon": (request(fields="nonsense\r\n"), 400, "Header"),
    "a field without name": (request(fields=": b\r\n"), 400, "Header"),
    # sizes
    "an endless request line": (b"GET /" + b"a" * 20000, 414, "URL_Length"),
    "a request line too long": (request("/" + "a" * 20000), 414, "URL_Length"),
    "an endless field": (b"GET / HTTP/1.1\r\nA: " + b"b" * 20000, 431, "RequestLength"),
    "a field too long": (request(fields=f"A: {'b' * 20000}\r\n"), 431, "RequestLength"),
    "too many fields": (request(fields="A: b\r\n" * 4000), 431, "RequestLength"),
    "too many segments": (request("/a" * 300), 400, "URL"),
    "a segment too long": (request("/" + "a" * 300), 400, "URL"),
    # request lines
    "a verb in small letters": (request(verb="get"), 400, "Verb"),
    "TRACE": (request(verb="TRACE"), 501, "N/I"),
    "CONNECT": (request("x:80", verb="CONNECT"), 501, "N/I"),
    "HTTP/0.9": (b"GET /\r\n", 400, "BadRequest"),
    "HTTP/2's preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "Version_N/S"),
    "HTTP/3": (request(version="HTTP/3.0"), 505, "Version_N/S"),
    "another protocol": (request(version="RTSP/1.0"), 400, "BadRequest"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400, "Verb"),
    "two blanks": (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "URL"),
    "no path": (request("index.html"), 400, "URL"),
    "a user in an absolute URL": (request("http://admin@x/"), 400, "URL"),
    "another scheme": (request("ftp://x/"), 400, "URL"),
    "an asterisk that is not OPTIONS'": (request("*"), 400, "URL"),
    # escapes
    "an escaped NUL": (request("/index.html%00.cgi"), 400, "URL"),
    "an escaped line end": (request("/%0d%0aSet-Cookie:a=b"), 400, "URL"),
    "a broken escape": (request("/%zz"), 400, "URL"),
    "a wide escape": (request("/%u0041.txt"), 400, "URL"),
    "an escaped surrogate": (request("/%ud800"), 400, "URL"),
    # chunks
    "a chunk size that is no number": (CHUNKED + b"zz\r\nabc\r\n0\r\n\r\n", 400, "BadRequest"),
    "a negative chunk size": (CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n", 400, "BadRequest"),
    "a chunk size beyond every number": (CHUNKED + b"f" * 20 + b"\r\nabc\r\n", 400, "BadRequest"),
    "a chunk longer than its size": (CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n", 400, "BadRequest"),
    "chunks with bare line feeds": (CHUNKED + b"3\nabc\n0\n\n", 400, "BadRequest"),
    "an endless chunk extension": (CHUNKED + b"3;" + b"x" * 40000, 431, "RequestLength"),
    "endless trailers": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 8000, 431, "RequestLength"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_refused_logged_and_cut_off(service: RunningService, name: str) -> None:
    """One answer, the reason in HTTPERR, the end of the connection; the next client is answered."""
    raw, status, reason = REFUSED[name]
    heard = say(service, raw)
    assert heard.statuses == [status], heard.raw[:300]
    assert b"\r\nConnection: close\r\n" in heard.raw
    assert service.get("/").status == 200
    words = wait_for_httperr(service, heard.client)
    assert (words[9], words[11]) == (str(status), reason), words


ATTACKS: dict[str, tuple[str, int]] = {
    "dots": ("/../secret.txt", 400),
    "many dots": ("/../../../../../../etc/passwd", 400),
    "dots below a folder": ("/folder/../../secret.txt", 400),
    "escaped dots": ("/%2e%2e/secret.txt", 400),
    "escaped slashes": ("/..%2fsecret.txt", 400),
    "half escaped dots": ("/folder/.%2e/.%2E/secret.txt", 400),
    "dots escaped twice": ("/%252e%252e/secret.txt", 404),
    "slashes escaped twice": ("/..%252fsecret.txt", 404),
    "backslashes": ("/..\\secret.txt", 400),
    "escaped backslashes": ("/folder/..%5c..%5csecret.txt", 400),
    "wide escapes": ("/%u002e%u002e/secret.txt", 400),
    "overlong slashes": ("/..%c0%afsecret.txt", 400),
    "overlong dots": ("/%c0%ae%c0%ae/secret.txt", 400),
    "another stream of the file": ("/index.html::$DATA", 404),
    "a final dot": ("/page.pys.", 404),
    "an escaped final blank": ("/page.pys%20", 404),
    "a link to a file outside": ("/leak.txt", 404),
    "a link to a folder outside": ("/leak/secret.txt", 404),
    "a program's tail with dots": ("/cgi-bin/hello.cgi/../../../secret.txt", 400),
    "a backslash after dots escaped twice": ("/..%255c..%255csecret.txt", 404),
    "four dots": ("/....//secret.txt", 404),
    "four dots with a backslash": ("/....\\/secret.txt", 404),
    "a full-width slash": ("/..%ef%bc%8fsecret.txt", 404),
    "a full-width slash as a wide escape": ("/..%uff0fsecret.txt", 400),
    "a full-width backslash": ("/..%ef%bc%bcsecret.txt", 404),
    "an overlong slash of three bytes": ("/..%e0%80%afsecret.txt", 400),
    "an overlong backslash": ("/..%c1%9csecret.txt", 400),
    "an invalid second byte": ("/..%c0%2fsecret.txt", 400),
    "a slash hidden in an escape twice": ("/..%%35%63secret.txt", 400),
    "a drive": ("/c:/windows/win.ini", 404),
    "a program's second extension": ("/cgi-bin/hello.cgi;.jpg", 404),
    "an escaped stream of a program": ("/cgi-bin/hello.cgi%3a%3a$DATA", 404),
    "a stream of a script": ("/page.pys::$DATA", 404),
    "the index of a folder as a stream": ("/folder::$INDEX_ALLOCATION/index.html", 404),
    "a script with .htr behind it": ("/page.pys+.htr", 404),
    "a script with .htr behind its blanks": ("/page.pys%20%20%20.htr", 404),
    "a script and NUL": ("/page.pys%00.txt", 400),
    "a script and a wide NUL": ("/page.pys%u0000.txt", 400),
    "a script and a full-width dot": ("/page%uff0epys", 400),
    "a short name": ("/BIGBIN~1.BIN", 404),
    "a short name of the configuration": ("/WEB~1.CON", 404),
    "the configuration with a final dot": ("/web.config.", 404),
    "the configuration as a stream": ("/web.config::$DATA", 404),
    "the store of git": ("/.git/config", 404),
    "a hidden file": ("/.env", 404),
    "data of an application": ("/App_Data/users.mdb", 404),
    "the configuration": ("/web.config", 404),
    "the configuration in disguise": ("/folder/%57eb.config", 404),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_no_url_leads_out_of_the_root(service: RunningService, name: str) -> None:
    """Refused with a status of its own, and never with what lies outside."""
    target, status = ATTACKS[name]
    heard = say(service, request(target))
    assert heard.statuses == [status], heard.raw[:600]
    assert b"not for clients" not in heard.raw
    assert b"root:" not in heard.raw
    assert service.get("/").status == 200


def test_translate_f_discloses_no_source(service: RunningService) -> None:
    """IIS 5 took the field for a request of an editor and sent the script's text (MS00-058)."""
    fields = "Translate: f\r\n"
    assert b"script says" in say(service, request("/page.pys", fields)).raw
    for target in ("/page.pys%5c", "/page.pys/", "/cgi-bin/hello.cgi", "/web.config"):
        heard = say(service, request(target, fields))
        assert b"print(" not in heard.raw
        assert b"#!/bin/sh" not in heard.raw
        assert b"<configuration" not in heard.raw


ALLOWED: dict[str, tuple[bytes, int]] = {
    "dots inside the root": (request("/folder/../index.html"), 200),
    "an absolute URL": (request("http://x/index.html"), 200),
    "an absolute URL overrules Host": (b"GET http://x/ HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n", 200),
    "HTTP/1.0 without host": (b"GET / HTTP/1.0\r\n\r\n", 200),
    "empty lines before the request": (b"\r\n\r\n" + request(), 200),
    "a verb that nobody knows": (request(verb="BREW"), 405),
    "a verb that the program may know": (request("/cgi-bin/hello.cgi", verb="BREW"), 200),
    "an upgrade that is not taken": (request(fields="Connection: Upgrade\r\nUpgrade: h2c\r\n"), 200),
    "chunks with extensions and trailers": (CHUNKED + b"3;a=b\r\nabc\r\n0\r\nA: b\r\n\r\n", 200),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_odd_and_legal_is_answered(service: RunningService, name: str) -> None:
    """Strictness must not refuse what HTTP allows."""
    raw, status = ALLOWED[name]
    heard = say(service, raw)
    assert heard.statuses == [status], heard.raw[:600]
    assert httperr_of(service, heard.client) == []


def test_pipelined_requests_are_answered_in_order(service: RunningService) -> None:
    """A page, a program, an extension, a missing page, all in one packet."""
    targets = ("/folder/", "/cgi-bin/hello.cgi", "/x.hello?name=third", "/missing.html")
    raw = b"".join(request(target).replace(b"Connection: close\r\n", b"") for target in targets)
    heard = say(service, raw + request("/media/note.txt"))
    assert heard.statuses == [200, 200, 200, 404, 200]
    places = [heard.raw.find(word) for word in (b"in the folder", b"hello from", b"Hello third", b"404", b"a note")]
    assert places == sorted(places)
    assert -1 not in places


def test_a_malformed_request_behind_good_ones_harms_none_of_them(service: RunningService) -> None:
    """Both answers, then the refusal, then nothing: what follows it is never read as a request."""
    good = b"GET /cgi-bin/hello.cgi HTTP/1.1\r\nHost: x\r\n\r\n"
    heard = say(service, good + good + b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + good)
    assert heard.statuses == [200, 200, 400]
    assert wait_for_httperr(service, heard.client)[11] == "Hostname"


def test_a_body_that_nobody_reads_is_never_read_as_a_request(service: RunningService) -> None:
    """A static page refuses POST and leaves the body: what stands in it is no second request."""
    head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(HIDDEN)}\r\n\r\n".encode()
    heard = say(service, head + HIDDEN + request("/media/note.txt"))
    assert heard.statuses == [405, 200]
    assert b"in the folder" not in heard.raw
    chunk = f"{len(HIDDEN):x}\r\n".encode() + HIDDEN + b"\r\n0\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard = say(service, head + chunk + request("/media/note.txt"))
    assert heard.statuses[0] == 405
    assert b"in the folder" not in heard.raw


def test_a_malformed_chunk_behind_the_begin_of_the_answer_breaks_the_connection(service: RunningService) -> None:
    """The answer cannot be completed: the client must not take the part for the whole."""
    head = b"POST /x.echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = next(CLIENTS)
    with service.connect(client) as connection:
        connection.sendall(head + b"5\r\nfirst\r\n")
        heard = b""
        while b"first" not in heard:
            heard += connection.recv(65536)
        connection.sendall(b"not a chunk\r\n")
        heard += listen(connection)
    assert not heard.endswith(b"0\r\n\r\n")
    assert service.get("/").status == 200
    words = wait_for_httperr(service, client)
    assert (words[9], words[11]) == ("-", "BadRequest")


@pytest.mark.parametrize("target", ["/narrow/a.count", "/shop/a.count", "/cgi-bin/hello.cgi"])
def test_a_chunked_body_has_the_limit_of_an_announced_one(service: RunningService, target: str) -> None:
    """maxAllowedContentLength: 404.13 as soon as more has come, before it fills a disk; up to it all is well."""
    chunk = b"c350\r\n" + b"x" * 50000 + b"\r\n"
    head = request(target, "Transfer-Encoding: chunked\r\n", "POST")
    assert say(service, head + 2 * chunk + b"0\r\n\r\n").statuses == [200]
    assert say(service, head + 2 * chunk + b"1\r\nx\r\n" + b"0\r\n\r\n").statuses == [404]
    endless = say(service, head + 200 * chunk)
    assert (endless.statuses, b"404.13" in endless.raw) == ([404], True)
    announced = request(target, "Content-Length: 100001\r\n", "POST") + b"x" * 100001
    assert say(service, announced).statuses == [404]
    assert all(" 404 13 " in line for line in service.site_log(f" POST {target} ", count=4) if " 200 " not in line)
    assert service.get("/").status == 200


@pytest.mark.parametrize(
    "raw",
    [b"GE", b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT"],
    ids=["half a verb", "half a field", "half a second request"],
)
def test_half_a_head_and_the_end_of_the_client_harm_nobody(service: RunningService, raw: bytes) -> None:
    """The connection is closed without an answer to what never was a request."""
    with service.connect() as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        heard = Heard(listen(connection), "")
    assert heard.statuses == [200] * raw.count(b"\r\n\r\n")
    assert service.get("/").status == 200


@pytest.mark.parametrize("target", ["/x.echo", "/cgi-bin/hello.cgi", "/index.html"])
@pytest.mark.parametrize(
    "fields",
    ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf"],
    ids=["length", "chunks"],
)
def test_half_a_body_and_the_end_of_the_client_harm_nobody(service: RunningService, target: str, fields: str) -> None:
    """Nothing is left in hand; a program that was started for it ends."""
    with service.connect() as connection:
        connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\n{fields}".encode())
        connection.shutdown(socket.SHUT_WR)
        heard = Heard(listen(connection), "")
    if target == "/x.echo":
        assert not heard.raw.endswith(b"0\r\n\r\n")  # a part of the body is no whole answer
    assert service.get(target.replace("x.echo", "")).status == 200


def test_a_program_whose_client_leaves_with_half_a_body_is_ended(service: RunningService) -> None:
    """HTTPERR says why there was no answer."""
    program = service.folder / "wwwroot" / "cgi-bin" / "waiting.cgi"
    client = next(CLIENTS)
    with service.connect(client) as connection:
        connection.sendall(b"POST /cgi-bin/waiting.cgi HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nhalf")
        sleeper = service.wait_for_process("sleep")
    assert sleeper.wait(WAIT_SECONDS) is None
    assert (program.parent / "waiting.cgi.pid").read_text().strip() == str(sleeper.pid)
    words = wait_for_httperr(service, client)
    assert (words[8:9], words[11]) == (["/cgi-bin/waiting.cgi"], "Connection_Dropped")


def test_a_request_that_comes_byte_by_byte_is_answered(service: RunningService) -> None:
    """Slow is not wrong."""
    raw = request("/x.echo", "Transfer-Encoding: chunked\r\n", "POST") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with service.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(raw)):
            connection.sendall(raw[at : at + 1])
        heard = Heard(listen(connection), "")
    assert (heard.statuses, heard.body) == ([200], b"abcde")


SLOW: dict[str, tuple[bytes, str]] = {
    "half a head": (b"GET / HTTP/1.1\r\nHost: slow.test\r\nA: ", "Timer_HeaderWait"),
    "half a body": (b"POST /x.echo HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 9\r\n\r\nhalf", "Timer_EntityBody"),
    "nothing more": (b"GET /x.hello HTTP/1.1\r\nHost: slow.test\r\n\r\n", "Timer_ConnectionIdle"),
    "an answer that is not taken": (
        b"GET /huge.bin HTTP/1.1\r\nHost: slow.test\r\n\r\n",
        "Timer_MinBytesPerSecond",
    ),
}


@pytest.mark.slow
def test_clients_that_hold_a_connection_are_cut_off(service: RunningService) -> None:
    """All at once: each is closed after its own time and HTTPERR names the clock; others are served meanwhile."""
    with ExitStack() as stack:
        connections = {name: stack.enter_context(service.connect(next(CLIENTS))) for name in SLOW}
        for name, (raw, _) in SLOW.items():
            connections[name].sendall(raw)
        assert service.get("/").status == 200
        for name, (_, reason) in SLOW.items():
            words = wait_for_httperr(service, connections[name].getsockname()[0])
            assert (words[9], words[11]) == ("-", reason), name
        assert all(Heard(listen(one), "").statuses in ([], [200]) for one in connections.values())
    assert service.get("/").status == 200


@pytest.mark.slow
def test_no_request_is_smuggled(service: RunningService) -> None:
    """Of two requests that two servers may see in it, the hidden one (`/folder/`) is not answered."""
    for name, raw in SMUGGLING.items():
        with service.connect() as connection:
            with suppress(ConnectionError):
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
            heard = listen(connection)
        assert b"in the folder" not in heard, name
        assert len(Heard(heard, "").statuses) <= 1, name


@pytest.mark.slow
def test_nothing_that_a_client_sends_raises_in_the_loop(service: RunningService) -> None:
    """What fuzzing starts from, changed, over real sockets, in two pieces; all other tests here have sent before.

    The listener's answer to a question comes behind every event that it has had to tell.
    """
    rng = random.Random(9112)
    seeds = [*SEEDS["requests"], *(raw for raw, _, _ in REFUSED.values()), *(raw for raw, _ in ALLOWED.values())]
    for raw in [changed(rng, seeds) for _ in range(100)]:
        cut = rng.randint(0, len(raw))
        with service.connect() as connection, suppress(ConnectionError):
            connection.sendall(raw[:cut])
            connection.sendall(raw[cut:])
            if rng.random() < 0.9:
                connection.shutdown(socket.SHUT_WR)
                listen(connection)
    assert service.get("/").status == 200
    assert isinstance(service.ask(ListRequests()), Requests)
    assert not service.has_event("listener-error")
