"""Names and passwords on a whole server, in both isolation modes: git, scripts, files, a changed file."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator

import pytest

from tests.authentication.hashes import HASHES, PASSWORD
from tests.programs.git_site import bare_repository, git, write_git_site
from tests.running_service import Answer, RunningService, read_answer, running

pytestmark = pytest.mark.slow

PROTECTED = """
  <location path="Default Web Site/{path}"><system.webServer><security><authentication>
    <anonymousAuthentication enabled="false" />
    <basicAuthentication enabled="true" realm="ours" userFile="../{users}" />
  </authentication></security></system.webServer></location>
"""
SCRIPT = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
printf '%s %s %s %s' "$REMOTE_USER" "$AUTH_TYPE" "$LOGON_USER" "${HTTP_AUTHORIZATION:-none}"
"""


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5 Low", "IIS5 High"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    mode, _, isolation = str(request.param).partition(" ")
    folder = tmp_path_factory.mktemp(f"logon-{mode}")
    for name in ("private", "admin"):
        (folder / "wwwroot" / name).mkdir(parents=True)
    (folder / "wwwroot/private/note.txt").write_text("private")
    script = folder / "wwwroot/private/who.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    (folder / "users").write_text(f"alice:{HASHES['openssl passwd -6']}\n")
    (folder / "wwwroot/admin/note.txt").write_text("administered")
    (folder / "admins").write_text(f"bob:{HASHES['openssl passwd -6']}\n")
    places = {"git": "users", "private": "users", "admin": "admins"}
    locations = "".join(PROTECTED.format(path=path, users=users) for path, users in places.items())
    config = write_git_site(folder, mode, isolation=isolation or "Medium", locations=locations)
    git(folder, "-C", str(bare_repository(folder)), "config", "core.logAllRefUpdates", "true")
    with running(folder, config) as started:
        yield started


def ask(service: RunningService, path: str, user: str = "", password: str = PASSWORD) -> Answer:
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return service.get(path, {"Authorization": f"Basic {credentials}"} if user else {})


def test_git_pushes_with_a_name_and_nobody_without_one(service: RunningService) -> None:
    """git-http-backend takes a push from whoever is REMOTE_USER, and writes down who it was."""
    folder = service.folder
    address = f"127.0.0.1:{service.port}/git/git-http-backend/project.git"
    mine = folder / "mine"
    git(folder, "clone", "--quiet", f"http://alice:sch%C3%B6n%2042@{address}", str(mine))
    (mine / "large.bin").write_bytes(os.urandom(3 * 1024 * 1024))
    git(folder, "-C", str(mine), "add", ".")
    git(folder, "-C", str(mine), "commit", "--quiet", "-m", "large")
    git(folder, "-C", str(mine), "-c", "http.postBuffer=65536", "push", "--quiet", "origin", "HEAD:main")
    assert git(folder, "-C", str(mine), "rev-parse", "HEAD") == git(folder, "-C", str(mine), "rev-parse", "origin/main")
    log = (bare_repository(folder) / "logs/refs/heads/main").read_text()
    assert "alice <alice@http." in log
    for wrong in (f"http://{address}", f"http://alice:wrong@{address}"):
        git(folder, "clone", "--quiet", wrong, str(folder / "theirs"), succeeds=False)


def test_scripts_know_who_asks_and_not_the_password(service: RunningService) -> None:
    """REMOTE_USER, AUTH_TYPE and LOGON_USER; HTTP_AUTHORIZATION stays with the server."""
    answer = ask(service, "/private/who.sh", "alice")
    assert (answer.status, answer.text) == (200, "alice Basic alice none")
    refused = ask(service, "/private/who.sh")
    assert refused.status == 401
    assert refused.headers["www-authenticate"] == 'Basic realm="ours", charset="UTF-8"'


def test_files_are_for_those_who_log_on_also_when_they_were_asked_for_before(service: RunningService) -> None:
    """Nothing of it is kept in the listener's cache."""
    for _ in range(4):
        assert ask(service, "/private/note.txt", "alice").text == "private"
    assert [ask(service, path).status for path in ("/private/note.txt", "/private//note.txt")] == [401, 401]
    assert ask(service, "/%70rivate/./x/../note.txt").status == 401
    assert ask(service, "/private/note.txt", "alice", "wrong").status == 401


def test_the_file_counts_as_it_is_now(service: RunningService) -> None:
    """A user that is added is let in without a restart, and one that is gone is not."""
    users = service.folder / "users"
    before = users.read_text()
    assert ask(service, "/private/note.txt", "carol").status == 401
    users.write_text(before + f"carol:{HASHES['htpasswd -B']}\n")
    assert ask(service, "/private/note.txt", "carol").status == 200
    users.write_text(before)
    assert ask(service, "/private/note.txt", "carol").status == 401
    assert ask(service, "/private/note.txt", "alice").status == 200


def test_no_spelling_leads_past_the_lock(service: RunningService) -> None:
    """Virtual directories are found in any case of letters."""
    for path in ("/git/git-http-backend", "/GIT/git-http-backend", "/Git//git-http-backend"):
        assert ask(service, f"{path}/project.git/info/refs?service=git-upload-pack").status == 401


def test_a_script_in_the_open_that_leads_there_lets_in_who_may_come(service: RunningService) -> None:
    """A local redirect: the log says who that was, and nobody else gets the answer."""
    script = service.folder / "wwwroot/lead.sh"
    script.write_text("#!/bin/sh\nprintf 'Location: /private/note.txt\\r\\n\\r\\n'\n")
    script.chmod(0o755)
    assert [ask(service, "/lead.sh", "alice").text for _ in range(3)] == ["private"] * 3
    assert ask(service, "/lead.sh").status == 401
    service.site_log("/lead.sh", " alice ", count=3)


def test_a_name_is_looked_up_anew_where_other_users_are_at_home(service: RunningService) -> None:
    """A script that everybody of one file may ask leads to what is for those of another one, who may be called the
    same: who is in both may come."""
    script = service.folder / "wwwroot/private/lead.sh"
    script.write_text("#!/bin/sh\nprintf 'Location: %s\\r\\n\\r\\n' \"$QUERY_STRING\"\n")
    script.chmod(0o755)
    assert ask(service, "/private/lead.sh?/private/note.txt", "alice").text == "private"
    assert ask(service, "/private/lead.sh?/admin/note.txt", "alice").status == 401
    users = service.folder / "users"
    before = users.read_text()
    users.write_text(before + f"bob:{HASHES['htpasswd -B']}\n")
    assert ask(service, "/private/lead.sh?/admin/note.txt", "bob").text == "administered"
    users.write_text(before)


def test_an_upload_is_refused_before_it_is_sent(service: RunningService) -> None:
    """Nobody is told to continue who may not come."""
    head = "POST /private/who.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(head.encode())
        assert read_answer(connection).status == 401
