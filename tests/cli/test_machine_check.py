"""`isapy check` on wishes of pools that this kernel or this user grants or does not grant."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.cli import templates
from host.confinement.landlock import landlock_abi
from host.confinement.privileges import may_change_identity
from tests.confinement.everybody import Interpreter, open_folder, open_interpreter

pytestmark = pytest.mark.slow

PLAIN_USER = 71999
POOLS = """\
<applicationPools identityRangeFirst="80000" identityRangeLast="80009">
  <applicationPoolDefaults>
    <processModel identityType="ApplicationPoolIdentity" />
  </applicationPoolDefaults>
  <add name="DefaultAppPool" />
  <add name="Root"><processModel identityType="LocalSystem" /></add>
  <add name="Slow"><cpu limit="50000" action="Throttle" /></add>
  <add name="Boxed"><sandbox mode="Enforce"><add path="/no/such/folder" /></sandbox></add>
"""


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with open_interpreter() as found:
        yield found


@pytest.fixture
def config() -> Iterator[Path]:
    with open_folder() as folder:
        (folder / "conf").mkdir()
        (folder / "wwwroot").mkdir()
        path = folder / "conf" / "applicationHost.config"
        text = templates.fill(templates.APPLICATION_HOST, port="8080", languages="")
        start = text.index("<applicationPools")
        end = text.index("</applicationPools>")
        path.write_text(text[:start] + POOLS + text[end:])
        yield path


def check(config: Path, interpreter: Interpreter, *arguments: str, user: int | None = None) -> Any:
    """What the command prints: JSON, or all of its lines."""
    done = subprocess.run(
        [interpreter.python, "-m", "host", "check", "--config", str(config), *arguments],
        cwd=interpreter.checkout,
        env={**os.environ, **interpreter.environment, "ISAPY_STATE": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout + done.stderr


def warned(found: Any, attribute: str) -> list[str]:
    return [one["message"] for one in found["warnings"] if one["attribute"] == attribute]


def test_what_is_not_granted_is_a_warning_with_its_place(config: Path, interpreter: Interpreter) -> None:
    """Identity, sandbox, processor limit and a rule for nothing, each at its line, with the remedy."""
    found = check(config, interpreter, "--json")
    lines = config.read_text().splitlines()
    for warning in [one for one in found["warnings"] if one["attribute"]]:
        assert warning["remedy"]
        assert warning["element"].partition("/")[0] in lines[warning["line"] - 1]
    assert warned(found, "path") == [
        "/no/such/folder does not exist: the rule allows nothing until the pool's next start"
    ]
    assert (warned(found, "mode") == []) == (landlock_abi() >= 3)
    identity = warned(found, "identityType")
    if may_change_identity() and os.geteuid() == 0:
        assert identity == ["the pool runs as root: a hole in one application is a hole in the machine"]
    else:
        assert any("only root may start it as somebody else" in message for message in identity)
    assert found["machine"]["landlock_abi"] == landlock_abi()
    assert (warned(found, "action") == []) == (found["machine"]["control_group_problem"] == "")


def test_it_says_whom_each_pool_runs_as(config: Path, interpreter: Interpreter) -> None:
    """The number is what the operator must grant access to: the same one that the service gives the pool."""
    text = check(config, interpreter)
    numbers = [line.split()[5] for line in text.splitlines() if line.strip().startswith("pool ")]
    if may_change_identity():
        shown = [line for line in text.splitlines() if "(ApplicationPoolIdentity)" in line]
        assert len(shown) == 3
        assert len({line.split("uid ")[1].split(",")[0] for line in shown}) == 3
        assert all("uid 8000" in line for line in shown)
        assert "pool Root runs as" in text
    assert len(numbers) == 4
    assert "sandbox: " in text
    assert "processor limits: " in text
    (front,) = [line for line in text.splitlines() if "listener runs as" in line]
    assert ("its logs alone" in front) == bool(landlock_abi())
    if may_change_identity():
        number = int(front.split("uid ")[1].split(",")[0])
        assert 80000 <= number <= 80009
        assert all(f"uid {number}" not in line for line in shown)


def test_a_plain_user_is_told_that_every_pool_runs_as_himself(config: Path, interpreter: Interpreter) -> None:
    """Before anything is started."""
    user = PLAIN_USER if os.geteuid() == 0 else None
    found = check(config, interpreter, "--json", user=user)
    own = user or os.geteuid()
    assert set(found["pools"]) == {"DefaultAppPool", "Root", "Slow", "Boxed"}
    assert all(f"uid {own}" in whom for whom in found["pools"].values())
    messages = warned(found, "identityType")
    assert len(messages) == 2  # one place names the three pools, the other one root's
    assert not found["machine"]["may_change_identity"]
    assert found["front"].startswith(f"listener runs as uid {own}")


def test_iis5_isolation_has_no_pools_to_compare(config: Path, interpreter: Interpreter) -> None:
    """Identities and sandboxes are worker process isolation's."""
    config.write_text(config.read_text().replace('mode="WorkerProcess"', 'mode="IIS5"'))
    found = check(config, interpreter, "--json")
    assert (found["pools"], warned(found, "identityType")) == ({}, [])
    assert found["front"].startswith("inetinfo runs as ")
