"""`isapy check` on whole files and on broken ones of many kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.cli import templates
from tests.cli.command_line import isapy, typed

pytestmark = pytest.mark.slow


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A valid site without an extra file."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "wwwroot" / "deep").mkdir(parents=True)
    config_of(tmp_path).write_text(templates.fill(templates.APPLICATION_HOST, port="8080", languages=""))
    return tmp_path


def config_of(site: Path) -> Path:
    return site / "conf" / "applicationHost.config"


def replace_in_config(site: Path, old: str, new: str) -> int:
    """Change the configuration; gives the line of the change."""
    text = config_of(site).read_text()
    assert old in text
    config_of(site).write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def test_a_valid_site(site: Path) -> None:
    """Status 0, and nothing on standard output to parse."""
    result = typed("check", "--config", config_of(site))
    assert (result.returncode, result.stdout) == (0, "")
    assert "is valid (0 warnings)" in result.stderr


def test_the_samples_are_valid() -> None:
    """Without --config the sample configuration is judged."""
    result = isapy("check")
    assert result.returncode == 0, result
    assert "applicationHost.config is valid" in result.stderr


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('mode="WorkerProcess"', 'mode="Sideways"', ["isolation/@mode", "Sideways", "WorkerProcess"]),
        ('<isolation mode="WorkerProcess" />', '<isolation mode="IIS5" speed="9" />', ["speed"]),
        ("<applicationPools>", "<applicationPools><pool/>", ["pool"]),
        ('applicationPool="DefaultAppPool" isolation', 'applicationPool="Missing" isolation', ["Missing"]),
        ("127.0.0.1:8080:", "127.0.0.1:port:", ["bindingInformation"]),
        ('isolation="Medium"', 'isolation="Medium" isolation="Low"', ["isolation"]),
        ("</configuration>", "", ["configuration"]),
        ("<configuration>", "<!DOCTYPE x [<!ENTITY a 'b'>]><configuration>", ["DOCTYPE"]),
        ("%ISAPY_ROOT%/wwwroot", "%ISAPY_ROOT%/missing", ["missing"]),
        ("%ISAPY_ROOT%/wwwroot", "%NO_SUCH_NAME%/x", ["NO_SUCH_NAME"]),
        ('name="request_filtering"', 'name="no_such_filter"', ["no_such_filter"]),
        ('accessPolicy="Read, Script, Execute"', 'accessPolicy="Read, Fly"', ["Fly"]),
    ],
    ids=[
        "enum",
        "attribute",
        "element",
        "pool",
        "binding",
        "twice",
        "unclosed",
        "doctype",
        "folder",
        "variable",
        "filter",
        "flags",
    ],
)
def test_each_kind_of_error_has_file_line_and_names(site: Path, old: str, new: str, words: list[str]) -> None:
    """Status 1, no traceback, the line where it stands."""
    line = replace_in_config(site, old, new)
    result = typed("check", "--config", config_of(site))
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    assert result.stdout.startswith(f"error: {config_of(site)}:")
    assert not [word for word in words if word not in result.stdout], result.stdout
    reported = {int(text.split(":")[2]) for text in result.stdout.splitlines() if text.startswith("error: ")}
    assert old == "</configuration>" or any(abs(number - line) <= 1 for number in reported)


def test_all_errors_at_once(site: Path) -> None:
    """Not only the first; the summary counts them."""
    replace_in_config(site, 'mode="WorkerProcess"', 'mode="Sideways"')
    replace_in_config(site, "127.0.0.1:8080:", "127.0.0.1:port:")
    result = typed("check", "--config", config_of(site))
    assert len([line for line in result.stdout.splitlines() if line.startswith("error: ")]) == 2
    assert "2 errors, 0 warnings" in result.stderr


def test_a_broken_web_config_deep_below_is_found(site: Path) -> None:
    """With its own file and line."""
    path = site / "wwwroot" / "deep" / "web.config"
    path.write_text('<configuration>\n<system.webServer>\n<directoryBrowse enabled="perhaps" />\n')
    result = typed("check", "--config", config_of(site))
    assert result.returncode == 1
    assert f"error: {path}:" in result.stdout
    path.write_text(
        '<configuration>\n<system.webServer>\n<directoryBrowse enabled="perhaps" />\n'
        "</system.webServer>\n</configuration>"
    )
    result = typed("check", "--config", config_of(site))
    assert f"error: {path}:3: directoryBrowse/@enabled:" in result.stdout


def test_warnings_do_not_fail(site: Path) -> None:
    """A section that isapy does not support yet is named; the status is 0."""
    line = replace_in_config(site, "<security>", '<odbcLogging dataSource="logs" /><security>')
    result = typed("check", "--config", config_of(site))
    assert result.returncode == 0
    assert result.stdout.startswith(f"warning: {config_of(site)}:{line}: ")
    assert "(1 warning)" in result.stderr


def test_json(site: Path) -> None:
    """Fields of their own for programs, in both cases."""
    valid = json.loads(typed("check", "--config", config_of(site), "--json").stdout)
    assert valid.pop("machine")["processors"] >= 1
    assert isinstance(valid.pop("pools"), dict)
    assert valid.pop("front").startswith("listener runs as ")
    assert valid == {"config": str(config_of(site)), "valid": True, "errors": [], "warnings": []}
    line = replace_in_config(site, 'mode="WorkerProcess"', 'mode="Sideways"')
    result = typed("check", "--config", config_of(site), "--json")
    assert result.returncode == 1
    broken = json.loads(result.stdout)
    assert not broken["valid"]
    (error,) = broken["errors"]
    assert set(error) == {"file", "line", "element", "attribute", "message", "remedy"}
    assert (error["file"], error["line"], error["attribute"]) == (str(config_of(site)), line, "mode")
    assert error["remedy"]


def test_no_such_file(tmp_path: Path) -> None:
    """What to type instead."""
    result = typed("check", "--config", tmp_path / "no.config")
    assert result.returncode == 1
    assert "isapy init FOLDER" in result.stderr


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello", b"<web/>", b"<configuration/>" * 2])
def test_files_that_are_no_configuration(site: Path, content: bytes) -> None:
    """Empty, binary, another format: an error, never a traceback."""
    config_of(site).write_bytes(content)
    result = typed("check", "--config", config_of(site))
    assert result.returncode == 1
    assert "error: " in result.stdout
    assert "Traceback" not in result.stderr


def test_in_a_sites_folder_its_own_configuration_is_judged(site: Path) -> None:
    """Without --config, by the relative path that the folder offers."""
    line = replace_in_config(site, 'applicationPool="DefaultAppPool"', 'applicationPool="Nobody"')
    result = isapy("check", folder=site)
    assert result.returncode == 1
    assert f"{config_of(site)}:{line}: application/@applicationPool" in result.stdout
