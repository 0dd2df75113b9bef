"""Pools that may do less than their service: identity, privileges, sandbox, processors and limits of CGI programs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from host.admin.commands import Done, StartPool
from host.confinement.landlock import landlock_abi
from host.confinement.privileges import may_change_identity
from tests.confinement.everybody import Interpreter, open_folder, open_interpreter
from tests.processes.test_changes import Load, save
from tests.running_service import RunningService, running, start_service, wait_until
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

PLAIN_USER = 71999

LOOK = """\
import json, os, tempfile
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Look", path="*.look")]

def attempt(path, mode="r"):
    try:
        with open(path, mode) as file:
            return "done"
    except OSError as error:
        return error.strerror

@hookimpl
def handle(request):
    status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
    return Response.json({
        "users": os.getresuid(), "groups": sorted(os.getgroups()),
        "no_new_privs": status["NoNewPrivs"].strip(), "capabilities": status["CapEff"].strip(),
        "processors": sorted(os.sched_getaffinity(0)),
        "temporary": tempfile.gettempdir(), "home": os.environ.get("HOME"),
        "read": attempt(request.query.get("read", "/dev/null")),
        "write": attempt(os.path.join(tempfile.gettempdir(), "mine"), "w"),
    })
"""

LOOK_CGI = """\
#!/bin/sh
echo "Content-Type: text/plain"
echo
echo "user $(id -u)"
echo "group $(id -G)"
echo "files $(ulimit -n)"
echo "temporary $TMPDIR"
grep NoNewPrivs /proc/self/status
cat "$QUERY_STRING" >/dev/null && echo "read done"
echo mine >"$TMPDIR/of-the-program" && echo "write done"
"""


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with open_interpreter() as found:
        yield found


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as found:
        yield found


@contextmanager
def serving(
    config: Path, interpreter: Interpreter, folder: Path, *, user: int | None = None
) -> Iterator[RunningService]:
    """The service in the open folder; `user`: who starts it, where the test is root."""
    if user is not None:
        for name in ("state", "control"):
            (folder / name).mkdir()
            os.chown(folder / name, user, user)
    service = start_service(
        folder,
        config,
        python=interpreter.python,
        environment=interpreter.environment,
        current_folder=interpreter.checkout,
        user=user,
    )
    try:
        yield service
    finally:
        service.stop()


PARENT_PY = """#!/usr/bin/env python3
import os
print("Content-Type: text/plain\\n")
print(open("/proc/%d/cmdline" % os.getppid()).read())
"""
PARENT_PL = """#!/usr/bin/perl
use CGI;
print CGI->new->header("text/plain");
open F, "/proc/" . getppid . "/cmdline";
print <F>;
"""


PRIVATE = """
  <location path="Default Web Site/cgi-bin/private.cgi">
    <system.webServer><cgi privateTemp="true" /></system.webServer>
  </location>
</configuration>"""
PRIVATE_CGI = """\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
dirname "$TMPDIR"
echo x > "$TMPDIR/own" && echo "wrote to its own"
echo x > "$QUERY_STRING/other" && echo "wrote to the pool's"
"""


def write_pools(folder: Path, **pools: str) -> Path:
    """The sample site with these contents of its pools' elements, and what looks around in them."""
    config = write_site(folder, default_pool=pools.pop("DefaultAppPool", ""))
    text = config.read_text()
    for name, content in pools.items():
        text = text.replace(f'<add name="{name}" />', f'<add name="{name}">{content}</add>')
    config.write_text(text.replace("<handlers ", '<cgi openFilesLimit="77" /><handlers ', 1))
    (folder / "extensions" / "look.py").write_text(LOOK)
    for where in ("wwwroot/cgi-bin", "shop/cgi-bin", "deep/cgi-bin"):
        write_program(folder / where / "look.cgi", LOOK_CGI)
    return config


def look(service: RunningService, path: str = "/a.look") -> dict[str, Any]:
    answer = service.get(path)
    assert answer.status == 200, answer.text
    found = json.loads(answer.body)
    assert isinstance(found, dict)
    return found


def test_each_pool_runs_as_whom_its_configuration_names(folder: Path, interpreter: Interpreter) -> None:
    """Worker, script handler and CGI program are that user, without any privilege; the site is served. A service that
    is not root runs all of them as itself and says so; a pool that names nobody runs as the service itself."""
    config = write_pools(
        folder,
        DefaultAppPool='<processModel identityType="ApplicationPoolIdentity" />',
        Shop='<processModel identityType="SpecificUser" userName="71777" noNewPrivileges="false" />',
    )
    (folder / "wwwroot" / "who.pys").write_text("import os\nprint('script of', os.getuid())\n")
    (folder / "wwwroot" / "private.txt").write_text("nobody else's")
    (folder / "wwwroot" / "private.txt").chmod(0o600)
    (folder / "shop" / "web.config").write_text("<configuration/>")
    (folder / "shop" / "web.config").chmod(0o600)
    is_privileged = may_change_identity()
    with serving(config, interpreter, folder) as service:
        own, shop, deep = (
            look(service),
            look(service, "/shop/a.look") if not is_privileged else {},
            look(service, "/shop/deep/a.look"),
        )
        assert service.get("/").status == 200
        program = service.get("/cgi-bin/look.cgi?/dev/null").text
        assert deep["users"] == [os.geteuid()] * 3
        assert (deep["no_new_privs"], own["no_new_privs"]) == ("1", "1")
        assert "NoNewPrivs:\t1" in program
        if not is_privileged:
            assert own["users"] == shop["users"] == [os.geteuid()] * 3
            service.wait_for_event("pool-identity", "DefaultAppPool", "needs a service that root has started")
            return
        number = own["users"][0]
        assert 70000 <= number <= 99999
        assert (own["users"], own["groups"], own["capabilities"]) == ([number] * 3, [number], "0" * 16)
        assert own["home"] == own["temporary"]
        assert Path(own["temporary"]).stat().st_uid == number
        assert f"user {number}\ngroup {number}\nfiles 77\ntemporary {own['temporary']}\n" in program
        assert {"read done", "write done"} <= set(program.splitlines())
        assert service.get("/who.pys").text == f"script of {number}\n"
        refused = service.get("/private.txt")
        assert refused.status == 401
        assert f"uid {number}" in refused.text
        assert "private.txt: Permission denied" in refused.text
        broken = service.get("/shop/")
        assert broken.status == 500
        assert "uid 71777" in broken.text
        (folder / "shop" / "web.config").chmod(0o644)
        service.wait_until_answered("/shop/", lambda: service.get("/shop/").status == 200)
        other = look(service, "/shop/a.look")
        assert other["users"] == [71777] * 3
        assert other["no_new_privs"] == "0"
        service.wait_for_event("pool-identity", "DefaultAppPool", f"uid {number}", "ApplicationPoolIdentity")
        service.wait_for_event("pool-identity", "Deep", "identityType is not written")


def test_a_service_without_privileges_runs_every_pool_as_itself(folder: Path, interpreter: Interpreter) -> None:
    """Whatever they name: workers, programs and temporary folders are the caller's, and the event says it."""
    user = PLAIN_USER if os.geteuid() == 0 else None
    config = write_pools(folder, DefaultAppPool='<processModel identityType="NetworkService" />')
    with serving(config, interpreter, folder, user=user) as service:
        found = look(service)
        expected = user or os.geteuid()
        assert found["users"] == [expected] * 3
        assert (found["no_new_privs"], found["write"]) == ("1", "done")
        assert Path(found["temporary"]).stat().st_uid == expected
        assert f"user {expected}\n" in service.get("/cgi-bin/look.cgi?/dev/null").text
        service.wait_for_event("pool-identity", "NetworkService needs a service that root has started")


@pytest.mark.parametrize("identity", ["", 'identityType="ApplicationPoolIdentity"'])
def test_a_sandbox_keeps_code_and_programs_inside(folder: Path, interpreter: Interpreter, identity: str) -> None:
    """Enforce: the site, its scripts and its programs work; a file that no rule names is out of reach for a handler and
    for a program, also for root; a rule opens it. Without Landlock the pool does not start, and says why."""
    outside = folder / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret")
    (outside / "shared.txt").write_text("shared")
    for name, text in (("parent.py", PARENT_PY), ("parent.pl", PARENT_PL)):
        write_program(folder / "wwwroot" / "cgi-bin" / name, text)
    sandbox = f'<sandbox mode="Enforce"><add path="{outside}/shared.txt" access="Read" /></sandbox>'
    config = write_pools(folder, DefaultAppPool=f"<processModel {identity} />{sandbox}")
    config.write_text(config.read_text().replace("</configuration>", PRIVATE))
    write_program(folder / "wwwroot" / "cgi-bin" / "private.cgi", PRIVATE_CGI)
    with serving(config, interpreter, folder) as service:
        if not landlock_abi():
            assert service.get("/").status == 503
            service.wait_for_event("pool-not-confined", "no Landlock")
            return
        assert service.get("/").status == 200
        assert service.get("/media/note.txt").text == "a note\n"
        assert look(service, f"/a.look?read={outside}/secret.txt")["read"] == "Permission denied"
        inside = look(service, f"/a.look?read={outside}/shared.txt")
        assert (inside["read"], inside["write"]) == ("done", "done")
        assert "script says yes" in service.get("/page.pys?q=yes").text
        for name in ("parent.py", "parent.pl"):
            wait_until(
                lambda name=name: "isapy: warm" in service.get(f"/cgi-bin/{name}").text,  # type: ignore[misc]
                service.logs,
                "a warm interpreter",
            )
        hidden = service.get(f"/cgi-bin/look.cgi?{outside}/secret.txt").text.splitlines()
        assert ("read done" in hidden, "write done" in hidden) == (False, True)
        assert "read done" in service.get(f"/cgi-bin/look.cgi?{outside}/shared.txt").text
        own = service.get(f"/cgi-bin/private.cgi?{inside['temporary']}").text.splitlines()
        assert (own[0], own[1:]) == (inside["temporary"], ["wrote to its own"])  # the pool's is not open to it
        assert look(service, f"/shop/a.look?read={outside}/secret.txt")["read"] == "done"  # the pool beside it
        service.wait_for_event("pool-sandboxed", "DefaultAppPool")


@pytest.mark.parametrize(
    "content",
    ["", '<processModel identityType="ApplicationPoolIdentity" />', '<sandbox mode="Enforce" />'],
    ids=["same", "own", "sandboxed"],
)
def test_a_temporary_folder_that_a_cleaner_has_removed_comes_back(
    folder: Path, interpreter: Interpreter, content: str
) -> None:
    """Programs find it, and no request is lost; a parent that may not make it is replaced by one that may."""
    with serving(write_pools(folder, DefaultAppPool=content), interpreter, folder) as service:

        def temporary() -> Path:
            (line,) = [x for x in service.get("/cgi-bin/look.cgi").text.splitlines() if x.startswith("temporary ")]
            return Path(line.removeprefix("temporary "))

        found = temporary()
        assert found.is_dir()
        shutil.rmtree(folder / "state" / "temp")
        service.wait_for_event("temporary-folder-lost", str(found))
        wait_until(found.is_dir, folder, "the folder")
        assert temporary() == found
        wait_until(lambda: "write done" in service.get("/cgi-bin/look.cgi").text, folder, "a program that writes there")


def test_a_sandbox_in_report_mode_tells_what_it_would_refuse(folder: Path, interpreter: Interpreter) -> None:
    """A link that leads out of the site works, and the event names it beforehand."""
    config = write_pools(folder, DefaultAppPool='<sandbox mode="Report" />', Shop='<sandbox mode="Report" />')
    (folder / "outside").mkdir()
    (folder / "outside" / "page.html").write_text("from outside")
    (folder / "wwwroot" / "linked.html").symlink_to(folder / "outside" / "page.html")
    with serving(config, interpreter, folder) as service:
        assert look(service, f"/a.look?read={folder}/outside/page.html")["read"] == "done"
        if landlock_abi():
            service.wait_for_event("sandbox-report", "DefaultAppPool", "would keep it from", "wwwroot/linked.html")
            service.wait_for_event("sandbox-report", "Shop", "from nothing")
        else:
            service.wait_for_event("sandbox-report", "DefaultAppPool", "no Landlock")


def test_an_affinitized_pool_runs_on_its_processors(folder: Path, interpreter: Interpreter) -> None:
    """Both masks; the pool beside it runs where it likes. A changed mask is in force in the next worker."""
    available = sorted(os.sched_getaffinity(0))
    mask = '<cpu smpAffinitized="true" smpProcessorAffinityMask="{}" smpProcessorAffinityMask2="1" />'
    low = [number for number in available if number < 32]
    config = write_pools(folder, DefaultAppPool=mask.format(1 << low[-1]))
    with serving(config, interpreter, folder) as service:
        assert look(service)["processors"] == [low[-1]]
        assert look(service, "/shop/a.look")["processors"] == available
        config.write_text(config.read_text().replace(mask.format(1 << low[-1]), mask.format(1 << low[0])))
        service.wait_until_answered("/a.look", lambda: look(service)["processors"] == [low[0]])


SLOW = """\
import os, time
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Slow", path="*.slow")]

@hookimpl
def handle(request):
    while not os.path.exists(request.query["until"]):
        time.sleep(0.02)
    return Response.text("done")
"""

BURN = """\
import os, time
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Burn", path="*.burn")]

@hookimpl
def handle(request):
    end = time.thread_time() + float(request.query["seconds"])
    while time.thread_time() < end:
        pass
    return Response.json({"pid": os.getpid(), "used": time.process_time(), "clock": time.monotonic()})
"""


def cpu_limit(seconds: float) -> int:
    """The limit that stands for so many processor seconds a second on this machine."""
    return max(1, int(seconds * 100000 / len(os.sched_getaffinity(0))))


def test_a_pool_that_uses_too_much_processor_time_is_shut_down(tmp_path: Path) -> None:
    """KillW3wp: the worker is ended, requests get 503 AppShutdown, the pool beside it serves, and the administrator may
    start the pool before its window is over. With NoAction there is only the event."""
    limit = cpu_limit(1.5 / 60)
    config = write_pools(
        tmp_path,
        DefaultAppPool=f'<cpu limit="{limit}" action="KillW3wp" resetInterval="00:01:00" />',
        Shop=f'<cpu limit="{limit}" action="NoAction" resetInterval="00:01:00" />',
    )
    (tmp_path / "extensions" / "burn.py").write_text(BURN)
    with running(tmp_path, config) as service:
        assert service.get("/shop/a.burn?seconds=2").status == 200
        told = service.wait_for_event("cpu-limit", "Shop")
        assert "the pool has used" in told
        service.get("/a.burn?seconds=2")
        service.wait_for_event("cpu-limit", "DefaultAppPool", "it is shut down for")
        service.wait_for_event("pool-stopped", "DefaultAppPool", "AppShutdown")
        assert service.get("/").status == 503
        service.httperr("AppShutdown")
        assert service.get("/shop/").status == 200
        assert isinstance(service.ask(StartPool(name="DefaultAppPool")), Done)
        assert service.get("/").status == 200
        assert not service.has_event("cpu-limit", "Shop", "shut down")


def test_a_throttled_pool_stays_near_its_share(tmp_path: Path) -> None:
    """Eight clients that ask for work without a pause: every request is answered, and the worker has used no more than
    its share of the time that it took, however fast or loaded the machine is."""
    share = 0.25
    config = write_pools(tmp_path, DefaultAppPool=f'<cpu limit="{cpu_limit(share)}" action="Throttle" />')
    (tmp_path / "extensions" / "burn.py").write_text(BURN)
    with running(tmp_path, config) as service:
        first = json.loads(service.get("/a.burn?seconds=0").body)
        with ThreadPoolExecutor(8) as clients:
            answers = [
                json.loads(one.body) for one in clients.map(lambda _: service.get("/a.burn?seconds=0.03"), range(48))
            ]
        last = max(answers, key=lambda answer: answer["clock"])
        assert {answer["pid"] for answer in answers} == {first["pid"]}
        used, passed = last["used"] - first["used"], last["clock"] - first["clock"]
        assert used > 48 * 0.03
        assert used <= share * passed + 0.6  # what had been handed out, and saved, before
        service.wait_for_event("cpu-throttled", "DefaultAppPool")


def test_another_sandbox_needs_another_parent_and_costs_no_request(folder: Path, interpreter: Interpreter) -> None:
    """What a parent has taken on it cannot give back: a changed configuration starts another one beside it. A request
    in hand is finished by the old worker, every other one is answered, and the old parent goes with its last worker."""
    config = write_pools(folder, DefaultAppPool='<sandbox mode="Off" />')
    (folder / "outside").mkdir()
    (folder / "outside" / "secret.txt").write_text("secret")
    (folder / "extensions" / "slow.py").write_text(SLOW)
    with serving(config, interpreter, folder) as service:
        path = f"/a.look?read={folder}/outside/secret.txt"
        assert look(service, path)["read"] == "done"
        before = service.pid_of("pool DefaultAppPool")
        with Load(service, "/") as load, ThreadPoolExecutor(1) as client:
            slow = client.submit(service.get, f"/a.slow?until={folder}/go")
            service.wait_for_requests(1)
            save(config, lambda text: text.replace('<sandbox mode="Off" />', '<sandbox mode="Enforce" />'))
            if not landlock_abi():
                service.wait_for_event("pool-not-confined", "no Landlock")
                (folder / "go").touch()
                return
            service.wait_until_answered("/", lambda: look(service, path)["read"] == "Permission denied")
            assert service.pid_of("pool DefaultAppPool") != before
            (folder / "go").touch()
            assert slow.result().text == "done"
            service.wait_for_event("process-ended", "pool DefaultAppPool, which was replaced")
            save(config, lambda text: text.replace('<sandbox mode="Enforce" />', '<sandbox mode="Off" />'))
            service.wait_until_answered("/", lambda: look(service, path)["read"] == "done")
        assert load.answers
        assert not load.failures
        assert not service.has_event("process-died")


def test_an_application_that_is_added_to_a_pool_is_served(tmp_path: Path) -> None:
    """By the pool's parent that runs already."""
    config = write_site(tmp_path)
    (tmp_path / "blog").mkdir()
    (tmp_path / "blog" / "index.html").write_text("the blog\n")
    added = '<application path="/blog"><virtualDirectory path="/" physicalPath="../blog" /></application>'
    with running(tmp_path, config) as service:
        assert service.get("/").status == 200
        parent = service.pid_of("pool DefaultAppPool")
        text = config.read_text()
        config.write_text(text.replace("<bindings>", f"{added}<bindings>", 1))
        service.wait_until_answered("/", lambda: service.get("/blog/").status == 200)
        assert service.pid_of("pool DefaultAppPool") == parent
