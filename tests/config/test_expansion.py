"""`%NAME%`, relative paths, backslashes and Windows paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.bundled_files import bundled_folder
from host.config.errors import ValueProblem
from host.config.expansion import Expander, root_folder, server_expander, state_folder
from host.config.schema_types import Expansion

EXPANDER = Expander("/srv/site", {"NAME": "/opt/x", "EMPTY": ""})


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("www", "/srv/site/www"),
        (r"..\www\a", "/srv/www/a"),
        ("./a/../b/", "/srv/site/b"),
        ("/abs/x", "/abs/x"),
        ("%NAME%/y", "/opt/x/y"),
        ("", ""),
        ("100%", "/srv/site/100%"),
        ("%NAME", "/srv/site/%NAME"),
    ],
)
def test_a_path_becomes_absolute(text: str, path: str) -> None:
    """Relative paths start at the folder of the file that holds them."""
    assert EXPANDER.path(text) == path


@pytest.mark.parametrize("text", [r"C:\inetpub", "d:/x", r"\\server\share"])
def test_a_windows_path_is_refused(text: str) -> None:
    """It would otherwise become a strange relative path."""
    with pytest.raises(ValueProblem, match="is a Windows path"):
        EXPANDER.path(text)


def test_an_unknown_name_is_an_error_with_remedy() -> None:
    """Nothing is expanded to an empty text silently."""
    with pytest.raises(ValueProblem, match="%MISSING% is not in the environment") as caught:
        EXPANDER.path("%NAME%/%MISSING%")
    assert caught.value.remedy == "set MISSING before isapy starts"
    with pytest.raises(ValueProblem) as caught:
        EXPANDER.path("%ISAPI_ROOT%/wwwroot")
    assert caught.value.remedy == "did you mean %ISAPY_ROOT%?"


@pytest.mark.parametrize("name", ["SystemDrive", "windir", "Windir", "ProgramFiles(x86)"])
def test_a_folder_of_windows_is_not_to_be_set(name: str) -> None:
    """A file from IIS is full of them; whoever has set such a name has it replaced as any other."""
    with pytest.raises(ValueProblem) as caught:
        EXPANDER.path(f"%{name}%/inetpub")
    assert caught.value.remedy == "a folder of Windows; give a folder or file of this machine"
    assert Expander("/srv", {name: "/c"}).path(rf"%{name}%\inetpub") == "/c/inetpub"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("perl", "perl"),
        ("bin/perl -T", "/srv/site/bin/perl -T"),
        (r"..\bin\php-cgi.exe|-d a=b/c", "/srv/bin/php-cgi.exe|-d a=b/c"),
        ('"bin/my perl" "%s" %s', '"/srv/site/bin/my perl" "%s" %s'),
        ('/usr/bin/perl "%s" %s', '/usr/bin/perl "%s" %s'),
        ("%NAME%/perl %s", "/opt/x/perl %s"),
        ("unix:/run/php/php-fpm.sock", "unix:/run/php/php-fpm.sock"),
        ("tcp://127.0.0.1:9000", "tcp://127.0.0.1:9000"),
    ],
)
def test_the_program_of_a_command_becomes_absolute(text: str, command: str) -> None:
    """Arguments and the %s of IIS's template stay as they are."""
    assert EXPANDER.expand(text, Expansion.COMMAND) == command


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mine.py", "/srv/site/mine.py"),
        ("a/b", "/srv/site/a/b"),
        ("System.Web.X, System.Web", "System.Web.X, System.Web"),
    ],
)
def test_a_plugin_is_a_file_or_a_name(text: str, value: str) -> None:
    """Types of .NET stay what they are."""
    assert EXPANDER.expand(text, Expansion.PLUGIN) == value


def test_names_that_always_exist(tmp_path: Path) -> None:
    """Configuration, root, state and what came with isapy."""
    (tmp_path / "conf").mkdir()
    expander = server_expander(str(tmp_path / "conf" / "x.config"), {"ISAPY_STATE": "/var/isapy"})
    assert expander.names("%ISAPY_CONF%") == str(tmp_path / "conf")
    assert expander.names("%ISAPY_ROOT%") == str(tmp_path)
    assert expander.names("%ISAPY_STATE%") == "/var/isapy"
    assert expander.names("%ISAPY_BUNDLED%/extensions") == str(bundled_folder("extensions"))
    assert expander.at("/elsewhere").path("x") == "/elsewhere/x"


def test_the_root_is_the_files_own_folder_unless_that_is_called_conf(tmp_path: Path) -> None:
    """A single file anywhere is a server too."""
    assert root_folder(str(tmp_path / "a.config")) == str(tmp_path)
    assert root_folder(str(tmp_path / "conf" / "a.config")) == str(tmp_path)


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"ISAPY_STATE": "/a", "XDG_STATE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_STATE_HOME": "/b", "HOME": "/c"}, "/b/isapy"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/c"}, "/c/.local/state/isapy"),
        ({"HOME": "/c"}, "/c/.local/state/isapy"),
        ({}, os.path.expanduser("~/.local/state/isapy")),
    ],
)
def test_where_state_lies(environment: dict[str, str], folder: str) -> None:
    """The nearest wins; a relative XDG_STATE_HOME is ignored, as its specification asks."""
    assert state_folder(environment) == folder
