"""What `isapy check` says of error pages and log folders that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.files_check import file_problems, program_problems
from host.config.server_file import load_server
from host.config.store import ServerConfiguration, read_source

CONFIG = """<configuration><system.applicationHost>
<applicationPools><add name="Pool" /></applicationPools>{central}
<sites><site name="Site" id="7"><logFile directory="{logs}" {more} />
<application path="/" applicationPool="Pool"><virtualDirectory path="/" physicalPath="{root}" /></application>
<application path="/sub" applicationPool="Pool"><virtualDirectory path="/" physicalPath="{root}" /></application>
<bindings><binding protocol="http" bindingInformation="*:8080:" /></bindings></site></sites>
</system.applicationHost><system.webServer><httpErrors>
{errors}
</httpErrors></system.webServer></configuration>"""


def problems(folder: Path, *, errors: str = "", logs: str = "logs", more: str = "", central: str = "") -> list[str]:
    """Line, attribute and text of each."""
    (folder / "root").mkdir()
    (folder / "pages").mkdir()
    (folder / "pages" / "404.htm").write_text("gone")
    (folder / "file").write_text("")
    config = folder / "applicationHost.config"
    words = {"errors": errors, "root": folder / "root", "more": more, "central": central}
    config.write_text(CONFIG.format(logs=folder / logs, **words))
    found = file_problems(ServerConfiguration(read_source(str(config)), 1))
    return [f"{one.line} {one.element} {one.attribute}: {one.message} | {one.remedy}" for one in found]


def test_a_page_that_is_not_there_is_told_once(tmp_path: Path) -> None:
    """By its own file's folder or the prefix; what is a URL is not looked for."""
    errors = [
        '<error statusCode="404" path="pages/404.htm" />',
        f'<error statusCode="404" subStatusCode="3" path="404.htm" prefixLanguageFilePath="{tmp_path}/pages" />',
        '<error statusCode="403" path="/denied" responseMode="ExecuteURL" />',
        f'<error statusCode="500" path="500.htm" prefixLanguageFilePath="{tmp_path}/pages" />',
        '<error statusCode="405" path="pages" />',
    ]
    found = problems(tmp_path, errors="\n".join(errors))
    assert len(found) == 2, found
    missing, folder = sorted(found, key=lambda text: "pages/500.htm" not in text)
    assert missing.startswith("11 httpErrors/error path: the page of status 500: there is no file ")
    assert f"{tmp_path}/pages/500.htm; isapy's short one is sent" in missing
    assert folder.startswith("12 httpErrors/error path: the page of status 405: ")


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("", ""),
        ('orphanWorkerProcess="true" orphanActionExe="sh" autoShutdownExe="/bin/echo"', ""),
        ('orphanActionExe="/bin/echo"', "orphanActionExe: it is never run"),
        ('orphanWorkerProcess="true" orphanActionExe="/no/such"', "orphanActionExe: there is no program /no/such"),
        ('autoShutdownExe="/etc/passwd"', "autoShutdownExe: there is no program /etc/passwd that can be executed"),
    ],
)
def test_a_program_for_an_occasion_is_looked_for_before_it_comes(tmp_path: Path, failure: str, told: str) -> None:
    """Where the service looks for it; where many pools have it from their defaults it is one problem."""
    config = tmp_path / "applicationHost.config"
    text = CONFIG.format(errors="", root=tmp_path, more="", central="", logs=tmp_path)
    defaults = f"<applicationPoolDefaults><failure {failure} /></applicationPoolDefaults>"
    config.write_text(text.replace('<add name="Pool" />', f'{defaults}<add name="Pool" /><add name="Other" />'))
    found = program_problems(load_server(read_source(str(config)), 1, check_files=False))
    assert len(found) == bool(told), found
    if told:
        assert f"{found[0].attribute}: {found[0].message}".startswith(told)
        assert found[0].line == 2
    in_iis5 = load_server(read_source(str(config), "iis5"), 1, check_files=False)
    assert program_problems(in_iis5) == []


@pytest.mark.parametrize(
    ("logs", "more", "central", "told"),
    [
        ("logs", "", "", ""),
        ("new/folder/of/logs", "", "", ""),
        ("file/logs", 'enabled="false"', "", ""),
        ("file/logs", "", "", "file/logs/W3SVC7 cannot be made: "),
        ("file", "", "", "file/W3SVC7 cannot be made: "),
        (
            "logs",
            "",
            '<log centralLogFileMode="CentralW3C"><centralW3CLogFile enabled="true" directory="/dev/null/x" /></log>',
            "/dev/null/x/W3SVC cannot be made: /dev/null is no folder",
        ),
    ],
)
def test_a_log_folder_that_cannot_be_made_is_told(
    tmp_path: Path, logs: str, more: str, central: str, told: str
) -> None:
    """One that is only missing yet is made with the first line."""
    found = problems(tmp_path, logs=logs, more=more, central=central)
    assert len(found) == bool(told), found
    if told:
        assert told in found[0]
        assert found[0].startswith("2 log/centralW3CLogFile" if central else "3 logFile directory: ")
