"""The listener of a running service: whom it runs as, what the kernel says of it, and that its logs are written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from host.admin.commands import Done, StopPool
from host.confinement.landlock import landlock_abi
from host.confinement.privileges import may_change_identity
from tests.confinement.everybody import open_folder, open_interpreter
from tests.processes.test_changes import Load, save
from tests.processes.test_confinement import PLAIN_USER, serving
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LISTENER_USER = 71888


def status_of(pid: int) -> dict[str, str]:
    """/proc/PID/status; users and groups as the four numbers."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def users_of(service: RunningService, title: str) -> set[int]:
    return {int(number) for number in status_of(service.pid_of(title))["Uid"].split()}


def assert_is_without_privilege(service: RunningService, user: int) -> None:
    """The kernel's word for it."""
    status = status_of(service.pid_of("listener"))
    assert {int(number) for number in status["Uid"].split()} == {user}
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_the_listener_of_a_root_service_is_nobody_that_matters_and_writes_its_logs(tmp_path: Path) -> None:
    """In folders that are closed to it: HTTPERR, and the log of a site that is added while it runs. A log that root
    has written before is gone on with. Killed, the next one is the same and goes on, too."""
    config = write_site(tmp_path)
    before = tmp_path / "state" / "logs" / "LogFiles" / "W3SVC1"
    before.mkdir(parents=True)
    tmp_path.chmod(0o700)
    with running(tmp_path, config) as service:
        assert service.get("/first").status == 404
        assert service.site_log("/first")
        (log,) = before.glob("*.log")
        user = users_of(service, "listener").pop()
        assert_is_without_privilege(service, user)
        if may_change_identity():
            assert 70000 <= user <= 99999
            assert {one.stat().st_uid for one in (before, log)} == {user}
            assert (before.parent.stat().st_uid, (service.logs / "events.log").stat().st_uid) == (0, 0)
        told = service.wait_for_event("listener-confined", f"uid {user}" if may_change_identity() else "")
        assert ("Landlock (ABI" in told) == bool(landlock_abi())
        with service.connect() as client:
            client.sendall(b"NONSENSE\r\n\r\n")
            assert b" 400 " in client.recv(4096)
        service.httperr("Verb")
        site = '<site name="Two" id="2"><application path="/"><virtualDirectory path="/" physicalPath="../media" />'
        site += f'</application><bindings><binding protocol="http" bindingInformation="127.0.0.1:{service.port}:two" />'
        save(config, lambda text: text.replace("</sites>", f"{site}</bindings></site></sites>"))
        service.wait_until_answered("/", lambda: service.get("/note.txt", {"Host": "two"}).status == 200)
        assert any("note.txt" in line for line in service.site_log("/note.txt"))
        assert list((service.logs / "LogFiles" / "W3SVC2").glob("*.log"))
        service.kill(service.pid_of("listener"))
        service.wait_for_event("listener-confined", count=2)
        service.wait_until_answered("/again", lambda: True)
        service.site_log("/again")
        assert_is_without_privilege(service, user)
        assert not service.has_event("listener-error")
        assert not service.has_event("log-failed")


def test_a_log_of_roots_is_gone_on_with_and_a_lost_folder_comes_back(tmp_path: Path) -> None:
    """What an earlier release has written as root becomes the listener's. A folder that is taken away is reported,
    and made anew by the service, which the listener could not."""
    config = write_site(tmp_path)
    with running(tmp_path, config, "--isolation", "iis5") as service:  # inetinfo is the service's own user
        assert service.get("/old").status == 404
        service.site_log("/old")
        assert users_of(service, "inetinfo") == {os.geteuid()}
        assert not service.has_event("listener-confined")
    with running(tmp_path, config) as service:
        assert service.get("/new").status == 404
        assert len(service.site_log("404", count=2)) == 2
        (log,) = (service.logs / "LogFiles").rglob("*.log")  # one file: the old one
        user = users_of(service, "listener").pop()
        assert log.stat().st_uid == user
        shutil.rmtree(log.parent)

        def is_written() -> bool:
            service.get("/back")
            return log.exists() and "/back" in log.read_text()

        wait_until(is_written, tmp_path, "a log in the folder that came back")
        assert log.parent.stat().st_uid == user


def test_another_user_or_folder_of_logs_takes_another_listener_and_costs_no_request(tmp_path: Path) -> None:
    """What the listener has given up it cannot take back: another one takes over. Pools stay stopped."""
    config = write_site(tmp_path)
    with running(tmp_path, config) as service:
        assert isinstance(service.ask(StopPool(name="Shop")), Done)
        first = service.pid_of("listener")
        with Load(service, "/") as load:
            moved = f'{tmp_path}/elsewhere" />'
            save(config, lambda text: text.replace("<bindings>", f'<logFile directory="{moved}<bindings>', 1))
            service.wait_for_event("configuration-applied", count=1)
            wait_until(lambda: list((tmp_path / "elsewhere").rglob("*.log")), tmp_path, "a log elsewhere")
            second = service.pid_of("listener")
            assert second != first
            user = f'<listener userName="{LISTENER_USER}" />'
            save(config, lambda text: text.replace("<applicationPools>", f"{user}<applicationPools>", 1))
            service.wait_for_event("configuration-applied", count=2)
            assert service.pid_of("listener") not in (first, second)
            assert service.get("/shop/").status == 503
        assert load.failures == []
        assert_is_without_privilege(service, LISTENER_USER if may_change_identity() else os.geteuid())
        (folder,) = (tmp_path / "elsewhere").iterdir()
        service.site_log("/")
        if may_change_identity():
            assert {one.stat().st_uid for one in (folder, *folder.iterdir())} == {LISTENER_USER}
        else:
            service.wait_for_event(
                "listener-confined", f"userName {LISTENER_USER} needs a service that root has started"
            )


def test_the_listener_of_a_plain_users_service_gives_up_what_it_can(tmp_path: Path) -> None:
    """It stays that user: no capability, no new privileges, no file but its logs, which it makes by itself."""
    user = PLAIN_USER if os.geteuid() == 0 else None
    with open_folder() as folder, open_interpreter() as interpreter:
        config = write_site(folder)
        with serving(config, interpreter, folder, user=user) as service:
            assert service.get("/first").status == 404
            service.site_log("/first")
            assert_is_without_privilege(service, user or os.geteuid())
            service.wait_for_event("listener-confined", f"uid {user or os.geteuid()}")
            with service.connect() as client:
                client.sendall(b"NONSENSE\r\n\r\n")
                assert b" 400 " in client.recv(4096)
            service.httperr("Verb")
            assert not service.has_event("log-failed")
