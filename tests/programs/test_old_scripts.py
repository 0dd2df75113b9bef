"""Scripts as people have had them for twenty years: a form with an upload, shell, nph, Perl with CGI.pm."""

from __future__ import annotations

import glob
import os
import shutil
import sys
import uuid
from collections.abc import Iterator

import pytest

from tests.running_service import RunningService, running
from tests.sample_site import write_program, write_site

UPLOAD_PY = """\
#!{python}
import cgi, cgitb, os, sys
cgitb.enable()
form = cgi.FieldStorage()
print("Content-Type: text/plain")
print()
upload = form["file"]
print("python", "%d.%d" % sys.version_info[:2])
print("name", form.getfirst("name", "nobody"))
print("file", upload.filename, len(upload.file.read()))
print("method", os.environ["REQUEST_METHOD"])
"""

NPH_SH = """\
#!/bin/sh
printf 'HTTP/1.0 203 As I Say\\r\\nContent-Type: text/plain\\r\\nX-Own: yes\\r\\n\\r\\n'
echo "not parsed, $REQUEST_METHOD"
"""

PERL_CGI = """\
#!/usr/bin/perl
use CGI;
my $q = CGI->new;
print $q->header(-type => 'text/plain', -cookie => $q->cookie(-name => 'seen', -value => 'once'));
print "param ", scalar $q->param('word'), "\\n";
print "cookie ", ($q->cookie('seen') // 'none'), "\\n";
"""

PRINT_ENV = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo "Status: 202 Taken"
echo
env | sort
"""


def interpreters() -> list[str]:
    """This one, and a Python 3.13 where there is one: `cgi` left the standard library there."""
    found = [sys.executable]
    others = [shutil.which("python3.13"), *glob.glob(os.path.expanduser("~/.pyenv/versions/3.13*/bin/python3"))]
    for other in others:
        if other and "shims" not in other and sys.version_info[:2] != (3, 13):
            found.append(other)
    return found[:2]


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"old-{request.param}")
    config = write_site(folder)
    programs = folder / "wwwroot" / "cgi-bin"
    for number, python in enumerate(interpreters()):
        write_program(programs / f"upload{number}.py", UPLOAD_PY.format(python=python))
    write_program(programs / "nph-own.sh", NPH_SH)
    write_program(programs / "words.pl", PERL_CGI)
    write_program(programs / "env.sh", PRINT_ENV)
    with running(folder, config, "--isolation", request.param, environment={"SECRET_OF_THE_HOST": "do not leak"}) as it:
        yield it


def form_data(name: str, file: bytes) -> tuple[bytes, str]:
    """A multipart form as a browser sends it."""
    boundary = uuid.uuid4().hex
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="name"\r\n\r\n{name}\r\n'
    head += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="up load.bin"\r\n'
    head += "Content-Type: application/octet-stream\r\n\r\n"
    return head.encode() + file + f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@pytest.mark.parametrize("number", range(len(interpreters())))
@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_with_an_upload_read_by_field_storage(service: RunningService, number: int, chunked: bool) -> None:
    """`import cgi` works with every interpreter, with a counted and with a chunked body."""
    body, content_type = form_data("Åsa", os.urandom(300_000))
    headers = {"Content-Type": content_type}
    if chunked:
        headers["Transfer-Encoding"] = "chunked"
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:1000], body[1000:])) + b"0\r\n\r\n"
    answer = service.get(f"/cgi-bin/upload{number}.py", headers, method="POST", body=body)
    assert answer.status == 200, answer.text
    assert "file up load.bin 300000" in answer.text
    assert "name Åsa" in answer.text


def test_nph_output_goes_out_as_it_is(service: RunningService) -> None:
    """Status line, version and fields are the script's; the connection is closed behind it."""
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/nph-own.sh HTTP/1.1\r\nHost: x\r\n\r\n")
        received = b""
        while piece := connection.recv(65536):
            received += piece
    expected = b"HTTP/1.0 203 As I Say\r\nContent-Type: text/plain\r\nX-Own: yes\r\n\r\nnot parsed, GET\n"
    assert received == expected


def test_perl_with_cgi_pm(service: RunningService) -> None:
    """Parameters and cookies both ways."""
    answer = service.get("/cgi-bin/words.pl?word=caf%C3%A9", {"Cookie": "seen=before"})
    assert answer.status == 200
    assert "cookie before" in answer.text
    assert answer.headers["set-cookie"].startswith("seen=once")


def test_the_environment_is_the_requests_and_nothing_of_the_hosts(service: RunningService) -> None:
    """RFC 3875's variables; no secret of isapy's own environment, no Proxy header (httpoxy), no underscore tricks."""
    headers = {"Proxy": "http://evil", "X-Fine": "1", "X_Forged": "2", "Authorization": "Basic c2VjcmV0"}
    answer = service.get("/cgi-bin/env.sh?q=1&r=%20", headers)
    assert (answer.status, answer.headers["content-type"]) == (202, "text/plain")
    variables = dict(line.split("=", 1) for line in answer.text.splitlines() if "=" in line)
    assert variables["QUERY_STRING"] == "q=1&r=%20"
    assert variables["GATEWAY_INTERFACE"] == "CGI/1.1"
    assert variables["HTTP_X_FINE"] == "1"
    assert variables["SERVER_PORT"] == str(service.port)
    assert variables["REMOTE_ADDR"] == "127.0.0.1"
    leaked = {
        "HTTP_PROXY",
        "HTTP_X_FORGED",
        "HTTP_AUTHORIZATION",
        "SECRET_OF_THE_HOST",
        "CONTENT_LENGTH",
        "ISAPY_STATE",
    }
    assert not leaked & variables.keys()
