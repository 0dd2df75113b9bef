"""What is logged of requests: from the file to its values."""

from __future__ import annotations

import pytest

from host.config.errors import ConfigErrors
from host.config.log_builder import LOG_COLUMNS
from host.config.log_settings import LOGS_EVERYTHING, CustomField, HttpLogging, LogFile
from host.config.model import Snapshot
from tests.config.server_sample import Server

SITE = """<site name="{name}" id="{id}"><application path="/"><virtualDirectory path="/" physicalPath="../www" />
</application>{log}</site>"""


def snapshot(server: Server, *logs: str, log: str = "") -> Snapshot:
    """A site for each `logFile` element, and the `log` section."""
    sites = "".join(SITE.format(name=f"S{number}", id=number, log=text) for number, text in enumerate(logs, 1))
    server.write(f"<system.applicationHost><sites>{sites}</sites>{log}</system.applicationHost>", sites=False)
    return server.snapshot()


def log_of(server: Server, text: str) -> LogFile:
    return snapshot(server, text).sites[0].log_file


def columns(*sources: tuple[str, str, str]) -> str:
    """A logFile with these custom fields."""
    entries = "".join(f'<add logFieldName="{n}" sourceName="{s}" sourceType="{t}" />' for n, s, t in sources)
    return f'<logFile><customFields maxCustomFieldLength="20">{entries}</customFields></logFile>'


def test_every_log_flag_has_a_column() -> None:
    """A flag without a column would be dropped silently."""
    assert len({flag for _, flag in LOG_COLUMNS}) == len(LOG_COLUMNS) == 22


@pytest.mark.parametrize("log_format", ["W3C", "IIS", "NCSA"])
def test_a_site_has_its_format(server: Server, log_format: str) -> None:
    """Without a warning."""
    whole = snapshot(server, f'<logFile logFormat="{log_format}" />')
    assert (whole.sites[0].log_file.format, whole.warnings) == (log_format, ())


def test_custom_fields_keep_their_order(server: Server) -> None:
    """The listener notes more of each request only when one of them shows it."""
    log = log_of(server, columns(("A", "X-A", "RequestHeader"), ("B", "HTTP_X_B", "ServerVariable")))
    assert log.custom_fields == (
        CustomField(name="A", source_name="X-A"),
        CustomField(name="B", source_name="HTTP_X_B", source_type="ServerVariable"),
    )
    assert (log.max_custom_field_length, log.needs_details) == (20, False)


@pytest.mark.parametrize("source", [("C", "ETag", "ResponseHeader"), ("D", "HTTPS", "ServerVariable")])
def test_what_is_not_noted_of_every_request_is_asked_for(server: Server, source: tuple[str, str, str]) -> None:
    """Response fields, and variables of the connection."""
    assert log_of(server, columns(source)).needs_details


def test_custom_fields_are_for_the_w3c_format(server: Server) -> None:
    """The two others have fixed fields, so nothing more is noted for them."""
    text = columns(("C", "ETag", "ResponseHeader")).replace("<logFile>", '<logFile logFormat="NCSA">')
    log = log_of(server, text)
    assert (log.custom_fields, log.needs_details) == ((), False)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (("a b", "X-A", "RequestHeader"), '"a b" cannot be the name of a column'),
        (("a&#10;b", "X-A", "RequestHeader"), "cannot be the name of a column"),
        (("A", "X A", "RequestHeader"), '"X A" is no name of a header field'),
        (("A", "X-A:", "ResponseHeader"), '"X-A:" is no name of a header field'),
    ],
)
def test_a_name_that_would_break_the_log_is_refused(server: Server, source: tuple[str, str, str], said: str) -> None:
    """With the line of the entry."""
    with pytest.raises(ConfigErrors) as caught:
        log_of(server, columns(source))
    assert said in str(caught.value)
    assert "add/@" in str(caught.value)


def test_a_variable_that_the_listener_does_not_know_is_warned_of(server: Server) -> None:
    """Its column is there and stays empty."""
    whole = snapshot(server, columns(("A", "SCRIPT_NAME", "ServerVariable")))
    assert [field.name for field in whole.sites[0].log_file.custom_fields] == ["A"]
    assert "does not know SCRIPT_NAME; the column stays empty" in whole.warnings[0]


def test_all_sites_share_the_central_log(server: Server) -> None:
    """One object for all, so that the listener sees by identity that nothing has changed; sites may stay out of it."""
    central = """<log centralLogFileMode="CentralW3C"><centralW3CLogFile directory="../central" period="Hourly"
    truncateSize="1048577" localTimeRollover="true" logExtFileFlags="SiteName, Time" /></log>"""
    whole = snapshot(
        server, "", '<logFile logFormat="NCSA" period="Weekly" />', '<logFile enabled="false" />', log=central
    )
    first, second, third = (site.log_file for site in whole.sites)
    assert first is second
    assert first == LogFile(
        directory=f"{server.root}/central",
        period="Hourly",
        truncate_size=1048577,
        local_time_rollover=True,
        fields=("time", "s-sitename"),
        is_central=True,
    )
    assert (third.is_central, third.enabled) == (True, False)
    assert whole.warnings == ()


def test_the_central_log_tells_sites_apart_by_default(server: Server) -> None:
    """SiteName is one of its columns, and its folder is that of the sites' logs."""
    log = snapshot(server, "", log='<log centralLogFileMode="CentralW3C" />').sites[0].log_file
    assert "s-sitename" in log.fields
    assert log.directory.endswith("/logs/LogFiles")


def test_the_central_log_may_be_off(server: Server) -> None:
    """centralW3CLogFile/@enabled=false: nothing is logged of any site."""
    text = '<log centralLogFileMode="CentralW3C"><centralW3CLogFile enabled="false" /></log>'
    assert not snapshot(server, "", log=text).sites[0].log_file.enabled


def test_a_windows_folder_matters_in_central_mode_only(server: Server) -> None:
    """IIS's own file names one in a mode that is not in use."""
    folder = r'<centralW3CLogFile directory="C:\inetpub\logs" />'
    assert not snapshot(server, "", log=f"<log>{folder}</log>").sites[0].log_file.is_central
    with pytest.raises(ConfigErrors, match="is a Windows path"):
        snapshot(server, "", log=f'<log centralLogFileMode="CentralW3C">{folder}</log>')


def test_http_logging_is_known_by_path(server: Server) -> None:
    """In location, for one URL; elsewhere everything is logged, and that is told by identity."""
    server.write(
        """<location path="Default Web Site/quiet"><system.webServer>
        <httpLogging dontLog="true" selectiveLogging="LogError" /></system.webServer></location>"""
    )
    configuration = server.configuration()
    application = configuration.snapshot.sites[0].applications[-1]
    quiet = configuration.settings_for(application, "/quiet/a").http_logging
    assert quiet == HttpLogging(dont_log=True, selective_logging="LogError")
    assert configuration.settings_for(application, "/loud").http_logging is LOGS_EVERYTHING
