"""Broken configuration of every kind: told by `isapy check`, and told by a running service that serves on."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.running_service import ROOT, RunningService, running, wait_until
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")


class Mistake(NamedTuple):
    """What is changed in the sample's file, and what must be said about it."""

    old: str
    new: str
    place: str  # element/@attribute, empty for the file as a whole
    message: str
    remedy: str


TOGETHER: dict[str, Mistake] = {
    "enum": Mistake('mode="WorkerProcess"', 'mode="Sideways"', "isolation/@mode", '"Sideways"', "WorkerProcess, IIS5"),
    "range": Mistake(
        '<add name="Deep" />',
        '<add name="Deep" queueLength="5" />',
        "applicationPools/add/@queueLength",
        "5 is out of range",
        "10 to 65535",
    ),
    "number": Mistake(
        '<add name="Shop" />',
        '<add name="Shop"><failure rapidFailProtectionMaxCrashes="few" /></add>',
        "failure/@rapidFailProtectionMaxCrashes",
        '"few" is not a number',
        "digits",
    ),
    "time span": Mistake(
        '<add name="DefaultAppPool">',
        '<add name="DefaultAppPool"><processModel idleTimeout="20 minutes" />',
        "processModel/@idleTimeout",
        '"20 minutes" is not a timeSpan',
        "hh:mm:ss",
    ),
    "flag": Mistake('accessPolicy="Read, ', 'accessPolicy="Read, Fly, ', "handlers/@accessPolicy", '"Fly"', "Execute"),
    "required": Mistake('<add name="CGI-cgi" path', "<add path", "handlers/add/@name", "required", "add it"),
    "unknown attribute": Mistake(
        "allowPathInfo", "alowPathInfo", "handlers/add/@alowPathInfo", "no attribute", "allowPathInfo"
    ),
    "unknown element": Mistake("<filter name", "<filtre name", "filtre", "no element", "filter"),
    "unknown section": Mistake(
        "</security>", "</security><defaultDocumint />", "defaultDocumint", "no section", "defaultDocument"
    ),
    "unknown group": Mistake("</configuration>", "<system.wob /></configuration>", "system.wob", "group", "system.web"),
    "unknown filter": Mistake('name="marker"', 'name="markr"', "filter/@name", '"markr"', "marker"),
}
"""Mistakes in the words of the file, which one reading finds all at once."""

BETWEEN: dict[str, Mistake] = {
    "duplicate key": Mistake(
        '<add name="Deep" />',
        '<add name="Deep" /><add name="deep" />',
        "applicationPools/add/@name",
        "there already",
        "remove one",
    ),
    "missing folder": Mistake("../media", "../nowhere", "virtualDirectory/@physicalPath", "does not exist", "mkdir -p"),
    "unknown pool": Mistake(
        'applicationPool="Shop"', 'applicationPool="Shopp"', "application/@applicationPool", '"Shopp"', "Shop"
    ),
    "duplicate site id": Mistake(
        "</sites>",
        '<site name="Two" id="1"><application path="/"><virtualDirectory path="/" physicalPath="../deep" />'
        "</application></site></sites>",
        "site/@id",
        "the id 1",
        "its own id",
    ),
    "bad binding": Mistake(
        "127.0.0.1:8080:", "127.0.0.1:web:", "binding/@bindingInformation", '"web" is not a port', "1 to 65535"
    ),
    "location of a server section": Mistake(
        "</configuration>",
        '<location path="x"><system.applicationHost><log /></system.applicationHost></location></configuration>',
        "log",
        "whole server",
        "move it",
    ),
}
"""Mistakes that lie between the parts of the file."""

ALONE: dict[str, Mistake] = {
    "duplicate application": Mistake(
        'path="/shop/deep"', 'path="/shop"', "application/@path", "there already", "remove one"
    ),
    "application twice with another folder": Mistake(
        "</application>\n        <bindings>",
        '</application>\n<application path="/shop"><virtualDirectory path="/b" physicalPath="../deep" />'
        "</application>\n        <bindings>",
        "application/@path",
        '"/shop" is there already',
        "remove one",
    ),
    "unknown variable": Mistake("../media", "%NOBODY_SET_THIS%", "virtualDirectory/@physicalPath", "NOBODY_SET", "set"),
}
"""Mistakes that would hide one of the others."""

UNREADABLE: dict[str, Mistake] = {
    "unclosed": Mistake("</sites>", "", "", "not well-formed", "repair"),
    "attribute twice": Mistake('id="1"', 'id="1" id="1"', "", "not well-formed", "repair"),
    "entity": Mistake("../media", "&media;", "", "not well-formed", "repair"),
    "DOCTYPE": Mistake(
        "<configuration>",
        '<!DOCTYPE configuration [<!ENTITY media SYSTEM "file:///etc/passwd">]><configuration>',
        "",
        "DOCTYPE",
        "remove it",
    ),
    "encoding": Mistake('encoding="UTF-8"', 'encoding="UTF-7"', "", "encoding utf-7", "UTF-8"),
    "text": Mistake("</sites>", "and more</sites>", "sites", "text", "remove it"),
    "another file": Mistake("<configuration>", "<html /><configuration>", "", "not well-formed", "repair"),
}
"""Mistakes that end the reading."""


def spoil(text: str, mistake: Mistake) -> str:
    assert mistake.old in text
    return text.replace(mistake.old, mistake.new, 1)


def line_of(text: str, mistake: Mistake) -> int:
    """The line of the spoilt text in which the mistake stands."""
    at = next(i for i, (a, b) in enumerate(zip(text, spoil(text, mistake) + "\0", strict=False)) if a != b)
    return text.count("\n", 0, at) + 1


def pattern_of(path: Path, line: int, mistake: Mistake) -> re.Pattern[str]:
    """`file:line: element/@attribute: message; remedy`."""
    place = f"{re.escape(mistake.place)}: " if mistake.place else ""
    words = f"[^;]*{re.escape(mistake.message)}[^;]*; .*{re.escape(mistake.remedy)}"
    return re.compile(f"{re.escape(str(path))}:{line}: {place}{words}")


def check(config: Path) -> subprocess.CompletedProcess[str]:
    """`python -m host check --config FILE`, as typed."""
    command = [sys.executable, "-m", "host", "check", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


def assert_told(
    result: subprocess.CompletedProcess[str], config: Path, mistakes: dict[str, tuple[int, Mistake]]
) -> None:
    """Exit status 1, one error for each mistake and none besides, no traceback."""
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result
    errors = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    missing = [
        name
        for name, (line, mistake) in mistakes.items()
        if not any(pattern_of(config, line, mistake).search(error) for error in errors)
    ]
    assert missing == [], "\n".join(errors)
    assert len(errors) == len(mistakes), "\n".join(errors)


@pytest.mark.parametrize("mistakes", [TOGETHER, BETWEEN], ids=["words", "parts"])
def test_check_tells_every_mistake_at_once(tmp_path: Path, mistakes: dict[str, Mistake]) -> None:
    """Each with its file and line, element and attribute, and what to do."""
    config = write_site(tmp_path)
    text = config.read_text()
    told = {name: (line_of(text, mistake), mistake) for name, mistake in mistakes.items()}
    for mistake in mistakes.values():
        text = spoil(text, mistake)
    config.write_text(text)
    assert_told(check(config), config, told)


@pytest.mark.parametrize("name", ALONE)
def test_check_tells_a_mistake_that_brings_others_with_it(tmp_path: Path, name: str) -> None:
    """It is among the errors, in its line."""
    config, mistake = write_site(tmp_path), ALONE[name]
    text = config.read_text()
    config.write_text(spoil(text, mistake))
    result = check(config)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result
    assert pattern_of(config, line_of(text, mistake), mistake).search(result.stdout), result.stdout


@pytest.mark.parametrize("name", UNREADABLE)
def test_check_tells_why_a_file_cannot_be_read(tmp_path: Path, name: str) -> None:
    """The line that the reader had come to, and what to do."""
    config, mistake = write_site(tmp_path), UNREADABLE[name]
    config.write_text(spoil(config.read_text(), mistake))
    result = check(config)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False), result
    (error,) = [line for line in result.stdout.splitlines() if line.startswith("error: ")]
    found = re.fullmatch(rf"error: {re.escape(str(config))}:(\d+): (.*)", error)
    assert found, error
    assert 1 <= int(found[1]) <= len(config.read_text().splitlines())
    assert mistake.message in error
    assert mistake.remedy in error


LOCKED = '<location path="" overrideMode="Deny"><system.webServer><cgi /></system.webServer></location></configuration>'

WEB_CONFIGS: dict[str, tuple[str, str, str, str]] = {
    "locked section": ('<cgi timeout="00:00:05" />', "cgi", "locked", "applicationHost.config"),
    "server section": (
        "</system.webServer><system.applicationHost><sites /></system.applicationHost><system.webServer>",
        "sites",
        "only in the server's configuration file",
        "move it there",
    ),
    "unknown attribute": ('<directoryBrowse enabeld="true" />', "directoryBrowse/@enabeld", "no attribute", "enabled"),
    "bad value": ('<directoryBrowse enabled="perhaps" />', "directoryBrowse/@enabled", '"perhaps" is not', "true"),
    "duplicate key": (
        '<staticContent><mimeMap fileExtension=".q" mimeType="a/b" /><mimeMap fileExtension=".q" mimeType="a/c" />'
        "</staticContent>",
        "mimeMap/@fileExtension",
        "there already",
        "remove",
    ),
}


def web_config_of(section: str) -> str:
    """The section stands in line 3."""
    return f"<configuration>\n<system.webServer>\n{section}\n</system.webServer>\n</configuration>\n"


@pytest.mark.parametrize("name", WEB_CONFIGS)
def test_check_tells_what_is_wrong_in_a_web_config(tmp_path: Path, name: str) -> None:
    """Its own file and line; the server's file is in order."""
    config = write_site(tmp_path)
    config.write_text(config.read_text().replace("</configuration>", LOCKED))
    section, place, message, remedy = WEB_CONFIGS[name]
    web_config = tmp_path / "wwwroot" / "folder" / "web.config"
    web_config.write_text(web_config_of(section))
    mistake = Mistake("", "", place, message, remedy)
    assert_told(check(config), web_config, {name: (3, mistake)})


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(request.param)
    config = write_site(folder)
    config.write_text(config.read_text().replace("</configuration>", LOCKED))
    with running(folder, config, "--isolation", request.param) as started:
        started.get("/shop/a.where")
        yield started


@pytest.fixture
def good(service: RunningService) -> Iterator[str]:
    """The text of the file that is in force, which is there again afterwards."""
    text = service.config.read_text()
    yield text
    save(service.config, text)


def save(path: Path, text: str) -> None:
    """As an editor does: a new file, renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


SAVED = {**TOGETHER, **BETWEEN, **ALONE, **UNREADABLE}


@pytest.mark.parametrize("name", SAVED)
def test_a_broken_file_that_is_saved_changes_nothing(service: RunningService, good: str, name: str) -> None:
    """The event says what `check` says; the same process answers on."""
    before, mistake = service.get("/shop/a.where").body, SAVED[name]
    refused = len([line for line in service.events() if "configuration-refused" in line])
    save(service.config, spoil(good, mistake))
    event = service.wait_for_event("configuration-refused", count=refused + 1).replace('\\"', '"')
    assert f"{service.config}:" in event
    assert [word for word in (mistake.place, mistake.message, mistake.remedy) if word not in event] == []
    assert service.get("/shop/a.where").body == before
    assert service.get("/media/note.txt").text == "a note\n"


@pytest.mark.parametrize("name", WEB_CONFIGS)
def test_a_broken_web_config_that_is_saved_is_told_and_breaks_its_folder_at_most(
    service: RunningService, name: str
) -> None:
    """A folder whose file was good keeps its settings; one whose file never was answers 500.19. Both say the line."""
    section, place, message, remedy = WEB_CONFIGS[name]
    text = web_config_of(section)
    root = service.folder / "wwwroot"
    known, fresh = root / f"known-{name.replace(' ', '-')}", root / f"fresh-{name.replace(' ', '-')}"
    for folder in (known, fresh):
        folder.mkdir()
        (folder / "page.html").write_text("a page\n")
    (known / "web.config").write_text(web_config_of('<directoryBrowse enabled="false" />'))
    assert service.get(f"/{known.name}/page.html").text == "a page\n"
    (known / "web.config").write_text(text)
    (fresh / "web.config").write_text(text)
    service.wait_until_answered(
        f"/{known.name}/page.html", lambda: service.has_event(f"{known}/web.config:3: {place}: ", remedy)
    )
    assert service.get(f"/{known.name}/page.html").text == "a page\n"
    answer = service.get(f"/{fresh.name}/page.html")
    assert (answer.status, "500.19" in answer.text) == (500, True)
    assert [
        word for word in (f"{fresh}/web.config:3: {place}: ", message, remedy) if word not in unescape(answer.text)
    ] == []
    assert service.get("/").status == 200


def test_a_file_that_is_removed_changes_nothing_until_it_is_back(service: RunningService, good: str) -> None:
    """An editor that moves the file away for a moment is no outage. Last here, because the workers are replaced."""
    service.config.unlink()
    service.wait_for_event("configuration-refused", f"{service.config}:1: it cannot be read")
    assert service.get("/").status == 200
    save(service.config, good.replace("../media", "../deep"))
    assert wait_until(
        lambda: service.get("/media/index.html").text == "the deep\n", service.logs, "the new configuration"
    )
