"""Where the control socket of a service is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.admin.client import ControlError
from host.admin.commands import Command, Done, Reply, Status
from host.admin.location import check_owner, control_folder, control_socket, find_running
from host.admin.unix_socket import listen
from tests.admin.running_server import running_server


def status_of(config_path: str) -> Status:
    return Status(
        version="0.1.0",
        pid=os.getpid(),
        config_path=config_path,
        isolation_mode="WorkerProcess",
        started_at=0.0,
        urls=[],
        processes=[],
    )


def test_the_name_comes_from_the_configuration_file(tmp_path: Path) -> None:
    """The same file by another spelling is the same socket; another file is another one."""
    environment = {"ISAPY_CONTROL": str(tmp_path)}
    (tmp_path / "my shop" / "conf").mkdir(parents=True)
    config = tmp_path / "my shop" / "conf" / "applicationHost.config"
    path = control_socket(config, environment)
    assert path.parent == tmp_path
    assert path.name.startswith("my-shop-")
    assert path.suffix == ".sock"
    assert control_socket(config.parent / ".." / "conf" / config.name, environment) == path
    assert control_socket(config.with_name("other.config"), environment) != path
    (tmp_path / "link").symlink_to(tmp_path / "my shop")
    assert control_socket(tmp_path / "link" / "conf" / config.name, environment) == path


def test_the_folder_by_environment_and_user() -> None:
    """ISAPY_CONTROL first; root has /run/isapy; others their runtime folder."""
    assert control_folder({"ISAPY_CONTROL": "/x"}) == Path("/x")
    expected = "/run/isapy" if os.geteuid() == 0 else "/run/user/5/isapy"
    assert control_folder({"XDG_RUNTIME_DIR": "/run/user/5"}) == Path(expected)


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """In /tmp anybody may have made it before us."""
    check_owner(tmp_path / "missing")
    (tmp_path / "ours").mkdir(mode=0o700)
    check_owner(tmp_path / "ours")
    (tmp_path / "ours").chmod(0o777)
    with pytest.raises(ControlError, match="others may write"):
        check_owner(tmp_path / "ours")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(ControlError, match="is no folder"):
        check_owner(tmp_path / "link")
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir(mode=0o700)
        os.chown(tmp_path / "theirs", 65534, 65534)
        with pytest.raises(ControlError, match="not to you"):
            check_owner(tmp_path / "theirs")


def test_running_services_are_those_that_answer(tmp_path: Path) -> None:
    """Dead sockets, strange files and services that say something else are passed over."""
    environment = {"ISAPY_CONTROL": str(tmp_path / "run")}
    first, second = (control_socket(tmp_path / name / "conf" / "x.config", environment) for name in "ab")
    assert find_running(environment) == []
    odd = first.with_name("odd.sock")

    def answer(command: Command) -> Reply:
        return status_of("/etc/a.config")

    with (
        running_server(first, answer),
        running_server(second, answer),
        running_server(odd, lambda command: Done(text="hm")),
    ):
        listen(first.with_name("dead.sock")).close()
        first.with_name("file.sock").write_text("no socket")
        running = find_running(environment)
    assert [service.socket_path for service in running] == sorted([first, second])
    assert running[0].status.config_path == "/etc/a.config"
