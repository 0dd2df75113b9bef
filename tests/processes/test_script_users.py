"""Scripts that run as the owners of their files (`cgi/@runAs`), in both process models.

As root the owner is nobody, whom every system has; a test that is not root owns the files itself, which is the one
case that a service without privileges may serve.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

import psutil
import pytest

from host.confinement.privileges import may_change_identity
from tests.confinement.everybody import Interpreter, open_folder, open_interpreter
from tests.running_service import RunningService, start_service, wait_until
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

IS_PRIVILEGED = may_change_identity()
OWNER = pwd.getpwnam("nobody") if IS_PRIVILEGED else pwd.getpwuid(os.geteuid())

LOCATIONS = """\
  <location path="Default Web Site/cgi-bin/users">
    <system.webServer>
      <cgi runAs="fileowner" openFilesLimit="77" />
      <handlers accessPolicy="Read, Script, Execute">
        <add name="mapped" path="*.mapped" verb="*" modules="CgiModule" scriptProcessor="/bin/sh" resourceType="File" />
      </handlers>
    </system.webServer>
  </location>
  <location path="Default Web Site/cgi-bin/users/late">
    <system.webServer><cgi runAs="Pool" /></system.webServer>
  </location>
  <location path="Default Web Site/cgi-bin/users/named">
    <system.webServer><cgi runAs="{name}" /></system.webServer>
  </location>
</configuration>"""
SCRIPTS = {
    "who.cgi": """\
echo to-standard-error > /dev/stderr
printf 'Content-Type: text/plain\\n\\n'
echo "user $(id -u) groups $(id -G) files $(ulimit -n) in $PWD as $0"
grep NoNewPrivs /proc/self/status
env | sort
cat
""",
    "named/own.cgi": "printf 'Content-Type: text/plain\\n\\n'; echo $(id -u) $*\n",
    "x.mapped": "printf 'Content-Type: text/plain\\n\\n'; echo \"mapped $(id -u) $1\"\n",
    "open.cgi": "printf 'Content-Type: text/plain\\n\\n'; id -u\n",
    "roots.cgi": "printf 'Content-Type: text/plain\\n\\n'; id -u\n",
    "late/late.cgi": "printf 'Content-Type: text/plain\\n\\n'; echo user ${USER:-pool}\n",
    "tree.cgi": """
setsid sh -c 'echo $$ >> pids; exec sleep 1000' &
(setsid sh -c 'trap "" TERM; echo $$ >> pids; while :; do sleep 1000; done' &)
echo $$ >> pids
wait
""",
}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with open_interpreter() as found:
        yield found


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, interpreter: Interpreter) -> Iterator[RunningService]:
    with open_folder() as folder:
        config = write_site(folder, default_pool='<processModel identityType="ApplicationPoolIdentity" />')
        text = config.read_text().replace("</configuration>", LOCATIONS.format(name=OWNER.pw_name))
        config.write_text(text)
        users = folder / "wwwroot/cgi-bin/users"
        for name, script in SCRIPTS.items():
            write_program(users / name, "#!/bin/sh\n" + script)
        (users / "open.cgi").chmod(0o775)
        if IS_PRIVILEGED:
            for path in (users, *users.rglob("*")):
                os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
            os.chown(users / "roots.cgi", 0, 0)
        it = start_service(
            folder,
            config,
            "--isolation",
            request.param,
            python=interpreter.python,
            environment={**interpreter.environment, "SECRET": "the service's own"},
            current_folder=interpreter.checkout,
        )
        try:
            yield it
        finally:
            it.stop()


def test_a_script_runs_as_the_owner_of_its_file(service: RunningService) -> None:
    """User, groups, folder, arguments, limits and input; no new privileges, and no variable that is not documented.
    Beside it the pool's own scripts stay the pool's."""
    path = "/cgi-bin/users/who.cgi"
    answer = service.get(path, {"X-Own": "seen", "Proxy": "evil"}, method="POST", body=b"the body")
    assert answer.status == 200, answer.text
    first, privileges, *variables = answer.text.splitlines()
    folder = service.folder / "wwwroot/cgi-bin/users"
    groups = " ".join(str(one) for one in dict.fromkeys(os.getgrouplist(OWNER.pw_name, OWNER.pw_gid)))
    if not IS_PRIVILEGED:
        groups = first.partition("groups ")[2].partition(" files")[0]
    assert first == f"user {OWNER.pw_uid} groups {groups} files 77 in {folder} as {folder}/who.cgi"
    assert privileges == "NoNewPrivs:\t1"
    assert variables.pop() == "the body"
    told = dict(line.split("=", 1) for line in variables)
    expected = {"HOME": OWNER.pw_dir, "USER": OWNER.pw_name, "HTTP_X_OWN": "seen", "SCRIPT_NAME": path}
    assert expected.items() <= told.items()
    assert not {"HTTP_PROXY", "SECRET", "TMPDIR"} & told.keys()
    service.wait_for_event("cgi-stderr", "who.cgi", "to-standard-error")
    assert service.get("/cgi-bin/users/named/own.cgi?one+two").text == f"{OWNER.pw_uid} one two\n"
    assert service.get("/cgi-bin/users/x.mapped").text == f"mapped {OWNER.pw_uid} \n"
    assert service.get("/cgi-bin/hello.cgi").status == 200


def test_a_script_that_fails_a_check_is_refused_with_the_remedy(service: RunningService) -> None:
    """500 that names file, check and remedy, in the page for a local client and in the event; the checks themselves are
    in tests/script_users."""
    answer = service.get("/cgi-bin/users/open.cgi")
    assert answer.status == 500
    for words in ("open.cgi", "check: file-writable", "chmod go-w"):
        assert words in answer.text
    service.wait_for_event("cgi-failed", "open.cgi", "check: file-writable")
    if IS_PRIVILEGED:
        answer = service.get("/cgi-bin/users/roots.cgi")
        assert answer.status == 500
        assert "check: not-root)" in answer.text


def test_the_whole_tree_of_such_a_script_dies_with_its_worker(service: RunningService) -> None:
    """Also what is deaf, and in a session of its own: whose processes they are makes no difference."""
    pids = service.folder / "wwwroot/cgi-bin/users/pids"
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/users/tree.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 3, pids.parent, "three processes")
        processes = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
        assert {one.uids().real for one in processes} == {OWNER.pw_uid}
        title = next(title for title in service.titles() if "worker" in title or "inetinfo" in title)
        service.kill(service.pid_of(title))
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not alive


def test_rules_follow_the_configuration_and_their_process_may_die(service: RunningService) -> None:
    """A saved file brings a new helper with new rules; one that is killed takes its pool's parent along, and the next
    one serves."""
    path = "/cgi-bin/users/late/late.cgi"
    assert service.get(path).text == "user pool\n"
    text = service.config.read_text()
    service.config.write_text(text.replace('<cgi runAs="Pool" />', f'<cgi runAs="{OWNER.pw_name}" />'))
    own = f"user {OWNER.pw_name}\n"
    service.wait_until_answered(path, lambda: service.get(path).text == own)
    if "pool DefaultAppPool" not in service.titles():
        return  # in IIS 5 isolation inetinfo's own spawner does it
    children = psutil.Process(service.pid_of("pool DefaultAppPool")).children()
    helper = next(one.pid for one in children if one.cmdline()[:1] == ["isapy: script users DefaultAppPool"])
    service.kill(helper)
    service.wait_until_answered(path, lambda: service.get(path).text == own)
    service.wait_for_event("script-users-lost", "DefaultAppPool")
