"""Sources, snapshots, and changes as transactions."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from host.bundled_files import bundled_folder
from host.config.errors import ConfigErrors, VersionConflict
from host.config.model import IsolationMode
from host.config.store import ConfigurationStore, ServerConfiguration, Source, build_snapshot, read_source
from tests.config.server_sample import Server, lines_of


def test_a_file_that_is_not_there_is_an_error_with_remedy(tmp_path: Path) -> None:
    """The first thing a newcomer can do wrong."""
    with pytest.raises(ConfigErrors) as caught:
        read_source(str(tmp_path / "none.config"))
    assert lines_of(caught.value, tmp_path) == [
        "ROOT/none.config:1: it cannot be read: No such file or directory; "
        "give the path of an applicationHost.config, or make one with: isapy init FOLDER"
    ]


def test_a_snapshot_is_frozen(server: Server) -> None:
    """Nothing can be changed in place."""
    server.write("")
    with pytest.raises(dataclasses.FrozenInstanceError):
        server.snapshot().version = 2  # type: ignore[misc]


@pytest.mark.parametrize(("text", "mode"), [("", "WorkerProcess"), ('<isolation mode="IIS5" />', "IIS5")])
def test_the_isolation_switch(server: Server, text: str, mode: str) -> None:
    """In the file, or on the command line, which wins."""
    source = server.write(f"<system.applicationHost>{text}</system.applicationHost>", sites=False)
    assert build_snapshot(source, 1).isolation_mode.value == mode
    for word, chosen in (("iis5", IsolationMode.IIS5), ("WorkerProcess", IsolationMode.WORKER_PROCESS)):
        overridden = dataclasses.replace(source, isolation=word)
        assert build_snapshot(overridden, 1).isolation_mode is chosen
    with pytest.raises(ConfigErrors, match="ask for workerprocess or iis5"):
        build_snapshot(dataclasses.replace(source, isolation="iis6"), 1)


def test_a_port_from_the_command_line_replaces_the_first_one(server: Server) -> None:
    """Address and host name stay; a site without binding gets one."""
    source = server.write("")
    sites = build_snapshot(dataclasses.replace(source, port=9999), 1).sites
    assert [binding.endpoint for site in sites for binding in site.bindings] == ["127.0.0.1:9999"]
    text = source.text.replace(b'<binding protocol="http" bindingInformation="127.0.0.1:8080:" />', b"")
    sites = build_snapshot(Source(source.path, text, port=9999), 1).sites
    assert [binding.endpoint for site in sites for binding in site.bindings] == ["*:9999"]


def test_bindings_that_share_a_port_move_together(server: Server) -> None:
    """Sites told apart by host name stay so; a binding on another port stays where it is."""
    source = server.write("")
    bindings = b"".join(
        b'<binding protocol="http" bindingInformation="%b" />' % one
        for one in (b"127.0.0.1:8080:a.test", b"*:8081:a.test", b"127.0.0.1:8080:b.test")
    )
    text = source.text.replace(b'<binding protocol="http" bindingInformation="127.0.0.1:8080:" />', bindings)
    sites = build_snapshot(Source(source.path, text, port=9999), 1).sites
    assert [(one.endpoint, one.host) for site in sites for one in site.bindings] == [
        ("127.0.0.1:9999", "a.test"),
        ("*:8081", "a.test"),
        ("127.0.0.1:9999", "b.test"),
    ]


def test_plugin_folders_are_the_servers_own_before_isapys(server: Server) -> None:
    """A folder that is not there is left out, and isapy's own is not named twice."""
    server.write("")
    bundled = str(bundled_folder("extensions"))
    assert server.snapshot().extension_folders == (bundled,)
    (server.root / "extensions").mkdir()
    assert server.snapshot().extension_folders == (str(server.root / "extensions"), bundled)
    (server.root / "extensions").rmdir()
    (server.root / "extensions").symlink_to(bundled)
    assert server.snapshot().extension_folders == (str(server.root / "extensions"),)


def test_a_missing_folder_is_an_error_only_for_who_asks(server: Server) -> None:
    """A child repeats what was validated; a folder that went away meanwhile must not keep it from starting."""
    source = server.write("")
    os.rmdir(server.root / "other")
    with pytest.raises(ConfigErrors) as caught:
        build_snapshot(source, 1)
    assert lines_of(caught.value, server.root) == [
        "ROOT/conf/applicationHost.config:23: virtualDirectory/@physicalPath: the folder ROOT/other does not exist; "
        "make it with: mkdir -p ROOT/other, or correct the path"
    ]
    assert build_snapshot(source, 1, check_files=False).version == 1
    assert ServerConfiguration(source, 1).snapshot.version == 1


def test_warnings_name_what_is_not_supported_with_file_and_line(server: Server) -> None:
    """Sections of IIS, elements, attributes, .NET's sections, registered ones, programs and sites that are missing."""
    server.write(
        """<configSections><section name="mine" /><sectionGroup name="system.webServer">
<section name="their" /></sectionGroup></configSections>
<appSettings><add key="a" value="b" /></appSettings>
<mine x="1"><y /></mine>
<system.webServer>
  <their /><security><ipSecurity allowUnlisted="false" /></security>
  <rewrite><rules /></rewrite>
  <handlers><add name="a" path="*.a" verb="*" type="System.X" scriptProcessor="/no/such/program" /></handlers>
  <globalModules><add name="X" image="%windir%\\x.dll" /></globalModules>
  <serverRuntime enabled="false" maxRequestEntityAllowed="4294967295" frequentHitThreshold="5" />
</system.webServer>
<location path="Othr/x"><system.webServer><cgi /></system.webServer></location>"""
    )
    place = f"{server.file}:"
    assert [line.removeprefix(place) for line in server.snapshot().warnings] == [
        "30: appSettings: isapy has no use for this section; it is ignored",
        "31: mine: isapy has no use for this section; it is ignored",
        "33: their: isapy has no schema for this section; it is ignored",
        "33: ipSecurity: system.webServer/security/ipSecurity is not supported yet and ignored: "
        "it restricts NOTHING here",
        "34: rewrite: system.webServer/rewrite is not supported yet and ignored: URLs are not rewritten",
        "35: handlers/add/@scriptProcessor: the program /no/such/program does not exist (yet); "
        "install it or correct the path",
        '35: handlers/add/@type: "System.X" is a type of .NET, which isapy cannot run; '
        "the mapping runs its modules or scriptProcessor; name a class: module:Class",
        "36: globalModules: isapy does not support this yet; it is ignored",
        "37: serverRuntime/@enabled: isapy does not support this yet; it is ignored",
        '39: cgi: this stands in a location of a site "othr" that does not exist; did you mean Other?',
    ]


def test_a_commit_takes_effect_and_counts_versions(server: Server) -> None:
    """Old and new come back; the store holds the new one."""
    store = ConfigurationStore(server.write(""))
    source = server.write("", pools='<add name="Third" />')
    change = store.commit(source, expected_version=1)
    assert (change.old.version, change.new.version, change.is_no_op) == (1, 2, False)
    assert store.current is change.new
    assert store.source is source
    assert store.current.pool("Third")


def test_a_broken_commit_changes_nothing(server: Server) -> None:
    """The old snapshot stays in force, whatever is wrong with the new text."""
    store = ConfigurationStore(server.write(""))
    before, source = store.current, store.source
    for broken in (b"<configuration>", b"<configuration><nonsense /></configuration>"):
        with pytest.raises(ConfigErrors):
            store.commit(Source(source.path, broken), expected_version=1)
    assert store.current is before
    assert store.source is source


def test_a_commit_for_another_version_is_refused(server: Server) -> None:
    """Two who change at once do not overwrite each other."""
    store = ConfigurationStore(server.write(""))
    store.commit(server.write("", pools='<add name="Third" />'), expected_version=1)
    with pytest.raises(VersionConflict, match="at version 2, the change was made for version 1"):
        store.commit(server.write(""), expected_version=1)


def test_the_same_configuration_again_is_no_change(server: Server) -> None:
    """Comments and blanks say nothing; the version stays."""
    source = server.write("")
    store = ConfigurationStore(source)
    text = source.text.replace(b"<sites>", b"<!-- a comment -->\n\n<sites >")
    change = store.commit(Source(source.path, text), expected_version=1)
    assert change.is_no_op
    assert change.new is change.old is store.current
    assert store.source.text == text
