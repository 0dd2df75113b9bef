"""`cgi` as a value: every attribute at its place, and which programs are counted together."""

from __future__ import annotations

from host.config.cgi_settings import Cgi, ProgramInstances
from tests.config.server_sample import Server, application


def settings_of(server: Server, path: str) -> Cgi:
    """What is in force for a path of the first site."""
    configuration = server.configuration()
    found = configuration.settings_for(application(configuration.snapshot, "/"), path).cgi
    assert isinstance(found, Cgi)
    return found


def test_every_limit_arrives(server: Server) -> None:
    """Each a number of its own; kilobytes become bytes."""
    server.write(
        """<system.webServer><cgi timeout="00:00:01" firstByteTimeout="00:00:02" idleTimeout="00:00:03"
             outputSizeLimit="4" maxInstances="5" queueLength="6" interpreters="cold" acceptPathInfo="false"
             runAs="Alice" privateTemp="true" />
           </system.webServer>"""
    )
    cgi = settings_of(server, "/")
    assert (cgi.timeout_seconds, cgi.first_byte_seconds, cgi.idle_seconds) == (1, 2, 3)
    assert (cgi.most_output_bytes, cgi.interpreters, cgi.accept_path_info) == (4096, "cold", False)
    assert (cgi.run_as, cgi.has_private_temp) == ("Alice", True)
    assert (cgi.instances.most, cgi.instances.queue_length) == (5, 6)


def test_who_runs_a_language(server: Server) -> None:
    """Names are compared without regard to case; a lower level may add and remove."""
    server.write(
        """<system.webServer><cgi><languages><add name="Perl" path="/opt/perl" /><add name="python2" path="../py2" />
          </languages></cgi></system.webServer>
          <location path="Default Web Site/new"><system.webServer><cgi><languages><remove name="python2" />
          <add name="ruby" path="/opt/ruby" /></languages></cgi></system.webServer></location>"""
    )
    assert settings_of(server, "/").language_interpreters == {"perl": "/opt/perl", "python2": f"{server.root}/py2"}
    assert settings_of(server, "/new").language_interpreters == {"perl": "/opt/perl", "ruby": "/opt/ruby"}


def test_folders_of_files_that_programs_may_send(server: Server) -> None:
    """A list; each is a path like any other."""
    server.write('<system.webServer><cgi sendfileRoots="../files; /srv/x/ ;%ISAPY_ROOT%/y;" /></system.webServer>')
    root = str(server.root)
    assert settings_of(server, "/").sendfile_roots == (f"{root}/files", "/srv/x", f"{root}/y")


def test_programs_are_counted_by_the_element_that_limits_them(server: Server) -> None:
    """Two folders under one element are counted together; one with an element of its own is not."""
    server.write(
        """<system.webServer><cgi maxInstances="5" /></system.webServer>
          <location path="Default Web Site/slow"><system.webServer>
          <cgi maxInstances="1" timeout="00:00:09" /></system.webServer></location>
          <location path="Default Web Site/quick"><system.webServer>
          <cgi timeout="00:00:08" /></system.webServer></location>""",
    )
    root, slow, quick = (settings_of(server, path) for path in ("/", "/slow", "/quick"))
    assert root.instances == quick.instances
    assert quick.timeout_seconds == 8
    assert slow.instances.most == 1
    assert slow.instances.where != root.instances.where


def test_without_a_limit_nothing_is_counted(server: Server) -> None:
    """What the schema says and what a plugin's test finds are the same."""
    server.write("")
    assert settings_of(server, "/") == Cgi()
    assert settings_of(server, "/").instances == ProgramInstances()
