"""The configuration of `isapy run FOLDER`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from host.cli.failures import CommandLineError
from host.cli.folder_site import (
    folder_configuration,
    folder_configuration_path,
    what_is_served,
    write_folder_configuration,
)
from host.config.model import PathSettings, Snapshot
from host.config.names import AccessPolicy
from host.config.store import ServerConfiguration, Source, build_snapshot


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder is the test's own."""
    monkeypatch.setenv("ISAPY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def snapshot_of(folder: Path, address: str = "127.0.0.1", port: int = 8080) -> Snapshot:
    return build_snapshot(Source("/x/conf/y.config", folder_configuration(folder, address, port).encode()), 1)


def settings_of(folder: Path, url_path: str) -> PathSettings:
    server = ServerConfiguration(Source("/x/conf/y.config", folder_configuration(folder, "::1", 80).encode()), 1)
    return server.settings_for(server.snapshot.sites[0].applications[0], url_path)


@pytest.mark.parametrize("name", ["site", "with blank & <b> \"quotes\" 'n' -- --", "übung"])
def test_it_is_valid_and_serves_the_folder(tmp_path: Path, name: str) -> None:
    """No warning, whatever the folder is called."""
    folder = tmp_path / name
    folder.mkdir()
    snapshot = snapshot_of(folder)
    assert snapshot.warnings == ()
    (site,) = snapshot.sites
    assert site.applications[0].physical_path == str(folder)
    assert [binding.endpoint for binding in site.bindings] == ["127.0.0.1:8080"]


@pytest.mark.parametrize(("address", "ip"), [("0.0.0.0", ""), ("::", ""), ("::1", "[::1]"), ("10.0.0.1", "10.0.0.1")])
def test_addresses_become_bindings(tmp_path: Path, address: str, ip: str) -> None:
    """Every address is an asterisk, an IPv6 address stands in brackets."""
    (binding,) = snapshot_of(tmp_path, address, 81).sites[0].bindings
    assert (binding.ip.replace("*", ""), binding.port) == (ip, 81)


def test_programs_run_and_files_are_shown(tmp_path: Path) -> None:
    """CGI by extension and in cgi-bin, a list for folders, any file type, index pages and programs."""
    settings = settings_of(tmp_path, "/x.py")
    assert AccessPolicy.EXECUTE in settings.access_policy
    mapped = [(handler.path, handler.modules) for handler in settings.handlers]
    programs = ["cgi-bin/*", "*.cgi", "*.py", "*.pl", "*.sh", "*.rb", "*.tcl", "*.lua"]
    assert mapped[:-1] == [(path, "CgiModule") for path in programs]
    assert mapped[-1][0] == "*"
    assert settings.not_listed_cgis_allowed
    assert settings.directory_browse_enabled
    assert settings.default_documents == ("index.html", "index.htm", "index.cgi", "index.py")
    filtering = settings.request_filtering
    assert filtering.allow_double_escaping  # c++.html is a file like any other
    assert filtering.max_query_string == 65536
    assert settings.cgi.language_interpreters["perl"] == shutil.which("perl")
    assert settings.static_content.mime_map[".*"] == "application/octet-stream"
    assert ".git" in settings.request_filtering.hidden_segments
    assert [each.name for each in settings.filters] == ["request_filtering"]


def test_code_of_pages_that_nothing_runs_is_refused(tmp_path: Path) -> None:
    """Passwords stand in it: PHP without php-cgi, and whatever else a web server of old ran."""
    filtering = settings_of(tmp_path, "/x.php").request_filtering
    for extension in (".php", ".phtml", ".inc", ".asp", ".aspx", ".jsp", ".cfm"):
        assert filtering.extensions[extension] is False
    assert ".html" not in filtering.extensions
    assert filtering.allow_unlisted_extensions
    assert not settings_of(tmp_path, "/cgi-bin/x.php").request_filtering.extensions  # it runs, or is refused


def test_php_runs_where_php_cgi_is(tmp_path: Path) -> None:
    """By FastCGI, index pages too; what belongs to PHP and is no page (.inc) stays refused."""
    text = folder_configuration(tmp_path, "::1", 80, "/opt/php & co/php-cgi")
    server = ServerConfiguration(Source("/x/conf/y.config", text.encode()), 1)
    assert server.snapshot.warnings == ()
    settings = server.settings_for(server.snapshot.sites[0].applications[0], "/x.php")
    mapped = {handler.path: handler.script_processor for handler in settings.handlers}
    assert mapped["*.php"] == mapped["*.phtml"] == "/opt/php & co/php-cgi"
    assert settings.default_documents[-1] == "index.php"
    assert not {".php", ".phtml"} & settings.request_filtering.extensions.keys()
    assert settings.request_filtering.extensions[".inc"] is False


def test_what_became_of_php_pages_is_said(tmp_path: Path) -> None:
    """Which program runs them, or what to install; nothing where there are none."""
    assert "PHP" not in "\n".join(what_is_served(tmp_path, "/usr/bin/php-cgi"))
    for name in ("a.php", "b.phtml"):
        (tmp_path / name).write_text("x")
    assert "run in /usr/bin/php-cgi (2 found)" in "\n".join(what_is_served(tmp_path, "/usr/bin/php-cgi"))
    assert "not served      2 pages of PHP" in "\n".join(what_is_served(tmp_path))


def test_it_is_written_into_the_state_folder(tmp_path: Path, state: Path) -> None:
    """One file a folder, the same for every spelling of its path, written anew each time."""
    (tmp_path / "my site").mkdir()
    path = write_folder_configuration(tmp_path / "my site", "127.0.0.1", 8080)
    assert path == folder_configuration_path(tmp_path / "my site" / ".." / "my site")
    assert path.parent.parent.parent == state / "folders"
    assert path.parent.parent.name.startswith("my-site-")
    assert write_folder_configuration(tmp_path / "my site", "127.0.0.1", 9090) == path
    assert '"127.0.0.1:9090:"' in path.read_text()


@pytest.mark.parametrize("name", ["%HOME%", "back\\slash", "new\nline"])
def test_a_path_that_a_configuration_cannot_hold_is_refused(tmp_path: Path, state: Path, name: str) -> None:
    """Rather than serving another folder."""
    (tmp_path / name).mkdir()
    with pytest.raises(CommandLineError, match="cannot stand in a configuration"):
        folder_configuration_path(tmp_path / name)


def test_what_is_no_folder_is_refused(tmp_path: Path, state: Path) -> None:
    """A file, or nothing."""
    with pytest.raises(CommandLineError, match="is no folder"):
        folder_configuration_path(tmp_path / "missing")


def test_an_unwritable_state_folder_says_what_to_set(tmp_path: Path, state: Path) -> None:
    """Here a file is in its place."""
    state.write_text("in the way")
    with pytest.raises(CommandLineError, match="cannot write") as caught:
        write_folder_configuration(tmp_path, "127.0.0.1", 8080)
    assert caught.value.remedies == ["set ISAPY_STATE to a folder that you may write to"]


def test_programs_that_cannot_run_are_named(tmp_path: Path) -> None:
    """A newcomer forgets chmod."""
    (tmp_path / "cgi-bin").mkdir()
    for name, mode in {
        "a.py": 0o644,
        "b.cgi": 0o755,
        "cgi-bin/tool": 0o755,
        "page.html": 0o644,
        "c.txt": 0o755,
    }.items():
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    (tmp_path / "cgi-lib.pl").write_text("sub ReadParse { }\n1;\n")  # without a first line: no program
    text = "\n".join(what_is_served(tmp_path))
    assert "(3 found)" in text
    assert "cgi-lib.pl" not in text
    assert f"chmod +x {tmp_path}/a.py" in text
    assert "b.cgi:" not in text
    assert "page.html" not in text


def test_what_lies_beside_programs_is_not_to_be_made_executable(tmp_path: Path) -> None:
    """A counter, a template, Apache's files: chmod +x would be wrong advice. What begins as a script does is one."""
    folder = tmp_path / "cgi-bin"
    folder.mkdir()
    for name, start in {
        "count.txt": "7",
        ".htaccess": "Require all denied",
        "old": "\ufeff#!/bin/sh",
        "tool": "#!/bin/sh",
    }.items():
        (folder / name).write_text(start, encoding="utf-8")
        (folder / name).chmod(0o644)
    os.mkfifo(folder / "pipe")  # nobody writes to it: whoever opened it would wait for ever
    text = "\n".join(what_is_served(tmp_path))
    assert "(2 found)" in text
    assert text.count("chmod +x") == 2
    assert f"chmod +x {folder}/old" in text
    assert f"chmod +x {folder}/tool" in text


def test_what_apaches_files_forbid_is_said_to_be_open(tmp_path: Path) -> None:
    """Nobody reads them here; whoever has protected a folder with one has to know before others do."""
    (tmp_path / "private").mkdir()
    (tmp_path / ".htaccess").write_text("Options -Indexes")
    assert f"not read        {tmp_path}/.htaccess: what it forbids is open here" in "\n".join(what_is_served(tmp_path))
    (tmp_path / "private" / ".htaccess").write_text("Require valid-user")
    assert f"{tmp_path}/.htaccess and 1 more: what it forbids" in "\n".join(what_is_served(tmp_path))


def test_links_that_lead_out_are_said_not_to_be_followed(tmp_path: Path) -> None:
    """A folder, as Debian's /usr/lib/cgi-bin might be, or a file; links within the folder are followed."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "page.html").write_text("x")
    (folder / "same.html").symlink_to("page.html")
    assert "not served" not in "\n".join(what_is_served(folder))
    (folder / "cgi-bin").symlink_to("/usr/lib")
    assert f"not served      {folder}/cgi-bin: links that lead out" in "\n".join(what_is_served(folder))
    (folder / "passwords").symlink_to("/etc/passwd")
    assert f"not served      {folder}/cgi-bin and 1 more: links that" in "\n".join(what_is_served(folder))


def test_a_site_that_is_served_as_a_mere_folder_is_named(tmp_path: Path) -> None:
    """Whoever made it with `isapy init` wanted its configuration to count."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "applicationHost.config").write_text("<configuration/>")
    assert f"isapy run --config {tmp_path}/conf/applicationHost.config" in "\n".join(what_is_served(tmp_path))


def test_plugins_that_nobody_loads_are_told(tmp_path: Path) -> None:
    """Whoever saves README's extension beside his pages wonders why nothing happens; in a site's folder it is said how
    to run the site instead."""
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "shop.py").write_text("from host.api import hookimpl\n")
    (tmp_path / "extensions" / "tool.py").write_text("print()\n")
    (tmp_path / "shop.py").write_text("from host.api import hookimpl\n")
    told = f"not loaded      {tmp_path}/extensions/shop.py: a plugin needs a site with a configuration (isapy init)"
    assert told in "\n".join(what_is_served(tmp_path))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "applicationHost.config").write_text("")
    assert "not loaded" not in "\n".join(what_is_served(tmp_path))
