"""Debian's PHP in both process models: php-cgi, started and watched by isapy; php-fpm, by unix socket and by TCP; and a
server on Debian's SCGI library."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from host.admin.commands import RecyclePool, StartPool, StopPool
from tests.one_site import write_one_site
from tests.running_service import WAIT_SECONDS, RunningService, free_port, running, wait_until

PAGES = Path(__file__).resolve().parents[1] / "php_pages"
PROGRAMS = Path(__file__).resolve().parents[1] / "fastcgi_programs"
PHP = str(Path("/usr/bin/php-cgi").resolve())
ENDS_WITH_US = ("setpriv", "--pdeathsig", "TERM")  # also when pytest is killed
FPM = max(str(path) for path in Path("/usr/sbin").glob("php-fpm*"))

WEB_SERVER = """\
    <fastCgi>
      <application fullPath="{php}" arguments="-c {folder}/php.ini" maxInstances="3" stderrMode="IgnoreAndReturn200"
                   monitorChangesTo="{folder}/php.ini">
        <environmentVariables><environmentVariable name="APP_MODE" value="live" /></environmentVariables>
      </application>
      <application fullPath="{php}" arguments="-c {folder}/php.ini -d strict=1" />
      <application fullPath="tcp://127.0.0.1:{port}" stderrMode="IgnoreAndReturn200" />
    </fastCgi>
    <handlers accessPolicy="Read, Script">
      <add name="strict" path="/strict/*" verb="*" modules="FastCgiModule" resourceType="File"
           scriptProcessor="{php}|-c {folder}/php.ini -d strict=1" />
      <add name="fpm" path="/fpm/*" verb="*" modules="FastCgiModule" resourceType="File"
           scriptProcessor="unix:{folder}/fpm.sock" />
      <add name="fpm-tcp" path="/fpm-tcp/*" verb="*" modules="FastCgiModule" resourceType="File"
           scriptProcessor="tcp://127.0.0.1:{port}" />
      <add name="scgi" path="/scgi/*" verb="*" modules="ScgiModule" scriptProcessor="tcp://127.0.0.1:{scgi_port}" />
      <add name="php" path="*.php" verb="*" modules="FastCgiModule" resourceType="File"
           scriptProcessor="{php}|-c {folder}/php.ini" />
      <add name="any" path="*.any,*.php7" verb="*" modules="FastCgiModule"
           scriptProcessor="{php}|-c {folder}/php.ini" />
      <add name="StaticFile" path="*" verb="*" modules="StaticFileModule" resourceType="File" requireAccess="Read" />
    </handlers>
    <cgi passAuthorization="true" />
    <security>
      <isapiCgiRestriction notListedCgisAllowed="false">
        <add path="{php}" allowed="true" />
        <add path="unix:{folder}/fpm.sock" allowed="true" />
        <add path="tcp://127.0.0.1:{port}" allowed="true" />
        <add path="tcp://127.0.0.1:{scgi_port}" allowed="true" />
      </isapiCgiRestriction>
    </security>
"""

FPM_POOL = """\
[{name}]
listen = {listen}
listen.mode = 0666
pm = static
pm.max_children = 2
catch_workers_output = yes
{user}
php_admin_value[session.save_path] = {folder}/sessions
php_admin_value[upload_max_filesize] = 64M
php_admin_value[post_max_size] = 64M
php_admin_value[upload_tmp_dir] = {folder}/sessions
php_admin_value[output_buffering] = 0
"""

INI = """\
output_buffering = 0
display_errors = Off
log_errors = On
upload_max_filesize = 64M
post_max_size = 64M
upload_tmp_dir = {folder}/sessions
session.save_path = {folder}/sessions
extension = posix
"""


def write(folder: Path, mode: str) -> Path:
    """The site; gives its configuration."""
    for name in ("sessions", *(f"wwwroot/{part}" for part in ("", "strict", "fpm", "fpm-tcp", "deep"))):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sessions").chmod(0o777)
    for page in PAGES.glob("*.php"):
        for part in ("", "strict", "fpm", "fpm-tcp", "deep"):
            (folder / "wwwroot" / part / page.name).write_text(page.read_text())
    (folder / "php.ini").write_text(INI.format(folder=folder))
    ports = {"port": free_port(), "scgi_port": free_port()}
    (folder / "ports").write_text(json.dumps(ports))
    text = WEB_SERVER.format(folder=folder, php=PHP, **ports)
    return write_one_site(folder, text, mode=mode)


def start_servers(folder: Path) -> list[subprocess.Popen[str]]:
    """php-fpm on its two sockets, and the SCGI server."""
    ports = json.loads((folder / "ports").read_text())
    is_root = os.getuid() == 0
    user = "user = root\ngroup = root" if is_root else ""
    listens = {"unix": f"{folder}/fpm.sock", "tcp": f"127.0.0.1:{ports['port']}"}
    pools = [FPM_POOL.format(name=name, listen=listen, folder=folder, user=user) for name, listen in listens.items()]
    text = f"[global]\nerror_log = {folder}/fpm.log\ndaemonize = no\n" + "\n".join(pools)
    (folder / "fpm.conf").write_text(text)
    fpm = subprocess.Popen(
        [*ENDS_WITH_US, FPM, "-F", "-n", *(["-R"] if is_root else []), "-y", str(folder / "fpm.conf")], text=True
    )
    command = [*ENDS_WITH_US, "/usr/bin/perl", str(PROGRAMS / "scgi.pl"), str(ports["scgi_port"])]
    scgi = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert scgi.stdout is not None
    assert scgi.stdout.readline() == "listening\n"
    wait_until(lambda: "ready to handle connections" in (folder / "fpm.log").read_text(), folder, "php-fpm")
    return [fpm, scgi]


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"php-{request.param}")
    for above in (folder, folder.parent):  # a pool of its own identity must get there
        above.chmod(0o755)
    config = write(folder, request.param)
    (folder / "fpm.log").touch()
    servers = start_servers(folder)
    try:
        with running(folder, config) as started:
            yield started
    finally:
        for server in servers:
            server.terminate()
            server.wait(WAIT_SECONDS)
            if server.stdout is not None:
                server.stdout.close()


def multipart(content: bytes) -> tuple[dict[str, str], bytes]:
    """A form with one file."""
    head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    body = head + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--frontier--\r\n"
    return {"Content-Type": "multipart/form-data; boundary=frontier"}, body


def php_processes(service: RunningService) -> list[psutil.Process]:
    """Processes of php-cgi below the service; one that is ending just now is none."""

    def runs_php(process: psutil.Process) -> bool:
        try:
            return process.exe() == PHP
        except psutil.NoSuchProcess:  # a zombie counts as one, too
            return False

    return [process for process in service.tree() if runs_php(process)]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "/fpm", "/fpm-tcp"])
def test_pages_forms_sessions_and_uploads(service: RunningService, part: str) -> None:
    """What every PHP site does, over each of the three ways."""
    info = service.get(f"{part}/info.php")
    assert (info.status, info.headers["content-type"].startswith("text/html")) == (200, True)
    assert ("CGI/FastCGI" if not part else "FPM/FastCGI") in info.text
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    first = service.get(f"{part}/form.php?q=a+b", form, method="POST", body=b"name=Ada&city=K%C3%B6ln")
    assert first.text.startswith('1 {"name":"Ada","city":"K\\u00f6ln"} {"q":"a b"} ')
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert service.get(f"{part}/form.php", {"Cookie": cookie}).text.startswith("2 [] [] ")
    content = os.urandom(1 << 20) * 20
    fields, body = multipart(content)
    expected = f"0 {len(content)} {hashlib.sha256(content).hexdigest()}"
    assert service.get(f"{part}/upload.php", fields, method="POST", body=body).text == expected
    large = service.get(f"{part}/large.php")
    assert len(large.body) == 320 * 65536
    assert large.body[65536:65537] == b"B"
    status = service.get(f"{part}/status.php")
    assert (status.status, status.headers["set-cookie"]) == (404, "a=1")
    assert service.get(f"{part}/large.php", method="HEAD").body == b""


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "/deep", "/fpm"])
def test_where_a_page_thinks_it_is(service: RunningService, part: str) -> None:
    """SCRIPT_FILENAME, DOCUMENT_ROOT, PATH_INFO and the working directory; the user of Basic authentication."""
    root = service.folder / "wwwroot"
    fields = {"Authorization": "Basic YWxpY2U6c2VjcmV0", "Proxy": "http://evil", "Host": "www.example.org"}
    found = json.loads(service.get(f"{part}/where.php/more/of%20it?a=b", fields).body)
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (f"{part}/where.php", "/more/of it")
    assert (found["SCRIPT_FILENAME"], found["DOCUMENT_ROOT"]) == (f"{root}{part}/where.php", str(root))
    assert (found["REQUEST_URI"], found["QUERY_STRING"]) == (f"{part}/where.php/more/of%20it?a=b", "a=b")
    assert (found["PHP_SELF"], found["folder"]) == (f"{part}/where.php/more/of it", f"{root}{part}")
    assert (found["PHP_AUTH_USER"], found["HTTP_PROXY"], found["SERVER_NAME"]) == ("alice", None, "www.example.org")
    assert json.loads(service.get(f"{part}/where.php").body)["PATH_INFO"] in ("", None)
    assert service.get(f"{part}/missing.php").status == 404


@pytest.mark.slow
@pytest.mark.parametrize("part", ["", "/fpm"])
def test_flushed_output_arrives_line_by_line(service: RunningService, part: str) -> None:
    """The first line is here while the page waits for what the client makes of it."""
    fifo = service.folder / f"fifo{part.replace('/', '-')}"
    os.mkfifo(fifo)
    fifo.chmod(0o666)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    connection.request("GET", f"{part}/lines.php?fifo={fifo}")
    response = connection.getresponse()
    assert response.readline() == b"one\n"
    fifo.write_text("seen\n")
    assert response.read() == b"two seen\n"
    connection.close()


@pytest.mark.slow
def test_error_text_and_the_two_modes(service: RunningService) -> None:
    """What PHP logs is an event; with IIS's default it is also a 500.0 whose text a local client sees."""
    assert service.get("/note.php").text == "the page"
    service.wait_for_event("fastcgi-stderr", "/note.php", "a note of the page")
    answer = service.get("/strict/note.php")
    assert answer.status == 500
    assert "a note of the page" in answer.text
    assert service.get("/strict/status.php").status == 404


@pytest.mark.slow
def test_a_page_that_kills_its_process(service: RunningService) -> None:
    """500.0 that names the signal, in the site's log too; nobody else notices."""
    answer = service.get("/die.php")
    assert answer.status == 500
    assert "killed by SIGKILL" in answer.text
    assert service.site_log("/die.php", " 500 0 9 ")
    service.wait_for_event("fastcgi-failed", "/die.php")
    assert service.get("/where.php").status == 200


@pytest.mark.slow
def test_a_changed_php_ini_replaces_the_processes(service: RunningService) -> None:
    """monitorChangesTo; the new processes obey the new file."""
    before = json.loads(service.get("/where.php").body)["pid"]
    ini = service.folder / "php.ini"
    ini.write_text(ini.read_text() + "default_charset = latin1\n")
    answer = service.get("/form.php")
    assert answer.headers["content-type"] == "text/plain;charset=latin1"
    assert before not in {json.loads(service.get("/where.php").body)["pid"] for _ in range(5)}


@pytest.mark.slow
def test_what_somebody_has_uploaded_is_not_run_as_php(service: RunningService) -> None:
    """php-cgi takes a file on the way for the script, and a mapping without resourceType asks it for every path."""
    root = service.folder / "wwwroot"
    (root / "photo.jpg").write_text("JFIF <?php echo 6 * 7; ?>")
    (root / "page.any").write_text("<?php echo 6 * 7, $_SERVER['PATH_INFO'] ?? ''; ?>")
    for path in ("/photo.jpg/a.php", "/photo.jpg/a.any", "/photo.jpg/.php7", "/photo.jpg/x/a.any/y"):
        answer = service.get(path)
        assert (answer.status, "JFIF" in answer.text) == (404, False), path
    assert service.get("/page.any").text == "42"
    assert service.get("/page.any/more").text == "42/more"
    nothing = service.get("/none/nothing.any")
    assert (nothing.status, nothing.text) == (404, "No input file specified.\n")  # php-cgi's own words


@pytest.mark.slow
def test_a_real_scgi_server(service: RunningService) -> None:
    """Debian's library for Perl, with a body that is larger than any buffer."""
    body = os.urandom(300_000)
    answer = service.get("/scgi/app/more", method="POST", body=body)
    head, _, echoed = answer.body.partition(b"\n")
    assert (answer.status, head) == (202, b"POST /scgi /app/more 1 300000")
    assert echoed == body


@pytest.mark.slow
def test_processes_end_with_their_worker(service: RunningService) -> None:
    """Recycled, killed or stopped: no php-cgi survives it, and the next request starts one."""
    is_iis5 = "inetinfo" in service.titles()

    def gone(processes: list[psutil.Process]) -> None:
        assert processes
        _, alive = psutil.wait_procs(processes, timeout=WAIT_SECONDS)
        assert not alive

    service.get("/where.php")
    before = php_processes(service)
    if is_iis5:
        service.kill(service.pid_of("inetinfo"))
    else:
        service.ask(RecyclePool(name="DefaultAppPool"))
    gone(before)
    wait_until(lambda: _answers(service), service.folder, "an answer")
    before = php_processes(service)
    if not is_iis5:
        service.kill(next(row.pid for row in service.status().processes if row.title.startswith("worker ")))
        gone(before)
        wait_until(lambda: _answers(service), service.folder, "an answer")
        before = php_processes(service)
        service.ask(StopPool(name="DefaultAppPool"))
        gone(before)
        service.ask(StartPool(name="DefaultAppPool"))
        wait_until(lambda: _answers(service), service.folder, "an answer")
    assert php_processes(service)


def _answers(service: RunningService) -> bool:
    try:
        return service.get("/where.php").status == 200
    except OSError:
        return False
