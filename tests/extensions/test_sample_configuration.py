"""The sample that `make run` serves: it loads without a warning, every link of its page leads somewhere, and every
sample does what the page says."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extensions import hello, script, static_file
from host.api import Response
from host.config.model import IsolationMode, PathSettings, Snapshot
from host.config.names import AccessPolicy
from host.config.store import ServerConfiguration, build_snapshot, read_source
from tests.extensions.requests import REMOTE, content_of, make_request

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
WWWROOT = CONF / "wwwroot"
PAGE = (WWWROOT / "index.html").read_text()
LINKS = re.findall(r'<a href="([^"]+)"', PAGE)


@pytest.fixture(scope="module")
def configuration() -> ServerConfiguration:
    return ServerConfiguration(read_source(str(CONF / "applicationHost.config")), 1)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return build_snapshot(read_source(str(CONF / "applicationHost.config")), 1)


def settings(configuration: ServerConfiguration, url_path: str) -> PathSettings:
    key = "1:/shop" if url_path.startswith("/shop") else "1:/"
    return configuration.settings_for(configuration.snapshot.application(key), url_path)


# --- what the file says ------------------------------------------------------------------------------------------


def test_it_loads_without_a_warning_and_says_what_its_comments_say(snapshot: Snapshot) -> None:
    """Every folder and filter that it names exists, too: the store checks that."""
    assert snapshot.warnings == ()
    assert snapshot.isolation_mode is IsolationMode.WORKER_PROCESS
    [site] = snapshot.sites
    assert (site.name, site.id, [binding.endpoint for binding in site.bindings]) == ("Default Web Site", 1, ["*:8080"])
    placed = {
        application.path: (application.pool_name, application.isolation.value) for application in site.applications
    }
    assert placed == {"/": ("DefaultAppPool", "Medium"), "/shop": ("Shop", "High")}
    assert dict(snapshot.pool("Shop").environment_variables) == {"SHOP_MODE": "demonstration"}


def test_the_commented_switch_is_the_other_mode(tmp_path: Path) -> None:
    """A newcomer moves the comment marks and gets IIS 5."""
    shutil.copytree(CONF, tmp_path / "conf")
    file = tmp_path / "conf" / "applicationHost.config"
    text = file.read_text()
    switched = text.replace('<isolation mode="WorkerProcess" />', "", 1)
    switched = switched.replace('<!-- <isolation mode="IIS5" /> -->', '<isolation mode="IIS5" />', 1)
    assert switched.count("<isolation ") == 1
    file.write_text(switched)
    assert build_snapshot(read_source(str(file)), 1, check_files=False).isolation_mode is IsolationMode.IIS5


def test_the_shipped_filters_run_in_order(configuration: ServerConfiguration) -> None:
    """Request filtering first; only it lets responses into the listener's cache."""
    listed = [(entry.name, entry.enable_cache) for entry in settings(configuration, "/").filters]
    assert listed == [("request_filtering", True), ("custom_headers", False), ("trace", False)]


def test_programs_are_mapped_and_may_run_in_cgi_bin_alone(configuration: ServerConfiguration) -> None:
    """Elsewhere neither the mappings nor the access are there, and the source has no media type."""
    inside, outside = settings(configuration, "/cgi-bin/form.py"), settings(configuration, "/form.py")
    programs = [(handler.path, handler.require_access) for handler in inside.handlers if handler.modules == "CgiModule"]
    assert programs == [(f"*.{ending}", "Execute") for ending in ("cgi", "pl", "py", "sh")]
    assert not [handler for handler in outside.handlers if handler.modules == "CgiModule"]
    assert AccessPolicy.EXECUTE in inside.access_policy
    assert AccessPolicy.EXECUTE not in outside.access_policy
    assert not {".cgi", ".pl", ".py", ".sh", ".pys", ".config"} & set(outside.static_content.mime_map)


def test_the_catch_all_is_the_last_handler_everywhere(configuration: ServerConfiguration) -> None:
    """A mapping behind it would never be tested."""
    for path in ("/", "/cgi-bin/env.sh", "/files/", "/shop/"):
        assert [handler.path for handler in settings(configuration, path).handlers].index("*") == (
            len(settings(configuration, path).handlers) - 1
        )


def test_a_web_config_changes_its_folder_alone(configuration: ServerConfiguration) -> None:
    """The sample override: listing, client cache, a type, a field."""
    here, above = settings(configuration, "/files/readme.txt"), settings(configuration, "/readme.txt")
    assert (here.directory_browse_enabled, above.directory_browse_enabled) == (True, False)
    assert here.static_content.cache_control_mode == "UseMaxAge"
    assert here.static_content.cache_control_max_age_seconds == 3600
    assert ".recipe" in here.static_content.mime_map
    assert ".recipe" not in above.static_content.mime_map
    assert here.custom_headers == (*above.custom_headers, ("X-Folder", "files"))


# --- the welcome page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_every_link_of_the_page_leads_to_its_sample(link: str) -> None:
    """A file, the shop's folder, the hello extension's mapping, or the page that is missing on purpose."""
    path = link.partition("?")[0]
    if path == "missing.html":
        assert not (WWWROOT / path).exists()
    elif path.startswith("shop/"):
        assert (CONF / "shop" / "index.pys").is_file()
    elif path.endswith(".hello"):
        assert hello.handler_mappings()[0].path == "*.hello"
    else:
        script_or_file = "/".join(path.split("/")[:2]) if path.startswith("cgi-bin/") else path
        assert (WWWROOT / script_or_file).exists()


def test_the_page_shows_every_sample() -> None:
    """Whoever adds a program adds its card."""
    programs = {f"cgi-bin/{path.name}" for path in (WWWROOT / "cgi-bin").iterdir()}
    assert programs <= {re.sub(r"(\.\w+)[/?].*", r"\1", link) for link in LINKS}


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No font, script or style from another server: it also works without a network."""
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', PAGE)
    assert "@import" not in PAGE


def test_the_extension_on_the_page_works(tmp_path: Path) -> None:
    """The code that newcomers copy."""
    code = re.search(r"<pre>(import time\n.*?)</pre>", PAGE, flags=re.S)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert names["handler_mappings"]()[0].path == "*.clock"
    assert re.match(rb"\w{3} \w{3} ", names["handle"](make_request(tmp_path, "/now.clock")).body)


# --- the samples run ---------------------------------------------------------------------------------------------


def serve(configuration: ServerConfiguration, target: str) -> Response:
    request = make_request(WWWROOT, target, settings=settings(configuration, target.partition("?")[0]))
    response = asyncio.run(static_file.handle(request))
    assert isinstance(response, Response)
    return response


def test_the_root_is_the_welcome_page(configuration: ServerConfiguration) -> None:
    """By its default document, in UTF-8."""
    assert serve(configuration, "/").internal_target == "/index.html"
    response = serve(configuration, "/index.html")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert content_of(response).decode() == PAGE


def test_the_files_folder_lists_itself(configuration: ServerConfiguration) -> None:
    """Without its web.config."""
    page = content_of(serve(configuration, "/files/")).decode()
    assert re.findall(r'href="\./([^"]+)"', page) == ["bread.recipe", "readme.txt"]


def test_the_script_sample_greets_and_escapes(configuration: ServerConfiguration) -> None:
    """What a visitor sends stays text."""
    body = script.handle(make_request(WWWROOT, "/script.pys?name=%3Cb%3E")).body
    assert isinstance(body, bytes)
    assert b"Hello &lt;b&gt;" in body


def test_the_shop_shows_its_process_and_strangers_cannot_crash_it(configuration: ServerConfiguration) -> None:
    """Its default document is the script; the button works for this machine only (or this test would be gone)."""
    assert settings(configuration, "/shop/").default_documents[0] == "index.pys"
    request = make_request(CONF / "shop", "/index.pys", "POST", body=b"x", connection=REMOTE)
    body = script.handle(request).body
    assert isinstance(body, bytes)
    assert f"<b>{os.getpid()}</b>".encode() in body


def run_program(name: str, body: bytes = b"", **variables: str) -> str:
    """The program's output, started as the CGI handler starts it: by its `#!` line, in its folder."""
    environment = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "REQUEST_METHOD": "GET", **variables}
    if body:
        environment |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body))}
    folder = WWWROOT / "cgi-bin"
    done = subprocess.run([folder / name], input=body, env=environment, cwd=folder, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().replace("\r\n", "\n")


def test_the_shell_program_shows_its_environment() -> None:
    """A header, an empty line, sorted variables."""
    head, _, text = run_program("env.sh", QUERY_STRING="a=1").partition("\n\n")
    assert head == "Content-Type: text/plain; charset=utf-8"
    assert "QUERY_STRING=a=1" in text.splitlines()


def test_the_perl_program_reads_query_and_form() -> None:
    """Decoded, then escaped."""
    assert "<h1>Hello &#60;b&#62; you</h1>" in run_program("hello.pl", QUERY_STRING="x=1&name=%3Cb%3E+you")
    assert "<h1>Hello a&#38;b</h1>" in run_program("hello.pl", b"name=a%26b")


def test_the_old_python_program_takes_an_upload() -> None:
    """cgi.FieldStorage, from the standard library or from legacy-cgi."""
    assert "Send me something" in run_program("form.py")
    parts = [
        'name="name"\r\n\r\n<you>',
        'name="file"; filename="<x>.txt"\r\nContent-Type: text/plain\r\n\r\nabc',
    ]
    body = "".join(f"--B\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--B--\r\n"
    page = run_program("form.py", body.encode(), CONTENT_TYPE="multipart/form-data; boundary=B")
    assert "<p>Hello &lt;you&gt;.</p>" in page
    assert "<b>&lt;x&gt;.txt</b> has 3 bytes, SHA-256 <code>ba7816bf" in page


@pytest.fixture
def clock() -> Iterator[subprocess.Popen[bytes]]:
    program = subprocess.Popen([WWWROOT / "cgi-bin" / "nph-clock.sh"], stdout=subprocess.PIPE, start_new_session=True)
    with program:
        yield program
        os.killpg(program.pid, 9)


def test_the_nph_program_writes_http_itself(clock: subprocess.Popen[bytes]) -> None:
    """Status line, fields, and the first tick before the program has ended."""
    assert clock.stdout is not None
    lines = [clock.stdout.readline() for _ in range(6)]
    assert lines[0] == b"HTTP/1.1 200 OK\r\n"
    assert lines[3:5] == [b"Connection: close\r\n", b"\r\n"]
    assert lines[5].endswith(b"tick 1 of 5\n")
    assert clock.poll() is None


def test_every_program_may_be_executed_and_names_its_interpreter() -> None:
    """The mode bits must survive packing."""
    for program in (WWWROOT / "cgi-bin").iterdir():
        assert program.stat().st_mode & 0o111 == 0o111, program.name
        assert program.read_bytes().startswith(b"#!/"), program.name
