"""What a newcomer sees: the sample site of `isapy run` in a real browser, every link of it, and `isapy run FOLDER`."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.running_service import WAIT_SECONDS, Answer, RunningService, running, start_service, started, wait_until
from tests.sample_site import write_program

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--timeout=90000",
]


class Links(HTMLParser):
    """The links of a page that lead to this site."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        target = dict(attributes).get("href") if tag == "a" else None
        if target and not re.match(r"[a-z]+:", target):
            self.found.append(target if target.startswith("/") else f"/{target}")


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"sample-{request.param}")
    with running(folder, ROOT / "conf" / "applicationHost.config", "--isolation", request.param) as service:
        yield service


def browse(url: str) -> str:
    """The page as a browser has it after loading."""
    with tempfile.TemporaryDirectory() as profile:
        command = [*CHROMIUM, f"--user-data-dir={profile}", "--dump-dom", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    return done.stdout


def test_the_welcome_page_opens_in_a_browser(sample: RunningService) -> None:
    """Rendered by Chromium, with a heading and the samples."""
    page = browse(f"http://127.0.0.1:{sample.port}/")
    assert "isapy" in page
    assert len(Links(page).found) >= 6


def test_every_link_of_the_welcome_page_works(sample: RunningService) -> None:
    """Each sample answers 200; the sample of an error page answers its error."""
    statuses: dict[str, int] = {}
    for target in Links(sample.get("/").text).found:
        answer: Answer = sample.get(target.partition("#")[0])
        statuses[target] = answer.status
    broken = {target: status for target, status in statuses.items() if status >= 400 and "missing" not in target}
    assert not {t: s for t, s in broken.items() if "crash" not in t}, statuses
    assert any(status == 404 for status in statuses.values())


def test_an_error_page_opens_in_a_browser(sample: RunningService) -> None:
    """It names status.substatus and the cause, since the browser is on this machine."""
    page = browse(f"http://127.0.0.1:{sample.port}/missing.html")
    assert "404.0" in page
    assert "missing.html" in page


def test_the_banner_says_where_to_look_and_which_processes_run(sample: RunningService) -> None:
    """A few lines: address, processes with their ids, configuration, logs, how to end it."""
    text = "\n".join(sample.output)
    assert f"http://localhost:{sample.port}/" in text
    for title in ("service", "nursery"):
        assert re.search(rf"\d+ +isapy: {title}", text)
    assert "Ctrl-C" in text
    assert len(sample.output) <= 20


def isapy(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The command, as typed."""
    command = [sys.executable, "-m", "host", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)


def _texts(folder: Path) -> str:
    return "".join(file.read_text() for file in folder.rglob("*.log"))


def test_run_folder_is_the_successor_of_http_server_cgi(tmp_path: Path) -> None:
    """Files, a program in cgi-bin, an executable script outside of it, a page of PHP; but not the source of a script
    without the bit, or in a language that nothing runs."""
    folder = tmp_path / "old site"
    folder.mkdir()
    (folder / "page.html").write_text("plain page\n")
    write_program(folder / "cgi-bin" / "any", "#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho from cgi-bin\n")
    write_program(folder / "cgi-bin" / "own.asp", "#!/bin/sh\necho 'Content-Type: text/plain'\necho\necho runs\n")
    (folder / "cgi-bin" / "library.inc").write_text("PASSWORD = 'do not show'\n")
    write_program(folder / "tool.py", f"#!{sys.executable}\nprint('Content-Type: text/plain\\n')\nprint('a tool')\n")
    (folder / "secret.py").write_text("PASSWORD = 'do not show'\n")
    (folder / "page.php").write_text("<?php echo 6 * 7; echo $an_old_habit; ?>")
    (folder / "page.asp").write_text("<% password = 'do not show' %>")
    service = start_service(tmp_path, folder, "run-folder")
    try:
        assert service.get("/page.html").text == "plain page\n"
        assert service.get("/cgi-bin/any").text == "from cgi-bin\n"
        assert service.get("/cgi-bin/own.asp").text == "runs\n"
        assert service.get("/tool.py").text == "a tool\n"
        assert service.get("/page.php").text == "42"
        wait_until(lambda: "Undefined variable $an_old_habit" in "\n".join(service.output), folder, "PHP's warning")
        for path, status in (("/secret.py", 403), ("/page.asp", 404), ("/cgi-bin/library.inc", 403)):
            refused = service.get(path)
            assert refused.status == status
            assert "do not show" not in refused.text
        assert service.get("/").status == 200
        (logs,) = (line for line in service.output if line.startswith("Logs: "))
        requests = Path(logs.removeprefix("Logs: ").partition(" (requests); ")[0])
        wait_until(lambda: "/cgi-bin/any" in _texts(requests), requests, "a line of the log")
    finally:
        service.stop()


@pytest.mark.parametrize("isolation", ["workerprocess", "iis5"])
def test_a_form_that_is_sent_to_a_folder_reaches_its_index_program(tmp_path: Path, isolation: str) -> None:
    """By CGI and by FastCGI, with its body; a page there takes none."""
    folder = tmp_path / "site"
    write_program(folder / "shop" / "index.cgi", "#!/bin/sh\necho 'Content-Type: text/plain'\necho\nexec cat\n")
    for name, text in (("wiki/index.php", "<?php echo $_POST['a'] ?? 'no form'; ?>"), ("plain/index.html", "a page")):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    service = start_service(tmp_path, folder, "run-folder", "--isolation", isolation)
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for path, status, text in (("/shop/?x=1", 200, "a=sent"), ("/wiki/", 200, "sent"), ("/plain/", 405, "")):
            answer = service.get(path, form, method="POST", body=b"a=sent")
            assert (answer.status, answer.text) == (status, text or answer.text)
    finally:
        service.stop()


@pytest.mark.parametrize("first", ["", "use CGI;\n"], ids=["cold or warm", "warm"])
def test_run_folder_lets_perl_find_what_lies_beside_a_script(tmp_path: Path, first: str) -> None:
    """`require "cgi-lib.pl"` began every script of the nineties. The library is no program, and is to be none."""
    folder = tmp_path / "site"
    script = f"#!/usr/bin/perl\n{first}require 'lib-of-old.pl';\nuse Mine;\nprint &head, Mine::body();\n"
    write_program(folder / "cgi-bin" / "old.cgi", script)
    (folder / "cgi-bin" / "lib-of-old.pl").write_text('sub head { "Content-Type: text/plain\\n\\n" } 1;\n')
    (folder / "cgi-bin" / "Mine.pm").write_text("package Mine; sub body { 'mine' } 1;\n")
    service = start_service(tmp_path, folder, "run-folder")
    try:
        for _ in range(3):
            assert service.get("/cgi-bin/old.cgi").text == "mine"
        assert "chmod" not in "\n".join(service.output)
        verdict = isapy("doctor", str(folder), environment=dict(os.environ))
        assert verdict.returncode == 0, verdict.stdout
        assert "isapy run FOLDER lets it" in verdict.stdout
    finally:
        service.stop()


def test_run_folder_starts_what_the_machine_has_for_interpreters_that_are_not_here(tmp_path: Path) -> None:
    """First lines of Windows, of another Unix, and of nowhere in particular; the terminal says which stand in. A plus
    sign in a path behind them, and a long query, are nothing to be refused."""
    folder = tmp_path / "site"
    says = 'print "Content-Type: text/plain\\n\\nperl $ENV{PATH_INFO} ", length $ENV{QUERY_STRING};\n'
    names = ("C:\\Perl\\bin\\perl.exe -w", "/usr/gnu/bin/perl5.005", "perl -w", "/usr/bin/env perl4")
    for number, name in enumerate(names):
        write_program(folder / f"{number}.pl", f"#!{name}\n{says}")
    write_program(folder / "mapped.pl", says)  # IIS looked at the extension alone
    service = start_service(tmp_path, folder, "run-folder")
    try:
        for number in range(len(names)):
            assert service.get(f"/{number}.pl/c++?{'q' * 5000}").text == "perl /c++ 5000"
        assert service.get("/mapped.pl/c++").text == "perl /c++ 0"
        text = "\n".join(service.output)
        assert f"no #! line      *.pl without one run in {shutil.which('perl')} (1 found)" in text
        for name in ("C:\\Perl\\bin\\perl.exe", "/usr/gnu/bin/perl5.005", "perl", "perl4"):
            assert f"instead of      {name}, which is not here, runs {shutil.which('perl')} (1 found)" in text
    finally:
        service.stop()


@pytest.mark.parametrize("isolation", ["workerprocess", "iis5"])
def test_run_folder_shows_each_request_and_what_its_script_says(tmp_path: Path, isolation: str) -> None:
    """Method, path, status and time on standard error; plain, since that is no terminal here."""
    folder = tmp_path / "site"
    words = "#!/bin/sh\necho 'said aside' >&2\necho 'Content-Type: text/plain'\necho\necho fine\n"
    write_program(folder / "cgi-bin" / "talks", words)
    (folder / "page.html").write_text("a page\n")
    service = start_service(tmp_path, folder, "run-folder", "--isolation", isolation)
    try:
        for path, status in (("/page.html", 200), ("/cgi-bin/talks?a=1", 200), ("/missing", 404)):
            assert service.get(path).status == status
        shown = ("GET  /page.html  200  ", "GET  /cgi-bin/talks?a=1  200  ", "GET  /missing  404  ", "said aside")

        def is_shown() -> bool:
            return all(any(words in line for line in service.output) for words in shown)

        wait_until(is_shown, tmp_path, f"a line for each request: {service.output[-5:]}")
        assert not [line for line in service.output if "\x1b" in line]
        assert not [line for line in service.output if "cgi-stderr" in line]
    finally:
        service.stop()


def test_the_command_lists_and_stops_a_running_service(sample: RunningService) -> None:
    """`isapy list ... --json` without any option finds the one service that runs."""
    for what in ("sites", "workers", "requests", "plugins"):
        done = isapy("list", what, "--json", environment=sample.environment)
        assert done.returncode == 0, done.stderr
        assert done.stdout.lstrip().startswith("[")
    table = isapy("list", "sites", environment=sample.environment)
    assert "Default Web Site" in table.stdout


def test_init_run_and_new_are_a_working_site(tmp_path: Path) -> None:
    """A starter site serves; a new extension is mapped and a new filter listed while it runs."""
    environment = {**os.environ, "ISAPY_STATE": str(tmp_path / "state"), "ISAPY_CONTROL": str(tmp_path / "control")}
    site = tmp_path / "mysite"
    assert isapy("init", str(site), environment=environment).returncode == 0
    config = site / "conf" / "applicationHost.config"
    assert isapy("check", "--config", str(config), environment=environment).returncode == 0
    with running(tmp_path, config) as service:
        assert service.get("/").status == 200
        made = isapy("new", "extension", "greeting", "--root", str(site), environment=environment)
        assert made.returncode == 0, made.stderr
        service.wait_until_answered("/x.greeting", lambda: service.get("/x.greeting").status == 200)
        made = isapy("new", "filter", "stamp", "--root", str(site), environment=environment)
        assert made.returncode == 0, made.stderr
        service.wait_for_event("configuration-applied")
        assert service.get("/").status == 200


def test_ctrl_c_in_a_terminal_ends_the_command(tmp_path: Path) -> None:
    """`isapy run` itself becomes the service: the signal goes to the same process."""
    with started(tmp_path, ROOT / "conf" / "applicationHost.config", "command") as service:
        service.tree()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(WAIT_SECONDS) == 0
    service.assert_nothing_left()


@pytest.mark.parametrize("isolation", ["WorkerProcess", "IIS5"])
def test_the_last_requests_are_shown_although_ctrl_c_follows_at_once(tmp_path: Path, isolation: str) -> None:
    """With what their scripts said; the log is written a little later than answers are."""
    folder = tmp_path / "site"
    words = "#!/bin/sh\necho a last word >&2\necho 'Content-Type: text/plain'\necho\necho done\n"
    write_program(folder / "cgi-bin" / "last", words)
    service = start_service(tmp_path, folder, "run-folder", "--isolation", isolation)
    try:
        assert service.get("/cgi-bin/last?at=the-end").text == "done\n"
    finally:
        service.stop()
    wait_until(lambda: "    a last word" in service.output, tmp_path, f"the last line: {service.output[-5:]}")
    assert any(line.startswith("GET  /cgi-bin/last?at=the-end  200") for line in service.output)
