"""Programs that others have written, driven by their own clients: Mercurial's hgweb.cgi, the examples of CGI.pm, a wiki
in Perl, a script of Python 2. Each in both process models, by interpreters started cold and warm."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from host.admin.script_messages import ListScripts, Scripts
from tests.programs.form_client import FormClient, multipart
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_program, write_site

HGWEB: Final = Path("/usr/share/doc/mercurial-common/examples/hgweb.cgi")
CGI_PM: Final = Path("/usr/share/doc/libcgi-pm-perl/examples")
WIKI: Final = Path("/usr/lib/cgi-bin/wiki.pl")
WIKI_SETTINGS: Final = Path("/etc/usemod-wiki/config")
STARTS: Final = ("cold", "warm")

pytestmark = pytest.mark.slow

HGWEB_SETTINGS = """\
[paths]
/ = {folder}/repositories/*
[web]
push_ssl = no
allow-push = *
allow-archive = gz
"""

PUSH = """\
#!/usr/bin/perl
use strict;
use CGI::Push qw(:standard);
do_push(-next_page => sub { $_[1] < 4 ? "page $_[1] of $ENV{REQUEST_METHOD}\\n" : undef },
        -last_page => sub { "the last\\n" }, -delay => 0.01, -type => "text/plain");
"""

GUEST_BOOK = """\
#!{python}
import cgi, cgitb, os, sys
try:
    from Cookie import SimpleCookie
except ImportError:
    from http.cookies import SimpleCookie
cgitb.enable()
form = cgi.FieldStorage()
seen = SimpleCookie(os.environ.get("HTTP_COOKIE", ""))
visits = int(seen["visits"].value) + 1 if "visits" in seen else 1
print "Set-Cookie: visits=%d" % visits
if "entry" in form and form["entry"].value == "away":
    print "Status: 303 See Other"
    print "Location: http://%s%s?entry=back" % (os.environ["HTTP_HOST"], os.environ["SCRIPT_NAME"])
    print ""
    sys.exit()
print "Content-Type: text/plain"
print ""
print "Python %d.%d, visit %d" % (sys.version_info[0], sys.version_info[1], visits)
for name in sorted(form.keys()):
    print "%s: %s" % (name, len(form[name].value) if form[name].filename else form[name].value)
"""
"""A script of Python 2. For Python 3 its `print` statements become calls, as 2to3 makes them."""


def interpreters() -> list[str]:
    """The newest of each kind that this machine has: Python 2.7 where there is one, the distribution's, this one."""
    names = (shutil.which("python2.7"), *sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/2.7*/bin/python2.7"))))
    old = [name for name in names if name and "shims" not in name]
    return [*old[-1:], "/usr/bin/python3", sys.executable]


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"real-{request.param}")
    config = write_site(folder)
    cold = '<system.webServer><cgi interpreters="cold" /></system.webServer>'
    location = f'<location path="Default Web Site/cgi-bin/cold">{cold}</location>'
    config.write_text(config.read_text().replace("</configuration>", location + "\n</configuration>"))
    for start in STARTS:
        install(folder / start, folder / "wwwroot" / "cgi-bin" / start)
    with running(folder, config, "--isolation", request.param) as it:
        yield it


def install(data: Path, programs: Path) -> None:
    """Each program as its own documentation has it: only paths are filled in."""
    (data / "repositories").mkdir(parents=True)
    (data / "hgweb.config").write_text(HGWEB_SETTINGS.format(folder=data))
    hgweb = HGWEB.read_text().replace("/path/to/repo/or/config", f"{data}/hgweb.config")
    write_program(programs / "hgweb.cgi", hgweb.replace("#!/usr/bin/env python3", "#!/usr/bin/python3"))
    for example in CGI_PM.glob("*.cgi"):
        write_program(programs / example.name, example.read_text())
    write_program(programs / "nph-push.pl", PUSH)
    (data / "wiki.config").write_text(WIKI_SETTINGS.read_text().replace("/var/lib/usemod-wiki", f"{data}/wiki"))
    wiki = WIKI.read_text(encoding="latin-1").replace(str(WIKI_SETTINGS), f"{data}/wiki.config")
    write_program(programs / "wiki.pl", wiki.replace("/var/lib/usemod-wiki", f"{data}/wiki"))
    for number, python in enumerate(interpreters()):
        text = GUEST_BOOK.format(python=python)
        if "2.7" not in python:
            text = re.sub(r"\bprint (.*)", r"print(\1)", text)
        write_program(programs / f"guests{number}.py", text)


def hg(service: RunningService, *arguments: str) -> str:
    """Run Mercurial, with settings of its own."""
    settings = {"HGRCPATH": "", "HGUSER": "A <a@example.org>", "HGPLAIN": "1", "HOME": str(service.folder)}
    done = subprocess.run(
        ["/usr/bin/hg", *arguments], env={**os.environ, **settings}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, f"hg {' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done.stdout


def wait_until_warm(service: RunningService, path: str) -> None:
    """Ask for that script until a run of it has been a fork of a warm interpreter."""

    def is_warm() -> bool:
        assert service.get(path).status < 400
        reply = service.ask(ListScripts())
        return isinstance(reply, Scripts) and any(
            row.warm_runs for row in reply.rows if row.script.endswith(path.partition("?")[0])
        )

    wait_until(is_warm, service.folder, f"a warm run of {path}")


@pytest.mark.parametrize(("service", "start"), [("workerprocess", "warm"), ("iis5", "cold")], indirect=["service"])
def test_mercurial_clones_and_pushes_by_hgweb(service: RunningService, start: str) -> None:
    """A push of 1.5 MB of noise, a clone of it, a pull of a second change, and hgweb's pages in between. Each start and
    each process model once: git's programs and the ones below go through both of both."""
    folder = service.folder / start
    path = f"/cgi-bin/{start}/hgweb.cgi"
    url = f"http://127.0.0.1:{service.port}{path}/project"
    hg(service, "init", str(folder / "repositories" / "project"))
    if start == "warm":
        wait_until_warm(service, path)
    first, second = str(folder / "first"), str(folder / "second")
    hg(service, "clone", "--quiet", url, first)
    (folder / "first" / "noise.bin").write_bytes(os.urandom(1_500_000))
    hg(service, "-R", first, "commit", "--quiet", "--addremove", "-m", "noise")
    hg(service, "-R", first, "push", "--quiet", "--new-branch")
    hg(service, "clone", "--quiet", url, second)
    assert (folder / "second" / "noise.bin").read_bytes() == (folder / "first" / "noise.bin").read_bytes()
    (folder / "second" / "words.txt").write_text("words\n")
    hg(service, "-R", second, "commit", "--quiet", "--addremove", "-m", "some words")
    hg(service, "-R", second, "push", "--quiet")
    hg(service, "-R", first, "pull", "--quiet", "--update")
    assert (folder / "first" / "words.txt").read_text() == "words\n"
    hg(service, "-R", str(folder / "repositories" / "project"), "verify", "--quiet")
    pages = {tail: service.get(f"{path}/{tail}") for tail in ("", "project", "project/raw-file/tip/words.txt")}
    assert {tail: page.status for tail, page in pages.items()} == dict.fromkeys(pages, 200)
    assert "some words" in pages["project"].text
    assert pages["project/raw-file/tip/words.txt"].text == "words\n"
    assert service.get(f"{path}/project/archive/tip.tar.gz").body[:2] == b"\x1f\x8b"
    etag = pages["project"].headers["etag"]
    assert service.get(f"{path}/project", {"If-None-Match": etag}).status == 304
    assert service.get(f"{path}/missing").status == 404


@pytest.mark.parametrize("start", STARTS)
def test_the_examples_of_cgi_pm(service: RunningService, start: str) -> None:
    """An upload is counted, cookies keep a zoo from page to page, a picture is clicked on, an error is explained."""
    base = f"/cgi-bin/{start}"
    if start == "warm":
        wait_until_warm(service, f"{base}/cookie.cgi")
    client = FormClient(service.port)
    page = client.open(f"{base}/file_upload.cgi")
    form = page.form_with("count")
    form.action, form.fields["count"] = "", "count lines"  # the example's own address is another one
    text = client.send(page, form, {"filename": ("many.txt", b"one line of text\n" * 40_000)}).text
    assert "<h2>many.txt</h2>" in text
    assert re.search(r"Lines: </b>40000\b", text)

    page = client.open(f"{base}/cookie.cgi")
    assert "The zoo is empty" in page.text
    for animal in ("zebra", "yak", "zebra"):
        form = page.form_with(".cgifields")
        form.action = ""
        form.fields |= {"new_animals": animal, "action": "Add"}
        page = client.send(page, form)
    assert "<li>2 zebra</li>" in page.text
    assert "<li>1 yak</li>" in page.text
    assert [cookie.name for cookie in client.cookies] == ["animals"]

    clicked = service.get(f"{base}/clickable_image.cgi?picture.x=12&picture.y=34&letter=W&magnification=4")
    assert "(12,34)" in clicked.text
    body, content_type = multipart({"name": "Åsa", "age": "7"}, {})
    answer = service.get(f"{base}/wikipedia_example.cgi", {"Content-Type": content_type}, method="POST", body=body)
    assert "Your name is Åsa.<br />You are 7 years old." in answer.text
    crash = service.get(f"{base}/crash.cgi")
    assert (crash.status, "Software error" in crash.text) == (500, True), "CGI::Carp says so"


@pytest.mark.parametrize("start", STARTS)
def test_a_server_push_of_cgi_pm_speaks_http_itself(service: RunningService, start: str) -> None:
    """The nph program's own status line and Server field, then page after page until it ends the connection."""
    path = f"/cgi-bin/{start}/nph-push.pl"
    with service.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].endswith(" 200 OK")
    assert lines[0].startswith("HTTP/1.")
    assert "Server: CGI.pm Push Module" in lines
    assert re.findall(rb"page \d of GET|the last", body) == [*(b"page %d of GET" % n for n in (1, 2, 3)), b"the last"]


@pytest.mark.parametrize("start", STARTS)
def test_a_wiki_in_perl_keeps_pages_and_knows_its_users(service: RunningService, start: str) -> None:
    """Preferences set a cookie, an edited page redirects to itself, and the list of changes names who did it."""
    path = f"/cgi-bin/{start}/wiki.pl"
    if start == "warm":
        wait_until_warm(service, path)
    client = FormClient(service.port)
    page = client.open(f"{path}?action=editprefs")
    assert [cookie.name for cookie in client.cookies] == ["Wiki"]
    form = page.form_with("p_username")
    form.fields["p_username"] = "AdaLovelace"
    assert "AdaLovelace" in client.send(page, form).text

    for words in ("The first words of [[a page]] — ü.", 'Better words; 100% of them + more & "quoted".'):
        page = client.open(f"{path}?action=edit&id=SandBox")
        form = page.form_with("text")
        form.fields |= {"text": words, "summary": f"about {words[:3]}", "Save": "Save"}
        form.fields.pop("recent_edit", None)
        shown = client.send(page, form)
        assert shown.url.endswith(f"{path}?SandBox"), "the answer to the form is a redirect"
    assert "100% of them + more &amp;" in shown.text
    assert client.open(f"{path}?action=edit&id=SandBox").form_with("text").fields["text"].strip() == words
    changes = client.open(f"{path}?RecentChanges").text
    assert "SandBox" in changes
    assert "AdaLovelace" in changes
    assert "about Bet" in changes
    history = client.open(f"{path}?action=browse&diff=1&id=SandBox").text
    assert "The first words of" in history, "the difference, by /usr/bin/diff"
    rss = service.get(f"{path}?action=rss")
    assert rss.headers["content-type"].startswith("text/xml")


@pytest.mark.parametrize("number", range(len(interpreters())))
@pytest.mark.parametrize("start", STARTS)
def test_a_guest_book_of_python_2(service: RunningService, start: str, number: int) -> None:
    """Forms, files, cookies and a redirect by `cgi` and `Cookie`; with Python 2.7 where it is installed."""
    path = f"/cgi-bin/{start}/guests{number}.py"
    if start == "warm" and "2.7" not in interpreters()[number]:
        wait_until_warm(service, path)
    client = FormClient(service.port)
    assert client.open(f"{path}?entry=hello").text.splitlines()[1:] == ["entry: hello"]
    page = client.open(f"{path}?entry=away")
    assert page.url.endswith("?entry=back")
    assert page.text.splitlines()[0].endswith("visit 3")
    body, content_type = multipart({"entry": "again"}, {"file": ("a.bin", os.urandom(100_000))})
    answer = service.get(path, {"Content-Type": content_type}, method="POST", body=body)
    assert answer.text.splitlines()[1:] == ["entry: again", "file: 100000"]
